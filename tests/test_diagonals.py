"""The boundary network on small matrices with known output, and the shipped weights."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import scatseg.diagonals
from scatseg.cover import bar_similarity
from scatseg.diagonals import (
    LEVELS,
    N_CUES,
    OUTPUTS,
    TAPS,
    Views,
    block_cues,
    boundary_log_odds,
    boundary_logits,
    forward,
    lag_form,
    lags_of,
    shipped_weights,
    views,
)
from scatseg.features import FeatureName, Features
from scatseg.segmenters import CoverSegmenter, segment

pytestmark = pytest.mark.usefixtures("one_thread")

PIPELINES = Path(__file__).parents[1] / "pipelines"


def tune(form, rng, *, n_bars=8, noise=0.7):
    """Noisy repeated phrases, one per letter, whose bars all differ."""
    phrases = {letter: rng.normal(size=(n_bars, 40)) for letter in sorted(set(form))}
    X = np.concatenate([phrases[letter] for letter in form])
    return Features(X + noise * rng.normal(size=X.shape), 2.0 * np.arange(len(X) + 1))


def seen(features):
    return views(bar_similarity(features, frames_per_bar=1))


def some_weights(rng):
    n_filters, n_hidden, weights = 6, 5, {}
    for name, n_channels, n_cues in (("first", 2, N_CUES), ("second", 3, N_CUES + len(OUTPUTS))):
        shapes = {
            "along": (n_filters, n_channels, TAPS),
            "point": (n_filters, n_filters, 1),
            "mix": (n_hidden, 4 * n_filters + n_cues),
            "rhythm": (n_hidden, n_hidden, 17),
            "out": (len(OUTPUTS), n_hidden),
        }
        for part, shape in shapes.items():
            scale = np.sqrt(np.prod(shape[1:]))
            weights[f"{name}.{part}.weight"] = (rng.normal(size=shape) / scale).astype(np.float32)
            weights[f"{name}.{part}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    return weights


def some_input(rng, n_bars):
    Z = rng.normal(size=(n_bars, n_bars))
    return Z + Z.T, rng.normal(size=(n_bars + 1, N_CUES))


@pytest.mark.parametrize("n_bars", [9, 30, 61])
def test_numpy_and_torch_agree(n_bars, rng):
    torch = pytest.importorskip("torch")
    weights = some_weights(rng)
    n_hidden, n_filters = len(weights["first.mix.bias"]), len(weights["first.along.bias"])
    train_structure = from_pipelines("train_structure")
    network = train_structure.Network(n_filters=n_filters, n_hidden=n_hidden).eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    matrix, cues = some_input(rng, n_bars)
    lags = lags_of(n_bars)
    values, there = lag_form(matrix, lags)
    arrays = (values, there, cues.astype(np.float32), lags)
    with torch.no_grad():
        _, expected = network(*(torch.from_numpy(each) for each in arrays))
    np.testing.assert_allclose(forward(weights, matrix, cues), expected.numpy(), atol=1e-5)


def from_pipelines(name):
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_results_are_independent_of_the_block_size(rng, monkeypatch):
    weights = some_weights(rng)
    matrix, cues = some_input(rng, 40)
    whole = forward(weights, matrix, cues)
    monkeypatch.setattr(scatseg.diagonals, "_CELLS", 100)
    np.testing.assert_allclose(forward(weights, matrix, cues), whole, atol=1e-5)


def test_the_order_of_lags_does_not_matter(rng):
    weights = some_weights(rng)
    matrix, _ = some_input(rng, 40)
    lags = lags_of(40)
    shuffled = rng.permutation(lags)
    parts = [lag_form(matrix, each) for each in (lags, shuffled)]
    pooled = [
        scatseg.diagonals._pooled_stripes(weights, "first", list(channels)) for channels in parts
    ]
    np.testing.assert_allclose(*pooled, atol=1e-5)


def test_lag_form_writes_a_repetition_as_a_column():
    values, there = lag_form(np.eye(12, k=4), np.array([4, -4]))
    rows = slice(TAPS // 2, TAPS // 2 + 12)
    np.testing.assert_array_equal(values[rows].T, [[1] * 8 + [0] * 4, [0] * 12])
    np.testing.assert_array_equal(there[rows].T, [[1] * 8 + [0] * 4, [0] * 4 + [1] * 8])


def test_lags_are_bounded_in_long_recordings():
    assert np.abs(lags_of(5000)).max() == scatseg.diagonals.MAX_LAG


@pytest.mark.parametrize("n_bars", [1, 2, 3, 5])
def test_short_pieces_are_accepted(n_bars, rng):
    X = rng.normal(size=(n_bars, 7))
    logits = boundary_logits(seen(Features(X, np.arange(n_bars + 1.0))))
    assert logits.shape == (n_bars + 1, len(OUTPUTS))
    assert np.isfinite(logits).all()


def test_block_cues_by_hand():
    Z = np.array([[9, 1, 2.0], [1, 9, 3], [2, 3, 9]])
    cues = block_cues(Z, widths=(1, 2))
    # A block of one bar has no pairs; across the first inner edge: Z[0, 1].
    np.testing.assert_allclose(cues[1], [0, 0, 1, 0, 3, (1 + 2) / 2])
    np.testing.assert_allclose(cues[[0, 3]], [[0, 0, 0, 0, 1, 0], [0, 0, 0, 3, 0, 0]])


def test_cues_include_the_ends_of_bars_if_features_have_subdivisions(rng):
    X = np.ones((24, 8))
    X[:, :6] += 0.01 * rng.normal(size=(24, 6))
    X[7, 6:] = [5, 3]
    names = [FeatureName("any", 0, place=place) for place in range(8)]
    cues = seen(Features(X, np.arange(25.0), names)).cues[0]
    odd = cues[:, 11]  # similarity of the end of the previous bar to its neighbors
    assert odd.argmin() == 8


@pytest.mark.parametrize("level", ["any", "phrase", "section"])
def test_shipped_network_finds_repeated_phrases(level, rng):
    log_odds = boundary_log_odds(boundary_logits(seen(tune("ABAABACABA", rng))), level)
    starts = np.arange(8, 80, 8)
    others = np.setdiff1d(np.arange(2, 79), np.concatenate([starts, starts - 1, starts + 1]))
    assert np.median(log_odds[starts]) > log_odds[others].max()


def test_output_is_invariant_to_the_scale_of_features(rng):
    song = tune("AABA", rng)
    louder = Features(3 * song.X, song.edges)
    np.testing.assert_allclose(
        boundary_logits(seen(louder)), boundary_logits(seen(song)), atol=1e-3
    )


def test_shipped_weights_are_small_and_of_one_shape():
    networks = shipped_weights()
    assert len(networks) >= 2
    shapes = [{name: value.shape for name, value in network.items()} for network in networks]
    assert all(each == shapes[0] for each in shapes)
    assert sum(value.size for value in networks[0].values()) < 60_000


def test_mean_over_kinds_and_networks(rng):
    networks = [some_weights(rng), some_weights(rng)]
    pairs = [some_input(rng, 20) for _ in range(3)]
    together = Views(
        matrices=np.array([matrix for matrix, _ in pairs], dtype=np.float32),
        cues=np.array([cues for _, cues in pairs], dtype=np.float32),
    )
    expected = np.mean([forward(w, matrix, cues) for w in networks for matrix, cues in pairs], 0)
    np.testing.assert_allclose(boundary_logits(together, weights=networks), expected, atol=1e-4)


def test_unknown_levels_raise():
    with pytest.raises(ValueError, match="level must be one of any, phrase, section, got 'bar'"):
        boundary_log_odds(np.zeros((3, 4), dtype=np.float32), "bar")
    with pytest.raises(ValueError, match="got 'bar'"):
        CoverSegmenter(level="bar")


def test_the_network_is_not_used_on_frames_shorter_than_bars(rng):
    X = rng.normal(size=(200, 5))
    frames = Features(X, 0.5 * np.arange(201))
    learned = CoverSegmenter(network=1.0).predict(frames)
    assert learned == CoverSegmenter(network=0.0).predict(frames)


@pytest.mark.parametrize("network", [0.0, 1.0])
@pytest.mark.parametrize("level", ["any", "phrase", "section"])
@pytest.mark.parametrize("form", ["ABAABA", "AABBCCAABB"])
def test_phrases_lie_within_sections(network, level, form, rng):
    found = CoverSegmenter(network=network, level=level).predict(tune(form, rng))
    assert found.names == ("section", "phrase")
    sections, phrases = found
    assert set(sections.boundaries) <= set(phrases.boundaries)


@pytest.mark.parametrize("network", [0.0, 1.0])
@pytest.mark.parametrize("level", ["any", "section"])
def test_a_section_is_a_run_of_phrases_with_one_label(network, level, rng):
    sections, phrases = CoverSegmenter(network=network, level=level).predict(tune("AABBBA", rng))
    assert "".join(phrases.labels) == "AABBBA"
    assert "".join(sections.labels) == "ABA"
    assert sections == phrases.merged()


def test_a_section_is_a_run_of_phrases_on_short_frames(rng):
    part, other = (np.repeat(rng.normal(size=(12, 6)), 4, axis=0) for _ in range(2))
    song = Features(np.concatenate([part, part, other]), 0.5 * np.arange(145))
    sections, phrases = CoverSegmenter().predict(song)
    assert "".join(phrases.labels) == "AAB"
    assert sections == phrases.merged()


@pytest.mark.parametrize("network", [0.0, 1.0])
@pytest.mark.parametrize("other", [{"granularity": 0.9}, {"n_segments": 9}, {"n_segments": 20}])
def test_n_segments_refines_or_coarsens_the_default_sections(network, other, rng):
    song = tune("ABAACCABAA", rng)
    usual, phrases = CoverSegmenter(network=network, level="section").predict(song)
    more, within = CoverSegmenter(network=network, level="section", **other).predict(song)
    few, _ = CoverSegmenter(network=network, level="section", n_segments=3).predict(song)
    assert set(few.boundaries) < set(usual.boundaries) < set(more.boundaries)
    assert set(within.boundaries) == {*phrases.boundaries, *more.boundaries}


@pytest.mark.parametrize("network", [0.0, 1.0])
def test_the_default_number_of_sections_gives_the_default_sections(network):
    song = tune("AABBBA", np.random.default_rng(1), noise=1.5)
    usual = CoverSegmenter(network=network, level="section").predict(song)
    assert "".join(usual.levels[0].labels) == "ABA"
    as_many = CoverSegmenter(network=network, level="section", n_segments=3)
    assert as_many.predict(song) == usual


@pytest.mark.parametrize("bars", [np.zeros((12, 6)), np.ones((12, 6))], ids=["silent", "alike"])
def test_the_requested_level_is_the_default_for_constant_features(bars):
    song = Features(bars, 2.0 * np.arange(13))
    for level, default in (("section", 0), ("phrase", 1), ("any", 1)):
        assert CoverSegmenter(level=level).predict(song).default == default


@pytest.mark.parametrize("network", [0.0, 1.0])
def test_the_requested_level_is_the_default_with_n_segments(network, rng):
    song = tune("ABAACCABAA", rng)
    for level, default in (("section", 0), ("phrase", 1), ("any", 1)):
        found = CoverSegmenter(network=network, level=level, n_segments=4).predict(song)
        assert found.default == default
        assert len(found.levels[default]) == 4


@pytest.mark.parametrize("level", ["any", "section"])
@pytest.mark.parametrize("network", [0.0, 1.0])
def test_granularity_changes_one_boundary_at_a_time_from_the_default(network, level, rng):
    song = tune("AABBBBACDAA", rng)
    fewer, usual, more = (
        set(segment(song, segmenter=segmenter).boundaries)
        for segmenter in (
            CoverSegmenter(network=network, level=level, granularity=g)
            for g in (0.5 - 1e-9, 0.5, 0.5 + 1e-9)
        )
    )
    assert fewer <= usual <= more
    assert len(more) - len(fewer) <= 2


def test_a_higher_granularity_never_removes_segments(rng):
    song = tune("ABAACCABAA", rng)
    counts = [
        len(segment(song, segmenter=CoverSegmenter(network=1.0, granularity=g)))
        for g in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert counts == sorted(counts)
    assert counts[0] < 0.7 * counts[2]
    assert counts[4] > 3 * counts[2]


def test_network_log_odds_are_added_at_the_ends_of_segments(rng):
    song = tune("ABAABA", rng)
    logits = boundary_logits(seen(song))
    prepared = CoverSegmenter(network=2.0).prepare(song)
    found, doubled = (CoverSegmenter(network=n)._weighed(prepared).found for n in (2.0, 4.0))
    assert found.keys() == set(LEVELS)
    for level, (scores, _) in found.items():
        twice, _ = doubled[level]
        expected = 2 * (boundary_log_odds(logits, level) + 1.5)
        np.testing.assert_allclose(
            (twice - scores)[:, 1:-1], np.tile(expected[1:-1], (len(scores), 1)), atol=1e-4
        )
