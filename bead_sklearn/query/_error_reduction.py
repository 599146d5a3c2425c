"""Rows whose label is expected to make the model surest of the others."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._disagreement import entropy
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._linear import LinearPosterior
from bead_sklearn.query._one_more import OneMore
from bead_sklearn.query._softmax import is_softmax, read_softmax

Floats = NDArray[np.float64]

#: Numbers held at once for a group of candidates.
_BLOCK = 4_000_000


class ExpectedErrorReduction(QueryStrategy):
    r"""Ask about the row whose label is expected to reduce the error of the rest most.

    .. math:: \frac1m \sum_{j} \ell(p_j)
        - \sum_k p_{ik} \, \frac1m \sum_{j \ne i} \ell\bigl(p_j^{+(x_i, k)}\bigr)

    with :math:`p^{+(x_i, k)}` the probabilities once row i has the label k, over m rows
    j of the pool, and the loss :math:`\ell` the entropy (log loss that the model
    expects) or :math:`1 - \max_k p_k` (errors that it expects) [1]_.

    The model is not fitted again: for a logistic regression the new optimum comes from
    its Hessian, factorised once, by a system of one equation per class and a few steps
    that reach the optimum of the fit with the additional label. (A fit with
    scikit-learn's default tolerance is too rough for this: with more than a hundred
    labels its noise is larger than what one label changes.) For a linear regression the
    expected squared error has a closed form, the A-optimality criterion

    .. math:: \frac1m \sum_j \frac{(x_j^\top S x_i)^2}{1 + x_i^\top S x_i},
        \qquad S = (X^\top X + \lambda I)^{-1}

    in units of the noise variance.

    Parameters
    ----------
    loss : {"log", "zero_one"}, default="log"
        Loss of classifiers.
    n_reference : int, default=500
        The rows j: so many of the pool, drawn at random; None is all.
    max_candidates : int, default=None
        Evaluate only the so many rows of the pool whose probabilities are least
        certain (largest leverage in a regression); the others get the lowest utility
        found, less one. None: all of them.
    n_steps : int, default=3
        Steps towards the optimum of each fit with an additional label.
    random_state : int, RandomState instance or None, default=None
        Source of the rows j.

    Notes
    -----
    The cost of a candidate does not depend on the size of the pool; some milliseconds
    with 10 classes and 64 features. ``sample_weight`` of the fit is not known here.

    See Also
    --------
    AOptimal : The same idea on the posterior of a task model, with participants.

    References
    ----------
    .. [1] Roy & McCallum (2001), Toward optimal active learning through sampling
       estimation of error reduction. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import ExpectedErrorReduction
    >>> X, y = load_iris(return_X_y=True)
    >>> known = slice(None, None, 10)
    >>> model = LogisticRegression(max_iter=1000).fit(X[known], y[known])
    >>> utilities = ExpectedErrorReduction(random_state=0)(
    ...     model, X, X_labeled=X[known], y_labeled=y[known]
    ... )
    >>> utilities.shape
    (150,)
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="linear", uses_features=True, is_random=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "loss": [StrOptions({"log", "zero_one"})],
        "n_reference": [Interval(Integral, 1, None, closed="left"), None],
        "max_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        loss: str = "log",
        n_reference: int | None = 500,
        max_candidates: int | None = None,
        n_steps: int = 3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.loss = loss
        self.n_reference = n_reference
        self.max_candidates = max_candidates
        self.n_steps = n_steps
        self.random_state = random_state

    def _utilities(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ArrayLike:
        name = type(self).__name__
        if X_labeled is None or y_labeled is None:
            raise ValueError(
                f"{name} needs the labelled data: pass X_labeled and y_labeled."
            )
        space = FeatureSpace(estimator, None, name)
        rows = space.pool(X)
        labeled = space.labeled(X_labeled, rows)
        n = rows.shape[0]
        reference = np.arange(n)
        if self.n_reference is not None and self.n_reference < n:
            rng = check_random_state(self.random_state)
            reference = np.sort(rng.choice(n, self.n_reference, replace=False))
        if not is_softmax(estimator):
            posterior = LinearPosterior.read(estimator, labeled)
            return posterior.variance_reduction(rows, rows[reference])
        return self._of_softmax(
            estimator, X, labeled, y_labeled, rows, reference, groups
        )

    def _of_softmax(
        self,
        estimator: Any,
        X: Any,
        labeled: Matrix,
        y: ArrayLike,
        rows: Matrix,
        reference: NDArray[np.intp],
        groups: Any,
    ) -> Floats:
        n = rows.shape[0]
        model, (others,) = read_softmax(
            estimator, labeled, y, [rows], type(self).__name__
        )
        logits = others @ model.weights.T
        p = model.all_classes(model.probabilities(logits))
        chosen = np.arange(n)
        if self.max_candidates is not None and self.max_candidates < n:
            order = np.argsort(p.max(axis=1), kind="stable")
            chosen = np.sort(order[: self.max_candidates])
        now = float(self._loss(p[reference]).mean())
        expected = np.empty(len(chosen))
        size = max(
            1,
            _BLOCK
            // (
                p.shape[1]
                * model.n_outputs
                * max(
                    len(reference), len(model.rows), others.shape[1] * model.n_outputs
                )
            ),
        )
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            weights = OneMore(model, others[part]).weights(self.n_steps)
            ahead = self._ahead(model, weights, others[reference])
            is_own = reference[None, :] == part[:, None]
            total = np.where(is_own[:, None, :], 0.0, ahead).sum(axis=2)
            mean = total / np.maximum(len(reference) - is_own.sum(axis=1), 1)[:, None]
            expected[start : start + size] = (p[part] * mean).sum(axis=1)
        utilities = np.full(n, now - expected.max(initial=0.0) - 1.0)
        utilities[chosen] = now - expected
        return utilities

    def _ahead(self, model: Any, weights: Floats, rows: Floats) -> Floats:
        """Return the loss of each row under each candidate and label, (c, K, m)."""
        c, n_labels, n_outputs, d = weights.shape
        logits = (weights.reshape(-1, d) @ rows.T).reshape(c, n_labels, n_outputs, -1)
        p = model.probabilities(logits.transpose(0, 1, 3, 2))
        return self._loss(model.all_classes(p))

    def _loss(self, p: Floats) -> Floats:
        if self.loss == "log":
            return entropy(p)
        return np.asarray(1.0 - p.max(axis=-1))
