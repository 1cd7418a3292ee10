"""Statistics of passages -> vectors of length 1 whose products are similarities."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.compression import median_levels
from scatseg.threads import one_thread

N_DIMS = 128
"""Dimensions that are kept."""

_EPS = 0.1
"""What counts as quiet, relative to what is usual."""

_LEAST = 0.03
"""Of the mean level of the carriers: what is usually below is as good as empty."""

_FURTHEST = 5.0
"""Standard deviations beyond which a column speaks no louder."""

_FLATTENING = 0.5
"""Power of the variances by which directions are evened out: 0 leaves them, 1 makes all equal."""

_STEADY = 0.5
"""Standard deviations below this are not evened out: hardly anything changes in such columns."""

_CONSTANT = 1e-6
"""Standard deviations below this are those of rounding."""


class ProjectionError(ValueError):
    """A stored projection that cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """What a collection says is usual, and the directions in which its passages differ.

    Parameters
    ----------
    medians : ndarray of float64, shape (n_columns,)
        Usual levels of uncompressed columns; NaN for the others.
    means, scales : ndarray of float64, shape (n_columns,)
        Of the compressed columns.
    components : ndarray of float64, shape (n_dims, n_columns)
        Principal directions, rows of length 1.
    variances : ndarray of float64, shape (n_dims,)
        Along them, falling.
    """

    medians: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]

    @property
    def n_dims(self) -> int:
        """Length of the vectors."""
        return len(self.components)

    def standardized(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compress and standardize statistics (n, n_columns); 0 is usual."""
        values = np.array(X, dtype=np.float64)
        raw = np.isfinite(self.medians)
        values[:, raw] = np.log1p(np.maximum(values[:, raw], 0) / (_EPS * self.medians[raw]))
        return np.clip((values - self.means) / self.scales, -_FURTHEST, _FURTHEST)

    def __call__(self, X: ArrayLike, *, flattening: float = _FLATTENING) -> NDArray[np.float32]:
        """Project statistics (n, n_columns) to vectors (n, n_dims) of length 1.

        Parameters
        ----------
        X : array_like of float, shape (n, n_columns)
            Relative to their level, see `passages.relative`.
        flattening : float, default 0.5
            How far large and small variances are evened out. A query of more than 1 pays little
            heed to how bright or loud its recording is, and finds it again through a filter.
        """
        with one_thread():
            Z = self.standardized(X) @ self.components.T
        Z *= (self.variances / self.variances[0]) ** (-flattening / 2)
        lengths = np.linalg.norm(Z, axis=1, keepdims=True)
        vectors: NDArray[np.float64] = Z / np.maximum(lengths, np.finfo(np.float64).tiny)
        return vectors.astype(np.float32)

    def metric(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply standardized rows (n, n_columns) by the matrix whose products are similarities.

        The cosine of two vectors is Z1 @ metric(Z2) over the roots of Z1 @ metric(Z1) and
        Z2 @ metric(Z2).
        """
        weights = (self.variances / self.variances[0]) ** -_FLATTENING
        pulled: NDArray[np.float64] = (Z @ self.components.T * weights) @ self.components
        return pulled

    def npz(self) -> bytes:
        """Write it, the same bytes every time."""
        data = io.BytesIO()
        np.savez(
            data,
            medians=self.medians,
            means=self.means,
            scales=self.scales,
            components=self.components,
            variances=self.variances,
        )
        return data.getvalue()


def fit_projection(
    X: ArrayLike, uncompressed: NDArray[np.bool_], *, n_dims: int = N_DIMS
) -> Projection:
    """Learn what is usual in a collection.

    Parameters
    ----------
    X : array_like of float, shape (n_passages, n_columns)
        Statistics relative to their level.
    uncompressed : ndarray of bool, shape (n_columns,)
        Which are compressed: log(1 + X / (0.1 median)), the median that of the column, at least 3 %
        of the mean level of the carriers.
    n_dims : int, default 128
        Directions that are kept, at most; fewer where passages are few.

    Returns
    -------
    projection : Projection
        Principal components, evened out by half: between those of Euclidean and those of
        Mahalanobis distance.
    """
    values = np.array(X, dtype=np.float64)
    medians = np.full(values.shape[1], np.nan)
    if uncompressed.any():
        medians[uncompressed] = median_levels(values[:, uncompressed], _LEAST)
        raw = values[:, uncompressed]
        values[:, uncompressed] = np.log1p(np.maximum(raw, 0) / (_EPS * medians[uncompressed]))
    means = values.mean(axis=0)
    deviations = values.std(axis=0)
    scales = np.where(uncompressed, np.maximum(deviations, _STEADY), deviations)
    scales = np.where(scales > _CONSTANT, scales, 1.0)
    Z = np.clip((values - means) / scales, -_FURTHEST, _FURTHEST)
    if not (deviations > _CONSTANT).any():  # all the same: any direction tells that
        means = np.zeros_like(means)
        Z = np.clip(values, -_FURTHEST, _FURTHEST)
        scales = np.ones_like(scales)
    variances, components = _principal(Z, n_dims)
    return Projection(
        medians=medians, means=means, scales=scales, components=components, variances=variances
    )


def _principal(
    Z: NDArray[np.float64], n_dims: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the directions of most variance around 0, largest first, their signs fixed."""
    with one_thread():
        if len(Z) < Z.shape[1]:
            variances, left = np.linalg.eigh(Z @ Z.T / len(Z))
            components = left.T @ Z
        else:
            variances, right = np.linalg.eigh(Z.T @ Z / len(Z))
            components = right.T
    there = variances[::-1] > 1e-9 * variances[-1]
    variances = variances[::-1][there][:n_dims]
    components = components[::-1][there][:n_dims]
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(len(components)), largest])[:, None]
    return variances, components


def read_projection(path: Path) -> Projection:
    """Read a stored projection.

    Raises
    ------
    ProjectionError
        When it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Projection(**{name: arrays[name] for name in Projection.__dataclass_fields__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{path}: the projection cannot be read ({error}); rebuild the index with --rebuild"
        raise ProjectionError(msg) from error
