"""Log-likelihoods of responses with several linear predictors that compete."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_log_likelihood(y: Tensor, eta: Tensor) -> Tensor:
    """Return log P(y) for unordered classes, by logits against class 0.

    P(y = k) = exp(eta_k) / sum_j exp(eta_j) with eta_0 = 0.

    Parameters
    ----------
    y : Tensor of shape (n,)
        Classes 0, ..., K - 1.
    eta : Tensor of shape (n, K - 1)
        Logits of the classes 1, ..., K - 1.

    Returns
    -------
    log_likelihood : Tensor of shape (n,)
        One value per observation.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import softmax_log_likelihood
    >>> softmax_log_likelihood(torch.tensor([2]), torch.zeros(1, 3)).exp()
    tensor([0.2500])
    """
    if eta.ndim != 2 or y.shape != eta.shape[:1]:
        raise ValueError(
            "eta must have shape (n, K - 1) and y shape (n,). "
            f"Got eta {tuple(eta.shape)} and y {tuple(y.shape)}."
        )
    logits = torch.cat([torch.zeros_like(eta[:, :1]), eta], dim=1)
    log_p = torch.log_softmax(logits, dim=1)
    return log_p.gather(1, y.long()[:, None])[:, 0]


def choice_log_likelihood(y: Tensor, eta: Tensor, sets: Tensor) -> Tensor:
    """Return log P of the chosen alternative of each choice set.

    P(j) = exp(eta_j) / sum over the set of exp(eta_k) (conditional logit).

    Parameters
    ----------
    y : Tensor of shape (n,)
        1 in the row that was chosen, 0 in the other rows of its set.
    eta : Tensor of shape (n,)
        Utility of each alternative.
    sets : Tensor of int of shape (n,)
        Number of the choice set of each row, from 0; rows of a set need not stand
        next to each other.

    Returns
    -------
    log_likelihood : Tensor of shape (n,)
        log P in the chosen rows, 0 in the others.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import choice_log_likelihood
    >>> y, sets = torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.tensor([0, 0, 1, 1])
    >>> choice_log_likelihood(y, torch.zeros(4), sets).exp()
    tensor([0.5000, 1.0000, 1.0000, 0.5000])
    """
    if eta.ndim != 1 or y.shape != eta.shape or sets.shape != eta.shape:
        raise ValueError(
            "y, eta and sets must have the same shape (n,). Got y "
            f"{tuple(y.shape)}, eta {tuple(eta.shape)} and sets {tuple(sets.shape)}."
        )
    sets = sets.long()
    n_sets = int(sets.max()) + 1 if len(sets) else 0
    largest = torch.full((n_sets,), -torch.inf, dtype=eta.dtype, device=eta.device)
    largest = largest.scatter_reduce(0, sets, eta.detach(), "amax")
    shifted = eta - largest[sets]
    total = torch.zeros_like(largest).index_add(0, sets, shifted.exp())
    log_p = shifted - torch.log(total[sets])
    return torch.where(y > 0, log_p, torch.zeros_like(log_p))
