"""Waltz A B C B A in three-four time, with an upbeat: strings, then winds, then harp and cello."""

from __future__ import annotations

import numpy as np

from scatseg.pieces.accompaniment import arpeggio, bass_line, chords, sustained_chords
from scatseg.pieces.drums import TUNING, kit
from scatseg.pieces.harmony import key_scale, progression
from scatseg.pieces.melody import harmonized, melody
from scatseg.pieces.score import Score, Section, at, held, run

TEMPO = 176


def lantern_waltz(rng: np.random.Generator) -> Score:
    """Write the piece."""
    a, b, c = _ballroom(rng), _winds(rng), _trio(rng)
    ending = (
        at(0, violin=held(74, beats=5), strings=held(57, 62, 66, 69, beats=5))
        | at(0, upright=held(38, beats=5), piano=held(50, 57, 62, 66, beats=5))
        | at(-6, crash=held(TUNING["crash"]))
    )
    return Score(
        title="Lantern Waltz", sections=(a, b, c, b, a), ending=ending, pickup=1, reverb=1.5
    )


def _ballroom(rng: np.random.Generator) -> Section:
    changes = progression(
        "D | D | A7 | A7 | A7 | A7 | D | D | D | D7 | G | G | Gm6 | D/A | A7 | D", beats_per_bar=3
    )
    tune = melody(
        rng,
        changes,
        scale=key_scale("D"),
        low=66,
        high=83,
        plan="abac",
        beats_per_bar=3,
        pickup=1,
        motifs={
            "a": ("xx x---xx x---xx x---x- x---", "x- x---x- x---x- x---xx x---"),
            "b": ("xx x---x- x-x-x- x----- ....", "x- x-x-x- x---x- x----- ...."),
            "c": ("xx x---xx x-x-x- X----- ....", "x- x-x-x- x-x-x- X----- ...."),
        },
        final=2,
    )
    oom = bass_line(changes, "x-....", low=36, fifths=True)
    pah = chords(changes, "..x.x.", low=54, high=71, n_voices=3)
    return Section(
        label="A",
        n_bars=16,
        beats_per_bar=3,
        tempo=TEMPO,
        parts=at(1, violin=tune)
        | at(1, upright=oom, piano=pah, **kit(48, steps=2, kick="o.....", brush="..x-x-"))
        | at(0, strings=harmonized(tune, changes)),
        fills=(
            {"piano": run(0, (62, 66, 69, 74), step=0.5)},
            {"piano": run(0, (74, 69, 66, 62), step=0.5)},
            {"piano": (*held(54, 57, 62, start=0, beats=1), *run(1, (69, 74), step=0.5))},
        ),
    )


def _winds(rng: np.random.Generator) -> Section:
    changes = progression(
        "E7 | A | E7 | A | E7 | A | B7 | E7 | E7 | A | E7 | A | D | A/E | E7 | A7",
        beats_per_bar=3,
    )
    tune = melody(
        rng,
        changes,
        scale=key_scale("A"),
        low=69,
        high=88,
        plan="aabc",
        beats_per_bar=3,
        pickup=1,
        motifs={
            "a": ("x. x.xxx. x-..x. x.xxx. x-..", "xx x.x.xx x-..xx x.x.xx x-.."),
            "b": ("x. xxxxxx x-x.x. xxxxxx x-..", "xx x.xxx. x.xxxx x.xxx. x-.."),
            "c": ("x. x.xxx. x-..x. xxxxxx X-..", "xx x.x.xx x-..xx x.xxx. X-.."),
        },
        final=9,
    )
    return Section(
        label="B",
        n_bars=16,
        beats_per_bar=3,
        tempo=TEMPO,
        parts=at(1, clarinet=tune)
        | at(-4, flute=harmonized(tune, changes))
        | at(2, pizzicato=bass_line(changes, "x-..x-", low=40, fifths=True))
        | at(0, glockenspiel=chords(changes, "..x...", low=79, high=96, n_voices=2))
        | at(0, **kit(48, steps=2, snare="..o.o.", tambourine="x...o.")),
        fills=(
            kit(3, snare="x...x.x.xxxx"),
            kit(3, snare="....oooxxxXX"),
            kit(3, snare="x.xxx.xxX.X."),
        ),
    )


def _trio(rng: np.random.Generator) -> Section:
    changes = progression(
        "G | Bm | C | D7 | G | Em | Am | D7 | G | Bm | C | Cm6 | G/D | Em | Am D7 | G",
        beats_per_bar=3,
    )
    tune = melody(
        rng,
        changes,
        scale=key_scale("G"),
        low=50,
        high=69,
        plan="abac",
        beats_per_bar=3,
        pickup=1,
        motifs={
            "a": ("x- x----- x---x- x----- x---", "x- x---x- x----- x---x- x---"),
            "b": ("x- x---x- x---x- x----- ----", "x- x-x-x- x----- x----- ----"),
            "c": ("x- x---x- x-x-x- X----- ----", "x- x----- x-x-x- X----- ----"),
        },
        final=7,
    )
    order = ((0, 1, 2, 3, 2, 1), (0, 2, 1, 3, 1, 2), (0, 1, 3, 2, 3, 1))[rng.integers(3)]
    ripples = arpeggio(changes, "xooooo", order, low=55, high=79, ring=1.0)
    return Section(
        label="C",
        n_bars=16,
        beats_per_bar=3,
        tempo=TEMPO,
        parts=at(0, cello=tune)
        | at(1, harp=(*ripples, *bass_line(changes, "x-----", low=31)))
        | at(-1, pad=sustained_chords(changes, low=55, high=74, n_voices=3)),
        fills=(
            {"harp": run(0, (55, 62, 67, 71, 74, 79), step=0.5)},
            {"harp": run(0, (79, 74, 71, 67, 62, 55), step=0.5)},
        ),
    )
