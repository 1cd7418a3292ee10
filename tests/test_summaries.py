"""Scores over tracks: means with intervals, comparisons and tables."""

import json
import math
import re
import statistics

import numpy as np
import pytest
import scipy.stats

import scatseg.statistics
from scatseg.baselines import EVENLY_SPACED, NO_BOUNDARY, RANDOM, no_boundary
from scatseg.evaluation import (
    CEILING,
    Score,
    score_track,
)
from scatseg.formats import Annotation
from scatseg.score_tables import (
    comparison_markdown,
    comparisons_csv,
    read_scores,
    scores_csv,
    summary_csv,
    summary_json,
    summary_latex,
    summary_markdown,
)
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.summaries import (
    ALL_TRACKS,
    BEST_OF_ANNOTATORS,
    MEAN_OF_ANNOTATORS,
    assess,
    compare,
    disagreements,
    rank,
    summarize,
)

ABA = Segmentation([0, 10, 25, 40], ["A", "B", "A"])


def annotation(boundaries, labels, annotator="1", level="section"):
    return Annotation(
        segmentation=Segmentation(boundaries, labels), annotator=annotator, level=level
    )


ONE = annotation([0, 10, 25, 40], ["A", "B", "A"], "1")
TWO = annotation([0, 10, 40], ["A", "B"], "2")
PHRASE = annotation([0, 5, 40], ["a", "b"], "1", "phrase")


# --- summaries ---------------------------------------------------------------------------------


def score(track, value, *, annotator="1", system="foote", metric="F", level="section"):
    return Score(track, annotator, level, system, metric, value)


def by_key(summaries):
    return {(row.system, row.group, row.annotator): row for row in summaries}


def test_annotators_are_averaged_before_tracks():
    scores = [
        score("a", 0.0, annotator="1"),
        score("a", 1.0, annotator="2"),
        score("b", 1.0, annotator="1"),
    ]
    overall = summarize(scores)[0]
    assert (overall.annotator, overall.n, overall.mean) == (MEAN_OF_ANNOTATORS, 2, 0.75)


def test_each_annotator_and_the_best_have_rows_where_there_are_several():
    scores = [
        score("a", 0.0, annotator="1"),
        score("a", 1.0, annotator="2"),
        score("b", 1.0, annotator="1"),
        score("b", 0.3, system="other"),
    ]
    found = {key: (row.n, row.mean) for key, row in by_key(summarize(scores)).items()}
    assert found == {
        ("foote", ALL_TRACKS, MEAN_OF_ANNOTATORS): (2, 0.75),
        ("foote", ALL_TRACKS, BEST_OF_ANNOTATORS): (2, 1.0),
        ("foote", ALL_TRACKS, "1"): (2, 0.5),
        ("foote", ALL_TRACKS, "2"): (1, 1.0),
        ("other", ALL_TRACKS, MEAN_OF_ANNOTATORS): (1, 0.3),
    }


def test_best_deviation_is_the_smallest():
    name = "Ref-to-est deviation"
    scores = [
        score("a", value, annotator=who, metric=name) for who, value in (("1", 3.0), ("2", 1.0))
    ]
    row = by_key(summarize(scores))["foote", ALL_TRACKS, BEST_OF_ANNOTATORS]
    assert row.mean == 1.0


def test_best_leaves_out_what_is_undefined():
    scores = [score("a", math.nan, annotator="1"), score("a", 0.5, annotator="2")]
    assert by_key(summarize(scores))["foote", ALL_TRACKS, BEST_OF_ANNOTATORS].mean == 0.5


def test_counts_of_segments_have_no_best():
    scores = [score("a", 3.0, annotator=who, metric="Estimated segments") for who in "12"]
    assert BEST_OF_ANNOTATORS not in {row.annotator for row in summarize(scores)}


def test_further_annotators_change_no_row_of_another():
    few = [score(track, value) for track, value in (("a", 0.2), ("b", 0.7))]
    many = [*few, score("a", 0.9, annotator="2"), score("b", 0.1, annotator="3")]
    alone = by_key(summarize(few))["foote", ALL_TRACKS, MEAN_OF_ANNOTATORS]
    among = by_key(summarize(many))["foote", ALL_TRACKS, "1"]
    assert among == alone._replace(annotator="1")


def test_groups_are_summarized_beside_all_tracks():
    scores = [score(track, value) for track, value in (("a", 0.0), ("b", 1.0), ("c", 0.5))]
    found = by_key(summarize(scores, groups={"a": "piano", "c": "piano", "b": "band"}))
    means = {group: (row.n, row.mean) for (_, group, _), row in found.items()}
    assert means == {ALL_TRACKS: (3, 0.5), "band": (1, 1.0), "piano": (2, 0.25)}


def test_tracks_without_a_group_count_among_all_only():
    scores = [score(track, value) for track, value in (("a", 0.0), ("b", 1.0))]
    found = by_key(summarize(scores, groups={"a": "piano"}))
    assert {group: row.n for (_, group, _), row in found.items()} == {ALL_TRACKS: 2, "piano": 1}


def test_spread_is_that_of_the_tracks():
    row = summarize([score(str(i), float(i)) for i in range(5)])[0]
    spread = (row.mean, row.std, row.median, row.q25, row.q75)
    assert spread == pytest.approx((2.0, math.sqrt(2.5), 2.0, 1.0, 3.0))


def test_interval_lies_around_the_mean():
    row = summarize([score(str(i), float(i % 4)) for i in range(40)])[0]
    assert 1.0 < row.low < row.mean < row.high < 2.0


def test_one_seed_gives_one_result_and_another_seed_another():
    scores = [score(str(i), value) for i, value in enumerate(np.random.default_rng(1).random(9))]
    assert assess(scores, seed=3) == assess(scores, seed=3)
    assert summarize(scores, seed=3) != summarize(scores, seed=4)


def test_order_of_the_scores_changes_no_number():
    scores = [score(str(i), i / 9, system=name) for i in range(9) for name in "xy"]
    forward, backward = summarize(scores), summarize(scores[::-1])
    assert sorted(forward) == sorted(backward)


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
    assert all(math.isnan(value) for value in row[6:])


def test_summary_puts_baselines_and_ceiling_last():
    systems = [CEILING, EVENLY_SPACED, "foote", NO_BOUNDARY, "serra"]
    rows = summarize([score("a", 1.0, system=system) for system in systems])
    assert [row.system for row in rows] == ["foote", "serra", EVENLY_SPACED, NO_BOUNDARY, CEILING]


def test_nothing_has_an_empty_summary():
    assert summarize([]) == []


# --- comparisons -------------------------------------------------------------------------------


def paired(first, second, metric="F-measure@0.5", names=("x", "y")):
    """Scores of two systems on the same tracks."""
    return [
        score(f"t{i}", value, system=name, metric=metric)
        for name, values in zip(names, (first, second), strict=True)
        for i, value in enumerate(values)
    ]


def test_comparison_is_that_of_the_paired_tracks(rng):
    first, second = rng.random(30), rng.random(30)
    (found,) = compare(paired(first, second))
    assert (found.system, found.other, found.n) == ("x", "y", 30)
    assert found.difference == pytest.approx(np.mean(first - second))
    assert found.low < found.difference < found.high
    assert found.p == found.p_holm == pytest.approx(scipy.stats.wilcoxon(first, second).pvalue)
    assert (found.wins, found.losses) == ((first > second).sum(), (first < second).sum())


def test_only_tracks_with_two_values_are_compared():
    (found,) = compare(paired([0.1, 0.5, math.nan], [0.2, math.nan, 0.3, 0.9]))
    assert (found.n, found.difference) == (1, pytest.approx(-0.1))


def test_systems_are_compared_with_each_other_and_with_baselines_but_not_with_the_ceiling():
    systems = [CEILING, NO_BOUNDARY, "x", EVENLY_SPACED, "y"]
    scores = [score("t", 0.5, system=name, metric="F-measure@0.5") for name in systems]
    assert [(found.system, found.other) for found in compare(scores)] == [
        ("x", "y"),
        ("x", NO_BOUNDARY),
        ("x", EVENLY_SPACED),
        ("y", NO_BOUNDARY),
        ("y", EVENLY_SPACED),
    ]


def test_system_whose_name_only_begins_like_a_baseline_is_compared():
    names = ("baseline:mine", "baseline:other")
    (found,) = compare(paired([0.1, 0.5], [0.2, 0.3], names=names))
    assert (found.system, found.other) == names


def test_p_values_are_adjusted_within_each_level_and_metric():
    scores = [
        score(f"t{i}", i * weight, system=name, metric=metric)
        for i in range(8)
        for name, weight in (("x", 0.1), ("y", 0.05), ("z", 0.02))
        for metric in ("F-measure@0.5", "F-measure@3.0")
    ]
    found = compare(scores)
    assert len(found) == 6
    # All seven differences that are not zero have one sign: p = 2 / 2**7, three times.
    assert {each.p for each in found} == {2 / 2**7}
    assert {each.p_holm for each in found} == {3 * 2 / 2**7}


def test_comparisons_of_equally_many_tracks_share_their_resampling(monkeypatch):
    sizes = []
    resampled_means = scatseg.statistics._resampled_means

    def counting(columns, *options):
        sizes.append(len(columns))
        return resampled_means(columns, *options)

    monkeypatch.setattr(scatseg.statistics, "_resampled_means", counting)
    metrics = ("F-measure@0.5", "F-measure@3.0", "V-measure")
    first, second = [0.1, 0.9, 0.5], [0.4, 0.2, 0.6]
    compare([each for metric in metrics for each in paired(first, second, metric)])
    assert sizes == [3]


def test_annotators_are_averaged_before_systems_are_compared():
    scores = [
        score("t", value, system=system, annotator=who, metric="V-measure")
        for system, values in (("x", (0.2, 0.6)), ("y", (0.1, 0.1)))
        for who, value in zip("12", values, strict=True)
    ]
    assert compare(scores)[0].difference == pytest.approx(0.3)


def test_ranking_is_over_the_tracks_that_all_answered():
    first, second = [0.9, 0.8, 0.7, 0.9], [0.1, 0.2, 0.7]
    (ranking,) = rank(paired(first, second))
    assert (ranking.n, ranking.systems) == (3, ("x", "y"))
    assert ranking.ranks == pytest.approx((3.5 / 3, 5.5 / 3))  # the third track is a tie


def test_single_system_is_not_ranked():
    assert rank([score(t, 0.5, metric="F-measure@0.5") for t in "ab"]) == []


def test_disagreements_name_the_tracks_to_listen_to():
    ours, theirs = [0.1, 0.5, 0.1, 0.4, 0.6], [0.2, 0.5, 0.9, math.nan, 0.3]
    found = disagreements(paired(ours, theirs), n_tracks=2)
    assert [(each.track, each.difference) for each in found] == [
        ("t2", pytest.approx(-0.8)),
        ("t4", pytest.approx(0.3)),
    ]


def test_baselines_are_not_listened_to():
    assert disagreements(paired([0.1], [0.9], names=("x", RANDOM))) == []


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


def test_a_table_of_scores_in_another_encoding_is_read_or_named(tmp_path):
    path = tmp_path / "scores.csv"
    data = scores_csv([score("café", 0.5)]).encode("cp1252")
    path.write_bytes(data)
    assert [each.track for each in read_scores(path)] == ["café"]
    path.write_bytes(b"\xff\xfe" + data)
    with pytest.raises(ValueError, match=r"scores\.csv is not a text file"):
        read_scores(path)


@pytest.mark.parametrize("n_rows", [1, 4000])  # the csv module reads fields of 128 KiB at most
def test_a_table_of_scores_whose_quote_is_not_closed_is_named(n_rows, tmp_path):
    row = "song,1,section,foote,F-measure@0.5,0.5\n"
    path = tmp_path / "scores.csv"
    path.write_text(f'{",".join(Score._fields)}\n{row}"{row * n_rows}')
    with pytest.raises(ValueError, match=r"scores\.csv, line 3: .*is a quote not closed\?"):
        read_scores(path)


def test_summary_csv_has_the_fields_of_a_run_folder():
    header, row = summary_csv(summarize([score("a", 0.5), score("b", 1.0)])).splitlines()
    assert header == "system,group,annotator,level,metric,n,mean,low,high,std,median,q25,q75"
    assert row == (
        "foote,all tracks,mean of annotators,section,F,2,0.75,0.5,1.0,"
        f"{statistics.stdev([0.5, 1.0])!r},0.75,0.625,0.875"
    )


def test_no_table_has_an_empty_field():
    results = assess(score_track("song", [ONE, TWO], {"x": ABA, "y": no_boundary(ABA)}))
    text = summary_csv(results.summaries) + comparisons_csv(results.comparisons)
    assert all("" not in line.split(",") for line in text.splitlines())


def test_comparisons_have_a_table_of_their_own():
    header, row = comparisons_csv(compare(paired([0.5, 0.75], [0.25, 0.25]))).splitlines()
    assert header.startswith("level,metric,system,other,n,difference,low,high,p,p_holm,wins,")
    assert row == "section,F-measure@0.5,x,y,2,0.375,0.25,0.5,0.5,0.5,2,0,0"


def test_summary_json_is_strict_and_names_the_baselines():
    results = assess([score("a", 0.5), score("a", math.nan, system=NO_BOUNDARY)], seed=7)
    content = json.loads(summary_json(results), parse_constant=pytest.fail)
    assert [row["mean"] for row in content["rows"]] == [0.5, None]
    assert content["baselines"] == [NO_BOUNDARY]
    assert content["intervals"]["seed"] == 7


def test_summary_json_counts_the_notes():
    content = json.loads(summary_json(assess([score("a", 0.5)]), notes={"repair": 3}))
    assert content["notes"] == {"repair": 3}


def test_summary_json_has_comparisons_rankings_and_disagreements():
    content = json.loads(summary_json(assess(paired([0.9, 0.8], [0.1, 0.2]))))
    assert content["comparisons"][0]["difference"] == pytest.approx(0.7)
    assert content["rankings"][0]["systems"] == ["x", "y"]
    assert content["disagreements"][0]["track"] == "t0"


def markdown_cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_markdown_shows_one_table_per_level():
    text = summary_markdown(summarize(score_track("song", [ONE, TWO, PHRASE], {"foote": ABA})))
    section, phrase = text.split("\n\nLevel ")
    assert section.splitlines()[0] == (
        "Level section, means over tracks with 95 % intervals; the references have 2.5 segments:"
    )
    first = [markdown_cells(line)[0] for line in section.splitlines()[2:]]
    assert first[:1] + first[2:] == [
        "system", "foote", NO_BOUNDARY, EVENLY_SPACED, RANDOM, CEILING
    ]  # fmt: skip
    assert phrase.startswith("phrase, means over tracks with 95 % intervals; ")


def test_markdown_shows_one_table_per_group():
    scores = [score(track, 0.5, metric="F-measure@0.5") for track in "ab"]
    text = summary_markdown(summarize(scores, groups={"a": "piano", "b": "band"}))
    titles = [line.split(", means")[0] for line in text.splitlines() if line.startswith("Level")]
    assert titles == ["Level section", "Level section, band", "Level section, piano"]


def test_markdown_columns_line_up():
    text = summary_markdown(summarize(score_track("song", [ONE], {"a|b": ABA})))
    bars = {len(line) for line in text.splitlines() if line.startswith("|")}
    assert len(bars) == 1


def test_markdown_shows_means_of_the_table():
    text = summary_markdown(summarize(score_track("song", [TWO], {"foote": ABA})))
    foote = next(line for line in text.splitlines() if "foote" in line)
    assert markdown_cells(foote)[1:4] == ["1", "0.667", "0.667"]


def test_markdown_shows_intervals_of_several_tracks():
    text = summary_markdown(summarize(paired([0.25, 0.75], [0.5, 0.5])))
    x = next(line for line in text.splitlines() if line.startswith("| x"))
    assert markdown_cells(x) == ["x", "2", "0.500 [0.25, 0.75]"]


def test_table_of_a_hierarchy_has_its_own_columns():
    answer = Hierarchy([no_boundary(ABA), ABA])
    text = summary_markdown(summarize(score_track("song", [ONE, PHRASE], {"deep": answer})))
    header = text.split("All levels at once")[1].splitlines()[2]
    assert markdown_cells(header) == [
        "system", "tracks", "T-Measure reduced", "T-Measure full", "L-Measure"
    ]  # fmt: skip


def test_markdown_of_comparisons_says_who_wins_and_where_to_listen():
    text = comparison_markdown(assess(paired([0.9, 0.5, 0.8], [0.1, 0.5, 0.7])))
    lines = text.splitlines()
    assert lines[0] == "Differences in F-measure@0.5, level section:"
    row = markdown_cells(lines[4])
    assert row[:3] + row[4:] == ["x", "y", "3", "0.500", "2/1/0"]
    assert row[3].startswith("+0.300 [")
    assert lines[6] == "x and y differ most on t0 (+0.80), t2 (+0.10)."


def latex_rows(text):
    return [line for line in text.splitlines() if line.endswith(r"\\")]


def test_latex_rows_have_a_cell_for_every_column():
    scores = score_track("song", [ONE, TWO, PHRASE], {"foote": ABA, "serra": no_boundary(ABA)})
    for table in summary_latex(summarize(scores)).split(r"\begin{table*}")[1:]:
        (columns,) = re.findall(r"\\begin{tabular}{(\w+)}", table)
        assert {row.count(" & ") + 1 for row in latex_rows(table)} == {len(columns)}


def test_latex_sets_names_as_they_are_written():
    name = r"a_b & 50% #1 {x} \y ~^$ <|>"
    text = summary_latex(summarize([score("t", 0.5, system=name, metric="V-measure")]))
    (row,) = [line for line in latex_rows(text) if "50" in line]
    assert row == (
        r"a\_b \& 50\% \#1 \{x\} \textbackslash{}y \textasciitilde{}\textasciicircum{}\$ "
        r"\textless{}\textbar{}\textgreater{} & 1 & 0.500 \\"
    )


def test_latex_groups_and_environments_are_closed():
    text = summary_latex(summarize(score_track("song", [ONE, TWO], {"a_b": ABA})))
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    begun, ended = (re.findall(rf"\\{word}{{([\w*]+)}}", text) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert [len(re.findall(rf"\\{rule}rule", text)) for rule in ("top", "mid", "bottom")] == [
        1,
        2,
        1,
    ]


def test_latex_marks_no_best_of_systems_with_unequal_tracks():
    text = summary_latex(summarize(paired([0.5, 0.6], [0.1])))
    assert r"\textbf" not in text


def test_segments_of_the_references_are_those_of_all_tracks():
    counts = [score("a", 2.0, metric="Reference segments")]
    counts += [
        score(track, n, metric="Reference segments", system=NO_BOUNDARY)
        for track, n in (("a", 2.0), ("b", 6.0))
    ]
    assert "the references have 4.0 segments" in summary_markdown(summarize(counts))


@pytest.mark.parametrize(("n_tracks", "warned"), [(1, False), (14, True), (15, False)])
def test_intervals_of_few_tracks_are_called_too_narrow(n_tracks, warned):
    rows = summarize(paired([i / 20 for i in range(n_tracks)], [0.5] * n_tracks))
    for text in (summary_markdown(rows), summary_latex(rows)):
        assert ("Intervals of under 15 tracks are too narrow" in text) is warned


def test_latex_marks_the_best_system_but_no_baseline():
    scores = paired([0.5, 0.6], [0.1, 0.2]) + paired([0.9, 0.9], [], names=(RANDOM, "none"))
    rows = latex_rows(summary_latex(summarize(scores)))
    assert [r"\textbf" in row for row in rows[1:]] == [True, False, False]
