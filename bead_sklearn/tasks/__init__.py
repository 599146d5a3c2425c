"""The task models: one estimator per kind of judgment."""

from bead_sklearn.tasks._binary import BinaryClassifier
from bead_sklearn.tasks._magnitude import MagnitudeRegressor

__all__ = ["BinaryClassifier", "MagnitudeRegressor"]
