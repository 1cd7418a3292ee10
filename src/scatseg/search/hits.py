"""Passages that sound like a query: how similar they are, and which of them are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scatseg.search.explaining import Likeness
from scatseg.search.matching import MOST_IN_COMMON, one_per_passage

_LITTLE_HAPPENS, _ENOUGH_HAPPENS = 1.0, 4.0
"""Seconds up to which the course of a query does not count, for all that decays has the same; and
from which on it counts as much as timbre."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage that sounds like the query.

    Parameters
    ----------
    track : str
        Id of the recording.
    path : str
        Where it was when it was indexed.
    start, end : float
        Seconds.
    similarity : float
        0 to 1: one less the geometric mean of what `timbre` and `course` are short of 1, negative
        ones counted as 0. So what happens at the very same moments is found through a filter that
        changed all timbre. In queries of less than 4 s `course` counts less, and of less than 1 s,
        in which little more than a decay happens, not at all.
    timbre : float
        Cosine of what is usual in both, -1 to 1: colors and modulations, their means and
        deviations.
    course : float or None
        Correlation of both over time, -1 to 1: whether the same happens at the same moments. None
        of whole recordings.
    semitones : int
        How far the hit lies above the query.
    tempo : float
        How many times faster than the query it is.
    likeness : Likeness or None
        What makes them alike, and apart.
    """

    track: str
    path: str
    start: float
    end: float
    similarity: float
    timbre: float
    course: float | None
    semitones: int = 0
    tempo: float = 1.0
    likeness: Likeness | None = field(default=None, repr=False)


def weighed(hit: Hit, timbre: float, seconds: float) -> Hit:
    """Weigh timbre and course of a hit of a query of so many seconds."""
    share = (seconds - _LITTLE_HAPPENS) / (_ENOUGH_HAPPENS - _LITTLE_HAPPENS)
    weight = 0.0 if hit.course is None else min(max(share, 0.0), 1.0)
    unlike = [1.0 - min(max(each, 0.0), 1.0) for each in (timbre, hit.course or 0.0)]
    similarity = 1.0 - (unlike[0] * unlike[1] ** weight) ** (1 / (1 + weight))
    return dataclasses.replace(hit, similarity=similarity, timbre=timbre)


def order(hit: Hit) -> tuple[float, str, float, int]:
    """Sort hits by this: the most similar first, equal ones always in the same order."""
    return -hit.similarity, hit.track, hit.start, abs(hit.semitones)


def overlaps(hit: Hit, passage: tuple[str, float, float]) -> bool:
    """Tell whether a hit and a passage (track, start, end) are the same by more than half."""
    track, start, end = passage
    common = min(hit.end, end) - max(hit.start, start)
    return hit.track == track and common > MOST_IN_COMMON * min(hit.end - hit.start, end - start)


def best_hits(hits: Sequence[Hit], top: int) -> list[Hit]:
    """Choose the most similar, one of those that overlap by more than half."""
    ordered = sorted(hits, key=order)
    kept = one_per_passage(
        [hit.track for hit in ordered],
        np.array([hit.start for hit in ordered]),
        np.array([hit.end for hit in ordered]),
    )
    return [ordered[i] for i in kept[:top]]
