"""Scores of predicted distributions."""

from bead_sklearn.metrics._crps import (
    crps_from_quantiles,
    crps_lognormal,
    crps_normal,
)
from bead_sklearn.metrics._scorers import log_density_scorer, negative_crps_scorer

__all__ = [
    "crps_from_quantiles",
    "crps_lognormal",
    "crps_normal",
    "log_density_scorer",
    "negative_crps_scorer",
]
