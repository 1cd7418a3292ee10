from dataclasses import dataclass, replace
from itertools import pairwise

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatseg.scattering.analysis import describe_filters, frame_bounds
from scatseg.scattering.banks import (
    Gammatone,
    SampledFilter,
    Scaled,
    Triangle,
    check_filterbank,
    erb_gammatone,
    gammatone,
    mel,
)
from scatseg.scattering.filterbank import Filter, filterbank

SR = 22050
BANKS = [
    pytest.param(gammatone, (8, (8, 1), 256), {}, id="gammatone"),
    pytest.param(gammatone, (6, (1, 2), 64), {}, id="gammatone-Q=1"),
    pytest.param(gammatone, (8, (8, 1), 32), {}, id="gammatone-short-T"),
    pytest.param(erb_gammatone, (9, 40, SR, 512), {}, id="erb"),
    pytest.param(erb_gammatone, (9, 40, SR, 512), {"Q2": 2}, id="erb-Q2"),
    pytest.param(erb_gammatone, (9, 150, SR, 512), {}, id="erb-crowded"),
    pytest.param(mel, (9, 40, SR, 512), {}, id="mel"),
    pytest.param(mel, (9, 64, SR, 512), {"htk": True, "fmin": 80.0, "Q2": 2}, id="mel-htk"),
]
each_bank = pytest.mark.parametrize(("make", "options", "keywords"), BANKS)


@dataclass(frozen=True)
class Flat:
    """A constant response, which is invalid for a wavelet."""

    value: float

    def __call__(self, frequency):
        return np.full(len(frequency), self.value)


@each_bank
def test_banks_can_be_used_by_a_transform(make, options, keywords):
    check_filterbank(make(*options, **keywords))


@each_bank
def test_filters_go_from_high_to_low(make, options, keywords):
    psi1 = make(*options, **keywords).psi1
    assert all(a.xi > b.xi and a.j <= b.j for a, b in pairwise(psi1))


@each_bank
def test_filters_peak_at_their_center(make, options, keywords):
    for psi in make(*options, **keywords).psi1:
        near = np.clip(psi.xi + psi.sigma * np.linspace(-3, 3, 601), 0, 0.5)
        size = np.abs(psi.response(near))
        assert near[size.argmax()] == pytest.approx(psi.xi, abs=0.15 * psi.sigma)
        assert size.max() <= 1.01


@each_bank
def test_filters_are_blind_to_a_constant(make, options, keywords):
    for psi in make(*options, **keywords).psi1:
        assert abs(psi.response(np.zeros(1))[0]) < 1e-15


@each_bank
def test_the_second_layer_and_the_low_pass_are_those_of_kymatio(make, options, keywords):
    bank = make(*options, **keywords)
    Q2 = options[1][1] if make is gammatone else keywords.get("Q2", 1)
    morlet = filterbank(options[0], (1, Q2), options[-1])
    assert (bank.psi2, bank.phi) == (morlet.psi2, morlet.phi)


@each_bank
def test_equal_options_give_equal_banks(make, options, keywords):
    once, again = (make.__wrapped__(*options, **keywords) for _ in range(2))
    assert once is not again
    assert (once, hash(once)) == (again, hash(again))


def test_other_options_give_other_banks():
    assert mel(9, 40, SR, 512) != mel(9, 41, SR, 512)
    assert gammatone(8, (8, 1), 256) != gammatone(8, (8, 1), 128)


@each_bank
def test_a_stride_holds_what_a_filter_passes(make, options, keywords):
    for psi in make(*options, **keywords).psi1:
        at_stride = 2**15 >> psi.j
        assert len(psi.band(2**15, 1e-4)[1]) <= at_stride


@settings(deadline=None, max_examples=8)
@given(
    J=st.integers(6, 10),
    Q=st.integers(1, 12),
    log2_T=st.integers(4, 13),
    n_filters=st.integers(1, 60),
)
def test_any_gammatone_bank_can_be_used(J, Q, log2_T, n_filters):
    check_filterbank(gammatone(J, (Q, 1), 2**log2_T))
    check_filterbank(erb_gammatone(8 + J // 2, n_filters, 16000, 2**log2_T, fmin=100))


def test_a_gammatone_is_causal():
    h = np.fft.ifft(Gammatone(xi=0.1, b=0.01)(np.arange(4096) / 4096))
    assert np.abs(h[2048:]).max() < 1e-12 * np.abs(h).max()


def test_a_gammatone_is_the_difference_of_its_textbook_formula():
    wavelet = Gammatone(xi=0.1, b=0.01)
    h = np.fft.ifft(wavelet(np.arange(4096) / 4096))
    t = np.arange(2048)
    formula = t**3 * np.exp(-2 * np.pi * wavelet.b * t) * np.cos(2 * np.pi * wavelet.resonance * t)
    ours = np.cumsum(h.real)[:2048]
    np.testing.assert_allclose(
        ours / np.abs(ours).max(), formula / np.abs(formula).max(), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(("xi", "b"), [(0.01, 0.001), (0.2, 0.02), (0.45, 0.01), (0.1, 0.06)])
def test_a_gammatone_peaks_at_one(xi, b):
    near = np.linspace(xi - b / 4, xi + b / 4, 1001)
    size = np.abs(Gammatone(xi=xi, b=b)(near))
    assert size.max() == pytest.approx(1, abs=1e-3)
    assert size[500] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("xi", "b"), [(0.1, 0.3), (0.0, 0.1), (0.5, 0.1), (0.1, 0.0)])
def test_a_gammatone_wider_than_its_center_is_refused(xi, b):
    with pytest.raises(ValueError, match="needs b in"):
        Gammatone(xi=xi, b=b)


def test_gammatones_are_where_kymatio_has_wavelets_and_as_wide():
    bank, morlet = gammatone(8, (8, 1), 256), filterbank(8, (8, 1), 256)
    assert [psi.xi for psi in bank.psi1] == [psi.xi for psi in morlet.psi1]
    frequency = np.linspace(0, 0.5, 2**16 + 1)
    for psi, width in list(zip(bank.psi1, describe_filters(morlet.psi1, 1).bandwidth, strict=True))[
        :30:5
    ]:
        power = np.abs(psi.response(frequency)) ** 2
        measured = np.count_nonzero(power > power.max() / 2) * frequency[1]
        assert measured == pytest.approx(width, rel=0.01)


def test_gammatones_need_wavelets_that_their_scale_holds():
    with pytest.raises(ValueError, match=r"J larger, got J=2, Q=\(8, 1\)"):
        gammatone(2, (8, 1), 4)


def test_auditory_filters_are_an_erb_wide():
    # Glasberg and Moore: 132.6 Hz at 1 kHz.
    bank = erb_gammatone(9, 2, SR, 512, fmin=1000, fmax=4000)
    assert bank.psi1[1].xi * SR == pytest.approx(1000)
    assert bank.psi1[1].response.b * SR == pytest.approx(1.019 * 132.64, rel=1e-4)


def test_auditory_filters_are_evenly_spaced_in_erbs():
    centers = SR * np.array([psi.xi for psi in erb_gammatone(9, 33, SR, 512).psi1])
    rate = 21.4 * np.log10(1 + 0.00437 * centers)
    assert (centers[0], centers[-1]) == pytest.approx((0.4 * SR, 50))
    np.testing.assert_allclose(np.diff(rate), np.diff(rate)[0])


def test_a_crowded_bank_is_scaled_to_the_bound():
    bank = erb_gammatone(9, 150, SR, 512)
    assert isinstance(bank.psi1[0].response, Scaled)
    assert frame_bounds(bank.psi1).upper == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("htk", [False, True])
def test_mel_centers_are_those_of_librosa(htk):
    bank = mel(9, 40, SR, 512, fmin=30.0, fmax=8000.0, htk=htk)
    theirs = librosa.mel_frequencies(42, fmin=30.0, fmax=8000.0, htk=htk)[1:-1]
    np.testing.assert_allclose([SR * psi.xi for psi in bank.psi1], theirs[::-1], rtol=1e-12)


@pytest.mark.parametrize("htk", [False, True])
def test_mel_bands_are_those_of_librosa(htk):
    theirs = librosa.filters.mel(sr=SR, n_fft=4096, n_mels=40, htk=htk, norm=None)
    frequency = np.arange(2049) / 4096
    ours = [psi.response(frequency) for psi in reversed(mel(9, 40, SR, 512, htk=htk).psi1)]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_mel_bands_pass_no_negative_frequencies():
    for psi in mel(9, 40, SR, 512).psi1:
        assert not psi.response(-np.linspace(0, 0.5, 101)).any()


@pytest.mark.parametrize("make", [mel, erb_gammatone])
@pytest.mark.parametrize(("fmin", "fmax"), [(-1.0, 8000.0), (900.0, 800.0), (30.0, SR)])
def test_bands_must_lie_below_the_nyquist_frequency(make, fmin, fmax):
    with pytest.raises(ValueError, match="fmin and fmax must increase within 0 and sr / 2"):
        make(9, 40, SR, 512, fmin=fmin, fmax=fmax)


def test_a_bank_needs_filters():
    with pytest.raises(ValueError, match="at least one filter, got 0"):
        mel(9, 0, SR, 512)


def test_filters_longer_than_the_largest_scale_are_refused():
    with pytest.raises(ValueError, match="needs J of at least 8, got 5"):
        mel(5, 128, SR, 32)


@pytest.mark.parametrize("eps", [1e-2, 1e-5])
@pytest.mark.parametrize("n_bins", [4096, 5000])
@each_bank
def test_a_band_holds_everything_above_eps_and_nothing_else(make, options, keywords, n_bins, eps):
    for psi in make(*options, **keywords).psi1[::7]:
        H = psi.response(np.arange(n_bins) / n_bins)
        start, inside = psi.band(n_bins, eps)
        bins = np.arange(start, start + len(inside)) % n_bins
        np.testing.assert_allclose(inside, H[bins], rtol=0, atol=1e-10)
        level = eps * np.abs(H).max()
        assert (np.abs(np.delete(H, bins)) <= level).all()
        assert np.abs(inside[[0, -1]]).min() > level


@pytest.mark.parametrize("n", [0, 20, 53])
def test_a_sampled_wavelet_has_the_band_of_the_wavelet(n):
    psi = filterbank(8, (8, 1), 256).psi1[n]
    start, H = SampledFilter(psi.xi, psi.sigma, psi.j, psi.response).band(2**13, 1e-4)
    expected_start, expected = psi.band(2**13, 1e-4)
    assert start == expected_start
    np.testing.assert_allclose(H, expected, rtol=0, atol=1e-12)


def test_a_band_narrower_than_a_bin_is_one_bin():
    narrow = SampledFilter(0.26, 0.001, 0, Triangle(low=0.258, center=0.26, high=0.262))
    start, H = narrow.band(16, 1e-3)
    assert (start, H.tolist()) == (4, [0])


def test_a_band_is_never_longer_than_its_grid():
    wide = gammatone(6, (1, 1), 64).psi1[0]
    for n_bins in (2, 7, 64):
        assert len(wide.band(n_bins, 1e-9)[1]) <= n_bins


def altered(n, **changes):
    """Kymatio's filter bank with one first-order filter changed."""
    bank = filterbank(6, (4, 1), 64)
    psi1 = list(bank.psi1)
    old = psi1[n]
    kept = {"xi": old.xi, "sigma": old.sigma, "j": old.j, "response": old.response}
    psi1[n] = SampledFilter(**{**kept, **changes})
    return replace(bank, psi1=tuple(psi1))


def test_an_unaltered_bank_is_accepted():
    check_filterbank(altered(5))


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        pytest.param(altered(5, j=3), r"never decreases.*at psi1\[6\]: sort them", id="j"),
        pytest.param(altered(5, xi=0.4), r"high to low.*at psi1\[5\]: sort them", id="xi"),
        pytest.param(altered(0, xi=0.5), r"psi1\[0\] must have xi in \(0, 0.5\)", id="Nyquist"),
        pytest.param(altered(5, sigma=0.0), r"psi1\[5\] must have .* got .*sigma=0", id="sigma"),
        pytest.param(altered(5, response=Flat(np.nan)), r"psi1\[5\] must be finite", id="NaN"),
        pytest.param(
            altered(5, response=Flat(0.5)), r"psi1\[5\] must not pass a constant, got 0.5", id="DC"
        ),
        pytest.param(
            altered(20, sigma=0.05, response=Triangle(low=0.0, center=0.1, high=0.4)),
            r"psi1\[20\] passes 0.399 cycles per sample.*lower its j to 1 or less",
            id="stride",
        ),
        pytest.param(
            replace(filterbank(6, (4, 1), 64), psi1=()), "psi1 must have at least one", id="empty"
        ),
        pytest.param(
            replace(filterbank(6, (4, 1), 64), psi2=[Filter(0.1, 0.01, 1)]),
            "psi2 must be a tuple of frozen dataclasses",
            id="list",
        ),
    ],
)
def test_a_bank_that_no_transform_can_use_is_refused(bank, message):
    with pytest.raises(ValueError, match=message):
        check_filterbank(bank)


def test_too_much_gain_is_refused_with_the_remedy():
    psi = filterbank(6, (4, 1), 64).psi1[5]
    loud = altered(5, response=Scaled(response=psi.response, gain=3.0))
    with pytest.raises(ValueError, match=r"sum of psi1 must be at most 1, got .* multiply") as info:
        check_filterbank(loud)
    gain = float(str(info.value).rsplit(" ", 1)[1])
    quiet = [
        SampledFilter(f.xi, f.sigma, f.j, Scaled(response=f.response, gain=gain)) for f in loud.psi1
    ]
    check_filterbank(replace(loud, psi1=tuple(quiet)))


def test_a_short_low_pass_does_not_count_against_the_wavelets():
    check_filterbank(filterbank(8, (8, 1), 4))
