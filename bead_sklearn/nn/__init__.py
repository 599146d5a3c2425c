"""Log-likelihoods in torch. Importing this package imports torch."""

from bead_sklearn.nn._choices import choice_log_likelihood, softmax_log_likelihood
from bead_sklearn.nn._likelihood import (
    bernoulli_log_likelihood,
    log_likelihood,
    twin,
)
from bead_sklearn.nn._parameters import learned_parameters, with_learned_parameters

__all__ = [
    "bernoulli_log_likelihood",
    "choice_log_likelihood",
    "learned_parameters",
    "log_likelihood",
    "softmax_log_likelihood",
    "twin",
    "with_learned_parameters",
]
