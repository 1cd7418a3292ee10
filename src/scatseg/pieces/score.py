"""Notes in beats -> notes in seconds: parts, sections, scores, and their performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VELOCITIES = {"o": 0.4, "x": 0.65, "X": 0.9}
JITTER = 0.003  # s, timing deviation of players
ENDING_BEATS = 32


class Note(NamedTuple):
    """One note of a part.

    Parameters
    ----------
    start, length : float
        Beats, from the first bar line of its section; a pickup starts before it, below 0.
    pitch : float
        MIDI number: 60 is middle C, 69 is A at 440 Hz.
    velocity : float
        In (0, 1].
    """

    start: float
    length: float
    pitch: float
    velocity: float


class Hit(NamedTuple):
    """One note of a rhythm, without pitch: `start` and `length` in beats."""

    start: float
    length: float
    velocity: float


class Part(NamedTuple):
    """Notes of one instrument in a section, and their `level` relative to its usual one, in dB."""

    notes: tuple[Note, ...]
    level: float = 0.0


Parts = Mapping[str, Part]
Fill = Mapping[str, tuple[Note, ...]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a score, performed once for each occurrence in the form.

    Parameters
    ----------
    label : str
        Label in the form.
    n_bars, beats_per_bar : int
        Length and meter.
    tempo : float
        Beats per minute.
    parts : mapping of str to Part
        Instrument to its part.
    fills : tuple of mappings of str to notes
        Alternatives for the last bar, one drawn at each performance: instruments in it play the
        fill, in beats from that bar line, in place of their last bar.
    swing : float, default 0.5
        Position of the off-beat within its beat; 2/3 is a triplet feel.
    slowing : float, default 1.0
        Tempo at the end of the last bar relative to `tempo`.
    """

    label: str
    n_bars: int
    tempo: float
    parts: Parts
    beats_per_bar: int = 4
    fills: tuple[Fill, ...] = ()
    swing: float = 0.5
    slowing: float = 1.0

    @property
    def n_beats(self) -> int:
        """Length of the section in beats."""
        return self.n_bars * self.beats_per_bar

    @property
    def beat_lengths(self) -> NDArray[np.float64]:
        """Seconds per beat, shape (n_beats,)."""
        tempo = np.full(self.n_beats, float(self.tempo))
        tempo[-self.beats_per_bar :] *= np.linspace(1, self.slowing, self.beats_per_bar)
        return 60 / tempo


@dataclass(frozen=True, kw_only=True)
class Score:
    """A piece: sections in playing order and a final chord.

    Parameters
    ----------
    title : str
        Title for display.
    sections : tuple of Section
        In playing order; repeats are the same object.
    ending : mapping of str to Part
        Final chord from the bar line after the last section, of which it is a part.
    pickup : int, default 0
        Beats before the first bar line.
    ring_out : float, default 3.5
        Seconds from the bar line of the ending to the end.
    reverb : float, default 1.2
        Reverberation time (to -60 dB) in seconds.
    """

    title: str
    sections: tuple[Section, ...]
    ending: Parts
    pickup: int = 0
    ring_out: float = 3.5
    reverb: float = 1.2


class Event(NamedTuple):
    """A note of a performance; times in seconds, MIDI pitch, velocity in (0, 1], level in dB."""

    start: float
    duration: float
    pitch: float
    velocity: float
    level: float


@dataclass(frozen=True, kw_only=True)
class Performance:
    """One performance of a score.

    Parameters
    ----------
    events : dict of str to list of Event
        Instrument to its notes.
    beats, downbeats : ndarray of float64
        Seconds, including the bar line of the ending.
    boundaries : ndarray of float64, shape (n_sections + 1,)
        Seconds, from 0 to the end of the ring-out.
    """

    events: dict[str, list[Event]] = field(repr=False)
    beats: NDArray[np.float64]
    downbeats: NDArray[np.float64]
    boundaries: NDArray[np.float64]


def rhythm(pattern: str, beats: float, *, steps: int = 2) -> tuple[Hit, ...]:
    """Parse a rhythm in drum-machine notation, repeated to fill a length.

    Parameters
    ----------
    pattern : str
        One character per step: `o`, `x`, `X` a soft, normal, accented note, `-` a continuation,
        `.` a rest; spaces and `|` are ignored.
    beats : float
        Length to fill, in beats.
    steps : int, default 2
        Steps per beat.

    Examples
    --------
    >>> rhythm("X-.x", 2)
    (Hit(start=0.0, length=1.0, velocity=0.9), Hit(start=1.5, length=0.5, velocity=0.65))
    """
    bar = pattern.replace(" ", "").replace("|", "")
    n_steps = round(beats * steps)
    if n_steps % len(bar):
        msg = f"a rhythm must divide {n_steps} steps, got {len(bar)} steps in {pattern!r}"
        raise ValueError(msg)
    symbols = bar * (n_steps // len(bar))
    hits = []
    for i, symbol in enumerate(symbols):
        if symbol in VELOCITIES:
            held = len(symbols[i + 1 :]) - len(symbols[i + 1 :].lstrip("-"))
            hits.append(Hit(i / steps, (1 + held) / steps, VELOCITIES[symbol]))
        elif symbol not in "-.":
            msg = f"a rhythm is written with o, x, X, - and ., got {symbol!r} in {pattern!r}"
            raise ValueError(msg)
    return tuple(hits)


def shifted(notes: Sequence[Note], beats: float = 0.0, semitones: float = 0.0) -> tuple[Note, ...]:
    """Shift notes in time and pitch."""
    return tuple(
        note._replace(start=note.start + beats, pitch=note.pitch + semitones) for note in notes
    )


def at(level: float, **lines: Sequence[Note]) -> dict[str, Part]:
    """Return parts of instruments with the same level in dB."""
    return {name: Part(tuple(notes), level) for name, notes in lines.items()}


def run(
    start: float, pitches: Sequence[int], *, step: float = 0.25, velocity: float = 0.8
) -> tuple[Note, ...]:
    """Play pitches evenly, one every `step` beats, with a crescendo to `velocity`."""
    force = np.linspace(0.6 * velocity, velocity, len(pitches)).tolist()
    return tuple(
        Note(start + i * step, step, pitch, v)
        for i, (pitch, v) in enumerate(zip(pitches, force, strict=True))
    )


def held(
    *pitches: int, start: float = 0.0, beats: float = 4.0, velocity: float = 0.7, roll: float = 0.0
) -> tuple[Note, ...]:
    """Hold a chord, rolled upwards with `roll` beats between voices."""
    return tuple(
        Note(start + i * roll, beats - i * roll, pitch, velocity) for i, pitch in enumerate(pitches)
    )


def perform(score: Score, rng: np.random.Generator) -> Performance:
    """Perform a score: convert beats to seconds, with random timing and velocity.

    Parameters
    ----------
    score : Score
        The score.
    rng : numpy.random.Generator
        Draws timing deviations of a few milliseconds, velocities and fills.
    """
    sections = score.sections
    lengths = [np.full(score.pickup, 60 / sections[0].tempo)]
    lengths += [section.beat_lengths for section in sections]
    grid = np.concatenate([[0.0], np.cumsum(np.concatenate(lengths))])
    # The final chord has the last tempo and no bar lines.
    tail = grid[-1] + 60 / sections[-1].tempo * np.arange(1, ENDING_BEATS + 1)
    clock = np.append(grid, tail)
    starts = [score.pickup + sum(s.n_beats for s in sections[:i]) for i in range(len(sections) + 1)]
    parts = [_with_fill(section, rng) for section in sections] + [score.ending]
    swings = [section.swing for section in sections] + [sections[-1].swing]
    events: dict[str, list[Event]] = {}
    for instruments, start, swing in zip(parts, starts, swings, strict=True):
        for name, part in instruments.items():
            events.setdefault(name, []).extend(_play(part, start, swing, clock, rng))
    downbeats = [
        grid[start + section.beats_per_bar * bar]
        for section, start in zip(sections, starts[:-1], strict=True)
        for bar in range(section.n_bars)
    ]
    end = grid[-1] + score.ring_out
    return Performance(
        events=events,
        beats=grid,
        downbeats=np.append(downbeats, grid[-1]),
        boundaries=np.concatenate([[0.0], grid[starts[1:-1]], [end]]),
    )


def _with_fill(section: Section, rng: np.random.Generator) -> Parts:
    """Return the parts of a section, with the last bar replaced by a random fill."""
    if not section.fills:
        return section.parts
    fill = section.fills[rng.integers(len(section.fills))]
    bar = section.n_beats - section.beats_per_bar
    parts = dict(section.parts)
    for name, notes in fill.items():
        own = parts.get(name, Part(()))
        kept = tuple(note for note in own.notes if note.start < bar)
        parts[name] = own._replace(notes=kept + shifted(notes, bar))
    return parts


def _play(
    part: Part, start: int, swing: float, clock: NDArray[np.float64], rng: np.random.Generator
) -> list[Event]:
    """Perform a part of the section that starts at a beat; `clock` has the time of every beat."""
    begin, length, pitch, velocity = np.array(part.notes, dtype=np.float64).reshape(-1, 4).T
    position = start + np.stack([begin, begin + length])
    beat = np.floor(position)
    swung = beat + np.interp(position - beat, [0, 0.5, 1], [0, swing, 1])
    times = np.interp(swung, np.arange(len(clock)), clock)
    late = np.clip(rng.normal(0, JITTER, begin.size), -3 * JITTER, 3 * JITTER)
    force = np.clip(velocity * rng.normal(1, 0.06, begin.size), 0.05, 1)
    rows = np.column_stack([np.maximum(times[0] + late, 0), times[1] - times[0], pitch, force])
    return [
        Event(start=when, duration=span, pitch=tone, velocity=touch, level=part.level)
        for when, span, tone, touch in rows.tolist()
    ]
