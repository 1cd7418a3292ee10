"""Plots of structure: sections, self-similarity, novelty, features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from scatseg.features import FeatureName, Features
from scatseg.formats import Annotation
from scatseg.plotting.canvas import (
    INK,
    LINE,
    TIME,
    color_bar,
    hertz_text,
    mark_minutes,
    plain,
    shortened,
)
from scatseg.plotting.fonts import fitted
from scatseg.plotting.looks import LabelStyle, label_styles
from scatseg.segmentation import Segmentation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.cm import ScalarMappable

# Hatch of each texture of a `LabelStyle`: plain, diagonals, dots, crosses.
_HATCHES = ("", "////", "...", "xxx")
_SIMILARITY_COLORS = "magma"
_MOST_NAMED = 30
"""Number of names that fit beside features."""

_LEAST_DISTANCE = 0.06
"""Of ticks, relative to the height of the axis."""

_PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

_MOST_MARKED = 100
"""Number of boundaries up to which dots leave the curve visible."""

_CONSTANT = 1e-6
"""Standard deviation relative to the largest value up to which features are constant."""

LABEL_SIZE = 7.0
"""Points."""

LABEL_MARGIN = 3.0
"""Points of a section's width that its label leaves free."""


class NoveltyCurve(NamedTuple):
    """A novelty curve and the boundaries found.

    Parameters
    ----------
    novelty : ndarray of float, shape (n_frames + 1,)
        Non-negative, on edges.
    edges : ndarray of float, shape (n_frames + 1,)
        Seconds.
    boundaries : sequence of float
        Seconds.
    is_probability : bool
        Whether the curve is the probability of a boundary.
    """

    novelty: NDArray[np.floating]
    edges: NDArray[np.floating]
    boundaries: Sequence[float] = ()
    is_probability: bool = False

    @property
    def what(self) -> str:
        """What the curve shows."""
        return "boundary probability" if self.is_probability else "novelty"


def annotation_names(annotations: Sequence[Annotation], *, unnamed: str = "segments") -> list[str]:
    """Name each annotation by its system or annotator, and by its level if necessary.

    Those with none of these are named `unnamed`.

    Examples
    --------
    >>> form = Segmentation([0, 1], ["A"])
    >>> makers = [("foote", "1"), ("laplacian", "1"), ("laplacian", "2"), ("Ann", "function")]
    >>> annotation_names([Annotation(segmentation=form, system=s, level=l) for s, l in makers])
    ['foote', 'laplacian · 1', 'laplacian · 2', 'Ann · function']
    >>> annotation_names([Annotation(segmentation=form, annotator="1")])
    ['annotator 1']
    """
    makers = [each.system or annotator_name(each.annotator) for each in annotations]
    names = []
    for maker, each in zip(makers, annotations, strict=True):
        only_a_number = makers.count(maker) == 1 and each.level.isdecimal()
        parts = (maker, "" if only_a_number else each.level)
        names.append(" · ".join(part for part in parts if part) or unnamed)
    return names


def annotator_name(annotator: str) -> str:
    """Return the name of an annotator; one who has only a number is told as such."""
    return f"annotator {annotator}" if annotator.isdecimal() else annotator


def annotation_strips(
    annotations: Sequence[Annotation], *, unnamed: str = "segments"
) -> list[tuple[str, Segmentation]]:
    """Return the input of `plot_strips`: `annotation_names` and segmentations."""
    forms = (each.segmentation for each in annotations)
    return list(zip(annotation_names(annotations, unnamed=unnamed), forms, strict=True))


def similarity_limits(S: ArrayLike, *, z_scores: bool = False) -> tuple[float, float]:
    """Compute the color limits of a self-similarity matrix.

    Parameters
    ----------
    S : array_like, any shape
        Similarities in [0, 1].
    z_scores : bool, default False
        Whether S has z-scores in [-4, 4] instead, see `scatseg.similarity.z_scored`.

    Returns
    -------
    low, high : float
        The 2nd and 98th percentile, as most matrices use a small part of [0, 1] and the full range
        would hide their blocks. If they are less than one of 255 levels apart, S is taken as
        constant and drawn bright: the limits are 0 and 1, or for z-scores one standard deviation
        below and the value itself.

    Examples
    --------
    >>> similarity_limits([[1.0, 1.0], [1.0, 1.0]])
    (0.0, 1.0)
    >>> similarity_limits([[0.0, 0.0], [0.0, 0.0]], z_scores=True)
    (-1.0, 0.0)
    """
    low, high = map(float, np.percentile(np.asarray(S), [2, 98]))
    whole = 8.0 if z_scores else 1.0
    # Different 8-bit values are at least a level apart, up to rounding.
    if high - low >= 0.99 * whole / 255:
        return low, high
    return (high - 1, high) if z_scores else (0.0, 1.0)


def similarity_colors() -> NDArray[np.uint8]:
    """Return the 256 RGB colors of similarity from low to high, shape (256, 3)."""
    rgba = matplotlib.colormaps[_SIMILARITY_COLORS](np.arange(256), bytes=True)
    return np.asarray(rgba[:, :3], dtype=np.uint8)


def plot_similarity(
    S: ArrayLike,
    edges: ArrayLike,
    *,
    ax: Axes,
    boundaries: Sequence[float] = (),
    bar: bool = True,
    z_scores: bool = False,
    span: tuple[float, float] | None = None,
) -> ScalarMappable:
    """Draw a self-similarity matrix; time runs right and down.

    Parameters
    ----------
    S : array_like of float, shape (n_frames, n_frames)
        Similarity. Colors span its `similarity_limits`.
    edges : array_like of float, shape (n_frames + 1,)
        Seconds; frames may be of unequal length.
    ax : Axes
        Axes to draw on.
    boundaries : sequence of float, optional
        Boundaries to mark, in seconds.
    bar : bool, default True
        Whether to draw a color bar.
    z_scores : bool, default False
        Whether S has z-scores instead of values in [0, 1].
    span : (float, float), optional
        Start and end of the excerpt to draw, in seconds; by default, all is drawn.

    Returns
    -------
    image : ScalarMappable
        The image.

    Raises
    ------
    ValueError
        When there is not an edge more than frames, or no frame is in the excerpt.
    """
    times, values = np.asarray(edges, dtype=np.float64), np.asarray(S)
    n = max(times.size - 1, 0)
    if times.ndim != 1 or not n or values.shape != (n, n):
        msg = f"n frames need n + 1 edges and S (n, n), got shapes {times.shape} and {values.shape}"
        raise ValueError(msg)
    if span is None:
        span = times[0], times[-1]
    shown = (times[1:] > span[0]) & (times[:-1] < span[1])
    if not shown.any():
        msg = (
            f"span must be between {times[0]:g} and {times[-1]:g} s, "
            f"got {span[0]:g} to {span[1]:g} s"
        )
        raise ValueError(msg)
    low, high = similarity_limits(values[np.ix_(shown, shown)], z_scores=z_scores)
    image = ax.pcolorfast(
        times,
        times,
        values,
        cmap=matplotlib.colormaps[_SIMILARITY_COLORS],
        vmin=low,
        vmax=high,
    )
    for time in boundaries:
        ax.axvline(time, color="white", linewidth=0.5, alpha=0.6)
        ax.axhline(time, color="white", linewidth=0.5, alpha=0.6)
    ax.set(xlim=span, ylim=span[::-1], aspect="equal")
    ax.set(xlabel=TIME, ylabel=TIME)
    mark_minutes(ax.xaxis)
    mark_minutes(ax.yaxis)
    if bar:
        unit = "similarity (z-score)" if z_scores else "similarity"
        color_bar(ax, image, unit, "both")
    return image


def plot_novelty(
    novelty: ArrayLike,
    edges: ArrayLike,
    *,
    ax: Axes,
    boundaries: Sequence[float] = (),
    what: str = "novelty",
    span: tuple[float, float] | None = None,
) -> None:
    """Draw a novelty curve and the boundaries found.

    Parameters
    ----------
    novelty : array_like of float, shape (n_frames + 1,)
        Non-negative.
    edges : array_like of float, shape (n_frames + 1,)
        Seconds.
    ax : Axes
        Axes to draw on.
    boundaries : sequence of float, optional
        Seconds, marked by a line and, unless there are very many, a dot on the curve.
    what : str, default "novelty"
        What the curve shows.
    span : (float, float), optional
        Start and end of the excerpt to draw, in seconds; by default, all is drawn.

    Raises
    ------
    ValueError
        When there is not one value per edge.
    """
    times = np.asarray(edges, dtype=np.float64)
    heights = np.asarray(novelty, dtype=np.float64)
    if times.ndim != 1 or not times.size or heights.shape != times.shape:
        msg = f"novelty needs a value per edge, got shapes {heights.shape} and {times.shape}"
        raise ValueError(msg)
    low, high = (times[0], times[-1]) if span is None else span
    boundaries = [time for time in boundaries if low <= time <= high]
    ax.fill_between(times, heights, color=LINE, alpha=0.15, linewidth=0)
    ax.plot(times, heights, color=LINE, linewidth=0.9)
    if boundaries:
        picked = np.interp(boundaries, times, heights)
        crowded = len(boundaries) > _MOST_MARKED
        ax.vlines(
            boundaries,
            0,
            1,
            transform=ax.get_xaxis_transform(),
            color=INK,
            linewidth=0.6,
            linestyles=(0, (3, 2)),
            alpha=0.35 if crowded else 1,
        )
        if not crowded:
            ax.plot(boundaries, picked, "o", color=INK, markersize=2.8, clip_on=False)
    top = float(heights.max())
    ax.set(xlim=(low, high), ylim=(0, 1.08 * top if top > 0 else 1))
    ax.set(xlabel=TIME, ylabel=what)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    mark_minutes(ax.xaxis)


def plot_waveform(waveform: ArrayLike, duration: float, *, ax: Axes, start: float = 0.0) -> None:
    """Draw the envelope of a signal.

    Parameters
    ----------
    waveform : array_like of float, shape (2, n_stretches)
        Minimum and maximum sample of equal stretches of the recording, in [-1, 1].
    duration : float
        Duration in seconds.
    ax : Axes
        Axes to draw on.
    start : float, default 0
        Start in the recording in seconds.
    """
    low, high = np.asarray(waveform, dtype=np.float64)
    centers = start + (np.arange(low.size) + 0.5) * duration / low.size
    ax.fill_between(centers, low, high, color=LINE, linewidth=0.3)
    peak = max(float(np.abs([low, high]).max()), 1e-3)
    ax.set(xlim=(start, start + duration), ylim=(-1.05 * peak, 1.05 * peak))
    ax.set(xlabel=TIME, ylabel="amplitude")
    ax.yaxis.set_major_locator(MaxNLocator(3))
    mark_minutes(ax.xaxis)


def plot_features(features: Features, *, ax: Axes, start: float = 0.0) -> ScalarMappable:
    """Draw features as an image with a color bar, each column standardized; return the image.

    The vertical axis shows the frequency, rate or pitch class of columns that have nothing else;
    of others, the families, orders and positions in a bar, from the bottom up. `start` (seconds) is
    where in the recording they begin.
    """
    X = np.asarray(features.X, dtype=np.float64)
    deviation = X.std(axis=0)
    varies = deviation > _CONSTANT * np.abs(X).max(axis=0)
    Z = (X - X.mean(axis=0)) / np.where(varies, deviation, np.inf)
    image = ax.pcolorfast(
        features.edges + start,
        np.arange(Z.shape[1] + 1),
        Z.T,
        cmap=matplotlib.colormaps["viridis"],
        vmin=-2.5,
        vmax=2.5,
    )
    ax.set(xlim=(start, start + features.duration), ylim=(0, Z.shape[1]), xlabel=TIME)
    _mark_columns(ax, features.names)
    mark_minutes(ax.xaxis)
    color_bar(ax, image, "standard deviations from the mean", "both")
    return image


def _mark_columns(ax: Axes, names: Sequence[FeatureName]) -> None:
    """Name columns, which are 1 high; of frequencies, the lowest is at the bottom."""
    what, hertz = _frequencies(names)
    if what:
        ax.set_yticks(*_frequency_ticks(hertz))
        ax.set_ylabel(what)
        if hertz[-1] < hertz[0]:
            ax.invert_yaxis()
    elif [(name.family, name.place) for name in names] == [("chroma", None)] * len(_PITCH_CLASSES):
        ax.set_yticks(np.arange(len(_PITCH_CLASSES)) + 0.5, _PITCH_CLASSES)
        ax.set_ylabel("pitch class")
    else:
        _mark_groups(ax, _group_names(names))


def _mark_groups(ax: Axes, groups: Sequence[str]) -> None:
    """Name runs of columns of one group, and divide them by lines."""
    firsts = [0, *(i for i in range(1, len(groups)) if groups[i] != groups[i - 1])]
    for first in firsts[1:]:
        ax.axhline(first, color="white", linewidth=0.8)
    middles = np.convolve([*firsts, len(groups)], [0.5, 0.5], mode="valid")
    ax.set_yticks(middles, [plain(groups[i]) for i in firsts], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("columns, by family")


def _frequencies(names: Sequence[FeatureName]) -> tuple[str, NDArray[np.float64]]:
    """Return what columns that differ by one frequency show, and its values, which are sorted.

    The text is empty for other columns.
    """
    carriers, rates = (
        np.array([np.nan if hertz is None else hertz for hertz in each])
        for each in zip(*((name.carrier, name.modulation) for name in names), strict=True)
    )
    rest = {replace(name, index=0, carrier=None, modulation=None) for name in names}
    for what, hertz, other in (
        ("frequency (Hz)", carriers, rates),
        ("rate (Hz)", rates, carriers),
    ):
        steps = np.diff(hertz)
        is_sorted = steps.size > 1 and bool((steps > 0).all() or (steps < 0).all())
        if len(rest) == 1 and is_sorted and np.isnan(other).all():
            return what, hertz
    return "", carriers


def _frequency_ticks(hertz: NDArray[np.float64]) -> tuple[list[float], list[str]]:
    """Place 1, 2, 5, 10, ... Hz on columns of these frequencies, where there is room."""
    order = np.argsort(hertz)
    order = order[hertz[order] > 0]
    marks = np.outer(10.0 ** np.arange(-3, 6), [1, 2, 5]).ravel()
    marks = marks[(marks >= hertz[order[0]]) & (marks <= hertz[order[-1]])]
    places = np.interp(np.log(marks), np.log(hertz[order]), order + 0.5)
    ticks: dict[float, str] = {}
    for place, mark in zip(places.tolist(), marks.tolist(), strict=True):
        if all(abs(place - tick) >= len(hertz) * _LEAST_DISTANCE for tick in ticks):
            ticks[place] = hertz_text(mark)
    return list(ticks), list(ticks.values())


def _group_names(names: Sequence[FeatureName]) -> list[str]:
    """Name the family of each column, with its position in a bar, or else with its order.

    Positions of few columns have no room for names, and a single one needs none.
    """
    sizes = Counter((name.family, name.place) for name in names)
    n_places = Counter(family for family, _ in sizes)
    groups = []
    for name in names:
        has_room = sizes[name.family, name.place] * _MOST_NAMED >= len(names)
        if name.place is not None and n_places[name.family] > 1 and has_room:
            groups.append(f"{name.family} in part {name.place + 1}")
        else:
            groups.append(name.family if name.order is None else f"{name.family} S{name.order}")
    return groups


def plot_segmentation(
    segmentation: Segmentation,
    *,
    ax: Axes,
    row: int = 0,
    styles: Mapping[str, LabelStyle] | None = None,
) -> None:
    """Draw sections as a strip of boxes, with labels truncated to fit.

    The vertical axis has no ticks: `plot_strips` names strips there.

    Parameters
    ----------
    segmentation : Segmentation
        The segmentation.
    ax : Axes
        Axes to draw on.
    row : int, default 0
        Vertical center of the strip, which is 0.8 high.
    styles : mapping from str to LabelStyle, optional
        `label_styles` of everything in the figure; of this segmentation by default.
    """
    styles = label_styles(segmentation.labels) if styles is None else styles
    for start, end, label in segmentation:
        ax.add_patch(section_box((start, row - 0.4), (end - start, 0.8), styles[label]))
        ax.add_artist(_SegmentText(start, end, row, label))
    joins = segmentation.boundaries[1:-1]
    ax.vlines(joins, row - 0.4, row + 0.4, color="white", linewidth=1.0)
    ax.margins(x=0)
    ax.autoscale_view()
    ax.set_yticks([])
    mark_minutes(ax.xaxis)


def plot_strips(
    strips: Sequence[tuple[str, Segmentation]],
    *,
    ax: Axes,
    styles: Sequence[Mapping[str, LabelStyle]] | None = None,
) -> None:
    """Draw segmentations as strips, one per row.

    Parameters
    ----------
    strips : sequence of (str, Segmentation)
        Name and segmentation of each row from the top, as from `annotation_strips`.
    ax : Axes
        Axes to draw on.
    styles : sequence of mapping from str to LabelStyle, optional
        Styles of each strip, as from `matched_styles`; by default one style per label.
    """
    if styles is None:
        styles = [label_styles(label for _, form in strips for label in form.labels)] * len(strips)
    for row, ((_, segmentation), looks) in enumerate(zip(strips, styles, strict=True)):
        plot_segmentation(segmentation, ax=ax, row=row, styles=looks)
    ax.set_yticks(range(len(strips)), [shortened(name) for name, _ in strips], parse_math=False)
    ax.set_ylim(len(strips) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def section_box(
    corner: tuple[float, float], size: tuple[float, float], look: LabelStyle, **options: Any
) -> Rectangle:
    """Make the box of a section in the style of its label."""
    return Rectangle(
        corner,
        *size,
        facecolor=look.color,
        linewidth=0,
        edgecolor="#00000066",
        hatch=_HATCHES[look.texture],
        **options,
    )


class _SegmentText(Text):
    """A label truncated to fit between start and end."""

    def __init__(self, start: float, end: float, y: float, label: str) -> None:
        super().__init__(
            (start + end) / 2,
            y,
            plain(label),
            ha="center",
            va="center_baseline",
            color=INK,
            fontsize=LABEL_SIZE,
            parse_math=False,
        )
        self._ends = [(start, y), (end, y)]

    def draw(self, renderer: RendererBase) -> None:
        """Draw the text, truncated to the current width of the segment."""
        left, right = self.get_transform().transform(self._ends)[:, 0]
        label, font = self.get_text(), self.get_fontproperties()

        def width(text: str) -> float:
            return renderer.get_text_width_height_descent(text, font, ismath=False)[0]

        margin = renderer.points_to_pixels(LABEL_MARGIN)
        self.set_text(fitted(label, right - left - margin, width))
        super().draw(renderer)
        self.set_text(label)
