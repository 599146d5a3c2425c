"""Candidates that a masked language model scores."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from bead_sklearn.encoders import MaskedLMEncoder
from bead_sklearn.tasks._alternatives import Alternatives, SampledRows, Scores
from bead_sklearn.tasks._candidates import CandidateClassifier
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._language import LanguageFeatures
from bead_sklearn.tasks._masked_tuning import tune_masked
from bead_sklearn.tasks._rows import Rows

#: Pairs of alternatives that all choice sets may have; people have many effects.
_MAX_PAIRS = 250_000


class MaskedCandidates(CandidateClassifier):
    """Base of classifiers that may have a masked language model."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CandidateClassifier._parameter_constraints,
        **FINE_TUNING,
        "language_model": [str, MaskedLMEncoder, None],
    }

    language_model: str | MaskedLMEncoder | None

    _language: LanguageFeatures | None = None

    @abstractmethod
    def _mark(self) -> str:
        """Return what marks a blank."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if "_given_rows" in self.__dict__:  # what they were made of is known too
            return
        self._language = None
        model = self.language_model
        if model is not None:
            if isinstance(model, str):
                model = MaskedLMEncoder(model, device=self.device)
            self._language = LanguageFeatures(clone(model).fit(), self._mark())
        elif self.fine_tune != "frozen":
            raise ValueError(
                f"fine_tune={self.fine_tune!r} needs a masked language model, which "
                "is trained. Pass language_model=, its name or path, or leave "
                "fine_tune='frozen'."
            )

    def _vocabulary(self) -> list[str]:
        """Return the words among the tokens of the model."""
        if self._language is None:
            raise ValueError(
                "candidates='vocabulary' needs a masked language model, whose "
                "vocabulary it is. Pass language_model=, its name or path."
            )
        return self._language.encoder.language_model().words()

    def _score_alternatives(self, several: list[Alternatives]) -> Scores:
        language = self._language
        if language is None:
            return super()._score_alternatives(several)
        names: Any = several[0].contexts.names
        values = language.fit(
            names,
            [(each.index, each.codes) for each in several],
            self.classes_.tolist(),
            several[0].sets,
        )
        n_features, n_bias = len(language.head_names), len(language.filler_names)
        return Scores(values, language.names, n_features, n_bias)

    def _max_pairs(self) -> int:
        return super()._max_pairs() if self._language is None else _MAX_PAIRS

    def _score_table(
        self, contexts: Contexts, places: np.ndarray, candidates: list[str]
    ) -> np.ndarray:
        if self._language is None:
            return super()._score_table(contexts, places, candidates)
        names: Any = [contexts.names[i] for i in places.tolist()]
        return self._language.table(names, candidates)

    def _offers_unseen(self) -> bool:
        """Whether they are: the language model tells them apart."""
        return self._language is not None and not self._classes_are_answers

    def _has_own_features(self) -> bool:
        """Whether there are own features; beside a bias they would count twice."""
        return self._language is None and super()._has_own_features()

    def _tune(self, rows: Rows, given: tuple[Any, Any, Any, Any]) -> tuple[Any, Rows]:
        assert isinstance(rows, SampledRows)
        assert self._language is not None
        made: Alternatives = self.__dict__.pop("_alternatives")
        self._warn_of_factors_without_effects()
        tuned, self._held, self.tuning_ = tune_masked(
            self, rows, self._language, made, given
        )
        self._language = LanguageFeatures(tuned, self._mark())
        return self.encoder, self._tell_apart([(rows, made)])

    def _warn_of_factors_without_effects(self) -> None:
        """Warn where what a factor has in the frozen model is not in the tuned one."""
        terms = self._mixed_effects.terms()
        without = [
            ":".join(term.factor) for term in terms if term.factor not in self._biased
        ]
        if without:
            warnings.warn(
                f"The factor {without[0]!r} has no effects in a tuned model: its "
                "levels stand for contexts, and what is usual in these the language "
                "model learns. Leave it out.",
                UserWarning,
                stacklevel=5,
            )
