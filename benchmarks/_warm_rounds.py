"""Rounds on a pool of 100,000 rows: a search, and a loop that refits afresh.

Both ask about the 100 rows of lowest margin after every fit, from the same 1,000 labels
on. The loop is plain scikit-learn: fit, predict_proba, the lowest margins. Once the
rows are numbers, and once texts, which the Pipeline of the loop makes vectors of in
every round (n-grams of letters, hashed).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _query_speed import Pool
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.encoders import CallableEncoder

N_ROUNDS, N_TEXT_ROUNDS, BATCH = 50, 10, 100


class Timed(LogisticRegression):
    """A logistic regression that adds up the seconds of its fits."""

    spent = 0.0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Timed:
        start = time.thread_time()
        super().fit(X, y, sample_weight)
        Timed.spent += time.thread_time() - start
        return self


MODEL = Timed(max_iter=1000)


def _loop(
    model: Any, X: np.ndarray, y: np.ndarray, known: np.ndarray, n_rounds: int
) -> np.ndarray:
    """Return the rows labelled in the end."""
    labelled = known.copy()
    for _ in range(n_rounds):
        fitted = clone(model).fit(X[labelled], y[labelled])
        free = np.ones(len(y), dtype=bool)
        free[labelled] = False
        rest = np.flatnonzero(free)
        top = np.partition(fitted.predict_proba(X[rest]), -2, axis=1)
        margins = top[:, -1] - top[:, -2]
        labelled = np.r_[labelled, rest[np.argpartition(margins, BATCH)[:BATCH]]]
    return labelled


def _search(
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    n_rounds: int,
    warm: bool | str,
) -> np.ndarray:
    labeled = np.zeros(len(y), dtype=bool)
    labeled[known] = True
    search = ActiveLearningSearch(
        model,
        "margin",
        batch_size=BATCH,
        n_initial=len(known),
        max_iterations=n_rounds,
        warm_start=warm,
        refit=False,
        random_state=0,
    ).fit(X, y, labeled=labeled)
    return np.concatenate([known, *search.queries_])


def _vectors(texts: Any) -> np.ndarray:
    return np.asarray(VECTORIZER.transform(texts).toarray())


VECTORIZER = HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(2, 4))


def _texts(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts of ten words, which are of different kinds in different classes."""
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, 5)) for _ in range(2000)])
    y = rng.integers(0, 10, n)
    chosen = rng.integers(0, 2000, (n, 10))
    own = 200 * y[:, None] + rng.integers(0, 200, (n, 3))
    chosen[:, :3] = own
    return np.array([" ".join(row) for row in words[chosen]], dtype=object), y


def measure(quick: bool) -> list[dict[str, Any]]:
    """Return seconds of CPU of each way, and how many rows they share."""
    warnings.simplefilter("ignore")
    n = 20_000 if quick else 100_000
    pool = Pool(n)
    known = np.sort(pool.known)
    texts, kinds = _texts(n)
    plain = make_pipeline(FunctionTransformer(_vectors), MODEL)
    embedded = make_pipeline(CallableEncoder(_vectors), MODEL)
    numbers = (pool.all_rows, pool.all_y, known)
    words = (texts, kinds, known)
    ways: list[tuple[str, str, int, Callable[[int], np.ndarray]]] = [
        ("rows", "scikit-learn, refits", N_ROUNDS, lambda r: _loop(MODEL, *numbers, r)),
        (
            "rows",
            "search, refits",
            N_ROUNDS,
            lambda r: _search(MODEL, *numbers, r, False),
        ),
        ("rows", "search, warm", N_ROUNDS, lambda r: _search(MODEL, *numbers, r, True)),
        (
            "texts",
            "scikit-learn, refits",
            N_TEXT_ROUNDS,
            lambda r: _loop(plain, *words, r),
        ),
        (
            "texts",
            "search, refits",
            N_TEXT_ROUNDS,
            lambda r: _search(embedded, *words, r, "auto"),
        ),
        (
            "texts",
            "search, refits",
            N_ROUNDS,
            lambda r: _search(embedded, *words, r, "auto"),
        ),
    ]
    results: list[dict[str, Any]] = []
    references: dict[str, np.ndarray] = {}
    for kind, name, n_rounds, run in ways:
        Timed.spent = 0.0
        start = time.thread_time()
        rows = run(n_rounds)
        seconds = time.thread_time() - start
        reference = references.setdefault(kind, rows)
        same = len(np.intersect1d(rows[: len(reference)], reference)) / len(reference)
        results.append(
            {
                "part": "rounds",
                "kind": kind,
                "way": name,
                "n": n,
                "rounds": n_rounds,
                "cpu_s": round(seconds, 2),
                "fits_s": round(Timed.spent, 2),
                "shared": round(same, 3),
            }
        )
    return results
