"""Shared code of the commands on labeled sounds: features with progress, systems, models."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from scatseg.cli.options import refuse_beside
from scatseg.cli.outcome import resumable
from scatseg.cli.progress import Progress
from scatseg.counts import counted

if TYPE_CHECKING:
    from scatseg.classification import CrossValidation
    from scatseg.classification.calibration import Calibrated
    from scatseg.classification.models import ForeignModel, Model
    from scatseg.clips import ClipFeatures, Columns, DescribedClips
    from scatseg.labelled import Clip, LabelledClips
    from scatseg.runs import Failure


_FIRST = 5
"""Number of problematic sounds listed by name."""


class Evaluated(NamedTuple):
    """Systems and baselines on the same clips and folds; `systems` is empty if there are none."""

    classifier: str
    clips: tuple[Clip, ...]
    systems: Mapping[str, CrossValidation]
    baselines: Mapping[str, CrossValidation]
    failures: tuple[Failure, ...]


def check_classifier(name: str, *, tune: bool, is_kept: bool = False) -> None:
    """Reject a classifier that cannot be built, trained or saved before any work is done."""
    from scatseg.classification import make_classifier
    from scatseg.classification.convnet import ConvnetClassifier, check_torch
    from scatseg.classification.model_files import check_can_be_saved

    made = make_classifier(name, tune=tune)
    if isinstance(made.estimator.named_steps["classify"], ConvnetClassifier):
        try:
            check_torch()
        except ImportError as error:
            raise click.UsageError(str(error)) from error
    if is_kept:
        check_can_be_saved(made)


def clip_features(options: Mapping[str, Any], features: str) -> ClipFeatures:
    """Build the feature settings from command-line options."""
    from scatseg.clips import ClipFeatures

    return ClipFeatures(
        features=features,
        sr=options["sr"],
        seconds=options["seconds"],
        aggregate=options["aggregate"],
    )


def classifier_of(name: str, columns: Columns, *, tune: bool, seed: int) -> Calibrated:
    """Create a classifier of vectors with these columns."""
    from scatseg.classification import make_classifier

    return make_classifier(
        name,
        compress=columns.uncompressed,
        n_frames=columns.n_frames,
        names=columns.names,
        tune=tune,
        seed=seed,
    )


def labelled_clips(folder: Path, options: Mapping[str, Any], verbosity: int) -> LabelledClips:
    """Read the selected clips of a folder, and report those that cannot be used."""
    from scatseg.labelled import of_parts, read_labelled

    labelled = read_labelled(folder, columns=options["labels"], group=options["group"])
    tell(labelled.failures, labelled.notes, verbosity)
    return of_parts(labelled, options["parts"])


def described(
    clips: Sequence[Clip], how: ClipFeatures, *, store: Path | None, jobs: int, verbosity: int
) -> DescribedClips:
    """Compute features of sounds, with progress."""
    from scatseg.clips import describe_clips

    kept = contextlib.nullcontext() if store is None else resumable()
    with kept, Progress(len(clips), verbosity, unit="sound") as progress:
        done = describe_clips(clips, how, store=store, n_jobs=jobs, on_clip=progress.step)
    _tell_short(done, how.averaging_seconds, verbosity)
    return done


def _tell_short(done: DescribedClips, least: float, verbosity: int) -> None:
    """Report the sounds that are shorter than the averaging window of the features."""
    short = [
        clip.id for clip, length in zip(done.clips, done.seconds, strict=True) if length < least
    ]
    if short and verbosity >= 0:
        named = short if verbosity > 0 else short[:_FIRST]
        more = ", ..." if len(short) > len(named) else ""
        click.echo(
            f"{len(short)} of {counted(len(done.clips), 'sound')} shorter than the averaging scale "
            f"of {least:.2g} s, too short for features to tell much: {', '.join(named)}{more}",
            err=True,
        )


def found(
    paths: Sequence[Path], how: ClipFeatures, *, jobs: int, verbosity: int
) -> tuple[DescribedClips, tuple[Failure, ...]]:
    """Find unlabeled sounds and compute their features."""
    from scatseg.audio import AUDIO_EXTENSIONS
    from scatseg.labelled import Clip
    from scatseg.runs import find_sources

    there = find_sources(paths, extensions=AUDIO_EXTENSIONS)
    clips = [Clip(id=each.id, path=each.path, labels=()) for each in there.sources]
    vectors = described(clips, how, store=None, jobs=jobs, verbosity=verbosity)
    return vectors, (*there.failures, *vectors.failures)


def groups_of(clips: Sequence[Clip]) -> list[str] | None:
    """Return the group of each clip, its own id if it has none; None if no clip has a group."""
    if not any(clip.group for clip in clips):
        return None
    return [clip.group or f"\0{clip.id}" for clip in clips]


def loaded_model(path: Path, trust: Sequence[str]) -> tuple[Model | ForeignModel, ClipFeatures]:
    """Load a model and its feature settings."""
    from scatseg.classification.model_files import load_model
    from scatseg.classification.models import ModelError
    from scatseg.clips import ClipFeatures

    model = load_model(path, trusted=trust)
    try:
        how = ClipFeatures(**model.about.features)
    except TypeError as error:
        msg = f"{path}: its features are not those of this scatseg ({error}): train it again"
        raise ModelError(msg) from error
    model.about.check_fingerprint(how.fingerprint())
    return model, how


def cross_validated(
    labelled: LabelledClips, options: Mapping[str, Any], verbosity: int
) -> Evaluated:
    """Cross-validate a classifier on each kind of features, on the same folds."""
    from scatseg import classification

    check_classifier(options["classifier"], tune=options["nested"])
    kinds = {name: clip_features(options, name) for name in dict.fromkeys(options["features"])}
    vectors: dict[str, DescribedClips] = {}
    clips = labelled.clips
    for name, how in kinds.items():
        vectors[name] = described(
            clips, how, store=options["store"], jobs=options["jobs"], verbosity=verbosity
        )
        tell(vectors[name].failures, (), verbosity)
        clips = vectors[name].clips  # what fails once is left out of all
    failed = tuple(failure for each in vectors.values() for failure in each.failures)
    if not clips:
        return Evaluated("", (), {}, {}, (*labelled.failures, *failed))
    labels = [clip.label for clip in clips]
    groups = None if options["ignore_groups"] else groups_of(clips)
    split: dict[str, Any] = {
        "groups": groups,
        "n_folds": options["folds"],
        "leave_one_group_out": options["leave_one_group_out"],
        "parts": parts_of(clips, options),
        "seed": options["seed"],
    }
    systems: dict[str, CrossValidation] = {}
    for name, each in vectors.items():
        rows = each.of(clips).X
        if not systems and verbosity >= 0:
            _tell_copies(clips, rows, labels, groups, all_of_them=verbosity > 0)
        made = classifier_of(
            options["classifier"], each.columns, tune=options["nested"], seed=options["seed"]
        )
        systems[name] = classification.cross_validate(made, rows, labels, **split)
    seconds = next(reversed(vectors.values())).seconds
    baselines = {
        "baseline:majority": classification.majority_baseline(labels, **split),
        "baseline:duration": classification.duration_baseline(seconds, labels, **split),
    }
    failures = (*labelled.failures, *failed)
    return Evaluated(options["classifier"], clips, systems, baselines, failures)


def parts_of(clips: Sequence[Clip], options: Mapping[str, Any]) -> list[str] | None:
    """Return the parts of the published split, unless another one is asked for."""
    other = any(options.get(key) for key in ("leave_one_group_out", "ignore_groups", "parts"))
    if options["split"] == "published" and other:
        msg = "--split published takes no --leave-one-group-out, --ignore-groups or --part"
        raise click.UsageError(msg)
    if options["split"] == "folds" or (options["split"] is None and other):
        return None
    parts = [clip.split for clip in clips]
    if options["split"] == "published" and not any(parts):
        msg = "--split published needs a column `split` in index.csv, there is none"
        raise click.UsageError(msg)
    if not any(parts):
        return None
    refuse_beside("the split that index.csv publishes, but for --split folds,", ["folds"])
    return parts


def _tell_copies(
    clips: Sequence[Clip],
    rows: Any,
    labels: Sequence[str],
    groups: Sequence[str] | None,
    *,
    all_of_them: bool,
) -> None:
    from scatseg.classification import conflicting_copies

    copies = conflicting_copies(rows, labels, groups)
    named = copies if all_of_them else copies[:_FIRST]
    for first, second in named:
        a, b = clips[first], clips[second]
        text = f"{b.id} ({b.label}, group {b.group!r}) sounds exactly like "
        click.echo(f"{text}{a.id} ({a.label}, group {a.group!r})", err=True)
    if len(copies) > len(named):
        more = counted(len(copies) - len(named), "more copy", "more copies")
        click.echo(f"and {more}: see -v", err=True)


def model_tested(labelled: LabelledClips, options: Mapping[str, Any], verbosity: int) -> Evaluated:
    """Score a trained model on unseen clips."""
    from scatseg import classification

    model, how = loaded_model(options["model"], options["trust"])
    vectors = described(
        labelled.clips, how, store=options["store"], jobs=options["jobs"], verbosity=verbosity
    )
    tell(vectors.failures, (), verbosity)
    failures = (*labelled.failures, *vectors.failures)
    clips = vectors.clips
    if not clips:
        return Evaluated("", (), {}, {}, failures)
    name = str(model.about.features.get("features"))
    seen = set(model.about.files)
    result = classification.result_elsewhere(
        model.about.classes,
        model.predict_proba(vectors.X),
        [clip.label for clip in clips],
        groups=groups_of(clips),
        split=f"the model {options['model'].name}, trained before",
        n_seen=sum(each in seen for each in vectors.hashes),
    )
    classifier = str(model.about.summary.get("classifier", "?"))
    return Evaluated(classifier, clips, {name: result}, {}, failures)


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Convert options to JSON types."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return value if isinstance(value, str | int | float | None) else str(value)

    return {key: plain(value) for key, value in options.items()}


def tell(failures: Sequence[Failure], notes: Sequence[str], verbosity: int) -> None:
    """Report unusable sounds, the first few or with -v all, and repairs."""
    if verbosity >= 0:
        for note in notes:
            click.echo(note, err=True)
    shown = failures if verbosity > 0 else failures[:_FIRST]
    for failure in shown:
        click.echo(f"{failure.track}: {failure.error}", err=True)
    if len(failures) > len(shown):
        click.echo(f"and {len(failures) - len(shown)} more that cannot be used: see -v", err=True)
