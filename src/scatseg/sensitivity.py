"""How far a description of sounds moves with the parameters that they are played from.

Parameters are compared by their places on the scales that a synthesizer declares: octaves along a
logarithmic scale, fractions of the range along a linear one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scatseg.synth import Parameter, Synth

Function = Callable[[Tensor], Tensor]


def places_of(parameters: Sequence[Parameter], theta: Tensor) -> Tensor:
    """Put parameters (..., n_params) on their scales."""
    columns = [each.encode(theta[..., i]) for i, each in enumerate(parameters)]
    return torch.stack(columns, dim=-1)


def signs_of(parameters: Sequence[Parameter], theta: Tensor) -> Tensor:
    """Return -1 for negative values of a logarithmic scale, which has places for sizes only."""
    is_log = torch.tensor([each.scale == "log" for each in parameters], device=theta.device)
    return torch.where((theta < 0) & is_log, -1, 1).to(theta.dtype)


def theta_at(parameters: Sequence[Parameter], places: Tensor, signs: Tensor) -> Tensor:
    """Return the parameters (..., n_params) at some places, with these signs."""
    columns = [each.decode(places[..., i]) for i, each in enumerate(parameters)]
    return torch.stack(columns, dim=-1) * signs


def jacobian(function: Function, places: Tensor) -> Tensor:
    """Derive a function by central differences: it needs no gradient and two calls a parameter.

    Half the distance between the two points is the cube root of the precision, where truncation and
    rounding weigh alike: errors are about 1e-10 of the derivative in float64, 1e-4 in float32.

    Parameters
    ----------
    function : callable
        Takes a tensor (n_params,), returns one of any shape.
    places : Tensor of float, shape (n_params,)
        Where to derive.

    Returns
    -------
    J : Tensor of float, shape (n_values, n_params)
        One row per value of the function.

    Examples
    --------
    >>> x = torch.tensor([2.0, 3.0], dtype=torch.float64)
    >>> jacobian(lambda x: torch.stack([x[0] * x[1], x[1] ** 2]), x)
    tensor([[3.0000, 2.0000],
            [0.0000, 6.0000]], dtype=torch.float64)
    """
    half = torch.finfo(places.dtype).eps ** (1 / 3)
    columns = []
    for direction in half * torch.eye(len(places), dtype=places.dtype, device=places.device):
        ahead, behind = places + direction, places - direction
        # What was really stepped, after rounding.
        width = (ahead - behind).sum()
        columns.append((function(ahead) - function(behind)).reshape(-1) / width)
    return torch.stack(columns, dim=-1)


def heard(synth: Synth, describe: Function, theta: Tensor) -> Tensor:
    """Tell how each parameter moves a description: M = J^T J, in octaves or ranges.

    Parameters
    ----------
    synth : Synth
        What plays the parameters.
    describe : callable
        Sounds (n_samples,) -> their description, of any shape.
    theta : Tensor of float, shape (n_params,)
        Where.

    Returns
    -------
    M : Tensor of float, shape (n_params, n_params)
        The roots of its eigenvalues are the singular values of J: how far a description moves for
        one octave, or one range, along the directions that are heard most and least.
    """
    signs = signs_of(synth.parameters, theta)

    @torch.no_grad()
    def described(places: Tensor) -> Tensor:
        return describe(synth(theta_at(synth.parameters, places, signs)))

    J = jacobian(described, places_of(synth.parameters, theta))
    return J.T @ J
