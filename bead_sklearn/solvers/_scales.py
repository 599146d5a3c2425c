"""Prior scales of the latent variables for one value of the variance parameters.

Every latent variable is written as (scale) x (standard normal): u = L v for the random
effects of a factor, b = tau t for the ridge coefficients; fixed effects are as they
are. ``theta`` holds the parameters of all L in the order of the factors, then tau.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from bead_sklearn.solvers._design import Design


def parameter_slices(design: Design) -> list[slice]:
    """Return which entries of ``theta`` belong to each factor, then to the ridge."""
    slices, start = [], 0
    for factor in design.factors:
        slices.append(slice(start, start + factor.structure.n_parameters))
        start = slices[-1].stop
    if design.ridge is not None:
        slices.append(slice(start, start + 1))
    return slices


class Scales:
    """The block-diagonal matrix of scales, Lambda.

    Parameters
    ----------
    design : Design
        The linear predictor.
    theta : ndarray of shape (n_parameters,)
        Variance parameters.

    Attributes
    ----------
    factors : list of ndarray of shape (r, r)
        L of each factor.
    ridge : float
        tau; 0 without ridge.
    ridge_factor : ndarray of shape (J, J)
        L of the ridge coefficients of one feature: tau times the contrast of the
        outputs.
    penalty : ndarray of shape (m,)
        Prior precision of the rest in standard units: 1, and 0 for the fixed part.
    """

    def __init__(self, design: Design, theta: np.ndarray) -> None:
        slices = parameter_slices(design)
        factors = [
            factor.structure.factor(theta[part])
            for factor, part in zip(design.factors, slices, strict=False)
        ]
        ridge = float(theta[slices[-1]][0]) if design.ridge is not None else 0.0
        self._set(design, factors, ridge)

    @classmethod
    def of_factors(
        cls, design: Design, factors: list[np.ndarray], ridge: float
    ) -> Self:
        """Return the scales of given L of the factors and tau."""
        scales = cls.__new__(cls)
        scales._set(design, factors, ridge)
        return scales

    def _set(self, design: Design, factors: list[np.ndarray], ridge: float) -> None:
        self._design = design
        self.factors = factors
        self.ridge = ridge
        self.ridge_factor = self.ridge * _contrast(design)
        self.penalty = np.ones(design.n_rest)
        self.penalty[design.rest_slices[-1]] = 0.0
        self._diagonal = self._find_diagonal()

    def _find_diagonal(self) -> np.ndarray | None:
        """Lambda of the rest as a vector where it is diagonal."""
        design = self._design
        if design.ridge_contrast is not None or any(
            factor.size > 1 for factor in design.rest_factors
        ):
            return None
        diagonal = np.ones(design.n_rest)
        *factor_slices, ridge, _ = design.rest_slices
        for scale, part in zip(self.rest_factors, factor_slices, strict=True):
            diagonal[part] = scale[0, 0]
        diagonal[ridge] = self.ridge
        return diagonal

    @property
    def first(self) -> np.ndarray:
        """L of the eliminated factor."""
        return self.factors[0] if self._design.n_eliminated else np.ones((1, 1))

    @property
    def rest_factors(self) -> list[np.ndarray]:
        """L of the other factors."""
        return self.factors[self._design.n_eliminated :]

    def rest(self, x: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Multiply the rows of ``x`` by Lambda, or its transpose.

        ``x`` has one row per column of the rest, with or without the fixed part.
        """
        if self._diagonal is not None:
            diagonal = self._diagonal[: len(x)]
            return x * diagonal.reshape(len(x), *(1,) * (x.ndim - 1))
        result = np.array(x, dtype=np.float64)
        *factor_slices, ridge, fixed = self._design.rest_slices
        if fixed.start == 0:
            return result
        rest = zip(
            self._design.rest_factors, self.rest_factors, factor_slices, strict=True
        )
        for factor, scale, part in rest:
            block = result[part].reshape(factor.n_levels, factor.size, -1)
            matrix = scale.T if transpose else scale
            result[part] = (matrix @ block).reshape(result[part].shape)
        if self._design.ridge_contrast is None:
            result[ridge] *= self.ridge
        else:
            matrix = self.ridge_factor.T if transpose else self.ridge_factor
            block = result[ridge].reshape(-1, len(matrix), result[0].size)
            result[ridge] = (matrix @ block).reshape(result[ridge].shape)
        return result

    def from_right(self, x: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Multiply a matrix with one column per column of the rest: x Lambda.

        Or, with ``transpose``, x Lambda'.
        """
        if self._diagonal is not None:
            return x * self._diagonal[: x.shape[1]]
        return np.ascontiguousarray(self.rest(x.T, transpose=not transpose).T)

    def is_regular(self, factor: int) -> bool:
        """Whether no standard deviation of a factor is zero."""
        return bool((np.diagonal(self.factors[factor]) > 0).all())

    def unscale_rest(self, x: np.ndarray, *, otherwise: np.ndarray) -> np.ndarray:
        """Divide the rest by Lambda; where that is zero, take ``otherwise``."""
        result = np.array(x)
        *factor_slices, ridge, _ = self._design.rest_slices
        parts = enumerate(
            zip(self._design.rest_factors, factor_slices, strict=True),
            self._design.n_eliminated,
        )
        for index, (factor, part) in parts:
            if self.is_regular(index):
                block = result[part].reshape(factor.n_levels, factor.size)
                inverse = np.linalg.inv(self.factors[index])
                result[part] = (block @ inverse.T).ravel()
            else:
                result[part] = otherwise[part]
        if self.ridge > 0:
            block = result[ridge].reshape(-1, self._design.n_outputs).T
            result[ridge] = np.linalg.solve(self.ridge_factor, block).T.ravel()
        else:
            result[ridge] = otherwise[ridge]
        return result


def pull_back(
    design: Design,
    own_score: np.ndarray,
    rest_score: np.ndarray,
    own: np.ndarray,
    rest: np.ndarray,
) -> np.ndarray:
    """Return the gradient in ``theta`` of a function of eta.

    Parameters
    ----------
    design : Design
        The linear predictor.
    own_score, rest_score : ndarray
        Z'd and T'd, d the derivative of the function in eta.
    own, rest : ndarray
        Standardised latent variables.
    """
    blocks = []
    *factor_slices, ridge, _ = design.rest_slices
    if design.n_eliminated:
        blocks.append(own_score.T @ own)
    for factor, part in zip(design.rest_factors, factor_slices, strict=True):
        shape = (factor.n_levels, factor.size)
        blocks.append(rest_score[part].reshape(shape).T @ rest[part].reshape(shape))
    if design.ridge is not None:
        shape = (-1, design.n_outputs)
        blocks.append(rest_score[ridge].reshape(shape).T @ rest[ridge].reshape(shape))
    return pull_back_blocks(design, blocks)


def pull_back_blocks(design: Design, blocks: list[np.ndarray]) -> np.ndarray:
    """Turn gradients in each L, then tau, into the gradient in ``theta``."""
    parts = [
        factor.structure.pull_back(block)
        for factor, block in zip(design.factors, blocks, strict=False)
    ]
    if design.ridge is not None:
        parts.append(np.array([(blocks[-1] * _contrast(design)).sum()]))
    slices = parameter_slices(design)
    return np.concatenate(parts) if slices else np.zeros(0)


def _contrast(design: Design) -> np.ndarray:
    """Factor of the prior covariance of ridge coefficients over the outputs."""
    if design.ridge_contrast is None:
        return np.eye(design.n_outputs)
    return design.ridge_contrast
