"""Frames and bar lines -> bars whose parts stand side by side, and halves of bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scatseg.features import Features


def n_places(features: Features) -> int:
    """Count the parts of each frame that are described in order; 0 where there are none.

    Examples
    --------
    >>> n_places(Features(np.ones((2, 3)), [0.0, 2.0, 4.0]))
    0
    """
    return (
        max((-1 if name.place is None else name.place for name in features.names), default=-1) + 1
    )


def laid_out(features: Features, edges: NDArray[np.float64], *, positions: int) -> Features:
    """Put what happens inside each bar side by side, in order.

    Parameters
    ----------
    features : Features
        Frames shorter than a bar.
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds, increasing, from 0 to the duration.
    positions : int
        Places in each bar.

    Returns
    -------
    bars : Features
        Row i holds the means over equal parts of bar i, the first part first. A first or last bar
        that is shorter than its neighbor is taken for the end or the beginning of one as long;
        at the places that it lacks stands the mean of the other bars.
    """
    starts, lengths = whole_bars(edges)
    places = starts[:, None] + lengths[:, None] * np.arange(positions + 1) / positions
    places[:-1, -1] = places[1:, 0]
    limits = np.clip(places, 0, edges[-1])
    there = np.diff(limits, axis=1) > _ROUNDING
    inner = limits[:, 1:][there]
    inner[-1] = edges[-1]
    n_bars, n_features = len(starts), features.X.shape[1]
    X = np.zeros((n_bars, positions, n_features), dtype=features.X.dtype)
    X[there] = features.pooled(np.concatenate([[0.0], inner])).X
    usual = X.sum(axis=0) / np.maximum(there.sum(axis=0), 1)[:, None]
    X = np.where(there[:, :, None], X, usual.astype(X.dtype))
    names = [replace(name, place=place) for place in range(positions) for name in features.names]
    return Features(X.reshape(n_bars, -1), edges, names)


def halved(features: Features) -> Features:
    """Make two frames of each, of the first and of the second half of its parts.

    Parameters
    ----------
    features : Features
        One row per bar, an even number of parts in each.

    Returns
    -------
    halves : Features
        Twice as many rows of half as many features. Halves of a first or last bar that lie
        outside the recording are left out.

    Raises
    ------
    ValueError
        When the number of parts is odd or 0.

    Examples
    --------
    >>> from scatseg.features import FeatureName
    >>> names = [FeatureName("level", 0, place=place) for place in range(2)]
    >>> halves = halved(Features(np.array([[1, 2], [3, 4.0]]), [0.0, 2.0, 4.0], names))
    >>> halves.X[:, 0], halves.edges
    (array([1., 2., 3., 4.]), array([0., 1., 2., 3., 4.]))
    """
    n = n_places(features)
    if n % 2 or not n:
        msg = f"bars of an even number of parts are needed to halve them, got {n}"
        raise ValueError(msg)
    late = np.array([name.place is not None and 2 * name.place >= n for name in features.names])
    names = [name for name, second in zip(features.names, late, strict=True) if not second]
    X = np.stack([features.X[:, ~late], features.X[:, late]], axis=1)
    starts, lengths = whole_bars(features.edges)
    begins = np.stack([starts, starts + lengths / 2], axis=1).ravel()
    limits = np.clip(np.append(begins, features.edges[-1]), features.edges[0], features.edges[-1])
    there = np.diff(limits) > _ROUNDING
    edges = np.append(limits[:-1][there], features.edges[-1])
    return Features(X.reshape(len(begins), -1)[there], edges, names, notes=features.notes)


def whole_bars(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Continue the first and the last bar to the length of their neighbors, where shorter.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bars + 1,)
        Seconds, increasing.

    Returns
    -------
    starts, lengths : ndarray of float64, shape (n_bars,)
        Seconds. The first bar may start before the recording, the last may end after it.
    """
    starts, lengths = edges[:-1].copy(), np.diff(edges)
    if len(starts) > 2:
        lengths[[0, -1]] = np.maximum(lengths[[0, -1]], lengths[[1, -2]])
        starts[0] = edges[1] - lengths[0]
    return starts, lengths


_ROUNDING = 1e-9
