"""Normal responses on an interval."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from bead_sklearn.families._base import (
    Derivatives,
    Family,
    ParameterDerivatives,
    ReportedParameter,
)
from bead_sklearn.families._truncation import (
    NARROW_WIDTH,
    Truncation,
    truncate_normal,
)

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

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return sigma."""
        gradient = np.array([self.sigma])
        return [ReportedParameter("sigma", self.sigma, gradient, is_positive=True)]

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with the standard deviation of the responses."""
        spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        return type(self)(self.lower, self.upper, float(np.sqrt(spread)) or 1.0)

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        s = self.sigma
        z = (y - eta) / s
        inside = self._inside(eta)
        edge = self._edge(y, eta, inside)
        log_density = np.where(
            edge.is_near,
            edge.log_density - edge.distance * (0.5 * edge.distance + edge.at),
            -0.5 * z**2 - _LOG_SQRT_2PI - inside.log_probability,
        )
        residual = np.where(
            edge.is_near,
            edge.sign * (edge.distance - edge.mean_distance),
            z - inside.mean,
        )
        return Derivatives(
            log_density - np.log(s),
            residual / s,
            inside.variance / s**2,
            inside.third / s**3,
        )

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in log(sigma)."""
        s = self.sigma
        z = (y - eta) / s
        inside = self._inside(eta)
        edge = self._edge(y, eta, inside)
        variance, below, above = inside.variance, inside.below_upper, inside.above_lower
        # A bound (x - eta) / sigma moves by minus itself with log(sigma), and so do the
        # width and all distances.
        upper, lower = self._bounds(eta)
        by_upper = inside.upper_density * np.where(np.isfinite(upper), upper, 0.0)
        by_lower = inside.lower_density * np.where(np.isfinite(lower), lower, 0.0)
        width = self._width()
        by_width = edge.far_density * (width if np.isfinite(width) else 0.0)
        log_likelihood = np.where(
            edge.is_near,
            edge.distance * (edge.distance + 2.0 * edge.at)
            - edge.at * edge.mean_distance
            + by_width,
            z**2 + by_upper - by_lower,
        )
        gradient = np.where(
            edge.is_near,
            edge.sign
            * (
                edge.mean_distance
                - 2.0 * edge.distance
                - edge.at * variance
                + by_width * edge.far_distance
            ),
            inside.mean - 2.0 * z + by_upper * below + by_lower * above,
        )
        curvature = np.where(
            edge.is_near,
            edge.at * edge.sign * inside.third
            - by_width * (edge.far_distance**2 - variance),
            by_lower * (above**2 - variance) - by_upper * (below**2 - variance),
        )
        return ParameterDerivatives(
            (log_likelihood - 1.0)[:, None],
            (gradient / s)[:, None],
            ((curvature - 2.0 * variance) / s**2)[:, None],
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean of the truncated distribution."""
        inside = self._inside(eta)
        edge = self._edge(eta, eta, inside)
        bound = np.where(edge.sign > 0, self.lower, self.upper)
        mean = np.where(
            edge.is_near,
            bound + edge.sign * self.sigma * edge.mean_distance,
            eta + self.sigma * inside.mean,
        )
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

    def _width(self) -> float:
        """Width of the interval in standard units."""
        return (self.upper - self.lower) / self.sigma

    def _inside(self, eta: np.ndarray) -> Truncation:
        upper, lower = self._bounds(eta)
        return truncate_normal(upper, lower, np.full(eta.shape, self._width()))

    def _edge(self, y: np.ndarray, eta: np.ndarray, inside: Truncation) -> _Edge:
        """See responses from the bound nearer to the mean of the interval's mass."""
        upper, lower = self._bounds(eta)
        flip = upper + lower < 0
        at = np.where(flip, -upper, lower)
        is_near = (at > 0) | (self._width() < NARROW_WIDTH)
        density = np.where(flip, inside.upper_density, inside.lower_density)
        return _Edge(
            is_near,
            np.where(flip, -1.0, 1.0),
            at,
            np.where(flip, self.upper - y, y - self.lower) / self.sigma,
            np.where(flip, inside.below_upper, inside.above_lower),
            np.where(flip, inside.above_lower, inside.below_upper),
            np.log(np.where(is_near, density, 1.0)),
            np.where(flip, inside.lower_density, inside.upper_density),
        )


class _Edge(NamedTuple):
    """Responses seen from the bound where the density is highest, in standard units.

    Where eta is outside the interval, differences from it are large and nearly equal;
    distances from the bound are not.
    """

    is_near: np.ndarray
    sign: np.ndarray
    at: np.ndarray
    distance: np.ndarray
    mean_distance: np.ndarray
    far_distance: np.ndarray
    log_density: np.ndarray
    far_density: np.ndarray
