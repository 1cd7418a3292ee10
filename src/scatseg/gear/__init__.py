"""GEAR, generative evaluation of audio representations: which synthesis parameters they encode.

Sounds are synthesized on a grid of parameters. Nearest neighbors in feature space should be
neighbors in parameter space, and their Isomap embedding should recover the grid.

>>> from scatseg import gear, synth
>>> system = gear.representation("scattering:J=12")
>>> result = gear.evaluate(synth.AMChirp(), system, grid=3, n_neighbors=2)
>>> result.error_octaves["f_c"] < 0.2
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scatseg.gear.neighbors import (
    QUANTILES,
    SIGN_NEIGHBORS,
    Evaluation,
    chance,
    check_neighbors,
    coordinates,
    examine,
)
from scatseg.gear.representations import (
    REPRESENTATIONS,
    MeanJointScattering,
    MeanMFCC,
    MeanScattering,
    Representation,
    SideBySide,
    describe,
    representation,
)
from scatseg.gear.runs import (
    BATCH,
    CHANCE,
    IDEAL,
    Examined,
    System,
    check_system_names,
    run,
    system_scores,
)
from scatseg.gear.sounds import PlayedSounds, RecordedSounds, Sounds, played, recorded
from scatseg.synth import Synth

__all__ = [
    "BATCH",
    "CHANCE",
    "IDEAL",
    "QUANTILES",
    "REPRESENTATIONS",
    "SIGN_NEIGHBORS",
    "Evaluation",
    "Examined",
    "MeanJointScattering",
    "MeanMFCC",
    "MeanScattering",
    "PlayedSounds",
    "RecordedSounds",
    "Representation",
    "SideBySide",
    "Sounds",
    "System",
    "chance",
    "check_neighbors",
    "check_system_names",
    "coordinates",
    "describe",
    "evaluate",
    "examine",
    "played",
    "recorded",
    "representation",
    "run",
    "system_scores",
]


def evaluate(
    synth: Synth,
    extract: str | Representation,
    *,
    grid: int | Sequence[int] = 16,
    n_neighbors: int = 40,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    signed: bool = False,
) -> Evaluation:
    """Evaluate a representation on the sounds of a synthesizer.

    Parameters
    ----------
    synth : Synth
        See `scatseg.synth`.
    extract : str or Representation
        A name, see `representation`, or any `(y, sr) -> vector`, `(n_frames, dim)` or `Features`.
    grid : int or sequence of int, default 16
        Values per parameter, for all or for each, evenly spaced on its scale.
    n_neighbors : int, default 40
        Nearest other sounds whose parameters are averaged.
    ranges : mapping from str to (float, float), optional
        Ranges that replace those of the synthesizer.
    signed : bool, default False
        Whether signed parameters cover both signs, with half of the values each.

    Returns
    -------
    evaluation : Evaluation
        Errors, ratios, recall and embedding. Compare with those of `coordinates` (ideal, but with
        errors at the edges of the grid) and `chance`.
    """
    sounds = played(synth, grid, ranges=ranges, signed=signed)
    check_neighbors(n_neighbors, len(sounds.theta))
    system = representation(extract) if isinstance(extract, str) else extract
    vectors = [
        describe(system, batch, sounds.sr)
        for start in range(0, len(sounds.theta), BATCH)
        for batch in sounds.batch(start, start + BATCH)
    ]
    X = np.concatenate(vectors)
    return examine(X, sounds.theta, sounds.parameters, n_neighbors=n_neighbors)
