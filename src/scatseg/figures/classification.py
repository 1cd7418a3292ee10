"""Cross-validations and reasons -> pictures in files."""

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
    """Draw the confusions of all systems, and how far their probabilities can be trusted.

    Parameters
    ----------
    folder : Path
        Where confusion.png|svg and reliability.png|svg go.
    systems : mapping of str to CrossValidation
        By the name of their features, all of the same classes and the same split.
    """
    first = next(iter(systems.values()))
    confusions = {name: each.confusion for name, each in systems.items()}
    classes = [str(each) for each in first.classes]
    save_figure(confusion_figure(confusions, classes, title=first.split), folder / "confusion")
    trusted = {
        name: reliability(each.probabilities[each.tested], each.truth[each.tested])
        for name, each in systems.items()
    }
    save_figure(reliability_figure(trusted), folder / "reliability")


def draw_reasons(output: Path, reasons: Sequence[Reason], *, title: str, text: str) -> None:
    """Draw what decided: `output` without its suffix names a .png and a .svg."""
    save_figure(relevance_figure(reasons, title=title, text=text), output)
