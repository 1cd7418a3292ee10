"""Boundaries: peak picking, merging, and dynamic programming against exhaustive search."""

import itertools

import numpy as np
import pytest

from scatseg.boundaries import (
    best_boundaries,
    block_scores,
    boundary_probabilities,
    check_detail,
    expected_hits,
    join_segments,
    length_scores,
    pick_boundaries,
    repetition_scores,
)

#           0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16
CURVE = [0, 0, 1, 0, 0, 8, 0, 0, 4, 0, 0, 2, 0, 0, 1, 0, 0]


def picked(novelty=CURVE, min_frames=2, **options):
    curve = np.array(novelty, dtype=float)
    return pick_boundaries(curve, min_frames=min_frames, **options).tolist()


def test_granularity_1_selects_all_peaks():
    assert picked(granularity=1) == [0, 2, 5, 8, 11, 14, 16]


def test_granularity_0_selects_only_the_most_prominent_peak():
    assert picked(granularity=0) == [0, 5, 16]


def test_prominence_threshold_is_quadratic_in_granularity():
    assert picked(granularity=0.5) == [0, 5, 8, 11, 16]  # prominence 8 / 4 and more
    assert picked(granularity=0.49) == [0, 5, 8, 16]


def test_more_granularity_never_removes_a_boundary(rng):
    novelty = rng.uniform(size=200)
    cuts = [set(picked(novelty, 3, granularity=g)) for g in np.linspace(0, 1, 11)]
    assert all(fewer <= more for fewer, more in itertools.pairwise(cuts))
    assert len(cuts[0]) < len(cuts[-1])


@pytest.mark.parametrize(
    ("n_segments", "cuts"),
    [(1, [0, 16]), (2, [0, 5, 16]), (3, [0, 5, 8, 16]), (4, [0, 5, 8, 11, 16])],
)
def test_n_segments_selects_the_most_prominent_peaks(n_segments, cuts):
    assert picked(n_segments=n_segments) == cuts


def test_more_segments_never_remove_a_boundary(rng):
    novelty = rng.uniform(size=200)
    cuts = [set(picked(novelty, 3, n_segments=n)) for n in range(1, 30)]
    assert all(fewer < more for fewer, more in itertools.pairwise(cuts))


def test_all_peaks_are_selected_if_n_segments_is_larger():
    assert picked(n_segments=100) == picked(granularity=1)


def test_n_segments_overrides_granularity():
    assert picked(n_segments=3, granularity=0) == picked(n_segments=3, granularity=1)


@pytest.mark.parametrize("min_frames", [1, 2, 5, 20, 60])
def test_no_segment_is_shorter_than_min_frames(min_frames, rng):
    cuts = picked(rng.uniform(size=200), min_frames, granularity=1)
    assert min(np.diff(cuts)) >= min_frames


def test_of_two_close_peaks_the_more_prominent_one_is_kept():
    assert picked([0, 0, 0, 3, 0, 5, 0, 0, 0], min_frames=3, granularity=1) == [0, 5, 8]


def test_peaks_exactly_min_frames_apart_are_both_kept():
    assert picked([0, 0, 0, 3, 0, 5, 0, 0, 0], min_frames=2, granularity=1) == [0, 3, 5, 8]


def test_a_rejected_peak_suppresses_no_others():
    novelty = [0, 0, 0, 0, 5, 0, 4, 0, 3, 0, 0, 0, 0]
    assert picked(novelty, min_frames=3, granularity=1) == [0, 4, 8, 12]


def test_a_plateau_gives_one_boundary_in_its_middle():
    assert picked([0, 0, 0, 2, 2, 2, 0, 0, 0], granularity=1) == [0, 4, 8]


def test_peaks_are_ranked_by_prominence_not_height():
    novelty = [0, 0, 9, 8, 9.5, 0, 0, 4, 0, 0]
    assert picked(novelty, n_segments=3) == [0, 4, 7, 9]


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_flat_curve_has_no_boundary(level):
    assert picked(np.full(50, level), granularity=1) == [0, 49]


def test_rounding_errors_give_no_boundary(rng):
    assert picked(1e-12 * rng.uniform(size=100), granularity=1) == [0, 99]


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_very_few_frames_have_no_boundary(n_frames):
    novelty = np.ones(n_frames + 1)
    novelty[[0, -1]] = 0
    assert picked(novelty, min_frames=2, granularity=1) == [0, n_frames]


def test_boundary_frames_are_indices():
    assert pick_boundaries(np.array(CURVE, dtype=float), min_frames=2).dtype == np.intp


@pytest.mark.parametrize("granularity", [-0.1, 1.1, float("nan")])
def test_granularity_outside_0_to_1_raises(granularity):
    with pytest.raises(ValueError, match=rf"granularity must be in \[0, 1\], got {granularity}"):
        picked(granularity=granularity)


def test_a_matrix_instead_of_a_novelty_curve_raises():
    with pytest.raises(ValueError, match=r"novelty must have shape .* got \(5, 5\)"):
        pick_boundaries(np.eye(5), min_frames=1)


@pytest.mark.parametrize("min_frames", [0, -1, 1.5])
def test_segments_have_at_least_one_frame(min_frames):
    with pytest.raises(ValueError, match=r"min_frames must be an integer of at least 1, got"):
        picked(min_frames=min_frames)


@pytest.mark.parametrize("n_segments", [0, -3, 2.5, True])
def test_invalid_n_segments_raises(n_segments):
    with pytest.raises(ValueError, match=f"n_segments must be .* at least 1, got {n_segments}"):
        check_detail(0.5, n_segments)


def test_most_similar_neighbors_are_merged_first():
    E = np.repeat([0.0, 1.0, 9.0, 11.0], 5)[:, None]
    cuts = np.array([0, 5, 10, 15, 20])
    assert join_segments(cuts, E, n_segments=3).tolist() == [0, 10, 15, 20]
    assert join_segments(cuts, E, n_segments=2).tolist() == [0, 10, 20]
    assert join_segments(cuts, E, n_segments=1).tolist() == [0, 20]


def test_merged_segments_are_compared_by_their_mean():
    # 0 and 2 are merged to a mean of 1, which is farther from 4.5 than 7.9 is.
    E = np.repeat([0.0, 2.0, 4.5, 7.9], 5)[:, None]
    assert join_segments(np.array([0, 5, 10, 15, 20]), E, n_segments=2).tolist() == [0, 10, 20]


def test_few_enough_segments_are_not_merged():
    cuts = np.array([0, 5, 10])
    np.testing.assert_array_equal(join_segments(cuts, np.zeros((10, 1)), n_segments=2), cuts)


def test_merging_does_not_modify_its_input(rng):
    cuts = np.array([0, 5, 10, 15])
    join_segments(cuts, rng.normal(size=(15, 2)), n_segments=1)
    np.testing.assert_array_equal(cuts, [0, 5, 10, 15])


def test_segments_are_joined_to_one_at_least():
    with pytest.raises(ValueError, match="n_segments must be an integer of at least 1, got 0"):
        join_segments(np.array([0, 2, 4]), np.zeros((4, 1)), n_segments=0)


# Scores of segments, and the best segmentation


def covers(n):
    """All segmentations of n frames."""
    inner = range(1, n)
    for size in range(n):
        for cut in itertools.combinations(inner, size):
            yield [0, *cut, n]


def total(scores, cuts, cost=0.0):
    return sum(scores[start, stop] - cost for start, stop in itertools.pairwise(cuts))


def symmetric(rng, n):
    Z = rng.normal(size=(n, n))
    return Z + Z.T


@pytest.mark.parametrize("n_copies", [(2, 3), (1, 2, 6)])
def test_repetition_score_is_the_mean_along_diagonals_of_the_best_copies(n_copies, rng):
    Z = symmetric(rng, 13)
    expected = np.zeros((14, 14))
    for start, stop in itertools.combinations(range(14), 2):
        length = stop - start
        copies = [
            max(0, sum(Z[start + i, other + i] for i in range(length)))
            for other in range(13 - length + 1)
            if abs(other - start) >= max(length, 2)
        ]
        best = sorted(copies, reverse=True)
        expected[start, stop] = np.mean([sum(best[:n]) / n for n in n_copies])
    found = repetition_scores(Z, n_copies=n_copies, min_lag=2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_passage_repeated_three_times_scores_its_length():
    Z = np.tile(np.eye(5), (3, 3))
    scores = repetition_scores(Z, n_copies=(2,))
    assert [scores[0, 5], scores[5, 10], scores[10, 15]] == [5, 5, 5]


def test_a_copy_never_overlaps_its_segment():
    assert repetition_scores(np.ones((7, 7)), n_copies=(1,), min_lag=1)[0, 4] == 0
    assert repetition_scores(np.ones((8, 8)), n_copies=(1,), min_lag=1)[0, 4] == 4


def test_copies_respect_the_minimum_distance():
    Z = np.eye(9) + np.eye(9, k=3) + np.eye(9, k=-3)
    assert repetition_scores(Z, n_copies=(1,), min_lag=3)[0, 3] == 3
    assert repetition_scores(Z, n_copies=(1,), min_lag=4)[0, 3] == 0


def test_segments_longer_than_the_maximum_are_not_scored():
    Z = np.tile(np.eye(5), (2, 2))
    assert not repetition_scores(Z, n_copies=(1,), max_frames=4)[0, 5]
    assert repetition_scores(Z, n_copies=(1,), max_frames=5)[0, 5] == 5


@pytest.mark.parametrize("n_bands", [1, 3, 20])
def test_block_score_is_the_sum_over_pairs_divided_by_length(n_bands, rng):
    Z = symmetric(rng, 9)
    expected = np.zeros((10, 10))
    for start, stop in itertools.combinations(range(10), 2):
        inside = range(start, stop)
        pairs = [Z[i, j] for i in inside for j in inside if 0 < abs(i - j) <= n_bands]
        expected[start, stop] = sum(pairs) / (stop - start)
    np.testing.assert_allclose(block_scores(Z, n_bands=n_bands), expected, atol=1e-12)


def test_length_prior_peaks_at_four_and_eight_bars():
    by_length = length_scores(40)[0, 1:]
    assert set(np.argsort(by_length)[-2:] + 1) == {4, 8}


def test_length_scores_are_log_probabilities():
    assert np.exp(length_scores(40)[0, 1:]).sum() == pytest.approx(1)


def test_length_scores_depend_on_bars_not_frames():
    bars, quarters = length_scores(40), length_scores(160, frames_per_bar=4)
    np.testing.assert_allclose(quarters[0, 4::4], bars[0, 1:])
    between = (bars[0, 8] + bars[0, 9]) / 2
    assert quarters[0, 34] == pytest.approx(between)


def test_length_prior_is_a_mixture_over_single_and_double_bars():
    as_one, as_two = length_scores(20), length_scores(20, two_bars=1.0)
    np.testing.assert_allclose(as_two[0, 1:11], length_scores(40)[0, 2:21:2])
    half = length_scores(20, two_bars=0.5)
    np.testing.assert_allclose(np.exp(half), (np.exp(as_one) + np.exp(as_two)) / 2)


@pytest.mark.parametrize("two_bars", [-0.1, 1.1, np.nan])
def test_a_share_of_double_bars_is_a_probability(two_bars):
    with pytest.raises(ValueError, match="two_bars must be a probability from 0 to 1, got"):
        length_scores(20, two_bars=two_bars)


@pytest.mark.parametrize("cost", [-1.0, 0.0, 0.7])
def test_best_segmentation_equals_exhaustive_search(cost, rng):
    scores = rng.normal(size=(10, 10))
    best = max(covers(9), key=lambda cuts: total(scores, cuts, cost))
    assert best_boundaries(scores, cost=cost).tolist() == best


@pytest.mark.parametrize("n_segments", range(1, 10))
def test_best_segmentation_into_n_segments_equals_exhaustive_search(n_segments, rng):
    scores = rng.normal(size=(10, 10))
    so_many = (cuts for cuts in covers(9) if len(cuts) == n_segments + 1)
    best = max(so_many, key=lambda cuts: total(scores, cuts))
    assert best_boundaries(scores, n_segments=n_segments).tolist() == best


def test_n_segments_is_limited_by_the_number_of_frames(rng):
    assert best_boundaries(rng.normal(size=(4, 4)), n_segments=9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("n_segments", [0, -1, 2.5])
def test_best_boundaries_need_a_positive_number_of_segments(n_segments):
    message = f"n_segments must be an integer of at least 1, got {n_segments}"
    with pytest.raises(ValueError, match=message):
        best_boundaries(np.zeros((4, 4)), n_segments=n_segments)


def test_a_higher_cost_never_gives_more_segments(rng):
    scores = rng.normal(size=(60, 60))
    counts = [len(best_boundaries(scores, cost=cost)) for cost in np.linspace(-3, 3, 50)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_boundary_scores_can_be_added_to_columns_of_segment_scores(rng):
    known = np.where(np.isin(np.arange(21), [4, 11]), 5.0, -5.0)
    scores = 0.1 * rng.normal(size=(21, 21)) + known
    assert best_boundaries(scores).tolist() == [0, 4, 11, 20]


def test_forbidden_segments_are_not_used(rng):
    scores = rng.normal(size=(10, 10))
    scores[:4, 5:] = scores[4, 6:] = -np.inf
    assert {4, 5} <= set(best_boundaries(scores, cost=5).tolist())


@pytest.mark.parametrize("n_segments", [None, 2, 3])
def test_raises_if_every_segmentation_is_forbidden(n_segments, rng):
    scores = rng.normal(size=(6, 6))
    scores[:, 5] = -np.inf
    with pytest.raises(ValueError, match="every segmentation contains a forbidden"):
        best_boundaries(scores, n_segments=n_segments)
    with pytest.raises(ValueError, match="every segmentation contains a forbidden"):
        boundary_probabilities(scores)


@pytest.mark.parametrize("temperature", [0, -1, np.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite, got"):
        boundary_probabilities(np.zeros((4, 4)), temperature=temperature)


@pytest.mark.parametrize("temperature", ["1", None, True, np.array(1.0)])
def test_a_temperature_that_is_no_number_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be a number, positive"):
        boundary_probabilities(np.zeros((4, 4)), temperature=temperature)


@pytest.mark.parametrize("n_segments", [None, 3])
def test_nan_scores_raise(n_segments, rng):
    scores = rng.normal(size=(6, 6))
    scores[2, 3] = np.nan
    with pytest.raises(ValueError, match="or scores are NaN"):
        best_boundaries(scores, n_segments=n_segments)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_boundary_probability_is_marginalized_over_segmentations(temperature, rng):
    scores = rng.normal(size=(9, 9))
    expected = np.zeros(9)
    for cuts in covers(8):
        expected[cuts] += np.exp(total(scores, cuts, 0.3) / temperature)
    found = boundary_probabilities(scores, cost=0.3, temperature=temperature)
    np.testing.assert_allclose(found, expected / expected[0])


def test_probabilities_are_near_one_for_a_clearly_best_segmentation(rng):
    scores = rng.normal(size=(30, 30))
    sure = boundary_probabilities(scores, temperature=1e-3)
    assert np.flatnonzero(sure > 0.5).tolist() == best_boundaries(scores).tolist()


def test_probabilities_stay_finite_for_large_scores(rng):
    probabilities = boundary_probabilities(1e4 * rng.normal(size=(200, 200)))
    assert np.isfinite(probabilities).all()
    assert probabilities.max() <= 1 + 1e-9


def test_boundaries_more_likely_right_than_wrong_are_selected():
    probable = np.array([1, 0.51, 0.2, 0.9, 0.49, 1, 1])
    scores = expected_hits(probable, 10.0 * np.arange(7))
    assert best_boundaries(scores, cost=0.5).tolist() == [0, 1, 3, 5, 6]


def hits_of(probable, edges, found, **options):
    """Sum the expected hits of the given boundaries, including both ends."""
    scores = expected_hits(np.array(probable), np.array(edges, dtype=float), **options)
    return sum(scores[start, stop] for start, stop in itertools.pairwise(found))


@pytest.mark.parametrize(("tolerance", "hits"), [(1.0, 0.3), (2.0, 0.8), (10.0, 0.9)])
def test_a_boundary_hits_those_within_the_tolerance(tolerance, hits):
    probable, edges = [1, 0.3, 0.0, 0.5, 0.1, 1], [0, 20, 21, 22, 30, 40]
    found = hits_of(probable, edges, [0, 1, 5], tolerances=[tolerance])
    assert found == pytest.approx(hits, abs=1e-5)


def test_tolerances_have_equal_weight():
    probable, edges = [1, 0.3, 0.5, 1], [0, 20, 22, 40]
    assert hits_of(probable, edges, [0, 1, 3]) == pytest.approx((0.3 + 0.8) / 2, abs=1e-5)


def test_two_boundaries_never_hit_the_same_one():
    probable, edges = [1, 0.2, 0.6, 0.1, 1], [0, 20, 21, 22, 40]
    for found in ([0, 1, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4], [0, 1, 3, 4]):
        assert hits_of(probable, edges, found, tolerances=[3]) == pytest.approx(0.9, abs=1e-5)


def test_a_boundary_hits_at_most_one():
    probable, edges = [1, 1, 0.0, 1, 1], [0, 20, 22, 24, 44]
    assert hits_of(probable, edges, [0, 1, 4]) == 1
    assert hits_of(probable, edges, [0, 1, 3, 4]) == 2
    assert hits_of(probable, edges, [0, 1, 2, 3, 4]) == 2


@pytest.mark.parametrize("found", [[0, 1, 3], [0, 2, 3]])
def test_the_ends_of_a_recording_hit_nothing(found):
    probable = [1, 0.5, 0.9, 1] if found[1] == 2 else [1, 0.9, 0.5, 1]
    assert hits_of(probable, [0, 20, 20.2, 40], found) == pytest.approx(0.9 + 0.1, abs=1e-5)


@pytest.mark.parametrize("tolerance", [0.5, 3.0])
def test_an_edge_next_to_a_certain_boundary_is_not_selected(tolerance):
    scores = expected_hits(
        np.array([1, 0, 1, 0, 1.0]), np.array([0.0, 23.8, 24, 24.2, 40]), tolerances=[tolerance]
    )
    assert best_boundaries(scores, cost=0.5).tolist() == [0, 2, 4]


def test_two_certain_boundaries_are_both_selected_however_close():
    scores = expected_hits(np.ones(4), np.array([0.0, 20, 20.4, 40]))
    assert best_boundaries(scores, cost=0.5).tolist() == [0, 1, 2, 3]


def test_first_and_last_boundary_count_no_hits():
    probable = [1, 0.3, 0.2, 1]
    assert hits_of(probable, [0, 1, 2, 3], [0, 3]) == 0
    assert hits_of(probable, [0, 1, 2, 3], [0, 1, 3]) == pytest.approx((0.3 + 0.5) / 2, abs=1e-5)


@pytest.mark.parametrize("near_to", ["start", "end"])
def test_boundaries_near_an_end_are_not_hit_from_afar(near_to):
    probable, edges = np.array([1, 0.4, 0.0, 1]), np.array([0, 2, 20, 40])
    if near_to == "end":
        probable, edges = probable[::-1], 40 - edges[::-1]
    found = [0, 2, 3] if near_to == "start" else [0, 1, 3]
    assert hits_of(probable, edges, found, tolerances=[3]) == 0


def test_rounding_keeps_hits_at_exactly_the_tolerance():
    place, later = 9.1, 0.1 * 121
    assert place + 3.0 < later < place + 3.0 + 1e-9
    edges = [0, place, later, 40]
    assert later - 3.0 > place
    for probable, found in (([1, 0, 0.4, 1], [0, 1, 3]), ([1, 0.4, 0, 1], [0, 2, 3])):
        hits = hits_of(probable, edges, found, tolerances=[3.0])
        assert hits == pytest.approx(0.4, abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value, rng):
    novelty, Z = rng.random(9), rng.normal(size=(8, 8))
    novelty[3] = Z[3, 4] = value
    with pytest.raises(ValueError, match=f"novelty must be finite, got {value} at edge 3"):
        pick_boundaries(novelty, min_frames=2)
    for scores in (block_scores, repetition_scores):
        with pytest.raises(ValueError, match=rf"must be finite, got {value} at \(3, 4\)"):
            scores(Z)


def test_scores_may_be_a_list_of_rows(rng):
    scores = block_scores(rng.normal(size=(8, 8)))
    rows = scores.tolist()
    np.testing.assert_array_equal(best_boundaries(rows), best_boundaries(scores))
    probable = boundary_probabilities(rows)
    np.testing.assert_allclose(probable, boundary_probabilities(scores), rtol=1e-12)
    hits = expected_hits(probable.tolist(), list(range(9)))
    np.testing.assert_array_equal(hits, expected_hits(probable, np.arange(9.0)))


@pytest.mark.parametrize("select", [best_boundaries, boundary_probabilities])
def test_scores_are_square(select):
    with pytest.raises(ValueError, match=r"scores must have shape .*, got \(3, 4\)"):
        select(np.zeros((3, 4)))


def test_each_edge_needs_a_probability():
    with pytest.raises(ValueError, match=r"a probability for each edge .* \(3,\) and \(4,\)"):
        expected_hits(np.ones(3), np.arange(4.0))
