import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.measuring import peak_memory

import scatseg.compression
from scatseg.compression import compressed, median_levels
from scatseg.scattering import Scattering1D, TimeFrequencyScattering

IN_TIME = Scattering1D(J=6, Q=4).meta()
JOINT = TimeFrequencyScattering(J=6, J_fr=2, Q=4).meta()

WAYS = [(c, r) for c in ("mean", "median", None) for r in (True, False)]
ways = pytest.mark.parametrize(("compression", "renormalize"), WAYS)


def coefficients(meta, n_frames=9, level=0.01):
    rng = np.random.default_rng(seed=440)
    return level * rng.exponential(size=(n_frames, len(meta["key"])))


def row(meta, key):
    return meta["key"].index(key) - 1  # order 0 is dropped


# The default, path by path.


def test_order_one_is_divided_by_its_mean_over_the_recording():
    S = coefficients(IN_TIME)
    first = IN_TIME["order"] == 1
    X = compressed(S, IN_TIME, eps=0.2)
    np.testing.assert_allclose(X[:, first[1:]], np.log1p(S[:, first] / (0.2 * S[:, first].mean())))


@pytest.mark.parametrize("key", [(0, 4), (3, 4), (9, 5)])
def test_order_two_is_normalized_by_its_carrier(key):
    S = coefficients(IN_TIME)
    floor = 0.1 * S[:, IN_TIME["order"] == 1].mean()
    parent, child = (S[:, IN_TIME["key"].index(k)] for k in (key[:1], key))
    expected = np.log1p(child / (parent + floor) / 0.05)
    np.testing.assert_allclose(compressed(S, IN_TIME)[:, row(IN_TIME, key)], expected)


@pytest.mark.parametrize(
    ("key", "parent"), [((8, 4, 0), (8, 0)), ((7, 1), (4, 0)), ((5, 4, 1), (4, 0))]
)
def test_a_joint_path_is_normalized_by_the_nearest_carrier_above_it(key, parent):
    meta = TimeFrequencyScattering(J=6, J_fr=2, Q=4, F=0).meta()
    S = coefficients(meta)
    floor = 0.1 * S[:, (meta["order"] == 1) & (meta["n_fr"] == 0)].mean()
    level, child = (S[:, meta["key"].index(k)] for k in (parent, key))
    expected = np.log1p(child / (level + floor) / 0.05)
    np.testing.assert_allclose(compressed(S, meta)[:, row(meta, key)], expected)


def test_order_two_without_renormalization_is_divided_by_its_mean():
    S = coefficients(IN_TIME)
    second = IN_TIME["order"] == 2
    X = compressed(S, IN_TIME, renormalize=False)[:, second[1:]]
    np.testing.assert_allclose(X, np.log1p(S[:, second] / (0.1 * S[:, second].mean())))


def test_without_compression_and_renormalization_nothing_changes():
    S = coefficients(IN_TIME)
    X = compressed(S, IN_TIME, compression=None, renormalize=False)
    np.testing.assert_array_equal(X, S[:, 1:])


# Medians.


@pytest.mark.parametrize("meta", [IN_TIME, JOINT], ids=["time", "joint"])
@pytest.mark.parametrize("eps", [0.1, 0.001])
def test_every_path_has_the_same_median(meta, eps):
    S = coefficients(meta) * np.geomspace(1, 100, len(meta["key"]))
    X = compressed(S, meta, eps=eps, compression="median", renormalize=False)
    np.testing.assert_allclose(np.median(X, axis=0), np.log1p(1 / eps))


def test_order_two_is_relative_to_the_median_share_of_a_carrier():
    S = coefficients(IN_TIME)
    X = compressed(S, IN_TIME, compression="median")[:, row(IN_TIME, (0, 4))]
    first = IN_TIME["order"] == 1
    parent, child = (S[:, IN_TIME["key"].index(k)] for k in ((0,), (0, 4)))
    share = child / (parent + 0.1 * S[:, first].mean())
    np.testing.assert_allclose(X, np.log1p(share / (0.1 * np.median(share))))


def test_a_nearly_empty_path_is_not_amplified():
    S = coefficients(IN_TIME)
    S[:, -1] *= 1e-12
    X = compressed(S, IN_TIME, compression="median", renormalize=False)
    assert X[:, -1].max() < 1e-4


def test_levels_are_the_medians_of_the_columns():
    S = np.array([[1.0, 5.0], [2.0, 4.0], [9.0, 3.0]])
    np.testing.assert_array_equal(median_levels(S), [2, 4])


def test_levels_of_nearly_empty_columns_are_a_share_of_the_highest():
    S = np.array([[1e-9, 3.0], [0.0, 3.0], [0.0, 3.0]])
    np.testing.assert_allclose(median_levels(S), [3e-6, 3])
    np.testing.assert_allclose(median_levels(S, share=0.1), [0.3, 3])
    np.testing.assert_allclose(median_levels(S, least=5.0), [5, 5])


def test_levels_fall_back_to_the_maximum_if_all_medians_are_zero():
    S = np.array([[0, 0], [0, 0], [8.0, 0]])
    np.testing.assert_allclose(median_levels(S, share=0.1), 0.08)


def test_levels_of_silence_are_positive():
    assert (median_levels(np.zeros((3, 2))) > 0).all()


@given(
    # The smallest normal number, a lower bound of levels, is far below.
    hnp.arrays(float, (5, 3), elements=st.just(0.0) | st.floats(1e-200, 1e3)),
    st.integers(-20, 20),
)
def test_levels_scale_with_the_coefficients(S, exponent):
    if S.any():
        np.testing.assert_array_equal(
            median_levels(2.0**exponent * S), 2.0**exponent * median_levels(S)
        )


# Common properties.


@ways
@pytest.mark.parametrize("meta", [IN_TIME, JOINT], ids=["time", "joint"])
def test_order_zero_is_excluded_and_columns_keep_their_order(compression, renormalize, meta):
    S = coefficients(meta)
    S[4] *= 10  # a loud frame affects every column that is not a share
    X = compressed(S, meta, compression=compression, renormalize=renormalize)
    assert X.shape == (9, len(meta["key"]) - 1)
    assert (X[:, meta["order"][1:] == 1][:, 0].argmax()) == 4


@pytest.mark.parametrize(("compression", "renormalize"), [way for way in WAYS if way[0]])
@pytest.mark.parametrize("gain", [0.01, 0.5])
def test_compression_is_invariant_to_gain(compression, renormalize, gain):
    S = coefficients(IN_TIME, level=0.1)
    X, quieter = (
        compressed(g * S, IN_TIME, compression=compression, renormalize=renormalize)
        for g in (1, gain)
    )
    np.testing.assert_allclose(quieter, X, rtol=1e-9)


@ways
def test_silence_gives_zeros(compression, renormalize):
    S = np.zeros((3, len(IN_TIME["key"])), dtype=np.float32)
    assert not compressed(S, IN_TIME, compression=compression, renormalize=renormalize).any()


@ways
@pytest.mark.parametrize("meta", [IN_TIME, JOINT], ids=["time", "joint"])
def test_near_silence_is_not_amplified(compression, renormalize, meta):
    S = coefficients(meta, level=1e-11)
    X = compressed(S, meta, compression=compression, renormalize=renormalize)
    assert X.max() < 0.1


@ways
def test_negative_rounding_errors_count_as_zero(compression, renormalize):
    S = coefficients(IN_TIME)
    S[2, 1:] = -1e-9
    X = compressed(S, IN_TIME, compression=compression, renormalize=renormalize)
    assert not X[2].any()


@ways
def test_single_precision_is_preserved(compression, renormalize):
    S = coefficients(IN_TIME).astype(np.float32)
    X = compressed(S, IN_TIME, compression=compression, renormalize=renormalize)
    assert X.dtype == np.float32


@ways
def test_a_single_order_is_accepted(compression, renormalize):
    meta = Scattering1D(J=6, Q=4, max_order=1).meta()
    X = compressed(coefficients(meta), meta, compression=compression, renormalize=renormalize)
    assert np.isfinite(X).all()


def test_coefficients_are_not_modified():
    S = coefficients(IN_TIME)
    S.flags.writeable = False
    compressed(S, IN_TIME)


@ways
def test_blocks_of_frames_are_compressed_as_the_whole(compression, renormalize, monkeypatch):
    S = coefficients(JOINT, n_frames=70)
    whole = compressed(S, JOINT, compression=compression, renormalize=renormalize)
    monkeypatch.setattr(scatseg.compression, "_BLOCK", 20 * S.shape[1])
    in_blocks = compressed(S, JOINT, compression=compression, renormalize=renormalize)
    np.testing.assert_array_equal(in_blocks, whole)


def test_compression_holds_one_copy_of_the_coefficients(monkeypatch):
    S = coefficients(JOINT, n_frames=5000)
    monkeypatch.setattr(scatseg.compression, "_BLOCK", S.size // 50)
    assert peak_memory(compressed, S, JOINT) < 1.5 * S.nbytes
