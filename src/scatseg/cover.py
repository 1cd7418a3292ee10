"""Features -> what speaks for each possible segment of a recording, by bars; silence apart."""

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
from scatseg.segmentation import SILENCE, letter_labels
from scatseg.similarity import (
    by_family,
    fused_similarity,
    heard_frames,
    path_contrast,
    without_places,
)
from scatseg.transposition import SHIFTS, transposed_similarities

TIMBRE = ("mfcc", "scattering", "jtfs")
"""Families of features that tell sections by how they sound and not by what is played."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """The bars of a recording, compared with each other.

    Parameters
    ----------
    features : Features
        Frames are bars or shorter ones; each long silence is one.
    in_order : ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of what happens in a bar, in order, by all features. Of frames shorter
        than bars: of what is played in them, by all features but those of timbre.
    by_timbre : ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of what is heard in a bar, in whatever order, by timbre where
        the features tell of it.
    silences : ndarray of int
        Which frames are long silences.
    frames_per_bar : int
        At least 1.
    copies : Copies or None
        Where each passage is heard again, in whatever tempo; of frames shorter than bars only.
    """

    features: Features
    in_order: NDArray[np.float64]
    by_timbre: NDArray[np.float64]
    silences: NDArray[np.intp]
    frames_per_bar: int
    copies: Copies | None

    @property
    def edges(self) -> NDArray[np.float64]:
        """Seconds, shape (n_frames + 1,)."""
        return self.features.edges


def compare(features: Features, *, bar: float) -> Comparison:
    """Compare the bars of a recording.

    Parameters
    ----------
    features : Features
        One row per bar or beat, or shorter frames; frames in which all features are 0 are silent.
    bar : float
        Seconds that count as a bar, where three frames or more fit into it.
    """
    n_frames = frames_per_bar(features, bar)
    features, silences = _with_joined_silence(features)
    heard = heard_frames(features)
    kinds = by_family(features)
    if n_frames > 1:
        kinds = {name: X for name, X in kinds.items() if name.split()[0] not in TIMBRE} or kinds
    in_order = fused_similarity(list(kinds.values()), heard=heard)
    families = by_family(without_places(features))
    timbre = [X for name, X in families.items() if name.split()[0] in TIMBRE]
    averaged = [
        scipy.ndimage.uniform_filter1d(X, n_frames, axis=0, mode="nearest")
        for X in timbre or families.values()
    ]
    copies = None
    if n_frames > 1:
        copies = best_copies(
            in_order, max_frames=_LONGEST_COPY * n_frames, min_lag=_NEAREST_COPY * n_frames
        )
    return Comparison(
        features=features,
        in_order=in_order,
        by_timbre=fused_similarity(averaged, heard=heard),
        silences=silences,
        frames_per_bar=n_frames,
        copies=copies,
    )


def frames_per_bar(features: Features, bar: float) -> int:
    """Count the frames that are compared together: 1 where they are as long as bars, or nearly."""
    n_frames = min(features.seconds_to_frames(bar), len(features))
    return n_frames if n_frames > 2 else 1


def cover_scores(
    bars: Comparison,
    *,
    repetition: float,
    blocks: float,
    lengths: float,
) -> NDArray[np.float64]:
    """Sum up what speaks for each possible segment.

    Parameters
    ----------
    bars : Comparison
        What is known of the recording.
    repetition, blocks, lengths : float
        Weights of `boundaries.repetition_scores`, `block_scores` and `length_scores`, each in
        units of bars. On bars that of blocks is relative: it is multiplied by `block_share` where
        repetition counts too. On shorter frames `Comparison.copies` tell what is repeated.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`, see `boundaries.best_boundaries`. Next to nothing speaks for a
        segment that a long silence is only a part of, nor for one of less than three bars at the
        end.
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


def _without_scraps(scores: NDArray[np.float64], bars: Comparison) -> NDArray[np.float64]:
    """Let next to nothing speak for a few bars at the end, and for silence with what is beside."""
    scores, bar = scores.copy(), bars.frames_per_bar
    end = len(bars.in_order)
    end -= end - 1 in bars.silences
    shortest = _SHORTEST_END * bar
    if end >= _LEAST_ENDS * shortest:
        scores[end + 1 - shortest : end, end] -= _NEXT_TO_NOTHING
    for frame in bars.silences:
        alone = scores[frame, frame + 1]
        scores[: frame + 1, frame + 1 :] -= _NEXT_TO_NOTHING
        scores[frame, frame + 1] = alone
    return scores


def chance_of_two_bars(features: Features) -> float:
    """Tell how probable it is that what is taken for a bar is two: only where bars are long.

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
    """Tell how many seconds bars usually last, of those that are not silent."""
    heard = heard_frames(features)
    return float(np.median(np.diff(features.edges)[heard if heard.any() else slice(None)]))


_AROUND_LONG = 0.2
"""Seconds by which bars are longer that are about as likely two as one."""


def block_share(bars: Comparison, repeats: NDArray[np.float64]) -> float:
    """Tell how much a recording is made of blocks of one sound rather than of repetitions.

    Parameters
    ----------
    bars : Comparison
        What is known of the recording.
    repeats : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        From `boundaries.repetition_scores`.

    Returns
    -------
    share : float
        Not negative, around 1: the root of the mean similarity by timbre of bars at most 4 apart
        over that of passages of 8 bars with their copies, relative to the ratio in songs. 1 in
        recordings of less than 12 bars.
    """
    if len(bars.in_order) < 12:
        return 1.0
    near = np.mean([np.diagonal(bars.by_timbre, lag).mean() for lag in range(1, 5)])
    recurs = np.diagonal(repeats, 8).mean() / 8
    return float(np.sqrt(max(near, 0) / max(recurs, _LEAST_RECURRENCE) / _USUAL_RATIO))


_USUAL_RATIO = 0.3
"""Of `block_share`, about the median of songs."""
_LEAST_RECURRENCE = 0.4
"""Passages that recur less than this do not recur."""

_BANDS = 7
"""Bars that are compared as of one sound at most, as in `boundaries.block_scores`."""

_SHORTEST_END, _LEAST_ENDS = 3, 4
"""Bars: less at the end, where something rings out, is no section of its own, unless the recording
has less than so many times as many."""

_BY_TIMBRE = 0.5
"""How far timbre decides which segments have one label; from 0.4 to 0.6 it matters little."""

_NEAREST_COPY = 2
"""Bars between a passage and its copy at least, where frames are shorter than bars."""

_LONGEST_COPY = 75
"""Bars: longer passages are not looked for again where frames are shorter than bars."""

_NEXT_TO_NOTHING = 1e3
"""More than any segment scores, and little enough for sums to stay exact."""


def cover_labels(
    bars: Comparison, *levels: NDArray[np.intp], n_labels: int | None = None
) -> list[tuple[str, ...]]:
    """Name segments that repeat each other alike, and long silence as such.

    Timbre counts, too: a verse is often told from the chorus by how it is played. A segment of four
    bars or more that is another one in a different key has its label: the last chorus a tone up.
    Where passages recur in any tempo (`Comparison.copies`) that alone decides.

    Parameters
    ----------
    bars : Comparison
        What is known of the recording.
    *levels : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames. Each level is labeled by itself.
    n_labels : int, optional
        How many different labels to use for what is not silent.

    Returns
    -------
    labels : list of tuple of str
        One for each segment of each level.
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
    """What is heard of a recording, cut into segments.

    Parameters
    ----------
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Of all segments.
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
        """Of the segments that are heard, counted in frames that are heard."""
        lengths = np.diff(self.boundary_frames)[~self.is_silence]
        return np.concatenate([[0], np.cumsum(lengths)])

    def of_frames(self, Z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Leave the frames of silence out of a matrix (n_frames, n_frames)."""
        heard = ~np.repeat(self.is_silence, np.diff(self.boundary_frames))
        return Z[np.ix_(heard, heard)]


def _labels_by_copies(copies: Copies | None, part: _Part) -> tuple[str, ...] | None:
    """Name what is heard by what recurs in any tempo; None where nothing does, or that is unknown.

    Where nothing is heard there is nothing to name.
    """
    if part.is_silence.all():
        return ()
    if copies is None:
        return None
    of_all = label_by_copies(copies, part.boundary_frames)
    labels = tuple(label for label, quiet in zip(of_all, part.is_silence, strict=True) if not quiet)
    return labels if len(set(labels)) < len(labels) else None


def _alike(in_order: NDArray[np.float64], bars: Comparison) -> NDArray[np.float64]:
    """Weigh what happens in bars and how they sound."""
    return (1 - _BY_TIMBRE) * in_order + _BY_TIMBRE * bars.by_timbre


def _in_other_keys(bars: Comparison, parts: Sequence[_Part]) -> list[NDArray[np.float64] | None]:
    """Compare, in each part, the segments with each other in all keys; None where none can be.

    In all of them, so that they can be compared, by what can be transposed, and by timbre.
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
    """Make each silence of `LONG_GAP` seconds or more one frame, and tell which they are."""
    heard = heard_frames(features)
    runs = run_edges(heard.astype(np.intp))
    long = ~heard[runs[:-1]] & (np.diff(features.edges[runs]) >= LONG_GAP - _ROUNDING)
    kept = np.ones(len(features), dtype=bool)
    for start, stop in zip(runs[:-1][long], runs[1:][long], strict=True):
        kept[start + 1 : stop] = False
    silences = np.searchsorted(np.flatnonzero(kept), runs[:-1][long])
    edges = features.edges[np.append(kept, True)]
    return Features(features.X[kept], edges, features.names, notes=features.notes), silences


_ROUNDING = 1e-6  # seconds
