"""Feature ablation: boundary scores by feature kind, with and without the network.

    scatseg run pipelines/structure.toml
    python pipelines/ablation.py pipelines/ablation.toml

Scored as in `structure_table.py`: the better level of each annotator, then the mean over
annotators. "Learned" uses the network of `scatseg.diagonals`, which shares its weights among all
kinds of features and so needs no retraining for each row; scores are means over its three seeds.
"Unlearned" is the same segmenter without the network. The last column is the difference from a
baseline row, paired by song, with 95 % bootstrap intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from song_report import Options, markdown_table, write_report
from structure_table import METRICS, read_jams, scored_by_all

from scatseg import audio, diagonals, extractors
from scatseg.bars import BAR_FEATURES, Bars
from scatseg.features import Features
from scatseg.rhythm import Grid, find_grid, heard_span, read_beats
from scatseg.segmenters import segment
from scatseg.statistics import bootstrap_intervals

SR = 22050
SHOWN = {"F05": "F@0.5", "F3": "F@3", "PWF": "pairwise F", "V": "V"}

# Song -> metric -> value, for one row of the table.
Scores = dict[str, dict[str, float]]
Case = tuple[str, str, str]  # features, learned or not, grid


def grids(y: NDArray[np.floating], beats: Path) -> dict[str, Grid]:
    """Return the estimated grid and, if annotated, that of the true bar lines."""
    found = {"estimated": find_grid(y, SR)}
    if beats.is_file():
        _, downbeats = read_beats(beats)
        found["true"] = find_grid(y, SR, downbeats=downbeats)
    return found


def described(y: NDArray[np.float32], kinds: Mapping[str, str]) -> dict[str, Features]:
    """Extract each kind of features, frame by frame."""
    return {
        kind: (BAR_FEATURES.get(name) or extractors.extractor(name))(y, SR)
        for kind, name in kinds.items()
    }


def _computed(features: Features, y: object, sr: object) -> Features:
    del y, sr
    return features


def answers(
    file: Path, beats: Path, references: Path, options: Options
) -> Iterator[tuple[Case, dict]]:
    """Segment a recording with every combination of features, network and grid; yield scores."""
    y, _ = audio.load(file, sr=SR)
    kinds = described(y[slice(*heard_span(y, SR))], options["kinds"])  # trimmed as in `Bars`
    networks = diagonals.shipped_weights()
    known = read_jams(references)
    for name_of_grid, grid in grids(y, beats).items():
        for name, joined in options["rows"].items():
            bars = Bars(features=tuple(partial(_computed, kinds[kind]) for kind in joined))
            features = bars.by_grid(y, SR, grid)
            found = {"unlearned": [segment(features, segmenter="default:network=0")]}
            found["learned"] = []
            for network in networks:
                with mock.patch.object(diagonals, "shipped_weights", lambda w=network: (w,)):
                    found["learned"].append(segment(features, segmenter="default"))
            for learned, segmentations in found.items():
                by_seed = [scored_by_all(known, each) for each in segmentations]
                means = {m: float(np.mean([each[m] for each in by_seed])) for m in METRICS}
                yield (name, learned, name_of_grid), means


def table(cases: Mapping[Case, Scores], than: str) -> str:
    """Format means over songs, and the difference of each row from the row `than`."""
    head = ["features", "", "grid", "songs", *SHOWN.values(), f"F@3 minus {than}"]
    rows = [head, ["---", "---", "---", "---:", *["---:"] * (len(SHOWN) + 1)]]
    for (name, learned, grid), songs in cases.items():
        other = cases[than, learned, grid]
        means = [f"{np.mean([songs[s][m] for s in songs]):.3f}" for m in SHOWN]
        difference = np.array([songs[s]["F3"] - other[s]["F3"] for s in sorted(songs)])
        ((low, high),) = bootstrap_intervals([difference])
        shown = "" if name == than else f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append([name, learned, grid, str(len(songs)), *means, shown])
    return markdown_table(rows)


def found_in(file: Path, songs: Options, options: Options) -> list[tuple[Case, dict]]:
    """Segment and score one song with every combination."""
    beats = Path(songs.get("beats", "")) / f"{'_'.join(file.stem.split('_')[:2])}.jams"
    references = Path(songs["references"]) / f"{file.stem}.jams"
    return list(answers(file, beats, references, options))


def section(found: Mapping[str, list], options: Options) -> str:
    """Format the table of one set of songs."""
    cases: dict[Case, Scores] = {}
    for song, answered in found.items():
        for case, scores in answered:
            cases.setdefault(tuple(case), {})[song] = scores
    in_order = {case: cases[case] for case in sorted(cases, key=lambda case: case[:0:-1])}
    return table(in_order, options["than"])


if __name__ == "__main__":
    write_report("Feature ablation", __doc__ or "", found_in, section)
