"""Two labelings of the same frames -> agreement scores, from their contingency table.

Scores are equal to those of mir_eval.segment and mir_eval.hierarchy, which compare all pairs of
frames. Contingency tables take time and memory linear in the number of frames instead of quadratic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from scatseg.segmentation import Segmentation

FRAME = 0.1
"""Frame length in seconds (mir_eval's default)."""

QUERY_WINDOW = 15.0
"""Seconds around a frame within which T-measures compare others to it (mir_eval's default)."""

_MOST_TERMS = 2**20  # maximum number of terms in memory

Table = NDArray[np.int64]


def label_scores(reference: Segmentation, estimate: Segmentation) -> dict[str, float]:
    """Compute mir_eval's scores of segment labels.

    Parameters
    ----------
    reference, estimate : Segmentation
        From 0 to the same end. Labels are case-insensitive, as in mir_eval.

    Returns
    -------
    scores : dict of str to float
        By mir_eval's names: pairwise, rand index, adjusted rand index, mutual information
        (adjusted, normalized), normalized conditional entropies and V-measure. NaN where a
        measure is not defined (0 / 0).

    Raises
    ------
    TypeError
        When one is no Segmentation.

    References
    ----------
    M. Levy and M. Sandler, "Structural segmentation of musical audio by constrained clustering",
    IEEE TASLP 16(2), 2008 (pairwise). H. Lukashevich, "Towards quantitative measures of evaluating
    song segmentation", ISMIR 2008 (conditional entropies). A. Rosenberg and J. Hirschberg,
    "V-measure", EMNLP 2007. N. X. Vinh, J. Epps, J. Bailey, "Information theoretic measures for
    clusterings comparison", ICML 2009 (adjusted mutual information).
    """
    table = contingency(reference, estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (
            *_pairwise(table),
            _rand_index(table),
            _adjusted_rand_index(table),
            *_mutual_information(table),
            *_conditional_entropies(table, marginal=False),
            *_conditional_entropies(table, marginal=True),
        )
    return dict(zip(LABEL_SCORES, map(float, values), strict=True))


LABEL_SCORES = (
    "Pairwise Precision",
    "Pairwise Recall",
    "Pairwise F-measure",
    "Rand Index",
    "Adjusted Rand Index",
    "Mutual Information",
    "Adjusted Mutual Information",
    "Normalized Mutual Information",
    "NCE Over",
    "NCE Under",
    "NCE F-measure",
    "V Precision",
    "V Recall",
    "V-measure",
)


class Contingency(NamedTuple):
    """A sparse contingency table of reference and estimated labels.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (n_reference_labels,), (n_estimated_labels,)
        Number of frames with each label; never 0.
    both : ndarray of int, shape (n_pairs,)
        Number of frames with each pair of labels; never 0. Sorted by row, then column.
    row_of, column_of : ndarray of int, shape (n_pairs,)
        Label indices of each pair.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    both: NDArray[np.int64]
    row_of: NDArray[np.int64]
    column_of: NDArray[np.int64]


def contingency(reference: Segmentation, estimate: Segmentation) -> Contingency:
    """Count the frames with each pair of labels.

    Examples
    --------
    >>> table = contingency(Segmentation([0, 1, 2], "AB"), Segmentation([0, 0.5, 2], "xy"))
    >>> table.both, table.row_of, table.column_of
    (array([ 5,  5, 10]), array([0, 0, 1]), array([0, 1, 1]))
    """
    for side, value in (("reference", reference), ("estimate", estimate)):
        if not isinstance(value, Segmentation):
            msg = f"{side} must be one Segmentation, got {type(value).__name__}"
            raise TypeError(msg)
    n_frames = math.floor(reference.end / FRAME)
    # In single precision, like mir_eval: a boundary on a frame must fall on the same side.
    times = (np.arange(n_frames, dtype=np.float32) * np.float32(FRAME)).astype(np.float64)
    row, column = _codes(reference, times), _codes(estimate, times)
    columns = np.bincount(column)
    cells, both = np.unique(row * len(columns) + column, return_counts=True)
    row_of, column_of = np.divmod(cells, max(len(columns), 1))
    return Contingency(np.bincount(row), columns, both, row_of, column_of)


def _codes(segmentation: Segmentation, times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the label index of each time, counting only labels that occur."""
    labels = np.unique([label.lower() for label in segmentation.labels], return_inverse=True)[1]
    segment = np.searchsorted(segmentation.boundaries[:-1], times, side="right") - 1
    codes: NDArray[np.intp] = np.unique(labels[segment], return_inverse=True)[1]
    return codes


def _n_pairs(counts: NDArray[np.int64] | np.signedinteger) -> np.float64:
    """Return the total number of pairs of different frames within each count."""
    return np.float64((counts * (counts - 1)).sum()) / 2


def _f_measure(precision: float, recall: float) -> float:
    if precision == 0 and recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _pairwise(table: Contingency) -> tuple[float, float, float]:
    both = _n_pairs(table.both)
    precision, recall = both / _n_pairs(table.columns), both / _n_pairs(table.rows)
    return float(precision), float(recall), _f_measure(precision, recall)


def _rand_index(table: Contingency) -> float:
    """Return the share of frame pairs on which both agree."""
    both, everything = _n_pairs(table.both), _n_pairs(table.both.sum())
    apart = everything - _n_pairs(table.columns) - _n_pairs(table.rows) + both
    return float((both + apart) / everything)


def _adjusted_rand_index(table: Contingency) -> float:
    n = int(table.both.sum())
    if (len(table.rows), len(table.columns)) in ((0, 0), (1, 1), (n, n)):
        return 1.0
    rows, columns = _n_pairs(table.rows), _n_pairs(table.columns)
    expected = rows * columns / _n_pairs(table.both.sum())
    return float((_n_pairs(table.both) - expected) / ((rows + columns) / 2 - expected))


def _mutual_information(table: Contingency) -> tuple[float, float, float]:
    """Compute mutual information in nats, adjusted for chance, and normalized."""
    rows, columns, both = table.rows, table.columns, table.both
    n = int(both.sum())
    share, log_n = both / max(n, 1), np.log(n)
    # mir_eval's order of operations: without mutual information, the normalized one is an
    # amplified rounding error.
    chance = -np.log(rows[table.row_of] * columns[table.column_of]) + log_n + log_n
    information = float((share * (np.log(both) - log_n) + share * chance).sum())
    if (len(rows), len(columns)) in ((0, 0), (1, 1)):
        return information, 1.0, 1.0
    entropies = _entropy(rows / n), _entropy(columns / n)
    expected = _expected_information(rows, columns)
    adjusted = np.float64(information - expected) / (max(entropies) - expected)
    normalized = information / max(math.sqrt(entropies[0] * entropies[1]), 1e-10)
    return information, float(adjusted), normalized


def _expected_information(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
    """Compute the mutual information expected by chance (Vinh et al., 2009)."""
    n = int(rows.sum())
    log_factorial = scipy.special.gammaln(np.arange(n + 1) + 1.0)
    # Labels of equal size contribute equally; n frames have at most sqrt(2 n) distinct sizes.
    row_sizes, n_rows = np.unique(rows, return_counts=True)
    column_sizes, n_columns = np.unique(columns, return_counts=True)
    sizes = np.stack([side.ravel() for side in np.meshgrid(row_sizes, column_sizes, indexing="ij")])
    weights = np.outer(n_rows, n_columns).ravel()
    first = np.maximum(sizes.sum(axis=0) - n, 1)
    counts = sizes.min(axis=0) - first + 1
    blocks = np.cumsum(counts) // _MOST_TERMS
    cuts = np.flatnonzero(np.diff(blocks)) + 1
    parts = [slice(*ends) for ends in pairwise([0, *cuts.tolist(), len(counts)])]
    return math.fsum(
        _information_terms(sizes[:, part], first[part], counts[part], weights[part], log_factorial)
        for part in parts
    )


def _information_terms(
    sizes: NDArray[np.int64],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
    log_factorial: NDArray[np.float64],
) -> float:
    """Sum the expected information over pairs of label sizes and their possible overlaps."""
    n = len(log_factorial) - 1
    (a, b), weight = np.repeat(sizes, counts, axis=1), np.repeat(weights, counts)
    starts = np.cumsum(counts) - counts
    both = np.arange(counts.sum()) - np.repeat(starts - first, counts)
    log_probability = (
        log_factorial[a]
        + log_factorial[b]
        + log_factorial[n - a]
        + log_factorial[n - b]
        - log_factorial[n]
        - log_factorial[both]
        - log_factorial[a - both]
        - log_factorial[b - both]
        - log_factorial[n - a - b + both]
    )
    gain = both / n * (np.log(n * both) - np.log(a * b))
    return float((weight * gain * np.exp(log_probability)).sum())


def _entropy(shares: NDArray[np.float64]) -> float:
    """Compute the entropy in nats of shares that sum to 1."""
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def _conditional_entropies(table: Contingency, *, marginal: bool) -> tuple[float, float, float]:
    """Compute over- and under-segmentation scores (1 is best), and their F-measure.

    Normalized by the maximum entropy, or with `marginal` by that of the labels (V-measure).
    """
    n = max(int(table.both.sum()), 1)
    # Sum counts before dividing, so that a single label has a share of exactly 1.
    of_reference, of_estimate = table.rows / n, table.columns / n
    together = _entropy(table.both / n)
    if marginal:
        most = _entropy(of_reference), _entropy(of_estimate)
    else:
        most = math.log(max(len(of_reference), 1)), math.log(max(len(of_estimate), 1))
    under = 1 - (together - _entropy(of_estimate)) / most[0] if most[0] > 0 else 0.0
    over = 1 - (together - _entropy(of_reference)) / most[1] if most[1] > 0 else 0.0
    return over, under, _f_measure(over, under)


def hierarchy_scores(
    reference: Sequence[Segmentation], estimate: Sequence[Segmentation]
) -> dict[str, float]:
    """Compute mir_eval's scores of hierarchical segmentations: T- and L-measures.

    The proximity of two frames is the deepest level at which they share a segment (T-measures) or a
    label (L-measures). For every frame, pairs of other frames that the reference orders by
    proximity should have the same order in the estimate (recall), and vice versa (precision).

    Parameters
    ----------
    reference, estimate : sequence of Segmentation
        Coarse to fine, all from 0 to the same end. Labels are case-insensitive.

    Returns
    -------
    scores : dict of str to float
        By mir_eval's names. "reduced" compares adjacent levels only, "full" all levels. 0 if no
        frame orders any others.

    Raises
    ------
    TypeError
        When one is not a sequence of Segmentations, at least one.

    References
    ----------
    B. McFee, O. Nieto, J. P. Bello, "Hierarchical evaluation of segment boundary detection",
    ISMIR 2015 (T). B. McFee, O. Nieto, M. M. Farbood, J. P. Bello, "Evaluating hierarchical
    structure in music annotations", Frontiers in Psychology 8, 2017 (L).
    """
    reference, estimate = _levels("reference", reference), _levels("estimate", estimate)
    n_frames = int(_rounded_down(reference[0].end) / FRAME)
    sides = (reference, estimate)
    segments = [np.stack([_frame_segments(each, n_frames) for each in side]) for side in sides]
    labels = [
        np.stack([_label_codes(each)[codes] for each, codes in zip(side, rows, strict=True)])
        for side, rows in zip(sides, segments, strict=True)
    ]
    near, once = _segment_tables(*segments), np.ones(n_frames)
    far, n_alike = _label_tables(*labels)
    scores: dict[str, float] = {}
    for name, tables, weights, adjacent in (
        ("T-{} reduced", near, once, True),
        ("T-{} full", near, once, False),
        ("L-{}", far, n_alike, False),
    ):
        recall = _ordered_alike(tables, weights, adjacent=adjacent)
        precision = _ordered_alike(tables.swapaxes(0, 1), weights, adjacent=adjacent)
        values = (precision, recall, _f_measure(precision, recall))
        kinds = ("Precision", "Recall", "Measure")
        scores |= {name.format(kind): value for kind, value in zip(kinds, values, strict=True)}
    return scores


def _levels(side: str, levels: Iterable[Segmentation]) -> list[Segmentation]:
    several = list(levels) if isinstance(levels, Iterable) else []
    if not several or not all(isinstance(each, Segmentation) for each in several):
        msg = f"{side} must be one Segmentation per level, several in a list, got {levels!r:.60}"
        raise TypeError(msg)
    return several


def _rounded_down(time: ArrayLike) -> NDArray[np.float64]:
    """Round down to whole frames like mir_eval: 15.0 s are 149 frames of 0.1 s."""
    times = np.asarray(time, dtype=np.float64)
    return times - np.mod(times, FRAME)


def _frame_segments(segmentation: Segmentation, n_frames: int) -> NDArray[np.intp]:
    """Return the segment index of each frame; segments shorter than a frame may have none."""
    starts = (_rounded_down(segmentation.boundaries[:-1]) / FRAME).astype(int)
    return np.searchsorted(starts, np.arange(n_frames), side="right") - 1


def _label_codes(segmentation: Segmentation) -> NDArray[np.intp]:
    lower = [label.lower() for label in segmentation.labels]
    codes: NDArray[np.intp] = np.unique(lower, return_inverse=True)[1]
    return codes


def _segment_tables(reference: NDArray[np.intp], estimate: NDArray[np.intp]) -> Table:
    """Count, for every frame, the frames within `QUERY_WINDOW` at each pair of depths.

    Parameters
    ----------
    reference, estimate : ndarray of int, shape (n_levels, n_frames)
        The segment of every frame at each level.

    Returns
    -------
    tables : ndarray of int, shape (n_reference_levels + 1, n_estimated_levels + 1, n_frames)
        Number of frames at each pair of depths in reference and estimate, excluding the frame.
    """
    n_frames = reference.shape[1]
    window = int(_rounded_down(QUERY_WINDOW) / FRAME)
    frames = np.arange(n_frames)
    first, after = np.maximum(frames - window, 0), np.minimum(frames + window, n_frames)
    # All segments of a frame contain it, so the union of those from some depth on is an interval.
    (ref_starts, ref_ends), (est_starts, est_ends) = map(_stretches, (reference, estimate))
    starts = np.maximum(np.maximum(ref_starts[:, None], est_starts), first)
    ends = np.minimum(np.minimum(ref_ends[:, None], est_ends), after)
    tables: Table = ends - starts
    tables[:-1] -= tables[1:]  # at least this deep -> exactly this deep
    tables[:, :-1] -= tables[:, 1:]
    tables[-1, -1] -= 1  # the frame itself
    return tables


def _stretches(segments: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the interval of frames that share a segment with each frame at each depth or deeper.

    From segments of shape (n_levels, n_frames) to starts and ends of (n_levels + 1, n_frames).
    """
    n_frames = segments.shape[1]
    starts = [np.searchsorted(level, level, side="left") for level in segments]
    ends = [np.searchsorted(level, level, side="right") for level in segments]
    everything = np.zeros((1, n_frames), dtype=np.intp), np.full((1, n_frames), n_frames)
    return (
        np.concatenate([everything[0], np.minimum.accumulate(starts[::-1])[::-1]]),
        np.concatenate([everything[1], np.maximum.accumulate(ends[::-1])[::-1]]),
    )


def _label_tables(
    reference: NDArray[np.intp], estimate: NDArray[np.intp]
) -> tuple[Table, NDArray[np.int64]]:
    """Count, for every kind of frame, all frames at each pair of depths.

    Parameters
    ----------
    reference, estimate : ndarray of int, shape (n_levels, n_frames)
        The label of every frame at each level. Frames with equal labels at all levels are one kind.

    Returns
    -------
    tables : ndarray of int, shape (n_reference_levels + 1, n_estimated_levels + 1, n_kinds)
        Number of frames at each pair of depths in reference and estimate, excluding the frame.
    sizes : ndarray of int, shape (n_kinds,)
        Number of frames of each kind.
    """
    codes = np.concatenate([reference, estimate])
    kind_of = np.zeros(codes.shape[1], dtype=np.intp)
    for level in codes:  # level by level: several times faster than np.unique over columns
        numbers = kind_of * (level.max(initial=0) + 1) + level
        kind_of = np.unique(numbers, return_inverse=True)[1]
    _, first, sizes = np.unique(kind_of, return_index=True, return_counts=True)
    kinds = codes[:, first]
    depths = len(reference) + 1, len(estimate) + 1
    n_kinds, n_cells = len(sizes), depths[0] * depths[1]
    tables = np.empty((n_cells, n_kinds), dtype=np.int64)
    n_rows = max(1, _MOST_TERMS // max(n_kinds, 1))
    for start in range(0, n_kinds, n_rows):
        rows = kinds[:, start : start + n_rows]
        cells = depths[1] * _deepest(rows[: len(reference)], kinds[: len(reference)])
        cells += _deepest(rows[len(reference) :], kinds[len(reference) :])
        places = cells + n_cells * np.arange(len(cells))[:, None]
        weights = np.broadcast_to(sizes, places.shape)
        counts = np.bincount(places.ravel(), weights.ravel(), minlength=n_cells * len(cells))
        tables[:, start : start + n_rows] = counts.reshape(-1, n_cells).T
    tables[-1] -= 1  # the frame itself
    return tables.reshape(*depths, n_kinds), sizes


def _deepest(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Find the deepest level, from 1, at which each row and column are equal; 0 for none."""
    deepest = np.zeros((rows.shape[1], columns.shape[1]), dtype=np.intp)
    for depth, (row, column) in enumerate(zip(rows, columns, strict=True), start=1):
        deepest[row[:, None] == column] = depth
    return deepest


def _ordered_alike(tables: Table, weights: NDArray[Any], *, adjacent: bool) -> float:
    """Compute the weighted mean share of the pairs ordered by one side that the other agrees on."""
    sizes = tables.sum(axis=1)
    at_least = np.cumsum(tables[:, ::-1], axis=1)[:, ::-1]
    pairs, wrong = np.zeros((2, tables.shape[2]), dtype=np.int64)
    for shallow, deep in combinations(range(len(tables)), 2):
        if not adjacent or deep == shallow + 1:
            pairs += sizes[shallow] * sizes[deep]
            wrong += (at_least[shallow] * tables[deep]).sum(axis=0)
    asked = pairs > 0
    if not asked.any():
        return 0.0
    return float(np.average(1 - wrong[asked] / pairs[asked], weights=weights[asked]))
