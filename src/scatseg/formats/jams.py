"""Segmentations in JAMS (JSON Annotated Music Specification) files: reader and writer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scatseg.formats.rows import Annotation, FormatError, Row, annotation, with_confidence
from scatseg.formats.text import decoded
from scatseg.segmentation import ROUNDING

_NAMESPACE_LEVELS = {
    "segment_open": "",
    "segment_tut": "",
    "segment_salami_upper": "upper",
    "segment_salami_lower": "lower",
    "segment_salami_function": "function",
    "multi_segment": "",
}
_LONGEST = 1e15  # seconds: limit of float precision of 0.1 s


@dataclass(frozen=True, kw_only=True)
class Jams:
    """The content of a JAMS file: the segmentations of one recording.

    Parameters
    ----------
    annotations : tuple of Annotation
        The first is the default one, unless the default system failed.
    duration : float
        Duration of the recording in seconds.
    title : str, default ""
        Title of the recording.
    sandbox : mapping, default {}
        Other JSON data.
    """

    annotations: tuple[Annotation, ...]
    duration: float
    title: str = ""
    sandbox: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default_system(self) -> str:
        """The default system: the one noted as such if it failed, else the first."""
        facts = self.sandbox.get("scatseg", {})
        noted = facts.get("default", "") if isinstance(facts, Mapping) else ""
        return noted or next((each.system for each in self.annotations), "")


class _Source(NamedTuple):
    """One level of one annotation, before annotators and levels are named."""

    rows: list[Row]
    confidence: dict[float, float]
    annotator: dict[str, Any]
    tools: str
    system: str
    level: str


def jams_text(jams: Jams) -> str:
    """Return the text of a JAMS file; equal content gives equal bytes.

    Parameters
    ----------
    jams : Jams
        Annotations are written in the namespace segment_open, in this order. Estimates have
        annotation_tools "scatseg:<system>:<level>", and system and level in their sandbox.

    Returns
    -------
    text : str
        ASCII, valid against the schema of the `jams` package.

    Raises
    ------
    ValueError, TypeError
        When the duration or the sandbox cannot be represented in JSON.
    """
    tree = {
        "annotations": [_item(source) for source in jams.annotations],
        "file_metadata": {
            "artist": "",
            "duration": jams.duration,
            "identifiers": {},
            "jams_version": "0.3.5",
            "release": "",
            "title": jams.title,
        },
        "sandbox": dict(jams.sandbox),
    }
    return json.dumps(tree, indent=2, sort_keys=True, allow_nan=False) + "\n"


def annotations_text(annotations: Sequence[Annotation]) -> str:
    """Return the text of a JAMS file for a recording as long as its annotations."""
    duration = max(source.segmentation.end for source in annotations)
    return jams_text(Jams(annotations=tuple(annotations), duration=duration))


def parse_jams(data: bytes, duration: float | None = None) -> Jams:
    """Read the segmentations in a JAMS file.

    Parameters
    ----------
    data : bytes
        The content of the file.
    duration : float, optional
        Duration of the recording in seconds, if missing in the file.

    Returns
    -------
    jams : Jams
        See `read_jams`.

    Raises
    ------
    FormatError
        When there is no segmentation, or an invalid one.
    """
    text, notes = decoded(data)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as problem:
        msg = f"is not JSON ({problem})"
        raise FormatError(msg) from problem
    if not isinstance(tree, dict) or not isinstance(tree.get("annotations"), list):
        msg = "is not JAMS: expected an object with a list of annotations"
        raise FormatError(msg)
    metadata = _object(tree.get("file_metadata"))
    if metadata.get("duration"):
        duration = _time(metadata["duration"], "file_metadata, duration")
    sources = []
    for i, item in enumerate(map(_object, tree["annotations"]), 1):
        if str(item.get("namespace")) in _NAMESPACE_LEVELS:
            found = _sources(item, f"annotation {i}")
            sources += found
            if not found:
                notes.append(f"annotation {i} ({item['namespace']}) has no data, left out")
    if not sources:
        names = {str(_object(item).get("namespace")) for item in tree["annotations"]}
        spaces = sorted(
            f"{each} without data" if each in _NAMESPACE_LEVELS else each for each in names
        )
        msg = f"holds no segmentation, only {', '.join(spaces) or 'an empty list'}"
        raise FormatError(msg)
    annotations = tuple(
        with_confidence(
            annotation(
                source.rows,
                end=duration,
                notes=notes,
                annotator=annotator,
                system=source.system,
                level=level,
            ),
            source.confidence,
        )
        for source, annotator, level in _named(sources)
    )
    return Jams(
        annotations=annotations,
        duration=duration or max(a.segmentation.end for a in annotations),
        title=str(metadata.get("title") or ""),
        sandbox=_object(tree.get("sandbox")),
    )


def _item(source: Annotation) -> dict[str, Any]:
    """Convert an annotation to its JSON object."""
    sandbox = {"system": source.system, "level": source.level}
    confidence = source.confidence or (None,) * len(source.segmentation)
    return {
        "annotation_metadata": {
            "annotation_rules": "",
            "annotation_tools": f"scatseg:{source.system}:{source.level}" if source.system else "",
            "annotator": {"name": source.annotator} if source.annotator else {},
            "corpus": "",
            "curator": {"email": "", "name": ""},
            "data_source": "program" if source.system else "",
            "validation": "",
            "version": "",
        },
        "data": [
            {"confidence": sure, "duration": end - start, "time": start, "value": label}
            for (start, end, label), sure in zip(source.segmentation, confidence, strict=True)
        ],
        "duration": source.segmentation.end,  # from time 0, to avoid rounding
        "namespace": "segment_open",
        "sandbox": {key: value for key, value in sandbox.items() if value},
        "time": 0.0,
    }


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: object, place: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LONGEST:
        return float(value)
    msg = f"{place}: expected a number of seconds, got {value!r:.40}"
    raise FormatError(msg)


def _sources(item: dict[str, Any], place: str) -> list[_Source]:
    """Group the observations of an annotation by level."""
    metadata = _object(item.get("annotation_metadata"))
    sandbox = _object(item.get("sandbox"))
    end = None
    if item.get("duration") is not None:
        end = _time(item.get("time") or 0, place) + _time(item["duration"], place)
    levels: dict[str, list[Row]] = {}
    confidence: dict[str, dict[float, float]] = {}
    for level, row, sure in _observations(item, place):
        if end is not None and row.end is not None and abs(row.end - end) < ROUNDING:
            row = row._replace(end=end)
        levels.setdefault(level, []).append(row)
        if sure is not None:
            confidence.setdefault(level, {})[row.start] = sure
    return [
        _Source(
            rows=rows,
            confidence=confidence.get(level, {}),
            annotator=_object(metadata.get("annotator")),
            tools=str(metadata.get("annotation_tools") or ""),
            system=str(sandbox.get("system") or ""),
            level=level or str(sandbox.get("level") or _NAMESPACE_LEVELS[item["namespace"]]),
        )
        for level, rows in levels.items()
    ]


def _observations(item: dict[str, Any], place: str) -> Iterator[tuple[str, Row, float | None]]:
    """Yield (level, row, confidence); only multi_segment has levels other than ""."""
    data = item.get("data")
    if isinstance(data, dict):
        data = _transposed(data, place)
    if not isinstance(data, list):
        msg = f"{place}: expected a list of observations, got {type(data).__name__}"
        raise FormatError(msg)
    for i, observation in enumerate(map(_object, data), 1):
        here = f"{place}, observation {i}"
        value, level = observation.get("value"), ""
        if item["namespace"] == "multi_segment":
            level, value = str(_object(value).get("level")), _object(value).get("label")
        if not isinstance(value, str | int | float):
            msg = f"{here}: expected a label, got {value!r:.40}"
            raise FormatError(msg)
        start = _time(observation.get("time"), here)
        end = start + _time(observation.get("duration"), here)
        yield level, Row(start, end, str(value), here), _confidence(observation.get("confidence"))


def _confidence(value: object) -> float | None:
    """Read a confidence; None if it is not a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LONGEST:
        return float(value)
    return None


def _transposed(data: dict[str, Any], place: str) -> list[dict[str, Any]]:
    """Convert the dense format of old files (one list per column) to observations."""
    names = ["time", "duration", "value", *(["confidence"] if "confidence" in data else [])]
    lists = [column for name in names if isinstance(column := data.get(name), list)]
    if len(lists) < len(names) or len({len(column) for column in lists}) > 1:
        msg = f"{place}: expected lists of equal length for {', '.join(names)}"
        raise FormatError(msg)
    return [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]


def _named(sources: list[_Source]) -> list[tuple[_Source, str, str]]:
    """Find the annotator's name and the level of each source."""
    annotators = _annotators(sources)
    tools: dict[str, list[str]] = {}
    for source, annotator in zip(sources, annotators, strict=True):
        if not (source.level or source.system):
            tools.setdefault(annotator, []).append(source.tools)
    apart = {who for who, what in tools.items() if 1 < len(what) == len(set(what))}
    return [
        (source, who, source.level or (source.tools if who in apart and not source.system else ""))
        for source, who in zip(sources, annotators, strict=True)
    ]


def _annotators(sources: list[_Source]) -> list[str]:
    """Name annotators: by name, by id, or by number where there are several."""
    names: dict[str, str] = {}
    unnamed: Counter[tuple[str, str]] = Counter()
    annotators = []
    for source in sources:
        name = str(source.annotator.get("name") or source.annotator.get("id") or "")
        if name or source.system:
            annotators.append(names.setdefault(name, name) if name else "")
            continue
        if any(source.annotator.values()):
            key = json.dumps(source.annotator, sort_keys=True)
        else:  # anonymous annotations of the same kind are by different annotators
            unnamed[source.level, source.tools] += 1
            key = f"unnamed {unnamed[source.level, source.tools]}"
        annotators.append(names.setdefault(key, str(len(names) + 1)))
    if list(names) == ["unnamed 1"]:  # a single anonymous annotator
        return [""] * len(sources)
    return annotators
