"""`scatseg features`: extract features of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from scatseg.cli.options import FileArgument, check_folder, features_option
from scatseg.cli.outcome import (
    CustomCodeError,
    custom_errors,
    status_of,
    text_of,
    usage_errors,
)
from scatseg.cli.progress import Progress

if TYPE_CHECKING:
    from scatseg.features import Extractor, Features
    from scatseg.runs import Found


_LONG = 1200
"""Seconds above which a recording is streamed instead of loaded."""


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@click.option("-o", "--output", type=FileArgument, help="An .npz file, or a folder.")
@features_option
@click.option("--sr", type=click.IntRange(min=1), default=22050, show_default=True, help="In Hz.")
@click.option("--plan", is_flag=True, help="Only estimate output, operations and memory.")
@click.pass_obj
def features(
    verbosity: int, paths: tuple[Path, ...], output: Path | None, features: str, sr: int, plan: bool
) -> int:
    """Compute features and save them as .npz: X, edges (seconds), names.

    Recordings longer than 20 minutes are streamed where the features support it.
    """
    from scatseg.audio import AUDIO_EXTENSIONS, AudioError
    from scatseg.extractors import extractor
    from scatseg.runs import find_sources
    from scatseg.writing import atomic_write

    with usage_errors():
        extract = extractor(features)
    found = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    if plan:
        return _tell_plans(extract, found, sr)
    if output is None:
        msg = "features need -o OUTPUT, an .npz or a folder (or --plan)"
        raise click.UsageError(msg)
    one_file = output.suffix == ".npz"
    if one_file and len(found.sources) > 1:
        msg = f"{len(found.sources)} tracks need a folder, got -o {output}"
        raise click.UsageError(msg)
    folder = output.parent if one_file else output
    check_folder(folder)
    failed = [f"{failure.track}: {failure.error}" for failure in found.failures]
    with usage_errors():
        folder.mkdir(parents=True, exist_ok=True)
    with Progress(len(found.sources), verbosity) as progress:
        for source in found.sources:
            try:
                with custom_errors(features, verbosity=verbosity):
                    described, warnings = _described(extract, source.path, sr)
                target = output if one_file else output / f"{source.id}.npz"
                atomic_write(target, _features_npz(described))
            except (AudioError, OSError, ValueError, CustomCodeError) as error:
                text = text_of(error)
                failed.append(text)
                progress.step(f"{source.id}: {text}", important=True)
                continue
            progress.step(f"{source.id}: {described.X.shape[0]} x {described.X.shape[1]}")
            progress.warn(source.id, warnings)
    for line in failed[: len(found.failures)]:
        click.echo(line, err=True)
    n_done = len(found.sources) - (len(failed) - len(found.failures))
    if n_done:
        click.echo(output)
    return status_of(n_done, len(failed))


def _described(extract: Extractor, path: Path, sr: int) -> tuple[Features, tuple[str, ...]]:
    """Extract features of a file, in memory or streamed; return them with warnings."""
    from scatseg import audio
    from scatseg.extractors import extracted

    n_samples = audio.declared_samples(path, sr=sr)
    is_long = n_samples is None or n_samples > _LONG * sr
    if is_long and hasattr(extract, "stream"):
        pieces = audio.stream(path, sr=sr)
        described = cast("Features", extract.stream(pieces, pieces.sr))
        return described, (*pieces.warnings, *described.notes)
    recording = audio.decode(path, sr=sr)
    described = extracted(extract, recording.y, recording.sr)
    return described, (*recording.warnings, *described.notes)


def _tell_plans(extract: Extractor, found: Found, sr: int) -> int:
    """Print the cost estimate of each recording."""
    from scatseg import audio

    if not hasattr(extract, "plan"):
        msg = "--plan needs scattering or jtfs, one at a time"
        raise click.UsageError(msg)
    failed = [f"{failure.track}: {failure.error}" for failure in found.failures]
    n_done = 0
    for source in found.sources:
        try:
            n_samples = audio.declared_samples(source.path, sr=sr)
            if n_samples is None:
                n_samples = audio.stream(source.path, sr=sr).n_samples
            plan = extract.plan(n_samples)
        except (audio.AudioError, ValueError) as error:
            failed.append(str(error))
            continue
        n_done += 1
        click.echo(f"{source.id}\n{plan.describe(sr)}\n")
    for line in failed:
        click.echo(line, err=True)
    return status_of(n_done, len(failed))


def _features_npz(described: Any) -> bytes:
    import io

    import numpy as np

    data = io.BytesIO()
    names = np.array([str(name) for name in described.names])
    np.savez_compressed(data, X=described.X, edges=described.edges, names=names)
    return data.getvalue()
