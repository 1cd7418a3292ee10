"""A signal and its bar lines -> Features with one row per bar, in temporal order within it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from scatseg.extractors import extracted, extractor, unit_variance
from scatseg.features import (
    Extractor,
    FeatureName,
    Features,
    JointScattering,
    Scattering,
    uniform_edges,
)
from scatseg.places import laid_out
from scatseg.rhythm import Grid, find_grid, heard_span, with_silent_ends
from scatseg.scattering.arguments import check_integer, check_mono, check_positive
from scatseg.segmentation import ROUNDING

SILENT_BAR = -60.0
"""Decibels relative to the loudest bar, below which bars are silent."""


PULSELESS_FRAME = 0.5
"""Frame length in seconds where there are no bars."""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Several features at several metrical positions of each bar: one row per bar.

    A bar cut off by the beginning or end of the recording is aligned to its existing bar line. Each
    feature family has a total variance of 1; bars 60 dB below the loudest are silent and set to 0.
    Without a clear pulse, there is one row per half second instead. Silence before and after the
    music does not change its rows.

    Parameters
    ----------
    features : tuple of str or extractor, or one of them
        Names in `BAR_FEATURES`, other names as in `scatseg.extractors.extractor`, or extractors.
    positions : int, default 8
        Positions per bar.
    length : float, optional
        Bar length in seconds of a uniform grid, instead of estimated bars.

    Examples
    --------
    >>> y = np.sin(2 * np.pi * 440 * np.arange(4 * 22050) / 22050)
    >>> Bars(features=("chroma", "mfcc"), positions=4, length=2.0)(y, 22050)
    Features(2 frames x 128, 4.0 s, chroma+mfcc)
    """

    features: tuple[str | Extractor, ...] | str | Extractor = ("jtfs", "cqt", "mfcc", "chroma")
    positions: int = 8
    length: float | None = None

    def __post_init__(self) -> None:
        check_integer("positions", self.positions, 1)
        if isinstance(self.features, list):
            object.__setattr__(self, "features", tuple(self.features))  # to have a hash
        if self.length is not None:
            check_positive("length", self.length)
        if not self._extractors():
            msg = "a bar needs at least one kind of features, got none"
            raise ValueError(msg)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz, by bar."""
        if self.length is not None:
            return self.on_grid(y, sr, _uniform_frames(y, sr, self.length))
        return self.by_grid(y, sr, find_grid(y, sr))

    def by_grid(self, y: NDArray[np.floating], sr: int, grid: Grid) -> Features:
        """Compute features by bar, or by half second where the grid has no pulse.

        Parameters
        ----------
        y : ndarray of float, shape (n_samples,)
            Mono signal.
        sr : int
            Sampling rate in Hz.
        grid : Grid
            Of this signal, see `scatseg.rhythm.find_grid`.

        Raises
        ------
        TypeError
            When `grid` is not a Grid.
        """
        if not isinstance(grid, Grid):
            msg = (
                f"grid must be a Grid, got {type(grid).__name__}: find_grid(y, sr, downbeats=...) "
                "makes one of bar lines, and on_grid takes them as they are"
            )
            raise TypeError(msg)
        if grid.is_regular:
            rival = None if grid.rival is None else grid.rival.edges
            return self.on_grid(y, sr, grid.edges, rival=rival, notes=grid.warnings)
        frames = _uniform_frames(y, sr, PULSELESS_FRAME)
        return replace(self, positions=1).on_grid(y, sr, frames, notes=grid.warnings)

    def on_grid(
        self,
        y: NDArray[np.floating],
        sr: int,
        edges: ArrayLike,
        *,
        rival: ArrayLike | None = None,
        notes: tuple[str, ...] = (),
    ) -> Features:
        """Compute the features of the bars between given bar lines.

        Parameters
        ----------
        y : ndarray of float, shape (n_samples,)
            Mono signal.
        sr : int
            Sampling rate in Hz.
        edges : array_like of float, shape (n_bars + 1,)
            Seconds, increasing, from 0 to the duration.
        rival : array_like of float, shape (n_other_bars + 1,), optional
            Other bar lines that are nearly as probable, for `Features.rival`.
        notes : tuple of str, default ()
            Warnings about the bar lines, to attach to the features.
        """
        y = check_mono(y, sr)
        lines = _checked_lines(edges, len(y) / sr)
        others = None if rival is None else _checked_lines(rival, len(y) / sr)
        start, stop = heard_span(y, sr)
        frames = _described(self._extractors(), y[start:stop], sr)

        def by_bar(lines: NDArray[np.float64], other: Features | None = None) -> Features:
            first, inner = _heard_bars(lines, start / sr, stop / sr, nearest=0.5 / sr)
            parts = [laid_out(part, inner, positions=self.positions) for part in frames]
            level = bar_levels(y[start:stop], sr, inner)
            heard = level > max(float(level.max()) * 10 ** (SILENT_BAR / 20), _LEAST_LEVEL)
            kinds = _without_rounding([unit_variance(part.X) for part in parts], heard)
            rows = np.concatenate(kinds, axis=1)
            rows[~heard] = 0
            X = np.zeros((len(lines) - 1, rows.shape[1]), dtype=rows.dtype)
            X[first : first + len(rows)] = rows
            names = [name for part in parts for name in part.names]
            all_notes = [*notes, *(note for part in parts for note in part.notes)]
            return Features(X, lines, names, notes=list(dict.fromkeys(all_notes)), rival=other)

        return by_bar(lines, None if others is None else by_bar(others))

    def _extractors(self) -> tuple[Extractor, ...]:
        named = self.features if isinstance(self.features, tuple | list) else (self.features,)
        return tuple(
            (BAR_FEATURES[each] if each in BAR_FEATURES else extractor(each))
            if isinstance(each, str)
            else each
            for each in named
        )


def _without_rounding(
    kinds: list[NDArray[np.floating]], heard: NDArray[np.bool_]
) -> list[NDArray[np.floating]]:
    """Make all rows equal if the recording is one held sound and they differ by rounding."""
    n_at_ends = min(_AT_ENDS, int(np.count_nonzero(heard)) // 4)
    inside = scipy.ndimage.binary_erosion(np.pad(heard, 1), iterations=n_at_ends)[1:-1]
    steady = inside if n_at_ends else heard
    if not steady.any() or not all(_is_held(X[steady]) for X in kinds):
        return kinds
    return [np.tile(np.median(X[steady], axis=0), (len(X), 1)) for X in kinds]


def _is_held(X: NDArray[np.floating]) -> bool:
    """Return whether all rows (n_rows, n_features) are nearly equal."""
    usual = np.median(X, axis=0)
    furthest = np.linalg.norm(X - usual, axis=1).max()
    return bool(furthest <= _HELD * np.linalg.norm(usual))


_AT_ENDS = 3
"""Rows affected by the onset or the end of a sound."""

_HELD = 0.01
"""Largest relative difference of the rows of a held sound; for noise it is .03."""


def _uniform_frames(y: NDArray[np.floating], sr: int, frame: float) -> NDArray[np.float64]:
    """Divide the non-silent span into equal frames, and the silence around it separately."""
    start, stop = heard_span(y, sr)
    edges = uniform_edges((stop - start) / sr, frame)
    return with_silent_ends(edges, start=start / sr, duration=len(y) / sr, bar=frame)


def _checked_lines(edges: ArrayLike, duration: float) -> NDArray[np.float64]:
    """Raise a ValueError unless the bar lines (n_bars + 1,) increase from 0 to the duration."""
    lines = np.array(edges, dtype=np.float64)
    reach = lines.ndim == 1 and lines.size > 1 and lines[0] == 0
    if not (reach and abs(lines[-1] - duration) <= ROUNDING and (np.diff(lines) > 0).all()):
        msg = (
            f"edges must be bar lines that increase from 0 to {duration:g} s, shape (n_bars + 1,), "
            f"got {np.array2string(lines, threshold=6, precision=6)}"
        )
        raise ValueError(msg)
    lines[-1] = duration
    return lines


def _heard_bars(
    lines: NDArray[np.float64], start: float, stop: float, *, nearest: float
) -> tuple[int, NDArray[np.float64]]:
    """Restrict bars to the non-silent span from `start` to `stop`, in seconds.

    Returns
    -------
    first : int
        Index of the bar that contains `start`.
    inner : ndarray of float64
        Bar lines in seconds from `start`, with both ends; lines within `nearest` of an end are
        dropped.
    """
    between = (lines > start + nearest) & (lines < stop - nearest)
    first = int(np.flatnonzero(lines <= start + nearest)[-1])
    return first, np.concatenate([[0.0], lines[between] - start, [stop - start]])


def bar_levels(y: NDArray[np.floating], sr: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the level of each bar.

    Returns
    -------
    levels : ndarray of float64, shape (n_bars,)
        Standard deviation of the samples (RMS without DC offset); 1 for full scale.

    Examples
    --------
    >>> bar_levels(np.array([0.1, 0.1, 0.5, -0.5]), 1, np.array([0.0, 2.0, 4.0]))
    array([0. , 0.5])
    """
    limits = np.clip(np.round(edges * sr).astype(int), 0, len(y))
    bars = (y[start:stop] for start, stop in pairwise(limits))
    return np.array([bar.std(dtype=np.float64) if bar.size else 0.0 for bar in bars])


@dataclass(frozen=True, kw_only=True)
class OneOrder:
    """The coefficients of one order of a scattering transform.

    Parameters
    ----------
    extract : Scattering
        The transform.
    order : {1, 2}
        The order to keep.
    """

    extract: Scattering
    order: int

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz, by frame."""
        features = self.extract(y, sr)
        return features.columns(np.array([name.order == self.order for name in features.names]))


@dataclass(frozen=True, kw_only=True)
class SpectralPeaks:
    """Constant-Q bins minus their local mean over frequency, half-wave rectified.

    Parameters
    ----------
    width : int, default 13
        Bins (semitones) of the centered local mean.
    """

    width: int = 13

    def __post_init__(self) -> None:
        check_integer("width", self.width, 1)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz, by frame."""
        return self.of(_constant_q(y, sr))

    def of(self, constant_q: Features) -> Features:
        """Compute the peaks of a constant-Q transform."""
        X = constant_q.X
        around = scipy.ndimage.uniform_filter1d(X, self.width, axis=1, mode="nearest")
        return Features(np.maximum(X - around, 0), constant_q.edges, constant_q.names)


@dataclass(frozen=True, kw_only=True)
class MelodyChroma:
    """Chroma of the melodic register, normalized by the strongest pitch class of each frame.

    Parameters
    ----------
    lowest, highest : float, default 261 and 2093
        Frequency range in Hz, without the upper end: from C4 to B6.
    eps : float, default 0.01
        Added to the strongest, relative to the recording's mean, so that quiet frames fade to 0.
    """

    lowest: float = 261.0
    highest: float = 2093.0
    eps: float = 0.01

    def __post_init__(self) -> None:
        for name in ("lowest", "highest", "eps"):
            check_positive(name, getattr(self, name))

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz, by frame."""
        return self.of(_constant_q(y, sr))

    def of(self, constant_q: Features) -> Features:
        """Fold a constant-Q transform into pitch classes."""
        magnitude = np.expm1(constant_q.X)
        folded = np.zeros((len(constant_q), 12), dtype=magnitude.dtype)
        for column, name in zip(magnitude.T, constant_q.names, strict=True):
            if name.carrier is not None and self.lowest <= name.carrier < self.highest:
                folded[:, name.index % 12] += column
        floor = max(self.eps * float(folded.mean()), _LEAST_LEVEL)
        chroma = folded / (folded.max(axis=1, keepdims=True) + floor)
        return Features(chroma, constant_q.edges, [FeatureName("chroma", i) for i in range(12)])


def _constant_q(y: NDArray[np.floating], sr: int) -> Features:
    return extractor("cqt")(y, sr)


def _described(
    extractors: tuple[Extractor, ...], y: NDArray[np.floating], sr: int
) -> list[Features]:
    """Compute the features of each extractor, sharing the constant-Q transform."""
    constant_q = functools.cache(lambda: _constant_q(y, sr))
    return [
        extract.of(constant_q())
        if isinstance(extract, SpectralPeaks | MelodyChroma)
        else extracted(extract, y, sr)
        for extract in extractors
    ]


BAR_FEATURES: Mapping[str, Extractor] = {
    "s1": OneOrder(extract=Scattering(J=11, Q=16, T=2048, stride=1024, max_order=1), order=1),
    "s2": OneOrder(extract=Scattering(J=13, Q=8, T=8192, stride=4096), order=2),
    "jtfs": JointScattering(accuracy="fast"),
    "cqt": SpectralPeaks(),
    "chroma": MelodyChroma(),
}
"""Feature names with a special meaning in `Bars`: the variants that distinguish bars best."""

_LEAST_LEVEL = 1e-6
"""Of full scale: lower levels count as silence."""
