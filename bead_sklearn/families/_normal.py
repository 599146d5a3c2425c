"""Real-valued responses."""

from __future__ import annotations

from typing import Self

import numpy as np

from bead_sklearn.families._base import Derivatives, Family

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


class Normal(Family):
    """Normal distribution with the identity link and standard deviation ``sigma``.

    Parameters
    ----------
    sigma : float, default=1.0
        Residual standard deviation, in the unit of the response.

    Examples
    --------
    >>> from typing import Self

import numpy as np
    >>> from bead_sklearn.families import Normal
    >>> Normal(2.0).derivatives(np.array([3.0]), np.array([1.0])).gradient
    array([0.5])
    """

    name = "normal"
    link = "identity"
    response = "real"
    is_quadratic = True

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = sigma

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

    def with_sigma(self, sigma: float) -> Self:
        """Return the family with another residual standard deviation."""
        return type(self)(sigma)

    def working_response(self, y: np.ndarray) -> np.ndarray:
        """Return the response on the scale where it is normal."""
        return y

    def log_jacobian(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the log-density of y minus that of the working response, summed."""
        return 0.0

    def latent_variance(self) -> float:
        """Return ``sigma ** 2``."""
        return float(self.sigma**2)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""
        return random_state.normal(eta, self.sigma)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the weighted mean."""
        return float(np.average(y, weights=weights))
