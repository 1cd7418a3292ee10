"""Let sections find each other: `python pipelines/sections.py AUDIO ANNOTATIONS [-o FOLDER]`.

Every annotated segment is a query; the other segments of the same song are ranked by similarity,
and those of the same label are relevant. Vectors are those of an index: means and deviations,
compressed, projected as the whole collection says, for scattering, MFCC and chroma alike. `+course`
adds how well one slides along the other, as searches do.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from scatseg import audio, formats
from scatseg.runs import versions
from scatseg.search.descriptions import Describer, read_description
from scatseg.search.passages import LENGTHS, passages, relative, stretch
from scatseg.search.projection import fit_projection
from scatseg.search.retrieval import query_scores
from scatseg.search.sliding import Pattern, slide
from scatseg.statistics import bootstrap_intervals, signed_rank_test

FEATURES = ("scattering", "mfcc", "chroma")
SHORTEST = 2.0


def main():
    """Describe the songs, rank their segments, tell and keep the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--suffix", default="phrase1.lab", help="of the annotations to use")
    parser.add_argument("--store", type=Path, required=True, help="keeps descriptions")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    options.store.mkdir(parents=True, exist_ok=True)
    scores = {}
    for features in FEATURES:
        for name, values in scored(features, options).items():
            scores[name] = values
    tell(scores, options.output)


def scored(features, options):
    """Score one kind of features: average precision of each segment, by song."""
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
    X = np.concatenate(
        [passages(each, length).X for each, _ in songs.values() for length in LENGTHS]
    )
    projection = fit_projection(relative(X, columns)[::4], np.tile(columns.uncompressed, 2))
    values = {features: {}, f"{features}+course": {}}
    for song, (description, form) in songs.items():
        rows = [(a, b, label) for a, b, label in form if b - a >= SHORTEST]
        labels = np.array([label for _, _, label in rows])
        vectors = projection(
            relative(np.stack([stretch(description, a, b) for a, b, _ in rows]), columns)
        )
        timbre = vectors @ vectors.T
        course = courses(description, rows)
        both = (np.maximum(timbre, 0) + np.maximum(course, 0)) / 2
        for name, similarity in ((features, timbre), (f"{features}+course", both)):
            for q, label in enumerate(labels):
                others = np.delete(np.arange(len(rows)), q)
                ranked = others[np.argsort(-similarity[q, others], kind="stable")]
                relevant = labels[ranked] == label
                if relevant.any():
                    values[name][song, q] = query_scores(relevant)
    return values


def courses(description, rows):
    """Correlate all segments of a song with each other."""
    spans = [(int(a / description.hop), int(b / description.hop)) for a, b, _ in rows]
    frames = [description.frames[a:b] for a, b in spans]
    patterns = [Pattern([each]) for each in frames]
    return np.array([[c.similarities.max() for c in slide(each, *patterns)] for each in frames]).T


def tell(scores, output):
    """Print and write the means over queries, with intervals, and the differences."""
    queries = sorted(next(iter(scores.values())))
    document = {"queries": len(queries), "systems": {}, "versions": versions()}
    for name, values in scores.items():
        means = {}
        for metric in ("MAP", "P@5", "MRR"):
            sample = np.array([values[q][metric] for q in queries])
            low, high = bootstrap_intervals([sample])[0]
            means[metric] = {"mean": sample.mean(), "low": low, "high": high}
        document["systems"][name] = means
        print(
            f"{name:<18}"
            + "  ".join(
                f"{metric} {m['mean']:.3f} [{m['low']:.3f}, {m['high']:.3f}]"
                for metric, m in means.items()
            )
        )
    for group in (FEATURES, [f"{name}+course" for name in FEATURES]):
        for other in group[1:]:
            songs = sorted({song for song, _ in queries})
            by_song = np.array(
                [
                    np.mean(
                        [
                            scores[group[0]][q]["MAP"] - scores[other][q]["MAP"]
                            for q in queries
                            if q[0] == song
                        ]
                    )
                    for song in songs
                ]
            )
            low, high = bootstrap_intervals([by_song])[0]
            line = {
                "difference": by_song.mean(),
                "low": low,
                "high": high,
                "p": signed_rank_test(by_song),
                "songs": len(songs),
            }
            document.setdefault("comparisons", {})[f"{group[0]} - {other}"] = line
            print(
                f"MAP by song, {group[0]} - {other}: {line['difference']:+.3f} "
                f"[{low:+.3f}, {high:+.3f}], p = {line['p']:.2g}"
            )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2, default=float) + "\n"
        (output / "sections.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
