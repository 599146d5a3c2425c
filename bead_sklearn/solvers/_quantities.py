"""What intervals are wanted for: functions of the parameters of a fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bead_sklearn.families import ReportedParameter
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._surface import LaplaceSurface, LikelihoodSurface

_TINY = np.finfo(np.float64).tiny

#: A standard deviation below this share of its ordinary size is zero but for rounding.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Quantity(ABC):
    """A scalar function of the parameters.

    Attributes
    ----------
    name : str
        What users call it.
    """

    name: str

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return -np.inf

    @property
    def upper(self) -> float:
        """Largest value that it can have."""
        return np.inf

    @abstractmethod
    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit."""

    @abstractmethod
    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""


@dataclass(frozen=True)
class StandardDeviation(Quantity):
    """Standard deviation of one effect of a factor.

    Attributes
    ----------
    factor : int
        Position of the factor in the design.
    combination : ndarray of shape (r,)
        The effect as a combination of the effects of the design.
    """

    factor: int
    combination: np.ndarray

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return 0.0

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit."""
        covariance = fit.posterior.covariances[self.factor]
        return float(np.sqrt(self.combination @ covariance @ self.combination))

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""
        row = self.combination @ surface.scale_factor(x, self.factor)
        sd = float(np.sqrt(row @ row))
        direction = row / max(sd, _TINY)
        if sd == 0.0:
            # The derivative to the right, along the diagonal of L.
            effect = int(np.abs(self.combination).argmax())
            direction[effect] = np.sign(self.combination[effect])
        by_scale = np.outer(self.combination, direction)
        return sd, surface.pull_back_scale(x, self.factor, by_scale)


@dataclass(frozen=True)
class Correlation(Quantity):
    """Correlation of two effects of a factor.

    Attributes
    ----------
    factor : int
        Position of the factor in the design.
    first, second : ndarray of shape (r,)
        The effects as combinations of the effects of the design.
    units : tuple of float
        Ordinary sizes of the two effects, relative to sigma.
    """

    factor: int
    first: np.ndarray
    second: np.ndarray
    units: tuple[float, float] = (1.0, 1.0)

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return -1.0

    @property
    def upper(self) -> float:
        """Largest value that it can have."""
        return 1.0

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit; NaN where a standard deviation is zero."""
        covariance = fit.posterior.covariances[self.factor]
        pair = np.array([self.first, self.second])
        [[a, c], [_, b]] = pair @ covariance @ pair.T
        smallest = [(_NEGLIGIBLE * fit.sigma * unit) ** 2 for unit in self.units]
        if a <= smallest[0] or b <= smallest[1]:
            return float("nan")
        return float(c / np.sqrt(a * b))

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""
        a, b, sizes = self._directions(surface, x)
        value = float(a @ b)
        by_scale = np.outer(self.first, (b - value * a) / sizes[0])
        by_scale += np.outer(self.second, (a - value * b) / sizes[1])
        return value, surface.pull_back_scale(x, self.factor, by_scale)

    def angle(self) -> CorrelationAngle:
        """Return the arcsine of this correlation."""
        return CorrelationAngle(
            self.name, self.factor, self.first, self.second, self.units
        )

    def _directions(
        self, surface: LikelihoodSurface, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[float]]:
        """Return unit vectors whose product is the correlation, and their lengths."""
        scale = surface.scale_factor(x, self.factor)
        rows = self.first @ scale, self.second @ scale
        sizes = [max(float(np.sqrt(row @ row)), _TINY) for row in rows]
        a, b = (row / size for row, size in zip(rows, sizes, strict=True))
        return a, b, sizes


@dataclass(frozen=True)
class CorrelationAngle(Correlation):
    """The arcsine of a correlation.

    Near a correlation of 1 or -1 the likelihood is regular in the angle between the
    two effects, while its slope in the correlation has no bound.
    """

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return -0.5 * np.pi

    @property
    def upper(self) -> float:
        """Largest value that it can have."""
        return 0.5 * np.pi

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit; NaN where a standard deviation is zero."""
        return float(np.arcsin(np.clip(super().estimate(fit), -1.0, 1.0)))

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient, 0 at the ends of its range."""
        a, b, sizes = self._directions(surface, x)
        product = float(a @ b)
        value = float(np.arcsin(np.clip(product, -1.0, 1.0)))
        cosine = float(np.linalg.norm(b - product * a))
        if cosine == 0.0:
            return value, np.zeros(len(x))
        by_scale = np.outer(self.first, (b - product * a) / (sizes[0] * cosine))
        by_scale += np.outer(self.second, (a - product * b) / (sizes[1] * cosine))
        return value, surface.pull_back_scale(x, self.factor, by_scale)


@dataclass(frozen=True)
class ResidualDeviation(Quantity):
    """The residual standard deviation of a quadratic family."""

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return 0.0

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit."""
        return fit.sigma

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""
        sigma = surface.sigma(x)
        gradient = np.zeros(len(x))
        gradient[-1] = sigma
        return sigma, gradient


@dataclass(frozen=True)
class FamilyParameter(Quantity):
    """A parameter of the family, such as a threshold or a dispersion.

    Attributes
    ----------
    index : int
        Its position among those that the family reports.
    is_positive : bool
        Whether it is a positive number.
    """

    index: int
    is_positive: bool

    @property
    def lower(self) -> float:
        """Least value that it can have."""
        return 0.0 if self.is_positive else -np.inf

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit."""
        return self._reported(fit).value

    def wald_interval(self, fit: MixedModelFit, quantile: float) -> tuple[float, float]:
        """Return the values within some standard errors of the estimate.

        That of the logarithm of a positive parameter.

        Parameters
        ----------
        fit : MixedModelFit
            The fit.
        quantile : float
            Number of standard errors.
        """
        _, value, gradient, *_ = self._reported(fit)
        half = quantile * float(np.sqrt(gradient @ fit.family_covariance @ gradient))
        if not self.is_positive:
            return value - half, value + half
        factor = float(np.exp(half / value))
        return value / factor, value * factor

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""
        assert isinstance(surface, LaplaceSurface)
        _, value, by_own, *_ = surface.family(x).reported_parameters()[self.index]
        gradient = np.zeros(len(x))
        gradient[surface.theta.stop :] = by_own
        return value, gradient

    def _reported(self, fit: MixedModelFit) -> ReportedParameter:
        return fit.family.reported_parameters()[self.index]


@dataclass(frozen=True)
class Coefficient(Quantity):
    """A fixed effect.

    Attributes
    ----------
    contrast : ndarray of shape (p,)
        The coefficient as a combination of the fixed effects of the design.
    """

    contrast: np.ndarray

    def estimate(self, fit: MixedModelFit) -> float:
        """Return its value in a fit."""
        return float(self.contrast @ fit.posterior.fixed)

    def standard_error(self, fit: MixedModelFit) -> float:
        """Return its standard error at the estimated variances."""
        covariance = fit.posterior.fixed_covariance()
        return float(np.sqrt(self.contrast @ covariance @ self.contrast))

    def at(self, surface: LikelihoodSurface, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return its value and gradient at the parameters of a surface."""
        assert isinstance(surface, LaplaceSurface)
        value = float(self.contrast @ surface.fixed(x))
        return value, surface.pull_back_fixed(x, self.contrast)
