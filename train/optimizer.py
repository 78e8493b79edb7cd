"""The optimiser, and the exponential moving average (EMA) of the weights."""

from __future__ import annotations

import torch
from torch import nn

from train.config import TrainConfig


def make_optimizer(config: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    """SGD or AdamW; biases and batch norms without weight decay."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=True)


@torch.no_grad()
def ema_update(averaged: nn.Module, model: nn.Module, decay: float, steps: int) -> None:
    """Update the EMA of weights and batch statistics with the model's present ones.

    Args:
        averaged: changed in place.
        model: of the same architecture.
        decay: weight of the past, once there is one: at first the average follows more closely.
        steps: optimiser steps that it has averaged so far.
    """
    decay = min(decay, (1 + steps) / (10 + steps))
    means, values = averaged.state_dict(), model.state_dict()
    floats = [name for name, mean in means.items() if mean.is_floating_point()]
    torch._foreach_lerp_(
        [means[name] for name in floats], [values[name] for name in floats], 1 - decay
    )
    for name in means.keys() - set(floats):
        means[name].copy_(values[name])
