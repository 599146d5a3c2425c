"""Covariance structures of the random effects of one group.

The covariance is G = L L' with L lower triangular. Every structure here is linear in
its parameters: an entry of L is a parameter, times a fixed scale that makes the
parameters of covariates with different units comparable for an optimizer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CovarianceStructure:
    """Which entries of the factor L are which parameters.

    Attributes
    ----------
    size : int
        Number of effects per group, r.
    rows, columns, parameters : ndarray of shape (n_entries,)
        Entry (rows[k], columns[k]) of L is ``scales[k] * theta[parameters[k]]``.
    scales : ndarray of shape (n_entries,)
        Fixed factors.
    is_scale : ndarray of shape (n_parameters,)
        Whether a parameter stands on the diagonal, where it is bounded by 0.
    metric : ndarray of shape (J, J) or None
        Inverse of the neutral covariance of the outputs of an effect, where any
        covariance of them is possible.
    """

    size: int
    rows: np.ndarray
    columns: np.ndarray
    parameters: np.ndarray
    scales: np.ndarray
    is_scale: np.ndarray
    metric: np.ndarray | None = None

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.is_scale)

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """Return L for the given parameters.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The parameters.

        Returns
        -------
        factor : ndarray of shape (size, size)
            Lower triangular L with G = L L'.
        """
        result = np.zeros((self.size, self.size))
        result[self.rows, self.columns] = self.scales * theta[self.parameters]
        return result

    def pull_back(self, gradient: np.ndarray) -> np.ndarray:
        """Turn the gradient in the entries of L into the gradient in ``theta``."""
        return np.bincount(
            self.parameters,
            weights=self.scales * gradient[self.rows, self.columns],
            minlength=self.n_parameters,
        )

    def total_variance(self) -> np.ndarray:
        """Return P such that theta' P theta is the variance of all effects together.

        Effects are in units of their scale, those that share a parameter count once,
        and outputs are in the metric that treats classes alike, so that the result
        does not depend on the reference class where any covariance is possible.

        Returns
        -------
        form : ndarray of shape (n_parameters, n_parameters)
            P, positive definite.
        """
        if self.metric is None:
            return np.eye(self.n_parameters)
        same_effect = np.eye(self.size // len(self.metric))
        metric = np.kron(same_effect, self.metric)[np.ix_(self.rows, self.rows)]
        metric *= self.columns[:, None] == self.columns
        times = np.bincount(self.parameters, minlength=self.n_parameters)
        form = np.zeros((self.n_parameters, self.n_parameters))
        np.add.at(form, (self.parameters[:, None], self.parameters), metric)
        return form / np.sqrt(np.outer(times, times))

    def from_sds(self, sds: np.ndarray) -> np.ndarray:
        """Return the parameters of independent effects with these deviations."""
        theta = np.zeros(self.n_parameters)
        on_diagonal = self.rows == self.columns
        theta[self.parameters[on_diagonal]] = (
            sds[self.rows[on_diagonal]] / self.scales[on_diagonal]
        )
        return theta


def full_covariance(scales: np.ndarray) -> CovarianceStructure:
    """All variances and covariances free.

    Parameters
    ----------
    scales : ndarray of shape (r,)
        Typical size of each effect, the inverse of its covariate's.
    """
    rows, columns = np.tril_indices(len(scales))
    return CovarianceStructure(
        size=len(scales),
        rows=rows,
        columns=columns,
        parameters=np.arange(len(rows)),
        scales=scales[rows],
        is_scale=rows == columns,
    )


def diagonal_covariance(scales: np.ndarray) -> CovarianceStructure:
    """Variances free, covariances zero."""
    index = np.arange(len(scales))
    return CovarianceStructure(
        size=len(scales),
        rows=index,
        columns=index,
        parameters=index,
        scales=scales,
        is_scale=np.ones(len(scales), dtype=bool),
    )


def shared_covariance(
    parameters: np.ndarray, scales: np.ndarray
) -> CovarianceStructure:
    """Covariances zero, one variance for all effects with the same parameter.

    Participant-specific heads over an encoder's features are of this kind: one
    variance for the intercept and one for all coefficients, which makes the prior
    invariant to rotations of the features.

    Parameters
    ----------
    parameters : ndarray of shape (r,)
        Number of the variance parameter of each effect, from 0.
    scales : ndarray of shape (r,)
        Typical size of each effect; equal within one parameter.
    """
    index = np.arange(len(parameters))
    return CovarianceStructure(
        size=len(parameters),
        rows=index,
        columns=index,
        parameters=parameters,
        scales=scales,
        is_scale=np.ones(int(parameters.max()) + 1, dtype=bool),
    )


def block_covariance(blocks: list[CovarianceStructure]) -> CovarianceStructure:
    """Independent groups of effects, as in ``(1 | g) + (0 + x | g)``."""
    if len(blocks) == 1:
        return blocks[0]
    sizes = np.cumsum([0] + [block.size for block in blocks[:-1]])
    starts = np.cumsum([0] + [block.n_parameters for block in blocks[:-1]])
    pairs = list(zip(blocks, sizes, starts, strict=True))
    return CovarianceStructure(
        size=sum(block.size for block in blocks),
        rows=np.concatenate([block.rows + size for block, size, _ in pairs]),
        columns=np.concatenate([block.columns + size for block, size, _ in pairs]),
        parameters=np.concatenate([b.parameters + start for b, _, start in pairs]),
        scales=np.concatenate([block.scales for block in blocks]),
        is_scale=np.concatenate([block.is_scale for block in blocks]),
    )


def output_covariance(
    base: CovarianceStructure, contrast: np.ndarray, kind: str
) -> CovarianceStructure:
    """Covariance of effects that exist once per output.

    Parameters
    ----------
    base : CovarianceStructure
        Of the effects on one output.
    contrast : ndarray of shape (J, J)
        L such that L L' is the covariance over the outputs that treats all classes
        alike: the identity for independent responses, the root of I + 11' for logits
        against a reference class.
    kind : {"full", "diagonal", "isotropic"}
        Any covariance over the outputs; a variance of each output and no covariance;
        one variance and the covariance of ``contrast``.

    Returns
    -------
    structure : CovarianceStructure
        Of size ``base.size * J``, the outputs of one effect next to each other.

    Notes
    -----
    "diagonal" depends on the reference class of a multinomial logit; the others do
    not.
    """
    n_outputs = len(contrast)
    all_rows, all_columns = np.indices((n_outputs, n_outputs)).reshape(2, -1)
    lower = all_rows >= all_columns
    entries: list[tuple[int, int, int, float, bool]] = []
    numbers: dict[tuple[int, int, int], int] = {}
    for row, column, parameter, scale in zip(
        base.rows, base.columns, base.parameters, base.scales, strict=True
    ):
        on_diagonal = row == column
        for j, k in zip(
            all_rows[lower | (not on_diagonal)],
            all_columns[lower | (not on_diagonal)],
            strict=True,
        ):
            factor, own = scale, (int(parameter), int(j), int(k))
            if kind == "isotropic":
                factor, own = scale * contrast[j, k], (int(parameter), 0, 0)
            if factor == 0.0 or (kind == "diagonal" and j != k):
                continue
            number = numbers.setdefault(own, len(numbers))
            is_scale = bool(on_diagonal and own[1] == own[2])
            place = row * n_outputs + j, column * n_outputs + k
            entries.append((*place, number, factor, is_scale))
    rows, columns, parameters, scales, is_scale_entry = map(
        np.array, zip(*entries, strict=True)
    )
    is_scale_parameter = np.zeros(len(numbers), dtype=bool)
    is_scale_parameter[parameters[is_scale_entry]] = True
    return CovarianceStructure(
        size=base.size * n_outputs,
        rows=rows,
        columns=columns,
        parameters=parameters,
        scales=scales,
        is_scale=is_scale_parameter,
        metric=np.linalg.inv(contrast @ contrast.T) if kind == "full" else None,
    )
