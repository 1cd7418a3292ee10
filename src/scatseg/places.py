"""Frames and bar lines -> one row per bar, by metrical position; bars -> half-bars."""

from __future__ import annotations

from itertools import compress

import numpy as np
from numpy.typing import NDArray

from scatseg.features import Features

_ROUNDING = 1e-9  # seconds


def laid_out(features: Features, edges: NDArray[np.float64], *, positions: int) -> Features:
    """Average frames over equal parts of each bar and concatenate the parts.

    Parameters
    ----------
    features : Features
        Frames shorter than a bar.
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds, increasing, from 0 to the duration.
    positions : int
        Positions (equal parts) per bar.

    Returns
    -------
    bars : Features
        Row i holds the means over the parts of bar i in temporal order. A first or last bar that is
        shorter than its neighbor is taken as the end or the beginning of a bar of that length; its
        missing positions are filled with the mean of the other bars.
    """
    starts, lengths = _whole_bars(edges)
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
    names = [name.at(place) for place in range(positions) for name in features.names]
    return Features(X.reshape(n_bars, -1), edges, names, notes=features.notes)


def _whole_bars(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Extend the first and the last bar to the length of their neighbors, if shorter."""
    starts, lengths = edges[:-1].copy(), np.diff(edges)
    if len(starts) > 2:
        lengths[[0, -1]] = np.maximum(lengths[[0, -1]], lengths[[1, -2]])
        starts[0] = edges[1] - lengths[0]
    return starts, lengths


def can_be_halved(features: Features) -> bool:
    """Return whether bars have positions, and the same features in both halves.

    Examples
    --------
    >>> can_be_halved(Features(np.ones((2, 3)), [0.0, 2.0, 4.0]))
    False
    """
    if any(name.place is None for name in features.names):
        return False
    late, middle = _in_second_half(features)
    halves = [list(compress(features.names, half)) for half in (~late, late)]
    return halves[0] == [name.at((name.place or 0) - middle) for name in halves[1]]


def halved(features: Features) -> Features:
    """Split each bar into two half-bars.

    Parameters
    ----------
    features : Features
        One row per bar, see `can_be_halved`.

    Returns
    -------
    halves : Features
        Twice as many rows of half as many features. Silent (all-zero) rows at the ends are not
        split. The first non-silent bar is split at half the length of the second, counted from its
        end; the last one at half the length of the bar before, counted from its start. Remainders
        of less than half a half-bar are merged with their neighbors.

    Raises
    ------
    ValueError
        When bars cannot be halved, see `can_be_halved`.

    Examples
    --------
    >>> from scatseg.features import FeatureName
    >>> names = [FeatureName("level", 0, place=place) for place in range(2)]
    >>> halves = halved(Features(np.array([[1, 2], [3, 4.0]]), [0.0, 2.0, 4.0], names))
    >>> halves.X[:, 0], halves.edges
    (array([1., 2., 3., 4.]), array([0., 1., 2., 3., 4.]))
    """
    if not can_be_halved(features):
        msg = "bars with an even number of equal parts are needed to halve them, got others"
        raise ValueError(msg)
    late, _ = _in_second_half(features)
    names = list(compress(features.names, ~late))
    X = np.stack([features.X[:, ~late], features.X[:, late]], axis=1).reshape(-1, len(names))
    heard = np.flatnonzero(features.X.any(axis=1))
    first, last = (heard[0], heard[-1]) if heard.size else (len(features), -1)
    lengths = np.diff(features.edges)
    if last - first >= 2:
        lengths[[first, last]] = lengths[[first + 1, last - 1]]
    middles = features.edges[:-1] + lengths / 2
    if heard.size:
        middles[first] = features.edges[first + 1] - lengths[first] / 2
    begins = np.stack([features.edges[:-1], middles], axis=1)
    ends = np.stack([middles, features.edges[1:]], axis=1)
    there = ends - begins > lengths[:, None] / 4
    silent = np.ones(len(features), dtype=bool)
    silent[first : last + 1] = False
    there[silent] = True, False
    begins[~there[:, 0], 1] = features.edges[:-1][~there[:, 0]]
    edges = np.append(begins[there], features.edges[-1])
    return Features(X[there.ravel()], edges, names, notes=features.notes)


def _in_second_half(features: Features) -> tuple[NDArray[np.bool_], int]:
    """Return which features belong to the second half of each bar, and its first position."""
    places = np.array([name.place or 0 for name in features.names])
    n_places = int(places.max(initial=0)) + 1
    return 2 * places >= n_places, n_places // 2
