"""Recordings -> an index: features are computed one by one, then committed at once."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import functools
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scatseg import audio, naming, runs
from scatseg.audio.sources import opened
from scatseg.formats.sounds import INDEX
from scatseg.runs import Failure, Source
from scatseg.search.committing import track_vectors, write_tracks
from scatseg.search.descriptions import Describer, DescriptionError, read_description
from scatseg.search.store import (
    ALL_LENGTHS,
    IndexedTrack,
    SearchIndexError,
    State,
    checksum,
    create,
    discard,
    read_state,
)
from scatseg.workers import Receipt, map_sources
from scatseg.writing import atomic_write, tidied


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """Labels and group of a recording, from an index.csv."""

    labels: tuple[str, ...] = ()
    group: str = ""


def add_recordings(
    folder: Path,
    sources: Sequence[Source],
    describer: Describer,
    *,
    belonging: Mapping[Path, Belonging] | None = None,
    failures: Sequence[Failure] = (),
    tables: Collection[Path] = (),
    n_jobs: int = 1,
    time_limit: float | None = None,
    rebuild: bool = False,
    on_receipt: Callable[[Receipt], object] | None = None,
) -> list[Receipt]:
    """Add recordings to an index, created if missing, and update those that changed.

    Unchanged recordings are kept. Those that were renamed or moved get a new id, and keep features
    and labels. Failures do not stop the others and are listed in failures.csv: a recording until it
    is added again, a table row until its table is read again or deleted, a missing path until the
    next call. The projection is fitted on the first recordings and then kept. If
    all recordings fail and there was no index before, only failures.csv is written.

    Parameters
    ----------
    folder : Path
        The index.
    sources : sequence of Source
        Recordings and their ids. Paths already in the index keep their ids.
    describer : Describer
        Feature settings, the same for all recordings of an index.
    belonging : mapping from Path to Belonging, optional
        Labels and groups by absolute path; those of a folder apply to its other recordings.
        Recordings without an entry keep theirs.
    failures : sequence of Failure
        Earlier failures: missing paths, and invalid table rows, with the absolute path of the table
        before `track`.
    tables : collection of Path
        Absolute paths of the tables read; their earlier failures are replaced by `failures`.
    n_jobs : int, default 1
        Number of processes; -1 for all cores.
    time_limit : float, optional
        Seconds that a recording may take; it then fails.
    rebuild : bool, default False
        Refit the projection on all recordings, and rewrite all vectors.
    on_receipt : callable, optional
        Called with every receipt.

    Returns
    -------
    receipts : list of Receipt
        One per recording.

    Raises
    ------
    SearchIndexError
        When the folder holds something else, or an index with other options.
    RunLockedError
        When another process writes to it.
    """
    create(folder, options=describer.fingerprint(), features=describer.features, sr=describer.sr)
    with runs.locked(folder), tidied([folder / "tracks"]):
        state = read_state(folder, trusted=naming.foreign_code(describer.features))
        if state.options != describer.fingerprint():
            kept, asked = (f"{each.features} at {each.sr} Hz" for each in (state, describer))
            if kept == asked:  # but of another version
                describer_of(state)  # raises an error if it is that of custom code
                kept, asked = state.options, describer.fingerprint()
            msg = (
                f"{runs.shown(folder)} describes recordings by {kept}, not by {asked}: "
                "leave the options out, or choose another -o"
            )
            raise SearchIndexError(msg)
        (folder / "tracks").mkdir(exist_ok=True)  # gone where discarding was stopped
        sources = _named(sources, state)
        here = {source.id for source in sources}
        listed = [
            f
            for f in runs.read_failures(folder)
            if f.track not in here and f.stage != "find" and not _is_outdated(f, tables)
        ]
        listed += failures
        runs.write_failures(folder, listed)
        receipts: dict[str, Receipt] = {}
        renamed = _renamed(sources, state)
        for id_, before in renamed.items():
            _copy_description(before, id_, folder / "tracks")
        unchanged = _kept(sources, state)
        left = [source for source in sources if source.id not in unchanged]
        work = functools.partial(describe_source, folder=folder, describer=describer)
        marks = folder / ".running"
        done = map_sources(work, left, n_jobs=n_jobs, marks=marks, time_limit=time_limit)
        for receipt in itertools.chain(unchanged.values(), done):
            receipts[receipt.track] = receipt
            if receipt.failures:
                listed += receipt.failures
                runs.write_failures(folder, listed)
            if on_receipt is not None:
                on_receipt(receipt)
        results = [receipts[source.id].result for source in sources]
        described = [each for each in results if isinstance(each, IndexedTrack)]
        state = _commit(state, described, describer, belonging or {}, rebuild, renamed)
        if not state.generation:
            discard(folder)
    return [receipts[source.id] for source in sources]


def _is_outdated(failure: Failure, tables: Collection[Path]) -> bool:
    """Return whether a failure is of a table that was read again since, or is gone."""
    if failure.stage != "index":
        return False
    folder, name, _ = failure.track.partition(os.sep + INDEX)
    table = Path(folder + name)
    return not name or table in tables or not table.is_file()


def remove_recordings(folder: Path, pattern: str, *, trusted: Collection[str] = ()) -> list[str]:
    """Remove recordings from an index.

    Parameters
    ----------
    folder : Path
        The index.
    pattern : str
        An id or a path, relative ones too, or a pattern of them with `*`, `?` and `[...]`.
    trusted : collection of str
        See `read_state`.

    Returns
    -------
    removed : list of str
        Ids.
    """

    def matches(track: IndexedTrack) -> bool:
        texts, spelled = (track.id, track.path), (pattern, str(Path(pattern).absolute()))
        return any(
            text == each or fnmatch.fnmatchcase(text, each) for text in texts for each in spelled
        )

    return _without(folder, matches, trusted)


def gone_recordings(folder: Path, *, trusted: Collection[str] = ()) -> list[str]:
    """Return the ids of recordings that were moved or deleted since they were indexed."""
    state = read_state(folder, trusted=trusted)
    return [track.id for track in state.tracks.values() if runs.is_gone(track.path)]


def prune_index(folder: Path, *, trusted: Collection[str] = ()) -> list[str]:
    """Remove the recordings of `gone_recordings`, and return their ids."""
    return _without(folder, lambda track: runs.is_gone(track.path), trusted)


def _without(
    folder: Path, is_unwanted: Callable[[IndexedTrack], bool], trusted: Collection[str]
) -> list[str]:
    """Remove recordings from an index, and return their ids."""
    read_state(folder, trusted=trusted)  # that it is an index is known before it is locked
    with runs.locked(folder):
        state = read_state(folder, trusted=trusted)
        removed = [track.id for track in state.tracks.values() if is_unwanted(track)]
        if removed:
            gone = set(removed)
            tracks = {id_: t for id_, t in state.tracks.items() if id_ not in gone}
            write_tracks(state, tracks, describer_of(state), rebuild=False)
            kept = [f for f in runs.read_failures(folder) if f.track not in gone]
            runs.write_failures(folder, kept)
    return removed


def rebuild_index(folder: Path, *, trusted: Collection[str] = ()) -> State:
    """Refit the projection on all recordings, and rewrite all vectors."""
    read_state(folder, trusted=trusted)
    with runs.locked(folder):
        state = read_state(folder, trusted=trusted)
        return write_tracks(state, dict(state.tracks), describer_of(state), rebuild=True)


def describe_source(source: Source, *, folder: Path, describer: Describer) -> Receipt:
    """Compute the features of a recording, unless stored; its receipt has the track or failure.

    The track is without labels and group.
    """
    started = time.perf_counter()
    stage, recording = "read", None
    try:
        with opened(source.path) as file:
            stat = os.fstat(file.fileno())  # before its content: a later change is then noticed
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path = folder / "tracks" / _description_name(source.id, sha256)
        duration = _described_duration(path)
        if duration is None:
            recording = audio.decode(source.path, sr=describer.sr)
            stage = "features"
            description = describer.describe(recording.y)
            stage = "write"
            atomic_write(path, description.npz())
            duration = description.duration
    except (Exception, SystemExit) as error:  # one recording must not affect the others
        failure = Failure(source.id, stage, f"{type(error).__name__}: {error}")
        return Receipt(source.id, "failed", time.perf_counter() - started, failure)
    track = IndexedTrack(
        id=source.id,
        path=os.fspath(runs.absolute(source.path)),
        size=stat.st_size,
        modified=stat.st_mtime_ns,
        sha256=sha256,
        duration=duration,
        description=path.name,
    )
    seconds = time.perf_counter() - started
    if recording is None:
        return Receipt(source.id, "kept", seconds, result=track)
    return Receipt(source.id, "done", seconds, warnings=recording.warnings, result=track)


def _kept(sources: Sequence[Source], state: State) -> dict[str, Receipt]:
    """Return the receipts of unchanged recordings by id; they need no worker."""
    return {
        id_: Receipt(id_, "kept", 0.0, result=state.tracks[id_])
        for id_, path in sources
        if id_ in state.tracks and _unchanged(path, state.tracks[id_], state.folder)
    }


def _unchanged(path: Path, track: IndexedTrack, folder: Path) -> bool:
    """Return whether a file is unchanged, by size and modification time."""
    try:
        stat = path.stat()
    except OSError:  # reported when it is read
        return False
    now = (os.fspath(runs.absolute(path)), stat.st_size, stat.st_mtime_ns)
    same = (track.path, track.size, track.modified) == now
    return same and (folder / "tracks" / track.description).is_file()


def _described_duration(path: Path) -> float | None:
    """Return the duration in seconds of a stored description; None if it cannot be read."""
    try:
        return read_description(path, frames_only=True).duration
    except DescriptionError:
        return None


def _named(sources: Sequence[Source], state: State) -> list[Source]:
    """Assign existing ids to recordings in the index, and unique ids to others."""
    by_path = {track.path: track.id for track in state.tracks.values()}
    taken = {track.id.casefold(): track.path for track in state.tracks.values()}
    named = []
    for source in sources:
        path = os.fspath(runs.absolute(source.path))
        id_ = by_path.get(path, source.id)
        other = taken.get(id_.casefold(), path)
        if other != path and not runs.is_gone(other):
            digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
            id_ = runs.safe_id(f"{id_}-{digest}")
        taken[id_.casefold()] = path
        named.append(Source(id_, source.path))
    return sorted(named)


def _renamed(sources: Sequence[Source], state: State) -> dict[str, IndexedTrack]:
    """Find new recordings whose content is that of a recording that is gone, by new id."""
    by_size: dict[int, list[IndexedTrack]] = {}
    for track in state.tracks.values():
        by_size.setdefault(track.size, []).append(track)
    here = {source.id for source in sources}
    renamed: dict[str, IndexedTrack] = {}
    for id_, path in sources:
        try:
            alike = [] if id_ in state.tracks else by_size.get(path.stat().st_size, [])
            gone = [track for track in alike if track.id not in here and runs.is_gone(track.path)]
            sha256 = audio.file_hash(path) if gone else ""
        except (OSError, audio.AudioError):  # reported when it is read
            continue
        before = next((track for track in gone if track.sha256 == sha256), None)
        if before is not None:
            renamed[id_] = before
            by_size[before.size].remove(before)
    return renamed


def _copy_description(track: IndexedTrack, id_: str, folder: Path) -> None:
    """Give the description of a recording to another id; one that is lost is computed anew."""
    with contextlib.suppress(FileNotFoundError):
        data = (folder / track.description).read_bytes()
        atomic_write(folder / _description_name(id_, track.sha256), data)


def _description_name(id_: str, sha256: str) -> str:
    return f"{id_}.{sha256[:16]}.npz"


def describer_of(state: State) -> Describer:
    """Return the feature settings of an index.

    Raises
    ------
    SearchIndexError
        When the code of its custom features has changed since.
    """
    describer = Describer(features=state.features, sr=state.sr)
    own = naming.foreign_code(state.features)
    if own and state.options != describer.fingerprint():
        code = ", ".join(sorted(own))
        if "code" in json.loads(state.options):
            by = f"another version of {code}, whose code has changed"
        else:
            by = f"{code}, whose code at that time is not known"
        folder = runs.shown(state.folder)
        msg = f"{folder} describes recordings by {by}: make a new index with another -o"
        raise SearchIndexError(msg)
    return describer


def _commit(
    state: State,
    described: Sequence[IndexedTrack],
    describer: Describer,
    belonging: Mapping[Path, Belonging],
    rebuild: bool,
    renamed: Mapping[str, IndexedTrack],
) -> State:
    """Commit the features of recordings to the index; renamed ones replace those they were."""
    tracks = dict(state.tracks)
    for track in described:
        before = tracks.get(track.id)
        if track.id in renamed:
            before = tracks.pop(renamed[track.id].id)
        own = _own(Path(track.path), belonging, before)
        tracks[track.id] = dataclasses.replace(track, labels=own.labels, group=own.group)
    return write_tracks(state, tracks, describer, rebuild=rebuild, waiting=True)


def _own(path: Path, belonging: Mapping[Path, Belonging], before: IndexedTrack | None) -> Belonging:
    """Return labels and group of a recording, from its entry or folder, else as before."""
    said = next((belonging[each] for each in (path, *path.parents) if each in belonging), None)
    if said is not None:
        return said
    return Belonging() if before is None else Belonging(labels=before.labels, group=before.group)


def verify_index(folder: Path, *, trusted: Collection[str] = ()) -> list[str]:
    """Verify all files of an index.

    Parameters
    ----------
    folder : Path
        The index.
    trusted : collection of str
        See `read_state`.

    Returns
    -------
    faults : list of str
        One sentence per fault; empty if there are none.

    Raises
    ------
    SearchIndexError
        When it cannot be opened at all.
    """
    state = read_state(folder, trusted=trusted)
    faults = _row_faults(state)
    if not state.generation or faults:
        return faults
    projection, columns = state.projection(), describer_of(state).columns()
    matrices = {length: state.matrix(length) for length in ALL_LENGTHS}
    place = {
        length: {
            track: numbers
            for track, *numbers in zip(
                rows.tracks, rows.firsts, rows.counts, rows.checksums, strict=True
            )
        }
        for length, rows in state.rows.items()
    }
    for track in state.tracks.values():
        try:
            vectors = next(track_vectors(folder, [track], projection, columns))
        except DescriptionError as error:
            faults.append(str(error))
            continue
        for length, expected in vectors.items():
            first, count, known = place[length][track.id]
            stored = matrices[length][first : first + count]
            # Of another machine, they differ by rounding from those that are expected.
            same = stored.shape == expected.shape and np.allclose(stored, expected, atol=1e-5)
            if not same or known not in (checksum(stored), -1):
                faults.append(f"{track.id}: its vectors are not those of its description")
                break
    return faults


def _row_faults(state: State) -> list[str]:
    faults = []
    for length, rows in state.rows.items():
        if set(rows.tracks) != set(state.tracks):
            faults.append(f"windows of {length:g} s: tracks and windows disagree")
        ends = rows.firsts + rows.counts
        if len(rows.firsts) and ((rows.firsts[1:] < ends[:-1]).any() or ends[-1] > rows.n_rows):
            faults.append(f"windows of {length:g} s: rows overlap, or lie beyond the end")
        try:
            state.matrix(length)
        except SearchIndexError as error:
            faults.append(str(error))
    return faults
