"""What varies over the levels of a factor in a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.effects._columns import INTERCEPT
from bead_sklearn.effects._covariance import CovarianceStructure, full_covariance

#: Kinds of effects: intercepts per output, coefficients of known covariates, heads
#: over the features of the network, adapters inside it.
KINDS = ("intercepts", "covariates", "slopes", "lora")


@dataclass(frozen=True)
class EffectTerm:
    """What varies over the levels of one factor.

    Attributes
    ----------
    kind : {"intercepts", "covariates", "slopes", "lora"}
        What it is that varies.
    structure : CovarianceStructure or None
        How the effects of a level vary together; None is a full covariance of the
        intercepts.
    theta : ndarray or None
        Variance parameters at the start; None is the prior variance of the net. Of
        slopes the standard deviations of intercept and coefficients.
    modes : ndarray, tuple of ndarray or None
        Where effects begin: (q, r J) by covariate, then by output; of slopes intercepts
        (q, J) and coefficients (q, d, J). None is 0 for slopes, and otherwise the modes
        given the network as it is before training.
    """

    kind: str
    structure: CovarianceStructure | None = None
    theta: np.ndarray | None = None
    modes: Any = None


def read_terms(effects: Any) -> dict[str, EffectTerm]:
    """Return the terms by factor.

    Parameters
    ----------
    effects : None, str or mapping
        The parameter of the net.

    Raises
    ------
    ValueError
        If a kind is not known.
    """
    if effects is None:
        return {}
    if isinstance(effects, str):
        effects = {"groups": effects}
    if not isinstance(effects, Mapping):
        raise ValueError(
            "effects must be None, one of "
            f"{KINDS}, or a dict of factors to these. Got {effects!r}."
        )
    terms = {}
    for name, value in effects.items():
        term = value if isinstance(value, EffectTerm) else EffectTerm(value)
        if term.kind not in KINDS:
            raise ValueError(
                f"effects[{name!r}] must be one of {KINDS}. Got {term.kind!r}."
            )
        terms[name] = term
    return terms


def start_theta(
    structure: CovarianceStructure, term: EffectTerm, variance: float
) -> np.ndarray:
    """Return the variance parameters that training begins with."""
    if term.theta is not None:
        return np.asarray(term.theta, dtype=np.float64)
    return structure.from_sds(np.full(structure.size, np.sqrt(variance)))


def term_structure(
    term: EffectTerm, n_covariates: int, n_outputs: int
) -> CovarianceStructure:
    """Return the covariance structure of a term."""
    if term.structure is not None:
        return term.structure
    return full_covariance(np.ones(n_covariates * n_outputs))


def row_factor(
    name: str,
    codes: np.ndarray,
    n_levels: int,
    z: np.ndarray | None,
    structure: CovarianceStructure,
) -> RandomFactor:
    """Return the effects of rows as the solvers see them."""
    if z is None:
        z = np.ones((len(codes), 1))
    names = tuple([INTERCEPT] * structure.size)
    return RandomFactor(name, codes, n_levels, z, structure, names)
