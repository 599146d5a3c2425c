"""Our fits of the reference models, in one shape whatever they are made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn import (
    BinaryClassifier,
    MagnitudeRegressor,
    MixedEffects,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
)
from bead_sklearn.effects import (
    RandomFactor,
    diagonal_covariance,
    full_covariance,
    output_covariance,
    parse_formula,
)
from bead_sklearn.families import (
    Beta,
    ConditionalLogit,
    CumulativeLogit,
    CumulativeProbit,
    MultinomialLogit,
    OrderedBeta,
    TruncatedNormal,
)
from bead_sklearn.inputs import encode_levels
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    Posterior,
    SolverOptions,
    fit_mixed_model,
)

#: Task models and the parameters they have beside the effects, by family.
TASKS = {
    "normal": (MagnitudeRegressor, {}),
    "bernoulli": (BinaryClassifier, {}),
    "bernoulli_probit": (BinaryClassifier, {"family": "bernoulli_probit"}),
    "cumulative_logit": (OrdinalScaleClassifier, {}),
    "cumulative_probit": (OrdinalScaleClassifier, {"family": "cumulative_probit"}),
    "equidistant": (OrdinalScaleClassifier, {"thresholds": "equidistant"}),
    "truncated_normal": (OrdinalScaleRegressor, {}),
    "beta": (OrdinalScaleRegressor, {"family": "beta"}),
    "ordered_beta": (OrdinalScaleRegressor, {"family": "ordered_beta"}),
}


@dataclass(frozen=True)
class Model:
    """What is fitted.

    ``family`` is an alias of a task model, or one of those that :func:`make_family`
    knows; ``outputs`` the covariance of effects over the logits of a multinomial one.
    """

    data: str
    response: str
    family: str
    covariates: tuple[str, ...] = ()
    formula: str = ""
    method: str = "ml"
    n_quadrature: int = 1
    outputs: str = "full"


@dataclass(frozen=True)
class Modes:
    """Conditional modes of a factor, and what their standard deviations come from.

    ``turn`` makes the effects of the references of those of the posterior.
    """

    levels: list[str]
    values: np.ndarray
    posterior: Posterior
    index: int
    turn: np.ndarray

    def at(self, levels):
        return self.values[self.positions(levels)]

    def positions(self, levels):
        return np.array([self.levels.index(level) for level in levels])

    def sds_at(self, levels):
        """Conditional standard deviations at known fixed effects.

        The posterior variance of an effect u holds the uncertainty of the fixed
        effects b. Cov(u, b) follows from Var(u + b), which is that of a prediction.
        """
        codes, posterior = self.positions(levels), self.posterior
        p, r = len(posterior.fixed), len(self.turn)
        repeats = len(codes) * r
        u_alone_and_with_each_b = np.vstack([np.zeros(p), np.eye(p)])
        n = repeats * (p + 1)
        factors = []
        parts = zip(posterior.factor_names, posterior.modes, strict=True)
        for position, (name, modes) in enumerate(parts):
            known, z = np.full(n, -1), np.zeros((n, modes.shape[1]))
            if position == self.index:
                known = np.repeat(codes, r * (p + 1))
                z = np.tile(np.repeat(self.turn, p + 1, axis=0), (len(codes), 1))
            structure = full_covariance(np.ones(z.shape[1]))
            factors.append(RandomFactor(name, known, len(modes), z, structure, ()))
        fixed = DenseBlock(np.tile(u_alone_and_with_each_b, (repeats, 1)))
        _, variances = posterior.predict(
            Design(n, fixed, factors=tuple(factors)), marginal=()
        )
        variances = variances.reshape(len(codes), r, p + 1)
        alone, of_fixed = variances[..., 0], posterior.joint.fixed_block(p)
        cross = variances[..., 1:] - alone[..., None] - np.diagonal(of_fixed)
        cross = np.linalg.solve(of_fixed, 0.5 * cross[..., None])[..., 0] * 0.5 * cross
        return np.sqrt(np.maximum(alone - cross.sum(axis=-1), 0.0))


@dataclass(frozen=True)
class Found:
    """Estimates in the order of the references."""

    log_likelihood: float
    n_parameters: int
    fixed: np.ndarray
    errors: np.ndarray
    covariances: dict[str, np.ndarray]
    modes: dict[str, Modes]
    fitted: np.ndarray
    sigma: float
    family: Any
    family_covariance: np.ndarray
    estimator: Any = None

    @property
    def parameter_errors(self):
        return np.sqrt(np.diagonal(self.family_covariance))

    @property
    def threshold_covariance(self):
        """Of thresholds, which are not the parameters that the solver moves."""
        at, step = self.family.parameters, 1e-6
        moved = [
            self.family.with_parameters(at + step * unit).thresholds
            - self.family.with_parameters(at - step * unit).thresholds
            for unit in np.eye(len(at))
        ]
        jacobian = np.array(moved).T / (2 * step)
        return jacobian @ self.family_covariance @ jacobian.T


def fit(model, table):
    """Fit by the task model if there is one, else by the solver."""
    if model.family in TASKS:
        return fit_task(model, table)
    return fit_solver(model, table)


def level_names(table, factor):
    """Level of each row; those of a combination are joined as in R."""
    columns = [table.columns[name].astype(str) for name in factor.split(":")]
    return [":".join(parts) for parts in zip(*columns, strict=True)]


# ------------------------------------------------------------------- task models


def fit_task(model, table):
    effects = MixedEffects(
        formula=model.formula, variance_estimation_method=model.method
    )
    task, parameters = TASKS[model.family]
    estimator = task(
        mixed_effects=effects, alpha=0, n_quadrature=model.n_quadrature, **parameters
    )
    covariates = [*model.covariates]
    terms = parse_formula(model.formula)
    ids = {name for term in terms for name in term.factor}
    X, y = table.columns[[*covariates, *sorted(ids)]], table.responses[model.response]
    estimator.fit(X, y, sample_weight=table.weights)
    fixed = np.append(getattr(estimator, "intercept_", ()), estimator.coef_)
    eta = X[covariates].to_numpy() @ estimator.coef_.ravel()
    family, covariance = estimator._family, estimator._solution.family_covariance
    if isinstance(estimator, OrdinalScaleClassifier):
        family = at_thresholds(family, estimator.thresholds_)
        # The model has the covariance of the thresholds between average columns.
        covariance = fit_solver(model, table).family_covariance
    else:
        eta = eta + estimator.intercept_
    posterior, modes = estimator._posterior, {}
    structures = {structure.name: structure for structure in estimator._structures}
    for index, name in enumerate(posterior.factor_names):
        effects = estimator.effects_[name]
        modes[name] = Modes(
            [
                ":".join(level) if isinstance(level, tuple) else str(level)
                for level in effects.levels
            ],
            effects.modes,
            posterior,
            index,
            structures[name].to_columns(),
        )
        slopes = [effect for effect in effects.effect_names if effect in covariates]
        z = np.column_stack([np.ones(len(X)), X[slopes]])
        eta += (z * modes[name].at(level_names(table, name))).sum(axis=1)
    return Found(
        log_likelihood=estimator.log_likelihood_,
        n_parameters=estimator.aic_ / 2 + estimator.log_likelihood_,
        fixed=fixed,
        errors=np.array(
            [effect.standard_error for effect in estimator.summary().fixed_effects]
        ),
        covariances={
            component.grouping_factor: component.covariance
            for component in estimator.variance_components_
        },
        modes=modes,
        fitted=fitted_values(family, y, eta),
        sigma=estimator._solution.sigma,
        family=family,
        family_covariance=covariance,
        estimator=estimator,
    )


def at_thresholds(family, thresholds):
    distances = np.log(np.diff(thresholds))
    if family.equidistant:
        distances = distances[:1]
    return family.with_parameters(np.append(thresholds[0], distances))


def fitted_values(family, y, eta):
    """Means; for categories what clmm calls so, the probability of the response."""
    if family.response in ("ordinal", "categorical", "choice"):
        return np.exp(family.derivatives(y, eta).log_likelihood)
    return family.mean(eta)


# ------------------------------------------------------------------------ solver


def fit_solver(model, table):
    y, family = table.responses[model.response], make_family(model, table)
    design = make_design(model, table, family)
    options = SolverOptions(
        reml=model.method == "reml", n_quadrature=model.n_quadrature
    )
    found = fit_mixed_model(design, family, y, table.weights, options)
    posterior, family = found.posterior, found.family
    eta = design.dense_matvec(design.fixed, posterior.fixed)
    modes = {}
    for index, factor in enumerate(design.factors):
        values = posterior.modes[index]
        eta = eta + factor.matvec(values)
        levels, _ = encode_levels(np.array(level_names(table, factor.name), object))
        turn = np.eye(factor.size)
        modes[factor.name] = Modes(list(levels), values, posterior, index, turn)
    if family.n_outputs > 1:
        eta = eta.reshape(-1, family.n_outputs)
    return Found(
        log_likelihood=found.log_likelihood,
        n_parameters=found.n_parameters,
        fixed=by_output(posterior.fixed, family),
        errors=by_output(np.sqrt(np.diagonal(posterior.fixed_covariance())), family),
        covariances=dict(
            zip(posterior.factor_names, posterior.covariances, strict=True)
        ),
        modes=modes,
        # What clmm calls fitted: the probability of the response that was given.
        fitted=np.exp(family.derivatives(y, eta).log_likelihood),
        sigma=found.sigma,
        family=family,
        family_covariance=found.family_covariance,
    )


def make_family(model, table):
    n_categories = int(table.responses[model.response].max()) + 1
    families = {
        "cumulative_logit": lambda: CumulativeLogit(n_categories),
        "cumulative_probit": lambda: CumulativeProbit(n_categories),
        "equidistant": lambda: CumulativeLogit(n_categories, equidistant=True),
        "truncated_normal": lambda: TruncatedNormal(0.0, 1.0),
        "beta": Beta,
        "ordered_beta": OrderedBeta,
        "multinomial": lambda: MultinomialLogit(n_categories),
        "choice": lambda: ConditionalLogit(table.columns["set"].to_numpy()),
    }
    return families[model.family]()


def make_design(model, table, family):
    X = table.columns[[*model.covariates]].to_numpy(dtype=float)
    if family.has_intercept:
        X = np.column_stack([np.ones(len(X)), X])
    terms = parse_formula(model.formula) if model.formula else []
    factors = [make_factor(term, table, family, model.outputs) for term in terms]
    return Design(
        len(X),
        DenseBlock(X),
        factors=tuple(factors),
        n_outputs=family.n_outputs,
        sets=family.sets,
    )


def make_factor(term, table, family, outputs):
    names = np.array(level_names(table, term.factor_name), dtype=object)
    levels, codes = encode_levels(names)
    intercept = [np.ones(len(codes))] * term.intercept
    z = np.column_stack([*intercept, *(table.columns[name] for name in term.slopes)])
    covariance = full_covariance if term.correlated else diagonal_covariance
    structure = covariance(1.0 / np.sqrt((z**2).mean(axis=0)))
    if family.n_outputs > 1:
        structure = output_covariance(structure, family.output_contrast(), outputs)
    effect_names = ("(Intercept)",) * term.intercept + term.slopes
    return RandomFactor(
        term.factor_name, codes, len(levels), z, structure, effect_names
    )


def by_output(values, family):
    """The references have a row of coefficients per logit, ours stand by column."""
    if family.n_outputs == 1:
        return values
    return values.reshape(-1, family.n_outputs).T
