"""Whether the scores of a run still apply: tracks may be segmented again after an evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from scatseg.counts import counted
from scatseg.formats import Annotation, FormatError, read_jams
from scatseg.writing import atomic_write

_MARKS = {"summary.md": "**Outdated:** ", "summary.tex": "% Outdated: "}
"""Beginning of the first line of outdated files."""

NOTE = "scores-outdated.txt"
"""Beside scores.csv and other tables, in which a line about that would be a row."""


def fingerprint(annotations: Iterable[Annotation]) -> str:
    """Hash the boundaries and labels of estimates, with their systems and levels."""
    parts = [
        (each.system, each.level, each.segmentation.boundaries, each.segmentation.labels)
        for each in annotations
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def fingerprints(run: Path) -> dict[str, str]:
    """Return the fingerprints of the tracks of a run by id; unreadable tracks are left out."""
    found = {}
    for path in sorted((run / "tracks").glob("*.jams")):
        try:
            found[path.stem] = fingerprint(read_jams(path).annotations)
        except (FormatError, OSError):
            continue
    return found


def scored_fingerprints(run: Path) -> dict[str, str]:
    """Read the fingerprints of the tracks of a run when they were scored; empty if unknown."""
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        return dict(summary.get("estimates", {}))
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def changed(now: Mapping[str, str], scored: Mapping[str, str]) -> frozenset[str]:
    """Return the tracks whose estimates differ from those that were scored.

    Examples
    --------
    >>> changed({"one": "a", "two": "b", "new": "c"}, {"one": "a", "two": "x", "gone": "y"})
    frozenset({'two'})
    """
    return frozenset(id_ for id_, known in scored.items() if now.get(id_, known) != known)


def removed(run: Path, scored: Mapping[str, str]) -> frozenset[str]:
    """Return the scored tracks that are no longer in a run; none of a folder without tracks."""
    tracks = run / "tracks"
    there = {path.stem for path in tracks.glob("*.jams")} if tracks.is_dir() else scored.keys()
    return frozenset(scored.keys() - there)


def warning(n_changed: int, n_scored: int, command: str = "scatseg evaluate") -> str:
    """Return the message about outdated scores.

    Examples
    --------
    >>> warning(1, 2)
    '1 of 2 scored tracks changed or gone since the evaluation: score them again by
    `scatseg evaluate`'
    """
    tracks = counted(n_scored, "scored track")
    return (
        f"{n_changed:,} of {tracks} changed or gone since the evaluation: score them again "
        f"by `{command}`"
    )


def outdated(run: Path, command: str = "scatseg evaluate") -> str:
    """Return a message about outdated scores of a run; "" if they apply, or there are none."""
    return _outdated(run, command)[0]


def _outdated(run: Path, command: str = "scatseg evaluate") -> tuple[str, frozenset[str]]:
    """Return the message about outdated scores, and the tracks changed or removed."""
    scored = scored_fingerprints(run)
    ids = removed(run, scored)
    ids |= changed(fingerprints(run), scored) if scored else frozenset()
    return (warning(len(ids), len(scored), command) if ids else "", ids)


def mark_outdated(run: Path) -> None:
    """Say in the summaries of a run, and in a note beside its tables, if they are outdated.

    What said so before is removed if they are not.
    """
    text, ids = _outdated(run)
    if text:
        tables = "scores.csv, summary.csv and comparisons.csv are of before. Changed or gone since:"
        atomic_write(run / NOTE, "\n".join([text, "", tables, *sorted(ids), ""]).encode())
    else:
        (run / NOTE).unlink(missing_ok=True)
    for name, mark in _MARKS.items():
        try:
            before = (run / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        rest = before.partition("\n\n")[2] if before.startswith(mark) else before
        after = f"{mark}{text}\n\n{rest}" if text else rest
        if after != before:
            atomic_write(run / name, after.encode())
