"""Files that are written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

_PREFIX, _SUFFIX = ".scatseg-", ".tmp"


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
    temporary = path.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
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
def tidied(folders: Iterable[Path]) -> Iterator[None]:
    """Remove temporary files from folders in the end, which processes leave that are killed.

    No other process may write to the folders meanwhile.
    """
    try:
        yield
    finally:
        for folder in folders:
            for temporary in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
                temporary.unlink(missing_ok=True)
