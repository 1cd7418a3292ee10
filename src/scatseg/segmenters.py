"""The named algorithms: each a frozen set of options and the stages it composes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from scatseg import naming
from scatseg.boundaries import (
    best_boundaries,
    boundary_probabilities,
    check_detail,
    join_segments,
    pick_boundaries,
    within,
)
from scatseg.cover import Comparison, compare, cover_labels, cover_scores, frames_per_bar
from scatseg.diagonals import (
    LEVELS,
    Level,
    boundary_log_odds,
    boundary_logits,
    check_level,
    views,
)
from scatseg.features import Features, uniform_edges
from scatseg.labels import (
    absorb_short_runs,
    check_n_labels,
    cluster_rows,
    cluster_segments,
    majority_labels,
    run_edges,
)
from scatseg.novelty import checkerboard_novelty, structure_novelty
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.similarity import cosine, enhance_paths, recurrence, self_similarity, stacked

MAX_FRAMES = 4096
"""Frames that are compared with each other at most: longer recordings get longer frames."""


class Segmenter(Protocol):
    """Anything with `predict`: features in, sections out.

    A segmenter that is made for other features than plain scattering names them in an attribute
    `hears`: what it is given where the user names none. A method `novelty(features)` gives a
    curve to draw, as (edges, heights); where a further one, `is_calibrated(features)`, is true, the
    heights are probabilities of a boundary, and those found carry them as their confidence.
    """

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

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_n_labels(self.n_labels)
        _check_seconds(frame=self.frame, half_width=self.half_width, min_duration=self.min_duration)

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        return _cut_at_peaks(self, on_uniform_frames(features, self.frame))

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

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_n_labels(self.n_labels)
        _check_seconds(
            frame=self.frame,
            context=self.context,
            neighbors=self.neighbors,
            blur=self.blur,
            min_duration=self.min_duration,
        )

    def predict(self, features: Features) -> Segmentation:
        """Find the sections of one recording."""
        return _cut_at_peaks(self, on_uniform_frames(features, self.frame))

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
        X = stacked(features.X, n_frames=_odd_frames(features, self.context))
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
        Seconds over which the eigenvectors are smoothed.
    min_duration : float, default 4.0
        Shortest section in seconds: what is shorter joins the more similar neighbor.
    max_labels : int, default 8
        Different labels at the finest level; the coarsest has 2.
    granularity : float, default 0.5
        In [0, 1]: which level is the default one, from the coarsest to the finest.
    n_segments : int, optional
        Take the coarsest level with at least so many sections as the default one, instead of
        `granularity`, and join its least different neighbors until there are so many. Where no
        level has so many, the finest is the default.

    References
    ----------
    B. McFee and D. P. W. Ellis, "Analyzing song structure with spectral clustering", ISMIR 2014.
    Here one kind of features serves for repetition and for succession.
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
        _check_seconds(
            frame=self.frame,
            context=self.context,
            smoothing=self.smoothing,
            min_duration=self.min_duration,
            max_labels=self.max_labels - 1,
        )

    def predict(self, features: Features) -> Hierarchy:
        """Find the sections of one recording at levels of 2, 3, ... `max_labels` labels."""
        features = on_uniform_frames(features, self.frame)
        E = self.embedding(features)
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
                boundary_frames[default], _unit_rows(E), n_segments=self.n_segments
            )
        return Hierarchy(
            [
                Segmentation(features.edges[frames], majority_labels(codes, frames))
                for codes, frames in zip(levels, boundary_frames, strict=True)
            ],
            default=default,
        )

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute how much the embedding changes: a look at the boundaries, not their source.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            On these edges.
        """
        features = on_uniform_frames(features, self.frame)
        E = self.embedding(features)
        if E.shape[1] < 2:
            return features.edges, np.zeros(len(features.edges))
        S = (1 + cosine(E)) / 2
        half_width_frames = features.seconds_to_frames(self.smoothing)
        return features.edges, checkerboard_novelty(S, half_width_frames=half_width_frames)

    def embedding(self, features: Features) -> NDArray[np.float64]:
        """Place frames so that those of one section lie together.

        Returns
        -------
        E : ndarray of float64, shape (n_frames, n_dimensions)
            The first eigenvectors of the graph's Laplacian, smoothed over time; at most
            `max_labels` of them, none where nothing differs or hardly anything is heard.
        """
        S = self_similarity(features.X, metric="euclidean")
        n = len(S)
        min_frames = max(2, features.seconds_to_frames(self.min_duration))
        n_labels = min(self.max_labels, n // min_frames)
        if n_labels < 2 or S.min() == 1:
            return np.zeros((n, 0))
        R = recurrence(S, n_neighbors=max(1, round(2 * np.sqrt(n))), min_lag=3)
        repeats = enhance_paths(R.astype(np.float64), n_frames=_odd_frames(features, self.context))
        E = _first_eigenvectors(_balanced(repeats * S, _successors(S)), n_labels)
        smoothing = _odd_frames(features, self.smoothing)
        return np.asarray(scipy.ndimage.median_filter(E, size=(smoothing, 1)))


@dataclass(frozen=True, kw_only=True)
class CoverSegmenter:
    """The best cover of a recording by segments that recur as a whole or are of one piece.

    Every possible segment is scored by what speaks for it, and one dynamic programme finds the
    sequence with the highest total. Nothing is learned but, where it is asked, where
    boundaries are (`scatseg.diagonals`). Repetition is heard by all features, in order; that a
    passage is of one piece, by timbre alone (MFCC and scattering, where there are any) and
    whatever the order. Meant for one row per bar (`scatseg.bars.Bars`); shorter frames are
    compared together with those around them, over the length of a bar.

    Parameters
    ----------
    repetition : float, default 1.0
        How much it counts that a segment recurs, see `boundaries.repetition_scores`.
    blocks : float, default 1.0
        How much it counts that a segment's bars are alike, see `boundaries.block_scores`.
    lengths : float, default 0.4
        How much it counts that a segment is as long as phrases are, see
        `boundaries.length_scores`.
    network : float, default 0.0
        How much it counts that the network that was trained on songs finds a boundary, see
        `diagonals.boundary_log_odds`; beside it the others count less. It knows bars alone: shorter
        frames are left to the others.
    level : {"any", "phrase", "section"}, default "any"
        Of which level the best cover is the answer, see `predict`; "any" does not care. The
        network tells them apart, and a section costs more.
    cost : float, default 3.0
        What a segment costs at a granularity of 0.5.
    frame : float, default 0.5
        Seconds per compared frame; longer for recordings of over a quarter of an hour.
    bar : float, default 2.0
        Seconds that count as a bar, where three frames or more fit into it.
    granularity : float, default 0.5
        In [0, 1]: larger never gives fewer sections.
    n_segments : int, optional
        How many sections, instead of `granularity`.
    n_labels : int, optional
        How many different labels; by likeness when absent.

    References
    ----------
    A. Marmoret, J. E. Cohen and F. Bimbot, "Barwise music structure analysis with the correlation
    block-matching segmentation algorithm", TISMIR 6(1), 2023, for the blocks.
    """

    hears: ClassVar[str] = "bars"

    repetition: float = 1.0
    blocks: float = 1.0
    lengths: float = 0.4
    network: float = 0.0
    level: Level = "any"
    cost: float = 3.0
    frame: float = 0.5
    bar: float = 2.0
    granularity: float = 0.5
    n_segments: int | None = None
    n_labels: int | None = None

    def __post_init__(self) -> None:
        check_detail(self.granularity, self.n_segments)
        check_level(self.level)
        check_n_labels(self.n_labels)
        _check_seconds(frame=self.frame, bar=self.bar)
        for name in ("repetition", "blocks", "lengths", "network", "cost"):
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name != "cost"):
                what = "a finite number" if name == "cost" else "a finite number, not negative"
                msg = f"{name} must be {what}, got {value:g}"
                raise ValueError(msg)

    def predict(self, features: Features) -> Hierarchy:
        """Find the sections of one recording, and the phrases inside each; long silence is both.

        Returns
        -------
        hierarchy : Hierarchy
            Two levels, "section" and "phrase". One of them is the best cover there is, by `level`,
            and the default: sections, or else phrases. The other is the best one that nests with
            it: phrases that cross no section, or sections that are made of whole phrases.
        """
        bars = self._bars(features)
        if not bars.in_order.any():
            whole = Segmentation([0, features.duration], ["A"])
            return Hierarchy([whole, whole], NESTED)
        found = self._evidence(bars)
        scores, cost = found[self.level]
        best = best_boundaries(scores, cost=cost, n_segments=self.n_segments)
        if self.level == "section":
            finer, cost = found["phrase"]
            levels = best, best_boundaries(within(finer, best), cost=cost)
        else:
            coarser, cost = found["section"]
            levels = best[best_boundaries(coarser[np.ix_(best, best)], cost=cost)], best
        return Hierarchy(
            [self._labeled(bars, boundary_frames) for boundary_frames in levels],
            NESTED,
            default=0 if self.level == "section" else 1,
        )

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute how probable a boundary is at each edge, by all covers and not the best alone.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            In [0, 1] on these edges, 0 at both ends.
        """
        bars = self._bars(features)
        novelty = np.zeros(len(bars.edges))
        if bars.in_order.any():
            scores, cost = self._evidence(bars)[self.level]
            temperature = _TEMPERATURE if self._is_learned(bars) else 1.0
            probable = boundary_probabilities(scores, cost=cost, temperature=temperature)
            novelty[1:-1] = probable[1:-1]
        return bars.edges, novelty

    def is_calibrated(self, features: Features) -> bool:
        """Tell whether boundaries are right as often as `novelty` says: with the network, on bars.

        That was measured at the default cost.
        """
        return self.network > 0 and frames_per_bar(self._frames(features), self.bar) == 1

    def _bars(self, features: Features) -> Comparison:
        return compare(self._frames(features), bar=self.bar)

    def _frames(self, features: Features) -> Features:
        return on_uniform_frames(features, max(self.frame, features.duration / MAX_COVERED))

    def _evidence(self, bars: Comparison) -> dict[Level, tuple[NDArray[np.float64], float]]:
        """Score all segments on each level, and say what each costs there."""
        weights = {
            "repetition": self.repetition,
            "blocks": self.blocks,
            "lengths": self.lengths,
        }
        cost, span, learned = self.cost, _COST_SPAN, self._is_learned(bars)
        if learned:
            weights = {name: _BESIDE[name] * weight for name, weight in weights.items()}
            cost, span = cost * _BESIDE["cost"], span * _BESIDE["span"]
            seen = views(bars.features, in_order=bars.in_order, by_timbre=bars.by_timbre)
            logits = boundary_logits(seen)
        scores = cover_scores(bars, **weights)
        cost += span * (0.5 - self.granularity)
        found: dict[Level, tuple[NDArray[np.float64], float]] = {}
        for level in LEVELS:
            here = scores.copy()
            if learned:
                log_odds = boundary_log_odds(logits, level) + _LOG_ODDS_OF_INTEREST
                here[:, 1:-1] += self.network * log_odds[1:-1]
            found[level] = here, cost + _COST_OF_SECTIONS * (level == "section")
        return found

    def _is_learned(self, bars: Comparison) -> bool:
        return self.network > 0 and bars.frames_per_bar == 1

    def _labeled(self, bars: Comparison, boundary_frames: NDArray[np.intp]) -> Segmentation:
        labels = cover_labels(bars, boundary_frames, n_labels=self.n_labels)
        return Segmentation(bars.edges[boundary_frames], labels)


NESTED = ("section", "phrase")
"""Names of the levels of `CoverSegmenter`, the coarser first."""

_BESIDE = {"repetition": 0.6, "blocks": 1.25, "lengths": 2.5, "cost": 0.6, "span": 2.0}
"""What the other weights are multiplied by beside the network, which has seen repetition.

The network is so sure that granularity needs a wider span of costs to change what it says.
"""

_TEMPERATURE = 3.5
"""Of `boundary_probabilities` beside the network: what is then called probable is as often true."""

_LOG_ODDS_OF_INTEREST = 1.5
"""Added to the network's log odds: boundaries are rare, and one in four is worth a cut."""

MAX_COVERED = 2048
"""Frames that `CoverSegmenter` compares at most."""

_COST_OF_SECTIONS = 2.0
"""By how much a section costs more than a phrase."""

_COST_SPAN = 12.0
"""By how much a segment costs more at the lowest granularity than at the highest."""

SEGMENTERS: Mapping[str, Callable[..., Segmenter]] = {
    "laplacian": LaplacianSegmenter,
    "default": partial(CoverSegmenter, network=1.0),
    "repetition": partial(CoverSegmenter, blocks=0.3, cost=2.0),
    "cbm": partial(CoverSegmenter, repetition=0.0, cost=1.0),
    "grid-free": partial(LaplacianSegmenter, frame=0.5),
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
    return _by_name(text)


def segment(features: Features, *, segmenter: str | Segmenter = "default") -> Segmentation:
    """Find the sections of one recording.

    Parameters
    ----------
    features : Features
        As an extractor makes them: `scatseg.Bars()(y, sr)`, `scatseg.Scattering()(y, sr)`.
    segmenter : str or Segmenter
        A name with options, as in `segmenter`, or anything with a `predict`.

    Returns
    -------
    segmentation : Segmentation
        The default level, where the segmenter finds several.
    """
    chosen = _by_name(segmenter) if isinstance(segmenter, str) else segmenter
    found = chosen.predict(features)
    return found if isinstance(found, Segmentation) else found.levels[found.default]


def _by_name(text: str) -> Segmenter:
    names = naming.parse_names(text)
    if len(names) != 1:
        msg = f"segmenters cannot be joined by +, got {text!r}"
        raise ValueError(msg)
    made: Segmenter = naming.build(*names[0], SEGMENTERS, "segmenter")
    return made


def _check_seconds(frame: float, **others: float) -> None:
    """Refuse frames of no length and other lengths below 0, with a ValueError."""
    if not frame > 0:
        msg = f"frame must be a positive number of seconds, got {frame:g}"
        raise ValueError(msg)
    for name, value in others.items():
        if not value >= 0:
            msg = f"{name} cannot be negative, got {value:g}"
            raise ValueError(msg)


def on_uniform_frames(features: Features, frame: float) -> Features:
    """Average frames shorter than `frame` seconds; leave longer ones (beats, bars) as they are.

    The result has at most `MAX_FRAMES` frames, however long the recording.
    """
    frame = max(frame, features.duration / MAX_FRAMES)
    if len(features) <= MAX_FRAMES and np.median(np.diff(features.edges)) >= 0.75 * frame:
        return features
    return features.pooled(uniform_edges(features.duration, frame))


def _odd_frames(features: Features, seconds: float) -> int:
    """Count the frames of a span that has one in the middle."""
    return features.seconds_to_frames(seconds) // 2 * 2 + 1


def _cut_at_peaks(
    options: FooteSegmenter | StructureFeaturesSegmenter, features: Features
) -> Segmentation:
    """Cut where the novelty curve peaks, and name what lies between."""
    _, novelty = options.novelty(features)
    boundary_frames = pick_boundaries(
        novelty,
        min_frames=features.seconds_to_frames(options.min_duration),
        granularity=options.granularity,
        n_segments=options.n_segments,
    )
    labels = cluster_segments(features.X, boundary_frames, n_labels=options.n_labels)
    return Segmentation(features.edges[boundary_frames], labels)


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


def _first_eigenvectors(A: NDArray[np.float64], n_vectors: int) -> NDArray[np.float64]:
    """Solve for the smoothest vectors on a graph: those of its Laplacian's smallest eigenvalues."""
    degree = np.sqrt(np.maximum(A.sum(axis=1), np.finfo(float).tiny))
    L = scipy.sparse.csc_array(np.eye(len(A)) - A / np.outer(degree, degree))
    # A shift just below 0 makes the smallest eigenvalues the largest of an inverse that exists.
    start = np.random.default_rng(0).normal(size=len(A))
    _, vectors = scipy.sparse.linalg.eigsh(L, k=n_vectors, sigma=-1e-4, v0=start)
    return np.asarray(vectors)


def _codes_of_level(E: NDArray[np.float64], min_frames: int) -> NDArray[np.intp]:
    """Cluster frames into as many labels as there are dimensions, without sections too short."""
    rows = _unit_rows(E)
    codes = cluster_rows(rows, n_clusters=rows.shape[1])
    return absorb_short_runs(codes, rows, min_frames=min_frames)
