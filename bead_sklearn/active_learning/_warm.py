"""Fits that continue where the fit before ended.

The task models of this suite can begin a search where that of another estimator ended
and reach the solution of a fresh fit, up to its tolerance. Other estimators with a
``warm_start`` parameter continue in place, and may end elsewhere than a fresh fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

#: Values of the ``warm_start`` parameter of searches and learners: only task models,
#: every estimator that can, none.
WarmStart = str | bool


def check_warm_start(estimator: Any, warm_start: WarmStart) -> None:
    """Raise a ValueError if ``warm_start=True`` cannot be done as it should."""
    if warm_start == "auto" or not warm_start or _is_task_model(estimator):
        return
    name = type(estimator).__name__
    params = estimator.get_params(deep=False)
    if "warm_start" not in params:
        raise ValueError(
            f"warm_start=True has no effect: {name} has no warm_start parameter."
        )
    if {"n_estimators", "max_leaf_nodes"} & set(params):  # ensembles of trees
        raise ValueError(
            f"warm_start=True would keep the old members of {name} as they are; "
            "use warm_start=False."
        )


def may_end_elsewhere(estimator: Any, warm_start: WarmStart) -> bool:
    """Whether a warm fit may differ from a fresh one."""
    explicit = warm_start != "auto" and bool(warm_start)
    return explicit and not _is_task_model(estimator)


def continues(estimator: Any, warm_start: WarmStart) -> bool:
    """Whether a fit depends on the one before it."""
    return bool(warm_start) and (
        _is_task_model(estimator) or may_end_elsewhere(estimator, warm_start)
    )


def fit_next(
    template: Any,
    earlier: Any,
    warm_start: WarmStart,
    labels: Any,
    earlier_labels: Any,
    fit: Callable[[Any], Any],
) -> Any:
    """Fit an estimator, from the solution of an earlier one where that is wanted.

    Parameters
    ----------
    template : estimator
        The estimator of the user; left as it is.
    earlier : estimator or None
        What was fitted before. Estimators that continue in place are changed.
    warm_start : "auto" or bool
        Whether the fit continues: of task models only, of any estimator, of none.
    labels, earlier_labels : array-like
        Labels of this fit and of the earlier one; a classifier that continues in
        place needs the same classes.
    fit : callable
        ``fit(estimator)`` fits in place.

    Returns
    -------
    estimator : estimator
        The fitted estimator, with the parameters of the template.
    """
    estimator = clone(template)
    if _is_task_model(template):
        if warm_start and type(_final(earlier)) is type(_final(estimator)):
            _final(estimator)._begin_at(_final(earlier))
        fit(estimator)
        return estimator
    if not may_end_elsewhere(template, warm_start):
        fit(estimator)
        return estimator
    if earlier is not None and (
        not is_classifier(template) or _classes(labels) == _classes(earlier_labels)
    ):
        estimator = earlier
    estimator.set_params(warm_start=True)
    fit(estimator)
    return estimator.set_params(warm_start=template.warm_start)


def _is_task_model(estimator: Any) -> bool:
    return hasattr(_final(estimator), "_begin_at")


def _final(estimator: Any) -> Any:
    """Return the last step of a pipeline, another estimator as it is."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _classes(labels: Any) -> set[Any]:
    return set(np.ravel(labels).tolist())
