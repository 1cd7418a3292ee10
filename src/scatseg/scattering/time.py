"""Scattering1D: a signal of any length -> first- and second-order scattering coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.filterbank import Filterbank, filterbank
from scatseg.scattering.layers import (
    Array,
    ComplexArray,
    FrameGrid,
    averaged,
    check_integer,
    check_signal,
    frame_grid,
    modulus_spectra,
    reflected,
    second_bands,
    signal_spectrum,
)
from scatseg.scattering.plan import Accuracy, BlockPlan, Dtype, Options, block_plan, layout


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
        check_integer("J", self.J, 1)
        pair = self.Q if isinstance(self.Q, tuple) else (self.Q, 1)
        if len(pair) != 2:
            msg = f"Q must be an integer or a pair of integers, got {self.Q}"
            raise ValueError(msg)
        for value in pair:
            check_integer("Q", value, 1)
        if self.T is not None:
            check_integer("T", self.T, 1)
        if self.stride is not None:
            check_integer("stride", self.stride, 1)
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
        signals = check_signal(x)
        options = self.options
        batch_shape, n_samples = signals.shape[:-1], signals.shape[-1]
        rows = signals.reshape(-1, n_samples)
        dtype: Dtype = "float64" if rows.dtype == np.float64 else "float32"
        cut = layout(options, n_samples)
        plan = block_plan(options, cut.period, dtype)
        order = _row_order(options)
        S = np.empty((len(rows), len(order), cut.n_frames), dtype=rows.dtype)
        for block in cut.blocks:
            frames = frame_grid(plan, block, options.stride)
            for row, out in zip(rows, S, strict=True):
                here = reflected(row, block.start, cut.period)
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


def _transform_block(plan: BlockPlan, x: Array, frames: FrameGrid) -> Array:
    """Transform one block of `plan.period` samples, shape (n_paths, frames.n_frames)."""
    spectrum = signal_spectrum(x, plan.lowest, plan.highest)
    S: list[Array] = [averaged(spectrum[None, -plan.lowest :], frames) / plan.period]
    moduli = modulus_spectra(plan, spectrum)
    S += [averaged(V, frames) for _, V in moduli]
    for second in plan.second:
        U = np.abs(second_bands(second, moduli))
        n_low = min(len(plan.low_pass), U.shape[1] // 2 + 1)
        V = cast(ComplexArray, scipy.fft.rfft(U, norm="forward"))[:, :n_low]
        S.append(averaged(V, frames))
    return np.concatenate(S)
