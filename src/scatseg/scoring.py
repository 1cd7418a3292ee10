"""Estimates and references on disk -> scores, summary and references in one folder."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scatseg import datasets, evaluation, formats, runs, score_tables, summaries
from scatseg.collection import map_pure
from scatseg.evaluation import Score
from scatseg.formats import Annotation, Jams
from scatseg.matching import duration_notes, match_ids
from scatseg.runs import Failure
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.summaries import ALL_TRACKS, Results

Answers = Mapping[str, Segmentation | Hierarchy]
"""Track -> what one system says."""

_SCORE_FILES = (
    *("scores.csv", "summary.csv", "summary.json", "summary.md", "summary.tex"),
    "comparisons.csv",
)

_SAME_END = 0.1  # seconds; levels are compared in steps of this size


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an evaluation found.

    Parameters
    ----------
    results : Results
        Summaries per system, level and metric, and how the systems compare.
    n_tracks : int
        Tracks with a score.
    failures : tuple of Failure
        Files and tracks that could not be used.
    notes : tuple of str
        What had no partner, was repaired, or looks odd.
    """

    results: Results
    n_tracks: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


class _Task(NamedTuple):
    """One track: its references and their id, and each system's answer."""

    track: str
    reference: str
    references: tuple[Annotation, ...]
    estimates: Answers


def score_folder(
    estimates: Sequence[Path],
    references: Sequence[Path],
    out: Path,
    *,
    partners: Mapping[str, str] | None = None,
    metadata: Path | None = None,
    group_by: str = "",
    seed: int = 0,
    n_jobs: int = 1,
    on_track: Callable[[str], object] | None = None,
) -> Outcome:
    """Score estimates against references and write the result into a folder.

    Parameters
    ----------
    estimates : sequence of Path
        Runs, or folders of files in any format, each of them a system.
    references : sequence of Path
        Folders of annotations.
    out : Path
        Where scores.csv, summary.csv, .json, .md and .tex, comparisons.csv, failures.csv and
        references/ go. It may be one of the runs.
    partners : mapping of str to str, optional
        Estimate id -> reference id, for those that are not to be matched by their names, see
        `read_partners`.
    metadata : Path, optional
        A table of tracks, see `read_groups`.
    group_by : str, default ""
        The column of it whose values are summarized separately as well.
    seed : int, default 0
        Of the bootstrap.
    n_jobs : int, default 1
        Processes.
    on_track : callable, optional
        Told the id of every track when it is scored.

    Returns
    -------
    outcome : Outcome
        Also when nothing could be scored; then no scores are written. What an earlier call
        wrote is removed in any case.

    Raises
    ------
    RunLockedError
        When another process writes to the folder.
    ValueError
        When two folders annotate a track, two systems cannot be told apart, `partners` names an
        unknown reference, or the metadata cannot be used.
    """
    groups = read_groups(metadata, group_by) if metadata is not None else {}
    annotated = [datasets.read_references(path) for path in references]
    known = _merged(references, annotated)
    found = [datasets.read_estimates(path) for path in estimates]
    systems, notes = _unique_systems(estimates, found)
    tasks, task_notes = _tasks(systems, known, partners or {})
    groups, group_notes = _groups_of({task.track: task.reference for task in tasks}, groups)
    problems = [each for one in annotated for each in one.problems]
    problems += [each for one in found for each in one.problems]
    failures = [Failure(problem.path.stem, "evaluate", problem.reason) for problem in problems]
    scores: list[Score] = []
    with runs.locked(out):
        for task, result in zip(tasks, map_pure(_score, tasks, n_jobs=n_jobs), strict=True):
            scores += result[0]
            failures += result[1]
            if on_track:
                on_track(task.track)
        results = summaries.assess(scores, groups=groups, group_by=group_by, seed=seed)
        _clear(out, keep=references)
        if scores:
            _write_scores(out, scores, results)
            _write_references(out, tasks)
        listed = [f for f in runs.read_failures(out) if f.stage != "evaluate"]
        runs.write_failures(out, [*listed, *failures])
    read_notes = [note for one in annotated for note in one.notes]
    read_notes += [note for one in found for note in one.notes]
    return Outcome(
        results=results,
        n_tracks=len({score.track for score in scores}),
        failures=tuple(failures),
        notes=(*read_notes, *notes, *task_notes, *group_notes),
    )


def _merged(
    paths: Sequence[Path], annotated: Sequence[datasets.References]
) -> dict[str, tuple[Annotation, ...]]:
    """Put the references of several folders together; each track is in one of them."""
    known: dict[str, tuple[Annotation, ...]] = {}
    for path, each in zip(paths, annotated, strict=True):
        twice = known.keys() & each.tracks.keys()
        if twice:
            msg = f"{path} annotates {min(twice)!r} again: give each track's references one folder"
            raise ValueError(msg)
        known |= each.tracks
    return known


def _score(task: _Task) -> tuple[list[Score], list[Failure]]:
    """Score a track; a pair that cannot be compared is a failure and hinders no other."""
    refused: list[ValueError] = []
    try:
        scores = evaluation.score_track(
            task.track, task.references, task.estimates, on_refusal=refused.append
        )
    except ValueError as error:
        scores, refused = [], [error]
    answered = any(score.system in task.estimates for score in scores)
    failures = [Failure(task.track, "evaluate", str(error)) for error in refused]
    return scores if answered else [], failures


def _unique_systems(
    paths: Sequence[Path], found: Sequence[datasets.Estimates]
) -> tuple[dict[str, Answers], list[str]]:
    """Name systems by their folder where two folders have a system of one name."""
    names = [name for each in found for name in each.systems]
    systems: dict[str, Answers] = {}
    notes: list[str] = []
    for path, each in zip(paths, found, strict=True):
        deep, found_notes = _hierarchies(each.levels)
        notes += found_notes
        for name, answers in each.systems.items():
            unique = name if names.count(name) == 1 else f"{path.resolve().name}/{name}"
            if unique in systems:
                msg = f"two systems are named {unique!r}; give their folders different names"
                raise ValueError(msg)
            systems[unique] = {**answers, **deep.get(name, {})}
    return systems, notes


def _hierarchies(
    levels: Mapping[str, Mapping[str, Sequence[Annotation]]],
) -> tuple[dict[str, dict[str, Hierarchy]], list[str]]:
    """Put answers of several levels together: system -> track -> levels, and notes."""
    systems: dict[str, dict[str, Hierarchy]] = {}
    notes = []
    for system, tracks in levels.items():
        for track, given in tracks.items():
            try:
                systems.setdefault(system, {})[track] = _hierarchy(given)
            except ValueError as error:
                notes.append(f"{track}: {system} is scored by its first level only: {error}")
    return systems, notes


def _hierarchy(levels: Sequence[Annotation]) -> Hierarchy:
    """Put levels from coarse to fine; the first given is the default."""
    ordered = evaluation.coarse_to_fine(levels)
    default = next(i for i, each in enumerate(ordered) if each is levels[0])
    return Hierarchy([each.segmentation for each in ordered], default=default)


def _tasks(
    systems: Mapping[str, Answers],
    references: Mapping[str, tuple[Annotation, ...]],
    partners: Mapping[str, str],
) -> tuple[list[_Task], list[str]]:
    """Match estimates with references; every matched estimate id is a track."""
    ids = {id_ for answers in systems.values() for id_ in answers}
    strangers = sorted(set(partners.values()) - references.keys())
    if strangers:
        msg = f"the map names {strangers[0]!r}, but no reference has that id"
        raise ValueError(msg)
    given = {id_: reference for id_, reference in partners.items() if id_ in ids}
    matching = match_ids(ids - given.keys(), references)
    pairs = {**matching.pairs, **given}
    unused = [id_ for id_ in matching.unmatched_references if id_ not in given.values()]
    notes = [
        f"{id_}: several references fit ({', '.join(candidates)}); not scored"
        for id_, candidates in matching.ambiguous.items()
    ]
    for what, names in (
        ("no partner for {} estimate(s)", matching.unmatched_estimates),
        ("no partner for {} reference(s)", unused),
        ("no estimate of {} name(s) in the map", sorted(partners.keys() - ids)),
    ):
        if names:
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            notes.append(f"{what.format(len(names))}: {some}")
    tasks = [
        _Task(
            track,
            reference,
            references[reference],
            {name: answers[track] for name, answers in systems.items() if track in answers},
        )
        for track, reference in sorted(pairs.items())
    ]
    scored = {name for task in tasks for name in task.estimates}
    notes += [f"{name} has no track with a reference" for name in systems if name not in scored]
    return tasks, [*notes, *_duration_notes(tasks)]


def _duration_notes(tasks: Sequence[_Task]) -> Iterator[str]:
    """Name what is of different length: an estimate and its reference, levels of an annotator."""
    matched: dict[str, dict[str, Segmentation]] = {}
    for task in tasks:
        for name, answer in task.estimates.items():
            flat = answer.levels[answer.default] if isinstance(answer, Hierarchy) else answer
            matched.setdefault(name, {})[task.track] = flat
    yield from duration_notes({task.track: task.references for task in tasks}, matched)
    for task in tasks:
        if not any(isinstance(answer, Hierarchy) for answer in task.estimates.values()):
            continue
        ends: dict[str, list[float]] = {}
        for each in task.references:
            ends.setdefault(each.annotator, []).append(each.segmentation.end)
        for annotator, times in ends.items():
            if max(times) - min(times) > _SAME_END:
                yield (
                    f"{task.track}: the levels of annotator {annotator} end at {min(times):.2f} to "
                    f"{max(times):.2f} s; scored as a hierarchy, all last until the latest"
                )


def read_partners(path: Path) -> dict[str, str]:
    """Read which estimate goes with which reference.

    Parameters
    ----------
    path : Path
        CSV with the columns `estimate` and `reference`, ids without extension; further columns
        are ignored.

    Returns
    -------
    partners : dict of str to str
        Estimate id -> reference id.

    Raises
    ------
    ValueError
        When a column or a name is missing, or an estimate has two references; with file and
        line.
    """
    partners: dict[str, str] = {}
    for line, row in _table(path, ("estimate", "reference")):
        estimate, reference = row["estimate"], row["reference"]
        if not (estimate and reference):
            msg = f"{path}, line {line}: expected an estimate and a reference, got {row}"
            raise ValueError(msg)
        if partners.setdefault(estimate, reference) != reference:
            msg = (
                f"{path}, line {line}: {estimate!r} goes with {partners[estimate]!r} already; "
                f"keep one reference"
            )
            raise ValueError(msg)
    return partners


def read_groups(path: Path, column: str) -> dict[str, str]:
    """Read a column of a table of tracks.

    Parameters
    ----------
    path : Path
        CSV with a header; the first column holds the ids of tracks or of their references.
    column : str
        Name of the column: genre, render, annotator, ...

    Returns
    -------
    groups : dict of str to str
        Id -> value, without those whose value is empty.

    Raises
    ------
    ValueError
        When there is no such column, an id has two values, or a value is the name of the group
        of all tracks; with file and line.
    """
    groups: dict[str, str] = {}
    for line, row in _table(path, (column,)):
        id_, value = next(iter(row.values())), row[column]
        if value == ALL_TRACKS:
            msg = f"{path}, line {line}: {value!r} names the group of every track; rename it"
            raise ValueError(msg)
        if value and groups.setdefault(id_, value) != value:
            msg = f"{path}, line {line}: {id_!r} has {column} {groups[id_]!r} already; keep one"
            raise ValueError(msg)
    return groups


def _table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header: line number and fields, without the spaces around them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 ({error}): save it as CSV in UTF-8"
        raise ValueError(msg) from error
    # Ids of files are composed as well: "é" is one character everywhere.
    rows = csv.reader(io.StringIO(unicodedata.normalize("NFC", text), newline=""))
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in columns if name not in header]
    if missing:
        msg = f"{path}, line 1: expected a column {missing[0]!r}, got {', '.join(header)!r}"
        if len(header) == 1 and ";" in header[0]:
            msg += "; separate the columns by commas, not by semicolons"
        raise ValueError(msg)
    for row in rows:
        if not any(field.strip() for field in row):
            continue
        if len(row) != len(header):
            msg = f"{path}, line {rows.line_num}: expected {len(header)} fields, got {len(row)}"
            raise ValueError(msg)
        fields = (field.strip() for field in row)
        yield rows.line_num, dict(zip(header, fields, strict=True))


def _groups_of(
    tracks: Mapping[str, str], groups: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Find the group of every track by its id or its reference's, and note those without."""
    if not groups:
        return {}, []
    alike = match_ids(tracks, groups).pairs
    candidates = {track: (track, id_, alike.get(track, "")) for track, id_ in tracks.items()}
    found = {
        track: next((groups[id_] for id_ in ids if id_ in groups), None)
        for track, ids in candidates.items()
    }
    pairs = {track: group for track, group in found.items() if group is not None}
    without = [track for track in tracks if track not in pairs]
    some = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
    notes = [f"no group for {len(without)} track(s): {some}"] if without else []
    return pairs, notes


def _clear(out: Path, *, keep: Sequence[Path]) -> None:
    """Remove what an earlier evaluation wrote; what it lists as its own, and nothing else.

    References in the folder that were scored against just now (`keep`) stay.
    """
    try:
        with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
            tracks = {row.get("track") or "" for row in csv.DictReader(file)}
    except FileNotFoundError:
        return
    copies = out / "references"
    if not any(path.resolve().is_relative_to(out.resolve()) for path in keep):
        for path in copies.glob("*.jams"):
            if path.stem in tracks:
                path.unlink()
    for name in _SCORE_FILES:
        (out / name).unlink(missing_ok=True)


def _write_scores(out: Path, scores: Sequence[Score], results: Results) -> None:
    shown = [score_tables.summary_markdown(results.summaries)]
    shown += [score_tables.comparison_markdown(results)] if results.comparisons else []
    texts = {
        "scores.csv": score_tables.scores_csv(scores),
        "summary.csv": score_tables.summary_csv(results.summaries),
        "summary.json": score_tables.summary_json(results),
        "summary.md": "\n".join(shown),
        "summary.tex": score_tables.summary_latex(results.summaries),
        "comparisons.csv": score_tables.comparisons_csv(results.comparisons),
    }
    for name, text in texts.items():
        formats.atomic_write(out / name, text.encode("utf-8"))


def _write_references(out: Path, tasks: Sequence[_Task]) -> None:
    """Keep what was scored against beside the run: the report shows it, the page needs no more."""
    folder = out / "references"
    folder.mkdir(exist_ok=True)
    for task in tasks:
        duration = max(each.segmentation.end for each in task.references)
        jams = Jams(annotations=task.references, duration=duration, title=task.track)
        formats.write_jams(folder / f"{task.track}.jams", jams)
