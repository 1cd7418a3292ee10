"""`scatseg index`: build an index of the passages of recordings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import (
    FileArgument,
    check_folder,
    config_option,
    features_trust_option,
    jobs_option,
    time_limit_option,
)
from scatseg.cli.outcome import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    resumable,
    status_of,
    tell_gone,
    usage_errors,
)
from scatseg.cli.progress import Progress
from scatseg.counts import counted, named_first

if TYPE_CHECKING:
    from scatseg.search.descriptions import Describer


@click.command()
@click.argument("paths", nargs=-1, type=FileArgument)
@click.option("-o", "--output", type=FileArgument, help="Folder of the index.")
@click.option(
    "--features",
    help="Features of the passages.  [default: scattering, or those of the index]",
)
@click.option("--sr", type=click.IntRange(min=1000), help="In Hz.  [default: 22050]")
@click.option("--rebuild", is_flag=True, help="Recompute feature statistics from all recordings.")
@click.option("--info", is_flag=True, help="Only show the contents of an index.")
@click.option("--verify", is_flag=True, help="Only verify the files of an index.")
@click.option("--remove", metavar="PATTERN", help="Only remove recordings, by id or path.")
@click.option("--prune", is_flag=True, help="Remove recordings that were moved or deleted.")
@features_trust_option
@jobs_option
@time_limit_option
@config_option
@click.pass_obj
def index(
    verbosity: int,
    paths: tuple[Path, ...],
    output: Path | None,
    features: str | None,
    sr: int | None,
    rebuild: bool,
    info: bool,
    verify: bool,
    remove: str | None,
    prune: bool,
    trust: tuple[str, ...],
    jobs: int,
    time_limit: int | None,
) -> int:
    """Index the passages of recordings for search.

    PATHS are audio files, folders (searched recursively) or patterns. Unchanged recordings are
    kept, renamed ones too, changed ones are recomputed. Labels and groups come from an index.csv in
    a folder, else they are kept. With --info, --verify, --remove, --prune or --rebuild, the index
    can be the only path.
    """
    if sum((info, verify, remove is not None, prune)) > 1:
        msg = "one of --info, --verify, --remove and --prune is needed, got several"
        raise click.UsageError(msg)
    index_only = (rebuild or prune) and (not paths or output is None)
    if info or verify or remove is not None or index_only:
        folder = _only_index(paths, output)
        with usage_errors():
            if remove is not None:
                return _remove(folder, remove, trust)
            if verify:
                return _verify(folder, trust)
            _settle_gone(folder, trust, prune, verbosity)
            return _rebuild(folder, trust) if rebuild else _tell(folder, trust)
    if not paths or output is None:
        msg = "recordings and an index are needed: scatseg index PATH... -o music.index"
        raise click.UsageError(msg)
    check_folder(output)
    from scatseg.naming import foreign_code
    from scatseg.search.store import DATABASE

    with usage_errors():
        describer = _describer(output, features, sr, trust)
        status = _add(paths, output, describer, jobs, time_limit, rebuild, verbosity)
        if (output / DATABASE).is_file():
            _settle_gone(output, {*trust, *foreign_code(describer.features)}, prune, verbosity)
        return status


def _only_index(paths: Sequence[Path], output: Path | None) -> Path:
    given = [*paths, *([output] if output is not None else [])]
    if len(given) != 1:
        msg = f"one index is needed, got {len(given)} paths"
        raise click.UsageError(msg)
    return given[0]


def _describer(
    output: Path, features: str | None, sr: int | None, trust: Collection[str]
) -> Describer:
    """Return the options given; those missing come from the index, where there is one."""
    from scatseg.naming import foreign_code
    from scatseg.search.descriptions import Describer
    from scatseg.search.store import DATABASE, read_state

    usual = Describer()
    if (output / DATABASE).is_file():
        trusted = {*trust, *foreign_code(features or "scattering")}
        state = read_state(output, trusted=trusted)
        usual = Describer(features=state.features, sr=state.sr)
    return Describer(features=features or usual.features, sr=sr or usual.sr)


@resumable()
def _add(
    paths: Sequence[Path],
    output: Path,
    describer: Describer,
    jobs: int,
    time_limit: int | None,
    rebuild: bool,
    verbosity: int,
) -> int:
    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.cli.sounds import tell as tell_failures
    from scatseg.runs import find_sources
    from scatseg.search.building import add_recordings
    from scatseg.search.gathering import read_belonging
    from scatseg.search.store import DATABASE

    found = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if not found.sources:
        return NOTHING_DONE
    said = read_belonging(paths)
    tell_failures(said.failures, said.notes, verbosity)
    failures = [*found.failures, *said.failures]
    with Progress(len(found.sources), verbosity) as progress:
        receipts = add_recordings(
            output,
            found.sources,
            describer,
            belonging=said.belonging,
            failures=failures,
            tables=said.tables,
            n_jobs=jobs,
            time_limit=time_limit,
            rebuild=rebuild,
            on_receipt=progress.tell,
        )
    n_failed = sum(receipt.failure is not None for receipt in receipts) + len(failures)
    n_done = sum(receipt.failure is None for receipt in receipts)
    if verbosity >= 0:
        click.echo(f"{counted(n_done, 'recording')} indexed, {n_failed:,} failed", err=True)
        if n_failed:
            click.echo(f"what failed, and why: {output / 'failures.csv'}", err=True)
    if (output / DATABASE).is_file():
        click.echo(output)
    else:
        click.echo("no recording could be indexed, so no index was made", err=True)
    return status_of(n_done, n_failed)


def _settle_gone(folder: Path, trust: Collection[str], prune: bool, verbosity: int) -> None:
    """Remove recordings that are gone, or say how to."""
    from scatseg.search.building import gone_recordings, prune_index

    gone = (prune_index if prune else gone_recordings)(folder, trusted=trust)
    if not gone or verbosity < 0:
        return
    named = f"{counted(len(gone), 'recording')} without a file: {named_first(gone)}"
    tell_gone(named, "index", pruned=prune)


def _tell(folder: Path, trust: Collection[str]) -> int:
    """Print the contents of an index."""
    from scatseg.runs import read_failures
    from scatseg.search.index import Index

    opened = Index.open(folder, trusted=trust)
    seconds = sum(track.duration for track in opened.tracks)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    # Where each recording is one window, longer ones are the same.
    n_tracks, n_windows = len(opened.tracks), opened.n_windows
    windows = [f"{n:,} of {length:g} s" for length, n in n_windows.items() if n > n_tracks]
    labelled = sum(bool(track.labels) for track in opened.tracks)
    lines = {
        "recordings": f"{n_tracks:,} ({seconds / 3600:.2f} h)",
        "passages": ", ".join(windows) or "each recording as a whole",
        "labels": counted(labelled, "recording"),
        "features": f"{opened.describer.features}, {opened.describer.sr} Hz",
        "dimensions": str(opened.projection.n_dims if opened.projection else 0),
        "failed": str(len(read_failures(folder))),
        "size": f"{size / 2**20:.1f} MiB",
    }
    for name, value in lines.items():
        click.echo(f"{name + ':':<12} {value}")
    return _status_held(folder, n_tracks)


def _status_held(folder: Path, n_tracks: int) -> int:
    """Tell apart an index that answers from one that was emptied, or is being made."""
    from scatseg.runs import is_locked

    if not n_tracks:
        text = f"{folder} holds no recording: scatseg index PATH... -o {folder}"
        if is_locked(folder):
            text = f"{folder} is being written by another scatseg, and holds no recording yet"
        click.echo(text, err=True)
    return DONE if n_tracks else NOTHING_DONE


def _verify(folder: Path, trust: Collection[str]) -> int:
    from scatseg.search.building import verify_index
    from scatseg.search.store import read_state

    faults = verify_index(folder, trusted=trust)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        click.echo(f"{folder}: {counted(len(faults), 'fault')}")
        return SOME_FAILED
    status = _status_held(folder, len(read_state(folder, trusted=trust).tracks))
    if status == DONE:
        click.echo(f"{folder}: no problems found")
    return status


def _remove(folder: Path, pattern: str, trust: Collection[str]) -> int:
    from scatseg.search.building import remove_recordings

    removed = remove_recordings(folder, pattern, trusted=trust)
    for id_ in removed:
        click.echo(id_)
    if not removed:
        click.echo(f"no recording of {folder} matches {pattern!r}", err=True)
    return DONE if removed else NOTHING_DONE


def _rebuild(folder: Path, trust: Collection[str]) -> int:
    from scatseg.search.building import rebuild_index

    state = rebuild_index(folder, trusted=trust)
    click.echo(f"{folder}: {counted(len(state.tracks), 'recording')}")
    return DONE
