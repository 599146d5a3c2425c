"""Yes/no judgments."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from bead_sklearn._sklearn import Interval
from bead_sklearn.tasks._classifier import MixedModelClassifier


class BinaryClassifier(MixedModelClassifier):
    """Judgments with two labels, as a mixed-effects logistic regression.

        P(y = positive_class) = 1 / (1 + exp(-eta)),   eta = X beta + Z u,   u ~ N(0, G)

    Participants (and items) have effects u that are estimated together with their
    covariance G by maximum marginal likelihood, in the Laplace approximation [1]_.
    Texts become features of ``encoder``, whose coefficients stand under a ridge.

    Parameters
    ----------
    mixed_effects : str or MixedEffects, default="auto"
        What varies over participants and items: "fixed" (nothing), "auto" (the
        intercept if ``groups`` are passed), "random_intercepts", "random_slopes"
        (intercept and coefficients), a formula such as
        ``"(1 + trial | participant) + (1 | item)"`` over columns of X, or a
        :class:`~bead_sklearn.effects.MixedEffects`.
    encoder : str, transformer or callable, default=None
        Turns texts into features. None is
        :class:`~bead_sklearn.encoders.HashedTextEncoder`, which needs no download; a
        string is the name or path of a Hugging Face model; otherwise a scikit-learn
        transformer or a function from a list of str to an array.
    alpha : float or "auto", default="auto"
        Ridge precision: the penalty is ``alpha / 2 * sum(coef ** 2)``. 0 leaves
        coefficients unpenalised, as lme4 does. "auto" estimates it by marginal
        likelihood for text features, and for numeric columns when there are fewer
        than 10 judgments per column; otherwise it leaves numeric columns unpenalised.
        Columns of a DataFrame are standardised for the ridge, those of an array not.
        The standard deviation that the features give the linear predictor has a
        half-normal prior with scale 2.5 logits, which matters for few judgments only.
    population : {"marginal", "conditional"} or dict, default="marginal"
        What a participant not seen in fit stands for: the average over all
        participants, or one whose effects are zero. A dict says so by grouping
        factor, such as ``{"participant": "marginal", "item": "conditional"}``;
        factors it does not name are "marginal".
    positive_class : str, int or bool, default=None
        The label whose probability is modelled. None is the second in sorted order.
    family : {"bernoulli", "bernoulli_probit"} or Family, default="bernoulli"
        Response distribution: with the logit or the probit link.
    text_columns : list of str, default=None
        Columns of X that are text. None takes all columns of strings.
    n_quadrature : int, default=1
        How the integral over a participant's effects is approximated. 1 is the Laplace
        approximation. More are the nodes of adaptive Gauss-Hermite quadrature, of
        which 10 are worthwhile below about ten judgments per participant; only with
        one grouping factor and ``alpha=0``. 0 is the Laplace approximation too, but at
        the coefficients that maximise the joint density with the effects instead of
        the marginal likelihood: faster with many coefficients, which are a little too
        small (``nAGQ=0`` of lme4). The restricted likelihood does not depend on the
        coefficients; there 0 is the same as 1.
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
        Whether each iteration prints a line.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, the positive class second.
    coef_ : ndarray of shape (1, n_features)
        Coefficients, in logits per unit of the feature. Under a ridge they are
        posterior means rather than modes.
    coef_names_ : list of str
        Names of the features.
    intercept_ : ndarray of shape (1,)
        Intercept in logits.
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

    See Also
    --------
    MagnitudeRegressor : Judgments that are numbers.

    References
    ----------
    .. [1] Breslow & Clayton (1993). Approximate inference in generalized linear mixed
       models. Journal of the American Statistical Association 88, 9-25.
       doi:10.1080/01621459.1993.10594284

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("binary", n_participants=40, n_items=60, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> model.variance_components_[0].n_groups
    40
    >>> model.predict_proba(d.X, groups=d.groups).shape == (len(d.y), 2)
    True
    """

    _response = "binary"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelClassifier._parameter_constraints,
        "positive_class": [str, int, float, "boolean", None],
        "n_quadrature": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        alpha: float | str = "auto",
        population: str = "marginal",
        positive_class: Any = None,
        family: Any = "bernoulli",
        text_columns: Any = None,
        n_quadrature: int = 1,
        max_iter: int = 500,
        tol: float = 1e-6,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.mixed_effects = mixed_effects
        self.encoder = encoder
        self.alpha = alpha
        self.population = population
        self.positive_class = positive_class
        self.family = family
        self.text_columns = text_columns
        self.n_quadrature = n_quadrature
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def predict_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the probability of each label.

        The linear predictor is uncertain; probabilities are averaged over its
        distribution given the judgments by numerical integration, and over all
        participants where the participant is new.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)
            In the order of ``classes_``.
        """
        positive = self._family_mean(X, groups)
        return np.column_stack([1.0 - positive, positive])

    @property
    def _n_quadrature(self) -> int:  # type: ignore[override]
        return self.n_quadrature

    def _family_mean(self, X: Any, groups: Any) -> np.ndarray:
        mean, variance = self._predict_eta(X, groups)
        return self._family.mean_over(mean, variance)

    def _encode_target(self, y: Any) -> np.ndarray:
        labels = self._read_labels(y)
        classes = np.unique(labels)
        if len(classes) > 2:
            shown = ", ".join(map(repr, classes[:6].tolist())) + ", ..." * (
                len(classes) > 6
            )
            raise ValueError(
                "Only binary classification is supported: y has "
                f"{len(classes)} labels ({shown})."
            )
        if self.positive_class is not None:
            if self.positive_class not in classes.tolist():
                raise ValueError(
                    f"positive_class={self.positive_class!r} is not among the labels "
                    f"of y: {classes.tolist()}."
                )
            order = np.argsort(classes == self.positive_class, kind="stable")
            classes = classes[order]
        self.classes_ = classes
        return (labels == classes[-1]).astype(np.float64)

    def _check_kept(self, target: np.ndarray) -> None:
        present = self.classes_[
            np.unique(target).astype(int) - (2 - len(self.classes_))
        ]
        if len(present) < 2:
            raise ValueError(
                f"y has only one class among its {len(target)} judgments of positive "
                f"sample_weight, {present.tolist()}; two classes are needed."
            )

    def _store(self, *args: Any) -> None:
        super()._store(*args)
        self.coef_ = self.coef_[None, :]
        self.intercept_ = np.array([self.intercept_])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
