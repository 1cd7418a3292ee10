"""Scattering1D: a signal of any length -> first- and second-order scattering coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.filterbank import Filterbank, filterbank
from scatseg.scattering.plan import (
    Accuracy,
    Block,
    BlockPlan,
    Dtype,
    FirstLayer,
    Options,
    SecondLayer,
    block_plan,
    layout,
)

Array = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]


@dataclass(frozen=True)
class Scattering1D:
    """Wavelet scattering in time: Kymatio's coefficients, for any length, in bounded memory.

    Frame k is centered at exactly sample `k * stride`, whatever the length. A long
    signal is transformed block by block.

    Parameters
    ----------
    J : int
        Log2 of the largest wavelet scale in samples.
    Q : int or (int, int), default 1
        Wavelets per octave in the first and second layer; an integer means (Q, 1).
    T : int, optional
        Averaging scale in samples, 2**J when absent.
    stride : int, optional
        Samples between frames, a power of two, 2**floor(log2(T)) when absent.
    max_order : {2, 1}
        Whether to compute the second layer.
    accuracy : {"default", "fast", "exact"}
        Each path is sampled at its own bandwidth. Relative l2 errors of the first and second order
        stay below 1e-4 and 1e-3 (default), 2e-3 and 4e-3 (fast), 5e-5 and 4e-4 (exact; half of
        that where T >= 2**J).

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014. Normalized as in Kymatio's main branch; the released 0.3.0 multiplies
    each coefficient by 2**-j for each of its filters.

    Examples
    --------
    A tone of amplitude 1 shows in the band that holds it, at half its amplitude:

    >>> S = Scattering1D(J=6, Q=8)
    >>> tone = np.cos(2 * np.pi * S.meta()["xi"][4, 0] * np.arange(4096))
    >>> coefficients = S(tone)
    >>> coefficients.shape
    (126, 64)
    >>> int(coefficients[:, 32].argmax()), round(float(coefficients[4, 32]), 3)
    (4, 0.5)
    """

    J: int
    Q: int | tuple[int, int] = 1
    T: int | None = None
    stride: int | None = None
    max_order: Literal[1, 2] = 2
    accuracy: Accuracy = "default"

    def __post_init__(self) -> None:
        _check_integer("J", self.J, 1)
        pair = self.Q if isinstance(self.Q, tuple) else (self.Q, 1)
        if len(pair) != 2:
            msg = f"Q must be an integer or a pair of integers, got {self.Q}"
            raise ValueError(msg)
        for value in pair:
            _check_integer("Q", value, 1)
        if self.T is not None:
            _check_integer("T", self.T, 1)
        if self.stride is not None:
            _check_integer("stride", self.stride, 1)
            if self.stride & (self.stride - 1):
                msg = f"stride must be a power of two, got {self.stride}"
                raise ValueError(msg)
        if self.max_order not in (1, 2):
            msg = f"max_order must be 1 or 2, got {self.max_order}"
            raise ValueError(msg)
        if self.accuracy not in ("fast", "default", "exact"):
            msg = f'accuracy must be "fast", "default" or "exact", got {self.accuracy!r}'
            raise ValueError(msg)

    @property
    def options(self) -> Options:
        """The options with every default filled in."""
        T = int(2**self.J if self.T is None else self.T)
        Q1, Q2 = self.Q if isinstance(self.Q, tuple) else (self.Q, 1)
        return Options(
            J=int(self.J),
            Q=(int(Q1), int(Q2)),
            T=T,
            stride=2 ** (T.bit_length() - 1) if self.stride is None else int(self.stride),
            max_order=self.max_order,
            accuracy=self.accuracy,
        )

    def __call__(self, x: ArrayLike) -> Array:
        """Transform signals.

        Parameters
        ----------
        x : array_like of float, shape (..., n_samples)
            Signals of any length, n_samples > 0. float64 is computed in float64, everything else
            in float32.

        Returns
        -------
        S : ndarray of float, shape (..., n_paths, n_frames)
            Rows as in `meta`: order 0 (signed), order 1, order 2. n_frames is
            ceil(n_samples / stride).

        Raises
        ------
        ValueError
            When x is empty, complex, or holds NaN or infinity.
        """
        signals = _check_signal(x)
        options = self.options
        batch_shape, n_samples = signals.shape[:-1], signals.shape[-1]
        rows = signals.reshape(-1, n_samples)
        dtype: Dtype = "float64" if rows.dtype == np.float64 else "float32"
        cut = layout(options, n_samples)
        plan = block_plan(options, cut.period, dtype)
        order = _row_order(options)
        S = np.empty((len(rows), len(order), cut.n_frames), dtype=rows.dtype)
        for block in cut.blocks:
            frames = _frame_grid(plan, block, options.stride)
            for row, out in zip(rows, S, strict=True):
                here = _reflected(row, block.start, cut.period)
                out[:, block.frames] = _transform_block(plan, here, frames)[order]
        return S.reshape(*batch_shape, *S.shape[1:])

    def meta(self) -> dict[str, Any]:
        """Describe the rows of the output, in their order.

        Returns
        -------
        meta : dict
            "order" (n_paths,) int; "key" list of tuples of filter indices; "n", "xi",
            "sigma", "j" (n_paths, max_order) float, NaN where a path has no such filter.
            Frequencies in cycles per sample.
        """
        return _meta(self.options)


@lru_cache(maxsize=16)
def _paths(options: Options) -> tuple[tuple[int, ...], ...]:
    """Keys of all paths in the order of the output."""
    bank = filterbank(options.J, options.Q, options.T)
    keys: list[tuple[int, ...]] = [(), *((n1,) for n1 in range(len(bank.psi1)))]
    if options.max_order > 1:
        keys += [
            (n1, n2)
            for n1, first in enumerate(bank.psi1)
            for n2, second in enumerate(bank.psi2)
            if second.j > first.j
        ]
    return tuple(keys)


def _meta(options: Options) -> dict[str, Any]:
    bank: Filterbank = filterbank(options.J, options.Q, options.T)
    keys = _paths(options)
    meta: dict[str, Any] = {
        "order": np.array([len(key) for key in keys]),
        "key": list(keys),
        **{
            name: np.full((len(keys), options.max_order), np.nan)
            for name in ("n", "xi", "sigma", "j")
        },
    }
    for i, key in enumerate(keys):
        for layer, (n, filters) in enumerate(zip(key, (bank.psi1, bank.psi2), strict=False)):
            chosen = filters[n]
            meta["n"][i, layer] = n
            meta["xi"][i, layer] = chosen.xi
            meta["sigma"][i, layer] = chosen.sigma
            meta["j"][i, layer] = chosen.j
    return meta


@lru_cache(maxsize=16)
def _row_order(options: Options) -> NDArray[np.intp]:
    """Where each row of the output lies among the paths as they are computed, n2 outermost."""
    keys = _paths(options)
    computed = sorted(range(len(keys)), key=lambda i: (len(keys[i]), keys[i][1:], keys[i]))
    return np.argsort(computed)


@dataclass(frozen=True, eq=False)
class _FrameGrid:
    """How the low-pass is read at a block's frames and nowhere else.

    `averager` is the low-pass on bins 0, 1, ..., turned so that the first frame is at time 0;
    the period holds `n_points` frames, of which the first `n_frames` are wanted.
    """

    averager: ComplexArray
    n_points: int
    n_frames: int


def _frame_grid(plan: BlockPlan, block: Block, stride: int) -> _FrameGrid:
    bins = np.arange(len(plan.low_pass))
    turns = bins * (block.frames.start * stride - block.start) % plan.period / plan.period
    # A real signal's negative bins mirror the positive ones, which therefore count twice.
    averager = plan.low_pass * np.where(bins == 0, 1, 2) * np.exp(2j * np.pi * turns)
    return _FrameGrid(
        averager=averager.astype(np.result_type(plan.low_pass, np.complex64)),
        n_points=max(1, plan.period // stride),
        n_frames=block.frames.stop - block.frames.start,
    )


def _transform_block(plan: BlockPlan, x: Array, frames: _FrameGrid) -> Array:
    """Transform one block of `plan.period` samples, shape (n_paths, frames.n_frames)."""
    spectrum = _signal_spectrum(x, plan.lowest, plan.highest)
    S: list[Array] = [_averaged(spectrum[None, -plan.lowest :], frames) / plan.period]
    moduli = []
    for layer in plan.first:
        U = _first_modulus(layer, spectrum, plan.lowest)
        V = cast(ComplexArray, scipy.fft.rfft(U, norm="forward"))[:, : max(layer.n_read, 1)]
        moduli.append((layer.rows, V))
        S.append(_averaged(V, frames))
    for second in plan.second:
        U = _second_modulus(second, moduli)
        n_low = min(len(plan.low_pass), U.shape[1] // 2 + 1)
        V = cast(ComplexArray, scipy.fft.rfft(U, norm="forward"))[:, :n_low]
        S.append(_averaged(V, frames))
    return np.concatenate(S)


def _signal_spectrum(x: Array, lowest: int, highest: int) -> ComplexArray:
    """Fourier transform of a real block on bins `lowest` to `highest`, circular."""
    half = cast(ComplexArray, scipy.fft.rfft(x))
    period = len(x)
    above = half[period - np.arange(len(half), max(highest, len(half)))].conj()
    below = half[np.arange(-lowest, 0, -1)].conj()
    return np.concatenate([below, half[:highest], above])


def _first_modulus(layer: FirstLayer, spectrum: ComplexArray, lowest: int) -> Array:
    """|x * psi1| for one layer's filters, shape (n_filters, n_points)."""
    buffer = np.zeros((len(layer.starts), layer.n_points), dtype=spectrum.dtype)
    for row, start, response in zip(buffer, layer.starts, layer.responses, strict=True):
        here = spectrum[start - lowest : start - lowest + len(response)]
        np.multiply(here, response, out=row[: len(response)])
    return cast(Array, np.abs(scipy.fft.ifft(buffer, norm="forward", overwrite_x=True)))


def _second_modulus(layer: SecondLayer, moduli: list[tuple[slice, ComplexArray]]) -> Array:
    """|U1 * psi2| for all first-order paths that reach it, shape (n_rows, n_points)."""
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
    return cast(Array, np.abs(scipy.fft.ifft(buffer, norm="forward", overwrite_x=True)))


def _averaged(V: ComplexArray, frames: _FrameGrid) -> Array:
    """Low-pass real signals, given by their Fourier bins from 0 up, at the frames."""
    n_low, n_points = min(len(frames.averager), V.shape[1]), frames.n_points
    folded = np.zeros((len(V), -(-n_low // n_points), n_points), dtype=V.dtype)
    low = folded.reshape(len(V), -1)[:, :n_low]
    np.multiply(V[:, :n_low], frames.averager[:n_low], out=low)
    S = scipy.fft.ifft(folded.sum(axis=1), norm="forward", overwrite_x=True)
    return cast(Array, S.real[:, : frames.n_frames].copy())


def _reflected(x: Array, start: int, length: int) -> Array:
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


def _check_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        msg = f"{name} must be an integer of at least {least}, got {value!r}"
        raise ValueError(msg)


def _check_signal(x: ArrayLike) -> Array:
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
