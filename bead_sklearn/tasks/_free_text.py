"""Judgments that are written freely."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Tags

from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._answers import check_answer, read_rows
from bead_sklearn.tasks._candidates import CandidateClassifier
from bead_sklearn.tasks._contexts import Contexts, distinct_texts
from bead_sklearn.tasks._docs import fill_docs


@fill_docs
class FreeTextGenerator(CandidateClassifier):
    """Responses written freely, as a choice among the responses that are known.

        P(f | context, participant) = exp(eta_f) / sum_g exp(eta_g),
        eta_f = beta_1 typicality + beta_2 words + beta_3 frequency + beta_4 length
                + beta_5 own_words + beta_6 own_length + effects of participants

    The candidates f are the responses seen in fit, or those passed to
    :meth:`predict_proba`. Their features are learned from the training data:

    - ``typicality``: log of the share of the response in the context, smoothed by
      similar contexts and by all [1]_;
    - ``words``: mean log of the share of its words among the words of the context,
      smoothed in the same way; it ranks responses that nobody gave yet;
    - ``frequency``: log of its share over all contexts;
    - ``length``: log number of words, punctuation marks included;
    {own_features}

    Coefficients and effects of participants are those of a mixed conditional logit
    [2]_, fitted to the responses and a sample of the alternatives of each [3]_; each
    response is predicted from the other nine tenths of the data. Responses that
    nobody else gave take part in the features only, unless there are no others:
    they say nothing on the choice among those known. Capital letters and
    punctuation are part of words.

    Responses are ranked, not written: the encoder is frozen, and ``predict`` returns
    a response that somebody gave.

    Parameters
    ----------
    {candidate_effects}
    {encoder}
    {n_alternatives}
    {alpha}
    {population}
    text_columns : list of str, default=None
        Columns of X that are text; together they are the context. None takes all
        columns of strings. An item's name can be one of them.
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Responses seen in fit, sorted.
    {candidate_coef}
    {fitted}

    See Also
    --------
    ClozeClassifier : Fillers of blanks.
    bead_sklearn.metrics.chrf_score : Overlap of predicted and true texts.

    Notes
    -----
    :meth:`score` is the share of responses predicted to the letter. It is low where
    most responses are unique; :meth:`log_proba_of` and
    :func:`~bead_sklearn.metrics.chrf_score` say more.

    scikit-learn is told that this is no classifier, so that ``cross_validate``
    without ``cv`` uses KFold: responses that occur once cannot be stratified.
    scikit-learn's scorers of probabilities then refuse it;
    ``make_group_scorer(metric, response_method="predict_proba")`` does not.

    Participants not seen in fit have no words and lengths of their own. They are
    predicted by other coefficients, estimated from the same responses without
    ``own_words`` and ``own_length``, and vary by the effects estimated along with
    these; ``coef_`` is for those who are known.

    References
    ----------
    {candidate_references}

    Examples
    --------
    >>> from bead_sklearn import FreeTextGenerator
    >>> prompts = ["Describe the picture of a dog."] * 6 + ["What is it?"] * 6
    >>> responses = ["A dog.", "A dog runs.", "A dog."] * 2 + ["It is a cat."] * 5
    >>> model = FreeTextGenerator(random_state=0).fit(prompts, [*responses, "A cat."])
    >>> model.predict(["What is it?"]).tolist()
    ['It is a cat.']
    >>> candidates = ["A dog runs.", "A dog walks.", "It is a dog."]
    >>> model.predict_proba(["What is it?"], candidates=candidates).shape
    (1, 3)
    """

    _length_unit = "word"
    _with_words = True

    def _read_contexts(self, judgments: Judgments) -> tuple[Contexts, np.ndarray]:
        texts, codes = distinct_texts(judgments)
        keys: list[tuple[tuple[str, ...], ...]] = [()] * len(texts)
        if len(judgments.texts) > 1:
            keys = [tuple((text,) for text in parts) for parts in texts]
        contexts = Contexts(texts, texts, keys, codes)
        return contexts, np.arange(judgments.n_rows)

    def _read_answers(self, y: Any) -> list[list[str]]:
        return [
            [check_answer(text, row, "response")]
            for row, text in enumerate(read_rows(y))
        ]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = None  # no stratification by responses
        tags.classifier_tags = None
        return tags
