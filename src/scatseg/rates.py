"""Validate the sampling rate of a signal or file."""

from __future__ import annotations

import math
from numbers import Real
from typing import cast

MOST = 1_000_000
"""Maximum sampling rate in Hz, so that the options of an index cannot exhaust the memory."""


def check_rate(sr: object) -> None:
    """Check that a sampling rate is a positive whole number of Hz, as an int or a float.

    Raises
    ------
    ValueError
        When it is not.

    Examples
    --------
    >>> check_rate(22050.0)
    >>> check_rate(44.1)
    Traceback (most recent call last):
        ...
    ValueError: sr must be a positive whole number of Hz, got 44.1
    """
    rate = float(sr) if isinstance(sr, Real) else math.nan
    if not (rate > 0 and rate.is_integer()):
        shape = getattr(sr, "shape", ())
        got = f"an array of shape {shape}: the signal comes first" if shape else f"{sr!r:.60}"
        msg = f"sr must be a positive whole number of Hz, got {got}"
        raise ValueError(msg)


def limited_rate(sr: object, *, least: int = 1, most: int = MOST) -> int:
    """Return a sampling rate as an integer; raise a ValueError if it is out of range.

    Examples
    --------
    >>> limited_rate(22050.0)
    22050
    """
    check_rate(sr)
    rate = int(cast(float, sr))
    if not least <= rate <= most:
        msg = f"sr must be a whole number of Hz from {least} to {most}, got {sr!r}"
        raise ValueError(msg)
    return rate
