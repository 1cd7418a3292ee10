"""Features -> what speaks for each possible segment of a recording, by bars; silence apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.boundaries import block_scores, length_scores, repetition_scores
from scatseg.features import Features
from scatseg.labels import label_by_repetition, run_edges
from scatseg.segmentation import SILENCE, letter_labels
from scatseg.similarity import (
    by_family,
    fused_similarity,
    heard_frames,
    path_contrast,
    stacked,
    without_places,
)

TIMBRE = ("mfcc", "scattering", "jtfs")
"""Families of features that tell sections by how they sound and not by what is played."""

LONG_SILENCE = 2
"""Bars: silence that lasts so long is a section."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """The bars of a recording, compared with each other.

    Parameters
    ----------
    features : Features
        Frames are bars or parts of bars; each long silence is one.
    in_order : ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of what happens in a bar, in order, by all features.
    by_timbre : ndarray of float64, shape (n_frames, n_frames)
        Z-scored similarity of what is heard in a bar, in whatever order, by timbre where
        the features tell of it.
    silences : ndarray of int
        Which frames are long silences.
    frames_per_bar : int
        At least 1.
    """

    features: Features
    in_order: NDArray[np.float64]
    by_timbre: NDArray[np.float64]
    silences: NDArray[np.intp]
    frames_per_bar: int

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
    features, silences = _with_joined_silence(features, n_frames * LONG_SILENCE)
    heard = heard_frames(features)
    ordered = [stacked(X, n_frames=n_frames) for X in by_family(features).values()]
    families = by_family(without_places(features))
    timbre = [X for name, X in families.items() if name.split()[0] in TIMBRE]
    averaged = [
        scipy.ndimage.uniform_filter1d(X, n_frames, axis=0, mode="nearest")
        for X in timbre or families.values()
    ]
    return Comparison(
        features=features,
        in_order=fused_similarity(ordered, heard=heard),
        by_timbre=fused_similarity(averaged, heard=heard),
        silences=silences,
        frames_per_bar=n_frames,
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
        units of bars. That of blocks is relative: it is multiplied by `block_share` where
        repetition counts too.

    Returns
    -------
    scores : ndarray of float64, shape (n_frames + 1, n_frames + 1)
        `scores[start, stop]`, see `boundaries.best_boundaries`. Next to nothing speaks for a
        segment that a long silence is only a part of, nor for one of less than three bars at the
        end.
    """
    bar = bars.frames_per_bar
    scores = lengths * length_scores(len(bars.in_order), frames_per_bar=bar)
    if repetition:
        contrast = path_contrast(bars.in_order, n_frames=bar)
        repeats = repetition_scores(contrast, min_lag=4 * bar, max_frames=40 * bar)
        scores += repetition / bar * repeats
        blocks *= block_share(bars, repeats)
    if blocks:
        scores += blocks / bar * block_scores(bars.by_timbre, n_bands=7 * bar)
    end = len(bars.in_order)
    end -= end - 1 in bars.silences
    if end >= _SHORTEST_END * _LEAST_ENDS * bar:
        scores[end + 1 - _SHORTEST_END * bar : end, end] -= _NEXT_TO_NOTHING
    for frame in bars.silences:
        alone = scores[frame, frame + 1]
        scores[: frame + 1, frame + 1 :] -= _NEXT_TO_NOTHING
        scores[frame, frame + 1] = alone
    return scores


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
    n, bar = len(bars.in_order), bars.frames_per_bar
    if n < 12 * bar:
        return 1.0
    near = np.mean([np.diagonal(bars.by_timbre, lag).mean() for lag in range(bar, 5 * bar, bar)])
    recurs = np.diagonal(repeats, 8 * bar).mean() / (8 * bar)
    return float(np.sqrt(max(near, 0) / max(recurs, _LEAST_RECURRENCE) / _USUAL_RATIO))


_USUAL_RATIO = 0.3
"""Of `block_share`, about the median of songs."""
_LEAST_RECURRENCE = 0.4
"""Passages that recur less than this do not recur."""

_SHORTEST_END, _LEAST_ENDS = 3, 4
"""Bars: what rings out at the end is no section of its own, unless the recording is that short."""

_NEXT_TO_NOTHING = 1e3
"""More than any segment scores, and little enough for sums to stay exact."""


def cover_labels(
    bars: Comparison, boundary_frames: NDArray[np.intp], *, n_labels: int | None = None
) -> tuple[str, ...]:
    """Name segments that repeat each other alike, and long silence as such.

    Parameters
    ----------
    bars : Comparison
        What is known of the recording.
    boundary_frames : ndarray of int, shape (n_segments + 1,)
        Edge indices, increasing, the first 0, the last n_frames.
    n_labels : int, optional
        How many different labels to use for what is not silent.
    """
    silent = [
        stop - start == 1 and start in bars.silences for start, stop in pairwise(boundary_frames)
    ]
    if n_labels is not None:
        n_labels += sum(silent)
    labels = label_by_repetition(bars.in_order, boundary_frames, n_labels=n_labels)
    order = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    letters = iter(
        letter_labels(
            order[label] for label, quiet in zip(labels, silent, strict=True) if not quiet
        )
    )
    return tuple(SILENCE if quiet else next(letters) for quiet in silent)


def _with_joined_silence(features: Features, n_frames: int) -> tuple[Features, NDArray[np.intp]]:
    """Make each silence of so many frames or more one frame, and tell which they are."""
    heard = heard_frames(features)
    runs = run_edges(heard.astype(np.intp))
    long = ~heard[runs[:-1]] & (np.diff(runs) >= n_frames)
    kept = np.ones(len(features), dtype=bool)
    for start, stop in zip(runs[:-1][long], runs[1:][long], strict=True):
        kept[start + 1 : stop] = False
    silences = np.searchsorted(np.flatnonzero(kept), runs[:-1][long])
    edges = features.edges[np.append(kept, True)]
    return Features(features.X[kept], edges, features.names), silences
