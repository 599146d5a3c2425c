"""Judgments as vectors whose inner products are their posterior covariances.

The solver's posterior of all effects is normal. The rest of the effects (fixed part,
ridge, all factors but the eliminated one) has covariance V = RR'; given the rest, the
effects of the levels g of the eliminated factor are independent with covariance
L_g L_g' = S_g - C_g V^-1 C_g'. A linear predictor with covariates t of the rest and z
of level g is then the sum of independent standard normal variables with coefficients

    f = R't + R^+ C_g' z    (shared by all predictors)
    o = L_g' z              (shared by those of the same level)

and so the covariance of two predictors is f'f~ + [same level] o'o~. Levels that were
not seen in fit add a term of the second kind with their prior covariance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.effects import RandomFactor
from bead_sklearn.query._latent_rows import OwnTerms
from bead_sklearn.solvers import DenseBlock, Design, Posterior, covariance_roots
from bead_sklearn.solvers._separate import SeparateCovariances
from bead_sklearn.solvers._variances import Covariances

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def latent_vectors(
    model: Any, design: Design, new: dict[str, Ints]
) -> tuple[dict[str, Floats], list[OwnTerms], dict[str, Floats]]:
    """Vectors of the predictors by factor (the fixed part and ridge under "")."""
    posterior: Posterior = model._posterior
    joint = posterior.joint
    n_outputs = design.n_outputs
    if isinstance(joint, SeparateCovariances):
        parts = [_joint_vectors(design.per_output(), part, 1) for part in joint.parts]
        shared = _interleave([vectors for vectors, _ in parts], n_outputs)
        terms = _interleave_terms([own for _, own in parts], n_outputs)
    else:
        shared, terms = _joint_vectors(design, posterior.exact_joint(), n_outputs)
    effects = {}
    for factor, prior, values in zip(
        design.factors, posterior.covariances, posterior.effects, strict=True
    ):
        effects[factor.name] = factor.matvec(values)
        codes = np.where(factor.codes < 0, new[factor.name], -1)
        shift = factor.n_levels
        vectors = _apply(factor.z, _root(prior), n_outputs)
        levels = np.repeat(np.where(codes >= 0, codes + shift, -1), n_outputs)
        terms.append(OwnTerms(factor.name, "new", levels, vectors))
        if factor.outside is not None:
            root = _root(prior[-n_outputs:, -n_outputs:])
            outside = np.einsum("nd,jl->njdl", factor.outside, root)
            levels = np.where(factor.codes >= 0, factor.codes, codes + shift)
            terms.append(
                OwnTerms(
                    factor.name,
                    "outside",
                    np.repeat(levels, n_outputs),
                    outside.reshape(design.n_eta, -1),
                )
            )
    return shared, terms, effects


def _joint_vectors(
    design: Design, joint: Covariances, n_outputs: int
) -> tuple[dict[str, Floats], list[OwnTerms]]:
    """Vectors of known levels, fixed part and ridge under a joint covariance."""
    root, back = covariance_roots(joint.rest)
    *factor_slices, ridge, fixed = design.rest_slices
    shared = {"": np.zeros((design.n_eta, root.shape[1]))}
    for block, part in ((design.ridge, ridge), (design.fixed, fixed)):
        if block is not None and part.start < len(root):
            shared[""] += _dense(block, root[part], n_outputs)
    for factor, part in zip(design.rest_factors, factor_slices, strict=True):
        by_level = root[part].reshape(factor.n_levels, factor.size, -1)
        shared[factor.name] = at_levels(factor, by_level, n_outputs)
    terms: list[OwnTerms] = []
    first = design.eliminated
    if first is not None:
        carried = joint.cross @ back
        left = joint.own - carried @ carried.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(left)
        own_root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        shared[first.name] = at_levels(first, carried, n_outputs)
        terms.append(
            OwnTerms(
                first.name,
                "known",
                np.repeat(first.codes, n_outputs),
                at_levels(first, own_root, n_outputs),
            )
        )
    return shared, terms


def _dense(block: DenseBlock, coefficients: Floats, n_outputs: int) -> Floats:
    """Vectors of dense columns, (n_rows J, k)."""
    by_output = coefficients.reshape(block.n_columns, -1)
    product = block.values @ by_output
    if block.index is not None:
        product = product[block.index]
    return np.asarray(product.reshape(len(product) * n_outputs, coefficients.shape[1]))


def at_levels(factor: RandomFactor, by_level: Floats, n_outputs: int) -> Floats:
    """Vectors of the effects of each row's level, (n_rows J, k); 0 if unknown."""
    n_rows, r = factor.z.shape
    width = by_level.shape[2]
    result = np.zeros((n_rows, n_outputs, width))
    for column in range(r):
        at = by_level[factor.codes][:, column * n_outputs : (column + 1) * n_outputs]
        result += factor.z[:, column, None, None] * at
    result[factor.codes < 0] = 0.0
    return result.reshape(n_rows * n_outputs, width)


def _apply(z: Floats, root: Floats, n_outputs: int) -> Floats:
    """Vectors of effects with covariance RR', (n_rows J, r)."""
    by_effect = root.reshape(z.shape[1], n_outputs, -1)
    vectors: Floats = np.einsum("na,ajk->njk", z, by_effect)
    return vectors.reshape(len(z) * n_outputs, -1)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _interleave(parts: list[dict[str, Floats]], n_outputs: int) -> dict[str, Floats]:
    """Vectors of independent outputs side by side: each has its own variables."""
    widths = [part[""].shape[1] for part in parts]
    starts = np.concatenate([[0], np.cumsum(widths)])
    result = {}
    for name, first in parts[0].items():
        table = np.zeros((len(first), n_outputs, int(starts[-1])))
        for j, part in enumerate(parts):
            table[:, j, starts[j] : starts[j + 1]] = part[name]
        result[name] = table.reshape(len(first) * n_outputs, int(starts[-1]))
    return result


def _interleave_terms(parts: list[list[OwnTerms]], n_outputs: int) -> list[OwnTerms]:
    """Terms of independent outputs: each level has variables per output."""
    result = []
    for terms in zip(*parts, strict=True):
        codes = np.repeat(terms[0].codes, n_outputs)
        r = terms[0].values.shape[1]
        values = np.zeros((len(terms[0].codes), n_outputs, n_outputs * r))
        for j, term in enumerate(terms):
            values[:, j, j * r : (j + 1) * r] = term.values
        result.append(
            OwnTerms(terms[0].factor, "known", codes, values.reshape(-1, n_outputs * r))
        )
    return result
