"""Random forms for property tests."""

import numpy as np
from hypothesis import strategies as st

from scatseg.segmentation import Segmentation


@st.composite
def segmentations(draw, *, from_zero=False):
    """Up to 8 segments within 40 s, to 1 ms, of few labels."""
    times = draw(st.lists(st.integers(0, 40_000), min_size=2, max_size=9, unique=True))
    times = sorted(times)
    if from_zero:
        times[0] = 0
    labels = draw(st.lists(st.sampled_from("ABcb"), min_size=8, max_size=8))
    return Segmentation(np.array(times) / 1000, labels[: len(times) - 1])
