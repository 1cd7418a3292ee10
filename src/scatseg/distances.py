"""Two sounds -> their distance under a representation.

A comparison defines the features and their difference: `comparison(x)` computes features, and the
distance is the norm of order `comparison.p` of `comparison.difference(S, R)`. It works on arrays
here, and on tensors, with gradients, in `scatseg.losses`.

Without compression (`eps`), distances are pseudometrics: symmetric, zero for sounds with equal
features, and subject to the triangle inequality; `Waveform` is a metric. Compression is relative to
the reference, and breaks these properties.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any, Literal, Protocol, cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg import naming
from scatseg.rates import check_rate
from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.scattering.arguments import (
    Scale,
    check_integer,
    check_positive,
    check_signal,
    hold_pair,
)
from scatseg.scattering.arrays import Arrays, Tensor, arrays_of, dtype_of, is_tensor
from scatseg.scattering.plan import Accuracy

Order = Literal[1, 2]
"""Order of a norm: L1 or L2."""


class Comparison(Protocol):
    """Features of sounds and their difference: a frozen dataclass of options."""

    @property
    def p(self) -> Order:
        """Order of the norm."""

    def __call__(self, x: Tensor) -> Tensor:
        """Compute features of sounds, (..., n_samples) -> (..., n_values) or more axes."""

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Compute the difference of features from those of a reference, (..., n_values)."""


def distance(
    x: ArrayLike,
    y: ArrayLike,
    *,
    metric: str | Comparison | Callable[[Any, Any], object] = "jtfs",
    sr: int = 22050,
) -> Any:
    """Compute the distance between sounds.

    Parameters
    ----------
    x, y : array_like of float, shape (..., n_samples)
        Sounds of equal length; leading axes are broadcast. Computed in float32 or float64, as by
        `scatseg.scattering.Scattering1D`. Tensors are accepted, also beside an array, but without
        gradients (see `scatseg.losses`).
    metric : str, function or Comparison, default "jtfs"
        `name[:key=value,...]`: jtfs, scattering, mss, logmel, mfcc, waveform, or `module:callable`
        for a custom function of two sounds (n_samples,) or a `Comparison`. Distances joined by +
        are added. Or the function or `Comparison` itself.
    sr : int, default 22050
        Sampling rate in Hz. Only used by mfcc and logmel.

    Returns
    -------
    distance : float, or ndarray of float, shape (...)
        In units of the metric; values of different metrics are not comparable.

    Raises
    ------
    TypeError
        When a custom function does not return a number.
    ValueError
        When the lengths differ, samples are not finite, or the metric is unknown, or neither a
        function of two sounds nor a `Comparison`.

    Examples
    --------
    >>> t = np.arange(2**13) / 8192
    >>> x, y = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 550 * t)
    >>> distance(x, x), distance(x, y, metric="waveform")
    (0.0, 90.5)
    """
    X, Y = check_signal(x), check_signal(y, name="y")
    check_lengths(X, Y)
    if is_tensor(X) != is_tensor(Y):
        X, Y = (each.numpy(force=True) if is_tensor(each) else each for each in (X, Y))
    values = np.asarray(sum(_values(each, X, Y) for each in comparisons(metric, sr)))
    return float(values) if values.ndim == 0 else values


def _values(comparison: Comparison | _Pairwise, x: Tensor, y: Tensor) -> NDArray[Any]:
    """Return the distances between sounds, shape (...)."""
    if isinstance(comparison, _Pairwise):
        return comparison(x, y)
    found = norm(comparison.difference(comparison(x), comparison(y)), comparison.p)
    return _as_array(found)


def _as_array(values: object) -> NDArray[Any]:
    return np.asarray(cast(Tensor, values).detach().cpu() if is_tensor(values) else values)


@dataclass(frozen=True, kw_only=True)
class _Pairwise:
    """A custom function of two sounds, called for each pair."""

    name: str
    function: Callable[[Tensor, Tensor], object]

    def __call__(self, x: Tensor, y: Tensor) -> NDArray[np.float64]:
        shape = np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
        pairs = (
            (each.expand(shape) if is_tensor(each) else np.broadcast_to(each, shape)).reshape(
                -1, shape[-1]
            )
            for each in (x, y)
        )
        found = [_as_array(self.function(*pair)) for pair in zip(*pairs, strict=True)]
        for value in found:
            if value.size != 1 or value.dtype.kind not in "biuf":
                msg = f"metric {self.name!r} must return a number, got {value.dtype} {value.shape}"
                raise TypeError(msg)
        return np.reshape([float(value.reshape(())) for value in found], shape[:-1])


def comparisons(metric: object, sr: int) -> tuple[Comparison | _Pairwise, ...]:
    """Create comparisons by name, at a sampling rate in Hz, or of a custom metric.

    Examples
    --------
    >>> comparisons("mfcc:n_mfcc=20+waveform", sr=8192)
    (MFCC(sr=8192, n_mfcc=20, n_mels=128, n_fft=400, hop_length=200, p=2), Waveform(p=2))
    """
    if not isinstance(metric, str):
        name = getattr(metric, "__name__", type(metric).__name__)
        return (_comparison(metric, name),)
    made: list[Comparison | _Pairwise] = []
    for name, options in naming.parse_names(metric):
        given = options
        if COMPARISONS.get(name) in (LogMel, MFCC) and "sr" not in options:
            check_rate(sr)
            given = {"sr": int(sr), **options}
        made.append(_comparison(naming.build(name, given, COMPARISONS, "metric"), name))
    return tuple(made)


def _comparison(made: object, name: str) -> Comparison | _Pairwise:
    if is_comparison(made, f"metric {name!r}"):
        return cast(Comparison, made)
    return _Pairwise(name=name, function=cast(Callable[..., object], made))


def is_comparison(made: object, what: str) -> bool:
    """Return whether an object is a `Comparison`, or else a function of two sounds.

    Raises
    ------
    ValueError
        When it is neither; `what` is its name in the message.
    """
    if all(hasattr(made, part) for part in ("__call__", "difference", "p")):
        return True
    try:
        inspect.signature(cast(Callable[..., Any], made)).bind(None, None)
    except TypeError as error:  # not callable, or by other arguments
        msg = (
            f"{what} must be a function (x, target) of two sounds, or a Comparison: callable, with "
            "`difference` and `p`"
        )
        raise ValueError(msg) from error
    except ValueError:  # not written in Python: the call will tell
        pass
    return False


def check_lengths(x: Tensor, y: Tensor) -> None:
    """Check that sounds have equal lengths."""
    if x.shape[-1] != y.shape[-1]:
        msg = (
            f"both sounds must have the same number of samples, got {x.shape[-1]} and "
            f"{y.shape[-1]}: cut or pad one of them"
        )
        raise ValueError(msg)


def norm(D: Tensor, p: Order) -> Tensor:
    """Compute the norm over the last axis; its gradient at 0 is 0."""
    return D.norm(p=p, dim=-1) if is_tensor(D) else np.linalg.norm(D, p, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The samples themselves.

    Parameters
    ----------
    p : {2, 1}
        Order of the norm.
    """

    p: Order = 2

    def __post_init__(self) -> None:
        _check_order(self.p)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the sounds, (..., n_samples)."""
        return check_signal(x)

    def difference(self, S: Tensor, R: Tensor) -> Tensor:
        """Subtract, (..., n_samples)."""
        return S - R


@dataclass(frozen=True, kw_only=True)
class MultiScaleSpectrum:
    """Magnitude spectrograms at several resolutions, each with the same weight (MSS).

    The distance is the mean over scales of the mean absolute difference of magnitudes, and of
    log-magnitudes if weighted. Magnitudes are sqrt(re**2 + im**2 + 1e-14), with a finite gradient
    everywhere.

    Parameters
    ----------
    n_fft : sequence or array of int, or int
        Window lengths in samples, multiples of 4. Hann windows are centered at multiples of a
        quarter of their length, with zero padding.
    linear : float, default 1
        Weight of magnitudes.
    log : float, default 0
        Weight of natural logarithms of magnitudes.
    floor : float, default 1e-5
        Added to magnitudes before the logarithm.

    References
    ----------
    J. Engel, L. Hantrakul, C. Gu and A. Roberts, "DDSP: differentiable digital signal processing",
    ICLR 2020.
    """

    n_fft: Sequence[int] = (2048, 1024, 512, 256, 128, 64)
    linear: float = 1.0
    log: float = 0.0
    floor: float = 1e-5

    def __post_init__(self) -> None:
        lengths: tuple[Any, ...] = tuple(np.ravel(np.array(self.n_fft, dtype=object)))
        if not lengths or any(not isinstance(n, Integral) or n < 4 or n % 4 for n in lengths):
            msg = f"n_fft must be multiples of 4, as integers, got {self.n_fft!r}"
            raise ValueError(msg)
        object.__setattr__(self, "n_fft", tuple(map(int, lengths)))
        if min(self.linear, self.log) < 0 or not self.linear + self.log > 0:
            msg = (
                "linear and log are weights of at least 0 and not both 0, "
                f"got {self.linear} and {self.log}"
            )
            raise ValueError(msg)
        check_positive("floor", self.floor)

    @property
    def p(self) -> Order:
        """Order of the norm: absolute differences."""
        return 1

    def __call__(self, x: Tensor) -> Tensor:
        """Compute weighted magnitudes, (..., n_values)."""
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
        """Compute features, (..., n_frames, n_mels)."""
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
        Coefficients kept, including the first (level).
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
        """Compute features, (..., n_frames, n_mfcc)."""
        log_mel = _log_mel(self, x)
        xp = arrays_of(log_mel)
        basis = _cosines(self.n_mels, self.n_mfcc, dtype_of(log_mel))
        return xp.product(log_mel, xp.constant(basis))

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
        median in that path, at least `eps` times 1e-3 of its largest median, so that rounding
        errors are not amplified. Order 0, which is signed, is then left out. No compression by
        default.
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
        _check_coefficients(self)

    @property
    def transform(self) -> Scattering1D:
        """The transform that computes the features."""
        return Scattering1D(
            self.J, Q=self.Q, T=self.T, max_order=self.max_order, accuracy=self.accuracy
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Compute features, (..., n_paths, n_frames)."""
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
        As in `TimeFrequencyScattering`. Not averaged along log-frequency by default (F is 0), so
        that pitch is preserved.
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
        _check_coefficients(self)

    @property
    def transform(self) -> TimeFrequencyScattering:
        """The transform that computes the features."""
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
        """Compute features, (..., n_paths, n_frames)."""
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
"""Comparisons by name."""

_LEAST_POWER = 1e-14
"""Added to power, to keep the gradient of a magnitude finite at 0."""

_LEAST_MEL = 1e-6
"""Added to the power of mel bands before the logarithm."""

_LEAST_MEDIAN = 1e-3
"""Lower bound of the median of a path, relative to the largest median."""


def _coefficients_apart(S: Tensor, R: Tensor, eps: float | None) -> Tensor:
    if eps is None:
        return _flat(S - R, 2)
    S, R = _positive(S[..., 1:, :]), _positive(R[..., 1:, :])  # the first path is order 0
    floor = eps * _path_medians(R)
    return _flat(_log1p(S / floor) - _log1p(R / floor), 2)


def _path_medians(R: Tensor) -> Tensor:
    """Compute the median of each path over time, at least 1e-3 of the largest."""
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
    """Flatten the last axes."""
    return S.reshape(*S.shape[:-n_axes], -1)


def _power(xp: Arrays, x: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Compute the power spectrogram (..., n_frames, n_fft // 2 + 1), centered at k * hop_length."""
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
    return _log(xp.product(power, xp.constant(filters)) + _LEAST_MEL)


@lru_cache(maxsize=32)
def _hann(n: int, dtype: str) -> NDArray[Any]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(dtype)


@lru_cache(maxsize=8)
def mel_filters(sr: int, n_fft: int, n_mels: int, dtype: str) -> NDArray[Any]:
    """Compute triangular filters of height 1 on HTK's mel scale, (n_fft // 2 + 1, n_mels)."""
    mel = np.linspace(0, 2595 * np.log10(1 + sr / 2 / 700), n_mels + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.arange(n_fft // 2 + 1)[:, None] * sr / n_fft
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    return np.maximum(np.minimum(rising, falling), 0).astype(dtype)


@lru_cache(maxsize=8)
def _cosines(n_mels: int, n_mfcc: int, dtype: str) -> NDArray[Any]:
    """Compute the orthonormal DCT-II matrix, (n_mels, n_mfcc)."""
    basis = scipy.fft.dct(np.eye(n_mels), norm="ortho", axis=-1)[:, :n_mfcc]
    return np.ascontiguousarray(basis.astype(dtype))


def _check_order(p: int) -> None:
    if p not in (1, 2):
        msg = f"p must be 1 or 2, got {p!r}"
        raise ValueError(msg)


def _check_coefficients(options: ScatteringCoefficients | JointCoefficients) -> None:
    hold_pair(options)
    _check_order(options.p)
    if options.eps is not None:
        check_positive("eps", options.eps)
    _ = options.transform  # checks the others


def _check_mel(options: LogMel | MFCC) -> None:
    check_rate(options.sr)
    object.__setattr__(options, "sr", int(options.sr))  # frozen
    for name in ("n_mels", "n_fft", "hop_length"):
        check_integer(name, getattr(options, name), 1)
    _check_order(options.p)
    if options.n_fft % options.hop_length:
        msg = (
            f"n_fft must be a multiple of hop_length, got {options.n_fft} and {options.hop_length}"
        )
        raise ValueError(msg)
