"""Exact marginal likelihood of the normal model.

The variance parameters are relative to sigma, which is profiled out together with the
fixed effects:

    -2 LL = log|H| + N (1 + log(2 pi r^2 / N)),

r^2 the penalised residual sum of squares, N the sum of weights; for REML log|H| covers
the fixed part too and N loses one per fixed effect (Bates, Maechler, Bolker & Walker
2015, doi:10.18637/jss.v067.i01, equations 21 to 42).
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.families import QuadraticFamily
from bead_sklearn.solvers._algebra import DenseAlgebra, LinearAlgebra, NormalEquations
from bead_sklearn.solvers._average_information import (
    average_information,
    working_responses,
)
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales, pull_back, pull_back_blocks

_TINY = np.finfo(np.float64).tiny
#: Largest log(sigma) that a search may try, so that its powers are finite.
_FURTHEST = 150.0


def centred_response(
    design: Design, family: QuadraticFamily, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the response on the scale where it is normal, without its level.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : QuadraticFamily
        Response distribution.
    y : ndarray of shape (n_rows,)
        Responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.

    Returns
    -------
    response : ndarray of shape (n_rows,)
        Less the level.
    level : float
        The mean, if the first column of the fixed part is an intercept; otherwise 0.
    """
    working, columns = family.working_response(y), design.fixed.values
    if not columns.shape[1] or not (columns[:, 0] == 1.0).all():
        return working, 0.0
    level = float(np.average(working, weights=weights))
    return working - level, level


class GaussianObjective:
    """Log-likelihood of the variance parameters and its gradient.

    Parameters
    ----------
    design : Design
        The linear predictor.
    y : ndarray of shape (n_rows,)
        Responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    reml : bool
        Whether the likelihood is restricted.
    absolute : ndarray of bool of shape (n_parameters,)
        Parameters held fixed in the unit of the response rather than relative to
        sigma. When there is one, log(sigma) becomes the last parameter.
    free_sigma : bool, default=False
        Whether log(sigma) is the last parameter in any case.
    algebra : LinearAlgebra, default=None
        Who solves the normal equations; None is `DenseAlgebra`.

    Attributes
    ----------
    sigma : float
        Residual standard deviation at the last evaluation.
    own, rest : ndarray
        Standardised latent variables at the last evaluation.
    factorization : NormalEquations
        Normal equations at the last evaluation.
    """

    def __init__(
        self,
        design: Design,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        reml: bool,
        absolute: np.ndarray,
        free_sigma: bool = False,
        algebra: LinearAlgebra | None = None,
    ) -> None:
        self._design = design
        if design.offset is not None:
            y = y - design.offset
        self._y = y
        self._weights = weights
        self._reml = reml
        self._absolute = absolute
        self.has_sigma = free_sigma or bool(absolute.any())
        self.algebra = DenseAlgebra(design) if algebra is None else algebra
        self._products = self.algebra.compute(weights, with_fixed=True)
        self._own_right, self._rest_right = self._rmatvec(weights * y)
        self._n_log_det = design.n_rest - (0 if reml else design.n_fixed)
        self._n = float(weights.sum()) - (design.n_fixed if reml else 0)
        if self._n <= 0 and not free_sigma:
            raise ValueError(
                "The residual variance cannot be estimated: the sum of sample_weight, "
                f"{weights.sum():g}, is not larger than the number of fixed effects, "
                f"{design.n_fixed}, that the restricted likelihood integrates out. "
                "Weights count judgments; their mean should be about 1."
            )
        center = np.average(y, weights=weights)
        # A perfect fit has no finite likelihood: sigma stops at rounding error.
        self._floor = max(
            _TINY, (1e-14**2) * float(weights @ ((y - center) ** 2 + y**2))
        )

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log-likelihood and its gradient in ``parameters``."""
        value = self.value(parameters)
        variance, n = self.sigma**2, self._n
        gradient = self._gradient() / variance - self._log_det_gradient()
        if not self.has_sigma:
            return value, gradient
        theta = self._relative(parameters)
        moving = np.where(self._absolute, theta * gradient, 0.0).sum()
        scaled = np.where(self._absolute, gradient / self.sigma, gradient)
        return value, np.append(scaled, self._prss / variance - n - moving)

    def value(self, parameters: np.ndarray) -> float:
        """Return the log-likelihood."""
        if self.has_sigma:
            self.sigma = float(np.exp(np.clip(parameters[-1], -_FURTHEST, _FURTHEST)))
        self._solve(self._relative(parameters))
        n, log_det = self._n, self.factorization.log_det(self._n_log_det)
        if not self.has_sigma:
            self.sigma = float(np.sqrt(self._prss / n))
        variance = self.sigma**2
        residual = self._prss / variance
        return -0.5 * (log_det + n * np.log(2 * np.pi * variance) + residual)

    def information(self) -> np.ndarray:
        """Return the average information of the relative parameters.

        At the last evaluation, sigma and the fixed effects profiled out.
        """
        score = self._weights * self._residual
        responses = working_responses(
            self._design, self.scales, self.own, self.rest, score
        )
        return average_information(
            self._design,
            self._weights,
            self.scales,
            self.factorization,
            responses,
            score,
            sigma=self.sigma,
            n=self._n,
        )

    def by_log_sigma(self) -> np.ndarray:
        """Return the derivative of the gradient in log(sigma), the last parameter.

        At the last evaluation, no parameter being held in the unit of the response.
        """
        parts = np.append(self._gradient(), self._prss)
        return -2.0 * parts / self.sigma**2

    @property
    def error(self) -> float:
        """Standard error of the last value; 0 if that is exact."""
        return 0.5 * self.factorization.log_det_error(self._n_log_det)

    def _relative(self, parameters: np.ndarray) -> np.ndarray:
        """Variance parameters relative to sigma."""
        if not self.has_sigma:
            return parameters
        return np.where(self._absolute, 1.0 / self.sigma, 1.0) * parameters[:-1]

    def _rmatvec(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = self._design.eliminated
        own = np.zeros((0, 1)) if first is None else first.rmatvec(x)
        return own, self._design.rest_rmatvec(x, with_fixed=True)

    def _solve(self, theta: np.ndarray) -> None:
        design = self._design
        self.scales = Scales(design, theta)
        self.factorization: NormalEquations = self.algebra.factorize(
            self._products, self.scales
        )
        self.own, self.rest = self.factorization.solve(
            self._own_right @ self.scales.first,
            self.scales.rest(self._rest_right, transpose=True),
        )
        eta = design.rest_matvec(self.scales.rest(self.rest))
        if design.eliminated is not None:
            eta += design.eliminated.matvec(self.own @ self.scales.first.T)
        self._residual = self._y - eta
        prss = float(
            self._weights @ self._residual**2
            + (self.own**2).sum()
            + self.scales.penalty @ self.rest**2
        )
        self._prss = max(prss, self._floor)

    def _gradient(self) -> np.ndarray:
        """Minus half the derivative of the penalised residual sum of squares."""
        own, rest = self._rmatvec(self._weights * self._residual)
        return pull_back(self._design, own, rest, self.own, self.rest)

    def _log_det_gradient(self) -> np.ndarray:
        blocks = self.factorization.log_det_gradient(self._n_log_det)
        return pull_back_blocks(self._design, blocks)
