"""TimeFrequencyScattering: a signal of any length -> joint time-frequency scattering (JTFS)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from scatseg.scattering.filterbank import filterbank
from scatseg.scattering.joint_plan import (
    FrequentialLayer,
    FrequentialPath,
    JointLayer,
    JointOptions,
    JointPlan,
    Path,
    joint_layout,
    joint_paths,
    joint_plan,
    time_average,
)
from scatseg.scattering.layers import (
    Array,
    ComplexArray,
    ModulusSpectra,
    NamedPaths,
    OutType,
    Scale,
    averaged,
    check_choice,
    check_integer,
    check_lengths_equal,
    check_scale,
    check_signal,
    check_stride,
    frame_grid,
    modulus_spectra,
    named_paths,
    reflected,
    scale_and_average,
    second_bands,
    signal_spectrum,
)
from scatseg.scattering.plan import Accuracy, Block, Dtype, Layout

_TILE = 50_000
"""Complex values along time and log-frequency that are worked on at once: they stay in cache."""


@dataclass(frozen=True)
class TimeFrequencyScattering:
    """Joint time-frequency scattering: Kymatio's coefficients, for any length, in bounded memory.

    Second-order wavelets act on time and on log-frequency together, so that a rising chirp
    differs from a falling one. Frame k is centered at exactly sample `k * stride`. A long
    signal is transformed block by block where the average over time is local.

    Parameters
    ----------
    J : int
        Log2 of the largest wavelet scale in samples.
    J_fr : int
        Log2 of the largest wavelet scale along log-frequency, in first-order wavelets.
    Q : int or (int, int), default 1
        Wavelets per octave in the first and second layer; an integer means (Q, 1).
    shape : optional
        Accepted for Kymatio's sake. Signals of any length can be transformed.
    T : int, 0 or "global", optional
        Averaging scale in samples, 2**J when absent. 0 does not average, "global" sums over the
        padded signal.
    stride : int, optional
        Samples between frames, a power of two, 2**floor(log2(T)) when absent. Only where T is
        a scale.
    Q_fr : int, default 1
        Wavelets per octave along log-frequency.
    F : int, 0 or "global", optional
        Averaging scale in first-order wavelets, at most (J + 1) * Q, 2**J_fr when absent.
    stride_fr : int, optional
        First-order wavelets between rows, a power of two of at most 2**J_fr,
        2**floor(log2(F)) when absent. Only where F is a scale.
    out_type : {"array", "list", "dict"}
        "array" needs paths of equal shape: T may not be 0, and with format "joint" F must be a
        scale.
    format : {"time", "joint"}
        Whether rows along log-frequency are paths of their own or an axis.
    accuracy : {"default", "fast", "exact"}
        Each path is sampled at its own bandwidth. Relative l2 errors of the first and second order
        stay below 1e-4 and 1e-3 (default), 1e-3 and 5e-3 (fast), 5e-5 and 1e-4 (exact); below four
        times that where T is 0.

    References
    ----------
    J. Andén, V. Lostanlen and S. Mallat, "Joint time-frequency scattering", IEEE Transactions on
    Signal Processing 67(14), 2019. Normalized as in Kymatio's main branch.

    Examples
    --------
    A rising chirp shows in the wavelets of spin 1, a falling one in those of spin -1:

    >>> S = TimeFrequencyScattering(J=8, J_fr=3, Q=8)
    >>> t = np.linspace(0, 1, 8192)
    >>> rising = np.cos(2 * np.pi * 8192 * 0.02 * 15**t / np.log(15))
    >>> coefficients = S(rising)
    >>> coefficients.shape
    (279, 32)
    >>> up, down = (S.meta()["spin"] == spin for spin in (1, -1))
    >>> second = S.meta()["order"] == 2
    >>> energy = np.sum(coefficients**2, axis=1)
    >>> bool(energy[second & up].sum() > 10 * energy[second & down].sum())
    True
    """

    J: int
    J_fr: int
    Q: int | tuple[int, int] = 1
    shape: int | tuple[int, ...] | None = None
    T: Scale = None
    stride: int | None = None
    Q_fr: int = 1
    F: Scale = None
    stride_fr: int | None = None
    out_type: OutType = "array"
    format: Literal["time", "joint"] = "time"
    accuracy: Accuracy = "default"

    def __post_init__(self) -> None:
        check_integer("J", self.J, 1)
        check_integer("J_fr", self.J_fr, 1)
        pair = self.Q if isinstance(self.Q, tuple) else (self.Q, 1)
        if len(pair) != 2:
            msg = f"Q must be an integer or a pair of integers, got {self.Q}"
            raise ValueError(msg)
        for value in pair:
            check_integer("Q", value, 1)
        check_integer("Q_fr", self.Q_fr, 1)
        check_scale("T", self.T)
        check_scale("F", self.F)
        check_stride("stride", self.stride, "T", self.T)
        check_stride("stride_fr", self.stride_fr, "F", self.F)
        check_choice("out_type", self.out_type, ("array", "list", "dict"))
        check_choice("format", self.format, ("time", "joint"))
        check_choice("accuracy", self.accuracy, ("fast", "default", "exact"))
        self._check_bank(pair[0])
        self._check_array()

    def _check_bank(self, Q1: int) -> None:
        F = 2**self.J_fr if self.F in (None, 0, "global") else self.F
        most = (self.J + 1) * Q1
        if cast(int, F) > most:
            name = "F" if F == self.F else "2**J_fr"
            msg = f"{name} may be at most (J + 1) * Q = {most}, the height of the bank, got {F}"
            raise ValueError(msg)
        if self.stride_fr is not None and self.stride_fr > 2**self.J_fr:
            msg = f"stride_fr may be at most 2**J_fr = {2**self.J_fr}, got {self.stride_fr}"
            raise ValueError(msg)

    def _check_array(self) -> None:
        check_lengths_equal(self.T, self.out_type)
        if self.out_type == "array" and self.format == "joint" and self.F in (0, "global"):
            msg = (
                f"F={self.F!r} gives paths of unequal heights: choose out_type="
                '"list" or "dict", or format="time"'
            )
            raise ValueError(msg)

    @property
    def options(self) -> JointOptions:
        """The options with every default filled in."""
        T, in_time = scale_and_average(self.T, 2**self.J)
        F, in_frequency = scale_and_average(self.F, 2**self.J_fr)
        Q1, Q2 = self.Q if isinstance(self.Q, tuple) else (self.Q, 1)
        log2_stride_fr = min(F.bit_length() - 1, int(self.J_fr))
        covering: Literal["padded", "covering"] = (
            "padded" if self.out_type == "array" else "covering"
        )
        return JointOptions(
            J=int(self.J),
            J_fr=int(self.J_fr),
            Q=(int(Q1), int(Q2)),
            Q_fr=int(self.Q_fr),
            T=T,
            stride=2 ** (T.bit_length() - 1) if self.stride is None else int(self.stride),
            time=in_time,
            F=F,
            stride_fr=2**log2_stride_fr if self.stride_fr is None else int(self.stride_fr),
            frequency=in_frequency,
            rows="inside" if self.format == "time" else covering,
            accuracy=self.accuracy,
        )

    def __call__(self, x: ArrayLike) -> Array | NamedPaths:
        """Transform signals.

        Parameters
        ----------
        x : array_like of float, shape (..., n_samples)
            Signals of any length, n_samples > 0. float64 is computed in float64, everything else
            in float32.

        Returns
        -------
        S : ndarray, list of dict, or dict
            "array": shape (..., n_paths, n_frames), or in format "joint" (..., n_paths, n_rows,
            n_frames) without order 0. "list": for each path its row of `meta` and "coef",
            shape (..., n_frames), in format "joint" (..., n_rows, n_frames) but for order 0.
            "dict": "coef" by key. Paths as in `meta`. n_frames is ceil(n_samples / stride).

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
        cut = joint_layout(options, n_samples)
        plan = joint_plan(options, cut.period, dtype)
        S, outputs = self._allocate(options, len(rows), n_samples, cut.n_frames, rows.dtype)
        for i, row in enumerate(rows):
            _transform(options, plan, cut, row, [output[i] for output in outputs])
        if S is not None:
            return S.reshape(*batch_shape, *S.shape[1:])
        return self._named([c.reshape(*batch_shape, *c.shape[1:]) for c in outputs])

    def _allocate(
        self, options: JointOptions, n_signals: int, n_samples: int, n_frames: int, dtype: np.dtype
    ) -> tuple[Array | None, list[Array]]:
        """Return the array (None in lists) and its parts: order 0, then each of the paths."""
        paths = joint_paths(options)
        if options.time == "global":
            lengths = [1] * (1 + len(paths))
        elif options.time == "local":
            lengths = [n_frames] * (1 + len(paths))
        else:
            psi2 = filterbank(options.J, options.Q, options.T).psi2
            strides = [1, *(2 ** (options.J if p.n2 is None else psi2[p.n2].j) for p in paths)]
            lengths = [-(-n_samples // stride) for stride in strides]
        heights = [1, *(len(path.rows) for path in paths)]
        if self.out_type != "array":
            pairs = zip(heights, lengths, strict=True)
            return None, [np.empty((n_signals, *pair), dtype=dtype) for pair in pairs]
        if self.format == "joint":
            S = np.empty((n_signals, len(paths), heights[-1], lengths[0]), dtype=dtype)
            order0 = np.empty((n_signals, 1, lengths[0]), dtype=dtype)
            return S, [order0, *np.moveaxis(S, 1, 0)]
        ends = np.cumsum(heights)
        S = np.empty((n_signals, ends[-1], lengths[0]), dtype=dtype)
        return S, np.split(S, ends[:-1], axis=1)

    def _named(self, outputs: Sequence[Array]) -> NamedPaths:
        coefficients = [outputs[0][..., 0, :]]
        for output in outputs[1:]:
            by_row = self.format == "time"
            coefficients += list(np.moveaxis(output, -2, 0)) if by_row else [output]
        meta = self.meta()
        return named_paths(self.out_type, coefficients, meta["key"], meta)

    def meta(self) -> dict[str, Any]:
        """Describe the paths of the output, in their order.

        Returns
        -------
        meta : dict
            "order" (n_paths,) int; "key" list of tuples: () for order 0, in format "time"
            (n1, n_fr) and (n1, n2, n_fr), in "joint" (n_fr,) and (n2, n_fr). "n" (n_paths, 2):
            n1 and n2, in format "joint" n1 is the range of the rows that are first-order wavelets.
            "xi", "sigma", "j" (n_paths, 2) of the first and second wavelet in cycles per sample;
            "n_fr", "xi_fr", "sigma_fr", "j_fr", "spin" (n_paths,) of the frequential one in cycles
            per first-order wavelet. NaN where there is none.
        """
        return _meta(self.options, self.format == "joint", self.out_type == "array")

    def output_size(self) -> int:
        """Count the paths of the output."""
        return len(self.meta()["key"])


def _output_rows(
    options: JointOptions, joint: bool, array: bool
) -> list[tuple[Path | None, int | range | float]]:
    """For each row of the output its path (None in order 0), and n1 or the range of it."""
    rows: list[tuple[Path | None, int | range | float]] = [(None, np.nan)]
    for path in joint_paths(options):
        if joint:
            rows.append((path, range(0, path.n1_max, path.rows.step)))
        else:
            rows += [(path, n1) for n1 in path.rows]
    return rows[1:] if joint and array else rows


def _meta(options: JointOptions, joint: bool, array: bool) -> dict[str, Any]:
    bank, psi_fr = filterbank(options.J, options.Q, options.T), options.bank_fr.psi
    rows = _output_rows(options, joint, array)
    meta: dict[str, Any] = {"order": np.zeros(len(rows), dtype=int), "key": []}
    meta["n"] = np.full((len(rows), 2), np.nan, dtype=object if joint else float)
    for name in ("xi", "sigma", "j"):
        meta[name] = np.full((len(rows), 2), np.nan)
    for name in ("n_fr", "xi_fr", "sigma_fr", "j_fr", "spin"):
        meta[name] = np.full(len(rows), np.nan)
    for i, (path, n1) in enumerate(rows):
        if path is None:
            meta["key"].append(())
            continue
        meta["order"][i] = 1 if path.n2 is None else 2
        meta["key"].append(path.key if joint else (n1, *path.key))
        for layer, (n, filters) in enumerate(((n1, bank.psi1), (path.n2, bank.psi2))):
            if n is not None:
                meta["n"][i, layer] = n
            if isinstance(n, int):
                for name in ("xi", "sigma", "j"):
                    meta[name][i, layer] = getattr(filters[n], name)
        psi = psi_fr[path.n_fr]
        meta["n_fr"][i], meta["spin"][i] = path.n_fr, psi.spin
        meta["xi_fr"][i], meta["j_fr"][i] = psi.xi, psi.j
        meta["sigma_fr"][i] = psi.wavelet.sigma
    return meta


def _transform(
    options: JointOptions, plan: JointPlan, cut: Layout, x: Array, outputs: Sequence[Array]
) -> None:
    """Fill the outputs of one signal: order 0, then each of the paths, (n_rows, n_frames) each."""
    for block in cut.blocks:
        here = reflected(x, block.start, cut.period)
        if options.time == "local":
            parts = [output[:, block.frames] for output in outputs]
            _transform_block(options, plan, here, block, parts)
            continue
        # On grids of every stride, as in Kymatio, which the start of the signal is on.
        here = np.roll(here, block.start)
        n_frames = cut.period >> options.J if options.time == "global" else cut.n_frames
        _transform_block(options, plan, here, Block(0, slice(0, n_frames)), outputs)
        outputs[0][:] = x if options.time == "none" else here.sum()


def _transform_block(
    options: JointOptions, plan: JointPlan, x: Array, block: Block, outputs: Sequence[Array]
) -> None:
    frames = frame_grid(plan.block, block, options.stride)
    spectrum = signal_spectrum(x, plan.block.lowest, plan.block.highest)
    if options.time == "local":
        outputs[0][:] = averaged(spectrum[None, -plan.block.lowest :], frames) / len(x)
    moduli = modulus_spectra(plan.block, spectrum)
    S1 = np.concatenate([averaged(V, frames) for _, V in moduli])
    _first_order(options, plan.first, S1, outputs[1:])
    for layer in plan.joint:
        if options.time == "none":
            _second_order_unaveraged(layer, moduli, outputs[1:])
        else:
            _second_order(options, layer, len(x), block, moduli, outputs[1:])


def _first_order(
    options: JointOptions, layer: FrequentialLayer, S1: Array, outputs: Sequence[Array]
) -> None:
    """Transform first-order coefficients (n_filters, n_frames) along log-frequency."""
    Z = _modulus(layer, S1.astype(np.result_type(S1, np.complex64)))
    if options.time == "global":
        Z = Z.sum(axis=1, keepdims=True)
    for path in layer.paths:
        outputs[path.path][:] = _rows_of(path, Z)


def _second_order(
    options: JointOptions,
    layer: JointLayer,
    period: int,
    block: Block,
    moduli: ModulusSpectra,
    outputs: Sequence[Array],
) -> None:
    """Transform and average all paths of one second filter, tile by tile along time."""
    Y = second_bands(layer.second, moduli)
    dtype: Dtype = "float64" if outputs[0].dtype == np.float64 else "float32"
    average = time_average(options, layer, period, block)
    total = np.zeros((2 * len(layer.frequential.cosine), average.n_columns), dtype=dtype)
    for first, last in _tiles(layer.frequential, layer.second.n_points):
        columns, weights = average.weights(first, last, dtype)
        Z = _modulus(layer.frequential, Y[:, first:last])
        total[:, columns] += Z @ weights
    if average.hop > options.stride:
        total = _interpolated(total, average.hop // options.stride)
    for path in layer.frequential.paths:
        output = outputs[path.path]
        output[:] = _rows_of(path, total[:, : output.shape[1]])


def _second_order_unaveraged(
    layer: JointLayer, moduli: ModulusSpectra, outputs: Sequence[Array]
) -> None:
    """Transform all paths of one second filter, on its own stride."""
    Y = second_bands(layer.second, moduli)
    n_frames = outputs[layer.frequential.paths[0].path].shape[1]
    for first, last in _tiles(layer.frequential, n_frames):
        Z = _modulus(layer.frequential, Y[:, first:last])
        for path in layer.frequential.paths:
            outputs[path.path][:, first:last] = _rows_of(path, Z)


def _modulus(layer: FrequentialLayer, Y: ComplexArray) -> Array:
    """|Y * psi_fr| at the samples of all paths, shape (n_samples, n_times): spin 1, then -1."""
    real = layer.cosine.dtype
    even = layer.cosine @ np.ascontiguousarray(Y).view(real)
    odd = layer.sine @ (1j * Y).view(real)
    Z = np.empty((2, len(even), Y.shape[1]), dtype=real)
    np.abs((even + odd).view(Y.dtype), out=Z[0])
    np.abs((even - odd).view(Y.dtype), out=Z[1])
    return Z.reshape(-1, Y.shape[1])


def _rows_of(path: FrequentialPath, Z: Array) -> Array:
    here = Z[path.samples]
    return here if path.average is None else path.average @ here


def _tiles(layer: FrequentialLayer, n_points: int) -> Iterator[tuple[int, int]]:
    width = max(32, _TILE // len(layer.cosine))
    for first in range(0, n_points, width):
        yield first, min(first + width, n_points)


def _interpolated(S: Array, factor: int) -> Array:
    """Make circular, band-limited rows `factor` times denser."""
    V = scipy.fft.rfft(S, norm="forward")
    return cast(Array, scipy.fft.irfft(V, S.shape[1] * factor, norm="forward"))
