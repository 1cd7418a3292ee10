"""The command line: parse arguments, call the library, return an exit status.

The only user of click and tqdm. Results go to standard output, progress to standard error. Each
group of commands has its own module; anything heavier than click is imported when a command runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from scatseg import __version__
from scatseg.cli import (
    classify,
    convert,
    datasets,
    doctor,
    evaluate,
    experiment,
    features,
    gear,
    index,
    plot,
    search,
    segment,
    synth,
)
from scatseg.cli.match import match
from scatseg.cli.outcome import (
    DONE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_FAILED,
    TERMINATED,
    USAGE,
    CustomCodeError,
    interrupts_repeated,
    termination_as_interrupt,
    text_of,
)
from scatseg.cli.resynthesize import distance
from scatseg.counts import one_line

__all__ = [
    "DONE",
    "INTERRUPTED",
    "NOTHING_DONE",
    "SOME_FAILED",
    "TERMINATED",
    "USAGE",
    "cli",
    "main",
]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    with termination_as_interrupt() as received:
        try:
            with _plain_warnings(), interrupts_repeated():
                status = cli.main(
                    args=None if arguments is None else list(arguments),
                    prog_name="scatseg",
                    standalone_mode=False,
                )
        except (click.exceptions.Abort, KeyboardInterrupt) as error:
            status, what = (TERMINATED, "terminated") if received else (INTERRUPTED, "interrupted")
            click.echo(f"{what}: {error}" if str(error) else what, err=True)
        except click.ClickException as error:
            error.message = one_line(error.message)  # type: ignore[misc]  # typed as final
            error.show()
            status = NOTHING_DONE if isinstance(error, CustomCodeError) else USAGE
        except OSError as error:
            click.echo(f"Error: {text_of(error)}", err=True)
            status = NOTHING_DONE
    _let_go_of_output()
    sys.exit(status if isinstance(status, int) else DONE)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print the package's own warnings as one line each, without code; none if quiet."""
    with warnings.catch_warnings():
        python = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not category.__module__.startswith("scatseg."):
                python(message, category, *place, **more)
                return
            context = click.get_current_context(silent=True)
            if context is None or context.obj is None or context.obj >= 0:
                click.echo(str(message), err=True)

        warnings.showwarning = show
        yield


def _let_go_of_output() -> None:
    """Redirect output to the null device if its reader is gone, so that Python exits silently."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Commands(click.Group):
    """All commands; a closed output pipe is not an error in any of them."""

    def invoke(self, context: click.Context) -> Any:
        # Click itself would exit with status 1.
        try:
            return super().invoke(context)
        except BrokenPipeError:
            _let_go_of_output()
            return DONE


def _set_loudness(context: click.Context, option: click.Parameter, value: int) -> None:
    """Set the verbosity of a command and its subcommands: -1 quiet, 0 normal, 1 or more verbose."""
    if value:
        context.obj = -1 if option.name == "quiet" else value


def _add_loudness(command: click.Command) -> None:
    """Add -q and -v to a command and all its subcommands."""
    command.params += [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_loudness,
            help="Print only results and errors.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_set_loudness,
            help="Print more details.",
        ),
    ]
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _add_loudness(each)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="scatseg %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Segment music and compare sounds on wavelet scattering features."""
    context.obj = context.obj or 0


for command in (
    segment.segment,
    evaluate.evaluate,
    evaluate.report,
    segment.demo,
    features.features,
    plot.plot,
    classify.classify,
    index.index,
    search.search,
    synth.synth,
    gear.gear,
    match,
    distance,
    convert.convert,
    datasets.datasets,
    experiment.run,
    doctor.doctor,
):
    cli.add_command(command)
_add_loudness(cli)
