"""A pretrained language model with weights of its own."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Self

import numpy as np

from bead_sklearn.encoders._cache import EmbeddingCache
from bead_sklearn.encoders._memory import EmbeddingTable
from bead_sklearn.encoders._pretrained import PretrainedModel
from bead_sklearn.encoders._transformer import (
    TransformerEncoder,
    _device_name,
    _dtype_name,
)


class TunedEncoder(TransformerEncoder):
    """Encode text by a pretrained model some of whose weights were trained further.

    Task models make one with ``fine_tune="full"``, ``"lora"`` or a number of layers.
    Only the weights that changed are kept; the others are those of the pretrained
    model, which is loaded by its name.

    Parameters
    ----------
    model, pooling, normalize, batch_size, max_length, overflow, device, dtype, cache
        As in :class:`TransformerEncoder`.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Weights that changed, by the name of the parameter in the network.
    digest_ : str
        Hash of these weights.
    n_components_, revision_
        As in :class:`TransformerEncoder`.

    See Also
    --------
    TransformerEncoder : The model as it was pretrained.
    """

    @classmethod
    def from_encoder(
        cls, encoder: TransformerEncoder, weights: dict[str, np.ndarray]
    ) -> Self:
        """Return a fitted encoder with changed weights.

        Parameters
        ----------
        encoder : TransformerEncoder
            The pretrained model; need not be fitted.
        weights : dict of str to ndarray
            What changed, by the name of the parameter.
        """
        tuned = cls(**encoder.get_params(deep=False))
        tuned.fit([""])
        tuned.weights_ = dict(weights)
        tuned.digest_ = digest_of(weights)
        return tuned

    def _embed(self, strings: list[str]) -> Any:
        return load_tuned(self).embed(
            strings,
            pooling=self.pooling,
            normalize=self.normalize,
            batch_size=self.batch_size,
            max_length=self.max_length,
            overflow=self.overflow,
        )

    def _open_cache(self) -> EmbeddingCache | EmbeddingTable | None:
        cache = super()._open_cache()
        return None if cache is None else cache.with_setting(self.digest_)


#: The tuned model used last, with what it was made of.
_last: tuple[tuple[str, ...], PretrainedModel] | None = None


def load_tuned(encoder: TunedEncoder) -> PretrainedModel:
    """Return the network of an encoder, the same one while the same one is asked for.

    Raises
    ------
    ValueError
        If the pretrained model is not the one whose weights were changed.
    """
    global _last
    device, dtype = _device_name(encoder.device), _dtype_name(encoder.dtype)
    key = (os.fspath(encoder.model), encoder.digest_, device, dtype)
    if _last is not None and _last[0] == key:
        return _last[1]
    loaded = PretrainedModel(key[0], device, dtype)
    put_weights(loaded, encoder.weights_, key[0])
    _last = key, loaded
    return loaded


def digest_of(weights: dict[str, np.ndarray]) -> str:
    """Return a hash of weights."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def put_weights(
    loaded: PretrainedModel, weights: dict[str, np.ndarray], model: str
) -> None:
    """Put tuned weights in place of those that a model was loaded with.

    Parameters
    ----------
    loaded : PretrainedModel
        The model.
    weights : dict of str to ndarray
        What changed, by the name of the parameter in the network.
    model : str
        Its name, for the error.

    Raises
    ------
    ValueError
        If it has no such parameters.
    """
    import torch

    parameters = dict(loaded.network.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            target = parameters.get(name)
            if target is None or tuple(target.shape) != value.shape:
                shape = None if target is None else tuple(target.shape)
                raise ValueError(
                    f"The model {model!r} is not the one that was tuned: its "
                    f"parameter {name!r} has the shape {shape}, expected {value.shape}."
                )
            target.copy_(torch.as_tensor(value))
