"""`scatseg search`: a sound in, the passages that sound like it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatseg.cli.options import FileArgument, parse_time
from scatseg.cli.outcome import DONE, NOTHING_DONE, usage_errors

if TYPE_CHECKING:
    from scatseg.search.asking import Answer


class _Search(click.Group):
    """A group whose first command need not be named."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["find", *args]
        return super().parse_args(context, args)


@click.group(cls=_Search)
def search() -> None:
    """Find what sounds like a sound, and measure how well that works.

    `scatseg search INDEX QUERY` is short for `scatseg search find INDEX QUERY`.
    """


def _percent(_: click.Context, __: click.Parameter, text: str) -> float:
    """Read a share: 10%, or 0.1."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        msg = f"{text!r} is not a share like 10% or 0.1"
        raise click.BadParameter(msg)
    return share


@search.command()
@click.argument("folder", metavar="INDEX", type=FileArgument)
@click.argument("query")
@click.option("--from", "start", callback=parse_time, metavar="TIME", help="Seconds or m:ss.")
@click.option("--to", "end", callback=parse_time, metavar="TIME", help="Seconds or m:ss.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Hits.")
@click.option(
    "--exclude",
    type=click.Choice(["none", "self", "track", "group"]),
    default="self",
    show_default=True,
    help="Leave out the passage itself, all of its recording, or its group.",
)
@click.option(
    "--transpose",
    type=click.IntRange(0, 24),
    default=0,
    help="Look also up to so many semitones above and below.",
)
@click.option(
    "--tempo",
    default="0%",
    callback=_percent,
    metavar="SHARE",
    help="Look also for what is faster or slower by up to 10%.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-o", "--output", type=FileArgument, help="A folder for the page and hits.json.")
@click.pass_obj
def find(verbosity: int, /, folder: Path, query: str, **options: Any) -> int:
    """Find passages that sound like QUERY: a file, or a recording of INDEX by its id."""
    from scatseg.audio import AudioError
    from scatseg.search import Index
    from scatseg.search.asking import ask

    with usage_errors():
        opened = Index.open(folder)
    try:
        answer = ask(
            opened,
            query,
            start=options["start"],
            end=options["end"],
            top=options["top"],
            exclude=options["exclude"],
            transpose=options["transpose"],
            tempo=options["tempo"],
        )
    except AudioError as error:
        click.echo(str(error), err=True)
        return NOTHING_DONE
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for note in answer.notes if verbosity >= 0 else ():
        click.echo(note, err=True)
    return _tell(answer, options["as_json"], options["output"])


def _tell(answer: Answer, as_json: bool, output: Path | None) -> int:
    if as_json:
        click.echo(json.dumps(answer.as_json(), indent=2))
    else:
        for line in _lines(answer):
            click.echo(line)
    if output is not None:
        from scatseg.report.hits import build_hits

        with usage_errors():
            page = build_hits(answer, output)
        click.echo(page, err=as_json)
    return DONE if answer.hits else NOTHING_DONE


def _lines(answer: Answer) -> list[str]:
    """Write a table of hits, and below each why."""
    lines = []
    for i, hit in enumerate(answer.hits, 1):
        moved = f"  {hit.semitones:+d} semitones" if hit.semitones else ""
        moved += f"  tempo x{hit.tempo:.2f}" if hit.tempo != 1 else ""
        stretch = f"{_clock(hit.start)}-{_clock(hit.end)}"
        lines.append(f"{i:3d}  {hit.similarity:.3f}  {stretch}  {hit.track}{moved}")
        if hit.likeness is not None and (why := hit.likeness.sentence()):
            lines.append(f"            {why}")
    return lines or ["nothing"]


def _clock(seconds: float) -> str:
    tenths = round(seconds * 100)
    return f"{tenths // 6000}:{tenths % 6000 // 100:02d}.{tenths % 100:02d}"
