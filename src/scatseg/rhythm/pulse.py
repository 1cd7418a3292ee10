"""Onset strength -> a steady fast pulse: its period over time, and its times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from scatseg.rhythm.spectra import Spectrum

MIN_PULSES = 8
"""Minimum number of pulses."""

SHORTEST, LONGEST = 0.22, 0.44
"""Range of the pulse period in seconds: one octave, so that each tempo is found once."""

_USUAL = 0.31  # seconds: their geometric mean
_HEARD = 0.05  # onset strength relative to its mean at which music begins and ends
_STEPS = 96  # per octave: resolution of periods (0.7 %)
_WINDOW = 8.0  # seconds of an autocorrelation window
_WINDOW_HOP = 1.0  # seconds between windows
_MULTIPLES = (1, 2, 3, 4, 6, 8)  # of the period, at which the autocorrelation is averaged
_DRIFT, _JUMP = 0.05, 0.5  # cost of a period change per step, and maximum cost, in clarity
_LEAST_CONTRAST = 0.15  # of the mean strength: lower variation, as in noise, is no pulse
_SILENT = 0.05  # of the mean power: quieter windows correlate by chance
_FASTEST, _SLOWEST = 0.6, 1.7  # range of intervals between pulses, relative to the period
_STEADINESS = 200.0  # cost of uneven intervals, per squared natural log of the ratio
_SPAN, _STEADY = 8, 0.02  # steadiness: pulses per span, and tolerance of its log duration
_LOCAL = 6.0  # seconds of the local normalization of onset strength
_FAINT = 0.1  # floor of the normalization, relative to loud attacks
_RISE = 3  # frames over which an attack rises
_SMOOTH = 1.5  # frames


@dataclass(frozen=True, eq=False, kw_only=True)
class Pulse:
    """A pulse that contains the beats.

    Parameters
    ----------
    times : ndarray of float64, shape (n_pulses,)
        Seconds, increasing.
    clarity : float
        Mean autocorrelation of the attacks at multiples of the period, at most 1.
    per_beat : int or None
        Pulses per beat if the beats are known, counted from the first one.
    """

    times: NDArray[np.float64]
    clarity: float
    per_beat: int | None = None

    @property
    def period(self) -> float:
        """The median interval in seconds."""
        return float(np.median(np.diff(self.times)))

    @property
    def steadiness(self) -> float:
        """The share of spans of eight pulses that last as long as the next eight, within 2 %."""
        spans = np.log(self.times[_SPAN:] - self.times[:-_SPAN])
        change = np.abs(spans[_SPAN:] - spans[:-_SPAN])
        return float(np.mean(change < _STEADY)) if change.size else 0.0

    def between(self) -> Pulse:
        """Shift the pulse by half a period, for it may be on the off-beats."""
        middles = (self.times[1:] + self.times[:-1]) / 2
        return Pulse(times=middles, clarity=self.clarity, per_beat=self.per_beat)


def find_pulse(bands: Spectrum, *, parts: int = 1) -> Pulse:
    """Track the fastest steady pulse of a recording, from the first to the last attack.

    If `parts` is 2, a pulse of half the period is tracked instead.
    """
    strength = onset_strength(bands)
    heard = np.flatnonzero(strength > _HEARD)
    if not heard.size or (heard[-1] - heard[0]) * bands.hop < MIN_PULSES * SHORTEST:
        return Pulse(times=np.empty(0), clarity=0.0)
    periods, clarity = pulse_periods(strength, bands.hop)
    periods /= parts
    frames = follow_pulse(strength, periods)
    half = periods.mean() / 2
    frames = frames[(frames > heard[0] - half) & (frames < heard[-1] + half)]
    return Pulse(times=frames * bands.hop, clarity=clarity)


def subdivided(beats: ArrayLike) -> Pulse:
    """Subdivide known beats (n_beats,), in seconds, into a pulse of typical period."""
    known = np.asarray(beats, dtype=np.float64)
    if len(known) < 2:
        return Pulse(times=known, clarity=1.0)
    parts = int(np.clip(np.round(np.median(np.diff(known)) / _USUAL), 1, 4))
    steps = np.arange(parts * (len(known) - 1) + 1) / parts
    return Pulse(times=np.interp(steps, np.arange(len(known)), known), clarity=1.0, per_beat=parts)


def attacks(levels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the mean rise of levels (n_frames, n_bands) around each frame: (n_frames,).

    This is half-wave rectified spectral flux on a logarithmic scale. Differences span several
    frames, so that coding or stretching, which smears attacks, does not weaken them.
    """
    before, after = _RISE // 2 + 1, _RISE // 2
    rises = np.maximum(0, levels[_RISE:] - levels[:-_RISE]).mean(axis=1) / _RISE
    return np.pad(rises, (before, after))[: len(levels)]


def evened(strength: NDArray[np.floating], hop: float) -> NDArray[np.floating]:
    """Normalize a curve (n_frames,) by its local RMS, except near silence."""
    power = np.square(strength)
    local = np.sqrt(scipy.ndimage.gaussian_filter1d(power, _LOCAL / 4 / hop))
    loud = np.sqrt(np.square(power).sum() / max(float(power.sum()), 1e-12))
    return np.asarray(strength / (local + _FAINT * loud + 1e-9))


def onset_strength(bands: Spectrum) -> NDArray[np.floating]:
    """Compute onset strength, locally normalized and smoothed: (n_frames,), about 1 on average."""
    return np.asarray(
        scipy.ndimage.gaussian_filter1d(evened(attacks(bands.levels), bands.hop), _SMOOTH)
    )


def at_times(
    curve: NDArray[np.floating], hop: float, times: NDArray[np.float64]
) -> NDArray[np.floating]:
    """Sample a curve (n_frames,), whose frame k is at `k * hop`, at times (n,) in seconds."""
    return curve[np.clip(np.round(times / hop).astype(np.intp), 0, len(curve) - 1)]


def pulse_periods(strength: NDArray[np.floating], hop: float) -> tuple[NDArray[np.float64], float]:
    """Estimate the pulse period over time.

    Parameters
    ----------
    strength : ndarray of float, shape (n_frames,)
        Onset strength.
    hop : float
        Seconds between frames.

    Returns
    -------
    periods : ndarray of float64, shape (n_frames,)
        In frames.
    clarity : float
        Mean autocorrelation of the onset strength at multiples of the period.
    """
    correlation, centers = _autocorrelations(strength, hop)
    n_octave = int(_STEPS * np.log2(LONGEST / SHORTEST))
    candidates = SHORTEST * 2 ** (np.arange(n_octave) / _STEPS)
    common = candidates[np.argmax(_at_multiples(correlation, candidates / hop).mean(axis=0))]
    near = common * 2 ** (np.arange(-_STEPS // 2, _STEPS // 2 + 1) / _STEPS)
    power = correlation[:, :1]
    floor = _SILENT * power.mean() + np.square(_LEAST_CONTRAST * strength.mean()) + 1e-12
    agreement = _at_multiples(correlation, near / hop) / (power + floor)
    # Quiet windows have less weight: while the last chord fades, the period stays constant.
    path = _smooth_path(agreement * np.minimum(1, power / max(float(power.mean()), 1e-12)))
    clarity = float(np.average(agreement[np.arange(len(path)), path], weights=power[:, 0] + 1e-12))
    return np.interp(np.arange(len(strength)), centers, near[path] / hop), clarity


def _autocorrelations(
    strength: NDArray[np.floating], hop: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Compute an autocorrelation tempogram (n_windows, n_lags), and window centers in frames.

    Each lag is divided by the overlap of the tapers, so that long lags are not weaker.
    """
    length = int(_WINDOW / hop)
    centers = np.arange(0, len(strength), int(_WINDOW_HOP / hop))
    padded = np.pad(strength - strength.mean(), (length // 2, length))
    rows = np.lib.stride_tricks.sliding_window_view(padded, length)[centers]
    taper = np.hanning(length)
    n_fft = scipy.fft.next_fast_len(2 * length, real=True)

    def autocorrelation(x: NDArray[np.floating]) -> NDArray[np.float64]:
        power = np.square(np.abs(scipy.fft.rfft(x, n_fft)))
        return np.asarray(scipy.fft.irfft(power, n_fft)[..., :length])

    overlap = autocorrelation(taper)
    correlation = autocorrelation((rows - rows.mean(axis=1, keepdims=True)) * taper)
    return correlation / np.maximum(overlap, 0.1 * overlap[0]), centers


def _at_multiples(
    correlation: NDArray[np.float64], periods: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average each row's correlation at the multiples of each period (in frames)."""
    lags = np.multiply.outer(_MULTIPLES, periods)
    whole = lags.astype(np.intp)
    part = lags - whole
    return np.asarray(
        ((1 - part) * correlation[:, whole] + part * correlation[:, whole + 1]).mean(axis=1)
    )


def _smooth_path(reward: NDArray[np.float64]) -> NDArray[np.intp]:
    """Find the column of each row (n_rows,) that maximizes reward minus cost of steps (Viterbi)."""
    n_rows, n_columns = reward.shape
    apart = np.abs(np.subtract.outer(np.arange(n_columns), np.arange(n_columns)))
    cost = np.minimum(_DRIFT * apart, _JUMP)
    best, origin = reward[0], np.zeros((n_rows, n_columns), dtype=np.intp)
    for row in range(1, n_rows):
        through = best - cost
        origin[row] = through.argmax(axis=1)
        best = through.max(axis=1) + reward[row]
    return backtracked(origin, int(best.argmax()))


def backtracked(origin: NDArray[np.intp], last: int) -> NDArray[np.intp]:
    """Backtrack the predecessors of states (n_steps, n_states) from the last one."""
    path = np.empty(len(origin), dtype=np.intp)
    for step in range(len(origin) - 1, -1, -1):
        path[step] = last
        last = origin[step, last]
    return path


def follow_pulse(strength: NDArray[np.floating], periods: NDArray[np.float64]) -> NDArray[np.intp]:
    """Place pulses on onsets, about a period apart, by dynamic programming (Ellis, 2007).

    Parameters
    ----------
    strength : ndarray of float, shape (n_frames,)
        Onset strength.
    periods : ndarray of float64, shape (n_frames,)
        In frames.

    Returns
    -------
    frames : ndarray of int, shape (n_pulses,)
        Increasing frames that maximize onset strength minus the cost of uneven intervals.
    """
    strength = strength / max(float(strength.std()), 1e-9)
    shortest, longest = int(periods.min() * _FASTEST), int(periods.max() * _SLOWEST) + 1
    lags = np.arange(shortest, longest + 1)
    n_frames = len(strength)
    score = np.zeros(n_frames + longest)  # padded in front, so that no lag reaches before it
    origin = np.full(n_frames, -1, dtype=np.intp)
    for start in range(0, n_frames, shortest):  # nothing inside a block depends on the block
        t = np.arange(start, min(start + shortest, n_frames))
        uneven = np.square(np.log(lags) - np.log(periods[t])[:, None])
        through = score[t[:, None] + longest - lags] - _STEADINESS * uneven
        best = through.argmax(axis=1)
        gain = through[np.arange(len(t)), best]
        score[t + longest] = strength[t] + np.maximum(gain, 0)
        origin[t] = np.where((gain > 0) & (t >= lags[best]), t - lags[best], -1)
    tail = score[longest:][-int(1.5 * periods[-1]) :]
    frame = n_frames - len(tail) + int(tail.argmax())
    frames = []
    while frame >= 0:
        frames.append(frame)
        frame = int(origin[frame])
    return np.array(frames[::-1], dtype=np.intp)
