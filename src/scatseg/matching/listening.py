"""Sounds of descents: the target, and the start and end of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from scatseg import audio
from scatseg.matching.runs import Descent
from scatseg.matching.tasks import Task

_PEAK = 0.9
"""Peak of the loudest sound, relative to full scale."""


class SoundNames(NamedTuple):
    """Names of the sounds of a descent.

    Parameters
    ----------
    target : str
        Name of the target.
    start, end : str
        Names of the sounds of the first and the last parameters.
    """

    target: str
    start: str
    end: str


def sound_names(descents: Sequence[Descent]) -> list[SoundNames]:
    """Name the sounds of each descent; equal starts and targets share names."""
    starts = list(dict.fromkeys(each.match.trajectory[0].tobytes() for each in descents))
    return [
        SoundNames(
            target=f"target-{each.shift}",
            start=f"start-{starts.index(each.match.trajectory[0].tobytes())}",
            end=f"end-{k}",
        )
        for k, each in enumerate(descents)
    ]


def play(descents: Sequence[Descent], task: Task) -> dict[str, NDArray[np.floating]]:
    """Synthesize the sounds of descents: signals by `sound_names`."""
    sounds: dict[str, NDArray[np.floating]] = {}
    for each, names in zip(descents, sound_names(descents), strict=True):
        sounds[names.target] = task.target(each.shift).numpy()
        parameters = {names.start: each.match.trajectory[0], names.end: each.match.theta}
        for name, theta in parameters.items():
            if name not in sounds:
                sounds[name] = task.synth(torch.from_numpy(theta).float()).numpy(force=True)
    return sounds


def write_sounds(folder: Path, sounds: Mapping[str, NDArray[np.floating]], sr: int) -> None:
    """Write sounds as .flac, scaled by a common factor to a peak of `_PEAK`."""
    folder.mkdir(parents=True, exist_ok=True)
    peak = max(float(np.abs(y).max()) for y in sounds.values())
    scale = _PEAK / peak if peak else 1.0
    for name, y in sounds.items():
        audio.save(folder / f"{name}.flac", y * scale, sr)
