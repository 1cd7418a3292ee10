"""Baselines depend only on the duration and number of segments of the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import segmentations

from scatseg.baselines import baseline, evenly_spaced, no_boundary, random_boundaries
from scatseg.segmentation import Segmentation


def test_evenly_spaced_has_as_many_segments_as_the_reference():
    reference = Segmentation([0, 1, 5, 7, 40], list("ABAC"))
    assert evenly_spaced(reference) == Segmentation([0, 10, 20, 30, 40], list("ABCD"))


@pytest.mark.parametrize("made", [no_boundary, evenly_spaced])
def test_baseline_does_not_know_where_the_reference_starts(made):
    guess = made(Segmentation([20, 30, 40], ["A", "B"]))
    assert (guess.start, guess.end) == (0, 40)


@settings(deadline=None)
@given(segmentations())
def test_evenly_spaced_segments_are_equal_and_all_different(reference):
    guess = evenly_spaced(reference)
    assert np.ptp(np.diff(guess.boundaries)) < 1e-9
    assert len(set(guess.labels)) == len(guess)


@settings(deadline=None)
@given(segmentations(), st.integers(0, 2**32))
def test_random_boundaries_are_as_many_as_the_reference_s(reference, seed):
    guess = random_boundaries(reference, np.random.default_rng(seed))
    assert len(guess) == len(reference) == len(set(guess.labels))
    assert (guess.start, guess.end) == (0, reference.end)


def test_random_boundaries_fall_anywhere():
    reference = Segmentation([0, 1, 100], ["A", "B"])
    rng = np.random.default_rng(440)
    times = [random_boundaries(reference, rng).boundaries[1] for _ in range(400)]
    counts = np.histogram(times, bins=4, range=(0, 100))[0]
    assert counts.min() > 70


def test_a_baseline_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="baseline:none, baseline:even or baseline:random, got"):
        baseline("baseline:evenly", Segmentation([0, 1, 2], "AB"), "song")
