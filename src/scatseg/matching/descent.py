"""A synthesizer, a loss and a target -> the parameters whose sound is nearest, by descent.

Parameters move along the scales that the synthesizer declares, octaves or fractions of the range,
and stay inside their ranges. Only the loss is looked at, never the parameters that a target was
made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.optimize
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg.losses import FeatureLoss, check_squares
from scatseg.sensitivity import jacobian, places_of, signs_of, theta_at
from scatseg.synth import Parameter, Synth, check_names

Places = NDArray[np.float64]

Optimizer = Literal["adam", "bold-driver", "l-bfgs", "levenberg-marquardt"]

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
        All parameters that were tried, the start first.
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
        The best of what was tried, and the way there.

    Raises
    ------
    ValueError
        When the target is not as long as the sounds, a parameter is unknown or nothing is free, or
        the optimizer is unknown or does not fit the loss.
    """
    ranges = tuple(synth.parameters if parameters is None else parameters)
    problem = _problem(synth, loss, target, theta, fixed, ranges)
    if optimizer not in OPTIMIZERS:
        msg = f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}"
        raise ValueError(msg)
    tried: list[_Step] = []
    reason, finite = "all steps were taken", True
    for step in OPTIMIZERS[optimizer](problem, n_steps, lr):
        if not (np.isfinite(step.loss) and np.isfinite(step.gradient).all()):
            reason = f"the loss or its gradient is not finite after {len(tried)} steps"
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
    low, high = _bounds(parameters)
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

    Infinitely far where the sign of a parameter on a logarithmic scale is wrong.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> errors(AMChirp().parameters, [512, 16, 1], [512, 8, 2])
    array([ 0., 1., -1.])
    """
    columns = np.stack([np.asarray(theta, np.float64), np.asarray(truth, np.float64)])
    places = np.stack([p.encode(columns[:, i]) for i, p in enumerate(parameters)], axis=-1)
    is_log = np.array([each.scale == "log" for each in parameters])
    opposed = is_log & (columns[0] * columns[1] < 0)
    return np.where(opposed, np.inf, places[0] - places[1])


@dataclass(frozen=True, kw_only=True)
class Levelled:
    """A synthesizer all of whose sounds are equally loud: for targets of unknown level.

    Parameters
    ----------
    synth : Synth
        What plays the parameters.
    level : float, default 0.1
        Root mean square.
    """

    synth: Synth
    level: float = 0.1

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""
        return self.synth.sr

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the synthesizer."""
        return self.synth.parameters

    def __call__(self, theta: Tensor) -> Tensor:
        """Play parameters (..., n_params) as sounds (..., n_samples)."""
        x = self.synth(theta)
        power = (x**2).mean(-1)[..., None]
        levelled: Tensor = x * (self.level / (power + _LEAST_POWER) ** 0.5)
        return levelled


def fitted(y: ArrayLike, n_samples: int, level: float = 0.1) -> NDArray[np.float32]:
    """Bring a recording to a length and a level (root mean square).

    What is longer is cut to its loudest stretch, what is shorter gets silence on both sides.

    Raises
    ------
    ValueError
        When it is silent.

    Examples
    --------
    >>> fitted([0, 0, 3, 4, 0, 0], 2, level=5)
    array([4.2426405, 5.656854 ], dtype=float32)
    """
    sound = np.asarray(y, dtype=np.float64)
    if len(sound) > n_samples:
        energy = np.concatenate([[0], np.cumsum(sound**2)])
        first = int(np.argmax(energy[n_samples:] - energy[:-n_samples]))
        sound = sound[first : first + n_samples]
    before = (n_samples - len(sound)) // 2
    sound = np.pad(sound, (before, n_samples - len(sound) - before))
    power = float((sound**2).mean())
    if not power:
        msg = "the target is silent: there is nothing to match"
        raise ValueError(msg)
    levelled: NDArray[np.float32] = (sound * (level / power**0.5)).astype(np.float32)
    return levelled


_LEAST_POWER = 1e-12
"""Keeps silence silent."""


class _Step(NamedTuple):
    """A point that was tried: its places, its loss, and the gradient there."""

    places: Places
    loss: float
    gradient: Places


@dataclass(frozen=True, kw_only=True, eq=False)
class _Problem:
    """What is minimized, as a function of the places of the free parameters."""

    synth: Synth
    loss: Callable[[Tensor, Tensor], Tensor]
    target: Tensor
    given: Tensor  # (n_params,), the start
    signs: Tensor
    places: Tensor  # (n_params,), those of the start
    free: Tensor  # (n_free,), which parameters may move
    low: Places  # (n_free,)
    high: Places
    names: tuple[str, ...]

    @property
    def start(self) -> Places:
        return self.clipped(self.places[self.free].numpy(force=True).astype(np.float64))

    def clipped(self, places: Places) -> Places:
        return np.clip(places, self.low, self.high)

    def tensor(self, places: Places) -> Tensor:
        return torch.as_tensor(places, dtype=self.places.dtype, device=self.places.device)

    def theta(self, free_places: Tensor) -> Tensor:
        places = self.places.index_put((self.free,), free_places)
        played = theta_at(self.synth.parameters, places, self.signs)
        return self.given.index_put((self.free,), played[self.free])

    def step(self, places: Places) -> _Step:
        """Play, compare, and derive."""
        variable = self.tensor(places).requires_grad_()
        value = self.loss(self.synth(self.theta(variable)), self.target)
        (gradient,) = torch.autograd.grad(value, variable)
        return _Step(places, float(value.detach()), gradient.numpy(force=True).astype(np.float64))

    def value(self, places: Places) -> float:
        """Play and compare."""
        with torch.no_grad():
            return float(self.loss(self.synth(self.theta(self.tensor(places))), self.target))


def _problem(
    synth: Synth,
    loss: Callable[[Tensor, Tensor], Tensor],
    target: ArrayLike | Tensor,
    theta: ArrayLike,
    fixed: Sequence[str],
    ranges: tuple[Parameter, ...],
) -> _Problem:
    sound = target.detach() if isinstance(target, Tensor) else _sound(target)
    start = torch.as_tensor(np.array(theta, dtype=np.float64)).to(sound)
    if start.shape != (len(ranges),):
        msg = f"a start needs {len(ranges)} parameters, got shape {tuple(start.shape)}"
        raise ValueError(msg)
    check_names(synth, fixed)
    free = [i for i, each in enumerate(ranges) if each.name not in fixed]
    if not free:
        msg = "nothing to match: every parameter is fixed"
        raise ValueError(msg)
    n_samples = synth(start).shape[-1]
    if sound.shape != (n_samples,):
        msg = (
            f"the target must be one sound of {n_samples} samples, like those of the synth, "
            f"got shape {tuple(sound.shape)}"
        )
        raise ValueError(msg)
    low, high = _bounds([ranges[i] for i in free])
    return _Problem(
        synth=synth,
        loss=loss,
        target=sound,
        given=start,
        signs=signs_of(synth.parameters, start),
        places=places_of(synth.parameters, start),
        free=torch.tensor(free, device=sound.device),
        low=low,
        high=high,
        names=tuple(ranges[i].name for i in free),
    )


def _sound(target: ArrayLike) -> Tensor:
    y = np.asarray(target)
    return torch.from_numpy(y.astype(np.float64 if y.dtype == np.float64 else np.float32))


def _bounds(parameters: Sequence[Parameter]) -> tuple[Places, Places]:
    ends = [each.encode(np.array([each.low, each.high])) for each in parameters]
    low, high = np.array(ends, dtype=np.float64).T
    return low, high


def _moved(tried: Sequence[_Step]) -> float:
    """Tell how far the last steps reached in the parameter that moved most."""
    if len(tried) <= _SETTLED:
        return np.inf
    return float(np.ptp([step.places for step in tried[-_SETTLED - 1 :]], axis=0).max())


def _match(problem: _Problem, tried: Sequence[_Step], reason: str, at_rest: bool) -> Match:
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


def _adam(problem: _Problem, n_steps: int, lr: float) -> Iterator[_Step]:
    """Descend with momentum, every parameter at its own pace (Kingma and Ba, 2015)."""
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


def _bold_driver(problem: _Problem, n_steps: int, lr: float) -> Iterator[_Step]:
    """Go faster after each step that is better, else return to the best and halve the rate."""
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


def _l_bfgs(problem: _Problem, n_steps: int, lr: float) -> Iterator[_Step]:
    """Limited-memory BFGS in a box (Byrd, Lu, Nocedal and Zhu, 1995)."""
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


def _levenberg_marquardt(problem: _Problem, n_steps: int, lr: float) -> Iterator[_Step]:
    """Solve the linearized problem, as far from where it is known as has proved right."""
    del lr
    check_squares(problem.loss)
    assert isinstance(problem.loss, FeatureLoss)
    describe, difference = problem.loss.describe, problem.loss.comparison.difference
    with torch.no_grad():
        R = describe(problem.target)

    @torch.no_grad()
    def residual(places: Tensor) -> Tensor:
        S = describe(problem.synth(problem.theta(places)))
        return torch.as_tensor(difference(S, R)).reshape(-1)

    places, damping, rests = problem.start, 1e-2, False
    for _ in range(n_steps + 1):
        r, J = residual(problem.tensor(places)), jacobian(residual, problem.tensor(places))
        value, gradient = float(r.norm()), (J.T @ r).numpy(force=True).astype(np.float64)
        yield _Step(places, value, gradient / max(value, _TINY))
        if rests:
            return
        M = (J.T @ J).numpy(force=True).astype(np.float64)
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
"""Steps, each shorter than the last, before Levenberg and Marquardt stay where they are."""

_LM_REST = 1e-4
"""Octaves or fractions of the range: a step that is shorter is their last."""

OPTIMIZERS: Mapping[Optimizer, Callable[[_Problem, int, float], Iterator[_Step]]] = {
    "adam": _adam,
    "bold-driver": _bold_driver,
    "l-bfgs": _l_bfgs,
    "levenberg-marquardt": _levenberg_marquardt,
}
"""How to descend."""
