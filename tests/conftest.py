"""Fixtures: a seeded generator, a minute of known form, and the shared corpus."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from scatseg.features import Features
from scatseg.segmentation import Segmentation


@pytest.fixture
def rng():
    return np.random.default_rng(seed=440)


@pytest.fixture(scope="module", autouse=True)
def _torch_works_alone():
    """Use one thread, which is far faster for the small tensors of tests."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="module")
def one_thread():
    """Use one thread, which is faster for the small matrices of tests."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def shared():
    folder = Path(os.environ.get("SCATSEG_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "corpus").is_dir():
        pytest.skip(f"the shared corpus is not at {folder} (set SCATSEG_SHARED)")
    return folder


@pytest.fixture(scope="session")
def aba():
    """Form of the minute: A B A, 20 s each."""
    return Segmentation([0, 20, 40, 60], ["A", "B", "A"])


@pytest.fixture(scope="session")
def aba_features(aba):
    """Half-second frames around one random center per label."""
    rng = np.random.default_rng(seed=440)
    edges = np.arange(121) * 0.5
    means = {label: rng.normal(size=12) for label in "AB"}
    X = np.array([means[aba.label_at(t)] for t in (edges[:-1] + edges[1:]) / 2])
    return Features(X + 0.1 * rng.normal(size=X.shape), edges)


@pytest.fixture(scope="session")
def aba_signal(aba):
    """(y, sr) of the minute: two different chords with different tremolo, at 22050 Hz."""
    sr = 22050
    t = np.arange(60 * sr) / sr
    y = np.zeros(t.size)
    for start, end, label in aba:
        here = (t >= start) & (t < end)
        notes, rate = ((220, 277, 330), 4.0) if label == "A" else ((330, 415, 494, 988), 7.0)
        tone = sum(np.sin(2 * np.pi * f * t[here]) for f in notes) / len(notes)
        y[here] = 0.5 * tone * (1 + 0.5 * np.sin(2 * np.pi * rate * t[here]))
    return y.astype(np.float32), sr
