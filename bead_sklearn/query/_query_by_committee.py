"""Query by committee: rows about which the members disagree."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.query import _disagreement
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._members import Members, chunks, rows_at
from bead_sklearn.query._probabilities import as_distributions, is_multi_label

#: Rows whose probabilities of all members are held at once.
_ROWS = 16_384


class CommitteeStrategy(QueryStrategy):
    """Base of the strategies that read what the members of a committee say.

    A committee is an estimator with fitted members: `CommitteeClassifier`, a voting or
    bagging classifier, a forest, modAL's Committee, or a list of fitted classifiers.
    With several outputs (multi-label or multi-output targets) the scores of the
    outputs are summed.
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="committee", regressors=False, rowwise=True
    )

    def compute_scores(
        self, probabilities: ArrayLike, *, multi_label: bool = False
    ) -> NDArray[np.float64]:
        """Score rows by the probabilities of the members.

        Parameters
        ----------
        probabilities : array-like of shape (n_members, n_samples, n_classes)
            Probabilities of each member, over the same classes.
        multi_label : bool, default=False
            Whether the columns are the probabilities of separate yes/no labels.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores, higher is more disagreement.

        Raises
        ------
        ValueError
            If the values are no probabilities.
        """
        members = [
            as_distributions(member, multi_label=multi_label)
            for member in np.asarray(probabilities, dtype=np.float64)
        ]
        return self._sum_outputs(members)

    def _sum_outputs(
        self, members: list[list[NDArray[np.float64]]]
    ) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = np.sum(
            [self._score(np.stack(output)) for output in zip(*members, strict=True)],
            axis=0,
        )
        return scores

    @abstractmethod
    def _score(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score one output from (n_members, n_samples, n_classes)."""

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
        members = Members(estimator)
        n_rows = _num_samples(X)
        scores = np.empty(n_rows)
        size = _ROWS if isinstance(X, np.ndarray) else max(n_rows, 1)
        for part in chunks(n_rows, size):
            given = members.rows(rows_at(X, part))
            who = None if groups is None else rows_at(groups, part)
            said = []
            for outputs in members.probabilities(given, who, name=self._groups_name()):
                multi_label = len(outputs) == 1 and is_multi_label(
                    estimator, outputs[0], y_labeled
                )
                whole = outputs if len(outputs) > 1 else outputs[0]
                said.append(as_distributions(whole, multi_label=multi_label))
            scores[part] = self._sum_outputs(said)
        return scores


class VoteEntropySampling(CommitteeStrategy):
    r"""Ask about the rows on which the votes of the members are most divided.

    .. math:: -\sum_k v_k \log v_k

    with v_k the share of members whose most probable class is k, in nats [1]_. Of
    equally probable classes a member votes for the first.

    See Also
    --------
    MeanKLSampling : Sees how far the probabilities are apart, not only the votes.

    References
    ----------
    .. [1] Dagan & Engelson (1995), Committee-based sampling for training probabilistic
       classifiers. ICML.

    Examples
    --------
    >>> from bead_sklearn.query import VoteEntropySampling
    >>> members = [[[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.4, 0.6]]]
    >>> VoteEntropySampling().compute_scores(members).round(4)
    array([0.    , 0.6931])
    """

    def _score(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return _disagreement.vote_entropy(p)


class ConsensusEntropySampling(CommitteeStrategy):
    r"""Ask about the rows whose mean probabilities are most uncertain.

    .. math:: -\sum_k c_k \log c_k, \qquad c = \frac1M \sum_m p_m

    in nats. This is uncertainty of the committee, not disagreement: members who all say
    one half score highest. It equals `EntropySampling` of the committee's own
    ``predict_proba``.

    See Also
    --------
    MeanKLSampling : The part of this that is disagreement.

    References
    ----------
    .. [1] Settles (2009), Active learning literature survey, Computer Sciences
       Technical Report 1648, University of Wisconsin-Madison.

    Examples
    --------
    >>> from bead_sklearn.query import ConsensusEntropySampling
    >>> members = [[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]
    >>> ConsensusEntropySampling().compute_scores(members).round(4)
    array([0.6931, 0.6931])
    """

    def _score(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return _disagreement.consensus_entropy(p)


class MaxKLSampling(CommitteeStrategy):
    r"""Ask about the rows on which one member is farthest from the consensus.

    .. math:: \max_m \mathrm{KL}(p_m \,\|\, c), \qquad c = \frac1M \sum_m p_m

    in nats. (modAL calls it max disagreement sampling.)

    See Also
    --------
    MeanKLSampling : The mean over the members.

    References
    ----------
    .. [1] McCallum & Nigam (1998), Employing EM and pool-based active learning for text
       classification. ICML.

    Examples
    --------
    >>> from bead_sklearn.query import MaxKLSampling
    >>> members = [[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]
    >>> MaxKLSampling().compute_scores(members).round(4)
    array([0.    , 0.6931])
    """

    def _score(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return _disagreement.max_kl(p)


class MeanKLSampling(CommitteeStrategy):
    r"""Ask about the rows on which the members differ most from the consensus.

    .. math:: \frac1M \sum_m \mathrm{KL}(p_m \,\|\, c) = H(c) - \frac1M \sum_m H(p_m)

    in nats [1]_: the information that a label carries about which member is right, and
    the same number as BALD with the members as draws [2]_.

    See Also
    --------
    BALDSampling : With draws from the posterior of one model.

    References
    ----------
    .. [1] McCallum & Nigam (1998), Employing EM and pool-based active learning for text
       classification. ICML.
    .. [2] Houlsby, Huszar, Ghahramani & Lengyel (2011), Bayesian active learning for
       classification and preference learning. arXiv:1112.5745.

    Examples
    --------
    >>> from bead_sklearn.query import MeanKLSampling
    >>> members = [[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]
    >>> MeanKLSampling().compute_scores(members).round(4)
    array([0.    , 0.6931])
    """

    def _score(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return _disagreement.mean_kl(p)
