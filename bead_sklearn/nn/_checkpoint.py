"""Training state as a safetensors file, replaced in one step after each epoch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bead_sklearn._files import replace_file
from bead_sklearn.nn._parameters import learned_parameters, with_learned_parameters

FILE_NAME = "training.safetensors"
_FORMAT = 1


def fingerprint(net: Any, dataset: Any) -> str:
    """Return a digest of what must be the same for training to go on.

    Parameters
    ----------
    net : MixedEffectsNet
        Initialised.
    dataset : JudgmentDataset
        All rows.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(net.trained_parameters().items()):
        digest.update(f"{name}{tuple(parameter.shape)};".encode())
    settings = [net.seed_, net.batch_size, len(dataset), net.kind_, repr(net.lr)]
    digest.update(json.dumps(settings).encode())
    digest.update(np.ascontiguousarray(dataset.y).tobytes())
    for name in sorted(net.levels_):
        digest.update(np.ascontiguousarray(dataset.X[name]).tobytes())
    return digest.hexdigest()


def write_checkpoint(folder: str | os.PathLike[str], net: Any) -> None:
    """Write weights, optimizer, variances, seeds and history of a net.

    Parameters
    ----------
    folder : str or path-like
        Made if it is not there.
    net : MixedEffectsNet
        At the end of an epoch.
    """
    from safetensors.torch import save

    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    best = net.best_weights()
    tensors = {f"now.{k}": v for k, v in net.trained_weights().items()}
    tensors |= {f"best.{k}": v for k, v in (best.weights_ or {}).items()}
    names = {id(p): name for name, p in net.trained_parameters().items()}
    for parameter, state in net.optimizer_.state.items():
        for key, value in state.items():
            tensors[f"optimizer.{names[id(parameter)]}:{key}"] = value
    tensors["rng.cpu"] = torch.get_rng_state()
    if str(net.device).startswith("cuda"):
        tensors["rng.cuda"] = torch.cuda.get_rng_state(net.device)
    tensors["f"] = torch.as_tensor(net.f_)
    meta = {
        "format": _FORMAT,
        "fingerprint": net.fingerprint_,
        "epoch": len(net.history),
        "best": [
            best.best_loss_,
            best.best_epoch_,
            best.epoch_,
            best.first_loss_,
        ],
        "state": state_to_json(net.state_),
        "best_state": None if best.state_ is None else state_to_json(best.state_),
        "history": net.history.to_list(),
        "variance_history": [
            {name: value.tolist() for name, value in item.items()}
            for item in net.variance_history_
        ],
    }
    text = json.dumps(meta, default=float)
    owned = {name: value.detach().clone().cpu() for name, value in tensors.items()}
    replace_file(path / FILE_NAME, save(owned, metadata={"training": text}))


def read_checkpoint(folder: str | os.PathLike[str], net: Any) -> bool:
    """Let an initialised net go on where a checkpoint ends.

    Parameters
    ----------
    folder : str or path-like
        Where :func:`write_checkpoint` wrote.
    net : MixedEffectsNet
        Initialised, not trained.

    Returns
    -------
    found : bool
        Whether there was a checkpoint.

    Raises
    ------
    ValueError
        If the checkpoint is of another training.
    """
    from safetensors import safe_open

    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return False
    tensors = {}
    with safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["training"])
        for name in file.keys():  # noqa: SIM118
            tensors[name] = file.get_tensor(name)
    if meta["format"] != _FORMAT or meta["fingerprint"] != net.fingerprint_:
        raise ValueError(
            f"The checkpoint in {os.fspath(folder)!r} belongs to another training: "
            "other judgments, participants, seed or settings. Remove it, or choose "
            "another folder as checkpoint."
        )
    net.load_trained_weights(
        _part(tensors, "now."), state_from_json(meta["state"], net.state_)
    )
    parameters = net.trained_parameters()
    for name, value in _part(tensors, "optimizer.").items():
        parameter, _, key = name.rpartition(":")
        owner = parameters[parameter]
        device = "cpu" if value.ndim == 0 else owner.device
        net.optimizer_.state[owner][key] = value.to(device)
    torch.set_rng_state(tensors["rng.cpu"])
    if "rng.cuda" in tensors and str(net.device).startswith("cuda"):
        torch.cuda.set_rng_state(tensors["rng.cuda"], net.device)
    net.f_[...] = tensors["f"].numpy()
    best = net.best_weights()
    best.best_loss_, best.best_epoch_, best.epoch_, best.first_loss_ = meta["best"]
    best.weights_ = _part(tensors, "best.") or None
    if meta["best_state"] is not None:
        best.state_ = state_from_json(meta["best_state"], net.state_)
    net.history.extend(meta["history"])
    net.variance_history_ = [
        {name: np.array(value) for name, value in item.items()}
        for item in meta["variance_history"]
    ]
    return True


def state_to_json(state: Any) -> dict[str, Any]:
    """Return variances and parameters of the family as JSON values."""
    return {
        "theta": {name: theta.tolist() for name, theta in state.theta.items()},
        "family": learned_parameters(state.family).tolist(),
    }


def state_from_json(values: dict[str, Any], state: Any) -> Any:
    """Return a state with these values."""
    family = with_learned_parameters(state.family, np.array(values["family"]))
    theta = {name: np.array(part) for name, part in values["theta"].items()}
    return type(state)(family, theta)


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
