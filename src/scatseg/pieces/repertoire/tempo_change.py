"""Slow, fast, slow: a lament for cello and piano around a dance for clarinet and guitar."""

from __future__ import annotations

import numpy as np

from scatseg.pieces.accompaniment import arpeggio, bass_line, chords, sustained_chords
from scatseg.pieces.drums import TUNING, kit
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import melody
from scatseg.pieces.score import Note, Score, Section, at, held, run

SLOW, FAST = 72, 152


def slow_fire_quick_step(rng: np.random.Generator) -> Score:
    """Write the piece."""
    lament, dance = _lament(rng), _dance(rng)
    ending = at(0, cello=held(50, beats=5), strings=held(57, 62, 65, beats=5)) | at(
        0, piano=held(38, 50, 57, 62, 65, 69, beats=5, roll=0.15)
    )
    return Score(
        title="Slow Fire, Quick Step",
        sections=(lament, dance, lament),
        ending=ending,
        ring_out=5.0,
        reverb=1.6,
    )


def _lament(rng: np.random.Generator) -> Section:
    changes = progression("Dm | Gm6 | A7 | Dm | Bb | Gm6 | Em7b5 A7 | Dm", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("D", "harmonic"),
        low=50,
        high=69,
        plan="abac",
        motifs={
            "a": ("x---x-x-|x-----x-", "x-----x-|x-x-x---", "x--xx-x-|x-----x-"),
            "b": ("x-x-x-x-|x-----..", "x---x-x-|x-----.."),
            "c": ("x---x-x-|X-----..", "x-x-x-x-|X-----.."),
        },
        final=2,
    )
    orders = ((0, 1, 2, 3, 2, 1), (0, 2, 1, 3, 2, 1), (0, 1, 3, 2, 1, 2))
    order = orders[rng.integers(3)]
    ripples = arpeggio(changes, "xooooooo", order, low=57, high=77, ring=0.5)
    low_octave = bass_line(changes, "x-------", low=33)
    return Section(
        label="A",
        n_bars=8,
        tempo=SLOW,
        slowing=0.85,
        parts=at(0, cello=tune)
        | at(2, piano=(*low_octave, *ripples))
        | at(0, strings=sustained_chords(changes, low=55, high=74, n_voices=3)),
        fills=(
            {"piano": (*held(38, 45), *run(1, (62, 65, 69, 74, 77, 81), step=0.5))},
            {"piano": (*held(38, 45), *run(0.5, (81, 77, 74, 69, 65, 62, 57), step=0.5))},
            {"piano": (*held(38, 45), *run(1, (69, 74, 77, 74, 69, 65), step=0.5))},
        ),
    )


def _dance(rng: np.random.Generator) -> Section:
    changes = progression(
        "D | D | A7 | D | G | D | A7 | D | Bm | Em | A7 | D | G | D | A7 | D", beats_per_bar=4
    )
    tune = melody(
        rng,
        changes,
        scale=key_scale("D"),
        low=69,
        high=88,
        plan="aabcaabd",
        motifs={
            "a": ("x.xxx.x.|x.xxx-x.", "xxx.xxx.|x.x.x-..", "x.xxxxx.|x.x.x.x."),
            "b": ("xxxxx.x.|xxxxx.x.", "x.x.xxxx|x.x.xxx."),
            "c": ("xxxxxxxx|x.x.x-..", "x.xxxxx.|x.x.x-.."),
            "d": ("xxxxxxxx|x.x.X-..", "x.xxx.xx|x.x.X-.."),
        },
        final=2,
    )
    drums = kit(64, steps=2, kick="x...x...", tambourine="xoxoxoxo", snare=".o.x.o.x")
    return Section(
        label="B",
        n_bars=16,
        tempo=FAST,
        parts=at(0, clarinet=tune)
        | at(2, **drums)
        | at(0, upright=bass_line(changes, "x-..x-..", low=29, fifths=True))
        | at(1, guitar=chords(changes, "..x...x.", low=54, high=74, strum=0.03))
        | at(-4, crash=(Note(0, 1, TUNING["crash"], 0.6),)),
        fills=(
            kit(4, snare="x.xxx.xxx.xxX..."),
            kit(4, snare="o.o.o.o.xxxxX..."),
            kit(4, snare="x..x..x.xxxxX..."),
        ),
    )
