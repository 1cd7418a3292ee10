"""Scores of all candidate segments of a recording -> boundaries and their probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatseg.boundaries import best_boundaries, boundary_probabilities, expected_hits, within
from scatseg.cover import BarSimilarity
from scatseg.diagonals import Level

Evidence = dict[Level, tuple[NDArray[np.float64], float]]
"""Level -> scores of all candidate segments, and the cost per segment at a granularity of 0.5."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Segment scores of a recording, on bars or half-bars.

    Parameters
    ----------
    bars : BarSimilarity
        Bars or half-bars.
    found : dict
        Scores and cost per level; empty if all bars are equal.
    is_learned : bool
        Whether the network is used.
    span : float, default 0.0
        Difference of the cost per segment between granularity 0 and 1.
    other : Reading or None, default None
        The same recording on half-bars or bars, whose probabilities count, too.
    share : float, default 0.0
        Weight of the other reading's probabilities, at most 0.5.
    """

    bars: BarSimilarity
    found: Evidence
    is_learned: bool
    span: float = 0.0
    other: Reading | None = None
    share: float = 0.0

    def costs(self, level: Level, granularity: float) -> tuple[NDArray[np.float64], float]:
        """Return the scores of all candidate segments, and the cost per segment."""
        scores, cost = self.found[level]
        return scores, cost + self.span * (0.5 - granularity)

    def probabilities(self, level: Level) -> NDArray[np.float64]:
        """Compute the marginal probability of a boundary at each edge, at a granularity of 0.5."""
        novelty = np.zeros(len(self.bars.edges))
        if self.found:
            temperature = _TEMPERATURE if self.is_learned else 1.0
            novelty[1:-1] = self._marginals(level, temperature)[1:-1]
        return novelty

    def _marginals(self, level: Level, temperature: float) -> NDArray[np.float64]:
        """Compute the probability of each edge; where the other reading has none, it adds none."""
        scores, cost = self.found[level]
        probable = boundary_probabilities(scores, cost=cost, temperature=temperature)
        if self.other is None:
            return probable
        others = self.other._marginals(level, temperature)
        _, here, there = np.intersect1d(self.bars.edges, self.other.bars.edges, return_indices=True)
        probable *= 1 - self.share
        probable[here] += self.share * others[there]
        return probable

    def boundaries(
        self, level: Level, *, granularity: float = 0.5, n_segments: int | None = None
    ) -> NDArray[np.intp]:
        """Find the boundaries of the best segmentation, or with the network, of most expected hits.

        The latter are those at a granularity of 0.5, which `around` refines or coarsens.
        """
        if self.is_learned:
            likely = self._likeliest(level)
            return self.around(likely, level, granularity=granularity, n_segments=n_segments)
        scores, cost = self.costs(level, granularity)
        return best_boundaries(scores, cost=cost, n_segments=n_segments)

    def around(
        self, usual: NDArray[np.intp], level: Level, *, granularity: float, n_segments: int | None
    ) -> NDArray[np.intp]:
        """Refine or coarsen the default boundaries, those at a granularity of 0.5.

        Above 0.5 (or for more segments), find the best segmentation that contains all of them;
        below (or for fewer), the best whose boundaries are a subset of them. The cost per segment
        moves linearly from one that just keeps the default boundaries to the extreme one.
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
        """Find boundaries that are more likely hits than not, averaged over 0.5 s and 3 s.

        With the network, scores are close to log odds, so a temperature of 1 is used here. The
        reported boundary probabilities are softer (`_TEMPERATURE`).
        """
        hits = expected_hits(self._marginals(level, 1.0), self.bars.edges)
        return best_boundaries(hits, cost=0.5)

    def certainty(self) -> float | None:
        """Compute the mean probability of the best segmentation's boundaries; None without any.

        Boundaries of silences are excluded: they do not depend on the bars.
        """
        if not self.found:
            return None
        scores, cost = self.found["any"]
        inner = best_boundaries(scores, cost=cost)[1:-1]
        inner = inner[~np.isin(inner, [self.bars.silences, self.bars.silences + 1])]
        return float(self.probabilities("any")[inner].mean()) if inner.size else None

    def share_between(self, lines: NDArray[np.float64]) -> float:
        """Compute the share of the expected boundaries that are not at the given lines."""
        expected = self._marginals("any", 1.0)[1:-1]
        between = ~np.isin(self.bars.edges[1:-1], lines)
        total = float(expected.sum())
        return float(expected[between].sum()) / total if total else 0.0


def _cost_that_leaves(usual: NDArray[np.intp], scores: NDArray[np.float64], cost: float) -> float:
    """Find a cost per segment at which the default segmentation is optimal.

    The default segmentation is either the finest or the coarsest that is allowed. The cost is moved
    until the best other segmentation is no better than the default one.
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
"""Totals that differ by less are equal up to rounding."""

_TEMPERATURE = 3.5
"""Temperature of `boundary_probabilities` with the network, chosen for calibration."""
