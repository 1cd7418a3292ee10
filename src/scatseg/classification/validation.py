"""Vectors, labels and groups -> predictions for clips never trained on, scored and compared."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from scatseg.classification.classifiers import make_classifier
from scatseg.classification.confusion import (
    SCORES,
    brier_score,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    percentile_interval,
    resampled_scores,
    scores_of,
)
from scatseg.classification.folds import LEAVE_ONE_GROUP_OUT, Fold, SplitError, split
from scatseg.counts import counted


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidation:
    """Predictions for clips that were not trained on.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    truth : ndarray of int, shape (n_clips,)
        Numbers of the true classes.
    probabilities : ndarray of float, shape (n_clips, n_classes)
        NaN for clips without a prediction.
    fold : ndarray of int, shape (n_clips,)
        In which fold each clip was tested, -1 in none.
    units : ndarray of shape (n_clips,)
        Groups or, without these, the number of each clip: what is resampled for intervals.
    split : str
        How folds were made, in words.
    notes : tuple of str
        Which classes could not be tested, and what may leak.
    """

    classes: NDArray[Any]
    truth: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    fold: NDArray[np.intp]
    units: NDArray[Any]
    split: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        n_tested = np.count_nonzero(self.tested)
        return (
            f"CrossValidation({n_tested} of {len(self.truth)} clips tested, "
            f"{len(self.classes)} classes, {self.split})"
        )

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which clips have a prediction, shape (n_clips,)."""
        return self.fold >= 0

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Numbers of the predicted classes, shape (n_clips,); 0 where there is no prediction."""
        return np.asarray(np.nan_to_num(self.probabilities).argmax(axis=1))

    @property
    def confusion(self) -> NDArray[np.intp]:
        """Counts of the tested clips, true classes in rows, shape (n_classes, n_classes)."""
        here = self.tested
        return confusion_matrix(self.truth[here], self.predicted[here], len(self.classes))


def cross_validate(
    classifier: Any,
    X: ArrayLike,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None,
    n_folds: int = 5,
    leave_one_group_out: bool = False,
    parts: ArrayLike | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Predict every clip by a classifier that was trained without its group.

    Parameters
    ----------
    classifier : estimator
        As `make_classifier` makes it, or any of scikit-learn's with `predict_proba`; it is cloned.
        Groups are handed on to a `fit` that takes them.
    X : array_like of float, shape (n_clips, n_features)
        One vector per clip.
    labels : array_like of str, shape (n_clips,)
        Classes.
    groups : array_like of shape (n_clips,) or None
        What shares a player, an instrument, a kit or a recording. There is no default: None says
        that no two clips share anything, and if they do, the scores are too good.
    n_folds, leave_one_group_out, parts, seed
        As for `split`. With `parts` only what the published split tests has a prediction.

    Returns
    -------
    result : CrossValidation
        Clips of a class that occurs only in the fold in which it is tested have no prediction;
        the notes name such classes.

    Raises
    ------
    SplitError
        When clips cannot be split.
    ValueError
        When the lengths differ, or the classifier refuses X.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.exp(rng.normal(size=(60, 4)))
    >>> labels = np.where(X[:, 2] > 1, "loud", "quiet")
    >>> result = cross_validate(make_classifier("knn"), X, labels, groups=None)
    >>> result
    CrossValidation(60 of 60 clips tested, 2 classes, StratifiedKFold(5), seed 0)
    >>> describe_scores(result)["accuracy"] > 0.7
    True
    """
    rows, labels = np.asarray(X), np.asarray(labels)
    if len(rows) != len(labels) or (groups is not None and len(np.asarray(groups)) != len(labels)):
        msg = f"X, labels and groups must be of one length, got {len(rows)} and {len(labels)}"
        raise ValueError(msg)
    folds = split(
        labels,
        groups=groups,
        n_folds=n_folds,
        leave_one_group_out=leave_one_group_out,
        parts=parts,
        seed=seed,
    )
    classes, truth = np.unique(labels, return_inverse=True)
    units = np.arange(len(labels)) if groups is None else np.asarray(groups)
    probabilities = np.full((len(labels), len(classes)), np.nan)
    fold_of = np.full(len(labels), -1)
    for number, (train, test) in enumerate(folds):
        known = np.unique(truth[train])
        test = test[np.isin(truth[test], known)]
        if not len(test) or len(known) < 2:
            continue
        fitted = _fit(classifier, rows[train], labels[train], units[train], groups is not None)
        probabilities[test] = 0.0
        probabilities[np.ix_(test, known)] = fitted.predict_proba(rows[test])
        fold_of[test] = number
    if (fold_of < 0).all():
        msg = "no class occurs in two folds: every class needs clips in at least two groups"
        raise SplitError(msg)
    return CrossValidation(
        classes=classes,
        truth=truth,
        probabilities=probabilities,
        fold=fold_of,
        units=units,
        split=(
            f"published split ({_counts(parts)})"
            if parts is not None
            else _split_words(groups, n_folds, leave_one_group_out, seed)
        ),
        notes=(
            *(_sharing(folds, groups) if parts is not None else ()),
            *_notes(classes, truth, fold_of, groups, folds),
        ),
    )


def _fit(
    classifier: Any,
    X: NDArray[Any],
    labels: NDArray[Any],
    units: NDArray[Any],
    grouped: bool,
) -> Any:
    takes_groups = grouped and "groups" in inspect.signature(classifier.fit).parameters
    options = {"groups": units} if takes_groups else {}
    return clone(classifier).fit(X, labels, **options)


def _split_words(groups: ArrayLike | None, n_folds: int, leave_one_out: bool, seed: int) -> str:
    if leave_one_out:
        return LEAVE_ONE_GROUP_OUT
    kind = "StratifiedKFold" if groups is None else "StratifiedGroupKFold"
    return f"{kind}({n_folds}), seed {seed}"


def _counts(parts: ArrayLike) -> str:
    names, counts = np.unique(np.asarray(parts), return_counts=True)
    return ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))


def _sharing(folds: Sequence[Fold], groups: ArrayLike | None) -> list[str]:
    """Say which groups a published split has on both of its sides."""
    if groups is None:
        return []
    names = np.asarray(groups)
    shared = {
        str(name) for train, test in folds for name in np.intersect1d(names[train], names[test])
    }
    if not shared:
        return []
    some = ", ".join(sorted(shared)[:5]) + (", ..." if len(shared) > 5 else "")
    return [f"the published split has {counted(len(shared), 'group')} on both of its sides: {some}"]


def _notes(
    classes: NDArray[Any],
    truth: NDArray[np.intp],
    fold_of: NDArray[np.intp],
    groups: ArrayLike | None,
    folds: Sequence[Fold],
) -> list[str]:
    notes = []
    meant = np.zeros(len(truth), dtype=bool)
    meant[np.concatenate([test for _, test in folds])] = True
    if groups is None:
        notes.append(
            "no groups: if clips share a player, an instrument, a kit or a recording, these scores "
            "are too good"
        )
    for number, name in enumerate(classes):
        here = (truth == number) & meant
        n_left = int((fold_of[here] < 0).sum())
        if n_left:
            whole = n_left == here.sum()
            reason = "all its clips are in one group" if whole else "no other fold has the class"
            notes.append(f"class {name}: {counted(n_left, 'clip')} not tested, for {reason}")
    return notes


def result_elsewhere(
    known: Sequence[str],
    probabilities: NDArray[np.float64],
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None,
    split: str,
    n_seen: int = 0,
) -> CrossValidation:
    """Set predictions of a classifier that was trained elsewhere beside what is true.

    Parameters
    ----------
    known : sequence of str
        Classes of the classifier.
    probabilities : ndarray of float, shape (n_clips, len(known))
        Its predictions.
    labels : sequence of str, length n_clips
        What is true, classes that it does not know included.
    groups : sequence of str or None
        What clips share; for the intervals.
    split : str
        How clips were kept apart, in words.
    n_seen : int, default 0
        How many of the clips it is known to have been trained on.
    """
    classes, truth = np.unique([*known, *labels], return_inverse=True)
    spread = np.zeros((len(labels), len(classes)))
    spread[:, truth[: len(known)]] = probabilities
    unknown = sorted(set(labels) - set(known))
    notes = ["these scores hold only if the classifier was not trained on any of these clips"]
    if n_seen:
        seen = f"{n_seen} of {counted(len(labels), 'clip')}"
        notes = [f"the classifier was trained on {seen}: these scores are too good"]
    notes += [f"class {name}: not known to the classifier, always wrong" for name in unknown]
    return CrossValidation(
        classes=classes,
        truth=truth[len(known) :],
        probabilities=spread,
        fold=np.zeros(len(labels), dtype=np.intp),
        units=np.arange(len(labels)) if groups is None else np.asarray(groups),
        split=split,
        notes=tuple(notes),
    )


def majority_baseline(labels: ArrayLike, **options: Any) -> CrossValidation:
    """Predict the most frequent class of the training folds; options as of `cross_validate`."""
    nothing = np.zeros((len(np.asarray(labels)), 1))
    return cross_validate(DummyClassifier(strategy="prior"), nothing, labels, **options)


def duration_baseline(
    seconds: ArrayLike, labels: ArrayLike, *, seed: int = 0, **options: Any
) -> CrossValidation:
    """Predict from how long clips are, and nothing else.

    Parameters
    ----------
    seconds : array_like of float, shape (n_clips,)
        Positive. What does well here says something about how a set was cut, not how it sounds.
    labels : array_like of str, shape (n_clips,)
        Classes.
    seed, **options
        As of `cross_validate`.
    """
    column = np.log(np.asarray(seconds, dtype=np.float64))[:, None]
    # Any mapping from durations to classes; margins would allow only one threshold a class.
    nearest = make_classifier("knn", compress=False, calibration_folds=5, seed=seed)
    return cross_validate(nearest, column, labels, seed=seed, **options)


def describe_scores(
    result: CrossValidation, *, seed: int = 0, n_resamples: int = 10_000
) -> dict[str, Any]:
    """Score a cross-validation, as scores.json holds it.

    Parameters
    ----------
    result : CrossValidation
        Predictions.
    seed : int, default 0
        Of the bootstrap.
    n_resamples : int, default 10000
        How often groups, or clips without groups, are drawn for the 95 % intervals.

    Returns
    -------
    scores : dict
        `split`, `n` clips tested, `n_clips`, `classes`; `accuracy`, `balanced_accuracy`,
        `macro_f1` from 0 to 1; `calibration_error`, `brier`; `intervals`, `per_class`, `folds`,
        `notes`.
    """
    here = result.tested
    truth, predicted = result.truth[here], result.predicted[here]
    n_classes = len(result.classes)
    (drawn,) = resampled_scores(
        truth,
        [predicted],
        result.units[here],
        n_classes=n_classes,
        seed=seed,
        n_resamples=n_resamples,
    )
    intervals = percentile_interval(drawn)
    values = scores_of(result.confusion)
    probabilities = result.probabilities[here]
    return {
        "split": result.split,
        "n": int(here.sum()),
        "n_clips": len(here),
        "classes": [str(name) for name in result.classes],
        **{name: float(value) for name, value in zip(SCORES, values, strict=True)},
        "calibration_error": expected_calibration_error(probabilities, truth),
        "brier": brier_score(probabilities, truth),
        "intervals": {name: intervals[:, i].tolist() for i, name in enumerate(SCORES)},
        "per_class": {
            str(name): {
                "n": int(support),
                **dict(zip(("precision", "recall", "f1"), map(float, row), strict=True)),
            }
            for name, support, row in zip(
                result.classes,
                result.confusion.sum(axis=1),
                class_scores(result.confusion),
                strict=True,
            )
        },
        "folds": [_fold_scores(result, fold) for fold in np.unique(result.fold[here])],
        "notes": [*result.notes, *_one_unit(result.units[here])],
    }


def _one_unit(units: NDArray[Any]) -> list[str]:
    """Say where resampling groups draws the same clips each time."""
    if len(np.unique(units)) > 1:
        return []
    return ["all that is tested is of one group: its intervals say nothing of other groups"]


def _fold_scores(result: CrossValidation, fold: int) -> dict[str, Any]:
    here = result.fold == fold
    counts = confusion_matrix(result.truth[here], result.predicted[here], len(result.classes))
    values = map(float, scores_of(counts))
    return {"fold": int(fold), "n": int(here.sum()), **dict(zip(SCORES, values, strict=True))}


def paired_differences(
    systems: Mapping[str, CrossValidation], *, seed: int = 0, n_resamples: int = 10_000
) -> list[dict[str, Any]]:
    """Compare the first system with each of the others, on the same clips.

    Parameters
    ----------
    systems : mapping of str to CrossValidation
        On the same clips and folds, at least two.
    seed, n_resamples
        As of `describe_scores`.

    Returns
    -------
    differences : list of dict
        `first`, `second`, and for every score the `difference` (first less second), its paired
        95 % `interval` and whether that leaves 0 out, `differs`.

    Raises
    ------
    ValueError
        When the systems were not tested on the same clips.
    """
    (name, first), *others = systems.items()
    for other, each in others:
        if not np.array_equal(each.tested, first.tested):
            msg = f"{name} and {other} were not tested on the same clips"
            raise ValueError(msg)
    here = first.tested
    drawn = resampled_scores(
        first.truth[here],
        [each.predicted[here] for each in systems.values()],
        first.units[here],
        n_classes=len(first.classes),
        seed=seed,
        n_resamples=n_resamples,
    )
    values = [scores_of(each.confusion) for each in systems.values()]
    found = []
    for number, (other, _) in enumerate(others, start=1):
        low, high = percentile_interval(drawn[0] - drawn[number])
        for i, score in enumerate(SCORES):
            found.append(
                {
                    "first": name,
                    "second": other,
                    "score": score,
                    "difference": float(values[0][i] - values[number][i]),
                    "interval": [float(low[i]), float(high[i])],
                    "differs": bool(low[i] > 0 or high[i] < 0),
                }
            )
    return found


def conflicting_copies(
    X: ArrayLike, labels: Sequence[str], groups: Sequence[str] | None
) -> list[tuple[int, int]]:
    """Find clips that sound exactly alike under two labels, or in two groups.

    Parameters
    ----------
    X : array_like of float, shape (n_clips, n_features)
        Equal rows are one sound.
    labels, groups : sequence of str, length n_clips
        Without groups, any copy lies in two: it may be trained on and tested.

    Returns
    -------
    pairs : list of (int, int)
        The first clip of each sound and one that contradicts it.

    Examples
    --------
    >>> conflicting_copies([[1.0], [2.0], [1.0], [2.0]], list("aabb"), list("xyxy"))
    [(0, 2), (1, 3)]
    """
    rows = np.ascontiguousarray(X)
    first: dict[bytes, int] = {}
    pairs = []
    for i, row in enumerate(rows):
        j = first.setdefault(row.tobytes(), i)
        if i != j and (labels[i] != labels[j] or groups is None or groups[i] != groups[j]):
            pairs.append((j, i))
    return pairs


def learning_curve(
    classifier: Any,
    X: ArrayLike,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None,
    sizes: Sequence[int] = (2, 4, 8, 16, 32),
    n_draws: int = 5,
    n_folds: int = 5,
    parts: ArrayLike | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Score a classifier that is trained on few clips of each class.

    Parameters
    ----------
    classifier, X, labels, groups, n_folds, parts
        As of `cross_validate`.
    sizes : sequence of int
        Clips of each class; all of them where a class has less.
    n_draws : int, default 5
        How often the training clips are drawn anew.
    seed : int, default 0
        Of folds and draws.

    Returns
    -------
    points : list of dict
        For each size: `clips` a class, and `mean`, `low` and `high` over draws of each score. Sizes
        beyond what the training folds hold of every class are left out.
    """
    rows, labels = np.asarray(X), np.asarray(labels)
    classes, truth = np.unique(labels, return_inverse=True)
    units = np.arange(len(labels)) if groups is None else np.asarray(groups)
    folds = split(labels, groups=groups, n_folds=n_folds, parts=parts, seed=seed)
    most = max(int(np.bincount(truth[train]).max()) for train, _ in folds)
    points = []
    for size in sizes:
        if size > most:
            break
        drawn = []
        for draw in range(n_draws):
            rng = np.random.default_rng([seed, size, draw])
            counts = np.zeros((len(classes), len(classes)), dtype=np.intp)
            for train, test in folds:
                few = _few(train, truth, size, rng)
                test = test[np.isin(truth[test], truth[few])]
                fitted = _fit(classifier, rows[few], labels[few], units[few], groups is not None)
                predicted = np.searchsorted(classes, fitted.predict(rows[test]))
                counts += confusion_matrix(truth[test], predicted, len(classes))
            drawn.append(scores_of(counts))
        values = np.array(drawn)
        statistics = {"mean": values.mean(0), "low": values.min(0), "high": values.max(0)}
        points.append(
            {"clips": size}
            | {
                score: {key: float(value[i]) for key, value in statistics.items()}
                for i, score in enumerate(SCORES)
            }
        )
    return points


def _few(
    train: NDArray[np.intp], truth: NDArray[np.intp], size: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw so many clips of each class from a training set."""
    parts = []
    for number in np.unique(truth[train]):
        here = train[truth[train] == number]
        parts.append(rng.permutation(here)[:size])
    return np.concatenate(parts)
