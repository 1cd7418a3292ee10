"""The named algorithms: each a frozen set of options and the stages it composes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from scatseg import naming
from scatseg.features import Features
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters.answers import Curve, Prediction
from scatseg.segmenters.covers import CoverSegmenter, GridFreeSegmenter
from scatseg.segmenters.frames import MAX_FRAMES, on_uniform_frames
from scatseg.segmenters.laplacian import LaplacianSegmenter
from scatseg.segmenters.peaks import FooteSegmenter, StructureFeaturesSegmenter

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
    "predict_with_novelty",
    "segment",
    "segmenter",
]


class Segmenter(Protocol):
    """Anything with `predict`: features in, sections out.

    A segmenter that is made for other features than plain scattering names them in an attribute
    `hears`: what it is given where the user names none. A method `novelty(features)` gives a
    curve to draw, as (edges, heights); where a further one, `is_calibrated(features)`, is true, the
    heights are probabilities of a boundary, and those found carry them as their confidence. A
    method `shortness(features)` says why no section could be told from another in so short a
    recording, or nothing (None). A segmenter whose answer always has the same levels names them,
    coarse to fine, in an attribute `level_names`, and tells in `default_level` the place of the one
    that is shown, if not the first: silence has them, too.
    """

    def predict(self, features: Features) -> Segmentation | Hierarchy:
        """Find the sections of one recording."""


SEGMENTERS: Mapping[str, Callable[..., Segmenter]] = {
    "laplacian": LaplacianSegmenter,
    "default": partial(CoverSegmenter, network=1.0),
    "repetition": partial(CoverSegmenter, blocks=0.3, cost=2.0),
    "cbm": partial(CoverSegmenter, repetition=0.0, cost=1.0),
    "grid-free": GridFreeSegmenter,
    "foote": FooteSegmenter,
    "structure-features": StructureFeaturesSegmenter,
}


def segmenter(text: str) -> Segmenter:
    """Make the segmenter that a name describes.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`: "foote:half_width=8". The names are default, repetition, cbm,
        grid-free, laplacian, foote and structure-features; `help(type(segmenter("foote")))` tells
        the options of one. One of your own is `module:callable`.

    Examples
    --------
    >>> segmenter("foote:half_width=8").half_width
    8
    """
    return _by_name(text)


def segment(
    features: Features, *, segmenter: str | Segmenter = "default", **options: Any
) -> Segmentation:
    """Find the sections of one recording.

    Parameters
    ----------
    features : Features
        As an extractor makes them: `scatseg.Bars()(y, sr)`, `scatseg.Scattering()(y, sr)`.
    segmenter : str or Segmenter
        A name with options, as in the function `segmenter`, or anything with a `predict`.
    **options
        Of a segmenter that is named, beside those in its name: `n_segments=5`,
        `granularity=0.7`, and others of its own.

    Returns
    -------
    segmentation : Segmentation
        The default level, where the segmenter finds several.

    Raises
    ------
    TypeError
        When features or segmenter are something else, or it does not answer with sections.
    ValueError
        When a name or an option is unknown.

    See Also
    --------
    segmenter : Its method `predict` finds all levels.

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
        msg = f"options are of a segmenter that is named: set {', '.join(options)} on {segmenter!r}"
        raise TypeError(msg)
    else:
        chosen = segmenter
    found = _predicted(chosen, features)
    return found if isinstance(found, Segmentation) else found.levels[found.default]


def predict_with_novelty(
    segmenter: Segmenter, features: Features
) -> Prediction[Segmentation | Hierarchy]:
    """Find sections and the curve they are seen in, by one look where the segmenter can.

    Parameters
    ----------
    segmenter : Segmenter
        Anything with a `predict`.
    features : Features
        Of one recording.

    Returns
    -------
    found : Segmentation or Hierarchy
        As `segmenter.predict` gives it.
    curve : Curve or None
        As `segmenter.novelty` gives it; None where there is no such method.
    """
    at_once = getattr(segmenter, "predict_with_novelty", None)
    if at_once is not None and _is_own(type(segmenter)):
        answer: Prediction[Segmentation | Hierarchy] = at_once(features)
        return answer
    novelty = getattr(segmenter, "novelty", None)
    curve = None if novelty is None else Curve(*novelty(features))
    return Prediction(_predicted(segmenter, features), curve)


def _predicted(segmenter: Segmenter, features: Features) -> Segmentation | Hierarchy:
    """Find sections by a segmenter that may be somebody's own."""
    if not isinstance(features, Features):
        msg = (
            f"features of a recording are needed, got {type(features).__name__}: "
            "an extractor makes them, as scatseg.Bars()(y, sr)"
        )
        raise TypeError(msg)
    if isinstance(segmenter, type) or not _can_predict(segmenter):
        what = repr(segmenter) if isinstance(segmenter, type) else type(segmenter).__name__
        msg = f"an object with a method predict(features) is needed, got {what}"
        raise TypeError(msg)
    found = segmenter.predict(features)
    if not isinstance(found, Segmentation | Hierarchy):
        name, what = type(segmenter).__name__, type(found).__name__
        msg = f"{name} must predict a Segmentation or a Hierarchy, got {what}"
        raise TypeError(msg)
    return found


def _can_predict(segmenter: object) -> bool:
    return callable(getattr(segmenter, "predict", None))


def _is_own(kind: type) -> bool:
    """Tell whether a class answers at once what it answers one by one.

    A class that is derived from ours, and finds sections in another way, does not.
    """
    at_once = _home(kind, "predict_with_novelty")
    return all(issubclass(at_once, _home(kind, name)) for name in ("predict", "novelty"))


def _home(kind: type, name: str) -> type:
    """Find the class that defines a method; `object` where none does."""
    return next((each for each in kind.__mro__ if name in vars(each)), object)


def _by_name(text: str, options: Mapping[str, Any] | None = None) -> Segmenter:
    names = naming.parse_names(text)
    if len(names) != 1:
        msg = f"segmenters cannot be joined by +, got {text!r}"
        raise ValueError(msg)
    name, written = names[0]
    made: Segmenter = naming.build(name, {**written, **(options or {})}, SEGMENTERS, "segmenter")
    if not _can_predict(made):
        kind = type(made).__name__
        msg = f"a segmenter has a method predict(features), but {text!r} is {kind} without one"
        raise ValueError(msg)
    return made
