"""Descents end at the parameters a target was played from; coefficients become sounds again."""

import dataclasses
import functools
import io
import json
import re
import wave

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from mpl_toolkits.mplot3d import proj3d
from PIL import Image

from scatseg import audio
from scatseg.cli import cli, main
from scatseg.synth import AMChirp, Parameter, ranged

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

from scatseg import matching, plotting  # noqa: E402
from scatseg.distances import JointCoefficients, ScatteringCoefficients  # noqa: E402
from scatseg.figures.matching import (  # noqa: E402
    draw_descents,
    draw_fields,
    draw_resynthesis,
    draw_sweep,
)
from scatseg.losses import MultiScaleSpectralLoss, ScatteringLoss, WaveformLoss  # noqa: E402
from scatseg.matching import listening, renderings, runs, sweeps, tasks  # noqa: E402
from scatseg.matching import resynthesis as engine  # noqa: E402


class Tremolos:
    """Short tones with a tremolo, which begin and end in silence."""

    sr = 2048
    parameters = (
        Parameter("f_c", "Hz", 200.0, 800.0),
        Parameter("f_m", "Hz", 8.0, 64.0),
    )

    def __call__(self, theta):
        t = torch.arange(1024, dtype=theta.dtype) / self.sr
        turns = 2 * np.pi * theta[..., None] * t
        tremolo = 1 + torch.sin(turns[..., 1, :])
        return torch.sin(np.pi * t / t[-1]) ** 2 * tremolo * torch.sin(turns[..., 0, :])


class Places:
    """Sounds of two samples, which are the places of the parameters themselves."""

    sr = 8
    parameters = (Parameter("a", "Hz", 1.0, 4.0), Parameter("b", "", 0.0, 2.0, "linear"))

    def __call__(self, theta):
        return torch.stack([torch.log2(theta[..., 0].abs()), theta[..., 1] / 2], dim=-1)


CHIRP = ("--synth", "am-chirp:sr=4096,duration=1.0", "--fixed", "f_c=512", "--range", "f_m=4,16")
KNOWN = ("--target-params", "f_m=8.29,gamma=1.494")

LOSS = ScatteringLoss(J=7, Q=4, T=256)
TRUTH = np.array([400.0, 20.0])
START = np.array([300.0, 30.0])


def tremolo(theta=TRUTH):
    return Tremolos()(torch.tensor(theta))


def squared(x, y):
    return ((x - y) ** 2).sum()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.ones((2, 100)), r"must be one sound \(n_samples,\), got shape \(2, 100\)"),
        ([1.0, np.nan, 2.0], "the target must be finite, got nan at index"),
        (np.zeros(100), "the target is silent"),
    ],
)
def test_a_target_is_one_finite_sound(target, message):
    with pytest.raises(ValueError, match=message):
        matching.fitted(target, 50)


@pytest.mark.parametrize(
    ("optimizer", "options", "bound"),
    [
        ("adam", {"n_steps": 60}, 0.02),
        ("l-bfgs", {"n_steps": 30}, 1e-3),
        ("levenberg-marquardt", {"n_steps": 15}, 1e-3),
    ],
)
def test_descents_find_what_a_target_was_played_from(optimizer, options, bound):
    found = matching.match(Tremolos(), LOSS, tremolo(), START, optimizer=optimizer, **options)
    assert np.abs(matching.errors(Tremolos.parameters, found.theta, TRUTH)).max() < bound


class Hum(Places):
    """The same sound for all parameters."""

    def __call__(self, theta):
        return torch.ones(2) + 0 * theta


@pytest.mark.parametrize("optimizer", matching.OPTIMIZERS)
def test_descents_of_parameters_without_effect_stay_where_they_start(optimizer):
    target = torch.tensor([2.0, 1.0])
    found = matching.match(Hum(), WaveformLoss(), target, [2.0, 1.0], optimizer=optimizer)
    np.testing.assert_allclose(found.theta, [2.0, 1.0])
    assert found.converged


def test_adam_is_that_of_torch_with_cosine_decay_to_a_tenth():
    def tilted(x, y):
        return ((x - y) ** 2 * torch.tensor([1.0, 8.0])).sum() + x[0] * x[1]

    target, n = torch.tensor([1.2, 0.6], dtype=torch.float64), 12
    options = {"n_steps": n, "lr": 0.05, "tolerance": 0.0}
    found = matching.match(Places(), tilted, target, [1.5, 0.2], **options)
    x = torch.tensor([np.log2(1.5), 0.1], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.05, eps=1e-12)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, n, eta_min=0.005)
    for a, b in found.trajectory:
        np.testing.assert_allclose([np.log2(a), b / 2], x.detach(), atol=1e-9)
        adam.zero_grad()
        tilted(x, target).backward()
        adam.step()
        decay.step()


def test_the_bold_driver_finds_the_bottom_of_a_bowl():
    target = torch.tensor([1.5, 0.7])
    found = matching.match(Places(), squared, target, [1.0, 0.5], optimizer="bold-driver")
    np.testing.assert_allclose(found.theta, [2**1.5, 1.4], rtol=1e-2)


def test_a_match_is_the_best_of_its_trajectory():
    found = matching.match(Tremolos(), LOSS, tremolo(), START, n_steps=5)
    best = found.trajectory[found.losses.argmin()]
    assert (found.theta.tolist(), len(found.losses)) == (best.tolist(), found.n_steps + 1)


def test_gradients_are_recorded_along_the_scales():
    target = torch.tensor([1.0, 0.0], dtype=torch.float64)
    found = matching.match(Places(), squared, target, [4.0, 2.0], n_steps=0)
    assert found.gradient_norms.tolist() == [pytest.approx(np.hypot(2, 2))]


def test_a_fixed_parameter_is_in_a_list():
    with pytest.raises(TypeError, match=r"fixed takes several names, got 'f_c': write \['f_c'\]"):
        matching.match(Tremolos(), LOSS, tremolo(), START, fixed="f_c")
    with pytest.raises(TypeError, match="fixed maps names of parameters to values, got 'f_c'"):
        matching.random_starts(Tremolos.parameters, 2, fixed="f_c")


def test_fixed_parameters_stay():
    found = matching.match(Tremolos(), LOSS, tremolo(), START, n_steps=4, fixed=["f_c"])
    assert (found.trajectory[:, 0] == 300).all()


def test_the_sign_of_a_start_stays():
    synth = AMChirp(sr=2048, duration=0.5, parameters=chirp_ranges())
    target = synth(torch.tensor([500.0, 16.0, -6.0]))
    found = matching.match(synth, LOSS, target, [500.0, 16.0, -5.0], n_steps=3)
    assert (found.trajectory[:, 2] < 0).all()


def chirp_ranges():
    return (
        Parameter("f_c", "Hz", 400.0, 600.0),
        Parameter("f_m", "Hz", 8.0, 64.0),
        Parameter("gamma", "octaves/s", 2.0, 16.0, either_sign=True),
    )


@pytest.mark.parametrize("optimizer", matching.OPTIMIZERS)
def test_a_target_out_of_reach_is_met_at_the_bound(optimizer):
    narrow = ranged(Tremolos(), {"f_m": (24.0, 64.0)})
    found = matching.match(
        *(Tremolos(), LOSS, tremolo(), [400.0, 40.0]),
        optimizer=optimizer,
        parameters=narrow,
        fixed=["f_c"],
        lr=1.0,
    )
    assert (found.at_bounds, found.theta[1]) == (("f_m",), pytest.approx(24))


def test_a_descent_that_rests_ends_early():
    options = {"n_steps": 50, "optimizer": "levenberg-marquardt"}
    found = matching.match(Tremolos(), LOSS, tremolo(), START, **options)
    assert (found.converged, found.reason) == (True, "the optimizer converged")
    assert found.n_steps < 20


def test_a_descent_under_way_has_not_converged():
    target = torch.tensor([2.0, 1.0])
    found = matching.match(Places(), squared, target, [1.0, 0.0], n_steps=6, lr=0.01)
    assert (found.converged, found.reason) == (False, "the maximum number of steps was reached")


def test_a_loss_that_is_lost_on_the_way_is_said():
    def cliff(x, y):
        return torch.where(x[0] > 0.5, torch.nan, ((x - y) ** 2).sum())

    found = matching.match(Places(), cliff, torch.tensor([1.0, 1.0]), [1.0, 0.0])
    assert not found.converged
    assert "not finite after" in found.reason


def test_a_descent_whose_loss_is_lost_at_rest_has_not_converged():
    weights = iter([*[1.0] * 8, torch.nan])
    target = torch.tensor([1.0, 0.5])

    def lost(x, y):
        return next(weights) * squared(x, y)

    found = matching.match(Places(), lost, target, [2.0, 1.0], tolerance=0)
    assert not found.converged
    assert found.reason == "the loss or its gradient is not finite after 8 steps"


def test_a_descent_does_not_end_while_one_parameter_moves():
    target = torch.tensor([0.0, 1.0])  # the first is met from the start
    found = matching.match(Places(), squared, target, [1.0, 0.0])
    np.testing.assert_allclose(found.theta, [1, 2], atol=0.1)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ([-600.0, 6.0, 1.0], "f_c must be positive, got -600.0"),
        ([600.0, np.nan, 1.0], "f_m must be finite, got nan"),
        ([600.0, 6.0, np.inf], "gamma must be finite, got inf"),
    ],
)
def test_a_start_that_cannot_be_played_is_refused_by_name(theta, message):
    synth = AMChirp()
    target = synth(torch.tensor([600.0, 6.0, 1.0]))
    with pytest.raises(ValueError, match=message):
        matching.match(synth, LOSS, target, theta)


def test_a_loss_that_is_lost_at_the_start_is_refused():
    with pytest.raises(ValueError, match="not finite at the start"):
        matching.match(Places(), lambda x, _: x.sum() * np.nan, torch.ones(2), [1.0, 0.0])


@pytest.mark.parametrize("optimizer", ["adam", "bold-driver", "l-bfgs"])
@pytest.mark.parametrize(
    ("loss", "got"),
    [
        (lambda x, target: (x - target).square().mean().item(), "float"),
        (lambda x, target: (x - target).square(), r"a tensor of shape \(2,\)"),
        (lambda x, target: (x - target).detach().square().mean(), "a tensor without a gradient"),
    ],
    ids=["float", "vector", "detached"],
)
def test_a_loss_that_cannot_be_differentiated_is_refused(loss, got, optimizer):
    steps = []
    with pytest.raises(TypeError, match=f"return a differentiable scalar tensor, got {got}$"):
        matching.match(
            Places(),
            loss,
            torch.ones(2),
            [1.0, 0.0],
            optimizer=optimizer,
            on_step=steps.append,
        )
    assert not steps


def test_progress_is_told_step_by_step():
    said = []
    found = matching.match(Tremolos(), LOSS, tremolo(), START, n_steps=3, on_step=said.append)
    assert said == found.losses.tolist()


def test_a_start_outside_the_ranges_begins_at_the_nearest_bound():
    f_c, f_m = (parameter.low for parameter in Tremolos().parameters)
    start = [f_c / 2, f_m / 2]
    found = matching.match(Tremolos(), LOSS, tremolo(), start, n_steps=0)
    assert found.trajectory[0] == pytest.approx([f_c, f_m])
    found = matching.match(Tremolos(), LOSS, tremolo(), start, n_steps=0, fixed=["f_c"])
    assert found.trajectory[0] == pytest.approx([f_c / 2, f_m])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer must be one of adam"),
        ({"fixed": ["g"]}, "unknown parameter 'g'"),
        ({"fixed": ["f_c", "f_m"]}, "every parameter is fixed"),
        ({"n_steps": -1}, "n_steps must be an integer of at least 0, got -1"),
        ({"n_steps": 2.5}, "n_steps must be an integer of at least 0, got 2.5"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"lr": np.nan}, "lr must be positive and finite, got nan"),
    ],
)
def test_what_cannot_be_matched_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        matching.match(Tremolos(), LOSS, tremolo(), START, **options)


def test_a_target_of_another_length_is_refused():
    with pytest.raises(ValueError, match="one sound of 1024 samples"):
        matching.match(Tremolos(), LOSS, np.ones(100), START)


def test_levenberg_and_marquardt_need_squares():
    with pytest.raises(ValueError, match="norm of order 2"):
        matching.match(
            *(Tremolos(), MultiScaleSpectralLoss(), tremolo(), START),
            optimizer="levenberg-marquardt",
        )


def test_the_best_match_has_the_least_loss():
    found = [matching.match(Tremolos(), LOSS, tremolo(), s, n_steps=0) for s in (START, TRUTH)]
    assert matching.best_of(found) is found[1]


def test_random_starts_fill_the_ranges_along_their_scales():
    starts = matching.random_starts(Tremolos.parameters, 1000, seed=3)
    places = (np.log2(starts) - np.log2([200, 8])) / np.log2([4, 8])
    assert (places.min() >= 0) & (places.max() <= 1)
    np.testing.assert_allclose(places.mean(axis=0), 0.5, atol=0.03)


def test_random_starts_keep_what_is_fixed():
    starts = matching.random_starts(Tremolos.parameters, 5, fixed={"f_m": 12.0})
    assert (starts[:, 1] == 12).all()


def test_random_starts_have_both_signs_where_asked():
    starts = matching.random_starts(chirp_ranges(), 6, signed=True)
    assert np.sign(starts).sum(axis=0).tolist() == [6, 6, 0]


def test_a_wrong_sign_is_named_and_never_found():
    parameters, truth = AMChirp().parameters, np.array([512.0, 8.0, -2.0])
    led = matching.match(
        *(AMChirp(sr=2048, duration=0.5), WaveformLoss(), np.ones(1024), [512.0, 8.0, 2.0]),
        n_steps=0,
    )
    descent = runs.Descent(loss="waveform", shift=0, match=led, truth=truth, seconds=0.0)
    assert descent.errors(parameters) == {"f_c": 0, "f_m": 0, "gamma": 0}
    assert (descent.wrong_signs(parameters), descent.worst(parameters)) == (("gamma",), np.inf)


def test_levelled_sounds_are_equally_loud():
    x = matching.Levelled(synth=Tremolos())(torch.tensor([[400.0, 20.0], [300.0, 50.0]]))
    np.testing.assert_allclose(x.square().mean(-1).sqrt(), 0.1, rtol=1e-5)


def test_a_recording_is_cut_to_its_loudest_excerpt():
    y = np.concatenate([np.zeros(50), np.arange(1.0, 11.0), np.zeros(20)])
    fitted = matching.fitted(y, 10, level=1)
    np.testing.assert_allclose(fitted, np.arange(1, 11) / np.sqrt(38.5), rtol=1e-6)


def test_a_short_recording_gets_silence_on_both_sides():
    assert np.flatnonzero(matching.fitted(np.ones(4), 10)).tolist() == [3, 4, 5, 6]


def bowl(targets, shifts=(0,), loss=WaveformLoss(), n=9):  # noqa: B008 - never changed
    return matching.fields(Places(), loss, targets, over=("a", "b"), n=n, shifts=shifts)


def test_every_arrow_of_a_bowl_leads_to_its_bottom():
    (field,) = bowl([[2.0, 0.5]])
    assert (field.pointing, field.n_minima, field.minimum_at_target) == (1.0, 1, True)


def test_the_minimum_of_a_bowl_is_at_its_bottom():
    (field,) = bowl([[2.0, 0.5]])
    np.testing.assert_allclose(field.minimum, [2.0, 0.5])


def test_a_delay_that_moves_the_minimum_is_seen():
    (field,) = bowl([[3.0, 1.9]], shifts=(1,))
    assert not field.minimum_at_target
    np.testing.assert_allclose(field.minimum, [1.0, 2.0])


def test_both_minima_of_a_loss_are_counted():
    def double(x, _):
        return ((x[0] - 1).abs() - 0.75) ** 2 + x[1] ** 2

    (field,) = bowl([[2.0, 0.0]], loss=double)
    assert field.n_minima == 2


def test_fields_have_the_gradients_of_the_loss():
    (field,) = bowl([[2.0, 0.5]], loss=squared)
    x, y = np.meshgrid(*field.places, indexing="ij")
    expected = 2 * np.stack([x - 1, y - 0.25], axis=-1)
    np.testing.assert_allclose(field.gradients, expected, atol=1e-4)


def test_fields_of_several_targets_are_those_of_each():
    both = bowl([[2.0, 0.5], [3.0, 1.0]], shifts=(0, 1))
    (last,) = bowl([[3.0, 1.0]], shifts=(1,))
    assert [field.shift for field in both] == [0, 1, 0, 1]
    np.testing.assert_array_equal(both[3].gradients, last.gradients)


def test_targets_of_several_planes_are_refused():
    targets = [[600.0, 8.0, 1.0], [800.0, 8.0, 1.0]]
    with pytest.raises(ValueError, match="agree in all parameters but f_m and gamma: in f_c"):
        matching.fields(AMChirp(), WaveformLoss(), targets, over=("f_m", "gamma"), n=2)


FALLING = AMChirp(sr=2048, duration=0.5, parameters=ranged(AMChirp(), {"f_c": (200, 400)}))


def test_fields_of_a_falling_chirp_are_of_falling_chirps():
    targets = [[300.0, 32.0, -0.5], [300.0, 4.0, -4.0]]
    for target, field in zip(
        targets,
        matching.fields(FALLING, WaveformLoss(), targets, over=("f_m", "gamma"), n=3),
        strict=True,
    ):
        np.testing.assert_allclose(field.minimum, target[1:], rtol=1e-6)
        assert field.losses.min() < 1e-3 * field.losses.max()
        assert field.minimum_at_target


def test_targets_of_both_signs_are_refused():
    targets = [[300.0, 8.0, 1.0], [300.0, 8.0, -1.0]]
    with pytest.raises(ValueError, match="targets must agree in the signs of f_m and gamma"):
        matching.fields(FALLING, WaveformLoss(), targets, over=("f_m", "gamma"), n=2)


@pytest.mark.parametrize("draw", [plotting.plot_contour, plotting.plot_arrows])
def test_a_field_of_negative_values_is_drawn_over_their_sizes(draw):
    (field,) = matching.fields(
        FALLING, WaveformLoss(), [[300.0, 8.0, -1.0]], over=("f_m", "gamma"), n=3
    )
    ax = Figure().add_subplot()
    draw(field, ax=ax)
    assert ax.get_ylabel() == "-gamma (octaves/s)"
    assert [line.get_ydata()[0] for line in ax.lines] == [1.0]
    assert ax.get_ylim()[0] < 1 < ax.get_ylim()[1]


def test_arrows_lead_to_the_bottom_of_a_bowl_whatever_the_axes():
    (field,) = bowl([[2.1, 1.7]], loss=squared)
    figure = Figure(figsize=(6, 3))
    ax = figure.add_subplot()
    plotting.plot_arrows(field, ax=ax)
    figure.draw_without_rendering()
    (arrows,) = ax.collections
    points = ax.transData.transform(arrows.get_offsets())
    ways = ax.transData.transform(field.target) - points
    outlines = np.array([path.vertices for path in arrows.get_paths()])
    drawn = outlines[:, 3] - outlines[:, [0, 6]].mean(axis=1)  # from the tail to the tip
    drawn, ways = (each / np.linalg.norm(each, axis=1)[:, None] for each in (drawn, ways))
    np.testing.assert_allclose(drawn, ways, atol=1e-3)


def test_a_field_has_no_arrow_at_its_target():
    (on_grid,) = bowl([[2.0, 0.5]])
    (between,) = bowl([[2.1, 0.5]])
    for field, missing in ((on_grid, 1), (between, 0)):
        ax = Figure().add_subplot()
        plotting.plot_arrows(field, ax=ax)
        (arrows,) = ax.collections
        assert len(arrows.U) == field.losses.size - missing


def test_panels_of_a_field_share_their_axes_and_surfaces_fill_their_figure(tmp_path, monkeypatch):
    made = []
    save = plotting.save_figure
    monkeypatch.setattr(plotting, "save_figure", lambda *each: made.append(each[0]) or save(*each))
    fields = bowl([[2.0, 0.5]])
    _, surface = draw_fields(tmp_path, {"one": fields, "two": fields})
    for contour, arrows in zip(made[0].axes[:4:2], made[0].axes[1:4:2], strict=True):
        assert (contour.get_xlim(), contour.get_ylim()) == (arrows.get_xlim(), arrows.get_ylim())
    inked = imread(surface)[..., :3].min(axis=2) < 1
    assert inked.mean() > 0.4


def test_the_target_is_on_the_surface_where_the_minimum_is_elsewhere():
    (field,) = bowl([[2.0, 0.5]])
    x, y = field.places
    field = dataclasses.replace(field, losses=1.0 + x[:, None] + y[None, :] - x[0] - y[0])
    figure = Figure()
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_subplot(projection="3d")
    plotting.plot_surface(field, ax=ax)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    rows, columns = np.nonzero(np.abs(drawn - [0x1E, 0x9E, 0x50]).max(axis=2) < 3)
    height = 1.0 + field.target_places.sum() - x[0] - y[0]
    flat = proj3d.proj_transform(*field.target_places, height, ax.get_proj())[:2]
    column, row_from_below = ax.transData.transform(flat)
    shown = [columns.mean(), len(drawn) - rows.mean()]
    np.testing.assert_allclose(shown, [column, row_from_below], atol=2)


def test_trajectories_of_both_signs_are_drawn_over_their_sizes(tmp_path, monkeypatch):
    found = [
        matching.match(FALLING, squared, FALLING(torch.tensor(start)), start, n_steps=0)
        for start in ([300.0, 8.0, 1.0], [300.0, 8.0, -1.0])
    ]
    descents = [
        runs.Descent(loss="squared", shift=0, match=each, truth=None, seconds=0.0) for each in found
    ]
    drawn = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: drawn.append(figure) or [_])
    draw_descents(tmp_path, descents, FALLING.parameters, ("f_m", "gamma"), {})
    (ax,) = drawn[-1].axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("f_m (Hz)", "|gamma| (octaves/s)")


def test_trajectories_of_negative_values_on_a_linear_scale_are_in_view():
    parameters = (Parameter("r", "", -0.9, 0.9, "linear"), Parameter("f_m", "Hz", 4.0, 32.0))
    ax = Figure().add_subplot()
    plotting.plot_trajectories([np.array([[-1.5, 8.0], [-0.2, 16.0]])], parameters, ax=ax)
    assert ax.get_xlim() == (-1.5, 0.9)
    assert ax.get_ylim() == (4, 32)


def test_steps_and_losses_are_labeled_by_plain_numbers():
    figure = Figure()
    ax = figure.add_subplot()
    plotting.plot_convergence({"aligned": [[0.9, 0.4, 0.3]]}, ax=ax)
    figure.draw_without_rendering()
    steps = [label.get_text() for label in ax.get_xticklabels()]
    losses = [
        label.get_text() for minor in (False, True) for label in ax.get_yticklabels(minor=minor)
    ]
    assert {step.lstrip("\N{MINUS SIGN}").isdigit() for step in steps} == {True}
    assert [text for text in losses if text.startswith("0.")]
    assert not [text for text in losses if "10^" in text]


def test_batches_of_points_give_the_same_field():
    options = {"over": ("a", "b"), "n": 4}
    one, many = (
        matching.fields(Places(), LOSS_OF_PLACES, [[2.0, 0.5]], batch=batch, **options)[0]
        for batch in (1, 7)
    )
    np.testing.assert_array_equal(one.losses, many.losses)


LOSS_OF_PLACES = 2 * WaveformLoss() + WaveformLoss(p=1)


def test_inner_points_lie_on_the_grid():
    theta = matching.inner_points(Places.parameters, [1.0, 1.0], ("a", "b"), 9, 3)
    assert theta.shape == (9, 2)
    np.testing.assert_allclose(np.unique(theta[:, 1]), np.linspace(0, 2, 9)[[2, 4, 6]])


def test_sensitivities_are_singular_values():
    values = matching.sensitivities(Places(), WaveformLoss(), [2.0, 1.0])
    np.testing.assert_allclose(values, [1, 1])


def test_sensitivities_are_the_slopes_of_a_loss_with_compression():
    synth, loss, theta = Tremolos(), ScatteringLoss(J=7, Q=4, T=256, eps=1.0), torch.tensor(TRUTH)
    step = 1e-5
    moved = theta * torch.exp2(step * torch.eye(2, dtype=theta.dtype))
    slopes = [loss(synth(each), synth(theta)).item() / step for each in moved]
    values = matching.sensitivities(synth, loss, TRUTH)
    assert np.linalg.norm(values) == pytest.approx(np.linalg.norm(slopes), rel=0.01)


def test_distance_from_oneself_grows_with_the_delay():
    x = tremolo()
    values = matching.distance_by_shift(LOSS, x, [0, 4, 16, 64])
    assert values[0] == 0
    assert (np.diff(values) > 0).all()


def test_distance_from_another_is_relative_to_no_delay():
    values = matching.distance_by_shift(LOSS, tremolo(), [0], other=tremolo([300.0, 20.0]))
    assert values.tolist() == [1]


def test_arrays_are_delayed_as_tensors_are():
    x = tremolo()
    one, two = (matching.distance_by_shift(LOSS, each, [0, 16]) for each in (x, x.numpy()))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("x", "other", "message"),
    [
        (tremolo(), tremolo(), "the sounds have no distance without delay"),
        (0 * tremolo(), None, "the sound has no distance from silence"),
    ],
)
def test_a_distance_of_0_is_no_unit(x, other, message):
    with pytest.raises(ValueError, match=message):
        matching.distance_by_shift(LOSS, x, [0, 16], other=other)


def test_unknown_parameters_cannot_be_fixed_in_starts():
    with pytest.raises(ValueError, match="unknown parameter 'c': choose from a, b"):
        matching.random_starts(Places.parameters, 2, fixed={"c": 1.0})


@pytest.mark.parametrize("theta", [[1.0], [1.0, 2.0, 3.0]])
def test_errors_need_a_value_for_each_parameter(theta):
    with pytest.raises(ValueError, match=r"2 parameters need as many values, got shapes"):
        matching.errors(Places.parameters, theta, theta)


def test_a_target_is_cut_to_a_sample_or_more():
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
        matching.fitted([0.0, 1.0], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_noise_has_the_spectrum_of_a_sound_of_any_type(dtype):
    y = (1000 * bell(512)).astype(dtype)
    noise = matching.spectral_noise(y)
    assert noise.dtype == (np.float64 if dtype == np.int16 else dtype)
    spectra = [np.abs(np.fft.rfft(each))[1:-1] for each in (noise, y.astype(np.float64))]
    np.testing.assert_allclose(*spectra, atol=0.05)


def test_distance_over_a_parameter_is_least_at_the_target():
    values = [10.0, 20.0, 40.0]
    distances = matching.distance_by_parameter(Tremolos(), LOSS, TRUTH, "f_m", values)
    assert distances.argmin() == 1


SMALL = ScatteringCoefficients(J=6, Q=4, T=256)


def bell(n=4096):
    t = np.arange(n) / 8192
    return (0.3 * np.sin(2 * np.pi * 700 * t) * (1 + np.sin(2 * np.pi * 9 * t))).astype(np.float32)


def relative_error(y, x, coefficients=SMALL):
    S, R = coefficients(y), coefficients(x)
    return np.linalg.norm(S - R) / np.linalg.norm(R)


@pytest.mark.parametrize("coefficients", [SMALL, JointCoefficients(J=6, J_fr=2, Q=4, T=256)])
def test_a_resynthesis_has_the_coefficients_of_its_target(coefficients):
    made = engine.resynthesize(bell(1024), coefficients, n_steps=30)
    assert made.error < made.errors[0] / 10
    assert relative_error(made.y, bell(1024), coefficients) == pytest.approx(made.error, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["l-bfgs", "bold-driver"])
def test_a_resynthesis_that_starts_at_the_target_stays_there(optimizer):
    made = engine.resynthesize(bell(), SMALL, n_steps=3, start=bell(), optimizer=optimizer)
    np.testing.assert_allclose(made.y, bell(), atol=1e-6)
    assert made.errors.tolist() == [0, 0, 0, 0]


def test_the_bold_driver_never_goes_up():
    made = engine.resynthesize(bell(), SMALL, n_steps=20, optimizer="bold-driver")
    assert (np.diff(made.errors) <= 0).all()
    assert made.error < made.errors[0] / 2


def test_seeds_sound_alike_and_differ():
    one, two = (engine.resynthesize(bell(), SMALL, n_steps=40, seed=seed).y for seed in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.7
    assert relative_error(one, two) < 0.1


def test_a_seed_gives_the_same_sound():
    one, two = (engine.resynthesize(bell(), SMALL, n_steps=2).y for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("optimizer", ["l-bfgs", "bold-driver"])
def test_an_interrupted_resynthesis_goes_on_as_if_it_had_not_been(optimizer):
    states = []
    options = {"optimizer": optimizer, "n_steps": 14}
    whole = engine.resynthesize(bell(), SMALL, on_state=states.append, **options)
    resumed = engine.resynthesize(bell(), SMALL, state=states[0], **options)
    np.testing.assert_allclose(resumed.errors, whole.errors, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["l-bfgs", "bold-driver"])
def test_an_interrupted_resynthesis_of_fewer_steps_begins_anew(optimizer):
    states = []
    engine.resynthesize(bell(), SMALL, n_steps=10, on_state=states.append, optimizer=optimizer)
    short = engine.resynthesize(bell(), SMALL, n_steps=4, state=states[0], optimizer=optimizer)
    assert len(short.errors) == 5


def test_pieces_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(engine, "_PIECE", 512)
    x, coefficients = bell(2048), ScatteringCoefficients(J=4, Q=2, T=64)
    made = engine.resynthesize(x, coefficients, n_steps=30)
    assert len(list(engine._pieces(2048, coefficients))) == 4
    assert relative_error(made.y, x, coefficients) == pytest.approx(made.error, rel=0.02)


def test_pieces_do_not_grow_with_the_signal(monkeypatch):
    monkeypatch.setattr(engine, "_PIECE", 2048)
    pieces = list(engine._pieces(16384, SMALL))
    assert [piece.frames.stop - piece.frames.start for piece in pieces] == [8] * 8
    assert max(piece.samples.stop - piece.samples.start for piece in pieces) == 2048 + 8 * 256


def test_a_mix_has_the_mean_of_the_coefficients():
    other = 0.5 * bell()[::-1]
    S, R = SMALL(bell()), SMALL(np.ascontiguousarray(other))
    made = engine.resynthesize(bell(), SMALL, n_steps=40, other=other, mix=0.25)
    wanted = 0.75 * S + 0.25 * R
    error = np.linalg.norm(SMALL(made.y) - wanted) / np.linalg.norm(wanted)
    assert error == pytest.approx(made.error, rel=1e-2)
    assert error < made.errors[0] / 10


def test_a_sound_of_no_weight_changes_nothing():
    other = 0.5 * bell()[::-1]
    alone = engine.resynthesize(bell(), SMALL, n_steps=3)
    same = engine.resynthesize(bell(), SMALL, n_steps=3, other=other, mix=0.0)
    np.testing.assert_array_equal(alone.y, same.y)


def test_a_tremolo_is_edited_out():
    x = bell()
    S = SMALL.transform
    meta = S.meta(8192)
    second = (meta["order"] == 2) & (np.abs(meta["carrier_hz"] - 700) < 150)
    made = engine.resynthesize(
        x, SMALL, sr=8192, n_steps=40, edits=[engine.Edit("rate", 0, 4096, 0.0)]
    )
    assert S(made.y)[second].sum() < 0.3 * S(x)[second].sum()


def test_the_first_of_two_mixed_sounds_is_not_called_their_target(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure) or [None])
    y = np.sin(np.arange(4096) / 5)
    draw_resynthesis(tmp_path, y, y, 8192, {"mono": [1.0, 0.5]}, title="a.wav, before")
    assert made[0].axes[0].get_title(loc="left") == "a.wav, before"


def test_an_edit_of_no_path_is_refused():
    with pytest.raises(ValueError, match="no path has a rate between 5000 and 6000 Hz"):
        engine.resynthesize(bell(), SMALL, sr=8192, edits=[engine.Edit("rate", 5000, 6000, 0.0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rate", 8, 4, 1.0), "0 <= low < high"),
        (("pitch", 1, 2, 1.0), '"rate" or "carrier"'),
        (("rate", 1, 2, -1.0), "gain of at least 0"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        engine.Edit(*arguments)


@pytest.mark.parametrize(
    ("target", "coefficients", "options", "message"),
    [
        (np.zeros(512), SMALL, {}, "silent"),
        (bell(), ScatteringCoefficients(J=6, T="global"), {}, "average over a scale"),
        (bell(), SMALL, {"start": np.ones(3)}, "start must have as many samples"),
        (bell(), SMALL, {"start": "zeros"}, '"spectrum", "noise" or a sound'),
        (bell(), SMALL, {"other": bell(), "mix": 1.5}, "mix must be between 0 and 1"),
        (bell(), SMALL, {"optimizer": "adam"}, "one of l-bfgs, bold-driver"),
        (bell(), SMALL, {"n_steps": -1}, "n_steps must be an integer of at least 0, got -1"),
        (np.full(512, np.nan), SMALL, {}, "finite sound"),
        (bell(), ScatteringCoefficients(J=6, eps=0.1), {}, "eps must be None and p 2, got 0.1"),
        (bell(), ScatteringCoefficients(J=6, p=1), {}, "eps must be None and p 2, got None and 1"),
    ],
)
def test_what_cannot_be_made_is_refused(target, coefficients, options, message):
    with pytest.raises(ValueError, match=message):
        engine.resynthesize(target, coefficients, **options)


def test_noise_of_a_spectrum_has_that_spectrum():
    x = bell(1000)
    noise = matching.spectral_noise(x, seed=1)
    np.testing.assert_allclose(np.abs(np.fft.rfft(noise)), np.abs(np.fft.rfft(x)), atol=1e-3)


def test_sounds_are_written_with_all_their_channels():
    y = np.array([[0, 0.5, -0.5], [1, -1, 0]])
    with wave.open(io.BytesIO(renderings.wav_bytes(y, 8000))) as file:
        samples = np.frombuffer(file.readframes(3), "<i2").reshape(3, 2)
    np.testing.assert_allclose(samples.T / (2**15 - 1), y, atol=1e-4)


def test_a_descent_that_is_done_is_recalled(tmp_path, monkeypatch):
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={"f_c": 512.0}, truth={"gamma": 1.0})
    start = task.starts(None, 1, signed=False, seed=0)[0]
    again = [tmp_path, task, WaveformLoss(), start]
    first = runs.descended(*again, name="waveform", n_steps=1)
    monkeypatch.setattr(runs, "match", None)
    second = runs.descended(*again, name="waveform", n_steps=1)
    np.testing.assert_array_equal(first.match.trajectory, second.match.trajectory)


def test_other_options_are_another_descent(tmp_path):
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={"f_c": 512.0}, truth={"gamma": 1.0})
    start = task.starts(None, 1, signed=False, seed=0)[0]
    for n_steps in (0, 1):
        runs.descended(tmp_path, task, WaveformLoss(), start, name="waveform", n_steps=n_steps)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_sounds_of_a_descent_are_its_target_its_start_and_its_end(tmp_path):
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={"f_c": 512.0}, truth={"gamma": 1.0})
    start = task.starts(None, 1, signed=False, seed=0)[0]
    near = runs.descended(tmp_path, task, WaveformLoss(), start, name="waveform", n_steps=3)
    late = dataclasses.replace(near, shift=64)
    sounds = listening.play([near, late], task)
    for names, shift in zip(listening.sound_names([near, late]), (0, 64), strict=True):
        np.testing.assert_array_equal(sounds[names.target], task.target(shift).numpy())
        for name, theta in ((names.start, start), (names.end, near.match.theta)):
            np.testing.assert_allclose(sounds[name], task.synth(theta), atol=1e-3)
    assert len(sounds) == 5  # both start alike


def test_sounds_are_written_at_their_relative_levels_to_a_peak_of_0_9(tmp_path):
    quiet = 1e-3 * np.sin(np.arange(512.0))
    listening.write_sounds(tmp_path, {"soft": quiet, "loud": 3 * quiet}, 4096)
    soft, loud = (audio.load(tmp_path / f"{name}.flac", sr=4096)[0] for name in ("soft", "loud"))
    assert np.abs(loud).max() == pytest.approx(0.9, abs=1e-3)
    np.testing.assert_allclose(3 * soft, loud, atol=1e-3)


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the pictures, which other tests of the commands look at."""
    for name in ("draw_descents", "draw_sweep", "draw_resynthesis"):
        monkeypatch.setattr(f"scatseg.figures.matching.{name}", lambda *_, **__: [])


def invoke(*arguments):
    return CliRunner().invoke(cli, ["-q", *map(str, arguments)])


@pytest.mark.parametrize(("wanted", "used"), [("", 1), ("2", 2)])
def test_commands_use_one_thread_of_torch_unless_told_otherwise(
    wanted, used, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: counts[-1])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: counts.append(n))
    counts, seen = [2], []
    measure = sweeps.distance_by_shift

    def measured(*arguments, **options):
        seen.append(torch.get_num_threads())
        return measure(*arguments, **options)

    monkeypatch.setattr(sweeps, "distance_by_shift", measured)
    sweep = ("match", "sweep", *CHIRP[:2], *KNOWN, "--loss", "waveform", "-o", tmp_path)
    assert invoke(*sweep).exit_code == 0
    assert set(seen) == {used}
    assert counts[-1] == 2


def test_the_command_descends_and_says_how_far_it_came(tmp_path):
    done = invoke(
        *("match", "descend", *CHIRP, *KNOWN, "--start", "f_m=8,gamma=1.4", "--steps", 3),
        *("--loss", "mss", "--shift", 0, "--shift", 512, "--contour", 3, "-o", tmp_path),
    )
    assert done.exit_code == 0, done.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [run["shift"] for run in scores["runs"]] == [0, 512]
    assert set(scores["runs"][0]["error"]) == {"f_c", "f_m", "gamma"}
    assert scores["runs"][0]["start"]["f_m"] == pytest.approx(8)
    page = (tmp_path / "index.html").read_text()
    assert '"url":"sounds/end-1.flac"' in page
    assert '"png":"trajectories.png"' in page
    for name in ("scores.json", "trajectories.csv", "failures.csv", "run.json"):
        assert f'"url":"{name}"' in page
    assert "torch" in json.loads((tmp_path / "run.json").read_text())["versions"]
    for name in ("sounds/end-1.flac", "sounds/target-512.flac", "assets/descents.js"):
        assert (tmp_path / name).exists()


@pytest.mark.usefixtures("undrawn")
def test_the_landscape_of_a_descent_is_told_row_by_row(tmp_path):
    asked = ("match", "descend", *CHIRP, *KNOWN, "--start", "f_m=8,gamma=1.4", "--steps", 1)
    where = ("--loss", "waveform", "--contour", 3, "-o", tmp_path)
    done = CliRunner().invoke(cli, [*map(str, (*asked, *where))])
    assert done.exit_code == 0, done.output
    told = [f"[{row}/3] waveform: row {row} of 3 of the field" for row in (1, 2, 3)]
    assert [line for line in done.stderr.splitlines() if "field" in line] == told


@pytest.mark.usefixtures("undrawn")
def test_a_recording_is_a_target_of_unknown_truth(tmp_path):
    chirp = AMChirp(gain="unit", sr=4096, duration=1.0)(np.array([512.0, 8.0, 1.5]))[1000:]
    audio.save(tmp_path / "target.wav", 0.5 * chirp, 4096)
    done = invoke(
        *("match", "descend", tmp_path / "target.wav", *CHIRP, "--starts", 1, "--steps", 1),
        *("--loss", "mss", "-o", tmp_path / "run"),
    )
    assert done.exit_code == 0, done.output
    assert "warning: the target lasts 0.756 s, the sounds of the synth 1 s" in done.stderr
    (run,) = json.loads((tmp_path / "run" / "scores.json").read_text())["runs"]
    assert run["error"] == {"f_c": None, "f_m": None, "gamma": None}


def test_a_target_outside_the_range_is_said():
    truth = {"f_m": 30.0, "gamma": 1.0}
    task = tasks.task_of(CHIRP[1], ranges={"f_m": (4, 16)}, fixed={"f_c": 512.0}, truth=truth)
    said = ["f_m=30 of the target lies outside the range searched, 4 to 16"]
    assert task.outside(task.free, "searched") == said
    assert task.outside(("gamma",), "searched") == []


def test_a_target_beside_the_field_is_said_only_of_what_is_drawn(tmp_path):
    fixed = ("--fixed", "f_m=40", "--over", "f_m,gamma", "--target-params", "f_c=99")
    where = ("--loss", "waveform", "--grid", 3, "-o", tmp_path)
    done = invoke("match", "field", *CHIRP[:2], *fixed, *where)
    assert done.exit_code == 0, done.output
    said = "warning: f_m=40 of the target lies outside the range drawn, 4 to 32\n"
    assert done.stderr == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--synth", "fm-chirp", *KNOWN), "unknown synth 'fm-chirp'"),
        (("--loss", "l3", *KNOWN), "unknown loss 'l3'"),
        (("--target-params", "f_q=3"), "unknown parameter 'f_q'"),
        (("--target-params", "f_m"), "a parameter is written name=value"),
        (("--target-params", "f_m=8,f_m=9"), "f_m is given twice"),
        (("--range", "f_m=16,4", *KNOWN), "must run from a low to a high value"),
        (("--fixed", "f_c=512,f_m=8,gamma=1", *KNOWN), "every parameter is fixed"),
        ((), "either a recording or --target-params"),
        (("--starts", 0, *KNOWN), "at least one start is needed"),
        (("--start", "f_m=99", *KNOWN), "f_m=99 is not between 4 and 32"),
        (("--device", "quark", *KNOWN), "torch has no device 'quark'"),
        (("--optimizer", "levenberg-marquardt", *KNOWN), "jtfs or scattering, which mss is not"),
        (("--contour", 2, *KNOWN), "at least 3 values a side, got 2"),
        (("a.wav", "--contour", 3), "a target of known parameters (--target-params)"),
        (("--signed", "--synth", "tremolo", "--target-params", "rate=5"), "may be negative: rate"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, arguments, message):
    done = invoke("match", "descend", *arguments, "--steps", 1, "-o", tmp_path / "run")
    assert done.exit_code == 2 or "Error" in done.output
    assert message in done.output


@pytest.mark.usefixtures("undrawn")
def test_a_loss_that_raises_is_given_up_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    (tmp_path / "bad_losses.py").write_text("def sour(x, y):\n    raise RuntimeError('sour')\n")
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ["match", "sweep", *CHIRP[:2], "--loss", "bad_losses:sour", "--loss", "waveform"]
    with pytest.raises(SystemExit, match="1"):
        main([*arguments, "-o", str(tmp_path / "run")])
    assert "bad_losses:sour failed to sweep: RuntimeError('sour')" in capsys.readouterr().err
    assert "waveform" in (tmp_path / "run" / "sweep.csv").read_text()
    assert "sour" in (tmp_path / "run" / "failures.csv").read_text()


TONE = """
import torch
from scatseg.synth import Parameter
class Tone:
    sr = 2048
    parameters = (Parameter("f", "Hz", 100.0, 900.0),)
    def __call__(self, theta):
        return {sound}
"""


def test_a_synth_of_ones_own_needs_tensors_only(tmp_path, monkeypatch):
    (tmp_path / "my_tones.py").write_text(
        TONE.format(sound="torch.sin(theta * torch.arange(512) / 326)")
    )
    monkeypatch.syspath_prepend(tmp_path)
    task = tasks.task_of("my_tones:Tone", ranges={}, fixed={}, truth={"f": 326.0})
    np.testing.assert_allclose(task.sound, np.sin(np.arange(512)), atol=1e-4)


def test_descents_of_one_parameter_have_no_plane_to_be_drawn_in(tmp_path):
    found = matching.match(Places(), squared, torch.ones(2), [1.0, 0.5], n_steps=1)
    descent = runs.Descent(loss="squared", shift=0, match=found, truth=None, seconds=0.0)
    drawn = draw_descents(tmp_path, [descent], Places.parameters[:1], None, {})
    assert [path.name for path in drawn] == ["convergence.png"]


def test_trajectories_say_which_points_are_starts_ends_and_the_target(tmp_path):
    found = matching.match(Places(), squared, torch.ones(2), [1.0, 0.5], n_steps=1)
    descent = runs.Descent(loss="squared", shift=0, match=found, truth=np.ones(2), seconds=0.0)
    plane = tuple(each.name for each in Places.parameters)
    _, path = draw_descents(tmp_path, [descent], Places.parameters, plane, {})
    svg = path.with_suffix(".svg").read_text(encoding="utf-8")
    assert all(f"<!-- {mark} -->" in svg for mark in ("start", "end", "target"))


def test_a_synth_that_plays_no_tensors_is_refused(tmp_path, monkeypatch):
    (tmp_path / "no_tones.py").write_text(TONE.format(sound="theta.astype(float)"))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="a synth that plays tensors of torch, and this one"):
        tasks.task_of("no_tones:Tone", ranges={}, fixed={}, truth={"f": 326.0})


def test_a_delay_that_leaves_nothing_is_refused():
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={}, truth={})
    with pytest.raises(
        ValueError, match="the target is silent in its 4096 samples, delayed by 5000"
    ):
        task.target(5000)


def test_what_a_start_does_not_say_is_amid_the_range_searched():
    task = tasks.task_of(CHIRP[1], ranges={"f_m": (16.0, 25.0)}, fixed={}, truth={})
    (start,) = task.starts({"gamma": 1.0}, None, signed=False, seed=0)
    assert start[1] == pytest.approx(20)


def test_a_mix_of_one_file_is_refused(tmp_path):
    audio.save(tmp_path / "bell.wav", bell(), 8192)
    done = invoke("match", "resynthesize", tmp_path / "bell.wav", "--mix", 0.3, "-o", tmp_path)
    assert (done.exit_code, "--mix is for two files" in done.output) == (2, True)


@pytest.mark.parametrize("command", ["descend", "resynthesize"])
def test_a_silent_recording_is_refused(tmp_path, command):
    audio.save(tmp_path / "silent.wav", np.zeros(9000), 8192)
    done = invoke("match", command, tmp_path / "silent.wav", "-o", tmp_path / "run")
    assert "the target is silent" in done.output


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    done = invoke("match", "field", "-o", tmp_path / "run")
    assert 'pip install "scatseg[torch]"' in done.output


def test_the_command_draws_fields_and_their_numbers(tmp_path):
    done = invoke(
        *("match", "field", *CHIRP, "--loss", "mss:n_fft=256", "--grid", 4, "--targets", 4),
        *("--shift", 0, "--shift", 512, "-o", tmp_path),
    )
    assert done.exit_code == 0, done.output
    systems = json.loads((tmp_path / "scores.json").read_text())["systems"]
    assert [(each["shift"], each["n_targets"]) for each in systems] == [(0, 4), (512, 4)]
    assert "singular values" in done.output
    rows = [row.split(",") for row in (tmp_path / "field.csv").read_text().splitlines()]
    assert (rows[0][2], len({tuple(row[2:4]) for row in rows[1:]})) == ("target_f_m", 4)
    assert {"field.png", "surface.png", "field.csv"} <= {p.name for p in tmp_path.iterdir()}


def test_the_rows_of_a_field_are_numbered(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["match", "field", *CHIRP, "--loss", "waveform", "--grid", "3", "-o", str(tmp_path)])
    told = [line for line in capsys.readouterr().err.splitlines() if "row" in line]
    assert told == [f"[{i}/3] waveform: row {i} of 3 of the field" for i in (1, 2, 3)]


def test_surfaces_of_two_losses_stand_side_by_side_and_say_what_is_up(tmp_path):
    losses = ("--loss", "mss:n_fft=256", "--loss", "waveform")
    assert invoke("match", "field", *CHIRP, *losses, "--grid", 3, "-o", tmp_path).exit_code == 0
    svg = (tmp_path / "surface.svg").read_text(encoding="utf-8")
    (left, right) = re.findall(r'<!-- loss -->\s*<g [^>]*"translate\(([\d.]+) ([\d.]+)\)', svg)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    assert float(right[0]) - float(left[0]) > 0.4 * float(width)
    assert abs(float(right[1]) - float(left[1])) < 0.1 * float(height)


def test_the_command_sweeps_delays(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "frames", functools.partial(sweeps.frames, n=2))
    done = invoke(
        *("match", "sweep", *CHIRP[:2], *KNOWN, "--loss", "mss:n_fft=256", "--frames", "--gif"),
        *("-o", tmp_path),
    )
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "sweep.csv").read_text().splitlines()
    assert (rows[0], rows[1].split(",")[0], len(rows)) == ("shift,mss:n_fft=256", "16", 8)
    assert (tmp_path / "frames.gif").read_bytes()[:4] == b"GIF8"


@pytest.mark.usefixtures("undrawn")
def test_the_command_sweeps_a_range_and_splits_losses_at_commas(tmp_path):
    swept = ("match", "sweep", *CHIRP[:2], "--target-params", "gamma=-1", "--points", 3)
    losses = ("--metric", "waveform,mss:n_fft=256,log=1+waveform:p=1", "-o", tmp_path)
    done = invoke(*swept, "--over", "gamma", "--range", "gamma=0.5,2", *losses)
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.stdout.splitlines()[:-1]]
    assert lines[0] == ["gamma", "-0.5 -1 -2"]
    assert [name for name, _ in lines[1:]] == ["waveform", "mss:n_fft=256,log=1+waveform:p=1"]
    refused = invoke(*swept, "--over", "gamma", "--range", "f_m=4,8", *losses)
    assert "--range is for the parameter that is swept" in refused.output


def test_an_animation_is_as_fast_as_it_is_asked_to_be(tmp_path):
    figure = Figure()
    ax = figure.add_subplot()
    plotting.save_animation(figure, lambda k: ax.plot([k, 1]), 3, tmp_path / "a.gif", fps=10)
    with Image.open(tmp_path / "a.gif") as animation:
        assert (animation.n_frames, animation.info["duration"]) == (3, 100)


MSS = {"mss": MultiScaleSpectralLoss(n_fft=(256,))}


@pytest.mark.parametrize("gamma", [0.5, -1.0])
def test_a_sweep_of_a_parameter_has_its_minimum_at_the_target(gamma):
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={}, truth={"gamma": gamma})
    found, _ = sweeps.sweep(task, MSS, "gamma", n_points=7)
    assert found.values[found.distances["mss"].argmin()] == pytest.approx(gamma)


def test_a_parameter_that_is_0_is_swept_over_its_range():
    synth = f"{CHIRP[1]},gain=unit"
    task = tasks.task_of(synth, ranges={}, fixed={}, truth={"gamma": 0.0})
    found, _ = sweeps.sweep(task, MSS, "gamma", n_points=3)
    np.testing.assert_allclose(found.values, [0.5, 2**0.5, 4])


@pytest.mark.parametrize(
    ("over", "truth", "label"),
    [("gamma", {"gamma": -1.0}, "-gamma (octaves/s)"), ("r", {"r": 0.0}, "r")],
)
def test_sweeps_are_drawn_along_the_scale_of_the_parameter(
    tmp_path, monkeypatch, over, truth, label
):
    name = CHIRP[1] if over == "gamma" else "additive"
    found, _ = sweeps.sweep(
        tasks.task_of(name, ranges={}, fixed={}, truth=truth), MSS, over, n_points=3
    )
    drawn = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: drawn.append(figure) or [_])
    draw_sweep(tmp_path, found)
    (ax,) = drawn[0].axes
    assert ax.get_xlabel() == label
    assert (np.diff(ax.lines[0].get_xdata()) > 0).all()


@pytest.mark.parametrize(
    ("over", "options", "message"),
    [
        ("shift", {"shift": 4}, "not delayed twice"),
        ("shift", {"in_range": True}, "shifts have no range"),
        ("gamma", {"other": {"gamma": 1.0}}, "over shift only"),
        ("delta", {}, "unknown parameter 'delta'"),
    ],
)
def test_what_does_not_go_with_a_sweep_is_refused(over, options, message):
    task = tasks.task_of(CHIRP[1], ranges={}, fixed={}, truth={})
    with pytest.raises(ValueError, match=message):
        sweeps.sweep(task, MSS, over, **options)


def test_the_command_makes_a_sound_again(tmp_path):
    stereo = np.stack([bell(), bell()[::-1]])
    (tmp_path / "bell.wav").write_bytes(renderings.wav_bytes(stereo, 8192))
    arguments = ("--sr", 8192, "--features", "scattering:J=6,Q=4/1,T=256", "--steps", 5)
    done = invoke(
        *("match", "resynthesize", tmp_path / "bell.wav", *arguments, "--channels", "each"),
        *("-o", tmp_path / "run"),
    )
    assert done.exit_code == 0, done.output
    with wave.open(str(tmp_path / "run" / "resynthesis.wav")) as file:
        assert (file.getnchannels(), file.getnframes(), file.getframerate()) == (2, 4096, 8192)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert [each["error"] < each["error_at_start"] for each in scores["channels"]] == [True, True]


def job_of(path, **options):
    return renderings.Job(files=(path,), coefficients=SMALL, sr=8192, n_steps=1, **options)


def test_a_channel_that_is_silent_stays_so(tmp_path):
    (tmp_path / "half.wav").write_bytes(renderings.wav_bytes(np.stack([bell(), 0 * bell()]), 8192))
    job = job_of(tmp_path / "half.wav", each_channel=True)
    done = renderings.run(job, renderings.read(job), tmp_path, lambda _: None)
    assert not done.results["channel 2"].y.any()
    assert "channel 2 is silent, and stays so" in done.notes


def test_an_average_longer_than_the_sound_is_said(tmp_path):
    audio.save(tmp_path / "bell.wav", bell()[:200], 8192)
    job = job_of(tmp_path / "bell.wav")
    done = renderings.run(job, renderings.read(job), tmp_path, lambda _: None)
    assert done.notes == (f"T={SMALL.T} is more than the sound's 200 samples: averaged over these",)


def test_an_excerpt_of_a_recording_is_made_again(tmp_path):
    audio.save(tmp_path / "bell.wav", bell(), 8192)
    sounds = renderings.read(job_of(tmp_path / "bell.wav", stretch=(0.1, 0.3)))
    np.testing.assert_allclose(sounds.targets[0], bell()[819:2458], atol=1e-4)


def test_an_excerpt_beyond_the_end_is_refused(tmp_path):
    audio.save(tmp_path / "bell.wav", bell(), 8192)
    with pytest.raises(ValueError, match=r"lasts 0.500 s: nothing of it is left from 1 to 0.5 s"):
        renderings.read(job_of(tmp_path / "bell.wav", stretch=(1.0, None)))


def test_a_morph_is_as_long_as_the_longer_sound(tmp_path):
    for name, n in (("a", 3000), ("b", 4096)):
        audio.save(tmp_path / f"{name}.wav", bell(n), 8192)
    files = (tmp_path / "a.wav", tmp_path / "b.wav")
    sounds = renderings.read(renderings.Job(files=files, coefficients=SMALL, sr=8192))
    assert (sounds.targets.shape, sounds.others.shape) == ((1, 4096), (1, 4096))


@pytest.mark.usefixtures("undrawn")
def test_the_command_makes_a_morph(tmp_path):
    for name, y in (("a", bell()), ("b", bell(3000)[::-1])):
        audio.save(tmp_path / f"{name}.wav", y, 8192)
    done = invoke(
        *("match", "resynthesize", "--interpolate", tmp_path / "a.wav", tmp_path / "b.wav"),
        *(
            "--sr",
            8192,
            "--features",
            "scattering:J=6,Q=4/1,T=256",
            "--steps",
            2,
            "--to",
            "0:00.25",
        ),
        *("--edit", "rate:0-200=0", "-o", tmp_path / "run"),
    )
    assert done.exit_code == 0, done.output


def test_a_loud_result_is_scaled_and_said():
    y, notes = renderings._within_scale(np.array([[0.5, -2.0]]))
    np.testing.assert_allclose(y, [[0.25, -0.999]], rtol=2e-3)
    assert "reached 2.000 of full scale" in notes[0]


def test_the_command_tells_distances(tmp_path):
    for name, n in (("a", 4096), ("b", 3000)):
        audio.save(tmp_path / f"{name}.wav", bell(n), 8192)
    done = invoke(
        *("distance", tmp_path / "a.wav", tmp_path / "b.wav", "--sr", 8192),
        *("--metric", "scattering:J=5,Q=4,waveform", "--loss", "waveform:p=1"),
    )
    assert done.exit_code == 0, done.output
    names = [line.split("\t")[0] for line in done.output.splitlines()]
    assert names == ["scattering:J=5,Q=4", "waveform", "waveform:p=1"]


def test_a_missing_recording_is_told_as_one_that_cannot_be_read(tmp_path):
    audio.save(tmp_path / "a.wav", bell(3000), 8192)
    done = invoke("distance", tmp_path / "a.wav", tmp_path / "gone.wav", "--metric", "waveform")
    assert f"{tmp_path / 'gone.wav'}: an audio file that can be read is needed" in done.output


def test_a_metric_that_nobody_knows_is_told_before_any_is_measured(tmp_path):
    audio.save(tmp_path / "a.wav", bell(3000), 8192)
    arguments = (tmp_path / "a.wav", tmp_path / "a.wav", "--metric", "waveform,loudness")
    done = invoke("distance", *arguments)
    assert done.exit_code == 2
    assert "unknown metric 'loudness'" in done.output
    assert "waveform\t" not in done.output


@pytest.mark.parametrize("n", [-1, 2.5])
def test_a_number_of_starts_is_an_integer(n):
    with pytest.raises(ValueError, match=f"n must be an integer of at least 0, got {n}"):
        matching.random_starts(AMChirp().parameters, n)


@pytest.mark.parametrize("values", [[512, 16], 1.0, [[512, 16, 1]]])
def test_signs_are_compared_for_each_parameter(values):
    with pytest.raises(ValueError, match="3 parameters need as many values, got shapes"):
        matching.opposed(AMChirp().parameters, values, [512, 8, -2])


@pytest.mark.parametrize("level", [np.nan, 0.0, -0.1])
def test_a_target_has_a_positive_level(level):
    with pytest.raises(ValueError, match="level must be positive and finite, got"):
        matching.fitted(np.ones(8), 4, level=level)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((1, 8)), r"one sound \(n_samples,\) is needed, got shape \(1, 8\)"),
        ([], "x must hold real samples, .* n_samples > 0"),
        ([1.0, np.nan], "x must be finite, got nan"),
    ],
)
def test_noise_has_the_spectrum_of_one_finite_sound(x, message):
    with pytest.raises(ValueError, match=message):
        engine.spectral_noise(x)


@pytest.mark.parametrize("sr", [-1, np.nan, 44.1])
def test_a_resynthesis_has_a_sampling_rate(sr):
    with pytest.raises(ValueError, match="sr must be a positive whole number of Hz"):
        engine.resynthesize(np.ones(256), ScatteringCoefficients(J=5), sr=sr, n_steps=0)


def test_a_sound_that_cannot_be_written_to_is_delayed(rng):
    x = rng.normal(size=64)
    x.setflags(write=False)
    distances = matching.distance_by_shift(WaveformLoss(), x, [0, 64])
    np.testing.assert_allclose(distances, [0, 1])
