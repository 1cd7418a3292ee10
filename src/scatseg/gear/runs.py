"""An evaluation as a folder: cached vectors, scores, tables and figure data.

Interrupted runs are resumed, and finished systems are kept when another is added.
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
from scatseg.gear.neighbors import QUANTILES, Evaluation, chance, coordinates, examine
from scatseg.gear.representations import Representation, describe
from scatseg.gear.sounds import Sounds
from scatseg.runs import Failure, safe_id, write_csv, write_json
from scatseg.writing import atomic_write

BATCH = 32
"""Sounds per batch; an interruption loses at most one batch."""

IDEAL, CHANCE = "ideal", "chance"
"""Upper and lower baseline: coordinates on the grid, and uninformative vectors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """A named representation.

    Parameters
    ----------
    name : str
        Name as given.
    extract : Representation
        The representation.
    """

    name: str
    extract: Representation


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """The results of a system.

    Parameters
    ----------
    name : str
        Name of the system or baseline.
    settings : str
        All its options.
    evaluation : Evaluation
        Its evaluation.
    seconds : float
        Time for vectors and evaluation.
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
    """Compute and evaluate the vectors of all systems, and write everything but the figures.

    Parameters
    ----------
    folder : Path
        Output folder for `features/`, scores.json, ratios.csv, embedding.csv.
    sounds : Sounds
        Sounds with known parameters.
    systems : sequence of System
        Systems that raise an error, or whose vectors are not finite, differ in size or are all
        equal, are skipped.
    n_neighbors : int
        See `examine`.
    source : str
        Source of the sounds: a synthesizer or a folder.
    step : callable, optional
        Called with a line of text after each batch of sounds.

    Returns
    -------
    examined : list of Examined
        Systems that succeeded, then the baselines.
    failures : list of Failure
        Systems that failed.

    Raises
    ------
    ValueError
        When two systems have one name, or one has that of a baseline.
    """
    check_system_names([system.name for system in systems])
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


def check_system_names(names: Sequence[str]) -> None:
    """Raise a ValueError if two systems have one name, or one has that of a baseline."""
    if len(set(names)) < len(names):
        msg = f"each system needs a name of its own, got {', '.join(names)}"
        raise ValueError(msg)
    for name in (IDEAL, CHANCE):
        if name in names:
            msg = f"{name!r} is one of the baselines that every table has: choose another name"
            raise ValueError(msg)


def _fill(
    stores: Mapping[str, _Store], sounds: Sounds, step: Callable[[str], None]
) -> Iterator[tuple[str, Failure]]:
    """Compute the vectors missing in each store; yield the systems that fail."""
    n_sounds = len(sounds.theta)
    going = dict(stores)
    for start in range(0, n_sounds, BATCH):
        lacking = {name: store for name, store in going.items() if not store.has(start)}
        end = min(start + BATCH, n_sounds)
        batches = sounds.batch(start, end) if lacking else []
        for name, store in lacking.items():
            try:
                store.add(start, batches)
            except (Exception, SystemExit) as error:  # a custom callable may raise anything
                del going[name]
                text = str(error) if isinstance(error, ValueError) else repr(error)
                yield name, Failure(name, "describe", f"sounds {start} to {end - 1}: {text}")
        is_kept = bool(going) and not lacking
        step(f"{end} of {n_sounds} sounds{': kept' if is_kept else ''}")


class _Store:
    """The vectors of a system on disk, in batches, under a hash of everything they depend on."""

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
    """Return the entry of a system in scores.json."""
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
