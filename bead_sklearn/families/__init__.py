"""Response distributions: log-likelihoods with closed-form derivatives in eta."""

from bead_sklearn.families._base import Derivatives, Family
from bead_sklearn.families._bernoulli import Bernoulli
from bead_sklearn.families._normal import Normal
from bead_sklearn.families._registry import get_family, get_family_names

__all__ = [
    "Bernoulli",
    "Derivatives",
    "Family",
    "Normal",
    "get_family",
    "get_family_names",
]
