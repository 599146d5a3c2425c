"""Penalised normal equations solved by conjugate gradients.

For crossed factors that both have thousands of levels. The eliminated factor is exact;
log|A| of the Schur complement A comes from stochastic Lanczos quadrature, traces and
variances from A^-1 = E[x w'] with x = A^-1 z, w = P^-1 z and random z of covariance P
(Gardner, Pleiss, Bindel, Weinberger & Wilson 2018, arXiv:1809.11165). The random
numbers are the same at every evaluation, so that an optimizer sees a smooth function.
What can be computed exactly is not estimated: log|P|, the trace of P^-1 A, the part of
each variance that the diagonal blocks of A give.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import linalg

from bead_sklearn.solvers._block_diagonal import BlockDiagonal
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._krylov import conjugate_gradients
from bead_sklearn.solvers._preconditioned import Preconditioned, far_directions
from bead_sklearn.solvers._probed_covariances import (
    ProbedCovariances,
    ProbedVariances,
    Vectors,
)
from bead_sklearn.solvers._probes import (
    InverseEstimate,
    IterativeOptions,
    estimate_inverse,
)
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._sparse_block import SparseBlock
from bead_sklearn.solvers._sparse_crossproducts import (
    DENSE_UP_TO,
    SparseCrossproducts,
    SparseProducts,
    cross_matvec,
    cross_rmatvec,
)
from bead_sklearn.solvers._variances import level_blocks

#: Up to this many dense columns are eliminated exactly, by one solution for each.
_ELIMINATE_UP_TO = 512

#: Relative residual of these solutions, whose error counts squared.
_ELIMINATE_TOL = 1e-6

#: Relative residual that a search for negative curvature goes down to.
_CHECK_TOL = 1e-6

#: How many times more probes there are behind the variances of single levels.
_MORE_ROUNDS = 3


class IterativeFactorization:
    """H for given row weights and scales, solved by iterations.

    Parameters
    ----------
    algebra : IterativeAlgebra
        Of the design.
    products : SparseProducts
        The cross-products under the row weights.
    scales : Scales
        Prior scales.
    """

    def __init__(
        self, algebra: IterativeAlgebra, products: SparseProducts, scales: Scales
    ) -> None:
        self.design = algebra.crossproducts.design
        self.scales = scales
        self._algebra = algebra
        self._pattern = algebra.crossproducts.pattern
        self._products = products
        self._block = SparseBlock(algebra.crossproducts, products, scales)
        self._systems: dict[int, Preconditioned] = {}
        self._estimates: dict[int, InverseEstimate] = {}

    def system(self, n_rest: int) -> Preconditioned:
        """Return the preconditioned A of the first ``n_rest`` columns."""
        if n_rest not in self._systems:
            n_dense = n_rest - self._pattern.n_columns
            directions = self._algebra.directions(self._block, n_dense)
            self._systems[n_rest] = Preconditioned(self._block, n_dense, directions)
        return self._systems[n_rest]

    def estimate(self, n_rest: int) -> InverseEstimate:
        """Return what random vectors say about A of the first ``n_rest`` columns.

        A few dense columns are eliminated exactly instead.
        """
        if n_rest not in self._estimates:
            n_sparse = self._pattern.n_columns
            if n_sparse < n_rest <= n_sparse + _ELIMINATE_UP_TO:
                estimate = self._eliminate_dense(n_rest)
            else:
                estimate = estimate_inverse(
                    self.system(n_rest), self._algebra.signs, self._algebra.options
                )
            self._estimates[n_rest] = estimate
        return self._estimates[n_rest]

    def _eliminate_dense(self, n_rest: int) -> InverseEstimate:
        """Return the estimate for A from that for A_ff and exact dense columns."""
        n, block = self._pattern.n_columns, self._block
        sparse_only = self.estimate(n)
        beside = block.from_standard.T @ block.beside[:, : n_rest - n]
        tol = min(_ELIMINATE_TOL, self._algebra.options.tol)
        solved = self._solve_rest(beside, tol)
        schur = block.dense[: n_rest - n, : n_rest - n] - beside.T @ solved
        lower = np.linalg.cholesky(schur)
        exact = np.vstack([-solved, np.eye(n_rest - n)])
        exact = linalg.solve_triangular(lower, exact.T, lower=True).T
        return sparse_only.with_columns(
            exact, 2.0 * float(np.log(np.diagonal(lower)).sum())
        )

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        return self._block.own.log_det + self.estimate(n_rest).log_det

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det` from the random vectors."""
        return self.estimate(n_rest).error

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        pattern, products, scales = self._pattern, self._products, self.scales
        eliminated = self._block.own
        partial = eliminated.inverse @ own[:, :, None]
        back = cross_rmatvec(pattern, products, scales.first @ partial, len(rest))
        right = rest - scales.rest(back, transpose=True)[:, 0]
        x_rest = self._solve_rest(right[:, None], self._algebra.options.solve_tol)
        forward = cross_matvec(pattern, products, scales.rest(x_rest))
        x_own = partial - eliminated.solved @ forward
        return x_own[:, :, 0], x_rest[:, 0]

    def check_definite(self) -> None:
        """Raise a LinAlgError if a direction of negative curvature is met."""
        right = np.random.default_rng(self._algebra.options.seed)
        m = self._pattern.n_columns + self._products.dense.shape[0]
        self._solve_rest(right.normal(size=(m, 1)), _CHECK_TOL)

    def _solve_rest(self, right: np.ndarray, tol: float) -> np.ndarray:
        """Solve A x = b for each column."""
        system = self.system(len(right))
        solution = conjugate_gradients(
            system.multiply,
            system.from_right(right),
            tol=tol,
            max_iter=self._algebra.options.max_iter,
        )
        return system.to_standard(solution.x)

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        See `Factorization.log_det_gradient`.
        """
        design, products, eliminated = self.design, self._products, self._block.own
        x, w = self.estimate(n_rest).products()
        left, right = self.scales.rest(x), self.scales.rest(w)
        cross_left = cross_matvec(self._pattern, products, left)
        cross_right = cross_matvec(self._pattern, products, right)
        known = eliminated.root.transpose(0, 2, 1) @ eliminated.root
        direct = products.own @ self.scales.first @ eliminated.inverse
        grams = cross_left @ cross_right.transpose(0, 2, 1)
        lacking = np.eye(len(self.scales.first)) - products.own @ known
        through = lacking @ grams @ eliminated.solved.transpose(0, 2, 1)
        gradients = [(direct - through).sum(axis=0)]
        image = self._rest_products(left) - cross_rmatvec(
            self._pattern, products, known @ cross_left, n_rest
        )
        *factor_slices, ridge, _ = design.rest_slices
        for factor, part in zip(design.rest_factors, factor_slices, strict=True):
            shape = (factor.n_levels, factor.size, -1)
            dots = np.einsum(
                "jat,jbt->ab",
                image[part].reshape(shape),
                w[part].reshape(shape),
                optimize=True,
            )
            gradients.append(dots)
        if design.ridge is not None:
            dots = np.einsum("jt,jt->", image[ridge], w[ridge])
            gradients.append(np.array([[dots]]))
        return gradients

    def _rest_products(self, x: np.ndarray) -> np.ndarray:
        """T'WT times x (n_rest, t)."""
        products, n = self._products, self._pattern.n_columns
        n_dense = len(x) - n
        result = np.empty_like(x)
        result[:n] = BlockDiagonal(products.blocks) @ x[:n]
        result[:n] += products.sparse_dense[:, :n_dense] @ x[n:]
        result[n:] = products.sparse_dense[:, :n_dense].T @ x[:n]
        result[n:] += products.dense[:n_dense, :n_dense] @ x[n:]
        slices = self.design.rest_slices
        for (k, j), between in products.between.items():
            result[slices[k]] += between @ x[slices[j]]
            result[slices[j]] += between.T @ x[slices[k]]
        return result

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return Var(eta_i) of the rows of the fitted design."""
        return self._variances(self.estimate(n_rest)).rows(self.design)

    def _variances(self, estimate: InverseEstimate) -> ProbedVariances:
        """Variances from an estimate of A^-1."""
        block = self._block
        return ProbedVariances(
            known=block.own.root.transpose(0, 2, 1) @ block.own.root,
            root=block.own.root,
            quadratic=block.quadratic,
            blocks=block.to_effects.blocks,
            left=self._vectors(estimate.left),
            right=self._vectors(estimate.right),
            plain=self._vectors(estimate.plain),
            exact=self._vectors(np.hstack([estimate.exact, estimate.shifts])),
            exact_weights=np.append(
                np.ones(estimate.exact.shape[1]), estimate.shift_weights
            ).astype(np.float32),
        )

    def _vectors(self, standard: np.ndarray) -> Vectors:
        """Effects of all factors from standardised ones of the rest."""
        eliminated = self._block.own
        effects = self.scales.rest(standard)
        cross = cross_matvec(self._pattern, self._products, effects)
        own = -eliminated.root.transpose(0, 2, 1) @ (eliminated.root @ cross)
        return Vectors(own.astype(np.float32), effects.astype(np.float32))

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        n_rest, n_fixed = self.design.n_rest, self.design.n_fixed
        return self._last_columns(n_rest, n_fixed)[n_rest - n_fixed :]

    def _last_columns(self, n_rest: int, n_columns: int) -> np.ndarray:
        """Return the last columns of A^-1, A over the first ``n_rest`` columns."""
        right = np.zeros((n_rest, n_columns))
        right[n_rest - n_columns :] = np.eye(n_columns)
        return self._solve_rest(right, self._algebra.options.solve_tol)

    def covariances(self, n_rest: int) -> ProbedCovariances:
        """Return the inverse of H, in the unit of the effects.

        What belongs to dense columns is exact to the tolerance of the iterations.
        """
        design, n = self.design, self._pattern.n_columns
        inverse = self._last_columns(n_rest, n_rest - n)
        lower = np.linalg.cholesky(inverse[n:])
        exact = linalg.solve_triangular(lower, inverse.T, lower=True).T
        variances = self._variances(self.estimate(n).with_columns(exact, 0.0))
        own, sparse_rest = self._level_blocks(variances, exact)
        rest = []
        for factor, part, scale in zip(
            design.rest_factors,
            design.rest_slices,
            self.scales.factors[1:],
            strict=False,
        ):
            if part.start >= n:
                blocks = level_blocks(
                    inverse[n:], part.start - n, factor.n_levels, factor.size
                )
                rest.append(scale @ blocks @ scale.T)
        n_fixed = design.n_fixed if n_rest == design.n_rest else 0
        fixed = inverse[n_rest - n_fixed :, inverse.shape[1] - n_fixed :]
        return ProbedCovariances(variances, own, [*sparse_rest, *rest], fixed)

    def _level_blocks(
        self, variances: ProbedVariances, exact: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Covariances of the effects of each level of the large factors.

        They rest on more probes than are kept.
        """
        parts = list(zip(self._pattern.others, self.design.rest_slices, strict=False))
        own, rest = [], []
        n = self._pattern.n_columns
        signs = [self._algebra.signs, *self._algebra.more_signs(_MORE_ROUNDS)]
        for index, some in enumerate(signs):
            if index > 0:
                estimate = estimate_inverse(self.system(n), some, self._algebra.options)
                variances = self._variances(estimate.with_columns(exact, 0.0))
            without_mean = self._block.without_mean(some[:n])
            own.append(variances.own_blocks())
            rest.append(
                [
                    variances.level_blocks(part, factor.n_levels, without_mean)
                    for factor, part in parts
                ]
            )
        return np.mean(own, axis=0), [
            np.mean(found, axis=0) for found in zip(*rest, strict=True)
        ]


class IterativeAlgebra:
    """Normal equations solved by iterations.

    Parameters
    ----------
    design : Design
        The linear predictor, with a large factor beside the eliminated one.
    options : IterativeOptions
        Probes and tolerances.
    dense_up_to : int, default=DENSE_UP_TO
        Number of effects up to which a factor of the rest is a dense column.

    Attributes
    ----------
    crossproducts : SparseCrossproducts
        Of the design.
    signs : ndarray of shape (n_rest, n_probes)
        Random signs, the same for every evaluation.
    side : int
        Side of the largest dense matrix in use.
    """

    is_exact = False

    def __init__(
        self,
        design: Design,
        options: IterativeOptions,
        dense_up_to: int = DENSE_UP_TO,
    ) -> None:
        self.options = options
        self.crossproducts = SparseCrossproducts(design, dense_up_to)
        self.side = design.n_rest - self.crossproducts.pattern.n_columns
        [self.signs] = self._draw(np.random.default_rng(options.seed), 1)
        self._directions: np.ndarray | None = None

    def compute(
        self, weights: np.ndarray, *, with_fixed: bool
    ) -> tuple[SparseProducts, bool]:
        """Return the cross-products, and whether no weight is negative."""
        products = self.crossproducts.compute(weights, with_fixed=with_fixed)
        return products, not (weights < 0).any()

    def factorize(
        self, products: tuple[SparseProducts, bool], scales: Scales
    ) -> IterativeFactorization:
        """Return the normal equations.

        Raises
        ------
        LinAlgError
            If H is found not to be positive definite.
        """
        cross_products, is_concave = products
        equations = IterativeFactorization(self, cross_products, scales)
        if not is_concave:
            equations.check_definite()
        return equations

    def directions(self, block: SparseBlock, n_dense: int) -> np.ndarray:
        """Return the directions that the preconditioner puts right.

        These are the constants over the levels of each effect, and what a search at
        the first evaluation finds beside them.
        """
        if self._directions is None:
            constants = self._constants()
            system = Preconditioned(block, n_dense, constants)
            found = far_directions(system, self.options.seed)
            self._directions = np.hstack([constants, found])
        return self._directions

    def more_signs(self, n_rounds: int) -> Iterator[np.ndarray]:
        """Draw signs besides :attr:`signs`."""
        return self._draw(np.random.default_rng([self.options.seed, 1]), n_rounds)

    def _draw(self, rng: np.random.Generator, n_rounds: int) -> Iterator[np.ndarray]:
        shape = self.crossproducts.design.n_rest, self.options.n_probes
        for _ in range(n_rounds):
            yield rng.choice([-1.0, 1.0], size=shape)

    def _constants(self) -> np.ndarray:
        factors = self.crossproducts.large
        columns = np.zeros(
            (
                self.crossproducts.pattern.n_columns,
                sum(factor.size for factor in factors),
            )
        )
        row = column = 0
        for factor in factors:
            part = slice(row, row + factor.n_effects)
            columns[part, column : column + factor.size] = np.tile(
                np.eye(factor.size), (factor.n_levels, 1)
            )
            row, column = row + factor.n_effects, column + factor.size
        return columns
