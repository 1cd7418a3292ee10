"""Similarity matrices -> recurrence, lags, diagonals, contrasts, z-scores."""

from __future__ import annotations

from typing import cast

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.scattering.arguments import check_integer
from scatseg.similarity.rows import ROUNDING, Scalar, frame_rows


def check_square(S: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a square matrix as an array; raise an error if it is none, or not finite."""
    S = frame_rows(S)
    if S.ndim != 2 or S.shape[0] != S.shape[1]:
        msg = (
            f"a matrix that compares frames must have shape (n_frames, n_frames), got {S.shape}: "
            "self_similarity makes one of features"
        )
        raise ValueError(msg)
    if not np.isfinite(S).all():
        i, j = np.argwhere(~np.isfinite(S))[0]
        msg = f"a matrix that compares frames must be finite, got {S[i, j]} at ({i}, {j})"
        raise ValueError(msg)
    return S


def recurrence(S: NDArray[np.floating], *, n_neighbors: int, min_lag: int = 1) -> NDArray[np.bool_]:
    """Compute a recurrence matrix of mutual nearest neighbors.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    n_neighbors : int
        Number of most similar frames that are neighbors of each frame, plus ties.
    min_lag : int, default 1
        Minimum distance in time between neighbors, in frames.

    Returns
    -------
    R : ndarray of bool, shape (n_frames, n_frames)
        Symmetric: true for mutual neighbors. False on the diagonal.

    Raises
    ------
    ValueError
        When S is not square or not finite, n_neighbors is not a positive integer, or min_lag is
        not an integer of at least 0.

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """
    S = check_square(S)
    check_integer("n_neighbors", n_neighbors, 1)
    check_integer("min_lag", min_lag, 0)
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
    """Convert a recurrence matrix to a lag matrix, where repetitions are horizontal lines.

    Parameters
    ----------
    S : ndarray, shape (n_frames, n_frames)
        Similarity or recurrence.

    Returns
    -------
    L : ndarray, shape (n_frames, n_frames)
        `L[lag, i] = S[i, (i + lag) % n_frames]`.

    References
    ----------
    M. Goto, "A chorus section detection method for musical audio signals", IEEE Transactions on
    Audio, Speech, and Language Processing 14(5), 2006.
    """
    S = check_square(S)
    n = len(S)
    i = np.arange(n)
    return cast(NDArray[np.floating], S[i[None, :], (i[None, :] + i[:, None]) % n])


def enhance_paths(S: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Enhance repetitions by median filtering along diagonals.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames_total, n_frames_total)
        Symmetric, non-negative similarity or recurrence.
    n_frames : int
        Odd length of the median filter; diagonals are padded with 0.

    Returns
    -------
    S : ndarray of float, shape (n_frames_total, n_frames_total)
        The filtered matrix, symmetric.

    Raises
    ------
    ValueError
        When n_frames is not a positive odd integer.
    """
    check_integer("n_frames", n_frames, 1)
    if n_frames % 2 == 0:
        msg = (
            f"n_frames must be odd, for a filter centered on its frame, got {n_frames}: "
            f"choose {n_frames - 1} or {n_frames + 1}"
        )
        raise ValueError(msg)
    S = check_square(S)
    n = len(S)
    i = np.arange(n)
    inside = i[None, :] + i[:, None] < n  # beyond it, lags wrap around to another diagonal
    lags = np.where(inside, to_lags(S), 0)
    lags = scipy.ndimage.median_filter(lags, size=(1, n_frames), mode="constant")
    upper = np.zeros_like(lags)
    lag, start = np.nonzero(inside)
    upper[start, start + lag] = lags[lag, start]
    return np.asarray(np.maximum(upper, upper.T))


def diagonal_sums(Z: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute cumulative sums along diagonals.

    Parameters
    ----------
    Z : ndarray of float, shape (n_rows, n_columns)
        Similarity of frames.

    Returns
    -------
    sums : ndarray of float64, shape (n_rows + 1, n_columns + 1)
        `sums[i + n, j + n] - sums[i, j]` is the sum of `Z[i + k, j + k]` over n steps k from 0 on.

    Examples
    --------
    >>> sums = diagonal_sums(np.array([[1.0, 5.0], [7.0, 2.0]]))
    >>> sums[2, 2] - sums[0, 0]
    np.float64(3.0)
    """
    Z = frame_rows(Z)
    sums = np.zeros((Z.shape[0] + 1, Z.shape[1] + 1))
    for i, row in enumerate(Z):
        sums[i + 1, 1:] = sums[i, :-1] + row
    return sums


def path_contrast(Z: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute how much each diagonal stands out from its neighbors: repetition, not homogeneity.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.

    Returns
    -------
    contrast : ndarray of float64, shape (n_frames, n_frames)
        Symmetric: each value minus the mean of its four neighbors. 0 in homogeneous blocks.

    Examples
    --------
    >>> path_contrast(np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]))
    array([[ 0.  ,  0.25, -0.25,  0.  ],
           [ 0.25,  0.5 , -0.5 , -0.25],
           [-0.25, -0.5 ,  0.5 ,  0.25],
           [ 0.  , -0.25,  0.25,  0.  ]])
    """
    Z = np.asarray(check_square(Z), dtype=np.float64)
    padded = np.pad(Z, 1, mode="reflect" if len(Z) > 1 else "edge")
    rows = padded[:-2, 1:-1] + padded[2:, 1:-1]
    columns = padded[1:-1, :-2] + padded[1:-1, 2:]
    return np.asarray(Z - (rows + columns) / 4)


def usual_similarity(S: NDArray[np.floating]) -> tuple[float, float]:
    """Compute mean and standard deviation of the off-diagonal similarities.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.

    Returns
    -------
    mean, deviation : float
        The standard deviation is 0 if similarities are equal up to rounding.

    Examples
    --------
    >>> usual_similarity(np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]]))
    (0.5, 0.0)
    """
    different = different_frames(S)
    if not different.size:
        return 0.0, 0.0
    mean = float(different.mean())
    if np.ptp(different) <= ROUNDING * np.abs(different).max():
        return mean, 0.0
    return mean, float(different.std())


def different_frames(S: NDArray[np.floating]) -> NDArray[np.floating]:
    """Select the similarity of each pair of different frames, from above the diagonal.

    Examples
    --------
    >>> different_frames(np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]]))
    array([0.5, 0.2, 0.3])
    """
    S = check_square(S)
    different: NDArray[np.floating] = S[~np.tri(len(S), dtype=np.bool_)]
    return different


def near_frames(n_frames: int, *, max_lag: int) -> NDArray[np.bool_]:
    """Find the pairs of frames that are at most `max_lag` frames apart.

    Returns
    -------
    near : ndarray of bool, shape (n_frames, n_frames)

    Examples
    --------
    >>> near_frames(4, max_lag=1).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 1],
           [0, 0, 1, 1]])
    """
    before = np.tri(n_frames, k=-max_lag - 1, dtype=np.bool_)
    return np.tri(n_frames, k=max_lag, dtype=np.bool_) & ~before


def z_scored(
    S: NDArray[np.floating],
    *,
    usual: tuple[float, float] | None = None,
    least_spread: float = 0.0,
    limit: float = 4.0,
) -> NDArray[np.float64]:
    """Standardize similarities by those of different frames.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    usual : (float, float), optional
        Mean and standard deviation; by default, `usual_similarity` of S.
    least_spread : float, default 0
        Lower bound of the standard deviation, so that chance differences in short or
        non-repetitive pieces do not look like structure.
    limit : float, default 4
        Largest absolute value; larger ones are clipped.

    Returns
    -------
    Z : ndarray of float64, shape (n_frames, n_frames)
        0 is the mean over pairs of frames, 1 one standard deviation above. All 0 if all
        similarities are equal.

    Examples
    --------
    >>> z_scored(np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])).round(1)
    array([[ 4. ,  1.2, -1.2],
           [ 1.2,  4. ,  0. ],
           [-1.2,  0. ,  4. ]])
    """
    S = frame_rows(S)
    mean, deviation = usual_similarity(S) if usual is None else usual
    if not deviation:
        return np.zeros(S.shape)
    Z = np.asarray((S - mean) / max(deviation, least_spread), dtype=np.float64)
    return np.clip(Z, -limit, limit, out=Z)


def with_silence(Z: NDArray[np.float64], *, heard: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Insert rows and columns of 0 for silent frames.

    Parameters
    ----------
    Z : ndarray of float64, shape (n_heard, n_heard)
        Similarity of the non-silent frames.
    heard : ndarray of bool, shape (n_frames,)
        False for silent frames, see `heard_frames`.

    Returns
    -------
    Z : ndarray of float64, shape (n_frames, n_frames)
        The input, if no frame is silent.

    Examples
    --------
    >>> with_silence(np.array([[4.0, 2.0], [2.0, 4.0]]), heard=np.array([True, False, True]))
    array([[4., 0., 2.],
           [0., 0., 0.],
           [2., 0., 4.]])
    """
    if heard.all():
        return Z
    among_all = np.zeros((len(heard), len(heard)))
    among_all[np.ix_(heard, heard)] = Z
    return among_all
