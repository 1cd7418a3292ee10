"""A signal -> where in it something is heard, and rows for the silence around that."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scatseg.scattering.arguments import check_mono

SILENT_LEVEL = -60.0
"""Decibels below how loud a recording is: what is quieter at its ends is silence."""

LONG_END = 4.0
"""Seconds: silence at an end that lasts so long has bars of its own, two at least."""

LONG_GAP = 2.5
"""Seconds: silence inside a recording that lasts so long is no break of a bar."""

_BLOCK = 1 << 18  # samples looked at together
_WINDOW, _CLICK = 0.05, 0.02  # seconds: what is heard for less than that of a window is a click
_STEP = 0.01  # seconds: how finely silence inside a recording is located


def heard_span(y: NDArray[np.floating], sr: int) -> tuple[int, int]:
    """Tell where a recording begins and ends to be heard.

    How loud it is, is measured by what is loud in it. So the answer is the same, to the sample, at
    any loudness, and with any digital silence before and after, also where that is not at 0.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        The signal, mono.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    start, stop : int
        Samples, the second one not included. The whole where nothing is heard for longer than
        a click, or only that silence at one level changes to silence at another.

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
    if start is None or end is None or start >= len(y) - end:  # heard from one end alone: a step
        return 0, len(y)
    return start, len(y) - end


def _least_heard(y: NDArray[np.floating]) -> float:
    """Tell what is `SILENT_LEVEL` below the mean of what is loud."""
    total = squares = 0.0
    for begin in range(0, len(y), _BLOCK):
        power = np.square(y[begin : begin + _BLOCK], dtype=np.float64)
        total += float(power.sum())
        squares += float(np.dot(power, power))
    loud = squares / max(total, float(np.finfo(np.float64).tiny))
    return math.sqrt(loud * 10 ** (SILENT_LEVEL / 10))


def _first_heard(y: NDArray[np.floating], least: float, length: int) -> int | None:
    """Find the first sample that is further than `least` from silence, and part of no click."""
    for begin in range(0, len(y) - length + 1, _BLOCK):
        sounds = np.abs(y[begin : begin + _BLOCK + length - 1] - y[0]) > least
        counts = np.zeros(len(sounds) + 1, dtype=np.int32)
        np.cumsum(sounds, out=counts[1:])
        starts = np.flatnonzero(counts[length:] - counts[:-length] >= _CLICK / _WINDOW * length)
        if starts.size:
            return begin + int(starts[0]) + int(sounds[starts[0] :].argmax())
    return None


def silent_gaps(y: NDArray[np.floating], sr: int) -> NDArray[np.float64]:
    """Tell where a recording is silent for long, other than at its ends.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        What is heard, mono, see `heard_span`.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    gaps : ndarray of float64, shape (n_gaps, 2)
        Begin and end of each silence of `LONG_GAP` or more, in seconds, to 10 ms.

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
    """Let bars end where long silence begins, and begin where it ends.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds.
    gaps : ndarray of float64, shape (n_gaps, 2)
        From `silent_gaps`.
    nearest : float
        Seconds: lines so near to a gap, or in it, are no lines.

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
    """Put the silence back that is before and after bars.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bars + 1,)
        Bar lines in seconds from the beginning of what is heard, where the first one is.
    start : float
        Seconds of silence before.
    duration : float
        Seconds of the recording, with all silence.
    bar : float
        Seconds that a bar of long silence may last, of which there are two at least.

    Returns
    -------
    edges : ndarray of float64
        Bar lines from 0 to `duration`. Short silence is a part of the first or last bar; long
        silence has bars of its own.

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
    """Count the bars of its own that silence has."""
    return max(2, math.ceil(seconds / bar)) if seconds >= LONG_END else 0
