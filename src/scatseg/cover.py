"""Features of bars -> scores of all candidate segments, and labels; silence is kept apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.alignment import Copies, best_copies, label_by_copies
from scatseg.boundaries import block_scores, length_scores, repetition_scores
from scatseg.features import Features
from scatseg.labels import (
    LEAST_IN_KEY,
    label_by_repetition,
    repeats_in_other_keys,
    run_edges,
    segment_similarity,
)
from scatseg.rhythm import LONG_BAR, LONG_GAP
from scatseg.segmentation import ROUNDING, SILENCE, letter_labels
from scatseg.similarity import (
    by_family,
    fused_similarity,
    heard_frames,
    path_contrast,
    without_places,
)
from scatseg.transposition import SHIFTS, transposed_similarities

TIMBRE = ("mfcc", "scattering", "jtfs")
"""Feature families that describe timbre rather than notes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BarSimilarity:
    """Self-similarity matrices of the bars of a recording.

    Parameters
    ----------
    features : Features
        Frames are bars or shorter; each long silence is one frame.
    by_kind : dict of str to ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of bars by each kind of features, see `similarity.by_family`, in
        temporal order. For frames shorter than bars: by each but timbre.
    in_order : ndarray of float64, shape (n_frames, n_frames)
        Mean of `by_kind`: similarity by all these features.
    by_timbre : ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of bars regardless of temporal order, by timbre features if there are
        any.
    silences : ndarray of int
        Indices of frames that are long silences.
    frames_per_bar : int
        At least 1.
    copies : Copies or None
        Repetitions that may differ in tempo, only for frames shorter than bars.
    """

    features: Features
    by_kind: dict[str, NDArray[np.float64]]
    in_order: NDArray[np.float64]
    by_timbre: NDArray[np.float64]
    silences: NDArray[np.intp]
    frames_per_bar: int
    copies: Copies | None

    @property
    def edges(self) -> NDArray[np.float64]:
        """Seconds, shape (n_frames + 1,)."""
        return self.features.edges


def bar_similarity(features: Features, *, frames_per_bar: int) -> BarSimilarity:
    """Compute the self-similarity matrices of a recording.

    Parameters
    ----------
    features : Features
        One row per bar, beat or shorter frame; all-zero rows are silent.
    frames_per_bar : int
        1 if frames are about as long as bars; else, timbre is not compared in temporal order, and
        repetitions may differ in tempo.
    """
    features, silences = _with_joined_silence(features)
    heard = heard_frames(features)
    kinds = by_family(features)
    if frames_per_bar > 1:
        kinds = {name: X for name, X in kinds.items() if name.split()[0] not in TIMBRE} or kinds
    families = by_family(without_places(features))
    timbre = [X for name, X in families.items() if name.split()[0] in TIMBRE]
    averaged = [
        scipy.ndimage.uniform_filter1d(X, frames_per_bar, axis=0, mode="nearest")
        for X in timbre or families.values()
    ]
    by_timbre = fused_similarity(averaged, heard=heard)
    by_kind = {name: fused_similarity([X], heard=heard) for name, X in kinds.items()}
    in_order = np.asarray(sum(by_kind.values()) / len(by_kind))
    copies = None
    if frames_per_bar > 1:
        copies = best_copies(
            in_order,
            max_frames=_LONGEST_COPY * frames_per_bar,
            min_lag=_NEAREST_COPY * frames_per_bar,
        )
    return BarSimilarity(
        features=features,
        by_kind=by_kind,
        in_order=in_order,
        by_timbre=by_timbre,
        silences=silences,
        frames_per_bar=frames_per_bar,
        copies=copies,
    )


def cover_scores(
    bars: BarSimilarity,
    *,
    repetition: float,
    blocks: float,
    lengths: float,
) -> NDArray[np.float64]:
    """Score every candidate segment by repetition, homogeneity and length.

    Parameters
    ----------
    bars : BarSimilarity
        The recording.
    repetition, blocks, lengths : float
        Weights of `boundaries.repetition_scores`, `block_scores` and `length_scores`, each in
        units of bars. On bars, `blocks` is multiplied by `block_share` if `repetition` is not 0. On
        shorter frames, repetition is scored by `BarSimilarity.copies`.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`, see `boundaries.best_boundaries`. Segments that contain a long
        silence and more, and final segments of less than three bars (in recordings of 12 or more),
        are heavily penalized.
    """
    bar = bars.frames_per_bar
    scores = lengths * length_scores(
        len(bars.in_order), frames_per_bar=bar, two_bars=chance_of_two_bars(bars.features)
    )
    if repetition and bars.copies is not None:
        scores += repetition / bar * bars.copies.scores
    elif repetition:
        repeats = repetition_scores(path_contrast(bars.in_order))
        scores += repetition * repeats
        blocks *= block_share(bars, repeats)
    if blocks:
        scores += blocks / bar * block_scores(bars.by_timbre, n_bands=_BANDS * bar)
    return _without_scraps(scores, bars)


def _without_scraps(scores: NDArray[np.float64], bars: BarSimilarity) -> NDArray[np.float64]:
    """Penalize short final segments, and segments that contain a long silence and more."""
    scores, bar = scores.copy(), bars.frames_per_bar
    end = len(bars.in_order)
    end -= end - 1 in bars.silences
    shortest = _SHORTEST_END * bar
    if end >= _LEAST_ENDS * shortest:
        scores[end + 1 - shortest : end, end] -= _PROHIBITIVE
    for frame in bars.silences:
        alone = scores[frame, frame + 1]
        scores[: frame + 1, frame + 1 :] -= _PROHIBITIVE
        scores[frame, frame + 1] = alone
    return scores


def chance_of_two_bars(features: Features) -> float:
    """Estimate the probability that each bar is actually two: near 0 unless bars are long.

    Parameters
    ----------
    features : Features
        One row per bar.

    Examples
    --------
    >>> bars = [Features(np.ones((8, 1)), bar * np.arange(9)) for bar in (2.0, 2.9, 3.8)]
    >>> [round(chance_of_two_bars(each), 2) for each in bars]
    [0.0, 0.25, 0.5]
    """
    return 0.25 * (1 + math.tanh((median_bar(features) - LONG_BAR) / _AROUND_LONG))


def median_bar(features: Features) -> float:
    """Compute the median duration in seconds of the non-silent bars."""
    heard = heard_frames(features)
    return float(np.median(np.diff(features.edges)[heard if heard.any() else slice(None)]))


_AROUND_LONG = 0.2
"""Width in seconds of the transition around `LONG_BAR`."""


def block_share(bars: BarSimilarity, repeats: NDArray[np.float64]) -> float:
    """Measure how homogeneous the blocks of a recording are relative to its repetitions.

    Parameters
    ----------
    bars : BarSimilarity
        The recording.
    repeats : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        From `boundaries.repetition_scores`.

    Returns
    -------
    share : float
        Non-negative, around 1: square root of the ratio of the mean timbre similarity of bars at
        most 4 apart to the mean similarity of 8-bar passages with their repetitions, relative to
        the ratio typical of songs. 1 for recordings of less than 12 bars.
    """
    if len(bars.in_order) < 12:
        return 1.0
    near = np.mean([np.diagonal(bars.by_timbre, lag).mean() for lag in range(1, 5)])
    recurs = np.diagonal(repeats, 8).mean() / 8
    return float(np.sqrt(max(near, 0) / max(recurs, _LEAST_RECURRENCE) / _USUAL_RATIO))


_USUAL_RATIO = 0.3
"""Typical ratio in `block_share`, about the median of songs."""
_LEAST_RECURRENCE = 0.4
"""Lower bound of the similarity of repetitions."""

_BANDS = 7
"""Maximum lag in bars of `boundaries.block_scores`."""

_SHORTEST_END, _LEAST_ENDS = 3, 4
"""Minimum length in bars of the final segment (often the last chord ringing out), and the number of
such lengths that a recording needs for this to apply."""

_BY_TIMBRE = 0.5
"""Weight of timbre in labeling; values from 0.4 to 0.6 differ little."""

_NEAREST_COPY = 2
"""Minimum lag in bars between a passage and its repetition, for frames shorter than bars."""

_LONGEST_COPY = 75
"""Longest repeated passage in bars, for frames shorter than bars."""

_PROHIBITIVE = 1e3
"""Penalty larger than any segment score, small enough for sums to stay exact."""


def cover_labels(
    bars: BarSimilarity, *levels: NDArray[np.intp], n_labels: int | None = None
) -> list[tuple[str, ...]]:
    """Label segments by repetition and timbre; long silences are labeled as such.

    Timbre often distinguishes a verse from a chorus. Segments of four bars or more that are
    transposed repetitions share a label, as a last chorus a tone up. Without `n_labels`,
    repetitions that may differ in tempo (`BarSimilarity.copies`), if any, determine the labels.

    Parameters
    ----------
    bars : BarSimilarity
        The recording.
    *levels : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames. Levels are labeled independently.
    n_labels : int, optional
        Number of distinct labels of non-silent segments.

    Returns
    -------
    labels : list of tuple of str
        For each level, one label per segment.
    """
    parts = [_Part.of(level, bars.silences) for level in levels]
    copies = bars.copies if n_labels is None else None
    named = [_labels_by_copies(copies, part) for part in parts]
    unnamed = [part for part, labels in zip(parts, named, strict=True) if labels is None]
    in_other_keys = iter(_in_other_keys(bars, unnamed))
    alike = _alike(bars.in_order, bars)
    found = []
    for part, labels in zip(parts, named, strict=True):
        if labels is None:
            labels = label_by_repetition(
                part.of_frames(alike),
                part.edges,
                n_labels=n_labels,
                in_other_keys=next(in_other_keys),
            )
        letters = iter(letter_labels(labels))
        found.append(tuple(SILENCE if quiet else next(letters) for quiet in part.is_silence))
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part:
    """The non-silent part of a segmentation.

    Parameters
    ----------
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Boundaries of all segments.
    is_silence : ndarray of bool, shape (n_segments,)
    """

    boundary_frames: NDArray[np.intp]
    is_silence: NDArray[np.bool_]

    @classmethod
    def of(cls, boundary_frames: NDArray[np.intp], silences: NDArray[np.intp]) -> _Part:
        is_one_frame = np.diff(boundary_frames) == 1
        is_silence = is_one_frame & np.isin(boundary_frames[:-1], silences)
        return cls(boundary_frames=boundary_frames, is_silence=is_silence)

    @property
    def edges(self) -> NDArray[np.intp]:
        """Boundaries of the non-silent segments, in non-silent frames."""
        lengths = np.diff(self.boundary_frames)[~self.is_silence]
        return np.concatenate([[0], np.cumsum(lengths)])

    def of_frames(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Remove silent frames from a matrix (n_frames, n_frames)."""
        heard = ~np.repeat(self.is_silence, np.diff(self.boundary_frames))
        return Z[np.ix_(heard, heard)]


def _labels_by_copies(copies: Copies | None, part: _Part) -> tuple[str, ...] | None:
    """Label non-silent segments by repetitions that may differ in tempo; None if there are none.

    The result is empty if all segments are silent.
    """
    if part.is_silence.all():
        return ()
    if copies is None:
        return None
    of_all = label_by_copies(copies, part.boundary_frames)
    labels = tuple(label for label, quiet in zip(of_all, part.is_silence, strict=True) if not quiet)
    return labels if len(set(labels)) < len(labels) else None


def _alike(in_order: NDArray[np.float64], bars: BarSimilarity) -> NDArray[np.float64]:
    """Average the similarity in temporal order and that by timbre."""
    return (1 - _BY_TIMBRE) * in_order + _BY_TIMBRE * bars.by_timbre


def _in_other_keys(bars: BarSimilarity, parts: Sequence[_Part]) -> list[NDArray[np.float64] | None]:
    """Find transposed repetitions in each part; None if too few segments are long enough.

    All shifts are compared by the same features: those that can be transposed, and timbre.
    """
    lengths = [np.diff(part.edges) / bars.frames_per_bar for part in parts]
    tells = [np.count_nonzero(each >= LEAST_IN_KEY) > 1 for each in lengths]
    by_shift: list[list[NDArray[np.float64]]] = [[] for _ in parts]
    if any(tells):  # the matrices are large: one at a time, and for all parts
        for Z in transposed_similarities(bars.features, heard=heard_frames(bars.features)):
            alike = _alike(Z, bars)
            for part, tells_keys, similarities in zip(parts, tells, by_shift, strict=True):
                if tells_keys:
                    similarities.append(segment_similarity(part.of_frames(alike), part.edges))
    return [
        repeats_in_other_keys(np.array(similarities), SHIFTS, n_bars) if similarities else None
        for similarities, n_bars in zip(by_shift, lengths, strict=True)
    ]


def _with_joined_silence(features: Features) -> tuple[Features, NDArray[np.intp]]:
    """Merge each silence of at least `LONG_GAP` seconds into one frame; return their indices."""
    heard = heard_frames(features)
    runs = run_edges(heard.astype(np.intp))
    long = ~heard[runs[:-1]] & (np.diff(features.edges[runs]) >= LONG_GAP - ROUNDING)
    kept = np.ones(len(features), dtype=bool)
    for start, stop in zip(runs[:-1][long], runs[1:][long], strict=True):
        kept[start + 1 : stop] = False
    silences = np.searchsorted(np.flatnonzero(kept), runs[:-1][long])
    edges = features.edges[np.append(kept, True)]
    return Features(features.X[kept], edges, features.names, notes=features.notes), silences
