"""Questions that are answered by a candidate each, and which of them are alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bead_sklearn.inputs import encode_levels
from bead_sklearn.tasks._contexts import Contexts


@dataclass(frozen=True)
class Asked:
    """Questions that are answered by a candidate each, one per row or blank.

    Attributes
    ----------
    contexts : Contexts
        What is answered; its index is the context of each question.
    row : ndarray of int of shape (n_questions,)
        Row of X, in order.
    numeric : ndarray of shape (n_questions, n_columns)
        Numeric columns of X.
    ids : dict of str to ndarray of shape (n_questions,)
        Who answers, by factor.
    """

    contexts: Contexts
    row: np.ndarray
    numeric: np.ndarray
    ids: dict[str, np.ndarray]


@dataclass(frozen=True)
class Cases:
    """Questions without repetitions.

    Attributes
    ----------
    first : ndarray of int of shape (n_cases,)
        A question of each case.
    inverse : ndarray of int of shape (n_questions,)
        Case of each question.
    unit : ndarray of int of shape (n_cases,)
        Who answers, and whether in a new context.
    people : dict of str to ndarray of shape (n_units,)
        Ids of those who answer, by factor; empty for new ones only.
    in_new_contexts : ndarray of bool of shape (n_units,)
        Whether nobody answered their contexts in fit.
    codes : dict of str to ndarray of shape (n_cases,)
        Levels of the person in the factors whose words are known; -1 is unknown.
    """

    first: np.ndarray
    inverse: np.ndarray
    unit: np.ndarray
    people: dict[str, np.ndarray]
    in_new_contexts: np.ndarray
    codes: dict[str, np.ndarray]

    def one_by_one(self) -> Cases:
        """Return each question as a case of its own."""
        inverse = self.inverse
        every = np.arange(len(inverse))
        codes = {name: values[inverse] for name, values in self.codes.items()}
        return replace(
            self, first=every, inverse=every, unit=self.unit[inverse], codes=codes
        )


def distinct_people(
    ids: dict[str, np.ndarray], n: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the code of each row's person, and the ids of the persons."""
    if not ids:
        return np.zeros(n, dtype=np.intp), {}
    whole = np.fromiter(zip(*ids.values(), strict=True), dtype=object, count=n)
    levels, codes = encode_levels(whole)
    first = np.full(len(levels), n)
    np.minimum.at(first, codes, np.arange(n))
    return codes, {name: values[first] for name, values in ids.items()}
