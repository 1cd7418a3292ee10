"""Known-item search: `python pipelines/known_items.py INDEX [-n 200] [-o FOLDER]`.

Queries are random 8 s excerpts of the recordings of an index, unchanged and degraded: noise 20 dB
below the signal, 12 dB softer, tilted by 6 dB per octave, MP3 at 64 kbit/s, transposed by 2
semitones, 5 % faster or slower. An excerpt is found if the first hit is in the correct recording
and begins within 0.25 s of the excerpt.
"""

import argparse
import csv
import functools
import io
import json
import sys
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile

from scatseg import audio
from scatseg.runs import versions
from scatseg.search import Index

SECONDS, TOLERANCE = 8.0, 0.25
NO_LIMIT = 1e9
MUST = {"untouched": 0.99, "noise": 0.95, "gain": 0.95, "tilt": 0.95, "codec": 0.95}
MUST |= {"transposed": 0.80, "tempo": 0.80}


def noisy(y, _, rng):
    """Add white noise 20 dB below the signal."""
    level = np.sqrt(np.mean(y**2)) * 10 ** (-20 / 20)
    return y + level * rng.normal(size=y.size)


def softer(y, *_):
    """Attenuate by 12 dB."""
    return y * 10 ** (-12 / 20)


def tilted(y, sr, rng):
    """Tilt the spectrum by 6 dB per octave, up or down."""
    spectrum = np.fft.rfft(y)
    hertz = np.maximum(np.fft.rfftfreq(y.size, 1 / sr), 20)
    z = np.fft.irfft(spectrum * (hertz / 1000) ** rng.choice([-1, 1]), y.size)
    return z / np.abs(z).max()


def coded(y, sr, _):
    """Encode and decode as MP3 at a constant 64 kbit/s."""
    data = io.BytesIO()
    # At this rate libsndfile maps 0 to 1 onto 160 to 8 kbit/s: 0.63 is 64 kbit/s.
    soundfile.write(
        data,
        y,
        sr,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=0.63,
    )
    kilobits = 8 * data.tell() / (y.size / sr) / 1000
    if not 60 < kilobits < 68:
        msg = f"64 kbit/s were meant, got {kilobits:.0f}"
        raise RuntimeError(msg)
    data.seek(0)
    return soundfile.read(data, dtype="float32")[0][: y.size]


def transposed(y, sr, rng):
    """Transpose by 2 semitones, up or down."""
    return librosa.effects.pitch_shift(y, sr=sr, n_steps=int(rng.choice([-2, 2])))


def stretched(y, _, rng):
    """Play 5 % faster or slower."""
    return librosa.effects.time_stretch(y, rate=float(rng.choice([1.05, 1 / 1.05])))


CHANGES = {
    "untouched": (lambda y, *_: y, {}),
    "noise": (noisy, {}),
    "gain": (softer, {}),
    "tilt": (tilted, {}),
    "codec": (coded, {}),
    "transposed": (transposed, {"transpose": 3}),
    "tempo": (stretched, {"tempo": 0.1}),
}


def main():
    """Search for the excerpts; print and save how often they are found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("-n", type=int, default=200, help="excerpts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(CHANGES), choices=list(CHANGES))
    parser.add_argument("--minutes", type=float, default=NO_LIMIT, help="time limit")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    index = Index.open(options.index)
    sr = index.describer.sr
    long = [track for track in index.tracks if track.duration > SECONDS + 1]
    durations = np.array([track.duration - SECONDS for track in long])
    rng = np.random.default_rng(options.seed)
    places = [
        (long[i], float(rng.uniform(0, durations[i])))
        for i in rng.choice(len(long), options.n, p=durations / durations.sum())
    ]
    if options.minutes == NO_LIMIT:  # by recording, so that each is decoded once
        order = sorted(range(options.n), key=lambda i: (places[i][0].id, i))
    else:
        order = range(options.n)
    decode = functools.lru_cache(maxsize=1)(lambda path: audio.decode(Path(path), sr=sr).y)
    rows, started = [], time.monotonic()
    for number in order:
        track, start = places[number]
        if time.monotonic() - started > 60 * options.minutes:
            break
        whole = decode(track.path)
        excerpt = whole[round(start * sr) : round((start + SECONDS) * sr)]
        for name in options.only:
            change, how = CHANGES[name]
            y = change(excerpt, sr, np.random.default_rng([options.seed, number]))
            began = time.perf_counter()
            hits = index.search(np.asarray(y, dtype=np.float32), sr, top=10, explain=False, **how)
            seconds = time.perf_counter() - began
            right = [hit.track == track.id and abs(hit.start - start) < TOLERANCE for hit in hits]
            rank = right.index(True) + 1 if any(right) else 0
            rows.append(
                [
                    track.id,
                    f"{start:.3f}",
                    name,
                    rank,
                    hits[0].track,
                    f"{hits[0].start:.3f}",
                    f"{hits[0].similarity:.3f}",
                    f"{seconds:.2f}",
                ]
            )
            if rank != 1 or len(rows) % 100 == 0:
                print(*rows[-1], file=sys.stderr, flush=True)
    summary = {
        name: {
            "found": float(np.mean([row[3] == 1 for row in rows if row[2] == name])),
            "in_ten": float(np.mean([row[3] > 0 for row in rows if row[2] == name])),
            "must": MUST[name],
            "seconds": float(np.median([float(row[7]) for row in rows if row[2] == name])),
        }
        for name in options.only
    }
    for name, each in summary.items():
        print(
            f"{name:<11} {each['found']:.3f} at rank 1 (asked: {each['must']:.2f}), "
            f"{each['in_ten']:.3f} in ten, {each['seconds']:.2f} s a query"
        )
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        facts = {
            "excerpts": len(rows) // len(options.only),
            "seed": options.seed,
            "recordings": len(index.tracks),
            "hours": round(sum(track.duration for track in index.tracks) / 3600, 2),
            "windows": sum(index.n_windows.values()),
            "changes": summary,
            "versions": versions(),
        }
        text = json.dumps(facts, indent=2) + "\n"
        (options.output / "known_items.json").write_text(text, encoding="utf-8")
        with (options.output / "known_items.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                [
                    "track",
                    "start",
                    "change",
                    "rank",
                    "first",
                    "first_start",
                    "similarity",
                    "seconds",
                ]
            )
            writer.writerows(rows)


if __name__ == "__main__":
    main()
