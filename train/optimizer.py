"""The optimiser, and the exponential moving average (EMA) of the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from facehub.backbone import DepthwisePool
from train.config import TrainConfig


def make_optimizer(config: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Make SGD or AdamW, without weight decay for biases and batch norms.

    AdamW's steps have the same length for all weights, but the weights of a depthwise head are
    shares of a sum over N positions, 1/N on average. It therefore learns them as factors of the
    average, about 1: their group has 1/N of the learning rate (`lr_scale`), and N times the decay.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    pools = [m for m in module.modules() if isinstance(m, DepthwisePool)]
    shares = [pool.weight for pool in pools if config.optimizer == "adamw"]
    others = [p for p in parameters if not any(p is share for share in shares)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0},
    ]
    for share in shares:
        positions = share[0].numel()
        decay = config.weight_decay * positions
        groups.append({"params": [share], "weight_decay": decay, "lr_scale": 1 / positions})
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
