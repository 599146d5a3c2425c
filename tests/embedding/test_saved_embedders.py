"""Embedders and routers that are saved and loaded in another process."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from bead_sklearn import AnnotatorRouter, TwoTowerEmbedder
from bead_sklearn.embedding import FineTuningParams
from bead_sklearn.persistence import load, save

ITEMS = ("dogs sat on the mat", "three four five")
ROWS = [(query, item) for query in ("the cat", "one two") for item in ITEMS] * 6
CLICKS = [1, 0, 0, 1] * 6
SESSIONS = np.repeat(np.arange(12), 2)

LOADING = """
import json, pickle, sys
from bead_sklearn.persistence import load
kind, path, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if kind == "folder":
    model = load(path)
else:
    with open(path, "rb") as file:
        model = pickle.load(file)
values = model.transform(rows) if hasattr(model, "transform") else model.predict(rows)
print(json.dumps(values.tolist()))
"""


def elsewhere(kind, path, rows):
    """What the loaded model gives in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING, kind, str(path), json.dumps(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def tiny(shared):
    folder = shared / "golden" / "gating" / "tiny_bert"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/gating: not there")
    return {"encoder": str(folder), "device": "cpu"}


def test_adapters(tmp_path):
    model = TwoTowerEmbedder(query_lr=0.1, items_lr=0.1, random_state=0)
    model.fit(ROWS, CLICKS, groups=SESSIONS)
    assert np.abs(model.item_matrix_ - np.eye(len(model.item_matrix_))).max() > 0.1
    save(model, tmp_path / "model")
    expected = model.transform(ROWS)
    found = elsewhere("folder", tmp_path / "model", ROWS)
    np.testing.assert_array_equal(found, expected)
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.query_matrix_, model.query_matrix_)
    again.partial_fit(ROWS, CLICKS, groups=SESSIONS)
    model.partial_fit(ROWS, CLICKS, groups=SESSIONS)
    np.testing.assert_array_equal(again.transform(ROWS), model.transform(ROWS))


@pytest.mark.parametrize("shared_tower", [True, False])
def test_whole_models(tmp_path, tiny, shared_tower):
    model = TwoTowerEmbedder(
        **tiny, fine_tune="full", shared=shared_tower, items_lr=0.01, random_state=0
    )
    model.set_params(max_iter=1, num_fixed_layers=1).fit(ROWS, CLICKS, groups=SESSIONS)
    expected = model.transform(ROWS)
    zero = TwoTowerEmbedder(**tiny).fit(ROWS).transform(ROWS)
    assert np.abs(expected - zero).max() > 1e-3
    save(model, tmp_path / "model")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    for kind, name in (("folder", "model"), ("pickle", "model.pkl")):
        found = elsewhere(kind, tmp_path / name, ROWS)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    again = load(tmp_path / "model")
    modules = again._towers.modules
    assert (modules[0] is modules[1]) is shared_tower
    for one, other in zip(modules, model._towers.modules, strict=True):
        mine, its = ([p.requires_grad for p in m.parameters()] for m in (one, other))
        assert mine == its
    again.partial_fit(ROWS, CLICKS, groups=SESSIONS)
    assert np.abs(again.transform(ROWS) - expected).max() > 0


@pytest.mark.filterwarnings("ignore:1 column", "ignore:Singular fit")
@pytest.mark.parametrize("solver", ["gp", "ridge", "knn", "sgd"])
def test_routers(tmp_path, solver):
    texts = ["add two", "a poem", "sum of three", "a verse"] * 5
    rewards = np.tile([[1.0, 0.2], [0.1, 0.9], [0.8, 0.3], [0.3, 0.7]], (5, 1))
    rewards += 0.1 * np.random.default_rng(0).normal(size=rewards.shape)
    router = AnnotatorRouter(solver=solver, annotators=["ann", "bob"], random_state=0)
    router.fit(texts, rewards)
    save(router, tmp_path / "router")
    again = load(tmp_path / "router")
    np.testing.assert_array_equal(again.predict(texts), router.predict(texts))
    if solver == "gp":  # one fresh process tells of all
        found = elsewhere("folder", tmp_path / "router", texts)
        np.testing.assert_array_equal(found, router.predict(texts))
    assert again.route(texts).tolist() == router.route(texts).tolist()
    for one in (again, router):
        one.partial_fit(texts[:2], [0.5, 0.4], groups=["new", "new"])
    np.testing.assert_allclose(again.predict(texts), router.predict(texts), atol=1e-9)


def test_params_of_a_saved_embedder(tmp_path):
    params = FineTuningParams(
        num_fixed_layers=0,
        query_lr=0.01,
        items_lr=0.02,
        query_weight_decay=0.0,
        items_weight_decay=0.1,
        margin=0.1,
        not_irrelevant_only=True,
        negative_downsampling=0.5,
        examples_order="3,11",
    )
    model = TwoTowerEmbedder(loss="pairwise_logistic", **params.to_estimator_params())
    save(model.fit(ROWS, CLICKS, groups=SESSIONS), tmp_path / "model")
    options = load(tmp_path / "model").get_params()
    named = {name: options[name] for name in params.to_estimator_params()}
    assert FineTuningParams(**named).id == params.id
