"""Sections for which most speaks: what recurs, what is of one sound, and what a network found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scatseg.boundaries import best_boundaries, boundary_probabilities, check_detail, within
from scatseg.cover import Comparison, compare, cover_labels, cover_scores, frames_per_bar
from scatseg.diagonals import (
    LEVELS,
    Level,
    boundary_log_odds,
    boundary_logits,
    check_level,
    views,
)
from scatseg.features import Features
from scatseg.labels import check_n_labels
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters.answers import Prediction
from scatseg.segmenters.frames import check_seconds, on_uniform_frames

Evidence = dict[Level, tuple[NDArray[np.float64], float]]
"""Level -> scores of all segments, and what each costs."""


@dataclass(frozen=True, kw_only=True)
class CoverSegmenter:
    """The best cover of a recording by segments that recur as a whole or are of one piece.

    Every possible segment is scored by what speaks for it, and one dynamic programme finds the
    sequence with the highest total. Nothing is learned but, where it is asked, where
    boundaries are (`scatseg.diagonals`). Repetition is heard by all features, in order; that a
    passage is of one piece, by timbre alone (MFCC and scattering, where there are any) and
    whatever the order. Meant for one row per bar (`scatseg.bars.Bars`); on shorter frames passages
    may recur faster or slower (`scatseg.alignment`).

    Parameters
    ----------
    repetition : float, default 1.0
        How much it counts that a segment recurs, see `boundaries.repetition_scores` for bars and
        `alignment.best_copies` for shorter frames.
    blocks : float, default 1.0
        How much it counts that a segment's bars are alike, see `boundaries.block_scores`.
    lengths : float, default 0.4
        How much it counts that a segment is as long as phrases are, see
        `boundaries.length_scores`. Not on shorter frames than bars, if it counts what recurs.
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
        check_seconds(frame=self.frame, bar=self.bar)
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
        return self._best(bars, self._evidence(bars))

    def predict_with_novelty(self, features: Features) -> Prediction[Hierarchy]:
        """Find sections and phrases, and how probable each boundary is, by one look at the bars."""
        bars = self._bars(features)
        found = self._evidence(bars)
        return Prediction(self._best(bars, found), bars.edges, self._probabilities(bars, found))

    def _best(self, bars: Comparison, found: Evidence) -> Hierarchy:
        if not found:
            whole = Segmentation([0, bars.features.duration], ["A"])
            return Hierarchy([whole, whole], NESTED)
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
        return bars.edges, self._probabilities(bars, self._evidence(bars))

    def _probabilities(self, bars: Comparison, found: Evidence) -> NDArray[np.float64]:
        novelty = np.zeros(len(bars.edges))
        if found:
            scores, cost = found[self.level]
            temperature = _TEMPERATURE if self._is_learned(bars) else 1.0
            probable = boundary_probabilities(scores, cost=cost, temperature=temperature)
            novelty[1:-1] = probable[1:-1]
        return novelty

    def is_calibrated(self, features: Features) -> bool:
        """Tell whether boundaries are right as often as `novelty` says: with the network, on bars.

        That was measured at the default cost.
        """
        return self.network > 0 and frames_per_bar(self._frames(features), self.bar) == 1

    def _bars(self, features: Features) -> Comparison:
        return compare(self._frames(features), bar=self.bar)

    def _frames(self, features: Features) -> Features:
        return on_uniform_frames(features, max(self.frame, features.duration / MAX_COVERED))

    def _evidence(self, bars: Comparison) -> Evidence:
        """Score all segments on each level, and say what each costs; nothing if all is alike."""
        if not bars.in_order.any():
            return {}
        weights = {
            "repetition": self.repetition,
            "blocks": self.blocks,
            "lengths": self.lengths,
        }
        cost, span, learned = self.cost, _COST_SPAN, self._is_learned(bars)
        if bars.copies is not None and self.repetition:
            weights["lengths"] = 0.0
            cost *= _COST_OF_PASSAGES
        if learned:
            weights = {name: _BESIDE[name] * weight for name, weight in weights.items()}
            cost, span = cost * _BESIDE["cost"], span * _BESIDE["span"]
            seen = views(bars.features, in_order=bars.in_order, by_timbre=bars.by_timbre)
            logits = boundary_logits(seen)
        scores = cover_scores(bars, **weights)
        cost += span * (0.5 - self.granularity)
        found: Evidence = {}
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


@dataclass(frozen=True, kw_only=True)
class GridFreeSegmenter(CoverSegmenter):
    """The best cover on half seconds, where passages may recur faster or slower: needs no bars."""

    hears: ClassVar[str] = "bars:length=0.5,positions=1"


NESTED = ("section", "phrase")
"""Names of the levels of `CoverSegmenter`, the coarser first."""

_BESIDE = {"repetition": 0.6, "blocks": 1.25, "lengths": 2.5, "cost": 0.6, "span": 2.0}
"""What the other weights are multiplied by beside the network, which has seen repetition.

The network is so sure that granularity needs a wider span of costs to change what it says.
"""

_COST_OF_PASSAGES = 2.7
"""What cost is multiplied by on frames shorter than bars, where longer passages are looked for."""

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
