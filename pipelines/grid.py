"""Accuracy of estimated beats and bar lines against annotations.

    python pipelines/grid.py pipelines/grid.toml

mir_eval's beat scores for beats and for bar lines, mean over songs with 95 % bootstrap intervals;
times before 5 s are trimmed. F is the F-measure within 70 ms. CMLt is the share at the correct
metrical level and phase, AMLt also allows double, half and off-beat readings: if AMLt is much
higher, the metrical level or phase is wrong, not the timing. The second table counts songs by the
reading of the annotated bar lines that the estimated ones match best: as annotated, every second,
with one halfway between, or shifted by some beats; "something else" if its F-measure is below 0.8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray
from song_report import Options, markdown_table, write_report
from structure_table import interval

from scatseg import audio
from scatseg.rhythm import find_grid, read_beats

SR = 22050
ALIKE = 0.8
METRICS = ("F", "CMLt", "AMLt")
READINGS = ("as annotated", "every second", "twice as many", "shifted by beats", "something else")

Times = NDArray[np.float64]  # seconds


def scored(known: Times, found: Times) -> dict[str, float]:
    """Score estimated beats or bar lines against annotated ones."""
    sides = mir_eval.beat.trim_beats(known), mir_eval.beat.trim_beats(found)
    _, correct, _, any_level = mir_eval.beat.continuity(*sides)
    values = (mir_eval.beat.f_measure(*sides), correct, any_level)
    return dict(zip(METRICS, map(float, values), strict=True))


def readings(beats: Times, lines: Times) -> dict[str, list[Times]]:
    """Return the bar lines of each reading, given annotated beats and bar lines."""
    first = np.searchsorted(beats, lines)
    longest = int(np.diff(first).max(initial=1))
    later = [first + by for by in range(1, longest)]
    halfway = (lines[1:] + lines[:-1]) / 2
    as_annotated, every_second, twice_as_many, shifted, _ = READINGS
    return {
        as_annotated: [lines],
        every_second: [lines[::2], lines[1::2]],
        twice_as_many: [np.sort(np.concatenate([lines, halfway]))],
        shifted: [beats[each[each < len(beats)]] for each in later],
    }


def reading_of(found: Times, beats: Times, lines: Times) -> str:
    """Return the reading that estimated bar lines match best."""
    alike = {
        name: max((scored(each, found)["F"] for each in times), default=0.0)
        for name, times in readings(beats, lines).items()
    }
    best = max(alike, key=alike.__getitem__)
    return best if alike[best] >= ALIKE else READINGS[-1]


def found_in(file: Path, songs: Options, options: Options) -> dict[str, Any]:
    """Estimate and score the beats and bar lines of one song."""
    del options
    beats, lines = read_beats(Path(songs["beats"]) / f"{'_'.join(file.stem.split('_')[:2])}.jams")
    y, _ = audio.load(file, sr=SR)
    grid = find_grid(y, SR)
    return {
        "beats": scored(beats, grid.beats),
        "bar lines": scored(lines, grid.downbeats),
        "reading": reading_of(grid.downbeats, beats, lines),
    }


def section(found: Mapping[str, Mapping[str, Any]], options: Options) -> str:
    """Format the tables of one set of songs."""
    del options
    rows = [["", "songs", *METRICS], ["---", "---:", *["---:"] * len(METRICS)]]
    for what in ("beats", "bar lines"):
        cells = [interval(song[what][metric] for song in found.values()) for metric in METRICS]
        rows.append([what, str(len(found)), *cells])
    return f"{markdown_table(rows)}\n\n{read_as([song['reading'] for song in found.values()])}"


def read_as(named: Sequence[str]) -> str:
    """Format the number of songs with each reading."""
    n_songs = Counter(named)
    rows = [["bar lines are", "songs"], ["---", "---:"]]
    return markdown_table([*rows, *([name, str(n_songs[name])] for name in READINGS)])


if __name__ == "__main__":
    write_report("Beats and bar lines", __doc__ or "", found_in, section)
