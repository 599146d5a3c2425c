"""TwoTowerEmbedder: learning from clicks, forms of input, bad input."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

from bead_sklearn import BinaryClassifier, TwoTowerEmbedder
from bead_sklearn.embedding import (
    ClickstreamPairs,
    FineTuningParams,
    ItemOverlapShuffleSplit,
    PairFeatures,
    distance_shift,
    make_ranking_scorer,
    mean_reciprocal_rank,
    normalized_dcg,
    recall_at_k,
)

PAIR_LOSSES = [
    "prob_margin",
    "cosine_prob_margin",
    "pairwise_logistic",
    "margin_ranking",
]


def shop(n_sessions=80, d=6, seed=0):
    """Items are found after a rotation that the encoder does not know."""
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(40, d))
    rotation = np.eye(d) + 0.7 * rng.normal(size=(d, d))
    rows, y, groups = [], [], []
    for session in range(n_sessions):
        shown = rng.permutation(40)[:6]
        wanted = shown[0]
        query = items[wanted] @ rotation + 0.1 * rng.normal(size=d)
        for item in rng.permutation(shown):
            rows.append(np.concatenate([query, items[item]]))
            y.append(int(item == wanted))
            groups.append(session)
    return np.array(rows), np.array(y), np.array(groups)


X, Y, GROUPS = shop()
TRAIN, TEST = GROUPS < 60, GROUPS >= 60


def embedder(**options):
    defaults = {"n_query_features": 6, "random_state": 0, "query_lr": 0.01}
    return TwoTowerEmbedder(**(defaults | {"items_lr": 0.01} | options))


def test_the_default_learns_from_clicks():
    zero = embedder().fit(X).score(X[TEST], Y[TEST], groups=GROUPS[TEST])
    fitted = embedder().fit(X[TRAIN], Y[TRAIN], groups=GROUPS[TRAIN])
    assert fitted.score(X[TEST], Y[TEST], groups=GROUPS[TEST]) > zero + 0.1
    assert len(fitted.validation_scores_) == fitted.n_iter_ + 1
    best = int(np.argmax(fitted.validation_scores_))
    assert fitted.best_iteration_ == best
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@pytest.mark.parametrize("loss", ["pairwise_logistic", "margin_ranking"])
@pytest.mark.parametrize("shared", [True, False])
def test_pair_losses_learn(loss, shared):
    zero = embedder().fit(X).score(X[TEST], Y[TEST], groups=GROUPS[TEST])
    fitted = embedder(loss=loss, shared=shared, early_stopping=False, margin=0.3)
    fitted.fit(X[TRAIN], Y[TRAIN], groups=GROUPS[TRAIN])
    assert fitted.score(X[TEST], Y[TEST], groups=GROUPS[TEST]) > zero + 0.05
    assert np.array_equal(fitted.query_matrix_, fitted.item_matrix_) is shared


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_gradients_of_pair_losses_are_finite(loss):
    options = {"loss": loss, "max_iter": 1, "early_stopping": False}
    fitted = embedder(**options).fit(X, Y, groups=GROUPS)
    assert np.isfinite(fitted.item_matrix_).all()
    assert not np.array_equal(fitted.item_matrix_, np.eye(6))


def test_without_clicks_nothing_is_trained():
    fitted = embedder().fit(X)
    unit = X[:, 6:] / np.linalg.norm(X[:, 6:], axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.transform(X), unit)
    query = X[:, :6] / np.linalg.norm(X[:, :6], axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.transform_query(X), query)
    np.testing.assert_allclose(fitted.predict(X), (unit * query).sum(axis=1))
    assert fitted.n_iter_ == 0


def test_validation_keeps_what_was_there_if_training_harms():
    rng = np.random.default_rng(0)
    items = rng.normal(size=(200, 6))
    rows = np.hstack([items, items])  # zero-shot is right already
    wrong = embedder(loss="pairwise_logistic", query_lr=1.0, items_lr=1.0)
    groups = np.arange(200)
    rows = np.repeat(rows, 2, axis=0)
    rows[1::2, 6:] = items[rng.permutation(200)]
    y, groups = np.tile([1, 0], 200), np.repeat(groups, 2)
    fitted = wrong.fit(rows, y, groups=groups)
    assert fitted.validation_scores_[0] == 1.0
    assert fitted.best_iteration_ == 0
    np.testing.assert_array_equal(fitted.item_matrix_, np.eye(6))


def test_options_have_effects():
    base = embedder(early_stopping=False, max_iter=2).fit(X, Y, groups=GROUPS)
    for changes in (
        {"shared": True},
        {"hard_negatives": True},
        {"optimizer": "sgd"},
        {"optimizer": "adamw", "items_weight_decay": 0.5},
        {"query_weight_decay": 0.5},
        {"items_lr": 0.02},
        {"query_lr": 0.02},
        {"lr_step": 1, "lr_gamma": 0.1},
        {"batch_size": 7},
        {"random_state": 1},
    ):
        other = clone(base).set_params(**changes).fit(X, Y, groups=GROUPS)
        assert not np.allclose(other.item_matrix_, base.item_matrix_), changes
    pairs = {"loss": "margin_ranking", "early_stopping": False, "max_iter": 2}
    base = embedder(**pairs).fit(X, Y, groups=GROUPS)
    for changes in (
        {"margin": 0.5},
        {"negative_downsampling": 0.3},
        {"max_abs_difference_threshold": 0.2},
        {"examples_order": "soft_all", "min_abs_difference_threshold": 0.3},
        {"examples_order": [11, 11]},
        {"click_confidence": "windowed"},
        {"click_confidence": lambda ranks, clicks: np.arange(len(ranks)) + 1.0},
    ):
        other = clone(base).set_params(**changes).fit(X, Y, groups=GROUPS)
        assert not np.allclose(other.item_matrix_, base.item_matrix_), changes
    assert (
        embedder(**pairs, examples_order=[11, 11]).fit(X, Y, groups=GROUPS).n_iter_ == 4
    )


def test_confidences_weigh():
    weight = np.where(GROUPS < 40, 1.0, 0.0)
    options = {"early_stopping": False, "batch_size": 1000, "optimizer": "sgd"}
    some = embedder(**options).fit(X, Y, groups=GROUPS, sample_weight=weight)
    twice = embedder(**options).fit(X, Y, groups=GROUPS, sample_weight=2 * weight)
    np.testing.assert_allclose(some.item_matrix_, twice.item_matrix_, atol=1e-6)
    whole = embedder(**options).fit(X, Y, groups=GROUPS)
    assert not np.allclose(some.item_matrix_, whole.item_matrix_)


def test_sessions_without_clicks_join_the_pairs():
    y = np.where(GROUPS < 40, Y, 0)
    options = {"loss": "pairwise_logistic", "early_stopping": False, "max_iter": 1}
    left_out = embedder(**options).fit(X, y, groups=GROUPS)
    joined = embedder(**options, not_irrelevant_only=False).fit(X, y, groups=GROUPS)
    assert not np.allclose(left_out.item_matrix_, joined.item_matrix_)


def test_partial_fit_goes_on():
    options = {"early_stopping": False, "batch_size": 16}
    fitted = embedder(**options, max_iter=1).fit(
        X[TRAIN], Y[TRAIN], groups=GROUPS[TRAIN]
    )
    before = fitted.item_matrix_.copy()
    fitted.partial_fit(X[TRAIN], Y[TRAIN], groups=GROUPS[TRAIN])
    assert fitted.n_iter_ == 2
    assert not np.array_equal(before, fitted.item_matrix_)
    fresh = embedder(**options).partial_fit(X[TRAIN], Y[TRAIN], groups=GROUPS[TRAIN])
    assert fresh.n_iter_ == 1


def test_pickling_cloning_and_seeds():
    fitted = embedder().fit(X, Y, groups=GROUPS)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))
    again = clone(fitted).fit(X, Y, groups=GROUPS)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


WORDS = {"fruit": ["apple", "pear", "plum"], "tool": ["hammer", "saw", "file"]}


def texts(n=60, seed=0):
    rng = np.random.default_rng(seed)
    rows, y, groups = [], [], []
    for session in range(n):
        kind = ("fruit", "tool")[session % 2]
        other = ("tool", "fruit")[session % 2]
        shown = [rng.choice(WORDS[kind]), rng.choice(WORDS[other])]
        for item in rng.permutation(shown):
            rows.append((f"a {kind} please", str(item)))
            y.append(int(item in WORDS[kind]))
            groups.append(session)
    return rows, np.array(y), np.array(groups)


def test_texts_in_all_forms_and_as_encoder():
    rows, y, groups = texts()
    frame = pd.DataFrame(rows, columns=["asked", "shown"])
    first = TwoTowerEmbedder(random_state=0, query_lr=0.01, items_lr=0.01)
    first.fit(rows, y, groups=groups)
    for form in (frame, np.array(rows, dtype=object), frame.to_dict("records")):
        other = clone(first).fit(form, y, groups=groups)
        np.testing.assert_allclose(first.predict(rows), other.predict(form))
    assert first.score(rows, y, groups=groups) > 0.9
    swapped = clone(first).set_params(query_column="asked", item_column="shown")
    swapped.fit(frame[["shown", "asked"]], y, groups=groups)
    np.testing.assert_allclose(
        swapped.predict(frame[["shown", "asked"]]), first.predict(rows)
    )
    items = [item for _, item in rows]
    np.testing.assert_allclose(first.transform(items), first.transform(rows))
    np.testing.assert_allclose(
        first.transform_query(["a fruit please"])[0], first.transform_query(rows)[0]
    )
    names = first.get_feature_names_out()
    assert len(names) == first.n_components_
    model = BinaryClassifier(encoder=FrozenEstimator(first))
    labels = np.array(["fruit" if item in WORDS["fruit"] else "tool" for item in items])
    rng = np.random.default_rng(0)
    flipped = np.where(rng.random(len(labels)) < 0.1, labels[::-1], labels)
    model.fit(items, flipped, groups=np.arange(len(items)) % 10)
    assert (model.predict(WORDS["fruit"]) == "fruit").all()


def test_query_encoder_of_its_own():
    rows, y, groups = texts()
    own = TwoTowerEmbedder(
        encoder=lambda t: [[len(s), s.count("a"), 1.0] for s in t],
        query_encoder=lambda t: [[1.0, s.count("f"), s.count("t")] for s in t],
        random_state=0,
    ).fit(rows, y, groups=groups)
    assert own.n_components_ == 3
    with pytest.raises(ValueError, match="gives 1 features and encoder 3"):
        own.set_params(query_encoder=lambda t: [[1.0] for _ in t]).fit(rows, y)


def test_grid_search_with_ranking_scorers():
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            embedder(early_stopping=False),
            {"max_iter": [1, 8]},
            scoring={
                "mrr": make_ranking_scorer("mrr"),
                "ndcg": make_ranking_scorer("ndcg"),
            },
            refit="mrr",
            cv=GroupKFold(3),
        ).fit(X, Y, groups=GROUPS)
        assert search.best_params_ == {"max_iter": 8}
    scores = cross_val_score(
        embedder(), X, Y, groups=GROUPS, cv=GroupKFold(3), scoring=make_ranking_scorer()
    )
    assert np.isfinite(scores).all()


def test_params_become_parameters():
    params = FineTuningParams(
        num_fixed_layers=0,
        query_lr=0.01,
        items_lr=0.02,
        query_weight_decay=0.0,
        items_weight_decay=0.1,
        margin=0.1,
        not_irrelevant_only=False,
        negative_downsampling=0.5,
        examples_order="1,4",
    )
    fitted = TwoTowerEmbedder(
        n_query_features=6, loss="pairwise_logistic", **params.to_estimator_params()
    ).fit(X, Y, groups=GROUPS)
    assert fitted.get_params()["items_weight_decay"] == 0.1
    with pytest.raises(AttributeError):
        params.margin = 1.0


# ------------------------------------------------------------- whole models


@pytest.fixture(scope="module")
def tiny(shared):
    folder = shared / "golden" / "gating" / "tiny_bert"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/gating: not there")
    return str(folder)


@pytest.mark.parametrize("shared_tower", [True, False])
def test_full_fine_tuning(tiny, shared_tower):
    rows, y, groups = texts(24)
    options = {
        "fine_tune": "full",
        "shared": shared_tower,
        "query_lr": 1e-3,
        "items_lr": 1e-3,
        "random_state": 0,
        "device": "cpu",
        "batch_size": 8,
    }
    zero = TwoTowerEmbedder(tiny, **options).fit(rows)
    fitted = TwoTowerEmbedder(tiny, max_iter=2, **options).fit(rows, y, groups=groups)
    assert not np.allclose(zero.transform(rows), fitted.transform(rows))
    assert fitted.transform(["the cat"]).shape == (1, 16)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(copy.transform(rows), fitted.transform(rows), atol=1e-6)


def test_frozen_layers_stay(tiny):
    rows, y, groups = texts(16)
    options = {
        "fine_tune": "full",
        "shared": True,
        "items_lr": 1e-2,
        "max_iter": 1,
        "device": "cpu",
    }
    start = TwoTowerEmbedder(tiny, **options).fit(rows)._towers.modules[1].state_dict()
    start = {name: value.clone() for name, value in start.items()}
    fitted = TwoTowerEmbedder(tiny, num_fixed_layers=1, random_state=0, **options)
    network = fitted.fit(rows, y, groups=groups)._towers.modules[1]
    moved = {
        name
        for name, value in network.state_dict().items()
        if not value.equal(start[name])
    }
    assert not any("layer.0." in name or "embeddings" in name for name in moved)
    assert any("layer.1." in name for name in moved)
    with pytest.raises(ValueError, match="must be less than the 2 layers"):
        TwoTowerEmbedder(tiny, num_fixed_layers=2, **options).fit(rows)


# ---------------------------------------------------------------- the rest


def test_ranking_metrics():
    y = [0, 1, 2, 0, 0, 1]
    scores = [0.9, 0.5, 0.4, 0.1, 0.7, 0.7]
    groups = [0, 0, 0, 0, 1, 1]
    assert mean_reciprocal_rank(y, scores, groups=groups) == pytest.approx(
        (1 / 2 + 1 / 1.5) / 2
    )
    assert mean_reciprocal_rank(y, scores, groups=groups, k=1) == 0.0
    assert recall_at_k(y, scores, groups=groups, k=2) == pytest.approx((0.5 + 1) / 2)
    ideal = 2 + 1 / np.log2(3)
    first = (1 / np.log2(3) + 2 / np.log2(4)) / ideal
    assert normalized_dcg(y, scores, groups=groups) == pytest.approx(
        (first + 1 / np.log2(2.5)) / 2
    )
    with pytest.raises(ValueError, match="No session has a relevant item"):
        mean_reciprocal_rank([0, 0], [1, 2])
    with pytest.raises(ValueError, match="metric must be"):
        make_ranking_scorer("auc")
    with pytest.raises(ValueError, match="target must be"):
        distance_shift([1], [0], [1], target=2)


def test_items_of_the_test_part_are_new():
    rng = np.random.default_rng(0)
    item = np.concatenate([s * 5 + rng.permutation(5) for s in range(20)])
    groups = np.repeat(np.arange(20), 5)
    rows = np.column_stack([groups, item])
    split = ItemOverlapShuffleSplit(4, random_state=0)
    for train, test in split.split(rows, groups=groups):
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == 100
        assert len(test)
    first = next(split.split(rows, groups=groups))
    order = rng.permutation(100)
    again = next(split.split(rows[order], groups=groups[order]))
    assert set(groups[first[1]]) == set(groups[order][again[1]])
    assert split.get_n_splits() == 4
    one = np.zeros(100, dtype=int)
    with pytest.raises(ValueError, match="never left sessions in both"):
        next(ItemOverlapShuffleSplit(items=one).split(rows, groups=groups))
    with pytest.raises(ValueError, match="needs groups"):
        next(split.split(rows))
    for bad in (0.0, 1.0, 1, "x"):
        with pytest.raises(ValueError, match="test_size must be"):
            ItemOverlapShuffleSplit(test_size=bad)


def test_pairs_are_joined_without_loss():
    import torch

    one = PairFeatures(torch.tensor([0.9]), torch.tensor([0.2]))
    empty = PairFeatures()
    both = one + one
    assert len(both) == 2
    assert len(one) == 1
    one += empty  # there this erases all
    assert len(one) == 1
    empty += one
    assert len(empty) == 1
    with pytest.raises(ValueError, match="target is given for one"):
        one += PairFeatures(torch.ones(1), torch.ones(1), torch.ones(1))
    assert len(one) == 1
    with pytest.raises(ValueError, match="same length"):
        one.positive_ranks = torch.ones(3)
    assert len(one.positive_ranks) == 1
    with pytest.raises(TypeError, match=r"torch\.Tensor or None"):
        one.target = [1.0]
    with pytest.raises(ValueError, match="0-d tensor"):
        PairFeatures(torch.tensor(0.5))
    with pytest.raises(ValueError, match="use_positive_from needs"):
        PairFeatures().use_positive_from(one)


def test_negatives_are_drawn_without_replacement():
    clicks = ClickstreamPairs(
        np.zeros(9, int),
        np.arange(9),
        np.array([1.0] + [0] * 8),
        np.ones(9),
        np.zeros(9, int),
    )
    rng = np.random.RandomState(0)
    for share, expected in ((0.5, 4), (0.99, 7), (1.0, 8), (0.01, 1)):
        drawn = clicks.draw(0, downsampling=share, rng=rng)
        assert len(set(drawn.tolist())) == len(drawn) == expected
        assert (np.diff(drawn) > 0).all()


@pytest.mark.parametrize(
    ("changes", "y", "weight", "message"),
    [
        ({}, 0 * Y, None, "No session has a click"),
        ({}, -Y, None, "y must be finite and at least 0"),
        ({}, Y, -np.ones(len(Y)), "Negative values in data passed to `sample_weight`"),
        ({"loss": "margin_ranking"}, np.ones(len(Y)), None, "no session has both"),
        ({"loss": "margin_ranking", "hard_negatives": True}, Y, None, "hard_negatives"),
        ({"examples_order": "hard_all"}, Y, None, "examples_order needs a pair loss"),
        ({"examples_order": "no_such"}, Y, None, "not a valid ExamplesType"),
        ({"not_irrelevant_only": False}, Y, None, "needs a pair loss"),
        ({"num_fixed_layers": 2}, Y, None, "needs fine_tune='full'"),
        ({"fine_tune": "full"}, Y, None, "needs texts"),
        ({"min_abs_difference_threshold": 3.0}, Y, None, "must be below"),
        ({"n_query_features": 5}, Y, None, "leaves 7 columns"),
        ({"query_column": "a"}, Y, None, "name two columns, or neither"),
    ],
)
def test_what_cannot_be_learned_from(changes, y, weight, message):
    with pytest.raises(ValueError, match=message):
        embedder(**changes).fit(X, y, groups=GROUPS, sample_weight=weight)


def test_sessions_of_several_queries():
    with pytest.raises(ValueError, match="A session has one query"):
        embedder().fit(X, Y, groups=GROUPS // 2)


def test_only_clicks_still_teach_in_batch():
    clicked = Y == 1
    fitted = embedder(early_stopping=False)
    fitted.fit(X[clicked], Y[clicked], groups=GROUPS[clicked])
    assert not np.array_equal(fitted.item_matrix_, np.eye(6))


def test_nothing_to_compare():
    one = Y == 1
    with pytest.raises(ValueError, match="Nothing could be learned"):
        embedder(batch_size=1).fit(X, Y, groups=GROUPS)
    with pytest.raises(ValueError, match="Nothing could be learned"):
        embedder().partial_fit(X[one][:1], Y[one][:1], groups=GROUPS[one][:1])
    embedder(batch_size=1, hard_negatives=True).fit(X, Y, groups=GROUPS)
    wide = {"min_abs_difference_threshold": 1.99, "examples_order": "hard_all"}
    with pytest.raises(ValueError, match="widen the thresholds"):
        embedder(loss="margin_ranking", **wide).fit(X, Y, groups=GROUPS)


def test_weights_that_grow_without_end():
    options = {"optimizer": "adamw", "items_lr": 1e30, "items_weight_decay": 1e30}
    with pytest.raises(ValueError, match=r"diverged with .* items_lr=1e\+30"):
        embedder(**options, early_stopping=False).fit(X, Y, groups=GROUPS)


def test_collapse_is_not_the_best_ranking():
    """Equal vectors rank all items alike, and not every clicked one first."""
    from bead_sklearn.embedding._validation import ranking

    class Collapsed:
        def vectors(self, which):
            return np.ones((9, 3))

    session = np.repeat(np.arange(3), 3)
    held_out = ClickstreamPairs(
        session, np.arange(9), np.tile([1.0, 0, 0], 3), np.ones(9), session
    )
    assert ranking(held_out, Collapsed(), "all")() == pytest.approx(1 / 5)
    assert ranking(held_out, Collapsed(), "session")() == pytest.approx(1 / 2)
    Collapsed.vectors = lambda self, which: np.full((9, 3), np.nan)
    for pool in ("all", "session"):
        assert ranking(held_out, Collapsed(), pool)() == -np.inf


def test_each_stage_has_its_patience():
    """A stage after one that did not help is given its passes too."""
    options = {"loss": "margin_ranking", "patience": 2, "max_iter": 6}
    stages = ["soft_positive", "all_examples"]
    fitted = embedder(
        **options,
        examples_order=stages,
        min_abs_difference_threshold=1e-9,
        query_lr=1e-7,
        items_lr=1e-7,
    ).fit(X, Y, groups=GROUPS)
    # Nothing is soft, and steps are too small to change a ranking: two passes each.
    assert fitted.n_iter_ == 4
    assert np.isnan(fitted.loss_curve_[:2]).all()


def test_passes_of_stages_are_repeated_with_all_sessions(monkeypatch):
    from bead_sklearn.embedding import _training

    asked = []
    original = _training.train

    def recorded(*arguments, passes=None, **options):
        asked.append(passes)
        return original(*arguments, passes=passes, **options)

    monkeypatch.setattr(_training, "train", recorded)
    fitted = embedder(loss="pairwise_logistic", examples_order=[11, 11]).fit(
        X, Y, groups=GROUPS
    )
    assert asked[0] is None
    assert sum(asked[1]) == fitted.best_iteration_
    assert len(asked[1]) == 2


def test_confidences_of_a_function():
    options = {"loss": "margin_ranking"}
    for bad, message in (
        (lambda ranks, clicks: [1.0], "a confidence for each of the 6 items"),
        (lambda ranks, clicks: -clicks, "at least 0"),
        (lambda ranks, clicks: clicks * np.nan, "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            embedder(**options, click_confidence=bad).fit(X, Y, groups=GROUPS)


def test_what_rankings_refuse():
    for metric in (mean_reciprocal_rank, recall_at_k, normalized_dcg):
        with pytest.raises(ValueError, match="scores contains NaN"):
            metric([1, 0], [np.nan, 0.0])
        with pytest.raises(ValueError, match="y must be at least 0"):
            metric([1, -1], [0.5, 0.0])
        with pytest.raises(ValueError, match="k must be an integer of at least 1"):
            metric([1, 0], [0.5, 0.0], k=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        distance_shift([1, 0], [0.1], [0.1, 0.2])
    for k in (0, 1.5, None):
        with pytest.raises(ValueError, match="k must be an integer"):
            make_ranking_scorer(k=k)


def test_items_of_features_must_be_named():
    with pytest.raises(ValueError, match="12 columns, none of which"):
        next(ItemOverlapShuffleSplit().split(X, groups=GROUPS))


def test_settings_that_training_cannot_follow(tiny):
    from bead_sklearn.encoders import TransformerEncoder

    rows, y, _ = texts(4)
    options = {"fine_tune": "full", "device": "cpu"}
    with pytest.raises(ValueError, match="query_encoder must be None"):
        TwoTowerEmbedder(tiny, query_encoder=tiny, shared=True, **options).fit(rows, y)
    encoder = TransformerEncoder(tiny, overflow="mean")
    with pytest.raises(ValueError, match="overflow='truncate'"):
        TwoTowerEmbedder(encoder, **options).fit(rows, y)


def test_full_fine_tuning_needs_a_language_model():
    rows, y, _ = texts(4)
    with pytest.raises(ValueError, match="needs a language model as encoder"):
        TwoTowerEmbedder(fine_tune="full").fit(rows, y)
    with pytest.raises(ValueError, match="more than two columns of text"):
        TwoTowerEmbedder().fit([(a, b, "x") for a, b in rows], y)
