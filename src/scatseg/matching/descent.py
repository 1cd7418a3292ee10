"""A synthesizer, a loss and a target -> the parameters whose sound is nearest, by descent.

Parameters move along the scales that the synthesizer declares, octaves or fractions of the range,
and stay inside their ranges. Only the loss is looked at, never the parameters that a target was
made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg.counts import counted
from scatseg.matching.optimizers import OPTIMIZERS, Optimizer
from scatseg.matching.problems import Problem, Step, bounds, problem_of
from scatseg.synth import Parameter, Synth

_SETTLED = 5
"""Steps over which parameters may not move for a descent to end."""

_REST = 0.3
"""Of Adam's rate: within so much its last steps go to and fro about one place."""

_AT_REST = "the optimizer came to rest"


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """Where a descent led.

    Parameters
    ----------
    theta : ndarray of float64, shape (n_params,)
        The parameters of the least loss.
    trajectory : ndarray of float64, shape (n_steps + 1, n_params)
        The parameters at the start and after each step. What "l-bfgs" and "levenberg-marquardt"
        try on the way to a step is not among them.
    losses : ndarray of float64, shape (n_steps + 1,)
        Their losses.
    gradient_norms : ndarray of float64, shape (n_steps + 1,)
        Of the loss by places on the scales of the free parameters.
    converged : bool
        Whether the descent had come to rest, at the target or elsewhere.
    reason : str
        Why it ended.
    at_bounds : tuple of str
        Free parameters that ended at a bound of their range: the target may lie outside.
    """

    theta: NDArray[np.float64]
    trajectory: NDArray[np.float64]
    losses: NDArray[np.float64]
    gradient_norms: NDArray[np.float64]
    converged: bool
    reason: str
    at_bounds: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """The least loss."""
        return float(self.losses.min())

    @property
    def n_steps(self) -> int:
        """Steps after the start."""
        return len(self.losses) - 1


def match(
    synth: Synth,
    loss: Callable[[Tensor, Tensor], Tensor],
    target: ArrayLike | Tensor,
    theta: ArrayLike,
    *,
    n_steps: int = 40,
    lr: float = 0.1,
    optimizer: Optimizer = "adam",
    fixed: Sequence[str] = (),
    parameters: Sequence[Parameter] | None = None,
    tolerance: float = 1e-3,
    on_step: Callable[[float], object] | None = None,
) -> Match:
    """Descend from a start to the parameters whose sound is nearest to a target.

    Parameters
    ----------
    synth : Synth
        torch in, torch out, with a gradient.
    loss : callable
        `(x, target) -> scalar`, of `scatseg.losses` or your own.
    target : Tensor or array_like of float, shape (n_samples,)
        As long as the synthesizer's sounds. A tensor decides about device and precision.
    theta : array_like of float, shape (n_params,)
        Where to start. The sign of a parameter on a logarithmic scale stays as it is.
    n_steps : int, default 40
        At most so many steps.
    lr : float, default 0.1
        Octaves or fractions of the range: how far Adam's steps go at first, falling to a tenth of
        it along a cosine; how far the bold driver's first step goes. The others need none.
    optimizer : {"adam", "bold-driver", "l-bfgs", "levenberg-marquardt"}
        The last derives descriptions instead of losses, needs few steps and no gradient, and a
        `FeatureLoss` of order 2.
    fixed : sequence of str
        Parameters that stay as they are at the start.
    parameters : sequence of Parameter, optional
        Other ranges than those of the synthesizer, see `scatseg.synth.ranged`.
    tolerance : float, default 1e-3
        Octaves or fractions of the range: the descent ends when no parameter has moved further
        over five steps.
    on_step : callable, optional
        Called with each loss.

    Returns
    -------
    match : Match
        The best of its steps, and the way there.

    Raises
    ------
    ValueError
        When the target is not as long as the sounds, the start of a parameter has no meaning, a
        parameter is unknown or nothing is free, or the optimizer is unknown or does not fit the
        loss.
    """
    ranges = tuple(synth.parameters if parameters is None else parameters)
    problem = problem_of(synth, loss, target, theta, fixed, ranges)
    if optimizer not in OPTIMIZERS:
        msg = f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}"
        raise ValueError(msg)
    tried: list[Step] = []
    reason, finite = "all steps were taken", True
    for step in OPTIMIZERS[optimizer](problem, n_steps, lr):
        if not (np.isfinite(step.loss) and np.isfinite(step.gradient).all()):
            reason = f"the loss or its gradient is not finite after {counted(len(tried), 'step')}"
            finite = False
            break
        tried.append(step)
        if on_step is not None:
            on_step(step.loss)
        if _moved(tried) < tolerance:
            reason = f"no parameter moved by {tolerance:g} over {_SETTLED} steps"
            break
    else:
        if len(tried) <= n_steps:
            reason = _AT_REST
    if not tried:
        msg = f"the loss or its gradient is not finite at the start, {np.asarray(theta).tolist()}"
        raise ValueError(msg)
    rest = _REST * lr if optimizer == "adam" else tolerance
    at_rest = finite and (reason == _AT_REST or _moved(tried) < rest)
    return _match(problem, tried, reason, at_rest)


def best_of(matches: Sequence[Match]) -> Match:
    """Return the match with the least loss: what several starts are for."""
    return min(matches, key=lambda each: each.loss)


def random_starts(
    parameters: Sequence[Parameter],
    n: int,
    *,
    fixed: Mapping[str, float] | None = None,
    signed: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Draw starts, uniform along the scales.

    Parameters
    ----------
    parameters : sequence of Parameter
        Of a synthesizer.
    n : int
        How many.
    fixed : mapping of str to float, optional
        Parameters that are the same in all of them.
    signed : bool, default False
        Whether parameters that may be negative are so in half of the starts.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    starts : ndarray of float64, shape (n, n_params)
        Parameters.
    """
    rng = np.random.default_rng(seed)
    low, high = bounds(parameters)
    places = low + (high - low) * rng.random((n, len(parameters)))
    starts = np.stack([p.decode(places[:, i]) for i, p in enumerate(parameters)], axis=-1)
    for i, parameter in enumerate(parameters):
        if signed and parameter.either_sign:
            starts[:, i] *= np.where(np.arange(n) % 2, -1, 1)
        if fixed and parameter.name in fixed:
            starts[:, i] = fixed[parameter.name]
    return starts


def errors(
    parameters: Sequence[Parameter], theta: ArrayLike, truth: ArrayLike
) -> NDArray[np.float64]:
    """Tell how far parameters are above the true ones, in octaves or fractions of the range.

    Along a logarithmic scale sizes are compared; `opposed` tells whether signs are.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> errors(AMChirp().parameters, [512, 16, 1], [512, 8, -2])
    array([ 0., 1., -1.])
    """
    columns = np.stack([np.asarray(theta, np.float64), np.asarray(truth, np.float64)])
    with np.errstate(divide="ignore"):  # a true value of 0 is infinitely far on a logarithmic scale
        places = [p.encode(columns[:, i]) for i, p in enumerate(parameters)]
    return np.array([here - there for here, there in places])


def opposed(parameters: Sequence[Parameter], theta: ArrayLike, truth: ArrayLike) -> tuple[str, ...]:
    """Name the parameters on a logarithmic scale whose sign is not the true one.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> opposed(AMChirp().parameters, [512, 16, 1], [512, 8, -2])
    ('gamma',)
    """
    signs = np.sign(np.asarray(theta, np.float64)) * np.sign(np.asarray(truth, np.float64))
    pairs = zip(parameters, signs, strict=True)
    return tuple(p.name for p, sign in pairs if p.scale == "log" and sign < 0)


def _moved(tried: Sequence[Step]) -> float:
    """Tell how far the last steps reached in the parameter that moved most."""
    if len(tried) <= _SETTLED:
        return np.inf
    return float(np.ptp([step.places for step in tried[-_SETTLED - 1 :]], axis=0).max())


def _match(problem: Problem, tried: Sequence[Step], reason: str, at_rest: bool) -> Match:
    places = np.array([step.places for step in tried])
    values = np.array([step.loss for step in tried])
    with torch.no_grad():
        thetas = torch.stack([problem.theta(problem.tensor(row)) for row in places])
    best = int(values.argmin())
    ends = np.isclose(places[best], problem.low) | np.isclose(places[best], problem.high)
    return Match(
        theta=thetas[best].numpy(force=True).astype(np.float64),
        trajectory=thetas.numpy(force=True).astype(np.float64),
        losses=values,
        gradient_norms=np.array([float(np.linalg.norm(step.gradient)) for step in tried]),
        converged=at_rest,
        reason=reason,
        at_bounds=tuple(name for name, at in zip(problem.names, ends, strict=True) if at),
    )
