"""A small convolutional network over the columns of a vector, trained by torch, run by NumPy."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg.threads import one_torch_thread

WIDTH, STRIDE = 9, 4
"""Width and stride of filters in columns."""

N_FILTERS = (16, 32)
"""Number of filters of the two layers."""

Weights = Mapping[str, NDArray[Any]]


class ConvnetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two convolutions along the columns and a linear layer, trained with torch.

    Meant for columns in the order of carriers, as in the features of this package. Classes are
    weighted equally.

    Parameters
    ----------
    n_epochs : int, default 60
        Number of training epochs. Positive.
    learning_rate : float, default 0.002
        Maximum learning rate of Adam, reached after a third of the epochs. Positive.
    decay : float, default 0.02
        Weight decay.
    random_state : int, optional
        Seed of initialization, order of clips and dropout; 0 by default.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    weights_ : dict of str to ndarray
        "filters1", "bias1", "filters2", "bias2", "coef" and "intercept": see `convnet_scores`.

    Raises
    ------
    ImportError
        At `fit`, when torch is not installed.
    """

    def __init__(
        self,
        n_epochs: int = 60,
        *,
        learning_rate: float = 0.002,
        decay: float = 0.02,
        random_state: int | None = None,
    ) -> None:
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.decay = decay
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> ConvnetClassifier:
        """Train on the rows of X, shape (n_clips, n_features), and their classes y."""
        if not (self.n_epochs >= 1 and self.learning_rate > 0):
            msg = (
                "n_epochs and learning_rate must be positive, got "
                f"{self.n_epochs!r} and {self.learning_rate!r}"
            )
            raise ValueError(msg)
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            msg = f"at least 2 classes are needed, got 1 class: {self.classes_[0]}"
            raise ValueError(msg)
        check_torch()
        self.weights_ = _train(self, rows, numbers)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return scores, shape (n_clips, n_classes), or (n_clips,) for two: second minus first."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        scores = convnet_scores(rows, self.weights_)
        return scores if len(self.classes_) > 2 else scores[:, 1] - scores[:, 0]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities before calibration, shape (n_clips, n_classes)."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return cast(NDArray[np.float64], softmax(convnet_scores(rows, self.weights_), axis=1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class with the highest score of each row of X."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])


def check_torch() -> None:
    """Check that torch is installed.

    Raises
    ------
    ImportError
        When torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        msg = "the convnet is trained with torch: install scatseg[torch], or take rbf-svm"
        raise ImportError(msg)


def convnet_scores(X: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Run the network on standardized vectors.

    Parameters
    ----------
    X : ndarray of float, shape (n_clips, n_features)
        Vectors.
    weights : mapping of str to ndarray
        "filters1" (n_filters1, 1, width), "bias1" (n_filters1,), "filters2" (n_filters2,
        n_filters1, width), "bias2" (n_filters2,), "coef" (n_classes, n_filters2 * n_places),
        "intercept" (n_classes,).

    Returns
    -------
    scores : ndarray of float64, shape (n_clips, n_classes)
    """
    hidden = _convolved(X[:, None, :], weights["filters1"], weights["bias1"])
    hidden = _convolved(hidden, weights["filters2"], weights["bias2"])
    flat = hidden.reshape(len(X), -1)
    return np.asarray(flat @ weights["coef"].T + weights["intercept"], dtype=np.float64)


def n_places(n_features: int) -> int:
    """Return the number of outputs of the second layer along columns."""
    for _ in N_FILTERS:
        n_features = (n_features - 1) // STRIDE + 1
    return n_features


def _convolved(
    X: NDArray[np.floating], filters: NDArray[np.floating], bias: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Convolve (n, n_channels, n_columns) with filters at stride 4, followed by ReLU."""
    padded = np.pad(X, [(0, 0), (0, 0), (WIDTH // 2, WIDTH // 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, WIDTH, axis=2)[:, :, ::STRIDE]
    found = np.einsum("ncpk,fck->nfp", windows, filters) + bias[:, None]
    return np.asarray(np.maximum(found, 0))


def _train(
    options: ConvnetClassifier, X: NDArray[np.float64], numbers: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    import torch

    n_classes = len(options.classes_)
    counts = np.bincount(numbers, minlength=n_classes)
    with torch.random.fork_rng(devices=[]), one_torch_thread():
        torch.manual_seed(0 if options.random_state is None else options.random_state)
        rows = torch.tensor(X, dtype=torch.float32)[:, None]
        targets = torch.tensor(numbers)
        first, second = (
            torch.nn.Conv1d(n_in, n_out, WIDTH, stride=STRIDE, padding=WIDTH // 2)
            for n_in, n_out in ((1, N_FILTERS[0]), N_FILTERS)
        )
        last = torch.nn.Linear(N_FILTERS[1] * n_places(X.shape[1]), n_classes)
        network = torch.nn.Sequential(
            first, torch.nn.ReLU(), second, torch.nn.ReLU(), torch.nn.Flatten(),
            torch.nn.Dropout(0.5), last,
        )  # fmt: skip
        loss = torch.nn.CrossEntropyLoss(
            weight=torch.tensor(len(X) / (n_classes * counts), dtype=torch.float32)
        )
        n_batches = -(-len(X) // _BATCH)
        adam = torch.optim.AdamW(network.parameters(), weight_decay=options.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            adam, options.learning_rate, total_steps=options.n_epochs * n_batches + 1
        )
        for _ in range(options.n_epochs):
            for batch in torch.split(torch.randperm(len(X)), _BATCH):
                adam.zero_grad()
                loss(network(rows[batch]), targets[batch]).backward()
                adam.step()
                schedule.step()
    names = ("filters1", "bias1", "filters2", "bias2", "coef", "intercept")
    learned = [each.detach().numpy().astype(np.float64) for each in network.parameters()]
    return dict(zip(names, learned, strict=True))


_BATCH = 32
"""Clips per step."""
