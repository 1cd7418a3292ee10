"""Scores: answers known by hand, and mir_eval's own on random and real pairs."""

import itertools
import json
import math
import statistics
import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatseg.evaluation import (
    CEILING,
    EVENLY_SPACED,
    NO_BOUNDARY,
    Score,
    evaluate,
    evenly_spaced,
    no_boundary,
    read_scores,
    score_collection,
    score_track,
    scores_csv,
    summarize,
    summary_csv,
    summary_json,
    summary_markdown,
)
from scatseg.formats import Annotation, read
from scatseg.segmentation import Hierarchy, Segmentation

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


@st.composite
def segmentations(draw, *, from_zero=False):
    """Up to 8 segments within 40 s, to 1 ms, of few labels."""
    times = draw(st.lists(st.integers(0, 40_000), min_size=2, max_size=9, unique=True))
    times = sorted(times)
    if from_zero:
        times[0] = 0
    labels = draw(st.lists(st.sampled_from("ABcb"), min_size=8, max_size=8))
    return Segmentation(np.array(times) / 1000, labels[: len(times) - 1])


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
def test_hierarchy_is_refused(side):
    pair = {"reference": ABA, "estimate": ABA} | {side: Hierarchy([ABA])}
    with pytest.raises(TypeError, match=f"{side} must be one Segmentation, got Hierarchy"):
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
@given(segmentations(), segmentations(from_zero=True))
def test_scores_are_shares(reference, estimate):
    scores = evaluate(reference, estimate)
    shares = [v for k, v in scores.items() if "@" in k or "Pairwise" in k or "NCE" in k]
    assert all(math.isnan(share) or -1e-9 <= share <= 1 + 1e-9 for share in shares)


@pytest.mark.corpus
@pytest.mark.slow
def test_every_reference_of_the_corpus_scores_as_mir_eval_says(shared):
    files = sorted((shared / "corpus/pop909_dev/annotations").glob("*.lab"))
    by_track = itertools.groupby(files, key=lambda path: path.name.split(".")[0])
    tracks = [[read(path)[0].segmentation for path in paths] for _, paths in by_track]
    assert len(tracks) == 60
    for phrase1, phrase2, section1, section2 in tracks:
        assert_equals_mir_eval(phrase1, phrase2)
        assert_equals_mir_eval(section2, section1)
    for phrase1, _, _, section2 in tracks[::6]:
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


# --- baselines ---------------------------------------------------------------------------------


def test_evenly_spaced_has_as_many_segments_as_the_reference():
    reference = Segmentation([0, 1, 5, 7, 40], list("ABAC"))
    assert evenly_spaced(reference) == Segmentation([0, 10, 20, 30, 40], list("ABCD"))


@pytest.mark.parametrize("baseline", [no_boundary, evenly_spaced])
def test_baseline_does_not_know_where_the_reference_starts(baseline):
    guess = baseline(Segmentation([20, 30, 40], ["A", "B"]))
    assert (guess.start, guess.end) == (0, 40)
    assert 20.0 not in guess.boundaries or baseline is evenly_spaced


@settings(deadline=None)
@given(segmentations())
def test_evenly_spaced_segments_are_equal_and_all_different(reference):
    guess = evenly_spaced(reference)
    assert np.ptp(np.diff(guess.boundaries)) < 1e-9
    assert len(set(guess.labels)) == len(guess)


# --- tracks ------------------------------------------------------------------------------------

ONE = annotation([0, 10, 25, 40], ["A", "B", "A"], "1")
TWO = annotation([0, 10, 40], ["A", "B"], "2")
THREE = annotation([0, 20, 40], ["A", "B"], "3")
PHRASE = annotation([0, 5, 40], ["a", "b"], "1", "phrase")


def values(scores, metric="F-measure@0.5"):
    return {(s.annotator, s.level, s.system): s.value for s in scores if s.metric == metric}


def test_track_is_scored_by_reference_then_system_with_baselines_last():
    scores = score_track("song", [ONE, TWO], {"foote": ABA, "serra": ABA})
    systems = ["foote", "serra", NO_BOUNDARY, EVENLY_SPACED, CEILING]
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


def test_without_baselines_only_systems_are_scored():
    scores = score_track("song", [ONE, TWO], {"foote": ABA}, baselines=False)
    assert {score.system for score in scores} == {"foote"}


def test_system_named_like_a_baseline_is_refused():
    with pytest.raises(ValueError, match="'human ceiling' names a baseline"):
        score_track("song", [ONE], {CEILING: ABA})


def test_two_references_of_one_name_are_refused():
    with pytest.raises(ValueError, match="song: two references by annotator '1' at level"):
        score_track("song", [ONE, ONE], {})


def test_pair_that_cannot_be_scored_is_named():
    late = Segmentation([99, 100], ["A"])
    with pytest.raises(ValueError, match="song: foote against annotator '1', level 'section': "):
        score_track("song", [ONE], {"foote": late})


def test_collection_keeps_the_order_of_the_references_and_leaves_out_what_nobody_answered():
    references = {"b": [ONE], "a": [ONE], "c": [ONE]}
    scores = score_collection(references, {"foote": {"a": ABA, "b": ABA}})
    assert list(dict.fromkeys(score.track for score in scores)) == ["b", "a"]


def test_collection_without_systems_has_its_baselines():
    scores = score_collection({"a": [ONE, TWO]}, {})
    assert {score.system for score in scores} == {NO_BOUNDARY, EVENLY_SPACED, CEILING}


def test_estimate_without_reference_is_refused():
    with pytest.raises(ValueError, match="foote has 1 without, such as 'x'"):
        score_collection({"a": [ONE]}, {"foote": {"a": ABA, "x": ABA}})


# --- summaries ---------------------------------------------------------------------------------


def score(track, value, *, annotator="1", system="foote", metric="F", level="section"):
    return Score(track, annotator, level, system, metric, value)


def test_annotators_are_averaged_before_tracks():
    scores = [
        score("a", 0.0, annotator="1"),
        score("a", 1.0, annotator="2"),
        score("b", 1.0, annotator="1"),
    ]
    overall = summarize(scores)[0]
    assert (overall.annotator, overall.n, overall.mean) == ("", 2, 0.75)


def test_each_annotator_has_rows_where_there_are_several():
    scores = [
        score("a", 0.0, annotator="1"),
        score("a", 1.0, annotator="2"),
        score("b", 1.0, annotator="1"),
        score("b", 0.3, system="other"),
    ]
    found = {(row.system, row.annotator): (row.n, row.mean) for row in summarize(scores)}
    assert found == {
        ("foote", ""): (2, 0.75),
        ("foote", "1"): (2, 0.5),
        ("foote", "2"): (1, 1.0),
        ("other", ""): (1, 0.3),
    }


def test_spread_is_that_of_the_tracks():
    row = summarize([score(str(i), float(i)) for i in range(5)])[0]
    assert row[5:] == pytest.approx((2.0, math.sqrt(2.5), 2.0, 1.0, 3.0))


def test_undefined_values_do_not_count():
    row = summarize([score("a", math.nan), score("b", 0.5)])[0]
    assert (row.n, row.mean, row.median) == (1, 0.5, 0.5)
    assert math.isnan(row.std)


def test_annotator_without_a_value_does_not_count():
    scores = [score("a", math.nan, annotator="1"), score("a", 0.5, annotator="2")]
    assert summarize(scores)[0].mean == 0.5


def test_metric_that_is_never_defined_counts_no_track():
    row = summarize([score("a", math.nan)])[0]
    assert row.n == 0
    assert all(math.isnan(value) for value in row[5:])


def test_summary_puts_baselines_and_ceiling_last():
    systems = [CEILING, EVENLY_SPACED, "foote", NO_BOUNDARY, "serra"]
    rows = summarize([score("a", 1.0, system=system) for system in systems])
    assert [row.system for row in rows] == ["foote", "serra", EVENLY_SPACED, NO_BOUNDARY, CEILING]


def test_nothing_has_an_empty_summary():
    assert summarize([]) == []


# --- files -------------------------------------------------------------------------------------

AWKWARD = [
    score('a "live", 2', 1 / 3, annotator="Anna, B."),
    score("b\nb", 0.1 + 0.2, level="Größe"),
    score("c", math.nan),
]


def test_scores_come_back_as_they_were(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(scores_csv(AWKWARD), encoding="utf-8", newline="")
    back = read_scores(path)
    assert back[:2] == AWKWARD[:2]
    assert math.isnan(back[2].value)
    assert back[2][:5] == AWKWARD[2][:5]


def test_undefined_values_are_written_as_nan():
    assert scores_csv(AWKWARD).splitlines()[-1] == "c,1,section,foote,F,nan"


def test_scores_of_a_track_leave_no_field_empty(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(scores_csv(score_track("song", [ONE, TWO], {"foote": no_boundary(ABA)})))
    assert all("" not in line.split(",") for line in path.read_text().splitlines())


def test_other_tables_are_not_read_as_scores(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("track,error\n")
    with pytest.raises(ValueError, match=r"scores\.csv, line 1: expected track,annotator,"):
        read_scores(path)


@pytest.mark.parametrize("line", ["a,1,section,foote,F,much", "a,1,section,foote,0.5", ""])
def test_broken_line_is_named(tmp_path, line):
    path = tmp_path / "scores.csv"
    path.write_text(scores_csv([score("a", 1.0)]) + line + "\n")
    with pytest.raises(ValueError, match=r"scores\.csv, line 3: expected five names"):
        read_scores(path)


def test_summary_csv_has_the_fields_of_a_run_folder():
    header, row = summary_csv(summarize([score("a", 0.5), score("b", 1.0)])).splitlines()
    assert header == "system,annotator,level,metric,n,mean,std,median,q25,q75"
    assert row == f"foote,,section,F,2,0.75,{statistics.stdev([0.5, 1.0])!r},0.75,0.625,0.875"


def test_summary_json_is_strict_and_names_the_baselines():
    text = summary_json(summarize([score("a", 0.5), score("a", math.nan, system=NO_BOUNDARY)]))
    content = json.loads(text, parse_constant=pytest.fail)
    assert [row["mean"] for row in content["rows"]] == [0.5, None]
    assert content["baselines"] == [NO_BOUNDARY]


def test_markdown_shows_one_table_per_level():
    text = summary_markdown(summarize(score_track("song", [ONE, TWO, PHRASE], {"foote": ABA})))
    section, phrase = text.split("\n\nLevel ")
    assert section.splitlines()[0] == (
        "Level section, means over tracks; the references have 2.5 segments:"
    )
    cells = [line.split("|")[1].strip() for line in section.splitlines()[2:]]
    assert cells[:1] + cells[2:] == ["system", "foote", NO_BOUNDARY, EVENLY_SPACED, CEILING]
    assert phrase.startswith("phrase, means over tracks; the references have 2.0 segments:")


def test_markdown_columns_line_up():
    text = summary_markdown(summarize(score_track("song", [ONE], {"a|b": ABA})))
    bars = {len(line) for line in text.splitlines() if line.startswith("|")}
    assert len(bars) == 1


def test_markdown_shows_means_of_the_table():
    text = summary_markdown(summarize(score_track("song", [TWO], {"foote": ABA})))
    foote = next(line for line in text.splitlines() if "foote" in line)
    assert [cell.strip() for cell in foote.split("|")[2:5]] == ["1", "0.667", "0.667"]


def test_one_label_against_many_segments_is_not_rounded_to_perfection():
    many = Segmentation([0, 189.64638045807044, 230.0846816615644, 238.2], "bea")
    one = Segmentation([0, 238.2], "x")
    assert_equals_mir_eval(one, many)
    assert_equals_mir_eval(many, one)
