"""Percussion: (freq, duration, velocity, sr) -> samples; `freq` tunes the instrument."""

from __future__ import annotations

from functools import partial

import numpy as np

from scatseg.pieces.instruments import Samples, damped_sines, gate, leveled, noise
from scatseg.pieces.score import Note, rhythm


def kick(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a bass drum: its pitch falls from four times `freq` within about 30 ms."""
    t = np.arange(int(0.35 * sr)) / sr
    cycles = freq * t + 3 * freq * 0.025 * (1 - np.exp(-t / 0.025))
    beater = noise(t.size, 1500, 5000, sr) * np.exp(-t / 0.004)
    y = np.sin(2 * np.pi * cycles) * np.exp(-t / 0.11) + 0.12 * velocity * beater
    return leveled(y * gate(t.size, 0.25, 0.001, 0.1, sr), velocity, sr)


def snare(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a snare drum: two modes of the skin and the rattle of the wires."""
    n_samples = int(0.3 * sr)
    t = np.arange(n_samples) / sr
    skin = damped_sines([freq, 1.59 * freq], [0.7, 0.4], [0.06, 0.04], n_samples, sr)
    wires = noise(n_samples, 1200, 9000, sr, seed=round(velocity * 6)) * np.exp(-t / 0.07)
    return leveled((skin + 0.9 * wires) * gate(n_samples, 0.2, 0.001, 0.1, sr), velocity, sr)


def tom(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a tom: the modes of a skin, with slightly falling pitch."""
    n_samples = int(0.5 * sr)
    t = np.arange(n_samples) / sr
    cycles = freq * (t + 0.3 * 0.04 * (1 - np.exp(-t / 0.04)))
    skin = np.sin(2 * np.pi * cycles) * np.exp(-t / 0.16)
    upper = damped_sines([1.6 * freq, 2.3 * freq], [0.3, 0.15], [0.07, 0.04], n_samples, sr)
    stick = 0.15 * noise(n_samples, 800, 4000, sr) * np.exp(-t / 0.006)
    y = (skin + upper + stick) * gate(n_samples, 0.35, 0.001, 0.15, sr)
    return leveled(y, velocity, sr)


def rim(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a cross stick: a short knock."""
    n_samples = int(0.12 * sr)
    modes = np.array([1, 1.72, 3.4]) * freq
    y = damped_sines(modes, [0.8, 1, 0.5], [0.016, 0.012, 0.006], n_samples, sr)
    return leveled(y * gate(n_samples, 0.06, 0.0005, 0.06, sr), velocity, sr)


def cymbal(
    freq: float, _duration: float, velocity: float, sr: int, *, ring: float, wash: float
) -> Samples:
    """Play a cymbal: dense modes above `freq` that ring for `ring` s, and noise of level `wash`."""
    n_samples = int(3.5 * ring * sr)
    t = np.arange(n_samples) / sr
    rng = np.random.default_rng(round(freq))
    modes = freq * 2 ** rng.uniform(0, 2.6, 36)
    decays = ring * (modes / freq) ** -0.5 * rng.uniform(0.7, 1.2, 36)
    y = damped_sines(modes, rng.normal(size=36) / 6, decays, n_samples, sr)
    y += wash * noise(n_samples, 1.5 * freq, 9500, sr, seed=1) * np.exp(-t / (0.5 * ring))
    return leveled(y * gate(n_samples, 2.5 * ring, 0.001, ring, sr), velocity, sr)


def brush(freq: float, duration: float, velocity: float, sr: int) -> Samples:
    """Play a brush sweep of `duration` s."""
    n_samples = int((duration + 0.1) * sr)
    sweep = np.sin(np.pi * np.linspace(0, 1, n_samples) ** 0.6) ** 1.5
    y = noise(n_samples, 5 * freq, 30 * freq, sr, seed=round(velocity * 6)) * sweep
    return leveled(y, velocity, sr)


def shaker(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a shaker: grains of noise above `freq`."""
    n_samples = int(0.11 * sr)
    t = np.arange(n_samples) / sr
    y = (
        noise(n_samples, freq, 9500, sr, seed=round(velocity * 6))
        * np.sin(np.pi * np.clip(t / 0.11, 0, 1) ** 0.5) ** 2
    )
    return leveled(y, velocity, sr)


def tambourine(freq: float, _duration: float, velocity: float, sr: int) -> Samples:
    """Play a tambourine: a tap and jingles above `freq`."""
    n_samples = int(0.3 * sr)
    t = np.arange(n_samples) / sr
    modes = freq * np.array([1, 1.13, 1.31, 1.52, 1.77, 2.02])
    jingles = damped_sines(modes, [0.3, 0.2, 0.3, 0.25, 0.2, 0.2], 0.06, n_samples, sr)
    dust = 0.5 * noise(n_samples, freq, 9500, sr, seed=2) * np.exp(-t / 0.05)
    return leveled((jingles + dust) * gate(n_samples, 0.15, 0.001, 0.15, sr), velocity, sr)


hat = partial(cymbal, ring=0.035, wash=1.2)
open_hat = partial(cymbal, ring=0.22, wash=0.8)
ride = partial(cymbal, ring=0.45, wash=0.25)
crash = partial(cymbal, ring=0.9, wash=0.7)

TUNING = {
    "brush": 55,
    "crash": 94,
    "hat": 107,
    "kick": 32,
    "open_hat": 106,
    "ride": 99,
    "rim": 71,
    "shaker": 109,
    "snare": 54,
    "tambourine": 111,
    "tom": 43,
}
"""MIDI pitch of each drum."""


def kit(beats: float, *, steps: int = 4, **patterns: str) -> dict[str, tuple[Note, ...]]:
    """Return drum parts in drum-machine notation.

    Parameters
    ----------
    beats : float
        Length to fill, in beats.
    steps : int, default 4
        Characters per beat.
    **patterns : str
        Rhythm of each drum, see `rhythm`.

    Examples
    --------
    >>> [note.start for note in kit(4, kick="x...", snare="....x...")["snare"]]
    [1.0, 3.0]
    """
    return {
        name: tuple(
            Note(hit.start, hit.length, TUNING[name], hit.velocity)
            for hit in rhythm(pattern, beats, steps=steps)
        )
        for name, pattern in patterns.items()
    }
