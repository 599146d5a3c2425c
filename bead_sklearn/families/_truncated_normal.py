"""Normal responses on an interval."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from bead_sklearn.families._base import (
    Derivatives,
    ParameterDerivatives,
    ReportedParameter,
)
from bead_sklearn.families._bounded import BoundedFamily
from bead_sklearn.families._truncation import (
    NARROW_WIDTH,
    Truncation,
    truncate_normal,
)

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
_TINY = np.finfo(np.float64).tiny

#: Bounds of sigma in fits, relative to the standard deviation of the responses. At the
#: upper one the distribution is that of a truncated exponential, but for about a
#: thousandth of a log-density.
_LEAST_SHARE, _MOST_SHARE = 1e-5, 100.0
#: Share of the upper one from which the likelihood is flat.
_FLAT_SHARE = 0.1


class TruncatedNormal(BoundedFamily):
    """Normal distribution truncated to an interval.

    The density is that of N(eta, sigma^2) on [lower, upper], divided by the
    probability of the interval. ``eta`` is the mean before truncation. It is
    log-concave in eta. The one parameter is log(sigma), unless sigma is known. (In
    fits it is a function of it that holds sigma between 1e-5 and 100 standard
    deviations of the responses: it has a lower bound where a model reproduces them,
    and an upper one where they look exponential, the limit of a sigma that grows with
    an eta far outside.)

    Parameters
    ----------
    lower, upper : float, default=0.0, 1.0
        The interval; may be infinite on one side.
    sigma : float, default=1.0
        Standard deviation before truncation, in the unit of the response.
    fixed : bool, default=False
        Whether sigma is known; otherwise it is estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import TruncatedNormal
    >>> TruncatedNormal(0.0, 1.0, 0.2).mean(np.array([-1.0, 0.5, 2.0])).round(3)
    array([0.037, 0.5  , 0.963])
    """

    name = "truncated_normal"
    link = "identity"

    def __init__(
        self,
        lower: float = 0.0,
        upper: float = 1.0,
        sigma: float = 1.0,
        fixed: bool = False,
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.sigma = sigma
        self.fixed = fixed
        self._least, self._most = 0.0, np.inf

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the family with ``temperature`` times the sigma."""
        sigma = temperature * self.sigma
        return type(self)(self.lower, self.upper, sigma, self.fixed), 1.0

    @property
    def parameters(self) -> np.ndarray:
        """log(sigma); empty if sigma is known."""
        if self.fixed:
            return np.array([])
        beyond = max(self.sigma**2 - self._least**2, _TINY)
        inverse = max(1.0 / beyond - 1.0 / self._most**2, _TINY)
        return np.array([-0.5 * np.log(inverse)])

    @property
    def support(self) -> tuple[float, float]:
        """Ends of the interval."""
        return self.lower, self.upper

    @property
    def resolution(self) -> float:
        """Sigma: ``eta`` has the unit of the response."""
        return self.sigma

    @property
    def scale(self) -> float:
        """Sigma: ``eta`` has the unit of the response."""
        return self.sigma

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with another sigma."""
        if self.fixed:
            return self
        with np.errstate(divide="ignore"):
            inverse = np.logaddexp(-2.0 * parameters[0], -2.0 * np.log(self._most))
        sigma = float(np.hypot(np.exp(-0.5 * inverse), self._least))
        return type(self)(self.lower, self.upper, sigma)._bounded(self)

    def _bounded(self, like: Self) -> Self:
        """Hold sigma between the bounds of another family."""
        self._least, self._most = like._least, like._most
        return self

    def _slope(self) -> float:
        """Return the derivative of log(sigma) in the parameter."""
        beyond = self.sigma**2 - self._least**2
        return beyond * (1.0 - beyond / self._most**2) / self.sigma**2

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return sigma, if it is a parameter."""
        if self.fixed:
            return []
        gradient = np.array([self.sigma * self._slope()])
        return [ReportedParameter("sigma", self.sigma, gradient, is_positive=True)]

    def limitation(self) -> str | None:
        """Say so if the responses look uniform or exponential."""
        if self.fixed or self.sigma < _FLAT_SHARE * self._most:
            return None
        return (
            "The responses are flatter than a truncated normal distribution can be, "
            "or fall off more slowly: uniform and exponential distributions are its "
            f"limits. Sigma, {self.sigma:.3g}, is where the search stopped; neither it "
            "nor effects in units of eta can be interpreted, predictions can."
        )

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with the standard deviation of the responses."""
        if self.fixed:
            return self
        spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        family = type(self)(self.lower, self.upper, float(np.sqrt(spread)) or 1.0)
        family._least = _LEAST_SHARE * family.sigma
        family._most = _MOST_SHARE * family.sigma
        return family

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is outside the interval."""
        wrong = np.flatnonzero(~((y >= self.lower) & (y <= self.upper)))
        if len(wrong):
            raise ValueError(
                "The truncated normal family needs responses in "
                f"[{self.lower:g}, {self.upper:g}]. y has {len(wrong)} outside, the "
                f"first in row {wrong[0]}: {y[wrong[0]]:g}."
            )

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
        if self.fixed:
            return super().parameter_derivatives(y, eta)
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
        moved = self._slope()
        return ParameterDerivatives(
            moved * (log_likelihood - 1.0)[:, None],
            moved * (gradient / s)[:, None],
            moved * ((curvature - 2.0 * variance) / s**2)[:, None],
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

    def conditional_variance(self, eta: np.ndarray) -> np.ndarray:
        """Return the variance of the truncated distribution."""
        return self.sigma**2 * self._inside(eta).variance

    def cdf(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return P(response <= y | eta)."""
        y = np.clip(y, self.lower, self.upper)
        flip, log_low, log_high = self._log_ends(eta)
        z = (y - eta) / self.sigma
        log_z = log_ndtr(np.where(flip, -z, z))
        # (F(z) - F(low)) / (F(high) - F(low)), of logarithms that are nearly equal
        # where the interval is narrow.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            below = np.exp(log_z - log_high) * (
                np.expm1(log_low - log_z) / np.expm1(log_low - log_high)
            )
        if np.isfinite(self._width()):
            share = (y - self.lower) / (self.upper - self.lower)
            flat = log_high == log_low
            below = np.where(flat, np.where(flip, 1.0 - share, share), below)
        below = np.clip(np.where(log_z <= log_low, 0.0, below), 0.0, 1.0)
        return np.where(flip, 1.0 - below, below)

    def quantile(self, level: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the smallest y with P(response <= y | eta) of at least ``level``."""
        flip, log_low, log_high = self._log_ends(eta)
        u = np.where(flip, 1.0 - level, level)
        # log of F(low) + u (F(high) - F(low)), from the larger term
        log_f = log_high + np.log(u + (1.0 - u) * np.exp(log_low - log_high))
        z = ndtri_exp(log_f)
        y = eta + self.sigma * np.where(flip, -z, z)
        return np.asarray(np.clip(y, self.lower, self.upper))

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``, by inverting the distribution."""
        return self.quantile(random_state.uniform(size=eta.shape), eta)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean."""
        return float(np.average(y, weights=weights))

    def _bounds(self, eta: np.ndarray) -> np.ndarray:
        """Upper and lower bound in standard units, (2, n)."""
        bounds = np.array([[self.upper], [self.lower]])
        return np.asarray((bounds - eta) / self.sigma)

    def _log_ends(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithms of F at both ends, seen from the end whose tail is lower.

        The first array says where the interval is seen in the mirror.
        """
        high, low = self._bounds(eta)
        flip = low + high > 0
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        return flip, log_ndtr(low), log_ndtr(high)

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
