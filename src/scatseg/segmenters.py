"""The named algorithms: each a frozen set of options and the stages it composes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg
import scipy.ndimage
from numpy.typing import NDArray

from scatseg import naming
from scatseg.boundaries import pick_boundaries
from scatseg.features import Features, uniform_edges
from scatseg.labels import cluster_rows, cluster_segments
from scatseg.novelty import checkerboard_novelty, structure_novelty
from scatseg.segmentation import Hierarchy, Segmentation, letter_labels
from scatseg.similarity import enhance_paths, recurrence, self_similarity, stacked

MAX_FRAMES = 4096
"""Frames that are compared with each other at most: longer recordings get longer frames."""


class Segmenter(Protocol):
    """Anything with `predict`: features in, sections out."""

    def predict(self, features: Features) -> Segmentation | Hierarchy:
        """Find the sections of one recording."""


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
        How many sections, instead of `granularity`.
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

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        features = on_uniform_frames(features, self.frame)
        _, novelty = self.novelty(features)
        boundary_frames = pick_boundaries(
            novelty,
            min_frames=features.seconds_to_frames(self.min_duration),
            granularity=self.granularity,
            n_segments=self.n_segments,
        )
        labels = cluster_segments(features.X, boundary_frames, n_labels=self.n_labels)
        return Segmentation(features.edges[boundary_frames], labels)

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
        How many sections, instead of `granularity`.
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

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        features = on_uniform_frames(features, self.frame)
        _, novelty = self.novelty(features)
        boundary_frames = pick_boundaries(
            novelty,
            min_frames=features.seconds_to_frames(self.min_duration),
            granularity=self.granularity,
            n_segments=self.n_segments,
        )
        labels = cluster_segments(features.X, boundary_frames, n_labels=self.n_labels)
        return Segmentation(features.edges[boundary_frames], labels)

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
        X = stacked(features.X, n_frames=features.seconds_to_frames(self.context))
        S = self_similarity(X, metric="euclidean")
        R = recurrence(S, n_neighbors=max(1, round(self.neighbors * len(S))))
        width = features.seconds_to_frames(self.blur) / 4
        return features.edges, structure_novelty(
            R, time_width_frames=width, lag_width_frames=width / 4
        )


@dataclass(frozen=True, kw_only=True)
class LaplacianSegmenter:
    """Sections as clusters in a graph of who repeats whom and who follows whom, at several levels.

    Parameters
    ----------
    frame : float, default 0.5
        Seconds per compared frame; longer for recordings of over half an hour.
    context : float, default 2.0
        Seconds of agreement along a diagonal that make a repetition.
    smoothing : float, default 4.0
        Seconds over which the eigenvectors are smoothed: shorter sections vanish.
    max_labels : int, default 8
        Different labels at the finest level; the coarsest has 2.
    granularity : float, default 0.5
        In [0, 1]: which level is the default one, from the coarsest to the finest.
    n_segments : int, optional
        Choose the default level by its number of sections, instead of `granularity`, and join the
        least different neighbors until there are so many.

    References
    ----------
    B. McFee and D. P. W. Ellis, "Analyzing song structure with spectral clustering", ISMIR 2014.
    Here one kind of features serves for repetition and for succession.
    """

    frame: float = 0.5
    context: float = 2.0
    smoothing: float = 4.0
    max_labels: int = 8
    granularity: float = 0.5
    n_segments: int | None = None

    def predict(self, features: Features) -> Hierarchy:
        """Find the sections of one recording at levels of 2, 3, ... `max_labels` labels."""
        features = on_uniform_frames(features, self.frame)
        E = self.embedding(features)
        levels = [
            _segments_of(features, cluster_rows(_unit_rows(E[:, :k]), n_clusters=k))
            for k in range(2, E.shape[1] + 1)
        ]
        if not levels:
            return Hierarchy([Segmentation([0, features.duration], ["A"])])
        levels.sort(key=len)
        return Hierarchy(levels, default=round(self.granularity * (len(levels) - 1)))

    def embedding(self, features: Features) -> NDArray[np.float64]:
        """Place frames so that those of one section lie together.

        Returns
        -------
        E : ndarray of float64, shape (n_frames, n_dimensions)
            The first eigenvectors of the graph's Laplacian, smoothed over time; at most
            `max_labels` of them.
        """
        S = self_similarity(features.X, metric="euclidean").astype(np.float64)
        n = len(S)
        R = recurrence(S, n_neighbors=max(1, round(2 * np.sqrt(n))), min_lag=3)
        context = features.seconds_to_frames(self.context) // 2 * 2 + 1
        repeats = enhance_paths(R.astype(np.float64), n_frames=context)
        A = _balanced(repeats * S, _successors(S))
        degree = np.sqrt(np.maximum(A.sum(axis=1), np.finfo(float).tiny))
        L = np.eye(n) - A / np.outer(degree, degree)
        n_labels = min(self.max_labels, n // 2)
        if n_labels < 2:
            return np.zeros((n, 0))
        _, E = scipy.linalg.eigh(L, subset_by_index=(0, n_labels - 1))
        smoothing = features.seconds_to_frames(self.smoothing) // 2 * 2 + 1
        return np.asarray(scipy.ndimage.median_filter(E, size=(smoothing, 1)))


SEGMENTERS: Mapping[str, type[Segmenter]] = {
    "laplacian": LaplacianSegmenter,
    "foote": FooteSegmenter,
    "structure-features": StructureFeaturesSegmenter,
}


def segmenter(text: str) -> Segmenter:
    """Make the segmenter that a name describes.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`: "foote:half_width=8". One of your own is `module:callable`.

    Examples
    --------
    >>> segmenter("foote:half_width=8").half_width
    8
    """
    names = naming.parse_names(text)
    if len(names) != 1:
        msg = f"segmenters cannot be joined by +, got {text!r}"
        raise ValueError(msg)
    made: Segmenter = naming.build(*names[0], SEGMENTERS, "segmenter")
    return made


_segmenter = segmenter  # `segment` has an argument of this name


def segment(features: Features, *, segmenter: str | Segmenter = "laplacian") -> Segmentation:
    """Find the sections of one recording.

    Parameters
    ----------
    features : Features
        As an extractor makes them: `scatseg.Scattering()(y, sr)`.
    segmenter : str or Segmenter
        A name with options, as in `segmenter`, or anything with a `predict`.

    Returns
    -------
    segmentation : Segmentation
        The default level, where the segmenter finds several.
    """
    chosen = _segmenter(segmenter) if isinstance(segmenter, str) else segmenter
    found = chosen.predict(features)
    return found if isinstance(found, Segmentation) else found.levels[found.default]


def on_uniform_frames(features: Features, frame: float) -> Features:
    """Average frames shorter than `frame` seconds; leave longer ones (beats, bars) as they are.

    The result has at most `MAX_FRAMES` frames, however long the recording.
    """
    frame = max(frame, features.duration / MAX_FRAMES)
    if np.median(np.diff(features.edges)) >= 0.75 * frame:
        return features
    return features.pooled(uniform_edges(features.duration, frame))


def _successors(S: NDArray[np.float64]) -> NDArray[np.float64]:
    """Link each frame to the next, the more so the more alike they are."""
    following = np.diag(S, 1)
    return np.diag(following, 1) + np.diag(following, -1)


def _balanced(R: NDArray[np.float64], P: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mix repetition and succession so that neither dominates (McFee and Ellis, equation 6)."""
    repeats, follows = R.sum(axis=1), P.sum(axis=1)
    total = float(((repeats + follows) ** 2).sum())
    mu = float((follows * (repeats + follows)).sum()) / total if total > 0 else 0.5
    return mu * R + (1 - mu) * P


def _unit_rows(E: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(E, axis=1, keepdims=True)
    return E / np.where(norms > 0, norms, 1)


def _segments_of(features: Features, codes: NDArray[np.intp]) -> Segmentation:
    """Make one section of each run of frames of a cluster."""
    starts = np.flatnonzero(np.diff(codes)) + 1
    boundary_frames = np.concatenate([[0], starts, [len(codes)]])
    return Segmentation(features.edges[boundary_frames], letter_labels(codes[boundary_frames[:-1]]))
