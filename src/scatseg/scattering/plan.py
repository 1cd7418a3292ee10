"""Options and a length -> the numbers of a transform: rates, slices, blocks. No signal here.

The modulus does not see a frequency shift, so |x * psi| is computed at baseband and sampled
at the bandwidth of psi, not at twice its upper edge. Everything that follows from this is
decided here: how many points each path needs, and which Fourier bins go where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scatseg.scattering.filterbank import Filter, filterbank

Accuracy = Literal["fast", "default", "exact"]
Average = Literal["local", "global", "none"]
Dtype = Literal["float32", "float64"]

_OVERLAP = 8
"""Averaging scales by which blocks of a long signal overlap on each side (error 1e-5).

With 6, the seam in quiet bands' logarithms is as large as the step between frames of music.
"""

_BLOCK_SCALES = 64
"""Averaging scales in a block; fewer waste overlap, more leave the cache."""

_MIN_BLOCK = 2**16


@dataclass(frozen=True)
class _Knobs:
    """What an accuracy means.

    `eps` is where filters are cut off, relative to their peak. The others are sampling rates over
    bandwidth: of the first layer, of what the second layer reads from it, and of the second layer.
    What the low-pass reads is added to both layers, so that aliases land above it.
    """

    eps: float
    first: float
    read: float
    second: float


_KNOBS: dict[str, _Knobs] = {
    "fast": _Knobs(eps=1e-3, first=1.5, read=2.0, second=1.0),
    "default": _Knobs(eps=8e-5, first=3.0, read=3.0, second=1.3),
    "exact": _Knobs(eps=1e-5, first=4.0, read=4.0, second=2.5),
}
"""The errors that they give are in the docstring of `Scattering1D`."""


@dataclass(frozen=True)
class Options:
    """What determines the coefficients, checked by the transform that owns it.

    `T` is the scale of the low-pass also where `average` is "global" or "none".
    """

    J: int
    Q: tuple[int, int]
    T: int
    stride: int
    max_order: int
    accuracy: Accuracy
    average: Average = "local"


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """First-order paths that share a number of points.

    Parameters
    ----------
    rows : slice
        Which of the first-order filters.
    n_points : int
        Samples of |x * psi1| over the block's period.
    starts : tuple of int
        First Fourier bin of each filter's support.
    responses : tuple of ndarray
        Each filter on its support, divided by the block's period.
    n_read : int
        Bins of the modulus' spectrum, from 0 up, that a later step reads.
    """

    rows: slice
    n_points: int
    starts: tuple[int, ...]
    responses: tuple[NDArray[np.float32 | np.float64], ...]
    n_read: int


@dataclass(frozen=True, eq=False)
class SecondLayer:
    """Second-order paths that share their second filter: the first `n_rows` first-order ones."""

    n2: int
    n_rows: int
    n_points: int
    start: int
    response: NDArray[np.float32 | np.float64]


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """How one block of `period` samples is transformed.

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
        Range of Fourier bins of the signal that the first layer reads; `highest` excluded.
    """

    period: int
    low_pass: NDArray[np.float32 | np.float64]
    first: tuple[FirstLayer, ...]
    second: tuple[SecondLayer, ...]
    lowest: int
    highest: int


@lru_cache(maxsize=16)
def block_plan(options: Options, period: int, dtype: Dtype) -> BlockPlan:
    """Decide everything about one block.

    Parameters
    ----------
    options : Options
        Of the transform.
    period : int
        Samples in the block, a power of two.
    dtype : {"float32", "float64"}
        How the filters are stored.
    """
    knobs = _KNOBS[options.accuracy]
    bank = filterbank(options.J, options.Q, options.T)
    low_pass = _half_band(bank.phi, period, knobs.eps)
    n_low = len(low_pass)
    second = _second_layer(options, period, knobs, n_low, dtype) if options.max_order > 1 else ()
    first = _first_layer(options, period, knobs, second, n_low, dtype)
    ends = [
        (start, start + len(response))
        for layer in first
        for start, response in zip(layer.starts, layer.responses, strict=True)
    ]
    return BlockPlan(
        period=period,
        low_pass=low_pass.astype(dtype),
        first=first,
        second=second,
        lowest=min(0, *(start for start, _ in ends)),
        highest=max(len(low_pass), *(stop for _, stop in ends)),
    )


def _second_layer(
    options: Options, period: int, knobs: _Knobs, n_low: int, dtype: Dtype
) -> tuple[SecondLayer, ...]:
    bank = filterbank(options.J, options.Q, options.T)
    layers = []
    for n2, psi in enumerate(bank.psi2):
        n_rows = sum(first.j < psi.j for first in bank.psi1)
        if not n_rows:
            continue
        start, response = psi.band(period, knobs.eps)
        needed = knobs.second * len(response) + min(n_low, len(response))
        n_points = _n_points(options, period, psi.j, needed)
        layers.append(SecondLayer(n2, n_rows, n_points, start, response.astype(dtype)))
    return tuple(layers)


def _first_layer(
    options: Options,
    period: int,
    knobs: _Knobs,
    second: tuple[SecondLayer, ...],
    n_low: int,
    dtype: Dtype,
) -> tuple[FirstLayer, ...]:
    """Cut the first layer into runs of filters with equal numbers of points."""
    rows = []
    for n1, psi in enumerate(filterbank(options.J, options.Q, options.T).psi1):
        start, response = psi.band(period, knobs.eps)
        readers = [layer for layer in second if n1 < layer.n_rows]
        n_read = max([n_low, *(layer.start + len(layer.response) for layer in readers)])
        averaged = knobs.first * len(response) + min(n_low, len(response))
        needed = max(averaged, knobs.read * n_read)
        n_points = _n_points(options, period, psi.j, needed)
        rows.append((n_points, start, response / period, min(n_read, n_points // 2)))
    layers = []
    first = 0
    for last in range(1, len(rows) + 1):
        if last == len(rows) or rows[last][0] != rows[first][0]:
            run = rows[first:last]
            layers.append(
                FirstLayer(
                    rows=slice(first, last),
                    n_points=run[0][0],
                    starts=tuple(row[1] for row in run),
                    responses=tuple(row[2].astype(dtype) for row in run),
                    n_read=max(row[3] for row in run),
                )
            )
            first = last
    return tuple(layers)


def _half_band(phi: Filter, period: int, eps: float) -> NDArray[np.float64]:
    """Return the low-pass on its support from bin 0 up."""
    start, H = phi.band(period, eps * 1e-2)
    return H[-start:]


def _n_points(options: Options, period: int, j: int, needed: float) -> int:
    """Count the samples of a modulus: all those of its own stride where they are the output."""
    if options.average == "none":
        return period >> j
    log2_stride = options.stride.bit_length() - 1
    return _fft_size(math.ceil(needed), period >> min(j, log2_stride))


def _fft_size(needed: int, most: int) -> int:
    """Round up to 4, 5 or 6 times a power of two: finely graded, and all of them fast."""
    power = int(2 ** max(0, math.ceil(math.log2(max(needed, 8) / 8))))
    sizes = (s * power for s in (4, 5, 6, 8))
    return min(next(size for size in sizes if size >= needed), most)


@dataclass(frozen=True)
class Block:
    """A stretch of the signal and the frames that come out of it.

    Parameters
    ----------
    start : int
        First sample of the block, negative where padding comes before the signal.
    frames : slice
        The frames of the whole transform that this block computes.
    """

    start: int
    frames: slice


@dataclass(frozen=True)
class Layout:
    """How a signal is cut into blocks, all of one period."""

    period: int
    n_frames: int
    blocks: tuple[Block, ...]


def layout(options: Options, n_samples: int) -> Layout:
    """Cut a signal into overlapping blocks; a short one is a single block as in Kymatio.

    Where the average is not local, a signal of any length is a single block.

    Parameters
    ----------
    options : Options
        Of the transform.
    n_samples : int
        Length of the signal, at least 1.

    Returns
    -------
    layout : Layout
        Every frame is in exactly one block. Frame k is centered at sample k * stride; there is
        only one where the average is global.
    """
    n_frames = 1 if options.average == "global" else -(-n_samples // options.stride)
    whole = options.average != "local"
    scale = max(options.T, 2**options.J)
    longest = max(_MIN_BLOCK, 2 ** math.ceil(math.log2(_BLOCK_SCALES * scale)))
    period = kymatio_period(n_samples, options.T)
    margin = _OVERLAP * scale
    if scale <= n_samples and (whole or period <= longest):
        # Kymatio's geometry, kept where it can be: equal coefficients.
        start = -((period - n_samples) // 2)
        return Layout(period, n_frames, (Block(start, slice(0, n_frames)),))
    if n_samples + 2 * margin <= longest:
        period = 2 ** math.ceil(math.log2(n_samples + 2 * margin))
        return Layout(period, n_frames, (Block(-margin, slice(0, n_frames)),))
    step = max(1, (longest - 2 * margin) // options.stride)
    starts = range(0, n_frames, step)
    return Layout(
        longest,
        n_frames,
        tuple(
            Block(k * options.stride - margin, slice(k, min(k + step, n_frames))) for k in starts
        ),
    )


def kymatio_period(n_samples: int, T: int) -> int:
    """Length to which Kymatio pads a signal: about 15 T on each side, capped near 3 n_samples."""
    wanted = n_samples + 2 * _kymatio_padding(n_samples, T)
    most = math.floor(math.log2(max(3 * n_samples - 2, 1)))
    log2_period: int = min(math.ceil(math.log2(wanted)), most)
    return int(2**log2_period)


@lru_cache(maxsize=256)
def _kymatio_padding(n_samples: int, T: int) -> int:
    """Three times the support outside which the low-pass holds a thousandth of its mass."""
    sigma = filterbank(1, (1, 1), T).phi.sigma
    half = n_samples // 2
    t = np.arange(min(half, math.ceil(2 / sigma)))
    # The Gaussian's transform in time; beyond 2 / sigma it is below 1e-34.
    phi = sigma * math.sqrt(2 * math.pi) * np.exp(-2 * (math.pi * sigma * t) ** 2)
    tails = np.cumsum(phi[::-1])[::-1]
    below = np.flatnonzero(tails <= 1e-3)
    support = int(below[0]) + 1 if below.size else half
    return 3 * support
