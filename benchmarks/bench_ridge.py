"""Ridge by marginal likelihood: test log loss with many features and few judgments.

Crossed binary judgments with d features of each row; a fifth of the rows is kept for
testing. Compared are

- the ridge precision estimated by marginal likelihood, by the solver,
- ``alpha="auto"`` of the public estimator, which takes that ridge where columns are
  many against the judgments and no penalty elsewhere,
- maximum likelihood, ``alpha=0``, which has no finite solution when d is not small
  against the number of judgments,
- LogisticRegressionCV without random effects (cross-validated ridge),
- the same with one-hot participants and items beside the features,
- the truth.

    python benchmarks/bench_ridge.py --quick
    python benchmarks/bench_ridge.py --out results/ridge.jsonl
"""

from __future__ import annotations

import json

import numpy as np
from _data import simulate_crossed
from _measure import Record, machine, measure, parser, run_cell, save, show

SIZES = [(1_000, 32), (1_000, 384), (10_000, 32), (10_000, 384)]
QUICK = [(1_000, 32), (1_000, 384)]
METHODS = ["ridge, solver", "auto", "ml", "logistic", "logistic, one-hot", "truth"]
FORMULA = "(1 | p) + (1 | i)"
TEST_SHARE = 0.2


def split(cell: Record):
    """Draw the data and the rows that are kept for testing."""
    data = simulate_crossed(cell["n"], cell["d"], cell["seed"])
    test = np.random.default_rng(1).random(cell["n"]) < TEST_SHARE
    return data, test


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log-likelihood; certainty that is wrong counts 36."""
    p = np.clip(p, 1e-16, 1.0 - 1e-16)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def ours(cell: Record) -> Record:
    """BinaryClassifier, with predictions for known participants and items."""
    import pandas as pd

    from bead_sklearn import BinaryClassifier

    data, test = split(cell)
    frame = pd.DataFrame(data.X, columns=[f"x{j}" for j in range(cell["d"])])
    frame = frame.assign(p=data.participant.astype(str), i=data.item.astype(str))
    alpha = 0 if cell["method"] == "ml" else "auto"

    def fit() -> Record:
        model = BinaryClassifier(alpha=alpha, mixed_effects=FORMULA)
        model.fit(frame[~test], data.y[~test].astype(int))
        p = model.predict_proba(frame[test])[:, 1]
        sds = [float(np.sqrt(part.variance[0])) for part in model.variance_components_]
        return {
            "log_loss": log_loss(data.y[test], p),
            "sds": sds,
            "norm": float(np.linalg.norm(model.coef_)),
        }

    return measure(fit)


def ridge(cell: Record) -> Record:
    """The solver, with all features under an estimated ridge."""
    from _designs import design, factor

    from bead_sklearn.families import Bernoulli
    from bead_sklearn.solvers import SolverOptions, fit_mixed_model

    data, test = split(cell)
    empty = np.zeros((cell["n"], 0))
    factors = factor(data.participant, name="p"), factor(data.item, name="i")

    def part(rows: np.ndarray):
        taken = [one.take(rows) for one in factors]
        return design(empty[rows], *taken, ridge=data.X[rows])

    def fit() -> Record:
        y = data.y[~test]
        weights = np.ones(len(y))
        found = fit_mixed_model(part(~test), Bernoulli(), y, weights, SolverOptions())
        p = Bernoulli().mean_over(*found.posterior.predict(part(test)))
        sds = [float(np.sqrt(G[0, 0])) for G in found.posterior.covariances]
        return {
            "log_loss": log_loss(data.y[test], p),
            "sds": sds,
            "norm": float(np.linalg.norm(found.posterior.ridge)),
            "tau": found.alpha**-0.5,
        }

    return measure(fit)


def logistic(cell: Record) -> Record:
    """Cross-validated ridge without random effects."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.preprocessing import OneHotEncoder

    data, test = split(cell)
    X = data.X
    if "one-hot" in cell["method"]:
        ids = np.column_stack([data.participant, data.item])
        X = sparse.hstack([X, OneHotEncoder().fit_transform(ids)]).tocsr()

    def fit() -> Record:
        model = LogisticRegressionCV(
            Cs=10,
            cv=5,
            max_iter=1000,
            scoring="neg_log_loss",
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        ).fit(X[~test], data.y[~test])
        p = model.predict_proba(X[test])[:, 1]
        norm = float(np.linalg.norm(model.coef_[:, : cell["d"]]))
        return {"log_loss": log_loss(data.y[test], p), "norm": norm}

    return measure(fit)


def run_one(cell: Record) -> Record:
    """Measure one method on one data set, in this process."""
    if cell["method"] == "truth":
        data, test = split(cell)
        p = 1.0 / (1.0 + np.exp(-data.eta[test]))
        norm = float(np.linalg.norm(data.b))
        return {"log_loss": log_loss(data.y[test], p), "norm": norm}
    if cell["method"] == "ridge, solver":
        return ridge(cell)
    return logistic(cell) if "logistic" in cell["method"] else ours(cell)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=1, help="data sets per size")
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    rows = []
    for n, d in QUICK if options.quick else SIZES:
        for method in METHODS:
            cells = [
                run_cell(
                    __file__,
                    {"n": n, "d": d, "method": method, "seed": seed},
                    options.limit,
                )
                for seed in range(5, 5 + options.seeds)
            ]
            save(options.out, cells)
            done = [cell for cell in cells if cell["status"] == "ok"]

            def mean(key: str, done: list[Record] = done) -> float | None:
                values = [cell[key] for cell in done if key in cell]
                return float(np.mean(values)) if values else None

            sds = [cell["sds"] for cell in done if "sds" in cell]
            rows.append(
                [
                    f"{n} x {d}",
                    method,
                    mean("log_loss"),
                    np.mean(sds, axis=0).round(3).tolist() if sds else None,
                    mean("norm"),
                    mean("cpu"),
                    mean("peak_mb"),
                    "; ".join(
                        dict.fromkeys(
                            cell.get("message", cell["status"])
                            for cell in cells
                            if cell["status"] != "ok"
                        )
                    ),
                ]
            )
    header = ["rows x features", "method", "test log loss", "sds", "|b|", "CPU s"]
    print(show([*header, "peak MB", ""], rows))


if __name__ == "__main__":
    main()
