"""Choices among unordered alternatives: softmax probabilities of several ``eta``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bead_sklearn.families._base import Family
from bead_sklearn.families._integrate import integrate_outputs
from bead_sklearn.families._sample_size import smallest_class

#: Variance of the difference of two standard Gumbel variables, which is logistic.
_LOGISTIC_VARIANCE = np.pi**2 / 3.0


class MultinomialDerivatives(NamedTuple):
    """Log-likelihood of each observation and its derivatives in J logits.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n,)
        l(y, eta).
    gradient : ndarray of shape (n, J)
        l'.
    curvature : ndarray of shape (n, J, J)
        W = -l'' = diag(p) - p p'.
    probabilities : ndarray of shape (n, J)
        p, that of the reference class left out.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    probabilities: np.ndarray

    def skew(self, covariance: np.ndarray) -> np.ndarray:
        """Return c_j = sum_kl dW_kl / d eta_j S_kl for S of shape (n, J, J).

        c = p o (diag S - p' diag S - 2 S p + 2 p'S p).
        """
        p = self.probabilities
        diagonal = np.einsum("njj->nj", covariance)
        product = np.einsum("njk,nk->nj", covariance, p)
        level = 2.0 * (p * product).sum(axis=1) - (p * diagonal).sum(axis=1)
        return p * (diagonal - 2.0 * product + level[:, None])


class MultinomialLogit(Family):
    """One of K unordered classes, by K - 1 logits against the first class.

    P(y = k) = exp(eta_k) / sum_j exp(eta_j), eta_0 = 0, y in {0, ..., K - 1}; ``eta``
    has shape (n, K - 1).

    Parameters
    ----------
    n_classes : int
        Number of classes, K.

    References
    ----------
    .. [1] Hartzel, Agresti & Caffo (2001). Multinomial logit random effects models.
       Statistical Modelling 1(2). doi:10.1177/1471082X0100100201

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import MultinomialLogit
    >>> MultinomialLogit(4).mean(np.zeros((1, 3)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    name = "multinomial_logit"
    link = "logit"
    response = "categorical"
    has_output_axis = True
    is_tied = True

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    @property
    def n_outputs(self) -> int:
        """Number of logits, K - 1."""
        return self.n_classes - 1

    def output_contrast(self) -> np.ndarray:
        """Return the factor of I + 11', which treats all classes alike.

        Independent equal variances of K coefficients that sum to anything, seen as
        differences from the first.
        """
        n = self.n_outputs
        return np.linalg.cholesky(np.eye(n) + np.ones((n, n)))

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> MultinomialDerivatives:
        """Return the log-likelihood and its derivatives in ``eta``."""
        log_p = _log_probabilities(eta)
        p_all = np.exp(log_p)
        index = y.astype(np.intp)
        rows = np.arange(len(y))
        p = p_all[:, 1:]
        chosen = np.zeros_like(p_all)
        chosen[rows, index] = 1.0
        # 1 - p as the sum of the others, which is exact where p is near 1.
        others = p_all @ (1.0 - np.eye(self.n_classes))
        gradient = np.where(chosen == 1.0, others, -p_all)[:, 1:]
        curvature = -p[:, :, None] * p[:, None, :]
        outputs = np.arange(self.n_outputs)
        curvature[:, outputs, outputs] = p * others[:, 1:]
        return MultinomialDerivatives(log_p[rows, index], gradient, curvature, p)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return P(y = k | eta), (n, K)."""
        return np.exp(_log_probabilities(eta))

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return P(y = k), (n, K), for normal ``eta`` with covariance (n, J, J)."""
        return integrate_outputs(self.mean, mean, variance)

    def latent_variance(self) -> float:
        """Return pi^2 / 3, the variance of each logit's latent difference."""
        return float(_LOGISTIC_VARIANCE)

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return how often the rarest class was given."""
        return smallest_class(y, weights, self.n_classes)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one class for each row of ``eta``."""
        below = np.cumsum(self.mean(eta), axis=1)[:, :-1]
        u = random_state.uniform(size=(len(eta), 1))
        return (u > below).sum(axis=1).astype(float)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the logits of the shares, half a count added to each class."""
        counts = np.bincount(
            y.astype(np.intp), weights=weights, minlength=self.n_classes
        )
        shares = counts + 0.5
        return np.log(shares[1:] / shares[0])


def _log_probabilities(eta: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities of all classes, (n, J + 1)."""
    logits = np.concatenate([np.zeros((len(eta), 1)), eta], axis=1)
    return logits - logsumexp(logits, axis=1, keepdims=True)
