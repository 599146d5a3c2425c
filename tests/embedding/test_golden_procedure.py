"""What the original does around its losses, and what is done here instead.

Cases of the pipeline, of sessions and of the state of its last release.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_golden_embedding import Toy, assert_pairs, settings

from bead_sklearn import TwoTowerEmbedder
from bead_sklearn.embedding import (
    ClickstreamPairs,
    ExamplesType,
    FineTuningParams,
    ItemOverlapShuffleSplit,
    PairFeatures,
    aggregate_ranks,
    click_confidences,
    distance_shift,
)
from bead_sklearn.embedding._losses import ProbMarginRankingLoss
from bead_sklearn.embedding._options import check_options
from bead_sklearn.embedding._pairs import NAMES
from bead_sklearn.embedding._training import _unit, extract_pairs, train


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "embedding"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/embedding: not there")
    return lambda name: json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def head(golden):
    return {case["name"]: case for case in golden("head_behaviour")}


@pytest.fixture(scope="module")
def sessions(golden):
    return {case["name"]: case for case in golden("inputs_and_pairs")}


# ------------------------------------------------------------------ pipeline


def pairs_of(toy, clicks, how, **changes):
    batch = [(n, None) for n in range(len(clicks.sessions)) if clicks.has_clicks[n]]
    how = settings(how, **({"max_difference": 1.0} | changes))
    found = extract_pairs(toy, clicks, batch, how, ExamplesType.all_examples, None)
    return PairFeatures(**{name: getattr(found, name).detach() for name in NAMES})


def test_confidences_in_pairs(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    toy = Toy(inputs, shared=False)
    ranks = np.array(list(inputs["sessions"][0]["ranks"].values()))
    clicks = toy.clicks(inputs, [0]).with_confidences(click_confidences, ranks)
    how = cases["train_two_tower"]["params"]
    found = pairs_of(toy, clicks, how)
    assert_pairs(found, cases["calculate_confidences"])
    # All pairs are there too where sessions without clicks are left out.
    plain = pairs_of(toy, toy.clicks(inputs, [0]), how)
    assert_pairs(plain, cases["paired_not_irrelevant_only_True"])


def test_distances_are_a_target_of_losses(golden):
    """Similarity is a cosine here; losses still take distances."""
    case = golden("pipeline_2024_03")["distance_target_minus1"]
    pairs = PairFeatures(**{name: torch.tensor(case[name]) for name in NAMES})
    assert (pairs.target == -1).all()
    margin = 0.1
    difference = pairs.positive_ranks - pairs.negative_ranks
    expected = torch.sigmoid(margin + difference).mean()
    assert torch.isclose(ProbMarginRankingLoss(margin)(pairs), expected)


def test_sessions_without_clicks_are_left_out(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    toy = Toy(inputs, shared=False)
    how = cases["train_two_tower"]["params"]
    found = pairs_of(toy, toy.clicks(inputs, [2, 1]), how)
    assert_pairs(found, cases["first_irrelevant_skipped"])
    # None with a click: there an AttributeError.
    assert "AttributeError" in cases["none_relevant"]["raises"]
    with pytest.raises(ValueError, match="No session has a click"):
        train(toy, toy.clicks(inputs, [2, 4]), settings(how), None)


def test_contrastive_training_works_here(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    for name in ("train_contrastive", "paired_contrastive_maxthr2"):
        assert "AttributeError" in cases[name]["raises"]
    toy = Toy(inputs, shared=False)
    before = toy.item_module.weight.detach().clone()
    how = settings(cases["train_two_tower"]["params"], not_irrelevant_only=False)
    train(toy, toy.clicks(inputs, [0, 1, 2, 4]), how, None)
    assert not torch.equal(before, toy.item_module.weight.detach())


def test_at_least_one_negative_and_none_twice(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    # There a share that rounds to 0 leaves nothing to learn from ...
    assert cases["zero_negatives"]["positive_ranks"] == []
    # ... and one item is drawn twice, with confidence 0 the second time.
    assert cases["random_choices_seed0_population3_k2"] == [2, 2]
    twice = cases["random_choices_with_replacement_seed0"]
    assert len(set(twice["negative_ranks"])) == 1
    toy = Toy(inputs, shared=False)
    clicks = toy.clicks(inputs, [0])
    for seed in range(20):
        rng = np.random.RandomState(seed)
        assert len(clicks.draw(0, downsampling=0.01, rng=rng)) == 1
        drawn = clicks.draw(0, downsampling=0.99, rng=rng)
        assert len(set(drawn.tolist())) == len(drawn) == 2


RUNS = [
    "train_two_tower",
    "train_two_tower_cosine_loss_class",
    "train_shared_tower",
    "train_batch_of_two",
    "train_step_size_ignored",
]


@pytest.mark.parametrize("name", RUNS)
def test_what_is_tracked_in_training(golden, name):
    """Losses and shifts after each step, and those of the held-out sessions."""
    inputs = golden("toy_two_tower_inputs")
    case = golden("pipeline_2024_03")[name]
    shared_tower = name == "train_shared_tower"
    toy = Toy(inputs, shared=shared_tower)
    batches = [[int(pair[0][1:]) for pair in batch] for batch in case["batches"]]
    how = settings(case["params"], batch_size=len(batches[0]))
    tracked = [value for _, value in case["tracked"]]

    def shifts(numbers):
        found = []
        for number in numbers:
            clicks = toy.clicks(inputs, [number])
            query = _unit(toy.queries(clicks.query))
            after = (query * _unit(toy.items(clicks.item))).sum(dim=1).detach().numpy()
            before = list(inputs["sessions"][number]["ranks"].values())
            found.append(distance_shift(clicks.click, before, after))
        clicked, other = np.transpose(found)
        return float(clicked[clicked != 0].mean()), float(other[other != 0].sum())

    for step in range(len(case["steps"])):
        numbers = batches[step % len(batches)]
        loss = train(toy, toy.clicks(inputs, numbers), how, None).losses[0]
        assert loss == pytest.approx(tracked[3 * step], abs=1e-6)
        clicked, other = shifts(numbers)
        assert clicked == pytest.approx(tracked[3 * step + 1], abs=1e-6)
        assert other == tracked[3 * step + 2] == 0.0
    # Session 5 has clicks, session 4 has none; together they are held out.
    batch = [(0, None)]
    held_out = toy.clicks(inputs, [5])
    pairs = extract_pairs(toy, held_out, batch, how, ExamplesType.all_examples, None)
    loss = float(ProbMarginRankingLoss(how.margin)(pairs).detach())
    assert loss == pytest.approx(case["validation_loss"], abs=1e-6)
    clicked, other = shifts([5, 4])
    assert clicked == pytest.approx(tracked[-2], abs=1e-6)
    assert other == pytest.approx(tracked[-1], abs=1e-6)
    # One optimizer per tower, with rates that stay; plain gradient descent.
    assert case["lr_after"] == [how.items_lr, how.query_lr][: 2 - shared_tower]
    assert case["optimizer_defaults"]["momentum"] == "0"
    assert float(case["optimizer_defaults"]["weight_decay"]) == how.items_weight_decay


def test_schedule_steps_here(golden):
    """There the schedule is never stepped; here it is, each pass."""
    inputs = golden("toy_two_tower_inputs")
    case = golden("pipeline_2024_03")["train_step_size_ignored"]
    toys = [Toy(inputs, shared=False) for _ in range(2)]
    for toy, step in zip(toys, (None, 1), strict=True):
        how = settings(case["params"], lr_step=step, max_iter=3)
        train(toy, toy.clicks(inputs, [0, 1, 5]), how, None)
    first, second = (toy.item_module.weight.detach() for toy in toys)
    assert not torch.allclose(first, second)


# ------------------------------------------------------------------ sessions


def rows_of(query, results, events):
    X = [(query, item) for item in results]
    return X, [int(item in events) for item in results]


def clickstream(results, events):
    n = len(results)
    clicks = np.array([float(item in events) for item in results])
    session = np.zeros(n, int)
    return ClickstreamPairs(session, np.arange(n), clicks, np.ones(n), session)


@pytest.mark.parametrize(
    "name", ["basic", "no_events", "is_irrelevant_arg_ignored", "remove_results"]
)
def test_what_was_not_clicked(sessions, name):
    out = sessions[name]["out"]
    clicks = clickstream(out["results"], out["events"])
    assert bool(clicks.has_clicks[0]) is not out["is_irrelevant"]
    others = clicks.draw(0, downsampling=1.0)
    assert [out["results"][i] for i in others] == out["not_events"]


def test_dropping_items_is_dropping_rows(sessions):
    out = sessions["remove_results_by_object"]["out"]
    clicks = clickstream(["a", "b", "c"], ["a"]).take(np.array([2]))
    assert out["results"] == ["c"]
    assert bool(clicks.has_clicks[0]) is not out["is_irrelevant"]
    assert len(clicks.session) == sessions["len"]["out"] - 2


def test_lengths_of_sessions(sessions):
    """Similarities are computed here, so that none can be missing."""
    for name in ("ranks_size", "ranks_missing_id"):
        assert sessions[name]["raises"].startswith("ValueError")
    assert set(sessions["none_ranks_ok"]["out"]["ranks"].values()) == {None}
    X, y = rows_of("q", ["a", "b", "c"], ["a"])
    fitted = TwoTowerEmbedder(hard_negatives=True, random_state=0).fit(X, y)
    assert np.isfinite(fitted.predict(X)).all()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TwoTowerEmbedder().fit(X, y[:2])


def test_items_that_are_no_strings(sessions):
    """There numbers become strings; here items are text, or features."""
    assert sessions["results_coerced"]["out"]["results"] == ["a", "5", "7"]
    assert "events.0" in sessions["events_not_coerced"]["raises"]
    with pytest.raises((TypeError, ValueError), match=r"strings?|text"):
        TwoTowerEmbedder().fit([("q", "a"), ("q", 5), ("q", 7)], [1, 0, 0])


def test_items_shown_twice_or_never(sessions):
    """A click belongs to a row: one on an item not shown cannot be written."""
    assert sessions["event_not_in_results_accepted"]["out"]["events"] == ["zzz"]
    # An item shown twice is an error there, since ranks are kept by item.
    assert "Sizes of ranks" in sessions["duplicate_results"]["raises"]
    X = [("q", "a"), ("q", "a"), ("q", "b"), ("r", "b"), ("r", "a")]
    fitted = TwoTowerEmbedder(max_iter=1, random_state=0).fit(X, [0, 1, 0, 1, 0])
    similarity = fitted.predict(X)
    assert similarity[0] == similarity[1]


def test_random_pairing_uses_every_session(sessions):
    """The order of a seed is not that of the original; what is paired is."""
    for n, m in ((3, 3), (3, 2), (2, 5)):
        pairs = sessions[f"paired_({n}, {m})_random"]["out"]["pairs"]
        assert {first for first, _ in pairs} == {f"r{i}" for i in range(n)}
        assert {second for _, second in pairs} == {f"i{i}" for i in range(m)}


def test_splitter(sessions):
    query = np.repeat(np.arange(20), 3)
    item = 3 * query + np.tile(np.arange(3), 20)
    rows = np.column_stack([query, item])
    for name in ("splitter_disjoint_items", "splitter_shared_items"):
        assert sessions[name]["out"]["train"] + sessions[name]["out"]["test"] == 20
    sizes = []
    for train_rows, test_rows in ItemOverlapShuffleSplit(20, random_state=0).split(
        rows, groups=query
    ):
        assert not set(query[train_rows]) & set(query[test_rows])
        assert len(train_rows) + len(test_rows) == 60
        for number in np.unique(query[test_rows]):
            assert (query[test_rows] == number).sum() == 3
        sizes.append(len(test_rows) // 3)
    assert 1 <= np.mean(sizes) <= 6  # there filled up to 4 by sessions at random
    with pytest.raises(ValueError, match="X is empty"):
        next(ItemOverlapShuffleSplit().split(np.zeros((0, 2)), groups=[]))
    assert sessions["splitter_empty"]["raises"].startswith("ValueError")
    for bad in (0.0, 1.0, 1, "x"):
        assert "range (0.0, 1.0)" in sessions[f"splitter_ratio_{bad!r}"]["raises"]
        with pytest.raises(ValueError, match="test_size must be a float between"):
            ItemOverlapShuffleSplit(test_size=bad)
    assert sessions["splitter_ratio_0.6"]["out"] == "0.6"
    assert ItemOverlapShuffleSplit(test_size=0.6).test_size == 0.6


# --------------------------------------------------- the state of its release

TEXTS = [("red fruit", "red apple"), ("red fruit", "nail"), ("metal", "nail")]
CLICKS = [1, 0, 1]


def pair_embedder(**options):
    defaults = {"loss": "pairwise_logistic", "max_iter": 1, "random_state": 0}
    return TwoTowerEmbedder(**(defaults | options))


def test_range_of_downsampling(head):
    for value in (0.5, 0.99):
        assert head[f"negative_downsampling_factor={value}"]["out"] == str(value)
        pair_embedder(negative_downsampling=value).fit(TEXTS, CLICKS)
    # All of them: there the default, and refused; none of them: there accepted.
    for name in ("extractor default negative_downsampling_factor=1.0",):
        assert "should be un range" in head[name]["raises"]
    for value in (1.0, 1):
        assert "raises" in head[f"negative_downsampling_factor={value}"]
        pair_embedder(negative_downsampling=value).fit(TEXTS, CLICKS)
    assert "out" in head["negative_downsampling_factor=0.0"]
    assert "raises" in head["negative_downsampling_factor=-0.1"]
    for value in (0.0, -0.1):
        with pytest.raises(ValueError, match="negative_downsampling"):
            pair_embedder(negative_downsampling=value).fit(TEXTS, CLICKS)


def test_range_of_thresholds(head):
    for name in ("min_abs_difference_threshold", "max_abs_difference_threshold"):
        for value in (0.3, 1):  # integers: refused there
            assert ("out" in head[f"{name}={value}"]) is (value == 0.3)
            pair_embedder(**{name: value}, examples_order="3,11,2").fit(TEXTS, CLICKS)
    assert head["min_abs_difference_threshold=0.0"]["out"] == 0.0
    pair_embedder(min_abs_difference_threshold=0.0).fit(TEXTS, CLICKS)
    for name, value in (
        ("min_abs_difference_threshold", -0.1),
        ("max_abs_difference_threshold", 0.0),
    ):
        assert "raises" in head[f"{name}={value}"]
        with pytest.raises(ValueError, match=name):
            pair_embedder(**{name: value}).fit(TEXTS, CLICKS)


def test_types_of_options(head):
    """There is no ranker, and no flag for it, to be of the wrong type."""
    for name in ("model type", "ranker not callable", "is_similarity not bool"):
        assert head[name]["raises"].startswith("ValueError")
    with pytest.raises(ValueError, match="'encoder' parameter"):
        TwoTowerEmbedder(encoder=3).fit(TEXTS, CLICKS)
    for name in ("ranker", "is_similarity"):
        with pytest.raises(TypeError, match=name):
            TwoTowerEmbedder(**{name: None})
    assert "raises" in head["examples_order mixed types"]
    with pytest.raises(ValueError, match="not a valid ExamplesType"):
        pair_embedder(examples_order=[ExamplesType.hard_all, "x"]).fit(TEXTS, CLICKS)
    # Numbers stand for stages; there they were stored and never looked at.
    assert head["examples_order all wrong type accepted"]["out"] == "[3]"
    fitted = pair_embedder(examples_order=[3], min_abs_difference_threshold=1.9)
    fitted.fit(TEXTS, CLICKS)
    assert check_options(fitted) == (ExamplesType.soft_all,)
    assert head["finetuner passes examples_order to extractor"]["out"] is False


def test_what_raises_there_works_here(head):
    for name in (
        "ItemsSet with string ids",
        "extractor.forward at HEAD, plain session",
        "DistanceShift at HEAD (items_by_ids returns a tuple)",
        "DummySessionEventWithImportance.from_model(event)",
    ):
        assert "raises" in head[name]
    assert head["extractor has calculate_ranks"]["out"] is False
    start = pair_embedder().fit(TEXTS)
    fitted = pair_embedder(query_lr=0.1, items_lr=0.1).fit(TEXTS, CLICKS)
    before, after = start.predict(TEXTS), fitted.predict(TEXTS)
    clicked, _ = distance_shift([1, 0], before[:2], after[:2])
    assert clicked == pytest.approx(after[0] - before[0])


def test_similarity_is_the_cosine(head):
    out = head[next(name for name in head if name.startswith("HEAD ranker"))]["out"]
    rows = np.array([out["query"][0] + out["item"][0]])
    fitted = TwoTowerEmbedder(n_query_features=5).fit(rows)
    assert fitted.predict(rows)[0] == pytest.approx(out["true_cosine"], abs=1e-6)
    assert abs(fitted.predict(rows)[0] - out["head_rank"]) > 0.1


def test_freezing_and_dropout(head, shared):
    folder = shared / "golden" / "gating" / "tiny_bert"
    options = {"fine_tune": "full", "shared": True, "device": "cpu", "max_iter": 1}
    fitted = TwoTowerEmbedder(
        str(folder), num_fixed_layers=1, random_state=0, **options
    ).fit(TEXTS, CLICKS)
    trainable = [p.requires_grad for p in fitted._towers.modules[0].parameters()]
    trained, total = head[
        "TextToTextBertModel.fix_query_model(1): trainable params after / total"
    ]["out"]
    assert trained == total == len(trainable)  # there: freezes nothing
    assert 0 < sum(trainable) < total
    assert head["module.requires_grad=False freezes parameters?"]["out"][0] is True
    message = head["fix_query_model(2) on 2-layer encoder"]["raises"]
    assert message.startswith("ValueError: Number of fixed layers")
    with pytest.raises(ValueError, match="must be less than the 2 layers"):
        TwoTowerEmbedder(str(folder), num_fixed_layers=2, **options).fit(TEXTS)
    # No dropout here: the same clicks give the same vectors.
    name = "bert model in train mode (dropout active) after LightningModule wrap"
    assert head[name]["out"][0] is True
    assert not any(m.training for m in fitted._towers.modules[0].network.modules())


def test_settings_and_records_of_runs(head):
    """Means over windows, names of runs and plug-ins belong to trackers."""
    for name in (
        "MetricsAccumulator window 3 over 1,2,3,10,4 then other-name",
        "FineTuningIteration str/parse",
    ):
        assert "out" in head[name]
    for name in (
        "MetricValue int rejected",
        "MetricValue empty name",
        "accumulator window_size=1",
        "FineTuningIteration.parse bad",
    ):
        assert head[name]["raises"].startswith("ValueError")
    # What they are made from is there, pass by pass.
    fitted = pair_embedder(max_iter=3, early_stopping=False).fit(TEXTS, CLICKS)
    assert len(fitted.loss_curve_) == fitted.n_iter_ == 3
    name = "FineTuningSettings unknown kwarg test_each_n_sessions silently ignored"
    assert head[name]["out"] == -1
    with pytest.raises(TypeError, match="test_each_n_sessions"):
        TwoTowerEmbedder(test_each_n_sessions=1)
    defaults = head["FineTuningSettings defaults"]["out"]
    here = TwoTowerEmbedder().get_params()
    assert float(defaults["gamma"]) == here["lr_gamma"]
    assert int(defaults["num_epochs"]) == here["max_iter"]
    assert here["lr_step"] is None  # there 500, and never stepped
    assert here["click_confidence"] is None  # there ones: the same


# ------------------------------------------------------------------ the rest


def test_params_are_immutable(golden):
    found = golden("finetuning_params")
    params = FineTuningParams(
        num_fixed_layers=0,
        query_lr=0.1,
        items_lr=0.1,
        query_weight_decay=0.0,
        items_weight_decay=0.0,
        margin=0.1,
        not_irrelevant_only=True,
        negative_downsampling=0.5,
    )
    for name, said in found["assignment_after_init"].items():
        assert "without validation" in said
        with pytest.raises(AttributeError):
            setattr(params, name, 1)
    fields = found["fields"]
    assert set(fields) == {name for name in vars(params) if not name.startswith("_")}
    defaults = {name: f["default"] for name, f in fields.items() if not f["required"]}
    assert float(defaults["min_abs_difference_threshold"]) == 0.0
    assert params.max_abs_difference_threshold == 1.0
    assert "all_examples: 11" in defaults["examples_order"]
    assert params.examples_order == (ExamplesType.all_examples,)


def test_clicks_of_parts(golden):
    """Clicks on parts of an item count as a click on it: the maximum."""
    expected = golden("aggregators")[-1]["MaxClicksAggregator"]
    assert expected == {"g": 1, "h": 0}
    assert aggregate_ranks([0, 1], "max") == 1
    assert aggregate_ranks([0, 0], "max") == 0
    assert aggregate_ranks([], "max") == 0


def test_joining_pairs(golden):
    cases = {case["name"]: case for case in golden("fine_tuning_features")}

    def read(values):
        return PairFeatures(
            **{name: torch.tensor(values[name]) for name in NAMES if name in values}
        )

    case = cases["iadd_from_empty_then_again"]
    pairs = PairFeatures()
    pairs += read(case["inputs"]["first"])
    pairs += read(case["inputs"]["second"])
    assert_pairs(pairs, case["output"])
    # There empty features erase all, and features given in part the other fields.
    case = cases["iadd_empty_other_erases_self"]
    pairs = read(case["inputs"])
    pairs += PairFeatures()
    assert len(pairs) == 3
    assert case["output"]["target"] is None
    assert cases["_accumulate"]["other_none"] is None
    case = cases["iadd_partial_other"]
    assert case["output"]["target"] is None
    with pytest.raises(ValueError, match="given for one of the two"):
        pairs += read({"positive_ranks": [1.0], "negative_ranks": [0.5]})
    assert len(pairs) == 3
    assert cases["plain_add"]["raises"].startswith("TypeError")
    assert len(pairs + pairs) == 6
    # Setters.
    assert "output" in cases["setter_does_not_check_length"]
    with pytest.raises(ValueError, match="same length"):
        pairs.positive_ranks = torch.tensor([1.0, 2.0])
    assert "must be a torch.Tensor" in cases["setter_checks_type"]["raises"]
    with pytest.raises(TypeError, match="positive_ranks must be a torch"):
        pairs.positive_ranks = [1.0, 2.0, 3.0]
    assert cases["init_0d_tensor"]["raises"].startswith("TypeError")
    with pytest.raises(ValueError, match="0-d tensor"):
        PairFeatures(torch.tensor(0.5))
    assert "AttributeError" in cases["use_positive_from_no_negatives"]["raises"]
    with pytest.raises(ValueError, match="use_positive_from needs"):
        PairFeatures().use_positive_from(pairs)


def test_margin_of_zero(golden):
    found = dict(golden("losses")["set_margin_zero"])
    assert "ZeroDivisionError" in found["margin 0 with do_fine_small_difference"]
    with pytest.raises(ValueError, match="must be a positive numeric value"):
        ProbMarginRankingLoss(0.5).set_margin(0)
