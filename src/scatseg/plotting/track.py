"""Overview figure of a recording: all analyses on one time axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from scatseg.plotting.canvas import (
    BOTTOM,
    GAP,
    LEFT,
    PANEL_WIDTH,
    TIME,
    TITLE_FONT,
    TOP,
    WIDTH,
    fitted_title,
    mark_minutes,
    plain,
    shortened,
    style,
)
from scatseg.plotting.fonts import text_inches
from scatseg.plotting.looks import LabelStyle, matched_styles
from scatseg.plotting.structure import (
    LABEL_MARGIN,
    LABEL_SIZE,
    NoveltyCurve,
    plot_novelty,
    plot_similarity,
    plot_strips,
    plot_waveform,
    section_box,
)
from scatseg.segmentation import Segmentation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches: rows of the legend, and their swatches and gaps.
_LEGEND_ROW, _SWATCH, _LEGEND_GAP = 0.17, 0.22, 0.15
_MOST_IN_LEGEND = 60
_TIME_LABEL = 0.15
_BAR = 0.75  # from the color bar to the panel, with times of over an hour between them


class _Strip(NamedTuple):
    name: str
    form: Segmentation
    looks: Mapping[str, LabelStyle]


def track_figure(
    *,
    duration: float,
    start: float = 0.0,
    references: Sequence[tuple[str, Segmentation]] = (),
    estimates: Sequence[tuple[str, Segmentation]] = (),
    waveform: ArrayLike | None = None,
    S: ArrayLike | None = None,
    S_edges: ArrayLike | None = None,
    curves: Mapping[str, NoveltyCurve] | None = None,
    title: str = "",
    after: str = "",
) -> Figure:
    """Draw all analyses of a recording, or what an excerpt shows of them, on one time axis.

    Labels that fit in no segment are listed above the strips.

    Parameters
    ----------
    duration : float
        Duration of the recording, or of the excerpt, in seconds.
    start : float, default 0
        Start of the excerpt in the recording in seconds.
    references, estimates : sequence of (str, Segmentation)
        Strips of the annotators, and of the systems below them.
    waveform : array_like of float, shape (2, n_stretches), optional
        As for `plot_waveform`, of the excerpt.
    S, S_edges : array_like of float, shapes (n_frames, n_frames) and (n_frames + 1,), optional
        As for `plot_similarity`; both or neither.
    curves : mapping from str to NoveltyCurve, optional
        One novelty curve per system.
    title : str, optional
        Title of the figure.
    after : str, optional
        Text after the title, which is not shortened.

    Returns
    -------
    figure : Figure
        8 inches wide, as high as necessary.
    """
    span = (start, start + duration)
    n = len(references)
    # The styles are those of the whole recording.
    styles = matched_styles([form for _, form in references], [form for _, form in estimates])
    groups = [_within(span, references, styles[:n]), _within(span, estimates, styles[n:])]
    panels: list[tuple[float, Callable[[Axes], None]]] = []
    if waveform is not None:
        panels.append((0.7, _waveform_panel(waveform, span)))
    if unwritten := _never_whole(list(itertools.chain(*groups)), duration):
        panels.append(_legend_panel(unwritten))
    panels.extend((0.26 * len(group), _strips_panel(group)) for group in groups if group)
    panels.extend((0.55, _novelty_panel(name, each, span)) for name, each in (curves or {}).items())
    if S is not None and S_edges is not None:
        panels.append((PANEL_WIDTH, _similarity_panel(S, S_edges, span)))
    with style():
        return _stacked(panels, span, title, after)


def _within(
    span: tuple[float, float],
    strips: Sequence[tuple[str, Segmentation]],
    styles: Sequence[Mapping[str, LabelStyle]],
) -> list[_Strip]:
    """Cut strips to an excerpt, without those that lie outside."""
    return [
        _Strip(name, form.between(*span), looks)
        for (name, form), looks in zip(strips, styles, strict=True)
        if form.start < span[1] and form.end > span[0]
    ]


def _never_whole(strips: Sequence[_Strip], duration: float) -> list[tuple[str, LabelStyle]]:
    """Return the labels that fit in no segment of a track figure, and their styles."""
    longest: dict[tuple[str, LabelStyle], float] = {}
    for _, form, looks in strips:
        for start, end, label in form:
            inches = (end - start) / duration * PANEL_WIDTH - LABEL_MARGIN / 72
            key = label, looks[label]
            longest[key] = max(longest.get(key, 0.0), inches)
    return [
        key for key, inches in longest.items() if text_inches(plain(key[0]), LABEL_SIZE) > inches
    ]


def _legend_panel(styles: Sequence[tuple[str, LabelStyle]]) -> tuple[float, Callable[[Axes], None]]:
    """Return the height in inches and the drawing function of a legend with labels in columns."""
    listed = [(shortened(label, 40), look) for label, look in styles[:_MOST_IN_LEGEND]]
    column = _SWATCH + _LEGEND_GAP + max(text_inches(name, LABEL_SIZE) for name, _ in listed)
    n_columns = max(1, min(len(listed), int(PANEL_WIDTH / column)))
    more = len(styles) - len(listed)
    n_rows = -(-(len(listed) + (more > 0)) // n_columns)

    def draw(ax: Axes) -> None:
        places = itertools.product(range(n_rows), range(n_columns))
        for (name, look), (row, k) in zip(listed, places, strict=False):
            x, y = k * column / PANEL_WIDTH, 1 - (row + 0.5) / n_rows
            size = (0.8 * _SWATCH / PANEL_WIDTH, 0.66 / n_rows)
            ax.add_patch(section_box((x, y - size[1] / 2), size, look, transform=ax.transAxes))
            _write(ax, x + _SWATCH / PANEL_WIDTH, y, name)
        if more > 0:
            row, k = divmod(len(listed), n_columns)
            _write(ax, k * column / PANEL_WIDTH, 1 - (row + 0.5) / n_rows, f"and {more} more")
        ax.set_axis_off()

    return _LEGEND_ROW * n_rows, draw


def _write(ax: Axes, x: float, y: float, text: str) -> None:
    ax.text(
        x,
        y,
        text,
        transform=ax.transAxes,
        va="center_baseline",
        fontsize=LABEL_SIZE,
        parse_math=False,
    )


def _stacked(
    panels: Sequence[tuple[float, Callable[[Axes], None]]],
    span: tuple[float, float],
    title: str,
    after: str,
) -> Figure:
    below = BOTTOM + _TIME_LABEL
    height = TOP + below + sum(h for h, _ in panels) + GAP * (len(panels) - 1)
    figure = Figure(figsize=(WIDTH, height))
    top = height - TOP
    for i, (inches, draw) in enumerate(panels):
        ax = figure.add_axes(
            (LEFT / WIDTH, (top - inches) / height, PANEL_WIDTH / WIDTH, inches / height)
        )
        draw(ax)
        ax.set_xlim(*span)
        mark_minutes(ax.xaxis)
        ax.set_xlabel(TIME if i == len(panels) - 1 else "")
        if i < len(panels) - 1:  # only the lowest panel has time labels
            ax.tick_params(axis="x", labelbottom=False, length=0)
            ax.spines[:].set_visible(False)
        top -= inches + GAP
    figure.text(
        LEFT / WIDTH,
        1 - 0.5 * TOP / height,
        fitted_title(title, after, inches=PANEL_WIDTH),
        va="center",
        parse_math=False,
        **TITLE_FONT,
    )
    return figure


def _strips_panel(strips: Sequence[_Strip]) -> Callable[[Axes], None]:
    named, styles = [(name, form) for name, form, _ in strips], [looks for *_, looks in strips]
    return lambda ax: plot_strips(named, ax=ax, styles=styles)


def _novelty_panel(
    name: str, curve: NoveltyCurve, span: tuple[float, float]
) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        plot_novelty(curve.novelty, curve.edges, ax=ax, boundaries=curve.boundaries, span=span)
        between = "\n" if curve.is_probability else " "  # too long for one line
        _name_panel(ax, f"{curve.what}{between}{shortened(name)}")

    return draw


def _waveform_panel(waveform: ArrayLike, span: tuple[float, float]) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        plot_waveform(waveform, span[1] - span[0], ax=ax, start=span[0])
        _name_panel(ax, "waveform")

    return draw


def _name_panel(ax: Axes, name: str) -> None:
    """Label a panel at the position of strip names, in place of its scale."""
    ax.set_yticks([sum(ax.get_ylim()) / 2], [name], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("")


def _similarity_panel(
    S: ArrayLike, edges: ArrayLike, span: tuple[float, float]
) -> Callable[[Axes], None]:
    """Return the drawing function of a panel with a color bar left of its times."""

    def draw(ax: Axes) -> None:
        image = plot_similarity(S, edges, ax=ax, bar=False, span=span)
        ax.set_ylabel("")
        figure = ax.get_figure()
        if figure is not None:
            left = -_BAR / PANEL_WIDTH
            scale = ax.inset_axes((left, 0.72, 0.1 / PANEL_WIDTH, 0.28))
            bar = figure.colorbar(image, cax=scale, extend="both", ticklocation="left")
            bar.set_label("similarity", fontsize=LABEL_SIZE)
            bar.ax.tick_params(labelsize=LABEL_SIZE)

    return draw
