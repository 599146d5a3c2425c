"""Active learning: simulated, interactive and call by call."""

from bead_sklearn.active_learning._batches import GrowingBatches, batch_size_advice
from bead_sklearn.active_learning._cold_start import cold_start_selection
from bead_sklearn.active_learning._display import LearningCurveDisplay
from bead_sklearn.active_learning._human_agreement import HumanAgreement
from bead_sklearn.active_learning._learner import ActiveLearner
from bead_sklearn.active_learning._monitor import LearningCurveMonitor
from bead_sklearn.active_learning._prediction_rules import (
    OverallUncertainty,
    StabilizingPredictions,
)
from bead_sklearn.active_learning._score_rules import (
    Convergence,
    MarginalEfficiency,
    PerformanceThreshold,
)
from bead_sklearn.active_learning._search import ActiveLearningSearch
from bead_sklearn.active_learning._stopping import (
    AllOf,
    AnyOf,
    MaxIterations,
    MaxLabels,
    SearchState,
    StoppingRule,
)

__all__ = [
    "ActiveLearner",
    "ActiveLearningSearch",
    "LearningCurveDisplay",
    "LearningCurveMonitor",
    "GrowingBatches",
    "batch_size_advice",
    "cold_start_selection",
    "AllOf",
    "AnyOf",
    "Convergence",
    "HumanAgreement",
    "MarginalEfficiency",
    "MaxIterations",
    "MaxLabels",
    "OverallUncertainty",
    "PerformanceThreshold",
    "StabilizingPredictions",
    "StoppingRule",
    "SearchState",
]
