"""The original fine-tuning, reproduced where we do not differ on purpose."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from bead_sklearn.embedding import (
    ClickstreamPairs,
    CosineProbMarginRankingLoss,
    ExamplesType,
    FineTuningParams,
    PairFeatures,
    ProbMarginRankingLoss,
    aggregate_ranks,
    click_confidences,
    constant_confidences,
    distance_shift,
)
from bead_sklearn.embedding._losses import (
    average_pool,
    differentiable_extreme,
    differentiable_mean_small_values,
    soft_indicator,
)
from bead_sklearn.embedding._pairs import NAMES
from bead_sklearn.embedding._training import (
    Settings,
    _unit,
    extract_pairs,
    pair_sessions,
    train,
)

BASE = {
    "num_fixed_layers": 3,
    "query_lr": 0.001,
    "items_lr": 0.001,
    "query_weight_decay": 0.0001,
    "items_weight_decay": 0.0001,
    "margin": 1.0,
    "not_irrelevant_only": True,
    "negative_downsampling": 0.5,
}


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "embedding"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/embedding: not there")
    return lambda name: json.loads((folder / f"{name}.json").read_text())


# --------------------------------------------------------------- parameters

#: Refused there, accepted here: any real number, and strings, for the round trip.
ACCEPTED_HERE = {
    "query_lr=1",
    "items_lr=1",
    "query_lr=np.float32(0.1)",
    "items_lr=np.float32(0.1)",
    "query_weight_decay=1",
    "items_weight_decay=0",
    "items_weight_decay='0.0'",
    "margin=1",
    "num_fixed_layers='3'",
    "examples_order=['1']",
    "examples_order=5",
}
#: Accepted there, refused here: what makes no sense.
REFUSED_HERE = {
    "query_weight_decay=inf",
    "margin=inf",
    "negative_downsampling=-3.0",
    "negative_downsampling=nan",
    "min_abs_difference_threshold=5.0",
    "max_abs_difference_threshold=0.0",
    "max_abs_difference_threshold=-1.0",
    "extra_field",
}


def value_of(case):
    """The value a case gave, from its name."""
    names = {"np": np, "inf": math.inf, "nan": math.nan}
    names |= {f"ExamplesType.{m.name}": m for m in ExamplesType}
    field, _, text = case["name"].partition("=")
    if "<ExamplesType" in text:
        return field, [ExamplesType.hard_all]
    return field, eval(text, names)


def test_params(golden):
    seen = set()
    for case in golden("finetuning_params")["cases"]:
        name = case["name"]
        arguments = dict(BASE)
        if name.startswith("missing_"):
            del arguments[name.removeprefix("missing_")]
            with pytest.raises(TypeError, match="missing 1 required"):
                FineTuningParams(**arguments)
            continue
        if name == "extra_field":
            arguments["foo"] = "3"
        elif name != "doc_example":
            field, value = value_of(case)
            arguments[field] = value
        accepted = (case["ok"] or name in ACCEPTED_HERE) and name not in REFUSED_HERE
        seen |= {name} & (ACCEPTED_HERE | REFUSED_HERE)
        if not accepted:
            with pytest.raises((ValueError, TypeError)) as error:
                FineTuningParams(**arguments)
            if isinstance(case.get("errors"), list) and "valid" not in str(error.value):
                message = case["errors"][0]["msg"].removeprefix("Value error, ")
                if " must be " in message:
                    assert message.split(" must be ")[-1] in str(error.value)
            continue
        params = FineTuningParams(**arguments)
        assert FineTuningParams.from_string(str(params)) == params
        assert hash(params) == hash(FineTuningParams(**arguments))
        if case["ok"]:
            assert str(params) == case["str"]
            assert params.id == case["id"]
    assert seen == ACCEPTED_HERE | REFUSED_HERE


def test_examples_types(golden):
    expected = golden("finetuning_params")["ExamplesType"]
    assert {member.name: member.value for member in ExamplesType} == expected


# -------------------------------------------------------------------- pairs


def features(values):
    return PairFeatures(
        **{name: torch.tensor(values[name]) for name in NAMES if name in values}
    )


def assert_pairs(pairs, expected):
    for name in NAMES:
        value = getattr(pairs, name)
        if expected[name] is None:
            assert value is None, name
        else:
            np.testing.assert_allclose(value, expected[name], atol=1e-6)


def test_pair_features(golden):
    cases = {case["name"]: case for case in golden("fine_tuning_features")}
    full = cases["init_full"]["inputs"]
    assert_pairs(PairFeatures(), cases["init_empty"]["output"])
    assert_pairs(features(full), cases["init_full"]["output"])
    tried = 0
    for name, case in cases.items():
        if name.startswith("init_type_error"):
            values = {
                key: [1.0] if value == "LIST" else torch.tensor(value)
                for key, value in case["inputs"].items()
            }
            with pytest.raises(TypeError, match=r"must be a torch\.Tensor or None"):
                PairFeatures(**values)
            tried += 1
        if name.startswith("clamp_diff_in") or name.startswith("clamp_bounds"):
            pairs = features(case["inputs"])
            low, high = 0.25, 0.75
            if "_min" in name:
                low, high = map(float, name.split("_min")[1].split("_max"))
            pairs.clamp_diff_in(low, high)
            assert_pairs(pairs, case["output"])
            tried += 1
    assert tried >= 11
    with pytest.raises(TypeError, match="positive_ranks must be"):
        PairFeatures(np.ones(2))
    with pytest.raises(ValueError, match="must have the same length"):
        features(cases["init_len_mismatch"]["inputs"])


def test_clamping_without_all_tensors(golden):
    pairs = PairFeatures(torch.tensor([1.0, 2.0]), target=torch.tensor([1, 1]))
    pairs.clamp_diff_in(0.0, 0.1)  # one side only: nothing happens
    assert len(pairs) == 2
    pairs = PairFeatures(torch.tensor([0.9, 0.2]), torch.tensor([0.2, 0.1]))
    pairs.clamp_diff_in(0.2, 0.9)  # without a target: there, an error
    np.testing.assert_allclose(pairs.positive_ranks, [0.9])
    pairs = PairFeatures(torch.tensor([math.nan, 0.8]), torch.tensor([0.1, 0.2]))
    pairs.clamp_diff_in(0.0, 1.0)
    assert len(pairs) == 1


def test_positives_from_other_sessions(golden):
    cases = {case["name"]: case for case in golden("fine_tuning_features")}
    tried = 0
    for name, case in cases.items():
        if not name.startswith("use_positive_from_irr"):
            continue
        own, other = (features(case["inputs"][k]) for k in ("irrelevant", "relevant"))
        n = min(len(own), len(other))
        expected = {
            "positive_ranks": other.positive_ranks[:n].clone(),
            "negative_ranks": own.negative_ranks[:n].clone(),
            # There these are the ranks, or a length error.
            "positive_confidences": other.positive_confidences[:n].clone(),
            "negative_confidences": own.negative_confidences[:n].clone(),
            "target": own.target[:n].clone(),
        }
        own.use_positive_from(other)
        assert_pairs(own, expected)
        if "output" in case:
            for side in ("positive_ranks", "negative_ranks", "negative_confidences"):
                np.testing.assert_allclose(
                    getattr(own, side), case["output"][side], atol=1e-6
                )
        tried += 1
    assert tried >= 5


# -------------------------------------------------------------- confidences


def test_confidences(golden):
    tried = 0
    for case in golden("event_confidences"):
        if "ranks" not in case or "clicks" not in case:
            continue
        ranks, clicks = case["ranks"], case["clicks"]
        window = case.get("window_size", 3)
        if "dummy" in case:
            np.testing.assert_allclose(
                constant_confidences(ranks, clicks), case["dummy"]
            )
        expected = case["calculate_confidences"]
        found = click_confidences(ranks, clicks, window)
        if ranks == [0.2, -0.2, 0.1]:
            continue  # a mean rank of 0: there, what float32 leaves of 1e8 - 1e8
        if len(expected) and np.ptp(expected) < 1e-6:
            np.testing.assert_array_equal(found, 1.0)  # there 0: nothing to scale
        else:
            np.testing.assert_allclose(found, expected, atol=2e-4, rtol=1e-4)
        tried += 1
    assert tried >= 8
    for window in (1, 0, -1, 3.0, "3", True):
        with pytest.raises(ValueError, match="integer with value more than 1"):
            click_confidences([0.5], [1], window)


# ------------------------------------------------------------------- losses


def test_losses_and_gradients(golden):
    tried = 0
    for case in golden("losses")["cases"]:
        values = case["inputs"]
        pairs = features(values)
        ranks = [pairs.positive_ranks, pairs.negative_ranks]
        for part in ranks:
            part.requires_grad_()
        # The cosine class there is the plain one, by an error of naming.
        intended = case["loss"].startswith("cosine formula as intended")
        kind = CosineProbMarginRankingLoss if intended else ProbMarginRankingLoss
        loss = kind(case["margin"], case["do_fine_small_difference"])
        if not len(pairs):
            assert float(loss(pairs).detach()) == 0.0  # there NaN
            continue
        value = loss(pairs)
        assert float(value.detach()) == pytest.approx(case["value"], abs=1e-6)
        value.backward()
        for part, name in zip(ranks, ("positive", "negative"), strict=True):
            assert torch.isfinite(part.grad).all()
            expected = np.array(case[f"grad_{name}"], dtype=float)
            known = np.isfinite(expected)  # NaN there by overflow
            np.testing.assert_allclose(
                part.grad.numpy()[known], expected[known], atol=2e-5, rtol=1e-4
            )
        tried += 1
    assert tried == 54


def test_constructors_of_losses(golden):
    cases = golden("losses")["constructor"]
    for name, margin, outcome in cases:
        kind = {
            "ProbMarginRankingLoss": ProbMarginRankingLoss,
            "CosineProbMarginRankingLoss": CosineProbMarginRankingLoss,
        }[name]
        value = eval(margin, {"nan": math.nan, "inf": math.inf, "np": np})
        differs = isinstance(value, bool) or value in (math.inf,) or value != value
        if str(outcome).startswith("ValueError") or differs:
            with pytest.raises(ValueError, match="must be a positive numeric value"):
                kind(value)
        elif not str(outcome).startswith(("TypeError", "Error")):
            assert kind(value).margin == value


def test_helpers_of_losses(golden):
    utils = golden("losses")["utils"]
    for case in utils["soft_indicator"]:
        found = soft_indicator(
            torch.tensor(case["x"]), case["threshold"], case["steepness"]
        )
        np.testing.assert_allclose(found, case["out"], atol=1e-6)
    for case in utils["differentiable_mean_small_values"]:
        found = differentiable_mean_small_values(
            torch.tensor(case["x"]), case["threshold"], case["steepness"]
        )
        assert float(found) == pytest.approx(case["out"], abs=1e-6)
    for case in utils["differentiable_extreme"]:
        x = torch.tensor(case["x"], requires_grad=True)
        found = differentiable_extreme(x, case["beta"], case["mode"])
        assert float(found.detach()) == pytest.approx(case["out"], abs=1e-6)
        found.backward()
        np.testing.assert_allclose(x.grad, case["grad"], atol=2e-3)
    pool = utils["average_pool"]
    found = average_pool(torch.tensor(pool["x"]), torch.tensor(pool["mask"]))
    np.testing.assert_allclose(found, pool["out"], atol=1e-6)
    empty = average_pool(torch.tensor(pool["x"]), torch.zeros(2, 4))
    assert not empty.any()  # there NaN


def test_intended_cosine_loss_has_no_nan():
    positive = torch.tensor([0.9, 0.1, 0.5], requires_grad=True)
    pairs = PairFeatures(
        positive,
        torch.tensor([0.1, 0.9, 0.48]),
        torch.ones(3),
        torch.ones(3),
        torch.ones(3),
    )
    CosineProbMarginRankingLoss(0.05)(pairs).backward()
    assert torch.isfinite(positive.grad).all()
    expected = 1 / (1 + np.exp(-(400 * (0.05 - np.array([0.02])) - 6)))
    transformed = CosineProbMarginRankingLoss(0.05).transform(torch.tensor([0.03]))
    np.testing.assert_allclose(transformed, expected, rtol=1e-4)


# -------------------------------------------------------------- aggregators


def test_aggregators(golden):
    tried = 0
    for case in golden("aggregators"):
        if "aggregator" not in case:
            continue
        method = case["aggregator"].removesuffix("Aggregator").lower()
        if method not in ("max", "min", "mean"):
            continue
        values = case["input"]
        if case["kind"] != "list":
            values = torch.tensor(values)
        found = float(aggregate_ranks(values, method))
        flat = np.atleast_1d(np.asarray(case["input"], dtype=float))
        # There many tensors raise; here all of them have the value of a list.
        expected = getattr(np, method)(flat) if len(flat) else 0.0
        if not str(case["out"]).startswith("RAISES"):
            assert float(case["out"]) == pytest.approx(expected, abs=1e-6)
        assert found == pytest.approx(expected, abs=1e-6)
        tried += 1
    assert tried >= 40


# ----------------------------------------------------------------- sessions


def test_pairing_of_sessions(golden):
    tried = 0
    for case in golden("inputs_and_pairs"):
        name = case["name"]
        if not name.startswith("paired_") or name.endswith("random"):
            continue
        sizes = name.removeprefix("paired_").partition(")")[0].strip("(").split(",")
        first, second = (list(range(int(size))) for size in sizes)
        if not first:  # (0, 0) passes there, with nothing to learn from
            with pytest.raises(ValueError, match="No session has a click"):
                pair_sessions(first, second)
            continue
        found = [
            [f"r{a}", None if b is None else f"i{b}"]
            for a, b in pair_sessions(first, second)
        ]
        expected = case["out"]["pairs"]
        assert found[: len(expected)] == expected
        tried += 1
    assert tried >= 6


class Toy:
    """Linear towers on given features."""

    def __init__(self, inputs, *, shared):
        self.names = {name: i for i, name in enumerate(inputs["items"])}
        self.item_features = torch.tensor(list(inputs["items"].values()))
        sessions = inputs["sessions"]
        self.query_features = torch.tensor([s["query"] for s in sessions])
        self.query_module = self._linear(inputs["Wq"], inputs["bq"])
        self.item_module = self._linear(inputs["Wi"], inputs["bi"])
        if shared:
            self.item_module = self.query_module

    @staticmethod
    def _linear(weight, bias):
        layer = torch.nn.Linear(len(weight[0]), len(weight))
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
        return layer

    def queries(self, numbers):
        return self.query_module(self.query_features[torch.as_tensor(numbers)])

    def items(self, numbers):
        return self.item_module(self.item_features[torch.as_tensor(numbers)])

    def clicks(self, inputs, numbers):
        rows = [
            (number, self.names[item], item in inputs["sessions"][number]["events"], n)
            for n, number in enumerate(numbers)
            for item in inputs["sessions"][number]["results"]
        ]
        query, item, click, session = (
            np.array(column) for column in zip(*rows, strict=True)
        )
        return ClickstreamPairs(
            query, item, click.astype(float), np.ones(len(rows)), session
        )


def settings(params, **changes):
    params = {
        name: float(value)
        for name, value in params.items()
        if name not in ("examples_order", "not_irrelevant_only")
    }
    values = {
        "loss": "prob_margin",
        "margin": params["margin"],
        "hard_negatives": False,
        "optimizer": "sgd",
        "query_lr": params["query_lr"],
        "items_lr": params["items_lr"],
        "query_weight_decay": params["query_weight_decay"],
        "items_weight_decay": params["items_weight_decay"],
        "lr_step": None,
        "lr_gamma": 0.9,
        "max_iter": 1,
        "batch_size": 1,
        "negative_downsampling": params["negative_downsampling"],
        "min_difference": params["min_abs_difference_threshold"],
        "max_difference": params["max_abs_difference_threshold"],
        "stages": (ExamplesType.all_examples,),
        "not_irrelevant_only": True,
    }
    return Settings(**(values | changes))


@pytest.mark.parametrize(
    ("name", "shared_tower", "batch_size"),
    [
        ("train_two_tower", False, 1),
        ("train_two_tower_cosine_loss_class", False, 1),
        ("train_shared_tower", True, 1),
        ("train_batch_of_two", False, 2),
        ("train_step_size_ignored", False, 1),
    ],
)
def test_training_step_by_step(golden, name, shared_tower, batch_size):
    inputs = golden("toy_two_tower_inputs")
    case = golden("pipeline_2024_03")[name]
    numbers = [int(pair[0][1:]) for batch in case["batches"] for pair in batch]
    toy = Toy(inputs, shared=shared_tower)
    clicks = toy.clicks(inputs, numbers)
    how = settings(case["params"], batch_size=batch_size, max_iter=case["epochs"])
    # Step by step: the weights after each.
    one = settings(case["params"], batch_size=batch_size)
    toy_steps = Toy(inputs, shared=shared_tower)
    step = 0
    for _ in range(case["epochs"]):
        for start in range(0, len(numbers), batch_size):
            part = toy_steps.clicks(inputs, numbers[start : start + batch_size])
            loss = train(toy_steps, part, one, None).losses[0]
            expected = case["steps"][step]
            assert loss == pytest.approx(expected["loss"], abs=1e-6)
            modules = {"q": toy_steps.query_module, "i": toy_steps.item_module}
            for key, module in modules.items():
                weight, bias = module.weight.detach(), module.bias.detach()
                np.testing.assert_allclose(weight, expected[f"W{key}"], atol=1e-6)
                np.testing.assert_allclose(bias, expected[f"b{key}"], atol=1e-6)
            step += 1
    # And as one call.
    result = train(toy, clicks, how, None)
    losses = [s["loss"] for s in case["steps"]]
    per_epoch = np.reshape(losses, (case["epochs"], -1)).mean(axis=1)
    np.testing.assert_allclose(result.losses, per_epoch, atol=1e-6)
    last = case["steps"][-1]
    np.testing.assert_allclose(toy.item_module.weight.detach(), last["Wi"], atol=1e-6)


def test_extraction(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    params = cases["train_two_tower"]["params"]
    toy = Toy(inputs, shared=False)

    def pairs(numbers, downsampling, low=0.0, high=1.0):
        clicks = toy.clicks(inputs, numbers)
        how = settings(
            params,
            negative_downsampling=downsampling,
            min_difference=low,
            max_difference=high,
        )
        batch = [(n, None) for n in range(len(numbers))]
        found = extract_pairs(toy, clicks, batch, how, ExamplesType.all_examples, None)
        return PairFeatures(**{name: getattr(found, name).detach() for name in NAMES})

    assert_pairs(pairs([0], 0.99), cases["one_session_firstk_0.99"])
    assert_pairs(pairs([0], 0.5), cases["one_session_firstk_0.5"])
    assert_pairs(pairs([0, 1], 0.99), cases["two_sessions_concat"])
    assert_pairs(pairs([0], 0.99, 0.2, 0.8), cases["thresholds_0.2_0.8"])
    assert_pairs(pairs([0], 0.99, 0.0, 2.0), cases["max_threshold_2.0"])


def test_session_with_clicks_only_teaches_nothing(golden):
    """There the loss is NaN, and weight decay still moves the weights."""
    inputs = golden("toy_two_tower_inputs")
    case = golden("pipeline_2024_03")["train_with_session_without_negatives"]
    assert math.isnan(case["steps"][0]["loss"])
    toy = Toy(inputs, shared=False)
    clicks = toy.clicks(inputs, [0])
    clicks = ClickstreamPairs(
        clicks.query, clicks.item, np.ones(5), clicks.confidence, clicks.session
    )
    before = toy.item_module.weight.detach().clone()
    train(toy, clicks, settings(case["params"]), None)
    assert torch.equal(before, toy.item_module.weight.detach())


def test_contrastive_pairs_work_here(golden):
    """There sessions without clicks raise an AttributeError."""
    inputs = golden("toy_two_tower_inputs")
    cases = golden("pipeline_2024_03")
    assert "AttributeError" in cases["paired_contrastive"]["raises"]
    toy = Toy(inputs, shared=False)
    clicks = toy.clicks(inputs, [0, 2])
    how = settings(
        cases["train_two_tower"]["params"],
        not_irrelevant_only=False,
        negative_downsampling=1.0,
        max_difference=3.0,
    )
    found = extract_pairs(toy, clicks, [(0, 1)], how, ExamplesType.negative_only, None)
    assert len(found) == 3
    query = _unit(toy.queries(np.array([2])))
    ranks = (query * _unit(toy.items(clicks.item[5:]))).sum(dim=1)
    assert torch.allclose(found.negative_ranks, ranks)


def test_similarities_and_distance_shift(golden):
    inputs, cases = golden("toy_two_tower_inputs"), golden("pipeline_2024_03")
    toy = Toy(inputs, shared=False)

    def similarities(number):
        clicks = toy.clicks(inputs, [number])
        query = _unit(toy.queries(clicks.query))
        values = (query * _unit(toy.items(clicks.item))).sum(dim=1)
        return clicks, values.detach().numpy()

    clicks, first = similarities(0)
    expected = cases["calculate_ranks_s0"]
    np.testing.assert_allclose(first, list(expected.values()), atol=1e-6)
    other, second = similarities(2)
    before = [list(inputs["sessions"][number]["ranks"].values()) for number in (0, 2)]
    y = np.concatenate([clicks.click, other.click])
    groups = [0] * len(first) + [1] * len(second)
    for target, name in ((1, "[(s0,s2)]"), (-1, "is_distance")):
        found = distance_shift(
            y,
            np.concatenate(before),
            np.concatenate([first, second]),
            groups=groups,
            target=target,
        )
        values = dict(cases[f"distance_shift_{name}"])
        assert found[0] == pytest.approx(values["not_irrelevant_dist_shift"], abs=1e-6)
        assert found[1] == pytest.approx(values["irrelevant_dist_shift"], abs=1e-6)
    clicks, after = similarities(1)
    before = list(inputs["sessions"][1]["ranks"].values())
    found = distance_shift(clicks.click, before, after)
    values = dict(cases["distance_shift_[(s1,None)]"])
    assert found[0] == pytest.approx(values["not_irrelevant_dist_shift"], abs=1e-6)
    assert found[1] == values["irrelevant_dist_shift"] == 0.0
