"""A fitted classifier -> a model: plain arrays that predict and explain with NumPy alone.

Models can be stored in safe files (`scatseg.classification.model_files`), and predict the same with
any version of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from scatseg.classification.calibration import Calibrated, log_of_shares
from scatseg.classification.convnet import (
    N_FILTERS,
    WIDTH,
    ConvnetClassifier,
    check_paths,
    convnet_scores,
    n_places,
    reach,
)
from scatseg.classification.steps import (
    LinearMarginClassifier,
    NeighborsClassifier,
    RBFMarginClassifier,
    neighbor_shares,
)
from scatseg.explain import Reason, integrated_gradients, linear_relevance, reasons_for
from scatseg.features import FeatureName
from scatseg.runs import versions

# Arrays of each kind of classifier and their dimensions: (c)lasses, (f)eatures, (v)ectors; of the
# network (1) channel, the filters of its layers (m, n), their (w)idth and their (o)utputs; of that
# on frames its channels (i), (k) carriers, hei(g)ht of filters and outputs after averaging (q).
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "linear": {"coef": "cf", "intercept": "c"},
    "kernel": {"vectors": "vf", "dual": "cv", "intercept": "c", "gamma": ""},
    "neighbors": {"vectors": "vf", "numbers": "v", "n_neighbors": ""},
    "convnet": {
        "filters1": "m1w",
        "bias1": "m",
        "filters2": "nmw",
        "bias2": "n",
        "coef": "co",
        "intercept": "c",
    },
    "convnet-frames": {
        "paths": "ik",
        "filters1": "migw",
        "bias1": "m",
        "filters2": "nmgw",
        "bias2": "n",
        "coef": "cq",
        "intercept": "c",
    },
}
_BUILT_IN = (
    *(LinearMarginClassifier, LogisticRegression, RBFMarginClassifier),
    *(NeighborsClassifier, ConvnetClassifier),
)
"""Built-in types; subclasses are not built in."""

_COMMON = {"levels": "f", "eps": "", "mean": "f", "scale": "f", "limit": "", "centers": "cf"}

ARRAYS = frozenset({*_COMMON, *(name for shapes in _SHAPES.values() for name in shapes)})
"""The names of all arrays that a model may have."""


class ModelError(ValueError):
    """A file that is not a model, or an inconsistent model."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """Metadata of a model.

    Parameters
    ----------
    classes : tuple of str
        Sorted.
    features : mapping
        Options of `scatseg.clips.ClipFeatures`.
    fingerprint : str
        Fingerprint of the features in training.
    names : tuple of FeatureName
        Names of the columns.
    columns : tuple of str
        Label columns; their values are joined by "/" in the classes.
    summary : mapping
        Summary of the training data.
    versions : mapping
        Package versions in training.
    files : tuple of str
        SHA-256 of the training files; () if unknown.
    """

    classes: tuple[str, ...]
    features: Mapping[str, Any]
    fingerprint: str
    names: tuple[FeatureName, ...] = field(repr=False)
    columns: tuple[str, ...] = ("label",)
    summary: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)
    files: tuple[str, ...] = field(default=(), repr=False)

    def check_fingerprint(self, fingerprint: str) -> None:
        """Check that features are those that the model was trained on.

        Raises
        ------
        ModelError
            When they differ.
        """
        if fingerprint != self.fingerprint:
            msg = (
                f"the model was trained on other features (fingerprint {self.fingerprint}, now "
                f"{fingerprint}; scatseg {self.versions.get('scatseg', '?')}), or the code of "
                "custom features has changed: train it again"
            )
            raise ModelError(msg)


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A trained built-in classifier.

    Parameters
    ----------
    about : Description
        Classes and features.
    kind : {"linear", "kernel", "neighbors", "convnet", "convnet-frames"}
        Kind of classifier.
    arrays : mapping of str to ndarray
        Arrays of the preprocessing and the classifier.
    temperature : float
        Divisor of scores.

    Raises
    ------
    ModelError
        When arrays are missing, not finite or inconsistent.
    """

    about: Description
    kind: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    temperature: float

    def __post_init__(self) -> None:
        _check_arrays(self)

    def standardized(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compress, standardize and clip vectors, shape (n_clips, n_features)."""
        rows = np.asarray(X, dtype=np.float64)
        n_features = len(self.arrays["mean"])
        if rows.ndim != 2 or rows.shape[1] != n_features:
            msg = f"X must have shape (n_clips, {n_features}), got {rows.shape}"
            raise ModelError(msg)
        levels = self.arrays["levels"]
        mask = ~np.isnan(levels)
        quiet = self.arrays["eps"] * levels[mask]
        rows = rows.copy()
        rows[:, mask] = np.log1p(np.maximum(rows[:, mask], 0) / quiet)
        limit = self.arrays["limit"]
        Z = (rows - self.arrays["mean"]) / self.arrays["scale"]
        return cast(NDArray[np.float64], np.clip(Z, -limit, limit))

    def scores(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score standardized vectors, shape (n_clips, n_classes), before calibration."""
        arrays = self.arrays
        if self.kind == "linear":
            return cast(NDArray[np.float64], Z @ arrays["coef"].T + arrays["intercept"])
        if self.kind == "kernel":
            return cast(
                NDArray[np.float64], self._kernel(Z) @ arrays["dual"].T + arrays["intercept"]
            )
        if self.kind in ("convnet", "convnet-frames"):
            return convnet_scores(Z, arrays)
        shares = neighbor_shares(
            Z,
            arrays["vectors"],
            arrays["numbers"],
            int(arrays["n_neighbors"]),
            len(self.about.classes),
        )
        return log_of_shares(shares)

    def _kernel(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = cdist(Z, self.arrays["vectors"], "sqeuclidean")
        return cast(NDArray[np.float64], np.exp(-self.arrays["gamma"] * squares))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n_clips, n_classes); rows sum to 1."""
        scores = self.scores(self.standardized(X))
        return cast(NDArray[np.float64], softmax(scores / self.temperature, axis=1))

    def energies(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the energy of each column of a standardized vector, shape (n_features,).

        It is that of the coefficients, up to clipping; 1 for columns that are not coefficients.
        """
        levels, arrays = self.arrays["levels"], self.arrays
        logarithm = np.maximum(z * arrays["scale"] + arrays["mean"], 0)
        coefficients = np.expm1(logarithm) * arrays["eps"] * levels
        return cast(NDArray[np.float64], np.where(np.isnan(levels), 1.0, coefficients**2))

    def relevance(self, z: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Attribute the score of a class, minus the mean of all classes, to features.

        Parameters
        ----------
        z : ndarray of float, shape (n_features,)
            Standardized vector.
        number : int
            Index of the class.

        Returns
        -------
        relevance : ndarray of float, shape (n_features,)
            Exact for a linear classifier, by integrated gradients for a kernel.

        Raises
        ------
        ModelError
            For other classifiers; see `scatseg.explain.permutation_importance`.
        """
        explaining(self)
        arrays = self.arrays
        if self.kind == "linear":
            return linear_relevance(arrays["coef"][number] - arrays["coef"].mean(axis=0), z)
        weights = arrays["dual"][number] - arrays["dual"].mean(axis=0)

        def gradient(points: NDArray[np.float64]) -> NDArray[np.float64]:
            parts = self._kernel(points) * weights
            towards = parts @ arrays["vectors"] - parts.sum(axis=1, keepdims=True) * points
            return cast(NDArray[np.float64], 2 * arrays["gamma"] * towards)

        return integrated_gradients(gradient, z)

    def reasons(self, z: NDArray[np.float64], number: int) -> list[Reason]:
        """Sum the relevance for a class by carriers, rates and directions, as `reasons_for`."""
        relevance = self.relevance(z, number)
        return reasons_for(relevance, self.about.names, Z=z, energy=self.energies(z))


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignModel:
    """A trained custom classifier.

    Parameters
    ----------
    about : Description
        Classes and features.
    estimator : Calibrated
        The calibrated custom classifier.
    """

    about: Description
    estimator: Any

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n_clips, n_classes); rows sum to 1."""
        return cast(NDArray[np.float64], self.estimator.predict_proba(X))


def explaining(model: Model | ForeignModel) -> Model:
    """Return a model that explains single clips; raise a ModelError if it does not."""
    if not isinstance(model, Model) or model.kind not in ("linear", "kernel"):
        msg = "only linear-svm, logistic and rbf-svm explain single clips"
        raise ModelError(msg)
    return model


def is_built_in(classifier: Calibrated) -> bool:
    """Return whether a classifier, fitted or not, converts to a `Model`, not a `ForeignModel`."""
    return type(classifier.estimator.named_steps["classify"]) in _BUILT_IN


def model_of(classifier: Calibrated, X: ArrayLike, about: Description) -> Model | ForeignModel:
    """Convert a fitted classifier to a model.

    Parameters
    ----------
    classifier : Calibrated
        A fitted classifier from `make_classifier`.
    X : array_like of float, shape (n_clips, n_features)
        Its training data, for the center of each class.
    about : Description
        Metadata; `classes` are in the order of the classifier.

    Returns
    -------
    model : Model or ForeignModel
        The latter if the classifier is custom.
    """
    if tuple(str(name) for name in classifier.classes_) != about.classes:
        msg = f"the classifier knows {list(classifier.classes_)}, described are {about.classes}"
        raise ModelError(msg)
    if not is_built_in(classifier):
        return ForeignModel(about=about, estimator=classifier)
    steps = classifier.estimator_.named_steps
    kind, arrays = _classifier_arrays(steps["classify"], len(about.classes))
    Z = classifier.estimator_[:-1].transform(np.asarray(X, dtype=np.float64))
    called = classifier.predict(X)
    overall = Z.mean(axis=0)
    centers = [
        Z[called == name].mean(axis=0) if (called == name).any() else overall
        for name in classifier.classes_
    ]
    arrays |= {
        "levels": steps["compress"].levels_,
        "eps": np.array(steps["compress"].eps),
        "mean": steps["standardize"].mean_,
        "scale": steps["standardize"].scale_,
        "limit": np.array(steps["clip"].limit),
        "centers": np.array(centers),
    }
    return Model(about=about, kind=kind, arrays=arrays, temperature=classifier.temperature_)


def _classifier_arrays(fitted: Any, n_classes: int) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return kind and arrays of a built-in classifier."""
    if type(fitted) in (LinearMarginClassifier, LogisticRegression):
        coef, intercept = fitted.coef_, fitted.intercept_
        if n_classes == 2:  # one row, for the second class
            coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
        return "linear", {"coef": coef, "intercept": intercept}
    if type(fitted) is RBFMarginClassifier:
        arrays = {
            "vectors": fitted.support_vectors_,
            "dual": fitted.dual_,
            "intercept": fitted.intercept_,
            "gamma": np.array(fitted.gamma_),
        }
        return "kernel", arrays
    if type(fitted) is NeighborsClassifier:
        arrays = {
            "vectors": fitted.vectors_,
            "numbers": fitted.numbers_,
            "n_neighbors": np.array(fitted.n_neighbors),
        }
        return "neighbors", arrays
    weights = dict(fitted.weights_)
    if n_classes == 2:  # expand to two scores of opposite sign
        for name in ("coef", "intercept"):
            lead = weights[name][1] - weights[name][0]
            weights[name] = np.stack([-lead, lead])
    return "convnet-frames" if "paths" in weights else "convnet", weights


def _check_arrays(model: Model) -> None:
    if model.kind not in _SHAPES:
        msg = f"a model is one of {', '.join(_SHAPES)}, got {model.kind!r}"
        raise ModelError(msg)
    shapes = {**_COMMON, **_SHAPES[model.kind]}
    if set(model.arrays) != set(shapes):
        different = sorted(set(model.arrays) ^ set(shapes))
        msg = f"a {model.kind} model needs the arrays {', '.join(sorted(shapes))}: see {different}"
        raise ModelError(msg)
    n_features = len(model.about.names)
    sizes = {"c": len(model.about.classes), "f": n_features, "1": 1, "w": WIDTH}
    sizes |= {"m": N_FILTERS[0], "n": N_FILTERS[1], "o": N_FILTERS[1] * n_places(n_features)}
    if "v" in "".join(shapes.values()):
        sizes["v"] = model.arrays["vectors"].shape[0] if model.arrays["vectors"].ndim else -1
    if "paths" in shapes:
        sizes |= _grid_sizes(model.arrays["paths"], n_features)
    for name, letters in shapes.items():
        array, expected = model.arrays[name], tuple(sizes[letter] for letter in letters)
        if array.shape != expected:
            msg = f"the array {name} must have shape {expected}, got {array.shape}"
            raise ModelError(msg)
        finite = np.isfinite(array) | (name == "levels")
        if not finite.all():
            msg = f"the array {name} must be finite"
            raise ModelError(msg)
    numbers = model.arrays.get("numbers", np.zeros(1, dtype=np.intp))
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= sizes["c"]:
        msg = "the array numbers must hold numbers of classes"
        raise ModelError(msg)
    positive = ("scale", "eps", "limit", "gamma", "n_neighbors")
    if not (
        model.temperature > 0 and all((model.arrays.get(k, np.ones(1)) > 0).all() for k in positive)
    ):
        msg = f"temperature, {', '.join(positive)} must be positive"
        raise ModelError(msg)


def _grid_sizes(paths: NDArray[Any], n_features: int) -> dict[str, int]:
    """Return the sizes of the network on frames."""
    try:
        check_paths(paths, n_features)
    except ValueError as error:
        raise ModelError(str(error)) from error
    n_channels, n_carriers = paths.shape
    return {
        "i": n_channels,
        "k": n_carriers,
        "g": reach(n_carriers),
        "q": N_FILTERS[1] * n_carriers,
    }
