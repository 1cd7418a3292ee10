"""`scatseg convert`: segmentations from one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from scatseg.cli.options import FileArgument
from scatseg.cli.outcome import status_of
from scatseg.formats import FORMATS


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", required=True, type=FileArgument, help="A file, or a folder.")
@click.option(
    "--from", "source_format", type=click.Choice(list(FORMATS)), help="Instead of by extension."
)
@click.option(
    "--format", "target_format", type=click.Choice(list(FORMATS)), help="Instead of by extension."
)
@click.option("--duration", type=float, help="Seconds, for files that do not tell their end.")
@click.pass_obj
def convert(
    verbosity: int,
    paths: tuple[Path, ...],
    output: Path,
    source_format: str | None,
    target_format: str | None,
    duration: float | None,
) -> int:
    """Convert segmentations between formats."""
    from scatseg.formats import FormatError, format_of, read, write
    from scatseg.runs import find_sources

    into_folder = len(paths) > 1 or paths[0].is_dir() or output.is_dir()
    if into_folder and target_format is None:
        msg = "converting into a folder needs --format"
        raise click.UsageError(msg)
    suffixes = {suffix for known in FORMATS.values() for suffix in known.reads}
    found = find_sources(paths, extensions=suffixes)
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    n_failed = len(found.failures)
    for source in found.sources:
        target = output
        if into_folder:
            target = output / f"{source.id}{FORMATS[str(target_format)].extension}"
        try:
            annotations = read(source.path, format=source_format, duration=duration)
            target.parent.mkdir(parents=True, exist_ok=True)
            one_only = not FORMATS[format_of(target, target_format)].several
            write(target, annotations[:1] if one_only else annotations, format=target_format)
        except (FormatError, OSError, ValueError) as error:
            click.echo(str(error), err=True)
            n_failed += 1
            continue
        if one_only and len(annotations) > 1:
            left = len(annotations) - 1
            click.echo(f"{source.path}: {target.suffix} holds one; left out {left}", err=True)
        for repair in dict.fromkeys(note for each in annotations for note in each.repairs):
            if verbosity >= 0:
                click.echo(f"{source.path}: {repair}", err=True)
        click.echo(target)
    return status_of(len(found.sources) + len(found.failures) - n_failed, n_failed)
