"""Fifty rounds on a pool of 100,000 rows: a search, and a loop that refits afresh.

Both ask about the 100 rows of lowest margin after every fit, from the same 1,000 labels
on. The loop is plain scikit-learn: fit, predict_proba, the lowest margins.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from _query_speed import Pool
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from bead_sklearn.active_learning import ActiveLearningSearch

N_ROUNDS, BATCH = 50, 100
MODEL = LogisticRegression(max_iter=1000)


def _loop(pool: Pool, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the rows labelled in the end, and the seconds in fits."""
    X, y = pool.all_rows, pool.all_y
    labelled = known.copy()
    spent = 0.0
    for _ in range(N_ROUNDS):
        start = time.thread_time()
        model = clone(MODEL).fit(X[labelled], y[labelled])
        spent += time.thread_time() - start
        free = np.ones(len(y), dtype=bool)
        free[labelled] = False
        rest = np.flatnonzero(free)
        top = np.partition(model.predict_proba(X[rest]), -2, axis=1)
        margins = top[:, -1] - top[:, -2]
        labelled = np.r_[labelled, rest[np.argpartition(margins, BATCH)[:BATCH]]]
    return labelled, spent


def _search(pool: Pool, known: np.ndarray, warm: bool) -> tuple[np.ndarray, float]:
    labeled = np.zeros(len(pool.all_y), dtype=bool)
    labeled[known] = True
    search = ActiveLearningSearch(
        MODEL,
        "margin",
        batch_size=BATCH,
        n_initial=len(known),
        max_iterations=N_ROUNDS,
        warm_start=warm,
        refit=False,
        random_state=0,
    ).fit(pool.all_rows, pool.all_y, labeled=labeled)
    rows = np.concatenate([known, *search.queries_])
    return rows, float(search.history_["fit_time"][:N_ROUNDS].sum())


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return seconds of CPU of each way, and how many rows they share."""
    warnings.simplefilter("ignore")
    pool = Pool(20_000 if quick else 100_000)
    known = np.sort(pool.known)
    ways = {
        "scikit-learn, refits": lambda: _loop(pool, known),
        "search, refits": lambda: _search(pool, known, False),
        "search, warm": lambda: _search(pool, known, True),
    }
    results: list[dict[str, Any]] = []
    reference: np.ndarray | None = None
    for name, run in ways.items():
        start = time.thread_time()
        rows, in_fits = run()
        seconds = time.thread_time() - start
        reference = rows if reference is None else reference
        results.append(
            {
                "part": "rounds",
                "way": name,
                "n": len(pool.all_y),
                "cpu_s": round(seconds, 2),
                "fits_s": round(in_fits, 2),
                "shared": round(len(np.intersect1d(rows, reference)) / len(rows), 3),
            }
        )
    return results
