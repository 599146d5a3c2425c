"""X as the suite sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bead_sklearn.inputs._text import DistinctText


@dataclass(frozen=True)
class Judgments:
    """The rows of X, split by what their columns are.

    Attributes
    ----------
    n_rows : int
        Number of judgments.
    texts : dict of str to DistinctText
        Text columns by name; a list of strings has the one column ``"text"``.
    numeric : ndarray or csr of shape (n_rows, n_columns), or None
        Numeric columns in float64, all finite; None if there are none.
    numeric_names : list of str
        Names of the numeric columns: those of a frame, else ``"x0"``, ``"x1"``, ...
    factors : dict of str to ndarray of object of shape (n_rows,)
        Ids of the grouping factors that were taken out of X.
    """

    n_rows: int
    texts: dict[str, DistinctText]
    numeric: np.ndarray | sparse.csr_array | sparse.csr_matrix | None
    numeric_names: list[str]
    factors: dict[str, np.ndarray]

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
        )
