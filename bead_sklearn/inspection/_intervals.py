"""Confidence intervals of the parameters of a model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from bead_sklearn._frames import make_frame
from bead_sklearn._tables import format_number, lay_out
from bead_sklearn.inspection._bootstrap import bootstrap
from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._quantities import (
    estimates,
    model_quantities,
    select_quantities,
)
from bead_sklearn.inspection._ranef import interval_quantile
from bead_sklearn.solvers import Coefficient, FamilyParameter, Profiler, Quantity

METHODS = ("profile", "wald", "bootstrap")


@dataclass(frozen=True)
class ConfidenceIntervals:
    """Confidence intervals of parameters; ``print`` them.

    ``intervals["sigma"]`` is the interval of one parameter.

    Attributes
    ----------
    method : str
        "profile", "wald" or "bootstrap".
    level : float
        Coverage.
    parameters : list of str
        Names: ``sd_<effect>|<factor>`` and ``cor_<effect>.<effect>|<factor>`` as in
        lme4, ``sigma`` or ``phi``, thresholds by the labels that they part such as
        ``low|high``, and the names of the fixed effects.
    estimates, lower, upper : ndarray of shape (n_parameters,)
        Estimates and ends of the intervals; NaN where there is no interval.
    messages : list of str
        What to know when reading them.
    """

    method: str
    level: float
    parameters: list[str]
    estimates: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    messages: list[str] = field(default_factory=list)

    def __getitem__(self, parameter: str) -> tuple[float, float]:
        if parameter not in self.parameters:
            raise KeyError(
                f"{parameter!r} is not among the parameters {self.parameters}."
            )
        index = self.parameters.index(parameter)
        return float(self.lower[index]), float(self.upper[index])

    def __len__(self) -> int:
        return len(self.parameters)

    def __str__(self) -> str:
        names = {"wald": "Wald", "profile": "Profile-likelihood"}
        title = names.get(self.method, "Parametric bootstrap")
        rows: list[tuple[str, ...]] = [("", "Estimate", "Lower", "Upper")]
        for name, *numbers in zip(
            self.parameters, self.estimates, self.lower, self.upper, strict=True
        ):
            shown = ("-" if np.isnan(x) else format_number(x) for x in numbers)
            rows.append((name, *shown))
        lines = [
            f"{title} intervals, {100 * self.level:g} %",
            "",
            *lay_out(rows, "lrrr"),
        ]
        return "\n".join([*lines, *(["", *self.messages] if self.messages else [])])

    __repr__ = __str__

    @fill_docs
    def to_frame(self, container: str = "auto") -> Any:
        """Return the intervals as a table.

        Parameters
        ----------
        {container}

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``parameter``, ``estimate``, ``lower`` and ``upper``.
        """
        return make_frame(
            {
                "parameter": np.array(self.parameters, dtype=object),
                "estimate": self.estimates,
                "lower": self.lower,
                "upper": self.upper,
            },
            container,
        )


@fill_docs
def confidence_intervals(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    method: str = "profile",
    parameters: Collection[str] | None = None,
    level: float = 0.95,
    n_bootstrap: int = 500,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> ConfidenceIntervals:
    """Return confidence intervals of the parameters of a fitted model.

    - "profile": where the profile likelihood falls by half a chi-square quantile
      [1]_. It is not symmetric and stays in the range of the parameter, which suits
      standard deviations and correlations.
    - "wald": estimate and standard error of fixed effects, with Student's t where the
      summary has degrees of freedom; the same of thresholds, and of the logarithm of
      a dispersion. There are none for standard deviations of effects and of a normal
      residual, and correlations, whose likelihood is far from symmetric.
    - "bootstrap": percentiles of the estimates from simulated responses, see
      :func:`bootstrap`.

    Parameters
    ----------
    {model}
    {intervals}
    {simulations}

    Returns
    -------
    intervals : ConfidenceIntervals
        Prints as a table.

    Raises
    ------
    ValueError
        If an argument is not valid, the data are missing or not those of the fit, a
        fixed effect is to be profiled in a restricted likelihood, or anything in a fit
        with ``n_quadrature=0``.

    References
    ----------
    .. [1] Venzon & Moolgavkar (1988). A method for computing
       profile-likelihood-based confidence intervals. Applied Statistics 37, 87-94.
       doi:10.2307/2347496

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import confidence_intervals
    >>> d = make_judgments("magnitude", n_participants=20, n_items=30, random_state=0)
    >>> model = MagnitudeRegressor().fit(d.X, d.y, groups=d.groups)
    >>> intervals = confidence_intervals(
    ...     model, d.X, d.y, groups=d.groups, parameters=["sd_(Intercept)|groups"]
    ... )
    >>> lower, upper = intervals["sd_(Intercept)|groups"]
    >>> bool(lower < model.variance_components_[0].sd[0] < upper)
    True
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Got {method!r}.")
    interval_quantile(level)
    quantities = select_quantities(model_quantities(model), parameters)
    if method == "wald":
        return _wald(model, quantities, level)
    if method == "bootstrap":
        result = bootstrap(
            model,
            X,
            y,
            groups=groups,
            sample_weight=sample_weight,
            n_bootstrap=n_bootstrap,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        chosen = [result.parameters.index(quantity.name) for quantity in quantities]
        lower, upper = result.percentiles(level)[:, chosen]
        return ConfidenceIntervals(
            method,
            level,
            [quantity.name for quantity in quantities],
            result.estimates[chosen],
            lower,
            upper,
            result.messages,
        )
    problem = model._problem(X, y, groups, sample_weight)
    return _profile(model, problem, quantities, parameters, level)


def _wald(model: Any, quantities: list[Quantity], level: float) -> ConfidenceIntervals:
    coefficients = [q for q in model_quantities(model) if isinstance(q, Coefficient)]
    effects = model.summary().fixed_effects
    fixed = {q.name: effect for q, effect in zip(coefficients, effects, strict=True)}
    values = estimates(quantities, model._solution)
    ends = np.full((len(quantities), 2), np.nan)
    for index, quantity in enumerate(quantities):
        if isinstance(quantity, Coefficient):
            effect = fixed[quantity.name]
            quantile = student_t.ppf(0.5 * (1.0 + level), effect.df)
            half = quantile * effect.standard_error
            ends[index] = values[index] - half, values[index] + half
        elif isinstance(quantity, FamilyParameter):
            quantile = float(norm.ppf(0.5 * (1.0 + level)))
            ends[index] = quantity.wald_interval(model._solution, quantile)
    messages = []
    if np.isnan(ends).any():
        messages.append(
            "There are no Wald intervals of standard deviations and correlations: use "
            "method='profile' or 'bootstrap'"
        )
    names = [quantity.name for quantity in quantities]
    return ConfidenceIntervals(
        "wald", level, names, values, ends[:, 0], ends[:, 1], messages
    )


def _profile(
    model: Any,
    problem: Any,
    quantities: list[Quantity],
    parameters: Collection[str] | None,
    level: float,
) -> ConfidenceIntervals:
    messages = []
    if model._solution.n_quadrature == 0 and not model.is_reml_:
        raise ValueError(
            "n_quadrature=0 does not maximise the likelihood over the fixed effects, "
            "so that there is no profile of it. Fit with n_quadrature=1, or use "
            "method='wald' or 'bootstrap'."
        )
    if model.is_reml_:
        fixed = [q.name for q in quantities if isinstance(q, Coefficient)]
        if fixed and parameters is not None:
            raise ValueError(
                f"The fixed effect {fixed[0]!r} has no profile in a restricted "
                "likelihood, which does not contain it. Fit with "
                "variance_estimation_method='ml', or use method='wald'."
            )
        if fixed:
            messages.append(
                "Fixed effects have no profile in a restricted likelihood: use "
                "method='wald', or fit with variance_estimation_method='ml'"
            )
        quantities = [q for q in quantities if not isinstance(q, Coefficient)]
    values = estimates(quantities, model._solution)
    ends = np.full((len(quantities), 2), np.nan)
    if quantities:
        profiler = Profiler(problem, model._solution)
        for index, quantity in enumerate(quantities):
            ends[index] = profiler.interval(quantity, level)
    undefined = [
        q.name for q, value in zip(quantities, values, strict=True) if np.isnan(value)
    ]
    messages += [
        f"{name} is not defined: a standard deviation is zero" for name in undefined
    ]
    return ConfidenceIntervals(
        "profile",
        level,
        [quantity.name for quantity in quantities],
        values,
        ends[:, 0],
        ends[:, 1],
        messages,
    )
