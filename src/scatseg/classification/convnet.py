"""A small convolutional network over vectors or their frames, trained by torch, run by NumPy.

Frames of features are arranged on a grid of channels, carriers and time, see `path_grid`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg.counts import counted
from scatseg.features import FeatureName
from scatseg.threads import one_torch_thread

WIDTH, STRIDE = 9, 4
"""Width and stride of filters in columns, or in frames."""

HEIGHT = 3
"""Height of filters in carriers."""

N_FILTERS = (16, 32)
"""Number of filters of the two layers."""

Weights = Mapping[str, NDArray[Any]]


class ConvnetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two convolutions and a linear layer, trained with torch. Classes are weighted equally.

    On vectors, filters run along the columns, which are meant to be in the order of carriers, as in
    the features of this package. On frames, given `paths`, they run along time, and along carriers
    if there are several in a channel. What they find is averaged over time, so that delays matter
    little.

    Parameters
    ----------
    n_epochs : int, default 60
        Number of training epochs. Positive.
    paths : array_like of int, shape (n_channels, n_carriers), optional
        Arrangement of the paths, whose columns are `path * n_frames + frame`: the path of each
        channel and carrier, or -1 for none; from `path_grid`. By default, columns are not frames.
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
        "filters1", "bias1", "filters2", "bias2", "coef" and "intercept", and on frames "paths": see
        `convnet_scores`.

    Raises
    ------
    ImportError
        At `fit`, when torch is not installed.
    """

    def __init__(
        self,
        n_epochs: int = 60,
        *,
        paths: ArrayLike | None = None,
        learning_rate: float = 0.002,
        decay: float = 0.02,
        random_state: int | None = None,
    ) -> None:
        self.n_epochs = n_epochs
        self.paths = paths
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
        paths = None
        if self.paths is not None:
            paths = np.asarray(self.paths)
            check_paths(paths, rows.shape[1])
        check_torch()
        self.weights_ = _train(self, rows, numbers, paths)
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


def path_grid(names: Sequence[FeatureName]) -> NDArray[np.intp]:
    """Arrange the paths of frames as channels and carriers of the network.

    Parameters
    ----------
    names : sequence of FeatureName, length n_paths
        Names of the paths.

    Returns
    -------
    paths : ndarray of int, shape (n_channels, n_carriers)
        Index of the path of each channel and carrier, or -1. In joint scattering, the paths of one
        order, rate, scale and spin are a channel, in which carriers increase. If their carriers
        are not adjacent on one grid, as with F < 2**J_fr or next to other features, and for all
        other features, each path is a channel of its own: shape (n_paths, 1).

    Examples
    --------
    >>> joint = {"order": 2, "scale": 1.0, "spin": 1}
    >>> path_grid(
    ...     [
    ...         FeatureName("jtfs", i, carrier=carrier, modulation=rate, **joint)
    ...         for i, (carrier, rate) in enumerate([(880.0, 4.0), (440.0, 4.0), (880.0, 8.0)])
    ...     ]
    ... )
    array([[ 1,  0],
           [-1,  2]])
    """
    apart = np.arange(len(names))[:, None]
    channels: dict[tuple[object, ...], dict[float, int]] = {}
    for i, name in enumerate(names):
        if name.scale is None or name.carrier is None:
            return apart
        channel = (name.family, name.order, name.modulation, name.scale, name.spin)
        channels.setdefault(channel, {})[name.carrier] = i
    carriers = sorted({carrier for there in channels.values() for carrier in there})
    grid = np.array(
        [[there.get(carrier, -1) for carrier in carriers] for there in channels.values()]
    )
    # Between the first and the last carrier of a channel, none is missing.
    gaps = [np.diff(np.flatnonzero(row >= 0)).max(initial=1) > 1 for row in grid]
    return apart if any(gaps) or (grid >= 0).sum() < len(names) else grid


def check_paths(paths: NDArray[Any], n_features: int) -> None:
    """Check an arrangement of paths for vectors of `n_features`.

    Raises
    ------
    ValueError
        When it is not a grid that holds each path once, or the paths are not of equally many
        frames.
    """
    is_grid = paths.ndim == 2 and paths.size > 0 and paths.dtype.kind in "iu"
    there = np.sort(paths[paths >= 0]) if is_grid else np.empty(0)
    if not (len(there) and paths.min() >= -1 and np.array_equal(there, np.arange(len(there)))):
        msg = "paths must be a grid (n_channels, n_carriers) of -1 and each of 0 to n_paths - 1"
        raise ValueError(msg)
    if n_features % len(there):
        msg = f"{counted(n_features, 'column')} cannot be frames of {counted(len(there), 'path')}"
        raise ValueError(msg)


def convnet_scores(X: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Run the network on standardized vectors.

    Parameters
    ----------
    X : ndarray of float, shape (n_clips, n_features)
        Vectors.
    weights : mapping of str to ndarray
        "filters1" (n_filters1, 1, width), "bias1" (n_filters1,), "filters2" (n_filters2,
        n_filters1, width), "bias2" (n_filters2,), "coef" (n_classes, n_filters2 * n_places),
        "intercept" (n_classes,). On frames, also "paths" (n_channels, n_carriers); then, filters
        are (n_filters1, n_channels, height, width) and (n_filters2, n_filters1, height, width), and
        "coef" is (n_classes, n_filters2 * n_carriers).

    Returns
    -------
    scores : ndarray of float64, shape (n_clips, n_classes)
    """
    paths = weights.get("paths")
    hidden = _on_grid(X, paths)
    for layer in "12":
        filters = weights[f"filters{layer}"]
        filters = filters.reshape(*filters.shape[:2], -1, WIDTH)
        hidden = _convolved(hidden, filters, weights[f"bias{layer}"])
    if paths is not None:
        hidden = hidden.mean(axis=-1)
    flat = hidden.reshape(len(X), -1)
    return np.asarray(flat @ weights["coef"].T + weights["intercept"], dtype=np.float64)


def n_places(n_features: int) -> int:
    """Return the number of outputs of the second layer along columns."""
    for _ in N_FILTERS:
        n_features = (n_features - 1) // STRIDE + 1
    return n_features


def reach(n_carriers: int) -> int:
    """Return the height of filters on a grid of `n_carriers`."""
    return HEIGHT if n_carriers > 1 else 1


def _on_grid(X: NDArray[Any], paths: NDArray[Any] | None) -> NDArray[Any]:
    """Arrange vectors as (n_clips, n_channels, n_carriers, n_columns); 0 where there is no path."""
    if paths is None:
        return X[:, None, None]
    n_paths = int(paths.max()) + 1
    frames = X.reshape(len(X), n_paths, X.shape[1] // n_paths)
    return np.pad(frames, [(0, 0), (0, 1), (0, 0)])[:, paths]  # -1 is the last, added one


def _convolved(
    X: NDArray[np.floating], filters: NDArray[np.floating], bias: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Convolve (n, n_channels, n_carriers, n_columns) at stride 4 along columns, and rectify."""
    n_carriers, n_columns = X.shape[2:]
    n_filters, _, height, width = filters.shape
    beside = [(size // 2, size // 2) for size in (height, width)]
    padded = np.pad(X, [(0, 0), (0, 0), *beside])
    n_out = (n_columns - 1) // STRIDE + 1
    found = np.zeros((len(X), n_filters, n_carriers * n_out)) + bias[:, None]
    for row in range(height):
        for column in range(width):
            under = padded[:, :, row : row + n_carriers, column::STRIDE][..., :n_out]
            found += filters[:, :, row, column] @ under.reshape(*X.shape[:2], -1)
    found = found.reshape(len(X), n_filters, n_carriers, n_out)
    return np.asarray(np.maximum(found, 0))


def _train(
    options: ConvnetClassifier,
    X: NDArray[np.float64],
    numbers: NDArray[np.intp],
    paths: NDArray[Any] | None,
) -> dict[str, NDArray[Any]]:
    import torch

    n_classes = len(options.classes_)
    counts = np.bincount(numbers, minlength=n_classes)
    grid = _on_grid(X.astype(np.float32), paths)
    _, n_channels, n_carriers, n_columns = grid.shape
    height = reach(n_carriers)
    n_last = n_places(n_columns) if paths is None else n_carriers
    with torch.random.fork_rng(devices=[]), one_torch_thread():
        torch.manual_seed(0 if options.random_state is None else options.random_state)
        rows = torch.from_numpy(grid)
        targets = torch.tensor(numbers)
        first, second = (
            torch.nn.Conv2d(
                n_in,
                n_out,
                (height, WIDTH),
                stride=(1, STRIDE),
                padding=(height // 2, WIDTH // 2),
            )
            for n_in, n_out in ((n_channels, N_FILTERS[0]), N_FILTERS)
        )
        average = torch.nn.Identity() if paths is None else torch.nn.AdaptiveAvgPool2d((None, 1))
        network = torch.nn.Sequential(
            first, torch.nn.ReLU(), second, torch.nn.ReLU(), average, torch.nn.Flatten(),
            torch.nn.Dropout(0.5), torch.nn.Linear(N_FILTERS[1] * n_last, n_classes),
        )  # fmt: skip
        loss = torch.nn.CrossEntropyLoss(
            weight=torch.tensor(len(X) / (n_classes * counts), dtype=torch.float32)
        )
        n_batches = -(-len(X) // _BATCH)
        adam = torch.optim.AdamW(network.parameters(), weight_decay=options.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            adam, options.learning_rate, total_steps=int(options.n_epochs) * n_batches + 1
        )
        for _ in range(options.n_epochs):
            for batch in torch.split(torch.randperm(len(X)), _BATCH):
                adam.zero_grad()
                loss(network(rows[batch]), targets[batch]).backward()
                adam.step()
                schedule.step()
    names = ("filters1", "bias1", "filters2", "bias2", "coef", "intercept")
    learned = [each.detach().numpy().astype(np.float64) for each in network.parameters()]
    weights = dict(zip(names, learned, strict=True))
    if paths is not None:
        return {**weights, "paths": paths}
    for layer in "12":
        weights[f"filters{layer}"] = weights[f"filters{layer}"].squeeze(2)
    return weights


_BATCH = 32
"""Clips per step."""
