"""Looking at fitted models."""

from bead_sklearn.inspection._components import (
    FactorEffects,
    VarianceComponents,
    variance_components,
)
from bead_sklearn.inspection._summary import FixedEffect, Summary, summarize

__all__ = [
    "FactorEffects",
    "FixedEffect",
    "Summary",
    "VarianceComponents",
    "summarize",
    "variance_components",
]
