"""The likelihood that a fit maximised, as a function of all its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._coupling import couple
from bead_sklearn.solvers._design import DenseBlock
from bead_sklearn.solvers._expected_information import expected_information
from bead_sklearn.solvers._gaussian import GaussianObjective, centred_response
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._parameters import VarianceParameters, variance_parameters
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._quadrature import QuadratureObjective
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._scales import parameter_slices
from bead_sklearn.solvers._sparse_factorization import SparseFactorization

#: Step of the central differences of the gradient, relative to the parameter.
_DIFFERENCE = 1e-4


class ObservedInformation(NamedTuple):
    """Curvature of a normal likelihood at its maximum.

    Attributes
    ----------
    information : ndarray of shape (k, k)
        On (theta, log sigma).
    by_parameter : ndarray of shape (k, p, p)
        Derivative of the covariance of the fixed effects in each parameter.
    """

    information: np.ndarray
    by_parameter: np.ndarray


class LikelihoodSurface(ABC):
    """Log-likelihood and its gradient over one vector x of all parameters.

    Attributes
    ----------
    problem : Problem
        Data and design.
    start : ndarray of shape (n_parameters,)
        Parameters of the fit.
    lower, upper : ndarray of shape (n_parameters,)
        Bounds; equal ones hold a parameter fixed.
    theta : slice
        Where the variance parameters are.
    """

    problem: Problem
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    theta: slice
    _parameters: VarianceParameters

    @abstractmethod
    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return what the fit maximised and its gradient."""

    @abstractmethod
    def log_likelihood(self, x: np.ndarray) -> float:
        """Return the log-likelihood as fits report it."""

    @abstractmethod
    def sigma(self, x: np.ndarray) -> float:
        """Return the unit of the scales: sigma, 1 for families without it."""

    @abstractmethod
    def scale_factor(self, x: np.ndarray, factor: int) -> np.ndarray:
        """Return L of a factor, G = L L', in the unit of eta."""

    @abstractmethod
    def pull_back_scale(
        self, x: np.ndarray, factor: int, by_scale: np.ndarray
    ) -> np.ndarray:
        """Turn the gradient in L into the gradient in x."""

    def ordinary(self) -> np.ndarray:
        """Return the ordinary sizes of standard deviations; 0 for other parameters."""
        result = np.zeros(len(self.start))
        result[self.theta] = self._parameters.ordinary
        return result

    def inner(self, x: np.ndarray) -> np.ndarray:
        """Return the positions of the parameters that are not at a bound."""
        return np.flatnonzero((x > self.lower) & (x < self.upper))

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """Return the inverse of the observed information.

        Parameters held fixed or at a bound have zero rows and columns.
        """
        inner = self.inner(x)
        hessian = self.differences(x, lambda point: self(point)[1][inner])
        result = np.zeros((len(x), len(x)))
        result[np.ix_(inner, inner)] = inverse_information(hessian)
        return result

    def differences(
        self, x: np.ndarray, function: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Differentiate a function in the parameters that are not at a bound.

        By central differences; the first axis of the result is the parameter.
        """
        derivatives = []
        for index in self.inner(x):
            step = _DIFFERENCE * max(0.1, abs(x[index]))
            step = min(step, x[index] - self.lower[index], self.upper[index] - x[index])
            ahead, behind = x.copy(), x.copy()
            ahead[index] += step
            behind[index] -= step
            derivatives.append((function(ahead) - function(behind)) / (2.0 * step))
        return np.array(derivatives)


class GaussianSurface(LikelihoodSurface):
    """The surface of a quadratic family: x = (theta, log sigma).

    The fixed effects are at their best values throughout.
    """

    def __init__(self, problem: Problem, fit: MixedModelFit) -> None:
        self.problem = problem
        family = problem.family
        assert isinstance(family, QuadraticFamily)
        self._parameters = _variance_parameters(problem)
        self._reml = fit.reml
        self._response, self._level = centred_response(
            problem.design, family, problem.y, problem.weights
        )
        self._objective = GaussianObjective(
            problem.design,
            self._response,
            problem.weights,
            reml=fit.reml,
            absolute=self._parameters.absolute,
            algebra=problem.options.algebra(problem.design),
            free_sigma=True,
        )
        self._constant = family.log_jacobian(problem.y, problem.weights)
        size = len(fit.theta)
        self.theta = slice(0, size)
        # A parameter held in the unit of eta is given in that unit.
        unit = np.where(self._parameters.absolute, fit.sigma, 1.0)
        self.start = np.append(fit.theta * unit, np.log(fit.sigma))
        ends = (self.start[-1],) * 2 if family.fixed else (-np.inf, np.inf)
        self.lower = np.append(self._parameters.lower, ends[0])
        self.upper = np.append(self._parameters.upper, ends[1])

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalised log-likelihood of the working response, its gradient."""
        value, gradient = self._objective(x)
        pull = self._parameters.precision @ x[self.theta]
        gradient = gradient.copy()
        gradient[self.theta] -= pull
        return value - 0.5 * float(pull @ x[self.theta]), gradient

    def log_likelihood(self, x: np.ndarray) -> float:
        """Return the log-likelihood as fits report it."""
        return self._objective(x)[0] + self._constant

    def sigma(self, x: np.ndarray) -> float:
        """Return the residual standard deviation."""
        return float(np.exp(x[-1]))

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects at the last x, (p, p)."""
        relative = self._objective.factorization.fixed_covariance()
        return relative * self._objective.sigma**2

    def by_log_sigma(self) -> np.ndarray | None:
        """Return the derivative of the gradient at the last x in log(sigma).

        None where a parameter is held in the unit of the response.
        """
        is_plain = not self._parameters.absolute.any()
        return self._objective.by_log_sigma() if is_plain else None

    def observed_information(self) -> ObservedInformation | None:
        """Return the information on (theta, log sigma) at the maximum.

        At the last evaluation, which must have been there. None where it is not known
        in closed form, or where differences cost little.
        """
        equations, design = self._objective.factorization, self.problem.design
        theta = self.start[self.theta]
        is_plain = (
            isinstance(equations, SparseFactorization)
            and design.ridge is None
            and all(factor.size == 1 for factor in design.factors)
            and not self._parameters.precision.any()
            and len(self.inner(self.start)) == len(self.start)
        )
        if not is_plain or not self._reml:
            return None
        assert isinstance(equations, SparseFactorization)
        expected = expected_information(equations, theta)
        with_sigma = -self._objective.by_log_sigma()
        between = np.outer(with_sigma[:-1], with_sigma[:-1]) / with_sigma[-1]
        average = self._objective.information() + between
        size = len(theta)
        information = np.empty((size + 1, size + 1))
        information[:size, :size] = 2.0 * average - expected.information
        information[size] = information[:, size] = with_sigma
        covariance = self.fixed_covariance()
        by_theta = self.sigma(self.start) ** 2 * expected.by_theta
        return ObservedInformation(
            information, np.concatenate([by_theta, 2.0 * covariance[None]])
        )

    def scale_factor(self, x: np.ndarray, factor: int) -> np.ndarray:
        """Return L of a factor, G = L L', in the unit of eta."""
        theta = x[self.theta] * np.where(self._parameters.absolute, 1.0, self.sigma(x))
        part = parameter_slices(self.problem.design)[factor]
        return self.problem.design.factors[factor].structure.factor(theta[part])

    def pull_back_scale(
        self, x: np.ndarray, factor: int, by_scale: np.ndarray
    ) -> np.ndarray:
        """Turn the gradient in L into the gradient in x."""
        part = parameter_slices(self.problem.design)[factor]
        unit = np.where(self._parameters.absolute, 0.0, self.sigma(x))[part]
        structure = self.problem.design.factors[factor].structure
        result = np.zeros(len(x))
        result[part] = unit * structure.pull_back(by_scale)
        result[-1] = result[part] @ x[part]
        return result

    def at_coefficient(self, contrast: np.ndarray, value: float) -> GaussianSurface:
        """Return the surface with one combination of the fixed effects held.

        Parameters
        ----------
        contrast : ndarray of shape (p,)
            c: the surface has c'beta = ``value``.
        value : float
            What it is held at.
        """
        design = self.problem.design
        _, _, basis = np.linalg.svd(contrast[None, :])
        at = contrast / (contrast @ contrast)
        held = design.fixed.matvec(value * at)
        rest = DenseBlock(design.fixed.values @ basis[1:].T, design.fixed.index)
        surface = object.__new__(GaussianSurface)
        surface.__dict__.update(self.__dict__)
        surface.problem = replace(self.problem, design=replace(design, fixed=rest))
        surface._objective = GaussianObjective(
            surface.problem.design,
            self._response + self._level - held,
            self.problem.weights,
            reml=self._reml,
            absolute=self._parameters.absolute,
            algebra=self.problem.options.algebra(surface.problem.design),
            free_sigma=True,
        )
        return surface


class LaplaceSurface(LikelihoodSurface):
    """The surface of any other family: x = (fixed effects, theta, own parameters).

    The fixed effects are measured from their estimates, in units of their standard
    errors; they are absent where they are integrated out.
    """

    def __init__(self, problem: Problem, fit: MixedModelFit) -> None:
        self.problem = problem
        family = problem.family.start(problem.y, problem.weights)
        self._parameters = _variance_parameters(problem)
        design, options = problem.design, problem.options
        arguments = design, family, problem.y, problem.weights
        self._objective: LaplaceObjective | QuadratureObjective
        if options.n_quadrature > 1:
            self._objective = QuadratureObjective(*arguments, options.n_quadrature)
        else:
            self._objective = LaplaceObjective(
                *arguments,
                with_fixed=fit.reml,
                reml=fit.reml,
                coupling=couple(design, family, options.algebra(design)),
            )
        p = 0 if fit.reml else design.n_fixed
        self._family = fit.family
        self._center = fit.posterior.fixed
        self._basis = np.linalg.cholesky(fit.posterior.fixed_covariance())[:, :p]
        own = fit.family.parameters
        self.theta = slice(p, p + len(fit.theta))
        self.start = np.concatenate([np.zeros(p), fit.theta, own])
        free = np.full(p, np.inf), np.full(len(own), np.inf)
        lower, upper = self._parameters.lower, self._parameters.upper
        self.lower = np.concatenate([-free[0], lower, -free[1]])
        self.upper = np.concatenate([free[0], upper, free[1]])

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalised log-likelihood and its gradient."""
        theta = x[self.theta]
        value, by_beta, by_theta, by_own = self._objective(
            self.fixed(x), theta, x[self.theta.stop :]
        )
        pull = self._parameters.precision @ theta
        return value - 0.5 * float(pull @ theta), np.concatenate(
            [self._basis.T @ by_beta, by_theta - pull, by_own]
        )

    def log_likelihood(self, x: np.ndarray) -> float:
        """Return the log-likelihood as fits report it."""
        theta = x[self.theta]
        return self._objective(self.fixed(x), theta, x[self.theta.stop :])[0]

    def family(self, x: np.ndarray) -> Family:
        """Return the family with its own parameters."""
        return self._family.with_parameters(x[self.theta.stop :])

    def fixed(self, x: np.ndarray) -> np.ndarray:
        """Return the fixed effects."""
        fixed: np.ndarray = self._center + self._basis @ x[: self.theta.start]
        return fixed

    def pull_back_fixed(self, x: np.ndarray, by_fixed: np.ndarray) -> np.ndarray:
        """Turn the gradient in the fixed effects into the gradient in x."""
        result = np.zeros(len(x))
        result[: self.theta.start] = self._basis.T @ by_fixed
        return result

    def sigma(self, x: np.ndarray) -> float:
        """Return 1."""
        return 1.0

    def scale_factor(self, x: np.ndarray, factor: int) -> np.ndarray:
        """Return L of a factor, G = L L', in the unit of eta."""
        part = parameter_slices(self.problem.design)[factor]
        structure = self.problem.design.factors[factor].structure
        return structure.factor(x[self.theta][part])

    def pull_back_scale(
        self, x: np.ndarray, factor: int, by_scale: np.ndarray
    ) -> np.ndarray:
        """Turn the gradient in L into the gradient in x."""
        part = parameter_slices(self.problem.design)[factor]
        structure = self.problem.design.factors[factor].structure
        by_theta = np.zeros(self.theta.stop - self.theta.start)
        by_theta[part] = structure.pull_back(by_scale)
        result = np.zeros(len(x))
        result[self.theta] = by_theta
        return result


def inverse_information(hessian: np.ndarray) -> np.ndarray:
    """Return the inverse of minus a Hessian, leaving out where it is not concave."""
    values, vectors = np.linalg.eigh(-0.5 * (hessian + hessian.T))
    positive = values > 1e-8 * values.max(initial=0.0)
    half = vectors[:, positive] / np.sqrt(values[positive])
    return half @ half.T


def likelihood_surface(problem: Problem, fit: MixedModelFit) -> LikelihoodSurface:
    """Return the surface of a fit.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.
    """
    if isinstance(problem.family, QuadraticFamily):
        return GaussianSurface(problem, fit)
    return LaplaceSurface(problem, fit)


def n_free_scales(problem: Problem) -> int:
    """Count the estimated parameters that are bounded by zero: standard deviations."""
    parameters = _variance_parameters(problem)
    free = parameters.lower < parameters.upper
    return int((free & (parameters.lower == 0.0)).sum())


def _variance_parameters(problem: Problem) -> VarianceParameters:
    family = problem.family.start(problem.y, problem.weights)
    return variance_parameters(
        problem.design, problem.options.variances, problem.weights, family
    )
