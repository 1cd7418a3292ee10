"""Files that are written as a whole or not at all, and folders that nobody else can write."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Container, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

_PREFIX, _SUFFIX = ".scatseg-", ".tmp"

_STALE = 3600.0
"""Seconds after which nobody still writes a temporary file."""

_writer: ContextVar[str] = ContextVar("writer", default="")


def rows_as_csv(rows: Iterable[Iterable[object]]) -> str:
    r"""Format rows as CSV with line feeds; floats are written by their repr.

    Examples
    --------
    >>> rows_as_csv([("file", "label"), ("a.wav", "kick, snare")])
    'file,label\na.wav,"kick, snare"\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically.

    Parameters
    ----------
    path : path-like
        The file; replaced when it exists. Its folder must exist.
    data : bytes
        The content, written to a temporary file in the same folder (`.scatseg-*.tmp`), which is
        flushed to disk and renamed, or removed on failure.

    Raises
    ------
    OSError
        When the file cannot be written, as on a full disk; it names the file.
    """
    with replaced(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary file that replaces a file in the end, or is removed on failure.

    Parameters
    ----------
    path : Path
        The file. Its folder must exist.

    Yields
    ------
    temporary : Path
        An empty file in the same folder.

    Raises
    ------
    OSError
        When the file cannot be written; it names the file, not the temporary one.
    """
    temporary = path.with_name(f"{_PREFIX}{_writer.get()}{secrets.token_hex(8)}{_SUFFIX}")
    with naming_file(path, instead_of=temporary):
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_file(path: Path, *, instead_of: Path | None = None) -> Iterator[None]:
    """Name a path in errors without any, as those of a full disk are, or with another."""
    try:
        yield
    except OSError as error:
        named = error.filename2 or error.filename
        if named is not None and Path(named) != instead_of:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


@contextlib.contextmanager
def writing_as(writer: str) -> Iterator[None]:
    """Begin the names of temporary files with that of their writer, for `tidied`."""
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)


@contextlib.contextmanager
def tidied(folders: Iterable[Path], *, writer: str = "") -> Iterator[None]:
    """Remove temporary files from folders in the end, which processes leave that are killed.

    Parameters
    ----------
    folders : iterable of Path
        Folders, which may be missing.
    writer : str, optional
        Whose files are removed (see `writing_as`). By default those of all, and no other process
        may write to the folders meanwhile.
    """
    try:
        yield
    finally:
        for folder in folders:
            for temporary in folder.glob(f"{_PREFIX}{writer}*{_SUFFIX}"):
                temporary.unlink(missing_ok=True)


def remove_others(folder: Path, kept: Container[Path]) -> None:
    """Remove files from a folder but for those kept and temporary ones of the last hour."""
    oldest = time.time() - _STALE
    for path in folder.glob("*"):
        if path in kept or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):  # another process renamed or removed it
            temporary = path.name.startswith(_PREFIX) and path.suffix == _SUFFIX
            if not (temporary and path.stat().st_mtime > oldest):
                path.unlink()


def is_full(error: Exception) -> bool:
    """Return whether an error is that of a full disk, or of a user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def private_folder(name: str) -> Path:
    """Return a temporary folder that only this user can write, the same each time if possible."""
    own = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"{name}-{own}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    there = folder.lstat()
    if stat.S_ISDIR(there.st_mode) and (there.st_uid, there.st_mode & 0o077) == (own, 0):
        return folder
    return Path(tempfile.mkdtemp(prefix=f"{name}-"))
