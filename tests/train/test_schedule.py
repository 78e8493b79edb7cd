"""Schedules of the margin and the learning rate: warm-up, plateau, milestones and cool-down."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from train.config import TrainConfig, load_config
from train.schedule import LinearMargin, Plateau, Schedule, cooldown, warmup

CASIA = Path(__file__).parents[2] / "train" / "configs" / "casia_cuda.toml"
CASIA_STEPS = 1773  # 454,000 training faces in batches of 256


@pytest.mark.parametrize(
    ("epoch", "margin"), [(0, 0.05), (1, 0.125), (2.5, 0.2375), (4, 0.35), (9, 0.35)]
)
def test_margin_rises_linearly_then_stays(epoch: float, margin: float) -> None:
    # From 0.05 to 0.35 over 4 epochs: 0.075 an epoch.
    schedule = LinearMargin(0.05, 0.35, 4)
    assert schedule.at(epoch) == pytest.approx(margin)
    assert schedule.is_stable(epoch) is (epoch >= 4)


def test_margin_with_a_rise_of_0_epochs_is_constant() -> None:
    assert LinearMargin(0.0, 0.35, 0).at(0) == 0.35


def test_plateau_reduces_the_rate_after_bad_epochs() -> None:
    plateau = Plateau(factor=0.1, patience=1, threshold=0.1)
    multipliers = []
    # 10 is the best. 9.5 is less than 10 % lower: bad epoch 1. 8 is the best. 7.9: bad epoch 1.
    # 7.8: bad epoch 2, reduce. 7.7: bad epoch 1. 7.6: bad epoch 2, reduce. 7.0 is below 8 * 0.9,
    # so it is the best.
    for loss in (10, 9.5, 8, 7.9, 7.8, 7.7, 7.6, 7.0):
        plateau.step(loss)
        multipliers.append(plateau.multiplier)
    assert multipliers == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert plateau.best == 7.0
    assert plateau.bad_epochs == 0


def test_plateau_ignores_losses_before_forget() -> None:
    plateau = Plateau(factor=0.5, patience=0, threshold=0.1)
    plateau.step(1.0)
    plateau.forget()
    plateau.step(5.0)
    assert plateau.multiplier == 1
    plateau.step(5.0)
    assert plateau.multiplier == 0.5


def test_plateau_does_not_go_below_its_floor() -> None:
    plateau = Plateau(factor=0.1, patience=0, threshold=0.1, floor=0.05)
    multipliers = []
    for _ in range(4):
        plateau.step(1.0)
        multipliers.append(plateau.multiplier)
    assert multipliers == pytest.approx([1, 0.1, 0.05, 0.05])


def rates_of(config: TrainConfig, loss: Callable[[int, float], float], n_steps: int) -> list[float]:
    """The learning rate of the last step of each epoch, as a share of the configured one.

    Args:
        config: configuration of the run.
        loss: gives the mean loss of an epoch, from its number and the share at its beginning.
        n_steps: number of steps in an epoch.
    """
    schedule = Schedule(config)
    rates = []
    for epoch in range(config.epochs):
        share = schedule.rate(epoch) / config.learning_rate
        rates.append(schedule.rate(epoch + (n_steps - 1) / n_steps) / config.learning_rate)
        schedule.end_epoch(epoch, loss(epoch, share))
    return rates


def noisy(epoch: int, share: float) -> float:
    return 20 * 0.97**epoch * random.Random(epoch).uniform(0.9, 1.1)


CURVES: dict[str, Callable[[int, float], float]] = {
    "fast": lambda epoch, share: 20 * 0.5**epoch,
    "slowly, always by enough": lambda epoch, share: 20 * 0.985**epoch,
    "slowly, never by enough": lambda epoch, share: 20 * 0.995**epoch,
    "in steps": lambda epoch, share: 20 * 0.7 ** (epoch // 4),
    "when the rate does": lambda epoch, share: 5 + 10 * share,
    "noisily": noisy,
    "not at all": lambda epoch, share: 20.0,
    "rising": lambda epoch, share: 10.0 + epoch,
    "late": lambda epoch, share: 20.0 if epoch < 15 else 20 * 0.9 ** (epoch - 15),
}


@pytest.mark.parametrize(
    "overrides", [[], ["schedule=steps"], ["cooldown_epochs=0", "schedule=steps"]]
)
@pytest.mark.parametrize("curve", CURVES)
def test_casia_run_ends_at_a_low_rate_for_any_loss_curve(curve: str, overrides: list[str]) -> None:
    rates = rates_of(load_config(CASIA, overrides), CURVES[curve], CASIA_STEPS)
    assert 1e-4 <= rates[-1] <= 1e-3 * (1 + 1e-9)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[1:]))


def test_casia_run_without_cooldown_may_end_at_a_high_rate() -> None:
    config = load_config(CASIA, ["cooldown_epochs=0"])
    assert rates_of(config, CURVES["fast"], CASIA_STEPS)[-1] == 1


def test_milestones_reduce_the_rate() -> None:
    config = TrainConfig(
        data="x",
        schedule="steps",
        milestones=(2, 4),
        milestone_factor=0.5,
        epochs=6,
        warmup_epochs=0,
    )
    assert rates_of(config, CURVES["rising"], 10) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert not Schedule(config).end_epoch(9, 1.0)


def test_cooldown_starts_at_the_rate_of_the_plateau() -> None:
    config = TrainConfig(
        data="x",
        epochs=8,
        cooldown_epochs=4.0,
        cooldown_to=0.05,
        plateau_floor=0.1,
        plateau_patience=0,
        margin_epochs=0,
        warmup_epochs=0,
        learning_rate=1.0,
    )
    schedule = Schedule(config)
    schedule.load_state({"multiplier": 0.25, "best": 1.0, "bad_epochs": 0})
    # From 0.25 to 0.05 over epochs 4 to 8.
    rates = [schedule.rate(epoch) for epoch in (0, 4, 5, 6, 7, 8)]
    assert rates == pytest.approx([0.25, 0.25, 0.2, 0.15, 0.1, 0.05])
    assert schedule.state()["multiplier"] == 0.25


def test_warmup_rises_linearly() -> None:
    assert [warmup(epoch, 2) for epoch in (0, 0.5, 2, 3)] == [0, 0.25, 1, 1]
    assert warmup(0, 0) == 1


def test_cooldown_falls_linearly() -> None:
    # The cool-down is the last 4 of 10 epochs.
    assert [cooldown(epoch, 10, 4) for epoch in (0, 6, 7, 9, 10)] == [1, 1, 0.75, 0.25, 0]
    assert cooldown(9.9, 10, 0) == 1
