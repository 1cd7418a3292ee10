"""Vectors and frames -> which rows are nearest, and where exactly two passages are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**22
"""Similarities in memory at a time."""

_STILL = 1e-9
"""Energy of frames below which nothing moves in them."""


class Nearest(NamedTuple):
    """The nearest rows to each query, nearest first.

    Parameters
    ----------
    rows : ndarray of int, shape (n_queries, k)
        Numbers of rows; -1 where fewer than k are allowed.
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
    """Find the rows of largest inner product with each query, exactly, block by block.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_rows, n_dims)
        May be memory-mapped.
    queries : ndarray of float32, shape (n_queries, n_dims)
        Several at once cost little more than one.
    k : int
        How many, at least 1.
    allowed : ndarray of bool, shape (n_rows,), optional
        Which rows count.

    Returns
    -------
    nearest : Nearest
        Of equal rows the first comes first.

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
    """Find the columns of the k largest values of each row, columns rising."""
    if k >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.sort(np.argpartition(values, -k, axis=1)[:, -k:], axis=1)


class Course(NamedTuple):
    """How well a query fits at each place of a stretch.

    Parameters
    ----------
    similarities : ndarray of float64, shape (n_places,)
        Correlation of the courses of both over time, -1 to 1.
    starts : ndarray of float64, shape (n_places,)
        Frames from the beginning of the stretch to that of the query, rising.
    """

    similarities: NDArray[np.float64]
    starts: NDArray[np.float64]


def slide(frames: NDArray[np.float32], phases: Sequence[NDArray[np.float32]]) -> Course:
    """Slide a query along a stretch of frames.

    Correlated are differences from each one's own mean over time: what colors a whole recording,
    a filter or a gain, adds the same to all logarithms and is not heard.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, n_columns)
        The stretch.
    phases : sequence of ndarray of float32, each of shape (m, n_columns)
        The query, sampled at frames 0, 1, ..., then each a fraction of a frame later: frame j of
        phase p at j + p / n_phases. Where the query is longer than the stretch, that slides.

    Returns
    -------
    course : Course
        At each frame, and there at the best phase.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    >>> course = slide(frames, [frames[20:30]])
    >>> float(course.starts[course.similarities.argmax()])
    20.0
    """
    n, m = len(frames), len(phases[0])
    fractions = np.arange(len(phases)) / len(phases)
    if m > n:
        turned = np.stack([_correlations(phase, frames) for phase in phases])
        best = turned.argmax(axis=0)
        starts = -np.arange(turned.shape[1]) - fractions[best]
        return Course(turned.max(axis=0)[::-1], starts[::-1])
    norms = _moving_norms(frames, m)
    found = np.stack([_correlations(frames, phase, norms) for phase in phases])
    return Course(found.max(axis=0), np.arange(n - m + 1) - fractions[found.argmax(axis=0)])


def _correlations(
    frames: NDArray[np.float32],
    query: NDArray[np.float32],
    norms: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Correlate a query with each equally long part of the frames."""
    m = len(query)
    moved = query - query.mean(axis=0)
    energy = float((moved.astype(np.float64) ** 2).sum())
    if energy < _STILL:
        return np.zeros(len(frames) - m + 1)
    products = np.ascontiguousarray(frames @ moved.T)
    row, column = products.strides
    diagonals = np.lib.stride_tricks.as_strided(
        products, shape=(len(frames) - m + 1, m), strides=(row, row + column), writeable=False
    )
    norms = _moving_norms(frames, m) if norms is None else norms
    found: NDArray[np.float64] = diagonals.sum(axis=1) / (np.sqrt(energy) * norms)
    return np.clip(found, -1, 1)


def _moving_norms(frames: NDArray[np.float32], m: int) -> NDArray[np.float64]:
    """Norm of m frames around their mean, from each start; never 0."""
    X = frames.astype(np.float64)
    sums = np.zeros((len(X) + 1, X.shape[1]))
    np.cumsum(X, axis=0, out=sums[1:])
    squares = np.zeros(len(X) + 1)
    np.cumsum((X**2).sum(axis=1), out=squares[1:])
    energy = squares[m:] - squares[:-m] - ((sums[m:] - sums[:-m]) ** 2).sum(axis=1) / m
    norms: NDArray[np.float64] = np.sqrt(np.maximum(energy, _STILL))
    return norms


def one_per_passage(
    tracks: Sequence[object],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    *,
    overlap: float = 0.5,
) -> list[int]:
    """Keep of stretches that overlap the one that comes first.

    Parameters
    ----------
    tracks : sequence, length n
        Where the stretches are, best first.
    starts, ends : ndarray of float, shape (n,)
        Seconds.
    overlap : float, default 0.5
        Share of the shorter stretch that may be heard before.

    Returns
    -------
    kept : list of int
        Numbers of those that are kept, in order.

    Examples
    --------
    >>> one_per_passage("aab", np.array([0.0, 1.0, 1.0]), np.array([4.0, 5.0, 5.0]))
    [0, 2]
    """
    kept: list[int] = []
    for i, track in enumerate(tracks):
        common = (
            min(ends[i], ends[j]) - max(starts[i], starts[j]) for j in kept if tracks[j] == track
        )
        shortest = (
            min(ends[i] - starts[i], ends[j] - starts[j]) for j in kept if tracks[j] == track
        )
        if all(c <= overlap * s for c, s in zip(common, shortest, strict=True)):
            kept.append(i)
    return kept
