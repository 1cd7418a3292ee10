"""Contents of a report -> the data of each page, and its HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from string import Template
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import counted
from scatseg.evaluation import (
    CEILING,
    ESTIMATED_SEGMENTS,
    HIERARCHY,
    Score,
)
from scatseg.freshness import warning
from scatseg.plotting import (
    NoveltyCurve,
    annotation_names,
    annotation_strips,
    annotator_name,
    matched_styles,
    similarity_colors,
    similarity_limits,
)
from scatseg.report.contents import Arrays, Run, Track
from scatseg.report.png import png_size
from scatseg.report.score_figures import ScoreFigure
from scatseg.report.sound import Sound, relative_url
from scatseg.score_tables import best_means, interval_note, reference_segments, table_metrics
from scatseg.summaries import (
    ALL_TRACKS,
    FLAT_METRICS,
    HIERARCHY_METRICS,
    MEAN_OF_ANNOTATORS,
    ONLY_LEVEL,
    Summary,
    SystemComparison,
    headed,
    is_baseline,
    level_titles,
    system_title,
)

_MAX_CURVE_POINTS = 2048
_OUTDATED = "segmented again since it was scored: its scores are left out"

JSON = dict[str, Any]


class Frame(NamedTuple):
    """Texts around the content of a page.

    Parameters
    ----------
    subject : str
        Subject in the page header.
    numbers : str, default ""
        Files with the same data, for browsers without JavaScript.
    root : str, default ""
        Relative path from its folder to that of the index: "" for the index itself.
    parts : tuple of str, default ()
        Further scripts that its own needs, besides that of all pages.
    """

    subject: str
    numbers: str = ""
    root: str = ""
    parts: tuple[str, ...] = ()


PAGES = {
    "index": Frame("segmentation report", numbers="scores.csv and summary.csv"),
    "track": Frame("segmentation report", root="../", parts=("player",)),
    "hits": Frame("search", numbers="hits.json"),
    "descents": Frame("matching", numbers="scores.json"),
}
"""Kinds of pages; content and script of each are files of this package."""


def page_html(name: str, data: JSON) -> bytes:
    """Render a page with its data.

    Parameters
    ----------
    name : str
        One of `PAGES`.
    data : dict
        JSON values. <, >, & and non-ASCII characters are escaped, so that nothing can end the
        script element that contains them.

    Returns
    -------
    page : bytes
        HTML, UTF-8.
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    frame = PAGES[name]
    page = Template(asset("frame.html").decode()).substitute(
        name=name,
        root=frame.root,
        home=f'<a href="{frame.root}index.html">scatseg</a>' if frame.root else "scatseg",
        subject=frame.subject,
        numbers=f" The numbers are also in {frame.numbers}." if frame.numbers else "",
        content=asset(f"{name}.html").decode(),
        scripts="\n".join(
            f'<script src="{frame.root}assets/{script}.js"></script>'
            for script in ("page", *frame.parts, name)
        ),
        data=text,
    )
    return page.encode()


def asset(name: str) -> bytes:
    """Read a file of this package."""
    return files("scatseg.report").joinpath(name).read_bytes()


def index_data(run: Run, figures: Sequence[ScoreFigure] = ()) -> JSON:
    """Collect the data of the index page.

    Parameters
    ----------
    run : Run
        The run.
    figures : sequence of ScoreFigure
        Figures of its scores.

    Returns
    -------
    data : dict
        JSON values.
    """
    page = run.folder / "index.html"
    default = default_system(run)
    evaluation = run.facts.get("evaluation", {})
    tables = ("scores.csv", "summary.csv", "summary.md", "summary.tex", "comparisons.csv")
    names = (*tables, "notes.csv", "failures.csv", "run.json")
    return {
        "counts": _counts(run),
        "options": _flat(run.facts.get("options", {})),
        "evaluation": _flat(_evaluation_options(evaluation.get("options", {}))),
        "versions": _flat(run.facts.get("versions", evaluation.get("versions", {}))),
        "summary": _levels(run),
        "outdated": warning(len(run.changed), run.n_scored) if run.changed else "",
        "groupBy": run.group_by,
        "systems": [] if run.summary else _segment_counts(run.tracks),
        "columns": list(FLAT_METRICS),
        "default": default,
        "tracks": [_index_row(track, page, default) for track in run.tracks],
        "figures": [picture(figure.title, figure.png, figure.svg, page) for figure in figures],
        "failures": [list(failure) for failure in run.failures],
        "downloads": [
            {"text": name, "url": name} for name in names if (run.folder / name).exists()
        ],
    }


def picture(title: str, png: Path, svg: Path, page: Path) -> JSON:
    """Return the data of a figure, with its size to reserve space on the page."""
    with png.open("rb") as file:
        width, height = png_size(file.read(24))
    urls = {"png": relative_url(png, page), "svg": relative_url(svg, page)}
    return {"title": title, **urls, "width": width, "height": height}


def track_data(
    run: Run, number: int, arrays: Arrays, sound: Sound, pictures: Mapping[str, Path]
) -> JSON:
    """Collect the data of the page of a track.

    Parameters
    ----------
    run : Run
        The run.
    number : int
        Index of the track.
    arrays : Arrays
        Arrays of the track.
    sound : Sound
        Audio of the page.
    pictures : mapping from str to Path
        "similarity", the image of S, and further images to download.

    Returns
    -------
    data : dict
        JSON values. Times are in seconds; a segment is [start, end, label, style index].
    """
    track = run.tracks[number]
    page = page_path(run.folder, track)
    strips = track_strips(track)
    similarity = pictures.get("similarity")
    return {
        "title": track.title,
        "id": track.id,
        "duration": track.duration,
        "sound": {"url": sound.url, "note": sound.note},
        "styles": strips.looks,
        "references": strips.references,
        "estimates": strips.estimates,
        "waveform": None if arrays.waveform is None else arrays.waveform.tolist(),
        "similarity": similarity
        and {
            "url": relative_url(similarity, page),
            "edges": _rounded(arrays.S_edges) if arrays.S_edges is not None else [],
            "limits": similarity_limits(arrays.S / 255) if arrays.S is not None else [],
            "colors": [f"#{color.tobytes().hex()}" for color in similarity_colors()[::15]],
        },
        "curves": [_curve(name, curve, track) for name, curve in arrays.curves.items()],
        "scores": _track_scores(track, run.baselines),
        "warnings": [*_warnings(track), *([_OUTDATED] if track.id in run.changed else [])],
        "repairs": _repairs(track),
        "downloads": _downloads(run, track, page, pictures),
        "previous": _neighbor(run, number - 1),
        "next": _neighbor(run, number + 1),
    }


def page_path(folder: Path, track: Track) -> Path:
    """Return the path of the page of a track."""
    return folder / "pages" / f"{track.id}.html"


class Strips(NamedTuple):
    """Sections of a track by all annotators and systems, as page data.

    Parameters
    ----------
    references, estimates : list of dict
        Name and segments of each, a segment as [start, end, label, style index].
    looks : list of list
        [color, texture] of each style.
    """

    references: list[JSON]
    estimates: list[JSON]
    looks: list[list[str | int]]


def track_strips(track: Track) -> Strips:
    """Collect the sections of a track, with styles matched between systems and annotators."""
    references, estimates = map(annotation_strips, (track.references, track.jams.annotations))
    named = [*references, *estimates]
    styles = matched_styles([form for _, form in references], [form for _, form in estimates])
    used = [
        looks[label]
        for (_, form), looks in zip(named, styles, strict=True)
        for label in form.labels
    ]
    numbers = {look: number for number, look in enumerate(dict.fromkeys(used))}
    strips = [
        {
            "name": name,
            "segments": [
                [round(start, 3), round(end, 3), label, numbers[looks[label]]]
                for start, end, label in form
            ],
        }
        for (name, form), looks in zip(named, styles, strict=True)
    ]
    n = len(references)
    return Strips(strips[:n], strips[n:], [list(look) for look in numbers])


def default_system(run: Run) -> str:
    """Return the system whose scores represent a track: the first of the estimates."""
    systems = (track.jams.default_system for track in run.tracks)
    scored = dict.fromkeys(s.system for s in run.summary if s.system not in run.baselines)
    first = next(filter(None, systems), "")
    return first if first in scored or not scored else next(iter(scored))


def _counts(run: Run) -> str:
    systems = {each.system for track in run.tracks for each in track.jams.annotations}
    n_tracks = len(run.tracks)
    if not run.tracks:
        systems = {each.system for each in run.summary if each.system not in run.baselines}
        n_tracks = run.n_scored - len(run.changed)
    return f"{counted(n_tracks, 'track')}, {counted(len(systems), 'system')}"


def _flat(options: Any, prefix: str = "") -> list[list[str]]:
    """Flatten nested options to [dotted name, value]."""
    if isinstance(options, Mapping):
        rows = [_flat(value, f"{prefix}.{name}".strip(".")) for name, value in options.items()]
        return [row for group in rows for row in group]
    values = options if isinstance(options, list) else [options]
    words = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return [[prefix, ", ".join(words)]]


def _evaluation_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimates and references scored, by file name without folder."""
    paths = {name: options.get(name) or [] for name in ("estimates", "references")}
    paths |= {name: [options[name]] for name in ("map", "metadata") if options.get(name)}
    named = {name: [Path(each).name for each in given] for name, given in paths.items() if given}
    return named | {name: options[name] for name in ("group_by", "seed") if options.get(name)}


def _levels(run: Run) -> list[JSON]:
    """Return one table per level of the references."""
    titles = level_titles(summary.level for summary in run.summary)
    return [_level(level, headed("Scores", title), run) for level, title in titles.items()]


def _level(level: str, title: str, run: Run) -> JSON:
    summaries = [each for each in run.summary if each.level == level]
    everywhere = [
        each
        for each in summaries
        if (each.group, each.annotator) == (ALL_TRACKS, MEAN_OF_ANNOTATORS)
    ]
    tables: dict[tuple[str, str], dict[str, dict[str, Summary]]] = {}
    for each in summaries:
        systems = tables.setdefault((each.group, each.annotator), {})
        systems.setdefault(each.system, {})[each.metric] = each
    columns = table_metrics(summaries)
    best = {key: best_means(systems) for key, systems in tables.items()}
    n_segments = reference_segments(everywhere)
    return {
        "title": title,
        "columns": list(columns),
        "segments": None if n_segments is None else _number(n_segments),
        "note": interval_note(each for each in everywhere if each.metric in columns),
        "rows": [
            {
                **_system(system, run.baselines),
                "group": "" if key[0] == ALL_TRACKS else key[0],
                "annotator": "" if key[1] == MEAN_OF_ANNOTATORS else key[1],
                "tracks": max(each.n for each in metrics.values()),
                "cells": [
                    _summary_cell(
                        metrics.get(metric),
                        None if system in run.baselines else best[key].get(metric),
                    )
                    for metric in columns
                ],
            }
            for key, system in dict.fromkeys(
                ((each.group, each.annotator), each.system) for each in summaries
            )
            for metrics in [tables[key][system]]
        ],
        "comparisons": [_comparison(each) for each in run.comparisons if each.level == level],
    }


def _comparison(each: SystemComparison) -> JSON:
    names = {"system": each.system, "other": each.other}
    return {
        "metric": each.metric,
        **{key: system_title(name) for key, name in names.items()},
        "baseline": is_baseline(each.other),
        "tracks": each.n,
        "difference": _number(each.difference),
        "low": _number(each.low),
        "high": _number(each.high),
        "p": _number(each.p_holm),
        "outcomes": [each.wins, each.ties, each.losses],
    }


def _summary_cell(each: Summary | None, best: float | None) -> JSON:
    if each is None:
        return {"mean": None, "low": None, "high": None, "best": False}
    return {
        "mean": _number(each.mean),
        "low": _number(each.low),
        "high": _number(each.high),
        "median": _number(each.median),
        "best": round(each.mean, 3) == best,
    }


def _system(name: str, baselines: frozenset[str]) -> JSON:
    kind = "system" if name not in baselines else "ceiling" if name == CEILING else "baseline"
    return {"system": system_title(name), "key": name, "kind": kind}


def _segment_counts(tracks: Iterable[Track]) -> list[JSON]:
    """Count the segments of each system and level, for a run without references."""
    counts: dict[str, list[int]] = {}
    lengths: dict[str, list[float]] = {}
    for track in tracks:
        names = annotation_names(track.jams.annotations)
        for name, each in zip(names, track.jams.annotations, strict=True):
            counts.setdefault(name, []).append(len(each.segmentation))
            lengths.setdefault(name, []).extend(np.diff(each.segmentation.boundaries).tolist())
    return [
        {
            "system": name,
            "tracks": len(counts[name]),
            "segments": fmean(counts[name]),
            "length": fmean(lengths[name]),
        }
        for name in counts
    ]


def _index_row(track: Track, page: Path, default: str) -> JSON:
    strips = track_strips(track)
    estimates = zip(track.jams.annotations, strips.estimates, strict=True)
    shown = [pair for pair in estimates if pair[0].system == track.jams.default_system][:1]
    by_metric: dict[str, list[float]] = {}
    for score in track.scores:
        if score.system == default and score.level != HIERARCHY and math.isfinite(score.value):
            by_metric.setdefault(score.metric, []).append(score.value)
    means = [fmean(by_metric[metric]) if metric in by_metric else None for metric in FLAT_METRICS]
    return {
        "title": track.title,
        "id": track.id,
        "url": relative_url(page_path(page.parent, track), page),
        "duration": track.duration,
        "styles": strips.looks,
        "strips": [*strips.references[:1], *(strip for _, strip in shown)],
        "segments": next((len(each.segmentation) for each, _ in shown), None),
        "scores": [None if mean is None else _number(mean) for mean in means],
        "warnings": len(_warnings(track)),
    }


def _curve(name: str, curve: NoveltyCurve, track: Track) -> JSON:
    times, heights = thinned(curve.edges, curve.novelty)
    is_calibrated = is_probability(track, name)
    peak = 1.0 if is_calibrated else float(np.max(heights))
    return {
        "name": name,
        "title": f"{'probability of a boundary,' if is_calibrated else 'novelty'} {name}",
        "times": _rounded(times),
        "heights": _rounded(heights / peak if peak > 0 else heights, 4),
        "boundaries": [round(time, 3) for time in picked_boundaries(track, name)],
    }


def is_probability(track: Track, system: str) -> bool:
    """Return whether the curve of a system on a track is a calibrated probability."""
    return any(each.confidence for each in track.jams.annotations if each.system == system)


def picked_boundaries(track: Track, system: str) -> Sequence[float]:
    """Return the inner boundaries of the first level of a system on a track."""
    forms = (each.segmentation for each in track.jams.annotations if each.system == system)
    form = next(forms, None)
    return form.boundaries[1:-1] if form else ()


def thinned(
    edges: NDArray[np.floating], novelty: NDArray[np.floating], n_points: int = _MAX_CURVE_POINTS
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Downsample a curve by the maximum over blocks, so that no peak is lost.

    Parameters
    ----------
    edges, novelty : ndarray of float, shape (n,)
        Times in seconds and values.
    n_points : int
        Maximum number of points.

    Returns
    -------
    edges, novelty : ndarray of float, shape (min(n, n_points),)
        A subset of the points, in order.
    """
    if len(edges) <= n_points:
        return edges, novelty
    groups = np.array_split(np.arange(len(edges)), n_points)
    kept = np.array([group[np.argmax(novelty[group])] for group in groups])
    return edges[kept], novelty[kept]


def _track_scores(track: Track, baselines: frozenset[str]) -> JSON:
    """Return the scores of a track: one row per reference and system, all metrics."""
    rows: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in track.scores:
        key = (score.annotator, score.level, score.system)
        rows.setdefault(key, {})[score.metric] = score
    metrics = list(dict.fromkeys(score.metric for score in track.scores))
    titles = level_titles(score.level for score in track.scores)
    return {
        "columns": [*FLAT_METRICS, ESTIMATED_SEGMENTS],
        "hierarchy": list(HIERARCHY_METRICS),
        "metrics": metrics,
        "rows": [
            {
                **_system(system, baselines),
                "reference": _reference(annotator, level, titles[level] == ONLY_LEVEL),
                "values": [_number(row[m].value) if m in row else None for m in metrics],
            }
            for (annotator, level, system), row in rows.items()
        ],
    }


def _reference(annotator: str, level: str, only: bool) -> str:
    """Return the name of a reference, the same as of its strip."""
    named = "" if only else "all levels" if level == HIERARCHY else level
    parts = (annotator_name(annotator), named)
    return " · ".join(part for part in parts if part)


def _warnings(track: Track) -> list[str]:
    return [str(warning) for warning in track.facts.get("warnings", ())]


def _repairs(track: Track) -> list[JSON]:
    annotations = (*track.references, *track.jams.annotations)
    return [
        {"name": name, "text": text}
        for name, each in zip(annotation_names(annotations), annotations, strict=True)
        for text in each.repairs
    ]


def _downloads(run: Run, track: Track, page: Path, pictures: Mapping[str, Path]) -> list[JSON]:
    paths = {
        "estimates (JAMS)": run.folder / "tracks" / f"{track.id}.jams",
        "references (JAMS)": run.folder / "references" / f"{track.id}.jams",
        "arrays (npz)": run.folder / "arrays" / f"{track.id}.npz",
    }
    found = {text: path for text, path in paths.items() if path.exists()}
    found |= {text: path for text, path in pictures.items() if text != "similarity"}
    return [{"text": text, "url": relative_url(path, page)} for text, path in found.items()]


def _neighbor(run: Run, number: int) -> JSON | None:
    if not 0 <= number < len(run.tracks):
        return None
    page = page_path(run.folder, run.tracks[number])
    return {"title": run.tracks[number].title, "url": relative_url(page, page)}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _rounded(values: NDArray[np.floating], digits: int = 3) -> list[float]:
    # float64 first: rounded float32 values print with spurious digits.
    rounded: list[float] = np.round(values.astype(np.float64), digits).tolist()
    return rounded
