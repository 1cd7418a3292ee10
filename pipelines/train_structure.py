"""Bar features of annotated songs -> the weights of `scatseg.diagonals`.

    python pipelines/train_structure.py pipelines/train_structure.toml

Needs the extra `train` (torch) and the output of `render_songs.py` and `sketch_songs.py`. Songs are
split into training and held-out songs, with all renders of a song on one side.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn import functional

from scatseg.cover import bar_similarity
from scatseg.diagonals import (
    N_CUES,
    N_LARGEST,
    OUTPUTS,
    TAPS,
    Views,
    boundary_logits,
    lag_form,
    lags_of,
    views,
)
from scatseg.features import FeatureName, Features

GRIDS = ("true", "estimated")


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """Network input and targets of one render on one grid.

    Parameters
    ----------
    song : str
        Name of the song.
    sketched : bool
        Whether it was made by `sketch_songs.py`.
    seen : Views
        Prepared bars.
    targets : ndarray of float32, shape (n_bars + 1, n_outputs)
        1 at boundaries, else 0.
    """

    song: str
    sketched: bool
    seen: Views
    targets: NDArray[np.float32]


def targets_of(
    boundaries: Sequence[NDArray[np.float64]], edges: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Assign each inner boundary to the nearest edge."""
    targets = np.zeros((len(edges), len(boundaries)), dtype=np.float32)
    for column, times in enumerate(boundaries):
        inner = times[(times > 0.5) & (times < edges[-1] - 0.5)]
        targets[np.abs(edges[None, :] - inner[:, None]).argmin(axis=1), column] = 1
    targets[[0, -1]] = 0
    return targets


def features_of(arrays: dict[str, NDArray], grid: str, positions: int) -> Features:
    """Return the bar features of one render, given the arrays of `render_songs.py`."""
    columns, names = [], []
    for name, X in arrays.items():
        where, _, kind = name.partition("/")
        if where != grid or kind == "edges":
            continue
        family, _, order = kind.partition(" ")
        width = X.shape[1] // positions
        columns.append(X.astype(np.float32))
        names += [
            FeatureName(family, i, order=int(order) if order else None, place=place)
            for place in range(positions)
            for i in range(width)
        ]
    return Features(np.concatenate(columns, axis=1), arrays[f"{grid}/edges"], names)


def examples(folder: Path, kept: Path, *, positions: int) -> list[Example]:
    """Prepare the network inputs of all renders, cached in `kept`."""
    kept.mkdir(parents=True, exist_ok=True)
    found = []
    for path in sorted(folder.glob("*.npz")):
        for grid in GRIDS:
            file = kept / f"{path.stem}.{grid}.npz"
            if not file.exists():
                with np.load(path) as opened:
                    arrays = dict(opened)
                bars = bar_similarity(features_of(arrays, grid, positions), frames_per_bar=1)
                seen = views(bars)
                levels = [arrays[f"boundaries/{level}"] for level in OUTPUTS]
                np.savez(
                    file,
                    matrices=seen.matrices.astype(np.float16),
                    cues=seen.cues.astype(np.float16),
                    targets=targets_of(levels, bars.edges),
                )
            with np.load(file) as arrays:
                seen = Views(
                    matrices=arrays["matrices"].astype(np.float32),
                    cues=arrays["cues"].astype(np.float32),
                )
                song, turn, *_ = path.name.split(".")
                found.append(
                    Example(
                        song=song,
                        sketched=turn.startswith("s"),
                        seen=seen,
                        targets=arrays["targets"],
                    )
                )
    return found


def invented(rng: np.random.Generator) -> tuple[Features, list[NDArray[np.float64]]]:
    """Draw a synthetic song of random phrases that repeat, vary and may differ in timbre.

    Returns
    -------
    features : Features
        Bars of one second.
    boundaries : list of ndarray of float64
        Boundaries of phrases and of runs of one letter, in the order of `OUTPUTS`.
    """
    letters = rng.integers(2, 6)
    usual = rng.choice([4, 8, 8, 8, 16, 6, 12, 5, 7, 9, 10, 3])
    lengths = [
        int(usual if rng.random() < 0.6 else rng.choice([4, 8, 8, 16, 6, 12, 5, 7, 9, 10, 3, 2]))
        for _ in range(letters)
    ]
    form = [0]
    target = rng.integers(40, 140)
    while sum(lengths[letter] for letter in form) < target:
        form.append(int(form[-1] if rng.random() < 0.25 else rng.integers(letters)))
    width, variety = 24, rng.uniform(0.2, 1.2)
    phrases = []
    for length in lengths:
        bars = rng.normal(size=(length, width))
        if length % 2 == 0 and rng.random() < 0.4:
            # The second half repeats the first.
            bars[length // 2 :] = bars[: length // 2] + rng.normal(0, 0.7, (length // 2, width))
        phrases.append(bars)
    shared = rng.uniform(0, 1) * rng.normal(size=(4, width))
    timbres = rng.normal(size=(letters, width)) * rng.uniform(0, 2)
    melody = np.concatenate([phrases[letter] for letter in form])
    melody += shared[np.arange(len(melody)) % 4]
    melody += variety * rng.normal(size=melody.shape)
    timbre = np.repeat(timbres[form], [lengths[letter] for letter in form], axis=0)
    timbre = timbre + 0.5 * melody + rng.uniform(0.3, 1.5) * rng.normal(size=timbre.shape)
    names = [FeatureName(family, i) for family in ("cqt", "mfcc") for i in range(width)]
    ends = np.cumsum([lengths[letter] for letter in form])
    phrase = np.append(0, ends).astype(np.float64)
    changes = np.append(np.diff(form) != 0, True)
    section = np.append(0, ends[changes]).astype(np.float64)
    features = Features(np.concatenate([melody, timbre], axis=1), np.arange(len(melody) + 1), names)
    return features, [phrase, phrase, section, section]


def inventions(n: int, seed: int) -> list[Example]:
    """Prepare n synthetic songs, each twice in place of a second grid."""
    found = []
    for i in range(n):
        features, boundaries = invented(np.random.default_rng([seed, i]))
        bars = bar_similarity(features, frames_per_bar=1)
        seen = views(bars)
        targets = targets_of(boundaries, bars.edges)
        found += 2 * [Example(song=f"invented {i}", sketched=True, seen=seen, targets=targets)]
    return found


class Pass(nn.Module):
    """One pass: convolutions along the diagonals, pooled over lags."""

    def __init__(self, n_channels: int, n_cues: int, n_filters: int, n_hidden: int, dropout: float):
        super().__init__()
        self.along = nn.Conv1d(n_channels, n_filters, TAPS)
        self.point = nn.Conv1d(n_filters, n_filters, 1)
        self.mix = nn.Linear(4 * n_filters + n_cues, n_hidden)
        self.rhythm = nn.Conv1d(n_hidden, n_hidden, 17, padding=8)
        self.out = nn.Linear(n_hidden, len(OUTPUTS))
        self.dropout = nn.Dropout(dropout)

    def forward(self, channels: torch.Tensor, cues: torch.Tensor) -> torch.Tensor:
        """Return logits, from (n_lags, n_channels, n_bars + TAPS) and (n_edges, n_cues)."""
        valid = functional.max_pool1d(channels[:, 1:2], TAPS, stride=1)
        hidden = torch.relu(self.along(channels))
        hidden = torch.relu(self.point(hidden)) * valid
        top = hidden.topk(N_LARGEST, dim=0).values
        mean = hidden.sum(dim=0) / valid.sum(dim=0).clamp(min=1)
        pooled = torch.cat([top[0], top[1], top.mean(dim=0), mean]).T
        hidden = self.dropout(torch.relu(self.mix(torch.cat([pooled, cues], dim=1))))
        rhythm = torch.relu(self.rhythm(hidden.T[None])[0].T)
        return self.out(self.dropout(hidden + rhythm))


class Network(nn.Module):
    """Two passes: the second also sees the boundaries found by the first."""

    def __init__(self, *, n_filters: int = 16, n_hidden: int = 32, dropout: float = 0.3):
        super().__init__()
        self.first = Pass(2, N_CUES, n_filters, n_hidden, dropout)
        self.second = Pass(3, N_CUES + len(OUTPUTS), n_filters, n_hidden, dropout)

    def forward(
        self, values: torch.Tensor, there: torch.Tensor, cues: torch.Tensor, lags: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of both passes, from lag forms (n_bars + TAPS, n_lags) and cues."""
        both = torch.stack([values.T, there.T], dim=1)
        first = self.first(both, cues)
        likely = torch.sigmoid(first.detach()).mean(dim=1)[:-1]
        n = len(likely)
        row = torch.arange(-(TAPS // 2), n + TAPS // 2)[None, :]
        elsewhere = likely[(row + lags[:, None]).clamp(0, n - 1)] * there.T
        channels = torch.cat([both, elsewhere[:, None]], dim=1)
        return first, self.second(channels, torch.cat([cues, first.detach()], dim=1))


def step_inputs(
    example: Example, rng: np.random.Generator
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Draw one view or a mixture of views, with augmentation.

    At random, a passage between two boundaries is removed, noise is added to the similarity, or the
    similarity of some bars to all others is reduced; half of the lags are always dropped, and the
    gain is changed.

    Returns
    -------
    inputs : tuple of Tensor
        Arguments of `Network.forward`.
    targets : Tensor
        Shape (n_bars + 1, n_outputs).
    """
    n_kinds = len(example.seen.matrices)
    if rng.random() < 0.5:
        share = np.eye(n_kinds)[rng.integers(n_kinds)]
    else:
        share = rng.dirichlet(np.ones(n_kinds))
    matrix = np.tensordot(share, example.seen.matrices, axes=1)
    cues = np.tensordot(share, example.seen.cues, axes=1)
    targets = example.targets
    if rng.random() < 0.4:
        matrix, cues, targets = _shortened(matrix, cues, targets, rng)
    n = len(matrix)
    if rng.random() < 0.4:
        noise = rng.normal(0, rng.uniform(0.1, 0.8), (n, n))
        matrix = matrix + (noise + noise.T) / 2**0.5
    if rng.random() < 0.3:
        clear = rng.uniform(0.3, 1, n) ** 0.5
        matrix = matrix * clear[:, None] * clear
    matrix = matrix * rng.uniform(0.85, 1.15)
    cues = cues * rng.uniform(0.85, 1.15)
    lags = lags_of(n)
    few = rng.permutation(len(lags))[: max(len(lags) // 2, 2 * N_LARGEST)]
    lags = lags[np.sort(few)]
    values, there = lag_form(matrix, lags)
    inputs = (
        torch.from_numpy(values),
        torch.from_numpy(there),
        torch.from_numpy(cues.astype(np.float32)),
        torch.from_numpy(lags),
    )
    return inputs, torch.from_numpy(targets)


Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def _shortened(
    matrix: NDArray[np.float32],
    cues: NDArray[np.float32],
    targets: NDArray[np.float32],
    rng: np.random.Generator,
) -> Arrays:
    """Remove the passage between two boundaries of one level, at most a third of the song."""
    n = len(matrix)
    edges = np.flatnonzero(targets[:, rng.integers(targets.shape[1])])
    if len(edges) < 4:
        return matrix, cues, targets
    first = int(rng.integers(len(edges) - 1))
    start, stop = edges[first], edges[min(first + int(rng.integers(1, 3)), len(edges) - 1)]
    if stop - start > n // 3:
        return matrix, cues, targets
    bars = np.r_[0:start, stop:n]
    kept = np.r_[0:start, stop : n + 1]
    return matrix[np.ix_(bars, bars)], cues[kept], targets[kept]


def train(
    songs: dict[str, list[Example]], *, seed: int, epochs: int, rate: float, true_share: float
) -> Network:
    """Train one network with one song per step."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rate, total_steps=epochs * len(songs) + 1
    )
    network.train()
    for epoch in range(epochs):
        total = 0.0
        for song in rng.permutation(sorted(songs)).tolist():
            # Examples alternate between grids, see `examples`.
            of_song = songs[song]
            grid = int(rng.random() >= true_share)
            example = of_song[2 * int(rng.integers(len(of_song) // 2)) + grid]
            inputs, targets = step_inputs(example, rng)
            loss = torch.zeros(())
            for answer, importance in zip(network(*inputs), (0.5, 1.0), strict=True):
                loss = loss + importance * functional.binary_cross_entropy_with_logits(
                    answer[1:-1], targets[1:-1]
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"seed {seed} epoch {epoch}: loss {total / len(songs):.4f}", flush=True)
    return network.eval()


def weights_of(network: Network) -> dict[str, NDArray[np.float16]]:
    """Return the weights in half precision."""
    return {
        name: value.detach().numpy().astype(np.float16)
        for name, value in network.state_dict().items()
    }


def precisions(held: Sequence[Example], networks: Sequence[dict]) -> NDArray[np.float64]:
    """Compute the average precision of each output over all inner edges of held-out songs."""
    networks = [{k: v.astype(np.float32) for k, v in w.items()} for w in networks]
    logits = [boundary_logits(e.seen, weights=networks)[1:-1] for e in held]
    targets = np.concatenate([e.targets[1:-1] for e in held])
    stacked = np.concatenate(logits)
    return np.array(
        [average_precision_score(targets[:, i], stacked[:, i]) for i in range(len(OUTPUTS))]
    )


def by_song(found: Sequence[Example], *, extra_visits: int) -> dict[str, list[Example]]:
    """Group examples by song; each render also appears alone `extra_visits` times."""
    songs: dict[str, list[Example]] = {}
    for example in found:
        names = [example.song]
        if not example.sketched:
            names += [f"{example.song} {i}" for i in range(extra_visits)]
        for name in names:
            songs.setdefault(name, []).append(example)
    return songs


def is_held_out(song: str, share: float) -> bool:
    """Return whether a song is held out, decided by its name."""
    return zlib.crc32(song.encode()) % 1000 < 1000 * share


def _rows(networks: Sequence[dict], held: Sequence[Example]) -> Iterator[str]:
    for name, grid in zip(GRIDS, (0, 1), strict=True):
        on_grid = held[grid::2]
        values = "  ".join(f"{x:.3f}" for x in precisions(on_grid, networks))
        yield f"{name:10s} average precision of {', '.join(OUTPUTS)}: {values}"


def main() -> None:
    """Train one network per seed and save all weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", type=Path, help="a TOML file, see train_structure.toml")
    options = tomllib.loads(parser.parse_args().options.read_text())["train"]
    torch.set_num_threads(1)
    found = examples(
        Path(options["bars"]), Path(options["prepared"]), positions=options["positions"]
    )
    if not found:
        sys.exit(f"no bars in {options['bars']}: run render_songs.py first")
    held_out = [e for e in found if is_held_out(e.song, options["held_out"])]
    learned_from = [e for e in found if not is_held_out(e.song, options["held_out"])]
    learned_from += inventions(options["invented"], seed=options["seed_of_invented"])
    songs = by_song(learned_from, extra_visits=options["extra_visits"])
    print(f"{len(found)} examples, {len(held_out)} held out, {len(songs)} steps an epoch")
    out = Path(options["output"])
    out.parent.mkdir(parents=True, exist_ok=True)
    networks = []
    for seed in options["seeds"]:
        before = time.process_time()
        settings = {key: options[key] for key in ("epochs", "rate", "true_share")}
        networks.append(weights_of(train(songs, seed=seed, **settings)))
        print(f"seed {seed}: {time.process_time() - before:.0f} s of CPU")
        for row in _rows(networks[-1:], held_out):
            print(row, flush=True)
        arrays = {f"{i}/{k}": v for i, network in enumerate(networks) for k, v in network.items()}
        np.savez_compressed(out, **arrays)
    for row in _rows(networks, held_out):
        print("all seeds:", row)


if __name__ == "__main__":
    main()
