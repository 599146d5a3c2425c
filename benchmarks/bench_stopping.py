"""Where do stopping rules stop, and what has been reached there?

Digits and breast cancer, ten splits in halves: one half is the pool, accuracy is
measured on the other half, which no rule sees. Margin sampling and uncertainty herding
from 10 and 4 labels drawn at random; batches of 10, 50 and 100, or growing
(`GrowingBatches`); a logistic regression, a support vector machine (margin of its
decision values), and label spreading that learns from the rows without label too
(`semi_supervised`). Every search is run to 40 % of the pool, and each
rule is then asked about its rounds in turn.

The aim: at most 20 % of the pool, with an accuracy at most 0.005 below that of all
labels.

    python benchmarks/bench_stopping.py --quick
    python benchmarks/bench_stopping.py --out results/stopping.jsonl
"""

from __future__ import annotations

import json
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from _measure import machine, markdown, parser, save, show
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_blobs,
    make_classification,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    GrowingBatches,
    OverallUncertainty,
    SearchState,
    StabilizingPredictions,
    StoppingRule,
)
from bead_sklearn.query import make_query_strategy

DATA = {"digits": (load_digits, 10), "breast_cancer": (load_breast_cancer, 4)}
#: Tables on which nothing was chosen.
OTHERS = {
    "wine": (load_wine, 4),
    "blobs": (
        lambda return_X_y: make_blobs(
            1600, 10, centers=5, cluster_std=4.0, random_state=0
        ),
        10,
    ),
    "two classes": (
        lambda return_X_y: make_classification(
            1200, 20, n_informative=6, class_sep=1.5, random_state=1
        ),
        4,
    ),
    "four classes": (
        lambda return_X_y: make_classification(
            2000, 15, n_informative=8, n_classes=4, class_sep=2.0, random_state=2
        ),
        10,
    ),
}
STRATEGIES = ["margin", "uncertainty_herding"]
#: Sizes of batches: fixed; fixed, with a fit after every ten labels; and growing up to
#: 100, as `GrowingBatches` says.
BATCHES = ["10", "50", "100", "50/10", "100/10", "growing"]
SHARE, GAP = 0.20, 0.005
RULES = {
    "stable 0.985, last fifth": StabilizingPredictions(0.985, window=0.2),
    "stable 0.99, last 30": StabilizingPredictions(0.99, window=30),
    "stable 0.995, last 30": StabilizingPredictions(0.995, window=30),
    "uncertainty 0.2": OverallUncertainty(0.2),
}


class Spreading(LabelSpreading):
    """Label spreading whose rows out of reach of any label are equally likely."""

    def predict_proba(self, X):
        with np.errstate(invalid="ignore"):
            p = super().predict_proba(X)
        return np.nan_to_num(p, nan=1.0 / p.shape[1])


def least_margin(decision):
    """Closeness of the two highest decision values."""
    if decision.ndim == 1:
        return -np.abs(decision)
    ranked = np.sort(decision, axis=1)
    return ranked[:, -2] - ranked[:, -1]


LEARNERS = {
    "support vectors": (SVC(C=10), False),
    "logistic regression": (LogisticRegression(max_iter=1000), False),
    "label spreading": (Spreading("knn", n_neighbors=7, alpha=0.2, max_iter=100), True),
}


class Watch(StoppingRule):
    """Note the accuracy on the test rows; never stop."""

    columns = ("test",)

    def __init__(self, X, y):
        self.X = X
        self.y = y

    def record(self, state):
        return {"test": state.estimator.score(self.X, self.y)}

    def _stop(self, state):
        return False


def split(name: str, seed: int):
    load, n_initial = (DATA | OTHERS)[name]
    X, y = load(return_X_y=True)
    X = X / 16.0 if name == "digits" else StandardScaler().fit_transform(X)
    return *train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed), (
        n_initial
    )


def run(name: str, learner: str, strategy: str, batch: str, seed: int) -> dict:
    """Run one search to 40 % of the pool and ask every rule where it stops."""
    X, X_test, y, y_test, n_initial = split(name, seed)
    estimator, semi = LEARNERS[learner]
    full = clone(estimator).fit(X, y).score(X_test, y_test)
    has_proba = hasattr(estimator, "predict_proba")
    size, _, every = batch.partition("/")
    search = ActiveLearningSearch(
        estimator,
        strategy
        if has_proba
        else make_query_strategy(least_margin, "decision_function"),
        batch_size=GrowingBatches(100) if batch == "growing" else int(size),
        check_every=int(every) if every else None,
        n_initial=n_initial,
        max_labels=int(0.4 * len(y)),
        stopping=[
            Watch(X_test, y_test),
            # These record here and do not stop: the search never gets that far.
            StabilizingPredictions(window=10**9),
            *([OverallUncertainty(window=10**9)] if has_proba else []),
        ],
        semi_supervised=semi,
        refit=False,
        random_state=seed,
    )
    history = search.fit(X, y).history_
    rounds = ~np.isnan(history["test"])
    history = {name: values[rounds] for name, values in history.items()}
    share = SHARE * len(y)
    record = {
        "data": name,
        "learner": learner,
        "strategy": strategy,
        "batch": batch,
        "seed": seed,
        "pool": len(y),
        "full": full,
        "at_share": float(np.interp(share, history["n_labels"], history["test"])),
        "rules": {},
    }
    for label, rule in RULES.items():
        if rule.columns[0] in history:
            record["rules"][label] = where(rule, history)
    return record


def where(rule: StoppingRule, history: dict) -> dict:
    """First round in which a rule stops, of those recorded."""
    for k in range(len(history["n_labels"])):
        past = {name: values[: k + 1] for name, values in history.items()}
        n_labels = int(past["n_labels"][-1])
        if rule(SearchState(k, n_labels, past, None, np.ones(1))):
            return {"n_labels": n_labels, "test": float(past["test"][-1])}
    return {"n_labels": None, "test": float(history["test"][-1])}


def summarise(records: list[dict]) -> list[dict]:
    """Mean over seeds, a line per data, learner, batches and rule."""
    keys = ("data", "learner", "strategy", "batch")
    lines = []
    for cell in dict.fromkeys(tuple(r[k] for k in keys) for r in records):
        own = [r for r in records if tuple(r[k] for k in keys) == cell]
        for rule in own[0]["rules"]:
            stops = [r["rules"][rule] for r in own]
            never = sum(s["n_labels"] is None for s in stops)
            labels = [
                0.4 * r["pool"] if s["n_labels"] is None else s["n_labels"]
                for r, s in zip(own, stops, strict=True)
            ]
            share = np.mean(labels) / own[0]["pool"]
            gaps = [r["full"] - s["test"] for r, s in zip(own, stops, strict=True)]
            gap = np.mean(gaps)
            lines.append(
                dict(zip(keys, cell, strict=True))
                | {
                    "rule": rule,
                    "labels": float(np.mean(labels)),
                    "sd": float(np.std(labels)),
                    "share": float(share),
                    "gap": float(gap),
                    "gap_at_share": float(
                        np.mean([r["full"] - r["at_share"] for r in own])
                    ),
                    "full": float(np.mean([r["full"] for r in own])),
                    "never": never,
                    "reached": bool(never == 0 and share <= SHARE and gap <= GAP),
                }
            )
    return lines


HEADER = [
    "data",
    "learner",
    "strategy",
    "batch",
    "rule",
    "labels",
    "share",
    "gap",
    "gap at 20 %",
    "aim",
]


def table(lines: list[dict]) -> list[list[str]]:
    rows = []
    for line in lines:
        limit = ">= " if line["never"] else ""
        rows.append(
            [
                line["data"],
                line["learner"],
                line["strategy"],
                line["batch"],
                line["rule"],
                f"{limit}{line['labels']:.0f} ± {line['sd']:.0f}",
                f"{limit}{line['share']:.1%}",
                f"{line['gap']:.4f}",
                f"{line['gap_at_share']:.4f}",
                "reached" if line["reached"] else "",
            ]
        )
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, help="splits (10; quick 2)")
    arguments.add_argument("--learner", choices=list(LEARNERS), action="append")
    arguments.add_argument("--strategy", action="append")
    arguments.add_argument("--batch", choices=BATCHES, action="append")
    arguments.add_argument(
        "--others", action="store_true", help="tables on which nothing was chosen"
    )
    arguments.add_argument("--table", type=Path, help="a table for the documentation")
    options = arguments.parse_args()
    warnings.filterwarnings("ignore", "max_iter=.*was reached", module="sklearn")
    warnings.filterwarnings("ignore", ".*invalid value.*", RuntimeWarning)
    save(options.out, [{"machine": machine()}])
    n_seeds = options.seeds or (2 if options.quick else 10)
    batches = options.batch or (["growing"] if options.quick else BATCHES)
    lines = []
    for learner, strategy, batch, name in product(
        options.learner or LEARNERS,
        options.strategy or STRATEGIES,
        batches,
        OTHERS if options.others else DATA,
    ):
        runs = [run(name, learner, strategy, batch, seed) for seed in range(n_seeds)]
        found = summarise(runs)
        save(options.out, found)
        print(show(HEADER, table(found)), flush=True)
        lines += found
    if options.table:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        text = markdown(HEADER, table(lines))
        options.table.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(machine()))


if __name__ == "__main__":
    main()
