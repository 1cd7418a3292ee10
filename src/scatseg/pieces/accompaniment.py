"""Progressions -> accompaniments: chords, arpeggios, bass lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scatseg.pieces.harmony import Changes, Span, fitting_scale, n_beats, span_at, voicings
from scatseg.pieces.score import Note, rhythm


def chords(
    changes: Changes,
    pattern: str,
    *,
    low: int,
    high: int,
    n_voices: int = 4,
    rootless: bool = False,
    steps: int = 2,
    strum: float = 0.0,
) -> tuple[Note, ...]:
    """Play chords in a rhythm; `strum` is the delay in beats from one voice to the next higher."""
    pitches = voicings(changes, low=low, high=high, n_voices=n_voices, rootless=rootless)
    return tuple(
        Note(hit.start + i * strum, hit.length - i * strum, pitch, hit.velocity)
        for hit in rhythm(pattern, n_beats(changes), steps=steps)
        for i, pitch in enumerate(pitches[span_at(changes, hit.start)])
    )


def sustained_chords(
    changes: Changes, *, low: int, high: int, n_voices: int = 4, velocity: float = 0.6
) -> tuple[Note, ...]:
    """Hold each chord for its whole length."""
    pitches = voicings(changes, low=low, high=high, n_voices=n_voices)
    return tuple(
        Note(span.start, span.length, pitch, velocity)
        for span, chord in zip(changes, pitches, strict=True)
        for pitch in chord
    )


def arpeggio(
    changes: Changes,
    pattern: str,
    order: Sequence[int],
    *,
    low: int,
    high: int,
    n_voices: int = 4,
    steps: int = 2,
    ring: float = 0.0,
) -> tuple[Note, ...]:
    """Play broken chords.

    Parameters
    ----------
    changes : tuple of Span
        The progression.
    pattern : str
        Rhythm, as `rhythm` reads it.
    order : sequence of int
        Voices in playing order, 0 the lowest; restarts with each chord.
    low, high, n_voices
        As in `voicings`.
    steps : int, default 2
        Steps per beat in the pattern.
    ring : float, default 0
        Beats that a note sustains after its step, but not into the next chord.
    """
    pitches = voicings(changes, low=low, high=high, n_voices=n_voices)
    notes, last, count = [], -1, 0
    for hit in rhythm(pattern, n_beats(changes), steps=steps):
        span = span_at(changes, hit.start)
        count = count + 1 if span == last else 0
        last = span
        pitch = pitches[span][order[count % len(order)]]
        end = changes[span].start + changes[span].length
        length = max(hit.length, min(hit.length + ring, end - hit.start))
        notes.append(Note(hit.start, length, pitch, hit.velocity))
    return tuple(notes)


def bass_line(
    changes: Changes, pattern: str, *, low: int = 28, fifths: bool = False, steps: int = 2
) -> tuple[Note, ...]:
    """Play roots in a rhythm, in the octave above `low`; `fifths` alternates root and fifth."""
    notes, last, count = [], -1, 0
    for hit in rhythm(pattern, n_beats(changes), steps=steps):
        span = span_at(changes, hit.start)
        count = count + 1 if span == last else 0
        last = span
        pitch = low + (changes[span].chord.bass - low) % 12
        if fifths and count % 2:
            fifth = 6 if 6 in changes[span].chord.intervals else 7
            pitch += fifth if pitch + fifth < low + 16 else fifth - 12
        notes.append(Note(hit.start, hit.length, pitch, hit.velocity))
    return tuple(notes)


def walking_bass(
    rng: np.random.Generator, changes: Changes, scale: frozenset[int], *, low: int = 31
) -> tuple[Note, ...]:
    """Play a note per beat: the root of each new chord, then a path to the next root.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    changes : tuple of Span
        The progression; its last chord leads back to its first.
    scale : frozenset of int
        Pitch classes of the key.
    low : int, default 31
        MIDI pitch of the lowest root.
    """
    notes: list[Note] = []
    root = low + (changes[0].chord.bass - low) % 12
    for i, span in enumerate(changes):
        goal = changes[(i + 1) % len(changes)].chord.bass
        wanted = root + int(rng.choice([-5, 5]))
        goals = [pitch for pitch in range(low, low + 16) if pitch % 12 == goal]
        next_root = min(goals, key=lambda pitch: abs(pitch - wanted))
        way = _way(rng, root, next_root, span, scale)
        notes += [
            Note(span.start + beat, 0.92, pitch, 0.75 if beat % 2 else 0.68)
            for beat, pitch in enumerate(way)
        ]
        root = next_root
    return tuple(notes)


def _way(
    rng: np.random.Generator, root: int, next_root: int, span: Span, scale: frozenset[int]
) -> list[int]:
    """Return pitches from a root, one per beat: chord tones, then a neighbor of the next root."""
    n_steps = int(span.length)
    line = [root]
    fitting = fitting_scale(scale, span.chord)
    neighbors = [next_root + step for step in (-1, 1, 2, -2) if (next_root + step) % 12 in fitting]
    leading = neighbors[0] if neighbors and rng.random() < 0.6 else next_root - 1
    for step in range(1, n_steps - 1):
        wanted = root + (leading - root) * step / (n_steps - 1) + int(rng.choice([-2, 0, 2]))
        tones = [
            pitch
            for pitch in range(root - 9, root + 15)
            if pitch % 12 in span.chord.tones and pitch != line[-1]
        ]
        line.append(min(tones, key=lambda pitch: abs(pitch - wanted)))
    return [*line, leading if leading != line[-1] else next_root + 1][:n_steps]
