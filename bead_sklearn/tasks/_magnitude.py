"""Judgments that are numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from bead_sklearn.families import Family
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._regressor import MixedModelRegressor


@fill_docs
class MagnitudeRegressor(MixedModelRegressor):
    """Judgments that are numbers, as a linear mixed model.

        y = X beta + Z u + e,   u ~ N(0, G),   e ~ N(0, sigma^2),

    or log(y) for the lognormal family.
    Participants (and items) have effects u that are estimated together with their
    covariance G and sigma by maximum marginal likelihood, restricted or not, which is
    exact here [1]_. Texts become features of ``encoder``, whose coefficients stand
    under a ridge.

    Parameters
    ----------
    {mixed_effects}
    {encoder}
    alpha : float or "auto", default="auto"
        Ridge precision relative to the residual variance, as in
        :class:`sklearn.linear_model.Ridge`. 0 leaves coefficients unpenalised, as
        lme4 does. "auto" estimates it by marginal likelihood for text features, and
        for numeric columns when there are fewer than 10 judgments per column;
        otherwise it leaves numeric columns unpenalised. Columns of a DataFrame are
        standardised for the ridge, those of an array not.
    population : {"marginal", "conditional"} or dict, default="marginal"
        What a participant not seen in fit stands for: any participant, whose effects
        vary, or one whose effects are zero. The predicted mean is the same; the
        standard deviation is not. A dict says so by grouping factor, such as
        ``{"participant": "marginal", "item": "conditional"}``; factors it does not
        name are "marginal".
    family : {"normal", "lognormal"} or Family, default="normal"
        Response distribution. "lognormal" models log(y), as is usual for reading
        times; predictions are in the unit of y, coefficients in that of log(y). The
        sigma of an object is estimated too.
    {text_columns}
    {fitting}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the unit of y per unit of the feature.
    intercept_ : float
        Intercept in the unit of y.
    sigma_ : float
        Residual standard deviation in the unit of y, or log(y).
    {fitted}

    See Also
    --------
    BinaryClassifier : Judgments with two labels.

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
        "family": [str, Family],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        alpha: float | str = "auto",
        population: str = "marginal",
        family: Any = "normal",
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
        self.family = family
