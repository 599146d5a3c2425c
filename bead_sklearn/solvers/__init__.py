"""Solvers: exact Gaussian and Laplace marginal likelihood over one linear predictor."""

from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._draws import draw_conditional, draw_posterior, draw_prior
from bead_sklearn.solvers._fit import MixedModelFit, SolverOptions, fit_mixed_model
from bead_sklearn.solvers._parameters import VarianceOptions
from bead_sklearn.solvers._posterior import Posterior
from bead_sklearn.solvers._prediction import predict_outputs, predict_sets
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._profile import Profiler
from bead_sklearn.solvers._quantities import (
    Coefficient,
    Correlation,
    Quantity,
    ResidualDeviation,
    StandardDeviation,
)
from bead_sklearn.solvers._satterthwaite import Satterthwaite, satterthwaite
from bead_sklearn.solvers._surface import (
    LikelihoodSurface,
    likelihood_surface,
    n_free_scales,
)
from bead_sklearn.solvers._warm import Start

__all__ = [
    "Coefficient",
    "Correlation",
    "DenseBlock",
    "Design",
    "LikelihoodSurface",
    "MixedModelFit",
    "Posterior",
    "Problem",
    "Profiler",
    "Quantity",
    "ResidualDeviation",
    "Satterthwaite",
    "SolverOptions",
    "StandardDeviation",
    "Start",
    "VarianceOptions",
    "draw_conditional",
    "draw_posterior",
    "draw_prior",
    "fit_mixed_model",
    "likelihood_surface",
    "n_free_scales",
    "predict_outputs",
    "predict_sets",
    "satterthwaite",
]
