"""Descents, fields and sweeps -> files: scores, tables and sounds.

Each descent is saved when it ends, so that an interrupted run can be resumed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg import __version__, naming
from scatseg.losses import Loss
from scatseg.matching.descent import Match, errors, match, opposed
from scatseg.matching.landscapes import Field
from scatseg.matching.sweeps import Sweep
from scatseg.matching.tasks import Task
from scatseg.runs import Failure, attempted, write_csv, write_json
from scatseg.synth import Parameter
from scatseg.writing import atomic_write

WITHIN = 0.05
"""Octaves or fractions of the range: maximum error of a successful descent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Descent:
    """One descent of a run.

    Parameters
    ----------
    loss : str
        Name of the loss.
    shift : int
        Delay of the target in samples.
    match : Match
        Result.
    truth : ndarray of float64, shape (n_params,), or None
        True parameters of the target, if known.
    seconds : float
        Computation time.
    """

    loss: str
    shift: int
    match: Match
    truth: NDArray[np.float64] | None
    seconds: float

    def errors(self, parameters: Sequence[Parameter]) -> dict[str, float | None]:
        """Compute signed errors in octaves or fractions of the range, by name."""
        if self.truth is None:
            return {each.name: None for each in parameters}
        apart = errors(parameters, self.match.theta, self.truth)
        return {p.name: float(e) for p, e in zip(parameters, apart, strict=True)}

    def wrong_signs(self, parameters: Sequence[Parameter]) -> tuple[str, ...]:
        """Return the parameters with the wrong sign."""
        return () if self.truth is None else opposed(parameters, self.match.theta, self.truth)

    def worst(self, parameters: Sequence[Parameter]) -> float | None:
        """Return the largest error, infinite for a wrong sign; None if the truth is unknown."""
        known = [abs(e) for e in self.errors(parameters).values() if e is not None]
        if not known:
            return None
        return np.inf if self.wrong_signs(parameters) else max(known)


def descents(
    folder: Path,
    task: Task,
    losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    starts: NDArray[np.float64],
    *,
    shifts: Sequence[int] = (0,),
    device: str = "cpu",
    on_descent: Callable[[Descent], object] = lambda _: None,
    **options: Any,
) -> tuple[list[Descent], list[Failure]]:
    """Run descents for all losses, delays of the target and starts.

    Parameters
    ----------
    folder : Path
        Folder of saved descents.
    task : Task
        The task.
    losses : mapping of str to callable
        Losses by name. A loss that raises an error is skipped.
    starts : ndarray of float64, shape (n_starts, n_params)
        Starting points.
    shifts : sequence of int
        Delays of the target in samples.
    device : str
        Torch device.
    on_descent : callable, optional
        Called after each descent.
    **options
        Options of `match`: n_steps, lr, optimizer.

    Returns
    -------
    descents : list of Descent
        Starts innermost.
    failures : list of Failure
        Losses that were skipped.

    Raises
    ------
    ValueError
        When the target is silent after a shift.
    """
    for shift in shifts:
        task.target(shift)

    def descend(name: str) -> list[Descent]:
        found = []
        for shift in shifts:
            for start in starts:
                done = descended(
                    folder,
                    task,
                    losses[name],
                    start,
                    name=name,
                    shift=shift,
                    device=device,
                    **options,
                )
                on_descent(done)
                found.append(done)
        return found

    results, failures = attempted(losses, "descend", descend)
    return [each for found in results.values() for each in found], failures


def descended(
    folder: Path,
    task: Task,
    loss: Callable[[Tensor, Tensor], Tensor],
    start: NDArray[np.float64],
    *,
    name: str,
    shift: int = 0,
    device: str = "cpu",
    **options: Any,
) -> Descent:
    """Run a descent, or load it if it was saved with the same options.

    Parameters
    ----------
    folder : Path
        Folder of saved descents.
    task : Task
        The task.
    loss : callable
        The loss.
    start : ndarray of float64, shape (n_params,)
        Starting point.
    name : str
        Name of the loss.
    shift : int, default 0
        Delay of the target in samples.
    device : str
        Torch device.
    **options
        Options of `match`: n_steps, lr, optimizer.
    """
    facts = {"loss": name, "shift": shift, "start": start.tolist(), **options}
    terms = [term for _, term in loss.terms] if isinstance(loss, Loss) else [loss]
    parts = tuple(part for each in terms for part in (each, getattr(each, "comparison", None)))
    known = {"version": __version__, "task": task.digest, "code": naming.code_of(parts)}
    text = json.dumps({**known, **facts}, sort_keys=True)
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
    done = Descent(loss=name, shift=shift, match=found, truth=task.truth, seconds=seconds)
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
    """Write scores.json and trajectories.csv; return the content of scores.json."""
    names = [each.name for each in parameters]
    runs = [
        {
            "loss": each.loss,
            "shift": each.shift,
            "start": _named(names, each.match.trajectory[0]),
            "theta": _named(names, each.match.theta),
            "error": each.errors(parameters),
            "wrong_sign": list(each.wrong_signs(parameters)),
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
    scores = {**facts, "found_within": WITHIN, "summary": _summary(descents, parameters)}
    write_json(out / "scores.json", {**scores, "runs": runs})
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
    """Summarize the best descent and the success rate for each loss and shift."""
    names = [each.name for each in parameters]
    summary = []
    for loss, shift in dict.fromkeys((each.loss, each.shift) for each in descents):
        here = [each for each in descents if (each.loss, each.shift) == (loss, shift)]
        best = min(here, key=lambda each: each.match.loss)
        worst = [each.worst(parameters) for each in here]
        known = [error for error in worst if error is not None]
        summary.append(
            {
                "loss": loss,
                "shift": shift,
                "n_runs": len(here),
                "n_found": sum(error <= WITHIN for error in known) if known else None,
                "worst_errors": worst,
                "best": _named(names, best.match.theta),
                "best_worst_error": best.worst(parameters),
            }
        )
    return summary


def write_fields(
    out: Path, by_loss: Mapping[str, Sequence[Field]], over: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write scores.json and field.csv of all targets; return the content of scores.json."""
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
    scores = {**facts, "over": list(over), "systems": systems}
    write_json(out / "scores.json", scores)
    head = ["loss", "shift", *(f"target_{name}" for name in over), *over, "value"]
    rows = (
        [loss, field.shift, *field.target, x, y, field.losses[i, j], *field.gradients[i, j]]
        for loss, fields in by_loss.items()
        for field in fields
        for i, x in enumerate(field.values[0])
        for j, y in enumerate(field.values[1])
    )
    write_csv(out / "field.csv", [*head, *(f"gradient_{name}" for name in over)], rows)
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


def bounds_reached(descents: Sequence[Descent]) -> list[str]:
    """Return notes on parameters at whose bound most descents ended: the target may be outside."""
    counts = Counter(name for each in descents for name in each.match.at_bounds)
    return [
        f"{n} of {len(descents)} descents ended at a bound of {name}: the target may lie outside"
        for name, n in counts.items()
        if 2 * n > len(descents)
    ]


def _named(names: Sequence[str], theta: ArrayLike) -> dict[str, float]:
    return dict(zip(names, np.asarray(theta).tolist(), strict=True))
