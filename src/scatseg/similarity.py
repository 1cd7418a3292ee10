"""Features -> self-similarity: which moments of a recording are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features

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


def cosine(
    rows: NDArray[np.floating], others: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Compare the directions of vectors.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
    others : ndarray of float, shape (n_others, n_features), optional
        What they are compared with, each other when absent.

    Returns
    -------
    cosine : ndarray of float64, shape (n_rows, n_others)
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
    unit, nowhere = _unit(rows)
    other_unit, other_nowhere = (unit, nowhere) if others is None else _unit(others)
    both = unit @ other_unit.T + np.outer(nowhere, other_nowhere)
    return np.asarray(both, dtype=np.float64)


def _unit(rows: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Scale vectors to length 1, and tell which are 0."""
    norms = np.linalg.norm(rows, axis=1)
    return rows / np.where(norms > 0, norms, 1)[:, None], norms == 0


_ROUNDING = 1e-6
"""Share of the largest feature below which a difference is rounding, not sound."""


def check_square(S: NDArray[np.generic]) -> int:
    """Count the frames that a matrix compares; refuse one that is not square: a ValueError."""
    if S.ndim != 2 or S.shape[0] != S.shape[1]:
        msg = (
            f"a matrix that compares frames must have shape (n_frames, n_frames), got {S.shape}: "
            "self_similarity makes one of features"
        )
        raise ValueError(msg)
    return len(S)


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
    n = check_square(S)
    i = np.arange(n)
    return cast(NDArray[np.floating], S[i[None, :], (i[None, :] + i[:, None]) % n])


def enhance_paths(S: NDArray[np.floating], *, n_frames: int) -> NDArray[np.floating]:
    """Take the median along diagonals: repetitions stay, single coincidences go.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames_total, n_frames_total)
        Any symmetric relation between frames, not negative.
    n_frames : int
        Odd length of the median filter along each diagonal, beyond whose ends nothing is related.
    """
    n = check_square(S)
    i = np.arange(n)
    inside = i[None, :] + i[:, None] < n  # beyond it a row of lags goes on with another diagonal
    lags = np.where(inside, to_lags(S), 0)
    lags = scipy.ndimage.median_filter(lags, size=(1, n_frames), mode="constant")
    upper = np.zeros_like(lags)
    lag, start = np.nonzero(inside)
    upper[start, start + lag] = lags[lag, start]
    return np.asarray(np.maximum(upper, upper.T))


def whitened(X: NDArray[np.floating], *, power: float = 0.5) -> NDArray[np.float64]:
    """Even out how much the directions of variation in a recording count.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    power : float, default 0.5
        To which the singular values of the centered rows are raised: 1 leaves angles as they are,
        0 gives all directions the same importance.

    Returns
    -------
    rows : ndarray of float64, shape (n_frames, n_directions)
        The frames relative to their mean, in coordinates that are uncorrelated, without the
        directions in which there is only rounding.

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
    """Find the directions in which vectors lie, and how much of their length lies in each.

    Parameters
    ----------
    rows : ndarray of float, shape (n_rows, n_features)
        Relative to their mean, see `centered`.

    Returns
    -------
    directions : ndarray of float64, shape (n_features, n_directions)
        Orthonormal columns; no direction in which there is only rounding.
    singular : ndarray of float64, shape (n_directions,)
        Increasing: the root of the sum of squares along each.

    Examples
    --------
    >>> directions, singular = principal_directions(np.array([[3.0, 0, 0], [-3.0, 0, 0]]))
    >>> abs(directions[:, 0]), singular.round(2)
    (array([1., 0., 0.]), array([4.24]))
    """
    singular, vectors = _singular(rows)
    return rows.T @ vectors / singular if _is_wide(rows) else vectors, singular


def _singular(rows: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Singular values but those of rounding, and the singular vectors of the shorter side."""
    squares, vectors = np.linalg.eigh(rows @ rows.T if _is_wide(rows) else rows.T @ rows)
    singular = np.sqrt(np.maximum(squares, 0))
    real = singular > _ROUNDING * singular[-1]
    return singular[real], vectors[:, real]


def _is_wide(rows: NDArray[np.floating]) -> bool:
    return bool(rows.shape[1] > rows.shape[0])


def usual_similarity(S: NDArray[np.floating]) -> tuple[float, float]:
    """Tell how alike different frames are.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity. Only what lies off the diagonal counts.

    Returns
    -------
    mean, deviation : float
        The standard deviation is 0 where nothing differs but by rounding.

    Examples
    --------
    >>> usual_similarity(np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]]))
    (0.5, 0.0)
    """
    different = S[np.triu_indices(check_square(S), 1)]
    if not different.size:
        return 0.0, 0.0
    mean = float(different.mean())
    if np.ptp(different) <= _ROUNDING * np.abs(different).max():
        return mean, 0.0
    return mean, float(different.std())


def z_scored(
    S: NDArray[np.floating],
    *,
    usual: tuple[float, float] | None = None,
    least_spread: float = 0.0,
    limit: float = 4.0,
) -> NDArray[np.float64]:
    """Tell how unusual each similarity is among those of different frames.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    usual : (float, float), optional
        Mean and deviation of what is usual, where that is not told by S, see `usual_similarity`.
    least_spread : float, default 0
        The standard deviation is taken to be at least so large, lest chance differences in a
        short piece, or in one that never repeats, look like structure.
    limit : float, default 4
        Largest absolute value.

    Returns
    -------
    Z : ndarray of float64, shape (n_frames, n_frames)
        0 is as alike as two frames of this recording are on average, 1 a standard deviation more.
        All 0 where nothing differs.

    Examples
    --------
    >>> z_scored(np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])).round(1)
    array([[ 4. ,  1.2, -1.2],
           [ 1.2,  4. ,  0. ],
           [-1.2,  0. ,  4. ]])
    """
    mean, deviation = usual_similarity(S) if usual is None else usual
    if not deviation:
        return np.zeros(S.shape)
    Z = (S - mean) / max(deviation, least_spread)
    return np.asarray(np.clip(Z, -limit, limit), dtype=np.float64)


def fused_similarity(
    families: Sequence[NDArray[np.floating]], *, heard: NDArray[np.bool_], power: float = 0.5
) -> NDArray[np.float64]:
    """Compare every frame with every other by several kinds of features at once.

    Parameters
    ----------
    families : sequence of ndarray of float, shape (n_frames, n_features)
        One kind of features each, on the same frames.
    heard : ndarray of bool, shape (n_frames,)
        False where a frame is silent, see `heard_frames`.
    power : float, default 0.5
        See `whitened`.

    Returns
    -------
    Z : ndarray of float64, shape (n_frames, n_frames)
        Mean over the families of z-scored cosines of whitened frames, symmetric. Silent frames
        are neither like nor unlike anything: 0.
    """
    Z = np.zeros((len(heard), len(heard)))
    if heard.any():
        parts = [
            z_scored(cosine(whitened(X[heard], power=power)), least_spread=LEAST_SPREAD)
            for X in families
        ]
        Z[np.ix_(heard, heard)] = np.mean(parts, axis=0)
    return (Z + Z.T) / 2


def heard_frames(features: Features) -> NDArray[np.bool_]:
    """Tell frames in which something sounds from silent ones, whose features are all 0.

    Returns
    -------
    heard : ndarray of bool, shape (n_frames,)
    """
    loudest = np.abs(features.X).max(axis=1)
    return np.asarray(loudest > _ROUNDING * loudest.max())


LEAST_SPREAD = 0.05
"""Standard deviation of the cosines of whitened bars: less is not expected of music."""


def by_family(features: Features) -> dict[str, NDArray[np.floating]]:
    """Split features into kinds that are compared on their own.

    Returns
    -------
    families : dict of str to ndarray of float, shape (n_frames, n_features of the kind)
        One for each family, "scattering 1" and "scattering 2" for the orders of scattering. Columns
        that are alone in a family without orders are one kind together: cosines need two.
    """
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
    """Average over the parts of each frame: what sounds in a bar, in whatever order.

    Returns
    -------
    features : Features
        Those given, where frames have no parts.
    """
    columns: dict[FeatureName, list[int]] = {}
    for i, name in enumerate(features.names):
        columns.setdefault(name.at(None), []).append(i)
    if len(columns) == len(features.names):
        return features
    X = np.stack([features.X[:, where].mean(axis=1) for where in columns.values()], axis=1)
    return Features(X, features.edges, list(columns), notes=features.notes)


def diagonal_sums(Z: NDArray[np.floating]) -> NDArray[np.float64]:
    """Accumulate similarity along diagonals, so that any stretch of one is a difference.

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
    sums = np.zeros((Z.shape[0] + 1, Z.shape[1] + 1))
    for i, row in enumerate(Z):
        sums[i + 1, 1:] = sums[i, :-1] + row
    return sums


def path_contrast(Z: NDArray[np.floating]) -> NDArray[np.float64]:
    """Tell repetition from mere homogeneity: how much a diagonal stands out from those beside it.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.

    Returns
    -------
    contrast : ndarray of float64, shape (n_frames, n_frames)
        Symmetric: each value minus the mean of those that compare one of the two frames with
        its neighbors. 0 in a block whose frames are all equally alike.

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
