"""The user's description of the random effects."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.effects._formula import FormulaTerm, parse_formula

#: Name of the factor passed as the ``groups`` argument of fit.
GROUPS = "groups"

MODES = ("fixed", "auto", "random_intercepts", "random_slopes")


class MixedEffects(BaseEstimator):
    """Which effects vary over participants and items, and how they are estimated.

    Parameters
    ----------
    mode : {"fixed", "auto", "random_intercepts", "random_slopes"}, default="auto"
        What varies over the factors passed as ``groups``: nothing; the intercept if
        ``groups`` are passed; the intercept; the intercept and every coefficient.
        Ignored when ``formula`` is given.
    formula : str, default=None
        Random-effects formula in the notation of lme4, such as
        ``"(1 | participant) + (1 | item)"``. Factors are columns of X or of
        ``groups``; the name ``groups`` stands for the fit argument.
    prior_mean : float, default=0.0
        Mean of every random effect, u ~ N(prior_mean, G): of intercepts, and of
        slopes per unit of their column of X (under "random_slopes": per unit of the
        features as the model standardises them, which must not outnumber the rows).
        A participant not seen in fit is expected there, also where ``population`` is
        "conditional". Where a fixed effect is estimated without a penalty beside the
        random one, as the intercept always is, it takes up the mean: ``intercept_``
        falls by what ``effects_`` rises, and likelihood and predictions stay the
        same. Coefficients under a ridge do not: then the slopes of all participants
        shrink towards the mean, and predictions and likelihood change.
    prior_variance : float, default=1.0
        Variance of every random effect on the scale of the linear predictor: the
        value that is held if ``estimate_variance_components`` is False, otherwise
        where the search starts (families with a residual variance start at that).
    prior_sd_scale : float, default=None
        Scale s of a half-normal prior on the standard deviations of the effects: the
        likelihood is multiplied by ``exp(-tr(G) / (2 s^2))`` for each factor. It keeps
        estimates plausible where judgments are few: the likelihood of some 50
        judgments often has no maximum, and standard deviations go to infinity. The
        unit of s is that of the linear predictor for logits and probits; the
        residual standard deviation for normal and lognormal responses; the standard
        deviation of the responses for truncated normal ones. Effects of a covariate
        count per standard deviation of it, effects that share one variance count once,
        and labels that compete count alike whichever is the reference. A scale of 2.5
        logits excludes the absurd only. None: no prior.
    estimate_variance_components : bool, default=True
        Whether the variances and covariances are estimated. They are not where
        ``regularization_strength`` is given.
    variance_estimation_method : {"auto", "ml", "reml"}, default="auto"
        Maximum likelihood or restricted maximum likelihood, which integrates over the
        fixed effects. "auto" is "reml" where coefficients are under a ridge or where
        the covariates that are constant within the levels of a factor number at least
        a tenth of its levels, and "ml" elsewhere.
    correlation_structure : {"correlated", "independent"}, default="correlated"
        Whether the intercept and slopes of one level are correlated. A formula says
        so itself, by ``|`` or ``||``.
    output_covariance : {"auto", "full", "diagonal", "isotropic"}, default="auto"
        How the effects of one level on several outputs (classes, options) vary
        together: any covariance; a variance of each output; one variance, all classes
        alike. "diagonal" depends on which class is the reference of categorical
        responses. "auto" is "full" for up to 5 outputs; for more it is "diagonal"
        where responses are independent given the effects (multi-select) and
        "isotropic" where they compete. An error for models with one output.
    regularization_strength : float, default=None
        Strength lambda > 0 of the penalty ``lambda * sum_g w_g |u_g - prior_mean|^2``
        on the mean negative log-likelihood of the N judgments, in place of estimated
        variances and of ``prior_variance``. It is a normal prior with the variance
        ``1 / (2 N lambda w_g)``, held for each level g, and fixed effects are
        estimated by the marginal likelihood under this prior; conditional modes are
        the minimum of the penalised objective at these fixed effects. The prior
        depends on the number of judgments, N: the more judgments of other
        participants, the more a participant is shrunk. None: no penalty.
    adaptive_regularization : bool, default=None
        Whether ``w_g`` is ``1 / max(n_g, min_samples_for_random_effects)``, n_g the
        number of judgments of the level (0 for one not seen in fit), rather than 1.
        None: yes if ``regularization_strength`` is given, without which a value here
        is an error.
    min_samples_for_random_effects : int, default=1
        Levels with fewer judgments (a smaller sum of ``sample_weight``), of
        participants and of items alike, are predicted as levels not seen in fit.
        They take part in the likelihood all the same, and ``effects_`` has their
        conditional modes, marked by ``known``; ``groups_`` leaves them out.

    Notes
    -----
    With equal numbers of judgments per level, m, a ``regularization_strength`` of
    lambda is the same as ``prior_variance=m / (2 * N * lambda)`` (or ``1 / (2 * N *
    lambda)`` if not adaptive) with ``estimate_variance_components=False``.

    Examples
    --------
    >>> from bead_sklearn.effects import MixedEffects
    >>> MixedEffects(formula="(1 + trial || participant)").terms()[0].correlated
    False
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mode": [StrOptions(set(MODES))],
        "formula": [str, None],
        "prior_mean": [Interval(Real, None, None, closed="neither")],
        "prior_variance": [Interval(Real, 0, None, closed="neither")],
        "prior_sd_scale": [Interval(Real, 0, None, closed="neither"), None],
        "estimate_variance_components": ["boolean"],
        "variance_estimation_method": [StrOptions({"auto", "ml", "reml"})],
        "correlation_structure": [StrOptions({"correlated", "independent"})],
        "output_covariance": [StrOptions({"auto", "full", "diagonal", "isotropic"})],
        "regularization_strength": [Interval(Real, 0, None, closed="neither"), None],
        "adaptive_regularization": ["boolean", None],
        "min_samples_for_random_effects": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        mode: str = "auto",
        *,
        formula: str | None = None,
        prior_mean: float = 0.0,
        prior_variance: float = 1.0,
        prior_sd_scale: float | None = None,
        estimate_variance_components: bool = True,
        variance_estimation_method: str = "auto",
        correlation_structure: str = "correlated",
        output_covariance: str = "auto",
        regularization_strength: float | None = None,
        adaptive_regularization: bool | None = None,
        min_samples_for_random_effects: int = 1,
    ) -> None:
        self.mode = mode
        self.formula = formula
        self.prior_mean = prior_mean
        self.prior_variance = prior_variance
        self.prior_sd_scale = prior_sd_scale
        self.estimate_variance_components = estimate_variance_components
        self.variance_estimation_method = variance_estimation_method
        self.correlation_structure = correlation_structure
        self.output_covariance = output_covariance
        self.regularization_strength = regularization_strength
        self.adaptive_regularization = adaptive_regularization
        self.min_samples_for_random_effects = min_samples_for_random_effects

    @property
    def estimates_variances(self) -> bool:
        """Whether variances are estimated rather than held."""
        return (
            self.estimate_variance_components and self.regularization_strength is None
        )

    @property
    def held_variance(self) -> float:
        """Variance that is held, in the unit of each level's own prior."""
        return self.prior_variance if self.regularization_strength is None else 1.0

    @property
    def is_adaptive(self) -> bool:
        """Whether the penalty on a level depends on its number of judgments."""
        return self.adaptive_regularization in (None, True)

    def terms(self) -> list[FormulaTerm]:
        """Return the terms of the formula; empty without one."""
        return [] if self.formula is None else parse_formula(self.formula)

    def check(self) -> None:
        """Raise a ValueError if a field is out of range or would have no effect."""
        self._validate_params()
        if self.prior_sd_scale is not None and not self.estimates_variances:
            raise ValueError(
                f"prior_sd_scale={self.prior_sd_scale:g} has no effect where variances "
                "are held: set estimate_variance_components=True and "
                "regularization_strength=None, or leave prior_sd_scale=None."
            )
        if self.regularization_strength is None:
            if self.adaptive_regularization is not None:
                raise ValueError(
                    f"adaptive_regularization={self.adaptive_regularization} has no "
                    "effect without a penalty: set regularization_strength too, or "
                    "leave adaptive_regularization=None."
                )
        elif self.prior_variance != 1.0:
            raise ValueError(
                f"regularization_strength={self.regularization_strength:g} takes the "
                f"place of prior_variance={self.prior_variance:g}: set one of them "
                "only."
            )


def resolve_mixed_effects(value: str | MixedEffects) -> MixedEffects:
    """Turn the value of a ``mixed_effects`` parameter into a validated object.

    Parameters
    ----------
    value : str or MixedEffects
        A mode, a formula or an object.

    Returns
    -------
    mixed_effects : MixedEffects
        The description.

    Raises
    ------
    ValueError
        If a string is neither a mode nor a formula, or a field is out of range.
    TypeError
        If the value is of another type.
    """
    if isinstance(value, MixedEffects):
        value.check()
        return value
    if not isinstance(value, str):
        raise TypeError(
            "mixed_effects must be a string or a MixedEffects object. "
            f"Got {value!r} instead."
        )
    if value in MODES:
        return MixedEffects(value)
    if "|" in value:
        return MixedEffects(formula=value)
    raise ValueError(
        f"mixed_effects must be one of {list(MODES)} or a formula such as "
        f"'(1 | participant)'. Got {value!r} instead."
    )
