"""Wavelet scattering transforms of signals of any length."""

from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.time import Scattering1D

__all__ = ["Scattering1D", "TimeFrequencyScattering"]
