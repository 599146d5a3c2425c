"""Effects of many levels as tables: one gather and one batched product per batch.

A table has a row per level and one more, which stays zero: levels that are not known,
code -1, have no effect. Gradients are sparse, so that the cost of a step depends on
the batch and not on the number of levels.
"""

from __future__ import annotations

import torch
from torch import Tensor


class EffectTable(torch.nn.Module):
    """Standardised effects v of all levels, with the prior N(0, I).

    Parameters
    ----------
    n_levels : int
        Number of levels, q.
    size : int
        Number of effects of each level, r. They start at 0.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import EffectTable
    >>> table = EffectTable(n_levels=3, size=2)
    >>> table(torch.tensor([0, 2, -1]))
    tensor([[0., 0.],
            [0., 0.],
            [0., 0.]], grad_fn=<EmbeddingBackward0>)
    """

    def __init__(self, n_levels: int, size: int) -> None:
        super().__init__()
        self.n_levels, self.size = n_levels, size
        self.weight = torch.nn.Parameter(torch.zeros(n_levels + 1, size))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the effects of the level of each row, (n, r); 0 for the code -1."""
        unknown = codes < 0
        if not unknown.any():  # the usual case, which needs no row kept at 0
            return torch.nn.functional.embedding(codes, self.weight, sparse=True)
        places = torch.where(unknown, self.n_levels, codes)
        return torch.nn.functional.embedding(
            places, self.weight, padding_idx=self.n_levels, sparse=True
        )

    def effects(self) -> Tensor:
        """Return the effects of the known levels, (q, r)."""
        return self.weight.detach()[: self.n_levels]

    def set_effects(self, effects: Tensor) -> None:
        """Set the effects of the known levels.

        Parameters
        ----------
        effects : Tensor of shape (q, r)
            Their values.
        """
        with torch.no_grad():
            self.weight[: self.n_levels].copy_(effects)


class CovariateEffects(torch.nn.Module):
    """Effects of each level over known covariates: u_g = L v_g, eta += z' u_g.

    Without covariates they are intercepts, one per output.

    Parameters
    ----------
    n_levels : int
        Number of levels.
    n_outputs : int, default=1
        Number of linear predictors per row, J.
    n_covariates : int, default=1
        Number of covariates, r. Effects are ordered by covariate, then by output.

    Attributes
    ----------
    scale : Tensor of shape (r J, r J)
        L, with G = L L' the covariance of the effects of a level; 1 at first.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import CovariateEffects
    >>> effects = CovariateEffects(n_levels=2, n_outputs=3)
    >>> effects(torch.tensor([0, 1, 1, -1])).shape
    torch.Size([4, 3])
    """

    scale: Tensor

    def __init__(
        self, n_levels: int, n_outputs: int = 1, n_covariates: int = 1
    ) -> None:
        super().__init__()
        size = n_outputs * n_covariates
        self.n_outputs = n_outputs
        self.table = EffectTable(n_levels, size)
        self.register_buffer("scale", torch.eye(size))

    def forward(self, codes: Tensor, z: Tensor | None = None) -> Tensor:
        """Return what the effects add to eta, (n, J).

        Parameters
        ----------
        codes : Tensor of int of shape (n,)
            Level of each row, -1 for one that is not known.
        z : Tensor of shape (n, r), default=None
            Covariates; None is an intercept.
        """
        return self.add_up(self.table(codes), z)

    def add_up(self, rows: Tensor, z: Tensor | None = None) -> Tensor:
        """Return what rows of the table, (n, r J), add to eta, (n, J)."""
        effects: Tensor = rows @ self.scale.T
        if z is None:
            return effects
        by_output = effects.unflatten(1, (-1, self.n_outputs))
        return torch.bmm(z.to(effects)[:, None, :], by_output)[:, 0]


class SlopeEffects(torch.nn.Module):
    """Heads of each level over features: an intercept and coefficients.

        contribution = u_g0 + h' U_g

    for features h. With ``rank`` the coefficients are U_g = P c_g with directions P
    shared by all levels, so that a level has few numbers however wide the features
    are; c_g starts at 0.

    Parameters
    ----------
    n_levels : int
        Number of levels.
    n_features : int
        Width of the features, d.
    n_outputs : int, default=1
        Number of linear predictors per row, J.
    rank : int, default=None
        Columns of P; None is heads of full width.
    intercept : bool, default=True
        Whether levels have intercepts too.

    Attributes
    ----------
    scale, slope_scale : Tensor of shape ()
        Standard deviations of intercepts and of coefficients; 1 at first.
    directions : Parameter of shape (d, rank)
        P, with columns of unit length at first; only with ``rank``.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import SlopeEffects
    >>> effects = SlopeEffects(n_levels=100, n_features=384, rank=4)
    >>> effects.table.weight.shape
    torch.Size([101, 5])
    >>> effects(torch.tensor([3, -1]), torch.ones(2, 384)).shape
    torch.Size([2, 1])
    """

    scale: Tensor
    slope_scale: Tensor

    def __init__(
        self,
        n_levels: int,
        n_features: int,
        n_outputs: int = 1,
        rank: int | None = None,
        intercept: bool = True,
    ) -> None:
        super().__init__()
        if rank is not None and not 1 <= rank <= n_features:
            raise ValueError(
                f"rank must be between 1 and the number of features, {n_features}. "
                f"Got {rank}."
            )
        self.n_outputs, self.intercept = n_outputs, intercept
        self.width = n_features if rank is None else rank
        self.table = EffectTable(n_levels, (self.width + intercept) * n_outputs)
        self.directions: torch.nn.Parameter | None = None
        if rank is not None:
            columns = torch.randn(n_features, rank)
            self.directions = torch.nn.Parameter(columns / columns.norm(dim=0))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("slope_scale", torch.ones(()))

    def begin_at(self, intercepts: Tensor, slopes: Tensor) -> None:
        """Let the effects begin at heads that are known.

        Directions become those that the coefficients of all levels vary most in.

        Parameters
        ----------
        intercepts : Tensor of shape (q, J)
            Intercepts of each level.
        slopes : Tensor of shape (q, d, J)
            Coefficients of each level.
        """
        if self.directions is not None:
            stacked = slopes.transpose(1, 2).flatten(0, 1)
            _, sizes, right = torch.linalg.svd(stacked, full_matrices=False)
            found = int((sizes > 1e-6 * sizes.max().clamp(min=1e-12)).sum())
            n = min(found, self.width)
            with torch.no_grad():
                self.directions[:, :n] = right[:n].T
            slopes = torch.einsum("dk,qdj->qkj", self.directions.detach(), slopes)
            slopes[:, n:] = 0.0
        parts = [slopes / self.slope_scale] if self.slope_scale > 0 else [0.0 * slopes]
        if self.intercept:
            first = intercepts[:, None]
            scaled = first / self.scale if self.scale > 0 else 0.0 * first
            parts.insert(0, scaled)
        self.table.set_effects(torch.cat(parts, dim=1).flatten(1))

    def forward(self, codes: Tensor, features: Tensor | None = None) -> Tensor:
        """Return what the heads add to eta, (n, J).

        Parameters
        ----------
        codes : Tensor of int of shape (n,)
            Level of each row, -1 for one that is not known.
        features : Tensor of shape (n, d)
            Features of each row.
        """
        return self.add_up(self.table(codes), features)

    def add_up(self, rows: Tensor, features: Tensor | None = None) -> Tensor:
        """Return what rows of the table, (n, r J), add to eta, (n, J)."""
        assert features is not None
        if self.directions is not None:
            features = features @ self.directions
        effects = rows.unflatten(1, (-1, self.n_outputs))
        slopes = effects[:, self.intercept * 1 :]
        total = self.slope_scale * torch.bmm(features[:, None, :], slopes)[:, 0]
        if self.intercept:
            total = total + self.scale * effects[:, 0]
        return total


def rows_penalty(rows: Tensor, shares: Tensor) -> Tensor:
    """Return sum over rows (n, r) of a table of share |v|^2 / 2."""
    return 0.5 * torch.dot((shares[:, None] * rows).flatten(), rows.flatten())
