"""Judgments that fill blanks."""

from __future__ import annotations

from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from bead_sklearn.inputs import Judgments, check_target_present
from bead_sklearn.tasks._blanks import read_blanks
from bead_sklearn.tasks._candidates import (
    CandidateClassifier,
    check_answer,
    check_candidates,
)
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._docs import fill_docs


@fill_docs
class ClozeClassifier(CandidateClassifier):
    """Fillers of blanks.
    """

    _with_words = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CandidateClassifier._parameter_constraints,
        "blank": [str],
        "candidates": ["array-like", None],
    }

    def __init__(
        self,
        *,
        blank: str = "___",
        candidates: Any = None,
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
        self.blank = blank
        self.candidates = candidates
        self.n_alternatives = n_alternatives

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.blank.strip():
            raise ValueError(f"blank must be a mark in the text. Got {self.blank!r}.")

    def _candidates_offered(self, answers: set[str]) -> list[str]:
        if self.candidates is None:
            return sorted(answers)
        offered = check_candidates(self.candidates)
        unknown = sorted(answers - set(offered))
        if unknown:
            raise ValueError(
                f"y has the filler {unknown[0]!r}, which is not among candidates "
                f"{offered[:10]}."
            )
        return sorted(offered)

    def _read_contexts(self, judgments: Judgments) -> tuple[Contexts, np.ndarray]:
        return read_blanks(judgments, self.blank)

    def _read_answers(self, y: Any) -> list[list[str]]:
        check_target_present(y)
        if nw.dependencies.is_into_series(y):
            y = nw.from_native(y, series_only=True).to_list()
        answers = []
        for row, value in enumerate(y):
            parts = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
            answers.append([check_answer(part, row, "filler") for part in parts])
        return answers

    def _length(self, candidate: str) -> float:
        return float(np.log(len(candidate)))
