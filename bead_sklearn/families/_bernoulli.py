"""Two-valued responses."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, logit

from bead_sklearn.families._base import Derivatives, Family


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

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        p = expit(eta)
        curvature = p * expit(-eta)
        return Derivatives(
            y * log_expit(eta) + (1.0 - y) * log_expit(-eta),
            y - p,
            curvature,
            curvature * (1.0 - 2.0 * p),
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
        return (random_state.uniform(size=eta.shape) < expit(eta)).astype(np.float64)

    def initial_eta(self, y: np.ndarray, sample_weight: np.ndarray) -> float:
        """Return the logit of the share of ones, half a count added to each side."""
        ones = float(sample_weight @ y)
        total = float(sample_weight.sum())
        return float(logit((ones + 0.5) / (total + 1.0)))
