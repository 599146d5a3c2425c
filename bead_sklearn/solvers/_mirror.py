"""The other side of a singular covariance.

A column of L and its negative give the same covariance. With diagonal entries bounded
by 0, a maximum beyond a zero diagonal entry is reached with the rest of the column
turned round.
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import parameter_slices

#: A diagonal entry below this share of its ordinary size is near zero.
_SMALL = 0.02


def mirrored(design: Design, theta: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Turn the columns of L round whose diagonal entry is near zero.

    Parameters
    ----------
    design : Design
        The linear predictor.
    theta : ndarray of shape (n_parameters,)
        Variance parameters.
    ordinary : ndarray of shape (n_parameters,)
        Ordinary size of standard deviations; 0 for other parameters.

    Returns
    -------
    mirrored : ndarray of shape (n_parameters,)
        About the same covariances; equal to ``theta`` if no entry is near zero, or
        nothing stands below it.
    """
    result = theta.copy()
    slices = parameter_slices(design)
    for factor, part in zip(design.factors, slices, strict=False):
        structure = factor.structure
        rows, columns, index = structure.rows, structure.columns, structure.parameters
        on_diagonal = rows == columns
        diagonal = np.empty(structure.size, dtype=np.intp)
        diagonal[rows[on_diagonal]] = index[on_diagonal]
        small = theta[part][diagonal] < _SMALL * ordinary[part][diagonal]
        for column in np.flatnonzero(small):
            below = index[~on_diagonal & (columns == column)]
            elsewhere = index[on_diagonal | (columns != column)]
            if not np.isin(below, elsewhere).any():
                result[part.start + below] *= -1.0
    return result
