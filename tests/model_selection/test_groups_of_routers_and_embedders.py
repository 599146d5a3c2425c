"""Executes the table on routers and embedders of docs/metadata_routing.md."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn import AnnotatorRouter, TwoTowerEmbedder
from bead_sklearn.embedding._metrics import RankingScorer

PAGE = Path(__file__).parents[2] / "docs" / "metadata_routing.md"
CALLS: dict[str, list[bool]] = defaultdict(list)


def note(method, groups):
    CALLS[method].append(groups is not None)


class Router(AnnotatorRouter):
    """A router that notes which of its methods are given groups."""

    def fit(self, X, y, *, groups=None, sample_weight=None):
        note("fit", groups)
        return super().fit(X, y, groups=groups, sample_weight=sample_weight)

    def partial_fit(self, X, y, *, groups=None, sample_weight=None):
        note("partial_fit", groups)
        return super().partial_fit(X, y, groups=groups, sample_weight=sample_weight)

    def predict(self, X, *, groups=None):
        note("predict", groups)
        return super().predict(X, groups=groups)

    def score(self, X, y, *, groups=None, sample_weight=None):
        note("score", groups)
        before = CALLS.pop("predict", None)
        try:
            return super().score(X, y, groups=groups, sample_weight=sample_weight)
        finally:
            CALLS.pop("predict", None)
            if before:
                CALLS["predict"] = before


class Embedder(TwoTowerEmbedder):
    """The same for an embedder."""

    def fit(self, X, y=None, *, groups=None, sample_weight=None):
        if y is not None:
            note("fit", groups)
        return super().fit(X, y, groups=groups, sample_weight=sample_weight)

    def partial_fit(self, X, y, *, groups=None, sample_weight=None):
        note("partial_fit", groups)
        return super().partial_fit(X, y, groups=groups, sample_weight=sample_weight)

    def score(self, X, y, *, groups=None, sample_weight=None):
        note("score", groups)
        return super().score(X, y, groups=groups, sample_weight=sample_weight)


class Scorer(RankingScorer):
    def __call__(self, estimator, X, y, groups=None):
        note("scorer", groups)
        return super().__call__(estimator, X, y, groups=groups)


class RecordingGroupKFold(GroupKFold):
    def split(self, X, y=None, groups=None):
        note("split", groups)
        return super().split(X, y, groups)


def rows():
    text = PAGE.read_text(encoding="utf-8").split("## Routers and embedders")[1]
    text = text.split("\n## ")[0]
    found = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    assert len(found) > 10
    return found


def namespace():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(6), 10)
    X = rng.normal(size=(60, 2))
    router = Router(solver="knn")
    names = {"X": X, "r": X[:, 0] + g, "g": g, "router": router}
    names["Q"] = np.column_stack([g, X[:, 0]])
    names["c"] = np.tile([1, 0], 30)
    names["embedder"] = Embedder(n_query_features=1, max_iter=1)
    return names | {
        "router_pipe": Pipeline([("scale", StandardScaler()), ("m", router)]),
        "cv": RecordingGroupKFold(3),
        "by_rank": Scorer(),
        "cross_validate": cross_validate,
        "GridSearchCV": GridSearchCV,
    }


def receivers(call, *, routing):
    CALLS.clear()
    with config_context(enable_metadata_routing=routing):
        try:
            eval(call, namespace())
        except (ValueError, TypeError) as error:
            return {type(error).__name__}
    mixed = {name for name, given in CALLS.items() if any(given) and not all(given)}
    assert not mixed, mixed
    return {name for name, given in CALLS.items() if all(given)}


@pytest.mark.parametrize(("call", "disabled", "enabled"), rows())
@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_who_receives_groups(call, disabled, enabled):
    assert receivers(call, routing=False) == set(disabled.split(", "))
    assert receivers(call, routing=True) == set(enabled.split(", "))
