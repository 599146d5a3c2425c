"""The numbers of a family that a network learns together with its weights."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from bead_sklearn.families import Family, QuadraticFamily


@singledispatch
def learned_parameters(family: Family) -> np.ndarray:
    """Return what a network learns of a family, on an unbounded scale.

    These are ``family.parameters``; for normal and lognormal responses, whose sigma
    the solvers profile, log(sigma). A sigma that is held is none of them.

    Parameters
    ----------
    family : Family
        The response distribution.

    Returns
    -------
    parameters : ndarray of shape (k,)
        The current values.

    Examples
    --------
    >>> from bead_sklearn.families import Bernoulli, Normal
    >>> from bead_sklearn.nn import learned_parameters
    >>> learned_parameters(Normal(1.0)), learned_parameters(Bernoulli())
    (array([0.]), array([], dtype=float64))
    """
    return family.parameters


@learned_parameters.register
def _(family: QuadraticFamily) -> np.ndarray:
    return np.array([] if family.fixed else [np.log(family.sigma)])


@singledispatch
def with_learned_parameters(family: Family, parameters: np.ndarray) -> Family:
    """Return the family with other values of what a network learns of it.

    Parameters
    ----------
    family : Family
        The response distribution.
    parameters : ndarray of shape (k,)
        Values in the order of :func:`learned_parameters`.

    Returns
    -------
    family : Family
        A family of the same kind.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import Normal
    >>> from bead_sklearn.nn import with_learned_parameters
    >>> with_learned_parameters(Normal(3.0), np.array([0.0])).sigma
    1.0
    """
    return family.with_parameters(parameters)


@with_learned_parameters.register
def _(family: QuadraticFamily, parameters: np.ndarray) -> Family:
    return family if family.fixed else family.with_sigma(float(np.exp(parameters[0])))
