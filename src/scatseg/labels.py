"""Features and boundary frames -> labels: which sections are the same again."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from scatseg.segmentation import letter_labels
from scatseg.similarity import centered, cosine


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
        Clusters at least so far apart stay apart, where `n_labels` is not given.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first heard.
    """
    if n_labels is not None and n_labels < 1:
        msg = f"n_labels must be at least 1, got {n_labels}"
        raise ValueError(msg)
    n_segments = len(boundary_frames) - 1
    if n_segments == 1:
        return ("A",)
    means = np.array(
        [X[start:stop].mean(axis=0, dtype=np.float64) for start, stop in pairwise(boundary_frames)]
    )
    distance = 1 - cosine(centered(means, around=X))
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
        How many; fewer are made where there are fewer different points.
    seed : int, default 0
        Of the initialization.

    Returns
    -------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    """
    from sklearn.cluster import KMeans

    # Points nearer to each other than this differ by rounding.
    grid = 1e-6 * float(np.abs(E).max()) or 1.0
    n_points = len(np.unique(np.round(E / grid), axis=0))
    k_means = KMeans(n_clusters=min(n_clusters, n_points), n_init=5, random_state=seed)
    # So few points take several threads longer than one.
    with _thread_pools().limit(limits=1, user_api="openmp"):
        codes: NDArray[np.intp] = k_means.fit_predict(E)
    return codes


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """Look for the pools once sklearn has loaded its own; to look takes milliseconds."""
    return ThreadpoolController()


def absorb_short_runs(
    codes: NDArray[np.intp], E: NDArray[np.floating], *, min_frames: int
) -> NDArray[np.intp]:
    """Give runs that are too short to the more similar of their neighbors, the shortest first.

    Parameters
    ----------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame. A run resembles the cluster whose mean is nearest.
    min_frames : int
        Fewest frames in a run that stays.

    Returns
    -------
    codes : ndarray of int, shape (n_frames,)
        With no run under `min_frames`, unless it is the only one.

    Examples
    --------
    >>> E = np.array([0, 0, 0, 4, 9, 9, 9.0])[:, None]
    >>> absorb_short_runs(np.array([0, 0, 0, 1, 2, 2, 2]), E, min_frames=2)
    array([0, 0, 0, 0, 2, 2, 2])
    """
    codes = codes.copy()
    while True:
        edges = run_edges(codes)
        lengths = np.diff(edges)
        shortest = int(np.argmin(lengths))
        if len(lengths) == 1 or lengths[shortest] >= min_frames:
            return codes
        start, stop = edges[shortest : shortest + 2]
        mean = E[start:stop].mean(axis=0)
        neighbors = [codes[i] for i in (start - 1, stop) if 0 <= i < len(codes)]
        distances = [np.linalg.norm(E[codes == code].mean(axis=0) - mean) for code in neighbors]
        codes[start:stop] = neighbors[np.argmin(distances)]


def run_edges(codes: NDArray[np.integer]) -> NDArray[np.intp]:
    """Find where the runs of equal codes meet, with both ends.

    Examples
    --------
    >>> run_edges(np.array([3, 3, 0, 1, 1]))
    array([0, 2, 3, 5])
    """
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(np.intp)


def majority_labels(
    codes: NDArray[np.integer], boundary_frames: NDArray[np.integer]
) -> tuple[str, ...]:
    """Name each segment after the cluster of most of its frames, unless its neighbor has it.

    Parameters
    ----------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first heard.

    Examples
    --------
    >>> majority_labels(np.array([5, 5, 5, 2, 2, 5]), np.array([0, 2, 5, 6]))
    ('A', 'B', 'A')
    """
    chosen: list[int] = []
    for start, stop in pairwise(boundary_frames):
        counts = np.bincount(codes[start:stop])
        if chosen and chosen[-1] < len(counts) and np.count_nonzero(counts) > 1:
            counts[chosen[-1]] = 0
        chosen.append(int(counts.argmax()))
    return letter_labels(chosen)
