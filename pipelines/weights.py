"""How far do the scores of the default hang on the songs that its weights were chosen on.

    scatseg run pipelines/structure.toml
    python pipelines/weights.py pipelines/weights.toml

The weights beside the network are those of the default, and others drawn around them. Each setting
is scored on each song, as by `structure_table.py`. It is worth the mean over the songs of a set of
what counts there, F@3 or F@0.5 too, summed over the sets. Where weights are chosen without a song,
it is scored by the setting that is worth most on all others.
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

Scores = NDArray[np.float64]  # (n_settings, n_songs, n_metrics) of one set


def settings(options: Options) -> list[CoverSegmenter]:
    """Draw as many settings as asked for; the first is the default itself."""
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
    """Score one song by each setting."""
    y, _ = audio.load(file, sr=SR)
    known = read_jams(Path(songs["references"]) / f"{file.stem}.jams")
    tried = settings(options)
    prepared = tried[0].prepare(Bars()(y, SR))  # knows of no weights
    answers = []
    for each in tried:
        hierarchy = each.predict_prepared(prepared)
        scores = scored_by_all(known, hierarchy.levels[hierarchy.default])
        answers.append([scores[metric] for metric in SHOWN])
    return answers


def chosen_without(
    sets: Mapping[str, Scores], name: str, counts: Mapping[str, Sequence[str]]
) -> NDArray[np.float64]:
    """Score each song of a set, (n_songs, n_metrics), by the best setting for all other songs."""
    answers = sets[name]
    chosen = []
    for song in range(answers.shape[1]):
        others = {**sets, name: np.delete(answers, song, axis=1)}
        chosen.append(answers[worth(others, counts).argmax(), song])
    return np.array(chosen)


def worth(sets: Mapping[str, Scores], counts: Mapping[str, Sequence[str]]) -> NDArray[np.float64]:
    """Tell how good each setting, (n_settings,), is on all sets together."""
    columns = {name: [list(SHOWN).index(metric) for metric in counts[name]] for name in sets}
    by_set = [answers.mean(axis=1)[:, columns[name]].sum(axis=1) for name, answers in sets.items()]
    return np.sum(by_set, axis=0)


def together(found: Mapping[str, Mapping[str, list[list[float]]]], options: Options) -> str:
    """Lay out the default, the best of all settings, and what is chosen without the song."""
    counts = {songs["title"]: songs["counts"] for songs in options["set"]}
    sets = {
        name: np.array([songs[song] for song in sorted(songs)]).transpose(1, 0, 2)
        for name, songs in found.items()
    }
    values = worth(sets, counts)
    rows = [["set", "songs", "weights", *SHOWN.values()], ["---", "---:", "---", "---:", "---:"]]
    for name, answers in sets.items():
        for weights, scores in (
            ("of the default", answers[0]),
            (f"the best of {len(values)}", answers[values.argmax()]),
            ("chosen without the song", chosen_without(sets, name, counts)),
        ):
            means = [f"{mean:.3f}" for mean in scores.mean(axis=0)]
            rows.append([name, str(len(scores)), weights, *means])
    better = int((values > values[0]).sum())
    return f"{markdown_table(rows)}\n\nSettings that are worth more than the default: {better}."


if __name__ == "__main__":
    write_report("Weights of the default", __doc__ or "", found_in, together=together)
