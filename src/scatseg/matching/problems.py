"""The objective of a descent: a loss as a function of the free parameters on their scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg.naming import check_several
from scatseg.sensitivity import places_of, signs_of, theta_at
from scatseg.synth import Parameter, Synth, check_names, check_value

Places = NDArray[np.float64]


class Step(NamedTuple):
    """A point of a descent: position, loss and gradient."""

    places: Places
    loss: float
    gradient: Places


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """The objective as a function of the positions of the free parameters on their scales.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    loss : callable
        `(x, target) -> scalar`.
    target : Tensor of float, shape (n_samples,)
        The target.
    given : Tensor of float, shape (n_params,)
        Starting point.
    signs, places : Tensor of float, shape (n_params,)
        Signs and positions of the starting point.
    free : Tensor of int, shape (n_free,)
        Indices of the free parameters.
    low, high : ndarray of float64, shape (n_free,)
        Bounds of their positions.
    names : tuple of str
        Their names.
    """

    synth: Synth
    loss: Callable[[Tensor, Tensor], Tensor]
    target: Tensor
    given: Tensor
    signs: Tensor
    places: Tensor
    free: Tensor
    low: Places
    high: Places
    names: tuple[str, ...]

    @property
    def start(self) -> Places:
        """The positions of the free parameters at the start, clipped to their ranges."""
        return self.clipped(self.places[self.free].numpy(force=True).astype(np.float64))

    def clipped(self, places: Places) -> Places:
        """Clip positions to the ranges."""
        return np.clip(places, self.low, self.high)

    def tensor(self, places: Places) -> Tensor:
        """Convert positions to a tensor with the device and precision of the target."""
        return torch.as_tensor(places, dtype=self.places.dtype, device=self.places.device)

    def theta(self, free_places: Tensor) -> Tensor:
        """Return all parameters (n_params,), fixed ones exactly as given."""
        places = self.places.index_put((self.free,), free_places)
        played = theta_at(self.synth.parameters, places, self.signs)
        return self.given.index_put((self.free,), played[self.free])

    def step(self, places: Places) -> Step:
        """Compute loss and gradient."""
        variable = self.tensor(places).requires_grad_()
        value = self.loss(self.synth(self.theta(variable)), self.target)
        _check_differentiable(value)
        (gradient,) = torch.autograd.grad(value, variable)
        return Step(places, float(value.detach()), gradient.numpy(force=True).astype(np.float64))


def _check_differentiable(value: object) -> None:
    """Raise a TypeError unless the value of a loss is a scalar tensor with a gradient."""
    if not isinstance(value, Tensor):
        got = type(value).__name__
    elif value.numel() != 1:
        got = f"a tensor of shape {tuple(value.shape)}"
    elif not value.requires_grad:
        got = "a tensor without a gradient"
    else:
        return
    msg = f"the loss must return a differentiable scalar tensor, got {got}"
    raise TypeError(msg)


def problem_of(
    synth: Synth,
    loss: Callable[[Tensor, Tensor], Tensor],
    target: ArrayLike | Tensor,
    theta: ArrayLike,
    fixed: Sequence[str],
    ranges: tuple[Parameter, ...],
) -> Problem:
    """Create the objective; arguments and errors are those of `match`."""
    sound = tensor_of(target)
    start = torch.as_tensor(np.array(theta, dtype=np.float64)).to(sound)
    if start.shape != (len(ranges),):
        msg = f"a start needs {len(ranges)} parameters, got shape {tuple(start.shape)}"
        raise ValueError(msg)
    for each, value in zip(ranges, start.tolist(), strict=True):
        check_value(each, value, synth.sr)
    check_several("fixed", fixed)
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
    low, high = bounds([ranges[i] for i in free])
    return Problem(
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


def tensor_of(sound: ArrayLike | Tensor) -> Tensor:
    """Return a sound as a tensor without gradients; arrays are copied, as float32 or float64."""
    if isinstance(sound, Tensor):
        return sound.detach()
    y = np.asarray(sound)
    return torch.from_numpy(y.astype(np.float64 if y.dtype == np.float64 else np.float32))


def bounds(parameters: Sequence[Parameter]) -> tuple[Places, Places]:
    """Return the lowest and highest positions of parameters."""
    ends = [each.encode(np.array([each.low, each.high])) for each in parameters]
    low, high = np.array(ends, dtype=np.float64).T
    return low, high
