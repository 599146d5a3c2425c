"""Where modAL keeps its learners, for scripts that import them from there."""

from bead_sklearn.modal.models._committee import Committee
from bead_sklearn.modal.models._learner import ActiveLearner

__all__ = ["ActiveLearner", "Committee"]
