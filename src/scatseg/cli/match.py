"""`scatseg match`: parameters that play a target, and what losses look like."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatseg.cli.options import FileArgument, config_option
from scatseg.cli.outcome import DONE, usage_errors
from scatseg.cli.progress import Progress
from scatseg.cli.resynthesize import resynthesize
from scatseg.cli.synth import parse_ranges, range_option

if TYPE_CHECKING:
    from scatseg.matching import Field
    from scatseg.matching.runs import Descent
    from scatseg.matching.tasks import Task
    from scatseg.synth import Parameter

Values = dict[str, float]


def _named_values(_: click.Context, __: click.Parameter, text: str | None) -> Values | None:
    """Read name=value,name=value."""
    if text is None:
        return None
    values = {}
    for item in text.split(","):
        name, _equals, number = item.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            msg = f"needs name=value,name=value with numbers, got {text!r}"
            raise click.BadParameter(msg) from None
    return values


_synth = click.option(
    "--synth", default="am-chirp", show_default=True, help="By name, or module:name."
)
_losses = click.option(
    "--loss",
    "losses",
    multiple=True,
    default=("jtfs", "mss"),
    show_default=True,
    help="jtfs, scattering, mss, logmel, mfcc, waveform, with options after a colon, or "
    "module:callable. Repeat for several.",
)
_truth = click.option(
    "--target-params",
    "truth",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="Play the target from these.",
)
_fixed = click.option(
    "--fixed",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="Parameters that are known and stay.",
)
_shifts = click.option(
    "--shift",
    "shifts",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0,),
    show_default=True,
    help="Samples by which the target is delayed; repeat.",
)
_device = click.option("--device", default="cpu", show_default=True, help="As torch names it.")
_seed = click.option("--seed", type=int, default=0, show_default=True)
_output = click.option("-o", "--output", required=True, type=FileArgument, help="The run folder.")


@contextlib.contextmanager
def run_folder(output: Path) -> Iterator[None]:
    """Look for torch, hold the run folder, and write run.json at the end."""
    import importlib.util

    from scatseg import runs

    if importlib.util.find_spec("torch") is None:
        msg = 'matching needs the torch extra: pip install "scatseg[torch]"'
        raise click.ClickException(msg)
    options = {name: _plain(value) for name, value in click.get_current_context().params.items()}
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    clock = time.perf_counter()
    with usage_errors(), runs.locked(output):
        yield
        seconds = time.perf_counter() - clock
        runs.write_run(output, options=options, started=started, seconds=seconds)


def _plain(value: Any) -> Any:
    """Write paths as text, alone or in a tuple."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


@click.group()
def match() -> None:
    """Match sounds by descent, see what losses look like, make sounds from coefficients.

    Needs the torch extra: pip install "scatseg[torch]".
    """


@match.command()
@click.argument("target", required=False, type=FileArgument)
@_output
@_synth
@_losses
@_truth
@_fixed
@click.option("--start", metavar="NAME=VALUE,...", callback=_named_values, help="A start.")
@click.option(
    "--starts", type=click.IntRange(0), help="Random starts.  [default: 8; 0 beside --start]"
)
@click.option("--signed", is_flag=True, help="Start from both signs of what may be negative.")
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
    help="Draw the loss below the trajectories, on a grid of so many values a side.",
)
@_seed
@_device
@config_option
@click.pass_obj
def descend(
    verbosity: int,
    target: Path | None,
    output: Path,
    synth: str,
    losses: tuple[str, ...],
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
    """Find the parameters that play TARGET, a recording or a sound of known parameters.

    How far a descent ends from known parameters is told, and not looked at by the descent. The
    same command goes on where it was interrupted.
    """
    with run_folder(output):
        from scatseg.figures.matching import draw_descents
        from scatseg.losses import loss_named
        from scatseg.matching import runs
        from scatseg.matching.tasks import task_of

        task = task_of(
            synth, ranges=parse_ranges(ranges), fixed=fixed or {}, truth=truth, recording=target
        )
        _say(task.notes)
        rows = task.starts(start, starts, signed=signed, seed=seed)
        known = {name: loss_named(name, task.synth.sr) for name in losses}
        descents: list[Descent] = []
        with Progress(len(known) * len(shifts) * len(rows), verbosity) as progress:
            for name, shift in ((name, shift) for name in known for shift in shifts):
                for row in rows:
                    done = runs.descended(
                        *(output / "matches", task, name, known[name], row),
                        shift=shift,
                        device=device,
                        n_steps=steps,
                        optimizer=optimizer,
                        lr=lr,
                    )
                    descents.append(done)
                    progress.step(_told(done, task.parameters))
        facts = {"synth": synth, "target": truth or str(target), "optimizer": optimizer}
        scores = runs.write_descents(output, descents, task.parameters, facts | {"seed": seed})
        contours: dict[tuple[str, int], Field] = {}
        if contour and task.truth is not None:
            for name, loss in known.items():
                for each in _fields(
                    task, loss, [task.truth], task.plane(), contour, shifts, device
                ):
                    contours[name, each.shift] = each
        draw_descents(output, descents, task.parameters, task.plane(), contours)
        runs.write_listening_page(output, descents, task)
    _say(runs.bounds_reached(descents))
    for row in scores["summary"]:
        found = f"{row['n_within_0.05']} of " if "n_within_0.05" in row else ""
        said = f"{found}{row['n_runs']} descents" + (" within 0.05" if found else "")
        click.echo(f"{row['loss']}\tshift {row['shift']}\t{said}")
    click.echo(output)
    return DONE


def _told(descent: Descent, parameters: Sequence[Parameter]) -> str:
    """Say in a line where a descent led."""
    theta = " ".join(
        f"{p.name}={value:.4g}" for p, value in zip(parameters, descent.match.theta, strict=True)
    )
    errors = [abs(e) for e in descent.errors(parameters).values() if e is not None]
    known = f", off by at most {max(errors):.3f}" if errors else ""
    return (
        f"{descent.loss} shift {descent.shift}: {theta}{known}, {descent.match.n_steps} steps, "
        f"{descent.seconds:.1f} s"
    )


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
    progress: Progress | None = None,
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
        on_point=None if progress is None else (lambda: progress.step("point")),
    )


@match.command()
@_output
@_synth
@_losses
@_truth
@_fixed
@range_option
@_shifts
@click.option(
    "--grid", type=click.IntRange(3), default=20, show_default=True, help="Values a side."
)
@click.option(
    "--targets",
    type=click.Choice(["1", "4", "9", "16"]),
    default="1",
    show_default=True,
    help="So many targets inside the grid, unless --target-params names one.",
)
@click.option("--over", metavar="NAME,NAME", default="", help="What spans the plane.")
@_device
@config_option
@click.pass_obj
def field(
    verbosity: int,
    output: Path,
    synth: str,
    losses: tuple[str, ...],
    truth: Values | None,
    fixed: Values | None,
    ranges: tuple[str, ...],
    shifts: tuple[int, ...],
    grid: int,
    targets: str,
    over: str,
    device: str,
) -> int:
    """Draw losses over two parameters, and where their gradients lead.

    Without --target-params the target is the middle point of the grid, f_m 8.3 Hz and gamma 1.49
    octaves/s where f_m runs from 4 to 16.
    """
    with run_folder(output):
        from scatseg.figures.matching import draw_fields
        from scatseg.losses import loss_named
        from scatseg.matching import inner_points, runs, sensitivities
        from scatseg.matching.tasks import task_of

        task = task_of(synth, ranges=parse_ranges(ranges), fixed=fixed or {}, truth=truth or {})
        _say(task.notes)
        plane = task.plane(tuple(each.strip() for each in over.split(",") if each.strip()))
        n_side = round(int(targets) ** 0.5)
        points = [task.known_truth]
        if truth is None:
            points = list(inner_points(task.parameters, points[0], plane, grid, n_side))
        by_loss: dict[str, Sequence[Field]] = {}
        heard: dict[str, Any] = {}
        for name in losses:
            loss = loss_named(name, task.synth.sr)
            with Progress(grid**2, verbosity) as progress:
                by_loss[name] = _fields(task, loss, points, plane, grid, shifts, device, progress)
            values = sensitivities(task.synth, loss, points[len(points) // 2])
            heard[name] = None if values is None else values.tolist()
        facts = {"synth": synth, "grid": grid, "over": list(plane), "singular_values": heard}
        scores = runs.write_fields(output, by_loss, facts)
        draw_fields(output, by_loss)
    for row in scores["systems"]:
        click.echo(
            f"{row['loss']}\tshift {row['shift']}\t"
            f"arrows towards the target {row['pointing']:.1%}\t"
            f"local minima {row['n_minima']:.1f}\t"
            f"minimum at the target {row['minimum_at_target']:.0%}"
        )
    for name, values in heard.items():
        if values is not None:
            listed = ", ".join(f"{value:.3g}" for value in values)
            click.echo(f"{name}\tsingular values of the Jacobian {listed}")
    click.echo(output)
    return DONE


@match.command()
@_output
@_synth
@_losses
@_truth
@_fixed
@click.option("--over", default="shift", show_default=True, help="shift, or a parameter.")
@click.option(
    "--other",
    metavar="NAME=VALUE,...",
    callback=_named_values,
    help="Compare with this sound; over shift with the sound itself when absent.",
)
@click.option(
    "--shift", type=click.IntRange(0), default=0, show_default=True, help="Of the target, samples."
)
@click.option("--points", type=click.IntRange(2), default=21, show_default=True)
@click.option("--frames", is_flag=True, help="Also draw two sounds while one is delayed.")
@click.option("--gif", is_flag=True, help="The same, moving.")
@_device
@config_option
def sweep(
    output: Path,
    synth: str,
    losses: tuple[str, ...],
    truth: Values | None,
    fixed: Values | None,
    over: str,
    other: Values | None,
    shift: int,
    points: int,
    frames: bool,
    gif: bool,
    device: str,
) -> int:
    """Draw distances while a sound is delayed, or one of its parameters changed."""
    with run_folder(output):
        from scatseg.figures.matching import draw_frames, draw_sweep
        from scatseg.losses import loss_named
        from scatseg.matching import runs, sweeps
        from scatseg.matching.tasks import task_of

        task = task_of(synth, ranges={}, fixed=fixed or {}, truth=truth or {})
        known = {name: loss_named(name, task.synth.sr) for name in losses}
        found = sweeps.sweep(
            task, known, over, other=other, shift=shift, n_points=points, device=device
        )
        facts = {"synth": synth, "target": truth or {}, "other": other, "shift": shift}
        runs.write_sweep(output, found, facts)
        draw_sweep(output, found)
        if frames or gif:
            draw_frames(output, sweeps.frames(task, known, other, device), gif=gif)
    for name, column in found.distances.items():
        click.echo(name + "\t" + " ".join(f"{value:.3g}" for value in column))
    click.echo(output)
    return DONE


match.add_command(resynthesize)
