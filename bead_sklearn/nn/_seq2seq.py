"""Encoder-decoders such as T5 and BART: loading, tokens, teacher forcing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.encoders._pretrained import load_pretrained
from bead_sklearn.nn._data import TokenColumn
from bead_sklearn.nn._lora import LoRALinear, ParticipantLoRA, add_lora
from bead_sklearn.nn._text import train_last_layers

#: What stands in labels where there is no token.
IGNORED = -100

#: Tokenizers without a limit say so by a number beyond this one.
_NO_LIMIT = 1_000_000


class Seq2SeqModel(torch.nn.Module):
    """Logits of the tokens of responses, given what was shown and the tokens before.

    Parameters
    ----------
    model : str or path-like
        Name of a Hugging Face encoder-decoder, or a folder with one.
    tune : {"frozen", "full", "lora"} or int, default="frozen"
        What is trained of it: nothing, everything, low-rank adapters of its attention
        projections, or the last so many layers of the decoder.
    max_length : int, default=None
        Number of tokens after which texts are cut; None is the tokenizer's limit.
    lora_rank, lora_alpha, lora_dropout : int, float, float
        Of the adapters that all share; with ``tune="lora"`` only.
    target_modules : list of str, default=None
        Names of the layers with adapters; None is projections of queries and values.
    n_participants : int, default=0
        Number of participants with adapters of their own.
    participant_rank : int, default=4
        Rank of these, in the decoder. Their alpha is twice the rank.

    Attributes
    ----------
    network : PreTrainedModel
        The encoder-decoder, in evaluation mode at first.
    tokenizer : PreTrainedTokenizer
        Its tokenizer.
    participant_adapters : ParticipantLoRA or None
        Adapters of participants.

    Raises
    ------
    OSError
        If there is no such model.
    ValueError
        If it is no encoder-decoder, or ``tune`` is none of these.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        tune: str | int = "frozen",
        max_length: int | None = None,
        lora_rank: int = 8,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.0,
        target_modules: Iterable[str] | None = None,
        n_participants: int = 0,
        participant_rank: int = 4,
    ) -> None:
        super().__init__()
        self.tokenizer, self.network = load_seq2seq(os.fspath(model))
        self.start = start_token(self.network)
        self.limit = max_length
        if max_length is None and self.tokenizer.model_max_length < _NO_LIMIT:
            self.limit = int(self.tokenizer.model_max_length)
        special = set(self.tokenizer.all_special_ids)
        first = self.tokenizer(text_target="a", return_token_type_ids=False)
        before = special & set(first["input_ids"][:1]) - {self.tokenizer.unk_token_id}
        #: Number of tokens before the words of a response.
        self.n_leading = len(before)
        #: Tokens that no response has: fillers, unknown words and the like.
        self.unwritten = sorted(special - before - {self.tokenizer.eos_token_id})
        self.adapters: dict[str, LoRALinear] = {}
        self.participant_adapters: ParticipantLoRA | None = None
        self._gathered: Tensor | None = None
        if n_participants:
            self.participant_adapters = ParticipantLoRA(
                self.network.get_decoder(),
                n_participants,
                rank=participant_rank,
                alpha=2.0 * participant_rank,
                target_modules=target_modules,
            )
        for parameter in self.network.parameters():
            parameter.requires_grad_(tune == "full")
        self.is_trained = tune != "frozen"
        if tune == "lora":
            self.adapters = add_lora(
                self.network,
                rank=lora_rank,
                alpha=lora_alpha,
                dropout=lora_dropout,
                target_modules=target_modules,
            )
        elif isinstance(tune, int) and not isinstance(tune, bool):
            train_last_layers(self.network.get_decoder(), tune)
        elif tune not in ("frozen", "full"):
            raise ValueError(
                "tune must be 'frozen', 'full', 'lora' or a number of layers. Got "
                f"{tune!r}."
            )

    # ----------------------------------------------------------------- tokens

    def tokenize(self, texts: list[str], places: np.ndarray) -> TokenColumn:
        """Return a column of what was shown for a dataset.

        Parameters
        ----------
        texts : list of str
            Distinct texts.
        places : ndarray of int of shape (n_rows, 1)
            Which of them each row has.
        """
        encoded = self.tokenizer(
            texts,
            padding=False,
            truncation=self.limit is not None,
            max_length=self.limit,
            return_token_type_ids=False,
        )
        pad = {"input_ids": int(self.tokenizer.pad_token_id)}
        return TokenColumn(dict(encoded), places, pad)

    def tokenize_responses(self, responses: list[str]) -> list[list[int]]:
        """Return the tokens of responses, each with the token that ends it."""
        end = int(self.tokenizer.eos_token_id)
        encoded = self.tokenizer(
            text_target=responses, padding=False, return_token_type_ids=False
        )["input_ids"]
        if self.limit is not None:
            encoded = [ids[: self.limit] for ids in encoded]
        return [
            ids if ids and ids[-1] == end else [*ids[: self._room(ids)], end]
            for ids in encoded
        ]

    def _room(self, ids: list[int]) -> int:
        return len(ids) if self.limit is None else min(len(ids), self.limit - 1)

    # ----------------------------------------------------------------- logits

    def encode(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Return the states of texts, (n_texts, n_tokens, d)."""
        states: Tensor = self.network.get_encoder()(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).last_hidden_state
        return states

    def decode(
        self,
        states: Tensor,
        mask: Tensor,
        labels: Tensor,
        participants: Tensor | None = None,
    ) -> Tensor:
        """Return the logits of each token of responses, (n, T, V).

        Parameters
        ----------
        states : Tensor of shape (n, n_tokens, d)
            Of what was shown in each row.
        mask : Tensor of shape (n, n_tokens)
            Which of them are there.
        labels : Tensor of int of shape (n, T)
            Tokens of the responses, -100 where there is none.
        participants : Tensor of int of shape (n,), default=None
            Codes of participants, -1 for unknown ones.
        """
        from transformers.modeling_outputs import BaseModelOutput

        options = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=states),
            "attention_mask": mask,
            "decoder_input_ids": self._shift(labels),
            "use_cache": False,
        }
        if self.participant_adapters is None or participants is None:
            logits: Tensor = self.network(**options).logits
            return logits
        with self.participant_adapters.participants(participants) as rows:
            logits = self.network(**options).logits
        self._gathered = rows if self.training else None
        return logits

    def _shift(self, labels: Tensor) -> Tensor:
        """Return what the decoder has read before each token."""
        start = torch.full_like(labels[:, :1], self.start)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted < 0, int(self.tokenizer.pad_token_id))

    def forward(
        self,
        texts: Mapping[str, Tensor],
        response: Mapping[str, Tensor],
        participants: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return logits (n, T, V) and labels (n, T) of a batch.

        Parameters
        ----------
        texts : mapping of str to Tensor
            A batch of what was shown, see :class:`TokenColumn`; each distinct text is
            encoded once.
        response : mapping of str to Tensor
            A batch of responses.
        participants : Tensor of int of shape (n,), default=None
            Codes of participants, if they have adapters.
        """
        places = texts["places"][:, 0]
        labels = response["input_ids"][response["places"][:, 0]]
        states = self.encode(texts)[places]
        mask = texts["attention_mask"][places]
        return self.decode(states, mask, labels, participants), labels

    # ---------------------------------------------------------------- weights

    def participant_penalty(self, codes: Tensor, shares: Tensor) -> Tensor:
        """Return the negative log-prior of the adapters in the last batch."""
        if self.participant_adapters is None:
            return shares.new_zeros(())
        rows, self._gathered = self._gathered, None
        return self.participant_adapters.penalty(codes, shares, rows)

    def tuned_weights(self) -> dict[str, np.ndarray]:
        """Return the weights that training changed, by name in the pretrained model.

        Adapters that all share are added to the weights of their layers.
        """
        weights = {
            f"{path}.weight": layer.merged_weight()
            for path, layer in self.adapters.items()
        }
        if not self.adapters:
            weights |= {
                name: parameter.detach()
                for name, parameter in self.network.named_parameters()
                if parameter.requires_grad
            }
        return {name: value.cpu().numpy().copy() for name, value in weights.items()}

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Put weights in the place of pretrained ones.

        Raises
        ------
        ValueError
            If the model has no parameter of a name and shape.
        """
        parameters = dict(self.network.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                target = parameters.get(name)
                if target is None or tuple(target.shape) != value.shape:
                    shape = None if target is None else tuple(target.shape)
                    raise ValueError(
                        f"The model {self.network.name_or_path!r} is not the one that "
                        f"was tuned: its parameter {name!r} has the shape {shape}, "
                        f"expected {value.shape}."
                    )
                target.copy_(torch.as_tensor(value))


def load_seq2seq(model: str) -> tuple[Any, Any]:
    """Return the tokenizer and the network of an encoder-decoder.

    Parameters
    ----------
    model : str
        Its name, or a folder.

    Raises
    ------
    OSError
        If there is no such model here or on the hub.
    ValueError
        If it is no encoder-decoder.
    """
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

    config = load_pretrained(AutoConfig.from_pretrained, model, parameter="generator")
    if not config.is_encoder_decoder:
        raise ValueError(
            f"generator={model!r} must be an encoder-decoder such as T5 or BART, which "
            f"writes responses. Got a model of the type {config.model_type!r}, which "
            "is none; as a source of features pass it as encoder."
        )
    tokenizer = load_pretrained(
        AutoTokenizer.from_pretrained, model, parameter="generator"
    )
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"The tokenizer of {model!r} has no token that ends a response (eos_token)."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    network = load_pretrained(
        AutoModelForSeq2SeqLM.from_pretrained,
        model,
        parameter="generator",
        dtype=torch.float32,
    ).eval()
    return tokenizer, network


def start_token(network: Any) -> int:
    """Return the token that the decoder begins with.

    Raises
    ------
    ValueError
        If the model does not say.
    """
    config = network.config
    token = getattr(config, "decoder_start_token_id", None)
    if token is None:
        token = network.generation_config.decoder_start_token_id
    if token is None:
        raise ValueError(
            f"The model {network.name_or_path!r} does not say what its decoder begins "
            "with: set decoder_start_token_id in its config."
        )
    return int(token)
