"""The log-likelihood of a family as a module."""

from __future__ import annotations

import torch
from torch import Tensor

from bead_sklearn.families import Family
from bead_sklearn.nn._likelihood import log_likelihood
from bead_sklearn.nn._parameters import learned_parameters


class FamilyLoss(torch.nn.Module):
    """Negative log-likelihood of responses given all effects, summed over rows."""

    def forward(
        self, eta: Tensor, y: Tensor, weights: Tensor, family: Family
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        eta : Tensor of shape (n,) or (n, J)
            Linear predictor.
        y : Tensor of shape (n,) or (n, J)
            Encoded responses.
        weights : Tensor of shape (n,)
            How many times each row counts.
        family : Family
            Response distribution with its parameters.
        """
        parameters = torch.as_tensor(
            learned_parameters(family), dtype=eta.dtype, device=eta.device
        )
        if family.response == "categorical":
            y = y.long()
        values = log_likelihood(family, y, eta, parameters)
        return -(weights.to(values) * values).sum()
