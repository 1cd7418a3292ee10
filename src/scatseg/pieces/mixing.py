"""Events of a performance -> one signal: synthesis, levels, reverb, limiter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import butter, oaconvolve, sosfilt

from scatseg.pieces import drums, instruments
from scatseg.pieces.instruments import Instrument
from scatseg.pieces.score import Event

PEAK = 0.9
TICKS_PER_SECOND = 50  # resolution of note lengths, to reuse samples of equal notes
TOUCHES = 6  # velocity layers of timbre; loudness is continuous
LIMITER_BLOCK = 0.005  # s
UNTOUCHED = 0.995  # quantile of the samples that sets the limiter's threshold
BITS = 15  # samples are quantized, so that a 16-bit file holds the piece exactly


class Channel(NamedTuple):
    """A channel of the mix: an instrument, its gain and its reverb send in dB."""

    play: Instrument
    gain: float
    send: float


DESK: Mapping[str, Channel] = {
    "bass": Channel(instruments.bass, 0, -40),
    "bell": Channel(instruments.bell, -8, -4),
    "brush": Channel(drums.brush, -16, -14),
    "cello": Channel(instruments.cello, -3, -10),
    "clarinet": Channel(instruments.clarinet, -3, -10),
    "crash": Channel(drums.crash, -10, -16),
    "epiano": Channel(instruments.epiano, -9, -14),
    "flute": Channel(instruments.flute, -3, -9),
    "glockenspiel": Channel(instruments.glockenspiel, -10, -9),
    "guitar": Channel(instruments.guitar, -7, -14),
    "harp": Channel(instruments.harp, -7, -8),
    "harpsichord": Channel(instruments.harpsichord, -7, -10),
    "hat": Channel(drums.hat, -17, -24),
    "kick": Channel(drums.kick, 0, -40),
    "lead": Channel(instruments.lead, -5, -12),
    "lute": Channel(instruments.lute, -7, -10),
    "open_hat": Channel(drums.open_hat, -16, -20),
    "pad": Channel(instruments.pad, -10, -8),
    "piano": Channel(instruments.piano, -6, -11),
    "pizzicato": Channel(instruments.pizzicato, -3, -10),
    "ride": Channel(drums.ride, -16, -18),
    "rim": Channel(drums.rim, -9, -14),
    "shaker": Channel(drums.shaker, -17, -18),
    "snare": Channel(drums.snare, -6, -14),
    "strings": Channel(instruments.strings, -9, -8),
    "tambourine": Channel(drums.tambourine, -15, -14),
    "tom": Channel(drums.tom, -3, -14),
    "upright": Channel(instruments.upright, 0, -24),
    "vibraphone": Channel(instruments.vibraphone, -4, -9),
    "violin": Channel(instruments.violin, -4, -9),
    "wind": Channel(instruments.wind, -14, -8),
}


def stem(events: Sequence[Event], play: Instrument, n_samples: int, sr: int) -> NDArray[np.float32]:
    """Render one instrument; equal notes are synthesized only once.

    Parameters
    ----------
    events : sequence of Event
        Its notes; truncated at the end.
    play : callable
        The instrument.
    n_samples, sr : int
        Length and sampling rate.
    """
    y = np.zeros(n_samples, dtype=np.float32)
    notes: dict[tuple[float, int, int], NDArray[np.float32]] = {}
    for event in events:
        ticks = max(1, round(event.duration * TICKS_PER_SECOND))
        touch = max(1, round(event.velocity * TOUCHES))
        key = (event.pitch, ticks, touch)
        if key not in notes:
            freq = 440 * 2 ** ((event.pitch - 69) / 12)
            samples = play(freq, ticks / TICKS_PER_SECOND, touch / TOUCHES, sr)
            notes[key] = samples.astype(np.float32)
        start = round(event.start * sr)
        note = notes[key][: n_samples - start]
        force = (event.velocity * TOUCHES / touch) ** 1.5 * 10 ** (event.level / 20)
        y[start : start + note.size] += np.float32(force) * note
    return y


def mix(
    events: Mapping[str, Sequence[Event]], *, duration: float, reverb: float, sr: int
) -> NDArray[np.float32]:
    """Mix a performance down to mono.

    Parameters
    ----------
    events : mapping of str to sequence of Event
        Instrument, a name in `DESK`, to its notes.
    duration : float
        Seconds.
    reverb : float
        Reverberation time (to -60 dB) in seconds.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    y : ndarray of float32, shape (n_samples,)
        With peak `PEAK` and a fade-out in the last half second.
    """
    n_samples = round(duration * sr)
    dry, sent = np.zeros((2, n_samples), dtype=np.float32)
    for name, notes in events.items():
        channel = DESK[name]
        y = stem(notes, channel.play, n_samples, sr)
        y *= 10 ** (channel.gain / 20)
        dry += y
        y *= 10 ** (channel.send / 20)
        sent += y
    return mastered(dry + oaconvolve(sent, room(reverb, sr))[:n_samples], sr)


def mastered(y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Master a mix: high-pass, limiter, fade-out, and normalization to `PEAK`."""
    rumble_free = sosfilt(butter(2, 30, "highpass", fs=sr, output="sos"), y)
    even = limited(rumble_free, sr)
    fade = min(y.size, sr // 2)
    even[y.size - fade :] *= np.linspace(1, 0, fade) ** 2
    steps = np.round(even * (PEAK / np.abs(even).max() * 2**BITS))
    return np.asarray(steps / 2**BITS, dtype=np.float32)


def room(reverb: float, sr: int) -> NDArray[np.float32]:
    """Return the impulse response of a room: decaying noise after 20 ms, with unit energy."""
    n_samples = int(reverb * sr)
    decay = 1e-3 ** (np.arange(n_samples) / n_samples)
    band = butter(1, [250, min(4500, 0.45 * sr)], "bandpass", fs=sr, output="sos")
    tail = sosfilt(band, decay * np.random.default_rng(0).normal(size=n_samples))
    delay = np.zeros(int(0.02 * sr))
    return np.concatenate([delay, tail / np.linalg.norm(tail)]).astype(np.float32)


def limited(y: NDArray[np.float64], sr: int) -> NDArray[np.float64]:
    """Limit the peaks to a high quantile of the samples, with a smooth gain.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Any level.
    sr : int
        Sampling rate in Hz.
    """
    size = int(LIMITER_BLOCK * sr)
    n_blocks = -(-y.size // size)
    loudest = np.abs(np.pad(y, (0, n_blocks * size - y.size))).reshape(n_blocks, size).max(axis=1)
    ceiling = 1.25 * float(np.quantile(np.abs(y), UNTOUCHED))
    # The gain at block edges is the lower of both blocks, interpolated linearly in between.
    gain = np.minimum(1, ceiling / np.maximum(loudest, ceiling))
    at_joins = np.minimum(np.append(gain, 1), np.append(1, gain))
    smooth = uniform_filter1d(minimum_filter1d(at_joins, 5), 5)
    return np.asarray(y * np.interp(np.arange(y.size), np.arange(n_blocks + 1) * size, smooth))
