"""Can the probabilities of boundaries be taken at their word? By what people annotated.

    scatseg run pipelines/structure.toml
    python pipelines/reliability.py runs/structure/pop909 -o reports/structure/reliability.md

Every boundary that the default segmenter finds comes with a probability. It is right where an
annotator has a boundary of the same level within half a second; each annotator is asked in turn,
so that a boundary counts once for each. The first and the last boundary do not count. The expected
calibration error is how far what was said and what was right lie apart, bins weighted by what is in
them.
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
    """Read what was said and what is right, and write the report."""
    summary, _, method = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("run", type=Path, help="of pipelines/structure.toml, a folder of it")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    references = sorted((options.run / "scores" / "references").glob("*.jams"))
    songs = [(read(options.run / "tracks" / file.name), read(file)) for file in references]
    parts = ["# How probable boundaries are, and how often right", method.rstrip()]
    for level in LEVELS:
        said, right = map(
            np.concatenate, zip(*(asked(*song, level) for song in songs), strict=True)
        )
        if not said.size:
            parser.error(
                f"{options.run} has no probabilities of the level {level}: segment it anew"
            )
        parts.append(f"## {level.capitalize()}s\n\n{table(said, right)}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(options.output)


def read(path: Path) -> tuple[formats.Annotation, ...]:
    """Read all segmentations of a file."""
    return formats.read_jams(path).annotations


def asked(
    found: Iterable[formats.Annotation], references: Iterable[formats.Annotation], level: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Ask every annotator about the boundaries of one level: how probable each is, and if right."""
    known = [
        (time, probable)
        for each in found
        if (each.system, each.level) == ("default", level)
        for (time, *_), probable in zip(each.segmentation, each.confidence, strict=False)
        if probable is not None
    ]
    times, said = np.array(known).reshape(-1, 2).T
    annotated = [each.segmentation.boundaries for each in references if each.level == level]
    right = [np.abs(np.subtract.outer(times, each)).min(axis=1) <= NEAR for each in annotated]
    return np.tile(said, len(right)), np.concatenate(right or [np.zeros(0, dtype=bool)])


def table(said: NDArray[np.float64], right: NDArray[np.bool_]) -> str:
    """Lay out what was said and what was right, by how probable it was."""
    found = binned(said, right, n_bins=N_BINS)
    rows = [["said", "boundaries", "mean of what was said", "right"], ["---", *["---:"] * 3]]
    rows += [row(found, i) for i in range(N_BINS) if found.counts[i]]
    all_of_them = [str(len(said)), f"{said.mean():.3f}", f"{right.mean():.3f}"]
    rows.append(["all", *all_of_them])
    return f"{markdown_table(rows)}\n\nExpected calibration error {found.error:.3f}."


def row(found: Reliability, i: int) -> list[str]:
    """Show one bin."""
    low, high = found.edges[i : i + 2]
    means = [f"{values[i]:.3f}" for values in (found.confidence, found.accuracy)]
    return [f"{low:.1f} to {high:.1f}", str(found.counts[i]), *means]


if __name__ == "__main__":
    main()
