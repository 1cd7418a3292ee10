"""Halves of bars: what is in them is known from the bars."""

import numpy as np
import pytest

from scatseg.features import FeatureName, Features
from scatseg.places import halved, n_places


def on_bars(edges, n_places=4):
    """One feature: how many parts have begun since the first bar line."""
    n_bars = len(edges) - 1
    X = np.arange(n_bars * n_places, dtype=float).reshape(n_bars, n_places)
    return Features(X, edges, [FeatureName("count", 0, place=i) for i in range(n_places)])


def test_halves_hold_the_parts_in_order():
    halves = halved(on_bars([0.0, 2, 4, 8]))
    np.testing.assert_array_equal(halves.X, np.arange(12).reshape(6, 2))
    np.testing.assert_allclose(halves.edges, [0, 1, 2, 3, 4, 6, 8])
    assert [name.place for name in halves.names] == [0, 1]


def test_a_half_outside_the_recording_is_left_out():
    halves = halved(on_bars([0.0, 0.5, 2.5, 4.5, 5]))
    np.testing.assert_allclose(halves.edges, [0, 0.5, 1.5, 2.5, 3.5, 4.5, 5])
    np.testing.assert_array_equal(halves.X[0], [2, 3])  # the end of a bar
    np.testing.assert_array_equal(halves.X[-1], [12, 13])  # the beginning of one


def test_more_than_half_of_a_bar_is_two_halves():
    halves = halved(on_bars([0.0, 1.5, 3.5, 5.5]))
    np.testing.assert_allclose(halves.edges, [0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5])


def test_what_was_to_know_stays_known():
    whole = on_bars([0.0, 2, 4])
    noted = Features(whole.X, whole.edges, whole.names, notes=("the lines are uncertain",))
    assert halved(noted).notes == noted.notes


@pytest.mark.parametrize("names", [None, [FeatureName("count", 0, place=i) for i in range(3)]])
def test_bars_without_halves_are_refused(names):
    bars = Features(np.ones((4, 3)), np.arange(5.0), names)
    with pytest.raises(ValueError, match=f"an even number of parts .* got {n_places(bars)}"):
        halved(bars)
