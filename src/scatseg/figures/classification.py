"""Cross-validations and explanations -> figure files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scatseg.classification import CrossValidation
from scatseg.classification.confusion import reliability
from scatseg.explain import Reason
from scatseg.plotting import save_figure
from scatseg.plotting.classification import (
    confusion_figure,
    relevance_figure,
    reliability_figure,
)


def draw_classification(folder: Path, systems: Mapping[str, CrossValidation]) -> None:
    """Draw the confusion matrices and reliability diagrams of all systems.

    Parameters
    ----------
    folder : Path
        Output folder of confusion.png|svg and reliability.png|svg.
    systems : mapping of str to CrossValidation
        Features -> results, all on the same classes and the same split.
    """
    first = next(iter(systems.values()))
    confusions = {name: each.confusion for name, each in systems.items()}
    classes = [str(each) for each in first.classes]
    save_figure(confusion_figure(confusions, classes, title=first.split), folder / "confusion")
    trusted = {
        name: reliability(each.truth[each.tested], each.probabilities[each.tested])
        for name, each in systems.items()
    }
    save_figure(reliability_figure(trusted), folder / "reliability")


def draw_reasons(output: Path, reasons: Sequence[Reason], *, title: str, text: str) -> None:
    """Draw the relevance of a prediction and save it as `output` with suffixes .png and .svg."""
    save_figure(relevance_figure(reasons, title=title, text=text), output)
