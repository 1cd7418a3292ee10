"""Statistics of passages -> unit vectors whose inner products are similarities."""

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
"""Number of dimensions."""

_EPS = 0.1
"""Offset of the logarithm relative to the median."""

_LEAST = 0.03
"""Lower bound of medians, relative to the mean level of carriers."""

_FURTHEST = 5.0
"""Standard deviations at which columns are clipped."""

FLATTENING = 0.5
"""Exponent of whitening: 0 none, 1 full."""

_STEADY = 0.5
"""Lower bound of standard deviations in standardization, for nearly constant columns."""

_CONSTANT = 1e-6
"""Standard deviations below this are rounding errors."""


class ProjectionError(ValueError):
    """A stored projection that cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Compression, standardization and whitened PCA, fitted on a collection.

    Parameters
    ----------
    medians : ndarray of float64, shape (n_columns,)
        Reference levels of uncompressed columns; NaN for the others.
    means, scales : ndarray of float64, shape (n_columns,)
        Means and scales of the compressed columns.
    components : ndarray of float64, shape (n_dims, n_columns)
        Principal directions, unit rows.
    variances : ndarray of float64, shape (n_dims,)
        Variances along them, decreasing.
    """

    medians: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the vectors."""
        return len(self.components)

    def standardized(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compress and standardize statistics (n, n_columns); 0 is the mean."""
        values = np.array(X, dtype=np.float64)
        raw = np.isfinite(self.medians)
        values[:, raw] = np.log1p(np.maximum(values[:, raw], 0) / (_EPS * self.medians[raw]))
        return np.clip((values - self.means) / self.scales, -_FURTHEST, _FURTHEST)

    def __call__(self, X: ArrayLike, *, flattening: float = FLATTENING) -> NDArray[np.float32]:
        """Project statistics (n, n_columns) to unit vectors (n, n_dims).

        Parameters
        ----------
        X : array_like of float, shape (n, n_columns)
            Relative to their level, see `passages.relative`.
        flattening : float, default 0.5
            Exponent of whitening. Above 1, queries are less sensitive to spectral balance, and find
            recordings through a filter.
        """
        with one_thread():
            Z = self.standardized(X) @ self.components.T
        Z *= (self.variances / self.variances[0]) ** (-flattening / 2)
        lengths = np.linalg.norm(Z, axis=1, keepdims=True)
        vectors: NDArray[np.float64] = Z / np.maximum(lengths, np.finfo(np.float64).tiny)
        return vectors.astype(np.float32)

    def metric(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply standardized rows (n, n_columns) by the metric matrix.

        The cosine of two vectors is Z1 @ metric(Z2) over the square roots of Z1 @ metric(Z1) and
        Z2 @ metric(Z2).
        """
        weights = (self.variances / self.variances[0]) ** -FLATTENING
        pulled: NDArray[np.float64] = (Z @ self.components.T * weights) @ self.components
        return pulled

    def npz(self) -> bytes:
        """Serialize deterministically."""
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
    """Fit a projection on a collection.

    Parameters
    ----------
    X : array_like of float, shape (n_passages, n_columns)
        Statistics relative to their level.
    uncompressed : ndarray of bool, shape (n_columns,)
        Mask of columns to compress by log(1 + X / (0.1 median)), with the median of the column, at
        least 3 % of the mean level of carriers.
    n_dims : int, default 128
        Maximum number of dimensions; fewer for few passages.

    Returns
    -------
    projection : Projection
        Half-whitened principal components: between Euclidean and Mahalanobis distance.

    Raises
    ------
    ProjectionError
        When all statistics are 0.
    """
    values = np.array(X, dtype=np.float64)  # of 20,000 passages, 240 MB: the one copy that stays
    medians = np.full(values.shape[1], np.nan)
    if uncompressed.any():
        raw = values[:, uncompressed]
        medians[uncompressed] = median_levels(raw, _LEAST)
        np.maximum(raw, 0, out=raw)
        raw /= _EPS * medians[uncompressed]
        values[:, uncompressed] = np.log1p(raw, out=raw)
        del raw
    means = values.mean(axis=0)
    deviations = values.std(axis=0)
    scales = np.where(uncompressed, np.maximum(deviations, _STEADY), deviations)
    scales = np.where(scales > _CONSTANT, scales, 1.0)
    if not (deviations > _CONSTANT).any():  # all equal: do not subtract the mean
        means = np.zeros_like(means)
        scales = np.ones_like(scales)
    values -= means
    values /= scales
    Z = np.clip(values, -_FURTHEST, _FURTHEST, out=values)
    if not Z.any():
        msg = "all features are 0 in all recordings, so no passages can be told apart: use others"
        raise ProjectionError(msg)
    variances, components = _principal(Z, n_dims)
    return Projection(
        medians=medians, means=means, scales=scales, components=components, variances=variances
    )


def _principal(
    Z: NDArray[np.float64], n_dims: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the principal directions around 0, largest first, with deterministic signs."""
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
