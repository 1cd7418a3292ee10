"""Map of recordings in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scatseg.plotting.canvas import INK, LINE, WIDTH, panel_figure, shortened
from scatseg.plotting.fonts import text_inches
from scatseg.plotting.looks import label_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 60
"""Maximum number of recordings to name; of more, only labels are shown."""

_FEW = 12
"""Number of recordings up to which there is room for names of twice the length."""

_NEAR = 0.01
"""Fraction of the map's width below which recordings share one place for their names."""

_LINES = 5
"""Maximum number of names at one place."""

_DOT = 18.0
"""Marker size of a place in square points."""

_SIZE, _LEADING, _GAP = 5.5, 1.3, 3.0
"""Names: font size in points, line height in font sizes, distance from the place in points."""

_HEIGHT = 6.0
"""Height of the map in inches."""

_MARGINS = 1.1
"""Size of the map relative to the extent of its points."""

_LEGEND = 16
"""Maximum number of labels in the legend."""

_MARKERS = "os^D"
"""Marker shapes, to distinguish labels of one color."""


def map_figure(places: NDArray[np.floating], names: Sequence[str], labels: Sequence[str]) -> Figure:
    """Make a figure of recordings in a plane.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        Coordinates.
    names, labels : sequence of str, length n
        Names and labels; labels may be "".
    """

    def draw(ax: Axes) -> None:
        plot_map(places, names, labels, ax=ax)

    return panel_figure(draw, height=_HEIGHT)


def plot_map(
    places: NDArray[np.floating], names: Sequence[str], labels: Sequence[str], *, ax: Axes
) -> Axes:
    """Draw recordings in a plane, with color and shape by label; see `map_figure`."""
    there = np.array(labels)
    styles = label_styles(sorted({label for label in labels if label}))
    for label in sorted(set(labels)):
        color, texture = (styles[label].color, styles[label].texture) if label else (LINE, 0)
        x, y = places[there == label].T
        ax.scatter(
            *(x, y), s=_DOT, marker=_MARKERS[texture % len(_MARKERS)], color=color,
            edgecolors=INK, linewidths=0.3, label=label or None,
        )  # fmt: skip
    if len(names) <= _NAMED:
        _write_names(_named_places(names, places), ax=ax)
    if 0 < len(styles) <= _LEGEND:
        for text in ax.legend(fontsize=6, frameon=False, loc="best").get_texts():
            text.set_parse_math(False)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("nearby recordings are similar in timbre and modulation")
    return ax


def _write_names(named: Sequence[tuple[str, NDArray[np.floating]]], *, ax: Axes) -> None:
    """Draw names beside their places, to overlap as few names, then places, as possible."""
    places = np.array([place for _, place in named])
    low, spans = places.min(axis=0), np.ptp(places, axis=0)
    inch = max(spans[0] / WIDTH, spans[1] / _HEIGHT, 1e-9) * _MARGINS  # in units of the map
    middle, point = low[0] + spans[0] / 2, inch / 72
    dot = np.sqrt(_DOT) / 2 * point
    dots = [_Box(x - dot, x + dot, y - dot, y + dot) for x, y in places]
    written: list[_Box] = []
    for text, (x, y) in named:
        lines = text.split("\n")
        width = max(text_inches(line, _SIZE) for line in lines) * inch
        height = len(lines) * _LEADING * _SIZE * point
        inwards = 1 if x <= middle else -1  # away from the edge
        sides = [(right, up) for right in (inwards, -inwards) for up in (1, -1)]
        boxes = [
            _Box(
                *sorted((x + right * _GAP * point, x + right * (_GAP * point + width))),
                *sorted((y + up * _GAP / 2 * point, y + up * (_GAP / 2 * point + height))),
            )
            for right, up in sides
        ]
        faults = [
            (
                max(middle - box.left, box.right - middle) > WIDTH / 2 * inch,  # over the edge
                sum(box.covers(other) for other in written),
                sum(box.covers(other) for other in dots),
            )
            for box in boxes
        ]
        best = faults.index(min(faults))
        written.append(boxes[best])
        right, up = sides[best]
        ax.annotate(
            text,
            (x, y),
            xytext=(right * _GAP, up * _GAP / 2),
            textcoords="offset points",
            ha="left" if right > 0 else "right",
            va="bottom" if up > 0 else "top",
            fontsize=_SIZE,
            color=INK,
            parse_math=False,
        )


class _Box(NamedTuple):
    """Bounding box in map units."""

    left: float
    right: float
    bottom: float
    top: float

    def covers(self, other: _Box) -> bool:
        """Return whether two boxes overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


def _named_places(
    names: Sequence[str], places: NDArray[np.floating]
) -> list[tuple[str, NDArray[np.floating]]]:
    """Merge the names of recordings that are too close to be labeled separately."""
    reach = _NEAR * float(np.ptp(places, axis=0).max())
    joined: list[tuple[list[str], NDArray[np.floating]]] = []
    for name, place in zip(names, places, strict=True):
        near = (each for each in joined if np.abs(each[1] - place).max() <= reach)
        together, _ = next(near, ([], place))
        if not together:
            joined.append((together, place))
        together.append(shortened(name, 60 if len(names) <= _FEW else 24))
    return [("\n".join(_listed(together)), place) for together, place in joined]


def _listed(names: Sequence[str]) -> list[str]:
    left_out = len(names) - _LINES
    return [*names[:_LINES], f"and {left_out} more"] if left_out > 1 else list(names)
