"""Expected error reduction against fits with every label a candidate could have."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bead_sklearn.query import ExpectedErrorReduction

#: Rows that are candidates and reference alike.
N_POOL = 300


def _loss(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)


def _by_refits(
    model: Any, X: np.ndarray, known: tuple[Any, Any], rows: np.ndarray, tol: float
) -> np.ndarray:
    """Expected reduction of the candidates, the model being fitted again each time."""
    before = _loss(model.predict_proba(X)).mean()
    found = []
    for row in rows:
        others = np.arange(len(X)) != row
        expected = 0.0
        for p, label in zip(
            model.predict_proba(X[[row]])[0], model.classes_, strict=True
        ):
            again = LogisticRegression(tol=tol, max_iter=5000).fit(
                np.vstack([known[0], X[row]]), np.append(known[1], label)
            )
            # Over all rows, as the candidate itself is certain then.
            left = _loss(again.predict_proba(X[others])).sum() / len(X)
            expected += p * left
        found.append(before - expected)
    return np.array(found)


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return CPU seconds per candidate and rank correlations, by number of labels."""
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    results = []
    for n_labels in (50,) if quick else (50, 150):
        rng = np.random.default_rng(0)
        order = rng.permutation(len(y))
        first, pool = order[:n_labels], order[n_labels : n_labels + N_POOL]
        known = (X[first], y[first])
        rows = rng.choice(N_POOL, 5 if quick else 30, replace=False)
        model = LogisticRegression(tol=1e-8, max_iter=5000).fit(*known)
        strategy = ExpectedErrorReduction(n_reference=None)
        start = time.thread_time()
        ours = strategy(model, X[pool], X_labeled=known[0], y_labeled=known[1])
        seconds = (time.thread_time() - start) / N_POOL
        record = {"part": "refits", "labels": n_labels, "ours_ms": 1e3 * seconds}
        exact = None
        for name, tol in (("tight", 1e-8), ("default", 1e-4)):
            start = time.thread_time()
            values = _by_refits(model, X[pool], known, rows, tol)
            record[f"{name}_ms"] = 1e3 * (time.thread_time() - start) / len(rows)
            exact = values if exact is None else exact
            record[f"{name}_correlation"] = float(spearmanr(exact, values)[0])
        record["correlation"] = float(spearmanr(exact, ours[rows])[0])
        results.append(
            {k: round(v, 4) if k != "part" else v for k, v in record.items()}
        )
    return results
