"""A plan -> its cost: blocks, operations, memory, latency, coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scatseg.scattering.arguments import check_positive
from scatseg.scattering.joint_plan import JointOptions, joint_layout, joint_plan
from scatseg.scattering.plan import (
    BlockPlan,
    Dtype,
    Layout,
    Options,
    block_plan,
    layout,
    longest_block,
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of transforming a signal.

    Parameters
    ----------
    n_samples : int
        Length of the signal.
    n_paths, n_frames, stride : int
        Shape of the output, and samples between frames; 0 if each path has its own frames.
    n_coefficients : int
        Size of the output.
    n_blocks, period : int
        Number of blocks, and samples per block.
    overlap : float
        Share of samples of blocks that are in another block or in padding.
    n_operations : float
        Additions and multiplications, with 5 n log2 n for a Fourier transform of n points.
    n_bytes : int
        Working memory of a block per thread, without signal and output.
    latency : int
        Maximum number of samples that a stream reads beyond a frame before yielding it; 0 if it
        cannot be streamed.
    """

    n_samples: int
    n_paths: int
    n_frames: int
    stride: int
    n_coefficients: int
    n_blocks: int
    period: int
    overlap: float
    n_operations: float
    n_bytes: int
    latency: int

    def describe(self, sr: int | None = None) -> str:
        """Return a readable description, in seconds if `sr` (in Hz, positive) is given."""
        if sr is not None:
            check_positive("sr", sr)
        rows = [
            ("signal", _length(self.n_samples, sr)),
            ("output", f"{self.n_paths} paths, {self.n_coefficients:,} coefficients"),
            ("frames", self._frames(sr)),
            ("blocks", f"{self.n_blocks} of {_length(self.period, sr)}, {self.overlap:.0%} shared"),
            ("operations", f"{self.n_operations / 1e9:.3g} billion"),
            ("memory", f"{self.n_bytes / 1e6:.3g} MB beside the signal and the output"),
        ]
        if self.latency:
            rows.append(("latency", f"{_length(self.latency, sr)} in a stream"))
        return "\n".join(f"{name:<12}{text}" for name, text in rows)

    def _frames(self, sr: int | None) -> str:
        if not self.stride:
            return "as many as each path's own stride gives"
        if not self.latency:
            return "one for all"
        return f"{self.n_frames:,}, one every {_length(self.stride, sr)}"


def _length(n_samples: int, sr: int | None) -> str:
    return f"{n_samples:,} samples" if sr is None else f"{n_samples / sr:.4g} s"


def scattering_cost(options: Options, n_samples: int, dtype: Dtype, n_coefficients: int) -> Cost:
    """Estimate the cost of `Scattering1D` for a signal of `n_samples`."""
    cut = layout(options, n_samples)
    plan = block_plan(options, cut.period, dtype)
    n_paths = 1 + len(options.bank.psi1) + sum(layer.n_rows for layer in plan.second)
    second = sum(_second_operations(layer.n_rows, layer.n_points) for layer in plan.second)
    largest = max((layer.n_rows * layer.n_points for layer in plan.second), default=0)
    return _cost(options, cut, n_samples, plan, dtype, n_paths, n_coefficients, second, largest)


def joint_cost(
    options: JointOptions, n_samples: int, dtype: Dtype, n_paths: int, n_coefficients: int
) -> Cost:
    """Estimate the cost of `TimeFrequencyScattering` for a signal of `n_samples`."""
    cut = joint_layout(options, n_samples)
    plan = joint_plan(options, cut.period, dtype)
    operations, largest = 0.0, 0
    n_near = (
        min(16 * options.T, cut.period) // max(options.stride, 2 ** (options.T.bit_length() - 1))
        + 1
    )
    for layer in plan.joint:
        n_filters, n_points = layer.second.n_rows, layer.second.n_points
        n_along = 2 * len(layer.frequential.cosine)
        operations += 5 * n_filters * n_points * math.log2(max(n_points, 2))
        # Convolution along log-frequency, modulus, and averages.
        operations += n_along * n_points * (4 * n_filters + 4 + 2 * n_near)
        largest = max(largest, n_filters * n_points)
    return _cost(
        options.in_time,
        cut,
        n_samples,
        plan.block,
        dtype,
        n_paths,
        n_coefficients,
        operations,
        largest,
    )


def _cost(
    options: Options,
    cut: Layout,
    n_samples: int,
    plan: BlockPlan,
    dtype: Dtype,
    n_paths: int,
    n_coefficients: int,
    second_operations: float,
    largest_second: int,
) -> Cost:
    n_complex = 16 if dtype == "float64" else 8
    first = sum(_second_operations(len(layer.starts), layer.n_points) * 1.5 for layer in plan.first)
    spectra = sum(len(layer.starts) * (layer.n_negative + layer.n_read) for layer in plan.first)
    largest_first = max(len(layer.starts) * layer.n_points for layer in plan.first)
    # Buffer, its transform or modulus, and its spectrum; the block, and its spectrum twice.
    working = 2.5 * max(largest_first, largest_second) + spectra + 2 * cut.period
    transform_of_signal = 2.5 * cut.period * math.log2(max(cut.period, 2))
    covered = len(cut) * cut.period
    latency = longest_block(options) + cut.start if len(cut) > 1 else n_samples
    return Cost(
        n_samples=n_samples,
        n_paths=n_paths,
        n_frames=cut.n_frames,
        stride=0 if options.average == "none" else options.stride,
        n_coefficients=n_coefficients,
        n_blocks=len(cut),
        period=cut.period,
        overlap=max(0.0, 1 - n_samples / covered),
        n_operations=len(cut) * (transform_of_signal + first + second_operations),
        n_bytes=int((working + n_coefficients * cut.step / cut.n_frames) * n_complex),
        latency=latency if options.average == "local" else 0,
    )


def _second_operations(n_rows: int, n_points: int) -> float:
    """Count the operations of a complex transform, a modulus and an average of rows."""
    return n_rows * n_points * (5 * math.log2(max(n_points, 2)) + 4 + 32)
