"""Kenward and Roger's t and F tests of fixed effects in small samples.

With V = sigma^2 W^-1 + sum_r gamma_r Z_r Z_r' linear in its parameters (sigma^2 and the
variances and covariances of the effects), Phi = (X'V^-1 X)^-1 and

    P_r = -X'V^-1 V_r V^-1 X,   Q_rs = X'V^-1 V_r V^-1 V_s V^-1 X,   V_r = dV/dgamma_r,

the covariance of the fixed effects that allows for the estimation of gamma is

    Phi_A = Phi + 2 Phi [sum_rs Omega_rs (Q_rs - P_r Phi P_s)] Phi,

Omega the inverse of the expected restricted information of gamma (Kenward & Roger 1997,
doi:10.2307/2533558; Halekoh & Hojsgaard 2014, doi:10.18637/jss.v059.i09). Nothing of
the size of the judgments is made: V^-1 V V^-1 = V^-1 expresses products with the
residual part by those with the effects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bead_sklearn._threads import blas_threads
from bead_sklearn.effects import CovarianceStructure, RandomFactor
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._satterthwaite import FTest, has_t_tests, wald_statistic
from bead_sklearn.solvers._scales import Scales

#: Effects of several factors are a dense matrix up to this many.
_MOST_EFFECTS = 5_000

#: Eigenvalues of the information below this share of the largest are rounding.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class KenwardRoger:
    """Kenward and Roger's approximation for contrasts of the fixed effects.

    Attributes
    ----------
    covariance : ndarray of shape (p, p)
        Phi_A, covariance of the fixed effects.
    unadjusted : ndarray of shape (p, p)
        Phi, the same at known variances.
    by_parameter : ndarray of shape (k, p, p)
        Derivative of Phi in each variance parameter, -Phi P_r Phi, where these
        parameters are in units of sigma^2.
    of_parameters : ndarray of shape (k, k)
        Omega.
    """

    covariance: np.ndarray
    unadjusted: np.ndarray
    by_parameter: np.ndarray
    of_parameters: np.ndarray

    def degrees_of_freedom(self, contrast: np.ndarray) -> float:
        """Return the degrees of freedom of a contrast (p,)."""
        return self._approximate(contrast[None, :])[1]

    def f_test(self, contrasts: np.ndarray, estimates: np.ndarray) -> FTest:
        """Test whether some combinations of the fixed effects are zero together.

        Parameters
        ----------
        contrasts : ndarray of shape (q, p)
            The combinations, linearly independent.
        estimates : ndarray of shape (p,)
            Fixed effects.
        """
        scale, df = self._approximate(contrasts)
        statistic = wald_statistic(contrasts, estimates, self.covariance)
        return FTest(scale * statistic, len(contrasts), df)

    def _approximate(self, contrasts: np.ndarray) -> tuple[float, float]:
        """Scale and denominator degrees of freedom of the F statistic.

        Those with which an F distribution has about the mean and variance of the
        statistic, and exactly so in balanced designs.
        """
        q = len(contrasts)
        values = contrasts @ self.unadjusted @ contrasts.T
        changes = contrasts @ self.by_parameter @ contrasts.T
        relative = np.linalg.solve(values, changes)
        traces = np.trace(relative, axis1=1, axis2=2)
        a1 = float(traces @ self.of_parameters @ traces)
        pairs = np.einsum("rab,sba->rs", relative, relative)
        a2 = float((self.of_parameters * pairs).sum())
        if a2 <= 0:
            return 1.0, float("inf")
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        d = 3.0 * q + 2.0 * (1.0 - g)
        c1, c2, c3 = g / d, (q - g) / d, (q + 2 - g) / d
        # rho = V / (2 E^2), from the moments E and V of the statistic.
        shrinkage = 1.0 - a2 / q
        rho = (shrinkage / (1.0 - c2 * b)) ** 2 * (1.0 + c1 * b) / (1.0 - c3 * b) / q
        df = 4.0 + (q + 2) / (q * rho - 1.0)
        if q == 1 or abs(df - 2.0) < 1e-2:
            return 1.0, df
        return df * shrinkage / (df - 2.0), df


def kenward_roger(problem: Problem, fit: MixedModelFit) -> KenwardRoger | None:
    """Return what Kenward and Roger's tests of the fixed effects need.

    None where there is no such theory, see `has_t_tests`.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.

    Raises
    ------
    ValueError
        If several factors have too many effects for a dense matrix.
    """
    if not has_t_tests(problem, fit):
        return None
    factors = problem.design.factors
    n_effects = sum(factor.n_effects for factor in factors)
    if len(factors) > 1 and n_effects > _MOST_EFFECTS:
        raise ValueError(
            f"Kenward and Roger's method needs a matrix of all {n_effects} effects; "
            f"more than {_MOST_EFFECTS} of several factors are too many. Satterthwaite"
            "'s method does not, and differs little in a sample of this size."
        )
    with blas_threads(n_effects):
        return _kenward_roger(problem, fit)


def _kenward_roger(problem: Problem, fit: MixedModelFit) -> KenwardRoger:
    # All in units of sigma, which may be near zero.
    variance = fit.sigma**2
    phi = fit.posterior.fixed_covariance() / variance
    scales = Scales(problem.design, fit.theta)
    covariances = [scale @ scale.T for scale in scales.factors]
    effects = _Effects(problem, covariances)
    own = list(effects.components(problem))
    images = [effects.images(blocks) for blocks in own]
    prior = effects.images(covariances)
    both = [*images, prior]

    # Products of the random parts; the last, Z G Z', stands in for the residual one.
    traces = np.array([part.trace for part in both])
    pairs = np.array([[_pair_trace(a, b) for b in both] for a in both])
    first = np.array([part.fixed for part in both])
    second = np.array([[_pair_fixed(a, b) for b in both] for a in both])

    # V_0 = W^-1 = V - Z G Z'.
    k, n = len(own), float(problem.weights.sum())
    p = len(phi)
    information = np.zeros((k + 1, k + 1))
    information[:k, :k] = pairs[:k, :k]
    information[:k, k] = information[k, :k] = (traces - pairs[-1])[:k]
    information[k, k] = n - 2.0 * traces[-1] + pairs[-1, -1]
    precision = np.linalg.inv(phi)
    by_one = np.zeros((k + 1, p, p))
    by_one[:k] = first[:k]
    by_one[k] = precision - first[-1]
    by_two = np.zeros((k + 1, k + 1, p, p))
    by_two[:k, :k] = second[:k, :k]
    by_two[:k, k] = first[:k] - second[:k, -1]
    by_two[k, :k] = by_two[:k, k].transpose(0, 2, 1)
    by_two[k, k] = precision - 2.0 * first[-1] + second[-1, -1]

    relative = by_one @ phi
    information += np.einsum("rab,sba->rs", relative, relative)
    information -= 2.0 * np.einsum("rsab,ba->rs", by_two, phi)
    omega = _pseudo_inverse(0.5 * information)
    products = np.einsum("rab,sbc->rsac", relative, by_one)
    lack = np.einsum("rs,rsab->ab", omega, by_two - products)
    adjusted = phi + 2.0 * phi @ lack @ phi
    return KenwardRoger(
        covariance=0.5 * variance * (adjusted + adjusted.T),
        unadjusted=variance * phi,
        by_parameter=variance * phi @ by_one @ phi,
        of_parameters=omega,
    )


@dataclass(frozen=True)
class _Images:
    """What a block diagonal matrix E over the effects turns K and B into.

    Attributes
    ----------
    left : ndarray of shape (n_blocks, m, m)
        E K.
    columns : ndarray of shape (n_blocks, m, p)
        E B.
    through : ndarray of shape (n_blocks, m, p)
        K E B.
    trace : float
        tr E K.
    fixed : ndarray of shape (p, p)
        B'E B.
    """

    left: np.ndarray
    columns: np.ndarray
    through: np.ndarray
    trace: float
    fixed: np.ndarray


def _pair_trace(a: _Images, b: _Images) -> float:
    """Return tr E_a K E_b K."""
    return float(np.einsum("gij,gji->", a.left, b.left))


def _pair_fixed(a: _Images, b: _Images) -> np.ndarray:
    """Return B'E_a K E_b B."""
    return np.tensordot(a.columns, b.through, axes=([0, 1], [0, 1]))


class _Effects:
    """K = Z'V^-1 Z and B = Z'V^-1 X in units of sigma.

    The effects of one factor are a block for each level; those of several factors are
    one block.
    """

    def __init__(self, problem: Problem, covariances: list[np.ndarray]) -> None:
        design, weights = problem.design, problem.weights
        self._is_one = len(design.factors) == 1
        # Levels in a block, and size of each level, by factor.
        self._shapes = [
            (1 if self._is_one else factor.n_levels, factor.size)
            for factor in design.factors
        ]
        rows, p = design.fixed.rows(), design.n_fixed
        if self._is_one:
            [factor] = design.factors
            gram = _level_grams(factor, weights)
            shape = factor.n_levels, factor.size, p
            beside = np.stack(
                [factor.rmatvec(weights * column) for column in rows.T], axis=2
            ).reshape(shape)
        else:
            z = sparse.hstack(
                [sparse.csr_array((len(rows), 0)), *map(_matrix, design.factors)],
                format="csr",
            )
            weighted = sparse.csr_array(z.multiply(weights[:, None]))
            gram = (weighted.T @ z).toarray()[None]
            beside = (weighted.T @ rows)[None]
        lack = self._times_blocks(covariances, gram.transpose(0, 2, 1))
        lack = lack.transpose(0, 2, 1) + np.eye(lack.shape[2])
        solved = np.linalg.solve(lack, np.concatenate([gram, beside], axis=2))
        m = gram.shape[1]
        # (I + Z'WZ G)^-1 Z'W(Z, X)
        self._k, self._b = solved[:, :, :m], solved[:, :, m:]

    def components(self, problem: Problem) -> Iterator[list[np.ndarray]]:
        """Yield dG of each factor in each estimated variance and covariance."""
        variances, factors = problem.options.variances, problem.design.factors
        nothing = [np.zeros((factor.size, factor.size)) for factor in factors]
        for index, factor in enumerate(factors):
            if not variances.estimate or factor.name in variances.zero_factors:
                continue
            for change in covariance_changes(factor.structure):
                yield [*nothing[:index], change, *nothing[index + 1 :]]

    def images(self, blocks: list[np.ndarray]) -> _Images:
        """Multiply by the matrix with these blocks for all levels of each factor."""
        left = self._times_blocks(blocks, self._k)
        columns = self._times_blocks(blocks, self._b)
        return _Images(
            left=left,
            columns=columns,
            through=self._k @ columns,
            trace=float(np.einsum("gii->", left)),
            fixed=np.tensordot(self._b, columns, axes=([0, 1], [0, 1])),
        )

    def _times_blocks(self, blocks: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        """Multiply each block of ``x`` by a small matrix for each level."""
        result = np.zeros_like(x)
        start = 0
        for (n_levels, size), block in zip(self._shapes, blocks, strict=True):
            part = slice(start, start + n_levels * size)
            if block.any():
                levels = x[:, part].reshape(len(x), n_levels, size, x.shape[2])
                result[:, part] = (block @ levels).reshape(x[:, part].shape)
            start = part.stop
        return result


def covariance_changes(structure: CovarianceStructure) -> Iterator[np.ndarray]:
    """Yield the derivative of G in each of its free variances and covariances.

    Parameters
    ----------
    structure : CovarianceStructure
        Of the effects of one output: an entry below the diagonal of L has a parameter
        of its own, and with it a covariance.
    """
    entries = (structure.rows, structure.columns, structure.parameters)
    for parameter in range(structure.n_parameters):
        change = np.zeros((structure.size, structure.size))
        of_parameter = entries[2] == parameter
        rows, columns = entries[0][of_parameter], entries[1][of_parameter]
        change[rows, columns] = structure.scales[of_parameter] ** 2
        change[columns, rows] = structure.scales[of_parameter] ** 2
        yield change


def _matrix(factor: RandomFactor) -> sparse.csr_array:
    """Return Z of a factor."""
    n, r = factor.z.shape
    columns = factor.codes[:, None] * r + np.arange(r)
    starts = np.arange(n + 1) * r
    return sparse.csr_array(
        (factor.z.ravel(), columns.ravel(), starts), shape=(n, factor.n_effects)
    )


def _level_grams(factor: RandomFactor, weights: np.ndarray) -> np.ndarray:
    """Return Z'WZ of each level, (q, r, r)."""
    columns = [factor.rmatvec(weights * column) for column in factor.z.T]
    return np.stack(columns, axis=2)


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert a positive semi-definite matrix of parameters in different units."""
    units = np.sqrt(np.diagonal(matrix))
    units = np.where(units > 0, units, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(units, units))
    kept = values > _ROUNDING * values.max(initial=0.0)
    half = vectors[:, kept] / np.sqrt(values[kept]) / units[:, None]
    return half @ half.T
