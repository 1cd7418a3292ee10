"""Descriptions -> passages: windows of several lengths, and their statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatseg.features import Features
from scatseg.search.descriptions import CELL, Columns, Description

LENGTHS = (2.0, 4.0, 8.0, 16.0, 30.0)
"""Window lengths in seconds, with 50 % overlap."""

WHOLE = 0.0
"""Window length that means the whole recording."""


def window_cells(n_cells: int, length: float) -> NDArray[np.intp]:
    """Divide cells into windows with 50 % overlap, the last one aligned to the end.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    length : float
        Seconds, an even number of cells, or `WHOLE`.

    Returns
    -------
    windows : ndarray of int, shape (n_windows, 2)
        First cell and last cell plus one.

    Examples
    --------
    >>> window_cells(7, 4.0).tolist(), window_cells(3, 4.0).tolist(), window_cells(7, 0.0).tolist()
    ([[0, 4], [2, 6], [3, 7]], [[0, 3]], [[0, 7]])
    """
    size = n_cells if length == WHOLE else min(round(length / CELL), n_cells)
    last = n_cells - size
    starts = np.arange(0, last + 1, max(1, round(length / CELL / 2)))
    if starts[-1] != last:
        starts = np.append(starts, last)
    return np.stack([starts, starts + size], axis=1)


def passages(description: Description, windows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Compute the statistics of windows, from running sums over the cells.

    Parameters
    ----------
    description : Description
        Description of a recording.
    windows : ndarray of int, shape (n_windows, 2)
        From `window_cells`, of any lengths.

    Returns
    -------
    X : ndarray of float64, shape (n_windows, 2 * n_columns)
        Means, then standard deviations.
    """
    edges = description.cells
    weights = np.diff(edges)[:, None]
    means = description.means.astype(np.float64)
    squares = description.deviations.astype(np.float64) ** 2 + means**2
    sums = np.zeros((2, len(edges), means.shape[1]))
    np.cumsum(means * weights, axis=0, out=sums[0, 1:])
    np.cumsum(squares * weights, axis=0, out=sums[1, 1:])
    lengths = (edges[windows[:, 1]] - edges[windows[:, 0]])[:, None]
    mean, square = (sums[:, windows[:, 1]] - sums[:, windows[:, 0]]) / lengths
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))], axis=1)


def excerpt_statistics(description: Description, start: float, end: float) -> NDArray[np.float64]:
    """Compute the statistics of an excerpt from its cells, shape (2 * n_columns,).

    Parameters
    ----------
    description : Description
        Description of a recording.
    start, end : float
        Seconds; cells are weighted by overlap.
    """
    edges = description.cells
    low, high = np.clip([start, end], edges[0], edges[-1])
    weights = np.diff(np.clip(edges, low, high))
    if not weights.any():
        weights[min(np.searchsorted(edges, low, side="right"), len(weights)) - 1] = 1.0
    there = np.flatnonzero(weights)
    part, weights = slice(there[0], there[-1] + 1), weights[there]
    means = description.means[part].astype(np.float64)
    deviations = description.deviations[part].astype(np.float64)
    mean = np.average(means, axis=0, weights=weights)
    variance = np.average(deviations**2 + (means - mean) ** 2, axis=0, weights=weights)
    return np.concatenate([mean, np.sqrt(variance)])


def statistics(features: Features, start: float, end: float) -> NDArray[np.float64]:
    """Compute the statistics of an excerpt of features, shape (2 * n_columns,).

    Parameters
    ----------
    features : Features
        Features of a recording.
    start, end : float
        Seconds; frames are weighted by overlap.
    """
    low = np.clip(features.edges[:-1], start, end)
    weights = np.clip(features.edges[1:], start, end) - low
    there = weights > 0
    X, weights = features.X[there].astype(np.float64), weights[there]
    mean = np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights))
    return np.concatenate([mean, deviation])


def relative(X: NDArray[np.floating], columns: Columns) -> NDArray[np.float64]:
    """Normalize statistics (n, 2 * n_columns) by the mean level of their carriers.

    They are then independent of loudness, between recordings and within one.
    """
    values = np.array(X, dtype=np.float64)
    if columns.levels.any():
        level = values[:, : len(columns.names)][:, columns.levels].mean(axis=1, keepdims=True)
        raw = np.tile(columns.uncompressed, 2)
        values[:, raw] /= np.maximum(level, np.finfo(np.float64).tiny)
    return values


def nearest_length(seconds: float) -> float:
    """Return the window length whose ratio to a duration is closest to 1."""
    return min(LENGTHS, key=lambda length: abs(np.log(length / seconds)))
