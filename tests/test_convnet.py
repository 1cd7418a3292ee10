"""The network, trained with torch and applied with NumPy."""

import importlib.util

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from scatseg.classification.classifiers import make_classifier
from scatseg.classification.convnet import ConvnetClassifier, convnet_scores, n_places
from scatseg.classification.models import Description, ModelError, model_of
from scatseg.features import FeatureName

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


@parametrize_with_checks([ConvnetClassifier(5)])
def test_scikit_learn_finds_nothing_amiss(estimator, check):
    check(estimator)
