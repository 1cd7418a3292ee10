"""A signal -> its non-silent span and long gaps; bar lines with silence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scatseg.scattering.arguments import check_mono

SILENT_LEVEL = -60.0
"""Silence threshold in decibels relative to the level of the recording."""

LONG_END = 4.0
"""Seconds from which on silence at an end has its own bars, at least two."""

LONG_GAP = 2.5
"""Seconds from which on silence inside a recording is a bar of its own."""

_BLOCK = 1 << 18  # samples processed at a time
_WINDOW, _CLICK = 0.05, 0.02  # seconds: sound for less than _CLICK in a window is a click
_STEP = 0.01  # seconds: resolution of silence inside a recording


def heard_span(y: NDArray[np.floating], sr: int) -> tuple[int, int]:
    """Find the non-silent span of a recording.

    The threshold is relative to the level of the loud parts. The span is therefore independent, to
    the sample, of gain and of digital silence (with or without DC offset) before and after.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Mono signal.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    start, stop : int
        Samples, `stop` excluded. The whole recording if nothing but clicks or a change of DC offset
        is found.

    Raises
    ------
    ValueError
        When the signal is not mono, real and finite, or is empty.

    Examples
    --------
    >>> tone = np.sin(np.arange(1, 1000))
    >>> heard_span(np.concatenate([np.zeros(300), tone, 1e-5 * tone]), 1000)
    (300, 1299)
    """
    y = check_mono(y, sr)
    least = _least_heard(y)
    length = min(max(1, round(_WINDOW * sr)), len(y))
    start, end = (_first_heard(each, least, length) for each in (y, y[::-1]))
    if start is None or end is None or start >= len(y) - end:  # a step of the DC offset
        return 0, len(y)
    return start, len(y) - end


def _least_heard(y: NDArray[np.floating]) -> float:
    """Compute the amplitude threshold, `SILENT_LEVEL` below the power-weighted mean."""
    total = squares = 0.0
    for begin in range(0, len(y), _BLOCK):
        power = np.square(y[begin : begin + _BLOCK], dtype=np.float64)
        total += float(power.sum())
        squares += float(np.dot(power, power))
    loud = squares / max(total, float(np.finfo(np.float64).tiny))
    return math.sqrt(loud * 10 ** (SILENT_LEVEL / 10))


def _first_heard(y: NDArray[np.floating], least: float, length: int) -> int | None:
    """Find the first sample above the threshold `least` that is not part of a click."""
    for begin in range(0, len(y) - length + 1, _BLOCK):
        sounds = np.abs(y[begin : begin + _BLOCK + length - 1] - y[0]) > least
        counts = np.zeros(len(sounds) + 1, dtype=np.int32)
        np.cumsum(sounds, out=counts[1:])
        starts = np.flatnonzero(counts[length:] - counts[:-length] >= _CLICK / _WINDOW * length)
        if starts.size:
            return begin + int(starts[0]) + int(sounds[starts[0] :].argmax())
    return None


def silent_gaps(y: NDArray[np.floating], sr: int) -> NDArray[np.float64]:
    """Find long silences inside a recording.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Mono signal without silent ends, see `heard_span`.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    gaps : ndarray of float64, shape (n_gaps, 2)
        Start and end of each silence of at least `LONG_GAP`, in seconds, to 10 ms.

    Examples
    --------
    >>> tone, pause = np.sin(np.arange(2000)), np.zeros(3000)
    >>> silent_gaps(np.concatenate([tone, pause, tone]), 1000)
    array([[2., 5.]])
    """
    step = max(1, round(_STEP * sr))
    steps = y[: len(y) // step * step].reshape(-1, step)
    sounds = np.ptp(steps, axis=1) > 2 * _least_heard(y) if len(steps) else np.zeros(0, bool)
    heard = np.flatnonzero(sounds)
    between = np.diff(heard) > LONG_GAP * sr / step
    return np.stack([heard[:-1][between] + 1, heard[1:][between]], axis=1) * step / sr


def with_gaps(
    edges: NDArray[np.float64], gaps: NDArray[np.float64], *, nearest: float
) -> NDArray[np.float64]:
    """Add bar lines at the start and end of long silences.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds.
    gaps : ndarray of float64, shape (n_gaps, 2)
        From `silent_gaps`.
    nearest : float
        Seconds: bar lines in a gap, or closer to it than this, are removed.

    Returns
    -------
    edges : ndarray of float64
        Bar lines in seconds, with the same first and last one.

    Examples
    --------
    >>> with_gaps(np.arange(0.0, 13, 2), np.array([[4.2, 8.9]]), nearest=0.5)
    array([ 0. ,  2. ,  4.2,  8.9, 10. , 12. ])
    """
    for begin, end in gaps:
        outside = (edges <= begin - nearest) | (edges >= end + nearest)
        outside[[0, -1]] = True
        edges = np.unique(np.concatenate([edges[outside], [begin, end]]))
    return edges


def with_silent_ends(
    edges: NDArray[np.float64], *, start: float, duration: float, bar: float
) -> NDArray[np.float64]:
    """Extend bar lines over the silence before and after the music.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds from the start of the non-silent span, the first 0.
    start : float
        Seconds of silence before.
    duration : float
        Duration of the recording in seconds, including silence.
    bar : float
        Longest bar of a long silence in seconds; there are at least two.

    Returns
    -------
    edges : ndarray of float64
        Bar lines from 0 to `duration`. Short silence is part of the first or last bar; long silence
        has its own bars.

    Examples
    --------
    >>> with_silent_ends(np.array([0.0, 1.0, 3.0]), start=6.0, duration=9.5, bar=2.0)
    array([0. , 2. , 4. , 6. , 7. , 9.5])
    """
    after = duration - start - edges[-1]
    return np.concatenate(
        [
            np.linspace(0, start, _n_silent(start, bar=bar) + 1),
            start + edges[1:-1],
            duration - np.linspace(0, after, _n_silent(after, bar=bar) + 1)[::-1],
        ]
    )


def _n_silent(seconds: float, *, bar: float) -> int:
    """Return the number of bars that a silence at an end has of its own; 0 if it is short."""
    return max(2, math.ceil(seconds / bar)) if seconds >= LONG_END else 0
