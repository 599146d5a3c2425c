"""Query strategies of other libraries, in the form of `_label_efficiency.Pick`."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone


def scikit_activeml() -> dict[str, Callable[..., Any]]:
    """Return strategies of scikit-activeml; none if it is not installed."""
    try:
        import skactiveml.pool as pool
        from skactiveml.classifier import SklearnClassifier
    except ImportError:
        return {}
    logging.disable(logging.WARNING)

    def wrap(make: Callable[[int], Any]) -> Callable[..., Any]:
        def pick(
            model: Any,
            X: np.ndarray,
            y: np.ndarray,
            labelled: np.ndarray,
            unlabelled: np.ndarray,
            n: int,
            rng: np.random.Generator,
        ) -> np.ndarray:
            hidden = np.full(len(y), np.nan)
            hidden[labelled] = y[labelled]
            strategy = make(int(rng.integers(2**31)))
            given = inspect.signature(strategy.query).parameters
            kwargs: dict[str, Any] = {}
            if "clf" in given:
                fitted = SklearnClassifier(clone(model), classes=np.unique(y))
                kwargs = {"clf": fitted.fit(X, hidden), "fit_clf": False}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows = strategy.query(X, hidden, batch_size=int(n), **kwargs)
            return np.searchsorted(unlabelled, np.asarray(rows))

        return pick

    return {
        "scikit-activeml MaxHerding": wrap(lambda s: pool.MaxHerding(random_state=s)),
        "scikit-activeml Falcun": wrap(lambda s: pool.Falcun(random_state=s)),
        "scikit-activeml TypiClust": wrap(lambda s: pool.TypiClust(random_state=s)),
        "scikit-activeml margin": wrap(
            lambda s: pool.UncertaintySampling("margin_sampling", random_state=s)
        ),
        "scikit-activeml Badge": wrap(lambda s: pool.Badge(random_state=s)),
        "scikit-activeml CoreSet": wrap(lambda s: pool.CoreSet(random_state=s)),
    }


def modal() -> dict[str, Callable[..., Any]]:
    """Return strategies of modAL; none if it is not installed."""
    try:
        from modAL import batch, uncertainty
    except ImportError:
        return {}

    def margin(
        model: Any, X: Any, y: Any, labelled: Any, unlabelled: Any, n: int, rng: Any
    ) -> Any:
        return uncertainty.margin_sampling(model, X[unlabelled], n_instances=n)[0]

    def ranked(
        model: Any, X: Any, y: Any, labelled: Any, unlabelled: Any, n: int, rng: Any
    ) -> Any:
        unsure = 1.0 - model.predict_proba(X[unlabelled]).max(axis=1)
        learner = _Learner(X[labelled])
        rows = batch.ranked_batch(
            learner, X[unlabelled], unsure, n, metric="euclidean", n_jobs=None
        )
        # Releases differ: positions, or positions and scores.
        positions = rows[0] if isinstance(rows, tuple) else rows
        return np.ravel(np.asarray(positions, dtype=np.intp))

    return {"modAL margin": margin, "modAL ranked batch": ranked}


class _Learner:
    """What modAL's ranked batch reads of a learner."""

    on_transformed = False

    def __init__(self, rows: Any) -> None:
        self.X_training = rows
        self.Xt_training = rows
