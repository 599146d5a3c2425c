"""Stopping rules that read predictions for rows without labels."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import is_regressor

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.active_learning._stopping import SearchState, StoppingRule
from bead_sklearn.active_learning._view import ModelView


class StabilizingPredictions(StoppingRule):
    r"""Stop when further labels no longer change what the model predicts.

    Predictions of successive models for all rows of the search (labelled or not, none
    held out) are compared by Cohen's kappa; for numbers by the concordance
    correlation [3]_. The rule stops when the mean over the last ``window`` labels is
    at least ``threshold`` [1]_. Needs neither labels set aside nor probabilities.

    A mean kappa above T bounds how far the F measure can have changed by
    :math:`4 (1 - T) / T` per round [2]_. The defaults are recommended for batches that
    grow (`GrowingBatches`): small ones let the rule see every change. For batches of
    ten, 0.99 over 30 labels are those of [1]_.

    Parameters
    ----------
    threshold : float, default=0.985
        Agreement from which predictions are stable. Higher values stop later; 1.0 asks
        for no change at all.
    window : int or float, default=0.2
        Labels over which the agreement is averaged, with the last round at least. A
        float is a share of the labels known, so that a small problem, which needs few
        labels, is not kept waiting.
    per : int, default=None
        Number of labels to whose change agreement is brought: between models that are
        m labels apart the disagreement :math:`1 - \kappa` counts
        :math:`\sqrt{\text{per} / m}` times, since models that have learned more labels
        in between differ more. With it fixed batches of 50 and 100 stop earlier; for
        those, 0.99 per 10 labels. None: as it is.

    References
    ----------
    .. [1] Bloodgood and Vijay-Shanker (2009). A method for stopping active learning
       based on stabilizing predictions and the need for user-adjustable stopping.
       CoNLL, W09-1107.
    .. [2] Bloodgood and Grothendieck (2013). Analysis of stopping active learning
       based on stabilizing predictions. CoNLL, arXiv:1504.06329.
    .. [3] Lin (1989). A concordance correlation coefficient to evaluate
       reproducibility. Biometrics 45, 255-268.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import (
    ...     ActiveLearningSearch, StabilizingPredictions
    ... )
    >>> X, y = load_iris(return_X_y=True)
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(max_iter=1000), "margin",
    ...     stopping=StabilizingPredictions(), random_state=0,
    ... ).fit(X, y)
    >>> search.stopped_by_
    'StabilizingPredictions'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="right")],
        "window": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "per": [Interval(Integral, 1, None, closed="left"), None],
    }

    columns = ("prediction_agreement",)

    def __init__(
        self,
        threshold: float = 0.985,
        *,
        window: float = 0.2,
        per: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.window = window
        self.per = per

    def record(self, state: SearchState) -> dict[str, float]:
        """Compare the predictions with those of the round before.

        Parameters
        ----------
        state : SearchState
            The search as it is.

        Returns
        -------
        values : dict
            ``prediction_agreement``; NaN in the first round.
        """
        view = _view(self, state)
        now, before = view.predictions, view.previous
        if before is None:
            return {"prediction_agreement": float("nan")}
        agreement = (
            concordance(before, now)
            if is_regressor(state.estimator)
            else prediction_kappa(before, now)
        )
        return {"prediction_agreement": agreement}

    def _stop(self, state: SearchState) -> bool:
        rounds = state.rounds_within(self.window)
        if rounds is None:
            return False
        values = state.history["prediction_agreement"][rounds]
        if self.per is not None:
            n_labels = np.asarray(state.history["n_labels"])
            apart = n_labels[rounds] - n_labels[rounds - 1]
            values = 1.0 - (1.0 - values) * np.sqrt(self.per / apart)
        return bool(np.mean(values) > self.threshold - 1e-9)  # NaN does not stop


class OverallUncertainty(StoppingRule):
    r"""Stop when the model is certain about the rows that are left.

    The mean over the pool of

    .. math:: H(p) / \log K \qquad \text{or} \qquad 1 - \max_k p_k

    (entropy as a share of the largest, or expected error) is below ``threshold``
    [1]_. It trusts the probabilities: what threshold is reached, and when, depends on
    how well they are calibrated, so that one threshold does not suit all data.
    `StabilizingPredictions` has no such trouble.

    Parameters
    ----------
    threshold : float, default=0.05
        Mean uncertainty below which the search stops.
    measure : {"entropy", "error"}, default="entropy"
        What is averaged.
    window : int or float, default=1
        Number of last labels over which it has to stay below; a float is a share of
        the labels known.

    References
    ----------
    .. [1] Zhu, Wang, Hovy and Ma (2010). Confidence-based stopping criteria for active
       learning for data annotation. ACM Transactions on Speech and Language Processing
       6(3).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import (
    ...     ActiveLearningSearch, OverallUncertainty
    ... )
    >>> X, y = load_iris(return_X_y=True)
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(max_iter=1000), "margin",
    ...     stopping=OverallUncertainty(0.2), random_state=0,
    ... ).fit(X, y)
    >>> search.stopped_by_
    'OverallUncertainty'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="neither")],
        "measure": [StrOptions({"entropy", "error"})],
        "window": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
    }

    def __init__(
        self, threshold: float = 0.05, *, measure: str = "entropy", window: float = 1
    ) -> None:
        self.threshold = threshold
        self.measure = measure
        self.window = window

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """The column of what is averaged."""
        return (f"pool_{self.measure}",)

    def record(self, state: SearchState) -> dict[str, float]:
        """Average the uncertainty over the pool.

        Parameters
        ----------
        state : SearchState
            The search as it is.

        Returns
        -------
        values : dict
            ``pool_entropy`` or ``pool_error``.
        """
        probabilities = np.asarray(_view(self, state).probabilities, dtype=np.float64)
        if probabilities.ndim != 2:
            raise ValueError(
                "OverallUncertainty needs the probabilities of one target, got shape "
                f"{probabilities.shape}."
            )
        p = probabilities.clip(0.0, 1.0)
        if self.measure == "error":
            return {"pool_error": float(np.mean(1.0 - p.max(axis=1)))}
        largest = np.log(max(p.shape[1], 2))
        return {"pool_entropy": float(-xlogy(p, p).sum(axis=1).mean() / largest)}

    def _stop(self, state: SearchState) -> bool:
        values = state.history[self.columns[0]]
        rounds = state.rounds_within(self.window)
        if rounds is None:
            return False
        return bool(np.max(values[rounds]) < self.threshold)


def prediction_kappa(before: NDArray[Any], now: NDArray[Any]) -> float:
    """Cohen's kappa of two sets of predicted labels; 1 if they are the same.

    Parameters
    ----------
    before, now : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Predictions; rows of several outputs count as one label.

    Returns
    -------
    kappa : float
        Agreement beyond chance.
    """
    both = _as_labels(np.concatenate([before, now]))
    labels, codes = np.unique(both, return_inverse=True)
    first, second = codes[: len(before)], codes[len(before) :]
    same = float(np.mean(first == second))
    shares = [np.bincount(c, minlength=len(labels)) / len(c) for c in (first, second)]
    chance = float(shares[0] @ shares[1])
    return 1.0 if same == 1.0 else (same - chance) / (1.0 - chance)


def concordance(before: NDArray[Any], now: NDArray[Any]) -> float:
    """Concordance correlation of two sets of predicted numbers; 1 if the same.

    Parameters
    ----------
    before, now : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Predictions; several outputs are averaged.

    Returns
    -------
    correlation : float
        Agreement, at most 1.
    """
    a = np.asarray(before, dtype=np.float64).reshape(len(before), -1)
    b = np.asarray(now, dtype=np.float64).reshape(len(now), -1)
    apart = np.square(a - b).mean(axis=0)
    total = a.var(axis=0) + b.var(axis=0) + np.square(a.mean(axis=0) - b.mean(axis=0))
    lost = np.divide(apart, total, out=np.zeros_like(apart), where=total > 0)
    return float(1.0 - lost.mean())


def _as_labels(predictions: NDArray[Any]) -> NDArray[Any]:
    if predictions.ndim == 1 and predictions.dtype.kind != "O":
        return predictions
    if predictions.ndim > 1:
        _, codes = np.unique(predictions.astype(str), axis=0, return_inverse=True)
        return codes.ravel()
    return predictions.astype(str)


def _view(rule: StoppingRule, state: SearchState) -> ModelView:
    if state.view is None:
        raise ValueError(f"{type(rule).__name__} needs the view of a search's state.")
    return state.view
