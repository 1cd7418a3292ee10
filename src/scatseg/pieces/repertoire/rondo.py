"""Rondo A B A C A: harpsichord and strings; a violin in the minor; a flute with a lute."""

from __future__ import annotations

import numpy as np

from scatseg.pieces.accompaniment import arpeggio, bass_line, chords, sustained_chords, walking_bass
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import melody
from scatseg.pieces.score import Note, Score, Section, at, held, run

TEMPO = 120


def rondo_for_a_small_room(rng: np.random.Generator) -> Score:
    """Write the piece."""
    a, b, c = _refrain(rng), _minor_couplet(rng), _pastoral_couplet(rng)
    ending = (
        at(0, harpsichord=held(55, 59, 62, 67, 71, 79, beats=6, roll=0.12), cello=held(43))
        | at(-2, strings=held(62, 67, 71, 74))
        | at(-4, violin=held(79))
    )
    return Score(
        title="Rondo for a Small Room", sections=(a, b, a, c, a), ending=ending, reverb=1.4
    )


def _refrain(rng: np.random.Generator) -> Section:
    changes = progression("G | Em | C | D7 | G Em | Am D7 | G D7 | G", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("G"),
        low=69,
        high=86,
        plan="abac",
        steps=4,
        motifs={
            "a": (
                "x---x-x-x-x-x-xx|x-x-x-x-x---x---",
                "x-xxx-x-x-xxx-x-|x---x-x-x-x-x---",
                "x-x-xxx-x-x-xxx-|x-x-x---x-x-x---",
            ),
            "b": ("x-xxx-xxx-x-x-x-|x-x-x-x-x---....", "x-x-x-x-xxxxx-x-|x---x-x-x---...."),
            "c": ("x-x-x-x-x-xxx-x-|X---------------", "x-xxx-xxx-x-x-x-|X---------------"),
        },
        final=7,
    )
    left_hand = chords(changes, "x.o.x.o.", low=50, high=66, n_voices=3)
    chord = held(50, 55, 59, 67, beats=2, velocity=0.65)
    return Section(
        label="A",
        n_bars=8,
        tempo=TEMPO,
        parts=at(1, harpsichord=(*tune, *left_hand))
        | at(-3, cello=walking_bass(rng, changes, key_scale("G"), low=36))
        | at(-7, strings=sustained_chords(changes, low=59, high=76))
        | at(-11, violin=tune),
        fills=(
            {"harpsichord": chord + run(2, (74, 76, 78, 79, 81, 83, 84, 86))},
            {"harpsichord": chord + run(2, (86, 84, 83, 81, 79, 78, 76, 74))},
            {"harpsichord": chord + run(2, (67, 71, 74, 79, 83, 79, 74, 71))},
        ),
    )


def _minor_couplet(rng: np.random.Generator) -> Section:
    changes = progression("Em | B7 | Em | Am | D7 | G | F#m7b5 B7 | Em", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("E", "minor"),
        low=59,
        high=77,
        plan="abac",
        motifs={
            "a": ("x---x-x-|x-x-x---", "x-x-x---|x---x-x-", "x--xx-x-|x---x---"),
            "b": ("x-x-x-x-|x-----..", "x---x-xx|x-----.."),
            "c": ("x---x-x-|X-------", "x-x-x-x-|X-------"),
        },
        final=4,
    )
    return Section(
        label="B",
        n_bars=8,
        tempo=TEMPO,
        parts=at(1, violin=tune)
        | at(1, strings=sustained_chords(changes, low=48, high=66))
        | at(0, cello=bass_line(changes, "x---x---", low=36)),
        fills=(
            {"violin": (Note(0, 2, 64, 0.75), *run(2, (64, 66, 67, 71), step=0.5))},
            {"violin": (Note(0, 2, 64, 0.75), *run(2, (71, 69, 67, 66), step=0.5))},
            {"violin": (Note(0, 2.5, 64, 0.75), *run(2.5, (64, 63, 64, 66, 67, 66)))},
        ),
    )


def _pastoral_couplet(rng: np.random.Generator) -> Section:
    changes = progression("C | F | G7 | C | A7 | Dm | G7 | C D7", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("C"),
        low=74,
        high=91,
        plan="aabc",
        motifs={
            "a": ("x--xx-x-|x---x-..", "x-x-x--x|x---x-..", "x--xx--x|x-x-x-.."),
            "b": ("x-xxx-xx|x-x-x-..", "x-x-xxx-|x-xxx-.."),
            "c": ("x--xx-x-|X---....", "x-x-x-x-|X---...."),
        },
        final=0,
    )
    figures = ((0, 2, 1, 2, 3, 2, 1, 2), (0, 1, 2, 3, 2, 1, 2, 1), (0, 2, 3, 2, 1, 2, 3, 2))
    figure = figures[rng.integers(3)]
    plucks = arpeggio(changes, "xoooxooo", figure, low=55, high=74, steps=4, ring=0.25)
    chord = held(55, 60, 64, beats=2, velocity=0.6)
    return Section(
        label="C",
        n_bars=8,
        tempo=TEMPO,
        parts=at(-1, flute=tune)
        | at(3, lute=plucks)
        | at(1, pizzicato=bass_line(changes, "x-..x-..", low=40, fifths=True)),
        fills=(
            {"lute": chord + run(2, (62, 64, 66, 67, 69, 71, 72, 74))},
            {"lute": chord + run(2, (74, 72, 69, 66, 74, 72, 69, 66))},
        ),
    )
