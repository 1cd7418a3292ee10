"""Five synthesized playing techniques with known rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PITCH = 440.0
_PARTIALS = 8


class Technique(NamedTuple):
    """Modulation of a tone by a playing technique.

    Parameters
    ----------
    rate : float
        Modulation rate in Hz.
    frequency : callable
        Modulation phase in cycles -> semitones above the pitch.
    amplitude : callable
        Modulation phase in cycles -> gain in [0, 1].
    """

    rate: float
    frequency: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    amplitude: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _still(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.zeros_like(phase)


def _loud(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones_like(phase)


def _square(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed square wave between 0 and 1."""
    wave: NDArray[np.float64] = np.tanh(8 * np.sin(2 * np.pi * phase))
    return 0.5 + 0.5 * wave


TECHNIQUES = {
    "vibrato": Technique(6.0, lambda phase: 0.5 * np.sin(2 * np.pi * phase), _loud),
    "trill": Technique(5.5, lambda phase: 2 * _square(phase), _loud),
    "tremolo": Technique(10.0, _still, lambda phase: 0.1 + 0.9 * _square(phase)),
    "flatterzunge": Technique(25.0, _still, lambda phase: 0.7 + 0.3 * np.sin(2 * np.pi * phase)),
    "bisbigliando": Technique(7.5, _still, lambda phase: np.exp(-3 * (phase % 1))),
}
"""Vibrato, trill (two semitones), tremolo, flutter-tongue, and the harp's repeated plucks."""


def technique(name: str, *, sr: int = 22050, duration: float = 3.0) -> NDArray[np.float32]:
    """Synthesize a technique on a tone of eight partials at 440 Hz.

    Parameters
    ----------
    name : str
        One of `TECHNIQUES`.
    sr : int, default 22050
        Sampling rate in Hz.
    duration : float, default 3.0
        Seconds.

    Returns
    -------
    y : ndarray of float32, shape (n_samples,)
        In [-1, 1].

    Raises
    ------
    ValueError
        When the name is unknown.
    """
    if name not in TECHNIQUES:
        msg = f"unknown technique {name!r}: choose from {', '.join(TECHNIQUES)}"
        raise ValueError(msg)
    how = TECHNIQUES[name]
    t = np.arange(round(duration * sr)) / sr
    phase = how.rate * t
    cycles = np.cumsum(_PITCH * 2 ** (how.frequency(phase) / 12)) / sr
    partials = [np.sin(2 * np.pi * k * cycles) / k for k in range(1, _PARTIALS + 1)]
    y = how.amplitude(phase) * np.sum(partials, axis=0)
    scaled: NDArray[np.float32] = (0.5 * y / np.abs(y).max()).astype(np.float32)
    return scaled
