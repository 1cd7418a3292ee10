"""Bar features with a known layout."""

from dataclasses import dataclass

import numpy as np
import pytest

from scatseg.bars import Bars, MelodyChroma, SpectralPeaks, bar_levels
from scatseg.extractors import extractor
from scatseg.features import FeatureName, Features, Scattering
from scatseg.similarity import self_similarity
from scatseg.spectral import MFCC

SR = 22050


@dataclass(frozen=True)
class Ramp:
    """Frames of 0.1 s with two features: their times and the negative."""

    def __call__(self, y, sr):
        edges = np.linspace(0, len(y) / sr, round(10 * len(y) / sr) + 1)
        centers = (edges[:-1] + edges[1:]) / 2
        names = [FeatureName("ramp", i) for i in range(2)]
        return Features(np.stack([centers, -centers], axis=1), edges, names)


def melody(notes, duration=0.5):
    """A sequence of tones of given frequencies in Hz."""
    t = np.arange(round(duration * SR)) / SR
    fade = np.minimum(1, 50 * np.minimum(t, t[::-1]))
    return np.concatenate([0.3 * fade * np.sin(2 * np.pi * f * t) for f in notes]).astype("f4")


def test_features_depend_on_the_order_within_a_bar():
    up, down = [262, 330, 392, 523], [523, 392, 330, 262]
    y = melody([*up, *down, *up, *down])
    S = self_similarity(Bars(length=2.0, features=("cqt",))(y, SR).X)
    assert S[0, 2] > 0.9
    assert S[1, 3] > 0.9
    assert S[0, 1] < 0.2


def test_each_kind_of_features_has_the_same_weight():
    y = melody(np.random.default_rng(1).uniform(200, 2000, size=32))
    bars = Bars(length=2.0)(y, SR)
    variances = dict.fromkeys(["jtfs", "cqt", "mfcc", "chroma"], 0.0)
    for name, column in zip(bars.names, bars.X.T, strict=True):
        variances[name.family] += column.var()
    assert variances == pytest.approx(dict.fromkeys(variances, 1), rel=1e-3)


@pytest.mark.parametrize("quiet", [0.0, 1e-5])
def test_nearly_silent_bars_are_zero(quiet):
    y = melody([262, 330, 392, 523] * 4)
    y[2 * 2 * SR : 3 * 2 * SR] *= quiet
    X = Bars(length=2.0)(y, SR).X
    assert X.any(axis=1).tolist() == [True, True, False, True]


def test_features_are_invariant_to_gain():
    y = melody(np.random.default_rng(1).uniform(200, 2000, size=32))
    loud, soft = (Bars(length=2.0)(gain * y, SR).X for gain in (1, 0.1))
    np.testing.assert_allclose(soft, loud, atol=1e-3 * np.abs(loud).max())


def test_rival_bar_lines_come_with_features_of_their_own():
    y = melody(np.random.default_rng(1).uniform(200, 2000, size=32))
    lines, middles = np.arange(0, 17, 2.0), np.array([0, *np.arange(1, 16, 2.0), 16])
    bars = Bars(features=("cqt", "mfcc"))
    both = bars.on_grid(y, SR, lines, rival=middles)
    alone, other = (bars.on_grid(y, SR, each) for each in (lines, middles))
    for found, expected in ((both, alone), (both.rival, other)):
        np.testing.assert_array_equal(found.X, expected.X)
        np.testing.assert_array_equal(found.edges, expected.edges)
    assert alone.rival is None
    assert both.rival.rival is None
    with pytest.raises(ValueError, match="edges must be bar lines"):
        bars.on_grid(y, SR, lines, rival=middles[:-1])


def level(y, sr):
    X = np.abs(y[: len(y) // 512 * 512]).reshape(-1, 512).mean(axis=1)[:, None]
    return Features(X, np.linspace(0, len(y) / sr, len(X) + 1), ["level"])


def test_a_custom_feature_can_be_used_alone():
    y = melody([262, 330, 392, 523] * 2)
    alone, listed = (Bars(features=each, length=1.0)(y, SR) for each in (level, (level,)))
    np.testing.assert_array_equal(alone.X, listed.X)
    assert {name.family for name in alone.names} == {"level"}


def test_an_extractor_that_returns_no_features_raises():
    with pytest.raises(TypeError, match=r"<lambda> must return Features\(X, edges\), got ndarray"):
        Bars(features=lambda y, sr: y[:, None], length=1.0)(melody([262]), SR)  # noqa: ARG005


def test_given_bar_lines_are_the_edges():
    y = melody([262, 330, 392, 523] * 2)
    edges = [0, 0.7, 2.1, 4.0]
    assert Bars(features=("mfcc",)).on_grid(y, SR, edges).edges.tolist() == edges


@pytest.mark.parametrize(("seconds", "n_silent"), [(0.3, 0), (3.0, 0), (4.9, 10)])
def test_rows_are_invariant_to_silence_at_the_ends(seconds, n_silent):
    y = melody(np.random.default_rng(1).uniform(200, 2000, size=12))
    bars = Bars(length=0.5, positions=2)
    plain, padded = bars(y, SR), bars(np.pad(y, round(seconds * SR)), SR)
    heard = slice(n_silent, len(padded) - n_silent)
    np.testing.assert_allclose(padded.X[heard], plain.X, atol=1e-5)
    assert padded.X.any(axis=1).sum() == len(plain)
    np.testing.assert_allclose(
        padded.edges[heard][1:], plain.edges[1:-1] + seconds, rtol=0, atol=1e-4
    )


def test_given_bar_lines_are_kept_if_silence_is_trimmed():
    y = np.pad(melody([262, 330, 392, 523] * 2), SR)
    edges = [0, 0.5, 1.2, 3.0, 6.0]
    features = Bars(features=("mfcc",)).on_grid(y, SR, edges)
    assert features.edges.tolist() == edges
    assert features.X.any(axis=1).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    "edges", [[0, 1], [0.5, 2], [0], [], [0, np.nan, 2], [0, 1, 1, 2], [[0, 2]]]
)
def test_bar_lines_not_spanning_the_recording_raise(edges):
    with pytest.raises(ValueError, match="edges must be bar lines that increase from 0 to 2 s"):
        Bars(features=("mfcc",)).on_grid(melody([262, 330, 392, 523]), SR, edges)


def test_bars_are_estimated_if_no_length_is_given():
    clicks = np.zeros(20 * SR, dtype=np.float32)
    for i in range(40):
        clicks[round(i * 0.5 * SR) :][:2000] += melody([440 if i % 4 else 220], 0.1)[:2000]
    edges = Bars(features=("mfcc",))(clicks, SR).edges
    np.testing.assert_allclose(np.diff(edges[1:-1]), 2.0, atol=0.05)


def test_other_features_can_be_subdivided_too():
    y = melody([262, 330, 392, 523])
    made = Bars(length=1.0, features=("logmel:n_mels=20", MFCC(n_mfcc=13), Ramp()), positions=2)
    assert made(y, SR).X.shape == (2, 2 * (20 + 13 + 2))


def test_one_name_is_enough():
    assert extractor("bars:features=mfcc,positions=4") == Bars(features="mfcc", positions=4)
    y = melody([262, 330])
    assert Bars(length=0.5, features="mfcc", positions=4)(y, SR).X.shape == (2, 80)


def test_scattering_orders_are_separate_families():
    y = melody([262, 330, 392, 523])
    for name, order in (("s1", 1), ("s2", 2)):
        names = Bars(length=1.0, features=name)(y, SR).names
        assert {each.order for each in names} == {order}


def test_second_order_equals_that_of_the_whole_transform():
    y = melody([262, 330, 392, 523])
    whole = Scattering(J=13, Q=8, T=8192, stride=4096)(y, SR)
    second = [name for name in whole.names if name.order == 2]
    names = Bars(length=1.0, features="s2", positions=1)(y, SR).names
    assert [name.modulation for name in names] == [name.modulation for name in second]


def test_a_tone_is_a_peak_among_its_neighbors():
    features = SpectralPeaks()(melody([440], 2.0), SR)
    middle = features.X[len(features) // 2]
    carriers = np.array([name.carrier for name in features.names])
    assert carriers[middle.argmax()] == pytest.approx(440, rel=0.03)
    np.testing.assert_allclose(carriers[middle > 0.1 * middle.max()], 440, rtol=0.13)


def test_a_bass_note_is_not_part_of_the_melody():
    high, low = (MelodyChroma()(melody([f], 2.0), SR) for f in (440, 110))
    middle = len(high) // 2
    assert high.X[middle].argmax() == 9  # C is 0, A is 9
    assert high.X[middle].max() > 0.9
    both = MelodyChroma()(melody([440], 2.0) + melody([98], 2.0), SR)
    assert both.X[middle, 7] < 0.2
    assert both.X[middle].argmax() == 9
    assert low.names == high.names


def test_the_register_of_a_melody_ends_at_its_highest_frequency():
    y = melody([440], 2.0)
    for highest, is_heard in ((439.9, False), (440.1, True)):
        assert MelodyChroma(lowest=439.0, highest=highest)(y, SR).X.any() == is_heard


def test_levels_are_root_mean_squares_between_the_lines():
    y = np.repeat([0.5, -0.25, 0.0], 100) * (-1.0) ** np.arange(300) + 0.1
    np.testing.assert_allclose(
        bar_levels(y, 100, np.array([0.0, 1, 2, 3])), [0.5, 0.25, 0], atol=1e-7
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": 0}, "positions must be an integer of at least 1, got 0"),
        ({"positions": 2.5}, "positions must be an integer of at least 1, got 2.5"),
        ({"length": 0.0}, "length must be positive and finite, got 0"),
        ({"length": "2"}, "length must be a number, positive and finite, got '2'"),
        ({"length": np.inf}, "length must be positive and finite, got inf"),
        ({"features": ()}, "at least one kind of features, got none"),
        ({"features": ("mfc",)}, "unknown feature 'mfc'"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Bars(**options)


def test_without_a_pulse_there_is_a_row_per_half_second():
    y = 0.1 * np.sin(2 * np.pi * 220 * np.arange(12 * SR) / SR)
    features = Bars(features=("cqt",))(y, SR)
    np.testing.assert_allclose(np.diff(features.edges), 0.5, atol=1e-3)
    assert {name.place for name in features.names} == {0}
    assert len(features.notes) == 1


def test_notes_of_an_extractor_are_kept_once():
    def unsure(y, sr):
        features = extractor("mfcc")(y, sr)
        return Features(features.X, features.edges, features.names, notes=["do not trust it"])

    notes = Bars(features=(unsure, unsure), length=1.0)(melody([262, 330] * 4), SR).notes
    assert notes == ("do not trust it",)


def test_features_that_share_a_transform_equal_separate_ones():
    y = melody([262, 330, 392, 523] * 4)
    together = Bars(features=("cqt", "chroma"), length=1.0)(y, SR).X
    apart = [Bars(features=(kind,), length=1.0)(y, SR).X for kind in ("cqt", "chroma")]
    np.testing.assert_array_equal(together, np.concatenate(apart, axis=1))


def test_rows_of_a_sustained_sound_are_equal_around_silence():
    t = np.arange(10 * SR) / SR
    held = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)).astype("f4") / 10
    silence = np.zeros(6 * SR, "f4")
    X = Bars(length=0.5, positions=1)(np.concatenate([held, silence, held, silence]), SR).X
    heard = np.repeat([True, False, True, False], [20, 12, 20, 12])
    assert (X[heard] == X[0]).all()
    assert X[0].any()
    assert not X[~heard].any()


def test_silence_need_not_be_at_zero():
    y = np.concatenate([np.zeros(5 * SR), melody([262, 330, 392, 523] * 4), np.zeros(5 * SR)])
    silent = Bars(length=2.0, features=("mfcc",))(y.astype("f4"), SR).X.any(axis=1)
    offset = Bars(length=2.0, features=("mfcc",))((y + 0.01).astype("f4"), SR).X.any(axis=1)
    assert silent.tolist() == offset.tolist()
    assert 0 < silent.sum() < len(silent)


def test_multichannel_bars_raise():
    with pytest.raises(ValueError, match=r"y must be mono, .*\(2, 9000\)"):
        Bars().on_grid(np.zeros((2, 9000)), 3000, [0, 3])


def test_bar_lines_are_no_grid():
    with pytest.raises(TypeError, match=r"grid must be a Grid, got list: find_grid\(y, sr"):
        Bars().by_grid(np.zeros(SR), SR, [0.0, 1.0])


def test_features_may_be_a_list():
    made = Bars(features=["mfcc", "chroma"])
    assert made == Bars(features=("mfcc", "chroma"))
    assert hash(made) == hash(Bars(features=("mfcc", "chroma")))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SpectralPeaks, {"width": 0}, "width must be an integer of at least 1, got 0"),
        (MelodyChroma, {"lowest": "C4"}, "lowest must be a number, positive and finite, got 'C4'"),
        (MelodyChroma, {"eps": np.nan}, "eps must be positive and finite, got nan"),
    ],
)
def test_options_of_the_features_of_bars_are_checked(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
