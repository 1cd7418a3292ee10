"""Shared by all figures: style, size, the time axis, and saving."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullLocator
from numpy.typing import NDArray

from scatseg.plotting.fonts import FONT, drawn_with_fonts, fitted, text_inches
from scatseg.writing import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable

INK = "#16191D"
LINE = "#2F6DB5"
TIME = "time (minutes:seconds)"
COLORS = (LINE, "#D9552B", "#2B7A5B", "#7A5BD0", "#B8860B")
"""Color cycle of related lines."""

_STYLE = {
    "font.family": FONT,
    "font.size": 8.0,
    "axes.edgecolor": "#8A9199",
    "axes.linewidth": 0.6,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": "#4A5158",
    "ytick.color": "#4A5158",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "scatseg",
    "svg.fonttype": "path",
}
# Inches: margins around and between the panels of a track figure.
LEFT, RIGHT, TOP, BOTTOM, GAP = 1.75, 0.2, 0.42, 0.35, 0.09
WIDTH = 8.0
_KEY = 0.25
TITLE_FONT: dict[str, Any] = {"fontsize": 10, "fontweight": "bold"}
PANEL_WIDTH = WIDTH - LEFT - RIGHT


def panel_figure(draw: Callable[[Axes], None], height: float) -> Figure:
    """Make a figure of one panel, as wide as those of `track_figure`.

    Parameters
    ----------
    draw : callable
        Draws on the given Axes.
    height : float
        Height of the panel in inches.
    """
    with style():
        figure = Figure(figsize=(WIDTH, height + TOP + BOTTOM), layout="constrained")
        draw(figure.add_subplot())
    return figure


def axes_figure(
    draw: Callable[[NDArray[Any]], object],
    *,
    heights: Sequence[float],
    columns: int = 1,
    title: str = "",
    after: str = "",
    share: bool | Literal["row", "col", "all"] = False,
    solid: bool = False,
    key: Sequence[Artist] = (),
) -> Figure:
    """Make a figure of several panels in rows and columns, as wide as those of `track_figure`.

    Parameters
    ----------
    draw : callable
        Draws on the given Axes, shape (n_rows, columns).
    heights : sequence of float
        Heights of the rows in inches.
    columns : int, default 1
        Panels per row.
    title : str, optional
        Title of the figure, truncated to its width.
    after : str, optional
        End of the title, truncated only beyond three quarters of the width.
    share : bool or {"row", "col", "all"}, default False
        Which panels share axes: those of a row the vertical one, of a column the horizontal one.
        Shared axes are labeled at the edge only.
    solid : bool, default False
        Whether the panels are three-dimensional.
    key : sequence of Artist, optional
        Labeled handles of a legend below all panels.
    """
    with style():
        size = (WIDTH, sum(heights) + TOP + BOTTOM + (_KEY if key else 0))
        # The layout ignores texts above and below 3D panels.
        below, around = (BOTTOM / 3, (TOP + BOTTOM) / 3) if solid else (0, 0)
        rect = (0, below / size[1], 1, 1 - around / size[1])
        layout = ConstrainedLayoutEngine(rect=rect)
        figure = Figure(figsize=size, layout=layout)
        axes = figure.subplots(
            len(heights),
            columns,
            squeeze=False,
            sharex="col" if share in ("col", "all") else share is True,
            sharey="row" if share in ("row", "all") else share is True,
            height_ratios=list(heights),
            subplot_kw={"projection": "3d"} if solid else None,
        )
        draw(axes)
        if share:
            for ax in axes.flat:
                ax.label_outer()
        if key:
            figure.legend(
                handles=list(key),
                loc="outside lower center",
                ncols=len(key),
                frameon=False,
                fontsize=7,
                columnspacing=1.6,
            )
        if title or after:
            text = fitted_title(title, after, inches=0.98 * WIDTH)
            written = figure.suptitle(text, x=0.01, ha="left", **TITLE_FONT)
            written.set_parse_math(False)
    return figure


def fitted_title(title: str, after: str = "", *, inches: float) -> str:
    """Truncate a title so that it fits together with what comes after it, most of which is kept."""

    def width(text: str) -> float:
        return text_inches(text, TITLE_FONT["fontsize"], weight=TITLE_FONT["fontweight"])

    end = fitted(after, 0.75 * inches, width)
    return fitted(plain(title), inches - width(end), width) + end


_SUFFIXES = (".png", ".svg")


def save_figure(figure: Figure, path: str | Path) -> tuple[Path, Path]:
    """Save a figure as PNG and SVG, byte for byte reproducibly.

    Chinese, Japanese and Korean characters are drawn in an installed font that has them.

    Parameters
    ----------
    figure : Figure
        The figure.
    path : str or Path
        Output path, with or without one of the suffixes ".png" and ".svg".

    Returns
    -------
    png, svg : Path
        The files.

    Warns
    -----
    FontWarning
        When no font has some characters, which are drawn as boxes.
    """
    path = Path(path)
    name = path.stem if path.suffix in _SUFFIXES else path.name
    png, svg = (path.with_name(name + suffix) for suffix in _SUFFIXES)
    with style():
        pixels, lines = drawn_with_fonts(figure, lambda: _rendered(figure))
    atomic_write(png, pixels)
    atomic_write(svg, lines)
    return png, svg


def _rendered(figure: Figure) -> tuple[bytes, bytes]:
    pixels, lines = io.BytesIO(), io.BytesIO()
    figure.savefig(pixels, format="png", dpi=150, metadata={"Software": None})
    figure.savefig(lines, format="svg", metadata={"Date": None, "Creator": None})
    return pixels.getvalue(), lines.getvalue()


def color_bar(
    ax: Axes | NDArray[Any],
    colored: ScalarMappable,
    label: str,
    extend: Literal["neither", "min", "max", "both"],
) -> None:
    """Draw a color bar beside a panel, or beside several that it is for."""
    panels = np.atleast_1d(np.asarray(ax, dtype=object))
    figure = panels.flat[0].get_figure()
    if figure is not None:
        bar = figure.colorbar(
            colored,
            ax=list(panels.flat) if panels.size > 1 else panels.flat[0],  # for `tight_layout`
            pad=0.01,
            fraction=0.05,
            aspect=25 * len(panels),
            extend=extend,
            extendfrac=0.05 / len(panels),
        )
        bar.set_label(label, fontsize=7)
        bar.ax.tick_params(labelsize=7)


def label_all(axes: NDArray[Any], *, x: str, y: str) -> None:
    """Label both axes of all panels of a figure, once."""
    figure = axes.flat[0].get_figure()
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)


def mark_minutes(axis: Axis, most: int = 8) -> None:
    """Label a time axis in minutes and seconds, with at most about `most` ticks."""
    low, high = sorted(axis.get_view_interval())
    step = _time_step(high - low, most)
    axis.set_major_locator(MultipleLocator(step))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step)))


def mark_hertz(axis: Axis, digits: Sequence[int] = (1, 2, 5)) -> None:
    """Make a frequency axis logarithmic, with ticks at first digits `digits`, thousands as k."""
    ax = axis.axes
    (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=tuple(digits)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda hertz, _: hertz_text(hertz)))


def hertz_text(hertz: float) -> str:
    """Format a frequency with three digits, thousands as k.

    Examples
    --------
    >>> hertz_text(440), hertz_text(11025), hertz_text(2.8)
    ('440', '11k', '2.8')
    """
    return f"{hertz / 1000:.3g}k" if hertz >= 999.5 else f"{hertz:.3g}"


def clock(seconds: float, step: float = 1.0) -> str:
    """Format seconds as m:ss or h:mm:ss, with the decimals of `step`.

    Examples
    --------
    >>> clock(83.4), clock(3725), clock(0.25, step=0.05)
    ('1:23', '1:02:05', '0:00.25')
    """
    decimals = 0 if step >= 1 else int(np.ceil(-np.log10(step)))
    units = round(abs(seconds) * 10**decimals)
    whole, fraction = divmod(units, 10**decimals)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{fraction:0{decimals}}" if decimals else text


def _time_step(span: float, most: int) -> float:
    """Return the shortest round tick interval in seconds with at most `most` ticks in `span`."""
    steps = [1.0, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]
    if span < most:
        steps = [digit * 10.0**power for power in (-3, -2, -1, 0) for digit in (1, 2, 5)]
    hours = float(np.ceil(span / 3600 / most))
    return next((step for step in steps if span / step <= most), 3600 * hours)


def style() -> AbstractContextManager[None]:
    """Return a context with the style of all figures, independent of the user's settings."""
    return matplotlib.style.context(["default", _STYLE])


def plain(text: str) -> str:
    """Reduce a text to its printable characters, on one line."""
    line = " ".join(text.split())
    return "".join(c for c in line if c.isprintable())


def shortened(text: str, limit: int = 26) -> str:
    """Truncate a name to the width of about `limit` letters."""
    line = plain(text)
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line]
    if sum(widths) <= limit:
        return line
    return line[: int(np.searchsorted(np.cumsum(widths), limit - 1, side="right"))] + "…"
