"""The steps of a classifier as scikit-learn estimators: compression, clipping, classification."""

from __future__ import annotations

from itertools import combinations
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassifierMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg.transformers import MedianLogCompressor, frames_as_rows


class ColumnCompressor(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Compress some columns by their training medians; others are unchanged.

    Parameters
    ----------
    columns : bool or array_like of bool, shape (n_features,), default True
        Mask of columns with uncompressed coefficients; True for all, False for none.
    eps, n_frames
        See `MedianLogCompressor`. The frames of a feature are all compressed, or none.

    Attributes
    ----------
    levels_ : ndarray of float, shape (n_features,)
        Medians of the training set; NaN for columns that are not compressed.
    """

    def __init__(
        self, columns: bool | ArrayLike = True, *, eps: float = 0.1, n_frames: int = 1
    ) -> None:
        self.columns = columns
        self.eps = eps
        self.n_frames = n_frames

    def fit(self, X: ArrayLike, y: object = None) -> ColumnCompressor:  # noqa: ARG002
        """Compute the medians of the columns to compress.

        Parameters
        ----------
        X : array_like of float, shape (n_clips, n_features)
            Non-negative in these columns.
        y : ignored
            For compatibility with pipelines.

        Raises
        ------
        ValueError
            When `columns` does not match X, or as in `MedianLogCompressor`.
        """
        array = validate_data(self, X, dtype=[np.float64, np.float32])
        columns = np.asarray(self.columns)
        if columns.dtype != bool or (columns.ndim and columns.shape != (array.shape[1],)):
            msg = f"columns must be True, False or {array.shape[1]} of these, got {self.columns!r}"
            raise ValueError(msg)
        self.mask_: NDArray[np.bool_] = np.broadcast_to(columns, array.shape[1:]).copy()
        self.levels_ = np.full(array.shape[1], np.nan)
        self.compressor_ = MedianLogCompressor(self.eps, n_frames=self.n_frames)
        if self.mask_.any():
            self.compressor_.fit(array[:, self.mask_])
            self.levels_[self.mask_] = self.compressor_.levels_
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Compress the columns of X, shape (n_clips, n_features)."""
        check_is_fitted(self)
        array = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], copy=True)
        if self.mask_.any():
            array[:, self.mask_] = self.compressor_.transform(array[:, self.mask_])
        return cast(NDArray[np.floating], array)

    def __sklearn_tags__(self) -> Any:
        """Declare to scikit-learn that input is non-negative, and dtypes are preserved."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class FrameScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Standardize features by their mean and standard deviation over all frames and clips.

    Parameters
    ----------
    n_frames : int, default 1
        Number of adjacent columns that are frames of one feature; 1 standardizes columns.

    Attributes
    ----------
    mean_, scale_ : ndarray of float, shape (n_features,)
        Of each column, equal for the frames of a feature; as in scikit-learn's StandardScaler.
    """

    def __init__(self, n_frames: int = 1) -> None:
        self.n_frames = n_frames

    def fit(self, X: ArrayLike, y: object = None) -> FrameScaler:  # noqa: ARG002
        """Compute means and standard deviations.

        Parameters
        ----------
        X : array_like of float, shape (n_clips, n_features)
            Vectors.
        y : ignored
            For compatibility with pipelines.

        Raises
        ------
        ValueError
            When the number of columns is no multiple of `n_frames`.
        """
        array = validate_data(self, X, dtype=[np.float64, np.float32])
        fitted = StandardScaler().fit(frames_as_rows(array, self.n_frames))
        self.mean_: NDArray[np.float64] = np.repeat(fitted.mean_, self.n_frames)
        self.scale_: NDArray[np.float64] = np.repeat(fitted.scale_, self.n_frames)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Standardize X, shape (n_clips, n_features)."""
        check_is_fitted(self)
        array = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return cast(NDArray[np.floating], ((array - self.mean_) / self.scale_).astype(array.dtype))

    def __sklearn_tags__(self) -> Any:
        """Declare to scikit-learn that dtypes are preserved."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Clipper(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clip standardized values, to bound outliers.

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
        """Declare to scikit-learn that fitting is not needed, and dtypes are preserved."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class RBFMarginClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One-vs-one support vector machines with an RBF kernel and summed margins.

    Unlike votes, summed margins are continuous, and can be calibrated. Classes are weighted
    equally.

    Parameters
    ----------
    C : float, default 10
        Inverse regularization strength of the SVM. Positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    gamma_ : float
        Parameter of the kernel exp(-gamma ||x - x'||^2): 1 / (n_features * variance of X).
    support_vectors_ : ndarray of float, shape (n_vectors, n_features)
        Support vectors.
    dual_ : ndarray of float, shape (n_classes, n_vectors)
        Their weights in the sum of each class.
    intercept_ : ndarray of float, shape (n_classes,)
        Intercepts.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20(3), 1995.
    """

    def __init__(self, C: float = 10.0) -> None:
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> RBFMarginClassifier:
        """Fit a machine for each pair of classes.

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
        """Compute the summed margins of each class.

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
        """Return the class with the largest margin of each row of X."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return cast(NDArray[Any], self.classes_[best])


def _summed_margins(
    machine: SVC, n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the weights of all pairs (i, j), positive for i and negative for j.

    libsvm stores the weight of a support vector of class i in the pair with class j in row j - 1 if
    j > i, and in row j if j < i.
    """
    n_pairs = n_classes - 1
    ends = np.concatenate([[0], np.cumsum(machine.n_support_)])
    dual = np.zeros((n_classes, ends[-1]))
    intercept = np.zeros(n_classes)
    # For two classes, scikit-learn flips the sign, so that the second is positive.
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
    """One-vs-rest linear support vector machines for high-dimensional vectors.

    Rows are divided by the square root of the number of columns, so that C does not depend on it.
    Classes are weighted equally.

    Parameters
    ----------
    C : float, default 1
        Inverse regularization strength. Positive.
    random_state : int, optional
        Seed of the solver.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features), (1, n_features) for two classes
        Coefficients for unscaled rows.
    intercept_ : ndarray of float, shape (n_classes,) or (1,)
        Intercepts.
    """

    def __init__(self, C: float = 1.0, *, random_state: int | None = None) -> None:
        super().__init__(C=C, class_weight="balanced", max_iter=20_000, random_state=random_state)

    def fit(self, X: ArrayLike, y: ArrayLike) -> LinearMarginClassifier:
        """Fit a machine for each class on the rows of X, shape (n_clips, n_features)."""
        rows = validate_data(self, X, dtype=np.float64)
        scale = 1 / np.sqrt(rows.shape[1])
        super().fit(rows * scale, y)
        self.coef_ *= scale
        return self


class NeighborsClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A k-nearest-neighbors classifier.

    Parameters
    ----------
    n_neighbors : int, default 5
        Number of neighbors; at most all clips. Positive.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    vectors_ : ndarray of float, shape (n_clips, n_features)
        The training set.
    numbers_ : ndarray of int, shape (n_clips,)
        Class indices of the training set.
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: ArrayLike, y: ArrayLike) -> NeighborsClassifier:
        """Store the rows of X, shape (n_clips, n_features), and their classes y."""
        if not self.n_neighbors >= 1:
            msg = f"n_neighbors must be at least 1, got {self.n_neighbors!r}"
            raise ValueError(msg)
        self.vectors_, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, self.numbers_ = np.unique(labels, return_inverse=True)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return class shares among the neighbors, shape (n_clips, n_classes).

        Of equally distant neighbors, the first of the training set are used.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return neighbor_shares(
            rows, self.vectors_, self.numbers_, self.n_neighbors, len(self.classes_)
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most frequent class among the neighbors of each row of X."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])


def neighbor_shares(
    X: NDArray[np.float64],
    vectors: NDArray[np.float64],
    numbers: NDArray[np.intp],
    n_neighbors: int,
    n_classes: int,
) -> NDArray[np.float64]:
    """Compute the class shares among the nearest vectors in Euclidean distance.

    Parameters
    ----------
    X, vectors : ndarray of float, shape (n_clips, n_features), (n_vectors, n_features)
        Queries, and reference vectors.
    numbers : ndarray of int, shape (n_vectors,)
        Class indices of the reference vectors.
    n_neighbors, n_classes : int
        Maximum number of neighbors, and number of classes.

    Examples
    --------
    >>> vectors, numbers = np.array([[0.0], [1.0], [5.0]]), np.array([0, 0, 1])
    >>> neighbor_shares(np.array([[4.0]]), vectors, numbers, 2, 2)
    array([[0.5, 0.5]])
    """
    nearest = np.argsort(cdist(X, vectors), axis=1, kind="stable")[:, :n_neighbors]
    shares: NDArray[np.float64] = np.eye(n_classes)[numbers[nearest]].mean(axis=1)
    return shares
