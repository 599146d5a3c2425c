"""The models that bench_tasks.py compares, and their scores on held-out judgments."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _tasks_data import Study, frame, make_encoder
from scipy.stats import norm
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.neighbors import KNeighborsClassifier

from bead_sklearn.metrics import crps_from_quantiles

LEVELS = np.arange(1, 50) / 50
N_BINS = 10
#: Parts of the participants held out; differences between models over these have
#: standard errors.
N_PARTS = 40
EFFECTS = {
    "fixed": "fixed",
    "intercepts": "(1 | participant)",
    "slopes": "random_slopes",
    "crossed": "(1 | participant) + (1 | {item})",
}
MODELS = ("shares", "scikit-learn", *EFFECTS)
_CS = np.logspace(-2, 3, 6)


@dataclass
class Predicted:
    """What a model says about held-out judgments.

    Attributes
    ----------
    log_score : ndarray of shape (n,)
        Negative log probability or density of each; mean over options for selections.
    second : ndarray of shape (n,)
        Whether the answer was predicted, or the CRPS.
    probabilities, happened : ndarray
        Probabilities stated and what came of them; for numbers the share of the
        predicted distribution below y, and None.
    """

    log_score: np.ndarray
    second: np.ndarray
    probabilities: np.ndarray
    happened: np.ndarray | None


def of_labels(y: np.ndarray, p: np.ndarray, classes: np.ndarray) -> Predicted:
    """Score probabilities of labels."""
    p = np.clip(p, 1e-12, 1.0)
    places = {label: k for k, label in enumerate(classes.tolist())}
    codes = np.array([places[label] for label in y.tolist()])
    hit = codes[:, None] == np.arange(p.shape[1])
    return Predicted(
        -np.log(p[hit]), (p.argmax(axis=1) == codes).astype(float), p.ravel(), hit
    )


def of_selections(y: np.ndarray, p: np.ndarray) -> Predicted:
    """Score probabilities of options."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    logs = -np.log(np.where(y == 1, p, 1.0 - p))
    right = ((p > 0.5) == (y == 1)).mean(axis=1)
    return Predicted(logs.mean(axis=1), right, p.ravel(), y == 1)


def of_words(log_p: np.ndarray, best: np.ndarray, top: np.ndarray, y: Any) -> Predicted:
    """Score the probability of each answer and the most probable answer."""
    hit = best == y
    return Predicted(-log_p, hit.astype(float), top, hit)


def of_numbers(y: np.ndarray, density: np.ndarray, table: np.ndarray) -> Predicted:
    """Score predicted densities and quantiles at ``LEVELS``."""
    below = (table < y[:, None]).sum(axis=1) / (len(LEVELS) + 1)
    upto = ((table <= y[:, None]).sum(axis=1) + 1) / (len(LEVELS) + 1)
    # A value with a probability of its own stands for a range of shares.
    place = np.random.default_rng(0).uniform(below, upto)
    return Predicted(-density, crps_from_quantiles(y, table, LEVELS), place, None)


def bins(found: Predicted) -> dict[str, list[float]]:
    """Return the calibration curve: stated, observed, and number per bin."""
    if found.happened is None:
        levels = np.arange(1, N_BINS) / N_BINS
        below = [float((found.probabilities <= level).mean()) for level in levels]
        return {
            "stated": levels.round(4).tolist(),
            "observed": np.round(below, 4).tolist(),
            "count": [len(found.probabilities)] * len(levels),
        }
    p, happened = found.probabilities, np.ravel(found.happened)
    place = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(place, minlength=N_BINS)
    kept = count > 0
    stated = np.bincount(place, p, N_BINS)[kept] / count[kept]
    observed = np.bincount(place, happened, N_BINS)[kept] / count[kept]
    return {
        "stated": stated.round(4).tolist(),
        "observed": observed.round(4).tolist(),
        "count": count[kept].tolist(),
    }


def parts(found: Predicted, people: np.ndarray) -> dict[str, list[float]]:
    """Sums of the log score over parts of the participants."""
    place = np.unique(people, return_inverse=True)[1] % N_PARTS
    return {
        "sums": np.bincount(place, found.log_score, N_PARTS).round(3).tolist(),
        "counts": np.bincount(place, minlength=N_PARTS).tolist(),
    }


def shares(study: Study, y: np.ndarray, new: np.ndarray) -> Predicted:
    """Predict the shares of the labels, or a normal distribution."""
    if study.kind == "number":
        target = np.log(y) if study.is_log else y
        mean, sd = np.full(len(new), target.mean()), target.std()
        return _normal(study, new, mean, sd)
    if study.kind == "selection":
        return of_selections(new, np.tile(y.mean(axis=0), (len(new), 1)))
    classes, counts = np.unique(y, return_counts=True)
    share = counts / counts.sum()
    if study.kind == "words":
        best, top = classes[share.argmax()], share.max()
        place = np.searchsorted(classes, new)
        n = len(new)
        return of_words(np.log(share[place]), np.full(n, best), np.full(n, top), new)
    return of_labels(new, np.tile(share, (len(new), 1)), classes)


def _normal(study: Study, y: np.ndarray, mean: np.ndarray, sd: float) -> Predicted:
    quantiles = mean[:, None] + sd * norm.ppf(LEVELS)
    if study.is_log:
        density = norm.logpdf(np.log(y), mean, sd) - np.log(y)
        return of_numbers(y, density, np.exp(quantiles))
    density = norm.logpdf(y, mean, sd)
    if study.ends is not None:  # what lies beyond an end is there
        low, high = study.ends
        density = np.where(y <= low, norm.logcdf(low, mean, sd), density)
        density = np.where(y >= high, norm.logsf(high, mean, sd), density)
        quantiles = np.clip(quantiles, low, high)
    return of_numbers(y, density, quantiles)


def _features(
    study: Study, table: pd.DataFrame, train: np.ndarray, encoder: str, cache: Any
) -> Any:
    """Features of the texts of all rows, learned from the training rows."""
    blocks = []
    for column in study.texts:
        values, index = np.unique(table[column].astype(str), return_inverse=True)
        made = make_encoder(encoder, cache)
        made.fit(list(dict.fromkeys(table[column].astype(str)[train])))
        features = made.transform(values.tolist())
        features = features.toarray() if hasattr(features, "toarray") else features
        blocks.append(np.asarray(features)[index])
    numbers = table[list(study.numbers)].to_numpy(float)
    if study.numbers:
        center, spread = numbers[train].mean(axis=0), numbers[train].std(axis=0)
        blocks.append((numbers - center) / spread)
    return np.hstack(blocks)


def peer(
    study: Study,
    table: pd.DataFrame,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    encoder: str,
    cache: Any,
) -> Predicted:
    """Fit scikit-learn's estimator to the same features, without participants."""
    features = _features(study, table, train, encoder, cache)
    x, new = features[train], features[test]
    if study.kind == "number":
        target = np.log(y) if study.is_log else y
        model = RidgeCV(np.logspace(-4, 4, 17)).fit(x, target[train])
        sd = float(np.std(target[train] - model.predict(x)))
        return _normal(study, y[test], model.predict(new), sd)
    if study.kind == "words":
        return _neighbors(x, y[train], new, y[test])
    options = {"Cs": _CS, "cv": 3, "scoring": "neg_log_loss", "max_iter": 500}
    if study.kind == "selection":
        p = [
            LogisticRegressionCV(**options).fit(x, chosen).predict_proba(new)[:, 1]
            for chosen in y[train].T
        ]
        return of_selections(y[test], np.column_stack(p))
    model = LogisticRegressionCV(**options).fit(x, y[train])
    return of_labels(y[test], model.predict_proba(new), model.classes_)


def _neighbors(
    x: np.ndarray, y: np.ndarray, new: np.ndarray, y_new: np.ndarray
) -> Predicted:
    """Answers in similar contexts mixed with those in all; both chosen within."""
    rng = np.random.default_rng(0)
    inner = rng.random(len(y)) < 0.2
    classes, counts = np.unique(y, return_counts=True)
    share = counts / counts.sum()

    def probabilities(x, y, new, k):
        """Neighbours' shares, once per distinct context."""
        distinct, index = np.unique(new.round(9), axis=0, return_inverse=True)
        model = KNeighborsClassifier(k).fit(x, y)
        p = np.zeros((len(distinct), len(classes)))
        columns = np.searchsorted(classes, model.classes_)
        p[:, columns] = model.predict_proba(distinct)
        return p, index.ravel()

    best: tuple[float, int, float] = (np.inf, 0, 0.0)
    code = np.searchsorted(classes, y[inner])
    for k in (10, 30, 80):
        p, index = probabilities(x[~inner], y[~inner], x[inner], k)
        for weight in (0.1, 0.2, 0.4):
            mixed = (1 - weight) * p[index, code] + weight * share[code]
            best = min(best, (float(-np.log(mixed).mean()), k, weight))
    _, k, weight = best
    p, index = probabilities(x, y, new, k)
    p = (1 - weight) * p + weight * share
    code = np.searchsorted(classes, y_new)
    top = p.argmax(axis=1)[index]
    return of_words(np.log(p[index, code]), classes[top], p.max(axis=1)[index], y_new)


def ours(
    study: Study,
    table: pd.DataFrame,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    encoder: str,
    cache: Any,
    effects: str,
) -> tuple[Predicted, float]:
    """Fit one of our models; return its scores and the CPU seconds of the fit."""
    item = "item_id" if "item" in study.texts else "item"
    formula = EFFECTS[effects].format(item=item)
    ids = tuple(name for name in ("participant", "item") if name in formula)
    X, groups = frame(study, table, ids), table["participant"].to_numpy()
    is_head = effects == "slopes"
    start = time.process_time()
    model = study.model(
        mixed_effects=formula, encoder=make_encoder(encoder, cache), random_state=0
    )
    model.fit(X.iloc[train], y[train], groups=groups[train] if is_head else None)
    seconds = time.process_time() - start
    people = groups[test] if is_head else None
    new, answers = X.iloc[test], y[test]
    if study.kind == "number":
        density = model.log_predictive_density(new, answers, groups=people)
        quantiles = model.predict_dist(new, groups=people, quantiles=LEVELS)
        return of_numbers(answers, density, quantiles), seconds
    if study.kind == "words":
        logs = model.log_proba_of(new, answers, groups=people)
        found = pd.DataFrame(model.predict_table(new, groups=people))
        best, top = found["prediction"].to_numpy(), found["confidence"].to_numpy()
        return of_words(logs, best, top, answers), seconds
    p = model.predict_proba(new, groups=people)
    if study.kind == "selection":
        return of_selections(answers, p), seconds
    return of_labels(answers, p, model.classes_), seconds
