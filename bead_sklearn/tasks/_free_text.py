"""Judgments that are written freely."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Tags

from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._candidates import CandidateClassifier, check_answer, read_rows
from bead_sklearn.tasks._contexts import Contexts
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
    - ``own_words``: how much more often the participant uses these words than others
      do, the mean log ratio of smoothed shares;
    - ``own_length``: how much more probable its length is for the participant than for
      anybody, the log ratio of normal densities of log lengths.

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
    coef_ : ndarray of shape (1, n_features)
        Coefficients of the features. 1 for ``typicality`` and 0 for the others are
        the smoothed shares themselves. ``"trial:length"`` is the product of the
        column ``trial`` of X with a feature.
    intercept_ : ndarray of shape (1,)
        0: only differences of utilities matter.
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
    ``own_words`` and ``own_length``; ``coef_`` is for those who are known.

    References
    ----------
    .. [1] Chen & Goodman (1999). An empirical study of smoothing techniques for
       language modeling. Computer Speech & Language 13(4), 359-394.
       doi:10.1006/csla.1999.0128
    .. [2] McFadden & Train (2000). Mixed MNL models for discrete response. Journal of
       Applied Econometrics 15(5), 447-470.
    .. [3] McFadden (1978). Modelling the choice of residential location. In Karlqvist
       et al. (eds.), Spatial Interaction Theory and Planning Models, 75-96.

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

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
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
        keys: list[tuple[tuple[str, ...], ...]] = [()] * len(texts)
        if len(columns) > 1:
            keys = [tuple((text,) for text in parts) for parts in texts]
        contexts = Contexts(list(texts), texts, keys, codes.ravel())
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
