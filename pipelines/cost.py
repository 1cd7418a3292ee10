"""Processing time of the default segmenter per minute of audio.

    python pipelines/cost.py ../shared/corpus/real_lyrics/audio -o reports/structure/cost.md

CPU seconds on one core for each step: decoding to 22,050 Hz, bar line estimation, bar features
and segmentation. Imports and other one-time costs are excluded by a warm-up run on the first
recording. Each step of each recording counts by its fastest round. A wall time well above the total
means that the machine was busy.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from song_report import markdown_table

from scatseg import audio
from scatseg.bars import Bars
from scatseg.rhythm import find_grid
from scatseg.runs import versions
from scatseg.segmenters import segment
from scatseg.threads import one_thread

SR = 22050
STEPS = ("decoding", "bar lines", "features", "sections")


def spent(file: Path) -> tuple[float, NDArray[np.float64]]:
    """Analyze a recording.

    Returns
    -------
    minutes : float
        Duration of the recording.
    seconds : ndarray of float64, shape (n_steps, 2)
        CPU time and wall time of each of `STEPS`.
    """
    marks = [_now()]
    y, _ = audio.load(file, sr=SR)
    marks.append(_now())
    grid = find_grid(y, SR)
    marks.append(_now())
    bars = Bars().by_grid(y, SR, grid)
    marks.append(_now())
    segment(bars)
    marks.append(_now())
    return len(y) / SR / 60, np.diff(marks, axis=0)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def table(songs: Sequence[str], minutes: NDArray[np.float64], seconds: NDArray[np.float64]) -> str:
    """Format the time per minute of audio, for each song and for all.

    Parameters
    ----------
    songs : sequence of str
        Names.
    minutes : ndarray of float64, shape (n_songs,)
        Durations.
    seconds : ndarray of float64, shape (n_songs, n_steps, 2)
        As from `spent`.
    """
    head = ["recording", "minutes", *STEPS, "total", "wall time"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    of_all = ("all together", minutes.sum(), seconds.sum(axis=0))
    for name, length, took in (*zip(songs, minutes, seconds, strict=True), of_all):
        processor, clock = took.T / length
        each = [*processor, processor.sum(), clock.sum()]
        rows.append([name, f"{length:.1f}", *(f"{value:.2f}" for value in each)])
    return markdown_table(rows)


def main() -> None:
    """Time the analysis of all recordings and write the table."""
    summary, _, about = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("audio", type=Path, help="a folder of recordings")
    parser.add_argument("-n", "--rounds", type=int, default=6, help="the fastest counts")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"-n: at least one round is needed, got {options.rounds}")
    if not options.audio.is_dir():
        parser.error(f"a folder of recordings is needed, {options.audio} is none")
    files = sorted(options.audio.iterdir())
    if not files:
        parser.error(f"a folder of recordings is needed, {options.audio} is empty")
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    with one_thread():
        spent(files[0])
        found = [[spent(file) for file in files] for _ in range(options.rounds)]
    minutes = np.array([length for length, _ in found[0]])
    seconds = np.min([[took for _, took in each] for each in found], axis=0)
    installed = versions(("numpy", "scipy", "librosa", "soundfile", "soxr"))
    where = f"{platform.machine()}, " + ", ".join(f"{n} {v}" for n, v in installed.items())
    parts = [
        "# Processing time per minute of audio",
        about.rstrip(),
        f"Rounds: {options.rounds}. {where}.",
        table([file.stem for file in files], minutes, seconds),
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
