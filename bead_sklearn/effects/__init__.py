"""The structure of random effects: which vary, by which factor, how they covary."""

from bead_sklearn.effects._columns import ALTERNATIVE, INTERCEPT, Covariates
from bead_sklearn.effects._covariance import (
    CovarianceStructure,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    output_covariance,
    shared_covariance,
)
from bead_sklearn.effects._factor import RandomFactor, rows_by_level
from bead_sklearn.effects._formula import FormulaTerm, parse_formula
from bead_sklearn.effects._heads import LevelBases, LevelMatrices, level_bases
from bead_sklearn.effects._mixed_effects import (
    GROUPS,
    MixedEffects,
    resolve_mixed_effects,
)
from bead_sklearn.effects._outputs import EffectOutputs, choose_outputs
from bead_sklearn.effects._prior import LevelPrior
from bead_sklearn.effects._structure import (
    MAX_FULL_COVARIANCE,
    FactorStructure,
    build_structures,
    combine_ids,
)

__all__ = [
    "ALTERNATIVE",
    "GROUPS",
    "INTERCEPT",
    "MAX_FULL_COVARIANCE",
    "Covariates",
    "CovarianceStructure",
    "EffectOutputs",
    "FactorStructure",
    "FormulaTerm",
    "LevelBases",
    "LevelMatrices",
    "LevelPrior",
    "MixedEffects",
    "RandomFactor",
    "block_covariance",
    "build_structures",
    "choose_outputs",
    "combine_ids",
    "diagonal_covariance",
    "full_covariance",
    "level_bases",
    "output_covariance",
    "parse_formula",
    "resolve_mixed_effects",
    "rows_by_level",
    "shared_covariance",
]
