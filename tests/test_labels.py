"""Which sections are the same again: known clusters, and what has none."""

import numpy as np
import pytest

from scatseg.labels import (
    absorb_short_runs,
    cluster_rows,
    cluster_segments,
    majority_labels,
    run_edges,
)


def sections(rng, form, n_frames=10, n_features=16, noise=0.1):
    """Frames around one random center per letter, and the edges of the sections."""
    centers = {letter: rng.normal(size=n_features) for letter in sorted(set(form))}
    X = np.repeat([centers[letter] for letter in form], n_frames, axis=0)
    edges = np.arange(len(form) + 1) * n_frames
    return X + noise * rng.normal(size=X.shape), edges


@pytest.mark.parametrize("form", ["ABA", "AABA", "ABCABD", "ABACADA"])
def test_sections_that_sound_alike_get_one_label(form, rng):
    assert cluster_segments(*sections(rng, form)) == tuple(form)


def test_labels_follow_the_sound_and_not_the_length(rng):
    X, _ = sections(rng, "ABA", n_frames=30)
    X = np.concatenate([X[:5], X[30:60], X[60:]])
    assert cluster_segments(X, np.array([0, 5, 35, 65])) == ("A", "B", "A")


def test_one_segment_is_a(rng):
    assert cluster_segments(rng.normal(size=(10, 3)), np.array([0, 10])) == ("A",)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e5])
def test_identical_segments_get_one_label(dtype, level):
    X = np.full((6000, 4), level, dtype=dtype)
    assert cluster_segments(X, np.array([0, 2000, 3000, 6000])) == ("A", "A", "A")


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4])
def test_so_many_labels_are_used(n_labels, rng):
    labels = cluster_segments(*sections(rng, "ABCD"), n_labels=n_labels)
    assert len(set(labels)) == n_labels


def test_labels_are_at_most_as_many_as_segments(rng):
    assert cluster_segments(*sections(rng, "ABC"), n_labels=10) == ("A", "B", "C")


def test_a_chain_of_likenesses_is_not_one_label():
    # The second is near to the first and the third, which are far from each other.
    angles = np.deg2rad([0, 45, 100])
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    X = np.concatenate([X, -X.sum(axis=0, keepdims=True)])
    assert cluster_segments(X, np.arange(5)) == ("A", "A", "B", "C")


def test_everything_is_apart_at_no_distance(rng):
    assert cluster_segments(*sections(rng, "ABA"), threshold=0) == ("A", "B", "C")


def test_everything_is_alike_beyond_the_largest_distance(rng):
    assert cluster_segments(*sections(rng, "ABCD"), threshold=2.1) == ("A", "A", "A", "A")


def test_labels_ignore_scale_and_what_all_frames_share(rng):
    X, edges = sections(rng, "ABCABD")
    assert cluster_segments(100 * X + 5000, edges) == cluster_segments(X, edges)


def test_no_labels_at_all_are_refused(rng):
    with pytest.raises(ValueError, match="n_labels must be at least 1, got 0"):
        cluster_segments(*sections(rng, "ABA"), n_labels=0)


def test_clustering_segments_leaves_its_input_alone(rng):
    X, edges = sections(rng, "ABA")
    before = X.copy()
    cluster_segments(X, edges)
    np.testing.assert_array_equal(X, before)


def test_rows_of_one_blob_get_one_code(rng):
    which = rng.integers(3, size=90)
    E = np.array([[0, 0], [10, 0], [0, 10]])[which] + 0.1 * rng.normal(size=(90, 2))
    codes = cluster_rows(E, n_clusters=3)
    np.testing.assert_array_equal(np.equal.outer(codes, codes), np.equal.outer(which, which))


def test_clustering_rows_twice_gives_the_same(rng):
    E = rng.normal(size=(100, 4))
    np.testing.assert_array_equal(cluster_rows(E, n_clusters=5), cluster_rows(E, n_clusters=5))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_equal_rows_are_one_cluster(level):
    assert set(cluster_rows(np.full((10, 3), level), n_clusters=4)) == {0}


def test_rounding_makes_no_clusters(rng):
    E = np.repeat([[1.0, 2.0], [3.0, 4.0]], 10, axis=0) * (1 + 1e-13 * rng.normal(size=(20, 1)))
    assert len(set(cluster_rows(E, n_clusters=5))) == 2


def test_a_short_run_joins_the_more_similar_neighbor():
    E = np.array([0, 0, 0, 8, 9, 9, 9.0])[:, None]
    codes = np.array([0, 0, 0, 1, 2, 2, 2])
    assert absorb_short_runs(codes, E, min_frames=2).tolist() == [0, 0, 0, 2, 2, 2, 2]


def test_neighbors_are_judged_by_all_that_has_their_code():
    # The run of 3 is nearer to the 2 before it than to the 5 after it, but code 0 is mostly 9.
    E = np.array([9, 9, 9, 9, 5, 5, 2, 2, 3, 5, 5.0])[:, None]
    codes = np.array([0, 0, 0, 0, 1, 1, 0, 0, 2, 1, 1])
    assert absorb_short_runs(codes, E, min_frames=2)[8] == 1


def test_the_shortest_run_goes_first():
    # The run of one frame joins the run of two, which is then long enough to stay.
    E = np.array([0, 0, 0, 5, 5, 5.1, 9, 9, 9])[:, None]
    codes = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3])
    assert absorb_short_runs(codes, E, min_frames=3).tolist() == [0, 0, 0, 1, 1, 1, 3, 3, 3]


def test_the_sections_around_a_short_run_become_one():
    E = np.array([0, 0, 5, 0, 0.0])[:, None]
    codes = np.array([4, 4, 1, 4, 4])
    assert absorb_short_runs(codes, E, min_frames=2).tolist() == [4, 4, 4, 4, 4]


@pytest.mark.parametrize("at", [0, -1])
def test_a_short_run_at_an_end_joins_its_only_neighbor(at):
    codes = np.zeros(6, dtype=int)
    codes[at] = 1
    assert absorb_short_runs(codes, np.arange(6.0)[:, None], min_frames=2).tolist() == [0] * 6


def test_runs_long_enough_stay():
    codes = np.array([0, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(
        absorb_short_runs(codes, np.arange(6.0)[:, None], min_frames=2), codes
    )


def test_one_run_stays_however_short():
    codes = np.array([5, 5, 5])
    np.testing.assert_array_equal(absorb_short_runs(codes, np.eye(3), min_frames=8), codes)


def test_absorbing_leaves_its_input_alone():
    codes = np.array([0, 0, 1, 0, 0])
    absorb_short_runs(codes, np.arange(5.0)[:, None], min_frames=2)
    assert codes.tolist() == [0, 0, 1, 0, 0]


def test_runs_meet_where_codes_change():
    assert run_edges(np.array([2, 2, 0, 0, 0, 2])).tolist() == [0, 2, 5, 6]


def test_one_code_is_one_run():
    assert run_edges(np.array([3, 3, 3])).tolist() == [0, 3]


def test_a_segment_is_named_after_most_of_its_frames():
    codes = np.array([3, 3, 1, 1, 1, 3, 3, 3])
    assert majority_labels(codes, np.array([0, 5, 8])) == ("A", "B")
    assert majority_labels(codes, np.array([0, 3, 5, 8])) == ("A", "B", "A")
