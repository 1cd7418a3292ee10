"""Annotated MIDI files -> bar features of their renders, to train the structure network.

    python pipelines/render_songs.py pipelines/train_structure.toml

Needs the extra `train` (mido), the program `fluidsynth` and a General MIDI soundfont. Audio is not
kept, and existing features are not computed again. A render depends only on the song, the round and
the seed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mido
import numpy as np
import scipy.signal
from numpy.typing import NDArray

from scatseg import audio
from scatseg.bars import BAR_FEATURES, Bars
from scatseg.extractors import extractor
from scatseg.features import Features
from scatseg.rhythm import find_grid, heard_span
from scatseg.similarity import by_family

SR = 22050
DRUMS = 9
CRASH = 49
EARLY = 0.03
"""Maximum time in seconds of a note before the section it belongs to."""

LEVELS = ("phrase1", "phrase2", "section1", "section2")
PROGRAMS: dict[str, tuple[int, ...]] = {
    "lead": (0, 4, 11, 22, 40, 52, 56, 65, 68, 71, 73, 75, 80, 81),
    "second": (0, 4, 5, 6, 11, 24, 25, 46, 48, 50, 61, 88, 89),
    "chords": (0, 1, 2, 4, 5, 16, 18, 24, 25, 26, 27, 29, 30, 48, 50, 89, 90),
    "bass": (32, 33, 34, 35, 36, 38, 39),
}
"""General MIDI programs to choose from for each part, in the order of channels."""


@dataclass(frozen=True, kw_only=True)
class Song:
    """One annotated song.

    Parameters
    ----------
    midi : Path
        MIDI file.
    beats : ndarray of float64, shape (n_beats, 2)
        Times in seconds, and positions in the bar from 1.
    boundaries : dict of str to ndarray of float64
        Seconds, from 0, for each level of each annotator.
    letters : dict of str to list of str
        Labels of the segments.
    """

    midi: Path
    beats: NDArray[np.float64]
    boundaries: dict[str, NDArray[np.float64]]
    letters: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Instrumentation of a section: a program for each channel (None: silent), and its level."""

    programs: dict[int, int | None]
    louder: int


def read_song(folder: Path, song: str, arrangement: str) -> Song:
    """Read the MIDI file and the annotations of one song."""
    boundaries, letters = {}, {}
    for level in LEVELS:
        rows = (folder / "annotations" / f"{song}.{level}.lab").read_text().splitlines()
        fields = [row.split("\t") for row in rows if row.strip()]
        boundaries[level] = np.array([float(fields[0][0]), *(float(row[1]) for row in fields)])
        letters[level] = [row[2].upper() for row in fields]
    return Song(
        midi=folder / "midi" / f"{song}.{arrangement}.mid",
        beats=np.loadtxt(folder / "annotations" / f"{song}.beats.txt"),
        boundaries=boundaries,
        letters=letters,
    )


def plain_sound(midi: mido.MidiFile) -> Sound:
    """Return the instrumentation of a MIDI file."""
    return Sound(
        programs={DRUMS: 0}
        | {m.channel: m.program for t in midi.tracks for m in t if m.type == "program_change"},
        louder=0,
    )


def varied(sound: Sound, strength: float, rng: np.random.Generator) -> Sound:
    """Draw a variation: each attribute changes with probability `strength`."""
    programs = dict(sound.programs)
    for channel in sorted(programs):
        if rng.random() >= strength:
            continue
        silent = rng.random() < (0.5 if channel in (DRUMS, 3) else 0.1 if channel == 1 else 0.0)
        part = list(PROGRAMS.values())[min(channel, 3)]
        drawn = 0 if channel == DRUMS else int(rng.choice(part))
        programs[channel] = None if silent else drawn
    louder = int(rng.integers(-20, 12)) if rng.random() < strength else sound.louder
    return Sound(programs=programs, louder=louder)


def sounds_of_sections(
    song: Song, plain: Sound, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[Sound], list[bool]]:
    """Draw an instrumentation for each section of one annotator.

    Returns
    -------
    starts : ndarray of float64
        Seconds at which the sound may change.
    sounds : list of Sound
        Instrumentation from each start.
    crashes : list of bool
        Whether a crash cymbal marks the start.
    """
    level = str(rng.choice(["section1", "section2", "phrase1", "phrase2"]))
    starts, letters = song.boundaries[level][:-1], song.letters[level]
    strength, with_crash = rng.uniform(0.1, 0.7), rng.random() < 0.4
    base = varied(plain, 0.3, rng)
    of_letter = {letter: varied(base, strength, rng) for letter in sorted(set(letters))}
    sounds = [
        varied(of_letter[letter], 0.3, rng) if rng.random() < 0.15 else of_letter[letter]
        for letter in letters
    ]
    crashes = [with_crash and rng.random() < 0.7 for _ in letters]
    if rng.random() < 0.2:
        # A change of sound without a boundary.
        decoy = float(rng.choice(song.beats[song.beats[:, 1] == 1, 0]))
        at = int(bisect_right(starts, decoy))
        starts = np.insert(starts, at, decoy)
        sounds.insert(at, varied(sounds[at - 1], 0.5, rng))
        crashes.insert(at, False)
    return starts, sounds, crashes


def arranged(song: Song, *, follows: bool, rng: np.random.Generator) -> tuple[mido.MidiFile, float]:
    """Arrange a song in another key and tempo, optionally with sounds that follow its sections.

    Returns
    -------
    midi : MidiFile
        The arrangement.
    slower : float
        Factor by which times are multiplied.
    """
    midi = mido.MidiFile(song.midi)
    plain = plain_sound(midi)
    starts, sounds, crashes = np.zeros(1), [plain], [False]
    if follows:
        starts, sounds, crashes = sounds_of_sections(song, plain, rng)
    semitones, slower = int(rng.integers(-3, 4)), float(1.07 ** rng.uniform(-1, 1))
    tempo = next(m.tempo for t in midi.tracks for m in t if m.type == "set_tempo")
    second = midi.ticks_per_beat * 1e6 / tempo
    ticks = [round(max(start - EARLY, 0) * second) for start in starts]
    made = mido.MidiFile(ticks_per_beat=midi.ticks_per_beat)
    made.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=int(tempo * slower))]))
    for track in midi.tracks:
        channels = {m.channel for m in track if hasattr(m, "channel")}
        if len(channels) == 1:
            played = _played(track, channels.pop(), ticks, sounds, semitones)
            made.tracks.append(_with_deltas(played))
    hits = [round(s * second) for s, c in zip(starts, crashes, strict=True) if c]
    cymbals = [
        (tick + after, mido.Message("note_on", channel=DRUMS, note=CRASH, velocity=velocity))
        for tick in hits
        for after, velocity in ((0, 90), (480, 0))
    ]
    made.tracks.append(_with_deltas(cymbals))
    return made, int(tempo * slower) / tempo


Timed = tuple[int, mido.Message]


def _played(
    track: mido.MidiTrack, channel: int, ticks: list[int], sounds: list[Sound], semitones: int
) -> list[Timed]:
    """Rewrite the messages of one channel: programs, levels, key, and silenced notes."""
    played: list[Timed] = []
    if channel != DRUMS:
        for tick, sound in zip(ticks, sounds, strict=True):
            program = sound.programs.get(channel)
            if program is not None:
                message = mido.Message("program_change", channel=channel, program=program)
                played.append((tick, message))
    now = 0
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off", "control_change"):
            continue
        if message.type == "control_change":
            played.append((now, message))
            continue
        sound = sounds[max(bisect_right(ticks, now) - 1, 0)]
        starts = message.type == "note_on" and message.velocity > 0
        if starts and sound.programs.get(channel) is None:
            continue
        note = message.note if channel == DRUMS else message.note + semitones
        loud = message.velocity + sound.louder if starts else message.velocity
        velocity = int(np.clip(loud, 20, 127)) if starts else loud
        played.append((now, message.copy(note=int(np.clip(note, 0, 127)), velocity=velocity)))
    return played


def _with_deltas(timed: list[Timed]) -> mido.MidiTrack:
    track, before = mido.MidiTrack(), 0
    for now, message in sorted(timed, key=lambda pair: pair[0]):
        track.append(message.copy(time=now - before))
        before = now
    return track


def rendered(midi: mido.MidiFile, soundfont: Path, *, reverb: bool) -> NDArray[np.float32]:
    """Synthesize a MIDI file with FluidSynth."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "song.mid", Path(folder) / "song.wav"
        midi.save(score)
        options = ["-ni", "-q", "-F", str(sound), "-T", "wav", "-r", str(SR), "-g", "0.5"]
        options += [] if reverb else ["-R", "0", "-C", "0"]
        command = ["fluidsynth", *options, str(soundfont), str(score)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        y, _ = audio.load(sound, sr=SR)
    return y


def recorded(y: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Simulate recording and mastering: a filter, saturation, noise, a level."""
    y = y / max(float(np.abs(y).max()), 1e-6)
    if rng.random() < 0.3:
        low, high = rng.uniform(60, 200), rng.uniform(3000, 9000)
        b, a = scipy.signal.butter(1, [low, high], btype="band", fs=SR)
        y = scipy.signal.lfilter(b, a, y)
    if rng.random() < 0.2:
        y = np.tanh(rng.uniform(1, 4) * y)
    if rng.random() < 0.3:
        y = y + 10 ** (rng.uniform(-65, -45) / 20) * rng.standard_normal(len(y))
    return np.asarray(y * rng.uniform(0.3, 0.9) / np.abs(y).max(), dtype=np.float32)


def bar_features(
    y: NDArray[np.float32], features: tuple[str, ...], grids: dict[str, NDArray[np.float64]]
) -> Iterator[tuple[str, Features]]:
    """Compute bar features on several grids, extracting each kind of features once."""
    heard = y[slice(*heard_span(y, SR))]  # trimmed as in `Bars`
    parts = [(BAR_FEATURES[f] if f in BAR_FEATURES else extractor(f))(heard, SR) for f in features]
    bars = Bars(features=tuple(partial(_computed, part) for part in parts))
    for name, edges in grids.items():
        yield name, bars.on_grid(y, SR, edges)


def _computed(features: Features, y: object, sr: object) -> Features:
    del y, sr
    return features


def render(song: Song, options: dict, *, follows: bool, seed: list[int], out: Path) -> None:
    """Render one song and save its bar features on the true and on the estimated grid."""
    rng = np.random.default_rng(seed)
    midi, slower = arranged(song, follows=follows, rng=rng)
    y = rendered(midi, Path(options["soundfont"]), reverb=rng.random() < 0.6)
    y = recorded(y, rng)
    duration = len(y) / SR
    lines = song.beats[song.beats[:, 1] == 1, 0] * slower
    lines = lines[(lines > 0.3) & (lines < duration - 0.3)]
    grids = {
        "true": np.concatenate([[0.0], lines, [duration]]),
        "estimated": find_grid(y, SR).edges,
    }
    features = tuple(options["features"])
    for few, share in options["only_in"].items():
        if rng.random() >= share:
            features = tuple(name for name in features if name != few)
    arrays: dict[str, NDArray] = {}
    for grid, found in bar_features(y, features, grids):
        arrays[f"{grid}/edges"] = found.edges
        for family, X in by_family(found).items():
            arrays[f"{grid}/{family}"] = X.astype(np.float16)
    for level, times in song.boundaries.items():
        arrays[f"boundaries/{level}"] = times * slower
    save(arrays, out)


def save(arrays: dict[str, NDArray], out: Path) -> None:
    """Write arrays atomically."""
    unfinished = out.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    unfinished.rename(out)


def main() -> None:
    """Render all songs of the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", type=Path, help="a TOML file, see train_structure.toml")
    options = tomllib.loads(parser.parse_args().options.read_text())["render"]
    if shutil.which("fluidsynth") is None or not Path(options["soundfont"]).is_file():
        sys.exit(f"rendering needs fluidsynth and a soundfont at {options['soundfont']}")
    folder, out = Path(options["songs"]), Path(options["output"])
    songs = sorted({path.name.split(".")[0] for path in (folder / "annotations").glob("*.lab")})
    if not songs:
        sys.exit(f"no annotated songs (annotations/<id>.section1.lab) in {folder}")
    out.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(options["seed"]).permutation(songs)
    for turn in range(options["rounds"]):
        for i, name in enumerate(order[: options.get("most")]):
            arrangement = ("piano", "band")[(i + turn) % 2]
            file = out / f"{name}.{turn}.{arrangement}.npz"
            if not file.exists():
                seed = [options["seed"], turn, zlib.crc32(str(name).encode())]
                follows = (i // 2 + turn) % 2 == 0
                song = read_song(folder, str(name), arrangement)
                render(song, options, follows=follows, seed=seed, out=file)
                print(turn, i, file.name, flush=True)


if __name__ == "__main__":
    main()
