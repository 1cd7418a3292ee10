"""References and estimates -> scores, as mir_eval defines them, for one track or many."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import mir_eval
import numpy as np
from numpy.typing import NDArray

from scatseg.agreement import label_scores
from scatseg.formats import Annotation
from scatseg.segmentation import Segmentation, letter_labels

NO_BOUNDARY = "baseline:none"
"""The system that hears one section, see `no_boundary`."""

EVENLY_SPACED = "baseline:even"
"""The system that cuts at equal distances, see `evenly_spaced`."""

CEILING = "human ceiling"
"""The system that is another annotator of the same track and level."""

REFERENCE_SEGMENTS = "Reference segments"
ESTIMATED_SEGMENTS = "Estimated segments"

TABLE_METRICS = (
    "F-measure@0.5",
    "F-measure@3.0",
    "Pairwise F-measure",
    "NCE F-measure",
    "V-measure",
    ESTIMATED_SEGMENTS,
)
"""What a reader looks for first: the columns of `summary_markdown`."""

_WINDOWS = (0.5, 3.0)


class Score(NamedTuple):
    """One number of `evaluate`, and what it belongs to.

    Parameters
    ----------
    track : str
        Which recording.
    annotator, level : str
        Which reference of that recording.
    system : str
        Whose estimate.
    metric : str
        A key of `evaluate`.
    value : float
        NaN where the metric is not defined.
    """

    track: str
    annotator: str
    level: str
    system: str
    metric: str
    value: float


class Summary(NamedTuple):
    """One metric of one system, over tracks.

    Parameters
    ----------
    system : str
        Whose estimates.
    annotator : str
        Whose references; "" for each track's mean over its annotators.
    level : str
        Level of the references.
    metric : str
        A key of `evaluate`.
    n : int
        Tracks with a finite value: those that the other fields describe.
    mean, std, median, q25, q75 : float
        Over these tracks. The standard deviation is the sample's (n - 1 in the
        denominator); the quartiles are interpolated. NaN where n is too small.
    """

    system: str
    annotator: str
    level: str
    metric: str
    n: int
    mean: float
    std: float
    median: float
    q25: float
    q75: float


def evaluate(reference: Segmentation, estimate: Segmentation) -> dict[str, float]:
    """Score an estimate against a reference with every metric of `mir_eval.segment`.

    Both are first made to span the same time, as `mir_eval.segment.evaluate` does it: the
    reference is extended to 0 s, the estimate cropped or extended to the span of the
    reference, and what is added is a segment with a label of its own.

    Parameters
    ----------
    reference : Segmentation
        The annotation.
    estimate : Segmentation
        What is to be judged.

    Returns
    -------
    scores : dict of str to float
        Named as by mir_eval. Boundary metrics (`Precision`, `Recall` and `F-measure` at 0.5
        and 3.0 s, both deviations in seconds) leave out the first and the last boundary;
        with " (untrimmed)" after the name they count them. `Reference segments` and
        `Estimated segments` count the segments of both as given.

    Raises
    ------
    TypeError
        When either is not a Segmentation.
    ValueError
        When the estimate starts after the reference ends.

    Notes
    -----
    mir_eval computes boundary scores; label scores are computed from contingency tables
    (`scatseg.agreement`) and equal mir_eval's. These of its choices deserve to be known:

    - Without an inner boundary on either side, the trimmed precision, recall and F-measure
      are 0 and the deviations are NaN.
    - Labels are compared without regard to case: "a" and "A" are one section.
    - Label metrics sample both sides every 0.1 s. NCE and V are 0 when a side has one label
      only, even for a perfect estimate. The pairwise scores are NaN when no two samples
      share a label, pairwise and Rand index on tracks under 0.2 s.

    Examples
    --------
    >>> form = Segmentation([0, 10, 25, 40], ["A", "B", "A"])
    >>> scores = evaluate(form, Segmentation([0, 10.2, 40], ["x", "y"]))
    >>> scores["Precision@0.5"], scores["Recall@0.5"]
    (1.0, 0.5)
    """
    for side, value in (("reference", reference), ("estimate", estimate)):
        if not isinstance(value, Segmentation):
            msg = f"{side} must be one Segmentation, got {type(value).__name__}"
            raise TypeError(msg)
    sides = _aligned(reference, estimate)
    intervals = [side.intervals for side in sides]
    return {
        **_boundary_scores(*intervals, trim=True),
        **_boundary_scores(*intervals, trim=False),
        **label_scores(*sides),
        REFERENCE_SEGMENTS: float(len(reference)),
        ESTIMATED_SEGMENTS: float(len(estimate)),
    }


def _aligned(reference: Segmentation, estimate: Segmentation) -> tuple[Segmentation, Segmentation]:
    """Give both sides the span from 0 to the reference's end, as mir_eval does it."""
    if estimate.start >= reference.end:
        msg = (
            f"the estimate must overlap the reference, but it starts at {estimate.start:g} s and "
            f"the reference ends at {reference.end:g} s: are they of the same recording?"
        )
        raise ValueError(msg)
    # mir_eval would keep a segment that starts exactly at the end, with no length, and refuse it.
    kept = sum(start < reference.end for start, _, _ in estimate)
    extended = mir_eval.util.adjust_intervals(
        reference.intervals, list(reference.labels), t_min=0.0
    )
    cropped = mir_eval.util.adjust_intervals(
        estimate.intervals[:kept], list(estimate.labels[:kept]), t_min=0.0, t_max=reference.end
    )
    return Segmentation.from_intervals(*extended), Segmentation.from_intervals(*cropped)


def _boundary_scores(
    ref_intervals: NDArray[np.float64], est_intervals: NDArray[np.float64], *, trim: bool
) -> dict[str, float]:
    """Count hits and measure distances, with or without the first and last boundary."""
    suffix = "" if trim else " (untrimmed)"
    # Where trimming leaves nothing, mir_eval gives these same values with a warning.
    nothing_left = trim and min(len(ref_intervals), len(est_intervals)) < 2
    hits, distances = (0.0, 0.0, 0.0), (math.nan, math.nan)
    scores: dict[str, float] = {}
    for window in _WINDOWS:
        if not nothing_left:
            hits = mir_eval.segment.detection(
                ref_intervals, est_intervals, window=window, trim=trim
            )
        names = (f"{name}@{window}{suffix}" for name in ("Precision", "Recall", "F-measure"))
        scores.update(zip(names, map(float, hits), strict=True))
    if not nothing_left:
        distances = mir_eval.segment.deviation(ref_intervals, est_intervals, trim=trim)
    names = (f"{name} deviation{suffix}" for name in ("Ref-to-est", "Est-to-ref"))
    scores.update(zip(names, map(float, distances), strict=True))
    return scores


def no_boundary(reference: Segmentation) -> Segmentation:
    """Guess that nothing ever changes: what a score is worth that costs nothing.

    Examples
    --------
    >>> no_boundary(Segmentation([0, 10, 25], ["A", "B"]))
    Segmentation(boundaries=(0.0, 25.0), labels=('A',))
    """
    return Segmentation([0.0, reference.end], ["A"])


def evenly_spaced(reference: Segmentation) -> Segmentation:
    """Cut from 0 to the reference's end into equal parts, as long as its mean segment.

    Every part has a label of its own.

    Examples
    --------
    >>> evenly_spaced(Segmentation([0, 10, 40], ["A", "B"]))
    Segmentation(boundaries=(0.0, 20.0, 40.0), labels=('A', 'B'))
    """
    mean_length = (reference.end - reference.start) / len(reference)
    n_segments = max(1, round(reference.end / mean_length))
    times = np.linspace(0.0, reference.end, n_segments + 1)
    return Segmentation(times, letter_labels(range(n_segments)))


def score_track(
    track_id: str,
    references: Sequence[Annotation],
    estimates: Mapping[str, Segmentation],
    *,
    baselines: bool = True,
) -> list[Score]:
    """Score every system on one track against every annotation of it.

    Parameters
    ----------
    track_id : str
        Name of the track, for the scores.
    references : sequence of Annotation
        One per annotator and level.
    estimates : mapping of str to Segmentation
        System name -> its answer.
    baselines : bool, default True
        Also score `no_boundary`, `evenly_spaced` and, where a level has several annotators,
        the `human ceiling`: the mean over the other annotators, each taken as an estimate.

    Returns
    -------
    scores : list of Score
        By reference, then system, then metric, in the order given; baselines last.

    Raises
    ------
    ValueError
        When two references share annotator and level, a system has the name of a baseline,
        or a pair cannot be compared.
    """
    keys = [(reference.annotator, reference.level) for reference in references]
    if len(set(keys)) < len(keys):
        annotator, level = next(key for key in keys if keys.count(key) > 1)
        msg = f"{track_id}: two references by annotator {annotator!r} at level {level!r}; keep one"
        raise ValueError(msg)
    taken = [name for name in (NO_BOUNDARY, EVENLY_SPACED, CEILING) if name in estimates]
    if baselines and taken:
        msg = (
            f"{track_id}: {taken[0]!r} names a baseline; rename that system or set baselines=False"
        )
        raise ValueError(msg)

    scores = []
    for reference in references:
        answers = {system: [estimate] for system, estimate in estimates.items()}
        if baselines:
            answers |= _baseline_answers(reference, references)
        for system, segmentations in answers.items():
            try:
                results = [evaluate(reference.segmentation, each) for each in segmentations]
            except ValueError as error:
                who = f"annotator {reference.annotator!r}, level {reference.level!r}"
                msg = f"{track_id}: {system} against {who}: {error}"
                raise ValueError(msg) from error
            scores += [
                Score(track_id, reference.annotator, reference.level, system, metric, value)
                for metric, value in _mean_scores(results).items()
            ]
    return scores


def _baseline_answers(
    reference: Annotation, references: Sequence[Annotation]
) -> dict[str, list[Segmentation]]:
    """Answers that know the reference, and the other annotators' at its level."""
    answers = {
        NO_BOUNDARY: [no_boundary(reference.segmentation)],
        EVENLY_SPACED: [evenly_spaced(reference.segmentation)],
    }
    others = [
        other.segmentation
        for other in references
        if other.level == reference.level and other.annotator != reference.annotator
    ]
    return answers | ({CEILING: others} if others else {})


def _mean_scores(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {metric: _mean([result[metric] for result in results]) for metric in results[0]}


def _mean(values: Iterable[float]) -> float:
    """Average what is finite; NaN when nothing is."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def score_collection(
    references: Mapping[str, Sequence[Annotation]],
    estimates: Mapping[str, Mapping[str, Segmentation]],
    *,
    baselines: bool = True,
) -> list[Score]:
    """Score systems on many tracks.

    Parameters
    ----------
    references : mapping of str to sequence of Annotation
        Track -> its annotations.
    estimates : mapping of str to mapping
        System -> track -> its answer. Tracks go by the names they have in `references`
        (see `scatseg.datasets.match_ids`); a system may lack some.
    baselines : bool, default True
        Score the baselines and the human ceiling as well, see `score_track`.

    Returns
    -------
    scores : list of Score
        In the order of `references`, without the tracks that no system answers. Where there
        is no system at all, the baselines of every track.

    Raises
    ------
    ValueError
        When an estimate has no reference, or as in `score_track`.
    """
    for system, answers in estimates.items():
        strangers = [track for track in answers if track not in references]
        if strangers:
            msg = (
                f"every estimate needs a reference, but {system} has {len(strangers)} without, "
                f"such as {strangers[0]!r}; match or leave them out (datasets.match_ids)"
            )
            raise ValueError(msg)
    scores = []
    for track, annotated in references.items():
        here = {system: answers[track] for system, answers in estimates.items() if track in answers}
        if here or not estimates:
            scores += score_track(track, annotated, here, baselines=baselines)
    return scores


def summarize(scores: Iterable[Score]) -> list[Summary]:
    """Average over annotators, then describe the spread over tracks.

    Parameters
    ----------
    scores : iterable of Score
        Of one or many tracks.

    Returns
    -------
    summaries : list of Summary
        Per system and level: each metric over all annotators (`annotator` is ""), then, where
        there are several, over each annotator by itself. Systems and levels in the order of
        the scores, baselines and ceiling last.
    """
    # (system, level) -> metric -> track -> annotator -> value
    table: dict[tuple[str, str], dict[str, dict[str, dict[str, float]]]] = {}
    for score in scores:
        metrics = table.setdefault((score.system, score.level), {})
        tracks = metrics.setdefault(score.metric, {})
        tracks.setdefault(score.track, {})[score.annotator] = score.value

    summaries = []
    for system, level in sorted(table, key=lambda key: _rank(key[0])):
        metrics = table[system, level]
        summaries += [
            _describe(system, "", level, metric, [_mean(by.values()) for by in tracks.values()])
            for metric, tracks in metrics.items()
        ]
        annotators = dict.fromkeys(
            name for tracks in metrics.values() for by in tracks.values() for name in by
        )
        if len(annotators) > 1:
            summaries += [
                _describe(
                    system, name, level, metric, [by[name] for by in tracks.values() if name in by]
                )
                for name in annotators
                for metric, tracks in metrics.items()
            ]
    return summaries


def _rank(system: str) -> int:
    """Sort systems before baselines, and the ceiling last."""
    return 2 if system == CEILING else int(system.startswith("baseline:"))


def _describe(
    system: str, annotator: str, level: str, metric: str, values: Sequence[float]
) -> Summary:
    finite = [value for value in values if math.isfinite(value)]
    q25, median, q75 = np.quantile(finite, [0.25, 0.5, 0.75]) if finite else [math.nan] * 3
    std = float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan
    return Summary(
        system,
        annotator,
        level,
        metric,
        n=len(finite),
        mean=_mean(finite),
        std=std,
        median=float(median),
        q25=float(q25),
        q75=float(q75),
    )


def scores_csv(scores: Iterable[Score]) -> str:
    """Write scores as CSV, numbers in full precision, "nan" where there is none.

    Examples
    --------
    >>> print(scores_csv([Score("song", "1", "section", "foote", "F-measure@0.5", 0.5)]))
    track,annotator,level,system,metric,value
    song,1,section,foote,F-measure@0.5,0.5
    """
    return _csv_text(Score._fields, scores)


def summary_csv(summaries: Iterable[Summary]) -> str:
    """Write summaries as CSV, numbers in full precision, "nan" where there is none."""
    return _csv_text(Summary._fields, summaries)


def _csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")  # writes floats by their repr
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def read_scores(path: str | Path) -> list[Score]:
    """Read back what `scores_csv` wrote.

    Raises
    ------
    ValueError
        When the header or a line is another; the message names file and line.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if tuple(header) != Score._fields:
            msg = f"{path}, line 1: expected {','.join(Score._fields)}, got {','.join(header)!r}"
            raise ValueError(msg)
        scores = []
        for row in rows:
            try:
                track, annotator, level, system, metric, value = row
                scores.append(Score(track, annotator, level, system, metric, float(value)))
            except ValueError as error:
                msg = f"{path}, line {rows.line_num}: expected five names and a number, got {row}"
                raise ValueError(msg) from error
    return scores


def summary_json(summaries: Iterable[Summary]) -> str:
    """Write summaries as JSON, null where there is no number.

    Returns
    -------
    text : str
        `rows` holds one object per summary, with the names of its fields; `baselines` the
        systems among them that are there for comparison.
    """
    rows = [summary._asdict() for summary in summaries]
    systems = dict.fromkeys(str(row["system"]) for row in rows)
    plain = [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    baselines = [system for system in systems if _rank(system)]
    return json.dumps({"rows": plain, "baselines": baselines}, indent=1, allow_nan=False) + "\n"


def summary_markdown(summaries: Iterable[Summary]) -> str:
    """Show the mean scores of all systems in one table per level.

    Returns
    -------
    text : str
        Markdown that is as readable on a terminal: columns line up. Baselines and the human
        ceiling come last.
    """
    means = [summary for summary in summaries if not summary.annotator]
    levels = dict.fromkeys(summary.level for summary in means)
    return "\n".join(
        _level_table(level, [row for row in means if row.level == level]) for level in levels
    )


def _level_table(level: str, summaries: Sequence[Summary]) -> str:
    by_system: dict[str, dict[str, Summary]] = {}
    for summary in summaries:
        by_system.setdefault(summary.system, {})[summary.metric] = summary
    rows = [["system", "tracks", *TABLE_METRICS[:-1], "segments"]]
    for system, metrics in by_system.items():
        n_tracks = max(summary.n for summary in metrics.values())
        means = [metrics[name].mean if name in metrics else math.nan for name in TABLE_METRICS]
        cells = [*(_cell(mean, 3) for mean in means[:-1]), _cell(means[-1], 1)]
        rows.append([system.replace("|", r"\|"), str(n_tracks), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    title = f"Level {level}, means over tracks" if level else "Means over tracks"
    n_segments = [row.mean for row in summaries if row.metric == REFERENCE_SEGMENTS]
    if n_segments:
        title += f"; the references have {n_segments[0]:.1f} segments"
    return "\n".join([f"{title}:", "", *(_padded(row, widths) for row in rows), ""])


def _cell(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return f"| {' | '.join([first.ljust(widths[0]), *padded])} |"
