"""Options and a length -> the plan of a joint time-frequency scattering, without a signal.

`plan` determines the first layer, this module the second: for each second filter, the number of
samples of |x * psi1| * psi2 in time, and the matrices that follow. There are few values along
log-frequency, so the convolutions with all frequential filters are one matrix product, evaluated
only on their support and at the density required by the bandwidth of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scatseg.scattering.filterbank import (
    SIGMA0,
    FrequentialBank,
    FrequentialFilter,
    filterbank,
    frequential_bank,
)
from scatseg.scattering.plan import (
    Accuracy,
    Average,
    BlockPlan,
    Dtype,
    Frames,
    Layout,
    Options,
    SecondLayer,
    block_plan,
    frame_grid,
    layout,
    longest_block,
)
from scatseg.scattering.remembering import remembered

Array = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_LEAST_WEIGHT = 1e-30
"""Value of a low-pass in time, relative to its peak, below which it is 0: far below rounding.

Products with denormal numbers, which smaller values are in float32, take ten times as long.
"""

_NEARLY = 0.8
"""Ratio of sampling densities along log-frequency from which on Kymatio's grid is used.

Filters that are wide for their stride alias there, which is visible in the ridge of a chirp.
"""


@dataclass(frozen=True)
class _Knobs:
    """Parameters of the second layer at one accuracy.

    `eps` is the truncation threshold of second filters relative to their peak. `time` is the
    sampling rate relative to their bandwidth, to which `low` times the bandwidth of the low-pass is
    added. `frequency` is the number of samples per first-order filter over sigma of the frequential
    filter, `tail` its truncation threshold, and `reach` that of the low-pass in time.
    """

    eps: float
    time: float
    low: float
    frequency: float
    tail: float
    reach: float


_KNOBS: dict[str, _Knobs] = {
    "fast": _Knobs(eps=3e-3, time=1.0, low=1.0, frequency=7.0, tail=2e-2, reach=1e-5),
    "default": _Knobs(eps=5e-4, time=1.2, low=2.0, frequency=8.5, tail=1e-2, reach=1e-5),
    "exact": _Knobs(eps=2e-5, time=2.5, low=2.0, frequency=20.0, tail=1e-3, reach=1e-5),
}

_ALL = _Knobs(eps=1e-14, time=math.inf, low=0.0, frequency=math.inf, tail=1e-16, reach=1e-16)
"""The same samples as Kymatio, with filters of the same length: "exact" in float64."""


def _knobs(options: JointOptions, dtype: Dtype) -> _Knobs:
    return _ALL if options.in_time.all_samples(dtype) else _KNOBS[options.accuracy]


@dataclass(frozen=True)
class JointOptions:
    """All options that determine the coefficients, already validated.

    `T` and `F` are the scales of the low-pass filters even if the averages are "global" or "none".
    `rows` selects the rows along log-frequency: all of the padded axis, one more than the number of
    filters, or those of filters.
    """

    J: int
    J_fr: int
    Q: tuple[int, int]
    Q_fr: int
    T: int
    stride: int
    time: Average
    F: int
    stride_fr: int
    frequency: Average
    rows: Literal["padded", "covering", "inside"]
    accuracy: Accuracy

    @property
    def in_time(self) -> Options:
        """Options of the scattering in time whose first layer this one shares."""
        average: Average = "none" if self.time == "none" else "local"
        return Options(self.J, self.Q, self.T, self.stride, 2, self.accuracy, average)

    @property
    def n_bins(self) -> int:
        """Kymatio's period along log-frequency, a multiple of 2**J_fr."""
        padding = 8 * min(self.F, 2**self.J_fr)
        n_blocks: int = ((self.J + 1) * self.Q[0] + padding) // 2**self.J_fr
        return n_blocks << self.J_fr

    @property
    def bank_fr(self) -> FrequentialBank:
        """The filters along log-frequency."""
        return frequential_bank(self.J_fr, self.Q_fr, self.F)


@dataclass(frozen=True, eq=False)
class Path:
    """One second filter (none in order 1) and one frequential filter.

    Parameters
    ----------
    n2 : int or None
        Index of the second filter.
    n_fr : int
        Index of the frequential filter.
    n1_max : int
        Number of first-order filters that contribute.
    rows : range
        Indices along log-frequency at which it is sampled.
    """

    n2: int | None
    n_fr: int
    n1_max: int
    rows: range

    @property
    def key(self) -> tuple[int, ...]:
        """Kymatio's name for the path, without n1."""
        return (self.n_fr,) if self.n2 is None else (self.n2, self.n_fr)


@lru_cache(maxsize=16)
def joint_paths(options: JointOptions) -> tuple[Path, ...]:
    """List orders 1 and 2 in the order of the output: by n_fr, then by (n2, n_fr)."""
    bank, psi_fr = filterbank(options.J, options.Q, options.T), options.bank_fr.psi
    reach: list[tuple[int | None, int]] = [(None, len(bank.psi1))]
    reach += [(n2, sum(f.j < psi.j for f in bank.psi1)) for n2, psi in enumerate(bank.psi2)]
    return tuple(
        Path(n2, n_fr, n1_max, _rows(options, n1_max, psi))
        for n2, n1_max in reach
        for n_fr, psi in enumerate(psi_fr)
        if n1_max > 0 and (n2 is not None or psi.spin >= 0)
    )


def _rows(options: JointOptions, n1_max: int, psi: FrequentialFilter) -> range:
    if psi.spin and options.frequency == "global":
        return range(0, n1_max, n1_max)
    averaged = options.frequency == "local" and (psi.spin or options.rows == "padded")
    step = options.stride_fr if averaged else 2**psi.j
    if options.rows == "padded":
        return range(0, options.n_bins, step)
    if options.rows == "covering":
        return range(0, min((n1_max // step + 1) * step, options.n_bins), step)
    return range(0, n1_max, step)


@dataclass(frozen=True, eq=False)
class FrequentialPath:
    """The conversion of samples of one path along log-frequency to its rows.

    Parameters
    ----------
    path : int
        Index in `joint_paths`.
    samples : slice
        Its samples; those of spins 0 and 1 come first, then all with spin -1.
    average : ndarray, shape (n_rows, n_samples), or None
        Matrix from samples to rows; None for the identity.
    """

    path: int
    samples: slice
    average: Array | None


@dataclass(frozen=True, eq=False)
class FrequentialLayer:
    """All frequential filters on the first-order filters that contribute to one second filter.

    Parameters
    ----------
    cosine, sine : ndarray, shape (n_samples, n_rows)
        Real and imaginary part of the convolution matrices of spin 0 and 1. Those of spin -1 are
        the conjugates.
    paths : tuple of FrequentialPath
    """

    cosine: Array
    sine: Array
    paths: tuple[FrequentialPath, ...]


@dataclass(frozen=True, eq=False)
class JointLayer:
    """All paths of one second filter: first in time, then along log-frequency.

    `j2` is log2 of the second filter's own stride.
    """

    second: SecondLayer
    j2: int
    frequential: FrequentialLayer


@dataclass(frozen=True, eq=False)
class JointPlan:
    """The plan of one block.

    Parameters
    ----------
    block : BlockPlan
        Plan of the first layer.
    first : FrequentialLayer
        Order 1 along log-frequency.
    joint : tuple of JointLayer
        Order 2, by second filter.
    """

    block: BlockPlan
    first: FrequentialLayer
    joint: tuple[JointLayer, ...]


@remembered(lambda options: longest_block(options.in_time), 8)
def joint_plan(options: JointOptions, period: int, dtype: Dtype) -> JointPlan:
    """Compute the plan of one block.

    Parameters
    ----------
    options : JointOptions
        Options of the transform.
    period : int
        Samples in the block, a power of two.
    dtype : {"float32", "float64"}
        Precision of filters and averages.
    """
    block = block_plan(options.in_time, period, dtype)
    bank = filterbank(options.J, options.Q, options.T)
    layers = []
    for n2, psi in enumerate(bank.psi2):
        n_rows = sum(first.j < psi.j for first in bank.psi1)
        if n_rows:
            knobs = _knobs(options, dtype)
            start, response = psi.band(period, knobs.eps)
            n_low = len(block.low_pass)
            n_points = _time_points(options, knobs, period, psi.j, len(response), n_low)
            second = SecondLayer(n2, n_rows, n_points, start, response.astype(dtype))
            frequential = _frequential_layer(options, n2, n_rows, dtype)
            layers.append(JointLayer(second, psi.j, frequential))
    first_order = _frequential_layer(options, None, len(bank.psi1), dtype)
    return JointPlan(block, first_order, tuple(layers))


def _time_points(
    options: JointOptions, knobs: _Knobs, period: int, j2: int, n_band: int, n_low: int
) -> int:
    """Return the number of samples in time of |Y2 * psi_fr|, which has the bandwidth of psi2."""
    if options.time == "none":
        return period >> j2
    needed = knobs.time * n_band + knobs.low * n_low
    most = period >> min(j2, options.stride.bit_length() - 1)
    return most if needed >= most else min(int(scipy.fft.next_fast_len(math.ceil(needed))), most)


def _frequential_layer(
    options: JointOptions, n2: int | None, n1_max: int, dtype: Dtype
) -> FrequentialLayer:
    kernels, paths, ends = [], [], [0]
    psi_fr = options.bank_fr.psi
    here = [(i, path) for i, path in enumerate(joint_paths(options)) if path.n2 == n2]
    for i, path in here:
        psi = psi_fr[path.n_fr]
        if psi.spin < 0:
            break
        samples, average = _sampling(options, _knobs(options, dtype), path, psi)
        kernels.append(_impulse_response(psi, options.n_bins, samples, np.arange(n1_max)))
        ends.append(ends[-1] + len(samples))
        average = None if average is None else average.astype(dtype)
        paths.append(FrequentialPath(i, slice(*ends[-2:]), average))
    for i, path in here[len(paths) :]:
        twin = paths[path.n_fr - len(psi_fr) // 2]
        behind = slice(twin.samples.start + ends[-1], twin.samples.stop + ends[-1])
        paths.append(FrequentialPath(i, behind, twin.average))
    kernel = np.concatenate(kernels)
    return FrequentialLayer(kernel.real.astype(dtype), kernel.imag.astype(dtype), tuple(paths))


def _impulse_response(
    psi: FrequentialFilter,
    n_bins: int,
    at: NDArray[np.float64],
    source: NDArray[np.integer | np.floating],
) -> ComplexArray:
    """Compute the circular response at `at` to impulses at `source`, shape (n_at, n_source)."""
    start, H = psi.band(n_bins, 1e-9)
    turns = 2j * np.pi * np.arange(start, start + len(H)) / n_bins
    return np.asarray(np.exp(np.outer(at, turns)) * (H / n_bins) @ np.exp(-np.outer(turns, source)))


def _sampling(
    options: JointOptions, knobs: _Knobs, path: Path, psi: FrequentialFilter
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the samples of a path along log-frequency, and the matrix from these to its rows."""
    rows = np.array(path.rows, dtype=float)
    if psi.spin == 0 or options.frequency == "none":
        return rows, None
    if options.frequency == "global":
        samples, spacing = _samples(options, knobs, path, psi, 2**psi.j)
        return samples, np.full((1, len(samples)), spacing / 2**psi.j)
    samples, spacing = _samples(options, knobs, path, psi, min(2**psi.j, options.stride_fr))
    low_pass = _impulse_response(options.bank_fr.phi, options.n_bins, rows, samples).real
    return samples, np.asarray(low_pass * spacing)


def _samples(
    options: JointOptions, knobs: _Knobs, path: Path, psi: FrequentialFilter, stride: int
) -> tuple[NDArray[np.float64], float]:
    """Return sample positions and spacing for an averaged modulus, never denser than Kymatio's."""
    sigma = psi.wavelet.sigma
    if path.n2 is None or math.isinf(knobs.frequency):
        return np.arange(0.0, options.n_bins, stride), float(stride)
    rate = knobs.frequency * sigma
    if options.frequency == "local":  # aliases must be above the band of the low-pass
        rate = max(rate, rate / 2 + 4.5 * SIGMA0 / options.F)
    n_around = math.ceil(rate * options.n_bins)
    if n_around * stride > _NEARLY * options.n_bins:
        n_around = options.n_bins // stride
    spacing = options.n_bins / n_around
    tail = math.sqrt(-2 * math.log(knobs.tail)) / (2 * math.pi * sigma)
    first, last = math.floor(-tail / spacing), math.ceil((path.n1_max - 1 + tail) / spacing)
    n_samples = min(last + 1 - first, n_around)
    return spacing * np.arange(first, first + n_samples, dtype=np.float64), spacing


def joint_layout(options: JointOptions, n_samples: int) -> Layout:
    """Divide a signal into blocks, as `plan.layout`."""
    return layout(replace(options.in_time, average=options.time), n_samples)


@dataclass(frozen=True, eq=False)
class TileAverage:
    """The contribution of a tile of samples in time to averages.

    Parameters
    ----------
    first, last : int
        Range of samples.
    columns : ndarray of int, shape (n_columns,)
        Indices of the averages.
    weights : ndarray, shape (last - first, n_columns)
    """

    first: int
    last: int
    columns: NDArray[np.intp]
    weights: Array


@dataclass(frozen=True, eq=False)
class TimeAverage:
    """The low-pass in time of the paths of one second filter, evaluated at the frames only.

    Parameters
    ----------
    tiles : tuple of TileAverage
    n_columns : int
        Number of averages.
    density : int
        Frames per average. Closely spaced frames are interpolated from coarser averages over the
        whole period.
    """

    tiles: tuple[TileAverage, ...]
    n_columns: int
    density: int


@dataclass(frozen=True, eq=False)
class JointFrames:
    """The frames of a block: of orders 0 and 1, and of the paths of each second filter."""

    frames: Frames
    averages: tuple[TimeAverage, ...]


@lru_cache(maxsize=16)
def joint_frames(
    options: JointOptions, period: int, dtype: Dtype, offset: int, n_frames: int, tile: int
) -> JointFrames:
    """Compute the averages at the frames of a block.

    Parameters
    ----------
    options, period, dtype
        As in `joint_plan`.
    offset : int
        Sample of the block at which the first frame is centered.
    n_frames : int
        Number of frames, `stride` samples apart.
    tile : int
        Values along time and log-frequency processed at a time.
    """
    plan = joint_plan(options, period, dtype)
    frames = frame_grid(plan.block, options.stride, offset, n_frames)
    if options.time == "none":
        return JointFrames(frames, ())
    averages = (
        _time_average(options, layer, period, dtype, offset, n_frames, tile) for layer in plan.joint
    )
    return JointFrames(frames, tuple(averages))


def tiles(layer: JointLayer, n_points: int, tile: int) -> list[tuple[int, int]]:
    """Divide the samples in time so that `tile` values along both axes are processed at a time."""
    width = max(32, tile // len(layer.frequential.cosine))
    return [(first, min(first + width, n_points)) for first in range(0, n_points, width)]


def _time_average(
    options: JointOptions,
    layer: JointLayer,
    period: int,
    dtype: Dtype,
    offset: int,
    n_frames: int,
    tile: int,
) -> TimeAverage:
    n_points = layer.second.n_points
    cuts = tiles(layer, n_points, tile)
    if options.time == "global":  # a sum over the samples of the filter's own stride
        weight = period / 2**layer.j2 / n_points
        column = np.zeros(1, dtype=np.intp)
        sums = (
            TileAverage(first, last, column, np.full((last - first, 1), weight, dtype=dtype))
            for first, last in cuts
        )
        return TimeAverage(tuple(sums), 1, 1)
    coarse = 2 ** (options.T.bit_length() - 1)
    fine = options.stride < coarse and not options.in_time.all_samples(dtype)
    low_pass = _LowPass(
        period=period,
        spacing=period / n_points,
        sigma=SIGMA0 / options.T,
        offset=offset,
        hop=coarse if fine else options.stride,
        n_columns=period // coarse if fine else n_frames,
        reach=_knobs(options, dtype).reach,
    )
    averages = []
    for first, last in cuts:
        columns, weights = low_pass.weights(first, last)
        averages.append(TileAverage(first, last, columns, weights.astype(dtype)))
    return TimeAverage(tuple(averages), low_pass.n_columns, low_pass.hop // options.stride)


@dataclass(frozen=True)
class _LowPass:
    """A Gaussian on a circle of `period` samples, centered at `offset + c * hop`, c < n_columns.

    It is sampled every `spacing` samples, and ends where it is below `reach` times its peak.
    """

    period: int
    spacing: float
    sigma: float
    offset: int
    hop: int
    n_columns: int
    reach: float

    def weights(self, first: int, last: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the centers within reach of samples `first` to `last`, and the values there."""
        center, half = ((last + sign * first) / 2 * self.spacing for sign in (1, -1))
        reach = half + math.sqrt(-math.log(self.reach) / 2) / (math.pi * self.sigma)
        columns = self._columns(center - reach, center + reach)
        away = self.offset + columns * self.hop - center
        away = (away + self.period / 2) % self.period - self.period / 2
        near = np.arange(first, last)[:, None] * self.spacing - center
        n_turns = math.ceil(reach / self.period - 0.5)
        weights = np.zeros((last - first, len(columns)))
        for turn in range(-n_turns, n_turns + 1):
            z = math.sqrt(2) * math.pi * self.sigma * (away + turn * self.period - near)
            weights += np.exp(-np.square(z))
        weights[weights < _LEAST_WEIGHT] = 0
        return columns, weights * self.spacing * self.sigma * math.sqrt(2 * math.pi)

    def _columns(self, earliest: float, latest: float) -> NDArray[np.intp]:
        if latest - earliest + self.hop >= self.period:
            return np.arange(self.n_columns)
        low = math.ceil((earliest - self.offset) / self.hop)
        high = math.floor((latest - self.offset) / self.hop) + 1
        columns = np.arange(low, high) % (self.period // self.hop)
        return np.sort(columns[columns < self.n_columns])
