"""Published sets of labeled sounds in mirdata's layout -> an index.csv.

Nothing is downloaded unless requested, and recordings never are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from scatseg.counts import counted
from scatseg.datasets import Problem
from scatseg.loaders import PREFIX, LoaderError, library
from scatseg.runs import shown

_FAULTS = (LookupError, AttributeError, AssertionError, TypeError, ValueError)
"""Errors raised by mirdata for tracks with missing data."""

_GTZAN_LISTS = {
    "train_filtered.txt": "train",
    "valid_filtered.txt": "validation",
    "test_filtered.txt": "test",
}


@dataclass(frozen=True, kw_only=True)
class SoundSet:
    """The columns of index.csv for a loader.

    Parameters
    ----------
    title : str
        Display name.
    columns : mapping of str to callable
        Column of index.csv -> function from a mirdata track to its value. Includes `label`, and
        optionally `group` and the part of the published `split`.
    annotations : tuple of str
        mirdata's names of the downloads needed besides its index and recordings.
    """

    title: str
    columns: Mapping[str, Callable[[Any], Any]]
    annotations: tuple[str, ...] = ()


def _player(track: Any) -> Any:
    """Return the musician or, if unknown, the recording session."""
    return track.sound_info.get("player") or track.pack_info["name"]


SOUND_SETS: Mapping[str, SoundSet] = {
    "good_sounds": SoundSet(
        title="Good-sounds: 12 instruments; groups are players",
        columns={
            "label": lambda track: track.instrument,
            "group": _player,
            "quality": lambda track: track.klass,
            "meta": lambda track: track.microphone,
        },
        annotations=("packs", "ratings", "sounds", "takes"),
    ),
    "gtzan_genre": SoundSet(
        title="GTZAN: 10 genres; artists are not known; split by the fault-filtered lists",
        columns={"label": lambda track: track.genre},
    ),
    "medley_solos_db": SoundSet(
        title="Medley-solos-DB: 8 instruments; groups are songs; split into three",
        columns={
            "label": lambda track: track.instrument,
            "group": lambda track: track.song_id,
            "split": lambda track: track.subset,
        },
        annotations=("annotations",),
    ),
    "mridangam_stroke": SoundSet(
        title="Mridangam strokes: 10 strokes; groups are tonics, each a drum of its own",
        columns={
            "label": lambda track: track.stroke_name,
            "group": lambda track: track.tonic,
        },
    ),
    "tinysol": SoundSet(
        title="TinySOL: 14 instruments; split into 5 folds",
        columns={
            "label": lambda track: track.instrument_full,
            "split": lambda track: track.split,
            "technique": lambda track: track.technique_full,
            "meta": lambda track: f"{track.pitch} {track.dynamics}",
        },
        annotations=("annotations",),
    ),
}
"""Sound sets by name of mirdata 1.0's loader."""


class SoundTable(NamedTuple):
    """Rows of an index.csv, with the header first; unusable sounds; and notes on omissions."""

    rows: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def tabulate(
    name: str, folder: str | os.PathLike[str], *, relative_to: Path, fetch: bool = False
) -> SoundTable:
    """List the sounds of a published set with their labels, groups and split.

    Parameters
    ----------
    name : str
        A key of `SOUND_SETS`, with or without "mirdata:".
    folder : path-like
        Folder of the set in mirdata's layout (its `data_home`).
    relative_to : Path
        Folder of the table, to which paths are relative.
    fetch : bool, default False
        First download mirdata's index and the annotations, but never recordings.

    Returns
    -------
    table : SoundTable
        Table of the recordings found.

    Raises
    ------
    LoaderError
        When mirdata is not installed, has no such loader, lacks its index or annotations, or no
        recording is found.
    """
    name, root = name.removeprefix(PREFIX), Path(folder)
    if name not in SOUND_SETS:
        msg = f"no set of labeled sounds is called {name!r}; there are {', '.join(SOUND_SETS)}"
        raise LoaderError(msg)
    if not root.is_dir():
        msg = f"{shown(root)}: the folder of {name} is needed, there is none"
        raise LoaderError(msg)
    try:
        sounds = _read(name, root, fetch)
    except (OSError, ValueError) as error:
        msg = f"{PREFIX}{name} " + (
            f"cannot be downloaded: {error}"
            if fetch
            else f"lacks its index or annotations ({error}): --fetch downloads these, no recordings"
        )
        raise LoaderError(msg) from error
    columns = tuple(SOUND_SETS[name].columns)
    notes: list[str] = []
    rows = [(_reference(path, relative_to), *values) for path, values in sounds.found]
    if name == "gtzan_genre":
        columns, rows, notes = _with_gtzan_split(columns, rows, root)
    if sounds.missing:
        first = shown(sounds.missing[0])
        notes.append(f"{counted(len(sounds.missing), 'recording')} missing, for one {first}")
    if not rows:
        msg = "; ".join([*notes, *(f"{path}: {reason}" for path, reason in sounds.problems[:1])])
        msg = f"{shown(root)}: recordings of {name} as mirdata lays them out are needed: {msg}"
        raise LoaderError(msg)
    return SoundTable((("file", *columns), *rows), tuple(sounds.problems), tuple(notes))


class _Sounds(NamedTuple):
    """Recordings with their columns, missing ones, and unusable ones."""

    found: list[tuple[Path, tuple[str, ...]]]
    missing: list[Path]
    problems: list[Problem]


def _read(name: str, root: Path, fetch: bool) -> _Sounds:
    mirdata = library()
    if name not in mirdata.list_datasets():
        msg = f"this mirdata has no loader {name!r}: pip install -U mirdata"
        raise LoaderError(msg)
    dataset = mirdata.initialize(name, data_home=os.fspath(root))
    if fetch:
        # Must not be empty, or mirdata downloads everything, including recordings.
        dataset.download(partial_download=["index", *SOUND_SETS[name].annotations])
    sounds = _Sounds([], [], [])
    for track_id in sorted(dataset.track_ids):
        try:
            track = dataset.track(track_id)
            path = Path(track.audio_path)
            if not path.is_file():
                sounds.missing.append(path)
                continue
            values = tuple(_plain(value(track)) for value in SOUND_SETS[name].columns.values())
        except _FAULTS as error:
            sounds.problems.append(Problem(Path(track_id), f"mirdata does not know it: {error!r}"))
        else:
            sounds.found.append((path, values))
    return sounds


def _plain(value: Any) -> str:
    if value is None:
        msg = "a label or group is missing"
        raise ValueError(msg)
    return str(value).strip()


def _reference(path: Path, relative_to: Path) -> str:
    """Return the path of a file relative to the table, or else its absolute path."""
    try:
        return Path(os.path.relpath(path, relative_to)).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _with_gtzan_split(
    columns: tuple[str, ...], rows: list[tuple[str, ...]], root: Path
) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[str]]:
    """Add the fault-filtered split of GTZAN, if all three lists are in the folder.

    It excludes copies and distorted recordings, and is split by artist.

    References
    ----------
    C. Kereliuk, B. L. Sturm and J. Larsen, "Deep learning and music adversaries", IEEE Transactions
    on Multimedia 17(11), 2015.
    """
    if not all((root / name).is_file() for name in _GTZAN_LISTS):
        note = (
            "GTZAN repeats artists and whole recordings: put the fault-filtered lists "
            f"({', '.join(_GTZAN_LISTS)}) into the folder, or scores are too optimistic"
        )
        return columns, rows, [note]
    part_of = {
        PurePosixPath(line.strip()).stem: part
        for name, part in _GTZAN_LISTS.items()
        for line in (root / name).read_text(encoding="utf-8").splitlines()
    }
    listed = [(*row, part_of.get(PurePosixPath(row[0]).stem, "")) for row in rows]
    kept = [row for row in listed if row[-1]]
    n_left = len(listed) - len(kept)
    left = f"{counted(n_left, 'recording')} left out: in no fault-filtered list"
    notes = [left] if n_left else []
    return (*columns, "split"), kept, notes
