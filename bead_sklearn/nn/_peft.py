"""Adapters in the files of the PEFT library."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bead_sklearn._files import replace_file

_PREFIX = "base_model.model."
_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"

#: A (r, in_features) and B (out_features, r) by the path of a layer.
Adapter = dict[str, tuple[Tensor, Tensor]]


def save_peft(
    folder: str | os.PathLike[str],
    adapter: Adapter,
    *,
    alpha: float,
    base_model: str = "",
    task_type: str = "FEATURE_EXTRACTION",
) -> None:
    """Write an adapter so that ``peft.PeftModel.from_pretrained`` reads it.

    Parameters
    ----------
    folder : str or path-like
        Made if it is not there.
    adapter : dict of str to (Tensor, Tensor)
        A of shape (r, in_features) and B of shape (out_features, r) of each layer, by
        its path in the network.
    alpha : float
        Scaling factor; the update is (alpha / r) B A.
    base_model : str, default=""
        Name or folder of the network, for the record.
    task_type : str, default="FEATURE_EXTRACTION"
        What PEFT calls the kind of network.

    Raises
    ------
    ValueError
        If there is no layer, or ranks differ.
    """
    from safetensors.torch import save

    ranks = {low.shape[0] for low, _ in adapter.values()}
    if len(ranks) != 1:
        raise ValueError(f"The layers must share one rank. Got ranks {sorted(ranks)}.")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (low, high) in adapter.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = low.detach().cpu().contiguous()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = high.detach().cpu().contiguous()
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": base_model,
        "r": ranks.pop(),
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(adapter),
    }
    replace_file(path / _WEIGHTS, save(tensors, metadata={"format": "pt"}))
    replace_file(path / _CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def load_peft(folder: str | os.PathLike[str]) -> tuple[Adapter, float]:
    """Read an adapter that PEFT or :func:`save_peft` wrote.

    Parameters
    ----------
    folder : str or path-like
        Folder with ``adapter_config.json`` and ``adapter_model.safetensors``.

    Returns
    -------
    adapter : dict of str to (Tensor, Tensor)
        A of shape (r, in_features) and B of shape (out_features, r) by layer.
    alpha : float
        Scaling factor.

    Raises
    ------
    ValueError
        If it is no plain LoRA adapter.
    """
    from safetensors.torch import load

    path = Path(folder)
    config = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA":
        raise ValueError(
            f"{path} holds an adapter of type {config.get('peft_type')!r}; only LORA "
            "is read."
        )
    for name in ("use_rslora", "use_dora"):
        if config.get(name):
            raise ValueError(f"{path} is of a kind that is not read: {name}=True.")
    for name in ("rank_pattern", "alpha_pattern"):
        if config.get(name):
            raise ValueError(f"{path} has a {name}; one rank and alpha are expected.")
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load((path / _WEIGHTS).read_bytes()).items():
        name, _, part = key.removesuffix(".weight").rpartition(".")
        if part not in ("lora_A", "lora_B"):
            raise ValueError(f"{path} holds {key!r}, which is not a part of LoRA.")
        parts.setdefault(name.removeprefix(_PREFIX), {})[part] = tensor
    adapter = {name: (item["lora_A"], item["lora_B"]) for name, item in parts.items()}
    return adapter, float(config["lora_alpha"])


def shared_adapter(network: torch.nn.Module) -> Adapter:
    """Return the adapters of the :class:`LoRALinear` layers of a network.

    Parameters
    ----------
    network : Module
        What :func:`add_lora` changed.

    Returns
    -------
    adapter : dict of str to (Tensor, Tensor)
        A of shape (r, in_features) and B of shape (out_features, r) by layer.
    """
    from bead_sklearn.nn._lora import LoRALinear

    return {
        path: (module.lora.lora_A.detach().T, module.lora.lora_B.detach().T)
        for path, module in network.named_modules()
        if isinstance(module, LoRALinear)
    }
