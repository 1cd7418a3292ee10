"""The folder of an index: a database of tracks and windows, matrices of vectors, descriptions.

Only files and rows named by the database are in use. A writer adds files under new names, or
appends rows, and then commits them in one transaction. The index can therefore be read while it is
written, and is consistent wherever a writer is interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.runs import locked, shown
from scatseg.search.approximate import graph_name
from scatseg.search.passages import LENGTHS, WHOLE
from scatseg.search.projection import Projection, read_projection
from scatseg.writing import atomic_write, is_full, naming_file, replaced

FORMAT = 1
"""Version of the folder."""

DATABASE = "index.sqlite"
_OF_DATABASE = (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE)  # in order of removal
_OF_FAILURES = {"failures.csv", ".lock"}
_DESCRIPTION = re.compile(r"(?P<id>.+)\.[0-9a-f]{16}\.npz")
_LEAST_ROOM = 2**16
"""Bytes on the disk that SQLite needs to read a database."""

ALL_LENGTHS = (WHOLE, *LENGTHS)

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tracks (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    duration REAL NOT NULL,
    labels TEXT NOT NULL,
    belongs TEXT NOT NULL,
    description TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE windows (
    track TEXT NOT NULL,
    length REAL NOT NULL,
    first_row INTEGER NOT NULL,
    n_rows INTEGER NOT NULL,
    crc32 INTEGER,
    PRIMARY KEY (track, length)
) WITHOUT ROWID;
"""


class SearchIndexError(ValueError):
    """A folder that is not an index, is damaged, or has another version or other options."""


@dataclass(frozen=True, kw_only=True)
class IndexedTrack:
    """A recording in an index.

    Parameters
    ----------
    id : str
        Its id.
    path : str
        Its path when it was indexed.
    size, modified : int
        Size in bytes and modification time in nanoseconds since 1970 when it was indexed.
    sha256 : str
        SHA-256 of the file.
    duration : float
        Seconds.
    labels : tuple of str
        Labels from an index.csv; may be empty.
    group : str
        Group from an index.csv; may be empty.
    description : str
        File name of its description in `tracks/`.
    """

    id: str
    path: str
    size: int
    modified: int
    sha256: str
    duration: float
    labels: tuple[str, ...] = ()
    group: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of each track in the matrix of one window length.

    Parameters
    ----------
    tracks : tuple of str
        In the order of rows.
    firsts, counts : ndarray of int64, shape (n_tracks,)
        First row and number of rows of each track.
    checksums : ndarray of int64, shape (n_tracks,)
        CRC-32 of the rows of each track, see `checksum`; -1 if unknown.
    n_rows : int
        Total number of rows, including removed ones.
    """

    tracks: tuple[str, ...]
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]
    checksums: NDArray[np.int64]
    n_rows: int

    def track_of(self, row: int) -> tuple[str, int]:
        """Return the track of a row, and the index of its window."""
        i = int(np.searchsorted(self.firsts, row, side="right")) - 1
        return self.tracks[i], row - int(self.firsts[i])

    def allowed(self, excluded: frozenset[str] = frozenset()) -> NDArray[np.bool_]:
        """Return a mask of the rows of all tracks except the excluded ones."""
        mask = np.zeros(self.n_rows + 1, dtype=np.int32)
        keep = np.array([track not in excluded for track in self.tracks], dtype=bool)
        np.add.at(mask, self.firsts[keep], 1)
        np.add.at(mask, self.firsts[keep] + self.counts[keep], -1)
        return np.cumsum(mask[:-1]) > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """A snapshot of an index.

    Parameters
    ----------
    folder : Path
        The index.
    options : str
        Fingerprint of the feature settings.
    features, sr
        As in `Describer`.
    generation : int
        Number in the file names of matrices and projection; 0 before there are any.
    n_dims : int
        Number of columns of the matrices.
    tracks : dict of str to IndexedTrack
        By id.
    rows : dict of float to Rows
        By window length.
    """

    folder: Path
    options: str
    features: str
    sr: int
    generation: int
    n_dims: int
    tracks: Mapping[str, IndexedTrack]
    rows: Mapping[float, Rows]

    def matrix_path(self, length: float) -> Path:
        """Return the path of the vectors of one window length."""
        return self.folder / matrix_name(self.generation, length)

    def matrix(self, length: float) -> NDArray[np.float32]:
        """Memory-map the vectors of one window length, shape (n_rows, n_dims)."""
        n_rows = self.rows[length].n_rows
        if not n_rows:
            return np.empty((0, self.n_dims), dtype=np.float32)
        path = self.matrix_path(length)
        needed = 4 * n_rows * self.n_dims
        size = path.stat().st_size if path.is_file() else 0
        if size < needed:
            msg = (
                f"{shown(path)}: {needed:,} bytes of vectors are needed, there are {size:,}; "
                "rebuild them: scatseg index --rebuild -o INDEX"
            )
            raise SearchIndexError(msg)
        return np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, self.n_dims))

    def graph_path(self, length: float) -> Path:
        """Return the path of the graph of one window length, if there is one."""
        return self.folder / graph_name(self.matrix_path(length), self.rows[length].n_rows)

    def projection(self) -> Projection:
        """Read the projection."""
        return read_projection(self.folder / projection_name(self.generation))


def matrix_name(generation: int, length: float) -> str:
    """Return the file name of the vectors of one window length."""
    return f"vectors-{generation}-{'whole' if length == WHOLE else f'{length:g}s'}.f32"


def projection_name(generation: int) -> str:
    """Return the file name of the projection."""
    return f"projection-{generation}.npz"


def create(folder: Path, *, options: str, features: str, sr: int) -> None:
    """Create an empty index, atomically, in a new or empty folder.

    Raises
    ------
    SearchIndexError
        When the path exists and is something else.
    RunLockedError
        When another process writes to it.
    OSError
        When the disk is full.
    """
    if (folder / DATABASE).is_file():
        return
    if _is_other(folder):
        msg = f"{shown(folder)} holds something else than an index: choose another -o"
        raise SearchIndexError(msg)
    facts = {"format": FORMAT, "options": options, "features": features, "sr": sr}
    facts |= {"generation": 0, "n_dims": 0}
    facts |= {f"rows {length:g}": 0 for length in ALL_LENGTHS}
    is_new = not folder.exists()
    try:
        with locked(folder):
            if not (folder / DATABASE).is_file():  # nor made by another process meanwhile
                with replaced(folder / DATABASE) as temporary:
                    _make(temporary, facts)
                (folder / "tracks").mkdir(exist_ok=True)
    except (OSError, sqlite3.OperationalError) as error:
        if is_new:
            with contextlib.suppress(OSError):
                (folder / ".lock").unlink(missing_ok=True)
                folder.rmdir()
        _raise_full(error, folder)
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"{shown(folder)}: an index cannot be made here ({reason})"
        raise SearchIndexError(msg) from error


def _is_other(folder: Path) -> bool:
    """Return whether a path is a file, or a folder with more than failed attempts leave."""
    if not folder.is_dir():
        return folder.exists()
    names = {path.name for path in folder.iterdir()} - _OF_FAILURES
    return any(not name.startswith(".scatseg-") for name in names)


def _make(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a database without tracks."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(_SCHEMA)
        with database:
            database.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [(key, json.dumps(value)) for key, value in facts.items()],
            )


def discard(folder: Path) -> None:
    """Remove an index, but keep its list of failures. The caller must hold the lock."""
    shutil.rmtree(folder / "tracks")
    for name in _OF_DATABASE:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def connected(folder: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database of an index.

    Raises
    ------
    SearchIndexError
        When there is none, it is damaged, or it cannot be read or written.
    OSError
        When the disk is full: then it cannot be read either, unless all of it is read-only.
    """
    path = folder / DATABASE
    if not path.is_file():
        if folder.is_file():
            msg = f"{shown(folder)}: an index, which is a folder, is needed, this is a file"
        else:
            what = " is no index" if folder.exists() else ": there is no index"
            msg = f"{shown(folder)}{what}; make one: scatseg index PATH... -o music.index"
        raise SearchIndexError(msg)
    # The last connection removes the log of a database, unless it is read-only.
    writable = write or os.access(folder, os.W_OK)
    mode = "mode=rw" if writable else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{mode}"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            if not write:
                database.execute("PRAGMA query_only=ON")
            yield database
    except sqlite3.DatabaseError as error:
        _raise_full(error, path)
        # A missing table is an operational error in SQLite, too.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            what = "written" if write else "read"
            msg = f"{shown(path)}: the index cannot be {what} ({error}); its content is unchanged"
            raise SearchIndexError(msg) from error
        msg = f"{shown(path)}: the index is damaged ({error}); remove the folder, index again"
        raise SearchIndexError(msg) from error


def _raise_full(error: OSError | sqlite3.DatabaseError, path: Path) -> None:
    """Raise the error of a full disk, if it is the reason, with the path that has no room."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    lacks_room = is_full(error) or code == sqlite3.SQLITE_FULL
    if code == sqlite3.SQLITE_IOERR:  # of the file that readers share, too
        with contextlib.suppress(OSError):  # of a disk that is gone
            lacks_room = shutil.disk_usage(path.parent).free < _LEAST_ROOM
    if lacks_room:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path)) from error


def read_state(folder: Path, *, trusted: Collection[str] = ()) -> State:
    """Read the current state of an index.

    Parameters
    ----------
    folder : Path
        The index.
    trusted : collection of str
        Custom features (`module:callable`) that may be run.

    Raises
    ------
    SearchIndexError
        When it is not an index, is damaged, was written by another version, or names untrusted
        code for its features.
    """
    naming.check_several("trusted", trusted)
    with connected(folder) as database:
        state = _state(folder, database)
    if code := sorted(naming.foreign_code(state.features) - set(trusted)):
        msg = (
            f"{shown(folder)}: its features are the code {', '.join(code)}; if you trust who made "
            "it, allow it by name (--trust NAME)"
        )
        raise SearchIndexError(msg)
    return state


def _state(folder: Path, database: sqlite3.Connection) -> State:
    with database:  # one snapshot for all that is read
        database.execute("BEGIN")
        try:
            return _state_of(folder, database)
        except SearchIndexError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            msg = (
                f"{shown(folder / DATABASE)}: the index is damaged ({type(error).__name__}: "
                f"{error}); remove the folder, index again"
            )
            raise SearchIndexError(msg) from error


def _state_of(folder: Path, database: sqlite3.Connection) -> State:
    meta = {key: json.loads(value) for key, value in database.execute("SELECT * FROM meta")}
    if meta.get("format") != FORMAT:
        msg = (
            f"{shown(folder)} was written by another version of scatseg (format "
            f"{meta.get('format')}, this one reads {FORMAT}): index again into another folder"
        )
        raise SearchIndexError(msg)
    _check_types(meta, {"options": str, "features": str, "sr": int, "generation": int})
    _check_types(meta, {"n_dims": int, **{f"rows {length:g}": int for length in ALL_LENGTHS}})
    tracks = {
        row[0]: IndexedTrack(
            id=row[0],
            path=os.fsdecode(row[1]),
            size=row[2],
            modified=row[3],
            sha256=row[4],
            duration=float(row[5]),
            labels=tuple(json.loads(row[6])),
            group=row[7],
            description=row[8],
        )
        for row in database.execute("SELECT * FROM tracks ORDER BY id")
    }
    checksums = "crc32" if _has_checksums(database) else "NULL"
    query = f"SELECT track, first_row, n_rows, coalesce({checksums}, -1) FROM windows"
    query += " WHERE length = ? ORDER BY first_row"
    rows = {}
    for length in ALL_LENGTHS:
        found = database.execute(query, (length,)).fetchall()
        rows[length] = Rows(
            tracks=tuple(row[0] for row in found),
            firsts=np.array([row[1] for row in found], dtype=np.int64),
            counts=np.array([row[2] for row in found], dtype=np.int64),
            checksums=np.array([row[3] for row in found], dtype=np.int64),
            n_rows=meta[f"rows {length:g}"],
        )
    return State(
        folder=folder,
        options=meta["options"],
        features=meta["features"],
        sr=meta["sr"],
        generation=meta["generation"],
        n_dims=meta["n_dims"],
        tracks=tracks,
        rows=rows,
    )


def _check_types(facts: Mapping[str, Any], types: Mapping[str, type]) -> None:
    """Check the types of database values, from which file names and sizes are made."""
    for name, kind in types.items():
        if type(facts[name]) is not kind or (kind is int and facts[name] < 0):
            msg = f"{name} is {facts[name]!r}"
            raise TypeError(msg)


def write_state(state: State) -> None:
    """Commit a state in one transaction. Its files must be flushed to disk before."""
    with connected(state.folder, write=True) as database:
        database.execute("PRAGMA synchronous=FULL")
        before = _state(state.folder, database)
        with database:
            database.execute("BEGIN IMMEDIATE")
            facts: dict[str, Any] = {"generation": state.generation, "n_dims": state.n_dims}
            facts |= {f"rows {length:g}": each.n_rows for length, each in state.rows.items()}
            for key, value in facts.items():
                database.execute(
                    "UPDATE meta SET value = ? WHERE key = ?", (json.dumps(value), key)
                )
            old = set(before.tracks.items()) - set(state.tracks.items())
            new = set(state.tracks.items()) - set(before.tracks.items())
            database.executemany("DELETE FROM tracks WHERE id = ?", sorted((i,) for i, _ in old))
            database.executemany(
                f"INSERT INTO tracks VALUES ({', '.join('?' * 9)})",
                [_track_row(track) for _, track in sorted(new, key=lambda item: item[0])],
            )
            if not _has_checksums(database):
                database.execute("ALTER TABLE windows ADD COLUMN crc32 INTEGER")
            windows = [_window_rows(each) for each in (before, state)]
            database.executemany(
                "DELETE FROM windows WHERE track = ? AND length = ?",
                sorted(row[:2] for row in windows[0] - windows[1]),
            )
            database.executemany(
                "INSERT INTO windows (track, length, first_row, n_rows, crc32) "
                "VALUES (?, ?, ?, ?, nullif(?, -1))",
                sorted(windows[1] - windows[0]),
            )


def _track_row(track: IndexedTrack) -> tuple[object, ...]:
    is_text = os.fsencode(track.path) == track.path.encode(errors="replace")
    return (
        track.id,
        track.path if is_text else os.fsencode(track.path),  # not UTF-8, as in old collections
        track.size,
        track.modified,
        track.sha256,
        track.duration,
        json.dumps(track.labels),
        track.group,
        track.description,
    )


def _has_checksums(database: sqlite3.Connection) -> bool:
    """Return whether there is a column for them, which earlier versions do not make."""
    return any(row[1] == "crc32" for row in database.execute("PRAGMA table_info(windows)"))


def _window_rows(state: State) -> set[tuple[str | float, ...]]:
    return {
        (track, length, *map(int, numbers))
        for length, rows in state.rows.items()
        for track, *numbers in zip(
            rows.tracks, rows.firsts, rows.counts, rows.checksums, strict=True
        )
    }


def checksum(vectors: NDArray[np.float32]) -> int:
    """Return the CRC-32 of vectors as they are stored."""
    return zlib.crc32(_stored(vectors))


def _stored(vectors: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def append_rows(path: Path, n_rows: int, blocks: Sequence[NDArray[np.float32]]) -> None:
    """Append rows after the first n_rows of a matrix, overwriting any others."""
    n_dims = blocks[0].shape[1]
    with naming_file(path), path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(4 * n_rows * n_dims)
        file.seek(0, os.SEEK_END)
        for block in blocks:
            file.write(_stored(block))
        file.flush()
        os.fsync(file.fileno())


def write_projection(state: State, projection: Projection) -> None:
    """Store the projection of a state."""
    atomic_write(state.folder / projection_name(state.generation), projection.npz())


def remove_unnamed(state: State, *, waiting: bool = False) -> None:
    """Remove unused files, except those that a running writer may need.

    With `waiting`, descriptions of recordings that are not in the index are kept: they were
    computed before an interrupt, and are used when the recordings are added again.
    """
    named = {track.description for track in state.tracks.values()}
    for path in (state.folder / "tracks").iterdir():
        described = _DESCRIPTION.fullmatch(path.name)
        waits = waiting and described is not None and described["id"] not in state.tracks
        if path.name not in named and not waits:
            path.unlink()
    current = {matrix_name(state.generation, length) for length in ALL_LENGTHS}
    current.add(projection_name(state.generation))
    current |= {
        graph_name(state.matrix_path(length), rows.n_rows) for length, rows in state.rows.items()
    }
    for pattern in ("vectors-*", "projection-*.npz", ".scatseg-*.tmp*"):
        for path in state.folder.glob(pattern):
            if path.name not in current:
                path.unlink()
