"""Real-valued responses."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from bead_sklearn.families._base import Derivatives, QuadraticFamily

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


class Normal(QuadraticFamily):
    """Normal distribution with the identity link and standard deviation ``sigma``.

    Parameters
    ----------
    sigma : float, default=1.0
        Residual standard deviation, in the unit of the response.
    fixed : bool, default=False
        Whether sigma is known; otherwise it is estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import Normal
    >>> Normal(2.0).derivatives(np.array([3.0]), np.array([1.0])).gradient
    array([0.5])
    """

    name = "normal"
    link = "identity"
    response = "real"

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        precision = self.sigma**-2
        residual = y - eta
        constant = _HALF_LOG_2PI + np.log(self.sigma)
        return Derivatives(
            -0.5 * precision * residual**2 - constant,
            precision * residual,
            np.full_like(eta, precision),
            np.zeros_like(eta),
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return ``eta``."""
        return eta

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return ``mean``: the identity link needs no quadrature."""
        return mean

    def predictive_sd(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a response when ``eta`` is normal."""
        return np.sqrt(variance + self.sigma**2)

    def predictive_quantile(
        self, mean: np.ndarray, variance: np.ndarray, level: float
    ) -> np.ndarray:
        """Return a quantile of a response when ``eta`` is normal."""
        return mean + np.sqrt(variance + self.sigma**2) * ndtri(level)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        return random_state.normal(eta, self.sigma)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean."""
        return float(np.average(y, weights=weights))
