"""A logistic regression with one more label, without fitting it again.

With the label k at x the optimum moves by H^-1 (I (x) x) a, where the J numbers a solve

    a = e_k - p(W x + x'H^-1 x a)

exactly if the other rows' probabilities moved linearly; this is a system of J
equations. What is left of the gradient of the true objective is then taken away by
steps with the one factorised Hessian, the new row's curvature added by the Woodbury
formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._softmax import SoftmaxRegression, curvatures

Floats = NDArray[np.float64]

#: Newton steps for the J numbers of a candidate.
_DUAL_STEPS = 20
_DUAL_TOL = 1e-10


class OneMore:
    """What each label of some candidates would make of the weights.

    Parameters
    ----------
    model : SoftmaxRegression
        The regression before.
    rows : ndarray of shape (c, D)
        Candidates, with a column of ones.
    """

    def __init__(self, model: SoftmaxRegression, rows: Floats) -> None:
        self.model = model
        self.rows = rows
        n_outputs, d = model.weights.shape
        inverse = model.inverse.reshape(n_outputs * d * n_outputs, d)
        # H^-1 (I (x) x): what the weights move by per unit of a, (c, J, D, J).
        moved = rows @ inverse.T
        self.moved = moved.reshape(len(rows), n_outputs, d, n_outputs)
        self.own = np.einsum("cd,cjdl->cjl", rows, self.moved, optimize=True)
        self.dual = self._solve_dual()

    def _curvature(self, p: Floats) -> Floats:
        if self.model.n_outputs == 1:
            return np.asarray((p * (1.0 - p))[..., None])
        return curvatures(p)

    def _solve_dual(self) -> Floats:
        """Return a for every candidate and label, (c, K, J)."""
        labels = self.model.labels()
        logits = self.rows @ self.model.weights.T
        own = self.own[:, None]
        dual = np.zeros((len(self.rows), *labels.shape))
        for _ in range(_DUAL_STEPS):
            now = logits[:, None] + np.einsum("cjl,ckl->ckj", self.own, dual)
            p = self.model.probabilities(now)
            gap = dual - labels + p
            jacobian = np.eye(labels.shape[1]) + self._curvature(p) @ own
            step = np.linalg.solve(jacobian, gap[..., None])[..., 0]
            dual -= step
            if np.abs(step).max(initial=0.0) < _DUAL_TOL:
                break
        return dual

    def changes(self) -> Floats:
        """Return the first change of the weights, (c, K, J, D)."""
        return np.asarray(
            np.einsum("cjdl,ckl->ckjd", self.moved, self.dual, optimize=True)
        )

    def weights(self, n_steps: int) -> Floats:
        """Return the weights with each label, (c, K, J, D).

        Parameters
        ----------
        n_steps : int
            Steps after the first change.
        """
        model = self.model
        n_outputs, d = model.weights.shape
        labels = model.labels()
        weights = model.weights + self.changes()
        shape = weights.shape
        target = (model.counts[:, None] * model.targets).T @ model.rows
        for _ in range(n_steps):
            logits = (weights.reshape(-1, d) @ model.rows.T).reshape(
                -1, n_outputs, len(model.rows)
            )
            p = model.probabilities(logits.transpose(0, 2, 1)).transpose(0, 2, 1)
            weighted = p * model.counts
            gradient = (weighted.reshape(-1, len(model.rows)) @ model.rows).reshape(
                shape
            )
            gradient += model.penalty * weights - target
            here = np.einsum("cd,ckjd->ckj", self.rows, weights, optimize=True)
            p_here = model.probabilities(here)
            gradient += (p_here - labels)[..., None] * self.rows[:, None, None, :]
            step = (gradient.reshape(-1, n_outputs * d) @ model.inverse).reshape(shape)
            curvature = self._curvature(p_here)
            along = np.einsum("cd,ckjd->ckj", self.rows, step, optimize=True)
            inner = np.eye(n_outputs) + self.own[:, None] @ curvature
            back = np.linalg.solve(inner, along[..., None])
            back = (curvature @ back)[..., 0]
            weights = weights - step
            weights += np.einsum("cjdl,ckl->ckjd", self.moved, back, optimize=True)
        return np.asarray(weights)
