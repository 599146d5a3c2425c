"""A fitted embedder as ``encoder`` of every task model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from bead_sklearn import (
    AnnotatorRouter,
    BinaryClassifier,
    CategoricalClassifier,
    ClozeClassifier,
    ForcedChoiceClassifier,
    FreeTextGenerator,
    MagnitudeRegressor,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
    TwoTowerEmbedder,
)

ITEMS = ["apple", "pear", "plum", "hammer", "saw", "file"]
FRUIT = np.array([True] * 3 + [False] * 3)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def encoder():
    rng = np.random.default_rng(0)
    rows, clicks, sessions = [], [], []
    for session in range(60):
        kind = session % 2
        shown = [rng.choice(np.array(ITEMS)[k == FRUIT]) for k in (True, False)]
        for item, is_fruit in zip(shown, (True, False), strict=True):
            rows.append((("a fruit please", "a tool please")[kind], str(item)))
            clicks.append(int(is_fruit == (kind == 0)))
            sessions.append(session)
    model = TwoTowerEmbedder(random_state=0, query_lr=0.01, items_lr=0.01)
    return FrozenEstimator(model.fit(rows, clicks, groups=sessions))


def repeated(n=8):
    """Items with who judges them."""
    return ITEMS * n, np.tile(FRUIT, n), np.repeat(np.arange(n), len(ITEMS))


def responses(model, fruit, rng):
    if isinstance(model, MagnitudeRegressor):
        return 5.0 + 2.0 * fruit + 0.3 * rng.normal(size=len(fruit))
    if isinstance(model, OrdinalScaleRegressor):
        return np.clip(0.3 + 0.4 * fruit + 0.05 * rng.normal(size=len(fruit)), 0, 1)
    flipped = np.where(rng.random(len(fruit)) < 0.1, ~fruit, fruit)
    if isinstance(model, BinaryClassifier):
        return np.where(flipped, "yes", "no")
    if isinstance(model, CategoricalClassifier):
        return np.where(flipped, "food", rng.choice(["metal", "wood"], len(fruit)))
    if isinstance(model, OrdinalScaleClassifier):
        return np.where(flipped, rng.integers(3, 5, len(fruit)), 2) - 1
    return [{"edible"} if one else {"sharp"} for one in flipped]


@pytest.mark.parametrize(
    "model",
    [
        BinaryClassifier(),
        CategoricalClassifier(),
        MagnitudeRegressor(),
        MultiSelectClassifier(),
        OrdinalScaleClassifier(categories=[1, 2, 3]),
        OrdinalScaleRegressor(scale=(0, 1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_tasks_of_single_texts(encoder, model):
    texts, fruit, groups = repeated()
    y = responses(model, fruit, np.random.default_rng(0))
    fitted = clone(model).set_params(encoder=encoder).fit(texts, y, groups=groups)
    found = np.asarray(fitted.predict(ITEMS))
    if isinstance(model, MagnitudeRegressor | OrdinalScaleRegressor):
        assert found[FRUIT].min() > found[~FRUIT].max()
    elif isinstance(model, OrdinalScaleClassifier):
        assert (found[~FRUIT] == 1).all()
        assert (found[FRUIT] > 1).all()
    elif isinstance(model, MultiSelectClassifier):
        assert fitted.classes_.tolist() == ["edible", "sharp"]
        np.testing.assert_array_equal(found[:, 0], FRUIT.astype(int))
    else:
        label = {"BinaryClassifier": "yes"}.get(type(model).__name__, "food")
        np.testing.assert_array_equal(found == label, FRUIT)
    # The vectors of items are what the model sees.
    assert encoder.transform(ITEMS).shape == (6, encoder.estimator.n_components_)


def test_forced_choice(encoder):
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 6, (2, 150))
    differ = FRUIT[left] != FRUIT[right]
    left, right = left[differ], right[differ]
    frame = pd.DataFrame(
        {"option_a": np.array(ITEMS)[left], "option_b": np.array(ITEMS)[right]}
    )
    fruit_first = np.where(rng.random(len(left)) < 0.05, ~FRUIT[left], FRUIT[left])
    y = np.where(fruit_first, "option_a", "option_b")
    groups = np.arange(len(y)) % 10
    model = ForcedChoiceClassifier(encoder=encoder).fit(frame, y, groups=groups)
    expected = np.where(FRUIT[left], "option_a", "option_b")
    assert (model.predict(frame) == expected).mean() > 0.95


def test_cloze(encoder):
    contexts = ["She ate the ___.", "He swung the ___."] * 12
    fillers = [
        str(np.array(ITEMS)[(i % 2 == 0) == FRUIT][(i // 2) % 3]) for i in range(24)
    ]
    model = ClozeClassifier(encoder=encoder, random_state=0).fit(contexts, fillers)
    probability = model.predict_proba(contexts[:2])
    edible = np.isin(model.classes_, np.array(ITEMS)[FRUIT])
    assert probability[0, edible].sum() > 0.6
    assert probability[1, edible].sum() < 0.4


def test_free_text(encoder):
    prompts = ["Name a fruit.", "Name a tool."] * 9
    answers = [
        str(np.array(ITEMS)[(i % 2 == 0) == FRUIT][(i // 2) % 3]) for i in range(18)
    ]
    model = FreeTextGenerator(encoder=encoder, random_state=0).fit(prompts, answers)
    found = model.predict(prompts[:2])
    assert set(found) <= set(ITEMS)
    probability = model.predict_proba(prompts[:1], candidates=["apple", "hammer"])
    assert probability.shape == (1, 2)
    assert np.isfinite(probability).all()


def test_router(encoder):
    rewards = np.column_stack([FRUIT, ~FRUIT]).astype(float)
    router = AnnotatorRouter(encoder, annotators=["cook", "smith"], random_state=0)
    router.fit(ITEMS * 5, np.tile(rewards, (5, 1)))
    expected = np.where(FRUIT, "cook", "smith")
    np.testing.assert_array_equal(router.route(ITEMS), expected)


def test_whole_models_read_pairs(shared):
    """Tasks join a text and its context; language models read both parts."""
    folder = shared / "golden" / "gating" / "tiny_bert"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/gating: not there")
    from bead_sklearn.encoders import TransformerEncoder
    from bead_sklearn.inputs import PAIR_SEPARATOR

    texts = ["the cat", f"the cat{PAIR_SEPARATOR}sat on the mat", "the dog"]
    plain = TransformerEncoder(folder, device="cpu", normalize=True)
    whole = TwoTowerEmbedder(plain, fine_tune="full", device="cpu").fit(texts)
    np.testing.assert_allclose(
        whole.transform(texts), plain.fit_transform(texts), atol=1e-5
    )
