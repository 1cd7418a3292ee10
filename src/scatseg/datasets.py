"""Annotated collections on disk -> references and estimates by track."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scatseg.formats import FORMATS, Annotation, FormatError, read, read_jams
from scatseg.formats.text import decoded
from scatseg.runs import Note, safe_id, shown, walked
from scatseg.segmentation import Segmentation

LEVELS = frozenset(
    {
        "coarse",
        "fine",
        "function",
        "functions",
        "lower",
        "lowercase",
        "pattern",
        "phrase",
        "section",
        "segment",
        "structure",
        "upper",
        "uppercase",
    }
)
"""Level names in `<id>.<level>[<annotator>].<extension>`."""

# Names of other annotations in the same position.
_OTHER_KINDS = frozenset(
    {"bars", "beats", "chords", "downbeats", "key", "lyrics", "melody", "notes", "onsets", "tempo"}
)

# Other files in collections and runs.
_OTHER_FILES = frozenset(
    {
        "comparisons",
        "failures",
        "index",
        "license",
        "licence",
        "metadata",
        "notes",
        "readme",
        "scores",
        "summary",
    }
)

_SUFFIXES = frozenset(suffix for known in FORMATS.values() for suffix in known.reads)
_LOOSE_SUFFIXES = frozenset({".csv", ".txt"})  # also used for other text
_UNREAD_SUFFIXES = frozenset({".eaf", ".rttm", ".sv", ".tsv"})  # annotations by other tools

_FAMILY = re.compile(r"(?P<id>.+)\.(?P<level>[a-z]+)(?P<annotator>\d*)")
_SALAMI = re.compile(r"textfile(?P<annotator>\d+)(?P<again>[a-z]?)(_(?P<level>[a-z]+))?")
_SALAMI_LEVELS = {"uppercase": "upper", "lowercase": "lower", "functions": "function"}

_NUMBER = re.compile(r"\s*[\"']?[-+]?(\d+([.,]\d*)?|[.,]\d+)[\"']?([\s,;]|$)")

_UNNAMED = "1"  # annotator or level
_SAME = 1e-3  # seconds: maximum difference of equal times, written with 3 decimals


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recording with its reference annotations.

    Parameters
    ----------
    track_id : str
        Unique in its collection.
    audio_path : Path or None
        The recording; None if there are only annotations.
    references : tuple of Annotation
        One per annotator and level.
    """

    track_id: str
    audio_path: Path | None = None
    references: tuple[Annotation, ...] = ()


class Problem(NamedTuple):
    """A file that could not be used, and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class References:
    """Annotations of a collection.

    Parameters
    ----------
    tracks : mapping of str to tuple of Annotation
        Track id -> its annotations, with distinct and non-empty annotators and levels. Sorted by
        id.
    problems : tuple of Problem
        Files that could not be used.
    notes : tuple of Note
        Files left out on purpose ("ignored"), and repairs ("repair").
    """

    tracks: Mapping[str, tuple[Annotation, ...]]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of one or several systems.

    Parameters
    ----------
    systems : mapping of str to mapping
        System -> track id -> its segmentation.
    levels : mapping of str to mapping
        System -> track id -> all levels, if there are several: in one file, or in files that differ
        only in level (`<id>.phrase.lab` and `<id>.section.lab`).
    problems : tuple of Problem
        Files that could not be used.
    notes : tuple of Note
        Files left out on purpose ("ignored"), and repairs ("repair").
    """

    systems: Mapping[str, Mapping[str, Segmentation]]
    levels: Mapping[str, Mapping[str, tuple[Annotation, ...]]]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()


class FileName(NamedTuple):
    """The parts of the name of an annotation file; "" if missing."""

    track_id: str
    level: str = ""
    annotator: str = ""


def parse_name(path: str | Path, *, levels: Collection[str] = LEVELS) -> FileName:
    """Parse track, level and annotator from the path of an annotation file.

    Parameters
    ----------
    path : path
        `<id>.<extension>`; or `<id>.<level>[<annotator>].<extension>`, with a numeric annotator and
        a level in `levels` (except for JAMS files, which name levels inside); or SALAMI's
        `<id>/parsed/textfile<annotator>_<level>.txt`, whose levels are named "upper", "lower" and
        "function", as in JAMS. The levels of second annotations by one annotator (`textfile2b`) are
        "upper-b" etc.
    levels : collection of str, default LEVELS
        Level names in lower case. Any other word after a dot is part of the id, as in "01.Intro",
        "feat. X" or "take.two".

    Returns
    -------
    name : FileName
        Track, level and annotator.

    Examples
    --------
    >>> parse_name("pop909_002.phrase1.lab")
    FileName(track_id='pop909_002', level='phrase', annotator='1')
    >>> parse_name("Mr. Blue Sky.lab")
    FileName(track_id='Mr. Blue Sky', level='', annotator='')
    >>> parse_name("salami/472/parsed/textfile2_uppercase.txt")
    FileName(track_id='472', level='upper', annotator='2')
    """
    path = Path(path)
    salami = _SALAMI.fullmatch(path.stem)
    if salami and salami["level"] and path.parent.name == "parsed":
        level = _SALAMI_LEVELS.get(salami["level"], salami["level"])
        level += f"-{salami['again']}" if salami["again"] else ""
        return FileName(_printable(path.parent.parent.name), level, salami["annotator"])
    family = _FAMILY.fullmatch(path.stem)
    if family and family["level"] in levels and path.suffix.lower() != ".jams":
        return FileName(_printable(family["id"]), family["level"], family["annotator"])
    return FileName(_printable(path.stem))


def _printable(name: str) -> str:
    """Compose accents, and replace bytes of a file name that are not UTF-8."""
    # Some systems write "é" as two characters: files of the same recording must still match.
    return unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))


def read_references(path: str | Path, *, levels: Collection[str] = LEVELS) -> References:
    """Read the annotations of a collection: a folder with all its subfolders, or one file.

    Parameters
    ----------
    path : path
        Files as in `parse_name`, in any mix of formats of `scatseg.formats`. For a run folder, its
        `references`. Runs in subfolders, and copies of references next to the scores of `scatseg
        evaluate`, are ignored.
    levels : collection of str, default LEVELS
        Level names in file names.

    Returns
    -------
    references : References
        Unnamed annotators and levels are "1". An annotation that is both in a JAMS and in another
        file of the track (same level, labels, and times to 1 ms) is used once. If files of the same
        name in several subfolders differ, or only those of one name a level, the id is folder and
        name, as in a run ("A__01"); of two in one folder, the second is a problem.

    Raises
    ------
    FileNotFoundError
        When there is nothing at `path`, or only estimates.
    """
    root = Path(path)
    if is_run(root):
        root = root / "references"
        if not root.exists():
            msg = (
                "this run was not evaluated: it has estimates, but no references; "
                "to score it, give it before its references"
            )
            raise FileNotFoundError(errno.ENOENT, msg, str(path))
    found, problems, notes = _read_all(root, levels)
    found = _told_apart(found, root)
    notes += _repairs(found)
    by_track: dict[str, list[_Found]] = {}
    for each in found:
        by_track.setdefault(each.track_id, []).append(each)
    tracks = {}
    for track_id, candidates in sorted(by_track.items()):
        kept: list[_Found] = []
        for each in sorted(candidates, key=lambda each: not each.is_jams):
            rival = next((other for other in kept if _is_rival(each, other)), None)
            if any(_is_repeat(each, other) for other in kept):
                reason = "the same as another file of the track"
                notes.append(Note("ignored", track_id, shown(each.path), reason))
            elif rival is not None:
                problems.append(Problem(each.path, _contradiction(each, rival)))
            else:
                kept.append(each)
        tracks[track_id] = tuple(each.annotation for each in kept)
    return References(tracks=tracks, problems=tuple(problems), notes=tuple(notes))


def read_estimates(path: str | Path, *, levels: Collection[str] = LEVELS) -> Estimates:
    """Read the estimates of one or several systems.

    Parameters
    ----------
    path : path
        A run folder, a folder of annotation files (with subfolders), or one file. For runs in
        subfolders, their tracks.
    levels : collection of str, default LEVELS
        Level names in file names.

    Returns
    -------
    estimates : Estimates
        Systems are named as in the files, else by the folder; annotators who share a JAMS file or a
        family of files are separate systems ("folder/annotator"). If a system has several levels of
        a track, `systems` has the first. Ids are as in `read_references`. The systems of a run's
        `exports` are those of the run.

    Raises
    ------
    FileNotFoundError
        When there is nothing at `path`.
    """
    root = Path(path)
    folder_name = (root if root.is_dir() else root.parent).resolve().name
    folder = root / "tracks" if is_run(root) else root
    found, problems, notes = _read_all(folder, levels, nested_runs=True)
    if folder_name == "exports" and is_run(folder.resolve().parent):
        found = _exported(found, folder.resolve().parent / "tracks")
    found = _told_apart(found, folder)
    notes += _repairs(found)
    first: dict[tuple[str, str], _Found] = {}
    answers: dict[tuple[str, str], list[Annotation]] = {}
    for each, system in zip(found, _system_names(found, folder_name), strict=True):
        other = first.setdefault((system, each.track_id), each)
        if other.path.suffix != each.path.suffix and _is_repeat(each, other):
            reason = f"the same as {other.path.name}"
            notes.append(Note("ignored", each.track_id, shown(each.path), reason))
        elif other.path != each.path and not _is_level_of(each, other):
            reason = (
                f"{each.path} is left out: {other.path} is already the estimate of {system} for "
                f"{each.track_id}; keep one"
            )
            problems.append(Problem(each.path, reason))
        else:
            answers.setdefault((system, each.track_id), []).append(each.annotation)
    systems: dict[str, dict[str, Segmentation]] = {}
    for (system, track_id), each in first.items():
        systems.setdefault(system, {})[track_id] = each.annotation.segmentation
    several: dict[str, dict[str, tuple[Annotation, ...]]] = {}
    for (system, track_id), given in answers.items():
        if len(given) > 1:
            several.setdefault(system, {})[track_id] = tuple(given)
    return Estimates(systems=systems, levels=several, problems=tuple(problems), notes=tuple(notes))


class _Found(NamedTuple):
    """One annotation and its file."""

    path: Path
    track_id: str
    annotation: Annotation

    @property
    def is_jams(self) -> bool:
        return self.path.suffix.lower() == ".jams"


def _exported(found: Sequence[_Found], tracks: Path) -> list[_Found]:
    """Name the systems of a run's exports: `<id>` and `<id>.<system>`, if there are several."""
    named: dict[str, tuple[str, str]] = {}  # stem -> track, system
    for path in sorted(tracks.glob("*.jams")):
        try:
            jams = read_jams(path)
        except (FormatError, OSError):
            continue
        id_, systems = _printable(path.stem), {each.system for each in jams.annotations}
        if len(systems) > 1:
            named[id_] = (id_, jams.default_system)
            for system in systems - {jams.default_system}:
                named.setdefault(f"{id_}.{safe_id(system)}", (id_, system))
    known = []
    for each in found:
        id_, system = named.get(each.track_id, (each.track_id, ""))
        annotation = replace(each.annotation, system=each.annotation.system or system)
        known.append(each._replace(track_id=id_, annotation=annotation))
    return known


def _system_names(found: Sequence[_Found], folder_name: str) -> list[str]:
    """Return the system of each annotation; several annotators of a track are several systems."""
    names = [each.annotation.system or folder_name for each in found]
    sharing: dict[tuple[str, Path], set[str]] = {}
    for each, name in zip(found, names, strict=True):
        where = each.path if each.is_jams else each.path.parent / each.track_id
        sharing.setdefault((name, where), set()).add(each.annotation.annotator)
    divided = {name for (name, _), annotators in sharing.items() if len(annotators) > 1}
    return [
        f"{name}/{each.annotation.annotator}" if name in divided else name
        for each, name in zip(found, names, strict=True)
    ]


def _told_apart(found: Sequence[_Found], root: Path) -> list[_Found]:
    """Prefix ids by folder if files of the same name differ, or only some name a level."""
    first: dict[tuple[str, str, str], _Found] = {}
    unclear = set()
    plain: dict[str, set[Path]] = {}  # id -> folders of its files without a level
    leveled: dict[str, set[Path]] = {}
    for each in found:
        annotation = each.annotation
        if annotation.system:  # written by a run, whose ids are unique
            continue
        other = first.setdefault((each.track_id, annotation.annotator, annotation.level), each)
        if other.path.parent != each.path.parent and not _is_repeat(each, other):
            unclear.add(each.track_id)
        if not each.is_jams:
            folders = plain if annotation.level == _UNNAMED else leveled
            folders.setdefault(each.track_id, set()).add(each.path.parent)
    unclear |= {i for i in plain.keys() & leveled.keys() if plain[i].isdisjoint(leveled[i])}
    return [
        each._replace(track_id=safe_id(str(each.path.parent.relative_to(root) / each.track_id)))
        if each.track_id in unclear
        else each
        for each in found
    ]


def _read_all(
    root: Path, levels: Collection[str], *, nested_runs: bool = False
) -> tuple[list[_Found], list[Problem], list[Note]]:
    """Read every annotation under `root`, in the order of the paths."""
    found: list[_Found] = []
    problems: list[Problem] = []
    notes: list[Note] = []
    if not root.exists():
        msg = "there is no such file or folder"
        raise FileNotFoundError(errno.ENOENT, msg, str(root))
    paths = [root] if root.is_file() else list(_walk(root, problems, nested_runs))
    for path in sorted(paths):
        name = parse_name(path.absolute(), levels=levels)
        ignored = Note("ignored", name.track_id, shown(path), "no segmentation, by its name")
        if path != root and _is_other(path, root):
            notes.append(ignored)
            continue
        if path != root and path.suffix.lower() in _UNREAD_SUFFIXES:
            known = " ".join(sorted(_SUFFIXES))
            reason = f"{path.suffix} is not read: convert it to one of {known}"
            notes.append(ignored._replace(message=reason))
            continue
        try:
            annotations = read(path)
        except (FormatError, OSError) as error:
            loose = path.suffix.lower() in _LOOSE_SUFFIXES and path != root and not name.level
            if loose and not _has_times(path):
                reason = str(error).removeprefix(f"{path}: ")
                notes.append(ignored._replace(message=f"no segmentation: {reason}"))
            else:
                problems.append(Problem(path, str(error)))
            continue
        for annotation in annotations:
            found.append(_Found(path, name.track_id, _named(annotation, name)))
    return found, problems, notes


def _repairs(found: Sequence[_Found]) -> list[Note]:
    return [
        Note("repair", each.track_id, shown(each.path), repair)
        for each in found
        for repair in each.annotation.repairs
    ]


def _has_times(path: Path) -> bool:
    """Return whether any row of a text begins with a number, as in a segmentation."""
    try:
        text, _ = decoded(path.read_bytes())
    except (FormatError, OSError):
        return True  # unknown
    return any(_NUMBER.match(line) for line in text.splitlines())


def is_run(root: Path) -> bool:
    """Return whether a folder is a run folder, which separates estimates and references."""
    tracks = root / "tracks"
    return tracks.is_dir() and ((root / "run.json").is_file() or any(tracks.glob("*.jams")))


def _walk(folder: Path, problems: list[Problem], nested_runs: bool) -> Iterator[Path]:
    """Find annotation files, as `walked`.

    Copies of references written by an evaluation are ignored; for a run in a subfolder, only its
    tracks are used if `nested_runs`, else nothing.
    """

    def unreadable(error: OSError) -> None:
        problems.append(Problem(Path(os.fsdecode(error.filename)), f"unreadable folder: {error}"))

    for parent, folders, files in walked(folder, onerror=unreadable):
        if "scores.csv" in files and "references" in folders:
            folders.remove("references")
        of_a_run = "tracks" in folders and not {"run.json", "scores.csv"}.isdisjoint(files)
        if of_a_run and Path(parent) != folder:
            folders[:] = ["tracks"] if nested_runs else []
            continue
        for name in files:
            suffix = Path(name).suffix.lower()
            if not name.startswith(".") and suffix in _SUFFIXES | _UNREAD_SUFFIXES:
                yield Path(parent, name)


def _is_other(path: Path, root: Path) -> bool:
    """Return whether a file under `root` is known by its name not to be a segmentation."""
    if path.suffix.lower() == ".jams":
        return False
    family = _FAMILY.fullmatch(path.stem)
    salami = _SALAMI.fullmatch(path.stem)
    kinds = path.parent.name.split("_and_") if path.parent != root else [""]
    return (
        (family is not None and family["level"] in _OTHER_KINDS)
        or _OTHER_KINDS.issuperset(kinds)  # Harmonix has beats_and_downbeats/<id>.txt
        or (salami is not None and not salami["level"])  # all levels in one, see `parsed`
        or (
            path.suffix.lower() in _LOOSE_SUFFIXES | _UNREAD_SUFFIXES
            and path.stem.lower() in _OTHER_FILES
        )
    )


def _named(annotation: Annotation, name: FileName) -> Annotation:
    return replace(
        annotation,
        annotator=annotation.annotator or name.annotator or _UNNAMED,
        level=annotation.level or name.level or _UNNAMED,
    )


def _is_repeat(this: _Found, other: _Found) -> bool:
    """Return whether two files contain the same annotation."""
    a, b = this.annotation, other.annotation
    related = a.annotator == b.annotator or this.is_jams != other.is_jams
    return related and a.level == b.level and _equal(a.segmentation, b.segmentation)


def _is_rival(this: _Found, other: _Found) -> bool:
    """Return whether two annotations have the same name."""
    a, b = this.annotation, other.annotation
    return a.annotator == b.annotator and a.level == b.level


def _contradiction(this: _Found, rival: _Found) -> str:
    name = f"annotator {this.annotation.annotator!r} at level {this.annotation.level!r}"
    return (
        f"{this.track_id}: differs from {rival.path}, which is used as {name}; "
        "keep one, or name the annotators"
    )


def _is_level_of(this: _Found, other: _Found) -> bool:
    """Return whether two files in one folder differ only in level."""
    return this.path.parent == other.path.parent and this.annotation.level != other.annotation.level


def _equal(a: Segmentation, b: Segmentation) -> bool:
    return a.labels == b.labels and bool(
        np.allclose(a.boundaries, b.boundaries, rtol=0, atol=_SAME)
    )
