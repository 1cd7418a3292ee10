"""Features -> self-similarity, recurrence and lag matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scatseg.similarity.matrices import (
    check_square,
    diagonal_sums,
    different_frames,
    enhance_paths,
    near_frames,
    path_contrast,
    recurrence,
    to_lags,
    usual_similarity,
    with_silence,
    z_scored,
)
from scatseg.similarity.rows import (
    ROUNDING,
    by_family,
    centered,
    frame_rows,
    heard_frames,
    principal_directions,
    stacked,
    unit_rows,
    whitened,
    without_places,
)

__all__ = [
    "LEAST_SPREAD",
    "Metric",
    "by_family",
    "centered",
    "check_square",
    "cosine",
    "diagonal_sums",
    "different_frames",
    "enhance_paths",
    "frame_rows",
    "fused_similarity",
    "heard_frames",
    "near_frames",
    "path_contrast",
    "principal_directions",
    "recurrence",
    "self_similarity",
    "stacked",
    "to_lags",
    "unit_rows",
    "usual_similarity",
    "whitened",
    "with_silence",
    "without_places",
    "z_scored",
]

Metric = Literal["cosine", "euclidean"]

LEAST_SPREAD = 0.05
"""Lower bound of the standard deviation of the cosine similarities of whitened bars."""


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
        distance[distance <= ROUNDING * np.abs(X).max()] = 0
        # Equal frames would bias the median.
        different = distance[distance > 0]
        S = np.exp(-distance / (np.median(different) if different.size else 1))
    else:
        msg = f'metric must be "cosine" or "euclidean", got {metric!r}'
        raise ValueError(msg)
    np.fill_diagonal(S, 1)
    S = np.clip(S, 0, 1)
    return np.asarray((S + S.T) / 2)


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
