"""Towers: linear adapters on fixed features, or a language model as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bead_sklearn.embedding._towers import unit_rows
from bead_sklearn.encoders._pretrained import POOLINGS, PretrainedModel, split_pairs

#: Texts that are embedded together where nothing is learned from them.
_BATCH = 64


class LinearAdapters:
    """One square matrix per tower.

    Parameters
    ----------
    query_features, item_features : ndarray of shape (n, d)
        Features by number.
    query_matrix, item_matrix : ndarray of shape (d, d)
        Where training begins.
    shared : bool
        Whether both towers are the matrix of items.
    """

    def __init__(
        self,
        query_features: np.ndarray,
        item_features: np.ndarray,
        query_matrix: np.ndarray,
        item_matrix: np.ndarray,
        *,
        shared: bool,
    ) -> None:
        self._features = (query_features, item_features)
        self._queries = torch.as_tensor(query_features, dtype=torch.float32)
        self._items = torch.as_tensor(item_features, dtype=torch.float32)
        d = query_features.shape[1]
        self.item_module: torch.nn.Module = torch.nn.Linear(d, d, bias=False)
        self.query_module: torch.nn.Module = self.item_module
        if not shared:
            self.query_module = torch.nn.Linear(d, d, bias=False)
        self.begin(query_matrix, item_matrix)

    def begin(self, query_matrix: np.ndarray, item_matrix: np.ndarray) -> None:
        """Begin at given matrices."""
        for module, matrix in (
            (self.query_module, query_matrix),
            (self.item_module, item_matrix),
        ):
            with torch.no_grad():
                module.get_parameter("weight").copy_(torch.as_tensor(matrix))

    def vectors(self, which: int) -> np.ndarray:
        """Return vectors of all queries (0) or items (1), of length 1."""
        return unit_rows(self._features[which] @ self.matrices()[which].T)

    def queries(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors of queries, (n, d)."""
        result: torch.Tensor = self.query_module(
            self._queries[torch.as_tensor(numbers)]
        )
        return result

    def items(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors of items, (n, d)."""
        result: torch.Tensor = self.item_module(self._items[torch.as_tensor(numbers)])
        return result

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the matrices of queries and items, (d, d)."""
        query, item = (
            np.asarray(module.get_parameter("weight").detach(), dtype=np.float64)
            for module in (self.query_module, self.item_module)
        )
        return query, item


class LanguageModelTower(torch.nn.Module):
    """A pretrained model with its pooling, trained as a whole or above a layer.

    Parameters
    ----------
    encoder : TransformerEncoder
        Says which model, pooling and limits.
    num_fixed_layers : int
        Number of transformer layers, from the bottom, that are not trained; with one
        or more the token embeddings are not trained either.

    Raises
    ------
    ValueError
        If the model has not more layers than that.
    """

    def __init__(self, encoder: Any, num_fixed_layers: int) -> None:
        super().__init__()
        self.origin = {"encoder": encoder, "num_fixed_layers": num_fixed_layers}
        device = encoder.device or ("cuda" if torch.cuda.is_available() else "cpu")
        loaded = PretrainedModel(str(encoder.model), str(device), "float32")
        self.tokenizer = loaded.tokenizer
        self.network = loaded.network
        self.limit = loaded.limit(encoder.max_length)
        self.pooling = encoder.pooling
        self.device_name = str(device)
        freeze_layers(self.network, num_fixed_layers)

    def to_arrays(self) -> dict[str, Any]:
        """Return where the model came from, and its weights as arrays."""
        weights = {
            name: value.cpu().numpy() for name, value in self.state_dict().items()
        }
        return self.origin | {"weights": weights}

    @classmethod
    def from_arrays(cls, state: dict[str, Any]) -> LanguageModelTower:
        """Return the model that :meth:`to_arrays` described."""
        tower = cls(state["encoder"], state["num_fixed_layers"])
        tower.load_state_dict(
            {name: torch.tensor(value) for name, value in state["weights"].items()}
        )
        return tower

    def forward(self, texts: list[str]) -> torch.Tensor:
        """Return vectors of texts, (n, d)."""
        batch = self.tokenizer(
            *split_pairs(texts),
            truncation=self.limit is not None,
            max_length=self.limit,
            padding=True,
            return_tensors="pt",
        ).to(self.device_name)
        states = self.network(**batch).last_hidden_state.float()
        return POOLINGS[self.pooling](states, batch["attention_mask"])

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Return vectors of texts without gradients, sorted by length in batches."""
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
        result: np.ndarray | None = None
        self.eval()
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            with torch.inference_mode():
                vectors = self([texts[i] for i in rows]).cpu().numpy()
            if result is None:
                result = np.empty((len(texts), vectors.shape[1]))
            result[rows] = vectors
        assert result is not None
        return result


def freeze_layers(network: torch.nn.Module, n_layers: int) -> None:
    """Stop the training of the embeddings and the lowest layers of a transformer.

    Parameters
    ----------
    network : Module
        A transformer with a list of layers somewhere inside.
    n_layers : int
        Number of layers; 0 freezes nothing.

    Raises
    ------
    ValueError
        If there is no list of layers, or not more of them than ``n_layers``.
    """
    if not n_layers:
        return
    lists = [m for m in network.modules() if isinstance(m, torch.nn.ModuleList)]
    if not lists:
        raise ValueError(
            f"num_fixed_layers={n_layers} needs a transformer with a list of layers; "
            f"{type(network).__name__} has none."
        )
    layers = max(lists, key=len)
    if n_layers >= len(layers):
        raise ValueError(
            f"num_fixed_layers must be less than the {len(layers)} layers of the "
            f"model. Got {n_layers}."
        )
    trained = {id(p) for layer in layers[n_layers:] for p in layer.parameters()}
    below = {id(p) for layer in layers for p in layer.parameters()}
    embeddings = [
        module for name, module in network.named_modules() if "embed" in name.lower()
    ]
    fixed = {id(p) for layer in layers[:n_layers] for p in layer.parameters()}
    fixed |= {id(p) for module in embeddings for p in module.parameters()} - below
    for parameter in network.parameters():
        if id(parameter) in fixed - trained:
            parameter.requires_grad_(False)


class LanguageModelTowers:
    """Texts by number, through one or two language models.

    Parameters
    ----------
    query_texts, item_texts : list of str
        Texts by number.
    query_module, item_module : LanguageModelTower
        The towers; perhaps the same object.
    """

    def __init__(
        self,
        query_texts: list[str],
        item_texts: list[str],
        query_module: LanguageModelTower,
        item_module: LanguageModelTower,
    ) -> None:
        self._query_texts, self._item_texts = query_texts, item_texts
        self.query_module: LanguageModelTower = query_module
        self.item_module: LanguageModelTower = item_module

    def queries(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors of queries, (n, d)."""
        result: torch.Tensor = self.query_module(
            [self._query_texts[i] for i in numbers]
        )
        return result

    def items(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors of items, (n, d)."""
        result: torch.Tensor = self.item_module([self._item_texts[i] for i in numbers])
        return result

    def vectors(self, which: int) -> np.ndarray:
        """Return vectors of all queries (0) or items (1), of length 1."""
        module = (self.query_module, self.item_module)[which]
        texts = (self._query_texts, self._item_texts)[which]
        return unit_rows(module.embed(texts, _BATCH))
