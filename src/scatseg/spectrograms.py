"""A signal -> its constant-Q and mel spectrogram, with the numbers of librosa, in blocks of frames.

librosa compiles its functions when it is imported, which takes longer than the analysis of a song,
designs filters again for every recording, and holds the spectra of all frames in memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse
import soxr
from numpy.typing import NDArray

from scatseg.scattering.banks import hertz_to_mel, mel_to_hertz

_NOISE_BANDWIDTH = 1.50018310546875
"""Equivalent noise bandwidth of the Hann window, in bins."""

_NEGLIGIBLE = 0.01
"""Share of the magnitudes of a filter's spectrum, the smallest ones, that is set to 0."""

_FRAMES = 4096
"""Frames transformed at a time."""


class _Octave(NamedTuple):
    """The filters of an octave, at the sampling rate at which it is analyzed.

    Parameters
    ----------
    factor : int
        Decimation of the signal of the octave above, or of the recording.
    hop : int
        Samples between frames.
    n_fft : int
        Samples of a frame.
    spectra : sparse matrix of complex64, shape (n_filters, n_fft // 2 + 1)
        The filters' spectra.
    scales : ndarray of float64, shape (n_filters, 1)
        What responses are divided by.
    """

    factor: int
    hop: int
    n_fft: int
    spectra: scipy.sparse.csr_matrix
    scales: NDArray[np.float64]


def constant_q(
    y: NDArray[np.float32],
    sr: int,
    *,
    lowest: float,
    n_octaves: int,
    bins_per_octave: int,
    hop_length: int,
) -> NDArray[np.float32]:
    """Compute the magnitudes of the constant-Q transform, in blocks of frames.

    Each octave is analyzed at half the sampling rate of the one above, as long as the hop is even.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        Finite signal, at least as long as the longest filter.
    sr : int
        Sampling rate in Hz, over twice the highest frequency and half its bandwidth.
    lowest : float
        Center frequency of the first bin in Hz.
    n_octaves, bins_per_octave : int
        Octaves, and bins in each.
    hop_length : int
        Samples between frames; frame k is centered at k * hop_length.

    Returns
    -------
    C : ndarray of float32, shape (n_octaves * bins_per_octave, n_frames)
        Magnitudes, divided by the square root of the filters' lengths.

    References
    ----------
    C. Schörkhuber and A. Klapuri, "Constant-Q transform toolbox for music processing", SMC 2010.
    """
    octaves = _octaves(sr, lowest, n_octaves, bins_per_octave, hop_length)
    found: list[NDArray[np.float32]] = []
    for octave in octaves:
        y = _decimated(y, octave.factor)
        found.insert(0, _magnitudes(y, octave))
    n_frames = min(map(len, found))
    return np.concatenate([each[:n_frames] for each in found], axis=1).T


def _magnitudes(y: NDArray[np.float32], octave: _Octave) -> NDArray[np.float32]:
    """Filter a signal by the filters of an octave, shape (n_frames, n_filters)."""
    found = np.empty((1 + len(y) // octave.hop, len(octave.scales)), dtype=np.float32)
    for frames, spectra in _short_time(y, octave.n_fft, octave.hop):
        response = octave.spectra @ spectra
        response /= octave.scales
        found[frames] = np.abs(response).T
    return found


def _short_time(
    y: NDArray[np.float32], n_fft: int, hop: int, window: NDArray[np.float64] | float = 1.0
) -> Iterator[tuple[slice, NDArray[np.complex64]]]:
    """Yield blocks of frames, centered at k * hop, and their spectra (n_fft // 2 + 1, n_frames)."""
    padded = np.pad(y, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    for start in range(0, len(frames), _FRAMES):
        block = slice(start, min(start + _FRAMES, len(frames)))
        spectra = scipy.fft.rfft(window * frames[block].astype(np.float64))
        yield block, spectra.astype(np.complex64).T


def _decimated(y: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Resample to a fraction of the sampling rate, with the same energy."""
    if factor == 1:
        return y
    n_samples = -(-len(y) // factor)
    lower = soxr.resample(y, factor, 1, quality="soxr_hq")[:n_samples]
    lower = np.pad(lower, (0, n_samples - len(lower)))
    lower /= np.sqrt(1 / factor)
    return lower


@functools.lru_cache(maxsize=8)
def _octaves(
    sr: int, lowest: float, n_octaves: int, bins_per_octave: int, hop_length: int
) -> Sequence[_Octave]:
    """Design the filters of all octaves, from the highest down."""
    steps = 2.0 ** (np.arange(bins_per_octave) / bins_per_octave)
    hertz = np.multiply.outer(2.0 ** np.arange(n_octaves), steps).ravel() * lowest
    widths = _relative_bandwidths(hertz, bins_per_octave)
    highest = float(np.max(hertz * (1 + 0.5 * _NOISE_BANDWIDTH * widths)))
    n_spare = math.ceil(math.log2(sr / 2 / highest)) - 2
    n_even = (hop_length & -hop_length).bit_length() - 1
    factor = 2 ** max(0, min(n_spare, n_even - n_octaves + 1))
    rate, hop = sr / factor, hop_length // factor
    top = rate
    found = []
    for i in reversed(range(n_octaves)):
        part = slice(i * bins_per_octave, (i + 1) * bins_per_octave)
        spectra, n_fft = _spectra(hertz[part], widths[part], rate)
        spectra.data *= np.sqrt(top / rate)
        scales = np.sqrt(_lengths(hertz[part], widths[part], top))[:, None]
        found.append(_Octave(factor, hop, n_fft, spectra, scales))
        factor = 1 if hop % 2 else 2
        rate, hop = rate / factor, hop // factor
    return found


def _relative_bandwidths(hertz: NDArray[np.float64], bins_per_octave: int) -> NDArray[np.float64]:
    """Return bandwidths relative to center frequencies, from those of the neighbors."""
    density = np.full(len(hertz), float(bins_per_octave))
    if len(hertz) > 1:
        octaves = np.log2(hertz)
        density[1:-1] = 2 / (octaves[2:] - octaves[:-2])
        density[[0, -1]] = 1 / np.diff(octaves)[[0, -1]]
    return np.asarray((2.0 ** (2 / density) - 1) / (2.0 ** (2 / density) + 1))


def _lengths(
    hertz: NDArray[np.float64], widths: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    """Return the lengths of filters in samples, which are fractional."""
    return 1 / widths * rate / hertz


def _spectra(
    hertz: NDArray[np.float64], widths: NDArray[np.float64], rate: float
) -> tuple[scipy.sparse.csr_matrix, int]:
    """Return the spectra of windowed complex exponentials, and the length of their transform."""
    lengths = _lengths(hertz, widths, rate)
    n_fft = 2 ** math.ceil(math.log2(lengths.max()))
    filters = np.zeros((len(hertz), n_fft), dtype=np.complex64)
    for row, frequency, length in zip(filters, hertz, lengths, strict=True):
        phases = np.arange(-length // 2, length // 2) * 2 * np.pi * frequency / rate
        n = len(phases)
        wave = (np.cos(phases) + 1j * np.sin(phases)) * _hann(n)
        start = (n_fft - n) // 2
        row[start : start + n] = wave / np.abs(wave).sum()
    filters *= lengths[:, None] / n_fft
    spectra = scipy.fft.fft(filters)[:, : n_fft // 2 + 1]
    levels = np.abs(spectra)
    ranked = np.sort(levels, axis=1)
    shares = np.cumsum(ranked / levels.sum(axis=1, keepdims=True), axis=1)
    first = np.argmin(shares < _NEGLIGIBLE, axis=1)[:, None]
    kept = np.where(levels >= np.take_along_axis(ranked, first, axis=1), spectra, 0)
    return scipy.sparse.csr_matrix(kept), n_fft


def _hann(n: int) -> NDArray[np.float64]:
    """Return a periodic Hann window of n samples."""
    return np.asarray(0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, n + 1)[:-1]))


def mel_power(
    y: NDArray[np.float32], sr: int, *, n_fft: int, n_mels: int, hop_length: int
) -> NDArray[np.float32]:
    """Compute the power in mel bands.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        Finite signal of at least `n_fft` samples.
    sr : int
        Sampling rate in Hz.
    n_fft : int
        Samples of a frame, weighted by a Hann window.
    n_mels : int
        Bands from 0 Hz to half the sampling rate.
    hop_length : int
        Samples between frames; frame k is centered at k * hop_length.

    Returns
    -------
    power : ndarray of float32, shape (n_mels, n_frames)
        Divided by the bandwidths.
    """
    bands = _mel_bands(sr, n_fft, n_mels)
    found = np.empty((n_mels, 1 + len(y) // hop_length), dtype=np.float32)
    for frames, spectra in _short_time(y, n_fft, hop_length, _hann(n_fft)):
        found[:, frames] = bands @ np.abs(spectra) ** 2
    return found


def mel_edges(n_mels: int, sr: int) -> NDArray[np.float64]:
    """Return the edges of overlapping mel bands up to half a sampling rate, in Hz.

    Returns
    -------
    hertz : ndarray of float64, shape (n_mels + 2,)
        Band k rises from edge k to k + 1, its center, and falls to edge k + 2.
    """
    return mel_to_hertz(np.linspace(0.0, hertz_to_mel(sr / 2), n_mels + 2))


@functools.lru_cache(maxsize=8)
def _mel_bands(sr: int, n_fft: int, n_mels: int) -> NDArray[np.float32]:
    """Return the weights of triangular bands, shape (n_mels, n_fft // 2 + 1)."""
    edges = mel_edges(n_mels, sr)
    ramps = np.subtract.outer(edges, scipy.fft.rfftfreq(n_fft, 1 / sr))
    steps = np.diff(edges)[:, None]
    triangles = np.minimum(-ramps[:-2] / steps[:-1], ramps[2:] / steps[1:])
    weights: NDArray[np.float32] = np.maximum(triangles, 0).astype(np.float32)
    weights *= 2 / (edges[2:] - edges[:-2])[:, None]
    return weights
