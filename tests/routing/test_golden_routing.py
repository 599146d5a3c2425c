"""The original gating models, reproduced where we do not differ on purpose."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bead_sklearn.encoders import TransformerEncoder
from bead_sklearn.encoders._pretrained import POOLINGS
from bead_sklearn.routing import AnnotatorRouter
from bead_sklearn.routing._losses import softmax_mse

TAGS = {
    "gating_gptneo": ("tiny_gptneo", {"pooling": "last"}),
    "sentence_tinybert": (
        "tiny_bert",
        {"pooling": "mean", "normalize": True, "overflow": "mean"},
    ),
}
PARITY = {
    "solver": "sgd",
    "loss": "softmax_mse",
    "accumulate_grad": True,
    "shuffle": False,
    "init": "random",
    "max_iter": 1,
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


@pytest.mark.parametrize("tag", TAGS)
def test_vectors_of_texts(golden, tag):
    folder, cases, arrays = golden
    texts = [case for case in cases[tag]["forward"] if "error" not in case]
    vectors = encoder(folder, tag).fit_transform([case["text"] for case in texts])
    expected = np.stack([arrays[f"{tag}/rep{i}"] for i in range(5)])
    np.testing.assert_allclose(vectors[:5], expected, atol=1e-6)
    assert {case["n_chunks"] for case in texts[:5]} == {1, 2}


def test_empty_text_has_a_vector_where_the_original_fails(golden):
    folder, cases, _ = golden
    assert "error" in cases["gating_gptneo"]["forward"][5]
    vector = encoder(folder, "gating_gptneo").fit_transform([""])
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("tag", TAGS)
def test_training_step_by_step(golden, tag):
    folder, cases, arrays = golden
    case = cases[tag]
    router = AnnotatorRouter(
        encoder(folder, tag),
        learning_rate=case["lr"],
        momentum=case["momentum"],
        annotators=range(case["n_uids"]),
        **PARITY,
    )
    for step, given in enumerate(case["train"]):
        rewards = np.full((1, case["n_uids"]), np.nan)
        rewards[0, given["uids"]] = given["rewards"]
        if step == 0:
            router.fit(
                [given["text"]],
                rewards,
                coef_init=arrays[f"{tag}/W0"],
                intercept_init=arrays[f"{tag}/b0"],
            )
        else:
            scores = router.predict_scores([given["text"]])[0]
            np.testing.assert_allclose(scores, given["scores_all"], atol=1e-6)
            router.partial_fit([given["text"]], rewards)
        assert router.loss_curve_[-1] == pytest.approx(given["loss"], abs=1e-6)
        np.testing.assert_allclose(
            router.coef_, arrays[f"{tag}/W{step + 1}"], atol=1e-6
        )
        np.testing.assert_allclose(
            router.intercept_, arrays[f"{tag}/b{step + 1}"], atol=1e-6
        )
        gradient = arrays[f"{tag}/grad_W{step}"]
        np.testing.assert_allclose(router._heads.grad_coef, gradient, atol=1e-6)


@pytest.mark.parametrize("tag", TAGS)
def test_one_pass_is_these_steps(golden, tag):
    folder, cases, arrays = golden
    case = cases[tag]
    texts = [given["text"] for given in case["train"]]
    rewards = np.full((len(texts), case["n_uids"]), np.nan)
    for row, given in enumerate(case["train"]):
        rewards[row, given["uids"]] = given["rewards"]
    router = AnnotatorRouter(
        encoder(folder, tag), learning_rate=case["lr"], **PARITY
    ).fit(
        texts,
        rewards,
        coef_init=arrays[f"{tag}/W0"],
        intercept_init=arrays[f"{tag}/b0"],
    )
    np.testing.assert_allclose(router.coef_, arrays[f"{tag}/W6"], atol=1e-6)
    losses = [given["loss"] for given in case["train"]]
    assert router.loss_curve_ == pytest.approx([np.mean(losses)], abs=1e-6)
    # Cleared gradients, the default, lead elsewhere.
    router = AnnotatorRouter(
        encoder(folder, tag), learning_rate=1.0, **PARITY | {"accumulate_grad": False}
    ).fit(texts, rewards, coef_init=arrays[f"{tag}/W0"])
    assert np.abs(router.coef_ - arrays[f"{tag}/W6"]).max() > 1e-4


def test_losses(golden):
    cases = golden[1]["loss_cases"]
    for case in cases:
        scores, rewards = np.array([case["scores"]]), np.array([case["rewards"]])
        if np.isnan(rewards).any():
            continue  # no reward, here not asked; there the loss is NaN
        value, gradient = softmax_mse(scores, rewards, np.ones_like(scores))
        assert value[0] == pytest.approx(case["loss"], abs=1e-6)
        np.testing.assert_allclose(gradient[0], case["grad"], atol=1e-6)


def test_mean_pooling(golden):
    import torch

    arrays = golden[2]
    tokens, mask, expected = (
        arrays[f"mean_pool/{name}"] for name in ("tokens", "mask", "out")
    )
    pooled = POOLINGS["mean"](torch.from_numpy(tokens), torch.from_numpy(mask))
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


RESYNC = [
    "two_replaced",
    "no_change",
    "grown_within_layer",
    "grown_beyond_layer",
    "shrunk",
    "momentum_kept",
    "swap",
]


@pytest.mark.parametrize("name", RESYNC)
def test_resync(golden, name):
    case = golden[1]["resync"][name]
    before, after = case["prev"], case["new"]
    router = AnnotatorRouter(annotators=before, **PARITY, random_state=0)
    X = np.eye(16)[:8]
    first = np.arange(len(before) * 16.0).reshape(len(before), 16)
    router.fit(
        X,
        np.random.RandomState(0).rand(8, len(before)),
        coef_init=first,
        intercept_init=np.ones(len(before)),
    )
    coef, intercept = router.coef_.copy(), router.intercept_.copy()
    step = router._heads.step_coef.copy()
    router.set_annotators(after)
    assert router.annotators_.tolist() == after
    bound = np.sqrt(6 / 17)
    for row, uid in enumerate(after):
        if uid in before:  # what is known moves with the id: also in "swap"
            source = before.index(uid)
            np.testing.assert_array_equal(router.coef_[row], coef[source])
            assert router.intercept_[row] == intercept[source]
            np.testing.assert_array_equal(router._heads.step_coef[row], step[source])
        else:
            assert router.intercept_[row] == 0.0
            assert 0 < np.abs(router.coef_[row]).max() <= bound
            assert not router._heads.step_coef[row].any()  # there: kept
            assert not router._heads.grad_coef[row].any()
    reset = [row for row, uid in enumerate(after) if uid not in before]
    if name not in ("swap", "grown_within_layer", "grown_beyond_layer"):
        assert reset == case["changed_rows"]
    if name.startswith("grown"):  # there: an IndexError beyond the layer
        assert reset == list(range(len(before), len(after)))
