"""Simulated annotators: new judgments from a fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from bead_sklearn._frames import make_frame
from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.datasets._design import balanced_design
from bead_sklearn.datasets._judgments import Judgments


def simulate_annotators(
    model: Any,
    X: Any,
    *,
    n_annotators: int = 20,
    n_per_annotator: int | None = None,
    temperature: float = 1.0,
    noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Judgments:
    """Let new annotators judge items, as a fitted model expects them to.

    Every annotator has effects of its own, drawn from the population that the model
    estimated; coefficients, and effects of items that the model knows, are as
    estimated. This is how to plan a study: how many annotators, how many judgments?

    Parameters
    ----------
    model : estimator
        A fitted task model.
    X : array-like, sparse matrix, DataFrame, list of str or list of dict
        The items, one per row.
    n_annotators : int, default=20
        Number of annotators.
    n_per_annotator : int, default=None
        Items that each annotator judges, in random order; items differ by one judgment
        at most. None is all.
    temperature : float, default=1.0
        Noise of single judgments compared with that of the model, see ``simulate`` of
        the task models.
    noise : float, default=0.0
        Share of judgments made without looking: their answers are taken at random from
        all answers.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    judgments : Judgments
        ``X``, ``y``, ``groups`` (annotators ``"annotator01"``, ...), ``items`` (rows
        of X by number) and ``frame`` with annotator, item and response.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments, simulate_annotators
    >>> d = make_judgments("binary", n_participants=30, n_items=60, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> new = simulate_annotators(
    ...     model, d.X[:50], n_annotators=10, n_per_annotator=20, random_state=0
    ... )
    >>> new
    Judgments(task='BinaryClassifier', n_judgments=200, n_items=50, n_participants=10)
    """
    n_items = _num_samples(X)
    n_each = n_items if n_per_annotator is None else n_per_annotator
    for name, value, most in (
        ("n_annotators", n_annotators, np.inf),
        ("n_per_annotator", n_each, n_items),
    ):
        if not 1 <= value <= most:
            raise ValueError(
                f"{name} must lie between 1 and {most:g}. Got {value!r}; X has "
                f"{n_items} items."
            )
    if not 0.0 <= noise <= 1.0:
        raise ValueError(f"noise must lie between 0 and 1. Got {noise!r}.")
    rng = check_random_state(random_state)
    rows = balanced_design(n_annotators, n_items, n_each, rng).ravel()
    width = max(2, len(str(n_annotators)))
    ids = [f"annotator{i + 1:0{width}d}" for i in range(n_annotators)]
    groups = np.repeat(np.array(ids, dtype=object), n_each)
    items = np.array([str(row) for row in rows], dtype=object)
    judged = _safe_indexing(X, rows)
    # Ids that fit has not seen: the effects of new annotators.
    unknown = np.array([f"new {name}" for name in groups], dtype=object)
    [y] = model.simulate(
        1,
        judged,
        _as_factor(model, unknown),
        random_state=rng,
        conditional=True,
        temperature=temperature,
    )
    careless = np.flatnonzero(rng.uniform(size=len(y)) < noise)
    y[careless] = y[rng.randint(len(y), size=len(careless))]
    columns = {"participant": groups, "item": items}
    if y.ndim == 1:
        columns["response"] = y
    else:
        for k, name in enumerate(model.classes_.tolist()):
            columns[f"response_{name}"] = y[:, k]
    classes = getattr(model, "classes_", None)
    return Judgments(
        X=judged,
        y=y,
        groups=groups,
        items=items,
        frame=make_frame(columns),
        task=type(model).__name__,
        classes=None if classes is None else tuple(classes.tolist()),
        DESCR=(
            f"{len(y)} judgments of {n_annotators} annotators simulated from a fitted "
            f"{type(model).__name__}, temperature {temperature:g}, noise {noise:g}."
        ),
    )


def _as_factor(model: Any, ids: np.ndarray) -> Any:
    """Return ids as the factor that the model got as groups; None without one."""
    return None if model.groups_ is None else ids
