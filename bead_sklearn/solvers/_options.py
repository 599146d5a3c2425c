"""Everything a solver can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from bead_sklearn.solvers._algebra import LinearAlgebra, choose_algebra
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._parameters import VarianceOptions
from bead_sklearn.solvers._probes import IterativeOptions


@dataclass(frozen=True)
class SolverOptions:
    """Everything a solver can be told.

    Attributes
    ----------
    reml : bool
        Whether the restricted likelihood is maximised.
    max_iter : int
        Largest number of optimizer iterations.
    tol : float
        Gradient below which the optimizer stops.
    variances : VarianceOptions
        How variance parameters are treated.
    n_quadrature : int
        Nodes of the adaptive quadrature over the effects of a level; 1 is the Laplace
        approximation; 0 the same with fixed effects taken from the joint mode, which
        is faster and less exact (lme4's ``nAGQ=0``).
    verbose : bool
        Whether each iteration prints a line.
    linear_algebra : {"auto", "dense", "sparse", "iterative"}
        How the normal equations are solved: exactly, with cross-products stored
        densely or where levels meet, or by conjugate gradients with stochastic
        log-determinants. "auto" iterates where several factors have thousands of
        levels, and is exact elsewhere. Several outputs per row, and choice sets, are
        dense whatever is said.
    n_probes : int
        Random vectors of the iterative algebra.
    cg_tol : float
        Relative residual at which it solves the systems of random vectors.
    seed : int
        Seed of the random vectors. They are the same throughout a fit.
    """

    reml: bool = False
    max_iter: int = 500
    tol: float = 1e-6
    variances: VarianceOptions = field(default_factory=VarianceOptions)
    n_quadrature: int = 1
    verbose: bool = False
    linear_algebra: str = "auto"
    n_probes: int = 32
    cg_tol: float = 1e-3
    seed: int = 0

    def algebra(self, design: Design) -> LinearAlgebra:
        """Return who solves the normal equations of a design."""
        iterative = IterativeOptions(
            n_probes=self.n_probes, tol=self.cg_tol, seed=self.seed
        )
        return choose_algebra(design, self.linear_algebra, iterative)
