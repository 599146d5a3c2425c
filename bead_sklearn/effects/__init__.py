"""The structure of random effects: which vary, by which factor, how they covary."""

from bead_sklearn.effects._covariance import (
    CovarianceStructure,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    shared_covariance,
)
from bead_sklearn.effects._formula import FormulaTerm, parse_formula

__all__ = [
    "CovarianceStructure",
    "FormulaTerm",
    "block_covariance",
    "diagonal_covariance",
    "full_covariance",
    "parse_formula",
    "shared_covariance",
]
