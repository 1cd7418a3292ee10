"""Chirps, harmonic tones and ripples: the synthesizers of GEAR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scatseg.scattering.arguments import check_integer, check_positive
from scatseg.scattering.arrays import Tensor
from scatseg.synth.parameters import Parameter
from scatseg.synth.signals import (
    LEVEL,
    Gain,
    check,
    constant,
    delayed,
    faded,
    finished,
    n_samples,
    scaled,
    unpacked,
)


@dataclass(frozen=True, kw_only=True)
class AMChirp:
    """A chirp of exponential frequency whose amplitude is modulated by a sine.

    x(t) = g w(t) sin(2 pi f_m t) sin(2 pi f_c (2^(gamma t) - 1) / (gamma ln 2)), t = 0 in the
    middle, w a Gaussian of standard deviation 0.1 bandwidth / |gamma| seconds. The frequency is f_c
    2^(gamma t): it rises by `bandwidth` octaves over ten standard deviations, and falls if gamma is
    negative. At gamma = 0, it is a steady tone. Chirps that reach the Nyquist frequency are faded
    out over the quarter of an octave below.

    Parameters
    ----------
    sr : int, default 8192
        Sampling rate in Hz.
    duration : float, default 4.0
        Seconds.
    bandwidth : float, default 2.0
        Octaves.
    gain : {"gamma", "energy", "unit"}
        g: |gamma|, as in the reference; constant energy, which is sqrt(|gamma|) as long as sounds
        fit their duration and f_m is not slow; or 1.
    shift : int, default 0
        Delay in samples.
    parameters : tuple of Parameter
        f_c in Hz, f_m in Hz, gamma in octaves/s; the ranges may be changed.

    References
    ----------
    J. Muradeli et al., "Differentiable time-frequency scattering on GPU", DAFx 2022;
    V. Lostanlen et al., "From HEAR to GEAR: generative evaluation of audio representations",
    PMLR 166, 2022.

    Examples
    --------
    >>> AMChirp()(np.array([[512.0, 8.0, 1.0], [512.0, 8.0, -1.0]])).shape
    (2, 32768)
    """

    sr: int = 8192
    duration: float = 4.0
    bandwidth: float = 2.0
    gain: Literal["gamma", "energy", "unit"] = "gamma"
    shift: int = 0
    parameters: tuple[Parameter, ...] = (
        Parameter("f_c", "Hz", 512.0, 1024.0),
        Parameter("f_m", "Hz", 4.0, 32.0),
        Parameter("gamma", "octaves/s", 0.5, 4.0, either_sign=True),
    )

    def __post_init__(self) -> None:
        check(self, ("f_c", "f_m", "gamma"), ("gamma", "energy", "unit"))
        check_positive("bandwidth", self.bandwidth)

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) from parameters (..., 3)."""
        xp, (f_c, f_m, gamma), t = unpacked(self, theta, start=-self.duration / 2)
        # Clipped where the envelope is negligible, so that 2 ** octaves is finite.
        octaves = xp.clip(gamma * t, None, 40.0)
        sigma = 0.1 * self.bandwidth
        envelope = xp.exp(-((octaves / sigma) ** 2) / 2) * xp.sin(2 * np.pi * f_m * t)
        top = f_c * xp.exp2(octaves) + xp.abs(f_m)
        envelope = envelope * faded(xp, xp.log2(self.sr / 2 / top) / _FADE)
        x = envelope * xp.sin(2 * np.pi * f_c * t * _relative_growth(xp, math.log(2) * octaves))
        if self.gain == "gamma":
            x = xp.abs(gamma) * x
        elif self.gain == "energy":
            x = scaled(xp, x, self.sr * sigma * math.sqrt(math.pi) / 4)
        return delayed(x, self.shift)


@dataclass(frozen=True, kw_only=True)
class AdditiveTone:
    """A harmonic tone with variable brightness and balance of odd and even partials.

    x(t) = hann(t) sum_n (1 + (-1)^n r) n^(-alpha) cos(2 pi n f_1 t), n from 1 to
    round(sr / (2 f_1)) - 1, so that all partials are below the Nyquist frequency. r = -1 keeps only
    the odd partials, r = 1 the even ones.

    Parameters
    ----------
    sr : int, default 8192
        Sampling rate in Hz.
    duration : float, default 1.0
        Seconds.
    gain : {"unit", "energy"}
        "energy" scales every tone to the same energy, a root mean square of 0.1.
    shift : int, default 0
        Delay in samples.
    parameters : tuple of Parameter
        f_1 in Hz, alpha, r; the ranges may be changed. Tones below the range of f_1 have as many
        partials as the lowest in it.

    References
    ----------
    V. Lostanlen et al., "From HEAR to GEAR: generative evaluation of audio representations",
    PMLR 166, 2022.
    """

    sr: int = 8192
    duration: float = 1.0
    gain: Gain = "unit"
    shift: int = 0
    parameters: tuple[Parameter, ...] = (
        Parameter("f_1", "Hz", 256.0, 1024.0),
        Parameter("alpha", "", 0.25, 2.0),
        Parameter("r", "", -0.9, 0.9, "linear"),
    )

    def __post_init__(self) -> None:
        check(self, ("f_1", "alpha", "r"))

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) from parameters (..., 3)."""
        xp, (f_1, alpha, r), t = unpacked(self, theta)
        highest = xp.round(self.sr / (2 * f_1)) - 1
        x = xp.zeros_like(f_1 * t)
        for n in range(1, max(1, round(self.sr / (2 * self.parameters[0].low)) - 1) + 1):
            amplitude = (1 + (-1) ** n * r) * float(n) ** -alpha
            x = x + xp.where(n <= highest, amplitude, 0.0) * xp.cos(2 * np.pi * n * f_1 * t)
        hann = 0.5 - 0.5 * xp.cos(2 * np.pi * t / self.duration)
        return finished(xp, hann * x, self)


@dataclass(frozen=True, kw_only=True)
class Ripple:
    """Dynamic ripples: tones with amplitude modulation that travels along log-frequency.

    The tone u octaves above the lowest has the amplitude 1 + depth cos(2 pi (rate t - density u))
    for rising waves, at rate / density octaves per second; a plus sign for falling ones. Directions
    between -1 and 1 mix the two; 0 is a standing wave.

    Parameters
    ----------
    sr : int, default 8192
        Sampling rate in Hz.
    duration : float, default 2.0
        Seconds.
    lowest : float, default 128.0
        Frequency of the lowest tone in Hz. Tones extend up to the Nyquist frequency minus the
        fastest rate of the range.
    tones_per_octave : int, default 20
        At least twice the largest density.
    depth : float, default 0.9
        In [0, 1].
    seed : int, default 0
        Seed of the phases.
    gain : {"unit", "energy"}
        "energy" scales every sound to the same energy, a root mean square of 0.1.
    shift : int, default 0
        Delay in samples.
    parameters : tuple of Parameter
        rate in Hz, density in cycles/octave, direction in [-1, 1]; the ranges may be changed.

    References
    ----------
    N. Kowalski, D. Depireux and S. Shamma, "Analysis of dynamic spectra in ferret primary auditory
    cortex", Journal of Neurophysiology 76(5), 1996.
    """

    sr: int = 8192
    duration: float = 2.0
    lowest: float = 128.0
    tones_per_octave: int = 20
    depth: float = 0.9
    seed: int = 0
    gain: Gain = "unit"
    shift: int = 0
    parameters: tuple[Parameter, ...] = (
        Parameter("rate", "Hz", 2.0, 16.0),
        Parameter("density", "cycles/octave", 0.25, 2.0),
        Parameter("direction", "", -1.0, 1.0, "linear"),
    )

    def __post_init__(self) -> None:
        check(self, ("rate", "density", "direction"))
        check_positive("lowest", self.lowest)
        if self.lowest >= self.sr / 4:
            msg = f"lowest must be below {self.sr / 4:g} Hz, a quarter of sr, got {self.lowest}"
            raise ValueError(msg)
        check_integer("tones_per_octave", self.tones_per_octave, 1)
        check_integer("seed", self.seed, 0)
        if not 0 <= self.depth <= 1:
            msg = f"depth must be in [0, 1], got {self.depth}"
            raise ValueError(msg)
        if self.tones_per_octave < 2 * self.parameters[1].high:
            msg = (
                f"{self.parameters[1].high:g} cycles/octave need at least twice as many tones per "
                f"octave, got {self.tones_per_octave}"
            )
            raise ValueError(msg)

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) from parameters (..., 3)."""
        xp, (rate, density, direction), t = unpacked(self, theta)
        most = np.log2((self.sr / 2 - self.parameters[0].high) / self.lowest)
        octaves = np.arange(math.floor(most * self.tones_per_octave) + 1) / self.tones_per_octave
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, len(octaves))
        seconds = np.arange(n_samples(self)) / self.sr
        cycles = self.lowest * 2 ** octaves[:, None] * seconds
        tones = constant(np.sin(2 * np.pi * cycles + phases[:, None]), t)
        place = 2 * np.pi * density * constant(octaves, t)
        # cos(a - b) and cos(a + b) share products: two sums of tones give both directions.
        even = xp.cos(place) @ tones
        odd = (direction * xp.sin(place)) @ tones
        time = 2 * np.pi * rate * t
        steady = tones.sum(0)
        x = steady + self.depth * (xp.cos(time) * even + xp.sin(time) * odd)
        return finished(xp, LEVEL * math.sqrt(2 / len(octaves)) * x, self)


_FADE = 0.25
"""Octaves below the Nyquist frequency over which a chirp fades out."""


def _relative_growth(xp: Any, u: Tensor) -> Tensor:
    """Compute (exp(u) - 1) / u, and its limit at 0, with finite derivatives."""
    small = xp.abs(u) < 1e-2
    v = xp.where(small, 1.0, u)
    series = 1 + u / 2 * (1 + u / 3 * (1 + u / 4 * (1 + u / 5)))
    return xp.where(small, series, xp.expm1(v) / v)
