"""Rows of a file -> one `Annotation`: sorted and contiguous, with a note on each repair."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from scatseg.segmentation import ROUNDING, Segmentation

_JOIN = 0.010  # seconds: gaps and overlaps up to this are repaired
_BEFORE_ZERO = 0.001  # seconds: negative times down to this are set to 0


class FormatError(ValueError):
    """A file that is not a valid segmentation, or a segmentation not supported by a format."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A segmentation with its source.

    Parameters
    ----------
    segmentation : Segmentation
        The sections.
    annotator : str, default ""
        The person, for references.
    system : str, default ""
        The algorithm, for estimates.
    level : str, default ""
        "section", "phrase", "upper", "1", ...
    repairs : tuple of str, default ()
        Repairs made on reading, one sentence each.
    confidence : tuple of float or None, default ()
        As in JAMS: one per segment, None if unknown; () if all are unknown. For an estimate, the
        probability of the boundary at the start of the segment.

    Raises
    ------
    ValueError
        When `confidence` is neither empty nor one per segment, or not finite.
    """

    segmentation: Segmentation
    annotator: str = ""
    system: str = ""
    level: str = ""
    repairs: tuple[str, ...] = ()
    confidence: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        given = tuple(None if sure is None else float(sure) for sure in self.confidence)
        object.__setattr__(self, "confidence", given)  # of NumPy, it could not be written
        wrong = [sure for sure in given if sure is not None and not math.isfinite(sure)]
        if wrong:
            msg = f"confidences must be finite, or None where unknown, got {wrong[0]}"
            raise ValueError(msg)
        if self.confidence and len(self.confidence) != len(self.segmentation):
            n_segments, n_given = len(self.segmentation), len(self.confidence)
            msg = f"{n_segments} segments need as many confidences or none, got {n_given}"
            raise ValueError(msg)


class Row(NamedTuple):
    """One segment as read from a file.

    Parameters
    ----------
    start : float
        Seconds.
    end : float or None
        Seconds; None for a point, which lasts until the next.
    label : str
        Its label, "" if missing.
    place : str
        Location in the file: "line 3".
    """

    start: float
    end: float | None
    label: str
    place: str


def annotation(
    rows: Iterable[Row],
    *,
    end: float | None = None,
    notes: Iterable[str] = (),
    annotator: str = "",
    system: str = "",
    level: str = "",
) -> Annotation:
    """Convert the rows of a file to an annotation.

    Parameters
    ----------
    rows : iterable of Row
        All spans or all points, in any order.
    end : float, optional
        End of the last point in seconds, unless given by a point labeled "End" or "".
    notes : iterable of str
        Earlier repairs.
    annotator, system, level : str, default ""
        As in `Annotation`.

    Returns
    -------
    annotation : Annotation
        With the notes and further repairs.

    Raises
    ------
    FormatError
        When the rows are invalid: no row, times that are not finite or negative, an end before its
        start or missing, an overlap of more than 10 ms.

    Examples
    --------
    >>> rows = [Row(0, 10, "A", "line 1"), Row(12, 20, "B", "line 2")]
    >>> annotation(rows).segmentation
    Segmentation(boundaries=(0.0, 10.0, 12.0, 20.0), labels=('A', '', 'B'))
    >>> annotation(rows).repairs
    ("line 2: gap from 10 to 12 s filled, labeled ''",)
    """
    repairs = [*notes]
    rows = [_checked(row, repairs) for row in rows]
    if not rows:
        msg = "holds no segment"
        raise FormatError(msg)
    if all(row.end is None or row.end == row.start for row in rows):
        rows = _lasting(rows, end, repairs)
    segmentation = _joined(_cleared(rows, repairs), repairs)
    return Annotation(
        segmentation=segmentation,
        annotator=annotator,
        system=system,
        level=level,
        repairs=tuple(repairs),
    )


def with_confidence(found: Annotation, confidence: Mapping[float, float]) -> Annotation:
    """Add confidences (by start in seconds) to segments, if there are any."""
    starts = found.segmentation.boundaries[:-1]
    of_segments = tuple(confidence.get(start) for start in starts)
    known = any(sure is not None for sure in of_segments)
    return replace(found, confidence=of_segments) if known else found


def _checked(row: Row, repairs: list[str]) -> Row:
    """Raise a FormatError for invalid times; set those just before 0 to 0."""
    for time in (row.start, row.end):
        if time is not None and not math.isfinite(time):
            msg = f"{row.place}: a time must be a finite number of seconds, got {time}"
            raise FormatError(msg)
        if time is not None and time < -_BEFORE_ZERO:
            msg = f"{row.place}: a time cannot be negative, got {time:g} s"
            raise FormatError(msg)
    if row.end is not None and row.end < row.start:
        msg = f"{row.place}: the end ({row.end:g} s) comes before the start ({row.start:g} s)"
        raise FormatError(msg)
    if row.start >= 0:
        return row
    repairs.append(f"{row.place}: {row.start:g} s taken as 0 s")
    return row._replace(start=0.0, end=None if row.end is None else max(row.end, 0.0))


def _lasting(points: list[Row], end: float | None, repairs: list[str]) -> list[Row]:
    """Convert points to spans that last until the next point."""
    points = _sorted(points, repairs)
    last = points[-1]
    marks = [p for p in points if p.start == last.start and p.label.lower() in ("", "end")]
    if marks:
        end = last.start
        points = [p for p in points if p not in marks]
    if not points:
        msg = f"{last.place}: says where a segment ends, but none begins before"
        raise FormatError(msg)
    if end is None:
        msg = (
            f"{last.place}: the segment {last.label!r:.60} has no end; "
            "add a row with its time and the label End, or give the duration of the recording"
        )
        raise FormatError(msg)
    if end < points[-1].start:
        msg = f"{last.place}: starts at {last.start:g} s, after the recording's end at {end:g} s"
        raise FormatError(msg)
    ends = [*(p.start for p in points[1:]), end]
    return [p._replace(end=end) for p, end in zip(points, ends, strict=True)]


def _sorted(rows: list[Row], repairs: list[str]) -> list[Row]:
    late = next((b for a, b in pairwise(rows) if b.start < a.start), None)
    if late is None:
        return rows
    repairs.append(f"{late.place}: out of order, all rows sorted by time")
    return sorted(rows, key=lambda row: row.start)


def _cleared(rows: list[Row], repairs: list[str]) -> list[Row]:
    """Sort spans, and drop zero-length and duplicate ones."""
    kept: list[Row] = []
    for row in _sorted(rows, repairs):
        if row.end == row.start:
            repairs.append(
                f"{row.place}: {row.label!r:.60} at {row.start:g} s has no length, left out"
            )
        elif kept and row[:3] == kept[-1][:3]:
            repairs.append(f"{row.place}: repeats {kept[-1].place}, left out")
        else:
            kept.append(row)
    if not kept:
        msg = "holds only segments of zero length"
        raise FormatError(msg)
    return kept


def _joined(rows: list[Row], repairs: list[str]) -> Segmentation:
    """Close small gaps and overlaps, fill large gaps, and reject large overlaps."""
    before, *others = rows
    starts, labels, end = [before.start], [before.label], _end(before)
    for row in others:
        step = row.start - end
        if step < -_JOIN:
            msg = (
                f"{row.place}: starts at {row.start:g} s, before the segment of {before.place} "
                f"ends ({end:g} s); segments cannot overlap"
            )
            raise FormatError(msg)
        if step > _JOIN:
            repairs.append(f"{row.place}: gap from {end:g} to {row.start:g} s filled, labeled ''")
            starts.append(end)
            labels.append("")
        elif abs(step) > ROUNDING:  # rounding is not noted
            what = "gap" if step > 0 else "overlap"
            repairs.append(f"{row.place}: {what} of {abs(step) * 1e3:.3g} ms before it closed")
        if row.start == starts[-1]:
            repairs.append(f"{before.place}: begins with the longer {row.place}, left out")
            starts.pop()
            labels.pop()
        starts.append(row.start)
        labels.append(row.label)
        before, end = row, _end(row)
    return Segmentation([*starts, end], labels)


def _end(row: Row) -> float:
    if row.end is None:
        msg = f"{row.place}: has no end, unlike other rows"
        raise FormatError(msg)
    return row.end
