"""Annotated MIDI files -> bar features computed from the notes, to train the structure network.

    python pipelines/sketch_songs.py pipelines/train_structure.toml

Same output as `render_songs.py`, but a hundred times faster: spectra are summed from the partials
of the notes, without audio. Sketches add variety to the renders. Instead of an estimated grid they
have a perturbed one, with typical estimation errors.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
import zlib
from pathlib import Path

import mido
import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray
from render_songs import DRUMS, Song, arranged, read_song, save

LOWEST, N_BINS = 24, 108
"""MIDI pitch of the lowest bin and number of semitones."""

STEPS = 4
"""Frames per position in a bar."""

HITS = {35: (30, 60, 0.15), 36: (30, 60, 0.15), 38: (60, 110, 0.12), 40: (60, 110, 0.12)}
"""Lowest and highest bin and decay in seconds of drums; others are cymbals."""
CYMBAL = (96, 131, 0.08)


def notes_of(midi: mido.MidiFile) -> NDArray[np.float64]:
    """Return notes as rows: start and end in seconds, pitch, velocity, channel and program."""
    program: dict[int, int] = {}
    sounding: dict[tuple[int, int], tuple[float, int, int]] = {}
    rows, now = [], 0.0
    for message in midi:
        now += message.time
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if key in sounding:
                start, velocity, number = sounding.pop(key)
                rows.append((start, max(now, start + 0.05), key[1], velocity, key[0], number))
            if message.type == "note_on" and message.velocity > 0:
                sounding[key] = (now, message.velocity, program.get(message.channel, 0))
    return np.array(rows)


def partials(program: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """Draw the amplitudes of ten partials and the decay in seconds of one instrument."""
    rng = np.random.default_rng([seed, program])
    slope, odd = rng.uniform(0.5, 2.0), rng.uniform(0, 0.8)
    order = np.arange(1, 11)
    formant = 1 + rng.uniform(0, 2) * np.exp(-(((order - rng.uniform(1, 6)) / 1.5) ** 2))
    strength = order**-slope * np.where(order % 2 == 0, 1 - odd, 1) * formant
    return strength / np.linalg.norm(strength), float(rng.choice([0.3, 0.8, 2.0, 20.0]))


def spectra(
    notes: NDArray[np.float64], times: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Compute power spectra of all notes in semitone bins (n_times, N_BINS)."""
    power = np.zeros((len(times), N_BINS))
    for channel, program in np.unique(notes[:, 4:], axis=0):
        strength, decay = partials(int(program), seed)
        pitched = channel != DRUMS
        sounding = np.zeros((len(times), 128))
        for start, end, pitch, velocity, *rest in notes:
            if rest != [channel, program]:
                continue
            decay = decay if pitched else HITS.get(int(pitch), CYMBAL)[2]
            until = end + 0.1 if pitched else start + 4 * decay
            first, last = np.searchsorted(times, [start, until])
            first = max(first - 1, 0)
            after = np.maximum(times[first:last] - start, 0)
            envelope = (velocity / 127) ** 4 * np.exp(-2 * after / decay)
            envelope[after > end - start] *= 0.1 if pitched else 1
            sounding[first:last, int(pitch)] += envelope
        power += sounding @ (_partials_of_pitches(strength) if pitched else _bands_of_drums())
    leak = scipy.ndimage.gaussian_filter1d(power, 0.5, axis=1)
    return leak + 1e-6 * power.max()


def _partials_of_pitches(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum of each pitch (128, N_BINS)."""
    rows = np.zeros((128, N_BINS))
    above = np.round(12 * np.log2(np.arange(1, len(strength) + 1))).astype(int)
    for pitch in range(128):
        at = pitch - LOWEST + above
        there = (at >= 0) & (at < N_BINS)
        rows[pitch, at[there]] = strength[there] ** 2
    return rows


def _bands_of_drums() -> NDArray[np.float64]:
    """Return the spectrum of each drum (128, N_BINS)."""
    rows = np.zeros((128, N_BINS))
    for drum in range(128):
        low, high, _ = HITS.get(drum, CYMBAL)
        rows[drum, low - LOWEST : high - LOWEST] = 2 / (high - low)
    return rows


def kinds(power: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute each kind of bar features from power spectra."""
    magnitude = np.sqrt(power)
    log = np.log1p(magnitude[:, :84] / (0.1 * magnitude.mean() + 1e-12))
    peaks = np.maximum(log - scipy.ndimage.uniform_filter1d(log, 13, axis=1, mode="nearest"), 0)
    folded = magnitude[:, 36:72].reshape(len(power), 3, 12).sum(axis=1)
    chroma = folded / (folded.max(axis=1, keepdims=True) + 0.01 * folded.mean() + 1e-12)
    coarse = power.reshape(len(power), 36, 3).sum(axis=2)
    decibels = 10 * np.log10(np.maximum(coarse, 1e-6 * coarse.max()))
    return {
        "cqt": peaks,
        "mfcc": scipy.fft.dct(decibels, norm="ortho", axis=1)[:, 1:21],
        "chroma": chroma,
    }


def disturbed(song: Song, slower: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw bar lines with typical errors: shifted by beats, or at half or double the distance."""
    beats = song.beats[:, 0] * slower
    first = int(np.flatnonzero(song.beats[:, 1] == 1)[0])
    per_bar = int(song.beats[:, 1].max())
    case = rng.random()
    if case < 0.5:
        lines = beats[song.beats[:, 1] == 1]
    elif case < 0.8:
        lines = beats[(first + int(rng.integers(1, per_bar))) % per_bar :: per_bar]
    elif case < 0.93:
        at, off = int(rng.integers(len(beats))), int(rng.integers(1, per_bar))
        lines = np.concatenate([beats[first:at:per_bar], beats[at + off :: per_bar]])
    else:
        lines = beats[first :: per_bar // 2 if case < 0.97 else 2 * per_bar]
    return np.unique(lines + rng.normal(0, 0.01, len(lines)))


def on_grid(
    notes: NDArray[np.float64], edges: NDArray[np.float64], positions: int, seed: int
) -> dict[str, NDArray[np.float16]]:
    """Compute each kind of features of all bars, in temporal order."""
    starts, lengths = edges[:-1], np.diff(edges)
    lengths[[0, -1]] = np.maximum(lengths[[0, -1]], lengths[[1, -2]])
    starts = np.append(edges[1] - lengths[0], starts[1:])
    n_frames = positions * STEPS
    times = (starts[:, None] + lengths[:, None] * (np.arange(n_frames) + 0.5) / n_frames).ravel()
    found = {}
    for kind, X in kinds(spectra(notes, times, seed)).items():
        bars = X.reshape(len(starts), positions, STEPS, -1).mean(axis=2)
        bars = bars.reshape(len(starts), -1)
        found[kind] = (bars / np.sqrt(bars.var(axis=0).sum())).astype(np.float16)
    return found


def sketch(song: Song, *, follows: bool, seed: list[int], positions: int, out: Path) -> None:
    """Sketch one song on its true and on a perturbed grid."""
    rng = np.random.default_rng(seed)
    midi, slower = arranged(song, follows=follows, rng=rng)
    notes = notes_of(midi)
    duration = float(notes[:, 1].max()) + 1
    lines = song.beats[song.beats[:, 1] == 1, 0] * slower
    timbre = int(rng.integers(1 << 30))
    arrays: dict[str, NDArray] = {}
    for grid, inner in (("true", lines), ("estimated", disturbed(song, slower, rng))):
        inner = inner[(inner > 0.3) & (inner < duration - 0.3)]
        edges = np.concatenate([[0.0], inner, [duration]])
        arrays[f"{grid}/edges"] = edges
        for kind, X in on_grid(notes, edges, positions, timbre).items():
            arrays[f"{grid}/{kind}"] = X
    for level, boundaries in song.boundaries.items():
        arrays[f"boundaries/{level}"] = boundaries * slower
    save(arrays, out)


def main() -> None:
    """Sketch all songs of the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", type=Path, help="a TOML file, see train_structure.toml")
    options = tomllib.loads(parser.parse_args().options.read_text())["sketch"]
    folder, out = Path(options["songs"]), Path(options["output"])
    songs = sorted({path.name.split(".")[0] for path in (folder / "annotations").glob("*.lab")})
    if not songs:
        sys.exit(f"no annotated songs (annotations/<id>.section1.lab) in {folder}")
    out.mkdir(parents=True, exist_ok=True)
    for turn in range(options["rounds"]):
        for i, name in enumerate(songs):
            arrangement = ("piano", "band")[(i + turn) % 2]
            file = out / f"{name}.s{turn}.{arrangement}.npz"
            if not file.exists():
                sketch(
                    read_song(folder, name, arrangement),
                    follows=(i // 2 + turn) % 2 == 0,
                    seed=[options["seed"], turn, zlib.crc32(name.encode())],
                    positions=options["positions"],
                    out=file,
                )


if __name__ == "__main__":
    main()
