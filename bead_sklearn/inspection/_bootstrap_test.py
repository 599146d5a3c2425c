"""Likelihood-ratio tests by simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bead_sklearn._tables import format_p_value
from bead_sklearn.inspection._bootstrap import (
    check_n_bootstrap,
    refit,
    report,
    simulate_problem,
)
from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._nesting import (
    check_comparable,
    chi_square,
    describe,
    difference,
    p_values,
)
from bead_sklearn.inspection._penalties import has_prior


@dataclass(frozen=True)
class BootstrapTest:
    """A likelihood-ratio test by simulation; ``print`` it.

    Attributes
    ----------
    null, alternative : str
        Effects of the smaller and the larger model.
    statistic : float
        Likelihood-ratio statistic.
    df : int
        Difference of the numbers of parameters.
    p_value : float
        Share of simulations with a statistic as large, the observed one counted too.
    p_chi_square : float
        By the chi-square distribution, for comparison; NaN where estimates are under
        a prior, whose log-likelihoods are not maxima.
    statistics : ndarray of shape (n_fits,)
        Statistics of the simulations whose fits succeeded.
    n_failed : int
        Number of simulations whose fits failed.
    messages : list of str
        What to know when reading the test.
    """

    null: str
    alternative: str
    statistic: float
    df: int
    p_value: float
    p_chi_square: float
    statistics: np.ndarray
    n_failed: int
    messages: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"Likelihood-ratio test, {len(self.statistics)} simulations of the null "
            "model",
            "",
            f" null         {self.null}",
            f" alternative  {self.alternative}",
            "",
            f"Chisq {self.statistic:.3f}, Df {self.df}",
            f"p {format_p_value(self.p_value)} by simulation" + self._by_chi_square(),
        ]
        return "\n".join([*lines, *self.messages])

    __repr__ = __str__

    def _by_chi_square(self) -> str:
        if np.isnan(self.p_chi_square):
            return ""
        return f", {format_p_value(self.p_chi_square)} by chi-square"


@fill_docs
def bootstrap_test(
    null: Any,
    alternative: Any,
    X: Any,
    y: Any,
    *,
    X_null: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    n_bootstrap: int = 500,
    random_state: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> BootstrapTest:
    """Test a model against a larger one by parametric bootstrap.

    Responses are simulated from the smaller model and both models are fitted to them.
    The p-value is (1 + number of simulated statistics that are not smaller than the
    observed one) / (1 + number of simulations) [1]_. It holds where the chi-square
    does not: for variances on the boundary and few levels.

    Parameters
    ----------
    null, alternative : MixedModel
        The fitted smaller and larger model; see :func:`anova` for what can be
        compared.
    {simulated}
    X_null : object, default=None
        X of the smaller model, in the same order of rows, where it has other columns.
    {simulations}
    {verbose}

    Returns
    -------
    test : BootstrapTest
        Prints as a few lines.

    Raises
    ------
    ValueError
        If the models cannot be compared, the data are not those of the fits, or
        ``null`` has more parameters than ``alternative``.
    RuntimeError
        If no simulation could be fitted.

    References
    ----------
    .. [1] Halekoh & Hojsgaard (2014). A Kenward-Roger approximation and parametric
       bootstrap methods for tests in linear mixed models. Journal of Statistical
       Software 59(9). doi:10.18637/jss.v059.i09

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.inspection import bootstrap_test
    >>> rng = np.random.RandomState(0)
    >>> groups = np.repeat(np.arange(8), 5)
    >>> X = rng.normal(size=(40, 1))
    >>> y = rng.normal(size=8)[groups] + X[:, 0] + rng.normal(size=40)
    >>> null = MagnitudeRegressor(mixed_effects="fixed").fit(X, y)
    >>> alternative = MagnitudeRegressor().fit(X, y, groups=groups)
    >>> test = bootstrap_test(
    ...     null, alternative, X, y, groups=groups, n_bootstrap=50, random_state=0
    ... )
    >>> bool(test.p_value < 0.05)
    True
    """
    check_n_bootstrap(n_bootstrap)
    check_comparable([null, alternative])
    extra = difference(null, alternative)
    if extra.n_parameters <= 0:
        raise ValueError(
            f"null has {null._solution.n_parameters} parameters and alternative "
            f"{alternative._solution.n_parameters}; null must have fewer."
        )
    X_null = X if X_null is None else X_null
    smaller = null._problem(X_null, y, groups, sample_weight).repeated()
    larger = alternative._problem(X, y, groups, sample_weight).repeated()
    statistic, _ = chi_square(null, alternative)
    p_chi_square = p_values(statistic, extra)[0]
    if has_prior(null) or has_prior(alternative):
        p_chi_square = float("nan")
    constant = alternative._unit_constant() - null._unit_constant()
    refits = refit(
        [smaller, larger],
        [[], []],
        simulate_problem(null, smaller, n_bootstrap, random_state),
        n_jobs=n_jobs,
        verbose=verbose,
    )
    messages = report(refits)
    statistics = np.array(
        [
            max(2.0 * (likelihoods[1] - likelihoods[0] + constant), 0.0)
            for likelihoods in (outcome.log_likelihoods for outcome in refits)
            if likelihoods
        ]
    )
    as_large = int((statistics >= statistic).sum())
    return BootstrapTest(
        null=describe(null),
        alternative=describe(alternative),
        statistic=statistic,
        df=extra.n_parameters,
        p_value=(1 + as_large) / (1 + len(statistics)),
        p_chi_square=p_chi_square,
        statistics=statistics,
        n_failed=len(refits) - len(statistics),
        messages=messages,
    )
