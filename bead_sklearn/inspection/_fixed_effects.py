"""Tests of the fixed effects."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import t as student_t

from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._penalties import has_prior
from bead_sklearn.solvers import FTest, Posterior, kenward_roger, satterthwaite

#: Where the degrees of freedom come from, and how summaries say so.
METHODS = {
    "satterthwaite": "Satterthwaite's degrees of freedom",
    "kenward_roger": "Kenward and Roger's degrees of freedom",
}


class SmallSampleTheory(Protocol):
    """Tests of fixed effects that allow for the estimation of variances."""

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the fixed effects, (p, p)."""

    def degrees_of_freedom(self, contrast: np.ndarray) -> float:
        """Return the degrees of freedom of a contrast (p,)."""

    def f_test(self, contrasts: np.ndarray, estimates: np.ndarray) -> FTest:
        """Test whether contrasts (q, p) are zero together."""


@dataclass(frozen=True)
class FixedEffect:
    """One line of the table of fixed effects.

    Attributes
    ----------
    name : str
        Name of the column.
    estimate, standard_error, z, p_value : float
        Estimate on the scale of the linear predictor, its standard error at the
        estimated variances (adjusted by "kenward_roger"), their ratio and its
        two-sided p-value.
    df : float
        Degrees of freedom of Student's t for the p-value; infinite, the normal
        distribution, except for exact restricted likelihoods of normal responses
        without a ridge.
    """

    name: str
    estimate: float
    standard_error: float
    z: float
    p_value: float
    df: float = np.inf


@dataclass(frozen=True)
class FixedEffectsTest:
    """F test of several fixed effects; ``print`` it.

    Attributes
    ----------
    coefficients : tuple of str
        What is tested to be zero.
    statistic : float
        F.
    df_numerator, df_denominator : float
        Its degrees of freedom.
    p_value : float
        Probability of a larger F.
    method : {"satterthwaite", "kenward_roger"}
        Where the degrees of freedom of the denominator come from.
    """

    coefficients: tuple[str, ...]
    statistic: float
    df_numerator: int
    df_denominator: float
    p_value: float
    method: str

    def __str__(self) -> str:
        return (
            f"{', '.join(self.coefficients)}: F({self.df_numerator}, "
            f"{self.df_denominator:.1f}) = {self.statistic:.3f}, "
            f"p = {self.p_value:.3g} ({METHODS[self.method]})"
        )

    __repr__ = __str__


def fixed_effects(
    features: Any, posterior: Posterior, theory: SmallSampleTheory | None
) -> list[FixedEffect]:
    """Return the table of fixed effects.

    Parameters
    ----------
    features : FeatureBuilder
        Names of the columns, and the columns as the solver had them.
    posterior : Posterior
        Estimates.
    theory : SmallSampleTheory or None
        Of t tests; None is the normal distribution.
    """
    names, transform = features.coefficient_names_, features.to_columns()
    covariance = posterior.fixed_covariance() if theory is None else theory.covariance
    errors = np.sqrt(np.diagonal(transform @ covariance @ transform.T))
    estimates = transform @ posterior.fixed
    df = np.full(len(names), np.inf)
    if theory is not None:
        df = np.array([theory.degrees_of_freedom(row) for row in transform])
    z = np.full(len(names), np.nan)
    np.divide(estimates, errors, out=z, where=errors > 0)
    p_values = 2.0 * student_t.sf(np.abs(z), df)
    columns = (part.tolist() for part in (estimates, errors, z, p_values, df))
    return [FixedEffect(*line) for line in zip(names, *columns, strict=True)]


@fill_docs
def f_test(
    model: Any,
    coefficients: Collection[str],
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    df: str = "kenward_roger",
) -> FixedEffectsTest:
    """Test whether several fixed effects are zero together.

    For normal responses fitted by restricted maximum likelihood, whose F statistic
    has about an F distribution with degrees of freedom of the denominator by Kenward
    and Roger [1]_ or Satterthwaite [2]_. For other models compare likelihoods with
    :func:`anova`.

    Parameters
    ----------
    {model}
    coefficients : list of str
        Names of columns, as in the summary.
    X, y, groups, sample_weight : as passed to ``fit``
        The data of the fit, which models do not keep.
    df : {"kenward_roger", "satterthwaite"}, default="kenward_roger"
        Degrees of freedom of the denominator; "kenward_roger" also adjusts the
        covariance of the coefficients for the estimation of the variances.

    Returns
    -------
    test : FixedEffectsTest
        Prints as a line.

    Raises
    ------
    ValueError
        If a name is unknown, the data are not those of the fit, or the model was not
        fitted by restricted likelihood to normal responses.

    References
    ----------
    .. [1] Kenward & Roger (1997). Small sample inference for fixed effects from
       restricted maximum likelihood. Biometrics 53, 983-997. doi:10.2307/2533558
    .. [2] Fai & Cornelius (1996). Approximate F-tests of multiple degree of freedom
       hypotheses in generalized least squares analyses of unbalanced split-plot
       experiments. Journal of Statistical Computation and Simulation 54, 363-378.
       doi:10.1080/00949659608811740

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor, MixedEffects
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import f_test
    >>> d = make_judgments("magnitude", n_participants=9, n_items=30, random_state=0)
    >>> X = d.X[["text"]].assign(n_words=d.X["text"].str.count(" ") + 1)[["n_words"]]
    >>> X["n_squared"] = X["n_words"] ** 2
    >>> reml = MixedEffects(variance_estimation_method="reml")
    >>> model = MagnitudeRegressor(mixed_effects=reml, alpha=0)
    >>> model = model.fit(X, d.y, groups=d.groups)
    >>> test = f_test(model, ["n_words", "n_squared"], X, d.y, groups=d.groups)
    >>> test.df_numerator
    2
    """
    theory = small_sample_theory(model, X, y, groups, sample_weight, df)
    names = model._features.coefficient_names_
    transform = model._features.to_columns()
    wanted = [coefficients] if isinstance(coefficients, str) else list(coefficients)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        what = f"names {unknown[0]!r}" if unknown else "is empty"
        raise ValueError(
            f"coefficients {what}; it must name fixed effects of the model: {names}."
        )
    rows = transform[[names.index(name) for name in dict.fromkeys(wanted)]]
    test = theory.f_test(rows, model._posterior.fixed)
    return FixedEffectsTest(
        coefficients=tuple(dict.fromkeys(wanted)),
        statistic=test.statistic,
        df_numerator=test.df_numerator,
        df_denominator=test.df_denominator,
        p_value=float(
            f_distribution.sf(test.statistic, test.df_numerator, test.df_denominator)
        ),
        method=df,
    )


def small_sample_theory(
    model: Any, X: Any, y: Any, groups: Any, sample_weight: Any, df: str
) -> SmallSampleTheory:
    """Return the theory of the tests of a model.

    Raises
    ------
    ValueError
        If there is none, or ``df`` is unknown.
    """
    check_df(df)
    if df == "kenward_roger" and has_prior(model):
        raise ValueError(
            "df='kenward_roger' is for variances of restricted maximum likelihood, not "
            "for those under a prior; this model has prior_sd_scale="
            f"{model._mixed_effects.prior_sd_scale:g}. Use df='satterthwaite'."
        )
    problem = model._problem(X, y, groups, sample_weight)
    make = kenward_roger if df == "kenward_roger" else satterthwaite
    theory: SmallSampleTheory | None = make(problem, model._solution)
    if theory is None:
        raise ValueError(
            f"df={df!r} is for normal responses fitted by restricted likelihood "
            "(variance_estimation_method='reml') without a ridge (alpha=0), exactly. "
            "Use anova or bootstrap_test for other models."
        )
    return theory


def check_df(df: str) -> None:
    """Raise if a method is unknown."""
    if df not in METHODS:
        raise ValueError(f"df must be one of {tuple(METHODS)}. Got {df!r}.")
