"""Normal responses on an interval."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from bead_sklearn.families._base import Derivatives, Family, ParameterDerivatives
from bead_sklearn.families._interval import IntervalDerivatives, normal_interval

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)


class TruncatedNormal(Family):
    """Normal distribution truncated to an interval.

    The density is that of N(eta, sigma^2) on [lower, upper], divided by the
    probability of the interval. ``eta`` is the mean before truncation. It is
    log-concave in eta. The one parameter is log(sigma).

    Parameters
    ----------
    lower, upper : float, default=0.0, 1.0
        The interval; may be infinite on one side.
    sigma : float, default=1.0
        Standard deviation before truncation, in the unit of the response.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import TruncatedNormal
    >>> TruncatedNormal(0.0, 1.0, 0.2).mean(np.array([-1.0, 0.5, 2.0])).round(3)
    array([0.037, 0.5  , 0.963])
    """

    name = "truncated_normal"
    link = "identity"
    response = "bounded"

    def __init__(
        self, lower: float = 0.0, upper: float = 1.0, sigma: float = 1.0
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.sigma = sigma

    @property
    def parameters(self) -> np.ndarray:
        """log(sigma)."""
        return np.array([np.log(self.sigma)])

    @property
    def scale(self) -> float:
        """Sigma: ``eta`` has the unit of the response."""
        return self.sigma

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with another sigma."""
        return type(self)(self.lower, self.upper, float(np.exp(parameters[0])))

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with the standard deviation of the responses."""
        spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        return type(self)(self.lower, self.upper, float(np.sqrt(spread)) or 1.0)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        s = self.sigma
        z = (y - eta) / s
        inside = self._inside(eta)
        return Derivatives(
            -0.5 * z**2 - np.log(s) - _LOG_SQRT_2PI - inside.log_probability,
            z / s - inside.gradient / s,
            np.maximum(1.0 - inside.curvature, 0.0) / s**2,
            -inside.third / s**3,
        )

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in log(sigma)."""
        s = self.sigma
        z = (y - eta) / s
        inside = self._inside(eta)
        # A bound (x - eta) / sigma moves by minus itself with log(sigma).
        bounds = self._bounds(eta)
        moves = np.where(np.isfinite(bounds), -bounds, 0.0)
        log_p = (inside.by_bound * moves).sum(axis=0)
        gradient = (inside.gradient_by_bound * moves).sum(axis=0)
        curvature = (inside.curvature_by_bound * moves).sum(axis=0)
        return ParameterDerivatives(
            (z**2 - 1.0 - log_p)[:, None],
            (-2.0 * z / s - (gradient - inside.gradient) / s)[:, None],
            (-(curvature + 2.0 * (1.0 - inside.curvature)) / s**2)[:, None],
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean of the truncated distribution."""
        mean = eta + self.sigma * self._inside(eta).gradient
        return np.clip(mean, self.lower, self.upper)

    def latent_variance(self) -> float:
        """Return ``sigma ** 2``, the variance before truncation."""
        return self.sigma**2

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``, by inverting the distribution."""
        low, high = self._bounds(eta)[1], self._bounds(eta)[0]
        flip = low + high > 0  # work in the lower tail
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        log_low, log_high = log_ndtr(low), log_ndtr(high)
        u = random_state.uniform(size=eta.shape)
        # log of F(low) + u (F(high) - F(low)), from the larger term
        log_f = log_high + np.log(u + (1.0 - u) * np.exp(log_low - log_high))
        z = ndtri_exp(log_f)
        y = eta + self.sigma * np.where(flip, -z, z)
        return np.clip(y, self.lower, self.upper)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean."""
        return float(np.average(y, weights=weights))

    def _bounds(self, eta: np.ndarray) -> np.ndarray:
        """Upper and lower bound in standard units, (2, n)."""
        bounds = np.array([[self.upper], [self.lower]])
        return np.asarray((bounds - eta) / self.sigma)

    def _inside(self, eta: np.ndarray) -> IntervalDerivatives:
        return normal_interval(*self._bounds(eta))
