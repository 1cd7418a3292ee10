"""Bar subdivisions and half-bars with known content."""

import numpy as np
import pytest

from scatseg.features import FeatureName, Features
from scatseg.places import can_be_halved, halved, laid_out


def ramp(duration):
    """Frames of 0.1 s with two features: their times and the negative."""
    edges = np.linspace(0, duration, round(10 * duration) + 1)
    centers = (edges[:-1] + edges[1:]) / 2
    names = [FeatureName("ramp", i) for i in range(2)]
    return Features(np.stack([centers, -centers], axis=1), edges, names)


def test_subdivisions_of_a_bar_are_concatenated_in_order():
    bars = laid_out(ramp(6), np.array([0.0, 2, 4, 6]), positions=2)
    np.testing.assert_allclose(
        bars.X, [[0.5, -0.5, 1.5, -1.5], [2.5, -2.5, 3.5, -3.5], [4.5, -4.5, 5.5, -5.5]]
    )


def test_subdivisions_follow_the_tempo():
    bars = laid_out(ramp(9), np.array([0.0, 3, 5, 9]), positions=2)
    np.testing.assert_allclose(bars.X[:, ::2], [[0.75, 2.25], [3.5, 4.5], [6, 8]])


def test_names_contain_the_subdivision():
    names = laid_out(ramp(4), np.array([0.0, 2, 4]), positions=2).names
    assert [(str(name), name.place) for name in names] == [
        ("ramp 0 in part 1", 0),
        ("ramp 1 in part 1", 0),
        ("ramp 0 in part 2", 1),
        ("ramp 1 in part 2", 1),
    ]


def test_a_pickup_is_the_end_of_a_bar():
    X = laid_out(ramp(7), np.array([0.0, 1, 3, 5, 7]), positions=4).X[:, ::2]
    np.testing.assert_allclose(X[0, 2:], [0.25, 0.75])
    np.testing.assert_allclose(X[0, :2], X[1:, :2].mean(axis=0))


def test_a_remainder_at_the_end_is_the_beginning_of_a_bar():
    X = laid_out(ramp(7), np.array([0.0, 2, 4, 6, 7]), positions=4).X[:, ::2]
    np.testing.assert_allclose(X[3, :2], [6.25, 6.75])
    np.testing.assert_allclose(X[3, 2:], X[:3, 2:].mean(axis=0))


def test_a_longer_first_bar_is_one_bar():
    X = laid_out(ramp(7), np.array([0.0, 3, 5, 7]), positions=2).X[:, ::2]
    np.testing.assert_allclose(X[0], [0.75, 2.25])


@pytest.mark.parametrize("positions", [1, 3, 8, 16])
def test_the_mean_over_subdivisions_is_the_mean_of_the_bar(positions):
    edges = np.array([0.0, 1.7, 3.4, 5.1])
    X = laid_out(ramp(5.1), edges, positions=positions).X[:, ::2]
    np.testing.assert_allclose(X.mean(axis=1), (edges[:-1] + edges[1:]) / 2)


def on_bars(edges, n_places=4):
    """One feature: the number of subdivisions since the first bar line."""
    n_bars = len(edges) - 1
    X = np.arange(n_bars * n_places, dtype=float).reshape(n_bars, n_places)
    return Features(X, edges, [FeatureName("count", 0, place=i) for i in range(n_places)])


def test_halves_contain_the_subdivisions_in_order():
    halves = halved(on_bars([0.0, 2, 4, 8, 12]))
    np.testing.assert_array_equal(halves.X, np.arange(16).reshape(8, 2))
    np.testing.assert_allclose(halves.edges, [0, 1, 2, 3, 4, 6, 8, 10, 12])
    assert [name.place for name in halves.names] == [0, 1]


def test_halves_outside_the_recording_are_dropped():
    halves = halved(on_bars([0.0, 0.5, 2.5, 4.5, 5]))
    np.testing.assert_allclose(halves.edges, [0, 0.5, 1.5, 2.5, 3.5, 4.5, 5])
    np.testing.assert_array_equal(halves.X[0], [2, 3])  # the end of a bar
    np.testing.assert_array_equal(halves.X[-1], [12, 13])  # the beginning of one


def test_more_than_half_of_a_bar_is_two_halves():
    halves = halved(on_bars([0.0, 1.75, 3.75, 5.75]))
    np.testing.assert_allclose(halves.edges, [0, 0.75, 1.75, 2.75, 3.75, 4.75, 5.75])


def test_a_little_more_than_half_of_a_bar_is_one_half():
    halves = halved(on_bars([0.0, 1.25, 3.25, 5.25, 6.5]))
    np.testing.assert_allclose(halves.edges, [0, 1.25, 2.25, 3.25, 4.25, 5.25, 6.5])
    np.testing.assert_array_equal(halves.X[[0, -1]], [[2, 3], [12, 13]])


def test_short_silence_in_the_outer_bars_is_not_halved():
    halves = halved(on_bars([0.0, 5, 7, 9, 14]))
    np.testing.assert_allclose(halves.edges, [0, 4, 5, 6, 7, 8, 9, 10, 14])


def test_silent_bars_at_the_ends_are_unchanged():
    bars = on_bars([0.0, 3, 6, 8, 10, 12, 17])
    X = bars.X + 1
    X[[0, 1, -1]] = 0
    halves = halved(Features(X, bars.edges, bars.names))
    np.testing.assert_allclose(halves.edges, [0, 3, 6, 7, 8, 9, 10, 11, 12, 17])
    assert np.flatnonzero(~halves.X.any(axis=1)).tolist() == [0, 1, 8]


def test_notes_are_preserved():
    whole = on_bars([0.0, 2, 4])
    noted = Features(whole.X, whole.edges, whole.names, notes=("the lines are uncertain",))
    assert halved(noted).notes == noted.notes


@pytest.mark.parametrize(
    "names",
    [
        None,
        [FeatureName("count", 0, place=i) for i in range(3)],
        [FeatureName("count", 0, place=i) for i in (0, 1, 3)],
        [*(FeatureName("count", 0, place=i) for i in range(2)), FeatureName("other", 0)],
    ],
)
def test_bars_that_cannot_be_halved_raise(names):
    bars = Features(np.ones((4, 3)), np.arange(5.0), names)
    assert not can_be_halved(bars)
    with pytest.raises(ValueError, match="an even number of equal parts"):
        halved(bars)
