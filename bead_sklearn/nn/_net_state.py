"""What a net knows beside its module: variances, family, tables, best weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import Family
from bead_sklearn.nn._callbacks import BestWeights
from bead_sklearn.nn._marginal import EffectState, rows_family
from bead_sklearn.nn._net_data import SETS, WEIGHT, NetData
from bead_sklearn.nn._parameters import learned_parameters, with_learned_parameters
from bead_sklearn.nn._profile import profile
from bead_sklearn.nn._terms import row_factor


class EffectModules(torch.nn.Module):
    """The intercept that is profiled, and a table for each factor."""

    intercept: Tensor

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.register_buffer("intercept", torch.zeros(n_outputs))
        self.tables = torch.nn.ModuleDict()
        self._places: dict[str, str] = {}

    def add(self, name: str, table: torch.nn.Module) -> None:
        """Add the table of a factor; names of modules must not have dots."""
        self._places[name] = f"factor{len(self._places)}"
        self.tables[self._places[name]] = table

    def get(self, name: str) -> Any:
        """Return the table of a factor."""
        return self.tables[self._places[name]]


class NetState(NetData):
    """The statistics of :class:`~bead_sklearn.nn.MixedEffectsNet`."""

    state_: EffectState

    def update_state(self, min_levels: int = 20, max_levels: int = 2000) -> None:
        """Profile intercept and family, and move the variances by EM steps.

        Parameters
        ----------
        min_levels : int, default=20
            Number of held-out participants from which their rows are used.
        max_levels : int, default=2000
            Number of participants beyond which a sample says enough, where their
            effects are integrated out.
        """
        rows = self.train_rows_
        if self.kind_ == "marginal":
            codes = self.whole_.X[next(iter(self.terms_))]
            if self.valid_rows_ is not None:
                held_out = np.unique(codes[self.valid_rows_])
                if len(held_out) >= min_levels:
                    rows = self.valid_rows_
            levels = np.unique(codes[rows])
            if len(levels) > max_levels:
                drawn = np.random.RandomState(self.seed_).permutation(levels)
                rows = rows[np.isin(codes[rows], drawn[:max_levels])]
        self._profile(rows, estimate=self.estimate_variances)
        self.variance_history_.append(
            {
                name: structure.factor(self.state_.theta[name])
                @ structure.factor(self.state_.theta[name]).T
                for name, structure in self.structures_.items()
            }
        )

    def _profile(self, rows: np.ndarray, *, estimate: bool) -> None:
        columns, y = self.whole_.X, self.whole_.y
        assert y is not None
        sets = columns[SETS][rows] if SETS in columns else None
        family = rows_family(self.state_.family, sets)
        found = profile(
            self._shaped(self.f_[rows]),
            y[rows],
            columns[WEIGHT][rows],
            self._row_factors(rows),
            EffectState(family, self.state_.theta),
            estimate=estimate,
        )
        family = with_learned_parameters(
            self.state_.family, learned_parameters(found.state.family)
        )
        self.state_ = EffectState(family, found.state.theta)
        if len(found.intercept):
            self.tables_.intercept += torch.as_tensor(found.intercept).to(
                self.tables_.intercept
            )
            self.f_ += found.intercept
        self._set_scales()
        if self.kind_ == "joint" or rows is self.all_rows_:
            for name, modes in found.modes.items():
                table = self.tables_.get(name).table
                levels = torch.as_tensor(np.unique(columns[name][rows]))
                values = torch.as_tensor(modes, dtype=torch.float32)
                with torch.no_grad():
                    table.weight[levels.to(self.device)] = values.to(self.device)

    @property
    def all_rows_(self) -> np.ndarray | None:
        """All rows, while effects are estimated from them at the end of fit."""
        rows: np.ndarray | None = self.__dict__.get("finishing_")
        return rows

    def _finish(self, X: Any, y: np.ndarray) -> None:
        """Estimate the effects of all levels, held-out ones included."""
        with torch.no_grad():
            for batch in self.get_iterator(self.whole_):
                self.validation_step(batch)
        self.finishing_ = np.arange(len(self.whole_))
        self._profile(self.finishing_, estimate=False)
        self.family_: Family = self.state_.family
        for name in ("finishing_", "whole_", "f_", "judgment_weights_"):
            del self.__dict__[name]

    def best_weights(self) -> BestWeights:
        """Return the callback that keeps the best weights."""
        return next(
            callback
            for _, callback in self.callbacks_
            if isinstance(callback, BestWeights)
        )

    def trained_parameters(self) -> dict[str, Tensor]:
        """Return the parameters that are trained, by name."""
        modules = {"module": self.module_, "tables": self.tables_}
        return {
            f"{prefix}.{name}": parameter
            for prefix, module in modules.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def trained_weights(self) -> dict[str, Tensor]:
        """Return copies of all that training changes in module and tables."""
        tensors = {
            name: parameter.detach()
            for name, parameter in self.trained_parameters().items()
        }
        for prefix, module in (("module", self.module_), ("tables", self.tables_)):
            for name, buffer in module.named_buffers():
                tensors[f"{prefix}.{name}"] = buffer
        return {name: value.clone() for name, value in tensors.items()}

    def load_trained_weights(self, weights: dict[str, Tensor], state: Any) -> None:
        """Go back to weights and variances that were kept."""
        targets: dict[str, Tensor] = self.trained_parameters()
        for prefix, module in (("module", self.module_), ("tables", self.tables_)):
            targets |= {
                f"{prefix}.{name}": buffer for name, buffer in module.named_buffers()
            }
        with torch.no_grad():
            for name, value in weights.items():
                targets[name].copy_(value.to(targets[name].device))
        self.state_ = state

    def _shaped(self, f: Any) -> Any:
        """Return linear predictors in the shape that the family takes."""
        return f if self.state_.family.has_output_axis else f[:, 0]

    def _row_factors(self, rows: np.ndarray) -> tuple[RandomFactor, ...]:
        columns = self.whole_.X
        return tuple(
            row_factor(
                name,
                columns[name][rows],
                len(self.levels_[name]),
                columns[f"{name}.z"][rows] if f"{name}.z" in columns else None,
                structure,
            )
            for name, structure in self.structures_.items()
        )
