"""Model selection with participants."""

from bead_sklearn.model_selection._scorer import GroupScorer, make_group_scorer

__all__ = ["make_group_scorer", "GroupScorer"]
