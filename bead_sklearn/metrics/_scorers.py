"""Scorers of regressors that predict distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from bead_sklearn.metrics._crps import crps_from_quantiles

#: Levels whose quantiles make up a predicted distribution.
_N_LEVELS = 49


def negative_crps_scorer(
    estimator: Any, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
) -> float:
    """Return minus the mean CRPS of a regressor's predicted distributions.

    From 49 quantiles, so that it serves all families alike.

    Parameters
    ----------
    estimator : regressor
        Fitted, with ``predict_dist``.
    X : array-like, sparse matrix, DataFrame, list of str or list of dict
        What was judged.
    y : array-like of shape (n_samples,)
        The answers.
    groups : array-like of shape (n_samples,) or DataFrame, default=None
        Who judged.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the judgments.

    Returns
    -------
    score : float
        Greater is better; pass the function as ``scoring``.

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.metrics import negative_crps_scorer
    >>> d = make_judgments("magnitude", n_participants=20, n_items=30, random_state=0)
    >>> model = MagnitudeRegressor().fit(d.X, d.y, groups=d.groups)
    >>> known = negative_crps_scorer(model, d.X, d.y, groups=d.groups)
    >>> known > negative_crps_scorer(model, d.X, d.y)
    True
    """
    levels = (np.arange(_N_LEVELS) + 0.5) / _N_LEVELS
    quantiles = estimator.predict_dist(X, groups=groups, quantiles=levels)
    scores = crps_from_quantiles(y, quantiles, levels)
    return -float(np.average(scores, weights=sample_weight))


def log_density_scorer(
    estimator: Any, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
) -> float:
    """Return the mean log-density that a regressor predicted for the answers.

    Parameters
    ----------
    estimator : regressor
        Fitted, with ``log_predictive_density``.
    X : array-like, sparse matrix, DataFrame, list of str or list of dict
        What was judged.
    y : array-like of shape (n_samples,)
        The answers.
    groups : array-like of shape (n_samples,) or DataFrame, default=None
        Who judged.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the judgments.

    Returns
    -------
    score : float
        Greater is better; pass the function as ``scoring``.

    Examples
    --------
    >>> from bead_sklearn import MagnitudeRegressor
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.metrics import log_density_scorer
    >>> d = make_judgments("magnitude", n_participants=20, n_items=30, random_state=0)
    >>> model = MagnitudeRegressor(family="lognormal")
    >>> model = model.fit(d.X, d.y, groups=d.groups)
    >>> known = log_density_scorer(model, d.X, d.y, groups=d.groups)
    >>> known > log_density_scorer(model, d.X, d.y)
    True
    """
    scores = estimator.log_predictive_density(X, y, groups=groups)
    return float(np.average(scores, weights=sample_weight))
