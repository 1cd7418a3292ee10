"""Statistics of scores: known answers, agreement with SciPy, and general properties."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from scatseg.statistics import (
    Outcomes,
    average_ranks,
    bootstrap_intervals,
    count_outcomes,
    critical_difference,
    friedman_test,
    grouped_intervals,
    holm,
    indistinct_groups,
    resampled_sums,
    signed_rank_test,
)

samples = st.lists(st.floats(0, 1), min_size=2, max_size=40)


# --- bootstrap ---------------------------------------------------------------------------------


def test_each_value_needs_a_group():
    with pytest.raises(ValueError, match="a group for each value is needed, got 2 groups of 3"):
        grouped_intervals([[1.0, 2.0, 3.0]], ["a", "b"])


@pytest.mark.parametrize("groups", [["a", None, "a"], [1, np.nan, 1], np.array([1, np.nan, 1])])
def test_no_group_is_refused_as_a_group(groups):
    with pytest.raises(ValueError, match="a group for each value is needed, got None or NaN"):
        grouped_intervals([[1.0, 2.0, 3.0]], groups)


@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
def test_p_values_are_probabilities(p):
    with pytest.raises(ValueError, match=r"p-values must be in \[0, 1\]"):
        holm([0.5, p])


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0, np.nan])
def test_an_error_level_is_a_share(alpha):
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        critical_difference(3, 10, alpha=alpha)


@settings(max_examples=50, deadline=None)
@given(samples, st.integers(0, 100))
def test_interval_covers_the_mean_of_its_sample(sample, seed):
    ((low, high),) = bootstrap_intervals([sample], n_resamples=2000, seed=seed)
    assert low - 1e-12 <= np.mean(sample) <= high + 1e-12
    assert min(sample) - 1e-12 <= low <= high <= max(sample) + 1e-12


def test_interval_has_the_coverage_that_it_claims(rng):
    draws = rng.normal(3.0, 1.0, size=(1000, 60))
    intervals = bootstrap_intervals(list(draws), n_resamples=1000)
    covered = ((intervals[:, 0] < 3) & (intervals[:, 1] > 3)).mean()
    assert covered == pytest.approx(0.945, abs=0.02)


def test_interval_is_as_wide_as_the_normal_one_of_many_values(rng):
    sample = rng.normal(size=2000)
    ((low, high),) = bootstrap_intervals([sample])
    assert high - low == pytest.approx(2 * 1.96 * sample.std() / np.sqrt(2000), rel=0.03)


def test_interval_agrees_with_scipy_s(rng):
    sample = rng.beta(2, 5, size=50)
    theirs = scipy.stats.bootstrap(
        (sample,), np.mean, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    np.testing.assert_allclose(bootstrap_intervals([sample])[0], theirs, atol=0.003)


def test_interval_depends_on_its_own_sample_alone(rng):
    first, second, third = rng.random(12), rng.random(12), rng.random(30)
    alone = bootstrap_intervals([first])[0]
    among = bootstrap_intervals([third, second, first])[2]
    np.testing.assert_array_equal(among, alone)


def test_copies_within_a_group_make_an_interval_no_narrower(rng):
    sample = np.sort(rng.random(12))
    alone = bootstrap_intervals([sample])
    np.testing.assert_array_equal(grouped_intervals([sample], range(12)), alone)
    copies = grouped_intervals([np.repeat(sample, 5)], np.repeat(range(12), 5))
    np.testing.assert_allclose(copies, alone, atol=1e-9)


def test_a_grouped_interval_has_the_coverage_that_it_claims(rng):
    groups = np.repeat(range(40), rng.integers(1, 12, size=40))
    covered = 0
    for _ in range(150):
        sample = rng.normal(size=40)[groups] + rng.normal(size=groups.size)
        ((low, high),) = grouped_intervals([sample], groups)
        covered += low < 0 < high
    assert covered / 150 == pytest.approx(0.93, abs=0.06)


def test_a_single_group_has_no_interval():
    assert np.isnan(grouped_intervals([[0.0, 1.0]], ["x", "x"])).all()


def test_equal_seeds_give_equal_intervals_and_others_do_not(rng):
    sample = rng.random(20)
    again = [bootstrap_intervals([sample], seed=seed).tolist() for seed in (5, 5, 6)]
    assert again[0] == again[1] != again[2]


def test_large_samples_are_resampled_in_blocks_with_the_same_result(rng, monkeypatch):
    sample = rng.random(100)
    whole = bootstrap_intervals([sample], n_resamples=500)
    monkeypatch.setattr("scatseg.statistics._BLOCK", 700)
    np.testing.assert_array_equal(bootstrap_intervals([sample], n_resamples=500), whole)


def test_order_of_the_values_does_not_matter(rng):
    sample = rng.random(20)
    np.testing.assert_array_equal(
        bootstrap_intervals([sample]), bootstrap_intervals([rng.permutation(sample)])
    )


def test_higher_confidence_gives_wider_intervals(rng):
    sample = rng.random(30)
    ((low, high),) = bootstrap_intervals([sample])
    ((lower, higher),) = bootstrap_intervals([sample], confidence=0.99)
    assert lower < low < high < higher


def test_equal_values_have_an_interval_of_no_width():
    np.testing.assert_array_equal(bootstrap_intervals([[0.1] * 7]), [[0.1, 0.1]])


@pytest.mark.parametrize("sample", [[], [0.5]])
def test_less_than_two_values_have_no_interval(sample):
    assert np.isnan(bootstrap_intervals([sample])).all()


def test_undefined_values_are_refused():
    with pytest.raises(ValueError, match=r"finite numbers in one row, got .*leave out"):
        bootstrap_intervals([[0.5, np.nan]])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        *(({"confidence": share}, f"between 0 and 1, got {share:g}") for share in (0, 1, 95)),
        ({"n_resamples": 0}, "at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        bootstrap_intervals([[0.5, 0.6]], **options)


# --- pairs -------------------------------------------------------------------------------------


def test_differences_by_rounding_are_ties():
    assert count_outcomes([0.1 + 0.2 - 0.3, 0.1, -0.1, -0.2]) == Outcomes(1, 1, 2)


@pytest.mark.parametrize("size", [8, 30, 200])
def test_signed_rank_test_is_scipy_s(rng, size):
    differences = rng.normal(0.3, 1, size=size)
    expected = scipy.stats.wilcoxon(differences).pvalue
    assert signed_rank_test(differences) == pytest.approx(expected, rel=1e-6)


def test_signed_rank_test_by_hand():
    # The positive ranks of the eight sign patterns add up to 0 1 2 3 3 4 5 6. Six are as far
    # from 3 as +1 -2 +3, with 4, and two as far as +1 +2 +3.
    assert signed_rank_test([0.1, -0.2, 0.3]) == 6 / 8
    assert signed_rank_test([0.1, 0.2, 0.3]) == 2 / 8


def test_tracks_without_a_difference_do_not_count():
    assert signed_rank_test([0.1, 0.2, 0.3, 0.0, 1e-17]) == signed_rank_test([0.1, 0.2, 0.3])


@pytest.mark.parametrize("test", [signed_rank_test, count_outcomes])
@pytest.mark.parametrize("undefined", [np.nan, np.inf])
def test_differences_must_be_finite(test, undefined):
    with pytest.raises(ValueError, match=r"must be finite numbers .* leave out what is undefined"):
        test([0.1, undefined, 0.3])


@pytest.mark.parametrize("differences", [[], [0.0, 0.0]])
def test_nothing_that_differs_is_no_evidence(differences):
    assert signed_rank_test(differences) == 1


def test_sign_of_the_differences_does_not_matter(rng):
    differences = rng.normal(size=20)
    assert signed_rank_test(differences) == pytest.approx(signed_rank_test(-differences))


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and none below the one before.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_raises_p_values_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-15).all()


# --- ranks -------------------------------------------------------------------------------------

# Demšar (2006), table 6: AUC of C4.5 and its variants C4.5+m, C4.5+cf, C4.5+m+cf.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975],
    [0.957, 0.978, 0.946, 0.970],
]


def test_average_ranks_are_those_of_the_textbook():
    np.testing.assert_allclose(average_ranks(DEMSAR), [3.143, 2.000, 2.893, 1.964], atol=5e-4)


@pytest.mark.parametrize("statistic", [average_ranks, friedman_test])
def test_ranks_are_of_complete_finite_tables(statistic):
    with pytest.raises(ValueError, match=r"got nan of system 1 on track 0: leave out tracks"):
        statistic([[0.9, np.nan], [0.1, 0.2]])
    with pytest.raises(ValueError, match=r"shape \(n_tracks, n_systems\).*got \(3,\)"):
        statistic([0.9, 0.1, 0.2])
    with pytest.raises(ValueError, match=r"none of them 0, got \(0, 2\)"):
        statistic(np.empty((0, 2)))


def test_friedman_test_is_scipy_s():
    expected = scipy.stats.friedmanchisquare(*np.transpose(DEMSAR)).pvalue
    assert friedman_test(DEMSAR) == pytest.approx(expected)


def test_systems_that_always_tie_are_no_evidence():
    assert friedman_test([[0.5, 0.5], [0.1, 0.1]]) == 1


@pytest.mark.parametrize(
    ("n_systems", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_critical_difference_has_the_constants_of_the_textbook(n_systems, q):
    expected = q * np.sqrt(n_systems * (n_systems + 1) / (6 * 20))
    assert critical_difference(n_systems, 20) == pytest.approx(expected, rel=1e-3)


def test_one_system_has_no_critical_difference():
    with pytest.raises(ValueError, match="ranks need 2 systems and 1 track or more, got 1 and 9"):
        critical_difference(1, 9)


@pytest.mark.parametrize(
    ("ranks", "difference", "groups"),
    [
        ([1.0, 2.0, 3.0], 0.5, []),
        ([1.0, 2.0, 3.0], 5.0, [(0, 1, 2)]),
        ([3.0, 1.0, 2.0], 1.5, [(1, 2), (2, 0)]),
        ([1.0, 1.1, 3.0, 3.1], 0.5, [(0, 1), (2, 3)]),
        ([1.0, 2.0], 1.0, []),
    ],
)
def test_groups_are_the_largest_runs_within_the_difference(ranks, difference, groups):
    assert indistinct_groups(ranks, difference) == groups


@pytest.mark.parametrize("p_values", [0.5, [[0.1, 0.2]]])
def test_p_values_are_in_one_row(p_values):
    with pytest.raises(ValueError, match=r"p-values must be in .* in one row, got"):
        holm(p_values)


@pytest.mark.parametrize("columns", [np.empty((0, 2)), [1.0, 2.0], 1.0])
def test_rows_are_needed_to_resample(columns):
    with pytest.raises(ValueError, match=r"columns must have shape \(n_rows, n_columns\)"):
        resampled_sums(columns)
