"""Data of scattering figures, without drawing them.

Pure functions of signals and options; `scatseg.plotting` draws their results. Frequencies are in Hz
and ascending, times in seconds, log-frequencies in octaves. A signal that is not mono, real and
finite is a ValueError.
"""

from scatseg.pictures.robustness import DistanceCurves, Follow, invariance, stability
from scatseg.pictures.transforms import (
    Joint,
    Orders,
    SecondOrder,
    TimeFrequency,
    constant_q,
    first_order,
    joint,
    nearest,
    orders,
    outline,
    scalogram,
    second_order,
    spectrogram,
)
from scatseg.pictures.wavelets import (
    BankCurves,
    JointTiles,
    Wavelet,
    bank_curves,
    joint_tiles,
    morlet,
)

__all__ = [
    "BankCurves",
    "DistanceCurves",
    "Follow",
    "Joint",
    "JointTiles",
    "Orders",
    "SecondOrder",
    "TimeFrequency",
    "Wavelet",
    "bank_curves",
    "constant_q",
    "first_order",
    "invariance",
    "joint",
    "joint_tiles",
    "morlet",
    "nearest",
    "orders",
    "outline",
    "scalogram",
    "second_order",
    "spectrogram",
    "stability",
]
