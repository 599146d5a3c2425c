"""Pretrained masked language models: states and token probabilities at blanks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from bead_sklearn.encoders._pretrained import PretrainedModel, load_pretrained

#: What stands before and after a blank. Other blanks are mask tokens.
Prompt = tuple[str, str]


class MaskedLanguageModel(PretrainedModel):
    """A tokenizer and a network that gives probabilities of tokens at mask tokens.

        log P(t at mask j) = z_j'e_t + b_t - log_norm_j

    with z the states that its output layer takes, e and b the rows of that layer.

    Parameters
    ----------
    model : str
        Name on the Hugging Face hub, or a folder.
    device : str
        Where it runs.
    dtype : str
        Name of the torch type of its weights.

    Raises
    ------
    OSError
        If there is no such model here or on the hub.
    ValueError
        If it is no masked language model.
    """

    def _load_network(self, model: str, dtype: Any) -> Any:
        from transformers import AutoModelForMaskedLM

        self._check_mask_token(model)
        try:
            network, info = load_pretrained(
                AutoModelForMaskedLM.from_pretrained,
                model,
                parameter="language_model",
                dtype=dtype,
                output_loading_info=True,
            )
        except ValueError as error:
            raise _not_masked(model, "transformers has no such head for it") from error
        missing = sorted(info["missing_keys"])
        if missing:
            raise _not_masked(model, f"it has no weights {missing[0]!r}")
        layer = network.get_output_embeddings()
        if getattr(layer, "weight", None) is None:
            raise _not_masked(model, "it has no output layer over its tokens")
        return network

    def _check_mask_token(self, model: str) -> None:
        if self.tokenizer.mask_token is None:
            raise _not_masked(model, "its tokenizer has no mask token")

    # -------------------------------------------------------------- tokens

    def tokenize_fillers(self, fillers: list[str], spaced: bool) -> list[list[int]]:
        """Return the tokens of fillers; one that has none is an unknown token.

        Parameters
        ----------
        fillers : list of str
            What stands in a blank.
        spaced : bool
            Whether a space stands before it.
        """
        texts = [f" {filler}" if spaced else filler for filler in fillers]
        found = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        unknown = self.tokenizer.unk_token_id
        if unknown is None:
            unknown = self.tokenizer.mask_token_id
        return [list(ids) or [unknown] for ids in found]

    def tokenize_prompts(
        self, prompts: list[Prompt], n_masks: int, max_length: int | None = None
    ) -> tuple[list[list[int]], list[int]]:
        """Return tokens of texts with mask tokens in their blank, and its place.

        Texts that are too long lose tokens that are far from the blank.

        Parameters
        ----------
        prompts : list of (str, str)
            What stands before and after the blank.
        n_masks : int
            Number of mask tokens.
        max_length : int, default=None
            Number of tokens after which a text is cut; None is the limit of the model.

        Raises
        ------
        ValueError
            If there is no room for the mask tokens.
        """
        mask, mask_id = self.tokenizer.mask_token, self.tokenizer.mask_token_id
        encoded = self.tokenizer([f"{a}{mask}{b}" for a, b in prompts])["input_ids"]
        alone = list(self.tokenizer(mask)["input_ids"])
        n_begin = alone.index(mask_id)
        n_end = len(alone) - n_begin - 1
        limit = self.limit(max_length)
        room = None if limit is None else limit - n_masks - n_begin - n_end
        if room is not None and room < 0:
            raise ValueError(
                f"A filler of {n_masks} tokens does not fit into the {limit} tokens "
                "that the masked language model reads."
            )
        tokens, places = [], []
        for (before, _), row in zip(prompts, encoded, strict=True):
            ids = list(row)
            at = [i for i, token in enumerate(ids) if token == mask_id]
            place = at[before.count(mask)]
            left, right = ids[n_begin:place], ids[place + 1 : len(ids) - n_end]
            if room is not None and len(left) + len(right) > room:
                n_right = min(len(right), max(room // 2, room - len(left)))
                left = left[len(left) - (room - n_right) :]
                right = right[:n_right]
            masks = [mask_id] * n_masks
            tokens.append(
                [*ids[:n_begin], *left, *masks, *right, *ids[len(ids) - n_end :]]
            )
            places.append(n_begin + len(left))
        return tokens, places

    def words(self) -> list[str]:
        """Return the tokens that are words: of letters, tokenised to themselves."""
        size = len(self.tokenizer)
        special = set(self.tokenizer.all_special_ids)
        ids = [i for i in range(size) if i not in special]
        texts = [self.tokenizer.decode([i]).strip() for i in ids]
        kept = [(i, text) for i, text in zip(ids, texts, strict=True) if text.isalpha()]
        again = self.tokenize_fillers([text for _, text in kept], spaced=True)
        pairs = zip(kept, again, strict=True)
        return sorted({text for (i, text), tokens in pairs if tokens == [i]})

    # ---------------------------------------------------------------- states

    def states(
        self,
        prompts: list[Prompt],
        n_masks: int,
        *,
        batch_size: int,
        max_length: int | None,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield positions in ``prompts`` and what is known at their masks.

        Parameters
        ----------
        prompts : list of (str, str)
            What stands before and after the blank.
        n_masks : int
            Number of mask tokens in it.
        batch_size, max_length : int, int or None
            As in :class:`~bead_sklearn.encoders.MaskedLMEncoder`.

        Yields
        ------
        positions : list of int
            Which prompts.
        values : ndarray of float32 of shape (n, n_masks, d + 1)
            States z, then log_norm.
        """
        import torch

        tokens, places = self.tokenize_prompts(prompts, n_masks, max_length)
        order = sorted(range(len(prompts)), key=lambda i: (len(tokens[i]), prompts[i]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            ones = {i: [1] * len(tokens[i]) for i in rows}
            batch = self._pad({"input_ids": tokens, "attention_mask": ones}, rows)
            first = torch.tensor([places[i] for i in rows])[:, None]
            columns = (first + torch.arange(n_masks)).ravel().to(self.device)
            row = torch.arange(len(rows)).repeat_interleave(n_masks).to(self.device)
            with torch.inference_mode(), at_tokens(self.network, row, columns) as seen:
                logits = self.network(**batch).logits.float()
                norms = torch.logsumexp(logits, dim=1, keepdim=True)
            values = torch.cat([seen[0].float(), norms], dim=1)
            yield rows, values.reshape(len(rows), n_masks, -1).cpu().numpy()

    def output_rows(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return e (n, d) and b (n,) of tokens."""
        import torch

        layer = self.network.get_output_embeddings()
        ids = torch.as_tensor(tokens).to(layer.weight.device)
        with torch.inference_mode():
            rows = layer.weight[ids].float().cpu().numpy()
            if layer.bias is None:
                return rows, np.zeros(len(rows), dtype=np.float32)
            return rows, layer.bias[ids].float().cpu().numpy()


@contextmanager
def at_tokens(network: Any, rows: Any, columns: Any) -> Iterator[list[Any]]:
    """Let the output layer of a network see some tokens only.

    Parameters
    ----------
    network : Module
        A masked language model; its logits have the shape (n, n_tokens).
    rows, columns : Tensor of int of shape (n,)
        Text and token.

    Yields
    ------
    seen : list of Tensor
        The states (n, d) that the output layer took, once it has run.
    """
    seen: list[Any] = []

    def select(layer: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        seen.append(arguments[0][rows, columns])
        return (seen[-1], *arguments[1:])

    handle = network.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield seen
    finally:
        handle.remove()


@lru_cache(maxsize=1)
def load_masked(
    model: str, revision: str, device: str, dtype: str
) -> MaskedLanguageModel:
    """Return a model, the same object while the same one is asked for.

    ``revision`` has no part in loading; a changed folder is loaded again by it.
    """
    return MaskedLanguageModel(model, device, dtype)


def _not_masked(model: str, reason: str) -> ValueError:
    return ValueError(
        f"The model {model!r} is no masked language model: {reason}. Take one such as "
        "'google-bert/bert-base-uncased'."
    )
