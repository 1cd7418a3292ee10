"""Feature names -> extractors: the table of names, and concatenation of several features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.features import Extractor, Features

EXTRACTORS: Mapping[str, str] = {
    "scattering": "scatseg.features:Scattering",
    "jtfs": "scatseg.features:JointScattering",
    "mfcc": "scatseg.spectral:MFCC",
    "logmel": "scatseg.spectral:LogMel",
    "cqt": "scatseg.spectral:CQT",
    "chroma": "scatseg.spectral:Chroma",
    "tempogram": "scatseg.spectral:Tempogram",
    "bars": "scatseg.bars:Bars",
}
"""Location of each extractor; librosa is imported only when needed."""


def extractor(text: str, **options: Any) -> Extractor:
    """Create an extractor by name.

    Parameters
    ----------
    text : str
        `name[:key=value,...]` joined by `+`: "scattering:J=12,Q=12/2+mfcc". The names are
        scattering, jtfs, mfcc, logmel, cqt, chroma, tempogram and bars;
        `help(type(extractor("cqt")))` shows the options of one. `module:callable` names a custom
        one.
    **options
        Further options of a single feature, which take precedence.

    Returns
    -------
    extractor : callable
        `(y, sr) -> Features`. Joined names become a `Stack`.

    Raises
    ------
    ValueError
        When a name or an option is unknown, or options are given beside several names.

    Examples
    --------
    >>> extractor("mfcc", n_mfcc=13)
    MFCC(n_mfcc=13, hop_length=512)
    >>> extractor("scattering:J=12,Q=12/2,compression=none")
    Scattering(J=12, Q=(12, 2), T=None, stride=None, max_order=2, eps=0.1, accuracy='default',
               compression=None, renormalize=True)
    """
    named = naming.parse_names(text)
    if options and len(named) > 1:
        msg = f"options are those of one feature, got {sorted(options)} beside {text!r}"
        raise ValueError(msg)
    parts = tuple(built(name, {**written, **options}) for name, written in named)
    return parts[0] if len(parts) == 1 else Stack(parts=parts)


def built(name: str, options: Mapping[str, Any]) -> Extractor:
    """Create an extractor from one name and its options, as `scatseg.naming.build`.

    Raises
    ------
    ValueError
        When the feature or an option is unknown, or the object is not callable.
    """
    made: Extractor = naming.build(name, options, EXTRACTORS, "feature")
    if not callable(made):
        kind = type(made).__name__
        msg = f"a feature is called with (y, sr), but {name!r} is {kind}, which is not callable"
        raise ValueError(msg)
    return made


def extracted(extract: Extractor, y: NDArray[np.floating], sr: int) -> Features:
    """Compute the features of a signal (n_samples,), and check the result for custom extractors.

    They get the signal read-only, so that it cannot change for others.

    Raises
    ------
    TypeError
        When it is not an extractor, or does not return Features.

    Examples
    --------
    >>> extracted(lambda y, sr: y[None, :], np.zeros(8), 8)
    Traceback (most recent call last):
        ...
    TypeError: <lambda> must return Features(X, edges), got ndarray
    """
    name = getattr(extract, "__qualname__", type(extract).__name__)
    if isinstance(extract, type) or not callable(extract):
        what = f"the class {name}: make an object of it" if isinstance(extract, type) else name
        msg = f"an extractor, called with (y, sr), is needed, got {what}"
        raise TypeError(msg)
    features = extract(read_only(y), sr)
    if not isinstance(features, Features):
        msg = f"{name} must return Features(X, edges), got {type(features).__name__}"
        raise TypeError(msg)
    return features


def read_only(y: Any) -> Any:
    """Return a read-only view of an array; a tensor, which cannot be read-only, is unchanged."""
    if isinstance(y, np.ndarray):
        y = y.view()
        y.flags.writeable = False
    return y


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Concatenated features of several extractors, equally weighted.

    The frames are those of the first; the others are averaged over them. Each part is scaled to a
    total variance of 1, so that units and number of features do not matter.

    Parameters
    ----------
    parts : tuple of extractor
        At least one.
    """

    parts: tuple[Extractor, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            msg = "a Stack needs at least one extractor, got none"
            raise ValueError(msg)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        on_grid = extracted_together(self.parts, y, sr)
        return Features(
            np.concatenate([unit_variance(features.X) for features in on_grid], axis=1),
            on_grid[0].edges,
            [name for features in on_grid for name in features.names],
            notes=list(dict.fromkeys(note for each in on_grid for note in each.notes)),
        )


def extracted_together(
    parts: Sequence[Extractor], y: NDArray[np.floating], sr: int
) -> list[Features]:
    """Compute several features, all on the frames of the first: others are averaged over them."""
    first, *others = (extracted(part, y, sr) for part in parts)
    return [first, *(features.pooled(first.edges) for features in others)]


def unit_variance(X: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scale features (n_frames, n_features) to a total variance of 1, unless nearly constant."""
    total = float(np.sqrt(X.var(axis=0).sum()))
    return X / total if total > 1e-6 * float(np.abs(X).max()) else X
