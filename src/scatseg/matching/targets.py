"""Preparation of targets: length, level and delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg.scattering.arguments import check_integer, check_positive, check_signal
from scatseg.synth import Parameter, Synth, delayed

_LEAST_POWER = 1e-12
"""Added to power, so that silence remains silent."""


@dataclass(frozen=True, kw_only=True)
class Levelled:
    """A synthesizer with normalized level, for targets of unknown level.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    level : float, default 0.1
        Root mean square.
    """

    synth: Synth
    level: float = 0.1

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""
        return self.synth.sr

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of the synthesizer."""
        return self.synth.parameters

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) from parameters (..., n_params)."""
        x = self.synth(theta)
        power = (x**2).mean(-1)[..., None]
        levelled: Tensor = x * (self.level / (power + _LEAST_POWER) ** 0.5)
        return levelled


def fitted(y: ArrayLike, n_samples: int, level: float = 0.1) -> NDArray[np.float32]:
    """Adjust a recording to a length and a level (root mean square).

    Longer ones are cut to the loudest excerpt, shorter ones zero-padded on both sides.

    Raises
    ------
    ValueError
        When it is silent, or not mono, real and finite, n_samples is less than 1, or the level is
        not positive.

    Examples
    --------
    >>> fitted([0, 0, 3, 4, 0, 0], 2, level=5)
    array([4.2426405, 5.656854 ], dtype=float32)
    """
    check_integer("n_samples", n_samples, 1)
    check_positive("level", level)
    sound = np.asarray(check_signal(y, name="the target"), dtype=np.float64)
    if sound.ndim > 1:
        msg = f"the target must be one sound (n_samples,), got shape {sound.shape}"
        raise ValueError(msg)
    if len(sound) > n_samples:
        energy = np.concatenate([[0], np.cumsum(sound**2)])
        first = int(np.argmax(energy[n_samples:] - energy[:-n_samples]))
        sound = sound[first : first + n_samples]
    before = (n_samples - len(sound)) // 2
    sound = np.pad(sound, (before, n_samples - len(sound) - before))
    power = float((sound**2).mean())
    if not power:
        msg = "the target is silent: there is nothing to match"
        raise ValueError(msg)
    levelled: NDArray[np.float32] = (sound * (level / power**0.5)).astype(np.float32)
    return levelled


def delayed_target(x: Tensor, shift: int) -> Tensor:
    """Delay a target (n_samples,) by `shift` samples.

    Raises
    ------
    ValueError
        When the result is silent.
    """
    sound: Tensor = delayed(x, shift)
    if not bool(sound.any()):
        msg = f"the target is silent in its {len(sound)} samples, delayed by {shift}"
        raise ValueError(msg)
    return sound
