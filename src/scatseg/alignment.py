"""Similarity of frames -> passages that are heard again, in whatever tempo."""

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
    """Where each passage of a recording is heard again.

    Parameters
    ----------
    scores : ndarray of float32, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`: by how much the frames of a passage are more alike than `usual` to
        those of its best copy, summed along the passage. 0 where there is no copy.
    first, stop : ndarray of int32, shape (n_frames + 1, n_frames + 1)
        The edges between which that copy lies.
    """

    scores: NDArray[np.float32]
    first: NDArray[np.int32]
    stop: NDArray[np.int32]


class _Paths(NamedTuple):
    """The best paths from one starting row each: score, and first column.

    Both have shape (n_starts, 2 + n_frames): two columns in front from which nothing can come.
    """

    score: NDArray[np.float32]
    first: NDArray[np.int32]

    def of(self, n_starts: int) -> _Paths:
        return _Paths(self.score[:n_starts], self.first[:n_starts])

    def earlier(self, n_columns: int) -> _Paths:
        """Look, from each column, at the one so many before it."""
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
    """Find a copy of every passage, by local alignment, and nearly always the best one.

    A passage is followed frame by frame, and its copy by one frame, by two, or by one for two: it
    may be up to twice as fast or as slow, and change its tempo at any time. Of all paths to one
    end the best is followed alone; where it overlaps the passage, that end is given up.
    Time grows with n_frames**2 * max_frames.

    Parameters
    ----------
    Z : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity, 0 for frames that are as alike as usual and 1 for a standard
        deviation more.
    max_frames : int
        Longest passage that is looked for.
    min_lag : int
        Fewest frames between the beginnings of a passage and of its copy. They never overlap.
    usual : float, default 1
        How alike the frames of a passage and of its copy are to be, or it counts against them.
    bend : float, default 0.3
        What it costs to take two frames for one, or one for two.

    Returns
    -------
    copies : Copies
        Of all passages of up to `max_frames` frames.

    References
    ----------
    T. F. Smith and M. S. Waterman, "Identification of common molecular subsequences", Journal of
    Molecular Biology 147(1), 1981. M. Müller, "Fundamentals of Music Processing", Springer, 2015,
    chapter 4, for paths in self-similarity.

    Examples
    --------
    Three different frames, and the same at half the speed:

    >>> heard = np.array([0, 1, 2, 0, 0, 1, 1, 2, 2])
    >>> Z = 3.0 * np.equal.outer(heard, heard)
    >>> copies = best_copies(Z, max_frames=3, min_lag=3)
    >>> copies.scores[0, 3].round(1), copies.first[0, 3], copies.stop[0, 3]
    (np.float32(5.7), np.int32(4), np.int32(8))
    """
    n = len(Z)
    gain = (Z - usual).astype(np.float32)
    column = np.arange(n, dtype=np.int32)
    copies = Copies(
        scores=np.zeros((n + 1, n + 1), dtype=np.float32),
        first=np.zeros((n + 1, n + 1), dtype=np.int32),
        stop=np.zeros((n + 1, n + 1), dtype=np.int32),
    )
    now, before = _nowhere(n), _nowhere(n)
    apart = np.abs(np.subtract.outer(column, column)) >= min_lag
    np.copyto(now.score[:, 2:], gain, where=apart)
    now.first[:, 2:] = column
    for length in range(1, min(max_frames, n) + 1):
        start = np.arange(n - length + 1)
        stop = start + length
        now = now.of(len(start))
        score, first = now.earlier(0)
        outside = first >= stop[:, None]
        outside |= column < start[:, None]
        end = np.where(outside, score, _NOWHERE).argmax(axis=1)
        found = outside[start, end] & (score[start, end] > 0)
        copies.scores[start, stop] = np.where(found, score[start, end], 0)
        copies.first[start, stop] = np.where(found, first[start, end], 0)
        copies.stop[start, stop] = np.where(found, end + 1, 0)
        before, now = now, _followed(now.of(n - length), before.of(n - length), bend)
        now.score[:, 2:] += gain[length:]
    return copies


def _nowhere(n: int) -> _Paths:
    score = np.full((n, n + 2), _NOWHERE, dtype=np.float32)
    return _Paths(score, np.zeros((n, n + 2), dtype=np.int32))


def _followed(now: _Paths, before: _Paths, bend: float) -> _Paths:
    """Take each path one row on, from wherever it is best to come from."""
    best = _Paths(np.empty_like(now.score), np.empty_like(now.first))
    best.score[:, :2], best.first[:, :2] = _NOWHERE, 0
    score, first = best.earlier(0)
    np.copyto(score, now.earlier(1).score)
    np.copyto(first, now.earlier(1).first)
    for other in (now.earlier(2), before.earlier(1)):
        bent = other.score - np.float32(bend)
        better = bent > score
        np.copyto(score, bent, where=better)
        np.copyto(first, other.first, where=better)
    return best


def label_by_copies(copies: Copies, boundary_frames: NDArray[np.integer]) -> tuple[str, ...]:
    """Give segments one label if one is the other's copy, or both are in a row of such.

    Parameters
    ----------
    copies : Copies
        From `best_copies`.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames.

    Returns
    -------
    labels : tuple of str, length n_segments
        "A" is the first heard. The copy of one segment is another where more than half of what
        both cover is common to both.
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
"""Score of a path that cannot be."""
