"""One job over many tracks, into a run folder: resumed, isolated, the same bytes every time.

The door to joblib. A worker writes its track whole or not at all and returns a receipt; what
one track does to its worker does not touch the others. See DESIGN, C9 and C10.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import joblib
import numpy as np
from joblib.externals.loky.process_executor import TerminatedWorkerError
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from scatseg import audio, extractors, formats, naming, runs, segmenters
from scatseg.bars import Bars
from scatseg.features import Features, uniform_edges
from scatseg.formats import Annotation, FormatError, Jams
from scatseg.partners import match_ids
from scatseg.rhythm import Grid, find_grid, read_beats
from scatseg.runs import Failure, Source
from scatseg.segmentation import SILENCE, Hierarchy, Segmentation
from scatseg.segmenters import Segmenter, predict_with_novelty
from scatseg.similarity import self_similarity

Item = TypeVar("Item")
Result = TypeVar("Result")

SILENT_PEAK = 1e-5
"""Of full scale: a recording that never exceeds it (-100 dB) is taken for silence."""

BEAT_EXTENSIONS = frozenset({".jams", ".csv", ".txt", ".beats"})
"""Of files that beats are looked for in."""

PLAIN_FEATURES = "scattering"
"""What segmenters are given that ask for nothing else."""

_SLOWEST, _FASTEST = 1000, 1_000_000
_PICTURE_FRAMES = 1024
_WAVEFORM_POINTS = 2048
_DEATHS_ALLOWED = 2
_CONFIDENCE_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """What is done to each track.

    Parameters
    ----------
    segmenters : sequence of str
        Names with options, see `scatseg.segmenters.segmenter`; the first is the default system.
    features : str, optional
        Names with options, see `scatseg.extractors.extractor`. What each segmenter is made for
        when absent.
    sr : int
        Sampling rate in Hz at which recordings are analyzed.
    settings : mapping
        Options set on every segmenter that has them: granularity, n_segments, ...
    exports : tuple of str
        Formats to write beside JAMS, keys of `scatseg.formats.FORMATS`.
    strict : bool
        Whether a damaged file is a failure and not a warning.
    beats : Path, optional
        A file of beats, see `scatseg.rhythm.read_beats`, or a folder with one for each recording,
        matched by name. They are looked for in the sound when absent.

    Raises
    ------
    ValueError
        When a name or an option is unknown, or a system is named twice.
    """

    segmenters: tuple[str, ...] = ("default",)
    features: str | None = None
    sr: int = 22050
    settings: Mapping[str, Any] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    strict: bool = False
    beats: Path | None = None

    def __post_init__(self) -> None:
        repeated = [name for name, n in Counter(self.segmenters).items() if n > 1]
        if repeated or not self.segmenters:
            msg = f"each system needs a name of its own, got {list(self.segmenters)}"
            raise ValueError(msg)
        if not isinstance(self.sr, int) or not _SLOWEST <= self.sr <= _FASTEST:
            msg = f"sr must be a whole number of Hz from {_SLOWEST} to {_FASTEST}, got {self.sr!r}"
            raise ValueError(msg)
        for name in self.exports:
            if name not in formats.FORMATS:
                msg = f"unknown format {name!r}: choose from {', '.join(formats.FORMATS)}"
                raise ValueError(msg)
        made = [extractors.extractor(name) for name in self.features_of_systems().values()]
        if self.beats is not None:
            if not self.beats.exists():
                msg = f"{self.beats}: a file or a folder of beats is needed, but nothing is there"
                raise ValueError(msg)
            if not any(isinstance(extract, Bars) for extract in made):
                heard = ", ".join(dict.fromkeys(self.features_of_systems().values()))
                msg = f"beats are for the features 'bars', but only {heard} are used: leave one out"
                raise ValueError(msg)

    def features_of_systems(self) -> dict[str, str]:
        """Name the features that each system is given."""
        return {
            name: self.features or str(getattr(each, "hears", PLAIN_FEATURES))
            for name, each in self.systems().items()
        }

    def beats_of(self, source: Source) -> Path | None:
        """Find the file of beats of a recording, or none."""
        if self.beats is None or self.beats.is_file():
            return self.beats
        files = _beat_files(self.beats)
        return files.get(match_ids([source.id], list(files)).pairs.get(source.id, ""))

    def systems(self) -> dict[str, Segmenter]:
        """Make the segmenters by name, with the settings that each of them has."""
        made = {name: segmenters.segmenter(name) for name in self.segmenters}
        for key in self.settings:
            if not any(key in _option_names(each) for each in made.values()):
                known = sorted({name for each in made.values() for name in _option_names(each)})
                msg = f"no segmenter here has an option {key!r}; there are {', '.join(known)}"
                raise ValueError(msg)
        return {
            name: _with_settings(each, self.settings) if self.settings else each
            for name, each in made.items()
        }

    def described(self) -> dict[str, Any]:
        """All that determines the result, with every default filled in.

        The user's own code, too: where that has changed, tracks are done again.
        """
        heard, systems = self.features_of_systems(), self.systems()
        extracts = {features: extractors.extractor(features) for features in heard.values()}
        own = naming.code_of((*systems.values(), *extracts.values()))
        return {
            "features": {
                name: _described(extracts[features], features) for name, features in heard.items()
            },
            "segmenters": {name: _described(each, name) for name, each in systems.items()},
            "sr": self.sr,
            "strict": self.strict,
        } | ({"code": own} if own else {})


def _described(made: object, name: str) -> str:
    """All options of a dataclass; of anything else the name, for its repr may be an address."""
    return repr(made) if dataclasses.is_dataclass(made) else name


def _option_names(segmenter: Segmenter) -> set[str]:
    if not dataclasses.is_dataclass(segmenter):
        return set()
    return {option.name for option in dataclasses.fields(segmenter)}


def _with_settings(segmenter: Segmenter, settings: Mapping[str, Any]) -> Segmenter:
    known = {key: value for key, value in settings.items() if key in _option_names(segmenter)}
    try:
        return dataclasses.replace(segmenter, **known) if known else segmenter  # type: ignore[type-var]
    except TypeError as error:
        msg = f"{type(segmenter).__name__} cannot be made with {known}: {error}"
        raise ValueError(msg) from error


class Receipt(NamedTuple):
    """What became of one track.

    `status` is "done", "kept" (it was done before) or "failed"; `failure` says why it failed.
    """

    track: str
    status: Literal["done", "kept", "failed"]
    seconds: float = 0.0
    failure: Failure | None = None


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

    Tracks that are there already, of the same audio with the same options, are kept. What
    fails is listed in failures.csv and does not stop the others.

    Parameters
    ----------
    sources : sequence of Source
        Recordings and their ids.
    run : Path
        The run folder, made when missing.
    job : SegmentJob
        What to do.
    n_jobs : int, default 1
        Processes. With more than one, each track is isolated from the others: a crash takes
        that track alone.
    force : bool, default False
        Do again what is done.
    failures : sequence of Failure
        Known before: paths that lead nowhere.
    on_receipt : callable, optional
        Told of every receipt as it comes.

    Returns
    -------
    receipts : list of Receipt
        One per track, in the order of the sources.

    Raises
    ------
    RunLockedError
        When another process writes to the same run.
    ValueError
        When one file of beats is given for several recordings.
    """
    if job.beats is not None and job.beats.is_file() and len(sources) > 1:
        msg = f"{len(sources)} recordings need a folder of beats, but {job.beats} is one file"
        raise ValueError(msg)
    with runs.locked(run):
        for name in ("tracks", "arrays", *(["exports"] if job.exports else [])):
            (run / name).mkdir(exist_ok=True)
        here = {source.id for source in sources}
        listed = [f for f in runs.read_failures(run) if f.track not in here and f.stage != "find"]
        listed += failures
        runs.write_failures(run, listed)
        receipts: dict[str, Receipt] = {}
        work = functools.partial(segment_source, run=run, job=job, force=force)
        for receipt in map_sources(work, sources, n_jobs=n_jobs, marks=run / ".running"):
            receipts[receipt.track] = receipt
            if receipt.failure:
                listed.append(receipt.failure)
                runs.write_failures(run, listed)
            if on_receipt is not None:
                on_receipt(receipt)
    return [receipts[source.id] for source in sources]


def segment_source(source: Source, *, run: Path, job: SegmentJob, force: bool = False) -> Receipt:
    """Segment one track into a run folder; whatever is wrong with it is in the receipt."""
    started = time.perf_counter()
    stage = _Stage()
    try:
        done = _segment_source(source, run, job, force, stage)
    except Exception as error:  # the edge where one track is kept from the others
        failure = Failure(source.id, stage.name, f"{type(error).__name__}: {error}")
        return Receipt(source.id, "failed", time.perf_counter() - started, failure)
    return Receipt(source.id, "done" if done else "kept", time.perf_counter() - started)


class _Stage:
    """Where a job is, for the error message."""

    name = "read"


def _segment_source(source: Source, run: Path, job: SegmentJob, force: bool, stage: _Stage) -> bool:
    """Segment one track unless that was done; say whether it was necessary."""
    target = run / "tracks" / f"{source.id}.jams"
    arrays = run / "arrays" / f"{source.id}.npz"
    facts = {
        "audio_sha256": file_hash(source.path),
        "options": job.described(),
        "versions": runs.versions(("scatseg", "kymatio", "librosa")),
    }
    beats = job.beats_of(source)
    if beats is not None:
        facts["beats_sha256"] = file_hash(beats)
    jams = None if force else _done_before(target, arrays, facts)
    needed = jams is None
    if jams is None:
        recording = audio.decode(source.path, sr=job.sr, strict=job.strict)
        found = analyze(recording.y, recording.sr, job, stage, beats=beats)
        stage.name = "write"
        drawn = _npz(found.pictures)
        drawn_hash = hashlib.sha256(drawn).hexdigest()
        jams = Jams(
            annotations=found.annotations,
            duration=recording.duration,
            title=source.path.stem,
            sandbox={
                "scatseg": facts
                | {
                    "arrays_sha256": drawn_hash,
                    "warnings": [*recording.warnings, *found.warnings],
                }
            },
        )
        formats.atomic_write(arrays, drawn)
        formats.write_jams(target, jams)
    stage.name = "export"
    for name in job.exports:
        _export(jams.annotations, run / "exports", source.id, name)
    return needed


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    UnreadableAudioError
        When the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{runs.shown(path)}: an audio file is needed, but {error.strerror}; check the path"
        raise audio.UnreadableAudioError(msg) from error


def _done_before(target: Path, arrays: Path, facts: Mapping[str, Any]) -> Jams | None:
    """Read the track as it was done before, if all of it is there, of this audio and options."""
    try:
        jams = formats.read_jams(target)
        drawn_hash = hashlib.sha256(arrays.read_bytes()).hexdigest()
    except (FileNotFoundError, FormatError):
        return None
    known = jams.sandbox.get("scatseg", {})
    expected = {**facts, "arrays_sha256": drawn_hash}
    return jams if all(known.get(key) == value for key, value in expected.items()) else None


class Analysis(NamedTuple):
    """What all systems of a job find in one signal.

    Parameters
    ----------
    annotations : tuple of Annotation
        Per system its levels, the default one first. Silence is one segment labeled as such.
    pictures : dict of str to ndarray
        What the report draws: pooled self-similarity, waveform, novelty curves.
    warnings : tuple of str
        What to know before trusting them.
    """

    annotations: tuple[Annotation, ...]
    pictures: dict[str, NDArray[Any]]
    warnings: tuple[str, ...]


def analyze(
    y: NDArray[np.floating],
    sr: int,
    job: SegmentJob,
    stage: _Stage | None = None,
    *,
    beats: Path | None = None,
) -> Analysis:
    """Segment one signal with every system of a job.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Mono signal in [-1, 1].
    sr : int
        Sampling rate in Hz.
    job : SegmentJob
        Which features and segmenters.
    beats : Path, optional
        A file of beats.

    Returns
    -------
    found : Analysis
        Sections, pictures and warnings.
    """
    stage = _Stage() if stage is None else stage
    pictures: dict[str, NDArray[Any]] = {"waveform": _waveform(y)}
    if np.abs(y).max() <= SILENT_PEAK:
        whole = Segmentation([0, len(y) / sr], [SILENCE])
        found = [each for name in job.segmenters for each in _annotations(name, whole)]
        return Analysis(tuple(found), pictures, ())
    # One thread: sums in another order round otherwise, and bytes would differ.
    with threadpool_limits(1):
        return _analyzed(y, sr, job, stage, pictures, beats)


def _analyzed(
    y: NDArray[np.floating],
    sr: int,
    job: SegmentJob,
    stage: _Stage,
    pictures: dict[str, NDArray[Any]],
    beats: Path | None,
) -> Analysis:
    heard = job.features_of_systems()
    described: dict[str, Features] = {}
    for name in dict.fromkeys(heard.values()):
        stage.name = f"features ({name})"
        extract = extractors.extractor(name)
        if isinstance(extract, Bars) and job.beats is not None:
            grid, notes = _grid(y, sr, job.beats, beats)
            described[name] = extract.on_grid(y, sr, grid.edges, notes=(*grid.warnings, *notes))
        else:
            described[name] = extract(y, sr)
    annotations: list[Annotation] = []
    for name, system in job.systems().items():
        stage.name = f"segment ({name})"
        features = described[heard[name]]
        sections, curve = predict_with_novelty(system, features)
        found = _annotations(name, sections)
        if curve is not None:
            edges, novelty = curve
            if _is_calibrated(system, features):
                found[0] = _with_confidence(found[0], edges, novelty)
            pictures[f"novelty_{name}"] = np.asarray(novelty, dtype=np.float32)
            pictures[f"novelty_edges_{name}"] = edges
        annotations += found
    stage.name = "pictures"
    pictures |= _similarity_picture(described[heard[job.segmenters[0]]])
    warnings = dict.fromkeys(note for features in described.values() for note in features.notes)
    return Analysis(tuple(annotations), pictures, tuple(warnings))


def _grid(
    y: NDArray[np.floating], sr: int, folder: Path, file: Path | None
) -> tuple[Grid, tuple[str, ...]]:
    """Read the bar lines of a recording, or look for them where there is no file of beats."""
    if file is None:
        return find_grid(y, sr), (f"no beats of this name in {folder.name}: they were looked for",)
    beats, downbeats = read_beats(file)
    try:
        return find_grid(y, sr, beats=beats, downbeats=downbeats), ()
    except ValueError as error:
        msg = f"{file}: {error}"
        raise ValueError(msg) from error


def _beat_files(folder: Path) -> dict[str, Path]:
    """Find the files of beats below a folder, by their names: `one` for one.beats.txt."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = Path(path.name)
        while name.suffix.lower() in BEAT_EXTENSIONS:
            name = name.with_suffix("")
        if name.name != path.name:
            files.setdefault(name.name, path)
    return files


def _annotations(system: str, found: Segmentation | Hierarchy) -> list[Annotation]:
    """One annotation per level, the default level first."""
    if not isinstance(found, Segmentation | Hierarchy):
        msg = f"{system} must predict a Segmentation or a Hierarchy, got {type(found).__name__}"
        raise TypeError(msg)
    if isinstance(found, Segmentation):
        return [Annotation(segmentation=found, system=system, level="1")]
    levels = [
        Annotation(segmentation=level, system=system, level=name)
        for name, level in zip(found.names, found.levels, strict=True)
    ]
    return [levels.pop(found.default), *levels]


def _is_calibrated(system: Segmenter, features: Features) -> bool:
    told = getattr(system, "is_calibrated", None)
    return told is not None and bool(told(features))


def _with_confidence(
    found: Annotation, edges: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> Annotation:
    """Tell how probable the boundary is at which each segment but the first begins."""
    starts = found.segmentation.boundaries[1:-1]
    if not starts:
        return found
    probable = np.interp(starts, edges, probabilities).round(_CONFIDENCE_DIGITS)
    return dataclasses.replace(found, confidence=(None, *probable.tolist()))


def _similarity_picture(features: Features) -> dict[str, NDArray[Any]]:
    frame = max(0.5, features.duration / _PICTURE_FRAMES)
    pooled = features.pooled(uniform_edges(features.duration, frame))
    S = self_similarity(pooled.X)
    return {"S": np.round(255 * S).astype(np.uint8), "S_edges": pooled.edges}


def _waveform(y: NDArray[np.floating]) -> NDArray[np.int8]:
    """Lowest and highest sample of equal stretches, as parts of 127, shape (2, n_stretches)."""
    starts = np.linspace(0, len(y), min(_WAVEFORM_POINTS, len(y)), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return np.clip(np.round(127 * np.stack([low, high])), -127, 127).astype(np.int8)


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


def _export(annotations: Sequence[Annotation], folder: Path, id_: str, name: str) -> None:
    """Write a track in another format: `<id>` for the default system, `<id>.<system>` for others.

    Formats that hold one segmentation get each system's default level.
    """
    known = formats.FORMATS[name]
    if known.several:
        formats.write(folder / f"{id_}{known.extension}", annotations, format=name)
        return
    first = {found.system: found for found in reversed(annotations)}
    default = annotations[0].system
    for system, found in first.items():
        stem = id_ if system == default else f"{id_}.{runs.safe_id(system)}"
        formats.write(folder / f"{stem}{known.extension}", found.segmentation, format=name)


def map_sources(
    work: Callable[[Source], Receipt], sources: Sequence[Source], *, n_jobs: int, marks: Path
) -> Iterator[Receipt]:
    """Do the work for every source, in processes that may die.

    When a worker is killed, the tracks that were being worked on are done again, each alone;
    one that kills its worker twice has failed. The others go on.

    Parameters
    ----------
    work : callable
        Source -> Receipt; picklable, and never raises for a bad track.
    sources : sequence of Source
        What to work on.
    n_jobs : int
        Processes; 1 works in this one.
    marks : Path
        A folder of ours, made and removed, in which workers mark what they are at.

    Yields
    ------
    receipt : Receipt
        As they come, in any order.
    """
    if n_jobs == 1 or len(sources) == 1:
        yield from map(work, sources)
        return
    marks.mkdir(exist_ok=True)
    left = {source.id: source for source in sources}
    deaths: Counter[str] = Counter()
    while left:
        suspects = [source for id_, source in left.items() if deaths[id_]]
        batch = suspects[:1] or list(left.values())
        try:
            for receipt in _in_processes(work, batch, n_jobs=n_jobs, marks=marks):
                del left[receipt.track]
                yield receipt
        except TerminatedWorkerError:
            # Who dies before leaving a mark is known only by working alone.
            for id_ in _marked(marks, left) or [source.id for source in batch]:
                deaths[id_] += 1
                if deaths[id_] >= _DEATHS_ALLOWED:
                    del left[id_]
                    reason = "the process died on this track twice: out of memory, or a crash"
                    yield Receipt(id_, "failed", 0.0, Failure(id_, "process", reason))
    _clear(marks)
    marks.rmdir()


def _in_processes(
    work: Callable[[Source], Receipt], batch: Sequence[Source], *, n_jobs: int, marks: Path
) -> Iterator[Receipt]:
    _clear(marks)
    parallel = joblib.Parallel(
        n_jobs=n_jobs, batch_size=1, backend="loky", return_as="generator_unordered"
    )
    jobs = (joblib.delayed(_marked_work)(work, source, marks, os.getpid()) for source in batch)
    yield from parallel(jobs)


def _marked_work(
    work: Callable[[Source], Receipt], source: Source, marks: Path, driver: int
) -> Receipt:
    _die_with(driver)
    mark = marks / _mark_name(source.id)
    mark.touch()
    receipt = work(source)
    mark.unlink()
    return receipt


def _mark_name(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogateescape")).hexdigest()


def _marked(marks: Path, left: Mapping[str, Source]) -> list[str]:
    """Which of the sources were being worked on."""
    names = {path.name for path in marks.iterdir()}
    return [id_ for id_ in left if _mark_name(id_) in names]


def _clear(marks: Path) -> None:
    for path in marks.iterdir():
        path.unlink()


@functools.cache
def _die_with(driver: int) -> None:
    """End this worker soon after the process that drives it is gone; once is enough."""
    if sys.platform == "win32":
        return  # there a parent's number says nothing about its life

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def map_pure(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_jobs: int
) -> Iterator[Result]:
    """Apply a picklable function to every item, in order, in processes when there are several."""
    if n_jobs == 1 or len(items) < 2:
        yield from map(function, items)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, backend="loky", return_as="generator")
    yield from parallel(joblib.delayed(function)(item) for item in items)
