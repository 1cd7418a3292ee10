"""What every extractor promises. A new one joins by one item of EXTRACTORS."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from tests.measuring import peak_memory

import scatseg.extractors
from scatseg import spectral
from scatseg.bars import Bars
from scatseg.extractors import Stack, extracted, extractor
from scatseg.features import Extractor, FeatureName, Features, JointScattering, Scattering
from scatseg.spectral import CQT, MFCC, Chroma, LogMel, Tempogram

SR = 22050


@dataclass(frozen=True, kw_only=True)
class Case:
    """An extractor, and how sharply it can show a click."""

    extract: Extractor
    blur: float = 0.0  # seconds that the center of the change may lie off the click's own frame
    rounding: float = 1e-4  # how far single precision may lie off double
    peaks: bool = True  # False where the frame of a click need not be the one that changes most


EXTRACTORS = [
    Case(extract=Scattering()),
    Case(extract=Scattering(J=8, Q=(4, 2), stride=256)),
    Case(extract=LogMel()),
    Case(extract=MFCC()),
    Case(extract=CQT()),
    Case(extract=Chroma(), peaks=False),  # pitch classes of a click do not depend on how near it is
    Case(extract=Tempogram(), peaks=False, blur=0.1),  # librosa's onsets come late
    Case(extract=JointScattering(J=9)),
    Case(extract=Scattering(J=10, Q=4, compression=None, renormalize=False)),
    Case(extract=Scattering(J=10, Q=4, compression="median"), rounding=2e-3),  # in empty paths
    Case(extract=Stack(parts=(Scattering(J=10), MFCC()))),
    Case(extract=Bars(features=("cqt", "mfcc"), length=0.5, positions=4)),
]


def named(case):
    return type(case.extract).__name__


every = pytest.mark.parametrize("case", EXTRACTORS, ids=named)


def two_chords(n_samples):
    """One with a slow tremolo, then another with a fast one."""
    t = np.arange(n_samples) / SR
    first = np.sin(2 * np.pi * np.outer((220, 277, 330), t)).sum(axis=0) * (2 + np.sin(25 * t))
    second = np.sin(2 * np.pi * np.outer((330, 415, 988), t)).sum(axis=0) * (2 + np.sin(44 * t))
    return (0.1 * np.where(t < t[-1] / 2, first, second)).astype(np.float32)


EXCERPT = two_chords(3 * SR + 17)
EXCERPT.flags.writeable = False  # who writes to it, fails


def nine_seconds(click_at=None):
    y = np.zeros(9 * SR, dtype=np.float32)
    if click_at is not None:
        y[round(click_at * SR)] = 0.9
    return y


@cache
def of_excerpt(extract):
    return extract(EXCERPT, SR)


@cache
def of_silence(extract):
    return extract(nine_seconds(), SR)


def change(extract, at):
    """How far each frame of a click is from silence."""
    X = extract(nine_seconds(click_at=at), SR).X
    return np.linalg.norm(X - of_silence(extract).X, axis=1)


def frame_at(features, at):
    return np.searchsorted(features.edges, at, side="right") - 1


@every
@pytest.mark.parametrize("n_samples", [1, 100, 2048, 3 * SR + 17])
def test_frames_cover_the_signal_exactly(case, n_samples):
    features = case.extract(EXCERPT[:n_samples], SR)
    assert features.edges[0] == 0
    assert features.duration == n_samples / SR


@every
@pytest.mark.parametrize("n_samples", [1, 2 * SR])
def test_silence_is_the_same_in_every_frame(case, n_samples):
    X = case.extract(np.zeros(n_samples, dtype=np.float32), SR).X
    np.testing.assert_array_equal(X, np.broadcast_to(X[0], X.shape))


@every
@pytest.mark.parametrize("about", [4.0, 5.1])
def test_a_click_changes_the_frames_around_its_own(case, about):
    frames = of_silence(case.extract)
    own = frame_at(frames, about)
    changes = change(case.extract, frames.centers[own])
    changes[changes < 0.1 * changes.max()] = 0
    center = changes @ frames.centers / changes.sum()
    assert frames.edges[own] - case.blur <= center <= frames.edges[own + 1] + case.blur


@pytest.mark.parametrize("case", [case for case in EXTRACTORS if case.peaks], ids=named)
@pytest.mark.parametrize("place", [0.2, 0.8])
def test_a_click_changes_its_own_frame_most(case, place):
    frames = of_silence(case.extract)
    own = frame_at(frames, 5.0)
    at = (1 - place) * frames.edges[own] + place * frames.edges[own + 1]
    changes = change(case.extract, at)
    assert changes[own] > 0.999 * changes.max()


@every
def test_a_small_shift_changes_little(case):
    here = of_excerpt(case.extract).X
    shifted = case.extract(two_chords(len(EXCERPT) + 4)[4:], SR).X
    middle = slice(len(here) // 4, -len(here) // 4)  # both ends are cut elsewhere, and click
    moved = np.linalg.norm(shifted[middle] - here[middle])
    assert moved < 0.1 * np.linalg.norm(here[middle])


@every
def test_different_sounds_are_told_apart(case):
    features = case.extract(two_chords(18 * SR), SR)
    before, after = features.X[features.centers < 4.5], features.X[features.centers > 13.5]
    within = before.std(axis=0).max() + after.std(axis=0).max()
    assert np.abs(before.mean(axis=0) - after.mean(axis=0)).max() > within


@every
def test_the_same_signal_gives_the_same_features(case):
    once, again = of_excerpt(case.extract), case.extract(EXCERPT, SR)
    np.testing.assert_array_equal(once.X, again.X)
    np.testing.assert_array_equal(once.edges, again.edges)
    assert once.names == again.names


@every
def test_the_input_is_left_alone(case):
    of_excerpt(case.extract)
    np.testing.assert_array_equal(EXCERPT, two_chords(len(EXCERPT)))


@every
def test_double_precision_gives_the_same_features(case):
    double = case.extract(EXCERPT.astype(np.float64), SR)
    single = of_excerpt(case.extract).X
    np.testing.assert_allclose(double.X, single, rtol=1e-4, atol=case.rounding)


@every
def test_a_tensor_gives_the_features_of_its_samples(case):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(EXCERPT, requires_grad=True)
    np.testing.assert_array_equal(case.extract(tensor, SR).X, of_excerpt(case.extract).X)


@every
@pytest.mark.parametrize(("sr", "n_samples"), [(8000, 20_001), (44_100, 1000)])
def test_other_sampling_rates_work(case, sr, n_samples):
    features = case.extract(EXCERPT[:n_samples], sr)
    assert features.duration == n_samples / sr
    hertz = [name.carrier for name in features.names if name.carrier is not None]
    assert all(0 < carrier < sr / 2 for carrier in hertz)


@every
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((2, SR)), r"y must be mono, .*\(2, 22050\).* as in y.mean\(axis=0\)"),
        (np.zeros((SR, 2)), r"y must be mono, .*\(22050, 2\).* as in y.mean\(axis=1\)"),
        (np.zeros(0), r"y must hold real samples, .* got float64 of shape \(0,\)"),
        (np.zeros(9, dtype=complex), "y must hold real samples, .* got complex128"),
        (np.array([0, np.nan, 0]), r"y must be finite, got nan at index \(1,\)"),
        (np.array([0, 0, -np.inf]), r"y must be finite, got -inf at index \(2,\)"),
    ],
    ids=["channels first", "channels last", "empty", "complex", "NaN", "infinite"],
)
def test_what_is_no_mono_signal_is_refused(case, y, message):
    with pytest.raises(ValueError, match=message):
        case.extract(y, SR)


@every
@pytest.mark.parametrize("sr", [0, -SR, 22.05, "22050", None])
def test_what_is_no_sampling_rate_is_refused(case, sr):
    with pytest.raises(ValueError, match=f"sr must be a positive whole number of Hz, got {sr!r}"):
        case.extract(np.zeros(SR), sr)


@every
def test_natural_mistakes_are_told_from_wrong_signals(case):
    with pytest.raises(TypeError, match=r"y must hold real samples, got a name: scatseg\.load"):
        case.extract("song.flac", SR)
    with pytest.raises(ValueError, match=r"an array of shape \(22050,\): the signal comes first"):
        case.extract(SR, np.zeros(SR))


@every
def test_integers_are_taken_for_what_they_are(case):
    whole = np.round(30000 * EXCERPT).astype(np.int16)
    of_floats, of_integers = case.extract(whole.astype(np.float32), SR), case.extract(whole, SR)
    np.testing.assert_array_equal(of_integers.X, of_floats.X)


@every
def test_names_tell_the_columns_apart(case):
    names = of_excerpt(case.extract).names
    assert len(set(names)) == len(names)


# What they measure.


@pytest.mark.parametrize("extract", [LogMel(), CQT(), Scattering(J=11)], ids=repr)
@pytest.mark.parametrize("hertz", [440, 1000])
def test_the_strongest_carrier_is_the_tone_that_sounds(extract, hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(2 * SR) / SR).astype(np.float32)
    features = extract(tone, SR)
    carriers = [name.carrier for name in features.names if name.modulation is None]
    middle = features.X[len(features) // 2, : len(carriers)]
    assert carriers[middle.argmax()] == pytest.approx(hertz, rel=0.06)


def test_the_strongest_chroma_is_the_pitch_class_that_sounds():
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * SR) / SR).astype(np.float32)
    assert Chroma()(tone, SR).X.mean(axis=0).argmax() == 9  # C is 0, A is 9


def test_the_strongest_pulse_is_the_one_that_is_played():
    y = np.zeros(12 * SR, dtype=np.float32)
    y[:: 22 * 512] = 0.9
    features = Tempogram()(y, SR)
    rates = np.array([name.modulation for name in features.names])
    slower = rates < 5
    middle = features.X[len(features) // 2]
    assert rates[slower][middle[slower].argmax()] == pytest.approx(SR / 22 / 512)


@pytest.mark.parametrize("extract", [Chroma(), LogMel(), CQT(), MFCC(), Tempogram()], ids=repr)
def test_loudness_does_not_matter(extract):
    loud, quiet = of_excerpt(extract).X, extract(0.1 * EXCERPT, SR).X
    np.testing.assert_allclose(quiet, loud, atol=1e-3 * np.abs(loud).max())


@pytest.mark.parametrize("extract", [Chroma(), Tempogram(window=2.0)], ids=repr)
def test_silence_between_sounds_is_silent(extract):
    features = extract(nine_seconds(click_at=6.0), SR)
    far = np.abs(features.centers - 6.0) > 4.0
    assert np.abs(features.X[far]).max() < 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logmel:n_mels=0", "n_mels must be an integer of at least 1, got 0"),
        ("logmel:eps=-1", "eps must be positive and finite, got -1"),
        ("mfcc:n_mfcc=-3", "n_mfcc must be an integer of at least 1, got -3"),
        ("mfcc:n_mfcc=200", "n_mfcc must be below the number of mel bands, 128, got 200"),
        ("cqt:bins_per_octave=0", "bins_per_octave must be an integer of at least 1, got 0"),
        ("chroma:n_octaves=0", "n_octaves must be an integer of at least 1, got 0"),
        ("tempogram:window=-1", "window must be positive and finite, got -1"),
        ("tempogram:hop_length=2.5", "hop_length must be an integer of at least 1, got 2.5"),
    ],
)
def test_options_out_of_range_are_refused_before_any_sound(text, message):
    with pytest.raises(ValueError, match=message):
        extractor(text)


def test_constant_q_needs_an_octave():
    with pytest.raises(ValueError, match="sampling rate of at least 140 Hz, got 100"):
        CQT()(np.zeros(1000, dtype=np.float32), 100)


# Several side by side.


@dataclass(frozen=True)
class Fixed:
    """An extractor whose features are given."""

    X: tuple[tuple[float, ...], ...]
    family: str = "fixed"

    def __call__(self, y, sr):
        edges = np.linspace(0, len(y) / sr, len(self.X) + 1)
        names = [FeatureName(self.family, i) for i in range(len(self.X[0]))]
        return Features(np.array(self.X), edges, names)


a_second = np.zeros(100)


@pytest.mark.parametrize("name", ["mfcc", "logmel", "cqt", "cqt:hop_length=100", "chroma"])
@pytest.mark.parametrize("n_samples", [6 * 22050, 60 * 512, 60 * 512 - 1])
def test_blocks_of_frames_are_those_of_the_whole_recording(name, n_samples, monkeypatch, rng):
    y = rng.normal(size=n_samples)
    y[: n_samples // 3] *= 0.01
    whole = extractor(name)(y, 22050)
    monkeypatch.setattr(spectral, "_BLOCK", 30)
    in_blocks = extractor(name)(y, 22050)
    np.testing.assert_array_equal(in_blocks.edges, whole.edges)
    np.testing.assert_allclose(in_blocks.X, whole.X, rtol=1e-4, atol=1e-4 * abs(whole.X).max())


@pytest.mark.parametrize("name", ["logmel", "cqt"])
def test_blocks_of_frames_need_no_copy_of_the_recording(name, monkeypatch, rng):
    y = rng.normal(size=120 * SR).astype(np.float32)
    y.flags.writeable = False
    monkeypatch.setattr(spectral, "_BLOCK", 200)
    extract = extractor(name)
    extract(y[:SR], SR)  # loads librosa
    assert peak_memory(extract, y, SR) < y.nbytes


def test_parts_stand_side_by_side_on_the_first_ones_frames():
    coarse = Fixed(((0.0,), (2.0,)), "coarse")
    fine = Fixed(((0.0,), (2.0,), (4.0,), (6.0,)), "fine")
    features = Stack(parts=(coarse, fine))(a_second, 100)
    np.testing.assert_allclose(features.edges, [0, 0.5, 1])
    np.testing.assert_allclose(features.X, [[0, 0.5], [2, 2.5]])
    assert [str(name) for name in features.names] == ["coarse 0", "fine 0"]


def test_parts_weigh_the_same_whatever_their_units_and_size():
    small, large = Fixed(((0.0,), (1e-3,))), Fixed(((0.0,) * 50, (1e3,) * 50))
    X = Stack(parts=(small, large))(a_second, 100).X
    assert X[:, :1].var(axis=0).sum() == pytest.approx(1)
    assert X[:, 1:].var(axis=0).sum() == pytest.approx(1)


def test_a_part_that_is_constant_up_to_rounding_is_not_blown_up():
    constant = Fixed(tuple((0.1 * (1 + 1e-12 * (i % 3)),) for i in range(9)))
    X = Stack(parts=(constant, Fixed(((0.0,), (1.0,)))))(a_second, 100).X
    assert np.abs(X[:, 0]).max() < 1


def test_a_stack_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a Stack needs at least one extractor"):
        Stack(parts=())


# By name.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scattering", Scattering()),
        ("scattering:J=12,Q=12/2", Scattering(J=12, Q=(12, 2))),
        (
            "scattering:compression=none,renormalize=false",
            Scattering(compression=None, renormalize=False),
        ),
        ("jtfs:compression=median,F=0", JointScattering(compression="median", F=0)),
        ("mfcc:n_mfcc=13", MFCC(n_mfcc=13)),
        ("logmel", LogMel()),
        ("cqt:bins_per_octave=24", CQT(bins_per_octave=24)),
        ("chroma", Chroma()),
        ("tempogram:window=4", Tempogram(window=4)),
        (
            "scattering:J=12,Q=12/2+mfcc",
            Stack(parts=(Scattering(J=12, Q=(12, 2)), MFCC())),
        ),
        (f"{__name__}:Fixed:family=mine,X=1/2", Fixed(X=(1, 2), family="mine")),
    ],
)
def test_a_name_makes_its_extractor(text, expected):
    assert extractor(text) == expected


@pytest.mark.parametrize(
    "name",
    [*scatseg.extractors.EXTRACTORS, "bars:features=tempogram", "tempogram:hop_length=64"],
)
def test_columns_have_different_names(name, rng):
    names = [str(each) for each in extractor(name)(rng.normal(size=22050), 22050).names]
    assert len(set(names)) == len(names)


def loudness(y, sr):
    return Features([[np.abs(y).mean()]], [0, len(y) / sr])


@pytest.mark.parametrize("name", scatseg.extractors.EXTRACTORS)
def test_help_names_every_feature(name):
    assert name in extractor.__doc__


def test_options_may_be_keyword_arguments():
    assert extractor("mfcc:hop_length=256", n_mfcc=13) == extractor("mfcc:hop_length=256,n_mfcc=13")
    assert extractor("mfcc:n_mfcc=7", n_mfcc=13) == extractor("mfcc:n_mfcc=13")
    with pytest.raises(ValueError, match=r"options are those of one feature, got \['n_mfcc'\]"):
        extractor("mfcc+chroma", n_mfcc=13)
    with pytest.raises(ValueError, match=r"feature 'mfcc' does not take \{'n': 13\}"):
        extractor("mfcc", n=13)


def test_a_function_of_your_own_is_an_extractor():
    assert extractor(f"{__name__}:loudness") is loudness


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mfc",
            "unknown feature 'mfc': choose from scattering, jtfs, mfcc, logmel, cqt, chroma, temp",
        ),
        ("scattering+mfc", "unknown feature 'mfc'"),
        ("mfcc:n=13", "feature 'mfcc' does not take.*its options are n_mfcc, hop_length"),
        ("scattering:j=8", "feature 'scattering' does not take.*its options are J, Q, T, stride"),
        ("scattering:J=small", "J must be an integer of at least 1, got 'small'"),
        ("scattering:J", "cannot import the feature 'scattering:J'"),
        ("", "names are written name:key=value"),
    ],
)
def test_a_wrong_name_is_told_what_there_is(text, message):
    with pytest.raises(ValueError, match=message):
        extractor(text)


def rate(y, sr):
    return float(len(y) / sr)


def test_a_function_that_returns_something_else_is_told_what_to_return():
    with pytest.raises(TypeError, match=r"rate must return Features\(X, edges\), got float"):
        extracted(rate, np.zeros(8), 8)


def test_the_signal_cannot_be_changed_by_a_function_of_your_own():
    def louder(y, sr):
        y *= 2
        return Features(np.abs(y[:, None]), np.arange(len(y) + 1) / sr)

    y = np.ones(8, dtype=np.float32)
    for extract in (louder, Stack(parts=(MFCC(), louder))):
        with pytest.raises(ValueError, match="read-only"):
            extracted(extract, y, 8)
        assert (y == 1).all()
        y += 0  # still the caller's own


def test_a_class_is_not_taken_for_its_objects():
    with pytest.raises(TypeError, match="got the class MFCC: make an object of it"):
        extracted(MFCC, np.zeros(SR), SR)


@pytest.mark.parametrize("text", ["math:pi", "fractions:Fraction"])
def test_what_cannot_be_called_is_no_feature(text):
    with pytest.raises(ValueError, match=rf"called with \(y, sr\), but '{text}' is .*not call"):
        extractor(text)


def test_rising_and_falling_chirps_differ_in_spin_and_in_nothing_else():
    t = np.arange(3 * SR) / SR
    chirp = np.sin(2 * np.pi * 200 / (4 * np.log(2)) * 2 ** (4 * (t % 0.25))).astype(np.float32)
    rising, falling = (JointScattering()(y, SR) for y in (chirp, chirp[::-1].copy()))
    spin = np.array([name.spin or 0 for name in rising.names])
    middle = slice(8, -8)
    up, down = (features.X[middle].mean(axis=0) for features in (rising, falling))
    assert up[spin > 0].mean() > 1.3 * up[spin < 0].mean()
    np.testing.assert_allclose(up[spin > 0], down[spin < 0], atol=0.1)
    np.testing.assert_allclose(up[spin == 0], down[spin == 0], atol=0.1)


NO_CACHE = """
from numba.core import caching

def refuse(self):
    raise OSError("read-only")

caching.InTreeCacheLocator.ensure_cache_path = refuse
caching.UserWideCacheLocator.ensure_cache_path = refuse

import librosa
from scatseg import spectral

spectral._load_compiled()
print(bool(librosa.cqt))
"""


@pytest.mark.skipif(os.name == "nt", reason="the folder of the user always exists")
def test_librosa_loads_for_users_without_a_folder_for_caches(tmp_path):
    environment = {key: os.environ[key] for key in os.environ if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", NO_CACHE],
        capture_output=True,
        text=True,
        env={**environment, "TMPDIR": str(tmp_path)},
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
