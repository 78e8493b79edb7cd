"""The optimiser's groups, and the moving average."""

import pytest
import torch
from torch import nn

from train.config import TrainConfig
from train.optimizer import ema_update, make_optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_only_matrices_decay(name: str) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    config = TrainConfig(data="x", optimizer=name, weight_decay=0.25)
    decayed, rest = make_optimizer(config, module).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(3, 2)]
    assert [tuple(p.shape) for p in rest["params"]] == [(3,), (3,), (3,)]
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.25, 0.0)


def test_average_follows_closely_at_first_then_slowly() -> None:
    averaged, model = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        averaged.weight.fill_(0.0)
        model.weight.fill_(1.0)
        model.num_batches_tracked.fill_(7)
    ema_update(averaged, model, 0.9, steps=0)  # decay (1 + 0) / (10 + 0)
    assert averaged.weight.item() == pytest.approx(0.9)
    assert averaged.num_batches_tracked.item() == 7
    ema_update(averaged, model, 0.9, steps=1000)
    assert averaged.weight.item() == pytest.approx(0.9 * 0.9 + 0.1)
