"""References -> the answers of systems that know them and not the music: what a score is worth."""

from __future__ import annotations

import numpy as np

from scatseg.segmentation import Hierarchy, Segmentation, letter_labels

NO_BOUNDARY = "baseline:none"
"""The system that hears one section, see `no_boundary`."""

EVENLY_SPACED = "baseline:even"
"""The system that cuts at equal distances, see `evenly_spaced`."""

RANDOM = "baseline:random"
"""The system that cuts anywhere, see `random_boundaries`."""

BASELINES = (NO_BOUNDARY, EVENLY_SPACED, RANDOM)
"""Systems that know the reference and not the music."""


def no_boundary(reference: Segmentation) -> Segmentation:
    """Guess that nothing ever changes: what a score is worth that costs nothing.

    Examples
    --------
    >>> no_boundary(Segmentation([0, 10, 25], ["A", "B"]))
    Segmentation(boundaries=(0.0, 25.0), labels=('A',))
    """
    return Segmentation([0.0, reference.end], ["A"])


def evenly_spaced(reference: Segmentation) -> Segmentation:
    """Cut from 0 to the reference's end into equal parts, as long as its mean segment.

    Every part has a label of its own.

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
    """Cut from 0 to the reference's end into as many parts as it has, anywhere.

    Every part has a label of its own.

    Parameters
    ----------
    reference : Segmentation
        Says how long and how many.
    rng : numpy.random.Generator
        Where the boundaries are drawn from, uniformly.

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
    """Answer as one of `BASELINES`.

    Parameters
    ----------
    name : str
        Which.
    reference : Segmentation
        What it may know.
    seed : str
        Of the random one.

    Examples
    --------
    >>> baseline(NO_BOUNDARY, Segmentation([0, 10, 25], ["A", "B"]), "song")
    Segmentation(boundaries=(0.0, 25.0), labels=('A',))
    """
    if name == NO_BOUNDARY:
        return no_boundary(reference)
    if name == EVENLY_SPACED:
        return evenly_spaced(reference)
    return random_boundaries(reference, np.random.default_rng(list(seed.encode())))


def hierarchical_baseline(name: str, reference: Hierarchy, seed: str) -> Hierarchy:
    """Guess every level of the reference by itself, see `baseline`."""
    levels = zip(reference.names, reference.levels, strict=True)
    return Hierarchy([baseline(name, level, f"{seed}\n{which}") for which, level in levels])
