"""Shared code of the synthesizers: array library, times, fades, gain and delay."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scatseg.rates import check_rate
from scatseg.scattering.arguments import check_positive
from scatseg.scattering.arrays import Tensor, is_tensor
from scatseg.synth.parameters import check_audible, library

Gain = Literal["unit", "energy"]

LEVEL = 0.1
"""Root mean square of sounds of equal energy."""


def constant(array: NDArray[np.float64], like: Tensor) -> Tensor:
    """Convert an array to the library, precision and device of another."""
    if not is_tensor(like):
        return array.astype(like.dtype)
    return library(like).as_tensor(array, dtype=like.dtype, device=like.device)


def n_samples(synth: Any) -> int:
    """Return the length of a synthesizer's sounds in samples."""
    length: int = round(synth.duration * synth.sr)
    return length


def unpacked(
    synth: Any, theta: Tensor, start: float = 0.0
) -> tuple[Any, tuple[Tensor, ...], Tensor]:
    """Return the library, each parameter with an axis for time, and the times in seconds."""
    names = [each.name for each in synth.parameters]
    if is_tensor(theta):  # of integers, times would be whole seconds
        theta = theta if theta.is_floating_point() else theta.to(library(theta).get_default_dtype())
    else:
        theta = np.asarray(theta)
        theta = theta if theta.dtype.kind == "f" else theta.astype(np.float64)
    if theta.ndim < 1 or theta.shape[-1] != len(names):
        msg = f"theta must end in {len(names)} values ({', '.join(names)}), got {theta.shape}"
        raise ValueError(msg)
    seconds = start + np.arange(n_samples(synth)) / synth.sr
    columns = tuple(theta[..., i, None] for i in range(len(names)))
    return library(theta), columns, constant(seconds, theta)


def faded(xp: Any, u: Tensor) -> Tensor:
    """Compute a smooth fade from 0 at u = 0 to 1 at u = 1, with zero slope at the ends."""
    u = xp.clip(u, 0.0, 1.0)
    return u * u * (3 - 2 * u)


def scaled(xp: Any, x: Tensor, energy: float) -> Tensor:
    """Scale sounds to a given energy (sum of squares), except silence."""
    total = (x * x).sum(-1)[..., None]
    sounding = total > 0
    return x * xp.sqrt(energy / xp.where(sounding, total, 1.0))


def finished(xp: Any, x: Tensor, synth: Any) -> Tensor:
    """Apply gain and shift."""
    if synth.gain == "energy":
        x = scaled(xp, x, LEVEL**2 * n_samples(synth))
    return delayed(x, synth.shift)


def delayed(x: Tensor, shift: int) -> Tensor:
    """Delay sounds (..., n_samples), or advance them if `shift` is negative, with zero padding."""
    _check_shift(shift)
    if not shift:
        return x
    silence = library(x).zeros_like(x[..., : abs(shift)])
    parts = [silence, x[..., :-shift]] if shift > 0 else [x[..., -shift:], silence]
    return library(x).concatenate(parts, axis=-1)


def _check_shift(shift: object) -> None:
    if isinstance(shift, bool) or not isinstance(shift, int | np.integer):
        msg = f"shift must be a whole number of samples, got {shift!r}: round it"
        raise ValueError(msg)


def check(synth: Any, names: tuple[str, ...], gains: tuple[str, ...] = ("unit", "energy")) -> None:
    """Check the options of a synthesizer; a rate like 22050.0 is stored as 22050.

    Raises
    ------
    ValueError
        When parameters have other names, a sound would be empty, the gain is unknown, the shift is
        not a whole number of samples, or a frequency is beyond half the sampling rate.
    """
    given = tuple(each.name for each in synth.parameters)
    if given != names:
        msg = f"{type(synth).__name__} has the parameters {', '.join(names)}, got {given}"
        raise ValueError(msg)
    check_rate(synth.sr)
    object.__setattr__(synth, "sr", int(synth.sr))  # frozen
    check_positive("duration", synth.duration)
    if n_samples(synth) < 1:
        msg = f"a sound needs at least one sample, got {synth.duration} s at {synth.sr} Hz"
        raise ValueError(msg)
    _check_shift(synth.shift)
    if synth.gain not in gains:
        msg = f"gain must be one of {', '.join(gains)}, got {synth.gain!r}"
        raise ValueError(msg)
    check_audible(synth.parameters, synth.sr)
