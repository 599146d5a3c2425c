"""Beginning a search where that for similar data ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._parameters import VarianceParameters, feature_scale
from bead_sklearn.solvers._scales import parameter_slices


@dataclass(frozen=True)
class Start:
    """The parameters of a fitted model that do not depend on its rows.

    Variance parameters are in the unit of their covariates, and that of the ridge is
    the standard deviation which its features give the linear predictor: levels may
    come and go, columns may change their unit and features their basis.

    Attributes
    ----------
    family : str
        Name of the family.
    own_parameters : ndarray of shape (k,)
        Parameters of the family.
    sigma : float
        Residual standard deviation; 1 for families without one.
    factors : dict of str to (tuple of str, ndarray)
        Names of the effects of each factor, and its variance parameters.
    ridge_sd : float or None
        Standard deviation given by the ridge; None without one.
    """

    family: str
    own_parameters: np.ndarray
    sigma: float
    factors: dict[str, tuple[tuple[str, ...], np.ndarray]]
    ridge_sd: float | None

    @classmethod
    def of(
        cls,
        design: Design,
        family: Family,
        weights: np.ndarray,
        theta: np.ndarray,
        sigma: float,
    ) -> Self:
        """Keep what another fit can begin with.

        Parameters
        ----------
        design : Design
            The fitted linear predictor.
        family : Family
            With its estimated parameters.
        weights : ndarray of shape (n_rows,)
            Row weights.
        theta : ndarray of shape (n_parameters,)
            Variance parameters, relative to ``sigma``.
        sigma : float
            Residual standard deviation.
        """
        slices = parameter_slices(design)
        ridge_sd = None
        if design.ridge is not None:
            ridge_sd = float(theta[-1]) * feature_scale(design.ridge, weights)
        factors = {
            factor.name: (factor.effect_names, theta[part].copy())
            for factor, part in zip(design.factors, slices, strict=False)
        }
        return cls(family.name, family.parameters, sigma, factors, ridge_sd)

    def family_for(self, family: Family) -> Family:
        """Return a family of the same kind with the parameters kept."""
        if (family.name, len(family.parameters)) != (
            self.family,
            len(self.own_parameters),
        ):
            return family
        return family.with_parameters(self.own_parameters)

    def theta_for(
        self, design: Design, weights: np.ndarray, parameters: VarianceParameters
    ) -> np.ndarray:
        """Return variance parameters to begin with, for another design.

        Parameters
        ----------
        design : Design
            The linear predictor to fit.
        weights : ndarray of shape (n_rows,)
            Row weights.
        parameters : VarianceParameters
            Start and bounds of a search without an earlier solution. What is held
            stays, and what the earlier model did not have begins there.
        """
        theta = parameters.start.copy()
        slices = parameter_slices(design)
        for factor, part in zip(design.factors, slices, strict=False):
            names, kept = self.factors.get(factor.name, ((), np.zeros(0)))
            if names == factor.effect_names and len(kept) == len(theta[part]):
                theta[part] = kept
        if design.ridge is not None and self.ridge_sd is not None:
            theta[-1] = self.ridge_sd / feature_scale(design.ridge, weights)
        return np.where(
            parameters.lower < parameters.upper,
            np.clip(theta, parameters.lower, parameters.upper),
            parameters.start,
        )
