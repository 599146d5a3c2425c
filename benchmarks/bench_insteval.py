"""Five-fold prediction error on InstEval: ratings of lectures by students.

Published mean squared errors of five-fold cross-validation with random folds: lme4
1.4469, LMMNN 1.4486 (Simchoni & Rosset 2023, Journal of Machine Learning Research 24).
Ours is the normal model with crossed random intercepts, fitted by REML, within
scikit-learn's own cross-validation: ids are columns of X.

    python benchmarks/bench_insteval.py --quick
    python benchmarks/bench_insteval.py --out results/insteval.jsonl

The table is read from the folder ``shared`` beside the repository.
"""

from __future__ import annotations

import json
import time

import numpy as np
from _data import read_table
from _measure import machine, parser, peak_memory, save, show

PUBLISHED = {
    "lme4": 1.4469,
    "LMMNN": 1.4486,
    "embedding": 1.499,
    "one-hot": 1.481,
    "ids ignored": 1.769,
}
FORMULA = "(1 | s) + (1 | d) + (1 | dept_service)"
QUICK_ROWS = 8_000


def load(n_rows: int | None):
    """Features with ids, and ratings."""
    table = read_table("insteval")
    if n_rows is not None:
        table = table.sample(n_rows, random_state=0)
    X = table[["s", "d"]].astype(str)
    pair = table["dept"].astype(str) + ":" + table["service"].astype(str)
    X = X.assign(dept_service=pair, service=table["service"].astype(float))
    # The remaining columns are categories without much to say; as numbers.
    X = X.assign(
        studage=table["studage"].astype(float), lectage=table["lectage"].astype(float)
    )
    return X, table["y"].to_numpy(float)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seed", type=int, default=0, help="of the folds")
    options = arguments.parse_args()
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold, cross_validate

    from bead_sklearn import MagnitudeRegressor, MixedEffects

    X, y = load(QUICK_ROWS if options.quick else None)
    effects = MixedEffects(formula=FORMULA, variance_estimation_method="reml")
    models = {
        "ours": (MagnitudeRegressor(alpha=0, mixed_effects=effects), X),
        "least squares": (
            LinearRegression(),
            X[["service", "studage", "lectage"]].to_numpy(),
        ),
    }
    folds = KFold(5, shuffle=True, random_state=options.seed)
    save(options.out, [{"machine": machine()}])
    rows = []
    for name, (model, data) in models.items():
        start = time.process_time()
        found = cross_validate(
            model,
            data,
            y,
            cv=folds,
            scoring="neg_mean_squared_error",
            error_score="raise",
        )
        elapsed = time.process_time() - start
        errors = -found["test_score"]
        record = {
            "model": name,
            "rows": len(y),
            "mse": errors.tolist(),
            "mean": float(errors.mean()),
            "error": float(errors.std(ddof=1) / np.sqrt(len(errors))),
            "cpu": elapsed,
            "peak_mb": peak_memory(),
        }
        save(options.out, [record])
        rows.append([name, record["mean"], record["error"], elapsed, record["peak_mb"]])
    rows += [
        [f"{name}, published", mse, *[None] * 3] for name, mse in PUBLISHED.items()
    ]
    print(json.dumps(machine()))
    print(f"{len(y)} ratings" + (" (published: all)" if options.quick else ""))
    header = ["model", "MSE of five folds", "SE", "CPU s, all folds", "peak MB"]
    print(show(header, rows))


if __name__ == "__main__":
    main()
