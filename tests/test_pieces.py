"""The demonstration pieces: audible form, scores and sounds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import stft

from scatseg.pieces import compose, names
from scatseg.pieces.accompaniment import arpeggio, bass_line, walking_bass
from scatseg.pieces.drums import TUNING, kit
from scatseg.pieces.harmony import (
    chord_at,
    fitting_scale,
    key_scale,
    parse_chord,
    progression,
    voicings,
)
from scatseg.pieces.instruments import damped_sines, leveled
from scatseg.pieces.melody import harmonized, is_strong, melody
from scatseg.pieces.mixing import DESK, limited, stem
from scatseg.pieces.repertoire import SCORES
from scatseg.pieces.score import Event, Note, Score, Section, at, perform, rhythm

SR = 22050
FORMS = {
    "aaba": "A A B A",
    "verse-chorus": "intro verse chorus verse chorus bridge chorus",
    "rondo": "A B A C A",
    "through-composed": "A B C D B E",
    "tempo-change": "A B A",
    "waltz": "A B C B A",
}
CHANGES = progression("C | Am7 | Dm7 G7 | Cmaj7", beats_per_bar=4)
each_piece = pytest.mark.parametrize("name", FORMS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def pieces():
    return {name: compose(name) for name in names()}


@pytest.fixture
def piece(pieces, name):
    return pieces[name]


def score_of(name, seed):
    return SCORES[name](np.random.default_rng([seed, *name.encode()]))


@pytest.fixture(scope="module")
def spectrograms(pieces):
    """Name to (freqs, times, power)."""
    return {name: spectrogram(piece) for name, piece in pieces.items()}


def spectrogram(piece):
    freqs, times, Z = stft(piece.y, piece.sr, nperseg=4096, noverlap=2048)
    return freqs, times, np.abs(Z) ** 2


@pytest.fixture
def spectra(piece, name, spectrograms):
    """Mean level in dB of bands from 40 Hz to 10 kHz, one row per section."""
    freqs, times, power = spectrograms[name]
    limits = np.unique(np.searchsorted(freqs, np.geomspace(40, 10000, 41)))
    level = 10 * np.log10(np.add.reduceat(power, limits, axis=0)[:-1] + 1e-8)
    return np.array(
        [level[:, (times >= start) & (times < end)].mean(axis=1) for start, end, _ in piece.form]
    )


@pytest.fixture
def chroma(piece, name, spectrograms):
    """Share of each pitch class in each bar, shape (n_bars, 12)."""
    freqs, times, power = spectrograms[name]
    heard = (freqs > 60) & (freqs < 4000)
    classes = np.round(12 * np.log2(freqs[heard] / 440)).astype(int) % 12
    power = power[heard]
    bars = itertools.pairwise(piece.downbeats)
    rows = [power[:, (times >= start) & (times < end)].sum(axis=1) for start, end in bars]
    chroma = np.array([np.bincount(classes, row, minlength=12) for row in rows])
    return chroma / chroma.sum(axis=1, keepdims=True)


def section_pairs(piece):
    """(i, j, same) for every two sections."""
    for (i, a), (j, b) in itertools.combinations(enumerate(piece.form.labels), 2):
        yield i, j, a == b


# Audio of the pieces


def test_there_is_a_known_form_for_every_piece():
    assert set(names()) == set(FORMS)


@each_piece
def test_form_is_the_declared_one(piece, name):
    assert " ".join(piece.form.labels) == FORMS[name]


@each_piece
def test_form_spans_the_signal(piece):
    assert piece.form.start == 0
    assert piece.form.end == piece.y.size / piece.sr


@each_piece
def test_lasts_45_to_90_seconds(piece):
    assert 45 <= piece.form.end <= 90


@each_piece
def test_inner_boundaries_are_downbeats(piece):
    assert set(piece.form.boundaries[1:-1]) <= set(piece.downbeats.tolist())


@each_piece
def test_downbeats_are_beats(piece):
    assert set(piece.downbeats.tolist()) <= set(piece.beats.tolist())


@each_piece
def test_signal_is_float32_with_peak_nine_tenths(piece):
    assert piece.y.dtype == np.float32
    assert np.isfinite(piece.y).all()
    assert_allclose(np.abs(piece.y).max(), 0.9, atol=2**-15)


@each_piece
def test_samples_fit_16_bits_exactly(piece):
    steps = piece.y.astype(np.float64) * 2**15
    assert_array_equal(steps, np.round(steps))


@each_piece
def test_peaks_are_not_squared_off(piece):
    top = np.abs(piece.y) == np.abs(piece.y).max()
    assert not (top[:-2] & top[1:-1] & top[2:]).any()


@each_piece
def test_nothing_is_silent_for_a_second_before_the_ring_out(piece):
    body = piece.y[: int(piece.downbeats[-1] * piece.sr)]
    blocks = body[: body.size // SR * SR].reshape(-1, SR)
    assert np.sqrt((blocks**2).mean(axis=1)).min() > 0.02


@each_piece
def test_rings_out_to_silence(piece):
    assert np.abs(piece.y[-100:]).max() < 0.001


@each_piece
def test_carries_no_direct_current(piece):
    assert abs(piece.y.mean()) < 1e-3


@each_piece
def test_sections_of_one_label_sound_more_alike_than_others(piece, spectra):
    distance = {True: [], False: []}
    for i, j, same in section_pairs(piece):
        distance[same].append(np.sqrt(np.mean((spectra[i] - spectra[j]) ** 2)))
    assert max(distance[True]) < min(distance[False])


@each_piece
def test_every_change_of_section_changes_the_spectrum_by_3_db(piece, spectra):
    changes = [
        np.sqrt(np.mean((spectra[i + 1] - spectra[i]) ** 2))
        for i in range(len(piece.form) - 1)
        if piece.form.labels[i] != piece.form.labels[i + 1]
    ]
    assert min(changes) > 3


@each_piece
def test_repeated_sections_share_their_harmony_bar_by_bar(piece, chroma):
    # The last bar contains the fill, which differs.
    starts = np.searchsorted(piece.downbeats, piece.form.boundaries[:-1])
    stops = np.append(starts[1:], len(chroma)) - 1
    for i, j, same in section_pairs(piece):
        if same:
            first, again = chroma[starts[i] : stops[i]], chroma[starts[j] : stops[j]]
            assert np.corrcoef(first.ravel(), again.ravel())[0, 1] > 0.9


def test_a_seed_gives_the_same_bytes_again(pieces):
    again = compose("aaba")
    assert again.y.tobytes() == pieces["aaba"].y.tobytes()


def test_another_seed_gives_another_piece_of_the_same_form(pieces):
    other = compose("aaba", seed=1)
    assert other.form == pieces["aaba"].form
    assert abs(np.corrcoef(other.y, pieces["aaba"].y)[0, 1]) < 0.5


@pytest.mark.parametrize("sr", [8000, 16000])
def test_another_rate_gives_the_same_form_to_the_sample(pieces, sr):
    other = compose("aaba", sr=sr)
    assert_allclose(other.form.boundaries, pieces["aaba"].form.boundaries, atol=1 / 8000)
    assert other.form.end == other.y.size / sr


def test_tempo_doubles_where_the_tempo_changes(pieces):
    piece = pieces["tempo-change"]
    start, end = piece.form.boundaries[1:3]
    steps = np.diff(piece.beats)
    inside = (piece.beats[:-1] >= start) & (piece.beats[:-1] < end)
    assert_allclose(steps[inside], 60 / 152)
    assert_allclose(np.median(steps[~inside]), 60 / 72)


def test_waltz_has_three_beats_a_bar_after_one_beat_of_pickup(pieces):
    piece = pieces["waltz"]
    assert_array_equal(piece.downbeats, piece.beats[1::3])


def test_unknown_piece_is_an_error_that_lists_them():
    with pytest.raises(ValueError, match=r"a piece is one of aaba, .*, got 'fugue'"):
        compose("fugue")


@pytest.mark.parametrize("sr", [22050.5, "22050"])
def test_a_sampling_rate_is_a_whole_number(sr):
    with pytest.raises(ValueError, match="sr must be a positive whole number of Hz, got"):
        compose("aaba", sr=sr)


def test_low_sampling_rate_is_an_error():
    with pytest.raises(ValueError, match="at least 8000 Hz, got 4000"):
        compose("aaba", sr=4000)


def test_negative_seed_is_an_error():
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got -1"):
        compose("aaba", seed=-1)


# Scores


@each_piece
def test_neighbors_in_the_form_differ_in_their_instruments(name):
    for before, after in itertools.pairwise(score_of(name, 0).sections):
        if before.label != after.label:
            assert set(before.parts) != set(after.parts)


@each_piece
@pytest.mark.parametrize("seed", range(5))
def test_every_note_is_on_the_desk_and_within_the_piano(name, seed):
    score = score_of(name, seed)
    for parts in [*(section.parts for section in score.sections), score.ending]:
        for instrument, part in parts.items():
            pitches = [note.pitch for note in part.notes]
            assert instrument in DESK
            assert instrument in TUNING or 24 <= min(pitches) <= max(pitches) <= 108


def tiny_score(**options):
    note = (Note(0.5, 0.5, 60, 0.8), Note(2, 1, 60, 0.8))
    section = Section(label="A", n_bars=1, tempo=60, parts=at(0, piano=note), **options)
    return Score(title="", sections=(section, section), ending={}, pickup=1, ring_out=2)


def test_a_repeat_is_played_a_few_milliseconds_and_a_shade_apart():
    events = perform(tiny_score(), np.random.default_rng(0)).events["piano"]
    first, again = np.array(events[:2]), np.array(events[2:])
    late = again[:, 0] - first[:, 0] - 4
    assert (np.abs(late) > 0).all()
    assert (np.abs(late) < 0.02).all()
    assert (first[:, 3] != again[:, 3]).all()


def test_pickup_delays_the_first_bar_line():
    played = perform(tiny_score(), np.random.default_rng(0))
    assert_allclose(played.downbeats, [1, 5, 9])
    assert_allclose(played.boundaries, [0, 5, 11])


def test_swing_delays_the_off_beat_alone():
    played = perform(tiny_score(swing=2 / 3), np.random.default_rng(0))
    starts = [event.start for event in played.events["piano"]]
    assert_allclose(starts, [1 + 2 / 3, 3, 5 + 2 / 3, 7], atol=0.01)


def test_slowing_stretches_the_last_bar():
    played = perform(tiny_score(slowing=0.5), np.random.default_rng(0))
    assert_allclose(np.diff(played.beats)[4], 2)


def test_fill_replaces_the_last_bar_of_its_instrument():
    fill = ({"piano": (Note(3, 1, 72, 0.8),)},)
    played = perform(tiny_score(fills=fill), np.random.default_rng(0))
    assert [event.pitch for event in played.events["piano"]] == [72, 72]


def test_each_playing_draws_its_fill():
    fills = tuple({"piano": (Note(3, 1, pitch, 0.8),)} for pitch in (72, 74))
    score = tiny_score(fills=fills)
    played = [perform(score, np.random.default_rng(seed)) for seed in range(32)]
    drawn = {tuple(event.pitch for event in p.events["piano"]) for p in played}
    assert drawn == {(72, 72), (72, 74), (74, 72), (74, 74)}


def test_rhythm_repeats_to_fill_its_length():
    starts = [hit.start for hit in rhythm("x.X-", 4)]
    assert starts == [0, 1, 2, 3]


def test_rhythm_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="must divide 8 steps, got 3"):
        rhythm("x..", 4)


def test_rhythm_with_a_strange_letter_is_an_error():
    with pytest.raises(ValueError, match=r"written with .*, got 'y'"):
        rhythm("xy", 1)


# Harmony and melody


def test_chord_symbols_are_read_with_their_bass():
    assert parse_chord("F#m7b5").tones == {6, 9, 0, 4}
    assert parse_chord("D/F#").bass == 6


def test_unknown_chord_is_an_error():
    with pytest.raises(ValueError, match=r"a chord is a root .*, got 'H7'"):
        parse_chord("H7")


@pytest.mark.parametrize(
    ("key", "symbol", "expected"),
    [
        ("C", "G7", key_scale("C")),
        ("C", "D7", key_scale("G")),
        ("C", "C7", key_scale("F")),
        ("C", "E7", key_scale("A", "harmonic")),
        ("A", "Am", key_scale("A") - {1} | {0}),
    ],
)
def test_scale_bends_to_the_chord(key, symbol, expected):
    assert fitting_scale(key_scale(key), parse_chord(symbol)) == expected


def test_voicings_sound_the_chord_within_their_range():
    for span, pitches in zip(CHANGES, voicings(CHANGES, low=52, high=71), strict=True):
        assert {pitch % 12 for pitch in pitches} == span.chord.tones
        assert 52 <= min(pitches) < max(pitches) <= 71


def test_voicings_hold_what_two_chords_share():
    first, second = voicings(progression("C | Am", beats_per_bar=4), low=52, high=71, n_voices=3)
    assert len(set(first) & set(second)) == 2


def test_voicings_in_too_narrow_a_range_are_an_error():
    with pytest.raises(ValueError, match="4 voices do not fit between pitches 60 and 63"):
        voicings(CHANGES, low=60, high=63)


def tune(seed):
    return melody(
        np.random.default_rng(seed),
        CHANGES,
        scale=key_scale("C"),
        low=60,
        high=79,
        plan="ab",
        motifs={"a": ("x-xxxxx-|x-xx--..", "xxxxxxxx|x---...."), "b": ("x-xxx-xx|x-----..",)},
        final=4,
    )


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_melody_rests_on_chord_tones_on_strong_beats(seed):
    for note in tune(seed):
        if is_strong(note, 4):
            assert note.pitch % 12 in chord_at(CHANGES, note.start).tones


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_melody_stays_in_key_and_range_and_ends_as_told(seed):
    notes = tune(seed)
    assert {note.pitch % 12 for note in notes} <= key_scale("C")
    assert 60 <= min(note.pitch for note in notes) <= max(note.pitch for note in notes) <= 79
    assert notes[-1].pitch % 12 == 4


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_melody_is_one_voice_that_never_leaps_past_an_octave(seed):
    for note, following in itertools.pairwise(tune(seed)):
        assert note.start + note.length <= following.start
        assert abs(following.pitch - note.pitch) <= 12


def test_second_voice_lies_below_in_the_chord():
    notes = tune(0)
    for above, below in zip(notes, harmonized(notes, CHANGES), strict=True):
        assert 3 <= above.pitch - below.pitch <= 9
        assert below.pitch % 12 in chord_at(CHANGES, above.start + above.length / 2).tones


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_walking_bass_meets_every_root_with_its_chord(seed):
    notes = walking_bass(np.random.default_rng(seed), CHANGES, key_scale("C"))
    assert [note.start for note in notes] == list(range(16))
    roots = {note.start: note.pitch % 12 for note in notes}
    assert all(roots[span.start] == span.chord.root for span in CHANGES)
    assert all(a.pitch != b.pitch for a, b in itertools.pairwise(notes))


def test_bass_line_plays_the_bass_of_each_chord():
    changes = progression("C/E | G", beats_per_bar=4)
    assert [note.pitch for note in bass_line(changes, "x-------", low=28)] == [28, 31]


def test_arpeggio_does_not_ring_into_the_next_chord():
    notes = arpeggio(CHANGES, "xxxx", (0, 1, 2), low=60, high=79, ring=8)
    for note in notes:
        ends = [span.start + span.length for span in CHANGES if span.start <= note.start]
        assert note.start + note.length == max(ends)


def test_kit_tunes_each_drum():
    drums = kit(4, kick="x...", snare="....x...")
    assert [note.start for note in drums["snare"]] == [1, 3]
    assert {note.pitch for note in drums["kick"]} == {TUNING["kick"]}


# Sounds


def test_damped_sines_equal_their_formula():
    t = np.arange(4000) / SR
    expected = 0.7 * np.exp(-t / 0.1) * np.sin(2 * np.pi * 440 * t)
    expected += 0.2 * np.exp(-t / 0.03) * np.sin(2 * np.pi * 3000 * t)
    y = damped_sines([440, 3000, 10500], [0.7, 0.2, 1.0], [0.1, 0.03, 1.0], 4000, SR)
    assert_allclose(y, expected, atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(DESK) - set(TUNING) - {"wind"}))
def test_instrument_is_in_tune(name):
    freq = 440 * 2 ** (-5 / 12)
    y = DESK[name].play(freq, 1.0, 0.7, SR)[:SR]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size), 16 * SR))
    near = slice(round(16 * freq * 0.95), round(16 * freq * 1.05))
    peak = (near.start + np.argmax(spectrum[near])) / 16
    assert abs(1200 * np.log2(peak / freq)) < 5


@pytest.mark.parametrize("name", sorted(set(DESK) - set(TUNING) - {"wind"}))
def test_instrument_is_band_limited(name):
    # The highest note of the pieces: aliasing would be visible at the lower rate.
    freq = 440 * 2 ** (27 / 12)
    low, high = (DESK[name].play(freq, 0.5, 1.0, sr) for sr in (SR, 2 * SR))
    spectrum = np.abs(np.fft.rfft(low, 2**15))[: int(0.4 * 2**15)]
    finer = np.abs(np.fft.rfft(high, 2**16))[: spectrum.size]
    assert_allclose(spectrum / spectrum.max(), finer / finer.max(), atol=0.02)


@pytest.mark.parametrize("name", sorted(DESK))
@pytest.mark.parametrize("velocity", [0.25, 1.0])
def test_every_sound_is_as_loud_as_its_velocity(name, velocity):
    freq = 440 * 2 ** ((TUNING.get(name, 69) - 69) / 12)
    y = DESK[name].play(freq, 0.5, velocity, SR)
    size = int(0.05 * SR)
    power = np.convolve(y**2, np.ones(size) / size)
    assert_allclose(np.sqrt(power.max()), velocity**1.5, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(DESK))
def test_every_sound_starts_and_ends_without_a_click(name):
    freq = 440 * 2 ** ((TUNING.get(name, 69) - 69) / 12)
    y = DESK[name].play(freq, 0.5, 0.7, SR)
    assert abs(y[0]) < 0.1 * np.abs(y).max()
    assert abs(y[-1]) < 0.005 * np.abs(y).max()


def test_loudness_of_silence_stays_finite():
    assert_array_equal(leveled(np.zeros(5000), 1.0, SR), 0)


def test_stem_places_notes_at_their_sample():
    events = [Event(0.5, 0.1, 69, 0.7, 0.0), Event(1.9, 0.5, 69, 0.7, -6.0)]
    y = stem(events, DESK["piano"].play, 2 * SR, SR)
    sounding = np.flatnonzero(y)
    assert SR / 2 <= sounding[0] <= SR / 2 + 2
    assert sounding[-1] == 2 * SR - 1


def test_limiter_leaves_what_lies_below_the_ceiling():
    y = np.sin(np.arange(SR) / 10)
    assert_array_equal(limited(y, SR), y)


def test_limiter_keeps_every_sample_under_the_ceiling(rng):
    y = 0.1 * rng.normal(size=2 * SR)
    y[SR] = 5.0
    ceiling = 1.25 * np.quantile(np.abs(y), 0.995)
    assert np.abs(limited(y, SR)).max() <= ceiling * (1 + 1e-12)
