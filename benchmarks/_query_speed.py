"""CPU seconds and memory of one batch, for one method in a process of its own."""

from __future__ import annotations

import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

N_CLASSES, N_FEATURES, N_LABELLED, BATCH = 10, 64, 1000, 100


class Pool:
    """A pool of Gaussian classes, and models fitted to the labelled rows."""

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(0)
        centres = 0.35 * rng.normal(size=(N_CLASSES, N_FEATURES))
        y = rng.integers(0, N_CLASSES, n)
        X = centres[y] + rng.normal(size=(n, N_FEATURES))
        known = rng.choice(n, N_LABELLED, replace=False)
        rest = np.setdiff1d(np.arange(n), known)
        self.X, self.rest, self.known, self.all_rows, self.all_y = (
            np.ascontiguousarray(X[rest]),
            rest,
            known,
            X,
            y,
        )
        self.X_labeled, self.y_labeled = X[known], y[known]
        self.model = LogisticRegression(max_iter=300).fit(X[known], y[known])
        self.members = []
        for _ in range(5):
            rows = rng.choice(known, N_LABELLED)
            self.members.append(LogisticRegression(max_iter=300).fit(X[rows], y[rows]))


def ours(name: str, pool: Pool) -> Callable[[], Any]:
    """Return a call of a strategy of this suite."""
    from bead_sklearn.query import get_query_strategy

    strategy = get_query_strategy(name)
    if "random_state" in strategy.get_params():
        strategy.set_params(random_state=0)
    committee = strategy.capabilities.needs == "committee"
    model: Any = pool.members if committee else pool.model

    def run() -> Any:
        scored = strategy.score_pool(
            model, pool.X, X_labeled=pool.X_labeled, y_labeled=pool.y_labeled
        )
        return scored.select(BATCH)

    return run


def squares(rows: np.ndarray) -> np.ndarray:
    """Return squared lengths."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def floor(name: str, pool: Pool) -> Callable[[], Any]:
    """Return a plain numpy version of the same quantity, nothing checked."""
    X, model = pool.X, pool.model

    def nearest() -> np.ndarray:
        own, other = squares(X), squares(pool.X_labeled)
        gap = np.empty(len(X))
        for start in range(0, len(X), 4096):
            block = X[start : start + 4096] @ pool.X_labeled.T
            block *= -2.0
            block += other
            gap[start : start + 4096] = block.min(axis=1)
        gap += own
        return np.maximum(gap, 0.0)

    def entropy() -> Any:
        p = model.predict_proba(X)
        score = -np.einsum("ij,ij->i", p, np.log(np.maximum(p, 1e-300)))
        return np.argpartition(-score, BATCH)[:BATCH]

    def margin() -> Any:
        p = model.predict_proba(X)
        top = np.partition(p, N_CLASSES - 2, axis=1)
        return np.argpartition(top[:, -1] - top[:, -2], BATCH)[:BATCH]

    def k_center() -> Any:
        gap, own, picks = nearest(), squares(X), []
        out = np.empty(len(X))
        for _ in range(BATCH):
            pick = int(gap.argmax())
            picks.append(pick)
            np.dot(X, X[pick], out=out)
            out *= -2.0
            out += own
            out += own[pick]
            np.minimum(gap, out, out=gap)
            gap[pick] = -np.inf
        return picks

    def badge() -> Any:
        p = model.predict_proba(X)
        p[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
        length = squares(p) * squares(X)
        rng = np.random.default_rng(0)
        pick, gap = int(length.argmax()), np.full(len(X), np.inf)
        picks = [pick]
        for _ in range(BATCH - 1):
            value = p @ p[pick]
            value *= X @ X[pick]
            value *= -2.0
            value += length
            value += length[pick]
            np.minimum(gap, value, out=gap)
            np.maximum(gap, 0.0, out=gap)
            gap[pick] = 0.0
            total = np.cumsum(gap)
            pick = int(np.searchsorted(total, rng.random() * total[-1]))
            picks.append(pick)
        return picks

    def ranked_batch() -> Any:
        unsure = 1.0 - model.predict_proba(X).max(axis=1)
        gap, own, picks = nearest(), squares(X), []
        n_left, n_known = len(X), N_LABELLED
        out, dead = np.empty(len(X)), np.zeros(len(X), dtype=bool)
        for _ in range(BATCH):
            alpha = n_left / (n_left + n_known)
            score = alpha * (1 - 1 / (1 + np.sqrt(gap))) + (1 - alpha) * unsure
            score[dead] = -np.inf
            pick = int(score.argmax())
            picks.append(pick)
            dead[pick] = True
            n_left, n_known = n_left - 1, n_known + 1
            np.dot(X, X[pick], out=out)
            out *= -2.0
            out += own
            out += own[pick]
            np.maximum(out, 0.0, out=out)
            np.minimum(gap, out, out=gap)
        return picks

    def expected_gradient_length() -> Any:
        p = model.predict_proba(X)
        gaps = np.sqrt(np.maximum(squares(p)[:, None] - 2 * p + 1, 0))
        score = (p * gaps).sum(axis=1) * np.sqrt(squares(X) + 1)
        return np.argpartition(-score, BATCH)[:BATCH]

    def mean_kl() -> Any:
        said = [member.predict_proba(X) for member in pool.members]
        mean = sum(said) / len(said)

        def h(p: np.ndarray) -> np.ndarray:
            return np.asarray(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=1))

        score = h(mean) - sum(h(p) for p in said) / len(said)
        return np.argpartition(-score, BATCH)[:BATCH]

    return {
        "entropy": entropy,
        "margin": margin,
        "k_center": k_center,
        "badge": badge,
        "ranked_batch": ranked_batch,
        "expected_gradient_length": expected_gradient_length,
        "mean_kl": mean_kl,
    }[name]


def scikit_activeml(name: str, pool: Pool) -> Callable[[], Any]:
    """Return a call of scikit-activeml."""
    import skactiveml.pool as theirs
    from skactiveml.classifier import SklearnClassifier

    hidden = np.full(len(pool.all_y), np.nan)
    hidden[pool.known] = pool.y_labeled
    fitted = SklearnClassifier(
        LogisticRegression(max_iter=300), classes=np.arange(N_CLASSES)
    ).fit(pool.all_rows, hidden)
    data = {"X": pool.all_rows, "y": hidden, "batch_size": BATCH}
    with_model = {**data, "clf": fitted, "fit_clf": False}
    made, arguments = {
        "margin": (theirs.UncertaintySampling("margin_sampling"), with_model),
        "k_center": (theirs.CoreSet(random_state=0), data),
        "badge": (theirs.Badge(random_state=0), with_model),
    }[name]
    return lambda: made.query(**arguments)


def modal(name: str, pool: Pool) -> Callable[[], Any]:
    """Return a call of modAL."""
    from _peers import modal as strategies

    known = np.arange(len(pool.X), len(pool.X) + N_LABELLED)
    X = np.vstack([pool.X, pool.X_labeled])
    pick = strategies()[
        "modAL ranked batch" if name == "ranked_batch" else "modAL margin"
    ]
    rows = np.arange(len(pool.X))
    return lambda: pick(pool.model, X, None, known, rows, BATCH, None)


def resident() -> float:
    """Return the memory of this process in MB."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * 4096 / 2**20


def main() -> None:
    """Measure one method: library, name, rows."""
    warnings.simplefilter("ignore")
    library, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    pool = Pool(n)
    makers = {
        "ours": ours,
        "floor": floor,
        "scikit-activeml": scikit_activeml,
        "modAL": modal,
    }
    run = makers[library](name, pool)
    before, peak, done = resident(), [resident()], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    seconds: list[float] = []
    while len(seconds) < 5 and sum(seconds) < 3.0:
        start = time.thread_time()
        run()
        seconds.append(time.thread_time() - start)
    done.set()
    watcher.join()
    print(
        json.dumps(
            {
                "part": "speed",
                "library": library,
                "strategy": name,
                "n": n,
                "cpu_s": round(min(seconds), 4),
                "peak_mb": round(peak[0] - before, 1),
                "pool_mb": round(pool.X.nbytes / 2**20, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
