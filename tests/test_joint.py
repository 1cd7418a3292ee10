import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from tests.measuring import peak_memory
from tests.reference_joint import joint_scattering

from scatseg.scattering import Scattering1D, TimeFrequencyScattering, joint_plan, plan
from scatseg.scattering.filterbank import frequential_bank

ERRORS = {"fast": (1e-3, 5e-3), "default": (1e-4, 1e-3), "exact": (5e-5, 1e-4)}
"""Maximum relative l2 errors of orders 1 and 2, as documented."""


def relative_error(S, reference):
    return np.linalg.norm(S - reference) / np.linalg.norm(reference)


def noise(n_samples, seed=440):
    return np.random.default_rng(seed).normal(size=n_samples)


def rising_chirp(n_samples=8192):
    """Exponential, from 0.02 to 0.3 cycles per sample."""
    t = np.linspace(0, 1, n_samples)
    return np.cos(2 * np.pi * n_samples * 0.02 * 15**t / np.log(15))


def assert_same_by_order(S, reference, order, bounds):
    """Compare lists of arrays, path by path in shape and order by order in value."""
    for ours, theirs in zip(S, reference, strict=True):
        assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.unique(order), np.arange(order.min(), 3))
    for i in np.unique(order):
        ours, theirs = (
            np.concatenate([s.ravel() for s, o in zip(paths, order, strict=True) if o == i])
            for paths in (S, reference)
        )
        assert relative_error(ours, theirs) < (bounds[i - 1] if i else 1e-5)


# Known answers.


@pytest.mark.parametrize("format", ["time", "joint"])
def test_silence_is_exactly_zero(format):
    assert not TimeFrequencyScattering(J=6, J_fr=2, Q=4, format=format)(np.zeros(3000)).any()


@pytest.mark.parametrize("backward", [False, True])
def test_a_chirp_excites_the_spin_of_its_direction(backward):
    transform = TimeFrequencyScattering(J=8, J_fr=3, Q=8)
    x, meta = rising_chirp(), transform.meta()
    energy = np.sum(transform(x[::-1] if backward else x) ** 2, axis=1)
    second = meta["order"] == 2
    up, down = (energy[second & (meta["spin"] == spin)].sum() for spin in (1, -1))
    ratio = down / up if backward else up / down
    assert ratio > 10


def test_time_reversal_only_swaps_spins():
    transform = TimeFrequencyScattering(J=6, J_fr=2, Q=4, accuracy="exact", format="joint")
    x, meta = noise(4097), transform.meta()
    S, backward = transform(x), transform(x[::-1])[..., ::-1]
    n_wavelets = int(meta["n_fr"].max()) // 2
    for i, (*n2, n_fr) in enumerate(meta["key"]):
        shift = n_wavelets * int(meta["spin"][i]) if n2 else 0
        twin = meta["key"].index((*n2, n_fr + shift))
        np.testing.assert_allclose(backward[twin], S[i], rtol=0, atol=1e-3 * S[i].max())


def test_order_zero_equals_that_of_time_scattering():
    x = noise(5000)
    joint, in_time = TimeFrequencyScattering(J=6, J_fr=2, Q=4), Scattering1D(J=6, Q=4)
    np.testing.assert_array_equal(joint(x)[0], in_time(x)[0])


@pytest.mark.parametrize("n_samples", [1025, 3333, 8192])
def test_a_click_is_exactly_on_its_frame(n_samples):
    transform = TimeFrequencyScattering(J=4, J_fr=1, Q=4, T=32)
    for k in (12, n_samples // 64, n_samples // 32 - 12):
        x = np.zeros(n_samples)
        x[32 * k] = 1
        energy = transform(x)[1:].sum(axis=0)
        assert energy.argmax() == k
        around = energy[k - 8 : k + 9]
        assert around @ np.arange(-8, 9) / around.sum() == pytest.approx(0, abs=1e-3)


def test_a_global_average_sums_over_the_padded_period_of_kymatio():
    transform = TimeFrequencyScattering(J=8, J_fr=1, Q=1, T="global", accuracy="fast")
    S = transform(np.full(60_000, -0.5))
    np.testing.assert_allclose(S[0], [-0.5 * 2**17], rtol=1e-12)


@pytest.mark.parametrize(("n_samples", "n_mirrored"), [(5000, 3192), (6000, 10_384)])
def test_mirrored_parts_of_a_global_average_have_the_opposite_spin(n_samples, n_mirrored):
    transform = TimeFrequencyScattering(J=8, J_fr=3, Q=8, T="global")
    assert transform.plan(n_samples).period == n_samples + n_mirrored
    t = np.arange(n_samples) / n_samples
    S = transform(np.cos(2 * np.pi * n_samples * 0.02 * 15**t / np.log(15)))
    spin = np.where(transform.meta()["order"] == 2, transform.meta()["spin"], 0)
    rising, falling = (np.sum(S[spin == direction] ** 2) for direction in (1, -1))
    assert (falling > rising) == (n_mirrored > n_samples)


# Properties.


@pytest.mark.parametrize("factor", [0.01, -3.0])
def test_coefficients_scale_with_the_signal(factor):
    transform, x = TimeFrequencyScattering(J=6, J_fr=2, Q=4), noise(3000)
    S, scaled = transform(x), transform(factor * x)
    np.testing.assert_allclose(scaled[0], factor * S[0], atol=1e-12)
    np.testing.assert_allclose(scaled[1:], abs(factor) * S[1:], atol=1e-12)


def test_a_batch_equals_a_loop():
    x = noise(2 * 3 * 1000).reshape(2, 3, 1000)
    transform = TimeFrequencyScattering(J=5, J_fr=2, Q=4, format="joint")
    S = transform(x)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(S[i, j], transform(x[i, j]))


@pytest.mark.parametrize("format", ["time", "joint"])
def test_a_batch_in_a_list_keeps_its_axes(format):
    x = noise(2 * 3 * 500).reshape(2, 3, 500)
    transform = TimeFrequencyScattering(5, 2, Q=4, out_type="dict", format=format, T=0, F=0)
    S, one = transform(x), transform(x[1, 2])
    for key, coefficient in S.items():
        assert coefficient.shape == (2, 3, *one[key].shape)
        np.testing.assert_array_equal(coefficient[1, 2], one[key])


def test_single_precision_agrees_with_double():
    x = noise(4096).astype(np.float32)
    transform = TimeFrequencyScattering(J=6, J_fr=2, Q=4)
    single, double = transform(x), transform(x.astype(np.float64))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert relative_error(single, double) < 1e-6


@pytest.mark.parametrize("color", ["white", "red"])
def test_blocks_equal_the_transform_of_the_whole(color, monkeypatch):
    x = noise(150_016)
    if color == "red":  # mostly below the filters, as in music
        x = lfilter([1], [1, -0.99], x)
    transform = TimeFrequencyScattering(J=6, J_fr=2, Q=2, accuracy="exact")
    in_blocks = transform(x)
    assert len(plan.layout(transform.options.in_time, len(x)).blocks) == 3
    monkeypatch.setattr(plan, "_MIN_BLOCK", 2**19)
    whole = transform(x)
    order = transform.meta()["order"]
    for i in (0, 1, 2):
        off = np.linalg.norm((in_blocks - whole)[order == i], axis=0)
        typical = np.sqrt(np.mean(np.sum(whole[order == i] ** 2, axis=0)))
        assert off.max() < 1e-3 * typical
        assert np.sqrt(np.mean(off**2)) < 1e-4 * typical


@pytest.mark.parametrize("T", [4, 64])
@pytest.mark.parametrize("finer", [2, 16])
def test_a_finer_stride_only_adds_frames(finer, T):
    x = noise(20_000).astype(np.float32)
    coarse = TimeFrequencyScattering(5, 2, Q=2, T=T, stride=64, accuracy="exact")(x)
    fine = TimeFrequencyScattering(5, 2, Q=2, T=T, stride=64 // finer, accuracy="exact")(x)
    assert relative_error(fine[1:, ::finer], coarse[1:]) < 1e-3


def test_no_weight_of_an_average_is_denormal():
    options = TimeFrequencyScattering(J=12, J_fr=3, Q=8).options
    cut = joint_plan.joint_layout(options, 2**19)
    block = cut.block(0)
    frames = joint_plan.joint_frames(
        options, cut.period, "float32", block.offset, block.n_frames, tile=50_000
    )
    tiles = [tile for average in frames.averages for tile in average.tiles]
    weights = np.concatenate([tile.weights.ravel() for tile in tiles])
    assert weights[weights > 0].min() > 100 * np.finfo(np.float32).tiny


def test_memory_is_independent_of_the_signal_length():
    transform = TimeFrequencyScattering(J=6, J_fr=2, Q=4, workers=1)
    peaks = []
    for n_samples in (2**17, 2**18):
        x = noise(n_samples).astype(np.float32)
        S = transform(x)
        peaks.append(peak_memory(transform, x) - S.nbytes)
    assert peaks[1] < 1.1 * peaks[0]


def test_the_input_is_not_modified():
    x = noise(1000).astype(np.float32)
    before = x.copy()
    x.flags.writeable = False
    coefficients = TimeFrequencyScattering(J=5, J_fr=2, Q=2, T=0, out_type="dict")(x)
    coefficients[()] += 1  # the output does not share memory
    np.testing.assert_array_equal(x, before)


# Against a slow transform written from the formulas.

SCALES = st.sampled_from([None, 0, "global"])


@settings(max_examples=25, deadline=None)
@given(
    n_samples=st.integers(300, 1100),
    J=st.integers(3, 6),
    J_fr=st.integers(1, 3),
    Q=st.tuples(st.integers(2, 6), st.integers(1, 2)),
    Q_fr=st.integers(1, 2),
    T=SCALES | st.integers(8, 128),
    F=SCALES | st.integers(1, 8),
    format=st.sampled_from(["time", "joint"]),
    seed=st.integers(0, 99),
)
def test_coefficients_equal_a_direct_computation(n_samples, J, J_fr, Q, Q_fr, T, F, format, seed):
    options = {"J": J, "J_fr": J_fr, "Q": Q, "Q_fr": Q_fr, "T": T, "F": F, "format": format}
    x = noise(n_samples, seed)
    transform = TimeFrequencyScattering(**options, out_type="dict", accuracy="exact")
    S, reference = transform(x), joint_scattering(x, **options)
    assert list(S) == list(reference)
    order = transform.meta()["order"]
    assert_same_by_order(S.values(), reference.values(), order, (1e-3, 3e-3))


@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"stride": 8, "stride_fr": 2}, id="finer"),
        pytest.param({"T": 256, "Q_fr": 2, "F": 5}, id="scales"),
        pytest.param({"T": 0, "F": 0}, id="unaveraged"),
        pytest.param({"T": "global", "F": "global"}, id="global"),
    ],
)
def test_each_accuracy_keeps_its_error_bounds(options, accuracy):
    x = noise(2048)
    options = {"J": 6, "J_fr": 3, "Q": (8, 1), "format": "joint", **options}
    transform = TimeFrequencyScattering(**options, out_type="dict", accuracy=accuracy)
    S, reference = transform(x), joint_scattering(x, **options)
    order = transform.meta()["order"]
    bounds = [(4 if options.get("T") == 0 else 1) * bound for bound in ERRORS[accuracy]]
    assert_same_by_order(S.values(), reference.values(), order, bounds)


@pytest.mark.parametrize(("n_samples", "T"), [(600, 512), (300, 256)])
def test_coefficients_equal_kymatio_for_signals_barely_longer_than_the_scale(n_samples, T):
    x = noise(n_samples)
    transform = TimeFrequencyScattering(8, 2, Q=(8, 1), T=T, out_type="dict", accuracy="exact")
    S, reference = transform(x), joint_scattering(x, 8, 2, (8, 1), T=T, format="time")
    order = transform.meta()["order"]
    assert_same_by_order(S.values(), reference.values(), order, (5e-5, 5e-4))


# Paths and their meta-data.


@pytest.mark.parametrize(
    ("options", "n_samples", "shape"),
    [
        ({"format": "joint"}, 2**13, (59, 17, 32)),
        ({"format": "time"}, 2**13, (279, 32)),
        ({"format": "time", "T": "global"}, 2**13, (279, 1)),
        ({"format": "joint"}, 1, (59, 17, 1)),
        ({"format": "joint"}, 300, (59, 17, 2)),
        ({"format": "joint", "stride_fr": 2}, 2**12, (59, 68, 16)),
        ({"format": "time", "stride": 2**11}, 5000, (279, 3)),
    ],
)
def test_shapes(options, n_samples, shape):
    S = TimeFrequencyScattering(J=8, J_fr=3, Q=8, **options)(noise(n_samples))
    assert S.shape == shape
    assert np.isfinite(S).all()


@pytest.mark.parametrize("format", ["time", "joint"])
@pytest.mark.parametrize("T", [None, 0, "global"])
@pytest.mark.parametrize("n_samples", [1, 1000])
def test_the_output_size_is_predicted(n_samples, T, format):
    transform = TimeFrequencyScattering(6, 2, Q=4, T=T, format=format, out_type="dict")
    S = transform(noise(n_samples))
    assert transform.output_size() == len(S)
    assert transform.output_size(n_samples) == sum(path.size for path in S.values())


@pytest.mark.parametrize(("format", "n_paths"), [("joint", 323), ("time", 3039)])
def test_the_tutorial_setting_has_the_published_number_of_paths(format, n_paths):
    transform = TimeFrequencyScattering(12, 3, Q=(12, 2), T=2**13, Q_fr=2, F=12, format=format)
    assert transform.output_size() == n_paths


@pytest.mark.parametrize("F", [None, 0, "global", 3])
@pytest.mark.parametrize("T", [None, 0, "global"])
@pytest.mark.parametrize("format", ["time", "joint"])
def test_every_row_has_metadata(format, T, F):
    transform = TimeFrequencyScattering(6, 2, Q=4, T=T, F=F, out_type="list", format=format)
    meta, S = transform.meta(), transform(noise(1000))
    assert transform.output_size() == len(S)
    for name, column in meta.items():
        assert len(column) == len(S), name
        assert str([row[name] for row in S]) == str(list(column))


@pytest.mark.parametrize("F", [None, 2, 5])
def test_rows_of_time_format_match_the_joint_array(F):
    """The n1 of each row points to the same coefficients in the joint array."""
    x = noise(2000)
    in_time = TimeFrequencyScattering(6, 2, Q=6, F=F)
    joint = TimeFrequencyScattering(6, 2, Q=6, F=F, format="joint")
    S, meta = joint(x), joint.meta()
    rows = {
        (n1, *key): S[i, n1 // ranges.step]
        for i, (key, (ranges, _)) in enumerate(zip(meta["key"], meta["n"], strict=True))
        for n1 in ranges
    }
    for key, row in zip(in_time.meta()["key"][1:], in_time(x)[1:], strict=True):
        np.testing.assert_allclose(row, rows[key], rtol=0, atol=1e-6 * row.max())


def test_metadata_of_a_row_match_its_filters():
    transform = TimeFrequencyScattering(8, 3, Q=(8, 2), Q_fr=2)
    meta, in_time = transform.meta(), Scattering1D(8, Q=(8, 2)).meta()
    psi_fr = frequential_bank(3, 2, 8).psi
    for i, key in enumerate(meta["key"]):
        assert meta["order"][i] == max(0, len(key) - 1)
        if key:
            n1, *n2, n_fr = key
            assert (meta["n"][i, 0], meta["n_fr"][i]) == (n1, n_fr)
            assert meta["xi"][i, 0] == in_time["xi"][in_time["key"].index((n1,)), 0]
            assert meta["xi_fr"][i] == psi_fr[n_fr].xi
            assert meta["spin"][i] == np.sign(psi_fr[n_fr].xi)
        if len(key) == 3:
            assert meta["n"][i, 1] == n2[0]
            assert meta["j"][i, 1] > meta["j"][i, 0]
    assert np.isnan(meta["xi"][meta["order"] == 1, 1]).all()


def test_a_dict_contains_the_list_by_key():
    x = noise(1000)
    as_list = TimeFrequencyScattering(5, 2, Q=4, out_type="list")(x)
    as_dict = TimeFrequencyScattering(5, 2, Q=4, out_type="dict")(x)
    array = TimeFrequencyScattering(5, 2, Q=4)(x)
    assert [row["key"] for row in as_list] == list(as_dict)
    for row, coefficient in zip(as_list, array, strict=True):
        np.testing.assert_array_equal(row["coef"], coefficient)
        np.testing.assert_array_equal(as_dict[row["key"]], coefficient)


def test_the_length_is_optional():
    x = noise(1000)
    given_ = TimeFrequencyScattering(5, 2, Q=4, shape=(1000,))
    np.testing.assert_array_equal(given_(x), TimeFrequencyScattering(5, 2, Q=4)(x))


def test_arguments_have_the_order_of_kymatio():
    positional = TimeFrequencyScattering(6, 2, 8, 4096, 128)
    assert positional.options == TimeFrequencyScattering(J=6, J_fr=2, Q=8, T=128).options
    with pytest.raises(ValueError, match=r"shape must .* at least 2\*\*J = 64, got 2"):
        TimeFrequencyScattering(6, 2, 8, 2)


# Errors.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"J": 0}, "J must be an integer of at least 1, got 0"),
        ({"J_fr": 0}, "J_fr must be an integer of at least 1, got 0"),
        ({"J_fr": 1.5}, r"J_fr must be an integer of at least 1, got 1\.5"),
        ({"Q": 0}, "Q must be an integer of at least 1, got 0"),
        ({"Q": (8, 1, 1)}, "Q must be an integer or a pair of integers"),
        ({"Q_fr": 0}, "Q_fr must be an integer of at least 1, got 0"),
        ({"T": -1}, 'T must be an integer of at least 0 or "global", got -1'),
        ({"T": "local"}, "T must be an integer of at least 0 or \"global\", got 'local'"),
        ({"F": 2.5}, r'F must be an integer of at least 0 or "global", got 2\.5'),
        ({"F": 29}, r"F may be at most \(J \+ 1\) \* Q = 28.* got 29"),
        ({"J_fr": 5}, r"2\*\*J_fr may be at most \(J \+ 1\) \* Q = 28.* got 32"),
        ({"J_fr": 7, "F": 1}, r"J_fr=7 needs a bank of .* \(J \+ 1\) \* Q = 28 and F = 1: choose"),
        ({"stride": 48}, "stride must be a power of two, got 48"),
        ({"stride": 64, "T": "global"}, "stride needs an average over a scale, got T='global'"),
        ({"stride_fr": 2, "F": 0}, "stride_fr needs an average over a scale, got F=0"),
        ({"stride_fr": 8}, r"stride_fr may be at most 2\*\*J_fr = 4, got 8"),
        ({"out_type": "numpy"}, "out_type must be one of array, list, dict, got 'numpy'"),
        ({"format": "frequency"}, "format must be one of time, joint, got 'frequency'"),
        ({"accuracy": "best"}, "accuracy must be one of fast, default, exact, got 'best'"),
        ({"T": 0}, 'T=0 gives paths of unequal lengths: choose out_type="list" or "dict"'),
        ({"format": "joint", "F": 0}, "F=0 gives paths of unequal heights"),
        ({"format": "joint", "F": "global"}, "F='global' gives paths of unequal heights"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        TimeFrequencyScattering(**{"J": 6, "J_fr": 2, "Q": 4, **options})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(0), r"n_samples > 0, got float64 of shape \(0,\)"),
        (np.zeros(8, dtype=complex), "real samples.*got complex128"),
        (np.array([0, np.nan, 0]), r"x must be finite, got nan at index \(1,\)"),
    ],
)
def test_invalid_signals_raise(x, message):
    with pytest.raises(ValueError, match=message):
        TimeFrequencyScattering(J=4, J_fr=1, Q=2)(x)


# Stored outputs of Kymatio's main branch.

ORACLES = [
    "chirp_up_J8_joint_array",
    "music16384_J10_Q8-2_Qfr2_joint_array",
    "noise1024_J6_joint_T0_F0_list",
    "noise65536_tutorial_joint_list_torch32",
    "noise8192_J8_joint_F0_list",
    "noise8192_J8_joint_Fglobal_list",
    "noise8192_J8_joint_T512_F12_Qfr2_array",
    "noise8192_J8_joint_Tglobal_list",
    "noise8192_J8_joint_array",
    "noise8192_J8_time_Tglobal_Fglobal_list",
    "noise8192_J8_time_array",
    "noise8192_J8_time_list",
]


@pytest.mark.corpus
def test_filters_along_log_frequency_equal_the_stored_ones(shared):
    with np.load(shared / "oracles" / "filters_J6_Q8-2_T100_F5_N1024.npz") as file:
        stored = dict(file)
    bank, n_bins = frequential_bank(J_fr=3, Q_fr=2, F=5), int(stored["N_padded_fr"])
    assert [(psi.xi, psi.wavelet.sigma, psi.j) for psi in bank.psi] == [
        tuple(row) for row in stored["psi_fr"]
    ]
    names = [*(f"psi_fr_{n_fr}_l0" for n_fr in range(len(bank.psi))), "phiF_0_l0"]
    for psi, name in zip((*bank.psi, bank.phi), names, strict=True):
        start, H = psi.band(n_bins, 1e-9)
        whole = np.zeros(n_bins)
        whole[np.arange(start, start + len(H)) % n_bins] = H
        np.testing.assert_allclose(whole, stored[name], rtol=0, atol=1e-8)


@pytest.mark.corpus
@pytest.mark.parametrize("accuracy", ERRORS)
@pytest.mark.parametrize("name", ORACLES)
def test_coefficients_equal_the_stored_ones(name, accuracy, shared):
    with np.load(shared / "oracles" / f"jtfs_{name}.npz") as file:
        stored = dict(file)
    with np.load(shared / "oracles" / "signals.npz") as signals:
        x = signals[str(stored["signal"])]
    params = json.loads(str(stored["params"]))
    params["Q"] = tuple(params["Q"])
    out_type = "array" if "array" in name else "list"
    transform = TimeFrequencyScattering(**params, out_type=out_type, accuracy=accuracy)
    S, meta = transform(x), transform.meta()
    assert meta["key"] == [tuple(int(n) for n in key if n >= 0) for key in stored["keys"]]
    np.testing.assert_array_equal(meta["order"], stored["order"])
    coefficients = [row["coef"] for row in S] if out_type == "list" else list(S)
    assert_same_by_order(coefficients, stored_paths(stored), meta["order"], ERRORS[accuracy])


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["noise8192_J8_time_list", "noise8192_J8_joint_Tglobal_list"])
def test_double_precision_at_exact_equals_the_stored_ones_to_rounding(name, shared):
    """Except the widest falling wavelet: Kymatio truncates its tail (2e-5 of its peak)."""
    with np.load(shared / "oracles" / f"jtfs_{name}.npz") as file:
        stored = dict(file)
    with np.load(shared / "oracles" / "signals.npz") as signals:
        x = signals[str(stored["signal"])].astype(np.float64)
    params = json.loads(str(stored["params"]))
    params["Q"] = tuple(params["Q"])
    S = TimeFrequencyScattering(**params, out_type="dict", accuracy="exact")(x)
    widest = 1 + len(frequential_bank(3, 1, 8).psi) // 2
    for (key, ours), theirs in zip(S.items(), stored_paths(stored), strict=True):
        bound = 1e-4 if key and key[-1] == widest else 1e-9
        assert relative_error(ours, theirs) < bound


def stored_paths(stored):
    if "S" in stored:
        return list(stored["S"])
    shapes = [tuple(n for n in shape if n >= 0) for shape in stored["shapes"]]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = np.split(stored["flat"], ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
