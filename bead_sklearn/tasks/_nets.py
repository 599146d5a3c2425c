"""The nets that train encoders: how they are set up, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

if TYPE_CHECKING:
    from bead_sklearn.tasks._base import MixedModel

#: Parameters of the module that the encoder and the task set.
_OF_ENCODER = (
    "model",
    "tune",
    "pooling",
    "normalize",
    "max_length",
    "n_outputs",
    "n_numeric",
    "n_texts",
    "has_intercept",
    "n_participants",
    "participant_rank",
    "start",
    "basis",
    "mean_states",
    "log_weight",
)


@dataclass(frozen=True)
class Tuning:
    """How an encoder was trained.

    Attributes
    ----------
    train_loss, valid_loss : list of float
        Negative log-likelihood per judgment after each epoch, of the judgments
        trained on and of held-out ones; the latter begins with the loss before
        training and is empty where none are held out.
    best_epoch : int
        Epoch whose weights were kept; 0 are the pretrained ones.
    likelihood : {"marginal", "joint", "plain"}
        What was maximised.
    """

    train_loss: list[float]
    valid_loss: list[float]
    best_epoch: int
    likelihood: str


def default_net(fine_tune: Any) -> Any:
    """Return the net that trains encoders where none is given.

    Parameters
    ----------
    fine_tune : {"full", "lora"} or int
        Adapters take larger steps than pretrained weights.
    """
    from bead_sklearn.nn import MixedEffectsNet

    lr = 5e-4 if fine_tune == "lora" else 5e-5
    return MixedEffectsNet(lr=lr, head_lr=1e-3, max_epochs=10, patience=2)


def prepare_net(model: MixedModel, device: Any) -> Any:
    """Return a copy of the net of a model, or the default one.

    Parameters
    ----------
    model : MixedModel
        Has ``net``, ``fine_tune``, ``random_state`` and ``verbose``.
    device : str, torch.device or None
        That of the encoder.

    Raises
    ------
    ValueError
        If the net has settings that the task decides.
    """
    from bead_sklearn.encoders._transformer import _device_name
    from bead_sklearn.nn import MixedEffectsNet

    if model.net is None:
        net = default_net(model.fine_tune)
    else:
        net = clone(model.net)
        given = net.get_params(deep=False)
        usual = MixedEffectsNet().get_params(deep=False)
        for name in ("module", "family", "effects"):
            if given.get(name) != usual[name]:
                raise ValueError(
                    f"{name} of net is decided by the task, by its own parameters. "
                    f"Got net with {name}={given.get(name)!r}."
                )
        for name in _OF_ENCODER:
            if f"module__{name}" in given:
                raise ValueError(
                    f"{name} of net is decided by the task, by its encoder and "
                    f"fine_tune. Got net with module__{name}="
                    f"{given[f'module__{name}']!r}."
                )
    if net.random_state is None:
        net.set_params(random_state=model.random_state)
    if device is not None or net.device == "cpu":
        net.set_params(device=_device_name(device))
    if model.verbose:
        net.set_params(verbose=model.verbose)
    return net


def read_tuning(net: Any) -> Tuning:
    """Return how the training of a net went."""
    best = net.best_weights()
    history = net.history
    # An epoch that was interrupted has no losses.
    train = [float(row["train_loss"]) for row in history if "train_loss" in row]
    if net.train_split is None:
        return Tuning(train, [], len(train), net.kind_)
    losses = [row["valid_loss"] for row in history if "valid_loss" in row]
    valid = [float(loss) for loss in (best.first_loss_, *losses)]
    return Tuning(train, valid, best.best_epoch_, net.kind_)


def train_split_of(held_out: np.ndarray | None) -> Any:
    """Return the split of a net for rows that are known to be held out."""
    from bead_sklearn.nn import HeldOutRows

    return None if held_out is None else HeldOutRows(np.flatnonzero(held_out))
