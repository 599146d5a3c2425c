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

    A masked language model, ``language_model``, adds what it knows of the fillers. As
    many of its mask tokens stand in the blank as the filler has tokens t, one in other
    blanks, and z_j is the state at mask j that its output layer with the rows e takes:

    - ``log_probability``: sum_j log P(t_j), a pseudo-log-likelihood [4]_ that takes
      one pass for all fillers with as many tokens;
    - ``head0``, ...: main directions of the terms sum_j (z_j - mean) * e(t_j) that
      this is a sum of, as far as it depends on the context. Their coefficients stand
      under the ridge;
    - ``filler0``, ...: main directions of the rows e of the fillers. They have no
      coefficients but those of participants: ``x' u`` with ``u ~ N(0, s^2 I)`` is the
      bias of a participant for a filler, s their standard deviation. With up to 17
      fillers these biases are alike but for summing to 0; with more, fillers with
      similar rows have similar biases.

    The biases take the place of ``own_words`` and ``own_length``, beside which they
    would count twice. With ``mixed_effects="random_slopes"`` participants have heads
    of their own too, coefficients of ``head0``, ...

    Parameters
    ----------
    blank : str, default="___"
        What marks a blank in the texts of X. Each text needs one; several blanks of a
        text are filled independently of each other, given the participant.
    candidates : list of str or "vocabulary", default=None
        The fillers on offer, where participants could choose from these only. None
        takes the fillers seen in fit; "vocabulary" all words that are tokens of
        ``language_model`` as well.
    {candidate_effects}
    language_model : str or MaskedLMEncoder, default=None
        Name or path of a Hugging Face model that fills masks, or a
        :class:`~bead_sklearn.encoders.MaskedLMEncoder`. None is without one.
    {encoder}
    fine_tune : {"frozen", "full", "lora"} or int, default="frozen"
        Whether ``language_model`` is trained too: all of it, low-rank adapters, or
        its last so many layers. Afterwards everything else is fitted to what it says
        then, only that ``typicality`` and ``frequency`` keep the coefficients of the
        frozen model: the tuned one has seen the answers that they leave out.
    net : MixedEffectsNet, default=None
        How it is trained; None is
        ``MixedEffectsNet(lr=5e-5, head_lr=1e-3, max_epochs=10, patience=2)``, with
        ``lr=5e-4`` for adapters and batches of 64 answers. Its parameters are
        searchable as ``net__lr``.
    {n_alternatives}
    {alpha}
    {population}
    {text_columns}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Fillers seen in fit, or ``candidates``; sorted.
    tuning_ : Tuning
        Losses per epoch and which one was kept, if a language model was trained.
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
    :meth:`predict_proba`, has a small probability, never 0. With a language model and
    ``candidates``, those that nobody gave are among the alternatives in fit.

    Without a language model, participants not seen in fit have no words and lengths
    of their own. They are predicted by other coefficients, estimated from the same
    fillers without ``own_words`` and ``own_length``, and vary by the effects estimated
    along with these; ``coef_`` is for those who are known.

    {new_contexts}
    A language model that is trained has seen all contexts, so with another
    ``fine_tune`` than "frozen" they have no coefficients of their own.

    References
    ----------
    {candidate_references}
    .. [4] Salazar et al. (2020). Masked language model scoring. ACL.
       doi:10.18653/v1/2020.acl-main.240. There each token is masked by itself, which
       takes a pass per token and filler.

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

    >>> model = ClozeClassifier(
    ...     language_model="google-bert/bert-base-uncased", fine_tune="lora"
    ... )
    >>> model.fit(texts, fillers, groups=participants)  # doctest: +SKIP
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
        language_model: Any = None,
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
        self.language_model = language_model
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
