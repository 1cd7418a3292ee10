"""The named segmentation algorithms: frozen dataclasses of options with a `predict` method."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np

from scatseg import naming
from scatseg.counts import counted, rounded, told_apart
from scatseg.features import Features, check_features
from scatseg.segmentation import SILENCE, Hierarchy, Segmentation
from scatseg.segmenters.answers import Curve, Prediction
from scatseg.segmenters.covers import CoverSegmenter, GridFreeSegmenter
from scatseg.segmenters.frames import MAX_FRAMES, on_uniform_frames
from scatseg.segmenters.laplacian import LaplacianSegmenter
from scatseg.segmenters.peaks import FooteSegmenter, StructureFeaturesSegmenter
from scatseg.threads import one_thread

__all__ = [
    "MAX_FRAMES",
    "SEGMENTERS",
    "CoverSegmenter",
    "Curve",
    "FooteSegmenter",
    "GridFreeSegmenter",
    "LaplacianSegmenter",
    "Prediction",
    "Segmenter",
    "StructureFeaturesSegmenter",
    "on_uniform_frames",
    "option_names",
    "predict_with_novelty",
    "segment",
    "segmenter",
    "unmet_counts",
]


class Segmenter(Protocol):
    """Any object with a method `predict` from features to a segmentation.

    Optional attributes and methods:

    - `hears`: name of the default features, if not "scattering".
    - `novelty(features)`: a curve to draw, as (edges, heights).
    - `predict_with_novelty(features)`: a `Prediction`, which holds both. The only way to have
      boundary probabilities, which boundaries carry as their confidence, and warnings.
    - `level_names`: names of the levels, coarse to fine, if they are the same for all recordings; a
      silent recording then has them, too.
    - `default_level`: index of the level to show, if not 0.
    """

    def predict(self, features: Features) -> Segmentation | Hierarchy:
        """Segment one recording. The arrays of the features are read-only."""


SEGMENTERS: Mapping[str, Callable[..., Segmenter]] = {
    "laplacian": LaplacianSegmenter,
    "default": partial(CoverSegmenter, network=1.0),
    "repetition": partial(CoverSegmenter, blocks=0.3, cost=2.0),
    "cbm": partial(CoverSegmenter, repetition=0.0, cost=1.0),
    "grid-free": GridFreeSegmenter,
    "foote": FooteSegmenter,
    "structure-features": StructureFeaturesSegmenter,
}
"""The named algorithms."""


def segmenter(text: str, **options: Any) -> Segmenter:
    """Create a segmenter by name.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`, as in "foote:half_width=8". The names are default, repetition, cbm,
        grid-free, laplacian, foote and structure-features; `help(type(segmenter("foote")))` shows
        the options of one. `module:callable` names a custom one.
    **options
        Further options, which take precedence.

    Examples
    --------
    >>> segmenter("foote:half_width=8").half_width
    8
    """
    return _by_name(text, options)


def option_names(text: str) -> frozenset[str]:
    """Return the names of the options that a segmenter can be made with.

    Examples
    --------
    >>> "half_width" in option_names("foote")
    True
    """
    return naming.option_names(_parsed(text)[0], SEGMENTERS, "segmenter")


def segment(
    features: Features, *, segmenter: str | Segmenter = "default", **options: Any
) -> Segmentation:
    """Segment one recording.

    Parameters
    ----------
    features : Features
        From an extractor: `scatseg.Bars()(y, sr)`, `scatseg.Scattering()(y, sr)`.
    segmenter : str or Segmenter
        A name with options, as in the function `segmenter`, or an object with a method `predict`.
    **options
        Further options of a segmenter given by name: `n_segments=5`, `granularity=0.7`, and others.

    Returns
    -------
    segmentation : Segmentation
        The default level, if the segmenter returns several.

    Warns
    -----
    UserWarning
        When the number of sections or labels is not `n_segments` or `n_labels`, as features may
        have fewer to be found.

    Raises
    ------
    TypeError
        When features or segmenter have the wrong type, or the segmenter does not return a
        Segmentation or Hierarchy.
    ValueError
        When a name or an option is unknown, or the segments do not span the recording, up to a
        frame.

    See Also
    --------
    segmenter : Its method `predict` returns all levels.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat(np.eye(3), [20, 40, 30], axis=0)
    >>> segment(Features(X, np.arange(91)), segmenter="foote", n_segments=3).boundaries
    (0.0, 20.0, 60.0, 90.0)
    """
    if isinstance(segmenter, str):
        chosen = _by_name(segmenter, options)
    elif options:
        msg = f"options need a segmenter given by name: set {', '.join(options)} on {segmenter!r}"
        raise TypeError(msg)
    else:
        chosen = segmenter
    with one_thread():  # many small products, which threads slow down
        predicted = _predicted(chosen, features)
    found = predicted.levels[predicted.default] if isinstance(predicted, Hierarchy) else predicted
    for text in unmet_counts(chosen, found):
        warnings.warn(text, stacklevel=2)
    return found


def unmet_counts(segmenter: Segmenter, found: Segmentation) -> list[str]:
    """Return a message each if the number of sections or labels is not the requested one.

    Parameters
    ----------
    segmenter : Segmenter
        Its options `n_segments` and `n_labels`, if it has them, are the requested numbers.
    found : Segmentation
        Its default level.

    Examples
    --------
    >>> unmet_counts(FooteSegmenter(n_segments=7), Segmentation([0, 4, 9, 12], ["A", "B", "A"]))
    ['7 sections requested, 3 found']
    """
    labels = found.labels
    numbers = {
        "section": (getattr(segmenter, "n_segments", None), len(labels)),
        "label": (getattr(segmenter, "n_labels", None), len({*labels} - {SILENCE})),
    }
    return [
        f"{counted(asked, what)} requested, {n_found:,} found"
        for what, (asked, n_found) in numbers.items()
        if asked is not None and asked != n_found
    ]


def predict_with_novelty(
    segmenter: Segmenter, features: Features
) -> Prediction[Segmentation | Hierarchy]:
    """Segment a recording, with novelty curve and warnings, in one pass if the segmenter can.

    Parameters
    ----------
    segmenter : Segmenter
        An object with a method `predict`.
    features : Features
        Features of one recording.

    Returns
    -------
    prediction : Prediction
        Segmentation, curve and warnings. From a segmenter without a method `predict_with_novelty`,
        the results of its methods `predict` and, if it has one, `novelty`.

    Raises
    ------
    TypeError
        As in `segment`, or when the segmenter does not return a Prediction.
    ValueError
        As in `segment`.
    """
    check_features(features)
    at_once = getattr(segmenter, "predict_with_novelty", None)
    with one_thread():
        if at_once is not None and _is_own(type(segmenter)):
            return _checked(segmenter, at_once(features), features)
        novelty = getattr(segmenter, "novelty", None)
        curve = None if novelty is None else Curve(*novelty(features))
        return Prediction(_predicted(segmenter, features), curve)


def _predicted(segmenter: Segmenter, features: Features) -> Segmentation | Hierarchy:
    """Call `predict` with checks of input and output, for custom segmenters."""
    check_features(features)
    if isinstance(segmenter, type) or not _can_predict(segmenter):
        what = repr(segmenter) if isinstance(segmenter, type) else type(segmenter).__name__
        msg = f"an object with a method predict(features) is needed, got {what}"
        raise TypeError(msg)
    return _checked_segmentation(segmenter, segmenter.predict(features), features)


def _checked(
    segmenter: Segmenter, prediction: object, features: Features
) -> Prediction[Segmentation | Hierarchy]:
    if not isinstance(prediction, Prediction):
        name, what = type(segmenter).__name__, type(prediction).__name__
        msg = f"{name}.predict_with_novelty must return a Prediction, got {what}"
        raise TypeError(msg)
    _checked_segmentation(segmenter, prediction.found, features)
    return prediction


def _checked_segmentation(
    segmenter: Segmenter, found: object, features: Features
) -> Segmentation | Hierarchy:
    name = type(segmenter).__name__
    if not isinstance(found, Segmentation | Hierarchy):
        what = type(found).__name__
        msg = f"{name} must predict a Segmentation or a Hierarchy, got {what}"
        raise TypeError(msg)
    whole = found if isinstance(found, Segmentation) else found.levels[0]
    start, end = whole.boundaries[0], whole.boundaries[-1]
    frame = float(np.diff(features.edges).max())
    if abs(start) > frame or abs(end - features.duration) > frame:
        duration, last = told_apart(features.duration, end)
        first = rounded(start)
        msg = f"the segments of {name} must span 0 to {duration} s, got {first} to {last} s"
        raise ValueError(msg)
    return found


def _can_predict(segmenter: object) -> bool:
    return callable(getattr(segmenter, "predict", None))


def _is_own(kind: type) -> bool:
    """Return whether `predict_with_novelty` agrees with `predict` and `novelty` of a class.

    It does not if a subclass overrides one of the latter without overriding the former.
    """
    at_once = _home(kind, "predict_with_novelty")
    return all(issubclass(at_once, _home(kind, name)) for name in ("predict", "novelty"))


def _home(kind: type, name: str) -> type:
    """Find the class that defines a method; `object` if none does."""
    return next((each for each in kind.__mro__ if name in vars(each)), object)


def _parsed(text: str) -> tuple[str, naming.Options]:
    names = naming.parse_names(text)
    if len(names) != 1:
        msg = f"segmenters cannot be joined by +, got {text!r}"
        raise ValueError(msg)
    return names[0]


def _by_name(text: str, options: Mapping[str, Any] | None = None) -> Segmenter:
    name, written = _parsed(text)
    made: Segmenter = naming.build(name, {**written, **(options or {})}, SEGMENTERS, "segmenter")
    if not _can_predict(made):
        kind = type(made).__name__
        msg = f"a segmenter has a method predict(features), but {text!r} is {kind} without one"
        raise ValueError(msg)
    return made
