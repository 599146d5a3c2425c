"""Yes/no judgments."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from bead_sklearn._sklearn import Interval
from bead_sklearn.families import Family
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._rows import Rows


@fill_docs
class BinaryClassifier(MixedModelClassifier):
    """Judgments with two labels, as a mixed-effects logistic regression.

        P(y = positive_class) = 1 / (1 + exp(-eta)),   eta = X beta + Z u,   u ~ N(0, G)

    Participants (and items) have effects u that are estimated together with their
    covariance G by maximum marginal likelihood, in the Laplace approximation [1]_.
    Texts become features of ``encoder``, whose coefficients stand under a ridge.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    {fine_tuning}
    {alpha}
    {population}
    positive_class : str, int or bool, default=None
        The label whose probability is modelled. None is the second in sorted order.
    family : {"bernoulli", "bernoulli_probit"} or Family, default="bernoulli"
        Response distribution: with the logit or the probit link.
    {text_columns}
    {n_quadrature}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, the positive class second.
    coef_ : ndarray of shape (1, n_features)
        Coefficients, in logits per unit of the feature. Under a ridge they are
        posterior means rather than modes.
    intercept_ : ndarray of shape (1,)
        Intercept in logits.
    {fitted}

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
        **FINE_TUNING,
        "family": [str, Family],
        "positive_class": [str, int, float, "boolean", None],
        "n_quadrature": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        fine_tune: str | int = "frozen",
        net: Any = None,
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
        self.positive_class = positive_class
        self.family = family
        self.n_quadrature = n_quadrature

    def _probabilities(
        self, rows: Rows, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        positive = rows.family.mean_over(mean, variance)
        return np.column_stack([1.0 - positive, positive])

    @property
    def _n_quadrature(self) -> int:  # type: ignore[override]
        return self.n_quadrature

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        del judgments
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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
