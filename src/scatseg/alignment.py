"""Self-similarity -> repeated passages, up to twice as fast or slow, by local alignment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from scatseg.segmentation import letter_labels


@dataclass(frozen=True, eq=False, kw_only=True)
class Copies:
    """The best repetition of each passage of a recording.

    Parameters
    ----------
    scores : ndarray of float32, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: alignment score of the passage with its best repetition, the sum of
        Z minus `usual` along their frames, less `bend` for each bent step. 0 where there is none.
    first, stop : ndarray of int32, shape (n_frames + 1, n_frames + 1)
        First and last edge of that repetition.
    """

    scores: NDArray[np.float32]
    first: NDArray[np.int32]
    stop: NDArray[np.int32]


class _Paths(NamedTuple):
    """The best path from each starting row to each column: its score and first column.

    Both have shape (n_starts, 2 + n_frames); the first two columns are padding.
    """

    score: NDArray[np.float32]
    first: NDArray[np.int32]

    def of(self, n_starts: int) -> _Paths:
        return _Paths(self.score[:n_starts], self.first[:n_starts])

    def earlier(self, n_columns: int) -> _Paths:
        """Return the paths that end `n_columns` before each column."""
        columns = slice(2 - n_columns, self.score.shape[1] - n_columns)
        return _Paths(self.score[:, columns], self.first[:, columns])


def best_copies(
    Z: NDArray[np.floating],
    *,
    max_frames: int,
    min_lag: int,
    usual: float = 1.0,
    bend: float = 0.3,
) -> Copies:
    """Find the best repetition of every passage by local alignment.

    Paths through Z have steps (1, 1), (1, 2) and (2, 1), so a repetition may be up to twice as fast
    or slow, with any tempo changes. The search is greedy: only the best path to each end is kept,
    and dropped if it overlaps the passage, so in rare cases the best repetition is missed. Takes
    O(n_frames**2 * max_frames) time.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric z-scored similarity: 0 on average, 1 one standard deviation above.
    max_frames : int
        Longest passage.
    min_lag : int
        Minimum number of frames between the starts of a passage and its repetition, which never
        overlap.
    usual : float, default 1
        Subtracted from Z, so that less similar frames lower the score.
    bend : float, default 0.3
        Penalty of a (1, 2) or (2, 1) step.

    Returns
    -------
    copies : Copies
        Repetitions of all passages of up to `max_frames` frames.

    References
    ----------
    T. F. Smith and M. S. Waterman, "Identification of common molecular subsequences", Journal of
    Molecular Biology 147(1), 1981. M. Müller, "Fundamentals of Music Processing", Springer, 2015,
    chapter 4, for paths in self-similarity.

    Examples
    --------
    Three different frames, repeated at half the tempo:

    >>> heard = np.array([0, 1, 2, 0, 0, 1, 1, 2, 2])
    >>> Z = 3.0 * np.equal.outer(heard, heard)
    >>> copies = best_copies(Z, max_frames=3, min_lag=3)
    >>> copies.scores[0, 3].round(1), copies.first[0, 3], copies.stop[0, 3]
    (np.float32(5.7), np.int32(4), np.int32(8))
    """
    n = len(Z)
    gain = (Z - usual).astype(np.float32)
    copies = Copies(
        scores=np.zeros((n + 1, n + 1), dtype=np.float32),
        first=np.zeros((n + 1, n + 1), dtype=np.int32),
        stop=np.zeros((n + 1, n + 1), dtype=np.int32),
    )
    block = max(1, _CELLS // n)
    for first_row in range(0, n, block):
        rows = np.arange(first_row, min(first_row + block, n))
        _find_copies(copies, gain, rows, max_frames=max_frames, min_lag=min_lag, bend=bend)
    return copies


def _find_copies(
    copies: Copies,
    gain: NDArray[np.float32],
    starts: NDArray[np.intp],
    *,
    max_frames: int,
    min_lag: int,
    bend: float,
) -> None:
    """Fill in the best repetitions of the passages with the given starts, consecutive frames."""
    n = len(gain)
    column = np.arange(n, dtype=np.int32)
    now, before = _nowhere(len(starts), n), _nowhere(len(starts), n)
    apart = np.abs(np.subtract.outer(starts, column)) >= min_lag
    np.copyto(now.score[:, 2:], gain[starts], where=apart)
    now.first[:, 2:] = column
    for length in range(1, min(max_frames, n - int(starts[0])) + 1):
        start = starts[: n - length + 1 - int(starts[0])]
        stop = start + length
        row = np.arange(len(start))
        now = now.of(len(start))
        score, first = now.earlier(0)
        outside = first >= stop[:, None]
        outside |= column < start[:, None]
        scores_outside = score * outside  # faster than np.where, and only positive ones count
        end = scores_outside.argmax(axis=1)
        found = scores_outside[row, end] > 0
        copies.scores[start, stop] = np.where(found, score[row, end], 0)
        copies.first[start, stop] = np.where(found, first[row, end], 0)
        copies.stop[start, stop] = np.where(found, end + 1, 0)
        further = start[stop < n]
        before, now = now, _followed(now.of(len(further)), before.of(len(further)), bend)
        now.score[:, 2:] += gain[further + length]


def _nowhere(n_starts: int, n_frames: int) -> _Paths:
    score = np.full((n_starts, n_frames + 2), _NOWHERE, dtype=np.float32)
    return _Paths(score, np.zeros((n_starts, n_frames + 2), dtype=np.int32))


def _followed(now: _Paths, before: _Paths, bend: float) -> _Paths:
    """Extend all paths by one row, from the best predecessors."""
    best = _Paths(np.empty_like(now.score), np.empty_like(now.first))
    best.score[:, :2], best.first[:, :2] = _NOWHERE, 0
    score, first = best.earlier(0)
    np.copyto(score, now.earlier(1).score)
    np.copyto(first, now.earlier(1).first)
    for other in (now.earlier(2), before.earlier(1)):
        bent = other.score - np.float32(bend)
        better = bent > score
        np.maximum(score, bent, out=score)
        first += (other.first - first) * better  # faster than np.where
    return best


def label_by_copies(copies: Copies, boundary_frames: NDArray[np.integer]) -> tuple[str, ...]:
    """Label segments by repetition: connected components share a label.

    Parameters
    ----------
    copies : Copies
        From `best_copies`.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first to occur. A repetition matches a segment if their intersection over union
        is more than one half.
    """
    starts, stops = boundary_frames[:-1], boundary_frames[1:]
    n_segments = len(starts)
    alike = np.zeros((n_segments, n_segments), dtype=bool)
    for i, (start, stop) in enumerate(pairwise(boundary_frames)):
        if copies.scores[start, stop] > 0:
            first, last = copies.first[start, stop], copies.stop[start, stop]
            common = np.minimum(last, stops) - np.maximum(first, starts)
            covered = np.maximum(last, stops) - np.minimum(first, starts)
            alike[i] = common > covered / 2
    return letter_labels(connected_components(alike, directed=False)[1].tolist())


_NOWHERE = np.float32(-1e6)
"""Score of an impossible path."""

_CELLS = 1 << 17
"""Cells of a block of starts, which are independent of each other: few enough for the cache."""
