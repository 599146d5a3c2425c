"""Parametric bootstrap: refits to responses simulated from the fitted model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from bead_sklearn._frames import make_frame
from bead_sklearn._tables import format_number, lay_out
from bead_sklearn.inspection._docs import fill_docs
from bead_sklearn.inspection._quantities import estimates, model_quantities
from bead_sklearn.inspection._ranef import interval_quantile
from bead_sklearn.solvers import MixedModelFit, Problem, Quantity, draw_prior

#: Simulations in one task of a parallel run, at most.
_CHUNK = 20

#: Errors with which the fit of a simulation may fail; LinAlgError is a ValueError.
_FAILURES = (ValueError, ArithmeticError)


@dataclass(frozen=True)
class Bootstrap:
    """Estimates from simulated responses; ``print`` them.

    Attributes
    ----------
    parameters : list of str
        Names, as in :func:`confidence_intervals`.
    estimates : ndarray of shape (n_parameters,)
        Of the fitted model.
    replicates : ndarray of shape (n_fits, n_parameters)
        Estimates of the simulations whose fit succeeded; NaN for a correlation of an
        effect with zero variance.
    n_failed : int
        Number of simulations whose fit failed.
    messages : list of str
        What to know when reading them.
    """

    parameters: list[str]
    estimates: np.ndarray
    replicates: np.ndarray
    n_failed: int
    messages: list[str] = field(default_factory=list)

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard deviations of the replicates, (n_parameters,)."""
        return np.nanstd(self.replicates, axis=0, ddof=1)

    @property
    def bias(self) -> np.ndarray:
        """Mean of the replicates minus the estimates, (n_parameters,)."""
        return np.nanmean(self.replicates, axis=0) - self.estimates

    def percentiles(self, level: float = 0.95) -> np.ndarray:
        """Return percentile intervals.

        Parameters
        ----------
        level : float, default=0.95
            Coverage.

        Returns
        -------
        ends : ndarray of shape (2, n_parameters)
            Quantiles of the replicates, counted as (n + 1) p of n in order.
        """
        interval_quantile(level)
        probabilities = [0.5 * (1.0 - level), 0.5 * (1.0 + level)]
        return np.nanquantile(self.replicates, probabilities, axis=0, method="weibull")

    def __str__(self) -> str:
        lower, upper = self.percentiles()
        rows: list[tuple[str, ...]] = [("", "Estimate", "Bias", "SE", "Lower", "Upper")]
        columns = (self.estimates, self.bias, self.standard_errors, lower, upper)
        for name, *numbers in zip(self.parameters, *columns, strict=True):
            rows.append((name, *map(format_number, numbers)))
        title = f"Parametric bootstrap, {len(self.replicates)} simulations"
        lines = [f"{title}; 95 % percentile intervals", "", *lay_out(rows, "lrrrrr")]
        return "\n".join([*lines, *(["", *self.messages] if self.messages else [])])

    __repr__ = __str__

    @fill_docs
    def to_frame(self, container: str = "auto") -> Any:
        """Return the replicates as a table.

        Parameters
        ----------
        {container}

        Returns
        -------
        table : DataFrame or list of dict
            One row per simulation, one column per parameter.
        """
        columns = dict(zip(self.parameters, self.replicates.T, strict=True))
        return make_frame(columns, container)


@fill_docs
def bootstrap(
    model: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    n_bootstrap: int = 500,
    random_state: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bootstrap:
    """Refit a model to responses simulated from it.

    Each simulation draws new effects for all levels and new responses at the
    estimated parameters, and estimates all parameters again [1]_. Coefficients under
    a ridge are drawn too if its precision was estimated; otherwise they stay at their
    estimates. The features of texts stay as they are.

    Parameters
    ----------
    {model}
    {simulated}
    {simulations}
    {verbose}

    Returns
    -------
    result : Bootstrap
        Estimates of each simulation; prints as a table.

    Raises
    ------
    ValueError
        If an argument is not valid or the data are not those of the fit.
    RuntimeError
        If no simulation could be fitted.

    Warns
    -----
    ConvergenceWarning
        If the fits of some simulations failed or did not converge; the result says
        how many.

    References
    ----------
    .. [1] Efron & Tibshirani (1993). An Introduction to the Bootstrap, section 6.5.
       Chapman & Hall.

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import bootstrap
    >>> d = make_judgments("magnitude", n_participants=20, n_items=9, random_state=0)
    >>> X = d.X[["text"]].assign(n_words=d.X["text"].str.count(" ") + 1)[["n_words"]]
    >>> model = MagnitudeRegressor().fit(X, d.y, groups=d.groups)
    >>> result = bootstrap(
    ...     model, X, d.y, groups=d.groups, n_bootstrap=20, random_state=0
    ... )
    >>> result.replicates.shape
    (20, 4)
    """
    check_n_bootstrap(n_bootstrap)
    problem = model._problem(X, y, groups, sample_weight).repeated()
    quantities = model_quantities(model)
    simulated = simulate_problem(model, problem, n_bootstrap, random_state)
    refits = refit([problem], [quantities], simulated, n_jobs=n_jobs, verbose=verbose)
    messages = report(refits)
    return Bootstrap(
        parameters=[quantity.name for quantity in quantities],
        estimates=estimates(quantities, model._solution),
        replicates=np.array(
            [outcome.values[0] for outcome in refits if outcome.values]
        ),
        n_failed=sum(not outcome.values for outcome in refits),
        messages=messages,
    )


class Refit(NamedTuple):
    """Fits of some models to one simulation.

    Attributes
    ----------
    values : list of ndarray
        Quantities of each model; empty if a fit failed.
    log_likelihoods : list of float
        Of each model.
    converged : bool
        Whether all fits converged.
    error : str
        Why a fit failed.
    """

    values: list[np.ndarray]
    log_likelihoods: list[float]
    converged: bool
    error: str


def simulate_problem(
    model: Any, problem: Problem, n_simulations: int, random_state: Any
) -> Iterator[np.ndarray | str]:
    """Yield encoded responses simulated from a fitted model, or why there are none.

    Parameters
    ----------
    model : MixedModel
        The fitted model.
    problem : Problem
        Its design, with one row per judgment.
    n_simulations : int
        Number of simulations.
    random_state : int, RandomState or None
        Seed.
    """
    rng = check_random_state(random_state)
    is_estimated = problem.options.variances.alpha is None
    for _ in range(n_simulations):
        [eta] = draw_prior(
            model._posterior,
            problem.design,
            1,
            rng,
            levels={factor.name: factor.codes for factor in problem.design.factors},
            ridge_variance=model._ridge_variance() if is_estimated else 0.0,
        )
        family = model._family
        if family.has_output_axis:
            eta = eta.reshape(-1, family.n_outputs)
        simulated = family.simulate(eta, rng)
        try:
            model._check_kept(simulated)
        except ValueError as error:
            yield str(error)
        else:
            yield simulated


def refit(
    problems: list[Problem],
    quantities: list[list[Quantity]],
    simulated: Iterator[np.ndarray | str],
    *,
    n_jobs: int | None,
    verbose: int,
) -> list[Refit]:
    """Fit problems to simulated responses, in parallel.

    Parameters
    ----------
    problems : list of Problem
        Each is fitted to each simulation.
    quantities : list of list of Quantity
        What to keep of each fit.
    simulated : iterator of ndarray or str
        Responses, or why there are none.
    n_jobs, verbose : int
        As in joblib.
    """
    chunks = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_refit_chunk)(problems, quantities, chunk)
        for chunk in _chunks(simulated, _CHUNK)
    )
    return [outcome for chunk in chunks for outcome in chunk]


def report(refits: list[Refit]) -> list[str]:
    """Warn of fits that failed or did not converge; return what to say of them."""
    errors = [outcome.error for outcome in refits if outcome.error]
    if len(errors) == len(refits):
        raise RuntimeError(
            f"None of {len(refits)} simulations could be fitted. The first error: "
            f"{errors[0]}"
        )
    messages = []
    if errors:
        messages.append(
            f"{len(errors)} of {len(refits)} simulations could not be fitted and are "
            f"left out. The first error: {errors[0]}"
        )
    unfinished = sum(not outcome.converged for outcome in refits) - len(errors)
    if unfinished:
        messages.append(
            f"{unfinished} of {len(refits)} fits to simulations did not converge"
        )
    for message in messages:
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
    return messages


def check_n_bootstrap(n_bootstrap: int) -> None:
    """Raise if there are fewer than two simulations."""
    if n_bootstrap < 2:
        raise ValueError(f"n_bootstrap must be at least 2. Got {n_bootstrap!r}.")


def _chunks(
    simulated: Iterator[np.ndarray | str], size: int
) -> Iterator[list[np.ndarray | str]]:
    chunk = []
    for responses in simulated:
        chunk.append(responses)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _refit_chunk(
    problems: list[Problem],
    quantities: list[list[Quantity]],
    chunk: list[np.ndarray | str],
) -> list[Refit]:
    return [_refit_one(problems, quantities, responses) for responses in chunk]


def _refit_one(
    problems: list[Problem],
    quantities: list[list[Quantity]],
    responses: np.ndarray | str,
) -> Refit:
    if isinstance(responses, str):
        return Refit([], [], False, responses)
    fits: list[MixedModelFit] = []
    for problem in problems:
        try:
            fits.append(problem.with_response(responses).fit())
        except _FAILURES as error:
            return Refit([], [], False, f"{type(error).__name__}: {error}")
    return Refit(
        [estimates(q, fit) for q, fit in zip(quantities, fits, strict=True)],
        [fit.log_likelihood for fit in fits],
        all(fit.optimum.converged for fit in fits),
        "",
    )
