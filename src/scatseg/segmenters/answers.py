"""What a segmenter answers when it is asked for its sections and its curve at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scatseg.segmentation import Hierarchy, Segmentation

Found = TypeVar("Found", bound=Segmentation | Hierarchy)


class Curve(NamedTuple):
    """A curve in which boundaries are seen.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_frames + 1,)
        Seconds.
    heights : ndarray of float64, shape (n_frames + 1,)
        On these edges; of a hierarchy those of its default level.
    of_other_levels : mapping from str to ndarray of float64, shape (n_frames + 1,)
        The same of other levels, by their names, where they have heights of their own.
    """

    edges: NDArray[np.float64]
    heights: NDArray[np.float64]
    of_other_levels: Mapping[str, NDArray[np.float64]] = {}


class Prediction(NamedTuple, Generic[Found]):
    """Sections, and the curve they are seen in.

    Parameters
    ----------
    found : Segmentation or Hierarchy
        As `predict` gives it.
    curve : Curve or None
        As `novelty` gives it, and of other levels; None where there is no such method.
    """

    found: Found
    curve: Curve | None
