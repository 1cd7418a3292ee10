"""`scatseg search`: find passages similar to a sound."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from scatseg.cli.options import (
    FileArgument,
    check_folder,
    config_option,
    features_trust_option,
    jobs_option,
    output_folder,
    parse_time,
    refuse_beside,
    refuse_index,
)
from scatseg.cli.outcome import DONE, NOTHING_DONE, status_of, usage_errors

if TYPE_CHECKING:
    from scatseg.clips import DescribedClips
    from scatseg.runs import Failure
    from scatseg.search import Index
    from scatseg.search.asking import Answer
    from scatseg.search.labelled_sounds import Items
    from scatseg.search.retrieval import Retrieval


class _Search(click.Group):
    """A group with a default command."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["find", *args]
        return super().parse_args(context, args)


@click.group(cls=_Search)
def search() -> None:
    """Find passages similar to a sound, and evaluate retrieval.

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
@click.argument("query", required=False)
@click.option(
    "--from", "start", callback=parse_time, metavar="TIME", help="Start: seconds or m:ss."
)
@click.option("--to", "end", callback=parse_time, metavar="TIME", help="End: seconds or m:ss.")
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, help="Number of hits."
)
@click.option(
    "--exclude",
    type=click.Choice(["none", "self", "track", "group"]),
    default="self",
    show_default=True,
    help="Exclude what overlaps the passage by over half, its recording, or its group.",
)
@click.option(
    "--transpose",
    type=click.IntRange(0, 24),
    default=0,
    help="Also search up to this many semitones above and below.",
)
@click.option(
    "--tempo",
    default="0%",
    callback=_percent,
    metavar="SHARE",
    help="Also search passages faster or slower by up to this share, like 10%.",
)
@click.option("--exact", is_flag=True, help="Search all windows, even of a very large index.")
@click.option("--map", "draw_map", is_flag=True, help="Draw a 2-D map of all recordings instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    help="Folder for the report and hits.json; with --map, for map.png, map.svg and map.csv, or a "
    ".png or .svg file.",
)
@features_trust_option
@click.pass_obj
def find(verbosity: int, /, folder: Path, query: str | None, **options: Any) -> int:
    """Find passages similar to QUERY: a file, or the id of a recording in INDEX."""
    from scatseg.audio import AudioError
    from scatseg.search import Index
    from scatseg.search.asking import ask
    from scatseg.search.descriptions import SoundError

    if options["output"] is not None and not options["draw_map"]:
        check_folder(options["output"])
        _refuse_other_page(options["output"])
    if options["draw_map"]:
        refuse_beside("--map", ("query", *options.keys() - {"draw_map", "output", "trust"}))
    with usage_errors():
        opened = Index.open(folder, exact=options["exact"], trusted=options["trust"])
    if options["draw_map"]:
        return _draw_map(opened, options["output"])
    if query is None:
        msg = "a QUERY is needed: a file, or the id of a recording in the index"
        raise click.UsageError(msg)
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
    except SoundError as error:
        click.echo(f"{query}: {error}", err=True)
        return NOTHING_DONE
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for note in answer.notes if verbosity >= 0 else ():
        click.echo(note, err=True)
    return _tell(answer, options["as_json"], options["output"])


def _refuse_other_page(folder: Path) -> None:
    """Reject an index, and a folder whose page is not of a search, as that of a run."""
    refuse_index(folder)
    if (folder / "index.html").exists() and not (folder / "hits.json").exists():
        msg = f"{folder} has a page, index.html, that is not of a search: choose another -o"
        raise click.BadParameter(msg)


def _draw_map(opened: Index, output: Path | None) -> int:
    """Draw a 2-D map of all recordings and write their coordinates."""
    from scatseg.plotting import save_figure
    from scatseg.plotting.search import map_figure
    from scatseg.search.plane import plane, plane_csv
    from scatseg.writing import atomic_write

    if output is None or (output.suffix not in ("", ".png", ".svg") and not output.is_dir()):
        msg = "a map needs -o: a folder, or a file that ends with .png or .svg"
        raise click.UsageError(msg)
    if output.is_dir() or not output.suffix:
        output /= "map.png"
    check_folder(output.parent)
    refuse_index(output.parent)
    if not opened.tracks:
        click.echo(f"nothing is indexed in {opened.folder}", err=True)
        return NOTHING_DONE
    ids, vectors = opened.whole_vectors()
    places = plane(vectors)
    labels = ["/".join(track.labels) for id_ in ids if (track := opened.track(id_)) is not None]
    with usage_errors():
        output.parent.mkdir(parents=True, exist_ok=True)
        save_figure(map_figure(places, ids, labels), output)
        atomic_write(output.with_suffix(".csv"), plane_csv(ids, labels, places).encode())
    click.echo(output)
    return DONE


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
    """Format a table of hits, with an explanation below each."""
    lines = []
    for i, hit in enumerate(answer.hits, 1):
        unit = "semitone" if abs(hit.semitones) == 1 else "semitones"
        moved = f"  {hit.semitones:+d} {unit}" if hit.semitones else ""
        moved += f"  tempo x{hit.tempo:.2f}" if hit.tempo != 1 else ""
        excerpt = f"{_clock(hit.start)}-{_clock(hit.end)}"
        lines.append(f"{i:3d}  {hit.similarity:.3f}  {excerpt}  {hit.track}{moved}")
        if hit.likeness is not None and (why := hit.likeness.sentence()):
            lines.append(f"            {why}")
    return lines or ["nothing: all that is indexed is left out, see --exclude"]


def _clock(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths % 6000 // 100:02d}.{hundredths % 100:02d}"


@search.command()
@click.argument("source", metavar="FOLDER|INDEX", type=FileArgument)
@click.option(
    "--features",
    "names",
    multiple=True,
    help="Features, for a folder. Repeat to compare several.  [default: scattering, then mfcc]",
)
@click.option(
    "--sr",
    type=click.IntRange(min=1000),
    default=22050,
    show_default=True,
    help="Sampling rate in Hz, for a folder.",
)
@click.option(
    "--labels",
    "--listeners",
    "labels",
    multiple=True,
    default=("label",),
    show_default=True,
    help="Label column. Repeat to average over several listeners.",
)
@click.option("--group", default="group", show_default=True, help="Column of groups.")
@click.option("--ignore-groups", is_flag=True, help="Let queries find items of their own group.")
@click.option(
    "--metric",
    type=click.Choice(["cosine", "nca"]),
    default="cosine",
    show_default=True,
    help="nca learns a metric from the labels of other groups.",
)
@click.option("--store", type=FileArgument, help="Cache features in this folder.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of intervals and folds.")
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    callback=output_folder,
    help="Folder for scores.json, queries.csv and run.json.",
)
@features_trust_option
@jobs_option
@config_option
@click.pass_obj
def evaluate(verbosity: int, /, source: Path, output: Path | None, **options: Any) -> int:
    """Score how well sounds retrieve sounds of the same label in other groups.

    FOLDER has one subfolder per label, or an index.csv with columns file,label,group. An INDEX has
    its own features, labels and groups.
    """
    from scatseg.search.retrieval import retrieval_document

    if output is not None:
        refuse_index(output)
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    with usage_errors():
        systems, failures = _scored(source, options, verbosity)
        if not systems.results:
            return NOTHING_DONE
        document = retrieval_document(systems.results, groups=systems.groups, seed=options["seed"])
        if output is not None:
            from scatseg.cli.sounds import plain_options
            from scatseg.runs import write_failures, write_run
            from scatseg.search.tables import write_retrieval

            output.mkdir(parents=True, exist_ok=True)
            write_retrieval(output, document, systems.results, systems.ids)
            write_failures(output, failures)
            write_run(
                output,
                options={"source": str(source), **plain_options(options)},
                started=started.isoformat(timespec="seconds"),
                seconds=time.perf_counter() - clock,
                section="search",
            )
    if verbosity >= 0 and not any(each.answered.any() for each in systems.results.values()):
        click.echo("no sound shares its label with a sound of another group", err=True)
    for line in table(document):
        click.echo(line)
    if output is not None:
        click.echo(output)
    return status_of(len(systems.ids), len(failures))


class _Scored(NamedTuple):
    results: Mapping[str, Retrieval]
    ids: tuple[str, ...]
    groups: tuple[str, ...] | None


def _scored(
    source: Path, options: Mapping[str, Any], verbosity: int
) -> tuple[_Scored, list[Failure]]:
    """Compute and score features of labeled sounds, or those of an index."""
    from scatseg.cli.sounds import described, tell
    from scatseg.clips import ClipFeatures
    from scatseg.labelled import read_labelled
    from scatseg.search.labelled_sounds import items_of
    from scatseg.search.store import DATABASE

    if (source / DATABASE).is_file():
        refuse_beside("an index", ("names", "sr", "labels", "group", "store"))
        return _scored_index(source, options, verbosity), []
    labelled = read_labelled(source, columns=options["labels"], group=options["group"])
    tell(labelled.failures, labelled.notes, verbosity)
    failures = list(labelled.failures)
    vectors: dict[str, DescribedClips] = {}
    clips = labelled.clips
    for name in dict.fromkeys(options["names"] or ("scattering", "mfcc")):
        how = ClipFeatures(features=name, sr=options["sr"], aggregate="mean+std")
        vectors[name] = described(
            clips, how, store=options["store"], jobs=options["jobs"], verbosity=verbosity
        )
        tell(vectors[name].failures, (), verbosity)
        failures += vectors[name].failures
        clips = vectors[name].clips  # all systems are scored on the same sounds
    results: dict[str, Retrieval] = {}
    groups: tuple[str, ...] | None = None
    for name, each in vectors.items() if clips else ():
        items = items_of(each.of(clips))
        results[name], groups = _retrieved(items, options, -1 if results else verbosity)
    return _Scored(results, tuple(clip.id for clip in clips), groups), failures


def _scored_index(source: Path, options: Mapping[str, Any], verbosity: int) -> _Scored:
    from scatseg.search import Index
    from scatseg.search.labelled_sounds import items_of_index

    opened = Index.open(source, trusted=options["trust"])
    items = items_of_index(opened)
    result, groups = _retrieved(items, options, verbosity)
    return _Scored({opened.describer.features: result}, items.ids, groups)


def _retrieved(
    items: Items, options: Mapping[str, Any], verbosity: int
) -> tuple[Retrieval, tuple[str, ...] | None]:
    """Score the vectors of labeled sounds, by each column of labels."""
    from scatseg.search.labelled_sounds import similarities
    from scatseg.search.retrieval import evaluate as score
    from scatseg.search.retrieval import over_listeners

    groups = items.groups if any(items.groups) and not options["ignore_groups"] else None
    if groups is None and verbosity >= 0:
        click.echo("no groups: queries may find sounds of their own recording", err=True)
    scored = []
    for labels in zip(*items.labels, strict=True):
        similarity = similarities(items, labels, metric=options["metric"], seed=options["seed"])
        scored.append(score(similarity, labels, groups=groups))
    return over_listeners(scored), groups


def table(document: Mapping[str, Any]) -> list[str]:
    """Format the scores of all systems, one per line, and their differences."""
    from scatseg.search.retrieval import METRICS

    systems = document.get("systems", [document])
    width = max(len("features"), *(len(each["features"]) for each in systems))
    lines = ["  ".join(["features".ljust(width), *(f"{name:>12}" for name in METRICS)])]
    for each in systems:
        cells = [
            f"{each[name]:11.3f}" if each[name] is not None else f"{'-':>11}" for name in METRICS
        ]
        lines.append("  ".join([each["features"].ljust(width), *cells]))
        low = [each["intervals"][name] for name in METRICS]
        spans = [f"[{a:.2f}, {b:.2f}]".rjust(12) if a is not None else " " * 12 for a, b in low]
        lines.append("  ".join([" " * width, *spans]).rstrip())
    for each in document.get("comparisons", []):
        lines.append(
            f"{each['metric']}: {each['system']} - {each['other']} = {each['difference']:+.3f} "
            f"[{each['low']:+.3f}, {each['high']:+.3f}], p = {each['p']:.2g}"
        )
    return lines
