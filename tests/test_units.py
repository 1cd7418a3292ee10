import sys

import numpy as np
import pytest

from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.scattering.filterbank import filterbank, frequential_bank
from scatseg.scattering.units import physical_meta, to_frame

SR = 22050


@pytest.fixture(scope="module")
def in_time():
    transform = Scattering1D(J=8, Q=(8, 2))
    return transform.meta(), physical_meta(transform.meta(), SR)


@pytest.fixture(scope="module")
def joint():
    transform = TimeFrequencyScattering(J=8, J_fr=3, Q=(8, 1))
    return transform.meta(), physical_meta(transform.meta(), SR, 8)


def half_power_width(response, frequency):
    """Distance of the outermost points with at least half the peak's power."""
    loud = frequency[np.abs(response) ** 2 >= 0.5 * np.max(np.abs(response) ** 2)]
    return loud[-1] - loud[0]


# In time.


def test_carriers_and_modulations_are_in_hertz_row_for_row(in_time):
    meta, columns = in_time
    np.testing.assert_allclose(columns["carrier_hz"], meta["xi"][:, 0] * SR)
    np.testing.assert_allclose(columns["modulation_hz"], meta["xi"][:, 1] * SR)


def test_keys_and_orders_are_those_of_the_rows(in_time):
    meta, columns = in_time
    assert list(columns["key"]) == meta["key"]
    np.testing.assert_array_equal(columns["order"], [len(key) for key in meta["key"]])


@pytest.mark.parametrize(
    ("name", "least_order"), [("carrier_hz", 1), ("bandwidth_hz", 1), ("modulation_hz", 2)]
)
def test_what_a_path_has_not_is_not_a_number(in_time, name, least_order):
    _, columns = in_time
    np.testing.assert_array_equal(np.isfinite(columns[name]), columns["order"] >= least_order)


def test_one_layer_has_carriers_and_no_modulation():
    columns = physical_meta(Scattering1D(J=6, max_order=1).meta(), SR)
    assert np.isfinite(columns["carrier_hz"][1:]).all()
    assert np.isnan(columns["modulation_hz"]).all()


def test_concert_pitch_is_octave_zero():
    meta = {"key": [(0,), (1,)], "order": [1, 1], "xi": [[0.04], [0.02]], "sigma": [[0.1], [0.1]]}
    columns = physical_meta(meta, sr=11000)
    np.testing.assert_allclose(columns["carrier_octave"], [0, -1], atol=1e-12)


@pytest.mark.parametrize(("layer", "name"), [(0, "bandwidth_hz"), (1, "modulation_bandwidth_hz")])
def test_bandwidths_are_those_of_half_the_power(in_time, layer, name):
    meta, columns = in_time
    bank = filterbank(8, (8, 2), 2**8)
    frequency = np.arange(2**16) / 2**16
    row = np.flatnonzero(meta["n"][:, layer] == 6)[0]
    measured = half_power_width((bank.psi1, bank.psi2)[layer][6].response(frequency), frequency)
    assert columns[name][row] == pytest.approx(measured * SR, rel=0.01)


def test_neighbors_meet_at_half_their_power(in_time):
    _, columns = in_time
    first = np.flatnonzero(columns["order"] == 1)[:20]  # evenly spaced in octaves
    carrier, half = columns["carrier_hz"][first], columns["bandwidth_hz"][first] / 2
    np.testing.assert_allclose((carrier - half)[:-1], (carrier + half)[1:], rtol=1e-6)


def test_a_scattering_in_time_has_no_scales(in_time):
    assert not {"scale_cpo", "spin"} & set(in_time[1])


# Joint.


def test_scales_of_one_filter_per_octave_are_those_in_filters():
    meta = TimeFrequencyScattering(J=8, J_fr=2, Q=(1, 1)).meta()
    np.testing.assert_array_equal(physical_meta(meta, SR, 1)["scale_cpo"], np.abs(meta["xi_fr"]))


def test_scales_are_in_cycles_per_octave(joint):
    meta, columns = joint
    psi = frequential_bank(3, 1, 8).psi
    expected = [np.nan if np.isnan(n) else 8 * abs(psi[int(n)].xi) for n in meta["n_fr"]]
    np.testing.assert_allclose(columns["scale_cpo"], expected)


def test_scale_bandwidths_are_those_of_half_the_power(joint):
    meta, columns = joint
    psi = frequential_bank(3, 1, 8).psi
    frequency = np.arange(-(2**13), 2**13) / 2**14
    for n in (0, 1, 2):
        row = np.flatnonzero(meta["n_fr"] == n)[0]
        measured = half_power_width(psi[n].wavelet.response(frequency), frequency)
        assert columns["scale_bandwidth_cpo"][row] == pytest.approx(8 * measured, rel=0.01)


def test_spins_are_the_directions_of_order_two(joint):
    meta, columns = joint
    second = columns["order"] == 2
    np.testing.assert_array_equal(columns["spin"][second], np.sign(meta["xi_fr"][second]))
    assert np.isnan(columns["spin"][~second]).all()


def test_a_joint_axis_of_carriers_has_no_one_carrier():
    columns = physical_meta(TimeFrequencyScattering(6, 2, Q=4, format="joint").meta(), SR, 4)
    assert np.isnan(columns["carrier_hz"]).all()
    np.testing.assert_array_equal(np.isfinite(columns["modulation_hz"]), columns["order"] == 2)
    assert set(columns["spin"][columns["order"] == 2]) == {-1, 0, 1}


def test_both_formats_have_the_same_scales_and_modulations():
    in_time, joint = (
        physical_meta(TimeFrequencyScattering(6, 2, Q=4, format=format).meta(), SR, 4)
        for format in ("time", "joint")
    )
    rows = {key[-2:]: i for i, key in enumerate(in_time["key"]) if len(key) == 3}
    for i, key in enumerate(joint["key"]):
        if len(key) == 2:
            for name in ("modulation_hz", "scale_cpo", "spin"):
                assert joint[name][i] == in_time[name][rows[key]]


@pytest.mark.parametrize("filters_per_octave", [None, 0])
def test_joint_scales_need_the_filters_of_an_octave(joint, filters_per_octave):
    with pytest.raises(ValueError, match="joint scattering needs filters_per_octave, the Q"):
        physical_meta(joint[0], SR, filters_per_octave)


@pytest.mark.parametrize("sr", [0, -1, float("nan"), float("inf")])
def test_a_sampling_rate_is_positive(in_time, sr):
    with pytest.raises(ValueError, match="sr must be positive and finite, got"):
        physical_meta(in_time[0], sr)


def test_describing_leaves_meta_as_it_is(in_time):
    meta, columns = in_time
    columns["order"][:] = -1
    try:
        assert meta["order"].min() == 0
    finally:
        columns["order"][:] = meta["order"]


# Tables.


def test_a_table_has_a_row_per_path(joint):
    pytest.importorskip("pandas")
    _, columns = joint
    table = to_frame(columns)
    assert list(table.columns) == list(columns)
    assert table.loc[5, "key"] == columns["key"][5]
    falling = table[(table.spin == -1) & (table.carrier_hz > 440)]
    assert len(falling) == np.sum((columns["spin"] == -1) & (columns["carrier_hz"] > 440))


@pytest.mark.parametrize("format", ["time", "joint"])
def test_layers_become_numbered_columns(format):
    pytest.importorskip("pandas")
    meta = TimeFrequencyScattering(6, 2, Q=4, format=format).meta()
    table = to_frame(meta)
    assert len(table) == len(meta["key"])
    np.testing.assert_array_equal(table.xi2, meta["xi"][:, 1])
    assert list(table.n1[1:]) == list(meta["n"][1:, 0])


def test_without_pandas_the_error_says_how_to_get_it(joint, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas: pip install pandas"):
        to_frame(joint[1])


# On the transforms themselves.


@pytest.mark.parametrize(
    "transform",
    [
        Scattering1D(J=6, Q=4),
        TimeFrequencyScattering(J=6, J_fr=2, Q=4),
        TimeFrequencyScattering(J=6, J_fr=2, Q=4, format="joint"),
    ],
)
def test_a_transform_describes_its_paths_in_hertz_too(transform):
    plain, physical = transform.meta(), transform.meta(sr=SR)
    assert plain.keys() < physical.keys()
    assert physical["key"] == plain["key"]
    assert len(physical["modulation_hz"]) == transform.output_size()
    if "spin" in physical:
        assert np.isnan(physical["spin"][physical["order"] == 1]).all()
    pytest.importorskip("pandas")
    assert len(transform.to_frame(sr=SR)) == transform.output_size()
