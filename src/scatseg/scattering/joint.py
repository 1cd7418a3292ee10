"""TimeFrequencyScattering: a signal of any length -> joint time-frequency scattering (JTFS)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike

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
from scatseg.scattering.arrays import Arrays, Tensor, arrays_of, dtype_of, uncompiled
from scatseg.scattering.blocks import (
    Compute,
    each_signal,
    from_zero,
    n_threads,
    streamed,
    transformed,
)
from scatseg.scattering.costs import Cost, joint_cost
from scatseg.scattering.filterbank import filterbank
from scatseg.scattering.joint_plan import (
    FrequentialLayer,
    FrequentialPath,
    JointFrames,
    JointLayer,
    JointOptions,
    JointPlan,
    Path,
    TimeAverage,
    joint_frames,
    joint_layout,
    joint_paths,
    joint_plan,
    tiles,
)
from scatseg.scattering.layers import (
    averaged,
    first_moduli,
    second_bands,
    signal_spectrum,
)
from scatseg.scattering.plan import Accuracy, Block, Dtype, longest_block
from scatseg.scattering.units import physical_meta, to_frame


@dataclass(frozen=True)
class TimeFrequencyScattering:
    """Joint time-frequency scattering: Kymatio's coefficients, for any length, in bounded memory.

    Second-order wavelets act jointly on time and log-frequency, and thus distinguish rising from
    falling chirps. Frame k is centered exactly at sample `k * stride`. Long signals are transformed
    in blocks if the average over time is local.

    Parameters
    ----------
    J : int
        Log2 of the largest wavelet scale in samples; for short signals, see `Scattering1D`.
    J_fr : int
        Log2 of the largest wavelet scale along log-frequency, in first-order wavelets.
    Q : int or (int, int), default 1
        Wavelets per octave in the first and second layer; an integer means (Q, 1).
    shape : int or (int,), optional
        Accepted for compatibility with Kymatio, where it is needed. Signals may have any length.
    T : int, 0 or "global", optional
        Averaging scale in samples, at most the length of the signal; 2**J by default. 0 does not
        average, "global" sums over the padded signal. Its mirrored parts, up to twice as long as
        the signal, have the opposite spins.
    stride : int, optional
        Samples between frames, a power of two, 2**floor(log2(T)) by default. Only if T is a scale.
    Q_fr : int, default 1
        Wavelets per octave along log-frequency.
    F : int, 0 or "global", optional
        Averaging scale in first-order wavelets, at most (J + 1) * Q, 2**J_fr by default.
    stride_fr : int, optional
        First-order wavelets between rows, a power of two of at most 2**J_fr,
        2**floor(log2(F)) by default. Only if F is a scale.
    out_type : {"array", "list", "dict"}
        "array" needs paths of equal shape: T may not be 0, and with format "joint" F must be a
        scale.
    format : {"time", "joint"}
        Whether rows along log-frequency are separate paths or an axis.
    accuracy : {"default", "fast", "exact"}
        Each path is sampled at its own bandwidth. Of white noise, relative l2 errors of the first
        and second order are below 1e-4 and 1e-3 (default), 1e-3 and 5e-3 (fast), 5e-5 and 1e-4
        (exact); below four times that if T is 0; of other sounds, see `Scattering1D`. In float64,
        "exact" computes the same samples as Kymatio and agrees to 1e-9 for signals of one block
        (see `plan`), where its frames are at multiples of the stride, except for the widest falling
        wavelet, whose tail Kymatio truncates (1e-4).
    workers : int, optional
        Number of threads over signals and blocks, without effect on the coefficients or on the
        equality of transforms. By default OMP_NUM_THREADS if set, else all cores.

    Raises
    ------
    ValueError
        When an option is out of range, or the array would have rows of unequal length.

    References
    ----------
    J. Andén, V. Lostanlen and S. Mallat, "Joint time-frequency scattering", IEEE Transactions on
    Signal Processing 67(14), 2019. Normalized as in Kymatio's main branch.

    Examples
    --------
    A rising chirp excites the wavelets of spin 1, a falling one those of spin -1:

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
    _: KW_ONLY
    stride: int | None = None
    Q_fr: int = 1
    F: Scale = None
    stride_fr: int | None = None
    out_type: OutType = "array"
    format: Literal["time", "joint"] = "time"
    accuracy: Accuracy = "default"
    workers: int | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_octaves(self.J)
        check_shape(self.shape, self.J)
        check_integer("J_fr", self.J_fr, 1)
        hold_pair(self)
        Q1, _ = qualities(self.Q)
        check_integer("Q_fr", self.Q_fr, 1)
        check_scale("T", self.T)
        check_scale("F", self.F)
        check_stride("stride", self.stride, "T", self.T)
        check_stride("stride_fr", self.stride_fr, "F", self.F)
        check_choice("out_type", self.out_type, ("array", "list", "dict"))
        check_choice("format", self.format, ("time", "joint"))
        check_choice("accuracy", self.accuracy, ("fast", "default", "exact"))
        check_workers(self.workers)
        self._check_bank(Q1)
        self._check_array()

    def _check_bank(self, Q1: int) -> None:
        F = 2**self.J_fr if self.F in (None, 0, "global") else self.F
        most = (self.J + 1) * Q1
        if cast(int, F) > most:
            name = "F" if F == self.F else "2**J_fr"
            msg = f"{name} may be at most (J + 1) * Q = {most}, the height of the bank, got {F}"
            raise ValueError(msg)
        if 2**self.J_fr > most + 8 * min(F, 2**self.J_fr):
            msg = (
                f"J_fr={self.J_fr} needs a bank of at least 2**J_fr - 8 F first-order wavelets, "
                f"got (J + 1) * Q = {most} and F = {F}: choose a smaller J_fr or a larger Q"
            )
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
        """The options, with defaults resolved."""
        T, in_time = scale_and_average(self.T, 2**self.J)
        F, in_frequency = scale_and_average(self.F, 2**self.J_fr)
        log2_stride_fr = min(F.bit_length() - 1, int(self.J_fr))
        covering: Literal["padded", "covering"] = (
            "padded" if self.out_type == "array" else "covering"
        )
        return JointOptions(
            J=int(self.J),
            J_fr=int(self.J_fr),
            Q=qualities(self.Q),
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
            "array": shape (..., n_paths, n_frames), or in format "joint" (..., n_paths, n_rows,
            n_frames) without order 0. "list": for each path its row of `meta` and "coef",
            shape (..., n_frames), in format "joint" (..., n_rows, n_frames) except for order 0.
            "dict": "coef" by key. Paths as in `meta`. n_frames is ceil(n_samples / stride).

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
        if options.time == "local":
            cut = joint_layout(options, n_samples)
            n_periods = len(rows) * len(cut)
            compute = _transformer(options, dtype_of(signals), cut.period, n_periods)
            S = transformed(rows, cut, compute, xp, n_threads(self.workers))
            return self._formed(S.reshape(*batch_shape, *S.shape[1:]))
        paths = each_signal(rows, partial(_transformed_whole, options, xp=xp))
        paths = [path.reshape(*batch_shape, *path.shape[1:]) for path in paths]
        if self.out_type != "array":
            return self._named(paths)
        return self._formed(xp.concatenate(paths, -2))

    def stream(self, chunks: Iterable[ArrayLike | Tensor]) -> Iterator[Tensor]:
        """Transform a stream: files larger than memory, or live input.

        Parameters
        ----------
        chunks : iterable of array_like or torch.Tensor of float, shape (..., n)
            Chunks of the signal, of any lengths.

        Yields
        ------
        S : ndarray of float; tensors for tensors
            The next frames, shaped as by `__call__`, and equal to those of the whole signal.

        Raises
        ------
        ValueError
            When T is not a scale or `out_type` not "array", and as `__call__`.
        """
        options = self.options
        check_streamable(options.time, self.out_type)
        longest = longest_block(options.in_time)

        def compute(xp: Arrays, x: Tensor, block: Block) -> Tensor:
            rows = _transformer(options, dtype_of(x), x.shape[-1])(xp, x, block)
            return self._formed(rows)

        pieces = check_pieces(chunks, self.T)
        return streamed(pieces, partial(joint_layout, options), longest, compute)

    def _formed(self, S: Tensor) -> Tensor:
        """Arrange order 0 and the rows of all paths, (..., n_rows, n_frames), as output."""
        if self.out_type == "array" and self.format == "time":
            return S
        heights = [len(path.rows) for path in joint_paths(self.options)]
        if self.out_type == "array":
            return S[..., 1:, :].reshape(*S.shape[:-2], len(heights), heights[0], S.shape[-1])
        ends = np.cumsum([1, *heights])
        starts = [0, *ends[:-1]]
        return self._named([S[..., a:b, :] for a, b in zip(starts, ends, strict=True)])

    def _named(self, paths: Sequence[Tensor]) -> NamedPaths:
        coefficients = [paths[0][..., 0, :]]
        for path in paths[1:]:
            by_row = self.format == "time"
            rows = range(path.shape[-2])
            coefficients += [path[..., i, :] for i in rows] if by_row else [path]
        meta = self.meta()
        return named_paths(self.out_type, coefficients, meta["key"], meta)

    def meta(self, sr: float | None = None) -> dict[str, Any]:
        """Return the parameters of the paths, in the order of the output.

        Parameters
        ----------
        sr : float, optional
            Sampling rate in Hz; adds the columns of `scatseg.scattering.units.physical_meta` in Hz,
            octaves and cycles per octave.

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
        meta = _meta(self.options, self.format == "joint", self.out_type == "array")
        if sr is None:
            return meta
        # The columns of physical_meta are arrays, also "key".
        return meta | physical_meta(meta, sr, self.options.Q[0]) | {"key": meta["key"]}

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
        n_coefficients = self.output_size(n_samples)
        return joint_cost(self.options, n_samples, dtype, self.output_size(), n_coefficients)

    def output_size(self, n_samples: int | None = None) -> int:
        """Return the number of paths, or of all coefficients of a signal of `n_samples`."""
        if n_samples is None:
            return len(self.meta()["key"])
        check_integer("n_samples", n_samples, 1)
        options, paths = self.options, joint_paths(self.options)
        order0 = joint_layout(options, n_samples).n_frames
        lengths = [order0] * len(paths)
        if options.time == "none":
            lengths, order0 = _own_lengths(options, n_samples), n_samples
        elif self.out_type == "array" and self.format == "joint":
            order0 = 0
        return order0 + sum(len(path.rows) * n for path, n in zip(paths, lengths, strict=True))


def _output_rows(
    options: JointOptions, joint: bool, array: bool
) -> list[tuple[Path | None, int | range | float]]:
    """Return the path (None in order 0) and n1, or its range, of each row of the output."""
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


def _transformer(options: JointOptions, dtype: Dtype, period: int, n_periods: int = 1) -> Compute:
    """Return a function from a block to order 0 and the rows of all paths, (..., n_rows, n_frames).

    `n_periods` is the number of blocks per backward pass.
    """
    plan = joint_plan(options, period, dtype)
    keep = n_periods * _n_moduli(plan) <= _KEPT

    def compute(xp: Arrays, x: Tensor, block: Block) -> Tensor:
        frames = joint_frames(options, period, dtype, block.offset, block.n_frames, xp.tile)
        paths = _transform_block(options, xp, xp.placed(plan), xp.placed(frames), x, keep=keep)
        return xp.concatenate(paths, -2)

    return compute


def _transformed_whole(options: JointOptions, x: Tensor, xp: Arrays) -> list[Tensor]:
    """Transform signals in one block, for a global average over time or none.

    The block begins with the signal: samples are on the grids of all strides, as in Kymatio.
    """
    n_samples, dtype = x.shape[-1], dtype_of(x)
    cut = joint_layout(options, n_samples)
    plan = joint_plan(options, cut.period, dtype)
    n_frames = cut.period >> options.J if options.time == "global" else cut.n_frames
    frames = joint_frames(options, cut.period, dtype, 0, n_frames, xp.tile)
    here, keep = from_zero(xp, x, cut), len(x) * _n_moduli(plan) <= _KEPT
    paths = _transform_block(options, xp, xp.placed(plan), xp.placed(frames), here, keep=keep)
    if options.time == "global":
        return [here.sum(-1)[..., None, None], *paths[1:]]
    lengths = _own_lengths(options, n_samples)
    return [
        x[..., None, :],
        *(path[..., :length] for path, length in zip(paths[1:], lengths, strict=True)),
    ]


def _own_lengths(options: JointOptions, n_samples: int) -> list[int]:
    """Return the number of samples of each path that is not averaged in time."""
    psi2 = filterbank(options.J, options.Q, options.T).psi2
    strides = [2 ** (options.J if p.n2 is None else psi2[p.n2].j) for p in joint_paths(options)]
    return [-(-n_samples // stride) for stride in strides]


_KEPT = 2**25
"""Maximum number of second-order moduli stored for the backward pass: at most 12 bytes each in
float32, 400 MB. If there are more, tiles are recomputed, which takes 50 % longer."""


def _n_moduli(plan: JointPlan) -> int:
    """Count the second-order moduli of a block."""
    return sum(2 * len(each.frequential.cosine) * each.second.n_points for each in plan.joint)


def _transform_block(
    options: JointOptions,
    xp: Arrays,
    plan: JointPlan,
    frames: JointFrames,
    x: Tensor,
    *,
    keep: bool,
) -> list[Tensor]:
    """Compute order 0 and each of the paths, (..., n_rows, n_frames)."""
    spectrum = signal_spectrum(xp, plan.block, x)
    low = spectrum[..., None, -plan.block.lowest :]
    moduli = [V for _, _, V in first_moduli(xp, plan.block, spectrum)]
    S1 = xp.concatenate([averaged(xp, V.low, frames.frames) for V in moduli], -2)
    rows = _first_order(options, xp, plan.first, S1)
    bands = second_bands(xp, [layer.second for layer in plan.joint], moduli)
    for i, (layer, Y) in enumerate(zip(plan.joint, bands, strict=True)):
        if options.time == "none":
            rows |= _second_order_unaveraged(xp, layer, Y)
        else:
            n_frames = frames.frames.n_frames
            rows |= _second_order(xp, layer, frames.averages[i], Y, n_frames, keep=keep)
    order0 = averaged(xp, low, frames.frames) / plan.block.period
    return [order0, *(rows[i] for i in range(len(rows)))]


Rows = dict[int, Tensor]
"""Coefficients (..., n_rows, n_frames) by the index of their path."""


def _first_order(options: JointOptions, xp: Arrays, layer: FrequentialLayer, S1: Tensor) -> Rows:
    """Transform first-order coefficients (..., n_filters, n_frames) along log-frequency."""
    Z = _modulus(xp, layer, S1 + 0j)
    if options.time == "global":
        Z = Z.sum(-1)[..., None]
    return {path.path: _rows_of(xp, path, Z) for path in layer.paths}


def _second_order(
    xp: Arrays, layer: JointLayer, average: TimeAverage, Y: Tensor, n_frames: int, *, keep: bool
) -> Rows:
    """Transform and average all paths of one second filter, tile by tile along time."""
    n_rows = 2 * len(layer.frequential.cosine)
    total = xp.zeros((*Y.shape[:-2], n_rows, average.n_columns), Y)
    for tile in average.tiles:

        def averaged_tile(here: Tensor, weights: Tensor = tile.weights) -> Tensor:
            return xp.product(_modulus(xp, layer.frequential, here), weights)

        here = Y[..., tile.first : tile.last]
        part = averaged_tile(here) if keep else xp.recomputed(averaged_tile, here)
        total = xp.add_columns(total, tile.columns, part)
    if average.density > 1:
        V = xp.rfft(total, "forward")
        total = xp.irfft(V, total.shape[-1] * average.density)
    total = total[..., :n_frames]
    return {path.path: _rows_of(xp, path, total) for path in layer.frequential.paths}


def _second_order_unaveraged(xp: Arrays, layer: JointLayer, Y: Tensor) -> Rows:
    """Transform all paths of one second filter, on its own stride."""
    parts: dict[int, list[Tensor]] = {path.path: [] for path in layer.frequential.paths}
    for first, last in tiles(layer, Y.shape[-1], xp.tile):
        Z = _modulus(xp, layer.frequential, Y[..., first:last])
        for path in layer.frequential.paths:
            parts[path.path].append(_rows_of(xp, path, Z))
    return {index: xp.concatenate(rows, -1) for index, rows in parts.items()}


def _modulus(xp: Arrays, layer: FrequentialLayer, Y: Tensor) -> Tensor:
    """Compute |Y * psi_fr| at the samples of all paths, (..., n_samples, n_times), spin 1 first."""
    even = xp.product(layer.cosine, xp.as_real(Y))
    odd = xp.product(layer.sine, xp.as_real(1j * Y))
    return xp.moduli_of_pair(even, odd)


def _rows_of(xp: Arrays, path: FrequentialPath, Z: Tensor) -> Tensor:
    here = Z[..., path.samples, :]
    return here if path.average is None else xp.product(path.average, here)
