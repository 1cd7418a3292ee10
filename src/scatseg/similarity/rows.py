"""Features -> the rows that are compared: centered, whitened, by family, without silence."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features, check_features
from scatseg.scattering.arguments import check_integer

Scalar = TypeVar("Scalar", bound=np.generic)

ROUNDING = 1e-6
"""Of the largest value: smaller differences are rounding errors."""

_PLACELESS = attrgetter(*(each.name for each in fields(FeatureName) if each.name != "place"))
"""All of a name but its place: quicker to hash than the name, of which bars have thousands."""


def frame_rows(X: NDArray[Scalar]) -> NDArray[Scalar]:
    """Convert to an array; raise a TypeError for Features, which hold one."""
    if isinstance(X, Features):
        msg = "an array is needed, got Features: its rows, one per frame, are features.X"
        raise TypeError(msg)
    return np.asarray(X)


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
    relative[np.abs(relative).max(axis=1) <= ROUNDING * np.abs(around).max()] = 0
    return relative


def unit_rows(rows: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Scale vectors to unit length, and return which are 0."""
    rows = frame_rows(rows)
    norms = np.linalg.norm(rows, axis=1)
    return rows / np.where(norms > 0, norms, 1)[:, None], norms == 0


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

    Raises
    ------
    ValueError
        When n_frames is not a positive integer.

    Examples
    --------
    >>> stacked(np.array([[1.0], [2.0], [3.0]]), n_frames=3)
    array([[1., 1., 2.],
           [1., 2., 3.],
           [2., 3., 3.]])
    """
    check_integer("n_frames", n_frames, 1)
    X = frame_rows(X)
    at = np.arange(len(X))[:, None] + np.arange(n_frames) - n_frames // 2
    joined: NDArray[np.floating] = X[np.clip(at, 0, len(X) - 1)]
    return joined.reshape(len(X), -1)


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
    real = singular > ROUNDING * singular[-1]
    return singular[real], vectors[:, real]


def _is_wide(rows: NDArray[np.floating]) -> bool:
    return bool(rows.shape[1] > rows.shape[0])


def heard_frames(features: Features) -> NDArray[np.bool_]:
    """Find the non-silent frames; features of silent ones are all 0.

    Returns
    -------
    heard : ndarray of bool, shape (n_frames,)
    """
    check_features(features)
    loudest = np.abs(features.X).max(axis=1)
    return np.asarray(loudest > ROUNDING * loudest.max())


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
    columns: dict[tuple[object, ...], list[int]] = {}
    for i, placeless in enumerate(map(_PLACELESS, features.names)):
        columns.setdefault(placeless, []).append(i)
    if len(columns) == len(features.names):
        return features
    X = np.stack([features.X[:, where].mean(axis=1) for where in columns.values()], axis=1)
    names = [features.names[where[0]].at(None) for where in columns.values()]
    return Features(X, features.edges, names, notes=features.notes)
