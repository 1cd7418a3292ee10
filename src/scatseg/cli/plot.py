"""`scatseg plot`: recordings, or the options of a transform, in; pictures out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from scatseg.cli.options import (
    FileArgument,
    check_folder,
    features_option,
    joined,
    parse_time,
    segmenter_features_option,
)
from scatseg.cli.outcome import DONE, custom_errors, usage_errors
from scatseg.cli.progress import followed


def _integers(_: click.Context, __: click.Parameter, text: str) -> tuple[int, ...]:
    """Read one integer or several: 8, or 12,2, or 12/2."""
    try:
        numbers = tuple(int(part) for part in text.replace("/", ",").split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        msg = f"{text!r} is not a list of positive integers like 8 or 12,2"
        raise click.BadParameter(msg)
    return numbers


def _pair(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, int]:
    """Read wavelets per octave of both layers: one integer means 1 in the second."""
    first, second, *more = (*_integers(context, parameter, text), 1)
    if len(more) > 1:
        msg = f"{text!r} is neither one integer nor two"
        raise click.BadParameter(msg)
    return first, second


def _option(name: str, kind: Any, default: Any, text: str, **rest: Any) -> Callable[[Any], Any]:
    """Make an option that keeps the capital letters of its name: --J-fr is J_fr."""
    shown = {"show_default": True, "default": default} if default is not None else {}
    return click.option(f"--{name}", name.replace("-", "_"), type=kind, help=text, **(shown | rest))


def _J(default: int) -> Callable[[Any], Any]:
    return _option("J", click.IntRange(1), default, "Log2 of the largest scale in samples.")


def _Q(default: int) -> Callable[[Any], Any]:
    return _option("Q", click.IntRange(1), default, "Wavelets per octave.")


def _Q_pair(default: str) -> Callable[[Any], Any]:
    text = "Wavelets per octave, in both layers."
    return _option("Q", str, default, text, callback=_pair, metavar="Q1[,Q2]")


def _sr(default: int = 22050) -> Callable[[Any], Any]:
    return _option("sr", click.IntRange(1), default, "Sampling rate in Hz.")


def _picture(_: click.Context, __: click.Parameter, path: Path) -> Path:
    """Reject what cannot be a picture at once, before anything heavy is imported."""
    if path.suffix not in (".png", ".svg"):
        msg = f"figures are written as .png or .svg, got {path.name!r}"
        raise click.BadParameter(msg)
    check_folder(path.parent)
    return path


_output = click.option(
    "-o",
    "--output",
    required=True,
    type=FileArgument,
    callback=_picture,
    help="A .png or .svg file.",
)
_file = click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_segmenter = click.option("--segmenter", default="default", show_default=True, help="Segmenter.")
_excerpt = joined(
    _option(
        "from",
        str,
        None,
        "Start, in seconds or m:ss.",
        callback=parse_time,
        metavar="TIME",
    ),
    _option("to", str, None, "End, in seconds or m:ss.", callback=parse_time, metavar="TIME"),
)
_T = _option("T", click.IntRange(1), None, "Samples to average over.  [default: 2^J]")
_time = _option("time", str, None, "Show only this time.", callback=parse_time, metavar="TIME")


def _written(draw: str, *arguments: Path, **options: Any) -> int:
    """Call a function of `scatseg.figures` and print the file it wrote."""
    from scatseg import figures

    if "from" in options:
        options["stretch"] = (options.pop("from"), options.pop("to"))
    names = options.get("features"), options.get("segmenter")
    verbosity = click.get_current_context().obj
    with usage_errors(), custom_errors(*names, verbosity=verbosity):
        click.echo(getattr(figures, draw)(*arguments, **options))
    return DONE


def _followed() -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """Return what shows progress over the transforms of a figure that takes long."""
    verbosity = click.get_current_context().obj
    return functools.partial(followed, verbosity=verbosity, unit="transform")


@click.group()
def plot() -> None:
    """Draw recordings, and the wavelets of the transform.

    -o OUT.png or OUT.svg writes both, and for scattering OUT.npz with the data drawn.
    """


@plot.command()
@_file
@_output
@segmenter_features_option
@_segmenter
@_excerpt
@click.option(
    "--reference",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Reference annotation to draw above the estimate.",
)
def track(path: Path, output: Path, **options: Any) -> int:
    """Draw sections, boundary probability or novelty, and self-similarity over one time axis.

    The whole recording is analyzed, also for an excerpt (--from, --to).
    """
    return _written("draw_track", path, output, **options)


@plot.command()
@_file
@_output
@features_option
@_excerpt
def features(path: Path, output: Path, **options: Any) -> int:
    """Draw features over time."""
    return _written("draw_features", path, output, **options)


@plot.command()
@_file
@_output
@segmenter_features_option
@_segmenter
@_excerpt
@click.option(
    "--any-key",
    is_flag=True,
    help="Draw the maximum over transpositions, as z-scores.",
)
def similarity(path: Path, output: Path, **options: Any) -> int:
    """Draw self-similarity, and the sections found.

    The whole recording is analyzed, also for an excerpt (--from, --to).
    """
    return _written("draw_similarity", path, output, **options)


@plot.command()
@_file
@_output
@segmenter_features_option
@_segmenter
@_excerpt
def novelty(path: Path, output: Path, **options: Any) -> int:
    """Draw the boundaries found, over a novelty curve or, by default, their probability.

    The whole recording is analyzed, also for an excerpt (--from, --to).
    """
    return _written("draw_novelty", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
def waveform(path: Path, output: Path, **options: Any) -> int:
    """Draw the outline of the signal."""
    return _written("draw_waveform", path, output, **options)


@plot.command()
@_output
@_option("xi", click.FloatRange(0, min_open=True), 440.0, "Center frequency in Hz.")
@_Q(8)
@click.option("--sr", type=click.IntRange(1), help="Sampling rate in Hz.")
def wavelet(output: Path, **options: Any) -> int:
    """Draw a Morlet wavelet in time and in frequency."""
    return _written("draw_wavelet", output, **options)


@plot.command()
@_output
@_J(12)
@_Q_pair("8,1")
@_T
@_sr()
def filterbank(output: Path, **options: Any) -> int:
    """Draw the filters of both layers."""
    return _written("draw_filterbank", output, **options)


@plot.command()
@_output
@_option("J-fr", click.IntRange(1), 3, "Log2 of the largest scale along log-frequency.")
@_option("Q-fr", click.IntRange(1), 1, "Wavelets per octave along log-frequency.")
@_J(13)
@_Q_pair("8,1")
@_sr()
@_option("rate", float, None, "In Hz; repeat.  [default: 4, 8, 16]", multiple=True)
def wavelet2d(output: Path, rate: Sequence[float], **options: Any) -> int:
    """Draw joint wavelets: a tile for each rate, scale and spin."""
    if rate:
        options["rates"] = rate
    return _written("draw_wavelet2d", output, **options)


@plot.command()
@_output
@_J(8)
@_Q(8)
@_sr()
def parameters(output: Path, **options: Any) -> int:
    """Draw what J, Q and T do to the filters."""
    return _written("draw_parameters", output, **options)


@plot.command()
@_output
@_sr()
def techniques(output: Path, **options: Any) -> int:
    """Draw five playing techniques whose rates are known."""
    return _written("draw_techniques", output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(12)
@_Q(12)
@_sr()
def scalogram(path: Path, output: Path, **options: Any) -> int:
    """Draw the wavelet transform's magnitude."""
    return _written("draw_scalogram", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(12)
@_Q(12)
@_T
@_sr()
def s1(path: Path, output: Path, **options: Any) -> int:
    """Draw first-order scattering: the scalogram, averaged."""
    return _written("draw_s1", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(14)
@_Q_pair("8,1")
@_T
@_sr()
@click.option(
    "--carrier", type=click.FloatRange(0, min_open=True), help="In Hz.  [default: the busiest]"
)
@_time
def s2(path: Path, output: Path, **options: Any) -> int:
    """Draw second-order scattering: carriers by rate, and one carrier over time."""
    return _written("draw_s2", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(13)
@_option("J-fr", click.IntRange(1), 4, "Log2 of the largest scale along log-frequency.")
@_Q_pair("8,1")
@_option("Q-fr", click.IntRange(1), 1, "Wavelets per octave along log-frequency.")
@_T
@_sr()
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="In Hz.  [default: the strongest]"
)
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    help="In cycles per octave.  [default: the strongest]",
)
@_time
def jtfs(path: Path, output: Path, **options: Any) -> int:
    """Draw joint scattering: rates by scales, what rises and what falls."""
    return _written("draw_jtfs", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(12)
@_Q(12)
@_sr()
def compare(path: Path, output: Path, **options: Any) -> int:
    """Draw waveform, spectrogram, CQT and scalogram over one time axis."""
    return _written("draw_compare", path, output, follow=_followed(), **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(13)
@_Q_pair("8,1")
@_T
@_sr()
def orders(path: Path, output: Path, **options: Any) -> int:
    """Draw the energy of each scattering order over time."""
    return _written("draw_orders", path, output, **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(10)
@_Q(8)
@_option("T", str, "512,2048,8192", "Samples to average over: a curve each.", callback=_integers)
@_sr()
def invariance(path: Path, output: Path, **options: Any) -> int:
    """Draw how far coefficients move when the sound is delayed."""
    return _written("draw_invariance", path, output, follow=_followed(), **options)


@plot.command()
@_file
@_output
@_excerpt
@_J(10)
@_option("Q", str, "1,8", "Wavelets per octave: a curve each.", callback=_integers)
@_sr()
def stability(path: Path, output: Path, **options: Any) -> int:
    """Draw how far coefficients move when the sound is played slower."""
    return _written("draw_stability", path, output, follow=_followed(), **options)
