"""Vectors, labels and groups -> similarities under a metric learned from other groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import NeighborhoodComponentsAnalysis

from scatseg.classification import split

_FOLDS = 5
_DIMS = 16  # dimensions of the learned metric
_ITERATIONS = 30  # of the optimizer; more overfit the training groups


def learned_similarity(
    vectors: NDArray[np.floating],
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute similarities under a metric learned from labels.

    Neighborhood components analysis is cross-fitted on five folds, split by group.

    Parameters
    ----------
    vectors : ndarray of float, shape (n_items, n_dims)
        Rows.
    labels : sequence of str, length n_items
        Labels of items.
    groups : sequence of str, length n_items, or None
        Groups of items, which are not split.
    seed : int, default 0
        Seed of the folds and the fit.

    Returns
    -------
    similarity : ndarray of float64, shape (n_items, n_items)
        Negative distances from each query, under a metric not trained on its fold.

    References
    ----------
    J. Goldberger et al., "Neighbourhood components analysis", NeurIPS 2005.
    """
    names = np.array(labels)
    similarity = np.zeros((len(names), len(names)))
    n_folds = min(_FOLDS, len(set(groups))) if groups is not None else _FOLDS
    for train, test in split(names, groups=groups, n_folds=n_folds, seed=seed):
        metric = NeighborhoodComponentsAnalysis(
            n_components=min(_DIMS, vectors.shape[1]), max_iter=_ITERATIONS, random_state=seed
        )
        metric.fit(vectors[train], names[train])
        moved = metric.transform(vectors)
        similarity[test] = -cdist(moved[test], moved)
    return similarity
