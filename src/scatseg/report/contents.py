"""Read a run folder for its report."""

from __future__ import annotations

import errno
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scatseg.evaluation import Score
from scatseg.formats import Annotation, FormatError, Jams, read_jams
from scatseg.freshness import changed, fingerprint, removed, scored_fingerprints
from scatseg.plotting import NoveltyCurve
from scatseg.runs import Failure, read_failures, read_run_facts
from scatseg.score_tables import read_scores
from scatseg.summaries import Summary, SystemComparison

_UNREADABLE = "report"  # stage of failures to read a file

Row = TypeVar("Row", Summary, SystemComparison)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recording of a run.

    Parameters
    ----------
    id : str
        Stem of its files.
    jams : Jams
        The estimates, those of the default system first.
    references : tuple of Annotation
        Human annotations.
    scores : tuple of Score
        Scores of every system against every reference.
    """

    id: str
    jams: Jams
    references: tuple[Annotation, ...] = ()
    scores: tuple[Score, ...] = ()

    @property
    def title(self) -> str:
        """Title of the recording, or its id if it has none."""
        return self.jams.title or self.id

    @property
    def duration(self) -> float:
        """Duration in seconds; the end of the last annotation if unknown."""
        ends = [each.segmentation.end for each in (*self.jams.annotations, *self.references)]
        return self.jams.duration or max(ends, default=1.0)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Metadata of the run about the track: audio, options, warnings."""
        facts = self.jams.sandbox.get("scatseg", {})
        return facts if isinstance(facts, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run without its arrays.

    Parameters
    ----------
    folder : Path
        The run folder.
    facts : mapping
        `run.json`; empty if missing.
    tracks : tuple of Track
        By id.
    failures : tuple of Failure
        Failures listed by the run, and unreadable files.
    summary : tuple of Summary
        Scores over tracks; empty before an evaluation, or if any track changed since.
    comparisons : tuple of SystemComparison
        Paired comparisons of systems.
    baselines : frozenset of str
        Names of the baseline systems.
    group_by : str
        Metadata column by which the summary groups tracks, or "".
    changed : frozenset of str
        Tracks segmented again or removed since they were scored; they have no scores.
    n_scored : int
        Number of tracks that were scored.
    """

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    tracks: tuple[Track, ...] = ()
    failures: tuple[Failure, ...] = ()
    summary: tuple[Summary, ...] = ()
    comparisons: tuple[SystemComparison, ...] = ()
    baselines: frozenset[str] = frozenset()
    group_by: str = ""
    changed: frozenset[str] = frozenset()
    n_scored: int = 0

    @property
    def unreadable(self) -> tuple[Failure, ...]:
        """Files of tracks that could not be read."""
        return tuple(each for each in self.failures if each.stage == _UNREADABLE)

    @property
    def audio(self) -> Mapping[str, str]:
        """Path of each recording, by track."""
        audio = self.facts.get("audio", {})
        return audio if isinstance(audio, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Arrays for the plots of a track; each may be absent.

    Parameters
    ----------
    waveform : ndarray of int8, shape (2, n_stretches), or None
        Minimum and maximum sample of equal stretches, -127 to 127.
    S : ndarray of uint8, shape (m, m), or None
        Self-similarity, 0 to 255.
    S_edges : ndarray of float64, shape (m + 1,), or None
        Seconds.
    curves : mapping from str to NoveltyCurve
        Novelty per system, without boundaries.
    """

    waveform: NDArray[np.int8] | None = None
    S: NDArray[np.uint8] | None = None
    S_edges: NDArray[np.float64] | None = None
    curves: Mapping[str, NoveltyCurve] = field(default_factory=dict)


class ArraysError(ValueError):
    """Raised for an unusable arrays file; the message names it and says what to do."""


def read_run(folder: Path) -> Run:
    """Read a run folder, complete or not.

    Parameters
    ----------
    folder : Path
        With at least one of `run.json`, `tracks/`, `failures.csv`.

    Returns
    -------
    run : Run
        Tracks by id.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run, or one of another kind.
    """
    parts = [folder / name for name in ("run.json", "tracks", "failures.csv")]
    if not any(part.exists() for part in parts):
        msg = "this is no run folder: it has no run.json, tracks or failures.csv"
        raise FileNotFoundError(errno.ENOENT, msg, str(folder))
    facts = read_run_facts(folder)
    if not _holds_segmentations(folder, facts):
        msg = "this is no run of segment or evaluate: only those have a report like this"
        raise FileNotFoundError(errno.ENOENT, msg, str(folder))
    rows = _json(folder / "summary.json")
    failures = read_failures(folder)
    scores: dict[str, list[Score]] = {}
    if (folder / "scores.csv").exists():
        for score in read_scores(folder / "scores.csv"):
            scores.setdefault(score.track, []).append(score)
    tracks = []
    for path in sorted((folder / "tracks").glob("*.jams"), key=lambda path: path.stem):
        try:
            track = _track(path, folder / "references" / path.name)
        except FormatError as error:
            failures.append(Failure(path.stem, _UNREADABLE, str(error)))
            continue
        except OSError as error:
            text = f"{error.filename or path}: {error.strerror or error}"
            failures.append(Failure(path.stem, _UNREADABLE, text))
            continue
        tracks.append(track)
    scored = scored_fingerprints(folder)
    now = {track.id: fingerprint(track.jams.annotations) for track in tracks} if scored else {}
    outdated = changed(now, scored) | removed(folder, scored)
    if outdated:
        rows = {}
        scores = {id_: valid for id_, valid in scores.items() if id_ not in outdated}
    return Run(
        folder=folder,
        facts=facts,
        tracks=tuple(replace(track, scores=tuple(scores.get(track.id, ()))) for track in tracks),
        failures=tuple(failures),
        summary=tuple(_row(Summary, row) for row in rows.get("rows", ())),
        comparisons=tuple(_row(SystemComparison, row) for row in rows.get("comparisons", ())),
        baselines=frozenset(rows.get("baselines", ())),
        group_by=str(rows.get("group_by", "")),
        changed=outdated,
        n_scored=len(scored or scores),
    )


def _holds_segmentations(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Return whether a folder was written by `segment` or `evaluate`, complete or not."""
    if (folder / "arrays").is_dir() or any((folder / "tracks").glob("*.jams")):
        return True
    if "evaluation" in facts or "segmenters" in facts.get("options", {}):
        return True
    return not (folder / "tracks").exists() and "options" not in facts


def read_arrays(path: Path) -> Arrays:
    """Read the arrays of a track; all are absent if the file is missing.

    Raises
    ------
    ArraysError
        When the file is damaged or its shapes are inconsistent.
    """
    if not path.exists():
        return Arrays()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{path.name} cannot be read ({error}); segment this track again with --force"
        raise ArraysError(msg) from error
    prefix = "novelty_"
    systems = [
        name.removeprefix(prefix)
        for name in arrays
        if name.startswith(prefix) and f"{prefix}edges_{name.removeprefix(prefix)}" in arrays
    ]
    curves = {
        system: NoveltyCurve(arrays[prefix + system], arrays[f"{prefix}edges_{system}"])
        for system in systems
    }
    found = Arrays(
        waveform=arrays.get("waveform"),
        S=arrays.get("S"),
        S_edges=arrays.get("S_edges"),
        curves=curves,
    )
    _check(found, path)
    return found


def _check(arrays: Arrays, path: Path) -> None:
    S, edges, waveform = arrays.S, arrays.S_edges, arrays.waveform
    fits = {
        "S": S is None or (edges is not None and S.shape == (len(edges) - 1,) * 2 and S.size > 0),
        "waveform": waveform is None or (waveform.ndim == 2 and waveform.shape[0] == 2),
        **{
            f"novelty_{name}": curve.novelty.shape == curve.edges.shape and curve.edges.size > 1
            for name, curve in arrays.curves.items()
        },
    }
    wrong = [name for name, fine in fits.items() if not fine]
    if wrong:
        msg = f"{path.name}: the shape of {wrong[0]} does not fit; segment again with --force"
        raise ArraysError(msg)


def _track(path: Path, reference: Path) -> Track:
    references = read_jams(reference).annotations if reference.exists() else ()
    return Track(id=path.stem, jams=read_jams(path), references=references)


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is not JSON ({error}): `scatseg evaluate` writes it again"
        raise ValueError(msg) from error
    return content if isinstance(content, dict) else {}


def _row(kind: type[Row], row: Mapping[str, Any]) -> Row:
    """Parse a row written by `summary_json`; null is NaN."""
    missing = [name for name in kind._fields if name not in row]
    if missing:
        msg = f"summary.json has no {missing[0]!r}: `scatseg evaluate` writes it again"
        raise ValueError(msg)
    values: dict[str, Any] = {
        name: math.nan if row[name] is None else row[name] for name in kind._fields
    }
    return kind(**values)
