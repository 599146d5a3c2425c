"""Outputs that nothing ties to each other: as many small systems as outputs.

Where the responses of a row are independent given their linear predictors, and the
effects on one output are independent of those on another, the normal equations of all
outputs fall apart: J systems of m columns in place of one of J m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._dual import DualEquations
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._variances import Covariances


def is_separate(design: Design) -> bool:
    """Whether the prior ties no output to another."""
    n_outputs = design.n_outputs
    return design.ridge_contrast is None and all(
        bool(
            (
                factor.structure.rows % n_outputs
                == factor.structure.columns % n_outputs
            ).all()
        )
        for factor in design.factors
    )


class SeparateEquations:
    """Normal equations of outputs that are not tied.

    Parameters
    ----------
    design : Design
        The linear predictor, with J outputs.
    scales : Scales
        Prior scales.
    parts : list of Factorization or DualEquations
        Of each output.
    """

    def __init__(
        self,
        design: Design,
        scales: Scales,
        parts: Sequence[Factorization | DualEquations],
    ) -> None:
        self.design = design
        self.scales = scales
        self._parts = parts

    @property
    def inverse_own(self) -> np.ndarray:
        """D^-1 of each level of the first factor, (q, r, r), if it has few effects."""
        blocks = []
        for part in self._parts:
            assert isinstance(part, Factorization)
            blocks.append(part.inverse_own)
        return interleave(blocks)

    def log_det(self, n_rest: int) -> float:
        """Return log|H|."""
        n = n_rest // len(self._parts)
        return sum(part.log_det(n) for part in self._parts)

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`, which is exact."""
        return 0.0

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        n_outputs = len(self._parts)
        x_own, x_rest = np.zeros_like(own), np.zeros_like(rest)
        for j, part in enumerate(self._parts):
            at = slice(j, None, n_outputs)
            if self.design.n_eliminated:
                x_own[:, at], x_rest[at] = part.solve(own[:, at], rest[at])
            else:
                _, x_rest[at] = part.solve(own, rest[at])
        return x_own, x_rest

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        return interleave([part.fixed_covariance() for part in self._parts])

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return the variance of each output of the rows, (n_rows, J)."""
        n = n_rest // len(self._parts)
        return np.stack([part.row_variances(n) for part in self._parts], axis=1)

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau."""
        n = n_rest // len(self._parts)
        by_output = [part.log_det_gradient(n) for part in self._parts]
        return [interleave(blocks) for blocks in zip(*by_output, strict=True)]

    def covariances(self, n_rest: int) -> SeparateCovariances:
        """Return the inverse of H, in the unit of the effects."""
        n = n_rest // len(self._parts)
        return SeparateCovariances(tuple(part.covariances(n) for part in self._parts))


@dataclass(frozen=True)
class SeparateCovariances:
    """Covariance of the effects on outputs that are independent of each other.

    Attributes
    ----------
    parts : tuple of Covariances
        Of the effects on each output.
    """

    parts: tuple[Covariances, ...]

    @property
    def side(self) -> int:
        """Side of the largest dense matrix."""
        return max(part.side for part in self.parts)

    @property
    def own(self) -> np.ndarray:
        """Covariance of the effects of each level of the first factor, (q, r, r)."""
        return interleave([part.own for part in self.parts])

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""
        return type(self)(tuple(part.scaled(variance) for part in self.parts))

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return the variance of each entry of eta, flat."""
        return self.output_variances(design).ravel()

    def output_variances(self, design: Design) -> np.ndarray:
        """Return the variance of each output of each row, (n_rows, J)."""
        single = design.per_output()
        return np.stack(
            [part.predictor_variances(single) for part in self.parts], axis=1
        )

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest, (n, size, size)."""
        n_outputs = len(self.parts)
        return interleave(
            [
                part.level_blocks(start // n_outputs, n_levels, size // n_outputs)
                for part in self.parts
            ]
        )

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the last ``n_fixed`` columns of the rest."""
        n = n_fixed // len(self.parts)
        return interleave([part.fixed_block(n) for part in self.parts])


def output_scales(design: Design, scales: Scales) -> list[Scales]:
    """Return the prior scales of each output.

    Parameters
    ----------
    design : Design
        The linear predictor as it acts on one output.
    scales : Scales
        Of all outputs.
    """
    n_outputs = len(scales.ridge_factor)
    return [
        Scales.of_factors(
            design,
            [factor[j::n_outputs, j::n_outputs] for factor in scales.factors],
            scales.ridge,
        )
        for j in range(n_outputs)
    ]


def interleave(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Return block diagonal matrices (..., J a, J a), the output fastest.

    Parameters
    ----------
    blocks : sequence of J ndarray of shape (..., a, a)
        One block per output.
    """
    n_outputs = len(blocks)
    *outer, size, _ = blocks[0].shape
    result = np.zeros((*outer, size * n_outputs, size * n_outputs))
    for j, block in enumerate(blocks):
        result[..., j::n_outputs, j::n_outputs] = block
    return result
