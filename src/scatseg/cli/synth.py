"""`scatseg synth`: synthesize sounds from parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import FileArgument, check_folder
from scatseg.cli.outcome import DONE, usage_errors
from scatseg.cli.progress import followed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scatseg.synth import Synth

range_option = click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME=LOW,HIGH",
    help="Override the range of a parameter. Repeat for several.",
)
signed_option = click.option(
    "--signed", is_flag=True, help="Cover both signs of parameters that may be negative."
)


def parse_ranges(items: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Read NAME=LOW,HIGH.

    Examples
    --------
    >>> parse_ranges(["f_m=4,16"])
    {'f_m': (4.0, 16.0)}
    """
    ranges: dict[str, tuple[float, float]] = {}
    for item in items:
        name, _, text = item.partition("=")
        try:
            low, high = (float(part) for part in text.split(","))
        except ValueError as error:
            msg = f"a range is written name=low,high, got {item!r}"
            raise ValueError(msg) from error
        ranges[_new(name, ranges)] = (low, high)
    return ranges


def parse_values(items: Sequence[str]) -> dict[str, float]:
    """Read NAME=VALUE.

    Examples
    --------
    >>> parse_values(["f_m=8", "gamma=-1.5"])
    {'f_m': 8.0, 'gamma': -1.5}
    """
    values: dict[str, float] = {}
    for item in items:
        name, _, text = item.partition("=")
        try:
            value = float(text)
        except ValueError as error:
            msg = f"a parameter is written name=value, the value a number, got {item!r}"
            raise ValueError(msg) from error
        values[_new(name, values)] = value
    return values


def _new(name: str, values: Mapping[str, object]) -> str:
    """Return the name of a parameter, unless it has a value."""
    name = name.strip()
    if name in values:
        msg = f"{name} is given twice"
        raise ValueError(msg)
    return name


@click.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "-o", "--output", required=True, type=FileArgument, help="Audio file, or folder for a grid."
)
@click.option("--grid", type=click.IntRange(1), help="Values per parameter: a folder of sounds.")
@range_option
@signed_option
@click.pass_obj
def synth(
    verbosity: int,
    name: str,
    values: tuple[str, ...],
    output: Path,
    grid: int | None,
    ranges: tuple[str, ...],
    signed: bool,
) -> int:
    """Synthesize one sound, or a grid of sounds with an index.csv.

    NAME is am-chirp, additive, ripple, vibrato, trill, tremolo, flatterzunge, bisbigliando, or
    module:name, with options as in am-chirp:gain=energy. Parameters default to mid-range. Sounds
    that exceed full scale are scaled down, all sounds of a grid by the same factor.
    """
    from scatseg.synth import synthesizer, theta_of

    if grid is not None:
        check_folder(output)
    elif output.is_dir():
        msg = f"{output} is a folder, a file is needed for one sound (or --grid N for many)"
        raise click.UsageError(msg)
    else:
        check_folder(output.parent)
    with usage_errors():
        play = synthesizer(name)
        if grid is None:
            if ranges or signed:
                msg = "--range and --signed need --grid"
                raise ValueError(msg)
            _save_one(play, theta_of(play, parse_values(values)), output)
        else:
            if values:
                msg = f"a grid takes all values of its ranges: leave out {' '.join(values)}"
                raise ValueError(msg)
            _save_grid(play, grid, parse_ranges(ranges), output, signed=signed, verbosity=verbosity)
    click.echo(output)
    return DONE


def _save_one(play: Synth, theta: NDArray[np.float64], output: Path) -> None:
    from scatseg import audio

    y = play(theta)
    output.parent.mkdir(parents=True, exist_ok=True)
    audio.save(output, y / max(1.0, float(abs(y).max())), play.sr)


def _save_grid(
    play: Synth,
    n: int,
    ranges: dict[str, tuple[float, float]],
    output: Path,
    *,
    signed: bool,
    verbosity: int,
) -> None:
    """Write audio/ and index.csv; sounds are synthesized twice, to find the loudest first."""
    from scatseg import audio
    from scatseg.synth import grid, ranged
    from scatseg.writing import atomic_write, rows_as_csv

    parameters = ranged(play, ranges)
    thetas = grid(parameters, n, signed=signed)

    def shown() -> Iterable[NDArray[np.float64]]:
        return followed(thetas, len(thetas), verbosity, unit="sound")

    loudest = max(1.0, *(float(abs(play(theta)).max()) for theta in shown()))
    digits = len(str(len(thetas) - 1))
    (output / "audio").mkdir(parents=True, exist_ok=True)
    rows = [["file", *(each.name for each in parameters)]]
    for i, theta in enumerate(shown()):
        file = f"audio/{i:0{digits}}.wav"
        audio.save(output / file, play(theta) / loudest, play.sr)
        rows.append([file, *(f"{value:.9g}" for value in theta)])
    atomic_write(output / "index.csv", rows_as_csv(rows).encode())
