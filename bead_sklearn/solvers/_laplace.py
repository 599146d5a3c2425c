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

from bead_sklearn.families import Family, LikelihoodDerivatives
from bead_sklearn.solvers._algebra import NormalEquations
from bead_sklearn.solvers._coupling import Coupling, couple, factorize
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales, pull_back, pull_back_blocks

_MAX_NEWTON = 100
_MAX_HALVINGS = 30
#: Step of the finite differences of the score of a family's parameters, and the
#: smallest eigenvalue of their information relative to the largest.
_DIFFERENCE = 1e-5
_LEAST_INFORMATION = 1e-6
#: The smallest in absolute terms: no logarithm is so uncertain as to take longer steps.
_FLAT = 0.1
#: The mode is found when a Newton step would raise h by less than this.
_SMALLEST_GAIN = 1e-18
#: The same where the normal equations are solved iteratively.
_SMALL_GAIN = 1e-12
#: Steps with the last factorisation before a new one is made, and the share of the
#: gain to which each must reduce it.
_MAX_CHORDS = 4
_CHORD_RATE = 0.1
#: The same in the search for a starting point, which ends when a step would raise h
#: by less than this per fixed effect.
_MAX_SLOW_CHORDS, _SLOW_RATE = 5, 0.7
_ROUGH_GAIN = 0.1
#: Columns of the rest from which a factorisation is dear.
_WIDE = 200
#: Rise of the squared standardised effects, with the effects kept, from which the
#: variances are too far from the last ones for that.
_FAR = 10.0


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

    Attributes
    ----------
    own, rest : ndarray
        Standardised latent variables at the mode.
    own_skew, rest_skew : ndarray
        q at the mode.
    factorization : Factorization
        Normal equations at the mode.
    eta : ndarray of shape (n_rows,)
        Linear predictor at the mode.
    rho : ndarray of shape (n_rows,)
        Derivative of the marginal log-likelihood in each eta.
    family : Family
        With the parameters of the last evaluation.
    coupling : Coupling
        How the entries of eta are tied; may be shared between objectives.
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
        coupling: Coupling | None = None,
    ) -> None:
        self.design = design
        self.family = family
        self._y = y
        self._weights = weights
        self._with_fixed = with_fixed
        self._n_rest = design.n_rest - (0 if with_fixed else design.n_fixed)
        self._n_log_det = design.n_rest - (0 if reml else design.n_fixed)
        self._constant = 0.5 * design.n_fixed * np.log(2 * np.pi) if reml else 0.0
        self.coupling = couple(design, family) if coupling is None else coupling
        first = design.eliminated
        self.own = np.zeros((0, 1) if first is None else (first.n_levels, first.size))
        self.rest = np.zeros(self._n_rest)
        self.eta = np.zeros(design.n_eta)
        self._covariances = self._skew_eta = self._c = np.zeros(design.n_eta)
        self.own_skew = np.zeros_like(self.own)
        self.rest_skew = np.zeros_like(self.rest)
        self._last: Scales | None = None
        self._chord: NormalEquations | None = None
        self._curvature = np.zeros(0)
        self._beta, self._fixed_eta = np.full(1, np.nan), np.zeros(0)

    def __call__(
        self, beta: np.ndarray, theta: np.ndarray, own_parameters: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Return the log-likelihood and its gradients.

        Parameters
        ----------
        beta, theta, own_parameters : ndarray
            Fixed effects, variance parameters, parameters of the family.
        """
        design = self.design
        self.family = self.family.with_parameters(own_parameters)
        offset = np.zeros(design.n_eta)
        if not self._with_fixed:
            if not np.array_equal(beta, self._beta):
                self._beta = beta.copy()
                self._fixed_eta = design.dense_matvec(design.fixed, beta)
            offset = self._fixed_eta
        derivatives, curvature, h = self.find_mode(offset, theta)
        value = h - 0.5 * self.factorization.log_det(self._n_log_det) + self._constant
        score = self._score(derivatives)
        own_score, rest_score = self._rmatvec(score)
        if self._n_log_det or design.factors:
            self._find_skewness(derivatives)
            moved = self.coupling.matvec(curvature, self._skew_eta)
            self.rho = score + 0.5 * (moved - self._c)
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
        by_beta = design.dense_rmatvec(design.fixed, self.rho)
        return value, by_beta, gradient, by_parameter

    @property
    def error(self) -> float:
        """Standard error of the last value; 0 if that is exact."""
        return 0.5 * self.factorization.log_det_error(self._n_log_det)

    @property
    def is_narrow(self) -> bool:
        """Whether a factorisation costs little."""
        return self._n_rest < _WIDE and self.coupling.is_exact

    def follow(self, other: LaplaceObjective) -> None:
        """Begin the next search for the mode where another one ended.

        One of the two may lack the fixed effects.
        """
        n = min(len(self.rest), len(other.rest))
        self.own = other.own.copy()
        self.rest[:n] = other.rest[:n]
        self._last = other._last

    def approach_mode(self, offset: np.ndarray, theta: np.ndarray) -> None:
        """Come near the mode.

        If there are many columns, with one factorisation of single precision.
        """
        enough = _ROUGH_GAIN * max(1, self.design.n_fixed)
        if (self._last is not None and self.is_narrow) or not self.coupling.is_exact:
            self.find_mode(offset, theta, enough)
            return
        eta, derivatives, h = self._begin(offset, theta)
        self._curvature = self.coupling.weighted(self._weights, derivatives.curvature)
        rough = self._curvature.astype(np.float32)
        self.factorization = self._chord = factorize(
            self.coupling, rough, self.scales, self._with_fixed
        )
        *_, self.eta, gain = self._chord_steps(
            derivatives, h, eta, enough, _MAX_SLOW_CHORDS, _SLOW_RATE
        )
        if gain > enough:
            self._chord = None
            self.find_mode(offset, theta, enough)

    def _begin(
        self, offset: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, LikelihoodDerivatives, float]:
        scales = Scales(self.design, theta)
        own, rest = self.own, self.rest
        if self._last is not None:
            self._keep_effects(self._last, scales)
        self.scales = self._last = scales
        if self._penalty(self.own, self.rest) > _FAR * (1.0 + self._penalty(own, rest)):
            # Variances fell by far: the effects of before are out of the question,
            # and a Newton step from there goes anywhere.
            self.own, self.rest = own, rest
        eta = self._fixed_part(offset) + self.predict(self.own, self.rest)
        derivatives, h = self._evaluate(eta, self.own, self.rest)
        if not np.isfinite(h):  # the last point was too far out
            return self._begin_afresh(offset)
        return eta, derivatives, h

    def _begin_afresh(
        self, offset: np.ndarray
    ) -> tuple[np.ndarray, LikelihoodDerivatives, float]:
        """Forget the last mode."""
        self.own, self.rest = np.zeros_like(self.own), np.zeros_like(self.rest)
        self._chord, eta = None, self._fixed_part(offset).copy()
        return eta, *self._evaluate(eta, self.own, self.rest)

    def _fixed_part(self, offset: np.ndarray) -> np.ndarray:
        return offset if self.design.offset is None else offset + self.design.offset

    def find_mode(
        self,
        offset: np.ndarray,
        theta: np.ndarray,
        smallest_gain: float | None = None,
    ) -> tuple[LikelihoodDerivatives, np.ndarray, float]:
        """Newton's method from the last mode; returns what holds at the new one."""
        if smallest_gain is None:
            exact = self.coupling.is_exact
            smallest_gain = _SMALLEST_GAIN if exact else _SMALL_GAIN
        is_first, before = self._last is None, None
        eta, derivatives, h = self._begin(offset, theta)
        found = False
        if self._chord is not None and self.coupling.is_exact:
            derivatives, h, eta, gain = self._chord_steps(
                derivatives, h, eta, _SMALLEST_GAIN, _MAX_CHORDS, _CHORD_RATE
            )
            found = gain < smallest_gain
        for _ in range(_MAX_NEWTON):
            curvature = self.coupling.weighted(self._weights, derivatives.curvature)
            try:
                self.factorization = factorize(
                    self.coupling, curvature, self.scales, self._with_fixed
                )
            except np.linalg.LinAlgError:
                if before is not None:  # no better from there
                    self.own, self.rest, self._chord, self._curvature = before[:4]
                    self.factorization = self._chord
                    eta, derivatives, h = before[4:]
                    break
                if self._chord is None:
                    raise
                if is_first:
                    break  # flat: separated responses drive effects to infinity
                before = (
                    *(self.own, self.rest, self._chord, self._curvature),
                    *(eta, derivatives, h),
                )
                eta, derivatives, h = self._begin_afresh(offset)
                found = False
                continue
            self._chord, self._curvature = self.factorization, curvature
            if found:
                break
            own_gradient, rest_gradient = self._gradient(derivatives)
            own_step, rest_step = self.factorization.solve(own_gradient, rest_gradient)
            gain = float((own_gradient * own_step).sum() + rest_gradient @ rest_step)
            if gain < smallest_gain:
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
            # What a Newton step leaves is of the order of the square of its gain.
            found = self.coupling.is_exact and step == 1.0 and gain**2 < smallest_gain
        self.eta = eta
        return derivatives, self._curvature, h

    def _gradient(
        self, derivatives: LikelihoodDerivatives
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of h in the standardised latent variables."""
        own, rest = self._rmatvec(self._score(derivatives))
        penalty = self.scales.penalty[: self._n_rest]
        return (
            own @ self.scales.first - self.own,
            self.scales.rest(rest, transpose=True) - penalty * self.rest,
        )

    def _chord_steps(
        self,
        derivatives: LikelihoodDerivatives,
        h: float,
        eta: np.ndarray,
        smallest_gain: float,
        max_steps: int,
        rate: float,
    ) -> tuple[LikelihoodDerivatives, float, np.ndarray, float]:
        """Come close to the mode with the factorisation of the last one.

        Between two likelihood evaluations the curvature changes little, so that these
        steps are nearly Newton's and cost no factorisation. The last value returned
        is the gain that another step would bring; it is not computed where the steps
        before tell that it is small enough.
        """
        last_gain = gain = np.inf
        assert self._chord is not None
        for _ in range(max_steps):
            own_gradient, rest_gradient = self._gradient(derivatives)
            own_step, rest_step = self._chord.solve(own_gradient, rest_gradient)
            gain = float((own_gradient * own_step).sum() + rest_gradient @ rest_step)
            if gain < smallest_gain or gain > rate * last_gain:
                break
            own, rest = self.own + own_step, self.rest + rest_step
            new_eta = eta + self.predict(own_step, rest_step)
            new_derivatives, new_h = self._evaluate(new_eta, own, rest)
            if not new_h >= h:  # lower, or not a number
                break
            self.own, self.rest, eta = own, rest, new_eta
            derivatives, h = new_derivatives, new_h
            expected = gain * min(
                1.0, gain if np.isinf(last_gain) else gain / last_gain
            )
            last_gain = gain
            if expected < smallest_gain:
                return derivatives, h, eta, expected
        return derivatives, h, eta, gain

    def _keep_effects(self, old: Scales, new: Scales) -> None:
        """Start where the effects, not their standardised values, are the last ones."""
        if self.design.n_eliminated and new.is_regular(0):
            self.own = self.own @ old.first.T @ np.linalg.inv(new.first).T
        self.rest = new.unscale_rest(old.rest(self.rest), otherwise=self.rest)

    def _evaluate(
        self, eta: np.ndarray, own: np.ndarray, rest: np.ndarray
    ) -> tuple[LikelihoodDerivatives, float]:
        derivatives = self.family.derivatives(self._y, self.coupling.shaped(eta))
        h = self._weights @ derivatives.log_likelihood - self._penalty(own, rest)
        return derivatives, float(h)

    def _penalty(self, own: np.ndarray, rest: np.ndarray) -> float:
        """Minus the log-density of standardised effects, but for its constant."""
        penalty = self.scales.penalty[: self._n_rest]
        return 0.5 * float((own**2).sum() + penalty @ rest**2)

    def _score(self, derivatives: LikelihoodDerivatives) -> np.ndarray:
        """Weighted gradient in eta, flat."""
        return self.coupling.weighted(self._weights, derivatives.gradient).ravel()

    def _find_skewness(self, derivatives: LikelihoodDerivatives) -> None:
        """Set the skewness vectors and what follows from them for each row."""
        first, factorization = self.scales.first, self.factorization
        self._covariances = self.coupling.covariances(factorization, self._n_log_det)
        skew = derivatives.skew(self._covariances)
        self._c = self.coupling.weighted(self._weights, skew).ravel()
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
            - 0.5 * self._covariances[:, None] * parts.curvature
            - 0.5 * self._skew_eta[:, None] * parts.gradient
        )

    def parameter_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how the parameters of the family vary with the fixed effects.

        Of the joint log-density at its mode, the fixed effects being searched too.

        Returns
        -------
        by_root : ndarray of shape (p, k)
            Covariance of the fixed effects with the parameters, times the inverse of
            ``root'``.
        root : ndarray of shape (k, k)
            Root of the covariance of the parameters.
        """
        own_parameters = self.family.parameters
        fixed = self.design.rest_slices[-1]
        k = len(own_parameters)
        if not k:
            return np.zeros((self.design.n_fixed, 0)), np.zeros((0, 0))
        parts = self.family.parameter_derivatives(self._y, self.eta)
        score = self._weights @ parts.log_likelihood
        information, moved = np.empty((k, k)), np.empty((self.design.n_fixed, k))
        for a in range(k):
            shifted = own_parameters.copy()
            shifted[a] += _DIFFERENCE
            other = self.family.with_parameters(shifted)
            by_other = other.parameter_derivatives(self._y, self.eta).log_likelihood
            information[a] = (score - self._weights @ by_other) / _DIFFERENCE
            own, rest = self._rmatvec(self._weights * parts.gradient[:, a])
            rest = self.scales.rest(rest, transpose=True)
            own_move, rest_move = self.factorization.solve(
                own @ self.scales.first, rest
            )
            moved[:, a] = rest_move[fixed]
            direction = self.predict(own_move, rest_move)
            information[a] -= (self._weights * direction) @ parts.gradient
        values, vectors = np.linalg.eigh(0.5 * (information + information.T))
        values = np.maximum(values, max(_LEAST_INFORMATION * values[-1], _FLAT))
        root = vectors / np.sqrt(values)
        return moved @ root, root

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
