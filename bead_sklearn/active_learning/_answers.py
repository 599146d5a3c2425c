"""What an oracle says: labels of all rows it was asked about, of some, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.active_learning._rows import as_labels
from bead_sklearn.inputs._missing import is_missing

Answers = tuple[NDArray[np.intp], Any]


class Reveal:
    """Give the labels of rows, from the oracle or from y.

    Parameters
    ----------
    oracle : callable or None
        ``oracle(indices) -> answers``, see `read_answers`.
    labels : array-like or None
        Labels of all rows, where there is no oracle.
    """

    def __init__(
        self, oracle: Callable[[NDArray[np.intp]], Any] | None, labels: Any
    ) -> None:
        self.oracle = oracle
        self.labels = labels

    def __call__(self, rows: NDArray[np.intp]) -> Answers:
        """Return the rows that have an answer, and their labels."""
        if self.oracle is not None:
            return read_answers(self.oracle(rows), rows)
        return rows, _safe_indexing(self.labels, rows)


def read_answers(answers: Any, rows: NDArray[np.intp]) -> Answers:
    """Match the answers of an oracle with the rows it was asked about.

    Parameters
    ----------
    answers : array-like, tuple, mapping or None
        A label per row, where None and NaN stand for no answer; the pair
        ``(indices, labels)`` or a mapping of indices to labels, of the rows answered;
        None if nothing was.
    rows : ndarray of int of shape (n_asked,)
        Rows asked about.

    Returns
    -------
    rows : ndarray of int of shape (n_answered,)
        Rows answered, in the order in which they were asked about.
    labels : array-like of shape (n_answered, ...)
        Their labels.

    Raises
    ------
    ValueError
        If a row was not asked about or answered twice, or numbers do not match.
    """
    nothing = np.empty(0, dtype=np.intp)
    if answers is None:
        return nothing, []
    if isinstance(answers, Mapping):
        answers = (list(answers), list(answers.values()))
    if not isinstance(answers, tuple):
        labels = as_labels(answers)
        if _num_samples(labels) != len(rows):
            raise ValueError(
                f"The oracle was asked about {len(rows)} rows and gave "
                f"{_num_samples(labels)} labels. If it does not answer all, it gives "
                "None for the others, or the pair (indices, labels)."
            )
        given = np.flatnonzero([not _absent(label) for label in labels])
        if len(given) == len(rows):
            return rows, labels
        return rows[given], _plain(_safe_indexing(labels, given))
    if len(answers) != 2:
        raise ValueError(
            f"The oracle must give (indices, labels), got a tuple of {len(answers)}."
        )
    indices, labels = np.asarray(answers[0]), as_labels(answers[1])
    if len(indices) == 0:
        return nothing, []
    if _num_samples(labels) != len(indices):
        raise ValueError(
            f"The oracle gave {_num_samples(labels)} labels for {len(indices)} rows."
        )
    unasked = indices[~np.isin(indices, rows)]
    if len(unasked):
        raise ValueError(
            f"The oracle answered rows {unasked.tolist()} that it was not asked about."
        )
    if len(np.unique(indices)) < len(indices):
        raise ValueError(f"The oracle answered a row twice: {indices.tolist()}.")
    position = {row: k for k, row in enumerate(indices.tolist())}
    order = np.array([position[row] for row in rows.tolist() if row in position])
    return indices[order].astype(np.intp), _safe_indexing(labels, order)


def _absent(label: Any) -> bool:
    if isinstance(label, np.ndarray):
        return bool(label.size) and all(is_missing(part) for part in label.ravel())
    return not isinstance(label, list | tuple | set | frozenset) and is_missing(label)


def _plain(labels: Any) -> Any:
    """Give labels that no longer have None beside them an array of their own kind."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "O" and labels.ndim == 1:
        return as_labels(labels.tolist())
    return labels
