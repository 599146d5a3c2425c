"""The variance parameters of a model: starting values, bounds, what is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._scales import parameter_slices

#: Largest standard deviation of an effect, in the unit of its starting value.
_LARGEST = 1e4

#: The same for ridge features where eta has a scale of its own (logits): separable
#: responses have no finite maximum.
_LARGEST_LATENT = 10.0


@dataclass(frozen=True)
class VarianceOptions:
    """How variance parameters are treated.

    Attributes
    ----------
    estimate : bool
        Whether the covariances of the random effects are estimated; otherwise they
        stay at ``initial_variance``.
    initial_variance : float or None
        Variance of every random effect, in the squared unit of eta, at the start.
        None starts at a scale taken from the design.
    alpha : float or None
        Ridge precision; None estimates it.
    zero_factors : frozenset of str
        Factors whose variances are held at zero.
    """

    estimate: bool = True
    initial_variance: float | None = None
    alpha: float | None = None
    zero_factors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class VarianceParameters:
    """Start and bounds of ``theta``.

    Attributes
    ----------
    start, lower, upper : ndarray of shape (n_parameters,)
        Equal bounds hold a parameter fixed.
    absolute : ndarray of bool of shape (n_parameters,)
        Parameters held fixed in the unit of eta even where the others are relative to
        the residual standard deviation.
    """

    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    absolute: np.ndarray

    @property
    def n_free(self) -> int:
        """Number of estimated parameters."""
        return int((self.lower < self.upper).sum())


def variance_parameters(
    design: Design, options: VarianceOptions, weights: np.ndarray, *, relative: bool
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
    relative : bool
        Whether ``theta`` is relative to the residual standard deviation.
    """
    slices = parameter_slices(design)
    size = slices[-1].stop if slices else 0
    start, absolute = np.zeros(size), np.zeros(size, dtype=bool)
    lower, upper = np.full(size, -_LARGEST), np.full(size, _LARGEST)
    for factor, part in zip(design.factors, slices, strict=False):
        structure = factor.structure
        lower[part] = np.where(structure.is_scale, 0.0, -_LARGEST)
        if options.initial_variance is None:
            start[part] = structure.is_scale.astype(np.float64)
        elif relative and options.estimate:
            start[part] = structure.is_scale.astype(np.float64)
        else:
            sds = np.full(structure.size, np.sqrt(options.initial_variance))
            start[part] = structure.from_sds(sds)
        if factor.name in options.zero_factors:
            start[part] = lower[part] = upper[part] = 0.0
        elif not options.estimate:
            lower[part] = upper[part] = start[part]
            absolute[part] = relative
    if design.ridge is not None:
        unit = 1.0 / feature_scale(design.ridge, weights)
        if options.alpha is None:
            largest = _LARGEST if relative else _LARGEST_LATENT
            start[-1], lower[-1], upper[-1] = unit, 0.0, largest * unit
        else:
            start[-1] = lower[-1] = upper[-1] = options.alpha**-0.5
    return VarianceParameters(start, lower, upper, absolute)


def feature_scale(block: DenseBlock, weights: np.ndarray) -> float:
    """Return the root mean squared length of the rows."""
    lengths = np.einsum("ij,ij->i", block.values, block.values)
    scale = float(np.sqrt(block.distinct_sums(weights) @ lengths / weights.sum()))
    return scale if scale > 0 else 1.0
