"""The task models: one estimator per kind of judgment."""

from bead_sklearn.tasks._binary import BinaryClassifier
from bead_sklearn.tasks._categorical import CategoricalClassifier
from bead_sklearn.tasks._cloze import ClozeClassifier
from bead_sklearn.tasks._forced_choice import ForcedChoiceClassifier
from bead_sklearn.tasks._free_text import FreeTextGenerator
from bead_sklearn.tasks._magnitude import MagnitudeRegressor
from bead_sklearn.tasks._multi_select import MultiSelectClassifier
from bead_sklearn.tasks._ordinal import OrdinalScaleClassifier
from bead_sklearn.tasks._slider import OrdinalScaleRegressor

__all__ = [
    "BinaryClassifier",
    "CategoricalClassifier",
    "ClozeClassifier",
    "ForcedChoiceClassifier",
    "FreeTextGenerator",
    "MagnitudeRegressor",
    "MultiSelectClassifier",
    "OrdinalScaleClassifier",
    "OrdinalScaleRegressor",
]
