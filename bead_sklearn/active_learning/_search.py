"""Active learning as a meta-estimator."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import get_scorer_names
from sklearn.utils import Bunch, indexable
from sklearn.utils.parallel import Parallel, delayed

from bead_sklearn._callbacks import CallbackSupportMixin
from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_method_params,
    _fit_context,
    _num_samples,
)
from bead_sklearn.active_learning._answers import Reveal
from bead_sklearn.active_learning._assigning import AssigningMixin, route_rows
from bead_sklearn.active_learning._checkpoint import checkpoints_of, seed_of
from bead_sklearn.active_learning._cold_start import METHODS as COLD_STARTS
from bead_sklearn.active_learning._costs import Cost
from bead_sklearn.active_learning._delegation import DelegatingMixin
from bead_sklearn.active_learning._fitting import fit_rows
from bead_sklearn.active_learning._interactive import InteractiveMixin
from bead_sklearn.active_learning._plan import plan_rounds
from bead_sklearn.active_learning._results import ResultsMixin
from bead_sklearn.active_learning._rows import as_labels, check_labels
from bead_sklearn.active_learning._scoring import ScoringMixin
from bead_sklearn.active_learning._seeding import draw_seeds
from bead_sklearn.active_learning._simulation import simulate
from bead_sklearn.active_learning._stopping import Rule
from bead_sklearn.active_learning._warm import may_end_elsewhere
from bead_sklearn.query import get_query_strategy_names
from bead_sklearn.query._selection import check_batch_size


class ActiveLearningSearch(
    AssigningMixin,
    InteractiveMixin,
    ResultsMixin,
    ScoringMixin,
    DelegatingMixin,
    MetaEstimatorMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Learn from the labels that teach most: simulate it, or do it.

    `fit` simulates: the labels in ``y`` are hidden and revealed batch by batch, as the
    query strategy asks for them. `start`, `ask` and `tell` do the same with people.

    A round fits the estimator to the labels known, scores it on the validation data,
    asks for the labels of the ``batch_size`` rows with the highest utilities, and so
    on until a limit or a stopping rule ends the search or no row is left. The search
    is an estimator: it can be cross-validated, searched over and put in a Pipeline.

    Parameters
    ----------
    estimator : estimator
        What to fit. A Pipeline can read text or data frames.
    strategy : str, QueryStrategy or callable, default="entropy"
        Query strategy, see `bead_sklearn.query.get_query_strategy_names`. Regressors
        need ``"random"`` or ``"predictive_std"``.
    batch_size : int or callable, default=10
        Rows (or items, see ``query_by``) per batch; the last batch may be smaller. A
        function ``batch_size(n_labels) -> int`` such as `GrowingBatches` begins with
        small batches and makes them larger as more is known.
    n_initial : int, default=10
        Size of the starting set, rows marked as labelled in `fit` included. If a
        classifier has seen one class only, further rows are added one at a time until
        it has seen two; they count as labels.
    cold_start : {"random", "k_means", "k_center", "stratified"} or callable, \
default="random"
        How the starting set is chosen, without labels: by `cold_start_selection`, or
        by ``cold_start(X, n, random_state) -> positions in X``, where X are the rows
        that may be asked about and random_state is a RandomState.
    max_labels : int, default=None
        Number of labels, the starting set included, at which the search ends. None: no
        limit.
    max_iterations : int, default=None
        Number of batches after which the search ends. None: no limit.
    stopping : callable or list of callable, default=None
        Stopping rules, such as `StabilizingPredictions`; the first that says stop ends
        the search. ``a & b`` asks for both.
    check_every : int, default=None
        Labels after which, within a batch, the estimator is fitted and the stopping
        rules are asked; the rest of a batch is not asked about when one says stop. It
        makes large batches as easy to stop as small ones. None: between batches only.
    query_by : "row", str or int, default="row"
        What is asked about: single rows, or items with all their rows, named by a
        column of a data frame or by the position of one in an array. An item is as
        good as its rows on average. ``batch_size`` and ``n_initial`` then count items;
        labels are counted row by row all the same.
    n_judgments : int, default=None
        Rows of an item asked about at a time: those with the highest utilities. None:
        all that are left. Needs ``query_by``.
    cost : float, str or callable, default=None
        What a label costs: the same for all, a column of a data frame, or
        ``cost(X) -> costs``. Kept in ``history_["cost"]``; `bead_sklearn.query.PerCost`
        makes a strategy heed it.
    max_cost : float, default=None
        What may be spent, the starting set included. Rows too dear are passed over.
    oracle : callable, default=None
        ``oracle(indices) -> labels`` is asked instead of reading ``y``. Labels that are
        None or NaN are no answers; it may also return the pair ``(indices, labels)``,
        or a dict, of the rows answered, or None. What is not answered is not asked
        again, and as many rows in a row as a batch has, all without an answer, end the
        search. Use ``checkpoint`` to keep the answers.
    validation : float, tuple or None, default=None
        What the learning curve is scored on, never a training row. A tuple
        ``(X, y)`` or ``(X, y, groups)``; or a share between 0 and 1 of the rows, which
        are then neither asked about nor trained on: whole participants when ``groups``
        are given (scores are then for new participants), else single rows at random.
        None: no scores are computed and there is no learning curve.
    scoring : str, callable or None, default=None
        Scorer for the learning curve and for `score`. None: the estimator's ``score``.
    refit : bool, default=True
        Whether to keep an estimator fitted to all labels known at the end. With False
        the search only describes queries and learning curve.
    semi_supervised : bool, default=False
        Whether the estimator is fitted to the rows without label too, which then have
        the label -1: for estimators such as ``LabelSpreading`` or
        ``SelfTrainingClassifier``, and classes 0, 1, 2, ... Held-out rows stay out.
    warm_start : "auto" or bool, default="auto"
        Whether a round continues from the estimator of the round before instead of
        starting afresh. "auto": the task models of this suite do, at the end of a
        Pipeline too; that saves time and changes nothing else. True: so do others
        with a ``warm_start`` parameter, which may then end elsewhere than a fresh fit.
        A round with a class not seen before starts afresh, and so does the last fit
        (``refit``) of these others. The parameters of the estimator stay as they are.
    n_repeats : int, default=1
        Number of runs of the simulation, each with its own starting set and its own
        held-out rows. They show how much of a learning curve is luck.
    n_jobs : int, default=None
        Number of runs at a time. None means 1 unless in a joblib context.
    router : AnnotatorRouter or callable, default=None
        Says whom to ask about what the strategy chose: a fitted router, or
        ``router(X) -> ids``, for instance
        ``functools.partial(router.route, capacity=5)``. `fit` keeps the assignment of
        each batch in ``assignments_``; in a session `assign` asks for it.
    checkpoint : path-like, default=None
        File in which `fit` keeps the labels and its state after every batch (durably;
        with several repeats one file each, numbered). If the file is there, `fit`
        continues from it, asks about nothing again, and goes on as if it had not been
        interrupted; limits and stopping rules may be others then. In a session it is
        written by every `tell` and read by `start`.
    random_state : int, RandomState instance or None, default=None
        Seed of starting sets, held-out rows and random strategies. Searches with the
        same int begin with the same rows, whatever their strategy.
    verbose : int, default=0
        Above zero: print a line per round.

    Attributes
    ----------
    estimator_ : estimator
        The estimator fitted to all labels known: those of the first run, if there are
        several. In a session it is fitted when it is read after new labels.
    queries_ : list of ndarray
        Rows asked about, one array per batch (first run). In a session: rows told.
    initial_ : ndarray
        Rows of the starting set that were asked about (first run; not in a session).
    labeled_ : ndarray of bool of shape (n_samples,)
        Rows whose labels are known (first run).
    history_ : dict of str to ndarray
        A row per round of every run: ``repeat``, ``iteration`` (batches before the
        fit), ``n_labels``, ``cost`` if labels have one, ``score`` if there is
        validation data, what stopping rules record, ``utility_min``,
        ``utility_q25``, ``utility_median``, ``utility_q75`` and ``utility_max`` over
        the pool, ``fit_time`` and ``query_time`` in seconds. NaN where a round has no
        value: the last one may ask nothing. `history_frame` returns it as a data frame.
    assignments_ : list of ndarray
        Participants to whom the rows of each batch are assigned (first run). Needs
        ``router``.
    learning_curve_ : Bunch
        ``n_labels``, ``scores`` (a row per run), ``mean`` and ``std`` over the runs.
        Needs validation data.
    area_under_curve_ : float
        Mean height of the learning curve, in the unit of the score, averaged over the
        runs. Needs validation data.
    stopped_by_ : str or None
        What ended the first run: ``"pool_exhausted"``, ``"max_labels"``,
        ``"max_iterations"``, ``"max_cost"``, ``"callback"``, ``"oracle"`` (it answered
        nothing), ``"no_candidates"`` (the strategy allows no row) or the name of a rule
        (of several, joined by " & ", if they had to agree). None while a session is
        under way.
    runs_ : list of Bunch
        Everything about every run: ``initial``, ``queries``, ``labeled``, ``held_out``,
        ``history``, ``stopped_by``. Not in a session.
    classes_, n_features_in_, feature_names_in_
        Those of the estimator, if it has them.

    See Also
    --------
    ActiveLearner : The same loop one call at a time, over pools given by the caller.
    LearningCurveDisplay : Plots learning curves of several searches.

    Notes
    -----
    With metadata routing enabled, ``groups`` and other metadata of `fit` go to the
    estimator's ``fit``, the strategy and the scorer, as each requests. With routing
    disabled ``groups`` go to every one of them that takes groups, and other metadata
    to the estimator. The documentation has a table of who receives what.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import ActiveLearningSearch
    >>> X, y = load_iris(return_X_y=True)
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(max_iter=1000),
    ...     strategy="margin",
    ...     batch_size=5,
    ...     max_labels=30,
    ...     validation=0.3,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.history_["n_labels"]
    array([10, 15, 20, 25, 30])
    >>> search.stopped_by_
    'max_labels'

    The same with a person who answers:

    >>> search = ActiveLearningSearch(LogisticRegression(), random_state=0).start(X)
    >>> rows = search.ask(3)
    >>> search = search.tell(rows, ["setosa", "other", "setosa"])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "strategy": [StrOptions(set(get_query_strategy_names())), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left"), callable],
        "n_initial": [Interval(Integral, 1, None, closed="left")],
        "cold_start": [StrOptions(set(COLD_STARTS)), callable],
        "max_labels": [Interval(Integral, 1, None, closed="left"), None],
        "max_iterations": [Interval(Integral, 0, None, closed="left"), None],
        "stopping": [callable, list, tuple, None],
        "max_cost": [Interval(Real, 0, None, closed="neither"), None],
        "cost": [Interval(Real, 0, None, closed="neither"), str, callable, None],
        "query_by": [str, Integral],
        "n_judgments": [Interval(Integral, 1, None, closed="left"), None],
        "check_every": [Interval(Integral, 1, None, closed="left"), None],
        "checkpoint": [str, PathLike, None],
        "oracle": [callable, None],
        "validation": [Interval(Real, 0, 1, closed="neither"), tuple, None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean"],
        "semi_supervised": ["boolean"],
        "warm_start": [StrOptions({"auto"}), "boolean"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "router": [HasMethods("route"), callable, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Metadata that fit itself reads.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {
        "groups": True,
        "labeled": True,
    }

    def __init__(
        self,
        estimator: Any,
        strategy: Any = "entropy",
        *,
        batch_size: int | Callable[[int], int] = 10,
        n_initial: int = 10,
        cold_start: str | Callable[..., Any] = "random",
        max_labels: int | None = None,
        max_iterations: int | None = None,
        stopping: Rule | list[Rule] | None = None,
        check_every: int | None = None,
        query_by: str | int = "row",
        n_judgments: int | None = None,
        cost: Cost | None = None,
        max_cost: float | None = None,
        oracle: Callable[[NDArray[np.intp]], Any] | None = None,
        validation: float | tuple[Any, ...] | None = None,
        scoring: str | Callable[..., float] | None = None,
        refit: bool = True,
        semi_supervised: bool = False,
        warm_start: str | bool = "auto",
        n_repeats: int = 1,
        n_jobs: int | None = None,
        router: Any = None,
        checkpoint: str | PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.batch_size = batch_size
        self.n_initial = n_initial
        self.cold_start = cold_start
        self.max_labels = max_labels
        self.max_iterations = max_iterations
        self.stopping = stopping
        self.check_every = check_every
        self.query_by = query_by
        self.n_judgments = n_judgments
        self.cost = cost
        self.max_cost = max_cost
        self.oracle = oracle
        self.validation = validation
        self.scoring = scoring
        self.refit = refit
        self.semi_supervised = semi_supervised
        self.warm_start = warm_start
        self.n_repeats = n_repeats
        self.n_jobs = n_jobs
        self.router = router
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    # Fitting ------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: Any = None,
        labeled: Any = None,
        **params: Any,
    ) -> Self:
        """Simulate the search.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            All rows: array, sparse matrix, list of str or data frame.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, revealed as they are asked for. With an ``oracle`` only those of
            rows marked in ``labeled`` are read; it may then be None.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.
        labeled : array-like of bool of shape (n_samples,), default=None
            Rows whose labels are known at the start.
        **params : dict
            Further metadata for the estimator's ``fit``; array-likes of length
            n_samples are cut to the rows labelled.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            If the strategy and the estimator do not fit together, if labels are
            missing, or if a rule needs validation data and there are none.
        """
        if y is None and self.oracle is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None. Without y it needs an oracle."
            )
        X, y, groups, labeled = indexable(X, y, groups, labeled)
        labels = None if y is None else as_labels(y)
        if self.oracle is None:
            check_labels(labels, np.arange(_num_samples(X)))
        params = _check_method_params(X, params)
        checkpoints = checkpoints_of(self.checkpoint, self, self.n_repeats)
        drawn = draw_seeds(self.random_state, self.n_repeats)
        runs = [
            plan_rounds(
                self, X, labels, groups, labeled, params, seed_of(checkpoint, seed)
            )
            for seed, checkpoint in zip(drawn, checkpoints, strict=True)
        ]
        self._forget()
        context = self._init_callback_context(
            max_subtasks=self.n_repeats, sequential_subtasks=False
        )
        callback_data = {"X": X, "y": y, "groups": groups}
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        tasks = [
            context.subcontext(task_name="run", task_id=i, max_subtasks=None)
            for i in range(self.n_repeats)
        ]
        results = Parallel(n_jobs=self.n_jobs)(
            delayed(simulate)(
                rounds,
                Reveal(self.oracle, labels),
                batch_size=self._batch_size,
                check_every=self.check_every,
                checkpoint=checkpoint,
                search=self,
                context=task,
                callback_data=callback_data,
                verbose=self.verbose,
                repeat=repeat,
                keep_estimator=self.refit and repeat == 0,
            )
            for repeat, (rounds, task, checkpoint) in enumerate(
                zip(runs, tasks, checkpoints, strict=True)
            )
        )
        self._store(results, X, runs[0].fit_params)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _store(self, runs: list[Bunch], X: Any, fit_params: dict[str, Any]) -> None:
        first = runs[0]
        if self.refit:
            self._fitted = first.estimator
            if may_end_elsewhere(self.estimator, self.warm_start):
                self._fitted = fit_rows(
                    clone(self.estimator), X, first.labels, first.rows, fit_params
                )
        self.__dict__.pop("assignments_", None)
        if self.router is not None:
            self.assignments_ = [
                route_rows(self.router, X, batch) for batch in first.queries
            ]
        for run in runs:
            del run["estimator"], run["labels"], run["rows"]
        self.runs_ = runs

    def _batch_size(self, n_labels: int) -> int:
        """Return the size of the next batch."""
        if not callable(self.batch_size):
            return self.batch_size
        return check_batch_size(self.batch_size(n_labels), "What batch_size returns")

    def _forget(self) -> None:
        """Drop what an earlier fit or session left."""
        for name in ("runs_", "_fitted", "_session", "assignments_"):
            self.__dict__.pop(name, None)
