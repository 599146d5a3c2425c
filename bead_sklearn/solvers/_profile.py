"""Profile-likelihood intervals.

The interval of a quantity g holds the values that a likelihood-ratio test does not
reject: where the profile LL_p(g), the maximum over everything else, is at most
c^2 / 2 below the maximum (Venzon & Moolgavkar 1988, doi:10.2307/2347496).

A point of the profile is found without constraints: the maximiser of

    LL(x) - k/2 (g(x) - t)^2

maximises LL among all x with the same g, whatever k and t are, so (g, LL) at it lies
on the profile; only where on it depends on t. A fixed effect of a normal model, which
is not among the variables of the search, is held at a value instead and goes into the
response.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from bead_sklearn._threads import blas_threads
from bead_sklearn.solvers._optimize import maximize
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._quantities import Coefficient, Correlation, Quantity
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._surface import GaussianSurface, likelihood_surface

#: k, in units of the curvature of the profile at the estimate.
_STIFFNESS = 100.0
#: An end is found when the root of the deviance is this near to its target.
_TOLERANCE = 1e-5
_MAX_POINTS = 60
#: The end of the range is an end of the interval when this share of the way to it is
#: still inside.
_NEAR_END = 1e-4
#: How far parameters leave their bound, relative to the largest.
_NUDGE = 0.3
#: A higher log-likelihood than this above the fit means that the fit is not a maximum.
_BETTER = 1e-3


class ProfilePoint(NamedTuple):
    """A point of a profile.

    Attributes
    ----------
    value : float
        The quantity.
    log_likelihood : float
        The maximum of the likelihood there.
    x : ndarray
        Where the maximum is.
    slope : float
        Derivative of the profile, NaN where it is not known.
    """

    value: float
    log_likelihood: float
    x: np.ndarray
    slope: float


class Profiler:
    """Profiles of the likelihood of a fit.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.

    Raises
    ------
    ValueError
        If the likelihood is higher elsewhere than at the fit, or was not computed
        exactly.
    """

    def __init__(self, problem: Problem, fit: MixedModelFit) -> None:
        if fit.monte_carlo_error > 0:
            raise ValueError(
                "A model with so many levels is fitted iteratively, and its "
                "log-likelihood is known up to a standard error of "
                f"{fit.monte_carlo_error:.2g}: too little for a profile. Use Wald or "
                "bootstrap intervals."
            )
        self._problem, self._fit = problem, fit
        with blas_threads(problem.design.n_rest):
            self._surface = likelihood_surface(problem, fit)
            start = self._surface.start
            at_fit = self._surface(start)[0]
            self._unit = _standard_errors(self._surface.covariance(start))
            self._x, self._top = self._maximize(self._surface, start)
            self._covariance = self._surface.covariance(self._x)
        _check_maximum(at_fit, self._top)

    def interval(self, quantity: Quantity, level: float) -> tuple[float, float]:
        """Return the profile-likelihood interval of a quantity.

        Parameters
        ----------
        quantity : Quantity
            What the interval is for. Fixed effects must not be integrated out.
        level : float
            Coverage.

        Returns
        -------
        lower, upper : float
            Ends; that of the quantity's range where the likelihood does not exclude
            it, NaN for a quantity that is not defined at the estimates.
        """
        with blas_threads(self._problem.design.n_rest):
            if isinstance(quantity, Correlation):
                lower, upper = self._interval(quantity.angle(), level)
                return float(np.sin(lower)), float(np.sin(upper))
            return self._interval(quantity, level)

    def _interval(self, quantity: Quantity, level: float) -> tuple[float, float]:
        estimate, error = self._scale(quantity)
        if np.isnan(estimate):
            return float("nan"), float("nan")
        target = float(norm.ppf(0.5 * (1.0 + level)))
        ends = []
        for direction, end in ((-1.0, quantity.lower), (1.0, quantity.upper)):
            if estimate == end:
                ends.append(end)
                continue
            last = ProfilePoint(estimate, self._top, self._x, 0.0)

            def evaluate(aim: float) -> tuple[float, float]:
                nonlocal last
                last = self._point(quantity, aim, last, error)
                _check_maximum(self._top, last.log_likelihood)
                fall = max(self._top - last.log_likelihood, 0.0)
                return last.value, float(np.sqrt(2.0 * fall))

            ends.append(
                find_end(evaluate, estimate, direction * target * error, target, end)
            )
        return ends[0], ends[1]

    def _scale(self, quantity: Quantity) -> tuple[float, float]:
        """Estimate and a rough standard error, positive in any case."""
        if self._holds_response(quantity):
            assert isinstance(quantity, Coefficient)
            return quantity.estimate(self._fit), quantity.standard_error(self._fit)
        estimate, gradient = quantity.at(self._surface, self._x)
        if np.isnan(quantity.estimate(self._fit)):
            return float("nan"), float("nan")
        error = float(np.sqrt(gradient @ self._covariance @ gradient))
        if error > 0:
            return estimate, error
        if estimate != 0.0:
            return estimate, 0.1 * abs(estimate)
        # A standard deviation estimated as zero: a tenth of its scale to begin with.
        return estimate, 0.1 * self._problem.family.scale * self._surface.sigma(self._x)

    def _holds_response(self, quantity: Quantity) -> bool:
        is_gaussian = isinstance(self._surface, GaussianSurface)
        return isinstance(quantity, Coefficient) and is_gaussian

    def _point(
        self, quantity: Quantity, aim: float, near: ProfilePoint, error: float
    ) -> ProfilePoint:
        """Return the point of the profile at, or close to, ``aim``."""
        surface = self._surface
        if isinstance(quantity, Coefficient) and isinstance(surface, GaussianSurface):
            held = surface.at_coefficient(quantity.contrast, aim)
            x, value = self._maximize(held, near.x)
            return ProfilePoint(aim, value, x, float("nan"))
        stiffness = _STIFFNESS / error**2
        # At the maximum the slope of the profile is k (g - t).
        goal = aim - near.slope / stiffness
        start = self._towards(quantity, aim, near)

        def penalised(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, by_x = surface(x)
            reached, gradient = quantity.at(surface, x)
            gap = reached - goal
            return value - 0.5 * stiffness * gap**2, by_x - stiffness * gap * gradient

        x, value = self._maximize(penalised, start)
        reached, _ = quantity.at(surface, x)
        gap = reached - goal
        return ProfilePoint(
            reached, value + 0.5 * stiffness * gap**2, x, stiffness * gap
        )

    def _towards(
        self, quantity: Quantity, aim: float, near: ProfilePoint
    ) -> np.ndarray:
        """Go from a point of the profile to where another one is expected."""
        surface = self._surface
        _, gradient = quantity.at(surface, near.x)
        along = self._covariance @ gradient
        if gradient @ along <= 0:
            along = gradient
        if (along == 0).all():
            # A correlation of 1 is stationary: leave the boundary.
            at_zero = (near.x <= surface.lower) & (surface.lower < surface.upper)
            largest = np.abs(near.x[surface.theta]).max()
            return np.where(at_zero, _NUDGE * largest, near.x)
        start = near.x + along * (aim - near.value) / (gradient @ along)
        return np.clip(start, surface.lower, surface.upper)

    def _maximize(
        self,
        objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
        start: np.ndarray,
    ) -> tuple[np.ndarray, float]:
        options, unit = self._problem.options, self._unit

        def scaled(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = objective(x * unit)
            return value, gradient * unit

        optimum = maximize(
            scaled,
            start / unit,
            self._surface.lower / unit,
            self._surface.upper / unit,
            reference=self._surface.ordinary() / unit,
            max_iter=options.max_iter,
            tol=options.tol,
            callback=lambda x: None,
        )
        return optimum.x * unit, optimum.value


def find_end(
    evaluate: Callable[[float], tuple[float, float]],
    estimate: float,
    step: float,
    target: float,
    end: float,
) -> float:
    """Return where the root of the deviance reaches its target.

    Parameters
    ----------
    evaluate : callable
        Takes where a point of the profile is wanted; returns where it is, and the
        root of the deviance there.
    estimate : float
        Where the deviance is zero.
    step : float
        First step, with its sign.
    target : float
        The root of the deviance at the end of the interval.
    end : float
        End of the range of the quantity in the direction of the step; it is returned
        if the target is not reached before it.
    """
    direction = np.sign(step)
    reach = abs(end - estimate)
    inside, outside = (0.0, 0.0), None
    before = inside
    distance = abs(step)
    for count in range(_MAX_POINTS):
        if outside is None and distance >= reach:
            if inside[0] >= (1.0 - _NEAR_END) * reach:
                return end
            distance = inside[0] + 0.9 * (reach - inside[0])
        value, root = evaluate(estimate + direction * distance)
        point = (abs(value - estimate), root)
        if abs(root - target) < _TOLERANCE:
            return value
        if root < target:
            before, inside = inside, point
        else:
            outside = point
        if outside is None:
            rise = (inside[1] - before[1]) / max(inside[0] - before[0], 1e-300)
            further = 3.0 * max(inside[0], abs(step))
            if rise > 0:
                further = min(further, 1.05 * (target - inside[1]) / rise)
            distance = inside[0] + further
            continue
        width, share = outside[0] - inside[0], 0.5
        if width <= 1e-10 * max(abs(estimate), outside[0]):
            return estimate + direction * inside[0]
        if count % 4 != 3:
            share = (target - inside[1]) / (outside[1] - inside[1])
        distance = inside[0] + share * width
    raise RuntimeError(
        f"The end of a profile-likelihood interval was not found in {_MAX_POINTS} "
        f"steps: it lies beyond {estimate + direction * inside[0]:g}."
    )


def _standard_errors(covariance: np.ndarray) -> np.ndarray:
    """Return standard errors, 1 where there is none."""
    variances = np.diagonal(covariance)
    return np.sqrt(np.where(variances > 0, variances, 1.0))


def _check_maximum(top: float, found: float) -> None:
    if found > top + _BETTER:
        raise ValueError(
            f"The log-likelihood is higher elsewhere, by {found - top:.2g}: the fit is "
            "not at its maximum. Fit with a smaller tol or a larger max_iter first."
        )
