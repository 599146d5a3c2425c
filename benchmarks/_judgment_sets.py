"""Which judgments to collect for real studies: tables with participants and items.

Items are set aside for testing, and participants: the pool are judgments of the other
participants about the other items. Scored are judgments about items set aside, of
participants of the pool ("known") and of those set aside ("new"). All strategies begin
with the same judgments and learn with the same mixed model, whose variances and ridge
are estimated from the judgments collected so far.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from _tasks_data import find, frame, read
from sklearn.metrics import log_loss

from bead_sklearn.active_learning import ActiveLearningSearch, StoppingRule
from bead_sklearn.query import get_query_strategy

STRATEGIES = (
    "random",
    "entropy",
    "uncertainty_herding",
    "a_optimal",
    "joint_a_optimal",
)
FORMULA = "(1 | participant) + (1 | item)"
#: About so many judgments are used of a table, and at most so many are collected.
SIZES = {
    "bin_udsgenericity": (4_000, 500),
    "cat_megaveridicality": (1_500, 300),
    "ord_megaacceptability": (2_500, 300),
}
TABLES = tuple(SIZES)
#: First judgments, and judgments per batch.
FIRST, BATCH = 50, 50
#: Shares of items and participants set aside.
TEST_ITEMS, NEW_PEOPLE = 0.3, 0.2


def table(name: str) -> pd.DataFrame:
    """Return whole items, as many as `SIZES` says, of people who made at least five."""
    judgments = read(find(name), None)
    sizes = judgments["item"].value_counts(sort=False)
    sizes = sizes[sizes >= 3].sample(frac=1.0, random_state=0)
    kept = sizes.index[sizes.cumsum() <= 1.3 * SIZES[name][0]]
    judgments = judgments[judgments["item"].isin(kept)]
    counts = judgments["participant"].value_counts()
    judgments = judgments[judgments["participant"].isin(counts.index[counts >= 5])]
    return judgments.reset_index(drop=True)


def _set_aside(ids: pd.Series, share: float, rng: np.random.Generator) -> Any:
    different = np.sort(ids.unique())
    chosen = rng.choice(different, round(share * len(different)), replace=False)
    return ids.isin(chosen).to_numpy()


class _Watch(StoppingRule):
    """Note the scores of the rows set aside; never stop."""

    columns = ("known", "new", "right_known", "right_new")

    def __init__(self, sets: dict[str, tuple[Any, Any]]) -> None:
        self.sets = sets

    def record(self, state: Any) -> dict[str, float]:
        model = state.estimator
        notes = {}
        for name, (X, y) in self.sets.items():
            # Answers that nobody has given yet are not impossible.
            p = pd.DataFrame(model.predict_proba(X), columns=model.classes_)
            p = p.reindex(columns=np.unique([*model.classes_, *np.unique(y)]))
            p = np.clip(p.fillna(0.0).to_numpy(), 1e-3, None)
            p /= p.sum(axis=1, keepdims=True)
            labels = np.unique([*model.classes_, *np.unique(y)])
            notes[name] = float(log_loss(y, p, labels=labels))
            notes[f"right_{name}"] = float(np.mean(model.predict(X) == y))
        return notes

    def _stop(self, state: Any) -> bool:
        return False


def run(name: str, unit: str, strategy: str, seed: int) -> dict[str, Any]:
    """Run one search; return scores after 50, 100, ... judgments."""
    study = find(name)
    judgments = table(name)
    _, budget = SIZES[name]
    rng = np.random.default_rng(seed)
    test = _set_aside(judgments["item"], TEST_ITEMS, rng)
    new = _set_aside(judgments["participant"], NEW_PEOPLE, rng)
    X, y = frame(study, judgments, ("participant", "item")), study.response(judgments)
    pool = ~test & ~new
    sets = {"known": test & ~new, "new": test & new}
    watch = _Watch({key: (X[rows], y[rows]) for key, rows in sets.items()})
    per_item = 1.0 if unit == "row" else judgments[pool].groupby("item").size().mean()
    chosen = get_query_strategy(strategy)
    if "participant" in chosen.get_params():
        chosen.set_params(participant="participant")
    search = ActiveLearningSearch(
        study.model(mixed_effects=FORMULA, text_columns=list(study.texts)),
        chosen,
        batch_size=round(BATCH / per_item),
        n_initial=round(FIRST / per_item),
        max_labels=budget,
        query_by=unit,
        stopping=watch,
        refit=False,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = search.fit(X[pool].reset_index(drop=True), y[pool]).history_
    at = np.arange(FIRST, budget + 1, BATCH)
    seen = ~np.isnan(history["known"])
    return {
        "n_labels": at.tolist(),
        "pool": int(pool.sum()),
        "participants": int(judgments["participant"].nunique()),
        "items": int(judgments["item"].nunique()),
        **{
            column: np.interp(at, history["n_labels"][seen], history[column][seen])
            .round(4)
            .tolist()
            for column in watch.columns
        },
    }
