"""Dependence of the default's scores on the songs on which its weights were chosen.

    scatseg run pipelines/structure.toml
    python pipelines/weights.py pipelines/weights.toml

Random settings around the default weights of `CoverSegmenter` are scored on each song, as in
`structure_table.py`. The value of a setting is the sum over sets of its mean score: F@3, and on
POP909 F@0.5 as well. With leave-one-song-out selection, each song is scored with the setting of the
highest value on all other songs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from song_report import Options, markdown_table, write_report
from structure_table import read_jams, scored_by_all

from scatseg import audio
from scatseg.bars import Bars
from scatseg.segmenters import CoverSegmenter, segmenter

SR = 22050
SHOWN = {"F05": "F@0.5", "F3": "F@3"}

Scores = NDArray[np.float64]  # (n_settings, n_songs, n_metrics), for one set


def settings(options: Options) -> list[CoverSegmenter]:
    """Draw random settings; the first is the default."""
    default = segmenter("default")
    rng = np.random.default_rng(options["seed"])
    found = [default]
    while len(found) < options["settings"]:
        changes = {
            name: getattr(default, name) * rng.uniform(low, high)
            for name, (low, high) in options["factors"].items()
        }
        found.append(dataclasses.replace(default, **changes))
    return found


def found_in(file: Path, songs: Options, options: Options) -> list[list[float]]:
    """Score one song with each setting."""
    y, _ = audio.load(file, sr=SR)
    known = read_jams(Path(songs["references"]) / f"{file.stem}.jams")
    tried = settings(options)
    prepared = tried[0].prepare(Bars()(y, SR))  # independent of the weights
    answers = []
    for each in tried:
        hierarchy = each.predict_prepared(prepared)
        scores = scored_by_all(known, hierarchy.levels[hierarchy.default])
        answers.append([scores[metric] for metric in SHOWN])
    return answers


def chosen_without(
    sets: Mapping[str, Scores], name: str, counts: Mapping[str, Sequence[str]]
) -> NDArray[np.float64]:
    """Score each song, (n_songs, n_metrics), with the best setting for all other songs."""
    answers = sets[name]
    chosen = []
    for song in range(answers.shape[1]):
        others = {**sets, name: np.delete(answers, song, axis=1)}
        chosen.append(answers[worth(others, counts).argmax(), song])
    return np.array(chosen)


def worth(sets: Mapping[str, Scores], counts: Mapping[str, Sequence[str]]) -> NDArray[np.float64]:
    """Compute the value of each setting, (n_settings,), over all sets."""
    columns = {name: [list(SHOWN).index(metric) for metric in counts[name]] for name in sets}
    by_set = [answers.mean(axis=1)[:, columns[name]].sum(axis=1) for name, answers in sets.items()]
    return np.sum(by_set, axis=0)


def together(found: Mapping[str, Mapping[str, list[list[float]]]], options: Options) -> str:
    """Format the scores of the default, the best setting and leave-one-song-out selection."""
    counts = {songs["title"]: songs["counts"] for songs in options["set"]}
    sets = {
        name: np.array([songs[song] for song in sorted(songs)]).transpose(1, 0, 2)
        for name, songs in found.items()
    }
    values = worth(sets, counts)
    rows = [["set", "songs", "weights", *SHOWN.values()], ["---", "---:", "---", "---:", "---:"]]
    for name, answers in sets.items():
        for weights, scores in (
            ("default", answers[0]),
            (f"best of {len(values)}", answers[values.argmax()]),
            ("leave-one-song-out", chosen_without(sets, name, counts)),
        ):
            means = [f"{mean:.3f}" for mean in scores.mean(axis=0)]
            rows.append([name, str(len(scores)), weights, *means])
    better = int((values > values[0]).sum())
    return f"{markdown_table(rows)}\n\nSettings better than the default: {better}."


if __name__ == "__main__":
    write_report("Sensitivity to the default weights", __doc__ or "", found_in, together=together)
