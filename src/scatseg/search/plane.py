"""Vectors of recordings -> coordinates of a 2-D map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scatseg.writing import rows_as_csv


def plane(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Project vectors to their first two principal components.

    Parameters
    ----------
    vectors : ndarray of float, shape (n, n_dims)
        Unit vectors.

    Returns
    -------
    places : ndarray of float64, shape (n, 2)
        Principal components (classical scaling) with deterministic signs; 0 without variance.

    Examples
    --------
    >>> plane(np.eye(2)).round(3)
    array([[ 0.707, 0. ],
           [-0.707, 0. ]])
    """
    X = np.asarray(vectors, dtype=np.float64)
    X = X - X.mean(axis=0)
    left, lengths, _ = np.linalg.svd(X, full_matrices=False)
    places = np.zeros((len(X), 2))
    n_dims = min(2, int((lengths > 1e-9).sum()))
    places[:, :n_dims] = left[:, :n_dims] * lengths[:n_dims]
    sizes = np.abs(places)
    # Ties up to rounding are resolved by the first.
    largest = places[(sizes >= (1 - 1e-6) * sizes.max(axis=0)).argmax(axis=0), [0, 1]]
    turned: NDArray[np.float64] = places * np.where(largest < 0, -1.0, 1.0) + 0.0
    return turned


def plane_csv(ids: Sequence[str], labels: Sequence[str], places: NDArray[np.float64]) -> str:
    """Format coordinates as a table: track, label, x, y."""
    rows = [("track", "label", "x", "y")]
    for id_, label, (x, y) in zip(ids, labels, places, strict=True):
        rows.append((id_, label, f"{x:.6f}", f"{y:.6f}"))
    return rows_as_csv(rows)
