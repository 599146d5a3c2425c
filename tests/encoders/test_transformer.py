"""Features from a pretrained model: a tiny one, made here."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from bead_sklearn import BinaryClassifier
from bead_sklearn.encoders import TransformerEncoder
from bead_sklearn.encoders._cache import EmbeddingCache
from bead_sklearn.encoders._pretrained import PretrainedModel, load_model

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["the dog saw a cat", "a cat", "the dog saw a cat", "", "a a a a a a a a"]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of random weights with a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    path = tmp_path_factory.mktemp("tiny-bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(
        TEXTS, trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    )
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    ).save_pretrained(path)
    config = transformers.BertConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(path)
    return str(path)


def hidden_states(folder, text, **options):
    """Hidden states of one text without padding, by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        tokens = tokenizer([text], return_tensors="pt", **options)
        return network(**tokens).last_hidden_state[0].numpy()


POOLED = {
    "mean": lambda states: states.mean(axis=0),
    "cls": lambda states: states[0],
    "last": lambda states: states[-1],
    "max": lambda states: states.max(axis=0),
}


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_pooling_by_hand(folder, pooling, batch_size):
    encoder = TransformerEncoder(folder, pooling=pooling, batch_size=batch_size)
    features = encoder.fit_transform(TEXTS)
    assert features.dtype == np.float32
    expected = [POOLED[pooling](hidden_states(folder, text)) for text in TEXTS]
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_normalize_and_max_length(folder):
    encoder = TransformerEncoder(folder, normalize=True, max_length=4)
    features = encoder.fit_transform(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    states = hidden_states(folder, TEXTS[0], truncation=True, max_length=4)
    assert len(states) == 4
    mean = states.mean(axis=0)
    np.testing.assert_allclose(features[0], mean / np.linalg.norm(mean), atol=1e-5)
    long = " ".join(["dog"] * 100)  # beyond the limit of the model: cut
    assert np.isfinite(TransformerEncoder(folder).fit_transform([long])).all()


def test_each_distinct_string_once_and_sorted_by_length(folder, monkeypatch):
    encoder = TransformerEncoder(folder, batch_size=2).fit(TEXTS)
    model = load_model(folder, encoder.revision_, "cpu", "float32")
    widths = []
    network = model.network

    def spy(**batch):
        widths.append(tuple(batch["input_ids"].shape))
        return network(**batch)

    monkeypatch.setattr(model, "network", spy)
    spy.config = network.config
    encoder.transform(TEXTS)
    assert widths == [(2, 4), (2, 10)]


def test_progress_is_told_if_asked_for(folder, capsys):
    texts = ["a dog", "the cat", "a cat", "the dog", "a dog"]
    TransformerEncoder(folder).fit_transform(texts)
    assert "texts" not in capsys.readouterr().out
    for verbose, lines in ((1, ["4 of 4"]), (2, ["3 of 4", "4 of 4"])):
        # Vectors of this length are not remembered yet.
        encoder = TransformerEncoder(
            folder, batch_size=3, max_length=10 + verbose, verbose=verbose
        )
        encoder.fit_transform(texts)
        found = capsys.readouterr().out.splitlines()
        expected = [f"[TransformerEncoder] {line} texts" for line in lines]
        assert [line.split(",")[0] for line in found if "texts" in line] == expected


def test_weights_stay_out_of_pickle_and_clone(folder):
    encoder = TransformerEncoder(folder).fit(TEXTS)
    features = encoder.transform(TEXTS)
    stored = pickle.dumps(encoder)
    assert len(stored) < 2000
    np.testing.assert_array_equal(pickle.loads(stored).transform(TEXTS), features)
    assert not hasattr(clone(encoder), "revision_")
    assert list(encoder.get_feature_names_out())[:2] == [
        "transformerencoder0",
        "transformerencoder1",
    ]


def test_set_output(folder):
    pytest.importorskip("pandas")
    encoder = TransformerEncoder(folder).set_output(transform="pandas")
    assert encoder.fit_transform(TEXTS).shape == (5, 16)


def test_half_precision(folder):
    full = TransformerEncoder(folder).fit_transform(TEXTS)
    half = TransformerEncoder(folder, dtype="bfloat16").fit_transform(TEXTS)
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.2
    same = TransformerEncoder(folder, dtype=torch.bfloat16).fit_transform(TEXTS)
    np.testing.assert_array_equal(half, same)
    for bad in ("int64", "float99"):
        with pytest.raises(ValueError, match="'dtype' parameter"):
            TransformerEncoder(folder, dtype=bad).fit(TEXTS)


def test_missing_model_names_model_and_ways_out(tmp_path):
    for model in ("nobody/no-such-model", str(tmp_path)):
        with pytest.raises(
            OSError, match=r"cannot be loaded.*HF_HUB_OFFLINE"
        ) as caught:
            TransformerEncoder(model).fit(["a"])
        assert model in str(caught.value)
        from huggingface_hub.constants import HF_HUB_CACHE

        assert repr(HF_HUB_CACHE) in str(caught.value)


class TestCache:
    def test_second_time_needs_no_model(self, folder, tmp_path, monkeypatch):
        path = tmp_path / "cache.sqlite"
        encoder = TransformerEncoder(folder, cache=path).fit(TEXTS)
        plain = TransformerEncoder(folder).fit_transform(TEXTS)
        np.testing.assert_array_equal(encoder.transform(TEXTS), plain)
        monkeypatch.setattr(
            "bead_sklearn.encoders._transformer.load_model",
            lambda *_: pytest.fail("the model is loaded again"),
        )
        again = TransformerEncoder(folder, cache=path).fit(TEXTS)
        np.testing.assert_array_equal(again.transform(TEXTS[::-1]), plain[::-1])

    def test_settings_are_told_apart(self, folder, tmp_path):
        for options in (
            {},
            {"pooling": "cls"},
            {"normalize": True},
            {"max_length": 3},
            {"dtype": "bfloat16"},
        ):
            cached = TransformerEncoder(folder, cache=tmp_path / "c", **options)
            plain = TransformerEncoder(folder, **options)
            np.testing.assert_array_equal(
                cached.fit_transform(TEXTS), plain.fit_transform(TEXTS)
            )

    def test_changed_weights_are_told_apart(self, folder, tmp_path):
        import shutil

        copy = tmp_path / "model"
        shutil.copytree(folder, copy)
        encoder = TransformerEncoder(copy, cache=tmp_path / "c")
        before = encoder.fit_transform(TEXTS)
        network = transformers.AutoModel.from_pretrained(copy)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1.5)
        network.save_pretrained(copy)
        after = encoder.fit_transform(TEXTS)
        assert np.abs(before - after).max() > 0.01

    def test_a_grid_search_encodes_each_distinct_string_once(
        self, folder, tmp_path, monkeypatch
    ):
        encoded = []
        embed = PretrainedModel.embed

        def count(self, texts, **options):
            encoded.extend(texts)
            return embed(self, texts, **options)

        monkeypatch.setattr(PretrainedModel, "embed", count)
        rng = np.random.default_rng(0)
        words = ["dog", "saw", "a", "cat", "the"]
        strings = [" ".join(rng.choice(words, 4)) for _ in range(40)]
        texts = rng.choice(strings, 120)
        y = rng.integers(2, size=len(texts))
        encoder = TransformerEncoder(folder, cache=tmp_path / "c")
        search = GridSearchCV(
            BinaryClassifier(encoder=encoder),
            {"alpha": [0.1, 1.0, 10.0]},
            cv=5,
            error_score="raise",
        ).fit(texts, y)
        assert len(search.cv_results_["params"]) == 3
        assert sorted(encoded) == sorted(set(texts))

    def test_many_texts(self, tmp_path):
        cache = EmbeddingCache(tmp_path / "c", ["m"])
        texts = [f"text {i}" for i in range(2500)]
        values = np.arange(5000, dtype=np.float32).reshape(2500, 2)
        cache.put(texts, values)
        cache.put(texts[:2], values[:2] + 1)  # those that are there stay
        found = cache.get([*texts, "another"])
        np.testing.assert_array_equal([found[text] for text in texts], values)
        assert len(found) == 2500
        assert EmbeddingCache(tmp_path / "c", ["other"]).get(texts) == {}

    def test_processes_share_a_file(self, tmp_path):
        code = (
            "import sys, numpy as np\n"
            "from bead_sklearn.encoders._cache import EmbeddingCache\n"
            "cache = EmbeddingCache(sys.argv[1], ['m'])\n"
            "for i in range(50):\n"
            "    cache.put([f'{sys.argv[2]} {i}', f'both {i}'], np.full((2, 3), i))\n"
        )
        path = tmp_path / "c"
        workers = [
            subprocess.Popen([sys.executable, "-c", code, str(path), name])
            for name in ("one", "two")
        ]
        assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
        cache = EmbeddingCache(path, ["m"])
        texts = [f"{name} {i}" for name in ("one", "two", "both") for i in range(50)]
        found = cache.get(texts)
        assert len(found) == 150
        assert all(found[text][0] == int(text.split()[1]) for text in texts)


def test_import_leaves_torch_alone():
    code = (
        "import sys, bead_sklearn.encoders\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


@pytest.mark.parametrize("kind", ["GPT2", "T5"])
@pytest.mark.parametrize("pooling", POOLED)
def test_models_without_special_tokens(kind, pooling, tmp_path):
    """No padding token, texts without a token, relative or no positions."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<unk>", "<eos>"]
    words.train_from_iterator(
        TEXTS, trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="<unk>",
        eos_token="<eos>",
        padding_side="left",
    ).save_pretrained(tmp_path)
    common = {"vocab_size": words.get_vocab_size(), "eos_token_id": 1}
    if kind == "GPT2":
        config = transformers.GPT2Config(
            n_embd=8, n_layer=1, n_head=2, n_positions=8, bos_token_id=1, **common
        )
        network = transformers.GPT2Model(config)
    else:
        config = transformers.T5Config(
            d_model=8, d_kv=4, num_heads=2, num_layers=1, d_ff=16, **common
        )
        network = transformers.T5Model(config)
    network.save_pretrained(tmp_path)
    encoder = TransformerEncoder(tmp_path, pooling=pooling)
    together = encoder.fit_transform(TEXTS)
    assert together.shape == (5, 8)
    assert np.isfinite(together).all()
    alone = np.vstack([encoder.transform([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
