"""Optimal design on the posterior of a mixed model: items and participants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._design_plan import DesignPlan, Greedy
from bead_sklearn.query._information_plans import (
    InformationPlan,
    ParticipantInformationPlan,
    PopulationInformationPlan,
)
from bead_sklearn.query._latent import LatentJudgments, read_judgments
from bead_sklearn.query._pairs import select_pairs
from bead_sklearn.query._scored import ScoredPool
from bead_sklearn.query._trace_plan import TracePlan

Ints = NDArray[np.intp]


class DesignStrategy(QueryStrategy):
    """Base of the strategies that plan judgments on the solver's posterior."""

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="posterior", batch_aware=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "participant": [str, None]
    }

    participant: str | None

    def _score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ScoredPool:
        judgments = read_judgments(
            estimator,
            X,
            groups,
            self.participant,
            conditional=getattr(self, "target", None) == "population",
        )
        plan = self._plan(judgments)
        utilities = self._checked(plan.utilities(), X)
        return ScoredPool(utilities, Greedy(plan, utilities))

    def _plan(self, judgments: LatentJudgments) -> DesignPlan:
        """Return what a batch is planned on."""
        raise NotImplementedError


class AOptimal(DesignStrategy):
    r"""Ask where the mean variance of the items' predictions falls most.

    With the posterior covariance S of all effects, a judgment whose linear predictor
    has covariates z and whose answer is expected to carry the information w (for labels
    :math:`p(1 - p)`, averaged over the posterior of the predictor) lowers the mean
    posterior variance of the targets by

    .. math:: \frac{w\, z^\top S A S z}{1 + w\, z^\top S z},
        \qquad A = \frac1n \sum_t t\, t^\top,

    the curvature-weighted A-optimality criterion [1]_, [2]_. Targets t are the items of
    the pool *without* effects of participants: what the study is about. Here who judges
    does not matter (w and z are those of a new participant); `JointAOptimal` chooses
    that too. Judgments with several linear predictors (categories, options) have a
    matrix of information W = LL' and the reduction
    :math:`\mathrm{tr}\,(I + L^\top V L)^{-1} L^\top T L`.

    A batch is chosen greedily: S is updated by rank one as if the rows before had been
    judged. Nothing is refitted; w and the means stay. Variance components are taken as
    estimated.

    Parameters
    ----------
    participant : str, default=None
        The factor of participants, whose effects the targets leave out. None: that
        passed as ``groups``, or the only factor.

    See Also
    --------
    JointAOptimal : Chooses item and participant together.
    ExpectedInformationGain : Bits rather than variances.

    References
    ----------
    .. [1] Chaloner & Verdinelli (1995), Bayesian experimental design: a review.
       Statistical Science 10(3). doi:10.1214/ss/1177009939
    .. [2] Schein & Ungar (2007), Active learning for logistic regression: an
       evaluation. Machine Learning 68. doi:10.1007/s10994-007-5019-5

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.query import AOptimal
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> pool = AOptimal().score_pool(model, d.X, groups=d.groups)
    >>> pool.select(5).shape
    (5,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DesignStrategy._parameter_constraints
    }

    def __init__(self, *, participant: str | None = None) -> None:
        self.participant = participant

    def _plan(self, judgments: LatentJudgments) -> DesignPlan:
        nobody = replace(judgments, rows=judgments.anonymous)
        return TracePlan(nobody, judgments.population)


class JointAOptimal(DesignStrategy):
    r"""Ask the pair of item and participant that tells most about the items.

    The criterion of `AOptimal`,

    .. math:: \frac{w\, z^\top S A S z}{1 + w\, z^\top S z},

    with :math:`z = (x_i, e_j)` of item i judged by participant j and w at that
    participant's own predictor. It prefers participants whose leniency is known, and
    answers that are not foregone with this participant.

    In simulations of participants who differ it needs about half the labels of random
    pairs, where uncertainty sampling is no better than random.

    Parameters
    ----------
    participant : str, default=None
        The factor of participants, whose effects the targets leave out. None: that
        passed as ``groups``, or the only factor.

    See Also
    --------
    AOptimal : Chooses the item only.

    References
    ----------
    .. [1] Chaloner & Verdinelli (1995), Bayesian experimental design: a review.
       Statistical Science 10(3). doi:10.1214/ss/1177009939

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.query import JointAOptimal
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> utilities = JointAOptimal()(model, d.X, groups=d.groups)
    >>> utilities.shape == (len(d.y),)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DesignStrategy._parameter_constraints
    }

    def __init__(self, *, participant: str | None = None) -> None:
        self.participant = participant

    def _plan(self, judgments: LatentJudgments) -> DesignPlan:
        return TracePlan(judgments, judgments.population)

    def select_pairs(
        self,
        estimator: Any,
        items: Any,
        participants: Sequence[Any],
        n: int,
        *,
        asked: ArrayLike | None = None,
        max_per_participant: int | None = None,
        max_per_item: int | None = None,
    ) -> Ints:
        """Choose pairs from a list of items and a list of participants.

        The same criterion as for a pool of rows that holds every pair, the targets
        being the items; the table of all pairs is never made.

        Parameters
        ----------
        estimator : estimator
            A fitted task model with one linear predictor per judgment.
        items : array-like of shape (n_items, ...)
            The items, each once, without participants.
        participants : sequence of shape (n_participants,)
            Ids of the participants who may be asked, each once; new ones too.
        n : int
            How many pairs.
        asked : array-like of int of shape (n_asked, 2), default=None
            Pairs that were asked before, as positions; they are not chosen again and
            count for the limits.
        max_per_participant, max_per_item : int, default=None
            At most so many judgments of each participant and item. None: no limit.

        Returns
        -------
        pairs : ndarray of shape (n_pairs, 2)
            Positions of item and participant, best first; fewer than n where no more
            pairs may be asked.

        Raises
        ------
        ValueError
            If the model has several linear predictors per judgment or no single factor
            of participants, or lists hold something twice.

        Examples
        --------
        >>> from bead_sklearn import BinaryClassifier
        >>> from bead_sklearn.datasets import make_judgments
        >>> from bead_sklearn.query import JointAOptimal
        >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
        >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
        >>> items = d.X.drop_duplicates()
        >>> pairs = JointAOptimal().select_pairs(
        ...     model, items, ["p1", "p2", "somebody new"], 4, max_per_participant=2
        ... )
        >>> pairs.shape
        (4, 2)
        """
        self._validate_params()
        self.check(estimator)
        return select_pairs(
            estimator,
            items,
            participants,
            n,
            participant=self.participant,
            asked=asked,
            max_per_participant=max_per_participant,
            max_per_item=max_per_item,
        )


class ExpectedInformationGain(DesignStrategy):
    r"""Ask where an answer says most, in nats, about what the study is after.

    In the normal approximation to the posterior, a judgment with linear predictor of
    posterior variance v and expected curvature w carries

    .. math:: I_{\text{all}} = \tfrac12 \log(1 + w v)

    about all effects together (Bayesian D-optimality [1]_, [2]_). Of these it carries

    .. math:: I = \tfrac12 \log \frac{1 + w v}{1 + w v_{|\theta}}

    about the part :math:`\theta`, with :math:`v_{|\theta}` the variance that is left of
    the predictor once :math:`\theta` is known: the population (coefficients and items)
    or the effects of the participant who judges. A batch is chosen greedily, the
    posterior being updated by rank one as if the rows before had been judged.

    Parameters
    ----------
    target : {"population", "participant", "all"}, default="population"
        What is to be learned.
    participant : str, default=None
        The factor of participants. None: that passed as ``groups``, or the only one.

    See Also
    --------
    JointAOptimal : Lowers variances of predictions instead.
    BALDSampling : Information from draws, for other classifiers.

    References
    ----------
    .. [1] Lindley (1956), On a measure of the information provided by an experiment.
       Annals of Mathematical Statistics 27(4). doi:10.1214/aoms/1177728069
    .. [2] Chaloner & Verdinelli (1995), Bayesian experimental design: a review.
       Statistical Science 10(3). doi:10.1214/ss/1177009939

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.query import ExpectedInformationGain
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> everything = ExpectedInformationGain(target="all")
    >>> items_only = ExpectedInformationGain(target="population")
    >>> bool(
    ...     (everything(model, d.X, groups=d.groups) + 1e-12
    ...      >= items_only(model, d.X, groups=d.groups)).all()
    ... )
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "target": [StrOptions({"population", "participant", "all"})],
        **DesignStrategy._parameter_constraints,
    }

    def __init__(
        self, target: str = "population", *, participant: str | None = None
    ) -> None:
        self.target = target
        self.participant = participant

    def _plan(self, judgments: LatentJudgments) -> DesignPlan:
        plans = {
            "all": InformationPlan,
            "population": PopulationInformationPlan,
            "participant": ParticipantInformationPlan,
        }
        return plans[self.target](judgments)
