"""What a response distribution tells the solvers."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Self

import numpy as np

#: Nodes of the Gauss-Hermite rule that integrates a prediction over its uncertainty.
N_NODES = 15

#: Bands of the standard deviation of the linear predictor in which the trapezoidal rule
#: takes over, and how many standard deviations it covers.
_WIDE_SDS = (2.0, 4.0, 8.0, 16.0, 32.0, np.inf)
_RANGE = 8.0


class Derivatives(NamedTuple):
    """Log-likelihood of each observation and its derivatives in ``eta``.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n,)
        l(y, eta).
    gradient : ndarray of shape (n,)
        l', the first derivative.
    curvature : ndarray of shape (n,)
        W = -l'', the observed curvature.
    third : ndarray of shape (n,)
        -l''', the derivative of the curvature.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    third: np.ndarray


class ParameterDerivatives(NamedTuple):
    """Derivatives in the k parameters of a family.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n, k)
        Of l(y, eta).
    gradient : ndarray of shape (n, k)
        Of l'.
    curvature : ndarray of shape (n, k)
        Of W.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray


class Family(ABC):
    """A response distribution with a scalar linear predictor ``eta``.

    A family never sees X, groups or the labels a user gave: its ``y`` is numeric and
    already encoded. A family object holds the values of its own parameters, such as
    thresholds or a dispersion, on an unbounded scale; solvers move them through
    :meth:`with_parameters`.
    """

    #: Name that :func:`get_family` resolves and summaries print.
    name: ClassVar[str]
    #: Name of the function that maps the mean to ``eta``.
    link: ClassVar[str]
    #: Kind of response: "binary" (0 or 1), "ordinal" (0, 1, ...), "real" or "bounded".
    response: ClassVar[str]
    #: Whether the linear predictor has an intercept; thresholds take its place.
    has_intercept: ClassVar[bool] = True

    @property
    def parameters(self) -> np.ndarray:
        """The family's own parameters on an unbounded scale."""
        return np.zeros(0)

    @property
    def scale(self) -> float:
        """Typical size of effects on the scale of ``eta``."""
        return 1.0

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with other values of its own parameters."""
        return self

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with parameters that fit responses without predictors."""
        return self

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is outside the family's support."""
        del y  # every response is inside

    @abstractmethod
    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in the family's own parameters."""
        empty = np.zeros((len(y), 0))
        return ParameterDerivatives(empty, empty, empty)

    @abstractmethod
    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return E(y | eta)."""

    @abstractmethod
    def latent_variance(self) -> float:
        """Return the variance of the response on the scale of ``eta``.

        It is what intraclass correlations and R2 compare variance components with
        (Nakagawa, Johnson & Schielzeth 2017, doi:10.1098/rsif.2017.0213).
        """

    @abstractmethod
    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""

    @abstractmethod
    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the constant ``eta`` that fits the mean response."""

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return E(y) when ``eta`` is normal with the given mean and variance.

        By numerical integration, see :func:`integrate_normal`.
        """
        return integrate_normal(self.mean, mean, variance)


class QuadraticFamily(Family):
    """A family whose response, perhaps transformed, is normal given ``eta``.

    Its log-likelihood is quadratic in ``eta`` with a free scale sigma, so that the
    marginal likelihood is exact and variance components are profiled.

    Parameters
    ----------
    sigma : float, default=1.0
        Residual standard deviation of the transformed response.
    """

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = sigma

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

    @abstractmethod
    def predictive_sd(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a response when ``eta`` is normal."""

    @abstractmethod
    def predictive_quantile(
        self, mean: np.ndarray, variance: np.ndarray, level: float
    ) -> np.ndarray:
        """Return a quantile of a response when ``eta`` is normal."""


def integrate_normal(
    function: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return E f(eta) for normal ``eta``, f mapping (n,) to (n,) or (n, k).

    Gauss-Hermite quadrature with 15 nodes up to a standard deviation of 2; beyond it
    the trapezoidal rule, whose steps stay below the unit on which f varies.
    """
    sd = np.sqrt(variance)
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    result = _weighted_sum(function, mean, sd, nodes, weights)
    for low, high in itertools.pairwise(_WIDE_SDS):
        rows = np.flatnonzero((sd > low) & (sd <= high))
        if len(rows):
            nodes = np.linspace(-_RANGE, _RANGE, int(2 * _RANGE * min(high, 64.0)) + 1)
            weights = np.exp(-0.5 * nodes**2)
            result[rows] = _weighted_sum(function, mean[rows], sd[rows], nodes, weights)
    return result


def _weighted_sum(
    function: Callable[[np.ndarray], np.ndarray],
    mean: np.ndarray,
    sd: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    shares = weights / weights.sum()
    total = shares[0] * np.asarray(function(mean + sd * nodes[0]))
    for node, share in zip(nodes[1:], shares[1:], strict=True):
        total = total + share * function(mean + sd * node)
    return total
