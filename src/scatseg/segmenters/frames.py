"""Features on any grid -> uniform frames, limited in number; durations -> frames."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from scatseg.counts import told_apart
from scatseg.features import Features, uniform_edges

MAX_FRAMES = 4096
"""Maximum number of frames of a self-similarity matrix; longer recordings get longer frames."""


def on_uniform_frames(
    features: Features, frame: float, *, max_frames: int | None = None
) -> Features:
    """Average frames shorter than `frame` seconds; keep longer ones (beats, bars).

    The result has at most `max_frames` frames, and never more than `MAX_FRAMES`.
    """
    most = MAX_FRAMES if max_frames is None else min(max_frames, MAX_FRAMES)
    frame = max(frame, features.duration / most)
    if len(features) <= most and _are_kept(features, frame):
        return features
    return features.pooled(uniform_edges(features.duration, frame))


def frame_length(features: Features, frame: float) -> float:
    """Return the median frame length after `on_uniform_frames`, if the number was not limited."""
    return _median_length(features) if _are_kept(features, frame) else frame


def _are_kept(features: Features, frame: float) -> bool:
    return _median_length(features) >= 0.75 * frame


def _median_length(features: Features) -> float:
    return float(np.median(np.diff(features.edges)))


def odd_frames(features: Features, seconds: float) -> int:
    """Convert seconds to an odd number of frames."""
    return features.seconds_to_frames(seconds) // 2 * 2 + 1


def check_seconds(frame: float, **others: float) -> None:
    """Raise a ValueError unless all are finite numbers, `frame` positive, others not negative."""
    for name, value in {"frame": frame, **others}.items():
        if not isinstance(value, Real):
            msg = f"{name} must be a number of seconds, got {value!r}"
            raise ValueError(msg)
    if not (math.isfinite(frame) and frame > 0):
        msg = f"frame must be a positive, finite number of seconds, got {frame:g}"
        raise ValueError(msg)
    for name, value in others.items():
        if not (math.isfinite(value) and value >= 0):
            msg = f"{name} must be a finite number, not negative, got {value:g}"
            raise ValueError(msg)


def warnings_of_length(length: float, needed: float, unit: str) -> tuple[str, ...]:
    """Return a warning if `length` is less than `needed`, else none.

    Examples
    --------
    >>> warnings_of_length(3, 5, "bars")
    ('too short to find sections: 3 of at least 5 bars',)
    """
    if length >= needed:
        return ()
    there, least = told_apart(length, needed)
    return (f"too short to find sections: {there} of at least {least} {unit}",)
