"""Similarity of transposed frames: rolled pitch classes, shifted constant-Q bins."""

import numpy as np
import pytest

from scatseg.features import FeatureName, Features
from scatseg.similarity import by_family, fused_similarity
from scatseg.transposition import (
    SHIFTS,
    can_be_transposed,
    transposed,
    transposed_similarities,
)

PLACES = 2


def names(*, n_octaves=4, bins=1):
    carriers = 32.7 * 2 ** (np.arange(12 * bins * n_octaves) / (12 * bins))
    return [
        *(
            FeatureName("cqt", i, carrier=hertz, place=place)
            for place in range(PLACES)
            for i, hertz in enumerate(carriers)
        ),
        *(FeatureName("chroma", i, place=place) for place in range(PLACES) for i in range(12)),
        *(FeatureName("mfcc", i, place=place) for place in range(PLACES) for i in range(3)),
    ]


def melody(pitches, *, bins=1, n_octaves=4):
    """One frame per row of pitches (semitones above the lowest), one pitch per subdivision."""
    named = names(n_octaves=n_octaves, bins=bins)
    rows = [
        [
            float(name.index == bins * row[name.place])
            if name.family == "cqt"
            else float(name.index == row[name.place] % 12)
            if name.family == "chroma"
            else 0.1 * name.index
            for name in named
        ]
        for row in pitches
    ]
    return Features(rows, np.arange(len(rows) + 1), named)


TUNE = np.array([[20, 24], [22, 19], [27, 20], [19, 26], [24, 22], [26, 27]])


@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("semitones", [-5, 0, 1, 6])
def test_transposing_features_equals_transposing_the_melody(bins, semitones):
    moved = transposed(melody(TUNE, bins=bins), semitones)
    np.testing.assert_array_equal(moved.X, melody(TUNE + semitones, bins=bins).X)


@pytest.mark.parametrize("semitones", [2.5, np.nan, "2", None])
def test_a_shift_is_a_whole_number_of_semitones(semitones):
    tune = melody(TUNE)
    heard = np.ones(len(tune.X), dtype=bool)
    with pytest.raises(ValueError, match="a whole number of semitones, got"):
        transposed(tune, semitones)
    with pytest.raises(ValueError, match="a whole number of semitones, got"):
        list(transposed_similarities(tune, heard=heard, shifts=[0, semitones]))
    np.testing.assert_array_equal(transposed(tune, 2.0).X, transposed(tune, 2).X)


def test_bins_moved_out_of_range_are_zero():
    high = melody([[47, 47]], n_octaves=4)
    constant_q = np.array([name.family == "cqt" for name in high.names])
    assert not transposed(high, 1).X[:, constant_q].any()
    assert not transposed(high, 100).X[:, constant_q].any()


def test_transposing_does_not_modify_its_input():
    tune = melody(TUNE)
    before = tune.X.copy()
    transposed(tune, 3)
    np.testing.assert_array_equal(tune.X, before)


@pytest.mark.parametrize(
    "unpitched",
    [
        pytest.param(["mfcc"] * 12, id="no pitch"),
        pytest.param(["chroma"] * 24, id="not twelve classes"),
        pytest.param([FeatureName("chroma", i) for i in range(13) if i != 5], id="one lacking"),
        pytest.param(["cqt"] * 24, id="no frequencies"),
        pytest.param(
            [FeatureName("cqt", i, carrier=100 * 2 ** (i / 10)) for i in range(20)],
            id="no whole bins per semitone",
        ),
        pytest.param(
            [FeatureName("cqt", i, carrier=100 * 2 ** ((i + (i > 9)) / 12)) for i in range(20)],
            id="one semitone lacking",
        ),
        pytest.param([FeatureName("cqt", 0, carrier=100.0)], id="one bin"),
        pytest.param([FeatureName("cqt", i, carrier=100.0) for i in range(24)], id="one frequency"),
    ],
)
def test_features_without_exact_pitches_cannot_be_transposed(unpitched):
    features = Features(np.eye(3, len(unpitched)), np.arange(4), unpitched)
    assert not can_be_transposed(features).any()
    np.testing.assert_array_equal(transposed(features, 2).X, features.X)
    assert not list(transposed_similarities(features, heard=np.ones(3, dtype=bool)))


def test_a_transposed_copy_is_similar_at_a_single_shift():
    n = len(TUNE)
    features = melody(np.concatenate([TUNE, TUNE + 3]))
    heard = np.ones(2 * n, dtype=bool)
    of = {
        shift: np.diagonal(Z[:n, n:])
        for shift, Z in zip(SHIFTS, transposed_similarities(features, heard=heard), strict=True)
    }
    exact = of.pop(-3)
    assert exact.min() > max(each.mean() for each in of.values()) + 1
    (back,) = transposed_similarities(features, heard=heard, shifts=[3])
    np.testing.assert_allclose(np.diagonal(back[n:, :n]), exact, atol=1e-9)


def test_an_exact_transposed_copy_is_as_similar_as_a_frame_to_itself():
    tune = np.random.default_rng(0).integers(16, 28, size=(40, PLACES))
    features = melody(np.concatenate([tune, tune + 2]))
    Z, moved = transposed_similarities(features, heard=np.ones(80, dtype=bool), shifts=[0, -2])
    np.testing.assert_allclose(np.diagonal(moved[:40, 40:]), np.diagonal(Z)[:40], atol=1e-9)


def test_shift_0_equals_fused_similarity():
    features = melody(np.concatenate([TUNE, TUNE + 3, TUNE[:4]]))
    heard = np.arange(16) != 2
    (Z,) = transposed_similarities(features, heard=heard, shifts=[0])
    families = by_family(features.columns(can_be_transposed(features)))
    fused = fused_similarity(list(families.values()), heard=heard)
    assert np.ptp(Z) > 1
    np.testing.assert_allclose(Z, fused, atol=1e-9)


def test_a_frame_at_the_mean_is_similar_to_itself():
    two = np.repeat(np.eye(2, 12), 2, axis=0)
    rows = np.concatenate([two, np.tile(two.mean(axis=0), (2, 1))])
    features = Features(rows, np.arange(7), ["chroma"] * 12)
    heard = np.ones(6, dtype=bool)
    (Z,) = transposed_similarities(features, heard=heard, shifts=[0])
    np.testing.assert_allclose(Z, fused_similarity([features.X], heard=heard), atol=1e-9)


def test_unmatched_energy_of_a_shifted_frame_lowers_similarity():
    # Shifted by 2, frame 3 equals frame 0, and frame 4 has another pitch class in addition.
    X = np.eye(12)[[0, 4, 7, 10, 10]]
    X[4, 11] = 1
    features = Features(X, np.arange(6), ["chroma"] * 12)
    (Z,) = transposed_similarities(features, heard=np.ones(5, dtype=bool), shifts=[2])
    assert Z[0, 3] == Z.max()
    assert Z[0, 4] < Z[0, 3] - 0.5


def test_similarity_at_other_shifts_has_mean_at_most_0(rng):
    features = melody(rng.integers(16, 28, size=(40, PLACES)))
    heard = np.ones(40, dtype=bool)
    found = np.array(list(transposed_similarities(features, heard=heard, shifts=[1, 4, 6])))
    assert found.shape == (3, 40, 40)
    assert found.mean(axis=(1, 2)).max() < 1e-9
    assert found.std(axis=(1, 2)).max() < 1 + 1e-9


def test_similarity_is_invariant_to_the_order_of_columns(rng):
    tune = melody(TUNE)
    order = rng.permutation(len(tune.names))
    shuffled = Features(tune.X[:, order], tune.edges, [tune.names[i] for i in order])
    np.testing.assert_array_equal(transposed(shuffled, 3).X, transposed(tune, 3).X[:, order])


def test_silent_frames_have_similarity_0_at_all_shifts():
    features = melody(np.concatenate([TUNE, TUNE + 3]))
    heard = np.arange(2 * len(TUNE)) != 2
    found = np.array(list(transposed_similarities(features, heard=heard)))
    assert found.any(axis=(1, 2)).all()
    assert not found[:, 2].any()
    assert not found[:, :, 2].any()
    assert not list(transposed_similarities(features, heard=np.zeros_like(heard)))


def test_a_held_chord_has_similarity_0_at_all_shifts():
    features = melody([[20, 20]] * 6)
    found = list(transposed_similarities(features, heard=np.ones(6, dtype=bool)))
    assert len(found) == len(SHIFTS)
    assert not np.any(found)
