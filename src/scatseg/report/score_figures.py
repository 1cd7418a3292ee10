"""Scores of a run -> figures: systems with intervals, average ranks, and pairs of systems."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scatseg.evaluation import HIERARCHY, Score
from scatseg.plotting import save_figure
from scatseg.plotting.scores import pairs_figure, ranks_figure, systems_figure
from scatseg.score_tables import read_scores
from scatseg.summaries import (
    ALL_TRACKS,
    HIERARCHY_METRICS,
    MEAN_OF_ANNOTATORS,
    headed,
    is_baseline,
    level_titles,
    rank,
    summarize,
    track_values,
)
from scatseg.writing import remove_others

_FLAT_DRAWN = ("F-measure@0.5", "F-measure@3.0", "Pairwise F-measure")


class ScoreFigure(NamedTuple):
    """A saved figure.

    Parameters
    ----------
    title : str
        Title.
    png, svg : Path
        Its files.
    """

    title: str
    png: Path
    svg: Path


def draw_scores(folder: Path) -> tuple[ScoreFigure, ...]:
    """Draw the scores of a folder and save them in its `figures/scores`.

    Parameters
    ----------
    folder : Path
        A folder with scores.csv and, for the seed of the intervals (else 0), summary.json. Outdated
        figures of an earlier call are removed.

    Returns
    -------
    figures : tuple of ScoreFigure
        Per level: systems, ranks and pairs of systems, as far as there are enough scores. Equal
        scores give equal bytes.
    """
    place = folder / "figures" / "scores"
    place.mkdir(parents=True, exist_ok=True)
    drawn = (*_FLAT_DRAWN, *HIERARCHY_METRICS)
    scores = [each for each in read_scores(folder / "scores.csv") if each.metric in drawn]
    seed = _seed(folder)
    written: list[ScoreFigure] = []
    titles = level_titles(score.level for score in scores)
    for number, level in enumerate(titles, start=1):
        # Numbered: level names may differ only in characters that file names drop.
        stem = place / f"{number}-{_slug(level)}"
        here = [each for each in scores if each.level == level]
        written += _draw_level(here, titles[level], stem, seed)
    kept = {path for each in written for path in (each.png, each.svg)}
    remove_others(place, kept)
    return tuple(written)


def _seed(folder: Path) -> int:
    """Read the seed of the tables' intervals, to draw the same intervals."""
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    return int(summary.get("intervals", {}).get("seed", 0))


def _slug(name: str) -> str:
    return re.sub("[^A-Za-z0-9.]+", "-", name).strip("-.") or "level"


def _draw_level(
    scores: Sequence[Score], level_title: str, stem: Path, seed: int
) -> list[ScoreFigure]:
    """Draw the scores of one level; file names begin with `stem`."""
    level = scores[0].level
    table = {metric: systems for (_, metric), systems in track_values(scores).items()}
    wanted = HIERARCHY_METRICS if level == HIERARCHY else _FLAT_DRAWN
    metrics = [metric for metric in wanted if metric in table]
    summaries = {
        (each.metric, each.system): each
        for each in summarize(scores, seed=seed)
        if each.group == ALL_TRACKS and each.annotator == MEAN_OF_ANNOTATORS
    }
    title = headed("Scores", level_title)
    figure = systems_figure({metric: table[metric] for metric in metrics}, summaries)
    written = [ScoreFigure(title, *save_figure(figure, _named(stem, "systems")))]
    rankings = [ranking for ranking in rank(scores) if ranking.metric in metrics[:2]]
    if rankings:
        title = headed("Average ranks", level_title)
        paths = save_figure(ranks_figure(rankings), _named(stem, "ranks"))
        written.append(ScoreFigure(title, *paths))
    for metric in metrics[:2]:
        systems = {name: tracks for name, tracks in table[metric].items() if not is_baseline(name)}
        if len(systems) > 1:
            title = headed(f"{metric} of each track", level_title)
            name = f"pairs-{_slug(metric)}"
            paths = save_figure(pairs_figure(systems, title=title), _named(stem, name))
            written.append(ScoreFigure(title, *paths))
    return written


def _named(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}-{name}")
