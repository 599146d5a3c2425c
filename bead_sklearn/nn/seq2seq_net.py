"""An encoder-decoder with effects of participants, trained by skorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.families import MultinomialLogit
from bead_sklearn.inputs import encode_levels
from bead_sklearn.nn._data import JudgmentDataset, RowSubset, TokenColumn
from bead_sklearn.nn._marginal import EffectState
from bead_sklearn.nn._net_data import ROW, WEIGHT
from bead_sklearn.nn._net_state import EffectModules
from bead_sklearn.nn._responses import ResponseModel
from bead_sklearn.nn._seq2seq import IGNORED, Seq2SeqModel
from bead_sklearn.nn._terms import EffectTerm
from bead_sklearn.nn._token_biases import TokenBiases, add_biases
from bead_sklearn.nn._token_state import TokenState

#: What may vary over participants.
KINDS = ("tokens", "lora")


class Seq2SeqNet(TokenState):
    """An encoder-decoder for responses in words, trained with effects of participants.

        P(token t of the response | what was shown, tokens before, participant g)
            = softmax(f_t + a + s v_g),   v_g ~ N(0, I)

    with f the logits of the model, whose decoder may have adapters of each
    participant. Loop, callbacks, checkpoints and optimizer are those of
    :class:`MixedEffectsNet`; the loss is minus the log-likelihood of the tokens by
    teacher forcing, summed over the tokens of a response, per judgment, and minus the
    Gaussian log-prior of the effects.

    s and the biases a, which all participants share and which are under a ridge,
    maximise the Laplace approximation of the marginal likelihood: after each epoch
    they take some steps towards its maximum, and at the end they are there and all v
    at their modes, found by Newton's method. They are estimated from held-out
    responses where the model itself is trained and 20 participants have some, because
    a model that knows the responses makes participants look alike. Where its weights
    stay fixed and there are no adapters, nothing else is left to train, and there are
    no epochs.

    Parameters
    ----------
    module : class, default=Seq2SeqModel
        The module; ``module__model`` names the pretrained model and ``module__tune``
        says what of it is trained.
    effects : None, str or dict, default="tokens"
        What varies: "tokens" (a table of biases of the tokens that occur in the
        responses), "lora" (adapters of the decoder); by column of ids if a dict.
    alpha : float or "auto", default="auto"
        Ridge precision of the biases that all share; "auto" estimates their variance.
    lr : float, default=1e-4
        Learning rate of the module.
    prior_variance : float, default=1.0
        Variance of biases at the start, and of the entries of B of adapters, which is
        not estimated: B and A come in as a product, and A has no prior.
    estimate_variances, effects_lr, max_grad_norm, patience, ...
        As in :class:`MixedEffectsNet`. ``family``, ``likelihood``, ``rank`` and
        ``head_lr`` have no part in it.

    Attributes
    ----------
    module_ : Seq2SeqModel
        The network.
    tokens_ : ndarray of int of shape (K,)
        Tokens with biases.
    levels_, history, variance_history_, kind_
        As in :class:`MixedEffectsNet`.

    Examples
    --------
    >>> from bead_sklearn.nn import Seq2SeqNet
    >>> net = Seq2SeqNet(module__model="t5-small", module__tune="lora")
    >>> net.fit({"texts": texts, "groups": participants}, responses)  # doctest: +SKIP
    """

    def __init__(
        self,
        module: Any = Seq2SeqModel,
        *,
        effects: Any = "tokens",
        alpha: float | str = "auto",
        lr: float = 1e-4,
        batch_size: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            module, effects=effects, lr=lr, batch_size=batch_size, **kwargs
        )
        self.alpha = alpha

    # ------------------------------------------------------------------- fit

    def _learn(self, X: Any, y: Any) -> None:
        """Learn levels and what varies over them."""
        if not isinstance(X, Mapping):
            raise TypeError(
                "X must be a dict of columns, with what was shown under 'texts'. Got "
                f"{type(X).__name__}."
            )
        if "texts" not in X:
            raise ValueError(
                "X needs the column 'texts', what was shown. Its columns are "
                f"{sorted(X)}."
            )
        if y is None:
            raise ValueError("y, the responses, is needed to train the net. Got None.")
        usual: dict[str, Any] = {"family": "bernoulli", "likelihood": "auto"}
        for option, value in {**usual, "rank": None, "head_lr": None}.items():
            if getattr(self, option) != value:
                raise ValueError(
                    f"{option}={getattr(self, option)!r} has no effect in a Seq2SeqNet."
                )
        if self.alpha != "auto" and not (
            isinstance(self.alpha, (int, float)) and self.alpha > 0
        ):
            raise ValueError(
                "alpha must be 'auto' or positive: tokens that nobody wrote would "
                f"have no finite bias. Got {self.alpha!r}."
            )
        self.terms_ = _read_kinds(self.effects)
        self.levels_ = {}
        for name in self.terms_:
            if name not in X:
                raise ValueError(
                    f"effects names the factor {name!r}, which is not in X; its "
                    f"columns are {sorted(X)}."
                )
            self.levels_[name] = encode_levels(np.asarray(X[name]))[0]
        self.kind_ = "joint" if self.terms_ else "plain"
        self.structures_: dict[str, Any] = {}
        self.responses_ = [str(text) for text in y]
        self.variance_history_ = []

    def initialize_module(self) -> Seq2SeqNet:
        """Make the module and the table of biases."""
        options = self.get_params_for("module")
        for name, term in self.terms_.items():
            if term.kind == "lora":
                options["n_participants"] = len(self.levels_[name])
        self.module_ = self.initialized_instance(self.module, options)
        self._set_adapter_variance()
        distinct = list(dict.fromkeys(self.responses_))
        encoded = self.module_.tokenize_responses(distinct)
        self.tokens_ = np.unique(np.concatenate(encoded))
        tokens = torch.as_tensor(self.tokens_)
        n_outputs = len(tokens)
        self.tables_ = EffectModules(n_outputs)
        theta = {}
        biased = self._biased
        if biased is not None:
            table = TokenBiases(len(self.levels_[biased]), tokens)
            table.scale.fill_(float(np.sqrt(self.prior_variance)))
            self.tables_.add(biased, table)
            theta[biased] = np.array([np.sqrt(self.prior_variance)])
        self.state_ = EffectState(MultinomialLogit(n_outputs + 1), theta)
        return self

    @property
    def _has_steps(self) -> bool:
        """Whether anything is trained by gradients."""
        kinds = {term.kind for term in self.terms_.values()}
        return bool(self.module_.is_trained or "lora" in kinds)

    def initialize_optimizer(self, triggered_directly: Any = None) -> Seq2SeqNet:
        """Make the optimizer, unless there is nothing to train by gradients."""
        if self._has_steps or self._biased is not None:
            super().initialize_optimizer(triggered_directly)
        return self

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return columns and responses as a dataset, texts as tokens."""
        if isinstance(X, (JudgmentDataset, RowSubset)):
            return X
        if y is None:
            return super().get_dataset(X)
        distinct, codes = encode_levels(np.asarray(y, dtype=object))
        encoded = self.module_.tokenize_responses(distinct.tolist())
        response = TokenColumn(
            {"input_ids": encoded}, codes[:, None], {"input_ids": IGNORED}
        )
        dataset = super().get_dataset(X, codes)
        dataset.X["response"] = response
        return dataset

    def _read_column(self, name: str, values: Any) -> Any:
        if isinstance(values, TokenColumn):
            return values
        return super()._read_column(name, values)

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Return the rows to train on and held-out rows, if there are epochs."""
        if not self._has_steps:
            return self.get_dataset(X, y), None
        return super().get_split_datasets(X, y, **fit_params)

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any
    ) -> Any:
        """Train for some epochs, unless the estimates need none."""
        epochs = epochs if self._has_steps else 0
        return super().fit_loop(X, y, epochs=epochs, **fit_params)

    def _make_predictors(self, n_rows: int) -> np.ndarray:
        return np.zeros((0, 1))

    def _begin_tables(self, train: Any) -> None:
        """Begin at the estimates given the pretrained model, if it stays."""
        if self._has_steps and not self.module_.is_trained:
            self._estimate(self.train_rows_)
            self._find_modes(self.train_rows_)

    # ------------------------------------------------------------------ loss

    def infer(self, x: Any, **fit_params: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the log-likelihood of each response (n,), and what was gathered."""
        logits, labels = self._logits(x)
        effects = self._gather(x)
        name = self._biased
        if name is None:
            biases = self.tables_.intercept.expand(len(logits), -1)
        else:
            own = self.tables_.get(name).scaled(effects[name])
            biases = self.tables_.intercept + own
        logits = add_biases(logits, self._token_ids, biases)
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="none",
        )
        return -losses.unflatten(0, labels.shape).sum(dim=1), effects

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the negative log-likelihood per judgment; the prior when training."""
        log_likelihood, effects = y_pred
        rows = X[ROW].numpy()
        weights = X[WEIGHT].to(log_likelihood)
        total = -(weights * log_likelihood).sum()
        if training:
            total = total + self._penalty(X, rows, effects)
        return total / float(self.judgment_weights_[rows].sum())

    # --------------------------------------------------------------- predict

    def effects_of(self, name: str = "groups") -> np.ndarray:
        """Return the estimated biases of the levels of a factor.

        Parameters
        ----------
        name : str, default="groups"
            The factor.

        Returns
        -------
        biases : ndarray of shape (n_levels, K)
            Towards ``tokens_``, in the order of ``levels_[name]``.
        """
        self.check_is_fitted()
        table = self.tables_.get(name)
        return np.asarray((table.scale * table.table.effects()).cpu())

    def response_model(self) -> ResponseModel:
        """Return what was learned, apart from the pretrained model, as arrays."""
        self.check_is_fitted()
        module, name = self.module_, self._biased
        adapters = module.participant_adapters
        options = self.get_params_for("module")
        k = len(self.tokens_)
        return ResponseModel(
            options["model"],
            max_length=options.get("max_length"),
            target_modules=options.get("target_modules"),
            weights=module.tuned_weights(),
            tokens=self.tokens_.astype(np.int64),
            shared=self.tables_.intercept.cpu().numpy(),
            biases=(
                np.zeros((0, k), dtype=np.float32)
                if name is None
                else self.effects_of(name)
            ),
            adapters=(
                None if adapters is None else adapters.table.effects().cpu().numpy()
            ),
            participant_rank=None if adapters is None else adapters.rank,
            longest=self.longest_,
        )

    def predict_eta(self, X: Any) -> np.ndarray:
        """Not for responses in words, which have no linear predictors of rows."""
        raise TypeError(
            "A Seq2SeqNet has no linear predictors of rows; use response_model()."
        )


def _read_kinds(effects: Any) -> dict[str, EffectTerm]:
    """Return what varies, by column of ids."""
    if effects is None:
        return {}
    if isinstance(effects, str):
        effects = {"groups": effects}
    kinds = list(effects.values()) if isinstance(effects, Mapping) else [effects]
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"effects must be None, one of {KINDS}, or a dict of columns to these, "
            f"each at most once. Got {effects!r}."
        )
    return {name: EffectTerm(kind) for name, kind in effects.items()}
