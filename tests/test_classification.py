"""Classification: sounds whose answer is known, splits that do not leak, and the command line."""

import csv
import json
import re
import shutil
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.commands import scatseg
from tests.measuring import peak_memory
from threadpoolctl import threadpool_limits

from scatseg import audio, cli
from scatseg.classification import (
    conflicting_copies,
    cross_validate,
    describe_scores,
    duration_baseline,
    learning_curve,
    majority_baseline,
    paired_differences,
    result_elsewhere,
)
from scatseg.classification.calibration import Calibrated, class_log_scores, fit_temperature
from scatseg.classification.classifiers import make_classifier
from scatseg.classification.confusion import (
    binned,
    brier_score,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    percentile_interval,
    reliability,
    resampled_scores,
    scores_of,
)
from scatseg.classification.folds import SplitError, inner_folds, split
from scatseg.classification.models import Description, model_of
from scatseg.classification.steps import (
    Clipper,
    ColumnCompressor,
    FrameScaler,
    LinearMarginClassifier,
    NeighborsClassifier,
    RBFMarginClassifier,
)
from scatseg.classification.tables import scores_document, summary_markdown
from scatseg.clips import ClipFeatures, ClipStoreError, describe_clips
from scatseg.explain import Band, Reason, sentence
from scatseg.labelled import Clip
from scatseg.plotting.classification import (
    confusion_figure,
    relevance_figure,
    reliability_figure,
)
from scatseg.search.descriptions import Describer

SR = 5512  # the modulation filters lie at 15.07, 7.54, 3.77, 1.88, ... Hz
SECONDS = np.arange(2 * SR) / SR

# --- sounds that differ in one thing only ------------------------------------------------------


def tremolo(rate, carrier, phase):
    envelope = 1 + 0.9 * np.sin(2 * np.pi * (rate * SECONDS + phase))
    return envelope * np.sin(2 * np.pi * carrier * SECONDS)


def vibrato(rate, carrier, phase):
    hertz = carrier * 2 ** (0.12 * np.sin(2 * np.pi * (rate * SECONDS + phase)))
    return np.sin(2 * np.pi * np.cumsum(hertz) / SR)


def chirps(direction, carrier, phase):
    place = (2 * SECONDS + phase) % 1
    hertz = carrier * 2 ** (place - 0.5)
    return (np.sin(np.pi * place) ** 2 * np.sin(2 * np.pi * np.cumsum(hertz) / SR))[::direction]


def pulses(pattern, carrier, phase):
    place = ((SECONDS + phase) % 1) * 8
    struck = np.array([int(digit) for digit in str(pattern)])[place.astype(int) % 8]
    return struck * np.exp(-6 * (place % 1)) * np.sin(2 * np.pi * carrier * SECONDS)


SOUNDS = {
    "tremolo": (tremolo, (4, 8, 16), "scattering:J=12,Q=1"),
    "vibrato": (vibrato, (4, 8), "scattering:J=12,Q=1"),
    "chirps": (chirps, (1, -1), "jtfs:J=12,J_fr=3,Q=8"),
    "pulses": (pulses, (10101010, 11001100), "scattering:J=12,Q=1"),
}


class Sounds:
    """Vectors of one kind of sounds, by both orders and by the first alone."""

    def __init__(self, kind):
        make, classes, features = SOUNDS[kind]
        rng = np.random.default_rng(seed=440)
        signals, labels, groups = [], [], []
        for group, carrier in enumerate(2 ** rng.uniform(8.2, 10, size=16)):
            phase = rng.uniform()
            for name in classes:
                signals.append(rng.uniform(0.05, 0.5) * make(name, carrier, phase))
                labels.append(str(name))
                groups.append(group)
        self.labels, self.groups = np.array(labels), np.array(groups)
        self.X, self.columns = described(features, signals)
        order_one = "scattering:J=12,Q=8,max_order=1"
        self.X1, self.columns1 = described(order_one, signals)


def described(features, signals):
    how = ClipFeatures(features=features, sr=SR)
    prepared = [how.prepared(y) for y in signals]
    return how.transformer().transform(prepared).astype(float), how.columns()


@pytest.fixture(scope="module")
def sounds():
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = Sounds(kind)
        return made[kind]

    return of


def accuracy(name, X, labels, groups, columns):
    # Inner folds decide how sure predictions are, not what they are: two are as good as ten.
    classifier = make_classifier(name, compress=columns.uncompressed, calibration_folds=2)
    result = cross_validate(classifier, X, labels, groups=groups, n_folds=4)
    return describe_scores(result, n_resamples=10)["accuracy"]


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize("name", ["rbf-svm", "linear-svm"])
def test_what_differs_in_one_thing_is_told_apart_on_carriers_never_heard(sounds, kind, name):
    made = sounds(kind)
    assert accuracy(name, made.X, made.labels, made.groups, made.columns) > 0.95


@pytest.mark.parametrize("kind", SOUNDS)
def test_order_one_alone_stays_near_chance(sounds, kind):
    made = sounds(kind)
    chance = 1 / len(set(made.labels))
    found = accuracy("linear-svm", made.X1, made.labels, made.groups, made.columns1)
    assert found < chance + 0.25


def explained(made, name):
    """Sentences for all clips, each with its label."""
    classifier = make_classifier(name, compress=made.columns.uncompressed)
    classifier.fit(made.X, made.labels, groups=made.groups)
    about = Description(
        classes=tuple(str(each) for each in classifier.classes_),
        features={},
        fingerprint="",
        names=made.columns.names,
    )
    model = model_of(classifier, made.X, about)
    for z, label in zip(model.standardized(made.X), made.labels, strict=True):
        yield label, model.reasons(z, about.classes.index(label))


def named_rate(reasons):
    words = sentence("x", reasons).split(" at ")
    return float(words[1].split(" Hz")[0]) if len(words) > 1 else np.nan


@pytest.mark.parametrize("name", ["rbf-svm", "linear-svm"])
def test_an_explanation_names_the_rate_of_a_tremolo(sounds, name):
    for label, reasons in explained(sounds("tremolo"), name):
        assert abs(np.log2(named_rate(reasons) / float(label))) < 0.5


def test_an_explanation_names_the_rate_of_a_vibrato_or_its_double(sounds):
    # A carrier is crossed twice a period.
    octaves = [
        np.log2(named_rate(reasons) / float(label))
        for label, reasons in explained(sounds("vibrato"), "rbf-svm")
    ]
    right = [min(abs(each), abs(each - 1)) < 0.5 for each in octaves]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("name", ["rbf-svm", "linear-svm"])
def test_an_explanation_names_the_direction_of_chirps(sounds, name):
    for label, reasons in explained(sounds("chirps"), name):
        direction = "rising" if label == "1" else "falling"
        assert f"because of {direction} modulation" in sentence(label, reasons)


@pytest.mark.parametrize("name", ["rbf-svm", "linear-svm"])
def test_an_explanation_names_the_rate_of_a_pulse_pattern(sounds, name):
    hertz = {"10101010": 4.0, "11001100": 2.0}  # how often a second they repeat
    for label, reasons in explained(sounds("pulses"), name):
        assert abs(np.log2(named_rate(reasons) / hertz[label])) < 0.5


def test_permuted_labels_give_chance(sounds):
    made = sounds("tremolo")
    found = [
        accuracy("rbf-svm", made.X, rng.permutation(made.labels), made.groups, made.columns)
        for rng in map(np.random.default_rng, range(5))
    ]
    # 240 draws of chance 1/3, of which 3 standard deviations are 0.09.
    assert np.mean(found) == pytest.approx(1 / 3, abs=0.1)


# --- splits ------------------------------------------------------------------------------------


QUICK = make_classifier(calibration_folds=2)


@pytest.fixture
def clusters(rng):
    """(X, labels, groups): groups are far apart, classes in them close together."""
    groups = np.repeat(np.arange(10), 12)
    labels = np.tile(np.repeat(["a", "b"], 6), 10)
    centers = rng.normal(size=(10, 2, 6))
    X = centers[groups, (labels == "b").astype(int)] + 0.1 * rng.normal(size=(120, 6))
    return np.exp(X), labels, groups


@pytest.mark.parametrize("options", [{}, {"n_folds": 3, "seed": 4}, {"leave_one_group_out": True}])
def test_groups_stay_together_and_every_clip_is_tested_once(clusters, options):
    _, labels, groups = clusters
    folds = split(labels, groups=groups, **options)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(labels)))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


def test_a_split_without_groups_leaks_and_one_with_groups_does_not(clusters):
    X, labels, groups = clusters
    leaking = cross_validate(QUICK, X, labels, groups=None)
    honest = cross_validate(QUICK, X, labels, groups=groups)
    assert describe_scores(leaking)["accuracy"] > 0.95
    assert describe_scores(honest)["accuracy"] < 0.7
    assert "no groups: if clips share" in leaking.notes[0]
    assert not honest.notes


def test_what_is_learned_comes_from_the_training_folds_alone(clusters, rng):
    X, labels, groups = clusters
    train, test = split(labels, groups=groups)[0]
    noise = X.copy()
    noise[test] = np.exp(9 * rng.normal(size=noise[test].shape))
    states = []
    for rows in (X, noise):
        fitted = make_classifier().fit(rows[train], labels[train], groups=groups[train])
        steps = fitted.estimator_.named_steps
        learned = (steps["compress"].levels_, steps["standardize"].mean_, fitted.temperature_)
        states.append(np.concatenate([np.ravel(each) for each in learned]))
    np.testing.assert_array_equal(*states)


def test_features_are_compressed_and_standardized_over_all_their_frames(rng):
    X = np.exp(rng.normal(size=(40, 2, 3)) + np.arange(6).reshape(2, 3))  # frames differ
    labels = np.tile(["a", "b"], 20)
    mask = np.repeat([True, False], 3)
    made = make_classifier(compress=mask, n_frames=3).fit(X.reshape(40, 6), labels)
    steps = made.estimator_.named_steps
    assert steps["compress"].levels_[:3].tolist() == 3 * [np.median(X[:, 0])]
    Z = made.estimator_[:2].transform(X.reshape(40, 6)).reshape(X.shape)
    np.testing.assert_allclose(Z.mean(axis=(0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=(0, 2)), 1)
    assert Z[:, 1, 2].mean() > Z[:, 1, 1].mean() > Z[:, 1, 0].mean()  # frames still differ


def test_predictions_do_not_depend_on_the_other_clips_of_the_test_fold(clusters, rng):
    X, labels, groups = clusters
    result = cross_validate(QUICK, X, labels, groups=groups)
    noise = X.copy()
    spoiled = np.flatnonzero(result.fold == 0)[1:]
    noise[spoiled] = np.exp(rng.normal(size=noise[spoiled].shape))
    kept = np.flatnonzero(result.fold == 0)[0]
    again = cross_validate(QUICK, noise, labels, groups=groups)
    np.testing.assert_array_equal(again.probabilities[kept], result.probabilities[kept])


def test_a_class_of_one_group_is_named_and_left_out_of_its_fold(clusters):
    X, labels, groups = clusters
    labels = np.where(groups == 3, "rare", labels)
    result = cross_validate(QUICK, X, labels, groups=groups)
    assert result.notes == ("class rare: 12 clips not tested, for all its clips are in one group",)
    assert not result.tested[groups == 3].any()
    assert result.tested[groups != 3].all()
    assert np.isnan(result.probabilities[groups == 3]).all()
    assert describe_scores(result)["n"] == 108


@pytest.mark.parametrize(
    ("labels", "groups", "options", "message"),
    [
        ("aaaa", None, {}, "at least 2 classes are needed, got 1: a"),
        ("aabb", "1122", {}, "5 folds need as many groups, there are 2: .*, or leave one"),
        ("aabb", "1111", {}, "at least 2 groups are needed, all are of one: check the column"),
        ("aabb", "1111", {"leave_one_group_out": True}, "at least 2 groups are needed, all are of"),
        ("aabb", None, {"n_folds": 3}, "3 folds need as many clips of every class, a has 2"),
        ("aabb", None, {"n_folds": 1}, "at least 2 folds are needed, got 1"),
        ("aabb", None, {"leave_one_group_out": True}, "leaving one group out needs groups"),
        ("aabb", "1112", {"leave_one_group_out": True, "n_folds": 2}, None),
        ("abab", "1122", {"n_folds": 2}, None),
    ],
)
def test_what_cannot_be_split_says_why(labels, groups, options, message):
    groups = None if groups is None else list(groups)
    if message is None:
        assert len(split(list(labels), groups=groups, **options)) == 2
        return
    with pytest.raises(SplitError, match=message):
        split(list(labels), groups=groups, **options)


def test_classes_that_never_meet_cannot_be_tested(rng):
    with pytest.raises(SplitError, match="every class needs clips in at least two groups"):
        cross_validate(
            make_classifier(compress=False),
            rng.normal(size=(8, 2)),
            list("aaaabbbb"),
            groups=list("11112222"),
            n_folds=2,
        )


def test_a_published_split_is_trained_on_and_tested_as_it_says(clusters):
    X, labels, groups = clusters
    parts = np.where(groups < 6, "training", np.where(groups < 8, "validation", "test"))
    result = cross_validate(QUICK, X, labels, groups=groups, parts=parts)
    np.testing.assert_array_equal(result.tested, parts == "test")
    assert result.split == "published split (test: 24, training: 72, validation: 24)"
    assert result.notes == ()


def test_a_published_split_is_told_to_have_groups_on_both_sides(clusters):
    X, labels, groups = clusters
    parts = np.tile(["train", "test"], 60)
    result = cross_validate(QUICK, X, labels, groups=groups, parts=parts)
    assert "has 10 groups on both of its sides: 0, 1, 2, 3, 4, ..." in result.notes[0]


def test_published_folds_are_each_tested_once(clusters):
    X, labels, groups = clusters
    result = cross_validate(
        QUICK, X, labels, groups=groups, parts=[f"fold {g % 3}" for g in groups]
    )
    np.testing.assert_array_equal(result.fold, groups % 3)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["train", "", "test", "train"], "1 of 4 have none: fill the column, or ask for folds"),
        (
            ["train", "test", "2", "test"],
            "parts named train and test are needed, got 2, test, train",
        ),
        (["train"] * 4, "parts named train and test are needed, got train"),
        (["1"] * 4, "at least 2 parts of the split are needed, got 1"),
    ],
)
def test_parts_that_are_no_split_say_why(parts, message):
    with pytest.raises(SplitError, match=message):
        split(list("abab"), groups=None, parts=parts)


def test_groups_have_no_default(clusters):
    X, labels, _ = clusters
    with pytest.raises(TypeError, match="groups"):
        cross_validate(QUICK, X, labels)


def test_copies_under_two_labels_or_in_two_groups_are_found():
    X = np.array([[1.0, 2], [3, 4], [1, 2], [3, 4], [1, 2], [5, 6]])
    labels, groups = list("aabaab"), list("112221")
    assert conflicting_copies(X, labels, groups) == [(0, 2), (1, 3), (0, 4)]
    assert conflicting_copies(X, labels, None) == [(0, 2), (1, 3), (0, 4)]
    assert conflicting_copies(X[:4], list("abab"), list("xyxy")) == []


def test_the_majority_class_is_predicted_by_its_baseline(clusters):
    _, labels, groups = clusters
    labels = np.where(np.arange(len(labels)) % 12 < 8, "a", "b")
    result = majority_baseline(labels, groups=groups)
    assert (result.predicted == 0).all()
    assert describe_scores(result)["accuracy"] == pytest.approx(2 / 3)


def test_duration_tells_what_durations_tell(rng):
    labels = np.repeat(["short", "long"], 40)
    seconds = np.where(labels == "short", 0.5, 3.0) * rng.uniform(0.9, 1.1, size=80)
    result = duration_baseline(seconds, labels, groups=None)
    assert describe_scores(result)["accuracy"] == 1
    shuffled = duration_baseline(rng.permutation(seconds), labels, groups=None)
    assert describe_scores(shuffled)["accuracy"] < 0.75


def test_more_clips_teach_more(clusters):
    X, labels, _ = clusters
    points = learning_curve(
        make_classifier("knn:n_neighbors=1", calibration_folds=2),
        X,
        labels,
        groups=None,
        sizes=(2, 32, 1000),
        n_draws=3,
    )
    assert [point["clips"] for point in points] == [2, 32]
    assert points[0]["accuracy"]["mean"] + 0.1 < points[1]["accuracy"]["mean"]
    assert points[0]["accuracy"]["low"] <= points[0]["accuracy"]["mean"]


def test_one_draw_has_no_interval(clusters):
    X, labels, _ = clusters
    classifier = make_classifier("knn:n_neighbors=1", calibration_folds=2)
    (point,) = learning_curve(classifier, X, labels, groups=None, sizes=(2,), n_draws=1)
    assert np.isfinite(point["accuracy"]["mean"])
    assert np.isnan([point["accuracy"][key] for key in ("low", "high")]).all()


@pytest.mark.parametrize("options", [{"n_folds": 3}, {"leave_one_group_out": True}], ids=repr)
def test_a_curve_leaves_out_folds_without_anything_to_test(options, rng):
    # Of class c, all clips are in one group, whose fold has nothing else.
    labels, groups = np.array(list("ababcc")).repeat(4), np.repeat([0, 1, 2], 8)
    X = 9 * np.eye(3)[np.searchsorted(["a", "b", "c"], labels)] + rng.normal(size=(24, 3))
    nearest = make_classifier("knn:n_neighbors=1", compress=False, calibration_folds=2)
    points = learning_curve(nearest, X, labels, groups=groups, sizes=(2, 4), n_draws=2, **options)
    assert [point["balanced_accuracy"]["mean"] for point in points] == [1, 1]


# --- scores ------------------------------------------------------------------------------------

numbers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(numbers)
def test_scores_are_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    accuracy_, balanced, macro_f1 = scores_of(confusion_matrix(truth, predicted, 4))
    occurs = np.unique(truth)
    recalls = metrics.recall_score(truth, predicted, labels=occurs, average="macro")
    assert accuracy_ == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert balanced == pytest.approx(recalls)
    macro = metrics.f1_score(truth, predicted, labels=occurs, average="macro", zero_division=0)
    assert macro_f1 == pytest.approx(macro)


def test_balanced_accuracy_and_macro_f1_are_of_the_same_classes():
    # Both clips of class 0 and one of class 1 are right; class 2 is predicted, but not tested.
    _, balanced, macro_f1 = scores_of([[2, 0, 0], [0, 1, 1], [0, 0, 0]])
    assert balanced == pytest.approx((1 + 1 / 2) / 2)
    assert macro_f1 == pytest.approx((1 + 2 / 3) / 2)


def test_scores_of_each_class_by_hand():
    # Of class 1 two of three predictions are right, and two of four clips are found.
    np.testing.assert_allclose(class_scores([[1, 1], [2, 2]])[1], [2 / 3, 1 / 2, 4 / 7])


def test_a_class_that_is_never_predicted_has_no_precision_and_no_warning():
    np.testing.assert_array_equal(class_scores([[3, 0], [2, 0]])[1], [0, 0, 0])


@pytest.mark.parametrize(
    ("truth", "predicted"), [([0], [2]), ([2], [0]), ([0], [-1]), ([0.7], [0]), ([0], [np.nan])]
)
def test_classes_beyond_their_number_are_refused(truth, predicted):
    with pytest.raises(ValueError, match="class indices must be 0 to 1"):
        confusion_matrix(truth, predicted, 2)
    with pytest.raises(ValueError, match="class indices must be 0 to 1"):
        resampled_scores(truth, [predicted], [0], n_classes=2)


def test_each_clip_needs_a_prediction():
    with pytest.raises(ValueError, match="a prediction for each clip is needed, got 1 for 2"):
        confusion_matrix([0, 1], [1], 2)


@pytest.mark.parametrize("score", [reliability, expected_calibration_error, brier_score])
def test_scores_of_probabilities_need_a_row_for_each_class_index(score):
    P = np.array([[0.9, 0.1], [0.2, 0.8]])
    for truth in ([0, 2], [0, -1]):
        with pytest.raises(ValueError, match="class indices must be 0 to 1"):
            score(truth, P)
    with pytest.raises(ValueError, match="a row of probabilities for each clip is needed, got 2"):
        score([0], P)
    with pytest.raises(ValueError, match=r"probabilities must be of shape \(n_clips, n_classes\)"):
        score(P, [0, 1])


def test_probabilities_may_be_rounded_to_single_precision():
    above = np.nextafter(np.float32(1), np.float32(2))
    assert reliability([0], np.array([[above, 0]], np.float32)).accuracy[-1] == 1


@pytest.mark.parametrize("confidence", [1.2, -0.1, np.nan])
def test_confidences_are_probabilities(confidence):
    with pytest.raises(ValueError, match=r"confidences must be in \[0, 1\]"):
        binned(np.array([0.5, confidence]), np.array([True, False]))


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    found = binned(np.array([0.0, 0.25, 0.26, 1.0]), np.array([True, True, False, True]), n_bins=4)
    np.testing.assert_allclose(found.edges, [0, 0.25, 0.5, 0.75, 1])
    assert found.counts.tolist() == [2, 1, 0, 1]
    np.testing.assert_allclose(found.confidence, [0.125, 0.26, np.nan, 1])
    assert found.error == pytest.approx((2 * 0.875 + 0.26) / 4)


def test_a_class_without_a_clip_has_its_place_in_the_confusion_matrix():
    assert confusion_matrix([0], [1], 3).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_confidences_may_be_rounded_as_in_float32():
    P = np.array([[1, 0], [np.nextafter(np.float32(1), np.float32(2)), 0]], dtype=np.float32)
    assert P.max() > 1
    assert reliability([0, 0], P).error == pytest.approx(0, abs=1e-6)


def test_many_groups_are_resampled_in_little_memory(rng):
    n_groups, n_samples = 20_000, 2000
    truth = rng.integers(0, 2, n_groups)
    options = {"n_classes": 2, "n_resamples": n_samples}
    most = peak_memory(resampled_scores, truth, [truth], np.arange(n_groups), **options)
    assert most < n_samples * n_groups * 8 / 2  # half a weight for each group and sample


def test_resampled_scores_center_on_the_score(rng):
    truth, predicted = rng.integers(0, 3, size=(2, 300))
    drawn = resampled_scores(truth, [predicted], np.arange(300), n_classes=3, n_resamples=500)
    expected = scores_of(confusion_matrix(truth, predicted, 3))
    np.testing.assert_allclose(drawn[0].mean(axis=0), expected, atol=0.01)
    low, high = percentile_interval(drawn[0])
    assert (high - low)[0] == pytest.approx(2 * 1.96 * np.sqrt(2 / 9 / 300), rel=0.15)


def test_an_interval_holds_the_share_that_is_asked_for():
    values = np.arange(101.0)
    np.testing.assert_allclose(percentile_interval(values), [2.5, 97.5])
    np.testing.assert_allclose(percentile_interval(values, confidence=0.5), [25, 75])


def test_clips_that_stand_and_fall_together_make_intervals_wider(rng):
    right = rng.random(20) < 0.7
    truth = np.zeros(200, dtype=int)
    predicted = np.repeat(~right, 10).astype(int)
    widths = []
    for units in (np.arange(200), np.repeat(np.arange(20), 10)):
        drawn = resampled_scores(truth, [predicted], units, n_classes=2, n_resamples=1000)
        low, high = percentile_interval(drawn[0])
        widths.append(high[0] - low[0])
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.15)


def test_equal_systems_do_not_differ_and_unequal_ones_do(clusters):
    X, labels, groups = clusters
    good = cross_validate(QUICK, X, labels, groups=None)
    bad = majority_baseline(labels, groups=None)
    same, worse = (
        next(
            each
            for each in paired_differences({"first": good, "second": other}, n_resamples=500)
            if each["score"] == "accuracy"
        )
        for other in (good, bad)
    )
    assert (same["difference"], same["interval"], same["differs"]) == (0, [0, 0], False)
    assert worse["differs"]
    assert worse["interval"][0] > 0.3
    with pytest.raises(ValueError, match="first and second were not tested on the same clips"):
        paired_differences(
            {
                "first": good,
                "second": cross_validate(
                    QUICK, X, np.where(groups == 3, "r", labels), groups=groups
                ),
            }
        )


def test_calibration_error_of_probabilities_that_hold_is_small(rng):
    P = rng.dirichlet([1, 1, 1], size=20_000)
    truth = (P.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert expected_calibration_error(truth, P) < 0.015
    assert brier_score(truth, P) == pytest.approx(1 - (P**2).sum(axis=1).mean(), abs=0.02)


def test_calibration_error_depends_on_the_bins():
    P, truth = np.array([[0.55, 0.45], [0.95, 0.05]]), [1, 0]
    assert expected_calibration_error(truth, P, n_bins=10) == pytest.approx((0.55 + 0.05) / 2)
    assert expected_calibration_error(truth, P, n_bins=1) == pytest.approx(0.75 - 0.5)


def test_dots_of_reliability_have_the_sizes_of_their_key():
    P = np.array([[0.95, 0.05]] * 4 + [[0.65, 0.35]])  # bins of 80 % and 20 %
    figure = reliability_figure({"system": reliability([0] * 5, P)})
    (ax,) = figure.axes
    (key,) = figure.legends
    areas = {dot.get_label(): dot.get_markersize() ** 2 for dot in key.legend_handles}
    assert list(areas) == [f"{share}% of predictions" for share in (5, 20, 50)]
    least, most = sorted(ax.collections[0].get_sizes())
    assert least == pytest.approx(areas["20% of predictions"])
    assert areas["50% of predictions"] < most


def test_reliability_puts_every_prediction_into_its_bin():
    P = np.array([[0.55, 0.45], [0.6, 0.4], [0.95, 0.05], [0.0, 1.0]])
    found = reliability([0, 1, 0, 1], P)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert found.accuracy[5] == 0.5
    assert found.confidence[9] == pytest.approx(0.975)


def test_a_class_unknown_to_a_model_counts_as_wrong():
    P = np.array([[0.9, 0.1], [0.2, 0.8]])
    result = result_elsewhere(["a", "c"], P, ["a", "b"], groups=None, split="before")
    assert result.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert "class b: not known" in result.notes[1]


# --- classifiers -------------------------------------------------------------------------------


@pytest.fixture
def overlapping(rng):
    """(X, labels): three classes that overlap."""
    labels = np.repeat(["a", "b", "c"], 80)
    centers = {"a": 0.0, "b": 1.0, "c": 2.0}
    X = np.array([[centers[label], -centers[label]] for label in labels])
    return np.exp(X + rng.normal(size=(240, 2))), labels


def test_added_margins_are_those_of_scikit_learn(overlapping):
    X, labels = overlapping
    ours = RBFMarginClassifier(C=2.0).fit(X, labels)
    theirs = SVC(C=2.0, gamma="scale", class_weight="balanced", decision_function_shape="ovo").fit(
        X, labels
    )
    ab, ac, bc = theirs.decision_function(X).T
    expected = np.stack([ab + ac, bc - ab, -ac - bc], axis=1) / 2
    np.testing.assert_allclose(ours.decision_function(X), expected, atol=1e-9)


def test_of_two_classes_the_margin_is_scikit_learn_s(overlapping):
    X, labels = overlapping[0][:160], overlapping[1][:160]
    ours = RBFMarginClassifier(C=2.0).fit(X, labels)
    theirs = SVC(C=2.0, gamma="scale", class_weight="balanced").fit(X, labels)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-9)


@pytest.mark.parametrize("name", ["rbf-svm", "linear-svm", "logistic", "knn"])
def test_probabilities_can_be_taken_at_their_word(overlapping, rng, name):
    X, labels = overlapping
    order = rng.permutation(len(labels))
    result = cross_validate(make_classifier(name), X[order], labels[order], groups=None)
    scores = describe_scores(result, n_resamples=10)
    assert scores["calibration_error"] < 0.1
    assert scores["accuracy"] > 0.6


def test_calibration_does_not_change_which_class_is_named(overlapping):
    X, labels = overlapping
    fitted = make_classifier().fit(X, labels)
    named = fitted.classes_[fitted.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(X), named)
    np.testing.assert_array_equal(fitted.estimator_.predict(X), named)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)


def test_too_few_clips_for_inner_folds_leave_the_temperature_at_one():
    fitted = make_classifier("knn:n_neighbors=1", compress=False).fit([[0.0], [1.0]], ["a", "b"])
    assert (fitted.temperature_, fitted.n_folds_) == (1, 0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_clips", [1, 10])
def test_after_n_clips_without_an_error_the_chance_of_one_is_1_in_n_plus_2(n_clips, n_classes):
    truth = np.arange(n_clips) % n_classes
    scores = 5.0 * np.eye(n_classes)[truth]
    probable = softmax(scores / fit_temperature(truth, scores), axis=1)
    np.testing.assert_allclose(probable.max(axis=1), (n_clips + 1) / (n_clips + 2), rtol=1e-4)


def test_scores_of_two_classes_are_of_opposite_sign_or_log_probabilities():
    X, labels = np.array([[-1.0], [1.0]]), ["a", "b"]
    margins = class_log_scores(SVC(kernel="linear").fit(X, labels), X)
    np.testing.assert_allclose(margins, [[1, -1], [-1, 1]])
    shares = class_log_scores(KNeighborsClassifier(n_neighbors=1).fit(X, labels), X)
    np.testing.assert_allclose(np.exp(shares), [[1, 0.01], [0.01, 1]])


@pytest.mark.parametrize(
    ("labels", "groups", "n_folds"),
    [
        ("aaaaabbb", None, 3),
        ("aaaaabbb", "stuvwxyz", 5),
        ("aaaaabbb", "xxyyxxyy", 2),
        ("ab", None, 0),
        ("ab", "xy", 0),
    ],
)
def test_there_are_as_many_inner_folds_as_clips_and_groups_allow(labels, groups, n_folds):
    groups = None if groups is None else list(groups)
    assert len(inner_folds(np.array(list(labels)), groups, 10, 0)) == n_folds


def test_no_error_among_few_clips_is_no_certainty(rng):
    X = np.concatenate([rng.normal(-5, 1, size=20), rng.normal(5, 1, size=20)])[:, None]
    fitted = make_classifier(compress=False).fit(X, np.repeat(["a", "b"], 20))
    assert 0.9 < fitted.predict_proba([[5.0]]).max() < 0.995


def test_neighbors_are_all_where_there_are_less():
    fitted = make_classifier("knn:n_neighbors=9", compress=False).fit([[0.0], [1.0]], ["a", "b"])
    np.testing.assert_allclose(fitted.predict_proba([[0.1]]), [[0.5, 0.5]])


def test_inner_folds_keep_groups_together(clusters):
    seen = []

    class Spy(LinearMarginClassifier):
        def fit(self, X, y):
            seen.append(set(X[:, -1]))
            return super().fit(X, y)

    X, labels, groups = clusters
    tagged = np.column_stack([X, groups])
    Calibrated(Spy(), n_folds=5).fit(tagged, labels, groups=groups)
    *inner, whole = seen
    assert len(inner) == 5
    assert whole == set(groups)
    assert [len(each) for each in inner] == [8] * 5


def test_tuning_finds_the_number_of_neighbors_that_noise_asks_for(overlapping):
    X, labels = overlapping
    fitted = make_classifier("knn", tune=True).fit(X, labels)
    assert fitted.estimator_.named_steps["classify"].n_neighbors > 1


def test_tuning_on_folds_that_lack_a_class_is_silent_and_chooses_by_the_classes_there(rng):
    # Each kit has two of three classes, so that every inner fold lacks one that is predicted.
    labels = np.array(["a", "b", "b", "c", "c", "a"]).repeat(4)
    groups = np.repeat([0, 1, 2], 8)
    X = np.eye(3)[np.searchsorted(["a", "b", "c"], labels)] + rng.normal(size=(24, 3))
    plain = make_classifier("knn:n_neighbors=1", compress=False).estimator
    grid = {"classify__n_neighbors": [1, 2, 3, 5, 8, 13]}
    fitted = Calibrated(plain, grid=grid).fit(X, labels, groups)
    mean_recalls = []
    for n_neighbors in grid["classify__n_neighbors"]:
        plain.set_params(classify__n_neighbors=n_neighbors)
        recalls = []
        for train, test in inner_folds(labels, groups, 10, 0):
            predicted = plain.fit(X[train], labels[train]).predict(X[test])
            hits = predicted == labels[test]
            recalls.append(
                np.mean([hits[labels[test] == name].mean() for name in set(labels[test])])
            )
        mean_recalls.append(np.mean(recalls))
    best = grid["classify__n_neighbors"][int(np.argmax(mean_recalls))]
    assert len(set(mean_recalls)) > 1
    assert fitted.estimator_.named_steps["classify"].n_neighbors == best


def test_only_the_named_columns_are_compressed():
    X = np.array([[1.0, -5.0], [2.0, 3.0], [4.0, 9.0]])
    found = ColumnCompressor([True, False]).fit_transform(X)
    np.testing.assert_allclose(found[:, 0], np.log1p(X[:, 0] / 0.2))
    np.testing.assert_array_equal(found[:, 1], X[:, 1])


def test_columns_must_be_those_of_x():
    with pytest.raises(ValueError, match="columns must be True, False or 2 of these"):
        ColumnCompressor([True]).fit([[1.0, 2.0]])


def test_outliers_are_clipped():
    np.testing.assert_array_equal(Clipper().fit_transform([[-99.0, 3.0]]), [[-10, 3]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("svn", "unknown classifier 'svn': choose from rbf-svm"),
        ("knn:C=1", "classifier 'knn' does not take"),
        ("knn+logistic", r"one classifier is needed, got 'knn\+logistic'"),
        ("collections:Counter", "must have fit and get_params"),
        ("sklearn.svm:SVR", "'sklearn.svm:SVR' predicts numbers: one that predicts classes is"),
    ],
)
def test_a_classifier_that_cannot_be_made_says_why(name, message):
    with pytest.raises(ValueError, match=message):
        make_classifier(name)


@pytest.mark.parametrize("separator", [":", "."])
def test_any_classifier_of_scikit_learn_can_be_named(overlapping, separator):
    X, labels = overlapping
    name = f"sklearn.ensemble{separator}RandomForestClassifier:n_estimators=10"
    forest = make_classifier(name, seed=3)
    assert forest.estimator.named_steps["classify"].random_state == 3
    assert forest.fit(X, labels).predict_proba(X).shape == (240, 3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes are needed, got 1 class: a"):
        make_classifier(compress=False).fit([[0.0], [1.0]], ["a", "a"])


def test_a_search_can_set_the_steps(overlapping):
    X, labels = overlapping
    search = GridSearchCV(make_classifier(), {"estimator__classify__C": [1, 10]}, cv=2)
    assert search.fit(X, labels).best_params_["estimator__classify__C"] in (1, 10)


@parametrize_with_checks(
    [
        ColumnCompressor(),
        FrameScaler(),
        Clipper(),
        RBFMarginClassifier(),
        NeighborsClassifier(),
        Calibrated(RBFMarginClassifier(), n_folds=2),
    ]
)
def test_scikit_learn_finds_nothing_amiss(estimator, check):
    check(estimator)


# --- vectors of files --------------------------------------------------------------------------


@pytest.fixture
def drums(tmp_path):
    """A folder of 2 classes x 6 kits, as an index.csv in audio/ style."""
    rng = np.random.default_rng(seed=440)
    (tmp_path / "audio").mkdir()
    rows = ["file,label,group"]
    t = np.arange(2000) / 8000
    for kit in range(6):
        for label, hertz in (("kick", 80), ("hat", 2500)):
            y = np.exp(-20 * t) * np.sin(2 * np.pi * hertz * rng.uniform(0.9, 1.1) * t)
            audio.save(tmp_path / "audio" / f"{label}{kit}.wav", 0.5 * y, 8000)
            rows.append(f"{label}{kit}.wav,{label},{kit}")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


FAST = ClipFeatures(features="scattering:J=8,Q=1", sr=8000)


def clip(path):
    return Clip(id=path.name, path=path, labels=("x",))


def test_loudness_of_a_file_does_not_matter(tmp_path, rng):
    y = rng.normal(size=4000) * 0.05
    for name, gain in (("quiet.wav", 1), ("loud.wav", 4)):
        audio.save(tmp_path / name, gain * y, 8000)
    found = describe_clips([clip(tmp_path / "quiet.wav"), clip(tmp_path / "loud.wav")], FAST)
    np.testing.assert_allclose(found.X[0], found.X[1], rtol=2e-3, atol=1e-6)
    assert found.seconds.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("seconds", "n_samples"), [(None, 8000), (0.5, 4000), (0.1, 800), (2.0, 16000)]
)
def test_short_sounds_are_padded_and_long_ones_cut(seconds, n_samples):
    how = ClipFeatures(features="mfcc", sr=8000, seconds=seconds)
    prepared = how.prepared(np.full(2000, 0.5))
    assert len(prepared) == n_samples
    assert prepared[: min(2000, n_samples)].tolist() == [1.0] * min(2000, n_samples)
    assert not prepared[2000:].any()


def test_files_that_cannot_be_described_do_not_stop_the_others(drums):
    audio.save(drums / "silent.wav", np.zeros(4000), 8000)
    (drums / "broken.wav").write_text("no music")
    audio.save(drums / "short.wav", np.full(80, 0.1), 8000)  # 10 ms
    names = ("silent.wav", "broken.wav", "missing.wav", "short.wav")
    found = describe_clips([clip(drums / name) for name in names], FAST)
    assert [each.id for each in found.clips] == ["short.wav"]
    reasons = {failure.track: failure.error for failure in found.failures}
    assert "silent: there is nothing to describe" in reasons["silent.wav"]
    assert "NotAudioError" in reasons["broken.wav"]
    assert "No such file" in reasons["missing.wav"]


def test_stored_vectors_are_those_of_the_files(drums, tmp_path, monkeypatch):
    clips = [clip(path) for path in sorted((drums / "audio").iterdir())]
    store = tmp_path / "store"
    first = describe_clips(clips[:5], FAST, store=store)
    second = describe_clips(clips, FAST, store=store)
    monkeypatch.setattr("scatseg.audio.decode", None)
    third = describe_clips(clips, FAST, store=store)
    np.testing.assert_array_equal(third.X, second.X)
    np.testing.assert_array_equal(third.X[:5], first.X)


@pytest.mark.parametrize(("worth", "in_processes"), [(0.0, 4), (3600.0, 0)])
def test_processes_are_started_for_long_work_only(worth, in_processes, drums, monkeypatch):
    shared = []

    def map_pure(function, items, *, n_jobs):
        assert n_jobs == 2
        shared.extend(items)
        return map(function, items)

    listed = [clip(path) for path in sorted((drums / "audio").iterdir())[:5]]
    alone = describe_clips(listed, FAST)
    monkeypatch.setattr("scatseg.clips.map_pure", map_pure)
    monkeypatch.setattr("scatseg.clips._WORTH_PROCESSES", worth)
    together = describe_clips(listed, FAST, n_jobs=2)
    assert shared == [each.path for each in listed[5 - in_processes :]]
    np.testing.assert_array_equal(together.X, alone.X)
    assert together.hashes == alone.hashes


def test_descriptions_do_not_depend_on_the_number_of_threads(tmp_path, rng):
    audio.save(tmp_path / "noise.wav", 0.1 * rng.normal(size=3 * 22050), 22050)
    features = ClipFeatures(features="mfcc", seconds=3.0)
    found = []
    for n_threads in (1, 4):
        with threadpool_limits(n_threads):
            found.append(describe_clips([clip(tmp_path / "noise.wav")], features).X)
    np.testing.assert_array_equal(*found)


def n_stored(store):
    return sum(len(np.load(file)["keys"]) for file in store.glob("*"))


def test_vectors_of_an_interrupted_run_are_stored(drums, tmp_path):
    clips = [clip(path) for path in sorted((drums / "audio").iterdir())[:5]]
    store = tmp_path / "store"

    def interrupt(id_):
        if id_ == clips[2].id:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe_clips(clips, FAST, store=store, on_clip=interrupt)
    assert n_stored(store) == 3


def test_vectors_are_stored_from_time_to_time(drums, tmp_path, monkeypatch):
    monkeypatch.setattr("scatseg.clips._SAVE_EVERY", -1.0)
    clips = [clip(path) for path in sorted((drums / "audio").iterdir())[:3]]
    store, seen = tmp_path / "store", []
    describe_clips(clips, FAST, store=store, on_clip=lambda _: seen.append(n_stored(store)))
    assert seen == [1, 2, 3]


def test_vectors_that_another_process_stored_meanwhile_are_kept(drums, tmp_path):
    clips = [clip(path) for path in sorted((drums / "audio").iterdir())[:5]]
    store = tmp_path / "store"

    def other(id_):
        if id_ == clips[2].id:
            describe_clips(clips[:2], FAST, store=store)

    describe_clips(clips[2:], FAST, store=store, on_clip=other)
    assert n_stored(store) == 5


def test_other_options_are_stored_apart():
    names = {
        ClipFeatures(**options).fingerprint()
        for options in (
            {},
            {"sr": 16000},
            {"seconds": 1.0},
            {"aggregate": "mean+std"},
            {"features": "scattering:J=11"},
        )
    }
    assert len(names) == 5


def test_a_store_that_is_broken_says_so(drums, tmp_path):
    clips = [clip(drums / "audio" / "kick0.wav")]
    describe_clips(clips, FAST, store=tmp_path)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(b"broken")
    with pytest.raises(ClipStoreError, match="stored vectors cannot be read"):
        describe_clips(clips, FAST, store=tmp_path)


def test_where_a_feature_of_ones_own_lies_in_memory_is_no_option(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = """
        from scatseg.spectral import MFCC
        alive = []
        class Plain:
            def __init__(self):
                alive.append(self)
            def __call__(self, y, sr):
                return MFCC()(y, sr)
    """
    (tmp_path / "plain_feature.py").write_text(textwrap.dedent(code), encoding="utf-8")
    made = ClipFeatures(features="plain_feature:Plain")
    assert made.fingerprint() == made.fingerprint()
    assert " at 0x" not in Describer(features="plain_feature:Plain").fingerprint()


def test_vectors_of_changed_code_of_ones_own_are_not_taken_from_the_store(
    drums, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "feature_of_ones_own.py"
    code = "from scatseg.spectral import MFCC\nclass Mine(MFCC): pass\n"
    for change, n_files in (("", 1), ("", 1), ("# otherwise\n", 2)):
        module.write_text(code + change, encoding="utf-8")
        features = ClipFeatures(features="feature_of_ones_own:Mine")
        describe_clips([clip(drums / "audio" / "kick0.wav")], features, store=tmp_path / "store")
        assert len(list((tmp_path / "store").iterdir())) == n_files


def test_an_exit_in_custom_features_is_a_failure_of_the_clip(drums, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = """
        import sys
        from scatseg.spectral import MFCC
        def mine(y, sr):
            return sys.exit(3) if y.any() else MFCC()(y, sr)
    """
    (tmp_path / "leaving_feature.py").write_text(textwrap.dedent(code))
    features = ClipFeatures(features="leaving_feature:mine")
    described = describe_clips([clip(drums / "audio" / "kick0.wav")], features)
    assert [each.error for each in described.failures] == ["SystemExit: 3"]


def test_a_model_is_not_applied_to_features_whose_code_has_changed(
    drums, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path)
    module, own = tmp_path / "modelled_feature.py", "modelled_feature:Mine"
    module.write_text("from scatseg.spectral import MFCC\nclass Mine(MFCC): pass\n")
    model, kick = tmp_path / "drums.model", drums / "audio" / "kick0.wav"
    train = ("classify", "train", drums, "-o", model, "--features", own, "--jobs", 1)
    predict = ("classify", "predict", model, kick, "--trust", own)
    assert scatseg(*train) == 0
    assert scatseg(*predict) == 0
    module.write_text(module.read_text() + "# otherwise\n")
    capsys.readouterr()
    assert scatseg(*predict) == 2
    assert "the code of custom features has changed: train it again" in " ".join(
        capsys.readouterr().err.split()
    )
    assert scatseg(*train) == 0
    assert scatseg(*predict) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0.0}, "lengths must be positive and at most 3600 s"),
        ({"least_seconds": 1e12}, "lengths must be positive and at most 3600 s"),
        ({"sr": 10**12}, "sr must be a whole number of Hz from 1 to 1000000"),
        ({"aggregate": "none", "seconds": 600.0}, "none is for at most 190 s, got 600 s"),
    ],
)
def test_options_that_would_fill_the_memory_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ClipFeatures(**options)


def test_a_length_in_seconds_is_a_sample_or_more():
    with pytest.raises(ValueError, match="at least one sample, got 1e-06 s at 22050 Hz"):
        ClipFeatures(features="mfcc", seconds=1e-6)


def test_sampling_rates_of_clips_are_whole_numbers_of_any_type():
    assert ClipFeatures(features="mfcc", sr=8000.0) == ClipFeatures(features="mfcc", sr=8000)
    with pytest.raises(ValueError, match=r"positive whole number of Hz, got 22\.05"):
        ClipFeatures(features="mfcc", sr=22.05)


@pytest.mark.parametrize("score", [cross_validate, learning_curve])
def test_clips_labels_and_groups_are_equally_many(score, rng):
    X, labels = rng.normal(size=(30, 2)), np.array(list("ab" * 15))
    classifier = make_classifier("knn", compress=False)
    for kept, groups in ((labels[:-1], None), (labels, np.arange(29))):
        n_groups = "no" if groups is None else "29"
        counts = f"30 rows of X, {len(kept)} labels and {n_groups} groups"
        with pytest.raises(ValueError, match=f"must be of one length, got {counts}"):
            score(classifier, X, kept, groups=groups)


def test_only_scattering_is_left_to_be_compressed():
    columns = ClipFeatures(features="scattering:J=8+mfcc").columns()
    families = np.array([name.family for name in columns.names])
    np.testing.assert_array_equal(columns.uncompressed, families == "scattering")
    loud = ClipFeatures(features="scattering:J=8,compression=mean").columns()
    assert not loud.uncompressed.any()


def test_uncompressed_features_are_told_apart_from_others_of_their_family():
    raw, compressed = "scattering:J=6,max_order=1", "scattering:J=5,compression=mean"
    n_raw = len(ClipFeatures(features=raw).columns().names)
    expected = np.arange(len(ClipFeatures(features=f"{raw}+{compressed}").columns().names)) < n_raw
    both = ClipFeatures(features=f"{raw}+{compressed}", aggregate="mean+std").columns()
    np.testing.assert_array_equal(both.uncompressed.reshape(2, -1), [expected, expected])
    turned = ClipFeatures(features=f"{compressed}+{raw}").columns()
    np.testing.assert_array_equal(turned.uncompressed, expected[::-1])
    frames = ClipFeatures(features=f"{raw}+{compressed}", aggregate="none", seconds=0.5).columns()
    np.testing.assert_array_equal(frames.uncompressed, np.repeat(expected, frames.n_frames))


def test_frames_have_the_names_of_their_features():
    how = ClipFeatures(features="scattering:J=8,Q=1+mfcc", sr=8000, seconds=0.5, aggregate="none")
    X, columns = how.transformer().transform([np.ones(4000)]), how.columns()
    by_feature = np.reshape(np.array(columns.names, dtype=object), (-1, columns.n_frames))
    assert X.shape == (1, len(columns.names))
    assert columns.n_frames > 1
    assert list(by_feature[:, 0]) == list(how.transformer().feature_names_)
    assert (by_feature == by_feature[:, :1]).all()
    assert columns.titles[1].startswith(f"{columns.names[1]} at 0.")
    families = np.array([name.family for name in columns.names])
    np.testing.assert_array_equal(columns.uncompressed, families == "scattering")


def test_all_frames_are_kept_of_sounds_of_one_length_only():
    with pytest.raises(ValueError, match=r"sounds of one length: give seconds \(--seconds\)"):
        ClipFeatures(aggregate="none")


# --- the command line --------------------------------------------------------------------------


HOW = ("--features", "scattering:J=8,Q=1", "--sr", 8000, "--jobs", 1)


def test_evaluate_writes_scores_predictions_and_figures(drums, tmp_path, capsys):
    out = tmp_path / "out"
    command = ("classify", "evaluate", drums, "-o", out, *HOW, "--folds", 3)
    assert scatseg(*command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    scores = json.loads((out / "scores.json").read_text())
    assert scores["features"] == "scattering:J=8,Q=1"
    assert scores["classifier"] == "rbf-svm"
    assert scores["split"] == "StratifiedGroupKFold(3), seed 0"
    assert (scores["n"], scores["classes"]) == (12, ["hat", "kick"])
    assert scores["accuracy"] == scores["balanced_accuracy"] == scores["macro_f1"] == 1
    assert [each["features"] for each in scores["baselines"]] == [
        "baseline:majority",
        "baseline:duration",
    ]
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert all(row["truth"] == row["prediction"] for row in rows)
    assert float(rows[0]["p_kick"]) + float(rows[0]["p_hat"]) == pytest.approx(1, abs=1e-5)
    assert (out / "confusion.csv").read_text() == "truth,hat,kick\nhat,6,0\nkick,0,6\n"
    written = {path.name for path in out.iterdir()}
    assert {"confusion.png", "confusion.svg", "reliability.png", "run.json"} <= written


def test_several_features_are_compared_on_the_same_folds(drums, tmp_path):
    out = tmp_path / "out"
    more = ("--features", "mfcc", "--classifier", "linear-svm", "--folds", 3)
    assert scatseg("classify", "evaluate", drums, "-o", out, *HOW, *more) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert [each["features"] for each in scores["systems"]] == ["scattering:J=8,Q=1", "mfcc"]
    folds = {}
    for row in csv.DictReader((out / "predictions.csv").read_text().splitlines()):
        folds.setdefault(row["features"], []).append((row["file"], row["fold"]))
    assert folds["mfcc"] == folds["scattering:J=8,Q=1"]
    assert {each["second"] for each in scores["differences"]} == {
        "mfcc",
        "baseline:majority",
        "baseline:duration",
    }


def test_no_groups_is_said_aloud(drums, capsys):
    assert scatseg("classify", "evaluate", drums, *HOW, "--ignore-groups", "--folds", 3) == 0
    assert "these scores are too optimistic" in capsys.readouterr().out


def test_train_then_predict_then_explain(drums, tmp_path, capsys):
    model = tmp_path / "drums.model"
    assert scatseg("-q", "classify", "train", drums, "-o", model, *HOW) == 0
    assert capsys.readouterr().out == f"{model}\n"
    sound = drums / "audio" / "kick3.wav"
    assert scatseg("-q", "classify", "predict", model, sound, "--jobs", 1) == 0
    header, row = csv.reader(capsys.readouterr().out.splitlines())
    assert header == ["file", "prediction", "p_hat", "p_kick"]
    assert row[:2] == [str(sound), "kick"]
    command = ("-q", "classify", "explain", model, sound, "-o", tmp_path / "why", "--jobs", 1)
    assert scatseg(*command) == 0
    assert capsys.readouterr().out.startswith("kick3: called kick because of ")
    assert (tmp_path / "why" / "kick3.png").is_file()
    assert scatseg(*command, "--as", "hat") == 0
    assert capsys.readouterr().out.startswith("kick3: called kick; ")
    assert scatseg("-q", "classify", "explain", model) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["hat", "kick"]


@pytest.mark.parametrize("classifier", ["rbf-svm", "linear-svm", "logistic", "knn"])
def test_all_frames_are_classified_and_explained(classifier, drums, tmp_path, capsys):
    model = tmp_path / "drums.model"
    frames = ("--aggregate", "none", "--seconds", 0.5, "--classifier", classifier)
    assert scatseg("-q", "classify", "train", drums, "-o", model, *HOW, *frames) == 0
    capsys.readouterr()
    assert scatseg("-q", "classify", "predict", model, drums / "audio", "--jobs", 1) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))[1:]
    assert {called in path for path, called, *_ in rows} == {True}
    command = ("-q", "classify", "explain", model, drums / "audio" / "hat0.wav", "--jobs", 1)
    assert scatseg(*command) == (2 if classifier == "knn" else 0)
    told = capsys.readouterr()
    expected = "only linear-svm" if classifier == "knn" else "hat0: called hat because of "
    assert expected in told.out + told.err


def test_all_frames_need_a_length(drums, capsys):
    assert scatseg("classify", "evaluate", drums, *HOW, "--aggregate", "none") == cli.USAGE
    assert "give seconds (--seconds)" in capsys.readouterr().err


def test_modulations_slower_than_a_sound_are_not_named(drums, tmp_path, capsys):
    model = tmp_path / "drums.model"
    how = ("--features", "scattering:J=12,Q=1", "--sr", 8000, "--jobs", 1)
    assert scatseg("-q", "classify", "train", drums, "-o", model, *how) == 0
    for label in ("kick", "hat"):
        command = ("-q", "classify", "explain", model, drums / "audio", "--as", label)
        assert scatseg(*command, "--jobs", 1) == 0
    out = capsys.readouterr().out
    rates = [float(rate) for rate in re.findall(r"modulation at ([\d.]+) Hz", out)]
    assert rates
    assert min(rates) >= 4  # the sounds last a quarter of a second


def test_a_figure_of_reasons_shows_the_whole_sentence():
    band = Band(family="scattering", order=2, carrier=12, rate=1)
    reasons = [Reason(band=band, relevance=1.0, evidence=1.0, rate=1.9)]
    text = sentence("hihat", reasons)
    figure = relevance_figure(
        reasons, title="a long name of a clip, 48 kHz, second take", text=text
    )
    assert figure.axes[0].get_title("left") == text


def test_confusions_have_a_panel_for_each_system():
    systems = {"mfcc": [[3, 0], [1, 2]], "scattering": [[3, 0], [0, 3]]}
    figure = confusion_figure(systems, ["hat", "kick"])
    assert [ax.get_title("left") for ax in figure.axes] == ["mfcc", "scattering"]
    counts = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert counts == [["3", "1", "2"], ["3", "3"]]


def test_a_class_of_no_clips_has_no_recall():
    ax = confusion_figure({"mfcc": [[3, 1], [0, 0]]}, ["hat", "kick"]).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hat  0.75", "kick"]


def test_a_figure_of_reasons_frames_what_the_sentence_names():
    # Of 14 bands only the last is heard; it would not be among the twelve bars.
    bands = [Band(family="scattering", order=1, carrier=carrier) for carrier in range(14)]
    reasons = [Reason(band=band, relevance=-2.0) for band in bands[:-1]]
    reasons.append(Reason(band=bands[-1], relevance=1.0, evidence=1.0))
    cells, bars = relevance_figure(reasons).axes
    assert [patch.get_xy() for patch in cells.patches] == [(-0.5, 12.5)]
    framed = [bar.get_width() for bar in bars.patches if bar.get_linewidth() > 0]
    assert framed == [1.0]


def test_a_figure_of_reasons_has_the_numbers_of_the_sentence():
    band = Band(family="scattering", order=2, carrier=12, rate=8)
    other = Reason(band=Band(family="scattering", order=1, carrier=10), relevance=0.1)
    reasons = [Reason(band=band, relevance=1.0, evidence=1.0, rate=241.3), other]
    assert sentence("crash", reasons) == (
        "called crash because of amplitude modulation at 240 Hz (band 180-360 Hz) "
        "around 4.1-8.2 kHz"
    )
    cells, bars = relevance_figure(reasons).axes
    assert [tick.get_text() for tick in bars.get_yticklabels()] == [
        "S2 4.1-8.2 kHz at 240 Hz",
        "S1 1-2 kHz",
    ]
    edges = dict(
        zip(cells.get_xticks(), (tick.get_text() for tick in cells.get_xticklabels()), strict=True)
    )
    (frame,) = cells.patches
    left, low = frame.get_xy()
    assert (edges[left], edges[left + 1]) == ("180", "360")
    octaves = [tick.get_text() for tick in cells.get_yticklabels()]
    assert octaves[list(cells.get_yticks()).index(low)] == "4.1k"


def test_sounds_too_short_to_tell_are_named_in_one_warning(drums, tmp_path, capsys):
    model, blips = tmp_path / "drums.model", tmp_path / "blips"
    scatseg("-q", "classify", "train", drums, "-o", model, *HOW)
    blips.mkdir()
    for name in ("a", "b"):
        audio.save(blips / f"{name}.wav", np.full(80, 0.1), 8000)  # 10 ms, of 2^8 samples
    audio.save(blips / "long.wav", np.full(2000, 0.1), 8000)
    capsys.readouterr()
    assert scatseg("classify", "predict", model, blips, "--jobs", 1) == 0
    err = capsys.readouterr().err.splitlines()
    assert [line for line in err if "too short" in line] == [
        "2 of 3 sounds shorter than the averaging scale of 0.032 s, too short for features to "
        "tell much: a, b"
    ]


@pytest.mark.parametrize(
    ("features", "samples"),
    [
        ("scattering", 2**12),
        ("scattering:J=10,T=512", 512),
        ("mfcc", 2048),
        ("scattering:J=8+mfcc", 2048),
    ],
)
def test_what_features_average_over_is_the_longest_of_their_parts(features, samples):
    how = ClipFeatures(features=features, sr=22050)
    assert how.averaging_seconds == pytest.approx(samples / 22050)


def test_what_is_not_probable_enough_is_unsure(drums, tmp_path, capsys):
    model = tmp_path / "drums.model"
    scatseg("-q", "classify", "train", drums, "-o", model, *HOW)
    capsys.readouterr()
    command = ("-q", "classify", "predict", model, drums / "audio", "--min-probability", 1)
    assert scatseg(*command, "--jobs", 1) == 0
    predictions = {row[1] for row in csv.reader(capsys.readouterr().out.splitlines()[1:])}
    assert predictions == {"unsure"}


def test_evaluate_says_how_many_predictions_are_probable_enough(drums, capsys):
    command = ("-q", "classify", "evaluate", drums, "--folds", 3, "--min-probability", 0.01, *HOW)
    assert scatseg(*command) == 0
    assert "100% of predictions are at least 0.01 probable, " in capsys.readouterr().out


def test_a_model_is_scored_by_itself(drums, tmp_path, capsys):
    model, out = tmp_path / "drums.model", tmp_path / "out"
    scatseg("-q", "classify", "train", drums, "-o", model, *HOW)
    command = ("-q", "classify", "evaluate", drums, "--model", model, "-o", out, "--jobs", 1)
    assert scatseg(*command) == 0
    assert "12 of 12 clips: these scores are too optimistic" in capsys.readouterr().out
    assert json.loads((out / "scores.json").read_text())["accuracy"] == 1
    options = json.loads((out / "run.json").read_text())["classify"]["options"]
    assert {"model", "labels", "group"} <= options.keys()
    assert not {"features", "classifier", "folds"} & options.keys()


def test_intervals_of_a_single_group_are_said_to_tell_nothing():
    P = np.array([[0.9, 0.1], [0.2, 0.8]])
    for groups, n_notes in ((["x", "x"], 1), (["x", "y"], 0), (None, 0)):
        result = result_elsewhere(["a", "b"], P, ["a", "b"], groups=groups, split="elsewhere")
        notes = describe_scores(result, n_resamples=10)["notes"]
        assert sum("all that is tested is of one group" in note for note in notes) == n_notes


def test_a_summary_says_how_many_classes_were_tested():
    P = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.2, 0.2, 0.6]])
    for labels, words in (("abc", "3 classes."), ("aba", "2 of 3 classes (balanced accuracy and")):
        result = result_elsewhere(["a", "b", "c"], P, list(labels), groups=None, split="elsewhere")
        document = scores_document({"mfcc": result}, {}, classifier="knn", clips=())
        assert f"3 of 3 clips, {words}" in summary_markdown(document)


def test_a_model_is_scored_as_it_was_trained(drums, capsys):
    command = ("classify", "evaluate", drums, "--model", drums / "index.csv", "--nested")
    assert scatseg(*command, "--features", "mfcc") == cli.USAGE
    assert "--model takes no --features or --nested: leave out" in capsys.readouterr().err


def test_labels_of_several_columns_are_scored_together_and_apart(drums, tmp_path):
    lines = (drums / "index.csv").read_text().splitlines()
    more = [f"{line},{'even' if int(line[-1]) % 2 == 0 else 'odd'}" for line in lines[1:]]
    (drums / "index.csv").write_text("\n".join([f"{lines[0]},parity", *more]))
    out = tmp_path / "out"
    options = ("--label", "label", "--label", "parity", "--folds", 2, "-o", out)
    assert scatseg("classify", "evaluate", drums, *HOW, *options) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["classes"] == ["hat/even", "hat/odd", "kick/even", "kick/odd"]
    assert scores["columns"]["label"]["accuracy"] == 1
    assert scores["columns"]["parity"]["accuracy"] == scores["accuracy"] < 1


def test_a_curve_is_a_table(drums, capsys):
    assert scatseg("-q", "classify", "curve", drums, *HOW, "--folds", 3, "--draws", 2) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["clips"] for row in rows] == ["2", "4"]
    assert float(rows[1]["accuracy_mean"]) > 0.9


def test_intervals_of_a_single_draw_are_empty_cells(drums, capsys):
    assert scatseg("-q", "classify", "curve", drums, *HOW, "--folds", 3, "--draws", 1) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert float(rows[1]["accuracy_mean"]) > 0.9
    assert {row[f"accuracy_{key}"] for row in rows for key in ("low", "high")} == {""}


def test_a_curve_of_few_groups_can_leave_one_out(drums, capsys):
    lines = (drums / "index.csv").read_text().splitlines()
    few = [f"{line[:-1]}{int(line[-1]) // 2}" for line in lines[1:]]
    (drums / "index.csv").write_text("\n".join([lines[0], *few]))
    assert scatseg("-q", "classify", "curve", drums, *HOW) == cli.USAGE
    assert "there are 3: use fewer folds, or leave one group out" in capsys.readouterr().err
    command = ("-q", "classify", "curve", drums, *HOW, "--draws", 1, "--leave-one-group-out")
    assert scatseg(*command) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [float(row["accuracy_mean"]) for row in rows] == [1, 1]


@pytest.fixture
def published(drums):
    """The drums with a published split: kits 0 to 3 for training, 4 and 5 for testing."""
    lines = (drums / "index.csv").read_text().splitlines()
    more = [f"{line},{'train' if int(line[-1]) < 4 else 'test'}" for line in lines[1:]]
    (drums / "index.csv").write_text("\n".join([f"{lines[0]},split", *more]))
    return drums


def test_a_split_that_is_published_is_kept_to(published, capsys):
    assert scatseg("-q", "classify", "evaluate", published, *HOW) == 0
    assert "published split (test: 4, train: 8): 4 of 12 clips" in capsys.readouterr().out


def test_a_curve_keeps_to_a_published_split(published, capsys):
    # Kits 4 and 5, which are tested, are mislabelled: the others say so.
    table = published / "index.csv"
    table.write_text(
        "\n".join(
            line.replace(",kick,", ",HAT,").replace(",hat,", ",kick,").replace(",HAT,", ",hat,")
            if line.endswith("test")
            else line
            for line in table.read_text().splitlines()
        )
    )
    assert scatseg("-q", "classify", "curve", published, *HOW) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("4,0.0000,0.0000,0.0000,")


@pytest.mark.parametrize("command", ["evaluate", "curve"])
def test_folds_are_not_those_of_a_published_split(command, published, capsys):
    assert scatseg("classify", command, published, *HOW, "--folds", 3) == cli.USAGE
    assert "but for --split folds, takes no --folds" in capsys.readouterr().err


def test_other_folds_can_be_asked_for(published, capsys):
    options = ("--split", "folds", "--folds", 3)
    assert scatseg("-q", "classify", "evaluate", published, *HOW, *options) == 0
    assert "StratifiedGroupKFold(3), seed 0: 12 of 12 clips" in capsys.readouterr().out


def test_a_model_of_one_part_is_scored_on_the_other(published, tmp_path, capsys):
    model = tmp_path / "drums.model"
    assert scatseg("classify", "train", published, "-o", model, *HOW, "--part", "train") == 0
    assert "8 clips, 2 classes" in capsys.readouterr().err
    command = ("classify", "evaluate", published, "--model", model, "--part", "test")
    assert scatseg("-q", *command, "--jobs", 1) == 0
    told = capsys.readouterr().out
    assert ": 4 of 4 clips" in told
    assert "hold only if the classifier was not trained on any of these clips" in told
    shutil.copy(published / "audio" / "kick0.wav", published / "audio" / "copy.wav")
    with (published / "index.csv").open("a", encoding="utf-8") as table:
        table.write("\ncopy.wav,kick,5,test\n")
    assert scatseg("-q", *command, "--jobs", 1) == 0
    assert "was trained on 1 of 5 clips: these scores are too optimistic" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "evaluate", "curve"])
def test_a_classifier_that_cannot_be_trained_is_told_before_the_work(
    command, drums, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    options = ("--classifier", "convnet", "--store", tmp_path / "kept", "-o", tmp_path / "out")
    assert scatseg("classify", command, drums, *HOW, *options) == cli.USAGE
    assert "Error: the convnet is trained with torch" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def test_a_classifier_that_cannot_be_kept_is_told_before_the_work(
    drums, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "skops", None)
    options = ("--store", tmp_path / "kept", "-o", tmp_path / "out")
    tree = ("--classifier", "sklearn.tree:DecisionTreeClassifier")
    assert scatseg("classify", "train", drums, *HOW, *options, *tree) == cli.USAGE
    assert "stored by skops: pip install" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def test_some_failures_are_listed_and_exit_with_1(drums, tmp_path, capsys):
    audio.save(drums / "audio" / "nothing.wav", np.zeros(4000), 8000)
    with (drums / "index.csv").open("a") as file:
        file.write("nothing.wav,kick,1\nlost.wav,kick,1\n")
    out = tmp_path / "out"
    command = ("classify", "evaluate", drums, *HOW, "--folds", 3, "-o", out)
    assert scatseg(*command) == cli.SOME_FAILED
    err = capsys.readouterr().err
    assert "nothing.wav: ValueError: silent" in err
    assert "lost.wav: line 15: there is no such file" in err
    failures = (out / "failures.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in failures[1:]] == [
        ["lost.wav", "index"],
        ["nothing.wav", "features"],
    ]


def test_what_cannot_be_read_is_told_before_what_is_wanting_for_it(drums, capsys):
    for kit in range(4):
        (drums / "audio" / f"kick{kit}.wav").write_text("broken")
        (drums / "audio" / f"hat{kit}.wav").write_text("broken")
    assert scatseg("classify", "evaluate", drums, *HOW, "--folds", 3) == cli.USAGE
    err = capsys.readouterr().err
    assert "3 folds need as many groups, there are 2" in err
    assert err.index("kick0.wav: NotAudioError") < err.index("3 folds need")


def test_of_many_sounds_that_are_missing_a_few_are_named_and_all_with_v(drums, capsys):
    (drums / "index.csv").write_text("file,label\n" + "".join(f"{i}.wav,x\n" for i in range(40)))
    assert scatseg("classify", "evaluate", drums, *HOW) == cli.NOTHING_DONE
    *first, rest = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in first] == [f"{i}.wav" for i in range(5)]
    assert rest == "and 35 more that cannot be used: see -v"
    assert scatseg("-v", "classify", "evaluate", drums, *HOW) == cli.NOTHING_DONE
    assert len(capsys.readouterr().err.splitlines()) == 40


def test_copies_are_reported(drums, capsys):
    (drums / "audio" / "copy.wav").write_bytes((drums / "audio" / "kick0.wav").read_bytes())
    with (drums / "index.csv").open("a") as file:
        file.write("copy.wav,hat,5\n")
    assert scatseg("classify", "evaluate", drums, *HOW, "--folds", 3) == 0
    assert "copy.wav (hat, group '5') sounds exactly like kick0.wav" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("evaluate", "nowhere"), "a folder of sounds or an index.csv is needed"),
        (("evaluate", ".", "--folds", "9"), "9 folds need as many groups, there are 6"),
        (("evaluate", ".", "--label", "mood"), "the columns file, mood are needed"),
        (("evaluate", ".", "--split", "published"), "needs a column `split` in index.csv"),
        (("evaluate", ".", "--part", "train"), "no clip is in the part train of the split; there"),
        (("evaluate", ".", "--classifier", "svn"), "unknown classifier 'svn'"),
        (("evaluate", ".", "--features", "mfccc"), "unknown feature 'mfccc'"),
        (("evaluate", ".", "--model", "index.csv"), "a model written by scatseg is needed"),
        (("predict", "index.csv", "audio"), "a model written by scatseg is needed"),
        (("train", ".", "-o", "nowhere/model"), "there is no folder nowhere, make it first"),
        (("train", ".", "-o", "audio"), "audio is a folder, a file is needed"),
        (("evaluate", ".", "-o", "index.csv"), "index.csv is a file, a folder is needed"),
    ],
)
def test_wrong_usage_is_one_message_and_exits_with_2(command, message, drums, monkeypatch, capsys):
    monkeypatch.chdir(drums)
    how = () if command[0] == "predict" else ("--sr", 8000, "--features", "scattering:J=6,Q=1")
    if "--features" in command or "--model" in command:
        how = ()
    assert scatseg("classify", *command, *how, "--jobs", 1) == cli.USAGE
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["train", "curve"])
def test_what_could_not_be_written_is_told_before_the_work(command, drums, monkeypatch, capsys):
    monkeypatch.setattr("scatseg.clips.describe_clips", None)  # calling it would fail
    assert scatseg("classify", command, drums, "-o", drums / "new" / "file") == cli.USAGE
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "curve", "evaluate"])
def test_a_classifier_that_is_none_is_told_before_the_work(command, drums, monkeypatch, capsys):
    monkeypatch.setattr("scatseg.clips.describe_clips", None)  # calling it would fail
    how = ("--classifier", "svn", "-o", drums / "out")
    assert scatseg("classify", command, drums, *how) == cli.USAGE
    assert "unknown classifier 'svn'" in capsys.readouterr().err


def test_one_class_only_is_wrong_usage(drums, capsys):
    text = (drums / "index.csv").read_text().replace(",hat,", ",kick,")
    (drums / "index.csv").write_text(text)
    assert scatseg("classify", "evaluate", drums, *HOW) == cli.USAGE
    assert "at least 2 classes are needed, got 1: kick" in capsys.readouterr().err


def test_nothing_that_can_be_read_exits_with_3(tmp_path):
    (tmp_path / "index.csv").write_text("file,label\nlost.wav,kick\n")
    assert scatseg("classify", "evaluate", tmp_path, *HOW) == cli.NOTHING_DONE


# --- published sets ----------------------------------------------------------------------------


@pytest.mark.corpus
@pytest.mark.slow
def test_drums_of_kits_never_heard_are_recognized_better_than_by_mfcc(shared, tmp_path):
    out = tmp_path / "out"
    folder = shared / "corpus" / "similarity" / "drums"
    both = ("--features", "scattering", "--features", "mfcc")
    assert scatseg("-q", "classify", "evaluate", folder, "-o", out, *both) == 0
    scattering, mfcc = json.loads((out / "scores.json").read_text())["systems"]
    assert scattering["accuracy"] >= 0.75
    assert scattering["macro_f1"] >= 0.75
    assert scattering["calibration_error"] < 0.08
    assert scattering["accuracy"] - mfcc["accuracy"] >= 0.05


@pytest.mark.corpus
@pytest.mark.slow
def test_samples_without_groups_are_recognized(shared, tmp_path):
    out = tmp_path / "out"
    folder = shared / "corpus" / "similarity" / "sonicpi"
    assert scatseg("-q", "classify", "evaluate", folder, "-o", out) == 0
    assert json.loads((out / "scores.json").read_text())["accuracy"] >= 0.49


@pytest.mark.parametrize("score", [scores_of, class_scores])
def test_scores_need_a_square_confusion_matrix(score):
    with pytest.raises(ValueError, match=r"a confusion matrix has shape .*, got \(2, 3\)"):
        score(np.ones((2, 3)))


def test_scores_by_class_are_of_one_matrix():
    with pytest.raises(ValueError, match=r"one confusion matrix is needed.*got shape \(2, 2, 2\)"):
        class_scores(np.ones((2, 2, 2)))


@pytest.mark.parametrize("n_bins", [0, -1, 2.5])
def test_a_calibration_error_needs_bins(n_bins):
    with pytest.raises(ValueError, match="n_bins must be an integer of at least 1, got"):
        expected_calibration_error([0, 1], np.eye(2), n_bins=n_bins)


@pytest.mark.parametrize("value", [np.nan, -0.5, 3.0])
def test_a_brier_score_is_of_probabilities(value):
    with pytest.raises(ValueError, match=rf"probabilities must be in \[0, 1\], got {value:g}"):
        brier_score([0, 1], [[0.5, 0.5], [value, 0.5]])


@pytest.mark.parametrize(
    ("predicted", "units"), [([0, 1], [0, 1, 2]), ([0, 1, 1], [0, 1]), ([0, 1, 1], "abc")]
)
def test_each_clip_has_a_unit_and_predictions_to_resample(predicted, units):
    with pytest.raises(ValueError, match="a unit and predictions for each of 3 clips are needed"):
        resampled_scores([0, 1, 1], [predicted], units, n_classes=2)


def test_labels_and_groups_are_in_one_row():
    labels, groups = np.array(["a", "b"] * 4), np.arange(8)
    with pytest.raises(SplitError, match=r"labels must have shape \(n_clips,\), got \(8, 1\)"):
        split(labels[:, None], groups=groups)
    with pytest.raises(SplitError, match=r"groups must have shape \(n_clips,\), got \(8, 1\)"):
        split(labels, groups=groups[:, None])


@pytest.mark.parametrize("n_folds", [np.nan, 2.5, "3"])
def test_a_number_of_folds_is_an_integer(n_folds):
    with pytest.raises(ValueError, match="n_folds must be an integer"):
        split(["a", "b"] * 4, groups=None, n_folds=n_folds)


@pytest.mark.parametrize("seconds", [0.0, -1.0, np.inf, np.nan])
def test_durations_of_clips_are_positive(seconds):
    with pytest.raises(ValueError, match="seconds must be positive and finite"):
        duration_baseline([1.0, seconds], ["a", "b"], groups=None)


@pytest.mark.parametrize(
    ("truth", "scores"),
    [
        ([0, 1, 0], np.ones((2, 2))),
        (np.zeros((2, 1), dtype=int), np.ones((2, 2))),
        ([0, 1], [[1.0, np.nan], [0.0, 1.0]]),
    ],
)
def test_a_temperature_is_fitted_to_a_row_of_finite_scores_per_clip(truth, scores):
    with pytest.raises(ValueError, match="a true class and a row of finite scores for each clip"):
        fit_temperature(truth, scores)
