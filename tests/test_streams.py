"""Streaming transforms: blocks, threads, and predicted cost."""

import re
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measuring import peak_memory

from scatseg.scattering import Scattering1D, TimeFrequencyScattering

TRANSFORMS = [
    pytest.param(Scattering1D(J=6, Q=4), id="scattering"),
    pytest.param(Scattering1D(J=6, Q=4, stride=16), id="finer frames"),
    pytest.param(TimeFrequencyScattering(J=6, J_fr=2, Q=4), id="joint"),
    pytest.param(TimeFrequencyScattering(J=6, J_fr=2, Q=4, format="joint"), id="joint axes"),
]
each_transform = pytest.mark.parametrize("transform", TRANSFORMS)
LONG = 200_001


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pieces(x, cuts):
    return np.split(x, sorted(cuts), axis=-1)


@pytest.mark.parametrize("cuts", [[], [70_000], [1, 2, 131_072], range(1000, LONG, 1000)])
@each_transform
def test_a_stream_equals_the_transform_of_the_whole(transform, cuts):
    x = noise(LONG)
    S = np.concatenate(list(transform.stream(pieces(x, cuts))), axis=-1)
    np.testing.assert_array_equal(S, transform(x))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300_000), st.lists(st.integers(0, 300_000), max_size=5))
def test_a_stream_is_independent_of_the_block_sizes(n_samples, cuts):
    x, transform = noise(n_samples), Scattering1D(J=4, Q=1)
    S = list(transform.stream(pieces(x, [min(cut, n_samples) for cut in cuts])))
    np.testing.assert_array_equal(np.concatenate(S, axis=-1), transform(x))


@each_transform
def test_a_multichannel_stream_equals_the_transform_of_the_whole(transform):
    x = noise(2, LONG)
    S = np.concatenate(list(transform.stream(pieces(x, [100_000]))), axis=-1)
    assert np.linalg.norm(S - transform(x)) < 1e-6 * np.linalg.norm(S)


def test_a_stream_may_reuse_one_buffer():
    x, buffer, transform = (
        noise(LONG)[: LONG - 1],
        np.empty(1000, np.float32),
        Scattering1D(J=6, Q=4),
    )

    def live():
        for piece in x.reshape(-1, 1000):
            buffer[:] = piece
            yield buffer

    S = np.concatenate(list(transform.stream(live())), axis=-1)
    np.testing.assert_array_equal(S, transform(x))


def test_a_stream_has_the_planned_latency():
    transform, n_read, frames_at = Scattering1D(J=6, Q=4), 0, []

    def live():
        nonlocal n_read
        for piece in pieces(noise(LONG), range(1000, LONG, 1000)):
            n_read += piece.shape[-1]
            yield piece

    first = 0
    for S in transform.stream(live()):
        frames_at.append(n_read - first * 64)
        first += S.shape[-1]
    assert len(frames_at) > 1
    assert max(frames_at) <= transform.plan(LONG).latency + 1000


def test_a_stream_has_the_planned_memory():
    transform = Scattering1D(J=6, Q=4, workers=1)
    cost = transform.plan(LONG)

    def live(n_pieces):
        for seed in range(n_pieces):
            yield noise(10_000, seed=seed)

    def peak(n_pieces):
        return peak_memory(deque, transform.stream(live(n_pieces)), maxlen=0)

    peak(20)
    assert peak(200) < 1.2 * peak(20)
    assert peak(200) < cost.n_bytes + 4 * cost.period * 4


def test_a_long_signal_needs_the_memory_of_a_short_one():
    transform = Scattering1D(J=6, Q=4, workers=1)

    def beside(n_samples):
        x = noise(n_samples)
        S = transform(x)
        return peak_memory(transform, x) - S.nbytes

    assert beside(2**22) < 1.1 * beside(2**18)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Scattering1D(J=4, T="global"), "got a global average"),
        (Scattering1D(J=4, T=0, out_type="list"), "got a none average"),
        (Scattering1D(J=4, out_type="dict"), "out_type='dict'"),
        (TimeFrequencyScattering(J=4, J_fr=1, Q=2, T="global"), "got a global average"),
    ],
)
def test_transforms_that_need_the_whole_signal_cannot_be_streamed(transform, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        transform.stream([noise(100)])


def test_an_empty_stream_raises():
    with pytest.raises(ValueError, match="a stream needs at least one sample, got none"):
        list(Scattering1D(J=4).stream([noise(0), noise(0)]))


def test_a_block_that_is_not_finite_raises():
    with pytest.raises(ValueError, match=r"x must be finite, got nan at index \(3,\)"):
        list(Scattering1D(J=4).stream([noise(10), np.array([0, 0, 0, np.nan])]))


@pytest.mark.parametrize("workers", [2, 5])
@pytest.mark.parametrize("shape", [(LONG,), (7, 3000)])
@each_transform
def test_results_are_bitwise_independent_of_workers(transform, shape, workers):
    x = noise(*shape)
    options = {k: getattr(transform, k) for k in transform.__dataclass_fields__}
    one, several = (type(transform)(**options | {"workers": n})(x) for n in (1, workers))
    np.testing.assert_array_equal(several, one)


def test_workers_are_not_part_of_the_identity_of_a_transform():
    assert Scattering1D(J=4, workers=2) == Scattering1D(J=4)
    assert "workers" not in repr(Scattering1D(J=4, workers=2))


@pytest.mark.parametrize("workers", [0, -1, 1.5, "all", True])
def test_invalid_workers_raise(workers):
    with pytest.raises(ValueError, match="workers must be an integer of at least 1, got"):
        Scattering1D(J=4, workers=workers)


def test_the_collections_workers_use_one_thread_each(monkeypatch):
    from scatseg.scattering.blocks import n_threads

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert n_threads(None) == 1
    assert n_threads(3) == 3


@each_transform
def test_the_plan_predicts_the_output(transform):
    for n_samples in (1, 1000, LONG):
        cost, S = transform.plan(n_samples), transform(noise(n_samples))
        assert (cost.n_frames, cost.n_coefficients) == (S.shape[-1], S.size)


@pytest.mark.parametrize("T", [0, "global"])
@pytest.mark.parametrize(
    "transform", [Scattering1D, lambda J, **options: TimeFrequencyScattering(J, 2, Q=4, **options)]
)
def test_the_plan_predicts_coefficient_counts_without_a_local_average(transform, T):
    transform = transform(5, T=T, out_type="list")
    S = transform(noise(777))
    assert transform.plan(777).n_coefficients == sum(path["coef"].size for path in S)


def test_the_plan_knows_the_operations_of_twice_the_signal():
    one, two = (Scattering1D(J=8, Q=8).plan(n) for n in (10**7, 2 * 10**7))
    assert two.n_operations == pytest.approx(2 * one.n_operations, rel=0.02)
    assert two.n_bytes == one.n_bytes


def test_the_plan_is_described_in_seconds():
    text = Scattering1D(J=13, Q=8).plan(240 * 22050).describe(sr=22050)
    assert "240 s" in text
    assert "644 paths" in text
    assert "0.3715 s" in text


@pytest.mark.parametrize(
    ("T", "frames"), [(0, "as many as each path's own stride gives"), ("global", "one for all")]
)
def test_the_plan_describes_frames_without_a_local_average(T, frames):
    text = Scattering1D(J=5, T=T, out_type="list").plan(4096).describe()
    assert re.search(rf"^frames +{frames}$", text, re.MULTILINE)
    assert "stream" not in text


@pytest.mark.parametrize("sr", [0, -22050, float("inf")])
def test_a_plan_is_described_at_a_positive_rate(sr):
    with pytest.raises(ValueError, match="sr must be positive and finite, got"):
        Scattering1D(J=5).plan(4096).describe(sr)


def test_a_plan_needs_a_length():
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
        Scattering1D(J=4).plan(0)
