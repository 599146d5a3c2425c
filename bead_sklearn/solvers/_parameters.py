"""The variance parameters of a model: starting values, bounds, what is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._scales import parameter_slices

#: Largest standard deviation of an effect, in the unit of its starting value.
_LARGEST = 1e4

#: Scale of the half-normal prior on the standard deviation that ridge features give
#: eta, where eta has a scale of its own (logits). Few or separable responses say
#: little about it, and its likelihood may have no finite maximum; with hundreds of
#: judgments the prior does not matter.
_LATENT_SD = 2.5


@dataclass(frozen=True)
class VarianceOptions:
    """How variance parameters are treated.

    Attributes
    ----------
    estimate : bool
        Whether the covariances of the random effects are estimated; otherwise they
        stay at ``initial_variance``.
    initial_variance : float
        Variance of every random effect. Held as it is, in the squared unit of eta;
        as a starting value relative to the family's scale and that of the covariate.
    sd_scale : float or None
        Scale of a half-normal prior on the standard deviations of the effects, in the
        unit of starting values; None is no prior.
    alpha : float or None
        Ridge precision; None estimates it.
    zero_factors : tuple of str
        Factors whose variances are held at zero.
    """

    estimate: bool = True
    initial_variance: float = 1.0
    sd_scale: float | None = None
    alpha: float | None = None
    zero_factors: tuple[str, ...] = ()


@dataclass(frozen=True)
class VarianceParameters:
    """Start and bounds of ``theta``.

    Attributes
    ----------
    start, lower, upper : ndarray of shape (n_parameters,)
        Equal bounds hold a parameter fixed.
    ordinary : ndarray of shape (n_parameters,)
        Ordinary size of standard deviations; 0 for other parameters.
    absolute : ndarray of bool of shape (n_parameters,)
        Parameters held fixed in the unit of eta even where the others are relative to
        the residual standard deviation.
    precision : ndarray of shape (n_parameters, n_parameters)
        Precision matrix of a normal prior around 0; zeros are no prior.
    is_near : bool
        Whether ``start`` is an earlier solution.
    spread : ndarray of shape (n, n) or None
        Inverse curvature at the earlier solution.
    """

    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    ordinary: np.ndarray
    absolute: np.ndarray
    precision: np.ndarray
    is_near: bool = False
    spread: np.ndarray | None = None

    @property
    def n_free(self) -> int:
        """Number of estimated parameters."""
        return int((self.lower < self.upper).sum())


def variance_parameters(
    design: Design,
    options: VarianceOptions,
    weights: np.ndarray,
    family: Family,
) -> VarianceParameters:
    """Set up the variance parameters of a design.

    Parameters
    ----------
    design : Design
        The linear predictor.
    options : VarianceOptions
        What the user asked for.
    weights : ndarray of shape (n_rows,)
        Row weights.
    family : Family
        Response distribution; ``theta`` is relative to the residual standard deviation
        of one that is quadratic.
    """
    relative, scale = isinstance(family, QuadraticFamily), family.scale
    slices = parameter_slices(design)
    size = slices[-1].stop if slices else 0
    start, absolute = np.zeros(size), np.zeros(size, dtype=bool)
    precision, ordinary = np.zeros((size, size)), np.zeros(size)
    largest = _LARGEST * scale
    lower, upper = np.full(size, -largest), np.full(size, largest)
    for factor, part in zip(design.factors, slices, strict=False):
        structure = factor.structure
        lower[part] = np.where(structure.is_scale, 0.0, -largest)
        ordinary[part] = scale * structure.is_scale
        if options.sd_scale is not None:
            unit = options.sd_scale * scale
            precision[part, part] = structure.total_variance() / unit**2
        if options.estimate:
            start[part] = scale * np.sqrt(options.initial_variance) * structure.is_scale
        else:
            sds = np.full(structure.size, np.sqrt(options.initial_variance))
            start[part] = structure.from_sds(sds)
        if factor.name in options.zero_factors:
            start[part] = lower[part] = upper[part] = 0.0
        elif not options.estimate:
            lower[part] = upper[part] = start[part]
            absolute[part] = relative
    if design.ridge is not None:
        unit = scale / feature_scale(design.ridge, weights)
        ordinary[-1] = unit
        if options.alpha is None:
            start[-1], lower[-1], upper[-1] = unit, 0.0, _LARGEST * unit
            precision[-1, -1] = 0.0 if relative else (_LATENT_SD * unit) ** -2
        else:
            start[-1] = lower[-1] = upper[-1] = options.alpha**-0.5
    return VarianceParameters(start, lower, upper, ordinary, absolute, precision)


def feature_scale(block: DenseBlock, weights: np.ndarray) -> float:
    """Return the root mean squared length of the rows."""
    lengths = np.einsum("ij,ij->i", block.values, block.values)
    scale = float(np.sqrt(block.distinct_sums(weights) @ lengths / weights.sum()))
    return scale if scale > 0 else 1.0
