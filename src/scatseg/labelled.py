"""A folder of sounds -> clips with labels and groups, from an index.csv or from subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scatseg.audio import AUDIO_EXTENSIONS
from scatseg.counts import counted
from scatseg.formats import FormatError
from scatseg.formats.sounds import INDEX, SoundTable, parse_sounds, sound_file, sound_name
from scatseg.naming import check_several
from scatseg.runs import Failure, shown, walked

_LABEL, _GROUP = "label", "group"
_PLAIN_COLUMNS = ("file", _LABEL, _GROUP, "split", "meta")


class LabelError(ValueError):
    """A folder or table from which no labeled clips can be read."""


class ColumnError(LabelError):
    """A table that lacks a column, and may be of another kind."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A sound with labels and group.

    Parameters
    ----------
    id : str
        Path relative to the table or folder, with `/`.
    path : Path
        The file.
    labels : tuple of str
        One per label column, not empty.
    group : str
        Group of clips of one player, instrument, kit or recording; empty if unknown.
    split : str
        Part of a published split: train, validation, test, or a fold. Empty if unknown.
    meta : str
        The column of that name.
    """

    id: str
    path: Path
    labels: tuple[str, ...]
    group: str = ""
    split: str = ""
    meta: str = ""

    @property
    def label(self) -> str:
        """The joined labels: "violin/vibrato"."""
        return "/".join(self.labels)


@dataclass(frozen=True, kw_only=True)
class LabelledClips:
    """The clips of a folder.

    Parameters
    ----------
    clips : tuple of Clip
        In the order of the table, or by name.
    columns : tuple of str
        Label columns; "label" for subfolders.
    failures : tuple of Failure
        Rows and files that cannot be used.
    notes : tuple of str
        Repairs and intended omissions.
    """

    clips: tuple[Clip, ...]
    columns: tuple[str, ...] = ("label",)
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_groups(self) -> bool:
        """Whether any clip has a group."""
        return any(clip.group for clip in self.clips)


def read_labelled(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] = (_LABEL,),
    group: str = _GROUP,
) -> LabelledClips:
    """Read the clips of a folder, and their labels.

    Parameters
    ----------
    path : path-like
        An index.csv (`file,label,group,split,meta`), a folder with one, or a folder whose
        subfolders are the labels. `file` is relative to the table's folder or to its `audio/`.
    columns : sequence of str, default ("label",)
        Label columns.
    group : str, default "group"
        Group column. The default one may be missing, any other must exist.

    Returns
    -------
    labelled : LabelledClips
        Rows with a missing file or label, or that contradict an earlier row, are failures.

    Raises
    ------
    LabelError
        When there is no such folder, the table lacks a column, is unreadable or empty; when other
        columns than "label" or "group" are given without a table.
    """
    check_several("columns", columns)
    root = Path(path)
    if root.is_dir() and not (root / INDEX).is_file():
        return _from_folders(root, columns, group)
    table = root / INDEX if root.is_dir() else root
    try:
        data = table.read_bytes()
    except OSError as error:
        msg = f"{shown(root)}: a folder of sounds or an index.csv is needed, but {error.strerror}"
        raise LabelError(msg) from error
    try:
        rows = parse_sounds(data)
    except FormatError as error:
        msg = f"{shown(table)}: {error}"
        raise LabelError(msg) from error
    reader = _Reader(table, tuple(columns), group)
    reader.read(rows)
    if not reader.clips and not reader.failures:
        msg = f"{shown(table)}: a row per sound is needed below the header, there is none"
        raise LabelError(msg)
    return LabelledClips(
        clips=tuple(reader.clips.values()),
        columns=tuple(columns),
        failures=tuple(reader.failures),
        notes=tuple(reader.notes),
    )


@dataclass
class _Reader:
    """The state of reading an index.csv."""

    path: Path
    columns: tuple[str, ...]
    group: str
    notes: list[str] = field(default_factory=list)
    clips: dict[Path, Clip] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    refused: set[Path] = field(default_factory=set)

    def read(self, table: SoundTable) -> None:
        self.notes += table.notes
        header = [name.lower() for name in table.header]
        self._check_header(header)
        for line, cells in table.rows:
            if excess := table.excess(cells):
                self._fail(f"line {line}", excess)
            else:
                self._take(f"line {line}", dict(zip(header, cells, strict=False)))
        n_same = self.notes.count("")
        if n_same:
            self.notes = [note for note in self.notes if note]
            self.notes.append(f"{counted(n_same, 'repeated row')} left out")

    def _check_header(self, header: Sequence[str]) -> None:
        needed = ["file", *(name.lower() for name in self.columns)]
        if self.group.lower() != _GROUP:  # without groups, scores would be too high
            needed.append(self.group.lower())
        missing = [name for name in needed if name not in header]
        if missing:
            msg = (
                f"{shown(self.path)}: the columns {', '.join(needed)} are needed, there are "
                f"{', '.join(header) or 'none'}; name yours in the first line"
            )
            raise ColumnError(msg)
        used = ("", *needed, *_PLAIN_COLUMNS, self.group.lower())
        extra = [name for name in header if name not in used]
        if extra:
            self.notes.append(f"{counted(len(extra), 'column')} not used: {', '.join(extra)}")

    def _take(self, where: str, cells: Mapping[str, str]) -> None:
        name = sound_name(cells.get("file", ""))
        labels = tuple(cells.get(column.lower(), "") for column in self.columns)
        if not name:
            self._fail(where, "names no file")
        elif not all(labels):
            empty = self.columns[labels.index("")]
            self._fail(name, f"{where}: the column {empty!r} is empty; every clip needs a label")
        elif (found := sound_file(self.path.parent, name)) is None:
            self._fail(name, f"{where}: there is no such file, nor in audio/ beside {INDEX}")
        else:
            group = cells.get(self.group.lower(), "")
            split, meta = (cells.get(column, "") for column in ("split", "meta"))
            clip = Clip(id=name, path=found, labels=labels, group=group, split=split, meta=meta)
            self._add(where, clip)

    def _add(self, where: str, clip: Clip) -> None:
        before = self.clips.get(clip.path)
        if clip.path in self.refused:
            return
        if before is None:
            self.clips[clip.path] = clip
        elif _said_of(before) == _said_of(clip):
            self.notes.append("")  # counted, and reported once
        else:
            del self.clips[clip.path]
            self.refused.add(clip.path)
            first, second = _said_of(before), _said_of(clip)
            self._fail(clip.id, f"{where}: is {first} and also {second}; left out")

    def _fail(self, name: str, reason: str) -> None:
        self.failures.append(Failure(name, "index", reason))


def _said_of(clip: Clip) -> str:
    """Describe labels and group of a clip."""
    part = f" in the part {clip.split!r}" if clip.split else ""
    return f"{clip.label} of group {clip.group!r}{part}"


def _from_folders(root: Path, columns: Sequence[str], group: str) -> LabelledClips:
    if len(columns) > 1:
        msg = f"{shown(root)}: several label columns need an {INDEX}, sub-folders give one"
        raise LabelError(msg)
    named = [name for name in (*columns, group) if name.lower() not in (_LABEL, _GROUP)]
    if named:
        msg = f"{shown(root)}: an {INDEX} with the column {named[0]!r} is needed, there is no table"
        raise LabelError(msg)
    clips = [
        Clip(id=file.relative_to(root).as_posix(), path=file, labels=(folder.name,))
        for folder in sorted(each for each in root.iterdir() if each.is_dir())
        if not folder.name.startswith(".")
        for parent, _, names in walked(folder, besides=[root])
        for file in _sounds(parent, names)
    ]
    if not clips:
        msg = (
            f"{shown(root)}: an {INDEX} (file,label,group,meta) or sub-folders of sounds named "
            "after their labels are needed, there is neither"
        )
        raise LabelError(msg)
    loose = len(list(_sounds(root, [path.name for path in root.iterdir() if path.is_file()])))
    notes = (f"{counted(loose, 'sound')} in no sub-folder left out",) if loose else ()
    return LabelledClips(clips=tuple(clips), columns=tuple(columns), notes=notes)


def _sounds(parent: str | Path, names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        if Path(name).suffix.lower() in AUDIO_EXTENSIONS and not name.startswith("."):
            yield Path(parent, name)


def of_parts(labelled: LabelledClips, parts: Sequence[str]) -> LabelledClips:
    """Select the clips in some parts of a published split; all if no part is given.

    Raises
    ------
    LabelError
        When there are no such clips.
    """
    if not parts:
        return labelled
    clips = tuple(clip for clip in labelled.clips if clip.split in parts)
    if not clips:
        there = ", ".join(sorted({clip.split for clip in labelled.clips if clip.split}))
        msg = (
            f"no clip is in the part {' or '.join(parts)} of the split; there are {there or 'none'}"
        )
        raise LabelError(msg)
    return replace(labelled, clips=clips)


def label_counts(clips: Sequence[Clip]) -> Mapping[str, int]:
    """Count the clips of each label, labels sorted."""
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.label] = counts.get(clip.label, 0) + 1
    return dict(sorted(counts.items()))
