from itertools import pairwise

import numpy as np
import pytest
from kymatio.scattering1d.filter_bank import scattering_filter_factory

from scatseg.scattering import Scattering1D
from scatseg.scattering.filterbank import Filter, filterbank

N = 2**13
SETTINGS = [
    pytest.param(6, (1, 1), 64, id="J=6,Q=1"),
    pytest.param(8, (8, 1), 256, id="J=8,Q=8"),
    pytest.param(8, (12, 2), 100, id="J=8,Q=12/2,T=100"),
    pytest.param(5, (16, 4), 333, id="J=5,Q=16/4,T=333"),
    pytest.param(1, (1, 1), 1, id="J=1,Q=1,T=1"),
]
each_setting = pytest.mark.parametrize(("J", "Q", "T"), SETTINGS)


def on_grid(filter_):
    return filter_.response(np.arange(N) / N)


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
        np.testing.assert_allclose(on_grid(ours), theirs["levels"][0], rtol=0, atol=1e-9)


@each_setting
@pytest.mark.parametrize("eps", [1e-3, 1e-6])
def test_a_band_holds_everything_above_eps_and_nothing_else(J, Q, T, eps):
    bank = filterbank(J, Q, T)
    for filter_ in (*bank.psi1, *bank.psi2, bank.phi):
        H = on_grid(filter_)
        start, inside = filter_.band(N, eps)
        bins = np.arange(start, start + len(inside)) % N
        np.testing.assert_allclose(inside, H[bins], rtol=0, atol=1e-15)
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


@pytest.mark.parametrize("Q", [1, 8, 12, 16])
def test_littlewood_paley_sum_stays_within_its_bounds(Q):
    bank = filterbank(8, (Q, 1), 2**8)
    psi = np.array([on_grid(filter_) for filter_ in bank.psi1]) ** 2
    mirrored = np.roll(psi[:, ::-1], 1, axis=1)
    total = on_grid(bank.phi) ** 2 + (psi + mirrored).sum(axis=0) / 2
    assert total.max() <= 1.0005
    assert total[: int(0.45 * N)].min() >= {1: 0.15, 8: 0.185, 12: 0.225, 16: 0.225}[Q]


@pytest.mark.parametrize(
    ("J", "Q", "n_first", "n_second", "n_paths"),
    [(8, (8, 1), 54, 9, 234), (12, (12, 2), 124, 25, 1599), (13, (8, 1), 94, 14, 644)],
)
def test_numbers_of_filters_and_paths(J, Q, n_first, n_second, n_paths):
    bank = filterbank(J, Q, 2**J)
    assert (len(bank.psi1), len(bank.psi2)) == (n_first, n_second)
    assert len(Scattering1D(J, Q).meta()["key"]) == n_paths


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
