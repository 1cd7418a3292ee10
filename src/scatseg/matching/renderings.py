"""Resynthesis as a folder: files in, a .wav with as many channels out, and how it came about.

What is needed to go on is kept every few steps, so that an interrupted run goes on.
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
from scatseg.formats import atomic_write
from scatseg.matching.resynthesis import Coefficients, Edit, Resynthesis, resynthesize
from scatseg.matching.runs import write_csv, write_json

_PRESETS: Mapping[str, tuple[type[Any], dict[str, Any]]] = {
    "scattering": (ScatteringCoefficients, {"J": 12, "Q": (12, 1), "T": 2**13}),
    "jtfs": (
        JointCoefficients,
        {"J": 12, "Q": (12, 1), "J_fr": 3, "Q_fr": 2, "F": 0, "T": 2**13},
    ),
}

_FULL = 0.999
"""Of full scale: louder results are scaled down to it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be made.

    Parameters
    ----------
    files : tuple of Path
        A recording, or two that the result lies between.
    coefficients : ScatteringCoefficients or JointCoefficients
        What is compared; a T longer than the recording becomes its length.
    sr : int
        Sampling rate in Hz.
    mix : float
        How far towards the second file.
    edits : tuple of Edit
        Changes to the coefficients.
    each_channel : bool
        Whether channels are made one by one, or their mean only.
    start : str
        "spectrum", "noise" or a file.
    n_steps, optimizer, seed
        As in `resynthesize`; each channel has a seed of its own.
    device : str
        Where to compute.
    """

    files: tuple[Path, ...]
    coefficients: Coefficients
    sr: int = 22050
    mix: float = 0.5
    edits: tuple[Edit, ...] = ()
    each_channel: bool = False
    start: str = "spectrum"
    n_steps: int = 100
    optimizer: Any = "l-bfgs"
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendering:
    """What was made.

    Parameters
    ----------
    target, y : ndarray of float32, shape (n_samples,)
        The mean of all channels, before and after.
    results : dict of str to Resynthesis
        By channel.
    notes : tuple of str
        What a user should know.
    """

    target: NDArray[np.float32]
    y: NDArray[np.float32]
    results: Mapping[str, Resynthesis]
    notes: tuple[str, ...]


def coefficients(features: str, changes: Mapping[str, Any]) -> Coefficients:
    """Read which coefficients are meant.

    Parameters
    ----------
    features : str
        "scattering" or "jtfs", with options after a colon.
    changes : mapping
        Options that count more.

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
        msg = f"resynthesis is from {' or '.join(_PRESETS)}, one at a time, got {features!r}"
        raise ValueError(msg)
    kind, preset = _PRESETS[name]
    made: Coefficients = naming.build(name, {**preset, **options, **changes}, {name: kind}, name)
    return made


def run(job: Job, out: Path, on_step: Callable[[float], object]) -> Rendering:
    """Make the sound and write resynthesis.wav, target.wav, tables and scores.json.

    Raises
    ------
    ValueError
        When a recording is silent, or an option does not fit.
    AudioError
        When a file cannot be read.
    """
    targets = _channels(job.files[0], job)
    length = targets.shape[-1]
    others = [_fitted(_channels(path, job), targets.shape) for path in job.files[1:]]
    starts = None if job.start in ("spectrum", "noise") else _channels(Path(job.start), job)
    fitting = dataclasses.replace(job.coefficients, T=min(int(job.coefficients.T or 1), length))
    results = {}
    for k, target in enumerate(targets):
        path = out / f"state-{k}.pt"
        key = _digest(job, fitting, targets)
        results[f"channel {k + 1}" if len(targets) > 1 else "mono"] = resynthesize(
            target,
            fitting,
            sr=job.sr,
            n_steps=job.n_steps,
            optimizer=job.optimizer,
            start=job.start if starts is None else _fitted(starts, targets.shape)[k],
            other=others[0][k] if others else None,
            mix=job.mix,
            edits=job.edits,
            seed=job.seed + k,
            device=job.device,
            state=_kept(path, key),
            on_step=on_step,
            on_state=lambda state, path=path, key=key: atomic_write(path, key + state),  # type: ignore[misc]
        )
    y = np.stack([each.y for each in results.values()])
    y, notes = _within_scale(y)
    atomic_write(out / "resynthesis.wav", wav_bytes(y, job.sr))
    atomic_write(out / "target.wav", wav_bytes(targets, job.sr))
    _write_numbers(out, job, fitting, results, targets, y)
    for path in out.glob("state-*.pt"):
        path.unlink()
    return Rendering(target=targets.mean(0), y=y.mean(0), results=results, notes=notes)


def wav_bytes(y: NDArray[np.floating], sr: int) -> bytes:
    """Write channels (n_channels, n_samples) in [-1, 1] as a .wav of 16-bit integers."""
    samples = np.round(np.clip(y.T, -1, 1) * (2**15 - 1)).astype("<i2")
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(len(y))
        file.setsampwidth(2)
        file.setframerate(sr)
        file.writeframes(samples.tobytes())
    return data.getvalue()


def _channels(path: Path, job: Job) -> NDArray[np.float32]:
    """Read a file: the mean of its channels, or each of them, (n_channels, n_samples)."""
    recording = audio.decode(path, sr=job.sr)
    if not job.each_channel or recording.channels == 1:
        return recording.y[None]
    stream = audio.stream(path, sr=job.sr)
    channels = [
        np.concatenate(list(dataclasses.replace(stream, channel=k, peak=1.0)))
        for k in range(recording.channels)
    ]
    together = np.stack(channels)
    return np.asarray(together / max(1.0, float(np.abs(together).max())), dtype=np.float32)


def _fitted(y: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give a sound the length of another, and its channels, by their mean where they differ."""
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


def _digest(job: Job, fitting: Coefficients, targets: NDArray[np.float32]) -> bytes:
    """Name all that a result depends on but the number of steps, in 32 bytes."""
    options = {f.name: str(getattr(job, f.name)) for f in dataclasses.fields(job)}
    del options["n_steps"]
    text = json.dumps({"version": __version__, "coefficients": repr(fitting), **options})
    return hashlib.sha256(text.encode() + targets.tobytes()).digest()


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
