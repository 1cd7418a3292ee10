"""Build static pages from a run folder, to view and listen to offline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from scatseg.formats import atomic_write
from scatseg.plotting import (
    annotation_strips,
    one_font_warning,
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

__all__ = ["build"]

_ASSETS = ("style.css", "page.js", "index.js", "track.js")


def build(
    run: Path,
    *,
    audio: AudioMode = "copy",
    figures: bool = True,
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
    """
    contents = read_run(run)
    if on_failure is not None:
        for failure in contents.unreadable:
            on_failure(failure)
    written: set[Path] = set()
    for name in _ASSETS:
        _write(run / "assets" / name, asset(name))
    with one_font_warning():
        for number in range(len(contents.tracks)):
            written |= _build_track(contents, number, audio, figures)
    drawn: tuple[ScoreFigure, ...] = ()
    if figures and contents.summary and (run / "scores.csv").exists():
        drawn = draw_scores(run)
    _write(run / "index.html", page_html("index", index_data(contents, drawn)))
    if not (run / "tracks").is_dir():  # not a run: other files in the folder are not the report's
        return run / "index.html"
    owned = ["pages", "assets/audio", "assets/similarity", *(["figures"] if figures else [])]
    _remove_others((run / name for name in owned), written)
    return run / "index.html"


def _build_track(run: Run, number: int, audio: AudioMode, figures: bool) -> set[Path]:
    """Write the files of one track and return their paths."""
    track, page = run.tracks[number], page_path(run.folder, run.tracks[number])
    warnings: list[str] = []
    try:
        arrays = read_arrays(run.folder / "arrays" / f"{track.id}.npz")
    except ArraysError as error:
        arrays = Arrays()
        warnings.append(str(error))
    source = run.audio.get(track.id)
    folder = run.folder / "assets" / "audio"
    sound = place_sound(Path(source) if source else None, page, folder, mode=audio)
    pictures: dict[str, Path] = {}
    if arrays.S is not None:
        pictures["similarity"] = run.folder / "assets" / "similarity" / f"{track.id}.png"
        _write(pictures["similarity"], _similarity_png(arrays.S))
    if figures:
        png, svg = _save_track_figure(track, arrays, run.folder / "figures" / track.id)
        pictures |= {"figure (PNG)": png, "figure (SVG)": svg}
    data = track_data(run, number, arrays, sound, pictures)
    _write(page, page_html("track", data | {"warnings": data["warnings"] + warnings}))
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


def _remove_others(folders: Iterable[Path], written: set[Path]) -> None:
    for folder in folders:
        for path in folder.glob("*"):
            if path.is_file() and path not in written:
                path.unlink()
