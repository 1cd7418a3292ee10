"""Hits -> exact comparison with the query, frame by frame."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scatseg.search.descriptions import Describer, Description
from scatseg.search.explaining import explain_likeness
from scatseg.search.hits import Hit, order, weighed
from scatseg.search.passages import excerpt_statistics, relative
from scatseg.search.projection import Projection
from scatseg.search.queries import Query, rate_ratio
from scatseg.search.sliding import Course, Pattern, overlapping, slide

_FINE_PHASES = 16
"""Number of sub-frame offsets tried at a hit: 6 ms apart."""


def compared(
    query: Query,
    hits: Sequence[Hit],
    describer: Describer,
    projection: Projection,
    read: Callable[[str], Description | None],
) -> list[tuple[Hit, NDArray[np.float64]]]:
    """Compare a query with the exact extents of hits instead of their windows.

    Parameters
    ----------
    query : Query
        The query.
    hits : sequence of Hit
        Candidates.
    describer, projection : Describer, Projection
        Those of the index.
    read : callable
        Returns the description of a recording by its id, or None if it was removed.

    Returns
    -------
    compared : list of (Hit, ndarray)
        Most similar first, each with the statistics of query and hit, shape (2, 2 * n_columns),
        relative to their level.
    """
    columns = describer.columns()

    @functools.cache
    def asked(semitones: int, ratio: float) -> NDArray[np.float64]:
        return query.shifted(columns, semitones, ratio).statistics()

    @functools.cache
    def pattern(semitones: int, tempo: float) -> Pattern:
        shifted = query.shifted(columns, semitones)
        return Pattern(shifted.phases(describer, tempo, n_phases=_FINE_PHASES))

    found, rows = [], []
    read = functools.cache(read)
    for hit in hits:
        description = read(hit.track)
        if description is None:
            continue
        if hit.course is not None:
            hit = _refined(query, hit, pattern(hit.semitones, hit.tempo), description)
        before, after = (margin / hit.tempo for margin in query.margins)
        found.append(hit)
        rows.append(asked(hit.semitones, rate_ratio(hit.tempo)))
        rows.append(excerpt_statistics(description, hit.start + before, hit.end - after))
    if not found:
        return []
    X = relative(np.stack(rows), columns)
    vectors = projection(X)
    timbres = (vectors[::2] * vectors[1::2]).sum(axis=1)
    pairs = [
        (weighed(hit, float(timbre), query.duration), X[2 * i : 2 * i + 2])
        for i, (hit, timbre) in enumerate(zip(found, timbres, strict=True))
    ]
    return sorted(pairs, key=lambda pair: order(pair[0]))


def explained(
    query: Query,
    pairs: Sequence[tuple[Hit, NDArray[np.float64]]],
    describer: Describer,
    projection: Projection,
) -> list[Hit]:
    """Add explanations to hits, given the result of `compared`."""
    columns = describer.columns()
    found = []
    for hit, X in pairs:
        seconds = (query.unpadded / hit.tempo, hit.end - hit.start)
        likeness = explain_likeness(X[0], X[1], projection, columns, seconds=seconds)
        found.append(dataclasses.replace(hit, likeness=likeness))
    return found


def _refined(query: Query, hit: Hit, pattern: Pattern, description: Description) -> Hit:
    """Refine the alignment of a hit within a frame."""
    before = query.trimmed[0] / hit.tempo
    place = int((hit.start + before) / query.hop)
    first = max(0, place - 1)
    frames = description.frames[first : place + len(pattern) + 3].astype(np.float32)
    if len(frames) < len(pattern):
        return hit  # it extends beyond its recording
    (course,) = slide(frames, pattern)
    starts = (course.starts + first) * query.hop - before
    duration = query.duration / hit.tempo
    course = overlapping(Course(course.similarities, starts), duration, description.duration)
    best = int(course.similarities.argmax())
    if hit.course is not None and course.similarities[best] <= hit.course:
        return hit
    start = float(course.starts[best])
    return dataclasses.replace(
        hit,
        start=max(0.0, start),
        end=min(start + duration, description.duration),
        course=float(course.similarities[best]),
    )
