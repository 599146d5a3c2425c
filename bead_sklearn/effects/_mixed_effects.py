"""The user's description of the random effects."""

from __future__ import annotations

from numbers import Real
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
    prior_variance : float, default=1.0
        Variance of every random effect on the scale of the linear predictor: the
        value that is held if ``estimate_variance_components`` is False, otherwise
        where the search starts (families with a residual variance start at that).
    estimate_variance_components : bool, default=True
        Whether the variances and covariances are estimated.
    variance_estimation_method : {"auto", "ml", "reml"}, default="auto"
        Maximum likelihood or restricted maximum likelihood, which integrates over the
        fixed effects. "auto" is "reml" where coefficients are under a ridge or where
        the covariates that are constant within the levels of a factor number at least
        a tenth of its levels, and "ml" elsewhere.
    correlation_structure : {"correlated", "independent"}, default="correlated"
        Whether the intercept and slopes of one level are correlated. A formula says
        so itself, by ``|`` or ``||``.

    Examples
    --------
    >>> from bead_sklearn.effects import MixedEffects
    >>> MixedEffects(formula="(1 + trial || participant)").terms()[0].correlated
    False
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mode": [StrOptions(set(MODES))],
        "formula": [str, None],
        "prior_variance": [Interval(Real, 0, None, closed="neither")],
        "estimate_variance_components": ["boolean"],
        "variance_estimation_method": [StrOptions({"auto", "ml", "reml"})],
        "correlation_structure": [StrOptions({"correlated", "independent"})],
    }

    def __init__(
        self,
        mode: str = "auto",
        *,
        formula: str | None = None,
        prior_variance: float = 1.0,
        estimate_variance_components: bool = True,
        variance_estimation_method: str = "auto",
        correlation_structure: str = "correlated",
    ) -> None:
        self.mode = mode
        self.formula = formula
        self.prior_variance = prior_variance
        self.estimate_variance_components = estimate_variance_components
        self.variance_estimation_method = variance_estimation_method
        self.correlation_structure = correlation_structure

    def terms(self) -> list[FormulaTerm]:
        """Return the terms of the formula; empty without one."""
        return [] if self.formula is None else parse_formula(self.formula)


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
        value._validate_params()
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
