"""Plots of loss landscapes, descents and resynthesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    LogFormatter,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullLocator,
)
from numpy.typing import ArrayLike, NDArray

from scatseg.plotting.canvas import COLORS, INK, color_bar, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from scatseg.matching import Field
    from scatseg.synth import Parameter

_TARGET = "#1E9E50"
_LOSS = "cividis"
_GRID = "#E8EAED"
_ARROW = 0.7
"""Length of an arrow, in steps of the grid."""


def plot_contour(field: Field, *, ax: Axes) -> None:
    """Draw contours of a loss over two parameters, and the target."""
    parameters, (x, y), target = _shown(field)
    levels = ax.contourf(x, y, field.losses.T, levels=16, cmap=matplotlib.colormaps[_LOSS])
    color_bar(ax, levels, "loss", "neither")
    _mark_target(target, ax)
    _mark_plane(ax, *parameters, x, y)


def plot_arrows(field: Field, *, ax: Axes) -> None:
    """Draw the steepest descent at grid points, as arrows of equal length in a square panel.

    An arrow leads where a small step would: its slope is in the units of the axes (octaves, or
    fractions of the range), not of the screen. The target itself has none.
    """
    parameters, values, target = _shown(field)
    # Half a step around the grid has room for the arrows at its edge.
    ends = [np.array([1.5 * p[0] - 0.5 * p[1], 1.5 * p[-1] - 0.5 * p[-2]]) for p in field.places]
    around = [each.decode(p) for each, p in zip(parameters, ends, strict=True)]
    spans = np.array([np.ptp(each) for each in ends])
    panel = -field.gradients / spans  # a step, in fractions of the panel's sides
    lengths = np.linalg.norm(panel, axis=-1, keepdims=True)
    panel *= _ARROW / len(values[0]) / np.maximum(lengths, np.finfo(float).tiny)
    drawn = field.elsewhere
    places = np.stack(np.meshgrid(*field.places, indexing="ij"), axis=-1)[drawn]
    starts, tips = (
        [each.decode(p) for each, p in zip(parameters, points.T, strict=True)]
        for points in (places, places + panel[drawn] * spans)
    )
    u, v = np.subtract(tips, starts)
    ax.quiver(*starts, u, v, color=INK, pivot="mid", angles="xy", scale_units="xy", scale=1)
    _mark_target(target, ax)
    _mark_plane(ax, *parameters, *around)


def plot_surface(field: Field, *, ax: Any) -> None:
    """Draw a loss as a surface over two parameters, and the target on it."""
    x, y = np.meshgrid(*field.places, indexing="ij")
    ax.computed_zorder = False  # else a slope in front of the target hides it
    ax.plot_surface(x, y, field.losses, cmap=matplotlib.colormaps[_LOSS], linewidth=0)
    first, second = field.target_places
    across = [np.interp(first, field.places[0], losses) for losses in field.losses.T]
    height = np.interp(second, field.places[1], across)
    ax.scatter(
        [first],
        [second],
        [height],
        color=_TARGET,
        edgecolor="white",
        s=40,
        depthshade=False,
        zorder=3,
    )
    for axis, parameter in zip((ax.xaxis, ax.yaxis), _shown(field)[0], strict=True):
        axis.set_label_text(parameter_text(parameter))
        axis.labelpad = 6
        steps = MultipleLocator(1) if parameter.scale == "log" else MaxNLocator(4)
        axis.set_major_locator(steps)
        axis.set_major_formatter(FuncFormatter(lambda v, _, p=parameter: f"{_decoded(p, v):.4g}"))
    ax.zaxis.set_major_locator(MaxNLocator(4))
    # A label beside the axis would be clipped with three surfaces in a row.
    top = (float(x.max()), float(y.max()), ax.get_zlim()[1])
    ax.text(*top, "loss", va="bottom")
    ax.set_box_aspect(None, zoom=0.95)


def plot_trajectories(
    trajectories: Sequence[NDArray[np.float64]],
    parameters: tuple[Parameter, Parameter],
    *,
    ax: Axes,
    target: ArrayLike | None = None,
) -> None:
    """Draw descents over two parameters, with hollow starts and filled ends.

    Parameters
    ----------
    trajectories : sequence of ndarray of float64, shape (n_steps + 1, 2)
        Parameter values along each descent; magnitudes are drawn on a logarithmic scale.
    parameters : (Parameter, Parameter)
        Parameters of the axes.
    ax : Axes
        Axes to draw on.
    target : array_like of float, shape (2,), optional
        Parameters of the target.
    """
    paths = [_sizes(each, parameters) for each in trajectories]
    for path in paths:
        (line,) = ax.plot(*path.T, color="white", linewidth=1.8, solid_joinstyle="round")
        line.set_zorder(2)
        ax.plot(*path.T, color=COLORS[1], linewidth=1.0, zorder=3)
        ax.plot(*path[0], "o", color=COLORS[1], markerfacecolor="white", markersize=4, zorder=4)
        ax.plot(*path[-1], "o", color=COLORS[1], markersize=4, zorder=4)
    if target is not None:
        _mark_target(_sizes(np.asarray(target), parameters), ax)
    ranges = np.array([[each.low, each.high] for each in parameters]).T
    inside = np.concatenate([*paths, ranges])
    _mark_plane(ax, *parameters, *np.stack([inside.min(axis=0), inside.max(axis=0)], axis=1))


def _sizes(
    values: NDArray[np.float64], parameters: tuple[Parameter, Parameter]
) -> NDArray[np.float64]:
    """Return magnitudes of the parameters with a logarithmic scale."""
    is_log = np.array([each.scale == "log" for each in parameters])
    return np.where(is_log, np.abs(values), values)


def trajectory_key(*, target: bool) -> list[Line2D]:
    """Return the legend handles of `plot_trajectories`."""
    dot: dict[str, Any] = {"marker": "o", "linestyle": ""}
    start = Line2D([], [], color=COLORS[1], markersize=4, label="start", **dot)
    start.set_markerfacecolor("white")
    end = Line2D([], [], color=COLORS[1], markersize=4, label="end", **dot)
    aim = Line2D([], [], color=_TARGET, markersize=8, label="target", **dot)
    aim.set_markeredgecolor("white")
    return [start, end, aim] if target else [start, end]


def plot_convergence(
    curves: Mapping[str, Sequence[ArrayLike]], *, ax: Axes, ylabel: str = "loss"
) -> None:
    """Draw values over steps, with a color per name."""
    for color, (name, values) in zip(_cycled(len(curves)), curves.items(), strict=True):
        for k, each in enumerate(values):
            ax.plot(np.asarray(each), color=color, linewidth=1.0, label="_" if k else name)
    ax.set(yscale="log", xlabel="step", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _write_plain(ax.yaxis)
    ax.grid(visible=True, which="major", color=_GRID, linewidth=0.6)
    ax.legend(loc="lower left", frameon=False, fontsize=7)


def plot_sweep(
    values: ArrayLike,
    distances: Mapping[str, ArrayLike],
    *,
    ax: Axes,
    xlabel: str,
    ylabel: str,
    scales: tuple[str, str] = ("log", "log"),
    at: float | None = None,
) -> None:
    """Draw distances as a function of a parameter or delay, with a color per loss.

    Parameters
    ----------
    values : array_like of float, shape (n_values,)
        Values of the parameter or delay.
    distances : mapping of str to array_like of float, shape (n_values,)
        Loss -> distances.
    ax : Axes
        Axes to draw on.
    xlabel, ylabel : str
        Labels with units.
    scales : (str, str)
        Scales of both axes, "log" or "linear".
    at : float, optional
        Value of the target.
    """
    for color, (name, column) in zip(_cycled(len(distances)), distances.items(), strict=True):
        ax.plot(values, column, color=color, marker="o", markersize=2.5, linewidth=1.0, label=name)
    if at is not None:
        ax.axvline(at, color=_TARGET, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.set(xscale=scales[0], yscale=scales[1], xlabel=xlabel, ylabel=ylabel)
    for axis in (ax.xaxis, ax.yaxis):
        _write_plain(axis)
    ax.grid(visible=True, which="major", color=_GRID, linewidth=0.6)
    ax.legend(loc="best", frameon=False, fontsize=7)


def plot_bars(values: Mapping[str, float], *, ax: Axes, top: float) -> None:
    """Draw one bar for each name, from 0 to at most `top`."""
    ax.bar(list(values), list(values.values()), color=list(_cycled(len(values))), width=0.6)
    ax.set(ylim=(0, top), ylabel="relative distance")


def save_animation(
    figure: Figure, draw: Callable[[int], None], n_frames: int, path: Path, *, fps: int = 4
) -> None:
    """Save a figure as an animated .gif, with its axes redrawn for each frame."""

    def redraw(k: int) -> list[Any]:
        for ax in figure.axes:
            ax.clear()
        draw(k)
        return []

    with style():
        animation = FuncAnimation(figure, redraw, frames=n_frames, init_func=lambda: [])
        animation.save(path, writer=PillowWriter(fps=fps))


def _shown(
    field: Field,
) -> tuple[tuple[Parameter, Parameter], list[NDArray[np.float64]], NDArray[np.float64]]:
    """Return parameters, values and target to draw; negative x as -x on a logarithmic axis."""
    falls = [
        p.scale == "log" and t < 0 for p, t in zip(field.parameters, field.target, strict=True)
    ]
    x, y = (
        replace(each, name=f"-{each.name}") if fall else each
        for each, fall in zip(field.parameters, falls, strict=True)
    )
    signs = np.where(falls, -1.0, 1.0)
    values = [sign * each for sign, each in zip(signs, field.values, strict=True)]
    return (x, y), values, field.target * signs


def parameter_text(parameter: Parameter) -> str:
    """Format a parameter's name and unit."""
    return f"{parameter.name} ({parameter.unit})" if parameter.unit else parameter.name


def _decoded(parameter: Parameter, place: float) -> float:
    return float(parameter.decode(np.float64(place)))


def _cycled(n: int) -> list[str]:
    return [COLORS[k % len(COLORS)] for k in range(n)]


def _mark_target(target: NDArray[np.float64], ax: Axes) -> None:
    ax.plot(*target, "o", color=_TARGET, markeredgecolor="white", markersize=8, zorder=5)


def _mark_plane(
    ax: Axes, x: Parameter, y: Parameter, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> None:
    _mark_scale(ax.xaxis, x)
    _mark_scale(ax.yaxis, y)
    ax.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
    ax.set(xlabel=parameter_text(x), ylabel=parameter_text(y))


class _PlainLogFormatter(LogFormatter):
    """Format ticks as plain numbers where a logarithmic axis has room for labels."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _write_plain(axis: Axis) -> None:
    """Label ticks with plain numbers, without powers of 10."""
    if axis.get_scale() == "log":
        axis.set_major_formatter(_PlainLogFormatter())
        axis.set_minor_formatter(_PlainLogFormatter())
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _mark_scale(axis: Axis, parameter: Parameter) -> None:
    if parameter.scale != "log":
        return
    ax: Any = axis.axes
    (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log", base=2)
    axis.set_major_locator(LogLocator(base=2))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
