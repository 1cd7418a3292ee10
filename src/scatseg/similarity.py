"""Features -> self-similarity: which moments of a recording are alike."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Metric = Literal["cosine", "euclidean"]


def self_similarity(X: NDArray[np.floating], *, metric: Metric = "cosine") -> NDArray[np.floating]:
    """Compare every frame with every other.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    metric : {"cosine", "euclidean"}
        "cosine": the angle between vectors from which the mean over frames was taken, so that what
        all frames share does not count. "euclidean": exp(-distance / median distance).

    Returns
    -------
    S : ndarray of float, shape (n_frames, n_frames)
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
    centered = X - X.mean(axis=0)
    # What is left of a constant after centering is rounding, and points nowhere.
    centered[np.abs(centered).max(axis=1) <= _ROUNDING * np.abs(X).max()] = 0
    if metric == "cosine":
        norms = np.linalg.norm(centered, axis=1)
        unit = centered / np.where(norms > 0, norms, 1)[:, None]
        S = (1 + unit @ unit.T) / 2
        silent = norms == 0
        S[np.ix_(silent, silent)] = 1
    elif metric == "euclidean":
        squares = np.einsum("ij,ij->i", centered, centered)
        squared = squares[:, None] + squares[None, :] - 2 * centered @ centered.T
        distance = np.sqrt(np.maximum(squared, 0))
        typical = float(np.median(distance))
        S = np.exp(-distance / (typical if typical > 0 else 1))
    else:
        msg = f'metric must be "cosine" or "euclidean", got {metric!r}'
        raise ValueError(msg)
    np.fill_diagonal(S, 1)
    S = np.clip(S, 0, 1)
    return cast(NDArray[np.floating], (S + S.T) / 2)


_ROUNDING = 1e-6


def stacked(X: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Join each frame with those that follow, so that a moment is compared with its continuation.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames_total, n_features)
        One vector per frame.
    n_frames : int
        Frames in each joined vector, centered on its own; edges are repeated at both ends.

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
        How many of the most similar frames each one may choose.
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
    nearest = np.argpartition(-far, k - 1, axis=1)[:, :k]
    chosen = np.zeros((n, n), dtype=bool)
    np.put_along_axis(chosen, nearest, True, axis=1)
    chosen &= np.isfinite(far)
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
