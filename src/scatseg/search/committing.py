"""Tracks of an index -> their vectors, projected, written and committed at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatseg.search import approximate
from scatseg.search.descriptions import (
    LEAST_SECONDS,
    Columns,
    Describer,
    cell_edges,
    read_description,
)
from scatseg.search.passages import passages, relative, window_cells
from scatseg.search.projection import Projection, fit_projection
from scatseg.search.store import (
    ALL_LENGTHS,
    IndexedTrack,
    Rows,
    State,
    append_rows,
    checksum,
    remove_unnamed,
    write_projection,
    write_state,
)

_FITTED_ON = 20_000
"""Maximum number of passages to fit a projection."""

_BATCH = 256
"""Tracks whose vectors are in memory at a time."""

_MOST_DEAD = 0.5
"""Share of removed rows above which matrices are compacted."""


def write_tracks(
    state: State,
    tracks: Mapping[str, IndexedTrack],
    describer: Describer,
    *,
    rebuild: bool,
    waiting: bool = False,
) -> State:
    """Write new vectors, commit the transaction, then remove unused files."""
    if tracks != state.tracks or rebuild:
        kept = {
            id_
            for id_, track in tracks.items()
            if id_ in state.tracks and state.tracks[id_].description == track.description
        }
        added = sorted(set(tracks) - kept)
        remaining = {length: _of_tracks(rows, kept) for length, rows in state.rows.items()}
        if tracks and (rebuild or not state.generation):
            state = _from_nothing(state, tracks, describer)
        elif added:
            state = _appended(state, tracks, added, remaining, describer)
        else:
            state = dataclasses.replace(state, tracks=tracks, rows=remaining)
        if _dead(state) > _MOST_DEAD:
            state = _compacted(state)
        write_state(state)
    remove_unnamed(state, waiting=waiting)
    _write_graphs(state)
    return state


def _write_graphs(state: State) -> None:
    """Build graphs of large matrices, if faiss is installed."""
    for length, rows in state.rows.items():
        path = state.graph_path(length)
        if rows.n_rows > approximate.ABOVE and approximate.is_installed() and not path.exists():
            approximate.write_graph(state.matrix(length), path)


def _of_tracks(rows: Rows, kept: set[str]) -> Rows:
    mask = np.array([track in kept for track in rows.tracks], dtype=bool)
    return Rows(
        tracks=tuple(track for track in rows.tracks if track in kept),
        firsts=rows.firsts[mask],
        counts=rows.counts[mask],
        checksums=rows.checksums[mask],
        n_rows=rows.n_rows,
    )


def _dead(state: State) -> float:
    """Return the share of rows that belong to no track."""
    n_rows = sum(rows.n_rows for rows in state.rows.values())
    alive = sum(int(rows.counts.sum()) for rows in state.rows.values())
    return 1 - alive / n_rows if n_rows else 0.0


def _from_nothing(state: State, tracks: Mapping[str, IndexedTrack], describer: Describer) -> State:
    """Fit a projection on all tracks, and write all vectors as a new generation."""
    projection = _fitted(state.folder, tracks, describer.columns())
    empty = np.empty(0, dtype=np.int64)
    nothing = Rows(tracks=(), firsts=empty, counts=empty, checksums=empty, n_rows=0)
    state = dataclasses.replace(
        state,
        generation=state.generation + 1,
        n_dims=projection.n_dims,
        tracks=tracks,
        rows=dict.fromkeys(ALL_LENGTHS, nothing),
    )
    write_projection(state, projection)
    return _appended(state, tracks, sorted(tracks), state.rows, describer, projection)


def _fitted(folder: Path, tracks: Mapping[str, IndexedTrack], columns: Columns) -> Projection:
    """Fit a projection on passages taken evenly from all tracks."""
    counts = {id_: sum(map(len, _windows(tracks[id_].duration))) for id_ in sorted(tracks)}
    n_passages = sum(counts.values())
    step = -(-n_passages // _FITTED_ON)
    X = np.empty((-(-n_passages // step), 2 * len(columns.names)))
    n_before = n_drawn = 0
    for id_, count in counts.items():
        drawn = slice(-n_before % step, count, step)
        n_before += count
        if drawn.start >= count:
            continue
        description = read_description(folder / "tracks" / tracks[id_].description)
        windows = np.concatenate(_windows(tracks[id_].duration))[drawn]
        X[n_drawn : n_drawn + len(windows)] = relative(passages(description, windows), columns)
        n_drawn += len(windows)
    return fit_projection(X, np.tile(columns.uncompressed, 2))


def _appended(
    state: State,
    tracks: Mapping[str, IndexedTrack],
    added: Sequence[str],
    rows: Mapping[float, Rows],
    describer: Describer,
    projection: Projection | None = None,
) -> State:
    """Append the vectors of tracks."""
    projection = state.projection() if projection is None else projection
    columns = describer.columns()
    grown = {
        length: dataclasses.replace(each, tracks=(*each.tracks, *added))
        for length, each in rows.items()
    }
    for batch in _batches(added):
        found = list(
            track_vectors(state.folder, [tracks[id_] for id_ in batch], projection, columns)
        )
        for length in ALL_LENGTHS:
            grown[length] = _with_blocks(state, length, grown[length], [v[length] for v in found])
    return dataclasses.replace(state, tracks=tracks, rows=grown)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _with_blocks(
    state: State, length: float, rows: Rows, blocks: Sequence[NDArray[np.float32]]
) -> Rows:
    """Append blocks of vectors, and update the rows."""
    append_rows(state.matrix_path(length), rows.n_rows, blocks)
    counts = np.array([len(block) for block in blocks], dtype=np.int64)
    firsts = rows.n_rows + np.cumsum(counts) - counts
    checksums = np.array([checksum(block) for block in blocks], dtype=np.int64)
    return dataclasses.replace(
        rows,
        firsts=np.concatenate([rows.firsts, firsts]),
        counts=np.concatenate([rows.counts, counts]),
        checksums=np.concatenate([rows.checksums, checksums]),
        n_rows=rows.n_rows + int(counts.sum()),
    )


def track_vectors(
    folder: Path, tracks: Sequence[IndexedTrack], projection: Projection, columns: Columns
) -> Iterator[dict[float, NDArray[np.float32]]]:
    """Compute the vectors of tracks, one by one, by window length."""
    for track in tracks:
        description = read_description(folder / "tracks" / track.description)
        windows = _windows(description.duration)
        X = relative(passages(description, np.concatenate(windows)), columns)
        parts = np.split(X, np.cumsum([len(each) for each in windows])[:-1])
        yield {length: projection(part) for length, part in zip(ALL_LENGTHS, parts, strict=True)}


def _windows(duration: float) -> list[NDArray[np.intp]]:
    """Divide a recording into windows of each length."""
    n_cells = len(cell_edges(max(duration, LEAST_SECONDS))) - 1
    return [window_cells(n_cells, length) for length in ALL_LENGTHS]


def _compacted(state: State) -> State:
    """Write the rows in use as a new generation."""
    new = dataclasses.replace(state, generation=state.generation + 1)
    write_projection(new, state.projection())
    packed = {}
    for length, rows in state.rows.items():
        matrix = state.matrix(length)
        found = [
            np.array(matrix[first : first + count])
            for first, count in zip(rows.firsts, rows.counts, strict=True)
        ] or [np.empty((0, state.n_dims), dtype=np.float32)]
        append_rows(new.matrix_path(length), 0, found)
        firsts = (
            np.concatenate([[0], np.cumsum(rows.counts)[:-1]]) if len(rows.counts) else rows.firsts
        )
        packed[length] = dataclasses.replace(rows, firsts=firsts, n_rows=int(rows.counts.sum()))
    return dataclasses.replace(new, rows=packed)
