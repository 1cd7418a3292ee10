"""Bars of irregular length, found where repeated passages disagree about the bar lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from scatseg.rhythm.metre import (
    BarPositions,
    Cues,
    diagonals_of,
    evidence_at,
    evidence_of,
    lead_of,
)

MORE_AGREEMENT = 1.8
"""Minimum ratio of the agreement of repetitions with irregular bars to that with regular ones.

Among POP909, 12 recorded songs, 16 tracker modules and 32 unannotated recordings, it is 2.0 to 11
in two recorded songs and two unannotated recordings; 1.0 to 1.6 in six songs of POP909, whose
annotated bars are all regular, in two modules and one recording; and 1 in all others.
"""

_WIDTH = 4  # bars over which similarity is averaged
_MOST_APART = 96  # bars
_ALIKE = 2.0  # standard deviations: minimum similarity of repetitions
_COST = 30.0  # of an irregular bar, in bars times standard deviations
_NEAR_BEST = 3.0  # same unit: places that explain the repetitions equally well
_STARTS = 5  # first steps by each number of pulses


@dataclass(frozen=True, eq=False, kw_only=True)
class Repetitions:
    """Pairs of pulses in passages that repeat, and how the bar lines of both differ.

    Parameters
    ----------
    earlier, later : ndarray of int, shape (n_pairs,)
        The two pulses.
    weight : ndarray of float, shape (n_pairs,)
        Similarity beyond the least one, divided by the pulses per bar.
    turn : ndarray of int, shape (n_pairs,)
        Position of the later pulse minus that of the earlier one, modulo the pulses per bar.
    n_pulses, per_bar : int
        Number of all pulses, and of those of a bar.
    """

    earlier: NDArray[np.intp]
    later: NDArray[np.intp]
    weight: NDArray[np.floating]
    turn: NDArray[np.intp]
    n_pulses: int
    per_bar: int

    def agreement(self, moves: NDArray[np.intp]) -> float:
        """Weigh the pairs at equal positions if pulses move by `moves` (n_pulses,), less costs."""
        agree = self._turned(moves) == 0
        return float(self.weight[agree].sum() - _COST * np.count_nonzero(np.diff(moves)))

    def across(self, moves: NDArray[np.intp]) -> NDArray[np.float64]:
        """Weigh the pairs on both sides of each pulse by turn: (per_bar, n_pulses)."""
        row = self._turned(moves) * (self.n_pulses + 1)
        entered, left = (
            np.bincount(row + pulse + 1, self.weight, self.per_bar * (self.n_pulses + 1))
            for pulse in (self.earlier, self.later)
        )
        total = (entered - left).reshape(self.per_bar, -1)
        return np.asarray(total[:, :-1].cumsum(axis=1))

    def wanted(self, moves: NDArray[np.intp]) -> NDArray[np.float64]:
        """Weigh the moves of each pulse that agree with its partners: (n_pulses, per_bar)."""
        later = (moves[self.earlier] - self.turn) % self.per_bar
        earlier = (moves[self.later] + self.turn) % self.per_bar
        total = np.zeros(self.n_pulses * self.per_bar)
        for pulse, move in ((self.later, later), (self.earlier, earlier)):
            total += np.bincount(pulse * self.per_bar + move, self.weight, total.size)
        return total.reshape(-1, self.per_bar)

    def _turned(self, moves: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.asarray((self.turn + moves[self.later] - moves[self.earlier]) % self.per_bar)


def find_repetitions(
    X: NDArray[np.floating], positions: NDArray[np.intp], *, per_bar: int
) -> Repetitions:
    """Find the pulses that each pulse repeats, at the best of the lags within a bar.

    Parameters
    ----------
    X : ndarray of float, shape (n_pulses, n_features)
        One vector per pulse, with mean 0.
    positions : ndarray of int, shape (n_pulses,)
        Positions in the bar.
    per_bar : int
        Pulses per bar.
    """
    similar = _similar_along(X, per_bar=per_bar)
    beside = 2 * (per_bar // 2) + 1
    is_best = similar >= scipy.ndimage.maximum_filter1d(similar, beside, axis=0)
    lags, later = np.nonzero(is_best & (similar > _ALIKE))
    earlier = later - lags
    return Repetitions(
        earlier=earlier,
        later=later,
        weight=(similar[lags, later] - _ALIKE) / per_bar,
        turn=(positions[later] - positions[earlier]) % per_bar,
        n_pulses=len(X),
        per_bar=per_bar,
    )


def _similar_along(X: NDArray[np.floating], *, per_bar: int) -> NDArray[np.float32]:
    """Compare each pulse with those before it, along diagonals: (n_lags, n_pulses).

    In standard deviations; -inf where nothing is compared, as at lags of less than a bar.
    """
    n_pulses, width = len(X), _WIDTH * per_bar
    n_lags = max(per_bar, min(_MOST_APART * per_bar, n_pulses - width)) + 1
    similar = np.full((n_lags, n_pulses), np.nan, dtype=np.float32)
    for lag, cosines in diagonals_of(X, range(per_bar, min(n_lags, n_pulses))):
        scipy.ndimage.uniform_filter1d(cosines, width, mode="nearest", output=similar[lag, lag:])
    compared = similar[np.isfinite(similar)]
    if compared.size:
        similar -= compared.mean()
        similar /= max(float(compared.std()), 1e-9)
    return np.nan_to_num(similar, copy=False, nan=-np.inf)


def find_moves(repetitions: Repetitions) -> NDArray[np.intp]:
    """Find the moves (n_pulses,) of positions with the highest agreement of repetitions.

    Steps, which move all later pulses, are added one after another, from several first ones.
    """
    unmoved = np.zeros(repetitions.n_pulses, dtype=np.intp)
    gain = _gain(repetitions, unmoved)
    apart = scipy.ndimage.maximum_filter1d(gain, 2 * _WIDTH * repetitions.per_bar + 1, axis=1)
    found = [unmoved]
    for turn, (largest, gains) in enumerate(zip(apart, gain, strict=True)):
        peaks = np.flatnonzero((gains > _COST) & (gains >= largest))
        for at in peaks[np.argsort(-gains[peaks], kind="stable")][:_STARTS]:
            found.append(_climbed(repetitions, _stepped(unmoved, int(at), -turn, repetitions)))
    return max(found, key=repetitions.agreement)


def _gain(repetitions: Repetitions, moves: NDArray[np.intp]) -> NDArray[np.float64]:
    """Compute the gain of agreement by a step at each pulse that undoes a turn, without cost."""
    across = repetitions.across(moves)
    return np.asarray(across - across[0])


def _stepped(
    moves: NDArray[np.intp], at: int, by: int, repetitions: Repetitions
) -> NDArray[np.intp]:
    stepped = moves.copy()
    stepped[at:] = (stepped[at:] + by) % repetitions.per_bar
    return stepped


def _climbed(repetitions: Repetitions, moves: NDArray[np.intp]) -> NDArray[np.intp]:
    """Add steps while one gains more than it costs."""
    while True:
        gain = _gain(repetitions, moves)
        turn, at = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[turn, at] <= _COST:
            return moves
        moves = _stepped(moves, int(at), -int(turn), repetitions)


def with_irregular_bars(bars: BarPositions, cues: Cues) -> BarPositions:
    """Shorten or lengthen bars where repeated passages would otherwise have other bar lines.

    Where a beat or half a bar is left out or inserted, all later bar lines move, and what follows
    repeats earlier passages at other positions in the bar.
    """
    per_bar = len(bars.metre.pattern)
    repetitions = find_repetitions(cues.pitches, bars.positions, per_bar=per_bar)
    moves = find_moves(repetitions)
    regular = repetitions.agreement(np.zeros_like(moves))
    if repetitions.agreement(moves) <= max(_COST, MORE_AGREEMENT * regular):
        return bars
    evidence = evidence_of(bars.metre, cues)
    turns = range(0, per_bar, bars.metre.pulses_per_beat)
    turn = max(
        turns, key=lambda turn: float(evidence_at(evidence, bars.positions + moves, turn).sum())
    )
    positions = (bars.positions + moves[0] + turn) % per_bar
    wanted = repetitions.wanted(moves)
    steps = [1, *(int(at) + 1 for at in np.flatnonzero(np.diff(moves))), len(moves)]
    for first, at, last in zip(steps[:-2], steps[1:-1], steps[2:], strict=True):
        by = int(moves[at] - moves[at - 1])
        explained = _before_and_after(wanted[:, moves[at - 1]], wanted[:, moves[at]])
        equal, _ = scipy.ndimage.label(explained >= explained[at] - 2 * _NEAR_BEST)
        where = first + np.flatnonzero(equal[first:last] == equal[at])
        positions = _moved(positions, by, where, at, evidence)
    return replace(bars, positions=positions, lead=lead_of(evidence, positions))


def _before_and_after(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add the values before each index of one array to those from it on of another."""
    total = np.concatenate([[0.0], (before - after).cumsum()])
    return np.asarray(total[:-1] + after.sum())


def _moved(
    positions: NDArray[np.intp],
    by: int,
    where: NDArray[np.intp],
    at: int,
    evidence: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Move positions by some pulses, from the most probable bar line among some pulses on."""
    per_bar = evidence.shape[1]
    moved = (positions + by) % per_bar
    lines = 1 + np.flatnonzero(moved[1:] == 0)
    there = lines[np.isin(lines, where)]
    if not there.size:
        there = lines[[np.abs(lines - at).argmin()]]
    cued = _before_and_after(evidence_at(evidence, positions), evidence_at(evidence, moved))
    line = int(there[cued[there].argmax()])
    joined = np.concatenate([positions[:line], moved[line:]])
    rest = int(positions[line - 1]) + 1
    if rest < per_bar / 2 and line > rest:
        joined[line - rest : line] += per_bar  # the last bar before is longer
    return joined
