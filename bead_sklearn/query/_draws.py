"""Draws of class probabilities from what an estimator believes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.query._capabilities import is_mixed_model
from bead_sklearn.query._features import FeatureSpace
from bead_sklearn.query._members import Members, chunks, is_committee, rows_at
from bead_sklearn.query._model_parts import at_last_step
from bead_sklearn.query._softmax import is_softmax, read_softmax

Floats = NDArray[np.float64]

#: Numbers held at once.
_BLOCK = 8_000_000


def probability_draws(
    estimator: Any,
    X: Any,
    *,
    groups: Any,
    X_labeled: Any,
    y_labeled: ArrayLike | None,
    n_draws: int,
    random_state: Any,
    name: str,
    groups_name: str,
) -> Iterator[tuple[slice, list[Floats]]]:
    """Yield draws of the class probabilities of parts of the pool.

    All rows of a draw come from the same weights and effects. The draws of a committee
    are its members; those of a logistic regression come from the normal approximation
    to its posterior, N(W, H^-1), the penalty being the prior; those of a task model
    from the posterior of its solver.

    Yields
    ------
    part : slice
        Rows of the pool.
    outputs : list of ndarray of shape (n_draws, n_rows, n_classes)
        One array per output.
    """
    if is_committee(estimator):
        members = Members(estimator)
        n = _num_samples(X)
        size = 16_384 if isinstance(X, np.ndarray) else max(n, 1)
        for part in chunks(n, size):
            who = None if groups is None else rows_at(groups, part)
            yield part, members.stacked(rows_at(X, part), who, name=groups_name)
        return
    rng = check_random_state(random_state)
    if is_mixed_model(estimator):
        model, given = at_last_step(estimator, X)
        draws = model.sample_posterior(n_draws, given, groups, rng, response=True)
        yield slice(0, draws.shape[1]), _outputs(model, np.asarray(draws))
        return
    if not is_softmax(estimator):
        raise ValueError(f"{name} has no draws of {type(estimator).__name__}.")
    if X_labeled is None or y_labeled is None:
        raise ValueError(
            f"{name} needs the labelled data: pass X_labeled and y_labeled."
        )
    space = FeatureSpace(estimator, None, name)
    rows = space.pool(X)
    labeled = space.labeled(X_labeled, rows)
    model, (others,) = read_softmax(estimator, labeled, y_labeled, [rows], name)
    n_outputs, d = model.weights.shape
    root = linalg.cholesky(model.inverse + 1e-12 * np.eye(n_outputs * d), lower=True)
    noise = rng.standard_normal((n_draws, n_outputs * d))
    weights = (model.weights.ravel() + noise @ root.T).reshape(-1, d)
    size = max(1, _BLOCK // len(weights))
    for part in chunks(len(others), size):
        logits = (others[part] @ weights.T).reshape(-1, n_draws, n_outputs)
        p = model.probabilities(logits.transpose(1, 0, 2))
        yield part, [model.all_classes(p)]


def _outputs(model: Any, draws: Floats) -> list[Floats]:
    """Write draws of mean responses as distributions over classes, per output."""
    if getattr(model, "multilabel_", False) or model._family.response == "multilabel":
        return [
            np.stack([1.0 - draws[..., k], draws[..., k]], axis=-1)
            for k in range(draws.shape[-1])
        ]
    if draws.ndim == 2:
        return [np.stack([1.0 - draws, draws], axis=-1)]
    # Options that a judgment lacks have no probability.
    return [np.nan_to_num(draws, nan=0.0)]
