"""`scatseg segment` and `scatseg demo`: recordings in, a run with sections out."""

from __future__ import annotations

import datetime
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatseg.cli.options import (
    FileArgument,
    FormatName,
    audio_option,
    config_option,
    jobs_option,
    run_folder,
    segmenter_features_option,
    settings_option,
    time_limit_option,
)
from scatseg.cli.outcome import (
    DONE,
    NOTHING_DONE,
    custom_errors,
    resumable,
    status_of,
    tell_gone,
    tell_outdated,
    usage_errors,
)
from scatseg.cli.progress import Progress
from scatseg.counts import counted, named_first

if TYPE_CHECKING:
    from scatseg.analysis import SegmentJob
    from scatseg.report.sound import AudioMode
    from scatseg.runs import Failure, Found, Source


def _cluster_of(_: click.Context, __: click.Parameter, backend: str) -> str | None:
    """Return the address of a scheduler, "" for the configured one, or None for this machine."""
    name, _colon, address = backend.partition(":")
    if backend == "loky":
        return None
    if name != "dask":
        msg = f"there is no backend {backend!r}: choose loky, dask:ADDRESS or dask"
        raise click.BadParameter(msg)
    if importlib.util.find_spec("distributed") is None:
        msg = 'dask is not installed: pip install "scatseg[dask]"'
        raise click.BadParameter(msg)
    return address


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", type=FileArgument, callback=run_folder, help="The run folder.")
@segmenter_features_option
@click.option(
    "--segmenter",
    "names",
    multiple=True,
    default=("default",),
    show_default=True,
    help="Segmenter: default, repetition, cbm, grid-free, laplacian, foote, structure-features, or "
    "module:callable. Repeat for several; the first is the default system.",
)
@click.option(
    "--beats",
    type=FileArgument,
    help="Beat annotations: a file (JAMS, or CSV of seconds and position in the bar) or a folder "
    "of files matched by name. Each position 1 begins a bar, of any number of beats; without "
    "positions, bars of equally many beats are estimated. Used by bar-based segmenters.  "
    "[default: estimated]",
)
@click.option(
    "--n-segments",
    type=click.IntRange(min=1),
    help="Number of segments in the first level; as many as possible, with a warning, if fewer "
    "can be found.",
)
@click.option(
    "--n-labels",
    type=click.IntRange(min=1),
    help="Number of distinct labels; not for laplacian.  [default: chosen by similarity]",
)
@click.option(
    "--granularity",
    type=click.FloatRange(0, 1),
    help="From 0 (coarse) to 1 (fine).  [default: 0.5]",
)
@click.option(
    "--level",
    type=click.Choice(["any", "phrase", "section"]),
    help="The first level, used where only one can be: phrase, section (a run of phrases with one "
    "label), or any (phrases, from boundaries of both levels).  [default: any]",
)
@click.option(
    "--format",
    "exports",
    multiple=True,
    type=FormatName,
    help="Also export to this format, in exports/; csv includes the probability of each segment's "
    "first boundary (confidence), where known. Exports corrected by hand are not replaced, with a "
    "warning if the track has changed. Repeat for several.",
)
@jobs_option
@click.option(
    "--backend",
    default="loky",
    show_default=True,
    callback=_cluster_of,
    help="Where tracks are processed: loky (--jobs processes of this machine), dask:ADDRESS (a "
    "running dask scheduler whose workers have scatseg and see the same files under the same "
    "paths; dask extra), or dask (the scheduler of dask's configuration).",
)
@time_limit_option
@click.option("--force", is_flag=True, help="Recompute finished tracks.")
@click.option(
    "--prune",
    is_flag=True,
    help="Remove tracks from the run whose recordings were moved or deleted, and their exports,"
    " except those corrected by hand.",
)
@click.option("--dry-run", is_flag=True, help="Only list the tracks.")
@click.option("--strict", is_flag=True, help="Reject damaged files instead of warning.")
@click.option("--report/--no-report", default=True, help="Build the report.  [default: report]")
@audio_option
@config_option
@settings_option
@click.pass_obj
def segment(
    verbosity: int,
    paths: tuple[Path, ...],
    output: Path | None,
    features: str | None,
    names: tuple[str, ...],
    beats: Path | None,
    n_segments: int | None,
    n_labels: int | None,
    granularity: float | None,
    level: str | None,
    exports: tuple[str, ...],
    jobs: int,
    backend: str | None,
    time_limit: int | None,
    force: bool,
    prune: bool,
    dry_run: bool,
    strict: bool,
    report: bool,
    audio: AudioMode,
    settings: dict[str, Any],
) -> int:
    """Find the sections of recordings.

    PATHS are audio files, folders (searched recursively) or patterns. With -o, writes one JAMS file
    per track and a report to a run folder; finished tracks are kept. Without -o, prints the
    sections of one file.
    """
    from scatseg.analysis import SegmentJob
    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.runs import find_sources

    given = {
        "n_segments": n_segments,
        "n_labels": n_labels,
        "granularity": granularity,
        "level": level,
    }
    chosen = {key: value for key, value in given.items() if value is not None}
    with usage_errors():
        job = SegmentJob(
            segmenters=names,
            features=features,
            sr=settings.pop("sr", 22050),
            settings=settings | chosen,
            exports=exports,
            strict=strict,
            beats=beats,
        )
    found = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    if dry_run:
        for source in found.sources:
            click.echo(f"{source.id}\t{source.path}")
        for failure in found.failures:
            click.echo(f"{failure.track}: {failure.error}", err=True)
        return DONE if found.sources else NOTHING_DONE
    if output is None:
        if len(names) > 1 or exports:
            msg = "several segmenters, and other formats, need a run folder: add -o FOLDER"
            raise click.UsageError(msg)
        if time_limit is not None:
            msg = "a time limit needs a run folder: add -o FOLDER"
            raise click.UsageError(msg)
        return _print_segments(found.sources, found.failures, job, verbosity)
    if not found.sources:  # an empty run would only list these
        for failure in found.failures:
            click.echo(f"{failure.track}: {failure.error}", err=True)
        return NOTHING_DONE
    status = _segment(
        found,
        output,
        job,
        jobs,
        force,
        verbosity,
        cluster=backend,
        time_limit=time_limit,
        prune=prune,
    )
    page = output
    if report:
        from scatseg.report import build

        page = build(output, audio=audio, figures=False)
    click.echo(page)
    return status


def _print_segments(
    sources: Sequence[Source], failures: Sequence[Failure], job: SegmentJob, verbosity: int
) -> int:
    """Segment one file and print it as LAB."""
    from scatseg.analysis import analyze
    from scatseg.audio import AudioError, decode
    from scatseg.formats.tables import lab_text

    for failure in failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if len(sources) > 1:
        msg = f"{len(sources)} tracks need a run folder: add -o FOLDER"
        raise click.UsageError(msg)
    for source in sources:
        try:
            recording = decode(source.path, sr=job.sr, strict=job.strict)
            beats = job.beats_of([source]).get(source.id)
            with custom_errors(*job.segmenters, job.features, verbosity=verbosity):
                analysis = analyze(recording.y, recording.sr, job, beats=beats)
        except (AudioError, ValueError, TypeError) as error:
            click.echo(str(error), err=True)
            return NOTHING_DONE
        for warning in (*recording.warnings, *analysis.warnings):
            click.echo(f"{source.path}: {warning}", err=True)
        click.echo(lab_text(analysis.annotations[:1]), nl=False)
    return DONE if sources else NOTHING_DONE


@resumable()
def _segment(
    found: Found,
    output: Path,
    job: SegmentJob,
    jobs: int,
    force: bool,
    verbosity: int,
    *,
    cluster: str | None = None,
    time_limit: int | None = None,
    prune: bool = False,
) -> int:
    """Segment a collection into a run folder."""
    from scatseg.collection import segment_collection
    from scatseg.runs import write_run

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    with usage_errors(), Progress(len(found.sources), verbosity) as progress:
        receipts = segment_collection(
            found.sources,
            output,
            job,
            n_jobs=jobs,
            cluster=cluster,
            time_limit=time_limit,
            force=force,
            failures=found.failures,
            on_receipt=progress.tell,
        )
        write_run(
            output,
            options=job.described(),
            started=started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - clock,
            sources=found.sources,
        )
    n_failed = sum(receipt.failure is not None for receipt in receipts) + len(found.failures)
    n_done = sum(receipt.failure is None for receipt in receipts)
    n_partial = sum(bool(receipt.partial) for receipt in receipts)
    if verbosity >= 0:
        done = f"{counted(n_done, 'track')} segmented"
        done += f" ({n_partial:,} not by every system)" if n_partial else ""
        click.echo(f"{done}, {n_failed:,} failed", err=True)
        if n_failed or n_partial:
            click.echo(f"what failed, and why: {output / 'failures.csv'}", err=True)
        tell_outdated(output)
    with usage_errors():
        _settle_gone(output, prune, verbosity)
    return status_of(n_done, n_failed + n_partial)


def _settle_gone(run: Path, prune: bool, verbosity: int) -> None:
    """Remove tracks whose recordings are gone, or say how to."""
    from scatseg.collection import gone_tracks, remove_tracks
    from scatseg.freshness import scored_fingerprints

    gone = gone_tracks(run)
    if prune:
        remove_tracks(run, gone)
    if not gone or verbosity < 0:
        return
    named = f"{counted(len(gone), 'track')} without a recording: {named_first(gone)}"
    if prune and not scored_fingerprints(run).keys().isdisjoint(gone):
        named += "; the scores include them until the next `scatseg evaluate`"
    tell_gone(named, "run", pruned=prune)


@click.command()
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    default=Path("scatseg-demo"),
    show_default=True,
    callback=run_folder,
)
@click.option("--only-pieces", is_flag=True, help="Only write the pieces and their annotations.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the composer.")
@jobs_option
@click.pass_obj
def demo(verbosity: int, output: Path, only_pieces: bool, seed: int, jobs: int) -> int:
    """Compose pieces of known form; segment, evaluate and report them."""
    from scatseg.analysis import SegmentJob
    from scatseg.report import build
    from scatseg.runs import find_sources
    from scatseg.score_tables import summary_markdown
    from scatseg.scoring import score_folder

    with usage_errors():
        _write_pieces(output, seed, verbosity)
    if only_pieces:
        click.echo(output)
        return DONE
    job = SegmentJob(segmenters=("default", "laplacian", "foote", "structure-features"))
    found = find_sources([output / "audio"], extensions=[".flac"])
    status = _segment(found, output, job, jobs, False, verbosity)
    outcome = score_folder([output], [output / "annotations"], output, n_jobs=jobs)
    click.echo(summary_markdown(outcome.results.summaries))
    click.echo(build(output, audio="copy", figures=True))
    return status


def _write_pieces(folder: Path, seed: int, verbosity: int) -> None:
    """Compose the pieces into `audio/` and their annotations into `annotations/`."""
    from scatseg import audio, formats, pieces

    for name in ("audio", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in pieces.names():
        if verbosity >= 0:
            click.echo(f"composing {name}", err=True)
        piece = pieces.compose(name, seed=seed)
        form = formats.Annotation(segmentation=piece.form, annotator="composer")
        jams = formats.Jams(annotations=(form,), duration=piece.form.end, title=piece.title)
        audio.save(folder / "audio" / f"{name}.flac", piece.y, piece.sr)
        formats.write_jams(folder / "annotations" / f"{name}.jams", jams)
