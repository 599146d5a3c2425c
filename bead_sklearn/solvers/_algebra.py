"""The normal equations as objectives see them, and who solves them.

An objective asks for a log-determinant, solutions, variances and gradients; whether
they come from a dense factorisation, a sparse one or iterations is chosen here.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np

from bead_sklearn.effects import LevelMatrices
from bead_sklearn.solvers._crossproducts import Crossproducts, Products
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._iterative import IterativeAlgebra
from bead_sklearn.solvers._levelwise_factorization import LevelwiseFactorization
from bead_sklearn.solvers._levelwise_products import (
    LevelwiseCrossproducts,
    LevelwiseProducts,
)
from bead_sklearn.solvers._probes import IterativeOptions
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._sparse_crossproducts import (
    SparseCrossproducts,
    SparseProducts,
    large_factors,
)
from bead_sklearn.solvers._sparse_factorization import SparseFactorization

#: Elements of the cross-products of the first factor with the large factors of the
#: rest below which dense products are fastest whatever their pattern.
_SMALL_CROSS = 20_000

#: Number of effects of large factors in the rest from which solutions are iterated.
_ITERATE_FROM = 1_500

_KINDS = ("auto", "dense", "sparse", "iterative")

#: Share of these elements that are not zero up to which sparse products pay.
_SPARSE_UP_TO = 0.06


class EffectCovariances(Protocol):
    """Covariance of all effects given the responses."""

    @property
    def side(self) -> int:
        """Side of the largest dense matrix in use."""

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; unknown levels add nothing."""

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest, (n, size, size)."""

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the last ``n_fixed`` columns of the rest."""

    @property
    def own(self) -> LevelMatrices:
        """Covariance of the effects of each level of the first factor, (q, r, r)."""


class NormalEquations(Protocol):
    """H = [[D, C], [C', S]] for given row weights and scales, ready to be solved.

    ``n_rest`` is the number of columns of the rest that are unknowns: all, or all but
    the fixed part.
    """

    @property
    def scales(self) -> Scales:
        """Prior scales."""

    def log_det(self, n_rest: int) -> float:
        """Return log|H|."""

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`; 0 where it is exact."""

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return Var(eta_i) of the rows of the fitted design."""

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau."""

    def covariances(self, n_rest: int) -> EffectCovariances:
        """Return the inverse of H, in the unit of the effects."""


class LinearAlgebra(Protocol):
    """Makes normal equations of one design from row weights and scales.

    Attributes
    ----------
    is_exact : bool
        Whether log-determinants and gradients are exact rather than estimated.
    side : int
        Side of the largest dense matrix in use.
    """

    is_exact: bool
    side: int

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> Any:
        """Return the cross-products under ``weights``, without the fixed part or with.

        What they are is between this method and :meth:`factorize`.
        """

    def factorize(self, products: Any, scales: Scales) -> NormalEquations:
        """Return the normal equations.

        Raises
        ------
        LinAlgError
            If H is not positive definite.
        """


class DenseAlgebra:
    """Exact, with dense cross-products.

    Parameters
    ----------
    design : Design
        The linear predictor.
    """

    is_exact = True

    def __init__(self, design: Design) -> None:
        self._design = design
        self.side = design.n_rest

    @cached_property
    def _crossproducts(self) -> Crossproducts:
        return Crossproducts(self._design)

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> Products:
        """Return the cross-products; see `Crossproducts.compute`."""
        return self._crossproducts.compute(weights, with_fixed=with_fixed)

    def factorize(self, products: Products, scales: Scales) -> Factorization:
        """Return the factorised normal equations."""
        return Factorization(self._design, products, scales)


class SparseAlgebra:
    """Exact, with cross-products stored where levels meet.

    Parameters
    ----------
    design : Design
        The linear predictor, with at least one factor.
    """

    is_exact = True

    def __init__(self, design: Design) -> None:
        self.side = design.n_rest
        self._crossproducts = SparseCrossproducts(design)

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> SparseProducts:
        """Return the cross-products; see `SparseCrossproducts.compute`."""
        return self._crossproducts.compute(weights, with_fixed=with_fixed)

    def factorize(
        self, products: SparseProducts, scales: Scales
    ) -> SparseFactorization:
        """Return the factorised normal equations."""
        return SparseFactorization(self._crossproducts, products, scales)


class LevelwiseAlgebra:
    """Exact, for a first factor whose levels have as many effects as they tell of.

    Parameters
    ----------
    design : Design
        The linear predictor. The first factor knows the ``sizes`` of its levels, and
        its effects are independent in the population.
    """

    is_exact = True

    def __init__(self, design: Design) -> None:
        self.side = design.n_rest
        self._crossproducts = LevelwiseCrossproducts(design)

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> LevelwiseProducts:
        """Return the cross-products; see `LevelwiseCrossproducts.compute`."""
        return self._crossproducts.compute(weights, with_fixed=with_fixed)

    def factorize(
        self, products: LevelwiseProducts, scales: Scales
    ) -> LevelwiseFactorization:
        """Return the factorised normal equations."""
        return LevelwiseFactorization(self._crossproducts, products, scales)


def choose_algebra(
    design: Design,
    kind: str = "auto",
    options: IterativeOptions = IterativeOptions(),  # noqa: B008 - it is frozen
) -> LinearAlgebra:
    """Return who solves the normal equations of a design.

    Parameters
    ----------
    design : Design
        The linear predictor.
    kind : {"auto", "dense", "sparse", "iterative"}, default="auto"
        "dense" and "sparse" factorise the Schur complement, and differ in how they
        keep cross-products only; "iterative" does not. "auto" iterates from
        1,500 effects of large factors in the rest on, and is exact below. Where there
        is nothing to be sparse about, or to iterate over, all are "dense": with fewer
        than two factors, or if only the eliminated one is large; and for several
        outputs per row, and choice sets. Where the levels of the eliminated factor
        have ``sizes`` of their own, "dense" keeps to these.
    options : IterativeOptions
        For iterations.

    Raises
    ------
    ValueError
        If ``kind`` is not one of these.
    """
    if kind not in _KINDS:
        raise ValueError(
            f"linear_algebra must be one of {', '.join(map(repr, _KINDS))}. "
            f"Got {kind!r}."
        )
    if design.n_outputs > 1 or design.sets is not None:
        return DenseAlgebra(design)
    n_sparse = sum(factor.n_effects for factor in large_factors(design))
    if kind == "dense" or not n_sparse:
        first = design.eliminated
        if first is not None and first.sizes is not None:
            return LevelwiseAlgebra(design)
        return DenseAlgebra(design)
    if kind == "iterative" or (kind == "auto" and n_sparse > _ITERATE_FROM):
        return IterativeAlgebra(design, options)
    if kind == "sparse" or is_sparse(design):
        return SparseAlgebra(design)
    return DenseAlgebra(design)


def is_sparse(design: Design) -> bool:
    """Whether the levels of the first factor meet few of those of the others."""
    first, large = design.eliminated, large_factors(design)
    if first is None or not large:
        return False
    n_elements = first.n_levels * sum(factor.n_effects for factor in large)
    # No pair of levels meets in more rows than there are.
    at_most = design.n_rows * sum(factor.size for factor in large)
    if at_most <= _SPARSE_UP_TO * n_elements:
        return n_elements > _SMALL_CROSS
    if n_elements <= _SMALL_CROSS:
        return False
    n_entries = 0
    for factor in large:
        keys = first.codes.astype(np.int64) * factor.n_levels + factor.codes
        n_entries += factor.size * len(np.unique(keys))
    return n_entries <= _SPARSE_UP_TO * n_elements
