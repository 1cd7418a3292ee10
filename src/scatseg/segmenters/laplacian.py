"""Sections by spectral clustering of a graph of frames, at several levels."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from scatseg.boundaries import check_detail, join_segments
from scatseg.features import Features
from scatseg.labels import absorb_short_runs, cluster_rows, majority_labels, run_edges
from scatseg.novelty import checkerboard_novelty
from scatseg.scattering.arguments import check_integer
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters.answers import Curve, Prediction
from scatseg.segmenters.frames import (
    check_seconds,
    odd_frames,
    on_uniform_frames,
    warnings_of_length,
)
from scatseg.similarity import cosine, enhance_paths, recurrence, self_similarity, unit_rows


@dataclass(frozen=True, kw_only=True)
class LaplacianSegmenter:
    """Spectral clustering of a graph of repetition and succession, at several levels.

    Parameters
    ----------
    frame : float, default 0.5
        Frame length in seconds; longer for recordings of over half an hour.
    context : float, default 2.0
        Length of the median filter along diagonals of the recurrence matrix, in seconds.
    smoothing : float, default 4.0
        Length of the median filter of the eigenvectors, in seconds.
    min_duration : float, default 4.0
        Shortest section in seconds; shorter ones are merged with the more similar neighbor.
    max_labels : int, default 8
        Largest number of distinct labels. Frames are clustered into 2, 3, ... `max_labels` labels
        (fewer in short recordings), one level each. Levels are ordered by their number of sections,
        so that a finer level may have fewer labels.
    granularity : float, default 0.5
        In [0, 1]: selects the default level, from coarsest to finest.
    n_segments : int, optional
        Instead of `granularity`, take the coarsest level with at least this many sections as the
        default, and merge its most similar adjacent sections down to this number. If no level has
        so many, the finest is the default.

    References
    ----------
    B. McFee and D. P. W. Ellis, "Analyzing song structure with spectral clustering", ISMIR 2014.
    Here, repetition and succession use the same features.
    """

    frame: float = 0.5
    context: float = 2.0
    smoothing: float = 4.0
    min_duration: float = 4.0
    max_labels: int = 8
    granularity: float = 0.5
    n_segments: int | None = None

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_integer("max_labels", self.max_labels, 1)
        check_seconds(
            frame=self.frame,
            context=self.context,
            smoothing=self.smoothing,
            min_duration=self.min_duration,
        )

    def predict(self, features: Features) -> Hierarchy:
        """Segment one recording at up to `max_labels - 1` levels, fewest sections first."""
        features = on_uniform_frames(features, self.frame)
        return self._levels(features, self.embedding(features))

    def predict_with_novelty(self, features: Features) -> Prediction[Hierarchy]:
        """Segment a recording and compute the novelty of its embedding in one pass."""
        features = on_uniform_frames(features, self.frame)
        E = self.embedding(features)
        curve = Curve(features.edges, self._change(features, E))
        warnings = warnings_of_length(features.duration, 2 * self.min_duration, "s")
        return Prediction(self._levels(features, E), curve, warnings)

    def _levels(self, features: Features, E: NDArray[np.float64]) -> Hierarchy:
        if E.shape[1] < 2:
            return Hierarchy([Segmentation([0, features.duration], ["A"])])
        min_frames = features.seconds_to_frames(self.min_duration)
        levels = [_codes_of_level(E[:, :k], min_frames) for k in range(2, E.shape[1] + 1)]
        levels.sort(key=lambda codes: len(run_edges(codes)))
        boundary_frames = [run_edges(codes) for codes in levels]
        default = round(self.granularity * (len(levels) - 1))
        if self.n_segments is not None:
            counts = [len(frames) - 1 for frames in boundary_frames]
            default = min(bisect_left(counts, self.n_segments), len(levels) - 1)
            boundary_frames[default] = join_segments(
                boundary_frames[default], unit_rows(E)[0], n_segments=self.n_segments
            )
        return Hierarchy(
            [
                Segmentation(features.edges[frames], majority_labels(codes, frames))
                for codes, frames in zip(levels, boundary_frames, strict=True)
            ],
            default=default,
        )

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the novelty of the embedding, for display only.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            Novelty at these edges.
        """
        features = on_uniform_frames(features, self.frame)
        return features.edges, self._change(features, self.embedding(features))

    def _change(self, features: Features, E: NDArray[np.float64]) -> NDArray[np.float64]:
        if E.shape[1] < 2:
            return np.zeros(len(features.edges))
        S = (1 + cosine(E)) / 2
        half_width_frames = features.seconds_to_frames(self.smoothing)
        return checkerboard_novelty(S, half_width_frames=half_width_frames)

    def embedding(self, features: Features) -> NDArray[np.float64]:
        """Compute the spectral embedding of frames.

        Returns
        -------
        E : ndarray of float64, shape (n_frames, n_dimensions)
            The first eigenvectors of the graph Laplacian, median-filtered over time; at most
            `max_labels`, and none if all frames are equal or the recording is very short.
        """
        S = self_similarity(features.X, metric="euclidean")
        n = len(S)
        min_frames = max(2, features.seconds_to_frames(self.min_duration))
        n_labels = min(self.max_labels, n // min_frames)
        if n_labels < 2 or S.min() == 1:
            return np.zeros((n, 0))
        R = recurrence(S, n_neighbors=max(1, round(2 * np.sqrt(n))), min_lag=3)
        repeats = enhance_paths(R.astype(np.float64), n_frames=odd_frames(features, self.context))
        E = _first_eigenvectors(_balanced(repeats * S, _successors(S)), n_labels)
        smoothing = odd_frames(features, self.smoothing)
        return np.asarray(scipy.ndimage.median_filter(E, size=(smoothing, 1)))


def _successors(S: NDArray[np.float64]) -> NDArray[np.float64]:
    """Link consecutive frames, weighted by their similarity."""
    following = np.diag(S, 1)
    return np.diag(following, 1) + np.diag(following, -1)


def _balanced(R: NDArray[np.float64], P: NDArray[np.float64]) -> NDArray[np.float64]:
    """Balance repetition and succession (McFee and Ellis, equation 6)."""
    repeats, follows = R.sum(axis=1), P.sum(axis=1)
    total = float(((repeats + follows) ** 2).sum())
    mu = float((follows * (repeats + follows)).sum()) / total if total > 0 else 0.5
    return mu * R + (1 - mu) * P


def _first_eigenvectors(A: NDArray[np.float64], n_vectors: int) -> NDArray[np.float64]:
    """Compute the eigenvectors of the smallest eigenvalues of the normalized graph Laplacian."""
    degree = np.sqrt(np.maximum(A.sum(axis=1), np.finfo(float).tiny))
    L = scipy.sparse.csc_array(np.eye(len(A)) - A / np.outer(degree, degree))
    # Shift-invert just below 0: the shifted Laplacian is invertible.
    start = np.random.default_rng(0).normal(size=len(A))
    _, vectors = scipy.sparse.linalg.eigsh(L, k=n_vectors, sigma=-1e-4, v0=start)
    return np.asarray(vectors)


def _codes_of_level(E: NDArray[np.float64], min_frames: int) -> NDArray[np.intp]:
    """Cluster frames into as many labels as dimensions, and merge short sections."""
    rows, _ = unit_rows(E)
    codes = cluster_rows(rows, n_clusters=rows.shape[1])
    return absorb_short_runs(codes, rows, min_frames=min_frames)
