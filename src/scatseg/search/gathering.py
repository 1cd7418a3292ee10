"""Folders -> labels and groups of recordings, from the tables in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scatseg.formats.sounds import INDEX
from scatseg.labelled import ColumnError, LabelError, read_labelled
from scatseg.runs import Failure, absolute, shown
from scatseg.search.building import Belonging


class Gathered(NamedTuple):
    """Labels and groups from tables.

    Parameters
    ----------
    belonging : dict from Path to Belonging
        By absolute path; the entry of a folder applies to its recordings without one.
    failures : list of Failure
        Invalid rows and unreadable tables; `track` begins with the absolute path of the table.
    notes : list of str
        Repairs, and tables without labels.
    tables : list of Path
        Absolute paths at which tables were looked for.
    """

    belonging: dict[Path, Belonging]
    failures: list[Failure]
    notes: list[str]
    tables: list[Path]


def read_belonging(paths: Iterable[Path]) -> Gathered:
    """Read labels and groups from the index.csv of each folder among the paths."""
    belonging: dict[Path, Belonging] = {}
    failures: list[Failure] = []
    notes: list[str] = []
    tables: list[Path] = []
    for path in paths:
        table = absolute(path / INDEX)
        tables.append(table)
        if not path.is_dir() or not (path / INDEX).is_file():
            continue
        try:
            labelled = read_labelled(path)
        except ColumnError as error:
            notes.append(f"{INDEX}: gives no labels: {error}")
            continue
        except LabelError as error:
            failures.append(Failure(shown(table), "index", f"gives no labels: {error}"))
            continue
        failures += [
            row._replace(track=f"{shown(table)}: {row.track}") for row in labelled.failures
        ]
        notes += labelled.notes
        belonging[absolute(path)] = Belonging()
        for clip in labelled.clips:
            belonging[absolute(clip.path)] = Belonging(labels=clip.labels, group=clip.group)
    return Gathered(belonging, failures, notes, tables)
