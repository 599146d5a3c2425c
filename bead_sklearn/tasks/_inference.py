"""What can be asked of a fitted model besides predictions."""

from __future__ import annotations

import copy
from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from bead_sklearn.effects import combine_ids
from bead_sklearn.families import Family
from bead_sklearn.inputs import encode_levels
from bead_sklearn.inspection import (
    ConfidenceIntervals,
    Summary,
    confidence_intervals,
    describe,
    fill_docs,
    ranef_table,
    summary,
)
from bead_sklearn.solvers import (
    Design,
    Problem,
    draw_conditional,
    draw_posterior,
    draw_prior,
    likelihood_surface,
)
from bead_sklearn.tasks._population import marginal_factors
from bead_sklearn.tasks._rows import Rows, read_ids

#: Relative difference of the log-likelihood up to which data are those of the fit.
_SAME_FIT = 1e-6


class MixedModelInference:
    """Effects, intervals, simulations and posterior draws of a fitted model.

    A mixin of :class:`~bead_sklearn.tasks._base.MixedModel`.
    """

    def summary(
        self: Any,
        X: Any = None,
        y: Any = None,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        df: str = "satterthwaite",
    ) -> Summary:
        """Return the fit as a table to read.

        Parameters
        ----------
        X, y, groups, sample_weight : as passed to ``fit``
            The data of the fit, which models do not keep; for "kenward_roger" only.
        df : {"satterthwaite", "kenward_roger"}, default="satterthwaite"
            Degrees of freedom of the t tests of the fixed effects after a restricted
            likelihood of normal responses; "kenward_roger" also adjusts standard
            errors, for small samples. Other models have z tests.

        Returns
        -------
        summary : Summary
            Prints like the summaries of lme4 and holds every number it shows.

        Raises
        ------
        ValueError
            If "kenward_roger" is asked for without the data of the fit, or of a model
            that has z tests.
        """
        check_is_fitted(self)
        return summary(self, X, y, groups, sample_weight, df)

    def describe(self: Any) -> str:
        """Describe the fit in a paragraph of plain words.

        Returns
        -------
        text : str
            How much of the variation lies between participants, who is unusual, and
            what the model cannot say; see :func:`bead_sklearn.inspection.describe`.
        """
        return describe(self)

    def _caveats(self) -> list[str]:
        """Return what else the description of a fit should say."""
        return []

    def ranef(self: Any, *, level: float = 0.95) -> Any:
        """Return the effects of all levels as a table.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals.

        Returns
        -------
        table : DataFrame or list of dict
            One row per factor, level and effect: ``factor``, ``level``, ``effect``,
            ``mode`` (the conditional mode), ``sd`` (its conditional standard
            deviation, the uncertainty of the fixed effects included), and ``lower``
            and ``upper``, the ends of the normal interval; on the scale of the linear
            predictor. A pandas DataFrame if pandas is installed, else polars, else
            records.

        Examples
        --------
        >>> from bead_sklearn import MagnitudeRegressor
        >>> from bead_sklearn.datasets import make_judgments
        >>> d = make_judgments("magnitude", n_participants=9, n_items=9, random_state=0)
        >>> model = MagnitudeRegressor().fit(d.X, d.y, groups=d.groups)
        >>> len(model.ranef())
        9
        """
        check_is_fitted(self)
        return ranef_table(self.effects_, level=level)

    @fill_docs
    def confidence_intervals(
        self: Any,
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
        """Return confidence intervals of the estimated parameters.

        See :func:`bead_sklearn.inspection.confidence_intervals`, which this calls.

        Parameters
        ----------
        {intervals}
        {simulations}

        Returns
        -------
        intervals : ConfidenceIntervals
            Prints as a table.
        """
        check_is_fitted(self)
        return confidence_intervals(
            self,
            X,
            y,
            groups=groups,
            sample_weight=sample_weight,
            method=method,
            parameters=parameters,
            level=level,
            n_bootstrap=n_bootstrap,
            random_state=random_state,
            n_jobs=n_jobs,
        )

    def predict_linear(
        self: Any, X: Any, *, groups: Any = None, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict the linear predictor.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.
        return_std : bool, default=False
            Whether the standard deviation is returned too.

        Returns
        -------
        eta : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Posterior mean, such as the logit of a probability; for each output of
            models that have several.
        std : ndarray of the same shape
            Posterior standard deviation, the standard error of ``eta``: uncertainty
            of coefficients and effects and, for factors whose ``population`` is
            "marginal", variation between new participants. Only if ``return_std``.
        """
        rows, mean, variance = self._predict_eta(X, groups)
        eta = self._arrange(rows, mean)
        if not return_std:
            return eta
        if rows.family.pairs is not None:
            left, right = rows.family.pairs
            variance = variance[left == right]
        elif rows.family.is_tied:
            variance = np.einsum("njj->nj", variance)
        return eta, self._arrange(rows, np.sqrt(variance))

    def sample_posterior(
        self: Any,
        n_draws: int,
        X: Any,
        groups: Any = None,
        random_state: Any = None,
        *,
        response: bool = False,
    ) -> np.ndarray:
        """Draw the linear predictor of all rows jointly from its posterior.

        The posterior of coefficients and effects is normal, at the estimated
        variances, as in :meth:`predict_linear`. Rows that share a participant or an
        item share its drawn effects, also if it was not seen in fit. Without ids each
        row is a new participant of its own.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        random_state : int, RandomState or None, default=None
            Seed.
        response : bool, default=False
            Whether the mean response at the linear predictor is returned, such as a
            probability, rather than the linear predictor.

        Returns
        -------
        draws : ndarray of shape (n_draws, n_samples) or \
                (n_draws, n_samples, n_outputs)
            One draw per judgment, and output or class if there are several.

        Raises
        ------
        ValueError
            If ``n_draws`` is not a positive integer.

        Examples
        --------
        How sure is it that the first participant is more lenient than the second?

        >>> from bead_sklearn import BinaryClassifier
        >>> from bead_sklearn.datasets import make_judgments
        >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
        >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
        >>> draws = model.sample_posterior(
        ...     1000, d.X[:2], groups=model.groups_[:2], random_state=0
        ... )
        >>> draws.shape
        (1000, 2)
        """
        check_count("n_draws", n_draws)
        rng = check_random_state(random_state)
        rows = self._read_rows(X, groups)
        columns, design = self._build(rows, unspanned=True)
        eta = draw_posterior(
            self._posterior,
            design,
            n_draws,
            rng,
            new_levels=self._new_levels(design, rows.ids, everyone=False),
            marginal=marginal_factors(self.population, self._posterior.factor_names),
        )
        self._add_unspanned(eta, columns, self._ridge_variance(), rng)
        family = rows.family
        draws = [_shaped(family, row) for row in eta]
        if response:
            draws = [self._response_mean(family, row) for row in draws]
        return np.stack([self._arrange(rows, row) for row in draws])

    def simulate(
        self: Any,
        n_simulations: int,
        X: Any,
        groups: Any = None,
        random_state: Any = None,
        *,
        conditional: bool = False,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Simulate responses from the fitted model.

        Parameters
        ----------
        n_simulations : int
            Number of simulations.
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Rows of one participant share its effects; without ids each
            row is a new participant of its own.
        random_state : int, RandomState or None, default=None
            Seed.
        conditional : bool, default=False
            Whether the participants and items seen in fit keep their estimated
            effects, and features under a ridge their estimated coefficients.
            Otherwise all that the model takes to be random is drawn anew: the effects
            of all levels, and the coefficients under a ridge whose precision was
            estimated.
        temperature : float, default=1.0
            How large the noise of single responses is compared with that estimated,
            on the scale of the linear predictor: ``eta / temperature`` for labels,
            ``temperature * sigma`` for numbers (and phi over its square). Near 0 every
            answer is the most probable one.

        Returns
        -------
        responses : ndarray of shape (n_simulations, n_samples, ...)
            Like y: labels of a classifier, numbers of a regressor.

        Raises
        ------
        ValueError
            If ``n_simulations`` is not a positive integer, or ``temperature`` not
            positive.

        Examples
        --------
        >>> from bead_sklearn import BinaryClassifier
        >>> from bead_sklearn.datasets import make_judgments
        >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
        >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
        >>> y = model.simulate(100, d.X, d.groups, random_state=0)
        >>> y.shape == (100, len(d.y))
        True
        """
        check_count("n_simulations", n_simulations)
        check_temperature(temperature)
        rng = check_random_state(random_state)
        rows = self._read_rows(X, groups)
        columns, design = self._build(rows, unspanned=True)
        levels = self._new_levels(design, rows.ids, everyone=not conditional)
        if conditional:
            eta = draw_conditional(
                self._posterior, design, n_simulations, rng, new_levels=levels
            )
        else:
            is_estimated = self._options.variances.alpha is None
            ridge_variance = self._ridge_variance() if is_estimated else 0.0
            eta = draw_prior(
                self._posterior,
                design,
                n_simulations,
                rng,
                levels=levels,
                ridge_variance=ridge_variance,
            )
            self._add_unspanned(eta, columns, ridge_variance, rng)
        family, factor = rows.family.tempered(temperature)
        responses = [family.simulate(factor * _shaped(family, row), rng) for row in eta]
        return np.stack([self._decode_target(row, rows) for row in responses])

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        """Return encoded responses as the user has them."""
        del rows
        return target

    def _response_mean(self, family: Family, eta: np.ndarray) -> np.ndarray:
        """Return what is expected of responses at given linear predictors."""
        return family.mean(eta)

    def _arrange(self, rows: Rows, values: np.ndarray) -> np.ndarray:
        """Return what belongs to the rows of the linear predictor by judgment."""
        del rows
        return values

    def _new_levels(
        self: Any, design: Design, ids: dict[str, np.ndarray], *, everyone: bool
    ) -> dict[str, np.ndarray]:
        """Return numbers of the levels that are drawn, by factor; -1 elsewhere.

        Rows with the same id share one; without ids each row has its own.
        """
        structures = {structure.name: structure for structure in self._structures}
        levels = {}
        for factor in design.factors:
            drawn = factor.codes < 0
            if everyone:
                drawn = np.ones(design.n_rows, dtype=bool)
            codes = np.full(design.n_rows, -1)
            sources = structures[factor.name].sources
            if all(source in ids for source in sources):
                codes[drawn] = encode_levels(combine_ids(ids, sources)[drawn])[1]
            elif design.sets is None or factor.varies_in_sets:
                codes[drawn] = np.arange(drawn.sum())
            else:
                codes[drawn] = np.unique(design.sets[drawn], return_inverse=True)[1]
            levels[factor.name] = codes
        return levels

    def _add_unspanned(
        self: Any,
        eta: np.ndarray,
        columns: Any,
        variance: float,
        rng: np.random.RandomState,
    ) -> None:
        """Add what coefficients outside the span of the judged texts contribute."""
        if columns.unspanned is None or variance == 0.0:
            return
        block, contrast = columns.unspanned, self._family.output_contrast()
        n_outputs = len(contrast)
        for row in eta.reshape(len(eta), -1, n_outputs):
            coefficients = rng.normal(
                scale=np.sqrt(variance), size=(block.n_columns, n_outputs)
            )
            row += block.matvec(coefficients @ contrast.T)

    def _problem(self: Any, X: Any, y: Any, groups: Any, sample_weight: Any) -> Problem:
        """Return what was fitted, from the same data."""
        check_is_fitted(self)
        if X is None or y is None:
            raise ValueError(
                "X and y are needed, and groups and sample_weight if fit had them: "
                "fitted models do not keep their data."
            )
        # Encoding sets attributes.
        reader = copy.copy(self)
        judgments = reader._reader.read(reader, X, reset=False)
        check_consistent_length(range(judgments.n_rows), y)
        given = self._match_ids(read_ids(groups, judgments.n_rows))
        rows = reader._encode_rows(
            judgments, {**judgments.factors, **given}, y, sample_weight
        )
        _, design = self._build(rows, fitting=True)
        family, target, weights = rows.family, rows.target, rows.weights
        problem = Problem(design, family, target, weights, self._options)
        found, expected = self._likelihood_of(problem), self.log_likelihood_
        tolerance = _SAME_FIT * max(1.0, abs(expected))
        tolerance += 4.0 * self._solution.monte_carlo_error
        if not abs(found - expected) <= tolerance:
            raise ValueError(
                "X, y, groups and sample_weight are not those of fit: the estimates "
                f"have the log-likelihood {found:.6g} there and {expected:.6g} in fit."
            )
        return problem

    def _likelihood_of(self: Any, problem: Problem) -> float:
        """Log-likelihood of data at the estimates; NaN where it is not defined."""
        if any((factor.codes < 0).any() for factor in problem.design.factors):
            return float("nan")
        try:
            surface = likelihood_surface(problem, self._solution)
            value = surface.log_likelihood(surface.start)
        except np.linalg.LinAlgError:  # other columns may be collinear
            return float("nan")
        return value + float(self._unit_constant())


def _shaped(family: Family, eta: np.ndarray) -> np.ndarray:
    """Return flat linear predictors as the family takes them."""
    return eta.reshape(-1, family.n_outputs) if family.has_output_axis else eta


def check_count(name: str, value: Any) -> None:
    """Raise a ValueError unless a value is a positive integer."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Got {value!r}.")


def check_temperature(value: Any) -> None:
    """Raise a ValueError unless a temperature is positive and finite."""
    if not 0 < value < np.inf:
        raise ValueError(f"temperature must be positive and finite. Got {value!r}.")
