"""Baselines that use the reference, but not the music."""

from __future__ import annotations

import numpy as np

from scatseg.segmentation import Hierarchy, Segmentation, letter_labels

NO_BOUNDARY = "baseline:none"
"""One segment, see `no_boundary`."""

EVENLY_SPACED = "baseline:even"
"""Segments of equal length, see `evenly_spaced`."""

RANDOM = "baseline:random"
"""Random boundaries, see `random_boundaries`."""

BASELINES = (NO_BOUNDARY, EVENLY_SPACED, RANDOM)
"""Names of the baselines."""


def no_boundary(reference: Segmentation) -> Segmentation:
    """Return a single segment from 0 to the reference's end.

    Examples
    --------
    >>> no_boundary(Segmentation([0, 10, 25], ["A", "B"]))
    Segmentation(boundaries=(0.0, 25.0), labels=('A',))
    """
    return Segmentation([0.0, reference.end], ["A"])


def evenly_spaced(reference: Segmentation) -> Segmentation:
    """Return equal segments from 0 to the reference's end, about as long as its mean segment.

    Labels are all different.

    Examples
    --------
    >>> evenly_spaced(Segmentation([0, 10, 40], ["A", "B"]))
    Segmentation(boundaries=(0.0, 20.0, 40.0), labels=('A', 'B'))
    """
    mean_length = (reference.end - reference.start) / len(reference)
    n_segments = max(1, round(reference.end / mean_length))
    times = np.linspace(0.0, reference.end, n_segments + 1)
    return Segmentation(times, letter_labels(range(n_segments)))


def random_boundaries(reference: Segmentation, rng: np.random.Generator) -> Segmentation:
    """Return as many segments as the reference, with uniformly random boundaries from 0 to its end.

    Labels are all different.

    Parameters
    ----------
    reference : Segmentation
        Determines duration and number of segments.
    rng : numpy.random.Generator
        Source of the boundaries.

    Examples
    --------
    >>> reference = Segmentation([0, 10, 40], ["A", "B"])
    >>> len(random_boundaries(reference, np.random.default_rng(0)))
    2
    """
    inner = reference.end * (1 - rng.random(len(reference) - 1))  # 0 is never drawn
    times = np.unique([0.0, *inner, reference.end])
    return Segmentation(times, letter_labels(range(len(times) - 1)))


def baseline(name: str, reference: Segmentation, seed: str) -> Segmentation:
    """Return the segmentation of one of `BASELINES`.

    Parameters
    ----------
    name : str
        Name of the baseline.
    reference : Segmentation
        The reference.
    seed : str
        Seed of the random baseline.

    Raises
    ------
    ValueError
        When there is no such baseline.

    Examples
    --------
    >>> baseline(NO_BOUNDARY, Segmentation([0, 10, 25], ["A", "B"]), "song")
    Segmentation(boundaries=(0.0, 25.0), labels=('A',))
    """
    if name == NO_BOUNDARY:
        return no_boundary(reference)
    if name == EVENLY_SPACED:
        return evenly_spaced(reference)
    if name != RANDOM:
        msg = f"a baseline is {NO_BOUNDARY}, {EVENLY_SPACED} or {RANDOM}, got {name!r}"
        raise ValueError(msg)
    return random_boundaries(reference, np.random.default_rng(list(seed.encode())))


def hierarchical_baseline(name: str, reference: Hierarchy, seed: str) -> Hierarchy:
    """Compute a baseline for each level of the reference, see `baseline`."""
    levels = zip(reference.names, reference.levels, strict=True)
    return Hierarchy([baseline(name, level, f"{seed}\n{which}") for which, level in levels])
