"""Similarities and labels -> how much of what is alike is found first, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.statistics import count_outcomes, grouped_intervals, holm, signed_rank_test

METRICS = ("P@5", "AP@5", "MAP", "R-precision", "MRR", "recall@1", "recall@5", "recall@10")
"""In the order of tables."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieval:
    """How well items find those of their own label, with their own group left out.

    Parameters
    ----------
    labels : tuple of str, length n_items
        What the items are.
    values : dict of str to ndarray of float64, shape (n_items,)
        Per metric, of each item as query: 0 to 1, NaN where nothing of its label is in another
        group.
    units : tuple of str, length n_items
        What is drawn for intervals and counts once in tests: groups, or items that share nothing.
    """

    labels: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]] = field(repr=False)
    units: tuple[str, ...] = field(repr=False)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which items can be queries: something of their label is in another group."""
        return np.isfinite(self.values["MAP"])

    def micro(self) -> dict[str, float]:
        """Mean over all queries, by metric; NaN where there are none."""
        return {name: _mean(values[self.answered]) for name, values in self.values.items()}

    def per_label(self) -> dict[str, dict[str, float]]:
        """Mean over the queries of each label, by label and metric."""
        labels = np.array(self.labels)
        return {
            label: {
                name: _mean(values[self.answered & (labels == label)])
                for name, values in self.values.items()
            }
            for label in sorted(set(self.labels))
        }

    def macro(self) -> dict[str, float]:
        """Mean over labels of their means, by metric: rare labels count as much as others."""
        found = list(self.per_label().values())
        return {
            name: _mean(np.array([each[name] for each in found if np.isfinite(each[name])]))
            for name in self.values
        }

    def intervals(self, *, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Bootstrap 95 % intervals of the means over queries, by metric; groups are drawn."""
        samples = [values[self.answered] for values in self.values.values()]
        bounds = grouped_intervals(samples, np.array(self.units)[self.answered], seed=seed)
        return {
            name: (float(low), float(high))
            for name, (low, high) in zip(self.values, bounds, strict=True)
        }


def evaluate(
    similarity: ArrayLike, labels: Sequence[str], *, groups: Sequence[str] | None
) -> Retrieval:
    """Score how well each item finds those of its label by similarities.

    Parameters
    ----------
    similarity : array_like of float, shape (n_items, n_items)
        Larger is more alike; row q ranks all items for query q. Its own column does not count.
    labels : sequence of str, length n_items
        What the items are; those of the same label are relevant to each other.
    groups : sequence of str, length n_items, or None
        What shares a player, a kit, a recording is never counted for a query of the same group.
        An empty string shares nothing. None: nothing shares anything.

    Returns
    -------
    retrieval : Retrieval
        "P@5": share of relevant items among the first five. "AP@5": mean of the precision at each
        relevant item among the first five, over as many as there could be. "MAP": the same of all.
        "R-precision": precision at the number of relevant items. "MRR": one over the rank of the
        first relevant item. "recall@k": share of relevant items among the first k. Equal
        similarities rank in the order of the items.

    Raises
    ------
    ValueError
        When shapes do not fit, or similarities are not numbers.

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
    shared = np.array([""] * n if groups is None else list(groups))
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
    """Score one ranking, best first, that holds a relevant item.

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
    """How two systems differ over the same queries.

    Parameters
    ----------
    system, other : str
        Their names.
    metric : str
        What is compared.
    difference, low, high : float
        Mean of system - other over queries, and its bootstrap 95 % interval over groups.
    p : float
        Wilcoxon's signed ranks of the means of groups, adjusted after Holm for all comparisons of a
        table.
    wins, ties, losses : int
        Queries.
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
    """Compare the first of several systems with each other one, query by query.

    Parameters
    ----------
    systems : mapping from str to Retrieval
        Of the same items, by name.
    metrics : sequence of str
        What is compared.
    seed : int, default 0
        Of the bootstrap.
    """
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
    """Average how well a system agrees with each of several listeners' clusters.

    Each query's values are averaged over the listeners who put something else with it: the mean of
    "P@5" is then that of the listening-test protocol, over queries and listeners.

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
    """Average what belongs together: queries of one group are not independent."""
    _, unit, counts = np.unique(units, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(unit, values) / counts)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def retrieval_document(
    systems: Mapping[str, Retrieval], *, groups: Sequence[str] | None, seed: int = 0
) -> dict[str, Any]:
    """Write the scores of systems on the same items as JSON values."""
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
