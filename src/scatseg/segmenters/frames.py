"""Features on any grid -> frames few enough to be compared, and spans counted in them."""

from __future__ import annotations

from numbers import Real

import numpy as np

from scatseg.features import Features, uniform_edges

MAX_FRAMES = 4096
"""Frames that are compared with each other at most: longer recordings get longer frames."""


def on_uniform_frames(features: Features, frame: float) -> Features:
    """Average frames shorter than `frame` seconds; leave longer ones (beats, bars) as they are.

    The result has at most `MAX_FRAMES` frames, however long the recording.
    """
    frame = max(frame, features.duration / MAX_FRAMES)
    if len(features) <= MAX_FRAMES and np.median(np.diff(features.edges)) >= 0.75 * frame:
        return features
    return features.pooled(uniform_edges(features.duration, frame))


def odd_frames(features: Features, seconds: float) -> int:
    """Count the frames of a span that has one in the middle."""
    return features.seconds_to_frames(seconds) // 2 * 2 + 1


def check_seconds(frame: float, **others: float) -> None:
    """Refuse frames of no length and other lengths below 0, with a ValueError."""
    for name, value in {"frame": frame, **others}.items():
        if not isinstance(value, Real):
            msg = f"{name} must be a number of seconds, got {value!r}"
            raise ValueError(msg)
    if not frame > 0:
        msg = f"frame must be a positive number of seconds, got {frame:g}"
        raise ValueError(msg)
    for name, value in others.items():
        if not value >= 0:
            msg = f"{name} cannot be negative, got {value:g}"
            raise ValueError(msg)
