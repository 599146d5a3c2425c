"""Laplace approximation of the marginal likelihood, with its exact gradient.

    LL = h(v) - log|H(v)| / 2,   h(v) = sum_i w_i l(y_i, eta_i) - |v|^2 / 2,

at the mode of the standardised latent variables v (Tierney & Kadane 1986,
doi:10.1080/01621459.1986.10478240). With s_i = Var(eta_i | y), c_i = -l'''_i s_i and
q = H^-1 G'c, G the design in standard units, the derivative in a row's eta is

    rho_i = l'_i - c_i / 2 + W_i (G q)_i / 2,

which gives the gradient in anything that moves eta, and v - q/2 is the posterior mean
to the next order.
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.families import Derivatives, Family
from bead_sklearn.solvers._algebra import DenseAlgebra, LinearAlgebra, factorize
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales, pull_back, pull_back_blocks

_MAX_NEWTON = 100
_MAX_HALVINGS = 30
#: The mode is found when a Newton step would raise h by less than this.
_SMALLEST_GAIN = 1e-13


class LaplaceObjective:
    """Log-likelihood of fixed effects and variance parameters, and its gradient.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    y : ndarray of shape (n_rows,)
        Encoded responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    with_fixed : bool
        Whether the fixed effects are searched together with the latent variables;
        otherwise they are arguments of the objective.
    reml : bool
        Whether the fixed effects are integrated out (restricted likelihood).
    algebra : LinearAlgebra, default=None
        Who solves the normal equations; None is `DenseAlgebra`.

    Attributes
    ----------
    own, rest : ndarray
        Standardised latent variables at the mode.
    own_skew, rest_skew : ndarray
        q at the mode.
    factorization : NormalEquations
        Normal equations at the mode.
    eta : ndarray of shape (n_rows,)
        Linear predictor at the mode.
    rho : ndarray of shape (n_rows,)
        Derivative of the marginal log-likelihood in each eta.
    family : Family
        With the parameters of the last evaluation.
    """

    def __init__(
        self,
        design: Design,
        family: Family,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        with_fixed: bool,
        reml: bool,
        algebra: LinearAlgebra | None = None,
    ) -> None:
        self.design = design
        self.family = family
        self._y = y
        self._weights = weights
        self._with_fixed = with_fixed
        self._n_rest = design.n_rest - (0 if with_fixed else design.n_fixed)
        self._n_log_det = design.n_rest - (0 if reml else design.n_fixed)
        self._constant = 0.5 * design.n_fixed * np.log(2 * np.pi) if reml else 0.0
        self.algebra = DenseAlgebra(design) if algebra is None else algebra
        first = design.eliminated
        self.own = np.zeros((0, 1) if first is None else (first.n_levels, first.size))
        self.rest = np.zeros(self._n_rest)
        self.eta = np.zeros(design.n_rows)
        self._variances = self._skew_eta = self._c = np.zeros(design.n_rows)
        self.own_skew = np.zeros_like(self.own)
        self.rest_skew = np.zeros_like(self.rest)
        self._last: Scales | None = None

    def __call__(
        self, beta: np.ndarray, theta: np.ndarray, own_parameters: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Return the log-likelihood and its gradients.

        Parameters
        ----------
        beta, theta, own_parameters : ndarray
            Fixed effects, variance parameters, parameters of the family.
        """
        value = self.value(beta, theta, own_parameters)
        design, derivatives, curvature = self.design, self._derivatives, self._curvature
        score = self._weights * derivatives.gradient
        own_score, rest_score = self._rmatvec(score)
        if self._n_log_det or design.factors:
            self._find_skewness(derivatives)
            self.rho = score + 0.5 * (curvature * self._skew_eta - self._c)
            own_rho, rest_rho = self._rmatvec(self.rho)
            gradient = (
                pull_back(design, own_rho, rest_rho, self.own, self.rest)
                - 0.5
                * pull_back(
                    design, own_score, rest_score, self.own_skew, self.rest_skew
                )
                - pull_back_blocks(
                    design, self.factorization.log_det_gradient(self._n_log_det)
                )
            )
        else:
            self.rho = score
            gradient = np.zeros(0)
        by_parameter = self._parameter_gradient(own_parameters)
        return value, design.fixed.rmatvec(self.rho), gradient, by_parameter

    def value(
        self, beta: np.ndarray, theta: np.ndarray, own_parameters: np.ndarray
    ) -> float:
        """Return the log-likelihood; see :meth:`__call__`."""
        design = self.design
        self.family = self.family.with_parameters(own_parameters)
        offset = np.zeros(design.n_rows)
        if not self._with_fixed:
            offset = design.fixed.matvec(beta)
        self._derivatives, self._curvature, h = self.find_mode(offset, theta)
        log_det = self.factorization.log_det(self._n_log_det)
        return h - 0.5 * log_det + self._constant

    @property
    def error(self) -> float:
        """Standard error of the last value; 0 if that is exact."""
        return 0.5 * self.factorization.log_det_error(self._n_log_det)

    def find_mode(
        self, offset: np.ndarray, theta: np.ndarray
    ) -> tuple[Derivatives, np.ndarray, float]:
        """Newton's method from the last mode; returns what holds at the new one."""
        scales = Scales(self.design, theta)
        if self._last is not None:
            self._keep_effects(self._last, scales)
        self.scales = self._last = scales
        penalty = scales.penalty[: self._n_rest]
        eta = offset + self.predict(self.own, self.rest)
        derivatives, h = self._evaluate(eta, self.own, self.rest)
        for _ in range(_MAX_NEWTON):
            curvature = self._weights * derivatives.curvature
            self.factorization = factorize(
                self.algebra, curvature, scales, self._with_fixed
            )
            score = self._weights * derivatives.gradient
            own_score, rest_score = self._rmatvec(score)
            own_gradient = own_score @ scales.first - self.own
            rest_gradient = (
                scales.rest(rest_score, transpose=True) - penalty * self.rest
            )
            own_step, rest_step = self.factorization.solve(own_gradient, rest_gradient)
            gain = float((own_gradient * own_step).sum() + rest_gradient @ rest_step)
            if gain < _SMALLEST_GAIN:
                break
            direction = self.predict(own_step, rest_step)
            step = 1.0
            for _ in range(_MAX_HALVINGS):
                own = self.own + step * own_step
                rest = self.rest + step * rest_step
                new_eta = eta + step * direction
                new_derivatives, new_h = self._evaluate(new_eta, own, rest)
                if new_h >= h - 1e-11 * max(1.0, abs(h)):
                    break
                step *= 0.5
            else:
                break
            self.own, self.rest, eta = own, rest, new_eta
            derivatives, h = new_derivatives, new_h
        self.eta = eta
        return derivatives, curvature, h

    def _keep_effects(self, old: Scales, new: Scales) -> None:
        """Start where the effects, not their standardised values, are the last ones."""
        if self.design.factors and new.is_regular(0):
            self.own = self.own @ old.first.T @ np.linalg.inv(new.first).T
        self.rest = new.unscale_rest(old.rest(self.rest), otherwise=self.rest)

    def _evaluate(
        self, eta: np.ndarray, own: np.ndarray, rest: np.ndarray
    ) -> tuple[Derivatives, float]:
        derivatives = self.family.derivatives(self._y, eta)
        h = float(
            self._weights @ derivatives.log_likelihood
            - 0.5 * (own**2).sum()
            - 0.5 * self.scales.penalty[: self._n_rest] @ rest**2
        )
        return derivatives, h

    def _find_skewness(self, derivatives: Derivatives) -> None:
        """Set the skewness vectors and what follows from them for each row."""
        first, factorization = self.scales.first, self.factorization
        self._variances = factorization.row_variances(self._n_log_det)
        self._c = self._weights * derivatives.third * self._variances
        own, rest = self._rmatvec(self._c)
        self.own_skew, self.rest_skew = factorization.solve(
            own @ first, self.scales.rest(rest, transpose=True)
        )
        self._skew_eta = self.predict(self.own_skew, self.rest_skew)

    def _parameter_gradient(self, own_parameters: np.ndarray) -> np.ndarray:
        """Return the gradient in the parameters of the family."""
        if not len(own_parameters):
            return np.zeros(0)
        parts = self.family.parameter_derivatives(self._y, self.eta)
        return self._weights @ (
            parts.log_likelihood
            - 0.5 * self._variances[:, None] * parts.curvature
            - 0.5 * self._skew_eta[:, None] * parts.gradient
        )

    def predict(self, own: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Contribution of standardised latent variables to eta."""
        eta = self.design.rest_matvec(self.scales.rest(rest))
        if self.design.eliminated is not None:
            eta += self.design.eliminated.matvec(own @ self.scales.first.T)
        return eta

    def _rmatvec(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = self.design.eliminated
        own = np.zeros((0, 1)) if first is None else first.rmatvec(x)
        return own, self.design.rest_rmatvec(x, with_fixed=self._with_fixed)
