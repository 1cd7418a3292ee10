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
        By absolute path; that of a folder stands for all in it of which its table says nothing.
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
        belonging[_absolute(path)] = Belonging()
        for clip in labelled.clips:
            belonging[_absolute(clip.path)] = Belonging(labels=clip.labels, group=clip.group)
    return belonging, failures


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - as sources are, without following links
