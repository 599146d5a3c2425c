"""Which rows have labels, and which labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.active_learning._rows import (
    as_labels,
    as_plain_labels,
    check_labels,
    concatenate_rows,
)


class LabelLedger:
    """Labels of a pool of rows, in the order in which they became known.

    Parameters
    ----------
    n_rows : int
        Number of rows in the pool.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self.labeled = np.zeros(n_rows, dtype=bool)
        self.held_out = np.zeros(n_rows, dtype=bool)
        self.declined = np.zeros(n_rows, dtype=bool)
        self._batches: list[NDArray[np.intp]] = []
        self._labels: list[Any] = []

    def __len__(self) -> int:
        """Count the labelled rows."""
        return int(self.labeled.sum())

    @property
    def indices(self) -> NDArray[np.intp]:
        """Labelled rows, in the order in which they were labelled."""
        return np.concatenate([np.empty(0, dtype=np.intp), *self._batches])

    @property
    def pool(self) -> NDArray[np.intp]:
        """Rows that can be asked about, in ascending order."""
        return np.flatnonzero(self.open)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Whether a row can be asked about: no label, not held out, not declined."""
        return ~(self.labeled | self.held_out | self.declined)

    @property
    def labels(self) -> Any:
        """Labels of `indices`."""
        self._labels = [concatenate_rows(self._labels)] if self._labels else []
        return self._labels[0] if self._labels else np.empty(0)

    def check(self, indices: ArrayLike, y: Any) -> tuple[NDArray[np.intp], Any]:
        """Check a batch of new labels without storing it.

        Parameters
        ----------
        indices : array-like of shape (n_batch,)
            Rows of the pool, none of them labelled.
        y : array-like of shape (n_batch,) or (n_batch, n_outputs)
            Their labels.

        Returns
        -------
        indices : ndarray of shape (n_batch,)
            The rows.
        y : ndarray or list
            The labels.

        Raises
        ------
        TypeError
            If the indices are not integers, or strings stand beside other labels.
        ValueError
            If a row is unknown, twice in the batch or labelled before, if a label is
            missing, or if the lengths differ.
        """
        rows = self.check_indices(indices)
        labels = as_labels(y)
        if not isinstance(labels, list) and labels.ndim == 0:
            raise ValueError(
                f"y must hold one label per row, got the single label {y!r}."
            )
        if _num_samples(labels) != len(rows):
            raise ValueError(f"Got {len(labels)} labels for {len(rows)} rows.")
        check_labels(labels, rows)
        return rows, as_plain_labels(labels)

    def check_indices(self, indices: ArrayLike) -> NDArray[np.intp]:
        """Check that rows can be labelled; errors as in `check`."""
        rows = np.asarray(indices)
        if rows.ndim != 1:
            raise ValueError(
                f"indices must be one-dimensional, got shape {rows.shape}."
            )
        if len(rows) == 0:
            return np.empty(0, dtype=np.intp)
        if rows.dtype.kind not in "iu":
            raise TypeError(
                f"indices must be integers (positions in X), got {rows.dtype}."
            )
        unknown = rows[(rows < 0) | (rows >= self.n_rows)]
        if len(unknown):
            raise ValueError(
                f"Unknown rows {unknown.tolist()}: X has rows 0 to {self.n_rows - 1}."
            )
        values, counts = np.unique(rows, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"Rows {values[counts > 1].tolist()} are given twice.")
        known = rows[self.labeled[rows]]
        if len(known):
            raise ValueError(f"Rows {known.tolist()} are already labelled.")
        withheld = rows[self.held_out[rows]]
        if len(withheld):
            raise ValueError(f"Rows {withheld.tolist()} are held out for validation.")
        return rows.astype(np.intp)

    def add(self, indices: ArrayLike, y: Any) -> None:
        """Store new labels; arguments and errors as in `check`."""
        rows, labels = self.check(indices, y)
        if len(rows) == 0:
            return
        # Joining first: labels of another kind are refused before anything is stored.
        joined = concatenate_rows([*self._labels, labels])
        self._labels = [joined]
        self._batches.append(rows)
        self.labeled[rows] = True
        self.declined[rows] = False
