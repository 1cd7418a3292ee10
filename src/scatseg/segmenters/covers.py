"""Sections for which most speaks: what recurs, what is of one sound, and what a network found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scatseg.boundaries import (
    best_boundaries,
    boundary_probabilities,
    check_detail,
    expected_hits,
    within,
)
from scatseg.cover import (
    Comparison,
    compare,
    cover_labels,
    cover_scores,
    frames_per_bar,
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
from scatseg.segmenters.frames import MAX_FRAMES, check_seconds, on_uniform_frames, too_short
from scatseg.similarity import heard_frames

Evidence = dict[Level, tuple[NDArray[np.float64], float]]
"""Level -> scores of all segments, and what each costs at a granularity of 0.5."""

NESTED = ("section", "phrase")
"""Names of the levels of `CoverSegmenter`, the coarser first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """The bars of a recording, compared and shown to the network, before anything is weighed.

    Parameters
    ----------
    bars : Comparison
        Bars, or halves of bars.
    logits : ndarray of float32, shape (n_bars + 1, n_outputs), or None
        What the network says of each edge, see `diagonals.boundary_logits`; None where it is not
        asked, or all bars are alike.
    halves : Prepared or None, default None
        The halves of the bars, where these are so long that they may be two.
    """

    bars: Comparison
    logits: Logits | None
    halves: Prepared | None = None


@dataclass(frozen=True, eq=False)
class _Reading:
    """The bars of a recording, taken as they are or each as two, and what speaks for segments.

    Parameters
    ----------
    bars : Comparison
        Bars, or halves of bars.
    found : dict
        Nothing where all is alike.
    is_learned : bool
        Whether the network was asked.
    span : float, default 0.0
        By how much a segment costs more at the lowest granularity than at the highest.
    """

    bars: Comparison
    found: Evidence
    is_learned: bool
    span: float = 0.0

    def costs(self, level: Level, granularity: float) -> tuple[NDArray[np.float64], float]:
        """Look up the scores of all segments, and what each costs."""
        scores, cost = self.found[level]
        return scores, cost + self.span * (0.5 - granularity)

    def probabilities(self, level: Level) -> NDArray[np.float64]:
        """Tell how probable a boundary is at each edge, by all covers, at the usual cost."""
        novelty = np.zeros(len(self.bars.edges))
        if self.found:
            scores, cost = self.found[level]
            temperature = _TEMPERATURE if self.is_learned else 1.0
            probable = boundary_probabilities(scores, cost=cost, temperature=temperature)
            novelty[1:-1] = probable[1:-1]
        return novelty

    def boundaries(
        self, level: Level, *, granularity: float = 0.5, n_segments: int | None = None
    ) -> NDArray[np.intp]:
        """Find those of the best cover; beside the network, those most of which will be right.

        The latter are those at a granularity of 0.5; `around` them others are found.
        """
        if self.is_learned:
            likely = self._likeliest(level)
            return self.around(likely, level, granularity=granularity, n_segments=n_segments)
        scores, cost = self.costs(level, granularity)
        return best_boundaries(scores, cost=cost, n_segments=n_segments)

    def around(
        self, usual: NDArray[np.intp], level: Level, *, granularity: float, n_segments: int | None
    ) -> NDArray[np.intp]:
        """Find more boundaries than the usual ones, or fewer.

        The usual ones are those at a granularity of 0.5. Where more are asked for, the best cover
        that has them and others; where fewer, the best that has none but some of them. Near 0.5
        segments cost as much as leaves the usual ones alone, and from there on less, or more.
        """
        if n_segments is None and granularity == 0.5:
            return usual
        more = granularity > 0.5 if n_segments is None else n_segments >= len(usual)
        scores, most = self.costs(level, 1.0 if more else 0.0)
        edges = np.arange(len(scores)) if more else usual
        scores = within(scores, usual) if more else scores[np.ix_(usual, usual)]
        _, cost = self.costs(level, 0.5)
        if n_segments is None:
            there = np.searchsorted(edges, usual)
            far = abs(2 * granularity - 1)
            cost = (1 - far) * _cost_that_leaves(there, scores, cost) + far * most
        return edges[best_boundaries(scores, cost=cost, n_segments=n_segments)]

    def _likeliest(self, level: Level) -> NDArray[np.intp]:
        """Find the boundaries that are rather right than wrong within 0.5 s and 3 s, on average.

        Beside the network scores are near log odds: at a temperature of 1 the likeliest of many
        covers count. What is shown as the probability of one boundary is milder (`_TEMPERATURE`).
        """
        scores, cost = self.found[level]
        hits = expected_hits(boundary_probabilities(scores, cost=cost), self.bars.edges)
        return best_boundaries(hits, cost=0.5)

    def certainty(self) -> float | None:
        """Tell how probable the boundaries of the best cover are on average; None without any.

        Those of silence do not count: they are sure, however bars are read.
        """
        if not self.found:
            return None
        scores, cost = self.found["any"]
        inner = best_boundaries(scores, cost=cost)[1:-1]
        inner = inner[~np.isin(inner, [self.bars.silences, self.bars.silences + 1])]
        return float(self.probabilities("any")[inner].mean()) if inner.size else None


def _cost_that_leaves(usual: NDArray[np.intp], scores: NDArray[np.float64], cost: float) -> float:
    """Find what segments have to cost that the best cover is the usual one, or another as good.

    Of all other covers those with more segments are as good at the least, or those with fewer: the
    cost is raised, or lowered, to that at which the best of them is no better than the usual one.
    """

    def total(boundary_frames: NDArray[np.intp]) -> float:
        return float(scores[boundary_frames[:-1], boundary_frames[1:]].sum())

    while True:
        best = best_boundaries(scores, cost=cost)
        n_more = len(best) - len(usual)
        if n_more == 0 or total(best) - total(usual) <= n_more * cost + _AS_GOOD:
            return cost
        cost = (total(best) - total(usual)) / n_more


_AS_GOOD = 1e-9
"""Covers whose totals differ by no more are as good as each other, but for rounding."""


@dataclass(frozen=True, kw_only=True)
class CoverSegmenter:
    """Segments that recur as a whole or are of one piece, and cover a recording the best.

    Every possible segment is scored by what speaks for it, and one dynamic programme finds the
    sequence with the highest total. Nothing is learned but, where it is asked, where boundaries are
    (`scatseg.diagonals`). Beside the network all covers are weighed against each other, and the
    same programme finds the boundaries most of which will be right (`boundaries.expected_hits`)
    instead of those of the best cover. Repetition is heard by all features, in order; that a
    passage is of one piece, by timbre alone (MFCC, scattering and JTFS, where there are any) and
    whatever the order. Meant for one row per bar (`scatseg.bars.Bars`); on shorter frames passages
    may recur faster or slower (`scatseg.alignment`).

    Segments that repeat each other have one label, on bars in another key, too: of four bars or
    more, where constant-Q bins or pitch classes tell one shift from all others
    (`scatseg.transposition`).

    What is taken for a bar may be two. Where bars are longer than 2.9 s, the network looks at their
    halves, too, and the reading counts whose boundaries are more probable on average; at a
    granularity of 0.5, so that it is the same at all.

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
        Which level is the default, see `predict`: sections, or else phrases. For "any" the network
        tells boundaries of both, for "phrase" those of phrases alone.
    cost : float, default 3.0
        What a segment costs at a granularity of 0.5.
    frame : float, default 0.5
        Seconds per compared frame; longer for recordings of over a quarter of an hour.
    bar : float, default 2.0
        Seconds that count as a bar, where three frames or more fit into it.
    granularity : float, default 0.5
        In [0, 1]: larger never gives fewer segments of the default level.
    n_segments : int, optional
        How many segments of the default level, or as many as there can be, instead of
        `granularity`.
    n_labels : int, optional
        How many different labels; by likeness when absent.

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
        """Place among `level_names` of the level that is shown where only one can be."""
        return NESTED.index("section" if self.level == "section" else "phrase")

    def predict(self, features: Features) -> Hierarchy:
        """Find the sections of one recording, and the phrases inside each; long silence is both.

        Returns
        -------
        hierarchy : Hierarchy
            Two levels, "section" and "phrase", of which `level` is the default, phrases where it
            is "any". Phrases are the best cover, or beside the network have the boundaries most
            of which will be right; a section is all phrases in a row that have one label. Where
            more sections or fewer are asked for, the best cover adds to them, or joins some.
        """
        return self.predict_prepared(self.prepare(features))

    def prepare(self, features: Features) -> Prepared:
        """Compare the bars of one recording, and their halves where bars are long; ask the network.

        This takes longer than what follows. Of all options it hangs on `frame` and `bar` alone, and
        on whether `network` is 0: segmenters that differ in others can share what it returns.

        Parameters
        ----------
        features : Features
            As `predict` takes them.

        Returns
        -------
        prepared : Prepared
            For `predict_prepared`, of this segmenter or another.

        Examples
        --------
        >>> bars = np.tile(np.repeat(np.eye(2), 8, axis=0), (2, 1))
        >>> features = Features(bars, 2.0 * np.arange(33))
        >>> prepared = CoverSegmenter().prepare(features)
        >>> two, four = (CoverSegmenter(n_segments=n).predict_prepared(prepared) for n in (2, 4))
        >>> len(two.levels[1]), len(four.levels[1])
        (2, 4)
        """
        frames = self._frames(features)
        is_learned = self._is_learned(features, frames)
        prepared = self._prepared(frames, is_learned=is_learned)
        may_be_two = is_learned and median_bar(frames) > LONG_BAR and can_be_halved(frames)
        if not may_be_two or 2 * len(frames) > MAX_COVERED:
            return prepared
        return replace(prepared, halves=self._prepared(halved(frames), is_learned=True))

    def predict_prepared(self, prepared: Prepared) -> Hierarchy:
        """Find sections and phrases as `predict` does, of a recording that `prepare` was given.

        Parameters
        ----------
        prepared : Prepared
            By a segmenter of the same `frame` and `bar`. Where that did not ask the network, it
            counts for nothing here either.

        Returns
        -------
        hierarchy : Hierarchy
            As `predict` gives it.
        """
        return self._best(self._weighed(prepared))

    def predict_with_novelty(self, features: Features) -> Prediction[Hierarchy]:
        """Find sections and phrases, and how probable each boundary is, by one look at the bars."""
        reading = self._weighed(self.prepare(features))
        found = self._best(reading)
        other: Level = "any" if self.level == "section" else "section"
        curve = Curve(
            reading.bars.edges,
            reading.probabilities(self.level),
            {found.names[1 - found.default]: reading.probabilities(other)},
        )
        return Prediction(found, curve)

    def _best(self, reading: _Reading) -> Hierarchy:
        if not reading.found:
            silences, n_frames = reading.bars.silences, len(reading.bars.in_order)
            if n_frames == len(silences):  # nothing is heard, so nothing is told from it
                whole = Segmentation([0, reading.bars.features.duration], ["A"])
                return Hierarchy([whole, whole], NESTED, default=self.default_level)
            heard = np.unique([0, *silences, *(silences + 1), n_frames])
            if self.n_segments is not None and self.n_segments < len(heard) - 1:
                alone = cover_scores(reading.bars, repetition=0, blocks=0, lengths=1)
                heard = best_boundaries(alone, n_segments=self.n_segments)
            levels = self._labeled(reading.bars, heard) * 2
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
        self, reading: _Reading, level: Level, granularity: float, n_segments: int | None
    ) -> Hierarchy:
        """Find phrases, and sections: all phrases in a row that have one label."""
        found = reading.boundaries(level, granularity=granularity, n_segments=n_segments)
        (phrases,) = self._labeled(reading.bars, found)
        return Hierarchy([phrases.merged(), phrases], NESTED, default=1)

    def novelty(self, features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute how probable a boundary is at each edge, by all covers and not the best alone.

        It is the same at any granularity and number of segments.

        Returns
        -------
        edges : ndarray of float64, shape (n_frames + 1,)
            Seconds.
        novelty : ndarray of float64, shape (n_frames + 1,)
            In [0, 1] on these edges, 0 at both ends.
        """
        reading = self._weighed(self.prepare(features))
        return reading.bars.edges, reading.probabilities(self.level)

    def is_calibrated(self, features: Features) -> bool:
        """Tell whether boundaries are right as often as `novelty` says: with the network, on bars.

        That was measured at the default cost.
        """
        return self._is_learned(features, self._frames(features))

    def _is_learned(self, features: Features, frames: Features) -> bool:
        """Tell whether the network is asked: about bars as they are."""
        return self.network > 0 and frames is features and frames_per_bar(frames, self.bar) == 1

    def shortness(self, features: Features) -> str | None:
        """Say why no section could be told from another, or nothing; silence does not count."""
        frames = self._frames(features)
        per_bar, n_heard = frames.seconds_to_frames(self.bar), int(heard_frames(frames).sum())
        if per_bar <= 2:
            return too_short(n_heard, LEAST_BARS, "bars")
        frame = frames.duration / len(frames)
        return too_short(n_heard * frame, LEAST_BARS * per_bar * frame, "s")

    def _frames(self, features: Features) -> Features:
        are_bars = frames_per_bar(features, self.bar) == 1
        max_frames = MAX_FRAMES if are_bars else MAX_COVERED
        return on_uniform_frames(features, self.frame, max_frames=max_frames)

    def _prepared(self, frames: Features, *, is_learned: bool) -> Prepared:
        bars = compare(frames, bar=self.bar)
        if not (is_learned and bars.in_order.any()):
            return Prepared(bars=bars, logits=None)
        seen = views(bars.features, in_order=bars.in_order, by_timbre=bars.by_timbre)
        return Prepared(bars=bars, logits=boundary_logits(seen))

    def _weighed(self, prepared: Prepared) -> _Reading:
        """Weigh bars, and their halves where there are any; the surer boundaries count."""
        bars = self._reading(prepared)
        if not (bars.is_learned and prepared.halves):
            return bars
        halves = self._reading(prepared.halves, are_halves=True)
        as_bars, as_halves = bars.certainty(), halves.certainty()
        if as_bars is None or as_halves is None:
            return bars
        return halves if as_halves > as_bars else bars

    def _reading(self, prepared: Prepared, *, are_halves: bool = False) -> _Reading:
        """Score all segments on each level, and say what each costs; nothing if all is alike."""
        bars, logits = prepared.bars, prepared.logits if self.network else None
        if not bars.in_order.any():
            return _Reading(bars, {}, is_learned=False)
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
            weights = {name: _BESIDE[name] * weight for name, weight in weights.items()}
            cost, span = cost * _BESIDE["cost"], span * _BESIDE["span"]
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
        return _Reading(bars, found, logits is not None, span)

    def _labeled(self, bars: Comparison, *levels: NDArray[np.intp]) -> list[Segmentation]:
        labels = cover_labels(bars, *levels, n_labels=self.n_labels)
        return [
            Segmentation(bars.edges[level], names)
            for level, names in zip(levels, labels, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class GridFreeSegmenter(CoverSegmenter):
    """The best cover on half seconds, where passages may recur faster or slower: needs no bars."""

    hears: ClassVar[str] = "bars:length=0.5,positions=1"


_BESIDE = {"repetition": 0.6, "blocks": 1.25, "lengths": 2.5, "cost": 0.6, "span": 2.0}
"""What the other weights are multiplied by beside the network, which has seen repetition.

The network is so sure that granularity needs a wider span of costs to change what it says.
"""

_COST_OF_PASSAGES = 2.7
"""What cost is multiplied by on frames shorter than bars, where longer passages are looked for."""

_OF_HALVES = {"repetition": 0.75, "blocks": 0.75, "lengths": 1.0}
"""What weights are multiplied by on halves of bars, of which there are twice as many.

Chosen, as is the next, on POP909, 12 recorded songs and 16 tracker modules together; from 0.75 to
1 and from 0 to 2.2 they matter little.
"""

_COST_OF_HALVES = 1.2
"""By how much a segment of halves of bars costs more."""

_TEMPERATURE = 3.5
"""Of `boundary_probabilities` beside the network: what is then called probable is as often true."""

_LOG_ODDS_OF_INTEREST = 1.5
"""Added to the network's log odds: boundaries are rare, and one in four is worth a cut."""

LEAST_BARS = 5
"""Even two blocks that are nothing like each other are one section in fewer bars."""

MAX_COVERED = 2048
"""Frames shorter than bars that `CoverSegmenter` compares at most."""

_COST_OF_SECTIONS = 2.0
"""By how much a section costs more than a phrase, where more or fewer than usual are asked for."""

_COST_SPAN = 12.0
"""By how much a segment costs more at the lowest granularity than at the highest."""
