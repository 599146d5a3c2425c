"""Solvers: exact Gaussian and Laplace marginal likelihood over one linear predictor."""

from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._fit import MixedModelFit, SolverOptions, fit_mixed_model
from bead_sklearn.solvers._parameters import VarianceOptions
from bead_sklearn.solvers._posterior import Posterior
from bead_sklearn.solvers._warm import Start

__all__ = [
    "DenseBlock",
    "Design",
    "MixedModelFit",
    "Posterior",
    "SolverOptions",
    "Start",
    "VarianceOptions",
    "fit_mixed_model",
]
