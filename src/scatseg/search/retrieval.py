"""Similarities and labels -> retrieval scores with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.naming import check_several
from scatseg.statistics import count_outcomes, grouped_intervals, holm, signed_rank_test

METRICS = ("P@5", "AP@5", "MAP", "R-precision", "MRR", "recall@1", "recall@5", "recall@10")
"""Metrics, in the order of tables."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieval:
    """Retrieval scores of items by label, excluding their own group.

    Parameters
    ----------
    labels : tuple of str, length n_items
        Labels of items.
    values : dict of str to ndarray of float64, shape (n_items,)
        For each metric, the score of each item as query: in [0, 1], NaN if no other group has its
        label.
    units : tuple of str, length n_items
        Units of resampling and tests: groups, or items without a group.
    """

    labels: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]] = field(repr=False)
    units: tuple[str, ...] = field(repr=False)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Mask of items that can be queries: another group has their label."""
        return np.isfinite(self.values["MAP"])

    def micro(self) -> dict[str, float]:
        """Compute the mean over all queries by metric; NaN if there are none."""
        return {name: _mean(values[self.answered]) for name, values in self.values.items()}

    def per_label(self) -> dict[str, dict[str, float]]:
        """Compute the mean over the queries of each label, by label and metric."""
        labels = np.array(self.labels)
        return {
            label: {
                name: _mean(values[self.answered & (labels == label)])
                for name, values in self.values.items()
            }
            for label in sorted(set(self.labels))
        }

    def macro(self) -> dict[str, float]:
        """Compute the macro average over labels by metric."""
        found = list(self.per_label().values())
        return {
            name: _mean(np.array([each[name] for each in found if np.isfinite(each[name])]))
            for name in self.values
        }

    def intervals(self, *, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Compute cluster bootstrap 95 % intervals of the means over queries, by metric."""
        samples = [values[self.answered] for values in self.values.values()]
        bounds = grouped_intervals(samples, np.array(self.units)[self.answered], seed=seed)
        return {
            name: (float(low), float(high))
            for name, (low, high) in zip(self.values, bounds, strict=True)
        }


def evaluate(
    similarity: ArrayLike, labels: Sequence[str], *, groups: Sequence[str | int | None] | None
) -> Retrieval:
    """Score the retrieval of items of the same label by similarity.

    Parameters
    ----------
    similarity : array_like of float, shape (n_items, n_items)
        Larger is more similar; row q ranks all items for query q, except q itself.
    labels : sequence of str, length n_items
        Labels of items; items of the same label are relevant to each other.
    groups : sequence of str, int or None, length n_items, or None
        Groups such as players, kits or recordings; items of the query's group are ignored. Items
        with an empty string or None, or all items if None, have no group.

    Returns
    -------
    retrieval : Retrieval
        "P@5": share of relevant items among the first five. "AP@5": mean of the precision at each
        relevant item among the first five, over the maximum possible number of these. "MAP": the
        same over all items. "R-precision": precision at the number of relevant items. "MRR":
        reciprocal rank of the first relevant item. "recall@k": share of the relevant items that are
        among the first k. Ties are in the order of items.

    Raises
    ------
    ValueError
        When shapes do not match, or similarities are NaN.

    References
    ----------
    C. D. Manning, P. Raghavan and H. Schütze, "Introduction to information retrieval", Cambridge
    University Press, 2008, chapter 8.

    Examples
    --------
    >>> similarity = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]]
    >>> evaluate(similarity, ["a", "b", "b"], groups=None).values["MRR"]
    array([nan, 0.5, 1. ])
    """
    S = np.asarray(similarity, dtype=np.float64)
    n = len(labels)
    if S.shape != (n, n) or (groups is not None and len(groups) != n):
        msg = f"{n} labels need similarities ({n}, {n}) and as many groups, got {S.shape}"
        raise ValueError(msg)
    if np.isnan(S).any():
        msg = "similarities must be numbers, some are NaN"
        raise ValueError(msg)
    names = np.array(labels)
    given = [None] * n if groups is None else groups
    shared = np.array(["" if group is None else str(group) for group in given])
    values = {name: np.full(n, np.nan) for name in METRICS}
    for query in range(n):
        counts = np.arange(n) != query
        if shared[query]:
            counts &= shared != shared[query]
        others = np.flatnonzero(counts)
        ranked = others[np.argsort(-S[query, others], kind="stable")]
        relevant = names[ranked] == names[query]
        if relevant.any():
            for name, value in query_scores(relevant).items():
                values[name][query] = value
    return Retrieval(
        labels=tuple(str(label) for label in labels),
        values=values,
        units=tuple(group or f"\0{i}" for i, group in enumerate(shared.tolist())),
    )


def query_scores(relevant: NDArray[np.bool_]) -> dict[str, float]:
    """Score one ranking, best first, with at least one relevant item.

    Examples
    --------
    >>> scores = query_scores(np.array([True, False, True, False]))
    >>> round(scores["MAP"], 4), scores["R-precision"], scores["recall@1"]
    (0.8333, 0.5, 0.5)
    """
    ranks = np.flatnonzero(relevant) + 1
    n_relevant = len(ranks)
    precisions = np.arange(1, n_relevant + 1) / ranks
    first_five = ranks <= 5
    scores = {
        "P@5": float(relevant[:5].mean()),
        "AP@5": float(precisions[first_five].sum() / min(5, n_relevant)),
        "MAP": float(precisions.mean()),
        "R-precision": float(relevant[:n_relevant].mean()),
        "MRR": float(1 / ranks[0]),
    }
    return scores | {f"recall@{k}": float(relevant[:k].sum() / n_relevant) for k in (1, 5, 10)}


class PairedComparison(NamedTuple):
    """A paired comparison of two systems on the same queries.

    Parameters
    ----------
    system, other : str
        Names of the systems.
    metric : str
        Metric.
    difference, low, high : float
        Mean of system - other over queries, and its bootstrap 95 % interval over groups.
    p : float
        p-value of Wilcoxon's signed-rank test of the means of groups, after Holm's correction over
        all comparisons of a table.
    wins, ties, losses : int
        Numbers of queries.
    """

    system: str
    other: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    wins: int
    ties: int
    losses: int


def compare(
    systems: Mapping[str, Retrieval], *, metrics: Sequence[str] = ("P@5", "MAP"), seed: int = 0
) -> list[PairedComparison]:
    """Compare the first of several systems with each of the others.

    Parameters
    ----------
    systems : mapping from str to Retrieval
        Scores of the same items, by system.
    metrics : sequence of str
        Metrics to compare.
    seed : int, default 0
        Seed of the bootstrap.
    """
    check_several("metrics", metrics)
    (name, first), *others = systems.items()
    made = []
    for metric in metrics:
        for other, result in others:
            pairs = first.answered & result.answered
            differences = first.values[metric][pairs] - result.values[metric][pairs]
            if not differences.size:
                continue
            units = np.array(first.units)[pairs]
            low, high = grouped_intervals([differences], units, seed=seed)[0]
            made.append(
                PairedComparison(
                    name,
                    other,
                    metric,
                    float(differences.mean()),
                    float(low),
                    float(high),
                    signed_rank_test(_means_of(units, differences)),
                    *count_outcomes(differences),
                )
            )
    adjusted = holm([each.p for each in made])
    return [each._replace(p=float(p)) for each, p in zip(made, adjusted, strict=True)]


def over_listeners(columns: Sequence[Retrieval]) -> Retrieval:
    """Average the scores of a system over the clusters of several listeners.

    The scores of each query are averaged over the listeners who put other items into its cluster;
    the mean of "P@5" is then that of the listening-test protocol, over queries and listeners.

    References
    ----------
    V. Lostanlen et al., "Time-frequency scattering accurately models auditory similarities between
    instrumental playing techniques", EURASIP Journal on Audio, Speech, and Music Processing, 2021.
    """
    if len(columns) == 1:
        return columns[0]
    values = {}
    for name in METRICS:
        stacked = np.stack([each.values[name] for each in columns])
        there = np.isfinite(stacked)
        counts = there.sum(axis=0)
        total = np.where(there, stacked, 0).sum(axis=0)
        values[name] = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    labels = tuple("/".join(each) for each in zip(*(c.labels for c in columns), strict=True))
    return Retrieval(labels=labels, values=values, units=columns[0].units)


def _means_of(units: NDArray[np.str_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over units, as queries of one group are not independent."""
    _, unit, counts = np.unique(units, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(unit, values) / counts)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def retrieval_document(
    systems: Mapping[str, Retrieval], *, groups: Sequence[str] | None, seed: int = 0
) -> dict[str, Any]:
    """Convert the scores of systems on the same items to JSON values."""
    made = []
    for name, each in systems.items():
        macro, intervals = each.macro(), each.intervals(seed=seed)
        made.append(
            {
                "features": name,
                "n": len(each.labels),
                "queries": int(each.answered.sum()),
                "labels": len(set(each.labels)),
                "groups": None if groups is None else len({group for group in groups if group}),
                **_numbers(each.micro()),
                "macro": _numbers(macro),
                "intervals": {key: [_number(v) for v in pair] for key, pair in intervals.items()},
                "per_label": {key: _numbers(row) for key, row in each.per_label().items()},
            }
        )
    document = {"systems": made} if len(made) > 1 else made[0]
    comparisons = [
        {key: _number(value) for key, value in each._asdict().items()}
        for each in compare(systems, seed=seed)
    ]
    return {**document, "comparisons": comparisons} if comparisons else document


def _numbers(row: Mapping[str, float]) -> dict[str, Any]:
    return {name: _number(value) for name, value in row.items()}


def _number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None
