"""`scatseg convert`: segmentations from one format to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import FileArgument
from scatseg.cli.outcome import status_of, text_of
from scatseg.formats import FORMATS

if TYPE_CHECKING:
    from scatseg.formats import Annotation


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", required=True, type=FileArgument, help="A file, or a folder.")
@click.option(
    "--from", "source_format", type=click.Choice(list(FORMATS)), help="Instead of by extension."
)
@click.option(
    "--format", "target_format", type=click.Choice(list(FORMATS)), help="Instead of by extension."
)
@click.option("--level", help="Only this level: section, phrase, ...")
@click.option("--system", help="Only the answers of this system.")
@click.option("--duration", type=float, help="Seconds, for files that do not tell their end.")
@click.pass_obj
def convert(
    verbosity: int,
    paths: tuple[Path, ...],
    output: Path,
    source_format: str | None,
    target_format: str | None,
    level: str | None,
    system: str | None,
    duration: float | None,
) -> int:
    """Convert segmentations between formats.

    Where a file holds several and the other format one, the first is written: choose with --level
    and --system.
    """
    from scatseg.formats import FormatError, format_of, read, write
    from scatseg.runs import find_sources

    into_folder = len(paths) > 1 or paths[0].is_dir() or output.is_dir()
    if into_folder and target_format is None:
        msg = "converting into a folder needs --format"
        raise click.UsageError(msg)
    suffixes = {suffix for known in FORMATS.values() for suffix in known.reads}
    found = find_sources(paths, extensions=suffixes, kind="segmentation")
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    n_failed = len(found.failures)
    for source in found.sources:
        target = output
        if into_folder:
            target = output / f"{source.id}{FORMATS[str(target_format)].extension}"
        try:
            annotations = _chosen(
                read(source.path, format=source_format, duration=duration), level, system
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            one_only = not FORMATS[format_of(target, target_format)].several
            write(target, annotations[:1] if one_only else annotations, format=target_format)
        except (FormatError, OSError, ValueError) as error:
            text = text_of(error) if isinstance(error, OSError) else str(error)
            click.echo(text if str(source.path) in text else f"{source.path}: {text}", err=True)
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


def _chosen(
    annotations: Sequence[Annotation], level: str | None, system: str | None
) -> Sequence[Annotation]:
    """Take the annotations of a level, of a system, or both."""
    chosen = [
        each
        for each in annotations
        if level in (None, each.level) and system in (None, each.system)
    ]
    if not chosen:
        there = ", ".join(dict.fromkeys(f"{each.system} {each.level}" for each in annotations))
        msg = f"nothing of level {level!r} and system {system!r}; there are {there}"
        raise ValueError(msg)
    return chosen
