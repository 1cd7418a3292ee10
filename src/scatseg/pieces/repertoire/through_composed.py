"""Ambient scenes A B C D B E with different timbres; only B recurs, slightly varied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scatseg.pieces.accompaniment import arpeggio, bass_line, chords, sustained_chords
from scatseg.pieces.drums import kit
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import melody
from scatseg.pieces.score import Note, Score, Section, at, held, run, shifted

TEMPO = 80


def five_windows(rng: np.random.Generator) -> Score:
    """Write the piece."""
    lake = _lake(rng)
    # The second time the flute melody is doubled an octave above.
    song = lake.parts["flute"].notes
    again = replace(lake, parts={**lake.parts, **at(-2, glockenspiel=shifted(song, semitones=12))})
    sections = (_dawn(rng), lake, _hall(rng), _machine(rng), again, _dusk(rng))
    ending = at(0, pad=held(50, 57, 62, 66, beats=6)) | at(
        0, harp=held(50, 57, 62, 66, 69, 74, beats=6, roll=0.2)
    )
    return Score(title="Five Windows", sections=sections, ending=ending, ring_out=5.5, reverb=2.6)


def _dawn(rng: np.random.Generator) -> Section:
    changes = progression("Dmaj9 | Bm9 | Dmaj9 | Gmaj9", beats_per_bar=4)
    gusts = tuple(Note(start, 6, int(rng.integers(80, 90)), 0.6) for start in (0, 4, 8, 12))
    return Section(
        label="A",
        n_bars=4,
        tempo=TEMPO,
        parts=at(5, pad=sustained_chords(changes, low=50, high=69), wind=gusts)
        | at(1, cello=bass_line(changes, "o-------", low=38)),
    )


def _lake(rng: np.random.Generator) -> Section:
    changes = progression("Em9 | A9sus | F#m7 | Bm7", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("D"),
        low=69,
        high=84,
        plan="ab",
        motifs={
            "a": ("x---x-x-|x-----..", "x-x-x---|x---x-.."),
            "b": ("x---x---|x-----..", "x-x-x-x-|x-----.."),
        },
        final=11,
    )
    orders = ((0, 2, 1, 3, 2, 1, 3, 2), (3, 1, 2, 0, 2, 1, 3, 2), (0, 1, 2, 3, 1, 2, 3, 2))
    bells = arpeggio(changes, "x.xxx.xx", orders[rng.integers(3)], low=66, high=86, ring=1.5)
    return Section(
        label="B",
        n_bars=4,
        tempo=TEMPO,
        parts=at(0, bell=bells, bass=bass_line(changes, "x----x--", low=33))
        | at(-1, flute=tune)
        | at(-1, pad=sustained_chords(changes, low=52, high=69)),
        fills=(
            {"bell": run(0, (71, 74, 78, 81, 86, 81, 78, 74), step=0.5)},
            {"bell": run(0, (86, 81, 78, 74, 71, 74, 78, 81), step=0.5)},
            {"bell": run(0, (78, 81, 83, 86), step=1)},
        ),
    )


def _hall(rng: np.random.Generator) -> Section:
    changes = progression("Bbmaj7 | F/A | Gm9 | Dm7 | Ebmaj7 | C9sus", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("F"),
        low=50,
        high=67,
        plan="aab",
        motifs={
            "a": ("x---x---|x-x-x---", "x-----x-|x---x---"),
            "b": ("x---x-x-|x-------", "x---x---|x-------"),
        },
    )
    right_hand = chords(changes, "x---x-x-", low=62, high=82, strum=0.05)
    left_hand = bass_line(changes, "x---x---", low=34, fifths=True)
    return Section(
        label="C",
        n_bars=6,
        tempo=TEMPO,
        parts=at(0, piano=(*left_hand, *right_hand), cello=tune),
    )


def _machine(rng: np.random.Generator) -> Section:
    changes = progression("A | F#m7 | Dmaj7 | E", beats_per_bar=4)
    orders = ((0, 1, 2, 3, 2, 1), (0, 2, 1, 3, 1, 2), (3, 2, 1, 0, 2, 1))
    engine = arpeggio(changes, "XoxoXoxo", orders[rng.integers(3)], low=55, high=76, steps=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("A"),
        low=64,
        high=81,
        plan="ab",
        motifs={
            "a": ("x-----x-|x-x-....", "..x-x-x-|x---...."),
            "b": ("x-----x-|x---....", "..x-x---|x-x-...."),
        },
    )
    drums = kit(16, kick="x..x....x.......", shaker="oxoooxoo")
    return Section(
        label="D",
        n_bars=4,
        tempo=TEMPO,
        parts=at(0, pizzicato=engine, clarinet=tune, bass=bass_line(changes, "xxxxxxxx"), **drums),
    )


def _dusk(rng: np.random.Generator) -> Section:
    changes = progression("Gmaj9 | D/F# | Em9 | A9sus", beats_per_bar=4)
    orders = ((0, 1, 2, 3, 4), (0, 2, 1, 3, 4), (4, 3, 2, 1, 0))
    order = orders[rng.integers(3)]
    drops = arpeggio(changes, "x-x-x-x-", order, low=60, high=86, n_voices=5, ring=2)
    return Section(
        label="E",
        n_bars=4,
        tempo=TEMPO,
        slowing=0.8,
        parts=at(3, harp=drops) | at(4, strings=sustained_chords(changes, low=62, high=81)),
    )
