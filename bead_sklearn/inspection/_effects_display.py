"""Pictures of the effects of participants and items."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._optional import import_optional
from bead_sklearn.inspection._factor_effects import FactorEffects
from bead_sklearn.inspection._ranef import interval_quantile, level_name

#: Up to this many levels are labelled with their ids.
_MAX_LABELS = 60

#: Colours of levels whose interval excludes and includes zero.
_COLORS = ("C0", "0.62")


class EffectsDisplay:
    """Caterpillar plot: conditional modes of the levels of a factor, in order.

    Made by `from_estimator`. A line is a level's normal interval; it is coloured where
    it excludes zero, grey where it includes it. Several effects stand in panels side
    by side, their levels in the order of the first.

    Parameters
    ----------
    effects : FactorEffects
        Effects of one factor.
    effect : str, default=None
        The effect to draw; None draws all.

    Attributes
    ----------
    axes_ : ndarray of matplotlib.axes.Axes
        The panels, one per effect.
    figure_ : matplotlib.figure.Figure
        Their figure.
    shown_ : ndarray of int
        Positions, in ``effects.levels``, of the levels drawn, from the bottom up.

    See Also
    --------
    VarianceHistoryDisplay : How the fit went.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import EffectsDisplay
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> display = EffectsDisplay.from_estimator(model)
    >>> display.axes_[0].get_xlabel()
    'Conditional mode, 95 % interval, logit'
    """

    def __init__(
        self, effects: FactorEffects, *, effect: str | None = None, unit: str = ""
    ) -> None:
        self.effects = effects
        self.effect = effect
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        factor: str | None = None,
        effect: str | None = None,
        max_levels: int | None = 60,
        level: float = 0.95,
        ax: Any = None,
    ) -> Self:
        """Draw the effects of one factor of a fitted model.

        Parameters
        ----------
        estimator : MixedModel
            A fitted task model with random effects.
        factor : str, default=None
            Name of the grouping factor; may be left out if there is one only.
        effect : str, default=None
            Name of the effect, such as ``"(Intercept)"``; None draws all.
        max_levels : int, default=60
            With more levels than this, the lowest and the highest are drawn, half of
            ``max_levels`` each. None draws all.
        level : float, default=0.95
            Coverage of the intervals.
        ax : matplotlib.axes.Axes or array of them, default=None
            One for each effect; new ones by default.

        Returns
        -------
        display : EffectsDisplay
            The display.

        Raises
        ------
        ValueError
            If the model has no such factor or effect.
        """
        check_is_fitted(estimator)
        effects = _find_factor(estimator.effects_, factor)
        link = estimator._family.link
        display = cls(effects, effect=effect, unit="" if link == "identity" else link)
        return display.plot(max_levels=max_levels, level=level, ax=ax)

    def plot(
        self, *, max_levels: int | None = 60, level: float = 0.95, ax: Any = None
    ) -> Self:
        """Draw.

        Parameters
        ----------
        max_levels : int, default=60
            With more levels than this, the lowest and the highest are drawn, half of
            ``max_levels`` each. None draws all.
        level : float, default=0.95
            Coverage of the intervals.
        ax : matplotlib.axes.Axes or array of them, default=None
            One for each effect; new ones by default.

        Returns
        -------
        display : EffectsDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If an argument is not valid.
        """
        quantile = interval_quantile(level)
        if max_levels is not None and max_levels < 2:
            raise ValueError(f"max_levels must be at least 2. Got {max_levels!r}.")
        indices = _find_effects(self.effects, self.effect)
        order = np.argsort(self.effects.modes[:, indices[0]], kind="stable")
        n_hidden = 0
        if max_levels is not None and len(order) > max_levels:
            n_hidden, half = len(order) - max_levels, max_levels // 2
            order = np.concatenate([order[: max_levels - half], order[-half:]])
        self.shown_ = order
        pyplot = import_optional(
            "matplotlib.pyplot", extra="plots", purpose="Drawing effects"
        )
        self.axes_ = _axes(pyplot, ax, len(indices), len(order))
        self.figure_ = self.axes_[0].figure
        positions = np.arange(len(order), dtype=float)
        if n_hidden:
            # A gap stands for the levels left out.
            positions[len(order) - len(order) // 2 :] += 1.5
        for axes, index in zip(self.axes_, indices, strict=True):
            self._draw(axes, index, positions, quantile)
        self._label(positions, level, n_hidden)
        return self

    def _draw(
        self, axes: Any, index: int, positions: np.ndarray, quantile: float
    ) -> None:
        modes = self.effects.modes[self.shown_, index]
        half = quantile * self.effects.sds[self.shown_, index]
        excludes = np.abs(modes) > half
        size = 4.5 if len(modes) <= _MAX_LABELS else 2.0
        axes.axvline(0.0, color="0.25", linewidth=0.8, zorder=0)
        for color, rows in zip(_COLORS, (excludes, ~excludes), strict=True):
            axes.hlines(
                positions[rows],
                (modes - half)[rows],
                (modes + half)[rows],
                color=color,
                linewidth=0.35 * size,
                alpha=0.75,
            )
            axes.plot(modes[rows], positions[rows], "o", color=color, markersize=size)
        axes.set_title(self.effects.effect_names[index], loc="left", fontsize="medium")
        axes.grid(axis="x", alpha=0.25, linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)

    def _label(self, positions: np.ndarray, level: float, n_hidden: int) -> None:
        margin = 0.02 * len(positions) + 0.5
        unit = f", {self.unit}" if self.unit else ""
        for axes in self.axes_:
            axes.set_ylim(positions[0] - margin, positions[-1] + margin)
            axes.set_yticks([])
            axes.set_xlabel(f"Conditional mode, {100 * level:g} % interval{unit}")
        levels = self.effects.levels
        self.axes_[0].set_ylabel(f"{self.effects.grouping_factor} ({len(levels)})")
        ticks: dict[float, str] = {}
        if len(positions) <= _MAX_LABELS:
            names = [level_name(name) for name in levels[self.shown_]]
            ticks.update(zip(positions.tolist(), names, strict=True))
        if n_hidden:
            above = len(positions) - len(positions) // 2
            ticks[0.5 * (positions[above - 1] + positions[above])] = f"{n_hidden} more"
        small = "small" if len(positions) <= 30 else "x-small"
        self.axes_[0].set_yticks(list(ticks), list(ticks.values()), fontsize=small)


def _find_factor(
    effects: dict[str, FactorEffects], factor: str | None
) -> FactorEffects:
    if not effects:
        raise ValueError("The model has no random effects to draw.")
    if factor is None and len(effects) == 1:
        return next(iter(effects.values()))
    if factor not in effects:
        raise ValueError(
            f"factor must be one of the grouping factors {sorted(effects)}. "
            f"Got {factor!r}."
        )
    return effects[factor]


def _find_effects(effects: FactorEffects, effect: str | None) -> list[int]:
    if effect is None:
        return list(range(len(effects.effect_names)))
    if effect not in effects.effect_names:
        raise ValueError(
            f"effect must be one of the effects {list(effects.effect_names)} of "
            f"{effects.grouping_factor!r}. Got {effect!r}."
        )
    return [effects.effect_names.index(effect)]


def _axes(pyplot: Any, ax: Any, n_panels: int, n_levels: int) -> np.ndarray:
    if ax is None:
        height = min(2.0 + 0.17 * n_levels, 9.0)
        _, axes = pyplot.subplots(
            1,
            n_panels,
            figsize=(1.6 + 3.6 * n_panels, height),
            layout="constrained",
            squeeze=False,
        )
        return np.asarray(axes[0])
    given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(given) != n_panels:
        raise ValueError(
            f"ax must hold one Axes for each of {n_panels} effects. Got {len(given)}; "
            "name one effect, or pass ax=None."
        )
    return given
