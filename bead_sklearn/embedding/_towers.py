"""What turns queries and items into vectors: fixed encoders with matrices, or models.

What needs torch is imported when it is trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bead_sklearn.embedding._rows import Side
from bead_sklearn.encoders import TransformerEncoder, fit_encoder, resolve_encoder


class AdapterTowers:
    """Features of fixed encoders times a square matrix per tower.

    Parameters
    ----------
    encoder, query_encoder : object
        Parameters of the estimator.
    shared : bool
        Whether both towers have the matrix of items.
    query, item : Side
        Queries and items that encoders are fitted to.
    options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.

    Raises
    ------
    ValueError
        If the two encoders give different numbers of features.
    """

    def __init__(
        self,
        encoder: Any,
        query_encoder: Any,
        *,
        shared: bool,
        query: Side,
        item: Side,
        options: dict[str, Any],
    ) -> None:
        self.shared = shared
        self.encoders: tuple[Any, Any] | None = None
        if item.is_text:
            self.encoders = _fit_encoders(encoder, query_encoder, query, item, options)
            sizes = [
                np.shape(e.transform(side.values[:1]))[1]
                for e, side in zip(self.encoders, (query, item), strict=True)
            ]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"query_encoder gives {sizes[0]} features and encoder {sizes[1]}; "
                    "query and item vectors must be of one length."
                )
            self.n_components = int(sizes[1])
        else:
            self.n_components = int(item.values.shape[1])
        self.matrices = (np.eye(self.n_components), np.eye(self.n_components))

    @property
    def reads_text(self) -> bool:
        """Whether queries and items are texts."""
        return self.encoders is not None

    def trainable(self, query: Side, item: Side) -> Any:
        """Return what is trained, in torch."""
        from bead_sklearn.embedding._adapters import LinearAdapters

        return LinearAdapters(
            self._features(query, 0),
            self._features(item, 1),
            *self.matrices,
            shared=self.shared,
        )

    def restart(self, trained: Any) -> bool:
        """Return to where training began, if that is possible."""
        trained.begin(*self.matrices)
        return True

    def keep(self, trained: Any) -> None:
        """Take over what was trained."""
        self.matrices = trained.matrices()

    def vectors(self, side: Side, which: int, batch_size: int) -> np.ndarray:
        """Return vectors of the distinct queries (0) or items (1), of length 1."""
        return unit_rows(self._features(side, which) @ self.matrices[which].T)

    def _features(self, side: Side, which: int) -> np.ndarray:
        if not side.is_text:
            return np.asarray(side.values)
        assert self.encoders is not None
        features = self.encoders[which].transform(side.values)
        return np.asarray(
            features.toarray() if hasattr(features, "toarray") else features,
            dtype=np.float64,
        )


def _fit_encoders(
    encoder: Any, query_encoder: Any, query: Side, item: Side, options: dict[str, Any]
) -> tuple[Any, Any]:
    """Return the encoders of queries and of items; perhaps the same object."""
    resolved = resolve_encoder(encoder, **options)
    if query_encoder is None:
        texts = list(dict.fromkeys([*query.values, *item.values]))
        fit_encoder(resolved, texts)
        return resolved, resolved
    other = resolve_encoder(query_encoder, **options)
    return fit_encoder(other, query.values), fit_encoder(resolved, item.values)


class ModelTowers:
    """Language models that are trained themselves.

    Parameters
    ----------
    encoder, query_encoder : object
        Parameters of the estimator.
    shared : bool
        Whether one model serves queries and items.
    num_fixed_layers : int
        Lowest layers that are not trained.
    item : Side
        Items.
    options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.

    Raises
    ------
    ValueError
        If X holds numbers, an encoder is no language model or has settings that
        training cannot follow, or a shared model is to be two.
    """

    reads_text = True
    #: There are none.
    matrices = None

    def __init__(
        self,
        encoder: Any,
        query_encoder: Any,
        *,
        shared: bool,
        num_fixed_layers: int,
        item: Side,
        options: dict[str, Any],
    ) -> None:
        from bead_sklearn.embedding._adapters import LanguageModelTower

        if not item.is_text:
            raise ValueError("fine_tune='full' needs texts. X holds numbers.")
        if shared and query_encoder is not None:
            raise ValueError(
                "shared=True with fine_tune='full' is one model for queries and items; "
                f"query_encoder must be None. Got {query_encoder!r}."
            )
        given = [encoder] if query_encoder is None else [query_encoder, encoder]
        models = [_language_model(one, options) for one in given]
        towers = [LanguageModelTower(model, num_fixed_layers) for model in models]
        if not shared and len(towers) == 1:
            towers.append(LanguageModelTower(models[0], num_fixed_layers))
        self.modules = (towers[0], towers[-1])
        sizes = [int(model.n_components_) for model in models]
        if sizes[0] != sizes[-1]:
            raise ValueError(
                f"query_encoder gives {sizes[0]} features and encoder {sizes[-1]}; "
                "query and item vectors must be of one length."
            )
        self.n_components = sizes[-1]

    def __getstate__(self) -> dict[str, Any]:
        """Return names of models and their weights as arrays."""
        kept = self.modules[: 1 if self.modules[0] is self.modules[1] else 2]
        states = [module.to_arrays() for module in kept]
        return {name: v for name, v in vars(self).items() if name != "modules"} | {
            "modules": states
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the models, and give them the weights."""
        from bead_sklearn.embedding._adapters import LanguageModelTower

        towers = [LanguageModelTower.from_arrays(part) for part in state["modules"]]
        vars(self).update(state | {"modules": (towers[0], towers[-1])})

    def trainable(self, query: Side, item: Side) -> Any:
        """Return what is trained, in torch."""
        from bead_sklearn.embedding._adapters import LanguageModelTowers

        return LanguageModelTowers(query.values, item.values, *self.modules)

    def restart(self, trained: Any) -> bool:
        """Return False: a second copy of a model is too large to keep."""
        return False

    def keep(self, trained: Any) -> None:
        """Nothing: the models were trained in place."""

    def vectors(self, side: Side, which: int, batch_size: int) -> np.ndarray:
        """Return vectors of the distinct queries (0) or items (1), of length 1."""
        return unit_rows(self.modules[which].embed(side.values, batch_size))


def _language_model(encoder: Any, options: dict[str, Any]) -> TransformerEncoder:
    model = resolve_encoder(encoder, **options)
    if not isinstance(model, TransformerEncoder):
        raise ValueError(
            "fine_tune='full' needs a language model as encoder: its name, its folder "
            f"or a TransformerEncoder. Got {model!r}."
        )
    if model.overflow != "truncate":
        raise ValueError(
            "fine_tune='full' cuts longer texts; the encoder must have "
            f"overflow='truncate'. Got {model.overflow!r}."
        )
    return model.fit([""])


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return rows scaled to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 1e-12, lengths, 1.0))


def begin_towers(
    estimator: Any, query: Side, item: Side
) -> AdapterTowers | ModelTowers:
    """Return towers, as the parameters of an estimator say, that change nothing yet."""
    encoders = estimator.encoder, estimator.query_encoder
    options = {
        "device": estimator.device,
        "random_state": estimator.random_state,
    }
    if estimator.fine_tune == "adapter":
        return AdapterTowers(
            *encoders,
            shared=bool(estimator.shared),
            query=query,
            item=item,
            options=options,
        )
    return ModelTowers(
        *encoders,
        shared=bool(estimator.shared),
        num_fixed_layers=int(estimator.num_fixed_layers),
        item=item,
        options=options,
    )
