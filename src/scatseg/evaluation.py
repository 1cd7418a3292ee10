"""References and estimates -> scores, as mir_eval defines them, for one track or many."""

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
"""The system that is another annotator of the same track and level."""

HIERARCHY = "hierarchy"
"""The level of scores that compare all levels at once, see `evaluate_hierarchy`."""

REFERENCE_SEGMENTS = "Reference segments"
ESTIMATED_SEGMENTS = "Estimated segments"

WINDOWS = (0.5, 3.0)
"""Seconds by which a found boundary may miss one of the reference, as published scores use."""


_COARSE = ("coarse", "section", "upper", "uppercase")
_FINE = ("fine", "lower", "lowercase", "pattern", "phrase")
_DEPTHS = {**dict.fromkeys(_COARSE, 0), **dict.fromkeys(_FINE, 1)}

Answer = Segmentation | Hierarchy | Sequence[Annotation]
"""What a system says of a track: one level, several, or several that were read by themselves."""

_Form = TypeVar("_Form", Segmentation, Hierarchy)


class Score(NamedTuple):
    """One number of `evaluate`, and what it belongs to.

    Parameters
    ----------
    track : str
        Which recording.
    annotator, level : str
        Which reference of that recording. The level is `HIERARCHY` for all of them at once.
    system : str
        Whose estimate.
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
    reference: Segmentation, estimate: Segmentation, *, windows: Sequence[float] = WINDOWS
) -> dict[str, float]:
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
    windows : sequence of float, default (0.5, 3.0)
        Seconds by which a boundary may be missed and still be found; positive.

    Returns
    -------
    scores : dict of str to float
        Named as by mir_eval. Boundary metrics (`Precision`, `Recall` and `F-measure` at each
        window, as in "F-measure@0.5", and both deviations in seconds) leave out the first and
        the last boundary; with " (untrimmed)" after the name they count them. `Reference
        segments` and `Estimated segments` count the segments of both as given.

    Raises
    ------
    TypeError
        When either is not a Segmentation (for several levels, see `evaluate_hierarchy`).
    ValueError
        When the estimate starts after the reference ends, or a window is not positive.

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
            msg = f"{side} must be one Segmentation, got {type(value).__name__}{_remedy(value)}"
            raise TypeError(msg)
    if not isinstance(windows, Iterable) or isinstance(windows, str):
        msg = f"windows are several, in seconds, got {windows!r}: write [{windows!r}] for one"
        raise TypeError(msg)
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
    """Say how to come from what was given to a segmentation, where that is known."""
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
    """Give both sides the span from 0 to the reference's end, as mir_eval does it."""
    if estimate.start >= reference.end:
        msg = (
            f"the estimate must overlap the reference, but it starts at {estimate.start:g} s and "
            f"the reference ends at {reference.end:g} s: are they of the same recording?"
        )
        raise ValueError(msg)
    return _spanning(reference, reference.end), _spanning(estimate, reference.end)


def _spanning(segmentation: Segmentation, end: float) -> Segmentation:
    """Crop or extend to 0 to `end`, which must come after the start."""
    # mir_eval would keep a segment that starts exactly at the end, with no length, and refuse it.
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
    """Count hits and measure distances, with or without the first and last boundary."""
    suffix = "" if trim else " (untrimmed)"
    # Where trimming leaves nothing, mir_eval gives these same values with a warning.
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
    """Score all levels of an estimate against all of a reference, as `mir_eval.hierarchy`.

    Every level is first made to span the time from 0 to the end of the reference, see `evaluate`.

    Parameters
    ----------
    reference : Hierarchy
        The annotation.
    estimate : Hierarchy
        What is to be judged; it may have another number of levels.

    Returns
    -------
    scores : dict of str to float
        Named as by mir_eval: precision, recall and measure of T (segments; "reduced" and
        "full") and L (labels), 0 to 1.

    Raises
    ------
    TypeError
        When either is not a Hierarchy.
    ValueError
        When the estimate starts after the reference ends.

    Notes
    -----
    Moments are taken every 0.1 s. T-measures look 15 s back and forth, L-measures at the whole
    recording. Where no moment is closer to one moment than to another, as in a reference whose
    levels have one segment each, the scores are 0. A boundary need not return at the finer levels.

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
    """Put levels of one recording in order.

    Parameters
    ----------
    levels : sequence of Annotation
        Of one annotator or system.

    Returns
    -------
    ordered : list of Annotation
        By their names where all are known ("upper", "coarse" and "section" before "lower",
        "fine", "phrase" and "pattern"), then by the number of segments, fewest first.
    """
    depths = [_DEPTHS.get(each.level.partition("-")[0]) for each in levels]
    if None in depths:
        return sorted(levels, key=lambda each: len(each.segmentation))
    return sorted(
        levels, key=lambda each: (_DEPTHS[each.level.partition("-")[0]], len(each.segmentation))
    )


def hierarchy_of(levels: Sequence[Annotation]) -> Hierarchy | None:
    """Put the levels of one annotator or system together.

    Parameters
    ----------
    levels : sequence of Annotation
        Of one recording. Levels of functions ("verse", "solo") name the sections of another level
        and are left out, and so are second readings ("upper-b" beside "upper").

    Returns
    -------
    hierarchy : Hierarchy or None
        In the order of `coarse_to_fine`, each made to last from 0 to the latest end; None where
        fewer than two levels are left.
    """
    names = {each.level for each in levels}
    # "upper-b" is "upper" heard a second time, and no level between "upper" and "lower".
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
    """Put the levels of each annotator together, see `hierarchy_of`.

    Parameters
    ----------
    references : sequence of Annotation
        Of one track.

    Returns
    -------
    hierarchies : dict from str to Hierarchy
        By annotator, of those who give two levels or more.
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
        Name of the track, for the scores and as the seed of the random baseline.
    references : sequence of Annotation
        One per annotator and level.
    estimates : mapping of str to Segmentation, Hierarchy or sequence of Annotation
        System name -> its answer. Of several levels, an annotation is compared with the one of
        the same name (numbers are no names), else with the default: of a sequence, the first.
        Where an annotator gives several levels too (`reference_hierarchies`), all are compared
        with all (`evaluate_hierarchy`, `hierarchy_of`), at the level `HIERARCHY`.
    baselines : bool, default True
        Also score `no_boundary`, `evenly_spaced`, `random_boundaries` and, where a level has
        several annotators, the `human ceiling`: the mean over the other annotators, each taken
        as an estimate.
    on_refusal : callable, optional
        Told of every pair that cannot be compared, in words that name system, annotator and
        level; the other pairs are scored. Without it the first such pair is an error.

    Returns
    -------
    scores : list of Score
        By reference, then system, then metric, in the order given; baselines last. Further
        annotators and systems change no score but the ceiling's.

    Raises
    ------
    ValueError
        When two references share annotator and level, a level is named like `HIERARCHY`, a
        system has the name of a baseline or an empty sequence for an answer, or a pair cannot be
        compared and there is no `on_refusal`.
    """
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
    """Choose what of an answer is compared with a level of a reference, see `score_track`."""
    if isinstance(answer, Segmentation):
        return answer
    if isinstance(answer, Hierarchy):
        default = answer.levels[answer.default]
        named = dict(zip(answer.names, answer.levels, strict=True))
    else:
        default = answer[0].segmentation
        named = {each.level: each.segmentation for each in answer}
    return default if level.isdigit() else named.get(level, default)


def _all_levels(answer: Answer) -> Hierarchy | None:
    if isinstance(answer, Segmentation):
        return None
    if isinstance(answer, Hierarchy):
        return answer if len(answer) > 1 else None
    return hierarchy_of(answer)


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
    """Score answers by level against references by annotator and level, baselines last."""
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
    """Average what is finite; NaN where nothing is."""
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
        System -> track -> its answer. Tracks go by the names they have in `references`
        (see `scatseg.partners.match_ids`); a system may lack some.
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
                f"such as {strangers[0]!r}; match or leave them out (partners.match_ids)"
            )
            raise ValueError(msg)
    scores = []
    for track, annotated in references.items():
        here = {system: answers[track] for system, answers in estimates.items() if track in answers}
        if here or not estimates:
            scores += score_track(track, annotated, here, baselines=baselines)
    return scores
