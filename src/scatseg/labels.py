"""Features or similarity, and boundary frames -> segment labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from scatseg.scattering.arguments import check_integer
from scatseg.segmentation import letter_labels
from scatseg.similarity import (
    centered,
    check_square,
    cosine,
    diagonal_sums,
    different_frames,
    frame_rows,
)
from scatseg.threads import one_thread


def cluster_segments(
    X: NDArray[np.floating],
    boundary_frames: NDArray[np.integer],
    *,
    n_labels: int | None = None,
    threshold: float = 0.5,
) -> tuple[str, ...]:
    """Label segments by clustering their mean feature vectors.

    Mean vectors are centered on the mean of the recording and clustered by average linkage of
    their cosine distance, in [0, 2].

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One vector per frame.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames.
    n_labels : int, optional
        Number of distinct labels, at most n_segments.
    threshold : float, default 0.5
        Distance from which on clusters are not merged, if `n_labels` is not given.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first to occur.

    Raises
    ------
    ValueError
        When boundaries do not increase from 0 to n_frames, or n_labels is not a positive integer.
    """
    X = frame_rows(X)
    check_n_labels(n_labels)
    boundary_frames = _checked(boundary_frames, len(X))
    if len(boundary_frames) == 2:
        return ("A",)
    means = np.array(
        [X[start:stop].mean(axis=0, dtype=np.float64) for start, stop in pairwise(boundary_frames)]
    )
    distance = np.maximum(1 - cosine(centered(means, around=X)), 0)
    merges = _average_linkage(distance)
    if n_labels is None:
        n_labels = len(means) - int(np.count_nonzero(merges[:, 2] < threshold))
    return _cut(merges, n_labels)


def label_by_repetition(
    Z: NDArray[np.floating],
    boundary_frames: NDArray[np.integer],
    *,
    n_labels: int | None = None,
    threshold: float = 0.95,
    in_other_keys: NDArray[np.floating] | None = None,
) -> tuple[str, ...]:
    """Label segments so that repetitions share a label.

    Segments are clustered by average linkage of their `segment_similarity`.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric z-scored similarity of bars or shorter frames: 0 is the mean over pairs of
        frames of this recording, 1 one standard deviation above.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames, increasing.
    n_labels : int, optional
        Number of distinct labels, at most n_segments.
    threshold : float, default 0.95
        Similarity above which clusters are merged, if `n_labels` is not given. In very repetitive
        music, repetitions are hardly above average: the threshold is lowered to the first gap of
        at least 1 between merge similarities whose upper end is above 0. If all pairs of frames
        are equally similar, every label is "A".
    in_other_keys : ndarray of float, shape (n_segments, n_segments), optional
        Similarity of segments under transposition, see `repeats_in_other_keys`; used where it is
        larger.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first to occur. Silent frames, 0 in all of Z, match nothing.

    Examples
    --------
    >>> form = np.repeat(list("ABAC"), 4)
    >>> place = np.tile(np.arange(4), 4)
    >>> S = np.equal.outer(form, form) & np.equal.outer(place, place)
    >>> different = S[~np.eye(16, dtype=bool)]
    >>> Z = (S - different.mean()) / different.std()
    >>> label_by_repetition(Z, np.array([0, 4, 8, 12, 16]))
    ('A', 'B', 'A', 'C')
    """
    check_n_labels(n_labels)
    similarity = segment_similarity(Z, boundary_frames)
    n_segments = len(similarity)
    if n_segments == 1:
        return ("A",)
    different = different_frames(Z)
    if n_labels is None and np.ptp(different) <= _ROUNDING * np.abs(different).max():
        return ("A",) * n_segments
    if in_other_keys is not None:
        similarity = np.maximum(similarity, in_other_keys)
    most = float(similarity.max())
    merges = _average_linkage(most - similarity)
    if n_labels is None:
        merged_at = most - merges[:, 2]
        alike = merged_at > _into_gap(merged_at, threshold)
        n_labels = n_segments - int(np.count_nonzero(alike))
    return _cut(merges, n_labels)


def segment_similarity(
    Z: NDArray[np.floating], boundary_frames: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Compute the similarity of every pair of segments along their best diagonal.

    One segment is shifted along the other and the similarities of aligned frames are summed; the
    best shift with an overlap of at least half the shorter segment is used. The sum is divided by
    a weighted geometric mean of both lengths, so that unmatched frames count as 0.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Similarity of frames, 0 on average; of pairs of segments, only the upper triangle is used.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames, increasing.

    Returns
    -------
    similarity : ndarray of float64, shape (n_segments, n_segments)
        Symmetric, in units of Z: for repetitions of equal length, the mean along the diagonal.

    Raises
    ------
    ValueError
        When Z is not square or the boundaries do not match it.

    Examples
    --------
    >>> Z = np.array([[4, -1, 2, 0], [-1, 4, 0, 2], [2, 0, 4, -1], [0, 2, -1, 4.0]])
    >>> segment_similarity(Z, np.array([0, 2, 4]))
    array([[4., 2.],
           [2., 4.]])
    """
    Z = check_square(Z)
    boundary_frames = _checked(boundary_frames, len(Z))
    starts, lengths = boundary_frames[:-1], np.diff(boundary_frames)
    similarity = np.empty((len(lengths), len(lengths)))
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        others, at = lengths[i:], starts[i:] - start
        sums = diagonal_sums(Z[start : start + length, start:])
        # All lags at which this segment overlaps another, concatenated over the others.
        n_lags = others + length - 1
        first = np.cumsum(n_lags) - n_lags
        lag = np.arange(n_lags.sum()) - np.repeat(first + length - 1, n_lags)
        row, column = np.maximum(-lag, 0), np.maximum(lag, 0)
        overlap = np.minimum(length - row, np.repeat(others, n_lags) - column)
        column += np.repeat(at, n_lags)
        path = sums[row + overlap, column + overlap] - sums[row, column]
        shorter, longer = np.minimum(others, length), np.maximum(others, length)
        path[2 * overlap < np.repeat(shorter, n_lags)] = -np.inf
        best = np.maximum.reduceat(path, first)
        similarity[i, i:] = best / (shorter ** (1 - _OF_LONGER) * longer**_OF_LONGER)
        similarity[i:, i] = similarity[i, i:]
    return similarity


def repeats_in_other_keys(
    by_shift: NDArray[np.floating],
    shifts: Sequence[int],
    lengths: NDArray[np.floating],
    *,
    handicap: float = 0.5,
) -> NDArray[np.float64]:
    """Find pairs of segments that repeat each other in another key.

    Common chord progressions are similar in many keys, and so are segments of little but drums. A
    transposition is therefore accepted only if its similarity stands out from that of all other
    shifts, including 0.

    Parameters
    ----------
    by_shift : ndarray of float, shape (n_shifts, n_segments, n_segments)
        For each shift, the similarity of two segments when one is transposed by it, see
        `segment_similarity`.
    shifts : sequence of int, length n_shifts
        Semitones, including 0; two or more.
    lengths : ndarray of float, shape (n_segments,)
        In bars. Segments shorter than `LEAST_IN_KEY` are never matched in another key.
    handicap : float, default 0.5
        Minimum lead of the best shift over the second best for segments of four bars; for longer
        ones it is inversely proportional to the square root of the length.

    Returns
    -------
    similarity : ndarray of float64, shape (n_segments, n_segments)
        Similarity at the best shift where it stands out and is not 0; -inf elsewhere. Symmetric if
        the input is.

    Raises
    ------
    ValueError
        When there are fewer than two shifts, or not one matrix per shift.

    Examples
    --------
    >>> by_shift = np.array([[[4, 0.2], [0.2, 4]], [[0, 0.3], [0.3, 0]], [[0, 2.1], [2.1, 0]]])
    >>> repeats_in_other_keys(by_shift, [0, 1, 2], np.array([8, 8]))
    array([[-inf,  2.1],
           [ 2.1, -inf]])
    """
    if len(by_shift) != len(shifts) or len(shifts) < 2:
        msg = (
            "by_shift must have a matrix for each of two shifts or more, got "
            f"{len(by_shift)} for {len(shifts)}"
        )
        raise ValueError(msg)
    shorter = np.minimum.outer(lengths, lengths)
    second, best = np.sort(by_shift, axis=0)[-2:]
    stands_out = best - second >= handicap * np.sqrt(LEAST_IN_KEY / shorter)
    is_moved = np.asarray(shifts)[by_shift.argmax(axis=0)] != 0
    return np.where(stands_out & is_moved & (shorter >= LEAST_IN_KEY), best, -np.inf)


LEAST_IN_KEY = 4.0
"""Bars: shorter segments have too few notes to identify a transposition.

Among 5,044 pairs of estimated segments of 65 songs without a key change (POP909 and recorded),
none that is as similar as repetitions has a shift that leads the next by more than 0.19. For
choruses of 22 songs transposed by two semitones, the median lead of the correct shift is 0.64.
"""

_OF_LONGER = 0.75
"""Weight of the longer of two segments in the geometric mean that normalizes a diagonal sum.

0: a part matches the whole as well as a full repetition does; 1: only full repetitions do. Chosen,
like the threshold, by pairwise F and V on up to 15 songs of POP909 and 12 recorded songs, with
annotated and estimated boundaries, on bars and half seconds; 0.5 is within 0.006.
"""

_GAP = 1.0
"""Minimum gap, in standard deviations, between merge similarities of repetitions and others."""

_ROUNDING = 1e-9
"""Relative differences at or below this are rounding errors."""


def _into_gap(merged_at: NDArray[np.float64], threshold: float) -> float:
    """Lower a threshold to the first wide gap below it whose upper end is above 0.

    If half of all pairs of frames repeat, repetitions are at most one standard deviation above
    the mean, and other pairs lie far below.

    Parameters
    ----------
    merged_at : ndarray of float, shape (n_segments - 1,)
        Similarities at which clusters merge, decreasing.
    threshold : float
        Returned unchanged if there is no such gap.
    """
    below = merged_at[merged_at <= threshold]
    upper, lower = below[:-1], below[1:]
    wide = np.flatnonzero((upper - lower >= _GAP) & (upper > 0))
    return float(lower[wide[0]]) if wide.size else threshold


def _average_linkage(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cluster by average linkage; the result is as in `scipy.cluster.hierarchy.linkage`."""
    merges: NDArray[np.float64] = hierarchy.linkage(squareform(distance, checks=False), "average")
    return merges


def _cut(merges: NDArray[np.float64], n_labels: int) -> tuple[str, ...]:
    """Cut the tree at `n_labels` clusters, at most one per segment, and name them."""
    n_segments = len(merges) + 1
    codes = hierarchy.cut_tree(merges, n_clusters=min(n_labels, n_segments))[:, 0]
    return letter_labels(codes.tolist())


def check_n_labels(n_labels: int | None) -> None:
    """Raise a ValueError unless n_labels is None or a positive integer."""
    if n_labels is not None:
        check_integer("n_labels", n_labels, 1)


def _checked(boundary_frames: NDArray[np.integer], n_frames: int) -> NDArray[np.integer]:
    """Return boundaries as an array; raise a ValueError unless they are from 0 to n_frames."""
    edges = np.asarray(boundary_frames)
    is_whole = edges.ndim == 1 and len(edges) > 1 and edges.dtype.kind in "iu"
    if not is_whole or edges[0] != 0 or edges[-1] != n_frames or (np.diff(edges) <= 0).any():
        msg = f"boundary_frames must increase from 0 to {n_frames}, got {edges.tolist()}"
        raise ValueError(msg)
    return edges


def cluster_rows(E: NDArray[np.floating], *, n_clusters: int, seed: int = 0) -> NDArray[np.intp]:
    """Cluster frames by k-means.

    Parameters
    ----------
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame.
    n_clusters : int
        Number of clusters; fewer if there are fewer distinct points.
    seed : int, default 0
        Seed of the initialization.

    Returns
    -------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    """
    from sklearn.cluster import KMeans

    # Points closer than this differ by rounding errors.
    E = np.asarray(E)
    grid = 1e-6 * float(np.abs(E).max()) or 1.0
    n_points = len(np.unique(np.round(E / grid), axis=0))
    k_means = KMeans(n_clusters=min(n_clusters, n_points), n_init=5, random_state=seed)
    # For so few points, several threads are slower than one.
    with one_thread():
        codes: NDArray[np.intp] = k_means.fit_predict(E)
    return codes


def absorb_short_runs(
    codes: NDArray[np.intp], E: NDArray[np.floating], *, min_frames: int
) -> NDArray[np.intp]:
    """Merge short runs into the more similar of their neighbors, shortest first.

    Parameters
    ----------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame. Runs are compared with the means of clusters.
    min_frames : int
        Minimum number of frames per run.

    Returns
    -------
    codes : ndarray of int, shape (n_frames,)
        Without runs shorter than `min_frames`, unless there is only one run.

    Examples
    --------
    >>> E = np.array([0, 0, 0, 4, 9, 9, 9.0])[:, None]
    >>> absorb_short_runs(np.array([0, 0, 0, 1, 2, 2, 2]), E, min_frames=2)
    array([0, 0, 0, 0, 2, 2, 2])
    """
    codes, E = np.array(codes), np.asarray(E)
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
    """Return the edges of runs of equal codes, including both ends.

    Examples
    --------
    >>> run_edges(np.array([3, 3, 0, 1, 1]))
    array([0, 2, 3, 5])
    """
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(np.intp)


def majority_labels(
    codes: NDArray[np.integer], boundary_frames: NDArray[np.integer]
) -> tuple[str, ...]:
    """Label each segment by the most frequent cluster of its frames.

    The cluster of the previous segment is not considered unless it is the only one.

    Parameters
    ----------
    codes : ndarray of int, shape (n_frames,)
        Cluster of each frame.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first to occur.

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
