"""Loss landscapes over two parameters, and distances against one change of a sound.

They show whether gradient descent can succeed: whether gradients point to the target, and how
sensitive the loss is to delays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import minimum_filter
from torch import Tensor

from scatseg.losses import FeatureLoss, Loss
from scatseg.matching.problems import tensor_of
from scatseg.matching.targets import delayed_target
from scatseg.naming import check_several
from scatseg.sensitivity import places_of, pullback_metric, signs_of, theta_at
from scatseg.synth import Parameter, Synth, check_names, delayed


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """A loss and its gradient over a plane of two parameters.

    Parameters
    ----------
    parameters : (Parameter, Parameter)
        The axes.
    values : (ndarray, ndarray)
        Parameter values along them, shapes (n_x,) and (n_y,), with the sign of the target.
    losses : ndarray of float64, shape (n_x, n_y)
        The loss at every point of the grid.
    gradients : ndarray of float64, shape (n_x, n_y, 2)
        Its derivatives by octaves, or fractions of the range.
    target : ndarray of float64, shape (2,)
        The parameters of the target.
    shift : int
        Delay of the target in samples.
    """

    parameters: tuple[Parameter, Parameter]
    values: tuple[NDArray[np.float64], NDArray[np.float64]]
    losses: NDArray[np.float64]
    gradients: NDArray[np.float64]
    target: NDArray[np.float64]
    shift: int = 0

    @property
    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values on their scales."""
        x, y = (p.encode(v) for p, v in zip(self.parameters, self.values, strict=True))
        return x, y

    @property
    def target_places(self) -> NDArray[np.float64]:
        """The target on the scales, shape (2,)."""
        pairs = zip(self.parameters, self.target, strict=True)
        return np.array([float(p.encode(np.float64(v))) for p, v in pairs])

    @property
    def elsewhere(self) -> NDArray[np.bool_]:
        """Whether a grid point is not the target, where the gradient has no direction."""
        return np.asarray(np.abs(self._away).max(axis=-1) > _SAME_PLACE)

    @property
    def pointing(self) -> float:
        """Share of the other points whose negative gradient points towards the target."""
        return float(((self.gradients * self._away).sum(axis=-1) > 0)[self.elsewhere].mean())

    @property
    def _away(self) -> NDArray[np.float64]:
        """The grid points relative to the target, on the scales, shape (n_x, n_y, 2)."""
        x, y = self.places
        return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1) - self.target_places

    @property
    def n_minima(self) -> int:
        """Number of local minima of the grid."""
        around = np.ones((3, 3), dtype=bool)
        around[1, 1] = False
        lowest = minimum_filter(self.losses, footprint=around, mode="constant", cval=np.inf)
        return int((self.losses < lowest).sum())

    @property
    def minimum(self) -> NDArray[np.float64]:
        """The parameters of least loss on the grid, shape (2,)."""
        i, j = np.unravel_index(int(self.losses.argmin()), self.losses.shape)
        return np.array([self.values[0][i], self.values[1][j]])

    @property
    def minimum_at_target(self) -> bool:
        """Whether the point of least loss is the grid point closest to the target."""
        nearest = [
            v[np.abs(x - t).argmin()]
            for v, x, t in zip(self.values, self.places, self.target_places, strict=True)
        ]
        return bool((self.minimum == nearest).all())


def fields(
    synth: Synth,
    loss: Callable[[Tensor, Tensor], Tensor],
    targets: ArrayLike,
    *,
    over: tuple[str, str],
    n: int = 20,
    shifts: Sequence[int] = (0,),
    parameters: Sequence[Parameter] | None = None,
    device: str | torch.device = "cpu",
    batch: int = 1,
    on_point: Callable[[], object] | None = None,
) -> list[Field]:
    """Compute a loss and its gradient over a plane of two parameters.

    Features of each sound are computed once for all targets. Gradients are central differences on
    the scales.

    Parameters
    ----------
    synth : Synth
        A synthesizer in torch.
    loss : callable
        `(x, target) -> scalar`, from `scatseg.losses` or custom.
    targets : array_like of float, shape (n_targets, n_params)
        Parameters of the targets, which agree in all parameters outside the plane, and in the signs
        of those in it.
    over : (str, str)
        The parameters of the plane.
    n : int, default 20
        Values per parameter, evenly spaced on its scale over its range, with the sign of the
        targets on a logarithmic scale.
    shifts : sequence of int
        Delays of each target in samples.
    parameters : sequence of Parameter, optional
        Ranges that replace those of the synthesizer, see `scatseg.synth.ranged`.
    device : str or torch.device
        Torch device.
    batch : int, default 1
        Points processed at a time; more on a GPU.
    on_point : callable, optional
        Called after each point.

    Returns
    -------
    fields : list of Field
        One per target and shift, shifts innermost.

    Raises
    ------
    ValueError
        When a parameter is unknown, targets differ outside the plane or in a sign, or a target is
        silent after the shift.
    """
    ranges = tuple(synth.parameters if parameters is None else parameters)
    columns = _columns(synth, over)
    rows = torch.as_tensor(np.atleast_2d(np.asarray(targets, np.float32)), device=device)
    outside = [i for i in range(rows.shape[1]) if i not in columns]
    if (rows != rows[0])[:, outside].any():
        names = ", ".join(ranges[i].name for i in outside)
        msg = f"targets must agree in all parameters but {over[0]} and {over[1]}: in {names}"
        raise ValueError(msg)
    signs = signs_of(synth.parameters, rows).numpy(force=True)
    if (signs != signs[0]).any():
        msg = f"targets must agree in the signs of {over[0]} and {over[1]}, got {rows.tolist()}"
        raise ValueError(msg)
    measured = measuring(loss)
    with torch.no_grad():
        references = [
            measured.describe(delayed_target(synth(row), shift)) for row in rows for shift in shifts
        ]
        plane = tuple(ranges[i].spaced(n) * signs[0, i] for i in columns)
        values = _values_around(
            synth, measured, references, rows[0], columns, plane, batch, on_point
        )
    step = _step(rows.dtype)
    shape = (n, n)
    return [
        Field(
            parameters=(ranges[columns[0]], ranges[columns[1]]),
            values=(plane[0], plane[1]),
            losses=here[:, 0].reshape(shape),
            gradients=np.stack([here[:, 1] - here[:, 2], here[:, 3] - here[:, 4]], axis=-1).reshape(
                *shape, 2
            )
            / (2 * step),
            target=rows[k // len(shifts)][list(columns)].numpy(force=True).astype(np.float64),
            shift=shifts[k % len(shifts)],
        )
        for k, here in enumerate(values)
    ]


def _values_around(
    synth: Synth,
    loss: Loss,
    references: Sequence[Any],
    theta: Tensor,
    columns: tuple[int, int],
    plane: tuple[NDArray[np.float64], ...],
    batch: int,
    on_point: Callable[[], object] | None,
) -> NDArray[np.float64]:
    """Compute losses at each point and on both sides of it, (n_references, n_points, 5)."""
    grid = np.stack(np.meshgrid(*plane, indexing="ij"), axis=-1).reshape(-1, 2)
    points = theta.repeat(len(grid), 1)
    points[:, list(columns)] = torch.as_tensor(grid).to(points)
    around = torch.zeros(5, theta.shape[-1]).to(theta)
    for k, column in enumerate(columns):
        around[1 + 2 * k, column], around[2 + 2 * k, column] = 1, -1
    around *= _step(theta.dtype)
    values = np.empty((len(references), len(grid), 5))
    for first in range(0, len(grid), batch):
        here = points[first : first + batch]
        signs = signs_of(synth.parameters, here)[:, None]
        places = places_of(synth.parameters, here)[:, None] + around
        S = loss.describe(synth(theta_at(synth.parameters, places, signs)))
        for k, R in enumerate(references):
            values[k, first : first + batch] = loss.compare(S, R).numpy(force=True)
        for _ in here:
            if on_point is not None:
                on_point()
    return values


def inner_points(
    parameters: Sequence[Parameter],
    theta: ArrayLike,
    over: tuple[str, str],
    n: int,
    n_side: int = 1,
) -> NDArray[np.float64]:
    """Choose targets among the points of a grid of n by n, away from its edges.

    Returns
    -------
    targets : ndarray of float64, shape (n_side ** 2, n_params)
        `theta` with other values in the plane; the center of the grid for `n_side` 1.
    """
    at = (np.arange(1, n_side + 1) * n) // (n_side + 1)
    names = [each.name for each in parameters]
    x, y = (names.index(name) for name in over)
    rows = np.repeat(np.asarray(theta, dtype=np.float64)[None], n_side**2, axis=0)
    rows[:, x] = np.repeat(parameters[x].spaced(n)[at], n_side)
    rows[:, y] = np.tile(parameters[y].spaced(n)[at], n_side)
    return rows


def sensitivities(
    synth: Synth, loss: Callable[[Tensor, Tensor], Tensor], theta: ArrayLike
) -> NDArray[np.float64] | None:
    """Compute the singular values of the Jacobian of what a loss compares, largest first.

    They are its change per octave, or range, along directions in parameter space, from the most to
    the least sensitive. None for a loss that is not a `FeatureLoss`.
    """
    if not isinstance(loss, FeatureLoss):
        return None
    at = torch.as_tensor(np.asarray(theta, np.float64))
    M = pullback_metric(synth, loss.differences_from(synth(at)), at)
    values: NDArray[np.float64] = np.linalg.eigvalsh(M.numpy(force=True))[::-1]
    singular: NDArray[np.float64] = np.sqrt(values.clip(min=0))
    return singular


@torch.no_grad()
def distance_by_shift(
    loss: Callable[[Tensor, Tensor], Tensor],
    x: ArrayLike | Tensor,
    shifts: Sequence[int],
    *,
    other: ArrayLike | Tensor | None = None,
) -> NDArray[np.float64]:
    """Compute the distance against the delay of a sound.

    Parameters
    ----------
    loss : callable
        `(x, target) -> scalar`.
    x : Tensor or array_like of float, shape (n_samples,)
        The sound to delay.
    shifts : sequence of int
        Delays in samples.
    other : Tensor or array_like of float, shape (n_samples,), optional
        The sound to compare with; by default, x.

    Returns
    -------
    distances : ndarray of float64, shape (n_shifts,)
        Relative to the distance without delay, or for x itself, to that from silence.

    Raises
    ------
    ValueError
        When that distance is 0.
    """
    measured = measuring(loss)
    sound = tensor_of(x)
    S = measured.describe(sound)
    R = S if other is None else measured.describe(tensor_of(other))
    unit_of = measured.describe(torch.zeros_like(sound)) if other is None else R
    unit = float(measured.compare(S, unit_of))
    if not unit:
        what = "the sound has no distance from silence"
        if other is not None:
            what = "the sounds have no distance without delay"
        msg = f"{what}, to which others could be relative"
        raise ValueError(msg)
    values = [float(measured.compare(measured.describe(delayed(sound, s)), R)) for s in shifts]
    return np.array(values) / unit


@torch.no_grad()
def distance_by_parameter(
    synth: Synth,
    loss: Callable[[Tensor, Tensor], Tensor],
    theta: ArrayLike,
    name: str,
    values: Sequence[float],
    *,
    shift: int = 0,
    device: str | torch.device = "cpu",
) -> NDArray[np.float64]:
    """Compute the distance against the value of one parameter.

    Parameters
    ----------
    synth : Synth
        A synthesizer in torch.
    loss : callable
        `(x, target) -> scalar`.
    theta : array_like of float, shape (n_params,)
        Parameters of the target.
    name : str
        The parameter to change.
    values : sequence of float
        Its values.
    shift : int, default 0
        Delay of the target in samples.
    device : str or torch.device
        Torch device.

    Returns
    -------
    distances : ndarray of float64, shape (n_values,)
        In units of the loss.
    """
    (column,) = _columns(synth, (name,))
    measured = measuring(loss)
    row = torch.as_tensor(np.asarray(theta, np.float32), device=device)
    R = measured.describe(delayed_target(synth(row), shift))
    distances = []
    for value in values:
        changed = row.clone()
        changed[column] = value
        distances.append(float(measured.compare(measured.describe(synth(changed)), R)))
    return np.array(distances)


def measuring(loss: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """Return a loss that caches features; custom losses are wrapped without caching."""
    return loss if isinstance(loss, Loss) else _Plain(loss)


class _Plain(Loss):
    """A function of two sounds, evaluated for each pair."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def describe(self, x: Tensor) -> Tensor:
        return x

    def compare(self, S: Tensor, R: Tensor) -> Tensor:
        rows = [self.function(x, R) for x in S.reshape(-1, S.shape[-1])]
        return torch.stack(rows).reshape(S.shape[:-1])

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return self.function(x, target)


_SAME_PLACE = 1e-6
"""Octaves or fractions of the range: closer points are the target itself."""


def _step(dtype: torch.dtype) -> float:
    """Return the step of central differences."""
    return float(torch.finfo(dtype).eps ** (1 / 3))


def _columns(synth: Synth, names: Sequence[str]) -> Any:
    check_several("over", names)
    check_names(synth, names)
    known = [each.name for each in synth.parameters]
    return tuple(known.index(name) for name in names)
