"""States and probabilities at blanks from a masked language model."""

from __future__ import annotations

import copy
import numbers
import os
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import Interval, _fit_context
from bead_sklearn.encoders._cache import EmbeddingCache
from bead_sklearn.encoders._masked_model import (
    MaskedLanguageModel,
    Prompt,
    load_masked,
)
from bead_sklearn.encoders._memory import EmbeddingTable, remembered
from bead_sklearn.encoders._pretrained import load_config, revision_of
from bead_sklearn.encoders._transformer import _device_name, _dtype_name
from bead_sklearn.encoders._tuned import digest_of, put_weights
from bead_sklearn.inputs import read_text

#: What marks a blank in texts.
BLANK = "___"


class MaskedLMEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Read blanks by a masked language model, each distinct string once.

    :class:`~bead_sklearn.ClozeClassifier` scores fillers with it. As a transformer it
    gives the state at the first blank ``"___"`` of each text, which the output layer
    of the model turns into probabilities of tokens; of a text without a blank, the
    state at a mask token behind it.

    Parameters
    ----------
    model : str or path-like
        Name of a masked language model on the Hugging Face hub, or a folder with one.
    batch_size : int, default=64
        Number of texts that run together. Texts are sorted by length first.
    max_length : int, default=None
        Number of tokens after which a text is cut, those far from the blank first;
        None is the limit of the model.
    device : str or torch.device, default=None
        Where the model runs; None is ``"cuda"`` if there is one, else ``"cpu"``.
    dtype : str or torch.dtype, default=None
        Type of the weights, such as ``"bfloat16"``; None is ``"float32"``.
    cache : str or path-like, default=None
        SQLite file that keeps what is known at the blank of each string, for any
        number of fits and processes; it is made if it is not there. None keeps
        nothing.

    Attributes
    ----------
    n_components_ : int
        Size of a state.
    revision_ : str
        Commit of the model on the hub; of a folder, a digest of its files.
    weights_ : dict of str to ndarray
        Weights that were tuned, by the name of the parameter; empty for the model as
        it was pretrained.

    See Also
    --------
    TransformerEncoder : Features of whole texts.

    Notes
    -----
    Weights are loaded when they are needed; neither ``clone`` nor ``pickle`` copies
    those of the pretrained model.

    Examples
    --------
    >>> encoder = MaskedLMEncoder("google-bert/bert-base-uncased")
    >>> encoder.fit_transform(["She drank the ___."]).shape  # doctest: +SKIP
    (1, 768)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [str, os.PathLike],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "device": "no_validation",
        "dtype": "no_validation",
        "cache": [str, os.PathLike, None],
    }

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        batch_size: int = 64,
        max_length: int | None = None,
        device: Any = None,
        dtype: Any = None,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.max_length = max_length
        self.device = device
        self.dtype = dtype
        self.cache = cache

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Look up the model.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column, default=None
            Texts; only their form is checked.
        y : None
            Ignored.

        Returns
        -------
        self : MaskedLMEncoder
            The fitted encoder.

        Raises
        ------
        OSError
            If there is no such model here or on the hub.
        ValueError
            If it is no masked language model.
        """
        if X is not None:
            read_text(X)
        _dtype_name(self.dtype)
        model = os.fspath(self.model)
        config = load_config(model, parameter="language_model")
        self.revision_ = revision_of(model, config)
        self.weights_: dict[str, np.ndarray] = {}
        self.digest_ = ""
        loaded = self.language_model()
        self._mask = str(loaded.tokenizer.mask_token)
        layer = loaded.network.get_output_embeddings()
        self.n_components_ = int(layer.weight.shape[1])
        return self

    def with_weights(self, weights: dict[str, np.ndarray]) -> Self:
        """Return the same fitted encoder with other weights.

        Parameters
        ----------
        weights : dict of str to ndarray
            What was tuned, by the name of the parameter in the network.
        """
        tuned = copy.copy(self)
        tuned.weights_ = dict(weights)
        tuned.digest_ = digest_of(weights)
        return tuned

    def transform(self, X: Any) -> np.ndarray:
        """Return the states at the first blank of texts.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts. Blanks ``"___"`` after the first one are mask tokens.

        Returns
        -------
        states : ndarray of float32 of shape (n_rows, n_components_)
            One per text.
        """
        check_is_fitted(self)
        text = read_text(X)
        prompts = []
        for value in text.values:
            first, *others = value.split(BLANK)
            before = first if others else f"{first} "
            prompts.append(self.prompt([before], others))
        states = self.states(prompts, 1)[0][:, 0]
        return np.asarray(states[text.index])

    # ---------------------------------------------------------------- blanks

    def prompt(self, before: list[str], after: list[str]) -> Prompt:
        """Return a blank with what stands around it.

        Parameters
        ----------
        before, after : list of str
            Pieces of text, in order, with other blanks between them.
        """
        return self._mask.join(before), self._mask.join(after)

    def states(
        self, prompts: list[Prompt], n_masks: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is known at each mask of blanks.

        Parameters
        ----------
        prompts : list of (str, str)
            Blanks, see :meth:`prompt`.
        n_masks : int
            Number of mask tokens in each.

        Returns
        -------
        states : ndarray of float32 of shape (n_prompts, n_masks, d)
            z, what the output layer of the model takes.
        log_norms : ndarray of float32 of shape (n_prompts, n_masks)
            Such that log P(token) = z'e + b - log_norm.
        """
        distinct = list(dict.fromkeys(prompts))
        keys = ["\0".join([str(n_masks), *prompt]) for prompt in distinct]
        cache = self._open_cache()
        known = {} if cache is None else cache.get(keys)
        size = self.n_components_ + 1
        values = np.empty((len(distinct), n_masks, size), dtype=np.float32)
        missing = []
        for i, key in enumerate(keys):
            if key in known:
                values[i] = known[key].reshape(n_masks, size)
            else:
                missing.append(i)
        if missing:
            for batch, found in self.language_model().states(
                [distinct[i] for i in missing],
                n_masks,
                batch_size=self.batch_size,
                max_length=self.max_length,
            ):
                rows = [missing[i] for i in batch]
                values[rows] = found
                if cache is not None:
                    flat = found.reshape(len(found), -1)
                    cache.put([keys[i] for i in rows], flat)
        places = {prompt: i for i, prompt in enumerate(distinct)}
        values = values[[places[prompt] for prompt in prompts]]
        return values[..., :-1], values[..., -1]

    def language_model(self) -> MaskedLanguageModel:
        """Return the model, the same object while the same one is asked for."""
        name = os.fspath(self.model), self.revision_
        where = _device_name(self.device), _dtype_name(self.dtype)
        if not self.weights_:
            return load_masked(*name, *where)
        return _load_tuned(_Tuned(self.digest_, self.weights_), *name, *where)

    def _open_cache(self) -> EmbeddingCache | EmbeddingTable | None:
        settings = [
            "masked",
            os.fspath(self.model),
            self.revision_,
            None if self.max_length is None else int(self.max_length),
            _dtype_name(self.dtype),
            self.digest_,
        ]
        if self.cache is None:
            return None if self.weights_ else remembered(tuple(settings))
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


class _Tuned:
    """Weights that are known by their digest."""

    def __init__(self, digest: str, weights: dict[str, np.ndarray]) -> None:
        self.digest, self.weights = digest, weights

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tuned) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=1)
def _load_tuned(
    tuned: _Tuned, model: str, revision: str, device: str, dtype: str
) -> MaskedLanguageModel:
    """Return a model with tuned weights, the same object while it is asked for."""
    loaded = MaskedLanguageModel(model, device, dtype)
    put_weights(loaded, tuned.weights, model)
    return loaded
