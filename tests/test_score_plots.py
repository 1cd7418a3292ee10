"""Figures show the given scores."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from scatseg.baselines import NO_BOUNDARY
from scatseg.evaluation import CEILING, Score
from scatseg.plotting import save_figure
from scatseg.plotting.scores import (
    pairs_figure,
    plot_pair,
    plot_ranking,
    plot_scores,
    ranks_figure,
    systems_figure,
)
from scatseg.summaries import Ranking, rank, summarize, track_values

METRIC = "F-measure@0.5"


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4)).add_subplot()


def scores_of(**systems):
    return [
        Score(f"t{i}", "1", "section", name, METRIC, value)
        for name, values in systems.items()
        for i, value in enumerate(values)
    ]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_scores_show_every_track_quartiles_mean_and_interval(ax, rng):
    values = rng.random(20)
    (summary,) = summarize(scores_of(x=values))
    plot_scores({"x": values}, {"x": summary}, ax=ax)
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 0], values)
    (box,) = ax.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((summary.q25, summary.q75))
    median, interval, mean = ax.lines
    assert median.get_xdata()[0] == summary.median
    assert list(interval.get_xdata()) == [summary.low, summary.high]
    assert mean.get_xdata()[0] == summary.mean


def test_first_system_is_on_top_and_one_without_scores_keeps_its_row(ax):
    (summary,) = summarize(scores_of(y=[0.5, 0.6]))
    plot_scores({"$x$": [], "y": [0.5, 0.6]}, {"y": summary}, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$x$", "y"]
    low, high = ax.get_ylim()
    assert low > high
    assert ax.lines[-1].get_ydata()[0] == 1


def test_baselines_have_the_names_that_the_page_gives_them(ax):
    scores = scores_of(**{NO_BOUNDARY: [0.1, 0.2], CEILING: [0.8, 0.9]})
    described = {each.system: each for each in summarize(scores)}
    plot_scores({name: [0.5] for name in described}, described, ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["no boundary", "other annotators"]


def test_ranking_puts_every_system_at_its_rank(ax):
    (ranking,) = rank(scores_of(x=[0.9, 0.8, 0.7], y=[0.5, 0.9, 0.1], z=[0.1, 0.2, 0.2]))
    plot_ranking(ranking, ax=ax)
    starts = {line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 3}
    assert starts == set(ranking.ranks)
    assert [text.split()[0] for text in texts(ax)[:2]] == ["x", "y"]


def test_ranking_joins_the_systems_that_do_not_differ(ax):
    ranking = Ranking(
        "section", METRIC, 30, ("a", "b", "c"), (1.0, 1.4, 3.0), 0.0, 0.6, (("a", "b"),)
    )
    plot_ranking(ranking, ax=ax)
    thick = [line for line in ax.lines if line.get_linewidth() > 3]
    (left, right) = thick[0].get_xdata()
    assert len(thick) == 1
    assert left < 1.0 < 1.4 < right < 1.6


def test_pair_numbers_and_names_the_tracks_that_differ_most(ax):
    scores = {"same": (0.5, 0.5), "far": (0.9, 0.1), "near": (0.4, 0.5)}
    plot_pair(scores, ("x", "y"), ax=ax)
    assert texts(ax) == ["1", "2", "1  far\n2  near"]
    assert ax.get_title(loc="left") == "1 below, 1 on, 1 above the diagonal"


def test_numbers_of_points_are_written_over_nothing():
    tied = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 0.5}
    spread = {"a": 0.34, "b": 0.8, "c": 0.89, "d": 0.91, "e": 0.5}
    figure = pairs_figure({"x": spread, "y": tied, "z": {**tied, "e": 0.1}})
    figure.canvas.draw()
    for ax in figure.axes:
        *numbers, _ = (text.get_window_extent() for text in ax.texts)
        points = ax.transData.transform(ax.collections[0].get_offsets())
        title = ax._left_title.get_window_extent()
        for i, number in enumerate(numbers):
            assert not any(number.overlaps(other) for other in (*numbers[:i], title))
            assert not any(number.contains(*point) for point in points)


@pytest.mark.parametrize("apart", [0.0, 0.03, 0.036, 0.04, 0.05])
def test_numbers_of_neighbors_are_not_read_as_one(apart):
    first = {"a": 0.4, "b": 0.4 + apart, "c": 0.4 + 2 * apart}
    other = dict.fromkeys("abc", 0.1)
    figure = pairs_figure({"x": first, "y": other, "z": other})
    figure.draw_without_rendering()
    *numbers, _ = (text.get_window_extent() for text in figure.axes[0].texts)
    for one, two in itertools.combinations(numbers, 2):
        level = abs(one.y0 - two.y0) < one.height / 2
        assert not level or abs(one.x0 - two.x0) > 1.5 * one.width


def test_pairs_leave_out_tracks_that_one_system_lacks():
    systems = {"x": {"a": 0.1, "b": 0.2, "c": np.nan}, "y": {"a": 0.3, "c": 0.4}}
    (panel,) = pairs_figure(systems).axes
    assert panel.collections[0].get_offsets().tolist() == [[0.1, 0.3]]


def test_pairs_of_many_systems_are_those_of_the_first_four():
    systems = {name: {"a": i / 9} for i, name in enumerate("abcdefg")}
    labels = [(ax.get_xlabel(), ax.get_ylabel()) for ax in pairs_figure(systems).axes]
    assert labels == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_a_track_has_one_number_in_all_panels():
    systems = {"x": {"a": 0.9, "b": 0.5}, "y": {"a": 0.1, "b": 0.4}, "z": {"a": 0.1, "b": 0.9}}
    numbers = [texts(ax)[-1].splitlines() for ax in pairs_figure(systems).axes]
    assert numbers == [["1  a", "2  b"], ["1  a", "2  b"], ["2  b"]]


def test_figures_of_scores_explain_their_marks():
    scores = scores_of(x=[0.9, 0.8, 0.7], y=[0.5, 0.9, 0.1])
    summaries = {(METRIC, each.system): each for each in summarize(scores)}
    table = {METRIC: {"x": {"t0": 0.9}, "y": {"t0": 0.5}}}
    figures = (
        systems_figure(table, summaries),
        ranks_figure(rank(scores)),
        pairs_figure(table[METRIC]),
    )
    words = [[text.get_text() for text in figure.legends[0].get_texts()] for figure in figures]
    assert "mean and its 95 % interval" in words[0]
    assert words[1:] == [
        ["systems that differ by less than the critical difference"],
        ["a track", "the 3 that differ most in a panel"],
    ]


def test_figures_are_saved_without_a_warning_and_twice_the_same(tmp_path):
    values = scores_of(**{"$a_b$": [0.1, 0.2, 0.9], NO_BOUNDARY: [0, 0, 0], CEILING: [1, 1, 1]})
    saved = [
        [path.read_bytes() for path in save_figure(ranks_figure(rank(values)), tmp_path / name)]
        for name in ("one", "two")
    ]
    assert saved[0] == saved[1]
    assert len(track_values(values)["section", METRIC]) == 3
