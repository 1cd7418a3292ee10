"""Confusion matrices, reliability diagrams and relevance maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from scatseg.classification.confusion import Reliability
from scatseg.counts import rounded
from scatseg.explain import Reason, carriers_and_rates, decisive, hertz_range
from scatseg.plotting.canvas import INK, LINE, axes_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SOFT = "#C4C9CF"
_AGAINST = "#B4472A"
_MOST_BARS = 12
_MOST_BESIDE = 8
"""Maximum number of classes for matrices side by side."""


def confusion_figure(
    systems: Mapping[str, ArrayLike], classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Make a figure of confusion matrices, a panel per system; see `plot_confusion`.

    Parameters
    ----------
    systems : mapping of str to array_like of int, shape (n_classes, n_classes)
        System -> counts.
    classes : sequence of str, length n_classes
        Names of the classes.
    title : str, optional
        Title of the figure.
    """
    columns = 2 if len(systems) > 1 and len(classes) <= _MOST_BESIDE else 1

    def draw(axes: NDArray[Any]) -> None:
        for ax, (name, confusion) in zip(axes.flat, systems.items(), strict=False):
            plot_confusion(confusion, classes, ax=ax)
            short = shortened(name, 90 // columns)
            ax.set_title(short, loc="left", fontsize=8, parse_math=False)
        for ax in axes.flat[len(systems) :]:
            ax.set_axis_off()

    height = max(2.5, 0.42 * len(classes) + 0.9)
    heights = [height] * -(-len(systems) // columns)
    return axes_figure(draw, heights=heights, columns=columns, title=title)


def reliability_figure(systems: Mapping[str, Reliability]) -> Figure:
    """Make a figure of reliability diagrams, a panel per system."""

    def draw(axes: NDArray[Any]) -> None:
        for ax, (name, each) in zip(axes.flat, systems.items(), strict=False):
            plot_reliability(each, ax=ax)
            ax.set_title(shortened(name, 40), loc="left", fontsize=8, parse_math=False)
        for ax in axes.flat[len(systems) :]:
            ax.set_axis_off()

    columns = min(3, len(systems))
    rows = -(-len(systems) // columns)
    return axes_figure(draw, heights=[2.6] * rows, columns=columns, key=_reliability_key())


def relevance_figure(reasons: Sequence[Reason], *, title: str = "", text: str = "") -> Figure:
    """Make a figure of relevance: a map for each spin, and bars.

    Bands that are `scatseg.explain.decisive`, which the sentence names, are framed in both.

    Parameters
    ----------
    reasons : sequence of Reason
        From `scatseg.explain.reasons_for`.
    title, text : str
        Title, and a sentence of explanation below it.
    """
    spins = sorted({each.band.spin for each in reasons if each.band.spin is not None})
    maps: list[int | None] = [None, *spins]

    def draw(axes: NDArray[Any]) -> None:
        for ax, spin in zip(axes[:-1, 0], maps, strict=True):
            plot_relevance(reasons, ax=ax, spin=spin)
        axes[0, 0].set_title(shortened(text, 110), loc="left", fontsize=8, parse_math=False)
        plot_reasons(reasons, ax=axes[-1, 0])

    n_bars = min(_MOST_BARS, len(reasons))
    return axes_figure(draw, heights=[2.6] * len(maps) + [0.2 * n_bars + 0.4], title=title)


def plot_confusion(confusion: ArrayLike, classes: Sequence[str], *, ax: Axes) -> None:
    """Draw a confusion matrix.

    Parameters
    ----------
    confusion : array_like of int, shape (n_classes, n_classes)
        Counts, true classes in rows.
    classes : sequence of str, length n_classes
        Names of the classes.
    ax : Axes
        Axes to draw on: cells show counts, colored by their share of the row, so that classes of
        equal recall are equally dark. Classes without clips have none.
    """
    counts = np.asarray(confusion)
    n_true = counts.sum(axis=1)
    share = counts / np.maximum(n_true, 1)[:, None]
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if share[row, column] > 0.55 else INK
            ax.text(column, row, str(count), ha="center", va="center", color=color, fontsize=7)
    names = [shortened(name, 18) for name in classes]
    recalls = [f"  {r:.2f}" if n else "" for r, n in zip(np.diagonal(share), n_true, strict=True)]
    ax.set_yticks(range(len(names)), [name + r for name, r in zip(names, recalls, strict=True)])
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    ax.set(xlabel="predicted", ylabel="true, and recall")
    ax.tick_params(length=0)


def plot_reliability(found: Reliability, *, ax: Axes) -> None:
    """Draw a reliability diagram: accuracy against confidence.

    Parameters
    ----------
    found : Reliability
        From `scatseg.classification.confusion.reliability`.
    ax : Axes
        Axes to draw on: a point per bin, sized by its number of predictions. On the diagonal
        probabilities are calibrated, above it they are too low.
    """
    ax.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, zorder=0)
    there = found.counts > 0
    sizes = [_dot_area(share) for share in found.counts[there] / max(int(found.counts.sum()), 1)]
    ax.plot(found.confidence[there], found.accuracy[there], color=LINE, linewidth=0.8)
    ax.scatter(found.confidence[there], found.accuracy[there], s=sizes, color=LINE, linewidths=0)
    ax.set_xlim(0, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set(xlabel="probability of the predicted class", ylabel="share that was right")
    ax.spines[["top", "right"]].set_visible(False)


def _reliability_key() -> list[Line2D]:
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgewidth": 0, "color": LINE}
    shares = {share: _dot_area(share) ** 0.5 for share in (0.05, 0.2, 0.5)}
    return [
        Line2D([], [], markersize=size, label=f"{share:.0%} of predictions", **dot)
        for share, size in shares.items()
    ]


def _dot_area(share: float) -> float:
    """Return the area, in square points, of the dot of a bin with a share of the predictions."""
    return 8 + 120 * share


def plot_relevance(reasons: Sequence[Reason], *, ax: Axes, spin: int | None = None) -> None:
    """Draw relevance for and against a class by octaves of carrier and modulation rate.

    Parameters
    ----------
    reasons : sequence of Reason
        From `scatseg.explain.reasons_for`.
    ax : Axes
        Axes to draw on: blue is for the class, red against it; the first column is order 1. Bands
        that are `scatseg.explain.decisive` are framed.
    spin : int, optional
        +1 rising, -1 falling; None for modulations without spin.
    """
    carriers, rates, values = carriers_and_rates(reasons, spin=spin)
    if not carriers.size:
        ax.set_axis_off()
        return
    if spin is not None:
        values[:, 0] = np.nan
    most = max((abs(each.relevance) for each in reasons), default=1.0) or 1.0
    ax.pcolormesh(
        np.arange(len(rates) + 2) - 0.5,
        np.arange(len(carriers) + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap="RdBu",
        vmin=-most,
        vmax=most,
    )
    named = decisive(reasons)
    if named is not None and named.band.carrier is not None and named.band.spin == spin:
        column = 0 if named.band.rate is None else named.band.rate - rates[0] + 1
        corner = (column - 0.5, named.band.carrier - carriers[0] - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, clip_on=False, zorder=3))
    edges = np.arange(len(rates) + 1)  # between bands, in two digits as in the sentence
    hertz = [rounded(2 ** (rates[0] + edge - 0.5), 2) for edge in edges] if len(rates) else []
    ax.set_xticks([0, *(edges[: len(hertz)] + 0.5)], ["none", *hertz])
    octaves = [2.0**each for each in carriers]
    kilohertz = [f"{each / 1000:.2g}k" if each >= 1000 else f"{each:.3g}" for each in octaves]
    ax.set_yticks(np.arange(len(carriers)) - 0.5, kilohertz)
    what = {1: "rising", -1: "falling"}.get(spin or 0, "modulation")
    ax.set(xlabel=f"{what} rate (Hz); blue: for the class, red: against", ylabel="carrier (Hz)")


def plot_reasons(reasons: Sequence[Reason], *, ax: Axes) -> None:
    """Draw the most relevant bands as bars, for the class in blue and against it in red.

    Bands that are `scatseg.explain.decisive` are among them, and framed.
    """
    named = decisive(reasons)
    loudest = sorted(reasons, key=lambda each: -abs(each.relevance))[:_MOST_BARS]
    if named is not None and named not in loudest:
        loudest[-1] = named
    values = [each.relevance for each in loudest]
    colors = [LINE if value > 0 else _AGAINST for value in values]
    frames = [1.0 if each == named else 0.0 for each in loudest]
    ax.barh(range(len(loudest)), values, color=colors, height=0.7, edgecolor=INK, linewidth=frames)
    ax.set_yticks(range(len(loudest)), [_band_text(each) for each in loudest])
    ax.set_ylim(len(loudest) - 0.4, -0.6)
    ax.axvline(0, color=_SOFT, linewidth=0.8)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel("relevance; framed: named in the text")


def _band_text(reason: Reason) -> str:
    band = reason.band
    words = [band.family if band.order is None else f"S{band.order}"]
    if band.carrier is not None:
        words.append(hertz_range(band.carrier))
    if band.rate is not None:
        hertz = 2.0**band.rate if reason.rate is None else reason.rate
        words.append(f"at {rounded(hertz, 2)} Hz")
    if band.spin:
        words.append("rising" if band.spin > 0 else "falling")
    return " ".join(words)
