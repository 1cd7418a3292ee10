"""An excerpt of a signal -> a query, also transposed or at another tempo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import told_apart
from scatseg.features import Features
from scatseg.search.descriptions import (
    CELL,
    LEAST_SECONDS,
    Columns,
    Describer,
    check_sound,
    features_like,
    rows_at,
)
from scatseg.search.passages import LENGTHS, statistics
from scatseg.search.shifting import shift_matrix

_CONTEXT = 2.0
"""Seconds of context around an excerpt, so that its ends have the same features as in its
recording."""

_EDGE = 4
"""Frames affected by the end of a recording, through the filters of its lowest carriers."""

_MOST_EDGE = 12
"""At most one in this many frames is left out at an end."""

_LEAST_WITH_MARGINS = 4 * CELL
"""Minimum length in seconds of excerpts with margins, as statistics are by cell, and short sounds
consist of their attacks."""

_PHASES = 4
"""Number of sub-frame offsets tried everywhere."""

TEMPO_STEP = 0.02
"""Step of the log tempo ratio: over 8 s, the drift is at most 80 ms."""

RATE_STEP = 0.15
"""Step of the log tempo ratio by which modulation rates are shifted, too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """The features of an excerpt to search for.

    Parameters
    ----------
    features : Features
        Features of the excerpt and its context, in dense frames.
    start, end : float
        The excerpt, in seconds of `features`.
    origin : float
        Start of `features` in seconds of the recording.
    hop : float
        Seconds between frames of the index.
    trimmed : (float, float)
        Seconds at either end that are not used for alignment, as they depend on the end of the
        recording.
    unpadded : float
        Seconds of the excerpt without the silence to which recordings shorter than a second are
        padded.
    """

    features: Features = field(repr=False)
    start: float
    end: float
    origin: float
    hop: float
    trimmed: tuple[float, float]
    unpadded: float

    @property
    def duration(self) -> float:
        """Duration of the excerpt in seconds."""
        return self.end - self.start

    @property
    def margins(self) -> tuple[float, float]:
        """Seconds at either end that are left out of statistics; 0 for short sounds."""
        return self.trimmed if self.duration >= _LEAST_WITH_MARGINS else (0.0, 0.0)

    def shifted(self, columns: Columns, semitones: float, ratio: float = 1.0) -> Query:
        """Transpose up by semitones, and scale modulation rates by a ratio; duration is kept."""
        if not semitones and ratio == 1:
            return self
        matrix = shift_matrix(columns.names, semitones / 12, float(np.log2(ratio)))
        X = self.features.X @ matrix
        return replace(self, features=features_like(self.features, X))

    def statistics(self) -> NDArray[np.float64]:
        """Compute means, then standard deviations, between the margins, shape (2 * n_columns,)."""
        before, after = self.margins
        return statistics(self.features, self.start + before, self.end - after)

    def phases(
        self, describer: Describer, ratio: float = 1.0, *, n_phases: int = _PHASES
    ) -> list[NDArray[np.float32]]:
        """Sample the excerpt at the frames of an index, at a tempo ratio.

        Returns
        -------
        phases : list of ndarray of float32, each of shape (n_frames, n_aligned)
            See `sliding.Pattern`. The first frame is centered `trimmed[0]` after the start.
        """
        step = self.hop * ratio
        start, end = self.start + self.trimmed[0], self.end - self.trimmed[1]
        n_frames = max(2, int((end - start) / step))
        rows = []
        for p in range(n_phases):
            times = start + step * (np.arange(n_frames, dtype=np.float64) + p / n_phases)
            rows.append(rows_at(self.features, times))
        aligned = describer.to_align(np.concatenate(rows))
        return list(aligned.reshape(n_phases, n_frames, -1))


def make_query(
    y: NDArray[np.floating],
    describer: Describer,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Query:
    """Compute the query of an excerpt of a signal.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        A recording, at the describer's sampling rate.
    describer : Describer
        Feature settings of the index.
    start, end : float, optional
        Excerpt in seconds; by default, the whole signal.

    Raises
    ------
    ValueError
        When the excerpt is empty, beyond the end, too short, or silent.
    """
    duration = len(y) / describer.sr
    first, last = check_excerpt(duration, start, end)
    samples = [round(time * describer.sr) for time in (first, last)]
    check_sound(np.asarray(y)[samples[0] : samples[1]], describer.sr)
    origin = max(0.0, first - _CONTEXT)
    around = [round(time * describer.sr) for time in (origin, min(duration, last + _CONTEXT))]
    features = describer.extract(np.asarray(y)[around[0] : around[1]], fine=True)
    hop = describer.hop
    edge = hop * min(_EDGE, int((last - first) / hop / _MOST_EDGE))
    at_edges = (first - origin < edge, duration - last < edge)
    padded = max(last, LEAST_SECONDS) if last == duration else last
    return Query(
        features=features,
        start=first - origin,
        end=padded - origin,
        origin=origin,
        hop=hop,
        trimmed=(edge if at_edges[0] else 0.0, edge if at_edges[1] else 0.0),
        unpadded=last - first,
    )


def check_excerpt(duration: float, start: float | None, end: float | None) -> tuple[float, float]:
    """Return start and end of an excerpt.

    Raises
    ------
    ValueError
        When it is not within the duration, or a time is not a number.

    Examples
    --------
    >>> check_excerpt(60.0, 12.0, None)
    (12.0, 60.0)
    """
    for name, time in (("start", start), ("end", end)):
        if time is not None and not isinstance(time, Real):
            msg = f"{name} must be a number of seconds, got {time!r}"
            raise ValueError(msg)
    first = 0.0 if start is None else start
    last = duration if end is None else end
    if not 0 <= first < last:
        msg = f"an excerpt must begin before it ends, got {first:g} s to {last:g} s"
        if end is None and start is not None and first >= 0:
            ends, starts = told_apart(duration, first, digits=5)
            msg = f"the recording ends at {ends} s, before the start at {starts} s"
        raise ValueError(msg)
    if last > duration + 0.01:
        ends, asked = told_apart(duration, last, digits=5)
        msg = f"the recording ends at {ends} s, before the end at {asked} s"
        raise ValueError(msg)
    return first, min(last, duration)


def check_passage(passage: tuple[str, float, float]) -> None:
    """Raise a ValueError for a passage that is not (id, start, end), with times in seconds.

    It may begin and end beyond its recording, as one with a margin.
    """
    numbers = passage[1:]
    is_passage = len(passage) == 3 and all(isinstance(each, Real) for each in numbers)
    if not is_passage or not passage[1] < passage[2]:
        msg = f"passage must be (id, start, end), in seconds, start before end, got {passage}"
        raise ValueError(msg)


def asks_for_whole(duration: float, start: float | None, end: float | None) -> bool:
    """Return whether a recording is compared with whole ones: over a minute, and no excerpt.

    Examples
    --------
    >>> asks_for_whole(61.0, None, None), asks_for_whole(61.0, 2.0, None)
    (True, False)
    """
    return start is None and end is None and duration > 2 * max(LENGTHS)


def tempo_ratios(most: float) -> Sequence[float]:
    """Return the tempo ratios to try, 1 first.

    Examples
    --------
    >>> [round(ratio, 3) for ratio in tempo_ratios(0.03)]
    [1.0, 1.02, 0.98, 1.041, 0.961]
    """
    n_steps = int(np.ceil(np.log1p(most) / TEMPO_STEP - 1e-9))
    steps = [0] + [sign * step for step in range(1, n_steps + 1) for sign in (1, -1)]
    return [float(np.exp(step * TEMPO_STEP)) for step in steps]


def rate_step(ratio: float) -> int:
    """Return the number of steps by which modulation rates are shifted at a tempo ratio."""
    return round(float(np.log(ratio)) / RATE_STEP)


def rate_ratio(ratio: float) -> float:
    """Round a tempo ratio to the steps of modulation rates."""
    return float(np.exp(rate_step(ratio) * RATE_STEP))
