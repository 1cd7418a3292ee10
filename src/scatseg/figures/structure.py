"""Figures of the structure of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import formats, pictures, plotting
from scatseg.analysis import PICTURE_FRAME, PICTURE_FRAMES, SegmentJob, analyze
from scatseg.audio import SILENT_PEAK, Recording
from scatseg.extractors import extracted, extractor
from scatseg.features import Features
from scatseg.figures.files import Excerpt, check_output, plot_outline, read_sound, write
from scatseg.formats import Annotation
from scatseg.plotting import NoveltyCurve
from scatseg.segmenters.frames import on_uniform_frames
from scatseg.similarity import heard_frames
from scatseg.threads import one_thread
from scatseg.transposition import can_be_transposed, transposed_similarities


def draw_track(
    path: Path,
    output: Path,
    *,
    features: str | None = None,
    segmenter: str = "default",
    reference: Path | None = None,
    stretch: Excerpt = (None, None),
) -> Path:
    """Draw all analyses of a recording on one time axis.

    Parameters
    ----------
    path : Path
        An audio file.
    output : Path
        A .png or .svg file; both are saved.
    features : str, optional
        Feature names with options; by default those of the segmenter.
    segmenter : str, default "default"
        Segmenter name with options.
    reference : Path, optional
        An annotation, drawn above the estimate.
    stretch : (float or None, float or None)
        Start and end in seconds of the excerpt to draw. Sections, novelty and similarity are those
        of the whole recording.

    Raises
    ------
    ValueError
        When the extension or a name is unknown, or a file cannot be read, as in all functions of
        this module.
    """
    check_output(output)
    sound = read_sound(path, stretch)
    found = _analysis(sound.recording, SegmentJob(segmenters=(segmenter,), features=features))
    references: tuple[Annotation, ...] = ()
    if reference is not None:
        references = formats.read(reference, duration=found.duration)
    figure = plotting.track_figure(
        duration=sound.duration,
        start=sound.start,
        references=plotting.annotation_strips(references, unnamed="reference"),
        estimates=plotting.annotation_strips(found.annotations[:1]),
        waveform=pictures.outline(sound.y),
        S=found.S,
        S_edges=found.pictures.get("S_edges"),
        curves={} if found.curve is None else {segmenter: found.curve},
        title=sound.name,
        after=sound.place,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    plotting.save_figure(figure, output)
    return output


def draw_waveform(path: Path, output: Path, *, stretch: Excerpt = (None, None)) -> Path:
    """Draw the envelope of a recording, or of an excerpt (from and to, in seconds)."""
    check_output(output)
    sound = read_sound(path, stretch)
    return write(
        output,
        lambda axes: plot_outline(sound, axes[0, 0]),
        heights=[1.5],
        title=sound.name,
        after=sound.place,
    )


def draw_features(
    path: Path,
    output: Path,
    *,
    features: str = "scattering",
    stretch: Excerpt = (None, None),
) -> Path:
    """Draw the standardized features of a recording or an excerpt."""
    check_output(output)
    extract = extractor(features)
    sound = read_sound(path, stretch)
    described = extracted(extract, sound.y, sound.sr)
    return write(
        output,
        lambda axes: plotting.plot_features(described, ax=axes[0, 0], start=sound.start),
        heights=[4.0],
        title=sound.name,
        after=f"{sound.place}: {features}",
    )


def draw_similarity(
    path: Path,
    output: Path,
    *,
    features: str | None = None,
    segmenter: str = "default",
    any_key: bool = False,
    stretch: Excerpt = (None, None),
) -> Path:
    """Draw the self-similarity of a recording and its boundaries.

    Parameters
    ----------
    path, output, features, segmenter, stretch
        As for `draw_track`.
    any_key : bool, default False
        Whether to draw transposition-invariant similarity, from the transposable features (by
        default of bars), as z-scores: relative to the mean and standard deviation of similarities
        in one key.

    Raises
    ------
    ValueError
        When the recording is silent, or no features are transposable.
    """
    check_output(output)
    job = SegmentJob(segmenters=(segmenter,), features=features)
    sound = read_sound(path, stretch)
    recording = sound.recording
    if np.abs(recording.y).max() <= SILENT_PEAK:
        msg = f"{path}: silence has no self-similarity to draw"
        raise ValueError(msg)
    described: dict[str, Features] = {}
    if any_key:
        name = features or "bars"
        with one_thread():  # as in `analyze`
            described[name] = extracted(extractor(name), recording.y, recording.sr)
            S, edges = _in_any_key(described[name], name)
    found = _analysis(recording, job, described)
    if not any_key:
        S, edges = found.pictures["S"] / 255, found.pictures["S_edges"]
    return write(
        output,
        lambda axes: plotting.plot_similarity(
            S,
            edges,
            ax=axes[0, 0],
            boundaries=found.boundaries,
            z_scores=any_key,
            span=(sound.start, sound.end),
        ),
        heights=[6.0],
        title=sound.name,
        after=f"{sound.place}: self-similarity{' in any key' * any_key} and boundaries",
    )


def _in_any_key(features: Features, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute transposition-invariant similarity, and the frame edges in seconds."""
    if not can_be_transposed(features).any():
        msg = f"{name}: none of it can be transposed; a key is told by chroma, cqt or bars"
        raise ValueError(msg)
    features = on_uniform_frames(features, PICTURE_FRAME, max_frames=PICTURE_FRAMES)
    keys = transposed_similarities(features, heard=heard_frames(features))
    Z = next(keys, np.zeros((len(features), len(features))))
    for in_key in keys:
        np.maximum(Z, in_key, out=Z)
    return np.maximum(Z, Z.T), features.edges


def draw_novelty(
    path: Path,
    output: Path,
    *,
    features: str | None = None,
    segmenter: str = "default",
    stretch: Excerpt = (None, None),
) -> Path:
    """Draw a segmenter's novelty curve or boundary probability, and its boundaries.

    Parameters are those of `draw_track`.

    Raises
    ------
    ValueError
        When the segmenter has no novelty curve, or the recording is silent.
    """
    check_output(output)
    sound = read_sound(path, stretch)
    found = _analysis(sound.recording, SegmentJob(segmenters=(segmenter,), features=features))
    curve = found.curve
    if "S" not in found.pictures:
        msg = f"{path}: silence has no novelty to draw"
        raise ValueError(msg)
    if curve is None:
        msg = f"{segmenter!r} has no novelty curve here; choose default or foote"
        raise ValueError(msg)
    return write(
        output,
        lambda axes: plotting.plot_novelty(
            curve.novelty,
            curve.edges,
            ax=axes[0, 0],
            boundaries=curve.boundaries,
            what=curve.what,
            span=(sound.start, sound.end),
        ),
        heights=[1.8],
        title=sound.name,
        after=f"{sound.place}: {curve.what} and boundaries",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Analysis:
    """Result of a segmenter on a recording."""

    duration: float
    annotations: tuple[Annotation, ...]
    pictures: Mapping[str, NDArray[Any]]
    curve: NoveltyCurve | None

    @property
    def S(self) -> NDArray[np.floating] | None:
        """Self-similarity in [0, 1]; None for silence."""
        stored = self.pictures.get("S")
        return None if stored is None else stored / 255

    @property
    def boundaries(self) -> Sequence[float]:
        return self.annotations[0].segmentation.boundaries[1:-1]


def _analysis(
    recording: Recording, job: SegmentJob, described: Mapping[str, Features] | None = None
) -> _Analysis:
    (segmenter,) = job.segmenters
    annotations, found, _ = analyze(recording.y, recording.sr, job, described=described)
    novelty, edges = (found.get(f"{name}_{segmenter}") for name in ("novelty", "novelty_edges"))
    curve = None
    if novelty is not None and edges is not None:
        curve = NoveltyCurve(
            novelty,
            edges,
            annotations[0].segmentation.boundaries[1:-1],
            # Only calibrated curves give boundaries a confidence.
            is_probability=bool(annotations[0].confidence),
        )
    return _Analysis(
        duration=recording.duration, annotations=annotations, pictures=found, curve=curve
    )
