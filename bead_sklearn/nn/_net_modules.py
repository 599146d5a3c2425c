"""What a net is made of: the module, tables of effects, the optimizer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch

from bead_sklearn.nn._net_loop import NetLoop
from bead_sklearn.nn._net_state import EffectModules
from bead_sklearn.nn._tables import CovariateEffects, SlopeEffects

#: Kinds of effects whose covariates do not depend on the network.
KNOWN = ("intercepts", "covariates")

#: Features beyond which slopes are of low rank, and that rank.
_WIDE, _RANK = 64, 16


class NetModules(NetLoop):
    """The parts of :class:`~bead_sklearn.nn.MixedEffectsNet`."""

    rank: int | None
    prior_variance: float
    head_lr: float | None
    effects_lr: float

    def initialize_module(self) -> Self:
        """Make the module and the tables of effects."""
        options = self.get_params_for("module")
        for name, term in self.terms_.items():
            if term.kind == "lora":
                options["n_participants"] = len(self.levels_[name])
        self.module_ = self.initialized_instance(self.module, options)
        self._set_adapter_variance()
        n_outputs = self.state_.family.n_outputs
        tables = EffectModules(n_outputs)
        tables.intercept.copy_(torch.as_tensor(self.start_intercept_))
        for name, term in self.terms_.items():
            n_levels = len(self.levels_[name])
            if term.kind in KNOWN:
                n_covariates = self.structures_[name].size // n_outputs
                table = CovariateEffects(n_levels, n_outputs, n_covariates)
                if term.modes is not None:
                    factor = self.structures_[name].factor(self.state_.theta[name])
                    begin = term.modes @ np.linalg.pinv(factor).T
                    table.table.set_effects(torch.as_tensor(begin))
                tables.add(name, table)
            elif term.kind == "slopes":
                tables.add(name, self._make_slopes(term, n_levels, n_outputs))
        self.tables_ = tables
        self._set_scales()
        return self

    def _set_adapter_variance(self) -> None:
        """Give the adapters of participants their prior variance."""
        adapters = getattr(self.module_, "participant_adapters", None)
        if adapters is None:
            return
        if not self.prior_variance > 0:
            raise ValueError(
                "prior_variance must be positive: it is that of the adapters of "
                f"participants, and not estimated. Got {self.prior_variance!r}."
            )
        adapters.prior_variance = float(self.prior_variance)

    def _make_slopes(self, term: Any, n_levels: int, n_outputs: int) -> SlopeEffects:
        width = getattr(self.module_, "n_features", None)
        if width is None:
            raise ValueError(
                "Effects of the kind 'slopes' are heads over features: the module must "
                "return (linear predictors, features) and have the attribute "
                f"n_features. {type(self.module_).__name__} has none."
            )
        rank = self.rank
        if rank is None and width > _WIDE:
            rank = _RANK
        slopes = SlopeEffects(n_levels, width, n_outputs, rank)
        sds = np.full(2, np.sqrt(self.prior_variance))
        if term.theta is not None:
            sds = np.asarray(term.theta)
        slopes.scale.fill_(float(sds[0]))
        slopes.slope_scale.fill_(float(sds[1]))
        if term.modes is not None:
            first, others = (torch.as_tensor(part).float() for part in term.modes)
            slopes.begin_at(first, others)
        return slopes

    def _set_scales(self) -> None:
        """Give the tables the present covariances."""
        for name, structure in self.structures_.items():
            factor = structure.factor(self.state_.theta[name])
            scale = self.tables_.get(name).scale
            scale.copy_(torch.as_tensor(factor))

    def initialize_optimizer(self, triggered_directly: Any = None) -> Self:
        """Make the optimizer; tables have a learning rate of their own."""
        options = {"lr": self.lr, **self.get_params_for("optimizer")}
        tables = list(self.tables_.parameters())
        adapters = getattr(self.module_, "participant_adapters", None)
        if adapters is not None:
            tables += adapters.parameters()
        head: list[Any] = []
        if self.head_lr is not None:
            if not hasattr(self.module_, "head_parameters"):
                raise ValueError(
                    f"head_lr={self.head_lr!r} needs a module with head_parameters(). "
                    f"{type(self.module_).__name__} has none."
                )
            head = self.module_.head_parameters()
        apart = {id(p) for p in (*tables, *head)}
        others = [
            p
            for p in self.module_.parameters()
            if p.requires_grad and id(p) not in apart
        ]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": head, "lr": self.head_lr},
            {"params": tables, "lr": self.effects_lr},
        ]
        self.optimizer_ = self.optimizer(
            [group for group in groups if group["params"]], **options
        )
        return self
