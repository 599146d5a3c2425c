"""A masked language model with a linear head over fillers, as a module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.encoders._masked_model import MaskedLanguageModel, at_tokens
from bead_sklearn.nn._text import HeadStart, TextPredictor


class MaskedPredictor(TextPredictor):
    """Utilities of fillers of blanks: a masked language model and a linear head.

        f = w_0 log P(filler) + numeric B + (h P - c) W,   h = sum_j (z_j - m) * e_j

    over the tokens j of the filler, with as many masks in the blank: z are the states
    that the output layer takes, e its rows, and log P the sum of the log probabilities
    of the tokens.

    Parameters
    ----------
    model : str or path-like
        Name of a masked language model on the Hugging Face hub, or a folder with one.
    start : HeadStart
        Where the head begins; its features are the columns of ``basis``.
    basis : ndarray of shape (d, r)
        P.
    mean_states : ndarray of shape (M, M, d)
        m by the number of masks, less 1, and the place among them.
    log_weight : float
        w_0 at the start.
    tune, max_length, n_numeric, lora_rank, lora_alpha, lora_dropout, target_modules
        As in :class:`TextPredictor`.

    Attributes
    ----------
    network : Module
        The masked language model.
    n_features : int
        r.
    """

    basis: Tensor
    mean_states: Tensor
    _loader = MaskedLanguageModel

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        start: HeadStart,
        basis: np.ndarray,
        mean_states: np.ndarray,
        log_weight: float,
        tune: str | int = "full",
        max_length: int | None = None,
        n_numeric: int = 0,
        lora_rank: int = 8,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.0,
        target_modules: Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            model,
            tune=tune,
            max_length=max_length,
            n_numeric=n_numeric,
            has_intercept=False,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            lora_dropout=lora_dropout,
            target_modules=target_modules,
            start=start,
        )
        self.n_features = basis.shape[1]
        self.register_buffer("basis", torch.as_tensor(basis, dtype=torch.float32))
        self.register_buffer(
            "mean_states", torch.as_tensor(mean_states, dtype=torch.float32)
        )
        self.head_log = torch.nn.Parameter(torch.tensor(float(log_weight)))

    def forward(  # type: ignore[override]
        self,
        texts: Mapping[str, Tensor],
        tokens: Tensor,
        numeric: Tensor | None = None,
        offset: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return utilities (n, 1) and features (n, r).

        Parameters
        ----------
        texts : mapping of str to Tensor
            A batch of tokens with ``masks``, the places of the masks (n_texts, m), -1
            beyond; see :class:`TokenColumn`.
        tokens : Tensor of int of shape (n, m)
            Tokens of the fillers, as many as masks in their text, -1 beyond.
        numeric : Tensor of shape (n, p), default=None
            Numeric columns.
        offset : Tensor of shape (n, 1), default=None
            Known part of the utilities.
        """
        masks, places = texts["masks"], texts["places"][:, 0]
        text, slot = (masks >= 0).nonzero(as_tuple=True)
        inputs = {name: texts[name] for name in ("input_ids", "attention_mask")}
        with at_tokens(self.network, text, masks[text, slot]) as seen:
            logits = self.network(**inputs).logits.float()
        states = seen[0].float()
        number = torch.zeros_like(masks)
        number[text, slot] = torch.arange(len(text), device=masks.device)
        width = int((tokens >= 0).sum(dim=1).max())
        tokens = tokens[:, :width]
        own = number[places][:, :width]
        present = (tokens >= 0).to(states)
        ids = tokens.clamp(min=0)
        layer: Any = self.network.get_output_embeddings()
        rows = layer.weight[ids].float() * present[:, :, None]
        scores = (states[own] * rows).sum(dim=2) - torch.logsumexp(logits, dim=1)[own]
        if layer.bias is not None:
            scores = scores + layer.bias[ids].float()
        n_masks = (masks >= 0).sum(dim=1)
        deviations = states - self.mean_states[n_masks[text] - 1, slot]
        products = (deviations[own] * rows).sum(dim=1)
        features = products @ self.basis - self.center
        f = self.head_log * (scores * present).sum(dim=1, keepdim=True)
        f = f + features @ self.head_text.T
        if numeric is not None:
            f = f + numeric.to(f) @ self.head_numeric.T
        if offset is not None:
            f = f + offset.to(f)
        return f, features

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters of the head that are trained."""
        return [*super().head_parameters(), self.head_log]
