"""`scatseg classify`: train, predict, evaluate and explain classifiers of sounds."""

from __future__ import annotations

import csv
import datetime
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatseg.cli.options import (
    FileArgument,
    config_option,
    jobs_option,
    joined,
    output_file,
    output_folder,
    refuse_beside,
)
from scatseg.cli.outcome import NOTHING_DONE, status_of, usage_errors
from scatseg.cli.sounds import (
    check_classifier,
    classifier_of,
    clip_features,
    cross_validated,
    described,
    found,
    groups_of,
    labelled_clips,
    loaded_model,
    model_tested,
    parts_of,
    plain_options,
    tell,
)

if TYPE_CHECKING:
    from scatseg.classification.models import Model

UNSURE = "unsure"
"""The prediction where no class is probable enough."""

_OF_TRAINING = (
    *("features", "sr", "seconds", "aggregate", "classifier", "nested"),
    *("folds", "split", "leave_one_group_out", "ignore_groups"),
)
"""Options of `evaluate` that are fixed by a trained model."""


@click.group()
def classify() -> None:
    """Train, evaluate and explain classifiers of sounds.

    FOLDER has one subfolder per label, or an index.csv with columns file,label,group. Sounds of one
    group (a player, a kit, a recording) are never on both sides of a split. An optional column
    split (train and test, or the names of folds) holds the published split.
    """


_folder = click.argument("folder", type=FileArgument)
_feature_options = joined(
    click.option("--sr", type=click.IntRange(min=1000), default=22050, show_default=True),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        help="Cut or pad sounds to this length.  [default: full length, at least 1 s]",
    ),
    click.option(
        "--aggregate",
        default="mean",
        show_default=True,
        help="Statistics over frames: mean, std, median, max, joined by +; or none, for all frames "
        "of sounds of --seconds.",
    ),
)
_several_features = click.option(
    "--features",
    multiple=True,
    default=("scattering",),
    show_default=True,
    help="Features by name: scattering:J=12,Q=12/2+mfcc. Repeat to compare several.",
)
_one_feature = click.option(
    "--features", default="scattering", show_default=True, help="Features by name."
)
_label_options = joined(
    click.option(
        "--label",
        "labels",
        multiple=True,
        default=("label",),
        show_default=True,
        help="Label column in index.csv. Repeat to classify combinations of labels.",
    ),
    click.option("--group", default="group", show_default=True, help="Column of groups."),
    click.option(
        "--part",
        "parts",
        multiple=True,
        help="Use only this part (say, train) of the split in index.csv.",
    ),
)
_classifier_options = joined(
    click.option(
        "--classifier",
        default="rbf-svm",
        show_default=True,
        help="rbf-svm, linear-svm, logistic, knn, convnet (torch), or module:class, with options "
        "as in rbf-svm:C=3. With --aggregate none, the convnet runs along time, and for jtfs along "
        "carriers, too.",
    ),
    click.option(
        "--nested", is_flag=True, help="Choose the regularization by nested cross-validation."
    ),
    click.option("--seed", type=int, default=0, show_default=True),
)
_split = click.option(
    "--split",
    type=click.Choice(["published", "folds"]),
    help="Use the column `split` of index.csv (published), or make folds.  [default: published if "
    "present]",
)
_leave_one_group_out = click.option(
    "--leave-one-group-out", is_flag=True, help="Make one fold per group."
)
_store = click.option("--store", type=FileArgument, help="Cache feature vectors in this folder.")
_csv_output = click.option(
    "-o",
    "--output",
    type=FileArgument,
    callback=output_file,
    help="A .csv file.  [default: standard output]",
)
_unsure = click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help=f'Predict "{UNSURE}" below this probability.',
)
_trust = click.option(
    "--trust",
    multiple=True,
    metavar="NAME",
    help="Allow a model to load this skops type, or to run these features (module:callable).",
)


@classify.command()
@_folder
@click.option(
    "-o",
    "--output",
    required=True,
    type=FileArgument,
    callback=output_file,
    help="The model file.",
)
@_one_feature
@_feature_options
@_label_options
@_classifier_options
@_store
@jobs_option
@config_option
@click.pass_obj
def train(
    verbosity: int,
    folder: Path,
    output: Path,
    features: str,
    sr: int,
    seconds: float | None,
    aggregate: str,
    labels: tuple[str, ...],
    group: str,
    parts: tuple[str, ...],
    classifier: str,
    nested: bool,
    seed: int,
    store: Path | None,
    jobs: int,
) -> int:
    """Train a classifier on all sounds of FOLDER."""
    from scatseg.classification.model_files import save_model
    from scatseg.classification.models import Description, model_of
    from scatseg.clips import ClipFeatures
    from scatseg.labelled import label_counts

    with usage_errors():
        check_classifier(classifier, tune=nested, is_kept=True)
        how = ClipFeatures(features=features, sr=sr, seconds=seconds, aggregate=aggregate)
        options = {"labels": labels, "group": group, "parts": parts}
        labelled = labelled_clips(folder, options, verbosity)
        clips = described(labelled.clips, how, store=store, jobs=jobs, verbosity=verbosity)
        tell(clips.failures, (), verbosity)
        if not clips.clips:
            return NOTHING_DONE
        made = classifier_of(classifier, clips.columns, tune=nested, seed=seed).fit(
            clips.X, [clip.label for clip in clips.clips], groups=groups_of(clips.clips)
        )
        about = Description(
            classes=tuple(str(name) for name in made.classes_),
            features=asdict(how),
            fingerprint=how.fingerprint(),
            names=clips.columns.names,
            columns=labelled.columns,
            summary={
                "classifier": classifier,
                "clips": label_counts(clips.clips),
                "groups": len({clip.group for clip in clips.clips if clip.group}),
                "seconds": round(float(clips.seconds.sum()), 3),
            },
            files=tuple(sorted(set(clips.hashes))),
        )
        save_model(output, model_of(made, clips.X, about))
    if verbosity >= 0:
        click.echo(f"{len(clips.clips)} clips, {len(about.classes)} classes", err=True)
    click.echo(output)
    return status_of(len(clips.clips), len(labelled.failures) + len(clips.failures))


@classify.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("paths", nargs=-1, required=True, type=FileArgument)
@_csv_output
@_unsure
@_trust
@jobs_option
@click.pass_obj
def predict(
    verbosity: int,
    model: Path,
    paths: tuple[Path, ...],
    output: Path | None,
    min_probability: float,
    trust: tuple[str, ...],
    jobs: int,
) -> int:
    """Predict the class of each of PATHS (files, folders, patterns), with probabilities."""
    from scatseg.writing import atomic_write, rows_as_csv

    with usage_errors():
        loaded, how = loaded_model(model, trust)
    clips, failures = found(paths, how, jobs=jobs, verbosity=verbosity)
    tell(failures, (), verbosity)
    if clips.clips:
        probabilities = loaded.predict_proba(clips.X)
        classes = loaded.about.classes
        rows = [["file", "prediction", *(f"p_{name}" for name in classes)]]
        for clip, row in zip(clips.clips, probabilities, strict=True):
            called = classes[int(row.argmax())] if row.max() >= min_probability else UNSURE
            rows.append([str(clip.path), called, *(f"{value:.6f}" for value in row)])
        if output is None:
            csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        else:
            with usage_errors():
                atomic_write(output, rows_as_csv(rows).encode("utf-8", "backslashreplace"))
            click.echo(output)
    return status_of(len(clips.clips), len(failures))


@classify.command()
@_folder
@click.option(
    "-o",
    "--output",
    type=FileArgument,
    callback=output_folder,
    help="Folder for scores and figures.",
)
@_several_features
@_feature_options
@_label_options
@_classifier_options
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@_split
@_leave_one_group_out
@click.option("--ignore-groups", is_flag=True, help="Split without regard to groups.")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Score this trained model instead, on its own features; it must not have seen FOLDER.",
)
@_store
@_unsure
@_trust
@jobs_option
@config_option
@click.pass_obj
def evaluate(verbosity: int, /, folder: Path, output: Path | None, **options: Any) -> int:
    """Cross-validate classifiers on the sounds of FOLDER.

    Groups stay together. Unless --model is given, each system is compared with two baselines: the
    majority class and the nearest neighbors in duration.
    """
    from scatseg.classification.tables import scores_document, summary_markdown, write_tables
    from scatseg.runs import write_failures, write_run

    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    if options["model"]:
        refuse_beside("--model", _OF_TRAINING)
        options = {key: value for key, value in options.items() if key not in _OF_TRAINING}
    with usage_errors():
        labelled = labelled_clips(folder, options, verbosity)
        work = model_tested if options["model"] else cross_validated
        evaluated = work(labelled, options, verbosity)
        if not evaluated.systems:
            return NOTHING_DONE
        document = scores_document(
            evaluated.systems,
            evaluated.baselines,
            classifier=evaluated.classifier,
            clips=evaluated.clips,
            columns=labelled.columns,
            seed=options["seed"],
            min_probability=options["min_probability"],
        )
        if output is not None:
            from scatseg.figures.classification import draw_classification

            output.mkdir(parents=True, exist_ok=True)
            write_tables(output, document, evaluated.systems, evaluated.clips)
            draw_classification(output, evaluated.systems)
            write_failures(output, evaluated.failures)
            write_run(
                output,
                options={"folder": str(folder), **plain_options(options)},
                started=started.isoformat(timespec="seconds"),
                seconds=time.perf_counter() - clock,
                section="classify",
            )
    click.echo(summary_markdown(document), nl=False)
    if output is not None:
        click.echo(output)
    return status_of(len(evaluated.clips), len(evaluated.failures))


@classify.command()
@_folder
@_csv_output
@_one_feature
@_feature_options
@_label_options
@_classifier_options
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@_split
@_leave_one_group_out
@click.option("--draws", type=click.IntRange(min=1), default=5, show_default=True)
@_store
@jobs_option
@config_option
@click.pass_obj
def curve(verbosity: int, /, folder: Path, output: Path | None, **options: Any) -> int:
    """Compute a learning curve: scores with 2, 4, 8, 16 and 32 training clips per class."""
    from scatseg.classification import learning_curve
    from scatseg.classification.confusion import SCORES
    from scatseg.writing import atomic_write, rows_as_csv

    with usage_errors():
        check_classifier(options["classifier"], tune=options["nested"])
        how = clip_features(options, options["features"])
        labelled = labelled_clips(folder, options, verbosity)
        clips = described(
            labelled.clips,
            how,
            store=options["store"],
            jobs=options["jobs"],
            verbosity=verbosity,
        )
        tell(clips.failures, (), verbosity)
        if not clips.clips:
            return NOTHING_DONE
        points = learning_curve(
            classifier_of(
                options["classifier"], clips.columns, tune=options["nested"], seed=options["seed"]
            ),
            clips.X,
            [clip.label for clip in clips.clips],
            groups=groups_of(clips.clips),
            n_draws=options["draws"],
            n_folds=options["folds"],
            leave_one_group_out=options["leave_one_group_out"],
            parts=parts_of(clips.clips, options),
            seed=options["seed"],
        )
        header = [f"{score}_{key}" for score in SCORES for key in ("mean", "low", "high")]
        rows = [["clips", *header]]
        for point in points:
            values = [point[score][key] for score in SCORES for key in ("mean", "low", "high")]
            cells = ("" if math.isnan(value) else f"{value:.4f}" for value in values)
            rows.append([str(point["clips"]), *cells])
        if output is not None:
            atomic_write(output, rows_as_csv(rows).encode())
    click.echo(rows_as_csv(rows) if output is None else str(output), nl=output is not None)
    return status_of(len(clips.clips), len(labelled.failures) + len(clips.failures))


@classify.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("paths", nargs=-1, type=FileArgument)
@click.option(
    "-o", "--output", type=FileArgument, callback=output_folder, help="Folder for figures."
)
@click.option("--as", "label", help="Explain this class.  [default: the predicted one]")
@_trust
@jobs_option
@click.pass_obj
def explain(
    verbosity: int,
    model: Path,
    paths: tuple[Path, ...],
    output: Path | None,
    label: str | None,
    trust: tuple[str, ...],
    jobs: int,
) -> int:
    """Explain predictions for PATHS, or each class, by carriers and modulation rates."""
    from scatseg.classification.models import explaining

    with usage_errors():
        trained, how = loaded_model(model, trust)
        loaded = explaining(trained)
        if label is not None and label not in loaded.about.classes:
            msg = f"the model has no class {label!r}, only {', '.join(loaded.about.classes)}"
            raise click.UsageError(msg)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
    if not paths:
        with usage_errors():
            for number, name in enumerate(loaded.about.classes):
                if label in (None, name):
                    _explain(loaded, loaded.arrays["centers"][number], number, name, output)
        return status_of(1, 0)
    clips, failures = found(paths, how, jobs=jobs, verbosity=verbosity)
    tell(failures, (), verbosity)
    with usage_errors():
        for clip, x, seconds in zip(clips.clips, clips.X, clips.seconds, strict=True):
            z = loaded.standardized(x[None])[0]
            best = int(loaded.scores(z[None])[0].argmax())
            number = best if label is None else loaded.about.classes.index(label)
            called = loaded.about.classes[best]
            analyzed = min(seconds, how.seconds or seconds)
            _explain(loaded, z, number, clip.id, output, called=called, seconds=analyzed)
    return status_of(len(clips.clips), len(failures))


def _explain(
    loaded: Model,
    z: Any,
    number: int,
    title: str,
    output: Path | None,
    *,
    called: str | None = None,
    seconds: float = math.inf,
) -> None:
    from scatseg.explain import audible_in, sentence
    from scatseg.runs import safe_id

    reasons = audible_in(seconds, loaded.reasons(z, number))
    text = sentence(loaded.about.classes[number], reasons, called=called)
    click.echo(f"{title}: {text}")
    if output is not None:
        from scatseg.figures.classification import draw_reasons

        draw_reasons(output / safe_id(title), reasons, title=title, text=text)
