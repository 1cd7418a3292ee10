"""Descents to compare by ear: the target, where each began, and where it led."""

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
"""Of full scale: how loud the loudest of the sounds is written."""


class SoundNames(NamedTuple):
    """What the sounds of a descent are called.

    Parameters
    ----------
    target : str
        What was to be matched.
    start, end : str
        What the parameters play with which it began and ended.
    """

    target: str
    start: str
    end: str


def sound_names(descents: Sequence[Descent]) -> list[SoundNames]:
    """Name the sounds of each descent; descents from one start, or of one target, share it."""
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
    """Play what there is to hear of descents: signals by `sound_names`."""
    sounds: dict[str, NDArray[np.floating]] = {}
    for each, names in zip(descents, sound_names(descents), strict=True):
        sounds[names.target] = task.target(each.shift).numpy()
        parameters = {names.start: each.match.trajectory[0], names.end: each.match.theta}
        for name, theta in parameters.items():
            if name not in sounds:
                sounds[name] = task.synth(torch.from_numpy(theta).float()).numpy(force=True)
    return sounds


def write_sounds(folder: Path, sounds: Mapping[str, NDArray[np.floating]], sr: int) -> None:
    """Write sounds as .flac, all scaled alike, so that the loudest just fits."""
    folder.mkdir(parents=True, exist_ok=True)
    peak = max(float(np.abs(y).max()) for y in sounds.values())
    scale = _PEAK / peak if peak else 1.0
    for name, y in sounds.items():
        audio.save(folder / f"{name}.flac", y * scale, sr)
