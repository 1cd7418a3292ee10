"""Labels of segments by clustering and by repetition, with known answers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatseg import audio, formats
from scatseg.agreement import label_scores
from scatseg.features import uniform_edges
from scatseg.labels import (
    absorb_short_runs,
    cluster_rows,
    cluster_segments,
    label_by_repetition,
    majority_labels,
    repeats_in_other_keys,
    run_edges,
    segment_similarity,
)
from scatseg.segmentation import Segmentation
from scatseg.spectral import CQT


def sections(rng, form, n_frames=10, n_features=16, noise=0.1):
    """Noisy frames around one random center per letter, and section edges."""
    centers = {letter: rng.normal(size=n_features) for letter in sorted(set(form))}
    X = np.repeat([centers[letter] for letter in form], n_frames, axis=0)
    edges = np.arange(len(form) + 1) * n_frames
    return X + noise * rng.normal(size=X.shape), edges


@pytest.mark.parametrize("form", ["ABA", "AABA", "ABCABD", "ABACADA"])
def test_similar_sections_share_a_label(form, rng):
    assert cluster_segments(*sections(rng, form)) == tuple(form)


def test_labels_do_not_depend_on_segment_length(rng):
    X, _ = sections(rng, "ABA", n_frames=30)
    X = np.concatenate([X[:5], X[30:60], X[60:]])
    assert cluster_segments(X, np.array([0, 5, 35, 65])) == ("A", "B", "A")


def test_one_segment_is_labeled_a(rng):
    assert cluster_segments(rng.normal(size=(10, 3)), np.array([0, 10])) == ("A",)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e5])
def test_identical_segments_share_a_label(dtype, level):
    X = np.full((6000, 4), level, dtype=dtype)
    assert cluster_segments(X, np.array([0, 2000, 3000, 6000])) == ("A", "A", "A")


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4])
def test_n_labels_sets_the_number_of_labels(n_labels, rng):
    labels = cluster_segments(*sections(rng, "ABCD"), n_labels=n_labels)
    assert len(set(labels)) == n_labels


def test_n_labels_is_limited_by_the_number_of_segments(rng):
    assert cluster_segments(*sections(rng, "ABC"), n_labels=10) == ("A", "B", "C")


def test_a_chain_of_similar_segments_is_not_one_label():
    # The second is close to the first and the third, which are far apart.
    angles = np.deg2rad([0, 45, 100])
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    X = np.concatenate([X, -X.sum(axis=0, keepdims=True)])
    assert cluster_segments(X, np.arange(5)) == ("A", "A", "B", "C")


def test_threshold_0_separates_all_segments(rng):
    assert cluster_segments(*sections(rng, "ABA"), threshold=0) == ("A", "B", "C")


@pytest.mark.parametrize(("threshold", "labels"), [(1.0, "ABCD"), (1.01, "AABB")])
def test_segments_at_the_distance_of_the_threshold_are_separate(threshold, labels):
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert cluster_segments(X, np.arange(5), threshold=threshold) == tuple(labels)


def test_a_threshold_above_all_distances_joins_all_segments(rng):
    assert cluster_segments(*sections(rng, "ABCD"), threshold=2.1) == ("A", "A", "A", "A")


def test_labels_are_invariant_to_scale_and_offset(rng):
    X, edges = sections(rng, "ABCABD")
    assert cluster_segments(100 * X + 5000, edges) == cluster_segments(X, edges)


@pytest.mark.parametrize("edges", [[0, 10, 80], [5, 10, 60], [0, 10, 10, 60], [0], [0.0, 9.5, 60]])
def test_boundaries_not_matching_the_frames_raise(edges, rng):
    with pytest.raises(ValueError, match="boundary_frames must increase from 0 to 60, got"):
        cluster_segments(rng.normal(size=(60, 3)), np.array(edges))


def test_zero_labels_raise(rng):
    with pytest.raises(ValueError, match="n_labels must be an integer of at least 1, got 0"):
        cluster_segments(*sections(rng, "ABA"), n_labels=0)


def test_clustering_segments_does_not_modify_its_input(rng):
    X, edges = sections(rng, "ABA")
    before = X.copy()
    cluster_segments(X, edges)
    np.testing.assert_array_equal(X, before)


@pytest.mark.corpus
def test_labels_of_annotated_boundaries_match_the_annotator(shared):
    folder = shared / "corpus" / "real_lyrics"
    y, sr = audio.load(folder / "audio" / "JonathanCoulton-Better.ogg")
    (annotation,) = formats.read(folder / "annotations" / "JonathanCoulton-Better.lab")
    form = annotation.segmentation
    features = CQT()(y, sr).pooled(uniform_edges(len(y) / sr, 0.5))
    edges = np.searchsorted(features.centers, form.boundaries)
    labels = label_by_repetition(correlations(features.X), edges)
    found = Segmentation(form.boundaries, labels)
    assert label_scores(form, found)["Pairwise F-measure"] > 0.9


def z_scored(S):
    different = S[np.triu_indices(len(S), 1)]
    return (S - different.mean()) / different.std()


def correlations(X):
    rows = X - X.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return z_scored(rows @ rows.T)


def repetitions(rng, form, n_frames=8, noise=0.5):
    """Z-scored similarity of phrases repeated frame by frame, and their edges."""
    phrases = {letter: rng.normal(size=(n_frames, 24)) for letter in sorted(set(form))}
    X = np.concatenate([phrases[letter] for letter in form])
    return correlations(X + noise * rng.normal(size=X.shape)), np.arange(len(form) + 1) * n_frames


def blocks(form, n_frames=10):
    """Z-scored similarity of homogeneous sections, and their edges."""
    letters = np.repeat(list(form), n_frames)
    same = np.equal.outer(letters, letters).astype(float)
    return z_scored(same), np.arange(len(form) + 1) * n_frames


FORMS = ["AB", "ABA", "AABA", "ABABCB", "ABACADA", "ABCDEFGA", "ABCDBEFB"]


@pytest.mark.parametrize("form", FORMS)
def test_repeated_segments_share_a_label(form, rng):
    assert label_by_repetition(*repetitions(rng, form)) == tuple(form)


@pytest.mark.parametrize("form", ["AB", "ABA", "AABA", "AABB", "ABCABCA", "AAAAAAAAAB"])
def test_homogeneous_segments_of_one_timbre_share_a_label(form):
    assert label_by_repetition(*blocks(form)) == tuple(form)


def test_a_long_piece_keeps_its_labels(rng):
    form = "".join(rng.choice(list("ABCDE"), size=150))
    order = {letter: "ABCDE"[i] for i, letter in enumerate(dict.fromkeys(form))}
    labels = label_by_repetition(*repetitions(rng, form, noise=1))
    assert labels == tuple(order[letter] for letter in form)


@pytest.mark.parametrize("n_frames", [4, 8, 40])
def test_unrelated_segments_rarely_share_a_label(n_frames, rng):
    Z = correlations(rng.normal(size=(12 * n_frames, 24)))
    labels = label_by_repetition(Z, np.arange(13) * n_frames)
    assert len(set(labels)) >= 9


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0])
def test_constant_similarity_gives_one_label(level):
    Z = np.full((60, 60), level)
    np.fill_diagonal(Z, 4)
    assert label_by_repetition(Z, np.array([0, 5, 30, 60])) == ("A", "A", "A")


def test_one_segment_of_a_matrix_is_labeled_a(rng):
    Z, _ = repetitions(rng, "ABA")
    assert label_by_repetition(Z, np.array([0, len(Z)])) == ("A",)


def test_one_frame_is_labeled_a():
    assert label_by_repetition(np.array([[4.0]]), np.array([0, 1])) == ("A",)


def alike_blocks(similarities, n_frames=4):
    """Z-scored similarity with one constant per pair of segments."""
    return np.kron(similarities, np.ones((n_frames, n_frames)))


@pytest.mark.parametrize(("similarity", "labels"), [(0.9, "ABC"), (1.1, "ABA")])
def test_segments_above_the_threshold_share_a_label(similarity, labels):
    Z = alike_blocks([[4, 0.5, similarity], [0.5, 4, 0.5], [similarity, 0.5, 4]])
    assert label_by_repetition(Z, np.array([0, 4, 8, 12])) == tuple(labels)


@pytest.mark.parametrize(("similarity", "labels"), [(-0.1, "ABC"), (0.1, "ABA")])
def test_below_the_threshold_only_similarity_above_average_joins(similarity, labels):
    Z = alike_blocks([[4, -3, similarity], [-3, 4, -3], [similarity, -3, 4]])
    assert label_by_repetition(Z, np.array([0, 4, 8, 12])) == tuple(labels)


@pytest.mark.parametrize(("lower", "labels"), [(-0.8, "ABC"), (-1.2, "ABA")])
def test_the_threshold_moves_into_a_gap_of_at_least_one(lower, labels):
    # In the best alignments, half the segments overlap, which sums half of `lower`.
    Z = alike_blocks([[4, lower, 0.5], [lower, 4, lower], [0.5, lower, 4]])
    assert label_by_repetition(Z, np.array([0, 4, 8, 12])) == tuple(labels)


@pytest.mark.parametrize("threshold", [0.9, 1.2])
@pytest.mark.parametrize("form", FORMS)
def test_labels_are_robust_to_the_threshold(threshold, form, rng):
    Z, edges = repetitions(rng, form)
    assert label_by_repetition(Z, edges, threshold=threshold) == tuple(form)


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_robust_to_boundaries_one_frame_off(form, rng):
    Z, edges = repetitions(rng, form)
    edges[1:-1] += rng.integers(-1, 2, size=len(edges) - 2)
    assert label_by_repetition(Z, edges) == tuple(form)


def test_a_repetition_is_found_at_any_offset(rng):
    # The second segment starts three frames before its match with the first.
    X = rng.normal(size=(60, 24))
    X[33:48] = X[:15]
    assert label_by_repetition(correlations(X), np.array([0, 15, 30, 48, 60])) == tuple("ABAC")


def test_the_order_of_frames_in_a_segment_matters(rng):
    X = rng.normal(size=(36, 24))
    X[12:24] = X[11::-1]  # the same frames, backwards
    X[24:36] = X[:12]
    assert label_by_repetition(correlations(X), np.arange(4) * 12) == ("A", "B", "A")


def test_silence_is_similar_to_nothing_else(rng):
    Z, edges = repetitions(rng, "ABACB")
    Z[24:32] = Z[:, 24:32] = 0
    assert label_by_repetition(Z, edges) == tuple("ABACB")


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4, 9])
def test_n_labels_sets_the_number_of_repetition_labels(n_labels, rng):
    labels = label_by_repetition(*repetitions(rng, "ABCD"), n_labels=n_labels)
    assert len(set(labels)) == min(n_labels, 4)


def test_the_most_similar_segments_are_separated_last(rng):
    assert label_by_repetition(*repetitions(rng, "ABCAB"), n_labels=4)[3] == "A"


def test_a_higher_threshold_never_joins_more_segments(rng):
    Z, edges = repetitions(rng, "ABCABCAB", noise=2)
    counts = [
        len(set(label_by_repetition(Z, edges, threshold=threshold)))
        for threshold in np.linspace(-1, 4, 21)
    ]
    assert counts == sorted(counts)


def test_labeling_does_not_modify_its_input(rng):
    Z, edges = repetitions(rng, "ABA")
    before = Z.copy(), edges.copy()
    label_by_repetition(Z, edges)
    np.testing.assert_array_equal(Z, before[0])
    np.testing.assert_array_equal(edges, before[1])


def test_zero_repetition_labels_raise(rng):
    with pytest.raises(ValueError, match="n_labels must be an integer of at least 1, got 0"):
        label_by_repetition(*repetitions(rng, "ABA"), n_labels=0)


@pytest.mark.parametrize("edges", [[0, 4], [1, 6], [0, 3, 3, 6], [0, 4, 2, 6]])
def test_boundaries_not_matching_the_matrix_raise(edges):
    with pytest.raises(ValueError, match="must increase from 0 to 6, got"):
        segment_similarity(np.eye(6), np.array(edges))


def test_a_nonsquare_matrix_raises():
    with pytest.raises(ValueError, match=r"shape \(n_frames, n_frames\), got \(6, 5\)"):
        segment_similarity(np.ones((6, 5)), np.array([0, 6]))


def best_placement(Z, first, second):
    """Compute `segment_similarity` of two (start, stop) by exhaustive search over lags."""
    lengths = sorted([first[1] - first[0], second[1] - second[0]])
    sums = []
    for lag in range(-len(Z), len(Z)):
        frames = [i for i in range(*first) if second[0] <= i + lag < second[1]]
        if frames and len(frames) >= lengths[0] / 2:
            sums.append(sum(Z[i, i + lag] for i in frames))
    return max(sums) / (lengths[0] ** 0.25 * lengths[1] ** 0.75)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_segment_similarity_is_that_of_the_best_placement(lengths, seed):
    edges = np.concatenate([[0], np.cumsum(lengths)])
    Z = np.random.default_rng(seed).normal(size=(edges[-1], edges[-1]))
    Z += Z.T
    spans = list(pairwise(edges.tolist()))
    expected = [[best_placement(Z, one, other) for other in spans] for one in spans]
    np.testing.assert_allclose(segment_similarity(Z, edges), expected, atol=1e-12)


def test_rows_of_one_cluster_get_one_code(rng):
    which = rng.integers(3, size=90)
    E = np.array([[0, 0], [10, 0], [0, 10]])[which] + 0.1 * rng.normal(size=(90, 2))
    codes = cluster_rows(E, n_clusters=3)
    np.testing.assert_array_equal(np.equal.outer(codes, codes), np.equal.outer(which, which))


def test_clustering_rows_is_deterministic(rng):
    E = rng.normal(size=(100, 4))
    np.testing.assert_array_equal(cluster_rows(E, n_clusters=5), cluster_rows(E, n_clusters=5))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_equal_rows_are_one_cluster(level):
    assert set(cluster_rows(np.full((10, 3), level), n_clusters=4)) == {0}


def test_distinct_points_are_clusters_at_any_scale():
    E = 1e-3 * np.repeat([0.0, 1.0, 2.0], 4)[:, None]
    assert len(set(cluster_rows(E, n_clusters=5))) == 3


def test_rounding_errors_make_no_clusters(rng):
    E = np.repeat([[1.0, 2.0], [3.0, 4.0]], 10, axis=0) * (1 + 1e-13 * rng.normal(size=(20, 1)))
    assert len(set(cluster_rows(E, n_clusters=5))) == 2


def test_a_short_run_joins_the_more_similar_neighbor():
    E = np.array([0, 0, 0, 8, 9, 9, 9.0])[:, None]
    codes = np.array([0, 0, 0, 1, 2, 2, 2])
    assert absorb_short_runs(codes, E, min_frames=2).tolist() == [0, 0, 0, 2, 2, 2, 2]


def test_neighbors_are_compared_by_the_mean_of_all_rows_of_their_code():
    # The run of 3 is closer to the 2 before it than to the 5 after it, but code 0 is mostly 9.
    E = np.array([9, 9, 9, 9, 5, 5, 2, 2, 3, 5, 5.0])[:, None]
    codes = np.array([0, 0, 0, 0, 1, 1, 0, 0, 2, 1, 1])
    assert absorb_short_runs(codes, E, min_frames=2)[8] == 1


def test_the_shortest_run_is_absorbed_first():
    # The run of one frame is merged into the run of two, which is then long enough.
    E = np.array([0, 0, 0, 5, 5, 5.1, 9, 9, 9])[:, None]
    codes = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3])
    assert absorb_short_runs(codes, E, min_frames=3).tolist() == [0, 0, 0, 1, 1, 1, 3, 3, 3]


def test_equal_codes_around_a_short_run_are_merged():
    E = np.array([0, 0, 5, 0, 0.0])[:, None]
    codes = np.array([4, 4, 1, 4, 4])
    assert absorb_short_runs(codes, E, min_frames=2).tolist() == [4, 4, 4, 4, 4]


@pytest.mark.parametrize("at", [0, -1])
def test_a_short_run_at_an_end_joins_its_only_neighbor(at):
    codes = np.zeros(6, dtype=int)
    codes[at] = 1
    assert absorb_short_runs(codes, np.arange(6.0)[:, None], min_frames=2).tolist() == [0] * 6


def test_long_enough_runs_are_kept():
    codes = np.array([0, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(
        absorb_short_runs(codes, np.arange(6.0)[:, None], min_frames=2), codes
    )


def test_a_single_run_is_kept_however_short():
    codes = np.array([5, 5, 5])
    np.testing.assert_array_equal(absorb_short_runs(codes, np.eye(3), min_frames=8), codes)


def test_absorbing_does_not_modify_its_input():
    codes = np.array([0, 0, 1, 0, 0])
    absorb_short_runs(codes, np.arange(5.0)[:, None], min_frames=2)
    assert codes.tolist() == [0, 0, 1, 0, 0]


def test_runs_meet_where_codes_change():
    assert run_edges(np.array([2, 2, 0, 0, 0, 2])).tolist() == [0, 2, 5, 6]


def test_one_code_is_one_run():
    assert run_edges(np.array([3, 3, 3])).tolist() == [0, 3]


def test_a_segment_is_labeled_by_the_majority_of_its_frames():
    codes = np.array([3, 3, 1, 1, 1, 3, 3, 3])
    assert majority_labels(codes, np.array([0, 5, 8])) == ("A", "B")
    assert majority_labels(codes, np.array([0, 3, 5, 8])) == ("A", "B", "A")


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        ([3, 3, 3, 3, 3, 1], "AB"),  # the majority repeats the label before: other codes decide
        ([3, 3, 3, 3, 3, 3], "AA"),  # no other codes
        ([3, 3, 3, 0, 1, 1], "AB"),
    ],
)
def test_a_segment_repeats_the_previous_label_only_without_other_codes(codes, labels):
    assert majority_labels(np.array(codes), np.array([0, 3, 6])) == tuple(labels)


SHIFTS = (-1, 0, 1)


def by_shift(down, same, up):
    """Similarity of two segments by shift, with self-similarity as at shift 0."""
    cells = [[[0, down], [down, 0]], [[4, same], [same, 4]], [[0, up], [up, 0]]]
    return np.array(cells, dtype=float)


@pytest.mark.parametrize(
    ("similarities", "n_bars", "repeats"),
    [
        pytest.param((0.3, 0.2, 2.0), (8, 8), True, id="one key stands out"),
        pytest.param((1.8, 0.2, 2.0), (8, 8), False, id="neighboring key as similar"),
        pytest.param((0.3, 1.8, 2.0), (8, 8), False, id="same key as similar"),
        pytest.param((0.3, 2.0, 0.2), (8, 8), False, id="in the same key"),
        pytest.param((0.3, 0.2, 2.0), (8, 3), False, id="too short"),
        pytest.param((1.6, 0.2, 2.0), (4, 8), False, id="four bars need a higher score"),
        pytest.param((1.6, 0.2, 2.0), (8, 8), True, id="than eight bars"),
        pytest.param((1.7, 0.2, 2.0), (8, 8), False, id="with the square root of length"),
    ],
)
def test_a_transposed_repetition_is_accepted_if_it_stands_out(similarities, n_bars, repeats):
    found = repeats_in_other_keys(by_shift(*similarities), SHIFTS, np.array(n_bars))
    expected = 2.0 if repeats else -np.inf
    np.testing.assert_array_equal(found, [[-np.inf, expected], [expected, -np.inf]])


def test_transposed_segments_share_a_label():
    form = np.repeat([0, 1, 2], 4)
    Z = np.where(np.equal.outer(form, form), 4.0, 0.0)
    edges = np.array([0, 4, 8, 12])
    moved = np.full((3, 3), -np.inf)
    assert label_by_repetition(Z, edges, in_other_keys=moved) == ("A", "B", "C")
    moved[0, 2] = moved[2, 0] = 2.0
    assert label_by_repetition(Z, edges, in_other_keys=moved) == ("A", "B", "A")
    assert label_by_repetition(Z, edges, n_labels=2, in_other_keys=moved) == ("A", "B", "A")
    assert label_by_repetition(Z, edges, n_labels=3, in_other_keys=moved) == ("A", "B", "C")


@pytest.mark.parametrize(("n_matrices", "shifts"), [(1, [0]), (3, [0, 1])])
def test_similarities_by_shift_need_at_least_two_shifts(n_matrices, shifts):
    with pytest.raises(ValueError, match=f"got {n_matrices} for {len(shifts)}"):
        repeats_in_other_keys(np.ones((n_matrices, 2, 2)), shifts, np.array([8, 8]))


def test_segments_of_lists_are_labeled_like_those_of_arrays(rng):
    Z, edges = rng.normal(size=(8, 8)), np.array([0, 3, 5, 8])
    Z += Z.T
    similarity = segment_similarity(Z.tolist(), edges.tolist())
    np.testing.assert_array_equal(similarity, segment_similarity(Z, edges))
    assert label_by_repetition(Z.tolist(), edges.tolist()) == label_by_repetition(Z, edges)


def test_short_runs_of_a_series_are_absorbed_like_those_of_an_array(rng):
    pandas = pytest.importorskip("pandas")
    codes, E = np.array([0, 0, 0, 1, 2, 2, 2]), rng.random((7, 2))
    expected = absorb_short_runs(codes, E, min_frames=2)
    series = pandas.Series(codes, index=range(3, 10))
    np.testing.assert_array_equal(absorb_short_runs(series, E, min_frames=2), expected)
    given = codes.tolist()
    np.testing.assert_array_equal(absorb_short_runs(given, E.tolist(), min_frames=2), expected)
    assert given == codes.tolist()
