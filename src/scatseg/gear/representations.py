"""A sound -> one vector: the uncompressed representations of the reference, and others.

Those in the table accept batches of sounds of equal length, and tensors on any device; their
vectors are means over time. Other names are extractors of `scatseg.extractors`, whose frames are
averaged, or `module:callable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scatseg import naming
from scatseg.distances import mel_filters
from scatseg.extractors import EXTRACTORS, read_only
from scatseg.features import Features
from scatseg.rates import check_rate
from scatseg.scattering.arguments import check_integer, check_positive, check_signal, hold_pair
from scatseg.scattering.arrays import Tensor, dtype_of, is_tensor
from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.plan import Accuracy
from scatseg.scattering.time import Scattering1D

REPRESENTATIONS: Mapping[str, str] = {
    **EXTRACTORS,
    "mfcc": "scatseg.gear.representations:MeanMFCC",
    "scattering": "scatseg.gear.representations:MeanScattering",
    "jtfs": "scatseg.gear.representations:MeanJointScattering",
}
"""Location of each representation."""


class Representation(Protocol):
    """Any callable from a sound to a vector, or to frames, which are averaged.

    With a true attribute `takes_batches`, it maps sounds (n_sounds, n_samples) to vectors
    (n_sounds, dim).
    """

    def __call__(self, y: Any, sr: int) -> Any:
        """Compute (dim,), (n_frames, dim) or Features of `y` (n_samples,) at `sr` Hz."""


def representation(text: str) -> Representation:
    """Create a representation by name.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`, or `module:callable`. Vectors of names joined by `+` are
        concatenated without scaling.

    Examples
    --------
    >>> representation("scattering:Q=8")
    MeanScattering(J=14, Q=8, T=None, max_order=2, accuracy='default')
    """
    parts = tuple(
        naming.build(name, options, REPRESENTATIONS, "feature")
        for name, options in naming.parse_names(text)
    )
    return parts[0] if len(parts) == 1 else SideBySide(parts=parts)


def describe(extract: Representation, sounds: Tensor, sr: int) -> NDArray[np.floating]:
    """Compute the vectors of sounds.

    Parameters
    ----------
    extract : Representation
        Called once for all sounds if it takes batches, else once per sound.
    sounds : ndarray or torch.Tensor of float, shape (n_sounds, n_samples)
        Sounds of equal length. `extract` gets arrays read-only.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    X : ndarray of float, shape (n_sounds, dim)
        One vector per sound.

    Raises
    ------
    ValueError
        When `sr` is no sampling rate, or a result is not a vector or frames of vectors, is not
        finite, or differs in size from the previous one.
    """
    check_rate(sr)
    if getattr(extract, "takes_batches", False):
        X: NDArray[np.floating] = _on_host(extract(read_only(sounds), sr))
    else:
        X = _stacked([_vector(extract(y, sr)) for y in read_only(_on_host(sounds))])
    if not np.isfinite(X).all():
        msg = f"a representation must be finite, got {X[~np.isfinite(X)][0]}"
        raise ValueError(msg)
    return X


def _stacked(vectors: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    sizes = sorted({len(vector) for vector in vectors})
    if len(sizes) > 1:
        msg = f"a representation must have one size for all sounds, got {sizes[0]} and {sizes[-1]}"
        raise ValueError(msg)
    return np.stack(vectors)


def _vector(answer: Any) -> NDArray[np.floating]:
    """Average over frames, if any."""
    if isinstance(answer, Features):
        pooled: NDArray[np.floating] = answer.pooled([0.0, answer.duration]).X[0]
        return pooled
    values = np.asarray(_on_host(answer), dtype=np.float64)
    if values.ndim not in (1, 2) or not values.size:
        msg = f"a representation is (dim,) or (n_frames, dim), got the shape {values.shape}"
        raise ValueError(msg)
    averaged: NDArray[np.floating] = values if values.ndim == 1 else values.mean(axis=0)
    return averaged


def _on_host(x: Any) -> Any:
    return x.detach().cpu().numpy() if is_tensor(x) else x


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Concatenated representations.

    Parameters
    ----------
    parts : tuple of Representation
        The parts, not scaled.
    """

    parts: tuple[Representation, ...]

    takes_batches = True

    def __call__(self, y: Tensor, sr: int) -> NDArray[np.floating]:
        """Compute the vectors of sounds (n_sounds, n_samples)."""
        return np.concatenate([describe(part, y, sr) for part in self.parts], axis=1)


@dataclass(frozen=True, kw_only=True)
class MeanMFCC:
    """Mel-frequency cepstral coefficients of the logarithm of power, averaged over frames.

    Triangular filters of height 1, evenly spaced on mel = 2595 log10(1 + Hz / 700) up to the
    Nyquist frequency; frames are centered at multiples of the hop, with reflection padding.

    Parameters
    ----------
    n_mfcc : int, default 40
        Coefficients, including the first (level).
    n_fft : int, default 400
        Length of the Hann window in samples.
    hop_length : int, default 200
        Samples between frames.
    n_mels : int, default 128
        Mel bands; those narrower than the frequency bins may be empty.
    eps : float, default 1e-6
        Added to power before the natural logarithm.

    References
    ----------
    S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word
    recognition", IEEE Transactions on ASSP 28(4), 1980.
    """

    n_mfcc: int = 40
    n_fft: int = 400
    hop_length: int = 200
    n_mels: int = 128
    eps: float = 1e-6

    takes_batches = True

    def __post_init__(self) -> None:
        for name in ("n_mfcc", "n_fft", "hop_length", "n_mels"):
            check_integer(name, getattr(self, name), 1)
        check_positive("eps", self.eps)
        if self.n_mfcc > self.n_mels:
            msg = f"n_mfcc must be 1 to n_mels = {self.n_mels}, got {self.n_mfcc}"
            raise ValueError(msg)

    def __call__(self, y: Tensor, sr: int) -> NDArray[np.floating]:
        """Compute the vectors of sounds (..., n_samples)."""
        signals = check_signal(_on_host(y))
        half = self.n_fft // 2
        mode: Literal["reflect", "constant"] = "reflect" if signals.shape[-1] > 1 else "constant"
        padded = np.pad(signals, [(0, 0)] * (signals.ndim - 1) + [(half, half)], mode=mode)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft, axis=-1)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / self.n_fft)
        windowed = frames[..., :: self.hop_length, :] * window.astype(signals.dtype)
        power = np.abs(scipy.fft.rfft(windowed)) ** 2
        mel = power @ mel_filters(sr, self.n_fft, self.n_mels, dtype_of(power))
        mean = np.log(mel + self.eps).mean(axis=-2)
        cepstrum: NDArray[np.floating] = scipy.fft.dct(mean, norm="ortho")[..., : self.n_mfcc]
        return cepstrum


@dataclass(frozen=True, kw_only=True)
class MeanScattering:
    """Scattering in time, all orders, averaged over frames; neither compressed nor renormalized.

    Parameters
    ----------
    J : int, default 14
        Log2 of the largest scale in samples.
    Q : int or (int, int), default 1
        Wavelets per octave in the first and second layer.
    T : int or "global", optional
        Averaging scale in samples, 2**J by default, and at most the whole sound. "global" sums over
        the padded sound instead, each path at its own rate, as Kymatio does.
    max_order : {2, 1}
        Whether to compute the second order.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.Scattering1D`.
    """

    J: int = 14
    Q: int | tuple[int, int] = 1
    T: int | Literal["global"] | None = None
    max_order: Literal[1, 2] = 2
    accuracy: Accuracy = "default"

    takes_batches = True

    def __post_init__(self) -> None:
        hold_pair(self)
        self._transform(self.T)  # checks its options

    def __call__(self, y: Tensor, sr: int) -> Tensor:  # noqa: ARG002 - scales are in samples
        """Compute the vectors of sounds (..., n_samples)."""
        n_samples = y.shape[-1]
        T = _fitting(2**self.J if self.T is None else self.T, n_samples)
        return _mean_inside(self._transform(T)(y), T, n_samples)

    def _transform(self, T: int | Literal["global"] | None) -> Scattering1D:
        return Scattering1D(self.J, Q=self.Q, T=T, max_order=self.max_order, accuracy=self.accuracy)


@dataclass(frozen=True, kw_only=True)
class MeanJointScattering:
    """Joint scattering, all paths, averaged over frames; neither compressed nor renormalized.

    The default average over the whole sound is that of the reference, and does not distinguish
    rising from falling, as it includes the reflected sound. With a short T, like 2048, the vector
    is the mean over the frames inside the sound, which does.

    Parameters
    ----------
    J : int, default 13
        Log2 of the largest scale in samples.
    J_fr : int, default 5
        Log2 of the largest scale along log-frequency, in first-order wavelets.
    Q : int or (int, int), default (8, 1)
        Wavelets per octave in the first and second layer.
    Q_fr : int, default 2
        Wavelets per octave along log-frequency.
    T : int or "global", optional
        Averaging scale in samples, by default and at most the whole sound. "global" sums over the
        padded sound instead, each path at its own rate, as Kymatio does.
    F : int, default 0
        Averaging scale along log-frequency, 0 for none, to preserve the carrier.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.TimeFrequencyScattering`.

    References
    ----------
    V. Lostanlen et al., "From HEAR to GEAR: generative evaluation of audio representations",
    PMLR 166, 2022, for the settings.
    """

    J: int = 13
    J_fr: int = 5
    Q: int | tuple[int, int] = (8, 1)
    Q_fr: int = 2
    T: int | Literal["global"] | None = None
    F: int | Literal["global"] | None = 0
    accuracy: Accuracy = "default"

    takes_batches = True

    def __post_init__(self) -> None:
        hold_pair(self)
        self._transform(self.T)  # checks its options

    def __call__(self, y: Tensor, sr: int) -> Tensor:  # noqa: ARG002 - scales are in samples
        """Compute the vectors of sounds (..., n_samples)."""
        n_samples = y.shape[-1]
        T = _fitting(n_samples if self.T is None else self.T, n_samples)
        return _mean_inside(self._transform(T)(y), T, n_samples)

    def _transform(self, T: int | Literal["global"] | None) -> TimeFrequencyScattering:
        return TimeFrequencyScattering(
            self.J,
            self.J_fr,
            Q=self.Q,
            Q_fr=self.Q_fr,
            T=T,
            F=self.F,
            accuracy=self.accuracy,
        )


def _fitting(T: int | Literal["global"], n_samples: int) -> int | Literal["global"]:
    return T if isinstance(T, str) else min(T, n_samples)


def _mean_inside(S: Tensor, T: int | Literal["global"], n_samples: int) -> Tensor:
    """Average over time, without frames that extend half a scale beyond the sound's ends."""
    n_frames = S.shape[-1]
    if isinstance(T, str) or n_frames < 3:
        return S.mean(-1)
    centers = np.arange(n_frames) * 2 ** (T.bit_length() - 1)
    inside = np.flatnonzero((centers >= T / 2) & (centers <= n_samples - T / 2))
    return S[..., inside[0] : inside[-1] + 1].mean(-1) if len(inside) else S.mean(-1)
