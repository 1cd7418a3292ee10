"""A file of beats -> beats and downbeats in seconds."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_beats(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read where the beats of a recording are.

    Parameters
    ----------
    path : path-like
        A JAMS file, of which the first annotation of the namespace "beat" is taken; or a table
        with one beat per line: its time in seconds and, if known, its position in the bar, 1
        for a downbeat, separated by commas, semicolons or blanks. A first line of words is
        skipped.

    Returns
    -------
    beats : ndarray of float64, shape (n_beats,)
        Seconds, in order.
    downbeats : ndarray of float64, shape (n_downbeats,)
        Those at position 1; none where no positions are given.

    Raises
    ------
    ValueError
        When the file holds no beats, or something else.
    """
    file = Path(path)
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    is_jams = file.suffix.lower() in {".jams", ".json"}
    try:
        rows = _jams_rows(text) if is_jams else _table_rows(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{file}: no beats could be read: {error}"
        raise ValueError(msg) from error
    if not rows:
        msg = f"{file}: no beats in it; needed are seconds, one beat per line, or a JAMS beat"
        raise ValueError(msg)
    table = np.array(sorted(rows), dtype=np.float64)
    return table[:, 0], table[table[:, 1] == 1, 0]


def _jams_rows(text: str) -> list[tuple[float, float]]:
    for annotation in json.loads(text)["annotations"]:
        if annotation["namespace"] == "beat":
            return [(float(item["time"]), _position(item["value"])) for item in annotation["data"]]
    return []


def _table_rows(text: str) -> list[tuple[float, float]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if lines and re.match(r'\s*"?[A-Za-z]', lines[0]):
        lines = lines[1:]
    cells = [[cell for cell in re.split(r"[,;\s]+", line.strip()) if cell] for line in lines]
    return [(float(row[0]), _position(row[1] if len(row) > 1 else None)) for row in cells]


def _position(value: float | str | None) -> float:
    """Read a position in the bar; NaN where it is not known."""
    return float("nan") if value is None else float(value)
