"""Retrieval scores -> files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scatseg.search.retrieval import METRICS, Retrieval
from scatseg.writing import atomic_write, rows_as_csv


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
    rows = [["features", "file", "label", *METRICS]]
    for name, each in systems.items():
        for i, (id_, label) in enumerate(zip(ids, each.labels, strict=True)):
            values = [each.values[metric][i] for metric in METRICS]
            cells = [f"{value:.6f}" if np.isfinite(value) else "" for value in values]
            rows.append([name, id_, label, *cells])
    text = rows_as_csv(rows)
    atomic_write(folder / "queries.csv", text.encode("utf-8", "backslashreplace"))
