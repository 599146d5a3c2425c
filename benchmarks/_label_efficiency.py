"""Labels against accuracy on three small published tables, strategy by strategy.

Half of the rows are the pool, half the test set; a logistic regression is fitted from
scratch after every batch. Splits and starting rows are the same for all strategies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
    make_classification,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

#: pick(model, X, y, labelled, unlabelled, n, rng) -> positions among the unlabelled.
Pick = Callable[..., Any]

MODEL = LogisticRegression(max_iter=1000)


@dataclass(frozen=True)
class Table:
    """A data set and how it is asked about."""

    X: np.ndarray
    y: np.ndarray
    n_first: int
    batch: int
    budget: int
    levels: tuple[float, ...]


#: Tables on which nothing was chosen: budget, and classes and spread of generated ones.
OTHERS = ("iris", "blobs", "two classes", "four classes", "six classes")


def load_other(name: str) -> Table:
    """Return one of the tables on which nothing was chosen."""
    if name == "iris":
        X, y = load_iris(return_X_y=True)
        return Table(StandardScaler().fit_transform(X), y, 4, 2, 50, (0.95,))
    if name == "blobs":
        X, y = make_blobs(1600, 10, centers=5, cluster_std=4.0, random_state=0)
        return Table(StandardScaler().fit_transform(X), y, 10, 10, 200, ())
    n_classes = {"two classes": 2, "four classes": 4, "six classes": 6}[name]
    X, y = make_classification(
        1600,
        20,
        n_informative=8,
        n_classes=n_classes,
        class_sep=2.0,
        random_state=n_classes,
    )
    return Table(StandardScaler().fit_transform(X), y, 10, 10, 200, ())


def load(name: str) -> Table:
    """Return one of the tables."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return Table(X / 16.0, y, 10, 10, 300, (0.90, 0.94))
    loader = {"breast_cancer": load_breast_cancer, "wine": load_wine}[name]
    X, y = loader(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    if name == "wine":
        return Table(X, y, 4, 2, 50, (0.97,))
    return Table(X, y, 4, 2, 60, (0.95, 0.965))


def curve(table: Table, pick: Pick, seed: int) -> list[float]:
    """Return the accuracy on the test set after each batch."""
    X, X_test, y, y_test = train_test_split(
        table.X, table.y, test_size=0.5, stratify=table.y, random_state=seed
    )
    rng = np.random.default_rng(seed)
    labelled = rng.choice(len(y), table.n_first, replace=False)
    while len(set(y[labelled])) < 2:
        labelled = rng.choice(len(y), table.n_first, replace=False)
    rng = np.random.default_rng(1000 + seed)
    scores = []
    while True:
        model = clone(MODEL).fit(X[labelled], y[labelled])
        scores.append(float(model.score(X_test, y_test)))
        if len(labelled) >= table.budget:
            return scores
        unlabelled = np.setdiff1d(np.arange(len(y)), labelled)
        n = min(table.batch, table.budget - len(labelled))
        picks = np.asarray(pick(model, X, y, labelled, unlabelled, n, rng))
        if len(set(picks.tolist())) != n:
            raise ValueError(f"{n} rows were asked for, got {picks.tolist()}.")
        labelled = np.concatenate([labelled, unlabelled[picks]])


def labels_to_reach(table: Table, scores: list[float], level: float) -> int:
    """Return after how many labels a curve first reaches a level; the budget if not."""
    for k, score in enumerate(scores):
        if score >= level:
            return table.n_first + k * table.batch
    return table.budget


def ours(strategy: Any) -> Pick:
    """Pick with a strategy of this suite."""

    def pick(
        model: Any,
        X: np.ndarray,
        y: np.ndarray,
        labelled: np.ndarray,
        unlabelled: np.ndarray,
        n: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        seeded = clone(strategy)
        if "random_state" in seeded.get_params():
            seeded.set_params(random_state=int(rng.integers(2**31)))
        pool = seeded.score_pool(
            model, X[unlabelled], X_labeled=X[labelled], y_labeled=y[labelled]
        )
        return np.asarray(pool.select(n))

    return pick
