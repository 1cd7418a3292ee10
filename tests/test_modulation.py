"""Separability of sounds that differ only in modulation, by feature."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "pipelines" / "modulation.py"


@pytest.fixture(scope="module")
def modulation():
    spec = importlib.util.spec_from_file_location("modulation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("pair", "features", "hears"),
    [
        ("direction", "jtfs", True),
        ("direction", "mfcc", False),
        ("direction", "s2", False),
        ("rate", "s2", True),
        ("rate", "mfcc", False),
    ],
)
def test_only_scattering_separates_sounds_by_modulation(modulation, pair, features, hears):
    y, kinds = modulation.recording(modulation.PAIRS[pair], np.random.default_rng(0))
    told = modulation.told_apart(y, kinds, features)
    assert told > 0.85 if hears else abs(told - 0.5) < 0.1
    mixed = np.random.default_rng(1).permutation(kinds)
    assert abs(modulation.told_apart(y, mixed, features) - 0.5) < 0.1
