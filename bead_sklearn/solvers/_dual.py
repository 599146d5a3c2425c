"""Normal equations with the effects of the first factor integrated out, row by row.

A level with the covariates Z, the rows T of the rest and the curvature W = V V' adds

    T'V E^-1 V'T,   E = I + V'Z G Z'V,   log|E|

to the Schur complement A of the rest and to log|H|: a matrix with one row per output
or alternative of its judgments takes the place of one with a row per effect (the
matrix inversion lemma; Henderson & Searle 1981, doi:10.1137/1023004). With F F' = E,
X = F^-1 V'T and B = Lambda A^-1 Lambda',

    P = F^-T (I - X B X') F^-1

is the block of the level in the inverse of the marginal covariance of V'(eta + noise);
log|H| has the derivative V P V' in Z G Z', and V'eta the posterior covariance I - P.
Participant-specific heads, hundreds of effects for tens of judgments, are much smaller
in this form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import blas, lapack

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._dual_rows import DualRows, dual_rows
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._schur import SchurComplement
from bead_sklearn.solvers._variances import Covariances

#: Fewest effects of a level for which the dual form is considered.
_FROM = 24


class DualEquations:
    """Factorised H for a given curvature and scales.

    Parameters
    ----------
    rows : DualRows
        Of the design.
    curvature : ndarray
        Weighted curvature, positive semidefinite.
    scales : Scales
        Prior scales.
    n_rest : int
        Number of columns of the rest that are unknowns.
    primal : callable
        Makes the equations with a row per effect, for their covariances.

    Raises
    ------
    LinAlgError
        If H is not positive definite.
    """

    def __init__(
        self,
        rows: DualRows,
        curvature: np.ndarray,
        scales: Scales,
        n_rest: int,
        primal: Callable[[], Factorization],
    ) -> None:
        self.design = rows.design
        self.scales = scales
        self._rows = rows
        self._primal = primal
        self._roots = rows.roots(curvature)
        self._effects = rows.effects(self._roots)
        self._scaled = rows.scaled(self._effects, scales.first)
        self._solved = rows.rest(self._roots, n_rest)
        self._lower: list[np.ndarray] = []
        self._log_det_own = 0.0
        for level in rows.levels:
            scaled = self._scaled[level]
            matrix = scaled @ scaled.T
            matrix[np.diag_indices(len(matrix))] += 1.0
            lower, info = lapack.dpotrf(matrix, lower=1, clean=1)
            if info:
                raise np.linalg.LinAlgError("H is indefinite")
            self._lower.append(lower)
            self._solved[level] = _divide(lower, self._solved[level])
            self._log_det_own += 2.0 * float(np.log(np.diagonal(lower)).sum())
        schur = self._solved.T @ self._solved
        self.schur = SchurComplement(self.design, schur, scales)
        self._precisions: dict[int, list[np.ndarray]] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        return self._log_det_own + self.schur.log_det(n_rest)

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`, which is exact."""
        return 0.0

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        rows, first, scale = self._rows, self._rows.first, self.scales.first
        eta = first.matvec(own @ scale.T)
        x = self._roots.times_transposed(rows.from_eta(eta))
        for level, lower in zip(rows.levels, self._lower, strict=True):
            x[level] = lapack.dtrtrs(lower, x[level], lower=1)[0]
        back = self.scales.rest(x @ self._solved, transpose=True)
        x_rest = self.schur.solve(rest - back)
        x += self._solved @ self.scales.rest(x_rest)
        for level, lower in zip(rows.levels, self._lower, strict=True):
            x[level] = lapack.dtrtrs(lower, x[level], lower=1, trans=1)[0]
        moved = first.rmatvec(rows.to_eta(self._roots.times(x)))
        return own - moved @ scale, x_rest

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        fixed = self.design.rest_slices[-1]
        return self.schur.inverse(self.design.n_rest)[1][fixed, fixed]

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return the covariance of eta in the layout of the curvature.

        Of choice sets that of differences to the last alternative.
        """
        precisions = self._find_precisions(n_rest)
        blocks = []
        counts, starts = self._rows.counts, [s.start for s in self._rows.levels]
        level_of = np.repeat(np.arange(len(counts)), counts)
        sizes = counts**2
        flat = np.concatenate([part.ravel() for part in precisions])
        offsets = np.cumsum(sizes) - sizes
        for rows, inverse in zip(self._roots.rows, self._roots.inverse, strict=True):
            levels = level_of[rows[:, 0]]
            at = rows - np.array(starts)[levels][:, None]
            width = counts[levels][:, None, None]
            place = offsets[levels][:, None, None] + at[:, :, None] * width
            own = np.eye(rows.shape[1]) - flat[place + at[:, None, :]]
            blocks.append(inverse.transpose(0, 2, 1) @ own @ inverse)
        return self._rows.like_curvature(self._roots, blocks)

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        W is held fixed. Of the eliminated factor only the entries that its L has.
        """
        structure = self._rows.first.structure
        entries = np.zeros(len(structure.rows))
        precisions = self._find_precisions(n_rest)
        for level, precision in zip(self._rows.levels, precisions, strict=True):
            right = precision @ self._scaled[level]
            left = self._effects[level]
            entries += np.einsum(
                "ne,ne->e", left[:, structure.rows], right[:, structure.columns]
            )
        gradient = np.zeros((structure.size, structure.size))
        gradient[structure.rows, structure.columns] = entries
        return [gradient, *self.schur.log_det_gradient(n_rest)]

    def covariances(self, n_rest: int) -> Covariances:
        """Return the inverse of H, in the unit of the effects."""
        return self._primal().covariances(n_rest)

    def _find_precisions(self, n_rest: int) -> list[np.ndarray]:
        """Return P of each level, kept."""
        if n_rest not in self._precisions:
            spread = self.schur.spread(self._solved, n_rest)
            self._precisions[n_rest] = [
                _precision(lower, spread[level])
                for level, lower in zip(self._rows.levels, self._lower, strict=True)
            ]
        return self._precisions[n_rest]


def _divide(lower: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return F^-1 x of a matrix in C order."""
    return blas.dtrsm(1.0, lower, x.T, side=1, lower=1, trans_a=1).T


def _precision(lower: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return F^-T (I - Y Y') F^-1."""
    inverse, _ = lapack.dtrtri(lower, lower=1)
    moved = spread.T @ inverse
    precision: np.ndarray = inverse.T @ inverse - moved.T @ moved
    return precision


def choose_dual(design: Design) -> DualRows | None:
    """Return the rows of dual equations where these are smaller than others."""
    first = design.eliminated
    if first is None or first.size < _FROM or not len(first.z):
        return None
    n_outputs, structure = design.n_outputs, first.structure
    is_block = structure.rows // n_outputs == structure.columns // n_outputs
    if n_outputs > 1 and not is_block.all():
        return None
    counts = np.bincount(first.codes, minlength=first.n_levels) * float(n_outputs)
    if design.sets is not None:
        starts = np.flatnonzero(np.diff(design.sets, prepend=-1))
        counts -= np.bincount(first.codes[starts], minlength=first.n_levels)
    if not counts.all():
        return None
    q, r, m = first.n_levels, float(first.size), float(design.n_rest)
    primal = q * r * (3 * r**2 + 4 * r * m + 3 * m**2)
    dual = (counts * (counts**2 + 3 * counts * (m + r) + 2 * m**2)).sum()
    return dual_rows(design) if dual < primal else None
