"""Novelty or segment scores -> boundary frames: peak picking and dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy.linalg
import scipy.signal
from numpy.typing import NDArray

from scatseg.scattering.arguments import check_integer, check_positive
from scatseg.similarity import check_square, diagonal_sums, near_frames

_ROUNDING = 1e-9
"""Novelty at or below this is rounding error."""

_SAME_TIME = 1e-9  # seconds

_NEAR = 1 - 1e-6
"""Weight of hits at neighboring edges, just below 1 to break ties."""

# fmt: off
PHRASE_LENGTHS = np.array([
    256, 140, 189, 2615, 265, 166, 111, 2371, 320, 154, 27, 88, 17, 24, 12, 166, 8, 7, 2, 1,
    *[0] * 20,
]) + 5.0
PHRASE_LENGTHS /= PHRASE_LENGTHS.sum()
# fmt: on
"""Share of phrases of 1, 2, ... 40 bars in 340 popular songs with two annotators each, after
additive smoothing (S. Dai, H. Zhang and R. B. Dannenberg, "Automatic analysis and influence of
hierarchical structure on melody, rhythm and harmony in popular music", 2020)."""


def pick_boundaries(
    novelty: NDArray[np.floating],
    *,
    min_frames: int,
    granularity: float = 0.5,
    n_segments: int | None = None,
) -> NDArray[np.intp]:
    """Pick boundaries at the most prominent peaks of a novelty curve.

    Parameters
    ----------
    novelty : ndarray of float, shape (n_frames + 1,)
        Non-negative, on frame edges.
    min_frames : int
        Minimum number of frames per segment.
    granularity : float, default 0.5
        In [0, 1]. Keeps peaks with a prominence of at least (1 - granularity)**2 of the largest: 0
        keeps only the most prominent peak, 1 all. A larger value never removes a boundary.
    n_segments : int, optional
        Keep the most prominent peaks that make this many segments (or all peaks, if fewer) and
        ignore `granularity`.

    Returns
    -------
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames.

    Raises
    ------
    ValueError
        When granularity is outside [0, 1], min_frames or n_segments is not a positive integer, or
        the curve has another shape or is not finite.

    Examples
    --------
    >>> pick_boundaries(np.array([0, 1, 0, 0, 3, 0, 0, 2, 0.0]), min_frames=2, n_segments=3)
    array([0, 4, 8])
    """
    check_integer("min_frames", min_frames, 1)
    check_detail(granularity, n_segments)
    novelty = np.asarray(novelty)
    if novelty.ndim != 1 or not novelty.size:
        msg = f"novelty must have shape (n_frames + 1,), got {novelty.shape}"
        raise ValueError(msg)
    if not np.isfinite(novelty).all():
        edge = int(np.isfinite(novelty).argmin())
        msg = f"novelty must be finite, got {novelty[edge]} at edge {edge}"
        raise ValueError(msg)
    n_frames = len(novelty) - 1
    peaks, prominence = _spaced_peaks(novelty, min_frames)
    if n_segments is not None:
        kept = peaks[: n_segments - 1]
    elif peaks.size:
        kept = peaks[prominence >= (1 - granularity) ** 2 * prominence[0]]
    else:
        kept = peaks
    return np.concatenate([[0], np.sort(kept), [n_frames]]).astype(np.intp)


def check_detail(granularity: float, n_segments: int | None) -> None:
    """Raise a ValueError unless granularity is in [0, 1], n_segments a positive integer or None."""
    if not 0 <= granularity <= 1:
        msg = f"granularity must be in [0, 1], got {granularity}"
        raise ValueError(msg)
    if n_segments is not None:
        check_integer("n_segments", n_segments, 1)


def join_segments(
    boundary_frames: NDArray[np.intp], E: NDArray[np.floating], *, n_segments: int
) -> NDArray[np.intp]:
    """Merge the most similar adjacent segments until `n_segments` are left.

    Parameters
    ----------
    boundary_frames : ndarray of int, shape (n_before + 1,)
        Edge indices from 0 to n_frames, increasing.
    E : ndarray of float, shape (n_frames, n_dimensions)
        One point per frame. Segments are compared by the Euclidean distance of their means.
    n_segments : int
        Number of segments to keep, at least 1.

    Returns
    -------
    boundary_frames : ndarray of int, shape (min(n_before, n_segments) + 1,)
        A subset of the input, including the first and the last.

    Raises
    ------
    ValueError
        When n_segments is not a positive integer.

    Examples
    --------
    >>> E = np.array([0, 0, 1, 1, 9, 9.0])[:, None]
    >>> join_segments(np.array([0, 2, 4, 6]), E, n_segments=2)
    array([0, 4, 6])
    """
    check_integer("n_segments", n_segments, 1)
    while len(boundary_frames) - 1 > n_segments:
        means = np.array([E[start:stop].mean(axis=0) for start, stop in pairwise(boundary_frames)])
        steps = np.linalg.norm(np.diff(means, axis=0), axis=1)
        boundary_frames = np.delete(boundary_frames, np.argmin(steps) + 1)
    return boundary_frames


def repetition_scores(
    Z: NDArray[np.floating],
    *,
    n_copies: Sequence[int] = (2, 3),
    min_lag: int = 4,
    max_frames: int = 40,
) -> NDArray[np.float64]:
    """Score every candidate segment by how well it repeats elsewhere in the recording.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric z-scored similarity, 0 on average.
    n_copies : sequence of int, default (2, 3)
        Numbers of best repetitions to average over; the score is the mean over these numbers. A
        single repetition is often due to chance.
    min_lag : int, default 4
        Minimum lag in frames from a segment to its repetition, start to start. They never overlap.
    max_frames : int, default 40
        Longest segment to score; longer ones score 0.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: number of frames of the segment times its mean similarity to its
        repetitions along the diagonal. Non-negative; 0 without repetitions or if `start >= stop`.

    Examples
    --------
    Four different frames, three times:

    >>> Z = np.tile(np.eye(4), (3, 3))
    >>> repetition_scores(Z, n_copies=(2,))[[0, 0, 0], [3, 4, 5]]
    array([3., 4., 0.])
    """
    Z = check_square(Z)
    n = len(Z)
    sums = diagonal_sums(Z)
    scores = np.zeros((n + 1, n + 1))
    for length in range(1, min(max_frames, n // 2) + 1):
        negative = sums[:-length, :-length] - sums[length:, length:]  # to partition in place
        n_starts = len(negative)
        negative[near_frames(n_starts, max_lag=max(length, min_lag) - 1)] = 0
        most = min(max(n_copies), n_starts)
        negative.partition(most - 1, axis=1)
        best = np.maximum(-np.sort(negative[:, :most], axis=1), 0)
        start = np.arange(n_starts)
        scores[start, start + length] = np.mean(
            [best[:, :k].sum(axis=1) / k for k in n_copies], axis=0
        )
    return scores


def block_scores(Z: NDArray[np.floating], *, n_bands: int = 7) -> NDArray[np.float64]:
    """Score every candidate segment by its homogeneity (correlation block-matching).

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric z-scored similarity, 0 on average.
    n_bands : int, default 7
        Maximum lag in frames at which frames are compared, so that long sections may evolve. The
        reference found seven bars to be best.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: sum of Z over ordered pairs of different frames at most `n_bands`
        apart, divided by the number of frames. 0 if `start >= stop`.

    References
    ----------
    A. Marmoret, J. E. Cohen and F. Bimbot, "Barwise music structure analysis with the correlation
    block-matching segmentation algorithm", TISMIR 6(1), 2023.

    Examples
    --------
    >>> block_scores(np.ones((4, 4)))[0]
    array([0., 0., 1., 2., 3.])
    """
    Z = check_square(Z)
    n = len(Z)
    near = near_frames(n, max_lag=n_bands)
    np.fill_diagonal(near, False)
    sums = np.zeros((n + 1, n + 1))
    np.cumsum(np.where(near, Z, 0), axis=0, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, out=sums)
    before = np.diag(sums)
    inside = before[:, None] + before[None, :] - sums - sums.T
    length = np.maximum(np.arange(n + 1) - np.arange(n + 1)[:, None], 1)
    inside /= length
    return np.triu(inside, 1)


def length_scores(
    n_frames: int, *, frames_per_bar: int = 1, two_bars: float = 0.0
) -> NDArray[np.float64]:
    """Score every candidate segment by the log prior probability of its length.

    Parameters
    ----------
    n_frames : int
        Frames in the recording.
    frames_per_bar : int, default 1
        Frames per bar. Fractional numbers of bars are interpolated.
    two_bars : float, default 0
        In [0, 1]: probability that each estimated bar is actually two bars.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: logarithm of the share of phrases of this length (clipped to 1 to 40
        bars) in `PHRASE_LENGTHS`. 0 if `start >= stop`.

    Raises
    ------
    ValueError
        When `two_bars` is not a probability.
    """
    if not 0 <= two_bars <= 1:
        msg = f"two_bars must be a probability from 0 to 1, got {two_bars:g}"
        raise ValueError(msg)
    bars = np.arange(n_frames + 1) / frames_per_bar
    by_length = _log_share(bars)
    if two_bars:
        as_one, as_two = np.exp(by_length), np.exp(_log_share(2 * bars))
        by_length = np.log((1 - two_bars) * as_one + two_bars * as_two)
    return np.asarray(scipy.linalg.toeplitz(np.zeros(n_frames + 1), by_length))


def _log_share(n_bars: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the log share of phrases that last `n_bars`."""
    known = np.log(PHRASE_LENGTHS)
    return np.interp(n_bars, np.arange(1, len(known) + 1), known)


def best_boundaries(
    scores: NDArray[np.floating], *, cost: float = 0.0, n_segments: int | None = None
) -> NDArray[np.intp]:
    """Find the segmentation with the highest total score by dynamic programming.

    Parameters
    ----------
    scores : ndarray of float, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: total score of each candidate segment; the score of a boundary is
        added to its column. Minus infinity forbids a segment.
    cost : float, default 0
        Cost per segment: a higher cost never gives more segments.
    n_segments : int, optional
        Find the best segmentation with exactly this many segments (at most one per frame) and
        ignore `cost`.

    Returns
    -------
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames. Ties are broken in favor of a
        longer last segment.

    Raises
    ------
    ValueError
        When every segmentation (with `n_segments`, if given) contains a forbidden segment, scores
        are NaN, or n_segments is not a positive integer.

    Examples
    --------
    >>> scores = np.zeros((7, 7))
    >>> scores[0, 2] = scores[2, 6] = 3
    >>> best_boundaries(scores, cost=1)
    array([0, 2, 6])
    >>> best_boundaries(scores, cost=7)
    array([0, 6])
    >>> best_boundaries(scores, n_segments=3)
    array([0, 1, 2, 6])
    """
    scores = _checked(scores)
    n = len(scores) - 1
    if n_segments is not None:
        check_integer("n_segments", n_segments, 1)
        return _best_of_so_many(scores, min(n_segments, n))
    best = np.zeros(n + 1)
    came_from = np.zeros(n + 1, dtype=np.intp)
    for stop in range(1, n + 1):
        totals = best[:stop] + scores[:stop, stop] - cost
        came_from[stop] = totals.argmax()
        best[stop] = totals[came_from[stop]]
    _check_cover(best[n])
    boundary_frames = [n]
    while boundary_frames[-1] > 0:
        boundary_frames.append(int(came_from[boundary_frames[-1]]))
    return np.array(boundary_frames[::-1], dtype=np.intp)


def _best_of_so_many(scores: NDArray[np.floating], n_segments: int) -> NDArray[np.intp]:
    """Find the best segmentation with exactly `n_segments` segments."""
    n = len(scores) - 1
    best = np.full(n + 1, -np.inf)
    best[0] = 0
    came_from = np.zeros((n_segments, n + 1), dtype=np.intp)
    inside = np.where(np.tri(n + 1, k=-1).T > 0, scores, -np.inf)
    for i in range(n_segments):
        totals = best[:, None] + inside
        came_from[i] = totals.argmax(axis=0)
        best = totals.max(axis=0)
    _check_cover(best[n])
    boundary_frames = [n]
    for origins in came_from[::-1]:
        boundary_frames.append(int(origins[boundary_frames[-1]]))
    return np.array(boundary_frames[::-1], dtype=np.intp)


def _check_cover(score: float) -> None:
    """Raise a ValueError if the score of a segmentation is minus infinity or NaN."""
    if not score > -np.inf:
        msg = "every segmentation contains a forbidden segment, or scores are NaN"
        raise ValueError(msg)


def within(
    scores: NDArray[np.floating], boundary_frames: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Forbid segments that cross given boundaries, so that the segmentation refines them.

    Parameters
    ----------
    scores : ndarray of float, shape (n_frames + 1, n_frames + 1)
        As in `best_boundaries`.
    boundary_frames : ndarray of int
        Required boundaries, as edge indices.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        The input, with minus infinity where a given boundary is strictly inside the segment.

    Examples
    --------
    >>> best_boundaries(within(np.zeros((7, 7)), np.array([0, 2, 6])), cost=1)
    array([0, 2, 6])
    """
    edge = np.arange(len(scores))
    before = np.searchsorted(boundary_frames, edge, side="right")  # at or before each start
    until = np.searchsorted(boundary_frames, edge, side="left")  # before each stop
    return np.where(until[None, :] > before[:, None], -np.inf, scores)


def boundary_probabilities(
    scores: NDArray[np.floating], *, cost: float = 0.0, temperature: float = 1.0
) -> NDArray[np.float64]:
    """Compute the marginal probability of a boundary at each edge over all segmentations.

    Parameters
    ----------
    scores : ndarray of float, shape (n_frames + 1, n_frames + 1)
        As in `best_boundaries`.
    cost : float, default 0
        Cost per segment.
    temperature : float, default 1
        Positive. The probability of a segmentation is proportional to exp(total / temperature),
        where the total is its score less its costs.

    Returns
    -------
    probabilities : ndarray of float64, shape (n_frames + 1,)
        Probability of a boundary at each edge, 1 at both ends.

    Raises
    ------
    ValueError
        When every segmentation contains a forbidden segment, scores are NaN, or the temperature is
        not positive.

    Examples
    --------
    Two segmentations have equal scores, a third is forbidden:

    >>> scores = np.zeros((4, 4))
    >>> scores[0, 3] = scores[1, 3] = -np.inf
    >>> boundary_probabilities(scores)
    array([1. , 0.5, 1. , 1. ])
    """
    check_positive("temperature", temperature)
    scores = _checked(scores)
    n = len(scores) - 1
    weights = (scores - cost) / temperature
    until, since = np.zeros(n + 1), np.zeros(n + 1)
    for i in range(1, n + 1):
        until[i] = _log_sum(until[:i] + weights[:i, i])
        since[n - i] = _log_sum(since[n - i + 1 :] + weights[n - i, n - i + 1 :])
    _check_cover(until[n])
    return np.asarray(np.exp(until + since - until[n]))


def expected_hits(
    probabilities: NDArray[np.floating],
    edges: NDArray[np.floating],
    *,
    tolerances: Sequence[float] = (0.5, 3.0),
) -> NDArray[np.float64]:
    """Score segments by the expected number of boundary hits, for `best_boundaries`.

    The most probable segmentation need not have the best boundaries: segmentations of similar score
    may agree on some boundaries, or place them within the tolerance of each other. A selected
    boundary hits a true one at its own edge; other true boundaries between two consecutive selected
    ones, within the tolerance of either, are hit by those of the two that are not true themselves.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n_frames + 1,)
        Probability of a boundary at each edge, from `boundary_probabilities`.
    edges : ndarray of float, shape (n_frames + 1,)
        Seconds, increasing.
    tolerances : sequence of float, default (0.5, 3.0)
        Hit windows in seconds, to average over; by default those of `mir_eval.segment.evaluate`.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: expected hits at `stop`, and between `start` and `stop`. The ends of
        the recording hit nothing. 0 if `start >= stop`. A cost of 0.5 selects boundaries that are
        more likely hits than not; ties go to the more probable one.

    Examples
    --------
    A boundary at either 4 s or 5 s, and a certain one at 20 s:

    >>> edges, probable = np.array([0.0, 4, 5, 20, 30]), np.array([1, 0.45, 0.4, 1, 1])
    >>> best_boundaries(expected_hits(probable, edges), cost=0.5)
    array([0, 1, 3, 4])
    >>> best_boundaries(expected_hits(probable, edges, tolerances=(0.5,)), cost=0.5)
    array([0, 3, 4])
    """
    probabilities, edges = np.asarray(probabilities), np.asarray(edges)
    if probabilities.shape != edges.shape or edges.ndim != 1 or len(edges) < 2:
        msg = (
            "a probability for each edge is needed, both of shape (n_frames + 1,), "
            f"got shapes {probabilities.shape} and {edges.shape}"
        )
        raise ValueError(msg)
    n_edges = len(edges)
    at = np.concatenate([[0.0], probabilities[1:-1], [0.0]])
    free = np.concatenate([[0.0], 1 - at[1:-1], [0.0]])
    sums = np.concatenate([[0.0], np.cumsum(at)])
    scores = np.tile(at, (n_edges, 1))
    for tolerance in tolerances:
        first = np.searchsorted(edges, edges - tolerance - _SAME_TIME)
        after = np.searchsorted(edges, edges + tolerance + _SAME_TIME, side="right")
        after[0], first[-1] = 1, n_edges - 1  # the ends have no window
        # Sums until the end of the window after `start` and the beginning of that before `stop`.
        until = np.minimum.outer(sums[after], sums[:-1])
        since = np.maximum.outer(sums[1:], sums[first])
        near = (until - sums[1:, None]) + (sums[:-1] - since)
        near -= np.maximum(until - since, 0)
        scores += _NEAR * np.minimum(near, np.add.outer(free, free)) / len(tolerances)
    return np.triu(scores, 1)


def _checked(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return scores of candidate segments as an array; raise a ValueError unless it is square."""
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not scores.size:
        msg = f"scores must have shape (n_frames + 1, n_frames + 1), got {scores.shape}"
        raise ValueError(msg)
    return scores


def _log_sum(logarithms: NDArray[np.floating]) -> float:
    """Compute log(sum(exp(x))), about 40 times as fast as SciPy's on so few values."""
    largest = float(logarithms.max())
    return (
        largest + float(np.log(np.exp(logarithms - largest).sum()))
        if largest > -np.inf
        else largest
    )


def _spaced_peaks(
    novelty: NDArray[np.floating], min_frames: int
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Find peaks by decreasing prominence, `min_frames` or more from each other and both ends."""
    peaks = scipy.signal.find_peaks(novelty)[0]
    peaks = peaks[(peaks >= min_frames) & (peaks <= len(novelty) - 1 - min_frames)]
    prominence = scipy.signal.peak_prominences(novelty, peaks)[0]
    peaks, prominence = peaks[prominence > _ROUNDING], prominence[prominence > _ROUNDING]
    kept: list[int] = []
    free = np.ones(len(novelty), dtype=bool)
    for i in np.argsort(-prominence, kind="stable"):
        if free[peaks[i]]:
            kept.append(int(i))
            free[peaks[i] - min_frames + 1 : peaks[i] + min_frames] = False
    return peaks[kept], prominence[kept]
