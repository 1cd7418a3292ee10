"""Self-similarity and what is read off it: answers known by construction."""

import numpy as np
import pytest

from scatseg.similarity import (
    centered,
    cosine,
    enhance_paths,
    recurrence,
    self_similarity,
    stacked,
    to_lags,
)

METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize("metric", METRICS)
def test_equal_frames_have_similarity_one(metric, rng):
    X = rng.normal(size=(3, 5))[[0, 1, 0, 2, 1, 0]]
    equal = np.equal.outer([0, 1, 0, 2, 1, 0], [0, 1, 0, 2, 1, 0])
    S = self_similarity(X, metric=metric)
    np.testing.assert_allclose(S[equal], 1, atol=1e-12)
    assert (S[~equal] < 0.99).all()


def test_opposite_frames_have_similarity_zero(rng):
    step = rng.normal(size=5)
    np.testing.assert_allclose(self_similarity(np.array([3 + step, 3 - step]))[0, 1], 0, atol=1e-12)


def test_frames_at_right_angles_are_halfway():
    X = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    np.testing.assert_allclose(self_similarity(X)[0], [1, 0.5, 0, 0.5])


def test_euclidean_similarity_falls_by_e_at_the_median_distance():
    X = np.array([[0.0], [1.0], [3.0], [7.0]])  # distances 1, 2, 3, 4, 6, 7: median 3.5
    S = self_similarity(X, metric="euclidean")
    np.testing.assert_allclose(S[0], np.exp(-np.array([0, 1, 3, 7]) / 3.5))


def test_euclidean_similarity_ignores_scale_also_where_most_frames_are_equal(rng):
    X = np.zeros((100, 4))
    X[80:] = rng.normal(size=(20, 4))
    np.testing.assert_allclose(
        self_similarity(1000 * X, metric="euclidean"), self_similarity(X, metric="euclidean")
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e5])
def test_a_constant_is_like_itself_everywhere(metric, dtype, level):
    X = np.full((1000, 3), level, dtype=dtype) * np.array([1, 0.3, -0.7], dtype=dtype)
    np.testing.assert_array_equal(self_similarity(X, metric=metric), 1)


def test_frames_at_the_mean_are_alike_and_halfway_to_others():
    X = np.array([[5.0, 5], [6, 5], [5, 5], [4, 5]])
    np.testing.assert_allclose(self_similarity(X)[0], [1, 0.5, 1, 0.5])


@pytest.mark.parametrize("metric", METRICS)
def test_one_frame_is_like_itself(metric):
    np.testing.assert_array_equal(self_similarity(np.array([[2.0, 3.0]]), metric=metric), [[1]])


@pytest.mark.parametrize("metric", METRICS)
def test_what_all_frames_share_does_not_count(metric, rng):
    X = rng.normal(size=(20, 3))
    np.testing.assert_allclose(
        self_similarity(X + np.array([5, -3, 8]), metric=metric), self_similarity(X, metric=metric)
    )


@pytest.mark.parametrize("metric", METRICS)
def test_similarity_leaves_its_input_alone(metric, rng):
    X = rng.normal(size=(20, 3))
    before = X.copy()
    self_similarity(X, metric=metric)
    np.testing.assert_array_equal(X, before)


def test_an_unknown_metric_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match='must be "cosine" or "euclidean", got \'manhattan\''):
        self_similarity(np.eye(3), metric="manhattan")


def test_centered_rows_are_relative_to_all_frames():
    X = np.array([[0.0, 0], [2, 4], [4, 8]])
    np.testing.assert_array_equal(centered(X[:2], around=X), [[-2, -4], [0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mean_but_for_rounding_is_exactly_zero(dtype):
    X = np.full((5000, 2), 0.1, dtype=dtype)
    np.testing.assert_array_equal(centered(X[:3] * (1 + 1e-8), around=X), 0)


def test_cosine_compares_directions_only(rng):
    rows = rng.normal(size=(6, 4))
    lengths = rng.uniform(0.1, 10, size=(6, 1))
    np.testing.assert_allclose(cosine(rows * lengths), cosine(rows))


def test_stacked_frames_carry_their_neighbors():
    X = np.array([[1.0, 10], [2, 20], [3, 30]])
    expected = [[1, 10, 1, 10, 2, 20], [1, 10, 2, 20, 3, 30], [2, 20, 3, 30, 3, 30]]
    np.testing.assert_array_equal(stacked(X, n_frames=3), expected)


def test_stacking_single_frames_changes_nothing(rng):
    X = rng.normal(size=(7, 3))
    np.testing.assert_array_equal(stacked(X, n_frames=1), X)


def test_stacks_longer_than_the_recording_repeat_its_ends():
    np.testing.assert_array_equal(stacked(np.array([[1.0], [2.0]]), n_frames=5)[0], [1, 1, 1, 2, 2])


def test_recurrence_needs_both_frames_to_choose_each_other():
    # 0 and 1 choose each other; 2 chooses 1, which does not choose 2.
    S = np.array([[1, 0.9, 0.1], [0.9, 1, 0.5], [0.1, 0.5, 1]])
    expected = np.zeros((3, 3), dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(recurrence(S, n_neighbors=1), expected)


def test_recurrence_is_symmetric_and_nothing_recurs_in_itself(rng):
    R = recurrence(self_similarity(rng.normal(size=(30, 4))), n_neighbors=5)
    np.testing.assert_array_equal(R, R.T)
    assert not R.diagonal().any()
    assert R.any()


def test_frames_have_no_more_neighbors_than_asked_for(rng):
    R = recurrence(self_similarity(rng.normal(size=(30, 4))), n_neighbors=5)
    assert R.sum(axis=1).max() <= 5


def test_frames_near_in_time_are_not_neighbors(rng):
    R = recurrence(self_similarity(rng.normal(size=(30, 4))), n_neighbors=20, min_lag=4)
    lag = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
    assert not R[lag < 4].any()
    assert R[lag == 4].any()


def test_equally_similar_frames_are_all_neighbors():
    labels = np.arange(60) // 20 % 2
    same = np.equal.outer(labels, labels)
    R = recurrence(same.astype(float), n_neighbors=3)
    np.testing.assert_array_equal(R, same & ~np.eye(60, dtype=bool))


@pytest.mark.parametrize("n_frames", [1, 2])
def test_frames_too_few_to_be_far_apart_do_not_recur(n_frames):
    assert not recurrence(np.ones((n_frames, n_frames)), n_neighbors=3, min_lag=2).any()


def test_all_frames_may_be_neighbors(rng):
    R = recurrence(self_similarity(rng.normal(size=(6, 4))), n_neighbors=100)
    np.testing.assert_array_equal(R, ~np.eye(6, dtype=bool))


def test_a_repetition_is_a_straight_stripe_over_lag():
    S = np.eye(6)
    S[np.arange(4), np.arange(4) + 2] = 1
    np.testing.assert_array_equal(to_lags(S)[2], [1, 1, 1, 1, 0, 0])


def test_lags_place_every_similarity_once(rng):
    S = rng.normal(size=(7, 7))
    L = to_lags(S)
    back = np.empty_like(S)
    for i in range(7):
        for lag in range(7):
            back[i, (i + lag) % 7] = L[lag, i]
    np.testing.assert_array_equal(back, S)


def test_enhancing_keeps_stripes_and_removes_dots():
    stripe = np.zeros((30, 30))
    stripe[np.arange(5, 15), np.arange(5, 15) + 10] = 1
    stripe = np.maximum(stripe, stripe.T)
    dots = stripe.copy()
    for i, j in [(2, 25), (8, 12), (20, 28)]:
        dots[i, j] = dots[j, i] = 1
    np.testing.assert_array_equal(enhance_paths(dots, n_frames=5), stripe)


def test_enhancing_closes_short_gaps_in_a_stripe():
    stripe = np.zeros((30, 30))
    stripe[np.arange(5, 15), np.arange(5, 15) + 10] = 1
    broken = stripe.copy()
    broken[9, 19] = 0
    np.testing.assert_array_equal(
        enhance_paths(np.maximum(broken, broken.T), n_frames=5), np.maximum(stripe, stripe.T)
    )


def test_enhancing_keeps_symmetry(rng):
    enhanced = enhance_paths(self_similarity(rng.normal(size=(20, 3))), n_frames=5)
    np.testing.assert_array_equal(enhanced, enhanced.T)


def test_enhancing_over_one_frame_changes_nothing(rng):
    S = self_similarity(rng.normal(size=(9, 3)))
    np.testing.assert_array_equal(enhance_paths(S, n_frames=1), S)
