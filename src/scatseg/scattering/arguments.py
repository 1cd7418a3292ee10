"""Validation of options and signals, and named coefficients."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.rates import check_rate
from scatseg.scattering.arrays import Array, Tensor, dtype_of, is_tensor
from scatseg.scattering.plan import Average

OutType = Literal["array", "list", "dict"]
NamedPaths = list[dict[str, Any]] | dict[tuple[int, ...], Array]
Scale = int | Literal["global"] | None

MOST_OCTAVES = 20
"""At 44.1 kHz, 2**20 samples are 24 seconds."""


def named_paths(
    out_type: OutType,
    coefficients: Sequence[Tensor],
    key: Sequence[tuple[int, ...]],
    columns: Mapping[str, Sequence[Any]],
) -> NamedPaths:
    """Return paths by key, or as a list of dicts with "coef" and a row of the columns."""
    if out_type == "dict":
        return dict(zip(key, coefficients, strict=True))
    return [
        {"coef": coefficient, **{name: column[i] for name, column in columns.items()}}
        for i, coefficient in enumerate(coefficients)
    ]


def scale_and_average(value: Scale, largest: int) -> tuple[int, Average]:
    """Return the scale of a low-pass (`largest` by default) and its kind of average."""
    if value == "global":
        return largest, "global"
    if value == 0:
        return largest, "none"
    return int(largest if value is None else value), "local"


def check_scale(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is an integer of at least 0, "global" or None."""
    is_count = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
    if value is not None and value != "global" and not is_count:
        msg = f'{name} must be an integer of at least 0 or "global", got {value!r}'
        raise ValueError(msg)


def check_octaves(J: int) -> None:
    """Raise a ValueError unless `J` is an integer from 1 to `MOST_OCTAVES`."""
    check_integer("J", J, 1)
    if J > MOST_OCTAVES:
        msg = (
            f"J may be at most {MOST_OCTAVES}, got {J}: 2**J samples are the largest scale, and "
            "shorter signals are continued by their mirror image"
        )
        raise ValueError(msg)


def qualities(Q: int | tuple[int, int]) -> tuple[int, int]:
    """Return the checked wavelets per octave of both layers; 1 in the second by default."""
    pair = Q if isinstance(Q, tuple | list | np.ndarray) else (Q, 1)
    if len(pair) != 2:
        msg = f"Q must be an integer or a pair of integers, got {Q}"
        raise ValueError(msg)
    for value in pair:
        check_integer("Q", value, 1)
    return int(pair[0]), int(pair[1])


def hold_pair(options: Any) -> None:
    """Store a pair of wavelets per octave that is a list or array as a tuple, which has a hash."""
    Q = options.Q.tolist() if isinstance(options.Q, np.ndarray) else options.Q
    object.__setattr__(options, "Q", tuple(Q) if isinstance(Q, list) else Q)


def check_stride(name: str, value: int | None, scale_name: str, scale: Scale) -> None:
    """Raise a ValueError unless a stride is a power of two, and averages are over a scale."""
    if value is None:
        return
    check_integer(name, value, 1)
    if value & (value - 1):
        msg = f"{name} must be a power of two, got {value}"
        raise ValueError(msg)
    if scale in (0, "global"):
        msg = f"{name} needs an average over a scale, got {scale_name}={scale!r}: leave it out"
        raise ValueError(msg)


def check_shape(shape: int | tuple[int, ...] | None, J: int) -> None:
    """Raise a ValueError for a shape that Kymatio rejects: it may be a Q without its name."""
    if shape is None:
        return
    n_samples = shape[-1] if isinstance(shape, tuple) and shape else shape
    is_count = isinstance(n_samples, int | np.integer) and not isinstance(n_samples, bool)
    if not is_count or n_samples < 2**J:
        msg = (
            f"shape must be a number of samples of at least 2**J = {2**J}, got {shape!r}: leave it "
            "out, as signals may have any length; wavelets per octave are Q=..."
        )
        raise ValueError(msg)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of the choices."""
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
        raise ValueError(msg)


def check_lengths_equal(T: Scale, out_type: OutType) -> None:
    """Raise a ValueError for an array of paths of unequal lengths (T = 0)."""
    if T == 0 and out_type == "array":
        msg = 'T=0 gives paths of unequal lengths: choose out_type="list" or "dict"'
        raise ValueError(msg)


def check_integer(name: str, value: object, least: int) -> None:
    """Raise a ValueError unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        msg = f"{name} must be an integer of at least {least}, got {value!r}"
        raise ValueError(msg)


def check_positive(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a positive, finite number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        msg = f"{name} must be a number, positive and finite, got {value!r}"
        raise ValueError(msg)
    if not 0 < value < math.inf:
        msg = f"{name} must be positive and finite, got {value!r}"
        raise ValueError(msg)


def check_workers(workers: int | None) -> None:
    """Raise a ValueError unless `workers` is None or a positive integer."""
    if workers is not None:
        check_integer("workers", workers, 1)


def check_streamable(average: Average, out_type: OutType) -> None:
    """Raise a ValueError unless a transform can be streamed."""
    if average != "local" or out_type != "array":
        msg = (
            "a stream needs an average over a scale and out_type='array', "
            f"got a {average} average and out_type={out_type!r}"
        )
        raise ValueError(msg)


def check_fits(T: Scale, n_samples: int) -> None:
    """Raise a ValueError for an explicit averaging scale longer than the signal."""
    if T is not None and T != "global" and n_samples < T:
        msg = (
            f"T={T} needs a signal of at least as many samples, got {n_samples}: "
            'choose a smaller T, or T="global" for one average of all'
        )
        raise ValueError(msg)


def check_pieces(chunks: Iterable[ArrayLike | Tensor], T: Scale) -> Iterator[Tensor]:
    """Yield the checked chunks of a signal, and check the total length at the end."""
    n_samples = 0
    for chunk in chunks:
        piece = check_signal(chunk, empty=True)
        n_samples += piece.shape[-1]
        yield piece
    if n_samples:
        check_fits(T, n_samples)


def check_mono(y: ArrayLike | Tensor, sr: float) -> NDArray[np.floating]:
    """Return finite real samples of one channel (n_samples,), at `sr` Hz, as float32 or float64.

    Tensors become arrays.
    """
    check_rate(sr)
    return check_channel(y)


def check_channel(y: ArrayLike | Tensor) -> NDArray[np.floating]:
    """Return samples as `check_mono` does, where their rate does not matter."""
    samples = check_signal(y, name="y")
    signal: NDArray[np.floating] = samples.numpy(force=True) if is_tensor(samples) else samples
    if signal.ndim > 1:
        msg = (
            f"y must be mono, shape (n_samples,), got shape {tuple(signal.shape)}: average its "
            f"channels, as in y.mean(axis={int(np.argmin(signal.shape))})"
        )
        raise ValueError(msg)
    return signal


def check_signal(x: ArrayLike | Tensor, *, name: str = "x", empty: bool = False) -> Tensor:
    """Return finite real samples as float32 or float64, with at least one axis and one sample.

    Tensors stay tensors. `name` is used in errors; `empty` allows for no samples.
    """
    if isinstance(x, str | os.PathLike):
        msg = f"{name} must hold real samples, got a name: scatseg.load reads the samples of a file"
        raise TypeError(msg)
    signal: Tensor = x if is_tensor(x) else np.asarray(x)
    if is_tensor(signal):
        is_real = not signal.is_complex() and "bool" not in str(signal.dtype)
    else:
        is_real = signal.dtype.kind in "fiu"
    if not is_real or not signal.ndim or not (empty or 0 not in signal.shape):
        msg = (
            f"{name} must hold real samples, shape (..., n_samples), no axis empty: n_samples > 0, "
            f"got {signal.dtype} of shape {tuple(signal.shape)}"
        )
        raise ValueError(msg)
    signal = _floating(signal)
    if 0 in signal.shape:
        return signal
    values = signal.detach() if is_tensor(signal) else signal
    # Minimum and maximum are not finite if any value is not, and need no memory.
    if not (math.isfinite(values.min()) and math.isfinite(values.max())):
        values = np.asarray(values.cpu() if is_tensor(signal) else values)
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        msg = f"{name} must be finite, got {values[at]} at index {at}"
        raise ValueError(msg)
    return signal


def _floating(signal: Tensor) -> Tensor:
    """Convert to float32 or float64, as they are promoted with float32, without rescaling."""
    if is_tensor(signal):
        return signal if dtype_of(signal) == "float64" else signal.float()
    is_single = np.result_type(signal.dtype, np.float32) == np.float32
    with np.errstate(over="ignore"):  # infinity is an error of its own
        return signal.astype(np.float32 if is_single else np.float64, copy=False)
