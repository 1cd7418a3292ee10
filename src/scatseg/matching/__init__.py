"""Sound matching: gradient descent on synthesis parameters, loss landscapes, resynthesis."""

from scatseg.matching.descent import (
    Match,
    best_of,
    errors,
    match,
    opposed,
    random_starts,
)
from scatseg.matching.landscapes import (
    Field,
    distance_by_parameter,
    distance_by_shift,
    fields,
    inner_points,
    sensitivities,
)
from scatseg.matching.optimizers import OPTIMIZERS
from scatseg.matching.resynthesis import Edit, Resynthesis, resynthesize, spectral_noise
from scatseg.matching.targets import Levelled, fitted
from scatseg.sensitivity import jacobian

__all__ = [
    "OPTIMIZERS",
    "Edit",
    "Field",
    "Levelled",
    "Match",
    "Resynthesis",
    "best_of",
    "distance_by_parameter",
    "distance_by_shift",
    "errors",
    "fields",
    "fitted",
    "inner_points",
    "jacobian",
    "match",
    "opposed",
    "random_starts",
    "resynthesize",
    "sensitivities",
    "spectral_noise",
]
