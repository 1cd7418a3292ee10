"""A signal -> beats and bar lines, or a fixed grid if there is no pulse."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.rhythm.files import read_beats
from scatseg.rhythm.grid import (
    FALLBACK_BAR,
    Grid,
    checked_times,
    fixed_grid,
    gap_warnings,
    grid_of_bars,
    grid_of_positions,
)
from scatseg.rhythm.irregular import with_irregular_bars
from scatseg.rhythm.metre import (
    LONG_BAR,
    BarPositions,
    Cues,
    at_double_tempo,
    find_bars,
    pulse_cues,
    rival_of,
)
from scatseg.rhythm.pulse import (
    MIN_PULSES,
    Pulse,
    at_times,
    find_pulse,
    onset_strength,
    subdivided,
)
from scatseg.rhythm.silence import (
    LONG_GAP,
    heard_span,
    silent_gaps,
    with_gaps,
    with_silent_ends,
)
from scatseg.rhythm.spectra import band_spectrum, pitch_spectrum
from scatseg.scattering.arguments import check_mono

__all__ = [
    "LONG_BAR",
    "LONG_GAP",
    "Grid",
    "find_grid",
    "fixed_grid",
    "heard_span",
    "read_beats",
    "with_silent_ends",
]

CLEAR_PULSE = 0.16
"""Minimum clarity of a pulse."""

DIM_PULSE, STEADY_PULSE = 0.3, 0.8
"""A pulse with less clarity than the first needs the steadiness of the second. Among pulses this
unclear, time-stretched and noisy songs have at least 0.9, solo violin at most 0.7."""

SLOWEST_ALONE = 0.4
"""Period in seconds above which a pulse of half the period is tried, too.

Pulses are between 0.22 and 0.44 s, so that a slower copy of a recording may have twice as many. In
the range where that happens soon, bars are those of the more probable pulse of both.
"""

RIVAL_LEAD = 3.5
"""Minimum lead in log probability of bars on the off-beats over those on the strongest pulses.

It is 3.8 for clicks that are strongest off the beat, under chords; up to 3.1 for two tracker
modules in which the beats are the strongest pulses."""

SLOW_PULSE, AS_STRONG = 0.33, 0.6
"""Minimum period in seconds, and minimum relative strength of off-beats, for testing off-beats."""

AS_STRONG_AS_BEATS = 0.975
"""Minimum strength of off-beats relative to beats at which long bars are taken as two.

If only the attack marks every second bar line, the ratio is lower and bars stay long. Among
recordings with bars over 2.9 s, it is 1.0 to 1.3 in four tracker modules and one song, whose bars
are two, and at most 0.96 in all others (POP909, recorded, composed, and four modules).
"""

MARGIN = 0.2
"""Seconds of silence padded on both sides, so that the first attack has a rise."""

SLIVER = 0.25
"""Shortest bar next to a long silence, as a share of the median bar."""

NO_PULSE = "no clear pulse: bars could not be estimated"
UNEVEN_PULSE = "weak and uneven pulse: bars could not be estimated"
TOO_FEW_BEATS = "too few beats given: bars could not be estimated"
"""Warnings of a fixed grid."""

SURE_BARS = 0.25
"""Confidence below which a grid comes with a warning."""


def find_grid(
    y: NDArray[np.floating],
    sr: int,
    *,
    beats: ArrayLike | None = None,
    downbeats: ArrayLike | None = None,
) -> Grid:
    """Estimate the beats and bar lines of a recording.

    First, a pulse fast enough to contain beats and off-beats is tracked: its period by
    autocorrelation of the onset strength, its times by dynamic programming. Then all metres and
    phases of the bar lines are scored by chord changes, bass, attacks, and starts and ends of
    repetitions, with a prior on tempo; for a slow pulse, also on one of half the period. Where most
    repeated passages would otherwise have other bar lines than before, one bar is shorter or
    longer. Long bars are split in two if off-beats are as strong as beats. Where others, whole
    beats later, are nearly as probable, these are the `rival` of the grid. Silence at the ends is
    ignored, and has its own bars only if it is long; a long silence inside is one bar. With given
    beats or downbeats, silence is not set apart, no bar is split, and all have the same number of
    beats if only beats are given.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Mono signal.
    sr : int
        Sampling rate in Hz.
    beats : array_like of float, shape (n_beats,), optional
        Known beats in seconds; only metre and bar lines are then estimated. Ignored if empty.
    downbeats : array_like of float, shape (n_downbeats,), optional
        Known downbeats in seconds, any number of beats apart, used as the bar lines and continued
        to both ends; nothing is then estimated. Ignored if empty.

    Returns
    -------
    grid : Grid
        Bar lines from 0 to the duration. If the pulse is unclear, or weak and uneven, or too few
        beats are given, a fixed grid of bars of about two seconds, with a warning that says which.
        Gaps of more than five bars in given beats or downbeats also cause a warning.

    Raises
    ------
    ValueError
        When the signal is not mono, real and finite, or is empty; when beats or downbeats are not
        finite, do not increase, or nearly all lie outside the recording.

    References
    ----------
    D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007,
    for tracking the pulse. P. Grosche, M. Müller and F. Kurth, "Cyclic tempogram", ICASSP 2010,
    for estimating tempo up to octaves, which are resolved here together with the metre.

    Examples
    --------
    >>> silence = np.zeros(5 * 22050)
    >>> find_grid(silence, 22050).edges
    array([0. , 2.5, 5. ])
    >>> find_grid(silence, 22050, downbeats=[0.5, 2.5, 4.5]).edges
    array([0. , 0.5, 2.5, 4.5, 5. ])
    """
    y = check_mono(y, sr)
    duration = len(y) / sr
    if beats is not None and not np.size(beats):
        beats = None
    if downbeats is not None and np.size(downbeats):
        return grid_of_bars(duration, downbeats=downbeats, beats=beats)
    given = None if beats is None else checked_times("beats", beats, duration)
    known = None if given is None else subdivided(given)
    start, stop, margin = 0, len(y), 0
    if known is None:
        (start, stop), margin = heard_span(y, sr), round(MARGIN * sr)
    found = _pulse_in_bars(np.pad(y[start:stop], margin), sr, known)
    heard = (stop - start) / sr
    gaps = silent_gaps(y[start:stop], sr)

    def placed(grid: Grid) -> Grid:
        """Add bars of silence to the grid of the non-silent span, and warnings of gaps in beats."""
        inner = grid.edges
        if known is None and grid.is_regular:
            nearest = SLIVER * float(np.median(np.diff(inner)))
            inner = with_gaps(inner, gaps, nearest=nearest)
        edges = with_silent_ends(inner, start=start / sr, duration=duration, bar=FALLBACK_BAR)
        pulses, lines = (times + start / sr for times in (grid.beats, grid.downbeats))
        doubts: tuple[str, ...] = ()
        if given is not None and grid.is_regular:
            doubts = gap_warnings("beats", given, duration, per_bar=grid.metre)
        return replace(
            grid,
            beats=pulses[(pulses >= 0) & (pulses <= duration)],
            downbeats=lines[(lines >= 0) & (lines <= duration)],
            edges=edges,
            warnings=(*grid.warnings, *doubts),
        )

    if isinstance(found, str):
        return placed(fixed_grid(heard, warnings=(found,)))
    pulse, cues, bars = found
    grid = placed(_heard_grid(heard, pulse, bars, margin=margin / sr))
    other = rival_of(bars, cues)
    if other is None:
        return grid
    return replace(grid, rival=placed(_heard_grid(heard, pulse, other, margin=margin / sr)))


class _Metred(NamedTuple):
    """A pulse, its accents, and the most probable bars."""

    pulse: Pulse
    cues: Cues
    bars: BarPositions


def _pulse_in_bars(y: NDArray[np.floating], sr: int, known: Pulse | None) -> _Metred | str:
    """Find the pulse, unless it is known, and its bars; or return why there are none."""
    if known is not None and len(known.times) < MIN_PULSES:
        return TOO_FEW_BEATS
    bands = band_spectrum(y, sr)
    if not bands.centers.size:
        return NO_PULSE
    pulse = known or find_pulse(bands)
    if len(pulse.times) < MIN_PULSES or pulse.clarity < CLEAR_PULSE:
        return NO_PULSE
    if pulse.clarity < DIM_PULSE and pulse.steadiness < STEADY_PULSE:
        return UNEVEN_PULSE
    pitches = pitch_spectrum(y, sr)

    def metred(pulse: Pulse) -> _Metred:
        cues = pulse_cues(pulse.times, bands, pitches)
        return _Metred(pulse, cues, find_bars(pulse, cues))

    found = metred(pulse)
    if known is not None:
        return found
    if pulse.period > SLOWEST_ALONE:
        finer = metred(find_pulse(bands, parts=2))
        if finer.bars.score > found.bars.score:
            found = finer
    strength = onset_strength(bands)
    if _is_syncopated(found.pulse, strength, bands.hop):
        rival = metred(found.pulse.between())
        if rival.bars.score > found.bars.score + RIVAL_LEAD:
            found = rival
    pulse, cues = found.pulse, found.cues
    bars = with_irregular_bars(found.bars, cues)
    if _is_twice_as_fast(pulse, bars, strength, bands.hop):
        bars = at_double_tempo(bars, cues)
    return found._replace(bars=bars)


def _heard_grid(duration: float, pulse: Pulse, bars: BarPositions, *, margin: float) -> Grid:
    """Build the grid of `duration` seconds from pulse times that are late by `margin`."""
    confidence = float(min(1.0, 2 * pulse.clarity) * (1 - np.exp(-max(0.0, bars.lead))))
    unsure = ("the position of the bar lines is uncertain",) if confidence < SURE_BARS else ()
    return grid_of_positions(
        duration,
        pulse.times - margin,
        bars.positions,
        pulses_per_bar=len(bars.metre.pattern),
        pulses_per_beat=bars.metre.pulses_per_beat,
        metre=bars.metre.beats,
        confidence=confidence,
        warnings=unsure,
    )


def _is_syncopated(pulse: Pulse, strength: NDArray[np.floating], hop: float) -> bool:
    """Return whether off-beats are nearly as strong as the pulses."""
    on, between = (at_times(strength, hop, each.times).mean() for each in (pulse, pulse.between()))
    return pulse.period > SLOW_PULSE and bool(between > AS_STRONG * on)


def _is_twice_as_fast(
    pulse: Pulse, bars: BarPositions, strength: NDArray[np.floating], hop: float
) -> bool:
    """Return whether bars are long, and off-beats as strong as beats."""
    per_beat = bars.metre.pulses_per_beat
    if len(bars.metre.pattern) * pulse.period <= LONG_BAR or per_beat % 2:
        return False
    attacks, places = at_times(strength, hop, pulse.times), bars.positions % per_beat
    on, between = (attacks[places == place].mean() for place in (0, per_beat // 2))
    return bool(between > AS_STRONG_AS_BEATS * on)
