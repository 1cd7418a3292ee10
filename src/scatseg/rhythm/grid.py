"""Beats and bar lines of a whole recording."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALLBACK_BAR = 2.0
"""Bar length of a fixed grid in seconds."""

_SLIVER = 1 / 16  # of a bar: bar lines closer than this to an end are dropped
_SHORT = 0.45  # of a bar: minimum distance of bar lines
_FEW_INSIDE = 0.1  # share of given times inside the recording that may be chance
_MANY_BARS = 5.5  # bars: longer gaps in given times are no rests, but may be unannotated
_SHORTEST = 0.2  # seconds: shorter bars are not continued
_NEAR_END = 9  # times used to extrapolate beyond an end
_ON_LINE = 1e-3  # seconds: tolerance of a beat before its bar line


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """Beats and bar lines of a recording.

    Parameters
    ----------
    beats : ndarray of float64, shape (n_beats,)
        Seconds, strictly increasing, from the first to the last attack. Empty on a fixed grid.
    downbeats : ndarray of float64, shape (n_downbeats,)
        The beats that begin a bar, even where that is the first or the last one.
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds, strictly increasing, the first 0 and the last the duration. The
        first and the last bar may be partial.
    metre : int
        Beats per bar: 2, 3, 4 or 6 if estimated, the median if bar lines and beats are given, 1 if
        bar lines are given without beats, 0 on a fixed grid.
    confidence : float
        In [0, 1], from the clarity of the pulse and the lead of these bar lines over alternatives.
        1 for given bar lines, 0 on a fixed grid.
    is_regular : bool, default True
        Whether there is a pulse. Otherwise, the bar lines are a fixed grid.
    warnings : tuple of str, default ()
        Reasons to doubt the bar lines.
    rival : Grid or None, default None
        The same beats with bar lines some beats later, if these are nearly as probable.
    """

    beats: NDArray[np.float64]
    downbeats: NDArray[np.float64]
    edges: NDArray[np.float64]
    metre: int
    confidence: float
    is_regular: bool = True
    warnings: tuple[str, ...] = field(default=())
    rival: Grid | None = None


def fixed_grid(duration: float, *, warnings: tuple[str, ...] = ()) -> Grid:
    """Divide a recording of `duration` seconds into equal bars of about two seconds.

    Examples
    --------
    >>> fixed_grid(5.1).edges
    array([0.  , 1.7, 3.4, 5.1])
    """
    n_bars = max(1, round(duration / FALLBACK_BAR))
    edges = np.linspace(0, duration, n_bars + 1)
    edges[-1] = duration
    return Grid(
        beats=np.empty(0),
        downbeats=np.empty(0),
        edges=edges,
        metre=0,
        confidence=0.0,
        is_regular=False,
        warnings=warnings,
    )


def grid_of_bars(duration: float, *, downbeats: ArrayLike, beats: ArrayLike | None = None) -> Grid:
    """Build a grid from known bar lines, and known beats if given, all in seconds.

    Bars are continued to both ends with the length of nearby ones.

    Raises
    ------
    ValueError
        When times are not finite or do not increase, or nearly all are outside the recording.

    Examples
    --------
    >>> grid = grid_of_bars(7.0, downbeats=[1, 3, 5], beats=np.arange(1, 7))
    >>> grid.edges, grid.metre
    (array([0., 1., 3., 5., 7.]), 2)
    >>> grid_of_bars(10.0, downbeats=[3, 5, 7]).edges
    array([ 0.,  1.,  3.,  5.,  7.,  9., 10.])
    """
    lines = checked_times("downbeats", downbeats, duration)
    known = lines if beats is None else checked_times("beats", beats, duration)
    per_bar = np.diff(np.searchsorted(known, lines - _ON_LINE))
    return Grid(
        beats=known,
        downbeats=lines,
        edges=_edges(_continued(lines, duration), duration, reach=0.0),
        metre=int(np.median(per_bar)) if per_bar.size else len(known),
        confidence=1.0,
        warnings=gap_warnings("downbeats", lines, duration, per_bar=1),
    )


def _continued(lines: NDArray[np.float64], duration: float) -> NDArray[np.float64]:
    """Continue bar lines to both ends of a recording, without very short bars there."""
    if len(lines) < 2:
        return lines
    first, last = (
        float(np.median(np.diff(part))) for part in (lines[:_NEAR_END], lines[-_NEAR_END:])
    )
    if min(first, last) < _SHORTEST:
        return lines
    n_before, n_after = lines[0] / first - _SLIVER, (duration - lines[-1]) / last - _SLIVER
    before = lines[0] - first * np.arange(int(n_before), 0, -1)
    return np.concatenate([before, lines, lines[-1] + last * np.arange(1, int(n_after) + 1)])


def gap_warnings(
    what: str, times: NDArray[np.float64], duration: float, *, per_bar: int
) -> tuple[str, ...]:
    """Return warnings of gaps of more than five bars in given times.

    Examples
    --------
    >>> gap_warnings("beats", np.arange(0.0, 24.0), 189.0, per_bar=4)
    ('no beats are given from 23.0 to 189.0 s: the bar lines there are a guess',)
    """
    bar = per_bar * float(np.median(np.diff(times))) if len(times) > 1 else FALLBACK_BAR
    ends = np.concatenate([[0.0], times, [duration]])
    return tuple(
        f"no {what} are given from {ends[i]:.1f} to {ends[i + 1]:.1f} s: "
        "the bar lines there are a guess"
        for i in np.flatnonzero(np.diff(ends) > _MANY_BARS * bar)
    )


def grid_of_positions(
    duration: float,
    times: NDArray[np.float64],
    positions: NDArray[np.intp],
    *,
    pulses_per_bar: int,
    pulses_per_beat: int,
    metre: int,
    confidence: float,
    warnings: tuple[str, ...] = (),
) -> Grid:
    """Build a grid from pulses and their positions in the bar, continued to both ends.

    Parameters
    ----------
    duration : float
        Seconds.
    times : ndarray of float64, shape (n_pulses,)
        Seconds, increasing, at least two; the outer ones may lie slightly outside.
    positions : ndarray of int, shape (n_pulses,)
        Pulses since the last bar line: 0 on it. Bars may have any number of pulses.
    pulses_per_bar, pulses_per_beat : int
        Number of pulses, the former in most bars.
    metre, confidence, warnings
        As in `Grid`.
    """
    first, last = (
        float(np.median(np.diff(part))) for part in (times[:_NEAR_END], times[-_NEAR_END:])
    )
    n_before, n_after = int(times[0] / first), int((duration - times[-1]) / last)
    places = np.concatenate(
        [
            times[0] - first * np.arange(n_before, 0, -1),
            times,
            times[-1] + last * np.arange(1, n_after + 1),
        ]
    )
    ranks = np.concatenate(
        [
            positions[0] - np.arange(n_before, 0, -1),
            positions,
            positions[-1] + np.arange(1, n_after + 1),
        ]
    )
    is_line = ranks % pulses_per_bar == 0
    is_line[n_before : n_before + len(times)] = positions == 0
    lines = places[is_line]
    bar = pulses_per_bar * float(np.median(np.diff(times)))
    return Grid(
        beats=times[positions % pulses_per_beat == 0],
        downbeats=times[positions == 0],
        edges=_edges(lines, duration, reach=bar),
        metre=metre,
        confidence=confidence,
        warnings=warnings,
    )


def _edges(lines: NDArray[np.float64], duration: float, *, reach: float) -> NDArray[np.float64]:
    """Keep bar lines that are not too close to an end or each other, and add both ends.

    `reach` is the median length of a bar in seconds; 0 keeps all lines strictly inside.
    """
    inner = lines[(lines > _SLIVER * reach) & (lines < duration - _SLIVER * reach)]
    if inner.size:
        apart = np.diff(inner, prepend=-np.inf) >= _SHORT * reach
        inner = inner[apart]
    return np.concatenate([[0.0], inner, [duration]])


def checked_times(what: str, times: ArrayLike, duration: float) -> NDArray[np.float64]:
    """Return the times (n,) inside a recording.

    Raise a ValueError unless they are finite and increasing, or if nearly all are outside: they
    are in another unit, or of another recording.
    """
    given = np.asarray(times, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all() or (np.diff(given) <= 0).any():
        msg = f"{what} must be finite seconds in strictly increasing order, shape (n,)"
        raise ValueError(msg)
    inside = given[(given >= 0) & (given <= duration)]
    if inside.size <= _FEW_INSIDE * given.size and given.size:
        msg = (
            f"{what} must be seconds within the recording of {duration:.1f} s, but "
            f"{given.size - inside.size} of {given.size} lie outside, up to {given[-1]:.1f}: "
            "are they in another unit, or of another recording?"
        )
        raise ValueError(msg)
    return inside
