"""Frame-by-frame similarity of aligned passages."""

import numpy as np
import pytest

from scatseg.extractors import extractor
from scatseg.features import Features
from scatseg.search.ordered import SCATTERING, alike_in_order, evened, shapes

SR = 22050


def test_similarity_without_offset_is_the_cosine(rng):
    passages = [rng.normal(size=(20, 3)), rng.normal(size=(20, 3))]
    found = alike_in_order(passages, hop=1.0, latest=0.0)
    a, b = (each.ravel() for each in passages)
    assert found[0, 1] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert found[1, 1] == pytest.approx(1)


@pytest.mark.parametrize("late", [2, -2])
def test_similarity_is_invariant_to_a_small_offset(rng, late):
    X = np.zeros((30, 4))
    X[5:20] = rng.normal(size=(15, 4))
    found = alike_in_order([X, np.roll(X, late, axis=0)], hop=0.2)
    assert found[0, 1] == pytest.approx(1)


def test_similarity_is_not_invariant_to_a_large_offset(rng):
    X = rng.normal(size=(200, 4))
    found = alike_in_order([X, np.roll(X, 20, axis=0)], hop=0.2)
    assert abs(found[0, 1]) < 0.3


def test_half_of_a_passage_has_similarity_sqrt_one_half(rng):
    X = rng.normal(size=(40, 4))
    X[20:] *= np.linalg.norm(X[:20]) / np.linalg.norm(X[20:])
    found = alike_in_order([X, X[:20]], hop=0.2)
    assert found[0, 1] == pytest.approx(np.sqrt(0.5))


def test_similarity_is_equivariant_to_the_order_of_passages(rng):
    passages = [rng.normal(size=(n, 3)) for n in (10, 25, 18)]
    found = alike_in_order(passages, hop=0.1)
    np.testing.assert_allclose(found[::-1, ::-1], alike_in_order(passages[::-1], hop=0.1))


def test_each_recording_is_centered_by_its_own_mean(rng):
    recordings = [rng.normal(size=(50, 4)), rng.normal(size=(30, 4))]
    colored = [recordings[0] + 100, recordings[1] - [3, 0, 0, 5]]
    for one, two in zip(evened(recordings), evened(colored), strict=True):
        np.testing.assert_allclose(abs(one), abs(two), atol=1e-6)


def test_variances_are_partially_whitened(rng):
    X = rng.normal(size=(2000, 2)) * [1.0, 16.0]
    assert np.sort(evened([X])[0].std(axis=0)) == pytest.approx([4, 16], rel=0.05)


def test_shapes_are_invariant_to_gain():
    t = np.arange(2 * SR) / SR
    y = ((1 + np.sin(2 * np.pi * 5 * t)) * np.sin(2 * np.pi * 440 * t * (1 + t))).astype(np.float32)
    loud, soft = (shapes(extractor(SCATTERING)(gain * y, SR)) for gain in (0.3, 0.003))
    assert [X.shape[1] for X in loud] == [20, 90]
    for one, two in zip(loud, soft, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-2)


def test_other_features_are_unchanged(rng):
    X = rng.normal(size=(10, 3))
    (found,) = shapes(Features(X, np.arange(11.0)))
    np.testing.assert_array_equal(found, X)
