"""Figure files of a recording or a transform, for papers and quick inspection.

Every `draw_` function saves a .png and a .svg, those of scattering also an .npz with the plotted
data, and returns the given path.
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
