"""The folder of an index: a database of tracks and windows, a matrix of vectors, descriptions.

What the database names is there; what it does not name does not count. A writer adds files under
new names, or rows behind those that count, and then makes them count in one transaction. So the
index can be read while it is written, and is whole wherever a writer is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.formats import atomic_write
from scatseg.runs import shown
from scatseg.search.approximate import graph_name
from scatseg.search.passages import LENGTHS, WHOLE
from scatseg.search.projection import Projection, read_projection

FORMAT = 1
"""Version of the folder."""

DATABASE = "index.sqlite"
_OF_DATABASE = (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE)  # it is an index to the last
_OF_FAILURES = {"failures.csv", ".lock"}
_DESCRIPTION = re.compile(r"(?P<id>.+)\.[0-9a-f]{16}\.npz")
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
    PRIMARY KEY (track, length)
) WITHOUT ROWID;
"""


class SearchIndexError(ValueError):
    """A folder that is no index, is damaged, or is of another version or other options."""


@dataclass(frozen=True, kw_only=True)
class IndexedTrack:
    """A recording in an index.

    Parameters
    ----------
    id : str
        Its name.
    path : str
        Where it was.
    size, modified : int
        Bytes, and nanoseconds since 1970, when it was described.
    sha256 : str
        Of its content.
    duration : float
        Seconds.
    labels : tuple of str
        From an index.csv, or none.
    group : str
        What it belongs to, from an index.csv, or empty.
    description : str
        Name of the file in `tracks/` that describes it.
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
    """Which rows of the matrix of one window length belong to which track.

    Parameters
    ----------
    tracks : tuple of str
        In the order of their rows.
    firsts, counts : ndarray of int64, shape (n_tracks,)
        First row and number of rows of each.
    n_rows : int
        All rows that count, removed ones among them.
    """

    tracks: tuple[str, ...]
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_rows: int

    def track_of(self, row: int) -> tuple[str, int]:
        """Tell to which track a row belongs, and which of its windows it is."""
        i = int(np.searchsorted(self.firsts, row, side="right")) - 1
        return self.tracks[i], row - int(self.firsts[i])

    def allowed(self, excluded: frozenset[str] = frozenset()) -> NDArray[np.bool_]:
        """Mark the rows of all tracks but some."""
        mask = np.zeros(self.n_rows + 1, dtype=np.int32)
        keep = np.array([track not in excluded for track in self.tracks], dtype=bool)
        np.add.at(mask, self.firsts[keep], 1)
        np.add.at(mask, self.firsts[keep] + self.counts[keep], -1)
        return np.cumsum(mask[:-1]) > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """What counts in an index at one moment.

    Parameters
    ----------
    folder : Path
        The index.
    options : str
        Fingerprint of how recordings are described.
    features, sr
        As in `Describer`.
    generation : int
        Number in the names of matrices and projection; 0 before there are any.
    n_dims : int
        Columns of the matrices.
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
        """Say where the vectors of one window length are."""
        return self.folder / matrix_name(self.generation, length)

    def matrix(self, length: float) -> NDArray[np.float32]:
        """Map the vectors of one window length into memory, shape (n_rows, n_dims)."""
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
        """Say where the graph of one window length is, if there is one."""
        return self.folder / graph_name(self.matrix_path(length), self.rows[length].n_rows)

    def projection(self) -> Projection:
        """Read the projection."""
        return read_projection(self.folder / projection_name(self.generation))


def matrix_name(generation: int, length: float) -> str:
    """Name the file of vectors of one window length."""
    return f"vectors-{generation}-{'whole' if length == WHOLE else f'{length:g}s'}.f32"


def projection_name(generation: int) -> str:
    """Name the file of the projection."""
    return f"projection-{generation}.npz"


def create(folder: Path, *, options: str, features: str, sr: int) -> None:
    """Make an empty index where there is none, whole or not at all.

    Raises
    ------
    SearchIndexError
        When there is something else under that name.
    """
    if (folder / DATABASE).is_file():
        return
    left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if left - _OF_FAILURES or (folder.exists() and not folder.is_dir()):
        msg = f"{shown(folder)} holds something else than an index: choose another -o"
        raise SearchIndexError(msg)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    made.mkdir()
    try:
        with contextlib.closing(sqlite3.connect(made / DATABASE)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(_SCHEMA)
            facts = {"format": FORMAT, "options": options, "features": features, "sr": sr}
            facts |= {"generation": 0, "n_dims": 0}
            facts |= {f"rows {length:g}": 0 for length in ALL_LENGTHS}
            with database:
                database.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [(key, json.dumps(value)) for key, value in facts.items()],
                )
        (made / "tracks").mkdir()
        for name in left:  # of an attempt at which all recordings failed
            (folder / name).replace(made / name)
        made.replace(folder)
    except (OSError, sqlite3.OperationalError) as error:
        if not (folder / DATABASE).is_file():
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"{shown(folder)}: an index cannot be made here ({reason})"
            raise SearchIndexError(msg) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def discard(folder: Path) -> None:
    """Let a folder be no index; what failed stays listed in it. Its writer must hold the lock."""
    shutil.rmtree(folder / "tracks")
    for name in _OF_DATABASE:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def connected(folder: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database of an index.

    Raises
    ------
    SearchIndexError
        When there is none, it is damaged, or cannot be read or written now: the disk is full, say.
    """
    path = folder / DATABASE
    if not path.is_file():
        if folder.is_file():
            msg = f"{shown(folder)}: an index, which is a folder, is needed, this is a file"
        else:
            what = " is no index" if folder.exists() else ": there is no index"
            msg = f"{shown(folder)}{what}; make one: scatseg index PATH... -o music.index"
        raise SearchIndexError(msg)
    # The last to close a database clears its log away, unless it may only read.
    writable = write or os.access(folder, os.W_OK)
    mode = "mode=rw" if writable else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{mode}"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            if not write:
                database.execute("PRAGMA query_only=ON")
            yield database
    except sqlite3.DatabaseError as error:
        # A table that is missing is an error of operation to SQLite, too.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            what = "written" if write else "read"
            msg = f"{shown(path)}: the index cannot be {what} ({error}); what is in it is kept"
            raise SearchIndexError(msg) from error
        msg = f"{shown(path)}: the index is damaged ({error}); remove the folder, index again"
        raise SearchIndexError(msg) from error


def read_state(folder: Path, *, trusted: Collection[str] = ()) -> State:
    """Read what counts in an index now.

    Parameters
    ----------
    folder : Path
        The index.
    trusted : collection of str
        Features of somebody's own, as `module:callable`, that may be run.

    Raises
    ------
    SearchIndexError
        When it is no index, damaged, or written by another version; or when it names code for its
        features that is not trusted.
    """
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
            path=row[1],
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
    query = "SELECT track, first_row, n_rows FROM windows WHERE length = ? ORDER BY first_row"
    rows = {}
    for length in ALL_LENGTHS:
        found = database.execute(query, (length,)).fetchall()
        rows[length] = Rows(
            tracks=tuple(row[0] for row in found),
            firsts=np.array([row[1] for row in found], dtype=np.int64),
            counts=np.array([row[2] for row in found], dtype=np.int64),
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
    """Refuse what was not written here: names of files are made of it, and sizes."""
    for name, kind in types.items():
        if type(facts[name]) is not kind or (kind is int and facts[name] < 0):
            msg = f"{name} is {facts[name]!r}"
            raise TypeError(msg)


def write_state(state: State) -> None:
    """Make a state count, in one transaction. Its files must be there, flushed to the disk."""
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
            windows = [_window_rows(each) for each in (before, state)]
            database.executemany(
                "DELETE FROM windows WHERE track = ? AND length = ?",
                sorted(row[:2] for row in windows[0] - windows[1]),
            )
            database.executemany(
                "INSERT INTO windows VALUES (?, ?, ?, ?)", sorted(windows[1] - windows[0])
            )


def _track_row(track: IndexedTrack) -> tuple[object, ...]:
    return (
        track.id,
        track.path,
        track.size,
        track.modified,
        track.sha256,
        track.duration,
        json.dumps(track.labels),
        track.group,
        track.description,
    )


def _window_rows(state: State) -> set[tuple[str, float, int, int]]:
    return {
        (track, length, int(first), int(count))
        for length, rows in state.rows.items()
        for track, first, count in zip(rows.tracks, rows.firsts, rows.counts, strict=True)
    }


def append_rows(path: Path, n_rows: int, blocks: Sequence[NDArray[np.float32]]) -> None:
    """Write rows behind the first n_rows of a matrix; what was behind them is overwritten."""
    n_dims = blocks[0].shape[1]
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(4 * n_rows * n_dims)
        file.seek(0, os.SEEK_END)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
        file.flush()
        os.fsync(file.fileno())


def write_projection(state: State, projection: Projection) -> None:
    """Store the projection of a state."""
    atomic_write(state.folder / projection_name(state.generation), projection.npz())


def remove_unnamed(state: State, *, waiting: bool = False) -> None:
    """Remove the files that no longer count, and none that a running writer may still need.

    With `waiting`, descriptions of recordings that the index does not know are kept: they were
    computed before an interrupt, and count when the recordings are given again.
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
    for pattern in ("vectors-*", "projection-*.npz", ".scatseg-*.tmp"):
        for path in state.folder.glob(pattern):
            if path.name not in current:
                path.unlink()
