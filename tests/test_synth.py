"""Synthesizers: sounds whose frequencies, amplitudes and rates are those that were asked for."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import hilbert
from tests.commands import scatseg

from scatseg import audio, cli, synth
from scatseg.scattering import Scattering1D
from scatseg.synth import AdditiveTone, AMChirp, Parameter, Ripple, signals

NAMES = list(synth.SYNTHS)
TECHNIQUES = ("vibrato", "trill", "tremolo", "flatterzunge", "bisbigliando")


# ---------------------------------------------------------------- parameters


@given(st.floats(0.01, 100), st.floats(1.1, 50), st.integers(2, 30))
def test_logarithmic_values_are_evenly_spaced_in_octaves(low, ratio, n):
    values = Parameter("f", "Hz", low, low * ratio).spaced(n)
    np.testing.assert_allclose(values[1:] / values[:-1], ratio ** (1 / (n - 1)))
    np.testing.assert_allclose(values[[0, -1]], [low, low * ratio])


@given(st.sampled_from(["log", "linear"]), st.floats(2, 9))
def test_decoding_undoes_encoding(scale, value):
    parameter = Parameter("p", "", 1.5, 10.0, scale)
    np.testing.assert_allclose(parameter.decode(parameter.encode(np.array(value))), value)


def test_linear_places_are_fractions_of_the_range():
    parameter = Parameter("r", "", -0.5, 1.5, "linear")
    np.testing.assert_allclose(parameter.encode(np.array([-0.5, 0.0, 1.5])), [0, 0.25, 1])


def test_a_grid_has_a_size_of_any_type_of_integer():
    parameters = AMChirp().parameters
    np.testing.assert_array_equal(synth.grid(parameters, np.int64(2)), synth.grid(parameters, 2))


def test_a_grid_has_a_size_for_each_parameter():
    with pytest.raises(ValueError, match="a grid of 3 parameters needs as many sizes, got 2"):
        synth.grid(AMChirp().parameters, [4, 2])


def test_a_grid_over_both_signs_is_symmetric():
    theta = synth.grid(AMChirp().parameters, (1, 1, 6), signed=True)
    np.testing.assert_allclose(theta[:, 2], -theta[::-1, 2])
    np.testing.assert_allclose(theta[3:, 2], [0.5, 2**0.5, 4.0])


@pytest.mark.parametrize(
    ("low", "high", "scale", "message"),
    [
        (2.0, 1.0, "log", "low to a high"),
        (0.0, 1.0, "log", "must be positive"),
        (0.0, np.inf, "linear", "low to a high"),
        (1.0, 2.0, "cubic", "must be"),
    ],
)
def test_impossible_ranges_are_refused(low, high, scale, message):
    with pytest.raises(ValueError, match=message):
        Parameter("p", "", low, high, scale)


def test_ranges_beyond_half_the_sampling_rate_are_refused():
    with pytest.raises(ValueError, match="f_c must be at most 4096 Hz, half the sampling rate"):
        synth.ranged(AMChirp(), {"f_c": (512, 5000)})


def test_half_the_sampling_rate_is_played():
    assert synth.theta_of(AMChirp(), {"f_c": 4096.0})[0] == 4096


def test_unknown_parameters_are_named_with_those_there_are():
    with pytest.raises(ValueError, match="unknown parameter 'fm': choose from f_c, f_m, gamma"):
        synth.theta_of(AMChirp(), {"fm": 4})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"f_m": -4.0}, "f_m must be positive"),
        ({"f_c": 5000.0}, "f_c must be at most 4096 Hz, half"),
        ({"gamma": np.nan}, "gamma must be finite"),
    ],
)
def test_values_that_cannot_be_played_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        synth.theta_of(AMChirp(), values)


@pytest.mark.parametrize("sr", ["22050.0", "22050"])
def test_a_rate_may_be_written_with_decimals(sr):
    play = synth.synthesizer(f"vibrato:sr={sr},duration=0.1")
    assert isinstance(play.sr, int)
    assert play(np.array([6.0, 0.5, 440.0])).shape == (2205,)


def test_signs_need_a_parameter_that_has_them():
    with pytest.raises(ValueError, match="no parameter of this synth may be negative"):
        synth.grid(AdditiveTone().parameters, 4, signed=True)


def test_signs_need_an_even_number_of_values():
    with pytest.raises(
        ValueError, match="both signs of gamma need an even number of values, got 3"
    ):
        synth.grid(AMChirp().parameters, 3, signed=True)


# ---------------------------------------------------------------- every synthesizer


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_played_as_their_members_are(name):
    play = replace(synth.synthesizer(name), duration=0.5)
    theta = synth.grid(play.parameters, 2).reshape(2, 4, 3)
    together = play(theta)
    assert together.shape == (2, 4, round(0.5 * play.sr))
    np.testing.assert_allclose(together[1, 2], play(theta[1, 2]), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_equal_energy_is_equal_over_the_grid(name):
    play = synth.synthesizer(f"{name}:gain=energy")
    energy = (play(synth.grid(play.parameters, 2)) ** 2).sum(axis=-1)
    np.testing.assert_allclose(energy, energy[0])
    if name != "am-chirp":  # whose energy is that of a gain of sqrt(|gamma|)
        np.testing.assert_allclose(energy, 0.1**2 * round(play.duration * play.sr))


def test_quiet_sounds_get_the_energy_and_silence_stays_silent():
    x = np.array([[1e-3, 0.0], [0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(signals.scaled(np, x, 4.0), [[2, 0], [0, 0], [1.2, 1.6]])


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_delays_by_whole_samples(name):
    play = replace(synth.synthesizer(name), duration=0.5)
    theta = synth.theta_of(play, {})
    late, early = replace(play, shift=100)(theta), replace(play, shift=-100)(theta)
    np.testing.assert_array_equal(late[100:], play(theta)[:-100])
    np.testing.assert_array_equal(early[:-100], play(theta)[100:])
    assert not late[:100].any()
    assert not early[-100:].any()


@pytest.mark.parametrize("shift", [1.5, "1", None, True])
def test_a_sound_is_delayed_by_whole_samples_only(shift):
    with pytest.raises(ValueError, match=f"shift must be a whole number of samples, got {shift!r}"):
        synth.delayed(np.ones(10), shift)


def test_a_shift_beyond_the_end_leaves_silence():
    assert not synth.delayed(np.ones(10), 12).any()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_numbers_of_parameters_are_told_by_name(name):
    play = synth.synthesizer(name)
    names = ", ".join(each.name for each in play.parameters)
    with pytest.raises(ValueError, match=f"3 values \\({names}\\)"):
        play(np.ones(2))


def test_parameters_of_other_names_are_refused():
    with pytest.raises(
        ValueError, match=r"AMChirp has the parameters f_c, f_m, gamma, got \('rate"
    ):
        AMChirp(parameters=synth.Vibrato().parameters)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_gains_are_refused(name):
    with pytest.raises(ValueError, match=r"gain must be one of .*energy.*, got 'loud'"):
        synth.synthesizer(f"{name}:gain=loud")


WRONG_OPTIONS = [
    ("am-chirp", "shift", 1.5, "shift must be a whole number of samples, got 1.5: round it"),
    ("additive", "shift", math.nan, "shift must be a whole number of samples, got nan"),
    ("am-chirp", "duration", math.nan, "duration must be positive and finite, got nan"),
    ("vibrato", "duration", -1.0, "duration must be positive and finite, got -1.0"),
    ("ripple", "duration", math.inf, "duration must be positive and finite, got inf"),
    ("ripple", "duration", "long", "duration must be a number, positive and finite, got 'long'"),
    ("am-chirp", "duration", 1e-6, "at least one sample, got 1e-06 s at 8192 Hz"),
    ("am-chirp", "sr", 44.1, "sr must be a positive whole number of Hz, got 44.1"),
    ("am-chirp", "bandwidth", 0, "bandwidth must be positive and finite, got 0"),
    ("trill", "n_partials", 2.5, "n_partials must be an integer of at least 1, got 2.5"),
    ("ripple", "lowest", 4096.0, "lowest must be below 2048 Hz, a quarter of sr, got 4096"),
    ("ripple", "depth", 2.0, r"depth must be in \[0, 1\], got 2.0"),
    ("ripple", "seed", -1, "seed must be an integer of at least 0, got -1"),
]


@pytest.mark.parametrize(("name", "option", "value", "message"), WRONG_OPTIONS)
def test_options_that_cannot_be_played_are_refused(name, option, value, message):
    with pytest.raises(ValueError, match=message):
        replace(synth.synthesizer(name), **{option: value})


def test_a_fade_rises_from_0_to_1_and_is_flat_at_both_ends():
    u = np.linspace(-0.5, 1.5, 2001)
    fade = signals.faded(np, u)
    np.testing.assert_allclose(fade[[0, 500, 1000, 1500, 2000]], [0, 0, 0.5, 1, 1])
    slope = np.gradient(fade, u)
    assert slope.min() > -1e-9
    np.testing.assert_allclose(slope[[500, 1500]], 0, atol=0.01)
    np.testing.assert_allclose(fade + fade[::-1], 1)


def test_unknown_synthesizers_are_refused():
    with pytest.raises(ValueError, match="unknown synth 'theremin': choose from am-chirp"):
        synth.synthesizer("theremin")


def test_a_synthesizer_of_ones_own_is_found_by_module_and_name(tmp_path, monkeypatch):
    (tmp_path / "my_synths.py").write_text(
        "import numpy as np\n"
        "from scatseg.synth import Parameter\n"
        "def tone(theta):\n"
        "    return np.sin(2 * np.pi * theta[..., :1] * np.arange(100) / 1000)\n"
        "tone.sr, tone.parameters = 1000, (Parameter('f', 'Hz', 50.0, 200.0),)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    tone = synth.synthesizer("my_synths:tone")
    assert tone(synth.grid(tone.parameters, 3)).shape == (3, 100)


def test_a_callable_that_declares_nothing_is_refused():
    with pytest.raises(ValueError, match="must have `sr`, in Hz, and `parameters`"):
        synth.synthesizer("math:sin")


# ---------------------------------------------------------------- known answers


@pytest.mark.parametrize("gamma", [-2.0, 0.0, 0.5, 2.0])
def test_chirp_frequency_is_that_of_the_formula(gamma):
    play = AMChirp(gain="unit")
    x = play(np.array([600.0, 1.0, gamma]))
    t = np.arange(x.size) / play.sr - 2
    phase = np.unwrap(np.angle(hilbert(x)))
    # Between zeros of the amplitude's sine, at 0 and 0.5 s, where the phase would jump.
    here = (t > 0.05) & (t < 0.2)
    frequency = np.gradient(phase[here], 1 / play.sr) / (2 * np.pi)
    np.testing.assert_allclose(frequency, 600 * 2 ** (gamma * t[here]), rtol=0.01)


@pytest.mark.parametrize("gamma", [-1.0, 0.5, 4.0])
def test_chirp_lasts_as_long_as_its_bandwidth_takes(gamma):
    play = AMChirp(gain="unit", bandwidth=2.0)
    energy = play(np.array([700.0, 64.0, gamma])) ** 2
    t = np.arange(energy.size) / play.sr - 2
    deviation = np.sqrt((t**2 * energy).sum() / energy.sum())
    # Squared, the Gaussian of 0.1 bandwidth / |gamma| seconds is narrower by the root of 2.
    np.testing.assert_allclose(deviation, 0.2 / abs(gamma) / 2**0.5, rtol=0.01)


def test_chirp_gains_are_those_of_the_text():
    theta = np.array([[600.0, 32.0, 0.7], [600.0, 32.0, 2.8]])
    unit = AMChirp(gain="unit")(theta)
    np.testing.assert_allclose(AMChirp()(theta), theta[:, 2:] * unit)
    peaks = np.abs(AMChirp(gain="energy")(theta)).max(axis=1) / np.abs(unit).max(axis=1)
    np.testing.assert_allclose(peaks, np.sqrt(theta[:, 2]), rtol=0.01)


def test_a_chirp_played_backwards_has_the_other_sign():
    rising, falling = AMChirp()(np.array([[600.0, 5.0, 1.5], [600.0, 5.0, -1.5]]))
    np.testing.assert_allclose(falling[1:], rising[:0:-1], atol=1e-12)


@pytest.mark.parametrize("gamma", [0.005, -0.01, 0.5])
def test_a_chirp_is_that_of_the_formula(gamma):
    t = np.arange(32768) / 8192 - 2
    phase = 2 * np.pi * 512 * np.expm1(gamma * t * np.log(2)) / (gamma * np.log(2))
    envelope = np.exp(-((gamma * t / 0.2) ** 2) / 2) * np.sin(2 * np.pi * 8 * t)
    found = AMChirp(gain="unit")(np.array([512.0, 8.0, gamma]))
    np.testing.assert_allclose(found, envelope * np.sin(phase), atol=1e-9)


@pytest.mark.parametrize("gain", ["gamma", "unit", "energy"])
def test_chirps_are_continuous_where_they_become_tones(gain):
    play = AMChirp(gain=gain, duration=1.0)
    tone, chirp = play(np.array([[600.0, 5.0, 0.0], [600.0, 5.0, 1e-6]]))
    np.testing.assert_allclose(chirp, tone, atol=1e-2)


def test_nothing_sounds_where_a_chirp_is_above_half_the_sampling_rate():
    play = AMChirp(gain="unit", bandwidth=40.0)
    x = play(np.array([3000.0, 8.0, 2.0]))
    t = np.arange(x.size) / play.sr - 2
    assert not x[3000 * 2 ** (2 * t) + 8 >= play.sr / 2].any()


@pytest.mark.parametrize(
    ("f_1", "alpha", "r"), [(256, 1.0, 0.0), (300, 0.5, 0.6), (800, 2.0, -1.0)]
)
def test_partials_have_the_amplitudes_of_the_formula(f_1, alpha, r):
    play = AdditiveTone()
    spectrum = np.abs(np.fft.rfft(play(np.array([f_1, alpha, r])))) / play.sr * 4
    n = np.arange(1, round(8192 / (2 * f_1)))
    np.testing.assert_allclose(spectrum[n * f_1], (1 + (-1) ** n * r) * n**-alpha, atol=1e-3)


def test_an_additive_tone_is_that_of_the_formula():
    play = AdditiveTone()
    t = np.arange(8192) / 8192
    partials = [
        (1 + (-1) ** n * 0.5) * n**-0.7 * np.cos(2 * np.pi * n * 700.3 * t) for n in range(1, 6)
    ]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * t)
    found = play(np.array([700.3, 0.7, 0.5]))
    np.testing.assert_allclose(found, hann * sum(partials), atol=1e-9)


@pytest.mark.parametrize("f_1", [300, 1000])
def test_nothing_sounds_beside_the_partials(f_1):
    power = np.abs(np.fft.rfft(AdditiveTone()(np.array([f_1, 0.25, 0.0])))) ** 2
    beside = np.abs((np.arange(power.size) + f_1 / 2) % f_1 - f_1 / 2) > 1
    assert power[beside].sum() < 1e-12 * power.sum()


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_ripples_travel_as_declared(direction):
    rate, density = 4.0, 0.75
    parameters = synth.ranged(Ripple(), {"density": (0.25, 1.0)})
    play = Ripple(tones_per_octave=3, parameters=parameters)
    x = play(np.array([rate, density, direction]))
    t = np.arange(x.size) / play.sr
    for octaves in (1, 5 / 3, 3):
        tone = np.exp(-2j * np.pi * 128 * 2**octaves * t)
        at_tone = np.fft.fft(x * tone)
        at_tone[13:-12] = 0  # beyond 6 Hz
        envelope = np.abs(np.fft.ifft(at_tone))
        expected = 1 + 0.9 * np.cos(2 * np.pi * (rate * t - direction * density * octaves))
        similar = np.corrcoef(envelope[2000:-2000], expected[2000:-2000])[0, 1]
        assert similar > 0.98


def test_tones_too_sparse_for_a_density_are_refused():
    with pytest.raises(ValueError, match="at least twice as many tones per octave, got 3"):
        Ripple(tones_per_octave=3)


@pytest.mark.parametrize("name", ["tremolo", "flatterzunge", "bisbigliando"])
def test_amplitude_moves_between_1_and_1_minus_the_depth(name):
    play = replace(synth.synthesizer(name), n_partials=1)
    envelope = np.abs(hilbert(play(np.array([8.0, 0.6, 440.0]))))[1000:-1000]
    assert envelope.max() == pytest.approx(1, abs=0.01)
    assert envelope.min() == pytest.approx(0.4, abs=0.01)


def test_a_trill_rests_on_both_tones_for_equal_times():
    play = replace(synth.synthesizer("trill"), n_partials=1)
    angle = np.unwrap(np.angle(hilbert(play(np.array([4.0, 12.0, 400.0])))))
    hertz = np.gradient(angle)[1024:-1024] * play.sr / (2 * np.pi)
    shares = np.mean(hertz < 440), np.mean(hertz > 760)
    assert shares == pytest.approx((0.44, 0.44), abs=0.02)


@pytest.mark.parametrize("name", ["vibrato", "trill"])
def test_partials_that_reach_half_the_sampling_rate_are_left_out(name):
    theta = np.array([4.0, 6.0, 250.0])  # up to 354 Hz, of which twice is below 1024 Hz
    play = replace(synth.synthesizer(name), sr=2048)
    x, two = play(theta), replace(play, n_partials=2)(theta)
    np.testing.assert_allclose(x * sum(1 / k for k in range(1, 9)), two * 1.5, atol=1e-12)


@pytest.mark.parametrize(("name", "lowest"), [("vibrato", 400 * (2 - 2**0.25)), ("trill", 400)])
def test_frequency_moves_between_those_of_the_depth(name, lowest):
    play = replace(synth.synthesizer(name), n_partials=1)
    angle = np.unwrap(np.angle(hilbert(play(np.array([4.0, 3.0, 400.0])))))
    hertz = np.gradient(angle)[1000:-1000] * play.sr / (2 * np.pi)
    assert hertz.max() == pytest.approx(400 * 2**0.25, rel=0.01)
    assert hertz.min() == pytest.approx(lowest, rel=0.01)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_second_order_finds_the_rate_of_a_technique(name):
    play = synth.synthesizer(name)
    rate, depth, _ = play.parameters
    rates = rate.spaced(20)
    deep = depth.low + 0.75 * (depth.high - depth.low)
    theta = np.stack([rates, np.full(20, deep), np.full(20, 330.0)], axis=1)
    transform = Scattering1D(12, Q=(8, 2))
    S = transform(play(theta).astype(np.float32)).mean(-1)
    meta = transform.meta(play.sr)
    second = meta["order"] == 2
    modulation = meta["modulation_hz"][second]
    bands = np.unique(modulation)
    energy = np.stack([S[:, second][:, modulation == band].sum(axis=1) for band in bands], axis=1)
    found = bands[energy.argmax(axis=1)]
    factors = (1, 2) if name in ("vibrato", "trill") else (1,)
    octaves = np.min([np.abs(np.log2(found / (k * rates))) for k in factors], axis=0)
    assert octaves.max() <= 0.5


# ---------------------------------------------------------------- torch


@pytest.mark.parametrize("name", NAMES)
def test_torch_plays_what_numpy_plays(name):
    torch = pytest.importorskip("torch")
    play = replace(synth.synthesizer(name), duration=0.5)
    theta = synth.grid(play.parameters, 2)
    double = play(torch.from_numpy(theta))
    assert double.dtype == torch.float64
    np.testing.assert_allclose(double.numpy(), play(theta), atol=1e-11)
    single = play(torch.from_numpy(theta).float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), play(theta), atol=5e-3)


def test_torch_plays_whole_numbers_as_numpy_does():
    torch = pytest.importorskip("torch")
    theta = [512, 8, 1]
    x = AMChirp(duration=1.0)(torch.tensor(theta))
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x.numpy(), AMChirp(duration=1.0)(theta), atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gain", ["unit", "energy"])
def test_sounds_have_the_precision_of_their_parameters(name, gain):
    play = replace(synth.synthesizer(name), duration=0.1, gain=gain)
    theta = synth.theta_of(play, {})
    assert [play(theta.astype(dtype)).dtype for dtype in ("f4", "f8", "i8")] == ["f4", "f8", "f8"]


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_finite_differences(name):
    torch = pytest.importorskip("torch")
    play = replace(synth.synthesizer(name), duration=0.02, gain="energy")
    theta = torch.tensor(synth.theta_of(play, {}), requires_grad=True)
    assert torch.autograd.gradcheck(play, (theta,), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("gain", ["gamma", "energy", "unit"])
def test_the_derivative_is_finite_at_a_steady_tone(gain):
    torch = pytest.importorskip("torch")
    theta = torch.tensor([600.0, 5.0, 0.0], requires_grad=True)
    AMChirp(gain=gain)(theta).pow(3).sum().backward()
    assert torch.isfinite(theta.grad).all()


# ---------------------------------------------------------------- the command


def test_the_command_plays_one_sound(tmp_path, capsys):
    assert (
        scatseg("synth", "am-chirp:gain=unit", "f_m=8", "gamma=-1", "-o", tmp_path / "x.wav") == 0
    )
    assert capsys.readouterr().out == f"{tmp_path / 'x.wav'}\n"
    y, sr = audio.load(tmp_path / "x.wav", sr=None)
    expected = AMChirp(gain="unit")(synth.theta_of(AMChirp(), {"f_m": 8, "gamma": -1}))
    assert sr == 8192
    np.testing.assert_allclose(y, expected, atol=1e-4)


def test_a_grid_shows_its_progress(tmp_path, monkeypatch):
    shown = []

    def followed(items, total, verbosity, *, unit):
        shown.append((total, verbosity, unit))
        return items

    monkeypatch.setattr("scatseg.cli.synth.followed", followed)
    asked = ("synth", "vibrato:duration=0.1", "--grid", 2, "-o", tmp_path / "g", "-q")
    assert scatseg(*asked) == 0
    assert shown == [(8, -1, "sound")] * 2


def test_the_command_plays_a_grid_with_its_index(tmp_path):
    assert scatseg("synth", "am-chirp", "--grid", 2, "--range", "f_m=4,16", "-o", tmp_path) == 0
    with (tmp_path / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {float(row["f_m"]) for row in rows} == {4.0, 16.0}
    saved = np.array([audio.load(tmp_path / row["file"], sr=None)[0] for row in rows])
    theta = np.array([[float(row[name]) for name in ("f_c", "f_m", "gamma")] for row in rows])
    played = AMChirp()(theta)
    # One factor for all: what is louder stays louder.
    np.testing.assert_allclose(saved, played / np.abs(played).max(), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["theremin"], "unknown synth"),
        (["am-chirp", "fm=3"], "unknown parameter 'fm'"),
        (["am-chirp", "f_m"], "a parameter is written name=value"),
        (["am-chirp", "f_m=8", "f_m=9"], "f_m is given twice"),
        (["am-chirp", "--grid", "2", "--range", "f_m=4,8", "--range", "f_m=4,9"], "f_m is given"),
        (["am-chirp", "f_m=fast"], "the value a number, got 'f_m=fast'"),
        (["am-chirp:duration=1e12"], "Unable to allocate"),
        (["am-chirp", "--signed"], "need --grid"),
        (["am-chirp", "--grid", "2", "f_m=3"], "leave out f_m=3"),
        (["am-chirp", "--grid", "2", "--range", "f_m=3"], "a range is written"),
        (["am-chirp", "--grid", "2", "--range", "f_m=16,4"], "low to a high"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, tmp_path, capsys):
    assert scatseg("synth", *arguments, "-o", tmp_path / "x.wav") == cli.USAGE
    assert message in capsys.readouterr().err
