"""Rows whose label would change the model most."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import squared_norms
from bead_sklearn.query._features import FeatureSpace
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._linear import LinearPosterior
from bead_sklearn.query._members import chunks
from bead_sklearn.query._one_more import OneMore
from bead_sklearn.query._responses import probability_parts
from bead_sklearn.query._softmax import is_softmax, read_softmax

#: Numbers held at once for a group of candidates.
_BLOCK = 4_000_000


class ExpectedGradientLength(QueryStrategy):
    r"""Ask about the rows whose label is expected to give the longest gradient.

    The gradient of the log loss in the weights of a softmax over the features, at the
    label k, is :math:`(p - e_k) \otimes (x, 1)`. Its expected length is [1]_

    .. math:: \sum_k p_k \lVert p - e_k \rVert \, \lVert (x, 1) \rVert .

    It reads class probabilities and features, so that any classifier whose last layer
    is (close to) a softmax will do. It favours rows with large features: standardise
    these, or use `ExpectedModelChange`, which knows in which directions the model can
    still move.

    Parameters
    ----------
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.

    References
    ----------
    .. [1] Settles, Craven & Ray (2007), Multiple-instance active learning. NeurIPS.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import ExpectedGradientLength
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> ExpectedGradientLength()(model, [[0.0], [1.0]]).round(3)
    array([0.707, 0.894])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba", regressors=False, uses_features=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"features": FEATURES}

    def __init__(self, *, features: Any = None) -> None:
        self.features = features

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
        rows = FeatureSpace(estimator, self.features, type(self).__name__).pool(X)
        lengths = np.sqrt(squared_norms(rows) + 1.0)
        utilities = np.empty(len(lengths))
        name = self._groups_name()
        for part, said in probability_parts(estimator, X, groups, name):
            outputs = said if isinstance(said, list) else [said]
            gradient = sum(_expected_residual(np.asarray(p)) for p in outputs)
            utilities[part] = gradient * lengths[part]
        return utilities


def _expected_residual(p: NDArray[Any]) -> NDArray[Any]:
    """Return sum_k p_k |p - e_k| of each row."""
    squares = np.einsum("ij,ij->i", p, p)
    gaps = squares[:, None] - 2.0 * p
    gaps += 1.0
    np.maximum(gaps, 0.0, out=gaps)
    np.sqrt(gaps, out=gaps)
    return np.asarray(np.einsum("ij,ij->i", p, gaps))


class ExpectedModelChange(QueryStrategy):
    r"""Ask about the rows whose label is expected to move the weights farthest.

    .. math:: \sum_k p_k \lVert \Delta W_k \rVert

    with :math:`\Delta W_k` what the weights move by once the row has the label k: a
    Newton step with the row's own curvature counted in,
    :math:`\Delta W = H^{-1} (I \otimes x)\, a`, where a solves
    :math:`a = e_k - p(W x + x^\top H^{-1} x\, a)`. Unlike the length of the gradient
    [1]_ it is not fooled by directions that the labels have settled. For a linear
    regression with :math:`S = (X^\top X + \lambda I)^{-1}` it is

    .. math:: \mathrm{E}\,\lVert \Delta w \rVert
        = \sqrt{\tfrac{2}{\pi}}\,
        \frac{\lVert S x \rVert}{\sqrt{1 + x^\top S x}}

    in units of the noise.

    References
    ----------
    .. [1] Cai, Zhang & Zhou (2013), Maximizing expected model change for active
       learning in regression. ICDM. doi:10.1109/ICDM.2013.104

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from bead_sklearn.query import ExpectedModelChange
    >>> known = [[-1.0], [1.0]]
    >>> model = Ridge().fit(known, [0.0, 1.0])
    >>> utilities = ExpectedModelChange()(
    ...     model, [[0.0], [3.0]], X_labeled=known, y_labeled=[0.0, 1.0]
    ... )
    >>> utilities.round(3)
    array([0.326, 0.421])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="linear", uses_features=True
    )

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
        if not is_softmax(estimator):
            posterior = LinearPosterior.read(estimator, labeled)
            spread = np.sqrt(1.0 + posterior.variances(rows))
            return np.sqrt(2.0 / np.pi) * posterior.lengths(rows) / spread
        model, (others,) = read_softmax(estimator, labeled, y_labeled, [rows], name)
        utilities = np.empty(len(others))
        n_labels, d = len(model.labels()), others.shape[1]
        size = max(1, _BLOCK // (n_labels * model.n_outputs * d))
        for part in chunks(len(others), size):
            change = OneMore(model, others[part]).changes()
            lengths = np.sqrt(np.square(change).sum(axis=(2, 3)))
            p = model.probabilities(others[part] @ model.weights.T)
            utilities[part] = (model.all_classes(p) * lengths).sum(axis=1)
        return utilities
