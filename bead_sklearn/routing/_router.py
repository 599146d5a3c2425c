"""Expected rewards of annotators, and who should be asked about what."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
)
from bead_sklearn._threads import blas_threads
from bead_sklearn.inputs import match_levels
from bead_sklearn.routing._features import ItemFeatures
from bead_sklearn.routing._gain import masked_r2
from bead_sklearn.routing._gaussian_process import GaussianProcessHead
from bead_sklearn.routing._losses import LOSSES
from bead_sklearn.routing._neighbors import NeighborHead
from bead_sklearn.routing._ratings import Ratings
from bead_sklearn.routing._rewards import (
    as_array,
    check_ids,
    one_annotator,
    read_rewards,
)
from bead_sklearn.routing._ridge import RidgeHead
from bead_sklearn.routing._route import ItemRouting
from bead_sklearn.routing._sgd import LinearHeads, Schedule

#: Losses of each solver.
_LOSSES_OF = {
    "gp": ("squared_error",),
    "knn": ("squared_error",),
    "ridge": ("squared_error", "log_loss"),
    "sgd": tuple(LOSSES),
}


def _has_scores(router: Any) -> bool:
    if router.solver != "sgd":
        raise AttributeError("predict_scores needs solver='sgd'.")
    return True


class AnnotatorRouter(ItemRouting, MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Predict the reward expected of each annotator, and route items to them.

    An annotator is whoever can be asked about an item: a person, a crowd worker, a
    language model. Rewards of past answers say who is good at what.

    ``solver="gp"``, the default, is a Gaussian process [1]_ over items,

    .. math:: r_{ia} = \mu + m_a + c_a (f(x_i) + g_a(x_i) + d_i + e_{ia}),

    with a squared-exponential kernel whose length scale and variances are estimated.
    ``"ridge"`` is the suite's random-slopes model: a linear head per annotator, with
    a precision that annotators share and that marginal likelihood estimates.
    ``"sgd"`` trains linear heads step by step, as gating models do [2]_. ``"knn"`` is
    the mean reward among the nearest items [3]_, shrunk to the annotator's mean.

    Parameters
    ----------
    encoder : None, str, transformer or callable, default=None
        Turns texts into features, as in the task models: hashed n-grams, a Hugging
        Face model, a transformer or a function of a list of strings.
    solver : {"gp", "ridge", "sgd", "knn"}, default="gp"
        How rewards are learned.
    loss : {"squared_error", "log_loss", "listwise", "softmax_mse"}, \
default="squared_error"
        What training minimises. ``"log_loss"`` takes rewards in [0, 1] ("ridge",
        "sgd"). ``"listwise"``, cross-entropy between the softmax of scores and that of
        rewards, and ``"softmax_mse"``, their mean squared difference, compare the
        annotators asked about the same row ("sgd"). The gradient of the latter
        vanishes as their number grows.
    alpha : float or "auto", default="auto"
        Ridge on the coefficients that annotators share ("ridge").
    n_neighbors : int, default=50
        Number of items ("knn").
    learning_rate : float, default=0.01
        Step ("sgd").
    momentum : float, default=0.9
        Share of the last step that is kept ("sgd").
    max_iter : int, default=5
        Passes over the ratings ("sgd").
    batch_size : int, default=1
        Rows per step ("sgd").
    shuffle : bool, default=True
        Whether rows come in random order ("sgd").
    accumulate_grad : bool, default=False
        Whether gradients are summed over steps and never cleared, as in the original
        gating model; only to reproduce it ("sgd").
    init : {"population", "random"}, default="population"
        Head of an annotator without ratings: the mean of the others, or random as in
        the original ("sgd").
    annotators : array-like of shape (n_annotators,), default=None
        Ids of the annotators there are, rated or not. None takes those of the data.
    device : str, default=None
        Where a language model runs.
    random_state : int, RandomState instance or None, default=None
        Order of rows, random heads, choice of items for estimation, exploration.

    Attributes
    ----------
    annotators_ : ndarray of shape (n_annotators,)
        Ids, in the order of columns.
    coef_ : ndarray of shape (n_annotators, n_features)
        Heads ("sgd").
    intercept_ : ndarray of shape (n_annotators,)
        Intercepts ("sgd").
    loss_curve_ : list of float
        Mean loss of each pass ("sgd").
    n_iter_ : int
        Number of passes; 1 where there are none.
    model_ : estimator
        The task model ("ridge").
    variances_ : Variances
        Length scale and variance components ("gp").
    n_features_in_ : int
        Number of columns of X; not set for a list of texts.

    See Also
    --------
    bead_sklearn.ActiveLearningSearch : Takes a router to assign what it chooses.

    Notes
    -----
    Rows without a rating change nothing. Numeric columns are used as they are: scale
    them first. Except with "sgd", a weight is the same as repeated ratings, and
    :meth:`partial_fit` is the same as fitting all ratings at once.

    References
    ----------
    .. [1] Rasmussen & Williams (2006). Gaussian Processes for Machine Learning. MIT
       Press.
    .. [2] Shazeer et al. (2017). Outrageously large neural networks: the
       sparsely-gated mixture-of-experts layer. ICLR. arXiv:1701.06538
    .. [3] Hu et al. (2024). RouterBench: a benchmark for multi-LLM routing systems.
       arXiv:2403.12031

    Examples
    --------
    >>> import numpy as np
    >>> texts = ["add 2 and 3", "translate: bonjour", "7 times 8", "translate: merci"]
    >>> rewards = np.array([[1, 0], [0, 1], [1, np.nan], [0, 1]])
    >>> router = AnnotatorRouter(annotators=["ann", "bob"], random_state=0)
    >>> router.fit(texts * 5, np.tile(rewards, (5, 1)))
    AnnotatorRouter(annotators=['ann', 'bob'], random_state=0)
    >>> router.route(["9 times 5", "translate: salut"]).tolist()
    ['ann', 'bob']
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__partial_fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "encoder": [str, callable, HasMethods(["fit", "transform"]), None],
        "solver": [StrOptions(set(_LOSSES_OF))],
        "loss": [StrOptions(set(LOSSES))],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "accumulate_grad": ["boolean"],
        "init": [StrOptions({"population", "random"})],
        "annotators": ["array-like", None],
        "device": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        encoder: Any = None,
        *,
        solver: str = "gp",
        loss: str = "squared_error",
        alpha: float | str = "auto",
        n_neighbors: int = 50,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        max_iter: int = 5,
        batch_size: int = 1,
        shuffle: bool = True,
        accumulate_grad: bool = False,
        init: str = "population",
        annotators: Any = None,
        device: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.encoder = encoder
        self.solver = solver
        self.loss = loss
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.accumulate_grad = accumulate_grad
        self.init = init
        self.annotators = annotators
        self.device = device
        self.random_state = random_state

    # ------------------------------------------------------------------ fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Self:
        """Learn from rewards of past answers.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was rated.
        y : array-like of shape (n_samples, n_annotators) or (n_samples,)
            Wide form: a column per annotator, NaN where one was not asked; the names
            of the columns of a DataFrame are ids. Long form, with ``groups``: one
            reward per row. A vector without ``groups`` is one annotator.
        groups : array-like of shape (n_samples,), default=None
            Annotator of each row, in long form.
        sample_weight : array-like of shape (n_samples,), default=None
            How many times each row counts.
        coef_init : array-like of shape (n_annotators, n_features), default=None
            Heads to begin with ("sgd").
        intercept_init : array-like of shape (n_annotators,), default=None
            Intercepts to begin with ("sgd").

        Returns
        -------
        self : AnnotatorRouter
            The fitted router.

        Raises
        ------
        ValueError
            If there is no rating, a reward is outside [0, 1] under
            ``loss="log_loss"``, the solver has no such loss, or ids or shapes do not
            fit.
        """
        return self._fit(
            X, y, groups, sample_weight, (coef_init, intercept_init), self.max_iter
        )

    def _fit(
        self,
        X: Any,
        y: Any,
        groups: Any,
        sample_weight: Any,
        start: tuple[Any, Any],
        n_passes: int,
    ) -> Self:
        if self.loss not in _LOSSES_OF[self.solver]:
            raise ValueError(
                f"solver={self.solver!r} minimises "
                f"{' or '.join(map(repr, _LOSSES_OF[self.solver]))}. Got "
                f"loss={self.loss!r}."
            )
        self._items = ItemFeatures(
            self.encoder, {"device": self.device, "random_state": self.random_state}
        )
        self._rng = check_random_state(self.random_state)
        self._seed = int(self._rng.randint(2**31))  # of whatever is learned at once
        features = self._items.read(self, X, reset=True)
        read = read_rewards(
            self,
            features,
            y,
            groups,
            sample_weight,
            ids=check_ids(self.annotators, "annotators"),
            fixed=self.annotators is not None,
        )
        ratings = read.ratings
        if not ratings.n_ratings:
            raise ValueError("y holds no rating: all of it is NaN or has weight 0.")
        self._ids: list[Any] = read.ids
        self._is_single = read.is_single
        if self.solver != "sgd":
            if any(part is not None for part in start):
                raise ValueError(
                    "coef_init and intercept_init need solver='sgd'. Got "
                    f"solver={self.solver!r}."
                )
            self._ratings = ratings
            self._learn()
            return self
        self._heads = LinearHeads(
            len(self._ids), features.shape[1], Schedule.of(self), self._rng
        )
        self._heads.begin(*start)
        self.loss_curve_: list[float] = []
        for _ in range(n_passes):
            self._pass(ratings, afresh=True)
        self._set_ids()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Learn from more rewards; annotators not known yet are added.

        "sgd" passes over the new rows once. The other solvers keep all ratings and
        learn from them together.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was rated.
        y : array-like of shape (n_samples, n_annotators) or (n_samples,)
            Rewards, as in :meth:`fit`. Columns without names are the annotators known
            so far.
        groups : array-like of shape (n_samples,), default=None
            Annotator of each row, in long form.
        sample_weight : array-like of shape (n_samples,), default=None
            How many times each row counts.

        Returns
        -------
        self : AnnotatorRouter
            The router.
        """
        if not self.__sklearn_is_fitted__():
            return self._fit(X, y, groups, sample_weight, (None, None), 1)
        features = self._items.read(self, X, reset=False)
        read = read_rewards(
            self, features, y, groups, sample_weight, ids=self._ids, fixed=False
        )
        ratings, before = read.ratings, len(self._ids)
        if not ratings.n_ratings:
            return self
        self._ids = read.ids
        self._is_single = self._is_single and len(self._ids) == 1
        if self.solver == "sgd":
            positions = np.full(len(self._ids), -1)
            positions[:before] = np.arange(before)
            if len(self._ids) > before:
                self._heads.relabel(positions, len(self._ids), self.init, self._rng)
            self._pass(ratings, afresh=False)
        else:
            self._ratings = self._ratings.joined(ratings)
            self._learn()
        self._set_ids()
        return self

    def set_annotators(self, ids: Any) -> Self:
        """Add, drop, replace or reorder annotators.

        What is known of an annotator moves with the id. New ids begin without ratings,
        and with an optimizer that remembers nothing of who was in their place. Ratings
        of dropped annotators are forgotten.

        Parameters
        ----------
        ids : array-like of shape (n_annotators,)
            All annotators from now on, in the order of columns.

        Returns
        -------
        self : AnnotatorRouter
            The router.

        Raises
        ------
        ValueError
            If ids repeat, or none is left that has ratings ("gp", "ridge", "knn").
        """
        check_is_fitted(self)
        wanted = check_ids(ids, "ids")
        if not wanted:
            raise ValueError("ids must name at least one annotator. Got none.")
        if self.solver == "sgd":
            positions = match_levels(self._ids, wanted)
            self._heads.relabel(positions, len(wanted), self.init, self._rng)
        else:
            kept = self._ratings.relabelled(match_levels(wanted, self._ids))
            if not kept.n_ratings:
                raise ValueError(
                    "None of the annotators has ratings, so that nothing is left to "
                    f"learn from. Got ids {wanted}; rated were {self._ids}."
                )
            self._ratings = kept
        self._ids, self._is_single = wanted, False
        if self.solver != "sgd":
            self._learn()
        self._set_ids()
        return self

    def _pass(self, ratings: Ratings, *, afresh: bool) -> None:
        loss = self._heads.train(ratings, Schedule.of(self), self._rng)
        self.loss_curve_.append(loss)
        self._heads.calibrate(ratings, self.loss, afresh=afresh)

    def _learn(self) -> None:
        """Learn from all ratings at once."""
        n_annotators = len(self._ids)
        rng = np.random.RandomState(self._seed)
        if self.solver == "ridge":
            self._head: Any = RidgeHead(self._ratings, self.loss, self.alpha)
            self.model_ = self._head.model
        else:
            cells = self._ratings.cells()
            if self.solver == "knn":
                self._head = NeighborHead(cells, n_annotators, int(self.n_neighbors))
            else:
                with blas_threads(cells.n_items):
                    self._head = GaussianProcessHead(cells, n_annotators, rng)
                self.variances_ = self._head.variances
        self._set_ids()

    def _set_ids(self) -> None:
        self.annotators_ = as_array(self._ids)
        self.n_iter_ = 1
        if self.solver == "sgd":
            self.coef_ = self._heads.coef
            self.intercept_ = self._heads.intercept
            self.n_iter_ = len(self.loss_curve_)

    # -------------------------------------------------------------- predict

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict rewards, calibrated: in the unit of y.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is to be answered.
        groups : array-like of shape (n_samples,), default=None
            Annotator of each row; one not known gets the reward expected of a new
            annotator.

        Returns
        -------
        rewards : ndarray of shape (n_samples, n_annotators) or (n_samples,)
            A column per annotator; with ``groups``, or where the rewards in fit were
            a vector without them, one value per row.
        """
        table, of_new = self._rewards(X)
        if groups is None:
            return table[:, 0] if self._is_single else table
        codes = match_levels(self._ids, one_annotator(groups, len(table)))
        of_known = table[np.arange(len(table)), codes]
        return np.where(codes >= 0, of_known, of_new)

    @available_if(_has_scores)
    def predict_scores(self, X: Any) -> np.ndarray:
        """Return the scores before calibration ("sgd").

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is to be answered.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_annotators)
            ``coef_ @ x + intercept_``.
        """
        check_is_fitted(self)
        return self._heads.scores(self._items.read(self, X, reset=False))

    def _rewards(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        features = self._items.read(self, X, reset=False)
        if self.solver == "sgd":
            return self._heads.predict(features, self.loss)
        if self.solver == "ridge":
            return self._head.predict(features, len(self._ids))
        rewards: tuple[np.ndarray, np.ndarray] = self._head.predict(features)
        return rewards

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return R2 over all rewards that are not NaN.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was rated.
        y : array-like of shape (n_samples, n_annotators) or (n_samples,)
            Rewards, in either form.
        groups : array-like of shape (n_samples,), default=None
            Annotator of each row, in long form.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Share of the variance of rewards that is explained.
        """
        predicted = self.predict(X, groups=groups)
        return masked_r2(y, predicted, sample_weight)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "annotators_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        # 50 neighbours may be most rows, and 5 passes with small steps too few.
        tags.regressor_tags.poor_score = self.solver in ("knn", "sgd")
        return tags
