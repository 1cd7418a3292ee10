"""A pulse and its accents -> the metre, and the position of each pulse in the bar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.rhythm.pulse import Pulse, at_times, backtracked, onset_strength
from scatseg.rhythm.spectra import Spectrum


class Metre(NamedTuple):
    """A metrical hierarchy: pulses, beats and bars.

    Parameters
    ----------
    beats : int
        Beats per bar.
    pattern : str
        Metrical rank of each pulse of a bar: D downbeat, H middle of the bar, b beat, o off-beat,
        s between them.
    pulses_per_beat : int
        Pulses per counted beat.
    pulses_per_tactus : int
        Pulses per tactus (in 6/8, three counted beats).
    preference : float
        Log prior probability.
    """

    beats: int
    pattern: str
    pulses_per_beat: int
    pulses_per_tactus: int
    preference: float


METRES = (
    Metre(2, "Dobo", 2, 2, -3.0),
    Metre(3, "Dobobo", 2, 2, -1.0),
    Metre(4, "DoboHobo", 2, 2, 0.0),
    Metre(3, "Dsosbsosbsos", 4, 4, -2.5),
    Metre(4, "DsosbsosHsosbsos", 4, 4, 0.3),
    Metre(4, "DoobooHooboo", 3, 3, -2.5),
    Metre(6, "DooHoo", 1, 3, 0.0),
)
"""The metres considered.

Bars of twice as many pulses are preferred in near ties, as bars that long may still be two for
`scatseg.segmenters.CoverSegmenter`.
"""

KNOWN_BEATS = tuple(
    Metre(m, "".join(rank + "o" * (parts - 1) for rank in ranks), parts, parts, preference)
    for parts in (1, 2, 3, 4)
    for m, ranks, preference in (
        (2, "Db", -3.0),
        (3, "Dbb", -1.0),
        (4, "DbHb", 0.0),
        (6, "DbbHbb", -2.0),
    )
)
"""The metres considered for known beats, and for bars at double tempo."""

LONG_BAR = 2.9
"""Seconds from which on a bar may be two: four beats at 83 per minute, or two bars at 166.

Chosen on POP909, 12 recorded songs and 16 tracker modules together.
"""

# Expected cue at each rank (D H b o s), by pulses per tactus, in standard deviations of the cue
# over the recording: rounded means over the POP909 songs of that metre. All weights below were
# chosen on 60 of these songs and 16 tracker modules.
_ATTACKS = {
    1: (1.1, 0.5, 0.0, 0.0, 0.0),
    2: (1.1, 0.5, 0.0, -0.35, 0.0),
    3: (1.1, 0.6, 0.4, -0.4, 0.0),
    4: (1.1, 0.9, 0.4, 0.1, -0.5),
}
_CHANGES = {
    1: (1.1, 0.1, -0.35, 0.0, 0.0),
    2: (1.1, 0.05, -0.35, -0.1, 0.0),
    3: (1.1, -0.1, -0.1, -0.22, 0.0),
    4: (1.1, 0.9, -0.5, 0.1, -0.2),
}
_AROUND = 4  # pulses before and after over which tempo is compared
_TEMPO_CHANGE = 0.1  # natural log of the tempo ratio at which a slip costs half
_BASS = 220.0  # Hz: upper limit of the bass
_ATTACK_WEIGHT, _CHANGE_WEIGHT = 0.3, 1.5  # of the log likelihood of each cue
_EVIDENCE = 20.0  # effective number of independent pulses, in recordings of any length
_CLEAR_LEAD = 0.65  # of bar lines over others, in standard errors: up to it, both are tried
_SLIP = 70.0  # cost of losing or inserting a part of a bar
_SPARSE_SKEWNESS, _SPARSE_WEIGHT = 0.5, 3.0  # sixteenths are seldom all played
_MOST_SKEWNESS = 1.5  # of music
_BESIDE = 5  # frames: attacks up to two frames (23 ms) from a pulse are assigned to it
_NARROW, _WIDE = 8, 16  # pulses before and after in the detection of repetitions
_USUAL_BAR, _BAR_OCTAVES = 2.7, 0.6  # prior: seconds, and standard deviation in octaves
_USUAL_BEAT, _BEAT_OCTAVES = 0.66, 0.35  # the same of a beat: 91 per minute


class Cues(NamedTuple):
    """Metrical accents at each pulse, standardized over pulses.

    Parameters
    ----------
    attacks : ndarray of float, shape (n_pulses,)
        Onset strength.
    changes : ndarray of float, shape (n_pulses,)
        Weighted sum of harmonic change, bass level, and starts and ends of repetitions.
    pitches : ndarray of float, shape (n_pulses, n_pitches)
        Levels from each pulse to the next, with mean 0 over pulses.
    """

    attacks: NDArray[np.floating]
    changes: NDArray[np.floating]
    pitches: NDArray[np.floating]


@dataclass(frozen=True, eq=False, kw_only=True)
class BarPositions:
    """The metre of a recording and the position of each pulse in its bar.

    Parameters
    ----------
    metre : Metre
        The most probable metre.
    positions : ndarray of int, shape (n_pulses,)
        Pulses since the last bar line, in long bars more than the metre has.
    score : float
        Log probability of metre and positions, up to a constant of the recording; at double
        tempo, that of the slower bars.
    lead : float
        Lead of the bar lines over the best alternative phase in the same metre, in standard errors
        over bars.
    """

    metre: Metre
    positions: NDArray[np.intp]
    score: float
    lead: float


def pulse_cues(times: NDArray[np.float64], bands: Spectrum, pitches: Spectrum) -> Cues:
    """Compute the metrical accents of pulses.

    Parameters
    ----------
    times : ndarray of float64, shape (n_pulses,)
        Seconds, increasing, at least two.
    bands, pitches : Spectrum
        From `spectra.band_spectrum` and `spectra.pitch_spectrum`.

    Returns
    -------
    cues : Cues
        Accents of each pulse, by onsets at it and pitches averaged from each pulse to the next.
    """
    strength = scipy.ndimage.maximum_filter1d(onset_strength(bands), _BESIDE)
    n_octaves = pitches.levels.shape[1] // 12
    octaves = pitches.levels[:, : 12 * n_octaves].reshape(-1, n_octaves, 12)
    places = times / pitches.hop
    X = _between(pitches.levels, places)
    chroma = _between(octaves.sum(axis=1), places)
    changes = (
        _standardized(_change(chroma, 1))
        + 2 * _standardized(_change(X, 4))
        + 2 * _standardized(repetition_steps(X, width=_NARROW))
        + _standardized(repetition_steps(X, width=_WIDE))
        + _standardized(X[:, pitches.centers < _BASS].mean(axis=1))
    )
    attacks = _standardized(at_times(strength, bands.hop, times))
    return Cues(attacks, _standardized(changes), X)


def _standardized(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray((x - x.mean()) / max(float(x.std()), 1e-6))


def _between(levels: NDArray[np.floating], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average levels (n_frames, n) from each pulse to the next: (n_pulses, n), mean 0 over all."""
    ends = np.append(places, places[-1] + np.median(np.diff(places)))
    edges = np.clip(ends + 0.5, 0, len(levels))  # frame k reaches from k to k + 1
    sums = np.zeros((len(levels) + 2, levels.shape[1]))
    np.cumsum(levels, axis=0, out=sums[1:-1])
    whole = edges.astype(np.intp)
    part = (edges - whole)[:, None]
    integrals = (1 - part) * sums[whole] + part * sums[whole + 1]
    X = np.diff(integrals, axis=0) / np.maximum(np.diff(edges), 1)[:, None]
    return np.asarray(X - X.mean(axis=0))


def _change(X: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Compute the distance of the means of `width` rows before and after the start of each row."""
    sums = np.concatenate([np.zeros((1, X.shape[1])), X.cumsum(axis=0)])
    i = np.arange(len(X))
    left, right = np.maximum(i - width, 0), np.minimum(i + width, len(X))
    before = (sums[i] - sums[left]) / np.maximum(i - left, 1)[:, None]
    after = (sums[right] - sums[i]) / (right - i)[:, None]
    return np.asarray(np.linalg.norm(after - before, axis=1))


def repetition_steps(
    X: NDArray[np.float64], *, width: int, max_lag: int = 320
) -> NDArray[np.float64]:
    """Detect starts and ends of repeated passages.

    Parameters
    ----------
    X : ndarray of float64, shape (n_pulses, n_features)
        One vector per pulse.
    width : int
        Pulses averaged before and after each edge.
    max_lag : int, default 320
        Maximum lag of a repetition in pulses.

    Returns
    -------
    steps : ndarray of float64, shape (n_pulses,)
        Largest step of the similarity along a diagonal at the start of each pulse, over all lags
        from `width` on.
    """
    n_pulses = len(X)
    largest = np.zeros(n_pulses)
    for lag, similarity in diagonals_of(X, range(width, min(max_lag, n_pulses - width))):
        sums = np.concatenate([[0.0], similarity.cumsum(dtype=np.float64)])
        i = np.arange(len(similarity))
        left, right = np.maximum(i - width, 0), np.minimum(i + width, len(similarity))
        step = np.abs(sums[right] + sums[left] - 2 * sums[i]) / width
        np.maximum(largest[:-lag], step, out=largest[:-lag])
        np.maximum(largest[lag:], step, out=largest[lag:])
    return largest


def diagonals_of(
    X: NDArray[np.floating], lags: Iterable[int]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each lag, and the cosine of each vector with that `lag` later: (n_pulses - lag,)."""
    unit = (X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    for lag in lags:
        yield lag, np.einsum("ij,ij->i", unit[:-lag], unit[lag:])


def find_bars(pulse: Pulse, cues: Cues) -> BarPositions:
    """Find the most probable metre and bar lines, given accents and priors."""
    metres = [
        metre
        for metre in (METRES if pulse.per_beat is None else KNOWN_BEATS)
        if pulse.per_beat in (None, metre.pulses_per_beat)
    ]
    sparseness = float(np.clip(np.mean(cues.attacks**3), -_MOST_SKEWNESS, _MOST_SKEWNESS))
    slips = None if pulse.per_beat else slip_costs(pulse.times)
    found = []
    for metre in metres:
        evidence = evidence_of(metre, cues)
        start = evidence[0]
        if slips is None:  # the first pulse is a beat
            on_beat = np.arange(len(metre.pattern)) % metre.pulses_per_beat == 0
            start = np.where(on_beat, start, -np.inf)
        positions = _viterbi(evidence, start, slips)
        likelihood = _EVIDENCE * float(evidence_at(evidence, positions).mean())
        score = likelihood + _log_prior(metre, pulse.period)
        if metre.pulses_per_tactus == 4:
            score += _SPARSE_WEIGHT * (sparseness - _SPARSE_SKEWNESS)
        lead = lead_of(evidence, positions)
        found.append(BarPositions(metre=metre, positions=positions, score=score, lead=lead))
    return max(found, key=lambda bars: bars.score)


def at_double_tempo(bars: BarPositions, cues: Cues) -> BarPositions:
    """Split each bar into two of as many beats, at double tempo. Beats have 2 or 4 pulses."""
    beats, per_beat = bars.metre.beats, bars.metre.pulses_per_beat
    metre = next(
        metre
        for metre in (*METRES, *KNOWN_BEATS)
        if (metre.beats, 2 * metre.pulses_per_beat) == (beats, per_beat)
    )
    positions = bars.positions % len(metre.pattern)
    lead = lead_of(evidence_of(metre, cues), positions)
    return replace(bars, metre=metre, positions=positions, lead=lead)


def rival_of(bars: BarPositions, cues: Cues) -> BarPositions | None:
    """Move all bar lines by whole beats to where they are nearly as probable.

    Returns
    -------
    rival : BarPositions or None
        The most probable ones, with a lead of minus that of `bars` over them; None if that lead is
        clear, or there is no other.
    """
    n_positions = len(bars.metre.pattern)
    turns = np.arange(bars.metre.pulses_per_beat, n_positions, bars.metre.pulses_per_beat)
    leads = leads_of(evidence_of(bars.metre, cues), bars.positions)[turns - 1]
    lead, turn = float(leads.min()), int(turns[leads.argmin()])
    lines = np.flatnonzero(bars.positions == n_positions - turn)
    if lead > _CLEAR_LEAD or not lines.size:
        return None
    pulses = np.arange(len(bars.positions))
    last = lines[np.maximum(np.searchsorted(lines, pulses, side="right") - 1, 0)]
    before = (pulses - last) % n_positions
    return replace(bars, positions=np.where(pulses < lines[0], before, pulses - last), lead=-lead)


def evidence_at(
    evidence: NDArray[np.float64], positions: NDArray[np.intp], turn: int = 0
) -> NDArray[np.float64]:
    """Return the evidence (n_pulses,) for positions, rotated by `turn` pulses."""
    columns = (positions + turn) % evidence.shape[1]
    return np.asarray(np.take_along_axis(evidence, columns[:, None], axis=1)[:, 0])


def lead_of(evidence: NDArray[np.float64], positions: NDArray[np.intp]) -> float:
    """Compute the lead of positions over their best rotation, in standard errors."""
    return float(leads_of(evidence, positions).min())


def leads_of(evidence: NDArray[np.float64], positions: NDArray[np.intp]) -> NDArray[np.float64]:
    """Compute the lead of positions over each rotation, by 1 pulse and more, in standard errors."""
    n_pulses, n_positions = evidence.shape
    ahead = evidence_at(evidence, positions)[:, None] - np.stack(
        [evidence_at(evidence, positions, turn) for turn in range(1, n_positions)], axis=1
    )
    error = ahead.std(axis=0) / np.sqrt(max(1.0, n_pulses / n_positions))
    return np.asarray(ahead.mean(axis=0) / np.maximum(error, 1e-9))


def _log_prior(metre: Metre, period: float) -> float:
    """Compute the log prior probability of a metre at a pulse period in seconds.

    That of the metre, and normal distributions of the log durations of bar and tactus.
    """
    bar = np.log2(len(metre.pattern) * period / _USUAL_BAR) / _BAR_OCTAVES
    beat = np.log2(metre.pulses_per_tactus * period / _USUAL_BEAT) / _BEAT_OCTAVES
    return float(metre.preference - (bar**2 + beat**2) / 2)


def evidence_of(metre: Metre, cues: Cues) -> NDArray[np.float64]:
    """Compute the log likelihood (n_pulses, n_positions) of the cues at each position.

    Each cue is taken as normal, of unit variance around its expected value at the position, and
    weighted; what is constant over positions is left out.
    """
    ranks = ["DHbos".index(rank) for rank in metre.pattern]
    total = np.zeros((len(cues.attacks), len(ranks)))
    for cue, expected, weight in (
        (cues.attacks, _ATTACKS, _ATTACK_WEIGHT),
        (cues.changes, _CHANGES, _CHANGE_WEIGHT),
    ):
        means = np.array(expected[metre.pulses_per_tactus])[ranks]
        means = means - means.mean()
        total += weight * (np.multiply.outer(cue, means) - np.square(means) / 2)
    return total


def slip_costs(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the cost (n_pulses,) of losing or inserting a part of a bar at each pulse.

    It is lower at tempo changes, where the pulse tracker may skip or repeat a pulse. `times` are in
    seconds.
    """
    pulses = np.pad(times, _AROUND, mode="reflect", reflect_type="odd")
    before = pulses[_AROUND:-_AROUND] - pulses[: -2 * _AROUND]
    after = pulses[2 * _AROUND :] - pulses[_AROUND:-_AROUND]
    change = np.log(after / before) / _TEMPO_CHANGE
    return np.asarray(_SLIP / (1 + np.square(change)))


def _viterbi(
    evidence: NDArray[np.float64],
    start: NDArray[np.float64],
    slips: NDArray[np.float64] | None,
) -> NDArray[np.intp]:
    """Find the most probable positions (n_pulses,), consecutive but for costly slips (Viterbi).

    `start` (n_positions,) is the evidence for the first position.
    """
    n_pulses, n_positions = evidence.shape
    before = (np.arange(n_positions) - 1) % n_positions
    best = start
    origin = np.tile(before, (n_pulses, 1))
    for t in range(1, n_pulses):
        onward = best[before]
        if slips is not None:
            top = int(best.argmax())
            slipped = best[top] - slips[t] > onward
            origin[t, slipped] = top
            onward = np.where(slipped, best[top] - slips[t], onward)
        best = onward + evidence[t]
    return backtracked(origin, int(best.argmax()))
