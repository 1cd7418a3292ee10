"""`scatseg match`: estimate synthesis parameters of a target, and map losses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatseg.cli.options import FileArgument, config_option, run_option, split_names
from scatseg.cli.outcome import resumable, status_of, usage_errors
from scatseg.cli.progress import Progress
from scatseg.cli.resynthesize import resynthesize
from scatseg.cli.synth import parse_ranges, parse_values, range_option
from scatseg.cli.torch_runs import device_option, run_folder, seed_option
from scatseg.counts import counted

if TYPE_CHECKING:
    from scatseg.matching import Field
    from scatseg.matching.runs import Descent
    from scatseg.matching.tasks import Task
    from scatseg.runs import Failure
    from scatseg.synth import Parameter

Values = dict[str, float]


def _named_values(_: click.Context, __: click.Parameter, text: str | None) -> Values | None:
    """Read name=value,name=value."""
    if text is None:
        return None
    try:
        return parse_values(text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_synth = click.option(
    "--synth",
    default="am-chirp",
    show_default=True,
    help="am-chirp, additive, ripple, vibrato, trill, tremolo, flatterzunge, bisbigliando, with "
    "options after a colon, or module:name.",
)
_losses = click.option(
    "--loss",
    "--metric",
    "losses",
    multiple=True,
    default=("jtfs,mss",),
    show_default=True,
    callback=split_names,
    help="jtfs, scattering, mss, logmel, mfcc, waveform, separated by commas, with options as in "
    "jtfs:J=10,Q=8,mss, or module:callable: a function (x, target) of two tensors that returns a "
    "differentiable scalar, or a scatseg.distances.Comparison. Repeat for several.",
)
_truth = click.option(
    "--target-params",
    "truth",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="Synthesize the target from these.",
)
_fixed = click.option(
    "--fixed",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="Parameters to hold fixed.",
)
_shifts = click.option(
    "--shift",
    "shifts",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0,),
    show_default=True,
    help="Delay of the target in samples. Repeat for several.",
)


@click.group()
def match() -> None:
    """Match sounds by gradient descent, map loss landscapes, invert coefficients.

    Needs the torch extra: pip install "scatseg[torch]".
    """


def _check_squares(losses: Mapping[str, object]) -> None:
    """Raise a ValueError that names a loss without squares, as Levenberg-Marquardt needs them."""
    from scatseg.losses import check_squares

    for name, loss in losses.items():
        try:
            check_squares(loss)
        except ValueError as error:
            msg = (
                "--optimizer levenberg-marquardt needs losses with a norm of order 2, such as "
                f"--loss jtfs or scattering, which {name} is not"
            )
            raise ValueError(msg) from error


@match.command()
@click.argument("target", required=False, type=FileArgument)
@run_option
@_synth
@_losses
@_truth
@_fixed
@click.option("--start", metavar="NAME=VALUE,...", callback=_named_values, help="Starting point.")
@click.option(
    "--starts",
    type=click.IntRange(0),
    help="Number of random starts.  [default: 8; 0 with --start]",
)
@click.option("--signed", is_flag=True, help="Start from both signs of signed parameters.")
@range_option
@_shifts
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "bold-driver", "l-bfgs", "levenberg-marquardt"]),
    default="adam",
    show_default=True,
)
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=0.1, show_default=True)
@click.option(
    "--contour",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Draw the loss under the trajectories, on a grid of this many values per side (needs "
    "--target-params).",
)
@seed_option
@device_option
@config_option
@click.pass_obj
@resumable()
def descend(
    verbosity: int,
    target: Path | None,
    output: Path,
    synth: str,
    losses: Sequence[str],
    truth: Values | None,
    fixed: Values | None,
    start: Values | None,
    starts: int | None,
    signed: bool,
    ranges: tuple[str, ...],
    shifts: tuple[int, ...],
    steps: int,
    optimizer: str,
    lr: float,
    contour: int,
    seed: int,
    device: str,
) -> int:
    """Find the synthesis parameters of TARGET, a recording or a sound of known parameters.

    Known parameters are only used to report the error of the result. Rerun the same command to
    resume.
    """
    if 0 < contour < 3:
        msg = f"--contour needs 0, for none, or at least 3 values a side, got {contour}"
        raise click.UsageError(msg)
    if contour and target is not None:
        msg = "--contour draws the loss of a target of known parameters (--target-params)"
        raise click.UsageError(msg)
    with run_folder(output):
        from scatseg.figures.matching import draw_descents
        from scatseg.losses import loss_named
        from scatseg.matching import runs
        from scatseg.matching.tasks import task_of
        from scatseg.report.descents import build_descents

        task = task_of(
            synth,
            ranges=parse_ranges(ranges),
            fixed=fixed or {},
            truth=truth,
            recording=target,
        )
        _say(task.notes)
        if task.truth is not None:
            outside = task.outside(task.free, "searched")
            _say([f"{each}: at best, its bound can be found" for each in outside])
        rows = task.starts(start, starts, signed=signed, seed=seed)
        known = {name: loss_named(name, task.synth.sr) for name in losses}
        if optimizer == "levenberg-marquardt":
            _check_squares(known)
        with Progress(len(known) * len(shifts) * len(rows), verbosity, unit="descent") as progress:
            descents, failures = runs.descents(
                output / "matches",
                task,
                known,
                rows,
                shifts=shifts,
                device=device,
                on_descent=lambda done: progress.step(_told(done, task.parameters)),
                n_steps=steps,
                optimizer=optimizer,
                lr=lr,
            )
        facts = {"synth": synth, "target": truth or str(target), "optimizer": optimizer}
        scores = runs.write_descents(output, descents, task.parameters, facts | {"seed": seed})
        plane = task.plane() if len(task.parameters) > 1 else None
        contours: dict[tuple[str, int], Field] = {}
        if contour and plane is not None and task.truth is not None:
            drawn = list(dict.fromkeys(each.loss for each in descents))
            with Progress(contour * len(drawn), verbosity, unit="row") as progress:
                for name in drawn:
                    done = _rows_told(progress, name, contour)
                    for each in _fields(
                        task, known[name], [task.truth], plane, contour, shifts, device, done
                    ):
                        contours[name, each.shift] = each
        if descents:
            draw_descents(output, descents, task.parameters, plane, contours)
        _tell(output, failures)
    if descents:  # the page offers failures.csv and run.json, which are now there
        with usage_errors():
            build_descents(output, descents, task)
    _say(runs.bounds_reached(descents))
    for row in scores["summary"]:
        click.echo(_summed_up(row))
    click.echo(output)
    return status_of(len(known) - len(failures), len(failures))


def _summed_up(row: dict[str, Any]) -> str:
    """Format the best descent of a loss, and how many found the target, in one line."""
    best = " ".join(f"{name}={value:.4g}" for name, value in row["best"].items())
    found = ""
    if row["n_found"] is not None:
        found = f"\t{row['n_found']} of {row['n_runs']} descents found the target"
    return f"{row['loss']}\tshift {row['shift']}\tbest {best}{found}"


def _tell(output: Path, failures: Sequence[Failure]) -> None:
    """Write failures.csv and print the failures."""
    from scatseg import runs

    runs.write_failures(output, failures)
    for each in failures:
        click.echo(f"{each.track} failed to {each.stage}: {each.error}", err=True)


def _told(descent: Descent, parameters: Sequence[Parameter]) -> str:
    """Format the result of a descent in one line."""
    theta = " ".join(
        f"{p.name}={value:.4g}" for p, value in zip(parameters, descent.match.theta, strict=True)
    )
    worst = descent.worst(parameters)
    known = "" if worst is None else f", off by at most {worst:.3f}"
    took = f"{counted(descent.match.n_steps, 'step')}, {descent.seconds:.1f} s"
    return f"{descent.loss} shift {descent.shift}: {theta}{known}, {took}"


def _say(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"warning: {note}", err=True)


def _fields(
    task: Task,
    loss: Any,
    targets: Sequence[Any],
    over: tuple[str, str],
    n: int,
    shifts: Sequence[int],
    device: str,
    on_point: Callable[[], object],
) -> list[Field]:
    from scatseg.matching import fields

    return fields(
        task.synth,
        loss,
        targets,
        over=over,
        n=n,
        shifts=shifts,
        parameters=task.parameters,
        device=device,
        batch=1 if device == "cpu" else 16,
        on_point=on_point,
    )


def _rows_told(progress: Progress, name: str, n: int) -> Callable[[], None]:
    """Return what counts the points of a field of n by n, and reports each row."""
    points_done = itertools.count(1)

    def on_point() -> None:
        row, column = divmod(next(points_done), n)
        if column == 0:
            progress.step(f"{name}: row {row} of {n} of the field")

    return on_point


@match.command()
@run_option
@_synth
@_losses
@_truth
@_fixed
@range_option
@_shifts
@click.option(
    "--grid",
    type=click.IntRange(3),
    default=20,
    show_default=True,
    help="Values per side; cost grows with the square.",
)
@click.option(
    "--targets",
    type=click.Choice(["1", "4", "9", "16"]),
    default="1",
    show_default=True,
    help="Number of targets inside the grid, unless --target-params is given.",
)
@click.option(
    "--over",
    metavar="NAME,NAME",
    default="",
    help="The two parameters of the plane.  [default: the last two that are not fixed]",
)
@device_option
@config_option
@click.pass_obj
def field(
    verbosity: int,
    output: Path,
    synth: str,
    losses: Sequence[str],
    truth: Values | None,
    fixed: Values | None,
    ranges: tuple[str, ...],
    shifts: tuple[int, ...],
    grid: int,
    targets: str,
    over: str,
    device: str,
) -> int:
    """Draw losses and their gradients over two parameters.

    Without --target-params the target is the center of the grid: f_m 8.3 Hz and gamma 1.49
    octaves/s where f_m runs from 4 to 16.
    """
    with run_folder(output):
        from scatseg.figures.matching import draw_fields
        from scatseg.losses import loss_named
        from scatseg.matching import inner_points, runs, sensitivities
        from scatseg.matching.tasks import task_of
        from scatseg.runs import attempted

        task = task_of(synth, ranges=parse_ranges(ranges), fixed=fixed or {}, truth=truth or {})
        for delay in shifts:
            task.target(delay)
        plane = task.plane(tuple(each.strip() for each in over.split(",") if each.strip()))
        _say(task.outside(plane, "drawn"))
        n_side = round(int(targets) ** 0.5)
        points = [task.known_truth]
        if truth is None:
            points = list(inner_points(task.parameters, points[0], plane, grid, n_side))
        known = {name: loss_named(name, task.synth.sr) for name in losses}
        singular_values: dict[str, Any] = {}
        with Progress(grid * len(known), verbosity, unit="row") as progress:

            def mapped(name: str) -> list[Field]:
                done = _rows_told(progress, name, grid)
                found = _fields(task, known[name], points, plane, grid, shifts, device, done)
                values = sensitivities(task.synth, known[name], points[len(points) // 2])
                singular_values[name] = None if values is None else values.tolist()
                return found

            by_loss, failures = attempted(known, "map", mapped)
        facts = {"synth": synth, "grid": grid, "singular_values": singular_values}
        scores = runs.write_fields(output, by_loss, plane, facts)
        if by_loss:
            draw_fields(output, by_loss)
        _tell(output, failures)
    for row in scores["systems"]:
        click.echo(
            f"{row['loss']}\tshift {row['shift']}\t"
            f"arrows towards the target {row['pointing']:.1%}\t"
            f"local minima {row['n_minima']:.1f}\t"
            f"minimum at the target {row['minimum_at_target']:.0%}" + _at(row, plane)
        )
    for name, values in singular_values.items():
        if values is not None:
            listed = ", ".join(f"{value:.3g}" for value in values)
            click.echo(f"{name}\tsingular values of the Jacobian {listed}")
    click.echo(output)
    return status_of(len(by_loss), len(failures))


def _at(row: dict[str, Any], plane: Sequence[str]) -> str:
    """Format where the loss is least; empty for several targets."""
    if row["n_targets"] > 1:
        return ""
    pairs = zip(plane, row["minimum"][0], strict=True)
    return ", at " + " ".join(f"{name}={value:.4g}" for name, value in pairs)


@match.command()
@run_option
@_synth
@_losses
@_truth
@_fixed
@click.option("--over", default="shift", show_default=True, help="shift, or a parameter name.")
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME=LOW,HIGH",
    help="Range of the parameter.  [default: an eighth to eight times its value on a logarithmic "
    "scale, all on a linear one]",
)
@click.option(
    "--other",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="With --over shift: compare with the target changed by these, not with itself.",
)
@click.option(
    "--shift",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Delay of the target in samples.",
)
@click.option("--points", type=click.IntRange(2), help="Number of parameter values.  [default: 21]")
@click.option("--frames", is_flag=True, help="Also draw both sounds at each delay.")
@click.option("--gif", is_flag=True, help="The same as an animation.")
@device_option
@config_option
def sweep(
    output: Path,
    synth: str,
    losses: Sequence[str],
    truth: Values | None,
    fixed: Values | None,
    over: str,
    ranges: tuple[str, ...],
    other: Values | None,
    shift: int,
    points: int | None,
    frames: bool,
    gif: bool,
    device: str,
) -> int:
    """Draw distances against the delay or a parameter of a sound."""
    if over == "shift" and points is not None:
        msg = "--points is for a parameter (--over NAME): delays are powers of two"
        raise click.UsageError(msg)
    with run_folder(output):
        from scatseg.figures.matching import draw_frames, draw_sweep
        from scatseg.losses import loss_named
        from scatseg.matching import runs, sweeps
        from scatseg.matching.tasks import task_of

        given = parse_ranges(ranges)
        if given.keys() - {over}:
            msg = f"--range is for the parameter that is swept (--over), got {', '.join(given)}"
            raise ValueError(msg)
        task = task_of(synth, ranges=given, fixed=fixed or {}, truth=truth or {})
        _say(task.outside(given, "drawn"))
        known = {name: loss_named(name, task.synth.sr) for name in losses}
        found, failures = sweeps.sweep(
            task,
            known,
            over,
            in_range=over in given,
            other=other,
            shift=shift,
            n_points=points or 21,
            device=device,
        )
        facts = {"synth": synth, "target": truth or {}, "other": other, "shift": shift}
        runs.write_sweep(output, found, facts)
        if found.distances:
            draw_sweep(output, found)
            if frames or gif:
                working = {name: known[name] for name in found.distances}
                draw_frames(output, sweeps.frames(task, working, other, device), gif=gif)
        _tell(output, failures)
    for name, column in {over: found.values, **found.distances}.items():
        click.echo(name + "\t" + " ".join(f"{value:.4g}" for value in column))
    click.echo(output)
    return status_of(len(found.distances), len(failures))


match.add_command(resynthesize)
