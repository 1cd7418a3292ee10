"""Estimates and references on disk -> a folder with scores, summary and references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scatseg import datasets, evaluation, formats, freshness, runs, score_tables, summaries
from scatseg.evaluation import Answer, Score
from scatseg.formats import Annotation, Jams
from scatseg.formats.text import table_rows
from scatseg.partners import duration_notes, match_ids, match_systems, shared_tracks
from scatseg.runs import Failure, Note
from scatseg.summaries import Results
from scatseg.track_tables import groups_of, read_groups
from scatseg.workers import map_pure
from scatseg.writing import atomic_write

Answers = Mapping[str, Answer]
"""Track -> estimate of one system."""

_Scored = tuple[list[Score], list[Failure]]

Follow = Callable[[Iterable[_Scored], int], Iterable[_Scored]]
"""A function that iterates over the scores of n tracks, such as a progress bar."""

_FEW_TRACKS = 16
"""Fewer are scored in this process: faster than workers start."""

_SCORE_FILES = (
    *("scores.csv", "summary.csv", "summary.json", "summary.md", "summary.tex"),
    *("comparisons.csv", freshness.NOTE),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The results of an evaluation.

    Parameters
    ----------
    results : Results
        Summaries per system, level and metric, and comparisons of systems.
    n_tracks : int
        Number of scored tracks.
    failures : tuple of Failure
        Files and tracks that could not be used.
    notes : tuple of Note
        Unmatched files, repairs and inconsistencies.
    """

    results: Results
    n_tracks: int
    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]


class _Rejected(NamedTuple):
    """Ids of files that cannot be used, which are failures: they are not missing."""

    estimates: frozenset[str]
    references: frozenset[str]


class _Task(NamedTuple):
    """One track: the id of its references, the references, and each system's estimate."""

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
    follow: Follow | None = None,
) -> Outcome:
    """Score estimates against references and write the results to a folder.

    Parameters
    ----------
    estimates : sequence of Path
        Runs, or folders of files in any format; each is a system.
    references : sequence of Path
        Folders of annotations.
    out : Path
        Folder for scores.csv, summary.csv, .json, .md and .tex, comparisons.csv, failures.csv,
        notes.csv and references/. It may be one of the runs.
    partners : mapping of str to str, optional
        Estimate id -> reference id, for ids that do not match by name, see
        `track_tables.read_partners`.
    metadata : Path, optional
        A table of tracks, see `track_tables.read_groups`.
    group_by : str, default ""
        Column of the metadata for additional summaries by group.
    seed : int, default 0
        Seed of the bootstrap.
    n_jobs : int, default 1
        Maximum number of processes, -1 for all cores; few tracks are scored in this one.
    follow : callable, optional
        Called with the iterable over scores and the number of tracks; returns an iterable that
        shows progress, as `tqdm` does.

    Returns
    -------
    outcome : Outcome
        If nothing could be scored, only failures.csv and notes.csv are written. Files of an earlier
        evaluation are removed in any case.

    Raises
    ------
    RunLockedError
        When another process writes to the folder.
    ValueError
        When two folders annotate a track, two systems share their own and their folder's name,
        `partners` names an unknown reference, the metadata cannot be used, the folder has a damaged
        run.json, or the estimates are the references of a run, as if the two were swapped.
    """
    runs.read_run_facts(out)  # fails early if it cannot be extended afterwards
    groups = read_groups(metadata, group_by) if metadata is not None else {}
    annotated = [datasets.read_references(path) for path in references]
    known = _merged(references, annotated)
    # Before they are read: a track that changes meanwhile counts as changed.
    known_tracks = _fingerprints(estimates, out)
    found = [datasets.read_estimates(path) for path in estimates]
    systems = _unique_systems(estimates, found)
    rejected = _Rejected(
        *(
            frozenset(_track_id(problem) for one in some for problem in one.problems)
            for some in (found, annotated)
        )
    )
    tasks, task_notes = _tasks(systems, known, partners or {}, rejected)
    _check_order(estimates, references, tasks)
    groups, group_notes = groups_of({task.track: task.reference for task in tasks}, groups)
    read: list[datasets.References | datasets.Estimates] = [*annotated, *found]
    notes = [*(note for one in read for note in one.notes), *task_notes, *group_notes]
    notes += [
        Note("references", "", runs.shown(path), "no annotation in it")
        for path, one in zip(references, annotated, strict=True)
        if not (one.tracks or one.problems)
    ]
    notes += [
        Note("estimates", "", runs.shown(path), "no segmentation in it")
        for path, one in zip(estimates, found, strict=True)
        if not (one.systems or one.problems)
    ]
    failures = [
        Failure(_track_id(problem), "evaluate", problem.reason)
        for one in read
        for problem in one.problems
    ]
    scores: list[Score] = []
    with runs.locked(out):
        # Both fail here if they are damaged, not after the work.
        listed = [f for f in runs.read_failures(out) if f.stage != "evaluate"]
        scored_before = _scored_before(out)
        n_jobs = 1 if len(tasks) < _FEW_TRACKS else n_jobs
        scored: Iterable[_Scored] = map_pure(_score, tasks, n_jobs=n_jobs)
        for found_scores, refused in follow(scored, len(tasks)) if follow else scored:
            scores += found_scores
            failures += refused
        results = summaries.assess(scores, groups=groups, group_by=group_by, seed=seed)
        _clear(out, scored_before, keep=references)
        if scores:
            _write_scores(out, scores, results, Counter(note.kind for note in notes), known_tracks)
            _write_references(out, tasks)
        runs.write_notes(out, notes)
        runs.write_failures(out, [*listed, *failures])
    return Outcome(
        results=results,
        n_tracks=len({score.track for score in scores}),
        failures=tuple(failures),
        notes=tuple(notes),
    )


def _fingerprints(estimates: Sequence[Path], out: Path) -> dict[str, str]:
    """Return the fingerprints of the tracks in the folder of the scores, if they are scored."""
    run = out.resolve()
    is_own = any(path.resolve().is_relative_to(run) for path in estimates)
    return freshness.fingerprints(out) if is_own else {}


def _check_order(
    estimates: Sequence[Path], references: Sequence[Path], tasks: Sequence[_Task]
) -> None:
    """Refuse estimates that are no run but equal the references that are: those of its own."""
    runs_given = [path for path in references if datasets.is_run(path)]
    if not tasks or not runs_given or any(datasets.is_run(path) for path in estimates):
        return
    if all(
        any(
            evaluation.at_level(answer, each.level) == each.segmentation for each in task.references
        )
        for task in tasks
        for answer in task.estimates.values()
    ):
        msg = (
            f"estimates and references seem to be swapped: {runs_given[0]} is a run, and its "
            f"references are those in {estimates[0]}; give the run first"
        )
        raise ValueError(msg)


def _merged(
    paths: Sequence[Path], annotated: Sequence[datasets.References]
) -> dict[str, tuple[Annotation, ...]]:
    """Merge the references of several folders; each track must be in only one of them."""
    known: dict[str, tuple[Annotation, ...]] = {}
    for path, each in zip(paths, annotated, strict=True):
        twice = known.keys() & each.tracks.keys()
        if twice:
            track = min(twice)
            msg = (
                f"{path} annotates {track!r} again; annotators are told apart within one folder: "
                f"{track}.section1.lab, {track}.section2.lab"
            )
            raise ValueError(msg)
        known |= each.tracks
    return known


def _score(task: _Task) -> _Scored:
    """Score a track; pairs that cannot be compared are failures and do not affect others."""
    refused: list[ValueError] = []
    try:
        scores = evaluation.score_track(
            task.track, task.references, task.estimates, on_refusal=refused.append
        )
    except ValueError as error:
        scores, refused = [], [error]
    answered = any(score.system in task.estimates for score in scores)
    reasons = (str(error).removeprefix(f"{task.track}: ") for error in refused)
    failures = [Failure(task.track, "evaluate", reason) for reason in reasons]
    return scores if answered else [], failures


def _unique_systems(
    paths: Sequence[Path], found: Sequence[datasets.Estimates]
) -> dict[str, Answers]:
    """Prefix systems by their folder if several folders have a system of the same name."""
    names = [name for each in found for name in each.systems]
    systems: dict[str, Answers] = {}
    for path, each in zip(paths, found, strict=True):
        for name, answers in each.systems.items():
            unique = name if names.count(name) == 1 else f"{path.resolve().name}/{name}"
            if unique in systems:
                msg = f"two systems are named {unique!r}; give their folders different names"
                raise ValueError(msg)
            systems[unique] = {**answers, **each.levels.get(name, {})}
    return systems


def _track_id(problem: datasets.Problem) -> str:
    return datasets.parse_name(problem.path).track_id


def _tasks(
    systems: Mapping[str, Answers],
    references: Mapping[str, tuple[Annotation, ...]],
    partners: Mapping[str, str],
    rejected: _Rejected,
) -> tuple[list[_Task], list[Note]]:
    """Match estimates with references, and group the systems' estimates by reference."""
    ids = {id_ for answers in systems.values() for id_ in answers}
    strangers = sorted(set(partners.values()) - references.keys() - rejected.references)
    if strangers:
        msg = f"the map names {strangers[0]!r}, but no reference has that id"
        raise ValueError(msg)
    given = {
        id_: reference
        for id_, reference in partners.items()
        if id_ in ids and reference in references
    }
    matching = match_systems(
        {name: answers.keys() - partners.keys() for name, answers in systems.items()}, references
    )
    pairs = {**matching.pairs, **given}
    unused = [id_ for id_ in matching.unmatched_references if id_ not in given.values()]
    unused = list(match_ids(rejected.estimates, unused).unmatched_references)
    alone = match_ids(matching.unmatched_estimates, rejected.references).unmatched_estimates
    notes = [
        Note("several references", id_, "", f"fits {', '.join(candidates)}; not scored")
        for id_, candidates in matching.ambiguous.items()
    ]
    notes += [Note("no reference", id_, "", _without_reference(id_, references)) for id_ in alone]
    for kind, names, message in (
        ("no estimate", unused, "is a reference without an estimate"),
        ("map", sorted(partners.keys() - ids), "is in the map, but no estimate has that id"),
    ):
        notes += [Note(kind, name, "", message) for name in names]
    tracks = shared_tracks(pairs, systems)
    notes += [
        Note("name", track, "", f"{id_} has the same reference, and is compared as this track")
        for id_, track in sorted(tracks.items())
        if id_ != track
    ]
    by_track: dict[str, dict[str, Answer]] = {track: {} for track in sorted(tracks.values())}
    for name, answers in systems.items():
        for id_, answer in answers.items():
            if id_ in tracks:
                by_track[tracks[id_]][name] = answer
    tasks = [
        _Task(track, pairs[track], references[pairs[track]], estimates)
        for track, estimates in by_track.items()
    ]
    scored = {name for task in tasks for name in task.estimates}
    notes += [
        Note("system", "", "", f"{name} has no track with a reference")
        for name in systems
        if name not in scored
    ]
    for task in tasks:
        notes += duration_notes(task.track, task.references, task.estimates)
    return tasks, notes


def _without_reference(id_: str, references: Collection[str]) -> str:
    """Explain why an estimate has no reference."""
    name = id_.rpartition("__")[2]
    if name == id_ or name not in references:
        return "is an estimate without a reference"
    return (
        f"is one of several estimates named {name!r}, and so is one reference: put references in "
        "folders as the recordings are; if folders of estimates are systems, give them one by one"
    )


def _scored_before(out: Path) -> set[str]:
    """Return the tracks of an earlier evaluation."""
    try:
        rows = [row for _, row in table_rows(out / "scores.csv") if row]
    except FileNotFoundError:
        return set()
    return {track for track, *_ in rows[1:]}


def _clear(out: Path, tracks: Collection[str], *, keep: Sequence[Path]) -> None:
    """Remove the files that an earlier evaluation of these tracks lists as its own.

    References in the folder that were just used (`keep`) stay.
    """
    if not (out / "scores.csv").exists():
        return
    copies = out / "references"
    if not any(path.resolve().is_relative_to(out.resolve()) for path in keep):
        for path in copies.glob("*.jams"):
            if path.stem in tracks:
                path.unlink()
    for name in _SCORE_FILES:
        (out / name).unlink(missing_ok=True)


def _write_scores(
    out: Path,
    scores: Sequence[Score],
    results: Results,
    notes: Mapping[str, int],
    known_tracks: Mapping[str, str],
) -> None:
    scored = {score.track for score in scores}
    estimates = {id_: known for id_, known in known_tracks.items() if id_ in scored}
    shown = [score_tables.summary_markdown(results.summaries)]
    shown += [score_tables.comparison_markdown(results)] if results.comparisons else []
    texts = {
        "scores.csv": score_tables.scores_csv(scores),
        "summary.csv": score_tables.summary_csv(results.summaries),
        "summary.json": score_tables.summary_json(results, notes=notes, estimates=estimates),
        "summary.md": "\n".join(shown),
        "summary.tex": score_tables.summary_latex(results.summaries),
        "comparisons.csv": score_tables.comparisons_csv(results.comparisons),
    }
    for name, text in texts.items():
        atomic_write(out / name, text.encode("utf-8"))


def _write_references(out: Path, tasks: Sequence[_Task]) -> None:
    """Copy the references to the run folder for the report."""
    folder = out / "references"
    folder.mkdir(exist_ok=True)
    for task in tasks:
        duration = max(each.segmentation.end for each in task.references)
        jams = Jams(annotations=task.references, duration=duration, title=task.track)
        formats.write_jams(folder / f"{task.track}.jams", jams)
