"""Optimal design on the posterior of a mixed model: items and participants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._expected_curvature import average_curvature
from bead_sklearn.query._latent import LatentJudgments, LatentRows, read_judgments
from bead_sklearn.query._pairs import select_pairs
from bead_sklearn.query._scored import ScoredPool, best_row, take
from bead_sklearn.query._thought import (
    ThoughtPosterior,
    log_det_gain,
    symmetric_roots,
    trace_gain,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Multiplications in one step where covariances with all targets are computed at once.
_CHUNK = 4_000_000


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
        return ScoredPool(utilities, _Greedy(plan, utilities))

    def _plan(self, judgments: LatentJudgments) -> DesignPlan:
        """Return what a batch is planned on."""
        raise NotImplementedError


class DesignPlan:
    """Candidates, what each would add, and what is left to add after a pick.

    Parameters
    ----------
    judgments : LatentJudgments
        The candidates.
    """

    def __init__(self, judgments: LatentJudgments) -> None:
        self.index = judgments.index
        self.real = self.index >= 0
        self.at = np.where(self.real, self.index, 0)
        self.tracked = self._tracked(judgments)
        rows = judgments.rows
        before = self._blocks(rows)
        before *= self.real[:, :, None] & self.real[:, None, :]
        curvature = average_curvature(judgments.family, rows.mean, self.index, before)
        self.root = symmetric_roots(curvature)
        self.start()

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        """Return all predictors whose covariances matter, the candidates' first."""
        return judgments.rows

    def start(self) -> None:
        """Forget the picks."""
        self.posterior = ThoughtPosterior(self.tracked)
        self.covariance = self._blocks(self.tracked)

    def _blocks(self, rows: LatentRows) -> Floats:
        """Covariance of the predictors of each judgment, (n, m, m)."""
        n, m = self.index.shape
        blocks = np.empty((n, m, m))
        own = [rows.take(self.at[:, j]) for j in range(m)]
        for j in range(m):
            for k in range(j, m):
                blocks[:, j, k] = blocks[:, k, j] = _paired(own[j], own[k])
        return blocks

    def utilities(self) -> Floats:
        """Return what each candidate adds now."""
        raise NotImplementedError

    def observe(self, pick: int) -> None:
        """Take a candidate as asked."""
        at = self.index[pick]
        real = at >= 0
        root = self.root[pick][real]
        for move in self.posterior.observe(at[real], root):
            self._move(move)

    def _move(self, move: Floats) -> None:
        """Take the outer product of a vector from the covariances."""
        here = move[self.at]
        self.covariance -= here[:, :, None] * here[:, None, :]


def _paired(left: LatentRows, right: LatentRows) -> Floats:
    """Covariances of pairs of rows, (n,)."""
    total: Floats = np.einsum("ij,ij->i", left.shared, right.shared)
    for terms, others in zip(left.own, right.own, strict=True):
        same = (terms.codes == others.codes) & (terms.codes >= 0)
        product = np.einsum("ij,ij->i", terms.values, others.values)
        total = total + np.where(same, product, 0.0)
    return total


class _Greedy:
    """Batches of a design: each pick as if those before it were judged."""

    def __init__(self, plan: DesignPlan, utilities: Floats) -> None:
        self.plan = plan
        self.utilities = utilities

    def __call__(self, n: int, priority: Ints | None) -> Ints:
        self.plan.start()
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: Ints | None) -> Iterator[int]:
        scores = self.utilities.copy()
        asked = np.zeros(len(scores), dtype=bool)
        while not asked.all():
            pick = best_row(np.where(asked, -np.inf, scores), priority)
            yield pick
            asked[pick] = True
            self.plan.observe(pick)
            scores = self.plan.utilities()


# A-optimality -----------------------------------------------------------------------


class TracePlan(DesignPlan):
    """What each candidate takes from the mean variance of the targets.

    Parameters
    ----------
    judgments : LatentJudgments
        The candidates; their predictors without participants are the targets.
    targets : LatentRows
        Predictors whose mean variance is to fall.
    """

    def __init__(self, judgments: LatentJudgments, targets: LatentRows) -> None:
        self.targets, self.weights = distinct(targets)
        self._first: Floats | None = None
        super().__init__(judgments)

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        self.n_candidates = len(judgments.rows)
        return judgments.rows.joined(self.targets)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        self._moves: list[Floats] = []
        if self._first is None:
            candidates = self.tracked.take(np.arange(self.n_candidates))
            self._first = self._squares(candidates)
        self.squares = self._first.copy()

    def _squares(self, candidates: LatentRows) -> Floats:
        """Mean over the targets of cov(t, a) cov(t, b) in each judgment."""
        n, m = self.index.shape
        plain = all((terms.codes < 0).all() for terms in self.targets.own)
        if plain and candidates.shared.shape[1] <= len(self.targets):
            shared = self.targets.shared
            spread = (shared * self.weights[:, None]).T @ shared
            moved = (candidates.shared @ spread)[self.at]
            return np.asarray(moved @ candidates.shared[self.at].transpose(0, 2, 1))
        total = np.zeros((n, m, m))
        size = max(1, _CHUNK // max(1, len(candidates)))
        for start in range(0, len(self.targets), size):
            part = np.arange(start, min(start + size, len(self.targets)))
            cross = self.targets.take(part).covariance(candidates)[:, self.at]
            total += np.einsum(
                "t,tnj,tnk->njk", self.weights[part], cross, cross, optimize=True
            )
        return total

    def utilities(self) -> Floats:
        """Return the fall of the mean variance of the targets."""
        return trace_gain(self.covariance, self.squares, self.root)

    def _move(self, move: Floats) -> None:
        on_targets = move[self.n_candidates :] * self.weights
        size = float(on_targets @ move[self.n_candidates :])
        # u = mean over targets of cov(t, a) cov(t, o), before this move.
        along = self._along(on_targets)[self.at]
        here = move[self.at]
        outer = here[:, :, None] * along[:, None, :]
        self.squares -= outer + outer.transpose(0, 2, 1)
        self.squares += size * here[:, :, None] * here[:, None, :]
        super()._move(move)
        self._moves.append(move)

    def _along(self, weights: Floats) -> Floats:
        """Return sum_t weights_t cov(t, a) of the candidates, before the last move."""
        candidates = self.tracked.take(np.arange(self.n_candidates))
        total: Floats = candidates.shared @ (weights @ self.targets.shared)
        for terms, others in zip(self.targets.own, candidates.own, strict=True):
            total = total + terms.weighted(weights, others)
        for move in self._moves:
            on_targets = float(weights @ move[self.n_candidates :])
            total = total - on_targets * move[: self.n_candidates]
        return total


def distinct(rows: LatentRows) -> tuple[LatentRows, Floats]:
    """Return the different rows, and the share of each."""
    table = np.hstack(
        [rows.shared, *(np.c_[terms.codes, terms.values] for terms in rows.own)]
    )
    keys = np.ascontiguousarray(table).view(np.dtype((np.void, table.strides[0])))
    _, first, counts = np.unique(keys.ravel(), return_index=True, return_counts=True)
    return rows.take(first), counts / len(rows)


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


# Information ------------------------------------------------------------------------


class InformationPlan(DesignPlan):
    """Half the log-determinant that each candidate adds to everything."""

    def utilities(self) -> Floats:
        """Return the information in nats."""
        return 0.5 * log_det_gain(self.covariance, self.root)


class PopulationInformationPlan(InformationPlan):
    """Information about all but the participants' effects.

    What a judgment says about everything less what it says about its participant once
    all else is known.
    """

    def __init__(self, judgments: LatentJudgments) -> None:
        assert judgments.given_population is not None
        self._given = judgments.given_population
        super().__init__(judgments)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        self._left = ThoughtPosterior(self._given)
        self.left = self._blocks(self._given)

    def utilities(self) -> Floats:
        """Return the information in nats."""
        return np.maximum(
            super().utilities() - 0.5 * log_det_gain(self.left, self.root), 0.0
        )

    def observe(self, pick: int) -> None:
        """Take a candidate as asked."""
        super().observe(pick)
        at = self.index[pick]
        for move in self._left.observe(at[at >= 0], self.root[pick][at >= 0]):
            here = move[self.at]
            self.left -= here[:, :, None] * here[:, None, :]


class ParticipantInformationPlan(InformationPlan):
    """Information about the effects of the participant who judges."""

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        effects = judgments.effects
        if effects is None:
            raise ValueError(
                "target='participant' needs a model with exactly one factor of "
                "participants."
            )
        self.n_candidates = len(judgments.rows)
        self.whose = judgments.participant[judgments.index[:, 0]]
        self.n_people = int(judgments.participant.max(initial=-1)) + 1
        return judgments.rows.joined(effects)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        effects = np.arange(self.n_candidates, len(self.tracked))
        self.places = effects.reshape(self.n_people, -1)
        s = self.places.shape[1]
        own = [self.tracked.take(self.places[:, j]) for j in range(s)]
        self.between = np.empty((self.n_people, s, s))
        for j in range(s):
            for k in range(s):
                self.between[:, j, k] = _paired(own[j], own[k])
        n, m = self.index.shape
        self.cross = np.empty((n, m, s))
        for j in range(m):
            rows = self.tracked.take(self.at[:, j])
            for k in range(s):
                effect = self.tracked.take(self.places[self.whose, k])
                self.cross[:, j, k] = _paired(rows, effect)

    def _move(self, move: Floats) -> None:
        super()._move(move)
        people = move[self.places]
        self.between -= people[:, :, None] * people[:, None, :]
        self.cross -= move[self.at][:, :, None] * people[self.whose][:, None, :]

    def utilities(self) -> Floats:
        """Return the information in nats."""
        inverse = np.linalg.pinv(self.between, hermitian=True)[self.whose]
        known = self.cross @ inverse @ self.cross.transpose(0, 2, 1)
        rest = log_det_gain(self.covariance - known, self.root)
        return np.maximum(super().utilities() - 0.5 * rest, 0.0)


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
