"""From the ``encoder`` parameter of an estimator to a transformer."""

from __future__ import annotations

from typing import Any

from numpy.random import RandomState
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from bead_sklearn.encoders._callable import CallableEncoder
from bead_sklearn.encoders._hashed import HashedTextEncoder
from bead_sklearn.encoders._transformer import TransformerEncoder


def resolve_encoder(
    encoder: Any,
    *,
    device: Any = None,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> Any:
    """Return an unfitted transformer of text.

    Parameters
    ----------
    encoder : None, str, transformer or callable
        None stands for :class:`HashedTextEncoder`; a string names a Hugging Face model
        or a folder with one; a scikit-learn transformer is cloned; a callable maps a
        list of n strings to numbers of shape (n, d).
    device : str or torch.device, default=None
        Where a named model runs. An encoder object keeps its own.
    random_state : int, RandomState instance or None, default=None
        Seed of the built-in encoder; None is its default, 0. An encoder object keeps
        its own.
    verbose : int, default=0
        Whether a named model says how many texts it has encoded. An encoder object
        keeps its own.

    Returns
    -------
    transformer : estimator
        Has ``fit``, ``transform`` and no fitted attributes.

    Raises
    ------
    TypeError
        If ``encoder`` is none of these.

    Examples
    --------
    >>> resolve_encoder(None)
    HashedTextEncoder()
    """
    if encoder is None:
        return HashedTextEncoder(
            random_state=0 if random_state is None else random_state
        )
    if isinstance(encoder, str):
        return TransformerEncoder(encoder, device=device, verbose=verbose)
    if isinstance(encoder, type):
        raise TypeError(
            "encoder must be an object. Got a class; write "
            f"encoder={encoder.__name__}()."
        )
    if hasattr(encoder, "fit") and hasattr(encoder, "transform"):
        return clone(encoder)
    if callable(encoder):
        return CallableEncoder(encoder)
    raise TypeError(
        "encoder must be None, the name of a Hugging Face model, a transformer with "
        f"fit and transform, or a callable. Got {encoder!r}."
    )


def fit_encoder(encoder: Any, texts: list[str]) -> Any:
    """Fit a transformer to texts and return it; one that is frozen stays as it is.

    Parameters
    ----------
    encoder : transformer
        What :func:`resolve_encoder` returned.
    texts : list of str
        Distinct texts.

    Returns
    -------
    encoder : transformer
        The same object, fitted.
    """
    if not isinstance(encoder, FrozenEstimator):
        encoder.fit(texts)
    return encoder
