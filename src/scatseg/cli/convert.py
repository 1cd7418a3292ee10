"""`scatseg convert`: segmentations from one format to another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import FileArgument, FilePath, FormatName, check_folder
from scatseg.cli.outcome import status_of, text_of, usage_errors

if TYPE_CHECKING:
    from scatseg.formats import Annotation


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option(
    "-o",
    "--output",
    "place",
    required=True,
    type=FilePath(),
    help="Output file or folder; one that ends with a slash is a folder.",
)
@click.option("--from", "source_format", type=FormatName, help="[default: by extension]")
@click.option("--format", "target_format", type=FormatName, help="[default: by extension]")
@click.option("--level", help="Only this level: section, phrase, ...")
@click.option("--system", help="Only the segmentations of this system.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Duration of the recording, for formats without an end time.",
)
@click.pass_obj
def convert(
    verbosity: int,
    paths: tuple[Path, ...],
    place: str,
    source_format: str | None,
    target_format: str | None,
    level: str | None,
    system: str | None,
    duration: float | None,
) -> int:
    """Convert segmentations between formats.

    PATHS are files, folders, patterns, or runs. Where a file holds several segmentations and the
    target format only one, the first is written: choose with --level and --system.
    """
    from scatseg.datasets import is_run
    from scatseg.formats import FORMATS, FormatError, format_of, read, write
    from scatseg.runs import find_sources, shown

    suffixes = {suffix for known in FORMATS.values() for suffix in known.reads}
    output = Path(place)
    names_folder = place.endswith(("/", os.sep))
    sought = [path / "tracks" if is_run(path) else path for path in paths]
    found = find_sources(sought, extensions=suffixes, kind="segmentation")
    n_found = len(found.sources) + len(found.failures)
    into_folder = (
        n_found > 1 or names_folder or output.is_dir() or any(path.is_dir() for path in paths)
    )
    if into_folder and target_format is None:
        msg = "converting into a folder needs --format"
        raise click.UsageError(msg)
    check_folder(output if into_folder else output.parent)
    with usage_errors():
        kind = FORMATS[format_of(output, target_format)]
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    n_failed = len(found.failures)
    for source in found.sources:
        name = shown(source.path)
        target = output / f"{source.id}{kind.extension}" if into_folder else output
        try:
            annotations = _chosen(
                read(source.path, format=source_format, duration=duration), level, system
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            written = annotations if kind.several else annotations[:1]
            write(target, written, format=target_format)
        except (FormatError, OSError, ValueError) as error:
            text = text_of(error)
            click.echo(text if name in text else f"{name}: {text}", err=True)
            n_failed += 1
            continue
        if len(written) < len(annotations) and verbosity >= 0:
            left = len(annotations) - len(written)
            click.echo(
                f"{name}: {target.suffix} holds one; left out {left} (--level and --system choose)",
                err=True,
            )
        for repair in dict.fromkeys(note for each in annotations for note in each.repairs):
            if verbosity >= 0:
                click.echo(f"{name}: {repair}", err=True)
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
        wanted = {"level": level, "system": system}
        asked = " and ".join(
            f"{what} {name!r}" for what, name in wanted.items() if name is not None
        )
        names = (f"{each.system} {each.level}".strip() for each in annotations)
        there = ", ".join(dict.fromkeys(name or "one without names" for name in names))
        msg = f"nothing of {asked}; there are {there}"
        raise ValueError(msg)
    return chosen
