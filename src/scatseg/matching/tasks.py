"""Matching tasks: a target and the parameters to estimate."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatseg import audio, naming
from scatseg.counts import told_apart
from scatseg.matching.descent import random_starts
from scatseg.matching.targets import Levelled, delayed_target, fitted
from scatseg.synth import Parameter, Synth, check_names, ranged, synthesizer, theta_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A target, and the synthesizer to match it with.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    parameters : tuple of Parameter
        Its parameters, with the ranges to search.
    fixed : mapping of str to float
        Known parameters.
    sound : ndarray of float32, shape (n_samples,)
        The target.
    truth : ndarray of float64, shape (n_params,), or None
        True parameters of the target, if known.
    notes : tuple of str
        Notes about the target.
    """

    synth: Synth
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, float]
    sound: NDArray[np.float32]
    truth: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of the task."""
        synth = naming.placeless(self.synth) + naming.code_of(self.synth)
        options = f"{synth} {self.parameters!r} {sorted(self.fixed.items())}"
        return hashlib.sha256(options.encode() + self.sound.tobytes()).hexdigest()

    @property
    def known_truth(self) -> NDArray[np.float64]:
        """True parameters of the target.

        Raises
        ------
        ValueError
            When it is a recording.
        """
        if self.truth is None:
            msg = "this needs a target of known parameters, not a recording"
            raise ValueError(msg)
        return self.truth

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters to estimate."""
        return tuple(each.name for each in self.parameters if each.name not in self.fixed)

    def target(self, shift: int = 0, device: str = "cpu") -> Tensor:
        """Return the target, delayed by `shift` samples.

        Raises
        ------
        ValueError
            When the result is silent.
        """
        return delayed_target(torch.from_numpy(self.sound), shift).to(device)

    def outside(self, names: Collection[str], done: str) -> list[str]:
        """Return a sentence for each of these parameters of a known target outside its range.

        Parameters
        ----------
        names : collection of str
            Parameter names.
        done : str
            What is done with the ranges: "searched".
        """
        return [
            f"{name}={value:g} of the target lies outside the range {done}, {low:g} to {high:g}"
            for name, value, low, high in _outside(self.parameters, self.known_truth, names)
        ]

    def starts(
        self, given: Mapping[str, float] | None, n: int | None, *, signed: bool, seed: int
    ) -> NDArray[np.float64]:
        """Return the given start, if any, and `n` random ones; 8 if neither is given.

        Raises
        ------
        ValueError
            When there is no start, the given one is outside the ranges, no parameter is free, or
            both signs are requested and no free parameter is signed.
        """
        if not self.free:
            msg = "nothing to match: every parameter is fixed"
            raise ValueError(msg)
        if signed and not any(p.either_sign for p in self.parameters if p.name in self.free):
            msg = f"no free parameter may be negative: {', '.join(self.free)}"
            raise ValueError(msg)
        rows = []
        if given is not None:
            row = _theta(self.synth, self.parameters, {**given, **self.fixed})
            for name, value, low, high in _outside(self.parameters, row, self.free):
                msg = f"a start must lie in the range searched, but {name}={value:g} is not "
                msg += f"between {low:g} and {high:g}"
                raise ValueError(msg)
            rows.append(row[None])
        n_random = n if n is not None else 0 if rows else 8
        if not rows and not n_random:
            msg = "at least one start is needed"
            raise ValueError(msg)
        rows.append(
            random_starts(self.parameters, n_random, fixed=self.fixed, signed=signed, seed=seed)
        )
        return np.concatenate(rows)

    def plane(self, over: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return the two parameters to map: those given, else the last two free ones.

        Raises
        ------
        ValueError
            When there are not two.
        """
        naming.check_several("over", over)
        check_names(self.synth, over)
        chosen = over or self.free[-2:]
        if len(chosen) == 1:
            others = [each.name for each in self.parameters if each.name != chosen[0]]
            chosen = (*others[-1:], *chosen)
        if len(chosen) != 2 or chosen[0] == chosen[1]:
            msg = f"two parameters span a plane, got {', '.join(chosen) or 'none'}"
            raise ValueError(msg)
        return chosen[0], chosen[1]


def task_of(
    synth: str,
    *,
    ranges: Mapping[str, tuple[float, float]],
    fixed: Mapping[str, float],
    truth: Mapping[str, float] | None = None,
    recording: Path | None = None,
) -> Task:
    """Create a task.

    Parameters
    ----------
    synth : str
        Name of a synthesizer, see `scatseg.synth.synthesizer`.
    ranges : mapping of str to (float, float)
        Ranges that replace those of the synthesizer.
    fixed : mapping of str to float
        Known parameters.
    truth : mapping of str to float, optional
        Parameters of the target; those missing are as in `fixed`, else mid-range.
    recording : Path, optional
        A file as the target, of any sampling rate, length and level. All sounds are then normalized
        in level, as the level of a recording is not informative.

    Raises
    ------
    ValueError
        When a name is unknown, a value or range is invalid, the synthesizer does not support
        tensors, the target is silent, or not exactly one target is given.
    AudioError
        When the recording cannot be read.
    """
    player = synthesizer(synth)
    parameters = ranged(player, ranges)
    middle = _theta(player, parameters, fixed)
    if (truth is None) == (recording is None):
        msg = "a target is needed, either a recording or --target-params"
        raise ValueError(msg)
    if truth is not None:
        theta = _theta(player, parameters, {**fixed, **truth})
        return Task(
            synth=player,
            parameters=parameters,
            fixed=fixed,
            sound=_played(player, theta),
            truth=theta,
        )
    assert recording is not None
    n_samples = len(_played(player, middle))
    target = audio.decode(recording, sr=player.sr)
    return Task(
        synth=Levelled(synth=player),
        parameters=parameters,
        fixed=fixed,
        sound=fitted(target.y, n_samples),
        truth=None,
        notes=(*target.warnings, *_lengths(len(target.y), n_samples, player.sr)),
    )


def _theta(
    synth: Synth, parameters: Sequence[Parameter], values: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return parameters (n_params,) with the given values, the others mid-range."""
    middle = {each.name: float(each.spaced(1)[0]) for each in parameters}
    theta: NDArray[np.float64] = theta_of(synth, {**middle, **values})
    return theta


def _played(synth: Synth, theta: NDArray[np.float64]) -> NDArray[np.float32]:
    """Synthesize one sound with torch."""
    try:
        sound = synth(torch.from_numpy(theta)).numpy(force=True)
    except Exception as error:  # a custom synthesizer may raise anything
        msg = f"matching needs a synth that plays tensors of torch, and this one raises {error!r}"
        raise ValueError(msg) from error
    if not sound.any():
        msg = "the target is silent: there is nothing to match"
        raise ValueError(msg)
    return np.asarray(sound, dtype=np.float32)


def _outside(
    parameters: Sequence[Parameter], theta: NDArray[np.float64], names: Collection[str]
) -> Iterator[tuple[str, float, float, float]]:
    """Yield those of the named parameters that lie outside their ranges, and these."""
    for each, value in zip(parameters, theta, strict=True):
        size = abs(value) if each.either_sign else value
        if each.name in names and not each.low <= size <= each.high:
            yield each.name, float(value), each.low, each.high


def _lengths(n: int, n_samples: int, sr: int) -> list[str]:
    if n == n_samples:
        return []
    done = "only its loudest excerpt is matched" if n > n_samples else "it is padded with silence"
    target, sounds = told_apart(n / sr, n_samples / sr)
    return [f"the target lasts {target} s, the sounds of the synth {sounds} s: {done}"]
