"""Features of text from a pretrained language model."""

from __future__ import annotations

import numbers
import os
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import Interval, StrOptions, _fit_context
from bead_sklearn.encoders._cache import EmbeddingCache
from bead_sklearn.encoders._memory import EmbeddingTable, remembered
from bead_sklearn.encoders._pretrained import (
    POOLINGS,
    load_config,
    load_model,
    revision_of,
)
from bead_sklearn.encoders._progress import report_progress
from bead_sklearn.inputs import read_text


class TransformerEncoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Encode text by a pretrained language model, each distinct string once.

    The features of a text are its last hidden states, pooled over its tokens, special
    tokens included. Of an encoder-decoder model the encoder is used.

    Parameters
    ----------
    model : str or path-like
        Name of a model on the Hugging Face hub, or a folder with one.
    pooling : {"mean", "cls", "last", "max"}, default="mean"
        Mean of the tokens, first token, last token, or largest value per feature.
    normalize : bool, default=False
        Whether features are scaled to length 1.
    batch_size : int, default=64
        Number of texts that run together. Texts are sorted by length first.
    max_length : int, default=None
        Number of tokens after which a text is cut; None is the limit of the model.
    overflow : {"truncate", "mean"}, default="truncate"
        Whether a longer text is cut, or read in parts of that many tokens whose
        vectors are averaged. "mean" needs a fast tokenizer.
    device : str or torch.device, default=None
        Where the model runs; None is ``"cuda"`` if there is one, else ``"cpu"``.
    dtype : str or torch.dtype, default=None
        Type of the weights, such as ``"bfloat16"``; None is ``"float32"``.
    cache : str or path-like, default=None
        SQLite file that keeps the features of each string, for any number of fits and
        processes; it is made if it is not there. None keeps nothing.
    verbose : int, default=0
        1 prints how many texts are done, every few seconds and at the end; 2 after
        each batch.

    Attributes
    ----------
    n_components_ : int
        Number of features.
    revision_ : str
        Commit of the model on the hub; of a folder, a digest of its files.

    See Also
    --------
    HashedTextEncoder : Features without a model.

    Notes
    -----
    The encoder never holds the weights: they are loaded when a text is not in the
    cache, the model used last stays in memory for the whole process, and neither
    ``clone`` nor ``pickle`` copies them. Nothing is trained in ``fit``.

    Features of a text depend on its batch by rounding errors only.

    Examples
    --------
    >>> encoder = TransformerEncoder("distilbert/distilbert-base-uncased")
    >>> encoder.fit_transform(["A dog barks.", "A cat."]).shape  # doctest: +SKIP
    (2, 768)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [str, os.PathLike],
        "pooling": [StrOptions(set(POOLINGS))],
        "normalize": ["boolean"],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "overflow": [StrOptions({"truncate", "mean"})],
        "device": "no_validation",
        "dtype": "no_validation",
        "cache": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        pooling: str = "mean",
        normalize: bool = False,
        batch_size: int = 64,
        max_length: int | None = None,
        overflow: str = "truncate",
        device: Any = None,
        dtype: Any = None,
        cache: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.normalize = normalize
        self.batch_size = batch_size
        self.max_length = max_length
        self.overflow = overflow
        self.device = device
        self.dtype = dtype
        self.cache = cache
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> TransformerEncoder:
        """Look up the model.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts; only their form is checked.
        y : None
            Ignored.

        Returns
        -------
        self : TransformerEncoder
            The fitted encoder.

        Raises
        ------
        OSError
            If there is no such model here or on the hub.
        """
        read_text(X)
        _dtype_name(self.dtype)
        model = os.fspath(self.model)
        config = load_config(model)
        self.n_components_ = int(config.get_text_config(encoder=True).hidden_size)
        self.revision_ = revision_of(model, config)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode texts.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts.

        Returns
        -------
        features : ndarray of float32 of shape (n_rows, n_components_)
            Features of each text.

        Raises
        ------
        OSError
            If the model cannot be loaded.
        """
        check_is_fitted(self)
        text = read_text(X)
        features = np.empty((len(text.values), self.n_components_), dtype=np.float32)
        cache = self._open_cache()
        known = {} if cache is None else cache.get(text.values)
        missing = []
        for i, value in enumerate(text.values):
            if value in known:
                features[i] = known[value]
            else:
                missing.append(i)
        if missing:
            strings = [text.values[i] for i in missing]
            batches = self._embed(strings)
            for batch, vectors in report_progress(
                batches, len(strings), int(self.verbose), type(self).__name__
            ):
                features[[missing[i] for i in batch]] = vectors
                if cache is not None:
                    cache.put([strings[i] for i in batch], vectors)
        rows: np.ndarray = features[text.index]
        return rows

    def _embed(self, strings: list[str]) -> Any:
        model = load_model(
            os.fspath(self.model),
            self.revision_,
            _device_name(self.device),
            _dtype_name(self.dtype),
        )
        return model.embed(
            strings,
            pooling=self.pooling,
            normalize=self.normalize,
            batch_size=self.batch_size,
            max_length=self.max_length,
            overflow=self.overflow,
        )

    def _open_cache(self) -> EmbeddingCache | EmbeddingTable | None:
        settings = [
            os.fspath(self.model),
            self.revision_,
            self.pooling,
            bool(self.normalize),
            None if self.max_length is None else int(self.max_length),
            _dtype_name(self.dtype),
        ]
        if self.overflow != "truncate":
            settings.append(self.overflow)
        if self.cache is None:
            return remembered(("transformer", *settings))
        return EmbeddingCache(self.cache, settings)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.n_components_


def _device_name(device: Any) -> str:
    if device is not None:
        return str(device)
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype_name(dtype: Any) -> str:
    """Return the name of a torch type of floating-point numbers."""
    import torch

    name = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(
            "The 'dtype' parameter of TransformerEncoder must be None or a torch type "
            f"of floating-point numbers, such as 'bfloat16'. Got {dtype!r} instead."
        )
    return name
