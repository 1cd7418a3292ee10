"""Sounds from numbers: parameters that match a target, what a loss looks like, resynthesis."""

from scatseg.matching.descent import (
    OPTIMIZERS,
    Levelled,
    Match,
    best_of,
    errors,
    fitted,
    match,
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
from scatseg.matching.resynthesis import Edit, Resynthesis, resynthesize, spectral_noise
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
    "random_starts",
    "resynthesize",
    "sensitivities",
    "spectral_noise",
]
