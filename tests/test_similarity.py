"""Self-similarity, recurrence and lag matrices with known answers."""

import numpy as np
import pytest
import scipy.ndimage

from scatseg.features import FeatureName, Features
from scatseg.labels import cluster_segments
from scatseg.novelty import checkerboard_novelty, structure_novelty
from scatseg.similarity import (
    LEAST_SPREAD,
    by_family,
    centered,
    cosine,
    diagonal_sums,
    different_frames,
    enhance_paths,
    fused_similarity,
    heard_frames,
    path_contrast,
    principal_directions,
    recurrence,
    self_similarity,
    stacked,
    to_lags,
    usual_similarity,
    whitened,
    without_places,
    z_scored,
)

METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize(
    "function",
    [
        self_similarity,
        cosine,
        whitened,
        principal_directions,
        different_frames,
        usual_similarity,
        z_scored,
        to_lags,
        path_contrast,
        diagonal_sums,
        lambda X: centered(X, around=X),
        lambda X: stacked(X, n_frames=3),
        lambda S: recurrence(S, n_neighbors=1),
        lambda S: enhance_paths(S, n_frames=3),
        lambda S: checkerboard_novelty(S, half_width_frames=2),
        lambda S: structure_novelty(S, time_width_frames=1, lag_width_frames=1),
        lambda X: cluster_segments(X, [0, 2, 3]),
    ],
)
def test_features_instead_of_their_rows_raise(function):
    features = Features(np.eye(3), np.arange(4))
    with pytest.raises(TypeError, match=r"an array is needed, got Features: .* are features\.X"):
        function(features)


@pytest.mark.parametrize("function", [heard_frames, by_family, without_places])
def test_rows_instead_of_features_raise(function):
    with pytest.raises(TypeError, match="features of a recording are needed, got ndarray"):
        function(np.eye(3))


@pytest.mark.parametrize("metric", METRICS)
def test_equal_frames_have_similarity_1(metric, rng):
    X = rng.normal(size=(3, 5))[[0, 1, 0, 2, 1, 0]]
    equal = np.equal.outer([0, 1, 0, 2, 1, 0], [0, 1, 0, 2, 1, 0])
    S = self_similarity(X, metric=metric)
    np.testing.assert_allclose(S[equal], 1, atol=1e-12)
    assert (S[~equal] < 0.99).all()


def test_opposite_frames_have_similarity_0(rng):
    step = rng.normal(size=5)
    np.testing.assert_allclose(self_similarity(np.array([3 + step, 3 - step]))[0, 1], 0, atol=1e-12)


def test_orthogonal_frames_have_similarity_one_half():
    X = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    np.testing.assert_allclose(self_similarity(X)[0], [1, 0.5, 0, 0.5])


def test_euclidean_similarity_is_1_over_e_at_the_median_distance():
    X = np.array([[0.0], [1.0], [3.0], [7.0]])  # distances 1, 2, 3, 4, 6, 7: median 3.5
    S = self_similarity(X, metric="euclidean")
    np.testing.assert_allclose(S[0], np.exp(-np.array([0, 1, 3, 7]) / 3.5))


def test_euclidean_similarity_is_scale_invariant_even_for_mostly_equal_frames(rng):
    X = np.zeros((100, 4))
    X[80:] = rng.normal(size=(20, 4))
    np.testing.assert_allclose(
        self_similarity(1000 * X, metric="euclidean"), self_similarity(X, metric="euclidean")
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e5])
def test_constant_features_have_similarity_1_everywhere(metric, dtype, level):
    X = np.full((1000, 3), level, dtype=dtype) * np.array([1, 0.3, -0.7], dtype=dtype)
    np.testing.assert_array_equal(self_similarity(X, metric=metric), 1)


def test_frames_at_the_mean_are_similar_and_halfway_to_others():
    X = np.array([[5.0, 5], [6, 5], [5, 5], [4, 5]])
    np.testing.assert_allclose(self_similarity(X)[0], [1, 0.5, 1, 0.5])


@pytest.mark.parametrize("metric", METRICS)
def test_one_frame_is_similar_to_itself(metric):
    np.testing.assert_array_equal(self_similarity(np.array([[2.0, 3.0]]), metric=metric), [[1]])


@pytest.mark.parametrize("metric", METRICS)
def test_similarity_is_invariant_to_offset(metric, rng):
    X = rng.normal(size=(20, 3))
    np.testing.assert_allclose(
        self_similarity(X + np.array([5, -3, 8]), metric=metric), self_similarity(X, metric=metric)
    )


@pytest.mark.parametrize("metric", METRICS)
def test_similarity_does_not_modify_its_input(metric, rng):
    X = rng.normal(size=(20, 3))
    before = X.copy()
    self_similarity(X, metric=metric)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    "X", [np.arange(5.0), np.ones((0, 3)), np.ones((3, 0)), np.array([[1.0, np.nan], [0.0, 1.0]])]
)
def test_rows_that_cannot_be_compared_raise_with_what_is_needed(X):
    with pytest.raises(ValueError, match=r"X must be finite, of shape \(n_frames, n_features\)"):
        self_similarity(X)


def test_an_unknown_metric_raises_with_the_available_ones():
    with pytest.raises(ValueError, match='must be "cosine" or "euclidean", got \'manhattan\''):
        self_similarity(np.eye(3), metric="manhattan")


def test_centered_rows_are_relative_to_the_mean_of_all_frames():
    X = np.array([[0.0, 0], [2, 4], [4, 8]])
    np.testing.assert_array_equal(centered(X[:2], around=X), [[-2, -4], [0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_frame_equal_to_the_mean_up_to_rounding_is_exactly_zero(dtype):
    X = np.full((5000, 2), 0.1, dtype=dtype)
    np.testing.assert_array_equal(centered(X[:3] * (1 + 1e-8), around=X), 0)


def test_cosine_compares_directions_only(rng):
    rows = rng.normal(size=(6, 4))
    lengths = rng.uniform(0.1, 10, size=(6, 1))
    np.testing.assert_allclose(cosine(rows * lengths), cosine(rows))


def test_stacked_frames_contain_their_neighbors():
    X = np.array([[1.0, 10], [2, 20], [3, 30]])
    expected = [[1, 10, 1, 10, 2, 20], [1, 10, 2, 20, 3, 30], [2, 20, 3, 30, 3, 30]]
    np.testing.assert_array_equal(stacked(X, n_frames=3), expected)


def test_stacking_single_frames_changes_nothing(rng):
    X = rng.normal(size=(7, 3))
    np.testing.assert_array_equal(stacked(X, n_frames=1), X)


def test_stacks_longer_than_the_recording_repeat_its_ends():
    np.testing.assert_array_equal(stacked(np.array([[1.0], [2.0]]), n_frames=5)[0], [1, 1, 1, 2, 2])


@pytest.mark.parametrize("n_neighbors", [0, -1, 1.5])
def test_recurrence_needs_a_number_of_neighbors(n_neighbors):
    with pytest.raises(ValueError, match="n_neighbors must be an integer of at least 1, got"):
        recurrence(np.eye(4), n_neighbors=n_neighbors)


def test_recurrence_requires_mutual_neighbors():
    # 0 and 1 are mutual neighbors; 1 is a neighbor of 2, but not the reverse.
    S = np.array([[1, 0.9, 0.1], [0.9, 1, 0.5], [0.1, 0.5, 1]])
    expected = np.zeros((3, 3), dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(recurrence(S, n_neighbors=1), expected)


def test_recurrence_is_symmetric_with_zero_diagonal(rng):
    R = recurrence(self_similarity(rng.normal(size=(30, 4))), n_neighbors=5)
    np.testing.assert_array_equal(R, R.T)
    assert not R.diagonal().any()
    assert R.any()


def test_frames_have_at_most_n_neighbors(rng):
    R = recurrence(self_similarity(rng.normal(size=(30, 4))), n_neighbors=5)
    assert R.sum(axis=1).max() <= 5


def test_frames_close_in_time_are_not_neighbors(rng):
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
def test_very_few_frames_have_no_recurrence(n_frames):
    assert not recurrence(np.ones((n_frames, n_frames)), n_neighbors=3, min_lag=2).any()


def test_all_frames_may_be_neighbors(rng):
    R = recurrence(self_similarity(rng.normal(size=(6, 4))), n_neighbors=100)
    np.testing.assert_array_equal(R, ~np.eye(6, dtype=bool))


def test_a_repetition_is_a_horizontal_stripe_in_the_lag_matrix():
    S = np.eye(6)
    S[np.arange(4), np.arange(4) + 2] = 1
    np.testing.assert_array_equal(to_lags(S)[2], [1, 1, 1, 1, 0, 0])


def test_the_lag_matrix_contains_every_similarity_once(rng):
    S = rng.normal(size=(7, 7))
    L = to_lags(S)
    back = np.empty_like(S)
    for i in range(7):
        for lag in range(7):
            back[i, (i + lag) % 7] = L[lag, i]
    np.testing.assert_array_equal(back, S)


def test_path_enhancement_keeps_stripes_and_removes_dots():
    stripe = np.zeros((30, 30))
    stripe[np.arange(5, 15), np.arange(5, 15) + 10] = 1
    stripe = np.maximum(stripe, stripe.T)
    dots = stripe.copy()
    for i, j in [(2, 25), (8, 12), (20, 28)]:
        dots[i, j] = dots[j, i] = 1
    np.testing.assert_array_equal(enhance_paths(dots, n_frames=5), stripe)


def test_diagonals_are_enhanced_independently(rng):
    S = (rng.random((24, 24)) < 0.4).astype(float)
    S = np.maximum(S, S.T)
    enhanced = enhance_paths(S, n_frames=5)
    for lag in range(24):
        alone = scipy.ndimage.median_filter(np.diagonal(S, lag), size=5, mode="constant")
        np.testing.assert_array_equal(np.diagonal(enhanced, lag), alone)


@pytest.mark.parametrize(
    "compare",
    [
        to_lags,
        different_frames,
        z_scored,
        path_contrast,
        lambda S: enhance_paths(S, n_frames=3),
        lambda S: recurrence(S, n_neighbors=3),
        lambda S: checkerboard_novelty(S, half_width_frames=2),
        lambda S: structure_novelty(S, time_width_frames=1, lag_width_frames=1),
    ],
)
@pytest.mark.parametrize("shape", [(20, 6), (6, 20), (6,)])
def test_features_in_place_of_a_similarity_matrix_raise(compare, shape, rng):
    with pytest.raises(ValueError, match=r"must have shape \(n_frames, n_frames\), got"):
        compare(rng.normal(size=shape))


def test_path_enhancement_closes_short_gaps_in_a_stripe():
    stripe = np.zeros((30, 30))
    stripe[np.arange(5, 15), np.arange(5, 15) + 10] = 1
    broken = stripe.copy()
    broken[9, 19] = 0
    np.testing.assert_array_equal(
        enhance_paths(np.maximum(broken, broken.T), n_frames=5), np.maximum(stripe, stripe.T)
    )


def test_path_enhancement_preserves_symmetry(rng):
    enhanced = enhance_paths(self_similarity(rng.normal(size=(20, 3))), n_frames=5)
    np.testing.assert_array_equal(enhanced, enhanced.T)


def test_path_enhancement_over_one_frame_changes_nothing(rng):
    S = self_similarity(rng.normal(size=(9, 3)))
    np.testing.assert_array_equal(enhance_paths(S, n_frames=1), S)


@pytest.mark.parametrize("n_frames", [0, -3, 2.5])
def test_filters_and_stacks_have_at_least_one_frame(n_frames):
    said = r"n_frames must be an integer of at least 1, got"
    with pytest.raises(ValueError, match=said):
        enhance_paths(np.eye(9), n_frames=n_frames)
    with pytest.raises(ValueError, match=said):
        stacked(np.eye(9), n_frames=n_frames)


def test_path_enhancement_over_an_even_number_of_frames_raises():
    with pytest.raises(ValueError, match=r"must be odd, .* got 4: choose 3 or 5"):
        enhance_paths(np.eye(9), n_frames=4)


# Several kinds of features


def different(S):
    return S[np.triu_indices(len(S), 1)]


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)], ids=["wide", "tall"])
def test_principal_directions_are_those_of_the_singular_value_decomposition(shape, rng):
    X = rng.normal(size=shape)
    rows = centered(X, around=X)
    directions, singular = principal_directions(rows)
    n = min(shape[0] - 1, shape[1])  # one less than rows, as they are centered
    np.testing.assert_allclose(singular[::-1], np.linalg.svd(rows, compute_uv=False)[:n])
    np.testing.assert_allclose(directions.T @ directions, np.eye(n), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(rows @ directions, axis=0), singular)


def test_whitening_with_power_one_preserves_angles(rng):
    X = rng.normal(size=(12, 30))
    np.testing.assert_allclose(cosine(whitened(X, power=1)), cosine(centered(X, around=X)))


def test_full_whitening_gives_all_directions_equal_variance(rng):
    rows = whitened(rng.normal(size=(30, 5)) * [100, 10, 1, 0.1, 0.01], power=0)
    squares = np.linalg.svd(rows, compute_uv=False)
    np.testing.assert_allclose(squares[:5], 1)
    np.testing.assert_allclose(squares[5:], 0, atol=1e-9)


def test_whitening_reveals_differences_hidden_by_a_dominant_direction():
    X = np.array([[9.0, 1], [-9, 1], [9, -1], [-9, -1]])
    plain, white = (cosine(whitened(X, power=power)) for power in (1, 0.5))
    assert white[0, 2] < plain[0, 2]
    assert white[0, 1] > plain[0, 1]


def test_whitening_constant_frames_gives_zero():
    np.testing.assert_array_equal(whitened(np.full((5, 3), 0.1)), 0)


def test_z_scores_off_the_diagonal_have_mean_0_and_deviation_1(rng):
    Z = different(z_scored(self_similarity(rng.normal(size=(20, 4)))))
    assert Z.mean() == pytest.approx(0, abs=1e-12)
    assert Z.std() == pytest.approx(1)


def test_z_scores_are_clipped():
    S = np.zeros((40, 40))
    S[3, 7] = S[7, 3] = 1
    assert z_scored(S, limit=4)[3, 7] == 4


def test_least_spread_keeps_z_scores_of_small_differences_small(rng):
    S = 0.5 + 0.001 * rng.normal(size=(20, 20))
    assert np.abs(different(z_scored(S, least_spread=0.05))).max() < 0.2


@pytest.mark.parametrize("n_frames", [1, 2, 5])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_constant_similarity_has_z_score_0(n_frames, level):
    np.testing.assert_array_equal(z_scored(np.full((n_frames, n_frames), level)), 0)


def test_fused_similarity_is_the_mean_over_families(rng):
    families = [rng.normal(size=(15, 6)), rng.normal(size=(15, 9))]
    heard = np.ones(15, dtype=bool)
    alone = [z_scored(cosine(whitened(X, power=0.5)), least_spread=LEAST_SPREAD) for X in families]
    np.testing.assert_allclose(fused_similarity(families, heard=heard), np.mean(alone, axis=0))


def test_fused_similarity_is_invariant_to_scale_and_offset(rng):
    families = [rng.normal(size=(15, 6)), rng.normal(size=(15, 9))]
    heard = np.ones(15, dtype=bool)
    np.testing.assert_allclose(
        fused_similarity([100 * families[0] + 3, families[1]], heard=heard),
        fused_similarity(families, heard=heard),
        atol=1e-9,
    )


def test_silent_frames_have_z_score_0(rng):
    X = rng.normal(size=(15, 6))
    heard = np.arange(15) % 4 > 0
    Z = fused_similarity([X], heard=heard)
    assert not Z[~heard].any()
    np.testing.assert_array_equal(Z, Z.T)
    np.testing.assert_allclose(
        Z[np.ix_(heard, heard)], fused_similarity([X[heard]], heard=heard[heard])
    )


def test_similarity_of_silent_frames_only_is_0():
    Z = fused_similarity([np.zeros((4, 3))], heard=np.zeros(4, dtype=bool))
    np.testing.assert_array_equal(Z, np.zeros((4, 4)))


def test_a_frame_is_silent_if_all_features_are_zero():
    features = Features(np.array([[0.0, 0], [0, 1e-3], [0, 1e-9], [5, 0]]), np.arange(5))
    assert heard_frames(features).tolist() == [False, True, False, True]


def test_no_frame_is_heard_if_all_features_are_zero():
    assert not heard_frames(Features(np.zeros((3, 2)), np.arange(4))).any()


def test_homogeneous_blocks_have_no_path_contrast(rng):
    blocks = np.kron(symmetric_blocks(rng), np.ones((8, 8)))
    contrast = path_contrast(blocks)
    for i in range(3):
        for j in range(3):
            inside = contrast[8 * i + 1 : 8 * i + 7, 8 * j + 1 : 8 * j + 7]
            np.testing.assert_allclose(inside, 0, atol=1e-12)


def symmetric_blocks(rng):
    S = rng.normal(size=(3, 3))
    return S + S.T


def test_path_contrast_keeps_the_value_of_an_isolated_stripe():
    stripe = np.eye(20, k=8) + np.eye(20, k=-8)
    contrast = path_contrast(stripe)
    np.testing.assert_array_equal(contrast[stripe > 0], 1)


def test_scattering_orders_are_separate_families():
    names = [
        FeatureName("scattering", 1, order=1),
        FeatureName("mfcc", 0),
        FeatureName("scattering", 2, order=2),
        FeatureName("mfcc", 1),
    ]
    families = by_family(Features([[1.0, 2, 3, 4]], [0, 1], names))
    assert {kind: X.tolist() for kind, X in families.items()} == {
        "scattering 1": [[1]],
        "mfcc": [[2, 4]],
        "scattering 2": [[3]],
    }


def test_single_column_families_are_merged():
    names = ["rms", "mfcc", "zcr", "mfcc"]
    families = by_family(Features([[1.0, 2, 3, 4]], [0, 1], names))
    assert {kind: X.tolist() for kind, X in families.items()} == {
        "mfcc": [[2, 4]],
        "rms+zcr": [[1, 3]],
    }


def test_bar_subdivisions_are_averaged_and_other_columns_kept():
    names = [FeatureName("mfcc", i, place=place) for place in (0, 1) for i in (0, 1)]
    names.append(FeatureName("chroma", 0))
    averaged = without_places(Features([[1.0, 10, 3, 30, 7]], [0, 1], names))
    assert averaged.X.tolist() == [[2, 20, 7]]
    assert [str(name) for name in averaged.names] == ["mfcc 0", "mfcc 1", "chroma 0"]


def test_features_without_subdivisions_are_unchanged():
    features = Features([[1.0, 2]], [0, 1])
    assert without_places(features) is features


NO_MATRIX = [
    to_lags,
    path_contrast,
    usual_similarity,
    z_scored,
    lambda S: recurrence(S, n_neighbors=2),
    lambda S: enhance_paths(S, n_frames=3),
    lambda S: checkerboard_novelty(S, half_width_frames=2),
    lambda S: structure_novelty(S, time_width_frames=1.0, lag_width_frames=1.0),
]


@pytest.mark.parametrize("compare", NO_MATRIX)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_similarity_that_is_not_finite_is_refused(compare, value, rng):
    S = self_similarity(rng.random((6, 3)))
    S[4, 3] = value
    with pytest.raises(ValueError, match=rf"must be finite, got {value} at \(4, 3\)"):
        compare(S)


@pytest.mark.parametrize("compare", NO_MATRIX)
def test_a_similarity_may_be_a_list_of_rows(compare, rng):
    S = self_similarity(rng.random((6, 3)))
    np.testing.assert_allclose(compare(S.tolist()), compare(S), rtol=1e-12)


@pytest.mark.parametrize("options", [{"n_neighbors": -1}, {"n_neighbors": 2, "min_lag": 1.5}])
def test_numbers_of_neighbors_and_frames_are_integers(options):
    with pytest.raises(ValueError, match=r"must be an integer of at least [01], got (-1|1\.5)"):
        recurrence(np.eye(3), **options)
