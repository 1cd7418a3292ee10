"""Properties of any input: symmetry, bounds, time reversal, scale, round trips."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scatseg.boundaries import join_segments, pick_boundaries
from scatseg.labels import absorb_short_runs, cluster_segments, run_edges
from scatseg.novelty import checkerboard_novelty, structure_novelty
from scatseg.segmentation import Segmentation, letter_labels
from scatseg.similarity import enhance_paths, recurrence, self_similarity, stacked, to_lags

quick = settings(deadline=None, max_examples=50)

METRICS = st.sampled_from(["cosine", "euclidean"])
POWERS_OF_TWO = st.integers(-20, 20).map(lambda power: 2.0**power)
"""Powers of two, by which scaling is exact."""


@st.composite
def rows(draw, max_frames=12, max_features=4):
    """Frames in eighths, so that frames are equal or clearly different."""
    shape = draw(st.tuples(st.integers(1, max_frames), st.integers(1, max_features)))
    return draw(arrays.arrays(np.int16, shape, elements=st.integers(-100, 100))) / 8


@st.composite
def relations(draw, max_frames=12):
    """Symmetric matrices in [0, 1]."""
    n = draw(st.integers(1, max_frames))
    upper = draw(arrays.arrays(np.int16, (n, n), elements=st.integers(0, 16))) / 16
    return np.triu(upper) + np.triu(upper, 1).T


@st.composite
def curves(draw, max_frames=40):
    """Novelty: never negative, 0 at both ends."""
    n = draw(st.integers(1, max_frames))
    novelty = draw(arrays.arrays(np.int16, n + 1, elements=st.integers(0, 8))) / 8
    novelty[[0, -1]] = 0
    return novelty


@st.composite
def cuts(draw, n_frames):
    """Boundary frames from 0 to n_frames."""
    inner = draw(st.sets(st.integers(1, n_frames - 1))) if n_frames > 1 else set()
    return np.array(sorted({0, n_frames} | inner), dtype=np.intp)


@st.composite
def forms(draw):
    lengths = draw(st.lists(st.integers(1, 200), min_size=1, max_size=12))
    start = draw(st.integers(0, 50))
    labels = draw(st.lists(st.sampled_from("ABC"), min_size=len(lengths), max_size=len(lengths)))
    return Segmentation(np.cumsum([start, *lengths]) / 8, labels)


# Similarity


@quick
@given(rows(), METRICS)
def test_similarity_is_symmetric_in_bounds_and_one_on_the_diagonal(X, metric):
    S = self_similarity(X, metric=metric)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_array_equal(S.diagonal(), 1)
    assert S.min() >= 0
    assert S.max() <= 1


@quick
@given(rows(), METRICS)
def test_similarity_of_equal_frames_is_one(X, metric):
    S = self_similarity(np.concatenate([X, X]), metric=metric)
    np.testing.assert_allclose(S.diagonal(len(X)), 1, atol=1e-12)


@quick
@given(rows(), METRICS, POWERS_OF_TWO)
def test_similarity_is_invariant_to_scale(X, metric, scale):
    np.testing.assert_array_equal(
        self_similarity(scale * X, metric=metric), self_similarity(X, metric=metric)
    )


@quick
@given(rows(), METRICS)
def test_similarity_is_equivariant_to_time_reversal(X, metric):
    np.testing.assert_allclose(
        self_similarity(X[::-1], metric=metric),
        self_similarity(X, metric=metric)[::-1, ::-1],
        atol=1e-9,
    )


@quick
@given(rows(), METRICS, st.randoms())
def test_similarity_is_invariant_to_the_order_of_features(X, metric, random):
    order = random.sample(range(X.shape[1]), X.shape[1])
    np.testing.assert_allclose(
        self_similarity(X[:, order], metric=metric), self_similarity(X, metric=metric), atol=1e-9
    )


@quick
@given(rows(), st.integers(1, 15))
def test_a_stacked_frame_contains_the_frame_itself(X, n_frames):
    middle = n_frames // 2 * X.shape[1]
    np.testing.assert_array_equal(stacked(X, n_frames=n_frames)[:, middle : middle + X.shape[1]], X)


@quick
@given(relations(), st.integers(1, 12), st.integers(1, 4))
def test_recurrence_is_symmetric_and_far_in_time(S, n_neighbors, min_lag):
    R = recurrence(S, n_neighbors=n_neighbors, min_lag=min_lag)
    np.testing.assert_array_equal(R, R.T)
    assert all(abs(i - j) >= min_lag for i, j in np.argwhere(R))


@quick
@given(relations(), st.integers(1, 12))
def test_recurrence_is_equivariant_to_time_reversal(S, n_neighbors):
    backward = recurrence(S[::-1, ::-1], n_neighbors=n_neighbors)
    np.testing.assert_array_equal(backward, recurrence(S, n_neighbors=n_neighbors)[::-1, ::-1])


@quick
@given(relations(), st.integers(1, 12))
def test_more_neighbors_never_remove_one(S, n_neighbors):
    fewer = recurrence(S, n_neighbors=n_neighbors)
    assert not (fewer & ~recurrence(S, n_neighbors=n_neighbors + 1)).any()


@quick
@given(relations())
def test_lag_matrix_round_trip_is_the_identity(S):
    L = to_lags(S)
    i = np.arange(len(S))
    np.testing.assert_array_equal(L[(i[None, :] - i[:, None]) % len(S), i[:, None]], S)


@quick
@given(relations(), st.sampled_from([1, 3, 5, 9]))
def test_enhanced_paths_are_symmetric_and_within_the_input_range(S, n_frames):
    enhanced = enhance_paths(S, n_frames=n_frames)
    np.testing.assert_array_equal(enhanced, enhanced.T)
    assert enhanced.min() >= 0
    assert enhanced.max() <= S.max()


# Novelty


@quick
@given(relations(), st.integers(1, 15))
def test_checkerboard_novelty_is_in_bounds(S, half_width_frames):
    novelty = checkerboard_novelty(S, half_width_frames=half_width_frames)
    assert novelty.shape == (len(S) + 1,)
    assert novelty.min() >= 0
    assert novelty.max() <= 2 + 1e-12


@quick
@given(relations(), st.integers(1, 15))
def test_checkerboard_novelty_is_equivariant_to_time_reversal(S, half_width_frames):
    np.testing.assert_allclose(
        checkerboard_novelty(S[::-1, ::-1], half_width_frames=half_width_frames),
        checkerboard_novelty(S, half_width_frames=half_width_frames)[::-1],
        atol=1e-12,
    )


@quick
@given(relations(), st.integers(1, 15), st.floats(0, 5), st.floats(-1, 1))
def test_checkerboard_novelty_scales_with_contrast_and_is_invariant_to_level(
    S, width, contrast, level
):
    np.testing.assert_allclose(
        checkerboard_novelty(contrast * S + level, half_width_frames=width),
        contrast * checkerboard_novelty(S, half_width_frames=width),
        atol=1e-12,
    )


@quick
@given(relations(), st.floats(0.1, 5), st.floats(0.1, 5))
def test_structure_novelty_is_never_negative_and_zero_at_both_ends(R, time_width, lag_width):
    novelty = structure_novelty(R, time_width_frames=time_width, lag_width_frames=lag_width)
    assert novelty.shape == (len(R) + 1,)
    assert novelty.min() >= 0
    assert novelty[0] == novelty[-1] == 0


# Boundaries


@quick
@given(curves(), st.integers(1, 9), st.floats(0, 1))
def test_boundary_frames_go_from_end_to_end_and_keep_their_distance(novelty, min_frames, detail):
    cut = pick_boundaries(novelty, min_frames=min_frames, granularity=detail)
    assert (cut[0], cut[-1]) == (0, len(novelty) - 1)
    assert len(cut) == 2 or np.diff(cut).min() >= min_frames


@quick
@given(curves(), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_granularity_never_removes_a_boundary(novelty, min_frames, one, other):
    fewer, more = (
        set(pick_boundaries(novelty, min_frames=min_frames, granularity=detail))
        for detail in sorted([one, other])
    )
    assert fewer <= more


@quick
@given(curves(), st.integers(1, 9), st.integers(1, 12))
def test_one_more_segment_adds_at_most_one_boundary(novelty, min_frames, n_segments):
    fewer, more = (
        set(pick_boundaries(novelty, min_frames=min_frames, n_segments=n))
        for n in (n_segments, n_segments + 1)
    )
    assert fewer <= more
    assert len(more - fewer) <= 1
    assert len(fewer) <= n_segments + 1


@quick
@given(curves(), st.integers(1, 9), st.floats(0, 1), st.sampled_from([0.25, 0.5, 2, 1024]))
def test_boundaries_are_invariant_to_the_scale_of_novelty(novelty, min_frames, detail, scale):
    np.testing.assert_array_equal(
        pick_boundaries(scale * novelty, min_frames=min_frames, granularity=detail),
        pick_boundaries(novelty, min_frames=min_frames, granularity=detail),
    )


@quick
@given(st.data(), rows(), st.integers(1, 12))
def test_merging_segments_keeps_a_subset_of_the_boundaries(data, E, n_segments):
    before = data.draw(cuts(len(E)))
    after = join_segments(before, E, n_segments=n_segments)
    assert len(after) - 1 == min(n_segments, len(before) - 1)
    assert {0, len(E)} <= set(after.tolist()) <= set(before.tolist())


# Labels


@quick
@given(st.data(), rows(), st.sampled_from([0.25, 4, 1024]))
def test_labels_of_segments_are_invariant_to_scale(data, X, scale):
    cut = data.draw(cuts(len(X)))
    assert cluster_segments(scale * X, cut) == cluster_segments(X, cut)


@quick
@given(st.data(), rows(), st.integers(1, 6))
def test_segments_get_one_label_each_and_so_many_in_all(data, X, n_labels):
    cut = data.draw(cuts(len(X)))
    labels = cluster_segments(X, cut, n_labels=n_labels)
    assert len(labels) == len(cut) - 1
    assert len(set(labels)) == min(n_labels, len(labels))


@quick
@given(st.data(), rows(max_frames=30), st.integers(1, 8))
def test_short_runs_vanish_and_no_code_is_invented(data, E, min_frames):
    codes = data.draw(arrays.arrays(np.intp, len(E), elements=st.integers(0, 3)))
    kept = absorb_short_runs(codes, E, min_frames=min_frames)
    lengths = np.diff(run_edges(kept))
    assert len(lengths) == 1 or lengths.min() >= min_frames
    assert set(run_edges(kept)) <= set(run_edges(codes))
    assert set(kept) <= set(codes)


@quick
@given(st.lists(st.integers(0, 60), max_size=80))
def test_letters_are_equal_where_codes_are(codes):
    labels = letter_labels(codes)
    assert len(set(labels)) == len(set(zip(codes, labels, strict=True))) == len(set(codes))


# Segmentation


@quick
@given(forms())
def test_interval_round_trip_is_the_identity(form):
    assert Segmentation.from_intervals(form.intervals, form.labels) == form


@quick
@given(forms())
def test_merged_neighbors_differ(form):
    assert all(left != right for left, right in itertools.pairwise(form.merged().labels))


@quick
@given(forms(), st.floats(0, 1))
def test_merging_preserves_the_label_at_every_time(form, share):
    time = form.start + share * (form.end - form.start)
    assert form.merged().label_at(time) == form.label_at(time)


@quick
@given(forms())
def test_merging_is_idempotent(form):
    assert form.merged().merged() == form.merged()
