"""What a net of an encoder-decoder estimates beside its module: biases of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from skorch.utils import to_tensor
from torch import Tensor

from bead_sklearn.nn._marginal import EffectState
from bead_sklearn.nn._net_data import WEIGHT
from bead_sklearn.nn._seq2seq import IGNORED
from bead_sklearn.nn._token_biases import condense
from bead_sklearn.nn._token_posterior import (
    TokenChoices,
    TokenPosterior,
    fit_tokens,
)
from bead_sklearn.nn.net import MixedEffectsNet

#: Numbers that are held at once when variances are estimated, and when modes are.
_MAX_SAMPLE, _MAX_PART = 20_000_000, 20_000_000
#: Products that one evaluation of the likelihood may take.
_MAX_WORK = 2e10
#: Iterations at the end of an epoch, and the share of judgments they look at.
_EPOCH_STEPS, _EPOCH_SHARE = 5, 0.1
_MIN_LEVELS = 20


class TokenState(MixedEffectsNet):
    """The statistics of :class:`~bead_sklearn.nn.Seq2SeqNet`."""

    alpha: float | str
    tokens_: np.ndarray

    @property
    def _biased(self) -> str | None:
        """The factor whose levels have biases."""
        found = [name for name, term in self.terms_.items() if term.kind == "tokens"]
        return found[0] if found else None

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
