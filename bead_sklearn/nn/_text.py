"""A pretrained encoder with a linear head, as a module that is trained."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.encoders._pretrained import POOLINGS, PretrainedModel, split_pairs
from bead_sklearn.nn._data import TokenColumn
from bead_sklearn.nn._lora import LoRALinear, ParticipantLoRA, add_lora

#: What is trained of an encoder: all of it, low-rank adapters, or the last k layers.
TUNED = ("full", "lora")


@dataclass(frozen=True)
class HeadStart:
    """Where the head begins, and its prior.

    Attributes
    ----------
    intercept : ndarray of shape (J,)
        What eta is where numbers and features are 0.
    numeric : ndarray of shape (J, p)
        Coefficients of numeric columns.
    text : ndarray of shape (J, d)
        Coefficients of the features of all text columns.
    center : ndarray of shape (d,)
        What is subtracted from the features; the intercept belongs to it.
    text_sd : float
        Prior standard deviation of ``text``; infinite is none.
    contrast : ndarray of shape (J, J)
        L such that the coefficients of a feature have the covariance
        text_sd^2 L L' over the outputs.
    """

    intercept: np.ndarray
    numeric: np.ndarray
    text: np.ndarray
    center: np.ndarray
    text_sd: float
    contrast: np.ndarray


class TextPredictor(torch.nn.Module):
    """Linear predictors of texts: a pretrained encoder and a linear head.

        f = b + numeric B + (h - c) W,   h = pooled states of the text

    Parameters
    ----------
    model : str or path-like
        Name of a Hugging Face model or a folder with one.
    tune : {"full", "lora"} or int, default="full"
        What is trained beside the head: the whole encoder, low-rank adapters of its
        attention projections, or its last so many layers.
    pooling : {"mean", "cls", "last", "max"}, default="mean"
        As in :class:`~bead_sklearn.encoders.TransformerEncoder`.
    normalize : bool, default=False
        Whether features are scaled to length 1.
    max_length : int, default=None
        Number of tokens after which a text is cut.
    n_outputs : int, default=1
        Number of linear predictors, J.
    n_numeric : int, default=0
        Number of numeric columns, p.
    n_texts : int, default=1
        Number of text columns, whose features stand one after the other.
    has_intercept : bool, default=True
        Whether b is trained; thresholds may take its place.
    lora_rank, lora_alpha, lora_dropout : int, float, float
        Of the adapters; with ``tune="lora"`` only.
    target_modules : list of str, default=None
        Names of the layers with adapters; None is projections of queries and values.
    n_participants : int, default=0
        Number of participants with adapters of their own.
    participant_rank : int, default=None
        Rank of the adapters of participants; None is no such adapters.
    start : HeadStart, default=None
        Where the head begins; None is random coefficients of features, as a linear
        layer has, and else 0.

    Attributes
    ----------
    network : Module
        The encoder.
    width : int
        Number of features of a text.
    n_features : int
        Number of features of all text columns, d.
    """

    center: Tensor
    _loader = PretrainedModel

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        tune: str | int = "full",
        pooling: str = "mean",
        normalize: bool = False,
        max_length: int | None = None,
        n_outputs: int = 1,
        n_numeric: int = 0,
        n_texts: int = 1,
        has_intercept: bool = True,
        lora_rank: int = 8,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.0,
        target_modules: Iterable[str] | None = None,
        n_participants: int = 0,
        participant_rank: int | None = None,
        start: HeadStart | None = None,
    ) -> None:
        super().__init__()
        loaded = self._loader(os.fspath(model), "cpu", "float32")
        self.tokenizer, self.network = loaded.tokenizer, loaded.network
        self.limit = loaded.limit(max_length)
        self.pooling, self.normalize, self.n_texts = pooling, normalize, n_texts
        self.adapters: dict[str, LoRALinear] = {}
        self.participant_adapters: ParticipantLoRA | None = None
        self._gathered: Tensor | None = None
        if participant_rank is not None and n_participants:
            self.participant_adapters = ParticipantLoRA(
                self.network,
                n_participants,
                rank=participant_rank,
                alpha=2.0 * participant_rank,
                target_modules=target_modules,
            )
        elif tune == "lora":
            self.adapters = add_lora(
                self.network,
                rank=lora_rank,
                alpha=lora_alpha,
                dropout=lora_dropout,
                target_modules=target_modules,
            )
        elif tune == "full":
            freeze_unused(self.network)
        elif isinstance(tune, int) and not isinstance(tune, bool):
            train_last_layers(self.network, tune)
        else:
            raise ValueError(
                f"tune must be 'full', 'lora' or a number of layers. Got {tune!r}."
            )
        self.width = int(self.network.config.get_text_config(encoder=True).hidden_size)
        self.n_features = d = n_texts * self.width
        if start is None:
            start = HeadStart(
                np.zeros(n_outputs),
                np.zeros((n_outputs, n_numeric)),
                _random_weights(n_outputs, d),
                np.zeros(d),
                np.inf,
                np.eye(n_outputs),
            )
        self.head_bias = _parameter(start.intercept)
        self.head_bias.requires_grad_(has_intercept)
        self.head_numeric = _parameter(start.numeric)
        self.head_text = _parameter(start.text)
        self.register_buffer(
            "center", torch.as_tensor(start.center, dtype=torch.float32)
        )
        self.text_sd = start.text_sd
        self._whitener = np.linalg.inv(start.contrast)

    def tokenize(self, texts: list[str], places: np.ndarray) -> TokenColumn:
        """Return a column of texts for a dataset.

        Parameters
        ----------
        texts : list of str
            Distinct texts.
        places : ndarray of int of shape (n_rows, m)
            Which of them each row has; -1 is none.
        """
        first, second = split_pairs(texts)
        encoded = self.tokenizer(
            first,
            second,
            padding=False,
            truncation=self.limit is not None,
            max_length=self.limit,
        )
        pad = {"input_ids": int(self.tokenizer.pad_token_id)}
        return TokenColumn(dict(encoded), places, pad)

    def forward(
        self,
        texts: Mapping[str, Tensor],
        numeric: Tensor | None = None,
        participants: Tensor | None = None,
        offset: Tensor | None = None,
        **more_texts: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return linear predictors (n, J) and features (n, d).

        Parameters
        ----------
        texts : mapping of str to Tensor
            A batch of tokens, see :class:`TokenColumn`.
        numeric : Tensor of shape (n, p), default=None
            Numeric columns.
        participants : Tensor of int of shape (n,), default=None
            Codes of participants, if they have adapters.
        offset : Tensor of shape (n, J), default=None
            Known part of the linear predictors.
        **more_texts : mapping of str to Tensor
            Other text columns.
        """
        columns = [texts, *more_texts.values()]
        features = torch.cat([self._encode(c, participants) for c in columns], dim=1)
        features = features - self.center
        f = self.head_bias + features @ self.head_text.T
        if numeric is not None:
            f = f + numeric.to(f) @ self.head_numeric.T
        if offset is not None:
            f = f + offset.to(f)
        return f, features

    def _encode(
        self, column: Mapping[str, Tensor], participants: Tensor | None
    ) -> Tensor:
        places = column["places"]
        tokens = {name: value for name, value in column.items() if name != "places"}
        if self.participant_adapters is None or participants is None:
            vectors = self._pool(tokens)
        else:
            # A text has a vector of its own for every participant.
            n_rows, m = places.shape
            own = places.clamp(min=0).ravel()
            rows = {name: value[own] for name, value in tokens.items()}
            with self.participant_adapters.participants(
                participants.repeat_interleave(m)
            ) as gathered:
                vectors = self._pool(rows)
            self._gathered = gathered[::m] if self.training else None
            shifted = torch.arange(n_rows * m, device=places.device)
            places = torch.where(places < 0, -1, shifted.reshape(n_rows, m))
        none = vectors.new_zeros(1, vectors.shape[1])
        by_row = torch.cat([vectors, none])[places]
        if by_row.shape[1] == 2:
            return by_row[:, 1] - by_row[:, 0]
        return by_row[:, 0]

    def _pool(self, tokens: Mapping[str, Tensor]) -> Tensor:
        states = self.network(**tokens).last_hidden_state.float()
        vectors: Tensor = POOLINGS[self.pooling](states, tokens["attention_mask"])
        if self.normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters of the head that are trained."""
        own = [self.head_bias, self.head_numeric, self.head_text]
        return [parameter for parameter in own if parameter.requires_grad]

    def penalty(self) -> Tensor:
        """Return the negative log-prior of the coefficients of features."""
        if not np.isfinite(self.text_sd):
            return self.head_text.new_zeros(())
        white = torch.as_tensor(self._whitener).to(self.head_text) @ self.head_text
        return 0.5 * (white / self.text_sd).pow(2).sum()

    def participant_penalty(self, codes: Tensor, shares: Tensor) -> Tensor:
        """Return the negative log-prior of the adapters in the last batch."""
        if self.participant_adapters is None:
            return shares.new_zeros(())
        rows, self._gathered = self._gathered, None
        return self.participant_adapters.penalty(codes, shares, rows)

    def tuned_weights(self) -> dict[str, np.ndarray]:
        """Return the weights of the encoder that training changed, by name.

        Adapters are added to the weights of their layers.
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


def train_last_layers(network: torch.nn.Module, n_layers: int) -> None:
    """Freeze everything but the last layers of a transformer.

    Parameters
    ----------
    network : Module
        A transformer with a list of layers somewhere inside.
    n_layers : int
        Number of layers that are trained.

    Raises
    ------
    ValueError
        If it has not so many layers.
    """
    lists = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.ModuleList)
    }
    # A layer may be a list itself.
    outer = [
        module
        for name, module in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists)
    ]
    layers = max(outer, key=len, default=torch.nn.ModuleList())
    if not 1 <= n_layers <= len(layers):
        raise ValueError(
            f"The last {n_layers} layers cannot be trained: {type(network).__name__} "
            f"has {len(layers)} layers."
        )
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for layer in list(layers)[-n_layers:]:
        for parameter in layer.parameters():
            parameter.requires_grad_(True)


def freeze_unused(network: torch.nn.Module) -> None:
    """Stop the training of a pooler, whose output is not used."""
    pooler = getattr(network, "pooler", None)
    if isinstance(pooler, torch.nn.Module):
        for parameter in pooler.parameters():
            parameter.requires_grad_(False)


def _random_weights(n_outputs: int, n_features: int) -> np.ndarray:
    """Return weights as a linear layer starts, by torch's seed."""
    limit = n_features**-0.5
    return torch.empty(n_outputs, n_features).uniform_(-limit, limit).numpy()


def _parameter(values: np.ndarray) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.as_tensor(np.array(values), dtype=torch.float32))
