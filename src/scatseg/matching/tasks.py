"""What a target is and which parameters may play it, from what a user says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatseg import audio
from scatseg.matching.descent import Levelled, fitted, random_starts
from scatseg.synth import Parameter, Synth, check_names, delayed, ranged, synthesizer, theta_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A target, and the synthesizer that is to play it.

    Parameters
    ----------
    synth : Synth
        What plays.
    parameters : tuple of Parameter
        Its parameters, in the ranges that are searched.
    fixed : mapping of str to float
        Parameters that are known.
    sound : ndarray of float32, shape (n_samples,)
        The target.
    truth : ndarray of float64, shape (n_params,), or None
        What it was played from, where that is known.
    notes : tuple of str
        What a user should know about the target.
    """

    synth: Synth
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, float]
    sound: NDArray[np.float32]
    truth: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A name for all of it."""
        options = f"{self.synth!r} {self.parameters!r} {sorted(self.fixed.items())}"
        return hashlib.sha256(options.encode() + self.sound.tobytes()).hexdigest()

    @property
    def known_truth(self) -> NDArray[np.float64]:
        """What the target was played from.

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
        """The parameters that are searched."""
        return tuple(each.name for each in self.parameters if each.name not in self.fixed)

    def target(self, shift: int = 0, device: str = "cpu") -> Tensor:
        """Return the target, delayed by some samples."""
        sound: Tensor = delayed(torch.from_numpy(self.sound), shift)
        return sound.to(device)

    def starts(
        self, given: Mapping[str, float] | None, n: int | None, *, signed: bool, seed: int
    ) -> NDArray[np.float64]:
        """Return the start that was given and `n` random ones, 8 where neither is said."""
        rows = []
        if given is not None:
            rows.append(theta_of(self.synth, {**given, **self.fixed})[None])
        n_random = n if n is not None else 0 if rows else 8
        rows.append(
            random_starts(self.parameters, n_random, fixed=self.fixed, signed=signed, seed=seed)
        )
        return np.concatenate(rows)

    def plane(self, over: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return the two parameters to draw: those asked for, or the last two that are free.

        Raises
        ------
        ValueError
            When there are not two.
        """
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
    """Set a task.

    Parameters
    ----------
    synth : str
        Name of a synthesizer, see `scatseg.synth.synthesizer`.
    ranges : mapping of str to (float, float)
        Other ranges than those of the synthesizer.
    fixed : mapping of str to float
        Parameters that are known.
    truth : mapping of str to float, optional
        Parameters to play the target from; those not given are as fixed, or mid-range.
    recording : Path, optional
        A file instead: any sampling rate, length and level. All sounds are then equally loud, for
        how loud a recording is says nothing about its parameters.

    Raises
    ------
    ValueError
        When a name is unknown, a value or range cannot be played, the recording is silent, or there
        is no target, or two.
    AudioError
        When the recording cannot be read.
    """
    player = synthesizer(synth)
    parameters = ranged(player, ranges)
    theta_of(player, fixed)
    if (truth is None) == (recording is None):
        msg = "a target is needed, either a recording or --target-params"
        raise ValueError(msg)
    if truth is not None:
        theta = theta_of(player, {**fixed, **truth})
        return Task(
            synth=player,
            parameters=parameters,
            fixed=fixed,
            sound=np.asarray(player(theta), dtype=np.float32),
            truth=theta,
            notes=tuple(_outside(parameters, theta, fixed)),
        )
    assert recording is not None
    n_samples = player(theta_of(player, fixed)).shape[-1]
    heard = audio.decode(recording, sr=player.sr)
    return Task(
        synth=Levelled(synth=player),
        parameters=parameters,
        fixed=fixed,
        sound=fitted(heard.y, n_samples),
        truth=None,
        notes=(*heard.warnings, *_lengths(len(heard.y), n_samples, player.sr)),
    )


def _outside(
    parameters: tuple[Parameter, ...], theta: NDArray[np.float64], fixed: Mapping[str, float]
) -> list[str]:
    """Say which of the target's parameters no descent can reach."""
    return [
        f"{each.name}={value:g} of the target lies outside the range searched, "
        f"{each.low:g} to {each.high:g}: the nearest that can be found is its bound"
        for each, value in zip(parameters, theta, strict=True)
        if each.name not in fixed
        and not each.low <= (abs(value) if each.either_sign else value) <= each.high
    ]


def _lengths(n: int, n_samples: int, sr: int) -> list[str]:
    if n == n_samples:
        return []
    done = "only its loudest stretch is matched" if n > n_samples else "silence is put around it"
    return [
        f"the target lasts {n / sr:.3f} s, the sounds of the synth {n_samples / sr:.3f} s: {done}"
    ]
