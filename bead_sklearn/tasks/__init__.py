"""The task models: one estimator per kind of judgment."""

from bead_sklearn.tasks._binary import BinaryClassifier
from bead_sklearn.tasks._magnitude import MagnitudeRegressor
from bead_sklearn.tasks._ordinal import OrdinalScaleClassifier
from bead_sklearn.tasks._slider import OrdinalScaleRegressor

__all__ = [
    "BinaryClassifier",
    "MagnitudeRegressor",
    "OrdinalScaleClassifier",
    "OrdinalScaleRegressor",
]
