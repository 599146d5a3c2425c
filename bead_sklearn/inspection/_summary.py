"""The fit as a table to read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bead_sklearn._tables import format_number, format_p_value, lay_out
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.inspection._components import (
    VarianceComponents,
    compare_alternatives,
)
from bead_sklearn.inspection._factor_effects import FactorEffects
from bead_sklearn.inspection._fixed_effects import (
    METHODS,
    FixedEffect,
    check_df,
    fixed_effects,
    small_sample_theory,
)
from bead_sklearn.solvers import Design, MixedModelFit, Satterthwaite

#: More effects of a factor than this are shown by their number only.
_MAX_ROWS = 8


@dataclass(frozen=True)
class Summary:
    """What :meth:`summary` of a task model returns; ``print`` it.

    Attributes
    ----------
    title, likelihood : str
        Model, family, and which likelihood was maximised.
    n_observations : float
        Sum of the weights.
    fixed_effects : list of FixedEffect
        Unpenalised coefficients.
    n_ridge, alpha, ridge_sd : int, float, float
        Number of coefficients under the ridge, its precision, and the standard
        deviation that they give the linear predictor.
    variance_components : list of VarianceComponents
        One per grouping factor.
    sigma : float or None
        Residual standard deviation.
    log_likelihood, aic, bic : float
        Of the fit.
    icc : float
        Share of the latent variance left by the predictors that lies between the
        levels of all grouping factors.
    r2_marginal, r2_conditional : float
        Share of the latent variance explained by the predictors, and by predictors
        and grouping factors.
    messages : list of str
        Convergence and singular-fit messages.
    has_intercept : bool
        Whether there is one, for which features are centred.
    family_parameters : dict of str to float
        Thresholds, named ``"1|2"`` by the categories they part, or the dispersion.
    df : {"satterthwaite", "kenward_roger"} or None
        Where the degrees of freedom of the fixed effects come from; None for z tests.
    """

    title: str
    likelihood: str
    n_observations: float
    fixed_effects: list[FixedEffect]
    n_ridge: int
    alpha: float
    ridge_sd: float
    variance_components: list[VarianceComponents]
    sigma: float | None
    log_likelihood: float
    aic: float
    bic: float
    icc: float
    r2_marginal: float
    r2_conditional: float
    messages: list[str]
    has_intercept: bool = True
    family_parameters: dict[str, float] = field(default_factory=dict)
    df: str | None = None

    def __str__(self) -> str:
        lines = [self.title, self.likelihood, ""]
        lines += [
            f"log-likelihood {self.log_likelihood:.2f}   AIC {self.aic:.1f}   "
            f"BIC {self.bic:.1f}   judgments {self.n_observations:g}",
            "",
        ]
        lines += self._random_lines()
        lines += self._fixed_lines()
        lines += self._parameter_lines()
        lines += [
            f"R2 marginal {self.r2_marginal:.3f}   conditional "
            f"{self.r2_conditional:.3f}   ICC {self.icc:.3f}",
            *self.messages,
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _random_lines(self) -> list[str]:
        if not self.variance_components and self.sigma is None:
            return []
        rows: list[tuple[str, ...]] = [("Groups", "Effect", "Variance", "SD", "Corr")]
        for component in self.variance_components:
            rows += _component_rows(component)
        if self.sigma is not None:
            sigma2 = format_number(self.sigma**2)
            rows.append(("Residual", "", sigma2, format_number(self.sigma), ""))
        counts = "; ".join(
            f"{component.grouping_factor} {component.n_groups}"
            for component in self.variance_components
        )
        lines = ["Random effects:", *lay_out(rows, "llrrl")]
        return [*lines, f"Number of levels: {counts}" if counts else "", ""]

    def _fixed_lines(self) -> list[str]:
        if not self.fixed_effects:
            return [*self._ridge_lines(), ""] if self.n_ridge else []
        names = ("z", "p") if self.df is None else ("df", "t", "p")
        rows: list[tuple[str, ...]] = [("", "Estimate", "SE", *names)]
        rows += [
            (
                effect.name,
                format_number(effect.estimate),
                format_number(effect.standard_error),
                *([] if self.df is None else [f"{effect.df:.1f}"]),
                f"{effect.z:.2f}",
                format_p_value(effect.p_value),
            )
            for effect in self.fixed_effects
        ]
        title = "Fixed effects:"
        if self.df is not None:
            title = f"Fixed effects, {METHODS[self.df]}:"
        lines = [title, *lay_out(rows, "l" + "r" * (len(names) + 2))]
        return [*lines, *self._ridge_lines(), ""]

    def _ridge_lines(self) -> list[str]:
        if not self.n_ridge:
            return []
        begin = "and " if self.fixed_effects else ""
        lines = [
            f"{begin}{self.n_ridge} coefficients under a ridge, alpha "
            f"{self.alpha:.4g}: SD {format_number(self.ridge_sd)} of the linear "
            "predictor"
        ]
        if self.has_intercept:
            lines[0] += ";"
            lines.append("the intercept is that of average features")
        return lines

    def _parameter_lines(self) -> list[str]:
        if not self.family_parameters:
            return []
        rows: list[tuple[str, ...]] = [("", "Estimate")]
        for name, value in self.family_parameters.items():
            rows.append((name, format_number(value)))
        return ["Parameters of the family:", *lay_out(rows, "lr"), ""]


def summarize(
    estimator: Any,
    fit: MixedModelFit,
    design: Design,
    rows: Any,
    degrees_of_freedom: Satterthwaite | None = None,
) -> Summary:
    """Summarise a fit.

    Marginal and conditional R2 and the intraclass correlation are those of Nakagawa,
    Johnson & Schielzeth (2017, doi:10.1098/rsif.2017.0213) on the latent scale, with
    the mean of z'Gz as the variance of random slopes (Johnson 2014,
    doi:10.1111/2041-210X.12225).

    Parameters
    ----------
    estimator : MixedModel
        The fitted estimator, for names.
    fit : MixedModelFit
        Its solution.
    design : Design
        The fitted linear predictor.
    rows : Rows
        What was fitted.
    degrees_of_freedom : Satterthwaite, default=None
        Of the t tests of the fixed effects; None is the normal distribution.
    """
    posterior, family, weights = fit.posterior, fit.family, rows.weights
    components = estimator.variance_components_
    ridge = (
        np.zeros(design.n_eta)
        if design.ridge is None
        else design.dense_matvec(design.ridge, posterior.ridge)
    )
    expected = design.dense_matvec(design.fixed, posterior.fixed) + ridge
    if design.offset is not None:
        expected = expected + design.offset
    explained = _variance(expected, weights, design)
    between = sum(component.mean_square for component in components)
    latent = family.latent_variance()
    total = explained + between + latent
    return Summary(
        title=_title(estimator, family),
        likelihood=_likelihood(family, fit),
        n_observations=rows.n_judgments,
        fixed_effects=fixed_effects(estimator._features, posterior, degrees_of_freedom),
        n_ridge=0 if design.ridge is None else estimator._features.n_ridge_,
        alpha=fit.alpha,
        ridge_sd=float(np.sqrt(_variance(ridge, weights, design))),
        variance_components=components,
        sigma=fit.sigma if isinstance(family, QuadraticFamily) else None,
        log_likelihood=fit.log_likelihood,
        aic=estimator.aic_,
        bic=estimator.bic_,
        icc=between / (between + latent) if between + latent > 0 else np.nan,
        r2_marginal=explained / total if total > 0 else np.nan,
        r2_conditional=(explained + between) / total if total > 0 else np.nan,
        messages=_messages(fit, components) + _effects_messages(estimator.effects_),
        has_intercept=family.has_intercept,
        family_parameters=estimator._family_parameters(),
        df=None if degrees_of_freedom is None else "satterthwaite",
    )


def _title(estimator: Any, family: Family) -> str:
    title = f"{type(estimator).__name__}, {family.name} family, {family.link} link"
    unit = getattr(estimator, "unit", None)
    return title if unit is None else f"{title}, y in {unit}"


def summary(
    model: Any, X: Any, y: Any, groups: Any, sample_weight: Any, df: str
) -> Summary:
    """Return the summary of a model; see the method of this name."""
    check_df(df)
    result: Summary = model._summary
    if df == "satterthwaite":
        return result
    theory = small_sample_theory(model, X, y, groups, sample_weight, df)
    effects = fixed_effects(model._features, model._posterior, theory)
    return replace(result, fixed_effects=effects, df=df)


def _likelihood(family: Family, fit: MixedModelFit) -> str:
    restricted = "restricted " if fit.reml else ""
    how = " (Laplace approximation)"
    if isinstance(family, QuadraticFamily):
        how = ""
    elif fit.n_quadrature == 0 and not fit.reml:
        how = " (Laplace approximation at the joint mode)"
    elif fit.n_quadrature > 1:
        how = f" (adaptive quadrature, {fit.n_quadrature} nodes)"
    if fit.monte_carlo_error > 0:
        how += f", estimated with a standard error of {fit.monte_carlo_error:.2g}"
    return f"fitted by maximum {restricted}marginal likelihood{how}"


def _messages(fit: MixedModelFit, components: list[VarianceComponents]) -> list[str]:
    messages = []
    if not fit.optimum.converged:
        messages.append(
            f"Not converged: largest gradient {fit.optimum.gradient_norm:.2g}"
        )
    if np.isinf(fit.alpha):
        messages.append(
            "The features under the ridge explain nothing: alpha is infinite"
        )
    if getattr(fit.family, "fixed", False):
        messages.append(f"sigma is held at {np.sqrt(fit.family.latent_variance()):.4g}")
    for component in components:
        if not component.is_estimated:
            message = f"The variance of {component.grouping_factor} is held"
            if component.level_variances is not None:
                message += "; shown is the mean over its levels"
            messages.append(message)
    messages += [
        f"Singular fit: {component.grouping_factor} has a zero variance or a "
        "correlation of 1"
        for component in components
        if component.is_singular
    ]
    return messages


def _effects_messages(effects: dict[str, FactorEffects]) -> list[str]:
    """Say which levels are predicted as new ones."""
    return [
        f"{(~factor.known).sum()} of {len(factor.known)} levels of {name} have too few "
        "judgments for effects of their own: they are predicted as new ones"
        for name, factor in effects.items()
        if not factor.known.all()
    ]


def _component_rows(component: VarianceComponents) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    names = component.effect_names
    has_correlations = component.dependence is not None
    for i, name in enumerate(names[:_MAX_ROWS]):
        shown = []
        if has_correlations:
            given = component.covariance[i, :i] != 0
            shown = [
                f"{r:.2f}" if used else ""
                for r, used in zip(component.correlation[i, :i], given, strict=True)
            ]
        rows.append(
            (
                component.grouping_factor if i == 0 else "",
                name,
                format_number(component.variance[i]),
                format_number(component.sd[i]),
                " ".join(shown).strip(),
            )
        )
    if len(names) > _MAX_ROWS:
        rows.append(("", f"... {len(names) - _MAX_ROWS} more", "", "", ""))
    return rows


def _variance(x: np.ndarray, weights: np.ndarray, design: Design) -> float:
    """Variance of linear predictors, of the differences between alternatives.

    The sample variance of rows that count ``weights`` times, averaged over outputs.
    """
    by_output = x.reshape(len(weights), -1)
    if design.sets is not None:
        squares = compare_alternatives(by_output, design.sets)[:, 0] ** 2
        return float(np.average(squares, weights=weights))
    centred = by_output - np.average(by_output, axis=0, weights=weights)
    squares = (centred**2).mean(axis=1)
    return float(weights @ squares / max(weights.sum() - 1.0, 1.0))
