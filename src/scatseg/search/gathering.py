"""Paths -> an index of the recordings that they lead to, with labels and groups of tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from scatseg.labelled import INDEX, read_labelled
from scatseg.runs import Failure, Found
from scatseg.search.building import Belonging, add_recordings
from scatseg.search.descriptions import Describer
from scatseg.workers import Receipt


def build_index(
    found: Found,
    paths: Iterable[Path],
    folder: Path,
    describer: Describer,
    *,
    n_jobs: int = 1,
    rebuild: bool = False,
    on_receipt: Callable[[Receipt], object] | None = None,
) -> list[Receipt]:
    """Add what paths lead to, with what an index.csv in them says of it; see `add_recordings`."""
    belonging, unread = _belonging(paths)
    return add_recordings(
        folder,
        found.sources,
        describer,
        belonging=belonging,
        failures=[*found.failures, *unread],
        n_jobs=n_jobs,
        rebuild=rebuild,
        on_receipt=on_receipt,
    )


def _belonging(paths: Iterable[Path]) -> tuple[dict[Path, Belonging], list[Failure]]:
    """Read labels and groups from the tables in folders."""
    known: dict[Path, Belonging] = {}
    failures: list[Failure] = []
    for path in paths:
        if not path.is_dir() or not (path / INDEX).is_file():
            continue
        labelled = read_labelled(path)
        failures += labelled.failures
        for clip in labelled.clips:
            absolute = Path(os.path.abspath(clip.path))  # noqa: PTH100 - as sources are
            known[absolute] = Belonging(labels=clip.labels, group=clip.group)
    return known, failures
