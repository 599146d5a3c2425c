"""Adaptive Gauss-Hermite quadrature for one grouping factor.

The integral over the effects of a level is evaluated on nodes around their mode,
spread by the curvature there (Pinheiro & Bates 1995,
doi:10.1080/10618600.1995.10474663). One node is the Laplace approximation. It matters
below about ten judgments per level.
"""

from __future__ import annotations

import itertools

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._scales import pull_back
from bead_sklearn.solvers._separate import SeparateEquations

#: Largest number of effects per level; the nodes are a grid.
_MAX_EFFECTS = 3


def check_quadrature(design: Design, *, reml: bool) -> None:
    """Raise if a design has no low-dimensional integral per level.

    Parameters
    ----------
    design : Design
        The linear predictor.
    reml : bool
        Whether the fixed effects are integrated out too.
    """
    reasons = {
        "there are several grouping factors": len(design.factors) > 1,
        "there is no grouping factor": not design.factors,
        "rows of a choice set differ in their level": len(design.factors) == 1
        and not design.n_eliminated,
        "coefficients are under a ridge (use alpha=0)": design.ridge is not None,
        "fixed effects are integrated out (use 'ml')": reml,
        f"more than {_MAX_EFFECTS} effects vary by level": any(
            factor.size > _MAX_EFFECTS for factor in design.factors
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ValueError(
                f"n_quadrature must be 1 (the Laplace approximation) when {reason}."
            )


class QuadratureObjective:
    """Log-likelihood by adaptive quadrature, and its gradient.

    Parameters
    ----------
    design : Design
        The linear predictor; one factor, no ridge.
    family : Family
        Response distribution.
    y, weights : ndarray of shape (n_rows,)
        Responses and number of times each counts.
    n_nodes : int
        Nodes per dimension.
    """

    def __init__(
        self,
        design: Design,
        family: Family,
        y: np.ndarray,
        weights: np.ndarray,
        n_nodes: int,
    ) -> None:
        self.laplace = LaplaceObjective(
            design, family, y, weights, with_fixed=False, reml=False
        )
        self._y, self._weights = y, weights
        [factor] = design.factors
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(n_nodes)
        grid = list(itertools.product(range(n_nodes), repeat=factor.size))
        self._nodes = nodes[np.array(grid)]
        self._log_weights = np.log(node_weights)[np.array(grid)].sum(axis=1)

    def __call__(
        self, beta: np.ndarray, theta: np.ndarray, own_parameters: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Return the log-likelihood and its gradients; see `LaplaceObjective`."""
        laplace = self.laplace
        design = laplace.design
        [factor] = design.factors
        laplace(beta, theta, own_parameters)
        family, first = laplace.family, laplace.scales.first
        offset = design.dense_matvec(design.fixed, beta)
        if design.offset is not None:
            offset = offset + design.offset
        factorization = laplace.factorization
        # One factor: dense algebra.
        assert isinstance(factorization, (Factorization, SeparateEquations))
        spread = np.linalg.cholesky(factorization.inverse_own)
        log_terms, points, rows = [], [], []
        for node, log_weight in zip(self._nodes, self._log_weights, strict=True):
            v = laplace.own + spread @ node
            eta = offset + factor.matvec(v @ first.T)
            derivatives = family.derivatives(self._y, laplace.coupling.shaped(eta))
            level_sums = np.bincount(
                factor.codes,
                weights=self._weights * derivatives.log_likelihood,
                minlength=factor.n_levels,
            )
            log_terms.append(
                level_sums
                - 0.5 * (v**2).sum(axis=1)
                + 0.5 * node @ node
                + log_weight
                - 0.5 * factor.size * np.log(2 * np.pi)
            )
            points.append(v)
            rows.append((eta, derivatives.gradient))
        terms = np.array(log_terms)
        largest = terms.max(axis=0)
        shares = np.exp(terms - largest)
        totals = shares.sum(axis=0)
        log_det = np.log(np.diagonal(spread, axis1=1, axis2=2)).sum(axis=1)
        value = float((largest + np.log(totals) + log_det).sum())
        return value, *self._gradients(shares / totals, points, rows, family)

    def _gradients(
        self,
        shares: np.ndarray,
        points: list[np.ndarray],
        rows: list[tuple[np.ndarray, np.ndarray]],
        family: Family,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior means of the derivatives of the joint log-density."""
        design = self.laplace.design
        [factor] = design.factors
        rho = np.zeros(design.n_eta)
        by_theta = np.zeros(factor.structure.n_parameters)
        by_own = np.zeros(len(family.parameters))
        for share, v, (eta, gradient) in zip(shares, points, rows, strict=True):
            weights = self._weights * share[factor.codes]
            score = self.laplace.coupling.weighted(weights, gradient).ravel()
            rho += score
            by_theta += pull_back(
                design, factor.rmatvec(score), np.zeros(0), v, np.zeros(0)
            )
            if len(by_own):
                parts = family.parameter_derivatives(self._y, eta)
                by_own += weights @ parts.log_likelihood
        self.laplace.rho = rho
        return design.dense_rmatvec(design.fixed, rho), by_theta, by_own
