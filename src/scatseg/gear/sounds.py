"""Sounds with known parameters: synthesized on a grid, or read from a folder with an index."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scatseg import audio, naming
from scatseg.formats import FormatError
from scatseg.formats.sounds import INDEX, parse_sounds, sound_file, sound_name
from scatseg.formats.text import number
from scatseg.scattering.arrays import Tensor
from scatseg.synth import Parameter, Synth, grid, placed, ranged


class Sounds(Protocol):
    """Sounds and their parameters, synthesized or read on demand."""

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of the columns of theta."""

    @property
    def theta(self) -> NDArray[np.float64]:
        """Parameters, shape (n_sounds, n_params)."""

    @property
    def key(self) -> str:
        """Cache key of the sounds, besides theta and sr."""

    def batch(self, start: int, end: int) -> list[Tensor]:
        """Return a range of sounds in order, batched by equal length, (n, n_samples)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlayedSounds:
    """Sounds of a synthesizer.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    parameters : tuple of Parameter
        Its parameters, with the ranges of the grid.
    theta : ndarray of float64, shape (n_sounds, n_params)
        Parameters of the sounds.
    device : str, default ""
        Torch device, like "cuda", for synthesis and features. NumPy if empty.
    """

    synth: Synth
    parameters: tuple[Parameter, ...]
    theta: NDArray[np.float64]
    device: str = ""

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""
        return self.synth.sr

    @property
    def key(self) -> str:
        """The synthesizer, its options, and its code if it is custom."""
        return naming.placeless(self.synth) + naming.code_of(self.synth)

    def batch(self, start: int, end: int) -> list[Tensor]:
        """Synthesize a range of sounds as float32."""
        theta = self.theta[start:end]
        if self.device:
            return [self.synth(placed(theta, self.device)).float()]
        return [np.asarray(self.synth(theta), dtype=np.float32)]


def played(
    synth: Synth,
    n: int | Sequence[int] = 16,
    *,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    signed: bool = False,
    device: str = "",
) -> PlayedSounds:
    """Create the sounds of a synthesizer on a grid of its parameters.

    Parameters
    ----------
    synth : Synth
        See `scatseg.synth`.
    n : int or sequence of int, default 16
        Values per parameter, for all or for each.
    ranges : mapping from str to (float, float), optional
        Ranges that replace those of the synthesizer.
    signed : bool, default False
        Whether signed parameters cover both signs.
    device : str, default ""
        Torch device, like "cuda"; NumPy if empty.
    """
    parameters = ranged(synth, ranges or {})
    theta = grid(parameters, n, signed=signed)
    if device:
        placed(theta[:0], device)  # fails early if the device is not available
    return PlayedSounds(synth=synth, parameters=parameters, theta=theta, device=device)


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedSounds:
    """Sounds in files.

    Parameters
    ----------
    paths : tuple of Path
        The files.
    sr : int
        Sampling rate in Hz to which they are resampled.
    parameters : tuple of Parameter
        Parameters with the ranges of their values.
    theta : ndarray of float64, shape (n_sounds, n_params)
        Parameters from the index.
    """

    paths: tuple[Path, ...]
    sr: int
    parameters: tuple[Parameter, ...]
    theta: NDArray[np.float64]

    @property
    def key(self) -> str:
        """The files, their sizes and modification times."""
        stats = [path.stat() for path in self.paths]
        return repr(
            [(str(p), s.st_size, s.st_mtime_ns) for p, s in zip(self.paths, stats, strict=True)]
        )

    def batch(self, start: int, end: int) -> list[Tensor]:
        """Read a range of sounds."""
        batches: list[list[NDArray[np.float32]]] = []
        for path in self.paths[start:end]:
            y, _ = audio.load(path, sr=self.sr)
            if batches and len(batches[-1][0]) == len(y):
                batches[-1].append(y)
            else:
                batches.append([y])
        return [np.stack(sounds) for sounds in batches]


def recorded(folder: str | os.PathLike[str], *, sr: int | None = None) -> RecordedSounds:
    """Read the sounds and parameters listed in an `index.csv`.

    Parameters
    ----------
    folder : path-like
        Folder with `index.csv`: a column `file`, relative to the folder or to `audio` in it, and
        one column per parameter. Empty rows, and columns without a name, that are constant or not
        numeric are ignored. Parameters are on a logarithmic scale if all values are positive, else
        on a linear one.
    sr : int, optional
        Sampling rate in Hz; by default, that of the first file.

    Raises
    ------
    ValueError
        When the index is not a table, has no column `file`, no parameters, two columns of one name
        or a row longer than its header, or lists files that do not exist.
    FileNotFoundError
        When there is no index.
    """
    folder = Path(folder)
    index = folder / INDEX
    if not index.is_file():
        needed = "a table is needed, with a column `file` and one for each parameter; there is none"
        raise FileNotFoundError(errno.ENOENT, needed, str(index))
    rows = _rows(index)
    parameters, columns = [], []
    for name in rows[0]:
        is_known = name in ("", "file")
        values = None if is_known else _numbers([row.get(name) for row in rows])
        if values is not None and np.ptp(values) > 0:
            parameters.append(_parameter(name, values))
            columns.append(values)
    if not parameters:
        msg = f"{index}: no column but `file` holds numbers that differ"
        raise ValueError(msg)
    paths = tuple(_found(folder, row.get("file", "")) for row in rows)
    rate = audio.decode(paths[0], sr=None).sr if sr is None else sr
    theta = np.stack(columns, axis=1)
    return RecordedSounds(paths=paths, sr=rate, parameters=tuple(parameters), theta=theta)


def _rows(index: Path) -> list[dict[str, str]]:
    """Read the rows of a table that are not empty, by column."""
    try:
        table = parse_sounds(index.read_bytes())
    except FormatError as error:
        msg = f"{index}: {error}"
        raise FormatError(msg) from error
    header = ["file" if name.lower() == "file" else name for name in table.header]
    if not table.rows or "file" not in header:
        named = ", ".join(header) or "none"
        msg = f"{index}: needs a column `file` and at least one line below, got the columns {named}"
        raise ValueError(msg)
    for line, cells in table.rows:
        if excess := table.excess(cells):
            msg = f"{index}, line {line}: {excess}"
            raise ValueError(msg)
    return [dict(zip(header, cells, strict=False)) for _, cells in table.rows]


def _numbers(cells: Sequence[str | None]) -> NDArray[np.float64] | None:
    found = [number(cell or "") for cell in cells]
    if None in found:
        return None
    values = np.array(found, dtype=np.float64)
    return values if np.isfinite(values).all() else None


def _parameter(name: str, values: NDArray[np.float64]) -> Parameter:
    low, high = float(values.min()), float(values.max())
    return Parameter(name, "", low, high, "log" if low > 0 else "linear")


def _found(folder: Path, name: str) -> Path:
    path = sound_file(folder, sound_name(name))
    if path is None:
        msg = f"{folder / INDEX} lists {name!r}, which is neither there nor in {folder / 'audio'}"
        raise ValueError(msg)
    return path
