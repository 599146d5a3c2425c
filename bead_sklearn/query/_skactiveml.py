"""Strategies of scikit-activeml in this suite, and those of this suite there."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils import check_array

from bead_sklearn._optional import import_optional
from bead_sklearn._sklearn import _safe_indexing
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._members import Members, is_committee
from bead_sklearn.query._registry import get_query_strategy
from bead_sklearn.query._scored import ScoredPool
from bead_sklearn.query._selection import check_batch_size

_PURPOSE = "Using strategies of scikit-activeml"
#: Arguments of ``query`` under which the strategies take a model.
_MODELS = ("clf", "reg", "estimator", "ensemble", "discriminator")


def from_skactiveml(strategy: Any) -> SkactivemlStrategy:
    """Make a query strategy of a pool strategy of scikit-activeml.

    Parameters
    ----------
    strategy : skactiveml.base.SingleAnnotatorPoolQueryStrategy
        For instance ``skactiveml.pool.Badge()``; made with the missing label NaN.

    Returns
    -------
    strategy : SkactivemlStrategy
        The strategy, for `ActiveLearningSearch` and `ActiveLearner`.

    Raises
    ------
    ImportError
        If scikit-activeml is not installed.
    TypeError
        If the object has no ``query`` method of that form.
    """
    import_optional("skactiveml", extra="interop", purpose=_PURPOSE)
    if isinstance(strategy, type) or not hasattr(strategy, "query"):
        raise TypeError(
            "from_skactiveml takes a pool strategy of scikit-activeml (an instance), "
            f"got {strategy!r}."
        )
    return SkactivemlStrategy(strategy)


class SkactivemlStrategy(QueryStrategy):
    """A pool strategy of scikit-activeml as a strategy of this suite.

    Made by `from_skactiveml`. Labelled rows and pool are handed over as one table with
    NaN for the labels not known, and classes as numbers. Strategies that take a model
    get a copy of the estimator in scikit-activeml's wrapper, fitted to the labelled
    rows (without participants: those wrappers pass no metadata of rows on); a failed
    fit, which the wrapper would turn into class frequencies, is an error here.

    Parameters
    ----------
    strategy : skactiveml.base.SingleAnnotatorPoolQueryStrategy
        The strategy. Its ``random_state`` is seeded anew in every round.

    Examples
    --------
    >>> import pytest
    >>> pool = pytest.importorskip("skactiveml.pool")
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import ActiveLearningSearch
    >>> from bead_sklearn.query import from_skactiveml
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(max_iter=1000), from_skactiveml(pool.CoreSet()),
    ...     max_labels=30, random_state=0,
    ... ).fit(*load_iris(return_X_y=True))
    >>> search.history_["n_labels"]
    array([10, 20, 30])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"strategy": "no_validation"}

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy

    def _score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ScoredPool:
        import_optional("skactiveml", extra="interop", purpose=_PURPOSE)
        name = type(self.strategy).__name__
        if X_labeled is None or y_labeled is None:
            raise ValueError(f"{name} needs X_labeled and y_labeled.")
        pool, known = _numbers(X, name), _numbers(X_labeled, name)
        regression = is_regressor(estimator)
        labels = np.asarray(y_labeled)
        if labels.ndim != 1:
            raise ValueError(f"{name} takes one target, got y of shape {labels.shape}.")
        classes = None if regression else np.unique(labels)
        y = np.full(len(known) + len(pool), np.nan)
        y[: len(known)] = (
            labels if classes is None else np.searchsorted(classes, labels)
        )
        rows = np.concatenate([known, pool])
        models = self._models(estimator, rows, y, classes)

        def query(n: int, **options: Any) -> Any:
            drawing = clone(self.strategy)  # some keep what a query computed
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                return drawing.query(rows, y, batch_size=n, **models, **options)

        def choose(n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
            picks = np.asarray(query(n), dtype=np.intp).ravel() - len(known)
            if len(np.unique(picks)) != n or picks.min() < 0:
                raise ValueError(f"{name} chose {picks.tolist()} when asked for {n}.")
            return picks

        _, found = query(1, return_utilities=True)
        utilities = np.asarray(found, dtype=np.float64)[0, len(known) :]
        # Rows that the strategy did not look at are as good as its last choice.
        utilities = np.where(np.isnan(utilities), np.nanmin(utilities), utilities)
        return ScoredPool(self._checked(utilities, X), choose)

    def _models(
        self,
        estimator: Any,
        rows: NDArray[np.float64],
        y: NDArray[np.float64],
        classes: NDArray[Any] | None,
    ) -> dict[str, Any]:
        """Models for those arguments that ``query`` has."""
        named = inspect.signature(self.strategy.query).parameters
        wanted = [name for name in _MODELS if name in named]
        models: dict[str, Any] = {}
        codes = None if classes is None else np.arange(len(classes))
        for name in wanted:
            refit = f"fit_{name}" in named and self._fits_itself
            if name == "ensemble":
                members = (
                    [getattr(m, "estimator", m) for m in Members(estimator).members]
                    if is_committee(estimator)
                    else [estimator]
                )
                models[name] = [_wrapped(m, codes, rows, y) for m in members]
            elif name == "discriminator":
                models[name] = _wrapper(estimator, np.array([0, 1]))
            else:
                models[name] = (
                    _wrapper(estimator, codes)
                    if refit
                    else _wrapped(estimator, codes, rows, y)
                )
            if f"fit_{name}" in named:
                models[f"fit_{name}"] = refit
        return models

    @property
    def _fits_itself(self) -> bool:
        """Whether the strategy insists on fitting its model."""
        return type(self.strategy).__name__ in (
            "MonteCarloEER",
            "ValueOfInformationEER",
        )


def as_skactiveml(
    strategy: Any, *, missing_label: Any = np.nan, random_state: Any = None
) -> SkactivemlAdapter:
    """Give a strategy of this suite the interface of scikit-activeml.

    Parameters
    ----------
    strategy : str, QueryStrategy or callable
        The strategy or its name.
    missing_label : scalar, default=NaN
        What stands in ``y`` for a label that is not known.
    random_state : int, RandomState instance or None, default=None
        Seed of strategies that draw at random.

    Returns
    -------
    strategy : SkactivemlAdapter
        An object with ``query(X, y, clf, fit_clf=True, candidates=None, batch_size=1,
        return_utilities=False)``, which the wrappers of scikit-activeml take too.
    """
    _register()
    return SkactivemlAdapter(
        strategy, missing_label=missing_label, random_state=random_state
    )


class SkactivemlAdapter(BaseEstimator):
    """A strategy of this suite with the interface of scikit-activeml.

    Made by `as_skactiveml`.

    Parameters
    ----------
    strategy : str, QueryStrategy or callable
        The strategy or its name.
    missing_label : scalar, default=NaN
        What stands in ``y`` for a label that is not known.
    random_state : int, RandomState instance or None, default=None
        Seed of strategies that draw at random.
    """

    def __init__(
        self,
        strategy: Any,
        *,
        missing_label: Any = np.nan,
        random_state: Any = None,
    ) -> None:
        self.strategy = strategy
        self.missing_label = missing_label
        self.random_state = random_state

    def query(
        self,
        X: Any,
        y: Any,
        clf: Any,
        fit_clf: bool = True,
        candidates: Any = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Choose rows to label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            All rows.
        y : array-like of shape (n_samples,)
            Labels, with ``missing_label`` for those not known.
        clf : skactiveml.base.SkactivemlClassifier or estimator
            The model. Strategies that read coefficients or members look inside
            ``SklearnClassifier``.
        fit_clf : bool, default=True
            Whether to fit a copy of it; otherwise it is fitted already.
        candidates : None or array-like, default=None
            None: all rows without label. Integers of shape (n_candidates,): positions
            in X. Rows of shape (n_candidates, n_features): these, and the indices
            returned are positions in them.
        batch_size : int, default=1
            How many; all candidates, with a warning, if there are fewer.
        return_utilities : bool, default=False
            Whether to return utilities too.

        Returns
        -------
        query_indices : ndarray of int of shape (batch_size,)
            Rows chosen, best first.
        utilities : ndarray of shape (batch_size, n_samples) or \
(batch_size, n_candidates)
            With ``return_utilities``: what the strategy gave each row, NaN for those
            that are no candidates, and for those picked before.
        """
        batch_size = check_batch_size(batch_size, "batch_size")
        strategy = clone(get_query_strategy(self.strategy))
        if self.random_state is not None and "random_state" in strategy.get_params():
            strategy.set_params(random_state=self.random_state)
        known = ~_is_missing(y, self.missing_label)
        pool_rows, rows, own = self._candidates(X, known, candidates)
        if batch_size > len(rows):
            warnings.warn(
                f"batch_size={batch_size} is larger than the number of candidates, "
                f"{len(rows)}; all are chosen.",
                UserWarning,
                stacklevel=2,
            )
            batch_size = len(rows)
        model = clone(clf).fit(X, y) if fit_clf else clf
        inner, labels = _unwrap(model, np.asarray(y)[known], strategy)
        pool = strategy.score_pool(
            inner,
            pool_rows,
            X_labeled=_safe_indexing(X, np.flatnonzero(known)),
            y_labeled=labels,
        )
        picks = pool.select(batch_size)
        indices = rows[picks]
        if not return_utilities:
            return indices
        n = len(rows) if own else len(known)
        utilities = np.full((len(picks), n), np.nan)
        utilities[:, rows] = pool.utilities
        for k in range(1, len(picks)):
            utilities[k:, indices[k - 1]] = np.nan
        return indices, utilities

    def _candidates(
        self, X: Any, known: NDArray[np.bool_], candidates: Any
    ) -> tuple[Any, NDArray[np.intp], bool]:
        """Rows of the pool, their indices, and whether these are of the candidates."""
        if candidates is None:
            rows = np.flatnonzero(~known)
        elif np.ndim(candidates) == 1:
            rows = np.asarray(candidates)
            if rows.dtype.kind not in "iu":
                raise TypeError(f"candidates must be integers, got {rows.dtype}.")
        else:
            return candidates, np.arange(len(candidates)), True
        if not len(rows):
            raise ValueError("There are no candidates: no label in y is missing.")
        return _safe_indexing(X, rows), rows.astype(np.intp), False


def _register() -> None:
    """Make the adapter pass the type checks of scikit-activeml's wrappers."""
    base = import_optional("skactiveml.base", extra="interop", purpose=_PURPOSE)
    base.SingleAnnotatorPoolQueryStrategy.register(SkactivemlAdapter)


def _numbers(X: Any, name: str) -> NDArray[np.float64]:
    try:
        rows: NDArray[np.float64] = check_array(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} of scikit-activeml takes a dense table of numbers: {error}"
        ) from error
    return rows


def _wrapper(estimator: Any, classes: NDArray[np.intp] | None) -> Any:
    if classes is None:
        module = import_optional(
            "skactiveml.regressor", extra="interop", purpose=_PURPOSE
        )
        return module.SklearnRegressor(clone(estimator))
    module = import_optional("skactiveml.classifier", extra="interop", purpose=_PURPOSE)
    return module.SklearnClassifier(clone(estimator), classes=classes)


def _wrapped(
    estimator: Any,
    classes: NDArray[np.intp] | None,
    rows: NDArray[np.float64],
    y: NDArray[np.float64],
) -> Any:
    """Fit a wrapper to the labelled rows, and see that it has done so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _wrapper(estimator, classes).fit(rows, y)
    if not getattr(model, "is_fitted_", True):
        said = "; ".join(str(warning.message) for warning in caught)
        raise ValueError(
            f"{type(estimator).__name__} could not be fitted inside scikit-activeml's "
            f"wrapper: {said}"
        )
    return model


def _unwrap(
    model: Any, labels: NDArray[Any], strategy: QueryStrategy
) -> tuple[Any, NDArray[Any]]:
    """Look into a wrapper for strategies that read coefficients or members.

    The estimator inside it has learned positions of classes instead of classes.
    """
    inner = getattr(model, "estimator_", None)
    if inner is None or not hasattr(model, "is_fitted_"):
        return model, labels
    if not model.is_fitted_:
        raise ValueError(
            f"{type(model).__name__} holds no fitted {type(inner).__name__}: there "
            "are too few labels, or its fit failed."
        )
    if strategy.capabilities.needs in (None, "predict_proba"):
        return model, labels
    if is_regressor(model):
        return inner, labels
    return inner, np.searchsorted(model.classes_, labels)


def _is_missing(y: Any, missing_label: Any) -> NDArray[np.bool_]:
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must be one-dimensional, got shape {labels.shape}.")
    if missing_label is None:
        return np.array([label is None for label in labels.tolist()], dtype=bool)
    if isinstance(missing_label, float) and np.isnan(missing_label):
        return np.array([label != label for label in labels.tolist()], dtype=bool)
    return np.asarray(labels == missing_label)
