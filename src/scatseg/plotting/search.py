"""Recordings on a plane -> a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scatseg.plotting.canvas import INK, LINE, panel_figure, shortened
from scatseg.plotting.looks import label_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 60
"""Recordings that are named; of more, only labels are told apart."""

_NEAR = 0.01
"""Of the width of the map: what is nearer has one place for its names."""

_LINES = 5
"""Names at one place that are written."""

_LEGEND = 16
"""Labels that are listed."""

_MARKERS = "os^D"
"""For labels of one color."""


def map_figure(places: NDArray[np.floating], names: Sequence[str], labels: Sequence[str]) -> Figure:
    """Draw recordings on a plane.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        Where they are.
    names, labels : sequence of str, length n
        What they are called, and what they are; labels may be empty.
    """

    def draw(ax: Axes) -> None:
        plot_map(places, names, labels, ax=ax)

    return panel_figure(draw, height=6.0)


def plot_map(
    places: NDArray[np.floating], names: Sequence[str], labels: Sequence[str], *, ax: Axes
) -> Axes:
    """Draw recordings on a plane, by label in color and shape; see `map_figure`."""
    there = np.array(labels)
    styles = label_styles(sorted({label for label in labels if label}))
    for label in sorted(set(labels)):
        color, texture = (styles[label].color, styles[label].texture) if label else (LINE, 0)
        x, y = places[there == label].T
        ax.scatter(
            *(x, y), s=18, marker=_MARKERS[texture % len(_MARKERS)], color=color,
            edgecolors=INK, linewidths=0.3, label=label or None,
        )  # fmt: skip
    if len(names) <= _NAMED:
        middle = (places[:, 0].min() + places[:, 0].max()) / 2
        for together, (x, y) in _named_places(names, places):
            is_left = x <= middle  # names reach inwards, not over the edge
            ax.annotate(
                together,
                (x, y),
                xytext=(3 if is_left else -3, 2),
                textcoords="offset points",
                ha="left" if is_left else "right",
                fontsize=5.5,
                color=INK,
                parse_math=False,
            )
    if 0 < len(styles) <= _LEGEND:
        for text in ax.legend(fontsize=6, frameon=False, loc="best").get_texts():
            text.set_parse_math(False)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("near each other: alike in timbre and modulation")
    return ax


def _named_places(
    names: Sequence[str], places: NDArray[np.floating]
) -> list[tuple[str, NDArray[np.floating]]]:
    """Join the names of recordings that are so near that one would be written over the other."""
    reach = _NEAR * float(np.ptp(places, axis=0).max())
    joined: list[tuple[list[str], NDArray[np.floating]]] = []
    for name, place in zip(names, places, strict=True):
        near = (each for each in joined if np.abs(each[1] - place).max() <= reach)
        together, _ = next(near, ([], place))
        if not together:
            joined.append((together, place))
        together.append(shortened(name, 24))
    return [("\n".join(_listed(together)), place) for together, place in joined]


def _listed(names: Sequence[str]) -> list[str]:
    left_out = len(names) - _LINES
    return [*names[:_LINES], f"and {left_out} more"] if left_out > 1 else list(names)
