"""Steps that the transforms share: spectra, first and second layer, averages of one block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.plan import Average, Block, BlockPlan, FirstLayer, SecondLayer

Array = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]
ModulusSpectra = list[tuple[slice, ComplexArray]]
OutType = Literal["array", "list", "dict"]
NamedPaths = list[dict[str, Any]] | dict[tuple[int, ...], Array]
Scale = int | Literal["global"] | None


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """How the low-pass is read at a block's frames and nowhere else.

    `averager` is the low-pass on bins 0, 1, ..., turned so that the first frame is at time 0;
    the period holds `n_points` frames, of which the first `n_frames` are wanted.
    """

    averager: ComplexArray
    n_points: int
    n_frames: int


def frame_grid(plan: BlockPlan, block: Block, stride: int) -> FrameGrid:
    """Place a block's frames on its period, `stride` samples apart."""
    bins = np.arange(len(plan.low_pass))
    turns = bins * (block.frames.start * stride - block.start) % plan.period / plan.period
    # A real signal's negative bins mirror the positive ones, which therefore count twice.
    averager = plan.low_pass * np.where(bins == 0, 1, 2) * np.exp(2j * np.pi * turns)
    return FrameGrid(
        averager=averager.astype(np.result_type(plan.low_pass, np.complex64)),
        n_points=max(1, plan.period // stride),
        n_frames=block.frames.stop - block.frames.start,
    )


def mean_grid(plan: BlockPlan) -> FrameGrid:
    """Read one frame, the mean over the period: a low-pass of bin 0 alone."""
    dtype = np.result_type(plan.low_pass, np.complex64)
    return FrameGrid(averager=np.ones(1, dtype=dtype), n_points=1, n_frames=1)


def signal_spectrum(x: Array, lowest: int, highest: int) -> ComplexArray:
    """Fourier transform of a real block on bins `lowest` to `highest`, circular."""
    half = cast(ComplexArray, scipy.fft.rfft(x))
    period = len(x)
    above = half[period - np.arange(len(half), max(highest, len(half)))].conj()
    below = half[np.arange(-lowest, 0, -1)].conj()
    return np.concatenate([below, half[:highest], above])


def modulus_spectra(plan: BlockPlan, spectrum: ComplexArray) -> ModulusSpectra:
    """Fourier bins of |x * psi1| from 0 up, as far as they are read, for each run of filters."""
    return [(rows, V) for rows, _, V in first_moduli(plan, spectrum)]


def first_moduli(
    plan: BlockPlan, spectrum: ComplexArray
) -> Iterator[tuple[slice, Array, ComplexArray]]:
    """Yield for each run of filters their rows, |x * psi1|, and its Fourier bins that are read."""
    for layer in plan.first:
        U = _first_modulus(layer, spectrum, plan.lowest)
        V = cast(ComplexArray, scipy.fft.rfft(U, norm="forward"))[:, : max(layer.n_read, 1)]
        yield layer.rows, U, V


def _first_modulus(layer: FirstLayer, spectrum: ComplexArray, lowest: int) -> Array:
    """|x * psi1| for one layer's filters, shape (n_filters, n_points)."""
    buffer = np.zeros((len(layer.starts), layer.n_points), dtype=spectrum.dtype)
    for row, start, response in zip(buffer, layer.starts, layer.responses, strict=True):
        here = spectrum[start - lowest : start - lowest + len(response)]
        np.multiply(here, response, out=row[: len(response)])
    return cast(Array, np.abs(scipy.fft.ifft(buffer, norm="forward", overwrite_x=True)))


def second_bands(layer: SecondLayer, moduli: ModulusSpectra) -> ComplexArray:
    """U1 * psi2 at baseband for all first-order paths that reach it, shape (n_rows, n_points)."""
    start, response = layer.start, layer.response
    n_negative = max(0, -start)
    buffer = np.zeros((layer.n_rows, layer.n_points), dtype=moduli[0][1].dtype)
    for rows, V in moduli:
        if rows.start >= layer.n_rows:
            break
        stop = min(rows.stop, layer.n_rows)
        U = V[: stop - rows.start]
        out = buffer[rows.start : stop]
        first, last = max(start, 0), min(start + len(response), U.shape[1])
        here = slice(first - start, last - start)
        np.multiply(U[:, first:last], response[here], out=out[:, here])
        if n_negative:
            mirrored = U[:, n_negative:0:-1].conj()
            out[:, :n_negative] = mirrored * response[:n_negative]
    return cast(ComplexArray, scipy.fft.ifft(buffer, norm="forward", overwrite_x=True))


def averaged(V: ComplexArray, frames: FrameGrid) -> Array:
    """Low-pass real signals, given by their Fourier bins from 0 up, at the frames."""
    n_low, n_points = min(len(frames.averager), V.shape[1]), frames.n_points
    folded = np.zeros((len(V), -(-n_low // n_points), n_points), dtype=V.dtype)
    low = folded.reshape(len(V), -1)[:, :n_low]
    np.multiply(V[:, :n_low], frames.averager[:n_low], out=low)
    S = scipy.fft.ifft(folded.sum(axis=1), norm="forward", overwrite_x=True)
    return cast(Array, S.real[:, : frames.n_frames].copy())


def reflected(x: Array, start: int, length: int) -> Array:
    """Read `length` samples from `start` on, mirrored at both ends as often as needed."""
    stop = start + length
    if start >= 0 and stop <= len(x):
        return x[start:stop]
    if len(x) == 1:
        return np.full(length, x[0], dtype=x.dtype)
    inside = x[max(start, 0) : stop]
    period = 2 * len(x) - 2

    def mirror(at: NDArray[np.intp]) -> Array:
        at = at % period
        return x[np.minimum(at, period - at)]

    before = mirror(np.arange(start, min(stop, 0)))
    after = mirror(np.arange(max(start, len(x)), stop))
    return np.concatenate([before, inside, after])


def named_paths(
    out_type: OutType,
    coefficients: Sequence[Array],
    key: Sequence[tuple[int, ...]],
    columns: Mapping[str, Sequence[Any]],
) -> NamedPaths:
    """Return paths by key, or as a list that has "coef" and a row of the columns for each."""
    if out_type == "dict":
        return dict(zip(key, coefficients, strict=True))
    return [
        {"coef": coefficient, **{name: column[i] for name, column in columns.items()}}
        for i, coefficient in enumerate(coefficients)
    ]


def scale_and_average(value: Scale, largest: int) -> tuple[int, Average]:
    """Tell the scale of a low-pass, `largest` where none is given, and how it averages."""
    if value == "global":
        return largest, "global"
    if value == 0:
        return largest, "none"
    return int(largest if value is None else value), "local"


def check_scale(name: str, value: object) -> None:
    """Refuse what is not an integer of at least 0, "global" or None."""
    if value is not None and value != "global":
        if isinstance(value, str):
            msg = f'{name} must be an integer of at least 0 or "global", got {value!r}'
            raise ValueError(msg)
        check_integer(name, value, 0)


def check_stride(name: str, value: int | None, scale_name: str, scale: Scale) -> None:
    """Refuse what is not a power of two, and a stride where nothing is averaged over a scale."""
    if value is None:
        return
    check_integer(name, value, 1)
    if value & (value - 1):
        msg = f"{name} must be a power of two, got {value}"
        raise ValueError(msg)
    if scale in (0, "global"):
        msg = f"{name} needs an average over a scale, got {scale_name}={scale!r}: leave it out"
        raise ValueError(msg)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of the choices."""
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
        raise ValueError(msg)


def check_lengths_equal(T: Scale, out_type: OutType) -> None:
    """Refuse an array of paths that are not averaged in time."""
    if T == 0 and out_type == "array":
        msg = 'T=0 gives paths of unequal lengths: choose out_type="list" or "dict"'
        raise ValueError(msg)


def check_integer(name: str, value: object, least: int) -> None:
    """Refuse what is not an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        msg = f"{name} must be an integer of at least {least}, got {value!r}"
        raise ValueError(msg)


def check_signal(x: ArrayLike) -> Array:
    """Return finite real samples as float32 or float64, with at least one axis and one sample."""
    signal = np.asarray(x)
    if signal.dtype.kind not in "fiu" or signal.ndim == 0 or signal.size == 0:
        msg = (
            "x must hold real samples, shape (..., n_samples) with n_samples > 0, "
            f"got {signal.dtype} of shape {signal.shape}"
        )
        raise ValueError(msg)
    if signal.dtype != np.float64:
        signal = signal.astype(np.float32, copy=False)
    if not np.isfinite(signal).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(signal))[0])
        msg = f"x must be finite, got {signal[at]} at index {at}"
        raise ValueError(msg)
    return signal
