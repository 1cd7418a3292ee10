"""Distances against the delay or a parameter of a sound, for several losses."""

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
"""Maximum ratio of a swept parameter to its value in the target."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """Distances against a shift or parameter.

    Parameters
    ----------
    over : str
        "shift", or a parameter.
    unit : str
        Unit of the values: "samples", "Hz".
    values : ndarray of float64, shape (n_values,)
        Values of the shift or parameter.
    distances : dict of str to ndarray of float64, shape (n_values,)
        Distances by loss.
    relative_to : str
        The distance taken as 1; empty for units of the loss.
    at : float or None
        Value of the target.
    scale : {"log", "linear"}
        Scale of the values.
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
    """Two sounds at several delays of one.

    Parameters
    ----------
    x, other : ndarray of float32, shape (n_samples,)
        The delayed sound, and the one it is compared with.
    sr : int
        Sampling rate in Hz.
    shifts : tuple of int
        Delay of each frame in samples.
    distances : dict of str to ndarray of float64, shape (n_shifts,)
        Distances by loss, relative to the first, or to that from silence if x is compared with
        itself.
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
    in_range: bool = False,
    other: Mapping[str, float] | None = None,
    shift: int = 0,
    n_points: int = 21,
    device: str = "cpu",
) -> tuple[Sweep, list[Failure]]:
    """Compute distances against a shift or a parameter.

    Parameters
    ----------
    task : Task
        The task with the target.
    losses : mapping of str to callable
        Losses by name. A loss that raises an error is skipped.
    over : str
        "shift": the target is delayed by 16 samples up to a quarter of its length, and compared
        with itself or with `other`. A parameter name: it is swept from an eighth to eight times its
        value on a logarithmic scale, over its range on a linear one or if its value is 0.
    in_range : bool, default False
        Sweep a parameter over its range in any case; only with a parameter.
    other : mapping of str to float, optional
        Parameters that differ in the sound to compare with; only with "shift".
    shift : int, default 0
        Delay of the target in samples; only with a parameter.
    n_points : int, default 21
        Number of parameter values. Delays are powers of two.
    device : str
        Torch device.

    Returns
    -------
    sweep : Sweep
        The distances of the losses that succeeded.
    failures : list of Failure
        The losses that failed.

    Raises
    ------
    ValueError
        When a parameter is unknown, or an option is incompatible with `over`.
    """
    if over == "shift":
        if shift:
            msg = "the target is not delayed twice: leave out its shift, or sweep a parameter"
            raise ValueError(msg)
        if in_range:
            msg = "shifts have no range: leave out in_range, or sweep a parameter"
            raise ValueError(msg)
        return _over_shift(task, losses, other, device)
    if other is not None:
        msg = "another sound can be compared over shift only, not over a parameter: leave it out"
        raise ValueError(msg)
    check_names(task.synth, [over])
    task.target(shift)
    column = [each.name for each in task.parameters].index(over)
    parameter, theta = task.parameters[column], task.known_truth
    at = float(theta[column])
    if parameter.scale == "log" and at != 0 and not in_range:
        values = at * _FACTOR ** np.linspace(-1, 1, n_points)
    else:
        values = parameter.spaced(n_points) * (-1 if parameter.either_sign and at < 0 else 1)

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
    """Delay the target in steps up to a quarter of its length, next to another sound."""
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
    """Synthesize the target with some parameters changed."""
    names = [each.name for each in task.parameters]
    values = dict(zip(names, task.known_truth.tolist(), strict=True)) | dict(changes)
    theta = torch.from_numpy(theta_of(task.synth, values)).float().to(device)
    sound: Tensor = task.synth(theta)
    return sound
