"""Sonic Visualiser layers (.svl): writes regions; reads regions, instants and values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from scatseg.formats.rows import Annotation, FormatError, Row, annotation
from scatseg.formats.text import decoded, number, plain

_RATE = 44100  # Hz; times in a layer are counts of samples


class _Element(NamedTuple):
    tag: str
    attributes: dict[str, str]
    place: str


def parse_svl(data: bytes, duration: float | None) -> tuple[Annotation, ...]:
    """Read the layers of a Sonic Visualiser file.

    Points without a duration (instants, values) last until the next. If no point of a layer has a
    label, its values are used as labels, if they differ.

    Parameters
    ----------
    data : bytes
        The content of the file.
    duration : float or None
        End of the last point in seconds, unless given in the file.

    Returns
    -------
    annotations : tuple of Annotation
        One per layer with points; its level is the layer's presentation name.

    Raises
    ------
    FormatError
        When the content is invalid, or declares entities or an external DTD.
    """
    text, notes = decoded(data)
    models: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    datasets: dict[str, list[_Element]] = {}
    points: list[_Element] = []
    for element in _elements(text):
        attributes = element.attributes
        if element.tag == "model" and "dataset" in attributes:
            models[attributes["dataset"]] = attributes
        elif element.tag == "dataset":
            points = datasets.setdefault(attributes.get("id", ""), [])
        elif element.tag == "point":
            points.append(element)
        elif element.tag == "layer" and "model" in attributes:
            names[attributes["model"]] = attributes.get("presentationName", "")
    annotations = []
    for dataset, points in datasets.items():
        if points:
            model = models.get(dataset, {})
            rows = _rows(points, number(model.get("sampleRate", "")))
            level = names.get(model.get("id", ""), "")
            annotations.append(annotation(rows, end=duration, notes=notes, level=level))
    if not annotations:
        msg = "holds no layer of regions, instants or values"
        raise FormatError(msg)
    return tuple(annotations)


def svl_text(annotations: Sequence[Annotation]) -> str:
    """Return the text of a region layer, with times rounded to samples at 44100 Hz."""
    (source,) = annotations
    frames = [round(time * _RATE) for time in source.segmentation.boundaries]
    labels = [plain(label) for label in source.segmentation.labels]
    codes = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    points = []
    for (start, end), label in zip(pairwise(frames), labels, strict=True):
        if start == end:
            msg = f"the segment at {start / _RATE:g} s is shorter than a sample at {_RATE} Hz"
            raise FormatError(msg)
        points.append(
            f'      <point frame="{start}" value="{codes[label]}" duration="{end - start}" '
            f"label={quoteattr(label)} />\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE sonic-visualiser>\n<sv>\n  <data>\n'
        f'    <model id="1" name="" sampleRate="{_RATE}" start="{frames[0]}" end="{frames[-1]}" '
        'type="sparse" dimensions="3" resolution="1" notifyOnAdd="true" dataset="0" '
        f'subtype="region" valueQuantization="1" minimum="0" maximum="{len(codes) - 1}" '
        f'units="" />\n    <dataset id="0" dimensions="3">\n{"".join(points)}    </dataset>\n'
        '  </data>\n  <display>\n    <layer id="2" type="regions" name="Regions" model="1" '
        f'presentationName={quoteattr(plain(source.level))} plotStyle="1" />\n'
        "  </display>\n</sv>\n"
    )


def _elements(text: str) -> list[_Element]:
    """List the elements of an XML document in order; reject documents with declarations."""
    elements: list[_Element] = []
    parser = expat.ParserCreate()

    def declare(name: str, system_id: str | None, public_id: str | None, subset: bool) -> None:
        if system_id or public_id or subset:
            msg = f"line {parser.CurrentLineNumber}: declarations in <!DOCTYPE {name}> are refused"
            raise FormatError(msg)

    def start(tag: str, attributes: dict[str, str]) -> None:
        elements.append(_Element(tag, attributes, f"line {parser.CurrentLineNumber}"))

    parser.StartDoctypeDeclHandler = declare
    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)
    except expat.ExpatError as problem:
        msg = f"is not XML ({problem})"
        raise FormatError(msg) from problem
    return elements


def _rows(points: list[_Element], rate: float | None) -> list[Row]:
    if rate is None or not 0 < rate < math.inf:
        msg = f"{points[0].place}: the model of these points has no sampleRate"
        raise FormatError(msg)
    texts = [point.attributes.get("label", "") for point in points]
    values = [point.attributes.get("value", "") for point in points]
    if not any(texts) and len(set(values)) > 1:
        texts = values
    rows = []
    for (_, attributes, place), text in zip(points, texts, strict=True):
        frame = number(attributes.get("frame", ""))
        if frame is None:
            msg = f"{place}: a point needs a frame, got {attributes.get('frame')!r:.60}"
            raise FormatError(msg)
        length = number(attributes.get("duration", ""))
        end = None if length is None else (frame + length) / rate
        rows.append(Row(frame / rate, end, plain(text), place))
    return rows
