"""The command line: arguments in, exit status out; the work is done elsewhere.

The door to click and tqdm. What users read goes to standard output, progress to standard error.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from tqdm import tqdm

from scatseg import __version__
from scatseg.formats import FORMATS
from scatseg.naming import parse_value

if TYPE_CHECKING:
    from scatseg.collection import Receipt, SegmentJob
    from scatseg.figures import Kind
    from scatseg.report.sound import AudioMode
    from scatseg.runs import Failure, Found, Source

DONE, SOME_FAILED, USAGE, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit statuses."""

FileArgument = click.Path(path_type=Path)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    try:
        status = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="scatseg",
            standalone_mode=False,
        )
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted: what was done is kept, the same command goes on", err=True)
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = USAGE
    except BrokenPipeError:
        # The reader has gone; what is left in the buffer has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    sys.exit(status if isinstance(status, int) else DONE)


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn what the user got wrong into one line instead of a traceback."""
    from scatseg.runs import RunLockedError

    try:
        yield
    except (ValueError, RunLockedError, OSError) as error:
        raise click.UsageError(str(error)) from error


class _Progress:
    """One line per track on standard error: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, verbosity: int) -> None:
        self._total, self._done, self._verbosity = total, 0, verbosity
        bar = verbosity >= 0 and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="track", file=sys.stderr) if bar else None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, text: str, *, important: bool = False) -> None:
        """Count a track, and say what became of it."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            if important or self._verbosity > 0:
                self._bar.write(text, file=sys.stderr)
        elif important or self._verbosity >= 0:
            click.echo(f"[{self._done}/{self._total}] {text}", err=True)


def _set_defaults(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Take option values from a TOML file; what is written on the command line wins."""
    if path is None:
        return None
    with _usage_errors():
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {parameter.name for parameter in context.command.params}
    by_option = {
        option.lstrip("-").replace("-", "_"): parameter.name
        for parameter in context.command.params
        for option in parameter.opts
    }
    several = {parameter.name for parameter in context.command.params if _is_multiple(parameter)}
    defaults = {}
    for key, value in values.items():
        name = by_option.get(key.replace("-", "_"), key)
        if name not in known:
            msg = f"{path}: unknown option {key!r} for {context.command.name}"
            raise click.UsageError(msg)
        if name == "settings" and isinstance(value, dict):
            value = [f"{option}={setting}" for option, setting in value.items()]
        defaults[name] = [value] if name in several and not isinstance(value, list) else value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _is_multiple(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.multiple


def _parse_settings(
    _: click.Context, __: click.Parameter, items: tuple[str, ...]
) -> dict[str, Any]:
    """Read --set key=value."""
    settings = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            msg = f"--set needs key=value, got {item!r}"
            raise click.UsageError(msg)
        settings[key.strip().replace("-", "_")] = parse_value(value.strip())
    return settings


_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_set_defaults,
    is_eager=True,
    expose_value=False,
    help="Take option values from a TOML file.",
)
_jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Processes.",
)
_features = click.option(
    "--features",
    default="scattering",
    show_default=True,
    help="Features by name: scattering:J=12,Q=12/2+mfcc, or module:callable.",
)
_settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parse_settings,
    help="Set any other option of the segmenters, or sr.",
)
_audio = click.option(
    "--audio",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    show_default=True,
    help="Copy recordings beside the page, link to them, or leave them out.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="scatseg %(version)s")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: int) -> None:
    """Segment music and compare sounds on wavelet scattering features."""
    context.obj = -1 if quiet else verbose


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", type=FileArgument, help="The run folder.")
@_features
@click.option(
    "--segmenter",
    "names",
    multiple=True,
    default=("laplacian",),
    show_default=True,
    help="A segmenter by name: laplacian, foote, structure-features, or module:callable. "
    "Repeat for several; the first is the default system.",
)
@click.option("--n-segments", type=click.IntRange(min=1), help="How many sections.")
@click.option(
    "--granularity", type=click.FloatRange(0, 1), help="0 coarse to 1 fine.  [default: 0.5]"
)
@click.option(
    "--format",
    "exports",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    help="Also write this format, into exports/. Repeat for several.",
)
@_jobs
@click.option("--force", is_flag=True, help="Do again what is done.")
@click.option("--dry-run", is_flag=True, help="Only list the tracks.")
@click.option("--strict", is_flag=True, help="Refuse damaged files instead of warning.")
@click.option("--report/--no-report", default=True, help="Build the page.  [default: report]")
@_audio
@_config
@_settings
@click.pass_obj
def segment(
    verbosity: int,
    paths: tuple[Path, ...],
    output: Path | None,
    features: str,
    names: tuple[str, ...],
    n_segments: int | None,
    granularity: float | None,
    exports: tuple[str, ...],
    jobs: int,
    force: bool,
    dry_run: bool,
    strict: bool,
    report: bool,
    audio: AudioMode,
    settings: dict[str, Any],
) -> int:
    """Find the sections of recordings.

    PATHS are files, folders (walked by audio extension) or patterns. With -o, a run folder gets one
    JAMS file per track and a page; done tracks are kept. Without, the sections of one file are
    printed.
    """
    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.collection import SegmentJob
    from scatseg.runs import find_sources

    given = {"n_segments": n_segments, "granularity": granularity}
    chosen = {key: value for key, value in given.items() if value is not None}
    with _usage_errors():
        job = SegmentJob(
            segmenters=names,
            features=features,
            sr=settings.pop("sr", 22050),
            settings=settings | chosen,
            exports=exports,
            strict=strict,
        )
    found = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    if dry_run:
        for source in found.sources:
            click.echo(f"{source.id}\t{source.path}")
        for failure in found.failures:
            click.echo(f"{failure.track}: {failure.error}", err=True)
        return DONE if found.sources else NOTHING_DONE
    if output is None:
        return _print_segments(found.sources, found.failures, job)
    status = _segment(found, output, job, jobs, force, verbosity)
    click.echo(_build_page(output, audio, figures=False) if report else output)
    return status


def _print_segments(sources: Sequence[Source], failures: Sequence[Failure], job: SegmentJob) -> int:
    """Segment one file and print it as LAB."""
    from scatseg.audio import AudioError, decode
    from scatseg.collection import analyze
    from scatseg.formats.tables import lab_text

    for failure in failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if len(sources) > 1:
        msg = f"{len(sources)} tracks need a run folder: add -o FOLDER"
        raise click.UsageError(msg)
    for source in sources:
        try:
            recording = decode(source.path, sr=job.sr, strict=job.strict)
            annotations, _ = analyze(recording.y, recording.sr, job)
        except (AudioError, ValueError, TypeError) as error:
            click.echo(str(error), err=True)
            return NOTHING_DONE
        for warning in recording.warnings:
            click.echo(f"{source.path}: {warning}", err=True)
        click.echo(lab_text(annotations[:1]), nl=False)
    return DONE if sources else NOTHING_DONE


def _segment(
    found: Found,
    output: Path,
    job: SegmentJob,
    jobs: int,
    force: bool,
    verbosity: int,
) -> int:
    """Segment a collection into a run folder."""
    from scatseg.collection import segment_collection
    from scatseg.runs import write_run

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    for failure in found.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    with _usage_errors(), _Progress(len(found.sources), verbosity) as progress:

        def tell(receipt: Receipt) -> None:
            failed = receipt.failure
            what = f"{failed.stage}: {failed.error}" if failed else receipt.status
            progress.step(
                f"{receipt.track}: {what} ({receipt.seconds:.1f} s)", important=failed is not None
            )

        receipts = segment_collection(
            found.sources,
            output,
            job,
            n_jobs=jobs,
            force=force,
            failures=found.failures,
            on_receipt=tell,
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
    if verbosity >= 0:
        click.echo(f"{n_done} tracks segmented, {n_failed} failed", err=True)
        if n_failed:
            click.echo(f"what failed, and why: {output / 'failures.csv'}", err=True)
    return _status(n_done, n_failed)


def _status(n_done: int, n_failed: int) -> int:
    if not n_done:
        return NOTHING_DONE
    return SOME_FAILED if n_failed else DONE


def _build_page(run: Path, audio: AudioMode, *, figures: bool) -> Path:
    from scatseg.report import build

    return build(run, audio=audio, figures=figures)


@cli.command()
@click.argument("estimates", nargs=-1, required=True, type=FileArgument)
@click.argument("references", type=FileArgument)
@click.option(
    "--references",
    "more_references",
    multiple=True,
    type=FileArgument,
    help="A further folder of references. Repeat for several.",
)
@click.option("-o", "--output", required=True, type=FileArgument, help="Where the scores go.")
@click.option("--figures", is_flag=True, help="Also draw the figures.")
@click.option("--report/--no-report", default=True, help="Build the page.  [default: report]")
@_audio
@_jobs
@_config
@click.pass_obj
def evaluate(
    verbosity: int,
    estimates: tuple[Path, ...],
    references: Path,
    more_references: tuple[Path, ...],
    output: Path,
    figures: bool,
    report: bool,
    audio: AudioMode,
    jobs: int,
) -> int:
    """Score estimates against references with mir_eval.

    ESTIMATES are runs, or folders of files in any format that is read, each of them a system.
    REFERENCES is a folder of annotations. They are matched by name.
    """
    from scatseg.evaluation import summary_markdown
    from scatseg.runs import write_run
    from scatseg.scoring import score_folder

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    for path in (*estimates, references, *more_references):
        if not path.exists():
            msg = f"{path} does not exist"
            raise click.UsageError(msg)
    with _usage_errors():
        outcome = score_folder(estimates, [references, *more_references], output, n_jobs=jobs)
        write_run(
            output,
            section="evaluation",
            options={
                "estimates": [str(path) for path in estimates],
                "references": [str(path) for path in (references, *more_references)],
            },
            started=started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - clock,
        )
    if verbosity >= 0:
        for note in outcome.notes:
            click.echo(note, err=True)
    for failure in outcome.failures:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if not outcome.n_tracks:
        click.echo("no estimate has a reference: nothing was scored", err=True)
        return NOTHING_DONE
    click.echo(summary_markdown(outcome.summaries))
    if report and (output / "tracks").is_dir():
        click.echo(_build_page(output, audio, figures=figures))
    return _status(outcome.n_tracks, len(outcome.failures))


@cli.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_audio
@click.option("--figures/--no-figures", default=True, help="Draw PNG and SVG.  [default: figures]")
def report(run: Path, audio: AudioMode, figures: bool) -> int:
    """Build the page and the figures of a run; the last line is where the page is."""
    with _usage_errors():
        page = _build_page(run, audio, figures=figures)
    click.echo(page)
    return DONE


@cli.command()
@click.option("-o", "--output", type=FileArgument, default=Path("scatseg-demo"), show_default=True)
@click.option("--only-pieces", is_flag=True, help="Only write the pieces and their form.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the composer.")
@_jobs
@click.pass_obj
def demo(verbosity: int, output: Path, only_pieces: bool, seed: int, jobs: int) -> int:
    """Compose pieces of known form, segment, evaluate and report them."""
    from scatseg.collection import SegmentJob
    from scatseg.evaluation import summary_markdown
    from scatseg.runs import find_sources
    from scatseg.scoring import score_folder

    with _usage_errors():
        _write_pieces(output, seed, verbosity)
    if only_pieces:
        click.echo(output)
        return DONE
    job = SegmentJob(segmenters=("laplacian", "foote", "structure-features"))
    found = find_sources([output / "audio"], extensions=[".flac"])
    status = _segment(found, output, job, jobs, False, verbosity)
    outcome = score_folder([output], [output / "annotations"], output, n_jobs=jobs)
    click.echo(summary_markdown(outcome.summaries))
    click.echo(_build_page(output, "copy", figures=True))
    return status


def _write_pieces(folder: Path, seed: int, verbosity: int) -> None:
    """Compose the pieces into `audio/`, and what is known about them into `annotations/`."""
    from scatseg import audio, formats, pieces

    for name in ("audio", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in pieces.names():
        if verbosity >= 0:
            click.echo(f"composing {name}", err=True)
        piece = pieces.compose(name, seed=seed)
        form = formats.Annotation(segmentation=piece.form, annotator="composer", level="section")
        jams = formats.Jams(annotations=(form,), duration=piece.form.end, title=piece.title)
        audio.save(folder / "audio" / f"{name}.flac", piece.y, piece.sr)
        formats.write_jams(folder / "annotations" / f"{name}.jams", jams)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", required=True, type=FileArgument, help="An .npz, or a folder.")
@_features
@click.option("--sr", type=click.IntRange(min=1), default=22050, show_default=True, help="In Hz.")
@click.pass_obj
def features(verbosity: int, paths: tuple[Path, ...], output: Path, features: str, sr: int) -> int:
    """Compute features and save them as .npz: X, edges (seconds), names."""
    from scatseg.audio import AUDIO_EXTENSIONS, AudioError, decode
    from scatseg.extractors import extractor
    from scatseg.formats import atomic_write
    from scatseg.runs import find_sources

    with _usage_errors():
        extract = extractor(features)
    found = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    one_file = output.suffix == ".npz"
    if one_file and len(found.sources) > 1:
        msg = f"{len(found.sources)} tracks need a folder, got -o {output}"
        raise click.UsageError(msg)
    failed = [f"{failure.track}: {failure.error}" for failure in found.failures]
    with _usage_errors():
        (output.parent if one_file else output).mkdir(parents=True, exist_ok=True)
    with _Progress(len(found.sources), verbosity) as progress:
        for source in found.sources:
            try:
                recording = decode(source.path, sr=sr)
                described = extract(recording.y, recording.sr)
            except (AudioError, ValueError) as error:
                failed.append(str(error))
                progress.step(f"{source.id}: {error}", important=True)
                continue
            target = output if one_file else output / f"{source.id}.npz"
            atomic_write(target, _features_npz(described))
            progress.step(f"{source.id}: {described.X.shape[0]} x {described.X.shape[1]}")
    for line in failed[: len(found.failures)]:
        click.echo(line, err=True)
    n_done = len(found.sources) - (len(failed) - len(found.failures))
    if n_done:
        click.echo(output)
    return _status(n_done, len(failed))


def _features_npz(described: Any) -> bytes:
    import io

    import numpy as np

    data = io.BytesIO()
    names = np.array([str(name) for name in described.names])
    np.savez_compressed(data, X=described.X, edges=described.edges, names=names)
    return data.getvalue()


@cli.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=FileArgument, help="A .png or .svg file.")
@click.option(
    "--kind",
    type=click.Choice(["track", "features", "similarity", "novelty", "waveform"]),
    default="track",
    show_default=True,
    help="What to draw.",
)
@_features
@click.option("--segmenter", "name", default="foote", show_default=True)
@click.option("--reference", type=FileArgument, help="An annotation to draw above.")
def plot(
    path: Path, output: Path, kind: Kind, features: str, name: str, reference: Path | None
) -> int:
    """Draw a recording: its form, features, self-similarity or novelty."""
    from scatseg.figures import draw

    with _usage_errors():
        written = draw(
            path, output, kind=kind, features=features, segmenter=name, reference=reference
        )
    click.echo(written)
    return DONE


@cli.command()
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
    return _status(len(found.sources) + len(found.failures) - n_failed, n_failed)


@cli.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of every step that has it.",
)
@click.pass_context
def run(context: click.Context, path: Path, changes: tuple[str, ...]) -> int:
    """Run the steps that a TOML file declares.

    Each [[step]] has a `command`, its `arguments`, and the command's options by their names.
    """
    with _usage_errors():
        steps = tomllib.loads(path.read_text(encoding="utf-8")).get("step", [])
        if not steps or not isinstance(steps, list):
            msg = f"{path}: an experiment needs at least one [[step]]"
            raise ValueError(msg)
        changed = _parse_changes(steps, changes)
        commands = [_step_arguments(path, step, changed) for step in steps]
    worst = DONE
    for arguments in commands:
        if context.obj >= 0:
            click.echo("scatseg " + " ".join(arguments), err=True)
        quiet = ["-q"] if context.obj < 0 else []
        status = cli.main(args=[*quiet, *arguments], prog_name="scatseg", standalone_mode=False)
        worst = max(worst, int(status or DONE))
        if worst > SOME_FAILED:
            break
    return worst


def _step_arguments(path: Path, step: dict[str, Any], changes: dict[str, str]) -> list[str]:
    """Write a step as the command line that it stands for."""
    step = dict(step)
    name = step.pop("command", None)
    if name not in cli.commands:
        msg = f"{path}: a step's command is one of {', '.join(cli.commands)}, got {name!r}"
        raise ValueError(msg)
    given = step.pop("arguments", [])
    arguments = [str(each) for each in given] if isinstance(given, list) else [str(given)]
    known = _options_of(name)
    step |= {key: value for key, value in changes.items() if _option_name(key) in known}
    options: list[str] = []
    for key, value in step.items():
        option = _option_name(key)
        if option not in known:
            msg = f"{path}: {name} has no option {key!r}; there are {', '.join(sorted(known))}"
            raise ValueError(msg)
        options += _option_words(option, value, known[option].secondary_opts)
    return [name, *options, *(["--", *arguments] if arguments else [])]


def _options_of(command: str) -> dict[str, click.Parameter]:
    return {
        option: parameter
        for parameter in cli.commands[command].params
        for option in parameter.opts
        if isinstance(parameter, click.Option)
    }


def _option_name(key: str) -> str:
    return "--" + key.replace("_", "-")


def _parse_changes(steps: Sequence[dict[str, Any]], items: Sequence[str]) -> dict[str, str]:
    """Read --set key=value; every key must be an option of at least one step's command."""
    changes = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            msg = f"--set needs key=value, got {item!r}"
            raise ValueError(msg)
        names = [str(step.get("command")) for step in steps]
        if not any(_option_name(key) in _options_of(n) for n in names if n in cli.commands):
            msg = f"--set {item}: no step has an option {key!r}"
            raise ValueError(msg)
        changes[key] = value
    return changes


def _option_words(option: str, value: Any, opposites: Sequence[str]) -> list[str]:
    if value is True or value == "true":
        return [option]
    if value is False or value == "false":
        return list(opposites[:1])
    values = value if isinstance(value, list) else [value]
    return [word for each in values for word in (option, str(each))]


_EXTRAS = {
    "torch": "torch",
    "dask": "distributed",
    "ann": "faiss",
    "ffmpeg": "av",
    "datasets": "mirdata",
}

_FFMPEG_ONLY = {".aac", ".m4a", ".wma"}


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(as_json: bool) -> int:
    """Say what is installed: versions, decoders, backends."""
    import importlib.util

    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.runs import versions

    installed = {
        extra: importlib.util.find_spec(module) is not None for extra, module in _EXTRAS.items()
    }
    decoders = sorted(AUDIO_EXTENSIONS - (set() if installed["ffmpeg"] else _FFMPEG_ONLY))
    facts = {
        "versions": versions(),
        "decoders": decoders,
        "extras": installed,
        "cores": os.cpu_count(),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return DONE
    for name, number in versions().items():
        click.echo(f"{name:14} {number}")
    click.echo(f"{'decoders':14} {' '.join(decoders)}")
    for extra, there in installed.items():
        click.echo(f"{'extra ' + extra:14} {'installed' if there else 'not installed'}")
    click.echo(f"{'cores':14} {os.cpu_count()}")
    return DONE
