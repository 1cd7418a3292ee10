"""Change of scattering coefficients and spectrograms when a signal is shifted or stretched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg.pictures.transforms import spectrogram
from scatseg.scattering import Scattering1D
from scatseg.scattering.arguments import check_channel, check_integer, check_mono

_Signal = NDArray[np.floating]
_Transforms = Mapping[str, Callable[[_Signal], _Signal]]

Follow = Callable[[Iterable[float], int], Iterable[float]]
"""Iterates over distances as they are computed, given their number, to show progress."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceCurves:
    """Relative distance of transforms as a function of the size of a change.

    Parameters
    ----------
    sizes : ndarray of float, shape (n,)
        Size of the change, ascending: seconds, or fractions of the duration.
    distances : mapping from str to ndarray of float, shape (n,)
        Name of the transform -> ||S(changed) - S|| / ||S||.
    """

    sizes: NDArray[np.float64]
    distances: Mapping[str, NDArray[np.float64]]


def invariance(
    y: _Signal,
    sr: int,
    *,
    T: int | Sequence[int] = (2**9, 2**11, 2**13),
    shifts: ArrayLike | None = None,
    J: int = 10,
    Q: int = 8,
    follow: Follow | None = None,
) -> DistanceCurves:
    """Compare a zero-padded signal with its delayed copy.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Signal.
    sr : int
        Sampling rate in Hz.
    T : int or sequence of int
        Averaging scales in samples.
    shifts : array_like of float, optional
        Seconds, positive; 1 ms to 0.5 s by default.
    J, Q : int
        Options of `scatseg.scattering.Scattering1D`, the same for all T.
    follow : callable, optional
        Iterates over the distances as they are computed, given their number.

    Returns
    -------
    curves : DistanceCurves
        One curve per T, ascending, and one of the spectrogram.
    """
    y = check_mono(y, sr)
    seconds = _ascending(np.geomspace(1e-3, 0.5, 16) if shifts is None else shifts, "shifts")
    samples = np.unique(np.maximum(1, np.round(seconds * sr).astype(int)))
    # Transforms reflect the signal at its ends: the reflected part must be silent, too.
    scales = _counts(T, "T")
    around = 4 * max(*scales, 2**J)
    still = np.pad(y, (around, around + samples[-1]))
    delayed = [np.roll(still, s) for s in samples]
    transforms = {
        f"scattering, T = {_duration_text(each / sr)}": _scattering(J, Q, each)
        for each in sorted(scales)
    }
    transforms[f"spectrogram, windows of {_duration_text(1024 / sr)}"] = _stft(sr, 1024, hop=256)
    return _curves(samples / sr, transforms, still, delayed, follow)


def stability(
    y: _Signal,
    sr: int,
    *,
    factors: ArrayLike | None = None,
    J: int = 10,
    Q: int | Sequence[int] = (1, 8),
    follow: Follow | None = None,
) -> DistanceCurves:
    """Compare time-averaged transforms of a signal and of a time-stretched copy (by resampling).

    A small stretch lowers all frequencies by the same ratio: high ones leave the narrow bands of a
    spectrogram, but not constant-Q bands.

    Parameters
    ----------
    y, sr
        As for `invariance`.
    factors : array_like of float, optional
        Relative increase in duration, positive; 0.001 to 0.1 by default.
    J : int
        Log2 of the largest scale in samples.
    Q : int or sequence of int
        Wavelets per octave: one curve each.
    follow : callable, optional
        As for `invariance`.

    Returns
    -------
    curves : DistanceCurves
        One curve per Q, and one of the spectrogram.
    """
    y = check_mono(y, sr)
    parts = _ascending(np.geomspace(1e-3, 0.1, 13) if factors is None else factors, "factors")
    stretched = [stretch(y, part) for part in parts]
    transforms = {
        f"scattering, Q = {each}": _mean(_scattering(J, each, 2**J), 2 ** (J - 1))
        for each in _counts(Q, "Q")
    }
    # At the usual quarter of the window, averages depend on where the signal ends between frames.
    transforms[f"spectrogram, windows of {_duration_text(2048 / sr)}"] = _mean(
        _stft(sr, 2048, hop=256), 256
    )
    return _curves(parts, transforms, y, stretched, follow)


def stretch(y: ArrayLike, part: float) -> _Signal:
    """Stretch a signal to `1 + part` times its duration by resampling, which lowers its pitch.

    Lengths are integers, so `part` is exact to within 1 / n_samples.

    Raises
    ------
    ValueError
        When y is not one channel of finite samples, or nothing or no end would be left of it.
    """
    y = check_channel(y)
    n_samples = round(len(y) * (1 + part)) if math.isfinite(part) else 0
    if n_samples < 1:
        msg = f"part must be finite and leave at least 1 of {len(y)} samples, got {part!r}"
        raise ValueError(msg)
    slower = scipy.fft.irfft(scipy.fft.rfft(y, norm="forward"), n_samples, norm="forward")
    return cast(_Signal, slower)


def _ascending(sizes: ArrayLike, name: str) -> NDArray[np.float64]:
    ascending = np.sort(np.asarray(sizes, dtype=np.float64), axis=None)
    if not (ascending.size and np.isfinite(ascending).all() and ascending[0] > 0):
        msg = f"{name} must be positive numbers, got {sizes!r}"
        raise ValueError(msg)
    return ascending


def _counts(given: int | Sequence[int], name: str) -> list[int]:
    counts = list(given) if isinstance(given, Iterable) else [given]
    if not counts:
        msg = f"{name} must be an integer or several, got none"
        raise ValueError(msg)
    for count in counts:
        check_integer(name, count, 1)
    return [int(count) for count in counts]


def _scattering(J: int, Q: int, T: int) -> Callable[[_Signal], _Signal]:
    transform = Scattering1D(J=J, Q=Q, T=T, stride=max(1, 2 ** (T.bit_length() - 2)))
    return lambda y: cast(_Signal, transform(y))[1:]


def _stft(sr: int, n_fft: int, *, hop: int) -> Callable[[_Signal], _Signal]:
    return lambda y: spectrogram(y, sr, n_fft=n_fft, hop=hop).values


def _mean(transform: Callable[[_Signal], _Signal], hop: int) -> Callable[[_Signal], _Signal]:
    """Average frames over the signal, each weighted by the duration nearest to it."""

    def averaged(y: _Signal) -> _Signal:
        S = transform(y)
        # The last frame may be centered over half a hop before the end.
        edges = np.array([0, *(np.arange(1, S.shape[1]) - 0.5) * hop, len(y)])
        return cast(_Signal, S @ np.diff(edges) / len(y))

    return averaged


def _curves(
    sizes: NDArray[np.float64],
    transforms: _Transforms,
    still: _Signal,
    moved: Sequence[_Signal],
    follow: Follow | None,
) -> DistanceCurves:
    distances = (
        distance
        for transform in transforms.values()
        for distance in _distances(transform, still, moved)
    )
    n_distances = len(transforms) * len(moved)
    values = np.fromiter(follow(distances, n_distances) if follow else distances, np.float64)
    curves = values.reshape(len(transforms), len(moved))
    return DistanceCurves(sizes=sizes, distances=dict(zip(transforms, curves, strict=True)))


def _distances(
    transform: Callable[[_Signal], _Signal], still: _Signal, moved: Sequence[_Signal]
) -> Iterator[float]:
    S = transform(still)
    norm = np.linalg.norm(S)
    if norm == 0:
        msg = "silence has no relative distance from itself: choose an excerpt with sound"
        raise ValueError(msg)
    for each in moved:
        yield float(np.linalg.norm(transform(each) - S) / norm)


def _duration_text(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
