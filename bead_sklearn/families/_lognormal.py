"""Positive responses whose logarithm is normal."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from bead_sklearn.families._base import Derivatives, QuadraticFamily
from bead_sklearn.families._normal import Normal


class LogNormal(QuadraticFamily):
    """Lognormal distribution: log(y) is normal with mean ``eta``.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation of log(y).
    fixed : bool, default=False
        Whether sigma is known; otherwise it is estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import LogNormal
    >>> LogNormal(1.0).mean(np.array([0.0])).round(3)
    array([1.649])
    """

    name = "lognormal"
    link = "log"
    response = "real"

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is not positive."""
        wrong = np.flatnonzero(~(y > 0))
        if len(wrong):
            raise ValueError(
                f"The lognormal family needs positive responses. y has {len(wrong)} "
                f"that are not, the first in row {wrong[0]}: {y[wrong[0]]:g}."
            )

    def working_response(self, y: np.ndarray) -> np.ndarray:
        """Return log(y), which is normal."""
        return np.log(y)

    def log_jacobian(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the log-density of y minus that of log(y), summed."""
        return -float(weights @ np.log(y))

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        log_y = np.log(y)
        normal = Normal(self.sigma).derivatives(log_y, eta)
        return normal._replace(log_likelihood=normal.log_likelihood - log_y)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return exp(eta + sigma^2 / 2)."""
        return np.exp(eta + 0.5 * self.sigma**2)

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return exp(mean + (variance + sigma^2) / 2), which is exact."""
        return np.exp(mean + 0.5 * (variance + self.sigma**2))

    def predictive_sd(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a response when ``eta`` is normal."""
        log_variance = variance + self.sigma**2
        return self.mean_over(mean, variance) * np.sqrt(np.expm1(log_variance))

    def predictive_quantile(
        self, mean: np.ndarray, variance: np.ndarray, level: float
    ) -> np.ndarray:
        """Return a quantile of a response when ``eta`` is normal."""
        return np.exp(mean + np.sqrt(variance + self.sigma**2) * ndtri(level))

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        return np.exp(random_state.normal(eta, self.sigma))

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean of log(y)."""
        return float(np.average(np.log(y), weights=weights))
