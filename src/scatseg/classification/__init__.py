"""Sound classification: classifiers on feature vectors, grouped cross-validation, safe model files.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> kinds = np.repeat(["bell", "drum"], 40)
>>> X = np.exp(rng.normal(size=(80, 6)) + 2 * (kinds == "drum")[:, None])
>>> result = cross_validate(make_classifier(), X, kinds, groups=np.tile(np.arange(10), 8))
>>> float(np.mean(result.predicted == result.truth)) > 0.9
True
"""

from __future__ import annotations

from scatseg.classification.classifiers import make_classifier
from scatseg.classification.folds import SplitError, split
from scatseg.classification.model_files import load_model, save_model
from scatseg.classification.models import Description, Model, ModelError, model_of
from scatseg.classification.validation import (
    CrossValidation,
    conflicting_copies,
    cross_validate,
    describe_scores,
    duration_baseline,
    learning_curve,
    majority_baseline,
    paired_differences,
    result_elsewhere,
)

__all__ = [
    "CrossValidation",
    "Description",
    "Model",
    "ModelError",
    "SplitError",
    "conflicting_copies",
    "cross_validate",
    "describe_scores",
    "duration_baseline",
    "learning_curve",
    "load_model",
    "majority_baseline",
    "make_classifier",
    "model_of",
    "paired_differences",
    "result_elsewhere",
    "save_model",
    "split",
]
