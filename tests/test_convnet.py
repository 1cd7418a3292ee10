"""The network, trained with torch and applied with NumPy."""

import importlib.util

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.test_cli import scatseg

from scatseg import audio, cli
from scatseg.classification.classifiers import make_classifier
from scatseg.classification.convnet import (
    ConvnetClassifier,
    convnet_scores,
    n_places,
    path_grid,
)
from scatseg.classification.model_files import load_model, save_model
from scatseg.classification.models import Description, Model, ModelError, model_of
from scatseg.clips import ClipFeatures
from scatseg.features import FeatureName, JointScattering, Scattering
from scatseg.synth import synthesizer

torch = pytest.importorskip("torch", reason="the convnet is trained with torch")


@pytest.fixture
def bumps(rng):
    """(X, labels): a narrow or wide bump at a random position in 64 columns."""
    labels = np.repeat(["narrow", "wide"], 100)
    middle = rng.integers(8, 56, size=200)
    width = np.where(labels == "wide", 3.0, 1.0)
    columns = np.arange(64)
    X = np.exp(-((columns - middle[:, None]) ** 2) / (2 * width[:, None] ** 2))
    return X / np.linalg.norm(X, axis=1, keepdims=True) * 8 + rng.normal(size=X.shape) / 4, labels


def weights(rng, n_features=37, n_classes=3):
    shapes = {
        "filters1": (16, 1, 9),
        "bias1": (16,),
        "filters2": (32, 16, 9),
        "bias2": (32,),
        "coef": (n_classes, 32 * n_places(n_features)),
        "intercept": (n_classes,),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("n_features", [1, 5, 37, 64])
def test_numpy_scores_as_torch_does(rng, n_features):
    known = weights(rng, n_features)
    X = rng.normal(size=(4, n_features))
    given = {name: torch.as_tensor(array) for name, array in known.items()}
    hidden = torch.as_tensor(X)[:, None]
    for layer in "12":
        hidden = torch.relu(
            torch.nn.functional.conv1d(
                hidden, given[f"filters{layer}"], given[f"bias{layer}"], stride=4, padding=4
            )
        )
    expected = hidden.flatten(1) @ given["coef"].T + given["intercept"]
    np.testing.assert_allclose(convnet_scores(X, known), expected.numpy(), rtol=1e-10, atol=1e-9)


def test_a_shape_is_told_wherever_it_is(bumps):
    X, labels = bumps
    trained = ConvnetClassifier().fit(X[::2], labels[::2])
    assert trained.score(X[1::2], labels[1::2]) > 0.95


def test_a_seed_gives_the_same_network_and_leaves_that_of_torch_alone(bumps):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (
        ConvnetClassifier(3, random_state=seed).fit(*bumps).weights_["coef"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.rand(1), expected)


def test_a_rare_class_weighs_as_much_as_a_frequent_one(rng):
    X = rng.normal(size=(220, 8))
    labels = np.array(["rare"] * 20 + ["frequent"] * 200)
    X[:20] += 1.0
    called = ConvnetClassifier(20).fit(X, labels).predict(X)
    assert (called[:20] == "rare").mean() > 0.8


def test_a_model_of_it_predicts_the_same(bumps):
    X, labels = bumps
    classifier = make_classifier("convnet:n_epochs=5", compress=False, calibration_folds=2)
    classifier.fit(X, labels)
    names = tuple(FeatureName("cqt", i, carrier=55.0 * 2 ** (i / 12)) for i in range(64))
    about = Description(classes=("narrow", "wide"), features={}, fingerprint="0", names=names)
    model = model_of(classifier, X, about)
    assert model.kind == "convnet"
    np.testing.assert_allclose(model.predict_proba(X), classifier.predict_proba(X), atol=1e-12)
    with pytest.raises(ModelError, match="only linear-svm, logistic and rbf-svm explain"):
        model.relevance(X[0], 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_epochs": 0}, "must be positive, got 0"), ({"learning_rate": 0.0}, "0.0")],
)
def test_options_that_train_nothing_are_refused(bumps, options, message):
    with pytest.raises(ValueError, match=message):
        ConvnetClassifier(**options).fit(*bumps)


def test_without_torch_the_message_says_what_to_install(bumps, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"install scatseg\[torch\], or take rbf-svm"):
        ConvnetClassifier().fit(*bumps)


@parametrize_with_checks([ConvnetClassifier(5), ConvnetClassifier(5, paths=[[0]])])
def test_scikit_learn_finds_nothing_amiss(estimator, check):
    check(estimator)


# --- frames ------------------------------------------------------------------------------------

IN_TIME = np.arange(3)[:, None]
JOINT = np.array([[0, 1, 2, 3], [-1, -1, 5, 4]])


def framed(signals, features, sr):
    """(X, classifier not calibrated) of all frames."""
    seconds = len(signals[0]) / sr
    how = ClipFeatures(features=features, sr=sr, seconds=seconds, aggregate="none")
    columns = how.columns()
    classifier = make_classifier(
        "convnet:n_epochs=30",
        compress=columns.uncompressed,
        n_frames=columns.n_frames,
        names=columns.names,
    ).estimator
    return how.transformer().transform([how.prepared(y) for y in signals]), classifier


@pytest.mark.parametrize("n_frames", [1, 5, 37])
@pytest.mark.parametrize("paths", [IN_TIME, JOINT])
def test_numpy_scores_frames_as_torch_does(paths, n_frames, rng):
    (n_channels, n_carriers), n_paths = paths.shape, paths.max() + 1
    height = 3 if n_carriers > 1 else 1
    shapes = {
        "filters1": (16, n_channels, height, 9),
        "bias1": (16,),
        "filters2": (32, 16, height, 9),
        "bias2": (32,),
        "coef": (3, 32 * n_carriers),
        "intercept": (3,),
    }
    known = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    frames = rng.normal(size=(4, n_paths, n_frames))
    grid = np.zeros((4, n_channels, n_carriers, n_frames))
    for channel, carrier in np.argwhere(paths >= 0):
        grid[:, channel, carrier] = frames[:, paths[channel, carrier]]
    given = {name: torch.as_tensor(array) for name, array in known.items()}
    hidden = torch.as_tensor(grid)
    for layer in "12":
        hidden = torch.relu(
            torch.nn.functional.conv2d(
                hidden,
                given[f"filters{layer}"],
                given[f"bias{layer}"],
                stride=(1, 4),
                padding=(height // 2, 4),
            )
        )
    expected = hidden.mean(dim=3).flatten(1) @ given["coef"].T + given["intercept"]
    found = convnet_scores(frames.reshape(4, -1), {**known, "paths": paths})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-9)


TECHNIQUES = ("vibrato", "trill", "tremolo", "flatterzunge", "bisbigliando")


@pytest.fixture(scope="module")
def techniques():
    """(signals, technique of each): 2 s of random rates, depths and pitches, at 4096 Hz."""
    rng = np.random.default_rng(seed=440)
    signals = []
    for name in TECHNIQUES:
        play = synthesizer(f"{name}:sr=4096,duration=2.0")
        low, high = (
            np.array([getattr(p, end) for p in play.parameters]) for end in ("low", "high")
        )
        signals.extend(play(low * (high / low) ** rng.uniform(size=3)) for _ in range(100))
    return signals, np.repeat(TECHNIQUES, 100)


@pytest.mark.parametrize(("features", "n_carriers"), [("scattering:J=10", 1), ("jtfs:J=10", 9)])
def test_playing_techniques_are_told_from_frames(features, n_carriers, techniques):
    signals, labels = techniques
    X, classifier = framed(signals, features, 4096)
    test = np.arange(len(labels)) % 5 == 0
    fitted = classifier.fit(X[~test], labels[~test])
    assert fitted["classify"].paths.shape[1] == n_carriers
    assert fitted.score(X[test], labels[test]) > 0.95


def test_rising_and_falling_loudness_are_told_from_frames_but_not_from_their_mean(rng):
    ramp = np.linspace(0.05, 1, 4096)
    rising = [ramp * rng.normal(size=4096) for _ in range(80)]
    signals = [y for noise in rising for y in (noise, noise[::-1])]
    labels = np.tile(["rising", "falling"], 80)
    X, classifier = framed(signals, "scattering:J=8,Q=1", 4096)
    assert classifier.fit(X[:80], labels[:80]).score(X[80:], labels[80:]) > 0.9
    means = X.reshape(160, -1, X.shape[1] // classifier["classify"].paths.size).mean(axis=2)
    alone = make_classifier("convnet:n_epochs=30").estimator.fit(means[:80], labels[:80])
    assert 0.3 < alone.score(means[80:], labels[80:]) < 0.7


def test_a_delay_matters_little(rng):
    """Which of two events comes first is told at times at which it was never heard."""
    events = rng.normal(size=(400, 3, 64)) / 4
    labels = np.tile(["first", "second"], 200)
    starts = np.concatenate([rng.integers(4, 20, size=200), rng.integers(30, 46, size=200)])
    for clip, label, start in zip(events, labels, starts, strict=True):
        clip[0 if label == "first" else 1, start : start + 4] += 2
        clip[1 if label == "first" else 0, start + 8 : start + 12] += 2
    X = events.reshape(400, -1)
    fitted = ConvnetClassifier(30, paths=IN_TIME).fit(X[:200], labels[:200])
    assert fitted.score(X[200:], labels[200:]) > 0.9


def test_paths_of_joint_scattering_are_channels_of_adjacent_carriers(rng):
    names = JointScattering(J=9, J_fr=2)(rng.normal(size=8192), 8192).names
    paths = path_grid(names)
    assert sorted(paths[paths >= 0]) == list(range(len(names)))
    assert paths.shape[1] > 1
    for channel in paths:
        there = [names[i] for i in channel if i >= 0]
        assert len({(each.order, each.modulation, each.scale, each.spin) for each in there}) == 1
        assert [each.carrier for each in there] == sorted(each.carrier for each in there)
    for carriers in paths.T:
        assert len({names[i].carrier for i in carriers if i >= 0}) == 1


@pytest.mark.parametrize("extract", [JointScattering(J=9, J_fr=2, F=0), Scattering(J=9)])
def test_paths_without_a_grid_of_carriers_are_channels_of_their_own(extract, rng):
    names = extract(rng.normal(size=8192), 8192).names
    np.testing.assert_array_equal(path_grid(names), np.arange(len(names))[:, None])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("paths", [IN_TIME, JOINT])
def test_a_model_of_frames_predicts_the_same_when_read_again(paths, n_classes, rng, tmp_path):
    n_paths = int(paths.max()) + 1
    names = [FeatureName("cqt", i, carrier=55.0 * 2**i) for i in range(n_paths)]
    if paths is JOINT:
        for channel, carrier in np.argwhere(paths >= 0).tolist():
            path = int(paths[channel, carrier])
            joint = {"modulation": 4.0, "scale": 1.0, "spin": channel}
            names[path] = FeatureName("jtfs", path, carrier=55.0 * 2**carrier, **joint)
    X = np.exp(rng.normal(size=(60, 12 * n_paths)))
    labels = np.arange(60) % n_classes
    X[labels == 1, :12] *= np.exp(np.linspace(-1, 1, 12))
    names = tuple(name for name in names for _ in range(12))
    classifier = make_classifier(
        "convnet:n_epochs=3", n_frames=12, names=names, calibration_folds=2
    ).fit(X, labels.astype(str))
    np.testing.assert_array_equal(classifier.estimator["classify"].paths, paths)
    classes = tuple(str(number) for number in range(n_classes))
    about = Description(classes=classes, features={}, fingerprint="0", names=names)
    model = model_of(classifier, X, about)
    assert model.kind == "convnet-frames"
    save_model(tmp_path / "a.model", model)
    again = load_model(tmp_path / "a.model")
    np.testing.assert_allclose(again.predict_proba(X), classifier.predict_proba(X), atol=1e-12)


def of_frames(changes):
    """A model of 3 paths of 12 frames, with other arrays."""
    ones, n_features = np.ones(36), 36
    arrays = {
        "levels": ones, "mean": ones, "scale": ones, "eps": np.array(1.0), "limit": np.array(10.0),
        "centers": np.ones((2, n_features)), "paths": IN_TIME,
        "filters1": np.ones((16, 3, 1, 9)), "bias1": np.ones(16),
        "filters2": np.ones((32, 16, 1, 9)), "bias2": np.ones(32),
        "coef": np.ones((2, 32)), "intercept": np.ones(2),
    }  # fmt: skip
    names = tuple(FeatureName("cqt", i // 12) for i in range(n_features))
    about = Description(classes=("a", "b"), features={}, fingerprint="0", names=names)
    return Model(about=about, kind="convnet-frames", arrays={**arrays, **changes}, temperature=1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": np.array([0, 1, 2])}, "paths must be a grid"),
        ({"paths": np.array([[0.0], [1.0], [2.0]])}, "paths must be a grid"),
        ({"paths": np.array([[0], [1], [1]])}, "paths must be a grid"),
        ({"paths": np.array([[0], [1], [3]])}, "paths must be a grid"),
        ({"paths": np.array([[0], [1], [-2]])}, "paths must be a grid"),
        ({"paths": np.full((3, 1), -1)}, "paths must be a grid"),
        ({"paths": np.arange(5)[:, None]}, "36 columns cannot be frames of 5 paths"),
        ({"paths": np.arange(2)[:, None]}, r"filters1 must have shape \(16, 2, 1, 9\), got"),
        ({"paths": np.arange(3)[None]}, r"filters1 must have shape \(16, 1, 3, 9\), got"),
        ({"filters2": np.ones((32, 16, 3, 9))}, r"filters2 must have shape \(32, 16, 1, 9\), got"),
        ({"coef": np.ones((2, 64))}, r"coef must have shape \(2, 32\), got \(2, 64\)"),
    ],
)
def test_a_network_that_does_not_fit_its_frames_is_refused(changes, message):
    assert of_frames({}).predict_proba(np.ones((1, 36))).shape == (1, 2)
    with pytest.raises(ModelError, match=message):
        of_frames(changes)


def test_frames_of_unknown_paths_are_refused():
    with pytest.raises(ValueError, match="the convnet on frames needs the names of their columns"):
        make_classifier("convnet", n_frames=3)
    with pytest.raises(ValueError, match="10 columns cannot be frames of 3 paths"):
        ConvnetClassifier(paths=IN_TIME).fit(np.ones((4, 10)), [0, 1, 0, 1])


def test_the_command_line_trains_a_network_on_frames(rng, tmp_path, capsys):
    for label in ("rising", "falling"):
        for i in range(8):
            ramp = np.linspace(0.05, 0.9, 4000)[:: 1 if label == "rising" else -1]
            (tmp_path / label).mkdir(exist_ok=True)
            audio.save(tmp_path / label / f"{i}.wav", ramp * rng.uniform(-1, 1, size=4000), 8000)
    how = ("--features", "jtfs:J=8,J_fr=2,Q=4", "--sr", 8000, "--seconds", 0.5, "--jobs", 1)
    how = (*how, "--aggregate", "none", "--classifier", "convnet:n_epochs=15")
    model = tmp_path / "a.model"
    assert scatseg("-q", "classify", "evaluate", tmp_path, *how, "--folds", 2) == 0
    assert scatseg("-q", "classify", "train", tmp_path, "-o", model, *how) == 0
    assert load_model(model).kind == "convnet-frames"
    capsys.readouterr()
    assert scatseg("-q", "classify", "predict", model, tmp_path / "rising", "--jobs", 1) == 0
    assert capsys.readouterr().out.count(",rising,") == 8
    unread = tmp_path / "unread.wav"
    unread.write_bytes(b"")
    assert scatseg("classify", "explain", model, unread) == cli.USAGE
    told = capsys.readouterr().err
    assert "only linear-svm, logistic and rbf-svm explain" in told
    assert "unread.wav" not in told


def test_a_number_of_epochs_may_be_of_numpy(rng):
    X, labels = rng.normal(size=(6, 4)), ["a", "b"] * 3
    one, other = (ConvnetClassifier(n).fit(X, labels) for n in (1, np.int64(1)))
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))
