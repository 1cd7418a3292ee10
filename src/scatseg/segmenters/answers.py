"""What a segmenter answers when it is asked for its sections and its curve at once."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scatseg.segmentation import Hierarchy, Segmentation

Found = TypeVar("Found", bound=Segmentation | Hierarchy)


class Prediction(NamedTuple, Generic[Found]):
    """Sections, and the curve they are seen in.

    Parameters
    ----------
    found : Segmentation or Hierarchy
        As `predict` gives it.
    edges : ndarray of float64, shape (n_frames + 1,)
        Seconds.
    novelty : ndarray of float64, shape (n_frames + 1,)
        On these edges, as `novelty` gives it.
    """

    found: Found
    edges: NDArray[np.float64]
    novelty: NDArray[np.float64]
