"""Scattering coefficients -> normalized and log-compressed coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

Compression = Literal["mean", "median"] | None

_LEAST_LEVEL = 1e-6
"""Of full scale: resolution of float32 arithmetic."""

_MODULATION_FLOOR = 0.05
"""Share of a first-order coefficient below which modulation is negligible."""

_BLOCK = 2**22
"""Coefficients that are renormalized at a time."""

_NEARLY_EMPTY = 1e-3
"""Minimum level relative to the highest median of a recording: below, float32 rounding would change
features by more than 0.001."""


def compressed(
    S: NDArray[np.floating],
    meta: Mapping[str, Any],
    *,
    eps: float = 0.1,
    compression: Compression = "mean",
    renormalize: bool = True,
) -> NDArray[np.floating]:
    """Compress the coefficients of a whole recording, independently of its gain.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_paths)
        Coefficients of a transform in format "time", including order 0; negative rounding errors
        are set to 0.
    meta : mapping
        `meta()` of the transform.
    eps : float, default 0.1
        Offset of the logarithm relative to the reference level.
    compression : {"mean", "median"} or None
        Reference level. "mean": the mean over all frames and paths of an order, at least 1e-6 of
        full scale; for renormalized order 2, whose values are shares of a carrier, the offset is
        5 % regardless of `eps`. "median": the median of each path, at least 1e-3 of the highest of
        its order, 1e-6 of full scale, or 5 % of a carrier; stationary sounds are then equal in all
        recordings, and changes stand out. None: no logarithm.
    renormalize : bool, default True
        Whether to divide order 2 by its parent first-order path plus the offset of order 1. In
        joint scattering, this applies to all paths but the levels of carriers.

    Returns
    -------
    X : ndarray of float, shape (n_frames, n_paths - 1)
        log(1 + S / (eps * level)) without order 0, which is inaudible. Non-negative.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, section V for the division. V. Lostanlen, J. Andén and M. Lagrange,
    "Extended playing techniques: the next milestone in musical instrument recognition", DLfM
    2018, for the medians.
    """
    X: NDArray[np.floating] = np.maximum(S[:, 1:], 0)
    carrier = _carriers(meta)
    is_level = carrier == np.arange(len(carrier))
    levels = X[:, is_level]
    floor = max(eps * float(levels.mean()), _LEAST_LEVEL)
    if renormalize:
        for part in np.array_split(X, 1 + X.size // _BLOCK):  # as copies of all take much memory
            part[:, ~is_level] /= part[:, carrier[~is_level]] + floor
    if compression is None:
        return X
    offset = np.full(X.shape[1], floor, dtype=X.dtype)
    if compression == "median":
        offset[is_level] = eps * median_levels(levels, _LEAST_LEVEL, share=_NEARLY_EMPTY)
    if not is_level.all():
        offset[~is_level] = _quiet_modulation(X, ~is_level, eps, compression, renormalize)
    X /= offset
    np.log1p(X, out=X)
    return X


def _quiet_modulation(
    X: NDArray[np.floating],
    columns: NDArray[np.bool_],
    eps: float,
    compression: Compression,
    renormalize: bool,
) -> float | NDArray[np.floating]:
    """Return the offset of the logarithm for order 2, which is in some of the columns."""
    least = _MODULATION_FLOOR if renormalize else _LEAST_LEVEL
    if compression == "median":
        return eps * median_levels(X[:, columns], least, share=_NEARLY_EMPTY)
    return least if renormalize else max(eps * float(X[:, columns].mean()), least)


def median_levels(
    S: NDArray[np.floating], least: float = 0.0, *, share: float = 1e-6
) -> NDArray[np.floating]:
    """Compute the median of each column, with a lower bound.

    Parameters
    ----------
    S : ndarray of float, shape (n_rows, n_columns)
        Non-negative coefficients.
    least : float, default 0
        Lower bound.
    share : float, default 1e-6
        Lower bound relative to the highest median, so that a logarithm does not amplify rounding
        errors.

    Returns
    -------
    levels : ndarray of float, shape (n_columns,)
        Medians over rows, or the lower bounds. Positive: the highest median is taken to be at least
        `share` of the largest value, and 1 in silence.

    Examples
    --------
    >>> median_levels(np.array([[1.0, 0.0], [2.0, 0.0], [9.0, 0.0]]), share=0.01)
    array([2.  , 0.02])
    """
    medians = np.median(S, axis=0)
    highest = max(float(medians.max()), share * float(S.max())) or 1.0
    lowest = max(share * highest, least, float(np.finfo(S.dtype).tiny))
    return cast(NDArray[np.floating], np.maximum(medians, lowest))


def check_compression(compression: Compression, eps: float) -> None:
    """Raise a ValueError for invalid options of `compressed`."""
    if not eps > 0:
        msg = f"eps must be positive, got {eps}"
        raise ValueError(msg)
    if compression not in ("mean", "median", None):
        msg = f'compression must be "mean", "median" or None, got {compression!r}'
        raise ValueError(msg)


def _carriers(meta: Mapping[str, Any]) -> NDArray[np.intp]:
    """Return, for each path of order 1 or 2, the index of the level of its carriers.

    Paths that are such a level map to themselves.
    """
    has_carrier = meta["order"] > 0
    n1 = meta["n"][has_carrier, 0].astype(int)
    is_level = meta["order"][has_carrier] == 1
    if "n_fr" in meta:
        is_level &= meta["n_fr"][has_carrier] == 0
    levels = np.flatnonzero(is_level)
    carriers: NDArray[np.intp] = levels[np.searchsorted(n1[levels], n1, side="right") - 1]
    return carriers
