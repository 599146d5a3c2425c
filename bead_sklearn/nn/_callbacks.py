"""What happens at the ends of epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from bead_sklearn.nn._checkpoint import write_checkpoint


class VarianceStep(Callback):
    """Profile intercept and family, and take EM steps of the variances.

    At held-out features where enough participants are held out, because a network
    that has begun to overfit makes participants look too much alike; otherwise at
    those of training.

    Parameters
    ----------
    min_levels : int, default=20
        Number of held-out participants from which they are used.
    max_levels : int, default=2000
        Number of participants beyond which a sample of them says enough.
    """

    def __init__(self, min_levels: int = 20, max_levels: int = 2000) -> None:
        self.min_levels, self.max_levels = min_levels, max_levels

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Update the state of the net."""
        net.update_state(self.min_levels, self.max_levels)


class BestWeights(Callback):
    """Keep the weights of the epoch with the lowest held-out loss, stop after it.

    The weights before training count too. An interrupted fit ends with the best
    weights as well; without held-out rows the last ones are kept.

    Parameters
    ----------
    patience : int or None
        Epochs without improvement after which training stops; None never stops.
    """

    def __init__(self, patience: int | None = 3) -> None:
        self.patience = patience

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Forget an earlier training."""
        self.best_loss_ = self.first_loss_ = np.inf
        self.best_epoch_ = -1
        self.epoch_ = 0
        self.weights_: dict[str, torch.Tensor] | None = None
        self.state_: Any = None

    def record(self, net: Any, loss: float, epoch: int) -> None:
        """Note the held-out loss after an epoch, 0 being before training."""
        self.epoch_ = epoch
        if epoch == 0:
            self.first_loss_ = loss
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, epoch
            self.weights_ = net.trained_weights()
            self.state_ = net.state_

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Note the loss of the epoch; stop when it has been rising."""
        row = net.history[-1]
        if "valid_loss" not in row:
            return
        self.record(net, row["valid_loss"], len(net.history))

    @property
    def is_over(self) -> bool:
        """Whether the loss has not improved for as long as one waits."""
        waited = self.epoch_ - self.best_epoch_
        return self.patience is not None and waited >= self.patience > 0

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Go back to the best weights."""
        if self.weights_ is not None:
            net.load_trained_weights(self.weights_, self.state_)
        self.weights_ = None


class Checkpointing(Callback):
    """Write everything that training needs to go on after every so many epochs.

    Parameters
    ----------
    folder : str or path-like or None
        Where; None writes nothing.
    """

    def __init__(self, folder: Any = None) -> None:
        self.folder = folder

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the checkpoint."""
        if self.folder is not None:
            write_checkpoint(self.folder, net)
