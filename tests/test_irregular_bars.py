"""Bars of other lengths, in music whose bar lines are known by construction."""

import hypothesis.strategies as st
import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings

from scatseg import Bars, segment
from scatseg.rhythm import find_grid
from scatseg.rhythm.grid import grid_of_positions
from scatseg.rhythm.irregular import _moved, find_moves, find_repetitions

SR = 22050
BEAT = 60 / 112  # seconds
PER_BAR = 8


def pulses_of(form, *, per_bar=PER_BAR, lengths=None, seed=0):
    """Return vectors of pulses: 12 random bars for each letter, the last one of another length."""
    rng = np.random.default_rng(seed)
    parts = {letter: rng.normal(size=(12 * per_bar, 20)) for letter in sorted(set(form))}
    X = np.concatenate(
        [
            np.concatenate([parts[letter], rng.normal(size=(per_bar, 20))])[: 12 * per_bar + more]
            for letter, more in zip(form, lengths or [0] * len(form), strict=True)
        ]
    )
    return X - X.mean(axis=0)


def moves_of(X, *, per_bar=PER_BAR):
    positions = np.arange(len(X)) % per_bar
    return find_moves(find_repetitions(X, positions, per_bar=per_bar))


@pytest.mark.parametrize("more", [-4, -2, -1, 1, 2, 4], ids=str)
def test_bar_lines_move_where_the_last_bar_of_a_passage_is_shorter_or_longer(more):
    moves = moves_of(pulses_of("ABAB", lengths=[0, more, 0, 0]))
    change = 24 * PER_BAR + more
    assert np.flatnonzero(np.diff(moves)).size == 1
    assert moves[0] == 0
    assert moves[-1] == -more % PER_BAR
    assert np.abs(np.flatnonzero(np.diff(moves)) + 1 - change).max() <= PER_BAR


@pytest.mark.parametrize("per_bar", [24, 32])
def test_pulses_repeat_at_the_best_lag_within_a_bar(per_bar):
    positions = np.arange(24 * per_bar) % per_bar
    apart = np.minimum(positions, per_bar - positions)
    loop = np.maximum(0, 2 - apart)  # a bar: somewhat similar to itself moved by a pulse
    X = np.array([np.roll(loop[:per_bar], i) for i in positions], dtype=float)
    repetitions = find_repetitions(X - X.mean(axis=0), positions, per_bar=per_bar)
    is_inside = repetitions.earlier >= per_bar  # at the start, later lags are missing
    lags = np.unique((repetitions.later - repetitions.earlier)[is_inside])
    assert lags.tolist() == [per_bar * i for i in range(1, 1 + lags.size)]
    assert lags.size > 10
    assert not repetitions.turn[is_inside].any()


@pytest.mark.parametrize("per_bar", [4, 6, 8, 12, 16])
def test_several_irregular_bars_add_up(per_bar):
    X = pulses_of("ABABAB", per_bar=per_bar, lengths=[0, -1, 0, -1, 0, 0])
    moves = moves_of(X, per_bar=per_bar)
    assert moves[[0, len(X) // 2, -1]].tolist() == [0, 1, 2]
    assert np.flatnonzero(np.diff(moves)).size == 2


def test_moves_of_three_cycles_are_relative_to_the_first():
    X = pulses_of("ABCABCABC", lengths=[0, -2, 0, 0, -2, 0, 0, -2, 0], seed=1)
    moves = moves_of(X)
    inside = np.arange(3) * (36 * PER_BAR - 2) + 12 * PER_BAR
    assert moves[inside].tolist() == [0, 2, 4]


@settings(max_examples=20, deadline=None)
@given(
    form=st.text(alphabet="ABC", min_size=1, max_size=6),
    per_bar=st.sampled_from([3, 4, 8]),
    seed=st.integers(0, 9),
)
def test_regular_bars_stay(form, per_bar, seed):
    assert not moves_of(pulses_of(form, per_bar=per_bar, seed=seed), per_bar=per_bar).any()


@pytest.mark.parametrize("n_pulses", [1, 7, 8, 9, 40])
def test_recordings_of_a_few_bars_have_regular_bars(n_pulses, rng):
    assert not moves_of(rng.normal(size=(n_pulses, 20))).any()


def test_moves_are_those_with_the_highest_agreement():
    X = pulses_of("ABAB", lengths=[0, -2, 0, 0])
    repetitions = find_repetitions(X, np.arange(len(X)) % PER_BAR, per_bar=PER_BAR)
    best = repetitions.agreement(find_moves(repetitions))
    for at in range(0, len(X), 5):
        for by in range(PER_BAR):
            step = np.where(np.arange(len(X)) >= at, by, 0)
            assert repetitions.agreement(step) <= best


def song(form, *, beats_of_last, seed=3):
    """Synthesize a melody of eight bars of four beats for each letter, the last of other lengths.

    A faint bass note marks the bar lines.

    Returns
    -------
    y : ndarray of float32
        At 22,050 Hz.
    lines : ndarray of float64
        Bar lines in seconds.
    starts : ndarray of float64
        Starts of the letters in seconds.
    """
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    tunes = {letter: rng.choice(scale, size=(8, 8)) for letter in sorted(set(form))}
    notes, lines, starts, now = [], [], [], 0.4
    for letter, n_last in zip(form, beats_of_last, strict=True):
        starts.append(now)
        for tune, n_beats in zip(tunes[letter], [4] * 7 + [n_last], strict=True):
            lines.append(now)
            notes.append((now, 110.0, 2 * BEAT, 0.1))
            for i in range(2 * n_beats):
                notes.append((now + i * BEAT / 2, 440 * 2 ** (tune[i % 8] / 12), BEAT / 2, 0.4))
            now += n_beats * BEAT
    y = np.zeros(int((now + 1) * SR))
    for at, pitch, length, strength in notes:
        t = np.arange(int(length * SR)) / SR
        first = round(at * SR)
        y[first : first + t.size] += strength * np.sin(2 * np.pi * pitch * t) * np.exp(-t / 0.2)
    return (0.1 * y).astype(np.float32), np.array(lines), np.array(starts)


@pytest.mark.parametrize("n_last", [2, 3, 5, 6], ids=str)
def test_bar_lines_follow_a_bar_of_another_length(n_last):
    y, lines, _ = song("ABAB", beats_of_last=[4, n_last, 4, 4])
    grid = find_grid(y, SR)
    assert grid.metre == 4
    assert mir_eval.beat.f_measure(lines, grid.downbeats) > 0.95
    assert mir_eval.beat.f_measure(lines, grid.edges[1:-1]) > 0.95


def test_passages_on_both_sides_of_a_short_bar_share_labels():
    y, _, starts = song("ABAB", beats_of_last=[4, 3, 4, 4])
    found = segment(Bars()(y, SR))
    assert np.allclose(found.boundaries[1:-1], starts[1:], atol=0.2)
    assert "".join(found.labels) == "ABAB"


@pytest.mark.parametrize(
    ("by", "where", "at", "lengths"),
    [
        (2, [13, 14, 15], 14, [8, 6, 8, 8, 2]),
        (2, [3, 4], 13, [8, 6, 8, 8, 2]),  # no bar line there: the nearest
        (2, [5, 6, 13, 14], 6, [8, 6, 8, 8, 2]),  # the one with more evidence
        (-2, [9, 10, 11], 10, [10, 8, 8, 6]),  # two pulses are no bar: one of ten
        (-2, [2], 2, [2, 8, 8, 8, 6]),  # nor a bar before the first, which stays
        (4, [11, 12, 13], 12, [8, 4, 8, 8, 4]),  # half a bar is one
    ],
)
def test_positions_move_from_a_bar_line_on(by, where, at, lengths):
    evidence = np.zeros((32, 8))
    evidence[[0, 8, 14, 22, 30], 0] = 1
    moved = _moved(np.arange(32) % 8, by, np.array(where), at, evidence)
    np.testing.assert_array_equal(moved, np.concatenate([np.arange(n) for n in lengths]))


def test_given_beats_have_regular_bars():
    y, _, _ = song("ABAB", beats_of_last=[4, 3, 4, 4])
    beats = np.arange(0.4, len(y) / SR - 1, BEAT)
    grid = find_grid(y, SR, beats=beats)
    assert set(np.diff(np.searchsorted(grid.beats, grid.downbeats))) == {4}


def test_a_bar_longer_than_others_has_no_bar_line_inside():
    times = np.arange(0, 12, 0.25)
    positions = np.concatenate([np.arange(16) % 8, np.arange(8, 10), np.arange(30) % 8])
    grid = grid_of_positions(
        12.0,
        times,
        positions,
        pulses_per_bar=8,
        pulses_per_beat=2,
        metre=4,
        confidence=1.0,
    )
    assert grid.downbeats.tolist() == [0, 2, 4.5, 6.5, 8.5, 10.5]
    assert grid.edges.tolist() == [0, 2, 4.5, 6.5, 8.5, 10.5, 12]
