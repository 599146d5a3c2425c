"""Effects of participants on the tokens of a language model, as a table."""

from __future__ import annotations

import torch
from torch import Tensor

from bead_sklearn.nn._tables import EffectTable


class TokenBiases(torch.nn.Module):
    """Biases of each participant towards some tokens: logits of token k += s v_gk.

    Only tokens that occur in the responses have biases; nothing is known about the
    others. A batch takes one gather, and one addition to its logits.

    Parameters
    ----------
    n_levels : int
        Number of participants.
    tokens : Tensor of int of shape (K,)
        The tokens with biases.

    Attributes
    ----------
    table : EffectTable
        Standardised biases v, with the prior N(0, I).
    scale : Tensor of shape ()
        Their standard deviation s; 1 at first.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import TokenBiases
    >>> biases = TokenBiases(n_levels=2, tokens=torch.tensor([1, 3]))
    >>> biases.table.set_effects(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    >>> logits = torch.zeros(2, 1, 5)
    >>> biases.add_to(logits, torch.tensor([0, -1]), torch.zeros(2))[:, 0].tolist()
    [[0.0, 1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    scale: Tensor
    tokens: Tensor

    def __init__(self, n_levels: int, tokens: Tensor) -> None:
        super().__init__()
        self.table = EffectTable(n_levels, len(tokens))
        self.register_buffer("tokens", tokens)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the biases of the participant of each row, (n, K)."""
        return self.scaled(self.table(codes))

    def scaled(self, rows: Tensor) -> Tensor:
        """Return the biases that rows of the table, (n, K), say."""
        biases: Tensor = self.scale * rows
        return biases

    def add_to(self, logits: Tensor, codes: Tensor, shared: Tensor) -> Tensor:
        """Return logits with the biases of the participant of each row.

        Parameters
        ----------
        logits : Tensor of shape (n, T, V)
            Of all tokens at each place.
        codes : Tensor of int of shape (n,)
            Participant of each row, -1 for one that is not known.
        shared : Tensor of shape (K,)
            Biases that all participants share.
        """
        return add_biases(logits, self.tokens, shared + self(codes))


def add_biases(logits: Tensor, tokens: Tensor, biases: Tensor) -> Tensor:
    """Return logits (n, T, V) plus biases (n, K) of some tokens (K,)."""
    row = biases.new_zeros(len(biases), logits.shape[-1])
    row = row.index_copy(1, tokens, biases)
    return logits + row[:, None].to(logits.dtype)


def condense(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the logits of some tokens, and of all others taken together.

    Parameters
    ----------
    logits : Tensor of shape (..., V)
        Of all tokens.
    tokens : Tensor of int of shape (K,)
        Those that are kept apart.

    Returns
    -------
    condensed : Tensor of shape (..., K + 1)
        With the same softmax; the last has the others.
    """
    others = logits.index_fill(-1, tokens, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.cat([logits[..., tokens], others], dim=-1)
