"""Pictures of learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t
from sklearn.utils import Bunch

from bead_sklearn._optional import import_optional


class LearningCurveDisplay:
    """Learning curves: score against the number of labels.

    Made by `from_search` or `from_estimators`. A line is the mean over the runs of a
    search (``n_repeats``), the band around it a confidence interval of that mean.

    Parameters
    ----------
    curves : dict of str to Bunch
        ``learning_curve_`` of every search, by name.
    score_name : str, default="Score"
        What the score is, for the axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes drawn in.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : dict of str to matplotlib.lines.Line2D
        The lines by name.
    bands_ : dict of str to matplotlib.collections.FillBetweenPolyCollection
        The intervals by name, for searches with several runs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import (
    ...     ActiveLearningSearch, LearningCurveDisplay
    ... )
    >>> X, y = load_iris(return_X_y=True)
    >>> searches = {
    ...     name: ActiveLearningSearch(
    ...         LogisticRegression(max_iter=1000), name, max_labels=40,
    ...         validation=0.3, n_repeats=3, random_state=0,
    ...     ).fit(X, y)
    ...     for name in ("margin", "random")
    ... }
    >>> display = LearningCurveDisplay.from_estimators(searches)
    >>> sorted(display.lines_)
    ['margin', 'random']
    """

    def __init__(
        self, curves: Mapping[str, Bunch], *, score_name: str = "Score"
    ) -> None:
        self.curves = curves
        self.score_name = score_name

    @classmethod
    def from_search(
        cls, search: Any, *, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Draw the learning curve of one search.

        Parameters
        ----------
        search : ActiveLearningSearch
            A fitted search with validation data.
        name : str, default=None
            Label of the line; the strategy by default.
        **kwargs : dict
            Further arguments of `from_estimators`.

        Returns
        -------
        display : LearningCurveDisplay
            The display.
        """
        return cls.from_estimators({name or str(search.strategy): search}, **kwargs)

    @classmethod
    def from_estimators(
        cls,
        searches: Mapping[str, Any],
        *,
        score_name: str | None = None,
        ax: Any = None,
        confidence: float | None = 0.95,
    ) -> Self:
        """Draw the learning curves of several searches together.

        Parameters
        ----------
        searches : dict of str to ActiveLearningSearch
            Fitted searches with validation data, by name. Compare them with
            ``strategy="random"`` and the same ``random_state``: they then begin with
            the same rows.
        score_name : str, default=None
            Label of the vertical axis; the scorer's name by default.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; new ones by default.
        confidence : float or None, default=0.95
            Level of the intervals; None draws none.

        Returns
        -------
        display : LearningCurveDisplay
            The display.
        """
        if not searches:
            raise ValueError("There is no search to draw.")
        if score_name is None:
            score_name = _score_name(next(iter(searches.values())))
        curves = {name: search.learning_curve_ for name, search in searches.items()}
        return cls(curves, score_name=score_name).plot(ax=ax, confidence=confidence)

    def plot(self, *, ax: Any = None, confidence: float | None = 0.95) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; new ones by default.
        confidence : float or None, default=0.95
            Level of the intervals of the mean (Student's t, point by point); None
            draws none. A search with a single run has none.

        Returns
        -------
        display : LearningCurveDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the confidence is not between 0 and 1.
        """
        if confidence is not None and not 0.0 < confidence < 1.0:
            raise ValueError(
                f"confidence must be between 0 and 1 or None, got {confidence}."
            )
        pyplot = import_optional(
            "matplotlib.pyplot", extra="plots", purpose="Drawing learning curves"
        )
        if ax is None:
            _, ax = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_: dict[str, Any] = {}
        self.bands_: dict[str, Any] = {}
        for name, curve in self.curves.items():
            (line,) = ax.plot(
                curve.n_labels,
                curve.mean,
                marker="o" if len(curve.n_labels) <= 30 else None,
                markersize=3.5,
                linewidth=1.8,
                label=name,
            )
            self.lines_[name] = line
            if confidence is not None and len(curve.scores) > 1:
                half = _half_width(curve, confidence)
                self.bands_[name] = ax.fill_between(
                    curve.n_labels,
                    curve.mean - half,
                    curve.mean + half,
                    color=line.get_color(),
                    alpha=0.18 if len(self.curves) < 3 else 0.12,
                    linewidth=0,
                )
        ax.set_xlabel("Labels")
        ax.set_ylabel(self.score_name)
        ax.grid(axis="y", alpha=0.25, linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        if len(self.curves) > 1 or ax.get_legend() is not None:
            ax.legend(frameon=False)
        else:
            ax.set_title(next(iter(self.curves)), loc="left", fontsize="medium")
        return self


def _half_width(curve: Bunch, confidence: float) -> NDArray[np.float64]:
    """Half the width of the interval of the mean; NaN where fewer than two runs are."""
    n_runs = (~np.isnan(curve.scores)).sum(axis=0)
    quantile = student_t.ppf((1 + confidence) / 2, np.maximum(n_runs - 1, 1))
    half: NDArray[np.float64] = quantile * curve.std / np.sqrt(n_runs)
    return half


def _score_name(search: Any) -> str:
    scoring = search.scoring
    if scoring is None:
        tags = search.__sklearn_tags__()
        return {"classifier": "Accuracy", "regressor": "R²"}.get(
            tags.estimator_type, "Score"
        )
    if isinstance(scoring, str):
        return scoring.replace("_", " ").capitalize()
    return "Score"
