"""Classical features as baselines: MFCC, log-mel, chroma, constant-Q, tempogram.

The only user of librosa, whose (n_features, n_frames) arrays are transposed here, and of numba,
which compiles it.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features, frame_edges
from scatseg.rates import check_rate
from scatseg.scattering.arguments import check_integer, check_mono, check_positive
from scatseg.writing import private_folder

_LEAST_SAMPLES = 2048
"""Shorter signals are zero-padded to this length, librosa's default window."""


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-compressed mel spectrogram, log(1 + power / eps) with eps relative to the mean.

    Parameters
    ----------
    n_mels : int, default 64
        Mel bands.
    hop_length : int, default 512
        Samples between frames.
    eps : float, default 0.01
        Power below which the scale is linear, relative to the recording's mean.
    """

    n_mels: int = 64
    hop_length: int = 512
    eps: float = 0.01

    def __post_init__(self) -> None:
        _check_counts(n_mels=self.n_mels, hop_length=self.hop_length)
        check_positive("eps", self.eps)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        power = _mel_power(y, sr, self.n_mels, self.hop_length)
        floor = max(self.eps * float(power.mean()), _LEAST_POWER)
        hertz = librosa.mel_frequencies(n_mels=self.n_mels + 2, fmax=sr / 2)[1:-1]
        return _framed(np.log1p(power / floor), "logmel", y, sr, self.hop_length, hertz)


@dataclass(frozen=True, kw_only=True)
class MFCC:
    """Mel-frequency cepstral coefficients without the first (level).

    Parameters
    ----------
    n_mfcc : int, default 20
        Coefficients kept, at most 127.
    hop_length : int, default 512
        Samples between frames.
    """

    n_mfcc: int = 20
    hop_length: int = 512

    def __post_init__(self) -> None:
        _check_counts(n_mfcc=self.n_mfcc, hop_length=self.hop_length)
        if self.n_mfcc >= _MEL_BANDS:
            msg = f"n_mfcc must be below the number of mel bands, {_MEL_BANDS}, got {self.n_mfcc}"
            raise ValueError(msg)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        power = _mel_power(y, sr, _MEL_BANDS, self.hop_length)
        decibel = librosa.power_to_db(power, ref=max(float(power.max()), _LEAST_POWER))
        mfcc = librosa.feature.mfcc(S=decibel, n_mfcc=self.n_mfcc + 1)[1:]
        return _framed(mfcc, "mfcc", y, sr, self.hop_length)


@dataclass(frozen=True, kw_only=True)
class CQT:
    """Constant-Q transform, log(1 + magnitude / eps) with eps relative to the mean.

    Parameters
    ----------
    n_octaves : int, default 7
        Octaves from C1 (32.7 Hz) up, fewer where half the sampling rate is lower.
    bins_per_octave : int, default 12
        Bins per octave.
    hop_length : int, default 512
        Samples between frames.
    eps : float, default 0.1
        Magnitude below which the scale is linear, relative to the recording's mean.
    """

    n_octaves: int = 7
    bins_per_octave: int = 12
    hop_length: int = 512
    eps: float = 0.1

    def __post_init__(self) -> None:
        _check_counts(
            n_octaves=self.n_octaves,
            bins_per_octave=self.bins_per_octave,
            hop_length=self.hop_length,
        )
        check_positive("eps", self.eps)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        n_octaves = min(self.n_octaves, _octaves_below(sr))
        n_bins, per_octave = n_octaves * self.bins_per_octave, self.bins_per_octave
        C = _cqt(y, sr, n_bins, per_octave, self.hop_length)
        floor = max(self.eps * float(C.mean()), _LEAST_LEVEL)
        hertz = librosa.cqt_frequencies(n_bins=n_bins, fmin=_C1, bins_per_octave=per_octave)
        return _framed(np.log1p(C / floor), "cqt", y, sr, self.hop_length, hertz)


@dataclass(frozen=True, kw_only=True)
class Chroma:
    """Chroma: constant-Q magnitudes of all octaves folded into pitch classes.

    Normalized by the strongest pitch class of each frame; quiet frames tend to 0.

    Parameters
    ----------
    n_octaves : int, default 7
        Octaves from C1 (32.7 Hz) up, fewer where half the sampling rate is lower.
    hop_length : int, default 512
        Samples between frames.
    eps : float, default 0.01
        Offset of the normalization, relative to the recording's mean magnitude.
    """

    n_octaves: int = 7
    hop_length: int = 512
    eps: float = 0.01

    def __post_init__(self) -> None:
        _check_counts(n_octaves=self.n_octaves, hop_length=self.hop_length)
        check_positive("eps", self.eps)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        n_octaves = min(self.n_octaves, _octaves_below(sr))
        C = _cqt(y, sr, 36 * n_octaves, 36, self.hop_length)
        folded = librosa.feature.chroma_cqt(
            C=C, sr=sr, bins_per_octave=36, n_octaves=n_octaves, norm=None
        )
        floor = max(self.eps * float(folded.mean()), _LEAST_LEVEL)
        chroma = folded / (folded.max(axis=0) + floor)
        return _framed(chroma, "chroma", y, sr, self.hop_length)


@dataclass(frozen=True, kw_only=True)
class Tempogram:
    """Local autocorrelation of the onset strength.

    Normalized by lag 0, which is left out. Frames almost without onsets tend to 0.

    Parameters
    ----------
    window : float, default 8.0
        Window length in seconds.
    hop_length : int, default 512
        Samples between frames.
    eps : float, default 0.01
        Offset of the normalization, relative to the recording's mean onset energy.
    """

    window: float = 8.0
    hop_length: int = 512
    eps: float = 0.01

    def __post_init__(self) -> None:
        _check_counts(hop_length=self.hop_length)
        check_positive("window", self.window)
        check_positive("eps", self.eps)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        _load_compiled()
        onsets = librosa.onset.onset_strength(y=_padded(y, sr), sr=sr, hop_length=self.hop_length)
        length = max(2, round(self.window * sr / self.hop_length))
        tempogram = librosa.feature.tempogram(
            onset_envelope=onsets, sr=sr, hop_length=self.hop_length, win_length=length, norm=None
        )
        floor = max(self.eps * float(tempogram[0].mean()), _LEAST_POWER)
        lags = np.arange(1, length) * self.hop_length / sr
        rows = tempogram[1:] / (tempogram[0] + floor)
        return _framed(rows, "tempogram", y, sr, self.hop_length, modulation=1 / lags)


_MEL_BANDS = 128
"""Mel bands of `MFCC`, librosa's default."""

_BLOCK = 2**15
"""Frames of a block: 12 minutes and a half by default."""

_C1 = 32.70319566257483
"""Hz: the lowest note of the constant-Q features."""

_LEAST_LEVEL = 1e-6
"""Of full scale: smaller magnitudes count as silence."""

_LEAST_POWER = 1e-10
"""The same for power."""


@functools.cache
def _load_compiled() -> None:
    """Load the compiled functions of librosa, which fail without a folder for numba's cache.

    Where neither the package nor the user has one that can be written, as in containers, it is a
    private one among temporary files.
    """
    try:
        _ = (librosa.cqt, librosa.feature.tempogram, librosa.onset.onset_strength)
    except RuntimeError:
        if "NUMBA_CACHE_DIR" in os.environ:
            raise
        import numba

        folder = os.fspath(private_folder("scatseg-numba"))
        os.environ["NUMBA_CACHE_DIR"] = vars(numba.config)["CACHE_DIR"] = folder


def _check_counts(**counts: int) -> None:
    """Raise a ValueError unless all options are integers of at least 1."""
    for name, value in counts.items():
        check_integer(name, value, 1)


def _octaves_below(sr: int) -> int:
    """Return the whole octaves from C1 below the Nyquist frequency, with a semitone to spare."""
    check_rate(sr)
    n_octaves = int(np.floor(np.log2(sr / 2 / (_C1 * 2 ** (1 / 12)))))
    if n_octaves < 1:
        msg = f"constant-Q features need a sampling rate of at least 140 Hz, got {sr}"
        raise ValueError(msg)
    return n_octaves


def _padded(y: NDArray[np.floating], sr: int, least: int = _LEAST_SAMPLES) -> NDArray[np.float32]:
    """Zero-pad to a minimum length, that of the longest window; longer signals are not copied."""
    signal = np.asarray(check_mono(y, sr), dtype=np.float32)
    return signal if len(signal) >= least else np.pad(signal, (0, least - len(signal)))


def _mel_power(
    y: NDArray[np.floating], sr: int, n_mels: int, hop_length: int
) -> NDArray[np.float32]:
    _load_compiled()

    def power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        mel: NDArray[np.float32] = librosa.feature.melspectrogram(
            y=samples, sr=sr, n_fft=_LEAST_SAMPLES, n_mels=n_mels, hop_length=hop_length
        )
        return mel

    return _by_blocks(power, _padded(y, sr), hop_length, _LEAST_SAMPLES)


def _cqt(
    y: NDArray[np.floating], sr: int, n_bins: int, bins_per_octave: int, hop_length: int
) -> NDArray[np.float32]:
    _load_compiled()
    step = 2 ** (2 / bins_per_octave)
    longest_filter = sr / _C1 * (step + 1) / (step - 1)
    reach = 2 ** math.ceil(math.log2(longest_filter))

    def magnitude(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        C: NDArray[np.complex64] = librosa.cqt(
            samples,
            sr=sr,
            hop_length=hop_length,
            fmin=_C1,
            n_bins=n_bins,
            bins_per_octave=bins_per_octave,
            tuning=0.0,
        )
        return np.abs(C)

    return _by_blocks(magnitude, _padded(y, sr, reach), hop_length, reach)


def _by_blocks(
    compute: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    y: NDArray[np.float32],
    hop_length: int,
    reach: int,
) -> NDArray[np.float32]:
    """Compute a spectrogram (n_bins, n_frames), where frame k is centered at k * hop_length.

    Long recordings are computed in blocks of frames, as librosa holds the spectra of all in memory:
    each block with the `reach` samples around it that its frames depend on.
    """
    n_frames = 1 + len(y) // hop_length
    margin = -(-reach // hop_length)
    parts = []
    for first in range(0, n_frames, _BLOCK):
        before, n_here = min(first, margin), min(_BLOCK, n_frames - first)
        start, stop = first - before, first + n_here + margin
        part = compute(y[start * hop_length : stop * hop_length])
        parts.append(part[:, before : before + n_here])
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _framed(
    rows: NDArray[np.floating],
    family: str,
    y: NDArray[np.floating],
    sr: int,
    hop_length: int,
    carrier: NDArray[np.floating] | None = None,
    modulation: NDArray[np.floating] | None = None,
) -> Features:
    """Convert librosa's (n_features, n_frames), centered at k * hop_length, to Features."""
    centers = np.arange(rows.shape[1]) * hop_length / sr
    edges = frame_edges(centers, len(y) / sr)
    names = [
        FeatureName(
            family,
            i,
            carrier=None if carrier is None else float(carrier[i]),
            modulation=None if modulation is None else float(modulation[i]),
        )
        for i in range(len(rows))
    ]
    return Features(np.ascontiguousarray(rows.T[: len(edges) - 1], dtype=np.float32), edges, names)
