"""Learners and committees with the interface of modAL."""

from bead_sklearn.modal.models._committee import Committee
from bead_sklearn.modal.models._learner import ActiveLearner

__all__ = ["ActiveLearner", "Committee"]
