"""Scores of predictions that are texts."""

from bead_sklearn.metrics._chrf import chrf_score

__all__ = ["chrf_score"]
