"""The run folder: recordings and their ids, failures, notes, metadata and locks."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
import os
import platform
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scatseg.counts import one_line
from scatseg.formats.text import table_rows
from scatseg.writing import atomic_write, rows_as_csv

_LONGEST_ID = 120
"""Bytes; longer ones are cut, so that `<id>.<system>.<extension>` fits every file system."""

_UNSAFE = re.compile(r"[^\w.()\[\],'&+=@ -]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


Result = TypeVar("Result")


class RunLockedError(RuntimeError):
    """Another process is writing to the run folder."""


class Failure(NamedTuple):
    """One line of failures.csv: a track, the stage that failed, and the reason."""

    track: str
    stage: str
    error: str


class Note(NamedTuple):
    """One line of notes.csv: a repair, an inconsistency, or an intended omission.

    Parameters
    ----------
    kind : str
        "repair", "ignored", "duration", ...
    track : str
        Id of the track.
    file : str
        The file; "" if there is none.
    message : str
        The finding or repair, with the line of the file.
    """

    kind: str
    track: str
    file: str
    message: str


class Source(NamedTuple):
    """A recording and the id it has in the run."""

    id: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Found:
    """The recordings found at a list of paths.

    Parameters
    ----------
    sources : tuple of Source
        Recordings, by id.
    failures : tuple of Failure
        Missing paths, and folders that are unreadable or without audio.
    """

    sources: tuple[Source, ...]
    failures: tuple[Failure, ...]


def find_sources(
    paths: Iterable[str | os.PathLike[str]], *, extensions: Iterable[str], kind: str = "audio"
) -> Found:
    """Find recordings in files, folders (recursively) and glob patterns.

    Parameters
    ----------
    paths : iterable of path-like
        Files of any extension, folders searched for the extensions, or patterns with ``*``, ``?``
        or ``[``.
    extensions : iterable of str
        Lower case, with the dot.
    kind : str, default "audio"
        Kind of files, for the message about a folder without any.

    Returns
    -------
    found : Found
        Every file once, with an id made from its path relative to the given folder.
    """
    wanted = frozenset(extensions)
    # A file may be reached by several paths: absolute path -> first spelling, folder of its id.
    spelled: dict[Path, tuple[Path, Path]] = {}
    failures = []
    for given in paths:
        path = Path(given)
        matches = [path]
        if not _exists(path):
            is_pattern = glob.has_magic(os.fspath(given))
            names = glob.glob(os.fspath(given), recursive=True)  # noqa: PTH207 - may be absolute
            matches = [Path(name) for name in sorted(names)]
            if not matches:
                reason = "the pattern matches no file" if is_pattern else "no such file or folder"
                failures.append(Failure(shown(path), "find", reason))
        for match in matches:
            if match.is_dir():
                problems: list[Failure] = []
                files = sorted(_walk(match, wanted, problems))
                failures += problems
                if not files and not problems:
                    looked_for = " ".join(sorted(wanted))
                    reason = f"no {kind} in this folder (looked for {looked_for})"
                    failures.append(Failure(shown(match), "find", reason))
                for file in files:
                    spelled.setdefault(absolute(file), (file, match))
            else:
                spelled.setdefault(absolute(match), (match, match.parent))
    return Found(sources=_named_sources(dict(spelled.values())), failures=tuple(failures))


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without `..`, by which recordings are known; links stay.

    Examples
    --------
    >>> absolute("/music/album/../song.wav").as_posix()
    '/music/song.wav'
    """
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def _exists(path: Path) -> bool:
    """Return whether a path exists, including broken links."""
    return os.path.lexists(path)


def _walk(folder: Path, extensions: frozenset[str], problems: list[Failure]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        path = Path(os.fsdecode(error.filename))
        problems.append(Failure(shown(path), "find", f"unreadable folder: {error.strerror}"))

    for parent, folders, names in walked(folder, onerror=unreadable):
        if "run.json" in names and "tracks" in folders and "assets" in folders:
            folders.remove("assets")  # where a run keeps copies of recordings
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in extensions:
                yield Path(parent, name)


def walked(
    folder: Path,
    *,
    besides: Collection[Path] = (),
    onerror: Callable[[OSError], object] | None = None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a folder as `os.walk`, following links, but enter no folder twice.

    Folders are entered in sorted order, those that are linked after all others. Hidden ones are
    left out, and those that the caller removes.

    Parameters
    ----------
    folder : Path
        The folder.
    besides : collection of Path
        Folders that are not entered.
    onerror : callable, optional
        Called with the errors of unreadable folders.

    Yields
    ------
    parent : str
        Path of a folder.
    folders, names : list of str
        Its subfolders and files.
    """
    entered = {os.path.realpath(each) for each in besides}
    left = [os.fspath(folder)]
    while left:
        for parent, folders, names in os.walk(left.pop(0), onerror=onerror):
            here = os.path.realpath(parent)
            if here in entered:
                folders.clear()
                continue
            entered.add(here)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield parent, folders, sorted(names)
            below = [os.path.join(parent, name) for name in folders]  # noqa: PTH118
            left += [path for path in below if os.path.islink(path)]  # noqa: PTH114


def _named_sources(roots: Mapping[Path, Path]) -> tuple[Source, ...]:
    """Assign each file the shortest unique id."""
    left = dict(roots)
    sources: dict[str, Path] = {}
    taken: set[str] = set()
    for name_file in (_id_from_stem, _id_from_name, _id_from_parent, _id_from_hash):
        names: dict[str, list[Path]] = {}
        for file, root in left.items():
            names.setdefault(name_file(file, root).casefold(), []).append(file)
        for files in names.values():
            id_ = name_file(files[0], left[files[0]])
            if len(files) == 1 and id_.casefold() not in taken:
                sources[id_] = files[0]
                taken.add(id_.casefold())
                del left[files[0]]
    return tuple(Source(id_, sources[id_]) for id_ in sorted(sources))


def _id_from_stem(file: Path, root: Path) -> str:
    return safe_id(os.fspath(_relative(file, root).with_suffix("")))


def _id_from_name(file: Path, root: Path) -> str:
    return safe_id(os.fspath(_relative(file, root)))


def _id_from_parent(file: Path, root: Path) -> str:
    parents = [part for part in root.absolute().parts if part not in ("audio", root.anchor)]
    return safe_id(os.path.join(*parents[-1:], os.fspath(_relative(file, root))))  # noqa: PTH118


def _id_from_hash(file: Path, root: Path) -> str:
    return f"{_id_from_name(file, root)}-{_digest(os.fspath(file.absolute()))}"


def _relative(file: Path, root: Path) -> Path:
    return file.relative_to(root) if file != root else Path(file.name)


def safe_id(name: str) -> str:
    """Convert a name to a readable, unique id that is safe in file systems and HTML.

    Path separators become "__". Characters other than letters, digits, spaces and plain punctuation
    become "_"; if that, or shortening, loses information, a hash of the name is appended.

    Examples
    --------
    >>> safe_id("Side A/01 Café")
    'Side A__01 Café'
    >>> safe_id('what?')
    'what_-2cc9a59a'
    """
    parts = [part for part in re.split(r"[/\\]", unicodedata.normalize("NFC", name)) if part]
    joined = "__".join(parts)
    safe = _UNSAFE.sub("_", joined).strip(" .")
    if not safe or safe.startswith("-"):
        safe = "_" + safe
    data = safe.encode()
    if safe != joined or len(data) > _LONGEST_ID or _RESERVED.fullmatch(safe):
        safe = f"{data[: _LONGEST_ID - 9].decode(errors='ignore')}-{_digest(name)}"
    return safe


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def is_gone(path: str | os.PathLike[str]) -> bool:
    """Return whether there is no such file; one that cannot be looked at is not gone."""
    try:
        os.stat(path)  # noqa: PTH116 - Path.exists differs between versions of Python
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def shown(path: Path) -> str:
    """Return the path as printable text, on one line."""
    return one_line(os.fspath(path))


def read_failures(run: Path) -> list[Failure]:
    """Read the failures listed in a run folder, if any.

    Raises
    ------
    FormatError
        When failures.csv is not text, or a quote is not closed; with file and line.
    """
    try:
        rows = [row for _, row in table_rows(run / "failures.csv")]
    except FileNotFoundError:
        return []
    return [Failure(*row) for row in rows[1:] if len(row) == len(Failure._fields)]


def write_failures(run: Path, failures: Iterable[Failure]) -> None:
    """Write failures.csv, one line each, sorted; messages lose their line breaks."""
    _write_list(run / "failures.csv", Failure._fields, sorted(set(failures)))


def write_notes(run: Path, notes: Iterable[Note]) -> None:
    """Write notes.csv, one line each, in the order given; messages lose their line breaks."""
    _write_list(run / "notes.csv", Note._fields, notes)


def _write_list(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = ([" ".join(field.split()) for field in row] for row in rows)
    text = rows_as_csv([header, *lines])
    atomic_write(path, text.encode("utf-8", "backslashreplace"))


def attempted(
    names: Iterable[str], stage: str, work: Callable[[str], Result]
) -> tuple[dict[str, Result], list[Failure]]:
    """Call a function for each name; errors do not affect other names.

    Parameters
    ----------
    names : iterable of str
        The names.
    stage : str
        Name of the stage, for failures.csv.
    work : callable
        Function of a name.

    Returns
    -------
    results : dict of str to Result
        Results by name.
    failures : list of Failure
        Names that failed.
    """
    results, failures = {}, []
    for name in names:
        try:
            results[name] = work(name)
        except (Exception, SystemExit) as error:  # custom code may raise anything
            text = str(error) if isinstance(error, ValueError) else repr(error)
            failures.append(Failure(name, stage, text))
    return results, failures


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; numbers that are not finite become null.

    Bytes of file names that are not UTF-8 are escaped.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text.encode("utf-8", "backslashreplace"))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table atomically, numbers with six digits.

    Bytes of file names that are not UTF-8 are escaped.
    """
    cells = ([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    text = rows_as_csv([header, *cells])
    atomic_write(path, text.encode("utf-8", "backslashreplace"))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_run_facts(run: Path) -> dict[str, Any]:
    """Read run.json, or return an empty dict if there is none.

    Raises
    ------
    ValueError
        When it is not a JSON object.
    """
    try:
        facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        msg = f"{run / 'run.json'} is not JSON ({error}): delete it, the next run writes it again"
        raise ValueError(msg) from error
    if not isinstance(facts, dict):
        msg = f"{run / 'run.json'} must hold a JSON object: delete it, the next run writes it again"
        raise ValueError(msg)
    return facts


def write_run(
    run: Path,
    *,
    options: Mapping[str, Any],
    started: str,
    seconds: float,
    sources: Iterable[Source] = (),
    section: str = "",
) -> None:
    """Write run.json: options, versions, host and command, to reproduce the run.

    Parameters
    ----------
    run : Path
        The run folder. Entries of run.json on other tracks and other sections are kept.
    options : mapping
        All options with their values.
    started : str
        Start time in ISO 8601.
    seconds : float
        Run time.
    sources : iterable of Source
        Paths of recordings, for playback in the report.
    section : str
        Name of the section to write, such as "evaluation"; the top level if empty.
    """
    before = read_run_facts(run)
    facts: dict[str, Any] = {
        "command": ["scatseg", *sys.argv[1:]],
        "options": dict(options),
        "versions": versions(),
        "host": {
            "platform": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "started": started,
        "seconds": round(seconds, 3),
    }
    if section:
        facts = {**before, section: facts}
    else:
        audio = {source.id: os.fspath(absolute(source.path)) for source in sources}
        facts = {**before, **facts, "audio": {**before.get("audio", {}), **audio}}
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    atomic_write(run / "run.json", text.encode("utf-8", "backslashreplace"))


def versions(
    names: Sequence[str] = (
        *("scatseg", "kymatio", "librosa", "mir_eval", "numpy", "scipy"),
        *("scikit-learn", "soundfile", "soxr", "torch"),
    ),
) -> dict[str, str]:
    """Return the installed versions of packages, including Python."""
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Lock a run folder for writing; create it if missing.

    Raises
    ------
    RunLockedError
        When another process holds the lock, which is released when that process ends.
    OSError
        When it cannot be created, or its file system does not support locks.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("a+b") as lock:
        try:
            _lock(lock.fileno())
        except _HeldError as error:
            msg = f"{run} is being written by another scatseg: wait for it, or choose another -o"
            raise RunLockedError(msg) from error
        yield


def is_locked(run: Path) -> bool:
    """Return whether another process writes to a folder, as far as can be told."""
    try:
        with locked(run):
            return False
    except RunLockedError:
        return True
    except OSError:  # a folder that this process cannot write to
        return False


if sys.platform == "win32":
    _HeldError = PermissionError

    def _lock(descriptor: int) -> None:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    _HeldError = BlockingIOError

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
