"""Judgments on a scale of ordered categories."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.families import Cumulative, Family, get_family
from bead_sklearn.inputs import Judgments, declared_order, match_levels
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._rows import Rows


@fill_docs
class OrdinalScaleClassifier(MixedModelClassifier):
    r"""Judgments on an ordered scale, such as 1 to 7, as a cumulative link mixed model.

    .. math:: P(y \le k) = F(\theta_k - \eta), \quad \eta = X \beta + Z u,
        \quad u \sim N(0, G),

    with F logistic or normal and thresholds :math:`\theta_1 < \theta_2 < \dots`
    between neighbouring categories [1]_, in the place of an intercept. Positive
    coefficients speak for higher categories. Participants (and items) have effects u
    that are estimated together with their covariance G and the thresholds by maximum
    marginal likelihood, in the Laplace approximation; a participant's intercept is
    where on the scale they tend to answer. Texts become features of ``encoder``,
    whose coefficients stand under a ridge.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    {fine_tuning}
    {alpha}
    {population}
    categories : array-like of shape (n_categories,), default=None
        All categories from the lowest to the highest, also those that nobody chose.
        None takes those in y, in the order of an ordered pandas Categorical or a
        polars Enum if y is one, else sorted. More than two labels that are strings
        should be declared: their alphabetical order is taken with a warning.
    thresholds : {"flexible", "equidistant"}, default="flexible"
        Whether thresholds are free or have equal distances.
    family : {"cumulative_logit", "cumulative_probit"} or Family, \
            default="cumulative_logit"
        Response distribution. An object must have as many categories as there are,
        and says itself whether thresholds are equidistant.
    {text_columns}
    {n_quadrature}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_categories,)
        The categories, from the lowest to the highest.
    coef_ : ndarray of shape (1, n_features)
        Coefficients on the scale of the thresholds, per unit of the feature. Under a
        ridge they are posterior means rather than modes.
    thresholds_ : ndarray of shape (n_categories - 1,)
        Thresholds where all features are 0, as for ``coef_``. Those beside a category
        that nobody chose are equal, or infinite at the ends of the scale, if they are
        flexible.
    {fitted}

    See Also
    --------
    OrdinalScaleRegressor : Judgments on a bounded continuous scale.

    Notes
    -----
    ``predict`` returns the most probable category, which maximises accuracy; for the
    expected category see :meth:`predict_mean`. ``classes_`` and the columns of
    ``predict_proba`` are in the order of the scale. Metrics of probabilities in
    scikit-learn take sorted labels: with categories that sort in another order, give
    them numbers.

    A declared category without judgments has probability 0 under flexible thresholds,
    which is its maximum-likelihood estimate, and a warning says so. Equidistant
    thresholds give it a probability.

    References
    ----------
    .. [1] McCullagh (1980). Regression models for ordinal data. Journal of the Royal
       Statistical Society B 42, 109-142. doi:10.1111/j.2517-6161.1980.tb01109.x

    Examples
    --------
    >>> from bead_sklearn import OrdinalScaleClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("ordinal", n_participants=30, n_items=60, random_state=0)
    >>> model = OrdinalScaleClassifier(categories=[1, 2, 3, 4, 5])
    >>> model = model.fit(d.X, d.y, groups=d.groups)
    >>> bool((model.thresholds_[1:] > model.thresholds_[:-1]).all())
    True
    >>> model.predict_proba(d.X, groups=d.groups).shape == (len(d.y), 5)
    True
    """

    _response = "ordinal"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelClassifier._parameter_constraints,
        **FINE_TUNING,
        "family": [str, Family],
        "categories": ["array-like", None],
        "thresholds": [StrOptions({"flexible", "equidistant"})],
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
        categories: Any = None,
        thresholds: str = "flexible",
        family: Any = "cumulative_logit",
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
        self.categories = categories
        self.thresholds = thresholds
        self.family = family
        self.n_quadrature = n_quadrature

    def predict_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the probability of each category.

        The linear predictor is uncertain; probabilities are averaged over its
        distribution given the judgments, and over all participants where the
        participant is new. Thresholds are taken as they were estimated.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_categories)
            In the order of ``classes_``.
        """
        _, mean, variance = self._predict_eta(X, groups)
        return self._of_all(
            self._cumulative.category_probabilities_over(mean, variance)
        )

    def predict_mean(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict the expected category.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Mean of ``classes_`` under :meth:`predict_proba` if they are numbers, else
            of their positions 1, 2, ... on the scale. It takes the distances between
            categories at face value.
        """
        probabilities = self.predict_proba(X, groups=groups)
        values = np.arange(1.0, len(self.classes_) + 1.0)
        if self.classes_.dtype.kind in "iuf":
            values = self.classes_.astype(np.float64)
        return np.asarray(probabilities @ values)

    @property
    def _n_quadrature(self) -> int:  # type: ignore[override]
        return self.n_quadrature

    @property
    def _is_equidistant(self) -> bool:
        if isinstance(self.family, Cumulative):
            return self.family.equidistant
        return bool(self.thresholds == "equidistant")

    @property
    def _cumulative(self) -> Cumulative:
        assert isinstance(self._family, Cumulative)
        return self._family

    def _make_family(self) -> Family:
        n_categories = len(self._observed)
        family = get_family(
            self.family,
            response=self._response,
            n_categories=n_categories,
            equidistant=self._is_equidistant,
        )
        if not isinstance(family, Cumulative):
            raise ValueError(
                "family must be cumulative. Got an object of the family "
                f"{family.name!r}."
            )
        if family.n_categories != n_categories:
            raise ValueError(
                f"family has {family.n_categories} categories, but the scale has "
                f"{n_categories}: {self.classes_[self._observed].tolist()}."
            )
        return family

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        del judgments
        order = self.categories
        if order is None:
            order = declared_order(y)
        labels = self._read_labels(y)
        found = np.unique(labels)
        if order is None:
            self.classes_, codes = np.unique(labels, return_inverse=True)
            _warn_if_order_is_alphabetical(self.classes_)
        else:
            self.classes_ = _read_categories(order, labels)
            codes = match_levels(self.classes_, labels)
            if (codes < 0).any():
                row = int(np.flatnonzero(codes < 0)[0])
                unknown = [
                    label
                    for label in found.tolist()
                    if label not in self.classes_.tolist()
                ]
                raise ValueError(
                    f"y has values that are not among the categories "
                    f"{self.classes_.tolist()}: {unknown}, the first in row {row}: "
                    f"{labels.tolist()[row]!r}."
                )
        return codes.astype(np.float64)

    def _check_kept(self, target: np.ndarray) -> None:
        observed = np.unique(target).astype(np.intp)
        if len(observed) < 2:
            raise ValueError(
                f"y has only one class among its {len(target)} judgments of positive "
                f"sample_weight, {self.classes_[observed].tolist()}; two classes are "
                "needed."
            )

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        if target is not None:
            target = self._among_observed(target)
        return super()._lay_out(judgments, ids, target, weights)

    def _among_observed(self, target: np.ndarray) -> np.ndarray:
        """Renumber the categories, without those that have no judgments."""
        n_categories = len(self.classes_)
        observed = np.unique(target).astype(np.intp)
        self._observed = np.arange(n_categories)
        if len(observed) == n_categories:
            return target
        if self._is_equidistant:
            if observed[-1] - observed[0] == 1:
                raise ValueError(
                    "y has judgments in two neighbouring categories only, "
                    f"{self.classes_[observed].tolist()}, which tell nothing about the "
                    "distance of equidistant thresholds. Use thresholds='flexible'."
                )
            return target
        self._observed = observed
        missing = np.delete(self.classes_, observed).tolist()
        if self.categories is not None:
            warnings.warn(
                f"No judgment is in the categories {missing}; with flexible thresholds "
                "their probability is estimated as 0. thresholds='equidistant' gives "
                "them one.",
                UserWarning,
                stacklevel=5,
            )
        return np.searchsorted(observed, target).astype(np.float64)

    def _of_all(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities of the observed categories with zeros for others."""
        if len(self._observed) == len(self.classes_):
            return probabilities
        result = np.zeros((len(probabilities), len(self.classes_)))
        result[:, self._observed] = probabilities
        return result

    def _response_mean(self, family: Family, eta: np.ndarray) -> np.ndarray:
        assert isinstance(family, Cumulative)
        return self._of_all(family.category_probabilities(eta))

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        del rows
        return self.classes_[self._observed[target.astype(np.intp)]]

    def _target_labels(self) -> list[Any]:
        return list(self.classes_[self._observed].tolist())

    def _set_coefficients(
        self, intercept: np.ndarray, coefficients: np.ndarray
    ) -> None:
        self.coef_ = coefficients
        # The columns are centred: what eta lacks at 0 is in the thresholds.
        cuts = self._cumulative.thresholds - intercept[0]
        below = np.searchsorted(
            self._observed, np.arange(len(self.classes_) - 1), "right"
        )
        self.thresholds_ = np.concatenate([[-np.inf], cuts, [np.inf]])[below]

    def _family_parameters(self) -> dict[str, float]:
        names = [
            f"{low}|{high}"
            for low, high in zip(self.classes_[:-1], self.classes_[1:], strict=True)
        ]
        return dict(zip(names, self.thresholds_.tolist(), strict=True))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # Classes in no particular order are beyond it.
        tags.classifier_tags.poor_score = True
        return tags


def _read_categories(order: Any, labels: np.ndarray) -> np.ndarray:
    """Return the declared categories as an array like the labels."""
    values = order.tolist() if hasattr(order, "tolist") else list(order)
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(
            "categories must hold two or more different values, from the lowest to "
            f"the highest. Got {values!r}."
        )
    categories = np.asarray(values)
    if categories.ndim != 1 or (categories.dtype.kind in "US") != all(
        isinstance(value, str) for value in values
    ):
        raise ValueError(
            "categories must be one list of strings or one list of numbers. Got "
            f"{values!r}."
        )
    if labels.dtype.kind == "O" and categories.dtype.kind in "US":
        categories = categories.astype(object)
    return categories


def _warn_if_order_is_alphabetical(classes: np.ndarray) -> None:
    if len(classes) > 2 and all(isinstance(label, str) for label in classes.tolist()):
        shown = ", ".join(map(repr, classes[:8].tolist())) + ", ..." * (
            len(classes) > 8
        )
        warnings.warn(
            "The labels of y are strings and are taken to be ordered alphabetically: "
            f"{shown}. Pass categories=[...] from the lowest to the highest.",
            UserWarning,
            stacklevel=5,
        )
