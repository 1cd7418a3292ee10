"""Files to segmentations and back: JAMS, LAB, CSV, Audacity, Sonic Visualiser, TextGrid.

What is read
------------
Rows are spans (start, end, label) or points (start, label), where each point lasts until the
next. The last point needs an end: a row labeled "End" or without a label, or the `duration` of
the recording. Without a header, a LAB or CSV file holds spans when most rows begin with two
times that do not decrease. A row without a label gets the label "".

Minor defects are repaired, with one sentence each in `Annotation.repairs`: other encodings than
UTF-8; blank lines; decimal commas; unsorted rows; zero-length or duplicate rows (left out); times
up to 1 ms before 0 (set to 0); gaps and overlaps up to 10 ms (closed at the start of the later
row); longer gaps (filled with a segment labeled ""). All others raise a `FormatError` with file,
line and reason: times that are not finite, negative times, an end before its start, longer
overlaps. Sections may start after 0 s.

What is written
---------------
JAMS stores any label and exact times. The other formats store single-line labels (control
characters become spaces, surrounding spaces are dropped) and times to the nanosecond, Sonic
Visualiser to the sample at 44100 Hz. CSV also stores the confidence of segments, if any, in an
additional column. Equal content gives equal bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scatseg.formats.jams import Jams, annotations_text, jams_text, parse_jams
from scatseg.formats.rows import Annotation, FormatError
from scatseg.formats.svl import parse_svl, svl_text
from scatseg.formats.tables import audacity_text, csv_text, lab_text, parse_csv, parse_lab
from scatseg.formats.textgrid import parse_textgrid, textgrid_text
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.writing import atomic_write

__all__ = [
    "FORMATS",
    "Annotation",
    "Format",
    "FormatError",
    "Jams",
    "annotations_of_levels",
    "format_of",
    "jams_text",
    "read",
    "read_jams",
    "write",
    "write_jams",
]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format: extensions, parser and writer.

    Parameters
    ----------
    extension : str
        Extension of written files.
    reads : tuple of str
        Lower-case extensions read as this format by default.
    several : bool, default False
        Whether a file can hold more than one segmentation.
    parse : callable
        Function from the bytes of a file and the duration (seconds or None) to annotations.
    text : callable
        Function from annotations to the text of a file.
    """

    extension: str
    reads: tuple[str, ...]
    several: bool = False
    parse: Callable[[bytes, float | None], tuple[Annotation, ...]]
    text: Callable[[Sequence[Annotation]], str]


FORMATS: dict[str, Format] = {
    "jams": Format(
        extension=".jams",
        reads=(".jams",),
        several=True,
        parse=lambda data, duration: parse_jams(data, duration).annotations,
        text=annotations_text,
    ),
    "lab": Format(extension=".lab", reads=(".lab", ".txt"), parse=parse_lab, text=lab_text),
    "csv": Format(extension=".csv", reads=(".csv",), parse=parse_csv, text=csv_text),
    "audacity": Format(extension=".txt", reads=(), parse=parse_lab, text=audacity_text),
    "svl": Format(extension=".svl", reads=(".svl",), parse=parse_svl, text=svl_text),
    "textgrid": Format(
        extension=".TextGrid",
        reads=(".textgrid",),
        several=True,
        parse=parse_textgrid,
        text=textgrid_text,
    ),
}
"""The file formats by name."""


def read(
    path: str | os.PathLike[str], *, format: str | None = None, duration: float | None = None
) -> tuple[Annotation, ...]:
    r"""Read the segmentations in a file.

    Parameters
    ----------
    path : path-like
        The file.
    format : str, optional
        A key of `FORMATS`; by default, from the extension.
    duration : float, optional
        Duration of the recording in seconds, for files without the end of the last segment.

    Returns
    -------
    annotations : tuple of Annotation
        At least one.

    Raises
    ------
    FormatError
        When the format is unknown or the content is invalid.
    OSError
        When the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "song.txt"
    ...     _ = path.write_text("0\tintro\n10.5\tverse\n\n40\tEnd\n")
    ...     (annotation,) = read(path)
    >>> annotation.segmentation
    Segmentation(boundaries=(0.0, 10.5, 40.0), labels=('intro', 'verse'))
    >>> annotation.repairs
    ('line 3: blank, left out',)
    """
    if duration is not None and not 0 < duration < math.inf:
        msg = f"duration must be a positive number of seconds, got {duration}"
        raise ValueError(msg)
    if Path(path).is_dir():
        msg = f"{path}: a file is needed, this is a folder; read the files in it one by one"
        raise FormatError(msg)
    parse = FORMATS[format_of(path, format)].parse
    data = Path(path).read_bytes()
    try:
        return parse(data, duration)
    except FormatError as problem:
        msg = f"{path}: {problem}"
        raise FormatError(msg) from problem


def write(
    path: str | os.PathLike[str],
    content: Segmentation | Hierarchy | Annotation | Iterable[Annotation],
    *,
    format: str | None = None,
) -> None:
    """Write one segmentation, or several if the format supports it, atomically.

    Parameters
    ----------
    path : path-like
        The file; replaced when it exists.
    content : Segmentation, Hierarchy, Annotation, or iterable of Annotation
        Content to write. For a hierarchy, all levels by name, the default one first.
    format : str, optional
        A key of `FORMATS`; by default, from the extension.

    Raises
    ------
    FormatError
        When the format is unknown, or does not support several segmentations or so short a segment.
    OSError
        When the file cannot be written.
    TypeError
        When the content has another type.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "song.lab"
    ...     write(path, Segmentation([0, 10.5, 40], ["intro", "verse"]))
    ...     print(path.read_text().expandtabs(8))
    0.000   10.500  intro
    10.500  40.000  verse
    """
    annotations = _annotations(content)
    name = format_of(path, format)
    if not annotations or (len(annotations) > 1 and not FORMATS[name].several):
        msg = f"{path}: {name} holds one segmentation or more, got none"
        if annotations:
            several = ", ".join(known for known, kind in FORMATS.items() if kind.several)
            msg = (
                f"{path}: {name} holds one segmentation, got {len(annotations)}: "
                f"choose one, or a format that holds several ({several})"
            )
        raise FormatError(msg)
    try:
        text = FORMATS[name].text(annotations)
    except FormatError as problem:
        msg = f"{path}: {problem}"
        raise FormatError(msg) from problem
    atomic_write(path, text.encode())


def _annotations(
    content: Segmentation | Hierarchy | Annotation | Iterable[Annotation],
) -> tuple[Annotation, ...]:
    if isinstance(content, Segmentation):
        return (Annotation(segmentation=content),)
    if isinstance(content, Hierarchy):
        return annotations_of_levels(content)
    if isinstance(content, str | os.PathLike):
        msg = (
            "a Segmentation, a Hierarchy or Annotations can be written, got "
            f"{type(content).__name__}: the path comes first"
        )
        raise TypeError(msg)
    annotations = tuple(content) if isinstance(content, Iterable) else (content,)
    for each in annotations:
        if not isinstance(each, Annotation):
            msg = (
                "a Segmentation, a Hierarchy or Annotations can be written, got "
                f"{type(each).__name__}: say Annotation(segmentation=...) for one of several"
            )
            raise TypeError(msg)
    return annotations


def annotations_of_levels(found: Hierarchy, *, system: str = "") -> tuple[Annotation, ...]:
    """Convert each level to an annotation of that name, the default one first."""
    levels = [
        Annotation(segmentation=level, system=system, level=name)
        for name, level in zip(found.names, found.levels, strict=True)
    ]
    return (levels.pop(found.default), *levels)


def read_jams(path: str | os.PathLike[str]) -> Jams:
    """Read the segmentations in a JAMS file, with metadata of the recording.

    Parameters
    ----------
    path : path-like
        The file. Supported namespaces: segment_open, segment_tut, segment_salami_upper, _lower and
        _function, and multi_segment (one annotation per level); others are ignored.

    Returns
    -------
    jams : Jams
        At least one annotation. Annotators are identified by name, else by id, else by number
        ("1", "2", ...); a single anonymous one is "". The level is taken from the annotation's
        sandbox, else from the namespace, else from annotation_tools if these distinguish the
        annotations of one annotator.

    Raises
    ------
    FormatError
        When there is no segmentation, or an invalid one.
    OSError
        When the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        return parse_jams(data)
    except FormatError as problem:
        msg = f"{path}: {problem}"
        raise FormatError(msg) from problem


def write_jams(path: str | os.PathLike[str], jams: Jams) -> None:
    """Write a JAMS file atomically, see `jams_text`."""
    atomic_write(path, jams_text(jams).encode())


def format_of(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Return the format of a file: the one given, else by extension.

    Raises
    ------
    FormatError
        When there is no such format.
    """
    if name in FORMATS:
        return name
    if name is not None:
        msg = f"{path}: there is no format {name!r}, only {', '.join(FORMATS)}"
        raise FormatError(msg)
    extension = Path(path).suffix.lower()
    for known, kind in FORMATS.items():
        if extension in kind.reads:
            return known
    extensions = " ".join(known for kind in FORMATS.values() for known in kind.reads)
    msg = f"{path}: no format goes by {extension!r}; name the format, or use one of {extensions}"
    raise FormatError(msg)
