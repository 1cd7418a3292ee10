"""Names -> classifiers: pipelines of compression, standardization, classifier and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from scatseg import naming
from scatseg.classification.calibration import Calibrated
from scatseg.classification.convnet import ConvnetClassifier, path_grid
from scatseg.classification.steps import (
    Clipper,
    ColumnCompressor,
    FrameScaler,
    LinearMarginClassifier,
    NeighborsClassifier,
    RBFMarginClassifier,
)
from scatseg.features import FeatureName

_DEFAULT = "rbf-svm"


def make_classifier(
    name: str = _DEFAULT,
    *,
    compress: bool | ArrayLike = True,
    eps: float = 1.0,
    n_frames: int = 1,
    names: Sequence[FeatureName] | None = None,
    tune: bool = False,
    calibration_folds: int = 10,
    seed: int = 0,
) -> Calibrated:
    """Create a classifier by name, with its preprocessing.

    The pipeline compresses by the medians of the training set, standardizes, clips to +-10 and
    classifies. Its probabilities are then calibrated.

    Parameters
    ----------
    name : str, default "rbf-svm"
        "rbf-svm", "linear-svm", "logistic", "knn", "convnet" (trained with torch), with options
        ("rbf-svm:C=3"), or any estimator of scikit-learn's kind as `module:class`:
        "sklearn.ensemble:RandomForestClassifier".
    compress : bool or array_like of bool, shape (n_features,), default True
        Mask of columns that are uncompressed scattering coefficients.
    eps : float, default 1
        See `MedianLogCompressor`. The large default gives little weight to coefficients below the
        median, which vary between recordings rather than classes.
    n_frames : int, default 1
        Number of adjacent columns that are frames of one feature, as `scatseg.clips.Columns` holds
        it. They share their median, mean and standard deviation, and the convnet runs along them.
    names : sequence of FeatureName, length n_features, optional
        Names of the columns. Needed by the convnet if `n_frames` is more than 1.
    tune : bool, default False
        Whether to choose the regularization (or the number of neighbors) on inner folds. Only for
        built-in classifiers.
    calibration_folds : int, default 10
        Number of inner folds, by group if groups are given to `fit`.
    seed : int, default 0
        Seed of the inner folds and the classifier.

    Returns
    -------
    classifier : Calibrated
        `fit(X, y, groups=groups)`, `predict`, `predict_proba`.

    Raises
    ------
    ValueError
        When the name is unknown or does not accept the options, or names are needed.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.exp(rng.normal(size=(60, 4)))
    >>> labels = np.where(X[:, 2] > 1, "loud", "quiet")
    >>> classifier = make_classifier("linear-svm").fit(X[:40], labels[:40])
    >>> classifier.score(X[40:], labels[40:])
    1.0
    """
    ((base, options),) = _one(naming.parse_names(name), name)
    if base not in CLASSIFIERS and ":" not in base and "." in base:
        base = ":".join(base.rsplit(".", 1))  # sklearn.naive_bayes.GaussianNB, as in Python
    final = naming.build(base, options, CLASSIFIERS, "classifier")
    if not (hasattr(final, "fit") and hasattr(final, "get_params")):
        msg = f"classifier {name!r} must have fit and get_params, as scikit-learn's estimators do"
        raise ValueError(msg)
    if is_regressor(final):
        msg = f"classifier {name!r} predicts numbers: one that predicts classes is needed"
        raise ValueError(msg)
    if "random_state" in final.get_params():
        final.set_params(random_state=seed)
    if n_frames > 1 and isinstance(final, ConvnetClassifier):
        if names is None:
            msg = "the convnet on frames needs the names of their columns"
            raise ValueError(msg)
        final.set_params(paths=path_grid(names[::n_frames]))
    if tune and base not in _GRIDS:
        msg = f"tuning is for {', '.join(_GRIDS)}, got {name!r}"
        raise ValueError(msg)
    steps = [
        ("compress", ColumnCompressor(compress, eps=eps, n_frames=n_frames)),
        ("standardize", FrameScaler(n_frames)),
        ("clip", Clipper()),
        ("classify", final),
    ]
    return Calibrated(
        Pipeline(steps),
        grid=_GRIDS[base] if tune else None,
        n_folds=calibration_folds,
        seed=seed,
    )


def _one(names: Sequence[Any], text: str) -> Sequence[Any]:
    if len(names) > 1:
        msg = f"one classifier is needed, got {text!r}"
        raise ValueError(msg)
    return names


def _logistic(C: float = 0.02) -> LogisticRegression:
    return LogisticRegression(C=C, class_weight="balanced", max_iter=2000)


CLASSIFIERS: Mapping[str, Any] = {
    "rbf-svm": RBFMarginClassifier,
    "linear-svm": LinearMarginClassifier,
    "logistic": _logistic,
    "knn": NeighborsClassifier,
    "convnet": ConvnetClassifier,
}
"""Classifiers by name."""

_GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "rbf-svm": {"classify__C": [1.0, 3.0, 10.0, 30.0]},
    "linear-svm": {"classify__C": [0.1, 0.3, 1.0, 3.0]},
    "logistic": {"classify__C": [0.001, 0.01, 0.1, 1.0]},
    "knn": {"classify__n_neighbors": [1, 3, 5, 9]},
}
"""Parameter grids for tuning."""
