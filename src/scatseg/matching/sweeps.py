"""How distances grow while a sound is delayed or one of its parameters changed, for many losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatseg.matching.landscapes import distance_by_parameter, distance_by_shift
from scatseg.matching.tasks import Task
from scatseg.runs import Failure, attempted
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
    scale : {"log", "linear"}
        Along which the values are spaced.
    """

    over: str
    unit: str
    values: NDArray[np.float64]
    distances: Mapping[str, NDArray[np.float64]]
    relative_to: str
    at: float | None = None
    scale: Literal["log", "linear"] = "log"


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
) -> tuple[Sweep, list[Failure]]:
    """Measure distances over a change.

    Parameters
    ----------
    task : Task
        Whose target it is.
    losses : mapping of str to callable
        Losses by name. One that raises is given up, the others go on.
    over : str
        "shift": the target is delayed by 16 samples up to a quarter of its length, and compared
        with itself or with `other`. The name of a parameter: it runs from an eighth to eight times
        its value on a logarithmic scale, over its range on a linear one or where its value is 0.
    other : mapping of str to float, optional
        What is different in the sound that the target is compared with; only with "shift".
    shift : int, default 0
        Samples by which the target is delayed; only with a parameter.
    n_points : int, default 21
        Values of the parameter. Delays are powers of two.
    device : str
        Where to compute.

    Returns
    -------
    sweep : Sweep
        The distances of the losses that went well.
    failures : list of Failure
        The others.

    Raises
    ------
    ValueError
        When a parameter is unknown, or an option does not go with what is changed.
    """
    if over == "shift":
        if shift:
            msg = "a target is not delayed twice: leave out its shift, or sweep a parameter"
            raise ValueError(msg)
        return _over_shift(task, losses, other, device)
    if other is not None:
        msg = "another sound is compared over shift only: a parameter is its own other sound"
        raise ValueError(msg)
    check_names(task.synth, [over])
    task.target(shift)
    column = [each.name for each in task.parameters].index(over)
    parameter, theta = task.parameters[column], task.known_truth
    at = float(theta[column])
    around = parameter.scale == "log" and at != 0
    values = at * _FACTOR ** np.linspace(-1, 1, n_points) if around else parameter.spaced(n_points)

    def measure(name: str) -> NDArray[np.float64]:
        return distance_by_parameter(
            task.synth, losses[name], theta, over, values.tolist(), shift=shift, device=device
        )

    distances, failures = attempted(losses, "sweep", measure)
    found = Sweep(
        over=over,
        unit=parameter.unit,
        values=values,
        distances=distances,
        relative_to="",
        at=at,
        scale=parameter.scale,
    )
    return found, failures


def _over_shift(
    task: Task, losses: Losses, other: Mapping[str, float] | None, device: str
) -> tuple[Sweep, list[Failure]]:
    shifts = [2**k for k in range(4, len(task.sound).bit_length() - 2)]
    compared = None if other is None else _played(task, other, device)
    x = task.target(0, device)

    def measure(name: str) -> NDArray[np.float64]:
        return distance_by_shift(losses[name], x, shifts, other=compared)

    distances, failures = attempted(losses, "sweep", measure)
    found = Sweep(
        over="shift",
        unit="samples",
        values=np.array(shifts, dtype=np.float64),
        distances=distances,
        relative_to="that of silence" if other is None else "that without delay",
    )
    return found, failures


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
