"""Two-tower embeddings from clicks: mean reciprocal rank at 10 on new queries.

Queries are names of functions, items the first sentences of their documentation. Of
1,000 queries the ten most similar items are shown in random order, the right one among
them; it is clicked with probability 0.85, any other with 0.03. The other 454 queries
rank all items. Then the published clicks of clk_mimicsduo, cross-validated by query.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
from _docstrings import encode, encoder_folder, read_corpus
from _measure import Record, parser, save, show

from bead_sklearn.embedding import TwoTowerEmbedder, mean_reciprocal_rank

SHARED = Path(__file__).resolve().parents[2] / "shared"
N_TRAIN = 1000
#: What the script runs.
PARTS = ("adapters", "clicks", "full")

PAIR = {"early_stopping": False, "max_iter": 5, "negative_downsampling": 0.99}
METHODS = {
    "zero-shot": None,
    "default": {},
    "default, 5 passes, none held out": {"early_stopping": False, "max_iter": 5},
    "default, hard negatives": {"hard_negatives": True},
    "default, shared tower": {"shared": True},
    "original recipe": {
        "loss": "prob_margin",
        "optimizer": "sgd",
        "query_lr": 1e-4,
        "items_lr": 1e-4,
        "batch_size": 1,
        "max_iter": 3,
        "negative_downsampling": 0.5,
        "max_abs_difference_threshold": 1.0,
        "early_stopping": False,
    },
    "prob_margin, Adam": PAIR | {"loss": "prob_margin"},
    "cosine_prob_margin, Adam": PAIR | {"loss": "cosine_prob_margin"},
    "pairwise_logistic, Adam": PAIR | {"loss": "pairwise_logistic"},
    "margin_ranking, Adam": PAIR | {"loss": "margin_ranking"},
    "pairwise_logistic, early stopping": {"loss": "pairwise_logistic"},
}


def simulate_clicks(queries: np.ndarray, items: np.ndarray, seed: int):
    """Rows (query, item, click, session) of the training queries, and the others."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(items))
    similarity = queries @ items.T
    rows = []
    for query in order[:N_TRAIN]:
        best = np.argsort(-similarity[query])[:10]
        shown = [*[item for item in best if item != query][:9], query]
        rng.shuffle(shown)
        for item in shown:
            click = rng.random() < (0.85 if item == query else 0.03)
            rows.append((query, item, click))
    return np.array(rows, dtype=int), order[N_TRAIN:]


def evaluate(queries: np.ndarray, items: np.ndarray, test: np.ndarray):
    """MRR@10 and recall at 1 of the right item among all."""
    scores = queries[test] @ items.T
    own = scores[np.arange(len(test)), test]
    ranks = 1 + (scores > own[:, None]).sum(axis=1)
    return float(np.where(ranks <= 10, 1 / ranks, 0).mean()), float((ranks == 1).mean())


def run_simulated(Q: np.ndarray, items: np.ndarray, seeds, methods) -> list[Record]:
    records = []
    d = Q.shape[1]
    both = np.hstack([Q, items])
    for seed in seeds:
        rows, test = simulate_clicks(Q, items, seed)
        X = np.hstack([Q[rows[:, 0]], items[rows[:, 1]]])
        for name in methods:
            start = time.process_time()
            embedder = TwoTowerEmbedder(n_query_features=d, random_state=0)
            if METHODS[name] is None:
                embedder.fit(X)
            else:
                embedder.set_params(**METHODS[name])
                embedder.fit(X, rows[:, 2], groups=rows[:, 0])
            cpu = time.process_time() - start
            mrr, recall = evaluate(
                embedder.transform_query(both), embedder.transform(both), test
            )
            records.append(
                {
                    "method": name,
                    "seed": seed,
                    "mrr": mrr,
                    "recall": recall,
                    "passes": embedder.n_iter_,
                    "cpu": cpu,
                }
            )
    return records


def run_full(entries, seed: int) -> list[Record]:
    """Fine-tune the whole model on the texts themselves."""
    names = [entry.name for entry in entries]
    texts = [entry.text for entry in entries]
    Q, items = encode(names), encode(texts)
    rows, test = simulate_clicks(Q, items, seed)
    X = [(names[q], texts[i]) for q, i, _ in rows]
    embedder = TwoTowerEmbedder(
        str(encoder_folder()),
        fine_tune="full",
        shared=True,
        early_stopping=False,
        max_iter=2,
        optimizer="adamw",
        items_weight_decay=0.01,
        random_state=0,
    )
    start = time.process_time()
    embedder.fit(X, rows[:, 2], groups=rows[:, 0])
    cpu = time.process_time() - start
    mrr, recall = evaluate(
        embedder.transform_query(names), embedder.transform(texts), test
    )
    return [
        {
            "method": "full fine-tuning, 2 passes",
            "seed": seed,
            "mrr": mrr,
            "recall": recall,
            "passes": 2,
            "cpu": cpu,
        }
    ]


def run_mimics(cache: Path | None, n_folds: int = 5) -> list[Record]:
    """Share of clicks on the option ranked first, for the panes of held-out queries."""
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import GroupKFold

    path = SHARED / "data" / "clk_mimicsduo" / "data.csv.gz"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    clicked = table.groupby("session")["click_share"].transform("sum") > 0
    table = table[clicked].reset_index(drop=True)
    asked = (table["query"] + " " + table["question"].fillna("")).tolist()
    texts = table["text"].tolist()
    Q, items = encode(asked, cache), encode(texts, cache)
    X, y = np.hstack([Q, items]), table["click_share"].to_numpy()
    session = table["session"].to_numpy()
    d = Q.shape[1]
    scores = {
        "first rank": -table["rank"].to_numpy(float),
        "zero-shot": (Q * items).sum(axis=1),
    }
    settings = {
        "default": {},
        "pairs within panes": {"loss": "pairwise_logistic"},
        "validated within panes": {"validation_pool": "session"},
        "pairs, validated within panes": {
            "loss": "pairwise_logistic",
            "validation_pool": "session",
        },
    }
    names = ["TF-IDF", *settings]
    scores |= {name: np.zeros(len(table)) for name in names}
    folds = GroupKFold(n_folds, shuffle=True, random_state=0)
    for train, test in folds.split(X, groups=table["query"]):
        words = TfidfVectorizer().fit(
            [asked[i] for i in train] + list(np.array(texts)[train])
        )
        left = words.transform([asked[i] for i in test])
        right = words.transform([texts[i] for i in test])
        scores["TF-IDF"][test] = np.asarray(left.multiply(right).sum(axis=1)).ravel()
        for name, options in settings.items():
            embedder = TwoTowerEmbedder(n_query_features=d, random_state=0, **options)
            embedder.fit(X[train], y[train], groups=session[train])
            scores[name][test] = embedder.predict(X[test])
    records = []
    for name, values in scores.items():
        for own in np.unique(session):
            rows = np.flatnonzero(session == own)
            best = rows[values[rows] == values[rows].max()]
            share = y[best].mean() / y[rows].sum()
            records.append({"method": name, "session": own, "share": float(share)})
    for name, values in scores.items():
        mrr = mean_reciprocal_rank(y, values, groups=session)
        records.append({"method": name, "mrr": mrr})
    return records


def report(records: list[Record], value: str, others: list[str]) -> None:
    methods = dict.fromkeys(record["method"] for record in records)
    rows = []
    for method in methods:
        own = [r for r in records if r["method"] == method and value in r]
        values = [record[value] for record in own]
        row = [method, float(np.mean(values)), float(np.min(values))]
        rows.append([*row, *(float(np.mean([r[o] for r in own])) for o in others)])
    print(show(["method", value, "least", *others], rows))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cache", type=Path, help="SQLite file of embeddings")
    options.add_argument(
        "--first-seed", type=int, default=0, metavar="N", help="seed of the first split"
    )
    options.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS[:2],
        help="what to run; full, the whole model, takes 10 minutes",
    )
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    records = []
    if "adapters" in arguments.parts:
        entries = read_corpus()
        Q = encode([entry.name for entry in entries], arguments.cache)
        items = encode([entry.text for entry in entries], arguments.cache)
        methods = ["zero-shot", "default"] if arguments.quick else list(METHODS)
        seeds = range(arguments.first_seed, arguments.first_seed + 3)
        records += run_simulated(Q, items, seeds, methods)
    if "full" in arguments.parts:
        records += run_full(read_corpus(), arguments.first_seed)
    if records:
        report(records, "mrr", ["recall", "passes", "cpu"])
        save(arguments.out, records)
    if "clicks" not in arguments.parts:
        return
    if not SHARED.is_dir():
        print("clk_mimicsduo is not there: published clicks left out.")
        return
    records = run_mimics(arguments.cache)
    print()
    report([r for r in records if "share" in r], "share", [])
    report([r for r in records if "mrr" in r], "mrr", [])
    save(arguments.out, records)


if __name__ == "__main__":
    main()
