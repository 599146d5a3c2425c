"""What a response distribution tells the solvers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Self

import numpy as np

#: Nodes of the Gauss-Hermite rule that integrates a prediction over its uncertainty,
#: and the standard deviation of the linear predictor above which more are needed.
N_NODES = 15
N_NODES_WIDE = 25
WIDE_SD = 2.0


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
    #: Kind of response: "binary" (0 or 1), "ordinal" (0, 1, ...), "real", "positive"
    #: or "bounded" (in [0, 1]).
    response: ClassVar[str]
    #: Whether the log-likelihood is quadratic in ``eta`` with a free scale, so that
    #: the marginal likelihood is exact and its variance components are profiled.
    is_quadratic: ClassVar[bool] = False
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

        By Gauss-Hermite quadrature with 15 nodes, 25 where the standard deviation
        exceeds 2.
        """
        return integrate_normal(self.mean, mean, variance)


def integrate_normal(
    function: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return E f(eta) for normal ``eta``, f mapping (n,) to (n,) or (n, k)."""
    sd = np.sqrt(variance)
    wide = sd > WIDE_SD
    result = _quadrature(function, mean, sd, N_NODES)
    if wide.any():
        result[wide] = _quadrature(function, mean[wide], sd[wide], N_NODES_WIDE)
    return result


def _quadrature(
    function: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, sd: np.ndarray, n_nodes: int
) -> np.ndarray:
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights = weights / weights.sum()
    total = weights[0] * np.asarray(function(mean + sd * nodes[0]))
    for node, weight in zip(nodes[1:], weights[1:], strict=True):
        total = total + weight * function(mean + sd * node)
    return total
