"""Calibration of boundary probabilities against annotations.

    scatseg run pipelines/structure.toml
    python pipelines/reliability.py runs/structure/pop909 -o reports/structure/reliability.md

Each boundary found by the default segmenter has a probability. It is correct if an annotator has a
boundary of the same level within 0.5 s; it counts once per annotator. The first and last boundary
are excluded. The expected calibration error is the mean absolute difference between mean
probability and share correct over bins, weighted by their counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from song_report import markdown_table

from scatseg import formats
from scatseg.classification.confusion import Reliability, binned

LEVELS = ("phrase", "section")
NEAR = 0.5  # seconds
N_BINS = 5


def main() -> None:
    """Read estimates and references of a run and write the report."""
    summary, _, method = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("run", type=Path, help="a folder of a run of pipelines/structure.toml")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    references = sorted((options.run / "scores" / "references").glob("*.jams"))
    songs = [(read(options.run / "tracks" / file.name), read(file)) for file in references]
    parts = ["# Calibration of boundary probabilities", method.rstrip()]
    for level in LEVELS:
        probable, right = map(
            np.concatenate, zip(*(compared(*song, level) for song in songs), strict=True)
        )
        if not probable.size:
            parser.error(
                f"{options.run} has no probabilities of the level {level}: segment it anew"
            )
        parts.append(f"## {level.capitalize()}s\n\n{table(probable, right)}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(options.output)


def read(path: Path) -> tuple[formats.Annotation, ...]:
    """Read all segmentations of a file."""
    return formats.read_jams(path).annotations


def compared(
    found: Iterable[formats.Annotation], references: Iterable[formats.Annotation], level: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the probability and correctness of each boundary of one level, per annotator."""
    known = [
        (time, value)
        for each in found
        if (each.system, each.level) == ("default", level)
        for (time, *_), value in zip(each.segmentation, each.confidence, strict=False)
        if value is not None
    ]
    times, probable = np.array(known).reshape(-1, 2).T
    annotated = [each.segmentation.boundaries for each in references if each.level == level]
    right = [np.abs(np.subtract.outer(times, each)).min(axis=1) <= NEAR for each in annotated]
    return np.tile(probable, len(right)), np.concatenate(right or [np.zeros(0, dtype=bool)])


def table(probable: NDArray[np.float64], right: NDArray[np.bool_]) -> str:
    """Format mean probability and share correct in bins of probability."""
    found = binned(probable, right, n_bins=N_BINS)
    rows = [["probability", "boundaries", "mean", "correct"], ["---", *["---:"] * 3]]
    rows += [row(found, i) for i in range(N_BINS) if found.counts[i]]
    rows.append(["all", str(len(probable)), f"{probable.mean():.3f}", f"{right.mean():.3f}"])
    return f"{markdown_table(rows)}\n\nExpected calibration error {found.error:.3f}."


def row(found: Reliability, i: int) -> list[str]:
    """Format one bin."""
    low, high = found.edges[i : i + 2]
    means = [f"{values[i]:.3f}" for values in (found.confidence, found.accuracy)]
    return [f"{low:.1f} to {high:.1f}", str(found.counts[i]), *means]


if __name__ == "__main__":
    main()
