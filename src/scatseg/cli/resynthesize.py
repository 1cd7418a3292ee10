"""`scatseg match resynthesize` and `scatseg distance`: invert coefficients, compare sounds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from scatseg.cli.options import FileArgument, config_option, parse_time, run_option, split_names
from scatseg.cli.outcome import DONE, custom_errors, resumable, usage_errors
from scatseg.cli.progress import Progress
from scatseg.cli.torch_runs import device_option, run_folder, seed_option

_BAND = re.compile(r"(rate|carrier):(.+?)-(.+?)=(.+)")


def _bands(_: click.Context, __: click.Parameter, items: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Read rate:LOW-HIGH=GAIN."""
    bands = []
    for item in items:
        found = _BAND.fullmatch(item)
        try:
            what, *numbers = found.groups() if found else ()
            bands.append((what, *(float(number) for number in numbers)))
        except ValueError as error:
            msg = f"needs rate:LOW-HIGH=GAIN or carrier:LOW-HIGH=GAIN, got {item!r}"
            raise click.BadParameter(msg) from error
    return bands


@click.command()
@click.argument("path", required=False, metavar="[FILE]", type=FileArgument)
@run_option
@click.option(
    "--features",
    default="scattering",
    show_default=True,
    help="scattering or jtfs, with options after a colon: jtfs:J=11,T=4096.",
)
@click.option("--from", "begin", callback=parse_time, metavar="TIME", help="Start, s or m:ss.")
@click.option("--to", "end", callback=parse_time, metavar="TIME", help="End, s or m:ss.")
@click.option("--T", "T", type=click.IntRange(1), help="Samples to average over.  [default: 8192]")
@click.option("--J-fr", "J_fr", type=click.IntRange(1), help="For jtfs.  [default: 3]")
@click.option("--interpolate", nargs=2, type=FileArgument, help="Morph between two files instead.")
@click.option(
    "--mix", type=click.FloatRange(0, 1), help="Weight of the second file.  [default: 0.5]"
)
@click.option(
    "--edit",
    "edits",
    multiple=True,
    callback=_bands,
    metavar="rate:LOW-HIGH=GAIN",
    help="Scale the coefficients of a band of modulation rates (or carriers) in Hz. Repeat for "
    "several.",
)
@click.option("--channels", type=click.Choice(["mono", "each"]), default="mono", show_default=True)
@click.option("--start", default="spectrum", show_default=True, help="spectrum, noise, or a file.")
@click.option("--steps", type=click.IntRange(0), default=100, show_default=True)
@click.option(
    "--optimizer",
    type=click.Choice(["l-bfgs", "bold-driver"]),
    default="l-bfgs",
    show_default=True,
)
@click.option("--sr", type=click.IntRange(1), default=22050, show_default=True, help="In Hz.")
@seed_option
@device_option
@config_option
@click.pass_obj
@resumable()
def resynthesize(
    verbosity: int,
    path: Path | None,
    output: Path,
    features: str,
    begin: float | None,
    end: float | None,
    T: int | None,
    J_fr: int | None,
    interpolate: tuple[Path, Path] | None,
    mix: float | None,
    edits: Sequence[Any],
    channels: str,
    start: str,
    steps: int,
    optimizer: str,
    sr: int,
    seed: int,
    device: str,
) -> int:
    """Resynthesize FILE from its scattering coefficients, by optimization from noise.

    Tone, texture and technique are preserved, exact timing is not. Rerun the same command to
    resume.
    """
    with run_folder(output):
        from scatseg.figures.matching import draw_resynthesis
        from scatseg.matching import Edit, renderings

        if (path is None) == (interpolate is None):
            msg = "resynthesis needs a FILE, or --interpolate A B"
            raise ValueError(msg)
        if mix is not None and interpolate is None:
            msg = "--mix is for two files: --interpolate A B"
            raise ValueError(msg)
        given = {"T": T, "J_fr": J_fr}
        chosen = {key: value for key, value in given.items() if value is not None}
        job = renderings.Job(
            files=(path,) if interpolate is None else interpolate,  # type: ignore[arg-type]
            coefficients=renderings.coefficients(features, chosen),
            sr=sr,
            stretch=(begin, end),
            mix=0.5 if mix is None else mix,
            edits=tuple(
                Edit(what=w, low=low, high=high, gain=gain) for w, low, high, gain in edits
            ),
            each_channel=channels == "each",
            start=start,
            n_steps=steps,
            optimizer=optimizer,
            seed=seed,
            device=device,
        )
        sounds = renderings.read(job)
        with Progress((steps + 1) * len(sounds.targets), verbosity, unit="step") as progress:
            done = renderings.run(
                job, sounds, output, lambda error: progress.step(f"error {error:.5f}")
            )
        errors = {name: each.errors for name, each in done.results.items()}
        title = _first_sound(interpolate, is_edited=bool(edits))
        draw_resynthesis(output, done.target, done.y, sr, errors, title=title)
    for name, each in done.results.items():
        click.echo(f"{name}\trelative error {each.errors[0]:.4f} to {each.error:.4f}")
    for note in done.notes:
        click.echo(f"warning: {note}", err=True)
    click.echo(output / "resynthesis.wav")
    return DONE


def _first_sound(interpolate: Sequence[Path] | None, *, is_edited: bool) -> str:
    """Say what the resynthesis is drawn beside: only a plain target has the same coefficients.

    Examples
    --------
    >>> _first_sound(None, is_edited=True)
    'target, before edits'
    >>> _first_sound([Path("a.wav"), Path("b.wav")], is_edited=False)
    'a.wav, before it is mixed with b.wav'
    """
    if interpolate is not None:
        first, second = (path.name for path in interpolate)
        return f"{first}, before it is mixed with {second}"
    return "target, before edits" if is_edited else "target"


@click.command()
@click.argument("a", type=FileArgument)
@click.argument("b", type=FileArgument)
@click.option(
    "--metric",
    "--loss",
    "metrics",
    multiple=True,
    default=("jtfs,mss,mfcc",),
    show_default=True,
    callback=split_names,
    help="jtfs, scattering, mss, logmel, mfcc, waveform, separated by commas, with options as in "
    "jtfs:J=10,Q=8,mss, or module:callable: a function (x, target) of two arrays that returns a "
    "number, or a scatseg.distances.Comparison. Repeat for several.",
)
@click.option("--sr", type=click.IntRange(1), default=22050, show_default=True, help="In Hz.")
@click.pass_obj
def distance(verbosity: int, a: Path, b: Path, metrics: Sequence[str], sr: int) -> int:
    """Compute the distance between two recordings.

    The shorter one is padded with silence.
    """
    import numpy as np

    from scatseg import audio, distances

    with usage_errors():
        for name in metrics:
            distances.comparisons(name, sr)  # before any is measured
        sounds: list[Any] = [audio.decode(path, sr=sr) for path in (a, b)]
        for path, sound in zip((a, b), sounds, strict=True):
            for warning in sound.warnings:
                click.echo(f"{path}: {warning}", err=True)
        longest = max(len(sound.y) for sound in sounds)
        x, y = (np.pad(sound.y, (0, longest - len(sound.y))) for sound in sounds)
        for name in metrics:
            with custom_errors(name, verbosity=verbosity):
                value = distances.distance(x, y, metric=name, sr=sr)
            click.echo(f"{name}\t{value:.6g}")
    return DONE
