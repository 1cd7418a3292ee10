"""Build static pages from a run folder, to view and listen to offline."""

from __future__ import annotations

import functools
import secrets
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from scatseg.plotting import (
    FontWarning,
    annotation_strips,
    missing_characters,
    save_figure,
    similarity_colors,
    similarity_limits,
    track_figure,
)
from scatseg.report.contents import Arrays, ArraysError, Run, Track, read_arrays, read_run
from scatseg.report.pages import (
    asset,
    index_data,
    is_probability,
    page_html,
    page_path,
    picked_boundaries,
    track_data,
)
from scatseg.report.png import palette_png
from scatseg.report.score_figures import ScoreFigure, draw_scores
from scatseg.report.sound import AudioMode, place_sound
from scatseg.runs import Failure
from scatseg.workers import map_pure
from scatseg.writing import atomic_write, remove_others, tidied, writing_as

__all__ = ["build"]

_ASSETS = ("style.css", "page.js", "index.js", "player.js", "track.js")
_FEW_TRACKS = 8  # fewer are done before processes have started


def build(
    run: Path,
    *,
    audio: AudioMode = "copy",
    figures: bool = True,
    n_jobs: int = 1,
    on_failure: Callable[[Failure], object] | None = None,
) -> Path:
    """Build the report of a run in its folder.

    Parameters
    ----------
    run : Path
        A run folder, or a folder of scores, whose page has no tracks. `index.html`, `pages/`,
        `assets/` and, with figures, `figures/` are overwritten; outdated files of an earlier report
        of a run are removed. A rebuild gives the same bytes.
    audio : {"copy", "link", "none"}, default "copy"
        Copy the recordings into the report (converted to FLAC if browsers cannot play them), link
        to the originals, or build pages without audio.
    figures : bool, default True
        Also save figures of each track and, after an evaluation, of the scores, as PNG and SVG.
    n_jobs : int, default 1
        Maximum number of processes, -1 for all cores; few tracks are done in this one.
    on_failure : callable, optional
        Called with each track whose file cannot be read. The page lists them, too.

    Returns
    -------
    index : Path
        The page to open. It works offline.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run.

    Warns
    -----
    FontWarning
        Once, when no font has some characters of the figures.
    """
    contents = read_run(run)
    if on_failure is not None:
        for failure in contents.unreadable:
            on_failure(failure)
    written: set[Path] = set()
    for name in _ASSETS:
        _write(run / "assets" / name, asset(name))
    owned = [run / name for name in ("pages", "assets/audio", "assets/similarity", "figures")]
    parts = [_around(contents, number) for number in range(len(contents.tracks))]
    missing: set[str] = set()
    writer = secrets.token_hex(8)  # another process may build the same report
    with tidied(owned, writer=writer):
        n_jobs = 1 if len(parts) < _FEW_TRACKS else n_jobs
        work = functools.partial(_build_track, writer=writer, audio=audio, figures=figures)
        for paths, characters in map_pure(work, parts, n_jobs=n_jobs):
            written |= paths
            missing |= characters
    if missing:
        warnings.warn(FontWarning("".join(sorted(missing))), stacklevel=2)
    drawn: tuple[ScoreFigure, ...] = ()
    if figures and contents.summary and (run / "scores.csv").exists():
        drawn = draw_scores(run)
    _write(run / "index.html", page_html("index", index_data(contents, drawn)))
    if not (run / "tracks").is_dir():  # not a run: other files in the folder are not the report's
        return run / "index.html"
    for folder in owned if figures else owned[:-1]:
        remove_others(folder, written)
    return run / "index.html"


def _around(run: Run, number: int) -> tuple[Run, int]:
    """Return a run of a track and its neighbors, which its page links to, and its number there."""
    first = max(number - 1, 0)
    tracks = run.tracks[first : number + 2]
    audio = {track.id: run.audio[track.id] for track in tracks if track.id in run.audio}
    few = replace(
        run, tracks=tracks, facts={"audio": audio}, failures=(), summary=(), comparisons=()
    )
    return few, number - first


def _build_track(
    part: tuple[Run, int], *, writer: str, audio: AudioMode, figures: bool
) -> tuple[set[Path], set[str]]:
    """Write the files of one track; return their paths, and the characters that no font has."""
    with writing_as(writer), missing_characters() as missing:
        return _write_track(*part, audio, figures), missing


def _write_track(run: Run, number: int, audio: AudioMode, figures: bool) -> set[Path]:
    track, page = run.tracks[number], page_path(run.folder, run.tracks[number])
    problems: list[str] = []
    try:
        arrays = read_arrays(run.folder / "arrays" / f"{track.id}.npz")
    except ArraysError as error:
        arrays = Arrays()
        problems.append(str(error))
    source = run.audio.get(track.id)
    folder = run.folder / "assets" / "audio"
    sound = place_sound(Path(source) if source else None, page, folder, mode=audio)
    pictures: dict[str, Path] = {}
    if arrays.S is not None:
        pictures["similarity"] = run.folder / "assets" / "similarity" / f"{track.id}.png"
        _write(pictures["similarity"], _similarity_png(arrays.S))
    if figures:
        png, svg = _save_track_figure(track, arrays, run.folder / "figures" / f"{track.id}.png")
        pictures |= {"figure (PNG)": png, "figure (SVG)": svg}
    data = track_data(run, number, arrays, sound, pictures)
    _write(page, page_html("track", data | {"warnings": data["warnings"] + problems}))
    return {page, *pictures.values(), *([sound.file] if sound.file else [])}


def _similarity_png(S: np.ndarray) -> bytes:
    similarity = S / 255
    low, high = similarity_limits(similarity)
    level = (similarity - low) / (high - low)
    return palette_png(np.round(255 * np.clip(level, 0, 1)), similarity_colors())


def _save_track_figure(track: Track, arrays: Arrays, path: Path) -> tuple[Path, Path]:
    figure = track_figure(
        duration=track.duration,
        references=annotation_strips(track.references),
        estimates=annotation_strips(track.jams.annotations),
        waveform=None if arrays.waveform is None else arrays.waveform / 127,
        S=None if arrays.S is None else arrays.S / 255,
        S_edges=arrays.S_edges,
        curves={
            name: curve._replace(
                boundaries=picked_boundaries(track, name),
                is_probability=is_probability(track, name),
            )
            for name, curve in arrays.curves.items()
        },
        title=track.title,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_figure(figure, path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, data)
