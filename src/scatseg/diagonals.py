"""Bar similarity -> probability of phrase and section boundaries, by a small neural network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scatseg.cover import BarSimilarity
from scatseg.features import Features
from scatseg.novelty import checkerboard_novelty
from scatseg.similarity import by_family, cosine, heard_frames, near_frames, z_scored

OUTPUTS = ("phrase1", "phrase2", "section1", "section2")
"""Network outputs: boundaries of each level by each of the two annotators of the training data."""

TAPS = 16
"""Kernel size in bars along diagonals, half of them before the edge."""

MIN_LAG = 2
"""Minimum lag in bars at which bars are compared."""

MAX_LAG = 512
"""Maximum lag in bars at which bars are compared: a quarter of an hour or more."""

N_LARGEST = 6
"""Number of largest values over lags whose mean is pooled."""

N_CUES = 44
"""Number of features of each edge in `Views.cues`."""

Level = Literal["any", "phrase", "section"]
LEVELS = get_args(Level)

Logits = NDArray[np.float32]
Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Views:
    """Network inputs of a recording, one per kind of features.

    Parameters
    ----------
    matrices : ndarray of float32, shape (n_kinds, n_bars, n_bars)
        Z-scored similarity of bars.
    cues : ndarray of float32, shape (n_kinds, n_bars + 1, n_cues)
        Features of each edge other than repetition.
    """

    matrices: NDArray[np.float32]
    cues: NDArray[np.float32]


def views(bars: BarSimilarity) -> Views:
    """Compute the network inputs of a recording.

    Parameters
    ----------
    bars : BarSimilarity
        From `cover.bar_similarity`, with one frame per bar.
    """
    features = bars.features
    heard = heard_frames(features)
    quarters = _outer_quarters(features)
    shared = np.concatenate(
        [
            *(block_cues(Z, widths=(2, 4, 8, 16)) for Z in (bars.in_order, bars.by_timbre)),
            _novelties(bars.by_timbre, widths=(2, 4, 8, 16)),
            _distances(len(features)),
        ],
        axis=1,
    )
    begins, ends = ({}, {}) if quarters is None else map(by_family, quarters)
    cues = []
    for kind, X in by_family(features).items():
        begin, end = begins.get(kind, X), ends.get(kind, X)
        own = np.concatenate(
            [
                _novelties(bars.by_kind[kind], widths=(1, 2, 4, 8, 16)),
                _levels(X, end, heard),
                _similarity_nearby(begin, heard, after=True)[:, None],
                _similarity_nearby(end, heard, after=False)[:, None],
            ],
            axis=1,
        )
        cues.append(np.concatenate([own, shared], axis=1))
    return Views(
        matrices=np.array(list(bars.by_kind.values()), dtype=np.float32),
        cues=np.array(cues, dtype=np.float32),
    )


def _outer_quarters(features: Features) -> tuple[Features, Features] | None:
    """Select the features of the first and the last quarter of each bar."""
    places = np.array([-1 if name.place is None else name.place for name in features.names])
    last = int(places.max())
    if last < 3 or places.min() < 0:
        return None
    quarter = (last + 1) // 4
    late, early = places > last - quarter, places < quarter
    return features.columns(early), features.columns(late)


def block_cues(Z: NDArray[np.floating], *, widths: Sequence[int]) -> NDArray[np.float64]:
    """Compute the mean similarity of bars before, after and across each edge.

    Parameters
    ----------
    Z : ndarray of float, shape (n_bars, n_bars)
        Symmetric similarity.
    widths : sequence of int
        Context lengths in bars on each side.

    Returns
    -------
    cues : ndarray of float64, shape (n_bars + 1, 3 * n_widths)
        Mean similarity of different bars before, after and across, for each width. 0 where there
        are none.

    Examples
    --------
    >>> Z = np.kron(np.eye(2), np.ones((2, 2)))
    >>> block_cues(Z, widths=(2,))[2]
    array([1., 1., 0.])
    """
    n = len(Z)
    sums = np.zeros((n + 1, n + 1))
    different = np.array(Z, dtype=np.float64)
    np.fill_diagonal(different, 0)
    sums[1:, 1:] = different.cumsum(axis=0).cumsum(axis=1)
    edge = np.arange(n + 1)
    columns = []
    for width in widths:
        first, last = np.maximum(edge - width, 0), np.minimum(edge + width, n)
        before, after = edge - first, last - edge
        pairs = (
            (first, edge, first, edge, before * (before - 1)),
            (edge, last, edge, last, after * (after - 1)),
            (first, edge, edge, last, before * after),
        )
        for a, b, c, d, count in pairs:
            total = sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c]
            columns.append(total / np.maximum(count, 1))
    return np.stack(columns, axis=1)


def _novelties(Z: NDArray[np.floating], *, widths: Sequence[int]) -> NDArray[np.float64]:
    """Compute checkerboard novelty at several half widths in bars: (n_bars + 1, n_widths)."""
    return np.stack([checkerboard_novelty(Z, half_width_frames=w) for w in widths], axis=1) / 2


def _distances(n: int) -> NDArray[np.float64]:
    """Encode the distance of each edge from the beginning and from the end: (n + 1, 4)."""
    edge = np.arange(n + 1)
    both = (edge, n - edge)
    return np.stack([f(d) for d in both for f in (_nearness, _remoteness)], axis=1)


def _nearness(distance: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return 1 at no distance, falling to 1 / e in 4 bars."""
    return np.asarray(np.exp(-distance / 4))


def _remoteness(distance: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return 0 at no distance, rising to 1 in 32 bars and staying there."""
    return np.asarray(np.minimum(distance, 32) / 32)


def _levels(
    X: NDArray[np.floating], end: NDArray[np.floating], heard: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Compute the standardized level around each edge, and its changes: (n_bars + 1, 5).

    The level of a bar is the mean of its features in X, that of its end the mean of those in `end`.
    Columns: level of the bar before, and of the bar after; mean level of the four bars after minus
    that of the four before; level of the end of the bar before, and that minus the level of that
    bar.
    """
    whole, late = (_standardized(part.mean(axis=1), heard) for part in (X, end))
    n = len(whole)
    padded = np.pad(whole, (4, 4), mode="edge")
    fours = sliding_window_view(padded, 4).mean(axis=1)  # mean of the 4 bars before each edge
    before, after = fours[: n + 1], fours[4 : n + 5]
    last = np.pad(whole, (1, 0), mode="edge")
    following = np.pad(whole, (0, 1), mode="edge")
    late = np.pad(late, (1, 0), mode="edge")
    return np.stack([last, following, after - before, late, late - last], axis=1)


def _similarity_nearby(
    X: NDArray[np.floating], heard: NDArray[np.bool_], *, after: bool
) -> NDArray[np.float64]:
    """Compute how similar (part of) the bar after or before each edge is to nearby bars.

    The mean z-scored cosine similarity to the other bars up to 8 bars away, shape (n_bars + 1,).
    """
    n = len(X)
    Z = np.zeros((n, n))
    if heard.any():
        part = X[heard]
        Z[np.ix_(heard, heard)] = z_scored(cosine(part - part.mean(axis=0)), least_spread=0.05)
    near = near_frames(n, max_lag=8)
    np.fill_diagonal(near, False)
    Z *= near
    like = Z.sum(axis=1) / np.maximum(near.sum(axis=1), 1)
    return np.pad(like, (0, 1) if after else (1, 0), mode="edge")


def _standardized(values: NDArray[np.floating], heard: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standardize values over non-silent bars, clipped to [-3, 3]; silent bars are -3."""
    out = np.full(len(values), -3.0)
    known = values[heard].astype(np.float64)
    if known.size:
        spread = known.std()
        out[heard] = np.clip((known - known.mean()) / (spread if spread > 1e-9 else 1), -3, 3)
    return out


def lag_form(
    matrix: NDArray[np.floating], lags: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Convert a similarity matrix to one column per lag, zero-padded for the convolution.

    Parameters
    ----------
    matrix : ndarray of float, shape (n_bars, n_bars)
    lags : ndarray of int, shape (n_lags,)
        In bars, of both signs.

    Returns
    -------
    values, there : ndarray of float32, shape (n_bars + TAPS, n_lags)
        `values[TAPS // 2 + i, k]` is `matrix[i, i + lags[k]]`, and `there` is a mask: 1 where both
        bars exist. Elsewhere, both are 0.
    """
    n = len(matrix)
    row = np.arange(-(TAPS // 2), n + TAPS // 2)[:, None]
    column = row + lags[None, :]
    there = (row >= 0) & (row < n) & (column >= 0) & (column < n)
    values = matrix[np.clip(row, 0, n - 1), np.clip(column, 0, n - 1)]
    return np.where(there, values, 0).astype(np.float32), there.astype(np.float32)


def lags_of(n_bars: int) -> NDArray[np.intp]:
    """Return the lags at which bars are compared."""
    most = min(n_bars - 1, MAX_LAG)
    lag = np.arange(MIN_LAG, most + 1)
    return np.concatenate([-lag[::-1], lag])


def forward(weights: Weights, matrix: NDArray[np.floating], cues: NDArray[np.floating]) -> Logits:
    """Run the network on one kind of features of a recording.

    Parameters
    ----------
    weights : mapping of str to ndarray of float32
        Weights of both passes, see `shipped_weights`.
    matrix : ndarray of float, shape (n_bars, n_bars)
        From `Views.matrices`.
    cues : ndarray of float, shape (n_bars + 1, n_cues)
        From `Views.cues`.

    Returns
    -------
    logits : ndarray of float32, shape (n_bars + 1, n_outputs)
        Log odds of a boundary at each edge, for each of `OUTPUTS`.
    """
    lags = lags_of(len(matrix))
    values, there = lag_form(matrix, lags)
    first = _one_pass(weights, "first", [values, there], cues.astype(np.float32))
    likely = 1 / (1 + np.exp(-np.clip(first, -30, 30)))
    elsewhere, _ = lag_form(np.broadcast_to(likely.mean(axis=1)[:-1], matrix.shape), lags)
    cues = np.concatenate([cues, first], axis=1).astype(np.float32)
    return _one_pass(weights, "second", [values, there, elsewhere], cues)


def _one_pass(
    weights: Weights, name: str, channels: list[NDArray[np.float32]], cues: NDArray[np.float32]
) -> Logits:
    stripes = _pooled_stripes(weights, name, channels)
    hidden = np.concatenate([stripes, cues], axis=1)
    hidden = np.maximum(hidden @ weights[f"{name}.mix.weight"].T + weights[f"{name}.mix.bias"], 0)
    kernel = weights[f"{name}.rhythm.weight"]  # (to, from, taps)
    reach = kernel.shape[2] // 2
    around = sliding_window_view(np.pad(hidden, ((reach, reach), (0, 0))), kernel.shape[2], axis=0)
    rhythm = np.tensordot(around, kernel, axes=([1, 2], [1, 2])) + weights[f"{name}.rhythm.bias"]
    hidden = hidden + np.maximum(rhythm, 0)
    return np.asarray(
        hidden @ weights[f"{name}.out.weight"].T + weights[f"{name}.out.bias"], dtype=np.float32
    )


def _pooled_stripes(
    weights: Weights, name: str, channels: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Convolve along diagonals and pool over lags."""
    kernel, bias = weights[f"{name}.along.weight"], weights[f"{name}.along.bias"]
    point, point_bias = weights[f"{name}.point.weight"], weights[f"{name}.point.bias"]
    n_lags = channels[0].shape[1]
    n_edges = len(channels[0]) - TAPS + 1
    flat = kernel.transpose(0, 2, 1).reshape(len(kernel), -1)  # (to, taps * channels)
    pooled = np.zeros((n_edges, 4 * len(point)), dtype=np.float32)
    if not n_lags:
        return pooled
    there = sliding_window_view(channels[1], TAPS, axis=0).max(axis=2)  # (edges, lags)
    # In this order, the window of an edge is contiguous: a view (edges, taps * channels, lags).
    rows = np.stack(channels, axis=1).reshape(-1, n_lags)
    windows = sliding_window_view(rows, flat.shape[1], axis=0)[:: len(channels)].swapaxes(1, 2)
    step = max(1, _CELLS // n_lags)
    for start in range(0, n_edges, step):
        block = slice(start, start + step)
        used = np.flatnonzero(there[block].any(axis=0))
        lags = slice(used[0], used[-1] + 1)
        valid = there[block, None, lags]
        hidden = windows[block, :, lags]
        for layer, offset in ((flat, bias), (point[:, :, 0], point_bias)):
            hidden = layer @ hidden
            hidden += offset[:, None]
            np.maximum(hidden, 0, out=hidden)
        hidden *= valid
        pooled[block] = _pool(hidden, valid)
    return pooled


def _pool(hidden: NDArray[np.float32], valid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pool over lags: maximum, second largest, mean of the six largest, mean."""
    n_edges, _, n_lags = hidden.shape
    k = min(N_LARGEST, n_lags)
    negative = -hidden
    negative.partition(k - 1, axis=2)
    top = -np.sort(negative[:, :, :k], axis=2)
    second = top[:, :, 1] if k > 1 else np.zeros_like(top[:, :, 0])
    mean = hidden.sum(axis=2) / np.maximum(valid.sum(axis=2), 1)
    parts = (top[:, :, 0], second, top.sum(axis=2) / N_LARGEST, mean)
    return np.asarray(np.concatenate(parts, axis=1).reshape(n_edges, -1), dtype=np.float32)


_CELLS = 1 << 12
"""Cells of a lag matrix processed at a time, to bound memory."""


@cache
def shipped_weights() -> tuple[Weights, ...]:
    """Load the weights shipped with the package, one set per training seed.

    Their training data are described in `data/diagonals.md`.
    """
    file = resources.files("scatseg") / "data" / "diagonals.npz"
    with file.open("rb") as stream, np.load(stream) as arrays:
        names = [name.split("/", 1) for name in arrays.files]
        return tuple(
            {part: arrays[f"{seed}/{part}"].astype(np.float32) for s, part in names if s == seed}
            for seed in sorted({seed for seed, _ in names})
        )


def boundary_logits(seen: Views, *, weights: Sequence[Weights] | None = None) -> Logits:
    """Estimate the log odds of a phrase or section boundary at each edge.

    Parameters
    ----------
    seen : Views
        Network inputs of a recording.
    weights : sequence of weights, optional
        Networks to average over; by default, those of `shipped_weights`.

    Returns
    -------
    logits : ndarray of float32, shape (n_bars + 1, n_outputs)
        Log odds for each of `OUTPUTS`, averaged over networks and kinds of features.
    """
    networks = shipped_weights() if weights is None else weights
    answers = [
        forward(network, matrix, cues)
        for network in networks
        for matrix, cues in zip(seen.matrices, seen.cues, strict=True)
    ]
    return np.asarray(np.mean(answers, axis=0), dtype=np.float32)


def boundary_log_odds(logits: Logits, level: Level) -> NDArray[np.float64]:
    """Compute the log odds of a boundary of one level at each edge.

    Parameters
    ----------
    logits : ndarray of float32, shape (n_bars + 1, n_outputs)
        From `boundary_logits`.
    level : {"any", "phrase", "section"}
        Level of the boundaries; "any" averages both.

    Returns
    -------
    log_odds : ndarray of float64, shape (n_bars + 1,)
        In [-LIMIT, LIMIT]; 0 is a probability of one half.
    """
    check_level(level)
    columns = [i for i, name in enumerate(OUTPUTS) if level == "any" or name.startswith(level)]
    return np.asarray(np.clip(logits[:, columns].mean(axis=1, dtype=np.float64), -LIMIT, LIMIT))


def check_level(level: str) -> None:
    """Raise a ValueError unless `level` is one of `LEVELS`."""
    if level not in LEVELS:
        msg = f"level must be one of {', '.join(LEVELS)}, got {level!r}"
        raise ValueError(msg)


LIMIT = 8.0
"""Largest absolute log odds; the network's output is clipped to it."""
