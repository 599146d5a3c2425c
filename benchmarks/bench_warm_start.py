"""What warm starts save in active learning: iterations, factorisations, seconds.

    python benchmarks/bench_warm_start.py [--rounds 20] [--initial 200]

The same rounds of judgments are fitted afresh and with ``warm_start=True``. CPU time is
split into the solver and everything else, which for text is mostly the encoder.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from time import process_time

import numpy as np
import pandas as pd

from bead_sklearn import BinaryClassifier
from bead_sklearn.datasets import make_judgments
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.solvers import _factorization, _fit
from bead_sklearn.tasks import _base

COUNTS: Counter[str] = Counter()


def count_work() -> None:
    """Count evaluations of the likelihood, factorisations and solver seconds."""
    factorize = _factorization.Factorization.__init__
    evaluate = _fit.LaplaceObjective.__call__
    solve = _base.fit_mixed_model

    def counted_factorize(self, *args):
        COUNTS["factorisations"] += 1
        factorize(self, *args)

    def counted_evaluate(self, *args):
        COUNTS["evaluations"] += 1
        return evaluate(self, *args)

    def timed_solve(*args, **kwargs):
        began = process_time()
        try:
            return solve(*args, **kwargs)
        finally:
            COUNTS["solver"] += process_time() - began

    _factorization.Factorization.__init__ = counted_factorize
    _fit.LaplaceObjective.__call__ = counted_evaluate
    _base.fit_mixed_model = timed_solve


def make_problems() -> dict[str, tuple[object, np.ndarray, np.ndarray, dict]]:
    """Judgments of 60 participants about 400 items, seen in four ways."""
    d = make_judgments("binary", n_participants=60, n_items=400, random_state=0)
    rng = np.random.RandomState(1)
    n = len(d.y)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    items = frame[["a", "b"]].assign(item=d.X["text"].to_numpy())
    crossed = {"mixed_effects": "(1 | groups) + (1 | item)"}
    slopes = {"mixed_effects": "(1 + a | groups)"}
    return {
        "text": (d.X, d.y, d.groups, {}),
        "three columns": (frame, d.y, d.groups, {}),
        "slopes": (frame, d.y, d.groups, slopes),
        "participants and items": (items, d.y, d.groups, crossed),
    }


def run(name: str, batch: int, rounds: int, initial: int) -> None:
    """Print one line: a problem fitted over the rounds, afresh and warm."""
    X, y, groups, params = make_problems()[name]
    order = np.random.RandomState(0).permutation(len(y))
    test = order[-400:]
    models = {
        "cold": BinaryClassifier(**params),
        "warm": BinaryClassifier(warm_start=True, **params),
    }
    totals = {kind: Counter() for kind in models}
    worst = 0.0
    for index in range(rounds + 1):
        rows = order[: initial + index * batch]
        for kind, model in models.items():
            COUNTS.clear()
            began = process_time()
            model.fit(X.iloc[rows], y[rows], groups=groups[rows])
            COUNTS["seconds"] += process_time() - began
            COUNTS["iterations"] += model.n_iter_
            if index:  # the first fit is cold either way
                totals[kind].update(COUNTS)
        found = [
            m.predict_proba(X.iloc[test], groups=groups[test]) for m in models.values()
        ]
        worst = max(worst, float(np.abs(found[0] - found[1]).max()))
    cells = [f"{name:23s} {batch:5d}"]
    for key in ("iterations", "evaluations", "factorisations"):
        cells.append(
            f"{totals['cold'][key] / rounds:6.1f} {totals['warm'][key] / rounds:6.1f}"
        )
    for key in ("solver", "seconds"):
        cells.append(
            f"{1e3 * totals['cold'][key] / rounds:7.1f} "
            f"{1e3 * totals['warm'][key] / rounds:7.1f}"
        )
    print(" | ".join(cells), f"| {worst:.0e}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--initial", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SingularFitWarning)
    count_work()
    print(
        "per fit, cold and warm; CPU milliseconds; largest difference of a probability"
    )
    print(
        f"{'':23s} batch |    iterations |   evaluations | factorisations"
        " |          solver |           total"
    )
    for batch in (10, 25, 50):
        for name in make_problems():
            run(name, batch, arguments.rounds, arguments.initial)


if __name__ == "__main__":
    main()
