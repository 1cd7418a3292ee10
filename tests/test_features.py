import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.measuring import peak_memory

import scatseg.features
from scatseg.features import (
    FeatureName,
    Features,
    JointScattering,
    Scattering,
    averaging_grid,
    frame_edges,
    uniform_edges,
)
from scatseg.scattering import Scattering1D, TimeFrequencyScattering

SR = 22050


def through_pickle(made):
    return pickle.loads(pickle.dumps(made))


@pytest.fixture
def three_frames():
    return Features([[1.0, 0.0], [3.0, 6.0], [5.0, 0.0]], [0, 1, 2, 4])


# The type.


@pytest.mark.parametrize(
    ("X", "edges", "message"),
    [
        ([1, 2], [0, 1, 2], r"X must have shape \(n_frames, n_features\).*got \(2,\)"),
        (np.zeros((0, 3)), [0], r"neither of them 0, got \(0, 3\)"),
        (np.zeros((2, 0)), [0, 1, 2], r"neither of them 0, got \(2, 0\)"),
        ([[1], [2]], [0, 1], r"need n \+ 1 edges, got 2 frames and edges of shape \(2,\)"),
        ([[1], [2]], [[0, 1, 2]], r"got 2 frames and edges of shape \(1, 3\)"),
        ([[1], [2]], [0.5, 1, 2], r"edges must increase from 0, got 0\.5 s as edges\[0\]"),
        ([[1], [2]], [0, 2, 2], r"edges must increase from 0, got 2 s as edges\[2\]"),
        ([[1], [2]], [0, 3, 2], r"edges must increase from 0, got 2 s as edges\[2\]"),
        ([[1], [2]], [0, np.nan, 2], r"edges must increase from 0, got nan s as edges\[1\]"),
        ([[1], [2]], [0, 1, np.inf], r"edges must increase from 0, got inf s as edges\[2\]"),
        ([[1, 2], [3, np.nan]], [0, 1, 2], "X must be finite, got nan in frame 1, column 1"),
        ([[np.inf], [3]], [0, 1, 2], "X must be finite, got inf in frame 0, column 0"),
    ],
)
def test_invalid_features_raise(X, edges, message):
    with pytest.raises(ValueError, match=message):
        Features(X, edges)


def test_every_column_needs_a_name():
    with pytest.raises(ValueError, match="2 features need as many names, got 1"):
        Features([[1, 2]], [0, 1], [FeatureName("a", 0)])


def test_columns_without_names_are_numbered():
    assert [str(name) for name in Features([[1, 2]], [0, 1]).names] == ["feature 0", "feature 1"]


def test_frames_are_counted_and_timed(three_frames):
    assert len(three_frames) == 3
    assert three_frames.duration == 4
    np.testing.assert_array_equal(three_frames.centers, [0.5, 1.5, 3])


@pytest.mark.parametrize(
    ("given", "kept"), [("float16", "float32"), ("longdouble", "float64"), (">f4", "float64")]
)
def test_floats_that_scipy_does_not_take_are_converted(given, kept):
    assert Features(np.eye(3, dtype=given), np.arange(4)).X.dtype == kept


def test_complex_features_are_refused():
    with pytest.raises(ValueError, match="X must be real, got complex128"):
        Features(1j * np.eye(3), np.arange(4))


@pytest.mark.parametrize(
    ("kept", "got"),
    [
        ([0, 1], r"int64 of shape \(2,\)"),
        ([1, 0, 1], r"int64 of shape \(3,\)"),
        ([True, False], r"bool of shape \(2,\)"),
    ],
)
def test_columns_are_selected_by_a_mask_only(kept, got):
    features = Features(np.eye(3), np.arange(4))
    with pytest.raises(ValueError, match=rf"a mask of bool, shape \(3,\), is needed, got {got}"):
        features.columns(kept)


def test_a_mask_selects_columns_and_their_names():
    features = Features(np.eye(3), np.arange(4), ["a", "b", "c"]).columns([True, False, True])
    np.testing.assert_array_equal(features.X, np.eye(3)[:, [0, 2]])
    assert [name.family for name in features.names] == ["a", "c"]
    with pytest.raises(ValueError, match="the mask selects none of 2 features"):
        features.columns([False, False])


@pytest.mark.parametrize("copied", [lambda each: each, copy.deepcopy, through_pickle])
def test_features_cannot_be_changed(three_frames, copied):
    features = copied(three_frames)
    for array in (features.X, features.edges):
        with pytest.raises(ValueError, match="read-only"):
            array *= 2
    np.testing.assert_array_equal(features.X, three_frames.X)


@pytest.mark.parametrize(
    "seen", [lambda a: a, lambda a: a[:], lambda a: np.broadcast_to(a, a.shape)]
)
def test_what_the_features_were_made_of_is_not_what_they_hold(seen):
    X, edges = np.ones((2, 3)), np.arange(3.0)
    features = Features(seen(X), seen(edges))
    X[0], edges[1] = np.nan, 7.0
    np.testing.assert_array_equal(features.X, np.ones((2, 3)))
    np.testing.assert_array_equal(features.edges, [0, 1, 2])


def test_arrays_that_cannot_change_are_not_copied():
    X, edges = np.ones((2, 3)), np.arange(3.0)
    for array in (X, edges):
        array.flags.writeable = False
    features = Features(X, edges)
    assert features.X is X
    assert features.edges is edges


@pytest.mark.parametrize("extract", [Scattering(J=8), JointScattering(J=8)])
def test_large_features_are_not_copied(extract, monkeypatch):
    made = []
    compressed = scatseg.features.compressed

    def remembered(*args, **options):
        made.append(compressed(*args, **options))
        return made[-1]

    monkeypatch.setattr(scatseg.features, "compressed", remembered)
    assert extract(np.ones(2**13), 8000).X is made[0]


def test_integers_become_floats_and_single_precision_stays():
    assert Features([[1]], [0, 1]).X.dtype == np.float64
    assert Features(np.ones((1, 1), dtype=np.float32), [0, 1]).X.dtype == np.float32


@pytest.mark.parametrize(("seconds", "n_frames"), [(0.1, 1), (1, 2), (1.2, 2), (1.3, 3), (10, 20)])
def test_seconds_are_rounded_to_frames(seconds, n_frames):
    assert Features(np.ones((40, 1)), np.arange(41) * 0.5).seconds_to_frames(seconds) == n_frames


def test_the_median_frame_length_is_used_for_uneven_frames():
    assert Features(np.ones((4, 1)), [0, 1, 2, 3, 13]).seconds_to_frames(3) == 3


# Pooling.


def test_pooling_weights_each_frame_by_its_time(three_frames):
    pooled = three_frames.pooled([0, 1.5, 3, 4])
    np.testing.assert_allclose(pooled.X, [[2.5 / 1.5, 2], [6.5 / 1.5, 2], [5, 0]])
    np.testing.assert_array_equal(pooled.edges, [0, 1.5, 3, 4])


def test_pooling_over_the_same_edges_changes_nothing(three_frames):
    pooled = three_frames.pooled(three_frames.edges)
    np.testing.assert_allclose(pooled.X, three_frames.X)


def test_a_rival_is_selected_with_its_features():
    rival = Features([[1, 2], [3, 4], [5, 6]], [0, 1, 3, 4], ["a", "b"])
    features = Features([[7, 8], [9, 10]], [0, 2, 4], ["a", "b"], rival=rival)
    chosen = features.columns(np.array([False, True])).rival
    assert chosen.X.tolist() == [[2], [4], [6]]
    assert chosen.edges.tolist() == rival.edges.tolist()


@pytest.mark.parametrize(
    ("edges", "names", "given"),
    [
        ([0, 2, 4.5], ["a", "b"], "2 frames x 2, 4.5 s, a.b"),
        ([0, 2, 4], ["a", "c"], "2 frames x 2, 4.0 s, a.c"),
    ],
)
def test_a_rival_is_of_the_same_recording_and_features(edges, names, given):
    rival = Features([[1, 2], [3, 4], [5, 6]], [0, 1, 3, 4], ["a", "b"])
    message = rf"of Features\({given}\), got Features\(3 frames x 2, 4.0 s, a.b\)"
    with pytest.raises(ValueError, match=message):
        Features([[7, 8], [9, 10]], edges, names, rival=rival)


def test_columns_named_by_one_word_are_one_family():
    features = Features(np.ones((2, 3)), range(3), ["rms", "zcr", "rms"])
    assert features.names == (
        FeatureName("rms", 0),
        FeatureName("zcr", 0),
        FeatureName("rms", 1),
    )


def test_features_of_one_transform_share_their_names():
    features = Features(np.ones((2, 3)), range(3), ["rms", "zcr", "rms"])
    assert Features(features.X, features.edges, features.names).names is features.names


@pytest.mark.parametrize("names", ["ab", [1, 2]])
def test_invalid_names_raise(names):
    with pytest.raises(TypeError, match="names must be a FeatureName or a str for each column"):
        Features([[1, 2]], [0, 1], names)


def test_a_single_string_is_one_note():
    assert Features([[1]], [0, 1], notes="bar lines are uncertain").notes == (
        "bar lines are uncertain",
    )


def test_features_are_shown_by_their_size_and_kinds():
    features = Features(np.ones((863, 3)), np.linspace(0, 20, 864), ["mfcc", "mfcc", "rms"])
    assert repr(features) == "Features(863 frames x 3, 20.0 s, mfcc+rms)"


def test_pooling_keeps_names_and_precision():
    names = [FeatureName("mfcc", 0)]
    pooled = Features(np.ones((4, 1), dtype=np.float32), range(5), names).pooled([0, 2, 4])
    assert pooled.names == tuple(names)
    assert pooled.X.dtype == np.float32


def test_a_last_edge_off_by_rounding_is_the_duration(three_frames):
    edges = [0, 2, 4 - 1e-9]
    assert three_frames.pooled(edges).duration == 4
    assert edges[-1] == 4 - 1e-9


@st.composite
def features_and_other_edges(draw):
    n_frames, n_pooled = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    steps = st.floats(0.01, 10)
    lengths = draw(hnp.arrays(float, n_frames, elements=steps))
    others = draw(hnp.arrays(float, n_pooled, elements=steps))
    X = draw(hnp.arrays(float, (n_frames, 2), elements=st.floats(-100, 100)))
    edges = np.concatenate([[0], np.cumsum(lengths)])
    other_edges = np.concatenate([[0], np.cumsum(others / others.sum() * edges[-1])])
    return Features(X, edges), other_edges


@given(features_and_other_edges())
def test_a_pooled_frame_is_the_mean_over_its_time(case):
    features, edges = case
    expected = []
    for start, end in pairwise(edges):
        overlap = np.minimum(features.edges[1:], end) - np.maximum(features.edges[:-1], start)
        overlap = np.maximum(overlap, 0)
        expected.append(overlap @ features.X / overlap.sum())
    np.testing.assert_allclose(features.pooled(edges).X, expected, rtol=0, atol=1e-7)


def test_blocks_of_columns_are_pooled_as_all_in_little_memory(rng, monkeypatch):
    features = Features(rng.normal(size=(4000, 60)).astype(np.float32), np.arange(4001.0))
    edges = np.linspace(0, 4000, 31)
    whole = features.pooled(edges).X
    monkeypatch.setattr(scatseg.features, "_BLOCK", features.X.size // 30)
    np.testing.assert_array_equal(features.pooled(edges).X, whole)
    assert peak_memory(features.pooled, edges) < features.X.nbytes / 2


@given(features_and_other_edges())
def test_pooling_keeps_the_mean_over_time(case):
    features, edges = case
    before, after = (
        np.diff(each.edges) @ each.X / each.duration for each in (features, features.pooled(edges))
    )
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0, 1, 3], "edges must span 0 to 4 s, got 0 to 3 s"),
        ([0, 1, 4.00001], "edges must span 0 to 4 s, got 0 to 4.00001 s"),
        ([0, 1, 4.000002], "edges must span 0 to 4 s, got 0 to 4.000002 s"),
        ([1, 2, 4], "edges must span 0 to 4 s, got 1 to 4 s"),
        ([0, 2, 2, 4], "edges must increase"),
        ([0, 3, 2, 4], "edges must increase"),
        ([0, np.nan, 4], "edges must increase"),
        ([0, 2, np.nan], "edges must span 0 to 4 s, got 0 to nan s"),
        ([0, 4, 4], "edges must increase"),
        ([0], r"edges must have shape \(n_pooled \+ 1,\)"),
        ([], r"edges must have shape \(n_pooled \+ 1,\)"),
        ([[0, 4]], r"edges must have shape \(n_pooled \+ 1,\)"),
    ],
)
def test_pooling_over_invalid_edges_raises(three_frames, edges, message):
    with pytest.raises(ValueError, match=message):
        three_frames.pooled(edges)


# Time grids.


@given(st.floats(0.01, 1e4), st.floats(0.01, 100))
def test_uniform_edges_end_at_the_duration_in_equal_steps(duration, frame):
    edges = uniform_edges(duration, frame)
    assert (edges[0], edges[-1]) == (0, duration)
    np.testing.assert_allclose(np.diff(edges), duration / (len(edges) - 1), rtol=1e-6)


@given(st.floats(0.1, 1e4), st.floats(0.01, 100))
def test_uniform_edges_have_nearly_the_requested_step(duration, frame):
    step = uniform_edges(duration, frame)[1]
    assert step == duration or 2 / 3 <= step / frame <= 3 / 2


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, "a", None])
def test_uniform_edges_need_positive_seconds(value):
    with pytest.raises(ValueError, match=f"frame must be .*positive and finite, got {value!r}"):
        uniform_edges(10, value)
    with pytest.raises(ValueError, match=f"duration must be .*positive and finite, got {value!r}"):
        uniform_edges(value, 1)


def test_frame_edges_lie_halfway_between_centers():
    np.testing.assert_array_equal(frame_edges(np.arange(4.0), 3.7), [0, 0.5, 1.5, 2.5, 3.7])


def test_frames_beyond_the_duration_are_dropped():
    np.testing.assert_array_equal(frame_edges(np.arange(9.0), 2.5), [0, 0.5, 1.5, 2.5])


def test_one_center_is_one_frame():
    np.testing.assert_array_equal(frame_edges(np.zeros(1), 0.01), [0, 0.01])


# Names.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (FeatureName("mfcc", 3), "mfcc 3"),
        (FeatureName("logmel", 3, carrier=440.0), "logmel 440 Hz"),
        (FeatureName("cqt", 0, carrier=32.70319), "cqt 32.7 Hz"),
        (FeatureName("scattering", 0, order=1, carrier=11024.9), "scattering S1 11020 Hz"),
        (
            FeatureName("scattering", 9, order=2, carrier=1234.56, modulation=4.126),
            "scattering S2 1235 Hz rate 4.13 Hz",
        ),
        (FeatureName("tempogram", 9, modulation=0.14531), "tempogram rate 0.1453 Hz"),
        (FeatureName("jtfs", 0, order=2, scale=0.5, spin=1), "jtfs S2 scale 0.5 c/o rising"),
        (FeatureName("jtfs", 0, order=2, scale=0.5, spin=-1), "jtfs S2 scale 0.5 c/o falling"),
        (FeatureName("jtfs", 7, order=2, spin=0), "jtfs S2 7"),
    ],
)
def test_a_name_says_what_is_measured(name, text):
    assert str(name) == text


# Scattering features.


def tone(hertz, seconds=2.0, sr=SR):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * sr)) / sr).astype(np.float32)


@pytest.fixture(scope="module")
def chord(aba_signal):
    y, sr = aba_signal
    return y[15 * sr : 25 * sr]


@pytest.mark.parametrize("sr", [8000, 22050])
def test_the_strongest_carrier_is_that_of_the_tone(sr):
    features = Scattering(J=10, Q=8)(tone(440, sr=sr), sr)
    first = [i for i, name in enumerate(features.names) if name.order == 1]
    strongest = features.names[first[features.X[len(features) // 2, first].argmax()]]
    assert strongest.carrier == pytest.approx(440, rel=0.05)
    assert strongest.modulation is None


@pytest.mark.parametrize("extract", [Scattering(), JointScattering()], ids=["time", "joint"])
def test_the_slowest_modulation_is_the_documented_one(extract):
    rates = [name.modulation for name in extract(tone(440, 0.1), SR).names if name.modulation]
    assert f"modulations down to {min(rates):.1f} Hz at {SR} Hz" in type(extract).__doc__


@pytest.mark.parametrize("rate", [8, 16, 40])
def test_the_strongest_modulation_is_that_of_the_tremolo(rate):
    t = np.arange(4 * SR) / SR
    y = (tone(1000, 4.0) * (1 + np.sin(2 * np.pi * rate * t)) / 2).astype(np.float32)
    features = Scattering(J=13, Q=(8, 2))(y, SR)
    middle = features.X[len(features) // 2]
    near = [
        i
        for i, name in enumerate(features.names)
        if name.order == 2 and name.carrier == pytest.approx(1000, rel=0.05)
    ]
    strongest = features.names[near[middle[near].argmax()]]
    assert strongest.modulation == pytest.approx(rate, rel=0.25)


def test_order_zero_is_excluded(chord):
    features = Scattering(J=10)(chord, SR)
    assert {name.order for name in features.names} == {1, 2}
    assert {name.family for name in features.names} == {"scattering"}


@pytest.mark.parametrize("compression", ["mean", "median"])
@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_features_are_invariant_to_gain(chord, gain, compression):
    extract = Scattering(J=10, Q=8, compression=compression)
    y = chord.astype(np.float64)  # in single precision, a tenth of a sample is rounded
    np.testing.assert_allclose(extract(gain * y, SR).X, extract(y, SR).X, atol=1e-9)


@pytest.mark.parametrize("compression", ["mean", "median", None])
def test_silence_gives_zeros(compression):
    silence = np.zeros(SR, dtype=np.float32)
    assert not Scattering(J=10, compression=compression)(silence, SR).X.any()


@pytest.mark.parametrize("compression", ["mean", "median", None])
@pytest.mark.parametrize("renormalize", [True, False])
def test_near_silence_is_not_amplified(compression, renormalize):
    hiss = 1e-8 * np.random.default_rng(440).normal(size=SR).astype(np.float32)
    extract = Scattering(J=10, compression=compression, renormalize=renormalize)
    assert extract(hiss, SR).X.max() < 0.1


@pytest.mark.parametrize("compression", ["mean", "median", None])
def test_features_are_nonnegative(chord, compression):
    assert Scattering(J=10, compression=compression)(chord, SR).X.min() >= 0


def test_a_plain_feature_is_the_coefficient_itself(chord):
    features = Scattering(J=10, compression=None, renormalize=False)(chord, SR)
    S = Scattering1D(J=10, Q=8, T=2**10, stride=2**9)(chord)
    np.testing.assert_array_equal(features.X, np.maximum(S[1:], 0).T)


def test_plain_joint_features_are_the_coefficients_themselves(chord):
    features = JointScattering(J=8, Q=4, compression=None, renormalize=False)(chord[:SR], SR)
    S = TimeFrequencyScattering(8, 3, Q=4, T=2**8, stride=2**7)(chord[:SR])
    np.testing.assert_array_equal(features.X, np.maximum(S[1:], 0).T)


def test_order_two_of_a_tremolo_is_independent_of_carrier_level():
    t = np.arange(4 * SR) / SR
    tremolo = 1 + 0.5 * np.sin(2 * np.pi * 16 * t)
    loud, quiet = tone(2000, 4.0), 0.1 * tone(1000, 4.0)
    features = Scattering(J=12, Q=(8, 1), compression=None, eps=1e-3)((loud + quiet) * tremolo, SR)
    middle = features.X[len(features) // 2]
    shares = []
    for hertz in (2000, 1000):
        near = [
            i
            for i, name in enumerate(features.names)
            if name.order == 2 and name.carrier == pytest.approx(hertz, rel=0.05)
        ]
        shares.append(middle[near].max())
    assert shares[0] == pytest.approx(shares[1], rel=0.1)


# Frames.


@pytest.mark.parametrize(
    ("options", "hop"),
    [({}, 512), ({"T": 256}, 128), ({"T": 300}, 128), ({"T": 1}, 1), ({"stride": 64}, 64)],
)
def test_frames_are_half_the_averaging_scale_apart(options, hop):
    features = Scattering(J=10, max_order=1, **options)(tone(440, 0.8), SR)
    np.testing.assert_allclose(np.diff(features.edges[1:-1]), hop / SR)
    assert features.edges[1] == hop / 2 / SR


@pytest.mark.parametrize(("J", "T"), [(13, 8192), (12, 4096), (10, 1024)])
def test_ten_seconds_are_long_enough_for_every_default(J, T):
    assert averaging_grid(10 * SR, J=J) == (T, T // 2)


@pytest.mark.parametrize(
    ("n_samples", "options", "expected"),
    [
        (16 * 1024, {"J": 10}, (1024, 512)),
        (16 * 1024 - 1, {"J": 10}, (512, 256)),
        (5000, {"J": 10}, (256, 128)),
        (5000, {"J": 10, "stride": 64}, (256, 64)),
        (5000, {"J": 10, "stride": 1024}, (256, 256)),  # no frame is skipped
        (5000, {"J": 10, "T": 2048}, (2048, 1024)),  # as requested
        (5000, {"J": 10, "T": 300, "stride": 1024}, (300, 1024)),
        (1000, {"J": 10, "T": 2048}, (32, 16)),  # no average exceeds the recording
        (1, {"J": 10}, (32, 16)),
        (1, {"J": 10, "T": 8}, (8, 4)),
        (1, {"J": 3}, (1, 1)),
    ],
)
def test_averaging_scales_are_limited_in_short_recordings(n_samples, options, expected):
    assert averaging_grid(n_samples, **options) == expected


@given(st.integers(1, 10**7), st.integers(1, 16))
def test_averaging_scales_are_a_16th_of_the_recording_or_the_minimum(n_samples, J):
    T, stride = averaging_grid(n_samples, J=J)
    assert max(2**J // 32, 1) <= T <= 2**J
    assert n_samples >= 16 * T or max(2**J // 32, 1) == T
    assert stride == max(1, T // 2)


def test_columns_do_not_depend_on_the_length():
    extract = Scattering(J=10, Q=2)
    assert extract(tone(440, 0.01), SR).names == extract(tone(440, 2.0), SR).names


# Blocks.


@pytest.mark.parametrize(
    "extract",
    [
        Scattering(J=9, Q=4),
        Scattering(J=9, Q=4, T=1024, compression="median"),
        JointScattering(J=8, Q=4, stride=256),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_samples", [1, 5000, 60_001])
def test_features_of_blocks_equal_those_of_the_whole(chord, extract, n_samples):
    y = chord[:n_samples]
    pieces = np.split(y, [k for k in (1, 1, 700, 9000, 30_000) if k < n_samples])
    streamed, whole = extract.stream(iter(pieces), SR), extract(y, SR)
    np.testing.assert_allclose(streamed.X, whole.X, atol=2e-3)
    np.testing.assert_array_equal(streamed.edges, whole.edges)
    assert streamed.names == whole.names


def test_an_empty_stream_raises():
    with pytest.raises(ValueError, match="n_samples"):
        Scattering(J=8).stream([], SR)


# Direction.


def chirp(seconds, sr):
    """A chirp over four octaves, loudest in the middle."""
    t = np.arange(int(seconds * sr)) / sr - seconds / 2
    gamma = 4 / seconds
    envelope = np.exp(-(t**2) / (2 * (0.1 * seconds) ** 2))
    phase = 2 * np.pi * 1024 * (2 ** (gamma * t) - 1) / (gamma * np.log(2))
    return (envelope * np.sin(phase)).astype(np.float32)


def spin_ratio(y, sr, **options):
    """Energy ratio of rising to falling modulations."""
    features = JointScattering(compression=None, renormalize=False, **options)(y, sr)
    spin = np.array([name.spin or 0 for name in features.names])
    energy = (features.X**2).sum(axis=0)
    return energy[spin > 0].sum() / energy[spin < 0].sum()


@pytest.mark.parametrize(
    ("seconds", "sr", "J"), [(1.0, 8192, 9), (0.25, SR, 9), (0.5, SR, 9), (1.0, SR, 12)]
)
def test_a_chirp_keeps_its_direction_in_a_short_clip(seconds, sr, J):
    y = chirp(seconds, sr)
    rising, falling = (spin_ratio(each, sr, J=J, J_fr=4, F=0) for each in (y, y[::-1].copy()))
    assert rising > 50
    assert falling < 1 / 50


def test_averages_over_the_whole_clip_lose_the_direction():
    assert spin_ratio(chirp(1.0, 8192), 8192, J=9, J_fr=4, F=0, T=8192) < 1.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"J": "big"}, "J must be an integer of at least 1, got 'big'"),
        ({"Q": (8, 1, 1)}, "Q must be an integer or a pair"),
        ({"stride": 100}, "stride must be a power of two"),
        ({"accuracy": "best"}, "accuracy must be"),
        ({"eps": 0}, "eps must be positive, got 0"),
        ({"T": "global"}, "T must be an averaging scale of at least 1 sample, got 'global'"),
        ({"compression": "max"}, 'compression must be "mean", "median" or None, got \'max\''),
    ],
)
@pytest.mark.parametrize("extract", [Scattering, JointScattering])
def test_invalid_options_raise_on_construction(extract, options, message):
    with pytest.raises(ValueError, match=message):
        extract(**options)


@pytest.mark.parametrize("extract", [Scattering(J=6), JointScattering(J=6, J_fr=2)])
def test_columns_are_named_once_for_all_recordings_of_one_rate(extract, rng):
    y = rng.normal(size=4096)
    first, again, other = extract(y, 8000), extract(-y, 8000), extract(y, 4000)
    assert all(a is b for a, b in zip(first.names, again.names, strict=True))
    carriers = [np.array([name.carrier for name in each.names]) for each in (first, other)]
    np.testing.assert_allclose(carriers[0], 2 * carriers[1])
