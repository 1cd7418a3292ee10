"""Vectors, labels and groups -> cross-validated predictions, scores and comparisons."""

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
    """Out-of-fold predictions.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    truth : ndarray of int, shape (n_clips,)
        Indices of the true classes.
    probabilities : ndarray of float, shape (n_clips, n_classes)
        NaN for clips without a prediction.
    fold : ndarray of int, shape (n_clips,)
        Test fold of each clip, or -1.
    units : ndarray of shape (n_clips,)
        Units of resampling: groups, or clip indices without groups.
    split : str
        Description of the folds.
    notes : tuple of str
        Classes that could not be tested, and possible leakage.
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
        """Mask of clips with a prediction, shape (n_clips,)."""
        return self.fold >= 0

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Indices of the predicted classes, shape (n_clips,); 0 without a prediction."""
        return np.asarray(np.nan_to_num(self.probabilities).argmax(axis=1))

    @property
    def confusion(self) -> NDArray[np.intp]:
        """Confusion matrix, true classes in rows, shape (n_classes, n_classes)."""
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
    """Cross-validate a classifier, keeping groups together.

    Parameters
    ----------
    classifier : estimator
        From `make_classifier`, or any scikit-learn classifier with `predict_proba`; it is cloned.
        Groups are passed to `fit` if it accepts them.
    X : array_like of float, shape (n_clips, n_features)
        One vector per clip.
    labels : array_like of str, shape (n_clips,)
        Classes.
    groups : array_like of shape (n_clips,) or None
        Groups of clips that share a player, an instrument, a kit or a recording. There is no
        default: None means that clips are independent; otherwise, scores are too high.
    n_folds, leave_one_group_out, parts, seed
        As in `split`. With `parts`, only clips of the test part have a prediction.

    Returns
    -------
    result : CrossValidation
        Clips of a class that occurs only in their test fold have no prediction; such classes are
        named in the notes.

    Raises
    ------
    SplitError
        When clips cannot be split.
    ValueError
        When the lengths differ, or the classifier rejects X.

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
    rows, labels = _rows_and_labels(X, labels, groups)
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
    for number, (train, test) in _testable(folds, truth).items():
        known = np.unique(truth[train])
        fitted = _fit(classifier, rows[train], labels[train], units[train], groups is not None)
        probabilities[test] = 0.0
        probabilities[np.ix_(test, known)] = fitted.predict_proba(rows[test])
        fold_of[test] = number
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


def _rows_and_labels(
    X: ArrayLike, labels: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return X and labels as arrays; raise a ValueError unless there is one of each per clip."""
    rows, names = np.asarray(X), np.asarray(labels)
    n_groups = None if groups is None else len(np.asarray(groups))
    if len(rows) != len(names) or n_groups not in (None, len(names)):
        counts = f"{len(rows)} rows of X, {len(names)} labels and {n_groups or 'no'} groups"
        msg = f"X, labels and groups must be of one length, got {counts}"
        raise ValueError(msg)
    return rows, names


def _testable(folds: Sequence[Fold], truth: NDArray[np.intp]) -> dict[int, Fold]:
    """Return folds by number, without test clips of classes that are not in the training set."""
    testable = {}
    for number, (train, test) in enumerate(folds):
        known = np.unique(truth[train])
        test = test[np.isin(truth[test], known)]
        if len(test) and len(known) > 1:
            testable[number] = (train, test)
    if not testable:
        msg = "no class occurs in two folds: every class needs clips in at least two groups"
        raise SplitError(msg)
    return testable


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
    """Return notes on groups that a published split has on both sides."""
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
            "are too optimistic"
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
    """Return the result of a classifier that was trained on other clips.

    Parameters
    ----------
    known : sequence of str
        Classes of the classifier.
    probabilities : ndarray of float, shape (n_clips, len(known))
        Its predictions.
    labels : sequence of str, length n_clips
        True classes, which may be unknown to the classifier.
    groups : sequence of str or None
        Groups of clips, for the intervals.
    split : str
        Description of the split.
    n_seen : int, default 0
        Number of clips known to be among the training data.
    """
    classes, truth = np.unique([*known, *labels], return_inverse=True)
    spread = np.zeros((len(labels), len(classes)))
    spread[:, truth[: len(known)]] = probabilities
    unknown = sorted(set(labels) - set(known))
    notes = ["these scores hold only if the classifier was not trained on any of these clips"]
    if n_seen:
        seen = f"{n_seen} of {counted(len(labels), 'clip')}"
        notes = [f"the classifier was trained on {seen}: these scores are too optimistic"]
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
    """Predict the most frequent class of the training folds; options as in `cross_validate`."""
    nothing = np.zeros((len(np.asarray(labels)), 1))
    return cross_validate(DummyClassifier(strategy="prior"), nothing, labels, **options)


def duration_baseline(
    seconds: ArrayLike, labels: ArrayLike, *, seed: int = 0, **options: Any
) -> CrossValidation:
    """Predict from the durations of clips only.

    A good score shows how a set was cut, not how it sounds.

    Parameters
    ----------
    seconds : array_like of float, shape (n_clips,)
        Positive.
    labels : array_like of str, shape (n_clips,)
        Classes.
    seed, **options
        As in `cross_validate`.

    Raises
    ------
    ValueError
        When `seconds` are not one positive, finite duration per clip.
    """
    durations = np.asarray(seconds, dtype=np.float64)
    if durations.ndim != 1 or not ((durations > 0) & (durations < np.inf)).all():
        msg = f"seconds must be positive and finite, of shape (n_clips,), got {durations}"
        raise ValueError(msg)
    column = np.log(durations)[:, None]
    # Nearest neighbors allow any mapping from durations to classes, unlike linear margins.
    nearest = make_classifier("knn", compress=False, calibration_folds=5, seed=seed)
    return cross_validate(nearest, column, labels, seed=seed, **options)


def describe_scores(
    result: CrossValidation, *, seed: int = 0, n_resamples: int = 10_000
) -> dict[str, Any]:
    """Compute the scores of a cross-validation, as in scores.json.

    Parameters
    ----------
    result : CrossValidation
        Predictions.
    seed : int, default 0
        Seed of the bootstrap.
    n_resamples : int, default 10000
        Bootstrap samples of groups, or of clips without groups, for the 95 % intervals.

    Returns
    -------
    scores : dict
        `split`, `n` clips tested, `n_clips`, `classes`; `accuracy`, `balanced_accuracy`,
        `macro_f1` in [0, 1], the latter two as means over the classes of the clips tested;
        `calibration_error`, `brier`; `intervals`, `per_class`, `folds`, `notes`.
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
        "calibration_error": expected_calibration_error(truth, probabilities),
        "brier": brier_score(truth, probabilities),
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
    """Return a note if there is only one unit to resample."""
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
        At least two results on the same clips and folds.
    seed, n_resamples
        As in `describe_scores`.

    Returns
    -------
    differences : list of dict
        `first`, `second`, and for every score the `difference` (first minus second), its paired
        95 % `interval`, and whether this excludes 0, `differs`.

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
    """Find identical clips with different labels or groups.

    Parameters
    ----------
    X : array_like of float, shape (n_clips, n_features)
        Equal rows are identical sounds.
    labels, groups : sequence of str, length n_clips
        Labels and groups. Without groups, all copies are returned, as they may be in both training
        and test set.

    Returns
    -------
    pairs : list of (int, int)
        The first clip of each sound, and a conflicting copy.

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
    leave_one_group_out: bool = False,
    parts: ArrayLike | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compute the learning curve of a classifier, with few training clips per class.

    Parameters
    ----------
    classifier, X, labels, groups, n_folds, leave_one_group_out, parts
        As in `cross_validate`.
    sizes : sequence of int
        Training clips per class; all clips of smaller classes.
    n_draws : int, default 5
        Number of random training sets per size.
    seed : int, default 0
        Seed of folds and draws.

    Returns
    -------
    points : list of dict
        For each size: `clips` per class, and `mean`, `low` and `high` over draws of each score; of
        one draw, `low` and `high` are NaN. Sizes larger than all classes in the training folds are
        left out.

    Raises
    ------
    SplitError, ValueError
        As in `cross_validate`.
    """
    rows, labels = _rows_and_labels(X, labels, groups)
    classes, truth = np.unique(labels, return_inverse=True)
    units = np.arange(len(labels)) if groups is None else np.asarray(groups)
    folds = split(
        labels,
        groups=groups,
        n_folds=n_folds,
        leave_one_group_out=leave_one_group_out,
        parts=parts,
        seed=seed,
    )
    testable = _testable(folds, truth).values()
    most = max(int(np.bincount(truth[train]).max()) for train, _ in testable)
    points = []
    for size in sizes:
        if size > most:
            break
        drawn = []
        for draw in range(n_draws):
            rng = np.random.default_rng([seed, size, draw])
            counts = np.zeros((len(classes), len(classes)), dtype=np.intp)
            for train, test in testable:
                few = _few(train, truth, size, rng)
                fitted = _fit(classifier, rows[few], labels[few], units[few], groups is not None)
                predicted = np.searchsorted(classes, fitted.predict(rows[test]))
                counts += confusion_matrix(truth[test], predicted, len(classes))
            drawn.append(scores_of(counts))
        values = np.array(drawn)
        unknown = np.full(len(SCORES), np.nan)
        low, high = (values.min(0), values.max(0)) if n_draws > 1 else (unknown, unknown)
        statistics = {"mean": values.mean(0), "low": low, "high": high}
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
    """Draw `size` clips of each class from a training set."""
    parts = []
    for number in np.unique(truth[train]):
        here = train[truth[train] == number]
        parts.append(rng.permutation(here)[:size])
    return np.concatenate(parts)
