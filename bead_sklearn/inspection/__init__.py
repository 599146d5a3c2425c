"""Looking at fitted models."""

from bead_sklearn.inspection._anova import Anova, anova
from bead_sklearn.inspection._bootstrap import Bootstrap, bootstrap
from bead_sklearn.inspection._bootstrap_test import BootstrapTest, bootstrap_test
from bead_sklearn.inspection._components import (
    VarianceComponents,
    variance_components,
)
from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._effects_display import EffectsDisplay
from bead_sklearn.inspection._evidence import Evidence, collect_evidence
from bead_sklearn.inspection._factor_effects import FactorEffects, factor_effects
from bead_sklearn.inspection._fixed_effects import (
    FixedEffect,
    FixedEffectsTest,
    f_test,
)
from bead_sklearn.inspection._history_display import VarianceHistoryDisplay
from bead_sklearn.inspection._intervals import ConfidenceIntervals, confidence_intervals
from bead_sklearn.inspection._quantities import family_parameters
from bead_sklearn.inspection._ranef import ranef_table
from bead_sklearn.inspection._summary import Summary, summarize, summary

__all__ = [
    "Anova",
    "Bootstrap",
    "BootstrapTest",
    "ConfidenceIntervals",
    "EffectsDisplay",
    "Evidence",
    "FactorEffects",
    "FixedEffect",
    "FixedEffectsTest",
    "Summary",
    "VarianceComponents",
    "VarianceHistoryDisplay",
    "anova",
    "bootstrap",
    "bootstrap_test",
    "collect_evidence",
    "confidence_intervals",
    "f_test",
    "factor_effects",
    "family_parameters",
    "fill_docs",
    "ranef_table",
    "summarize",
    "summary",
    "variance_components",
]
