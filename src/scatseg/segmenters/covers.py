"""Sections by dynamic programming over repetition, homogeneity, length and a neural network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

from scatseg.boundaries import best_boundaries, check_detail
from scatseg.cover import (
    BarSimilarity,
    bar_similarity,
    cover_labels,
    cover_scores,
    median_bar,
)
from scatseg.diagonals import (
    LEVELS,
    Level,
    Logits,
    boundary_log_odds,
    boundary_logits,
    check_level,
    views,
)
from scatseg.features import Features
from scatseg.labels import check_n_labels
from scatseg.places import can_be_halved, halved
from scatseg.rhythm import LONG_BAR
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters.answers import Curve, Prediction
from scatseg.segmenters.frames import (
    MAX_FRAMES,
    check_seconds,
    frame_length,
    on_uniform_frames,
    warnings_of_length,
)
from scatseg.segmenters.readings import Evidence, Reading
from scatseg.similarity import heard_frames
from scatseg.threads import one_thread

NESTED = ("section", "phrase")
"""Levels of `CoverSegmenter`, coarse to fine."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """Self-similarity and network output of a recording, independent of most options.

    Parameters
    ----------
    bars : BarSimilarity
        Bars or half-bars, without `by_kind`.
    logits : ndarray of float32, shape (n_bars + 1, n_outputs), or None
        Network output, see `diagonals.boundary_logits`; None if the network is not used, or all
        bars are equal.
    halves : Prepared or None, default None
        The same for half-bars, if bars are so long that each may be two.
    rival : Prepared or None, default None
        The same for other bar lines, if they are nearly as probable.
    """

    bars: BarSimilarity
    logits: Logits | None
    halves: Prepared | None = None
    rival: Prepared | None = None


class _Frames(NamedTuple):
    """Uniform frames of a recording.

    Parameters
    ----------
    features : Features
        One row per bar or shorter frame.
    frames_per_bar : int
        1 if frames are about as long as bars.
    is_learned : bool
        Whether the network is used: only on bars as given.
    """

    features: Features
    frames_per_bar: int
    is_learned: bool

    def warnings(self) -> tuple[str, ...]:
        """Warn if the recording is too short; silence does not count."""
        n_heard = int(heard_frames(self.features).sum())
        if self.frames_per_bar == 1:
            return warnings_of_length(n_heard, LEAST_BARS, "bars")
        frame = self.features.duration / len(self.features)
        return warnings_of_length(n_heard * frame, LEAST_BARS * self.frames_per_bar * frame, "s")


@dataclass(frozen=True, kw_only=True)
class CoverSegmenter:
    """Segmentation with the highest total score of repetition, homogeneity and length.

    Every candidate segment is scored, and dynamic programming finds the segmentation with the
    highest total. Optionally, a neural network, the only trained part, adds log odds of boundaries
    (`scatseg.diagonals`); boundary probabilities are then marginalized over all segmentations, and
    the boundaries with the most expected hits are selected (`boundaries.expected_hits`). Repetition
    is measured by all features in temporal order, homogeneity by timbre alone (MFCC, scattering and
    JTFS, if present) regardless of order. Meant for one row per bar (`scatseg.bars.Bars`); on
    shorter frames, repetitions may differ in tempo (`scatseg.alignment`).

    Repeated segments share a label. On bars, this includes transposed repetitions of four bars or
    more, if constant-Q bins or pitch classes single out one shift (`scatseg.transposition`).

    An estimated bar may actually be two. If bars are longer than 2.9 s, the network is also run on
    half-bars, and the reading with the more probable boundaries (at a granularity of 0.5) is used;
    if the two are nearly tied, probabilities at the lines of both are averages of both. Where other
    bar lines are nearly as probable (`Features.rival`), the network is run on these, too, and they
    are used if their boundaries are clearly more probable.

    Parameters
    ----------
    repetition : float, default 1.0
        Weight of repetition, see `boundaries.repetition_scores` for bars and
        `alignment.best_copies` for shorter frames.
    blocks : float, default 1.0
        Weight of homogeneity, see `boundaries.block_scores`.
    lengths : float, default 0.4
        Weight of the length prior, see `boundaries.length_scores`. Not used on frames shorter than
        bars if `repetition` is not 0.
    network : float, default 0.0
        Weight of the network, see `diagonals.boundary_log_odds`; with it, the other weights are
        rescaled. Not used on frames shorter than bars.
    level : {"any", "phrase", "section"}, default "any"
        The default level, see `predict`: sections for "section", else phrases. With "phrase", the
        network looks for boundaries of phrases only, else for those of both levels.
    cost : float, default 3.0
        Cost per segment at a granularity of 0.5.
    frame : float, default 0.5
        Frame length in seconds; longer for recordings of over a quarter of an hour.
    bar : float, default 2.0
        Nominal bar in seconds, used if at least three frames fit into it.
    granularity : float, default 0.5
        In [0, 1]; a larger value never gives fewer segments of the default level.
    n_segments : int, optional
        Number of segments of the default level (as many as possible, if fewer), instead of
        `granularity`.
    n_labels : int, optional
        Number of distinct labels; by default, chosen by similarity.

    References
    ----------
    A. Marmoret, J. E. Cohen and F. Bimbot, "Barwise music structure analysis with the correlation
    block-matching segmentation algorithm", TISMIR 6(1), 2023, for the blocks. M. Goto, "A chorus
    section detection method for musical audio signals and its application to a music listening
    station", IEEE Transactions on Audio, Speech, and Language Processing 14(5), 2006, for
    repetition in another key.
    """

    hears: ClassVar[str] = "bars"
    level_names: ClassVar[tuple[str, ...]] = NESTED

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

    @property
    def default_level(self) -> int:
        """Index in `level_names` of the default level."""
        return NESTED.index("section" if self.level == "section" else "phrase")

    def predict(self, features: Features) -> Hierarchy:
        """Segment one recording into sections and phrases; long silences are segments of both.

        Returns
        -------
        hierarchy : Hierarchy
            Two levels, "section" and "phrase"; `level` is the default, phrases for "any". Phrases
            are the best segmentation, or with the network, that with the most expected hits. A
            section is a run of phrases with one label; if more or fewer sections are requested,
            sections are split or merged to maximize the score.
        """
        return self.predict_prepared(self.prepare(features))

    def prepare(self, features: Features) -> Prepared:
        """Compute self-similarity and network output of a recording.

        This is the slow part. It depends only on `frame`, `bar` and whether `network` is 0, so
        segmenters that differ in other options can share the result.

        Parameters
        ----------
        features : Features
            As for `predict`.

        Returns
        -------
        prepared : Prepared
            Input of `predict_prepared`, of this segmenter or another.

        Examples
        --------
        >>> bars = np.tile(np.repeat(np.eye(2), 8, axis=0), (2, 1))
        >>> features = Features(bars, 2.0 * np.arange(33))
        >>> prepared = CoverSegmenter().prepare(features)
        >>> two, four = (CoverSegmenter(n_segments=n).predict_prepared(prepared) for n in (2, 4))
        >>> len(two.levels[1]), len(four.levels[1])
        (2, 4)
        """
        return self._prepared(self._frames(features))

    def predict_prepared(self, prepared: Prepared) -> Hierarchy:
        """Segment a recording as `predict` does, given the result of `prepare`.

        Parameters
        ----------
        prepared : Prepared
            From a segmenter with the same `frame` and `bar`. If it did not use the network, the
            network is not used here either.

        Returns
        -------
        hierarchy : Hierarchy
            As from `predict`.
        """
        return self._best(self._weighed(prepared))

    def predict_with_novelty(self, features: Features) -> Prediction[Hierarchy]:
        """Segment a recording and compute its boundary probabilities in one pass."""
        frames = self._frames(features)
        reading = self._weighed(self._prepared(frames))
        found = self._best(reading)
        other: Level = "any" if self.level == "section" else "section"
        curve = Curve(
            reading.bars.edges,
            reading.probabilities(self.level),
            {found.names[1 - found.default]: reading.probabilities(other)},
            is_probability=frames.is_learned,
        )
        return Prediction(found, curve, frames.warnings())

    def _best(self, reading: Reading) -> Hierarchy:
        if not reading.found:
            silences, n_frames = reading.bars.silences, len(reading.bars.in_order)
            if n_frames == len(silences):  # all silent: one segment, not labeled as silence
                whole = Segmentation([0, reading.bars.features.duration], ["A"])
                return Hierarchy([whole, whole], NESTED, default=self.default_level)
            edges = np.unique([0, *silences, *(silences + 1), n_frames])
            if self.n_segments is not None and self.n_segments < len(edges) - 1:
                alone = cover_scores(reading.bars, repetition=0, blocks=0, lengths=1)
                edges = best_boundaries(alone, n_segments=self.n_segments)
            levels = self._labeled(reading.bars, edges) * 2
            return Hierarchy(levels, NESTED, default=self.default_level)
        if self.level != "section":
            return self._of_phrases(reading, self.level, self.granularity, self.n_segments)
        found = self._of_phrases(reading, "any", 0.5, None)
        usual, phrases = (np.searchsorted(reading.bars.edges, each.boundaries) for each in found)
        sections = reading.around(
            usual, "section", granularity=self.granularity, n_segments=self.n_segments
        )
        if np.array_equal(sections, usual):
            return Hierarchy(found.levels, NESTED, default=0)
        phrases = np.union1d(phrases, sections)
        return Hierarchy(self._labeled(reading.bars, sections, phrases), NESTED, default=0)

    def _of_phrases(
        self, reading: Reading, level: Level, granularity: float, n_segments: int | None
    ) -> Hierarchy:
        """Find phrases, and sections as runs of phrases with one label."""
        found = reading.boundaries(level, granularity=granularity, n_segments=n_segments)
        (phrases,) = self._labeled(reading.bars, found)
        return Hierarchy([phrases.merged(), phrases], NESTED, default=1)

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the marginal probability of a boundary at each edge.

        It does not depend on granularity or number of segments. With the network, on bars, it is
        calibrated at the default cost.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            In [0, 1] at these edges, 0 at both ends.
        """
        reading = self._weighed(self.prepare(features))
        return reading.bars.edges, reading.probabilities(self.level)

    def _frames(self, features: Features) -> _Frames:
        """Average frames until they are long enough, and few enough; keep bars.

        Frames shorter than bars are longer in a long recording, but do not become bars.
        """
        are_bars = round(self.bar / frame_length(features, self.frame)) <= 2
        max_frames = MAX_FRAMES if are_bars else MAX_COVERED
        uniform = on_uniform_frames(features, self.frame, max_frames=max_frames)
        if are_bars:
            return _Frames(uniform, 1, is_learned=self.network > 0 and uniform == features)
        per_bar = min(max(2, uniform.seconds_to_frames(self.bar)), len(uniform))
        return _Frames(uniform, per_bar, is_learned=False)

    def _prepared(self, frames: _Frames) -> Prepared:
        """Compare bars, and for the network, rival bars, and half-bars if bars are long."""
        features, rival = frames.features, frames.features.rival
        with one_thread():  # many small products, which threads slow down
            prepared = self._compared(frames)
            if frames.is_learned and rival is not None:
                prepared = replace(prepared, rival=self._prepared(frames._replace(features=rival)))
            is_long = frames.is_learned and median_bar(features) > LONG_BAR
            if not (is_long and can_be_halved(features)) or 2 * len(features) > MAX_COVERED:
                return prepared
            halves = self._compared(frames._replace(features=halved(features)))
            return replace(prepared, halves=halves)

    def _compared(self, frames: _Frames) -> Prepared:
        bars = bar_similarity(frames.features, frames_per_bar=frames.frames_per_bar)
        logits = None
        if frames.is_learned and bars.in_order.any():
            logits = boundary_logits(views(bars))
        # The matrices of `by_kind` are large, and only the network needs them.
        return Prepared(bars=replace(bars, by_kind={}), logits=logits)

    def _weighed(self, prepared: Prepared) -> Reading:
        """Score bars, and rival bars and half-bars if given; return the most probable reading.

        That is the one with the more probable boundaries. In a near tie of bars and half-bars, the
        expected boundaries in the middle of bars count for half-bars, and the other reading has a
        share in the probabilities: half of them in a tie, so that small changes of the sound change
        little.
        """
        bars = self._reading(prepared)
        as_bars = bars.certainty() if bars.is_learned else None
        if as_bars is None:
            return bars
        if prepared.rival is not None:
            rival = self._reading(prepared.rival)
            as_rival = rival.certainty()
            if as_rival is not None and as_rival > as_bars + _LEAD_OF_RIVAL:
                prepared, bars, as_bars = prepared.rival, rival, as_rival
        if prepared.halves is None:
            return bars
        halves = self._reading(prepared.halves, are_halves=True)
        as_halves = halves.certainty()
        if as_halves is None:
            return bars
        lead = as_halves - as_bars
        lead += scipy.special.expit(lead / _NEAR_TIE) * halves.share_between(bars.bars.edges)
        share = float(scipy.special.expit(lead / _NEAR_TIE))
        if share > 0.5:
            return replace(halves, other=bars, share=1 - share)
        return replace(bars, other=halves, share=share)

    def _reading(self, prepared: Prepared, *, are_halves: bool = False) -> Reading:
        """Compute the segment scores and cost of each level; none if all bars are equal."""
        bars, logits = prepared.bars, prepared.logits if self.network else None
        if not bars.in_order.any():
            return Reading(bars, {}, is_learned=False)
        weights = {
            "repetition": self.repetition,
            "blocks": self.blocks,
            "lengths": self.lengths,
        }
        cost, span = self.cost, _COST_SPAN
        if bars.copies is not None and self.repetition:
            weights["lengths"] = 0.0
            cost *= _COST_OF_PASSAGES
        if logits is not None:
            weights = {name: _WITH_NETWORK[name] * weight for name, weight in weights.items()}
            cost, span = cost * _WITH_NETWORK["cost"], span * _WITH_NETWORK["span"]
        if are_halves:
            weights = {name: _OF_HALVES[name] * weight for name, weight in weights.items()}
            cost += _COST_OF_HALVES
        scores = cover_scores(bars, **weights)
        found: Evidence = {}
        for level in LEVELS:
            here = scores.copy()
            if logits is not None:
                log_odds = boundary_log_odds(logits, level) + _LOG_ODDS_OF_INTEREST
                here[:, 1:-1] += self.network * log_odds[1:-1]
            found[level] = here, cost + _COST_OF_SECTIONS * (level == "section")
        return Reading(bars, found, logits is not None, span)

    def _labeled(self, bars: BarSimilarity, *levels: NDArray[np.intp]) -> list[Segmentation]:
        labels = cover_labels(bars, *levels, n_labels=self.n_labels)
        return [
            Segmentation(bars.edges[level], names)
            for level, names in zip(levels, labels, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class GridFreeSegmenter(CoverSegmenter):
    """`CoverSegmenter` on half-second frames: needs no bars, repetitions may differ in tempo."""

    hears: ClassVar[str] = "bars:length=0.5,positions=1"


_WITH_NETWORK = {"repetition": 0.6, "blocks": 1.25, "lengths": 2.5, "cost": 0.6, "span": 2.0}
"""Factors of the other weights, cost and span with the network, which already uses repetition.

The network's log odds are large, so granularity needs a wider span of costs.
"""

_COST_OF_PASSAGES = 2.7
"""Factor of the cost on frames shorter than bars, where longer passages are searched."""

_OF_HALVES = {"repetition": 0.75, "blocks": 0.75, "lengths": 1.0}
"""Factors of the weights on half-bars, of which there are twice as many.

Chosen, like `_COST_OF_HALVES`, on POP909, 12 recorded songs and 16 tracker modules together; values
from 0.75 to 1 and from 0 to 2.2, respectively, differ little.
"""

_COST_OF_HALVES = 1.2
"""Additional cost per segment on half-bars."""

_LEAD_OF_RIVAL = 0.03
"""Minimum lead of the mean boundary probability on rival bar lines.

Of about 20 recordings that have these, it is 0.07 to 0.19 in three recorded songs and one of
POP909, whose bar lines were wrong, and in a tracker module, and at most 0.02 in the others. In
copies of these songs with noise or at another tempo or pitch it is 0.04 to 0.22.
"""

_NEAR_TIE = 0.05
"""Difference of the mean boundary probability at which the less probable of bars and half-bars has
a weight of 1 / (1 + e)."""

_LOG_ODDS_OF_INTEREST = 1.5
"""Added to the network's log odds: boundaries are rare, and a chance of one in four counts."""

LEAST_BARS = 5
"""Minimum number of bars of a recording with more than one section: in fewer, even two blocks that
have nothing in common are one."""

MAX_COVERED = 2048
"""Maximum number of frames shorter than bars in `CoverSegmenter`."""

_COST_OF_SECTIONS = 2.0
"""Additional cost of a section over a phrase, if more or fewer than the default are requested."""

_COST_SPAN = 12.0
"""Difference of the cost per segment between granularity 0 and 1."""
