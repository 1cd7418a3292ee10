"""How distances grow while a sound is delayed or one of its parameters changed, for many losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatseg.matching.landscapes import distance_by_parameter, distance_by_shift
from scatseg.matching.tasks import Task
from scatseg.synth import check_names, theta_of

Losses = Mapping[str, Callable[[Tensor, Tensor], Tensor]]

_FACTOR = 8.0
"""How far from the target's value a parameter is swept, as a ratio."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """Distances by what was changed.

    Parameters
    ----------
    over : str
        "shift", or a parameter.
    unit : str
        Of the values: "samples", "Hz".
    values : ndarray of float64, shape (n_values,)
        What was changed.
    distances : dict of str to ndarray of float64, shape (n_values,)
        By the name of the loss.
    relative_to : str
        What distance is 1; empty where they are in the loss's own unit.
    at : float or None
        Where the target is.
    """

    over: str
    unit: str
    values: NDArray[np.float64]
    distances: Mapping[str, NDArray[np.float64]]
    relative_to: str
    at: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Two sounds while one is delayed.

    Parameters
    ----------
    x, other : ndarray of float32, shape (n_samples,)
        What is delayed, and what it is compared with.
    sr : int
        Sampling rate in Hz.
    shifts : tuple of int
        Samples, one for each frame.
    distances : dict of str to ndarray of float64, shape (n_shifts,)
        By the name of the loss: relative to the first, or to that from silence where the sound is
        beside itself.
    """

    x: NDArray[np.float32]
    other: NDArray[np.float32]
    sr: int
    shifts: tuple[int, ...]
    distances: Mapping[str, NDArray[np.float64]]


def sweep(
    task: Task,
    losses: Losses,
    over: str,
    *,
    other: Mapping[str, float] | None = None,
    shift: int = 0,
    n_points: int = 21,
    device: str = "cpu",
) -> Sweep:
    """Measure distances over a change.

    Parameters
    ----------
    task : Task
        Whose target it is.
    losses : mapping of str to callable
        Losses by name.
    over : str
        "shift": the target is delayed by 16 samples up to a quarter of its length, and compared
        with itself or with `other`. The name of a parameter: it runs from an eighth to eight times
        its value on a logarithmic scale, over its range on a linear one.
    other : mapping of str to float, optional
        What is different in the sound that the target is compared with.
    shift : int, default 0
        Samples by which the target is delayed, where `over` is a parameter.
    n_points : int, default 21
        Values of the parameter. Delays are powers of two.
    device : str
        Where to compute.

    Raises
    ------
    ValueError
        When a parameter is unknown.
    """
    if over == "shift":
        n_samples = len(task.sound)
        shifts = [2**k for k in range(4, n_samples.bit_length() - 2)]
        compared = None if other is None else _played(task, other, device)
        x = task.target(0, device)
        distances = {
            name: distance_by_shift(loss, x, shifts, other=compared)
            for name, loss in losses.items()
        }
        unit = "that of silence" if other is None else "that without delay"
        values = np.array(shifts, dtype=np.float64)
        return Sweep(
            over="shift", unit="samples", values=values, distances=distances, relative_to=unit
        )
    check_names(task.synth, [over])
    column = [each.name for each in task.parameters].index(over)
    parameter, theta = task.parameters[column], task.known_truth
    at = float(theta[column])
    values = (
        at * _FACTOR ** np.linspace(-1, 1, n_points)
        if parameter.scale == "log"
        else parameter.spaced(n_points)
    )
    distances = {
        name: distance_by_parameter(
            task.synth, loss, theta, over, values.tolist(), shift=shift, device=device
        )
        for name, loss in losses.items()
    }
    return Sweep(
        over=over, unit=parameter.unit, values=values, distances=distances, relative_to="", at=at
    )


def frames(
    task: Task, losses: Losses, other: Mapping[str, float] | None, device: str, n: int = 9
) -> Frames:
    """Delay the target step by step up to a quarter of its length, beside another sound."""
    last = len(task.sound) // 4
    shifts = tuple(last * k // (n - 1) for k in range(n))
    compared = _played(task, other or {}, device)
    x = task.target(0, device)
    distances = {
        name: distance_by_shift(loss, x, shifts, other=None if other is None else compared)
        for name, loss in losses.items()
    }
    return Frames(
        x=task.sound,
        other=compared.numpy(force=True),
        sr=task.synth.sr,
        shifts=shifts,
        distances=distances,
    )


def _played(task: Task, changes: Mapping[str, float], device: str) -> Tensor:
    """Play the target with some parameters changed."""
    names = [each.name for each in task.parameters]
    values = dict(zip(names, task.known_truth.tolist(), strict=True)) | dict(changes)
    theta = torch.from_numpy(theta_of(task.synth, values)).float().to(device)
    sound: Tensor = task.synth(theta)
    return sound
