"""Random effects of a fitted model: levels, covariates and covariance structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag

from bead_sklearn.effects._columns import (
    ALTERNATIVE,
    INTERCEPT,
    Covariates,
    TermColumns,
)
from bead_sklearn.effects._covariance import (
    CovarianceStructure,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    shared_covariance,
)
from bead_sklearn.effects._factor import RandomFactor
from bead_sklearn.effects._formula import FormulaTerm
from bead_sklearn.effects._heads import LevelBases, LevelMatrices, level_bases
from bead_sklearn.effects._mixed_effects import MixedEffects
from bead_sklearn.effects._outputs import EffectOutputs
from bead_sklearn.effects._prior import LevelPrior, level_prior
from bead_sklearn.inputs import encode_levels, match_levels

#: Participant-specific heads with more coefficients than this share one variance
#: instead of having a full covariance matrix.
MAX_FULL_COVARIANCE = 5


@dataclass(frozen=True)
class VaryingBlock:
    """Effects of one term of a formula.

    Attributes
    ----------
    intercept : bool
        Whether the intercept varies.
    columns : tuple of int
        Columns of the covariates whose coefficients vary.
    structure : CovarianceStructure
        How the effects of one level vary together.
    centers : ndarray of shape (n_columns,)
        What is subtracted from the covariates. A full covariance of intercept and
        slopes is the same model for any centres; the mean is the numerically best.
    bases : LevelBases or None
        Where set, the effects of the columns are those of coordinates in the basis of
        each level.
    """

    intercept: bool
    columns: tuple[int, ...]
    structure: CovarianceStructure
    centers: np.ndarray
    bases: LevelBases | None = None

    @property
    def n_effects(self) -> int:
        """Number of intercepts and coefficients that vary."""
        return int(self.intercept) + len(self.columns)

    def slopes(self, covariates: np.ndarray) -> np.ndarray:
        """Return the covariates whose coefficients vary, (n_rows, n_columns)."""
        return covariates[:, self.columns] - self.centers

    def z(self, covariates: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the covariates of the effects for rows of some levels, (n_rows, r)."""
        slopes = self.slopes(covariates)
        if self.bases is not None:
            slopes = self.bases.coordinates(slopes, codes)
        if not self.intercept:
            return slopes
        return np.column_stack([np.ones(len(covariates)), slopes])

    def to_columns(self) -> np.ndarray:
        """Return the matrix that turns effects into those of uncentred covariates."""
        matrix = np.eye(self.structure.size)
        if self.intercept and self.bases is None:
            matrix[0, 1:] = -self.centers
        return matrix


@dataclass(frozen=True)
class FactorStructure:
    """A grouping factor as it was fitted.

    Attributes
    ----------
    name : str
        Name of the factor, ``"a:b"`` for a combination.
    sources : tuple of str
        Names of the id columns it is made of.
    levels : ndarray of object
        Its levels; tuples for a combination.
    blocks : tuple of VaryingBlock
        What varies; a block with bases is the only one.
    column_names : tuple of str
        Names of the columns whose coefficients vary.
    prior : LevelPrior
        What is known beforehand about the effects of each level.
    outputs : EffectOutputs or None
        The linear predictors that each column has a coefficient for; None is a single
        one without a name.
    """

    name: str
    sources: tuple[str, ...]
    levels: np.ndarray
    blocks: tuple[VaryingBlock, ...]
    column_names: tuple[str, ...]
    prior: LevelPrior
    outputs: EffectOutputs | None = None

    @cached_property
    def structure(self) -> CovarianceStructure:
        """Covariance structure of the effects in the design."""
        base = block_covariance([block.structure for block in self.blocks])
        return base if self.outputs is None else self.outputs.structure(base)

    @property
    def n_outputs(self) -> int:
        """Number of linear predictors, J."""
        return 1 if self.outputs is None else self.outputs.size

    @cached_property
    def effect_names(self) -> tuple[str, ...]:
        """Names of all effects of a level, ordered by column, then by output."""
        if self.outputs is None:
            return self.column_names
        return self.outputs.name_effects(self.column_names)

    @property
    def bases(self) -> LevelBases | None:
        """Bases that the effects in the design belong to."""
        return self.blocks[0].bases

    def names_of(self, effects: np.ndarray) -> list[str]:
        """Return the names that effects in the design, given by position, stand for."""
        names = np.array(self.effect_names, dtype=object)
        if self.bases is None:
            return names[effects].tolist()
        named = names[effects[effects < self._other]].tolist()
        for output in np.unique(effects[effects >= self._other] % self.n_outputs):
            named += names[self._other + output :: self.n_outputs].tolist()
        return named

    @property
    def sizes(self) -> np.ndarray | None:
        """Number of effects in the design that each level has, (q,).

        None unless the effects are heads, whose coefficients share one variance.
        """
        structure = self.structure
        independent = bool((structure.rows == structure.columns).all())
        if not independent or structure.n_parameters == structure.size:
            return None
        if self.bases is None:
            return np.full(len(self.levels), structure.size)
        return self._other + self.n_outputs * self.bases.counts

    @property
    def _other(self) -> int:
        """Number of effects in the design before those that belong to bases."""
        n_bases = 0 if self.bases is None else self.bases.size
        return self.structure.size - self.n_outputs * n_bases

    def to_columns(self) -> np.ndarray:
        """Return the matrix that turns effects into those of uncentred covariates."""
        matrix = block_diag(*(block.to_columns() for block in self.blocks))
        return np.kron(matrix, np.eye(self.n_outputs))

    def population(self, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the variances of the effects of columns, and G if they covary.

        Parameters
        ----------
        prior : ndarray of shape (r, r)
            G of the effects in the design.
        """
        if self.bases is not None:
            variances = np.diagonal(prior)
            n_slopes = len(self.effect_names) // self.n_outputs - (
                self._other // self.n_outputs
            )
            slopes = np.tile(variances[-self.n_outputs :], n_slopes)
            return np.append(variances[: self._other], slopes), None
        matrix = self.to_columns()
        covariance = matrix @ prior @ matrix.T
        structure = self.structure
        independent = bool((structure.rows == structure.columns).all())
        return np.diagonal(covariance).copy(), None if independent else covariance

    def modes(self, fitted: np.ndarray) -> np.ndarray:
        """Return the effects of each level's columns from those in the design.

        Parameters
        ----------
        fitted : ndarray of shape (q, r)
            Effects in the design, as deviations in the unit of each level.
        """
        if self.bases is None:
            return self.prior.effects(fitted @ self.to_columns().T)
        other, slopes = fitted[:, : self._other], fitted[:, self._other :]
        by_output = [
            self.bases.coefficients(slopes[:, j :: self.n_outputs])
            for j in range(self.n_outputs)
        ]
        slopes = np.stack(by_output, axis=2).reshape(len(fitted), -1)
        return self.prior.effects(np.hstack([other, slopes]))

    def variances(self, fitted: LevelMatrices, prior: np.ndarray) -> np.ndarray:
        """Return the variances of the effects of each level's columns.

        Parameters
        ----------
        fitted : ndarray of shape (q, r, r) or LevelMatrices
            Covariances of the effects in the design.
        prior : ndarray of shape (r, r)
            G of these effects.

        Returns
        -------
        variances : ndarray of shape (q, n_effects)
            In the order of ``effect_names``.
        """
        if isinstance(fitted, np.ndarray) and self.bases is None:
            matrix = self.to_columns()
            standard = np.einsum("gab,ab->ga", matrix @ fitted, matrix)
        else:
            standard = np.stack(
                [
                    self._level_variances(level, own, prior)
                    for level, own in enumerate(fitted)
                ]
            )
        return self.prior.variances(standard)

    def _level_variances(
        self, level: int, fitted: np.ndarray, prior: np.ndarray
    ) -> np.ndarray:
        """Variances of the effects of columns of one level, in its unit."""
        if self.bases is None:  # heads are not centred
            return np.diagonal(fitted)
        own, n_outputs = fitted[self._other :, self._other :], self.n_outputs
        variances = np.diagonal(prior)[-n_outputs:]
        slopes = [
            self.bases.variances(level, own[j::n_outputs, j::n_outputs], variances[j])
            for j in range(n_outputs)
        ]
        return np.append(
            np.diagonal(fitted)[: self._other], np.stack(slopes, axis=1).ravel()
        )

    def covariances(self, fitted: LevelMatrices, prior: np.ndarray) -> np.ndarray:
        """Return the covariances of the effects of each level's columns.

        Parameters
        ----------
        fitted : ndarray of shape (q, r, r) or LevelMatrices
            Covariances of the effects in the design.
        prior : ndarray of shape (r, r)
            G of these effects.

        Returns
        -------
        covariances : ndarray of shape (q, n_effects, n_effects)
            In the order of ``effect_names``.
        """
        if isinstance(fitted, np.ndarray) and self.bases is None:
            matrix = self.to_columns()
            return self.prior.variances(matrix @ fitted @ matrix.T)
        levels = enumerate(fitted)
        return np.stack([self.covariance(level, own, prior) for level, own in levels])

    def covariance(
        self, level: int, fitted: np.ndarray, prior: np.ndarray
    ) -> np.ndarray:
        """Return the covariance of the effects of one level's columns.

        Parameters
        ----------
        level : int
            Position of the level.
        fitted, prior : ndarray of shape (r, r)
            Covariance of the effects of this level in the design, and G.

        Returns
        -------
        covariance : ndarray of shape (n_effects, n_effects)
            In the order of ``effect_names``.
        """
        matrix = self.to_columns()
        outside = np.zeros_like(fitted)
        if self.bases is not None:
            basis, n_other = self.bases.basis(level), self._other
            n_outputs = self.n_outputs
            present = slice(n_other + n_outputs * len(basis))
            fitted = fitted[present, present]
            matrix = block_diag(np.eye(n_other), np.kron(basis.T, np.eye(n_outputs)))
            left = np.kron(
                np.eye(basis.shape[1]) - basis.T @ basis,
                prior[-n_outputs:, -n_outputs:],
            )
            outside = block_diag(np.zeros((n_other, n_other)), left)
        standard = matrix @ fitted @ matrix.T + outside
        return self.prior.variances(standard, level)

    def prior_offset(self, covariates: np.ndarray) -> np.ndarray:
        """Return what effects at their prior mean add to each row."""
        total = np.zeros(len(covariates))
        for block in self.blocks:
            total += block.intercept + covariates[:, block.columns].sum(axis=1)
        return np.repeat(self.prior.mean * total, self.n_outputs)

    def factor(
        self,
        ids: Mapping[str, np.ndarray],
        covariates: np.ndarray,
        *,
        fitting: bool = False,
        outside: bool = False,
    ) -> RandomFactor:
        """Return the random effects of rows; ids not given are unknown.

        In prediction levels with too few judgments are unknown too. With ``outside``
        the factor knows what the basis of its level leaves of each row.
        """
        if all(source in ids for source in self.sources):
            codes = match_levels(self.levels, combine_ids(ids, self.sources))
        else:
            codes = np.full(len(covariates), -1)
        if not fitting:
            codes = self.prior.known_codes(codes)
        z = np.column_stack([block.z(covariates, codes) for block in self.blocks])
        factor = RandomFactor(
            name=self.name,
            codes=codes,
            n_levels=len(self.levels),
            z=self.prior.scale(z, codes),
            structure=self.structure,
            effect_names=self.effect_names,
            sizes=self.sizes,
        )
        if self.bases is None or fitting:
            return factor
        rows, coordinates = self.blocks[0].slopes(covariates), z[:, -self.bases.size :]
        lengths = np.sqrt(self.bases.unspanned(rows, coordinates))
        scaled = self.prior.scale(lengths[:, None], codes)[:, 0]
        factor = replace(factor, unspanned=scaled**2)
        if not outside:
            return factor
        left = self.bases.outside(rows, codes, coordinates)
        return replace(factor, outside=self.prior.scale(left, codes))


def combine_ids(ids: Mapping[str, np.ndarray], sources: tuple[str, ...]) -> np.ndarray:
    """Return the ids of one factor, or tuples of ids for a combination."""
    if len(sources) == 1:
        return ids[sources[0]]
    combined = np.empty(len(ids[sources[0]]), dtype=object)
    combined[:] = list(zip(*(ids[source] for source in sources), strict=True))
    return combined


def build_structures(
    terms: list[FormulaTerm],
    ids: Mapping[str, np.ndarray],
    covariates: Covariates,
    weights: np.ndarray,
    *,
    mixed_effects: MixedEffects,
    rotation_invariant: bool,
    outputs: EffectOutputs | None = None,
) -> list[FactorStructure]:
    """Learn the levels and structures of all factors.

    Parameters
    ----------
    terms : list of FormulaTerm
        What varies by which factor; terms of the same factor are joined.
    ids : mapping of str to ndarray of shape (n_rows,)
        Ids by name.
    covariates : Covariates
        Columns that terms may refer to.
    weights : ndarray of shape (n_rows,)
        Row weights.
    mixed_effects : MixedEffects
        Prior of the effects. Where variances are held rather than estimated,
        covariates are not centred, which would change the model.
    rotation_invariant : bool
        Whether the covariates are features without meaning of their own, whose
        coefficients share one variance.
    outputs : EffectOutputs, default=None
        The linear predictors of a row, if it has several.

    Raises
    ------
    ValueError
        If a term names a factor or covariate that is not there.
    """
    center = mixed_effects.estimates_variances
    by_factor: dict[tuple[str, ...], list[FormulaTerm]] = {}
    for term in terms:
        by_factor.setdefault(term.factor, []).append(term)
    structures = []
    for sources, factor_terms in by_factor.items():
        missing = [source for source in sources if source not in ids]
        if missing:
            raise ValueError(
                f"The random-effects formula names the grouping factor {missing[0]!r}, "
                f"which is neither a column of X nor of groups. Known factors: "
                f"{sorted(ids)}."
            )
        levels, codes = encode_levels(combine_ids(ids, sources))
        times = _judgment_weights(covariates, weights, sources)
        blocks, names = [], []
        for term in factor_terms:
            found = covariates.find(term)
            columns = found.columns
            slopes = covariates.values[:, columns]
            many = len(term.slopes) > MAX_FULL_COVARIANCE
            shared = term.shared or (rotation_invariant and many)
            centers = np.zeros(len(columns))
            if center and found.intercept and term.correlated and not shared:
                centers = np.average(slopes, axis=0, weights=weights)
            alone = len(factor_terms) == 1
            wide = shared and alone and not term.shared
            bases = level_bases(slopes, codes) if wide else None
            structure = _structure(
                term, found, slopes - centers, weights, shared, bases
            )
            blocks.append(
                VaryingBlock(found.intercept, columns, structure, centers, bases)
            )
            names += [INTERCEPT] * found.intercept
            names += [covariates.names[column] for column in columns]
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise ValueError(
                f"The random-effects formula has {duplicates[0]!r} twice for the "
                f"factor {':'.join(sources)!r}. A term has an intercept unless it "
                "begins with 0 +."
            )
        structures.append(
            FactorStructure(
                name=":".join(sources),
                sources=sources,
                levels=levels,
                blocks=tuple(blocks),
                column_names=tuple(names),
                prior=level_prior(mixed_effects, codes, times),
                outputs=outputs,
            )
        )
    return structures


def _judgment_weights(
    covariates: Covariates, weights: np.ndarray, sources: tuple[str, ...]
) -> np.ndarray:
    """Weights of rows that sum to those of the judgments of a level."""
    if covariates.shares is None or sources == (ALTERNATIVE,):
        return weights
    return weights * covariates.shares


def _structure(
    term: FormulaTerm,
    found: TermColumns,
    slopes: np.ndarray,
    weights: np.ndarray,
    shared_variance: bool,
    bases: LevelBases | None,
) -> CovarianceStructure:
    """Covariance structure of one term, its parameters in comparable units."""
    mean_squares = np.average(slopes**2, axis=0, weights=weights)
    sizes = np.sqrt(np.where(mean_squares > 0, mean_squares, 1.0))
    if shared_variance:
        n_effects = len(sizes) if bases is None else bases.size
        shared = np.full(n_effects, 1.0 / np.sqrt((sizes**2).sum()))
        parameters = np.full(n_effects, int(found.intercept))
        if not found.intercept:
            return shared_covariance(parameters, shared)
        return shared_covariance(np.append(0, parameters), np.append(1.0, shared))
    covariance = full_covariance if term.correlated else diagonal_covariance
    if found.alternatives is not None:
        # Each effect has a column for each alternative, in one unit.
        by_effect = sizes.reshape(-1, found.alternatives.size)
        base = covariance(1.0 / np.sqrt((by_effect**2).mean(axis=1)))
        return found.alternatives.structure(base)
    scales = 1.0 / sizes
    if found.intercept:
        scales = np.append(1.0, scales)
    return covariance(scales)
