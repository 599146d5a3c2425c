"""Likelihood-ratio tests of nested models."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from bead_sklearn._frames import make_frame
from bead_sklearn._tables import format_p_value, lay_out
from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._nesting import (
    check_comparable,
    chi_square,
    describe,
    difference,
    p_values,
)
from bead_sklearn.inspection._penalties import check_likelihoods_are_largest
from bead_sklearn.inspection._penalties import messages as inexactness


@dataclass(frozen=True)
class Anova:
    """Comparison of nested models, what :func:`anova` returns; ``print`` it.

    All arrays have one entry per model, from the fewest parameters to the most; tests
    compare a model with the one before it.

    Attributes
    ----------
    likelihood : str
        Which likelihood is compared.
    models : list of str
        Effects of each model.
    n_parameters : ndarray of int
        Numbers of estimated parameters.
    aic, bic, log_likelihood, deviance : ndarray
        Of each model; the deviance is -2 times the log-likelihood.
    chi_square : ndarray
        Likelihood-ratio statistics; NaN for the first model.
    df : ndarray
        Differences of the numbers of parameters; NaN for the first model.
    p_value : ndarray
        By the chi-square distribution.
    p_boundary : ndarray
        By the mixture of two chi-squares, where one variance is tested that is zero
        in the smaller model; NaN elsewhere.
    messages : list of str
        What to know when reading the tests.
    """

    likelihood: str
    models: list[str]
    n_parameters: np.ndarray
    aic: np.ndarray
    bic: np.ndarray
    log_likelihood: np.ndarray
    deviance: np.ndarray
    chi_square: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    p_boundary: np.ndarray
    messages: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        on_boundary = bool(np.isfinite(self.p_boundary).any())
        names = ["", "Npar", "AIC", "BIC", "logLik", "Deviance"]
        names += ["Chisq", "Df", "p"] + ["p (boundary)"] * on_boundary
        rows: list[tuple[str, ...]] = [tuple(names)]
        for i in range(len(self.models)):
            row = [str(i + 1), str(self.n_parameters[i])]
            row += [f"{x[i]:.2f}" for x in (self.aic, self.bic)]
            row += [f"{x[i]:.3f}" for x in (self.log_likelihood, self.deviance)]
            row.append(_blank(self.chi_square[i], "{:.3f}"))
            row.append(_blank(self.df[i], "{:.0f}"))
            p_values = [self.p_value[i]] + [self.p_boundary[i]] * on_boundary
            row += ["" if np.isnan(p) else format_p_value(p) for p in p_values]
            rows.append(tuple(row))
        lines = [f"Likelihood-ratio tests, {self.likelihood}", ""]
        lines += [f" {i}: {model}" for i, model in enumerate(self.models, 1)]
        lines += ["", *lay_out(rows, "l" + "r" * (len(names) - 1))]
        return "\n".join([*lines, *(["", *self.messages] if self.messages else [])])

    __repr__ = __str__

    @fill_docs
    def to_frame(self, container: str = "auto") -> Any:
        """Return the comparison as a table.

        Parameters
        ----------
        {container}

        Returns
        -------
        table : DataFrame or list of dict
            One row per model, a column per attribute.
        """
        return make_frame(
            {
                "model": np.array(self.models, dtype=object),
                "n_parameters": self.n_parameters,
                "aic": self.aic,
                "bic": self.bic,
                "log_likelihood": self.log_likelihood,
                "deviance": self.deviance,
                "chi_square": self.chi_square,
                "df": self.df,
                "p_value": self.p_value,
                "p_boundary": self.p_boundary,
            },
            container,
        )


def anova(*models: Any) -> Anova:
    """Compare nested models by likelihood-ratio tests.

    Models are sorted by their numbers of parameters; each is compared with the one
    before it: twice the difference of the log-likelihoods is, if the smaller model
    holds, about chi-square distributed with the difference of the numbers of
    parameters as degrees of freedom (Wilks 1938, doi:10.1214/aoms/1177732360).

    A variance that is zero in the smaller model lies on the boundary of its range.
    The chi-square test is then conservative: its p-value is up to twice too large.
    The equal mixture of chi-squares that holds for one variance is given too [1]_,
    [2]_. For several variances at once, or few levels, see :func:`bootstrap_test`.

    Parameters
    ----------
    *models : MixedModel
        Two or more fitted task models: of the same kind, with the same family, fitted
        to the same responses. Models with different fixed effects must not be fitted
        by restricted likelihood, and none with ``prior_sd_scale``: what is compared
        are maxima of the likelihood. Variances and ridges that are held, rather than
        estimated, must be the same in all.

    Returns
    -------
    anova : Anova
        Prints as a table.

    Raises
    ------
    ValueError
        If there are fewer than two models, they cannot be compared, they are not
        nested, or estimates are not those of maximum likelihood.
    TypeError
        If something else than a task model is passed.

    See Also
    --------
    bootstrap_test : Test by simulation.

    References
    ----------
    .. [1] Self & Liang (1987). Asymptotic properties of maximum likelihood estimators
       and likelihood ratio tests under nonstandard conditions. Journal of the
       American Statistical Association 82, 605-610. doi:10.2307/2289471
    .. [2] Stram & Lee (1994). Variance components testing in the longitudinal mixed
       effects model. Biometrics 50, 1171-1177. doi:10.2307/2533455

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor, anova
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("magnitude", n_participants=20, n_items=30, random_state=0)
    >>> fixed = MagnitudeRegressor(mixed_effects="fixed").fit(d.X, d.y)
    >>> mixed = MagnitudeRegressor().fit(d.X, d.y, groups=d.groups)
    >>> comparison = anova(fixed, mixed)
    >>> comparison.df[1], bool(comparison.p_boundary[1] < 0.001)
    (np.float64(1.0), True)
    """
    if len(models) < 2:
        raise ValueError(f"anova compares two or more models. Got {len(models)}.")
    check_comparable(list(models))
    check_likelihoods_are_largest(list(models))
    ordered = sorted(models, key=lambda model: model._solution.n_parameters)
    messages: list[str] = []
    tests = [(np.nan, np.nan, np.nan, np.nan)]
    for number, (smaller, larger) in enumerate(pairwise(ordered), 2):
        extra = difference(smaller, larger)
        statistic, was_negative = chi_square(smaller, larger)
        tests.append((statistic, extra.n_parameters, *p_values(statistic, extra)))
        if was_negative:
            messages.append(
                f"Model {number} fits worse than model {number - 1} although it has "
                "more parameters: they are not nested, or a fit has not converged"
            )
        if extra.n_scales > 1:
            messages.append(
                f"Model {number} adds {extra.n_scales} variances, which are on the "
                "boundary in the smaller model: p is too large (see bootstrap_test)"
            )
    if any(np.isfinite(test[3]) for test in tests):
        messages.append(
            "p (boundary): a variance is tested against zero, the boundary of its "
            "range;\n  equal mixture of chi-squares with Df - 1 and Df degrees of "
            "freedom"
        )
    messages += inexactness(ordered)
    chi_squares, dfs, p, p_boundary = np.array(tests, dtype=np.float64).T
    log_likelihood = np.array([model.log_likelihood_ for model in ordered])
    restricted = "restricted " if ordered[0].is_reml_ else ""
    return Anova(
        likelihood=f"{restricted}marginal likelihood, "
        f"{ordered[0]._evidence.n_observations:g} judgments",
        models=[describe(model) for model in ordered],
        n_parameters=np.array([model._solution.n_parameters for model in ordered]),
        aic=np.array([model.aic_ for model in ordered]),
        bic=np.array([model.bic_ for model in ordered]),
        log_likelihood=log_likelihood,
        deviance=-2.0 * log_likelihood,
        chi_square=chi_squares,
        df=dfs,
        p_value=p,
        p_boundary=p_boundary,
        messages=messages,
    )


def _blank(value: float, form: str) -> str:
    return "" if np.isnan(value) else form.format(value)
