"""Names of the columns of X, kept on the estimator as scikit-learn keeps them."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils.validation import validate_data

from bead_sklearn.inputs._columns import Column
from bead_sklearn.inputs._table import Table


def check_names(
    estimator: Any, table: Table, features: dict[Any, Column], *, reset: bool
) -> dict[Any, Column]:
    """Let the estimator learn, or check, number and names of the feature columns.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_``, and ``feature_names_in_`` where X has names.
    table : Table
        All columns of X.
    features : dict
        The columns that are no grouping factors.
    reset : bool
        Whether to learn or to check.

    Returns
    -------
    features : dict
        The columns in the order of fit: keys of records have no order of their own,
        columns of other containers must come in it.
    """
    if table.container == "records":
        if reset:
            _learn_keys(estimator, features)
            return features
        return _match_keys(estimator, features)
    if table.frame is None:
        shaped: Any = np.broadcast_to(
            np.empty((1, 1), dtype=object), (table.n_rows, len(features))
        )
    else:
        frame = table.frame.head(1)  # only names are looked at
        if len(features) < len(table.columns):
            names: list[Any] = list(features)
            if not all(isinstance(name, str) for name in names):
                names = [nw.col(name) for name in names]
            frame = frame.select(names)
        shaped = frame.to_native()
    validate_data(estimator, shaped, skip_check_array=True, reset=reset)
    return features


def _learn_keys(estimator: Any, features: dict[Any, Column]) -> None:
    estimator.n_features_in_ = len(features)
    if features:
        estimator.feature_names_in_ = np.asarray(list(features), dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _match_keys(estimator: Any, features: dict[Any, Column]) -> dict[Any, Column]:
    name = type(estimator).__name__
    learned = getattr(estimator, "feature_names_in_", None)
    if learned is None:
        if len(features) != estimator.n_features_in_:
            raise ValueError(
                f"X has {len(features)} features, but {name} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
        if features:
            warnings.warn(
                f"X has feature names, but {name} was fitted without feature names",
                UserWarning,
                stacklevel=4,
            )
        return features
    missing = [key for key in learned if key not in features]
    extra = [key for key in features if key not in set(learned)]
    if missing or extra:
        raise ValueError(
            "The keys of the records in X should match those that were passed during "
            f"fit. Seen at fit time, yet now missing: {missing}. Unseen at fit time: "
            f"{extra}."
        )
    return {key: features[key] for key in learned}
