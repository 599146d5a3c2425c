"""Judgments that are written freely."""

from __future__ import annotations

from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from bead_sklearn.inputs import Judgments, check_target_present
from bead_sklearn.tasks._candidates import CandidateClassifier, check_answer
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._utilities import count_words


@fill_docs
class FreeTextGenerator(CandidateClassifier):
    """Responses in words.
    """

    _with_words = True

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        n_alternatives: int = 20,
        alpha: float | str = "auto",
        population: Any = "marginal",
        text_columns: Any = None,
        max_iter: int = 500,
        tol: float = 1e-6,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            mixed_effects=mixed_effects,
            encoder=encoder,
            alpha=alpha,
            population=population,
            text_columns=text_columns,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.n_alternatives = n_alternatives

    def _read_contexts(self, judgments: Judgments) -> tuple[Contexts, np.ndarray]:
        columns = list(judgments.texts.values())
        index = np.column_stack([column.index for column in columns])
        distinct, codes = np.unique(index, axis=0, return_inverse=True)
        texts = [
            tuple(column.values[i] for column, i in zip(columns, places, strict=True))
            for places in distinct.tolist()
        ]
        keys = [
            tuple((text,) for text in parts) if len(columns) > 1 else ()
            for parts in texts
        ]
        contexts = Contexts(list(texts), texts, keys, codes.ravel())
        return contexts, np.arange(judgments.n_rows)

    def _read_answers(self, y: Any) -> list[list[str]]:
        check_target_present(y)
        if nw.dependencies.is_into_series(y):
            y = nw.from_native(y, series_only=True).to_list()
        return [[check_answer(text, row, "response")] for row, text in enumerate(y)]

    def _length(self, candidate: str) -> float:
        return float(np.log(count_words(candidate)))
