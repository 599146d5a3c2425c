"""Low-rank adapters: one for everybody, or one per participant in a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bead_sklearn.nn._tables import EffectTable

#: Names that attention projections of queries and values have in common models.
ATTENTION_PROJECTIONS = (
    "q",
    "v",
    "q_proj",
    "v_proj",
    "query",
    "value",
    "q_lin",
    "v_lin",
)


class LoRALayer(torch.nn.Module):
    """A low-rank update: x -> (alpha / r) x A B.

    With row vectors x this is W + (alpha / r) (A B)' in the convention of weights
    (out_features, in_features). B starts at 0, so that nothing changes at first [1]_.

    Parameters
    ----------
    in_features, out_features : int
        Sizes.
    rank : int, default=8
        r.
    alpha : float, default=16.0
        Scaling factor.
    dropout : float, default=0.0
        Share of the input that is dropped in training.

    Attributes
    ----------
    lora_A : Parameter of shape (in_features, rank)
        Uniform as a linear layer starts (Kaiming).
    lora_B : Parameter of shape (rank, out_features)
        Zeros.
    scaling : float
        alpha / r.

    References
    ----------
    .. [1] Hu et al. (2022). LoRA: low-rank adaptation of large language models. ICLR.
       arXiv:2106.09685

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import LoRALayer
    >>> LoRALayer(768, 768, rank=8)(torch.randn(2, 10, 768)).abs().max().item()
    0.0
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_rank(rank)
        self.rank, self.alpha = rank, alpha
        self.scaling = alpha / rank
        self.lora_A = torch.nn.Parameter(torch.empty(in_features, rank))
        self.lora_B = torch.nn.Parameter(torch.zeros(rank, out_features))
        self.dropout = torch.nn.Dropout(dropout)
        torch.nn.init.uniform_(self.lora_A, *_bounds(in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the update for inputs (..., in_features)."""
        update: Tensor = self.scaling * (self.dropout(x) @ self.lora_A @ self.lora_B)
        return update

    def delta(self) -> Tensor:
        """Return what is added to the weight, (out_features, in_features)."""
        return self.scaling * (self.lora_A @ self.lora_B).T


class LoRALinear(torch.nn.Module):
    """A linear layer, frozen, with a low-rank update beside it.

    Parameters
    ----------
    base_layer : Linear
        The layer; its parameters are frozen.
    rank, alpha, dropout
        As in :class:`LoRALayer`.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import LoRALinear
    >>> layer = LoRALinear(torch.nn.Linear(8, 4), rank=2)
    >>> [name for name, p in layer.named_parameters() if p.requires_grad]
    ['lora.lora_A', 'lora.lora_B']
    """

    def __init__(
        self,
        base_layer: torch.nn.Linear,
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        for parameter in base_layer.parameters():
            parameter.requires_grad_(False)
        self.lora = LoRALayer(
            base_layer.in_features, base_layer.out_features, rank, alpha, dropout
        ).to(base_layer.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the layer plus the update."""
        output: Tensor = self.base_layer(x) + self.lora(x)
        return output

    def merged_weight(self) -> Tensor:
        """Return W + (alpha / r) (A B)', (out_features, in_features)."""
        return (self.base_layer.weight + self.lora.delta()).detach()


def find_projections(
    network: torch.nn.Module, target_modules: Iterable[str] | None = None
) -> dict[str, torch.nn.Linear]:
    """Return the linear layers whose own name is among some names, by their path.

    Parameters
    ----------
    network : Module
        A transformer.
    target_modules : iterable of str, default=None
        Last parts of the names; None is projections of queries and values under the
        names of common models.

    Returns
    -------
    layers : dict of str to Linear
        In the order of the network.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import find_projections
    >>> block = torch.nn.ModuleDict({"q": torch.nn.Linear(2, 2)})
    >>> list(find_projections(block))
    ['q']
    """
    names = set(ATTENTION_PROJECTIONS if target_modules is None else target_modules)
    found = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and path.rpartition(".")[2] in names
    }
    if not found:
        linear = sorted(
            {
                path.rpartition(".")[2]
                for path, module in network.named_modules()
                if isinstance(module, torch.nn.Linear)
            }
        )
        raise ValueError(
            f"{type(network).__name__} has no linear layer named any of "
            f"{sorted(names)}. Its linear layers are named {linear}; pass some of "
            "these as target_modules."
        )
    return found


def add_lora(
    network: torch.nn.Module,
    *,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    target_modules: Iterable[str] | None = None,
) -> dict[str, LoRALinear]:
    """Freeze a network and put a :class:`LoRALinear` in place of some layers.

    Parameters
    ----------
    network : Module
        A transformer; changed in place.
    rank, alpha, dropout
        As in :class:`LoRALayer`.
    target_modules : iterable of str, default=None
        As in :func:`find_projections`.

    Returns
    -------
    layers : dict of str to LoRALinear
        The new layers by their path.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import add_lora
    >>> block = torch.nn.ModuleDict({"q": torch.nn.Linear(4, 4)})
    >>> list(add_lora(block, rank=2)), type(block["q"]).__name__
    (['q'], 'LoRALinear')
    """
    found = find_projections(network, target_modules)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    layers = {}
    for path, layer in found.items():
        parent, _, name = path.rpartition(".")
        layers[path] = LoRALinear(layer, rank, alpha, dropout)
        setattr(network.get_submodule(parent), name, layers[path])
    return layers


class ParticipantLoRA(torch.nn.Module):
    """Low-rank adapters of every participant, in one table.

        W x + (alpha / r) B_g A_g x     for rows of participant g

    for chosen layers of a network that all participants share and that stays frozen.
    A batch may hold rows of any participants: their adapters are gathered from the
    table once per batch, and each layer takes one batched product. No layer is copied.
    B starts at 0; participants that are not known have no adapter.

    Parameters
    ----------
    network : Module
        A transformer whose chosen layers get hooks; its parameters are frozen. It is
        not a submodule of this one.
    n_levels : int
        Number of participants.
    rank : int, default=8
        r.
    alpha : float, default=16.0
        Scaling factor.
    target_modules : iterable of str, default=None
        As in :func:`find_projections`.
    prior_variance : float, default=1.0
        Prior variance of the entries of B. A, which only says which directions of the
        input B acts on, has no prior: one that drew it to 0 together with B would
        leave both there.

    Attributes
    ----------
    table : EffectTable
        Row g holds A_g (r, in) and B_g (out, r) of every layer, one after the other.
        A row has r (in + out) entries per layer.
    slots : dict of str to tuple
        Path of a layer to the slice of its A, its shape, the slice of B, its shape.

    Examples
    --------
    >>> import torch
    >>> from bead_sklearn.nn import ParticipantLoRA
    >>> network = torch.nn.ModuleDict({"q": torch.nn.Linear(4, 4)})
    >>> adapters = ParticipantLoRA(network, n_levels=1000, rank=2)
    >>> x = torch.ones(3, 5, 4)
    >>> with adapters.participants(torch.tensor([7, 0, -1])):
    ...     y = network["q"](x)
    >>> torch.equal(y, network["q"](x)), adapters.table.weight.shape
    (True, torch.Size([1001, 16]))
    """

    def __init__(
        self,
        network: torch.nn.Module,
        n_levels: int,
        rank: int = 8,
        alpha: float = 16.0,
        target_modules: Iterable[str] | None = None,
        prior_variance: float = 1.0,
    ) -> None:
        super().__init__()
        _check_rank(rank)
        if not prior_variance > 0:
            raise ValueError(f"prior_variance must be positive. Got {prior_variance}.")
        layers = find_projections(network, target_modules)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        self.rank, self.alpha, self.scaling = rank, alpha, alpha / rank
        self.prior_variance = prior_variance
        self.slots: dict[
            str, tuple[slice, tuple[int, int], slice, tuple[int, int]]
        ] = {}
        end = 0
        for path, layer in layers.items():
            middle = end + rank * layer.in_features
            stop = middle + rank * layer.out_features
            self.slots[path] = (
                slice(end, middle),
                (rank, layer.in_features),
                slice(middle, stop),
                (layer.out_features, rank),
            )
            end = stop
        self.table = EffectTable(n_levels, end)
        with torch.no_grad():
            for first, (_, n_inputs), _, _ in self.slots.values():
                self.table.weight[:n_levels, first].uniform_(*_bounds(n_inputs))
        self._current: Tensor | None = None
        self._handles = [
            layer.register_forward_hook(_Hook(self, path))
            for path, layer in layers.items()
        ]

    @contextmanager
    def participants(self, codes: Tensor) -> Iterator[Tensor]:
        """Let the rows of what runs inside belong to some participants.

        Parameters
        ----------
        codes : Tensor of int of shape (n,)
            Participant of each row of the batch, -1 for one that is not known.

        Yields
        ------
        rows : Tensor of shape (n, size)
            Their rows of the table, for :meth:`penalty`.
        """
        rows = self._current = self.table(codes)
        try:
            yield rows
        finally:
            self._current = None

    def update(self, path: str, x: Tensor) -> Tensor | None:
        """Return what the current participants add to the output of a layer.

        Parameters
        ----------
        path : str
            Name of the layer.
        x : Tensor of shape (n, ..., in_features)
            Its input; None is returned outside of :meth:`participants`.
        """
        if self._current is None:
            return None
        rows = self._current
        if len(x) != len(rows):
            raise ValueError(
                f"The layer {path!r} got a batch of {len(x)} rows for {len(rows)} "
                "participants."
            )
        first, shape_a, second, shape_b = self.slots[path]
        low = rows[:, first].unflatten(1, shape_a).transpose(1, 2)
        high = rows[:, second].unflatten(1, shape_b).transpose(1, 2)
        flat = x.reshape(len(x), -1, x.shape[-1])
        product = torch.bmm(torch.bmm(flat, low), high)
        return self.scaling * product.reshape(*x.shape[:-1], -1)

    def penalty(
        self, codes: Tensor, shares: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """Return the negative log-prior of the participants of some rows.

        Parameters
        ----------
        codes : Tensor of int of shape (n,)
            Participant of each row.
        shares : Tensor of shape (n,)
            Share of each row in its participant.
        rows : Tensor of shape (n, size), default=None
            Their rows of the table, if they have been gathered.
        """
        if rows is None:
            rows = self.table(codes)
        total = torch.zeros_like(shares)
        for _, _, second, _ in self.slots.values():
            total = total + rows[:, second].pow(2).sum(dim=1)
        penalty: Tensor = 0.5 / self.prior_variance * (shares * total).sum()
        return penalty

    def adapter(self, code: int) -> dict[str, tuple[Tensor, Tensor]]:
        """Return A (r, in) and B (out, r) of one participant, by layer."""
        row = self.table.weight.detach()[code]
        return {
            path: (row[first].reshape(shape_a), row[second].reshape(shape_b))
            for path, (first, shape_a, second, shape_b) in self.slots.items()
        }

    def set_adapter(self, code: int, adapter: dict[str, tuple[Tensor, Tensor]]) -> None:
        """Set A (r, in) and B (out, r) of one participant.

        Raises
        ------
        ValueError
            If the layers or their shapes are others.
        """
        if set(adapter) != set(self.slots):
            raise ValueError(
                f"The adapter has layers {sorted(adapter)}; expected "
                f"{sorted(self.slots)}."
            )
        with torch.no_grad():
            for path, (first, shape_a, second, shape_b) in self.slots.items():
                low, high = adapter[path]
                if tuple(low.shape) != shape_a or tuple(high.shape) != shape_b:
                    raise ValueError(
                        f"The layer {path!r} of the adapter has shapes "
                        f"{tuple(low.shape)} and {tuple(high.shape)}; expected "
                        f"{shape_a} and {shape_b}."
                    )
                self.table.weight[code, first] = low.to(self.table.weight).ravel()
                self.table.weight[code, second] = high.to(self.table.weight).ravel()

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()


class _Hook:
    """Adds the update of one layer to its output."""

    def __init__(self, adapters: ParticipantLoRA, path: str) -> None:
        self.adapters, self.path = adapters, path

    def __call__(
        self, layer: torch.nn.Module, arguments: tuple[Any, ...], output: Tensor
    ) -> Tensor:
        update = self.adapters.update(self.path, arguments[0])
        return output if update is None else output + update


def _bounds(n_inputs: int) -> tuple[float, float]:
    """Return the range of uniform weights of variance 1 / (3 n), as in a Linear."""
    limit = 1.0 / math.sqrt(n_inputs)
    return -limit, limit


def _check_rank(rank: int) -> None:
    if rank < 1:
        raise ValueError(f"rank must be at least 1. Got {rank}.")
