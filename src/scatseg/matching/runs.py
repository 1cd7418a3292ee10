"""Descents, fields and sweeps as files: scores, tables, and sounds to compare by ear.

A descent that is done is kept as soon as it is, so that an interrupted run goes on.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg import __version__, audio
from scatseg.formats import atomic_write
from scatseg.matching.descent import Match, errors, match
from scatseg.matching.landscapes import Field
from scatseg.matching.sweeps import Sweep
from scatseg.matching.tasks import Task
from scatseg.synth import Parameter

_WITHIN = 0.05
"""Octaves or fractions of the range: descents that end nearer have found the target."""

_PEAK = 0.9
"""Of full scale: how loud the loudest of the sounds is written."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Descent:
    """One descent of a run.

    Parameters
    ----------
    loss : str
        Its name.
    shift : int
        Samples by which the target was delayed.
    match : Match
        Where it led.
    truth : ndarray of float64, shape (n_params,), or None
        What the target was played from, where that is known.
    seconds : float
        How long it took.
    """

    loss: str
    shift: int
    match: Match
    truth: NDArray[np.float64] | None
    seconds: float

    def errors(self, parameters: Sequence[Parameter]) -> dict[str, float | None]:
        """Octaves or fractions of the range above the truth, by name."""
        if self.truth is None:
            return {each.name: None for each in parameters}
        apart = errors(parameters, self.match.theta, self.truth)
        return {p.name: float(e) for p, e in zip(parameters, apart, strict=True)}


def descended(
    folder: Path,
    task: Task,
    loss_name: str,
    loss: Callable[[Tensor, Tensor], Tensor],
    start: NDArray[np.float64],
    *,
    shift: int = 0,
    device: str = "cpu",
    **options: Any,
) -> Descent:
    """Descend from a start, or recall the descent if it was done with the same options.

    Parameters
    ----------
    folder : Path
        Where descents are kept, a file each.
    task : Task
        What is matched.
    loss_name, loss
        What is descended.
    start : ndarray of float64, shape (n_params,)
        Where to start.
    shift : int, default 0
        Samples by which the target is delayed.
    device : str
        Where to compute.
    **options
        Of `match`: n_steps, lr, optimizer.
    """
    facts = {"loss": loss_name, "shift": shift, "start": start.tolist(), **options}
    text = json.dumps({"version": __version__, "task": task.digest, **facts}, sort_keys=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if path.exists():
        return _descent(json.loads(path.read_text(encoding="utf-8")))
    began = time.perf_counter()
    found = match(
        task.synth,
        loss,
        task.target(shift, device),
        start,
        fixed=tuple(task.fixed),
        parameters=task.parameters,
        **options,
    )
    seconds = time.perf_counter() - began
    done = Descent(loss=loss_name, shift=shift, match=found, truth=task.truth, seconds=seconds)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(_fields(done)).encode())
    return done


def _fields(descent: Descent) -> dict[str, Any]:
    led = descent.match
    return {
        "loss": descent.loss,
        "shift": descent.shift,
        "truth": None if descent.truth is None else descent.truth.tolist(),
        "seconds": descent.seconds,
        "match": {
            "theta": led.theta.tolist(),
            "trajectory": led.trajectory.tolist(),
            "losses": led.losses.tolist(),
            "gradient_norms": led.gradient_norms.tolist(),
            "converged": led.converged,
            "reason": led.reason,
            "at_bounds": led.at_bounds,
        },
    }


def _descent(fields: Mapping[str, Any]) -> Descent:
    led = fields["match"]
    arrays = ("theta", "trajectory", "losses", "gradient_norms")
    return Descent(
        loss=fields["loss"],
        shift=fields["shift"],
        truth=None if fields["truth"] is None else np.array(fields["truth"]),
        seconds=fields["seconds"],
        match=Match(
            **{name: np.array(led[name]) for name in arrays},
            converged=led["converged"],
            reason=led["reason"],
            at_bounds=tuple(led["at_bounds"]),
        ),
    )


def write_descents(
    out: Path,
    descents: Sequence[Descent],
    parameters: Sequence[Parameter],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Write scores.json and trajectories.csv; return what scores.json says."""
    names = [each.name for each in parameters]
    runs = [
        {
            "loss": each.loss,
            "shift": each.shift,
            "start": _named(names, each.match.trajectory[0]),
            "theta": _named(names, each.match.theta),
            "error": each.errors(parameters),
            "converged": each.match.converged,
            "reason": each.match.reason,
            "at_bounds": list(each.match.at_bounds),
            "n_steps": each.match.n_steps,
            "loss_at_start": float(each.match.losses[0]),
            "loss_at_end": each.match.loss,
            "seconds": round(each.seconds, 3),
        }
        for each in descents
    ]
    scores = {**facts, "runs": runs, "summary": _summary(descents, parameters)}
    write_json(out / "scores.json", scores)
    rows = (
        [d.loss, d.shift, k, step, *theta, value, slope]
        for k, d in enumerate(descents)
        for step, (theta, value, slope) in enumerate(
            zip(d.match.trajectory, d.match.losses, d.match.gradient_norms, strict=True)
        )
    )
    head = ["loss", "shift", "run", "step", *names, "value", "gradient_norm"]
    write_csv(out / "trajectories.csv", head, rows)
    return scores


def _summary(descents: Sequence[Descent], parameters: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Count for each loss and shift how many descents found the target."""
    summary = []
    for loss, shift in dict.fromkeys((each.loss, each.shift) for each in descents):
        here = [each for each in descents if (each.loss, each.shift) == (loss, shift)]
        row: dict[str, Any] = {"loss": loss, "shift": shift, "n_runs": len(here)}
        if all(each.truth is not None for each in here):
            worst = [
                max(abs(e) for e in each.errors(parameters).values() if e is not None)
                for each in here
            ]
            row["n_within_0.05"] = sum(error <= _WITHIN for error in worst)
            row["worst_errors"] = worst
        summary.append(row)
    return summary


def write_fields(
    out: Path, by_loss: Mapping[str, Sequence[Field]], facts: Mapping[str, Any]
) -> Any:
    """Write scores.json and field.csv of one or several targets; return what scores.json says."""
    systems = []
    for loss, fields in by_loss.items():
        for shift in dict.fromkeys(each.shift for each in fields):
            here = [each for each in fields if each.shift == shift]
            systems.append(
                {
                    "loss": loss,
                    "shift": shift,
                    "n_targets": len(here),
                    "pointing": float(np.mean([each.pointing for each in here])),
                    "n_minima": float(np.mean([each.n_minima for each in here])),
                    "minimum_at_target": float(np.mean([each.minimum_at_target for each in here])),
                    "minimum": [each.minimum.tolist() for each in here],
                    "target": [each.target.tolist() for each in here],
                }
            )
    scores = {**facts, "systems": systems}
    write_json(out / "scores.json", scores)
    first = next(iter(by_loss.values()))[0]
    names = [each.name for each in first.parameters]
    head = ["loss", "shift", "target", *names, "value", *(f"gradient_{name}" for name in names)]
    rows = (
        [loss, field.shift, k, x, y, field.losses[i, j], *field.gradients[i, j]]
        for loss, fields in by_loss.items()
        for k, field in enumerate(fields)
        for i, x in enumerate(field.values[0])
        for j, y in enumerate(field.values[1])
    )
    write_csv(out / "field.csv", head, rows)
    return scores


def write_sweep(out: Path, sweep: Sweep, facts: Mapping[str, Any]) -> None:
    """Write scores.json and sweep.csv: the distances of each loss at each value."""
    systems = [
        {"loss": name, "distances": column.tolist()} for name, column in sweep.distances.items()
    ]
    values = sweep.values.tolist()
    found = {"over": sweep.over, "unit": sweep.unit, "relative_to": sweep.relative_to}
    write_json(out / "scores.json", {**facts, **found, "values": values, "systems": systems})
    columns = (column.tolist() for column in sweep.distances.values())
    write_csv(out / "sweep.csv", [sweep.over, *sweep.distances], zip(values, *columns, strict=True))


def write_sounds(folder: Path, sounds: Mapping[str, NDArray[np.floating]], sr: int) -> list[str]:
    """Write sounds as .wav, all scaled alike, so that the loudest just fits; return the names."""
    folder.mkdir(parents=True, exist_ok=True)
    peak = max(float(np.abs(y).max()) for y in sounds.values())
    scale = _PEAK / peak if peak else 1.0
    for name, y in sounds.items():
        audio.save(folder / f"{name}.wav", y * scale, sr)
    return [f"{folder.name}/{name}.wav" for name in sounds]


def bounds_reached(descents: Sequence[Descent]) -> list[str]:
    """Say for which parameters most descents ended at a bound: the target may lie outside."""
    counts = Counter(name for each in descents for name in each.match.at_bounds)
    return [
        f"{n} of {len(descents)} descents ended at a bound of {name}: the target may lie outside"
        for name, n in counts.items()
        if 2 * n > len(descents)
    ]


def write_listening_page(out: Path, descents: Sequence[Descent], task: Task) -> Path:
    """Write index.html and the sounds it plays: the targets, each start, and where it led."""
    sounds = {f"target-{s}": task.target(s).numpy() for s in {d.shift: None for d in descents}}
    rows = []
    for k, each in enumerate(descents):
        for what, theta in (("start", each.match.trajectory[0]), ("end", each.match.theta)):
            played = task.synth(torch.from_numpy(theta).float())
            sounds[f"{what}-{k}"] = played.numpy(force=True)
        errors = [f"{e:+.3f}" for e in each.errors(task.parameters).values() if e is not None]
        names = (f"target-{each.shift}", f"start-{k}", f"end-{k}")
        rows.append(
            [
                *(each.loss, str(each.shift)),
                *(f"sounds/{name}.wav" for name in names),
                *(f"{value:.4g}" for value in each.match.theta),
                *errors,
            ]
        )
    write_sounds(out / "sounds", sounds, task.synth.sr)
    parameters = [each.name for each in task.parameters]
    off = [f"{name} off by" for name in parameters] if task.truth is not None else []
    head = ["loss", "delay", "target", "start", "result", *parameters, *off]
    page = out / "index.html"
    atomic_write(page, listening_page("Sounds matched", head, rows).encode())
    return page


def listening_page(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a page with a table, in which the names of .wav files are players."""
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    columns = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    return _PAGE.format(title=html.escape(title), columns=columns, body=body)


def _cell(text: str) -> str:
    escaped = html.escape(text)
    if text.endswith(".wav"):
        return f'<audio controls preload="none" src="{escaped}"></audio>'
    return escaped


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #16191d; background: #fff }}
table {{ border-collapse: collapse }}
th, td {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #e8eaed }}
audio {{ height: 2rem; max-width: 16rem }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8eaed; background: #16191d }}
th, td {{ border-color: #3a4148 }} }}
</style>
<h1>{title}</h1>
<table>
<thead><tr>{columns}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</html>
"""


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all; what is not finite becomes null."""
    text = json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"
    atomic_write(path, text.encode())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table, whole or not at all, numbers with seven digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([f"{each:.7g}" if isinstance(each, float) else each for each in row])
    atomic_write(path, text.getvalue().encode())


def _named(names: Sequence[str], theta: ArrayLike) -> dict[str, float]:
    return dict(zip(names, np.asarray(theta).tolist(), strict=True))
