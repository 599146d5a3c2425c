"""Scores made of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measure = Callable[..., Any]


@dataclass(frozen=True)
class _LinearCombination:
    functions: tuple[Measure, ...]
    weights: tuple[float, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> NDArray[np.float64]:
        parts = [
            weight * np.asarray(function(*args, **kwargs))
            for weight, function in zip(self.weights, self.functions, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))


@dataclass(frozen=True)
class _Product:
    functions: tuple[Measure, ...]
    exponents: tuple[float, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> NDArray[np.float64]:
        parts = [
            np.asarray(function(*args, **kwargs)) ** exponent
            for exponent, function in zip(self.exponents, self.functions, strict=True)
        ]
        return np.asarray(np.prod(parts, axis=0))


@dataclass(frozen=True)
class _Strategy:
    utility_measure: Measure
    selector: Callable[..., Any]

    def __call__(
        self, classifier: Any, X: Any, n_instances: int | None = None, **kwargs: Any
    ) -> Any:
        utility = self.utility_measure(classifier, X, **kwargs)
        chosen = {} if n_instances is None else {"n_instances": n_instances}
        return self.selector(utility, **chosen)


def make_linear_combination(
    *functions: Measure, weights: Sequence[float] | None = None
) -> Measure:
    """Make a function that returns a weighted sum of what functions return.

    Parameters
    ----------
    *functions : callable
        Measures that take the same arguments.
    weights : sequence of float, default=None
        Weights; None adds them up.

    Returns
    -------
    function : callable
        The sum. It can be pickled if the functions can.

    Raises
    ------
    ValueError
        If there are not as many weights as functions.

    Examples
    --------
    >>> from bead_sklearn.modal.utils import make_linear_combination
    >>> make_linear_combination(min, max, weights=[1.0, 10.0])([2.0, 3.0])
    array(32.)
    """
    return _LinearCombination(functions, _numbers(weights, functions, "weights"))


def make_product(
    *functions: Measure, exponents: Sequence[float] | None = None
) -> Measure:
    """Make a function that returns a product of powers of what functions return.

    Parameters
    ----------
    *functions : callable
        Measures that take the same arguments.
    exponents : sequence of float, default=None
        Exponents; None multiplies them.

    Returns
    -------
    function : callable
        The product. It can be pickled if the functions can.

    Raises
    ------
    ValueError
        If there are not as many exponents as functions.
    """
    return _Product(functions, _numbers(exponents, functions, "exponents"))


def make_query_strategy(
    utility_measure: Measure, selector: Callable[..., Any]
) -> Callable[..., Any]:
    """Make a query strategy of a measure and a selector.

    Parameters
    ----------
    utility_measure : callable
        ``utility_measure(classifier, X) -> utilities``.
    selector : callable
        ``selector(utilities) -> indices`` or ``(indices, utilities)``; it is passed
        ``n_instances`` if the strategy is.

    Returns
    -------
    strategy : callable
        ``strategy(classifier, X, n_instances=...)``.
    """
    return _Strategy(utility_measure, selector)


def _numbers(
    given: Sequence[float] | None, functions: Sequence[Measure], name: str
) -> tuple[float, ...]:
    if given is None:
        return (1.0,) * len(functions)
    if len(given) != len(functions):
        raise ValueError(
            f"{name} must be one per function, got {len(given)} for {len(functions)}."
        )
    return tuple(float(number) for number in given)
