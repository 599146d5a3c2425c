"""Putting a run together from the parameters of a search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _check_method_params, _num_samples, _safe_indexing
from bead_sklearn.active_learning._costs import read_costs
from bead_sklearn.active_learning._ledger import LabelLedger
from bead_sklearn.active_learning._metadata import (
    route_fit,
    route_validation_groups,
)
from bead_sklearn.active_learning._rounds import Rounds, ValidationData
from bead_sklearn.active_learning._seeding import child_seed
from bead_sklearn.active_learning._stopping import as_rules
from bead_sklearn.active_learning._units import read_units
from bead_sklearn.active_learning._validation import draw_held_out, unpack_validation
from bead_sklearn.active_learning._warm import check_warm_start
from bead_sklearn.query import get_query_strategy

_VALIDATION_STREAM = 2


def plan_rounds(
    search: Any,
    X: Any,
    labels: Any,
    groups: Any,
    labeled: Any,
    params: dict[str, Any],
    seed: int,
) -> Rounds:
    """Put a run together and check that its parts fit."""
    strategy = get_query_strategy(search.strategy)
    strategy.check(search.estimator)
    scorer = search._scorer()
    check_warm_start(search.estimator, search.warm_start)
    rules = as_rules(search.stopping)
    if search.validation is None and any(
        getattr(rule, "requires_validation", False) for rule in rules
    ):
        raise ValueError(
            "A stopping rule reads the score, but validation is None. Pass "
            "validation data or a share of rows to hold out."
        )
    if scorer is None and search.validation is not None:
        raise ValueError(
            f"{type(search.estimator).__name__} has no score method; pass scoring."
        )
    if search.max_cost is not None and search.cost is None:
        raise ValueError(
            f"max_cost={search.max_cost} limits what labels cost; pass cost too."
        )
    ledger = LabelLedger(_num_samples(X))
    if labeled is not None:
        mask = _check_mask(labeled)
        if labels is None:
            raise ValueError("labeled marks rows as known, but y is None.")
        known = np.flatnonzero(mask)
        ledger.add(known, _safe_indexing(labels, known))
    fit_params, query_params, score_params = route_fit(search, groups, params, scorer)
    return Rounds(
        estimator=search.estimator,
        strategy=strategy,
        scorer=scorer,
        X=X,
        ledger=ledger,
        fit_params=fit_params,
        query_params=query_params,
        validation=_validation_data(
            search, X, labels, groups, ledger, score_params, scorer, seed
        ),
        seed=seed,
        cold_start=search.cold_start,
        n_initial=search.n_initial,
        max_labels=search.max_labels,
        max_iterations=search.max_iterations,
        rules=rules,
        warm_start=search.warm_start,
        units=read_units(X, search.query_by, search.n_judgments),
        costs=read_costs(X, search.cost),
        max_cost=search.max_cost,
        groups=groups,
        semi_supervised=search.semi_supervised,
    )


def _validation_data(
    search: Any,
    X: Any,
    labels: Any,
    groups: Any,
    ledger: LabelLedger,
    score_params: dict[str, Any],
    scorer: Any,
    seed: int,
) -> ValidationData | None:
    if search.validation is None:
        return None
    if isinstance(search.validation, tuple):
        X, y, own_groups = unpack_validation(search.validation)
        return ValidationData(X, y, route_validation_groups(search, own_groups, scorer))
    if search.oracle is not None:
        raise ValueError(
            f"validation={search.validation} holds out rows of y, but labels come "
            "from an oracle. Pass validation as a tuple (X, y)."
        )
    ledger.held_out = draw_held_out(
        search.validation,
        ledger.labeled,
        groups,
        child_seed(seed, _VALIDATION_STREAM),
    )
    rows = np.flatnonzero(ledger.held_out)
    return ValidationData(
        _safe_indexing(X, rows),
        _safe_indexing(labels, rows),
        _check_method_params(X, score_params, indices=rows),
    )


def _check_mask(labeled: Any) -> NDArray[np.bool_]:
    """Check the mask of rows known at the start."""
    mask = np.asarray(labeled)
    if mask.ndim != 1 or mask.dtype != bool:
        raise ValueError(
            "labeled must be a one-dimensional boolean mask over the rows, got shape "
            f"{mask.shape} of {mask.dtype}."
        )
    return mask
