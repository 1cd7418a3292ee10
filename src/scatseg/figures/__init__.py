"""A recording, or the options of a transform -> one picture in files, for papers and a quick look.

Every `draw_` function writes a .png and a .svg, those of scattering also an .npz with the numbers
that are drawn, and returns the path that it was given.
"""

from scatseg.figures.recordings import (
    draw_compare,
    draw_invariance,
    draw_jtfs,
    draw_orders,
    draw_s1,
    draw_s2,
    draw_scalogram,
    draw_stability,
)
from scatseg.figures.structure import (
    draw_features,
    draw_novelty,
    draw_similarity,
    draw_track,
    draw_waveform,
)
from scatseg.figures.wavelets import (
    draw_filterbank,
    draw_parameters,
    draw_techniques,
    draw_wavelet,
    draw_wavelet2d,
)

__all__ = [
    "draw_compare",
    "draw_features",
    "draw_filterbank",
    "draw_invariance",
    "draw_jtfs",
    "draw_novelty",
    "draw_orders",
    "draw_parameters",
    "draw_s1",
    "draw_s2",
    "draw_scalogram",
    "draw_similarity",
    "draw_stability",
    "draw_techniques",
    "draw_track",
    "draw_waveform",
    "draw_wavelet",
    "draw_wavelet2d",
]
