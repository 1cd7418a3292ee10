"""Song form in swing, A A B A: clarinet and brushes; a bridge for vibraphone, guitar and ride."""

from __future__ import annotations

import numpy as np

from scatseg.pieces.accompaniment import bass_line, chords, walking_bass
from scatseg.pieces.drums import TUNING, kit
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import melody
from scatseg.pieces.score import Note, Score, Section, at, held, run

TEMPO = 138
SWING = 0.64


def half_past_blue(rng: np.random.Generator) -> Score:
    """Write the piece."""
    head, bridge = _head(rng), _bridge(rng)
    ending = (
        at(0, upright=held(29), clarinet=held(72))
        | at(0, vibraphone=run(0, (65, 69, 72, 74, 77), step=0.5))
        | at(-2, epiano=held(57, 62, 67, 72, beats=6, roll=0.08))
        | at(-8, crash=held(TUNING["crash"]))
    )
    return Score(title="Half Past Blue", sections=(head, head, bridge, head), ending=ending)


def _head(rng: np.random.Generator) -> Section:
    changes = progression(
        "Fmaj9 | D7b9 | Gm9 | C13 | Am7 D7b9 | Gm9 C13 | F69 D7b9 | Gm9 C13", beats_per_bar=4
    )
    tune = melody(
        rng,
        changes,
        scale=key_scale("F"),
        low=62,
        high=79,
        plan="aabc",
        motifs={
            "a": (".xxxx-x-|x--x-...", "x-xx.xx-|x---....", "..x-xxx-|x-x---.."),
            "b": (".xxxx-x-|x-xxx-..", "x-x-.xxx|x-x-x-..", "xxx-x-xx|.xx-x-.."),
            "c": ("x-xxx---|........", "xxx-x---|........", ".xxxX---|--......"),
        },
        final=5,
    )
    comping = ("x-.x-...|..x-..x-", "..x-..x-|x-.x-...", "x-....x-|..x-.x-.")
    comp = chords(changes, comping[rng.integers(3)], low=53, high=72, rootless=True)
    drums = kit(32, steps=2, brush="x-X-x-X-", hat="..x...x.", rim="........|......o.")
    return Section(
        label="A",
        n_bars=8,
        tempo=TEMPO,
        swing=SWING,
        parts=at(1, clarinet=tune, **drums)
        | at(-1, epiano=comp)
        | at(-2, upright=walking_bass(rng, changes, key_scale("F"), low=29)),
        fills=(
            kit(4, steps=2, snare="..o.o.oo"),
            kit(4, steps=2, snare="o.oo.ox."),
            kit(4, steps=2, snare="....oxoX") | {"epiano": run(2, (64, 67, 70, 74), step=0.5)},
        ),
    )


def _bridge(rng: np.random.Generator) -> Section:
    changes = progression("Cm9 | F13 | Bbmaj9 | Bb69 | Dm9 | G13 | Gm9 | C13", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=key_scale("F"),
        low=67,
        high=86,
        plan="abac",
        motifs={
            "a": ("x---x-x-|x-----..", "x-x-x---|..x---..", ".xx---x-|x-x---.."),
            "b": ("x-x-x-xx|x-----..", "x---x---|x-xxx-..", "xxx-xxx-|x---x-.."),
            "c": ("x-x-x-x-|x-------", "x--xx-x-|X-------"),
        },
        final=0,
    )
    strums = chords(changes, "x.X.x.X.", low=52, high=70, rootless=True, strum=0.02)
    drums = kit(32, steps=2, ride="x.xxx.xx", hat="..x...x.")
    return Section(
        label="B",
        n_bars=8,
        tempo=TEMPO,
        swing=SWING,
        parts=at(3, vibraphone=tune, **drums)
        | at(-6, guitar=strums)
        | at(0, upright=bass_line(changes, "x--.x--.", low=29, fifths=True))
        | at(-6, crash=(Note(0, 1, TUNING["crash"], 0.5),)),
        fills=(
            kit(4, steps=3, snare="x..o.ox.ox.X"),
            kit(4, steps=2, snare="x.xx..xX"),
            kit(4, steps=3, snare="...xooxooX.x"),
        ),
    )
