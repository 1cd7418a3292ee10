"""GEAR evaluations -> plots of estimation ratios and Isomap embeddings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from scatseg.gear import Evaluation
from scatseg.plotting.canvas import INK, LINE, axes_figure, shortened
from scatseg.synth import Parameter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SOFT = "#8A9199"
_TICKS = {1 / 8: "1/8", 1 / 5: "1/5", 1 / 3: "1/3", 1 / 2: "1/2", 1: "1", 2: "2", 3: "3"} | {
    5: "5",
    8: "8",
}
_LETTERS = 110
"""Letters of system names that fit side by side below a panel."""

_JITTER = 0.32
"""Half the width of a system's point cloud; systems are 1 apart."""


def ratio_figure(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw ratios of estimate to truth, a panel for each parameter, systems side by side.

    Parameters
    ----------
    evaluations : mapping from str to Evaluation
        System -> evaluation, all on the same sounds.
    """
    parameters = next(iter(evaluations.values())).parameters

    def draw(axes: NDArray[Any]) -> None:
        for i, (parameter, row) in enumerate(zip(parameters, axes, strict=True)):
            ratios = {name: each.ratios[:, i] for name, each in evaluations.items()}
            plot_ratios(ratios, parameter, ax=row[0])

    key = [
        Line2D([], [], marker="o", markersize=2, color=LINE, linestyle="", label="a sound"),
        Line2D([], [], color=INK, linewidth=1.6, label="median"),
        Line2D([], [], color=INK, linewidth=0.7, label="5 % and 95 % quantiles"),
        Line2D([], [], color=_SOFT, linewidth=0.6, label="exact"),
    ]
    return axes_figure(draw, heights=[1.7] * len(parameters), share="col", key=key)


def plot_ratios(
    ratios: Mapping[str, NDArray[np.floating]], parameter: Parameter, *, ax: Axes
) -> None:
    """Draw ratios of estimate to truth of one parameter, a point cloud for each system.

    Horizontal lines show the median and the 5 % and 95 % quantiles.

    Parameters
    ----------
    ratios : mapping from str to ndarray of float, shape (n_sounds,)
        System -> ratios.
    parameter : Parameter
        The parameter. The axis is logarithmic if its scale is.
    ax : Axes
        Axes to draw on.
    """
    rng = np.random.default_rng(0)
    for place, values in enumerate(ratios.values()):
        x = place + rng.uniform(-_JITTER, _JITTER, len(values))
        size = float(np.clip(2000 / len(values), 0.3, 6))
        ax.scatter(x, values, s=size, color=LINE, alpha=0.35, linewidths=0, rasterized=True)
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        ax.hlines((low, high), place - _JITTER, place + _JITTER, color=INK, linewidth=0.7)
        ax.hlines(middle, place - _JITTER, place + _JITTER, color=INK, linewidth=1.6)
    ax.axhline(1, color=_SOFT, linewidth=0.6, zorder=0)
    ax.set_xticks(range(len(ratios)), [_wrapped(name, _LETTERS // len(ratios)) for name in ratios])
    ax.set_xlim(-0.6, len(ratios) - 0.4)
    if parameter.scale == "log":
        everything = np.concatenate(list(ratios.values()))
        reach = max(3.2, 1.1 * float(np.exp2(np.abs(np.log2(everything)).max())))
        ax.set_yscale("log")
        ax.set_ylim(1 / reach, reach)
        shown = [tick for tick in _TICKS if 1 / reach < tick < reach]
        ax.yaxis.set_major_locator(FixedLocator(shown))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: _ratio_text(tick)))
        ax.set_ylabel(f"{parameter.name}: estimate / truth")
    else:
        ax.set_ylabel(f"{parameter.name}: 1 + error / range")


def _wrapped(name: str, width: int) -> str:
    """Wrap a name to lines of `width` letters, broken between its options."""
    lines = [""]
    for part in re.split(r"(?<=[:,+])", name):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(shortened(line, max(width, 8)) for line in lines)


def _ratio_text(tick: float) -> str:
    return min(_TICKS.items(), key=lambda item: abs(item[0] - tick))[1]


def embedding_figure(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw Isomap embeddings, a row per system and a column per parameter, which colors the points.

    Parameters
    ----------
    evaluations : mapping from str to Evaluation
        System -> evaluation, all on the same sounds.
    """
    parameters = next(iter(evaluations.values())).parameters

    def draw(axes: NDArray[Any]) -> None:
        for row, (name, evaluation) in zip(axes, evaluations.items(), strict=True):
            for i, (ax, parameter) in enumerate(zip(row, parameters, strict=True)):
                plot_embedding(evaluation.embedding, evaluation.theta[:, i], parameter, ax=ax)
                r2 = evaluation.isomap_r2[parameter.name]
                title = f"{parameter.name}: R² = {r2:.2f}"
                ax.set_title(f"{shortened(name, 24)}\n{title}" if not i else title, fontsize=8)

    heights = [2.4] * len(evaluations)
    return axes_figure(draw, heights=heights, columns=len(parameters), solid=True)


def plot_embedding(
    embedding: NDArray[np.floating],
    values: NDArray[np.floating],
    parameter: Parameter,
    *,
    ax: Any,
) -> None:
    """Draw a 3D embedding, colored by a parameter.

    Parameters
    ----------
    embedding : ndarray of float, shape (n_sounds, 3)
        The points.
    values : ndarray of float, shape (n_sounds,)
        Parameter values; if they have both signs, the color scale is linear.
    parameter : Parameter
        The parameter.
    ax : Axes3D
        Axes to draw on.
    """
    logarithmic = bool(parameter.scale == "log" and values.min() > 0)
    norm = LogNorm() if logarithmic else Normalize()
    size = float(np.clip(3000 / len(values), 0.8, 10))
    points = ax.scatter(
        *embedding.T,
        c=values,
        norm=norm,
        cmap="viridis",
        s=size,
        linewidths=0,
        depthshade=False,
        rasterized=True,
    )
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_formatter(NullFormatter())  # fixed labels: no layout before matplotlib 3.11
        axis.set_tick_params(length=0)
    ax.set_box_aspect((1, 1, 1), zoom=1.05)
    bar = ax.figure.colorbar(points, ax=ax, shrink=0.55, pad=0.02, aspect=14)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_ticks(_bar_ticks(values, logarithmic=logarithmic))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    bar.ax.tick_params(labelsize=6)
    if parameter.unit:
        bar.ax.set_title(parameter.unit, fontsize=6)


def _bar_ticks(values: NDArray[np.floating], *, logarithmic: bool) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    return np.geomspace(low, high, 3) if logarithmic else np.linspace(low, high, 3)
