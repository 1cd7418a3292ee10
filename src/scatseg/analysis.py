"""Analysis of one track: features, segmentations and figure data of every system."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from scatseg import extractors, formats, naming, segmenters
from scatseg.audio import SILENT_PEAK
from scatseg.bars import Bars
from scatseg.features import Extractor, Features, uniform_edges
from scatseg.formats import Annotation
from scatseg.partners import match_ids
from scatseg.rates import limited_rate
from scatseg.rhythm import Grid, find_grid, read_beats
from scatseg.runs import Source, safe_id
from scatseg.scattering.arguments import check_mono
from scatseg.segmentation import SILENCE, Hierarchy, Segmentation
from scatseg.segmenters import Curve, Segmenter, predict_with_novelty, unmet_counts
from scatseg.similarity import self_similarity
from scatseg.threads import one_thread

BEAT_EXTENSIONS = frozenset({".jams", ".csv", ".txt", ".beats"})
"""Extensions of beat files."""

PLAIN_FEATURES = "scattering"
"""Default features of segmenters without an attribute `hears`."""

PICTURE_FRAME = 0.5
"""Minimum frame length of figures in seconds; shorter frames are averaged."""

PICTURE_FRAMES = 1024
"""Maximum number of frames of figures; longer recordings get longer frames."""

_LOWEST_SR = 1000  # Hz
_WAVEFORM_POINTS = 2048  # pairs of minimum and maximum in the report
_CONFIDENCE_DIGITS = 4  # decimals of boundary probabilities
_FEW_RIGHT = 0.5  # share of boundaries expected to be correct below which there is a warning
_RINGING = 0.1  # seconds at each end in which resampling a constant rings


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """The configuration of an analysis.

    Parameters
    ----------
    segmenters : sequence of str
        Names with options, see `scatseg.segmenters.segmenter`; the first is the default system.
    features : str, optional
        Names with options, see `scatseg.extractors.extractor`. By default, those of each segmenter.
    sr : int
        Sampling rate in Hz to which recordings are resampled.
    settings : mapping
        Options set on every segmenter that has them: granularity, n_segments, ...
    exports : tuple of str
        Additional output formats, keys of `scatseg.formats.FORMATS`.
    strict : bool
        Whether a damaged file is a failure instead of a warning.
    beats : path-like, optional
        A beat file, see `scatseg.rhythm.read_beats`, or a folder with one per recording, matched by
        name. By default, beats are estimated. Only used for features by bar. Kept as a Path.

    Raises
    ------
    ValueError
        When a name or an option is unknown, a system is named twice, or there are no such beats.
    """

    segmenters: tuple[str, ...] = ("default",)
    features: str | None = None
    sr: int = 22050
    settings: Mapping[str, Any] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    strict: bool = False
    beats: Path | None = None

    def __post_init__(self) -> None:
        for option in ("segmenters", "exports"):
            naming.check_several(option, getattr(self, option))
        repeated = [name for name, n in Counter(self.segmenters).items() if n > 1]
        if repeated or not self.segmenters:
            msg = f"each system needs a name of its own, got {list(self.segmenters)}"
            raise ValueError(msg)
        object.__setattr__(self, "sr", limited_rate(self.sr, least=_LOWEST_SR))
        for name in self.exports:
            if name not in formats.FORMATS:
                msg = f"unknown format {name!r}: choose from {', '.join(formats.FORMATS)}"
                raise ValueError(msg)
        made = [extractors.extractor(name) for name in self.features_of_systems().values()]
        if self.beats is not None:
            if not isinstance(self.beats, str | os.PathLike):
                msg = (
                    "beats must be the path of a file or a folder, got "
                    f"{type(self.beats).__name__}: beats in seconds are for rhythm.find_grid"
                )
                raise TypeError(msg)
            if not os.fspath(self.beats):
                msg = "beats must be the path of a file or a folder, it is empty"
                raise ValueError(msg)
            object.__setattr__(self, "beats", Path(self.beats))
            if not self.beats.exists():
                msg = f"{self.beats}: a file or a folder of beats is needed, but nothing is there"
                raise ValueError(msg)
            if not any(map(_needs_bar_lines, made)):
                named = ", ".join(dict.fromkeys(self.features_of_systems().values()))
                msg = (
                    "beats apply only to the features 'bars' without a length, "
                    f"got {named}: leave out the beats, or use bars"
                )
                raise ValueError(msg)

    def features_of_systems(self) -> dict[str, str]:
        """Return the feature names of each system."""
        return {
            name: self.features or str(getattr(each, "hears", PLAIN_FEATURES))
            for name, each in self.systems().items()
        }

    def beats_of(self, sources: Sequence[Source]) -> dict[str, Path]:
        """Find the beat files of recordings, by id; those with none, or several, are left out.

        In a folder, a file matches by its path relative to the folder, or by its name alone if that
        is unique.
        """
        if self.beats is None or not sources:
            return {}
        if self.beats.is_file():
            if len(sources) > 1:
                n, file = len(sources), self.beats
                msg = f"{n} recordings need a folder of beats, but {file} is one file"
                raise ValueError(msg)
            return {sources[0].id: self.beats}
        files = _beat_files(self.beats)
        pairs = dict(match_ids([source.id for source in sources], list(files)).pairs)
        left = [source.id for source in sources if source.id not in pairs]
        names = Counter(id_.rpartition("__")[2] for id_ in files)
        by_name = {name: id_ for id_ in files if names[name := id_.rpartition("__")[2]] == 1}
        pairs |= {id_: by_name[name] for id_, name in match_ids(left, list(by_name)).pairs.items()}
        return {id_: files[matched] for id_, matched in pairs.items()}

    def systems(self) -> dict[str, Segmenter]:
        """Create the segmenters, with the settings that apply to each."""
        made = {name: segmenters.segmenter(name) for name in self.segmenters}
        if not self.settings:
            return made
        options = {name: _option_names(each, name) for name, each in made.items()}
        known = sorted(set().union(*options.values()))
        for key in self.settings:
            if key not in known:
                there = f"there are {', '.join(known)}" if known else "there are none"
                msg = f"no segmenter here has an option {key!r}: {there}"
                raise ValueError(msg)
        return {
            name: _with_settings(each, name, self._settings_of(options[name]))
            for name, each in made.items()
        }

    def _settings_of(self, options: Collection[str]) -> dict[str, Any]:
        return {key: value for key, value in self.settings.items() if key in options}

    def described(self) -> dict[str, Any]:
        """Return everything that determines the result, including defaults and custom code.

        Tracks are recomputed if it has changed.
        """
        features_of, systems = self.features_of_systems(), self.systems()
        extracts = {features: extractors.extractor(features) for features in features_of.values()}
        own = naming.code_of((*systems.values(), *extracts.values()), *systems, *extracts)
        return {
            "features": {
                name: _described(extracts[features], features)
                for name, features in features_of.items()
            },
            "segmenters": {
                name: _described(each, name, self._settings_of(_option_names(each, name)))
                for name, each in systems.items()
            },
            "sr": self.sr,
            "strict": self.strict,
        } | ({"code": own} if own else {})


def _described(made: object, name: str, settings: Mapping[str, Any] | None = None) -> str:
    """Return the repr of a dataclass, else name and settings, as its repr may hold an address."""
    if dataclasses.is_dataclass(made):
        return repr(made)
    return f"{name} with {dict(sorted(settings.items()))}" if settings else name


def _option_names(segmenter: Segmenter, name: str) -> frozenset[str]:
    if not dataclasses.is_dataclass(segmenter):
        return segmenters.option_names(name)
    return frozenset(option.name for option in dataclasses.fields(segmenter))


def _with_settings(segmenter: Segmenter, name: str, settings: Mapping[str, Any]) -> Segmenter:
    if not settings:
        return segmenter
    if not dataclasses.is_dataclass(segmenter):
        return segmenters.segmenter(name, **settings)
    try:
        return dataclasses.replace(segmenter, **settings)
    except TypeError as error:
        msg = f"{type(segmenter).__name__} cannot be made with {dict(settings)}: {error}"
        raise ValueError(msg) from error


class Stage:
    """The current stage of a job, for error messages."""

    name = "read"


class Analysis(NamedTuple):
    """The results of all systems of a job on one signal.

    Parameters
    ----------
    annotations : tuple of Annotation
        The levels of each system, the default one first. Silence is one segment labeled as such.
    pictures : dict of str to ndarray
        Data of the report's figures: pooled self-similarity, waveform, novelty curves.
    warnings : tuple of str
        Reasons to doubt the results.
    """

    annotations: tuple[Annotation, ...]
    pictures: dict[str, NDArray[Any]]
    warnings: tuple[str, ...]


def analyze(
    y: NDArray[np.floating],
    sr: int,
    job: SegmentJob,
    stage: Stage | None = None,
    *,
    beats: Path | None = None,
    described: Mapping[str, Features] | None = None,
    on_failure: Callable[[str, BaseException], object] | None = None,
) -> Analysis:
    """Segment one signal with every system of a job.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Mono signal in [-1, 1].
    sr : int
        Sampling rate in Hz.
    job : SegmentJob
        Features and segmenters.
    stage : Stage, optional
        Its name is set to the current stage, also when an error is raised.
    beats : Path, optional
        A beat file.
    described : mapping from str to Features, optional
        Precomputed features of this signal by name; others are computed.
    on_failure : callable, optional
        Called with stage and error of each system that fails, or its features, if another one
        succeeds. Without it, and if all systems fail, the first error is raised.

    Returns
    -------
    found : Analysis
        Segmentations, figure data and warnings.

    Raises
    ------
    ValueError
        When the signal is not mono, real and finite, or is empty.
    """
    y = check_mono(y, sr)
    stage = Stage() if stage is None else stage
    pictures: dict[str, NDArray[Any]] = {"waveform": _waveform(y)}
    if np.abs(y).max() <= SILENT_PEAK:
        # If every sample is 0, the decoder has already warned.
        silent = f"silent: no sample exceeds {SILENT_PEAK:g} of full scale"
        return Analysis(_silence(len(y) / sr, job), pictures, (silent,) if y.any() else ())
    # One thread: a different order of summation would change rounding, and thus the output.
    with one_thread():
        return _analyzed(y, sr, job, stage, pictures, beats, dict(described or {}), on_failure)


def _analyzed(
    y: NDArray[np.floating],
    sr: int,
    job: SegmentJob,
    stage: Stage,
    pictures: dict[str, NDArray[Any]],
    beats: Path | None,
    described: dict[str, Features],
    on_failure: Callable[[str, BaseException], object] | None,
) -> Analysis:
    features_of, constant = job.features_of_systems(), _constancy(y, sr)
    failed: dict[str, BaseException] = {}

    @contextlib.contextmanager
    def attempted(name: str) -> Iterator[None]:
        stage.name = name
        try:
            yield
        except (Exception, SystemExit) as error:  # one system must not affect the others
            if on_failure is None:
                raise
            failed[name] = error

    for name in dict.fromkeys(features_of.values()):
        if name not in described:
            with attempted(f"features ({name})"):
                described[name] = _features(name, y, sr, job, beats)
    found: list[Analysis] = []
    for name, system in job.systems().items():
        if features_of[name] in described:
            with attempted(f"segment ({name})"):
                found.append(_segmented(name, system, described[features_of[name]], constant))
    if not found:
        stage.name, error = next(iter(failed.items()))
        raise error
    if on_failure is not None:
        for name, error in failed.items():
            on_failure(name, error)
    stage.name = "pictures"
    first = next(name for name in features_of.values() if name in described)
    for each in found:
        pictures |= each.pictures
    pictures |= _similarity_picture(described[first])
    notes = [note for features in described.values() for note in features.notes]
    doubts = [doubt for each in found for doubt in each.warnings]
    annotations = tuple(annotation for each in found for annotation in each.annotations)
    return Analysis(annotations, pictures, tuple(dict.fromkeys((*notes, *doubts))))


def _features(
    name: str, y: NDArray[np.floating], sr: int, job: SegmentJob, beats: Path | None
) -> Features:
    extract = extractors.extractor(name)
    if job.beats is not None and _needs_bar_lines(extract):
        return extract.by_grid(y, sr, _grid(y, sr, job.beats, beats))
    return extractors.extracted(extract, y, sr)


def _segmented(
    name: str, system: Segmenter, features: Features, constant: Sequence[str]
) -> Analysis:
    """Segment a signal with one system; its warnings on a constant signal are replaced."""
    sections, curve, warnings = predict_with_novelty(system, features)
    found = _annotations(name, sections)
    doubts = [*(constant or (f"{name}: {warning}" for warning in warnings))]
    doubts += [f"{name}: {text}" for text in unmet_counts(system, found[0].segmentation)]
    pictures: dict[str, NDArray[Any]] = {}
    if curve is not None:
        if curve.is_probability:
            found = _with_confidence(found, curve)
            doubts += _doubts(found[0])
        pictures[f"novelty_{name}"] = np.asarray(curve.heights, dtype=np.float32)
        pictures[f"novelty_edges_{name}"] = curve.edges
    return Analysis(tuple(found), pictures, tuple(doubts))


def _silence(duration: float, job: SegmentJob) -> tuple[Annotation, ...]:
    """Return one silent segment on each level of each system."""
    whole = Segmentation([0, duration], [SILENCE])
    found: list[Annotation] = []
    for name, system in job.systems().items():
        levels = getattr(system, "level_names", None)
        if levels:
            default = getattr(system, "default_level", 0)
            found += _annotations(name, Hierarchy([whole] * len(levels), levels, default))
        else:
            found += _annotations(name, whole)
    return tuple(found)


def _needs_bar_lines(extract: Extractor) -> TypeGuard[Bars]:
    """Return whether features are by bar with estimated bar lines, not of a given length."""
    return isinstance(extract, Bars) and extract.length is None


def _grid(y: NDArray[np.floating], sr: int, folder: Path, file: Path | None) -> Grid:
    """Read the bar lines of a recording, or estimate them if there is no beat file."""
    if file is None:
        found = find_grid(y, sr)
        missing = f"no beats of this name in {folder.name}, or several: they were estimated"
        return dataclasses.replace(found, warnings=(*found.warnings, missing))
    beats, downbeats = read_beats(file)
    try:
        return find_grid(y, sr, beats=beats, downbeats=downbeats)
    except ValueError as error:
        msg = f"{file}: {error}"
        raise ValueError(msg) from error


def _beat_files(folder: Path) -> dict[str, Path]:
    """Find the beat files below a folder by id: `album__one` for album/one.beats.txt."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        while name.suffix.lower() in BEAT_EXTENSIONS:
            name = name.with_suffix("")
        if name.name != path.name:
            files.setdefault(safe_id(os.fspath(name)), path)
    return files


def _annotations(system: str, found: Segmentation | Hierarchy) -> list[Annotation]:
    """Convert to one annotation per level, the default level first."""
    if isinstance(found, Segmentation):
        return [Annotation(segmentation=found, system=system, level="1")]
    return [*formats.annotations_of_levels(found, system=system)]


def _with_confidence(levels: list[Annotation], curve: Curve) -> list[Annotation]:
    """Add the probability of each segment's first boundary, except for the first segment.

    The first level is the default one. Levels without probabilities are unchanged.
    """
    heights = [curve.heights, *(curve.of_other_levels.get(each.level) for each in levels[1:])]
    return [
        found if known is None else _as_probable(found, curve.edges, known)
        for found, known in zip(levels, heights, strict=True)
    ]


def _as_probable(
    found: Annotation, edges: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> Annotation:
    starts = found.segmentation.boundaries[1:-1]
    if not starts:
        return found
    probable = np.interp(starts, edges, probabilities).round(_CONFIDENCE_DIGITS)
    return dataclasses.replace(found, confidence=(None, *probable.tolist()))


def _constancy(y: NDArray[np.floating], sr: int) -> list[str]:
    """Warn if a signal is constant, except near its ends, where resampling makes it ring."""
    end = min(round(_RINGING * sr), len(y) // 4)
    inner = y[end : len(y) - end]
    if np.ptp(inner) > SILENT_PEAK:
        return []
    level = float(np.median(inner))
    if abs(level) <= SILENT_PEAK:
        return []
    return [f"nothing is heard: the signal is a constant {level:.3g}"]


def _doubts(found: Annotation) -> list[str]:
    """Warn if fewer than half of the boundaries are expected to be correct.

    This happens if repetition, homogeneity and the network disagree.
    """
    known = [probable for probable in found.confidence if probable is not None]
    expected = sum(known)
    if expected >= _FEW_RIGHT * len(known):
        return []
    return [
        f"{found.system}: the form is uncertain, "
        f"about {expected:.0f} of {len(known)} boundaries are expected to be correct"
    ]


def _similarity_picture(features: Features) -> dict[str, NDArray[Any]]:
    frame = max(PICTURE_FRAME, features.duration / PICTURE_FRAMES)
    pooled = features.pooled(uniform_edges(features.duration, frame))
    S = self_similarity(pooled.X)
    return {"S": np.round(255 * S).astype(np.uint8), "S_edges": pooled.edges}


def _waveform(y: NDArray[np.floating]) -> NDArray[np.int8]:
    """Compute minimum and maximum of equal spans, scaled to 127, shape (2, n_spans)."""
    starts = np.linspace(0, len(y), min(_WAVEFORM_POINTS, len(y)), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return np.clip(np.round(127 * np.stack([low, high])), -127, 127).astype(np.int8)
