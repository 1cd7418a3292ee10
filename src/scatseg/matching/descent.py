"""A synthesizer, a loss and a target -> the synthesis parameters of least loss, by descent.

Parameters are optimized on the scales that the synthesizer declares, in octaves or fractions of the
range, within their ranges. The true parameters of a target are never used.
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
from scatseg.scattering.arguments import check_integer, check_positive
from scatseg.synth import Parameter, Synth, check_names

_SETTLED = 5
"""Number of steps without movement after which a descent ends."""

_REST = 0.3
"""Maximum oscillation of Adam's last steps at convergence, relative to its rate."""

_AT_REST = "the optimizer converged"


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """The result of a descent.

    Parameters
    ----------
    theta : ndarray of float64, shape (n_params,)
        The parameters of least loss.
    trajectory : ndarray of float64, shape (n_steps + 1, n_params)
        The parameters at the start and after each step, without the trial points of "l-bfgs" and
        "levenberg-marquardt".
    losses : ndarray of float64, shape (n_steps + 1,)
        Their losses.
    gradient_norms : ndarray of float64, shape (n_steps + 1,)
        Norms of the gradient with respect to the free parameters on their scales.
    converged : bool
        Whether the descent converged, to the target or elsewhere.
    reason : str
        Reason for the end.
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
        """Number of steps."""
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
    """Minimize the loss between a synthesizer's sound and a target over its parameters.

    Parameters
    ----------
    synth : Synth
        A differentiable synthesizer in torch.
    loss : callable
        `(x, target) -> scalar`, from `scatseg.losses` or custom.
    target : Tensor or array_like of float, shape (n_samples,)
        As long as the synthesizer's sounds. A tensor determines device and precision.
    theta : array_like of float, shape (n_params,)
        Starting point; free parameters outside their ranges begin at the nearest bound. The signs
        of parameters on a logarithmic scale do not change.
    n_steps : int, default 40
        Maximum number of steps, at least 0.
    lr : float, default 0.1
        Positive. Learning rate in octaves or fractions of the range: of Adam initially, with cosine
        decay to a tenth; of the first step of the bold driver. Not used by the others.
    optimizer : {"adam", "bold-driver", "l-bfgs", "levenberg-marquardt"}
        The last uses finite differences of features, so it needs few steps and no gradient, but a
        `FeatureLoss` of order 2.
    fixed : sequence of str
        Parameters held fixed at their starting values.
    parameters : sequence of Parameter, optional
        Ranges that replace those of the synthesizer, see `scatseg.synth.ranged`.
    tolerance : float, default 1e-3
        In octaves or fractions of the range: the descent ends when no parameter has moved further
        over five steps.
    on_step : callable, optional
        Called with each loss.

    Returns
    -------
    match : Match
        The best step, and the trajectory.

    Raises
    ------
    TypeError
        When the loss does not return a differentiable scalar tensor.
    ValueError
        When the target differs in length from the sounds, the start is invalid, a parameter is
        unknown or none is free, n_steps or lr is out of range, or the optimizer is unknown or
        incompatible with the loss.
    """
    check_integer("n_steps", n_steps, 0)
    check_positive("lr", lr)
    ranges = tuple(synth.parameters if parameters is None else parameters)
    problem = problem_of(synth, loss, target, theta, fixed, ranges)
    if optimizer not in OPTIMIZERS:
        msg = f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}"
        raise ValueError(msg)
    tried: list[Step] = []
    reason, finite = "the maximum number of steps was reached", True
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
    """Return the match of least loss, from several starts."""
    return min(matches, key=lambda each: each.loss)


def random_starts(
    parameters: Sequence[Parameter],
    n: int,
    *,
    fixed: Mapping[str, float] | None = None,
    signed: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Draw starting points uniformly on the scales.

    Parameters
    ----------
    parameters : sequence of Parameter
        Parameters of a synthesizer.
    n : int
        Number of starts.
    fixed : mapping of str to float, optional
        Parameters that are equal in all starts.
    signed : bool, default False
        Whether signed parameters are negative in half of the starts.
    seed : int, default 0
        Seed.

    Returns
    -------
    starts : ndarray of float64, shape (n, n_params)
        Parameters.

    Raises
    ------
    TypeError
        When `fixed` is not a mapping.
    ValueError
        When it names an unknown parameter.
    """
    if fixed is not None and not isinstance(fixed, Mapping):
        msg = f"fixed maps names of parameters to values, got {fixed!r}"
        raise TypeError(msg)
    check_names(parameters, fixed or {})
    check_integer("n", n, 0)
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
    """Compute the errors, estimate minus truth, in octaves or fractions of the range.

    On a logarithmic scale, absolute values are compared; for signs, see `opposed`.

    Raises
    ------
    ValueError
        When there is not one value for each parameter.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> errors(AMChirp().parameters, [512, 16, 1], [512, 8, -2])
    array([ 0., 1., -1.])
    """
    columns = np.stack(_values(parameters, theta, truth))
    with np.errstate(divide="ignore"):  # the error from 0 is infinite on a logarithmic scale
        places = [p.encode(columns[:, i]) for i, p in enumerate(parameters)]
    return np.array([estimate - true for estimate, true in places])


def opposed(parameters: Sequence[Parameter], theta: ArrayLike, truth: ArrayLike) -> tuple[str, ...]:
    """Return the names of parameters on a logarithmic scale with the wrong sign.

    Raises
    ------
    ValueError
        When there is not one value for each parameter.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> opposed(AMChirp().parameters, [512, 16, 1], [512, 8, -2])
    ('gamma',)
    """
    here, there = _values(parameters, theta, truth)
    pairs = zip(parameters, np.sign(here) * np.sign(there), strict=True)
    return tuple(p.name for p, sign in pairs if p.scale == "log" and sign < 0)


def _values(
    parameters: Sequence[Parameter], theta: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    here, there = np.asarray(theta, np.float64), np.asarray(truth, np.float64)
    n = len(parameters)
    if (here.shape, there.shape) != ((n,), (n,)):
        msg = f"{n} parameters need as many values, got shapes {here.shape} and {there.shape}"
        raise ValueError(msg)
    return here, there


def _moved(tried: Sequence[Step]) -> float:
    """Return the range of the last steps in the parameter that moved most."""
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
