"""Training of encoder-decoders goes on where its process was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_seq2seq import save_seq2seq  # noqa: E402

from bead_sklearn import FreeTextGenerator  # noqa: E402
from bead_sklearn.nn import Seq2SeqModel, Seq2SeqNet  # noqa: E402

TEXTS = [f"the {a} {b}" for a in ("red", "blue") for b in ("cat", "dog", "bird")]
ANSWERS = ["good one", "bad one", "no idea", "not so good"]


class Slow(Seq2SeqModel):
    """Takes its time, so that training can be killed in the middle of it."""

    pause = 0.0

    def forward(self, *args, **kwargs):
        time.sleep(self.pause * self.training)
        return super().forward(*args, **kwargs)


def study():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 12)
    texts = [TEXTS[i] for i in rng.integers(len(TEXTS), size=len(groups))]
    y = [ANSWERS[(g % 2) * 2 + rng.integers(2)] for g in groups]
    return texts, y, groups


def trained(model, folder, pause=0.0):
    """Train for four epochs with a checkpoint; the losses and estimates at the end."""
    Slow.pause = pause
    texts, y, groups = study()
    net = Seq2SeqNet(
        Slow,
        module__model=model,
        module__tune="lora",
        effects={"groups": "tokens", "adapters": "lora"},
        max_epochs=4,
        patience=None,
        random_state=0,
        lr=0.01,
        checkpoint=folder,
    ).fit({"texts": texts, "groups": groups, "adapters": groups}, y)
    losses = [net.history[-1, f"{part}_loss"] for part in ("train", "valid")]
    variance = net.variance_history_[-1]["groups"][0, 0]
    return [*losses, len(net.history), variance]


def generated(model, folder, pause=0.0):
    """The same by the estimator."""
    forward = Seq2SeqModel.forward

    def slowly(self, *args, **kwargs):
        time.sleep(pause * self.training)
        return forward(self, *args, **kwargs)

    texts, y, groups = study()
    net = Seq2SeqNet(
        max_epochs=4,
        patience=None,
        lr=0.01,
        checkpoint=folder,
        module__participant_rank=2,
    )
    writer = FreeTextGenerator(
        generator=model,
        fine_tune="full",
        mixed_effects="random_slopes",
        net=net,
        random_state=0,
    )
    Seq2SeqModel.forward = slowly
    try:
        writer.fit(texts, y, groups=groups)
    finally:
        Seq2SeqModel.forward = forward
    tuning = writer.tuning_
    p = writer.predict_proba(TEXTS, groups=[0] * len(TEXTS))
    return [tuning.train_loss[-1], tuning.valid_loss[-1], *p.ravel()]


KILLED = """
import sys
sys.path[:0] = sys.argv[1:3]
import test_seq2seq_killed as this
getattr(this, sys.argv[3])(sys.argv[4], sys.argv[5], pause=0.1)
"""


@pytest.mark.parametrize("run", [trained, generated])
def test_training_goes_on_where_the_process_was_killed(run, tmp_path):
    t5 = save_seq2seq(tmp_path / "t5", [*TEXTS, *ANSWERS], dropout=0.1)
    whole = run(t5, tmp_path / "whole")
    folder, here = tmp_path / "killed", Path(__file__).parent
    paths = [str(here), str(here.parent)]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *paths, run.__name__, t5, str(folder)]
    )
    deadline = time.monotonic() + 240
    while not (folder / "training.safetensors").is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.15)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert run(t5, folder) == pytest.approx(whole, abs=1e-5)
