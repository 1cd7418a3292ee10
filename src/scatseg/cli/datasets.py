"""`scatseg datasets`: download published annotations and pair them with recordings."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import FileArgument, output_file
from scatseg.cli.outcome import DONE, NOTHING_DONE, status_of, text_of, usage_errors
from scatseg.cli.progress import Progress
from scatseg.counts import counted

if TYPE_CHECKING:
    from scatseg.pairing import Pairing
    from scatseg.registry import Dataset

_folder_option = click.option(
    "-o",
    "--output",
    type=FileArgument,
    help="Folder of datasets.  [default: in the user's cache]",
)


@click.group()
def datasets() -> None:
    """Download published annotations and pair them with recordings."""


@datasets.command("list")
@_folder_option
@click.pass_obj
def list_(verbosity: int, output: Path | None) -> int:
    """List the available datasets with license and citation."""
    from scatseg import loaders
    from scatseg.registry import DATASETS, default_folder
    from scatseg.sound_sets import SOUND_SETS

    folder = output or default_folder()
    for dataset in DATASETS.values():
        click.echo("\n".join(_described(dataset, folder)))
    try:
        click.echo("\n".join(loaders.names()))
        click.echo("labeled sounds, whose recordings you have (`datasets index`):")
        click.echo(
            "\n".join(f"{loaders.PREFIX}{name}: {SOUND_SETS[name].title}" for name in SOUND_SETS)
        )
    except loaders.LoaderError as error:
        if verbosity >= 0:
            click.echo(str(error), err=True)
    return DONE


def _described(dataset: Dataset, folder: Path) -> list[str]:
    from scatseg.registry import RECEIPT, DatasetError, read_receipt

    here = folder / dataset.name
    sha256 = (
        dataset.sha256
        or "not known: trust on first use (the first fetch records it, later ones verify it)"
    )
    where = "not fetched"
    if (here / RECEIPT).exists():
        try:
            receipt = read_receipt(here)
        except DatasetError as error:
            where = str(error)
        else:
            sha256, where = receipt.sha256, f"{here} ({counted(len(receipt.files), 'file')})"
    facts = {
        "tracks": str(dataset.n_tracks),
        "license": dataset.license,
        "cite": dataset.citation,
        "from": dataset.homepage,
        "archive": dataset.url,
        "sha256": sha256,
        "here": where,
    }
    return [
        f"{dataset.name}: {dataset.title}",
        *(f"  {name:8} {value}" for name, value in facts.items()),
    ]


@datasets.command()
@click.argument("names", nargs=-1, required=True)
@_folder_option
@click.option(
    "--archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use this archive instead of downloading it.",
)
@click.option("--force", is_flag=True, help="Download again.")
@click.pass_obj
def fetch(
    verbosity: int, names: tuple[str, ...], output: Path | None, archive: Path | None, force: bool
) -> int:
    """Download annotations, never recordings, and print their folder.

    NAMES are as shown by `datasets list`.
    """
    from scatseg.loaders import PREFIX, LoaderError
    from scatseg.registry import DATASETS, DatasetError, default_folder
    from scatseg.runs import RunLockedError

    unknown = [each for each in names if each not in DATASETS and not each.startswith(PREFIX)]
    if unknown:
        msg = f"there is no dataset {unknown[0]!r}, only {', '.join(DATASETS)} and {PREFIX}NAME"
        raise click.UsageError(msg)
    if archive and (len(names) > 1 or names[0] not in DATASETS):
        msg = f"--archive goes with one of {', '.join(DATASETS)}"
        raise click.UsageError(msg)
    folder = output or default_folder()
    n_failed = 0
    for name in names:
        try:
            if name in DATASETS:
                here = _fetch(DATASETS[name], folder, archive, force, verbosity)
            else:
                here = _fetch_loader(name, folder, verbosity)
        except (DatasetError, LoaderError, RunLockedError, OSError) as error:
            click.echo(text_of(error), err=True)
            n_failed += 1
            continue
        click.echo(here)
    return status_of(len(names) - n_failed, n_failed)


def _fetch(
    dataset: Dataset, folder: Path, archive: Path | None, force: bool, verbosity: int
) -> Path:
    from scatseg import registry

    if verbosity >= 0:
        click.echo(f"{dataset.title}\nlicense: {dataset.license}", err=True)
        click.echo(f"cite: {dataset.citation}", err=True)
    fetched = registry.fetch(dataset, folder, archive=archive, force=force)
    receipt = fetched.receipt
    if fetched.status == "trusted":
        click.echo(
            f"{dataset.name}: the SHA-256 of this archive was not known, so this first download "
            f"was trusted. It is {receipt.sha256}; later downloads must match it",
            err=True,
        )
    elif verbosity >= 0:
        what = "already there, unchanged" if fetched.status == "kept" else "fetched"
        click.echo(f"{dataset.name}: {what}, SHA-256 of its archive {receipt.sha256}", err=True)
    return fetched.folder


def _fetch_loader(name: str, folder: Path, verbosity: int) -> Path:
    from scatseg import loaders

    with _hushed(verbosity):
        export = loaders.fetch(name, folder)
    for path, reason in export.problems:
        click.echo(f"{path}: {reason}", err=True)
    if not export.written:
        msg = f"{name}: no track has usable sections"
        raise loaders.LoaderError(msg)
    if verbosity >= 0:
        click.echo(f"{name}: {counted(len(export.written), 'track')} written", err=True)
    return export.written[0].parent


def _hushed(verbosity: int) -> contextlib.AbstractContextManager[object]:
    """If quiet, leave out the log and the progress bars of mirdata, whose errors are raised."""
    if verbosity >= 0:
        return contextlib.nullcontext()
    return contextlib.redirect_stderr(io.StringIO())


@datasets.command()
@click.argument("name", metavar="mirdata:NAME")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    callback=output_file,
    help="A .csv file.  [default: standard output, for an index.csv in FOLDER]",
)
@click.option(
    "--fetch", "fetch_first", is_flag=True, help="First download everything but the recordings."
)
@click.pass_obj
def index(verbosity: int, name: str, folder: Path, output: Path | None, fetch_first: bool) -> int:
    """List the labeled sounds of a published set for `scatseg classify` and `search evaluate`.

    FOLDER holds the recordings in mirdata's layout. The table has columns file and label, and group
    and split where the set has them. NAME is as shown by `datasets list`.
    """
    from scatseg.loaders import LoaderError
    from scatseg.sound_sets import tabulate
    from scatseg.writing import atomic_write, rows_as_csv

    try:
        there = folder if output is None else output.parent
        with _hushed(verbosity):
            table = tabulate(name, folder, relative_to=there, fetch=fetch_first)
    except LoaderError as error:
        click.echo(str(error), err=True)
        return NOTHING_DONE
    for note in table.notes if verbosity >= 0 else ():
        click.echo(note, err=True)
    for path, reason in table.problems:
        click.echo(f"{path}: {reason}", err=True)
    text = rows_as_csv(table.rows)
    if output is None:
        click.echo(text, nl=False)
    else:
        with usage_errors():
            atomic_write(output, text.encode("utf-8", "backslashreplace"))
        click.echo(output)
    return status_of(len(table.rows) - 1, len(table.problems))


@datasets.command()
@click.argument("names", nargs=-1)
@_folder_option
@click.pass_obj
def verify(verbosity: int, names: tuple[str, ...], output: Path | None) -> int:
    """Verify every downloaded file against its SHA-256.

    NAMES are datasets; without any, all downloaded ones.
    """
    from scatseg.registry import RECEIPT, DatasetError, default_folder
    from scatseg.registry import verify as problems_of

    folder = output or default_folder()
    chosen = names or tuple(sorted(path.parent.name for path in folder.glob(f"*/{RECEIPT}")))
    if not chosen:
        click.echo(f"nothing was fetched into {folder}", err=True)
        return NOTHING_DONE
    n_failed = 0
    for name in chosen:
        try:
            problems = problems_of(folder / name)
        except DatasetError as error:
            click.echo(str(error), err=True)
            n_failed += 1
            continue
        for path, reason in problems:
            click.echo(f"{path} {reason}", err=True)
        n_failed += bool(problems)
        if verbosity >= 0:
            outcome = counted(len(problems), "problem") if problems else "every file is unchanged"
            click.echo(f"{name}: {outcome}")
    return status_of(len(chosen) - n_failed, n_failed)


@datasets.command()
@click.argument("audio", nargs=-1, required=True, type=FileArgument)
@click.argument("references", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    callback=output_file,
    help="A .csv file, for evaluate --map.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Maximum difference of durations in seconds.",
)
@click.option(
    "--by-duration", is_flag=True, help="Pair files that no name matches by duration alone."
)
@click.pass_obj
def match(
    verbosity: int,
    audio: tuple[Path, ...],
    references: Path,
    output: Path | None,
    tolerance: float,
    by_duration: bool,
) -> int:
    """Pair recordings with annotations, by name and by duration.

    AUDIO are files, folders or patterns; REFERENCES is a folder of annotations. Names are ids, or
    artists and titles where the annotations come with a metadata.csv; durations must agree. Prints
    the pairs (or writes them with -o) as a table for `scatseg evaluate --map`.
    """
    from scatseg import pairing
    from scatseg.audio import AUDIO_EXTENSIONS, AudioError
    from scatseg.datasets import read_references
    from scatseg.runs import find_sources
    from scatseg.writing import atomic_write

    with usage_errors():
        annotated = read_references(references)
        known = pairing.describe(annotated.tracks, pairing.read_metadata(references))
    found = find_sources(audio, extensions=AUDIO_EXTENSIONS)
    failed = [f"{failure.track}: {failure.error}" for failure in found.failures]
    failed += [f"{path}: {reason}" for path, reason in annotated.problems]
    durations: dict[str, float | None] = {}
    with Progress(len(found.sources), verbosity or -1) as progress:
        for source in found.sources:
            try:
                durations[source.id] = pairing.audio_duration(source.path)
            except AudioError as error:
                durations[source.id] = None
                failed.append(str(error))
            progress.step(source.id)
    result = pairing.pair(durations, known, tolerance=tolerance, by_duration=by_duration)
    for line in failed:
        click.echo(line, err=True)
    if verbosity >= 0:
        click.echo("\n".join(_undecided(result, verbosity)), err=True)
    table = pairing.map_csv(result.pairs)
    if output is None:
        click.echo(table, nl=False)
    else:
        with usage_errors():
            atomic_write(output, table.encode())
        click.echo(output)
    return status_of(len(result.pairs), len(durations) - len(result.pairs) + len(found.failures))


def _undecided(result: Pairing, verbosity: int) -> list[str]:
    """Report how many recordings were paired and how; list those that were not."""
    by = [pair.by for pair in result.pairs]
    counts = ", ".join(f"{by.count(each)} by {each}" for each in sorted(set(by)))
    lines = [f"recordings paired: {len(by)}{f' ({counts})' if counts else ''}"]
    lines += [
        f"{name}: several annotations fit: {_some(fitting)}"
        for name, fitting in result.ambiguous.items()
    ]
    lines += [
        f"{name}: named like {_some(named)}, but of another duration"
        for name, named in result.doubtful.items()
    ]
    lines += [f"{name}: no annotations fit" for name in result.unmatched_recordings]
    missing = result.unmatched_references
    if missing:
        shown = ", ".join(missing) if verbosity > 0 else _some(missing)
        lines.append(f"annotated tracks without a recording: {len(missing)} ({shown})")
    return lines


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
