"""A search embeds every text once, however many rounds it has."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bead_sklearn import BinaryClassifier
from bead_sklearn.active_learning import ActiveLearningSearch, StabilizingPredictions
from bead_sklearn.encoders import CallableEncoder, TransformerEncoder

SEEN: Counter[str] = Counter()
WORDS = ["dog", "cat", "owl", "eel"]
TEXTS = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS]
Y = np.array([text.count("dog") + text.count("owl") > 1 for text in TEXTS]).astype(int)


def embed(texts):
    SEEN.update(texts)
    return [[text.count(word) + 0.1 for word in WORDS] for text in texts]


def searching(model, **params):
    return ActiveLearningSearch(
        model,
        "uncertainty_herding",
        batch_size=6,
        n_initial=8,
        max_labels=32,
        random_state=0,
        **params,
    )


@pytest.fixture(params=["task model", "pipeline"])
def model(request):
    SEEN.clear()
    if request.param == "pipeline":
        return make_pipeline(CallableEncoder(embed), LogisticRegression())
    return BinaryClassifier(encoder=embed)


def rows(model):
    if isinstance(model, BinaryClassifier):
        return pd.DataFrame({"text": TEXTS})
    return TEXTS


def test_each_text_once(model):
    stopping = StabilizingPredictions(1.0, window=10**6)
    groups = np.arange(len(TEXTS)) % 5
    given = {"groups": groups} if isinstance(model, BinaryClassifier) else {}
    search = searching(model, stopping=stopping, validation=0.2)
    search.fit(rows(model), Y, **given)
    assert len(search.queries_) == 4
    assert set(SEEN) == set(TEXTS)
    assert set(SEEN.values()) == {1}


def test_sessions_too(model):
    search = searching(model).start(rows(model))
    for _ in range(4):
        asked = search.ask()
        search.tell(asked, Y[asked])
    assert set(SEEN) == set(TEXTS)
    assert set(SEEN.values()) == {1}
    assert len(pickle.dumps(search)) < 200_000


def test_queries_are_those_without_memory(model, monkeypatch):
    kept = searching(model).fit(rows(model), Y).queries_
    monkeypatch.setattr("bead_sklearn.encoders._callable.remembered", lambda key: None)
    SEEN.clear()
    again = searching(model).fit(rows(model), Y).queries_
    assert max(SEEN.values()) > 4
    assert [q.tolist() for q in kept] == [q.tolist() for q in again]


def test_pretrained_networks_too(tmp_path, monkeypatch):
    made: Counter[str] = Counter()

    class Network:
        def embed(self, strings, **settings):
            made.update(strings)
            yield list(range(len(strings))), np.array(embed(strings), dtype=np.float32)

    def fit(self, X, y=None):
        self.n_components_, self.revision_ = len(WORDS), None
        return self

    where = "bead_sklearn.encoders._transformer.load_model"
    monkeypatch.setattr(where, lambda *args: Network())
    monkeypatch.setattr(
        "bead_sklearn.encoders._transformer._device_name", lambda device: "cpu"
    )
    monkeypatch.setattr(TransformerEncoder, "fit", fit)
    model = BinaryClassifier(encoder=TransformerEncoder(str(tmp_path)))
    searching(model).fit(pd.DataFrame({"text": TEXTS}), Y)
    assert set(made) == set(TEXTS)
    assert set(made.values()) == {1}
