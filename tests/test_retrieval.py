"""Retrieval scores by definition, excluding the group of each query."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from tests.commands import scatseg
from tests.measuring import peak_memory

from scatseg import audio, clips
from scatseg.search import Index, evaluate
from scatseg.search.metric import learned_similarity
from scatseg.search.retrieval import (
    METRICS,
    Retrieval,
    compare,
    over_listeners,
    query_scores,
    retrieval_document,
)

SR = 22050


def test_scores_of_one_ranking_by_hand():
    relevant = np.array([False, True, True, False, False, False, True])
    scores = query_scores(relevant)
    assert scores["P@5"] == pytest.approx(2 / 5)
    assert scores["AP@5"] == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert scores["MAP"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 7) / 3)
    assert scores["R-precision"] == pytest.approx(2 / 3)
    assert scores["MRR"] == pytest.approx(1 / 2)
    assert [scores[f"recall@{k}"] for k in (1, 5, 10)] == pytest.approx([0, 2 / 3, 1])


def test_average_precision_at_5_counts_five_items_and_expects_no_more():
    assert query_scores(np.ones(6, dtype=bool))["AP@5"] == 1
    fifth = np.array([True, False, False, False, True, True])
    assert query_scores(fifth)["AP@5"] == pytest.approx((1 + 2 / 5) / 3)


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_average_precision_is_that_of_scikit_learn(relevant):
    from sklearn.metrics import average_precision_score

    expected = average_precision_score(relevant, -np.arange(len(relevant)))
    assert query_scores(np.array(relevant))["MAP"] == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_scores_lie_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    labels, groups = rng.choice(list("abc"), 12), rng.choice(["", "x", "y"], 12)
    result = evaluate(rng.normal(size=(12, 12)), list(labels), groups=list(groups))
    for values in result.values.values():
        there = values[result.answered]
        assert ((there >= 0) & (there <= 1)).all()


def test_groups_may_be_numbered_from_0():
    similarity, labels = np.random.default_rng(0).normal(size=(6, 6)), list("aabbab")
    named = evaluate(similarity, labels, groups=list("xyxyxy"))
    numbered = evaluate(similarity, labels, groups=np.array([0, 1, 0, 1, 0, 1]))
    assert numbered.micro() == named.micro()
    assert numbered.intervals() == named.intervals()


def test_perfect_similarities_score_1():
    labels = ["a", "a", "b", "b", "b"]
    similarity = np.equal.outer(labels, labels).astype(float)
    micro = evaluate(similarity, labels, groups=None).micro()
    assert [micro[name] for name in ("MAP", "AP@5", "R-precision", "MRR")] == [1, 1, 1, 1]


def test_nothing_of_the_own_group_counts(rng):
    labels, groups = ["a", "a", "a", "b", "b"], ["x", "x", "y", "y", "z"]
    similarity = rng.normal(size=(5, 5))
    before = evaluate(similarity, labels, groups=groups)
    similarity[0, 1] = similarity[1, 0] = 100.0  # same group: must have no effect
    after = evaluate(similarity, labels, groups=groups)
    for name in METRICS:
        np.testing.assert_array_equal(before.values[name], after.values[name])


def test_a_label_of_one_group_is_no_query():
    result = evaluate(np.eye(4), ["a", "a", "b", "b"], groups=["x", "x", "y", "z"])
    np.testing.assert_array_equal(result.answered, [False, False, True, True])
    assert result.macro() == result.per_label()["b"]


def test_rare_labels_count_as_much_in_the_macro_mean():
    labels = ["a"] * 6 + ["b"] * 2
    similarity = np.zeros((8, 8))
    similarity[:6, :6] = 1  # all of a find a first; b finds a first
    similarity[6:, :6] = 1
    result = evaluate(similarity, labels, groups=None)
    per_label = result.per_label()
    assert per_label["a"]["MRR"] == 1
    assert per_label["b"]["MRR"] == pytest.approx(1 / 7)
    assert result.macro()["MRR"] == pytest.approx((1 + 1 / 7) / 2)
    assert result.micro()["MRR"] == pytest.approx((6 + 2 / 7) / 8)


def test_random_similarities_score_at_chance(rng):
    labels = list(rng.choice(list("abcd"), 200))
    share = np.mean([np.mean(np.delete(np.array(labels), i) == labels[i]) for i in range(200)])
    result = evaluate(rng.normal(size=(200, 200)), labels, groups=None)
    low, high = result.intervals()["P@5"]
    assert low < share < high
    assert list(result.per_label()) == ["a", "b", "c", "d"]


def test_listeners_are_averaged():
    similarity = np.eye(4) + np.diag([1.0, 1, 1], 1) + np.diag([1.0, 1, 1], -1)
    first = evaluate(similarity, ["a", "a", "b", "b"], groups=None)
    second = evaluate(similarity, ["a", "b", "b", "c"], groups=None)
    both = over_listeners([first, second])
    assert both.values["MRR"][0] == first.values["MRR"][0]  # the second put nothing with it
    mean = (first.values["MRR"][1] + second.values["MRR"][1]) / 2
    assert both.values["MRR"][1] == pytest.approx(mean)


def test_a_better_system_wins_the_comparison(rng):
    labels = list(rng.choice(list("ab"), 60))
    good = np.equal.outer(labels, labels) + 0.5 * rng.normal(size=(60, 60))
    systems = {"good": good, "chance": rng.normal(size=(60, 60))}
    results = {name: evaluate(S, labels, groups=None) for name, S in systems.items()}
    found = compare(results, metrics=["MAP"])[0]
    assert found.difference == pytest.approx(
        results["good"].micro()["MAP"] - results["chance"].micro()["MAP"]
    )
    assert 0 < found.low < found.high
    assert found.p < 0.001


def test_queries_of_one_group_are_no_evidence_of_their_own(rng):
    def results(n_copies):
        units = tuple(np.repeat(list("abcdefgh"), n_copies))
        return {
            name: Retrieval(labels=units, values={"MAP": np.repeat(means, n_copies)}, units=units)
            for name, means in values.items()
        }

    values = {"one": np.sort(rng.random(8)), "other": rng.random(8) / 2}
    once, often = results(1), results(10)
    assert often["one"].intervals()["MAP"] == pytest.approx(once["one"].intervals()["MAP"])
    first, second = (compare(each, metrics=["MAP"])[0] for each in (once, often))
    assert second.p == first.p
    width = first.high - first.low
    assert second.high - second.low == pytest.approx(width, rel=0.05)
    assert (first.wins, second.wins) == (first.wins, 10 * first.wins)


def test_items_without_a_group_are_each_their_own_unit():
    result = evaluate(np.eye(4), list("aabb"), groups=["x", "x", "", ""])
    assert len(set(result.units)) == 3


def test_a_document_is_json_also_where_nothing_was_asked():
    result = evaluate(np.eye(2), ["a", "b"], groups=None)
    document = json.loads(json.dumps(retrieval_document({"none": result}, groups=None)))
    assert document["queries"] == 0
    assert document["MAP"] is None
    assert "comparisons" not in retrieval_document({"none": result, "other": result}, groups=None)


@pytest.mark.parametrize(("groups", "n"), [(None, None), (["x", "x", "y", ""], 2)])
def test_a_document_counts_groups(groups, n):
    result = evaluate(np.eye(4), list("abab"), groups=groups)
    assert retrieval_document({"one": result}, groups=groups)["groups"] == n


@pytest.mark.parametrize(
    ("similarity", "message"),
    [(np.eye(3), "need similarities"), ([[0, np.nan], [1, 0]], "some are NaN")],
)
def test_similarities_that_do_not_fit_are_refused(similarity, message):
    with pytest.raises(ValueError, match=message):
        evaluate(similarity, ["a", "a"], groups=None)


def test_a_learned_metric_finds_the_direction_that_matters(rng):
    labels = np.repeat(["a", "b"], 40)
    X = rng.normal(size=(80, 6)) * [1, 5, 5, 5, 5, 5]
    X[:, 0] += np.where(labels == "a", 3, -3)
    groups = [f"{i % 10}" for i in range(80)]
    plain = evaluate(-np.linalg.norm(X[:, None] - X, axis=-1), list(labels), groups=groups)
    learned = evaluate(
        learned_similarity(X, list(labels), groups=groups), list(labels), groups=groups
    )
    assert learned.micro()["MAP"] > plain.micro()["MAP"] + 0.05


def test_a_learned_metric_does_not_see_the_groups_of_its_queries(rng):
    X, labels = rng.normal(size=(40, 4)), np.array(list("ab") * 20)
    groups = [f"{i // 8}" for i in range(40)]
    before = learned_similarity(X, list(labels), groups=groups)
    swapped = labels.copy()
    swapped[:8] = labels[:8][::-1]  # only the first group
    after = learned_similarity(X, list(swapped), groups=groups)
    np.testing.assert_allclose(after[:8], before[:8])


def test_a_learned_metric_of_few_groups_is_that_of_scikit_learn_on_the_others(rng):
    labels = np.array(list("ab") * 30)
    X = rng.normal(size=(60, 20)) + np.where(labels == "a", 0.3, -0.3)[:, None]
    groups = np.repeat(["x", "y", "z"], 20)
    similarity = learned_similarity(X, list(labels), groups=list(groups), seed=3)
    for group in "xyz":
        here = groups == group
        metric = NeighborhoodComponentsAnalysis(n_components=16, max_iter=30, random_state=3)
        moved = metric.fit(X[~here], labels[~here]).transform(X)
        distances = np.linalg.norm(moved[here, None] - moved, axis=-1)
        np.testing.assert_allclose(similarity[here], -distances, atol=1e-9)


def test_a_learned_metric_needs_memory_for_its_fit_and_its_result_alone(rng, monkeypatch):
    monkeypatch.setattr("scatseg.search.metric._ITERATIONS", 1)
    X, labels = rng.normal(size=(400, 16)), list("ab" * 200)
    result = 8 * len(X) ** 2
    fit = NeighborhoodComponentsAnalysis(16, max_iter=1).fit
    train = slice(len(X) * 4 // 5)
    of_fit = peak_memory(fit, X[train], labels[train])
    assert peak_memory(learned_similarity, X, labels, groups=None) < of_fit + 1.5 * result


def test_none_is_no_group():
    labels = list("abb")
    S = [[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]]
    alone = evaluate(S, labels, groups=None)
    np.testing.assert_equal(dict(evaluate(S, labels, groups=[None] * 3).values), dict(alone.values))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Low and high tones by three players each."""
    folder = tmp_path_factory.mktemp("sounds")
    rows = ["file,label,group"]
    t = np.arange(SR // 2) / SR
    for player in range(3):
        for label, hertz in (("low", 200), ("high", 2000)):
            name = f"{label}{player}.wav"
            audio.save(folder / name, 0.5 * np.sin(2 * np.pi * hertz * 1.1**player * t), SR)
            rows.append(f"{name},{label},{player}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_command_line_scores_a_folder(sounds, tmp_path, capsys):
    command = ("search", "evaluate", sounds, "--features", "scattering", "--features", "logmel")
    assert scatseg(*command, "--jobs", 1, "-o", tmp_path / "scores") == 0
    assert capsys.readouterr().out.startswith("features")
    document = json.loads((tmp_path / "scores" / "scores.json").read_text())
    first, second = document["systems"]
    assert (first["features"], first["n"], first["groups"]) == ("scattering", 6, 3)
    assert first["MAP"] == second["MAP"] == 1
    done = json.loads((tmp_path / "scores" / "run.json").read_text())["search"]
    assert done["options"]["names"] == ["scattering", "logmel"]
    lines = (tmp_path / "scores" / "queries.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 6


def test_the_command_line_scores_an_index(sounds, tmp_path, capsys):
    Index.build([sounds], tmp_path / "index")
    assert scatseg("search", "evaluate", tmp_path / "index") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[3] == "1.000"


def test_that_there_are_no_groups_is_said_once_and_not_with_q(sounds, tmp_path, capsys):
    command = ("search", "evaluate", sounds, "--features", "mfcc", "--features", "logmel")
    assert scatseg(*command, "--jobs", 1, "--ignore-groups") == 0
    assert capsys.readouterr().err.count("no groups: ") == 1
    Index.build([sounds], tmp_path / "index")
    assert scatseg("-q", "search", "evaluate", tmp_path / "index", "--ignore-groups") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "option", [("--features", "mfcc"), ("--labels", "label"), ("--sr", 8000), ("--store", "kept")]
)
def test_an_index_refuses_options_that_would_do_nothing(sounds, tmp_path, capsys, option):
    Index.build([sounds], tmp_path / "index")
    assert scatseg("search", "evaluate", tmp_path / "index", *option) == 2
    assert f"an index takes no {option[0]}" in capsys.readouterr().err


def test_an_index_without_labels_cannot_be_scored(sounds, tmp_path, capsys):
    Index.build([sounds / "low0.wav"], tmp_path / "index")
    assert scatseg("search", "evaluate", tmp_path / "index") == 2
    assert "labels are needed" in capsys.readouterr().err


def test_a_missing_column_is_a_usage_error(sounds, capsys):
    assert scatseg("search", "evaluate", sounds, "--labels", "mood") == 2
    assert "mood" in capsys.readouterr().err


def test_all_features_are_scored_on_what_all_can_describe(sounds, tmp_path, monkeypatch, capsys):
    whole = clips.describe_clips

    def without_one(given, how, **options):
        done = whole(given, how, **options)
        if how.features == "logmel":
            done = done.of(done.clips[1:])
        return done

    monkeypatch.setattr(clips, "describe_clips", without_one)
    command = ("search", "evaluate", sounds, "--features", "mfcc", "--features", "logmel")
    assert scatseg(*command, "--jobs", 1, "-o", tmp_path / "out") == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [system["n"] for system in scores["systems"]] == [5, 5]
    assert "MAP: mfcc - logmel" in capsys.readouterr().out
