"""The transforms on torch tensors: agreement with NumPy, gradients, and layers."""

from dataclasses import replace

import numpy as np
import pytest

import scatseg.scattering
from scatseg.scattering import Scattering1D, TimeFrequencyScattering

torch = pytest.importorskip("torch")

TRANSFORMS = [
    pytest.param(Scattering1D(J=6, Q=4), id="local"),
    pytest.param(Scattering1D(J=6, Q=4, T=16, stride=4), id="fine"),
    pytest.param(Scattering1D(J=6, Q=(4, 2), max_order=1), id="order1"),
    pytest.param(Scattering1D(J=5, Q=2, T="global"), id="global"),
    pytest.param(Scattering1D(J=5, Q=2, T=0, out_type="list"), id="unaveraged"),
    pytest.param(TimeFrequencyScattering(J=6, J_fr=2, Q=4), id="joint"),
    pytest.param(TimeFrequencyScattering(J=6, J_fr=2, Q=4, T=32, stride=8), id="joint-fine"),
    pytest.param(TimeFrequencyScattering(J=6, J_fr=2, Q=4, format="joint"), id="joint-axes"),
    pytest.param(TimeFrequencyScattering(J=5, J_fr=2, Q=4, T="global", F="global"), id="joint-sum"),
    pytest.param(
        TimeFrequencyScattering(J=5, J_fr=2, Q=4, T=0, F=0, out_type="list"), id="joint-all"
    ),
]
each_transform = pytest.mark.parametrize("transform", TRANSFORMS)
ARRAYS = [
    Scattering1D(J=4, Q=2),
    Scattering1D(J=4, Q=2, T="global"),
    TimeFrequencyScattering(J=4, J_fr=1, Q=2, F=2),
]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def flat(S):
    paths = [path["coef"] for path in S] if isinstance(S, list) else [S]
    return np.concatenate([np.ravel(path) for path in paths])


def flat_tensor(S):
    paths = [path["coef"] for path in S] if isinstance(S, list) else [S]
    return torch.cat([path.reshape(-1) for path in paths])


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@each_transform
def test_tensors_equal_arrays(transform, dtype, bound):
    x = noise(2, 1500).astype(dtype)
    S = flat_tensor(transform(torch.from_numpy(x)))
    assert S.dtype == getattr(torch, np.dtype(dtype).name)
    expected = flat(transform(x))
    assert np.linalg.norm(S.numpy() - expected) < bound * np.linalg.norm(expected)


@each_transform
def test_autocast_keeps_float32(transform):
    x = torch.from_numpy(noise(2, 1500).astype(np.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        S = flat_tensor(transform(x))
    assert torch.equal(S, flat_tensor(transform(x)))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own
@pytest.mark.parametrize("transform", ARRAYS, ids=repr)
def test_compiled_models_call_the_transforms_as_they_are(transform):
    compiled = torch.compile(lambda x: transform(x).sum(), backend="eager")
    x = torch.from_numpy(noise(2, 1500).astype(np.float32)).requires_grad_()
    S = compiled(x)
    S.backward()
    assert S.item() == pytest.approx(transform(x).sum().item(), rel=1e-6)
    assert x.grad.abs().sum() > 0


@each_transform
def test_blocks_of_tensors_equal_arrays(transform):
    x = noise(150_000).astype(np.float32)
    S, expected = flat_tensor(transform(torch.from_numpy(x))).numpy(), flat(transform(x))
    assert np.linalg.norm(S - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("transform", [Scattering1D(J=6, Q=4), ARRAYS[2]], ids=repr)
def test_a_stream_of_tensors_equals_the_transform_of_the_whole(transform):
    x = torch.from_numpy(noise(150_000)).requires_grad_()
    S = torch.cat(list(transform.stream(x.split(40_000))), -1)
    torch.testing.assert_close(S, transform(x), rtol=0, atol=1e-12)
    S.sum().backward()
    assert x.grad.abs().min() > 0


@pytest.mark.parametrize("accuracy", ["fast", "exact"])  # "fast" folds the bands of some wavelets
@each_transform
def test_tensors_equal_arrays_at_other_accuracies(transform, accuracy):
    transform, x = replace(transform, accuracy=accuracy), noise(1500)
    S = flat_tensor(transform(torch.from_numpy(x))).numpy()
    np.testing.assert_allclose(S, flat(transform(x)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("transform", ARRAYS, ids=repr)
def test_gradients_equal_finite_differences(transform):
    x = torch.from_numpy(noise(2, 40)).requires_grad_()
    assert torch.autograd.gradcheck(transform, (x,))


@pytest.mark.parametrize("transform", ARRAYS, ids=repr)
def test_second_derivatives_equal_finite_differences(transform):
    x = torch.from_numpy(noise(2, 40)).requires_grad_()
    assert torch.autograd.gradgradcheck(transform, (x,), fast_mode=True)


@pytest.mark.parametrize("level", [1, 1e-12, 1e-16, 1e-18, 1e-20, 1e-38, 0])
@pytest.mark.parametrize("transform", [Scattering1D(J=6, Q=4), ARRAYS[2]])
def test_second_derivatives_are_finite_everywhere(transform, level):
    x = (level * torch.from_numpy(noise(1024)).float()).requires_grad_()
    (slope,) = torch.autograd.grad(10 * transform(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("transform", [Scattering1D(J=4, Q=2), ARRAYS[2]])
def test_torch_func_differentiates_the_transforms(transform):
    x = torch.from_numpy(noise(64))

    def energy(x):
        return transform(x).square().sum()

    hessian = torch.func.jacrev(torch.func.grad(energy))(x)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(energy, x))
    assert hessian.abs().max() > 0


@pytest.mark.parametrize("kind", ["silence", "click", "half silent", "constant", "few samples"])
@each_transform
def test_gradients_are_finite_everywhere(transform, kind):
    T = transform.T if isinstance(transform.T, int) else 1
    n_samples = max(T, 1) if kind == "few samples" else 1024
    x = torch.zeros(n_samples)
    if kind == "click":
        x[500] = 1
    elif kind == "half silent":
        x[512:] = torch.from_numpy(noise(512))
    elif kind == "constant":
        x += 0.5
    x.requires_grad_()
    flat_tensor(transform(x)).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("level", [1e-20, 1e-30, 1e-38])
@pytest.mark.parametrize("transform", [Scattering1D(J=6, Q=4), ARRAYS[2]])
def test_gradients_of_near_silence_are_finite(transform, level):
    x = (level * torch.from_numpy(noise(1024)).float()).requires_grad_()
    transform(x).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("T", [64, "global"])
def test_gradients_are_equal_with_recomputed_moduli(monkeypatch, T):
    transform = TimeFrequencyScattering(J=6, J_fr=2, Q=4, T=T)

    def gradients():
        x = torch.from_numpy(noise(2, 900)).requires_grad_()
        energy = flat_tensor(transform(x)).square().sum()
        (slope,) = torch.autograd.grad(energy, x, create_graph=True)
        slope.square().sum().backward()
        return torch.stack([slope.detach(), x.grad])

    kept = gradients()
    monkeypatch.setattr("scatseg.scattering.joint._KEPT", 0)
    assert torch.equal(gradients(), kept)


def test_moduli_of_long_signals_are_recomputed(monkeypatch):
    monkeypatch.setattr("scatseg.scattering.joint._KEPT", 0)
    calls = []
    monkeypatch.setattr(
        "scatseg.scattering.tensors.checkpoint", lambda f, *x, **_: calls.append(f) or f(*x)
    )
    TimeFrequencyScattering(J=6, J_fr=2, Q=4)(torch.zeros(900, requires_grad=True))
    assert calls


def test_a_gradient_passes_after_a_call_without_one():
    transform, x = Scattering1D(J=5, Q=3), torch.from_numpy(noise(700))
    with torch.inference_mode():
        transform(x)
    x = x.clone().requires_grad_()
    transform(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_gradients_at_silence_are_zero_except_order_zero():
    x = torch.zeros(512, requires_grad=True)
    Scattering1D(J=4, Q=2)(x)[1:].sum().backward()
    assert not x.grad.any()


def test_gradient_descent_finds_a_signal_with_the_same_coefficients():
    S = Scattering1D(J=4, Q=2)
    target = S(torch.from_numpy(noise(512, seed=1)))
    x = torch.from_numpy(noise(512, seed=2)).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    distances = []
    for _ in range(40):
        optimizer.zero_grad()
        distance = (S(x) - target)[1:].norm() / target[1:].norm()
        distance.backward()
        optimizer.step()
        distances.append(distance.item())
    assert distances[-1] < distances[0] / 4


def test_a_tensor_that_is_not_finite_raises():
    x = torch.zeros(2, 64)
    x[1, 7] = torch.nan
    with pytest.raises(ValueError, match=r"x must be finite, got nan at index \(1, 7\)"):
        Scattering1D(J=4)(x)


def test_complex_tensors_raise():
    with pytest.raises(ValueError, match=r"real samples.*complex64"):
        Scattering1D(J=4)(torch.zeros(64, dtype=torch.complex64))


def test_a_layer_follows_its_dtype_and_saves_its_state():
    from scatseg.scattering.modules import ScatteringModule

    layer = ScatteringModule(TimeFrequencyScattering(J=5, J_fr=2, Q=4)).double()
    assert layer(torch.zeros(3, 512)).dtype == torch.float64
    again = ScatteringModule(TimeFrequencyScattering(J=5, J_fr=2, Q=4))
    again.load_state_dict(layer.state_dict())


def test_a_layer_rejects_the_state_of_other_options():
    from scatseg.scattering.modules import ScatteringModule

    state = ScatteringModule(Scattering1D(J=5, Q=4)).state_dict()
    with pytest.raises(ValueError, match=r"the state is of .* make it with the same"):
        ScatteringModule(Scattering1D(J=5, Q=2)).load_state_dict(state)
    with pytest.raises(ValueError, match=r"the state is of .* make it with the same"):
        ScatteringModule(Scattering1D(J=5, Q=4, T=16)).load_state_dict(state)


def test_a_layer_needs_one_tensor():
    from scatseg.scattering.modules import ScatteringModule

    with pytest.raises(ValueError, match=r'out_type must be "array", got \'list\''):
        ScatteringModule(Scattering1D(J=5, out_type="list"))
    with pytest.raises(TypeError, match=r"a layer is made of a transform, .* got 'jtfs'"):
        ScatteringModule("jtfs")
    with pytest.raises(TypeError, match=r"must be a tensor, got ndarray: torch\.as_tensor"):
        ScatteringModule(Scattering1D(J=5))(noise(512))


def test_a_layer_can_be_trained_with_following_layers():
    from scatseg.scattering.modules import ScatteringModule

    net = torch.nn.Sequential(
        ScatteringModule(Scattering1D(J=5, Q=2)), torch.nn.Flatten(), torch.nn.LazyLinear(1)
    )
    net(torch.from_numpy(noise(4, 512).astype(np.float32))).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.gpu
@each_transform
def test_gpu_results_equal_cpu_results(transform):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    x = torch.from_numpy(noise(2, 3000).astype(np.float32))
    there = flat_tensor(transform(x.cuda()))
    assert there.is_cuda
    here = flat_tensor(transform(x))
    assert torch.linalg.norm(there.cpu() - here) < 1e-5 * torch.linalg.norm(here)


def test_the_layer_is_exported_beside_the_transforms():
    from scatseg.scattering.modules import ScatteringModule

    assert scatseg.scattering.ScatteringModule is ScatteringModule
