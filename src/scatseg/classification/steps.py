"""Vectors -> compressed, clipped, classified: the steps of a classifier, as estimators.

Estimators in the sense of scikit-learn; all that is learned (medians, scales, margins) comes from
what `fit` is given: within a cross-validation, from the training folds alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassifierMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg.transformers import MedianLogCompressor


class ColumnCompressor(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Compress some columns by their training medians, and leave the others as they are.

    Parameters
    ----------
    columns : bool or array_like of bool, shape (n_features,), default True
        Which columns hold uncompressed coefficients; True for all, False for none.
    eps : float, default 0.1
        See `MedianLogCompressor`.

    Attributes
    ----------
    levels_ : ndarray of float, shape (n_features,)
        Medians of the training set; NaN where nothing is compressed.
    """

    def __init__(self, columns: bool | ArrayLike = True, *, eps: float = 0.1) -> None:
        self.columns = columns
        self.eps = eps

    def fit(self, X: ArrayLike, y: object = None) -> ColumnCompressor:  # noqa: ARG002
        """Find the medians of the columns that are compressed.

        Parameters
        ----------
        X : array_like of float, shape (n_clips, n_features)
            Not negative in these columns.
        y : ignored
            For the sake of pipelines.

        Raises
        ------
        ValueError
            When `columns` does not fit X, or see `MedianLogCompressor`.
        """
        array = validate_data(self, X, dtype=[np.float64, np.float32])
        columns = np.asarray(self.columns)
        if columns.dtype != bool or (columns.ndim and columns.shape != (array.shape[1],)):
            msg = f"columns must be True, False or {array.shape[1]} of these, got {self.columns!r}"
            raise ValueError(msg)
        self.mask_: NDArray[np.bool_] = np.broadcast_to(columns, array.shape[1:]).copy()
        self.levels_ = np.full(array.shape[1], np.nan)
        self.compressor_ = MedianLogCompressor(self.eps)
        if self.mask_.any():
            self.compressor_.fit(array[:, self.mask_])
            self.levels_[self.mask_] = self.compressor_.levels_
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Compress these columns of X, shape (n_clips, n_features)."""
        check_is_fitted(self)
        array = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], copy=True)
        if self.mask_.any():
            array[:, self.mask_] = self.compressor_.transform(array[:, self.mask_])
        return cast(NDArray[np.floating], array)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that coefficients are not negative, and keep their precision."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Clipper(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keep standardized values within a limit, so that no clip is an outlier without bound.

    Parameters
    ----------
    limit : float, default 10
        In standard deviations of the training set. Positive.
    """

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: object = None) -> Clipper:  # noqa: ARG002
        """Check the limit; nothing is learned.

        Raises
        ------
        ValueError
            When the limit is not positive.
        """
        if not self.limit > 0:
            msg = f"limit must be positive, got {self.limit!r}"
            raise ValueError(msg)
        validate_data(self, X, dtype=[np.float64, np.float32])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Clip X, shape (n_clips, n_features), to +-limit."""
        array = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return cast(NDArray[np.floating], np.clip(array, -self.limit, self.limit))

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that nothing is learned and precision is kept."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class RBFMarginClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector machines with a Gaussian kernel, one per pair of classes, margins added up.

    Where pairs vote, a clip between two classes is one vote apart from either; added margins say
    by how much. Classes weigh alike however many clips they have.

    Parameters
    ----------
    C : float, default 10
        Weight of the errors against the width of the margin. Positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    gamma_ : float
        Of the kernel exp(-gamma ||x - x'||^2): 1 / (n_features * variance of X).
    support_vectors_ : ndarray of float, shape (n_vectors, n_features)
        What is compared with.
    dual_ : ndarray of float, shape (n_classes, n_vectors)
        Their weights in the sum of each class.
    intercept_ : ndarray of float, shape (n_classes,)
        What is added.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20(3), 1995.
    """

    def __init__(self, C: float = 10.0) -> None:
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> RBFMarginClassifier:
        """Find the margins between all pairs of classes.

        Parameters
        ----------
        X : array_like of float, shape (n_clips, n_features)
            Standardized.
        y : array_like of shape (n_clips,)
            Classes, at least two.
        """
        rows, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        n_classes = len(self.classes_)
        if n_classes < 2:
            msg = f"at least 2 classes are needed, got 1 class: {self.classes_[0]}"
            raise ValueError(msg)
        variance = float(rows.var())
        self.gamma_ = 1 / (rows.shape[1] * variance) if variance > 0 else 1.0
        machine = SVC(
            C=self.C, gamma=self.gamma_, class_weight="balanced", decision_function_shape="ovo"
        ).fit(rows, y)
        self.support_vectors_ = machine.support_vectors_
        self.dual_, self.intercept_ = _summed_margins(machine, n_classes)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Add up the margins of each class.

        Returns
        -------
        scores : ndarray of float, shape (n_clips, n_classes), (n_clips,) for two classes
            Mean margin over the pairs of the class; for two classes, of the second.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False)
        kernel = rbf_kernel(rows, self.support_vectors_, gamma=self.gamma_)
        scores = kernel @ self.dual_.T + self.intercept_
        return cast(NDArray[np.float64], scores[:, 1] if len(self.classes_) == 2 else scores)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Name the class with the largest margin of each row of X."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return cast(NDArray[Any], self.classes_[best])


def _summed_margins(
    machine: SVC, n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the weights of all pairs (i, j) for i, and against j.

    libsvm keeps, for a support vector of class i, its weight in the pair with class j in row j - 1
    where j > i and in row j where j < i.
    """
    n_pairs = n_classes - 1
    ends = np.concatenate([[0], np.cumsum(machine.n_support_)])
    dual = np.zeros((n_classes, ends[-1]))
    intercept = np.zeros(n_classes)
    # For two classes scikit-learn turns the sign, so that the second one is positive.
    sign = -1.0 if n_classes == 2 else 1.0
    for number, (i, j) in enumerate(combinations(range(n_classes), 2)):
        for here, row in ((i, j - 1), (j, i)):
            part = slice(ends[here], ends[here + 1])
            weights = sign * machine.dual_coef_[row, part]
            dual[i, part] += weights
            dual[j, part] -= weights
        intercept[i] += sign * machine.intercept_[number]
        intercept[j] -= sign * machine.intercept_[number]
    return dual / n_pairs, intercept / n_pairs


class LinearMarginClassifier(LinearSVC):  # type: ignore[misc]
    """Linear support vector machines, one per class, for rows that are wide.

    Rows are divided by the square root of their number of columns, so that C means the same for
    ten columns and for ten thousand. Classes weigh alike however many clips they have.

    Parameters
    ----------
    C : float, default 1
        Weight of the errors against the width of the margin. Positive.
    random_state : int, optional
        Of the solver.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features), (1, n_features) for two classes
        For rows as they are given.
    intercept_ : ndarray of float, shape (n_classes,) or (1,)
        What is added.
    """

    def __init__(self, C: float = 1.0, *, random_state: int | None = None) -> None:
        super().__init__(C=C, class_weight="balanced", max_iter=20_000, random_state=random_state)

    def fit(self, X: ArrayLike, y: ArrayLike) -> LinearMarginClassifier:
        """Find the margins of all classes of the rows of X, shape (n_clips, n_features)."""
        rows = validate_data(self, X, dtype=np.float64)
        scale = 1 / np.sqrt(rows.shape[1])
        super().fit(rows * scale, y)
        self.coef_ *= scale
        return self


class NeighborsClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The share of each class among the nearest clips of the training set.

    Parameters
    ----------
    n_neighbors : int, default 5
        Clips that are asked; all, where there are less. Positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    vectors_ : ndarray of float, shape (n_clips, n_features)
        The training set.
    numbers_ : ndarray of int, shape (n_clips,)
        Its classes.
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: ArrayLike, y: ArrayLike) -> NeighborsClassifier:
        """Remember the rows of X, shape (n_clips, n_features), and their classes y."""
        if not self.n_neighbors >= 1:
            msg = f"n_neighbors must be at least 1, got {self.n_neighbors!r}"
            raise ValueError(msg)
        self.vectors_, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, self.numbers_ = np.unique(labels, return_inverse=True)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return shares of the neighbors, shape (n_clips, n_classes); of equals the first are."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return neighbor_shares(
            rows, self.vectors_, self.numbers_, self.n_neighbors, len(self.classes_)
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Name the most frequent class among the neighbors of each row of X."""
        best = self.predict_proba(X).argmax(axis=1)
        return cast(NDArray[Any], self.classes_[best])


def neighbor_shares(
    X: NDArray[np.float64],
    vectors: NDArray[np.float64],
    numbers: NDArray[np.intp],
    n_neighbors: int,
    n_classes: int,
) -> NDArray[np.float64]:
    """Count the classes of the nearest vectors in Euclidean distance, as shares.

    Parameters
    ----------
    X, vectors : ndarray of float, shape (n_clips, n_features), (n_vectors, n_features)
        What is asked about, and what is asked.
    numbers : ndarray of int, shape (n_vectors,)
        Classes of the vectors.
    n_neighbors, n_classes : int
        How many are asked at most, and how many classes there are.

    Examples
    --------
    >>> vectors, numbers = np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 1])
    >>> neighbor_shares(np.array([[4.0]]), vectors, numbers, 2, 2)
    array([[0.5, 0.5]])
    """
    nearest = np.argsort(cdist(X, vectors), axis=1, kind="stable")[:, :n_neighbors]
    shares: NDArray[np.float64] = np.eye(n_classes)[numbers[nearest]].mean(axis=1)
    return shares
