"""Reading answers in words, and the candidates they are chosen from."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from bead_sklearn.inputs import check_target_present


def check_candidates(candidates: Any) -> list[str]:
    """Return candidates as a list after checking that they are texts and differ."""
    if isinstance(candidates, str) or not hasattr(candidates, "__iter__"):
        raise TypeError(f"candidates must be a list of str. Got {candidates!r}.")
    names = list(candidates)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"candidates must be a list of str. Got {name!r} in it.")
        if not name.strip():
            raise ValueError("candidates has an empty text.")
    if len(set(names)) < len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"candidates must be distinct. Got {repeated!r} twice.")
    if not names:
        raise ValueError("candidates is empty; at least one is needed.")
    return [str(name) for name in names]


def read_rows(y: Any) -> list[Any]:
    """Return y row by row, after checking that nothing is missing."""
    if isinstance(y, str):
        raise TypeError(f"y must hold one answer per row. Got the text {y!r}.")
    check_target_present(y)
    if nw.dependencies.is_into_dataframe(y):
        return [list(row) for row in nw.from_native(y, eager_only=True).iter_rows()]
    if nw.dependencies.is_into_series(y):
        return list(nw.from_native(y, series_only=True).to_list())
    return list(y)


def check_answer(answer: Any, row: int, what: str) -> str:
    """Return an answer after checking that it is a text that says something."""
    if not isinstance(answer, str):
        raise TypeError(
            f"y must hold texts. Got {answer!r} of type {type(answer).__name__} in row "
            f"{row}."
        )
    if not answer.strip():
        raise ValueError(
            f"y has an empty {what} in row {row}. Drop rows without an answer."
        )
    return str(answer)


def by_row(answers: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the answers of each row: one, or lists where some rows have several."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    if len(starts) == len(row):
        return answers
    parts = np.split(answers, starts[1:])
    return np.fromiter(
        (part.tolist() for part in parts), dtype=object, count=len(parts)
    )
