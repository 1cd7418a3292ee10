"""The contract of all segmenters, and properties of each."""

import dataclasses
import itertools
import pickle
import re
from functools import partial

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import scatseg.segmenters.frames
from scatseg.evaluation import evaluate
from scatseg.features import Features, uniform_edges
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters import (
    MAX_FRAMES,
    CoverSegmenter,
    Curve,
    FooteSegmenter,
    GridFreeSegmenter,
    LaplacianSegmenter,
    Prediction,
    StructureFeaturesSegmenter,
    on_uniform_frames,
    predict_with_novelty,
    segment,
    segmenter,
)

pytestmark = pytest.mark.usefixtures("one_thread")

# In this minute, all frames of a section are equal: no temporal order, and many neighbors.
STEADY = {"neighbors": 0.3, "context": 0.5}

# Add new segmenters here, with options that make them find the form of this simple minute.
SEGMENTERS = [
    LaplacianSegmenter(granularity=0),
    LaplacianSegmenter(n_segments=3),
    FooteSegmenter(),
    FooteSegmenter(n_segments=3),
    FooteSegmenter(granularity=0.2, n_labels=2),
    StructureFeaturesSegmenter(**STEADY),
    StructureFeaturesSegmenter(**STEADY, n_segments=3),
    CoverSegmenter(granularity=0.4),
    CoverSegmenter(n_segments=3),
    CoverSegmenter(repetition=0.0, cost=1.0),
    GridFreeSegmenter(),
]

# By default, these look for finer levels or for ordered passages.
OTHERS = [
    LaplacianSegmenter(),
    StructureFeaturesSegmenter(),
    CoverSegmenter(),
    CoverSegmenter(blocks=0.0),
    CoverSegmenter(granularity=1.0),
]

PEAK_PICKERS = [FooteSegmenter, StructureFeaturesSegmenter]

find_the_form = pytest.mark.parametrize("each", SEGMENTERS, ids=repr)
keep_the_contract = pytest.mark.parametrize("each", [*SEGMENTERS, *OTHERS], ids=repr)


@pytest.fixture(scope="module")
def song():
    """Nearly two minutes in eight noisy sections with four labels."""
    rng = np.random.default_rng(seed=440)
    lengths = [14, 12, 18, 14, 12, 16, 18, 14]
    centers = dict(zip("ABCD", rng.normal(size=(4, 12)), strict=True))
    rows = [centers[label] for label in "ABCABDCA"]
    X = np.repeat(rows, np.multiply(lengths, 2), axis=0)
    return Features(X + 0.4 * rng.normal(size=X.shape), np.arange(len(X) + 1) / 2)


@pytest.fixture
def halves(song):
    """Its two halves."""
    return Segmentation([0, song.duration / 2, song.duration], ["A", "B"])


@pytest.fixture
def noise(rng):
    """Two minutes of noise without a form."""
    return Features(rng.normal(size=(240, 12)), np.arange(241) / 2)


def on_beats(features, rng):
    """The same on uneven frames, 100 to 140 per minute."""
    beats = np.cumsum(rng.uniform(60 / 140, 60 / 100, size=2 * len(features)))
    inside = beats[beats < features.duration - 0.2]
    return features.pooled([0, *inside, features.duration])


def levels(found):
    return found.levels if isinstance(found, Hierarchy) else (found,)


# The contract


@find_the_form
def test_finds_aba(each, aba, aba_features):
    found = segment(aba_features, segmenter=each)
    assert evaluate(aba, found)["F-measure@0.5"] == 1
    assert found.labels == ("A", "B", "A")


@find_the_form
def test_finds_aba_on_uneven_frames(each, aba, aba_features, rng):
    found = segment(on_beats(aba_features, rng), segmenter=each)
    assert evaluate(aba, found)["F-measure@0.5"] == 1
    assert found.labels == ("A", "B", "A")


@find_the_form
def test_distinct_column_names_change_nothing(each, aba_features):
    words = [f"column {chr(97 + i)}" for i in range(aba_features.X.shape[1])]
    named = Features(aba_features.X, aba_features.edges, words)
    assert segment(named, segmenter=each) == segment(aba_features, segmenter=each)


@find_the_form
def test_finds_aba_on_short_frames(each, aba, aba_features):
    fine = aba_features.pooled(np.arange(60 * 16 + 1) / 16)
    assert evaluate(aba, segment(fine, segmenter=each))["F-measure@0.5"] == 1


@keep_the_contract
def test_covers_the_track(each, song):
    for level in levels(each.predict(song)):
        assert (level.start, level.end) == (0, song.duration)


@keep_the_contract
def test_is_deterministic(each, song):
    assert each.predict(song) == each.predict(song)


@keep_the_contract
def test_is_invariant_to_scale(each, song):
    assert each.predict(Features(100 * song.X, song.edges)) == each.predict(song)


@keep_the_contract
def test_is_invariant_to_offset(each, song):
    assert each.predict(Features(song.X + 3, song.edges)) == each.predict(song)


@keep_the_contract
def test_does_not_modify_its_input(each, song):
    X, edges = song.X.copy(), song.edges.copy()
    each.predict(song)
    np.testing.assert_array_equal(song.X, X)
    np.testing.assert_array_equal(song.edges, edges)


@keep_the_contract
def test_boundaries_are_edges_of_uneven_frames(each, song, rng):
    features = on_beats(song, rng)
    for level in levels(each.predict(features)):
        assert set(level.boundaries) <= set(features.edges.tolist())


@keep_the_contract
def test_the_first_sounding_section_is_labeled_a(each, song):
    for level in levels(each.predict(song)):
        first_heard = list(dict.fromkeys(level.labels))
        assert first_heard == sorted(first_heard)
        assert first_heard[0] == "A"


@keep_the_contract
@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 120])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_constant_features_are_one_section(each, n_frames, level):
    X = np.full((n_frames, 12), level, dtype=np.float32)
    constant = Features(X, np.arange(n_frames + 1) / 2)
    assert set(levels(each.predict(constant))) == {Segmentation([0, n_frames / 2], ["A"])}


@keep_the_contract
def test_steady_sound_cut_into_short_frames_is_one_section(each, rng):
    steady = Features(np.tile(rng.normal(size=12), (1200, 1)), np.arange(1201) / 20)
    assert set(levels(each.predict(steady))) == {Segmentation([0, 60], ["A"])}


@keep_the_contract
@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 9])
def test_accepts_very_few_frames(each, n_frames, rng):
    found = each.predict(Features(rng.normal(size=(n_frames, 12)), np.arange(n_frames + 1) / 2))
    assert levels(found)[0].end == n_frames / 2


@keep_the_contract
def test_accepts_one_long_frame_among_short_ones(each, rng):
    edges = np.concatenate([[0], 300 + np.arange(120) / 2])
    found = each.predict(Features(rng.normal(size=(120, 12)), edges))
    assert levels(found)[0].end == edges[-1]


@keep_the_contract
def test_is_robust_to_silence_around_the_music(each, aba_features):
    X = np.zeros((480, 12))
    X[180:300] = aba_features.X
    found = segment(Features(X, np.arange(481) / 2), segmenter=each)
    assert np.abs(np.subtract.outer(found.boundaries, [90, 150])).min(axis=0).max() <= 2


@keep_the_contract
def test_long_features_are_pooled_to_few_frames(each, monkeypatch, rng):
    monkeypatch.setattr(scatseg.segmenters.frames, "MAX_FRAMES", 400)
    X = np.repeat(rng.normal(size=(10, 4)), 2000, axis=0) + 0.1 * rng.normal(size=(20_000, 4))
    long = Features(X, np.arange(20_001) / 2)
    for level in levels(each.predict(long)):
        assert set(level.boundaries) <= set(uniform_edges(10_000, 25).tolist())


@keep_the_contract
def test_sections_and_curve_equal_separate_calls(each, song):
    found, curve, _ = predict_with_novelty(each, song)
    assert found == each.predict(song)
    for answer, expected in zip(curve[:2], each.novelty(song), strict=True):
        np.testing.assert_array_equal(answer, expected)


@keep_the_contract
def test_a_prediction_can_be_pickled(each, song):
    found, curve, warnings = predict_with_novelty(each, song)
    sent = pickle.loads(pickle.dumps(Prediction(found, curve, warnings)))
    assert (sent.found, sent.warnings) == (found, warnings)
    np.testing.assert_array_equal(sent.curve.heights, curve.heights)


@keep_the_contract
def test_the_curve_of_a_level_equals_that_with_the_level_as_default(each, song):
    found, curve, _ = predict_with_novelty(each, song)
    assert isinstance(each, CoverSegmenter) == bool(curve.of_other_levels)
    for name, heights in curve.of_other_levels.items():
        assert name in set(found.names) - {found.names[found.default]}
        other = dataclasses.replace(each, level="any" if name == "phrase" else name)
        np.testing.assert_array_equal(heights, other.novelty(song)[1])


def test_a_subclass_with_its_own_predict_is_used(song, halves):
    class Mine(FooteSegmenter):
        def predict(self, features):  # noqa: ARG002
            return halves

    found, curve, _ = predict_with_novelty(Mine(), song)
    assert found is halves
    np.testing.assert_array_equal(curve.heights, FooteSegmenter().novelty(song)[1])


def test_a_segmenter_without_a_curve_has_none(song, halves):
    class Always:
        def predict(self, features):  # noqa: ARG002
            return halves

    assert predict_with_novelty(Always(), song) == Prediction(halves, curve=None, warnings=())


def test_a_custom_prediction_is_used_as_it_is(song, halves):
    prediction = Prediction(halves, Curve(song.edges, song.edges, is_probability=True), ("quiet",))

    class AtOnce:
        def predict_with_novelty(self, features):  # noqa: ARG002
            return prediction

    assert predict_with_novelty(AtOnce(), song) is prediction


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (("A", None), "AtOnce.predict_with_novelty must return a Prediction, got tuple"),
        (Prediction("A"), "AtOnce must predict a Segmentation or a Hierarchy, got str"),
    ],
)
def test_anything_but_a_prediction_is_refused(returned, message, song):
    class AtOnce:
        def predict_with_novelty(self, features):  # noqa: ARG002
            return returned

    with pytest.raises(TypeError, match=re.escape(message)):
        predict_with_novelty(AtOnce(), song)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "got"),
    [
        (0, 5000, "118 s, got 0 to 5000 s"),
        (0, 5, "118 s, got 0 to 5 s"),
        (2, 118, "118 s, got 2 to 118 s"),
        (0, 117.4, "118 s, got 0 to 117 s"),
        (0, 118.6, "118 s, got 0 to 119 s"),
    ],
)
def test_segments_that_do_not_span_the_recording_are_refused(start, end, got, at_once, song):
    class Elsewhere:
        def predict(self, features):  # noqa: ARG002
            whole = Segmentation([start, end], ["A"])
            return Hierarchy([whole, whole], ["coarse", "fine"]) if at_once else whole

        if at_once:

            def predict_with_novelty(self, features):
                return Prediction(self.predict(features))

    message = re.escape(f"the segments of Elsewhere must span 0 to {got}")
    with pytest.raises(ValueError, match=message):
        predict_with_novelty(Elsewhere(), song)
    with pytest.raises(ValueError, match=message):
        scatseg.segment(song, segmenter=Elsewhere())


def test_segments_may_miss_the_ends_by_a_frame(song):
    class Near:
        def predict(self, features):
            return Segmentation(features.centers[[0, 50, -1]], ["A", "B"])

    assert scatseg.segment(song, segmenter=Near()).boundaries == (0.25, 25.25, 117.75)


def test_every_named_segmenter_is_covered_by_the_contract():
    named = {type(make()) for make in scatseg.segmenters.SEGMENTERS.values()}
    assert {type(each) for each in SEGMENTERS} == named


@pytest.mark.parametrize(
    "each", [CoverSegmenter(), CoverSegmenter(level="section"), GridFreeSegmenter()], ids=repr
)
def test_level_names_and_default_match_the_prediction(each, song):
    found = each.predict(song)
    assert (found.names, found.default) == (each.level_names, each.default_level)


# Common options


@pytest.mark.parametrize("make", [*PEAK_PICKERS, LaplacianSegmenter])
def test_no_section_is_shorter_than_min_duration(make, noise):
    def shortest(min_duration):
        found = levels(make(granularity=1, min_duration=min_duration).predict(noise))
        return min(min(np.diff(level.boundaries)) for level in found)

    assert shortest(7.5) >= 7.5 > shortest(2)


@pytest.mark.parametrize("make", [*PEAK_PICKERS, LaplacianSegmenter])
def test_a_recording_shorter_than_two_sections_is_too_short(make, noise):
    least = make(min_duration=noise.duration / 2, granularity=1)
    assert least.predict_with_novelty(noise).warnings == ()
    more = make(min_duration=noise.duration / 2 + 1, granularity=1)
    length, needed = noise.duration, noise.duration + 2
    assert more.predict_with_novelty(noise).warnings == (
        f"too short to find sections: {length:.3g} of at least {needed:.3g} s",
    )
    assert {len(level) for level in levels(more.predict(noise))} == {1}


@pytest.mark.parametrize("share", [-0.1, 2, np.nan])
def test_a_share_of_neighbors_is_at_most_all(share):
    with pytest.raises(ValueError, match="neighbors must be a share of all frames, from 0 to 1"):
        StructureFeaturesSegmenter(neighbors=share)


def test_each_frame_has_a_neighbor_and_may_have_all(song):
    at_least_one, one, two, every = (
        StructureFeaturesSegmenter(neighbors=share).novelty(song)[1]
        for share in (0, 1 / len(song), 2 / len(song), 1)
    )
    np.testing.assert_array_equal(at_least_one, one)
    assert not np.array_equal(one, two)
    assert not np.array_equal(two, every)


@pytest.mark.parametrize("make", [*PEAK_PICKERS, LaplacianSegmenter, CoverSegmenter])
def test_granularity_outside_0_to_1_raises_on_construction(make):
    with pytest.raises(ValueError, match=r"granularity must be in \[0, 1\], got 2"):
        make(granularity=2)


@pytest.mark.parametrize("make", [*PEAK_PICKERS, LaplacianSegmenter, CoverSegmenter])
@pytest.mark.parametrize("n_segments", [0, 2.5])
def test_invalid_n_segments_raises_on_construction(make, n_segments):
    with pytest.raises(ValueError, match=f"n_segments must be .* at least 1, got {n_segments}"):
        make(n_segments=n_segments)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((make, "n_labels") for make in (*PEAK_PICKERS, CoverSegmenter)),
        (LaplacianSegmenter, "max_labels"),
    ],
)
@pytest.mark.parametrize("n_labels", [0, 1.5])
def test_invalid_n_labels_raises_on_construction(make, name, n_labels):
    with pytest.raises(ValueError, match=f"{name} must be .* at least 1, got {n_labels}"):
        make(**{name: n_labels})


@pytest.mark.parametrize("seconds", [-1.0, np.inf, np.nan])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((make, "frame") for make in (*PEAK_PICKERS, LaplacianSegmenter, CoverSegmenter)),
        *((make, "min_duration") for make in (*PEAK_PICKERS, LaplacianSegmenter)),
        (FooteSegmenter, "half_width"),
        (StructureFeaturesSegmenter, "blur"),
        (LaplacianSegmenter, "smoothing"),
        (CoverSegmenter, "bar"),
    ],
)
def test_negative_or_infinite_lengths_raise_on_construction(make, name, seconds):
    with pytest.raises(ValueError, match=f"{name} must be .* finite number.*, got {seconds:g}"):
        make(**{name: seconds})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": -1.0}, "blocks must be a finite number, not negative, got -1"),
        ({"network": np.inf}, "network must be a finite number, not negative, got inf"),
        ({"cost": np.nan}, "cost must be a finite number, got nan"),
    ],
)
def test_invalid_weights_raise_on_construction(options, message):
    with pytest.raises(ValueError, match=message):
        CoverSegmenter(**options)


@pytest.mark.parametrize("make", [*PEAK_PICKERS, LaplacianSegmenter, CoverSegmenter])
def test_options_are_keyword_only(make):
    with pytest.raises(TypeError, match="positional argument"):
        make(0.5)


@pytest.mark.parametrize("make", PEAK_PICKERS)
def test_more_granularity_never_removes_a_boundary(make, noise):
    cuts = [
        set(make(granularity=granularity).predict(noise).boundaries)
        for granularity in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert all(fewer <= more for fewer, more in itertools.pairwise(cuts))
    assert len(cuts[0]) < len(cuts[-1])


@pytest.mark.parametrize("make", PEAK_PICKERS)
@pytest.mark.parametrize("n_segments", [1, 2, 5, 8])
def test_peak_pickers_return_n_segments(make, n_segments, noise):
    assert len(make(n_segments=n_segments).predict(noise)) == n_segments


@pytest.mark.parametrize("make", PEAK_PICKERS)
def test_peak_pickers_return_fewer_sections_if_there_are_too_few_peaks(make, noise):
    assert make(n_segments=1000).predict(noise) == make(granularity=1).predict(noise)


@pytest.mark.parametrize("make", PEAK_PICKERS)
def test_peak_pickers_use_n_labels(make, noise):
    assert len(set(make(granularity=1, n_labels=2).predict(noise).labels)) == 2


@pytest.mark.parametrize("make", PEAK_PICKERS)
def test_boundaries_are_local_maxima_of_the_curve(make, noise):
    edges, novelty = make().novelty(noise)
    at = np.searchsorted(edges, make().predict(noise).boundaries[1:-1])
    assert at.size
    assert (novelty[at] > np.maximum(novelty[at - 1], novelty[at + 1])).all()


@pytest.mark.parametrize("make", PEAK_PICKERS)
def test_the_curve_has_one_value_per_frame_edge(make, aba_features):
    edges, novelty = make(frame=2.0).novelty(aba_features)
    np.testing.assert_allclose(edges, np.arange(31) * 2)
    assert novelty.shape == edges.shape


def test_structure_features_find_repeated_passages(rng):
    passages = {label: rng.normal(size=(40, 12)) for label in "AB"}
    X = np.concatenate([passages[label] for label in "AABA"])
    features = Features(X + 0.1 * rng.normal(size=X.shape), np.arange(161) / 2)
    found = StructureFeaturesSegmenter(n_segments=4).predict(features)
    np.testing.assert_allclose(found.boundaries, [0, 20, 40, 60, 80], atol=1)


@pytest.mark.parametrize(
    ("network", "frame", "calibrated"), [(1.0, 2.0, True), (1.0, 0.5, False), (0.0, 2.0, False)]
)
def test_probabilities_are_calibrated_with_the_network_on_bars(network, frame, calibrated, rng):
    features = Features(rng.normal(size=(40, 12)), frame * np.arange(41))
    curve = CoverSegmenter(network=network).predict_with_novelty(features).curve
    assert curve.is_probability == calibrated


# The levels of the Laplacian segmenter


@pytest.fixture(scope="module")
def plain(song):
    return LaplacianSegmenter(granularity=0).predict(song)


def test_levels_go_from_coarse_to_fine(plain):
    counts = [len(level) for level in plain]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_finest_level_has_at_most_n_labels(song):
    hierarchy = LaplacianSegmenter(max_labels=5).predict(song)
    assert len(hierarchy) == 4
    assert max(len(set(level.labels)) for level in hierarchy) == 5


def test_neighboring_sections_have_different_labels(plain):
    for level in plain:
        assert level.merged() == level


def test_a_level_with_the_true_number_of_labels_finds_the_form(song):
    form = Segmentation([0, 14, 26, 44, 58, 70, 86, 104, 118], "ABCABDCA")
    four = next(
        level for level in LaplacianSegmenter().predict(song) if len(set(level.labels)) == 4
    )
    assert evaluate(form, four)["F-measure@0.5"] == 1
    assert four.labels == form.labels


def test_granularity_selects_the_level(song, plain):
    hierarchy = LaplacianSegmenter(granularity=1).predict(song)
    assert hierarchy.levels == plain.levels
    assert hierarchy.default == len(plain) - 1


def test_more_granularity_never_gives_fewer_sections(song):
    counts = [
        len(segment(song, segmenter=LaplacianSegmenter(granularity=granularity)))
        for granularity in (0, 0.2, 0.5, 0.8, 1)
    ]
    assert counts == sorted(counts)


@pytest.mark.parametrize("n_segments", [1, 2, 5, 8, 11, 40])
def test_a_level_has_n_segments(n_segments, song, plain):
    found = LaplacianSegmenter(n_segments=n_segments).predict(song)
    assert len(found.levels[found.default]) == min(n_segments, len(plain.levels[-1]))


@pytest.mark.parametrize("n_segments", [1, 2, 5, 8, 11, 40])
def test_levels_stay_ordered_around_the_one_with_n_segments(n_segments, song):
    counts = [len(level) for level in LaplacianSegmenter(n_segments=n_segments).predict(song)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("n_segments", [1, 2, 5, 8, 11, 40])
def test_sections_are_merged_at_the_coarsest_level_with_enough(n_segments, song, plain):
    found = LaplacianSegmenter(n_segments=n_segments).predict(song)
    enough = [len(level) >= n_segments for level in plain]
    chosen = enough.index(True) if any(enough) else len(plain) - 1
    assert found.default == chosen
    assert set(found.levels[chosen].boundaries) <= set(plain.levels[chosen].boundaries)
    others = [level for i, level in enumerate(found) if i != chosen]
    assert others == [level for i, level in enumerate(plain) if i != chosen]


def test_one_label_is_one_section(song):
    assert LaplacianSegmenter(max_labels=1).predict(song) == Hierarchy(
        [Segmentation([0, song.duration], ["A"])]
    )


def test_the_embedding_has_one_row_per_frame_and_one_column_per_label(song):
    assert LaplacianSegmenter(max_labels=6).embedding(song).shape == (len(song), 6)


def test_the_embedding_is_deterministic_to_the_last_bit(song):
    once, again = (LaplacianSegmenter().embedding(song) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_frames_of_one_section_are_close_in_the_embedding(aba, aba_features):
    E = LaplacianSegmenter(max_labels=2).embedding(aba_features)
    in_b = np.array([aba.label_at(time) == "B" for time in aba_features.centers])
    gap = np.abs(np.subtract.outer(E[in_b, 1], E[~in_b, 1])).min()
    assert gap > np.ptp(E[in_b, 1]) + np.ptp(E[~in_b, 1])


@pytest.mark.parametrize("n_frames", range(2, 9))
def test_a_laplacian_of_very_few_frames_can_be_solved(n_frames, rng):
    features = Features(rng.normal(size=(n_frames, 3)), np.arange(n_frames + 1) / 2)
    segmenter = LaplacianSegmenter(min_duration=0, smoothing=0, context=0)
    assert segmenter.predict(features).levels[0].end == n_frames / 2


# Frame lengths


def test_short_frames_are_averaged(aba_features):
    features = on_uniform_frames(aba_features, 2.0)
    np.testing.assert_allclose(features.edges, np.arange(31) * 2)
    np.testing.assert_allclose(features.X[0], aba_features.X[:4].mean(axis=0))


def test_beats_are_not_averaged(aba_features, rng):
    beats = on_beats(aba_features, rng)
    assert on_uniform_frames(beats, 0.5) is beats


def test_long_enough_frames_are_not_averaged(aba_features):
    assert on_uniform_frames(aba_features, 0.1) is aba_features


@pytest.mark.parametrize("frame", [0.01, 0.4, 0.5, 3.0])
def test_the_number_of_frames_is_limited_by_memory(frame):
    features = Features(np.zeros((20_000, 1)), np.arange(20_001) * frame)
    assert len(on_uniform_frames(features, 0.5)) <= MAX_FRAMES


@pytest.mark.parametrize("n_frames", [MAX_FRAMES, MAX_FRAMES + 1, 5000])
def test_frames_just_above_the_limit_are_averaged(n_frames):
    features = Features(np.zeros((n_frames, 1)), np.arange(n_frames + 1) / 2)
    assert len(on_uniform_frames(features, 0.5)) <= MAX_FRAMES


def test_the_number_of_frames_is_at_most_the_given_one():
    features = Features(np.zeros((270, 1)), np.arange(271))
    assert len(on_uniform_frames(features, 0.5, max_frames=200)) <= 200


# Names


@pytest.mark.parametrize("name", scatseg.segmenters.SEGMENTERS)
def test_a_name_makes_the_segmenter_with_its_defaults(name):
    assert segmenter(name) == scatseg.segmenters.SEGMENTERS[name]()


def test_a_name_carries_options():
    assert segmenter("foote:half_width=8,n_segments=5") == FooteSegmenter(
        half_width=8, n_segments=5
    )


def test_module_and_name_select_a_custom_segmenter():
    assert segmenter("scatseg.segmenters:FooteSegmenter:n_labels=2") == FooteSegmenter(n_labels=2)


@pytest.mark.parametrize("name", ["foote", "foote:n_segments=5", "laplacian", "structure-features"])
def test_segment_accepts_a_name_or_a_segmenter(name, song):
    assert segment(song, segmenter=name) == segment(song, segmenter=segmenter(name))


def test_segment_gives_the_default_level_of_the_laplacian_segmenter(song):
    hierarchy = LaplacianSegmenter().predict(song)
    assert segment(song, segmenter="laplacian") == hierarchy.levels[hierarchy.default]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segmenter": "foote", "n_segments": 7}, "7 sections requested, 3 found"),
        ({"segmenter": FooteSegmenter(n_segments=7)}, "7 sections requested, 3 found"),
        ({"segmenter": "foote:n_labels=1,n_segments=5"}, "5 sections requested, 3 found"),
        ({"segmenter": "foote", "n_labels": 4}, "4 labels requested, 3 found"),
        ({"segmenter": "cbm", "n_segments": 100}, "100 sections requested, 90 found"),
    ],
    ids=repr,
)
def test_segment_warns_of_fewer_sections_or_labels_than_requested(options, message):
    features = Features(np.repeat(np.eye(3), [20, 40, 30], axis=0), np.arange(91))
    with pytest.warns(UserWarning, match=f"^{message}$") as told:
        segment(features, **options)
    assert len(told) == 1
    assert told[0].filename == __file__


def test_segment_is_silent_about_sections_and_labels_that_are_found():
    features = Features(np.repeat(np.eye(3), [20, 40, 30], axis=0), np.arange(91))
    assert len(segment(features, segmenter="foote", n_segments=3, n_labels=3)) == 3
    assert len(segment(features, segmenter="foote", granularity=0.4)) > 1


def test_segment_accepts_any_object_with_predict(song, halves):
    class Always:
        def predict(self, features):  # noqa: ARG002
            return halves

    assert segment(song, segmenter=Always()) is halves


@pytest.mark.parametrize("call", [segmenter, lambda name: segment(None, segmenter=name)])
def test_an_unknown_name_raises_with_the_available_ones(call):
    with pytest.raises(
        ValueError,
        match="unknown segmenter 'foot': choose from laplacian, default, repetition, cbm, ",
    ):
        call("foot")


def test_an_unknown_option_raises_with_the_available_ones():
    with pytest.raises(ValueError, match=r"not take \{'width': 8\}: its options are frame, half"):
        segmenter("foote:width=8")


def test_segmenter_names_cannot_be_combined():
    with pytest.raises(ValueError, match=r"cannot be joined by \+, got 'foote\+laplacian'"):
        segmenter("foote+laplacian")


# Input and output of custom segmenters


class CountsThreads:
    """A segmenter that keeps the number of BLAS threads."""

    def predict(self, features):
        pools = ThreadpoolController().select(user_api="blas").info()
        self.n_threads = {each["num_threads"] for each in pools}
        return Segmentation([0, features.duration], ["A"])


@pytest.mark.parametrize(
    "call", [lambda each, song: segment(song, segmenter=each), predict_with_novelty]
)
def test_segmenters_use_one_thread(call, aba_features):
    each = CountsThreads()
    with threadpool_limits(2):
        call(each, aba_features)
    assert each.n_threads == {1}


@pytest.mark.parametrize("given", [np.zeros(22050), [[1.0]], None])
def test_a_signal_in_place_of_features_raises(given):
    for call in (segment, partial(predict_with_novelty, FooteSegmenter())):
        with pytest.raises(TypeError, match=r"features of a recording are needed, got .*Bars\(\)"):
            call(given)


@pytest.mark.parametrize("wrong", [FooteSegmenter, len, None, 3])
def test_an_object_without_predict_raises(wrong, aba_features):
    with pytest.raises(TypeError, match=r"an object with a method predict\(features\) is needed"):
        segment(aba_features, segmenter=wrong)


@pytest.mark.parametrize("text", ["json:loads", "fractions:Fraction", "math:pi"])
def test_a_name_of_an_object_without_predict_raises(text):
    with pytest.raises(ValueError, match=rf"has a method predict\(features\), but '{text}' is"):
        segmenter(text)


@pytest.mark.parametrize("name", scatseg.segmenters.SEGMENTERS)
def test_help_names_every_segmenter(name):
    assert name in segmenter.__doc__


def test_options_are_given_by_name_or_in_the_name(song):
    assert segment(song, n_segments=4) == segment(song, segmenter="default:n_segments=4")


def test_an_unknown_keyword_raises_with_the_available_ones(song):
    with pytest.raises(ValueError, match=r"'foote' does not take .*: its options are frame, half"):
        segment(song, segmenter="foote", n_sections=4)


def test_options_cannot_be_given_beside_an_object(song):
    with pytest.raises(TypeError, match="set n_segments on FooteSegmenter"):
        segment(song, segmenter=FooteSegmenter(), n_segments=4)


class Listing:
    def predict(self, features):
        return [0.0, features.duration]


@pytest.mark.parametrize("ask", [segment, lambda f, segmenter: predict_with_novelty(segmenter, f)])
def test_a_prediction_that_is_no_segmentation_raises(ask, aba_features):
    message = "Listing must predict a Segmentation or a Hierarchy, got list"
    with pytest.raises(TypeError, match=message):
        ask(aba_features, segmenter=Listing())
