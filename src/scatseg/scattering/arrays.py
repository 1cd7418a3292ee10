"""The array operations of the transforms, and their NumPy implementation; torch's is in `tensors`.

The transforms are written once, against `Arrays`. The implementations differ mainly in how bands
are cut out of a spectrum, for speed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scatseg.scattering.plan import LANES, Dtype, FirstLayer, SecondLayer

Tensor = Any
"""An ndarray or a torch.Tensor: output is of the type of the input."""

Array = NDArray[np.floating]

Plan = TypeVar("Plan")
Owner = TypeVar("Owner")
Result = TypeVar("Result")


class Arrays(Protocol):
    """The array operations of the transforms. They act on the last axis."""

    tile: int
    """Complex values processed at a time, to stay in cache."""

    def placed(self, plan: Plan) -> Plan:
        """Move a plan's arrays to the library and device."""

    def constant(self, array: NDArray[Any]) -> Tensor:
        """Move an array to the library and device."""

    def rfft(self, x: Tensor, norm: str) -> Tensor:
        """Fourier transform of real values, bins 0 to n // 2."""

    def irfft(self, z: Tensor, n: int) -> Tensor:
        """Real values from their Fourier bins, not divided by n."""

    def ifft(self, z: Tensor, n: int) -> Tensor:
        """Values from their Fourier bins, zeros appended up to n, not divided by n."""

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Matrix product in the precision of the factors."""

    def modulus(self, z: Tensor) -> Tensor:
        """Absolute value, with gradient 0 at 0."""

    def mirrored(self, z: Tensor) -> Tensor:
        """Complex conjugate in reversed order."""

    def concatenate(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join along an axis."""

    def padded(self, z: Tensor, n: int) -> Tensor:
        """Append zeros up to n."""

    def as_real(self, z: Tensor) -> Tensor:
        """Real and imaginary parts in turn, (..., n) -> (..., 2 n)."""

    def moduli_of_pair(self, even: Tensor, odd: Tensor) -> Tensor:
        """Stack |even + odd| on |even - odd|, both given as by `as_real`."""

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Real zeros in the precision of another array."""

    def add_columns(self, total: Tensor, columns: Tensor, x: Tensor) -> Tensor:
        """Add to some columns of a total, which may be overwritten."""

    def recomputed(self, function: Callable[..., Tensor], *parts: Tensor) -> Tensor:
        """Call a function, recomputed in the backward pass instead of storing intermediates."""

    def first_bands(self, spectrum: Tensor, lowest: int, layer: FirstLayer) -> Tensor:
        """Filter a spectrum that begins at bin `lowest`: x * psi1, (..., n_rows, n_points)."""

    def second_bands(self, parts: Sequence[Tensor], layer: SecondLayer) -> Tensor:
        """Filter the bins of runs of rows, (..., n_rows, n_points)."""


_MOST_KEPT = 2**27
"""Maximum size of a thread's reused buffer in bytes; blocks need less, up to J = 16."""


class _Workspace(threading.local):
    """A buffer reused by a thread."""

    def __init__(self) -> None:
        self.memory = np.empty(0, dtype=np.uint8)


class NumpyArrays:
    """NumPy and SciPy, with buffers that are written in place."""

    tile = 50_000

    def __init__(self) -> None:
        self._workspace = _Workspace()

    def placed(self, plan: Plan) -> Plan:
        """Return the plan itself."""
        return plan

    def constant(self, array: NDArray[Any]) -> Tensor:
        """Return the array itself."""
        return array

    def rfft(self, x: Tensor, norm: str) -> Tensor:
        """Fourier transform of real values."""
        return scipy.fft.rfft(x, norm=norm)

    def irfft(self, z: Tensor, n: int) -> Tensor:
        """Real values from their Fourier bins."""
        return scipy.fft.irfft(z, n, norm="forward")

    def ifft(self, z: Tensor, n: int) -> Tensor:
        """Values from their Fourier bins."""
        return scipy.fft.ifft(z, n, norm="forward", overwrite_x=True)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Matrix product."""
        return a @ b

    def modulus(self, z: Tensor) -> Tensor:
        """Absolute value."""
        return np.abs(z)

    def mirrored(self, z: Tensor) -> Tensor:
        """Complex conjugate in reversed order."""
        return z[..., ::-1].conj()

    def concatenate(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join along an axis."""
        return np.concatenate(parts, axis=axis)

    def padded(self, z: Tensor, n: int) -> Tensor:
        """Append zeros."""
        return np.pad(z, [(0, 0)] * (z.ndim - 1) + [(0, n - z.shape[-1])])

    def as_real(self, z: Tensor) -> Tensor:
        """Real and imaginary parts in turn."""
        return np.ascontiguousarray(z).view(z.real.dtype)

    def moduli_of_pair(self, even: Tensor, odd: Tensor) -> Tensor:
        """Stack two moduli."""
        dtype = np.result_type(even, np.complex64)
        *batch, n_rows, width = even.shape
        Z = np.empty((*batch, 2, n_rows, width // 2), dtype=even.dtype)
        np.abs((even + odd).view(dtype), out=Z[..., 0, :, :])
        np.abs((even - odd).view(dtype), out=Z[..., 1, :, :])
        return Z.reshape(*batch, 2 * n_rows, width // 2)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Real zeros."""
        return np.zeros(shape, dtype=like.real.dtype)

    def add_columns(self, total: Tensor, columns: Tensor, x: Tensor) -> Tensor:
        """Add to some columns of a total, in place."""
        total[..., columns] += x
        return total

    def recomputed(self, function: Callable[..., Tensor], *parts: Tensor) -> Tensor:
        """Call the function."""
        return function(*parts)

    def first_bands(self, spectrum: Tensor, lowest: int, layer: FirstLayer) -> Tensor:
        """Filter a spectrum, row by row; overwritten by the next bands."""
        n_rows, width = layer.responses.shape
        buffer = self._buffer(spectrum.shape[:-1], n_rows, width, layer.n_points, spectrum.dtype)
        for i, (start, length) in enumerate(zip(layer.starts, layer.lengths, strict=True)):
            here = spectrum[..., start - lowest : start - lowest + length]
            np.multiply(here, layer.responses[i, :length], out=buffer[..., i, :length])
            buffer[..., i, length:width] = 0
        return self._transformed(buffer, n_rows, layer.n_points)

    def second_bands(self, parts: Sequence[Tensor], layer: SecondLayer) -> Tensor:
        """Filter the bins of runs of rows, run by run; overwritten by the next bands."""
        width, first = len(layer.response), 0
        shape = parts[0].shape[:-2]
        buffer = self._buffer(shape, layer.n_rows, width, layer.n_points, parts[0].dtype)
        for part in parts:
            last = first + part.shape[-2]
            np.multiply(part, layer.response, out=buffer[..., first:last, :width])
            first = last
        return self._transformed(buffer, layer.n_rows, layer.n_points)

    def _buffer(
        self, shape: tuple[int, ...], n_rows: int, width: int, n_points: int, dtype: Any
    ) -> Tensor:
        """Return a buffer of rows, in full lanes, that are 0 from `width` on.

        It is reused, as allocation would cost as much as the arithmetic, except for whole long
        signals.
        """
        n_lanes = -(-n_rows // LANES) * LANES
        shape = (*shape, n_lanes, max(1, -(-width // n_points)) * n_points)
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        memory = self._workspace.memory
        if memory.nbytes < n_bytes:
            memory = np.empty(n_bytes, dtype=np.uint8)
            if n_bytes <= _MOST_KEPT:
                self._workspace.memory = memory
        buffer = memory[:n_bytes].view(dtype).reshape(shape)
        buffer[..., :n_rows, width:] = 0
        buffer[..., n_rows:, :] = 0
        return buffer

    def _transformed(self, buffer: Tensor, n_rows: int, n_points: int) -> Tensor:
        if buffer.shape[-1] > n_points:
            buffer = buffer.reshape(*buffer.shape[:-1], -1, n_points).sum(axis=-2)
        return self.ifft(buffer, n_points)[..., :n_rows, :]


NUMPY = NumpyArrays()


def is_tensor(x: object) -> bool:
    """Return whether x is a torch.Tensor, without importing torch."""
    return type(x).__module__.split(".")[0] == "torch"


def arrays_of(x: Tensor) -> Arrays:
    """Return the operations for the library and device of x."""
    if not is_tensor(x):
        return NUMPY
    from scatseg.scattering.tensors import on_device

    return on_device(x.device)


def uncompiled(method: Callable[[Owner, Tensor], Result]) -> Callable[[Owner, Tensor], Result]:
    """Leave a transform out of graphs that torch.compile traces: it cannot trace plans in NumPy."""

    @wraps(method)
    def call(self: Owner, x: Tensor) -> Result:
        if not is_tensor(x):
            return method(self, x)
        from scatseg.scattering.tensors import called_uncompiled

        result: Result = called_uncompiled(method, self, x)
        return result

    return call


def dtype_of(x: Tensor) -> Dtype:
    """Return the precision in which x is transformed."""
    return "float64" if str(x.dtype).endswith("float64") else "float32"
