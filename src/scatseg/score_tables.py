"""Scores and summaries -> CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scatseg.evaluation import ESTIMATED_SEGMENTS, REFERENCE_SEGMENTS, Score
from scatseg.formats.text import table_rows
from scatseg.statistics import N_RESAMPLES
from scatseg.summaries import (
    ALL_TRACKS,
    FLAT_METRICS,
    HIERARCHY_METRICS,
    MEAN_OF_ANNOTATORS,
    Disagreement,
    Results,
    Summary,
    SystemComparison,
    is_baseline,
    level_titles,
)
from scatseg.writing import rows_as_csv

_MARKDOWN_COMPARED = ("F-measure@0.5", "F-measure@3.0", "L-Measure")
_ENOUGH_TRACKS = 15
_LATEX_NAMES = {
    "F-measure@0.5": r"$F_{0.5}$",
    "F-measure@3.0": r"$F_{3}$",
    "Pairwise F-measure": "Pairwise $F$",
    "NCE F-measure": "NCE $F$",
    "V-measure": "$V$",
    "T-Measure reduced": "$T$ reduced",
    "T-Measure full": "$T$ full",
    "L-Measure": "$L$",
}
_LATEX_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def scores_csv(scores: Iterable[Score]) -> str:
    """Format scores as CSV, with full precision and "nan" for missing values.

    Examples
    --------
    >>> print(scores_csv([Score("song", "1", "section", "foote", "F-measure@0.5", 0.5)]))
    track,annotator,level,system,metric,value
    song,1,section,foote,F-measure@0.5,0.5
    """
    return rows_as_csv([Score._fields, *scores])


def summary_csv(summaries: Iterable[Summary]) -> str:
    """Format summaries as CSV, with full precision and "nan" for missing values."""
    return rows_as_csv([Summary._fields, *summaries])


def comparisons_csv(comparisons: Iterable[SystemComparison]) -> str:
    """Format comparisons as CSV, with full precision and "nan" for missing values."""
    return rows_as_csv([SystemComparison._fields, *comparisons])


def read_scores(path: str | Path) -> list[Score]:
    """Read scores written by `scores_csv`.

    Raises
    ------
    ValueError
        When the header or a line is invalid; the message names file and line.
    """
    path = Path(path)
    rows = table_rows(path)
    first, header = next(rows, (1, []))
    if tuple(header) != Score._fields:
        msg = f"{path}, line {first}: expected {','.join(Score._fields)}, got {','.join(header)!r}"
        raise ValueError(msg)
    return [_score(f"{path}, line {line}", row) for line, row in rows]


def _score(place: str, row: Sequence[str]) -> Score:
    try:
        track, annotator, level, system, metric, value = row
        return Score(track, annotator, level, system, metric, float(value))
    except ValueError as error:
        msg = f"{place}: expected five names and a number, got {row!r:.100}"
        raise ValueError(msg) from error


def summary_json(
    results: Results,
    *,
    notes: Mapping[str, int] | None = None,
    estimates: Mapping[str, str] | None = None,
) -> str:
    """Format results as JSON, with null for missing values.

    Parameters
    ----------
    results : Results
        Summaries and comparisons.
    notes : mapping of str to int, optional
        Number of notes of each kind in notes.csv.
    estimates : mapping of str to str, optional
        Fingerprints of the scored estimates by track, see `scatseg.freshness`.

    Returns
    -------
    text : str
        `rows`, `comparisons`, `rankings` and `disagreements` are lists of objects with named
        fields; `baselines` are the names of baselines; `intervals` and `group_by` describe the
        rows; `notes` are the numbers of notes by kind.
    """
    systems = dict.fromkeys(summary.system for summary in results.summaries)
    content = {
        "rows": [_plain(each) for each in results.summaries],
        "comparisons": [_plain(each) for each in results.comparisons],
        "rankings": [_plain(each) for each in results.rankings],
        "disagreements": [_plain(each) for each in results.disagreements],
        "baselines": [system for system in systems if is_baseline(system)],
        "group_by": results.group_by,
        "notes": dict(notes or {}),
        "estimates": dict(estimates or {}),
        "intervals": {
            "method": "percentile bootstrap of the mean over tracks",
            "confidence": 0.95,
            "resamples": N_RESAMPLES,
            "seed": results.seed,
        },
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _plain(row: NamedTuple) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in row._asdict().items()
    }


def table_metrics(summaries: Iterable[Summary]) -> tuple[str, ...]:
    """Return the available metrics for the columns of a table of one level."""
    there = {summary.metric for summary in summaries}
    wanted = (*FLAT_METRICS, *HIERARCHY_METRICS, ESTIMATED_SEGMENTS)
    return tuple(metric for metric in wanted if metric in there)


def reference_segments(summaries: Iterable[Summary]) -> float | None:
    """Return the mean number of reference segments of one level and group; None if unknown."""
    counts = [each for each in summaries if each.metric == REFERENCE_SEGMENTS]
    # A system may lack tracks, baselines lack none.
    whole = max(counts, key=lambda each: (each.n, is_baseline(each.system)), default=None)
    return whole.mean if whole else None


def best_means(systems: Mapping[str, Mapping[str, Summary]]) -> dict[str, float]:
    """Find the highest printed mean of each column of a table.

    Parameters
    ----------
    systems : mapping of str to mapping
        System -> metric -> summary.

    Returns
    -------
    best : dict of str to float
        Metric -> mean, rounded to three digits, for metrics with scores of at least two systems on
        equally many tracks. Without baselines and segment counts.
    """
    columns: dict[str, list[Summary]] = {}
    for system, metrics in systems.items():
        if not is_baseline(system):
            for metric, summary in metrics.items():
                if summary.n and metric not in (REFERENCE_SEGMENTS, ESTIMATED_SEGMENTS):
                    columns.setdefault(metric, []).append(summary)
    return {
        metric: max(round(summary.mean, 3) for summary in column)
        for metric, column in columns.items()
        if len(column) > 1 and len({summary.n for summary in column}) == 1
    }


def interval_note(summaries: Iterable[Summary]) -> str:
    """Return a note that intervals of few tracks are too narrow; "" if there are enough.

    Parameters
    ----------
    summaries : iterable of Summary
        Summaries whose intervals are shown.
    """
    if all(each.n >= _ENOUGH_TRACKS for each in summaries if not math.isnan(each.low)):
        return ""
    return (
        f"Intervals of under {_ENOUGH_TRACKS} tracks are too narrow: bootstrap samples of so few "
        "tracks vary too little."
    )


class _LevelTable(NamedTuple):
    """The rows of one level and group: system -> metric -> summary."""

    title: str
    level: str
    metrics: tuple[str, ...]
    systems: Mapping[str, Mapping[str, Summary]]


def _level_tables(summaries: Iterable[Summary]) -> list[_LevelTable]:
    by_key: dict[tuple[str, str], dict[str, dict[str, Summary]]] = {}
    for each in summaries:
        if each.annotator == MEAN_OF_ANNOTATORS:
            systems = by_key.setdefault((each.group, each.level), {})
            systems.setdefault(each.system, {})[each.metric] = each
    titles = level_titles(level for _, level in by_key)
    tables = []
    for (group, level), systems in by_key.items():
        rows = [row for metrics in systems.values() for row in metrics.values()]
        title = titles[level][0].upper() + titles[level][1:]
        if group != ALL_TRACKS:
            title += f", {group}"
        title += ", means over tracks with 95 % intervals"
        count = reference_segments(rows)
        if count is not None:
            title += f"; the references have {count:.1f} segments"
        tables.append(_LevelTable(title, level, table_metrics(rows), systems))
    return tables


def summary_markdown(summaries: Iterable[Summary]) -> str:
    """Format the mean scores of all systems, with intervals, in one table per level and group.

    Returns
    -------
    text : str
        Markdown with aligned columns. Baselines and the human ceiling come last. A note follows if
        there are too few tracks for the intervals.
    """
    return "\n".join(_level_markdown(table) for table in _level_tables(summaries))


def _level_markdown(table: _LevelTable) -> str:
    names = ["segments" if name == ESTIMATED_SEGMENTS else name for name in table.metrics]
    rows = [["system", "tracks", *names]]
    for system, metrics in table.systems.items():
        cells = [_markdown_cell(metrics.get(name), name) for name in table.metrics]
        rows.append([_escaped(system), _n_tracks(metrics), *cells])
    lines = [f"{table.title}:", "", *_markdown_rows(rows), ""]
    note = _interval_note(table)
    return "\n".join([*lines, f"{note}\n"] if note else lines)


def _interval_note(table: _LevelTable) -> str:
    return interval_note(
        summary
        for metrics in table.systems.values()
        for name, summary in metrics.items()
        if name in table.metrics and name != ESTIMATED_SEGMENTS
    )


def _n_tracks(metrics: Mapping[str, Summary]) -> str:
    return str(max(summary.n for summary in metrics.values()))


def _markdown_cell(summary: Summary | None, metric: str) -> str:
    if summary is None or math.isnan(summary.mean):
        return "-"
    if metric == ESTIMATED_SEGMENTS:
        return f"{summary.mean:.1f}"
    if math.isnan(summary.low):
        return f"{summary.mean:.3f}"
    return f"{summary.mean:.3f} [{summary.low:.2f}, {summary.high:.2f}]"


def comparison_markdown(results: Results) -> str:
    """Format the comparisons of systems, in one table per level and metric.

    Returns
    -------
    text : str
        Markdown; "" if there is nothing to compare.
    """
    parts = []
    keys = dict.fromkeys((each.level, each.metric) for each in results.comparisons)
    titles = level_titles(level for level, _ in keys)
    for level, metric in keys:
        if metric not in _MARKDOWN_COMPARED:
            continue
        rows = [["system", "against", "tracks", "difference", "p (Holm)", "wins/ties/losses"]]
        rows += [
            _comparison_cells(each)
            for each in results.comparisons
            if (each.level, each.metric) == (level, metric)
        ]
        lines = [
            f"Differences in {metric}, {titles[level]}:",
            "",
            *_markdown_rows(rows, text_columns=2),
        ]
        listen = [
            each for each in results.disagreements if (each.level, each.metric) == (level, metric)
        ]
        parts.append("\n".join([*lines, "", *_listening_lines(listen)]))
    return "\n".join(parts)


def _comparison_cells(each: SystemComparison) -> list[str]:
    interval = "" if math.isnan(each.low) else f" [{each.low:+.2f}, {each.high:+.2f}]"
    return [
        _escaped(each.system),
        _escaped(each.other),
        str(each.n),
        f"{each.difference:+.3f}{interval}",
        "< 0.001" if each.p_holm < 0.001 else f"{each.p_holm:.3f}",
        f"{each.wins}/{each.ties}/{each.losses}",
    ]


def _listening_lines(found: Iterable[Disagreement]) -> list[str]:
    """List the tracks to listen to, one line per pair of systems."""
    by_pair: dict[tuple[str, str], list[str]] = {}
    for each in found:
        text = f"{_escaped(each.track)} ({each.difference:+.2f})"
        by_pair.setdefault((each.system, each.other), []).append(text)
    return [
        f"{_escaped(system)} and {_escaped(other)} differ most on {', '.join(tracks)}.\n"
        for (system, other), tracks in by_pair.items()
    ]


def _escaped(name: str) -> str:
    return name.replace("|", r"\|")


def _markdown_rows(rows: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """Align columns, the first as text, the others as numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rules = [
        "-" * width if i < text_columns else "-" * (width - 1) + ":"
        for i, width in enumerate(widths)
    ]
    lines = []
    for row in (rows[0], rules, *rows[1:]):
        cells = [
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def summary_latex(summaries: Iterable[Summary]) -> str:
    """Format the mean scores as LaTeX, with intervals, in one table per level and group.

    Returns
    -------
    text : str
        LaTeX for the package booktabs, with baselines and ceiling below a rule, and the best system
        of each column in bold if all have the same number of tracks. A note follows if there are
        too few tracks.
    """
    tables = [_level_latex(table) for table in _level_tables(summaries)]
    return "\n".join([r"% needs \usepackage{booktabs}", *tables])


def _level_latex(table: _LevelTable) -> str:
    names = [
        "Segments" if name == ESTIMATED_SEGMENTS else _LATEX_NAMES[name] for name in table.metrics
    ]
    best = best_means(table.systems)
    note = _interval_note(table)
    lines = [_latex_row(["System", "Tracks", *names]), r"\midrule"]
    below = False
    for system, metrics in table.systems.items():
        if is_baseline(system) and not below:
            lines += [r"\midrule"] if len(lines) > 2 else []
            below = True
        cells = [
            _latex_cell(metrics.get(name), name, None if below else best.get(name))
            for name in table.metrics
        ]
        lines.append(_latex_row([_latex_text(system), _n_tracks(metrics), *cells]))
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering\small\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_latex_text(table.title)}.}}",
            rf"\begin{{tabular}}{{lr{'r' * len(names)}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip {_latex_text(note)}"] if note else []),
            r"\end{table*}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(summary: Summary | None, metric: str, best: float | None) -> str:
    if summary is None or math.isnan(summary.mean):
        return "--"
    if metric == ESTIMATED_SEGMENTS:
        return f"{summary.mean:.1f}"
    number = f"{summary.mean:.3f}"
    if round(summary.mean, 3) == best:
        number = rf"\textbf{{{number}}}"
    if math.isnan(summary.low):
        return number
    low, high = (f"{bound:.2f}".removeprefix("0") for bound in (summary.low, summary.high))
    return rf"{number} {{\scriptsize [{low}, {high}]}}"


def _latex_text(text: str) -> str:
    return " ".join(text.translate(_LATEX_SPECIAL).split())
