"""Optimizers: generators of steps of the free parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from scatseg.losses import FeatureLoss, check_squares
from scatseg.matching.problems import Places, Problem, Step
from scatseg.sensitivity import jacobian

Optimizer = Literal["adam", "bold-driver", "l-bfgs", "levenberg-marquardt"]


def _adam(problem: Problem, n_steps: int, lr: float) -> Iterator[Step]:
    """Run Adam (Kingma and Ba, 2015)."""
    places = problem.start
    mean, square = np.zeros_like(places), np.zeros_like(places)
    for k in range(n_steps + 1):
        step = problem.step(places)
        yield step
        mean = 0.9 * mean + 0.1 * step.gradient
        square = 0.999 * square + 0.001 * step.gradient**2
        direction = mean / (1 - 0.9 ** (k + 1))
        direction /= np.sqrt(square / (1 - 0.999 ** (k + 1))) + 1e-12
        rate = lr * (0.1 + 0.9 * (1 + np.cos(np.pi * k / max(n_steps, 1))) / 2)
        places = problem.clipped(places - rate * direction)


def _bold_driver(problem: Problem, n_steps: int, lr: float) -> Iterator[Step]:
    """Run the bold driver: increase the rate after each improvement, else go back and halve it."""
    best = problem.step(problem.start)
    yield best
    rate = lr / max(float(np.linalg.norm(best.gradient)), _TINY)
    for _ in range(n_steps):
        step = problem.step(problem.clipped(best.places - rate * best.gradient))
        yield step
        if step.loss < best.loss:
            best, rate = step, 1.2 * rate
        else:
            rate /= 2


def _l_bfgs(problem: Problem, n_steps: int, lr: float) -> Iterator[Step]:
    """Run L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995)."""
    del lr
    first = problem.step(problem.start)
    scale = first.loss if np.isfinite(first.loss) and first.loss > 0 else 1.0
    known = {first.places.tobytes(): first}
    accepted = [first]

    def scaled(places: Places) -> tuple[float, Places]:
        key = places.tobytes()
        known[key] = known.get(key) or problem.step(places.copy())
        return known[key].loss / scale, known[key].gradient / scale

    def remember(intermediate_result: Any) -> None:
        accepted.append(known[intermediate_result.x.tobytes()])

    if np.isfinite(first.gradient).all():
        scipy.optimize.minimize(
            scaled,
            first.places,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(problem.low, problem.high, strict=True)),
            callback=remember,
            options={"maxiter": n_steps},
        )
    yield from accepted


def _levenberg_marquardt(problem: Problem, n_steps: int, lr: float) -> Iterator[Step]:
    """Run Levenberg-Marquardt: damped least squares on the linearized problem."""
    del lr
    check_squares(problem.loss)
    assert isinstance(problem.loss, FeatureLoss)
    differences = problem.loss.differences_from(problem.target)

    @torch.no_grad()
    def residual(places: Tensor) -> Tensor:
        return differences(problem.synth(problem.theta(places))).reshape(-1)

    places, damping, rests = problem.start, 1e-2, False
    for _ in range(n_steps + 1):
        r, J = residual(problem.tensor(places)), jacobian(residual, problem.tensor(places))
        value, gradient = float(r.norm()), (J.T @ r).numpy(force=True).astype(np.float64)
        yield Step(places, value, gradient / max(value, _TINY))
        if rests:
            return
        M = (J.T @ J).numpy(force=True).astype(np.float64)
        if not M.any():
            return  # no parameter has an effect here
        for _ in range(_MOST_TRIALS):
            damped = M + damping * np.diag(np.maximum(M.diagonal(), 1e-12 * M.max()))
            trial = problem.clipped(places - np.linalg.solve(damped, gradient))
            if float(residual(problem.tensor(trial)).norm()) < value:
                break
            damping *= 5
        else:
            return
        rests = np.abs(trial - places).max() < _LM_REST
        places, damping = trial, damping / 5


_TINY = float(np.finfo(np.float64).tiny)

_MOST_TRIALS = 10
"""Maximum number of trial steps of Levenberg-Marquardt, each shorter than the last."""

_LM_REST = 1e-4
"""Octaves or fractions of the range: step length at which Levenberg-Marquardt ends."""

OPTIMIZERS: Mapping[Optimizer, Callable[[Problem, int, float], Iterator[Step]]] = {
    "adam": _adam,
    "bold-driver": _bold_driver,
    "l-bfgs": _l_bfgs,
    "levenberg-marquardt": _levenberg_marquardt,
}
"""Optimizers by name."""
