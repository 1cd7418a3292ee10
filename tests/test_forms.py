"""The whole pipeline on composed pieces with known form."""

import librosa
import numpy as np
import pytest
import soxr

from scatseg import audio, pieces
from scatseg.bars import Bars
from scatseg.evaluation import evaluate
from scatseg.extractors import extractor
from scatseg.rhythm import heard_span
from scatseg.segmentation import letter_labels
from scatseg.segmenters import segment

pytestmark = pytest.mark.usefixtures("one_thread")


def letters(segmentation):
    numbers = {label: i for i, label in enumerate(dict.fromkeys(segmentation.labels))}
    return letter_labels(numbers[label] for label in segmentation.labels)


def form_of(y, sr, *, features="bars", system="default"):
    return segment(extractor(features)(y, sr), segmenter=system)


@pytest.fixture(scope="module")
def rondo():
    return pieces.compose("rondo")


@pytest.fixture(scope="module")
def form(rondo):
    return form_of(rondo.y, rondo.sr)


@pytest.mark.parametrize("name", pieces.names())
def test_boundaries_and_labels_of_a_composed_piece_are_found(name):
    piece = pieces.compose(name)
    found = form_of(piece.y, piece.sr)
    assert evaluate(piece.form, found)["F-measure@0.5"] == 1
    assert letters(found) == letters(piece.form)


def assert_same(found, form):
    np.testing.assert_allclose(found.boundaries[1:-1], form.boundaries[1:-1], atol=0.2)
    assert found.labels == form.labels


@pytest.mark.parametrize("gain", [0.01, 1.1])
def test_the_form_is_invariant_to_gain(rondo, form, gain):
    assert_same(form_of(gain * rondo.y, rondo.sr), form)


@pytest.mark.parametrize("sr", [16000, 32000])
def test_the_form_is_invariant_to_the_sampling_rate(rondo, form, sr):
    assert_same(form_of(soxr.resample(rondo.y, rondo.sr, sr), sr), form)


def test_the_form_is_invariant_to_lossy_compression(rondo, form, tmp_path):
    audio.save(tmp_path / "rondo.mp3", rondo.y, rondo.sr)
    y, sr = audio.load(tmp_path / "rondo.mp3")
    assert_same(form_of(y, sr), form)


GRID_FREE = {"features": "bars:length=0.5,positions=1", "system": "grid-free"}


@pytest.mark.parametrize("seconds", [0.4, 1, 2])
@pytest.mark.parametrize("how", [{}, GRID_FREE], ids=["by bars", "grid-free"])
def test_the_form_is_invariant_to_short_silence_at_the_ends(rondo, how, seconds):
    before, found = (
        form_of(np.pad(rondo.y, round(pad * rondo.sr)), rondo.sr, **how) for pad in (0, seconds)
    )
    assert found.labels == before.labels
    moved = np.subtract(found.boundaries[1:-1], seconds)
    np.testing.assert_allclose(moved, before.boundaries[1:-1], atol=1e-3)


@pytest.mark.parametrize("seconds", [4.5, 7.3])
@pytest.mark.parametrize("how", [{}, GRID_FREE], ids=["by bars", "grid-free"])
def test_long_silence_at_the_ends_is_added_to_the_same_form(rondo, how, seconds):
    before, found = (
        form_of(np.pad(rondo.y, round(pad * rondo.sr)), rondo.sr, **how) for pad in (0, seconds)
    )
    assert found.labels == ("silence", *before.labels, "silence")
    moved = np.subtract(found.boundaries[1:-1], seconds)
    np.testing.assert_allclose(moved[1:-1], before.boundaries[1:-1], atol=0.05)
    heard = np.divide(heard_span(rondo.y, rondo.sr), rondo.sr)
    np.testing.assert_allclose(moved[[0, -1]], heard, atol=1e-3)


@pytest.mark.parametrize(("start", "stop"), [(0.31, 0.37), (0.5, 0.58)])
def test_a_long_inner_silence_is_found(rondo, start, stop):
    y = rondo.y.copy()
    start, stop = (round(part * len(y)) for part in (start, stop))
    y[start:stop] = 0
    found = form_of(y, rondo.sr)
    (silence,) = (interval for *interval, label in found if label == "silence")
    # On the left, the last sound decays; both ends are located to 10 ms.
    np.testing.assert_allclose(silence, np.divide([start, stop], rondo.sr), atol=0.1)


@pytest.mark.parametrize("rate", [0.96, 1.04])
def test_the_form_is_equivariant_to_tempo(rondo, form, rate):
    y = soxr.resample(rondo.y, rondo.sr, rondo.sr / rate)
    found = form_of(y, rondo.sr)
    np.testing.assert_allclose(np.multiply(found.boundaries, rate), form.boundaries, atol=0.2)


@pytest.fixture(scope="module")
def song():
    return pieces.compose("verse-chorus")


def with_moved(piece, sections, semitones):
    """Transpose some sections of a piece."""
    y = piece.y.copy()
    for i in sections:
        start, stop = (round(time * piece.sr) for time in piece.form.boundaries[i : i + 2])
        higher = librosa.effects.pitch_shift(y[start:stop], sr=piece.sr, n_steps=semitones)
        y[start:stop] = higher
    return y


# The phase vocoder of librosa 1.0 causes warnings of its own.
in_other_keys = pytest.mark.filterwarnings(
    "ignore:The `(hop_length|n_fft)`:FutureWarning",
    "ignore:invalid value encountered in cast:RuntimeWarning",
)


@in_other_keys
@pytest.mark.parametrize("semitones", [-2, 1, 2, 3, 5])
def test_a_transposed_last_chorus_keeps_its_label(song, semitones):
    found = form_of(with_moved(song, [len(song.form) - 1], semitones), song.sr)
    assert evaluate(song.form, found)["F-measure@0.5"] == 1
    assert letters(found) == letters(song.form)


@in_other_keys
def test_a_transposed_verse_and_chorus_keep_different_labels(song):
    labels = song.form.labels
    last = len(labels) - 1
    second_verse = [i for i, label in enumerate(labels) if label == "verse"][-1]
    found = form_of(with_moved(song, [second_verse, last], 2), song.sr)
    assert letters(found) == letters(song.form)


# Without a form: segments span the recording, without an exception.

SR = 22050


def seconds(n):
    return np.arange(round(n * SR)) / SR


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(np.array([0.1]), id="one sample"),
        pytest.param(0.1 * np.sin(880 * np.pi * seconds(0.3)), id="a third of a second"),
        pytest.param(
            0.1 * np.random.default_rng(0).normal(size=5 * SR), id="five seconds of noise"
        ),
        pytest.param(
            0.1 * np.sin(2 * np.pi * np.outer((220, 277, 330), seconds(40))).sum(axis=0),
            id="one chord",
        ),
    ],
)
def test_segments_span_a_recording_without_form(y):
    features = Bars()(y.astype(np.float32), SR)
    found = segment(features)
    assert (found.start, found.end) == (0, len(y) / SR)
    assert len(found) <= 3
    assert features.notes == ("no clear pulse: bars could not be estimated",)
