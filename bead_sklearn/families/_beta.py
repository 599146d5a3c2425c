"""Responses between 0 and 1, the ends excluded or included."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from scipy.special import (
    betainc,
    betaincinv,
    digamma,
    expit,
    gammaln,
    log_expit,
    logit,
    polygamma,
)

from bead_sklearn.families._base import (
    Derivatives,
    ParameterDerivatives,
    ReportedParameter,
)
from bead_sklearn.families._bounded import BoundedFamily
from bead_sklearn.families._integrate import integrate_normal
from bead_sklearn.families._polygamma import polygammas

_TINY = np.finfo(float).tiny

#: Lower bound of 1 / phi in fits.
_LEAST_DISPERSION = 1e-9


class _BetaFamily(BoundedFamily):
    """A family with a precision phi that fits keep below 1e9.

    Where a model reproduces the responses the likelihood grows with phi without end.
    In fits the parameter is log(phi) but for precisions near the bound.

    Attributes
    ----------
    precision : float
        phi.
    """

    link = "logit"
    precision: float
    _least = 0.0

    @property
    def support(self) -> tuple[float, float]:
        """0 and 1."""
        return 0.0, 1.0

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the family with phi over the square of ``temperature``.

        Probabilities of the ends stay as they are.
        """
        family = copy.copy(self)
        family.precision = self.precision / temperature**2
        return family, 1.0

    def _log_precision(self) -> float:
        """Return the parameter of the precision."""
        beyond = max(1.0 / self.precision - self._least, _TINY)
        return float(-np.log(beyond))

    def _precision_at(self, parameter: float) -> float:
        return float(1.0 / (np.exp(-parameter) + self._least))

    def _precision_slope(self) -> float:
        """Return the derivative of log(phi) in the parameter."""
        return 1.0 - self._least * self.precision

    def _bounded(self, least: float) -> Self:
        """Return the family with a lower bound of 1 / phi."""
        self._least = least
        return self


class Beta(_BetaFamily):
    """Beta distribution with mean 1 / (1 + exp(-eta)) and precision phi.

    y in (0, 1) has the beta distribution with shapes mu phi and (1 - mu) phi. The one
    parameter is log(phi). The log-likelihood need not be concave in eta.

    Parameters
    ----------
    precision : float, default=1.0
        phi.

    References
    ----------
    .. [1] Ferrari & Cribari-Neto (2004). Beta regression for modelling rates and
       proportions. Journal of Applied Statistics 31, 799-815.
       doi:10.1080/0266476042000214501

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import Beta
    >>> Beta(4.0).mean(np.array([0.0]))
    array([0.5])
    """

    name = "beta"

    def __init__(self, precision: float = 1.0) -> None:
        self.precision = precision

    @property
    def resolution(self) -> float:
        """Standard deviation of logit(y), at most 1."""
        return min(1.0, float(np.sqrt(self.latent_variance())))

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is not between 0 and 1."""
        wrong = np.flatnonzero(~((y > 0) & (y < 1)))
        if len(wrong):
            raise ValueError(
                "The beta family needs responses between 0 and 1, the ends excluded; "
                f"the ordered beta family includes them. y has {len(wrong)} others, "
                f"the first in row {wrong[0]}: {y[wrong[0]]:g}."
            )

    @property
    def parameters(self) -> np.ndarray:
        """log(phi)."""
        return np.array([self._log_precision()])

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with another precision."""
        return type(self)(self._precision_at(parameters[0]))._bounded(self._least)

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return the precision, phi."""
        gradient = np.array([self.precision * self._precision_slope()])
        return [ReportedParameter("phi", self.precision, gradient, is_positive=True)]

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with the precision that matches two moments."""
        return type(self)(_moment_precision(y, weights))._bounded(_LEAST_DISPERSION)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        return _beta_derivatives(y, eta, self.precision)

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in log(phi)."""
        parts = _beta_precision_derivatives(y, eta, self.precision)
        moved = self._precision_slope()
        return ParameterDerivatives(*(moved * part[:, None] for part in parts))

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return np.asarray(expit(eta))

    def latent_variance(self) -> float:
        """Return the variance of logit(y) at mean one half, 2 trigamma(phi / 2)."""
        return float(2.0 * polygamma(1, 0.5 * self.precision))

    def conditional_variance(self, eta: np.ndarray) -> np.ndarray:
        """Return mu (1 - mu) / (phi + 1)."""
        return np.asarray(expit(eta) * expit(-eta) / (self.precision + 1.0))

    def cdf(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return P(response <= y | eta), the regularised incomplete beta function."""
        return np.asarray(betainc(*self._shapes(eta), np.clip(y, 0.0, 1.0)))

    def quantile(self, level: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the y with P(response <= y | eta) = ``level``."""
        return np.asarray(betaincinv(*self._shapes(eta), level))

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        y = random_state.beta(*self._shapes(eta))
        return np.clip(y, _TINY, 1.0 - 0.5 * np.finfo(float).eps)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the logit of the weighted mean."""
        return float(logit(np.clip(np.average(y, weights=weights), 0.01, 0.99)))

    def _shapes(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p, q = self.precision * expit(eta), self.precision * expit(-eta)
        return np.maximum(p, _TINY), np.maximum(q, _TINY)


class OrderedBeta(_BetaFamily):
    r"""Ordered beta distribution: responses in [0, 1] with mass at both ends.

    .. math::
        P(y = 0) = F(c_0 - \eta), \quad P(y = 1) = F(\eta - c_1),

    F logistic and :math:`c_0 < c_1`; in between, the beta distribution with mean
    :math:`F(\eta)` and precision :math:`\phi`. Parameters are :math:`c_0`,
    :math:`\log(c_1 - c_0)` and :math:`\log \phi`. An infinite threshold is that of an
    end without probability, and no parameter.

    Parameters
    ----------
    lower_threshold, upper_threshold : float, default=-1.0, 1.0
        c_0 and c_1.
    precision : float, default=1.0
        phi.

    References
    ----------
    .. [1] Kubinec (2023). Ordered beta regression. Political Analysis 31, 519-536.
       doi:10.1017/pan.2022.20

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import OrderedBeta
    >>> OrderedBeta().mean(np.array([0.0])).round(3)
    array([0.5])
    """

    name = "ordered_beta"

    def __init__(
        self,
        lower_threshold: float = -1.0,
        upper_threshold: float = 1.0,
        precision: float = 1.0,
    ) -> None:
        self.lower_threshold = lower_threshold
        self.upper_threshold = upper_threshold
        self.precision = precision

    @property
    def resolution(self) -> float:
        """That of the beta distribution between the ends."""
        return Beta(self.precision).resolution

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is outside [0, 1]."""
        wrong = np.flatnonzero(~((y >= 0) & (y <= 1)))
        if len(wrong):
            raise ValueError(
                "The ordered beta family needs responses from 0 to 1. y has "
                f"{len(wrong)} outside, the first in row {wrong[0]}: {y[wrong[0]]:g}."
            )

    @property
    def has_ends(self) -> tuple[bool, bool]:
        """Whether 0 and 1 have probabilities of their own."""
        return bool(np.isfinite(self.lower_threshold)), bool(
            np.isfinite(self.upper_threshold)
        )

    @property
    def parameters(self) -> np.ndarray:
        """c_0, log(c_1 - c_0), log(phi); c_1 itself if c_0 is infinite."""
        precision = self._log_precision()
        thresholds = [self.lower_threshold, self.upper_threshold]
        if all(self.has_ends):
            thresholds[1] = np.log(thresholds[1] - thresholds[0])
        finite = [x for x, here in zip(thresholds, self.has_ends, strict=True) if here]
        return np.array([*finite, precision])

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with other thresholds and precision."""
        *thresholds, precision = (float(x) for x in parameters)
        lower, upper = self.lower_threshold, self.upper_threshold
        if all(self.has_ends):
            lower = thresholds[0]
            upper = lower + float(np.exp(thresholds[1]))
        elif self.has_ends[0]:
            lower = thresholds[0]
        elif self.has_ends[1]:
            upper = thresholds[0]
        family = type(self)(lower, upper, self._precision_at(precision))
        return family._bounded(self._least)

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return the thresholds, without infinite ones, and the precision, phi."""
        has_lower, has_upper = self.has_ends
        size = 1 + has_lower + has_upper
        reported = []
        if has_lower:
            reported.append(
                ReportedParameter(
                    "lower_threshold", self.lower_threshold, np.eye(size)[0]
                )
            )
        if has_upper:
            upper = np.eye(size)[0]
            if has_lower:
                upper[1] = self.upper_threshold - self.lower_threshold
            reported.append(
                ReportedParameter("upper_threshold", self.upper_threshold, upper)
            )
        phi = np.eye(size)[-1] * self.precision * self._precision_slope()
        reported.append(ReportedParameter("phi", self.precision, phi, is_positive=True))
        return reported

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with thresholds at the shares of the two ends.

        That of an end without responses is infinite: its estimated probability is 0.
        """
        total = weights.sum() + 1.5
        at_zero, at_one = weights[y <= 0].sum(), weights[y >= 1].sum()
        zero, one = (at_zero + 0.5) / total, (at_one + 0.5) / total
        inside, level, precision = (y > 0) & (y < 1), 0.0, 1.0
        if inside.any():
            level = Beta().initial_eta(y[inside], weights[inside])
            precision = _moment_precision(y[inside], weights[inside])
        family = type(self)(
            float(logit(zero)) + level if at_zero > 0 else -np.inf,
            float(-logit(one)) + level if at_one > 0 else np.inf,
            precision,
        )
        return family._bounded(_LEAST_DISPERSION)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        low, high = self.lower_threshold - eta, self.upper_threshold - eta
        at_zero, at_one = y <= 0, y >= 1
        inside = ~(at_zero | at_one)
        f_low, f_high = expit(low), expit(high)
        d_low, d_high = f_low * expit(-low), f_high * expit(-high)
        below = Derivatives(
            log_expit(low), -expit(-low), d_low, -d_low * (1.0 - 2.0 * f_low)
        )
        above = Derivatives(
            log_expit(-high), f_high, d_high, -d_high * (1.0 - 2.0 * f_high)
        )
        width = self.upper_threshold - self.lower_threshold
        between = Derivatives(
            log_expit(high) + log_expit(-low) + np.log(-np.expm1(-width)),
            f_low - expit(-high),
            d_low + d_high,
            below.third + above.third,
        )
        beta = _beta_derivatives(np.where(inside, y, 0.5), eta, self.precision)
        return Derivatives(
            *(
                np.where(at_zero, zero, np.where(at_one, one, middle + inner))
                for zero, one, middle, inner in zip(
                    below, above, between, beta, strict=True
                )
            )
        )

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in c_0, log(c_1 - c_0) and log(phi)."""
        low, high = self.lower_threshold - eta, self.upper_threshold - eta
        width = self.upper_threshold - self.lower_threshold
        at_zero, at_one = y <= 0, y >= 1
        inside = ~(at_zero | at_one)
        f_low, f_high = expit(low), expit(high)
        d_low, d_high = f_low * expit(-low), f_high * expit(-high)
        s_low, s_high = d_low * (1.0 - 2.0 * f_low), d_high * (1.0 - 2.0 * f_high)
        # Derivatives in c_0 and c_1; the interval's probability is f_high - f_low.
        share = -np.expm1(-width)
        by_low = np.where(at_zero, expit(-low), 0.0)
        by_high = np.where(at_one, -f_high, 0.0)
        by_low = np.where(inside, -np.exp(-width) / share - f_low, by_low)
        by_high = np.where(inside, np.exp(-width) / share + expit(-high), by_high)
        g_low = np.where(at_one, 0.0, d_low)
        g_high = np.where(at_zero, 0.0, d_high)
        w_low = np.where(at_one, 0.0, s_low)
        w_high = np.where(at_zero, 0.0, s_high)
        beta = _beta_precision_derivatives(
            np.where(inside, y, 0.5), eta, self.precision
        )
        columns = []
        for (by_c0, by_c1), inner in zip(
            ((by_low, by_high), (g_low, g_high), (w_low, w_high)), beta, strict=True
        ):
            thresholds = [by_c0, by_c1]
            if all(self.has_ends):
                thresholds = [by_c0 + by_c1, width * by_c1]
            finite = [
                x for x, here in zip(thresholds, self.has_ends, strict=True) if here
            ]
            moved = self._precision_slope() * inner
            columns.append(np.column_stack([*finite, np.where(inside, moved, 0.0)]))
        return ParameterDerivatives(*columns)

    def end_probabilities(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return P(y = 0) and P(y = 1)."""
        return expit(self.lower_threshold - eta), expit(eta - self.upper_threshold)

    def end_probabilities_over(
        self, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return P(y = 0) and P(y = 1) when ``eta`` is normal, (n, 2)."""
        return integrate_normal(
            lambda eta: np.column_stack(self.end_probabilities(eta)), mean, variance
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean over both ends and the interval."""
        zero, one = self.end_probabilities(eta)
        return one + (1.0 - zero - one) * expit(eta)

    def conditional_variance(self, eta: np.ndarray) -> np.ndarray:
        """Return the variance over both ends and the interval."""
        zero, one = self.end_probabilities(eta)
        between = Beta(self.precision)
        inner, mean = between.mean(eta), self.mean(eta)
        spread = between.conditional_variance(eta) + (inner - mean) ** 2
        ends = zero * mean**2 + one * (1.0 - mean) ** 2
        return np.asarray((1.0 - zero - one) * spread + ends)

    def cdf(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return P(response <= y | eta), which jumps at 0 and 1."""
        zero, one = self.end_probabilities(eta)
        inner = Beta(self.precision).cdf(y, eta)
        below = zero + (1.0 - zero - one) * inner
        return np.where(y < 0, 0.0, np.where(y >= 1, 1.0, below))

    def quantile(self, level: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the smallest y with P(response <= y | eta) of at least ``level``."""
        zero, one = self.end_probabilities(eta)
        between = np.maximum(1.0 - zero - one, _TINY)
        inner = np.clip((level - zero) / between, 0.0, 1.0)
        y = Beta(self.precision).quantile(inner, eta)
        return np.where(level <= zero, 0.0, np.where(level > 1.0 - one, 1.0, y))

    def latent_variance(self) -> float:
        """Return pi^2 / 3, the variance of the standard logistic distribution."""
        return float(np.pi**2 / 3.0)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        zero, one = self.end_probabilities(eta)
        u = random_state.uniform(size=eta.shape)
        inner = Beta(self.precision).simulate(eta, random_state)
        return np.where(u < zero, 0.0, np.where(u > 1.0 - one, 1.0, inner))

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the logit of the mean of the responses between the ends."""
        inside = (y > 0) & (y < 1)
        if not inside.any():
            return 0.0
        return Beta().initial_eta(y[inside], weights[inside])


def _moment_precision(y: np.ndarray, weights: np.ndarray) -> float:
    mean = float(np.average(y, weights=weights))
    spread = float(np.average((y - mean) ** 2, weights=weights))
    if spread <= 0:
        return 100.0
    return float(np.clip(mean * (1.0 - mean) / spread - 1.0, 0.1, 1e4))


def _beta_derivatives(y: np.ndarray, eta: np.ndarray, phi: float) -> Derivatives:
    shapes = _Shapes(eta, phi)
    mu, nu, log_y, log_1y = shapes.mu, shapes.nu, np.log(y), np.log1p(-y)
    h, tilt = mu * nu, shapes.tilt
    score = phi * h * (log_y - log_1y) - nu * shapes.p0 + mu * shapes.q0
    spread = nu**2 * shapes.p1 + mu**2 * shapes.q1
    return Derivatives(
        gammaln(phi)
        - shapes.log_gamma_p
        - shapes.log_gamma_q
        + (mu * phi - 1.0) * log_y
        + (nu * phi - 1.0) * log_1y,
        score + tilt,
        2.0 * h - tilt * score + spread,
        2.0 * h * tilt
        - (1.0 - 6.0 * h) * score
        + 3.0 * tilt * spread
        + nu**3 * shapes.p2
        - mu**3 * shapes.q2,
    )


def _beta_precision_derivatives(
    y: np.ndarray, eta: np.ndarray, phi: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return derivatives of l, l' and W in log(phi)."""
    shapes = _Shapes(eta, phi)
    mu, nu, log_y, log_1y = shapes.mu, shapes.nu, np.log(y), np.log1p(-y)
    h, tilt = mu * nu, shapes.tilt
    score = phi * h * (log_y - log_1y) - nu * shapes.p0 + mu * shapes.q0
    spread = nu**2 * shapes.p1 + mu**2 * shapes.q1
    by_score = score - nu * shapes.p1 + mu * shapes.q1
    return (
        1.0
        + phi * (digamma(1.0 + phi) + mu * log_y + nu * log_1y)
        - shapes.p0
        - shapes.q0,
        by_score,
        -tilt * by_score + 2.0 * spread + nu**2 * shapes.p2 + mu**2 * shapes.q2,
    )


class _Shapes:
    """Shapes p = mu phi and q = nu phi with their polygammas, finite down to 0.

    psi_k(p) has a pole at 0, where p^(k+1) psi_k(p) tends to a constant. The constants
    nearly cancel in the derivatives of the log-likelihood, so they are taken out
    beforehand: ``p0`` = p psi(1 + p), ``p1`` = p^2 psi'(1 + p), ``p2`` =
    p^3 psi''(1 + p).
    """

    def __init__(self, eta: np.ndarray, phi: float) -> None:
        self.mu, self.nu = expit(eta), expit(-eta)
        self.tilt = -np.tanh(0.5 * eta)  # nu - mu
        log_phi = np.log(phi)
        self.log_gamma_p, self.p0, self.p1, self.p2 = _scaled_polygammas(
            self.mu * phi, log_phi + log_expit(eta)
        )
        self.log_gamma_q, self.q0, self.q1, self.q2 = _scaled_polygammas(
            self.nu * phi, log_phi + log_expit(-eta)
        )


def _scaled_polygammas(
    x: np.ndarray, log_x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return log Gamma(x), x psi(1 + x), x^2 psi'(1 + x) and x^3 psi''(1 + x)."""
    trigamma, tetragamma = polygammas(1.0 + x)
    return (
        gammaln(1.0 + x) - log_x,
        x * digamma(1.0 + x),
        x**2 * trigamma,
        x**3 * tetragamma,
    )
