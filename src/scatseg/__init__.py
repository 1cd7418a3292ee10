"""Music segmentation and audio similarity on wavelet scattering features.

>>> import scatseg
>>> from scatseg import pieces
>>> piece = pieces.compose("rondo")
>>> features = scatseg.Bars()(piece.y, piece.sr)
>>> segmentation = scatseg.segment(features)
>>> scores = scatseg.evaluate(piece.form, segmentation)
>>> scores["F-measure@0.5"] > 0.9
True
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scatseg.audio import load, save
    from scatseg.bars import Bars
    from scatseg.distances import distance
    from scatseg.evaluation import evaluate
    from scatseg.extractors import extractor
    from scatseg.features import Features, JointScattering, Scattering
    from scatseg.formats import read, write
    from scatseg.scattering import Scattering1D, TimeFrequencyScattering
    from scatseg.search import Index
    from scatseg.segmentation import Hierarchy, Segmentation
    from scatseg.segmenters import segment, segmenter
    from scatseg.transformers import FeatureTransformer, MedianLogCompressor

__version__ = "0.1.0.dev0"

__all__ = [
    "Bars",
    "FeatureTransformer",
    "Features",
    "Hierarchy",
    "Index",
    "JointScattering",
    "MedianLogCompressor",
    "Scattering",
    "Scattering1D",
    "Segmentation",
    "TimeFrequencyScattering",
    "distance",
    "evaluate",
    "extractor",
    "load",
    "read",
    "save",
    "segment",
    "segmenter",
    "write",
]

# Where each name lives. Importing scatseg imports none of these, nor what they import.
_HOMES = {
    "Bars": "bars",
    "FeatureTransformer": "transformers",
    "Features": "features",
    "Hierarchy": "segmentation",
    "Index": "search",
    "JointScattering": "features",
    "MedianLogCompressor": "transformers",
    "Scattering": "features",
    "Scattering1D": "scattering",
    "Segmentation": "segmentation",
    "TimeFrequencyScattering": "scattering",
    "distance": "distances",
    "evaluate": "evaluation",
    "extractor": "extractors",
    "load": "audio",
    "read": "formats",
    "save": "audio",
    "segment": "segmenters",
    "segmenter": "segmenters",
    "write": "formats",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"scatseg.{_HOMES[name]}"), name)
    if not name.startswith("_") and importlib.util.find_spec(f"scatseg.{name}"):
        return importlib.import_module(f"scatseg.{name}")
    msg = f"module 'scatseg' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    import pkgutil

    modules = (module.name for module in pkgutil.iter_modules(__path__))
    own = (name for name in globals() if name.startswith("__"))
    return sorted({*__all__, *own, *(name for name in modules if not name.startswith("_"))})
