"""Participant-specific heads over text features: time and memory of one fit.

``mixed_effects="random_slopes"`` gives every participant an intercept and a coefficient
per feature. Compared are

- spans: one effect per distinct text of a participant, the levels each in its own size
  (what the estimators do where it saves work),
- features: one effect per feature for every participant.

Both are the same model: log-likelihoods agree. The data are simulated, or the
judgments of "bin_udsgenericity", whose participants gave 10 to 570 each, of all
participants or of those with at most 100.

    python benchmarks/bench_heads.py --quick
    python benchmarks/bench_heads.py --limit 1200 --out results/heads.jsonl
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from unittest import mock

import numpy as np
from _data import SHARED
from _measure import Record, machine, measure, parser, run_cell, save, show

FORMS = ["spans", "features"]
#: Rows, participants, features of simulated judgments.
SIMULATED = [(1_000, 50, 64), (5_000, 200, 256), (20_000, 2_000, 256)]
QUICK = SIMULATED[:1]
#: Largest number of judgments of the participants of a table; None takes all.
MOST = [100, None]
TABLE = SHARED / "data" / "bin_udsgenericity" / "data.csv.gz"
#: What one effect per feature is not tried for: too much memory.
TOO_LARGE = [(20_000, 2_000, 256)]


def simulate(n: int, n_participants: int, n_features: int):
    """Draw judgments of texts with features of falling size; also their encoder."""
    rng = np.random.default_rng([0, n, n_participants, n_features])
    sizes = 1.0 / np.sqrt(np.arange(1, n_features + 1))
    sizes /= np.linalg.norm(sizes)
    features = rng.standard_normal((n // 5, n_features)) * sizes
    texts = [f"text {i}" for i in range(n // 5)]
    chosen = rng.integers(n // 5, size=n)
    groups = rng.permutation(np.arange(n) % n_participants)
    slopes = rng.standard_normal((n_participants, n_features))
    eta = features[chosen] @ rng.standard_normal(n_features)
    eta += rng.standard_normal(n_participants)[groups]
    eta += np.einsum("ij,ij->i", features[chosen], slopes[groups])
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    rows = dict(zip(texts, features, strict=True))
    X = [texts[i] for i in chosen]
    return X, y, groups, lambda x: np.array([rows[t] for t in x])


def read_table(most: int | None):
    """Read the judgments of participants with at most so many."""
    with gzip.open(TABLE, "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    counts = Counter(row["participant"] for row in rows)
    rows = [r for r in rows if most is None or counts[r["participant"]] <= most]
    return (
        [row["text"] for row in rows],
        np.array([int(row["response"]) for row in rows]),
        np.array([row["participant"] for row in rows]),
        None,
    )


def run_one(cell: Record) -> Record:
    """Measure one fit, in this process."""
    from bead_sklearn import BinaryClassifier

    if cell["data"] == "simulated":
        X, y, groups, encoder = simulate(*cell["size"])
    else:
        X, y, groups, encoder = read_table(cell["size"])

    def fit() -> Record:
        model = BinaryClassifier(mixed_effects="random_slopes", encoder=encoder)
        model.fit(X, y, groups=groups)
        [component] = model.variance_components_
        return {
            "n": len(y),
            "participants": component.n_groups,
            "effects": int(model._structures[0].sizes.sum()),
            "log_likelihood": model.log_likelihood_,
            "sds": np.sqrt(component.variance[[0, -1]]).tolist(),
            "n_iter": int(model.n_iter_),
        }

    if cell["form"] == "spans":
        return measure(fit)
    with mock.patch("bead_sklearn.effects._structure.level_bases", return_value=None):
        return measure(fit)


def main() -> None:
    options = parser(__doc__).parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    cells = [("simulated", size) for size in (QUICK if options.quick else SIMULATED)]
    if not options.quick and TABLE.exists():
        cells += [("bin_udsgenericity", most) for most in MOST]
    records = []
    for data, size in cells:
        for form in FORMS:
            if form == "features" and size in TOO_LARGE:
                continue
            cell = {"data": data, "size": size, "form": form}
            records.append(run_cell(__file__, cell, options.limit))
            save(options.out, records[-1:])
    names = ["n", "participants", "effects", "status", "cpu", "peak_mb"]
    names += ["n_iter", "log_likelihood", "sds"]
    rows = [[r["data"], r["form"], *(r.get(name) for name in names)] for r in records]
    header = ["data", "form", "judgments", "participants", "effects", ""]
    header += ["CPU s", "peak MB", "iterations", "log-likelihood", "sds"]
    print(show(header, rows))


if __name__ == "__main__":
    main()
