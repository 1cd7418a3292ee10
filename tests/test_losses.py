"""Distances against direct computation, in NumPy and torch, and their gradients."""

import copy
import dataclasses
import importlib

import librosa
import numpy as np
import pytest
import scipy.fft

import scatseg
from scatseg.distances import (
    COMPARISONS,
    MFCC,
    JointCoefficients,
    LogMel,
    MultiScaleSpectrum,
    ScatteringCoefficients,
    Waveform,
    comparisons,
    norm,
)
from scatseg.scattering import Scattering1D, TimeFrequencyScattering

SMALL = {
    "jtfs": "jtfs:J=4,J_fr=1,Q=2",
    "scattering": "scattering:J=4,Q=2",
    "mss": "mss:n_fft=64/32/16",
    "mss-log": "mss:n_fft=64/32,log=1",
    "logmel": "logmel:n_fft=64,hop_length=32,n_mels=8",
    "mfcc": "mfcc:n_fft=64,hop_length=32,n_mels=8,n_mfcc=5",
    "waveform": "waveform",
    "waveform-l1": "waveform:p=1",
    "sum": "waveform+mss:n_fft=64",
}
each_metric = pytest.mark.parametrize("metric", SMALL.values(), ids=SMALL)


def torch_module(name):
    """Import a module that needs torch, or skip the test."""
    pytest.importorskip("torch")
    return importlib.import_module(name)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def plain_spectrogram(x, n_fft):
    """Compute magnitudes one frame and one bin at a time."""
    hop, window = n_fft // 4, np.hanning(n_fft + 1)[:-1]
    around = np.concatenate([np.zeros(n_fft // 2), x, np.zeros(n_fft)])
    frames = [around[k * hop : k * hop + n_fft] * window for k in range(1 + len(x) // hop)]
    return np.abs(np.array([np.fft.rfft(frame) for frame in frames]))


def test_mss_equals_a_plain_loop():
    x, y = noise(2, 1500)
    apart = [
        np.mean(np.abs(plain_spectrogram(x, n) - plain_spectrogram(y, n))) for n in (512, 128, 32)
    ]
    measured = scatseg.distance(x, y, metric="mss:n_fft=512/128/32")
    assert measured == pytest.approx(np.mean(apart), rel=1e-6)


def test_mss_weighs_logarithms():
    x, y = noise(2, 900)
    S, R = plain_spectrogram(x, 64), plain_spectrogram(y, 64)
    expected = 2 * np.abs(S - R).mean() + 3 * np.abs(np.log(S + 1e-5) - np.log(R + 1e-5)).mean()
    assert scatseg.distance(x, y, metric="mss:n_fft=64,linear=2,log=3") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("comparison", "transform"),
    [
        (ScatteringCoefficients(J=6, Q=4, T=32), Scattering1D(6, Q=4, T=32)),
        (
            JointCoefficients(J=6, J_fr=2, Q=4),
            TimeFrequencyScattering(6, 2, Q=4, Q_fr=2, F=0),
        ),
    ],
)
def test_coefficients_are_compared_by_their_l2_norm(comparison, transform):
    x, y = noise(2, 2000)
    expected = np.linalg.norm(transform(x) - transform(y))
    assert norm(comparison.difference(comparison(x), comparison(y)), 2) == pytest.approx(expected)


def test_log_mel_equals_that_of_librosa():
    y = noise(4000).astype(np.float32)
    power = (
        np.abs(librosa.stft(y, n_fft=400, hop_length=200, window="hann", pad_mode="constant")) ** 2
    )
    mel = librosa.filters.mel(sr=8192, n_fft=400, n_mels=128, htk=True, norm=None) @ power
    np.testing.assert_allclose(LogMel(sr=8192)(y), np.log(mel + 1e-6).T, rtol=1e-3, atol=1e-3)


def test_mfcc_are_the_cosine_transform_of_log_mel():
    y = noise(4000)
    expected = scipy.fft.dct(LogMel(sr=8192)(y), norm="ortho")[:, :40]
    np.testing.assert_allclose(MFCC(sr=8192)(y), expected, atol=1e-9)


@each_metric
def test_equal_sounds_have_distance_0(metric):
    x = noise(700)
    assert scatseg.distance(x, x.copy(), metric=metric) == 0


@each_metric
def test_different_sounds_have_positive_distance(metric):
    x, y = noise(2, 700)
    assert scatseg.distance(x, y, metric=metric) > 0


@each_metric
def test_distances_are_symmetric(metric):
    x, y = noise(2, 700)
    assert scatseg.distance(x, y, metric=metric) == scatseg.distance(y, x, metric=metric)


@each_metric
def test_a_tensor_and_an_array_have_the_distance_of_two_arrays(metric):
    torch = pytest.importorskip("torch")
    x, y = noise(2, 700)
    tensor = torch.tensor(x, requires_grad=True)
    expected = scatseg.distance(x, y, metric=metric)
    assert scatseg.distance(tensor, y, metric=metric) == expected
    assert scatseg.distance(y, tensor, metric=metric) == expected


@each_metric
def test_distances_satisfy_the_triangle_inequality(metric):
    x, y = noise(2, 30, 400)
    z = (x + y) / 2
    direct = scatseg.distance(x, y, metric=metric)
    detour = scatseg.distance(x, z, metric=metric) + scatseg.distance(z, y, metric=metric)
    assert (direct <= detour * (1 + 1e-12)).all()


def test_jtfs_but_not_scattering_encodes_chirp_direction():
    t = np.arange(2**13) / 8192 - 0.5
    rising = np.exp(-(t**2) / 0.02) * np.sin(2 * np.pi * 600 * (2 ** (3 * t) - 1) / 3 / np.log(2))
    falling = rising[::-1].copy()
    joint = scatseg.distance(rising, falling, metric="jtfs:J=9,J_fr=3,T=8192")
    plain = scatseg.distance(rising, falling, metric="scattering:J=9,T=8192")
    assert joint > 10 * plain


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_compression_is_relative_to_the_medians_of_the_reference(kind):
    S = np.array([[7.0, 7, 7], [0, -1, 5], [0.001, 0, 0.004]])
    R = np.array([[9.0, 9, 9], [1, 2, 30], [0, 0, 0.003]])
    floors = np.array([[0.5 * 2], [0.5 * 1e-3 * 2]])  # the median 0 is raised
    expected = np.log1p(np.maximum(S[1:], 0) / floors) - np.log1p(R[1:] / floors)
    scales = np.array([1, 100])[:, None, None]  # each sound has its own medians
    pair = (scales * S, scales * R)
    if kind == "torch":
        torch = pytest.importorskip("torch")
        pair = tuple(map(torch.as_tensor, pair))
    found = ScatteringCoefficients(eps=0.5).difference(*pair)
    np.testing.assert_allclose(found, [expected.ravel()] * 2, rtol=1e-12)


def test_compression_is_robust_to_rounding_errors():
    t = np.arange(4096) / 4096
    x = np.sin(2 * np.pi * 400 * t)
    y = x + 1e-7 * noise(4096)
    metric = "scattering:J=6,Q=4,eps=0.1"
    other = np.sin(2 * np.pi * 500 * t)
    apart = scatseg.distance(y, x, metric=metric)
    assert apart < 1e-3 * scatseg.distance(other, x, metric=metric)


@pytest.mark.parametrize("metric", ["scattering:J=6,Q=4,eps=0.1", "jtfs:J=6,J_fr=2,Q=4,eps=0.1"])
def test_compression_is_invariant_to_polarity(metric):
    x, y = noise(2, 4096)
    assert scatseg.distance(-x, x, metric=metric) < 1e-9 * scatseg.distance(y, x, metric=metric)


def test_batches_are_compared_with_one_reference():
    x, y = noise(3, 500), noise(500, seed=1)
    values = scatseg.distance(x, y, metric="mss:n_fft=64")
    expected = [scatseg.distance(row, y, metric="mss:n_fft=64") for row in x]
    np.testing.assert_allclose(values, expected)


def test_a_custom_metric_may_be_given_itself():
    def apart(x, target):
        return abs(x - target).mean()

    x, y = noise(2, 500)
    assert scatseg.distance(x, y, metric=apart) == pytest.approx(abs(x - y).mean())
    assert scatseg.distance(x, y, metric=Waveform()) == scatseg.distance(x, y, metric="waveform")
    with pytest.raises(ValueError, match="metric 'int' must be a function"):
        scatseg.distance(x, y, metric=3)


def test_the_sampling_rate_is_passed_to_metrics_that_need_it():
    assert comparisons("mfcc+waveform", sr=8192) == (MFCC(sr=8192), Waveform())


@pytest.mark.parametrize("sr", [8192.0, np.int64(8192)])
def test_the_sampling_rate_may_be_any_whole_number(sr):
    assert repr(comparisons("mfcc", sr)) == repr(comparisons("mfcc", sr=8192))
    with pytest.raises(ValueError, match=r"sr must be a positive whole number of Hz, got .*819\.2"):
        comparisons("mfcc", sr / 10)


@pytest.mark.parametrize("kind", [LogMel, MFCC])
def test_a_whole_sampling_rate_is_an_integer(kind):
    assert repr(kind(sr=8192.0)) == repr(kind(sr=8192))
    with pytest.raises(ValueError, match=r"sr must be a positive whole number of Hz, got 819\.2"):
        kind(sr=819.2)


def test_lengths_of_windows_may_be_a_list():
    assert MultiScaleSpectrum(n_fft=[64, 32]) == MultiScaleSpectrum(n_fft=(64, 32))
    assert MultiScaleSpectrum(n_fft=np.array([64, 32])) == MultiScaleSpectrum(n_fft=(64, 32))
    assert MultiScaleSpectrum(n_fft=np.int64(64)) == MultiScaleSpectrum(n_fft=64)


def test_an_explicit_sampling_rate_is_kept():
    assert comparisons("logmel:sr=16000", sr=8192) == (LogMel(sr=16000),)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (MultiScaleSpectrum, {"n_fft": (30,)}, "multiples of 4"),
        (MultiScaleSpectrum, {"linear": 0.0}, "not both 0"),
        (MultiScaleSpectrum, {"floor": 0.0}, "floor must be positive"),
        (MFCC, {"n_mfcc": 200}, "at most n_mels = 128"),
        (LogMel, {"n_fft": 500}, "multiple of hop_length"),
        (Waveform, {"p": 3}, "p must be 1 or 2"),
        (ScatteringCoefficients, {"eps": -1.0}, "eps must be positive"),
        (JointCoefficients, {"J": 0}, "J must be an integer"),
    ],
)
def test_options_out_of_range_raise(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_sounds_of_different_lengths_raise():
    with pytest.raises(ValueError, match="the same number of samples, got 10 and 11"):
        scatseg.distance(np.ones(10), np.ones(11))


def test_the_sound_that_is_not_finite_is_named():
    x, broken = np.ones(256), np.full(256, np.nan)
    for name, sounds in (("x", (broken, x)), ("y", (x, broken))):
        with pytest.raises(ValueError, match=f"^{name} must be finite, got nan"):
            scatseg.distance(*sounds, metric="waveform")


def test_an_unknown_metric_raises_with_the_available_ones():
    with pytest.raises(ValueError, match="unknown metric 'jfts': choose from jtfs, scattering"):
        scatseg.distance(np.ones(10), np.ones(10), metric="jfts")


@pytest.mark.parametrize("name", ["numpy:linalg", f"{__name__}:of_one"])
def test_a_metric_or_loss_that_compares_no_two_sounds_raises(name):
    rule = r"must be a function \(x, target\) of two sounds, or a Comparison: callable, with"
    with pytest.raises(ValueError, match=f"metric '{name}' {rule}"):
        scatseg.distance(np.ones(10), np.ones(10), metric=name)
    losses = torch_module("scatseg.losses")
    with pytest.raises(ValueError, match=f"loss '{name}' {rule}"):
        losses.loss_named(name)


def of_one(x):
    return x.mean()


def lower_mean(x, target, scale=1.0):
    return scale * (target - x).mean()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doubled(Waveform):
    """A custom comparison: twice the samples."""

    def difference(self, S, R):
        return 2 * (S - R)


def test_a_function_of_two_sounds_is_a_metric_and_a_loss():
    x, y = noise(3, 1, 20), noise(2, 20, seed=1)
    expected = y.mean(axis=-1) - x.mean(axis=-1)
    name = f"{__name__}:lower_mean"
    np.testing.assert_allclose(scatseg.distance(x, y, metric=name), expected)
    both = scatseg.distance(x, y, metric=f"{name}+waveform")
    np.testing.assert_allclose(both, expected + scatseg.distance(x, y, metric="waveform"))
    assert type(scatseg.distance(x[0, 0], y[0], metric=name)) is float
    torch = pytest.importorskip("torch")
    pair = torch.from_numpy(x), torch.from_numpy(y).requires_grad_()
    np.testing.assert_allclose(scatseg.distance(*pair, metric=name), expected)
    loss = torch_module("scatseg.losses").loss_named(name)
    assert float(loss(pair[0][1, 0], pair[1][1]).detach()) == pytest.approx(expected[1, 1])


def test_a_custom_comparison_is_a_metric_and_a_loss():
    x, y = tensors(20), tensors(20, seed=1)
    name, losses = f"{__name__}:Doubled", torch_module("scatseg.losses")
    expected = 2 * scatseg.distance(x, y, metric="waveform")
    assert scatseg.distance(x, y, metric=name) == pytest.approx(expected)
    assert losses.loss_named(name)(x, y).item() == pytest.approx(expected)
    both = losses.loss_named(f"{name}+waveform")
    assert both(x, y).item() == pytest.approx(1.5 * expected)


def test_a_metric_that_returns_no_number_raises():
    with pytest.raises(TypeError, match=r"'numpy:add' must return a number, got float64 \(10,\)"):
        scatseg.distance(np.ones(10), np.ones(10), metric="numpy:add")


def tensors(*shape, seed=0):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(noise(*shape, seed=seed))


@each_metric
def test_losses_equal_the_distances(metric):
    losses = torch_module("scatseg.losses")
    x, y = tensors(2, 700)
    expected = scatseg.distance(x.numpy(), y.numpy(), metric=metric)
    assert losses.loss_named(metric)(x, y).item() == pytest.approx(expected, rel=1e-12)


@each_metric
def test_autocast_does_not_change_losses(metric):
    loss = torch_module("scatseg.losses").loss_named(metric)
    torch = torch_module("torch")
    x, y = (sound.float() for sound in tensors(2, 700))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(x, y)
    assert torch.equal(value, loss(x, y))


@each_metric
def test_gradients_equal_finite_differences(metric):
    losses = torch_module("scatseg.losses")
    import torch

    x, y = tensors(2, 24)
    assert torch.autograd.gradcheck(losses.loss_named(metric), (x.requires_grad_(), y))


@pytest.mark.parametrize("kind", ["silence", "click", "constant", "equal", "full scale"])
@each_metric
def test_gradients_are_finite(metric, kind):
    losses = torch_module("scatseg.losses")
    y = tensors(2048).float()
    x = {
        "silence": 0 * y,
        "click": (y == y[300]).float(),
        "constant": 0 * y + 0.5,
        "equal": y.clone(),
        "full scale": y.sign(),
    }[kind].requires_grad_()
    losses.loss_named(metric)(x, y).backward()
    assert bool(x.grad.isfinite().all())


@pytest.mark.parametrize("n_samples", [1, 2, 3, 31, 2**16])
@each_metric
def test_gradients_are_finite_for_any_length(metric, n_samples):
    losses = torch_module("scatseg.losses")
    x = tensors(n_samples).float().requires_grad_()
    losses.loss_named(metric)(x, tensors(n_samples, seed=1).float()).backward()
    assert bool(x.grad.isfinite().all())


@pytest.mark.parametrize(("linear", "log", "rel"), [(1.0, 0.0, 1e-6), (0.0, 1.0, 5e-3)])
def test_mss_has_the_magnitude_terms_of_auraloss(linear, log, rel):
    losses = torch_module("scatseg.losses")
    auraloss = pytest.importorskip("auraloss")
    import torch

    x, y = torch.nn.functional.pad(tensors(2, 3000), (2000, 2000))  # padding is by reflection
    theirs = auraloss.freq.STFTLoss(128, 32, 128, w_sc=0.0, w_log_mag=log, w_lin_mag=linear)
    ours = losses.MultiScaleSpectralLoss(n_fft=(128,), linear=linear, log=log, floor=1e-4)
    assert ours(x, y).item() == pytest.approx(theirs(x[None, None], y[None, None]).item(), rel=rel)


def test_losses_are_weighted_and_summed():
    losses = torch_module("scatseg.losses")
    x, y = tensors(2, 500)
    a, b = losses.WaveformLoss(), losses.MultiScaleSpectralLoss(n_fft=(64,))
    expected = 6 * a(x, y) + 3 * b(x, y)
    assert (3 * (2 * a + b))(x, y).item() == pytest.approx(expected.item())


def test_a_weighted_sum_compares_features_as_it_compares_sounds():
    losses = torch_module("scatseg.losses")
    x, y = tensors(2, 500)
    loss = 2 * losses.WaveformLoss() + 3 * losses.MultiScaleSpectralLoss(n_fft=(64,))
    found = loss.compare(loss.describe(x), loss.describe(y))
    assert found.item() == pytest.approx(loss(x, y).item())


def test_adding_anything_but_losses_raises():
    losses = torch_module("scatseg.losses")
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = losses.WaveformLoss() + 3


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_of_losses_are_finite(weight):
    losses = torch_module("scatseg.losses")
    with pytest.raises(ValueError, match="weights of losses must be finite, got"):
        _ = weight * (2 * losses.WaveformLoss())


def test_the_weight_of_a_loss_is_one_number():
    losses = torch_module("scatseg.losses")
    vector = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"one number as its weight, got shape \(2,\)"):
        _ = tensors(2) * losses.WaveformLoss()
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = vector * losses.WaveformLoss()
    assert (np.float64(2) * losses.WaveformLoss()).weights == (2.0,)


@pytest.mark.parametrize("weight", [None, 2j])
def test_weights_of_losses_are_numbers(weight):
    losses = torch_module("scatseg.losses")
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = weight * losses.WaveformLoss()


def test_losses_are_summed_by_sum_and_divided():
    losses = torch_module("scatseg.losses")
    x, target = tensors(2, 500)
    first, second = losses.WaveformLoss(), losses.MultiScaleSpectralLoss(n_fft=(64,))
    mean = sum([first, second]) / 2
    expected = (first(x, target) + second(x, target)) / 2
    assert mean(x, target).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", COMPARISONS)
def test_help_lists_every_option_and_its_default(name):
    kind = torch_module("scatseg.losses").LOSSES[name]
    told = " ".join(kind.__doc__.split()).replace('"', "'")
    for option in dataclasses.fields(kind().comparison):
        assert f"{option.name}={option.default!r}" in told


def test_an_unknown_option_raises_naming_the_loss():
    losses = torch_module("scatseg.losses")
    with pytest.raises(TypeError, match="JTFSLoss has no option 'j': there are reduction, J, J_fr"):
        losses.JTFSLoss(j=8)


@pytest.mark.parametrize("which", ["x", "target"])
def test_arrays_raise_with_advice_to_convert(which):
    losses = torch_module("scatseg.losses")
    sounds = {"x": tensors(100), "target": tensors(100), which: np.zeros(100)}
    with pytest.raises(TypeError, match=f"{which} must be a tensor, got ndarray: torch.as_tensor"):
        losses.WaveformLoss()(**sounds)


@pytest.mark.parametrize(
    ("reduction", "reduced"), [("none", list), ("mean", np.mean), ("sum", sum)]
)
def test_batches_are_reduced_as_requested(reduction, reduced):
    losses = torch_module("scatseg.losses")
    x, target = tensors(3, 50), tensors(50, seed=1)
    expected = np.linalg.norm(x.numpy() - target.numpy(), axis=-1)
    found = losses.WaveformLoss(reduction=reduction)(x, target)
    np.testing.assert_allclose(found, reduced(expected), rtol=1e-6)


class Counting:
    """A comparison that counts the sounds it transforms."""

    p = 2

    def __init__(self):
        self.n_described = 0

    def __call__(self, x):
        self.n_described += 1
        return x

    def difference(self, S, R):
        return S - R


def test_a_target_is_transformed_once():
    losses = torch_module("scatseg.losses")
    comparison = Counting()
    loss, y = losses.FeatureLoss(comparison), tensors(50)
    for seed in range(3):
        loss(tensors(50, seed=seed), y)
    assert comparison.n_described == 4


def test_a_changed_target_is_transformed_again():
    losses = torch_module("scatseg.losses")
    loss, x, y = losses.LogMelLoss(n_fft=16, hop_length=8, n_mels=4), tensors(50), tensors(50)
    before = loss(x, y).item()
    y += 1
    assert before == 0
    assert loss(x, y).item() > 0


def test_a_target_with_changed_array_is_transformed_again():
    losses = torch_module("scatseg.losses")
    import torch

    loss, buffer, x = losses.MultiScaleSpectralLoss(n_fft=(16,)), noise(50), tensors(50)
    target = torch.from_numpy(buffer)
    assert loss(x, target).item() == 0
    buffer[:] = 0
    assert loss(x, target).item() > 0


@pytest.mark.parametrize("name", ["waveform", "scattering:J=4,Q=2"])
def test_gradients_follow_inference_with_the_same_target(name):
    losses = torch_module("scatseg.losses")
    import torch

    loss, x, y = losses.loss_named(name), tensors(50).requires_grad_(), tensors(50, seed=1)
    with torch.inference_mode():
        inferred = loss(x, y)
        loss(x, torch.zeros(50, dtype=x.dtype))  # made in inference mode itself
        loss(x, y)
    value = loss(x, y)
    value.backward()
    assert value.item() == inferred.item()
    assert bool(x.grad.isfinite().all())


def test_gradients_pass_through_a_target_that_is_learnt():
    losses = torch_module("scatseg.losses")
    x, y = tensors(50), tensors(50, seed=1).requires_grad_()
    losses.WaveformLoss(p=1)(x, y).backward()
    assert y.grad.abs().tolist() == [1.0] * 50


def test_a_loss_can_be_copied():
    losses = torch_module("scatseg.losses")
    loss, (x, y) = losses.JTFSLoss(J=5, J_fr=2, Q=4), tensors(2, 200)
    assert loss(x, y).item() == copy.deepcopy(loss)(x, y).item()


def test_every_metric_has_a_loss():
    losses = torch_module("scatseg.losses")
    assert list(losses.LOSSES) == list(COMPARISONS)


def test_a_custom_loss_is_found_by_name(tmp_path, monkeypatch):
    losses = torch_module("scatseg.losses")
    (tmp_path / "my_losses.py").write_text("def peak(x, y):\n    return (x - y).abs().max()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert losses.loss_named("my_losses:peak")(tensors(9), tensors(9)).item() == 0


def test_a_custom_function_is_not_added_to_losses(tmp_path, monkeypatch):
    losses = torch_module("scatseg.losses")
    (tmp_path / "my_peaks.py").write_text("def peak(x, y):\n    return (x - y).abs().max()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"only losses .* can be added, got 'my_peaks:peak\+mss'"):
        losses.loss_named("my_peaks:peak+mss")


def test_an_unknown_reduction_raises():
    losses = torch_module("scatseg.losses")
    with pytest.raises(ValueError, match='"mean", "sum" or "none", got \'max\''):
        losses.WaveformLoss(reduction="max")


def am_tones():
    """Return a synthesizer of short tremolo tones that start and end in silence."""
    synth = torch_module("scatseg.synth")
    torch = pytest.importorskip("torch")

    class Tremolos:
        sr = 2048
        parameters = (
            synth.Parameter("f_c", "Hz", 200.0, 800.0),
            synth.Parameter("f_m", "Hz", 8.0, 64.0),
        )

        def __call__(self, theta):
            t = torch.arange(1024, dtype=theta.dtype) / self.sr
            turns = 2 * np.pi * theta[..., None] * t
            tremolo = 1 + torch.sin(turns[..., 1, :])
            return torch.sin(np.pi * t / t[-1]) ** 2 * tremolo * torch.sin(turns[..., 0, :])

    return Tremolos()


@pytest.mark.parametrize("eps", [None, 1.0])
def test_pnp_approximates_the_squared_loss_to_second_order(eps):
    losses = torch_module("scatseg.losses")
    import torch

    synth, loss = am_tones(), losses.JTFSLoss(J=7, J_fr=2, Q=4, T=256, eps=eps)
    target = torch.tensor([400.0, 20.0], dtype=torch.float64)
    direction = torch.tensor([0.3, 1.0], dtype=torch.float64)
    pnp = losses.PNPLoss(synth, loss)
    off = []
    for step in (1e-3, 1e-4):
        theta = target * torch.exp2(step * direction)
        squared = loss(synth(theta), synth(target)).item() ** 2
        off.append(abs(pnp(theta, target).item() / squared - 1))
    assert off[1] < 0.15 * off[0] < 0.15 * 0.5


def test_pnp_has_the_gradient_of_a_quadratic_form():
    losses = torch_module("scatseg.losses")
    import torch

    loss = losses.PNPLoss(am_tones(), losses.WaveformLoss(), damping=0.1)
    theta = torch.tensor([[350.0, 18.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([400.0, 20.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda theta: loss(theta, target), (theta,))


def test_pnp_works_in_inference_mode():
    losses = torch_module("scatseg.losses")
    import torch

    loss = losses.PNPLoss(am_tones(), losses.WaveformLoss())
    theta = torch.tensor([350.0, 18.0], dtype=torch.float64)
    with torch.inference_mode():
        target = torch.tensor([400.0, 20.0], dtype=torch.float64)
        inferred = loss(theta, target).item()
    assert inferred == loss(theta, target.clone()).item()


def test_pnp_requires_a_loss_of_order_2():
    losses = torch_module("scatseg.losses")
    with pytest.raises(ValueError, match="norm of order 2"):
        losses.PNPLoss(am_tones(), losses.MultiScaleSpectralLoss())


def test_the_jacobian_equals_automatic_differentiation():
    sensitivity = torch_module("scatseg.sensitivity")
    import torch

    places, synth = torch.tensor([8.5, 4.2], dtype=torch.float64), am_tones()

    def played(places):
        return synth(torch.exp2(places))

    exact = torch.autograd.functional.jacobian(played, places)
    torch.testing.assert_close(
        sensitivity.jacobian(played, places), exact, rtol=1e-6, atol=1e-6 * exact.abs().max().item()
    )
