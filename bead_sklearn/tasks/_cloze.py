"""Judgments that fill blanks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._answers import check_answer, check_candidates, read_rows
from bead_sklearn.tasks._blanks import read_blanks
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._masked_candidates import MaskedCandidates


@fill_docs
class ClozeClassifier(MaskedCandidates):
    """Fillers of blanks, as a choice among the fillers that are known.

        P(f | context, participant) = exp(eta_f) / sum_g exp(eta_g),
        eta_f = beta_1 typicality + beta_2 frequency + beta_3 length
                + beta_4 own_words + beta_5 own_length + effects of participants

    The candidates f are the fillers seen in fit. Their features are learned from the
    training data:

    - ``typicality``: log of the share of the filler in the context (its cloze
      probability), smoothed by the shares in similar contexts and in all [1]_.
      Contexts are similar if their texts are, by the features of ``encoder``, or if
      the words next to the blank are the same;
    - ``frequency``: log of its share over all contexts;
    - ``length``: log number of characters;
    {own_features}

    Coefficients and effects of participants are those of a mixed conditional logit
    [2]_, fitted to the answers and a sample of the alternatives of each [3]_; each
    answer is predicted from the other nine tenths of the data. Fillers that nobody
    else gave take part in the features only, unless there are no others: they say
    nothing on the choice among those known.

    Parameters
    ----------
    blank : str, default="___"
        What marks a blank in the texts of X. Each text needs one; several blanks of a
        text are filled independently of each other, given the participant.
    candidates : list of str, default=None
        The fillers on offer, where participants could choose from these only. None
        takes the fillers seen in fit.
    {candidate_effects}
    {encoder}
    {n_alternatives}
    {alpha}
    {population}
    {text_columns}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Fillers seen in fit, or ``candidates``; sorted.
    {candidate_coef}
    {fitted}

    See Also
    --------
    FreeTextGenerator : Responses of several words.
    ForcedChoiceClassifier : Options that differ from row to row.

    Notes
    -----
    X has one text per row; identical texts are the same context. For next-word data
    append the blank to the texts. A filler may have several words. With one blank per
    row y is a list of str, with several a list of lists.

    A filler that was never seen, such as one of ``candidates`` of
    :meth:`predict_proba`, has a small probability, never 0.

    Participants not seen in fit have no words and lengths of their own. They are
    predicted by other coefficients, estimated from the same fillers without
    ``own_words`` and ``own_length``, and vary by the effects estimated along with
    these; ``coef_`` is for those who are known.

    References
    ----------
    {candidate_references}

    Examples
    --------
    >>> from bead_sklearn import ClozeClassifier
    >>> texts = ["She drank the ___."] * 6 + ["He read the ___."] * 6
    >>> fillers = ["tea", "coffee", "tea"] * 2 + ["book", "paper", "book"] * 2
    >>> model = ClozeClassifier(random_state=0).fit(texts, fillers)
    >>> model.predict(["She drank the ___.", "He read the ___."]).tolist()
    ['tea', 'book']
    >>> model.predict_proba(["You read the ___."]).shape
    (1, 4)
    """

    _length_unit = "character"
    _with_words = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MaskedCandidates._parameter_constraints,
        "blank": [str],
        "candidates": ["array-like", StrOptions({"vocabulary"}), None],
    }

    def __init__(
        self,
        *,
        blank: str = "___",
        candidates: Any = None,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        fine_tune: Any = "frozen",
        net: Any = None,
        n_alternatives: int | str = "auto",
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
            n_alternatives=n_alternatives,
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
        self.fine_tune = fine_tune
        self.net = net

    def _check_parameters(self) -> None:
        if not self.blank.strip():
            raise ValueError(f"blank must be a mark in the text. Got {self.blank!r}.")
        super()._check_parameters()

    def _mark(self) -> str:
        return self.blank

    def _offered(self, answers: set[str]) -> list[str] | None:
        if self.candidates is None:
            return None
        if isinstance(self.candidates, str):
            return sorted({*self._vocabulary(), *answers})
        offered = check_candidates(self.candidates)
        unknown = sorted(answers - set(offered))
        if unknown:
            raise ValueError(
                f"y has the filler {unknown[0]!r}, which is not among candidates "
                f"{offered[:10]}."
            )
        return offered

    def _read_contexts(self, judgments: Judgments) -> tuple[Contexts, np.ndarray]:
        return read_blanks(judgments, self.blank)

    def _read_answers(self, y: Any) -> list[list[str]]:
        answers = []
        for row, value in enumerate(read_rows(y)):
            parts = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
            answers.append([check_answer(part, row, "filler") for part in parts])
        return answers
