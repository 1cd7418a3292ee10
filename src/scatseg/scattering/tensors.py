"""The operations of a transform in torch, on any device, differentiable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.checkpoint import checkpoint

from scatseg.scattering.arrays import Plan, Tensor
from scatseg.scattering.plan import FirstLayer, SecondLayer


class Modulus(torch.autograd.Function):
    """Absolute value (by NumPy on the CPU, for speed); derivatives of all orders are 0 at 0."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        """Return |z|."""
        values = z.detach().resolve_conj()
        on_cpu = values.device.type == "cpu"
        return torch.from_numpy(np.abs(values.numpy())) if on_cpu else values.abs()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Save z and |z|, for gradients of any order."""
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Multiply the gradient by the direction of z."""
        z, r = ctx.saved_tensors
        floor = torch.finfo(r.dtype).tiny ** 0.5
        # Below the floor, the direction tends to 0. Neither the reciprocal nor its slope overflows.
        quotient = gradient * r.clamp(min=floor).reciprocal()
        if torch.is_grad_enabled():
            quotient = quotient.masked_fill(r < floor, 0)  # second derivatives would be huge
        return z * quotient


class TorchArrays:
    """Differentiable operations in torch on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.tile = 50_000 if device.type == "cpu" else 2**24

    def placed(self, plan: Plan) -> Plan:
        """Copy a plan's arrays to the device, once."""
        return cast(Plan, _placed(plan, self._device))

    def constant(self, array: NDArray[Any]) -> Tensor:
        """Copy the array to the device."""
        return torch.from_numpy(array).to(self._device)

    def rfft(self, x: Tensor, norm: str) -> Tensor:
        """Fourier transform of real values."""
        return torch.fft.rfft(x, norm=norm)

    def irfft(self, z: Tensor, n: int) -> Tensor:
        """Real values from their Fourier bins."""
        return torch.fft.irfft(z, n, norm="forward")

    def ifft(self, z: Tensor, n: int) -> Tensor:
        """Values from their Fourier bins."""
        return torch.fft.ifft(z, n, norm="forward")

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Matrix product in the precision of the factors, also under autocast."""
        with torch.autocast(self._device.type, enabled=False):
            return a @ b

    def modulus(self, z: Tensor) -> Tensor:
        """Absolute value."""
        return Modulus.apply(z)  # type: ignore[no-untyped-call]

    def mirrored(self, z: Tensor) -> Tensor:
        """Complex conjugate in reversed order."""
        return z.flip(-1).conj()

    def concatenate(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join along an axis."""
        return torch.cat(tuple(parts), dim=axis)

    def padded(self, z: Tensor, n: int) -> Tensor:
        """Append zeros."""
        return torch.nn.functional.pad(z, (0, n - z.shape[-1]))

    def as_real(self, z: Tensor) -> Tensor:
        """Real and imaginary parts in turn."""
        return torch.view_as_real(z.resolve_conj()).flatten(-2)

    def moduli_of_pair(self, even: Tensor, odd: Tensor) -> Tensor:
        """Stack two moduli."""
        pair = (x.unflatten(-1, (-1, 2)).contiguous() for x in (even + odd, even - odd))
        return torch.cat([self.modulus(torch.view_as_complex(x)) for x in pair], dim=-2)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Real zeros."""
        return torch.zeros(shape, dtype=like.real.dtype, device=self._device)

    def add_columns(self, total: Tensor, columns: Tensor, x: Tensor) -> Tensor:
        """Add to some columns of a total."""
        return total.index_add(-1, columns, x)

    def recomputed(self, function: Callable[..., Tensor], *parts: Tensor) -> Tensor:
        """Call the function, and recompute it in the backward pass."""
        if not any(part.requires_grad for part in parts):
            return function(*parts)
        return checkpoint(function, *parts, use_reentrant=False)

    def first_bands(self, spectrum: Tensor, lowest: int, layer: FirstLayer) -> Tensor:
        """Filter a spectrum, all rows of the layer at once."""
        bins = _bins(layer, lowest, spectrum.shape[-1], self._device)
        return self._transformed(spectrum[..., bins] * layer.responses, layer.n_points)

    def second_bands(self, parts: Sequence[Tensor], layer: SecondLayer) -> Tensor:
        """Filter the bins of runs of rows, all at once."""
        return self._transformed(self.concatenate(parts, -2) * layer.response, layer.n_points)

    def _transformed(self, z: Tensor, n_points: int) -> Tensor:
        width = z.shape[-1]
        if width > n_points:
            z = self.padded(z, -(-width // n_points) * n_points)
            z = z.unflatten(-1, (-1, n_points)).sum(dim=-2)
        return self.ifft(z, n_points)


@lru_cache(maxsize=16)
def on_device(device: torch.device) -> TorchArrays:
    """Return the operations on a device."""
    return TorchArrays(device)


def called_uncompiled(function: Callable[..., Any], *args: object) -> Any:
    """Call a function, as it is where torch.compile traces the caller."""
    if torch.compiler.is_compiling():
        function = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
    return function(*args)


def _while_it_lives(make: Callable[..., Any]) -> Callable[..., Any]:
    """Cache results of a function for as long as its first argument lives."""
    kept: WeakKeyDictionary[object, dict[tuple[object, ...], Any]] = WeakKeyDictionary()

    @wraps(make)
    def recall(owner: object, *others: object) -> Any:
        made = kept.setdefault(owner, {})
        if others not in made:
            made[others] = make(owner, *others)
        return made[others]

    return recall


@_while_it_lives
def _placed(plan: object, device: torch.device) -> object:
    with torch.inference_mode(False):  # else cached tensors could not be used with gradients
        return _moved(plan, on_device(device).constant)


def _moved(value: object, move: Callable[[np.ndarray], Tensor]) -> object:
    """Replace every array in a tree of dataclasses and tuples."""
    if isinstance(value, np.ndarray):
        return move(value)
    if isinstance(value, tuple):
        return tuple(_moved(part, move) for part in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _moved(getattr(value, f.name), move) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)
    return value


@_while_it_lives
def _bins(layer: FirstLayer, lowest: int, n_bins: int, device: torch.device) -> torch.Tensor:
    """Return the indices of each row's band in a spectrum; those beyond its end meet zeros."""
    starts = np.array(layer.starts)[:, None] - lowest
    at = np.minimum(starts + np.arange(layer.responses.shape[1]), n_bins - 1)
    with torch.inference_mode(False):
        return torch.from_numpy(at).to(device)
