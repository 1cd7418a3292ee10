"""Sections between the peaks of a novelty curve: Foote's and structure features."""

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
from scatseg.segmenters.frames import (
    check_seconds,
    odd_frames,
    on_uniform_frames,
    warnings_of_length,
)
from scatseg.similarity import recurrence, self_similarity, stacked


@dataclass(frozen=True, kw_only=True)
class FooteSegmenter:
    """Boundaries at peaks of checkerboard novelty; labels by clustering.

    Parameters
    ----------
    frame : float, default 0.5
        Frame length in seconds; longer for recordings of over half an hour.
    half_width : float, default 12.0
        Half width of the checkerboard kernel in seconds.
    min_duration : float, default 6.0
        Shortest section in seconds.
    granularity : float, default 0.5
        In [0, 1]: larger gives more sections.
    n_segments : int, optional
        Number of sections (as many as possible, if fewer), instead of `granularity`.
    n_labels : int, optional
        Number of distinct labels; by default, chosen by similarity.

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
        """Segment one recording."""
        return self.predict_with_novelty(features).found

    def predict_with_novelty(self, features: Features) -> Prediction[Segmentation]:
        """Segment a recording and compute its novelty curve in one pass."""
        return _cut_at_peaks(self, features)

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the novelty curve whose peaks are the boundaries.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            Novelty at these edges.
        """
        features = on_uniform_frames(features, self.frame)
        S = self_similarity(features.X)
        half_width_frames = features.seconds_to_frames(self.half_width)
        return features.edges, checkerboard_novelty(S, half_width_frames=half_width_frames)


@dataclass(frozen=True, kw_only=True)
class StructureFeaturesSegmenter:
    """Boundaries at changes of the pattern of repetitions (structure features); clustered labels.

    Parameters
    ----------
    frame : float, default 0.5
        Frame length in seconds; longer for recordings of over half an hour.
    context : float, default 3.0
        Length of the time-delay embedding in seconds.
    neighbors : float, default 0.04
        Number of nearest neighbors of each frame, as a share of all frames, in [0, 1]; at least one
        neighbor.
    blur : float, default 8.0
        Width in seconds of the Gaussian filter along time, four standard deviations.
    min_duration : float, default 6.0
        Shortest section in seconds.
    granularity : float, default 0.5
        In [0, 1]: larger gives more sections.
    n_segments : int, optional
        Number of sections (as many as possible, if fewer), instead of `granularity`.
    n_labels : int, optional
        Number of distinct labels; by default, chosen by similarity.

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
            frame=self.frame, context=self.context, blur=self.blur, min_duration=self.min_duration
        )
        if not 0 <= self.neighbors <= 1:
            msg = f"neighbors must be a share of all frames, from 0 to 1, got {self.neighbors}"
            raise ValueError(msg)

    def predict(self, features: Features) -> Segmentation:
        """Segment one recording."""
        return self.predict_with_novelty(features).found

    def predict_with_novelty(self, features: Features) -> Prediction[Segmentation]:
        """Segment a recording and compute its novelty curve in one pass."""
        return _cut_at_peaks(self, features)

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the novelty curve whose peaks are the boundaries.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            Novelty at these edges.
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
    segmenter: FooteSegmenter | StructureFeaturesSegmenter, features: Features
) -> Prediction[Segmentation]:
    """Cut at the peaks of the segmenter's novelty curve and label the segments."""
    features = on_uniform_frames(features, segmenter.frame)
    edges, novelty = segmenter.novelty(features)
    boundary_frames = pick_boundaries(
        novelty,
        min_frames=features.seconds_to_frames(segmenter.min_duration),
        granularity=segmenter.granularity,
        n_segments=segmenter.n_segments,
    )
    labels = cluster_segments(features.X, boundary_frames, n_labels=segmenter.n_labels)
    found = Segmentation(features.edges[boundary_frames], labels)
    warnings = warnings_of_length(features.duration, 2 * segmenter.min_duration, "s")
    return Prediction(found, Curve(edges, novelty), warnings)
