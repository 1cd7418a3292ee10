"""Pop song: intro, verse, chorus, verse, chorus, bridge, chorus, with drums, bass and guitar."""

from __future__ import annotations

import numpy as np

from scatseg.pieces.accompaniment import arpeggio, bass_line, chords, sustained_chords
from scatseg.pieces.drums import TUNING, kit
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import harmonized, melody
from scatseg.pieces.score import Note, Score, Section, at, held, run

TEMPO = 148
C_MAJOR = key_scale("C")
TOM_FILLS = (
    kit(4, snare="....X.xxX.xx....", kick="x.......x.......") | {"tom": run(3, (50, 50, 45, 41))},
    kit(4, snare="x.xxx.xxX.......", kick="x...x...x.......")
    | {"tom": run(2.5, (50, 50, 45, 45, 41, 41))},
    kit(4, snare="....X.....X.XxXX", kick="x.....x..x......") | {"tom": run(1.5, (48, 43))},
)


def seven_streets_over(rng: np.random.Generator) -> Score:
    """Write the piece."""
    intro, verse, chorus, bridge = _intro(rng), _verse(rng), _chorus(rng), _bridge(rng)
    ending = (
        at(0, bass=held(36, beats=6), lead=held(72), kick=held(TUNING["kick"]))
        | at(0, guitar=held(48, 55, 60, 64, 67, beats=7, roll=0.05), pad=held(55, 60, 64, 67))
        | at(0, crash=held(TUNING["crash"]))
    )
    order = (intro, verse, chorus, verse, chorus, bridge, chorus)
    return Score(
        title="Seven Streets Over", sections=order, ending=ending, ring_out=3.2, reverb=1.0
    )


def _intro(rng: np.random.Generator) -> Section:
    changes = progression("C | G/B | Am | F", beats_per_bar=4)
    orders = ((0, 2, 3, 1, 2, 3, 2, 1), (0, 1, 2, 3, 2, 1, 2, 3), (0, 3, 2, 1, 3, 2, 1, 2))
    riff = arpeggio(changes, "Xxxxxxxx", orders[rng.integers(3)], low=52, high=72, ring=0.5)
    return Section(
        label="intro",
        n_bars=4,
        tempo=TEMPO,
        parts=at(4, guitar=riff, **kit(16, shaker="x.o.x.o."))
        | at(-3, pad=sustained_chords(changes, low=52, high=70, n_voices=3)),
        fills=TOM_FILLS,
    )


def _verse(rng: np.random.Generator) -> Section:
    changes = progression("Am | F | C | G | Am | F | C | G", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=C_MAJOR,
        low=57,
        high=71,
        plan="abac",
        motifs={
            "a": ("x-xxx-x-|x--x-...", ".xxxx-xx|x---....", "x-x-xxx-|.xx-...."),
            "b": ("x-xxx-xx|x---....", ".xx-x-x-|xxx-....", "x--xx-x-|x-x-...."),
            "c": (".xxxx-xx|x-x-....", "x-xxx-x-|x---x-.."),
        },
        final=7,
    )
    riff = arpeggio(changes, "x.xxx.xx", (0, 1, 2, 1, 3, 2), low=48, high=67, ring=0.1)
    drums = kit(32, steps=2, kick="x.......|..x.....", rim="....x...|....x...", hat="xoxoxoxo")
    return Section(
        label="verse",
        n_bars=8,
        tempo=TEMPO,
        parts=at(2, lead=tune, **drums)
        | at(-3, bass=bass_line(changes, "x--x--x-"))
        | at(-2, guitar=riff),
        fills=TOM_FILLS,
    )


def _chorus(rng: np.random.Generator) -> Section:
    changes = progression("F | G | Am | C/E | F | G | C | C", beats_per_bar=4)
    tune = melody(
        rng,
        changes,
        scale=C_MAJOR,
        low=69,
        high=84,
        plan="aabc",
        motifs={
            "a": ("X---x-x-|x--x--x-", "X-x-x---|x-x-x---", "x-X---x-|x-x-x---"),
            "b": ("X-x-x-x-|x---x---", "X--x--x-|x---x-x-"),
            "c": ("X-------|........", "x-x-X---|----...."),
        },
        final=0,
    )
    drums = kit(
        32,
        steps=2,
        kick="x..x.x..",
        snare="..X...X.",
        open_hat="x.x.x.x.",
        tambourine=".x.x.x.x",
    )
    crashes = (Note(0, 1, TUNING["crash"], 0.8), Note(16, 1, TUNING["crash"], 0.6))
    return Section(
        label="chorus",
        n_bars=8,
        tempo=TEMPO,
        parts=at(4, lead=tune)
        | at(2, **drums)
        | at(0, bass=bass_line(changes, "xxxxxxxx"))
        | at(1, pad=sustained_chords(changes, low=55, high=74))
        | at(0, crash=crashes)
        | at(-2, guitar=chords(changes, "X-x-xxx-", low=52, high=72, strum=0.03))
        | at(2, strings=harmonized(tune, changes)),
        fills=TOM_FILLS,
    )


def _bridge(rng: np.random.Generator) -> Section:
    changes = progression("Dm | Dm | Bb | F | Dm | Bb | Gm | G", beats_per_bar=4)
    orders = ((3, 2, 1, 0, 1, 2), (0, 2, 1, 3, 1, 2), (3, 1, 2, 0, 2, 1))
    chimes = arpeggio(changes, "xxxxxxxx", orders[rng.integers(3)], low=67, high=88, ring=1.0)
    tune = melody(
        rng,
        changes,
        scale=C_MAJOR,
        low=69,
        high=84,
        plan="abac",
        motifs={
            "a": ("x-------|x---x---", "x---x---|x-----.."),
            "b": ("x-------|x-----..", "x---x---|x---...."),
            "c": ("x---x---|x-----..", "x-------|x---...."),
        },
    )
    drums = kit(32, steps=2, tom="x..x..x.|x...x...", kick="x.......")
    return Section(
        label="bridge",
        n_bars=8,
        tempo=TEMPO,
        parts=at(0, bell=chimes, bass=bass_line(changes, "x-------"), **drums)
        | at(-1, flute=tune)
        | at(3, pad=sustained_chords(changes, low=50, high=69))
        | at(-3, crash=(Note(0, 1, TUNING["crash"], 0.6),)),
        fills=(
            kit(4, snare="o.o.o.x.x.x.XxXX"),
            kit(4, snare="oooooooxxxxxxXXX"),
            kit(4, snare="x...x...x.x.xxXX"),
        ),
    )
