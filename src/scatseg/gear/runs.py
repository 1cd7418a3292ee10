"""An examination as a folder: vectors kept as they come, then scores, tables and figures' numbers.

A second call goes on where the first was stopped, and a new system finds the others done.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scatseg import __version__, naming
from scatseg.formats import atomic_write
from scatseg.gear.neighbors import QUANTILES, Evaluation, chance, coordinates, examine
from scatseg.gear.representations import Representation, describe
from scatseg.gear.sounds import Sounds
from scatseg.runs import Failure, safe_id, write_csv, write_json

BATCH = 32
"""Sounds that are described at once, and of which an interruption loses at most so many."""

IDEAL, CHANCE = "ideal", "chance"
"""The yardsticks: the grid's own coordinates, and vectors that know nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """A representation, by its name.

    Parameters
    ----------
    name : str
        As it was asked for.
    extract : Representation
        What the name stands for.
    """

    name: str
    extract: Representation


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A system and what came of it.

    Parameters
    ----------
    name : str
        Of the system, or a yardstick.
    settings : str
        All its options.
    evaluation : Evaluation
        What its vectors know.
    seconds : float
        That all its vectors and their evaluation took.
    """

    name: str
    settings: str
    evaluation: Evaluation
    seconds: float


def run(
    folder: Path,
    sounds: Sounds,
    systems: Sequence[System],
    *,
    n_neighbors: int,
    source: str,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[list[Examined], list[Failure]]:
    """Describe all sounds by all systems, examine the vectors, and write all but the figures.

    Parameters
    ----------
    folder : Path
        Where to: `features/`, scores.json, ratios.csv, embedding.csv.
    sounds : Sounds
        Whose parameters are known.
    systems : sequence of System
        A system that raises, or whose vectors are not finite, not of one size or all the same,
        is given up; the others go on.
    n_neighbors : int
        See `examine`.
    source : str
        What the sounds are: a synthesizer or a folder.
    step : callable, optional
        Called with a line of text after each batch of sounds.

    Returns
    -------
    examined : list of Examined
        Those that went well, then the yardsticks.
    failures : list of Failure
        The others.
    """
    stores = {system.name: _Store(folder / "features", system, sounds) for system in systems}
    failures = dict(_fill(stores, sounds, step))
    examined = []
    for name, store in stores.items():
        if name in failures:
            continue
        started = time.perf_counter()
        try:
            evaluation = examine(
                store.vectors(), sounds.theta, sounds.parameters, n_neighbors=n_neighbors
            )
        except ValueError as error:
            failures[name] = Failure(name, "examine", str(error))
            continue
        seconds = store.seconds() + time.perf_counter() - started
        examined.append(
            Examined(name=name, settings=store.settings, evaluation=evaluation, seconds=seconds)
        )
    yardsticks = {
        IDEAL: coordinates(sounds.theta, sounds.parameters),
        CHANCE: chance(len(sounds.theta)),
    }
    for name, X in yardsticks.items():
        started = time.perf_counter()
        evaluation = examine(X, sounds.theta, sounds.parameters, n_neighbors=n_neighbors)
        seconds = time.perf_counter() - started
        examined.append(Examined(name=name, settings="", evaluation=evaluation, seconds=seconds))
    _write(folder, sounds, examined, source, n_neighbors)
    return examined, list(failures.values())


def _fill(
    stores: Mapping[str, _Store], sounds: Sounds, step: Callable[[str], None]
) -> Iterator[tuple[str, Failure]]:
    """Describe the sounds that each store lacks; yield the systems that are given up."""
    n_sounds = len(sounds.theta)
    going = dict(stores)
    for start in range(0, n_sounds, BATCH):
        lacking = {name: store for name, store in going.items() if not store.has(start)}
        end = min(start + BATCH, n_sounds)
        batches = sounds.batch(start, end) if lacking else []
        for name, store in lacking.items():
            try:
                store.add(start, batches)
            except Exception as error:  # a callable of the user's own may raise anything
                del going[name]
                text = str(error) if isinstance(error, ValueError) else repr(error)
                yield name, Failure(name, "describe", f"sounds {start} to {end - 1}: {text}")
        step(f"{end} of {n_sounds} sounds")


class _Store:
    """The vectors of a system on disk, batch by batch, under a name made of all they depend on."""

    def __init__(self, folder: Path, system: System, sounds: Sounds) -> None:
        self._system, self._sounds = system, sounds
        self.settings = naming.placeless(system.extract)
        code = naming.code_of(system.extract)
        facts = [__version__, system.name, self.settings, code, sounds.key, sounds.sr, BATCH]
        digest = hashlib.sha256(repr(facts).encode())
        digest.update(sounds.theta.tobytes())
        self._folder = folder / f"{safe_id(system.name)}-{digest.hexdigest()[:12]}"

    def has(self, start: int) -> bool:
        return self._path(start).is_file()

    def add(self, start: int, batches: Sequence[Any]) -> None:
        started = time.perf_counter()
        parts = [describe(self._system.extract, batch, self._sounds.sr) for batch in batches]
        sizes = sorted({part.shape[1] for part in parts} | self._sizes())
        if len(sizes) > 1:
            msg = f"a representation must have one size for all sounds, got {sizes}"
            raise ValueError(msg)
        X = np.concatenate(parts)
        data = io.BytesIO()
        np.savez(data, X=X, seconds=time.perf_counter() - started)
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write(self._path(start), data.getvalue())

    def vectors(self) -> NDArray[np.floating]:
        return np.concatenate([self._read(start)[0] for start in self._starts()])

    def seconds(self) -> float:
        return sum(self._read(start)[1] for start in self._starts())

    def _starts(self) -> range:
        return range(0, len(self._sounds.theta), BATCH)

    def _sizes(self) -> set[int]:
        return {self._read(0)[0].shape[1]} if self.has(0) else set()

    def _path(self, start: int) -> Path:
        return self._folder / f"{start:06}.npz"

    def _read(self, start: int) -> tuple[NDArray[np.floating], float]:
        path = self._path(start)
        try:
            with np.load(path) as stored:
                return stored["X"], float(stored["seconds"])
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            msg = f"{path} cannot be read ({error}): delete it, it is made again"
            raise ValueError(msg) from error


def _write(
    folder: Path,
    sounds: Sounds,
    examined: Sequence[Examined],
    source: str,
    n_neighbors: int,
) -> None:
    scores = {
        "synth": source,
        "grid": [len(np.unique(column)) for column in sounds.theta.T],
        "ranges": {each.name: [each.low, each.high] for each in sounds.parameters},
        "scales": {each.name: each.scale for each in sounds.parameters},
        "units": {each.name: each.unit for each in sounds.parameters},
        "n_neighbors": n_neighbors,
        "n_sounds": len(sounds.theta),
        "left_out": "only the sound itself is left out of its neighbors; n_duplicates counts "
        "sounds whose vector another sound has too",
        "quantiles": list(QUANTILES),
        "systems": [system_scores(each) for each in examined],
    }
    write_json(folder / "scores.json", scores)
    names = [each.name for each in sounds.parameters]
    ratios, embedding = [], []
    for each in examined:
        for i, theta in enumerate(sounds.theta.tolist()):
            ratios.append([each.name, i, *theta, *each.evaluation.ratios[i]])
            embedding.append([each.name, i, *theta, *each.evaluation.embedding[i]])
    header = ["system", "sound", *names]
    write_csv(folder / "ratios.csv", [*header, *(f"{name}_ratio" for name in names)], ratios)
    write_csv(folder / "embedding.csv", [*header, "x", "y", "z"], embedding)


def system_scores(examined: Examined) -> dict[str, Any]:
    """Return what scores.json says of a system."""
    evaluation = examined.evaluation
    return {
        "features": examined.name,
        "settings": examined.settings,
        "dim": evaluation.dim,
        "error": evaluation.error,
        "error_arithmetic": evaluation.error_arithmetic,
        "ratio_quantiles": evaluation.ratio_quantiles,
        "sign_accuracy": evaluation.sign_accuracy,
        "recall": evaluation.recall,
        "isomap_r2": evaluation.isomap_r2,
        "n_components": evaluation.n_components,
        "n_duplicates": evaluation.n_duplicates,
        "seconds": round(examined.seconds, 3),
    }
