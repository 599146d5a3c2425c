"""Positive responses whose logarithm is normal."""

from __future__ import annotations

import numpy as np

from bead_sklearn.families._base import Derivatives
from bead_sklearn.families._normal import Normal


class LogNormal(Normal):
    """Lognormal distribution: log(y) is normal with mean ``eta``.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation of log(y).

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import LogNormal
    >>> LogNormal(1.0).mean(np.array([0.0])).round(3)
    array([1.649])
    """

    name = "lognormal"
    link = "log"
    response = "positive"

    def working_response(self, y: np.ndarray) -> np.ndarray:
        """Return log(y), which is normal."""
        return np.log(y)

    def log_jacobian(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the log-density of y minus that of log(y), summed."""
        return -float(weights @ np.log(y))

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        log_y = np.log(y)
        normal = super().derivatives(log_y, eta)
        return normal._replace(log_likelihood=normal.log_likelihood - log_y)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return exp(eta + sigma^2 / 2)."""
        return np.exp(eta + 0.5 * self.sigma**2)

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return exp(mean + (variance + sigma^2) / 2), which is exact."""
        return np.exp(mean + 0.5 * (variance + self.sigma**2))

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        return np.exp(random_state.normal(eta, self.sigma))

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean of log(y)."""
        return float(np.average(np.log(y), weights=weights))
