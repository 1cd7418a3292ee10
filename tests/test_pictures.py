"""Data of the scattering figures, with known answers."""

import itertools
from functools import partial

import numpy as np
import pytest
from matplotlib.figure import Figure

from scatseg import figures, pictures, plotting
from scatseg.scattering import Scattering1D

SR = 8192


@pytest.fixture
def ax():
    return Figure(figsize=(6, 3)).add_subplot()


def tone(hertz, seconds=2.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * SR)) / SR)


def tremolo(carrier, rate, seconds=4.0):
    t = np.arange(round(seconds * SR)) / SR
    return (1 + 0.8 * np.cos(2 * np.pi * rate * t)) * tone(carrier, seconds)


def chirp(octaves_per_second=4.0, center=1024.0, width=0.1, seconds=1.0):
    """A sweep through `center` with a Gaussian envelope of given duration."""
    t = np.arange(round(seconds * SR)) / SR - seconds / 2
    phase = center * (2 ** (octaves_per_second * t) - 1) / (octaves_per_second * np.log(2))
    return np.exp(-(t**2) / (2 * width**2)) * np.sin(2 * np.pi * phase)


# ---- wavelets -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wavelet():
    return pictures.morlet(440, 8)


def test_modulus_of_a_wavelet_is_the_gaussian_that_is_stated(wavelet):
    modulus = np.abs(wavelet.values) / np.abs(wavelet.values).max()
    gaussian = np.exp(-(wavelet.times**2) / (2 * wavelet.duration**2))
    np.testing.assert_allclose(modulus, gaussian, atol=1e-6)


@pytest.mark.parametrize("Q", [1, 2, 8, 16])
def test_a_wavelet_has_zero_mean(Q):
    values = pictures.morlet(440, Q).values
    assert abs(values.mean()) < 1e-6 * np.abs(values).max()


@pytest.mark.parametrize("Q", [1, 2, 8, 16])
def test_a_wavelet_has_its_energy_at_positive_frequencies(Q):
    wavelet = pictures.morlet(440, Q)
    energy = wavelet.response**2
    assert energy[wavelet.frequencies > 0].sum() > 0.99 * energy.sum()


def test_a_wavelet_passes_one_bump_at_its_center_and_nothing_at_zero(wavelet):
    assert wavelet.frequencies[wavelet.response.argmax()] == pytest.approx(440, rel=0.005)
    rises = np.diff(wavelet.response) > 1e-9
    assert np.flatnonzero(np.diff(rises.astype(int)) == -1).size == 1
    assert abs(wavelet.response[wavelet.frequencies == 0]) < 1e-9


def test_bandwidth_is_between_the_points_of_half_power(wavelet):
    half = np.interp(
        [wavelet.xi - wavelet.bandwidth / 2, wavelet.xi + wavelet.bandwidth / 2],
        wavelet.frequencies,
        wavelet.response**2,
    )
    np.testing.assert_allclose(half, 0.5, atol=0.01)


def test_quality_factor_is_that_of_the_whole_bank():
    curves = pictures.bank_curves(8, (8, 1), sr=SR)
    wide = curves.wavelets[0] ** 2 >= 0.5
    octaves = np.log2(curves.frequencies)
    geometric = curves.centers[0] > 2 * curves.centers[0][-9]
    widths = wide[geometric].sum(axis=1) * (octaves[1] - octaves[0])
    quality = pictures.morlet(440, 8).quality
    np.testing.assert_allclose(1 / (2 * np.sinh(widths * np.log(2) / 2)), quality, rtol=0.1)


@pytest.mark.parametrize("xi", [0, -1, SR / 2])
def test_a_wavelet_outside_the_band_is_refused(xi):
    with pytest.raises(ValueError, match="xi must lie between 0 and half the sampling rate"):
        pictures.morlet(xi, 8, sr=SR)


def test_wavelet_is_drawn_as_it_is(wavelet, ax):
    plotting.plot_wavelet(wavelet, ax=ax)
    real, imaginary, modulus = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(np.hypot(real, imaginary), modulus, atol=1e-12)
    assert modulus.max() == pytest.approx(1)
    assert ax.get_ylabel() == "amplitude (peak 1)"


def test_response_is_drawn_in_hertz(wavelet, ax):
    plotting.plot_response(wavelet, ax=ax)
    hertz, H = ax.lines[0].get_data()
    assert hertz[H.argmax()] == pytest.approx(440, rel=0.005)
    assert ax.get_xscale() == "log"


# ---- filter banks -------------------------------------------------------------------------


@pytest.mark.parametrize(("Q", "layer"), [((8, 1), 0), ((12, 2), 0), ((12, 2), 1)])
def test_a_bank_has_q_wavelets_an_octave_from_near_the_top_down(Q, layer):
    centers = pictures.bank_curves(10, Q, sr=SR).centers[layer]
    steps = np.diff(np.log2(centers))
    assert 0.69 < centers[0] / (SR / 2) < 1
    np.testing.assert_allclose(steps[: -2 * Q[layer]], -1 / Q[layer])


def test_the_lowest_wavelets_are_evenly_spaced():
    centers = pictures.bank_curves(8, (8, 1), sr=SR).centers[0]
    np.testing.assert_allclose(np.diff(centers[-8:]), -centers[-1])


@pytest.mark.parametrize(("Q", "least"), [(1, 0.15), (8, 0.19), (12, 0.23), (16, 0.23)])
def test_littlewood_paley_sum_keeps_its_bounds(Q, least):
    curves = pictures.bank_curves(8, (Q, 1), sr=SR)
    low, high = curves.bounds[0]
    assert low == pytest.approx(least, abs=0.01)
    assert high <= 1.0005
    assert curves.sums[0].max() <= high
    assert curves.sums[0][curves.frequencies < curves.centers[0][0]].min() >= low


def test_bank_is_drawn_with_its_sum_and_bounds(ax):
    curves = pictures.bank_curves(6, (4, 1), sr=SR)
    plotting.plot_bank(curves, ax=ax)
    *_, low_pass, total = ax.lines
    np.testing.assert_array_equal(low_pass.get_ydata(), curves.low_pass)
    np.testing.assert_array_equal(total.get_ydata(), curves.sums[0])
    bounds = [path.vertices for path in ax.collections[0].get_paths()]
    assert tuple(line[0, 1] for line in bounds) == curves.bounds[0]
    # The bounds hold only up to there: the sum is 0 at half the sampling rate.
    assert {line[-1, 0] for line in bounds} == {curves.centers[0][0]}


def test_larger_q_is_narrower():
    widths = [
        (pictures.bank_curves(8, (Q, 1), sr=SR).wavelets[0][0] > 0.5).sum() for Q in (1, 4, 16)
    ]
    assert widths == sorted(widths, reverse=True)


def test_larger_j_goes_lower_and_leaves_the_top_alone():
    small, large = (pictures.bank_curves(J, (8, 1), sr=SR).centers[0] for J in (6, 8))
    assert large[-1] == pytest.approx(small[-1] / 4)
    np.testing.assert_allclose(large[:10], small[:10])


def test_t_changes_the_low_pass_only():
    short, long = (pictures.bank_curves(8, (8, 1), T=T, sr=SR) for T in (64, 1024))
    np.testing.assert_array_equal(short.wavelets[0], long.wavelets[0])
    assert short.low_pass.sum() > long.low_pass.sum()


@pytest.mark.parametrize("Q", [(1, 1), (8, 1), (12, 2)])
def test_counts_of_paths_are_those_of_the_transform(Q):
    assert pictures.bank_curves(8, Q, sr=SR).n_paths == Scattering1D(J=8, Q=Q).output_size()


# ---- joint wavelets -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiles():
    return pictures.joint_tiles(2, 1, J=11, sr=SR, rates=(8, 16), n_points=101)


def test_spins_are_mirror_images_in_frequency(tiles):
    rising, falling = tiles.values[:, :, 0], tiles.values[:, :, 1]
    np.testing.assert_allclose(rising, falling[:, :, ::-1], atol=1e-9)


def test_stripes_climb_by_rate_over_scale(tiles):
    pairs = itertools.product(range(len(tiles.rates)), range(len(tiles.scales)), (0, 1))
    for rate, scale, spin in pairs:
        spectrum = np.abs(np.fft.fft2(tiles.values[rate, scale, spin], s=(1024, 1024)))
        per_octave = np.fft.fftfreq(1024, tiles.octaves[1] - tiles.octaves[0])
        per_second = np.fft.fftfreq(1024, tiles.times[1] - tiles.times[0])
        row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
        # cos(2 pi (f t + g o)) is constant where o = -f/g t.
        slope = -per_second[column] / per_octave[row]
        expected = tiles.rates[rate] / tiles.scales[scale] * (1 if spin == 0 else -1)
        assert slope == pytest.approx(expected, rel=0.05)


def test_a_narrow_wavelet_occurs_once_beside_a_wide_one():
    many = pictures.joint_tiles(4, 2, J=11, sr=SR, rates=(8, 200))
    narrowest = np.abs(many.values[-1, -1]).max(axis=0)
    assert narrowest.max() == 1
    assert narrowest[np.abs(many.octaves) > 2].max() < 1e-3
    assert narrowest[:, np.abs(many.times) > 0.02].max() < 1e-3


def test_the_finest_scale_and_the_fastest_rate_are_sampled_beside_the_widest_and_slowest():
    many = pictures.joint_tiles(5, 2, J=12, Q=(12, 2), sr=44100, rates=(4, 100))
    assert np.diff(many.octaves).max() * many.scales.max() < 0.13
    assert np.diff(many.times).max() * many.rates.max() < 0.13
    assert many.octaves.max() == -many.octaves.min() == 5
    peak = np.unravel_index(many.values[0, -1, 0].argmax(), many.values.shape[3:])
    assert np.abs(many.octaves[peak[0]]) < 0.05


def test_rates_that_one_time_axis_cannot_show_are_refused():
    with pytest.raises(ValueError, match=r"at 1\.88 and 3860 Hz cannot be seen over one time axis"):
        pictures.joint_tiles(3, 1, rates=(2, 5000))


@pytest.mark.parametrize("sr", [0, -1, np.nan])
def test_wavelets_have_a_positive_sampling_rate(sr):
    for draw in (partial(pictures.joint_tiles, 3, 1), partial(pictures.morlet, 440, 8)):
        with pytest.raises(ValueError, match="sr must be positive and finite"):
            draw(sr=sr)


def test_joint_wavelets_wider_than_the_bank_are_refused_as_by_the_transform():
    with pytest.raises(ValueError, match=r"2\*\*J_fr may be at most \(J \+ 1\) \* Q = 14"):
        pictures.joint_tiles(8, 1, J=13, Q=(1, 1))


def test_titles_of_many_tiles_do_not_overlap(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure))
    figures.draw_wavelet2d(tmp_path / "x.png", J_fr=6, Q_fr=4)
    made[0].draw_without_rendering()
    titles = [ax.title.get_window_extent() for ax in made[0].axes if ax.get_title()]
    assert len(titles) == 22
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(titles))


@pytest.mark.parametrize("options", [{}, {"J_fr": 5, "Q_fr": 2, "Q": (12, 2)}])
def test_stripes_of_the_finest_scale_are_several_pixels_apart(options, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure))
    figures.draw_wavelet2d(tmp_path / "x.png", **options)
    made[0].set_dpi(150)
    made[0].draw_without_rendering()
    with np.load(tmp_path / "x.npz") as data:
        n_cycles = np.ptp(data["octaves"]) * data["scales"].max()
    panels = [ax for ax in made[0].axes if ax.images]
    assert min(ax.get_window_extent().height for ax in panels) / n_cycles > 4


@pytest.mark.parametrize(
    "options", [{}, {"J_fr": 4, "Q_fr": 2}, {"J_fr": 4, "Q_fr": 4}, {"J_fr": 5, "Q_fr": 2}]
)
def test_times_of_tiles_side_by_side_do_not_overlap(options, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure))
    figures.draw_wavelet2d(tmp_path / "x.png", **options)
    made[0].draw_without_rendering()
    tiles = [ax for ax in made[0].axes if ax.images]
    ticks = [
        tick
        for ax in tiles
        for tick in ax.xaxis.get_major_ticks()
        if tick.label1.get_visible() and ax.get_xlim()[0] <= tick.get_loc() <= ax.get_xlim()[1]
    ]
    boxes = sorted((tick.label1.get_window_extent() for tick in ticks), key=lambda box: box.x0)
    columns = {round(ax.get_position().x0, 6) for ax in tiles}
    assert sum(tick.get_loc() > 0 for tick in ticks) >= len(columns)
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_tiles_share_a_key_of_their_colors(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure))
    figures.draw_wavelet2d(tmp_path / "x.png", J_fr=2, J=10, rates=(20,))
    *tiles, bar = made[0].axes
    assert bar.get_ylabel() == "real part (peak 1)"
    assert {ax.images[0].get_clim() for ax in tiles} == {bar.get_ylim()} == {(-1, 1)}


def test_tiles_are_drawn_upwards(tiles, ax):
    plotting.plot_joint_tile(tiles, ax=ax, rate=1, scale=0, spin=-1)
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), tiles.values[1, 0, 1])
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


# ---- scalogram and first order ------------------------------------------------------------


def loudest_of(picture):
    return picture.frequencies[picture.values.argmax(axis=0)]


@pytest.mark.parametrize("hertz", [110, 440, 1760])
def test_a_tone_is_one_ridge_at_its_frequency(hertz):
    picture = pictures.scalogram(tone(hertz), SR, J=9, Q=12)
    middle = loudest_of(picture)[len(picture.times) // 4 : -len(picture.times) // 4]
    np.testing.assert_allclose(np.log2(middle / hertz), 0, atol=1 / 24 + 1e-9)


def test_a_click_is_a_cone_that_widens_downwards():
    y = np.zeros(SR)
    y[SR // 2] = 1
    picture = pictures.scalogram(y, SR, J=8, Q=8)
    heard = picture.frequencies > 100
    # The ridge is at the click, as wide as the wavelet of each band.
    np.testing.assert_allclose(picture.times[picture.values[heard].argmax(axis=1)], 0.5, atol=1e-2)
    half = picture.values > picture.values.max(axis=1, keepdims=True) / 2
    widths = half[heard].sum(axis=1)
    assert (np.diff(widths) <= 0).all()
    assert widths[0] > 10 * widths[-1]


@pytest.mark.parametrize("slope", [2.0, 4.0, -4.0])
def test_an_exponential_chirp_is_a_straight_line_of_its_slope(slope):
    picture = pictures.scalogram(chirp(slope), SR, J=8, Q=12)
    near = np.abs(picture.times - 0.5) < 0.15
    ridge = np.log2(loudest_of(picture))[near]
    fitted, _ = np.polyfit(picture.times[near], ridge, 1)
    assert fitted == pytest.approx(slope, rel=0.05)
    assert (
        np.abs(
            ridge - np.polyval(np.polyfit(picture.times[near], ridge, 1), picture.times[near])
        ).max()
        < 1 / 12
    )


def depth(picture, hertz):
    """Measure the modulation depth of the ridge nearest to a frequency, mid-signal."""
    ridge = picture.values[np.abs(np.log2(picture.frequencies / hertz)).argmin()]
    middle = ridge[len(ridge) // 4 : -len(ridge) // 4]
    return (middle.max() - middle.min()) / (middle.max() + middle.min())


def test_beads_of_a_tremolo_are_gone_once_t_spans_four_periods():
    y = tremolo(1000, 8)
    assert depth(pictures.scalogram(y, SR, J=9, Q=8), 1000) > 0.7
    assert depth(pictures.first_order(y, SR, J=9, Q=8, T=4096), 1000) < 0.05


def test_scalogram_of_a_long_signal_has_no_more_columns_than_can_be_seen():
    assert 1000 < pictures.scalogram(np.ones(10**6), SR, J=6, Q=1).values.shape[1] <= 2000


def test_more_frames_than_can_be_seen_are_drawn_as_their_means(ax):
    values = np.tile(np.array([[1.0, 3.0]]), (2, 5000))
    picture = pictures.TimeFrequency(
        values=values, frequencies=np.array([100.0, 200]), times=np.arange(10000) / 10, end=1000
    )
    mesh = plotting.plot_time_frequency(picture, ax=ax, color="ratio")
    assert mesh.get_array().shape == (2, 3334)
    np.testing.assert_allclose(mesh.get_array().mean(), 2, atol=1e-3)
    times = mesh.get_coordinates()[0, :, 0]
    assert (times[0], times[-1]) == (0, 1000)
    assert times[1] == pytest.approx(0.25)


def test_first_order_is_that_of_the_transform():
    y = tone(300)
    transform = Scattering1D(J=8, Q=4, T=256, stride=64, max_order=1)
    picture = pictures.first_order(y, SR, J=8, Q=4, stride=64)
    np.testing.assert_allclose(picture.values, np.maximum(transform(y)[:0:-1], 0))
    np.testing.assert_allclose(picture.times, np.arange(len(y) // 64) * 64 / SR)


def test_picture_is_drawn_with_its_bands_at_their_frequencies(ax):
    picture = pictures.scalogram(tone(440), SR, J=9, Q=12)
    mesh = plotting.plot_time_frequency(picture, ax=ax)
    corners = mesh.get_coordinates()[:, 0, 1]
    row = mesh.get_array()[:, len(picture.times) // 2].argmax()
    assert corners[row] < 440 < corners[row + 1]
    assert mesh.get_array().max() == 0
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize("n_samples", [4096, 4097, 5000, 8191, 300])
def test_pictures_are_drawn_from_start_to_end_of_the_signal(n_samples, rng):
    y = rng.normal(size=n_samples)
    joint = pictures.joint(y, SR, J=7)
    for picture in (
        pictures.spectrogram(y, SR),
        pictures.constant_q(y, SR),
        pictures.first_order(y, SR, J=7, Q=1),
        pictures.second_order(y, SR, J=7).by_carrier(1000),
        joint.by_path(*joint.strongest),
    ):
        ax = Figure().add_subplot()
        mesh = plotting.plot_time_frequency(picture, ax=ax)
        times = mesh.get_coordinates()[0, :, 0]
        assert (times[0], times[-1]) == ax.get_xlim() == (0, n_samples / SR)
        assert (np.diff(times) > 0).all()
        assert (picture.times[1:] > times[1:-1]).all()


def test_color_is_stated(ax):
    plotting.plot_time_frequency(pictures.scalogram(tone(440), SR, J=8, Q=4), ax=ax)
    assert "dB re largest" in [each.get_ylabel() for each in ax.figure.axes]


# ---- beside other transforms --------------------------------------------------------------


def test_panels_are_aligned_to_one_hop():
    y = np.zeros(2 * SR)
    y[SR] = 1
    for picture in (
        pictures.spectrogram(y, SR),
        pictures.constant_q(y, SR),
        pictures.scalogram(y, SR, J=8, Q=8),
    ):
        heard = picture.frequencies > 500
        level = picture.values[heard].sum(axis=0)
        center = (level * picture.times).sum() / level.sum()
        assert center == pytest.approx(1, abs=picture.times[1] - picture.times[0])


@pytest.mark.parametrize("hertz", [220, 880])
def test_ridges_agree_to_half_a_band(hertz):
    y = tone(hertz)
    made = {
        "spectrogram": (pictures.spectrogram(y, SR), np.log2(1 + SR / 2048 / hertz)),
        "constant-Q": (pictures.constant_q(y, SR), 1 / 36),
        "scalogram": (pictures.scalogram(y, SR, J=9, Q=12), 1 / 12),
    }
    for picture, band in made.values():
        ridge = loudest_of(picture)[len(picture.times) // 2]
        assert abs(np.log2(ridge / hertz)) <= band / 2 + 1e-9


def test_a_constant_q_transform_has_the_bins_and_the_frames_that_are_asked_for():
    picture = pictures.constant_q(tone(440), SR, bins_per_octave=12, hop=1024)
    np.testing.assert_allclose(np.diff(np.log2(picture.frequencies)), 1 / 12)
    np.testing.assert_allclose(np.diff(picture.times), 1024 / SR)


def test_outline_keeps_the_extremes(rng):
    y = rng.normal(size=10_001)
    low, high = pictures.outline(y, 100)
    assert (low.min(), high.max(), len(low)) == (y.min(), y.max(), 100)


def test_outline_takes_samples_of_any_container(rng):
    pandas = pytest.importorskip("pandas")
    y = rng.normal(size=1000)
    column = pandas.Series(y, index=np.arange(5, 1005))
    np.testing.assert_array_equal(pictures.outline(column, 10), pictures.outline(y, 10))
    with pytest.raises(ValueError, match="y must be mono"):
        pictures.outline(y.reshape(2, 500), 10)
    with pytest.raises(ValueError, match="n_stretches must be an integer of at least 1"):
        pictures.outline(y, 0)


# ---- second order -------------------------------------------------------------------------


def test_the_map_of_a_tremolo_is_brightest_where_its_carrier_and_rate_meet():
    second = pictures.second_order(tremolo(880, 8), SR, J=13)
    picture = second.map()
    row, column = np.unravel_index(np.nanargmax(picture), picture.shape)
    assert second.carriers[row] == pytest.approx(880, rel=0.1)
    assert second.rates[column] == pytest.approx(8, rel=0.45)


@pytest.mark.parametrize("carrier", [400, 1500])
@pytest.mark.parametrize("rate", [2, 3, 6, 8, 12, 16, 24, 40, 64])
def test_the_largest_second_order_path_is_the_one_nearest_the_rate(carrier, rate):
    second = pictures.second_order(tremolo(carrier, rate), SR, J=13)
    picture = second.by_carrier(carrier)
    nearest = np.abs(np.log2(picture.frequencies / rate)).argmin()
    assert picture.values[:, len(picture.times) // 2].argmax() == nearest


def test_only_rates_below_the_carrier_have_paths():
    second = pictures.second_order(tremolo(1000, 8, 1.0), SR, J=10)
    there = ~np.isnan(second.map())
    carriers, rates = np.meshgrid(second.carriers, second.rates, indexing="ij")
    assert (rates < carriers)[there].all()
    # Triangular: the rates of a carrier also exist for all higher ones.
    assert (np.diff(there.astype(int), axis=0) >= 0).all()
    assert there.any()
    assert not there.all()


def test_relative_second_order_ignores_gain():
    y = tremolo(1000, 8, 1.0)
    quiet, loud = (pictures.second_order(gain * y, SR, J=10).map() for gain in (0.01, 1.0))
    np.testing.assert_allclose(quiet, loud, rtol=1e-3, atol=1e-5)


def test_map_at_a_time_shows_that_time():
    second = pictures.second_order(
        np.concatenate([tremolo(1000, 4, 2.0), tremolo(1000, 32, 2.0)]), SR, J=11
    )
    row = np.abs(np.log2(second.carriers / 1000)).argmin()
    found = [second.rates[np.nanargmax(second.map(time)[row])] for time in (1.0, 3.0)]
    assert 2.8 < found[0] < 5.7
    assert 22 < found[1] < 45


def test_the_busiest_carrier_is_the_modulated_one():
    y = tone(300, 4.0) + tremolo(1000, 8)
    busiest = pictures.second_order(y, SR, J=11).busiest
    assert abs(np.log2(busiest / 1000)) <= 1 / 16 + 1e-9


def test_a_carrier_without_modulations_is_refused():
    second = pictures.second_order(tremolo(1000, 8, 1.0), SR, J=10)
    with pytest.raises(ValueError, match="have no second-order path, got 1 Hz"):
        second.by_carrier(1)


def test_silence_is_drawn_as_silence(ax):
    silence = np.zeros(SR // 4)
    second = pictures.second_order(silence, SR, J=10)
    assert not np.nanmax(second.by_carrier(second.busiest).values)
    assert pictures.joint(silence, SR, J=8).spin_energy() == (0, 0)
    plotting.plot_orders(pictures.orders(silence, SR, J=8), ax=ax)
    plotting.plot_time_frequency(pictures.scalogram(silence, SR, J=8, Q=4), ax=ax)


def test_map_is_drawn_with_its_gaps(ax):
    second = pictures.second_order(tremolo(1000, 8, 1.0), SR, J=10)
    mesh = plotting.plot_carriers_and_rates(second, ax=ax)
    shown = np.ma.getmaskarray(mesh.get_array())
    assert shown.any()
    assert not shown.all()
    assert "S2 / S1" in [each.get_ylabel() for each in ax.figure.axes]


# ---- signals of other kinds ----


PICTURES = {
    "scalogram": lambda y: pictures.scalogram(y, SR, J=6, Q=4).values,
    "first_order": lambda y: pictures.first_order(y, SR, J=6, Q=4).values,
    "spectrogram": lambda y: pictures.spectrogram(y, SR).values,
    "constant_q": lambda y: pictures.constant_q(y, SR).values,
    "second_order": lambda y: pictures.second_order(y, SR, J=8).level,
    "orders": lambda y: pictures.orders(y, SR, J=8).signal,
    "joint": lambda y: pictures.joint(y, SR, J=8).values,
    "invariance": lambda y: [*pictures.invariance(y, SR, T=[512], shifts=[0.1]).distances.values()],
    "stability": lambda y: [*pictures.stability(y, SR, factors=[0.1], J=8).distances.values()],
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_integers_are_those_of_equal_numbers(name):
    y = np.round(2**14 * tremolo(1000, 8, 0.5))
    found, expected = (PICTURES[name](y.astype(kind)) for kind in (np.int16, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_several_channels_are_refused(name):
    with pytest.raises(ValueError, match="y must be mono"):
        PICTURES[name](np.ones((2, SR)))


# ---- energy by order ----------------------------------------------------------------------


def test_orders_have_no_more_energy_than_the_signal(rng):
    for y in (rng.normal(size=SR), tremolo(1000, 8), chirp()):
        spread = pictures.orders(y, SR, J=9)
        assert spread.energies.sum() <= spread.signal.sum()


def share_of_order_2(y, J):
    spread = pictures.orders(y, SR, J=J)
    return spread.energies[2].sum() / spread.signal.sum()


def test_second_order_grows_with_t(rng):
    y = rng.normal(size=4 * SR)
    shares = [share_of_order_2(y, J) for J in (5, 7, 9, 11)]
    assert shares == sorted(shares)


def test_a_tremolo_is_of_second_order_once_t_spans_it():
    y = tremolo(500, 8)
    assert share_of_order_2(y, 11) > 10 * share_of_order_2(y, 7)


def test_mean_of_the_power_is_that_of_the_signal(rng):
    y = rng.normal(size=4 * SR)
    spread = pictures.orders(y, SR, J=8)
    assert spread.signal.mean() == pytest.approx(np.square(y).mean(), rel=0.02)


def test_every_order_has_its_line(ax):
    plotting.plot_orders(pictures.orders(tremolo(1000, 8, 1.0), SR, J=8), ax=ax)
    assert [line.get_label() for line in ax.lines] == ["signal", "order 0", "order 1", "order 2"]


# ---- joint scattering ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def rising():
    return pictures.joint(chirp(), SR, J=9, J_fr=4, T=512)


@pytest.fixture(scope="module")
def falling():
    return pictures.joint(chirp()[::-1], SR, J=9, J_fr=4, T=512)


def test_a_rising_chirp_has_one_spin(rising):
    up, down = rising.spin_energy()
    assert up > 50 * down


def test_a_chirp_and_its_reversal_swap_spins(rising, falling):
    np.testing.assert_allclose(rising.spin_energy(), falling.spin_energy()[::-1], rtol=0.01)
    there, back = rising.rate_scale(), falling.rate_scale()[:, ::-1]
    np.testing.assert_allclose(there, back, atol=0.01 * there.max())


def test_a_steady_tremolo_has_equal_spins():
    up, down = pictures.joint(tremolo(1000, 8), SR, J=11).spin_energy()
    assert up == pytest.approx(down, rel=0.01)


def test_the_strongest_path_of_a_chirp_has_its_slope(rising):
    rate, scale = rising.strongest
    assert rate / scale == pytest.approx(4, rel=0.05)


def test_path_of_a_chirp_shows_where_it_is(rising):
    rate, scale = rising.strongest
    up, down = (rising.by_path(rate, spin * scale) for spin in (1, -1))
    row, column = np.unravel_index(up.values.argmax(), up.values.shape)
    assert abs(np.log2(up.frequencies[row] / 1024)) < 0.3
    assert up.times[column] == pytest.approx(0.5, abs=0.05)
    assert down.values.max() < 0.2 * up.values.max()


def test_scale_zero_can_be_shown(rising):
    assert rising.by_path(8, 0).values.shape[1] == len(rising.times)


def test_rates_and_scales_are_drawn_falling_left_and_rising_right(rising, ax):
    mesh = plotting.plot_rates_and_scales(rising, ax=ax)
    column = np.unravel_index(mesh.get_array().argmax(), mesh.get_array().shape)[1]
    assert rising.scales[column] > 0
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == labels[::-1]


# ---- invariance and stability -------------------------------------------------------------


@pytest.fixture(scope="module")
def notes():
    """Twelve decaying notes with many partials at irregular times."""
    rng = np.random.default_rng(seed=440)
    y = np.zeros(3 * SR)
    for start in np.sort(rng.uniform(0.1, 2.5, 12)):
        t = np.arange(SR // 2) / SR
        pitch = 110 * 2 ** rng.uniform(0, 2)
        note = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 6))
        at = round(start * SR)
        y[at : at + t.size] += np.exp(-t / 0.1) * note
    return y


def slopes(curves, name):
    return np.diff(np.log(curves.distances[name])) / np.diff(np.log(curves.sizes))


def test_distance_grows_linearly_with_a_delay_below_t(notes):
    curves = pictures.invariance(notes, SR, T=(512, 2048), J=8, shifts=np.geomspace(2e-3, 0.4, 8))
    for T, name in zip((512, 2048), curves.distances, strict=False):
        below = curves.sizes[1:] < T / SR / 2
        np.testing.assert_allclose(slopes(curves, name)[below], 1, atol=0.1)


def test_a_sound_that_is_cut_off_is_surrounded_by_silence_and_not_by_its_mirror():
    hum = np.cos(2 * np.pi * 64 * np.arange(SR) / SR)
    curves = pictures.invariance(hum, SR, T=(2048,), J=8, shifts=[0.001, 0.002, 0.004, 0.008])
    np.testing.assert_allclose(slopes(curves, next(iter(curves.distances))), 1, atol=0.1)


def test_longer_averages_are_more_invariant_and_all_more_than_a_spectrogram(notes):
    curves = pictures.invariance(notes, SR, T=(2048, 512), J=8, shifts=[0.005, 0.01])
    short, long, spectrogram = curves.distances.values()
    assert (long < short).all()
    assert (short < spectrogram).all()


def test_distance_grows_linearly_with_a_stretch_where_a_spectrogram_saturates(notes):
    curves = pictures.stability(notes, SR, J=9, Q=(8,), factors=np.geomspace(2e-3, 3e-2, 6))
    scattering, spectrogram = curves.distances
    assert slopes(curves, scattering).mean() == pytest.approx(1, abs=0.15)
    assert slopes(curves, spectrogram)[-1] < 0.7 * slopes(curves, scattering)[-1]
    assert (curves.distances[scattering] < curves.distances[spectrogram]).all()


def test_a_distance_does_not_depend_on_where_the_end_lies_between_frames():
    # The number of frames changes at 32,768 samples, a stretch of .3 %.
    t = np.arange(32670) / SR
    y = np.sin(2 * np.pi * 100 * (30 ** (t / t[-1]) - 1) * t[-1] / np.log(30))
    curves = pictures.stability(y, SR, J=9, Q=(4,), factors=np.geomspace(1e-3, 1e-2, 10))
    for name in curves.distances:
        np.testing.assert_allclose(slopes(curves, name), 0.95, atol=0.25)


def test_a_stretched_tone_is_longer_and_lower():
    stretched = pictures.robustness.stretch(tone(425), 1 / 16)
    np.testing.assert_allclose(stretched, tone(400, 2 * 17 / 16), atol=1e-9)


@pytest.mark.parametrize(
    ("y", "part", "message"),
    [
        (np.ones((1, 100)), 0.1, "y must be mono"),
        (np.ones(100), np.nan, "part must be finite and leave at least 1 of 100 samples, got nan"),
        (np.ones(100), -1, "at least 1 of 100 samples, got -1"),
    ],
)
def test_what_cannot_be_stretched_is_named(y, part, message):
    with pytest.raises(ValueError, match=message):
        pictures.robustness.stretch(y, part)


def test_silence_has_no_distance_to_draw():
    with pytest.raises(ValueError, match="choose an excerpt with sound"):
        pictures.invariance(np.zeros(SR), SR)


def test_sizes_of_changes_ascend_and_are_positive(notes):
    curves = pictures.stability(notes[:SR], SR, J=7, Q=(1,), factors=[0.02, 0.01])
    ascending = pictures.stability(notes[:SR], SR, J=7, Q=(1,), factors=[0.01, 0.02])
    np.testing.assert_array_equal(curves.sizes, [0.01, 0.02])
    for name, distances in ascending.distances.items():
        np.testing.assert_array_equal(curves.distances[name], distances)
    for sizes in ([], [0.1, -2], [np.nan], [0]):
        with pytest.raises(ValueError, match="shifts must be positive numbers, got"):
            pictures.invariance(notes, SR, shifts=sizes)
        with pytest.raises(ValueError, match="factors must be positive numbers, got"):
            pictures.stability(notes, SR, factors=sizes)


def test_one_curve_needs_no_list(notes):
    y, change = notes[:SR], {"shifts": [0.01], "J": 7}
    assert [*pictures.invariance(y, SR, T=256, **change).distances] == [
        *pictures.invariance(y, SR, T=(256,), **change).distances
    ]
    assert "scattering, Q = 2" in pictures.stability(y, SR, J=7, Q=2, factors=[0.01]).distances


@pytest.mark.parametrize("scales", [(), 64.5, [64, "a"], [0]])
def test_scales_are_positive_integers(scales, notes):
    with pytest.raises(ValueError, match="T must be an integer"):
        pictures.invariance(notes, SR, T=scales)
    with pytest.raises(ValueError, match="Q must be an integer"):
        pictures.stability(notes, SR, Q=scales)


def test_distances_are_drawn_for_every_transform(notes, ax):
    curves = pictures.stability(notes[:SR], SR, J=7, Q=(1, 2), factors=[0.01, 0.02])
    plotting.plot_distances(curves, ax=ax, xlabel="part")
    assert [line.get_label() for line in ax.lines] == list(curves.distances)


# ---- options ----------------------------------------------------------------------------


def test_one_number_of_wavelets_means_one_per_octave_in_the_second_layer(notes):
    for short, long in (
        (pictures.bank_curves(6, 4, sr=SR), pictures.bank_curves(6, (4, 1), sr=SR)),
        (pictures.joint(notes, SR, J=7, Q=4), pictures.joint(notes, SR, J=7, Q=(4, 1))),
        (pictures.joint_tiles(2, 1, Q=4), pictures.joint_tiles(2, 1, Q=(4, 1))),
    ):
        for one, two in zip(vars(short).values(), vars(long).values(), strict=True):
            np.testing.assert_equal(one, two)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: pictures.morlet(440, 0), "Q must be an integer of at least 1, got 0"),
        (lambda: pictures.spectrogram(tone(9), SR, n_fft=0), "n_fft must be an integer of at lea"),
        (lambda: pictures.spectrogram(tone(9), SR, hop=0), "hop must be an integer of at least 1"),
        (lambda: pictures.bank_curves(6, 4, sr=0), "sr must be positive and finite, got 0"),
        (lambda: pictures.bank_curves(6, 4, sr=SR, lowest=0), "lowest must be positive"),
    ],
)
def test_options_out_of_range_are_named(compute, message):
    with pytest.raises(ValueError, match=message):
        compute()


# ---- rates ------------------------------------------------------------------------------


def test_rates_are_drawn_beside_the_true_one(ax):
    plotting.plot_rates(np.array([4.0, 8, 16]), np.array([1.0, 4, 2]), ax=ax, true=7.5)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.25, 1, 0.5])
    assert ax.lines[1].get_xdata()[0] == 7.5


@pytest.mark.parametrize("rates", [(), (4.0, 0.0), (-3.0,), (float("nan"),)])
def test_rates_that_are_not_positive_are_refused(rates):
    with pytest.raises(ValueError, match="rates must be positive, in Hz, got"):
        pictures.joint_tiles(2, 1, J=11, sr=SR, rates=rates, n_points=101)
