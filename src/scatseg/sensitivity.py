"""Sensitivity of features to synthesis parameters.

Parameters are measured on the scales that a synthesizer declares: in octaves on a logarithmic
scale, in fractions of the range on a linear one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scatseg.synth import Parameter, Synth

Function = Callable[[Tensor], Tensor]


def places_of(parameters: Sequence[Parameter], theta: Tensor) -> Tensor:
    """Convert parameters (..., n_params) to positions on their scales."""
    columns = [each.encode(theta[..., i]) for i, each in enumerate(parameters)]
    return torch.stack(columns, dim=-1)


def signs_of(parameters: Sequence[Parameter], theta: Tensor) -> Tensor:
    """Return -1 for negative values on a logarithmic scale, else 1."""
    is_log = torch.tensor([each.scale == "log" for each in parameters], device=theta.device)
    return torch.where((theta < 0) & is_log, -1, 1).to(theta.dtype)


def theta_at(parameters: Sequence[Parameter], places: Tensor, signs: Tensor) -> Tensor:
    """Convert positions and signs to parameters (..., n_params)."""
    columns = [each.decode(places[..., i]) for i, each in enumerate(parameters)]
    return torch.stack(columns, dim=-1) * signs


def jacobian(function: Function, places: Tensor) -> Tensor:
    """Compute the Jacobian of a function by central differences, with two calls per parameter.

    The step is the cube root of the precision, which balances truncation and rounding: relative
    errors are about 1e-10 in float64, 1e-4 in float32.

    Parameters
    ----------
    function : callable
        Takes a tensor (n_params,), returns one of any shape.
    places : Tensor of float, shape (n_params,)
        Point of evaluation.

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
        # The actual step after rounding.
        width = (ahead - behind).sum()
        columns.append((function(ahead) - function(behind)).reshape(-1) / width)
    return torch.stack(columns, dim=-1)


def pullback_metric(synth: Synth, describe: Function, theta: Tensor) -> Tensor:
    """Compute the metric that features induce on parameters: M = J^T J, in octaves or ranges.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    describe : callable
        Function from sounds (n_samples,) to features of any shape.
    theta : Tensor of float, shape (n_params,)
        Parameters at which to evaluate.

    Returns
    -------
    M : Tensor of float, shape (n_params, n_params)
        The square roots of its eigenvalues are the singular values of J: the change of features
        per octave, or range, along the most and least sensitive directions.

    References
    ----------
    H. Han, V. Lostanlen and M. Lagrange, "Perceptual-neural-physical sound matching", ICASSP 2023.
    """
    signs = signs_of(synth.parameters, theta)

    @torch.no_grad()
    def described(places: Tensor) -> Tensor:
        return describe(synth(theta_at(synth.parameters, places, signs)))

    J = jacobian(described, places_of(synth.parameters, theta))
    return J.T @ J
