"""Beats and bar lines of music with known beats, and the fixed grid without a pulse."""

import json

import hypothesis.strategies as st
import mir_eval
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from tests.measuring import peak_memory

from scatseg import load, pieces
from scatseg.rhythm import DIM_PULSE, find_grid, heard_span, read_beats, spectra
from scatseg.rhythm.grid import grid_of_bars, grid_of_positions
from scatseg.rhythm.metre import (
    METRES,
    BarPositions,
    Cues,
    _log_prior,
    evidence_of,
    find_bars,
    lead_of,
    pulse_cues,
    repetition_steps,
    rival_of,
    slip_costs,
)
from scatseg.rhythm.pulse import (
    Pulse,
    attacks,
    evened,
    find_pulse,
    follow_pulse,
    pulse_periods,
    subdivided,
)
from scatseg.rhythm.silence import with_gaps
from scatseg.rhythm.spectra import Spectrum, band_spectrum, pitch_spectrum

SR = 22050


def steady(bpm, *, start=0.4, duration=40.0):
    return np.arange(start, duration - 0.5, 60 / bpm)


def chords(beats, metre, *, pickup=0, sr=SR, duration=40.0, strong=(0,)):
    """Synthesize a triad at each beat; bar lines have a new chord and a bass note."""
    rng = np.random.default_rng(seed=7)
    y = np.zeros(int(duration * sr))
    t = np.arange(int(0.35 * sr)) / sr
    sweep = rng.choice([0, 2, 4, 5, 7, 9], size=64)
    for i, beat in enumerate(beats):
        bar, position = divmod(i - pickup, metre)
        root = 220 * 2 ** (sweep[bar % 64] / 12)
        tones = root * 2 ** (np.array([0, 4, 7]) / 12)
        note = np.sin(2 * np.pi * np.outer(tones, t)).sum(axis=0) * (
            0.6 + 0.4 * (position in strong)
        )
        if position == 0:
            note += 2 * np.sin(2 * np.pi * root / 4 * t)
        at = round(beat * sr)
        length = min(t.size, y.size - at)
        y[at : at + length] += (0.1 * note * np.exp(-t / 0.12))[:length]
    return y.astype(np.float32)


def score(reference, estimate):
    return mir_eval.beat.f_measure(reference, estimate)


@pytest.mark.parametrize(
    ("bpm", "metre"), [(72, 4), (96, 4), (120, 4), (84, 3), (100, 3), (126, 3)], ids=str
)
def test_beats_and_bar_lines_of_a_strummed_piece_are_found(bpm, metre):
    beats = steady(bpm)
    grid = find_grid(chords(beats, metre), SR)
    assert grid.metre == metre
    assert score(beats, grid.beats) > 0.98
    assert score(beats[::metre], grid.downbeats) > 0.98


@pytest.mark.parametrize(
    ("strong", "beats_per_bar"),
    [
        pytest.param((0, 2, 4, 6), 8, id="weaker between beats"),
        pytest.param((1, 3, 5, 7), 4, id="as strong between beats"),
    ],
)
def test_long_bars_are_halved_only_if_attacks_between_beats_are_as_strong(strong, beats_per_bar):
    pulse = steady(145)
    grid = find_grid(chords(pulse, 8, strong=strong), SR)  # a chord lasts 3.3 s
    assert grid.metre == 4
    assert score(pulse[::beats_per_bar], grid.downbeats) > 0.98
    assert score(pulse[:: beats_per_bar // 4], grid.beats) > 0.98


def test_bars_at_a_fast_tempo_have_high_confidence():
    fast = find_grid(chords(steady(155), 4, strong=(1, 3)), SR)
    assert fast.metre == 4
    assert not fast.warnings
    assert fast.confidence > 0.7


def test_compound_metre_has_six_beats():
    eighths = steady(200)
    grid = find_grid(chords(eighths, 6, strong=(0, 3)), SR)
    assert grid.metre == 6
    assert score(eighths[::6], grid.downbeats) > 0.98


@pytest.mark.parametrize("pickup", [1, 2, 3])
def test_bar_lines_follow_a_pickup(pickup):
    beats = steady(96)
    grid = find_grid(chords(beats, 4, pickup=pickup), SR)
    assert score(beats[pickup::4], grid.downbeats) > 0.95


def test_bar_lines_slightly_precede_attacks():
    beats = steady(96)
    grid = find_grid(chords(beats, 4), SR)
    lines = grid.edges[1:-1]
    late = lines - beats[np.abs(beats[:, None] - lines).argmin(axis=0)]
    assert -0.03 < np.median(late) < 0.005


def test_there_are_no_very_short_bars():
    beats = steady(96, start=0.06)
    grid = find_grid(chords(beats, 4), SR)
    assert np.diff(grid.edges).min() > 0.3


def test_a_change_of_tempo_is_followed():
    slow = steady(84, duration=30.0)
    beats = np.concatenate([slow, np.arange(slow[-1] + 0.5, 59.5, 0.5)])
    beats = beats[: len(beats) // 4 * 4]
    grid = find_grid(chords(beats, 4, duration=60.0), SR)
    assert score(beats, grid.beats) > 0.95
    assert score(beats[::4], grid.downbeats) > 0.9


def test_a_slowly_drifting_tempo_is_followed():
    beats = 0.4 + np.cumsum(0.6 * (1 + 0.1 * np.sin(np.arange(64) / 10)))
    grid = find_grid(chords(beats, 4, duration=beats[-1] + 1), SR)
    assert score(beats, grid.beats) > 0.95


def test_bars_continue_through_silence():
    beats = steady(96)
    y = chords(beats, 4)
    y[16 * SR : 24 * SR] = 0
    grid = find_grid(y, SR)
    assert score(beats[::4], grid.downbeats) > 0.95


def test_a_long_inner_silence_is_one_bar():
    struck = steady(96)
    y = chords(struck, 4)
    y[round(16.3 * SR) : round(22.7 * SR)] = 0
    edges = find_grid(y, SR).edges
    begin = np.searchsorted(edges, 16.2)
    next_chord = struck[struck > 22.7][0]
    np.testing.assert_allclose(edges[begin : begin + 2], [16.3, next_chord], atol=0.05)


def test_silence_near_an_end_does_not_move_it():
    edges = with_gaps(np.arange(0.0, 11, 2), np.array([[0.2, 3.9], [6.1, 9.8]]), nearest=0.5)
    np.testing.assert_array_equal(edges, [0, 0.2, 3.9, 6.1, 9.8, 10])


def test_a_pause_of_two_seconds_is_not_a_long_silence():
    y = chords(steady(96), 4)
    whole = find_grid(y, SR).edges
    y[16 * SR : 18 * SR] = 0
    np.testing.assert_allclose(find_grid(y, SR).edges, whole, atol=0.05)


@pytest.mark.parametrize("name", ["verse-chorus", "tempo-change", "waltz"])
def test_sections_of_a_composed_piece_begin_on_bar_lines(name):
    piece = pieces.compose(name)
    edges = find_grid(piece.y, piece.sr).edges
    starts = np.array(piece.form.boundaries[1:-1])
    assert np.abs(edges[:, None] - starts).min(axis=0).max() < 0.05


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(0.2, id="pulses are clicks"),
        pytest.param(0.205, id="pulses are every second click"),
    ],
)
def test_beats_follow_chord_changes_rather_than_louder_off_beat_clicks(step):
    rng = np.random.default_rng(seed=3)
    t = np.arange(64 * SR) / SR
    roots = 110 * 2 ** (rng.permuted(np.tile([0, 2, 4, 5, 7, 9], 4))[:20] / 12)
    root = roots[(t / (16 * step)).astype(int)]
    y = 0.1 * sum(np.sin(2 * np.pi * np.cumsum(root * ratio) / SR) for ratio in (1, 2.5, 3))
    for k in range(int(64 / step) - 1):
        click = np.exp(-np.arange(400) / 60) * (-1.0) ** np.arange(400)
        y[round(k * step * SR) :][:400] += (0.25 if k % 2 else 0.1) * click
    assert (find_pulse(band_spectrum(y, SR)).period > 0.4) == (step > 0.2)
    bar_lines = np.arange(16 * step, 63, 16 * step)
    assert score(bar_lines, find_grid(y, SR).downbeats) > 0.9


def speech(rng):
    """Noise bursts of uneven length with pauses, like speech."""
    parts = []
    while sum(map(len, parts)) < 30 * SR:
        syllable = np.hanning(int(rng.uniform(0.06, 0.35) * SR))
        parts += [syllable * rng.normal(size=syllable.size)]
        parts += [np.zeros(int(rng.exponential(0.12) * SR))]
    return 0.1 * np.concatenate(parts)


NO_PULSE = {
    "silence": lambda _: np.zeros(20 * SR),
    "noise": lambda rng: 0.1 * rng.normal(size=60 * SR),
    "short noise": lambda rng: 0.1 * rng.normal(size=5 * SR),
    "one tone": lambda _: np.sin(np.arange(20 * SR) * 0.1),
    "speech": speech,
    "one sample": lambda _: np.ones(1),
    "one click": lambda _: np.eye(1, 5 * SR, 2 * SR)[0],
}


@pytest.mark.parametrize("what", NO_PULSE)
def test_without_a_pulse_the_grid_is_fixed_with_a_warning(what, rng):
    y = NO_PULSE[what](rng).astype(np.float32)
    grid = find_grid(y, SR)
    lengths = np.diff(grid.edges)
    np.testing.assert_allclose(lengths[1:-1], 2, atol=0.5)  # the outer bars include the silence
    assert lengths.sum() == pytest.approx(len(y) / SR)
    assert (grid.is_regular, grid.metre, grid.confidence, grid.beats.size) == (False, 0, 0.0, 0)
    assert len(grid.warnings) == 1


def test_a_clip_of_five_seconds_has_bars():
    grid = find_grid(chords(steady(120, duration=5.0), 4, duration=5.0), SR)
    assert grid.edges[0] == 0
    assert grid.edges[-1] == 5
    assert 2 <= len(grid.edges) - 1 <= 5


@given(
    n_samples=st.integers(1, 4 * 8000),
    n_clicks=st.integers(0, 30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=25)
def test_edges_span_any_signal(n_samples, n_clicks, seed):
    rng = np.random.default_rng(seed)
    y = np.zeros(n_samples)
    y[rng.integers(0, n_samples, size=n_clicks)] = rng.normal(size=n_clicks)
    grid = find_grid(y, 8000)
    assert grid.edges[0] == 0
    assert grid.edges[-1] == n_samples / 8000
    assert (np.diff(grid.edges) > 0).all()
    assert ((grid.beats >= 0) & (grid.beats <= n_samples / 8000)).all()
    assert 0 <= grid.confidence <= 1


@pytest.fixture(scope="module")
def strummed():
    return chords(steady(96), 4)


@pytest.fixture(scope="module")
def strummed_grid(strummed):
    return find_grid(strummed, SR)


@pytest.mark.parametrize("gain", [1e-3, 10])
def test_the_grid_is_invariant_to_gain(gain, strummed, strummed_grid):
    grid = find_grid(gain * strummed, SR)
    np.testing.assert_allclose(grid.edges, strummed_grid.edges, atol=0.001)


@pytest.mark.parametrize("sr", [11025, 16000, 44100])
def test_bar_lines_are_invariant_to_the_sampling_rate(sr, strummed_grid):
    grid = find_grid(chords(steady(96), 4, sr=sr), sr)
    np.testing.assert_allclose(grid.edges, strummed_grid.edges, atol=0.03)


@pytest.mark.parametrize(
    ("before", "after", "n_silent"), [(0.7, 0.0, 0), (3.21, 2.9, 0), (7.3, 4.5, 4 + 3)]
)
def test_bar_lines_are_invariant_to_silence_at_the_ends(
    before, after, n_silent, strummed, strummed_grid
):
    start = round(before * SR)
    grid = find_grid(np.pad(strummed, (start, round(after * SR))), SR)
    inner = strummed_grid.edges[1:-1] + start / SR
    assert len(grid.edges) == len(strummed_grid.edges) + n_silent
    assert np.abs(grid.edges[:, None] - inner).min(axis=0).max() < 1e-9
    np.testing.assert_allclose(grid.beats, strummed_grid.beats + start / SR)


def test_the_sounding_part_is_found_to_the_sample(strummed):
    start, stop = heard_span(strummed, SR)
    noise = 1e-6 * np.random.default_rng(5).normal(size=12345)
    padded = np.concatenate([np.zeros(777), strummed, noise])
    assert heard_span(padded, SR) == (start + 777, stop + 777)
    assert heard_span(1e-3 * padded, SR) == (start + 777, stop + 777)


def test_a_click_before_the_music_is_ignored(strummed):
    padded = np.pad(strummed, (SR, 0))
    padded[100:110] = 1
    assert heard_span(padded, SR)[0] == heard_span(strummed, SR)[0] + SR


@pytest.mark.parametrize("n_samples", [1, 2000])
def test_the_sounding_part_of_silence_is_all_of_it(n_samples):
    assert heard_span(np.zeros(n_samples), SR) == (0, n_samples)


@pytest.mark.parametrize("y", [np.repeat([0.2, 0.7], SR), np.array([0.1, -0.3])])
def test_the_sounding_part_of_a_step_is_all_of_it(y):
    assert heard_span(y, SR) == (0, len(y))


def test_where_chords_change_twice_a_bar_bar_lines_have_a_rival():
    y, beats = chords(steady(112), 2), steady(112)
    grid = find_grid(y, SR)
    assert grid.metre == 4
    assert grid.rival.rival is None
    assert score(beats[::2], np.union1d(grid.downbeats, grid.rival.downbeats)) > 0.98
    assert score(grid.downbeats, grid.rival.downbeats) == 0
    np.testing.assert_array_equal(grid.rival.beats, grid.beats)
    np.testing.assert_array_equal(grid.rival.edges[[0, -1]], [0, len(y) / SR])
    at_beats = find_grid(y, SR, beats=beats)
    assert score(beats[::2], np.union1d(at_beats.downbeats, at_beats.rival.downbeats)) == 1
    assert find_grid(y, SR, downbeats=beats[::4]).rival is None


def test_clear_bar_lines_have_no_rival(strummed_grid):
    assert strummed_grid.rival is None
    assert find_grid(chords(steady(100), 3), SR).rival is None
    assert find_grid(np.zeros(5 * SR), SR).rival is None


@pytest.mark.parametrize("accented", [2, 4, 6], ids=str)
@pytest.mark.parametrize("first", range(8))
@pytest.mark.parametrize("n_last", [7, 8, 11], ids=str)
def test_rival_bar_lines_are_beats_of_bars_of_any_length(accented, first, n_last, rng):
    (metre,) = (each for each in METRES if each.pattern == "DoboHobo")
    positions = np.concatenate([np.arange(first, 8), *4 * [np.arange(8)], np.arange(n_last)])
    positions = np.append(positions, np.arange(8))
    bars = BarPositions(metre=metre, positions=positions, score=0.0, lead=0.0)
    pitches = rng.normal(size=(len(positions), 3))

    def rival(*accents):
        strength = np.isin(positions, accents).astype(float)
        return rival_of(bars, Cues(strength, strength, pitches))

    found = rival(0, accented).positions
    np.testing.assert_array_equal(found == 0, positions == accented)
    first_line = np.flatnonzero(positions == accented)[0]
    np.testing.assert_array_equal(found[:first_line], (positions[:first_line] - accented) % 8)
    assert set(np.diff(found)[found[1:] != 0]) == {1}
    assert rival(0) is None
    assert rival(0, accented + 1) is None  # not a beat


def test_confidence_is_higher_if_chords_mark_the_bars(strummed_grid):
    flat = find_grid(chords(steady(96), 1), SR)
    assert strummed_grid.confidence > 0.5 > flat.confidence


def test_uncertain_bar_lines_come_with_a_warning():
    grid = find_grid(chords(steady(100), 1), SR)
    assert grid.is_regular
    assert grid.warnings == ("the position of the bar lines is uncertain",)


def test_a_weak_pulse_is_followed_only_if_it_is_steady():
    rng = np.random.default_rng(2)
    hesitant = np.cumsum(0.4 * np.exp(rng.normal(0, 0.16, size=90)))
    uneven = find_grid(chords(hesitant, 4, duration=hesitant[-1] + 1), SR)
    assert not uneven.is_regular
    assert uneven.warnings == ("weak and uneven pulse: bars could not be estimated",)
    beats = steady(120)
    sparse = chords(beats[rng.random(beats.size) < 0.6], 1)
    assert find_pulse(band_spectrum(sparse, SR)).clarity < DIM_PULSE
    assert find_grid(sparse, SR).is_regular


def test_steadiness_of_a_pulse_is_that_of_most_of_its_spans():
    even = np.arange(160) * 0.25
    slower = 40 + np.arange(80) * 0.27
    drifting = np.cumsum(np.geomspace(0.25, 0.3, 160))
    for times, share in ((even, 1), (even[:16], 0), (drifting, 1)):
        assert Pulse(times=times, clarity=1).steadiness == share
    changed = Pulse(times=np.concatenate([even, slower]), clarity=1).steadiness
    assert changed == pytest.approx(1 - 13 / 224, abs=0.01)


@pytest.mark.parametrize("metre", [3, 4])
def test_given_beats_are_kept_and_bar_lines_fall_on_them(metre):
    beats = steady(96)
    grid = find_grid(chords(beats, metre), SR, beats=beats)
    np.testing.assert_array_equal(grid.beats, beats)
    assert grid.metre == metre
    assert score(beats[::metre], grid.downbeats) == 1


def test_given_downbeats_are_the_bar_lines(strummed):
    grid = find_grid(strummed, SR, downbeats=[1.5, 3.5, 5.5], beats=np.arange(0.5, 7, 0.5))
    np.testing.assert_array_equal(grid.downbeats, [1.5, 3.5, 5.5])
    np.testing.assert_array_equal(grid.edges[:4], [0, 1.5, 3.5, 5.5])
    assert (grid.metre, grid.confidence) == (4, 1.0)


@pytest.mark.parametrize("name", ["song.csv", "song.jams"])
def test_given_bars_may_have_different_numbers_of_beats(name, strummed, tmp_path):
    beats = 0.5 * np.arange(16)
    positions = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 1, 2, 3, 4, 1]
    rows = zip(beats.tolist(), positions, strict=True)
    if name.endswith(".csv"):
        text = "".join(f"{time},{position}\n" for time, position in rows)
    else:
        data = [{"time": time, "value": {"position": position}} for time, position in rows]
        text = json.dumps({"annotations": [{"namespace": "beat_position", "data": data}]})
    (tmp_path / name).write_text(text)
    found, downbeats = read_beats(tmp_path / name)
    grid = find_grid(strummed[: 8 * SR], SR, beats=found, downbeats=downbeats)
    np.testing.assert_array_equal(grid.edges, [0, 2, 4, 5.5, 7.5, 8])
    np.testing.assert_array_equal(grid.downbeats, [0, 2, 4, 5.5, 7.5])
    assert (grid.metre, grid.confidence, grid.warnings) == (4, 1.0, ())


def test_bar_lines_without_beats_have_one_beat_each(strummed):
    assert find_grid(strummed, SR, downbeats=[1.5, 3.5, 5.5]).metre == 1


def test_bars_are_extrapolated_to_both_ends():
    first, last = 10 + 1.5 * np.arange(12), 30 + 2.0 * np.arange(12)
    lines = grid_of_bars(60.0, downbeats=np.append(first, last)).edges
    assert set(first) | set(last) < set(lines)
    np.testing.assert_allclose(lines[:8], [0, 1, 2.5, 4, 5.5, 7, 8.5, 10])
    np.testing.assert_allclose(lines[-5:], [52, 54, 56, 58, 60])


def test_a_beat_just_before_a_bar_line_is_moved_onto_it():
    beats = [1, 1.5, 2, 2.5, 2.9995, 3.5]
    assert grid_of_bars(4.0, downbeats=[1, 3], beats=beats).metre == 4


@pytest.mark.parametrize("others", [[], np.arange(8.0, 28.0, 2.0)], ids=["all", "at one end"])
def test_bar_lines_too_close_for_bars_are_not_extrapolated(others):
    close = np.append(5 + 0.1 * np.arange(10), others)
    edges = grid_of_bars(30.0, downbeats=close).edges
    np.testing.assert_array_equal(edges, [0, *close, 30])


def test_pulses_are_extrapolated_to_both_ends():
    grid = grid_of_positions(
        14.5,
        4.1 + 0.5 * np.arange(13),
        np.arange(1, 14) % 4,
        pulses_per_bar=4,
        pulses_per_beat=2,
        metre=2,
        confidence=1.0,
    )
    np.testing.assert_allclose(grid.beats, [4.6, 5.6, 6.6, 7.6, 8.6, 9.6])
    np.testing.assert_allclose(grid.downbeats, [5.6, 7.6, 9.6])
    np.testing.assert_allclose(grid.edges, [0, 1.6, 3.6, 5.6, 7.6, 9.6, 11.6, 13.6, 14.5])


def test_a_bar_line_just_after_another_is_no_edge():
    positions = np.array([0, 1, 2, 3, 0, 0, 1, 2, 3, 0, 1, 2])  # a bar is lost after one beat
    grid = grid_of_positions(
        6.0,
        0.5 * np.arange(12),
        positions,
        pulses_per_bar=4,
        pulses_per_beat=1,
        metre=4,
        confidence=1.0,
    )
    np.testing.assert_allclose(grid.downbeats, [0, 2, 2.5, 4.5])
    np.testing.assert_allclose(grid.edges, [0, 2, 4.5, 6])


def test_extrapolated_bars_are_not_very_short():
    edges = grid_of_bars(8.1, downbeats=[2.05, 4.05, 6.05]).edges
    np.testing.assert_allclose(edges, [0, 2.05, 4.05, 6.05, 8.1])


@pytest.mark.parametrize(
    ("downbeats", "stretch"),
    [
        (np.arange(0.5, 24, 2), "22.5 to 60.0"),
        (np.arange(30.0, 60, 2), "0.0 to 30.0"),
        (np.append(np.arange(0.0, 20, 2), np.arange(40.0, 60, 2)), "18.0 to 40.0"),
        (np.append(np.arange(0.0, 8, 2), np.arange(18.0, 60, 2)), "6.0 to 18.0"),  # six usual bars
    ],
)
def test_long_gaps_between_given_downbeats_warn(downbeats, stretch):
    (warning,) = grid_of_bars(60.0, downbeats=downbeats).warnings
    assert warning == f"no downbeats are given from {stretch} s: the bar lines there are a guess"


def test_a_gap_of_a_few_bars_does_not_warn():
    assert not grid_of_bars(32.0, downbeats=np.arange(8.0, 24.0, 2.0)).warnings


def test_long_gaps_between_given_beats_warn(strummed):
    *_, warning = find_grid(strummed, SR, beats=np.arange(0.5, 20, 0.5)).warnings
    assert warning.startswith("no beats are given from 19.5 to 40.0 s")


def test_empty_downbeats_equal_no_downbeats(strummed):
    beats = steady(96)
    grid = find_grid(strummed, SR, beats=beats, downbeats=[])
    np.testing.assert_array_equal(grid.edges, find_grid(strummed, SR, beats=beats).edges)


def test_empty_beats_equal_no_beats(strummed, strummed_grid):
    grid = find_grid(strummed, SR, beats=[])
    np.testing.assert_array_equal(grid.edges, strummed_grid.edges)
    assert grid.warnings == strummed_grid.warnings


def test_empty_beats_do_not_replace_those_of_downbeats(strummed):
    lines = [0.5, 2.5, 4.5]
    empty, none = (find_grid(strummed, SR, downbeats=lines, beats=beats) for beats in ([], None))
    np.testing.assert_array_equal(empty.beats, lines)
    assert empty.metre == none.metre == 1


@pytest.mark.parametrize("beats", [[1.0], [1.0, 1.5, 2.0]], ids=["one", "three"])
def test_too_few_given_beats_warn_that_they_are_few(beats, strummed):
    grid = find_grid(strummed, SR, beats=beats)
    assert not grid.is_regular
    assert grid.warnings == ("too few beats given: bars could not be estimated",)


def test_a_sampling_rate_too_low_for_rhythm_has_a_fixed_grid(rng):
    grid = find_grid(rng.normal(size=500), 50)
    np.testing.assert_allclose(grid.edges, np.arange(0, 12, 2), atol=0.02)
    assert grid.warnings == ("no clear pulse: bars could not be estimated",)


def test_beats_after_the_end_are_ignored():
    np.testing.assert_array_equal(grid_of_bars(3.0, downbeats=[1, 2, 3, 4]).edges, [0, 1, 2, 3])


@pytest.mark.parametrize("unit", [1e3, 22050, 22050 / 512])
def test_beats_in_a_unit_other_than_seconds_raise(unit, strummed):
    beats = steady(96)
    with pytest.raises(
        ValueError, match=r"beats must be seconds within the recording of 40\.0 s, but"
    ):
        find_grid(strummed, SR, beats=unit * beats)
    with pytest.raises(ValueError, match=r"are they in another unit"):
        find_grid(strummed, SR, downbeats=unit * beats[::4])


@pytest.mark.parametrize("times", [[2, 1], [1, 1], [np.nan, 1]])
def test_unordered_beats_raise(times, strummed):
    with pytest.raises(ValueError, match="beats must be finite seconds in strictly increasing"):
        find_grid(strummed, SR, beats=times)


def test_an_empty_signal_raises():
    with pytest.raises(ValueError, match=r"y must hold real samples, .* got float64 of shape \(0,"):
        find_grid(np.empty(0), SR)


@pytest.mark.parametrize("ask", [find_grid, heard_span])
def test_a_signal_that_is_not_mono_or_finite_raises(ask):
    with pytest.raises(ValueError, match=r"y must be mono, .*\(2, 9000\).* as in y.mean\(axis=0\)"):
        ask(np.zeros((2, 9000)), SR)
    with pytest.raises(ValueError, match=r"y must be finite, got nan at index \(1,\)"):
        ask(np.array([0, np.nan, 0]), SR)


def test_the_period_of_a_pulse_train_is_estimated():
    strength = np.zeros(3000)
    strength[::30] = 1
    periods, clarity = pulse_periods(strength, 0.01)
    np.testing.assert_allclose(periods, 30, rtol=0.01)
    assert clarity > 0.8


@pytest.mark.parametrize(("before", "after"), [(30, 40), (30, 23)], ids=["slower", "faster"])
def test_a_period_that_changes_by_less_than_half_an_octave_is_followed(before, after):
    strength = np.zeros(9000)
    strength[:6000:before] = 1
    strength[6000::after] = 1
    periods, _ = pulse_periods(strength, 0.01)
    np.testing.assert_allclose(periods[:5000], before, rtol=0.005)
    np.testing.assert_allclose(periods[7000:], after, rtol=0.005)


def test_attacks_are_where_levels_rise():
    levels = np.zeros((40, 4))
    levels[20:] = 1
    levels[30:] = 0
    expected = np.zeros(40)
    expected[19:22] = 1 / 3  # centered on the rise; falls count nothing
    np.testing.assert_allclose(attacks(levels), expected)


def test_strength_is_normalized_by_its_level_within_a_second_and_a_half():
    curve = np.repeat([1.0, 0.1], 6000)
    even = evened(curve, 0.01)
    near = np.sqrt(0.01 + 0.99 * scipy.stats.norm.cdf(-1))  # 1.5 s after the step
    expected = [1 / 1.1, 0.1 / (near + 0.1), 0.1 / (0.1 + 0.1)]
    np.testing.assert_allclose(even[[3000, 6150, 9000]], expected, rtol=0.005)
    np.testing.assert_allclose(evened(7 * curve, 0.01), even)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5])
def test_attack_strength_is_invariant_to_smearing(n_frames):
    levels = np.zeros((40, 4))
    levels[20:] = 1
    smeared = np.stack([np.interp(np.arange(40), [19, 19 + n_frames], [0, 1])] * 4, axis=1)
    assert attacks(smeared).max() >= min(1, 3 / n_frames) * attacks(levels).max() - 1e-12
    assert attacks(levels).sum() == pytest.approx(attacks(smeared).sum())


def test_the_period_is_kept_where_the_pulse_is_weak():
    strength = np.zeros(4000)
    strength[:3000:30] = 1
    strength[3000::22] = 0.1
    np.testing.assert_allclose(pulse_periods(strength, 0.01)[0], 30, rtol=0.02)


def test_onset_levels_are_those_of_frames_centered_in_time():
    y = np.zeros(10 * SR, dtype=np.float32)
    clicks = np.array([0, 3 * SR, 10 * SR - 1])
    y[clicks] = 1
    spectrum = band_spectrum(y, SR)
    heard = np.arange(len(spectrum.levels)) * spectrum.hop
    for click in clicks / SR:
        near = np.abs(heard - click) < 0.046 / 2 - 0.001
        assert (spectrum.levels[near].max(axis=1) > 0).all()
    apart = np.abs(heard[:, None] - clicks / SR).min(axis=1) > 0.046 / 2 + 0.001
    assert not spectrum.levels[apart].any()


def test_a_spectrum_needs_no_copy_of_the_recording(monkeypatch):
    monkeypatch.setattr(spectra, "_CHUNK", 32)
    y = np.zeros(100 * SR, dtype=np.float32)
    assert peak_memory(band_spectrum, y, SR) < y.nbytes


def test_a_pulse_spans_only_the_sounding_part(strummed):
    pulse = find_pulse(band_spectrum(np.pad(strummed, (5 * SR, 8 * SR)), SR))
    assert 5 < pulse.times[0] < 6
    assert 44 < pulse.times[-1] < 45.5


def clicks(times, duration):
    """Synthesize a click at each time."""
    rng = np.random.default_rng(seed=7)
    t = np.arange(int(0.05 * SR)) / SR
    click = rng.normal(size=t.size) * np.exp(-t / 0.01)
    y = np.zeros(int(duration * SR))
    for time in times:
        at = round(time * SR)
        y[at : at + t.size] += click
    return y


@pytest.mark.parametrize("noise", [0, 5e-4])
def test_a_pulse_has_a_time_at_each_click_and_none_beyond(noise, rng):
    times = 3 + 0.3 * np.arange(40)
    bands = band_spectrum(clicks(times, 19) + noise * rng.normal(size=19 * SR), SR)
    np.testing.assert_allclose(find_pulse(bands).times, times, atol=0.025)
    halves = np.linspace(times[0], times[-1], 79)
    np.testing.assert_allclose(find_pulse(bands, parts=2).times, halves, atol=0.025)


@pytest.mark.parametrize(("n_clicks", "n_pulses"), [(0, 0), (1, 0), (6, 0), (8, 8)])
def test_a_pulse_lasts_eight_of_the_shortest_periods(n_clicks, n_pulses):
    y = clicks(1 + 0.3 * np.arange(n_clicks), 6)  # 8 * 0.22 s are between six and seven
    assert len(find_pulse(band_spectrum(y, SR)).times) == n_pulses


@pytest.mark.parametrize(
    ("beats", "pulses", "per_beat"),
    [
        ([1, 1.3, 1.6], [1, 1.3, 1.6], 1),
        ([0, 0.6, 1.2], [0, 0.3, 0.6, 0.9, 1.2], 2),
        ([0, 2, 5], [0, 0.5, 1, 1.5, 2, 2.75, 3.5, 4.25, 5], 4),  # at most four
        ([0, 0.1, 0.2], [0, 0.1, 0.2], 1),
        ([5], [5], None),
    ],
)
def test_given_beats_are_divided_into_pulses_of_a_usual_period(beats, pulses, per_beat):
    pulse = subdivided(beats)
    np.testing.assert_allclose(pulse.times, pulses)
    assert pulse.per_beat == per_beat


def test_small_ripples_are_not_a_pulse():
    ripples = 1 + 0.02 * np.cos(np.arange(3000) * 2 * np.pi / 30)
    assert pulse_periods(ripples, 0.01)[1] < 0.1


def test_pulses_fall_on_attacks_and_bridge_a_missing_attack():
    strength = np.zeros(1000)
    strength[5::30] = 1
    strength[305] = 0
    np.testing.assert_array_equal(
        follow_pulse(strength, np.full(1000, 30.0)), np.arange(5, 1000, 30)
    )


def test_repetition_steps_peak_at_the_ends_of_a_repeat(rng):
    passage = rng.normal(size=(40, 20))
    X = np.concatenate(
        [rng.normal(size=(30, 20)), passage, rng.normal(size=(50, 20)), passage, passage[:1] * 0]
    )
    steps = repetition_steps(X, width=8)
    assert {30, 70, 120} <= set(np.argsort(steps)[-6:])


def test_pitches_are_averaged_from_each_pulse_to_the_next(rng):
    levels = rng.random((12, 12))
    spectrum = Spectrum(levels, 0.5, 110 * 2 ** (np.arange(12) / 12))
    times = np.array([0.25, 1.25, 2.75, 4.25])  # between frames, which are at 0, 0.5, 1, ...
    pitches = pulse_cues(times, spectrum, spectrum).pitches
    means = np.array([levels[a:b].mean(axis=0) for a, b in ((1, 3), (3, 6), (6, 9), (9, 12))])
    np.testing.assert_allclose(pitches, means - means.mean(axis=0), atol=1e-12)


def test_accents_fall_on_attacks_and_on_changes_of_harmony():
    times = np.arange(64) * 0.5
    frames = np.arange(641) * 0.05
    bands = np.exp(-(frames % 2) / 0.2)[:, None] * np.ones(8)  # at every fourth pulse
    chord = np.eye(24)[(3 * np.floor(frames / 4)).astype(int) % 24]  # a new one at every eighth
    pitches = Spectrum(chord, 0.05, 55 * 2 ** (np.arange(24) / 12))
    cues = pulse_cues(times, Spectrum(bands, 0.05, np.geomspace(50, 9000, 8)), pitches)
    assert cues.attacks[4:-4].reshape(-1, 4).mean(axis=0).argmax() == 0
    assert cues.changes[8:-8].reshape(-1, 8).mean(axis=0).argmax() == 0
    for cue in (cues.attacks, cues.changes):
        assert (cue.mean(), cue.std()) == pytest.approx((0, 1), abs=1e-6)


@pytest.mark.parametrize("metre", METRES, ids=lambda metre: metre.pattern)
def test_a_pulse_is_evidence_for_some_positions_and_as_much_against_others(metre, rng):
    cues = Cues(*rng.normal(size=(2, 50)), np.zeros((50, 12)))
    evidence = evidence_of(metre, cues)
    np.testing.assert_allclose(evidence.mean(axis=1), evidence.mean())
    strong = evidence_of(metre, Cues(np.full(1, 9.0), np.full(1, 9.0), np.zeros((1, 12))))
    assert strong.argmax() == metre.pattern.index("D")


@pytest.mark.parametrize("metre", METRES, ids=lambda metre: metre.pattern)
@pytest.mark.parametrize("period", [0.1, 0.3, 0.5])
def test_durations_of_bar_and_beat_are_normal_in_octaves(metre, period):
    def octaves(length, usual, spread):
        return scipy.stats.norm.logpdf(np.log2(length), np.log2(usual), spread)

    def density(period):
        bar, beat = len(metre.pattern) * period, metre.pulses_per_tactus * period
        return octaves(bar, 2.7, 0.6) + octaves(beat, 0.66, 0.35)

    more = _log_prior(metre, period) - _log_prior(metre, 0.2)
    assert more == pytest.approx(density(period) - density(0.2))


@pytest.mark.parametrize("per_beat", [1, 2])
def test_known_beats_may_begin_in_the_bar_but_not_between_beats(per_beat):
    pulses = np.arange(64 * per_beat)
    period = 0.5 / per_beat
    for pickup in range(4 * per_beat):
        downbeats = np.where(pulses % (4 * per_beat) == pickup, 2.0, -0.5)
        cues = Cues(downbeats, downbeats, np.zeros((len(pulses), 12)))
        bars = find_bars(Pulse(times=pulses * period, clarity=1.0, per_beat=per_beat), cues)
        if pickup % per_beat == 0:
            lines = np.flatnonzero(bars.positions == 0)
            np.testing.assert_array_equal(lines % (4 * per_beat), pickup)
        assert bars.positions[0] % per_beat == 0


@pytest.mark.parametrize("ratio", [1.1, 1 / 1.1])
def test_a_slip_costs_least_where_the_tempo_changes(ratio):
    times = np.cumsum(np.repeat([1.0, ratio], 20))
    costs = slip_costs(times)
    assert costs.argmin() == 19
    assert costs[19] == pytest.approx(70 / (1 + (np.log(1.1) / 0.1) ** 2))
    np.testing.assert_allclose(np.delete(costs, np.arange(16, 23)), 70)


def test_the_lead_is_over_the_best_rotation_in_standard_errors_over_bars(rng):
    evidence = rng.normal(size=(30, 3))
    positions = np.arange(30) % 3
    own, *others = (evidence[np.arange(30), (positions + turn) % 3] for turn in range(3))
    leads = [(own - other).mean() / ((own - other).std() / np.sqrt(10)) for other in others]
    assert lead_of(evidence, positions) == pytest.approx(min(leads))


@pytest.mark.parametrize("spectrum", [band_spectrum, pitch_spectrum])
def test_a_tone_is_loudest_in_its_band_and_a_click_in_its_frame(spectrum):
    t = np.arange(2 * SR) / SR
    bands = spectrum(np.sin(2 * np.pi * 880 * t), SR)
    middle = bands.levels[len(bands.levels) // 2]
    assert middle.argmax() == np.abs(np.log(bands.centers / 880)).argmin()
    click = np.zeros(2 * SR)
    at = 1.2 // bands.hop
    click[round(at * bands.hop * SR)] = 1
    assert spectrum(click, SR).levels.sum(axis=1).argmax() == at


@pytest.mark.parametrize("spectrum", [band_spectrum, pitch_spectrum])
def test_levels_do_not_depend_on_gain_or_on_silence_after(spectrum, strummed):
    y = strummed[: 4 * SR]
    levels = spectrum(y, SR).levels
    quieter = spectrum(np.pad(1e-2 * y, (0, SR)), SR).levels
    np.testing.assert_allclose(quieter[: len(levels)], levels, rtol=1e-3, atol=1e-3)


def jams(value_of, namespace="beat"):
    beats = [{"time": 0.5 * i, "duration": 0, "value": value_of(i)} for i in range(1, 9)]
    annotations = {"chord": [], namespace: beats}
    return json.dumps(
        {"annotations": [{"namespace": name, "data": data} for name, data in annotations.items()]}
    )


def dense(text):
    """Turn the rows of a JAMS file into a list for each column."""
    tree = json.loads(text)
    for annotation in tree["annotations"]:
        names = ("time", "duration", "value")
        annotation["data"] = {name: [row[name] for row in annotation["data"]] for name in names}
    return json.dumps(tree)


FILES = {
    "dense.jams": dense(jams(lambda i: 1 + (i + 3) % 4)),
    "a.jams": jams(lambda i: 1 + (i + 3) % 4),
    "b.jams": jams(
        lambda i: {"position": 1 + (i + 3) % 4, "measure": 1, "num_beats": 4, "beat_units": 4},
        namespace="beat_position",
    ),
    "a.csv": "time,beat\n" + "".join(f"{i / 2},{1 + (i + 3) % 4}\n" for i in range(1, 9)),
    "a.txt": "# beats\n" + "".join(f"{i / 2}\t{1 + (i + 3) % 4}\n" for i in range(1, 9)),
    "quoted.csv": "".join(f'{i / 2},"{1 + (i + 3) % 4}"\n' for i in range(1, 9)),
    "bar and beat.csv": "".join(
        f'{i / 2},"{9 + (i + 3) // 4}.{1 + (i + 3) % 4}"\n' for i in range(1, 9)
    ),
    "decimal commas.csv": "\ufefftime;beat\r\n"
    + "".join(f"{i // 2},{i % 2 * 5};{1 + (i + 3) % 4}\r\n" for i in range(1, 9)),
    "b.txt": "".join(f"{i / 2} {1 + (i + 3) % 4}.0\r\n" for i in range(1, 9)),
}


@pytest.mark.parametrize("name", FILES)
def test_beats_are_read_from_jams_and_tables(name, tmp_path):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    beats, downbeats = read_beats(tmp_path / name)
    np.testing.assert_array_equal(beats, np.arange(1, 9) / 2)
    np.testing.assert_array_equal(downbeats, [0.5, 2.5])


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "1\n2\n3\n"), ("a.jams", jams(lambda _: None))]
)
def test_a_file_without_positions_has_no_downbeats(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    beats, downbeats = read_beats(tmp_path / name)
    assert beats.size
    assert not downbeats.size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", ",;\n"),
        ("a.csv", "1,1\nx,2\n"),
        ("a.jams", "{}"),
        ("a.jams", "["),
        ("a.jams", "[]"),
        ("a.jams", dense(jams(lambda i: i)).replace('"value": [1, ', '"value": [')),
    ],
)
def test_a_file_without_beats_raises(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.\w+: no beats"):
        read_beats(tmp_path / name)


def test_positions_between_beats_are_not_bar_numbers(tmp_path):
    lines = [f"{i / 4},{1 + i / 2 % 4}\n" for i in range(16)]
    (tmp_path / "a.csv").write_text("".join(lines), encoding="utf-8")
    np.testing.assert_array_equal(read_beats(tmp_path / "a.csv")[1], [0, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a\n0,1\n0,2\n0.5,3\n", "line 3: a second beat at 0 s, after that of line 2"),
        ("time\n0\n\nx\n", "line 4: expected seconds, .*, got 'x'"),
        ("0,1\n1,two\n", "line 2: expected seconds, and a position in the bar if known, got 'two'"),
        ("0,1\ninf,2\n", "line 2: a beat needs a finite number of seconds, got inf"),
    ],
)
def test_errors_in_a_table_name_the_line(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"a\.csv: no beats could be read: {message}"):
        read_beats(tmp_path / "a.csv")


def test_simultaneous_beats_of_a_jams_file_raise(tmp_path):
    text = jams(lambda i: i).replace('"time": 1.0', '"time": 0.5')
    (tmp_path / "a.jams").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"beat 2: a second beat at 0.5 s, after that of beat 1"):
        read_beats(tmp_path / "a.jams")


@pytest.mark.corpus
def test_bar_lines_of_annotated_songs_are_found(shared):
    folder = shared / "corpus" / "pop909_dev"
    scores = []
    for song in ("156_band", "203_band", "534_piano", "681_band"):
        y, sr = load(folder / "audio" / f"pop909_{song}.ogg")
        name = f"pop909_{song.split('_')[0]}.jams"
        _, downbeats = read_beats(folder / "annotations" / name)
        scores.append(score(downbeats, find_grid(y, sr).downbeats))
    assert min(scores) > 0.95
