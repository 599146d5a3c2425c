"""Judgments that are numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import Interval
from bead_sklearn.families import (
    Family,
    QuadraticFamily,
    TruncatedNormal,
    get_family,
)
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._regressor import MixedModelRegressor


@fill_docs
class MagnitudeRegressor(MixedModelRegressor):
    """Judgments that are numbers, as a linear mixed model.

        y = X beta + Z u + e,   u ~ N(0, G),   e ~ N(0, sigma^2),

    or log(y) for the lognormal family; the truncated normal family has the
    distribution of y within bounds.
    Participants (and items) have effects u that are estimated together with their
    covariance G and sigma by maximum marginal likelihood, restricted or not, which is
    exact here [1]_, but for the truncated normal family, whose integral over u is in
    the Laplace approximation. Texts become features of ``encoder``, whose
    coefficients stand under a ridge.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    {fine_tuning}
    alpha : float or "auto", default="auto"
        Ridge precision relative to the residual variance, as in
        :class:`sklearn.linear_model.Ridge`; for the truncated normal family absolute,
        in the unit of y to the power of -2. 0 leaves coefficients unpenalised, as
        lme4 does. "auto" estimates it by marginal likelihood for text features, and
        for numeric columns when there are fewer than 10 judgments per column, or 20
        per column after the second; otherwise it leaves numeric columns unpenalised.
        Columns of a DataFrame are standardised for the ridge, those of an array not.
    population : {"marginal", "conditional"} or dict, default="marginal"
        What a participant not seen in fit stands for: any participant, whose effects
        vary, or one whose effects are zero. The predicted mean is the same; the
        standard deviation is not. A dict says so by grouping factor, such as
        ``{"participant": "marginal", "item": "conditional"}``; factors it does not
        name are "marginal".
    family : {"normal", "lognormal", "truncated_normal"} or Family, default="normal"
        Response distribution. "lognormal" models log(y), as is usual for reading
        times; predictions are in the unit of y, coefficients in that of log(y).
        "truncated_normal" is the normal distribution within ``bounds``. The sigma of
        an object is estimated too, unless it is ``fixed``.
    bounds : (float, float), default=None
        Lower and upper bound of y for ``family="truncated_normal"``, where they are
        needed; one of them may be infinite. Values outside are an error.
    sigma : float, default=None
        Residual standard deviation, of log(y) for the lognormal family and before
        truncation for the truncated normal. None estimates it.
    unit : str, default=None
        Unit of y, such as "ms", for :meth:`summary`.
    {text_columns}
    n_quadrature : int, default=1
        Nodes of adaptive Gauss-Hermite quadrature over a participant's effects for
        ``family="truncated_normal"``; 1 is the Laplace approximation. The other
        families are exact, and n_quadrature must be 1.
    {fitting}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the unit of y per unit of the feature.
    intercept_ : float
        Intercept in the unit of y.
    sigma_ : float
        Residual standard deviation in the unit of y, or log(y); as given, if it was.
    {fitted}

    See Also
    --------
    BinaryClassifier : Judgments with two labels.
    OrdinalScaleRegressor : Judgments on a slider with two ends.

    References
    ----------
    .. [1] Bates, Maechler, Bolker & Walker (2015). Fitting linear mixed-effects
       models using lme4. Journal of Statistical Software 67(1).
       doi:10.18637/jss.v067.i01

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("magnitude", n_participants=30, n_items=40, random_state=0)
    >>> model = MagnitudeRegressor().fit(d.X, d.y, groups=d.groups)
    >>> mean, sd = model.predict(d.X, groups=d.groups, return_std=True)
    >>> bool((sd > model.sigma_).all())
    True
    """

    _response = "real"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelRegressor._parameter_constraints,
        **FINE_TUNING,
        "family": [str, Family],
        "bounds": ["array-like", None],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "unit": [str, None],
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
        family: Any = "normal",
        bounds: Any = None,
        sigma: float | None = None,
        unit: str | None = None,
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
        self.family = family
        self.bounds = bounds
        self.sigma = sigma
        self.unit = unit
        self.n_quadrature = n_quadrature

    @property
    def _n_quadrature(self) -> int:  # type: ignore[override]
        return self.n_quadrature

    def _check_parameters(self) -> None:
        if self.sigma is not None and isinstance(self.family, Family):
            raise ValueError(
                "sigma is given and family is an object, which has a sigma of its own. "
                "Set one of them."
            )
        if self.bounds is not None and self.family != TruncatedNormal.name:
            raise ValueError(
                f"bounds={self.bounds!r} have no effect unless "
                f"family='truncated_normal'. Got family={self.family!r}."
            )
        family = self._make_family()
        if isinstance(family, QuadraticFamily) and self.n_quadrature != 1:
            raise ValueError(
                f"n_quadrature={self.n_quadrature} has no effect: the likelihood of "
                f"the {family.name} family is exact. Leave it at 1."
            )

    def _make_family(self) -> Family:
        parameters: dict[str, Any] = {}
        if self.family == TruncatedNormal.name:
            parameters["lower"], parameters["upper"] = self._read_bounds()
        if self.sigma is not None and isinstance(self.family, str):
            parameters |= {"sigma": float(self.sigma), "fixed": True}
        return get_family(
            self.family,
            response=self._response,
            also=(TruncatedNormal.name,),
            **parameters,
        )

    def _read_bounds(self) -> tuple[float, float]:
        bounds = np.asarray((np.nan,) if self.bounds is None else self.bounds)
        if (
            bounds.shape != (2,)
            or bounds.dtype.kind not in "iuf"
            or not bounds[0] < bounds[1]
            or np.isinf(bounds).all()
        ):
            raise ValueError(
                "family='truncated_normal' needs bounds=(lower, upper), the lower one "
                "first and at most one of them infinite; without bounds it is "
                f"'normal'. Got bounds={self.bounds!r}."
            )
        return float(bounds[0]), float(bounds[1])

    def _check_kept(self, target: np.ndarray) -> None:
        super()._check_kept(target)
        family = self._make_family()
        if not isinstance(family, TruncatedNormal) or family.fixed:
            return
        if (target == target[0]).all():
            raise ValueError(
                f"y is constant: all {len(target)} judgments are {target[0]:g}. The "
                "sigma of the truncated normal family has no estimate. Check the "
                "responses."
            )

    def _set_coefficients(
        self, intercept: np.ndarray, coefficients: np.ndarray
    ) -> None:
        super()._set_coefficients(intercept, coefficients)
        if isinstance(self._family, TruncatedNormal):
            self.sigma_ = self._family.sigma
