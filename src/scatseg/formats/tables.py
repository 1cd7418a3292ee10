"""LAB, Audacity labels and CSV: one segment per line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scatseg.formats.rows import Annotation, FormatError, Row, annotation, with_confidence
from scatseg.formats.text import LINE_END, csv_rows, decimal, decoded, number, plain, written
from scatseg.writing import rows_as_csv

_COLUMNS = {
    **dict.fromkeys(("start", "start_time", "begin", "onset", "time"), "start"),
    **dict.fromkeys(("end", "end_time", "stop", "offset"), "end"),
    "duration": "duration",
    "value": "value",
    **dict.fromkeys(("label", "labels", "name", "section", "segment", "function"), "label"),
    "confidence": "confidence",
}

_NAMELESS = "nameless"
"""A column without a name, such as the row numbers of pandas, which is left out."""

_REGION = ("start", "value", "duration", "label")
"""Columns of regions as Sonic Visualiser writes them."""

_READ_AS_REGIONS = "read as regions: time, value, duration and label; values left out"

_LAB_COLUMNS = {name for name, column in _COLUMNS.items() if column not in ("duration", "value")}

# A number and a label, in separate columns.
_NUMBERED = re.compile(r"[0-9]+\t[^\t]*\S\s*")


class _Line(NamedTuple):
    """One line of a table of either spans or points."""

    line: int
    first: str  # the start
    second: str  # the end, in a table of spans
    span_label: str
    point_label: str | None  # None where a table of points has no room for what is there

    @property
    def place(self) -> str:
        return f"line {self.line}"

    @property
    def looks_like_span(self) -> bool:
        start, end = number(self.first), number(self.second)
        return start is not None and end is not None and not end < start

    @property
    def marks_end(self) -> bool:
        """Whether this is a line such as "40 End" below lines of start, end and label."""
        return number(self.second) is None and (self.point_label or "").strip().lower() in (
            "",
            "end",
        )


def parse_lab(data: bytes, duration: float | None) -> tuple[Annotation, ...]:
    """Read LAB: start, end, label or start, label, separated by tabs or spaces.

    Regions of Sonic Visualiser (time, value, duration, label) are recognized. A column of integers
    between end and label, as in Isophonics, is left out. Lines that begin with "#" (comments) or a
    backslash (frequencies of an Audacity label) are ignored.

    Parameters
    ----------
    data : bytes
        The content of the file.
    duration : float or None
        End of the last point in seconds, unless given in the file.

    Returns
    -------
    annotations : tuple of one Annotation
        The segments.

    Raises
    ------
    FormatError
        When the content is invalid.
    """
    text, notes = decoded(data)
    lines = []
    fields = []
    for line, content in enumerate(LINE_END.split(text.rstrip()), 1):
        first, second, span_label = [*content.split(maxsplit=2), "", "", ""][:3]
        point_label = [*content.split(maxsplit=1), "", ""][1]
        if not first:
            notes.append(_blank(line))
        elif not first.startswith(("#", "\\")):
            lines.append(_Line(line, first, second, span_label, point_label))
            fields.append(content.split("\t" if "\t" in content else None, maxsplit=3))
    header = [_column(name) for name in fields[0]] if fields else []
    regions = tuple(header) == _REGION
    spans = None
    if regions or (lines and {lines[0].first.lower(), lines[0].second.lower()} <= _LAB_COLUMNS):
        spans = _COLUMNS[lines.pop(0).second.lower()] == "end"
        del fields[0]
    elif _are_regions(fields):
        regions = True
        notes.append(_READ_AS_REGIONS)
    if regions:
        spans = True
        lines = [
            line._replace(second=_end(start, lasts), span_label=label)
            for line, row in zip(lines, fields, strict=True)
            for start, _, lasts, label in [[*row, "", "", ""][:4]]
        ]
    rows = _rows(_unnumbered(lines, notes), notes, spans=spans)
    return (annotation(rows, end=duration, notes=notes),)


def _are_regions(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether rows without a header are `_REGION`.

    All begin with three numbers, of which the second is not always an end; with the third as
    duration, no region overlaps the next, and most end where the next begins.
    """
    numbers = [[number(field) for field in row[:3]] for row in rows if len(row) == len(_REGION)]
    known = np.array([each for each in numbers if None not in each], dtype=np.float64)
    if len(known) < max(2, len(rows)):
        return False
    starts, values, durations = known.T
    gaps = starts[1:] - (starts + durations)[:-1]
    touch = np.abs(gaps) <= _TOUCHING
    return bool((values < starts).any() and (gaps >= -_TOUCHING).all() and touch.mean() > 0.5)


def _end(start: str, lasts: str) -> str:
    """Return the end of a region; not a number if one of them is none."""
    first, duration = number(start), number(lasts)
    return lasts if first is None or duration is None else decimal(first + duration, 3)


_TOUCHING = 0.05
"""Maximum distance in seconds of regions that touch."""


def _unnumbered(lines: list[_Line], notes: list[str]) -> list[_Line]:
    """Drop a column of numbers before the labels, if every line has one."""
    for line in lines:
        if not (line.looks_like_span and _NUMBERED.fullmatch(line.span_label)):
            return lines
    if lines:
        notes.append("column 3: numbers left out, column 4 has the labels")
    return [line._replace(span_label=line.span_label.partition("\t")[2]) for line in lines]


def lab_text(annotations: Sequence[Annotation]) -> str:
    """Return LAB text: start, end and label, separated by tabs."""
    return _tabbed(annotations[0], places=3)


def audacity_text(annotations: Sequence[Annotation]) -> str:
    """Return an Audacity label track: LAB with six decimal places."""
    return _tabbed(annotations[0], places=6)


def parse_csv(data: bytes, duration: float | None) -> tuple[Annotation, ...]:
    """Read CSV: columns start, end, label or start, label, or as named by the header.

    Regions of Sonic Visualiser (time, value, duration, label) are recognized. A header may name a
    column "duration" in place of the end, "value", which is left out as are columns without a name,
    and "confidence", whose values are ignored if not numeric.

    Parameters
    ----------
    data : bytes
        The content of the file, separated by commas, semicolons, tabs or vertical bars. A header is
        optional; rows that begin with "#" are ignored.
    duration : float or None
        End of the last point in seconds, unless given in the file.

    Returns
    -------
    annotations : tuple of one Annotation
        The segments.

    Raises
    ------
    FormatError
        When the content is invalid.
    """
    text, notes = decoded(data)
    table = _csv_rows(text.rstrip(), notes)
    columns, spans = ["start", "end", "label"], None
    if table and number(table[0][1][0]) is None:
        columns = _csv_columns(*table.pop(0))
        spans = "end" in columns or "duration" in columns
    elif _are_regions([fields for _, fields in table]):
        columns, spans = list(_REGION), True
        notes.append(_READ_AS_REGIONS)
    lines = []
    confidence: dict[float, float] = {}
    for line, fields in table:
        if len(fields) > len(columns):
            msg = (
                f"line {line}: expected {', '.join(columns)}, got {len(fields)} fields; quote "
                "labels that hold the separator, and separate decimal commas by semicolons"
            )
            raise FormatError(msg)
        row = dict.fromkeys(("start", "end", "label", "confidence"), "")
        row.update(zip(columns, fields, strict=False))
        if "duration" in row and "end" not in columns:
            row["end"] = _end(row["start"], row["duration"])
        point_label: str | None = row["label"]
        if spans is None and row["end"]:
            point_label = None if row["label"] else row["end"]
        lines.append(_Line(line, row["start"], row["end"], row["label"], point_label))
        start, sure = number(row["start"]), number(row["confidence"])
        if start is not None and sure is not None and math.isfinite(sure):
            confidence[start] = sure
    rows = _rows(lines, notes, spans=spans)
    return (with_confidence(annotation(rows, end=duration, notes=notes), confidence),)


def csv_text(annotations: Sequence[Annotation]) -> str:
    """Return CSV text with the header start,end,label and, if known, confidence."""
    source = annotations[0]
    table: list[tuple[object, ...]] = [
        ("start", "end", "label"),
        *written(source.segmentation, places=3),
    ]
    if source.confidence:
        known = ("confidence", *source.confidence)
        table = [(*row, sure) for row, sure in zip(table, known, strict=True)]
    return rows_as_csv(table)


def _tabbed(source: Annotation, *, places: int) -> str:
    rows = written(source.segmentation, places=places)
    return "".join(f"{start}\t{end}\t{label}\n" for start, end, label in rows)


def _blank(line: int) -> str:
    return f"line {line}: blank, left out"


def _rows(lines: list[_Line], notes: list[str], *, spans: bool | None) -> list[Row]:
    """Read spans or points; if `spans` is None, whatever most lines are."""
    if spans is None:
        spans = 2 * sum(line.looks_like_span for line in lines) > len(lines)
    for line in lines:
        if "," in line.first or (spans and "," in line.second):
            notes.append(f"{line.place}: decimal comma read as a point, here and below")
            break
    if not spans:
        return [_point(line) for line in lines]
    ends = [end for line in lines if (end := number(line.second)) is not None]
    rows = []
    for line in lines:
        start = number(line.first)
        if line.marks_end and ends and (line is lines[-1] or (start or 0) >= max(ends)):
            notes.append(f"{line.place}: end marker ignored, each row has its own end")
        else:
            rows.append(_span(line))
    return rows


def _point(line: _Line) -> Row:
    if line.point_label is None:
        msg = f"{line.place}: expected start and label as most rows have, got a third field"
        raise FormatError(msg)
    return Row(_start(line), None, plain(line.point_label), line.place)


def _span(line: _Line) -> Row:
    end = number(line.second)
    if end is None:
        msg = f"{line.place}: expected the segment's end in seconds, got {line.second!r:.60}"
        raise FormatError(msg)
    return Row(_start(line), end, plain(line.span_label), line.place)


def _start(line: _Line) -> float:
    start = number(line.first)
    if start is None:
        msg = f"{line.place}: expected the segment's start in seconds, got {line.first!r:.60}"
        raise FormatError(msg)
    return start


def _csv_rows(text: str, notes: list[str]) -> list[tuple[int, list[str]]]:
    """Split into the fields of each row, with the number of its first line."""
    rows = []
    for line, fields in csv_rows(text, delimiter=_csv_delimiter(text), skipinitialspace=True):
        while len(fields) > 3 and not fields[-1].strip():
            fields.pop()
        if not any(field.strip() for field in fields):
            notes.append(_blank(line))
        elif not fields[0].startswith("#"):
            rows.append((line, fields))
    return rows


def _csv_delimiter(text: str) -> str:
    """Find the separator with which the first row begins with a time, or names the column of it."""
    lines = (line.strip() for line in LINE_END.split(text))
    line = next((line for line in lines if line and not line.startswith("#")), "")
    for delimiter in ";\t|":
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        if len(fields) < 2:
            continue
        if number(fields[0]) is not None or "start" in map(_column, fields):
            return delimiter
    return ","


def _column(name: str) -> str:
    """Return the meaning of a column name ("Start time" like start_time); "" if unknown."""
    return _COLUMNS.get("_".join(name.lower().split()), "")


def _csv_columns(line: int, names: list[str]) -> list[str]:
    columns = [_column(name) if name.strip() else _NAMELESS for name in names]
    named = [column for column in columns if column != _NAMELESS]
    if "start" not in named or "" in named or len(set(named)) < len(named):
        msg = (
            f"line {line}: expected a time in seconds or a header such as start,end,label or "
            f"time,label, got {','.join(names)!r:.60}"
        )
        raise FormatError(msg)
    return columns
