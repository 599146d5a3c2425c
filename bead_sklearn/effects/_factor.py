"""A grouping factor with the covariates whose effects vary over its levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects._covariance import CovarianceStructure


@dataclass(frozen=True)
class RandomFactor:
    """A grouping factor and what varies over its levels.

    Attributes
    ----------
    name : str
        Name of the factor.
    codes : ndarray of shape (n_rows,)
        Level of each row; -1 is an unknown level (only in prediction).
    n_levels : int
        Number of levels, q.
    z : ndarray of shape (n_rows, r)
        Covariates of the random effects; a column of ones is an intercept.
    structure : CovarianceStructure
        How the r effects of one level vary together.
    effect_names : tuple of str
        Names of the r effects.
    """

    name: str
    codes: np.ndarray
    n_levels: int
    z: np.ndarray
    structure: CovarianceStructure
    effect_names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of effects per level, r."""
        return self.structure.size

    @property
    def n_effects(self) -> int:
        """Number of effects of all levels."""
        return self.n_levels * self.size

    def matvec(self, effects: np.ndarray) -> np.ndarray:
        """Return the contribution of ``effects`` (q, r) to each row; 0 if unknown."""
        known = self.codes >= 0
        product = np.einsum("ij,ij->i", self.z, effects[self.codes])
        return product if known.all() else np.where(known, product, 0.0)

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Return the sums of ``x`` times the covariates per level, (q, r)."""
        sums = [
            np.bincount(self.codes, weights=x * column, minlength=self.n_levels)
            for column in self.z.T
        ]
        return np.stack(sums, axis=1)
