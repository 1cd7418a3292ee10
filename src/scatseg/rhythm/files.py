"""A file of beats -> beats and downbeats in seconds."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CELL = re.compile(r'[^,;"\s]+')
_DECIMAL_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9])")
_BAR_AND_BEAT = re.compile(r"[0-9]+\.[1-9][0-9]*")


class _Beat(NamedTuple):
    """One beat as read from a file.

    Parameters
    ----------
    time : float
        Seconds.
    position : float
        Position in the bar, 1 for a downbeat; NaN if unknown.
    place : str
        Location in the file: "line 3".
    """

    time: float
    position: float
    place: str


def read_beats(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read beat annotations from a file.

    Parameters
    ----------
    path : path-like
        A JAMS file, of which the first annotation of namespace "beat" or "beat_position" is read
        (dense or sparse); or a table with one beat per line: time in seconds and optionally the
        position in the bar, 1 for a downbeat, separated by commas, semicolons or whitespace; beside
        semicolons and tabs, commas are decimal. If all positions are like "12.3", as in Sonic
        Visualiser, they are bar and beat. A header line is skipped.

    Returns
    -------
    beats : ndarray of float64, shape (n_beats,)
        Seconds, in order.
    downbeats : ndarray of float64, shape (n_downbeats,)
        Beats at position 1; empty if no positions are given.

    Raises
    ------
    ValueError
        When the file has no beats, cannot be parsed, or has two beats at one time.
    """
    file = Path(path)
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    is_jams = file.suffix.lower() in {".jams", ".json"}
    try:
        beats = _in_order(_jams_beats(text) if is_jams else _table_beats(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{file}: no beats could be read: {error}"
        raise ValueError(msg) from error
    if not beats:
        msg = f"{file}: no beats found; expected one time in seconds per line, or JAMS beats"
        raise ValueError(msg)
    times = np.array([beat.time for beat in beats])
    return times, times[[beat.position == 1 for beat in beats]]


def _in_order(beats: list[_Beat]) -> list[_Beat]:
    """Sort beats by time; raise a ValueError if two are equal or one is not finite."""
    for beat in beats:
        if not math.isfinite(beat.time):
            msg = f"{beat.place}: a beat needs a finite number of seconds, got {beat.time}"
            raise ValueError(msg)
    beats = sorted(beats, key=lambda beat: beat.time)
    for before, beat in pairwise(beats):
        if beat.time == before.time:
            msg = f"{beat.place}: a second beat at {beat.time:g} s, after that of {before.place}"
            raise ValueError(msg)
    return beats


def _jams_beats(text: str) -> list[_Beat]:
    for annotation in json.loads(text)["annotations"]:
        if annotation["namespace"] in {"beat", "beat_position"}:
            data = annotation["data"]
            rows: Iterable[tuple[Any, Any]] = (
                zip(data["time"], data["value"], strict=True)
                if isinstance(data, dict)  # dense
                else ((item["time"], item["value"]) for item in data)
            )
            return [
                _Beat(float(time), _jams_position(value), f"beat {i}")
                for i, (time, value) in enumerate(rows, 1)
            ]
    return []


def _jams_position(value: Any) -> float:
    position = value["position"] if isinstance(value, dict) else value
    return math.nan if position is None else float(position)


def _table_beats(text: str) -> list[_Beat]:
    rows = [
        (f"line {i}", cells)
        for i, line in enumerate(text.splitlines(), 1)
        if not line.startswith("#") and (cells := _cells(line))
    ]
    if rows and rows[0][1][0][0].isalpha():
        rows = rows[1:]
    labels = [cells[1] for _, cells in rows if len(cells) > 1]
    are_numbered = all(map(_BAR_AND_BEAT.fullmatch, labels))
    beats = []
    for place, cells in rows:
        time, position = [*cells, "nan"][:2]
        if are_numbered:
            position = position.rpartition(".")[2]
        beats.append(_Beat(_number(time, place), _number(position, place), place))
    return beats


def _cells(line: str) -> list[str]:
    if ";" in line or "\t" in line:
        line = _DECIMAL_COMMA.sub(".", line)
    return _CELL.findall(line)


def _number(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        msg = f"{place}: expected seconds, and a position in the bar if known, got {text!r:.60}"
        raise ValueError(msg) from error
