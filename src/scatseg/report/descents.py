"""Descents of a run -> a page that plays every result next to its target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from scatseg.matching.listening import SoundNames, play, sound_names, write_sounds
from scatseg.matching.runs import WITHIN, Descent
from scatseg.matching.tasks import Task
from scatseg.report.pages import JSON, asset, page_html, picture
from scatseg.writing import atomic_write

_ASSETS = ("style.css", "page.js", "descents.js")
_FIGURES = {"convergence": "Convergence", "trajectories": "Trajectories"}
_TABLES = ("scores.json", "trajectories.csv", "failures.csv", "run.json")


def build_descents(folder: Path, descents: Sequence[Descent], task: Task) -> Path:
    """Write the page of a run of descents and its sounds.

    Parameters
    ----------
    folder : Path
        The run folder. `index.html`, `assets/` and `sounds/` are written to it; its figures and
        tables are shown.
    descents : sequence of Descent
        All descents of the run, at least one.
    task : Task
        The matching task.

    Returns
    -------
    page : Path
        The page to open. It works offline.
    """
    write_sounds(folder / "sounds", play(descents, task), task.synth.sr)
    (folder / "assets").mkdir(exist_ok=True)
    for name in _ASSETS:
        atomic_write(folder / "assets" / name, asset(name))
    page = folder / "index.html"
    atomic_write(page, page_html("descents", descents_data(folder, descents, task)))
    return page


def descents_data(folder: Path, descents: Sequence[Descent], task: Task) -> JSON:
    """Collect the data of the page.

    Parameters
    ----------
    folder, descents, task
        As for `build_descents`.

    Returns
    -------
    data : dict
        JSON values: delays in samples and milliseconds, parameters in their units, errors in
        octaves or fractions of the range.
    """
    names = sound_names(descents)
    shifts = {each.shift: name.target for each, name in zip(descents, names, strict=True)}
    truth = [None] * len(task.parameters) if task.truth is None else task.truth.tolist()
    figures = [(text, folder / f"{name}.png") for name, text in _FIGURES.items()]
    return {
        "targets": [
            {"shift": shift, "ms": 1000 * shift / task.synth.sr, **_sound(name)}
            for shift, name in shifts.items()
        ],
        "parameters": [
            {
                "name": each.name,
                "unit": each.unit,
                "errorUnit": "octaves" if each.scale == "log" else "of the range",
                "truth": value,
            }
            for each, value in zip(task.parameters, truth, strict=True)
        ],
        "within": WITHIN,
        "rows": [_row(*each, task) for each in zip(descents, names, strict=True)],
        "figures": [
            picture(text, png, svg if svg.exists() else png, folder / "index.html")
            for text, png in figures
            if png.exists()
            for svg in [png.with_suffix(".svg")]
        ],
        "downloads": [{"text": name, "url": name} for name in _TABLES if (folder / name).exists()],
    }


def _row(descent: Descent, names: SoundNames, task: Task) -> JSON:
    errors = list(descent.errors(task.parameters).values())
    worst = descent.worst(task.parameters)
    return {
        "loss": descent.loss,
        "shift": descent.shift,
        "start": _sound(names.start),
        "end": _sound(names.end),
        "lowest": descent.match.loss,
        "theta": descent.match.theta.tolist(),
        "errors": [_finite(error) for error in errors],
        "wrongSigns": list(descent.wrong_signs(task.parameters)),
        "atBounds": list(descent.match.at_bounds),
        "found": worst is not None and worst <= WITHIN,
    }


def _finite(error: float | None) -> float | None:
    return error if error is not None and math.isfinite(error) else None


def _sound(name: str) -> JSON:
    return {"url": f"sounds/{name}.flac", "note": ""}
