"""Scattering coefficients -> the same relative to what they come from, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

Compression = Literal["mean", "median"] | None

_LEAST_LEVEL = 1e-6
"""Of full scale: what float32 arithmetic can still tell from nothing."""

_MODULATION_FLOOR = 0.05
"""Share of a first-order coefficient below which its modulation counts as none."""

_NEARLY_EMPTY = 1e-3
"""Of the highest median in a recording: with less, rounding in float32 would move features by more
than 0.001."""


def compressed(
    S: NDArray[np.floating],
    meta: Mapping[str, Any],
    *,
    eps: float = 0.1,
    compression: Compression = "mean",
    renormalize: bool = True,
) -> NDArray[np.floating]:
    """Put the coefficients of a whole recording on a scale on which loudness does not matter.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_paths)
        Coefficients of a transform in format "time", order 0 among them; what rounding left
        below 0 counts as 0.
    meta : mapping
        The transform's description of its paths.
    eps : float, default 0.1
        What counts as quiet, relative to a usual level.
    compression : {"mean", "median"} or None
        What the usual level is. "mean": the mean over all frames and paths of order 1, at least
        1e-6 of full scale; the same of plain order 2; for renormalized order 2, whose values are
        shares of a carrier, 5 % count as quiet whatever `eps`. "median": each path's own, at
        least 1e-3 of the highest of its order, 1e-6 of full scale, or 5 % of a carrier: what
        sounds all the time is then alike in all recordings, and what changes stands out. None:
        no logarithm.
    renormalize : bool, default True
        Whether order 2 is divided by the first-order path that it comes from, plus what counts
        as quiet there. In joint scattering, all but the carriers' levels is.

    Returns
    -------
    X : ndarray of float, shape (n_frames, n_paths - 1)
        log(1 + S / (eps * level)) without order 0, which is not heard. Not negative.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, section V for the division. V. Lostanlen, J. Andén and M. Lagrange,
    "Extended playing techniques: the next milestone in musical instrument recognition", DLfM
    2018, for the medians.
    """
    S = np.maximum(S[:, 1:], 0)
    carrier = _carriers(meta)
    is_level = carrier == np.arange(len(carrier))
    levels, others = S[:, is_level], S[:, ~is_level]
    floor = max(eps * float(levels.mean()), _LEAST_LEVEL)
    if renormalize:
        others = others / (S[:, carrier[~is_level]] + floor)
    if compression == "median":
        levels = levels / (eps * median_levels(levels, _LEAST_LEVEL, share=_NEARLY_EMPTY))
    elif compression == "mean":
        levels = levels / floor
    if others.size and compression is not None:
        others = others / _quiet_modulation(others, eps, compression, renormalize)
    X = np.empty_like(S)
    X[:, is_level], X[:, ~is_level] = levels, others
    return X if compression is None else np.log1p(X)


def _quiet_modulation(
    X: NDArray[np.floating], eps: float, compression: Compression, renormalize: bool
) -> float | NDArray[np.floating]:
    """Tell what counts as quiet in order 2."""
    least = _MODULATION_FLOOR if renormalize else _LEAST_LEVEL
    if compression == "median":
        return eps * median_levels(X, least, share=_NEARLY_EMPTY)
    return least if renormalize else max(eps * float(X.mean()), least)


def median_levels(
    S: NDArray[np.floating], least: float = 0.0, *, share: float = 1e-6
) -> NDArray[np.floating]:
    """Find the usual level of each column, and a level for those that are nearly empty.

    Parameters
    ----------
    S : ndarray of float, shape (n_rows, n_columns)
        Coefficients, not negative.
    least : float, default 0
        No level is lower.
    share : float, default 1e-6
        No level is lower than this share of the highest: relative to next to nothing, a
        logarithm would show the noise of the computation.

    Returns
    -------
    levels : ndarray of float, shape (n_columns,)
        Medians over the rows or, where these are lower, what `least` and `share` leave. Positive:
        the highest counts as at least `share` of the largest value, and as 1 in silence.

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
    """Refuse what `compressed` does not know."""
    if not eps > 0:
        msg = f"eps must be positive, got {eps}"
        raise ValueError(msg)
    if compression not in ("mean", "median", None):
        msg = f'compression must be "mean", "median" or None, got {compression!r}'
        raise ValueError(msg)


def _carriers(meta: Mapping[str, Any]) -> NDArray[np.intp]:
    """For each path of order 1 or 2, which of them holds the level of the carriers it comes from.

    A path that is such a level itself comes from itself.
    """
    heard = meta["order"] > 0
    n1 = meta["n"][heard, 0].astype(int)
    is_level = meta["order"][heard] == 1
    if "n_fr" in meta:
        is_level &= meta["n_fr"][heard] == 0
    levels = np.flatnonzero(is_level)
    carriers: NDArray[np.intp] = levels[np.searchsorted(n1[levels], n1, side="right") - 1]
    return carriers
