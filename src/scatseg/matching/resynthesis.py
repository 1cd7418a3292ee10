"""Scattering coefficients -> a sound with these coefficients, by optimization.

With a large averaging scale, the result preserves tone, texture and playing technique, but not the
exact timing, which depends on the seed.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from scatseg.distances import JointCoefficients, ScatteringCoefficients
from scatseg.rates import check_rate
from scatseg.scattering.arguments import check_integer, check_signal

Coefficients = ScatteringCoefficients | JointCoefficients

Optimizer = Literal["l-bfgs", "bold-driver"]

Signal = NDArray[np.floating]

_PIECE = 2**17
"""Samples per chunk of the comparison."""

_REACH = 4
"""Support of the averaging Gaussian on either side, in units of T."""

_EVERY = 10
"""Steps between saved states."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Resynthesis:
    """A sound made from coefficients.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        The sound, in float64 if the target was, else in float32.
    errors : ndarray of float64, shape (n_steps + 1,)
        Relative error of the coefficients, at the start and after each step.
    """

    y: Signal
    errors: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Relative error of the sound."""
        return float(self.errors[-1])


@dataclass(frozen=True)
class Edit:
    """A gain applied to a band of coefficients.

    Parameters
    ----------
    what : {"rate", "carrier"}
        Whether `low` and `high` are modulation rates or carrier frequencies.
    low, high : float
        Hz, inclusive.
    gain : float
        Factor, at least 0.
    """

    what: Literal["rate", "carrier"]
    low: float
    high: float
    gain: float

    def __post_init__(self) -> None:
        if self.what not in ("rate", "carrier"):
            msg = f'an edit is of "rate" or "carrier", got {self.what!r}'
            raise ValueError(msg)
        if not (0 <= self.low < self.high and 0 <= self.gain < np.inf):
            msg = (
                "an edit needs 0 <= low < high, in Hz, and a gain of at least 0, "
                f"got {self.low} to {self.high} Hz, gain {self.gain}"
            )
            raise ValueError(msg)


def resynthesize(
    target: ArrayLike | Tensor,
    coefficients: Coefficients,
    *,
    sr: int = 22050,
    n_steps: int = 100,
    optimizer: Optimizer = "l-bfgs",
    start: Literal["spectrum", "noise"] | ArrayLike = "spectrum",
    other: ArrayLike | None = None,
    mix: float = 0.5,
    edits: Sequence[Edit] = (),
    seed: int = 0,
    device: str | torch.device | None = None,
    state: bytes | None = None,
    on_step: Callable[[float], object] | None = None,
    on_state: Callable[[bytes], object] | None = None,
) -> Resynthesis:
    """Resynthesize a sound from its scattering coefficients, optionally edited or interpolated.

    Each step updates the whole sound, without seams, but compares coefficients in chunks, so that
    memory does not grow with length.

    Parameters
    ----------
    target : array_like or Tensor of float, shape (n_samples,)
        The sound.
    coefficients : ScatteringCoefficients or JointCoefficients
        Coefficients to match. T must be local; a larger T discards more of the timing.
    sr : int, default 22050
        Sampling rate in Hz. Only used by `edits`.
    n_steps : int, default 100
        Steps of the optimizer, at least 0.
    optimizer : {"l-bfgs", "bold-driver"}
        L-BFGS with a strong Wolfe line search; or steepest descent that increases its rate after
        each improvement, and otherwise goes back and halves it.
    start : {"spectrum", "noise"} or array_like of float, shape (n_samples,)
        The target's magnitude spectrum with random phases, white noise of the target's level, or a
        sound.
    other : array_like of float, shape (n_samples,), optional
        A second sound, whose coefficients are interpolated with those of the target.
    mix : float, default 0.5
        Weight of the second sound, in [0, 1].
    edits : sequence of Edit
        Changes to the target coefficients.
    seed : int, default 0
        Seed of the noise.
    device : str or torch.device, optional
        Torch device; by default, that of the target.
    state : bytes, optional
        A state from `on_state` to resume from; ignored if beyond `n_steps`.
    on_step : callable, optional
        Called with each relative error.
    on_state : callable, optional
        Called every few steps with a state to resume from.

    Returns
    -------
    resynthesis : Resynthesis
        The sound, and the errors of all steps.

    Raises
    ------
    ValueError
        When the target is silent or shorter than T, lengths differ, coefficients are compressed
        (`eps`) or not of order 2 (`p`), or an option is out of range.
    """
    check_integer("n_steps", n_steps, 0)
    check_rate(sr)
    sound = _sound(target)
    sound = sound if device is None else sound.to(device)
    level = float(sound.square().mean().sqrt())
    if not level:
        msg = "the target is silent: there is nothing to resynthesize"
        raise ValueError(msg)
    if optimizer not in _OPTIMIZERS:
        msg = f"optimizer must be one of {', '.join(_OPTIMIZERS)}, got {optimizer!r}"
        raise ValueError(msg)
    if coefficients.eps is not None or coefficients.p != 2:
        msg = "resynthesis needs the squared distance of uncompressed coefficients: eps must be "
        msg += f"None and p 2, got {coefficients.eps} and {coefficients.p}"
        raise ValueError(msg)
    wanted = _Wanted.of(sound / level, coefficients)
    if other is not None:
        second = _checked(other, sound, "the second sound") / level
        wanted = wanted.towards(_Wanted.of(second, coefficients), mix)
    wanted = wanted.edited(edits, sr)
    z = _started(start, sound, seed) / level
    errors: list[float] = []
    kept = _loaded(state)
    kept = kept if len(kept.get("errors", ())) <= n_steps + 1 else {}
    for step in _OPTIMIZERS[optimizer](wanted, z, n_steps, kept, on_state):
        errors = step.errors
        z = step.z
        if on_step is not None:
            on_step(errors[-1])
    y = (level * z).numpy(force=True)
    return Resynthesis(y=y, errors=np.array(errors))


def spectral_noise(x: ArrayLike, *, seed: int = 0) -> Signal:
    """Generate noise with the magnitude spectrum of a sound (n_samples,) and random phases.

    float32 is kept, all else becomes float64.

    Raises
    ------
    ValueError
        When x is not one sound of finite samples.
    """
    y = np.asarray(x)
    if y.ndim != 1:
        msg = f"one sound (n_samples,) is needed, got shape {y.shape}"
        raise ValueError(msg)
    check_signal(y)
    y = y if y.dtype == np.float32 else y.astype(np.float64)
    rng = np.random.default_rng(seed)
    phases = np.angle(np.fft.rfft(rng.normal(size=len(y))))
    noise: Signal = np.fft.irfft(np.abs(np.fft.rfft(y)) * np.exp(1j * phases), len(y))
    return noise.astype(y.dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Piece:
    """A chunk of the signal, and its valid frames."""

    samples: slice
    frames: slice


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wanted:
    """Target coefficients in chunks."""

    coefficients: Coefficients
    pieces: tuple[_Piece, ...]
    values: tuple[Tensor, ...]

    @classmethod
    def of(cls, z: Tensor, coefficients: Coefficients) -> _Wanted:
        pieces = tuple(_pieces(len(z), coefficients))
        with torch.no_grad():
            values = tuple(_described(z, piece, coefficients) for piece in pieces)
        return cls(coefficients=coefficients, pieces=pieces, values=values)

    def towards(self, other: _Wanted, mix: float) -> _Wanted:
        if not 0 <= mix <= 1:
            msg = f"mix must be between 0 and 1, got {mix}"
            raise ValueError(msg)
        pairs = zip(self.values, other.values, strict=True)
        values = tuple((1 - mix) * a + mix * b for a, b in pairs)
        return _Wanted(coefficients=self.coefficients, pieces=self.pieces, values=values)

    def edited(self, edits: Sequence[Edit], sr: int) -> _Wanted:
        if not edits:
            return self
        gains = torch.from_numpy(_gains(self.coefficients.transform.meta(sr), edits))
        gains = gains.to(self.values[0])[:, None]
        values = tuple(value * gains for value in self.values)
        return _Wanted(coefficients=self.coefficients, pieces=self.pieces, values=values)

    @property
    def energy(self) -> float:
        return sum(float(value.square().sum()) for value in self.values)

    def squared_error(self, z: Tensor) -> tuple[float, Tensor]:
        """Return the squared error of a sound, relative to the energy, and its gradient."""
        unit = self.energy
        total, gradient = 0.0, torch.zeros_like(z)
        for piece, value in zip(self.pieces, self.values, strict=True):
            here = z[piece.samples].detach().requires_grad_()
            inner = _Piece(samples=slice(None), frames=piece.frames)
            part = (_described(here, inner, self.coefficients) - value).square().sum() / unit
            (slope,) = torch.autograd.grad(part, here)
            gradient[piece.samples] += slope
            total += float(part.detach())
        return total, gradient


def _described(z: Tensor, piece: _Piece, coefficients: Coefficients) -> Tensor:
    S: Tensor = coefficients(z[piece.samples])[..., piece.frames]
    return S


def _pieces(n_samples: int, coefficients: Coefficients) -> Iterator[_Piece]:
    """Divide a signal into chunks at frames, with the context needed by their averages."""
    if coefficients.T in (0, "global"):
        msg = f"resynthesis needs an average over a scale, got T={coefficients.T!r}"
        raise ValueError(msg)
    options = coefficients.transform.options
    hop = options.stride
    around = -(-_REACH * options.T // hop)
    n_frames = -(-n_samples // hop)
    per_piece = max(_PIECE // hop, 2 * around)
    n_pieces = max(1, round(n_frames / per_piece))
    edges = [n_frames * k // n_pieces for k in range(n_pieces + 1)]
    for a, b in itertools.pairwise(edges):
        first, last = max(a - around, 0), min(b + around, n_frames)
        yield _Piece(
            samples=slice(first * hop, min(last * hop, n_samples)),
            frames=slice(a - first, b - first),
        )


def _gains(meta: Mapping[str, Any], edits: Sequence[Edit]) -> NDArray[np.float64]:
    columns = {"rate": "modulation_hz", "carrier": "carrier_hz"}
    gains = np.ones(len(meta["order"]))
    for edit in edits:
        hertz = np.asarray(meta[columns[edit.what]], dtype=np.float64)
        there = (hertz >= edit.low) & (hertz <= edit.high)
        if not there.any():
            msg = f"no path has a {edit.what} between {edit.low:g} and {edit.high:g} Hz"
            raise ValueError(msg)
        gains[there] *= edit.gain
    return gains


def _sound(target: ArrayLike | Tensor) -> Tensor:
    sound = target.detach() if isinstance(target, Tensor) else torch.from_numpy(np.array(target))
    sound = sound if sound.dtype == torch.float64 else sound.float()
    if sound.ndim != 1 or not len(sound) or not bool(torch.isfinite(sound).all()):
        msg = f"the target must be one finite sound (n_samples,), got shape {tuple(sound.shape)}"
        raise ValueError(msg)
    return sound


def _checked(x: ArrayLike, like: Tensor, what: str) -> Tensor:
    y = _sound(x).to(like)
    if len(y) != len(like):
        msg = f"{what} must have as many samples as the target, {len(like)}, got {len(y)}"
        raise ValueError(msg)
    return y


def _started(start: str | ArrayLike, sound: Tensor, seed: int) -> Tensor:
    if not isinstance(start, str):
        return _checked(start, sound, "the start")
    if start == "spectrum":
        return torch.from_numpy(spectral_noise(sound.numpy(force=True), seed=seed)).to(sound)
    if start == "noise":
        noise = np.random.default_rng(seed).normal(size=len(sound))
        return torch.from_numpy(noise).to(sound) * sound.square().mean().sqrt()
    msg = f'start must be "spectrum", "noise" or a sound, got {start!r}'
    raise ValueError(msg)


@dataclass(kw_only=True, eq=False)
class _Step:
    """The progress of a descent."""

    z: Tensor
    errors: list[float]


State = dict[str, Any]


def _loaded(state: bytes | None) -> State:
    return {} if state is None else torch.load(io.BytesIO(state), weights_only=True)


def _saved(state: State) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def _l_bfgs(
    wanted: _Wanted,
    z: Tensor,
    n_steps: int,
    state: State,
    on_state: Callable[[bytes], object] | None,
) -> Iterator[_Step]:
    """Run L-BFGS with a line search."""
    z = state["z"].to(z) if state else z.clone()
    z.requires_grad_()
    descent = torch.optim.LBFGS(
        [z],
        max_iter=1,
        max_eval=25,
        history_size=20,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    if state:
        descent.load_state_dict(state["descent"])
    last: dict[str, Any] = {}

    def closure() -> float:
        # Each step evaluates the end of the last line search again.
        if "z" not in last or not torch.equal(last["z"], z.detach()):
            last["z"] = z.detach().clone()
            last["value"], last["gradient"] = wanted.squared_error(last["z"])
        z.grad = last["gradient"].clone()
        return float(last["value"])

    errors = list(state["errors"]) if state else [closure() ** 0.5]
    yield _Step(z=z.detach().clone(), errors=errors)
    while len(errors) <= n_steps:
        descent.step(closure)  # type: ignore[no-untyped-call]
        errors = [*errors, closure() ** 0.5]
        yield _Step(z=z.detach().clone(), errors=errors)
        if on_state is not None and len(errors) % _EVERY == 1:
            kept = {"z": z.detach(), "errors": errors, "descent": descent.state_dict()}
            on_state(_saved(kept))


def _bold_driver(
    wanted: _Wanted,
    z: Tensor,
    n_steps: int,
    state: State,
    on_state: Callable[[bytes], object] | None,
) -> Iterator[_Step]:
    """Run the bold driver: increase the rate after each improvement, else go back and halve it."""
    z = state["z"].to(z) if state else z
    value, gradient = wanted.squared_error(z)
    # The norm of the first step is a tenth of that of the sound; at the target, there is none.
    slope = float(gradient.norm()) or np.inf
    rate = float(state["rate"]) if state else 0.1 * float(z.norm()) / slope
    errors = list(state["errors"]) if state else [value**0.5]
    yield _Step(z=z, errors=errors)
    while len(errors) <= n_steps:
        trial = z - rate * gradient
        new_value, new_gradient = wanted.squared_error(trial)
        if new_value < value:
            z, value, gradient, rate = trial, new_value, new_gradient, 1.2 * rate
        else:
            rate /= 2
        errors = [*errors, value**0.5]
        yield _Step(z=z, errors=errors)
        if on_state is not None and len(errors) % _EVERY == 1:
            on_state(_saved({"z": z, "errors": errors, "rate": rate}))


_OPTIMIZERS: Mapping[str, Callable[..., Iterator[_Step]]] = {
    "l-bfgs": _l_bfgs,
    "bold-driver": _bold_driver,
}
