"""scikit-learn-compatible estimators for human judgments.

Public names are imported on first use, so that ``import bead_sklearn`` is quick and
loads neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
    from bead_sklearn.effects import MixedEffects
    from bead_sklearn.embedding import TwoTowerEmbedder
    from bead_sklearn.inspection import anova
    from bead_sklearn.routing import AnnotatorRouter
    from bead_sklearn.tasks import (
        BinaryClassifier,
        CategoricalClassifier,
        ClozeClassifier,
        ForcedChoiceClassifier,
        FreeTextGenerator,
        MagnitudeRegressor,
        MultiSelectClassifier,
        OrdinalScaleClassifier,
        OrdinalScaleRegressor,
    )

_MODULES = {
    "ActiveLearner": "active_learning",
    "ActiveLearningSearch": "active_learning",
    "AnnotatorRouter": "routing",
    "BinaryClassifier": "tasks",
    "CategoricalClassifier": "tasks",
    "ClozeClassifier": "tasks",
    "ForcedChoiceClassifier": "tasks",
    "FreeTextGenerator": "tasks",
    "MagnitudeRegressor": "tasks",
    "MixedEffects": "effects",
    "MultiSelectClassifier": "tasks",
    "OrdinalScaleClassifier": "tasks",
    "OrdinalScaleRegressor": "tasks",
    "TwoTowerEmbedder": "embedding",
    "anova": "inspection",
}

__all__ = [
    "ActiveLearner",
    "ActiveLearningSearch",
    "AnnotatorRouter",
    "BinaryClassifier",
    "CategoricalClassifier",
    "ClozeClassifier",
    "ForcedChoiceClassifier",
    "FreeTextGenerator",
    "MagnitudeRegressor",
    "MixedEffects",
    "MultiSelectClassifier",
    "OrdinalScaleClassifier",
    "OrdinalScaleRegressor",
    "TwoTowerEmbedder",
    "__version__",
    "anova",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'bead_sklearn' has no attribute {name!r}")
    module = importlib.import_module(f"bead_sklearn.{_MODULES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
