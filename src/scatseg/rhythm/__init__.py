"""A signal in, its beats and bar lines out, or a fixed grid where there is no pulse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.rhythm.files import read_beats
from scatseg.rhythm.grid import (
    FALLBACK_BAR,
    Grid,
    checked_times,
    fixed_grid,
    grid_of_bars,
    grid_of_positions,
    untold,
)
from scatseg.rhythm.metre import (
    LONG_BAR,
    BarPositions,
    at_double_tempo,
    find_bars,
    pulse_cues,
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
"""Least clarity of a pulse that is followed."""

DIM_PULSE, STEADY_PULSE = 0.3, 0.8
"""A pulse that is less clear has to be that steady: songs, stretched and in noise, are at least 0.9
where they are that dim, violins alone at most 0.7."""

RIVAL_LEAD = 3.5
"""Log probability by which bars between the strongest pulses must be better to be believed.

In clicks that are strongest off the beat, under chords, it is 3.8; in two tracker modules, where
beats are the strongest pulses, up to 3.1."""

SLOW_PULSE, AS_STRONG = 0.33, 0.6
"""Seconds from which something may lie between pulses, and the share of their strength it has."""

AS_STRONG_AS_BEATS = 0.975
"""Share of the strength of beats that what is halfway between them has where it is beats, too.

Where every second bar line is marked by its attack alone it is less, and bars stay long. Of
recordings with bars over 2.9 s it is from 1.0 to 1.3 in four tracker modules and one song, whose
bars are two; at most 0.96 in all others, of POP909, recorded or composed, and in four modules.
"""

MARGIN = 0.2
"""Seconds of silence put before and after what is heard: the first attack rises from it."""

SLIVER = 0.25
"""Of a bar: less beside a long silence is no bar of its own."""

NO_PULSE = "no clear pulse: there are no bars to go by"
UNEVEN_PULSE = "a pulse that is dim and uneven: there are no bars to go by"
"""Why there is a fixed grid."""

SURE_BARS = 0.25
"""With less confidence, a grid comes with a warning."""


def find_grid(
    y: NDArray[np.floating],
    sr: int,
    *,
    beats: ArrayLike | None = None,
    downbeats: ArrayLike | None = None,
) -> Grid:
    """Find the beats and the bar lines of a recording.

    First a pulse is followed through the recording that is fast enough to contain the beats and
    what is between them: autocorrelation of the onset strength gives its period over time,
    dynamic programming its instants. Then every metre and every place of the bar lines is
    compared by what changes there: chords, bass, attacks, and where passages that are heard again
    begin and end. The best one wins, with a preference for usual tempos; but long bars are two
    where what lies halfway between beats is as strong as beats. Silence at the ends is left out
    of all that, and has bars of its own only where it is long; long silence inside is one bar.
    Where beats or downbeats are given, nothing is left out, and no tempo doubled.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        The signal, mono.
    sr : int
        Sampling rate in Hz.
    beats : array_like of float, shape (n_beats,), optional
        Beats in seconds where they are known. Only the metre and the bar lines are then looked
        for. None of them is as good as absent.
    downbeats : array_like of float, shape (n_downbeats,), optional
        The first beats of all bars in seconds where they are known. They are then the bar lines,
        and nothing is looked for; bars like those beside them go on to both ends. None of them is
        as good as absent.

    Returns
    -------
    grid : Grid
        With bar lines from 0 to the duration. A fixed grid of two-second bars where there is no
        clear pulse, or one that is dim and uneven, with a warning that says which.
        Of more than five bars without a given beat there is one, too.

    Raises
    ------
    ValueError
        When the signal is not mono, real and finite, or is empty; when beats are not finite or do
        not increase.

    References
    ----------
    D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007,
    for following the pulse. P. Grosche, M. Müller and F. Kurth, "Cyclic tempogram", ICASSP 2010,
    for reading tempo up to octaves, which are decided with the metre here.

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
    if downbeats is not None and np.size(downbeats):
        return grid_of_bars(duration, downbeats=downbeats, beats=beats)
    given = None
    if beats is not None and np.size(beats):
        given = checked_times("beats", beats, duration)
    known = None if given is None else subdivided(given)
    start, stop, margin = 0, len(y), 0
    if known is None:
        (start, stop), margin = heard_span(y, sr), round(MARGIN * sr)
    found = _pulse_in_bars(np.pad(y[start:stop], margin), sr, known)
    grid = _heard_grid((stop - start) / sr, found, margin=margin / sr)
    inner = grid.edges
    if known is None and grid.is_regular:
        nearest = SLIVER * float(np.median(np.diff(inner)))
        inner = with_gaps(inner, silent_gaps(y[start:stop], sr), nearest=nearest)
    edges = with_silent_ends(inner, start=start / sr, duration=duration, bar=FALLBACK_BAR)
    pulses, lines = (times + start / sr for times in (grid.beats, grid.downbeats))
    doubts: tuple[str, ...] = ()
    if given is not None and grid.is_regular:
        doubts = untold("beats", given, duration, per_bar=grid.metre)
    return replace(
        grid,
        beats=pulses[(pulses >= 0) & (pulses <= duration)],
        downbeats=lines[(lines >= 0) & (lines <= duration)],
        edges=edges,
        warnings=(*grid.warnings, *doubts),
    )


def _pulse_in_bars(
    y: NDArray[np.floating], sr: int, known: Pulse | None
) -> tuple[Pulse, BarPositions] | str:
    """Find the pulse, unless it is known, and its bars; or tell why it is none to go by."""
    bands = band_spectrum(y, sr)
    pulse = find_pulse(bands) if known is None else known
    if len(pulse.times) < MIN_PULSES or pulse.clarity < CLEAR_PULSE:
        return NO_PULSE
    if pulse.clarity < DIM_PULSE and pulse.steadiness < STEADY_PULSE:
        return UNEVEN_PULSE
    pitches = pitch_spectrum(y, sr)
    cues = pulse_cues(pulse.times, bands, pitches)
    bars = find_bars(pulse, cues)
    if known is not None:
        return pulse, bars
    strength = onset_strength(bands)
    if _is_syncopated(pulse, strength, bands.hop):
        between = pulse.between()
        rival_cues = pulse_cues(between.times, bands, pitches)
        rival = find_bars(between, rival_cues)
        if rival.score > bars.score + RIVAL_LEAD:
            pulse, bars, cues = between, rival, rival_cues
    if _is_twice_as_fast(pulse, bars, strength, bands.hop):
        bars = at_double_tempo(bars, cues)
    return pulse, bars


def _heard_grid(duration: float, found: tuple[Pulse, BarPositions] | str, *, margin: float) -> Grid:
    """Lay out what was found in so many seconds of sound, before which there were `margin` more."""
    if isinstance(found, str):
        return fixed_grid(duration, warnings=(found,))
    pulse, bars = found
    confidence = float(min(1.0, 2 * pulse.clarity) * (1 - np.exp(-max(0.0, bars.lead))))
    unsure = ("the place of the bar lines is uncertain",) if confidence < SURE_BARS else ()
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
    """Tell whether what is halfway between pulses is nearly as strong as they are."""
    on, between = (at_times(strength, hop, each.times).mean() for each in (pulse, pulse.between()))
    return pulse.period > SLOW_PULSE and bool(between > AS_STRONG * on)


def _is_twice_as_fast(
    pulse: Pulse, bars: BarPositions, strength: NDArray[np.floating], hop: float
) -> bool:
    """Tell whether bars are long, and what is halfway between beats is as strong as they are."""
    per_beat = bars.metre.pulses_per_beat
    if len(bars.metre.pattern) * pulse.period <= LONG_BAR or per_beat % 2:
        return False
    attacks, places = at_times(strength, hop, pulse.times), bars.positions % per_beat
    on, between = (attacks[places == place].mean() for place in (0, per_beat // 2))
    return bool(between > AS_STRONG_AS_BEATS * on)
