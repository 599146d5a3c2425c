"""Response distributions: log-likelihoods with closed-form derivatives in eta."""

from bead_sklearn.families._base import (
    ContinuousFamily,
    Derivatives,
    Family,
    LikelihoodDerivatives,
    ParameterDerivatives,
    QuadraticFamily,
    ReportedParameter,
)
from bead_sklearn.families._bernoulli import Bernoulli, BernoulliProbit
from bead_sklearn.families._beta import Beta, OrderedBeta
from bead_sklearn.families._bounded import BoundedFamily
from bead_sklearn.families._choice import ConditionalLogit
from bead_sklearn.families._cumulative import (
    Cumulative,
    CumulativeLogit,
    CumulativeProbit,
)
from bead_sklearn.families._independent import IndependentOutputs
from bead_sklearn.families._integrate import integrate_normal, integrate_outputs
from bead_sklearn.families._lognormal import LogNormal
from bead_sklearn.families._normal import Normal
from bead_sklearn.families._registry import get_family, get_family_names
from bead_sklearn.families._softmax import MultinomialLogit
from bead_sklearn.families._truncated_normal import TruncatedNormal

__all__ = [
    "Bernoulli",
    "BernoulliProbit",
    "Beta",
    "BoundedFamily",
    "ConditionalLogit",
    "ContinuousFamily",
    "Cumulative",
    "CumulativeLogit",
    "CumulativeProbit",
    "Derivatives",
    "Family",
    "IndependentOutputs",
    "LikelihoodDerivatives",
    "LogNormal",
    "MultinomialLogit",
    "Normal",
    "OrderedBeta",
    "ParameterDerivatives",
    "ReportedParameter",
    "QuadraticFamily",
    "TruncatedNormal",
    "integrate_normal",
    "integrate_outputs",
    "get_family",
    "get_family_names",
]
