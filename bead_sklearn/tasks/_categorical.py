"""Judgments with unordered labels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.families import Family, MultinomialLogit
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING


@fill_docs
class CategoricalClassifier(MixedModelClassifier):
    """Judgments with unordered labels, as a mixed-effects multinomial logit.

        P(y = k) = exp(eta_k) / sum_j exp(eta_j),   eta_0 = 0,
        eta_k = X beta_k + Z u_k,   u ~ N(0, G)

    Each label but the first has a linear predictor, with coefficients and effects of
    participants (and items) of its own; the effects of one participant on all labels
    covary [1]_. Predictions do not depend on which label is the first, unless the
    covariance over labels is "diagonal" or coefficients are under a ridge of a given
    strength. Texts become features of ``encoder``, whose coefficients stand under a
    ridge that treats all labels alike.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    {fine_tuning}
    encoding : {"dual", "joint"}, default="dual"
        How several texts of a row, such as a premise and a hypothesis, are encoded:
        each by itself, the features side by side; or together as a pair, which Hugging
        Face models read as such and other encoders as one text.
    {alpha}
    {population}
    {text_columns}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (n_classes - 1, n_features)
        Coefficients of the log odds of each label against the first.
    intercept_ : ndarray of shape (n_classes - 1,)
        Intercepts in logits.
    {fitted}

    See Also
    --------
    BinaryClassifier : Two labels.
    OrdinalScaleClassifier : Ordered labels.
    ForcedChoiceClassifier : Labels that are columns of X.

    References
    ----------
    .. [1] Hartzel, Agresti & Caffo (2001). Multinomial logit random effects models.
       Statistical Modelling 1(2), 81-102. doi:10.1177/1471082X0100100201

    Examples
    --------
    >>> from bead_sklearn import CategoricalClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments(
    ...     "categorical", n_participants=20, n_items=40, random_state=0
    ... )
    >>> model = CategoricalClassifier().fit(d.X, d.y, groups=d.groups)
    >>> model.variance_components_[0].effect_names
    ('(Intercept) [entailment]', '(Intercept) [neutral]')
    >>> model.predict_proba(d.X[:2], groups=d.groups[:2]).shape
    (2, 3)
    """

    _response = "categorical"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelClassifier._parameter_constraints,
        **FINE_TUNING,
        "encoding": [StrOptions({"dual", "joint"})],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        encoding: str = "dual",
        fine_tune: str | int = "frozen",
        net: Any = None,
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
        self.fine_tune = fine_tune
        self.net = net
        self.encoding = encoding

    @property
    def _joins_texts(self) -> bool:  # type: ignore[override]
        return self.encoding == "joint"

    def _make_family(self) -> Family:
        return MultinomialLogit(len(self.classes_))

    def _output_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.classes_[1:]))

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        del judgments
        self.classes_, codes = np.unique(self._read_labels(y), return_inverse=True)
        return codes.astype(np.float64)

    def _check_kept(self, target: np.ndarray) -> None:
        present = np.bincount(target.astype(np.intp), minlength=len(self.classes_)) > 0
        if present.sum() < 2:
            raise ValueError(
                f"y has only one class among its {len(target)} judgments of positive "
                f"sample_weight, {self.classes_[present].tolist()}; two classes are "
                "needed."
            )
        if not present.all():
            raise ValueError(
                f"All judgments of the label(s) {self.classes_[~present].tolist()} "
                "have sample_weight 0. Drop these judgments."
            )
