"""What every strategy is tested on: a model that suits it, a pool, labelled rows."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import BayesianRidge, LogisticRegression

from bead_sklearn import CategoricalClassifier
from bead_sklearn.query import CommitteeClassifier, get_query_strategy

MODELS = {
    "std": BayesianRidge(),
    "committee": CommitteeClassifier(random_state=0),
    "posterior": CategoricalClassifier(alpha=1.0),
}


def capabilities(name):
    return get_query_strategy(name).capabilities


def make(name, **parameters):
    """Return a strategy, its draws fixed."""
    strategy = get_query_strategy(name)
    if "random_state" in strategy.get_params():
        strategy.set_params(random_state=3)
    if name == "bald":
        strategy.set_params(n_draws=400)
    return strategy.set_params(**parameters)


def iris():
    """Return rows without twins, which have no order among themselves."""
    X, y = load_iris(return_X_y=True)
    X = X - X.mean(axis=0)
    _, first = np.unique(X, axis=0, return_index=True)
    first = np.sort(first)
    noise = np.random.default_rng(0).normal(scale=1e-3, size=X.shape)
    return (X + noise)[first], y[first]


def fitted(name, X, y):
    model = MODELS.get(capabilities(name).needs, LogisticRegression(max_iter=1000))
    return model.fit(X[::5], y[::5])


def context(X, y):
    return {"X_labeled": X[::5], "y_labeled": y[::5]}
