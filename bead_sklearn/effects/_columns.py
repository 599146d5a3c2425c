"""The columns whose coefficients may vary over the levels of a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects._formula import FormulaTerm
from bead_sklearn.effects._outputs import EffectOutputs

#: How formulas and tables call the constant.
INTERCEPT = "(Intercept)"


@dataclass(frozen=True)
class Covariates:
    """Columns that terms of a formula refer to.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The columns.
    names : list of str
        Their names.
    alternatives : EffectOutputs or None
        Where rows are alternatives of choices: those that the constant and some
        covariates have a column for each of.
    shares : ndarray of shape (n_rows,) or None
        Share of each row in its judgment where rows are alternatives.
    """

    values: np.ndarray
    names: list[str]
    alternatives: EffectOutputs | None = None
    shares: np.ndarray | None = None

    def find(self, term: FormulaTerm) -> TermColumns:
        """Return the columns that a term stands for.

        Raises
        ------
        ValueError
            If it names a covariate that is not there.
        """
        if self.alternatives is None or term.factor == (ALTERNATIVE,):
            columns = tuple(self._column(slope) for slope in term.slopes)
            return TermColumns(term.intercept, columns, None)
        effects = [INTERCEPT] * term.intercept + list(term.slopes)
        found: list[int] = []
        n_single = 0
        for effect in effects:
            expanded = self.alternatives.name_effects((effect,))
            if expanded[0] in self.names:
                found += [self.names.index(name) for name in expanded]
            else:
                found.append(self._column(effect))
                n_single += 1
        over = self.alternatives if not n_single else None
        return TermColumns(False, tuple(found), over)

    def _column(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(
                f"The random-effects formula names the covariate {name!r}, which is "
                f"not a numeric column of X. Numeric columns: {self.names}."
            )
        return self.names.index(name)


@dataclass(frozen=True)
class TermColumns:
    """What varies in one term.

    Attributes
    ----------
    intercept : bool
        Whether a constant varies that has no column.
    columns : tuple of int
        Columns of the covariates.
    alternatives : EffectOutputs or None
        Alternatives that every effect has a column for each of, the alternative
        fastest; None if one has not.
    """

    intercept: bool
    columns: tuple[int, ...]
    alternatives: EffectOutputs | None


#: Name of the factor whose levels are the alternatives of choices themselves.
ALTERNATIVE = "option"
