"""Conversion of bytes to text, and of text to numbers and labels, and back."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from scatseg.formats.rows import FormatError
from scatseg.segmentation import Segmentation

LINE_END = re.compile(r"\r\n|\r|\n")
"""Line ends (`str.splitlines` splits at ten more characters)."""

_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf)")
_NOT_PLAIN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decoded(data: bytes) -> tuple[str, list[str]]:
    """Decode a text file.

    Parameters
    ----------
    data : bytes
        The content: UTF-8, UTF-16, or else Windows-1252 or Latin-1.

    Returns
    -------
    text : str
        The text, without byte order mark.
    notes : list of str
        One sentence if it is not plain UTF-8.

    Raises
    ------
    FormatError
        When it is not text.
    """
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            notes = [f"byte order mark left out, read as {codec}"]
            return _decoded_as(data[len(mark) :], codec), notes
    if b"\0" in data:
        codec = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
        return _decoded_as(data, codec), [f"not UTF-8, read as {codec}"]
    for codec in ("utf-8", "cp1252"):
        try:
            return data.decode(codec), [] if codec == "utf-8" else [f"not UTF-8, read as {codec}"]
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), ["not UTF-8, read as latin-1"]


def _decoded_as(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as problem:
        msg = f"is not a text file ({problem})"
        raise FormatError(msg) from problem


_STATED = re.compile(r"(?i:sep)=([,;\t|])[ \t]*(?:\r\n|\r|\n|$)")
"""The line with which spreadsheets state the column separator, before the header."""


def separator(text: str) -> str:
    r"""Detect the column separator of a table from its header: a comma, a semicolon or a tab.

    A first line such as "sep=;" states it, and may state a vertical bar.

    Examples
    --------
    >>> separator("file;label\na, b.wav;x")
    ';'
    """
    if stated := _STATED.match(text):
        return stated[1]
    header = LINE_END.split(text.lstrip(), maxsplit=1)[0]
    return max(",;\t", key=header.count)


def csv_rows(
    text: str, *, delimiter: str | None = None, skipinitialspace: bool = False
) -> Iterator[tuple[int, list[str]]]:
    r"""Split a table into the fields of each row, with the number of its first line.

    Columns are separated by `delimiter`, by default as `separator` detects. A first line such as
    "sep=;" overrides it, and is no row.

    Raises
    ------
    FormatError
        When a quote is not closed; with the line.

    Examples
    --------
    >>> list(csv_rows('file;label\n"a;b.wav";x\n'))
    [(1, ['file', 'label']), (2, ['a;b.wav', 'x'])]
    """
    stated = _STATED.match(text)
    n_skipped = 0 if stated is None else 1
    reader = csv.reader(
        io.StringIO(text if stated is None else text[stated.end() :], newline=""),
        delimiter=separator(text) if stated or delimiter is None else delimiter,
        skipinitialspace=skipinitialspace,
        strict=True,
    )
    line = n_skipped + 1
    try:
        for fields in reader:
            yield line, fields
            line = n_skipped + reader.line_num + 1
    except csv.Error as error:
        msg = f"line {line}: {error}; is a quote not closed?"
        raise FormatError(msg) from error


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read the rows of a table, see `csv_rows`.

    Raises
    ------
    FormatError
        When it is not text, or a quote is not closed; with file and line.
    OSError
        When the file cannot be read.
    """
    try:
        text, _ = decoded(path.read_bytes())
    except FormatError as error:
        msg = f"{path} {error}"
        raise FormatError(msg) from error
    try:
        yield from csv_rows(text)
    except FormatError as error:
        msg = f"{path}, {error}"
        raise FormatError(msg) from error


def number(text: str) -> float | None:
    """Read a number with a decimal point or comma.

    Returns
    -------
    value : float or None
        None if `text` is not a number; not finite for "nan", "inf", "1e999".

    Examples
    --------
    >>> number(" 12,5 "), number("verse"), number("1:30")
    (12.5, None, None)
    """
    text = text.strip().lower()
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def plain(label: str) -> str:
    r"""Convert a label to one line: control characters become spaces, outer spaces are dropped.

    Examples
    --------
    >>> plain(" guitar\tsolo\n")
    'guitar solo'
    """
    return _NOT_PLAIN.sub(" ", label).strip()


def decimal(time: float, places: int) -> str:
    """Format seconds to the nanosecond, with at least `places` decimal places.

    Examples
    --------
    >>> decimal(12.5, 3), decimal(1 / 3, 3)
    ('12.500', '0.333333333')
    """
    whole, _, part = f"{time:.9f}".partition(".")
    return f"{whole}.{part.rstrip('0').ljust(places, '0')}"


def written(segmentation: Segmentation, *, places: int) -> list[tuple[str, str, str]]:
    """Format start, end and label of each segment.

    Parameters
    ----------
    segmentation : Segmentation
        The n segments.
    places : int
        Minimum number of decimal places.

    Returns
    -------
    rows : list of (str, str, str), length n
        Start and end in seconds, label.

    Raises
    ------
    FormatError
        When a segment is too short for the format.
    """
    times = [decimal(time, places) for time in segmentation.boundaries]
    for i, (start, end) in enumerate(pairwise(times)):
        if start == end:
            msg = (
                f"segment {i + 1} (at {start} s) lasts less than the nanosecond that the format "
                "can hold; write JAMS, or merge it with its neighbor"
            )
            raise FormatError(msg)
    rows = zip(pairwise(times), segmentation.labels, strict=True)
    return [(start, end, plain(label)) for (start, end), label in rows]
