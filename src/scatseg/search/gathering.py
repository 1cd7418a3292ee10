"""Folders -> what the tables in them say of the recordings: labels and groups."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from scatseg.labelled import INDEX, LabelError, read_labelled
from scatseg.runs import Failure
from scatseg.search.building import Belonging


def read_belonging(paths: Iterable[Path]) -> tuple[dict[Path, Belonging], list[Failure]]:
    """Read labels and groups from an index.csv in each of the folders among some paths.

    Returns
    -------
    belonging : dict from Path to Belonging
        By absolute path.
    failures : list of Failure
        Rows that cannot be used, and tables that hold no labels.
    """
    belonging: dict[Path, Belonging] = {}
    failures: list[Failure] = []
    for path in paths:
        if not path.is_dir() or not (path / INDEX).is_file():
            continue
        try:
            labelled = read_labelled(path)
        except LabelError as error:
            failures.append(Failure(INDEX, "index", f"gives no labels: {error}"))
            continue
        failures += labelled.failures
        for clip in labelled.clips:
            absolute = Path(os.path.abspath(clip.path))  # noqa: PTH100 - as sources are
            belonging[absolute] = Belonging(labels=clip.labels, group=clip.group)
    return belonging, failures
