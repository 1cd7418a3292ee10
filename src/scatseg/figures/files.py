"""Shared by all figures of recordings: reading an excerpt, saving a figure and its data."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg import pictures, plotting
from scatseg.audio import AudioWarning, Recording, decode
from scatseg.counts import told_apart
from scatseg.pictures import TimeFrequency
from scatseg.plotting import clock
from scatseg.writing import atomic_write

Panels = Callable[[NDArray[Any]], object]
Timed = TypeVar("Timed", TimeFrequency, pictures.SecondOrder, pictures.Joint, pictures.Orders)

Excerpt = tuple[float | None, float | None]
"""Start and end in seconds; None is the start or end of the recording."""

SHORT = 6.0
"""Default seconds of figures that transform a signal many times."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """An excerpt of a recording."""

    recording: Recording
    y: NDArray[np.floating]
    sr: int
    start: float
    name: str
    place: str = ""
    """Start and end of an excerpt, for titles."""

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return len(self.y) / self.sr

    @property
    def end(self) -> float:
        """End in the recording in seconds."""
        return self.start + self.duration

    def placed(self, picture: Timed) -> Timed:
        """Shift the times of a picture of the excerpt to those of the recording."""
        return replace(picture, times=picture.times + self.start, end=picture.end + self.start)


def read_sound(
    path: Path,
    excerpt: Excerpt = (None, None),
    sr: int = 22050,
    *,
    longest: float | None = None,
) -> Sound:
    """Read an excerpt of a file; by default all of it, or its middle `longest` seconds.

    Warns
    -----
    AudioWarning
        When the excerpt should end after the recording.
    """
    recording = decode(path, sr=sr)
    start, end = excerpt
    if longest is not None and excerpt == (None, None) and recording.duration > longest:
        start = (recording.duration - longest) / 2
        end = start + longest
    first = 0 if start is None else round(start * sr)
    last = len(recording.y) if end is None else min(round(end * sr), len(recording.y))
    if not 0 <= first < last:
        asked = f"{start or 0:g} s to {'the end' if end is None else f'{end:g} s'}"
        msg = (
            f"{path}: an excerpt must lie within 0 and {recording.duration:.3f} s and not be "
            f"empty, got {asked}"
        )
        raise ValueError(msg)
    if end is not None and round(end * sr) > len(recording.y):
        asked, drawn = told_apart(end, recording.duration, digits=5)
        msg = f"{path}: {asked} s is after its end: drawn up to {drawn} s"
        warnings.warn(msg, AudioWarning, stacklevel=3)
    place = ""
    if (first, last) != (0, len(recording.y)):
        place = f" {clock(first / sr, 0.1)}\N{EN DASH}{clock(last / sr, 0.1)}"
    return Sound(
        recording=recording,
        y=recording.y[first:last],
        sr=sr,
        start=first / sr,
        name=path.stem,
        place=place,
    )


def plot_outline(sound: Sound, ax: Any) -> None:
    """Draw the envelope of an excerpt at its time in the recording."""
    outline = pictures.outline(sound.y)
    plotting.plot_waveform(outline, sound.duration, ax=ax, start=sound.start)


def check_average(sound: Sound, T: int | None, J: int) -> None:
    """Raise a ValueError for an averaging scale (2**J samples by default) over the excerpt."""
    scale, n_samples = 2**J if T is None else T, len(sound.y)
    if n_samples < scale:
        named = f"T = {scale}" if T is not None else f"T = 2^J = {scale}"
        msg = (
            f"{named} samples need at least as many, got {n_samples} ({sound.duration:.3g} s at "
            f"{sound.sr} Hz): choose a smaller {'T' if T is not None else 'T or J'}, or a longer "
            "sound"
        )
        raise ValueError(msg)


def average_text(T: int | None, J: int, sr: int) -> str:
    """Format the averaging time; T is 2**J samples by default."""
    seconds = (2**J if T is None else T) / sr
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def numbers_of(picture: TimeFrequency, prefix: str = "") -> dict[str, ArrayLike]:
    """Return the arrays of a picture by name."""
    return {
        f"{prefix}values": picture.values,
        f"{prefix}frequencies": picture.frequencies,
        f"{prefix}times": picture.times,
    }


def check_output(output: Path) -> None:
    """Raise a ValueError unless the suffix is .png or .svg."""
    if output.suffix not in (".png", ".svg"):
        msg = f"figures are written as .png or .svg, got {output.name!r}"
        raise ValueError(msg)


def write(
    output: Path,
    panels: Panels,
    numbers: Mapping[str, ArrayLike] | None = None,
    *,
    heights: Sequence[float],
    columns: int = 1,
    title: str = "",
    after: str = "",
    share: bool | Literal["col"] = False,
    key: Sequence[Any] = (),
) -> Path:
    """Draw a figure, and save it with its data."""
    figure = plotting.axes_figure(
        panels, heights=heights, columns=columns, title=title, after=after, share=share, key=key
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    plotting.save_figure(figure, output)
    if numbers is not None:
        data = io.BytesIO()
        arrays: dict[str, Any] = {key: np.asarray(array) for key, array in numbers.items()}
        np.savez_compressed(data, **arrays)
        atomic_write(output.with_suffix(".npz"), data.getvalue())
    return output
