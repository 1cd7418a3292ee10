"""Retrieval of sections: `python pipelines/sections.py AUDIO ANNOTATIONS [-o FOLDER]`.

Every annotated segment is a query; the other segments of the same song are ranked by similarity,
and those with the same label are relevant. Vectors are those of an index: compressed means and
standard deviations, with a projection fitted on the whole collection, for scattering, MFCC and
chroma alike. `+course` adds the best alignment of the two segments, as in search. `in order`
compares segments from beginning to end, relative to the mean of their song
(`scatseg.search.ordered`). Its settings were chosen on every third song; scores are given for all
songs, for those and for the others. Bootstrap intervals resample songs.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from scatseg import audio, formats
from scatseg.extractors import extractor
from scatseg.features import Features
from scatseg.runs import versions
from scatseg.search.descriptions import Describer, read_description
from scatseg.search.ordered import MOMENT, SCATTERING, alike_in_order, evened, shapes
from scatseg.search.passages import LENGTHS, excerpt_statistics, passages, relative, window_cells
from scatseg.search.projection import fit_projection
from scatseg.search.retrieval import query_scores
from scatseg.search.sliding import Pattern, slide
from scatseg.statistics import bootstrap_intervals, grouped_intervals, signed_rank_test

FEATURES = ("scattering", "mfcc", "chroma")
WAYS = ("", "+course", " in order")
SHORTEST = 2.0
SR = 22050
CHOSEN_ON = 3


def main():
    """Rank the segments of all songs; print and save the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--suffix", default="phrase1.lab", help="of the annotation files")
    parser.add_argument("--store", type=Path, required=True, help="folder for features")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    options.store.mkdir(parents=True, exist_ok=True)
    scores = {}
    for features in FEATURES:
        for name, values in scored(features, options).items():
            scores[name] = values
    tell(scores, options.output)


def scored(features, options):
    """Compute the retrieval scores of each segment for one kind of features."""
    describer = Describer(features=features)
    songs = {}
    for path in sorted(options.audio.iterdir()):
        kept = options.store / f"{path.stem}.{features}.npz"
        if not kept.exists():
            kept.write_bytes(describer.describe(audio.decode(path, sr=describer.sr).y).npz())
        song = path.stem.rsplit("_", 1)[0]
        found = formats.read(options.annotations / f"{song}.{options.suffix}")
        songs[path.stem] = (read_description(kept), found[0].segmentation)
    columns = describer.columns()
    X = []
    for description, _ in songs.values():
        windows = [window_cells(len(description.cells) - 1, length) for length in LENGTHS]
        X.append(passages(description, np.concatenate(windows)))
    drawn = relative(np.concatenate(X), columns)[::4]
    projection = fit_projection(drawn, np.tile(columns.uncompressed, 2))
    values = {f"{features}{way}": {} for way in WAYS}
    ordered = in_order(features, songs, options)
    for song, (description, form) in songs.items():
        rows = [(a, b, label) for a, b, label in form if b - a >= SHORTEST]
        labels = np.array([label for _, _, label in rows])
        vectors = projection(
            relative(np.stack([excerpt_statistics(description, a, b) for a, b, _ in rows]), columns)
        )
        timbre = vectors @ vectors.T
        course = courses(description, rows)
        both = 1 - np.sqrt((1 - np.clip(timbre, 0, 1)) * (1 - np.clip(course, 0, 1)))
        for way, similarity in zip(WAYS, (timbre, both, ordered[song]), strict=True):
            name = f"{features}{way}"
            for q, label in enumerate(labels):
                others = np.delete(np.arange(len(rows)), q)
                ranked = others[np.argsort(-similarity[q, others], kind="stable")]
                relevant = labels[ranked] == label
                if relevant.any():
                    values[name][song, q] = query_scores(relevant)
    return values


def in_order(features, songs, options):
    """Compute ordered similarities of the segments of each song, averaged over orders."""
    extract = extractor(SCATTERING if features == "scattering" else features)
    found = {}
    for path in sorted(options.audio.iterdir()):
        kept = options.store / f"{path.stem}.{features}.shapes.npz"
        if not kept.exists():
            np.savez(kept, *moments(extract(audio.decode(path, sr=SR).y, SR)))
        with np.load(kept) as arrays:
            found[path.stem] = list(arrays.values())
    kinds = [
        dict(zip(found, evened(each), strict=True)) for each in zip(*found.values(), strict=True)
    ]
    similarity = {}
    for song, (_, form) in songs.items():
        spans = [(round(a / MOMENT), round(b / MOMENT)) for a, b, _ in form if b - a >= SHORTEST]
        similarity[song] = np.mean(
            [alike_in_order([kind[song][a:b] for a, b in spans], hop=MOMENT) for kind in kinds],
            axis=0,
        )
    return similarity


def moments(features):
    """Average spectral shapes over frames of `MOMENT` seconds."""
    n = int(features.duration / MOMENT)
    edges = np.append(np.arange(n) * MOMENT, features.duration)
    return [
        Features(X, features.edges).pooled(edges).X.astype(np.float32) for X in shapes(features)
    ]


def courses(description, rows):
    """Compute the best alignment similarity of all pairs of segments of a song."""
    spans = [(int(a / description.hop), int(b / description.hop)) for a, b, _ in rows]
    frames = [description.frames[a:b].astype(np.float32) for a, b in spans]
    patterns = [Pattern([each]) for each in frames]
    return np.array([[c.similarities.max() for c in slide(each, *patterns)] for each in frames]).T


def tell(scores, output):
    """Print and write the means over queries, with intervals and differences."""
    queries = sorted(next(iter(scores.values())))
    song_of = [song for song, _ in queries]
    songs = sorted(set(song_of))
    chosen_on = set(songs[::CHOSEN_ON])
    document = {"queries": len(queries), "songs": len(songs), "systems": {}, "comparisons": {}}
    for name, values in scores.items():
        means = {}
        for metric in ("MAP", "P@5", "MRR"):
            sample = np.array([values[q][metric] for q in queries])
            low, high = grouped_intervals([sample], song_of)[0]
            means[metric] = {"mean": sample.mean(), "low": low, "high": high}
        tuned = np.array([values[q]["MAP"] for q in queries if q[0] in chosen_on])
        others = np.array([values[q]["MAP"] for q in queries if q[0] not in chosen_on])
        means["MAP"] |= {"every_third_song": tuned.mean(), "other_songs": others.mean()}
        document["systems"][name] = means
        line = "  ".join(
            f"{metric} {m['mean']:.3f} [{m['low']:.3f}, {m['high']:.3f}]"
            for metric, m in means.items()
        )
        print(f"{name:<20}{line}  other songs {others.mean():.3f}")
    for way in WAYS:
        for other in FEATURES[1:]:
            first, second = (scores[f"{name}{way}"] for name in (FEATURES[0], other))
            line = compared(first, second, songs)
            document["comparisons"][f"{FEATURES[0]}{way} - {other}{way}"] = line
            print(
                f"MAP by song, {FEATURES[0]}{way} - {other}{way}: {line['difference']:+.3f} "
                f"[{line['low']:+.3f}, {line['high']:+.3f}], p = {line['p']:.2g}"
            )
    document["versions"] = versions()
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2, default=float) + "\n"
        (output / "sections.json").write_text(text, encoding="utf-8")


def compared(first, second, songs):
    """Compare two systems paired by song: queries of one song are not independent."""
    by_song = np.array(
        [
            np.mean([first[q]["MAP"] - second[q]["MAP"] for q in first if q[0] == song])
            for song in songs
        ]
    )
    low, high = bootstrap_intervals([by_song])[0]
    return {
        "difference": by_song.mean(),
        "low": low,
        "high": high,
        "p": signed_rank_test(by_song),
        "songs": len(songs),
    }


if __name__ == "__main__":
    main()
