"""Scattering1D: a signal of any length -> first- and second-order scattering coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.arguments import (
    NamedPaths,
    OutType,
    Scale,
    check_choice,
    check_fits,
    check_integer,
    check_lengths_equal,
    check_octaves,
    check_pieces,
    check_scale,
    check_shape,
    check_signal,
    check_streamable,
    check_stride,
    check_workers,
    hold_pair,
    named_paths,
    qualities,
    scale_and_average,
)
from scatseg.scattering.arrays import Array, Arrays, Tensor, arrays_of, dtype_of, uncompiled
from scatseg.scattering.banks import check_filterbank, check_low_pass
from scatseg.scattering.blocks import (
    Compute,
    each_signal,
    from_zero,
    n_threads,
    streamed,
    transformed,
)
from scatseg.scattering.costs import Cost, scattering_cost
from scatseg.scattering.filterbank import Filterbank
from scatseg.scattering.layers import (
    averaged,
    averaged_samples,
    first_moduli,
    second_bands,
    signal_spectrum,
)
from scatseg.scattering.plan import (
    Accuracy,
    Block,
    BlockPlan,
    Dtype,
    Frames,
    Options,
    block_frames,
    block_plan,
    layout,
    longest_block,
)
from scatseg.scattering.units import physical_meta, to_frame


@dataclass(frozen=True)
class Scattering1D:
    """Wavelet scattering in time: Kymatio's coefficients, for any length, in bounded memory.

    Frame k is centered exactly at sample `k * stride`, for any length. Long signals are transformed
    in blocks if the average is local.

    Parameters
    ----------
    J : int
        Log2 of the largest wavelet scale in samples. Signals shorter than 2**J are repeatedly
        reflected, so that short and long signals have the same paths.
    shape : int or (int,), optional
        Accepted for compatibility with Kymatio, where it is needed. Signals may have any length.
    Q : int or (int, int), default 1
        Wavelets per octave in the first and second layer; an integer means (Q, 1).
    T : int, 0 or "global", optional
        Averaging scale in samples, at most the length of the signal; 2**J by default. 0 does not
        average: each path is sampled at multiples of its own stride 2**j, where j is that of its
        last filter (order 0 is the signal). "global" sums these samples over the padded signal.
    stride : int, optional
        Samples between frames, a power of two, 2**floor(log2(T)) by default. Only if T is a scale.
    max_order : {2, 1}
        Whether to compute the second layer.
    accuracy : {"default", "fast", "exact"}
        Each path is sampled at its own bandwidth. Of white noise, relative l2 errors of the first
        and second order are below 1e-4 and 1e-3 (default), 2e-3 and 4e-3 (fast), 5e-5 and 4e-4
        (exact; half of that if T >= 2**J); below twice that if T is "global". Of sounds with most
        energy in the lowest bands, whose samples alias in Kymatio, those of the first order are
        below 1e-3. In float64, "exact" computes the same samples as Kymatio and agrees to 1e-9 for
        signals of one block (see `plan`), where its frames are at multiples of the stride; of music
        in several blocks, to 4e-4.
    out_type : {"array", "list", "dict"}
        "array" needs paths of equal length: T may not be 0.
    filterbank : Filterbank, optional
        Filters other than Kymatio's Morlet wavelets: gammatone, mel or custom, see
        `scatseg.scattering.banks`. Q is then that of the bank, whose low-pass must be that of T.
    workers : int, optional
        Number of threads over signals and blocks, without effect on the coefficients or on the
        equality of transforms. By default OMP_NUM_THREADS if set, else all cores.

    Raises
    ------
    ValueError
        When an option is out of range, or `filterbank` adds energy or is out of order.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014. Normalized as in Kymatio's main branch; the released 0.3.0 multiplies
    each coefficient by 2**-j for each of its filters.

    Examples
    --------
    A tone of amplitude 1 excites the band that contains it, at half its amplitude:

    >>> S = Scattering1D(J=6, Q=8)
    >>> tone = np.cos(2 * np.pi * S.meta()["xi"][4, 0] * np.arange(4096))
    >>> coefficients = S(tone)
    >>> coefficients.shape
    (126, 64)
    >>> int(coefficients[:, 32].argmax()), round(float(coefficients[4, 32]), 3)
    (4, 0.5)
    """

    J: int
    shape: int | tuple[int, ...] | None = None
    Q: int | tuple[int, int] = 1
    T: Scale = None
    _: KW_ONLY
    stride: int | None = None
    max_order: Literal[1, 2] = 2
    accuracy: Accuracy = "default"
    out_type: OutType = "array"
    filterbank: Filterbank | None = None
    workers: int | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_octaves(self.J)
        check_shape(self.shape, self.J)
        hold_pair(self)
        qualities(self.Q)  # checks it
        check_scale("T", self.T)
        check_stride("stride", self.stride, "T", self.T)
        if self.max_order not in (1, 2):
            msg = f"max_order must be 1 or 2, got {self.max_order!r}"
            raise ValueError(msg)
        check_choice("accuracy", self.accuracy, ("fast", "default", "exact"))
        check_choice("out_type", self.out_type, ("array", "list", "dict"))
        check_lengths_equal(self.T, self.out_type)
        check_workers(self.workers)
        if self.filterbank is not None:
            check_filterbank(self.filterbank)
            check_low_pass(self.filterbank, self.options.T)

    @property
    def options(self) -> Options:
        """The options, with defaults resolved."""
        T, average = scale_and_average(self.T, int(2**self.J))
        return Options(
            J=int(self.J),
            Q=qualities(self.Q),
            T=T,
            stride=2 ** (T.bit_length() - 1) if self.stride is None else int(self.stride),
            max_order=self.max_order,
            accuracy=self.accuracy,
            average=average,
            own_bank=self.filterbank,
        )

    @uncompiled
    def __call__(self, x: ArrayLike | Tensor) -> Tensor:
        """Transform signals.

        Parameters
        ----------
        x : array_like or torch.Tensor of float, shape (..., n_samples)
            Signals of any length, n_samples > 0. Arrays are computed in float32 or float64, as
            NumPy promotes them with float32: float64, longdouble and integers of over 16 bits in
            float64. Tensors other than float64 are computed in float32; they stay on their device
            and are differentiable.

        Returns
        -------
        S : ndarray, list of dict, or dict; tensors for a tensor
            "array": shape (..., n_paths, n_frames). Rows as in `meta`: order 0 (signed), order 1,
            order 2. "list": for each path "coef", shape (..., n_frames), "order", and the tuples
            "n" and "j" of its filters. "dict": "coef" by the tuple n. n_frames is
            ceil(n_samples / stride), 1 if T is "global", and ceil(n_samples / 2**j) if T is 0.

        Raises
        ------
        ValueError
            When x is empty, complex, shorter than T, or holds NaN or infinity.
        """
        signals = check_signal(x)
        options, xp = self.options, arrays_of(signals)
        batch_shape, n_samples = signals.shape[:-1], signals.shape[-1]
        check_fits(self.T, n_samples)
        rows = signals.reshape(-1, n_samples)
        if options.average == "none":
            paths = each_signal(rows, partial(_unaveraged, options, xp=xp))
            return self._named([path.reshape(*batch_shape, path.shape[-1]) for path in paths])
        cut, dtype = layout(options, n_samples), dtype_of(signals)
        compute = _transformer(options, dtype, cut.period)
        S = transformed(rows, cut, compute, xp, n_threads(self.workers))
        if options.average == "global":
            S = S * xp.constant(_n_own_samples(options, cut.period, dtype))
        S = S.reshape(*batch_shape, *S.shape[1:])
        return (
            S
            if self.out_type == "array"
            else self._named([S[..., i, :] for i in range(S.shape[-2])])
        )

    def stream(self, chunks: Iterable[ArrayLike | Tensor]) -> Iterator[Tensor]:
        """Transform a stream: files larger than memory, or live input.

        Parameters
        ----------
        chunks : iterable of array_like or torch.Tensor of float, shape (..., n)
            Chunks of the signal, of any lengths.

        Yields
        ------
        S : ndarray of float, shape (..., n_paths, n); tensors for tensors
            The next frames, equal to those of the whole signal. Latency and memory are in `plan`.

        Raises
        ------
        ValueError
            When T is not a scale or `out_type` not "array", and as `__call__`.
        """
        options = self.options
        check_streamable(options.average, self.out_type)
        longest = longest_block(options)

        def compute(xp: Arrays, x: Tensor, block: Block) -> Tensor:
            return _transformer(options, dtype_of(x), x.shape[-1])(xp, x, block)

        pieces = check_pieces(chunks, self.T)
        return streamed(pieces, partial(layout, options), longest, compute)

    def _named(self, coefficients: list[Tensor]) -> NamedPaths:
        options = self.options
        key = _paths(options)
        columns = {"j": _scales(options), "n": key, "order": [len(n) for n in key]}
        return named_paths(self.out_type, coefficients, key, columns)

    def meta(self, sr: float | None = None) -> dict[str, Any]:
        """Return the parameters of the paths, in the order of the output.

        Parameters
        ----------
        sr : float, optional
            Sampling rate in Hz; adds the columns of `scatseg.scattering.units.physical_meta` in Hz
            and octaves.

        Returns
        -------
        meta : dict
            "order" (n_paths,) int; "key" list of tuples of filter indices; "n", "xi",
            "sigma", "j" (n_paths, max_order) float, NaN where a path has no such filter.
            Frequencies in cycles per sample.
        """
        meta = _meta(self.options)
        # The columns of physical_meta are arrays, also "key".
        return meta if sr is None else meta | physical_meta(meta, sr) | {"key": meta["key"]}

    def to_frame(self, sr: float | None = None) -> Any:
        """Return `meta` as a pandas.DataFrame, one row per path of the output."""
        return to_frame(self.meta(sr))

    def plan(self, n_samples: int, dtype: Dtype = "float32") -> Cost:
        """Estimate the cost of a signal of `n_samples`: `plan(n).describe(sr)`.

        Raises
        ------
        ValueError
            When n_samples is not an integer of at least 1.
        """
        check_integer("n_samples", n_samples, 1)
        return scattering_cost(self.options, n_samples, dtype, self.output_size(n_samples))

    def output_size(self, n_samples: int | None = None) -> int:
        """Return the number of paths, or of all coefficients of a signal of `n_samples`."""
        options = self.options
        n_paths = len(_paths(options))
        if n_samples is None:
            return n_paths
        check_integer("n_samples", n_samples, 1)
        if options.average == "none":
            return sum(-(-n_samples // stride) for stride in _own_strides(options))
        return n_paths * layout(options, n_samples).n_frames


@lru_cache(maxsize=16)
def _paths(options: Options) -> tuple[tuple[int, ...], ...]:
    """Return the keys of all paths in the order of the output."""
    bank = options.bank
    keys: list[tuple[int, ...]] = [(), *((n1,) for n1 in range(len(bank.psi1)))]
    if options.max_order > 1:
        keys += [
            (n1, n2)
            for n1, first in enumerate(bank.psi1)
            for n2, second in enumerate(bank.psi2)
            if second.j > first.j
        ]
    return tuple(keys)


@lru_cache(maxsize=16)
def _scales(options: Options) -> tuple[tuple[int, ...], ...]:
    """Return log2 of the strides of each path's filters."""
    bank = options.bank
    layers = (bank.psi1, bank.psi2)
    return tuple(
        tuple(filters[n].j for n, filters in zip(key, layers, strict=False))
        for key in _paths(options)
    )


@lru_cache(maxsize=16)
def _n_own_samples(options: Options, period: int, dtype: Dtype) -> Array:
    """Return the number of samples of each path over the period, shape (n_paths, 1)."""
    return (period / np.array(_own_strides(options), dtype=dtype))[:, None]


def _own_strides(options: Options) -> list[int]:
    """Return the stride of each path before averaging, 1 in order 0."""
    return [2 ** j[-1] if j else 1 for j in _scales(options)]


def _meta(options: Options) -> dict[str, Any]:
    bank = options.bank
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
    """Return the index of each row of the output in order of computation, n2 outermost."""
    keys = _paths(options)
    computed = sorted(range(len(keys)), key=lambda i: (len(keys[i]), keys[i][1:], keys[i]))
    return np.argsort(computed)


def _transformer(options: Options, dtype: Dtype, period: int) -> Compute:
    """Return a function from a block to coefficients, rows in the order of the output."""
    plan, order = block_plan(options, period, dtype), _row_order(options)

    def compute(xp: Arrays, x: Tensor, block: Block) -> Tensor:
        frames = block_frames(options, period, dtype, block.offset, block.n_frames)
        return _transform_block(xp, xp.placed(plan), xp.placed(frames), x)[..., order, :]

    return compute


def _transform_block(xp: Arrays, plan: BlockPlan, frames: Frames, x: Tensor) -> Tensor:
    """Transform one block of `plan.period` samples, shape (..., n_paths, frames.n_frames)."""
    spectrum = signal_spectrum(xp, plan, x)
    S = [averaged(xp, spectrum[..., None, -plan.lowest :], frames) / plan.period]
    moduli = []
    for _, _, V in first_moduli(xp, plan, spectrum):
        moduli.append(V)
        S.append(averaged(xp, V.low, frames))
    for Y, window in zip(second_bands(xp, plan.second, moduli), frames.windows, strict=True):
        S.append(averaged_samples(xp, xp.modulus(Y), frames, window))
    return xp.concatenate(S, -2)


def _unaveraged(options: Options, x: Tensor, xp: Arrays) -> list[Tensor]:
    """Compute orders 0, 1 and 2 of signals (..., n_samples), each path at its own stride."""
    cut = layout(options, x.shape[-1])
    plan = xp.placed(block_plan(options, cut.period, dtype_of(x)))
    paths = [x]
    moduli = []
    for _, U, V in first_moduli(xp, plan, signal_spectrum(xp, plan, from_zero(xp, x, cut))):
        moduli.append(V)
        paths += [U[..., i, :] for i in range(U.shape[-2])]
    for Y in second_bands(xp, plan.second, moduli):
        U = xp.modulus(Y)
        paths += [U[..., i, :] for i in range(U.shape[-2])]
    lengths = [-(-x.shape[-1] // stride) for stride in _own_strides(options)]
    order = _row_order(options)
    return [paths[at][..., :length] for at, length in zip(order, lengths, strict=True)]
