"""Beginning a search where that for similar data ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._parameters import VarianceParameters, feature_scale
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._scales import parameter_slices

#: A standard deviation below this share of its ordinary size is no place to begin:
#: the likelihood is stationary at zero.
_SMALL = 0.02


#: If a standard deviation changed by such a factor, the maximum found may not be the
#: highest.
_FAR = 2.0


@dataclass(frozen=True)
class Start:
    """What a fitted model can tell a search for other data about.

    Variance parameters are in the unit of their covariates, and that of the ridge is
    the standard deviation which its features give the linear predictor: levels may
    come and go, columns may change their unit and features their basis.

    Attributes
    ----------
    family : str
        Name of the family.
    own_parameters : ndarray of shape (k,)
        Parameters of the family.
    factors : dict of str to (tuple of str, ndarray)
        Names of the effects of each factor, and its variance parameters.
    ridge_sd : float or None
        Standard deviation given by the ridge; None without one.
    spread : ndarray of shape (n, n) or None
        Inverse curvature at the maximum, in the units in which it was searched.
    """

    family: str
    own_parameters: np.ndarray
    factors: dict[str, tuple[tuple[str, ...], np.ndarray]]
    ridge_sd: float | None
    spread: np.ndarray | None

    @classmethod
    def of(cls, design: Design, weights: np.ndarray, fit: MixedModelFit) -> Self:
        """Keep what another fit can begin with.

        Parameters
        ----------
        design : Design
            The fitted linear predictor.
        weights : ndarray of shape (n_rows,)
            Row weights.
        fit : MixedModelFit
            The solution.
        """
        slices = parameter_slices(design)
        ridge_sd = None
        if design.ridge is not None:
            ridge_sd = float(fit.theta[-1]) * feature_scale(design.ridge, weights)
        return cls(
            family=fit.family.name,
            own_parameters=fit.family.parameters,
            factors={
                factor.name: (factor.effect_names, fit.theta[part].copy())
                for factor, part in zip(design.factors, slices, strict=False)
            },
            ridge_sd=ridge_sd,
            spread=fit.optimum.spread,
        )

    def family_for(self, family: Family) -> Family:
        """Return a family of the same kind with the parameters kept."""
        kept = (self.family, len(self.own_parameters))
        if kept != (family.name, len(family.parameters)):
            return family
        return family.with_parameters(self.own_parameters)

    def begin(
        self, design: Design, weights: np.ndarray, parameters: VarianceParameters
    ) -> VarianceParameters | None:
        """Return the variance parameters of another design with another start.

        Parameters
        ----------
        design : Design
            The linear predictor to fit.
        weights : ndarray of shape (n_rows,)
            Row weights.
        parameters : VarianceParameters
            Start and bounds without an earlier solution. What is held stays.

        Returns
        -------
        begun : VarianceParameters or None
            None if the earlier model had no such parameters, or had a standard
            deviation at zero: the likelihood is stationary there, and a search that
            begins there would not see the maximum elsewhere.
        """
        moving = parameters.lower < parameters.upper
        theta, known = parameters.start.copy(), ~moving
        slices = parameter_slices(design)
        for factor, part in zip(design.factors, slices, strict=False):
            names, kept = self.factors.get(factor.name, ((), np.zeros(0)))
            # Features that share a variance may be others than they were.
            is_shared = len(kept) < min(len(names), factor.size)
            is_same = names == factor.effect_names or is_shared
            if is_same and len(kept) == len(theta[part]):
                theta[part], known[part] = kept, True
        if design.ridge is not None and self.ridge_sd is not None:
            theta[-1] = self.ridge_sd / feature_scale(design.ridge, weights)
            known[-1] = True
        known &= ~moving | (np.abs(theta) >= _SMALL * parameters.ordinary)
        if not known.all():
            return None
        theta = np.clip(theta, parameters.lower, parameters.upper)
        return replace(
            parameters,
            start=np.where(moving, theta, parameters.start),
            is_near=True,
            spread=self.spread,
        )


def stayed_near(fit: MixedModelFit, parameters: VarianceParameters) -> bool:
    """Whether a search that began at an earlier solution ended near it.

    Parameters
    ----------
    fit : MixedModelFit
        Where it ended.
    parameters : VarianceParameters
        Where it began.
    """
    scales = (parameters.lower < parameters.upper) & (parameters.ordinary > 0)
    ratio = fit.theta[scales] / parameters.start[scales]
    near = (ratio < _FAR) & (ratio > 1.0 / _FAR)
    return fit.optimum.converged and bool(near.all())
