"""Explanations: sums that must hold, and sounds with a known decisive band."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scatseg.explain import (
    Band,
    Reason,
    band_of,
    carriers_and_rates,
    integrated_gradients,
    linear_relevance,
    permutation_importance,
    reasons_for,
    sentence,
)
from scatseg.features import FeatureName


def modulation(carrier, rate, spin=None):
    family = "scattering" if spin is None else "jtfs"
    return FeatureName(family, 0, order=2, carrier=carrier, modulation=rate, spin=spin)


NAMES = [
    FeatureName("scattering", 0, order=1, carrier=300.0),
    FeatureName("scattering", 1, order=1, carrier=600.0),
    modulation(300.0, 4.0),
    modulation(600.0, 4.2),
    modulation(610.0, 4.0),
    modulation(600.0, 8.0),
    FeatureName("mfcc", 3),
]
vectors = hnp.arrays(float, len(NAMES), elements=st.floats(-5, 5))


@pytest.mark.parametrize(
    ("hertz", "octave"), [(256.0, 8), (511.0, 8), (512.0, 9), (40.0, 5), (0.75, -1)]
)
def test_carrier_bands_start_at_powers_of_two(hertz, octave):
    assert band_of(modulation(hertz, 4.0)).carrier == octave


@pytest.mark.parametrize(("hertz", "octave"), [(4.0, 2), (2.9, 2), (5.6, 2), (5.7, 3), (0.7, -1)])
def test_rate_bands_are_centered_at_powers_of_two(hertz, octave):
    assert band_of(modulation(300.0, hertz)).rate == octave


def test_a_frequency_of_zero_is_in_no_octave():
    names = [FeatureName("stft", 0, carrier=0.0), FeatureName("stft", 1, carrier=600.0)]
    assert [band_of(name).carrier for name in names] == [None, 9]
    still, high = reasons_for([2.0, 1.0], names)
    assert (still.carrier, high.carrier) == (None, pytest.approx(600))


def test_rising_and_falling_are_two_bands():
    assert band_of(modulation(300.0, 4.0, 1)) != band_of(modulation(300.0, 4.0, -1))


@given(vectors, vectors)
def test_relevance_of_a_linear_score_adds_up_to_it(weights, z):
    assert linear_relevance(weights, z).sum() == pytest.approx(weights @ z, abs=1e-9)


@given(vectors, vectors)
def test_integrated_gradients_of_a_linear_score_are_its_relevance(weights, z):
    found = integrated_gradients(lambda points: np.broadcast_to(weights, points.shape), z)
    np.testing.assert_allclose(found, linear_relevance(weights, z), atol=1e-12)


@given(hnp.arrays(float, 3, elements=st.floats(-2, 2)))
def test_integrated_gradients_add_up_to_the_change_of_the_score(z):
    center = np.array([0.5, -0.3, 1.0])

    def score(points):
        return np.exp(-((points - center) ** 2).sum(axis=-1))

    def gradient(points):
        return -2 * (points - center) * score(points)[:, None]

    total = integrated_gradients(gradient, z).sum()
    assert total == pytest.approx(score(z) - score(np.zeros(3)), abs=3e-3)


@given(vectors, vectors)
def test_reasons_add_up_to_the_relevance(relevance, z):
    reasons = reasons_for(relevance, NAMES, Z=z)
    assert sum(each.relevance for each in reasons) == pytest.approx(relevance.sum(), abs=1e-9)
    assert all(each.evidence >= 0 for each in reasons)


def test_columns_of_one_band_are_summed():
    reasons = reasons_for([0, 0, 0, 1.0, 2.0, 0, 0], NAMES)
    assert reasons[0].band == Band(family="scattering", order=2, carrier=9, rate=2)
    assert reasons[0].relevance == 3
    assert reasons[0].rate == pytest.approx((4.2 * 4.0 * 4.0) ** (1 / 3))
    assert len(reasons) == 6


def test_reasons_are_sorted_by_strength():
    values = [each.relevance for each in reasons_for([1.0, -2, 5, 1, 1, -3, 0], NAMES)]
    assert values == sorted(values, reverse=True)


def test_relevant_but_absent_bands_have_negative_evidence():
    reasons = reasons_for([0, 0, 1.0, 0, 0, 1.0, 0], NAMES, Z=[0, 0, -1.0, 0, 0, 1.0, 0])
    assert {each.band.rate: each.evidence > 0 for each in reasons[:2]} == {2: False, 3: True}


def test_the_louder_of_two_filters_of_one_modulation_is_named():
    relevance = [0, 0, 0, 1.0, 0, 1.2, 0]
    energy = [1.0, 1.0, 0, 9.0, 0, 1.0, 1.0]
    text = sentence("trill", reasons_for(relevance, NAMES, energy=energy))
    assert text == "called trill because of amplitude modulation at 4.2 Hz (band 2.8-5.7 Hz) " + (
        "around 0.51-1 kHz"
    )


@pytest.mark.parametrize("argument", ["relevance", "Z", "energy"])
@pytest.mark.parametrize("given", [[1.0, 2.0], 1.0, [[1.0] * 7]])
def test_a_value_per_name_is_needed(argument, given):
    arguments = {"relevance": [1.0] * 7, argument: given}
    with pytest.raises(ValueError, match=rf"{argument} must have shape \(7,\), one per name"):
        reasons_for(names=NAMES, **arguments)


@pytest.mark.parametrize(
    ("band", "text"),
    [
        (Band(family="jtfs", order=2, carrier=7, rate=2, spin=1), "rising modulation at 4 Hz"),
        (Band(family="jtfs", order=2, carrier=7, rate=2, spin=-1), "falling modulation at 4 Hz"),
        (Band(family="scattering", order=1, carrier=7), "energy around 128-256 Hz"),
        (Band(family="mfcc"), "because of mfcc"),
    ],
)
def test_a_sentence_names_the_decisive_band(band, text):
    rate = None if band.rate is None else 4.0
    assert text in sentence("a", [Reason(band=band, relevance=1.0, evidence=1.0, rate=rate)])


def test_a_sentence_names_missing_energy():
    band = Band(family="scattering", order=1, carrier=7)
    text = sentence("a", [Reason(band=band, relevance=1.0)])
    assert text == "called a because of little energy around 128-256 Hz"


@pytest.mark.parametrize(
    "reasons", [[], [Reason(band=Band(family="mfcc"), relevance=-1.0, evidence=0.0)]]
)
def test_a_class_may_have_no_evidence(reasons):
    assert sentence("a", reasons) == "called a without clear evidence"


def energy_around(octave, relevance, evidence=0.0):
    band = Band(family="scattering", order=1, carrier=octave)
    return Reason(band=band, relevance=relevance, evidence=evidence)


def test_loud_but_irrelevant_bands_are_not_named():
    loud = energy_around(12, -0.01, 0.9)
    text = sentence("a", [loud, energy_around(8, 1.0, 0.1)])
    assert text == "called a because of energy around 256-512 Hz"


def test_missing_energy_is_named_if_it_outweighs_all_present_energy():
    text = sentence("a", [energy_around(12, 0.1, 0.9), energy_around(8, 1.0)])
    assert text == "called a because of little energy around 256-512 Hz"


def test_integrated_gradients_converge_with_the_number_of_steps():
    def gradient(points):
        return 3 * points**2  # the gradient of a sum of cubes

    errors = [1 - integrated_gradients(gradient, [1.0], n_steps=n).sum() for n in (1, 2, 4)]
    np.testing.assert_allclose(errors, [1 / 4, 1 / 16, 1 / 64])


def test_a_map_contains_every_band_at_its_position():
    relevance = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    carriers, rates, values = carriers_and_rates(reasons_for(relevance, NAMES))
    assert (carriers.tolist(), rates.tolist()) == ([8, 9], [2, 3])
    np.testing.assert_array_equal(values, [[1, 3, np.nan], [2, 9, 6]])


def test_permutation_finds_the_only_relevant_band(rng):
    X = rng.normal(size=(200, len(NAMES)))
    truth = X[:, 5] > 0

    def accuracy(rows):
        return float(((rows[:, 5] > 0) == truth).mean())

    first, *others = permutation_importance(accuracy, X, NAMES)
    assert first.band == band_of(NAMES[5])
    assert first.relevance == pytest.approx(0.5, abs=0.1)
    assert [each.relevance for each in others] == [0] * 5


def test_permutation_shuffles_the_columns_of_a_band_together(rng):
    # Columns 3 and 4 are redundant; permuted one at a time, neither would seem relevant.
    X = rng.normal(size=(200, len(NAMES)))
    X[:, 4] = X[:, 3]
    truth = X[:, 3] > 0

    def accuracy(rows):
        votes = np.where(rows[:, 3] == X[:, 3], rows[:, 3], rows[:, 4])
        return float(((votes > 0) == truth).mean())

    assert permutation_importance(accuracy, X, NAMES)[0].relevance > 0.3


def test_permutation_is_deterministic_given_a_seed(rng):
    X = rng.normal(size=(50, len(NAMES)))
    seen = []

    def noted(rows):
        seen.append(rows)
        return float(rows[0, 0])

    once, again, other = (
        permutation_importance(noted, X, NAMES, n_repeats=2, seed=seed) for seed in (0, 0, 1)
    )
    n_bands = len({band_of(name) for name in NAMES})
    assert len(seen) == 3 * (1 + 2 * n_bands)
    assert once == again != other


def test_no_steps_or_repeats_are_refused(rng):
    with pytest.raises(ValueError, match="n_steps must be an integer of at least 1, got 0"):
        integrated_gradients(lambda points: points, [1.0], n_steps=0)
    with pytest.raises(ValueError, match="n_repeats must be an integer of at least 1, got 0"):
        permutation_importance(np.mean, rng.normal(size=(5, 7)), NAMES, n_repeats=0)


def test_permutation_needs_a_column_per_name(rng):
    with pytest.raises(ValueError, match=r"shape \(n_clips, 7\), one column per name.*\(5, 9\)"):
        permutation_importance(np.mean, rng.normal(size=(5, 9)), NAMES)
