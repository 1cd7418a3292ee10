"""Measure how fast an index is searched: `python tests/benchmarks/search.py [-o FILE]`.

Exact search among 100,000 vectors of 256 dimensions, one by one and in batches of 100; opening an
index of a million vectors, and the memory that takes; asking 1,000 recordings of four minutes for
8 s of sound, from its samples to explained hits; HNSW beside exact search where faiss is
installed. Vectors fall off in variance as those of music do, unlike white noise. The best of
several rounds counts.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from scatseg.search import Index, store
from scatseg.search.descriptions import Describer, Description
from scatseg.search.matching import nearest_rows
from scatseg.search.passages import window_cells
from scatseg.search.projection import Projection

K = 10


def unit_rows(n, n_dims, seed):
    """Draw vectors with a spectrum like that of music: a few directions dominate."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_dims)).astype(np.float32)
    X *= np.arange(1, n_dims + 1, dtype=np.float32) ** -0.5
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def best(function, rounds=5):
    """Return the minimum time of several calls."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def exact():
    """Search exactly, one by one and in batches."""
    matrix, queries = unit_rows(100_000, 256, 0), unit_rows(100, 256, 1)
    alone = best(lambda: [nearest_rows(matrix, query[None], K) for query in queries[:10]]) / 10
    batch = best(lambda: nearest_rows(matrix, queries, K)) / 100
    return {"ms_alone": 1000 * alone, "ms_in_batches_of_100": 1000 * batch}


def write_index(folder, n_tracks, seconds):
    """Write an index of random recordings; return it without their descriptions."""
    describer = Describer()
    store.create(folder, options=describer.fingerprint(), features="scattering", sr=22050)
    state = store.read_state(folder)
    n_dims = 128
    counts = {length: len(window_cells(seconds, length)) for length in store.ALL_LENGTHS}
    n_columns = 2 * len(describer.columns().names)
    rng = np.random.default_rng(0)
    components = np.linalg.qr(rng.normal(size=(n_columns, n_dims)))[0].T
    projection = Projection(
        medians=np.ones(n_columns),
        means=np.zeros(n_columns),
        scales=np.ones(n_columns),
        components=components,
        variances=np.ones(n_dims),
    )
    ids = tuple(f"track{i:05d}" for i in range(n_tracks))
    rows = {}
    for length, count in counts.items():
        firsts = np.arange(n_tracks, dtype=np.int64) * count
        rows[length] = store.Rows(
            tracks=ids,
            firsts=firsts,
            counts=np.full(n_tracks, count),
            checksums=np.full(n_tracks, -1),
            n_rows=count * n_tracks,
        )
    tracks = {
        id_: store.IndexedTrack(
            id=id_,
            path=f"/music/{id_}.flac",
            size=1,
            modified=1,
            sha256="0" * 64,
            duration=float(seconds),
            description=f"{id_}.npz",
        )
        for id_ in ids
    }
    state = dataclasses.replace(state, generation=1, n_dims=n_dims, tracks=tracks, rows=rows)
    store.write_projection(state, projection)
    for length, each in rows.items():
        store.append_rows(state.matrix_path(length), 0, [unit_rows(each.n_rows, n_dims, 0)])
    store.write_state(state)
    return state


def write_descriptions(state, seconds, n_different=20):
    """Describe its recordings: a few descriptions under many names."""
    describer, rng = Describer(), np.random.default_rng(0)
    columns = describer.columns()
    shape = (seconds, len(columns.names))
    for i, track in enumerate(state.tracks.values()):
        path = state.folder / "tracks" / track.description
        if i < n_different:
            means, deviations = (rng.exponential(size=shape).astype(np.float32) for _ in "md")
            frames = rng.normal(size=(int(seconds / describer.hop), int(columns.aligned.sum())))
            description = Description(
                means=means,
                deviations=deviations,
                frames=frames.astype(np.float32),
                duration=float(seconds),
                hop=describer.hop,
            )
            path.write_bytes(description.npz())
        else:
            path.hardlink_to(path.with_name(f"track{i % n_different:05d}.npz"))


def asking(folder, seconds=240):
    """Search 1,000 recordings for 8 s: the first query, and the fastest of five others."""
    write_descriptions(write_index(folder, 1000, seconds), seconds)
    index, rng = Index.open(folder), np.random.default_rng(1)
    times, processor = [], []
    for _ in range(6):
        y = np.cumsum(rng.normal(size=8 * 22050)).astype(np.float32)
        began, before = time.perf_counter(), time.process_time()
        hits = index.search(y - y.mean(), 22050)
        times.append(time.perf_counter() - began)
        processor.append(time.process_time() - before)
    return {
        "recordings": 1000,
        "windows": sum(index.n_windows.values()),
        "hits": len(hits),
        "seconds_first": times[0],
        "seconds": min(times[1:]),
        "processor_seconds_first": processor[0],
        "processor_seconds": min(processor[1:]),
    }


OPENING = """
import sys, time
from pathlib import Path
from scatseg.search import Index
began = time.perf_counter()
index = Index.open(sys.argv[1])
seconds = time.perf_counter() - began
status = Path("/proc/self/status").read_text()  # what a parent held is not in it
most = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(seconds, most, sum(index.n_windows.values()))
"""


def opening(folder):
    """Open it in separate processes; return the fastest."""
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", OPENING, str(folder)], capture_output=True, text=True, check=True
        )
        found.append([float(value) for value in done.stdout.split()])
    seconds, megabytes, n = min(found)
    return {"vectors": int(n), "seconds": seconds, "resident_mb": megabytes}


def main():
    """Run all measurements; print and save them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    results = {"cores": os.cpu_count(), "exact, 100,000 x 256": exact()}
    with tempfile.TemporaryDirectory() as folder:
        write_index(Path(folder) / "million.index", 4000, 130)
        results["opening"] = opening(Path(folder) / "million.index")
        results["asking"] = asking(Path(folder) / "thousand.index")
    if find_spec("faiss"):
        from scatseg.search.approximate import measured

        results["hnsw"] = measured(unit_rows(100_000, 256, 0), unit_rows(100, 256, 1), K)
    print(json.dumps(results, indent=2))
    if options.output is not None:
        options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
