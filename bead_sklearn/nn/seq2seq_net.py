"""An encoder-decoder with effects of participants, trained by skorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from skorch.utils import to_tensor
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
from bead_sklearn.nn._token_biases import TokenBiases, add_biases, condense
from bead_sklearn.nn._token_posterior import (
    TokenChoices,
    TokenPosterior,
    fit_tokens,
)
from bead_sklearn.nn.net import MixedEffectsNet

#: What may vary over participants.
KINDS = ("tokens", "lora")

#: Numbers that are held at once when variances are estimated, and when modes are.
_MAX_SAMPLE, _MAX_PART = 20_000_000, 20_000_000
#: Products that one evaluation of the likelihood may take.
_MAX_WORK = 2e10
#: Iterations at the end of an epoch, and the share of judgments they look at.
_EPOCH_STEPS, _EPOCH_SHARE = 5, 0.1
_MIN_LEVELS = 20


class Seq2SeqNet(MixedEffectsNet):
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
    prior_variance, estimate_variances, effects_lr, max_grad_norm, patience, ...
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
    def _biased(self) -> str | None:
        """The factor whose levels have biases."""
        found = [name for name, term in self.terms_.items() if term.kind == "tokens"]
        return found[0] if found else None

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

    def _logits(self, x: Any) -> tuple[Tensor, Tensor]:
        """Return the logits of the module and the labels of a batch."""
        x = to_tensor(x, device=self.device)
        inputs = {"texts": x["texts"], "response": x["response"]}
        for name, term in self.terms_.items():
            if term.kind == "lora":
                inputs["participants"] = x[name]
        if self.autocast is None:
            found: tuple[Tensor, Tensor] = self.module_(**inputs)
            return found
        dtype = getattr(torch, self.autocast)
        with torch.autocast(torch.device(self.device).type, dtype=dtype):
            logits, labels = self.module_(**inputs)
        return logits.float(), labels

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

    # ------------------------------------------------------------- variances

    @property
    def _token_ids(self) -> Tensor:
        return torch.as_tensor(self.tokens_, device=self.device)

    def update_state(self, min_levels: int = 20, max_levels: int = 2000) -> None:
        """Move the standard deviation and the biases that all share.

        Parameters
        ----------
        min_levels, max_levels : int
            Number of held-out participants from which they are used, and of
            participants beyond which a sample says enough.
        """
        rows = self._telling_rows(min_levels)
        if rows is self.train_rows_:
            share = int(_EPOCH_SHARE * len(rows))
            rows = self._sample(rows, max_rows=share, max_levels=max_levels)
        self._estimate(rows, max_iter=_EPOCH_STEPS)
        self._note_variance()

    def _telling_rows(self, min_levels: int = _MIN_LEVELS) -> np.ndarray:
        """Return the rows that variances are estimated from."""
        rows: np.ndarray = self.train_rows_
        name = self._biased
        if (
            name is not None
            and self.module_.is_trained
            and self.valid_rows_ is not None
        ):
            held_out = self.whole_.X[name][self.valid_rows_]
            if len(np.unique(held_out)) >= min_levels:
                rows = self.valid_rows_
        return rows

    def _estimate(self, rows: np.ndarray, max_iter: int | None = None) -> None:
        """Maximise the likelihood of the variance and of biases that all share."""
        name = self._biased
        estimate = name is not None and self.estimate_variances
        posterior, _ = self._posterior(self._sample(rows))
        found = fit_tokens(
            posterior,
            0.0 if name is None else float(self.state_.theta[name][0]),
            shared=self.tables_.intercept.double().cpu().numpy(),
            estimate=estimate,
            shared_sd=None if self.alpha == "auto" else float(self.alpha) ** -0.5,
            max_iter=max_iter,
        )
        self.shared_sd_ = found.shared_sd
        self.tables_.intercept.copy_(torch.as_tensor(found.shared))
        # During training a variance of 0 would keep the biases from moving.
        if estimate and (found.sd > 0 or max_iter is None):
            self._set_sd(found.sd)

    def _set_sd(self, sd: float) -> None:
        """Change the standard deviation and leave the biases as they are."""
        name = self._biased
        assert name is not None
        table = self.tables_.get(name)
        if sd > 0:
            with torch.no_grad():
                table.table.weight.mul_(float(table.scale) / sd)
        table.scale.fill_(sd)
        self.state_ = EffectState(self.state_.family, {name: np.array([sd])})

    def _note_variance(self) -> None:
        self.variance_history_.append(
            {name: np.array([[sd[0] ** 2]]) for name, sd in self.state_.theta.items()}
        )

    def _find_modes(self, rows: np.ndarray) -> None:
        """Find the modes of all participants of some rows, part by part."""
        name = self._biased
        if name is None:
            return
        sd = float(self.state_.theta[name][0])
        shared = self.tables_.intercept.double().cpu().numpy()
        table = self.tables_.get(name).table
        n_levels = len(self.levels_[name])
        standard = torch.zeros(n_levels, len(self.tokens_))
        self.bias_variances_ = np.full(standard.shape, sd**2, dtype=np.float32)
        for part in self._parts(rows):
            posterior, levels = self._posterior(part)
            found, variances = posterior.moments(sd, shared)
            self.bias_variances_[levels] = variances
            if sd > 0:
                standard[levels] = torch.as_tensor(found / sd, dtype=torch.float32)
        table.set_effects(standard)

    def _posterior(self, rows: np.ndarray) -> tuple[TokenPosterior, np.ndarray]:
        """Return the posterior of the participants of some rows, and who they are."""
        choices = self._choices(rows)
        levels, codes = np.unique(choices.codes, return_inverse=True)
        choices = replace(choices, codes=codes)
        posterior = TokenPosterior(choices, len(levels), str(self.device))
        name = self._biased
        if name is not None:
            effects = self.tables_.get(name).table.effects()[torch.as_tensor(levels)]
            posterior.v = effects.to(posterior.v).clone()
        return posterior, levels

    def _lengths(self) -> np.ndarray:
        """Return the number of tokens of the response of each row."""
        response = self.whole_.X["response"]
        each = np.array([len(ids) for ids in response.encoded["input_ids"]])
        return np.asarray(each[response.places[:, 0]])

    def _sample(
        self,
        rows: np.ndarray,
        *,
        max_rows: int | None = None,
        max_levels: int | None = None,
    ) -> np.ndarray:
        """Return the rows of so many participants as memory and time allow."""
        name = self._biased
        k = len(self.tokens_) + 1
        lengths = self._lengths()[rows]
        codes = np.zeros(len(rows), dtype=np.intp)
        codes = codes if name is None else self.whole_.X[name][rows]
        levels, place = np.unique(codes, return_inverse=True)
        if name is None:  # no participants: any rows will do
            place = np.arange(len(rows))
            levels = place
        random_state = np.random.RandomState(self.seed_)
        order = random_state.permutation(len(levels))
        tokens = np.bincount(place, lengths, minlength=len(levels))[order]
        work = np.minimum(tokens, k) ** 2 * np.maximum(tokens, k)
        fits = np.cumsum(tokens) * k <= _MAX_SAMPLE
        if name is not None:
            fits &= np.cumsum(work) <= _MAX_WORK
        if max_rows is not None:
            fits &= np.cumsum(np.bincount(place)[order]) <= max_rows
        fewest = _MIN_LEVELS if name is not None else 1
        count = max(int(fits.sum()), fewest)
        if max_levels is not None:
            count = min(count, max_levels)
        kept = np.zeros(len(levels), dtype=bool)
        kept[order[:count]] = True
        rows = rows[kept[place]]
        if max_rows is not None and len(rows) > max_rows:  # of few with many rows
            rows = np.sort(random_state.permutation(rows)[: max(max_rows, 1)])
        return np.asarray(rows)

    def _parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the rows of some participants at a time."""
        name = self._biased
        assert name is not None
        rows = rows[np.argsort(self.whole_.X[name][rows], kind="stable")]
        codes = self.whole_.X[name][rows]
        size = np.cumsum(self._lengths()[rows]) * (len(self.tokens_) + 1)
        starts = np.flatnonzero(np.diff(codes, prepend=-2))
        part = size[starts] // _MAX_PART
        for cut in np.split(
            np.arange(len(rows)), starts[np.flatnonzero(np.diff(part)) + 1]
        ):
            yield rows[cut]

    def _choices(self, rows: np.ndarray) -> TokenChoices:
        """Return what the model says of each token of some rows."""
        name = self._biased
        place = np.full(int(self.tokens_[-1]) + 1, len(self.tokens_))
        place[self.tokens_] = np.arange(len(self.tokens_))
        tokens = self._token_ids
        logits, chosen, codes, weights = [], [], [], []
        self._set_training(False)
        for begin in range(0, len(rows), self.batch_size):
            part = rows[begin : begin + self.batch_size]
            batch, _ = self.whole_.take(part)
            with torch.no_grad():
                found, labels = self._logits(batch)
            real = labels != IGNORED
            logits.append(condense(found[real], tokens).cpu())
            written = labels[real].cpu().numpy()
            chosen.append(place[written])
            own = np.zeros(len(part), dtype=np.intp)
            own = own if name is None else batch[name].numpy()
            counts = real.sum(dim=1).cpu().numpy()
            codes.append(np.repeat(own, counts))
            weights.append(np.repeat(batch[WEIGHT].numpy(), counts))
        return TokenChoices(
            torch.cat(logits),
            np.concatenate(chosen),
            np.concatenate(codes),
            np.concatenate(weights),
        )

    def _finish(self, X: Any, y: np.ndarray) -> None:
        """Estimate variance and modes given the trained model."""
        every = np.arange(len(self.whole_))
        rows = self._telling_rows()
        self._estimate(every if rows is self.train_rows_ else rows)
        self._find_modes(every)
        self._note_variance()
        self.longest_ = int(self._lengths().max())
        for name in ("whole_", "f_", "judgment_weights_", "responses_"):
            del self.__dict__[name]

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
