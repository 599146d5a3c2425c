"""Scores of predicted distributions, and of predictions that are texts."""

from bead_sklearn.metrics._chrf import chrf_score
from bead_sklearn.metrics._crps import (
    crps_from_quantiles,
    crps_lognormal,
    crps_normal,
)
from bead_sklearn.metrics._scorers import log_density_scorer, negative_crps_scorer

__all__ = [
    "chrf_score",
    "crps_from_quantiles",
    "crps_lognormal",
    "crps_normal",
    "log_density_scorer",
    "negative_crps_scorer",
]
