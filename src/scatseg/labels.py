"""Features or similarity, and boundary frames -> labels: which sections are the same again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from scatseg.scattering.arguments import check_integer
from scatseg.segmentation import letter_labels
from scatseg.similarity import centered, cosine, diagonal_sums
from scatseg.threads import one_thread


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

    Raises
    ------
    ValueError
        When boundaries do not increase from 0 to n_frames, or there is no such number of labels.
    """
    check_n_labels(n_labels)
    _check_boundaries(boundary_frames, len(X))
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
    """Give segments that repeat each other one label.

    Segments are merged by average linkage of their `segment_similarity`, the most alike first.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity of bars or of shorter frames, z-scored: 0 is as alike as two frames
        of this recording are on average, 1 a standard deviation more.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames, increasing.
    n_labels : int, optional
        How many different labels to use, at most n_segments.
    threshold : float, default 0.95
        Groups this similar or less stay apart, where `n_labels` is not given. Repetition may be so
        common that it is hardly above the average: the threshold is lowered into the first gap
        of at least 1 between the similarities at which groups would merge, if its upper end is
        above 0. Where no two frames differ more than others, all is "A".
    in_other_keys : ndarray of float, shape (n_segments, n_segments), optional
        How similar segments are when one is transposed, see `repeats_in_other_keys`; it counts
        where it is more.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first heard. Silent frames, 0 in all of Z, are like nothing else.

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
    different = Z[np.triu_indices(len(Z), 1)]
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
    """Compare every segment with every other as a whole, in order and in the same tempo.

    One segment slides along the other; the similarities of the frames that then coincide are
    summed, and the best position counts, among those in which half of the shorter segment
    coincides or more. The sum is divided by a mean of both lengths, so that frames without a
    counterpart count as 0.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Similarity of frames, 0 on average; each with itself and those after it is looked at.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices from 0 to n_frames, increasing.

    Returns
    -------
    similarity : ndarray of float64, shape (n_segments, n_segments)
        Symmetric, in units of Z: for segments of one length that repeat each other, the mean of
        Z along the repetition.

    Raises
    ------
    ValueError
        When the boundaries do not fit Z.

    Examples
    --------
    >>> Z = np.array([[4, -1, 2, 0], [-1, 4, 0, 2], [2, 0, 4, -1], [0, 2, -1, 4.0]])
    >>> segment_similarity(Z, np.array([0, 2, 4]))
    array([[4., 2.],
           [2., 4.]])
    """
    _check_frames(Z, boundary_frames)
    starts, lengths = boundary_frames[:-1], np.diff(boundary_frames)
    similarity = np.empty((len(lengths), len(lengths)))
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        others, at = lengths[i:], starts[i:] - start
        sums = diagonal_sums(Z[start : start + length, start:])
        # All lags at which this segment and another coincide somewhere, one other after the next.
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
    """Tell which segments are each other's repetition in another key.

    Chords that follow each other in a common way are alike in many keys, and so are
    segments of which little is heard but drums. One key is believed where it stands out from all
    others, from that in which they are heard among them.

    Parameters
    ----------
    by_shift : ndarray of float, shape (n_shifts, n_segments, n_segments)
        For each shift, how similar two segments are when one is transposed by it as a whole, see
        `segment_similarity`.
    shifts : sequence of int, length n_shifts
        Semitones, 0 among them; two or more.
    lengths : ndarray of float, shape (n_segments,)
        In bars. Segments shorter than `LEAST_IN_KEY` are no repetition in another key.
    handicap : float, default 0.5
        By how much the best shift of segments of four bars has to be better than the next; of
        longer ones by less, in inverse proportion to the root of their length, as chance goes.

    Returns
    -------
    similarity : ndarray of float64, shape (n_segments, n_segments)
        That of the best shift, where there is one and it is not 0; -inf elsewhere. Symmetric if
        those given are.

    Raises
    ------
    ValueError
        When there is nothing to tell a shift from.

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
"""Bars: shorter segments have too few notes to tell their key.

Of 5,044 pairs of found segments of 65 songs without a key change (POP909 and recorded ones) none
that is as similar as repetitions are has a shift that is better than the next by more than 0.19. Of
choruses of 22 songs that were moved by two semitones the right one is better by 0.64 in the median.
"""

_OF_LONGER = 0.75
"""How far the longer of two segments decides what their sum along a diagonal is divided by.

0: a part is as similar to the whole as another whole is; 1: only what covers the whole is. Chosen,
like the threshold, for pairwise F and V of up to 15 songs of POP909 and 12 recorded songs, with
annotated and with estimated boundaries, on bars and on half seconds; 0.5 does as well within 0.006.
"""

_GAP = 1.0
"""Standard deviations between what is merged and what is not that leave no doubt."""

_ROUNDING = 1e-9
"""Relative differences at or below this are rounding, not music."""


def _into_gap(merged_at: NDArray[np.float64], threshold: float) -> float:
    """Lower a threshold through the first wide gap below it whose upper end is above 0.

    What recurs in half of all pairs of frames cannot be more than one standard deviation above
    their mean; what it is told from then lies far below.

    Parameters
    ----------
    merged_at : ndarray of float, shape (n_segments - 1,)
        Similarities at which groups merge, decreasing.
    threshold : float
        What is returned where there is no such gap.
    """
    below = merged_at[merged_at <= threshold]
    upper, lower = below[:-1], below[1:]
    wide = np.flatnonzero((upper - lower >= _GAP) & (upper > 0))
    return float(lower[wide[0]]) if wide.size else threshold


def _average_linkage(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge the two groups that are nearest on average, again and again, as `scipy` describes."""
    merges: NDArray[np.float64] = hierarchy.linkage(squareform(distance, checks=False), "average")
    return merges


def _cut(merges: NDArray[np.float64], n_labels: int) -> tuple[str, ...]:
    """Stop merging at so many groups, or as many as there are segments, and name them."""
    n_segments = len(merges) + 1
    codes = hierarchy.cut_tree(merges, n_clusters=min(n_labels, n_segments))[:, 0]
    return letter_labels(codes.tolist())


def check_n_labels(n_labels: int | None) -> None:
    """Refuse what is not a whole number of labels, at least 1, with a ValueError."""
    if n_labels is not None:
        check_integer("n_labels", n_labels, 1)


def _check_frames(Z: NDArray[np.floating], boundary_frames: NDArray[np.integer]) -> None:
    """Refuse a matrix that is not square, and boundaries that do not fit it, with a ValueError."""
    if Z.ndim != 2 or Z.shape[0] != Z.shape[1]:
        msg = f"Z must have shape (n_frames, n_frames), got {Z.shape}"
        raise ValueError(msg)
    _check_boundaries(boundary_frames, len(Z))


def _check_boundaries(boundary_frames: NDArray[np.integer], n_frames: int) -> None:
    """Refuse what are no edges of segments of so many frames, with a ValueError."""
    edges = np.asarray(boundary_frames)
    is_whole = edges.ndim == 1 and len(edges) > 1 and edges.dtype.kind in "iu"
    if not is_whole or edges[0] != 0 or edges[-1] != n_frames or (np.diff(edges) <= 0).any():
        msg = f"boundary_frames must increase from 0 to {n_frames}, got {edges.tolist()}"
        raise ValueError(msg)


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
    with one_thread():
        codes: NDArray[np.intp] = k_means.fit_predict(E)
    return codes


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
    """Name each segment after the cluster of most of its frames.

    What the segment before is named after does not count, unless there is nothing else.

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
