"""Types of a segmentation with its novelty curve and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scatseg.segmentation import Hierarchy, Segmentation

Found = TypeVar("Found", bound=Segmentation | Hierarchy)


class Curve(NamedTuple):
    """A novelty or boundary probability curve.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_frames + 1,)
        Seconds.
    heights : ndarray of float64, shape (n_frames + 1,)
        Values at these edges; for a hierarchy, of its default level.
    of_other_levels : mapping from str to ndarray of float64, shape (n_frames + 1,)
        Values of other levels by name, if they have their own.
    is_probability : bool, default False
        Whether values are calibrated boundary probabilities, to be reported as confidence.
    """

    edges: NDArray[np.float64]
    heights: NDArray[np.float64]
    of_other_levels: Mapping[str, NDArray[np.float64]] = {}
    is_probability: bool = False


class Prediction(NamedTuple, Generic[Found]):
    """A segmentation with its novelty curve and reasons to doubt it.

    Parameters
    ----------
    found : Segmentation or Hierarchy
        As from `predict`.
    curve : Curve or None, default None
        As from `novelty`, also for other levels; None if there is no such method.
    warnings : tuple of str, default ()
        Reasons to doubt the segmentation, such as a recording too short to be segmented.
    """

    found: Found
    curve: Curve | None = None
    warnings: tuple[str, ...] = ()
