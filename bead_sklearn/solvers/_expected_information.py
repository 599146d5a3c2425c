"""Expected information on the variances of crossed effects, without differences.

For V = sigma^2 (W^-1 + sum_k theta_k^2 Z_k Z_k') and the projection P of the restricted
likelihood, the expected information on theta at known sigma is

    E_jk = tr(P V_j P V_k) / 2 = 2 |M_jk|^2 / (theta_j theta_k),   M = I - H^-1,

H the normal equations in standard units, |.| the root of the sum of squares of the
block of two factors. With H = (D, B; B', .) and R the inverse of its Schur complement
the blocks are

    M_11 = I - D^-1 - D^-1 B R B' D^-1,   M_1k = D^-1 B R,   M_jk = I - R,

whose sums of squares need K = B' D^-2 B and B' D^-3 B only. The observed information is
twice the average one less the expected one (Gilmour, Thompson & Cullis 1995,
doi:10.2307/2533274). In the same way the derivative of Cov(beta), a block of H^-1, is

    dCov / dtheta_k = 2 / theta_k (H^-1)_beta,k (H^-1)_k,beta.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bead_sklearn.solvers._sparse_factorization import SparseFactorization


class ExpectedInformation(NamedTuple):
    """What Satterthwaite's method needs of one evaluation of the likelihood.

    Attributes
    ----------
    information : ndarray of shape (k, k)
        E, in units of sigma.
    by_theta : ndarray of shape (k, p, p)
        Derivative of the covariance of the fixed effects in each theta, relative to
        sigma^2.
    """

    information: np.ndarray
    by_theta: np.ndarray


def expected_information(
    equations: SparseFactorization, theta: np.ndarray
) -> ExpectedInformation:
    """Return the expected information on standard deviations, one per factor.

    Parameters
    ----------
    equations : SparseFactorization
        Of a design whose factors have one effect each and which has no ridge, with
        the fixed effects among the unknowns.
    theta : ndarray of shape (n_factors,)
        Parameters of the standard deviations, all positive.
    """
    design = equations.design
    *parts, _, fixed = design.rest_slices
    inverse = equations.schur.inverse(design.n_rest)[1]  # Lambda R Lambda
    squares, cubes = equations.cross_squares()
    through = squares @ inverse
    sds = [float(scale[0, 0]) for scale in equations.scales.factors]
    units = np.ones(design.n_rest)
    for part, sd in zip(parts, sds[1:], strict=True):
        units[part] = sd
    size = len(theta)
    sums = np.empty((size, size))
    own = equations.own_inverse()
    sums[0, 0] = (
        ((1.0 - own) ** 2).sum()
        - 2.0 * np.vdot(inverse, squares - cubes)
        + np.vdot(through, through.T)
    )
    with_own = np.einsum("ij,ij->j", inverse, through) / units**2
    by_theta = np.empty((size, fixed.stop - fixed.start, fixed.stop - fixed.start))
    by_theta[0] = inverse[:, fixed].T @ through[:, fixed]
    for j, part in enumerate(parts, 1):
        sums[0, j] = sums[j, 0] = with_own[part].sum()
        across = inverse[part, fixed] / sds[j]
        by_theta[j] = across.T @ across
        for k, other in enumerate(parts[:j], 1):
            block = inverse[part, other] / (sds[j] * sds[k])
            if j == k:
                block[np.diag_indices(len(block))] -= 1.0
            sums[j, k] = sums[k, j] = np.vdot(block, block)
    return ExpectedInformation(
        2.0 * sums / np.outer(theta, theta), 2.0 * by_theta / theta[:, None, None]
    )
