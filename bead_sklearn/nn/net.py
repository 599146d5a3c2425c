"""A network with effects of participants, trained by skorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from bead_sklearn.families import QuadraticFamily, get_family
from bead_sklearn.inputs import encode_levels
from bead_sklearn.nn._callbacks import BestWeights, Checkpointing, VarianceStep
from bead_sklearn.nn._criterion import FamilyLoss
from bead_sklearn.nn._data import (
    HeldOut,
    JudgmentBatches,
    JudgmentDataset,
)
from bead_sklearn.nn._marginal import (
    EffectState,
    rows_family,
)
from bead_sklearn.nn._net_data import ROW, SETS, WEIGHT
from bead_sklearn.nn._net_modules import KNOWN, NetModules
from bead_sklearn.nn._optimizer import TableAdamW
from bead_sklearn.nn._tables import CovariateEffects
from bead_sklearn.nn._terms import (
    read_terms,
    start_theta,
    term_structure,
)
from bead_sklearn.nn._text import TextPredictor


class MixedEffectsNet(NetModules):
    """A network for the fixed part of a mixed model, trained with its effects.

        eta = module(X) + b0 + Z u,   u ~ N(0, G),   y ~ family(eta)

    With one factor whose effects are intercepts or coefficients of known covariates
    the network is trained on the marginal likelihood: batches hold whole participants,
    whose effects are integrated out by the solvers, and the derivative of that
    likelihood in each linear predictor flows back into the network. Otherwise (crossed
    factors, participant-specific heads over the features of the network, adapters
    inside it) effects are tables that are trained with it, on the joint density
    with their Gaussian prior. At the end of each epoch b0 and the parameters of the
    family are profiled and G takes EM steps corrected for skewness.

    Parameters
    ----------
    module : class, default=TextPredictor
        A torch module whose ``forward`` takes the columns of X by name and returns
        linear predictors (n,) or (n, J), or these and features (n, d).
    family : str or Family, default="bernoulli"
        Response distribution, see :func:`~bead_sklearn.families.get_family`. It takes
        responses as it encodes them, such as 0 and 1.
    effects : None, str or dict, default="intercepts"
        What varies: "intercepts"; "covariates" (coefficients of the columns ``X["<
        factor>.z"]``); "slopes" (heads over the features that the module returns);
        "lora" (adapters of the module, which takes ``participants``); by factor if
        a dict. A single name is for the factor ``groups``.
    likelihood : {"auto", "marginal", "joint"}, default="auto"
        Whether effects are integrated out; "auto" is where it is possible.
    rank : int, default=None
        Rank of slopes; None is heads of full width up to 64 features, and 16 beyond.
    prior_variance : float, default=1.0
        Variance of effects at the start. Slopes keep it, and so do adapters, of whose
        B it is the variance.
    estimate_variances : bool, default=True
        Whether G is estimated, that of intercepts and known covariates.
    lr : float, default=1e-3
        Learning rate of the module.
    head_lr : float, default=None
        Learning rate of what the module calls its ``head_parameters()``; None is
        ``lr``.
    effects_lr : float, default=0.05
        Learning rate of tables of effects.
    max_grad_norm : float or None, default=1.0
        Gradients of the module beyond this norm are scaled down.
    patience : int or None, default=3
        Epochs without a lower held-out loss after which training stops.
    train_split : HeldOut or None, default=HeldOut(0.1)
        Which rows are held out. None trains on all rows for ``max_epochs``.
    checkpoint : str or path-like, default=None
        Folder that keeps the state of training after each epoch.
    resume : bool, default=True
        Whether fit goes on where the checkpoint ends, if there is one.
    autocast : {"bfloat16"} or None, default=None
        Type in which the module computes where it is safe. The range of float16 would
        need gradients that are scaled.
    random_state : int, RandomState or None, default=None
        Seed of weights, order and dropout. The global seeds of torch and numpy stay
        as they are.
    max_epochs, batch_size, device, verbose, callbacks, optimizer, iterator_train, ...
        As in :class:`skorch.NeuralNet`. Batches have at least ``batch_size`` rows.

    Attributes
    ----------
    module_ : Module
        The trained network, with the weights of the epoch of the lowest held-out
        loss.
    history : History
        Losses per epoch, per judgment.
    levels_ : dict of str to ndarray
        Levels by factor.
    variance_history_ : list of dict of str to ndarray
        G of each factor after each epoch.
    family_ : Family
        With its estimated parameters.
    kind_ : {"marginal", "joint", "plain"}
        What was minimised; "plain" is without effects.

    References
    ----------
    .. [1] Simchoni & Rosset (2023). Integrating random effects in deep neural
       networks. Journal of Machine Learning Research 24.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from bead_sklearn.nn import MixedEffectsNet
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat(np.arange(30), 20)
    >>> x = rng.normal(size=(600, 3)).astype("float32")
    >>> eta = x @ [1.0, -1.0, 0.5] + rng.normal(size=30)[groups]
    >>> y = (rng.uniform(size=600) < 1 / (1 + np.exp(-eta))).astype(float)
    >>> class Linear(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = torch.nn.Linear(3, 1)
    ...
    ...     def forward(self, x):
    ...         return self.layer(x)
    >>> net = MixedEffectsNet(Linear, lr=0.05, max_epochs=20, random_state=0)
    >>> net = net.fit({"x": x, "groups": groups}, y)
    >>> net.effects_of("groups").shape, net.kind_
    ((30, 1), 'marginal')
    """

    def __init__(
        self,
        module: Any = TextPredictor,
        *,
        family: Any = "bernoulli",
        effects: Any = "intercepts",
        likelihood: str = "auto",
        rank: int | None = None,
        prior_variance: float = 1.0,
        estimate_variances: bool = True,
        head_lr: float | None = None,
        effects_lr: float = 0.05,
        max_grad_norm: float | None = 1.0,
        patience: int | None = 3,
        checkpoint: Any = None,
        resume: bool = True,
        autocast: str | None = None,
        random_state: Any = None,
        criterion: Any = FamilyLoss,
        optimizer: Any = TableAdamW,
        lr: float = 1e-3,
        max_epochs: int = 10,
        batch_size: int = 64,
        iterator_train: Any = JudgmentBatches,
        iterator_valid: Any = JudgmentBatches,
        dataset: Any = JudgmentDataset,
        train_split: Any = HeldOut(0.1),  # noqa: B008
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            module,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            dataset=dataset,
            train_split=train_split,
            verbose=verbose,
            **kwargs,
        )
        self.family = family
        self.effects = effects
        self.likelihood = likelihood
        self.rank = rank
        self.prior_variance = prior_variance
        self.estimate_variances = estimate_variances
        self.head_lr = head_lr
        self.effects_lr = effects_lr
        self.max_grad_norm = max_grad_norm
        self.patience = patience
        self.checkpoint = checkpoint
        self.resume = resume
        self.autocast = autocast
        self.random_state = random_state

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> MixedEffectsNet:
        """Train the network and estimate the effects.

        Parameters
        ----------
        X : dict of str to array-like of shape (n_rows, ...)
            Columns by name: ids of each factor (``groups`` is never passed to the
            module), ``weight`` (how many times a row
            counts), ``sets`` (choice sets, rows of a set next to each other), and
            what the module takes. Strings are tokenised if the module can.
        y : array-like of shape (n_rows,) or (n_rows, J)
            Responses as the family encodes them.

        Returns
        -------
        self : MixedEffectsNet
            Trained.

        Raises
        ------
        ValueError
            If columns are missing, lengths differ, or a checkpoint is of another
            training.
        """
        with self._local_seed():
            self._learn(X, y)
            super().fit(X, np.asarray(y), **fit_params)
            self._finish(X, np.asarray(y))
        return self

    def train(self, X: Any, y: Any) -> MixedEffectsNet:
        """Train the network without the pass that estimates all effects at the end.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.
        """
        with self._local_seed():
            self._learn(X, y)
            super().fit(X, np.asarray(y))
        return self

    @contextmanager
    def _local_seed(self) -> Iterator[None]:
        devices = []
        device = torch.device(self.device)
        if device.type == "cuda":
            own = torch.cuda.current_device() if device.index is None else device.index
            devices = [own]
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed_)
            yield

    def _learn(self, X: Any, y: Any) -> None:
        """Learn levels, family and what is to be minimised."""
        if not isinstance(X, Mapping):
            raise TypeError(
                "X must be a dict of columns, with the ids of each factor under its "
                f"name. Got {type(X).__name__}."
            )
        if y is None:
            raise ValueError("y is needed to train the net. Got None.")
        if self.autocast not in (None, "bfloat16"):
            raise ValueError(
                f"autocast must be None or 'bfloat16'. Got {self.autocast!r}."
            )
        y = np.asarray(y)
        weights = np.asarray(X.get(WEIGHT, np.ones(len(y))), dtype=np.float64)
        self.terms_ = read_terms(self.effects)
        self.levels_: dict[str, np.ndarray] = {}
        for name in self.terms_:
            if name not in X:
                raise ValueError(
                    f"effects names the factor {name!r}, which is not in X; its "
                    f"columns are {sorted(X)}."
                )
            self.levels_[name] = encode_levels(np.asarray(X[name]))[0]
        family = get_family(self.family)
        intercept = np.zeros(family.n_outputs)
        if isinstance(self.family, str):
            family = family.start(y, weights)
            if isinstance(family, QuadraticFamily) and not family.fixed:
                spread = float(np.std(family.working_response(y)))
                family = family.with_sigma(spread if spread > 0 else 1.0)
            intercept = np.zeros(family.n_outputs)
            if family.has_intercept:
                intercept += family.initial_eta(y, weights)
        self.start_intercept_ = intercept
        self.structures_ = {}
        theta = {}
        for name, term in self.terms_.items():
            if term.kind in KNOWN:
                z = X.get(f"{name}.z")
                n_covariates = 1 if z is None else np.asarray(z).shape[1]
                structure = term_structure(term, n_covariates, family.n_outputs)
                self.structures_[name] = structure
                theta[name] = start_theta(structure, term, self.prior_variance)
        self.state_ = EffectState(family, theta)
        self.kind_ = self._resolve_likelihood(X)
        self.variance_history_: list[dict[str, np.ndarray]] = []

    def _resolve_likelihood(self, X: Mapping[str, Any]) -> str:
        if self.likelihood not in ("auto", "marginal", "joint"):
            raise ValueError(
                "likelihood must be 'auto', 'marginal' or 'joint'. Got "
                f"{self.likelihood!r}."
            )
        if not self.terms_:
            return "plain"
        reason = None
        if len(self.terms_) > 1:
            reason = "there are several factors"
        elif not self.structures_:
            kind = next(iter(self.terms_.values())).kind
            reason = f"effects of the kind {kind!r} change with the network"
        elif SETS in X:
            sets, ids = np.asarray(X[SETS]), np.asarray(X[next(iter(self.terms_))])
            same = sets[1:] == sets[:-1]
            if (ids[1:] != ids[:-1])[same].any():
                reason = "the factor varies within choice sets"
        if self.likelihood == "marginal" and reason is not None:
            raise ValueError(
                f"likelihood='marginal' is not possible because {reason}. Use "
                "likelihood='auto' or 'joint'."
            )
        return "joint" if reason or self.likelihood == "joint" else "marginal"

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        *others, log = super()._default_callbacks
        return [
            *others,
            ("variance_step", VarianceStep()),
            ("best_weights", BestWeights(self.patience)),
            ("checkpointing", Checkpointing(self.checkpoint)),
            log,
        ]

    # ---------------------------------------------------------------- predict

    def effects_of(self, name: str = "groups") -> np.ndarray:
        """Return the estimated effects of the levels of a factor.

        Parameters
        ----------
        name : str, default="groups"
            The factor.

        Returns
        -------
        effects : ndarray of shape (n_levels, n_effects)
            In the order of ``levels_[name]``; adapters have no such table.
        """
        self.check_is_fitted()
        table = self.tables_.get(name)
        effects = table.table.effects()
        if isinstance(table, CovariateEffects):
            return np.asarray((effects @ table.scale.T).cpu())
        by_output = effects.unflatten(1, (-1, table.n_outputs)).clone()
        by_output[:, :1] *= table.scale
        by_output[:, 1:] *= table.slope_scale
        return np.asarray(by_output.flatten(1).cpu())

    def predict_eta(self, X: Any) -> np.ndarray:
        """Return linear predictors with the effects of known levels.

        Parameters
        ----------
        X : dict of str to array-like of shape (n_rows, ...)
            As in fit; a factor that is missing, and levels not seen in fit, have no
            effect.

        Returns
        -------
        eta : ndarray of shape (n_rows,) or (n_rows, J)
            In the shape that the family takes.
        """
        self.check_is_fitted()
        dataset = self.get_dataset(X)
        result = np.zeros((len(dataset), self.state_.family.n_outputs))
        self._set_training(False)
        for batch, _ in self.get_iterator(dataset):
            with torch.no_grad():
                f, features = self.infer(batch)
                effects = self._gather(batch)
                f = f + self._moving_effects(effects, features)
                f = f + self._known_effects(batch, effects)
            result[batch[ROW].numpy()] = f.cpu().numpy()
        shaped: np.ndarray = self._shaped(result)
        return shaped

    def predict(self, X: Any) -> np.ndarray:
        """Return the means of responses at :meth:`predict_eta`.

        Parameters
        ----------
        X : dict of str to array-like of shape (n_rows, ...)
            As in fit.

        Returns
        -------
        mean : ndarray
            As the family gives it: numbers, or probabilities.
        """
        eta = self.predict_eta(X)
        sets = np.asarray(X[SETS]) if SETS in X else None
        return rows_family(self.state_.family, sets).mean(eta)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities of responses, (n_rows, n_classes)."""
        mean = self.predict(X)
        return mean if mean.ndim > 1 else np.column_stack([1.0 - mean, mean])

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs; skorch knows how to read what was on a GPU."""
        if torch.device(self.device).type == "cpu":
            return self.__dict__.copy()
        state: dict[str, Any] = super().__getstate__()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "__cuda_dependent_attributes__" in state:
            super().__setstate__(state)
        else:
            self.__dict__.update(state)
