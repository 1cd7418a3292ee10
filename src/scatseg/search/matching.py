"""Vectors -> nearest rows, and selection of non-overlapping passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**22
"""Similarities in memory at a time."""

MOST_IN_COMMON = 0.5
"""Maximum overlap of two passages, as a share of the shorter one."""


class Nearest(NamedTuple):
    """The nearest rows to each query, nearest first.

    Parameters
    ----------
    rows : ndarray of int, shape (n_queries, k)
        Row indices; -1 if fewer than k are allowed.
    similarities : ndarray of float32, shape (n_queries, k)
        Inner products; -inf where there is no row.
    """

    rows: NDArray[np.intp]
    similarities: NDArray[np.float32]


def nearest_rows(
    matrix: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> Nearest:
    """Find the rows of largest inner product with each query, exactly.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_rows, n_dims)
        May be memory-mapped.
    queries : ndarray of float32, shape (n_queries, n_dims)
        Several queries cost little more than one.
    k : int
        Number of rows, at least 1.
    allowed : ndarray of bool, shape (n_rows,), optional
        Mask of rows to search.

    Returns
    -------
    nearest : Nearest
        Ties are in the order of rows.

    Examples
    --------
    >>> nearest_rows(np.eye(3, dtype=np.float32), np.float32([[0.1, 0.9, 0.3]]), 2).rows
    array([[1, 2]])
    """
    n_queries = len(queries)
    best = np.full((n_queries, 0), -np.inf, dtype=np.float32)
    rows = np.full((n_queries, 0), -1, dtype=np.intp)
    size = max(1, _BLOCK // max(1, n_queries))
    for start in range(0, len(matrix), size):
        block = queries @ matrix[start : start + size].T
        if allowed is not None:
            block[:, ~allowed[start : start + size]] = -np.inf
        found = _largest(block, k)
        best = np.concatenate([best, np.take_along_axis(block, found, axis=1)], axis=1)
        rows = np.concatenate([rows, found + start], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(best, order, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
    return Nearest(np.where(np.isfinite(best), rows, -1), best)


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Find the columns of the k largest values of each row, in increasing order."""
    if k >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.sort(np.argpartition(values, -k, axis=1)[:, -k:], axis=1)


def one_per_passage(
    tracks: Sequence[object],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
) -> Iterator[int]:
    """Select passages greedily, without overlaps of more than half.

    Parameters
    ----------
    tracks : sequence, length n
        Tracks of the passages, best first.
    starts, ends : ndarray of float, shape (n,)
        Seconds.

    Yields
    ------
    kept : int
        Indices of the selected passages, in order, as they are found.

    Examples
    --------
    >>> list(one_per_passage("aab", np.array([0.0, 1.0, 1.0]), np.array([4.0, 5.0, 5.0])))
    [0, 2]
    """
    kept: dict[object, list[int]] = {}
    for i, track in enumerate(tracks):
        earlier = kept.setdefault(track, [])
        if all(
            min(ends[i], ends[j]) - max(starts[i], starts[j])
            <= MOST_IN_COMMON * min(ends[i] - starts[i], ends[j] - starts[j])
            for j in earlier
        ):
            earlier.append(i)
            yield i
