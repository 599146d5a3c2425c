"""Scorers that let the model know whose judgments it predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_classifier

from bead_sklearn._sklearn import StrOptions, _check_response_method
from bead_sklearn.model_selection._groups import ScoreRequestMixin, groups_kwargs

_RESPONSES = ("predict", "predict_proba", "decision_function")


def make_group_scorer(
    metric: Callable[..., float],
    *,
    response_method: str | Sequence[str] = "predict",
    greater_is_better: bool = True,
    **kwargs: Any,
) -> GroupScorer:
    """Make a scorer that passes ``groups`` to the response method.

    The scorers of scikit-learn (``scoring="accuracy"`` and those of ``make_scorer``)
    never hand metadata to ``predict``: a model with participant effects is then
    scored as if every participant were new. With this scorer and metadata routing
    enabled, the ids reach ``predict`` or ``predict_proba`` in ``cross_validate``,
    searches, Pipelines and dictionaries of several scorers.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred, **kwargs) -> float``, such as
        ``sklearn.metrics.accuracy_score``.
    response_method : {"predict", "predict_proba", "decision_function"} or sequence, \
            default="predict"
        Method that gives ``y_pred``; of several, the first the estimator has. With
        two classes the probability (or decision) for the second class is passed on,
        or for ``pos_label`` if that is among ``kwargs``.
    greater_is_better : bool, default=True
        False for losses: the score is then the negated metric.
    **kwargs : dict
        Further arguments of the metric.

    Returns
    -------
    scorer : GroupScorer
        Callable ``scorer(estimator, X, y, groups=None, sample_weight=None)``.

    See Also
    --------
    sklearn.metrics.make_scorer : The same without groups.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.metrics import accuracy_score
    >>> from bead_sklearn.model_selection import make_group_scorer
    >>> scorer = make_group_scorer(accuracy_score)
    >>> model = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    >>> scorer(model, [[0.0], [1.0]], ["no", "yes"], groups=["ann", "ben"])
    1.0
    """
    scorer = GroupScorer(
        metric,
        response_method=response_method,
        greater_is_better=greater_is_better,
        kwargs=kwargs,
    )
    scorer._validate_params()
    return scorer


class GroupScorer(ScoreRequestMixin, BaseEstimator):
    """Scorer that passes ``groups`` to the response method.

    Made by `make_group_scorer`.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred, **kwargs) -> float``.
    response_method : str or sequence of str, default="predict"
        Method of the estimator that gives ``y_pred``.
    greater_is_better : bool, default=True
        Whether a higher value of the metric is better.
    kwargs : dict or None, default=None
        Further arguments of the metric.
    """

    _default_request: ClassVar[dict[str, bool | None]] = {
        "groups": True,
        "sample_weight": None,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [callable],
        "response_method": [StrOptions(set(_RESPONSES)), list, tuple],
        "greater_is_better": ["boolean"],
        "kwargs": [dict, None],
    }

    def __init__(
        self,
        metric: Callable[..., float],
        *,
        response_method: str | Sequence[str] = "predict",
        greater_is_better: bool = True,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.metric = metric
        self.response_method = response_method
        self.greater_is_better = greater_is_better
        self.kwargs = kwargs

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        groups: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Score the predictions for these participants.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator.
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        y : array-like of shape (n_samples,)
            True answers.
        groups : array-like of shape (n_samples,), default=None
            Participant ids. They reach the response method when it takes groups; an
            estimator that knows no participants, such as a plain LogisticRegression
            in the same comparison, is scored without them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, passed to the metric.

        Returns
        -------
        score : float
            The metric, negated where lower is better.
        """
        method = _check_response_method(estimator, self.response_method)
        name = method.__name__
        response = method(
            X, **groups_kwargs(estimator, name, groups, name=self._groups_name())
        )
        kwargs = dict(self.kwargs or {})
        if name != "predict":
            response = _positive_class(estimator, response, kwargs.get("pos_label"))
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        sign = 1 if self.greater_is_better else -1
        return sign * float(self.metric(y, response, **kwargs))

    def _accept_sample_weight(self) -> bool:
        """Whether weights are wanted: asked by scikit-learn's multi-metric scorer."""
        return "sample_weight" in signature(self.metric).parameters


def _positive_class(estimator: Any, response: Any, pos_label: Any) -> Any:
    """Reduce the response for two classes to the positive one."""
    classes: Any = getattr(estimator, "classes_", ())
    if (
        not is_classifier(estimator)
        or isinstance(response, list)
        or getattr(estimator, "multilabel_", False)
        or len(classes) != 2
        or np.ndim(classes[0]) != 0
    ):
        return response
    if pos_label is not None and pos_label not in classes:
        raise ValueError(
            f"pos_label={pos_label!r} is not one of the classes {list(classes)}."
        )
    second = pos_label is None or pos_label == classes[1]
    if response.ndim == 1:
        return response if second else -response
    return response[:, 1 if second else 0]
