"""Documentation that the task models share."""

from __future__ import annotations

from typing import TypeVar

from bead_sklearn._docs import fill

_T = TypeVar("_T", bound=type)

_MIXED_EFFECTS = """\
mixed_effects : str or MixedEffects, default="auto"
    What varies over participants and items: "fixed" (nothing), "auto" (the
    intercept if ``groups`` are passed), "random_intercepts", "random_slopes"
    (intercept and coefficients), a formula such as
    ``"(1 + trial | participant) + (1 | item)"`` over columns of X, or a
    :class:`~bead_sklearn.effects.MixedEffects`.
"""

_CANDIDATE_EFFECTS = """\
mixed_effects : str or MixedEffects, default="auto"
    What varies over participants: "fixed" (nothing; ``groups`` have no effect),
    "auto" and "random_intercepts" (if ``groups`` are passed: the features of the
    participant's own answers, and how strongly it follows what others answer, the
    coefficient of ``typicality``), "random_slopes" (the coefficients of
    ``frequency`` and ``words`` too), a formula over names of features such as
    ``"(1 + frequency | participant)"``, 1 standing for ``typicality`` and factors
    being columns of X, or a :class:`~bead_sklearn.effects.MixedEffects`. A numeric
    column of X, such as a trial number, is the same for all candidates and acts
    through what they have: ``"(1 + trial:frequency | participant)"``.
"""

_N_ALTERNATIVES = """\
n_alternatives : int or "auto", default="auto"
    How many alternatives are drawn for each answer in fit; all are taken where
    there are no more. More make estimates more precise and the fit slower. "auto"
    is between 8 and 20, fewer for more answers, and half as many, but 8, for what
    holds in new contexts.
"""

_OWN_FEATURES = """\
- ``own_words``: how much more often the participant uses these words than others
  do, the mean log ratio of smoothed shares;
- ``own_length``: how much more probable its length is for the participant than for
  anybody, the log ratio of normal densities of log lengths.
"""

_CANDIDATE_COEF = """\
coef_ : ndarray of shape (1, n_features)
    Coefficients of the features. 1 for ``typicality`` and 0 for the others are
    the smoothed shares themselves. ``"trial:length"`` is the product of the
    column ``trial`` of X with a feature. They hold where others answered;
    ``effects_`` and ``variance_components_`` too.
intercept_ : ndarray of shape (1,)
    0: only differences of utilities matter.
new_contexts_ : NewContexts or None
    What holds in contexts that nobody answered in fit: ``coef``, ``effects``,
    ``variance_components`` and ``fixed_effects`` with standard errors; prints as
    a table, which the summary shows too. None where nothing could be learned of
    them.
"""

_NEW_CONTEXTS = """\
Where others answered, what is typical there says most; the same coefficients would
be too sure in a context that nobody answered. Those of new contexts are learned
from the same answers, contexts being left out whole in the features of each, and
serve wherever X has a context that fit had not. That needs answers that occur in
several contexts, ten for each unpenalised coefficient, and that features do not
separate from the others; else ``coef_`` serves there too. Where similar contexts
say little, ``typicality`` and ``frequency`` are nearly the same in a new one: then
only the sum of their coefficients is a number to read.
"""

_CANDIDATE_REFERENCES = """\
.. [1] Chen & Goodman (1999). An empirical study of smoothing techniques for
   language modeling. Computer Speech & Language 13(4), 359-394.
   doi:10.1006/csla.1999.0128
.. [2] McFadden & Train (2000). Mixed MNL models for discrete response. Journal of
   Applied Econometrics 15(5), 447-470.
.. [3] McFadden (1978). Modelling the choice of residential location. In Karlqvist
   et al. (eds.), Spatial Interaction Theory and Planning Models, 75-96.
"""

_ENCODER = """\
encoder : str, transformer or callable, default=None
    Turns texts into features. None is
    :class:`~bead_sklearn.encoders.HashedTextEncoder`, which needs no download; a
    string is the name or path of a Hugging Face model; otherwise a scikit-learn
    transformer or a function from a list of str to an array.
"""

_FINE_TUNING = """\
fine_tune : {"frozen", "full", "lora"} or int, default="frozen"
    Whether the encoder, which must then be a Hugging Face model, is trained too:
    all of it, low-rank adapters, or its last so many layers. Afterwards everything
    else is fitted to the tuned features as to others.
net : MixedEffectsNet, default=None
    How the encoder is trained; None is
    ``MixedEffectsNet(lr=5e-5, head_lr=1e-3, max_epochs=10, patience=2)``, with
    ``lr=5e-4`` for adapters. Its parameters are searchable as ``net__lr``.
"""

_ALPHA = """\
alpha : float or "auto", default="auto"
    Ridge precision: the penalty is ``alpha / 2 * sum(coef ** 2)``. 0 leaves
    coefficients unpenalised, as lme4 does. "auto" estimates it by marginal
    likelihood for text features, and for numeric columns when responses are few: less
    than 10 per column, or 20 per column after the second. Of two answers the rarer
    counts, of classes and labels the rarest; n ordered ones count as
    ``n - sum(n_k ** 3) / n ** 2``, n choices among J as ``n * (1 - 1 / J)``.
    Otherwise it leaves numeric columns unpenalised. Columns of a DataFrame are
    standardised for the ridge, those of an array not.
    The standard deviation that the features give the linear predictor has a
    half-normal prior with scale 2.5 logits, which matters for few judgments only.
"""

_POPULATION = """\
population : {"marginal", "conditional"} or dict, default="marginal"
    What a participant not seen in fit stands for: the average over all
    participants, or one whose effects are zero. A dict says so by grouping
    factor, such as ``{"participant": "marginal", "item": "conditional"}``;
    factors it does not name are "marginal".
"""

_TEXT_COLUMNS = """\
text_columns : list of str, default=None
    Columns of X that are text. None takes all columns of strings.
"""

_N_QUADRATURE = """\
n_quadrature : int, default=1
    How the integral over a participant's effects is approximated. 1 is the Laplace
    approximation. More are the nodes of adaptive Gauss-Hermite quadrature, of
    which 10 are worthwhile below about ten judgments per participant; only with
    one grouping factor and ``alpha=0``. 0 is the Laplace approximation too, but at
    the coefficients that maximise the joint density with the effects instead of
    the marginal likelihood: faster with many coefficients, which are a little too
    small (``nAGQ=0`` of lme4). The restricted likelihood does not depend on the
    coefficients; there 0 is the same as 1.
"""

_FITTING = """\
max_iter : int, default=500
    Largest number of optimizer iterations.
tol : float, default=1e-6
    Gradient of the log-likelihood at which the optimizer stops.
warm_start : bool, default=False
    Whether fit begins at the solution of the previous fit of this object, for
    judgments like the previous ones: a few more, with other participants, items
    or texts. The result is that of a fit without it, up to ``tol``; the search
    is shorter. With other labels, and for factors that the previous model did
    not have, it begins afresh.
device : str, default=None
    Where a Hugging Face encoder runs.
random_state : int, RandomState or None, default=None
    Seed of the default text encoder's decomposition.
verbose : int, default=0
    Whether each iteration prints a line, and a named encoder now and then how many
    texts it has encoded.
"""

_FITTED = """\
coef_names_ : list of str
    Names of the features.
effects_ : dict of str to FactorEffects
    Levels, conditional modes and conditional covariances by grouping factor.
variance_components_ : list of VarianceComponents
    Estimated covariance of the effects of each grouping factor.
variance_history_ : list of ndarray
    Variance parameters after each iteration.
alpha_ : float
    Ridge precision used; 0 without penalised coefficients.
log_likelihood_, aic_, bic_ : float
    Marginal log-likelihood (restricted if ``is_reml_``) and information criteria.
is_reml_ : bool
    Whether the fixed effects were integrated out.
groups_ : ndarray or None
    Participants seen in fit, those with too few judgments for effects of their
    own left out (``MixedEffects(min_samples_for_random_effects=...)``).
n_iter_ : int
    Number of optimizer iterations.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray
    Their names, if X has names.
"""

_PARTS = {
    "mixed_effects": _MIXED_EFFECTS,
    "candidate_effects": _CANDIDATE_EFFECTS,
    "n_alternatives": _N_ALTERNATIVES,
    "own_features": _OWN_FEATURES,
    "candidate_coef": _CANDIDATE_COEF,
    "new_contexts": _NEW_CONTEXTS,
    "candidate_references": _CANDIDATE_REFERENCES,
    "encoder": _ENCODER,
    "alpha": _ALPHA,
    "fine_tuning": _FINE_TUNING,
    "population": _POPULATION,
    "text_columns": _TEXT_COLUMNS,
    "n_quadrature": _N_QUADRATURE,
    "fitting": _FITTING,
    "fitted": _FITTED,
}


def fill_docs(cls: _T) -> _T:
    """Put the shared documentation in place of lines such as ``{encoder}``.

    Parameters
    ----------
    cls : type
        A class whose docstring has such lines. ``{fitting}`` stands for the parameters
        of the search, ``{fitted}`` for the fitted attributes that all models have.

    Returns
    -------
    cls : type
        The same class.
    """
    return fill(cls, _PARTS)
