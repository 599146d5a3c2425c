"""Masked language models at blanks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tiny_models import save_bert, save_tokenizer  # noqa: E402
from tokenizers import AddedToken, ByteLevelBPETokenizer  # noqa: E402

from bead_sklearn.encoders import MaskedLMEncoder, _masked  # noqa: E402

TEXTS = ["She drank the hot green tea today .", "He read the new book", "tea cake"]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("masked"), TEXTS, masked=True)


def log_probabilities(folder, text):
    """The logarithms of probabilities at the masks of a text, by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    tokens = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = network(**tokens).logits[0]
    at_mask = tokens["input_ids"][0] == tokenizer.mask_token_id
    return torch.log_softmax(logits, dim=1)[at_mask].numpy()


@pytest.mark.parametrize(
    ("before", "after", "n_masks", "text", "own"),
    [
        (["She drank the "], ["."], 1, "She drank the [MASK].", [0]),
        (["She drank the "], [" today"], 2, "She drank the [MASK][MASK] today", [0, 1]),
        (["", " drank the "], [" ."], 1, "[MASK] drank the [MASK] .", [1]),
        ([""], [" drank the ", "."], 2, "[MASK][MASK] drank the [MASK].", [0, 1]),
        (["a [MASK] and "], [""], 1, "a [MASK] and [MASK]", [1]),
    ],
)
def test_probabilities_are_those_of_the_network(
    folder, before, after, n_masks, text, own
):
    encoder = MaskedLMEncoder(folder).fit()
    prompt = encoder.prompt(before, after)
    other = encoder.prompt(["He read a longer text about the "], [" of tea"])
    states, norms = encoder.states([other, prompt, prompt], n_masks)
    size = len(log_probabilities(folder, text)[0])
    rows, bias = encoder.language_model().output_rows(np.arange(size))
    found = states[1] @ rows.T + bias - norms[1][:, None]
    assert np.allclose(found, log_probabilities(folder, text)[own], atol=1e-5)
    assert np.array_equal(states[1], states[2])


def test_texts_that_are_too_long_keep_what_is_near_the_blank(folder):
    model = MaskedLMEncoder(folder).fit().language_model()
    tokenizer = model.tokenizer
    prompts = [("He read the new green ", " cake today ."), ("", " tea cake book")]
    tokens, places = model.tokenize_prompts(prompts, 2, max_length=8)
    words = [tokenizer.convert_ids_to_tokens(row) for row in tokens]
    assert words[0] == [
        "[CLS]",
        "new",
        "green",
        "[MASK]",
        "[MASK]",
        "cake",
        "today",
        "[SEP]",
    ]
    assert words[1] == ["[CLS]", "[MASK]", "[MASK]", "tea", "cake", "book", "[SEP]"]
    assert places == [3, 1]
    with pytest.raises(ValueError, match="A filler of 7 tokens does not fit into"):
        model.tokenize_prompts(prompts, 7, max_length=8)


def test_words_of_the_vocabulary(folder):
    words = MaskedLMEncoder(folder).fit().language_model().words()
    assert {"tea", "book", "green"} <= set(words)
    assert not any(word.startswith("[") or word == "." for word in words)


def test_byte_tokens_know_of_the_space_before_them(tmp_path):
    tokens = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokens.train_from_iterator(TEXTS * 3, vocab_size=400, special_tokens=special)
    tokens.save_model(str(tmp_path))
    tokenizer = transformers.RobertaTokenizer(
        str(tmp_path / "vocab.json"),
        str(tmp_path / "merges.txt"),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        model_max_length=32,
    )
    tokenizer.save_pretrained(tmp_path)
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=40,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformers.RobertaForMaskedLM(config).save_pretrained(tmp_path)
    encoder = MaskedLMEncoder(str(tmp_path)).fit()
    model = encoder.language_model()
    (spaced,), (joined,) = (
        model.tokenize_fillers(["tea"], spaced=flag) for flag in (True, False)
    )
    whole = tokenizer("the tea", add_special_tokens=False)["input_ids"]
    assert whole[-len(spaced) :] == spaced != joined
    (ids,), (place,) = model.tokenize_prompts([encoder.prompt(["the "], ["."])], 2)
    assert ids == tokenizer("the<mask><mask>.")["input_ids"]  # the space is theirs
    assert ids[place : place + 2] == [tokenizer.mask_token_id] * 2


def test_states_as_features(folder):
    encoder = MaskedLMEncoder(folder)
    features = encoder.fit_transform(["the ___ tea", "a book", "the ___ ___"])
    assert features.shape == (3, encoder.n_components_) == (3, 16)
    prompts = [("the ", " tea"), ("a book ", ""), ("the ", " [MASK]")]
    assert np.array_equal(features, encoder.states(prompts, 1)[0][:, 0])
    assert encoder.get_feature_names_out()[0] == "maskedlmencoder0"
    copy = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(copy.transform(["the ___ tea"]), features[:1])
    assert len(pickle.dumps(encoder)) < 2000
    assert not hasattr(clone(encoder), "weights_")


def test_what_is_cached_is_not_computed_again(folder, tmp_path, monkeypatch):
    encoder = MaskedLMEncoder(folder, cache=tmp_path / "cache.sqlite").fit()
    prompts = [("the ", " tea"), ("a ", "")]
    first = encoder.states(prompts, 2)

    def refuse(*arguments, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr(_masked.MaskedLanguageModel, "states", refuse)
    again = encoder.states(prompts[::-1], 2)
    assert all(np.array_equal(a, b[::-1]) for a, b in zip(first, again, strict=True))
    with pytest.raises(AssertionError, match="computed again"):
        encoder.states(prompts, 1)
    name = "bert.embeddings.word_embeddings.weight"
    size = encoder.language_model().network.state_dict()[name].shape
    with pytest.raises(AssertionError, match="computed again"):
        encoder.with_weights({name: np.zeros(size, "float32")}).states(prompts, 2)


def test_tuned_weights_stand_beside_the_pretrained_ones(folder):
    encoder = MaskedLMEncoder(folder).fit()
    before = encoder.transform(["the ___ tea"])
    name = "bert.embeddings.word_embeddings.weight"
    weight = encoder.language_model().network.state_dict()[name].numpy().copy()
    tuned = encoder.with_weights({name: weight[::-1].copy()})
    assert not np.allclose(tuned.transform(["the ___ tea"]), before, atol=1e-3)
    # The output layer is the same matrix.
    rows, _ = tuned.language_model().output_rows(np.arange(3))
    assert np.allclose(rows, weight[::-1][:3])
    assert np.array_equal(encoder.transform(["the ___ tea"]), before)
    wrong = encoder.with_weights({name: weight[1:]})
    with pytest.raises(ValueError, match="is not the one that was tuned"):
        wrong.transform(["the ___ tea"])


def test_what_is_no_masked_language_model(tmp_path):
    with pytest.raises(
        OSError, match=r"in the local cache.*HF_HUB_OFFLINE.*language_model=None"
    ):
        MaskedLMEncoder("no-such/model").fit()
    plain = save_bert(tmp_path / "plain", TEXTS)
    message = "plain' is no masked language model: it has no weights 'cls"
    with pytest.raises(ValueError, match=message):
        MaskedLMEncoder(plain).fit()
    folder = tmp_path / "gpt"
    size = save_tokenizer(folder, TEXTS)
    config = transformers.GPT2Config(vocab_size=size, n_embd=8, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"gpt' is no masked.*has no such head"):
        MaskedLMEncoder(str(folder)).fit()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ValueError, match="its tokenizer has no mask token"):
        MaskedLMEncoder(str(folder)).fit()
