"""The pieces, one module per form: random generator -> `Score`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from scatseg.pieces.repertoire.aaba import half_past_blue
from scatseg.pieces.repertoire.rondo import rondo_for_a_small_room
from scatseg.pieces.repertoire.tempo_change import slow_fire_quick_step
from scatseg.pieces.repertoire.through_composed import five_windows
from scatseg.pieces.repertoire.verse_chorus import seven_streets_over
from scatseg.pieces.repertoire.waltz import lantern_waltz
from scatseg.pieces.score import Score

SCORES: Mapping[str, Callable[[np.random.Generator], Score]] = {
    "aaba": half_past_blue,
    "verse-chorus": seven_streets_over,
    "rondo": rondo_for_a_small_room,
    "through-composed": five_windows,
    "tempo-change": slow_fire_quick_step,
    "waltz": lantern_waltz,
}
