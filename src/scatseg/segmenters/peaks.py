"""Sections between the peaks of a novelty curve: Foote's, and that of structure features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatseg.boundaries import check_detail, pick_boundaries
from scatseg.features import Features
from scatseg.labels import check_n_labels, cluster_segments
from scatseg.novelty import checkerboard_novelty, structure_novelty
from scatseg.segmentation import Segmentation
from scatseg.segmenters.answers import Curve, Prediction
from scatseg.segmenters.frames import check_seconds, odd_frames, on_uniform_frames, too_short
from scatseg.similarity import recurrence, self_similarity, stacked


@dataclass(frozen=True, kw_only=True)
class FooteSegmenter:
    """Boundaries where the sound changes, labels by clustering what lies between.

    Parameters
    ----------
    frame : float, default 0.5
        Seconds per compared frame; longer for recordings of over half an hour.
    half_width : float, default 12.0
        Seconds looked at on each side of a boundary.
    min_duration : float, default 6.0
        Shortest section in seconds.
    granularity : float, default 0.5
        In [0, 1]: larger gives more sections.
    n_segments : int, optional
        How many sections, or as many as there can be, instead of `granularity`.
    n_labels : int, optional
        How many different labels; by likeness when absent.

    References
    ----------
    J. Foote, "Automatic audio segmentation using a measure of audio novelty", ICME 2000.
    """

    frame: float = 0.5
    half_width: float = 12.0
    min_duration: float = 6.0
    granularity: float = 0.5
    n_segments: int | None = None
    n_labels: int | None = None

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_n_labels(self.n_labels)
        check_seconds(frame=self.frame, half_width=self.half_width, min_duration=self.min_duration)

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        return self.predict_with_novelty(features).found

    def predict_with_novelty(self, features: Features) -> Prediction[Segmentation]:
        """Find the sections, and give the curve whose peaks they are cut at."""
        features = on_uniform_frames(features, self.frame)
        edges, novelty = self.novelty(features)
        return Prediction(_cut_at_peaks(self, features, novelty), Curve(edges, novelty))

    def shortness(self, features: Features) -> str | None:
        """Say why no section could be told from another, or nothing: two have to fit in."""
        return too_short(features.duration, 2 * self.min_duration, "s")

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the curve whose peaks are the boundaries.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            On these edges.
        """
        features = on_uniform_frames(features, self.frame)
        S = self_similarity(features.X)
        half_width_frames = features.seconds_to_frames(self.half_width)
        return features.edges, checkerboard_novelty(S, half_width_frames=half_width_frames)


@dataclass(frozen=True, kw_only=True)
class StructureFeaturesSegmenter:
    """Boundaries where the pattern of repetitions changes, labels by clustering.

    Parameters
    ----------
    frame : float, default 0.5
        Seconds per compared frame; longer for recordings of over half an hour.
    context : float, default 3.0
        Seconds that are compared as one.
    neighbors : float, default 0.04
        Share of all frames that each one may recur in.
    blur : float, default 8.0
        Seconds over which a change of pattern is looked for.
    min_duration : float, default 6.0
        Shortest section in seconds.
    granularity : float, default 0.5
        In [0, 1]: larger gives more sections.
    n_segments : int, optional
        How many sections, or as many as there can be, instead of `granularity`.
    n_labels : int, optional
        How many different labels; by likeness when absent.

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """

    frame: float = 0.5
    context: float = 3.0
    neighbors: float = 0.04
    blur: float = 8.0
    min_duration: float = 6.0
    granularity: float = 0.5
    n_segments: int | None = None
    n_labels: int | None = None

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_n_labels(self.n_labels)
        check_seconds(
            frame=self.frame,
            context=self.context,
            neighbors=self.neighbors,
            blur=self.blur,
            min_duration=self.min_duration,
        )

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        return self.predict_with_novelty(features).found

    def predict_with_novelty(self, features: Features) -> Prediction[Segmentation]:
        """Find the sections, and give the curve whose peaks they are cut at."""
        features = on_uniform_frames(features, self.frame)
        edges, novelty = self.novelty(features)
        return Prediction(_cut_at_peaks(self, features, novelty), Curve(edges, novelty))

    def shortness(self, features: Features) -> str | None:
        """Say why no section could be told from another, or nothing: two have to fit in."""
        return too_short(features.duration, 2 * self.min_duration, "s")

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the curve whose peaks are the boundaries.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            On these edges.
        """
        features = on_uniform_frames(features, self.frame)
        X = stacked(features.X, n_frames=odd_frames(features, self.context))
        S = self_similarity(X, metric="euclidean")
        R = recurrence(S, n_neighbors=max(1, round(self.neighbors * len(S))))
        width = features.seconds_to_frames(self.blur) / 4
        return features.edges, structure_novelty(
            R, time_width_frames=width, lag_width_frames=width / 4
        )


def _cut_at_peaks(
    options: FooteSegmenter | StructureFeaturesSegmenter,
    features: Features,
    novelty: NDArray[np.float64],
) -> Segmentation:
    """Cut where the novelty curve peaks, and name what lies between."""
    boundary_frames = pick_boundaries(
        novelty,
        min_frames=features.seconds_to_frames(options.min_duration),
        granularity=options.granularity,
        n_segments=options.n_segments,
    )
    labels = cluster_segments(features.X, boundary_frames, n_labels=options.n_labels)
    return Segmentation(features.edges[boundary_frames], labels)
