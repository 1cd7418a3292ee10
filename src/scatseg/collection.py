"""One job over many tracks -> a run folder: resumable, isolated and deterministic.

A worker writes its track atomically and returns a receipt; a crash does not affect other tracks.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import audio, formats, freshness, runs
from scatseg.analysis import SegmentJob, Stage, analyze
from scatseg.cluster import map_on_cluster
from scatseg.formats import Annotation, FormatError, Jams
from scatseg.runs import Failure, Source
from scatseg.workers import Receipt, map_sources
from scatseg.writing import atomic_write, tidied


def segment_collection(
    sources: Sequence[Source],
    run: str | os.PathLike[str],
    job: SegmentJob,
    *,
    n_jobs: int = 1,
    cluster: str | None = None,
    time_limit: float | None = None,
    force: bool = False,
    failures: Sequence[Failure] = (),
    on_receipt: Callable[[Receipt], object] | None = None,
) -> list[Receipt]:
    """Segment tracks into a run folder.

    Finished tracks with the same audio and options are kept. Failures are listed in failures.csv
    and do not stop the others. If some of the systems fail on a track, it has the segmentations of
    the others, and is not finished.

    Parameters
    ----------
    sources : sequence of Source
        Recordings and their ids.
    run : path-like
        The run folder, created if missing.
    job : SegmentJob
        The configuration.
    n_jobs : int, default 1
        Number of processes; -1 for all cores. With more than one, a crash affects only one track.
    cluster : str, optional
        Process tracks on the workers of this dask scheduler instead: an address, or "" for that of
        dask's configuration. See `scatseg.cluster.map_on_cluster`.
    time_limit : float, optional
        Seconds that a track may take; it then fails. Not on a cluster.
    force : bool, default False
        Recompute finished tracks.
    failures : sequence of Failure
        Earlier failures: missing paths.
    on_receipt : callable, optional
        Called with every receipt.

    Returns
    -------
    receipts : list of Receipt
        One per track, in the order of the sources.

    Raises
    ------
    RunLockedError
        When another process writes to the same run.
    ConnectionError
        When no scheduler answers.
    ValueError
        When one file of beats is given for several recordings, the run holds another recording
        under the id of one of the sources, or a time limit is given for a cluster.
    """
    if time_limit is not None and cluster is not None:
        msg = "a time limit needs the backend loky: no track can be stopped on a dask cluster"
        raise ValueError(msg)
    run = Path(run)
    beats = job.beats_of(sources)
    folders = [run / name for name in ("tracks", "arrays", "exports")]
    with runs.locked(run), tidied(folders):
        _refuse_namesakes(sources, run)
        for folder in folders if job.exports else folders[:2]:
            folder.mkdir(exist_ok=True)
        listed = [*_past_failures(run, {source.id for source in sources}), *failures]
        runs.write_failures(run, listed)
        receipts: dict[str, Receipt] = {}
        done = _receipts(
            sources,
            run,
            job,
            beats,
            force=force,
            n_jobs=n_jobs,
            cluster=cluster,
            time_limit=time_limit,
        )
        for receipt in done:
            receipts[receipt.track] = receipt
            if receipt.failures:
                listed += receipt.failures
                runs.write_failures(run, listed)
            if on_receipt is not None:
                on_receipt(receipt)
        freshness.mark_outdated(run)
    return [receipts[source.id] for source in sources]


def gone_tracks(run: Path) -> list[str]:
    """Return the tracks of a run whose recordings were moved or deleted since."""
    known = runs.read_run_facts(run).get("audio", {})
    ids = [path.stem for path in sorted((run / "tracks").glob("*.jams"))]
    return [id_ for id_ in ids if id_ in known and runs.is_gone(known[id_])]


def remove_tracks(run: Path, ids: Iterable[str]) -> None:
    """Remove tracks from a run, with their exports, except those corrected by hand.

    Scores that include them are marked as outdated. A report that was built before has them still.
    """
    with runs.locked(run):
        for id_ in ids:
            _remove_exports(_target(run, id_), run / "exports")
            _arrays(run, id_).unlink(missing_ok=True)
            _target(run, id_).unlink(missing_ok=True)
        freshness.mark_outdated(run)


def _past_failures(run: Path, here: Collection[str]) -> list[Failure]:
    """Return earlier failures, except of the sources of this call and of files that are gone."""
    known = runs.read_run_facts(run).get("audio", {})
    return [
        failure
        for failure in runs.read_failures(run)
        if failure.track not in here
        and failure.stage != "find"
        and (failure.track not in known or not runs.is_gone(known[failure.track]))
    ]


def _refuse_namesakes(sources: Sequence[Source], run: Path) -> None:
    """Raise an error if an id belongs to another recording in the run; runs may be moved."""
    known = runs.read_run_facts(run).get("audio", {})
    for source in sources:
        other = Path(known.get(source.id, source.path))
        files = (other, source.path)
        if all(map(os.path.isfile, files)) and not other.samefile(source.path):
            if audio.file_hash(other) == audio.file_hash(source.path):
                continue
            msg = (
                f"{run} holds {other} as {source.id!r}: {source.path} needs another -o, or both "
                "are named in one call"
            )
            raise ValueError(msg)


def _receipts(
    sources: Sequence[Source],
    run: Path,
    job: SegmentJob,
    beats: Mapping[str, Path],
    *,
    force: bool,
    n_jobs: int,
    cluster: str | None,
    time_limit: float | None,
) -> Iterator[Receipt]:
    """Keep finished tracks in this process, then segment the others in workers."""
    left = []
    facts = _job_facts(job)
    for source in sources:
        kept = None if force else _kept(source, run, job, beats.get(source.id), facts)
        if kept is None:
            left.append(source)
        else:
            yield kept
    if cluster is not None and left:
        # Workers elsewhere have other current folders.
        away = [source._replace(path=source.path.absolute()) for source in left]
        beats = {id_: path.absolute() for id_, path in beats.items()}
        work = functools.partial(segment_source, run=run.absolute(), job=job, beats=beats)
        yield from map_on_cluster(work, away, scheduler=cluster or None)
        return
    work = functools.partial(segment_source, run=run, job=job, beats=beats)
    yield from map_sources(
        work,
        left,
        n_jobs=n_jobs,
        marks=run / ".running",
        isolate=len(sources) > 1,
        time_limit=time_limit,
    )


def _kept(
    source: Source, run: Path, job: SegmentJob, beats: Path | None, facts: Mapping[str, Any]
) -> Receipt | None:
    """Export a track if it is finished; None if it is not. Failures are in the receipt."""
    started, stage = time.perf_counter(), Stage()
    try:
        jams = _finished(source, run, beats, facts)
        if jams is None:
            return None
        stage.name = "export"
        _export_all(jams, run, source.id, job)
    except Exception as error:  # one track must not affect the others
        return _failed(source, stage, error, started)
    return Receipt(source.id, "kept", time.perf_counter() - started)


def segment_source(
    source: Source, *, run: Path, job: SegmentJob, beats: Mapping[str, Path]
) -> Receipt:
    """Segment one track into a run folder; failures are in the receipt. `beats` is by id."""
    started, stage = time.perf_counter(), Stage()
    try:
        warnings, partial = _segment_source(source, run, job, beats.get(source.id), stage)
    except (Exception, SystemExit) as error:  # one track must not affect the others
        return _failed(source, stage, error, started)
    seconds = time.perf_counter() - started
    return Receipt(source.id, "done", seconds, warnings=warnings, partial=partial)


def _failed(source: Source, stage: Stage, error: BaseException, started: float) -> Receipt:
    failure = _failure(source, stage.name, error)
    return Receipt(source.id, "failed", time.perf_counter() - started, failure)


def _failure(source: Source, stage: str, error: BaseException) -> Failure:
    return Failure(source.id, stage, f"{type(error).__name__}: {error}")


def _segment_source(
    source: Source, run: Path, job: SegmentJob, beats: Path | None, stage: Stage
) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
    """Segment one track, and return its warnings and the failures of some of its systems."""
    target, arrays = _target(run, source.id), _arrays(run, source.id)
    facts = _file_facts(source, beats) | _job_facts(job)
    recording = audio.decode(source.path, sr=job.sr, strict=job.strict)
    partial: list[Failure] = []
    found = analyze(
        recording.y,
        recording.sr,
        job,
        stage,
        beats=beats,
        on_failure=lambda stage, error: partial.append(_failure(source, stage, error)),
    )
    stage.name = "write"
    warnings = (*recording.warnings, *found.warnings)
    drawn = _npz(found.pictures)
    facts |= {"arrays_sha256": hashlib.sha256(drawn).hexdigest(), "warnings": list(warnings)}
    if partial:
        facts["failed"] = [failure.stage for failure in partial]
        facts["default"] = job.segmenters[0]  # which may be one of them
    jams = Jams(
        annotations=found.annotations,
        duration=recording.duration,
        title=source.path.stem,
        sandbox={"scatseg": facts},
    )
    _remove_exports(target, run / "exports")
    atomic_write(arrays, drawn)
    formats.write_jams(target, jams)
    stage.name = "export"
    corrected = _export_all(jams, run, source.id, job)
    return (*warnings, *map(_kept_export, corrected)), tuple(partial)


def _target(run: Path, id_: str) -> Path:
    return run / "tracks" / f"{id_}.jams"


def _arrays(run: Path, id_: str) -> Path:
    return run / "arrays" / f"{id_}.npz"


def _job_facts(job: SegmentJob) -> dict[str, Any]:
    """Return what determines the result, besides the files."""
    versions = runs.versions(("scatseg", "kymatio", "librosa"))
    return {"options": job.described(), "versions": versions}


def _file_facts(source: Source, beats: Path | None) -> dict[str, Any]:
    return {
        "audio_sha256": audio.file_hash(source.path),
        "beats_sha256": None if beats is None else audio.file_hash(beats),
    }


def _finished(
    source: Source, run: Path, beats: Path | None, facts: Mapping[str, Any]
) -> Jams | None:
    """Read a finished track, if it is complete and was made from the same files and facts."""
    try:
        jams = formats.read_jams(_target(run, source.id))
        drawn_hash = hashlib.sha256(_arrays(run, source.id).read_bytes()).hexdigest()
    except (FileNotFoundError, FormatError):
        return None
    known = jams.sandbox.get("scatseg", {})
    if known.get("failed") or any(known.get(key) != value for key, value in facts.items()):
        return None
    expected = {**_file_facts(source, beats), "arrays_sha256": drawn_hash}
    return jams if all(known.get(key) == value for key, value in expected.items()) else None


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


def _remove_exports(target: Path, folder: Path) -> None:
    """Remove the exports of a track before they are replaced, except those corrected by hand."""
    try:
        before = formats.read_jams(target)
    except (FileNotFoundError, FormatError):
        return
    for name in formats.FORMATS:
        for path, found in _exported(before, folder, target.stem, name).items():
            if _is_export(path, found, name):
                path.unlink()


def _export_all(jams: Jams, run: Path, id_: str, job: SegmentJob) -> list[Path]:
    """Write the exports of a track; return those that stay, as they were corrected by hand."""
    corrected = []
    for name in job.exports:
        for path, found in _exported(jams, run / "exports", id_, name).items():
            if not path.exists():
                formats.write(path, found, format=name)
            elif not _is_export(path, found, name):
                corrected.append(path)
    return corrected


def _is_export(path: Path, found: Sequence[Annotation], name: str) -> bool:
    """Return whether a file is exactly the export of annotations: nobody corrected it."""
    try:
        return path.read_bytes() == formats.FORMATS[name].text(found).encode()
    except (FileNotFoundError, FormatError):
        return False


def _kept_export(path: Path) -> str:
    return (
        f"{path.parent.name}/{path.name} differs from the result and is kept, as "
        "corrected by hand: to get the new one, move it away and run this again"
    )


def _exported(jams: Jams, folder: Path, id_: str, name: str) -> dict[Path, Sequence[Annotation]]:
    """Return the content of each file of a track in another format.

    `<id>` is for the default system, `<id>.<system>` for others. Formats for a single segmentation
    get the default level of each system.
    """
    known = formats.FORMATS[name]
    if known.several:
        return {folder / f"{id_}{known.extension}": jams.annotations}
    first = {found.system: found for found in reversed(jams.annotations)}
    files: dict[Path, Sequence[Annotation]] = {}
    for system, found in first.items():
        stem = id_ if system == jams.default_system else f"{id_}.{runs.safe_id(system)}"
        files[folder / f"{stem}{known.extension}"] = (found,)
    return files
