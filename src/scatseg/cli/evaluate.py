"""`scatseg evaluate` and `scatseg report`: scores and the report of a run."""

from __future__ import annotations

import datetime
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatseg.cli.options import (
    FileArgument,
    audio_option,
    config_option,
    jobs_option,
    run_folder,
)
from scatseg.cli.outcome import (
    DONE,
    NOTHING_DONE,
    SOME_FAILED,
    status_of,
    tell_outdated,
    usage_errors,
)
from scatseg.cli.progress import followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scatseg.report.sound import AudioMode
    from scatseg.runs import Failure, Note

_N_SHOWN = 5  # notes of one kind on the screen


@click.command()
@click.argument("estimates", nargs=-1, required=True, type=FileArgument)
@click.argument("references", type=FileArgument)
@click.option(
    "--references",
    "more_references",
    multiple=True,
    type=FileArgument,
    help="Folder of references of further tracks. Repeat for several.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=FileArgument,
    callback=run_folder,
    help="Folder for the scores.",
)
@click.option(
    "--map",
    "map_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with columns estimate,reference, for ids that do not match by name.",
)
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of track metadata, with ids in the first column.",
)
@click.option(
    "--group-by",
    default="",
    metavar="COLUMN",
    help="Also summarize by the values of this column of --metadata.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the bootstrap intervals.",
)
@click.option("--figures", is_flag=True, help="Also draw the figures.")
@click.option("--report/--no-report", default=True, help="Build the report.  [default: report]")
@audio_option
@jobs_option
@config_option
@click.pass_obj
def evaluate(
    verbosity: int,
    estimates: tuple[Path, ...],
    references: Path,
    more_references: tuple[Path, ...],
    output: Path,
    map_file: Path | None,
    metadata: Path | None,
    group_by: str,
    seed: int,
    figures: bool,
    report: bool,
    audio: AudioMode,
    jobs: int,
) -> int:
    """Score estimates against references with mir_eval.

    ESTIMATES are runs, or folders of files in any supported format; each is a system. REFERENCES is
    a folder of annotations. Files are matched by name. Several annotators of song.wav are either in
    one JAMS file, or numbered after the level: song.section1.lab, song.section2.lab.

    summary.md and summary.tex hold means with 95 % bootstrap intervals over tracks, comparisons.csv
    paired tests of systems, notes.csv repairs, unmatched files and mismatched durations,
    failures.csv files that could not be scored. The report includes the tracks if the output folder
    is itself a run.
    """
    from scatseg.runs import write_run
    from scatseg.score_tables import summary_markdown
    from scatseg.scoring import score_folder
    from scatseg.track_tables import read_partners

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    for path in (*estimates, references, *more_references):
        if not path.exists():
            msg = f"{path} does not exist"
            raise click.UsageError(msg)
    if bool(group_by) != bool(metadata):
        msg = "--group-by COLUMN needs --metadata FILE, and the other way round"
        raise click.UsageError(msg)
    scored_before = (output / "scores.csv").exists()
    with usage_errors():
        outcome = score_folder(
            estimates,
            [references, *more_references],
            output,
            partners=read_partners(map_file) if map_file else None,
            metadata=metadata,
            group_by=group_by,
            seed=seed,
            n_jobs=jobs,
            follow=functools.partial(followed, verbosity=verbosity),
        )
        write_run(
            output,
            section="evaluation",
            options={
                "estimates": [str(path) for path in estimates],
                "references": [str(path) for path in (references, *more_references)],
                "map": str(map_file or ""),
                "metadata": str(metadata or ""),
                "group_by": group_by,
                "seed": seed,
            },
            started=started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - clock,
        )
    if verbosity >= 0:
        for line in _shown(outcome.notes, output, every=verbosity > 0):
            click.echo(line, err=True)
    for failure in outcome.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if not outcome.n_tracks:
        text = "no estimate has a reference: nothing was scored"
        if map_file is None and any(note.kind == "no estimate" for note in outcome.notes):
            text += "; names are compared, and --map says which belong together where they differ"
        click.echo(text, err=True)
        if report and scored_before:  # the page shows that
            from scatseg.report import build

            build(output, audio=audio, figures=False)
        return NOTHING_DONE
    click.echo(summary_markdown(outcome.results.summaries))
    if report:
        from scatseg.report import build

        click.echo(build(output, audio=audio, figures=figures, n_jobs=jobs))
    elif figures:
        from scatseg.report.score_figures import draw_scores

        draw_scores(output)
        click.echo(output / "figures" / "scores")
    return status_of(outcome.n_tracks, len(outcome.failures))


def _shown(notes: Iterable[Note], output: Path, *, every: bool) -> Iterator[str]:
    """Format notes by kind: all of them, or the first few of each kind and the number left."""
    by_kind: dict[str, list[Note]] = {}
    for note in notes:
        by_kind.setdefault(note.kind, []).append(note)
    for kind, alike in by_kind.items():
        shown = alike if every else alike[:_N_SHOWN]
        for note in shown:
            about = [part for part in (kind, note.file or note.track) if part]
            yield ": ".join([*about, note.message])
        if len(shown) < len(alike):
            more = len(alike) - len(shown)
            yield f"{kind}: {more} more in {output / 'notes.csv'} (-v shows all)"


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@audio_option
@click.option("--figures/--no-figures", default=True, help="Draw PNG and SVG.  [default: figures]")
@jobs_option
@click.pass_obj
def report(verbosity: int, run: Path, audio: AudioMode, figures: bool, jobs: int) -> int:
    """Build the report and figures of a run; print the report's path last."""
    from scatseg.report import build

    failures: list[Failure] = []
    with usage_errors():
        page = build(run, audio=audio, figures=figures, n_jobs=jobs, on_failure=failures.append)
        if verbosity >= 0:
            tell_outdated(run)
    for failure in failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    click.echo(page)
    return SOME_FAILED if failures else DONE
