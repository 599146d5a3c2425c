"""Judgments on a bounded continuous scale."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import Interval
from bead_sklearn.families import (
    Beta,
    Family,
    OrderedBeta,
    TruncatedNormal,
    get_family,
)
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._regressor import MixedModelRegressor
from bead_sklearn.tasks._rows import Rows

_LARGEST_BELOW_ONE = 1.0 - 0.5 * np.finfo(np.float64).eps
_TINY = np.finfo(np.float64).tiny


@fill_docs
class OrdinalScaleRegressor(MixedModelRegressor):
    r"""Judgments on a bounded continuous scale, such as a slider, as a mixed model.

    With :math:`\eta = X \beta + Z u`, :math:`u \sim N(0, G)`, the response given
    :math:`\eta` is

    - "truncated_normal": :math:`N(\eta, \sigma^2)` within the scale,
    - "ordered_beta" [1]_: at an end of the scale with probability
      :math:`F(c_0 - \eta)` or :math:`F(\eta - c_1)`, F logistic, and beta
      distributed with mean :math:`F(\eta)` and precision :math:`\phi` between them,
    - "beta" [2]_: beta distributed, the ends excluded.

    Participants (and items) have effects u that are estimated together with their
    covariance G and the parameters of the family by maximum marginal likelihood, in
    the Laplace approximation. Texts become features of ``encoder``, whose
    coefficients stand under a ridge.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    {fine_tuning}
    {alpha}
    {population}
    scale : (float, float), default=(0.0, 1.0)
        Lower and upper end of the scale. Values outside are an error.
    family : {"truncated_normal", "ordered_beta", "beta"} or Family, \
            default="truncated_normal"
        Response distribution; the parameters of an object are estimated too. An
        object is for the unit of the family: of y for the truncated normal, from 0
        to 1 for the others.
    sigma : float, default=None
        Standard deviation of the truncated normal before truncation, in the unit of
        y. None estimates it. No other family has one.
    {text_columns}
    {n_quadrature}
    {fitting}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients per unit of the feature: in the unit of y, before truncation, for
        the truncated normal, in logits for the others. Under a ridge they are
        posterior means rather than modes.
    intercept_ : float
        Intercept, likewise.
    sigma_ : float
        Standard deviation before truncation; only for the truncated normal.
    precision_ : float
        Precision phi; only for the beta families.
    thresholds_ : ndarray of shape (2,)
        c_0 and c_1 where eta is in logits; only for the ordered beta.
    {fitted}

    See Also
    --------
    OrdinalScaleClassifier : Judgments on a scale of few ordered categories.
    MagnitudeRegressor : Numbers without bounds, or bounded on one side.

    Notes
    -----
    Sliders are often pushed to an end. The truncated normal takes values at the ends
    as any others: it fits them by a wide sigma, and predicts none exactly there. Where
    more than a few judgments are at the ends, "ordered_beta" says how many will be;
    see :meth:`predict_ends`. The likelihoods of the two cannot be compared if there
    are judgments at the ends: one holds densities, the other probabilities there.

    References
    ----------
    .. [1] Kubinec (2023). Ordered beta regression: a parsimonious, well-fitting model
       for continuous data with lower and upper bounds. Political Analysis 31,
       519-536. doi:10.1017/pan.2022.20
    .. [2] Ferrari & Cribari-Neto (2004). Beta regression for modelling rates and
       proportions. Journal of Applied Statistics 31, 799-815.
       doi:10.1080/0266476042000214501

    Examples
    --------
    >>> from bead_sklearn import OrdinalScaleRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("slider", n_participants=30, n_items=60, random_state=0)
    >>> model = OrdinalScaleRegressor(family="ordered_beta")
    >>> model = model.fit(d.X, d.y, groups=d.groups)
    >>> lower, median, upper = model.predict_dist(d.X, groups=d.groups).T
    >>> bool(((lower >= 0) & (upper <= 1)).all())
    True
    """

    _response = "bounded"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelRegressor._parameter_constraints,
        **FINE_TUNING,
        "family": [str, Family],
        "scale": ["array-like"],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
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
        scale: Any = (0.0, 1.0),
        family: Any = "truncated_normal",
        sigma: float | None = None,
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
        self.scale = scale
        self.family = family
        self.sigma = sigma
        self.n_quadrature = n_quadrature

    def predict_ends(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the probabilities of the two ends of the scale.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)
            Of a judgment exactly at the lower and at the upper end; 0 for families
            other than the ordered beta.
        """
        _, mean, variance = self._predict_eta(X, groups)
        if not isinstance(self._family, OrderedBeta):
            return np.zeros((len(mean), 2))
        return self._family.end_probabilities_over(mean, variance)

    @property
    def _n_quadrature(self) -> int:  # type: ignore[override]
        return self.n_quadrature

    def _check_parameters(self) -> None:
        ends = self._ends()
        family = self._make_family()
        if isinstance(family, TruncatedNormal):
            if isinstance(self.family, Family) and family.support != ends:
                raise ValueError(
                    f"family is a truncated normal on {family.support}, but scale is "
                    f"{ends}."
                )
            if self.sigma is not None and isinstance(self.family, Family):
                raise ValueError(
                    "sigma is given and family is an object, which has a sigma of its "
                    "own. Set one of them."
                )
        elif self.sigma is not None:
            raise ValueError(
                f"sigma={self.sigma!r} is the standard deviation of the family "
                f"'truncated_normal'; {family.name!r} has none. Leave it at None."
            )

    def _make_family(self) -> Family:
        parameters: dict[str, Any] = {}
        if self.family == "truncated_normal":
            parameters["lower"], parameters["upper"] = self._ends()
            if self.sigma is not None:
                parameters |= {"sigma": float(self.sigma), "fixed": True}
        return get_family(self.family, response=self._response, **parameters)

    def _ends(self) -> tuple[float, float]:
        ends = np.asarray(self.scale)
        if (
            ends.shape != (2,)
            or ends.dtype.kind not in "iuf"
            or not (np.isfinite(ends).all() and ends[0] < ends[1])
        ):
            raise ValueError(
                "scale must be two finite numbers, the lower end first. Got "
                f"{self.scale!r}."
            )
        return float(ends[0]), float(ends[1])

    @property
    def _has_unit_scale(self) -> bool:
        """Whether the family's responses are from 0 to 1, whatever the scale is."""
        return not isinstance(self._make_family(), TruncatedNormal)

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        values = super()._encode_target(y, judgments)
        low, high = self._ends()
        _check_on_scale(values, low, high)
        family = self._make_family()
        if not self._has_unit_scale:
            return values
        at_end = np.flatnonzero((values == low) | (values == high))
        if isinstance(family, Beta) and len(at_end):
            row = at_end[0]
            raise ValueError(
                f"The beta family has no values at the ends of the scale ({low:g}, "
                f"{high:g}). y has {len(at_end)}, the first in row {row}: "
                f"{values[row]:g}. Use family='ordered_beta', which has."
            )
        share = (values - low) / (high - low)
        inside = (values > low) & (values < high)
        return np.where(inside, np.clip(share, _TINY, _LARGEST_BELOW_ONE), share)

    def _check_kept(self, target: np.ndarray) -> None:
        super()._check_kept(target)
        family = self._make_family()
        if isinstance(family, OrderedBeta) and not ((target > 0) & (target < 1)).any():
            raise ValueError(
                f"All {len(target)} judgments of y are at the ends of the scale "
                f"{self._ends()}, which tell nothing about the values between them. "
                "Use BinaryClassifier for the ends."
            )
        if not getattr(family, "fixed", False) and (target == target[0]).all():
            raise ValueError(
                f"y is constant: all {len(target)} judgments are "
                f"{self._to_scale(target[:1])[0]:g}. The spread of the family "
                f"{family.name!r} has no estimate. Check the responses."
            )

    @property
    def _unit(self) -> float:
        low, high = self._ends()
        return high - low if self._has_unit_scale else 1.0

    def _to_scale(self, values: np.ndarray) -> np.ndarray:
        if not self._has_unit_scale:
            return values
        low, high = self._ends()
        return np.where(values >= 1.0, high, low + (high - low) * values)

    def _log_unit(self, target: np.ndarray) -> np.ndarray:
        # Values at an end have a probability rather than a density.
        inside = (target > 0) & (target < 1)
        return np.where(inside, -np.log(self._unit), 0.0)

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        if target is not None and weights is not None:
            self._log_units = float(weights @ self._log_unit(target))
        return super()._lay_out(judgments, ids, target, weights)

    def _unit_constant(self) -> float:
        return super()._unit_constant() + self._log_units

    def _set_coefficients(
        self, intercept: np.ndarray, coefficients: np.ndarray
    ) -> None:
        super()._set_coefficients(intercept, coefficients)
        for name in ("sigma_", "precision_", "thresholds_"):
            self.__dict__.pop(name, None)
        self.__dict__.update(self._parameter_attributes())

    def _parameter_attributes(self) -> dict[str, Any]:
        family = self._family
        if isinstance(family, TruncatedNormal):
            return {"sigma_": family.sigma}
        if isinstance(family, OrderedBeta):
            thresholds = np.array([family.lower_threshold, family.upper_threshold])
            return {"precision_": family.precision, "thresholds_": thresholds}
        assert isinstance(family, Beta)
        return {"precision_": family.precision}


def _check_on_scale(values: np.ndarray, low: float, high: float) -> None:
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"y has {len(wrong)} value(s) outside the scale ({low:g}, {high:g}), the "
            f"first in row {row}: {values[row]:g}. Pass scale=(lower, upper) as the "
            "slider was, or correct the responses."
        )
