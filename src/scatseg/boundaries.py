"""Novelty -> boundary frames: where to cut, and where not to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.signal
from numpy.typing import NDArray

_ROUNDING = 1e-9
"""Novelty at or below this is rounding, not music."""


def pick_boundaries(
    novelty: NDArray[np.floating],
    *,
    min_frames: int,
    granularity: float = 0.5,
    n_segments: int | None = None,
) -> NDArray[np.intp]:
    """Cut at the prominent peaks of a novelty curve.

    Parameters
    ----------
    novelty : ndarray of float, shape (n_frames + 1,)
        Never negative, on frame edges.
    min_frames : int
        Fewest frames in a segment.
    granularity : float, default 0.5
        In [0, 1]: 0 keeps only the most prominent peak, 1 all of them. A larger value never
        removes a boundary.
    n_segments : int, optional
        Keep the most prominent peaks that make this many segments, or all where there are
        fewer; `granularity` is then not used.

    Returns
    -------
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames.

    Examples
    --------
    >>> pick_boundaries(np.array([0, 1, 0, 0, 3, 0, 0, 2, 0.0]), min_frames=2, n_segments=3)
    array([0, 4, 8])
    """
    check_detail(granularity, n_segments)
    n_frames = len(novelty) - 1
    peaks, prominence = _spaced_peaks(novelty, min_frames)
    if n_segments is not None:
        kept = peaks[: n_segments - 1]
    elif peaks.size:
        kept = peaks[prominence >= (1 - granularity) ** 2 * prominence[0]]
    else:
        kept = peaks
    return np.concatenate([[0], np.sort(kept), [n_frames]]).astype(np.intp)


def check_detail(granularity: float, n_segments: int | None) -> None:
    """Refuse a granularity outside [0, 1] and less than one segment, with a ValueError."""
    if not 0 <= granularity <= 1:
        msg = f"granularity must be in [0, 1], got {granularity}"
        raise ValueError(msg)
    if n_segments is not None and n_segments < 1:
        msg = f"n_segments must be at least 1, got {n_segments}"
        raise ValueError(msg)


def join_segments(
    boundary_frames: NDArray[np.intp], E: NDArray[np.floating], *, n_segments: int
) -> NDArray[np.intp]:
    """Join the neighbors that differ least, until there are so many segments.

    Parameters
    ----------
    boundary_frames : ndarray of int, shape (n_before + 1,)
        Edge indices from 0 to n_frames, increasing.
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame. Segments differ by the distance of their means.
    n_segments : int
        How many to leave, at least 1.

    Returns
    -------
    boundary_frames : ndarray of int, shape (min(n_before, n_segments) + 1,)
        Some of those given, with the first and the last.

    Examples
    --------
    >>> E = np.array([0, 0, 1, 1, 9, 9.0])[:, None]
    >>> join_segments(np.array([0, 2, 4, 6]), E, n_segments=2)
    array([0, 4, 6])
    """
    while len(boundary_frames) - 1 > n_segments:
        means = np.array([E[start:stop].mean(axis=0) for start, stop in pairwise(boundary_frames)])
        steps = np.linalg.norm(np.diff(means, axis=0), axis=1)
        boundary_frames = np.delete(boundary_frames, np.argmin(steps) + 1)
    return boundary_frames


def _spaced_peaks(
    novelty: NDArray[np.floating], min_frames: int
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Peaks from the most prominent down, none nearer than `min_frames` to one before or an end."""
    peaks = scipy.signal.find_peaks(novelty)[0]
    peaks = peaks[(peaks >= min_frames) & (peaks <= len(novelty) - 1 - min_frames)]
    prominence = scipy.signal.peak_prominences(novelty, peaks)[0]
    peaks, prominence = peaks[prominence > _ROUNDING], prominence[prominence > _ROUNDING]
    kept: list[int] = []
    free = np.ones(len(novelty), dtype=bool)
    for i in np.argsort(-prominence, kind="stable"):
        if free[peaks[i]]:
            kept.append(int(i))
            free[peaks[i] - min_frames + 1 : peaks[i] + min_frames] = False
    return peaks[kept], prominence[kept]
