"""Query strategies from functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from bead_sklearn._sklearn import _check_response_method
from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._base import QueryStrategy


def make_query_strategy(
    func: Callable[..., ArrayLike],
    response_method: str | Sequence[str] | None = "predict_proba",
    **kwargs: Any,
) -> FunctionStrategy:
    """Make a query strategy from a function.

    Parameters
    ----------
    func : callable
        ``func(response, **kwargs) -> utilities``, where response is what the response
        method returns for the pool. With ``response_method=None`` it is called like a
        strategy, ``func(estimator, X, **kwargs)``, and receives those of ``groups``,
        ``X_labeled``, ``y_labeled`` and ``groups_labeled`` that its signature names.
    response_method : str, sequence of str or None, default="predict_proba"
        Method of the estimator whose response the function reads; of several, the
        first the estimator has.
    **kwargs : dict
        Further arguments of the function.

    Returns
    -------
    strategy : FunctionStrategy
        The strategy. It can be pickled if the function can.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import make_query_strategy
    >>> def rare_class(proba, column):
    ...     return proba[:, column]
    >>> strategy = make_query_strategy(rare_class, column=1)
    >>> model = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    >>> strategy.select(strategy(model, [[0.0], [2.0], [1.0]]), 2)
    array([1, 2])
    """
    strategy = FunctionStrategy(func, response_method=response_method, kwargs=kwargs)
    strategy._validate_params()
    return strategy


class FunctionStrategy(QueryStrategy):
    """A query strategy that calls a function.

    Made by `make_query_strategy`.

    Parameters
    ----------
    func : callable
        The function; see `make_query_strategy`.
    response_method : str, sequence of str or None, default="predict_proba"
        Method of the estimator whose response the function reads.
    kwargs : dict or None, default=None
        Further arguments of the function.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "func": [callable],
        "response_method": [str, list, tuple, None],
        "kwargs": [dict, None],
    }

    def __init__(
        self,
        func: Callable[..., ArrayLike],
        *,
        response_method: str | Sequence[str] | None = "predict_proba",
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.func = func
        self.response_method = response_method
        self.kwargs = kwargs

    def _utilities(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ArrayLike:
        kwargs = dict(self.kwargs or {})
        if self.response_method is None:
            given = {
                "groups": groups,
                "X_labeled": X_labeled,
                "y_labeled": y_labeled,
                "groups_labeled": groups_labeled,
            }
            return self.func(estimator, X, **_named(self.func, given), **kwargs)
        try:
            method = _check_response_method(estimator, self.response_method)
        except AttributeError as error:
            raise ValueError(
                f"The strategy of {getattr(self.func, '__name__', self.func)!r} needs "
                f"{self.response_method!r}, which {type(estimator).__name__} lacks."
            ) from error
        named = groups_kwargs(
            estimator, method.__name__, groups, name=self._groups_name()
        )
        return self.func(method(X, **named), **kwargs)


def _named(func: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Those of the given arguments that the signature of a function names."""
    parameters = signature(func).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return given
    return {name: value for name, value in given.items() if name in parameters}
