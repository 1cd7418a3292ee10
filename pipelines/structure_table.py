"""Scores of scatseg, of other tools on the same songs and of annotators -> a Markdown table.

    scatseg run pipelines/structure.toml
    python pipelines/structure_table.py runs/structure ../shared/peers -o reports/structure/table.md

The first level of each system is scored against all levels of each annotator, and the better score
counts; scores are then averaged over annotators and songs. Other tools were run on fewer songs: the
row "on the same songs" has the scores of the default segmenter there.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from scatseg import formats
from scatseg.evaluation import evaluate
from scatseg.segmentation import Segmentation
from scatseg.statistics import bootstrap_intervals

METRICS = {
    "F05": ("F-measure@0.5", "F@0.5"),
    "F3": ("F-measure@3.0", "F@3"),
    "PWF": ("Pairwise F-measure", "pairwise F"),
    "NCE": ("NCE F-measure", "NCE-F"),
    "V": ("V-measure", "V"),
}
"""Column in the files of other tools: name in scores.csv, and in the table."""

SETS = {
    "pop909": "POP909, 60 rendered songs, two annotators: better level",
    "lyrics": "12 real songs, sections read from their lyrics (+-1 s: read 3 s)",
    "tracker": "16 tracker modules, runs of one pattern",
    "bach": "8 movements for solo violin, repeats as labels",
}
"""Folder of the run: title."""

PEERS = {
    "pop909_dev.csv": {"": "pop909"},
    "real_lyrics.csv": {"": "lyrics"},
    "linkseg_dev.csv": {
        "pop909_dev": "pop909",
        "real_lyrics": "lyrics",
        "real_lyrics_nd": "lyrics",
    },
}
"""File of scores of other tools: value of its column `set`, if any, and our name of the set."""

# (song, annotator, level) -> metric -> value, for one system.
Answers = dict[tuple[str, str, str], dict[str, float]]


def main() -> None:
    """Read all scores and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, help="output of pipelines/structure.toml")
    parser.add_argument("peers", type=Path, help="folder with scores of other tools")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    method = (__doc__ or "").partition("\n\n")[2].rstrip()
    parts = ["# Segmentation scores by system", method]
    for name, title in SETS.items():
        scores = options.runs / name / "scores" / "scores.csv"
        if not scores.is_file():
            parser.error(f"{scores} is needed: run pipelines/structure.toml first")
        own, peers = own_answers(options.runs / name), peer_answers(options.peers, name)
        order = ["default", *sorted(own.keys() - {"default"})]
        own = {system: own[system] for system in order}
        compared = {song for answers in peers.values() for song, *_ in answers}
        if compared:
            own["default, on the same songs"] = {
                key: values for key, values in own["default"].items() if number(key[0]) in compared
            }
        parts.append(f"## {title}\n\n{table({**own, **others(scores), **peers})}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(options.output)


def own_answers(run: Path) -> dict[str, Answers]:
    """Score the first level of each system against all references except patterns."""
    systems: dict[str, Answers] = defaultdict(dict)
    for file in sorted((run / "scores" / "references").glob("*.jams")):
        first = {each.system: each for each in reversed(read_jams(run / "tracks" / file.name))}
        for reference in read_jams(file):
            if reference.level == "pattern":
                continue
            key = (file.stem, str(reference.annotator), str(reference.level))
            for system, estimate in sorted(first.items()):
                systems[str(system)][key] = scored(reference, estimate.segmentation)
    return systems


def scored(reference: formats.Annotation, found: Segmentation) -> dict[str, float]:
    """Score a segmentation against one reference."""
    scores = evaluate(reference.segmentation, found)
    return {metric: scores[long] for metric, (long, _) in METRICS.items()}


def scored_by_all(
    references: Iterable[formats.Annotation], found: Segmentation
) -> dict[str, float]:
    """Score a segmentation against all references except patterns, see `better_level`."""
    answers = {
        ("", str(each.annotator), str(each.level)): scored(each, found)
        for each in references
        if each.level != "pattern"
    }
    return better_level(answers)[""]


def others(scores: Path) -> dict[str, Answers]:
    """Read the scores of baselines and annotators."""
    names = {long: short for short, (long, _) in METRICS.items()}
    systems: dict[str, Answers] = defaultdict(lambda: defaultdict(dict))
    with scores.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            system = row["system"]
            known = row["metric"] in names and row["level"] != "pattern"
            if known and (system.startswith("baseline:") or system == "human ceiling"):
                key = (row["track"], row["annotator"], row["level"])
                systems[system][key][names[row["metric"]]] = float(row["value"])
    return systems


def read_jams(path: Path) -> tuple[formats.Annotation, ...]:
    """Read all segmentations of a file."""
    return formats.read_jams(path).annotations


def peer_answers(folder: Path, name: str) -> dict[str, Answers]:
    """Read the scores of other tools on this set."""
    systems: dict[str, Answers] = defaultdict(dict)
    for file_name, sets in PEERS.items():
        with (folder / file_name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if sets.get(row.get("set", "")) == name:
                    reference = row.get("ref") or row["reference"]
                    key = (row["song"], reference[-1], reference.rstrip("12"))
                    values = {metric: float(row[metric]) for metric in METRICS}
                    systems[row.get("alg") or row["system"]][key] = values
    return systems


def number(track: str) -> str:
    """Return the name of a song in the files of other tools: 002 for pop909_002_band."""
    return track.split("_")[1] if track.startswith("pop909_") else track


def better_level(answers: Answers) -> dict[str, dict[str, float]]:
    """Average over annotators the score of the better level of each annotator, per song."""
    by_reader: dict[tuple[str, str], list[Mapping[str, float]]] = defaultdict(list)
    for (song, annotator, _), values in answers.items():
        by_reader[song, annotator].append(values)
    songs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for (song, _), levels in by_reader.items():
        songs[song].append({m: max(level[m] for level in levels) for m in METRICS})
    return {
        song: {m: float(np.mean([each[m] for each in readers])) for m in METRICS}
        for song, readers in songs.items()
    }


def table(systems: Mapping[str, Answers]) -> str:
    """Format means over songs with 95 % bootstrap intervals."""
    head = ["system", "songs", *(title for _, title in METRICS.values())]
    rows = [head, ["---", "---:", *["---:"] * len(METRICS)]]
    for system, answers in systems.items():
        songs = better_level(answers)
        cells = [interval(songs[song][metric] for song in sorted(songs)) for metric in METRICS]
        rows.append([system, str(len(songs)), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def interval(values: Iterable[float]) -> str:
    """Format the mean and its interval, or a dash if a value is missing."""
    sample = np.array(list(values))
    if not np.isfinite(sample).all():
        return "-"
    ((low, high),) = bootstrap_intervals([sample])
    return f"{sample.mean():.3f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
