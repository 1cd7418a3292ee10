"""Retrieval scores -> files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scatseg.search.retrieval import METRICS, Retrieval
from scatseg.writing import atomic_write


def write_retrieval(
    folder: Path, document: Mapping[str, Any], systems: Mapping[str, Retrieval], ids: Sequence[str]
) -> None:
    """Write scores.json, and queries.csv with a line per query and system.

    Parameters
    ----------
    folder : Path
        An existing folder.
    document : mapping
        From `retrieval_document`.
    systems : mapping from str to Retrieval
        Scores by system.
    ids : sequence of str
        Ids of the items.
    """
    text = json.dumps(document, indent=2) + "\n"
    atomic_write(folder / "scores.json", text.encode("utf-8", "backslashreplace"))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["features", "file", "label", *METRICS])
    for name, each in systems.items():
        for i, (id_, label) in enumerate(zip(ids, each.labels, strict=True)):
            row = [each.values[metric][i] for metric in METRICS]
            cells = [f"{value:.6f}" if np.isfinite(value) else "" for value in row]
            writer.writerow([name, id_, label, *cells])
    atomic_write(folder / "queries.csv", table.getvalue().encode("utf-8", "backslashreplace"))
