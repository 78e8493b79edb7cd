"""Parameter groups of the optimiser, and the moving average of the weights."""

import pytest
import torch
from torch import nn

from facehub.backbone import DepthwisePool
from train.config import TrainConfig
from train.optimizer import ema_update, make_optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_applies_to_matrices_only(name: str) -> None:
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


def test_adamw_learns_a_depthwise_head_as_factors_of_the_average() -> None:
    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factors = nn.Parameter(torch.ones(5, 2, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.factors).mean((2, 3))

    config = TrainConfig(data="x", optimizer="adamw", learning_rate=0.1, weight_decay=0.3)
    pool, factors = DepthwisePool(5, (2, 3)), Factors()
    ours = make_optimizer(config, nn.Sequential(pool))
    plain = torch.optim.AdamW(factors.parameters(), lr=0.1, weight_decay=0.3, eps=0)
    for group in ours.param_groups:
        group["lr"] = 0.1 * group.get("lr_scale", 1.0)  # as `fit` does
        group["eps"] = 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        x = torch.randn(7, 5, 2, 3, generator=generator)
        for module, optimizer in ((pool, ours), (factors, plain)):
            optimizer.zero_grad()
            (module(x) - 1).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(6 * pool.weight, factors.factors)
    assert (factors.factors - 1).abs().max() > 0.5


def test_sgd_after_a_skipped_first_step_takes_a_full_step() -> None:
    """After a skipped first step, momentum still starts from zero."""
    module = nn.Linear(40, 40)
    before = module.weight.detach().clone()
    config = TrainConfig(data="x", optimizer="sgd", learning_rate=0.5, weight_decay=0.0)
    optimizer = make_optimizer(config, module)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for gradient in (float("inf"), 2.0):
        scaler.scale(torch.ones(()))
        for parameter in module.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        scaler.step(optimizer)
        scaler.update()
    # The scale has fallen from 2 to 1; Nesterov's step is rate * (gradient + 0.9 * gradient).
    torch.testing.assert_close(before - module.weight.detach(), torch.full((40, 40), 0.5 * 1.9 * 2))
