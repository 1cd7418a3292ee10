"""References and estimates -> mir_eval's scores, for one track or many."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import mir_eval
import numpy as np
from numpy.typing import NDArray

from scatseg.agreement import hierarchy_scores, label_scores
from scatseg.baselines import BASELINES, baseline, hierarchical_baseline
from scatseg.formats import Annotation
from scatseg.segmentation import Hierarchy, Segmentation

CEILING = "human ceiling"
"""Name of the system formed by the other annotators of a track and level."""

HIERARCHY = "hierarchy"
"""Level of hierarchical scores, see `evaluate_hierarchy`."""

REFERENCE_SEGMENTS = "Reference segments"
ESTIMATED_SEGMENTS = "Estimated segments"

WINDOWS = (0.5, 3.0)
"""Hit windows of boundaries in seconds, as in the literature."""


_COARSE = ("coarse", "section", "upper", "uppercase")
_FINE = ("fine", "lower", "lowercase", "pattern", "phrase")
_DEPTHS = {**dict.fromkeys(_COARSE, 0), **dict.fromkeys(_FINE, 1)}

Answer = Segmentation | Hierarchy | Sequence[Annotation]
"""A system's estimate of a track: one level, a hierarchy, or separate annotations."""

_Form = TypeVar("_Form", Segmentation, Hierarchy)


class Score(NamedTuple):
    """One score of a system on a track.

    Parameters
    ----------
    track : str
        The track.
    annotator, level : str
        Annotator and level of the reference. The level is `HIERARCHY` for hierarchical scores.
    system : str
        System of the estimate.
    metric : str
        A key of `evaluate` or `evaluate_hierarchy`.
    value : float
        NaN where the metric is not defined.
    """

    track: str
    annotator: str
    level: str
    system: str
    metric: str
    value: float


def evaluate(
    reference: Segmentation, estimate: Segmentation, *, windows: Iterable[float] = WINDOWS
) -> dict[str, float]:
    """Score an estimate against a reference with every metric of `mir_eval.segment`.

    Both are first adjusted to the same span as in `mir_eval.segment.evaluate`: the reference is
    extended to 0 s, the estimate cropped or extended to the span of the reference. Added segments
    have their own labels.

    Parameters
    ----------
    reference : Segmentation
        The annotation.
    estimate : Segmentation
        The estimate.
    windows : iterable of float, default (0.5, 3.0)
        Hit windows of boundaries in seconds; positive.

    Returns
    -------
    scores : dict of str to float
        mir_eval's names. Boundary metrics (`Precision`, `Recall` and `F-measure` at each window, as
        in "F-measure@0.5", and both deviations in seconds) are trimmed (without the first and last
        boundary) unless the name ends in " (untrimmed)". `Reference segments` and `Estimated
        segments` are the numbers of segments before adjustment.

    Raises
    ------
    TypeError
        When either is not a Segmentation (for several levels, see `evaluate_hierarchy`).
    ValueError
        When the estimate starts after the reference ends, or a window is not positive.

    Notes
    -----
    Boundary scores are computed by mir_eval, label scores from contingency tables
    (`scatseg.agreement`) with equal results. Note that in mir_eval:

    - If either side has no inner boundary, trimmed precision, recall and F-measure are 0 and
      deviations NaN.
    - An estimate that ends before the reference, if only by a millisecond, is extended by a segment
      whose start counts as an estimated boundary. Let it end at or after the end of the reference.
    - Labels are case-insensitive: "a" and "A" are equal.
    - Label metrics sample both sides every 0.1 s. NCE and V are 0 if a side has a single label,
      even for a perfect estimate. Pairwise scores are NaN if no two samples share a label, pairwise
      scores and Rand index on tracks under 0.2 s.

    Examples
    --------
    >>> form = Segmentation([0, 10, 25, 40], ["A", "B", "A"])
    >>> scores = evaluate(form, Segmentation([0, 10.2, 40], ["x", "y"]))
    >>> scores["Precision@0.5"], scores["Recall@0.5"]
    (1.0, 0.5)
    """
    for side, value in (("reference", reference), ("estimate", estimate)):
        if not isinstance(value, Segmentation):
            msg = f"{side} must be one Segmentation, got {type(value).__name__}{_remedy(value)}"
            raise TypeError(msg)
    if not isinstance(windows, Iterable) or isinstance(windows, str):
        msg = f"windows are several, in seconds, got {windows!r}: write [{windows!r}] for one"
        raise TypeError(msg)
    windows = tuple(windows)
    wrong = [window for window in windows if not (window > 0 and math.isfinite(window))]
    if wrong:
        msg = f"windows are positive seconds, got {wrong[0]}"
        raise ValueError(msg)
    sides = _aligned(reference, estimate)
    intervals = sides[0].intervals, sides[1].intervals
    return {
        **_boundary_scores(*intervals, windows, trim=True),
        **_boundary_scores(*intervals, windows, trim=False),
        **label_scores(*sides),
        REFERENCE_SEGMENTS: float(len(reference)),
        ESTIMATED_SEGMENTS: float(len(estimate)),
    }


def _remedy(value: object) -> str:
    """Suggest how to get a segmentation from what was given; "" if unknown."""
    if isinstance(value, str | os.PathLike):
        return ": scatseg.read(path)[0].segmentation is that of a file"
    if isinstance(value, Hierarchy):
        return ": choose one of its levels; evaluate_hierarchy compares all"
    if isinstance(value, Annotation):
        return ": take its segmentation"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Annotation):
        return " of Annotations: take the segmentation of one"
    return ""


def _aligned(reference: Segmentation, estimate: Segmentation) -> tuple[Segmentation, Segmentation]:
    """Adjust both sides to the span from 0 to the reference's end, as mir_eval does."""
    if estimate.start >= reference.end:
        msg = (
            f"the estimate must overlap the reference, but it starts at {estimate.start:g} s and "
            f"the reference ends at {reference.end:g} s: are they of the same recording?"
        )
        raise ValueError(msg)
    return _spanning(reference, reference.end), _spanning(estimate, reference.end)


def _spanning(segmentation: Segmentation, end: float) -> Segmentation:
    """Crop or extend to the span from 0 to `end`, which must be after the start."""
    # mir_eval would keep a zero-length segment that starts at the end, and then reject it.
    kept = sum(start < end for start, _, _ in segmentation)
    intervals, labels = mir_eval.util.adjust_intervals(
        segmentation.intervals[:kept], list(segmentation.labels[:kept]), t_min=0.0, t_max=end
    )
    return Segmentation.from_intervals(intervals, labels)


def _boundary_scores(
    ref_intervals: NDArray[np.float64],
    est_intervals: NDArray[np.float64],
    windows: Sequence[float],
    *,
    trim: bool,
) -> dict[str, float]:
    """Compute boundary detection and deviation, with or without the first and last boundary."""
    suffix = "" if trim else " (untrimmed)"
    # If trimming leaves no boundary, mir_eval returns the same values with a warning.
    nothing_left = trim and min(len(ref_intervals), len(est_intervals)) < 2
    hits, distances = (0.0, 0.0, 0.0), (math.nan, math.nan)
    scores: dict[str, float] = {}
    for window in windows:
        if not nothing_left:
            hits = mir_eval.segment.detection(
                ref_intervals, est_intervals, window=window, trim=trim
            )
        names = (f"{name}@{float(window)}{suffix}" for name in ("Precision", "Recall", "F-measure"))
        scores.update(zip(names, map(float, hits), strict=True))
    if not nothing_left:
        distances = mir_eval.segment.deviation(ref_intervals, est_intervals, trim=trim)
    names = (f"{name} deviation{suffix}" for name in ("Ref-to-est", "Est-to-ref"))
    scores.update(zip(names, map(float, distances), strict=True))
    return scores


def evaluate_hierarchy(reference: Hierarchy, estimate: Hierarchy) -> dict[str, float]:
    """Score a hierarchical estimate against a hierarchical reference, as `mir_eval.hierarchy`.

    Every level is first adjusted to the span from 0 to the end of the reference, see `evaluate`.

    Parameters
    ----------
    reference : Hierarchy
        The annotation.
    estimate : Hierarchy
        The estimate; it may have a different number of levels.

    Returns
    -------
    scores : dict of str to float
        mir_eval's names: precision, recall and measure of T (segments; "reduced" and "full") and L
        (labels), in [0, 1].

    Raises
    ------
    TypeError
        When either is not a Hierarchy.
    ValueError
        When the estimate starts after the reference ends.

    Notes
    -----
    Frames are 0.1 s long. T-measures compare frames up to 15 s apart, L-measures all frames. If all
    pairs of frames are equally close, as in a reference whose levels have one segment each, the
    scores are 0. Boundaries need not be nested.

    Examples
    --------
    >>> coarse = Segmentation([0, 30, 60], ["A", "B"])
    >>> fine = Segmentation([0, 15, 30, 45, 60], ["a", "b", "a", "c"])
    >>> scores = evaluate_hierarchy(Hierarchy([coarse, fine]), Hierarchy([coarse, coarse]))
    >>> round(scores["T-Recall full"], 3), round(scores["L-Recall"], 3)
    (0.286, 0.601)
    """
    for side, value in (("reference", reference), ("estimate", estimate)):
        if not isinstance(value, Hierarchy):
            msg = f"{side} must be a Hierarchy, got {type(value).__name__}"
            raise TypeError(msg)
    aligned = [_aligned(reference.levels[0], level)[1] for level in estimate]
    return hierarchy_scores(
        [_spanning(level, reference.levels[0].end) for level in reference], aligned
    )


def coarse_to_fine(levels: Sequence[Annotation]) -> list[Annotation]:
    """Sort levels of one recording from coarse to fine.

    Parameters
    ----------
    levels : sequence of Annotation
        Levels of one annotator or system.

    Returns
    -------
    ordered : list of Annotation
        By name if all are known ("upper", "coarse" and "section" before "lower", "fine", "phrase"
        and "pattern"), then by the number of segments, fewest first.
    """
    depths = [_DEPTHS.get(each.level.partition("-")[0]) for each in levels]
    if None in depths:
        return sorted(levels, key=lambda each: len(each.segmentation))
    return sorted(
        levels, key=lambda each: (_DEPTHS[each.level.partition("-")[0]], len(each.segmentation))
    )


def hierarchy_of(levels: Sequence[Annotation]) -> Hierarchy | None:
    """Combine the levels of one annotator or system into a hierarchy.

    Parameters
    ----------
    levels : sequence of Annotation
        Levels of one recording. Function labels ("verse", "solo"), which name the sections of
        another level, and second annotations ("upper-b" beside "upper") are left out.

    Returns
    -------
    hierarchy : Hierarchy or None
        In the order of `coarse_to_fine`, each extended to span 0 to the latest end; None if fewer
        than two levels are left.
    """
    names = {each.level for each in levels}
    # "upper-b" is a second annotation of "upper", not a level between "upper" and "lower".
    kept = [
        each
        for each in levels
        if not each.level.startswith("function")
        and (each.level[-2:-1] != "-" or each.level[:-2] not in names)
    ]
    if len(kept) < 2:
        return None
    ordered = coarse_to_fine(kept)
    end = max(each.segmentation.end for each in ordered)
    spans = [_spanning(each.segmentation, end) for each in ordered]
    found = [each.level for each in ordered]
    return Hierarchy(spans, found if len(set(found)) == len(found) else None)


def reference_hierarchies(references: Sequence[Annotation]) -> dict[str, Hierarchy]:
    """Combine the levels of each annotator into a hierarchy, see `hierarchy_of`.

    Parameters
    ----------
    references : sequence of Annotation
        Annotations of one track.

    Returns
    -------
    hierarchies : dict from str to Hierarchy
        By annotator, if there are at least two levels.
    """
    levels: dict[str, list[Annotation]] = {}
    for each in references:
        levels.setdefault(each.annotator, []).append(each)
    found = {annotator: hierarchy_of(given) for annotator, given in levels.items()}
    return {annotator: each for annotator, each in found.items() if each is not None}


def score_track(
    track_id: str,
    references: Sequence[Annotation],
    estimates: Mapping[str, Answer],
    *,
    baselines: bool = True,
    on_refusal: Callable[[ValueError], object] | None = None,
) -> list[Score]:
    """Score every system on one track against every annotation of it.

    Parameters
    ----------
    track_id : str
        Name of the track, also used as the seed of the random baseline.
    references : sequence of Annotation
        One per annotator and level.
    estimates : mapping of str to Segmentation, Hierarchy or sequence of Annotation
        System name -> its estimate. A reference is compared with the level of the same name
        (numbers are not names), else with the default level (the first of a sequence). If both
        sides have several levels (`reference_hierarchies`), they are also compared as hierarchies
        (`evaluate_hierarchy`, `hierarchy_of`), at the level `HIERARCHY`.
    baselines : bool, default True
        Also score `no_boundary`, `evenly_spaced`, `random_boundaries` and, if a level has several
        annotators, the `human ceiling`: the mean over the other annotators, each taken as an
        estimate.
    on_refusal : callable, optional
        Called with the error of each pair that cannot be compared, which names system, annotator
        and level; other pairs are scored. Without it, the first error is raised.

    Returns
    -------
    scores : list of Score
        By reference, then system, then metric, in the order given; baselines last. Scores do not
        depend on other annotators and systems, except for the ceiling.

    Raises
    ------
    TypeError
        When a reference is not an Annotation, or an estimate has another type.
    ValueError
        When two references share annotator and level, a level is named like `HIERARCHY`, a system
        has the name of a baseline or an empty sequence as its estimate, or a pair cannot be
        compared and there is no `on_refusal`.
    """
    _check_types(track_id, references, estimates)
    _check_names(track_id, references, estimates, baselines=baselines)
    silent = [system for system, answer in estimates.items() if not len(answer)]
    if silent:
        msg = f"{track_id}: {silent[0]!r} answers with no level at all; leave it out of this track"
        raise ValueError(msg)
    refuse = on_refusal or _raise
    known = {(each.annotator, each.level): each.segmentation for each in references}
    flat = {
        system: {level: at_level(answer, level) for _, level in known}
        for system, answer in estimates.items()
    }
    scores = _score_pairs(track_id, known, flat, evaluate, baseline, refuse, baselines=baselines)
    whole = {system: _all_levels(answer) for system, answer in estimates.items()}
    deep = {system: {HIERARCHY: answer} for system, answer in whole.items() if answer}
    if deep or not estimates:
        levels = {
            (annotator, HIERARCHY): levels
            for annotator, levels in reference_hierarchies(references).items()
        }
        scores += _score_pairs(
            track_id,
            levels,
            deep,
            evaluate_hierarchy,
            hierarchical_baseline,
            refuse,
            baselines=baselines,
        )
    return scores


def at_level(answer: Answer, level: str) -> Segmentation:
    """Select the level of an estimate to compare with a reference level, see `score_track`."""
    if isinstance(answer, Segmentation):
        return answer
    if isinstance(answer, Hierarchy):
        default = answer.levels[answer.default]
        named = dict(zip(answer.names, answer.levels, strict=True))
    else:
        default = answer[0].segmentation
        named = {each.level: each.segmentation for each in answer}
    return default if level.isdecimal() else named.get(level, default)


def _all_levels(answer: Answer) -> Hierarchy | None:
    if isinstance(answer, Segmentation):
        return None
    if isinstance(answer, Hierarchy):
        return answer if len(answer) > 1 else None
    return hierarchy_of(answer)


def _check_types(
    track_id: str, references: Sequence[Annotation], estimates: Mapping[str, Answer]
) -> None:
    if isinstance(references, Annotation | Segmentation) or not all(
        isinstance(each, Annotation) for each in references
    ):
        msg = f"{track_id}: references must be several Annotations, such as [Annotation(...)]"
        raise TypeError(msg)
    for system, answer in estimates.items():
        if isinstance(answer, Segmentation | Hierarchy) or (
            isinstance(answer, Sequence) and all(isinstance(each, Annotation) for each in answer)
        ):
            continue
        msg = (
            f"{track_id}: the estimate of {system!r} must be a Segmentation, a Hierarchy or a "
            f"sequence of Annotations, got {type(answer).__name__}{_remedy(answer)}"
        )
        raise TypeError(msg)


def _check_names(
    track_id: str,
    references: Sequence[Annotation],
    systems: Iterable[str],
    *,
    baselines: bool,
) -> None:
    keys = [(reference.annotator, reference.level) for reference in references]
    if len(set(keys)) < len(keys):
        annotator, level = next(key for key in keys if keys.count(key) > 1)
        msg = f"{track_id}: two references by annotator {annotator!r} at level {level!r}; keep one"
        raise ValueError(msg)
    if any(level == HIERARCHY for _, level in keys):
        msg = f"{track_id}: {HIERARCHY!r} means all levels at once; rename that level"
        raise ValueError(msg)
    taken = [name for name in (*BASELINES, CEILING) if name in systems]
    if baselines and taken:
        msg = (
            f"{track_id}: {taken[0]!r} names a baseline; rename that system or set baselines=False"
        )
        raise ValueError(msg)


def _score_pairs(
    track_id: str,
    references: Mapping[tuple[str, str], _Form],
    estimates: Mapping[str, Mapping[str, _Form]],
    judge: Callable[[_Form, _Form], dict[str, float]],
    guess: Callable[[str, _Form, str], _Form],
    refuse: Callable[[ValueError], object],
    *,
    baselines: bool,
) -> list[Score]:
    """Score estimates by level against references by annotator and level, baselines last."""
    scores = []
    for (annotator, level), reference in references.items():
        answers = {system: [by_level[level]] for system, by_level in estimates.items()}
        if baselines:
            seed = "\n".join((track_id, annotator, level))
            answers |= {name: [guess(name, reference, seed)] for name in BASELINES}
            others = [
                other
                for (name, its_level), other in references.items()
                if its_level == level and name != annotator
            ]
            answers |= {CEILING: others} if others else {}
        for system, given in answers.items():
            try:
                results = [judge(reference, each) for each in given]
            except ValueError as error:
                who = f"annotator {annotator!r}, level {level!r}"
                msg = f"{track_id}: {system} against {who}: {error}"
                refused = ValueError(msg)
                refused.__cause__ = error
                refuse(refused)
                continue
            scores += [
                Score(track_id, annotator, level, system, metric, value)
                for metric, value in _mean_scores(results).items()
            ]
    return scores


def _raise(error: ValueError) -> None:
    raise error


def _mean_scores(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {metric: finite_mean([result[metric] for result in results]) for metric in results[0]}


def finite_mean(values: Iterable[float]) -> float:
    """Compute the mean of the finite values; NaN if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def score_collection(
    references: Mapping[str, Sequence[Annotation]],
    estimates: Mapping[str, Mapping[str, Answer]],
    *,
    baselines: bool = True,
) -> list[Score]:
    """Score systems on many tracks.

    Parameters
    ----------
    references : mapping of str to sequence of Annotation
        Track -> its annotations.
    estimates : mapping of str to mapping
        System -> track -> its estimate. Track ids are those of `references` (see
        `scatseg.partners.match_ids`); tracks may be missing.
    baselines : bool, default True
        Also score the baselines and the human ceiling, see `score_track`.

    Returns
    -------
    scores : list of Score
        In the order of `references`, without tracks that have no estimate. Without any system, the
        baselines of every track.

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
                f"such as {strangers[0]!r}; match or leave them out (partners.match_ids)"
            )
            raise ValueError(msg)
    scores = []
    for track, annotated in references.items():
        here = {system: answers[track] for system, answers in estimates.items() if track in answers}
        if here or not estimates:
            scores += score_track(track, annotated, here, baselines=baselines)
    return scores
