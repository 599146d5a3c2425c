"""How a net is trained: epochs, batches, the loss."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from skorch.utils import to_tensor
from torch import Tensor

from bead_sklearn.effects import GROUPS
from bead_sklearn.nn._checkpoint import fingerprint, read_checkpoint
from bead_sklearn.nn._data import JudgmentDataset, RowSubset, all_rows
from bead_sklearn.nn._marginal import (
    EffectState,
    marginal_log_likelihood,
    rows_family,
)
from bead_sklearn.nn._net_data import ROW, SETS, WEIGHT
from bead_sklearn.nn._net_state import NetState
from bead_sklearn.nn._tables import rows_penalty


class NetLoop(NetState):
    """The training of :class:`~bead_sklearn.nn.MixedEffectsNet`."""

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any
    ) -> Self:
        """Train for some epochs, from a checkpoint if there is one."""
        self.check_training_readiness()
        last = len(self.history) + (self.max_epochs if epochs is None else epochs)
        train, valid = self.get_split_datasets(X, y)
        whole = train.dataset if isinstance(train, RowSubset) else train
        self.whole_, self.train_rows_ = whole, all_rows(train)
        self.valid_rows_ = None if valid is None else all_rows(valid)
        self.judgment_weights_ = _judgment_weights(whole)
        self.n_train_ = float(self.judgment_weights_[self.train_rows_].sum())
        self.level_weights_ = {
            name: _inverse_counts(whole.X[name][self.train_rows_], len(levels))
            for name, levels in self.levels_.items()
        }
        self.f_ = self._make_predictors(len(whole))
        self.fingerprint_ = fingerprint(self, whole)
        batches = self.get_iterator(train, training=True)
        held_out = None if valid is None else self.get_iterator(valid)
        best = self.best_weights()
        resumed = False
        if self.checkpoint is not None and self.resume:
            resumed = read_checkpoint(self.checkpoint, self)
        if not self.history and self.kind_ == "joint":
            self._begin_tables(train)
        if not resumed and held_out is not None:
            best.record(self, self._held_out_loss(held_out), 0)
        on_epoch = {"dataset_train": train, "dataset_valid": valid}
        while len(self.history) < last and not best.is_over:
            self.notify("on_epoch_begin", **on_epoch)
            self.run_single_epoch(batches, True, "train", self.train_step)
            self.run_single_epoch(held_out, False, "valid", self.validation_step)
            self.notify("on_epoch_end", **on_epoch)
        return self

    def _make_predictors(self, n_rows: int) -> np.ndarray:
        """Return room for the linear predictors of all rows."""
        return np.zeros((n_rows, self.state_.family.n_outputs))

    def _begin_tables(self, train: Any) -> None:
        """Let tables whose modes are unknown begin at those given the network."""
        if any(self.terms_[name].modes is None for name in self.structures_):
            self._held_out_loss(self.get_iterator(train))
            self._profile(self.train_rows_, estimate=False)

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        **fit_params: Any,
    ) -> None:
        """Go over the batches once."""
        if iterator is None:
            return
        count = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            self.history.record_batch(f"{prefix}_loss", step["loss"].item())
            rows = batch[0][ROW].numpy()
            size = float(self.judgment_weights_[rows].sum())
            self.history.record_batch(f"{prefix}_batch_size", size)
            self.notify("on_batch_end", batch=batch, training=training, **step)
            count += 1
        self.history.record(f"{prefix}_batch_count", count)

    def _held_out_loss(self, batches: Any) -> float:
        total = weight = 0.0
        for batch in batches:
            loss = float(self.validation_step(batch)["loss"])
            size = float(self.judgment_weights_[batch[0][ROW].numpy()].sum())
            total, weight = total + size * loss, weight + size
        return total / weight

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Return loss and output of a batch, gradients being computed and clipped."""
        step: dict[str, Any] = super().train_step_single(batch)
        if self.max_grad_norm is not None:
            dense = [
                p
                for p in self.module_.parameters()
                if p.grad is not None and not p.grad.is_sparse
            ]
            if dense:
                torch.nn.utils.clip_grad_norm_(dense, self.max_grad_norm)
        return step

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Return the linear predictors of the module (n, J), and features or None."""
        x = to_tensor(x, device=self.device)
        inputs = {
            name: value
            for name, value in x.items()
            if name not in (WEIGHT, SETS, ROW, GROUPS)
            and name not in self.terms_
            and not name.endswith(".z")
        }
        for name, term in self.terms_.items():
            if term.kind == "lora":
                inputs["participants"] = x[name]
        if self.autocast is None:
            output = self.module_(**inputs)
        else:
            device = torch.device(self.device).type
            with torch.autocast(device, dtype=torch.bfloat16):
                output = self.module_(**inputs)
        f, features = output if isinstance(output, tuple) else (output, None)
        if f.ndim == 1:
            f = f[:, None]
        return f.float() + self.tables_.intercept, features

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return the negative log-likelihood per judgment; the prior when training."""
        f, features = y_pred
        rows = X[ROW].numpy()
        family = rows_family(self.state_.family, X[SETS].numpy() if SETS in X else None)
        n_judgments = float(self.judgment_weights_[rows].sum())
        effects = {} if self.kind_ == "marginal" else self._gather(X)
        f = f + self._moving_effects(effects, features)
        self.f_[rows] = f.detach().cpu().numpy()
        if self.kind_ == "marginal":
            loss = -marginal_log_likelihood(
                self._shaped(f),
                y_true.numpy(),
                X[WEIGHT].numpy(),
                self._row_factors(rows),
                EffectState(family, self.state_.theta),
            )
        else:
            eta = self._shaped(f + self._known_effects(X, effects))
            y_true = to_tensor(y_true, device=self.device)
            weights = to_tensor(X[WEIGHT], device=self.device)
            loss = self.criterion_(eta, y_true, weights, family)
        loss = loss / n_judgments
        if training:
            loss = loss + self._penalty(X, rows, effects) / n_judgments
            own = getattr(self.module_, "penalty", None)
            if own is not None:
                loss = loss + own() / self.n_train_
        return loss

    def _gather(self, X: Any) -> dict[str, Tensor]:
        """Return the rows of each table that a batch needs, gathered once."""
        return {
            name: self.tables_.get(name).table(X[name].to(self.device))
            for name, term in self.terms_.items()
            if term.kind != "lora"
        }

    def _penalty(
        self, X: Any, rows: np.ndarray, effects: dict[str, Tensor]
    ) -> Tensor | float:
        """Return the negative log-prior of the levels of a batch."""
        total: Tensor | float = 0.0
        if self.kind_ != "joint":
            return total
        for name, term in self.terms_.items():
            codes = X[name]
            shares = torch.as_tensor(
                self.level_weights_[name][codes.numpy()], dtype=torch.float32
            ).to(self.device)
            if term.kind == "lora":
                part = self.module_.participant_penalty(codes.to(self.device), shares)
            else:
                part = rows_penalty(effects[name], shares)
            total = total + part
        return total

    def _moving_effects(
        self, effects: dict[str, Tensor], features: Tensor | None
    ) -> Tensor | float:
        """Return what effects over the features of the network add."""
        total: Tensor | float = 0.0
        for name, term in self.terms_.items():
            if term.kind == "slopes":
                total = total + self.tables_.get(name).add_up(effects[name], features)
        return total

    def _known_effects(self, X: Any, effects: dict[str, Tensor]) -> Tensor | float:
        """Return what effects over known covariates add, by their tables."""
        total: Tensor | float = 0.0
        for name in self.structures_:
            z = X.get(f"{name}.z")
            z = None if z is None else z.to(self.device)
            total = total + self.tables_.get(name).add_up(effects[name], z)
        return total


def _judgment_weights(dataset: JudgmentDataset) -> np.ndarray:
    """Return weights of rows that sum to those of the judgments."""
    weights = np.asarray(dataset.X[WEIGHT], dtype=np.float64)
    if SETS not in dataset.X:
        return weights
    _, sets = np.unique(dataset.X[SETS], return_inverse=True)
    shared: np.ndarray = weights / np.bincount(sets)[sets]
    return shared


def _inverse_counts(codes: np.ndarray, n_levels: int) -> np.ndarray:
    """Return one over the number of rows of each level."""
    counts = np.bincount(codes[codes >= 0], minlength=n_levels)
    return 1.0 / np.maximum(counts, 1)
