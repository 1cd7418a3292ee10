"""Estimates and references on disk -> scores, summary and references in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scatseg import datasets, evaluation, formats, runs
from scatseg.collection import map_pure
from scatseg.evaluation import Score, Summary
from scatseg.formats import Annotation, Jams
from scatseg.runs import Failure
from scatseg.segmentation import Segmentation


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an evaluation found.

    Parameters
    ----------
    summaries : tuple of Summary
        Per system, level and metric.
    n_tracks : int
        Tracks with a score.
    failures : tuple of Failure
        Files and tracks that could not be used.
    notes : tuple of str
        What had no partner, was repaired, or looks odd.
    """

    summaries: tuple[Summary, ...]
    n_tracks: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


class _Task(NamedTuple):
    """One track: its references, and each system's answer."""

    track: str
    references: tuple[Annotation, ...]
    estimates: Mapping[str, Segmentation]


def score_folder(
    estimates: Sequence[Path],
    references: Sequence[Path],
    out: Path,
    *,
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
        Where scores.csv, summary.csv, summary.json, summary.md, failures.csv and references/ go. It
        may be one of the runs.
    n_jobs : int, default 1
        Processes.
    on_track : callable, optional
        Told the id of every track when it is scored.

    Returns
    -------
    outcome : Outcome
        Also when nothing could be scored; then no scores are written.

    Raises
    ------
    RunLockedError
        When another process writes to the folder.
    """
    annotated = [datasets.read_references(path) for path in references]
    known = _merged(references, annotated)
    found = [datasets.read_estimates(path) for path in estimates]
    systems = _unique_systems(estimates, found)
    tasks, notes = _tasks(systems, known)
    problems = [each for one in annotated for each in one.problems]
    problems += [each for one in found for each in one.problems]
    failures = [Failure(problem.path.stem, "evaluate", problem.reason) for problem in problems]
    scores: list[Score] = []
    with runs.locked(out):
        for task, result in zip(tasks, map_pure(_score, tasks, n_jobs=n_jobs), strict=True):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                scores += result
            if on_track:
                on_track(task.track)
        summaries = tuple(evaluation.summarize(scores))
        if scores:
            _write_scores(out, scores, summaries)
            _write_references(out, tasks)
        listed = [f for f in runs.read_failures(out) if f.stage != "evaluate"]
        runs.write_failures(out, [*listed, *failures])
    read_notes = [note for one in annotated for note in one.notes]
    read_notes += [note for one in found for note in one.notes]
    return Outcome(
        summaries=summaries,
        n_tracks=len({score.track for score in scores}),
        failures=tuple(failures),
        notes=(*read_notes, *notes),
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


def _score(task: _Task) -> list[Score] | Failure:
    try:
        return evaluation.score_track(task.track, task.references, task.estimates)
    except ValueError as error:
        return Failure(task.track, "evaluate", str(error))


def _unique_systems(
    paths: Sequence[Path], found: Sequence[datasets.Estimates]
) -> dict[str, Mapping[str, Segmentation]]:
    """Name systems by their folder where two folders have a system of one name."""
    names = [name for each in found for name in each.systems]
    systems: dict[str, Mapping[str, Segmentation]] = {}
    for path, each in zip(paths, found, strict=True):
        for name, answers in each.systems.items():
            unique = name if names.count(name) == 1 else f"{path.resolve().name}/{name}"
            if unique in systems:
                msg = f"two systems are named {unique!r}; give their folders different names"
                raise ValueError(msg)
            systems[unique] = answers
    return systems


def _tasks(
    systems: Mapping[str, Mapping[str, Segmentation]],
    references: Mapping[str, tuple[Annotation, ...]],
) -> tuple[list[_Task], list[str]]:
    """Match estimates with references; every matched estimate id is a track."""
    notes = []
    ids = {id_ for answers in systems.values() for id_ in answers}
    matching = datasets.match_ids(ids, references)
    for id_, candidates in matching.ambiguous.items():
        notes.append(f"{id_}: several references fit ({', '.join(candidates)}); not scored")
    for what, names in (
        ("estimate", matching.unmatched_estimates),
        ("reference", matching.unmatched_references),
    ):
        if names:
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            notes.append(f"no partner for {len(names)} {what}(s): {some}")
    tasks = [
        _Task(
            track,
            references[reference],
            {name: answers[track] for name, answers in systems.items() if track in answers},
        )
        for track, reference in sorted(matching.pairs.items())
    ]
    scored = {name for task in tasks for name in task.estimates}
    notes += [f"{name} has no track with a reference" for name in systems if name not in scored]
    by_track = {task.track: task.references for task in tasks}
    matched = {
        name: {id_: answer for id_, answer in answers.items() if id_ in by_track}
        for name, answers in systems.items()
    }
    return tasks, [*notes, *datasets.duration_notes(by_track, matched)]


def _write_scores(out: Path, scores: Sequence[Score], summaries: Sequence[Summary]) -> None:
    texts = {
        "scores.csv": evaluation.scores_csv(scores),
        "summary.csv": evaluation.summary_csv(summaries),
        "summary.json": evaluation.summary_json(summaries),
        "summary.md": evaluation.summary_markdown(summaries),
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
