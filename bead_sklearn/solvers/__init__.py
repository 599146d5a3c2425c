"""Solvers: exact Gaussian and Laplace marginal likelihood over one linear predictor."""

from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._draws import draw_conditional, draw_posterior, draw_prior
from bead_sklearn.solvers._fit import fit_mixed_model
from bead_sklearn.solvers._kenward_roger import KenwardRoger, kenward_roger
from bead_sklearn.solvers._options import SolverOptions
from bead_sklearn.solvers._parameters import VarianceOptions
from bead_sklearn.solvers._posterior import Posterior
from bead_sklearn.solvers._prediction import predict_outputs, predict_sets
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._profile import Profiler
from bead_sklearn.solvers._quantities import (
    Coefficient,
    Correlation,
    FamilyParameter,
    Quantity,
    ResidualDeviation,
    StandardDeviation,
)
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._satterthwaite import FTest, Satterthwaite, satterthwaite
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
    "FTest",
    "FamilyParameter",
    "KenwardRoger",
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
    "kenward_roger",
    "likelihood_surface",
    "n_free_scales",
    "predict_outputs",
    "predict_sets",
    "satterthwaite",
]
