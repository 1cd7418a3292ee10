"""How far coefficients move when a signal is shifted or stretched, beside its spectrogram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from scatseg.pictures.transforms import spectrogram
from scatseg.scattering import Scattering1D

_Signal = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceCurves:
    """Relative distances of a transform from itself, against the size of a change.

    Parameters
    ----------
    sizes : ndarray of float, shape (n,)
        Of the change, ascending: seconds, or parts of the duration.
    distances : mapping from str to ndarray of float, shape (n,)
        ||S(changed) - S|| / ||S|| by the name of the transform.
    """

    sizes: NDArray[np.float64]
    distances: Mapping[str, NDArray[np.float64]]


def invariance(
    y: _Signal,
    sr: int,
    *,
    T: Sequence[int] = (2**9, 2**11, 2**13),
    shifts: ArrayLike | None = None,
    J: int = 10,
    Q: int = 8,
) -> DistanceCurves:
    """Compare a signal with itself delayed, silence around both.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Signal.
    sr : int
        Sampling rate in Hz.
    T : sequence of int
        Averaging scales in samples.
    shifts : array_like of float, optional
        Seconds; 1 ms to 0.5 s when absent.
    J, Q : int
        Options of `scatseg.scattering.Scattering1D`, the same for all T.

    Returns
    -------
    curves : DistanceCurves
        One for each T in ascending order, and the spectrogram's.
    """
    seconds = np.geomspace(1e-3, 0.5, 16) if shifts is None else np.asarray(shifts, np.float64)
    samples = np.unique(np.maximum(1, np.round(seconds * sr).astype(int)))
    # Transforms mirror a signal at its ends: what they see of the mirror must be silent, too.
    around = 4 * max(*T, 2**J)
    still = np.pad(y, (around, around + samples[-1]))
    delayed = [np.roll(still, s) for s in samples]
    transforms: dict[str, Callable[[_Signal], _Signal]] = {
        f"scattering, T = {_milliseconds(each / sr)}": _scattering(J, Q, each) for each in sorted(T)
    }
    transforms[f"spectrogram, windows of {_milliseconds(1024 / sr)}"] = _stft(sr, 1024)
    return DistanceCurves(
        sizes=samples / sr,
        distances={name: _distances(S, still, delayed) for name, S in transforms.items()},
    )


def stability(
    y: _Signal, sr: int, *, factors: ArrayLike | None = None, J: int = 10, Q: Sequence[int] = (1, 8)
) -> DistanceCurves:
    """Compare a signal with itself played slower, both averaged over all of their time.

    Played slower by a small part, all frequencies fall by that part: the high ones leave the
    narrow bands of a spectrogram, and none leaves a band as wide as its frequency asks.

    Parameters
    ----------
    y, sr
        As for `invariance`.
    factors : array_like of float, optional
        By which part the duration grows; 0.001 to 0.1 when absent.
    J : int
        Log2 of the largest scale in samples.
    Q : sequence of int
        Wavelets per octave: one curve each.

    Returns
    -------
    curves : DistanceCurves
        One for each Q, and the spectrogram's.
    """
    parts = np.geomspace(1e-3, 0.1, 13) if factors is None else np.asarray(factors, np.float64)
    stretched = [stretch(y, part) for part in parts]
    transforms = {
        f"scattering, Q = {each}": _mean(_scattering(J, each, 2**J), 2 ** (J - 1)) for each in Q
    }
    transforms[f"spectrogram, windows of {_milliseconds(2048 / sr)}"] = _mean(_stft(sr, 2048), 512)
    return DistanceCurves(
        sizes=parts,
        distances={name: _distances(S, y, stretched) for name, S in transforms.items()},
    )


def stretch(y: _Signal, part: float) -> _Signal:
    """Play a signal slower, so that it lasts `1 + part` times as long and sounds lower.

    Whole samples bound how exact that is: `part` is met to within 1 / n_samples.
    """
    n_samples = round(len(y) * (1 + part))
    slower = scipy.fft.irfft(scipy.fft.rfft(y, norm="forward"), n_samples, norm="forward")
    return cast(_Signal, slower)


def _scattering(J: int, Q: int, T: int) -> Callable[[_Signal], _Signal]:
    transform = Scattering1D(J=J, Q=Q, T=T, stride=max(1, 2 ** (T.bit_length() - 2)))
    return lambda y: cast(_Signal, transform(y))[1:]


def _stft(sr: int, n_fft: int) -> Callable[[_Signal], _Signal]:
    return lambda y: spectrogram(y, sr, n_fft=n_fft, hop=n_fft // 4).values


def _mean(transform: Callable[[_Signal], _Signal], hop: int) -> Callable[[_Signal], _Signal]:
    """Average frames over the signal, each weighted by the part of it that is nearest to it."""

    def averaged(y: _Signal) -> _Signal:
        S = transform(y)
        edges = np.clip((np.arange(S.shape[1] + 1) - 0.5) * hop, 0, len(y))
        return cast(_Signal, S @ np.diff(edges) / len(y))

    return averaged


def _distances(
    transform: Callable[[_Signal], _Signal], still: _Signal, moved: Sequence[_Signal]
) -> NDArray[np.float64]:
    S = transform(still)
    norm = np.linalg.norm(S)
    if norm == 0:
        msg = "silence is at no distance from itself: choose a stretch with sound"
        raise ValueError(msg)
    return np.array([np.linalg.norm(transform(each) - S) / norm for each in moved])


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
