"""Random vectors behind log-determinants, traces and variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.solvers._krylov import KrylovSolution, conjugate_gradients
from bead_sklearn.solvers._preconditioned import Preconditioned


@dataclass(frozen=True)
class IterativeOptions:
    """How much work the iterative algebra does.

    Attributes
    ----------
    n_probes : int
        Number of random vectors behind log-determinants, traces and variances.
    tol : float
        Relative residual at which a system of a random vector is solved.
    solve_tol : float
        The same for systems whose solution is used as it is.
    max_iter : int
        Largest number of iterations of conjugate gradients.
    seed : int
        Seed of the random vectors.
    """

    n_probes: int = 32
    tol: float = 1e-3
    solve_tol: float = 1e-9
    max_iter: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class InverseEstimate:
    """An estimate of A^-1: left right' / t, plus exact exact'.

    Attributes
    ----------
    left, right : ndarray of shape (m, t)
        A^-1 z and P^-1 z in standard units, z random of covariance P; zero in columns
        that are exact.
    plain : ndarray of shape (m, t)
        A vector in the sparse columns whose covariance is known: Q of
        `PlainQuadratic` plus ``shifts`` diag(``shift_weights``) ``shifts``'.
    shifts : ndarray of shape (m, k)
        See ``plain``.
    shift_weights : ndarray of shape (k,)
        See ``plain``.
    exact : ndarray of shape (m, k)
        Its products with itself are the exact part of A^-1.
    log_det : float
        Estimate of log|A|.
    error : float
        Standard error of ``log_det``.
    """

    left: np.ndarray
    right: np.ndarray
    plain: np.ndarray
    shifts: np.ndarray
    shift_weights: np.ndarray
    exact: np.ndarray
    log_det: float
    error: float

    def with_columns(self, exact: np.ndarray, log_det: float) -> InverseEstimate:
        """Return the estimate for a matrix with more columns.

        Parameters
        ----------
        exact : ndarray of shape (m_all, k)
            What they add to the inverse, exact exact'.
        log_det : float
            What they add to the log-determinant.
        """
        missing = len(exact) - len(self.left)

        def pad(x: np.ndarray) -> np.ndarray:
            return np.pad(x, ((0, missing), (0, 0)))

        return InverseEstimate(
            left=pad(self.left),
            right=pad(self.right),
            plain=pad(self.plain),
            shifts=pad(self.shifts),
            shift_weights=self.shift_weights,
            exact=np.hstack([pad(self.exact), exact]),
            log_det=self.log_det + log_det,
            error=self.error,
        )

    def products(self) -> tuple[np.ndarray, np.ndarray]:
        """Return X and W with A^-1 about X W'."""
        t = self.left.shape[1]
        return np.hstack([self.left / t, self.exact]), np.hstack(
            [self.right, self.exact]
        )


def estimate_inverse(
    system: Preconditioned, signs: np.ndarray, options: IterativeOptions
) -> InverseEstimate:
    """Estimate A^-1 and log|A| from random signs.

    Parameters
    ----------
    system : Preconditioned
        A.
    signs : ndarray of shape (at least m, t)
        The signs.
    options : IterativeOptions
        Tolerances.
    """
    signs = signs[: system.size]
    block = system.block
    solution = conjugate_gradients(
        system.multiply, signs, tol=options.tol, max_iter=options.max_iter
    )
    right = system.to_standard(signs)
    shifts, shift_weights = np.zeros((system.size, 0)), np.zeros(0)
    if system.size == block.size and block.is_quadratic_complete:
        plain = right
        shifts, shift_weights = system.shifts()
    else:
        plain = np.zeros_like(signs)
        plain[: block.size] = block.to_standard @ block.plain(signs[: block.size])
    logs, error = log_trace(solution, system.trace)
    return InverseEstimate(
        left=system.to_standard(solution.x),
        right=right,
        plain=plain,
        shifts=shifts,
        shift_weights=shift_weights,
        exact=np.zeros((system.size, 0)),
        log_det=system.log_det + logs,
        error=error,
    )


def log_trace(solution: KrylovSolution, trace: float | None) -> tuple[float, float]:
    """Estimate tr log M and its standard error from the quadrature of probes.

    Where tr M is known, log M is compared with the straight line through it that fits
    best, whose trace is exact.
    """
    nodes, weights = solution.nodes, solution.weights
    logs = (weights * np.log(np.maximum(nodes, 1e-300))).sum(axis=1)
    t = len(logs)
    if trace is None:
        return float(logs.mean()), float(logs.std() / np.sqrt(max(t - 1, 1)))
    first = (weights * nodes).sum(axis=1) - trace
    total = weights.sum()
    center = (weights * nodes).sum() / total
    spread = (weights * (nodes - center) ** 2).sum()
    log_nodes = np.log(np.maximum(nodes, 1e-300))
    slope = 0.0
    if spread > 1e-12 * total:
        slope = float((weights * (nodes - center) * log_nodes).sum() / spread)
    logs = logs - slope * first
    return float(logs.mean()), float(logs.std() / np.sqrt(max(t - 1, 1)))
