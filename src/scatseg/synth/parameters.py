"""Parameters of synthesizers: names, ranges and scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import told_apart
from scatseg.scattering.arrays import Tensor, is_tensor


@dataclass(frozen=True)
class Parameter:
    """A parameter of a synthesizer: name, unit, range and scale.

    Parameters
    ----------
    name : str
        As in the formula: "f_m".
    unit : str
        "Hz", "octaves/s", or "" for a plain number.
    low, high : float
        The range in this unit, inclusive.
    scale : {"log", "linear"}
        Scale on which values are compared. Differences are in octaves on the logarithmic scale, in
        fractions of the range on the linear one.
    either_sign : bool, default False
        Whether the parameter is signed: negative values of the same magnitude are valid, too.

    Raises
    ------
    ValueError
        When the range is empty, reversed, not finite, or not positive on a logarithmic scale.
    """

    name: str
    unit: str
    low: float
    high: float
    scale: Literal["log", "linear"] = "log"
    either_sign: bool = False

    def __post_init__(self) -> None:
        if self.scale not in ("log", "linear"):
            msg = f'the scale of {self.name} must be "log" or "linear", got {self.scale!r}'
            raise ValueError(msg)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            msg = f"{self.name} must run from a low to a high value, got {self.low} to {self.high}"
            raise ValueError(msg)
        if self.scale == "log" and self.low <= 0:
            msg = f"{self.name} has a logarithmic scale: its range must be positive, got {self.low}"
            raise ValueError(msg)

    def encode(self, values: Tensor) -> Tensor:
        """Convert values to positions: log2 of the absolute value, or the fraction of the range."""
        if self.scale == "log":
            xp = library(values)
            return xp.log2(xp.abs(values))
        return (values - self.low) / (self.high - self.low)

    def decode(self, places: Tensor) -> Tensor:
        """Convert positions to values, positive on a logarithmic scale: the inverse of `encode`."""
        if self.scale == "log":
            return library(places).exp2(places)
        return self.low + (self.high - self.low) * places

    def spaced(self, n: int, *, signed: bool = False) -> NDArray[np.float64]:
        """Return n values evenly spaced on the scale.

        Parameters
        ----------
        n : int
            At least 1; 1 gives the middle of the range.
        signed : bool, default False
            Whether half of them are negative, for a signed parameter; n must then be even.

        Examples
        --------
        >>> Parameter("gamma", "octaves/s", 0.5, 4.0, either_sign=True).spaced(4, signed=True)
        array([-4. , -0.5, 0.5, 4. ])
        """
        if signed and self.either_sign:
            if n < 2 or n % 2:
                msg = f"both signs of {self.name} need an even number of values, got {n}"
                raise ValueError(msg)
            sizes = self.spaced(n // 2)
            return np.concatenate([-sizes[::-1], sizes])
        if n < 1:
            msg = f"a grid needs at least 1 value of {self.name}, got {n}"
            raise ValueError(msg)
        first, last = self.encode(np.array([self.low, self.high]))
        places = np.linspace(first, last, n) if n > 1 else np.array([(first + last) / 2])
        values: NDArray[np.float64] = self.decode(places)
        return values


class Synth(Protocol):
    """Any callable from parameters to sounds that declares its parameters."""

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of the columns of theta."""

    def __call__(self, theta: Tensor) -> Tensor:
        """Synthesize sounds (..., n_samples) in the precision of parameters (..., n_params)."""


def ranged(synth: Synth, ranges: Mapping[str, tuple[float, float]]) -> tuple[Parameter, ...]:
    """Return the parameters of a synthesizer with some ranges replaced.

    Raises
    ------
    ValueError
        When there is no such parameter, or a range is reversed, not positive on a logarithmic
        scale, or beyond half the sampling rate.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> ranged(AMChirp(), {"f_m": (4, 16)})[1]
    Parameter(name='f_m', unit='Hz', low=4, high=16, scale='log', either_sign=False)
    """
    check_names(synth, ranges)
    parameters = tuple(
        replace(each, low=ranges[each.name][0], high=ranges[each.name][1])
        if each.name in ranges
        else each
        for each in synth.parameters
    )
    check_audible(parameters, synth.sr)
    return parameters


def check_names(
    synth: Synth | Sequence[Parameter], names: Mapping[str, Any] | Sequence[str]
) -> None:
    """Check the names of parameters of a synthesizer.

    Raises
    ------
    ValueError
        When a name is unknown; the message lists the parameters.
    """
    parameters = synth if isinstance(synth, Sequence) else synth.parameters
    known = [each.name for each in parameters]
    for name in names:
        if name not in known:
            msg = f"unknown parameter {name!r}: choose from {', '.join(known)}"
            raise ValueError(msg)


def theta_of(synth: Synth, values: Mapping[str, float]) -> NDArray[np.float64]:
    """Return parameters (n_params,) with the given values, the others mid-range.

    Raises
    ------
    ValueError
        When a name is unknown or a value is invalid.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> theta_of(AMChirp(), {"f_c": 600.0, "gamma": -1.0})
    array([600. , 11.3137085, -1. ])
    """
    check_names(synth, values)
    for parameter in synth.parameters:
        check_value(parameter, values.get(parameter.name, parameter.high), synth.sr)
    return np.array(
        [
            float(values[each.name]) if each.name in values else float(each.spaced(1)[0])
            for each in synth.parameters
        ]
    )


def check_value(parameter: Parameter, value: float, sr: int) -> None:
    """Raise a ValueError for a value that is invalid at `sr` Hz."""
    if not math.isfinite(value):
        msg = f"{parameter.name} must be finite, got {value}"
        raise ValueError(msg)
    if parameter.scale == "log" and value <= 0 and not parameter.either_sign:
        msg = f"{parameter.name} must be positive, got {value}"
        raise ValueError(msg)
    if parameter.unit == "Hz" and value > sr / 2:
        msg = f"{parameter.name} must be at most {sr / 2:g} Hz, half the sampling rate, got {value}"
        raise ValueError(msg)


def grid(
    parameters: Sequence[Parameter], n: int | Sequence[int], *, signed: bool = False
) -> NDArray[np.float64]:
    """Create a grid of evenly spaced values of all parameters.

    Parameters
    ----------
    parameters : sequence of Parameter
        Parameters of a synthesizer.
    n : int or sequence of int
        Values per parameter, for all or for each.
    signed : bool, default False
        Whether signed parameters cover both signs.

    Returns
    -------
    theta : ndarray of float64, shape (n ** n_params, n_params)
        The last parameter changes fastest.

    Examples
    --------
    >>> from scatseg.synth import AMChirp
    >>> grid(AMChirp().parameters[1:], 2)
    array([[ 4. , 0.5],
           [ 4. , 4. ],
           [32. , 0.5],
           [32. , 4. ]])
    """
    counts = [n] * len(parameters) if isinstance(n, int | np.integer) else list(n)
    if len(counts) != len(parameters):
        msg = f"a grid of {len(parameters)} parameters needs as many sizes, got {len(counts)}"
        raise ValueError(msg)
    if signed and not any(each.either_sign for each in parameters):
        names = ", ".join(each.name for each in parameters)
        msg = f"no parameter of this synth may be negative: {names}"
        raise ValueError(msg)
    axes = [
        each.spaced(count, signed=signed) for each, count in zip(parameters, counts, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def placed(theta: NDArray[np.floating], device: str) -> Tensor:
    """Convert parameters to a float64 tensor on a device like "cpu" or "cuda".

    Raises
    ------
    ValueError
        When torch is not installed, or has no such device.
    """
    check_device(device)
    import torch

    return torch.as_tensor(theta, dtype=torch.float64, device=device)


def check_device(device: str) -> None:
    """Check that a torch device is available.

    Raises
    ------
    ValueError
        When torch is not installed, or has no such device.
    """
    try:
        import torch
    except ImportError as error:
        msg = f"the device {device!r} needs torch: pip install scatseg[torch]"
        raise ValueError(msg) from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        msg = f"torch has no device {device!r} here: {str(error).splitlines()[0]}"
        raise ValueError(msg) from error


def library(x: Tensor) -> Any:
    """Return numpy, or torch for tensors, which share the function names used here."""
    if not is_tensor(x):
        return np
    import torch

    return torch


def check_audible(parameters: Sequence[Parameter], sr: int) -> None:
    """Check that frequency ranges are below the Nyquist frequency.

    Raises
    ------
    ValueError
        When a range exceeds it; the message names the parameter.
    """
    for each in parameters:
        if each.unit == "Hz" and each.high > sr / 2:
            half, got = told_apart(sr / 2, each.high, digits=6)
            msg = f"{each.name} must be at most {half} Hz, half the sampling rate, got {got} Hz"
            raise ValueError(msg)
