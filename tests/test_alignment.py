"""Repeated passages at known positions and tempi."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatseg.alignment import Copies, best_copies, label_by_copies


def likeness(*heard):
    """Similarity of frames with equal numbers is high, of all others low."""
    frames = np.concatenate([np.atleast_1d(part) for part in heard])
    return 4.0 * np.equal.outer(frames, frames) - 1


def every_path(Z, start, stop, first, *, usual, bend):
    """Score all paths from `first` exhaustively; return the best for each end."""
    ends = {}

    def walk(row, column, score):
        if row == stop - 1:
            ends[column + 1] = max(ends.get(column + 1, -np.inf), score)
            return
        for rows, columns, cost in ((1, 1, 0), (1, 2, bend), (2, 1, bend)):
            i, j = row + rows, column + columns
            if i < stop and j < len(Z):
                walk(i, j, score + Z[i, j] - usual - cost)

    walk(start, first, Z[start, first] - usual)
    return ends


@given(seed=st.integers(0, 10**6))
def test_scores_are_those_of_the_best_of_all_paths(seed):
    rng = np.random.default_rng(seed)
    Z = rng.normal(1, 2, size=(9, 9))
    Z = (Z + Z.T) / 2
    copies = best_copies(Z, max_frames=4, min_lag=3)
    for start in range(9):
        for stop in range(start + 1, min(start + 4, 9) + 1):
            best = earlier = 0.0
            for first in range(9):
                if abs(first - start) < 3:
                    continue
                ends = every_path(Z, start, stop, first, usual=1.0, bend=0.3)
                apart = [s for end, s in ends.items() if end <= start or first >= stop]
                best = max([best, *apart])
                earlier = max([earlier, *(s for end, s in ends.items() if end <= start)])
            # An overlapping path is rejected along with the worse paths to the same end; paths
            # that end before the passage cannot overlap.
            assert earlier - 1e-4 <= copies.scores[start, stop] <= best + 1e-4
            if copies.scores[start, stop] > 0:
                found = copies.first[start, stop], copies.stop[start, stop]
                ends = every_path(Z, start, stop, found[0], usual=1.0, bend=0.3)
                assert ends[found[1]] == pytest.approx(copies.scores[start, stop], abs=1e-4)


@pytest.mark.parametrize("slower", [1, 2])
def test_a_repetition_at_another_tempo_is_found(slower):
    tune = np.arange(12)
    Z = likeness(tune, 100 + np.arange(5), np.repeat(tune, slower))
    copies = best_copies(Z, max_frames=12, min_lag=4)
    assert copies.first[0, 12] - 17 in range(slower)
    assert copies.stop[0, 12] - (17 + 12 * slower) in range(1 - slower, 1)


def test_an_accelerating_copy_is_followed():
    tune = np.arange(30)
    hurried = np.concatenate([tune[:15], tune[15::2]])
    copies = best_copies(likeness(tune, hurried), max_frames=30, min_lag=4)
    assert (copies.first[0, 30], copies.stop[0, 30]) in ((30, 53), (30, 52))


def test_the_other_half_of_a_melody_is_no_copy():
    Z = likeness(np.arange(8), 50 + np.arange(8))
    assert not best_copies(Z, max_frames=16, min_lag=2).scores.any()


def test_a_passage_does_not_match_itself():
    Z = likeness(np.zeros(10))
    copies = best_copies(Z, max_frames=10, min_lag=1)
    start, stop = np.nonzero(copies.scores)
    first, last = copies.first[start, stop], copies.stop[start, stop]
    assert ((last <= start) | (first >= stop)).all()
    assert not copies.scores[0, 7:].any()


def test_no_passage_exceeds_the_maximum_length():
    copies = best_copies(likeness(np.arange(9), np.arange(9)), max_frames=5, min_lag=2)
    assert copies.scores[0, 5] == pytest.approx(10)
    assert not copies.scores[0, 6:].any()


def test_copies_share_a_label():
    a, b = np.arange(10), 30 + np.arange(14)
    Z = likeness(a, a, b, np.arange(60, 68), b)
    copies = best_copies(Z, max_frames=20, min_lag=4)
    assert label_by_copies(copies, np.array([0, 10, 20, 34, 42, 56])) == ("A", "A", "B", "C", "B")


@pytest.mark.parametrize(
    ("first", "stop", "labels"),
    [
        (20, 25, "ABCD"),  # half of C
        (20, 26, "ABAC"),
        (25, 30, "ABCD"),
        (24, 30, "ABAC"),
        (20, 40, "ABCD"),  # C and D, half of which are C
        (20, 39, "ABAC"),
        (11, 30, "ABAC"),
    ],
)
def test_a_repetition_is_a_segment_if_more_than_half_of_both_is_common(first, stop, labels):
    scores, firsts, stops = np.zeros((3, 41, 41), dtype=int)
    scores[0, 10], firsts[0, 10], stops[0, 10] = 1, first, stop
    copies = Copies(scores=scores, first=firsts, stop=stops)
    assert label_by_copies(copies, np.array([0, 10, 20, 30, 40])) == tuple(labels)
