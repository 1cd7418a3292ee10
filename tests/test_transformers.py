import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from scatseg import audio
from scatseg.extractors import extractor
from scatseg.features import FeatureName, Features, Scattering
from scatseg.transformers import FeatureTransformer, MedianLogCompressor

SR = 4096
RATES = (4, 8, 16)  # Hz
COARSE = "scattering:J=11,Q=1,compression=none,renormalize=false"


@dataclass(frozen=True)
class Fixed:
    """An extractor with fixed output: frames of 1, 1 and 2 s."""

    def __call__(self, _y, _sr):
        names = [FeatureName("level", 0, carrier=100.0), FeatureName("level", 1, carrier=200.0)]
        return Features([[1.0, 0.0], [3.0, 6.0], [6.0, 0.0]], [0, 1, 2, 4], names)


def tone(hertz, seconds=1.0, sr=SR):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * sr)) / sr)


@pytest.fixture(scope="module")
def tremolos():
    """(signals, rate of each, group of each): within a group the carriers are the same."""
    rng = np.random.default_rng(seed=440)
    signals, rates, groups = [], [], []
    for group, carrier in enumerate(rng.uniform(400, 800, size=8)):
        for rate in RATES:
            t = np.arange(2 * SR) / SR
            envelope = 1 + 0.9 * np.sin(2 * np.pi * (rate * t + rng.uniform()))
            signals.append(rng.uniform(0.01, 0.3) * envelope * tone(carrier, 2.0))
            rates.append(rate)
            groups.append(group)
    return signals, np.array(rates), np.array(groups)


# Known answers.


def classifier(features):
    return make_pipeline(
        FeatureTransformer(features, sr=SR),
        MedianLogCompressor(),
        StandardScaler(),
        SVC(kernel="linear"),
    )


def test_tremolo_rates_are_classified_on_unseen_carriers(tremolos):
    signals, rates, groups = tremolos
    scores = cross_val_score(classifier(COARSE), signals, rates, groups=groups, cv=GroupKFold(4))
    assert scores.min() == 1


def test_first_order_cannot_classify_tremolo_rates(tremolos):
    signals, rates, groups = tremolos
    scores = cross_val_score(
        classifier(f"{COARSE},max_order=1"), signals, rates, groups=groups, cv=GroupKFold(4)
    )
    assert scores.mean() < 0.6


@pytest.mark.parametrize("rate", RATES)
def test_the_column_that_marks_a_class_names_its_rate(tremolos, rate):
    signals, rates, _ = tremolos
    transformer = FeatureTransformer("scattering:J=11,Q=1/2", sr=SR)
    X = transformer.fit_transform(signals)
    gain = X[rates == rate].mean(axis=0) - X.mean(axis=0)
    name = transformer.feature_names_[gain.argmax()]
    assert abs(np.log2(name.modulation / rate)) < 0.5
    assert str(name) == transformer.get_feature_names_out()[gain.argmax()]


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_vectors_are_invariant_to_gain(tremolos, gain):
    transformer = FeatureTransformer("scattering:J=10", sr=SR)
    signals = tremolos[0][:3]
    louder = transformer.fit_transform([gain * y for y in signals])
    np.testing.assert_allclose(louder, transformer.fit_transform(signals), atol=1e-9)


# Signals and files.


def test_files_equal_their_signals(tmp_path):
    paths = [tmp_path / "low.wav", tmp_path / "high.wav"]
    for path, hertz in zip(paths, (220, 1000), strict=True):
        audio.save(path, 0.5 * tone(hertz), SR)
    signals = [audio.load(path, sr=SR)[0] for path in paths]
    transformer = FeatureTransformer("scattering:J=8", sr=SR)
    expected = transformer.fit_transform(signals)
    for files in (paths, [str(path) for path in paths], np.array([str(path) for path in paths])):
        np.testing.assert_array_equal(transformer.fit_transform(files), expected)


def test_files_are_resampled_to_the_rate_of_the_signals(tmp_path):
    audio.save(tmp_path / "a.wav", 0.5 * tone(300, sr=8192), 8192)
    transformer = FeatureTransformer("scattering:J=8", sr=SR).fit([tmp_path / "a.wav"])
    at_half, straight = transformer.transform([tmp_path / "a.wav", 0.5 * tone(300)])
    np.testing.assert_allclose(at_half, straight, atol=0.05)


def test_fitting_reads_no_files(tmp_path):
    FeatureTransformer("scattering:J=4", sr=SR).fit([tmp_path / "not there.wav"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    transformer = FeatureTransformer("scattering:J=4", sr=SR).fit([tone(220)])
    with pytest.raises(audio.AudioError, match=r"not there\.wav"):
        transformer.transform([tmp_path / "not there.wav"])


def test_an_array_is_a_list_of_its_rows():
    signals = np.stack([tone(220), tone(440)])
    transformer = FeatureTransformer("scattering:J=8", sr=SR)
    np.testing.assert_array_equal(
        transformer.fit_transform(signals), transformer.fit_transform(list(signals))
    )


def test_signals_may_differ_in_length():
    transformer = FeatureTransformer("scattering:J=8,max_order=1", sr=SR)
    short, long = transformer.fit_transform([tone(440, 2.0), tone(440, 8.0)])
    assert short.argmax() == long.argmax()
    assert short.max() == pytest.approx(long.max(), rel=0.01)


def test_a_vector_does_not_depend_on_the_rest_of_the_batch(tremolos):
    transformer = FeatureTransformer("scattering:J=8", sr=SR).fit(tremolos[0])
    together = transformer.transform(tremolos[0][:3])
    np.testing.assert_array_equal(transformer.transform(tremolos[0][2:3])[0], together[2])


def test_integers_are_converted_and_not_rescaled():
    y = np.round(1000 * tone(440))
    transformer = FeatureTransformer("scattering:J=8", sr=SR)
    as_integers = transformer.fit_transform([y.astype(np.int16)])
    np.testing.assert_allclose(as_integers, transformer.fit_transform([y]), atol=1e-4)


def test_signals_are_computed_in_their_promotion_with_single_precision():
    y = np.round(2**30 * tone(440))
    transformer = FeatureTransformer("scattering:J=8,compression=none", sr=SR)
    expected = transformer.fit_transform([y])
    assert expected.dtype == np.float64
    for dtype in (np.int32, np.int64, np.longdouble):
        np.testing.assert_array_equal(transformer.fit_transform([y.astype(dtype)]), expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (tone(220), "X must be a sequence of signals or of paths, got a single one"),
        ("song.wav", "X must be a sequence of signals or of paths, got a single one"),
        (3, "X must be a sequence of signals or of paths, got a single one"),
        ([], "X holds no signals: at least 1 is needed"),
        ([tone(220), []], r"signal 1 of X must have shape \(n_samples,\), n_samples > 0"),
        ([np.zeros((2, 3))], r"signal 0 of X must have shape \(n_samples,\).*got \(2, 3\)"),
        ([tone(220), [0.0, np.nan]], "signal 1 of X must be finite, it holds NaN or inf"),
        ([[0.0, np.inf]], "signal 0 of X must be finite"),
        ([[1j, 0]], "Complex data not supported: signal 0 of X must be real"),
        ([["a", "b"]], "signal 0 of X must be real numbers, got <U1"),
    ],
)
def test_invalid_signals_raise(X, message):
    with pytest.raises(ValueError, match=message):
        FeatureTransformer("scattering:J=4", sr=SR).fit(X)
    fitted = FeatureTransformer("scattering:J=4", sr=SR).fit([tone(220)])
    with pytest.raises(ValueError, match=message):
        fitted.transform(X)


@pytest.mark.parametrize("names", [None, "sample {}"])
def test_rows_of_a_data_frame_are_signals(names):
    pandas = pytest.importorskip("pandas")
    X = np.stack([tone(220), tone(440), tone(880)])
    columns = None if names is None else [names.format(i) for i in range(X.shape[1])]
    frame = pandas.DataFrame(X, columns=columns, index=list("xyz"))
    transformer = FeatureTransformer("scattering:J=8", sr=SR)
    expected = transformer.fit_transform(X)
    np.testing.assert_array_equal(transformer.fit_transform(frame), expected)
    np.testing.assert_array_equal(transformer.transform(frame.iloc[1:2]), expected[1:2])
    frame[frame.columns[0]] = 0  # integers beside floats
    np.testing.assert_array_equal(transformer.transform(frame), transformer.transform(frame.values))


@pytest.mark.parametrize("columns", [["file"], [0]])
def test_a_data_frame_of_paths_is_refused_and_its_column_taken(columns, tmp_path):
    pandas = pytest.importorskip("pandas")
    audio.save(tmp_path / "song.wav", tone(440), SR)
    table = pandas.DataFrame([[str(tmp_path / "song.wav")]], columns=columns)
    transformer = FeatureTransformer("scattering:J=8", sr=SR)
    message = r"a DataFrame must hold numbers, one signal per row, got (object|str)"
    with pytest.raises(ValueError, match=message):
        transformer.fit(table)
    expected = transformer.fit_transform([tmp_path / "song.wav"])
    np.testing.assert_array_equal(transformer.fit_transform(table[columns[0]]), expected)


@pytest.mark.parametrize("columns", [[], ["a", "b"]])
def test_an_empty_data_frame_holds_no_signals(columns):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="X holds no signals: at least 1 is needed"):
        FeatureTransformer("scattering:J=4", sr=SR).fit(
            pandas.DataFrame(columns=columns, dtype=float)
        )


def test_signals_that_can_be_read_only_once_are_refused():
    with pytest.raises(TypeError, match="a generator can be read only once: put what it yields"):
        FeatureTransformer("mfcc", sr=SR).fit_transform(tone(220) for _ in range(2))


# Aggregation.


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("mean", [4, 1.5]),  # the last frame is as long as the other two together
        ("std", [np.sqrt(4.5), np.sqrt(6.75)]),
        ("median", [3, 0]),
        ("max", [6, 6]),
        ("max+mean", [6, 6, 4, 1.5]),
    ],
)
def test_frames_are_aggregated_over_time(aggregate, expected):
    X = FeatureTransformer(Fixed(), sr=1, aggregate=aggregate).fit_transform([np.zeros(4)])
    np.testing.assert_allclose(X, [expected])


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("mean", ["level 100 Hz", "level 200 Hz"]),
        ("std", ["std level 100 Hz", "std level 200 Hz"]),
        (
            "mean+std",
            ["mean level 100 Hz", "mean level 200 Hz", "std level 100 Hz", "std level 200 Hz"],
        ),
    ],
)
def test_names_contain_the_statistic_and_the_feature(aggregate, expected):
    transformer = FeatureTransformer(Fixed(), sr=1, aggregate=aggregate).fit([np.zeros(4)])
    assert list(transformer.get_feature_names_out()) == expected


@pytest.mark.parametrize(
    "features",
    ["scattering:J=8", "jtfs:J=8,Q=4", "scattering:J=7+mfcc", "scattering:J=7+scattering:J=8"],
)
def test_column_names_are_unique(features):
    transformer = FeatureTransformer(features, sr=SR, aggregate="mean+std").fit([tone(220)])
    names = transformer.get_feature_names_out()
    assert len(set(names)) == len(names) == transformer.transform([tone(220)]).shape[1]


def test_joined_features_are_concatenated_unchanged():
    signals = [tone(220), tone(440), tone(880)]
    columns = []
    for features in ("scattering:J=8+mfcc", "scattering:J=8", "mfcc"):
        transformer = FeatureTransformer(features, sr=SR, aggregate="mean+std")
        X = transformer.fit_transform(signals)
        columns.append(dict(zip(transformer.get_feature_names_out(), X.T, strict=True)))
    both, scattering, mfcc = columns
    assert both.keys() == scattering.keys() | mfcc.keys()
    for name, column in (scattering | mfcc).items():
        np.testing.assert_array_equal(both[name], column)


# All frames.


def test_frames_are_kept_feature_by_feature():
    transformer = FeatureTransformer(Fixed(), sr=1, aggregate="none")
    np.testing.assert_array_equal(transformer.fit_transform([np.zeros(4)]), [[1, 3, 6, 0, 6, 0]])
    assert transformer.n_frames_ == 3
    assert list(transformer.get_feature_names_out()) == [
        *(f"level 100 Hz at {time} s" for time in ("0.50", "1.50", "3.00")),
        *(f"level 200 Hz at {time} s" for time in ("0.50", "1.50", "3.00")),
    ]


def test_frames_of_joined_features_are_those_of_the_first():
    y = tone(220)
    transformer = FeatureTransformer("scattering:J=8+mfcc", sr=SR, aggregate="none")
    frames = transformer.fit_transform([y]).reshape(-1, transformer.n_frames_)
    first, second = extractor("scattering:J=8")(y, SR), extractor("mfcc")(y, SR)
    expected = np.concatenate([first.X, second.pooled(first.edges).X], axis=1)
    np.testing.assert_array_equal(frames, expected.T)
    names = transformer.get_feature_names_out()
    assert len(set(names)) == len(names) == frames.size


def test_times_of_frames_are_told_apart_however_short_they_are():
    y = tone(220, 0.1)
    transformer = FeatureTransformer("scattering:J=4,T=8,max_order=1", sr=SR, aggregate="none")
    names = transformer.fit([y]).get_feature_names_out()
    assert len(set(names)) == len(names) == transformer.transform([y]).shape[1]


def test_the_length_of_files_is_that_of_the_first(tmp_path):
    paths = [tmp_path / "long.wav", tmp_path / "short.wav"]
    for path, seconds in zip(paths, (0.5, 0.4), strict=True):
        audio.save(path, 0.5 * tone(220, seconds), SR)
    transformer = FeatureTransformer("scattering:J=6", sr=SR, aggregate="none").fit(paths)
    assert transformer.transform(paths[:1]).shape[1] == len(transformer.get_feature_names_out())
    with pytest.raises(ValueError, match=r"short\.wav has 1,638 samples, the first in `fit` had"):
        transformer.transform(paths)


def test_frames_of_signals_of_other_lengths_are_refused():
    transformer = FeatureTransformer("scattering:J=6", sr=SR, aggregate="none").fit([tone(220)])
    message = r"signal 1 of X has 2,048 samples, .* 4,096: to keep all .* cut or pad signals to one"
    with pytest.raises(ValueError, match=message):
        transformer.transform([tone(220), tone(220, 0.5)])


def test_frames_whose_number_depends_on_the_sound_are_refused():
    def by_onsets(y, sr):
        n_frames = 1 + int(np.count_nonzero(y))
        return Features(np.ones((n_frames, 1)), np.linspace(0, len(y) / sr, n_frames + 1))

    transformer = FeatureTransformer(by_onsets, sr=1, aggregate="none")
    with pytest.raises(ValueError, match=r"signal 1 of X has 3 frames, silence of its length 1: "):
        transformer.fit_transform([np.zeros(4), np.array([0.0, 1.0, 0.0, 1.0])])


def test_frames_of_a_column_share_their_median():
    train = np.array([[1.0, 3.0, 20.0, 20.0], [5.0, 9.0, 40.0, 60.0]])
    compressor = MedianLogCompressor(eps=0.5, n_frames=2).fit(train)
    np.testing.assert_array_equal(compressor.levels_, [4, 4, 30, 30])
    np.testing.assert_allclose(compressor.transform(train[:1])[0, :2], np.log1p([0.5, 1.5]))


@pytest.mark.parametrize("n_frames", [0, 3])
def test_frames_must_divide_the_columns(n_frames):
    with pytest.raises(ValueError, match=f"n_frames must divide 4 columns, got {n_frames}"):
        MedianLogCompressor(n_frames=n_frames).fit(np.ones((2, 4)))


# The contract of scikit-learn.


def test_a_table_has_the_names_as_columns():
    pytest.importorskip("pandas")
    transformer = FeatureTransformer("scattering:J=6,max_order=1", sr=SR)
    table = transformer.set_output(transform="pandas").fit_transform([tone(220), tone(440)])
    assert list(table.columns) == list(transformer.get_feature_names_out())
    assert table.shape[0] == 2


def test_names_pass_through_a_pipeline():
    steps = make_pipeline(
        FeatureTransformer("scattering:J=6", sr=SR), MedianLogCompressor(), StandardScaler()
    ).fit([tone(220), tone(440)])
    assert list(steps.get_feature_names_out()) == list(steps[0].get_feature_names_out())


@pytest.mark.parametrize("features", ["scattering:J=6", Scattering(J=6)])
def test_a_clone_is_equivalent(features):
    transformer = FeatureTransformer(features, sr=SR, aggregate="max")
    again = clone(transformer)
    assert again.get_params() == transformer.get_params()
    np.testing.assert_array_equal(
        again.fit_transform([tone(220)]), transformer.fit_transform([tone(220)])
    )


def test_a_pickle_is_equivalent():
    transformer = FeatureTransformer("scattering:J=6", sr=SR).fit([tone(220)])
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform([tone(330)]), transformer.transform([tone(330)]))


def test_grid_search_over_features_finds_those_that_encode_the_rate(tremolos):
    signals, rates, groups = tremolos
    search = GridSearchCV(
        classifier(COARSE),
        {"featuretransformer__features": [f"{COARSE},max_order=1", COARSE]},
        cv=GroupKFold(2),
    )
    search.fit(signals, rates, groups=groups)
    assert search.best_params_["featuretransformer__features"] == COARSE


def test_results_are_independent_of_workers(tremolos):
    alone = FeatureTransformer("scattering:J=6", sr=SR).fit_transform(tremolos[0][:5])
    with parallel_config(backend="threading"):
        shared = FeatureTransformer("scattering:J=6", sr=SR, n_jobs=2).fit_transform(
            tremolos[0][:5]
        )
    np.testing.assert_array_equal(shared, alone)


@pytest.mark.parametrize("aggregate", ["mean", "none"])
def test_vectors_are_independent_of_processes_and_of_threads(aggregate, rng):
    # With several BLAS threads, float32 products of this size are rounded differently.
    signals = rng.normal(size=(2, 22050)).astype(np.float32)
    alone, shared = (
        FeatureTransformer("mfcc", aggregate=aggregate, n_jobs=n_jobs).fit_transform(signals)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(shared, alone)


def test_a_rate_may_be_any_whole_number():
    wanted = FeatureTransformer("mfcc", sr=SR).fit_transform([tone(220)])
    for sr in (float(SR), np.int64(SR)):
        found = FeatureTransformer("mfcc", sr=sr).fit_transform([tone(220)])
        np.testing.assert_array_equal(found, wanted)


def test_a_second_fit_forgets_the_first():
    transformer = FeatureTransformer("scattering:J=6", sr=SR).fit([tone(220)])
    transformer.set_params(features="scattering:J=4,max_order=1").fit([tone(220)])
    fresh = FeatureTransformer("scattering:J=4,max_order=1", sr=SR).fit([tone(220)])
    assert transformer.feature_names_ == fresh.feature_names_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "scatter"}, "unknown feature 'scatter': choose from scattering"),
        ({"features": 3}, "features must be a name like .* or an extractor, got 3"),
        ({"sr": 0}, "sr must be a positive whole number of Hz, got 0"),
        ({"sr": None}, "sr must be a positive whole number of Hz, got None"),
        (
            {"aggregate": "sum"},
            "aggregate must be one or more of mean, std, median, max, or none by itself, got 'sum'",
        ),
        ({"aggregate": "mean+none"}, "or none by itself, got 'mean\\+none'"),
        ({"aggregate": "mean+mean"}, "aggregate must be one or more of"),
        ({"aggregate": None}, "aggregate must be one or more of .*, got None"),
    ],
)
def test_invalid_options_raise_when_fitting(options, message):
    transformer = FeatureTransformer(**options)
    with pytest.raises(ValueError, match=message):
        transformer.fit([tone(220)])


def unlike_a_table(estimator):
    """Checks of scikit-learn that assume rows of equal length."""
    if isinstance(estimator, MedianLogCompressor):
        return {}
    any_length = "signals may differ in length, within X and between calls"
    return {
        "check_n_features_in": any_length,
        "check_n_features_in_after_fitting": any_length,
        "check_transformer_general": any_length,
        "check_estimators_empty_data_messages": "an empty signal is refused as such",
        "check_dtype_object": "objects are no samples",
    }


@parametrize_with_checks(
    [MedianLogCompressor(), FeatureTransformer("scattering:J=3,max_order=1", sr=100)],
    expected_failed_checks=unlike_a_table,
)
def test_passes_the_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


# Compression by training medians.


def test_columns_are_relative_to_their_medians_in_training():
    train = np.array([[1.0, 30.0], [2.0, 20.0], [9.0, 10.0]])
    compressor = MedianLogCompressor(eps=0.5).fit(train)
    np.testing.assert_array_equal(compressor.levels_, [2, 20])
    np.testing.assert_allclose(compressor.transform([[3.0, 5.0]]), np.log1p([[3.0, 0.5]]))


def test_a_nearly_empty_column_is_not_amplified():
    train = np.array([[1e-12, 1.0], [1e-12, 2.0], [1e-12, 3.0]])
    X = MedianLogCompressor().fit_transform(train)
    np.testing.assert_allclose(X[:, 0], 1e-12 / (0.1 * 2e-6), rtol=1e-4)


@given(
    hnp.arrays(float, (5, 3), elements=st.floats(0, 1e3, allow_subnormal=False)),
    st.integers(-20, 20),
)
def test_output_is_invariant_to_the_scale_of_the_coefficients(X, exponent):
    if X.any():
        scaled = MedianLogCompressor().fit_transform(2.0**exponent * X)
        np.testing.assert_allclose(scaled, MedianLogCompressor().fit_transform(X))


@given(hnp.arrays(float, (5, 3), elements=st.floats(0, 1e3)))
def test_compressed_coefficients_keep_their_order(X):
    compressed = MedianLogCompressor().fit_transform(X)
    for before, after in zip(X.T, compressed.T, strict=True):
        assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_negative_rounding_errors_count_as_zero():
    assert MedianLogCompressor().fit_transform([[-1e-9], [1.0], [2.0]])[0, 0] == 0


def test_already_compressed_coefficients_raise():
    with pytest.raises(ValueError, match=r"Negative values.*such as those of compression=none"):
        MedianLogCompressor().fit([[-1.0], [2.0]])


@pytest.mark.parametrize("eps", [0, -1])
def test_eps_is_positive(eps):
    with pytest.raises(ValueError, match="eps must be positive, got"):
        MedianLogCompressor(eps=eps).fit([[1.0], [2.0]])
