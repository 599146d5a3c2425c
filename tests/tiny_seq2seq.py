"""Small encoder-decoders made on the spot, saved where from_pretrained finds them."""

from __future__ import annotations

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

SPECIAL = ["<pad>", "</s>", "<unk>", "<s>"]


def save_tokenizer(folder, texts, *, kind, max_length=32):
    """A tokenizer of whole words; returns the vocabulary's size."""
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(
        texts, trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False)
    )
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>" if kind == "t5" else "<s> $A </s>",
        special_tokens=[("</s>", 1), ("<s>", 3)],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>",
        model_max_length=max_length,
    ).save_pretrained(folder)
    return words.get_vocab_size()


def save_seq2seq(folder, texts, *, kind="t5", width=16, layers=1, seed=0, dropout=0.0):
    """A T5 or BART of random weights; returns the folder as str."""
    size = save_tokenizer(folder, texts, kind=kind)
    if kind == "t5":
        config = transformers.T5Config(
            vocab_size=size,
            d_model=width,
            d_kv=width // 2,
            d_ff=2 * width,
            num_layers=layers,
            num_heads=2,
            dropout_rate=dropout,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            tie_word_embeddings=False,
            initializer_factor=1.0,
        )
        network = transformers.T5ForConditionalGeneration
    else:
        config = transformers.BartConfig(
            vocab_size=size,
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=2 * width,
            decoder_ffn_dim=2 * width,
            max_position_embeddings=64,
            dropout=dropout,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=3,
            decoder_start_token_id=1,
            forced_eos_token_id=None,
            # The usual 0.02 is for networks fifty times as wide.
            init_std=0.3,
        )
        network = transformers.BartForConditionalGeneration
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network(config).save_pretrained(folder)
    return str(folder)


def train_seq2seq(folder, texts, responses, *, steps=200, lr=0.01, seed=0):
    """Train a saved model on responses, as those who pretrain models do."""
    network = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    shown = tokenizer(
        texts, padding=True, return_tensors="pt", return_token_type_ids=False
    )
    labels = tokenizer(
        text_target=responses,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=False,
    )["input_ids"]
    labels[labels == tokenizer.pad_token_id] = -100
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    rng = np.random.RandomState(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(steps):
            rows = torch.as_tensor(rng.randint(len(texts), size=32))
            optimizer.zero_grad()
            network(
                input_ids=shown["input_ids"][rows],
                attention_mask=shown["attention_mask"][rows],
                labels=labels[rows],
            ).loss.backward()
            optimizer.step()
    network.save_pretrained(folder)
