"""Wavelet scattering transforms of signals of any length."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.time import Scattering1D

if TYPE_CHECKING:
    from scatseg.scattering.modules import ScatteringModule as ScatteringModule

__all__ = ["Scattering1D", "TimeFrequencyScattering"]


def __getattr__(name: str) -> Any:
    # Needs torch, which is an extra: imported on demand.
    if name != "ScatteringModule":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        return importlib.import_module("scatseg.scattering.modules").ScatteringModule
    except ModuleNotFoundError as error:
        msg = 'ScatteringModule is a layer of torch: pip install "scatseg[torch]"'
        raise ImportError(msg) from error
