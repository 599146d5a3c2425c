"""A fitted logistic regression with its curvature: what its labels say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.utils.class_weight import compute_class_weight

from bead_sklearn.query._features import Matrix
from bead_sklearn.query._model_parts import at_last_step

Floats = NDArray[np.float64]

#: Most parameters whose covariance is formed.
_MAX_PARAMETERS = 6_000
#: Penalty of intercepts, which have none: only their common shift is not determined.
_SHIFT = 1e-8


@dataclass
class SoftmaxRegression:
    """A penalised logistic regression at its optimum.

    With the J linear predictors z = W x (J = 1 for two classes) and the penalty
    sum_d lambda_d W_jd^2 / 2, the optimum is the mode of a posterior whose precision is
    the Hessian H = sum_i c_i A_i (x) x_i x_i' + diag(lambda), with
    A_i = diag(p_i) - p_i p_i'.

    Attributes
    ----------
    weights : ndarray of shape (J, D)
        W; the last column is the intercept.
    rows : ndarray of shape (L, D)
        Labelled rows with a column of ones.
    targets : ndarray of shape (L, J)
        One where the row has the label of that predictor.
    counts : ndarray of shape (L,)
        Weights of the rows.
    penalty : ndarray of shape (D,)
        lambda.
    inverse : ndarray of shape (J D, J D)
        H^-1.
    """

    weights: Floats
    rows: Floats
    targets: Floats
    counts: Floats
    penalty: Floats
    inverse: Floats

    @property
    def n_outputs(self) -> int:
        """Number of linear predictors, J."""
        return len(self.weights)

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probabilities of the J predictors' classes, (..., J)."""
        if logits.shape[-1] == 1:
            return np.asarray(expit(logits))
        return np.asarray(softmax(logits, axis=-1))

    def all_classes(self, p: Floats) -> Floats:
        """Return the probabilities of all classes, (..., K)."""
        if p.shape[-1] > 1:
            return p
        return np.concatenate([1.0 - p, p], axis=-1)

    def labels(self) -> Floats:
        """Return the target of each class, (K, J)."""
        if self.n_outputs == 1:
            return np.array([[0.0], [1.0]])
        return np.eye(self.n_outputs)


def curvatures(p: Floats) -> Floats:
    """Return diag(p) - pp' of each row, (n, J) to (n, J, J)."""
    blocks = -p[..., :, None] * p[..., None, :]
    at = np.arange(p.shape[-1])
    blocks[..., at, at] += p
    return blocks


def with_intercept(rows: Matrix, basis: Floats | None = None) -> Floats:
    """Return rows with a column of ones, in a basis of their span if given."""
    values = rows if basis is None else rows @ basis
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    return np.column_stack([values.astype(np.float64), np.ones(len(values))])


def is_softmax(estimator: Any) -> bool:
    """Whether an estimator ends in a fitted logistic regression."""
    inner, _ = at_last_step(estimator, np.empty((0, 0)), transform=False)
    return isinstance(inner, (LogisticRegression, LogisticRegressionCV))


def read_softmax(
    estimator: Any, labeled: Matrix, y: ArrayLike, others: list[Matrix], name: str
) -> tuple[SoftmaxRegression, list[Floats]]:
    """Read a fitted logistic regression together with its labels.

    Parameters
    ----------
    estimator : estimator
        A fitted LogisticRegression, perhaps at the end of a Pipeline.
    labeled : array or sparse matrix of shape (L, d)
        The rows it was fitted to, as they reach it.
    y : array-like of shape (L,)
        Their labels.
    others : list of array or sparse matrix
        Other rows, to be written with the same columns.
    name : str
        Who asks, for errors.

    Returns
    -------
    model : SoftmaxRegression
        The regression.
    rows : list of ndarray
        The others, with a column of ones. Where there are fewer rows than features all
        are written in a basis of their common span, which changes no prediction.

    Raises
    ------
    ValueError
        If the penalty is not the squared length, the labels are missing, or there are
        too many parameters.
    """
    inner, _ = at_last_step(estimator, labeled, transform=False)
    strength, share = _penalty(inner, name)
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != labeled.shape[0]:
        raise ValueError(
            f"{name} needs the labelled rows and their labels, one each; got "
            f"{labeled.shape[0]} rows and labels of shape {labels.shape}."
        )
    unknown = set(labels.tolist()) - set(inner.classes_.tolist())
    if unknown:
        raise ValueError(
            f"{name} needs the model fitted to these labels; it does not know "
            f"{sorted(map(str, unknown))}."
        )
    coefficients = np.asarray(inner.coef_, dtype=np.float64)
    basis = None
    n_rows = labeled.shape[0] + sum(rows.shape[0] for rows in others)
    if coefficients.shape[1] > n_rows:
        basis = _basis([labeled, *others])
        coefficients = coefficients @ basis
    weights = np.column_stack([coefficients, np.ravel(inner.intercept_)])
    n_outputs, d = weights.shape
    if n_outputs * d > _MAX_PARAMETERS:
        raise ValueError(
            f"{name} needs the covariance of {n_outputs * d} parameters, more than "
            f"{_MAX_PARAMETERS}. Reduce the features, for instance by TruncatedSVD in "
            "a Pipeline."
        )
    penalty = np.full(d, strength)
    penalty[-1] = share
    rows = with_intercept(labeled, basis)
    codes = np.searchsorted(inner.classes_, labels)
    targets = (codes == 1)[:, None] if n_outputs == 1 else np.eye(n_outputs)[codes]
    counts = np.ones(len(rows))
    if inner.class_weight is not None:
        counts = compute_class_weight(
            inner.class_weight, classes=inner.classes_, y=labels
        )[codes]
    model = SoftmaxRegression(
        weights, rows, targets.astype(float), counts, penalty, np.empty((0, 0))
    )
    p = model.probabilities(rows @ weights.T)
    blocks = counts[:, None, None] * (
        (p * (1.0 - p))[:, :, None] if n_outputs == 1 else curvatures(p)
    )
    hessian = np.empty((n_outputs, d, n_outputs, d))
    for j in range(n_outputs):
        for k in range(j, n_outputs):
            product = (rows * blocks[:, j, k, None]).T @ rows
            hessian[j, :, k] = product
            hessian[k, :, j] = product.T
    flat = hessian.reshape(n_outputs * d, -1)
    flat[np.diag_indices_from(flat)] += np.tile(penalty, n_outputs)
    factor = linalg.cho_factor(flat)
    model.inverse = linalg.cho_solve(factor, np.eye(len(flat)))
    return model, [with_intercept(rows, basis) for rows in others]


def _penalty(inner: Any, name: str) -> tuple[float, float]:
    """Return the penalty of a coefficient and of an intercept."""
    if isinstance(inner, LogisticRegressionCV):
        strength = float(np.mean(inner.C_))
    else:
        strength = float(inner.C)
    ratio = getattr(inner, "l1_ratio", None)
    kind = getattr(inner, "penalty", "deprecated")
    if kind in ("l1", "elasticnet") or (kind == "deprecated" and ratio):
        raise ValueError(
            f"{name} needs a logistic regression with the penalty l2, whose posterior "
            "is smooth."
        )
    none = kind is None or not np.isfinite(strength)
    value = 1e-6 if none else 1.0 / strength
    if inner.solver == "liblinear" and inner.fit_intercept:
        return value, value / inner.intercept_scaling**2
    # Without an intercept its column is held at zero.
    return value, _SHIFT if inner.fit_intercept else 1e12


def _basis(parts: list[Matrix]) -> Floats:
    """Return an orthonormal basis of the span of rows, (d, r)."""
    stacked = (
        sparse.vstack(parts).tocsr()
        if sparse.issparse(parts[0])
        else np.concatenate(parts)
    )
    gram = stacked @ stacked.T
    gram = gram.toarray() if sparse.issparse(gram) else np.asarray(gram)
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    kept = values > 1e-12 * values.max(initial=0.0)
    return np.asarray(stacked.T @ (vectors[:, kept] / np.sqrt(values[kept])))
