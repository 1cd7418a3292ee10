"""Praat TextGrids: writes the long text format, reads the long and the short one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scatseg.formats.rows import Annotation, FormatError, Row, annotation
from scatseg.formats.text import LINE_END, decimal, decoded, number, plain, written

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|!.*|<\w+>|([^\s"]+)|\n')


class _Token(NamedTuple):
    value: str | float
    line: int


def parse_textgrid(data: bytes, duration: float | None) -> tuple[Annotation, ...]:
    """Read the tiers of a TextGrid.

    Parameters
    ----------
    data : bytes
        The content of the file.
    duration : float or None
        Not used, as tiers have an end.

    Returns
    -------
    annotations : tuple of Annotation
        One per interval tier or point tier that is not empty; its level is the tier's name.

    Raises
    ------
    FormatError
        When the content is invalid.
    """
    del duration
    text, notes = decoded(data)
    content = _Content(text)
    if not content.string("the file type").startswith("ooTextFile") or (
        content.string("the object class") != "TextGrid"
    ):
        msg = f"line {content.line}: is not a TextGrid that Praat saved as text"
        raise FormatError(msg)
    content.number("xmin")
    content.number("xmax")
    tiers = [_tier(content) for _ in range(content.count("the number of tiers"))]
    notes += [f"tier {name!r:.60} is empty, left out" for name, rows, _ in tiers if not rows]
    annotations = tuple(
        annotation(rows, end=end, notes=notes, level=name) for name, rows, end in tiers if rows
    )
    if not annotations:
        msg = "holds no tier with intervals or points"
        raise FormatError(msg)
    return annotations


def textgrid_text(annotations: Sequence[Annotation]) -> str:
    """Return the text of a TextGrid with one interval tier per annotation.

    Tiers are named by level if these are unique, else by annotator, system and level.
    """
    start = decimal(min(source.segmentation.start for source in annotations), 1)
    end = decimal(max(source.segmentation.end for source in annotations), 1)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        f"xmin = {start}",
        f"xmax = {end}",
        "tiers? <exists>",
        f"size = {len(annotations)}",
        "item []:",
    ]
    for i, (source, name) in enumerate(zip(annotations, _names(annotations), strict=True)):
        rows = written(source.segmentation, places=1)
        lines += [
            f"    item [{i + 1}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            f"        xmin = {rows[0][0]}",
            f"        xmax = {rows[-1][1]}",
            f"        intervals: size = {len(rows)}",
        ]
        for j, (start, end, label) in enumerate(rows):
            lines += [
                f"        intervals [{j + 1}]:",
                f"            xmin = {start}",
                f"            xmax = {end}",
                f"            text = {_quoted(label)}",
            ]
    return "\n".join(lines) + "\n"


class _Content:
    """The strings and free-standing numbers of a Praat text file; anything else is ignored."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(LINE_END.sub("\n", text))
        self.line = 1

    def _next(self, what: str) -> str | float:
        token = next(self._tokens, None)
        if token is None:
            msg = f"ends where {what} was expected"
            raise FormatError(msg)
        self.line = token.line
        return token.value

    def string(self, what: str) -> str:
        value = self._next(what)
        if not isinstance(value, str):
            msg = f"line {self.line}: expected {what} in quotes, got {value:g}"
            raise FormatError(msg)
        return value

    def number(self, what: str) -> float:
        value = self._next(what)
        if isinstance(value, str):
            msg = f"line {self.line}: expected {what}, a number, got {value!r:.60}"
            raise FormatError(msg)
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or not value.is_integer():
            msg = f"line {self.line}: expected {what}, got {value:g}"
            raise FormatError(msg)
        return int(value)


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for token in _TOKEN.finditer(text):
        string, word = token.groups()
        value = number(word) if word else string
        if isinstance(value, str):
            yield _Token(value.replace('""', '"'), line)
        elif value is not None:
            yield _Token(value, line)
        line += token[0].count("\n")


def _tier(content: _Content) -> tuple[str, list[Row], float]:
    """Read one tier: its name, its rows, its end."""
    kind = content.string("the class of a tier")
    if kind not in ("IntervalTier", "TextTier"):
        msg = f"line {content.line}: expected an IntervalTier or a TextTier, got {kind!r:.60}"
        raise FormatError(msg)
    name = content.string("the name of a tier")
    content.number("xmin")
    end = content.number("xmax")
    rows = []
    for _ in range(content.count("the number of intervals or points")):
        start = content.number("a time")
        place = f"line {content.line}"
        stop = content.number("a time") if kind == "IntervalTier" else None
        rows.append(Row(start, stop, plain(content.string("a label")), place))
    return name, rows, end


def _names(annotations: Sequence[Annotation]) -> list[str]:
    levels = [source.level for source in annotations]
    if len(set(levels)) == len(levels):
        return levels
    return [" ".join(filter(None, (a.annotator, a.system, a.level))) for a in annotations]


def _quoted(text: str) -> str:
    doubled = plain(text).replace('"', '""')
    return f'"{doubled}"'
