"""Predictions of responses on an interval, whose distribution is a mixture over eta."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from bead_sklearn.families._base import ContinuousFamily
from bead_sklearn.families._integrate import integrate_normal

#: Standard deviations of eta between which the quantile of the mixture is looked for.
_REACH = 8.0

#: Standard deviation of eta, in units of the resolution, up to which the Gauss-Hermite
#: rule serves distribution functions.
_GAUSS_SD = 1.0

#: Width of the bracket, relative to the first one, at which a quantile is found.
_TOLERANCE = 1e-11
_MAX_STEPS = 100


class BoundedFamily(ContinuousFamily):
    """A family on an interval, with a distribution function given ``eta``.

    Responses are stochastically increasing in ``eta``. Predictions for normal ``eta``
    integrate over it numerically, in steps that resolve the distribution given
    ``eta``; quantiles are roots of the distribution function of that mixture.
    """

    response = "bounded"

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Ends of the interval."""

    @property
    @abstractmethod
    def resolution(self) -> float:
        """Change of ``eta`` that moves the response by its standard deviation."""

    @abstractmethod
    def conditional_variance(self, eta: np.ndarray) -> np.ndarray:
        """Return Var(y | eta)."""

    @abstractmethod
    def cdf(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return P(response <= y | eta)."""

    @abstractmethod
    def quantile(self, level: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the smallest y with P(response <= y | eta) of at least ``level``."""

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return n - sum_k n_k^3 / n^2 of responses at the ends of the range."""
        lower, upper = self.support
        n, tied = weights.sum(), [weights[y == end].sum() for end in (lower, upper)]
        return float(n - sum(k**3 for k in tied) / n**2)

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return E(y) when ``eta`` is normal with the given mean and variance."""
        return self._integrate(self.mean, mean, variance)

    def predictive_sd(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the standard deviation of a response when ``eta`` is normal."""

        def moments(eta: np.ndarray, near: np.ndarray) -> np.ndarray:
            distance = self.mean(eta) - near
            square = self.conditional_variance(eta) + distance**2
            return np.column_stack([distance, square])

        # Distances from a mean nearby keep their digits where squares would not.
        first, second = self._integrate(moments, mean, variance, self.mean(mean)).T
        return np.sqrt(np.maximum(second - first**2, 0.0))

    def predictive_cdf(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the probability of a response of at most ``y``, (n,)."""
        return self._integrate(lambda eta, y: self.cdf(y, eta), mean, variance, y)

    def predictive_quantile(
        self, mean: np.ndarray, variance: np.ndarray, level: float
    ) -> np.ndarray:
        """Return a quantile of a response when ``eta`` is normal."""
        sd, lower_end, upper_end = np.sqrt(variance), *self.support
        levels = np.full(mean.shape, level)
        low = self.quantile(levels, mean - _REACH * sd)
        high = self.quantile(levels, mean + _REACH * sd)

        def excess(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return self.predictive_cdf(y, mean[rows], variance[rows]) - level

        # The distribution function may jump at the upper end.
        at_end = np.flatnonzero(high >= upper_end)
        if len(at_end):
            below = np.full(len(at_end), np.nextafter(upper_end, lower_end))
            inside = excess(below, at_end) >= 0
            high[at_end[inside]] = below[inside]
            low[at_end[~inside]] = upper_end
        return increasing_root(excess, low, high)

    def predictive_log_density(
        self, y: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Return the logarithm of the density of a response at ``y``, (n,).

        At ends with probability of their own, the logarithm of the probability.
        """
        return self._integrate(
            lambda eta, y: np.asarray(self.derivatives(y, eta).log_likelihood),
            mean,
            variance,
            y,
            in_logs=True,
        )

    def _integrate(
        self,
        function: Callable[..., np.ndarray],
        mean: np.ndarray,
        variance: np.ndarray,
        *of_rows: np.ndarray,
        in_logs: bool = False,
    ) -> np.ndarray:
        """Return E f(eta) for an f that varies at the resolution of the family."""
        unit = self.resolution
        return integrate_normal(
            lambda x, *rows: function(unit * x, *rows),
            mean / unit,
            variance / unit**2,
            *of_rows,
            in_logs=in_logs,
            largest_sd=_GAUSS_SD,
        )


def increasing_root(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Return where increasing functions reach zero, all at once.

    By inverse quadratic interpolation where that is safe and bisection elsewhere
    (Chandrupatla 1997, doi:10.1016/s0965-9978(96)00051-8).

    Parameters
    ----------
    function : callable
        (x, rows) -> values of the functions numbered ``rows`` at ``x``.
    low, high : ndarray of shape (n,)
        Brackets. A function that is not negative at ``low`` has its root there, one
        that is not positive at ``high`` has it there.

    Returns
    -------
    roots : ndarray of shape (n,)
        Within 1e-11 of the width of the bracket.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families._bounded import increasing_root
    >>> targets = np.array([8.0, 27.0])
    >>> increasing_root(
    ...     lambda x, rows: x**3 - targets[rows], np.zeros(2), np.full(2, 9.0)
    ... ).round(6)
    array([2., 3.])
    """
    rows = np.arange(len(low))
    at_low, at_high = function(low, rows), function(high, rows)
    result = np.where(at_low >= 0, low, high)
    rows = np.flatnonzero((at_low < 0) & (at_high > 0))
    # x1 is the last point, x2 brackets the root with it, x3 is the one before.
    x1, f1, x2, f2 = high[rows], at_high[rows], low[rows], at_low[rows]
    x3, f3, share = x2, f2, np.full(len(rows), 0.5)
    width = np.abs(x1 - x2)
    for _ in range(_MAX_STEPS):
        if not len(rows):
            break
        x = x1 + share * (x2 - x1)
        f = function(x, rows)
        same = (f >= 0) == (f1 >= 0)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, f
        better = np.where(np.abs(f1) < np.abs(f2), x1, x2)
        result[rows] = better
        left = 0.5 * _TOLERANCE * width / np.maximum(np.abs(x2 - x1), 1e-300)
        going = (left < 0.5) & (f1 != 0)
        rows, x1, f1, x2, f2, x3, f3, width, left = (
            values[going] for values in (rows, x1, f1, x2, f2, x3, f3, width, left)
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
            inverse = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (
                f3 - f1
            ) * f2 / (f3 - f2)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        share = np.where(safe, inverse, 0.5)
        share = np.clip(share, left, 1.0 - left)
    return result
