"""Two-valued responses."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_ndtr, logit, ndtr, ndtri

from bead_sklearn.families._base import Derivatives, Family
from bead_sklearn.families._sample_size import smallest_class
from bead_sklearn.families._truncation import TAIL_EDGE, tail_moments

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)


class Bernoulli(Family):
    """Bernoulli distribution with the logit link.

    P(y = 1) = 1 / (1 + exp(-eta)), y in {0, 1}. Counts of successes and failures are
    rows with weights.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import Bernoulli
    >>> Bernoulli().derivatives(np.array([1.0]), np.array([0.0])).gradient
    array([0.5])
    """

    name = "bernoulli"
    link = "logit"
    response = "binary"
    is_linear_in_response = True

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        # One exponential serves all; the smaller probability is exact.
        tail = np.exp(-np.abs(eta))
        larger = 1.0 / (1.0 + tail)
        smaller = tail * larger
        positive = eta >= 0
        curvature = larger * smaller
        p = np.where(positive, larger, smaller)
        q = np.where(positive, smaller, larger)
        return Derivatives(
            y * eta - np.maximum(eta, 0.0) - np.log1p(tail),
            y * q - (1.0 - y) * p,
            curvature,
            curvature * (q - p),
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return P(y = 1 | eta)."""
        return np.asarray(expit(eta))

    def latent_variance(self) -> float:
        """Return pi^2 / 3, the variance of the standard logistic distribution."""
        return float(np.pi**2 / 3.0)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one 0 or 1 for each ``eta``."""
        return (random_state.uniform(size=eta.shape) < self.mean(eta)).astype(float)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the logit of the share of ones, half a count added to each side."""
        return float(logit(_share(y, weights)))

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the number of events or of non-events, whichever is smaller."""
        return smallest_class(y, weights, 2)


class BernoulliProbit(Bernoulli):
    """Bernoulli distribution with the probit link, P(y = 1) = Phi(eta).

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import BernoulliProbit
    >>> BernoulliProbit().mean(np.array([0.0]))
    array([0.5])
    """

    name = "bernoulli_probit"
    link = "probit"
    is_linear_in_response = False

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        sign = 2.0 * y - 1.0
        x = sign * eta
        log_p = log_ndtr(x)
        tail = x < -TAIL_EDGE
        ratio = np.exp(-0.5 * x**2 - _LOG_SQRT_2PI - log_p)
        curvature = ratio * (ratio + x)
        third = ratio - curvature * (2.0 * ratio + x)
        rows = np.flatnonzero(tail)
        if len(rows):
            edge = -x[rows]
            moments = tail_moments(edge, np.full(len(rows), np.inf))
            ratio[rows] = edge + moments.mean
            curvature[rows] = 1.0 - moments.variance
            third[rows] = -moments.third
        return Derivatives(log_p, sign * ratio, curvature, sign * third)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return P(y = 1 | eta)."""
        return np.asarray(ndtr(eta))

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return Phi(mean / sqrt(1 + variance)), which is exact."""
        return np.asarray(ndtr(mean / np.sqrt(1.0 + variance)))

    def latent_variance(self) -> float:
        """Return 1, the variance of the standard normal distribution."""
        return 1.0

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the normal quantile of the share of ones, smoothed."""
        return float(ndtri(_share(y, weights)))


def _share(y: np.ndarray, weights: np.ndarray) -> float:
    """Share of ones with half a count added to each side."""
    return (float(weights @ y) + 0.5) / (float(weights.sum()) + 1.0)
