"""Two sounds -> how far apart they are, in what a representation hears.

A comparison says what is compared and how: `comparison(x)` describes sounds, and
`comparison.difference(S, R)` is what the norm of order `comparison.p` is taken of. All are written
once, for arrays here and for tensors, with a gradient, in `scatseg.losses`.

Every distance is symmetric, zero for equal sounds, and obeys the triangle inequality. It is also
zero for sounds that the representation cannot tell apart; only `Waveform` tells all apart. With
compression (`eps`) none of this holds, since the scale is then that of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg import naming
from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.scattering.arguments import Scale, check_integer, check_signal
from scatseg.scattering.arrays import Arrays, Tensor, arrays_of, dtype_of, is_tensor
from scatseg.scattering.plan import Accuracy

Order = Literal[1, 2]
"""Of a norm: the sum of absolute values, or the root of the sum of squares."""


class Comparison(Protocol):
    """What is compared of two sounds, and how. Its options are those of a frozen dataclass."""

    @property
    def p(self) -> Order:
        """Order of the norm."""

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds (..., n_samples) -> (..., n_values) or more axes."""

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Compare a description with that of a reference, (..., n_values)."""


def distance(x: ArrayLike, y: ArrayLike, *, metric: str = "jtfs", sr: int = 22050) -> Any:
    """Tell how far apart sounds are.

    Parameters
    ----------
    x, y : array_like of float, shape (..., n_samples)
        Sounds of equal length; what is before the last axis is broadcast. float64 is computed in
        float64, everything else in float32. Tensors are welcome, and pass no gradient here: that
        is what `scatseg.losses` is for.
    metric : str, default "jtfs"
        `name[:key=value,...]`: jtfs, scattering, mss, logmel, mfcc, waveform, or `module:callable`
        for a `Comparison` of your own. Joined by +, distances are added.
    sr : int, default 22050
        Sampling rate in Hz. Only mfcc and logmel need it.

    Returns
    -------
    distance : float, or ndarray of float, shape (...)
        In the metric's own unit: values of different metrics cannot be compared.

    Raises
    ------
    ValueError
        When the lengths differ, samples are not finite, or the metric is unknown.

    Examples
    --------
    >>> t = np.arange(2**13) / 8192
    >>> x, y = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 550 * t)
    >>> distance(x, x), distance(x, y, metric="waveform")
    (0.0, 90.5)
    """
    X, Y = check_signal(x), check_signal(y)
    check_lengths(X, Y)
    total = sum(norm(each.difference(each(X), each(Y)), each.p) for each in comparisons(metric, sr))
    values = np.asarray(total.detach().cpu() if is_tensor(total) else total)
    return float(values) if values.ndim == 0 else values


def comparisons(metric: str, sr: int) -> tuple[Comparison, ...]:
    """Make the comparisons that a name describes, at a sampling rate in Hz.

    Examples
    --------
    >>> comparisons("mfcc:n_mfcc=20+waveform", sr=8192)
    (MFCC(sr=8192, n_mfcc=20, n_mels=128, n_fft=400, hop_length=200, p=2), Waveform(p=2))
    """
    made = []
    for name, options in naming.parse_names(metric):
        given = {"sr": sr, **options} if COMPARISONS.get(name) in (LogMel, MFCC) else options
        comparison = naming.build(name, given, COMPARISONS, "metric")
        if not all(hasattr(comparison, part) for part in ("__call__", "difference", "p")):
            msg = f"metric {name!r} must be a Comparison: callable, with `difference` and `p`"
            raise ValueError(msg)
        made.append(cast(Comparison, comparison))
    return tuple(made)


def check_lengths(x: Tensor, y: Tensor) -> None:
    """Refuse to compare sounds of different lengths."""
    if x.shape[-1] != y.shape[-1]:
        msg = (
            "sounds that are compared must have as many samples as each other, got "
            f"{x.shape[-1]} and {y.shape[-1]}: cut or pad one of them"
        )
        raise ValueError(msg)


def norm(D: Tensor, p: Order) -> Tensor:
    """Norm over the last axis; its gradient at 0 is 0."""
    return D.norm(p=p, dim=-1) if is_tensor(D) else np.linalg.norm(D, p, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The samples themselves: the one distance that is zero for equal sounds only.

    Parameters
    ----------
    p : {2, 1}
        Order of the norm.
    """

    p: Order = 2

    def __post_init__(self) -> None:
        _check_order(self.p)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the sounds as they are, (..., n_samples)."""
        return check_signal(x)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, (..., n_samples)."""
        return S - R


@dataclass(frozen=True, kw_only=True)
class MultiScaleSpectrum:
    """Magnitude spectrograms at several resolutions, each with the same weight (MSS).

    The distance is the mean over scales of the mean absolute difference of magnitudes, and of
    log-magnitudes where these have a weight. The magnitude is sqrt(re**2 + im**2 + 1e-14), whose
    gradient is finite everywhere.

    Parameters
    ----------
    n_fft : tuple of int
        Window lengths in samples, multiples of 4. The windows are Hann's, centered at
        multiples of a quarter of their length; around the signal there is silence.
    linear : float, default 1
        Weight of magnitudes.
    log : float, default 0
        Weight of natural logarithms of magnitudes.
    floor : float, default 1e-5
        What is added to a magnitude before its logarithm is taken.

    References
    ----------
    J. Engel, L. Hantrakul, C. Gu and A. Roberts, "DDSP: differentiable digital signal processing",
    ICLR 2020.
    """

    n_fft: tuple[int, ...] = (2048, 1024, 512, 256, 128, 64)
    linear: float = 1.0
    log: float = 0.0
    floor: float = 1e-5

    def __post_init__(self) -> None:
        lengths = self.n_fft if isinstance(self.n_fft, tuple) else (self.n_fft,)
        object.__setattr__(self, "n_fft", lengths)
        if not lengths or any(not isinstance(n, int) or n < 4 or n % 4 for n in lengths):
            msg = f"n_fft must be multiples of 4, got {self.n_fft}"
            raise ValueError(msg)
        if min(self.linear, self.log) < 0 or not self.linear + self.log > 0:
            msg = (
                "linear and log are weights of at least 0 and not both 0, "
                f"got {self.linear} and {self.log}"
            )
            raise ValueError(msg)
        _check_positive("floor", self.floor)

    @property
    def p(self) -> Order:
        """Order of the norm: absolute differences."""
        return 1

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds by weighted magnitudes, (..., n_values)."""
        signals = check_signal(x)
        xp = arrays_of(signals)
        parts = []
        for n_fft in self.n_fft:
            magnitude = _flat(_power(xp, signals, n_fft, n_fft // 4) + _LEAST_POWER, 2) ** 0.5
            weight = 1 / (magnitude.shape[-1] * len(self.n_fft))
            if self.linear:
                parts.append(self.linear * weight * magnitude)
            if self.log:
                parts.append(self.log * weight * _log(magnitude + self.floor))
        return xp.concatenate(parts, -1)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, (..., n_values)."""
        return S - R


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-compressed mel spectrogram, log(power + 1e-6), frame by frame.

    Parameters
    ----------
    sr : int, default 22050
        Sampling rate in Hz.
    n_mels : int, default 128
        Mel bands, triangles over HTK's scale from 0 to sr / 2.
    n_fft, hop_length : int, default 400 and 200
        Samples in a window, a multiple of the samples between windows.
    p : {2, 1}
        Order of the norm.
    """

    sr: int = 22050
    n_mels: int = 128
    n_fft: int = 400
    hop_length: int = 200
    p: Order = 2

    def __post_init__(self) -> None:
        _check_mel(self)

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds, (..., n_frames, n_mels)."""
        return _log_mel(self, x)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, (..., n_frames * n_mels)."""
        return _flat(S - R, 2)


@dataclass(frozen=True, kw_only=True)
class MFCC:
    """Mel-frequency cepstral coefficients of `LogMel`, frame by frame.

    Parameters
    ----------
    sr : int, default 22050
        Sampling rate in Hz.
    n_mfcc : int, default 40
        Coefficients kept, the first (loudness) among them.
    n_mels : int, default 128
        Mel bands.
    n_fft, hop_length : int, default 400 and 200
        Samples in a window, a multiple of the samples between windows.
    p : {2, 1}
        Order of the norm.
    """

    sr: int = 22050
    n_mfcc: int = 40
    n_mels: int = 128
    n_fft: int = 400
    hop_length: int = 200
    p: Order = 2

    def __post_init__(self) -> None:
        _check_mel(self)
        check_integer("n_mfcc", self.n_mfcc, 1)
        if self.n_mfcc > self.n_mels:
            msg = f"n_mfcc may be at most n_mels = {self.n_mels}, got {self.n_mfcc}"
            raise ValueError(msg)

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds, (..., n_frames, n_mfcc)."""
        log_mel = _log_mel(self, x)
        basis = _cosines(self.n_mels, self.n_mfcc, dtype_of(log_mel))
        return log_mel @ arrays_of(log_mel).constant(basis)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, (..., n_frames * n_mfcc)."""
        return _flat(S - R, 2)


@dataclass(frozen=True, kw_only=True)
class ScatteringCoefficients:
    """Scattering coefficients, over time.

    Parameters
    ----------
    J, Q, T, max_order, accuracy
        As in `Scattering1D`.
    eps : float, optional
        Compress to log(1 + S / floor), where the floor of a path is `eps` times the reference's
        median in that path, or times 1e-3 of its largest median where that is more: without it
        the logarithm would compare rounding errors. Order 0, which has both signs, is then left
        out. Not compressed when absent.
    p : {2, 1}
        Order of the norm.
    """

    J: int = 12
    Q: int | tuple[int, int] = 8
    T: Scale = None
    max_order: Literal[1, 2] = 2
    accuracy: Accuracy = "default"
    eps: float | None = None
    p: Order = 2

    def __post_init__(self) -> None:
        _check_coefficients(self.eps, self.p)
        _ = self.transform

    @property
    def transform(self) -> Scattering1D:
        """What describes the sounds."""
        return Scattering1D(
            self.J, Q=self.Q, T=self.T, max_order=self.max_order, accuracy=self.accuracy
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds, (..., n_paths, n_frames)."""
        return self.transform(x)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, after compression if any, (..., n_values)."""
        return _coefficients_apart(S, R, self.eps)


@dataclass(frozen=True, kw_only=True)
class JointCoefficients:
    """Joint time-frequency scattering coefficients, over time.

    Parameters
    ----------
    J, J_fr, Q, Q_fr, T, F, accuracy
        As in `TimeFrequencyScattering`. Pitch is kept (F is 0) unless F is given.
    eps : float, optional
        Compression as in `ScatteringCoefficients`.
    p : {2, 1}
        Order of the norm.

    References
    ----------
    C. Vahidi, H. Han, C. Wang, M. Lagrange, G. Fazekas and V. Lostanlen, "Mesostructures: beyond
    spectrogram loss in differentiable time-frequency analysis", JAES 71(9), 2023.
    """

    J: int = 12
    J_fr: int = 5
    Q: int | tuple[int, int] = (8, 2)
    Q_fr: int = 2
    T: Scale = None
    F: Scale = 0
    accuracy: Accuracy = "default"
    eps: float | None = None
    p: Order = 2

    def __post_init__(self) -> None:
        _check_coefficients(self.eps, self.p)
        _ = self.transform

    @property
    def transform(self) -> TimeFrequencyScattering:
        """What describes the sounds."""
        return TimeFrequencyScattering(
            self.J,
            self.J_fr,
            Q=self.Q,
            T=self.T,
            Q_fr=self.Q_fr,
            F=self.F,
            accuracy=self.accuracy,
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Describe sounds, (..., n_paths, n_frames)."""
        return self.transform(x)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, after compression if any, (..., n_values)."""
        return _coefficients_apart(S, R, self.eps)


COMPARISONS: Mapping[str, type[Any]] = {
    "jtfs": JointCoefficients,
    "scattering": ScatteringCoefficients,
    "mss": MultiScaleSpectrum,
    "logmel": LogMel,
    "mfcc": MFCC,
    "waveform": Waveform,
}
"""What the names of metrics and losses stand for."""

_LEAST_POWER = 1e-14
"""Keeps the gradient of a magnitude finite where it is 0."""

_LEAST_MEL = 1e-6
"""Power below which mel bands count as silent."""

_LEAST_MEDIAN = 1e-3
"""Of the largest path's median: paths below are rounding errors."""


def _coefficients_apart(S: Tensor, R: Tensor, eps: float | None) -> Tensor:
    if eps is None:
        return _flat(S - R, 2)
    S, R = _positive(S[..., 1:, :]), _positive(R[..., 1:, :])  # the first path is order 0
    floor = eps * _path_medians(R)
    return _flat(_log1p(S / floor) - _log1p(R / floor), 2)


def _path_medians(R: Tensor) -> Tensor:
    """Median over time of each path, at least 1e-3 of the largest, (..., n_paths, 1)."""
    values = np.asarray(R.detach().cpu() if is_tensor(R) else R)
    medians = np.median(values, axis=-1, keepdims=True)
    largest = medians.max(axis=-2, keepdims=True)
    least = np.maximum(_LEAST_MEDIAN * largest, np.finfo(values.dtype).tiny ** 0.5)
    return arrays_of(R).constant(np.maximum(medians, least))


def _positive(S: Tensor) -> Tensor:
    return S.clamp(min=0) if is_tensor(S) else np.maximum(S, 0)


def _log(x: Tensor) -> Tensor:
    return x.log() if is_tensor(x) else np.log(x)


def _log1p(x: Tensor) -> Tensor:
    return x.log1p() if is_tensor(x) else np.log1p(x)


def _flat(S: Tensor, n_axes: int) -> Tensor:
    """Join the last axes into one."""
    return S.reshape(*S.shape[:-n_axes], -1)


def _power(xp: Arrays, x: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Power spectrogram (..., n_frames, n_fft // 2 + 1), frames centered at k * hop_length."""
    n_frames = 1 + x.shape[-1] // hop_length
    n_hops = n_frames - 1 + n_fft // hop_length
    before = xp.zeros((*x.shape[:-1], n_fft // 2), x)
    padded = xp.concatenate([before, x], -1)[..., : n_hops * hop_length]
    padded = xp.padded(padded, n_hops * hop_length)
    hops = padded.reshape(*x.shape[:-1], n_hops, hop_length)
    frames = [hops[..., i : i + n_frames, :] for i in range(n_fft // hop_length)]
    window = xp.constant(_hann(n_fft, dtype_of(x)))
    Z = xp.rfft(xp.concatenate(frames, -1) * window, "backward")
    return Z.real**2 + Z.imag**2


def _log_mel(options: LogMel | MFCC, x: Tensor) -> Tensor:
    signals = check_signal(x)
    xp = arrays_of(signals)
    filters = mel_filters(options.sr, options.n_fft, options.n_mels, dtype_of(signals))
    power = _power(xp, signals, options.n_fft, options.hop_length)
    return _log(power @ xp.constant(filters) + _LEAST_MEL)


@lru_cache(maxsize=32)
def _hann(n: int, dtype: str) -> NDArray[Any]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(dtype)


@lru_cache(maxsize=8)
def mel_filters(sr: int, n_fft: int, n_mels: int, dtype: str) -> NDArray[Any]:
    """Triangles of height 1 over HTK's mel scale, (n_fft // 2 + 1, n_mels)."""
    mel = np.linspace(0, 2595 * np.log10(1 + sr / 2 / 700), n_mels + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.arange(n_fft // 2 + 1)[:, None] * sr / n_fft
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    return np.maximum(np.minimum(rising, falling), 0).astype(dtype)


@lru_cache(maxsize=8)
def _cosines(n_mels: int, n_mfcc: int, dtype: str) -> NDArray[Any]:
    """Orthonormal cosine transform of type II, (n_mels, n_mfcc)."""
    basis = scipy.fft.dct(np.eye(n_mels), norm="ortho", axis=-1)[:, :n_mfcc]
    return np.ascontiguousarray(basis.astype(dtype))


def _check_order(p: int) -> None:
    if p not in (1, 2):
        msg = f"p must be 1 or 2, got {p!r}"
        raise ValueError(msg)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        msg = f"{name} must be positive, got {value!r}"
        raise ValueError(msg)


def _check_coefficients(eps: float | None, p: int) -> None:
    _check_order(p)
    if eps is not None:
        _check_positive("eps", eps)


def _check_mel(options: LogMel | MFCC) -> None:
    for name in ("sr", "n_mels", "n_fft", "hop_length"):
        check_integer(name, getattr(options, name), 1)
    _check_order(options.p)
    if options.n_fft % options.hop_length:
        msg = (
            f"n_fft must be a multiple of hop_length, got {options.n_fft} and {options.hop_length}"
        )
        raise ValueError(msg)
