"""An optimizer for networks with large tables of effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class TableAdamW(torch.optim.Optimizer):
    """AdamW whose sparse gradients cost, and weigh, little.

    Dense parameters are updated as by AdamW [1]_. Of a parameter with sparse
    gradients, a table, only rows of the batch move; a row has a first moment per
    entry and one second moment, the mean over its entries, so that a table of n
    entries takes 8 n bytes with its state in single precision. Moments of a row decay
    when the row is used, and are corrected for how often it was.

    Parameters
    ----------
    params : iterable
        Parameters or groups of parameters.
    lr : float, default=1e-3
        Learning rate.
    betas : tuple of float, default=(0.9, 0.999)
        Decay of the moments.
    eps : float, default=1e-8
        Added to the root of the second moment.
    weight_decay : float, default=0.0
        Decoupled weight decay; of matrices only, neither of tables nor of vectors
        such as biases.

    References
    ----------
    .. [1] Loshchilov & Hutter (2019). Decoupled weight decay regularization. ICLR.
       arXiv:1711.05101

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import EffectTable, TableAdamW
    >>> table = EffectTable(n_levels=1000, size=8)
    >>> optimizer = TableAdamW(table.parameters(), lr=0.1)
    >>> table(torch.tensor([5])).sum().backward()
    >>> optimizer.step()
    >>> table.effects()[4:6, 0]
    tensor([ 0.0000, -0.1000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{name} must not be negative. Got {value!r}.")
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas must be in [0, 1). Got {betas!r}.")
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; return the loss if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            dense = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.grad.is_sparse:
                    self._step_table(parameter, group)
                else:
                    dense.append(parameter)
            if dense:
                self._step_dense(dense, group)
        return loss

    def _step_dense(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
        first = [self.state[p]["exp_avg"] for p in parameters]
        second = [self.state[p]["exp_avg_sq"] for p in parameters]
        gradients = [p.grad for p in parameters if p.grad is not None]
        one, two = group["betas"]
        decay = group["lr"] * group["weight_decay"]
        if decay:
            matrices = [p for p in parameters if p.ndim > 1]
            if matrices:
                torch._foreach_mul_(matrices, 1.0 - decay)
        torch._foreach_lerp_(first, gradients, 1.0 - one)
        torch._foreach_mul_(second, two)
        torch._foreach_addcmul_(second, gradients, gradients, 1.0 - two)
        for parameter, mean, square in zip(parameters, first, second, strict=True):
            step = float(self.state[parameter]["step"])
            root = (square / (1.0 - two**step)).sqrt_().add_(group["eps"])
            parameter.addcdiv_(mean, root, value=-group["lr"] / (1.0 - one**step))

    def _step_table(self, parameter: Tensor, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        gradient = parameter.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
            n_rows = len(parameter)
            state["row_sq"] = parameter.new_zeros(n_rows)
            state["row_step"] = parameter.new_zeros(n_rows)
        one, two = group["betas"]
        steps = state["row_step"].index_select(0, rows).add_(1.0)
        state["row_step"].index_copy_(0, rows, steps)
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1.0 - one)
        state["exp_avg"].index_copy_(0, rows, mean)
        square = state["row_sq"].index_select(0, rows).mul_(two)
        square.add_(values.square().mean(dim=1), alpha=1.0 - two)
        state["row_sq"].index_copy_(0, rows, square)
        # Both corrected for how often the row was used.
        root = square.div_(1.0 - two**steps).sqrt_().add_(group["eps"])
        root.mul_(1.0 - one**steps)
        parameter.index_add_(0, rows, mean.div_(root[:, None]), alpha=-group["lr"])
