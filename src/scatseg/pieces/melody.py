"""Progressions -> melodies: motifs, with pitches that fit the chords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scatseg.pieces.harmony import Changes, Span, chord_at, fitting_scale, n_beats
from scatseg.pieces.score import Hit, Note, rhythm

FORBIDDEN = 1e3
GAP = 3  # minimum semitones between two voices, to avoid seconds
SEMITONES_PER_STEP = 12 / 7
CONTOURS = ((0, 4, 2), (0, 3, -1), (0, -3, 1), (4, 0, 2), (0, 2, 5), (5, 3, 0), (0, 5, 4, 1))
"""Contours of motifs: heights in scale steps at evenly spaced times."""


def melody(
    rng: np.random.Generator,
    changes: Changes,
    *,
    scale: frozenset[int],
    low: int,
    high: int,
    plan: str,
    motifs: Mapping[str, Sequence[str]],
    beats_per_bar: int = 4,
    steps: int = 2,
    pickup: float = 0.0,
    final: int | None = None,
) -> tuple[Note, ...]:
    """Compose a melody from motifs, each a rhythm and a contour, fitted to the chords.

    Pitches are found by dynamic programming: chord tones on strong beats, other scale tones in
    passing, the intervals of the motif, few leaps, and a register that rises to three quarters of
    the melody and then falls.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the rhythm and contour of each motif, and preferences for pitches.
    changes : tuple of Span
        Chord progression.
    scale : frozenset of int
        Pitch classes of the key.
    low, high : int
        MIDI range.
    plan : str
        Sequence of motifs, e.g. "abac", with the total length of the changes.
    motifs : mapping of str to sequence of str
        Letter -> rhythms to choose from, see `rhythm`.
    beats_per_bar, steps : int
        Meter, and characters per beat in the rhythms.
    pickup : float, default 0
        Beats by which every motif begins before its bar line.
    final : int, optional
        Pitch class of the last note; any chord tone by default.

    Returns
    -------
    notes : tuple of Note
        One voice, without overlapping notes.
    """
    unit = n_beats(changes) / len(plan)
    drawn = {letter: _draw_motif(rng, motifs[letter], unit, steps) for letter in sorted(motifs)}
    hits: list[Hit] = []
    contour: list[float] = []
    for i, letter in enumerate(plan):
        motif, moves = drawn[letter]
        hits += [hit._replace(start=hit.start + i * unit - pickup) for hit in motif]
        contour += moves
    taste = {letter: rng.uniform(0, 1.0, high - low + 1) for letter in sorted(motifs)}
    prices = [_pitch_costs(hit, changes, scale, low, high, beats_per_bar) for hit in hits]
    own_cost = np.array(prices)
    own_cost += np.concatenate([np.tile(taste[a], (len(drawn[a][0]), 1)) for a in plan])
    own_cost += 0.02 * (np.arange(low, high + 1) - _arch(len(hits), low, high)[:, None]) ** 2
    if final is not None:
        own_cost[-1, (np.arange(low, high + 1) - final) % 12 != 0] += FORBIDDEN
    stable = np.array([_belongs(hit, changes, low, high) for hit in hits])
    pitches = low + _cheapest_path(own_cost, stable, np.array(contour) * SEMITONES_PER_STEP)
    return tuple(
        Note(hit.start, hit.length, pitch, hit.velocity)
        for hit, pitch in zip(hits, pitches.tolist(), strict=True)
    )


def _draw_motif(
    rng: np.random.Generator, patterns: Sequence[str], unit: float, steps: int
) -> tuple[tuple[Hit, ...], list[float]]:
    """Draw the rhythm of a motif, and the scale steps to each note along a contour."""
    hits = rhythm(patterns[int(rng.integers(len(patterns)))], unit, steps=steps)
    corners = CONTOURS[int(rng.integers(len(CONTOURS)))]
    position = np.linspace(0, len(corners) - 1, len(hits))
    heights = np.interp(position, np.arange(len(corners)), corners)
    heights += rng.normal(0, 0.8, len(hits))
    return hits, [0.0, *np.diff(heights).tolist()]


def _arch(n_notes: int, low: int, high: int) -> NDArray[np.float64]:
    """Return the target register in MIDI pitches: rising from the lower middle, then falling."""
    position = np.linspace(0, 1, n_notes)
    height = np.interp(position, [0, 0.7, 1], [0.35, 0.7, 0.35])
    return low + height * (high - low)


def _sung_over(hit: Hit, changes: Changes) -> list[Span]:
    """Return the chords that a note overlaps by half a beat or more, else the longest overlap."""
    shared = [
        min(hit.start + hit.length, span.start + span.length) - max(hit.start, span.start)
        for span in changes
    ]
    met = [span for span, beats in zip(changes, shared, strict=True) if beats > 0.5]
    return met or [changes[int(np.argmax(shared))]]


def is_strong(hit: Hit | Note, beats_per_bar: int) -> bool:
    """Return whether a note must be a chord tone: on the bar line or half bar, or long."""
    half = beats_per_bar / 2 if beats_per_bar % 2 == 0 else beats_per_bar
    return hit.start % half == 0 or hit.length >= 1.5


def _pitch_costs(
    hit: Hit,
    changes: Changes,
    scale: frozenset[int],
    low: int,
    high: int,
    beats_per_bar: int,
) -> NDArray[np.float64]:
    """Return the cost of each pitch from low to high for one note, regardless of its neighbors."""
    spans = _sung_over(hit, changes)
    allowed = frozenset.intersection(*(fitting_scale(scale, span.chord) for span in spans))
    restful = frozenset.intersection(*(span.chord.melody_tones for span in spans))
    if not restful:
        restful = spans[0].chord.melody_tones
        allowed = fitting_scale(scale, spans[0].chord)
    strong = is_strong(hit, beats_per_bar)
    prices = np.full(12, FORBIDDEN)
    for tone in range(12):
        if tone in restful:
            prices[tone] = 0.0
        elif tone in allowed and not strong:
            rubs = hit.length >= 1 and (tone - 1) % 12 in spans[0].chord.tones
            prices[tone] = 4.0 if rubs else 0.4
    return prices[np.arange(low, high + 1) % 12]


def _belongs(hit: Hit, changes: Changes, low: int, high: int) -> NDArray[np.bool_]:
    """Return whether each pitch from low to high is a tone of the note's chord."""
    tones = chord_at(changes, hit.start + hit.length / 2).tones
    return np.isin(np.arange(low, high + 1) % 12, sorted(tones))


def _cheapest_path(
    own_cost: NDArray[np.float64], stable: NDArray[np.bool_], wanted: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Find the pitches of lowest total cost by dynamic programming.

    Parameters
    ----------
    own_cost : ndarray of float, shape (n_notes, n_pitches)
        Cost of each pitch.
    stable : ndarray of bool, shape (n_notes, n_pitches)
        Whether leaps to and from the pitch are allowed.
    wanted : ndarray of float, shape (n_notes,)
        Interval to each note in the motif, in semitones.
    """
    n_notes, n_pitches = own_cost.shape
    interval = np.subtract.outer(np.arange(n_pitches), np.arange(n_pitches)).T  # [from, to]
    size = np.abs(interval)
    leap = (
        1.4 * (size == 0)
        + 1.5 * np.isin(size, (6, 10, 11))
        + 0.2 * (size > 2)
        + 0.25 * np.maximum(size - 5, 0) ** 2
    )
    total = own_cost[0]
    came_from = np.zeros((n_notes, n_pitches), dtype=np.intp)
    for i in range(1, n_notes):
        passing = ~(stable[i - 1][:, None] & stable[i][None, :])
        step = leap + 0.35 * np.abs(interval - wanted[i]) + 4.0 * (passing & (size > 2))
        through = total[:, None] + step
        came_from[i] = through.argmin(axis=0)
        total = through.min(axis=0) + own_cost[i]
    path = np.zeros(n_notes, dtype=np.intp)
    path[-1] = total.argmin()
    for i in range(n_notes - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def harmonized(notes: Sequence[Note], changes: Changes) -> tuple[Note, ...]:
    """Return a second voice: the nearest chord tone at least `GAP` semitones below each note."""
    voice = []
    for note in notes:
        tones = chord_at(changes, note.start + note.length / 2).tones
        below = next(p for p in range(int(note.pitch) - GAP, 0, -1) if p % 12 in tones)
        voice.append(note._replace(pitch=below))
    return tuple(voice)
