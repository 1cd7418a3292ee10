"""One job over many tracks -> a run folder: resumable, isolated and deterministic.

A worker writes its track atomically and returns a receipt; a crash does not affect other tracks.
"""

from __future__ import annotations

import functools
import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scatseg import audio, formats, freshness, runs
from scatseg.analysis import SegmentJob, Stage, analyze
from scatseg.formats import Annotation, FormatError, Jams
from scatseg.runs import Failure, Source
from scatseg.workers import Receipt, map_sources


def segment_collection(
    sources: Sequence[Source],
    run: Path,
    job: SegmentJob,
    *,
    n_jobs: int = 1,
    force: bool = False,
    failures: Sequence[Failure] = (),
    on_receipt: Callable[[Receipt], object] | None = None,
) -> list[Receipt]:
    """Segment tracks into a run folder.

    Finished tracks with the same audio and options are kept. Failures are listed in failures.csv
    and do not stop the others.

    Parameters
    ----------
    sources : sequence of Source
        Recordings and their ids.
    run : Path
        The run folder, created if missing.
    job : SegmentJob
        The configuration.
    n_jobs : int, default 1
        Number of processes. With more than one, a crash affects only one track.
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
    ValueError
        When one file of beats is given for several recordings, or the run holds another recording
        under the id of one of the sources.
    """
    beats = job.beats_of(sources)
    with runs.locked(run):
        _refuse_namesakes(sources, run)
        for name in ("tracks", "arrays", *(["exports"] if job.exports else [])):
            (run / name).mkdir(exist_ok=True)
        here = {source.id for source in sources}
        listed = [f for f in runs.read_failures(run) if f.track not in here and f.stage != "find"]
        listed += failures
        runs.write_failures(run, listed)
        receipts: dict[str, Receipt] = {}
        work = functools.partial(segment_source, run=run, job=job, beats=beats, force=force)
        for receipt in map_sources(work, sources, n_jobs=n_jobs, marks=run / ".running"):
            receipts[receipt.track] = receipt
            if receipt.failure:
                listed.append(receipt.failure)
                runs.write_failures(run, listed)
            if on_receipt is not None:
                on_receipt(receipt)
        freshness.mark_outdated(run)
    return [receipts[source.id] for source in sources]


def _refuse_namesakes(sources: Sequence[Source], run: Path) -> None:
    """Raise an error if an id belongs to another recording in the run; runs may be moved."""
    known = runs.read_run_facts(run).get("audio", {})
    for source in sources:
        other = Path(known.get(source.id, source.path))
        if other.is_file() and source.path.is_file() and not other.samefile(source.path):
            if audio.file_hash(other) == audio.file_hash(source.path):
                continue
            msg = (
                f"{run} holds {other} as {source.id!r}: {source.path} needs another -o, or both "
                "are named in one call"
            )
            raise ValueError(msg)


def segment_source(
    source: Source, *, run: Path, job: SegmentJob, beats: Mapping[str, Path], force: bool = False
) -> Receipt:
    """Segment one track into a run folder; failures are in the receipt. `beats` is by id."""
    started = time.perf_counter()
    stage = Stage()
    try:
        done, warnings = _segment_source(source, run, job, beats.get(source.id), force, stage)
    except Exception as error:  # one track must not affect the others
        failure = Failure(source.id, stage.name, f"{type(error).__name__}: {error}")
        return Receipt(source.id, "failed", time.perf_counter() - started, failure)
    status: Literal["done", "kept"] = "done" if done else "kept"
    return Receipt(source.id, status, time.perf_counter() - started, warnings=warnings)


def _segment_source(
    source: Source, run: Path, job: SegmentJob, beats: Path | None, force: bool, stage: Stage
) -> tuple[bool, tuple[str, ...]]:
    """Segment one track unless finished; return whether it was necessary, and warnings."""
    target = run / "tracks" / f"{source.id}.jams"
    arrays = run / "arrays" / f"{source.id}.npz"
    facts = {
        "audio_sha256": audio.file_hash(source.path),
        "beats_sha256": None if beats is None else audio.file_hash(beats),
        "options": job.described(),
        "versions": runs.versions(("scatseg", "kymatio", "librosa")),
    }
    jams = None if force else _done_before(target, arrays, facts)
    needed = jams is None
    warnings: tuple[str, ...] = ()
    if jams is None:
        recording = audio.decode(source.path, sr=job.sr, strict=job.strict)
        found = analyze(recording.y, recording.sr, job, stage, beats=beats)
        stage.name = "write"
        warnings = (*recording.warnings, *found.warnings)
        drawn = _npz(found.pictures)
        drawn_hash = hashlib.sha256(drawn).hexdigest()
        jams = Jams(
            annotations=found.annotations,
            duration=recording.duration,
            title=source.path.stem,
            sandbox={"scatseg": facts | {"arrays_sha256": drawn_hash, "warnings": list(warnings)}},
        )
        _remove_exports(target, run / "exports")
        formats.atomic_write(arrays, drawn)
        formats.write_jams(target, jams)
    stage.name = "export"
    for name in job.exports:
        _export(jams.annotations, run / "exports", source.id, name)
    return needed, warnings


def _done_before(target: Path, arrays: Path, facts: Mapping[str, Any]) -> Jams | None:
    """Read a finished track, if it is complete and was made from the same facts."""
    try:
        jams = formats.read_jams(target)
        drawn_hash = hashlib.sha256(arrays.read_bytes()).hexdigest()
    except (FileNotFoundError, FormatError):
        return None
    known = jams.sandbox.get("scatseg", {})
    expected = {**facts, "arrays_sha256": drawn_hash}
    return jams if all(known.get(key) == value for key, value in expected.items()) else None


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


def _remove_exports(target: Path, folder: Path) -> None:
    """Remove the exports of a track before they are replaced."""
    try:
        before = formats.read_jams(target).annotations
    except (FileNotFoundError, FormatError):
        return
    stems = {target.stem, *(f"{target.stem}.{runs.safe_id(each.system)}" for each in before)}
    for known in formats.FORMATS.values():
        for stem in stems:
            (folder / f"{stem}{known.extension}").unlink(missing_ok=True)


def _export(annotations: Sequence[Annotation], folder: Path, id_: str, name: str) -> None:
    """Write a track in another format: `<id>` for the default system, `<id>.<system>` for others.

    Formats for a single segmentation get the default level of each system.
    """
    known = formats.FORMATS[name]
    if known.several:
        formats.write(folder / f"{id_}{known.extension}", annotations, format=name)
        return
    first = {found.system: found for found in reversed(annotations)}
    default = annotations[0].system
    for system, found in first.items():
        stem = id_ if system == default else f"{id_}.{runs.safe_id(system)}"
        formats.write(folder / f"{stem}{known.extension}", found, format=name)
