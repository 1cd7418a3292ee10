"""Where to cut: peaks of curves that are drawn by hand, and joins of segments."""

import itertools

import numpy as np
import pytest

from scatseg.boundaries import check_detail, join_segments, pick_boundaries

#           0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16
CURVE = [0, 0, 1, 0, 0, 8, 0, 0, 4, 0, 0, 2, 0, 0, 1, 0, 0]


def picked(novelty=CURVE, min_frames=2, **options):
    curve = np.array(novelty, dtype=float)
    return pick_boundaries(curve, min_frames=min_frames, **options).tolist()


def test_all_peaks_are_cut_at_full_granularity():
    assert picked(granularity=1) == [0, 2, 5, 8, 11, 14, 16]


def test_only_the_most_prominent_peak_is_cut_at_no_granularity():
    assert picked(granularity=0) == [0, 5, 16]


def test_granularity_is_a_quadratic_share_of_the_most_prominent_peak():
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
def test_so_many_segments_are_made_of_the_most_prominent_peaks(n_segments, cuts):
    assert picked(n_segments=n_segments) == cuts


def test_more_segments_never_remove_a_boundary(rng):
    novelty = rng.uniform(size=200)
    cuts = [set(picked(novelty, 3, n_segments=n)) for n in range(1, 30)]
    assert all(fewer < more for fewer, more in itertools.pairwise(cuts))


def test_all_peaks_are_cut_where_more_segments_are_asked_for():
    assert picked(n_segments=100) == picked(granularity=1)


def test_a_number_of_segments_overrules_granularity():
    assert picked(n_segments=3, granularity=0) == picked(n_segments=3, granularity=1)


@pytest.mark.parametrize("min_frames", [1, 2, 5, 20, 60])
def test_no_segment_is_shorter_than_asked(min_frames, rng):
    cuts = picked(rng.uniform(size=200), min_frames, granularity=1)
    assert min(np.diff(cuts)) >= min_frames


def test_of_two_near_peaks_the_more_prominent_one_stays():
    assert picked([0, 0, 0, 3, 0, 5, 0, 0, 0], min_frames=3, granularity=1) == [0, 5, 8]


def test_peaks_exactly_as_far_as_asked_both_stay():
    assert picked([0, 0, 0, 3, 0, 5, 0, 0, 0], min_frames=2, granularity=1) == [0, 3, 5, 8]


def test_a_peak_that_gave_way_does_not_displace_others():
    novelty = [0, 0, 0, 0, 5, 0, 4, 0, 3, 0, 0, 0, 0]
    assert picked(novelty, min_frames=3, granularity=1) == [0, 4, 8, 12]


def test_a_plateau_is_cut_once_in_its_middle():
    assert picked([0, 0, 0, 2, 2, 2, 0, 0, 0], granularity=1) == [0, 4, 8]


def test_prominence_counts_and_not_height():
    novelty = [0, 0, 9, 8, 9.5, 0, 0, 4, 0, 0]
    assert picked(novelty, n_segments=3) == [0, 4, 7, 9]


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_flat_curve_is_not_cut(level):
    assert picked(np.full(50, level), granularity=1) == [0, 49]


def test_rounding_is_not_cut(rng):
    assert picked(1e-12 * rng.uniform(size=100), granularity=1) == [0, 99]


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_hardly_any_frames_are_not_cut(n_frames):
    novelty = np.ones(n_frames + 1)
    novelty[[0, -1]] = 0
    assert picked(novelty, min_frames=2, granularity=1) == [0, n_frames]


def test_boundary_frames_are_indices():
    assert pick_boundaries(np.array(CURVE, dtype=float), min_frames=2).dtype == np.intp


@pytest.mark.parametrize("granularity", [-0.1, 1.1, float("nan")])
def test_granularity_outside_its_range_is_refused(granularity):
    with pytest.raises(ValueError, match=rf"granularity must be in \[0, 1\], got {granularity}"):
        picked(granularity=granularity)


@pytest.mark.parametrize("n_segments", [0, -3])
def test_less_than_one_segment_is_refused(n_segments):
    with pytest.raises(ValueError, match=f"n_segments must be at least 1, got {n_segments}"):
        check_detail(0.5, n_segments)


def test_neighbors_that_differ_least_are_joined_first():
    E = np.repeat([0.0, 1.0, 9.0, 11.0], 5)[:, None]
    cuts = np.array([0, 5, 10, 15, 20])
    assert join_segments(cuts, E, n_segments=3).tolist() == [0, 10, 15, 20]
    assert join_segments(cuts, E, n_segments=2).tolist() == [0, 10, 20]
    assert join_segments(cuts, E, n_segments=1).tolist() == [0, 20]


def test_joined_segments_are_compared_by_their_common_mean():
    # 0 and 2 join to a mean of 1, which is further from 4.5 than 4.5 is from 7.9.
    E = np.repeat([0.0, 2.0, 4.5, 7.9], 5)[:, None]
    assert join_segments(np.array([0, 5, 10, 15, 20]), E, n_segments=2).tolist() == [0, 10, 20]


def test_segments_few_enough_stay():
    cuts = np.array([0, 5, 10])
    np.testing.assert_array_equal(join_segments(cuts, np.zeros((10, 1)), n_segments=2), cuts)


def test_joining_leaves_its_input_alone(rng):
    cuts = np.array([0, 5, 10, 15])
    join_segments(cuts, rng.normal(size=(15, 2)), n_segments=1)
    np.testing.assert_array_equal(cuts, [0, 5, 10, 15])
