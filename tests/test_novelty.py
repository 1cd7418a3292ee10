"""Novelty on frame edges: peaks where blocks meet, zero for constants."""

import numpy as np
import pytest

from scatseg.novelty import checkerboard_novelty, structure_novelty

EDGES = [0, 20, 45, 60]


def blocks(edges=EDGES, labels="ABA"):
    """Similarity 1 within a label and 0 across."""
    codes = np.repeat([ord(label) for label in labels], np.diff(edges))
    return np.equal.outer(codes, codes).astype(float)


def peaks(novelty, n):
    """The n highest local maxima, in order."""
    inner = novelty[1:-1]
    here = np.flatnonzero((inner > novelty[:-2]) & (inner > novelty[2:])) + 1
    return sorted(here[np.argsort(novelty[here])[-n:]].tolist())


def by_definition(S, half_width_frames):
    """Foote's checkerboard novelty, edge by edge in plain loops."""
    n, w = len(S), min(half_width_frames, len(S))
    taper = [np.exp(-2 * ((k + 0.5) / w) ** 2) for k in range(w)]
    novelty = np.zeros(n + 1)
    for edge in range(1, n):
        past = {edge - 1 - k: taper[k] for k in range(w) if edge - 1 - k >= 0}
        future = {edge + k: taper[k] for k in range(w) if edge + k < n}

        def mean(rows, columns):
            total = sum(rows.values()) * sum(columns.values())
            return sum(rows[i] * columns[j] * S[i, j] for i in rows for j in columns) / total

        novelty[edge] = mean(past, past) + mean(future, future) - 2 * mean(past, future)
    return np.maximum(novelty, 0)


@pytest.mark.parametrize("half_width_frames", [1, 2, 5, 12])
def test_checkerboard_peaks_exactly_where_blocks_meet(half_width_frames):
    novelty = checkerboard_novelty(blocks(), half_width_frames=half_width_frames)
    assert peaks(novelty, 2) == [20, 45]


def test_full_contrast_has_novelty_2():
    novelty = checkerboard_novelty(blocks(), half_width_frames=12)
    np.testing.assert_allclose(novelty[[20, 45]], 2)


def test_checkerboard_is_limited_to_its_width():
    novelty = checkerboard_novelty(blocks(), half_width_frames=5)
    far = np.abs(np.arange(61)[:, None] - [20, 45]).min(axis=1) >= 5
    np.testing.assert_allclose(novelty[far], 0, atol=1e-12)
    assert (novelty[~far] > 0).all()


@pytest.mark.parametrize("half_width_frames", [1, 3, 12, 60, 500])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_constant_has_no_novelty(half_width_frames, level):
    novelty = checkerboard_novelty(np.full((60, 60), level), half_width_frames=half_width_frames)
    np.testing.assert_allclose(novelty, 0, atol=1e-12)


@pytest.mark.parametrize("edge", [2, 58])
def test_a_change_near_an_end_is_found(edge):
    novelty = checkerboard_novelty(blocks([0, edge, 60], "AB"), half_width_frames=12)
    assert np.argmax(novelty) == edge


@pytest.mark.parametrize("half_width_frames", [1, 4, 9, 40])
def test_checkerboard_follows_footes_definition(half_width_frames, rng):
    S = rng.uniform(size=(20, 20))
    S = (S + S.T) / 2
    np.testing.assert_allclose(
        checkerboard_novelty(S, half_width_frames=half_width_frames),
        by_definition(S, half_width_frames),
        atol=1e-12,
    )


def test_checkerboard_is_on_edges_and_zero_at_both_ends(rng):
    novelty = checkerboard_novelty(rng.uniform(size=(30, 30)), half_width_frames=4)
    assert novelty.shape == (31,)
    assert novelty[0] == novelty[-1] == 0


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_very_few_frames_have_edges(n_frames):
    S = np.eye(n_frames)
    assert checkerboard_novelty(S, half_width_frames=8).shape == (n_frames + 1,)
    assert structure_novelty(S, time_width_frames=2, lag_width_frames=1).shape == (n_frames + 1,)


def test_checkerboard_does_not_modify_its_input():
    S = blocks()
    checkerboard_novelty(S, half_width_frames=8)
    np.testing.assert_array_equal(S, blocks())


def test_structure_novelty_peaks_where_the_pattern_of_repetitions_changes():
    novelty = structure_novelty(blocks(), time_width_frames=2, lag_width_frames=0.5)
    assert peaks(novelty, 2) == [20, 45]


def test_structure_novelty_finds_where_a_repetition_begins_and_ends():
    R = np.zeros((80, 80), dtype=bool)
    R[np.arange(10, 30), np.arange(10, 30) + 35] = True  # 10 to 30 is repeated at 45 to 65
    novelty = structure_novelty(R | R.T, time_width_frames=1, lag_width_frames=0.5)
    assert peaks(novelty, 4) == [10, 30, 45, 65]


def test_a_continuing_loop_has_no_novelty():
    frame = np.arange(60)
    R = np.subtract.outer(frame, frame) % 12 == 0
    novelty = structure_novelty(R, time_width_frames=4, lag_width_frames=1)
    np.testing.assert_allclose(novelty, 0, atol=1e-12)


@pytest.mark.parametrize("recurs", [False, True])
def test_structure_novelty_is_zero_if_all_or_nothing_recurs(recurs):
    novelty = structure_novelty(np.full((40, 40), recurs), time_width_frames=4, lag_width_frames=1)
    np.testing.assert_allclose(novelty, 0, atol=1e-12)


def test_structure_novelty_is_the_squared_distance_across_an_edge():
    R = np.zeros((4, 4))
    R[0, 1] = R[1, 0] = 3.0  # lag 1 at frame 0, lag 3 at frame 1
    narrow = structure_novelty(R, time_width_frames=1e-3, lag_width_frames=1e-3)
    np.testing.assert_allclose(narrow, [0, 18, 9, 0, 0])


def test_each_width_blurs_its_own_direction():
    R = np.zeros((41, 41))
    R[20, 25] = R[25, 20] = 1.0
    over_time = structure_novelty(R, time_width_frames=3, lag_width_frames=1e-3)
    over_lags = structure_novelty(R, time_width_frames=1e-3, lag_width_frames=3)
    assert np.count_nonzero(over_time > 1e-9) > 20
    assert np.flatnonzero(over_lags > 1e-9).tolist() == [20, 21, 25, 26]


@pytest.mark.parametrize("width", [0, 8.5])
def test_a_kernel_width_that_is_no_positive_integer_raises(width):
    with pytest.raises(ValueError, match=f"half_width_frames must be an integer.*got {width}"):
        checkerboard_novelty(np.eye(4), half_width_frames=width)
