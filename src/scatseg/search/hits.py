"""Passages similar to a query: their similarity, and selection of the best."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scatseg.search.explaining import Likeness
from scatseg.search.matching import MOST_IN_COMMON, one_per_passage

_LITTLE_HAPPENS, _ENOUGH_HAPPENS = 1.0, 4.0
"""Query lengths in seconds up to which `course` has no weight, as all decays are alike; and from
which on it has the same weight as timbre."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage similar to the query.

    Parameters
    ----------
    track : str
        Id of the recording.
    path : str
        Its path when it was indexed.
    start, end : float
        Seconds.
    similarity : float
        In [0, 1]: 1 minus the geometric mean of 1 - `timbre` and 1 - `course`, where negative
        `timbre` and `course` are taken as 0. Synchronous events are thus found even if a filter
        changed the timbre. `course` has less weight in queries shorter than 4 s, and none below
        1 s.
    timbre : float
        Cosine of time-averaged statistics, in [-1, 1]: means and standard deviations of carriers
        and modulations.
    course : float or None
        Correlation over time, in [-1, 1]: whether the same events happen at the same times. None
        for whole recordings.
    semitones : int
        Transposition of the hit relative to the query, positive upwards.
    tempo : float
        Tempo of the hit as a ratio to that of the query.
    likeness : Likeness or None
        Explanation of the similarity.
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
    """Combine timbre and course of a hit, for a query of `seconds`."""
    share = (seconds - _LITTLE_HAPPENS) / (_ENOUGH_HAPPENS - _LITTLE_HAPPENS)
    weight = 0.0 if hit.course is None else min(max(share, 0.0), 1.0)
    unlike = [1.0 - min(max(each, 0.0), 1.0) for each in (timbre, hit.course or 0.0)]
    similarity = 1.0 - (unlike[0] * unlike[1] ** weight) ** (1 / (1 + weight))
    return dataclasses.replace(hit, similarity=similarity, timbre=timbre)


def order(hit: Hit) -> tuple[float, str, float, int]:
    """Return a sort key of hits: most similar first, ties in deterministic order."""
    return -hit.similarity, hit.track, hit.start, abs(hit.semitones)


def overlaps(hit: Hit, passage: tuple[str, float, float]) -> bool:
    """Return whether a hit and a passage (track, start, end) overlap by more than half."""
    track, start, end = passage
    common = min(hit.end, end) - max(hit.start, start)
    return hit.track == track and common > MOST_IN_COMMON * min(hit.end - hit.start, end - start)


def best_hits(hits: Sequence[Hit], top: int) -> list[Hit]:
    """Select the most similar hits, without overlaps of more than half."""
    ordered = sorted(hits, key=order)
    kept = one_per_passage(
        [hit.track for hit in ordered],
        np.array([hit.start for hit in ordered]),
        np.array([hit.end for hit in ordered]),
    )
    return [ordered[i] for i in itertools.islice(kept, top)]
