"""Resynthesis of files -> a folder with a .wav file, tables and scores.

The state is saved every few steps, so that an interrupted run can be resumed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import __version__, audio, naming
from scatseg.distances import JointCoefficients, ScatteringCoefficients
from scatseg.matching.resynthesis import Coefficients, Edit, Resynthesis, resynthesize
from scatseg.runs import write_csv, write_json
from scatseg.writing import atomic_write

_PRESETS: Mapping[str, tuple[type[Any], dict[str, Any]]] = {
    "scattering": (ScatteringCoefficients, {"J": 12, "Q": (12, 1), "T": 2**13}),
    "jtfs": (
        JointCoefficients,
        {"J": 12, "Q": (12, 1), "J_fr": 3, "Q_fr": 2, "F": 0, "T": 2**13},
    ),
}

_FULL = 0.999
"""Maximum peak of the result, relative to full scale."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The configuration of a resynthesis.

    Parameters
    ----------
    files : tuple of Path
        A recording, or two to interpolate: the result has the length of the longer one, and the
        channels of the first.
    coefficients : ScatteringCoefficients or JointCoefficients
        Target coefficients; a T longer than the recording is reduced to its length.
    sr : int
        Sampling rate in Hz.
    stretch : (float or None, float or None)
        Start and end of the excerpt of the files in seconds.
    mix : float
        Weight of the second file.
    edits : tuple of Edit
        Changes to the coefficients.
    each_channel : bool
        Whether to resynthesize each channel, or only their mean.
    start : str
        "spectrum", "noise" or a file.
    n_steps, optimizer, seed
        As in `resynthesize`; each channel has its own seed.
    device : str
        Torch device.
    """

    files: tuple[Path, ...]
    coefficients: Coefficients
    sr: int = 22050
    stretch: tuple[float | None, float | None] = (None, None)
    mix: float = 0.5
    edits: tuple[Edit, ...] = ()
    each_channel: bool = False
    start: str = "spectrum"
    n_steps: int = 100
    optimizer: Any = "l-bfgs"
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """The input sounds of a job.

    Parameters
    ----------
    targets : ndarray of float32, shape (n_channels, n_samples)
        The recording.
    others, starts : ndarray of float32, shape (n_channels, n_samples), or None
        A second recording, and a sound to start from.
    notes : tuple of str
        Warnings about the files.
    """

    targets: NDArray[np.float32]
    others: NDArray[np.float32] | None
    starts: NDArray[np.float32] | None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of the sounds."""
        digest = hashlib.sha256()
        for part in (self.targets, self.others, self.starts):
            digest.update(repr(None if part is None else part.shape).encode())
            digest.update(b"" if part is None else part.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendering:
    """The result of a job.

    Parameters
    ----------
    target, y : ndarray of float32, shape (n_samples,)
        The mean of all channels of target and result.
    results : dict of str to Resynthesis
        Results by channel.
    notes : tuple of str
        Warnings.
    """

    target: NDArray[np.float32]
    y: NDArray[np.float32]
    results: Mapping[str, Resynthesis]
    notes: tuple[str, ...]


def coefficients(features: str, changes: Mapping[str, Any]) -> Coefficients:
    """Create coefficients by name.

    Parameters
    ----------
    features : str
        "scattering" or "jtfs", with options after a colon.
    changes : mapping
        Options that take precedence.

    Raises
    ------
    ValueError
        When the name or an option is unknown.

    Examples
    --------
    >>> coefficients("scattering:J=10", {"T": 4096})
    ScatteringCoefficients(J=10, Q=(12, 1), T=4096, max_order=2, accuracy='default', eps=None, p=2)
    """
    (name, options), *more = naming.parse_names(features)
    if more or name not in _PRESETS:
        msg = f"resynthesis needs {' or '.join(_PRESETS)}, one at a time, got {features!r}"
        raise ValueError(msg)
    kind, preset = _PRESETS[name]
    made: Coefficients = naming.build(
        name, {**preset, **options, **changes}, {name: kind}, "feature"
    )
    return made


def read(job: Job) -> Sounds:
    """Read the files of a job.

    Raises
    ------
    ValueError
        When a recording is empty or silent.
    AudioError
        When a file cannot be read.
    """
    notes: list[str] = []
    sounds = [_excerpt(_channels(path, job, notes), job) for path in job.files]
    shape = (len(sounds[0]), max(y.shape[-1] for y in sounds))
    targets, *others = (_fitted(y, shape) for y in sounds)
    if not targets.any():
        msg = "the target is silent: there is nothing to resynthesize"
        raise ValueError(msg)
    starts = None
    if job.start not in ("spectrum", "noise"):
        starts = _fitted(_channels(Path(job.start), job, notes), shape)
    return Sounds(
        targets=targets,
        others=others[0] if others else None,
        starts=starts,
        notes=tuple(dict.fromkeys(notes)),
    )


def run(job: Job, sounds: Sounds, out: Path, on_step: Callable[[float], object]) -> Rendering:
    """Resynthesize, and write resynthesis.wav, target.wav, tables and scores.json.

    Silent channels remain silent.

    Raises
    ------
    ValueError
        When an option is invalid.
    """
    targets = sounds.targets
    fitting = _within_length(job.coefficients, targets.shape[-1])
    names = [f"channel {k + 1}" for k in range(len(targets))] if len(targets) > 1 else ["mono"]
    results, notes = {}, [*sounds.notes, *_shortened(job.coefficients, fitting)]
    for k, name in enumerate(names):
        if targets[k].any():
            results[name] = _rendered(job, sounds, k, fitting, out, on_step)
        else:
            results[name] = Resynthesis(y=targets[k], errors=np.zeros(job.n_steps + 1))
            notes.append(f"{name} is silent, and stays so")
    y, loudness = _within_scale(np.stack([each.y for each in results.values()]))
    atomic_write(out / "resynthesis.wav", wav_bytes(y, job.sr))
    atomic_write(out / "target.wav", wav_bytes(targets, job.sr))
    _write_numbers(out, job, fitting, results, targets, y)
    for path in out.glob("state-*.pt"):
        path.unlink()
    return Rendering(
        target=targets.mean(0), y=y.mean(0), results=results, notes=(*notes, *loudness)
    )


def _rendered(
    job: Job,
    sounds: Sounds,
    k: int,
    fitting: Coefficients,
    out: Path,
    on_step: Callable[[float], object],
) -> Resynthesis:
    """Resynthesize one channel, from a saved state if there is one."""
    path, key = out / f"state-{k}.pt", _digest(job, fitting, sounds)
    return resynthesize(
        sounds.targets[k],
        fitting,
        sr=job.sr,
        n_steps=job.n_steps,
        optimizer=job.optimizer,
        start=job.start if sounds.starts is None else sounds.starts[k],
        other=None if sounds.others is None else sounds.others[k],
        mix=job.mix,
        edits=job.edits,
        seed=job.seed + k,
        device=job.device,
        state=_kept(path, key),
        on_step=on_step,
        on_state=lambda state: atomic_write(path, key + state),
    )


def wav_bytes(y: NDArray[np.floating], sr: int) -> bytes:
    """Encode channels (n_channels, n_samples) in [-1, 1] as 16-bit .wav."""
    samples = np.round(np.clip(y.T, -1, 1) * (2**15 - 1)).astype("<i2")
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(len(y))
        file.setsampwidth(2)
        file.setframerate(sr)
        file.writeframes(samples.tobytes())
    return data.getvalue()


def _channels(path: Path, job: Job, notes: list[str]) -> NDArray[np.float32]:
    """Read a file: the mean of its channels, or each of them, (n_channels, n_samples)."""
    recording = audio.decode(path, sr=job.sr)
    notes += [f"{path}: {warning}" for warning in recording.warnings]
    if not job.each_channel or recording.channels == 1:
        return recording.y[None]
    stream = audio.stream(path, sr=job.sr)
    channels = [
        np.concatenate(list(dataclasses.replace(stream, channel=k, peak=1.0)))
        for k in range(recording.channels)
    ]
    together = np.stack(channels)
    return np.asarray(together / max(1.0, float(np.abs(together).max())), dtype=np.float32)


def _excerpt(y: NDArray[np.float32], job: Job) -> NDArray[np.float32]:
    """Cut out the excerpt."""
    first, last = (None if t is None else round(t * job.sr) for t in job.stretch)
    cut = y[:, first:last]
    if not cut.shape[-1]:
        lasts = y.shape[-1] / job.sr
        begin, end = job.stretch
        msg = f"the recording lasts {lasts:.3f} s: nothing of it is left from "
        msg += f"{begin or 0:g} to {lasts if end is None else end:g} s"
        raise ValueError(msg)
    return cut


def _within_length(coefficients: Coefficients, length: int) -> Coefficients:
    """Limit T to the length of the signal."""
    T = 2**coefficients.J if coefficients.T is None else coefficients.T
    if isinstance(T, int) and length < T:
        T = length
    return dataclasses.replace(coefficients, T=T)


def _shortened(wanted: Coefficients, fitting: Coefficients) -> list[str]:
    """Return a note if T was reduced."""
    if wanted.T in (None, fitting.T):
        return []
    return [f"T={wanted.T} is more than the sound's {fitting.T} samples: averaged over these"]


def _fitted(y: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Adjust length and channels of a sound to another; differing channels are averaged."""
    n = shape[-1]
    cut = np.pad(y[:, :n], ((0, 0), (0, max(0, n - y.shape[-1]))))
    same = cut if len(cut) == shape[0] else cut.mean(0, keepdims=True)
    return np.array(np.broadcast_to(same, shape), dtype=np.float32)


def _within_scale(y: NDArray[np.floating]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    peak = float(np.abs(y).max())
    if peak <= _FULL:
        return y.astype(np.float32), ()
    note = f"the result reached {peak:.3f} of full scale and was scaled down to {_FULL}"
    return (y * (_FULL / peak)).astype(np.float32), (note,)


def _digest(job: Job, fitting: Coefficients, sounds: Sounds) -> bytes:
    """Hash everything that a result depends on, except the number of steps, to 32 bytes."""
    options = {f.name: str(getattr(job, f.name)) for f in dataclasses.fields(job)}
    del options["n_steps"], options["files"]
    facts = {"version": __version__, "coefficients": repr(fitting), "sounds": sounds.digest}
    return hashlib.sha256(json.dumps(facts | options).encode()).digest()


def _kept(path: Path, key: bytes) -> bytes | None:
    """Read the state of an interrupted run with the same options."""
    data = path.read_bytes() if path.exists() else b""
    return data[len(key) :] if data.startswith(key) else None


def _write_numbers(
    out: Path,
    job: Job,
    fitting: Coefficients,
    results: Mapping[str, Resynthesis],
    targets: NDArray[np.float32],
    y: NDArray[np.float32],
) -> None:
    columns: Sequence[Any] = [each.errors.tolist() for each in results.values()]
    rows = ([k, *row] for k, row in enumerate(zip(*columns, strict=True)))
    write_csv(out / "convergence.csv", ["step", *results], rows)
    numbers = io.BytesIO()
    S, R = fitting(y), fitting(targets)
    np.savez_compressed(numbers, target=R, resynthesis=S)
    atomic_write(out / "coefficients.npz", numbers.getvalue())
    write_json(
        out / "scores.json",
        {
            "coefficients": repr(fitting),
            "seed": job.seed,
            "n_steps": job.n_steps,
            "optimizer": job.optimizer,
            "channels": [
                {"channel": name, "error_at_start": float(e.errors[0]), "error": e.error}
                for name, e in results.items()
            ],
        },
    )
