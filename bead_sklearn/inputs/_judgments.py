"""X as the suite sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from bead_sklearn.inputs._dense import dense_matrix


@dataclass(frozen=True)
class Judgments:
    """The rows of X, split by what their columns are.

    Attributes
    ----------
    n_rows : int
        Number of judgments.
    texts : dict of str to DistinctText or PairedText
        Text columns by name; a list of strings has the one column ``"text"``.
    numeric : ndarray or csr of shape (n_rows, n_columns), or None
        Numeric columns in float64, all finite; None if there are none.
    numeric_names : list of str
        Names of the numeric columns: those of a frame, else ``"x0"``, ``"x1"``, ...
    factors : dict of str to ndarray of object of shape (n_rows,)
        Ids of the grouping factors that were taken out of X.
    constants : ndarray of shape (n_rows, n_constants) or None
        Columns that stand where others have an intercept, such as indicators of the
        options of a choice.
    constant_names : list of str
        Their names.
    """

    n_rows: int
    texts: dict[str, Any]
    numeric: np.ndarray | sparse.csr_array | sparse.csr_matrix | None
    numeric_names: list[str]
    factors: dict[str, np.ndarray]
    constants: np.ndarray | None = None
    constant_names: list[str] = field(default_factory=list)

    def numeric_matrix(self) -> np.ndarray:
        """Return the numeric columns as an array, (n_rows, n_columns)."""
        if self.numeric is None:
            return np.zeros((self.n_rows, 0))
        return dense_matrix(self.numeric)

    def take(self, rows: np.ndarray) -> Judgments:
        """Return the judgments of some rows.

        Parameters
        ----------
        rows : ndarray of int
            Positions of the rows.

        Returns
        -------
        judgments : Judgments
            Texts that no row has any more are gone.
        """
        return Judgments(
            n_rows=len(rows),
            texts={name: text.take(rows) for name, text in self.texts.items()},
            numeric=None if self.numeric is None else self.numeric[rows],
            numeric_names=self.numeric_names,
            factors={name: ids[rows] for name, ids in self.factors.items()},
            constants=None if self.constants is None else self.constants[rows],
            constant_names=self.constant_names,
        )
