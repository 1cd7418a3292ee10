"""mirdata's loaders -> JAMS files, one per track. The only user of mirdata, an optional extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scatseg.datasets import Problem
from scatseg.formats import Annotation, FormatError, Jams, write_jams
from scatseg.formats.rows import Row, annotation

PREFIX = "mirdata:"
"""Prefix of loader names on the command line."""

SECTIONED = frozenset(
    {"beatles", "billboard", "queen", "rwc_classical", "rwc_jazz", "rwc_popular", "salami"}
)
"""The loaders of mirdata 1.0 whose tracks have sections."""

# Attributes of mirdata's tracks that hold sections -> level names.
_LEVELS = {
    "sections": "section",
    "named_sections": "function",
    "sections_uppercase": "upper",
    "sections_lowercase": "lower",
}
_SECONDS = {"s": 1.0, "ms": 1e-3}


class LoaderError(RuntimeError):
    """mirdata is not installed, or a loader fails."""


class Export(NamedTuple):
    """Files written, and tracks whose annotations could not be used."""

    written: tuple[Path, ...]
    problems: tuple[Problem, ...]


def names() -> tuple[str, ...]:
    """List the loaders with sections, as named on the command line.

    Raises
    ------
    LoaderError
        When mirdata is not installed.
    """
    known = SECTIONED.intersection(library().list_datasets())
    return tuple(f"{PREFIX}{each}" for each in sorted(known))


def fetch(name: str, root: str | Path) -> Export:
    """Download the annotations of a loader, but not the recordings, and write them as JAMS.

    Parameters
    ----------
    name : str
        As in `names`, with or without "mirdata:".
    root : path
        Parent of the loader's folder, `root/mirdata-<name>`; mirdata's downloads are in a hidden
        folder there, which `datasets.read_references` ignores.

    Returns
    -------
    export : Export
        One JAMS file per track with sections.

    Raises
    ------
    LoaderError
        When mirdata is not installed, has no such loader, or cannot download it.
    OSError
        When a file cannot be written.
    """
    mirdata = library()
    name = name.removeprefix(PREFIX)
    known = SECTIONED.intersection(mirdata.list_datasets())
    if name not in known:
        msg = f"no loader with sections is called {name!r}; there are {', '.join(sorted(known))}"
        raise LoaderError(msg)
    folder = Path(root, f"mirdata-{name}")
    dataset = mirdata.initialize(name, data_home=str(folder / ".mirdata"))
    remotes = [key for key in dataset.remotes or {} if key.startswith(("annotation", "metadata"))]
    if not remotes:  # mirdata takes an empty list as everything, including recordings
        msg = f"{PREFIX}{name} offers no annotations without the recordings"
        raise LoaderError(msg)
    try:
        dataset.download(partial_download=remotes)
        tracks = dataset.load_tracks()
    except (OSError, ValueError) as error:
        msg = f"{PREFIX}{name} cannot be downloaded: {error}"
        raise LoaderError(msg) from error
    return export(tracks, folder)


def export(tracks: Mapping[str, Any], folder: str | Path) -> Export:
    """Write the sections of mirdata's tracks, one JAMS file per track.

    Parameters
    ----------
    tracks : mapping of str to mirdata.core.Track
        Their sections are a SectionData, a MultiAnnotator for several annotators, or None.
    folder : path
        Output folder.

    Returns
    -------
    export : Export
        A track with an invalid annotation is a problem, but its other annotations are written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written, problems = [], []
    for track_id, track in sorted(tracks.items()):
        path = folder / f"{track_id.replace('/', '_')}.jams"
        annotations = []
        for annotator, level, sections in _annotations(track):
            try:
                annotations.append(_annotation(sections, annotator=annotator, level=level))
            except FormatError as error:
                problems.append(Problem(path, f"annotator {annotator}, level {level}: {error}"))
        if annotations:
            end = max(each.segmentation.end for each in annotations)
            write_jams(path, Jams(annotations=tuple(annotations), duration=end, title=track_id))
            written.append(path)
    return Export(tuple(written), tuple(problems))


def library() -> Any:
    """Return mirdata.

    Raises
    ------
    LoaderError
        When it is not installed.
    """
    try:
        import mirdata
    except ModuleNotFoundError as error:
        msg = "mirdata's loaders need the extra: pip install 'scatseg[datasets]'"
        raise LoaderError(msg) from error
    return mirdata


def _annotations(track: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (annotator, level, SectionData) of a track."""
    for attribute, level in _LEVELS.items():
        sections = getattr(track, attribute, None)
        if sections is None:
            continue
        if not hasattr(sections, "annotators"):
            yield "1", level, sections
            continue
        for i, one in enumerate(sections.annotations, 1):  # ids may repeat, for second annotations
            if one is not None:
                yield str(i), level, one


def _annotation(sections: Any, *, annotator: str, level: str) -> Annotation:
    unit = _SECONDS.get(sections.interval_unit)
    if unit is None:
        msg = f"times are in {sections.interval_unit!r}, not in seconds"
        raise FormatError(msg)
    labels = sections.labels or [""] * len(sections.intervals)
    rows = [
        Row(float(start) * unit, float(end) * unit, str(label), f"segment {i}")
        for i, ((start, end), label) in enumerate(zip(sections.intervals, labels, strict=True), 1)
    ]
    return annotation(rows, annotator=annotator, level=level)
