from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kymatio.scattering1d.filter_bank import gauss_1d, morlet_1d, scattering_filter_factory

from scatseg.scattering import Scattering1D
from scatseg.scattering.analysis import (
    describe_filters,
    describe_frequential,
    frame_bounds,
    largest_gain,
    littlewood_paley,
)
from scatseg.scattering.filterbank import Filter, filterbank, frequential_bank

N = 2**13
SETTINGS = [
    pytest.param(6, (1, 1), 64, id="J=6,Q=1"),
    pytest.param(8, (8, 1), 256, id="J=8,Q=8"),
    pytest.param(8, (12, 2), 100, id="J=8,Q=12/2,T=100"),
    pytest.param(5, (16, 4), 333, id="J=5,Q=16/4,T=333"),
    pytest.param(1, (1, 1), 1, id="J=1,Q=1,T=1"),
]
each_setting = pytest.mark.parametrize(("J", "Q", "T"), SETTINGS)


def on_grid(filter_, n_bins=N):
    return filter_.response(np.arange(n_bins) / n_bins)


def spread(filter_, n_bins, eps):
    """The result of `band` on all bins."""
    start, inside = filter_.band(n_bins, eps)
    H = np.zeros(n_bins, dtype=inside.dtype)
    H[np.arange(start, start + len(inside)) % n_bins] = inside
    return H


def distance_from_kymatio(filter_, n_bins):
    theirs = (
        morlet_1d(n_bins, filter_.xi, filter_.sigma)
        if filter_.xi
        else gauss_1d(n_bins, filter_.sigma)
    )
    return np.abs(spread(filter_, n_bins, 1e-13) - theirs).max() / np.abs(theirs).max()


@each_setting
def test_filters_equal_those_of_kymatio(J, Q, T):
    phi, psi1, psi2 = scattering_filter_factory(N, J, Q, T, max_subsampling=0)
    bank = filterbank(J, Q, T)
    for ours, theirs in [
        (bank.phi, phi),
        *zip(bank.psi1, psi1, strict=True),
        *zip(bank.psi2, psi2, strict=True),
    ]:
        assert (ours.xi, ours.sigma, ours.j) == (theirs["xi"], theirs["sigma"], theirs["j"])
        np.testing.assert_allclose(on_grid(ours), theirs["levels"][0], rtol=0, atol=1e-11)


# On fewer than 2**J bins, Kymatio's narrowest filters consist of rounding errors only.
@pytest.mark.parametrize("Q", [1, 2, 8, 12, 16])
@pytest.mark.parametrize(
    ("log2_bins", "J"), [(10, 4), (10, 6), (10, 8), (10, 10), (12, 8), (12, 10), (12, 12), (13, 12)]
)
def test_wavelets_have_the_norm_of_kymatio_on_any_grid(log2_bins, J, Q):
    filters = filterbank(J, (Q, 1), 2**J).psi1
    assert max(distance_from_kymatio(psi, 2**log2_bins) for psi in filters) < 1e-11


@pytest.mark.parametrize("n_bins", [2**10, 2**13, 1000, 4095])
@pytest.mark.parametrize("T", [4, 64, 100, 1000, 2**13])
def test_low_pass_filters_have_the_norm_of_kymatio_on_any_grid(T, n_bins):
    assert distance_from_kymatio(filterbank(4, (1, 1), T).phi, n_bins) < 1e-11


@settings(deadline=None, max_examples=25)
@given(
    J=st.integers(3, 9),
    Q=st.tuples(st.integers(1, 16), st.integers(1, 4)),
    T=st.integers(1, 2**9),
    surplus=st.integers(0, 700),
)
def test_any_bank_is_that_of_kymatio(J, Q, T, surplus):
    n_bins = 2 ** (max(J, int(np.log2(T))) + 1) + surplus
    bank = filterbank(J, Q, T)
    for filter_ in (*bank.psi1, *bank.psi2, bank.phi):
        assert distance_from_kymatio(filter_, n_bins) < 1e-11


@each_setting
@pytest.mark.parametrize("eps", [1e-3, 1e-6])
def test_a_band_holds_everything_above_eps_and_nothing_else(J, Q, T, eps):
    bank = filterbank(J, Q, T)
    for filter_ in (*bank.psi1, *bank.psi2, bank.phi):
        H = on_grid(filter_)
        start, inside = filter_.band(N, eps)
        bins = np.arange(start, start + len(inside)) % N
        np.testing.assert_allclose(inside, H[bins], rtol=0, atol=2e-15)
        level = eps * np.abs(H).max()
        assert (np.abs(np.delete(H, bins)) <= level).all()
        assert np.abs(inside[[0, -1]]).min() > level


def test_a_band_is_never_longer_than_its_grid():
    wide = Filter(xi=0.4, sigma=0.2, j=0)
    for n_bins in (2, 7, 64):
        assert len(wide.band(n_bins, 1e-6)[1]) <= n_bins


@each_setting
def test_wavelets_are_blind_to_a_constant(J, Q, T):
    bank = filterbank(J, Q, T)
    for psi in bank.psi1 + bank.psi2:
        assert abs(psi.response(np.zeros(1))[0]) < 1e-15


@each_setting
def test_the_low_pass_keeps_a_constant(J, Q, T):
    assert filterbank(J, Q, T).phi.response(np.zeros(1))[0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("Q", "least"), [(1, 0.15), (8, 0.187), (12, 0.232), (16, 0.225)])
def test_littlewood_paley_sum_stays_within_its_bounds(Q, least):
    bank = filterbank(8, (Q, 1), 2**8)
    assert frame_bounds(bank).upper == pytest.approx(1, abs=1e-12)
    assert frame_bounds(bank, band=(0, 0.45)).lower == pytest.approx(least, abs=5e-3)


@settings(deadline=None, max_examples=25)
@given(J=st.integers(5, 13), Q=st.integers(1, 16), octaves_longer=st.integers(0, 2))
def test_no_frequency_is_amplified_where_the_low_pass_is_as_long_as_the_wavelets(
    J, Q, octaves_longer
):
    assert frame_bounds(filterbank(J, (Q, 1), 2 ** (J + octaves_longer))).upper < 1 + 1e-9


@pytest.mark.parametrize("Q", [1, 8])
def test_frame_bounds_are_those_of_a_fine_grid(Q):
    bank = filterbank(5, (Q, 1), 2**5)
    grid = littlewood_paley(bank, np.linspace(0, 0.4, 2**14))
    bounds = frame_bounds(bank, band=(0, 0.4))
    assert (bounds.lower, bounds.upper) == pytest.approx((grid.min(), grid.max()), rel=1e-4)


def test_frame_bounds_tell_where_they_are():
    bank = filterbank(6, (8, 1), 2**6)
    bounds = frame_bounds(bank, band=(0.1, 0.3))
    np.testing.assert_allclose(
        littlewood_paley(bank, [bounds.lower_at, bounds.upper_at]),
        [bounds.lower, bounds.upper],
        rtol=1e-12,
    )


def test_littlewood_paley_sum_weighs_the_energy_that_filters_keep():
    x = np.random.default_rng(0).standard_normal(N)
    X = np.fft.fft(x)
    bank = filterbank(6, (4, 1), 2**6)
    kept = [np.abs(np.fft.ifft(X * on_grid(psi))) ** 2 for psi in (*bank.psi1, bank.phi)]
    weights = littlewood_paley(bank, np.arange(N) / N)
    assert np.sum(kept) == pytest.approx((np.abs(X) ** 2 * weights).mean(), rel=1e-12)


def test_a_layer_without_low_pass_keeps_no_constant():
    assert littlewood_paley(filterbank(6, (8, 1), 64).psi1, [0.0]) == pytest.approx(0, abs=1e-30)


def test_largest_gain_brings_the_sum_of_wavelets_to_one():
    psi = filterbank(6, (8, 1), 64).psi1
    gain = largest_gain(psi)
    assert gain**2 * frame_bounds(psi).upper == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("band", [(0.2, 0.1), (-0.1, 0.2), (0.3, 0.6), (0.2, 0.2)])
def test_frame_bounds_need_a_band(band):
    with pytest.raises(ValueError, match="band must go from low to high within 0"):
        frame_bounds(filterbank(4, (1, 1), 16), band=band)


@pytest.mark.parametrize("Q", [1, 4, 16])
def test_bandwidth_is_between_the_half_power_points(Q):
    n_bins = 2**16
    filters = filterbank(5, (Q, 1), 32).psi1[:3]
    for psi, bandwidth in zip(filters, describe_filters(filters, 1000).bandwidth, strict=True):
        power = on_grid(psi, n_bins) ** 2
        width = np.count_nonzero(power > power.max() / 2) / n_bins
        assert bandwidth == pytest.approx(1000 * width, rel=0.01)


@pytest.mark.parametrize("Q", [1, 4, 16])
def test_time_support_leaves_a_thousandth_on_each_side(Q):
    psi = filterbank(8, (Q, 1), 256).psi1[-1]
    modulus = np.abs(np.fft.ifft(on_grid(psi, 2**14)))
    (support,) = describe_filters([psi], 8000).time_support
    half = round(support * 8000 / 2)
    assert modulus[half : 2**13].sum() == pytest.approx(1e-3, rel=0.1)


def test_a_filter_is_described_in_physical_units():
    tones = [Filter(440 / 8000, 0.01, 2), Filter(880 / 8000, 0.02, 1)]
    table = describe_filters(tones, 8000)
    np.testing.assert_allclose(table.center, [440, 880])
    np.testing.assert_allclose(table.octave, [4, 5])
    np.testing.assert_allclose(table.bandwidth, np.array([80, 160]) * 2 * np.sqrt(np.log(2)))
    np.testing.assert_allclose(table.quality, table.center / table.bandwidth)


def test_a_low_pass_is_described_without_warnings():
    table = describe_filters([filterbank(8, (8, 1), 256).phi], 22050)
    assert (table.center[0], table.quality[0], table.octave[0]) == (0, 0, -np.inf)


def test_neighbors_of_constant_quality_are_an_octave_apart_after_q_filters():
    table = describe_filters(filterbank(8, (12, 1), 256).psi1[:25], 44100)
    np.testing.assert_allclose(table.octave[:13] - table.octave[12:], 1)
    np.testing.assert_allclose(table.quality, table.quality[0])


def test_frequential_filters_are_described_in_octaves():
    bank = frequential_bank(3, 1, 8)
    table = describe_frequential(bank.psi, Q=16)
    np.testing.assert_allclose(table.center[1:5], 0.35 * 16 / 2 ** np.arange(4))
    np.testing.assert_array_equal(table.center[1:5], table.center[5:])
    assert table.spin.tolist() == [0, 1, 1, 1, 1, -1, -1, -1, -1]
    in_filters = describe_filters([psi.wavelet for psi in bank.psi], 1).time_support
    np.testing.assert_allclose(table.support, in_filters / 16)


@pytest.mark.parametrize("sr", [0, -1, float("nan")])
def test_a_description_needs_a_positive_rate(sr):
    with pytest.raises(ValueError, match="sr must be positive"):
        describe_filters(filterbank(4, (1, 1), 16).psi1, sr)


def test_a_spin_of_minus_one_mirrors_the_response():
    bank = frequential_bank(3, 2, 8)
    n_psi = (len(bank.psi) - 1) // 2
    frequency = np.linspace(-0.5, 0.5, 101)
    for up, down in zip(bank.psi[1 : 1 + n_psi], bank.psi[1 + n_psi :], strict=True):
        np.testing.assert_array_equal(up.response(frequency), down.response(-frequency))
        assert (down.xi, down.sigma) == (-up.xi, up.sigma)


def test_responses_and_bands_of_frequential_filters_agree():
    for filter_ in frequential_bank(3, 1, 8).psi:
        np.testing.assert_allclose(spread(filter_, 216, 1e-13), on_grid(filter_, 216), atol=1e-12)


@pytest.mark.parametrize(
    ("J", "Q", "n_first", "n_second", "n_paths"),
    [(8, (8, 1), 54, 9, 234), (12, (12, 2), 124, 25, 1599), (13, (8, 1), 94, 14, 644)],
)
def test_numbers_of_filters_and_paths(J, Q, n_first, n_second, n_paths):
    bank = filterbank(J, Q, 2**J)
    assert (len(bank.psi1), len(bank.psi2)) == (n_first, n_second)
    assert len(Scattering1D(J, Q=Q).meta()["key"]) == n_paths


@each_setting
def test_filters_go_from_high_to_low(J, Q, T):
    bank = filterbank(J, Q, T)
    for psi in (bank.psi1, bank.psi2):
        assert all(a.xi > b.xi and a.j <= b.j for a, b in pairwise(psi))


@pytest.mark.corpus
def test_filters_equal_those_stored_of_kymatio_main(shared):
    bank = filterbank(6, (8, 2), 100)
    with np.load(shared / "oracles" / "filters_J6_Q8-2_T100_F5_N1024.npz") as stored:
        n_bins = int(stored["N_padded"])
        for name, filters in (("phi", (bank.phi,)), ("psi1", bank.psi1), ("psi2", bank.psi2)):
            parameters = [(filter_.xi, filter_.sigma, filter_.j) for filter_ in filters]
            np.testing.assert_allclose(parameters, stored[name], rtol=1e-12)
            for n, filter_ in enumerate(filters):
                H = filter_.response(np.arange(n_bins) / n_bins)
                np.testing.assert_allclose(H, stored[f"{name}_{n}_l0"], rtol=0, atol=1e-6)
