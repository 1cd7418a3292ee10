"""Plots of scores: systems with intervals, average ranks, and pairs of systems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from scatseg import statistics
from scatseg.plotting.canvas import INK, LINE, axes_figure, shortened
from scatseg.summaries import Ranking, Summary, is_baseline, system_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRAY = "#8A9199"
_GRAY_TEXT = "#5F666D"  # 5.8 : 1 on white
_SOFT = "#C4C9CF"
_ACCENT = "#B4472A"
_MOST_PAIRED = 4  # systems in pairwise plots: six panels
_N_NAMED = 3  # tracks named beside their points
_PANEL = 145.0  # points from score 0 to score 1, with three panels in a row
_PLACES = ((0, 6), (5, 0), (-5, 0), (0, -6))  # offsets of a number from its point, by preference
_APART = 5.0  # minimum distance in points from a number to other numbers and points
_NARROW = 0.5  # of a horizontal distance between numbers, side by side they read as one


def systems_figure(
    table: Mapping[str, Mapping[str, Mapping[str, float]]],
    summaries: Mapping[tuple[str, str], Summary],
) -> Figure:
    """Draw the scores of all systems, a panel per metric.

    Parameters
    ----------
    table : mapping of str to mapping
        Metric -> system -> track -> score. Scores that are not finite are omitted.
    summaries : mapping of (str, str) to Summary
        (Metric, system) -> summary.
    """
    names = list(dict.fromkeys(name for systems in table.values() for name in systems))

    def draw(axes: NDArray[Any]) -> None:
        for ax, (metric, systems) in zip(axes[0], table.items(), strict=True):
            samples = {name: _finite(systems.get(name, {})) for name in names}
            described = {name: summaries[metric, name] for name in names if name in systems}
            plot_scores(samples, described, ax=ax, title=metric)

    key = [
        Line2D([], [], marker="o", markersize=2.5, color=_SOFT, linestyle="", label="a track"),
        Patch(color=LINE, alpha=0.28, linewidth=0, label="the middle half of the tracks"),
        Line2D([], [], marker="|", color=LINE, markersize=9, linestyle="", label="median"),
        Line2D([], [], marker="D", markersize=4, color=INK, label="mean and its 95 % interval"),
    ]
    height = 0.3 * len(names) + 0.3
    return axes_figure(draw, heights=[height], columns=len(table), share="row", key=key)


def _finite(by_track: Mapping[str, float]) -> list[float]:
    return [value for value in by_track.values() if math.isfinite(value)]


def ranks_figure(rankings: Sequence[Ranking]) -> Figure:
    """Draw critical-difference diagrams, one per row."""

    def draw(axes: NDArray[Any]) -> None:
        for row, ranking in zip(axes, rankings, strict=True):
            plot_ranking(ranking, ax=row[0], title=ranking.metric)

    heights = [
        0.7 + 0.1 * len(each.groups) + 0.17 * ((len(each.systems) + 1) // 2) for each in rankings
    ]
    label = "systems that differ by less than the critical difference"
    key = [Line2D([], [], color=LINE, linewidth=3.2, label=label)]
    return axes_figure(draw, heights=heights, key=key)


def pairs_figure(systems: Mapping[str, Mapping[str, float]], *, title: str = "") -> Figure:
    """Draw scatter plots of pairs of systems, a panel per pair of the first four.

    Parameters
    ----------
    systems : mapping of str to mapping
        System -> track -> score. Tracks without finite scores of both are omitted.
    title : str, optional
        Title of the figure.
    """
    pairs = {
        (first, second): _finite_pairs(systems[first], systems[second])
        for first, second in itertools.combinations(list(systems)[:_MOST_PAIRED], 2)
    }
    columns = min(3, len(pairs))
    named = [track for scores in pairs.values() for track in _furthest_apart(scores)]
    numbers = {track: number for number, track in enumerate(dict.fromkeys(named), start=1)}

    def draw(axes: NDArray[Any]) -> None:
        for ax, (names, scores) in zip(axes.flat, pairs.items(), strict=False):
            plot_pair(scores, names, ax=ax, numbers=numbers)
        for ax in axes.flat[len(pairs) :]:
            ax.set_axis_off()

    n_rows = -(-len(pairs) // columns)
    dot: dict[str, Any] = {"marker": "o", "markersize": 3, "linestyle": ""}
    key = [
        Line2D([], [], color=LINE, alpha=0.6, label="a track", **dot),
        Line2D([], [], color=_ACCENT, label=f"the {_N_NAMED} that differ most in a panel", **dot),
    ]
    return axes_figure(draw, heights=[2.9] * n_rows, columns=columns, title=title, key=key)


def _finite_pairs(
    first: Mapping[str, float], second: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    both = {track: (value, second.get(track, math.nan)) for track, value in first.items()}
    return {track: two for track, two in both.items() if all(map(math.isfinite, two))}


def _furthest_apart(scores: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the tracks on which two systems differ most, by decreasing difference."""
    differences = {track: abs(first - second) for track, (first, second) in scores.items()}
    order = sorted(differences, key=lambda track: -differences[track])
    return [track for track in order[:_N_NAMED] if differences[track]]


def plot_scores(
    samples: Mapping[str, ArrayLike],
    summaries: Mapping[str, Summary],
    *,
    ax: Axes,
    title: str = "",
) -> None:
    """Draw the scores of systems: every track, quartiles, and the mean with its interval.

    Parameters
    ----------
    samples : mapping of str to array_like of float, shape (n_tracks,)
        System -> finite scores of its tracks, 0 to 1. The first system is on top.
    summaries : mapping of str to Summary
        System -> summary; optional for systems without scores.
    ax : Axes
        Axes to draw on: a gray point per track, a box from the first to the third quartile with the
        median, and a diamond at the mean with its 95 % interval.
    title : str, optional
        Name of the metric.
    """
    rng = np.random.default_rng(0)
    for row, (system, sample) in enumerate(samples.items()):
        values = np.asarray(sample, dtype=np.float64)
        if not values.size:
            continue
        summary = summaries[system]
        color = _GRAY if is_baseline(system) else LINE
        heights = row + rng.uniform(-0.3, 0.3, len(values))
        ax.scatter(values, heights, s=5, color=_SOFT, linewidths=0, rasterized=True)
        width = summary.q75 - summary.q25
        ax.barh(row, width, left=summary.q25, height=0.56, color=color, alpha=0.28, linewidth=0)
        ax.plot([summary.median] * 2, [row - 0.28, row + 0.28], color=color, linewidth=1.2)
        ax.plot([summary.low, summary.high], [row, row], color=INK, linewidth=1.6)
        ax.plot(summary.mean, row, marker="D", markersize=4, color=INK)
    names = [shortened(system_title(system), 30) for system in samples]
    ax.set_yticks(range(len(names)), names)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.grid(axis="x", color="#E2E4E7", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_title(title, fontsize=8, loc="left")


def plot_ranking(ranking: Ranking, *, ax: Axes, title: str = "") -> None:
    """Draw a critical-difference diagram, after Demšar.

    Parameters
    ----------
    ranking : Ranking
        At least two systems.
    ax : Axes
        Axes to draw on: average ranks with the best on the left, a named line per system, and bars
        connecting systems that do not differ by the critical difference.
    title : str, optional
        Name of the ranked metric.

    References
    ----------
    J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
    """
    n = len(ranking.systems)
    left = (n + 1) // 2
    first_row = 0.5 + 0.32 * len(ranking.groups)
    low, high = 1.0, float(max(n, 2))
    margin = 0.6 * (high - low)  # for names
    for place, (system, rank) in enumerate(zip(ranking.systems, ranking.ranks, strict=True)):
        on_left = place < left
        y = first_row + 0.55 * (place if on_left else n - 1 - place)
        x = low - 0.05 * (high - low) if on_left else high + 0.05 * (high - low)
        color = _GRAY_TEXT if is_baseline(system) else INK
        ax.plot([rank, rank, x], [0, y, y], color=color, linewidth=0.8, solid_joinstyle="miter")
        name = shortened(system_title(system), 30)
        text = f"{name}  {rank:.2f}" if on_left else f"{rank:.2f}  {name}"
        offset = -0.01 * (high - low) if on_left else 0.01 * (high - low)
        align = "right" if on_left else "left"
        ax.text(x + offset, y, text, ha=align, va="center", color=color, parse_math=False)
    by_name = dict(zip(ranking.systems, ranking.ranks, strict=True))
    reach = 0.012 * (high - low)
    for row, group in enumerate(ranking.groups):
        ends = [by_name[group[0]] - reach, by_name[group[-1]] + reach]
        y = 0.26 + 0.32 * row
        ax.plot(ends, [y, y], color=LINE, linewidth=3.2, solid_capstyle="butt")
    _draw_rank_axis(ranking, low, high, ax)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(first_row + 0.55 * left, -1.55)
    ax.set_axis_off()
    ax.set_title(title, fontsize=8, loc="left")


def _draw_rank_axis(ranking: Ranking, low: float, high: float, ax: Axes) -> None:
    """Draw the rank axis and a bar of the length of the critical difference."""
    ax.plot([low, high], [0, 0], color=INK, linewidth=0.8)
    for rank in range(int(low), int(high) + 1):
        ax.plot([rank, rank], [0, -0.14], color=INK, linewidth=0.8)
        ax.text(rank, -0.22, str(rank), ha="center", va="bottom")
    ax.text(low - 0.02 * (high - low), 0, "average rank, 1 is best", ha="right", va="bottom")
    length = ranking.critical_difference
    y = -1.05
    ax.plot([low, low + length], [y, y], color=LINE, linewidth=1.2)
    for end in (low, low + length):
        ax.plot([end, end], [y - 0.1, y + 0.1], color=LINE, linewidth=1.2)
    text = f"critical difference {length:.2f} (5 %, {ranking.n} tracks)"
    ax.text(low + length + 0.02 * (high - low), y, text, va="center", color=LINE)


def plot_pair(
    scores: Mapping[str, tuple[float, float]],
    names: Sequence[str],
    *,
    ax: Axes,
    numbers: Mapping[str, int] | None = None,
) -> None:
    """Draw a scatter plot of two systems, a point per track.

    Parameters
    ----------
    scores : mapping of str to pair of float
        Track -> scores of the two systems, 0 to 1, finite.
    names : sequence of str
        Names of the two systems; the first is on the horizontal axis.
    ax : Axes
        Axes to draw on. Points below the diagonal are tracks on which the first is better. The
        three tracks that differ most are numbered and named.
    numbers : mapping of str to int, optional
        Numbers of these tracks, to be the same in several panels; by default ordered by difference.
    """
    values = np.array(list(scores.values()), dtype=np.float64).reshape(-1, 2)
    ax.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, zorder=0)
    ax.scatter(values[:, 0], values[:, 1], s=9, color=LINE, alpha=0.6, linewidths=0, clip_on=False)
    differences = values[:, 0] - values[:, 1]
    named = _furthest_apart(scores)
    if numbers is None:
        numbers = {track: number for number, track in enumerate(named, start=1)}
    _number_points({numbers[track]: scores[track] for track in named}, values, ax)
    lines = [f"{numbers[track]}  {shortened(track, 34)}" for track in named]
    below, on, above = statistics.count_outcomes(differences)
    ax.set_title(f"{below} below, {on} on, {above} above the diagonal", fontsize=7, loc="left")
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")
    ticks = [0, 0.5, 1]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlabel(shortened(names[0], 32), parse_math=False)
    ax.set_ylabel(shortened(names[1], 32), parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.annotate(
        "\n".join(lines),
        (0, 0),
        xycoords="axes fraction",
        xytext=(0, -32),
        textcoords="offset points",
        va="top",
        fontsize=6.5,
        color=_ACCENT,
        parse_math=False,
    )


def _number_points(
    points: Mapping[int, tuple[float, float]], values: NDArray[np.float64], ax: Axes
) -> None:
    """Draw numbers beside points where they overlap no other point, number or title.

    `values`, shape (n_tracks, 2), are all points.
    """
    taken = [_PANEL * value for value in values]
    numbered: list[NDArray[np.float64]] = []
    for number, point in points.items():
        ax.scatter(*point, s=12, color=_ACCENT, linewidths=0, clip_on=False)
        at = _PANEL * np.asarray(point)
        spots = [at + place for place in _PLACES if 0 <= at[1] + place[1] <= _PANEL]
        # The first with room for a number, else that with the most.
        spot = max(spots, key=lambda spot: min(_near(spot, taken, numbered), _APART))
        numbered.append(spot)
        ax.annotate(
            str(number),
            point,
            xytext=tuple(spot - at),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=6.5,
            color=_ACCENT,
        )


def _near(
    spot: NDArray[np.float64],
    points: Sequence[NDArray[np.float64]],
    numbers: Sequence[NDArray[np.float64]],
) -> float:
    """Return the distance of a spot to the nearest point or number."""
    offsets = [*np.subtract(points, spot), *((each - spot) * (_NARROW, 1) for each in numbers)]
    return float(np.linalg.norm(offsets, axis=1).min())
