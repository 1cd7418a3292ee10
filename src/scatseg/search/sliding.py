"""Frames of a query and of a recording -> their alignment by cross-correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_STILL = 1e-9
"""Energy below which frames are constant."""

_PLACES = 2048
"""Positions processed at a time."""


class Course(NamedTuple):
    """The correlation of a query with each position of an excerpt.

    Parameters
    ----------
    similarities : ndarray of float64, shape (n_places,)
        Correlation coefficients, in [-1, 1].
    starts : ndarray of float64, shape (n_places,)
        Offset of the query from the start of the excerpt in frames, increasing.
    """

    similarities: NDArray[np.float64]
    starts: NDArray[np.float64]


class Pattern:
    """A query with cached spectra, for correlation with many excerpts.

    Parameters
    ----------
    phases : sequence of ndarray of float32, each of shape (m, n_columns)
        The query, sampled at frames 0, 1, ..., then each a fraction of a frame later: frame j of
        phase p at j + p / n_phases.
    """

    def __init__(self, phases: Sequence[NDArray[np.float32]]) -> None:
        self.phases = np.stack(phases)
        self.moved = self.phases - self.phases.mean(axis=1, keepdims=True)
        self.energies = (self.moved.astype(np.float64) ** 2).sum(axis=(1, 2))
        self._spectra: dict[int, NDArray[np.complex64]] = {}

    def __len__(self) -> int:
        n_frames: int = self.phases.shape[1]
        return n_frames

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Delays of the phases as fractions of a frame."""
        return np.arange(len(self.phases)) / len(self.phases)

    def spectra(self, size: int) -> NDArray[np.complex64]:
        """Transform the phases to `size` points, shape (size // 2 + 1, n_phases, n_columns)."""
        if size not in self._spectra:
            turned = scipy.fft.rfft(self.moved, size, axis=1).conj()
            self._spectra[size] = np.ascontiguousarray(turned.transpose(1, 0, 2))
        return self._spectra[size]


def slide(frames: NDArray[np.float32], *patterns: Pattern) -> list[Course]:
    """Correlate queries with each position of an excerpt.

    Each is centered on its mean over time, so that a constant filter or gain, which adds a constant
    to logarithms, has no effect.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, n_columns)
        The excerpt.
    *patterns : Pattern
        The queries. Longer ones are slid under the excerpt.

    Returns
    -------
    courses : list of Course
        One per query, at the best phase of each frame.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    >>> course, = slide(frames, Pattern([frames[20:30]]))
    >>> float(course.starts[course.similarities.argmax()])
    20.0
    """
    shorter = [each for each in patterns if len(each) <= len(frames)]
    along = iter(_correlations(frames, shorter) if shorter else [])
    return [
        _best_phases(next(along), pattern)
        if len(pattern) <= len(frames)
        else _under(frames, pattern)
        for pattern in patterns
    ]


def overlapping(course: Course, query: float, recording: float) -> Course:
    """Keep the positions at which a query overlaps a recording by half of the shorter one.

    If there is none, as between frames, the nearest is kept, and moved to where there is. Only
    recordings padded with silence have frames beyond their end.

    Parameters
    ----------
    course : Course
        Starts in seconds of the recording.
    query, recording : float
        Durations in seconds.

    Returns
    -------
    course : Course
        At least one position.

    Examples
    --------
    >>> course = Course(np.array([0.1, 0.2, 0.9]), np.array([0.0, 0.2, 0.6]))
    >>> overlapping(course, 0.4, 0.5).starts
    array([0. , 0.2])
    """
    half = min(query, recording) / 2
    starts = np.clip(course.starts, half - query, recording - half)
    moved = np.abs(starts - course.starts)
    kept = moved == moved.min()
    return Course(course.similarities[kept], starts[kept])


def best_near(course: Course, start: float, end: float, duration: float) -> tuple[float, float]:
    """Find the best alignment of a query around a window.

    Parameters
    ----------
    course : Course
        Starts in seconds of the recording.
    start, end : float
        The window in seconds.
    duration : float
        Duration of the query in seconds.

    Returns
    -------
    similarity, start : float
        Correlation, and start of the query in seconds.
    """
    middle, reach = (start + end) / 2, (end - start) / 2 + abs(end - start - duration) / 2
    near = np.abs(course.starts + duration / 2 - middle) <= reach
    if not near.any():
        nearest = int(np.abs(course.starts + duration / 2 - middle).argmin())
        near[nearest] = True
    place = int(np.where(near, course.similarities, -np.inf).argmax())
    return float(course.similarities[place]), float(course.starts[place])


def _best_phases(found: NDArray[np.float64], pattern: Pattern) -> Course:
    """Choose the best phase at each position of correlations (n_phases, n_places)."""
    starts = np.arange(found.shape[1]) - pattern.fractions[found.argmax(axis=0)]
    return Course(found.max(axis=0), starts)


def _under(frames: NDArray[np.float32], pattern: Pattern) -> Course:
    """Correlate an excerpt with each position and phase of a longer query."""
    excerpt = Pattern([frames])
    turned = np.concatenate([_correlations(each, [excerpt])[0] for each in pattern.phases])
    best = turned.argmax(axis=0)
    starts = -np.arange(turned.shape[1]) - pattern.fractions[best]
    return Course(turned.max(axis=0)[::-1], starts[::-1])


def _correlations(
    frames: NDArray[np.float32], patterns: Sequence[Pattern]
) -> list[NDArray[np.float64]]:
    """Correlate queries with each part of the frames of equal length, (n_phases, n_places) each."""
    X = frames - frames.mean(axis=0)
    longest = max(len(pattern) for pattern in patterns)
    found: list[list[NDArray[np.float32]]] = [[] for _ in patterns]
    for first in range(0, len(X), _PLACES):
        part = X[first : first + _PLACES + longest - 1]
        size = _transform_size(len(part))
        spectrum = scipy.fft.rfft(part, size, axis=0)[:, :, None]
        for pattern, products in zip(patterns, found, strict=True):
            n_places = min(_PLACES, len(X) - len(pattern) + 1 - first)
            if n_places > 0:
                summed = (pattern.spectra(size) @ spectrum)[:, :, 0]
                products.append(scipy.fft.irfft(summed, size, axis=0)[:n_places].T)
    norms = _moving_norms(X, [len(pattern) for pattern in patterns])
    return [
        _scaled(np.concatenate(products, axis=1), pattern.energies, norm)
        for pattern, products, norm in zip(patterns, found, norms, strict=True)
    ]


def _scaled(
    products: NDArray[np.float32], energies: NDArray[np.float64], norms: NDArray[np.float64]
) -> NDArray[np.float64]:
    lengths = np.sqrt(np.maximum(energies, _STILL))[:, None] * norms
    moving = (energies >= _STILL)[:, None]
    return np.clip(np.where(moving, products / lengths, 0.0), -1, 1)


def _transform_size(n: int) -> int:
    """Round up to one of few sizes, so that spectra of a query can be reused.

    Examples
    --------
    >>> [_transform_size(n) for n in (5, 65, 97, 128)]
    [6, 96, 128, 128]
    """
    power = 1 << max(1, (n - 1).bit_length())
    return power * 3 // 4 if n <= power * 3 // 4 else power


def _moving_norms(X: NDArray[np.float32], lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """Compute the norms of `lengths` centered frames from each start; never 0."""
    sums = np.zeros((len(X) + 1, X.shape[1]))
    np.cumsum(X, axis=0, dtype=np.float64, out=sums[1:])
    squares = np.zeros(len(X) + 1)
    np.cumsum((X.astype(np.float64) ** 2).sum(axis=1), out=squares[1:])
    sizes = (sums**2).sum(axis=1)
    norms = []
    for m in lengths:
        crossed = np.einsum("ij,ij->i", sums[m:], sums[:-m])
        mean_energy = (sizes[m:] + sizes[:-m] - 2 * crossed) / m
        energy = squares[m:] - squares[:-m] - mean_energy
        norms.append(np.sqrt(np.maximum(energy, _STILL)))
    return norms
