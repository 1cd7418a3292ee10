import gc
import inspect
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kymatio.scattering1d.frontend.numpy_frontend import ScatteringNumPy1D
from scipy.signal import lfilter
from tests.measuring import peak_memory

import scatseg
from scatseg.distances import JointCoefficients, ScatteringCoefficients
from scatseg.gear.representations import MeanJointScattering, MeanScattering
from scatseg.scattering import Scattering1D, TimeFrequencyScattering, plan
from scatseg.scattering import arrays as scattering_arrays
from scatseg.scattering.banks import Scaled, erb_gammatone, gammatone, mel
from scatseg.scattering.filterbank import filterbank

ERRORS = {"fast": (2e-3, 4e-3), "default": (1e-4, 1e-3), "exact": (5e-5, 4e-4)}
"""Maximum relative l2 errors of orders 1 and 2, as documented in Scattering1D."""


def relative_error(S, reference):
    return np.linalg.norm(S - reference) / np.linalg.norm(reference)


def noise(n_samples, seed=440):
    return np.random.default_rng(seed).normal(size=n_samples)


def impulse(n_samples, at):
    x = np.zeros(n_samples, dtype=np.float32)
    x[at] = 1
    return x


# Known answers.


def test_silence_is_exactly_zero():
    assert not Scattering1D(J=8, Q=8)(np.zeros(5000)).any()


@pytest.mark.parametrize("n_samples", [1, 100, 4096, 5000])
@pytest.mark.parametrize("level", [0.5, -0.7])
def test_a_constant_has_only_order_zero(n_samples, level):
    S = Scattering1D(J=6, Q=8)(np.full(n_samples, level))
    np.testing.assert_allclose(S[0], level, rtol=1e-6)
    assert np.abs(S[1:]).max() < 1e-6 * abs(level)


@pytest.mark.parametrize("n1", [0, 8, 20, 36])
def test_a_tone_has_half_its_amplitude_in_its_row(n1):
    transform = Scattering1D(J=8, Q=8)
    meta = transform.meta()
    tone = np.cos(2 * np.pi * meta["xi"][1 + n1, 0] * np.arange(8192))
    S = transform(tone)[:, 16]
    assert S[meta["order"] == 1].argmax() == n1
    assert 0.4995 < S[1 + n1] < 0.5001
    assert S[meta["order"] == 2].max() < 0.004


@pytest.mark.parametrize("n2", [5, 6])
def test_a_tremolo_peaks_at_its_rate(n2):
    transform = Scattering1D(J=8, Q=8)
    meta, bank = transform.meta(), filterbank(8, (8, 1), 256)
    t = 2 * np.pi * np.arange(8192)
    x = np.cos(bank.psi1[4].xi * t) * (1 + 0.5 * np.cos(bank.psi2[n2].xi * t))
    S = transform(x)[:, 16]
    rows = [i for i, key in enumerate(meta["key"]) if len(key) == 2 and key[0] == 4]
    assert meta["key"][rows[S[rows].argmax()]] == (4, n2)


@pytest.mark.parametrize("n_samples", [1025, 2048, 3333, 5000, 8192, 50_001, 200_000])
def test_a_click_is_exactly_on_its_frame(n_samples):
    transform = Scattering1D(J=4, Q=2, T=32, stride=32)
    for k in (12, n_samples // 64, n_samples // 32 - 12):
        energy = transform(impulse(n_samples, 32 * k))[1:].sum(axis=0)
        assert energy.argmax() == k
        around = energy[k - 8 : k + 9]
        assert around @ np.arange(-8, 9) / around.sum() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("at", [640, 1280, 2560])
def test_frames_are_symmetric_around_a_click(at):
    S = Scattering1D(J=6, Q=4)(impulse(3333, at))
    before, after = S[1:, : at // 64][:, ::-1], S[1:, at // 64 + 1 :]
    n_frames = min(before.shape[1], after.shape[1], 8)
    np.testing.assert_allclose(before[:, :n_frames], after[:, :n_frames], atol=1e-3 * S.max())


@pytest.mark.parametrize("n_samples", [100, 5000, 60_000])  # 60 000 fits a block, padded does not
def test_a_global_average_sums_over_the_padded_signal(n_samples):
    transform = Scattering1D(J=8, Q=2, T="global")
    S = transform(np.full(n_samples, -0.5))
    period = plan.layout(transform.options, n_samples).period
    if n_samples >= 256:
        assert period == plan.kymatio_period(n_samples, 256)
    np.testing.assert_allclose(S[0], [-0.5 * period], rtol=1e-12)
    assert np.abs(S[1:]).max() < 1e-6 * period


def test_a_tone_without_averaging_has_its_envelope_in_its_row():
    transform = Scattering1D(J=8, Q=8, T=0, out_type="list")
    xi, x = transform.meta()["xi"], noise(5000)
    for path in range(1, 33, 8):
        tone = np.cos(2 * np.pi * xi[path, 0] * np.arange(5000))
        envelope = transform(tone)[path]["coef"]
        middle = envelope[len(envelope) // 4 : -len(envelope) // 4]
        np.testing.assert_allclose(middle, 0.5, rtol=3e-3)
    np.testing.assert_array_equal(transform(x)[0]["coef"], x)


@pytest.mark.parametrize("n_samples", [1000, 1025, 3333])
def test_a_click_without_averaging_is_exactly_at_multiples_of_each_stride(n_samples):
    transform = Scattering1D(J=4, Q=2, T=0, out_type="list")
    at = 16 * (n_samples // 32)
    for path in transform(impulse(n_samples, at)):
        if path["order"] == 1:
            assert path["coef"].argmax() == at // 2 ** path["j"][-1]


# Properties.


@pytest.mark.parametrize("factor", [0.01, -3.0])
def test_coefficients_scale_with_the_signal(factor):
    transform, x = Scattering1D(J=6, Q=4), noise(3000)
    S, scaled = transform(x), transform(factor * x)
    np.testing.assert_allclose(scaled[0], factor * S[0], atol=1e-12)
    np.testing.assert_allclose(scaled[1:], abs(factor) * S[1:], atol=1e-12)


@pytest.mark.parametrize(
    "transform",
    [
        Scattering1D(J=6, Q=4),
        TimeFrequencyScattering(J=6, J_fr=2, Q=4),
        TimeFrequencyScattering(J=6, J_fr=2, Q=4, format="joint"),
    ],
    ids=repr,
)
def test_faint_signals_lose_no_precision_and_no_time_to_denormal_numbers(transform):
    x = noise(2**17).astype(np.float32)
    faint = np.stack([x, x * np.float32(2.0**-100)])
    expected = transform(x)
    np.testing.assert_array_equal(transform(faint), [expected, expected * np.float32(2.0**-100)])
    stream = np.concatenate(list(transform.stream([faint[:, :9000], faint[:, 9000:]])), axis=-1)
    np.testing.assert_array_equal(stream, transform(faint))


def test_coefficients_are_nonnegative():
    S = Scattering1D(J=8, Q=8)(noise(10_000))[1:]
    assert S.min() >= -1e-6 * S.max()


def test_frames_are_equivariant_to_shifts_by_the_stride():
    transform, x = Scattering1D(J=6, Q=4, accuracy="exact"), noise(8192)
    here, moved = transform(x), transform(np.roll(x, 5 * 64))
    assert relative_error(moved[:, 37:101], here[:, 32:96]) < 1e-4


@pytest.mark.parametrize(("shift", "bound"), [(1, 4e-4), (8, 3e-3), (64, 3e-2)])
def test_coefficients_are_stable_to_small_shifts(shift, bound):
    transform, x = Scattering1D(J=8, Q=8), noise(8192)
    here, moved = transform(x)[1:, 8:24], transform(np.roll(x, shift))[1:, 8:24]
    assert relative_error(moved, here) < bound


def test_a_reversed_signal_gives_reversed_frames():
    transform, x = Scattering1D(J=6, Q=4), noise(4097)
    S, backward = transform(x), transform(x[::-1])
    assert relative_error(backward[1:, ::-1], S[1:]) < 1e-3


def test_the_transform_is_nonexpansive():
    transform = Scattering1D(J=8, Q=8)
    x, y = noise(8192, seed=1), noise(8192, seed=2)
    apart = 256 * np.sum((transform(x) - transform(y)) ** 2)
    assert 0 < apart <= np.sum((x - y) ** 2)


@pytest.mark.parametrize("factor", [4, 32, 2**13])
def test_a_coarser_stride_selects_frames_of_a_finer_one(factor):
    x = noise(150_000)
    fine = Scattering1D(J=4, Q=2, stride=8, accuracy="exact")(x)
    coarse = Scattering1D(J=4, Q=2, stride=8 * factor, accuracy="exact")(x)
    assert relative_error(coarse, fine[:, ::factor]) < 1e-3


def test_max_order_1_equals_the_first_order_of_2():
    x = noise(5000)
    both = Scattering1D(J=6, Q=4)(x)
    first = Scattering1D(J=6, Q=4, max_order=1)(x)
    assert relative_error(first, both[: len(first)]) < ERRORS["default"][0]


def test_higher_accuracy_has_smaller_error():
    x = noise(8192)
    limit = Scattering1D(J=7, Q=7, accuracy="exact")(x)  # float64: every sample
    errors = [
        relative_error(Scattering1D(J=7, Q=7, accuracy=accuracy)(x.astype(np.float32)), limit)
        for accuracy in ("fast", "default", "exact")
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("accuracy", ["fast", "default", "exact"])
@pytest.mark.parametrize("Q", [(8, 1), (8, 4)])
@pytest.mark.parametrize("T", [2, 8, 64])
def test_averages_far_shorter_than_the_wavelets_keep_the_error_bounds(T, Q, accuracy):
    x = noise(2**13)
    limit = Scattering1D(J=9, Q=Q, T=T, accuracy="exact")(x)  # float64: every sample
    transform = Scattering1D(J=9, Q=Q, T=T, accuracy=accuracy)
    S, order = transform(x.astype(np.float32)), transform.meta()["order"]
    for i, bound in enumerate(ERRORS[accuracy], start=1):
        assert relative_error(S[order == i], limit[order == i]) < bound


# Without a local average.

WITHOUT = [
    pytest.param({"T": 0, "out_type": "dict"}, id="none"),
    pytest.param({"T": "global", "out_type": "dict"}, id="global"),
]


def slow_moduli(x, transform):
    """|x * psi1| and ||x * psi1| * psi2| by key, at every sample of the padded signal."""
    options = transform.options
    period = plan.kymatio_period(len(x), options.T)
    start = (period - len(x)) // 2
    padded = np.pad(x, (start, period - len(x) - start), mode="reflect")
    bank = filterbank(options.J, options.Q, options.T)

    def modulus(x, psi):
        first, response = psi.band(period, 1e-12)
        H = np.zeros(period)
        H[np.arange(first, first + len(response)) % period] = response
        return np.abs(np.fft.ifft(np.fft.fft(x) * H))

    U = {(n1,): modulus(padded, psi) for n1, psi in enumerate(bank.psi1)}
    U |= {key: modulus(U[key[:1]], bank.psi2[key[1]]) for key in transform.meta()["key"] if key[1:]}
    return {(): padded, **U}, start


@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize("options", WITHOUT)
@pytest.mark.parametrize(
    "x",
    [
        pytest.param(noise(500), id="500"),
        pytest.param(noise(1025), id="1025"),
        pytest.param(noise(3000), id="3000"),
        pytest.param(impulse(3333, 1000).astype(np.float64), id="click"),
    ],
)
def test_coefficients_equal_a_direct_computation(x, options, accuracy):
    transform = Scattering1D(6, Q=(4, 2), accuracy=accuracy, **options)
    n_samples, j = len(x), transform.meta()["j"]
    S, (U, start) = transform(x), slow_moduli(x, transform)
    assert list(S) == list(U)
    strides = [2 ** int(np.nanmax([0, *row])) for row in j]
    if options["T"] == 0:
        slow = [u[start : start + n_samples : k] for u, k in zip(U.values(), strides, strict=True)]
    else:
        slow = [[u.mean() * len(u) / k] for u, k in zip(U.values(), strides, strict=True)]
    for order, bound in enumerate((1e-12, *ERRORS[accuracy])):
        ours, theirs = (
            np.concatenate([path for path, key in zip(paths, S, strict=True) if len(key) == order])
            for paths in (S.values(), slow)
        )
        assert relative_error(ours, theirs) < (2 if options["T"] == "global" else 1) * bound


@pytest.mark.parametrize("options", WITHOUT)
def test_a_batch_without_a_local_average_equals_a_loop(options):
    x = noise(2 * 3 * 700).reshape(2, 3, 700)
    transform = Scattering1D(J=5, Q=4, **options)
    S = transform(x)
    for i, j in np.ndindex(2, 3):
        for key, coefficient in transform(x[i, j]).items():
            np.testing.assert_array_equal(S[key][i, j], coefficient)
            assert S[key].shape == (2, 3, len(coefficient))


@pytest.mark.parametrize("n_samples", [1, 2, 17, 63, 64, 65, 1000])
@pytest.mark.parametrize("J", [1, 6, 10])
def test_every_length_has_the_right_number_of_samples_per_stride(J, n_samples):
    transform = Scattering1D(J=J, Q=2, T=0, out_type="list")
    for path in transform(noise(n_samples)):
        assert path["coef"].shape == (-(-n_samples // 2 ** max((0, *path["j"][-1:]))),)
        assert np.isfinite(path["coef"]).all()


@given(J=st.integers(1, 15), n_samples=st.integers(1, 2**23), T=st.sampled_from([0, "global"]))
def test_a_signal_without_a_local_average_is_one_block_as_in_kymatio(J, n_samples, T):
    cut = plan.layout(Scattering1D(J, T=T, out_type="list").options, n_samples)
    (block,) = cut.blocks
    assert block.start <= 0
    assert n_samples <= block.start + cut.period
    if n_samples >= 2**J:
        assert cut.period == plan.kymatio_period(n_samples, 2**J)


@pytest.mark.parametrize("options", WITHOUT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_preserved_without_a_local_average(dtype, options):
    S = Scattering1D(J=5, **options)(noise(1000).astype(dtype))
    assert {coefficient.dtype for coefficient in S.values()} == {np.dtype(dtype)}


def test_the_input_is_not_modified_without_averaging():
    x = noise(1000)
    before = x.copy()
    S = Scattering1D(J=5, T=0, out_type="dict")(x)
    S[()] += 1  # the output does not share memory
    np.testing.assert_array_equal(x, before)


# Signals of any length, shape and type.


@pytest.mark.parametrize("n_samples", [1, 2, 3, 17, 64, 65, 127, 1000])
@pytest.mark.parametrize("J", [1, 6, 10])
def test_every_length_has_the_right_number_of_frames(J, n_samples):
    transform = Scattering1D(J=J, Q=2)
    S = transform(noise(n_samples))
    assert S.shape == (len(transform.meta()["key"]), -(-n_samples // 2**J))
    assert np.isfinite(S).all()


@pytest.mark.parametrize("n_samples", [2, 5, 17, 31])
def test_a_short_signal_is_reflected_repeatedly(n_samples):
    transform, x = Scattering1D(J=5, Q=2), noise(n_samples)
    mirrored = np.pad(x, (32 * 40, 32 * 40), mode="reflect")
    S, inside = transform(x), transform(mirrored)[:, 40:]
    assert relative_error(S, inside[:, : S.shape[1]]) < 1e-3


def test_a_batch_equals_a_loop():
    x = noise(2 * 3 * 2000).reshape(2, 3, 2000)
    transform = Scattering1D(J=6, Q=4)
    S = transform(x)
    assert S.shape[:2] == (2, 3)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(S[i, j], transform(x[i, j]))


@pytest.mark.parametrize("color", ["white", "red"])
def test_blocks_equal_the_transform_of_the_whole(color, monkeypatch):
    x = noise(150_016)  # so that Kymatio samples both on the same grid
    if color == "red":  # mostly below the filters, as in music
        x = lfilter([1], [1, -0.99], x)
    transform = Scattering1D(J=6, Q=2, accuracy="exact")
    assert len(plan.layout(transform.options, len(x)).blocks) == 3
    in_blocks = transform(x)
    monkeypatch.setattr(plan, "_MIN_BLOCK", 2**19)
    assert len(plan.layout(transform.options, len(x)).blocks) == 1
    whole = transform(x)
    order = transform.meta()["order"]
    for i in (0, 1, 2):
        off = np.linalg.norm((in_blocks - whole)[order == i], axis=0)
        typical = np.sqrt(np.mean(np.sum(whole[order == i] ** 2, axis=0)))
        assert off.max() < 1e-3 * typical
        assert np.sqrt(np.mean(off**2)) < 1e-4 * typical


@given(
    J=st.integers(1, 15),
    T=st.integers(1, 2**16),
    log2_stride=st.integers(0, 18),
    n_samples=st.integers(1, 2**23),
)
def test_every_frame_is_in_one_block_with_its_margin(J, T, log2_stride, n_samples):
    options = Scattering1D(J=J, T=T, stride=2**log2_stride).options
    cut = plan.layout(options, n_samples)
    n_frames = 0
    for block in cut.blocks:
        assert block.frames.start == n_frames
        n_frames = block.frames.stop
        first, last = ((k * options.stride) for k in (block.frames.start, n_frames - 1))
        assert block.start <= first
        assert last < block.start + cut.period
        if len(cut.blocks) > 1:
            margin = 8 * max(T, 2**J)
            assert block.start + margin <= first
            assert last + margin <= block.start + cut.period
    assert n_frames == cut.n_frames == -(-n_samples // options.stride)


def test_block_size_is_independent_of_the_signal_length():
    options = Scattering1D(J=13, Q=8).options
    hour = plan.layout(options, 3600 * 44_100)
    assert hour.period == 2**19
    assert hour.period == plan.layout(options, 600 * 44_100).period


@pytest.mark.parametrize("J", [1, 2, 4])
def test_short_scales_need_little_memory(J):
    x = noise(2**16).astype(np.float32)
    transform = Scattering1D(J=J, workers=1)
    S = transform(x)
    assert peak_memory(transform, x) < 20 * x.nbytes + 4 * S.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_preserved(dtype):
    S = Scattering1D(J=5)(noise(1000).astype(dtype))
    assert S.dtype == dtype


def test_single_precision_agrees_with_double():
    x, transform = noise(8192).astype(np.float32), Scattering1D(J=8, Q=8)
    assert relative_error(transform(x), transform(x.astype(np.float64))) < 1e-6


integers = (100 * noise(1000)).astype(np.int16)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(integers, id="integers"),
        pytest.param(integers.astype(np.float16), id="half precision"),
        pytest.param(integers.tolist(), id="a list"),
        pytest.param(integers[::-1].astype(np.float32)[::-1], id="backward in memory"),
        pytest.param(np.repeat(integers.astype(np.float32), 2)[::2], id="every other sample"),
        pytest.param(np.asfortranarray([integers, integers])[0], id="a row of columns"),
    ],
)
def test_results_are_independent_of_memory_layout_and_type(x):
    transform = Scattering1D(J=5, Q=2)
    expected = transform(integers.astype(np.float32))
    np.testing.assert_allclose(transform(x), expected, rtol=0, atol=1e-3)


TRANSFORMS = [Scattering1D(J=5, Q=2), TimeFrequencyScattering(J=5, J_fr=2, Q=2)]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.uint16, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
        (">f4", np.float32),
        (">f8", np.float64),
        (np.longdouble, np.float64),
    ],
    ids=str,
)
def test_input_is_computed_in_its_promotion_with_single_precision(transform, dtype, computed):
    x = np.abs(integers).astype(np.uint8).astype(dtype)
    np.testing.assert_array_equal(transform(x), transform(x.astype(computed)))
    assert transform(x).dtype == computed
    (streamed,) = {S.dtype for S in transform.stream([x[:300], x[300:]])}
    assert streamed == computed


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda each: type(each).__name__)
def test_samples_beyond_single_precision_keep_their_digits(transform):
    x = np.random.default_rng(0).integers(-(2**40), 2**40, size=1000)
    expected = transform(x.astype(np.float64))
    np.testing.assert_array_equal(transform(x), expected)
    for scale in (2.0**-300, 2.0**300):  # in single precision, 0 and infinity
        S = transform(x.astype(np.longdouble) * scale)
        np.testing.assert_allclose(S, expected * scale, rtol=1e-9, atol=1e-12 * S.max())


def test_samples_beyond_double_precision_raise():
    if np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("longdouble is float64 here")
    with pytest.raises(ValueError, match="x must be finite, got inf at index"):
        Scattering1D(J=5)(np.full(100, 10, dtype=np.longdouble) ** 400)


def test_the_input_is_not_modified():
    x = noise(1000).astype(np.float32)
    before = x.copy()
    x.flags.writeable = False
    S = Scattering1D(J=5)(x)
    np.testing.assert_array_equal(x, before)
    S += 1  # the output does not share memory


# Rows and their meta-data.


@pytest.mark.parametrize("max_order", [1, 2])
@pytest.mark.parametrize(("J", "Q", "T"), [(8, (8, 1), None), (6, (12, 2), 100), (10, (4, 4), 512)])
def test_rows_are_described_as_in_kymatio(J, Q, T, max_order):
    ours = Scattering1D(J, Q=Q, T=T, max_order=max_order).meta()
    theirs = ScatteringNumPy1D(J, 2**12, Q, T, max_order=max_order).meta()
    assert ours["key"] == theirs["key"]
    for name in ("order", "n", "xi", "sigma", "j"):
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_rows_are_sorted_by_order_then_first_then_second_filter():
    key = Scattering1D(J=8, Q=8).meta()["key"]
    assert key == sorted(key, key=lambda row: (len(row), row))


@pytest.mark.parametrize("T", [None, "global"])
def test_lists_and_dicts_contain_the_rows_of_the_array(T):
    x = noise(2 * 1000).reshape(2, 1000)
    array, as_list, as_dict = (
        Scattering1D(6, Q=4, T=T, out_type=out_type)(x) for out_type in ("array", "list", "dict")
    )
    assert [path["n"] for path in as_list] == list(as_dict) == Scattering1D(6, Q=4).meta()["key"]
    for i, path in enumerate(as_list):
        np.testing.assert_array_equal(path["coef"], array[:, i])
        np.testing.assert_array_equal(as_dict[path["n"]], array[:, i])


@pytest.mark.parametrize("T", [None, 0])
@pytest.mark.parametrize("max_order", [1, 2])
def test_a_list_describes_its_paths_as_in_kymatio(max_order, T):
    x = noise(2**10)
    options = {"T": T, "max_order": max_order, "out_type": "list"}
    ours = Scattering1D(6, Q=(4, 2), **options)(x)
    theirs = ScatteringNumPy1D(6, 2**10, (4, 2), **options)(x)
    for our, their in zip(ours, theirs, strict=True):
        assert {*our} == {"coef", "j", "n", "order"}
        assert (our["n"], our["j"]) == (their["n"], their["j"])
        assert our["coef"].shape == their["coef"].shape
        assert our["order"] == len(their["n"])


@pytest.mark.parametrize("T", [None, 100, 0, "global"])
@pytest.mark.parametrize("n_samples", [100, 1000])
def test_the_output_size_is_predicted(n_samples, T):
    transform = Scattering1D(6, Q=4, T=T, out_type="dict")
    S = transform(noise(n_samples))
    assert transform.output_size() == len(S)
    assert transform.output_size(n_samples) == sum(path.size for path in S.values())


def test_the_length_is_optional():
    x = noise(1000)
    np.testing.assert_array_equal(Scattering1D(5, Q=4, shape=(1000,))(x), Scattering1D(5, Q=4)(x))


@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize(
    ("J", "Q", "n_samples"),
    [(6, (4, 1), 2**11), (8, (8, 1), 2**13), (7, (12, 2), 2**12), (3, (1, 1), 2**10)],
)
def test_coefficients_equal_those_of_kymatio(J, Q, n_samples, accuracy):
    x = noise(n_samples)
    transform = Scattering1D(J, Q=Q, accuracy=accuracy)
    assert_close(transform(x), kymatio_coefficients(J, Q, x), transform.meta(), accuracy)


@pytest.mark.parametrize("n_samples", [1500, 3000, 5000])
def test_coefficients_equal_those_of_kymatio_at_its_own_frame_times(n_samples):
    x = noise(n_samples)
    theirs = ScatteringNumPy1D(6, n_samples, (4, 1))
    transform = Scattering1D(6, Q=(4, 1), stride=1)
    S = transform(x)[:, -theirs.pad_left % 64 :: 64]
    reference = kymatio_coefficients(6, (4, 1), x)[:, : S.shape[1]]
    assert_close(S, reference, transform.meta(), "default")


@settings(max_examples=10, deadline=None)
@given(st.integers(3, 7), st.sampled_from([(1, 1), (8, 1), (12, 2)]), st.sampled_from([1024, 4096]))
def test_double_precision_at_exact_equals_kymatio_to_rounding(J, Q, n_samples):
    x = noise(n_samples)
    S, reference = Scattering1D(J, Q=Q, accuracy="exact")(x), kymatio_coefficients(J, Q, x)
    assert relative_error(S, reference) < 1e-9


@pytest.mark.parametrize(
    ("n_samples", "several", "limit"), [(2**15, False, 1e-9), (2**17, True, 1e-4)]
)
def test_double_precision_at_exact_equals_kymatio_to_rounding_in_one_block(
    n_samples, several, limit
):
    x, transform = noise(n_samples), Scattering1D(8, Q=(8, 1), accuracy="exact")
    assert (transform.plan(n_samples, "float64").n_blocks > 1) is several
    assert relative_error(transform(x), kymatio_coefficients(8, (8, 1), x)) < limit


@pytest.mark.parametrize("accuracy", ERRORS)
def test_first_order_is_as_documented_where_most_energy_is_in_the_lowest_bands(accuracy):
    x = np.cumsum(noise(2**15))
    transform = Scattering1D(8, Q=8, max_order=1, accuracy=accuracy)
    reference = Scattering1D(8, Q=8, max_order=1, accuracy="exact")(x)  # Kymatio's samples
    assert relative_error(transform(x.astype(np.float32))[1:], reference[1:]) < 1e-3


def kymatio_coefficients(J, Q, x):
    """Undo the factor 2**-j that Kymatio 0.3.0 applies for each filter of a path."""
    transform = ScatteringNumPy1D(J, len(x), Q)
    log2_scale = np.nansum(transform.meta()["j"], axis=1)
    return transform(x) * 2 ** log2_scale[:, None]


def assert_close(S, reference, meta, accuracy):
    order = meta["order"]
    np.testing.assert_allclose(S[0], reference[0], rtol=0, atol=1e-5 * np.abs(reference).max())
    for i, bound in enumerate(ERRORS[accuracy], start=1):
        if (order == i).any():
            assert relative_error(S[order == i], reference[order == i]) < bound


# Errors.


BANKS = {
    "gammatone": gammatone(6, (4, 1), 64),
    "equivalent rectangular bandwidths": erb_gammatone(6, 12, 8000, 64, fmin=300),
    "mel": mel(6, 12, 8000, 64, fmin=300),
}
each_bank = pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)


@each_bank
def test_a_tone_peaks_in_its_band_of_a_custom_bank(bank):
    transform = Scattering1D(J=6, filterbank=bank)
    n1 = len(bank.psi1) // 2
    S = transform(np.cos(2 * np.pi * bank.psi1[n1].xi * np.arange(4096)))
    rows = np.flatnonzero(transform.meta()["order"] == 1)
    middle = S[rows, S.shape[1] // 2]
    assert middle.argmax() == n1
    gain = np.abs(bank.psi1[n1].response(np.array([bank.psi1[n1].xi])))[0]
    assert middle.max() == pytest.approx(gain / 2, rel=2e-3)


@each_bank
def test_coefficients_of_a_custom_bank_equal_a_direct_computation(bank):
    x, n_samples = noise(4096), 4096
    transform = Scattering1D(J=6, T=64, filterbank=bank, accuracy="exact")
    S, meta = transform(x), transform.meta()
    period = plan.kymatio_period(n_samples, 64)
    start = (period - n_samples) // 2
    padded = np.pad(x, (start, period - n_samples - start), mode="reflect")
    at = np.arange(period) / period

    def filtered(u, psi):
        return np.fft.ifft(np.fft.fft(u) * psi.response(at))

    for i in range(0, len(S), 7):
        u = padded
        for n, layer in zip(meta["key"][i], (bank.psi1, bank.psi2), strict=False):
            u = np.abs(filtered(u, layer[n]))
        expected = filtered(u, bank.phi).real[start : start + n_samples : 64]
        assert relative_error(S[i], expected) < 5e-3


def test_a_custom_bank_is_part_of_the_identity_of_a_transform():
    assert Scattering1D(J=6, filterbank=BANKS["mel"]) != Scattering1D(J=6)
    assert Scattering1D(J=6, filterbank=mel(6, 12, 8000, 64, fmin=300)) == Scattering1D(
        J=6, filterbank=BANKS["mel"]
    )


def test_a_bank_that_amplifies_energy_raises():
    bank = BANKS["mel"]
    twice = replace(
        bank,
        psi1=tuple(
            replace(psi, response=Scaled(response=psi.response, gain=2.0)) for psi in bank.psi1
        ),
    )
    with pytest.raises(ValueError, match="Littlewood-Paley"):
        Scattering1D(J=6, filterbank=twice)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"J": 0}, "J must be an integer of at least 1, got 0"),
        ({"J": 8.0}, r"J must be an integer of at least 1, got 8\.0"),
        ({"J": True}, "J must be an integer of at least 1, got True"),
        ({"Q": 0}, "Q must be an integer of at least 1, got 0"),
        ({"Q": (8, 0)}, "Q must be an integer of at least 1, got 0"),
        ({"Q": (8, 1, 1)}, "Q must be an integer or a pair of integers"),
        ({"T": -1}, 'T must be an integer of at least 0 or "global", got -1'),
        ({"T": 2.5}, r'T must be an integer of at least 0 or "global", got 2\.5'),
        ({"T": "local"}, "T must be an integer of at least 0 or \"global\", got 'local'"),
        ({"T": 0}, 'T=0 gives paths of unequal lengths: choose out_type="list" or "dict"'),
        (
            {"T": 0, "out_type": "list", "stride": 8},
            "stride needs an average over a scale, got T=0",
        ),
        ({"T": "global", "stride": 8}, "stride needs an average over a scale, got T='global'"),
        ({"out_type": "numpy"}, "out_type must be one of array, list, dict, got 'numpy'"),
        ({"stride": 0}, "stride must be an integer of at least 1"),
        ({"stride": 48}, "stride must be a power of two, got 48"),
        ({"max_order": 3}, "max_order must be 1 or 2, got 3"),
        ({"accuracy": "best"}, "accuracy must be one of fast, default, exact, got 'best'"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Scattering1D(**{"J": 6, **options})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(0), r"n_samples > 0, got float64 of shape \(0,\)"),
        (np.zeros((0, 100)), r"no axis empty: n_samples > 0, got float64 of shape \(0, 100\)"),
        (np.float32(1), r"got float32 of shape \(\)"),
        (np.zeros(8, dtype=complex), "real samples.*got complex128"),
        (np.array(["a", "b"]), "real samples"),
        (np.array([0, np.nan, 0]), r"x must be finite, got nan at index \(1,\)"),
        (np.array([[0, 0], [0, -np.inf]]), r"x must be finite, got -inf at index \(1, 1\)"),
    ],
)
def test_invalid_signals_raise(x, message):
    with pytest.raises(ValueError, match=message):
        Scattering1D(J=4)(x)


@pytest.mark.parametrize(
    "transform", [Scattering1D(J=6, T=100), TimeFrequencyScattering(J=6, J_fr=2, Q=4, T=100)]
)
def test_an_average_longer_than_the_signal_raises(transform):
    with pytest.raises(ValueError, match=r'T=100 needs .* as many samples, got 99: .*T="global"'):
        transform(noise(99))
    with pytest.raises(ValueError, match="T=100 needs a signal"):
        list(transform.stream([noise(50), noise(49)]))


def test_a_scale_longer_than_the_signal_is_accepted():
    S = Scattering1D(J=10)(noise(99))
    assert S.shape[1] == 1
    assert np.isfinite(S).all()


def test_a_bank_with_a_different_average_raises():
    with pytest.raises(ValueError, match="filterbank averages over 64 samples, T=32"):
        Scattering1D(J=6, T=32, filterbank=BANKS["mel"])


@pytest.mark.parametrize("bank", [3, "mel"])
def test_an_object_that_is_no_filterbank_raises(bank):
    with pytest.raises(ValueError, match="filterbank must be a Filterbank"):
        Scattering1D(J=6, filterbank=bank)


@pytest.mark.parametrize("J", [21, 100])
def test_J_above_20_raises(J):
    with pytest.raises(ValueError, match=f"J may be at most 20, got {J}"):
        Scattering1D(J=J)


def test_arguments_have_the_order_of_kymatio():
    names = list(inspect.signature(Scattering1D).parameters)[:4]
    assert names == list(inspect.signature(ScatteringNumPy1D).parameters)[:4]
    assert Scattering1D(6, 4096, (8, 2), 128).options == Scattering1D(6, Q=(8, 2), T=128).options
    with pytest.raises(TypeError, match="positional"):
        Scattering1D(6, 4096, 8, 128, 1)  # the fifth differs between versions of Kymatio


@pytest.mark.parametrize("shape", [8, (8,), (4096, 63), "long", True, ()])
def test_a_shape_that_is_none_may_be_a_Q_without_its_name(shape):
    with pytest.raises(ValueError, match=r"shape must .* at least 2\*\*J = 64, got .* are Q="):
        Scattering1D(6, shape)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2"])
def test_results_are_independent_of_byte_order(dtype):
    x = np.round(100 * noise(500)).astype(dtype)
    transform = Scattering1D(J=5)
    np.testing.assert_array_equal(transform(x), transform(x.astype(x.dtype.newbyteorder("="))))


def test_output_size_requires_a_positive_length():
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
        Scattering1D(J=4).output_size(0)


def test_numpy_numbers_are_accepted():
    ours = Scattering1D(np.int64(6), Q=(np.int32(4), np.int32(1)), stride=np.int64(32))
    assert ours.options == Scattering1D(6, Q=4, stride=32).options
    assert Scattering1D(np.int64(6)).options == Scattering1D(6).options


def test_equal_options_give_equal_transforms():
    assert Scattering1D(6, Q=8) == Scattering1D(6, Q=8)
    assert len({Scattering1D(6, Q=8), Scattering1D(6, Q=8), Scattering1D(6, Q=4)}) == 2


# Stored outputs of Kymatio's main branch.

ORACLES = [
    "chirp_up_J8_Q8",
    "dirac_J8_Q8",
    "music16384_J10_Q8_T2048",
    "music65536_J12_Q12-2",
    "noise5000_J8_Q16",
    "noise8192_J8_Q8",
    "noise8192_J8_Q8_T1024",
    "noise8192_J8_Q8_T64",
    "noise8192_J8_Q8_order1",
    "noise8192_J8_Q8_stride32",
]


@pytest.mark.corpus
@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize("name", ORACLES)
def test_coefficients_equal_the_stored_ones(name, accuracy, shared):
    with np.load(shared / "oracles" / f"s1d_{name}.npz") as stored:
        reference, signal = stored["S"], str(stored["signal"])
        params = json.loads(str(stored["params"]))
    with np.load(shared / "oracles" / "signals.npz") as signals:
        x = signals[signal]
    params["Q"] = tuple(params["Q"])
    if signal == "noise5000":  # its frames lie at 196 + 256 k
        transform = Scattering1D(**params, stride=4, accuracy=accuracy)
        S = transform(x)[:, 49::64]
    else:
        transform = Scattering1D(**params, accuracy=accuracy)
        S = transform(x)
    assert_close(S, reference[:, : S.shape[1]], transform.meta(), accuracy)


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["chirp_up_J8_Q8", "dirac_J8_Q8", "noise8192_J8_Q8"])
def test_double_precision_at_exact_equals_the_stored_ones_to_rounding(name, shared):
    with np.load(shared / "oracles" / f"s1d_{name}.npz") as stored:
        reference, signal, order = stored["S"], str(stored["signal"]), stored["order"]
        params = json.loads(str(stored["params"]))
    with np.load(shared / "oracles" / "signals.npz") as signals:
        x = signals[signal].astype(np.float64)
    S = Scattering1D(**params | {"Q": tuple(params["Q"])}, accuracy="exact")(x)
    for i in (0, 1, 2):
        assert relative_error(S[order == i], reference[order == i]) < 1e-9


@pytest.mark.corpus
@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize("name", ["noise8192_J8_Q8_Tglobal", "noise1024_J6_Q4_T0"])
def test_coefficients_without_a_local_average_equal_the_stored_ones(name, accuracy, shared):
    with np.load(shared / "oracles" / f"s1d_{name}.npz") as stored:
        flat, shapes, signal = stored["flat"], stored["shapes"], str(stored["signal"])
        params, order = json.loads(str(stored["params"])), stored["order"]
        key = [tuple(n[n >= 0].tolist()) for n in stored["keys"]]
    with np.load(shared / "oracles" / "signals.npz") as signals:
        x = signals[signal]
    params["Q"] = tuple(params["Q"])
    S = Scattering1D(**params, out_type="dict", accuracy=accuracy)(x)
    assert list(S) == key
    assert [len(path) for path in S.values()] == shapes[:, 0].tolist()
    of_order = np.repeat(order, shapes[:, 0])
    for i, bound in enumerate((1e-6, *ERRORS[accuracy])):
        ours = np.concatenate(list(S.values()))[of_order == i]
        assert relative_error(ours, flat[of_order == i]) < bound


@pytest.mark.parametrize(
    "transform",
    [
        Scattering1D(4, Q=1, T="global"),
        Scattering1D(4, Q=1, T=0, max_order=1, out_type="list"),
        TimeFrequencyScattering(4, 1, Q=1, T="global"),
    ],
)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_filters_of_a_long_signal_are_not_cached(transform, kind):
    x = np.ones(2**17, np.float32)
    if kind == "tensor":
        x = pytest.importorskip("torch").from_numpy(x)
    before = held_periods()
    _ = transform(x)
    assert not [period for period in held_periods() - before if period > 2**16]


def held_periods():
    gc.collect()
    return Counter(each.period for each in gc.get_objects() if type(each) is plan.BlockPlan)


def test_memory_of_a_long_signal_is_not_kept(monkeypatch):
    transform, x = Scattering1D(4, Q=1, T="global"), noise(2**12)
    expected = transform(x)
    monkeypatch.setattr(scattering_arrays.NUMPY, "_workspace", scattering_arrays._Workspace())
    monkeypatch.setattr(scattering_arrays, "_MOST_KEPT", 1000)
    np.testing.assert_array_equal(transform(x), expected)
    assert scattering_arrays.NUMPY._workspace.memory.nbytes <= 1000


@pytest.mark.parametrize(
    "made",
    [
        lambda Q: Scattering1D(6, Q=Q),
        lambda Q: TimeFrequencyScattering(6, 3, Q=Q),
        lambda Q: scatseg.Scattering(J=6, Q=Q),
        lambda Q: scatseg.JointScattering(J=6, Q=Q),
        lambda Q: ScatteringCoefficients(J=6, Q=Q),
        lambda Q: JointCoefficients(J=6, J_fr=3, Q=Q),
        lambda Q: MeanScattering(J=6, Q=Q),
        lambda Q: MeanJointScattering(J=6, J_fr=3, Q=Q),
    ],
)
def test_wavelets_per_octave_may_be_a_list_or_an_array(made):
    for pair in ([8, 2], np.array([8, 2])):
        assert made(pair) == made((8, 2))
        assert hash(made(pair)) == hash(made((8, 2)))
        assert repr(made(pair)) == repr(made((8, 2)))
    with pytest.raises(ValueError, match="Q must be an integer or a pair of integers, got"):
        made([8, 2, 1])
