"""Uncertainty sampling from class probabilities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._disagreement import entropy
from bead_sklearn.query._probabilities import as_distributions, is_multi_label
from bead_sklearn.query._responses import probability_parts


class UncertaintyStrategy(QueryStrategy):
    """Base of the strategies that read nothing but class probabilities.

    With several outputs (multi-label or multi-output targets) the scores of the
    outputs are summed; a yes/no label is an output with the probabilities (1 - p, p).
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba", regressors=False, rowwise=True
    )

    def compute_scores(
        self,
        probabilities: ArrayLike | Sequence[ArrayLike],
        *,
        multi_label: bool = False,
    ) -> NDArray[np.float64]:
        """Score rows by their class probabilities.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes) or list of such
            Class probabilities, each row summing to one; a list holds one array per
            output.
        multi_label : bool, default=False
            Whether the columns of an array are the probabilities of separate yes/no
            labels. Their rows need not sum to one.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores, higher is more uncertain.

        Raises
        ------
        ValueError
            If the values are no probabilities.
        """
        outputs = as_distributions(probabilities, multi_label=multi_label)
        scores: NDArray[np.float64] = np.sum(
            [self._score_rows(output) for output in outputs], axis=0
        )
        return scores

    @abstractmethod
    def _score_rows(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score the rows of one output, an array of shape (n_samples, n_classes)."""

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
        scores = np.empty(_num_samples(X))
        multi_label: bool | None = None
        for part, said in probability_parts(estimator, X, groups, self._groups_name()):
            if multi_label is None:
                multi_label = is_multi_label(estimator, said, y_labeled)
            scores[part] = self.compute_scores(said, multi_label=multi_label)
        return scores


class EntropySampling(UncertaintyStrategy):
    r"""Ask about the rows with the highest predictive entropy.

    .. math:: H(p) = -\sum_k p_k \log p_k

    in nats, with 0 log 0 = 0 exactly. For multi-label targets it is the sum of the
    Bernoulli entropies.

    See Also
    --------
    MarginSampling : Looks at the two most probable classes only.

    References
    ----------
    .. [1] Settles (2009), Active learning literature survey, Computer Sciences
       Technical Report 1648, University of Wisconsin-Madison.

    Examples
    --------
    >>> from bead_sklearn.query import EntropySampling
    >>> EntropySampling().compute_scores([[0.5, 0.5], [1.0, 0.0]]).round(4)
    array([0.6931, 0.    ])
    """

    def _score_rows(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return entropy(p)


class MarginSampling(UncertaintyStrategy):
    """Ask about the rows whose two most probable classes are closest.

    .. math:: 1 - (p_{(1)} - p_{(2)})

    where p_(1) and p_(2) are the highest and the second highest probability; 1 means
    that they are equal.

    See Also
    --------
    EntropySampling : Looks at all classes.

    References
    ----------
    .. [1] Scheffer, Decomain and Wrobel (2001), Active hidden Markov models for
       information extraction. Advances in Intelligent Data Analysis.

    Examples
    --------
    >>> from bead_sklearn.query import MarginSampling
    >>> MarginSampling().compute_scores([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    array([0.75, 0.  ])
    """

    def _score_rows(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        n_classes = p.shape[1]
        if n_classes == 1:
            return 1.0 - p[:, 0]
        top = np.partition(p, n_classes - 2, axis=1)
        return 1.0 - (top[:, -1] - top[:, -2])


class LeastConfidenceSampling(UncertaintyStrategy):
    r"""Ask about the rows whose most probable class is least probable.

    .. math:: 1 - \max_k p_k

    See Also
    --------
    EntropySampling : Looks at all classes.

    References
    ----------
    .. [1] Lewis and Gale (1994), A sequential algorithm for training text
       classifiers. SIGIR.

    Examples
    --------
    >>> from bead_sklearn.query import LeastConfidenceSampling
    >>> LeastConfidenceSampling().compute_scores([[0.5, 0.5], [1.0, 0.0]])
    array([0.5, 0. ])
    """

    def _score_rows(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = 1.0 - p.max(axis=1)
        return scores
