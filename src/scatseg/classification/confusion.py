"""Truth and predictions -> confusion matrices, scores, intervals and calibration.

Rows of a confusion matrix are true classes, columns predicted ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.arguments import check_integer
from scatseg.statistics import N_RESAMPLES, resampled_sums

SCORES = ("accuracy", "balanced_accuracy", "macro_f1")
"""The scores of `scores_of`, in [0, 1]."""

_ROUNDING = 1e-6
"""By which probabilities may be outside of [0, 1], as in float32."""


class Reliability(NamedTuple):
    """A reliability diagram: accuracy of predictions by confidence.

    Parameters
    ----------
    edges : ndarray of float, shape (n_bins + 1,)
        Edges of the confidence bins, from 0 to 1.
    counts : ndarray of int, shape (n_bins,)
        Number of predictions per bin.
    confidence, accuracy : ndarray of float, shape (n_bins,)
        Means per bin; NaN for empty bins.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.intp]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error."""
        gaps = np.where(self.counts > 0, np.abs(self.confidence - self.accuracy), 0)
        return float(self.counts @ gaps / self.counts.sum())


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.intp]:
    """Compute the confusion matrix.

    Parameters
    ----------
    truth, predicted : array_like of int, shape (n_clips,)
        Class indices.
    n_classes : int
        Number of classes.

    Returns
    -------
    confusion : ndarray of int, shape (n_classes, n_classes)

    Raises
    ------
    ValueError
        When an index is not that of a class, or there is not one prediction for each clip.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2)
    array([[1, 1],
           [0, 1]])
    """
    rows, columns = (_class_indices(each, n_classes) for each in (truth, predicted))
    if len(rows) != len(columns):
        msg = f"a prediction for each clip is needed, got {len(columns)} for {len(rows)}"
        raise ValueError(msg)
    counts = np.bincount(rows * n_classes + columns, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def _class_indices(indices: ArrayLike, n_classes: int) -> NDArray[np.intp]:
    """Return class indices as integers; raise a ValueError unless all are those of classes."""
    given = np.asarray(indices)
    if given.ndim != 1:
        msg = f"class indices must be in one row, got shape {given.shape}"
        raise ValueError(msg)
    known = np.isin(given, np.arange(n_classes))
    if not known.all():
        msg = f"class indices must be 0 to {n_classes - 1}, got {given[~known][0]}"
        raise ValueError(msg)
    return given.astype(np.intp)


def _truth_and_probabilities(
    truth: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return both as arrays; raise a ValueError unless there is a row for each index of a class."""
    P = np.asarray(probabilities, dtype=np.float64)
    if P.ndim != 2:
        msg = f"probabilities must be of shape (n_clips, n_classes), got {P.shape}"
        raise ValueError(msg)
    indices = _class_indices(truth, P.shape[1])
    if len(indices) != len(P):
        msg = f"a row of probabilities for each clip is needed, got {len(P)} for {len(indices)}"
        raise ValueError(msg)
    outside = ~((P >= -_ROUNDING) & (P <= 1 + _ROUNDING))  # true for NaN
    if outside.any():
        msg = f"probabilities must be in [0, 1], got {P[outside][0]:g}"
        raise ValueError(msg)
    return indices, P


def scores_of(confusion: ArrayLike) -> NDArray[np.float64]:
    """Compute accuracy, balanced accuracy and macro F1 from confusion matrices.

    Parameters
    ----------
    confusion : array_like, shape (..., n_classes, n_classes)
        Counts, at least one of them positive.

    Returns
    -------
    scores : ndarray of float, shape (..., 3)
        Accuracy; balanced accuracy, the mean recall over classes that occur; macro F1, the mean
        over the same classes. scikit-learn's F1 also counts, as 0, classes that are only predicted.

    Raises
    ------
    ValueError
        When rows and columns are not equally many.

    Examples
    --------
    >>> scores_of([[8, 2], [0, 10]]).round(3)
    array([0.9  , 0.9  , 0.899])
    """
    counts = _square(confusion)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    occurs, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    n_occurring = (occurs > 0).sum(axis=-1)
    # Both are 0 for other classes, which have no hits.
    recall = _ratio(hits, occurs)
    f1 = _ratio(2 * hits, occurs + predicted)
    return np.stack(
        [
            hits.sum(axis=-1) / counts.sum(axis=(-2, -1)),
            recall.sum(axis=-1) / n_occurring,
            f1.sum(axis=-1) / n_occurring,
        ],
        axis=-1,
    )


def class_scores(confusion: ArrayLike) -> NDArray[np.float64]:
    """Compute precision, recall and F1 of each class from a confusion matrix.

    Returns
    -------
    scores : ndarray of float, shape (n_classes, 3)
        Precision, recall and F1; 0 where undefined.

    Raises
    ------
    ValueError
        When it is not one square matrix.
    """
    counts = _square(confusion)
    if counts.ndim > 2:
        msg = f"one confusion matrix is needed, (n_classes, n_classes), got shape {counts.shape}"
        raise ValueError(msg)
    hits, occurs, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    parts = (_ratio(hits, predicted), _ratio(hits, occurs), _ratio(2 * hits, occurs + predicted))
    return np.stack(parts, axis=1)


def _square(confusion: ArrayLike) -> NDArray[np.float64]:
    """Return counts as an array; raise a ValueError unless rows and columns are equally many."""
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        msg = f"a confusion matrix has shape (..., n_classes, n_classes), got {counts.shape}"
        raise ValueError(msg)
    return counts


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with 0 / 0 = 0."""
    return part / np.where(whole > 0, whole, 1)


def resampled_scores(
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    units: ArrayLike,
    *,
    n_classes: int,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute bootstrap samples of scores, resampling groups.

    Parameters
    ----------
    truth : array_like of int, shape (n_clips,)
        Class indices.
    predicted : sequence of array_like of int, each of shape (n_clips,)
        Predictions of each system. All use the same samples, so that differences are paired.
    units : array_like, shape (n_clips,)
        Units of resampling: groups of clips that share a player or a kit, or single clips if
        nothing is shared. Resampling clips of shared groups would make intervals too narrow.
    n_classes : int
        Number of classes.
    n_resamples : int, default 10000
        Number of bootstrap samples.
    seed : int, default 0
        Seed; equal seeds give equal samples.

    Returns
    -------
    scores : ndarray of float, shape (n_systems, n_resamples, 3)
        As `scores_of`.

    Raises
    ------
    ValueError
        When an index is not that of a class, or there is not one unit and prediction for each clip.
    """
    truth = _class_indices(truth, n_classes)
    columns = [_class_indices(each, n_classes) for each in predicted]
    lengths = [np.shape(units), *(each.shape for each in columns)]
    if not len(truth) or any(shape != truth.shape for shape in lengths):
        msg = f"a unit and predictions for each of {len(truth)} clips are needed, got {lengths}"
        raise ValueError(msg)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    n_units = int(unit.max()) + 1
    scored = []
    for each in columns:
        cells = (unit * n_classes + truth) * n_classes + each
        counts = np.bincount(cells, minlength=n_units * n_classes**2).reshape(n_units, -1)
        summed = resampled_sums(counts, n_resamples=n_resamples, seed=seed)
        scored.append(scores_of(summed.reshape(n_resamples, n_classes, n_classes)))
    return np.stack(scored)


def percentile_interval(
    samples: NDArray[np.float64], *, confidence: float = 0.95
) -> NDArray[np.float64]:
    """Compute the percentile interval of bootstrap samples.

    Parameters
    ----------
    samples : ndarray of float, shape (n_resamples, ...)
        From `resampled_scores`, or differences of these.
    confidence : float, default 0.95
        Share of samples within the interval.

    Returns
    -------
    interval : ndarray of float, shape (2, ...)
        Lower and upper bound, rounded to 1e-12.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    interval: NDArray[np.float64] = np.quantile(samples, tails, axis=0).round(12)
    return interval


def reliability(truth: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> Reliability:
    """Compute the reliability diagram of class probabilities.

    Parameters
    ----------
    truth : array_like of int, shape (n_clips,)
        Class indices.
    probabilities : array_like of float, shape (n_clips, n_classes)
        Rows sum to 1.
    n_bins : int, default 10
        Bins of equal width.

    Raises
    ------
    ValueError
        When an index is not that of a class, or there is not one row for each.
    """
    indices, P = _truth_and_probabilities(truth, probabilities)
    return binned(P.max(axis=1), P.argmax(axis=1) == indices, n_bins=n_bins)


def binned(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], *, n_bins: int = 10
) -> Reliability:
    """Compute the reliability diagram of confidences.

    Parameters
    ----------
    confidence : ndarray of float, shape (n_answers,)
        In [0, 1].
    right : ndarray of bool, shape (n_answers,)
        Whether each prediction is correct.
    n_bins : int, default 10
        Bins of equal width.

    Raises
    ------
    ValueError
        When a confidence is not in [0, 1], up to rounding.

    Examples
    --------
    >>> binned(np.array([0.3, 0.7, 0.9]), np.array([False, True, False]), n_bins=2).accuracy
    array([0. , 0.5])
    """
    check_integer("n_bins", n_bins, 1)
    outside = ~((confidence >= -_ROUNDING) & (confidence <= 1 + _ROUNDING))  # true for NaN
    if outside.any():
        msg = f"confidences must be in [0, 1], got {confidence[outside][0]:g}"
        raise ValueError(msg)
    # A confidence on an edge belongs to the bin below, 0 to the first.
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(
        np.linspace(0, 1, n_bins + 1),
        counts,
        np.bincount(bins, confidence, n_bins) / filled,
        np.bincount(bins, right, n_bins) / filled,
    )


def expected_calibration_error(
    truth: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10
) -> float:
    """Compute the expected calibration error; parameters are those of `reliability`.

    It is biased for few clips: about 0.05 for 240 clips with perfectly calibrated probabilities.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017.

    Examples
    --------
    >>> P = np.array([[0.75, 0.25]] * 4)
    >>> expected_calibration_error([0, 0, 0, 1], P), expected_calibration_error([0, 0, 0, 0], P)
    (0.0, 0.25)
    """
    return reliability(truth, probabilities, n_bins=n_bins).error


def brier_score(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Compute the multiclass Brier score, in [0, 2]; parameters are those of `reliability`.

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
    Review 78(1), 1950.

    Examples
    --------
    >>> brier_score([0, 0], [[1.0, 0.0], [0.5, 0.5]])
    0.25
    """
    indices, P = _truth_and_probabilities(truth, probabilities)
    true = np.eye(P.shape[1])[indices]
    return float(((P - true) ** 2).sum(axis=1).mean())
