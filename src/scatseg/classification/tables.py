"""Cross-validations of systems -> scores.json, predictions.csv, confusion.csv and a summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scatseg.classification.confusion import SCORES, confusion_matrix, scores_of
from scatseg.classification.validation import CrossValidation, describe_scores, paired_differences
from scatseg.counts import counted
from scatseg.labelled import Clip
from scatseg.writing import atomic_write, rows_as_csv

BASELINES = ("baseline:majority", "baseline:duration")
"""Baselines of every evaluation."""


def scores_document(
    systems: Mapping[str, CrossValidation],
    baselines: Mapping[str, CrossValidation],
    *,
    classifier: str,
    clips: Sequence[Clip],
    columns: Sequence[str] = ("label",),
    seed: int = 0,
    min_probability: float = 0.0,
) -> dict[str, Any]:
    """Return the content of scores.json.

    Parameters
    ----------
    systems : mapping of str to CrossValidation
        Results by feature name, on the same folds.
    baselines : mapping of str to CrossValidation
        Results by name in `BASELINES`.
    classifier : str
        Its name with options.
    clips : sequence of Clip
        The clips.
    columns : sequence of str
        Label columns. If there are several, each is also scored separately.
    seed : int, default 0
        Seed of the intervals.
    min_probability : float, default 0
        If positive, `sure` holds the number and accuracy of predictions of at least this
        probability.

    Returns
    -------
    document : dict
        The scores of one system at the top level, or of several in a list `systems`; `baselines`,
        and `differences` between the first system and each of the others.
    """
    described = [
        {"features": name, "classifier": classifier}
        | describe_scores(result, seed=seed)
        | ({"columns": _by_column(result, clips, columns)} if len(columns) > 1 else {})
        | ({"sure": _sure(result, min_probability)} if min_probability > 0 else {})
        for name, result in systems.items()
    ]
    beside = [
        {"features": name, "classifier": "baseline"} | describe_scores(result, seed=seed)
        for name, result in baselines.items()
    ]
    document: dict[str, Any] = described[0] if len(described) == 1 else {"systems": described}
    document["baselines"] = beside
    document["differences"] = paired_differences({**systems, **baselines}, seed=seed)
    return document


def _by_column(
    result: CrossValidation, clips: Sequence[Clip], columns: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Score each label column of joint classes separately."""
    labels_of = {clip.label: clip.labels for clip in clips}
    here = result.tested
    scored = {}
    for i, column in enumerate(columns):
        parts = [labels_of[str(name)][i] for name in result.classes]
        names, number = np.unique(parts, return_inverse=True)
        truth, predicted = number[result.truth[here]], number[result.predicted[here]]
        values = map(float, scores_of(confusion_matrix(truth, predicted, len(names))))
        scored[column] = dict(zip(SCORES, values, strict=True))
    return scored


def _sure(result: CrossValidation, least: float) -> dict[str, float | None]:
    """Score the predictions above the minimum probability."""
    here = result.tested
    sure = result.probabilities[here].max(axis=1) >= least
    right = (result.predicted[here] == result.truth[here])[sure]
    accuracy = float(right.mean()) if right.size else None
    return {"min_probability": least, "share": float(sure.mean()), "accuracy": accuracy}


def systems_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List systems, then baselines, of a scores.json."""
    systems = document.get("systems", [document])
    return [*systems, *document["baselines"]]


def summary_markdown(document: Mapping[str, Any]) -> str:
    """Format a scores.json as a table with notes."""
    systems = systems_of(document)
    first = systems[0]
    lines = [
        f"{first['classifier']}, {first['split']}: {first['n']} of {first['n_clips']} clips, "
        f"{_classes(first)}. 95 % bootstrap intervals.",
        "",
        "| Features | Accuracy | Balanced accuracy | Macro F1 | Calibration error | Brier |",
        "| --- | --- | --- | --- | ---: | ---: |",
    ]
    for each in systems:
        cells = [_with_interval(each[score], each["intervals"][score]) for score in SCORES]
        row = [each["features"], *cells, f"{each['calibration_error']:.3f}", f"{each['brier']:.3f}"]
        lines.append(f"| {' | '.join(row)} |")
    differences = [each for each in document["differences"] if each["score"] == "accuracy"]
    if differences:
        lines += ["", "| Accuracy of | less that of | Difference |", "| --- | --- | --- |"]
    lines += [
        f"| {each['first']} | {each['second']} | {each['difference']:+.3f} "
        f"[{each['interval'][0]:+.3f}, {each['interval'][1]:+.3f}] |"
        for each in differences
    ]
    lines += ["", *map(_sure_line, sure)] if (sure := [e for e in systems if "sure" in e]) else []
    notes = dict.fromkeys(note for each in systems for note in each["notes"])
    return "\n".join([*lines, *([""] if notes else []), *(f"- {note}" for note in notes)]) + "\n"


def _classes(system: Mapping[str, Any]) -> str:
    """Describe the number of classes, and of those tested if these are fewer."""
    n_classes = len(system["classes"])
    n_tested = sum(each["n"] > 0 for each in system["per_class"].values())
    if n_tested == n_classes:
        return counted(n_classes, "class", "classes")
    return (
        f"{n_tested} of {n_classes} classes (balanced accuracy and macro F1 are means over these)"
    )


def _sure_line(system: Mapping[str, Any]) -> str:
    """Describe number and accuracy of the predictions above the minimum probability."""
    sure = system["sure"]
    text = f"{system['features']}: {sure['share']:.0%} of predictions are at least "
    text += f"{sure['min_probability']:g} probable"
    return text + ("" if sure["accuracy"] is None else f", {sure['accuracy']:.0%} of these right")


def _with_interval(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def predictions_csv(systems: Mapping[str, CrossValidation], clips: Sequence[Clip]) -> str:
    """Format all predictions: features, file, fold, truth, prediction, class probabilities."""
    classes = [str(name) for name in next(iter(systems.values())).classes]
    rows: list[list[str]] = [
        ["features", "file", "fold", "truth", "prediction", *(f"p_{name}" for name in classes)]
    ]
    for features, result in systems.items():
        for i, clip in enumerate(clips):
            if not result.tested[i]:
                rows.append([features, clip.id, "", clip.label, "", *([""] * len(classes))])
                continue
            probabilities = [f"{value:.6f}" for value in result.probabilities[i]]
            called = classes[result.predicted[i]]
            row = [features, clip.id, str(result.fold[i]), clip.label, called, *probabilities]
            rows.append(row)
    return rows_as_csv(rows)


def confusion_csv(result: CrossValidation) -> str:
    """Format the confusion matrix: true classes in rows, predicted ones in columns."""
    classes = [str(name) for name in result.classes]
    rows = [["truth", *classes]]
    rows += [
        [name, *map(str, row)] for name, row in zip(classes, result.confusion.tolist(), strict=True)
    ]
    return rows_as_csv(rows)


def write_tables(
    folder: Path,
    document: Mapping[str, Any],
    systems: Mapping[str, CrossValidation],
    clips: Sequence[Clip],
) -> None:
    """Write scores.json, predictions.csv, confusion.csv (of the first system) and summary.md."""
    texts = {
        "scores.json": json.dumps(document, indent=2) + "\n",
        "predictions.csv": predictions_csv(systems, clips),
        "confusion.csv": confusion_csv(next(iter(systems.values()))),
        "summary.md": summary_markdown(document),
    }
    for name, text in texts.items():
        atomic_write(folder / name, text.encode("utf-8", "backslashreplace"))
