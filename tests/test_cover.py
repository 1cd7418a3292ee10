"""CoverSegmenter on bars with known repetition, homogeneity and silence."""

import dataclasses

import numpy as np
import pytest

import scatseg.segmenters.covers
from scatseg.alignment import Copies
from scatseg.boundaries import block_scores, repetition_scores
from scatseg.cover import (
    LONG_BAR,
    BarSimilarity,
    bar_similarity,
    block_share,
    cover_labels,
    cover_scores,
    median_bar,
)
from scatseg.features import FeatureName, Features
from scatseg.segmentation import Segmentation
from scatseg.segmenters import CoverSegmenter, GridFreeSegmenter, segment, segmenter

pytestmark = pytest.mark.usefixtures("one_thread")

BAR = 2.0


def on_bars(X, names=None):
    return Features(X, BAR * np.arange(len(X) + 1), names)


def tune(form, rng, *, n_bars=8, noise=0.5, sound=0.0):
    """Noisy repeated phrases, one per letter, whose bars all differ."""
    phrases = {letter: rng.normal(size=(n_bars, 40)) for letter in sorted(set(form))}
    timbres = {letter: sound * rng.normal(size=40) for letter in sorted(set(form))}
    X = np.concatenate([phrases[letter] + timbres[letter] for letter in form])
    return on_bars(X + noise * rng.normal(size=X.shape))


def form_of(letters, n_bars=8):
    return Segmentation(BAR * n_bars * np.arange(len(letters) + 1), letters)


@pytest.mark.parametrize("form", ["ABAABA", "AABBABBA", "ABACBCABC"])
@pytest.mark.parametrize("name", ["default", "repetition"])
def test_repeated_phrases_are_found(name, form, rng):
    assert segment(tune(form, rng), segmenter=name) == form_of(form)


@pytest.mark.parametrize(
    ("name", "n_bars"),
    [*(("repetition", n) for n in (4, 6, 8, 9, 12)), *(("default", n) for n in range(4, 11))],
)
def test_repeated_phrases_of_unusual_length_are_found(name, n_bars, rng):
    found = segment(tune("AABBABBA", rng, n_bars=n_bars, noise=0.4), segmenter=name)
    assert found == form_of("AABBABBA", n_bars)


def test_with_the_network_granularity_refines_or_coarsens_the_default_boundaries(rng):
    features = tune("ABACBCABC", rng, n_bars=5, noise=2.0)

    def boundaries(**options):
        return set(segment(features, **options).boundaries)

    likely = boundaries()
    assert boundaries(granularity=0.1) < likely < boundaries(granularity=0.9)
    assert likely <= boundaries(granularity=0.6)
    assert boundaries(n_segments=3) < likely < boundaries(n_segments=len(likely) + 1)
    assert boundaries(n_segments=len(likely) - 1) == likely


def test_a_one_bar_intro_shifts_all_boundaries(rng):
    song = tune("ABAABA", rng)
    X = np.concatenate([rng.normal(size=(3, 40)), song.X])
    found = segment(on_bars(X), segmenter="default")
    np.testing.assert_allclose(found.boundaries[1:], np.add(form_of("ABAABA").boundaries, 3 * BAR))


@pytest.mark.parametrize("name", ["default", "cbm"])
def test_homogeneous_blocks_are_found_without_repetition(name, rng):
    lengths = [8, 6, 9, 7, 8]
    X = np.concatenate([rng.normal(size=40) + rng.normal(size=(n, 40)) for n in lengths])
    found = segment(on_bars(X), segmenter=name)
    np.testing.assert_allclose(found.boundaries, BAR * np.cumsum([0, *lengths]))


def test_repeated_passages_are_found_on_beats(rng):
    form = "ABACBCAA"  # no pair of successive phrases is repeated
    song = tune(form, rng)
    beats = np.repeat(song.X, 4, axis=0) + np.tile(rng.normal(size=(4, 40)), (64, 1))
    found = segment(Features(beats, np.arange(257) / 2), segmenter="default")
    np.testing.assert_allclose(found.boundaries, form_of(form).boundaries, atol=1)
    assert found.labels == form_of(form).labels


@pytest.mark.parametrize("name", ["default", "repetition", "cbm"])
def test_more_granularity_never_gives_fewer_sections(name, rng):
    song = tune("ABCABCAB", rng, n_bars=6, noise=2.0, sound=0.5)
    make = segmenter(name)
    counts = [
        len(segment(song, segmenter=type(make)(**{**vars(make), "granularity": each})))
        for each in np.linspace(0, 1, 9)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("n_segments", [1, 2, 3, 7, 20, 48])
def test_n_segments_sets_the_number_of_sections(n_segments, rng):
    song = tune("ABAABA", rng)
    assert len(segment(song, segmenter=CoverSegmenter(n_segments=n_segments))) == n_segments


@pytest.mark.parametrize("n_segments", [1, 2])
def test_constant_features_give_at_most_n_segments(n_segments):
    held = np.insert(np.ones((24, 40)), [12] * 4, 0.0, axis=0)
    found = segment(on_bars(held), segmenter=CoverSegmenter(n_segments=n_segments))
    assert len(found) == n_segments


def test_bars_of_a_long_recording_are_not_merged(monkeypatch, rng):
    song = tune("ABCABC", rng)
    expected = segment(song, segmenter="default")
    monkeypatch.setattr(scatseg.segmenters.covers, "MAX_COVERED", 20)
    assert segment(song, segmenter="default") == expected


def test_too_many_bars_are_merged_and_no_longer_treated_as_bars(monkeypatch, rng):
    monkeypatch.setattr(scatseg.segmenters.covers, "MAX_FRAMES", 20)
    song = tune("ABCABC", rng)
    default = segmenter("default")
    few = default.predict_with_novelty(on_bars(song.X[:20]))
    many = default.predict_with_novelty(song)
    assert (few.curve.is_probability, many.curve.is_probability) == (True, False)
    assert many.found.levels[0].end == song.duration


def test_boundary_probabilities_are_invariant_to_granularity(rng):
    song = tune("ABAABA", rng)
    curves = [segmenter(f"default:granularity={g}").novelty(song)[1] for g in (0, 0.5, 1)]
    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(curves[2], curves[1])


@pytest.mark.parametrize("n_bars", [3, 4, 5, 6])
@pytest.mark.parametrize("name", ["default", "cbm"])
def test_a_recording_is_too_short_if_two_blocks_give_one_section(name, n_bars, rng):
    sounds = np.repeat(3 * rng.normal(size=(2, 40)), [2, n_bars - 2], axis=0)
    blocks = on_bars(np.tile(sounds, 8) + rng.normal(size=(n_bars, 320)))
    found, _, warnings = segmenter(name).predict_with_novelty(blocks)
    assert bool(warnings) == (len(found.levels[found.default]) == 1)


def test_silent_bars_do_not_count_as_length(rng):
    X = np.concatenate([rng.normal(size=(4, 40)), np.zeros((20, 40))])
    assert CoverSegmenter().predict_with_novelty(on_bars(X)).warnings == (
        "too short to find sections: 4 of at least 5 bars",
    )


def test_the_length_needed_without_bars_is_in_seconds(rng):
    noise = Features(rng.normal(size=(12, 40)), np.arange(13) / 2)
    assert CoverSegmenter().predict_with_novelty(noise).warnings == (
        "too short to find sections: 6 of at least 10 s",
    )


def test_n_labels_sets_the_number_of_labels(rng):
    song = tune("ABCABC", rng)
    found = segment(song, segmenter=CoverSegmenter(n_segments=6, n_labels=2))
    assert len(set(found.labels)) == 2


def test_silence_between_sections_does_not_count_in_n_labels(rng):
    X = np.insert(tune("ABCDE", rng, sound=3.0).X, np.repeat(8 * np.arange(1, 5), 3), 0.0, axis=0)
    found = segment(on_bars(X), segmenter=CoverSegmenter(n_labels=2))
    assert found.labels.count("silence") == 4
    assert set(found.labels) == {"A", "B", "silence"}


def test_a_long_silence_is_a_separate_section(rng):
    X = np.insert(tune("ABAABA", rng).X, [16] * 5 + [0] * 3 + [48] * 2, 0.0, axis=0)
    found = segment(on_bars(X), segmenter="default")
    bars = [0, 3, 11, 19, 24, 32, 40, 48, 56, 58]
    silence = "silence"
    assert found.labels == (silence, "A", "B", silence, "A", "A", "B", "A", silence)
    np.testing.assert_allclose(found.boundaries, BAR * np.array(bars))


def test_a_single_silent_bar_is_no_section(rng):
    X = tune("ABAABA", rng).X.copy()
    X[12] = 0
    assert segment(on_bars(X), segmenter="default") == form_of("ABAABA")


@pytest.mark.parametrize(("bar", "n_silences"), [(1.25, 1), (1.2, 0)])
def test_silence_is_long_from_2_5_seconds(bar, n_silences, rng):
    X = np.insert(rng.normal(size=(20, 4)), [10] * 2, 0.0, axis=0)
    bars = bar_similarity(Features(X, bar * np.arange(23)), frames_per_bar=1)
    assert len(bars.silences) == n_silences


def test_a_silent_recording_is_one_silence():
    silence = on_bars(np.zeros((8, 3)))
    assert median_bar(silence) == BAR
    assert cover_labels(bar_similarity(silence, frames_per_bar=1), np.array([0, 1])) == [
        ("silence",)
    ]


def test_silence_is_not_a_repetition():
    X = np.random.default_rng(3).normal(size=(40, 40))
    X[[5, 6, 7, 15, 16, 17, 25, 26, 27]] = 0
    bars = bar_similarity(on_bars(X), frames_per_bar=1)
    assert len(bars.silences) == 3
    assert not bars.in_order[bars.silences].any()


def test_no_segment_contains_part_of_a_silence(rng):
    X = np.insert(tune("ABAABA", rng).X, [20] * 6, 0.0, axis=0)
    for n_segments in (3, 4, 9):
        found = segment(on_bars(X), segmenter=CoverSegmenter(n_segments=n_segments))
        assert {40.0, 52.0} <= set(found.boundaries)


def test_the_curve_is_highest_at_the_boundaries(rng):
    song = tune("ABAABA", rng)
    edges, novelty = CoverSegmenter().novelty(song)
    at = np.isin(edges, form_of("ABAABA").boundaries[1:-1])
    assert novelty[at].min() > 0.8 > 0.5 > novelty[~at].max()


def test_the_curve_is_flat_for_constant_features():
    edges, novelty = CoverSegmenter().novelty(on_bars(np.ones((20, 3))))
    assert len(edges) == len(novelty)
    assert not novelty.any()


def test_order_matters_for_repetition_but_not_for_timbre(rng):
    names = [FeatureName("mfcc", i, place=place) for place in range(2) for i in range(60)]
    X = rng.normal(size=(12, 120))
    X[5] = np.roll(X[3], 60)  # bar 3 with its halves swapped
    bars = bar_similarity(on_bars(X, names), frames_per_bar=1)
    assert bars.by_timbre[3, 5] == bars.by_timbre[np.triu_indices(12, 1)].max()
    assert bars.in_order[3, 5] < 1


def test_timbre_is_measured_by_mfcc_and_not_chroma(rng):
    names = [FeatureName("mfcc", i) for i in range(6)] + [
        FeatureName("chroma", i) for i in range(6)
    ]
    X = rng.normal(size=(12, 12))
    bars = bar_similarity(on_bars(X, names), frames_per_bar=1)
    alone = bar_similarity(on_bars(X[:, :6], names[:6]), frames_per_bar=1)
    np.testing.assert_allclose(bars.by_timbre, alone.by_timbre)
    assert np.abs(bars.in_order - alone.in_order).max() > 0.1


def test_timbre_is_measured_by_all_features_if_no_family_is_known(rng):
    bars = bar_similarity(on_bars(rng.normal(size=(12, 5))), frames_per_bar=1)
    np.testing.assert_allclose(bars.by_timbre, bars.in_order)


@pytest.mark.parametrize(
    ("seconds", "n_frames", "together"),
    [
        (2.0, 20, 1),
        (1.0, 20, 1),
        (0.66, 20, 3),
        (0.5, 20, 4),
        (0.5, 3, 3),
        (0.5, 2, 2),
        (0.5, 1, 1),
    ],
)
def test_frames_are_grouped_if_three_or_more_fit_in_a_bar(seconds, n_frames, together):
    features = Features(np.ones((n_frames, 1)), seconds * np.arange(n_frames + 1))
    assert CoverSegmenter(frame=0.5).prepare(features).bars.frames_per_bar == together


@pytest.mark.parametrize(("most", "together"), [(450, 3), (375, 2), (200, 2)])
def test_short_frames_of_a_long_recording_do_not_become_bars(most, together, monkeypatch, rng):
    form = "ABACBACDAB"
    passages = {letter: rng.normal(size=(60, 12)) for letter in "ABCD"}
    X = np.concatenate([passages[letter] for letter in form])
    features = Features(X + 0.5 * rng.normal(size=X.shape), np.arange(601) / 2)
    monkeypatch.setattr(scatseg.segmenters.covers, "MAX_COVERED", most)
    each = GridFreeSegmenter()
    assert each.prepare(features).bars.frames_per_bar == together
    found = each.predict(features)
    assert 3 <= len(found.levels[found.default]) <= 10


def test_timbre_features_alone_are_also_compared_in_order(rng):
    X = rng.normal(size=(40, 6))
    short = np.arange(41) / 2
    alone = bar_similarity(Features(X, short, ["mfcc"] * 6), frames_per_bar=4)
    any_features = bar_similarity(Features(X, short, ["feature"] * 6), frames_per_bar=4)
    np.testing.assert_array_equal(alone.in_order, any_features.in_order)


def test_copies_start_at_least_two_bars_apart(rng):
    features = Features(rng.normal(size=(60, 6)), np.arange(61) / 2)
    copies = bar_similarity(features, frames_per_bar=4).copies
    start, stop = np.nonzero(copies.scores)
    apart = np.abs(copies.first[start, stop] - start)
    assert apart.min() == 2 * 4


def share(features):
    bars = bar_similarity(features, frames_per_bar=1)
    return block_share(bars, repetition_scores(bars.in_order))


def test_blocks_weigh_more_if_passages_are_homogeneous(rng):
    blocks = np.concatenate([2 * rng.normal(size=40) + rng.normal(size=(12, 40)) for _ in range(4)])
    assert share(on_bars(blocks)) > 1 > share(tune("ABAABA", rng))


def test_weak_repetition_counts_as_none(rng):
    bars = bar_similarity(
        on_bars(rng.normal(size=40) + rng.normal(size=(24, 40))), frames_per_bar=1
    )
    shares = [block_share(bars, np.full((25, 25), 8 * each)) for each in (0.0, 0.4, 0.8)]
    assert shares[0] == shares[1] > shares[2]


@pytest.mark.parametrize(("n_bars", "expected"), [(11, 1), (12, np.sqrt(2)), (40, np.sqrt(2))])
def test_block_weight_relates_bars_at_most_4_apart_to_repetitions_of_8(n_bars, expected):
    lag = np.abs(np.subtract.outer(np.arange(n_bars + 1), np.arange(n_bars + 1)))
    bars = dataclasses.replace(
        bar_similarity(on_bars(np.eye(n_bars)), frames_per_bar=1),
        in_order=np.zeros((n_bars, n_bars)),
        by_timbre=np.where(lag <= 4, 0.3, -5)[1:, 1:],
    )
    found = block_share(bars, np.where(lag == 8, 8 * 0.5, 1e6))
    assert found == pytest.approx(expected)


def test_terms_with_weight_0_have_no_effect(rng):
    bars = bar_similarity(tune("ABA", rng), frames_per_bar=1)
    assert not cover_scores(bars, repetition=0, blocks=0, lengths=0)[:, :-1].any()


def test_similarity_in_order_is_the_mean_over_kinds(rng):
    names = ["mfcc"] * 3 + ["chroma"] * 12
    bars = bar_similarity(on_bars(rng.normal(size=(20, 15)), names), frames_per_bar=1)
    assert list(bars.by_kind) == ["mfcc", "chroma"]
    np.testing.assert_allclose(bars.in_order, np.mean(list(bars.by_kind.values()), axis=0))


@pytest.mark.parametrize(
    ("families", "compared"),
    [(["mfcc", "chroma"], ["chroma"]), (["mfcc", "jtfs"], ["mfcc", "jtfs"])],
)
def test_timbre_of_frames_shorter_than_bars_is_in_order_only_if_there_is_nothing_else(
    families, compared, rng
):
    features = on_bars(rng.normal(size=(20, 6)), np.repeat(families, 3).tolist())
    assert list(bar_similarity(features, frames_per_bar=4).by_kind) == compared


def test_block_scores_of_short_frames_are_per_bar(rng):
    bars = bar_similarity(Features(rng.normal(size=(44, 6)), np.arange(45) / 2), frames_per_bar=4)
    scores = cover_scores(bars, repetition=0, blocks=1, lengths=0)
    expected = block_scores(bars.by_timbre, n_bands=7 * 4) / 4
    np.testing.assert_allclose(scores[:, :-1], expected[:, :-1])


@pytest.mark.parametrize(("n_bars", "n_refused"), [(11, 0), (12, 2), (40, 2)])
def test_short_final_segments_are_rejected_except_in_short_recordings(n_bars, n_refused, rng):
    bars = bar_similarity(on_bars(rng.normal(size=(n_bars, 6))), frames_per_bar=1)
    scores = cover_scores(bars, repetition=1, blocks=1, lengths=1)
    assert np.flatnonzero(scores[:, -1] < -500).tolist() == [*range(n_bars)][n_bars - n_refused :]


@pytest.mark.parametrize("name", ["default", "repetition"])
def test_the_final_decay_is_no_separate_section(name, rng):
    song = tune("ABAABA", rng)
    longer = on_bars(np.concatenate([song.X, 3 + rng.normal(size=(2, 40))]))
    found = segment(longer, segmenter=name)
    assert found.boundaries == (*form_of("ABAABA").boundaries[:-1], longer.duration)


def test_timbre_and_order_have_equal_weight_for_labels():
    segments = np.repeat(np.arange(3), 8)
    same = np.equal.outer(segments, segments)
    sound = np.array([0, 0, 1])[segments]
    by_timbre = np.where(np.equal.outer(sound, sound), 1.5, -1.0)
    features = on_bars(np.ones((24, 1)))
    for in_order, labels in ((1.5, ("A", "A", "B")), (3.0, ("A", "A", "A"))):
        bars = BarSimilarity(
            features=features,
            by_kind={},
            in_order=np.where(same, 4.0, in_order),
            by_timbre=by_timbre,
            silences=np.empty(0, dtype=np.intp),
            frames_per_bar=1,
            copies=None,
        )
        assert cover_labels(bars, np.array([0, 8, 16, 24])) == [labels]


@pytest.mark.parametrize(
    ("n_labels", "copied", "labels"), [(None, True, "ABA"), (2, True, "AAB"), (None, False, "AAB")]
)
def test_copies_determine_the_labels_if_there_are_any_and_no_number_is_given(
    n_labels, copied, labels
):
    segments = np.array([0] * 8 + [9] + [0] * 8 + [1] * 8)  # 9 is silent
    similarity = np.where(np.equal.outer(segments, segments), 3.0, -3.0)
    scores, first, stop = np.zeros((3, 26, 26), dtype=int)
    scores[0, 8], first[0, 8], stop[0, 8] = copied, 17, 25
    bars = BarSimilarity(
        features=on_bars(np.ones((25, 1))),
        by_kind={},
        in_order=similarity,
        by_timbre=similarity,
        silences=np.array([8]),
        frames_per_bar=1,
        copies=Copies(scores=scores, first=first, stop=stop),
    )
    (found,) = cover_labels(bars, np.array([0, 8, 9, 17, 25]), n_labels=n_labels)
    assert found == (labels[0], "silence", *labels[1:])


def test_letters_skip_silence(rng):
    X = np.insert(tune("ABA", rng).X, [8] * 3, 0.0, axis=0)
    bars = bar_similarity(on_bars(X), frames_per_bar=1)
    assert cover_labels(bars, np.array([0, 8, 9, 17, 25])) == [("A", "silence", "B", "A")]


def test_without_bars_repetitions_are_found_at_any_tempo(rng):
    phrases = rng.normal(size=(2, 60, 40))
    slower = np.repeat(phrases[1], 4, axis=0)[::3]
    X = np.concatenate([phrases[0], phrases[0], phrases[1], slower])
    song = Features(X + 0.3 * rng.normal(size=X.shape), np.arange(len(X) + 1) / 2)
    for name in ("default", "grid-free"):
        found = segment(song, segmenter=name)
        np.testing.assert_allclose(found.boundaries, [0, 30, 60, 90, 130], atol=1)
        assert found.labels == ("A", "A", "B", "B")
        one = segment(song, segmenter=f"{name}:n_labels=1")
        assert set(one.labels) == {"A"}


def test_long_bars_may_be_read_as_two(rng):
    song = tune("AABBABBA", rng, n_bars=9)
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    X = song.X.reshape(len(song.X) // 2, -1)
    slow, usual = (Features(X, bar * np.arange(len(X) + 1), names) for bar in (3.6, BAR))
    assert median_bar(slow) > LONG_BAR
    found = segment(slow)
    np.testing.assert_allclose(found.boundaries, 1.8 * 9 * np.arange(9))
    assert found.labels == tuple("AABBABBA")
    assert set(segment(usual).boundaries) <= set(usual.edges)


@pytest.mark.parametrize("bar", [BAR, 3.6], ids=["usual bars", "long bars"])
def test_prepared_features_can_be_shared_by_different_weights(bar, rng):
    song = tune("AABBABBA", rng, n_bars=9, noise=1.5)
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    X = song.X.reshape(len(song.X) // 2, -1)
    features = Features(X, bar * np.arange(len(X) + 1), names)
    default = segmenter("default")
    changes = ({}, {"network": 0.0}, {"cost": 6.0, "blocks": 0.0}, {"level": "section"})
    tried = [dataclasses.replace(default, **change) for change in changes]
    prepared = default.prepare(features)
    assert (prepared.halves is None) == (bar == BAR)
    answers = [each.predict_prepared(prepared) for each in tried]
    assert answers == [each.predict(features) for each in tried]
    assert len(set(answers)) == len(tried)


def test_in_a_near_tie_boundaries_in_the_middle_of_bars_count_for_half_bars(rng):
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    default = segmenter("default")

    def lead_of_bars(n_half_bars):
        """Return how much more probable bars must be for half-bars to give way."""
        song = tune("AABBABBA", rng, n_bars=n_half_bars, noise=1.0)
        X = song.X.reshape(len(song.X) // 2, -1)
        prepared = default.prepare(Features(X, 3.6 * np.arange(len(X) + 1), names))
        bars = default._reading(prepared)
        for doubt in np.arange(0, 6, 0.1):
            halves = dataclasses.replace(prepared.halves, logits=prepared.halves.logits - doubt)
            chosen = default._weighed(dataclasses.replace(prepared, halves=halves))
            if chosen.bars is bars.bars:
                break
        return bars.certainty() - default._reading(halves, are_halves=True).certainty()

    assert lead_of_bars(8) == pytest.approx(0, abs=0.02)  # all phrases begin on bar lines
    assert lead_of_bars(9) > 0.03


def test_probabilities_change_little_where_half_bars_take_over_from_bars(rng):
    song = tune("AABBABBA", rng, n_bars=9, noise=1.5)
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    X = song.X.reshape(len(song.X) // 2, -1)
    default = segmenter("default")
    prepared = default.prepare(Features(X, 3.6 * np.arange(len(X) + 1), names))
    lines = prepared.bars.edges

    def probable(doubt):
        """Return whether half-bars are used, probabilities at bar lines, the other's share."""
        halves = dataclasses.replace(prepared.halves, logits=prepared.halves.logits - doubt)
        reading = default._weighed(dataclasses.replace(prepared, halves=halves))
        at_lines = np.isin(reading.bars.edges, lines)
        return not at_lines.all(), reading.probabilities("any")[at_lines], reading.share

    sure, unsure = 0.0, 20.0
    assert (probable(sure)[0], probable(unsure)[0]) == (True, False)
    while unsure - sure > 1e-3:
        middle = (sure + unsure) / 2
        sure, unsure = (middle, unsure) if probable(middle)[0] else (sure, middle)
    np.testing.assert_allclose(probable(sure)[1], probable(unsure)[1], atol=0.01)
    assert [probable(sure)[2], probable(unsure)[2]] == pytest.approx([0.5, 0.5], abs=0.01)
    halves = dataclasses.replace(prepared.halves, logits=prepared.halves.logits - sure)
    as_halves = default._reading(halves, are_halves=True)
    behind = default._reading(prepared).certainty() - as_halves.certainty()
    between = as_halves.share_between(lines)  # which counts less, the further behind they are
    assert 0.02 < behind == pytest.approx(between / (1 + np.exp(behind / 0.05)), abs=1e-3)
    apart = np.abs(probable(0.0)[1] - probable(20.0)[1])
    assert apart.max() > 0.1  # the two readings differ


@pytest.mark.parametrize("bar", [BAR, 3.6], ids=["usual bars", "long bars"])
def test_rival_bar_lines_are_used_if_their_boundaries_are_clearly_more_probable(bar, rng):
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    clear, vague = (
        Features(song.X.reshape(-1, 80), bar * np.arange(len(song.X) // 2 + 1), names)
        for song in (tune("AABBABBA", rng, n_bars=16, noise=noise) for noise in (0.5, 4.0))
    )
    default = segmenter("default")
    expected = {name: default.predict(each) for name, each in (("clear", clear), ("vague", vague))}
    assert expected["clear"] != expected["vague"]
    both = Features(vague.X, vague.edges, names, rival=clear)
    assert default.predict(both) == expected["clear"]
    assert default.predict_with_novelty(both).found == expected["clear"]
    both = Features(clear.X, clear.edges, names, rival=vague)
    assert default.predict(both) == expected["clear"]
    later = np.concatenate([[0], vague.edges[1:-1] + 0.1, vague.edges[-1:]])
    as_probable = Features(vague.X, later, names)
    assert default.predict(as_probable) != expected["vague"]
    equals = Features(vague.X, vague.edges, names, rival=as_probable)
    assert default.predict(equals) == expected["vague"]
    unlearned = segmenter("repetition")
    assert unlearned.predict(both) == unlearned.predict(clear)


def test_the_median_bar_is_not_the_mean():
    assert median_bar(Features(np.ones((5, 1)), [0, 2, 4, 6, 8, 30])) == 2


def test_silent_bars_do_not_affect_the_median_bar_length(rng):
    song = tune("AABBABBA", rng, n_bars=9)
    names = [FeatureName("note", i, place=place) for place in range(2) for i in range(40)]
    X = song.X.reshape(len(song.X) // 2, -1)
    slow = Features(X, 3.6 * np.arange(len(X) + 1), names)
    n_silent = 2 * len(X)
    edges = np.append(slow.edges, slow.duration + 2.0 * np.arange(1, n_silent + 1))
    padded = Features(np.concatenate([X, np.zeros((n_silent, 80))]), edges, names)
    assert median_bar(padded) == pytest.approx(3.6)
    found = segment(padded)
    assert found.boundaries == (*segment(slow).boundaries, padded.duration)
    assert found.labels == (*"AABBABBA", "silence")


def test_bars_with_features_without_subdivisions_are_not_halved(rng):
    X = rng.normal(size=(32, 3))
    names = [FeatureName("note", 0, place=0), FeatureName("note", 0, place=1), FeatureName("x", 0)]
    song = Features(X, 3.6 * np.arange(33), names)
    assert set(segment(song).boundaries) <= set(song.edges)


def test_silence_is_separate_even_in_constant_features():
    X = np.ones((20, 3))
    X[8:12] = 0
    found = segment(on_bars(X))
    assert found.boundaries == (0, 8 * BAR, 12 * BAR, 20 * BAR)
    assert found.labels == ("A", "silence", "A")


def in_keys(form, keys, rng, *, n_bars=8, silence=0):
    """Random pitch classes, eight per bar, repeated by letter and transposed by key."""
    names = [FeatureName("chroma", i, place=place) for place in range(8) for i in range(12)]
    notes = {each: rng.integers(12, size=(n_bars, 8)) for each in sorted(set(form))}
    played = np.concatenate([notes[each] + key for each, key in zip(form, keys, strict=True)])
    X = np.eye(12)[played % 12].reshape(len(played), -1)
    X = X + 0.2 * rng.uniform(size=X.shape)
    last = len(X) - n_bars
    rest = np.zeros((silence, X.shape[1]))
    edges = n_bars * np.arange(len(form) + 1)
    if silence:
        edges = np.append(edges[:-1], [last + 1, edges[-1] + 1])
    return on_bars(np.concatenate([X[:last], rest, X[last:]]), names), edges


@pytest.mark.parametrize("key", [-3, 1, 2, 5, 6])
def test_a_transposed_section_keeps_its_label(key, rng):
    features, edges = in_keys("ABABCB", [0, 0, 0, 0, 0, key], rng)
    bars = bar_similarity(features, frames_per_bar=1)
    assert cover_labels(bars, edges) == [tuple("ABABCB")]
    assert cover_labels(bars, edges, n_labels=3) == [tuple("ABABCB")]


def test_two_transposed_sections_keep_different_labels(rng):
    features, edges = in_keys("ABABAB", [0, 0, 0, 0, 2, 2], rng)
    assert cover_labels(bar_similarity(features, frames_per_bar=1), edges) == [tuple("ABABAB")]


def test_sections_similar_at_several_shifts_are_not_joined(rng):
    places = range(8)
    names = [FeatureName("chroma", i, place=place) for place in places for i in range(12)]
    augmented = np.eye(12) + np.roll(np.eye(12), 4, axis=1) + np.roll(np.eye(12), 8, axis=1)
    roots = rng.integers(12, size=(2, 8, 8))
    played = np.concatenate([roots[0], roots[1], roots[0] + 2, roots[1]])
    X = augmented[played % 12].reshape(len(played), -1)
    bars = bar_similarity(on_bars(X + 0.2 * rng.uniform(size=X.shape), names), frames_per_bar=1)
    assert cover_labels(bars, 8 * np.arange(5)) == [("A", "B", "C", "B")]


def test_labeling_levels_together_equals_labeling_each(rng):
    features, edges = in_keys("ABABCB", [0, 0, 0, 0, 0, 2], rng, silence=3)
    bars = bar_similarity(features, frames_per_bar=1)
    finer = np.union1d(edges, edges[:-2] + 4)
    both = cover_labels(bars, edges, finer)
    assert both == [*cover_labels(bars, edges), *cover_labels(bars, finer)]
    assert [len(labels) for labels in both] == [len(edges) - 1, len(finer) - 1]


def test_silence_before_a_transposed_section_keeps_its_label(rng):
    features, edges = in_keys("ABAB", [0, 0, 0, 2], rng, silence=3)
    (found,) = cover_labels(bar_similarity(features, frames_per_bar=1), edges)
    assert found == ("A", "B", "A", "silence", "B")


@pytest.mark.parametrize(("n_bars", "labels"), [(3, "ABAC"), (4, "ABAB")])
def test_a_transposition_is_found_from_four_bars_on(n_bars, labels, rng):
    features, edges = in_keys("ABAB", [0, 0, 0, 2], rng, n_bars=n_bars)
    assert cover_labels(bar_similarity(features, frames_per_bar=1), edges) == [tuple(labels)]
