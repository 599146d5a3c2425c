"""Pretrained language models: loading them, and vectors of texts from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bead_sklearn.inputs import PAIR_SEPARATOR

#: Tokenizers without a limit say so by a number beyond this one.
_NO_LIMIT = 1_000_000


def load_config(model: str, *, parameter: str = "encoder") -> Any:
    """Return the configuration of a model; ``parameter`` is what the user passed it as.

    Raises
    ------
    OSError
        If there is no such model here or on the hub.
    """
    from transformers import AutoConfig

    return load_pretrained(AutoConfig.from_pretrained, model, parameter=parameter)


def revision_of(model: str, config: Any) -> str:
    """Return what changes when the weights do.

    The commit of a model from the hub; of a folder, a digest of the names, sizes and
    times of change of its files.
    """
    folder = Path(model)
    if not folder.is_dir():
        return str(getattr(config, "_commit_hash", None))
    digest = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.iterdir()):
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class PretrainedModel:
    """A tokenizer and a network that gives vectors.

    Parameters
    ----------
    model : str
        Name on the Hugging Face hub, or a folder.
    device : str
        Where it runs.
    dtype : str
        Name of the torch type of its weights.
    """

    def __init__(self, model: str, device: str, dtype: str) -> None:
        import torch
        from transformers import AutoTokenizer

        self.device = device
        self.tokenizer = load_pretrained(AutoTokenizer.from_pretrained, model)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.tokenizer.pad_token is None:
            raise ValueError(
                f"The tokenizer of {model!r} has no padding token and no end-of-text "
                "token to use instead."
            )
        network = self._load_network(model, getattr(torch, dtype))
        self.network = network.to(device).eval()

    def _load_network(self, model: str, dtype: Any) -> Any:
        from transformers import AutoModel

        network = load_pretrained(AutoModel.from_pretrained, model, dtype=dtype)
        return network.get_encoder() if network.config.is_encoder_decoder else network

    def limit(self, max_length: int | None) -> int | None:
        """Return how many tokens of a text are read; None is all of them."""
        if max_length is not None:
            return max_length
        if self.tokenizer.model_max_length < _NO_LIMIT:
            return int(self.tokenizer.model_max_length)
        return getattr(self.network.config, "max_position_embeddings", None)

    def embed(
        self,
        texts: list[str],
        *,
        pooling: str,
        normalize: bool,
        batch_size: int,
        max_length: int | None,
        overflow: str = "truncate",
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield positions in ``texts`` and their vectors, batch by batch.

        Texts of similar length share a batch; which ones depends on the set of texts
        and not on their order.
        """
        limit = self.limit(max_length)
        options: dict[str, Any] = {
            "truncation": limit is not None,
            "max_length": limit,
        }
        how: dict[str, Any] = {
            "pooling": pooling,
            "normalize": normalize,
            "batch_size": batch_size,
        }
        first, second = split_pairs(texts)
        if overflow == "truncate" or limit is None:
            encoded = self.tokenizer(first, second, padding=False, **options)
            yield from self._embed_tokens(encoded, texts, **how)
            return
        encoded = self.tokenizer(
            first, second, padding=False, return_overflowing_tokens=True, **options
        )
        whose = np.asarray(encoded.pop("overflow_to_sample_mapping"))
        names = [texts[i] for i in whose]
        total: np.ndarray | None = None
        for rows, vectors in self._embed_tokens(encoded, names, **how):
            if total is None:
                total = np.zeros((len(texts), vectors.shape[1]), dtype=np.float64)
            np.add.at(total, whose[rows], vectors)
        assert total is not None
        mean = total / np.bincount(whose, minlength=len(texts))[:, None]
        yield list(range(len(texts))), mean.astype(np.float32)

    def _embed_tokens(
        self,
        encoded: Any,
        texts: list[str],
        *,
        pooling: str,
        normalize: bool,
        batch_size: int,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield positions in ``encoded`` and their vectors, batch by batch."""
        import torch

        lengths = [len(ids) for ids in encoded["input_ids"]]
        order = sorted(range(len(texts)), key=lambda i: (lengths[i], texts[i]))
        pool = POOLINGS[pooling]
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = self._pad(encoded, rows)
            with torch.inference_mode():
                states = self.network(**batch).last_hidden_state.float()
                vectors = pool(states, batch["attention_mask"])
                if normalize:
                    vectors = torch.nn.functional.normalize(vectors, dim=1)
            yield rows, vectors.cpu().numpy()

    def _pad(self, encoded: Any, rows: list[int]) -> dict[str, Any]:
        import torch

        # A text without a token still needs one position, masked.
        width = max(1, max(len(encoded["input_ids"][i]) for i in rows))
        fill = {"input_ids": self.tokenizer.pad_token_id}
        batch = {}
        for name in encoded:
            table = np.full((len(rows), width), fill.get(name, 0), dtype=np.int64)
            for row, i in enumerate(rows):
                values = encoded[name][i]
                table[row, : len(values)] = values
            batch[name] = torch.from_numpy(table).to(self.device)
        return batch


@lru_cache(maxsize=1)
def load_model(model: str, revision: str, device: str, dtype: str) -> PretrainedModel:
    """Return a model, the same object while the same one is asked for.

    ``revision`` has no part in loading; a changed folder is loaded again by it.
    """
    return PretrainedModel(model, device, dtype)


def load_pretrained(
    from_pretrained: Callable[..., Any],
    model: str,
    *,
    parameter: str = "encoder",
    **options: Any,
) -> Any:
    """Return a part of a model; ``parameter`` is what the user passed it as.

    Raises
    ------
    OSError
        If there is no such model here or on the hub.
    """
    try:
        if Path(model).is_dir() and not Path(model, "config.json").is_file():
            raise FileNotFoundError(f"There is no config.json in {model!r}.")
        return from_pretrained(model, **options)
    except OSError as error:
        from huggingface_hub.constants import HF_HUB_CACHE

        raise OSError(
            f"The model {model!r} cannot be loaded: {model!r} is no folder with a "
            "complete model, and it is neither in the local cache of Hugging Face, "
            f"{HF_HUB_CACHE!r}, nor could it be fetched from the hub. Check the name "
            "and the network; to work offline, download the model once, then set "
            "HF_HUB_OFFLINE=1 or pass the path of its folder. "
            f"{parameter}=None needs no download."
        ) from error


def split_pairs(texts: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the first and second texts of pairs; None where there are no pairs."""
    parts = [text.partition(PAIR_SEPARATOR) for text in texts]
    if not any(separator for _, separator, _ in parts):
        return texts, None
    return [first for first, _, _ in parts], [second for _, _, second in parts]


def _mean(states: Any, mask: Any) -> Any:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _first(states: Any, mask: Any) -> Any:
    return states[:, 0]


def _last(states: Any, mask: Any) -> Any:
    last = (mask.sum(dim=1) - 1).clamp(min=0)
    return states[range(len(states)), last]


def _max(states: Any, mask: Any) -> Any:
    hidden = states.masked_fill(mask.unsqueeze(-1) == 0, -float("inf"))
    return hidden.amax(dim=1).nan_to_num(neginf=0.0)


#: From hidden states (texts, tokens, d) and mask (texts, tokens) to (texts, d).
POOLINGS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": _mean,
    "cls": _first,
    "last": _last,
    "max": _max,
}
