"""Five playing techniques on a tone of a few partials."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from scatseg.scattering.arguments import check_integer
from scatseg.scattering.arrays import Tensor
from scatseg.synth.parameters import Parameter
from scatseg.synth.signals import Gain, check, faded, finished, unpacked


class _Motion(NamedTuple):
    """The modulation of a tone: phase of the lowest partial in cycles, highest pitch, amplitude."""

    cycles: Tensor
    top: Tensor
    amplitude: Tensor | float


@dataclass(frozen=True, kw_only=True)
class _Technique(ABC):
    """Base of the playing techniques: a tone of a few partials, with options."""

    sr: int = 8192
    duration: float = 4.0
    n_partials: int = 8
    gain: Gain = "unit"
    shift: int = 0
    parameters: tuple[Parameter, ...] = ()

    _names: ClassVar[tuple[str, ...]] = ("rate", "depth", "pitch")

    def __post_init__(self) -> None:
        check(self, self._names)
        check_integer("n_partials", self.n_partials, 1)

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) from parameters (..., 3)."""
        xp, (rate, depth, pitch), t = unpacked(self, theta)
        motion = self._motion(xp, rate, depth, pitch, t)
        x = xp.zeros_like(motion.cycles)
        for k in range(1, self.n_partials + 1):
            audible = k * motion.top + rate < self.sr / 2
            x = x + audible * (1.0 / k * xp.sin(2 * np.pi * k * motion.cycles))
        ends = xp.where(t < self.duration / 2, t, self.duration - t) / _ATTACK
        loudest = sum(1.0 / k for k in range(1, self.n_partials + 1))
        return finished(xp, motion.amplitude * faded(xp, ends) * x / loudest, self)

    @abstractmethod
    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        """Compute the modulation."""


@dataclass(frozen=True, kw_only=True)
class Vibrato(_Technique):
    """A tone with vibrato: rate in Hz, depth in semitones above the pitch, pitch in Hz.

    Sinusoidal frequency modulation, symmetric around the pitch in Hz.

    Parameters
    ----------
    sr : int, default 8192
        Sampling rate in Hz.
    duration : float, default 4.0
        Seconds.
    n_partials : int, default 8
        Partials, of amplitudes 1 / k; those that reach the Nyquist frequency are left out.
    gain : {"unit", "energy"}
        Peaks of at most 1, or every sound scaled to a root mean square of 0.1.
    shift : int, default 0
        Delay in samples.
    parameters : tuple of Parameter
        rate, depth, pitch; the ranges may be changed.
    """

    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 4.0, 10.0),
        Parameter("depth", "semitones", 0.125, 1.0),
        Parameter("pitch", "Hz", 220.0, 440.0),
    )

    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        ratio = xp.exp2(depth / 12)
        swing = (1 - xp.cos(2 * np.pi * rate * t)) / (2 * np.pi * rate)
        return _Motion(pitch * (t + (ratio - 1) * swing), ratio * pitch, 1.0)


@dataclass(frozen=True, kw_only=True)
class Trill(_Technique):
    """A tone that alternates with a higher one: rate in Hz, depth in semitones, pitch in Hz.

    Both have equal durations, with smooth transitions. Options as for `Vibrato`.
    """

    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 3.0, 9.0),
        Parameter("depth", "semitones", 1.0, 4.0),
        Parameter("pitch", "Hz", 220.0, 440.0),
    )

    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        ratio = xp.exp2(depth / 12)
        # The integral of `_square`, from 0.
        swing = math.asin(_CORNER) - xp.arcsin(_CORNER * xp.cos(2 * np.pi * rate * t))
        swing = swing / (2 * np.pi * _CORNER * rate)
        return _Motion(pitch * (t + (ratio - 1) * (t + swing) / 2), ratio * pitch, 1.0)


@dataclass(frozen=True, kw_only=True)
class Tremolo(_Technique):
    """A tone with bowed tremolo: rate in Hz, depth in [0, 1], pitch in Hz.

    The amplitude alternates between 1 and 1 - depth. Options as for `Vibrato`.
    """

    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 4.0, 16.0),
        Parameter("depth", "", 0.1, 0.9, "linear"),
        Parameter("pitch", "Hz", 220.0, 440.0),
    )

    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        amplitude = 1 - depth * (1 - _square(xp, 2 * np.pi * rate * t)) / 2
        return _Motion(pitch * t, pitch, amplitude)


@dataclass(frozen=True, kw_only=True)
class Flatterzunge(_Technique):
    """A flutter-tongued tone: rate in Hz, depth in [0, 1], pitch in Hz.

    The amplitude is a sine between 1 and 1 - depth. Options as for `Vibrato`.
    """

    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 16.0, 32.0),
        Parameter("depth", "", 0.1, 0.9, "linear"),
        Parameter("pitch", "Hz", 220.0, 440.0),
    )

    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        amplitude = 1 - depth * (1 - xp.sin(2 * np.pi * rate * t)) / 2
        return _Motion(pitch * t, pitch, amplitude)


@dataclass(frozen=True, kw_only=True)
class Bisbigliando(_Technique):
    """A repeatedly plucked harp tone: rate in Hz, depth in [0, 1], pitch in Hz.

    Each pluck decays exponentially to 1 - depth until the next. Options as for `Vibrato`.
    """

    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 4.0, 12.0),
        Parameter("depth", "", 0.1, 0.9, "linear"),
        Parameter("pitch", "Hz", 220.0, 440.0),
    )

    def _motion(self, xp: Any, rate: Tensor, depth: Tensor, pitch: Tensor, t: Tensor) -> _Motion:
        place = rate * t - xp.floor(rate * t)
        # A quick rise from 0 and a slow decay back to 0, so that plucks are continuous.
        pluck = -xp.expm1(-30 * place) * (xp.exp(-3 * place) - math.exp(-3))
        return _Motion(pitch * t, pitch, 1 - depth + depth * pluck / _PLUCK)


_ATTACK = 0.02
"""Duration of the fades of a tone in seconds."""

_CORNER = 0.99
"""Sharpness of the square wave, below 1."""

_PLUCK = 0.6701
"""Peak of the unnormalized pluck."""


def _square(xp: Any, angle: Tensor) -> Tensor:
    """Compute a smoothed square wave in [-1, 1], whose integral has a closed form."""
    return xp.sin(angle) / xp.sqrt(1 - (_CORNER * xp.cos(angle)) ** 2)
