"""Judgments with what they say about a fitted model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.families import Family
from bead_sklearn.query._latent_rows import LatentRows, OwnTerms
from bead_sklearn.query._latent_vectors import at_levels, latent_vectors
from bead_sklearn.query._model_parts import at_last_step, participant_factors
from bead_sklearn.solvers import DenseBlock, Design
from bead_sklearn.solvers._separate import SeparateCovariances

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class LatentJudgments:
    """Judgments with what they say about a fitted model.

    Attributes
    ----------
    rows : LatentRows
        Their linear predictors, flat.
    index : ndarray of shape (n_judgments, m)
        Which of these each judgment has; -1 fills the rows of shorter choice sets.
    population : LatentRows
        The same predictors without the participant's effects.
    anonymous : LatentRows
        The same predictors, each judged by a new participant.
    family : Family
        Response distribution.
    effects : LatentRows or None
        Effects of the participants who may judge, the s of each next to each other;
        None if there is not exactly one factor of participants.
    participant : ndarray of shape (n,)
        Whose effects each predictor has, a position among these participants.
    given_population : LatentRows or None
        What is left of the predictors once all but the participants is known; None if
        it was not asked for.
    slopes : ndarray of shape (n_rows, r) or None
        Covariates of the participants' effects; None where these are coordinates in a
        basis of their own, or there is not exactly one factor of participants.
    """

    rows: LatentRows
    index: Ints
    population: LatentRows
    anonymous: LatentRows
    family: Family
    effects: LatentRows | None
    participant: Ints
    given_population: LatentRows | None
    slopes: Floats | None


def read_judgments(
    estimator: Any,
    X: Any,
    groups: Any,
    participant: str | None = None,
    *,
    conditional: bool = False,
) -> LatentJudgments:
    """Write judgments as latent vectors of a fitted task model.

    Parameters
    ----------
    estimator : estimator
        A fitted task model, perhaps at the end of a Pipeline.
    X : array-like of shape (n_samples, ...)
        What may be judged.
    groups : array-like of shape (n_samples,), default=None
        Who may judge it.
    participant : str, default=None
        The factor of participants. None: that passed as ``groups``, or the only one.
    conditional : bool, default=False
        Whether to work out what is left once all but the participants is known.

    Returns
    -------
    judgments : LatentJudgments
        The judgments.

    Raises
    ------
    ValueError
        If the factor is unknown or not clear, or the model was solved iteratively, so
        that the joint posterior is not known.
    """
    model, X = at_last_step(estimator, X)
    rows = model._read_rows(X, groups)
    columns, design = model._build(rows, unspanned=True)
    new = model._new_levels(design, rows.ids, everyone=False)
    who = participant_factors(model, participant)
    shared, terms, effects = latent_vectors(model, design, new)
    unspanned = columns.unspanned
    if unspanned is not None and model._ridge_variance() > 0:
        contrast = rows.family.output_contrast()
        outside = np.sqrt(model._ridge_variance()) * unspanned.rows()
        extra = np.einsum("nd,jl->njdl", outside, contrast)
        fixed = shared.pop("")
        shared[""] = np.hstack([fixed, extra.reshape(len(fixed), -1)])
        width = extra.shape[2] * extra.shape[3]
        for name in shared:
            if name:
                shared[name] = np.pad(shared[name], ((0, 0), (0, width)))
    mean = model._posterior.mean(design)

    sets = np.arange(design.n_rows) if design.sets is None else design.sets
    nobody = np.full(len(mean), -1)
    somebody = np.repeat(sets, design.n_outputs)

    def without(left_out: Collection[str], *, anyone: bool = False) -> LatentRows:
        vectors = sum(v for name, v in shared.items() if name not in left_out)
        centre = mean - sum((effects[name] for name in left_out), np.zeros(len(mean)))
        own = tuple(
            replace(part, codes=somebody if anyone and part.kind != "known" else nobody)
            if part.factor in left_out
            else part
            for part in terms
        )
        return LatentRows(centre, np.asarray(vectors), own)

    family = rows.family
    if family.sets is None:
        index = np.arange(len(mean)).reshape(-1, family.n_outputs)
    else:
        index = _pad(family.sets)
    effects_of, whose, slopes = None, np.zeros(len(mean), dtype=np.intp), None
    if len(who) == 1:
        (factor,) = (factor for factor in design.factors if factor.name == who[0])
        slopes = factor.z if factor.outside is None else None
        effects_of, whose = _effects(model, design, new, who[0], without(()))
    left = None
    if conditional:
        left = _given_population(model, design, terms, who)
    return LatentJudgments(
        rows=without(()),
        index=index,
        population=without(who),
        anonymous=without(who, anyone=True),
        family=family,
        effects=effects_of,
        participant=whose,
        given_population=left,
        slopes=slopes,
    )


def _given_population(
    model: Any, design: Design, terms: list[OwnTerms], who: tuple[str, ...]
) -> LatentRows:
    """Return what is left of predictors once all but the participants is known.

    Given everything else the effects of the participants are independent. Where the
    solver has eliminated another factor their covariance is the inverse of their block
    of the precision V^-1 + sum_g (C_g V^-1)' (S_g - C_g V^-1 C_g')^-1 (C_g V^-1).
    """
    n = design.n_eta
    own = [
        part if part.factor in who else replace(part, codes=np.full(n, -1))
        for part in terms
    ]
    first = design.eliminated
    *slices, _, _ = design.rest_slices
    for factor, part in zip(design.rest_factors, slices, strict=True):
        if factor.name not in who:
            continue
        joint = model._posterior.joint
        if isinstance(joint, SeparateCovariances):
            raise ValueError(
                "target='population' is not available where several factors have "
                "effects on independent outputs. Use target='all'."
            )
        joint = model._posterior.exact_joint()
        inverse = np.linalg.pinv(joint.rest, hermitian=True)
        mine = inverse[part][:, part]
        if first is not None:
            back = joint.cross @ inverse[:, part]
            carried = joint.cross @ inverse
            left = joint.own - carried @ joint.cross.transpose(0, 2, 1)
            mine = mine + np.einsum(
                "gap,gab,gbq->pq",
                back,
                np.linalg.pinv(left, hermitian=True),
                back,
                optimize=True,
            )
        size = factor.size
        blocks = np.stack(
            [
                mine[g * size : (g + 1) * size, g * size : (g + 1) * size]
                for g in range(factor.n_levels)
            ]
        )
        values, vectors = np.linalg.eigh(np.linalg.pinv(blocks, hermitian=True))
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        table = at_levels(factor, roots, design.n_outputs)
        codes = np.repeat(factor.codes, design.n_outputs)
        own.append(OwnTerms(factor.name, "known", codes, table))
    return LatentRows(np.zeros(n), np.zeros((n, 0)), tuple(own))


def _effects(
    model: Any, design: Design, new: dict[str, Ints], name: str, like: LatentRows
) -> tuple[LatentRows, Ints]:
    """Vectors of the effects of a factor's levels, for those that occur."""
    (factor,) = (factor for factor in design.factors if factor.name == name)
    codes = np.where(factor.codes < 0, new[name] + factor.n_levels, factor.codes)
    levels, whose = np.unique(codes, return_inverse=True)
    r = factor.z.shape[1]
    seen = np.where(levels < factor.n_levels, levels, -1)
    unit = replace(
        factor,
        codes=np.repeat(seen, r),
        z=np.tile(np.eye(r), (len(levels), 1)),
        unspanned=None,
        outside=None,
    )
    n_rows = len(unit.codes)
    nobody = np.full(n_rows, -1)
    others = (
        unit
        if other.name == name
        else replace(
            other,
            codes=nobody,
            z=np.zeros((n_rows, other.z.shape[1])),
            unspanned=None,
            outside=None,
        )
        for other in design.factors
    )
    alone = replace(
        design,
        n_rows=n_rows,
        fixed=DenseBlock(np.zeros((n_rows, design.fixed.n_columns))),
        ridge=None
        if design.ridge is None
        else DenseBlock(np.zeros((n_rows, design.ridge.n_columns))),
        factors=tuple(others),
        sets=None,
        offset=None,
    )
    fresh = {other.name: nobody for other in design.factors}
    fresh[name] = np.repeat(np.where(seen < 0, levels - factor.n_levels, -1), r)
    shared, terms, _ = latent_vectors(model, alone, fresh)
    values = sum(shared.values())
    table = np.zeros((n_rows * design.n_outputs, like.shared.shape[1]))
    table[:, : np.shape(values)[1]] = values
    own = [
        next((t for t in terms if _alike(t, wanted)), None) or _absent(wanted, table)
        for wanted in like.own
    ]
    place = model._posterior.factor_names.index(name)
    known = model._posterior.effects[place]
    mean = np.zeros((len(levels), known.shape[1]))
    at = levels < factor.n_levels
    mean[at] = known[levels[at]]
    rows = LatentRows(mean.ravel(), table, tuple(own))
    return rows, np.repeat(whose, design.n_outputs)


def _alike(left: OwnTerms, right: OwnTerms) -> bool:
    return left.factor == right.factor and left.kind == right.kind


def _absent(like: OwnTerms, table: Floats) -> OwnTerms:
    """Return terms of the same variables that no predictor has."""
    n = len(table)
    return replace(
        like, codes=np.full(n, -1), values=np.zeros((n, like.values.shape[1]))
    )


def _pad(sets: Ints) -> Ints:
    """Rows of each set as a table, filled with -1."""
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    place = np.arange(len(sets)) - np.repeat(starts, sizes)
    table = np.full((len(starts), int(sizes.max(initial=1))), -1, dtype=np.intp)
    table[np.repeat(np.arange(len(starts)), sizes), place] = np.arange(len(sets))
    return table
