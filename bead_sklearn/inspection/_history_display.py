"""Pictures of how a fit went."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._optional import import_optional
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.inspection._quantities import model_quantities
from bead_sklearn.solvers import StandardDeviation

#: More lines than this have no legend.
_MAX_LEGEND = 10


class VarianceHistoryDisplay:
    """Standard deviations of the random effects after each iteration of the fit.

    Made by `from_estimator`.

    Parameters
    ----------
    history : dict of str to ndarray of shape (n_iterations,)
        Standard deviations by name, such as ``"sd_(Intercept)|participant"``.
    is_relative : bool, default=False
        Whether they are relative to sigma.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn in.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : dict of str to matplotlib.lines.Line2D
        The lines by name.

    See Also
    --------
    EffectsDisplay : Effects of participants and items.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import VarianceHistoryDisplay
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> display = VarianceHistoryDisplay.from_estimator(model)
    >>> list(display.lines_)
    ['sd_(Intercept)|groups']
    """

    def __init__(
        self, history: dict[str, np.ndarray], *, is_relative: bool = False
    ) -> None:
        self.history = history
        self.is_relative = is_relative

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the history of a fitted model.

        Parameters
        ----------
        estimator : MixedModel
            A fitted task model whose variances were estimated.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; new ones by default.

        Returns
        -------
        display : VarianceHistoryDisplay
            The display.

        Raises
        ------
        ValueError
            If the model has no estimated standard deviation of random effects.
        """
        check_is_fitted(estimator)
        history = _history(estimator)
        if not history:
            raise ValueError(
                "The model has no estimated standard deviation of random effects."
            )
        is_relative = isinstance(estimator._family, QuadraticFamily)
        return cls(history, is_relative=is_relative).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; new ones by default.

        Returns
        -------
        display : VarianceHistoryDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        pyplot = import_optional(
            "matplotlib.pyplot", extra="plots", purpose="Drawing the history of a fit"
        )
        if ax is None:
            _, ax = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_: dict[str, Any] = {}
        for name, values in self.history.items():
            iterations = np.arange(1, len(values) + 1)
            (line,) = ax.plot(
                iterations,
                values,
                marker="o" if len(values) <= 40 else None,
                markersize=3.5,
                linewidth=1.8,
                label=name.removeprefix("sd_").replace("|", " | "),
            )
            self.lines_[name] = line
        ax.set_xlabel("Iteration")
        ax.set_ylabel(
            "Standard deviation, relative to sigma"
            if self.is_relative
            else "Standard deviation"
        )
        ax.set_ylim(bottom=0.0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(axis="y", alpha=0.25, linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        if len(self.lines_) <= _MAX_LEGEND:
            ax.legend(frameon=False)
        return self


def _history(model: Any) -> dict[str, np.ndarray]:
    """Turn the parameters after each iteration into standard deviations."""
    structures = {item.name: item.structure for item in model._structures}
    in_order = [structures[name] for name in model._posterior.factor_names]
    starts = np.cumsum([0, *(structure.n_parameters for structure in in_order)])
    history = {}
    for quantity in model_quantities(model):
        if isinstance(quantity, StandardDeviation):
            structure, start = in_order[quantity.factor], starts[quantity.factor]
            part = slice(start, start + structure.n_parameters)
            history[quantity.name] = np.array(
                [
                    np.linalg.norm(quantity.combination @ structure.factor(theta[part]))
                    for theta in model.variance_history_
                ]
            )
    return history
