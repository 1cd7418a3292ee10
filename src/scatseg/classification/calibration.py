"""Classifiers -> classifiers with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg.classification.folds import inner_folds


class Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with probabilities calibrated by temperature scaling on inner folds.

    The temperature is fitted on out-of-fold scores. It does not change the predicted class.

    Parameters
    ----------
    estimator : classifier
        Its `decision_function`, or else the logarithm of its `predict_proba`, are the scores.
    grid : mapping, optional
        Parameter grid of the estimator, as in scikit-learn's GridSearchCV, searched on the same
        inner folds by balanced accuracy.
    n_folds : int, default 10
        Maximum number of inner folds; at most the number of groups or of clips of the rarest class.
    seed : int, default 0
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    estimator_ : classifier
        Fitted on all clips.
    temperature_ : float
        Scores are divided by it; 1 if there are too few clips for inner folds.
    n_folds_ : int
        Number of inner folds used; 0 if there are too few clips.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017. J. Platt, "Probabilistic outputs for support vector machines", 1999, for the folds.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        n_folds: int = 10,
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.grid = grid
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Calibrated:
        """Fit the classifier, and on inner folds the temperature.

        Parameters
        ----------
        X : array_like of float, shape (n_clips, n_features)
            One vector per clip.
        y : array_like of shape (n_clips,)
            Labels, at least two different ones.
        groups : array_like of shape (n_clips,), optional
            Groups, which are not split by inner folds.

        Raises
        ------
        ValueError
            When there is only one class, or the estimator rejects X.
        """
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            msg = f"at least 2 classes are needed, got 1 class: {self.classes_[0]}"
            raise ValueError(msg)
        folds = inner_folds(labels, groups, self.n_folds, self.seed)
        chosen = clone(self.estimator)
        if self.grid and folds:
            search = GridSearchCV(
                chosen, dict(self.grid), cv=folds, scoring=_balanced_accuracy, refit=False
            ).fit(rows, labels)
            chosen = chosen.set_params(**search.best_params_)
        self.n_folds_ = len(folds)
        scores = np.full((len(rows), len(self.classes_)), np.nan)
        for train, test in folds:
            if len(np.unique(numbers[train])) == len(self.classes_):
                scores[test] = class_log_scores(
                    clone(chosen).fit(rows[train], labels[train]), rows[test]
                )
        known = np.isfinite(scores).all(axis=1)
        self.temperature_ = fit_temperature(numbers[known], scores[known])
        self.estimator_ = chosen.fit(rows, labels)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log probabilities up to a constant per row.

        Returns
        -------
        scores : ndarray of float, shape (n_clips, n_classes), (n_clips,) for two classes
            For two classes, the second minus the first.
        """
        scores = self._scores(X)
        if len(self.classes_) == 2:
            return scores[:, 1] - scores[:, 0]
        return scores

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n_clips, n_classes); rows sum to 1."""
        return cast(NDArray[np.float64], softmax(self._scores(X), axis=1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row of X."""
        best = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _scores(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return class_log_scores(self.estimator_, rows) / self.temperature_


def _balanced_accuracy(estimator: Any, X: NDArray[np.floating], labels: NDArray[Any]) -> float:
    """Compute the mean recall over the classes of a fold, which may lack predicted ones.

    scikit-learn's scorer of this name warns of these for every fold and candidate.
    """
    occurring = np.unique(labels)
    predicted = estimator.predict(X)
    return float(recall_score(labels, predicted, labels=occurring, average="macro"))


def class_log_scores(estimator: Any, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the scores of a fitted classifier, shape (n_clips, n_classes).

    The single score of two classes is expanded to two of opposite sign. Without a
    `decision_function`, scores are log probabilities, with probabilities of at least 0.01.
    """
    if hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(X), dtype=np.float64)
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)
    return log_of_shares(np.asarray(estimator.predict_proba(X), dtype=np.float64))


def log_of_shares(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the logarithm of shares or probabilities, clipped to at least 0.01."""
    return np.log(np.maximum(shares, 0.01))


def fit_temperature(truth: NDArray[np.intp], scores: NDArray[np.float64]) -> float:
    """Fit the temperature by maximum likelihood.

    Parameters
    ----------
    truth : ndarray of int, shape (n_clips,)
        Indices of the true classes.
    scores : ndarray of float, shape (n_clips, n_classes)
        Scores of clips not used in training.

    Returns
    -------
    temperature : float
        Positive; 1 if there are no clips.

    Raises
    ------
    ValueError
        When there is not one row of finite scores for each clip.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(size=(5000, 3))
    >>> truth = np.array([rng.choice(3, p=p) for p in softmax(scores / 0.5, axis=1)])
    >>> round(fit_temperature(truth, scores), 1)
    0.5
    """
    if not len(scores):
        return 1.0
    scores = np.asarray(scores)
    if scores.shape[:1] != np.shape(truth) or scores.ndim != 2 or not np.isfinite(scores).all():
        msg = (
            "a true class and a row of finite scores for each clip are needed, "
            f"got shapes {np.shape(truth)} and {scores.shape}"
        )
        raise ValueError(msg)
    n_clips, n_classes = scores.shape
    # After n clips without an error, the expected accuracy is (n + 1) / (n + 2), not 1.
    doubt = 1 / (n_clips + 2)
    targets = np.full(scores.shape, doubt / (n_classes - 1))
    targets[np.arange(n_clips), truth] = 1 - doubt

    def surprise(log_temperature: float) -> float:
        return -float((targets * log_softmax(scores / np.exp(log_temperature), axis=1)).sum())

    middle = np.log(max(float(np.abs(scores).mean()), 1e-12))
    found = minimize_scalar(surprise, bounds=(middle - 5, middle + 5), method="bounded")
    return float(np.exp(found.x))
