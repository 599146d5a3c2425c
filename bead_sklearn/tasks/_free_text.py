"""Judgments that are written freely."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from bead_sklearn._sklearn import HasMethods
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._answers import check_answer, read_rows
from bead_sklearn.tasks._contexts import Contexts, distinct_texts
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._written import WrittenResponses


@fill_docs
class FreeTextGenerator(WrittenResponses):
    """Responses written freely: ranked among those known, or written by a model.

    Without ``generator`` a response is a choice among the responses that are known,

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

    With ``generator``, an encoder-decoder such as T5 or BART, responses are written
    token by token,

        P(token | what is shown, tokens before, participant) = softmax(f + a + s v_g),
        v_g ~ N(0, I),

    f being the logits of the model, a biases that all participants share, and v_g
    those of participant g, of the tokens that occur in the responses. s maximises the
    Laplace approximation of the marginal likelihood. ``fine_tune`` says what of the
    model is trained, by teacher forcing.
    ``mixed_effects="random_slopes"`` also gives each participant low-rank adapters of
    the decoder [4]_, all of them in one table; their prior variance is that of
    ``MixedEffects(prior_variance=...)`` and not estimated. A participant not seen in
    fit has effects of zero.

    Parameters
    ----------
    generator : str, path-like or None, default=None
        Name or path of a Hugging Face encoder-decoder that writes responses; None
        ranks those that are known. Parameters that belong to the other of the two
        are a ValueError.
    fine_tune : {"frozen", "full", "lora"} or int, default="frozen"
        What of the generator is trained: nothing, so that only effects and ``a`` are
        estimated; everything; low-rank adapters of its attention projections; the
        last so many layers of its decoder.
    net : Seq2SeqNet, default=None
        How the generator is trained; None is ``Seq2SeqNet(lr=1e-4, effects_lr=0.01,
        max_epochs=10, patience=2)``, with ``lr=1e-3`` for adapters. Its parameters
        are searchable as ``net__lr``.
    generation : dict, default=None
        How ``predict`` writes: settings of ``transformers.GenerationConfig`` such as
        ``num_beams``, ``do_sample``, ``temperature``, ``top_p`` or
        ``max_new_tokens`` (twice the longest response seen by default). None takes
        the most probable token each time. Samples follow ``random_state``.
    {candidate_effects}
        With ``generator``: "auto" and "random_intercepts" are biases of tokens if
        ``groups`` are passed, "random_slopes" adapters too, and a formula names the
        factor, as in ``"(1 | participant)"``.
    {encoder}
        Only without ``generator``.
    {n_alternatives}
    {alpha}
        With ``generator``: of the biases ``a``, whose prior variance "auto" estimates.
    {population}
    text_columns : list of str, default=None
        Columns of X that are text; together they are the context. None takes all
        columns of strings. An item's name can be one of them. A ``generator`` reads
        several columns as one text, "name: text" after "name: text".
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Responses seen in fit, sorted.
    tokens_ : ndarray of str of shape (n_tokens,)
        Tokens that occur in them. Only with ``generator``, where ``effects_`` has the
        biases of participants towards these, ``variance_components_`` their variance,
        and coefficients and likelihoods of the choice among responses are missing.
    tuning_ : Tuning
        Losses per epoch and which one was kept, where a generator was trained.
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

    {new_contexts}

    References
    ----------
    {candidate_references}
    .. [4] Hu et al. (2022). LoRA: low-rank adaptation of large language models. ICLR.
       arXiv:2106.09685

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

    >>> model = FreeTextGenerator(generator="t5-small", fine_tune="lora")
    >>> model.fit(prompts, texts, groups=participants)  # doctest: +SKIP
    """

    _length_unit = "word"
    _with_words = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **WrittenResponses._parameter_constraints,
        **FINE_TUNING,
        "generator": [str, HasMethods(["__fspath__"]), None],
        "generation": [dict, None],
    }

    def __init__(
        self,
        *,
        generator: Any = None,
        fine_tune: str | int = "frozen",
        net: Any = None,
        generation: dict[str, Any] | None = None,
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
        self.generator = generator
        self.fine_tune = fine_tune
        self.net = net
        self.generation = generation

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
