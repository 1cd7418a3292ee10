"""Model files: the same answers again, and nothing that a file could do to its reader."""

import io
import json
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from scatseg.classification.classifiers import CLASSIFIERS as CLASSIFIERS_BY_NAME
from scatseg.classification.classifiers import make_classifier
from scatseg.classification.model_files import load_model, save_model
from scatseg.classification.models import Description, ForeignModel, Model, ModelError, model_of
from scatseg.features import FeatureName

CLASSIFIERS = ["rbf-svm", "linear-svm", "logistic", "knn:n_neighbors=3"]
N_FEATURES = 5


@pytest.fixture
def data(rng):
    """(X, labels): three classes that overlap; the last column is not compressed."""
    labels = np.repeat(["a", "b", "c"], 30)
    X = np.exp(rng.normal(size=(90, N_FEATURES)) + np.repeat([0, 1, 2], 30)[:, None])
    X[:, -1] = np.log(X[:, -1])
    return X, labels


def described(classes, **options):
    names = tuple(
        FeatureName("scattering", i, order=2, carrier=100.0 * 2**i, modulation=4.0)
        for i in range(N_FEATURES)
    )
    options = {"features": {"sr": 22050}, "fingerprint": "0123", **options}
    return Description(classes=tuple(map(str, classes)), names=names, **options)


def trained(data, name="rbf-svm"):
    X, labels = data
    mask = [True] * (N_FEATURES - 1) + [False]
    classifier = make_classifier(name, compress=mask, calibration_folds=3).fit(X, labels)
    return classifier, model_of(classifier, X, described(classifier.classes_))


@pytest.fixture
def saved(data, tmp_path):
    """The path of a model of the default kind."""
    path = tmp_path / "a.model"
    save_model(path, trained(data)[1])
    return path


# --- the same answers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_model_read_again_predicts_as_its_classifier(data, name, tmp_path, rng):
    classifier, model = trained(data, name)
    save_model(tmp_path / "a.model", model)
    again = load_model(tmp_path / "a.model")
    X = np.abs(data[0] * np.exp(rng.normal(size=data[0].shape)))
    np.testing.assert_allclose(again.predict_proba(X), classifier.predict_proba(X), atol=1e-9)


def test_a_model_knows_the_files_that_it_was_trained_on(data, tmp_path):
    classifier, _ = trained(data)
    about = described(classifier.classes_, files=("a" * 64, "b" * 64))
    save_model(tmp_path / "a.model", model_of(classifier, data[0], about))
    assert load_model(tmp_path / "a.model").about == about


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_model_of_two_classes_predicts_as_its_classifier(data, name, rng):
    two = (data[0][:60], data[1][:60])
    classifier, model = trained(two, name)
    X = np.abs(data[0] * np.exp(rng.normal(size=data[0].shape)))
    np.testing.assert_allclose(model.predict_proba(X), classifier.predict_proba(X), atol=1e-9)


def test_a_model_remembers_what_it_is_about(data, tmp_path):
    _, model = trained(data)
    save_model(tmp_path / "a.model", model)
    assert load_model(tmp_path / "a.model").about == model.about


def test_the_same_model_is_the_same_bytes(data, tmp_path):
    for name in ("a", "b"):
        save_model(tmp_path / name, trained(data)[1])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", CLASSIFIERS[:3])
def test_relevance_adds_up_to_the_score_against_the_mean_of_all_classes(data, name):
    _, model = trained(data, name)
    for z in model.standardized(data[0])[::15]:
        scores = model.scores(np.stack([z, np.zeros_like(z)]))
        against = scores - scores.mean(axis=1, keepdims=True)
        found = [model.relevance(z, number).sum() for number in range(3)]
        np.testing.assert_allclose(found, against[0] - against[1], atol=5e-3)


def test_neighbors_do_not_explain_a_clip(data):
    _, model = trained(data, "knn")
    with pytest.raises(ModelError, match="only linear-svm, logistic and rbf-svm explain"):
        model.relevance(np.zeros(N_FEATURES), 0)


def test_energies_are_those_of_the_coefficients(data):
    _, model = trained(data)
    (z,) = model.standardized(data[0][:1])
    expected = [*(data[0][0, :-1] ** 2), 1.0]
    np.testing.assert_allclose(model.energies(z), expected)


def test_other_features_are_refused(data):
    _, model = trained(data)
    model.about.check_fingerprint("0123")
    with pytest.raises(ModelError, match=r"trained on other features \(fingerprint 0123, now 9"):
        model.about.check_fingerprint("9")


def test_vectors_of_another_length_are_refused(data):
    with pytest.raises(ModelError, match=r"X must have shape \(n_clips, 5\), got \(1, 2\)"):
        trained(data)[1].predict_proba([[1.0, 2.0]])


def test_classes_must_be_those_of_the_classifier(data):
    classifier, _ = trained(data)
    with pytest.raises(ModelError, match="the classifier knows"):
        model_of(classifier, data[0], described("xyz"))


# --- files of long ago -------------------------------------------------------------------------

WRITTEN = Path(__file__).parent / "data" / "models"
EXPECTED = json.loads((WRITTEN / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED["probabilities"])
def test_a_model_written_long_ago_predicts_what_it_did_then(name):
    # Written by scikit-learn 1.9.1 and torch 2.13; never to be written again. Whoever changes the
    # format reads these files still. For convnet-frames, columns are 5 frames of 4 paths.
    model = load_model(WRITTEN / f"{name}.model")
    expected = EXPECTED["probabilities"][name]
    np.testing.assert_allclose(model.predict_proba(EXPECTED["X"]), expected, atol=1e-6)


def test_there_is_a_model_of_long_ago_of_every_built_in_classifier():
    assert set(EXPECTED["probabilities"]) == {*CLASSIFIERS_BY_NAME, "convnet-frames"}


# --- files that are no models ------------------------------------------------------------------


class Trap:
    """What a pickle may do: run any code."""

    def __reduce__(self):
        return (print, ("the trap was sprung",))


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path, changes, compression=zipfile.ZIP_STORED):
    entries = {**entries_of(path), **changes}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def npy(array, **options):
    data = io.BytesIO()
    np.save(data, array, **options)
    return data.getvalue()


def claimed(shape, dtype="<f8"):
    """Bytes of an array that claims a shape it does not have."""
    data = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(data, header)
    return data.getvalue() + b"\0" * 80


@pytest.mark.parametrize(
    "content", [b"", b"no model", pickle.dumps(Trap()), b"PK\x03\x04 truncated", npy(np.ones(3))]
)
def test_a_file_that_is_no_archive_is_refused(content, tmp_path, capsys):
    (tmp_path / "a.model").write_bytes(content)
    with pytest.raises(ModelError, match="a model written by scatseg is needed, this is none"):
        load_model(tmp_path / "a.model")
    assert capsys.readouterr().out == ""


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"b\.model.*No such file"):
        load_model(tmp_path / "b.model")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_model_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="this is none"):
        load_model(saved)


def test_a_flipped_bit_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(b"NUMPY") + 200] ^= 1
    saved.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="this is none"):
        load_model(saved)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("../../evil.npy", b"x", "which no model does"),
        ("/etc/passwd", b"x", "which no model does"),
        ("code.py", b"x", "which no model does"),
        ("mean.npy", npy(np.array([Trap()]), allow_pickle=True), "holds object, only numbers"),
        ("mean.npy", npy(np.array(["a", "b"])), "only numbers are read"),
        ("mean.npy", claimed((10**12, 10**6)), "claims shape"),
        ("mean.npy", claimed((-1, 5)), "claims shape|is no array"),
        ("mean.npy", b"no array", "is no array"),
        ("mean.npy", npy(np.ones(4)), r"the array mean must have shape \(5,\), got \(4,\)"),
        ("mean.npy", npy(np.full(5, np.nan)), "the array mean must be finite"),
        ("scale.npy", npy(np.zeros(5)), "must be positive"),
        ("gamma.npy", npy(np.array(-1.0)), "must be positive"),
        ("mean.npy", None, r"needs the arrays .*: see \['mean'\]"),
        ("header.npy", None, "has no header"),
        ("header.npy", npy(np.frombuffer(b"{", np.uint8)), "the header is not JSON"),
        ("header.npy", npy(np.frombuffer(b"[]", np.uint8)), "the header is not that of a model"),
        ("header.npy", npy(np.frombuffer(b"[" * 10**5, np.uint8)), "the header is not JSON"),
    ],
)
def test_an_archive_of_other_things_is_refused(name, content, message, saved, capsys):
    rewritten(saved, {name: content})
    with pytest.raises(ModelError, match=message):
        load_model(saved)
    assert capsys.readouterr().out == ""


def test_a_bomb_is_not_unpacked(saved):
    rewritten(saved, {"mean.npy": npy(np.zeros(10**6))}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="is compressed, encrypted or claims"):
        load_model(saved)


def test_an_encrypted_array_is_not_opened(saved):
    data = bytearray(saved.read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(signature) + flags] |= 1
    saved.write_bytes(data)
    with pytest.raises(ModelError, match="is compressed, encrypted or claims"):
        load_model(saved)


def test_features_that_are_code_are_not_run_unless_they_are_trusted(data, tmp_path):
    classifier, _ = trained(data)
    code = "os:system:command=true+mfcc"
    about = described(classifier.classes_, features={"features": code})
    save_model(tmp_path / "a.model", model_of(classifier, data[0], about))
    with pytest.raises(ModelError, match=r"features are the code os:system; .*\(--trust NAME\)"):
        load_model(tmp_path / "a.model")
    assert load_model(tmp_path / "a.model", trusted=["os:system"]).about == about


@pytest.mark.parametrize("features", [{"features": "mfcc:"}, ["mfcc"]])
def test_features_that_have_no_name_are_refused(features, data, tmp_path):
    classifier, _ = trained(data)
    about = described(classifier.classes_, features=features)
    save_model(tmp_path / "a.model", model_of(classifier, data[0], about))
    with pytest.raises(ModelError, match="its features cannot be read"):
        load_model(tmp_path / "a.model")


def test_an_array_is_not_there_twice(saved):
    with (
        zipfile.ZipFile(saved, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("mean.npy", npy(np.ones(5)))
    with pytest.raises(ModelError, match="holds an array twice"):
        load_model(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "is of version 2, this scatseg reads 1"),
        (
            {"kind": "forest"},
            "a model is one of linear, kernel, neighbors, convnet, .*, got 'forest'",
        ),
        ({"kind": "linear"}, "a linear model needs the arrays"),
        ({"temperature": 0.0}, "temperature, .* must be positive"),
        ({"temperature": "warm"}, "does not fit together"),
        ({"about": {}}, "does not fit together"),
        ({"format": "other"}, "the header is not that of a model"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(change, message, saved):
    header = np.load(io.BytesIO(entries_of(saved)["header.npy"])).tobytes()
    facts = {**json.loads(header), **change}
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    rewritten(saved, {"header.npy": npy(text)})
    with pytest.raises(ModelError, match=message):
        load_model(saved)


# --- classifiers that are not built in ---------------------------------------------------------


@pytest.fixture
def skops(monkeypatch):
    """A stand-in for skops.io that keeps to its interface."""
    fake = types.ModuleType("skops.io")
    stored = {}

    def dumps(obj):
        stored["object"] = obj
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("schema.json", "{}")
        return data.getvalue()

    def load(_file, trusted):
        stored["trusted"] = trusted
        return stored["object"]

    fake.dumps, fake.load = dumps, load
    fake.get_untrusted_types = lambda file: [  # noqa: ARG005 - its name is part of the interface
        "scatseg.classification.calibration.Calibrated",
        "mine.Forest",
    ]
    package = types.ModuleType("skops")
    package.io = fake
    monkeypatch.setitem(sys.modules, "skops", package)
    monkeypatch.setitem(sys.modules, "skops.io", fake)
    return stored


def foreign(data):
    return trained(data, "sklearn.tree:DecisionTreeClassifier:max_depth=2")


def test_a_classifier_of_another_kind_is_a_foreign_model(data):
    assert isinstance(foreign(data)[1], ForeignModel)


def test_a_subclass_is_not_taken_for_what_it_derives_from(data):
    assert isinstance(trained(data, "linear-svm")[1], Model)
    X, labels = data
    fitted = make_classifier("sklearn.svm:LinearSVC", calibration_folds=3, compress=False)
    assert isinstance(fitted.estimator.named_steps["classify"], LinearSVC)
    fitted.fit(X, labels)
    assert isinstance(model_of(fitted, X, described("abc")), ForeignModel)


def test_without_skops_a_foreign_model_names_the_extra(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ModelError, match=r"stored by skops: pip install 'scatseg\[skops\]'"):
        save_model(tmp_path / "a.model", foreign(data)[1])


def test_types_that_are_not_trusted_are_named(data, tmp_path, skops):
    save_model(tmp_path / "a.model", foreign(data)[1])
    with pytest.raises(ModelError, match=r"holds the types mine\.Forest, which could run code"):
        load_model(tmp_path / "a.model")
    assert "trusted" not in skops


def test_types_are_trusted_by_name(data, tmp_path, skops):
    classifier, model = foreign(data)
    save_model(tmp_path / "a.model", model)
    again = load_model(tmp_path / "a.model", trusted=["mine.Forest"])
    assert again.about == model.about
    assert "mine.Forest" in skops["trusted"]
    np.testing.assert_array_equal(again.predict_proba(data[0]), classifier.predict_proba(data[0]))
