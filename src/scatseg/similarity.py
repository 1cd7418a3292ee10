"""Features -> self-similarity: which moments of a recording are alike."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Metric = Literal["cosine", "euclidean"]


def self_similarity(X: NDArray[np.floating], *, metric: Metric = "cosine") -> NDArray[np.float64]:
    """Compare every frame with every other.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    metric : {"cosine", "euclidean"}
        "cosine": the angle between vectors from which the mean over frames was taken, so that what
        all frames share does not count. "euclidean": exp(-distance / median distance of
        different frames).

    Returns
    -------
    S : ndarray of float64, shape (n_frames, n_frames)
        Symmetric, in [0, 1], 1 on the diagonal. Equal frames have similarity 1.

    References
    ----------
    J. Foote, "Visualizing music and audio using self-similarity", ACM Multimedia 1999.

    Examples
    --------
    >>> self_similarity(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    array([[1., 0., 1.],
           [0., 1., 0.],
           [1., 0., 1.]])
    """
    rows = centered(X, around=X)
    if metric == "cosine":
        S = (1 + cosine(rows)) / 2
    elif metric == "euclidean":
        squares = np.einsum("ij,ij->i", rows, rows)
        squared = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
        distance = np.sqrt(np.maximum(squared, 0))
        distance[distance <= _ROUNDING * np.abs(X).max()] = 0
        # Frames that are equal say nothing about how far apart different ones are.
        different = distance[distance > 0]
        S = np.exp(-distance / (np.median(different) if different.size else 1))
    else:
        msg = f'metric must be "cosine" or "euclidean", got {metric!r}'
        raise ValueError(msg)
    np.fill_diagonal(S, 1)
    S = np.clip(S, 0, 1)
    return np.asarray((S + S.T) / 2)


def centered(rows: NDArray[np.floating], *, around: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take vectors relative to the mean of all frames.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
        Frames, or means of some of them.
    around : ndarray of float, shape (n_frames, n_features)
        All frames.

    Returns
    -------
    rows : ndarray of float64, shape (n_rows, n_features)
        Exactly 0 where a vector is the mean but for rounding, which points nowhere.
    """
    relative = np.asarray(rows - around.mean(axis=0, dtype=np.float64))
    relative[np.abs(relative).max(axis=1) <= _ROUNDING * np.abs(around).max()] = 0
    return relative


def cosine(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compare the directions of vectors.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)

    Returns
    -------
    cosine : ndarray of float64, shape (n_rows, n_rows)
        In [-1, 1] but for rounding. Vectors of length 0 are equal to each other and at right
        angles to all others.

    Examples
    --------
    >>> cosine(np.array([[2.0, 0.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    array([[ 1.,  0., -1.,  0.],
           [ 0.,  1.,  0.,  1.],
           [-1.,  0.,  1.,  0.],
           [ 0.,  1.,  0.,  1.]])
    """
    norms = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(norms > 0, norms, 1)[:, None]
    nowhere = norms == 0
    return np.asarray(unit @ unit.T + np.outer(nowhere, nowhere), dtype=np.float64)


_ROUNDING = 1e-6
"""Share of the largest feature below which a difference is rounding, not sound."""


def stacked(X: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Join each frame with those that follow, so that a moment is compared with its continuation.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames_total, n_features)
        One vector per frame.
    n_frames : int
        Frames in each joined vector, its own in the middle where the number is odd; the first and
        the last frame are repeated beyond both ends.

    Returns
    -------
    X : ndarray of float, shape (n_frames_total, n_frames * n_features)

    Examples
    --------
    >>> stacked(np.array([[1.0], [2.0], [3.0]]), n_frames=3)
    array([[1., 1., 2.],
           [1., 2., 3.],
           [2., 3., 3.]])
    """
    at = np.arange(len(X))[:, None] + np.arange(n_frames) - n_frames // 2
    joined: NDArray[np.floating] = X[np.clip(at, 0, len(X) - 1)]
    return joined.reshape(len(X), -1)


def recurrence(S: NDArray[np.floating], *, n_neighbors: int, min_lag: int = 1) -> NDArray[np.bool_]:
    """Keep, of each frame's similarities, those to its mutual nearest neighbors.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    n_neighbors : int
        How many of the most similar frames each one may choose, and all that are as similar as
        the last of these.
    min_lag : int, default 1
        Frames nearer than this in time do not count as neighbors.

    Returns
    -------
    R : ndarray of bool, shape (n_frames, n_frames)
        Symmetric: true where each is among the other's neighbors. False on the diagonal.

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """
    n = len(S)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    far = np.where(lag >= max(min_lag, 1), S, -np.inf)
    k = min(n_neighbors, n - 1)
    if k < 1:
        return np.zeros((n, n), dtype=bool)
    last = -np.partition(-far, k - 1, axis=1)[:, k - 1 : k]
    chosen = (far >= last) & np.isfinite(far)
    return chosen & chosen.T


def to_lags(S: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn time against time into lag against time, where a repetition is a straight stripe.

    Parameters
    ----------
    S : ndarray, shape (n_frames, n_frames)
        Any relation between frames.

    Returns
    -------
    L : ndarray, shape (n_frames, n_frames)
        `L[lag, i] = S[i, (i + lag) % n_frames]`.

    References
    ----------
    M. Goto, "A chorus section detection method for musical audio signals", IEEE Transactions on
    Audio, Speech, and Language Processing 14(5), 2006.
    """
    i = np.arange(len(S))
    return cast(NDArray[np.floating], S[i[None, :], (i[None, :] + i[:, None]) % len(S)])


def enhance_paths(S: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Take the median along diagonals: repetitions stay, single coincidences go.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames_total, n_frames_total)
        Any symmetric relation between frames.
    n_frames : int
        Odd length of the median filter along each diagonal.
    """
    lags = scipy.ndimage.median_filter(to_lags(S), size=(1, n_frames))
    i = np.arange(len(S))
    out = np.empty_like(lags)
    out[i[None, :], (i[None, :] + i[:, None]) % len(S)] = lags
    return cast(NDArray[np.floating], np.maximum(out, out.T))
