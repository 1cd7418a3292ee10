"""(freq, duration, velocity, sr) -> the samples of one note: strings, keys, bells, winds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, sosfilt

Samples = NDArray[np.float64]
Instrument = Callable[[float, float, float, int], Samples]
"""Plays a note of `freq` Hz, `duration` s plus release, and `velocity` in (0, 1], at `sr` Hz."""

HIGHEST = 0.45  # fraction of the sampling rate above which no partial lies, to avoid aliasing
LOUDNESS_WINDOW = 0.05  # s


def damped_sines(
    freqs: ArrayLike, amplitudes: ArrayLike, decays: ArrayLike, n_samples: int, sr: int
) -> Samples:
    """Sum damped sines, as for struck and plucked sounds.

    A damped sine is a geometric series of one complex number, so it factors into a coarse and
    a fine series, and the sum over partials is a product of two small matrices.

    Parameters
    ----------
    freqs, amplitudes, decays : array_like of float, shape (n_partials,)
        In Hz, linear, and seconds to 1/e; partials above `HIGHEST` are omitted.
    n_samples, sr : int
        Length and sampling rate.
    """
    freqs, amplitudes, decays = np.broadcast_arrays(freqs, amplitudes, decays)
    audible = freqs < HIGHEST * sr
    pole = (2j * np.pi * freqs[audible] - 1 / decays[audible]) / sr
    block = int(np.ceil(np.sqrt(n_samples)))
    coarse = amplitudes[audible] * np.exp(np.outer(np.arange(0, n_samples, block), pole))
    fine = np.exp(np.outer(pole, np.arange(block)))
    left = np.hstack([coarse.real, coarse.imag])
    right = np.vstack([fine.imag, fine.real])
    # At this size einsum is faster than threaded BLAS, and its summation order is fixed.
    y: Samples = np.einsum("ik,kj->ij", left, right).ravel()[:n_samples]
    return y


def leveled(y: Samples, velocity: float, sr: int) -> Samples:
    """Scale a note so that its loudest 50 ms have an RMS of `velocity` to the power 1.5."""
    size = int(LOUDNESS_WINDOW * sr)
    energy = np.cumsum(np.append(np.zeros(size), y**2))
    loudest = np.sqrt(max((energy[size:] - energy[:-size]).max(), 1e-12) / size)
    return y * float(velocity**1.5 / loudest)


def gate(n_samples: int, duration: float, attack: float, release: float, sr: int) -> Samples:
    """Return an envelope that rises in `attack` s, holds to `duration` s, falls in `release` s."""
    envelope = np.ones(n_samples)
    rise = min(round(min(attack, duration) * sr), n_samples)
    envelope[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / max(rise, 1))
    start = min(round(duration * sr), n_samples)
    fall = np.arange(n_samples - start) / (release * sr)
    envelope[start:] *= 0.5 + 0.5 * np.cos(np.pi * np.minimum(fall, 1))
    return envelope


def noise(n_samples: int, low: float, high: float, sr: int, *, seed: int = 0) -> Samples:
    """Return band-limited white noise between two frequencies in Hz, fixed by the seed."""
    white = np.random.default_rng(seed).normal(size=n_samples)
    return np.asarray(sosfilt(_band(low, high, sr), white))


@cache
def _band(low: float, high: float, sr: int) -> Samples:
    """Return second-order sections of a band-pass, limited by the sampling rate."""
    high = min(high, HIGHEST * sr)
    return np.asarray(butter(2, [min(low, high / 2), high], "bandpass", fs=sr, output="sos"))


def plucked(
    freq: float,
    duration: float,
    velocity: float,
    sr: int,
    *,
    position: float,
    tilt: float,
    ring: float,
    damping: float,
    release: float,
    stiffness: float = 0.0,
    octave: float = 0.0,
    knock: float = 0.0,
) -> Samples:
    """Play a plucked or struck string.

    Parameters
    ----------
    freq, duration, velocity, sr
        As in `Instrument`.
    position : float
        Plucking point as a fraction of the length: partials with a node there are missing.
    tilt : float
        Exponent of the decrease of partials; steeper at low velocity.
    ring : float
        Decay time at 220 Hz in seconds to 1/e; shorter for higher notes.
    damping : float
        Increase of the decay rate per partial.
    release : float
        Seconds from release to silence.
    stiffness : float, default 0
        Inharmonicity: partial k sounds at k * freq * sqrt(1 + stiffness * k**2).
    octave : float, default 0
        Level of a second string an octave higher.
    knock : float, default 0
        Level of the attack noise.
    """
    n_samples = int((duration + release) * sr)
    k = np.arange(1, max(2, min(28, int(HIGHEST * sr / freq)) + 1))
    soft = np.exp(-0.35 * (1 - velocity) * (k - 1))
    amplitudes = np.abs(np.sin(np.pi * k * position)) * k**-tilt * soft
    decays = ring * np.sqrt(220 / freq) / (1 + damping * (k - 1))
    freqs = k * freq * np.sqrt(1 + stiffness * k**2)
    y = damped_sines(freqs, amplitudes, decays, n_samples, sr)
    if octave:
        y += octave * damped_sines(2.001 * freqs, amplitudes, 0.7 * decays, n_samples, sr)
    if knock:
        touch = noise(min(n_samples, int(0.04 * sr)), 300, 3000, sr, seed=int(freq))
        touch *= np.exp(-np.arange(touch.size) / (0.006 * sr))
        y[: touch.size] += knock * amplitudes.sum() * touch
    return leveled(y * gate(n_samples, duration, 0.001, release, sr), velocity, sr)


def struck(
    freq: float,
    duration: float,
    velocity: float,
    sr: int,
    *,
    ratios: tuple[float, ...],
    amplitudes: tuple[float, ...],
    decays: tuple[float, ...],
    release: float,
    tremolo: float = 0.0,
) -> Samples:
    """Play a bar, bell or tine.

    Parameters
    ----------
    freq, duration, velocity, sr
        As in `Instrument`.
    ratios, amplitudes, decays : tuple of float
        Its modes: multiples of `freq`, level at full velocity, seconds to 1/e for 440 Hz.
    release : float
        Seconds from the release to silence.
    tremolo : float, default 0
        Depth of a tremolo of 5.2 Hz.
    """
    n_samples = int((duration + release) * sr)
    level = np.array(amplitudes) * velocity ** np.arange(len(amplitudes))
    ring = np.array(decays) * (440 / freq) ** 0.4
    y = damped_sines(np.array(ratios) * freq, level, ring, n_samples, sr)
    y *= gate(n_samples, duration, 0.002, release, sr)
    if tremolo:
        y *= 1 - tremolo * (0.5 - 0.5 * np.cos(2 * np.pi * 5.2 * np.arange(n_samples) / sr))
    return leveled(y, velocity, sr)


def sustained(
    freq: float,
    duration: float,
    velocity: float,
    sr: int,
    *,
    tilt: float,
    attack: float,
    release: float,
    even: float = 1.0,
    bright: tuple[float, float] = (0.95, 0.95),
    detune: tuple[float, ...] = (0.0,),
    vibrato: float = 0.0,
    breath: float = 0.0,
) -> Samples:
    """Play a bowed string, a wind or a synthesizer.

    Parameters
    ----------
    freq, duration, velocity, sr
        As in `Instrument`.
    tilt : float
        Exponent of the decrease of partials.
    attack, release : float
        Seconds.
    even : float, default 1
        Level of the even partials: near 0 for a stopped pipe.
    bright : pair of float, default (0.95, 0.95)
        Factor from one partial to the next, at the onset and in the steady state; lower at low
        velocity.
    detune : tuple of float, default (0,)
        Detuning in cents of each player; the first is the loudest.
    vibrato : float, default 0
        Vibrato depth in cents, reached after a third of a second.
    breath : float, default 0
        Level of wind noise.
    """
    n_samples = int((duration + release) * sr)
    t = np.arange(n_samples) / sr
    k = np.arange(1, max(2, min(20, int(HIGHEST * sr / (freq * 1.02))) + 1))
    amplitudes = np.where(k % 2, 1.0, even) * k.astype(np.float64) ** -tilt
    opening = np.minimum(t / max(attack * 1.5, 0.05), 1)
    radius = (bright[0] + (bright[1] - bright[0]) * opening) * (0.88 + 0.12 * velocity)
    depth = vibrato * np.log(2) / 1200 * np.clip(t / 0.35 - 0.3, 0, 1)
    y = np.zeros(n_samples)
    for player, cents in enumerate(detune):
        cycles = freq * 2 ** (cents / 1200) * t
        if vibrato:
            swing = np.sin((2 * np.pi * (5.1 + 0.37 * player) * t + player).astype(np.float32))
            cycles += freq / sr * np.cumsum(depth * swing)
        # Equally loud voices would cancel when beating: the first is louder.
        y += (0.4 if player else 1.0) * _harmonics(cycles + player / 3, radius, amplitudes)
    if breath:
        wind = noise(n_samples, freq, 6 * freq, sr, seed=int(freq))
        y += breath * len(detune) * wind * (0.4 + np.exp(-t / 0.05))
    return leveled(y * gate(n_samples, duration, attack, release, sr), velocity, sr)


def _harmonics(cycles: Samples, radius: Samples, amplitudes: Samples) -> NDArray[np.float32]:
    """Sum over k of amplitudes[k - 1] * radius**k * sin(2 pi k cycles).

    A polynomial of one complex number, evaluated by Horner's method with a single sine.
    """
    # A phase within one cycle is accurate in single precision.
    angle = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    z = np.empty(angle.size, dtype=np.complex64)
    z.real = np.cos(angle) * radius
    z.imag = np.sin(angle) * radius
    total = np.zeros_like(z)
    for amplitude in amplitudes[::-1].astype(np.float32):
        total += amplitude
        total *= z
    return total.imag


def wind(freq: float, duration: float, velocity: float, sr: int) -> Samples:
    """Play band-limited noise that swells and fades around a frequency."""
    n_samples = int((duration + 0.5) * sr)
    air = noise(n_samples, 0.7 * freq, 1.4 * freq, sr, seed=int(freq))
    swell = np.sin(np.pi * np.arange(n_samples) / n_samples) ** 2
    return leveled(air * swell, velocity, sr)


guitar = partial(plucked, position=0.21, tilt=0.9, ring=0.7, damping=0.3, release=0.12, knock=0.06)
lute = partial(plucked, position=0.14, tilt=0.9, ring=0.5, damping=0.22, release=0.15, knock=0.05)
harp = partial(plucked, position=0.42, tilt=1.3, ring=1.0, damping=0.5, release=0.6)
pizzicato = partial(
    plucked, position=0.3, tilt=1.4, ring=0.16, damping=0.6, release=0.08, knock=0.1
)
upright = partial(
    plucked, position=0.3, tilt=1.0, ring=0.35, damping=0.35, release=0.07, knock=0.05
)
bass = partial(plucked, position=0.17, tilt=0.95, ring=0.6, damping=0.35, release=0.06)
harpsichord = partial(
    plucked, position=0.12, tilt=0.65, ring=0.6, damping=0.06, release=0.06, octave=0.4, knock=0.05
)
piano = partial(
    plucked,
    position=0.12,
    tilt=1.45,
    ring=1.1,
    damping=0.12,
    release=0.18,
    stiffness=3e-4,
    knock=0.04,
)

epiano = partial(
    struck,
    ratios=(1, 2, 3, 4.02, 7.1),
    amplitudes=(1, 0.55, 0.4, 0.25, 0.35),
    decays=(1.1, 0.6, 0.35, 0.25, 0.06),
    release=0.12,
)
vibraphone = partial(
    struck,
    ratios=(1, 3.984, 9.9),
    amplitudes=(1, 0.22, 0.1),
    decays=(1.2, 0.18, 0.03),
    release=0.3,
    tremolo=0.45,
)
glockenspiel = partial(
    struck,
    ratios=(1, 2.756, 5.404),
    amplitudes=(1, 0.35, 0.2),
    decays=(0.7, 0.2, 0.05),
    release=0.5,
)
bell = partial(
    struck,
    ratios=(1, 1.003, 2, 3.01, 4.17, 5.43),
    amplitudes=(0.7, 0.4, 0.5, 0.25, 0.2, 0.15),
    decays=(1.6, 1.5, 0.9, 0.5, 0.3, 0.15),
    release=1.2,
)

violin = partial(sustained, tilt=0.9, attack=0.07, release=0.12, bright=(0.8, 0.95), vibrato=16)
strings = partial(
    sustained,
    tilt=1.0,
    attack=0.16,
    release=0.3,
    bright=(0.7, 0.92),
    detune=(0, -7, 6),
    vibrato=9,
)
cello = partial(sustained, tilt=0.8, attack=0.08, release=0.14, bright=(0.75, 0.93), vibrato=11)
flute = partial(
    sustained, tilt=1.7, attack=0.05, release=0.1, bright=(0.6, 0.85), vibrato=9, breath=0.05
)
clarinet = partial(
    sustained, tilt=0.85, attack=0.035, release=0.07, even=0.12, bright=(0.8, 0.94), breath=0.01
)
lead = partial(
    sustained,
    tilt=0.9,
    attack=0.02,
    release=0.12,
    bright=(0.98, 0.94),
    detune=(0, 7),
    vibrato=11,
)
pad = partial(
    sustained,
    tilt=1.2,
    attack=0.5,
    release=0.8,
    bright=(0.5, 0.82),
    detune=(0, -8, 7),
)
