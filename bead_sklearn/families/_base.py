"""What a response distribution tells the solvers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
from scipy.special import ndtr

from bead_sklearn.families._integrate import integrate_normal


class LikelihoodDerivatives(Protocol):
    """What solvers need of a log-likelihood, whatever the shape of ``eta``."""

    @property
    def log_likelihood(self) -> np.ndarray:
        """One value per row."""

    @property
    def gradient(self) -> np.ndarray:
        """First derivative, in the shape of ``eta``."""

    @property
    def curvature(self) -> np.ndarray:
        """Negative second derivative, with entries for all that is coupled."""

    def skew(self, covariance: np.ndarray) -> np.ndarray:
        """Return d tr(W S) / d eta for S in the layout of the curvature."""


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

    def skew(self, covariance: np.ndarray) -> np.ndarray:
        """Return ``third`` times the variance of each ``eta``."""
        return self.third * covariance


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


class ReportedParameter(NamedTuple):
    """A parameter of a family as people know it.

    Attributes
    ----------
    name : str
        Such as "phi"; of a threshold, the categories that it parts, "0|1".
    value : float
        Its value.
    gradient : ndarray of shape (k,)
        Its derivative in the family's own parameters, which are unbounded.
    categories : tuple of int
        The categories that a threshold parts; empty for other parameters.
    is_positive : bool
        Whether it is a positive number, as dispersions are.
    """

    name: str
    value: float
    gradient: np.ndarray
    categories: tuple[int, ...] = ()
    is_positive: bool = False


class Family(ABC):
    """A response distribution given a linear predictor ``eta``.

    ``eta`` is one number per row, or with ``has_output_axis`` of shape
    (n, n_outputs).
    A family never sees X, groups or the labels a user gave: its ``y`` is numeric and
    already encoded. A family object holds the values of its own parameters, such as
    thresholds or a dispersion, on an unbounded scale; solvers move them through
    :meth:`with_parameters`.
    """

    #: Name that :func:`get_family` resolves and summaries print.
    name: ClassVar[str]
    #: Name of the function that maps the mean to ``eta``.
    link: ClassVar[str]
    #: Kind of response: "binary" (0 or 1), "categorical" or "ordinal" (0, 1, ...),
    #: "choice" (1 for the chosen row of a set), "multilabel", "real" or "bounded".
    response: ClassVar[str]
    #: Whether the linear predictor has an intercept; thresholds take its place.
    has_intercept: ClassVar[bool] = True
    #: Whether the log-likelihood is linear in the response, so that rows of one eta
    #: are described by their mean response.
    is_linear_in_response: ClassVar[bool] = False

    #: Choice set of each row where rows compete with each other, and all pairs of rows
    #: of one set.
    sets: np.ndarray | None = None
    pairs: tuple[np.ndarray, np.ndarray] | None = None
    #: Whether ``eta`` has an axis of outputs, be it for one output only.
    has_output_axis: bool = False
    #: Whether the curvature ties the outputs of a row to each other.
    is_tied: bool = False

    @property
    def n_outputs(self) -> int:
        """Number of linear predictors per row."""
        return 1

    def output_contrast(self) -> np.ndarray:
        """Return L such that L L' is the neutral covariance over the outputs."""
        return np.eye(self.n_outputs)

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

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return what the family's own parameters stand for, as people know it."""
        return []

    def limitation(self) -> str | None:
        """Say what cannot be estimated because a parameter of a fit is at a bound."""
        return None

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with parameters that fit responses without predictors."""
        return self

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is outside the family's support."""
        del y  # every response is inside

    @abstractmethod
    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> LikelihoodDerivatives:
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

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the family with other noise, and what to multiply ``eta`` by.

        The noise is that of the response on the scale of ``eta``: with labels of
        unit noise, ``temperature`` times as much is ``eta / temperature``.
        """
        return self, 1.0 / temperature

    @abstractmethod
    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one response for each ``eta``."""

    @abstractmethod
    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float | np.ndarray:
        """Return the constant ``eta`` that fits the mean response."""

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return how many numbers would say as much of coefficients as the responses.

        The limiting sample size of Harrell (2015, Regression Modeling Strategies,
        section 4.4), by which to judge how many coefficients can be estimated; where
        there are several outputs, that of the one that the responses say least of.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, n_outputs)
            Responses.
        weights : ndarray of shape (n,)
            How many times each counts.
        """
        return float(weights.sum())

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return E(y) when ``eta`` is normal with the given mean and variance.

        By numerical integration, see :func:`integrate_normal`.
        """
        return integrate_normal(self.mean, mean, variance)


class ContinuousFamily(Family):
    """A family of numbers, with predictions when ``eta`` is normal.

    All methods take the mean and the variance of ``eta``, both of shape (n,).
    """

    @abstractmethod
    def predictive_sd(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a response when ``eta`` is normal."""

    @abstractmethod
    def predictive_quantile(
        self, mean: np.ndarray, variance: np.ndarray, level: float
    ) -> np.ndarray:
        """Return a quantile of a response when ``eta`` is normal."""

    @abstractmethod
    def predictive_cdf(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the probability of a response of at most ``y``, (n,)."""

    @abstractmethod
    def predictive_log_density(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the logarithm of the density of a response at ``y``, (n,)."""


class QuadraticFamily(ContinuousFamily):
    """A family whose response, perhaps transformed, is normal given ``eta``.

    Its log-likelihood is quadratic in ``eta`` with a scale sigma, so that the
    marginal likelihood is exact and variance components are profiled.

    Parameters
    ----------
    sigma : float, default=1.0
        Residual standard deviation of the transformed response.
    fixed : bool, default=False
        Whether sigma is known; otherwise it is estimated.
    """

    def __init__(self, sigma: float = 1.0, fixed: bool = False) -> None:
        self.sigma = sigma
        self.fixed = fixed

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the family with ``temperature`` times the sigma."""
        return self.with_sigma(temperature * self.sigma), 1.0

    def with_sigma(self, sigma: float) -> Self:
        """Return the family with another residual standard deviation."""
        return type(self)(sigma, self.fixed)

    def working_response(self, y: np.ndarray) -> np.ndarray:
        """Return the response on the scale where it is normal."""
        return y

    def log_jacobian(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the log-density of y minus that of the working response, summed."""
        return 0.0

    def latent_variance(self) -> float:
        """Return ``sigma ** 2``."""
        return float(self.sigma**2)

    def predictive_cdf(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the probability of a response of at most ``y``, (n,)."""
        sd = np.sqrt(variance + self.sigma**2)
        return np.asarray(ndtr((self.working_response(y) - mean) / sd))

    def predictive_log_density(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the logarithm of the density of a response at ``y``, (n,)."""
        working = self.working_response(y)
        sd = np.sqrt(variance + self.sigma**2)
        # The log-density where eta is the response itself has all constants.
        at_response = self.derivatives(y, working).log_likelihood
        z = (working - mean) / sd
        return np.asarray(at_response - 0.5 * z**2 - np.log(sd / self.sigma))
