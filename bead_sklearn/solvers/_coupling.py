"""How the curvature of the log-likelihood ties the entries of eta together.

Most families have one eta per row and a curvature per row. Others have several
outputs per row, tied or not, or rows that compete within a set. All that the solvers
need is here: cross-products G'WG, products W x, and the covariances of eta in the
layout of W, which the third derivatives are contracted with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._algebra import (
    DenseAlgebra,
    LinearAlgebra,
    NormalEquations,
)
from bead_sklearn.solvers._crossproducts import Crossproducts, Products
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._dual import DualEquations, choose_dual
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._separate import (
    SeparateEquations,
    is_separate,
    output_scales,
)
from bead_sklearn.solvers._variances import (
    output_covariances,
    output_variances,
    predictor_covariances,
)


class Coupling(ABC):
    """Curvature W of a family on a design.

    Parameters
    ----------
    design : Design
        The linear predictor.
    """

    #: Whether log-determinants and gradients are exact rather than estimated.
    is_exact: bool = True
    #: Whether W has entries beside its diagonal.
    _is_tied: ClassVar[bool] = False

    def __init__(self, design: Design) -> None:
        self.design = design

    @abstractmethod
    def equations(
        self, curvature: np.ndarray, scales: Scales, *, with_fixed: bool
    ) -> NormalEquations:
        """Return the normal equations under a curvature.

        Raises
        ------
        LinAlgError
            If H is not positive definite.
        """

    @abstractmethod
    def matvec(self, curvature: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return W x for ``x`` of shape (n_eta,)."""

    @abstractmethod
    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the covariance of eta in the layout of the curvature."""

    def shaped(self, eta: np.ndarray) -> np.ndarray:
        """Return flat ``eta`` as families take it."""
        return eta

    def weighted(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Multiply the rows of a gradient or curvature by their weights."""
        return weights.reshape(-1, *(1,) * (x.ndim - 1)) * x

    def concave(self, curvature: np.ndarray) -> np.ndarray | None:
        """Return the curvature without negative parts, or None if it has none.

        What ties entries of eta, a softmax, is concave.
        """
        if self._is_tied or (curvature >= 0).all():
            return None
        return np.maximum(curvature, 0.0)


class RowCoupling(Coupling):
    """One eta per row; W is diagonal, its layout (n_rows,)."""

    def __init__(self, design: Design, algebra: LinearAlgebra) -> None:
        super().__init__(design)
        self._algebra = algebra
        self.is_exact = algebra.is_exact

    def equations(
        self, curvature: np.ndarray, scales: Scales, *, with_fixed: bool
    ) -> NormalEquations:
        """Return the normal equations under a curvature."""
        products = self._algebra.compute(curvature, with_fixed=with_fixed)
        return self._algebra.factorize(products, scales)

    def matvec(self, curvature: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return W x."""
        return curvature * x

    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the variance of each eta."""
        return equations.row_variances(n_rest)


class OutputCoupling(Coupling):
    """J outputs per row; W is (n_rows, J, J), or (n_rows, J) if they are not tied.

    Each pair of outputs is a problem with one output and the weights W_jk.
    """

    _is_tied = True

    def __init__(self, design: Design) -> None:
        super().__init__(design)
        self._dual = choose_dual(design)

    @cached_property
    def _crossproducts(self) -> Crossproducts:
        return Crossproducts(self.design.per_output())

    def equations(
        self, curvature: np.ndarray, scales: Scales, *, with_fixed: bool
    ) -> Factorization | DualEquations:
        """Return the normal equations under a curvature."""

        def primal() -> Factorization:
            products = self._products(curvature, with_fixed=with_fixed)
            return Factorization(self.design, products, scales)

        if self._dual is None or not (self._is_tied or (curvature >= 0).all()):
            return primal()
        n_rest = _n_unknown(self.design, with_fixed)
        return DualEquations(self._dual, curvature, scales, n_rest, primal)

    def shaped(self, eta: np.ndarray) -> np.ndarray:
        """Return flat ``eta`` as families take it, (n_rows, J)."""
        return eta.reshape(-1, self.design.n_outputs)

    def _products(self, curvature: np.ndarray, *, with_fixed: bool) -> Products:
        n_outputs = self.design.n_outputs
        tied = curvature.ndim == 3
        shape = (1, 1, n_outputs, 1, n_outputs)
        own, cross, rest = np.zeros(shape), np.zeros(shape), np.zeros(shape[1:])
        for j in range(n_outputs):
            for k in range(j, n_outputs if tied else j + 1):
                weights = np.ascontiguousarray(
                    curvature[:, j, k] if tied else curvature[:, j]
                )
                part = self._crossproducts.compute(weights, with_fixed=with_fixed)
                if j == k == 0:
                    q, r, m = part.cross.shape
                    own = np.zeros((q, r, n_outputs, r, n_outputs))
                    cross = np.zeros((q, r, n_outputs, m, n_outputs))
                    rest = np.zeros((m, n_outputs, m, n_outputs))
                for a, b in {(j, k), (k, j)}:
                    own[:, :, a, :, b] = part.own
                    cross[:, :, a, :, b] = part.cross
                    rest[:, a, :, b] = part.rest
        size, m = own.shape[1] * n_outputs, len(rest) * n_outputs
        if self.design.eliminated is None:
            size = 1  # as without outputs
        return Products(
            own.reshape(len(own), size, size),
            cross.reshape(len(own), size, m),
            rest.reshape(m, m),
        )

    def matvec(self, curvature: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return W x."""
        outputs = self.shaped(x)
        if curvature.ndim == 2:
            return (curvature * outputs).ravel()
        return np.einsum("njk,nk->nj", curvature, outputs).ravel()

    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the covariance of the outputs of each row, (n_rows, J, J)."""
        if isinstance(equations, DualEquations):
            return equations.row_variances(n_rest)
        assert isinstance(equations, Factorization)
        return output_covariances(self.design, equations.covariances(n_rest))


class UntiedOutputCoupling(OutputCoupling):
    """J outputs per row whose responses are independent given eta."""

    _is_tied = False

    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the variance of each output, (n_rows, J)."""
        if isinstance(equations, DualEquations):
            return np.einsum("njj->nj", equations.row_variances(n_rest))
        assert isinstance(equations, Factorization)
        return output_variances(self.design, equations.covariances(n_rest))


class SeparateOutputCoupling(UntiedOutputCoupling):
    """J outputs per row that neither the responses nor the prior ties together."""

    def __init__(self, design: Design) -> None:
        super().__init__(design)
        self._single = design.per_output()
        self._dual = choose_dual(self._single)

    def equations(  # type: ignore[override]
        self, curvature: np.ndarray, scales: Scales, *, with_fixed: bool
    ) -> SeparateEquations:
        """Return the normal equations under a curvature."""
        by_output = output_scales(self._single, scales)
        parts = [
            self._part(np.ascontiguousarray(curvature[:, j]), own, with_fixed)
            for j, own in enumerate(by_output)
        ]
        return SeparateEquations(self.design, scales, parts)

    def _part(
        self, weights: np.ndarray, scales: Scales, with_fixed: bool
    ) -> Factorization | DualEquations:
        """Return the normal equations of one output."""

        def primal() -> Factorization:
            products = self._crossproducts.compute(weights, with_fixed=with_fixed)
            return Factorization(self._single, products, scales)

        if self._dual is None or (weights < 0).any():
            return primal()
        n_rest = _n_unknown(self._single, with_fixed)
        return DualEquations(self._dual, weights, scales, n_rest, primal)

    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the variance of each output, (n_rows, J)."""
        return equations.row_variances(n_rest)


class SetCoupling(Coupling):
    """Rows that compete within sets; W is at the pairs of rows of each set."""

    _is_tied = True

    def __init__(self, design: Design, pairs: tuple[np.ndarray, np.ndarray]) -> None:
        super().__init__(design)
        self._left, self._right = pairs
        self._dual = choose_dual(design)

    @cached_property
    def _designs(self) -> tuple[Design, Design]:
        """First and second row of each pair."""
        return self.design.take(self._left), self.design.take(self._right)

    @cached_property
    def _crossproducts(self) -> Crossproducts:
        return Crossproducts(*self._designs)

    def equations(
        self, curvature: np.ndarray, scales: Scales, *, with_fixed: bool
    ) -> Factorization | DualEquations:
        """Return the normal equations under a curvature."""

        def primal() -> Factorization:
            products = self._crossproducts.compute(curvature, with_fixed=with_fixed)
            return Factorization(self.design, products, scales)

        if self._dual is None:
            return primal()
        n_rest = _n_unknown(self.design, with_fixed)
        return DualEquations(self._dual, curvature, scales, n_rest, primal)

    def matvec(self, curvature: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return W x."""
        products = curvature * x[self._right]
        return np.bincount(self._left, weights=products, minlength=len(x))

    def covariances(self, equations: NormalEquations, n_rest: int) -> np.ndarray:
        """Return the covariance of eta at the pairs of rows.

        Or of differences to the last row of each set, which means the same.
        """
        if isinstance(equations, DualEquations):
            return equations.row_variances(n_rest)
        assert isinstance(equations, Factorization)
        return predictor_covariances(*self._designs, equations.covariances(n_rest))

    def weighted(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Multiply the rows of a gradient, or pairs of a curvature, by weights."""
        return (weights if len(x) == len(weights) else weights[self._left]) * x


def _n_unknown(design: Design, with_fixed: bool) -> int:
    """Count the columns of the rest, without those of the fixed part or with."""
    return design.n_rest - (0 if with_fixed else design.n_fixed)


def couple(
    design: Design, family: Family, algebra: LinearAlgebra | None = None
) -> Coupling:
    """Return the coupling that a family has on a design.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    algebra : LinearAlgebra, default=None
        Who solves the normal equations where every row has one eta of its own; None is
        `DenseAlgebra`. Others are dense.
    """
    if family.pairs is not None:
        return SetCoupling(design, family.pairs)
    if not family.has_output_axis:
        return RowCoupling(design, DenseAlgebra(design) if algebra is None else algebra)
    if family.is_tied:
        return OutputCoupling(design)
    separate = is_separate(design)
    return SeparateOutputCoupling(design) if separate else UntiedOutputCoupling(design)


def factorize(
    coupling: Coupling, curvature: np.ndarray, scales: Scales, with_fixed: bool
) -> NormalEquations:
    """Factorise H at the observed curvature, or where that is not concave, above it.

    Parameters
    ----------
    coupling : Coupling
        Of the design.
    curvature : ndarray
        Weighted curvature; may be negative for families that are not log-concave.
    scales : Scales
        Prior scales.
    with_fixed : bool
        Whether the fixed part belongs to the unknowns.

    Notes
    -----
    The observed curvature is what the Laplace approximation needs. Away from the mode
    H may be indefinite; negative curvatures are then set to 0, which keeps Newton
    steps uphill.
    """
    concave = coupling.concave(curvature)
    if concave is not None:
        try:
            return coupling.equations(curvature, scales, with_fixed=with_fixed)
        except np.linalg.LinAlgError:
            curvature = concave
    return coupling.equations(curvature, scales, with_fixed=with_fixed)
