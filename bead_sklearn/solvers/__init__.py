"""Solvers: exact Gaussian and Laplace marginal likelihood over one linear predictor.

Which module is which idea:

**The model.** `_design` the linear predictor; `_parameters` start and bounds of the
variance parameters theta; `_scales` theta as scales of the effects; `_options` what a
solver can be told; `_problem` all of it with the responses; `_result` what a fit found.

**Likelihoods.** `_gaussian` exact; `_laplace` the approximation and its gradient;
`_quadrature` for the effects of one factor; `_coupling` how the curvature ties the
entries of eta: not at all, outputs of a row, rows of a choice set.

**Normal equations.** `_algebra` what likelihoods ask for, and who answers:

- dense: `_crossproducts`, `_factorization`, of which `_eliminated` is the block
  diagonal of the first factor and `_schur` what remains without it;
- level by level, for heads of many sizes: `_level_groups`, `_levelwise_products`,
  `_levelwise_factorization`;
- dual, for heads over several outputs and in choice sets: `_dual` in the rows of
  `_dual_rows`, with the `_roots` of curvatures;
- sparse, for crossed factors that meet rarely: `_sparse_crossproducts`,
  `_sparse_factorization`;
- iterative, for thousands of levels of each: `_iterative` with the operator in
  `_sparse_block`, its preconditioner in `_preconditioned`, conjugate gradients in
  `_krylov`, random vectors in `_probes`, variances from these in `_probed_covariances`;
  `_block_diagonal` and `_entries` are small matrices that it uses.

**The search.** `_fit` a fit from beginning to end; `_start` first steps and units;
`_scoring` Newton steps in their place for normal responses, whose information is that
of `_average_information`; `_warm` an earlier solution as the beginning; `_search` the
maximum in coordinates that suit `_optimize`, the optimizer; `_coordinates` such
coordinates; `_mirror` the other side of a singular covariance; `_last` no evaluation
twice at one point; `_information` standard errors at the end.

**After a fit.** `_posterior` means and covariances of all effects; `_variances` of
linear predictors from these; `_prediction` moments of rows with several; `_draws`
random ones; `_surface` the likelihood around the maximum; `_quantities` what has
intervals; `_profile` profile intervals; `_satterthwaite` and `_kenward_roger` tests in
small samples.
"""

from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._draws import (
    covariance_roots,
    draw_conditional,
    draw_posterior,
    draw_prior,
)
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
    "covariance_roots",
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
