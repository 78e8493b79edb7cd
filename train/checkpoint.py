"""Checkpoints: written atomically, read without executing anything."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facehub.io.files import write_atomically
from train.model.partial_fc import PartialFC

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Replace the run's checkpoint."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(run / CHECKPOINT, buffer.getvalue())


def load_checkpoint(run: Path) -> dict[str, Any] | None:
    """The run's checkpoint, or None if there is none yet."""
    path = run / CHECKPOINT
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def model_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of module and optimiser, with the shards of the centres collected.

    All processes must call this function; only the first one gets the complete state.
    """
    modules, optim = module.state_dict(), optimizer.state_dict()
    for name, head in _spread(module):
        modules[f"{name}.weight"] = head.whole(modules[f"{name}.weight"])
        number = _number(optimizer, head.weight)
        optim["state"][number] = {
            key: head.whole(value) if value.shape == head.weight.shape else value
            for key, value in optim["state"].get(number, {}).items()
        }
    return {"modules": modules, "optimizer": optim}


def load_model_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Load the result of `model_state`; the number of processes may differ."""
    module.load_state_dict(state["modules"])
    optim = state["optimizer"]
    for _, head in _spread(module):
        number = _number(optimizer, head.weight)
        of_head = {
            key: head.own(value) if value.ndim == 2 else value
            for key, value in optim["state"].get(number, {}).items()
        }
        optim = {**optim, "state": {**optim["state"], number: of_head}}
    optimizer.load_state_dict(optim)


def _spread(module: nn.Module) -> list[tuple[str, PartialFC]]:
    return [(name, part) for name, part in module.named_modules() if isinstance(part, PartialFC)]


def _number(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> int:
    """The index of a parameter in the optimiser."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return next(i for i, p in enumerate(parameters) if p is parameter)
