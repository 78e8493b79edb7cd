"""The optimiser, and the exponential moving average (EMA) of the weights."""

from __future__ import annotations

import torch
from torch import nn

from train.config import TrainConfig


def make_optimizer(config: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Make SGD or AdamW, without weight decay for biases and batch norms."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    sgd = torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=True)
    for parameter in parameters:  # if the scaler skips the first step, they would stay unset
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


@torch.no_grad()
def ema_update(averaged: nn.Module, model: nn.Module, decay: float, steps: int) -> None:
    """Update the EMA of weights and batch statistics with the model's current ones.

    Args:
        averaged: the averaged model, changed in place.
        model: a model of the same architecture.
        decay: weight of the past; lower in the first steps.
        steps: number of optimiser steps averaged so far.
    """
    decay = min(decay, (1 + steps) / (10 + steps))
    means, values = averaged.state_dict(), model.state_dict()
    floats = [name for name, mean in means.items() if mean.is_floating_point()]
    torch._foreach_lerp_(
        [means[name] for name in floats], [values[name] for name in floats], 1 - decay
    )
    for name in means.keys() - set(floats):
        means[name].copy_(values[name])
