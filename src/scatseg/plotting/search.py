"""Recordings on a plane -> a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scatseg.plotting.canvas import INK, LINE, panel_figure, shortened
from scatseg.plotting.structure import label_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 60
"""Recordings that are named; of more, only labels are told apart."""

_LEGEND = 16
"""Labels that are listed."""


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
    """Draw recordings on a plane, colored by label; see `map_figure`."""
    there = np.array(labels)
    styles = label_styles(sorted({label for label in labels if label}))
    for label in sorted(set(labels)):
        color = styles[label].color if label else LINE
        rows = there == label
        x, y = places[rows].T
        ax.scatter(x, y, s=14, color=color, linewidths=0, label=label or None)
    if len(names) <= _NAMED:
        middle = (places[:, 0].min() + places[:, 0].max()) / 2
        for name, (x, y) in zip(names, places, strict=True):
            is_left = x <= middle  # names reach inwards, not over the edge
            ax.annotate(
                shortened(name, 24),
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
