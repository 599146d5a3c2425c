"""Routing items to annotators: how much of the gap between random and best is closed.

Eight simulated worlds: 12 annotators differ in which of 16 topics they know; 1,000
texts have rewards 0 or 1 of four annotators each, 454 others are routed. The gain is
(expected reward of those asked - mean of all) / (best of all - mean of all). Then one
annotator is replaced by another in mid-stream; and prompts are routed to language
models with published rewards, cross-validated by prompt.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
from _docstrings import encode, read_corpus
from _measure import Record, parser, save, show

from bead_sklearn.routing import AnnotatorRouter, routing_gain

N_ANNOTATORS, N_RATED, N_TRAIN = 12, 4, 1000
SHARED = Path(__file__).resolve().parents[2] / "shared"

#: One setting each for all worlds.
METHODS = {
    "default (gp)": {},
    "knn": {"solver": "knn"},
    "ridge": {"solver": "ridge"},
    "sgd, log loss": {"solver": "sgd", "loss": "log_loss", "learning_rate": 0.02},
    "sgd, squared error": {"solver": "sgd"},
    "sgd, listwise": {"solver": "sgd", "loss": "listwise", "learning_rate": 0.1},
    "original gating, 1 pass": {
        "solver": "sgd",
        "loss": "softmax_mse",
        "accumulate_grad": True,
        "init": "random",
        "max_iter": 1,
    },
    "original gating, 5 passes": {
        "solver": "sgd",
        "loss": "softmax_mse",
        "accumulate_grad": True,
        "init": "random",
    },
}
#: What the script runs.
PARTS = ("worlds", "replacement", "models")


def draw_world(seed: int, topics: np.ndarray):
    """Expected rewards, observed rewards (NaN: not asked), and the split."""
    rng = np.random.default_rng(seed)
    n = len(topics)
    ability = rng.normal(0, 0.3, N_ANNOTATORS)
    expertise = rng.normal(0, 1.5, (N_ANNOTATORS, topics.max() + 1))
    difficulty = rng.normal(0, 0.5, n)
    eta = 1.0 + ability + expertise[:, topics].T - difficulty[:, None]
    expected = 1.0 / (1.0 + np.exp(-eta))
    order = rng.permutation(n)
    train, test = order[:N_TRAIN], order[N_TRAIN:]
    rewards = np.full((n, N_ANNOTATORS), np.nan)
    for item in train:
        asked = rng.choice(N_ANNOTATORS, N_RATED, replace=False)
        rewards[item, asked] = rng.random(N_RATED) < expected[item, asked]
    return expected, rewards, train, test, rng


def run_worlds(X: np.ndarray, topics: np.ndarray, seeds, methods) -> list[Record]:
    records = []
    for name in methods:
        for seed in seeds:
            expected, rewards, train, test, _ = draw_world(seed, topics)
            router = AnnotatorRouter(**METHODS[name], random_state=0)
            start = time.process_time()
            router.fit(X[train], rewards[train])
            cpu = time.process_time() - start
            gain = routing_gain(expected[test], router.route(X[test]))
            records.append({"method": name, "seed": seed, "gain": gain, "cpu": cpu})
    for seed in seeds:
        expected, rewards, _, test, _ = draw_world(seed, topics)
        best = np.full(len(test), np.nanmean(rewards, axis=0).argmax())
        records.append(
            {
                "method": "best single annotator",
                "seed": seed,
                "gain": routing_gain(expected[test], best),
                "cpu": 0.0,
            }
        )
    return records


def run_replacement(X: np.ndarray, topics: np.ndarray, seeds) -> list[Record]:
    """Replace the annotator most routed to by one with other expertise.

    Returns the error of the predictions for this annotator, relative to that of its
    mean expected reward, and the gain, after each number of new ratings.
    """
    records = []
    for seed in seeds:
        expected, rewards, train, test, rng = draw_world(seed, topics)
        router = AnnotatorRouter(random_state=0)
        router.fit(X[train], rewards[train])
        who = int(np.bincount(router.route(X[test])).argmax())
        fresh = rng.normal(0, 1.5, topics.max() + 1)
        eta = 1.0 + fresh[topics] - rng.normal(0, 0.5, len(topics))
        before = routing_gain(expected[test], router.route(X[test]))
        expected[:, who] = 1.0 / (1.0 + np.exp(-eta))
        stale = routing_gain(expected[test], router.route(X[test]))
        ids = [f"new {who}" if i == who else i for i in range(N_ANNOTATORS)]
        router.set_annotators(ids)
        order = rng.permutation(train)
        seen = 0
        for target in (0, 50, 100, 200, 333):
            more = order[seen:target]
            if len(more):
                y = (rng.random(len(more)) < expected[more, who]).astype(float)
                router.partial_fit(X[more], y, groups=np.full(len(more), ids[who]))
            seen = target
            chosen = router.predict(X[test]).argmax(axis=1)
            records.append(
                {
                    "seed": seed,
                    "before": before,
                    "stale": stale,
                    "ratings": target,
                    "gain": routing_gain(expected[test], chosen),
                }
            )
    return records


def run_language_models(cache: Path | None, n_repeats: int) -> list[Record]:
    """Mean reward of the model chosen, by prompt, over repeated ten folds."""
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import RepeatedKFold

    path = SHARED / "data" / "route_alpacaeval" / "data.csv.gz"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    mean = table.groupby("model")["reward"].mean().sort_values(ascending=False)
    table = table[~table["model"].isin(mean.index[:3])]
    wide = table.pivot(index="item", columns="model", values="reward")
    texts = table.drop_duplicates("item").set_index("item")["text"][wide.index].tolist()
    X, rewards = encode(texts, cache), wide.to_numpy()
    source = table.drop_duplicates("item").set_index("item")["source"][wide.index]
    lengths = np.log1p([[len(t), len(t.split()), t.count("?")] for t in texts])
    lengths = (lengths - lengths.mean(axis=0)) / lengths.std(axis=0)
    more = np.hstack([X, 0.3 * pd.get_dummies(source).to_numpy(float), 0.1 * lengths])
    known = ~np.isnan(rewards)
    splits = RepeatedKFold(n_splits=10, n_repeats=n_repeats, random_state=0)
    records = []
    for fold, (train, test) in enumerate(splits.split(X)):
        filled = np.where(known, rewards, np.nanmean(rewards[train], axis=0))
        words = TfidfVectorizer(min_df=2, sublinear_tf=True)
        A = words.fit_transform([texts[i] for i in train])
        B = words.transform([texts[i] for i in test])
        tables = {
            "best single model": np.tile(filled[train].mean(axis=0), (len(test), 1)),
            "TF-IDF ridge": Ridge(alpha=1.0).fit(A, filled[train]).predict(B),
        }
        for name, (features, options) in {
            "default router": (X, {}),
            "default router, source and length too": (more, {}),
            "default router, hashed n-grams": (texts, {}),
            "knn": (X, {"solver": "knn"}),
            "knn, 100 neighbours": (X, {"solver": "knn", "n_neighbors": 100}),
        }.items():
            router = AnnotatorRouter(**options, random_state=0)
            router.fit(_take(features, train), rewards[train])
            tables[name] = router.predict(_take(features, test))
        for name, predicted in tables.items():
            predicted = np.where(known[test], predicted, -np.inf)
            chosen = rewards[test, predicted.argmax(axis=1)]
            records += [
                {"method": name, "fold": fold, "item": int(item), "reward": float(r)}
                for item, r in zip(test, chosen, strict=True)
            ]
    return records


def _take(values, rows):
    return values[rows] if hasattr(values, "shape") else [values[i] for i in rows]


def report_worlds(records: list[Record]) -> None:
    methods = dict.fromkeys(record["method"] for record in records)
    rows = []
    for method in methods:
        own = [record for record in records if record["method"] == method]
        gains = [record["gain"] for record in own]
        error = np.std(gains, ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
        cpu = np.mean([record["cpu"] for record in own])
        rows.append([method, float(np.mean(gains)), float(error), float(cpu)])
    print(show(["method", "gain", "s.e.", "fit CPU s"], rows))


def report_replacement(records: list[Record]) -> None:
    sizes = sorted({record["ratings"] for record in records})
    rows = [
        ["before", float(np.mean([record["before"] for record in records]))],
        ["replaced unnoticed", float(np.mean([record["stale"] for record in records]))],
    ]
    for size in sizes:
        own = [record["gain"] for record in records if record["ratings"] == size]
        rows.append([f"{size} ratings of the new one", float(np.mean(own))])
    print(show(["annotator replaced", "gain"], rows))


def report_language_models(records: list[Record]) -> None:
    methods = dict.fromkeys(record["method"] for record in records)
    by_item = {}
    for method in methods:
        own = [record for record in records if record["method"] == method]
        items = np.array([record["item"] for record in own])
        sums = np.bincount(items, [record["reward"] for record in own])
        by_item[method] = sums / np.bincount(items)
    rows = []
    for method, values in by_item.items():
        row = [method, values.mean()]
        for base in ("best single model", "TF-IDF ridge"):
            gap = values - by_item[base]
            row += [gap.mean(), gap.std(ddof=1) / np.sqrt(len(gap))]
        rows.append(row)
    print(show(["method", "reward", "- best single", "s.e.", "- TF-IDF", "s.e."], rows))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cache", type=Path, help="SQLite file of embeddings")
    options.add_argument(
        "--first-seed", type=int, default=0, metavar="N", help="seed of the first world"
    )
    options.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what to run"
    )
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    if set(arguments.parts) & {"worlds", "replacement"}:
        simulated(arguments)
    if "models" not in arguments.parts:
        return
    if not SHARED.is_dir():
        print("route_alpacaeval is not there: rewards of language models left out.")
        return
    records = run_language_models(arguments.cache, 1 if arguments.quick else 5)
    report_language_models(records)
    save(arguments.out, records)


def simulated(arguments) -> None:
    n_seeds = 2 if arguments.quick else 8
    seeds = range(arguments.first_seed, arguments.first_seed + n_seeds)
    corpus = read_corpus()
    topics = np.unique([entry.topic for entry in corpus], return_inverse=True)[1]
    X = encode([entry.text for entry in corpus], arguments.cache)
    print(f"{len(corpus)} texts on {topics.max() + 1} topics")
    if "worlds" in arguments.parts:
        methods = [m for m in METHODS if not (arguments.quick and m == "ridge")]
        records = run_worlds(X, topics, seeds, methods)
        report_worlds(records)
        save(arguments.out, records)
        print()
    if "replacement" in arguments.parts:
        records = run_replacement(X, topics, seeds)
        report_replacement(records)
        save(arguments.out, records)
        print()


if __name__ == "__main__":
    main()
