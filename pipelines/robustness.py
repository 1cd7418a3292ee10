"""Robustness of the default segmenter to changes of the sound.

    scatseg run pipelines/structure.toml
    python pipelines/robustness.py pipelines/robustness.toml

"Boundaries kept" is the share of first-level boundaries of the changed recording that lie within
0.2 s of a boundary of the original, after mapping times back; limits of silence at the ends do not
count. Tempo or pitch alone is changed by a phase vocoder, which also smears onsets; both together
by resampling, like varispeed. Scored as in `structure_table.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import librosa
import numpy as np
import soxr
from known_items import coded, noisy
from numpy.typing import NDArray
from song_report import Options, markdown_table, write_report
from structure_table import read_jams, scored_by_all

from scatseg import audio
from scatseg.bars import Bars
from scatseg.segmentation import SILENCE, Segmentation
from scatseg.segmenters import segment

SR = 22050
NEAR = 0.2
CENTS_30 = 2 ** (30 / 1200)
SHOWN = {"F05": "F@0.5", "F3": "F@3", "PWF": "pairwise F", "V": "V"}

Sound = NDArray[np.float32]


def stretched(y: Sound, rate: float) -> Sound:
    """Change the tempo by a factor, at the same pitch."""
    return librosa.effects.time_stretch(y, rate=rate)


def detuned(y: Sound, cents: float) -> Sound:
    """Shift the pitch."""
    return librosa.effects.pitch_shift(y, sr=SR, n_steps=cents / 100)


def played(y: Sound, rate: float) -> Sound:
    """Change tempo and pitch by a factor, by resampling."""
    return soxr.resample(y, SR, SR / rate)


def silent_at_both_ends(y: Sound) -> Sound:
    """Add two seconds of silence before and after."""
    return np.pad(y, 2 * SR)


CHANGES: Mapping[str, tuple[Callable[[Sound], Sound], Callable[[float], float]]] = {
    "as it is": (lambda y: y, lambda t: t),
    "4 % faster": (functools.partial(stretched, rate=1.04), lambda t: t * 1.04),
    "4 % slower": (functools.partial(stretched, rate=0.96), lambda t: t * 0.96),
    "30 cents higher": (functools.partial(detuned, cents=30), lambda t: t),
    "4 % faster and higher": (functools.partial(played, rate=1.04), lambda t: t * 1.04),
    "4 % slower and lower": (functools.partial(played, rate=0.96), lambda t: t * 0.96),
    "30 cents higher and faster": (
        functools.partial(played, rate=CENTS_30),
        lambda t: t * CENTS_30,
    ),
    "MP3 at 64 kbit/s": (lambda y: coded(y, SR, None), lambda t: t),
    "noise at -20 dB": (lambda y: noisy(y, SR, np.random.default_rng(0)), lambda t: t),
    "20 dB softer": (lambda y: y / 10, lambda t: t),
    "2 s of silence at both ends": (silent_at_both_ends, lambda t: t - 2),
}
"""Change of the sound, and the map from its times back to the original's."""


def form(y: Sound, back: Callable[[float], float], duration: float) -> Segmentation:
    """Segment a changed recording, with times mapped back to the original."""
    found = without_silent_ends(segment(Bars()(y.astype(np.float32), SR)))
    times = np.clip([back(t) for t in found.boundaries], 0, duration)
    times[[0, -1]] = 0, duration
    kept = np.append(np.diff(times) > 0, True)
    labels = [label for label, keep in zip(found.labels, kept[:-1], strict=True) if keep]
    return Segmentation(times[kept], labels)


def without_silent_ends(found: Segmentation) -> Segmentation:
    """Merge silence at the ends into the adjacent segments."""
    first = int(found.labels[0] == SILENCE)
    last = len(found) - int(found.labels[-1] == SILENCE)
    if first >= last:
        return found
    inner = found.boundaries[first + 1 : last]
    return Segmentation([found.start, *inner, found.end], found.labels[first:last])


def stayed(found: Segmentation, before: Segmentation) -> float:
    """Compute the share of inner boundaries within `NEAR` of one found before the change."""
    there, known = np.array(found.boundaries[1:-1]), np.array(before.boundaries[1:-1])
    if not there.size or not known.size:
        return float(there.size == known.size)
    return float((np.abs(there[:, None] - known).min(axis=1) <= NEAR).mean())


def answers(file: Path, references: Path) -> dict[str, dict[str, float]]:
    """Segment and score one recording after each change."""
    y, _ = audio.load(file, sr=SR)
    duration = len(y) / SR
    known = read_jams(references)
    before: Segmentation | None = None
    rows = {}
    for name, (change, back) in CHANGES.items():
        found = form(change(y), back, duration)
        before = found if before is None else before
        rows[name] = scored_by_all(known, found) | {"stayed": stayed(found, before)}
    return rows


def found_in(file: Path, songs: Options, options: Options) -> dict[str, dict[str, float]]:
    """Segment and score one song after each change."""
    del options
    return answers(file, Path(songs["references"]) / f"{file.stem}.jams")


def section(found: Mapping[str, dict], options: Options) -> str:
    """Format the table of one set of songs."""
    del options
    rows = [["change", "songs", "boundaries kept", *SHOWN.values()]]
    rows.append(["---", *["---:"] * (len(SHOWN) + 2)])
    for change in CHANGES:
        means = [np.mean([song[change][m] for song in found.values()]) for m in ("stayed", *SHOWN)]
        rows.append([change, str(len(found)), *(f"{mean:.3f}" for mean in means)])
    return markdown_table(rows)


if __name__ == "__main__":
    write_report("Robustness", __doc__ or "", found_in, section)
