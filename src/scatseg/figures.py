"""A recording -> one picture in a file, for papers and for a quick look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from scatseg import formats
from scatseg.audio import decode
from scatseg.collection import SegmentJob, analyze
from scatseg.formats import Annotation
from scatseg.plotting import (
    NoveltyCurve,
    annotation_strips,
    panel_figure,
    plot_features,
    plot_novelty,
    plot_similarity,
    plot_waveform,
    save_figure,
    track_figure,
)

Kind = Literal["track", "features", "similarity", "novelty", "waveform"]


def draw(
    path: Path,
    output: Path,
    *,
    kind: Kind = "track",
    features: str = "scattering",
    segmenter: str = "foote",
    reference: Path | None = None,
) -> Path:
    """Draw a recording.

    Parameters
    ----------
    path : Path
        An audio file.
    output : Path
        A .png or .svg file; the other is written beside it.
    kind : {"track", "features", "similarity", "novelty", "waveform"}
        "track" is everything over one time axis.
    features, segmenter : str
        Names with options.
    reference : Path, optional
        An annotation, drawn above the estimate.

    Returns
    -------
    written : Path
        `output`.

    Raises
    ------
    ValueError
        When the extension or the kind is unknown, the recording or the annotation cannot be read,
        or the segmenter has no novelty curve to draw.
    """
    if output.suffix not in (".png", ".svg"):
        msg = f"figures are written as .png or .svg, got {output.name!r}"
        raise ValueError(msg)
    if kind not in get_args(Kind):
        msg = f"kind is one of {', '.join(get_args(Kind))}, got {kind!r}"
        raise ValueError(msg)
    recording = decode(path)
    job = SegmentJob(segmenters=(segmenter,), features=features)
    annotations, pictures = analyze(recording.y, recording.sr, job)
    references: tuple[Annotation, ...] = ()
    if reference is not None:
        references = formats.read(reference, duration=recording.duration)
    boundaries = annotations[0].segmentation.boundaries[1:-1]
    novelty = pictures.get(f"novelty_{segmenter}")
    edges = pictures.get(f"novelty_edges_{segmenter}")
    waveform = pictures["waveform"] / 127
    if kind == "track":
        curves = {}
        if novelty is not None and edges is not None:
            curves[segmenter] = NoveltyCurve(novelty, edges, boundaries)
        figure = track_figure(
            duration=recording.duration,
            references=annotation_strips(references),
            estimates=annotation_strips(annotations[:1]),
            waveform=waveform,
            S=pictures.get("S"),
            S_edges=pictures.get("S_edges"),
            curves=curves,
            title=path.stem,
        )
    elif kind == "waveform":
        figure = panel_figure(lambda ax: plot_waveform(waveform, recording.duration, ax=ax), 1.5)
    elif kind == "features":
        described = job.extractor()(recording.y, recording.sr)
        figure = panel_figure(lambda ax: plot_features(described, ax=ax), 4.0)
    elif kind == "similarity":
        if "S" not in pictures:
            msg = f"{path}: silence has no self-similarity to draw"
            raise ValueError(msg)
        figure = panel_figure(
            lambda ax: plot_similarity(
                pictures["S"], pictures["S_edges"], ax=ax, boundaries=boundaries
            ),
            6.0,
        )
    else:
        if novelty is None or edges is None:
            msg = f"{segmenter!r} has no novelty curve here; choose foote or structure-features"
            raise ValueError(msg)
        figure = panel_figure(
            lambda ax: plot_novelty(novelty, edges, ax=ax, boundaries=boundaries), 1.8
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, output.with_suffix(""))
    return output
