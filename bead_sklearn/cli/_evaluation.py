"""How well a model predicts judgments it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, KFold

from bead_sklearn._sklearn import _safe_indexing
from bead_sklearn.cli._output import Progress, print_table
from bead_sklearn.cli._study import Study
from bead_sklearn.cli._tasks import TASKS, loss, shares_loss, summarise

_KNOWN, _NEW = "known participants", "new participants"


def compare(
    study: Study,
    models: dict[str, tuple[BaseEstimator, Any]],
    n_folds: int,
    seed: int,
    progress: Progress,
) -> dict[str, list[float]]:
    """Cross-validate models for known and for new participants.

    Parameters
    ----------
    study : Study
        The judgments.
    models : dict of str to (estimator, X)
        Models and what each reads, by name.
    n_folds : int
        Number of folds.
    seed : int
        Seed of the folds.
    progress : Progress
        Where to tell how far it is.

    Returns
    -------
    losses : dict of str to list of float
        For known and for new participants: the log loss (labels, options, words) or
        R2 (numbers) over all judgments, each predicted by the fit it was held out of.
    """
    results: dict[str, list[float]] = {name: [] for name in models}
    baseline: list[float] = []
    known = KFold(n_folds, shuffle=True, random_state=seed)
    new = GroupKFold(n_folds, shuffle=True, random_state=seed)
    schemes = {
        _KNOWN: list(known.split(study.y)),
        _NEW: list(new.split(study.y, groups=study.participants)),
    }
    for scheme, folds in schemes.items():
        for name, (model, X) in models.items():
            predictions = [
                _predict_fold(study.roles.task, model, X, study.y, *fold)
                for fold in _counted(folds, f"{scheme}, {name}", progress)
            ]
            results[name].append(_measure(study, folds, predictions))
        shares = [
            shares_loss(study.roles.task, study.y[train], study.y[test])
            for train, test in folds
        ]
        if all(share is not None for share in shares):
            baseline.append(_measure(study, folds, shares))
    if baseline:
        results["shares of the labels"] = baseline
    return results


def report(study: Study, results: dict[str, list[float]], n_folds: int) -> None:
    """Print what `compare` found, with words that say what it means."""
    task = TASKS[study.roles.task]
    if task.is_better_lower:
        coin = "; 0.693 is a coin" * (study.roles.task in ("binary", "multi_select"))
        print(f"Held-out log loss, {n_folds} folds (lower is better{coin})")
    else:
        print(f"Held-out R2, {n_folds} folds (higher is better; 0 is the plain mean)")
    rows = [
        [name, *(f"{value:.3f}" for value in values)]
        for name, values in results.items()
    ]
    print_table([["mixed effects", _KNOWN, _NEW], *rows])
    print(
        "Known participants: judgments were held out at random, so the model has seen\n"
        "others by the same people. New participants: all judgments of some people\n"
        "were held out."
    )


def _counted(folds: Sequence[Any], what: str, progress: Progress) -> Iterator[Any]:
    for number, fold in enumerate(folds, start=1):
        progress.redraw(f"Cross-validation, {what}: fold {number} of {len(folds)}")
        yield fold
    progress.redraw("")


def _predict_fold(
    task: str,
    model: BaseEstimator,
    X: Any,
    y: NDArray[Any],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
) -> NDArray[np.float64]:
    fitted: Any = clone(model).fit(_safe_indexing(X, train), y[train])
    return loss(task, fitted, _safe_indexing(X, test), y[test])


def _measure(study: Study, folds: Sequence[Any], values: Sequence[Any]) -> float:
    truth = study.y[np.concatenate([test for _, test in folds])]
    return summarise(study.roles.task, truth, np.concatenate(values))
