"""Chord symbols -> pitches: progressions, chord scales, voicings with smooth voice leading."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
}

# Semitones above the root, by decreasing importance: the last can be omitted first.
QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "add9": (0, 4, 7, 2),
    "6": (4, 9, 0, 7),
    "69": (4, 9, 2, 7, 0),
    "m6": (3, 9, 0, 7),
    "7": (4, 10, 0, 7),
    "7b9": (4, 10, 1, 7, 0),
    "9": (4, 10, 2, 7, 0),
    "9sus": (5, 10, 2, 7, 0),
    "13": (4, 10, 9, 2, 0),
    "maj7": (4, 11, 7, 0),
    "maj9": (4, 11, 2, 7, 0),
    "m7": (3, 10, 7, 0),
    "m9": (3, 10, 2, 7, 0),
    "m7b5": (3, 10, 6, 0),
    "dim7": (0, 3, 6, 9),
}

SYMBOL = re.compile(r"([A-G][b#]?)([^/]*)(?:/([A-G][b#]?))?")


class Chord(NamedTuple):
    """A chord.

    Parameters
    ----------
    root, bass : int
        Pitch classes, 0 is C; the bass differs from the root in an inversion.
    intervals : tuple of int
        Semitones above the root, by decreasing importance.
    """

    root: int
    bass: int
    intervals: tuple[int, ...]

    @property
    def tones(self) -> frozenset[int]:
        """Pitch classes of the chord."""
        return frozenset((self.root + i) % 12 for i in self.intervals)

    @property
    def melody_tones(self) -> frozenset[int]:
        """Pitch classes on which a melody can rest: none a semitone above another chord tone."""
        return frozenset(tone for tone in self.tones if (tone - 1) % 12 not in self.tones)


class Span(NamedTuple):
    """One chord of a progression: `start` and `length` in beats."""

    start: float
    length: float
    chord: Chord


Changes = tuple[Span, ...]


def pitch_class(name: str) -> int:
    """Return the pitch class of a note name, 0 is C.

    Examples
    --------
    >>> pitch_class("Bb")
    10
    """
    return (STEPS[name[0]] + {"": 0, "b": -1, "#": 1}[name[1:]]) % 12


def key_scale(tonic: str, mode: str = "major") -> frozenset[int]:
    """Return the pitch classes of a key; `mode` is one of `MODES`."""
    return frozenset((pitch_class(tonic) + i) % 12 for i in MODES[mode])


def parse_chord(symbol: str) -> Chord:
    """Parse a chord symbol.

    Parameters
    ----------
    symbol : str
        Root, quality (one of `QUALITIES`), and bass after a slash if it is not the root.

    Raises
    ------
    ValueError
        When the symbol is invalid.

    Examples
    --------
    >>> parse_chord("C/E")
    Chord(root=0, bass=4, intervals=(0, 4, 7))
    """
    match = SYMBOL.fullmatch(symbol)
    if match is None or match[2] not in QUALITIES:
        msg = f"a chord is a root A to G and one of {sorted(QUALITIES)}, got {symbol!r}"
        raise ValueError(msg)
    root = pitch_class(match[1])
    return Chord(root, pitch_class(match[3]) if match[3] else root, QUALITIES[match[2]])


def progression(text: str, *, beats_per_bar: int) -> Changes:
    """Parse a chord progression written bar by bar.

    Parameters
    ----------
    text : str
        Bars separated by `|`; the chords of a bar have equal lengths.
    beats_per_bar : int
        Beats per bar.

    Examples
    --------
    >>> [(span.start, span.length) for span in progression("C | F G", beats_per_bar=4)]
    [(0.0, 4.0), (4.0, 2.0), (6.0, 2.0)]
    """
    spans = []
    for bar, symbols in enumerate(text.split("|")):
        chords = [parse_chord(symbol) for symbol in symbols.split()]
        length = beats_per_bar / len(chords)
        spans += [
            Span(float(bar * beats_per_bar + i * length), length, chord)
            for i, chord in enumerate(chords)
        ]
    return tuple(spans)


def n_beats(changes: Changes) -> float:
    """Return the length of a progression in beats."""
    return changes[-1].start + changes[-1].length


def span_at(changes: Changes, beat: float) -> int:
    """Return the index of the chord at a beat; 0 before the first chord."""
    index = 0
    for i, span in enumerate(changes):
        if span.start <= beat:
            index = i
    return index


def chord_at(changes: Changes, beat: float) -> Chord:
    """Return the chord at a beat."""
    return changes[span_at(changes, beat)].chord


def fitting_scale(scale: frozenset[int], chord: Chord) -> frozenset[int]:
    """Adapt the scale of a key to a chord: each non-diatonic chord tone replaces a neighbor.

    Of two neighbors it replaces the one that leaves the more even scale; in a tie, a major third is
    a raised note and any other tone a lowered one.

    Examples
    --------
    >>> fitting_scale(key_scale("C"), parse_chord("C7")) == key_scale("F")
    True
    """
    for tone in sorted(chord.tones - scale):
        below, above = (tone - 1) % 12, (tone + 1) % 12
        raised = (tone - chord.root) % 12 == 4
        neighbors = (below, above) if raised else (above, below)
        free = [n for n in neighbors if n in scale and n not in chord.tones]
        options = [scale - {neighbor} | {tone} for neighbor in free] or [scale | {tone}]
        scale = min(options, key=_widest_gap)
    return scale


def _widest_gap(scale: frozenset[int]) -> int:
    """Return the largest step of a scale in semitones."""
    tones = sorted(scale)
    return max(b - a for a, b in itertools.pairwise([*tones, tones[0] + 12]))


def voicings(
    changes: Changes, *, low: int, high: int, n_voices: int = 4, rootless: bool = False
) -> tuple[tuple[int, ...], ...]:
    """Choose pitches for each chord with minimal motion of the voices.

    Parameters
    ----------
    changes : tuple of Span
        The progression.
    low, high : int
        Lowest and highest MIDI pitch allowed; an octave and a half is always enough.
    n_voices : int, default 4
        Voices per chord; a chord with fewer tones doubles its first.
    rootless : bool, default False
        Omit the root if three other tones remain.

    Returns
    -------
    pitches : tuple of tuple of int
        MIDI pitches of each chord, ascending.
    """
    center = (low + high) / 2
    previous: tuple[int, ...] | None = None
    chosen = []
    for span in changes:
        options = _positions(_sounding(span.chord, n_voices, rootless), n_voices, low, high)
        prices = [_motion(previous, p) + abs(sum(p) / len(p) - center) for p in options]
        previous = options[prices.index(min(prices))]
        chosen.append(previous)
    return tuple(chosen)


def _sounding(chord: Chord, n_voices: int, rootless: bool) -> list[int]:
    """Return the pitch classes to voice, ascending from C, without the least important ones."""
    intervals = [i for i in chord.intervals if i or not rootless]
    if len(intervals) < 3:
        intervals = list(chord.intervals)
    return sorted((chord.root + i) % 12 for i in intervals[:n_voices])


def _positions(classes: list[int], n_voices: int, low: int, high: int) -> list[tuple[int, ...]]:
    """Return all close positions in the range, and each opened by raising its second voice."""
    ladder = [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]
    close = [tuple(ladder[i : i + n_voices]) for i in range(len(ladder) - n_voices + 1)]
    opened = [tuple(sorted((p[0], p[1] + 12, *p[2:]))) for p in close if p[1] + 12 <= high]
    distinct = [p for p in close + opened if len(set(p)) == n_voices]
    if not distinct:
        msg = f"{n_voices} voices do not fit between pitches {low} and {high}: widen the range"
        raise ValueError(msg)
    return distinct


def _motion(before: tuple[int, ...] | None, after: tuple[int, ...]) -> float:
    """Return the cost of a voicing: motion in semitones, plus penalties for semitones and width."""
    crowding = 15.0 * sum(b - a in (1, 13) for a, b in itertools.combinations(after, 2))
    spread = 0.5 * (after[-1] - after[0])
    if before is None:
        return crowding + spread
    return crowding + spread + sum(abs(a - b) for a, b in zip(before, after, strict=True))
