"""Scores: answers known by hand, and mir_eval's own on random and real pairs."""

import itertools
import math
import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import segmentations

from scatseg.agreement import hierarchy_scores
from scatseg.baselines import EVENLY_SPACED, NO_BOUNDARY, RANDOM, no_boundary
from scatseg.evaluation import (
    CEILING,
    HIERARCHY,
    at_level,
    evaluate,
    evaluate_hierarchy,
    reference_hierarchies,
    score_collection,
    score_track,
)
from scatseg.formats import Annotation, read
from scatseg.segmentation import Hierarchy, Segmentation, letter_labels

ABA = Segmentation([0, 10, 25, 40], ["A", "B", "A"])

COUNTS = {"Reference segments", "Estimated segments"}


def annotation(boundaries, labels, annotator="1", level="section"):
    return Annotation(
        segmentation=Segmentation(boundaries, labels), annotator=annotator, level=level
    )


def called_directly(reference, estimate):
    """mir_eval's answer to the same question, its warnings aside."""
    sides = (
        *mir_eval.util.adjust_intervals(reference.intervals, list(reference.labels), t_min=0),
        *mir_eval.util.adjust_intervals(
            estimate.intervals, list(estimate.labels), t_min=0, t_max=reference.end
        ),
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        untrimmed = mir_eval.segment.evaluate(*sides)
        at_half, at_three = (
            mir_eval.segment.detection(sides[0], sides[2], window=window, trim=True)
            for window in (0.5, 3)
        )
        distances = mir_eval.segment.deviation(sides[0], sides[2], trim=True)
    boundary_names = [name for name in untrimmed if "@" in name or "deviation" in name]
    return (
        untrimmed
        | {f"{name} (untrimmed)": untrimmed[name] for name in boundary_names}
        | dict(zip(boundary_names, (*at_half, *at_three, *distances), strict=True))
    )


def assert_equals_mir_eval(reference, estimate):
    ours, theirs = evaluate(reference, estimate), called_directly(reference, estimate)
    assert set(ours) == set(theirs) | COUNTS
    names = sorted(theirs)
    np.testing.assert_allclose(
        [ours[name] for name in names], [theirs[name] for name in names], rtol=0, atol=1e-12
    )


# --- one pair ----------------------------------------------------------------------------------


def test_perfect_estimate_scores_one():
    scores = evaluate(ABA, ABA)
    right = {name for name in scores if "@" in name or "Pairwise" in name or "Rand" in name}
    right |= {"NCE Over", "NCE Under", "NCE F-measure", "V Precision", "V Recall", "V-measure"}
    right |= {"Adjusted Mutual Information", "Normalized Mutual Information"}
    assert {name: scores[name] for name in right} == pytest.approx(dict.fromkeys(right, 1.0))


def test_perfect_estimate_deviates_by_nothing():
    scores = evaluate(ABA, ABA)
    assert {value for name, value in scores.items() if "deviation" in name} == {0.0}


def test_missed_and_shifted_boundaries_give_the_scores_counted_by_hand():
    scores = evaluate(ABA, Segmentation([0, 10.6, 40], ["A", "B"]))
    assert (scores["Precision@0.5"], scores["Recall@0.5"], scores["F-measure@0.5"]) == (0, 0, 0)
    assert (scores["Precision@3.0"], scores["Recall@3.0"]) == (1, 0.5)
    assert scores["F-measure@3.0"] == pytest.approx(2 / 3)
    assert scores["Ref-to-est deviation"] == pytest.approx((0.6 + 14.4) / 2)
    assert scores["Est-to-ref deviation"] == pytest.approx(0.6)


def test_untrimmed_scores_count_the_ends():
    scores = evaluate(ABA, Segmentation([0, 10.6, 40], ["A", "B"]))
    assert scores["Precision@0.5 (untrimmed)"] == pytest.approx(2 / 3)
    assert scores["Recall@0.5 (untrimmed)"] == pytest.approx(2 / 4)
    assert scores["Precision@3.0 (untrimmed)"] == 1
    assert scores["Ref-to-est deviation (untrimmed)"] == pytest.approx(0.3)


def test_pairwise_counts_pairs_of_moments_that_share_a_label():
    scores = evaluate(Segmentation([0, 10, 20], ["A", "B"]), Segmentation([0, 20], ["A"]))
    both, one = 100 * 99 / 2, 200 * 199 / 2
    # mir_eval gives the sample at 10.0 s to the second segment: 100 samples each.
    assert scores["Pairwise Recall"] == 1
    assert scores["Pairwise Precision"] == pytest.approx(2 * both / one)


@pytest.mark.parametrize("window", [0, -1, math.nan, math.inf])
def test_window_that_is_no_length_of_time_is_refused(window):
    with pytest.raises(ValueError, match="windows are positive seconds"):
        evaluate(ABA, ABA, windows=[0.5, window])


def test_windows_may_come_from_a_generator():
    expected = evaluate(ABA, ABA, windows=[0.5, 2])
    np.testing.assert_equal(evaluate(ABA, ABA, windows=(w for w in (0.5, 2))), expected)


def test_one_window_is_told_to_be_written_as_several():
    with pytest.raises(TypeError, match=r"windows are several, .* got 0.5: write \[0.5\] for one"):
        evaluate(ABA, ABA, windows=0.5)


def test_names_of_labels_do_not_matter():
    estimate = Segmentation([0, 12, 30, 40], ["verse", "chorus", "verse"])
    renamed = Segmentation([0, 12, 30, 40], ["x", "a", "x"])
    assert evaluate(ABA, renamed) == pytest.approx(evaluate(ABA, estimate))


def test_case_of_labels_does_not_matter():
    mixed = Segmentation([0, 10, 25, 40], ["A", "b", "a"])
    assert evaluate(ABA, mixed) == evaluate(ABA, ABA)


def test_boundary_scores_ignore_labels():
    estimate = Segmentation([0, 10, 25, 40], ["x", "x", "x"])
    assert evaluate(ABA, estimate)["F-measure@0.5"] == 1


@pytest.mark.parametrize(
    ("reference", "estimate"),
    [(ABA, no_boundary(ABA)), (no_boundary(ABA), ABA), (no_boundary(ABA), no_boundary(ABA))],
    ids=["estimate", "reference", "both"],
)
def test_without_an_inner_boundary_trimmed_scores_are_zero_and_deviations_undefined(
    reference, estimate
):
    scores = evaluate(reference, estimate)
    hits = ["Precision@0.5", "Recall@0.5", "F-measure@0.5", "F-measure@3.0"]
    assert [scores[name] for name in hits] == [0.0] * 4
    assert math.isnan(scores["Ref-to-est deviation"])
    assert math.isnan(scores["Est-to-ref deviation"])
    assert scores["Ref-to-est deviation (untrimmed)"] >= 0


@pytest.mark.parametrize("estimate_end", [40.0, 37.0, 55.0])
def test_estimate_is_cropped_or_extended_to_the_reference(estimate_end):
    estimate = Segmentation([0, 10, 25, estimate_end], ["A", "B", "A"])
    scores = evaluate(ABA, estimate)
    assert scores["Recall@0.5"] == 1
    assert scores["Recall@0.5 (untrimmed)"] == 1


def test_the_end_of_an_estimate_just_before_that_of_the_reference_is_a_boundary():
    early = Segmentation([0, 10, 25, 39.999], ["A", "B", "A"])
    extended = Segmentation([0, 10, 25, 39.999, 40], ["A", "B", "A", "other"])
    scores = evaluate(ABA, early)
    assert scores["Precision@0.5"] == 2 / 3
    assert scores | {"Estimated segments": 4.0} == evaluate(ABA, extended)


def test_segments_after_the_end_of_the_reference_do_not_count():
    longer = Segmentation([0, 10, 25, 40, 50, 60], ["A", "B", "A", "C", "D"])
    scores = evaluate(ABA, longer) | {"Estimated segments": 3.0}
    assert scores == evaluate(ABA, ABA)


def test_segments_are_counted_as_given():
    longer = Segmentation([0, 10, 25, 40, 50, 60], ["A", "B", "A", "C", "D"])
    scores = evaluate(ABA, longer)
    assert (scores["Reference segments"], scores["Estimated segments"]) == (3, 5)


def test_reference_that_starts_late_is_extended_to_zero():
    late = Segmentation([5, 10, 25, 40], ["S", "B", "A"])
    from_zero = Segmentation([0, 5, 10, 25, 40], ["other", "S", "B", "A"])
    scores = evaluate(late, ABA) | {"Reference segments": 4.0}
    assert scores == pytest.approx(evaluate(from_zero, ABA))


def test_estimate_of_another_time_is_refused():
    with pytest.raises(ValueError, match="starts at 40 s and the reference ends at 40 s"):
        evaluate(ABA, Segmentation([40, 50], ["A"]))


@pytest.mark.parametrize("side", ["reference", "estimate"])
@pytest.mark.parametrize(
    ("given", "what_to_do"),
    [
        (Hierarchy([ABA]), "Hierarchy: choose one of its levels; evaluate_hierarchy compares all"),
        (Annotation(segmentation=ABA), "Annotation: take its segmentation"),
        ((Annotation(segmentation=ABA),), "tuple of Annotations: take the segmentation of one"),
        ("a.lab", r"str: scatseg.read\(path\)\[0\].segmentation is that of a file"),
        (None, "NoneType$"),
    ],
    ids=["hierarchy", "annotation", "what read returns", "path", "nothing"],
)
def test_what_is_no_segmentation_is_refused_with_what_to_do(side, given, what_to_do):
    pair = {"reference": ABA, "estimate": ABA} | {side: given}
    with pytest.raises(TypeError, match=f"{side} must be one Segmentation, got {what_to_do}"):
        evaluate(**pair)


@pytest.mark.parametrize("duration", [1e-6, 0.04, 0.1, 0.19, 0.21])
def test_shortest_tracks_give_mir_eval_s_numbers_without_a_warning(duration):
    half = Segmentation([0, duration / 2, duration], ["A", "B"])
    assert_equals_mir_eval(half, half)


def test_pairwise_is_undefined_where_no_two_moments_share_a_label():
    times = [0, 0.05, 0.15, 0.25, 0.35]  # mir_eval looks at 0, 0.1, 0.2, ...
    alone = Segmentation(times, list("ABCD"))
    assert math.isnan(evaluate(alone, alone)["Pairwise F-measure"])


@settings(max_examples=60, deadline=None)
@given(segmentations(), segmentations(from_zero=True))
def test_random_pairs_score_as_mir_eval_says(reference, estimate):
    # mir_eval refuses an estimate with a boundary exactly at the reference's end.
    if reference.end in estimate.boundaries[1:-1]:
        reference = Segmentation([*reference.boundaries[:-1], 41.0], reference.labels)
    assert_equals_mir_eval(reference, estimate)


@settings(max_examples=30, deadline=None)
@given(segmentations(from_zero=True), segmentations(from_zero=True))
def test_boundary_scores_do_not_change_when_time_and_windows_are_scaled(reference, estimate):
    scaled = [Segmentation(8 * np.array(s.boundaries), s.labels) for s in (reference, estimate)]
    original = evaluate(reference, estimate)
    slow = evaluate(*scaled, windows=[4, 24])
    for kind in ("Precision", "Recall", "F-measure"):
        for trim in ("", " (untrimmed)"):
            assert slow[f"{kind}@4.0{trim}"] == original[f"{kind}@0.5{trim}"]
            assert slow[f"{kind}@24.0{trim}"] == original[f"{kind}@3.0{trim}"]


@settings(max_examples=30, deadline=None)
@given(segmentations(), segmentations(from_zero=True), st.permutations("abc"))
def test_scores_do_not_change_when_labels_are_renamed(reference, estimate, names):
    renamed = [names["abc".index(label.lower())] for label in estimate.labels]
    changed = evaluate(reference, Segmentation(estimate.boundaries, renamed))
    assert changed == pytest.approx(evaluate(reference, estimate), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(segmentations(from_zero=True))
def test_perfect_estimate_scores_one_or_cannot_be_told_apart(form):
    scores = evaluate(form, form)
    names = ["F-measure@0.5 (untrimmed)", "F-measure@3.0 (untrimmed)", "Rand Index"]
    names += ["F-measure@0.5", "F-measure@3.0"] if len(form) > 1 else []
    names += ["Pairwise F-measure", "Adjusted Rand Index"]
    assert all(scores[name] == pytest.approx(1) or math.isnan(scores[name]) for name in names)


@settings(max_examples=30, deadline=None)
@given(segmentations(), segmentations(from_zero=True))
def test_scores_are_shares(reference, estimate):
    scores = evaluate(reference, estimate)
    shares = [v for k, v in scores.items() if "@" in k or "Pairwise" in k or "NCE" in k]
    assert all(math.isnan(share) or -1e-9 <= share <= 1 + 1e-9 for share in shares)


@pytest.mark.corpus
@pytest.mark.slow
def test_references_of_the_corpus_score_as_mir_eval_says(shared):
    files = sorted((shared / "corpus/pop909_dev/annotations").glob("*.lab"))
    by_track = itertools.groupby(files, key=lambda path: path.name.split(".")[0])
    tracks = [[read(path)[0].segmentation for path in paths] for _, paths in by_track]
    assert len(tracks) == 60
    for phrase1, phrase2, section1, section2 in tracks[::5]:
        assert_equals_mir_eval(phrase1, phrase2)
        assert_equals_mir_eval(section2, section1)
        assert_equals_mir_eval(phrase1, section2)


@pytest.mark.corpus
@pytest.mark.slow
def test_two_annotators_of_the_corpus_agree_as_published(shared):
    # Figures of the corpus' description: trimmed, unique X, first annotator as the reference.
    folder = shared / "corpus/pop909_dev/annotations_uniq"
    names = ["F-measure@0.5", "F-measure@3.0", "Pairwise F-measure", "NCE F-measure", "V-measure"]
    scores = [
        evaluate(
            read(path)[0].segmentation,
            read(path.with_name(path.name.replace("phrase1", "phrase2")))[0].segmentation,
        )
        for path in sorted(folder.glob("*.phrase1.lab"))
    ]
    means = [np.mean([score[name] for score in scores]) for name in names]
    np.testing.assert_allclose(means, [0.831, 0.869, 0.921, 0.938, 0.922], atol=5e-4)


def test_one_label_against_many_segments_is_not_rounded_to_perfection():
    many = Segmentation([0, 189.64638045807044, 230.0846816615644, 238.2], "bea")
    one = Segmentation([0, 238.2], "x")
    assert_equals_mir_eval(one, many)
    assert_equals_mir_eval(many, one)


# --- all levels at once ------------------------------------------------------------------------

COARSE = Segmentation([0, 20, 40], ["A", "B"])
FINE = Segmentation([0, 10, 20, 30, 40], list("abac"))


def with_mir_eval(reference, estimate):
    sides = (
        part
        for hierarchy in (reference, estimate)
        for part in (
            [level.intervals for level in hierarchy],
            [list(level.labels) for level in hierarchy],
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mir_eval.hierarchy.evaluate(*sides)


def nested(rng, duration, sizes):
    """Make levels with more and more segments, of few labels."""
    levels = []
    for size in sizes:
        inner = np.unique(np.round(rng.uniform(0.05, duration - 0.05, size - 1), 2))
        labels = letter_labels(rng.integers(0, 4, len(inner) + 1))
        levels.append(Segmentation([0, *inner, duration], labels))
    return Hierarchy(levels)


@pytest.mark.parametrize(
    ("duration", "sizes"),
    [(0.3, (1, 2)), (5.0, (2, 3)), (16.25, (3, 6)), (4.7, (4,)), (40.0, (2, 4, 12))],
)
def test_hierarchies_score_as_mir_eval_says(rng, duration, sizes):
    reference, estimate = nested(rng, duration, (2, 4)), nested(rng, duration, sizes)
    ours, theirs = evaluate_hierarchy(reference, estimate), with_mir_eval(reference, estimate)
    assert list(ours) == list(theirs)
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=0, atol=1e-12)


def test_estimated_hierarchy_is_cropped_and_extended_as_by_mir_eval():
    reference = Hierarchy([COARSE, FINE])
    estimate = Hierarchy(
        [Segmentation([5, 18, 60], "AB"), Segmentation([5, 9, 18, 47, 60], "abca")]
    )
    theirs = with_mir_eval(reference, estimate)
    assert evaluate_hierarchy(reference, estimate) == pytest.approx(theirs)


def test_perfect_hierarchy_scores_one():
    form = Hierarchy([COARSE, FINE])
    assert set(evaluate_hierarchy(form, form).values()) == {1.0}


def test_hierarchy_without_any_boundary_orders_nothing_and_scores_zero():
    flat = Hierarchy([no_boundary(COARSE)] * 2)
    assert set(evaluate_hierarchy(flat, flat).values()) == {0.0}


def test_labels_of_a_hierarchy_are_compared_without_regard_to_case_or_name():
    upper = Hierarchy([COARSE, Segmentation(FINE.boundaries, list("XyxZ"))])
    form = Hierarchy([COARSE, FINE])
    assert evaluate_hierarchy(form, upper)["L-Measure"] == 1


def test_levels_of_a_few_frames_score_without_a_warning():
    short = Segmentation([0, 0.05, 0.12], "ab")
    assert set(hierarchy_scores([short], [short]).values()) == {0.0}


def test_one_level_is_no_hierarchy():
    with pytest.raises(TypeError, match="estimate must be a Hierarchy, got Segmentation"):
        evaluate_hierarchy(Hierarchy([ABA]), ABA)


def test_hierarchy_of_another_time_is_refused():
    with pytest.raises(ValueError, match="starts at 40 s and the reference ends at 40 s"):
        evaluate_hierarchy(Hierarchy([ABA]), Hierarchy([Segmentation([40, 50], ["A"])]))


def test_levels_of_an_annotator_go_from_coarse_to_fine_without_functions():
    found = reference_hierarchies(
        [
            Annotation(segmentation=FINE, annotator="1", level="lower"),
            Annotation(segmentation=COARSE, annotator="1", level="upper"),
            Annotation(segmentation=ABA, annotator="1", level="function"),
            Annotation(segmentation=COARSE, annotator="2", level="upper"),
        ]
    )
    assert found == {"1": Hierarchy([COARSE, FINE], ["upper", "lower"])}


def test_names_order_levels_before_counts_and_second_readings_are_left_out():
    levels = (("lower", COARSE), ("upper", FINE), ("upper-b", ABA))
    found = reference_hierarchies(
        [Annotation(segmentation=form, annotator="1", level=level) for level, form in levels]
    )
    assert found == {"1": Hierarchy([FINE, COARSE], ["upper", "lower"])}


def test_levels_that_end_before_the_others_are_extended():
    short = Segmentation([0, 20], ["A"])
    found = reference_hierarchies(
        [
            Annotation(segmentation=short, annotator="1", level="upper"),
            Annotation(segmentation=FINE, annotator="1", level="lower"),
        ]
    )
    assert found["1"].levels[0].boundaries == (0, 20, 40)


@pytest.mark.corpus
@pytest.mark.slow
def test_two_levels_of_the_corpus_score_as_mir_eval_says(shared):
    path = shared / "corpus/pop909_dev/annotations/pop909_655.jams"  # the shortest song
    first, second = reference_hierarchies(read(path)).values()
    theirs = with_mir_eval(first, second)
    assert evaluate_hierarchy(first, second) == pytest.approx(theirs, abs=1e-9)


# --- tracks ------------------------------------------------------------------------------------

ONE = annotation([0, 10, 25, 40], ["A", "B", "A"], "1")
TWO = annotation([0, 10, 40], ["A", "B"], "2")
THREE = annotation([0, 20, 40], ["A", "B"], "3")
PHRASE = annotation([0, 5, 40], ["a", "b"], "1", "phrase")


def values(scores, metric="F-measure@0.5"):
    return {(s.annotator, s.level, s.system): s.value for s in scores if s.metric == metric}


def test_track_is_scored_by_reference_then_system_with_baselines_last():
    scores = score_track("song", [ONE, TWO], {"foote": ABA, "serra": ABA})
    systems = ["foote", "serra", NO_BOUNDARY, EVENLY_SPACED, RANDOM, CEILING]
    assert list(values(scores)) == [
        (annotator, "section", system) for annotator in "12" for system in systems
    ]


def test_track_scores_are_those_of_each_pair():
    scores = score_track("song", [TWO], {"foote": ABA})
    found = {s.metric: s.value for s in scores if s.system == "foote"}
    assert found == evaluate(TWO.segmentation, ABA)


def test_ceiling_is_the_mean_over_the_other_annotators_of_a_level():
    scores = values(score_track("song", [ONE, TWO, THREE, PHRASE], {}))
    expected = np.mean([evaluate(ABA, each.segmentation)["F-measure@0.5"] for each in (TWO, THREE)])
    assert scores["1", "section", CEILING] == pytest.approx(expected)


def test_level_with_one_annotator_has_no_ceiling():
    scores = values(score_track("song", [ONE, TWO, PHRASE], {}))
    assert ("1", "phrase", CEILING) not in scores
    assert ("1", "phrase", NO_BOUNDARY) in scores


def test_another_annotator_changes_no_score_of_a_system():
    alone = score_track("song", [ONE], {"foote": ABA}, baselines=False)
    together = score_track("song", [ONE, TWO], {"foote": ABA}, baselines=False)
    assert [score for score in together if score.annotator == "1"] == alone


def test_random_baseline_of_a_track_depends_on_no_other_track_or_annotator():
    alone = score_collection({"song": [ONE]}, {})
    among = score_collection({"other": [TWO], "song": [THREE, ONE], "third": [ONE]}, {})
    mine = [score for score in alone if score.system == RANDOM]
    assert [
        s for s in among if s.track == "song" and s.system == RANDOM and s.annotator == "1"
    ] == (mine)


def test_tracks_have_different_random_boundaries():
    drawn = {
        track: [
            score.value
            for score in score_track(track, [ONE], {})
            if score.system == RANDOM and "deviation" in score.metric
        ]
        for track in ("a", "b")
    }
    assert drawn["a"] != drawn["b"]


def test_answer_of_several_levels_is_scored_at_its_default_and_as_a_whole():
    answer = Hierarchy([no_boundary(ABA), ABA], default=1)
    scores = score_track("song", [ONE, PHRASE], {"deep": answer}, baselines=False)
    flat = {s.metric: s.value for s in scores if s.level == "section"}
    whole = {s.metric: s.value for s in scores if s.level == HIERARCHY}
    assert flat == evaluate(ABA, ABA)
    (reference,) = reference_hierarchies([ONE, PHRASE]).values()
    assert whole == evaluate_hierarchy(reference, answer)


def test_answers_of_one_level_have_no_scores_of_a_hierarchy():
    scores = score_track("song", [ONE, PHRASE], {"flat": ABA, "single": Hierarchy([ABA])})
    assert HIERARCHY not in {score.level for score in scores}


def test_level_named_by_a_superscript_is_compared_with_its_namesake():
    answer = Hierarchy([ABA, PHRASE.segmentation], ["section", "\N{SUPERSCRIPT TWO}"])
    assert at_level(answer, "\N{SUPERSCRIPT TWO}") == PHRASE.segmentation
    assert at_level(answer, "2") == ABA


def test_levels_of_two_annotators_have_a_ceiling_and_baselines():
    second = Annotation(segmentation=FINE, annotator="2", level="phrase")
    references = [ONE, PHRASE, TWO, second]
    scores = score_track("song", references, {"deep": Hierarchy([ABA, FINE])})
    whole = values([s for s in scores if s.level == HIERARCHY], "L-Measure")
    by_annotator = reference_hierarchies(references)
    expected = evaluate_hierarchy(by_annotator["1"], by_annotator["2"])["L-Measure"]
    assert whole["1", HIERARCHY, CEILING] == expected
    assert len(whole) == 2 * len(["deep", NO_BOUNDARY, EVENLY_SPACED, RANDOM, CEILING])


def test_level_named_like_the_hierarchy_is_refused():
    taken = annotation([0, 40], ["A"], "1", HIERARCHY)
    with pytest.raises(ValueError, match="song: 'hierarchy' means all levels at once"):
        score_track("song", [taken], {})


def test_without_baselines_only_systems_are_scored():
    scores = score_track("song", [ONE, TWO], {"foote": ABA}, baselines=False)
    assert {score.system for score in scores} == {"foote"}


def test_system_named_like_a_baseline_is_refused():
    with pytest.raises(ValueError, match="'human ceiling' names a baseline"):
        score_track("song", [ONE], {CEILING: ABA})


def test_answer_without_a_level_is_refused():
    with pytest.raises(ValueError, match="song: 'mine' answers with no level at all"):
        score_track("song", [ONE], {"mine": []})


def test_two_references_of_one_name_are_refused():
    with pytest.raises(ValueError, match="song: two references by annotator '1' at level"):
        score_track("song", [ONE, ONE], {})


@pytest.mark.parametrize(
    ("references", "answer", "message"),
    [
        ([ONE], ONE, "of 'mine' must be .*, got Annotation: take its segmentation"),
        ([ONE], [ABA], "of 'mine' must be .*, got list"),
        ([ONE], "song.lab", "of 'mine' must be .*, got str: scatseg.read"),
        ([ABA], ABA, "references must be several Annotations"),
        (ONE, ABA, "references must be several Annotations"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_type(references, answer, message):
    with pytest.raises(TypeError, match=message):
        score_track("song", references, {"mine": answer})


def test_pair_that_cannot_be_scored_is_named():
    late = Segmentation([99, 100], ["A"])
    with pytest.raises(ValueError, match="song: foote against annotator '1', level 'section': "):
        score_track("song", [ONE], {"foote": late})


def test_pair_that_cannot_be_scored_is_told_and_left_out():
    late, told = Segmentation([99, 100], ["A"]), []
    answers = {"foote": late, "good": ABA}
    scores = score_track("song", [ONE], answers, on_refusal=told.append)
    assert "foote" not in {score.system for score in scores}
    assert len(told) == 1


def test_collection_keeps_the_order_of_the_references_and_leaves_out_what_nobody_answered():
    references = {"b": [ONE], "a": [ONE], "c": [ONE]}
    scores = score_collection(references, {"foote": {"a": ABA, "b": ABA}})
    assert list(dict.fromkeys(score.track for score in scores)) == ["b", "a"]


def test_collection_without_systems_has_its_baselines():
    scores = score_collection({"a": [ONE, TWO]}, {})
    assert {score.system for score in scores} == {NO_BOUNDARY, EVENLY_SPACED, RANDOM, CEILING}


def test_estimate_without_reference_is_refused():
    with pytest.raises(ValueError, match="foote has 1 without, such as 'x'"):
        score_collection({"a": [ONE]}, {"foote": {"a": ABA, "x": ABA}})
