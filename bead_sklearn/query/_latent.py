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

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import Family
from bead_sklearn.query._members import wrapped
from bead_sklearn.solvers import DenseBlock, Design, Posterior, covariance_roots
from bead_sklearn.solvers._separate import SeparateCovariances
from bead_sklearn.solvers._variances import Covariances

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class OwnTerms:
    """What the predictors of one level of a factor share.

    Attributes
    ----------
    factor : str
        Name of the factor.
    kind : {"known", "new", "outside"}
        Whether these are effects of levels seen in fit, of new levels, or coefficients
        outside of the bases of the levels.
    codes : ndarray of shape (n,)
        Level of each predictor; -1 where it has no such term.
    values : ndarray of shape (n, r)
        Coefficients of the r standard normal variables of the level.
    """

    factor: str
    kind: str
    codes: Ints
    values: Floats

    def take(self, rows: Ints) -> OwnTerms:
        """Return the terms of some predictors."""
        return replace(self, codes=self.codes[rows], values=self.values[rows])

    def covariance(self, other: OwnTerms) -> Floats:
        """Return the part of the covariance, (n, n_other)."""
        same = (self.codes[:, None] == other.codes) & (other.codes >= 0)
        product: Floats = self.values @ other.values.T
        return np.where(same, product, 0.0)

    def weighted(self, weights: Floats, to: OwnTerms) -> Floats:
        """Return sum_t weights_t cov(t, a) for the predictors a of other terms."""
        n_levels = 1 + int(max(self.codes.max(initial=0), to.codes.max(initial=0)))
        known = self.codes >= 0
        sums = np.stack(
            [
                np.bincount(self.codes[known], weights[known] * column[known], n_levels)
                for column in self.values.T
            ],
            axis=1,
        )
        result: Floats = np.einsum("ij,ij->i", sums[to.codes], to.values)
        return np.where(to.codes >= 0, result, 0.0)


@dataclass(frozen=True)
class LatentRows:
    """Linear predictors as vectors of standard normal variables.

    Attributes
    ----------
    mean : ndarray of shape (n,)
        Posterior mean of each predictor.
    shared : ndarray of shape (n, k)
        Coefficients of the variables that all share.
    own : tuple of OwnTerms
        Terms of levels.
    """

    mean: Floats
    shared: Floats
    own: tuple[OwnTerms, ...]

    def __len__(self) -> int:
        """Count the predictors."""
        return len(self.mean)

    def take(self, rows: Ints) -> LatentRows:
        """Return some of the predictors."""
        own = tuple(terms.take(rows) for terms in self.own)
        return LatentRows(self.mean[rows], self.shared[rows], own)

    def variance(self) -> Floats:
        """Return the variance of each predictor."""
        total: Floats = np.einsum("ij,ij->i", self.shared, self.shared)
        for terms in self.own:
            squares = np.square(terms.values).sum(axis=1)
            total = total + np.where(terms.codes >= 0, squares, 0.0)
        return total

    def joined(self, *others: LatentRows) -> LatentRows:
        """Return these predictors and others, whose terms are of the same kinds."""
        every = (self, *others)
        own = tuple(
            replace(
                first,
                codes=np.concatenate([rows.own[k].codes for rows in every]),
                values=np.concatenate([rows.own[k].values for rows in every]),
            )
            for k, first in enumerate(self.own)
        )
        mean = np.concatenate([rows.mean for rows in every])
        return LatentRows(mean, np.concatenate([rows.shared for rows in every]), own)

    def covariance(self, other: LatentRows) -> Floats:
        """Return the covariances with other predictors, (n, n_other)."""
        total: Floats = self.shared @ other.shared.T
        for terms, others in zip(self.own, other.own, strict=True):
            total = total + terms.covariance(others)
        return total


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
    shared, terms, effects = _vectors(model, design, new)
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
        table = _at_levels(factor, roots, design.n_outputs)
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
    shared, terms, _ = _vectors(model, alone, fresh)
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


def at_last_step(estimator: Any, X: Any, *, transform: bool = True) -> tuple[Any, Any]:
    """Return the innermost estimator, and X as it reaches that estimator.

    Parameters
    ----------
    estimator : estimator
        A Pipeline, a search or a learner, or an estimator itself.
    X : array-like of shape (n_samples, ...)
        Rows.
    transform : bool, default=True
        Whether X goes through the steps of a Pipeline; otherwise it stays.
    """
    while True:
        if hasattr(estimator, "steps"):
            for _, step in estimator.steps[:-1] if transform else ():
                X = step.transform(X) if hasattr(step, "transform") else X
            estimator = estimator.steps[-1][1]
            continue
        inner = wrapped(estimator)
        if inner is None:
            return estimator, X
        estimator = inner


def participant_factors(model: Any, participant: str | None) -> tuple[str, ...]:
    """Return the factors of a fitted task model whose levels are participants."""
    names = [structure.name for structure in model._structures]
    by_source = {item.name: set(item.sources) for item in model._structures}
    if participant is not None:
        found = tuple(
            n for n in names if participant in by_source[n] or participant == n
        )
        if not found:
            raise ValueError(
                f"participant={participant!r} is no factor of the model. Its factors "
                f"are {names}."
            )
        return found
    given = set(model._group_factors)
    if given:
        return tuple(name for name in names if by_source[name] & given)
    if len(names) > 1:
        raise ValueError(
            f"The model has the factors {names}. Say which of them are the "
            "participants, for instance participant='participant'."
        )
    return tuple(names)


def _pad(sets: Ints) -> Ints:
    """Rows of each set as a table, filled with -1."""
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    place = np.arange(len(sets)) - np.repeat(starts, sizes)
    table = np.full((len(starts), int(sizes.max(initial=1))), -1, dtype=np.intp)
    table[np.repeat(np.arange(len(starts)), sizes), place] = np.arange(len(sets))
    return table


def _vectors(
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
        shared[factor.name] = _at_levels(factor, by_level, n_outputs)
    terms: list[OwnTerms] = []
    first = design.eliminated
    if first is not None:
        carried = joint.cross @ back
        left = joint.own - carried @ carried.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(left)
        own_root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        shared[first.name] = _at_levels(first, carried, n_outputs)
        terms.append(
            OwnTerms(
                first.name,
                "known",
                np.repeat(first.codes, n_outputs),
                _at_levels(first, own_root, n_outputs),
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


def _at_levels(factor: RandomFactor, by_level: Floats, n_outputs: int) -> Floats:
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
