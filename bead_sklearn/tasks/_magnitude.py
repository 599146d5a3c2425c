"""Judgments that are numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, column_or_1d

from bead_sklearn._frames import make_frame
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.inputs import check_target_present
from bead_sklearn.tasks._base import MixedModel, row_ids

#: Probabilities at the ends of a 95 % interval.
_INTERVAL = (0.025, 0.975)


class MagnitudeRegressor(RegressorMixin, MixedModel):
    """Judgments that are numbers, as a linear mixed model.

        y = X beta + Z u + e,   u ~ N(0, G),   e ~ N(0, sigma^2),

    or log(y) for the lognormal family.
    Participants (and items) have effects u that are estimated together with their
    covariance G and sigma by maximum marginal likelihood, restricted or not, which is
    exact here [1]_. Texts become features of ``encoder``, whose coefficients stand
    under a ridge.

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
    text_columns : list of str, default=None
        Columns of X that are text. None takes all columns of strings.
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
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the unit of y per unit of the feature.
    coef_names_ : list of str
        Names of the features.
    intercept_ : float
        Intercept in the unit of y.
    sigma_ : float
        Residual standard deviation in the unit of y, or log(y).
    effects_ : dict of str to FactorEffects
        Levels, conditional modes and conditional covariances by grouping factor.
    variance_components_ : list of VarianceComponents
        Estimated covariance of the effects of each grouping factor.
    variance_history_ : list of ndarray
        Variance parameters, relative to sigma, after each iteration.
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
        **MixedModel._parameter_constraints
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
        self.mixed_effects = mixed_effects
        self.encoder = encoder
        self.alpha = alpha
        self.population = population
        self.family = family
        self.text_columns = text_columns
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def predict(
        self, X: Any, *, groups: Any = None, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict the mean response.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.
        return_std : bool, default=False
            Whether the standard deviation of a new judgment is returned too.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            In the unit of y.
        std : ndarray of shape (n_samples,)
            Standard deviation of one judgment: uncertainty of the coefficients and
            effects, variation between participants where the participant is new, and
            residual. Only if ``return_std``.
        """
        mean, variance = self._predict_eta(X, groups)
        response = self._family.mean_over(mean, variance)
        if return_std:
            return response, self._quadratic.predictive_sd(mean, variance)
        return response

    def predict_dist(
        self, X: Any, *, groups: Any = None, quantiles: Any = (0.025, 0.5, 0.975)
    ) -> np.ndarray:
        """Predict quantiles of a new judgment.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        quantiles : array-like of shape (n_quantiles,), default=(0.025, 0.5, 0.975)
            Probabilities strictly between 0 and 1.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the unit of y.

        Raises
        ------
        ValueError
            If a quantile is not between 0 and 1.
        """
        levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        if not ((levels > 0) & (levels < 1)).all():
            raise ValueError(
                f"quantiles must lie strictly between 0 and 1. Got {quantiles!r}."
            )
        mean, variance = self._predict_eta(X, groups)
        columns = [
            self._quadratic.predictive_quantile(mean, variance, level)
            for level in levels
        ]
        return np.stack(columns, axis=1)

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return R2 of :meth:`predict` with these participants.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was judged.
        y : array-like of shape (n_samples,)
            The answers.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judged.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the judgments.

        Returns
        -------
        score : float
            Share of the variance of y explained.
        """
        predicted = self.predict(X, groups=groups)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def predict_table(self, X: Any, *, groups: Any = None, ids: Any = None) -> Any:
        """Return predictions as a table.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows; their position by default.

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``id``, ``prediction``, ``lower`` and ``upper`` (95 % interval of
            a new judgment) and ``std``. A pandas DataFrame if pandas is installed,
            else polars, else records.
        """
        mean, std = self.predict(X, groups=groups, return_std=True)
        lower, upper = self.predict_dist(X, groups=groups, quantiles=_INTERVAL).T
        return make_frame(
            {
                "id": row_ids(ids, len(mean)),
                "prediction": mean,
                "lower": lower,
                "upper": upper,
                "std": std,
            }
        )

    @property
    def _quadratic(self) -> QuadraticFamily:
        assert isinstance(self._family, QuadraticFamily)
        return self._family

    def _check_kept(self, target: np.ndarray) -> None:
        if len(target) < 2:
            raise ValueError(
                f"y has {len(target)} judgment(s) of positive sample_weight "
                f"(n_samples = {len(target)}); at least 2 are needed."
            )

    def _encode_target(self, y: Any) -> np.ndarray:
        check_target_present(y)
        values = check_array(
            y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self
        )
        return np.asarray(column_or_1d(values, warn=True))
