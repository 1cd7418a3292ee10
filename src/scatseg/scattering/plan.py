"""Options and a length -> the plan of a transform: sampling rates, Fourier bins, blocks.

The modulus is invariant to frequency shifts, so |x * psi| is computed at baseband and sampled
according to the bandwidth of psi, not to its upper edge. The plan holds the number of samples of
each path and the Fourier bins that it uses, without a signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scatseg.scattering.filterbank import SIGMA0, Filter, Filterbank, filterbank, gaussian_in_time
from scatseg.scattering.remembering import remembered

Accuracy = Literal["fast", "default", "exact"]
Average = Literal["local", "global", "none"]
Dtype = Literal["float32", "float64"]
Array = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_OVERLAP = 8
"""Overlap of blocks on each side in averaging scales.

In music, the first order differs from that of a single block by 3e-5 and the second by 3e-4, where
blocks meet. With 6, discontinuities in the logarithm of quiet bands are as large as changes between
frames.
"""

_BLOCK_SCALES = 64
"""Block length in averaging scales; fewer increase overlap, more exceed the cache."""

_MIN_BLOCK = 2**16
"""Minimum block length in samples."""

LANES = 4
"""Rows that SciPy's FFT transforms at a time: three take as long as four."""

_RUN_COST = 30_000
"""Overhead of a run of rows, in n log2 n for an FFT of n samples."""

_LEAST_STRIDE = 2
"""Averages are matrix products if frames are at least T / 2 apart, else Fourier transforms."""


@dataclass(frozen=True)
class _Knobs:
    """Parameters of one accuracy.

    `eps` is the truncation threshold of filters relative to their peak, `tail` that of averages.
    The others are sampling rates relative to bandwidth, to which the bandwidth of the low-pass is
    added, so that aliases are above it. `first` is for a first-order band as wide as the low-pass;
    for wider bands, of which more samples are averaged, it decreases down to `least_first`.
    `second` and `least_second` are the same for the second layer. `read` is relative to the band
    used by the second layer.
    """

    eps: float
    first: float
    least_first: float
    read: float
    second: float
    least_second: float
    tail: float


_KNOBS: dict[str, _Knobs] = {
    "fast": _Knobs(
        eps=1e-3, first=2.0, least_first=1.2, read=1.5, second=1.2, least_second=0.9, tail=1e-4
    ),
    "default": _Knobs(
        eps=8e-5, first=4.0, least_first=1.4, read=2.0, second=1.6, least_second=1.0, tail=1e-5
    ),
    "exact": _Knobs(
        eps=1e-5, first=6.0, least_first=2.5, read=3.0, second=3.0, least_second=2.0, tail=1e-6
    ),
}
"""The resulting errors are in the docstring of `Scattering1D`."""

_ALL = _Knobs(
    eps=1e-14, first=1.0, least_first=1.0, read=1.0, second=1.0, least_second=1.0, tail=1e-14
)
"""The same samples as Kymatio, with filters of the same length: "exact" in float64."""

_DECAY = 0.15
"""Exponent of the decay of aliases of noise with the number of samples averaged."""


@dataclass(frozen=True)
class Options:
    """All options that determine the coefficients, already validated.

    `T` is the scale of the low-pass even if `average` is "global" or "none".
    """

    J: int
    Q: tuple[int, int]
    T: int
    stride: int
    max_order: int
    accuracy: Accuracy
    average: Average = "local"
    own_bank: Filterbank | None = None

    @property
    def bank(self) -> Filterbank:
        """The filters: custom ones, else Kymatio's."""
        return filterbank(self.J, self.Q, self.T) if self.own_bank is None else self.own_bank

    @property
    def scale(self) -> int:
        """The longest scale in samples, that of a wavelet or of the low-pass."""
        if self.own_bank is None:
            return int(max(self.T, 2**self.J))
        narrowest = min(psi.sigma for psi in (*self.own_bank.psi1, *self.own_bank.psi2))
        return int(max(self.T, 2 ** math.ceil(math.log2(SIGMA0 / narrowest))))

    def all_samples(self, dtype: Dtype) -> bool:
        """Return whether the same samples are computed as in Kymatio."""
        return self.accuracy == "exact" and dtype == "float64"


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """First-order paths with the same number of samples.

    Parameters
    ----------
    rows : slice
        Range of first-order filters.
    n_points : int
        Samples of |x * psi1| over the block's period.
    starts, lengths : tuple of int
        First Fourier bin and number of bins of each filter's support.
    responses : ndarray, shape (n_rows, max(lengths))
        Each filter on its support, zero-padded, divided by the block's period.
    n_negative, n_read : int
        Bins -n_negative to n_read - 1 of the spectrum of the modulus are used by later steps.
    """

    rows: slice
    n_points: int
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    responses: NDArray[np.inexact]
    n_negative: int
    n_read: int


@dataclass(frozen=True, eq=False)
class SecondLayer:
    """Second-order paths of one second filter, from the first `n_rows` first-order paths.

    Parameters
    ----------
    n2, n_rows, n_points : int
        Index of the filter, number of first-order paths, samples over the period.
    start : int
        First Fourier bin of the filter's support.
    response : ndarray, shape (n_support,)
        The filter on its support.
    """

    n2: int
    n_rows: int
    n_points: int
    start: int
    response: NDArray[np.inexact]


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """The plan of one block of `period` samples.

    Parameters
    ----------
    period : int
        Samples in a block, a power of two. Convolutions are circular with this period.
    low_pass : ndarray, shape (n_low,)
        The averaging filter on bins 0, 1, ...
    first : tuple of FirstLayer
        In the order of the filters.
    second : tuple of SecondLayer
        In the order of the filters.
    lowest, highest : int
        Range of Fourier bins of the signal used by the first layer; `highest` excluded.
    """

    period: int
    low_pass: Array
    first: tuple[FirstLayer, ...]
    second: tuple[SecondLayer, ...]
    lowest: int
    highest: int


def longest_block(options: Options) -> int:
    """Return the number of samples of each block of a long signal."""
    return int(max(_MIN_BLOCK, 2 ** math.ceil(math.log2(_BLOCK_SCALES * options.scale))))


@remembered(longest_block, 16)
def block_plan(options: Options, period: int, dtype: Dtype) -> BlockPlan:
    """Compute the plan of one block.

    Parameters
    ----------
    options : Options
        Options of the transform.
    period : int
        Samples in the block, a power of two.
    dtype : {"float32", "float64"}
        Precision of the filters.
    """
    knobs = _ALL if options.all_samples(dtype) else _KNOBS[options.accuracy]
    low_pass = _half_band(options.bank.phi, period, knobs.eps)
    n_low = len(low_pass)
    second = _second_layer(options, period, knobs, n_low, dtype) if options.max_order > 1 else ()
    first = _first_layer(options, period, knobs, second, n_low, dtype)
    return BlockPlan(
        period=period,
        low_pass=low_pass.astype(dtype),
        first=first,
        second=second,
        lowest=min(1 - n_low, *(start for layer in first for start in layer.starts)),
        highest=max(
            n_low,
            *(
                start + length
                for layer in first
                for start, length in zip(layer.starts, layer.lengths, strict=True)
            ),
        ),
    )


def _second_layer(
    options: Options, period: int, knobs: _Knobs, n_low: int, dtype: Dtype
) -> tuple[SecondLayer, ...]:
    layers = []
    for n2, psi in enumerate(options.bank.psi2):
        n_rows = sum(first.j < psi.j for first in options.bank.psi1)
        if not n_rows:
            continue
        start, response = psi.band(period, knobs.eps)
        rate = _rate(options, knobs.second, knobs.least_second, psi.sigma)
        needed = rate * len(response) + n_low
        own = _own_points(options, period, psi.j)
        n_points = own if _keeps_all(options, dtype) else min(_fft_size(needed), own)
        layers.append(SecondLayer(n2, n_rows, n_points, start, _stored(response, dtype)))
    return tuple(layers)


def _first_layer(
    options: Options,
    period: int,
    knobs: _Knobs,
    second: tuple[SecondLayer, ...],
    n_low: int,
    dtype: Dtype,
) -> tuple[FirstLayer, ...]:
    """Divide the first layer into runs of filters with equal numbers of samples."""
    bands, reads, sizes = [], [], []
    for n1, psi in enumerate(options.bank.psi1):
        start, response = psi.band(period, knobs.eps)
        readers = [layer for layer in second if n1 < layer.n_rows]
        n_negative = max([n_low - 1, *(-layer.start for layer in readers)])
        n_read = max([n_low, *(layer.start + len(layer.response) for layer in readers)])
        rate = _rate(options, knobs.first, knobs.least_first, psi.sigma)
        needed = max(rate * len(response) + n_low, knobs.read * n_read)
        own = _own_points(options, period, psi.j)
        sizes.append(own if _keeps_all(options, dtype) else min(_fft_size(needed), own))
        bands.append((start, response / period))
        reads.append((n_negative, n_read))
    runs = _equal_runs(sizes) if _keeps_all(options, dtype) else _cheap_runs(sizes)
    layers = []
    for rows in runs:
        starts = tuple(start for start, _ in bands[rows])
        responses = [response for _, response in bands[rows]]
        padded = np.zeros(
            (len(responses), max(map(len, responses))), dtype=np.result_type(*responses)
        )
        for row, response in zip(padded, responses, strict=True):
            row[: len(response)] = response
        layers.append(
            FirstLayer(
                rows=rows,
                n_points=max(sizes[rows]),
                starts=starts,
                lengths=tuple(map(len, responses)),
                responses=_stored(padded, dtype),
                n_negative=max(n_negative for n_negative, _ in reads[rows]),
                n_read=max(n_read for _, n_read in reads[rows]),
            )
        )
    return tuple(layers)


def _rate(options: Options, most: float, least: float, sigma: float) -> float:
    """Choose a sampling rate relative to bandwidth, lower if more samples are averaged."""
    return float(min(max(most * (options.T * sigma / SIGMA0) ** -_DECAY, least), most))


def _stored(response: NDArray[np.inexact], dtype: Dtype) -> NDArray[np.inexact]:
    kind = np.result_type(dtype, np.complex64) if np.iscomplexobj(response) else np.dtype(dtype)
    return response.astype(kind)


def _half_band(phi: Filter, period: int, eps: float) -> Array:
    """Return the low-pass on its support from bin 0 up, to at most half the period."""
    start, H = phi.band(period, eps * 1e-2)
    return H[-start:][: period // 2 + 1]


def _keeps_all(options: Options, dtype: Dtype) -> bool:
    """Return whether paths are sampled at their own stride."""
    return options.average == "none" or options.all_samples(dtype)


def _own_points(options: Options, period: int, j: int) -> int:
    """Return the number of samples of a modulus at its own stride, at most that of the frames."""
    if options.average == "none":
        return period >> j
    return period >> min(j, options.stride.bit_length() - 1)


def _fft_size(needed: float) -> int:
    """Round up to 8, 9, 10, 12 or 15 times a power of two, which have fast FFTs."""
    power = int(2 ** max(0, math.ceil(math.log2(max(needed, 16) / 16))))
    return next(size * power for size in (8, 9, 10, 12, 15, 16) if size * power >= needed)


def _equal_runs(sizes: list[int]) -> list[slice]:
    cuts = [i for i in range(1, len(sizes)) if sizes[i] != sizes[i - 1]]
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, len(sizes)], strict=True)]


def _cheap_runs(sizes: list[int]) -> list[slice]:
    """Divide rows into runs of the size of their largest, at minimum total cost."""
    costs = {size: size * math.log2(size) for size in sizes}
    best, first = [0.0], [0]
    for stop in range(1, len(sizes) + 1):
        largest, totals = 0, []
        for start in range(stop - 1, -1, -1):
            largest = max(largest, sizes[start])
            lanes = -(-(stop - start) // LANES) * LANES
            totals.append((best[start] + lanes * costs[largest] + _RUN_COST, start))
        cost, start = min(totals)
        best.append(cost)
        first.append(start)
    runs, stop = [], len(sizes)
    while stop:
        runs.append(slice(first[stop], stop))
        stop = first[stop]
    return runs[::-1]


@dataclass(frozen=True, eq=False)
class HopWindow:
    """Averages as a matrix product: each hop of samples contributes to the frames around it.

    Parameters
    ----------
    weights : ndarray, shape (n_samples, n_reach)
        The low-pass at the samples of one hop, for each frame it contributes to.
    hops : ndarray of int, shape (n_frames, n_reach)
        Hops of the period that contribute to each frame.
    """

    weights: Array
    hops: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a block, and the low-pass evaluated at these only.

    Parameters
    ----------
    averager : ndarray of complex, shape (n_low,)
        The low-pass on bins 0, 1, ..., phase-shifted so that the first frame is at time 0.
    n_points : int
        Number of frames in the period.
    n_frames : int
        Number of frames needed, from the first on.
    windows : tuple of HopWindow or None
        One per second layer; None for averages in the Fourier domain.
    """

    averager: ComplexArray
    n_points: int
    n_frames: int
    windows: tuple[HopWindow | None, ...]


@lru_cache(maxsize=32)
def block_frames(options: Options, period: int, dtype: Dtype, offset: int, n_frames: int) -> Frames:
    """Compute the averages at the frames of a block.

    Parameters
    ----------
    options, period, dtype
        As in `block_plan`.
    offset : int
        Sample of the block at which the first frame is centered.
    n_frames : int
        Number of frames, `stride` samples apart; 1 for a global average, the mean over the period.
    """
    plan = block_plan(options, period, dtype)
    if options.average == "global":
        mean = np.ones(1, dtype=np.result_type(dtype, np.complex64))
        return Frames(mean, 1, 1, (None,) * len(plan.second))
    windows = tuple(
        _hop_window(options, period, dtype, layer.n_points, offset, n_frames)
        for layer in plan.second
    )
    return replace(frame_grid(plan, options.stride, offset, n_frames), windows=windows)


def frame_grid(plan: BlockPlan, stride: int, offset: int, n_frames: int) -> Frames:
    """Place frames, `stride` samples apart, without windows."""
    bins = np.arange(len(plan.low_pass))
    turns = bins * offset % plan.period / plan.period
    # The negative bins of a real signal mirror the positive ones, which therefore count twice.
    twice = np.where((bins == 0) | (2 * bins == plan.period), 1, 2)
    averager = plan.low_pass * twice * np.exp(2j * np.pi * turns)
    return Frames(
        averager=averager.astype(np.result_type(plan.low_pass, np.complex64)),
        n_points=max(1, plan.period // stride),
        n_frames=n_frames,
        windows=(),
    )


def _hop_window(
    options: Options, period: int, dtype: Dtype, n_points: int, offset: int, n_frames: int
) -> HopWindow | None:
    """Evaluate the low-pass in time around one hop; None if Fourier averages are better."""
    hop, n_hops = options.stride, max(1, period // options.stride)
    too_close = hop * _LEAST_STRIDE < options.T
    if options.all_samples(dtype) or too_close or n_points % n_hops or n_points < 2 * n_hops:
        return None
    sigma = options.bank.phi.sigma
    tail = _KNOBS[options.accuracy].tail
    reach = math.sqrt(-math.log(tail) / 2) / (math.pi * sigma)
    n_reach = min(n_hops, 2 * math.ceil(reach / hop) + 1)
    first = offset // hop - n_reach // 2
    spacing = period / n_points
    at = np.arange(n_points // n_hops) * spacing + (first * hop - offset)
    at = at[:, None] + hop * np.arange(n_reach)
    turns = np.arange(-math.ceil(reach / period), math.ceil(reach / period) + 1) * period
    weights = np.exp(-2 * (math.pi * sigma * (at[..., None] + turns)) ** 2).sum(axis=-1)
    weights *= spacing * sigma * math.sqrt(2 * math.pi)
    hops = (first + np.arange(n_frames)[:, None] + np.arange(n_reach)) % n_hops
    return HopWindow(weights.astype(dtype), hops)


@dataclass(frozen=True)
class Block:
    """A section of the signal and the frames computed from it.

    Parameters
    ----------
    start : int
        First sample of the block, negative in the padding.
    frames : slice
        The frames of the whole transform that this block computes.
    offset : int
        Sample of the block at which the first of these is centered.
    """

    start: int
    frames: slice
    offset: int

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return int(self.frames.stop - self.frames.start)


@dataclass(frozen=True)
class Layout:
    """The division of a signal into blocks of one period.

    Parameters
    ----------
    period : int
        Samples per block.
    n_frames : int
        Number of frames of the whole transform.
    start : int
        First sample of the first block.
    step : int
        Frames per block.
    stride : int
        Samples between frames.
    """

    period: int
    n_frames: int
    start: int
    step: int
    stride: int

    def __len__(self) -> int:
        """Return the number of blocks."""
        return -(-self.n_frames // self.step)

    def block(self, k: int) -> Block:
        """Return block `k` from 0."""
        first = k * self.step
        frames = slice(first, min(first + self.step, self.n_frames))
        return Block(self.start + first * self.stride, frames, -self.start)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Return all blocks in order."""
        return tuple(self.block(k) for k in range(len(self)))


def layout(options: Options, n_samples: int) -> Layout:
    """Divide a signal into overlapping blocks; a short one is a single block as in Kymatio.

    If the average is not local, a signal of any length is a single block.

    Parameters
    ----------
    options : Options
        Options of the transform.
    n_samples : int
        Length of the signal, at least 1.

    Returns
    -------
    layout : Layout
        Every frame is in exactly one block. Frame k is centered at sample k * stride; a global
        average has only one.
    """
    n_frames = 1 if options.average == "global" else -(-n_samples // options.stride)
    whole = options.average != "local"
    longest = longest_block(options)
    period = kymatio_period(n_samples, options.T)
    margin = _OVERLAP * options.scale
    if options.scale <= n_samples and (whole or period <= longest):
        # Kymatio's padding, for equal coefficients.
        return Layout(period, n_frames, -((period - n_samples) // 2), n_frames, options.stride)
    if n_samples + 2 * margin <= longest:
        period = 2 ** math.ceil(math.log2(n_samples + 2 * margin))
        return Layout(period, n_frames, -margin, n_frames, options.stride)
    step = max(1, (longest - 2 * margin) // options.stride)
    return Layout(longest, n_frames, -margin, step, options.stride)


def kymatio_period(n_samples: int, T: int) -> int:
    """Return the length of Kymatio's padded signal: about 15 T per side, at most 3 n_samples."""
    wanted = n_samples + 2 * _kymatio_padding(n_samples, T)
    most = math.floor(math.log2(max(3 * n_samples - 2, 1)))
    log2_period: int = min(math.ceil(math.log2(wanted)), most)
    return int(2**log2_period)


@lru_cache(maxsize=256)
def _kymatio_padding(n_samples: int, T: int) -> int:
    """Return three times the support outside which the low-pass has a thousandth of its mass."""
    sigma = filterbank(1, (1, 1), T).phi.sigma
    half = n_samples // 2
    t = np.arange(min(half, math.ceil(2 / sigma)))
    phi = gaussian_in_time(sigma, t)  # beyond 2 / sigma, it is below 1e-34
    tails = np.cumsum(phi[::-1])[::-1]
    below = np.flatnonzero(tails <= 1e-3)
    support = int(below[0]) + 1 if below.size else half
    return 3 * support
