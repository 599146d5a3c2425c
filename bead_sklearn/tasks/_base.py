"""What all task models share: reading input, fitting, predicting on the eta scale."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length

from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)
from bead_sklearn.effects import (
    GROUPS,
    Covariates,
    EffectOutputs,
    FormulaTerm,
    MixedEffects,
    build_structures,
    choose_outputs,
    resolve_mixed_effects,
)
from bead_sklearn.families import Family, QuadraticFamily, get_family
from bead_sklearn.inputs import InputReader, Judgments
from bead_sklearn.inspection import (
    FactorEffects,
    VarianceComponents,
    collect_evidence,
    factor_effects,
    family_parameters,
    summarize,
    variance_components,
)
from bead_sklearn.solvers import (
    Design,
    MixedModelFit,
    Problem,
    SolverOptions,
    Start,
    VarianceOptions,
    fit_mixed_model,
    satterthwaite,
)
from bead_sklearn.tasks._features import Columns, FeatureBuilder
from bead_sklearn.tasks._fine_tuning import tune_encoder
from bead_sklearn.tasks._identifiability import (
    warn_if_confounded,
    warn_if_exact,
)
from bead_sklearn.tasks._inference import MixedModelInference
from bead_sklearn.tasks._linear_predictor import LinearPredictor
from bead_sklearn.tasks._population import POPULATIONS, marginal_factors
from bead_sklearn.tasks._priors import (
    check_prior_mean,
    warn_if_all_levels_are_new,
)
from bead_sklearn.tasks._reml import wants_reml
from bead_sklearn.tasks._rows import Rows, check_ids_given, read_ids
from bead_sklearn.tasks._separation import (
    raise_if_separated,
    warn_if_levels_separate,
    warn_if_separated,
)
from bead_sklearn.tasks._variance_warnings import held_factors, warn_about_fit
from bead_sklearn.tasks._warm import EarlierSolution, WarmStart


class MixedModel(MixedModelInference, LinearPredictor, WarmStart, BaseEstimator):
    """Base of the task models: a linear predictor with random effects.

    Subclasses name the responses they take (``_response``), encode ``y`` and turn the
    moments of the linear predictor into predictions.
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _response: ClassVar[str]
    _n_quadrature = 1
    _joins_texts = False

    #: How many of the numeric columns, the last ones, are features.
    _n_features = 0

    #: How the encoder is trained, and the net that does it; classes that can be
    #: fine-tuned have parameters of these names.
    fine_tune: Any = "frozen"
    net: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mixed_effects": [str, MixedEffects],
        "encoder": [str, callable, HasMethods(["fit", "transform"]), None],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "population": [StrOptions(set(POPULATIONS)), dict],
        "text_columns": ["array-like", str, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "device": [str, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any,
        encoder: Any,
        alpha: float | str,
        population: Any,
        text_columns: Any,
        max_iter: int,
        tol: float,
        warm_start: bool,
        device: str | None,
        random_state: Any,
        verbose: int,
    ) -> None:
        self.mixed_effects = mixed_effects
        self.encoder = encoder
        self.alpha = alpha
        self.population = population
        self.text_columns = text_columns
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------ fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Fit the model to judgments.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was judged, one row per judgment: features, texts, or both. Columns
            named as grouping factors in the formula are ids.
        y : array-like of shape (n_samples,)
            The answers.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Participant of each judgment; several grouping factors as a DataFrame.
        sample_weight : array-like of shape (n_samples,), default=None
            How many times each judgment counts. An integer weight is the same as
            repeating the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ids or texts are missing, lengths differ, y cannot be encoded, or a
            formula names what is not there.
        """
        if self._fit_otherwise(X, y, groups, sample_weight):
            return self
        earlier = self._earlier_solution()
        mixed_effects = resolve_mixed_effects(self.mixed_effects)
        self._check_parameters()
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        reader = self._make_reader(mixed_effects, groups)
        judgments = reader.read(self, X, reset=True)
        n = judgments.n_rows
        check_consistent_length(range(n), y)
        given_ids = read_ids(groups, n)
        ids = {**judgments.factors, **given_ids}
        check_ids_given(mixed_effects, ids)
        rows: Rows | None = self.__dict__.pop("_given_rows", None)
        if rows is None:
            rows = self._encode_rows(judgments, ids, y, sample_weight)
        self._reader = reader
        self._mixed_effects = clone(mixed_effects)
        encoder = self.encoder
        self.__dict__.pop("tuning_", None)
        if self.fine_tune != "frozen":
            encoder, rows = self._tune(rows, (X, y, groups, sample_weight))
        judgments, ids, family = rows.judgments, rows.ids, rows.family
        target, weights = rows.target, rows.weights
        assert target is not None
        assert weights is not None

        self._features = FeatureBuilder(
            encoder,
            self.alpha,
            {
                "device": self.device,
                "random_state": self.random_state,
                "verbose": self.verbose,
            },
            joint=self._joins_texts,
            n_features=self._n_features,
        )
        outputs = self._outputs(family, mixed_effects)
        columns = self._features.fit(
            judgments,
            weights,
            family,
            () if outputs is None else outputs.names,
            family.limiting_sample_size(target, weights),
        )
        check_prior_mean(mixed_effects, self._features)
        covariates = self._covariates(columns, rows, mixed_effects)
        self._structures = build_structures(
            self._terms(mixed_effects, ids, covariates.names),
            ids,
            covariates,
            weights,
            mixed_effects=mixed_effects,
            rotation_invariant=mixed_effects.formula is None,
            outputs=outputs,
        )
        warn_if_all_levels_are_new(self._structures)
        marginal_factors(self.population, [item.name for item in self._structures])
        sources = {name for item in self._structures for name in item.sources}
        self._group_factors = sorted(sources & set(given_ids))
        design = self._design(columns, rows, covariates.values, fitting=True)
        held: frozenset[str] = frozenset()
        if mixed_effects.estimates_variances:
            held = held_factors(design, family, weights)
            warn_if_confounded(design, family, weights, held)
        reml = wants_reml(mixed_effects.variance_estimation_method, design)
        options = SolverOptions(
            reml=reml,
            max_iter=self.max_iter,
            tol=self.tol,
            variances=VarianceOptions(
                estimate=mixed_effects.estimates_variances,
                initial_variance=mixed_effects.held_variance,
                sd_scale=mixed_effects.prior_sd_scale,
                alpha=None if self.alpha == "auto" else float(self.alpha) or None,
                zero_factors=tuple(sorted(held)),
            ),
            n_quadrature=self._n_quadrature,
            verbose=bool(self.verbose),
        )
        self._options = options
        names = np.array(self._features.coefficient_names_)
        try:
            fit = fit_mixed_model(
                design,
                family,
                target,
                weights,
                options,
                None if earlier is None else earlier.start_for(self._target_labels()),
            )
        except np.linalg.LinAlgError:
            raise_if_separated(family, design.fixed.rows(), target, names)
            raise
        constant = self._unit_constant()
        fit = replace(fit, log_likelihood=fit.log_likelihood + constant)
        self._end = EarlierSolution(
            Start.of(design, weights, fit),
            self._target_labels(),
        )
        self._store(fit, design, rows)
        if not warn_if_exact(fit.family, fit.sigma, target, weights):
            warn_about_fit(fit, self.variance_components_, held, self.tol)
        fixed_rows = design.fixed.rows()
        warn_if_separated(fit.family, fixed_rows, fit.posterior.fixed, target, names)
        if mixed_effects.estimates_variances:
            warn_if_levels_separate(family, self.variance_components_)
        return self

    def _fit_otherwise(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> bool:
        """Fit a model without a linear predictor; return whether it is one."""
        del X, y, groups, sample_weight
        return False

    def _tune(self, rows: Rows, given: tuple[Any, Any, Any, Any]) -> tuple[Any, Rows]:
        """Return the tuned encoder, and the rows as they are with it.

        Parameters
        ----------
        rows : Rows
            The judgments.
        given : tuple
            X, y, groups and sample_weight as they were passed to fit.
        """
        encoder, self.tuning_ = tune_encoder(self, rows, given)
        return encoder, rows

    def _encode_rows(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        y: Any,
        sample_weight: Any,
    ) -> Rows:
        """Encode responses and drop judgments that do not count."""
        target = self._encode_target(y, judgments)
        weights = _check_sample_weight(
            sample_weight,
            np.arange(judgments.n_rows),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        self._check_kept(target[weights > 0])
        if not (weights > 0).all():
            kept = np.flatnonzero(weights > 0)
            judgments = judgments.take(kept)
            ids = {name: values[kept] for name, values in ids.items()}
            target, weights = target[kept], weights[kept]
        rows = self._lay_out(judgments, ids, target, weights)
        assert rows.target is not None
        rows.family.check_response(rows.target)
        return rows

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        """Return the rows of the linear predictor: one per judgment."""
        family = self._family if target is None else self._make_family()
        return Rows(judgments, ids, family, target, weights)

    def _make_family(self) -> Family:
        """Return the response distribution, once the labels are known."""
        return get_family(self.family, response=self._response)

    def _outputs(
        self, family: Family, mixed_effects: MixedEffects
    ) -> EffectOutputs | None:
        """Return the linear predictors that each row has; None is a single one."""
        kind = mixed_effects.output_covariance
        if not family.has_output_axis:
            if kind != "auto" and family.pairs is None:
                raise ValueError(
                    f"output_covariance={kind!r} has no effect: {type(self).__name__} "
                    "has one linear predictor here. Leave output_covariance='auto'."
                )
            return None
        return choose_outputs(
            self._output_names(),
            family.output_contrast(),
            kind,
        )

    def _output_names(self) -> tuple[str, ...]:
        """Name the linear predictors of a row."""
        return ()

    def _make_reader(self, mixed_effects: MixedEffects, groups: Any) -> InputReader:
        """Columns of X that the formula names as factors are ids, not features."""
        named = {name for term in mixed_effects.terms() for name in term.factor}
        columns = getattr(groups, "columns", None)
        given = {GROUPS} if columns is None else {GROUPS, *map(str, columns)}
        if groups is None and GROUPS in named:
            raise ValueError(
                "The random-effects formula names the factor 'groups', but fit got no "
                "groups. Pass fit(X, y, groups=participant_ids)."
            )
        return InputReader(
            text_columns=self.text_columns,
            factors=sorted(named - given),
            optional_factors=sorted(named & given - {GROUPS}),
        )

    def _terms(
        self,
        mixed_effects: MixedEffects,
        ids: dict[str, np.ndarray],
        covariate_names: list[str],
    ) -> list[FormulaTerm]:
        """Terms of the formula, or those that the mode stands for."""
        if mixed_effects.formula is not None:
            return mixed_effects.terms()
        if mixed_effects.mode == "fixed" or (mixed_effects.mode == "auto" and not ids):
            return []
        slopes = covariate_names if mixed_effects.mode == "random_slopes" else []
        correlated = mixed_effects.correlation_structure == "correlated"
        return [FormulaTerm((name,), True, tuple(slopes), correlated) for name in ids]

    def _covariates(
        self, columns: Columns, rows: Rows, mixed_effects: MixedEffects
    ) -> Covariates:
        """Columns whose coefficients can vary.

        A formula refers to numeric columns of X; participant-specific heads take all
        features as the model sees them.
        """
        judgments = rows.judgments
        if mixed_effects.formula is not None:
            return Covariates(judgments.numeric_matrix(), judgments.numeric_names)
        if mixed_effects.mode != "random_slopes":
            return Covariates(np.zeros((judgments.n_rows, 0)), [])
        return Covariates(*self._features.slopes(columns))

    def _design(
        self,
        columns: Columns,
        rows: Rows,
        covariates: np.ndarray,
        *,
        fitting: bool = False,
        unspanned: bool = False,
    ) -> Design:
        family, offset = rows.family, None
        if any(structure.prior.mean != 0 for structure in self._structures):
            parts = [item.prior_offset(covariates) for item in self._structures]
            offset = np.sum(parts, axis=0)
        return Design(
            n_rows=rows.judgments.n_rows,
            fixed=columns.fixed,
            ridge=columns.ridge,
            factors=tuple(
                structure.factor(
                    rows.ids, covariates, fitting=fitting, outside=unspanned
                )
                for structure in self._structures
            ),
            n_outputs=family.n_outputs,
            ridge_contrast=family.output_contrast() if family.is_tied else None,
            sets=family.sets,
            offset=offset,
        )

    def _store(self, fit: MixedModelFit, design: Design, rows: Rows) -> None:
        """Set the fitted attributes."""
        family, target, weights = rows.family, rows.target, rows.weights
        assert target is not None
        assert weights is not None
        if isinstance(family, QuadraticFamily):
            self.sigma_ = fit.sigma
        self._family = fit.family
        self._posterior = fit.posterior
        self._solution = fit
        problem = Problem(design, family, target, weights, self._options)
        self._evidence = collect_evidence(problem)
        intercept, coefficients, names = self._features.coefficients(
            fit.posterior.fixed, fit.posterior.ridge
        )
        self._set_coefficients(intercept, coefficients)
        self.coef_names_ = names
        self.alpha_ = fit.alpha
        levels = {structure.name: structure for structure in self._structures}
        self.effects_: dict[str, FactorEffects] = factor_effects(fit.posterior, levels)
        self.variance_components_: list[VarianceComponents] = variance_components(
            design,
            fit.posterior,
            weights,
            levels,
            estimated=self._mixed_effects.estimates_variances,
        )
        self.variance_history_ = fit.history
        self.log_likelihood_ = fit.log_likelihood
        self.is_reml_ = fit.reml
        n = rows.n_judgments
        self.aic_ = 2.0 * fit.n_parameters - 2.0 * fit.log_likelihood
        self.bic_ = np.log(n) * fit.n_parameters - 2.0 * fit.log_likelihood
        self.n_iter_ = max(1, fit.optimum.n_iter)
        self.groups_ = None
        if GROUPS in levels:
            self.groups_ = levels[GROUPS].levels[levels[GROUPS].prior.known]
        self._summary = summarize(self, fit, design, rows, satterthwaite(problem, fit))

    def _set_coefficients(
        self, intercept: np.ndarray, coefficients: np.ndarray
    ) -> None:
        """Set ``intercept_`` and ``coef_``."""
        self.intercept_: Any = intercept
        self.coef_: Any = coefficients

    # ----------------------------------------------------------------- hooks

    @abstractmethod
    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        """Check y and turn it into numbers."""

    def _family_parameters(self) -> dict[str, float]:
        """Return parameters of the fitted family to show in summaries, by name."""
        return family_parameters(self)

    def _check_parameters(self) -> None:
        """Check parameters against each other, before anything is read."""

    def _check_kept(self, target: np.ndarray) -> None:
        """Check the encoded target of the rows with positive weight."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_posterior")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        return tags
