"""Ordered categories."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from bead_sklearn.families._base import (
    Derivatives,
    Family,
    ParameterDerivatives,
    ReportedParameter,
)
from bead_sklearn.families._integrate import integrate_normal
from bead_sklearn.families._interval import (
    IntervalDerivatives,
    logistic_interval,
    normal_interval,
)
from bead_sklearn.families._sample_size import without_ties


class Cumulative(Family):
    r"""Ordered categories cut out of a continuous scale.

    .. math:: P(y \le k) = F(c_k - \eta), \qquad c_0 < c_1 < \dots < c_{K-2},

    y in {0, ..., K - 1}. The thresholds stand in for an intercept. Their parameters
    are c_0 and the logarithms of the distances between neighbours, or of the one
    distance if they are equidistant.

    Parameters
    ----------
    n_categories : int
        Number of categories, K.
    equidistant : bool, default=False
        Whether all distances between thresholds are equal.
    parameters : ndarray, default=None
        Values of the parameters; evenly spread thresholds by default.

    References
    ----------
    .. [1] McCullagh (1980). Regression models for ordinal data. Journal of the Royal
       Statistical Society B 42, 109-142.
    """

    response = "ordinal"
    has_intercept = False

    def __init__(
        self,
        n_categories: int,
        equidistant: bool = False,
        parameters: np.ndarray | None = None,
    ) -> None:
        self.n_categories = n_categories
        self.equidistant = equidistant
        if parameters is None:
            n = min(2, n_categories - 1) if equidistant else n_categories - 1
            parameters = np.zeros(n)
            parameters[0] = -0.5 * (n_categories - 2)
        self._parameters = parameters

    @property
    def parameters(self) -> np.ndarray:
        """First threshold and logarithms of the distances."""
        return self._parameters

    def with_parameters(self, parameters: np.ndarray) -> Self:
        """Return the family with other thresholds."""
        return type(self)(self.n_categories, self.equidistant, parameters)

    def reported_parameters(self) -> list[ReportedParameter]:
        """Return the thresholds."""
        rows = zip(self.thresholds.tolist(), self._threshold_jacobian(), strict=True)
        return [
            ReportedParameter(f"{k}|{k + 1}", threshold, gradient, (k, k + 1))
            for k, (threshold, gradient) in enumerate(rows)
        ]

    @property
    def thresholds(self) -> np.ndarray:
        """The thresholds, (n_categories - 1,)."""
        return self._parameters[0] + np.append(0.0, np.cumsum(self._distances()))

    def start(self, y: np.ndarray, weights: np.ndarray) -> Self:
        """Return the family with thresholds at the observed cumulative shares."""
        counts = np.bincount(
            y.astype(int), weights=weights, minlength=self.n_categories
        )
        shares = np.cumsum(counts + 0.5)[:-1] / (counts + 0.5).sum()
        thresholds = self._quantile(shares)
        distances = np.diff(thresholds)
        if self.equidistant:
            distances = distances.mean(keepdims=True) if len(distances) else distances
        return self.with_parameters(np.append(thresholds[0], np.log(distances)))

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> Derivatives:
        """Return the log-likelihood and its first three derivatives in ``eta``."""
        interval = self._interval(*self._bounds(y, eta))
        return Derivatives(*interval[:4])

    def parameter_derivatives(
        self, y: np.ndarray, eta: np.ndarray
    ) -> ParameterDerivatives:
        """Return derivatives in the parameters of the thresholds."""
        interval = self._interval(*self._bounds(y, eta))
        jacobian = self._threshold_jacobian()
        category = y.astype(int)
        # Both bounds move with the lower one, eta in the other direction; the width
        # moves the upper one alone.
        last = self.n_categories - 2
        shift = jacobian[np.maximum(category - 1, 0)]
        inner = (category > 0) & (category <= last)
        width = np.where(
            inner[:, None], jacobian[np.minimum(category, last)] - shift, 0.0
        )
        by_shift = -interval.gradient, interval.curvature, -interval.third
        return ParameterDerivatives(
            *(
                first[:, None] * shift + second[:, None] * width
                for first, second in zip(by_shift, interval[4:], strict=True)
            )
        )

    def category_probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Return the probability of each category, (n, n_categories)."""
        cuts = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        return self._differences(cuts - eta[:, None])

    def category_probabilities_over(
        self, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the probability of each category when ``eta`` is normal."""
        return integrate_normal(self.category_probabilities, mean, variance)

    def outside_probabilities(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the probability of a lower and of a higher category, (n, 2).

        1 for categories without such.
        """
        upper, lower, _ = self._bounds(y, eta)
        below = np.where(np.isfinite(lower), self._cdf(lower), 1.0)
        above = np.where(np.isfinite(upper), self._cdf(-upper), 1.0)
        return np.column_stack([below, above])

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is no number of a category."""
        wrong = np.flatnonzero(~np.isin(y, np.arange(self.n_categories)))
        if len(wrong):
            raise ValueError(
                f"The {self.name} family needs categories from 0 to "
                f"{self.n_categories - 1}. y has {len(wrong)} others, the first in "
                f"row {wrong[0]}: {y[wrong[0]]:g}."
            )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the expected category number."""
        return self.category_probabilities(eta) @ np.arange(float(self.n_categories))

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the family with thresholds in units of the noise."""
        parameters = self._parameters.copy()
        parameters[0] /= temperature
        parameters[1:] -= np.log(temperature)
        return self.with_parameters(parameters), 1.0 / temperature

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return n - sum_k n_k^3 / n^2 of the categories."""
        return without_ties(y, weights)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw one category for each ``eta``."""
        below = self._cdf(self.thresholds - eta[:, None])
        return (random_state.uniform(size=(len(eta), 1)) > below).sum(axis=1) * 1.0

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return 0: the thresholds hold the level."""
        return 0.0

    def _differences(self, bounds: np.ndarray) -> np.ndarray:
        """Return F(upper) - F(lower) of neighbouring bounds, in the lower tail."""
        lower, upper = bounds[:, :-1], bounds[:, 1:]
        flip = lower > 0
        return self._cdf(np.where(flip, -lower, upper)) - self._cdf(
            np.where(flip, -upper, lower)
        )

    def _distances(self) -> np.ndarray:
        """Distances between neighbouring thresholds, (n_categories - 2,)."""
        distances = np.exp(self._parameters[1:])
        if self.equidistant:
            distances = np.repeat(distances, self.n_categories - 2)
        return distances

    def _bounds(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Upper and lower bound of each response less ``eta``, and their distance."""
        cuts = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        widths = np.concatenate([[np.inf], self._distances(), [np.inf]])
        category = y.astype(int)
        return cuts[category + 1] - eta, cuts[category] - eta, widths[category]

    def _threshold_jacobian(self) -> np.ndarray:
        """Return derivatives of the thresholds in the parameters."""
        n_cuts = self.n_categories - 1
        jacobian = np.zeros((n_cuts, len(self._parameters)))
        jacobian[:, 0] = 1.0
        distances = np.exp(self._parameters[1:])
        if not self.equidistant:
            jacobian[:, 1:] = np.tri(n_cuts, n_cuts - 1, -1) * distances
        elif len(distances):
            jacobian[:, 1] = distances[0] * np.arange(n_cuts)
        return jacobian

    @staticmethod
    @abstractmethod
    def _interval(
        upper: np.ndarray, lower: np.ndarray, width: np.ndarray
    ) -> IntervalDerivatives: ...

    @staticmethod
    @abstractmethod
    def _cdf(x: np.ndarray) -> np.ndarray: ...

    @staticmethod
    @abstractmethod
    def _quantile(p: np.ndarray) -> np.ndarray: ...


class CumulativeLogit(Cumulative):
    """Ordered categories with the logit link (proportional odds).

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import CumulativeLogit
    >>> family = CumulativeLogit(3, parameters=np.array([-1.0, np.log(2.0)]))
    >>> family.thresholds
    array([-1.,  1.])
    """

    name = "cumulative_logit"
    link = "logit"
    _interval = staticmethod(logistic_interval)
    _cdf = staticmethod(expit)
    _quantile = staticmethod(logit)

    def latent_variance(self) -> float:
        """Return pi^2 / 3, the variance of the standard logistic distribution."""
        return float(np.pi**2 / 3.0)


class CumulativeProbit(Cumulative):
    """Ordered categories with the probit link.

    Examples
    --------
    >>> from bead_sklearn.families import CumulativeProbit
    >>> CumulativeProbit(4, equidistant=True).thresholds
    array([-1.,  0.,  1.])
    """

    name = "cumulative_probit"
    link = "probit"
    _interval = staticmethod(normal_interval)
    _cdf = staticmethod(ndtr)
    _quantile = staticmethod(ndtri)

    def category_probabilities_over(
        self, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the probability of each category when ``eta`` is normal: exact."""
        cuts = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        sd = np.sqrt(1.0 + variance)
        return self._differences((cuts - mean[:, None]) / sd[:, None])

    def latent_variance(self) -> float:
        """Return 1, the variance of the standard normal distribution."""
        return 1.0
