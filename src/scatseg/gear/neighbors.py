"""Feature vectors and synthesis parameters -> evaluation by nearest neighbors and Isomap.

The only user of scikit-learn's neighbors and Isomap.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatseg.synth import Parameter

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Quantiles of ratios in an `Evaluation`."""

SIGN_NEIGHBORS = 5
"""Neighbors that vote for the sign of a parameter."""

_COMPONENTS = 3  # dimensions of the Isomap embedding


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The evaluation of a representation by nearest-neighbor regression of parameters.

    Parameters
    ----------
    parameters : tuple of Parameter
        Parameters of the sounds.
    theta : ndarray of float, shape (n_sounds, n_params)
        Their values.
    dim : int
        Dimension of the vectors.
    n_neighbors : int
        Nearest neighbors averaged, excluding the sound itself.
    n_duplicates : int
        Number of sounds whose vector is equal to that of another sound.
    errors : ndarray of float, shape (n_sounds, n_params)
        Estimate minus truth, with the mean on each parameter's scale as the estimate (the geometric
        mean on a logarithmic one): octaves of the absolute value on a logarithmic scale, fractions
        of the range on a linear one.
    errors_arithmetic : ndarray of float, shape (n_sounds, n_params)
        The same for arithmetic means.
    sign_accuracy : dict from str to float
        For each signed parameter, the share of sounds whose sign is that of the majority of the
        nearest `SIGN_NEIGHBORS`; ties count half.
    recall : float
        Share of neighbors that are also neighbors on the grid: as close as the K-th nearest there.
    embedding : ndarray of float, shape (n_sounds, 3)
        Isomap of the neighbor graph.
    n_components : int
        Connected components of the neighbor graph, joined by their nearest sounds before Isomap.
    isomap_r2 : dict from str to float
        For each parameter, R^2 of a linear regression of its position on its scale on the
        embedding.
    """

    parameters: tuple[Parameter, ...]
    theta: NDArray[np.floating]
    dim: int
    n_neighbors: int
    n_duplicates: int
    errors: NDArray[np.floating]
    errors_arithmetic: NDArray[np.floating]
    sign_accuracy: dict[str, float]
    recall: float
    embedding: NDArray[np.floating]
    n_components: int
    isomap_r2: dict[str, float]

    @property
    def error(self) -> dict[str, float]:
        """Mean absolute value of `errors` by parameter."""
        return self._named(np.abs(self.errors).mean(axis=0))

    @property
    def error_arithmetic(self) -> dict[str, float]:
        """Mean absolute value of `errors_arithmetic` by parameter."""
        return self._named(np.abs(self.errors_arithmetic).mean(axis=0))

    @property
    def error_octaves(self) -> dict[str, float]:
        """The entries of `error` that are in octaves."""
        on_log = {each.name for each in self.parameters if each.scale == "log"}
        return {name: value for name, value in self.error.items() if name in on_log}

    @property
    def ratios(self) -> NDArray[np.floating]:
        """Ratio of estimate to truth, shape (n_sounds, n_params); 1 is exact.

        On a linear scale, 1 plus the error.
        """
        on_log = np.array([each.scale == "log" for each in self.parameters])
        ratios: NDArray[np.floating] = np.where(on_log, 2**self.errors, 1 + self.errors)
        return ratios

    @property
    def ratio_quantiles(self) -> dict[str, list[float]]:
        """`QUANTILES` of the ratios by parameter."""
        quantiles = np.quantile(self.ratios, QUANTILES, axis=0)
        return {each.name: quantiles[:, i].tolist() for i, each in enumerate(self.parameters)}

    def _named(self, values: NDArray[np.floating]) -> dict[str, float]:
        return {each.name: float(v) for each, v in zip(self.parameters, values, strict=True)}


def examine(
    X: NDArray[np.floating],
    theta: NDArray[np.floating],
    parameters: Sequence[Parameter],
    *,
    n_neighbors: int = 40,
) -> Evaluation:
    """Evaluate feature vectors by nearest-neighbor regression of parameters.

    Parameters
    ----------
    X : ndarray of float, shape (n_sounds, dim)
        One vector per sound; distances are Euclidean.
    theta : ndarray of float, shape (n_sounds, n_params)
        Parameters of the sounds.
    parameters : sequence of Parameter, length n_params
        Their ranges and scales.
    n_neighbors : int, default 40
        Number of nearest neighbors, less than the number of sounds.

    Raises
    ------
    ValueError
        When shapes do not match, there are too few sounds, X or theta is not finite, a parameter on
        a logarithmic scale is 0, or all rows of X are equal.

    References
    ----------
    V. Lostanlen et al., "From HEAR to GEAR: generative evaluation of audio representations",
    PMLR 166, 2022. J. Tenenbaum, V. de Silva and J. Langford, "A global geometric framework for
    nonlinear dimensionality reduction", Science 290, 2000.

    Examples
    --------
    >>> parameters = (Parameter("f", "Hz", 1.0, 8.0),)
    >>> theta = 2.0 ** np.arange(4)[:, None]
    >>> evaluation = examine(np.log(theta), theta, parameters, n_neighbors=2)
    >>> evaluation.ratios[:, 0]
    array([2.83, 1. , 1. , 0.35])
    """
    X, theta = np.asarray(X), np.array(theta)
    _check(X, theta, parameters, n_neighbors)
    neighbors = _nearest(X, n_neighbors)
    _, same = np.unique(X, axis=0, return_counts=True)
    places = coordinates(theta, parameters)
    embedding, n_components = _isomap(X, n_neighbors)
    return Evaluation(
        parameters=tuple(parameters),
        theta=theta,
        dim=X.shape[1],
        n_neighbors=n_neighbors,
        n_duplicates=int(same[same > 1].sum()),
        errors=_errors(theta, neighbors, parameters, geometric=True),
        errors_arithmetic=_errors(theta, neighbors, parameters, geometric=False),
        sign_accuracy=_sign_accuracy(theta, neighbors, parameters),
        recall=_recall(places, neighbors),
        embedding=embedding,
        n_components=n_components,
        isomap_r2={
            each.name: _explained(embedding, places[:, i]) for i, each in enumerate(parameters)
        },
    )


def coordinates(
    theta: NDArray[np.floating], parameters: Sequence[Parameter]
) -> NDArray[np.float64]:
    """Compute the coordinates of sounds on the grid: parameters on their scales, in [0, 1].

    The gap between positive and negative values is that between neighbors of one sign, so that a
    signed grid is even.

    Examples
    --------
    >>> gamma = Parameter("gamma", "octaves/s", 1.0, 4.0, either_sign=True)
    >>> coordinates(np.array([[-4.0], [-2.0], [-1.0], [1.0], [2.0], [4.0]]), [gamma])[:, 0]
    array([0. , 0.2, 0.4, 0.6, 0.8, 1. ])
    """
    theta = np.asarray(theta)
    columns = []
    for i, each in enumerate(parameters):
        values = theta[:, i].astype(np.float64)
        place = np.asarray(each.encode(values), dtype=np.float64)
        if each.scale == "log" and (values < 0).any():
            steps = np.diff(np.unique(place.round(9)))
            place = np.sign(values) * (place - place.min() + (steps.min() if len(steps) else 1) / 2)
        width = np.ptp(place)
        columns.append((place - place.min()) / (width if width > 0 else 1.0))
    return np.stack(columns, axis=1)


def chance(n_sounds: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Generate uninformative vectors: independent and normal, shape (n_sounds, 3)."""
    return np.random.default_rng(seed).standard_normal((n_sounds, _COMPONENTS))


def _check(
    X: NDArray[np.floating],
    theta: NDArray[np.floating],
    parameters: Sequence[Parameter],
    n_neighbors: int,
) -> None:
    if X.ndim != 2 or theta.shape != (len(X), len(parameters)):
        msg = (
            f"X (n_sounds, dim) needs theta (n_sounds, {len(parameters)}), "
            f"got {X.shape} and {theta.shape}"
        )
        raise ValueError(msg)
    check_neighbors(n_neighbors, len(X))
    if not np.isfinite(X).all():
        msg = f"a representation must be finite, got {X[~np.isfinite(X)][0]}"
        raise ValueError(msg)
    for i, each in enumerate(parameters):
        wrong = ~np.isfinite(theta[:, i]) | ((theta[:, i] == 0) & (each.scale == "log"))
        if wrong.any():
            needed = "finite and not 0" if each.scale == "log" else "finite"
            msg = f"values of {each.name} must be {needed}, got {theta[wrong, i][0]}"
            raise ValueError(msg)
    if (X[0] == X).all():
        msg = f"all {len(X)} sounds have the same vector: it encodes no parameter"
        raise ValueError(msg)


def check_neighbors(n_neighbors: int, n_sounds: int) -> None:
    """Check the number of neighbors.

    Raises
    ------
    ValueError
        When there are fewer other sounds; the message names the maximum.
    """
    if n_sounds <= _COMPONENTS:
        msg = f"the test needs more than {_COMPONENTS} sounds, got {n_sounds}"
        raise ValueError(msg)
    if not 1 <= n_neighbors < n_sounds:
        msg = f"{n_sounds} sounds have 1 to {n_sounds - 1} neighbors, got {n_neighbors}: "
        msg += "take fewer (--neighbors), or more sounds"
        raise ValueError(msg)


def _nearest(X: NDArray[np.floating], n_neighbors: int) -> NDArray[np.intp]:
    """Return the indices of the nearest other sounds, (n_sounds, n_neighbors)."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(X)
    neighbors: NDArray[np.intp] = search.kneighbors(return_distance=False)
    return neighbors


def _errors(
    theta: NDArray[np.floating],
    neighbors: NDArray[np.intp],
    parameters: Sequence[Parameter],
    *,
    geometric: bool,
) -> NDArray[np.float64]:
    columns = []
    for i, each in enumerate(parameters):
        sizes = np.abs(theta[:, i]) if each.scale == "log" else theta[:, i]
        if geometric:
            estimate = each.encode(sizes)[neighbors].mean(axis=1)
        else:
            estimate = each.encode(sizes[neighbors].mean(axis=1))
        columns.append(estimate - each.encode(sizes))
    return np.stack(columns, axis=1)


def _sign_accuracy(
    theta: NDArray[np.floating], neighbors: NDArray[np.intp], parameters: Sequence[Parameter]
) -> dict[str, float]:
    accuracy = {}
    for i, each in enumerate(parameters):
        signs = np.sign(theta[:, i])
        if signs.min() < 0 < signs.max():
            votes = signs[neighbors[:, :SIGN_NEIGHBORS]].sum(axis=1)
            accuracy[each.name] = float((1 + np.sign(votes) * signs).mean() / 2)
    return accuracy


def _recall(places: NDArray[np.float64], neighbors: NDArray[np.intp]) -> float:
    """Compute the share of neighbors as close on the grid as the K-th nearest there."""
    n_neighbors = neighbors.shape[1]
    found = 0
    for i, near in enumerate(neighbors):
        away = np.linalg.norm(places - places[i], axis=1)
        others = np.delete(away, i)
        limit = np.partition(others, n_neighbors - 1)[n_neighbors - 1]
        found += int((away[near] <= limit * (1 + 1e-9)).sum())  # ties up to rounding
    return found / neighbors.size


def _isomap(X: NDArray[np.floating], n_neighbors: int) -> tuple[NDArray[np.floating], int]:
    """Compute the Isomap embedding, and the number of connected components."""
    from scipy.sparse.csgraph import connected_components
    from sklearn.manifold import Isomap

    isomap = Isomap(n_neighbors=n_neighbors, n_components=_COMPONENTS, neighbors_algorithm="brute")
    with warnings.catch_warnings():
        # Components are joined and counted here; SciPy warns about sparse formats.
        warnings.filterwarnings("ignore", message="The number of connected components")
        warnings.filterwarnings("ignore", message="Changing the sparsity structure")
        embedding = isomap.fit_transform(X)
    graph = isomap.nbrs_.kneighbors_graph(n_neighbors=n_neighbors)
    return embedding, int(connected_components(graph, directed=False)[0])


def _explained(embedding: NDArray[np.floating], place: NDArray[np.float64]) -> float:
    """Compute R^2 of a linear regression; 0 without variance."""
    centered = place - place.mean()
    total = float(centered @ centered)
    if total == 0:
        return 0.0
    columns = embedding - embedding.mean(axis=0)
    weights = np.linalg.lstsq(columns, centered, rcond=None)[0]
    rest = centered - columns @ weights
    return 1 - float(rest @ rest) / total
