"""A signal -> log-frequency spectra, normalized by the level of the recording."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

ONSET_HOP = 0.0116
"""Seconds between frames of the onset spectrum."""

_PITCH_HOP = 4 * ONSET_HOP
_CHUNK = 512  # frames transformed at a time
_QUIET = 1e-9  # of full scale: smaller magnitudes are silence
_COMPRESSION = 40.0  # c in `Spectrum`: how far below loud bands a level still counts


class Spectrum(NamedTuple):
    """Levels log(1 + c * magnitude / loud) in bands, independent of the gain of the recording.

    Parameters
    ----------
    levels : ndarray of float32, shape (n_frames, n_bands)
        Frame k is centered at `k * hop` seconds.
    hop : float
        Seconds between frames.
    centers : ndarray of float, shape (n_bands,)
        Center frequencies in Hz.
    """

    levels: NDArray[np.float32]
    hop: float
    centers: NDArray[np.floating]


def band_spectrum(y: NDArray[np.floating], sr: int) -> Spectrum:
    """Compute quarter-octave bands, centered from 30 Hz to 9 kHz, every 12 ms, for onsets."""
    centers = 30 * 2 ** (np.arange(34) / 4)
    return _spectrum(y, sr, window=0.046, hop=ONSET_HOP, centers=centers)


def pitch_spectrum(y: NDArray[np.floating], sr: int) -> Spectrum:
    """Compute semitone bands from A1 (55 Hz) over five octaves, every 46 ms, for harmony."""
    centers = 55 * 2 ** (np.arange(60) / 12)
    return _spectrum(y, sr, window=0.186, hop=_PITCH_HOP, centers=centers)


def _spectrum(
    y: NDArray[np.floating], sr: int, *, window: float, hop: float, centers: NDArray[np.floating]
) -> Spectrum:
    length = max(2, round(window * sr))
    n_fft = scipy.fft.next_fast_len(length, real=True)
    hertz = np.fft.rfftfreq(n_fft, 1 / sr)
    weights = _triangles(hertz, centers)
    filled = weights.any(axis=0)  # bands with at least one bin, below the Nyquist frequency
    weights, centers = weights[:, filled], centers[filled]
    n_bins = int(np.flatnonzero(weights.any(axis=1)).max(initial=0)) + 1
    n_frames = int(len(y) / sr / hop) + 1
    starts = np.round(np.arange(n_frames) * hop * sr).astype(np.intp) - length // 2
    taper = np.hanning(length).astype(np.float32)
    energies = []
    for k in range(0, n_frames, _CHUNK):
        frames = _frames(y, starts[k : k + _CHUNK], length)
        spectrum = scipy.fft.rfft(frames * taper, n_fft)[:, :n_bins]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        energies.append(power @ weights[:n_bins])
    magnitudes = np.sqrt(np.concatenate(energies))
    # A self-weighted mean, so that silence before or after the music changes nothing.
    loud = np.square(magnitudes).sum() / max(float(magnitudes.sum()), _QUIET)
    levels = np.log1p(_COMPRESSION * magnitudes / max(float(loud), _QUIET * length))
    return Spectrum(levels, hop, centers)


def _frames(y: NDArray[np.floating], starts: NDArray[np.intp], length: int) -> NDArray[np.float32]:
    """Return the frames (n_frames, length) from increasing samples on, with zeros around `y`."""
    first, stop = int(starts[0]), int(starts[-1]) + length
    inside = np.asarray(y[max(first, 0) : stop], dtype=np.float32)
    here = np.pad(inside, (max(-first, 0), max(stop - len(y), 0)))
    frames: NDArray[np.float32] = sliding_window_view(here, length)[starts - first]
    return frames


def _triangles(hertz: NDArray[np.floating], centers: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compute triangular filters (n_bins, n_bands) on log-frequency, 0 at neighboring centers."""
    octaves = np.log2(np.maximum(hertz, centers[0] / 4))
    step = np.log2(centers[1] / centers[0])
    rise = 1 - np.abs(octaves[:, None] - np.log2(centers)) / step
    return np.asarray(np.maximum(0, rise), dtype=np.float32)
