"""Features and boundary frames -> labels: which sections are the same again."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from scatseg.segmentation import letter_labels


def cluster_segments(
    X: NDArray[np.floating],
    boundary_frames: NDArray[np.integer],
    *,
    n_labels: int | None = None,
    threshold: float = 0.5,
) -> tuple[str, ...]:
    """Give segments that sound alike one label.

    Each segment is its mean vector, taken relative to the mean of the recording. Segments are
    merged by average linkage of their correlation distance, in [0, 2].

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames.
    n_labels : int, optional
        How many different labels to use, at most n_segments.
    threshold : float, default 0.5
        Clusters further apart stay apart, where `n_labels` is not given.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first heard.
    """
    n_segments = len(boundary_frames) - 1
    if n_segments == 1:
        return ("A",)
    means = np.array(
        [X[start:stop].mean(axis=0) for start, stop in itertools.pairwise(boundary_frames)],
        dtype=np.float64,
    )
    means -= X.mean(axis=0)
    norms = np.linalg.norm(means, axis=1)
    unit = means / np.where(norms > 0, norms, 1)[:, None]
    distance = 1 - unit @ unit.T
    np.fill_diagonal(distance, 0)

    from sklearn.cluster import AgglomerativeClustering

    clusters = AgglomerativeClustering(
        n_clusters=None if n_labels is None else min(n_labels, n_segments),
        distance_threshold=threshold if n_labels is None else None,
        metric="precomputed",
        linkage="average",
    ).fit_predict(np.maximum(distance, 0))
    return letter_labels(clusters)


def cluster_rows(E: NDArray[np.floating], *, n_clusters: int, seed: int = 0) -> NDArray[np.intp]:
    """Cluster frames by k-means.

    Parameters
    ----------
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame.
    n_clusters : int
        At most n_frames.
    seed : int, default 0
        Of the initialization.

    Returns
    -------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    """
    from sklearn.cluster import KMeans

    codes: NDArray[np.intp] = KMeans(
        n_clusters=n_clusters, n_init=5, random_state=seed
    ).fit_predict(E)
    return codes
