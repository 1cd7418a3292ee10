"""Features -> self-similarity, recurrence and lag matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar, cast

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features, check_features

Metric = Literal["cosine", "euclidean"]
Scalar = TypeVar("Scalar", bound=np.generic)

_ROUNDING = 1e-6  # of the largest value: smaller differences are rounding errors


def self_similarity(X: NDArray[np.floating], *, metric: Metric = "cosine") -> NDArray[np.float64]:
    """Compute the self-similarity matrix of frames.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    metric : {"cosine", "euclidean"}
        "cosine": (1 + c) / 2 for the cosine c of vectors centered on their mean. "euclidean":
        exp(-distance / median distance of distinct frames).

    Returns
    -------
    S : ndarray of float64, shape (n_frames, n_frames)
        Symmetric, in [0, 1], 1 on the diagonal. Equal frames have similarity 1.

    Raises
    ------
    TypeError
        When Features are given instead of their rows, as in all functions of arrays here.
    ValueError
        When X has another shape, is empty or is not finite.

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
    X = frame_rows(X)
    if X.ndim != 2 or not X.size or not np.isfinite(X).all():
        msg = f"X must be finite, of shape (n_frames, n_features), neither of them 0, got {X.shape}"
        raise ValueError(msg)
    rows = centered(X, around=X)
    if metric == "cosine":
        S = (1 + cosine(rows)) / 2
    elif metric == "euclidean":
        squares = np.einsum("ij,ij->i", rows, rows)
        squared = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
        distance = np.sqrt(np.maximum(squared, 0))
        distance[distance <= _ROUNDING * np.abs(X).max()] = 0
        # Equal frames would bias the median.
        different = distance[distance > 0]
        S = np.exp(-distance / (np.median(different) if different.size else 1))
    else:
        msg = f'metric must be "cosine" or "euclidean", got {metric!r}'
        raise ValueError(msg)
    np.fill_diagonal(S, 1)
    S = np.clip(S, 0, 1)
    return np.asarray((S + S.T) / 2)


def centered(rows: NDArray[np.floating], *, around: NDArray[np.floating]) -> NDArray[np.float64]:
    """Subtract the mean of all frames.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
        Frames, or means of frames.
    around : ndarray of float, shape (n_frames, n_features)
        All frames.

    Returns
    -------
    rows : ndarray of float64, shape (n_rows, n_features)
        Exactly 0 where a vector equals the mean up to rounding.
    """
    rows, around = frame_rows(rows), frame_rows(around)
    relative = np.asarray(rows - around.mean(axis=0, dtype=np.float64))
    relative[np.abs(relative).max(axis=1) <= _ROUNDING * np.abs(around).max()] = 0
    return relative


def cosine(
    rows: NDArray[np.floating], others: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Compute the cosine similarity of vectors.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
    others : ndarray of float, shape (n_others, n_features), optional
        `rows` by default.

    Returns
    -------
    cosine : ndarray of float64, shape (n_rows, n_others)
        In [-1, 1] up to rounding. Zero vectors have similarity 1 with each other and 0 with all
        others.

    Examples
    --------
    >>> cosine(np.array([[2.0, 0.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    array([[ 1.,  0., -1.,  0.],
           [ 0.,  1.,  0.,  1.],
           [-1.,  0.,  1.,  0.],
           [ 0.,  1.,  0.,  1.]])
    """
    unit, nowhere = unit_rows(rows)
    other_unit, other_nowhere = (unit, nowhere) if others is None else unit_rows(others)
    both = np.asarray(unit @ other_unit.T, dtype=np.float64)
    both[np.ix_(nowhere, other_nowhere)] = 1
    return both


def unit_rows(rows: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Scale vectors to unit length, and return which are 0."""
    rows = frame_rows(rows)
    norms = np.linalg.norm(rows, axis=1)
    return rows / np.where(norms > 0, norms, 1)[:, None], norms == 0


def frame_rows(X: NDArray[Scalar]) -> NDArray[Scalar]:
    """Convert to an array; raise a TypeError for Features, which hold one."""
    if isinstance(X, Features):
        msg = "an array is needed, got Features: its rows, one per frame, are features.X"
        raise TypeError(msg)
    return np.asarray(X)


def check_square(S: NDArray[np.generic]) -> int:
    """Return the size of a square matrix; raise an error if it is none."""
    S = frame_rows(S)
    if S.ndim != 2 or S.shape[0] != S.shape[1]:
        msg = (
            f"a matrix that compares frames must have shape (n_frames, n_frames), got {S.shape}: "
            "self_similarity makes one of features"
        )
        raise ValueError(msg)
    return len(S)


def stacked(X: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Stack each frame with its neighbors in time (time-delay embedding).

    Parameters
    ----------
    X : ndarray of float, shape (n_frames_total, n_features)
        One vector per frame.
    n_frames : int
        Frames per stacked vector, centered on each frame if odd; the first and last frame are
        repeated beyond the ends.

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
    X = frame_rows(X)
    at = np.arange(len(X))[:, None] + np.arange(n_frames) - n_frames // 2
    joined: NDArray[np.floating] = X[np.clip(at, 0, len(X) - 1)]
    return joined.reshape(len(X), -1)


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

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """
    n = check_square(S)
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
    n = check_square(S)
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
    """
    n = check_square(S)
    i = np.arange(n)
    inside = i[None, :] + i[:, None] < n  # beyond it, lags wrap around to another diagonal
    lags = np.where(inside, to_lags(S), 0)
    lags = scipy.ndimage.median_filter(lags, size=(1, n_frames), mode="constant")
    upper = np.zeros_like(lags)
    lag, start = np.nonzero(inside)
    upper[start, start + lag] = lags[lag, start]
    return np.asarray(np.maximum(upper, upper.T))


def whitened(X: NDArray[np.floating], *, power: float = 0.5) -> NDArray[np.float64]:
    """Whiten frames partially: flatten the spectrum of their principal components.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    power : float, default 0.5
        Exponent of the singular values of the centered frames: 1 is no whitening, 0 full whitening.

    Returns
    -------
    rows : ndarray of float64, shape (n_frames, n_directions)
        Principal component scores, without components at rounding level.

    Examples
    --------
    >>> X = np.array([[4.0, 0.0], [-4.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> np.linalg.norm(whitened(X, power=1), axis=1).round(2)
    array([4., 4., 1., 1.])
    >>> np.linalg.norm(whitened(X, power=0.5), axis=1).round(2)
    array([1.68, 1.68, 0.84, 0.84])
    """
    rows = centered(X, around=X)
    singular, vectors = _singular(rows)
    is_wide = _is_wide(rows)
    scale = np.power(singular, power if is_wide else power - 1)
    return np.asarray((vectors if is_wide else rows @ vectors) * scale)


def principal_directions(
    rows: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute principal directions and singular values.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
        Centered vectors, see `centered`.

    Returns
    -------
    directions : ndarray of float64, shape (n_features, n_directions)
        Orthonormal columns, without directions at rounding level.
    singular : ndarray of float64, shape (n_directions,)
        Singular values, increasing.

    Examples
    --------
    >>> directions, singular = principal_directions(np.array([[3.0, 0, 0], [-3.0, 0, 0]]))
    >>> abs(directions[:, 0]), singular.round(2)
    (array([1., 0., 0.]), array([4.24]))
    """
    rows = frame_rows(rows)
    singular, vectors = _singular(rows)
    return rows.T @ vectors / singular if _is_wide(rows) else vectors, singular


def _singular(rows: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute singular values above rounding level, and singular vectors of the shorter side."""
    squares, vectors = np.linalg.eigh(rows @ rows.T if _is_wide(rows) else rows.T @ rows)
    singular = np.sqrt(np.maximum(squares, 0))
    real = singular > _ROUNDING * singular[-1]
    return singular[real], vectors[:, real]


def _is_wide(rows: NDArray[np.floating]) -> bool:
    return bool(rows.shape[1] > rows.shape[0])


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
    if np.ptp(different) <= _ROUNDING * np.abs(different).max():
        return mean, 0.0
    return mean, float(different.std())


def different_frames(S: NDArray[np.floating]) -> NDArray[np.floating]:
    """Select the similarity of each pair of different frames, from above the diagonal.

    Examples
    --------
    >>> different_frames(np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]]))
    array([0.5, 0.2, 0.3])
    """
    different: NDArray[np.floating] = S[~np.tri(check_square(S), dtype=np.bool_)]
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


def fused_similarity(
    families: Sequence[NDArray[np.floating]], *, heard: NDArray[np.bool_], power: float = 0.5
) -> NDArray[np.float64]:
    """Compute the self-similarity of several kinds of features, averaged as z-scores.

    Parameters
    ----------
    families : sequence of ndarray of float, shape (n_frames, n_features)
        Feature matrices on the same frames.
    heard : ndarray of bool, shape (n_frames,)
        False for silent frames, see `heard_frames`.
    power : float, default 0.5
        See `whitened`.

    Returns
    -------
    Z : ndarray of float64, shape (n_frames, n_frames)
        Mean over families of the z-scored cosine similarity of whitened frames; symmetric. Rows
        and columns of silent frames are 0.
    """
    if not heard.any():
        return np.zeros((len(heard), len(heard)))
    parts = (  # a generator: the matrices are large
        z_scored(cosine(whitened(X[heard], power=power)), least_spread=LEAST_SPREAD)
        for X in families
    )
    Z = with_silence(np.asarray(sum(parts) / len(families)), heard=heard)
    return (Z + Z.T) / 2


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


def heard_frames(features: Features) -> NDArray[np.bool_]:
    """Find the non-silent frames; features of silent ones are all 0.

    Returns
    -------
    heard : ndarray of bool, shape (n_frames,)
    """
    check_features(features)
    loudest = np.abs(features.X).max(axis=1)
    return np.asarray(loudest > _ROUNDING * loudest.max())


LEAST_SPREAD = 0.05
"""Lower bound of the standard deviation of the cosine similarities of whitened bars."""


def by_family(features: Features) -> dict[str, NDArray[np.floating]]:
    """Split features by family, to be compared separately.

    Returns
    -------
    families : dict of str to ndarray of float, shape (n_frames, n_features of the family)
        One per family, with "scattering 1" and "scattering 2" for the orders of scattering.
        Families of a single column (without orders) are joined, as cosines need two.
    """
    check_features(features)
    columns: dict[str, list[int]] = {}
    for i, name in enumerate(features.names):
        kind = name.family if name.order is None else f"{name.family} {name.order}"
        columns.setdefault(kind, []).append(i)
    alone = [
        kind
        for kind, where in columns.items()
        if len(where) == 1 and features.names[where[0]].order is None
    ]
    if len(alone) > 1:
        columns["+".join(alone)] = [i for kind in alone for i in columns.pop(kind)]
    return {kind: features.X[:, where] for kind, where in columns.items()}


def without_places(features: Features) -> Features:
    """Average the features over the positions in each bar, discarding temporal order.

    Returns
    -------
    features : Features
        The input, if its frames have no positions.
    """
    check_features(features)
    columns: dict[FeatureName, list[int]] = {}
    for i, name in enumerate(features.names):
        columns.setdefault(name.at(None), []).append(i)
    if len(columns) == len(features.names):
        return features
    X = np.stack([features.X[:, where].mean(axis=1) for where in columns.values()], axis=1)
    return Features(X, features.edges, list(columns), notes=features.notes)


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
    check_square(Z)
    padded = np.pad(np.asarray(Z, dtype=np.float64), 1, mode="reflect" if len(Z) > 1 else "edge")
    rows = padded[:-2, 1:-1] + padded[2:, 1:-1]
    columns = padded[1:-1, :-2] + padded[1:-1, 2:]
    return np.asarray(Z - (rows + columns) / 4)
