"""`scatseg gear`: test which parameters of sounds a representation encodes."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from scatseg.cli.options import FileArgument, config_option, run_option
from scatseg.cli.outcome import resumable, status_of, usage_errors
from scatseg.cli.progress import Progress
from scatseg.cli.synth import parse_ranges, range_option, signed_option

if TYPE_CHECKING:
    from scatseg.gear import Examined, Sounds, System

_DEFAULT = ("mfcc", "scattering", "scattering:Q=8", "jtfs")


@click.command()
@click.argument("folder", required=False, type=FileArgument)
@run_option
@click.option("--synth", default="am-chirp", show_default=True, help="Synthesizer, or module:name.")
@click.option(
    "--grid", type=click.IntRange(1), default=16, show_default=True, help="Values per parameter."
)
@range_option
@signed_option
@click.option(
    "--features",
    "names",
    multiple=True,
    default=_DEFAULT,
    show_default=True,
    help="Representation: mfcc, scattering:Q=8, jtfs:T=2048, or module:callable. Repeat for "
    "several.",
)
@click.option(
    "--neighbors",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Number of nearest neighbors.",
)
@click.option(
    "--sr", type=click.IntRange(1), help="Sampling rate of FOLDER in Hz.  [default: the first's]"
)
@click.option("--device", default="", help="Torch device for synthesis, like cuda.")
@config_option
@click.pass_obj
@resumable()
def gear(verbosity: int, /, folder: Path | None, output: Path, **options: Any) -> int:
    """Test which parameters of sounds a representation encodes.

    Sounds are synthesized on a grid of parameters, or read from FOLDER, whose index.csv has a
    column `file` and one for each parameter. Rerun the same command to resume.
    """
    from scatseg import runs
    from scatseg.gear import BATCH, check_neighbors, run

    started, clock = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.time()
    with usage_errors():
        systems = _systems(options["names"])
        sounds = _sounds(folder, options)
        check_neighbors(options["neighbors"], len(sounds.theta))
        source = options["synth"] if folder is None else str(folder)
        steps = -(-len(sounds.theta) // BATCH)
        with runs.locked(output), Progress(steps, verbosity, unit="batch") as progress:
            examined, failures = run(
                output,
                sounds,
                systems,
                n_neighbors=options["neighbors"],
                source=source,
                step=progress.step,
            )
            runs.write_failures(output, failures)
            _draw(output, examined)
            facts = {**options, "folder": None if folder is None else str(folder)}
            runs.write_run(output, options=facts, started=started, seconds=time.time() - clock)
    for failure in failures:
        click.echo(f"{failure.track} failed to {failure.stage}: {failure.error}", err=True)
    click.echo(table(examined))
    click.echo(output)
    return status_of(len(systems) - len(failures), len(failures))


def _systems(names: Sequence[str]) -> list[System]:
    from scatseg.gear import System, check_system_names, representation

    unique = list(dict.fromkeys(names))
    check_system_names(unique)
    return [System(name=name, extract=representation(name)) for name in unique]


def _sounds(folder: Path | None, options: dict[str, Any]) -> Sounds:
    from scatseg.gear import played, recorded
    from scatseg.synth import synthesizer

    if folder is not None:
        if _given("synth", "grid", "ranges", "signed", "device"):
            msg = "--synth, --grid, --range, --signed and --device are for synthesizers, "
            msg += "not for a folder of sounds"
            raise ValueError(msg)
        return recorded(folder, sr=options["sr"])
    if _given("sr"):
        msg = "--sr is for a folder of sounds: a synthesizer has its own, as in am-chirp:sr=16000"
        raise ValueError(msg)
    return played(
        synthesizer(options["synth"]),
        options["grid"],
        ranges=parse_ranges(options["ranges"]),
        signed=options["signed"],
        device=options["device"],
    )


def _given(*names: str) -> bool:
    """Return whether any of these options was set, on the command line or in a file."""
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in names)


def _draw(output: Path, examined: Sequence[Examined]) -> None:
    from scatseg import plotting
    from scatseg.plotting.gear import embedding_figure, ratio_figure

    evaluations = {each.name: each.evaluation for each in examined}
    folder = output / "figures"
    folder.mkdir(exist_ok=True)
    plotting.save_figure(ratio_figure(evaluations), folder / "ratios")
    plotting.save_figure(embedding_figure(evaluations), folder / "embedding")


def table(examined: Sequence[Examined]) -> str:
    """Format errors, signs and R^2 of all systems, one per line."""
    parameters = examined[0].evaluation.parameters
    signed = list(examined[0].evaluation.sign_accuracy)
    header = ["features", "dim"]
    header += [f"{each.name} {'oct' if each.scale == 'log' else 'frac'}" for each in parameters]
    header += [f"{name} sign" for name in signed]
    header += [f"{each.name} R2" for each in parameters] + ["recall", "seconds"]
    rows = [header]
    for each in examined:
        evaluation = each.evaluation
        numbers = [*evaluation.error.values(), *evaluation.sign_accuracy.values()]
        rows.append(
            [each.name, str(evaluation.dim), *(f"{number:.3f}" for number in numbers)]
            + [f"{r2:.2f}" for r2 in evaluation.isomap_r2.values()]
            + [f"{evaluation.recall:.2f}", f"{each.seconds:.1f}"]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
