"""Active learning: simulated, interactive and call by call."""

from bead_sklearn.active_learning._display import LearningCurveDisplay
from bead_sklearn.active_learning._learner import ActiveLearner
from bead_sklearn.active_learning._search import ActiveLearningSearch
from bead_sklearn.active_learning._stopping import (
    Convergence,
    MaxIterations,
    MaxLabels,
    SearchState,
    StoppingRule,
)

__all__ = [
    "ActiveLearner",
    "ActiveLearningSearch",
    "LearningCurveDisplay",
    "MaxIterations",
    "MaxLabels",
    "Convergence",
    "StoppingRule",
    "SearchState",
]
