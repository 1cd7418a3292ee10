"""Scores of many tracks -> means with intervals, and comparisons of systems.

The unit is the track: scores are first averaged over its annotators.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scatseg import statistics
from scatseg.baselines import BASELINES, EVENLY_SPACED, NO_BOUNDARY, RANDOM
from scatseg.evaluation import (
    CEILING,
    ESTIMATED_SEGMENTS,
    HIERARCHY,
    REFERENCE_SEGMENTS,
    Score,
    finite_mean,
)

ALL_TRACKS = "all tracks"
"""The group of every track."""

MEAN_OF_ANNOTATORS = "mean of annotators"
"""Instead of an annotator: the mean over the annotators of each track."""

BEST_OF_ANNOTATORS = "best of annotators"
"""Instead of an annotator: the best value for each track and metric."""

FLAT_METRICS = (
    "F-measure@0.5",
    "F-measure@3.0",
    "Pairwise F-measure",
    "NCE F-measure",
    "V-measure",
)
"""The main metrics of one level."""

HIERARCHY_METRICS = ("T-Measure reduced", "T-Measure full", "L-Measure")
"""The main metrics of hierarchies."""

N_DIFFERING = 5
"""Number of tracks to listen to, per pair of systems."""

ONLY_LEVEL = "the only level"
"""Title of the level if there is only one."""

_SYSTEM_TITLES = {
    NO_BOUNDARY: "no boundary",
    EVENLY_SPACED: "evenly spaced",
    RANDOM: "random",
    CEILING: "other annotators",
}

_COUNTS = (REFERENCE_SEGMENTS, ESTIMATED_SEGMENTS)

# level, metric -> system -> track -> value
Table = dict[tuple[str, str], dict[str, dict[str, float]]]


class Summary(NamedTuple):
    """One metric of one system, over tracks.

    Parameters
    ----------
    system : str
        System of the estimates.
    group : str
        Group of tracks: `ALL_TRACKS`, or a value of the grouping column.
    annotator : str
        Annotator of the references: `MEAN_OF_ANNOTATORS`, `BEST_OF_ANNOTATORS` or a name.
    level : str
        Level of the references.
    metric : str
        A key of `evaluate` or `evaluate_hierarchy`.
    n : int
        Number of tracks with a finite value; other tracks are ignored.
    mean : float
        Mean over these tracks. NaN if n is too small; this applies to all fields below.
    low, high : float
        95 % bootstrap interval of the mean.
    std, median, q25, q75 : float
        Sample standard deviation (n - 1 in the denominator) and interpolated quartiles.
    """

    system: str
    group: str
    annotator: str
    level: str
    metric: str
    n: int
    mean: float
    low: float
    high: float
    std: float
    median: float
    q25: float
    q75: float


class SystemComparison(NamedTuple):
    """A paired comparison of two systems on their common tracks.

    Parameters
    ----------
    level, metric : str
        Level and metric.
    system, other : str
        The systems.
    n : int
        Number of tracks on which both have a finite value.
    difference : float
        Mean of `system` minus `other`.
    low, high : float
        95 % bootstrap interval of the difference; NaN for one track.
    p : float
        p-value of Wilcoxon's signed-rank test, two-sided.
    p_holm : float
        The same after Holm's correction over all comparisons of this level and metric.
    wins, ties, losses : int
        Number of tracks on which `system` is better, equal, worse.
    """

    level: str
    metric: str
    system: str
    other: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    wins: int
    ties: int
    losses: int


class Ranking(NamedTuple):
    """A ranking of all systems and baselines on their common tracks.

    Parameters
    ----------
    level, metric : str
        Level and metric.
    n : int
        Number of tracks.
    systems : tuple of str
        Best first.
    ranks : tuple of float
        Average ranks, 1 the best possible.
    p : float
        p-value of Friedman's test of no difference.
    critical_difference : float
        Nemenyi's critical difference of average ranks at 5 %.
    groups : tuple of tuple of str
        Maximal groups of systems that do not differ significantly.
    """

    level: str
    metric: str
    n: int
    systems: tuple[str, ...]
    ranks: tuple[float, ...]
    p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


class Disagreement(NamedTuple):
    """A track with a large difference between two systems, worth listening to.

    Parameters
    ----------
    level, metric : str
        Level and metric.
    system, other : str
        The systems.
    track : str
        The track.
    difference : float
        `system` minus `other`.
    """

    level: str
    metric: str
    system: str
    other: str
    track: str
    difference: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """Summaries and comparisons of scores.

    Parameters
    ----------
    summaries : tuple of Summary
        See `summarize`.
    comparisons : tuple of SystemComparison
        See `compare`.
    rankings : tuple of Ranking
        See `rank`.
    disagreements : tuple of Disagreement
        See `disagreements`.
    group_by : str
        Name of the grouping column; "" without groups.
    seed : int
        Seed of the bootstrap.
    """

    summaries: tuple[Summary, ...]
    comparisons: tuple[SystemComparison, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    group_by: str = ""
    seed: int = 0


def assess(
    scores: Sequence[Score],
    *,
    groups: Mapping[str, str] | None = None,
    group_by: str = "",
    seed: int = 0,
) -> Results:
    """Summarize scores, and compare and rank systems.

    Parameters
    ----------
    scores : sequence of Score
        Scores of one or more tracks.
    groups : mapping of str to str, optional
        Track -> group, for additional summaries by group.
    group_by : str, default ""
        Name of the grouping column, for the record.
    seed : int, default 0
        Seed of the bootstrap; equal seeds give equal results.

    Returns
    -------
    results : Results
        Summaries, comparisons, rankings and disagreements.
    """
    return Results(
        summaries=tuple(summarize(scores, groups=groups, seed=seed)),
        comparisons=tuple(compare(scores, seed=seed)),
        rankings=tuple(rank(scores)),
        disagreements=tuple(disagreements(scores)),
        group_by=group_by,
        seed=seed,
    )


def level_titles(levels: Iterable[str]) -> dict[str, str]:
    """Return the titles of levels for headings.

    A single numbered level is unnamed: files without levels are numbered.

    Examples
    --------
    >>> level_titles(["section", "hierarchy"])
    {'section': 'level section', 'hierarchy': 'all levels at once'}
    >>> level_titles(["1"]), level_titles(["1", "phrase"])
    ({'1': 'the only level'}, {'1': 'level without a name', 'phrase': 'level phrase'})
    """
    titles = {level: f"level {level}" for level in levels}
    flat = [level for level in titles if level != HIERARCHY]
    unnamed = [level for level in flat if not level or level.isdecimal()]
    if len(unnamed) == 1:
        titles[unnamed[0]] = ONLY_LEVEL if len(flat) == 1 else "level without a name"
    if HIERARCHY in titles:
        titles[HIERARCHY] = "all levels at once"
    return titles


def headed(text: str, level_title: str) -> str:
    """Append a level title to a heading, unless there is only one level.

    Examples
    --------
    >>> headed("Scores", "level section"), headed("Scores", ONLY_LEVEL)
    ('Scores, level section', 'Scores')
    """
    return text if level_title == ONLY_LEVEL else f"{text}, {level_title}"


def system_title(system: str) -> str:
    """Return the display name of a system, baseline or ceiling.

    Examples
    --------
    >>> system_title("baseline:even"), system_title("human ceiling"), system_title("foote")
    ('evenly spaced', 'other annotators', 'foote')
    """
    return _SYSTEM_TITLES.get(system, system)


def is_baseline(system: str) -> bool:
    """Return whether a system is a baseline or the human ceiling."""
    return system == CEILING or system in BASELINES


def summarize(
    scores: Iterable[Score], *, groups: Mapping[str, str] | None = None, seed: int = 0
) -> list[Summary]:
    """Summarize each metric over tracks.

    Parameters
    ----------
    scores : iterable of Score
        Scores of one or more tracks.
    groups : mapping of str to str, optional
        Track -> group. Tracks without a group are only in the summary of all.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    summaries : list of Summary
        For each system and level: all tracks with the mean over annotators; if there are several
        annotators, also with the best (the smallest for deviations; not for segment counts) and
        with each annotator; then each group with the mean over annotators. Systems and levels are
        in the order of the scores, baselines and ceiling last.
    """
    # (system, level) -> metric -> track -> annotator -> value
    table: dict[tuple[str, str], dict[str, dict[str, dict[str, float]]]] = {}
    for score in scores:
        metrics = table.setdefault((score.system, score.level), {})
        tracks = metrics.setdefault(score.metric, {})
        tracks.setdefault(score.track, {})[score.annotator] = score.value

    keys: list[tuple[str, str, str, str, str]] = []
    samples: list[NDArray[np.float64]] = []
    for system, level in sorted(table, key=lambda key: _order(key[0])):
        for group, annotator, metric, values in _columns(table[system, level], groups or {}):
            keys.append((system, group, annotator, level, metric))
            samples.append(np.array(sorted(value for value in values if math.isfinite(value))))
    intervals = statistics.bootstrap_intervals(samples, seed=seed)
    return [
        _describe(key, sample, interval)
        for key, sample, interval in zip(keys, samples, intervals.tolist(), strict=True)
    ]


def _order(system: str) -> int:
    """Return a sort key: systems, then baselines, then the ceiling."""
    return 2 if system == CEILING else int(is_baseline(system))


def _columns(
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]], groups: Mapping[str, str]
) -> Iterable[tuple[str, str, str, list[float]]]:
    """Yield group, annotator, metric and values over tracks, of one system and level."""
    means = {
        metric: {track: finite_mean(by.values()) for track, by in tracks.items()}
        for metric, tracks in metrics.items()
    }
    for metric, by_track in means.items():
        yield ALL_TRACKS, MEAN_OF_ANNOTATORS, metric, list(by_track.values())
    annotators = dict.fromkeys(
        name for tracks in metrics.values() for by in tracks.values() for name in by
    )
    if len(annotators) > 1:
        for metric, tracks in metrics.items():
            if metric not in _COUNTS:
                best = [_best(metric, by.values()) for by in tracks.values()]
                yield ALL_TRACKS, BEST_OF_ANNOTATORS, metric, best
        for name in annotators:
            for metric, tracks in metrics.items():
                values = [by[name] for by in tracks.values() if name in by]
                yield ALL_TRACKS, name, metric, values
    for group in sorted(set(groups.values())):
        for metric, by_track in means.items():
            values = [value for track, value in by_track.items() if groups.get(track) == group]
            if values:
                yield group, MEAN_OF_ANNOTATORS, metric, values


def _best(metric: str, values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    choose = min if "deviation" in metric else max
    return choose(finite, default=math.nan)


def _describe(
    key: tuple[str, str, str, str, str], sample: NDArray[np.float64], interval: Sequence[float]
) -> Summary:
    n = len(sample)
    q25, median, q75 = np.quantile(sample, [0.25, 0.5, 0.75]).tolist() if n else [math.nan] * 3
    mean = finite_mean(sample.tolist())
    std = float(np.std(sample, ddof=1)) if n > 1 else math.nan
    return Summary(*key, n, mean, interval[0], interval[1], std, median, q25, q75)


def compare(scores: Iterable[Score], *, seed: int = 0) -> list[SystemComparison]:
    """Compare all pairs of systems, and each system with the baselines.

    Parameters
    ----------
    scores : iterable of Score
        Scores of one or more tracks.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    comparisons : list of SystemComparison
        For each level and metric (`FLAT_METRICS`, `HIERARCHY_METRICS`): pairs of systems, then
        systems against baselines. The human ceiling is not compared, as it is limited to tracks
        with several annotators.
    """
    pairs: list[tuple[str, str, str, str]] = []
    samples: list[NDArray[np.float64]] = []
    tests: list[tuple[float, float]] = []
    for (level, metric), systems in track_values(scores).items():
        here = []
        for system, other in _pairs(systems):
            values = _paired(systems[system], systems[other])
            if len(values):
                pairs.append((level, metric, system, other))
                here.append(values[:, 0] - values[:, 1])
        p_values = [statistics.signed_rank_test(sample) for sample in here]
        tests += zip(p_values, statistics.holm(p_values).tolist(), strict=True)
        samples += here
    # All at once, as samples of equal length share the draws.
    intervals = statistics.bootstrap_intervals(samples, seed=seed).tolist()
    return [
        SystemComparison(
            *pair,
            n=len(sample),
            difference=finite_mean(sample.tolist()),
            low=low,
            high=high,
            p=p,
            p_holm=p_holm,
            **statistics.count_outcomes(sample)._asdict(),
        )
        for pair, sample, (p, p_holm), (low, high) in zip(
            pairs, samples, tests, intervals, strict=True
        )
    ]


def rank(scores: Iterable[Score]) -> list[Ranking]:
    """Rank systems and baselines by their average rank over tracks.

    Parameters
    ----------
    scores : iterable of Score
        Scores of one or more tracks.

    Returns
    -------
    rankings : list of Ranking
        One per level and metric, as in `compare`, if there are at least two systems with at least
        two tracks in common.
    """
    rankings = []
    for (level, metric), systems in track_values(scores).items():
        names = [name for name in systems if name != CEILING]
        common = _paired(*(systems[name] for name in names))
        if len(names) < 2 or len(common) < 2:
            continue
        ranks = statistics.average_ranks(common)
        order = np.argsort(ranks, kind="stable")
        difference = statistics.critical_difference(len(names), len(common))
        groups = statistics.indistinct_groups(ranks, difference)
        rankings.append(
            Ranking(
                level,
                metric,
                len(common),
                systems=tuple(names[i] for i in order),
                ranks=tuple(ranks[order].tolist()),
                p=statistics.friedman_test(common),
                critical_difference=difference,
                groups=tuple(tuple(names[i] for i in group) for group in groups),
            )
        )
    return rankings


def disagreements(scores: Iterable[Score], *, n_tracks: int = N_DIFFERING) -> list[Disagreement]:
    """Find the tracks on which two systems differ most.

    Parameters
    ----------
    scores : iterable of Score
        Scores of one or more tracks.
    n_tracks : int, default 5
        Maximum number per pair of systems, level and metric; equal scores are left out.

    Returns
    -------
    found : list of Disagreement
        Largest difference first, without baselines and ceiling.
    """
    found = []
    for (level, metric), systems in track_values(scores).items():
        for system, other in _pairs(systems):
            if is_baseline(other):
                continue
            mine, theirs = systems[system], systems[other]
            differences = {
                track: mine[track] - theirs[track]
                for track in mine
                if track in theirs and mine[track] != theirs[track]
            }
            finite = [(track, d) for track, d in differences.items() if math.isfinite(d)]
            finite.sort(key=lambda item: -abs(item[1]))
            found += [
                Disagreement(level, metric, system, other, track, d)
                for track, d in finite[:n_tracks]
            ]
    return found


def track_values(scores: Iterable[Score]) -> Table:
    """Tabulate the mean over annotators of each track.

    Parameters
    ----------
    scores : iterable of Score
        Scores of one or more tracks.

    Returns
    -------
    table : dict
        (level, metric) -> system -> track -> value, for `FLAT_METRICS` and `HIERARCHY_METRICS`;
        systems first, then baselines, then the ceiling.
    """
    wanted = {*FLAT_METRICS, *HIERARCHY_METRICS}
    by_annotator: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for score in scores:
        if score.metric in wanted:
            systems = by_annotator.setdefault((score.level, score.metric), {})
            tracks = systems.setdefault(score.system, {})
            tracks.setdefault(score.track, []).append(score.value)
    return {
        key: {
            system: {track: finite_mean(values) for track, values in systems[system].items()}
            for system in sorted(systems, key=_order)
        }
        for key, systems in by_annotator.items()
    }


def _pairs(systems: Iterable[str]) -> list[tuple[str, str]]:
    """List pairs of systems, then pairs of a system and a baseline."""
    names = [name for name in systems if name != CEILING]
    pairs = [pair for pair in itertools.combinations(names, 2) if not is_baseline(pair[0])]
    return sorted(pairs, key=lambda pair: is_baseline(pair[1]))


def _paired(*systems: Mapping[str, float]) -> NDArray[np.float64]:
    """Tabulate the scores of systems on their common tracks, (n_tracks, n_systems)."""
    first, *others = systems if systems else ({},)
    tracks = [track for track in first if all(track in other for other in others)]
    values = np.array([[system[track] for system in systems] for track in tracks])
    values = values.reshape(len(tracks), len(systems))
    complete: NDArray[np.float64] = values[np.isfinite(values).all(axis=1)]
    return complete
