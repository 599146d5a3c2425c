"""What a net makes of its columns: codes, tokens, held-out rows, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from skorch import NeuralNet

from bead_sklearn.effects import GROUPS
from bead_sklearn.inputs import DistinctText, PairedText, match_levels
from bead_sklearn.nn._data import (
    HeldOut,
    HeldOutRows,
    JudgmentDataset,
    RowSubset,
    TokenColumn,
)

#: Columns of X that are not passed to the module.
WEIGHT, SETS, ROW = "weight", "sets", "row"


class NetData(NeuralNet):
    """The data side of :class:`~bead_sklearn.nn.MixedEffectsNet`."""

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return the columns as a dataset: levels as codes, texts as tokens."""
        if isinstance(X, (JudgmentDataset, RowSubset)):
            return X
        columns: dict[str, Any] = {}
        for name, values in X.items():
            columns[name] = self._read_column(name, values)
        n_rows = len(next(iter(columns.values())))
        for name in self.terms_:
            columns.setdefault(name, np.full(n_rows, -1))
        columns.setdefault(WEIGHT, np.ones(n_rows))
        return self.dataset(
            columns,
            None if y is None else np.asarray(y),
            **self.get_params_for("dataset"),
        )

    def _read_column(self, name: str, values: Any) -> Any:
        if name == GROUPS and name not in self.terms_:
            return np.full(len(values), -1)
        if name in self.terms_:
            return match_levels(self.levels_[name], np.asarray(values))
        if isinstance(values, TokenColumn):
            return values
        if isinstance(values, PairedText):
            places = np.column_stack([values.first, values.second])
            return self.module_.tokenize(values.values, places)
        if isinstance(values, DistinctText):
            return self.module_.tokenize(values.values, values.index[:, None])
        array = np.asarray(values)
        if array.dtype.kind in "OUT":
            text = DistinctText.from_values(array.tolist(), name=name)
            return self._read_column(name, text)
        if name == WEIGHT or name.endswith(".z"):
            return array.astype(np.float64)
        return array.astype(np.float32) if array.dtype == np.float64 else array

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Return the rows to train on and the held-out rows, perhaps None."""
        dataset = self.get_dataset(X, y)
        split = self.train_split
        if split is None:
            return dataset, None
        if isinstance(split, HeldOutRows):
            train = np.setdiff1d(np.arange(len(dataset)), split.rows)
            return RowSubset(dataset, train), RowSubset(dataset, split.rows)
        if not isinstance(split, HeldOut):
            raise TypeError(
                f"train_split must be None or a HeldOut. Got {type(split).__name__}."
            )
        units = self._units(dataset, split.by)
        if len(np.unique(units)) < 2:
            return dataset, None
        random_state = np.random.RandomState(self.seed_)
        train, valid = split.split(units, random_state)
        return RowSubset(dataset, train), RowSubset(dataset, valid)

    def _units(self, dataset: JudgmentDataset, by: str = "auto") -> np.ndarray:
        """Return the unit of each row that must not be torn apart."""
        if by not in ("auto", "groups", "judgments"):
            raise ValueError(f"by must be 'auto', 'groups' or 'judgments'. Got {by!r}.")
        if by == "auto":
            by = "groups" if self.kind_ == "marginal" else "judgments"
        if by == "groups":
            if not self.terms_:
                raise ValueError("by='groups' needs effects. Got effects=None.")
            units: np.ndarray = dataset.X[next(iter(self.terms_))]
            return units
        return np.asarray(dataset.X.get(SETS, np.arange(len(dataset))))

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return batches of rows; in fit of whole participants or choice sets."""
        prefix = "iterator_train" if training else "iterator_valid"
        options = {"batch_size": self.batch_size, **self.get_params_for(prefix)}
        whole = dataset.dataset if isinstance(dataset, RowSubset) else dataset
        if whole.y is not None:
            options["units"] = self._units(whole)
        elif SETS in whole.X:
            options["units"] = whole.X[SETS]
        if training:
            options |= {"shuffle": True, "seed": self._order_seed}
        make = self.iterator_train if training else self.iterator_valid
        return make(dataset, **options)

    def _order_seed(self) -> int:
        return (self.seed_ + 7919 * len(self.history)) % (2**31)
