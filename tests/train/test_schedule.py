"""Margin, warm-up and plateau, step by step."""

import pytest

from train.schedule import LinearMargin, Plateau, cooldown, warmup


@pytest.mark.parametrize(
    ("epoch", "margin"), [(0, 0.05), (1, 0.125), (2.5, 0.2375), (4, 0.35), (9, 0.35)]
)
def test_margin_rises_linearly_then_stays(epoch: float, margin: float) -> None:
    # From 0.05 to 0.35 over 4 epochs: 0.075 an epoch.
    schedule = LinearMargin(0.05, 0.35, 4)
    assert schedule.at(epoch) == pytest.approx(margin)
    assert schedule.is_stable(epoch) is (epoch >= 4)


def test_margin_without_a_rise() -> None:
    assert LinearMargin(0.0, 0.35, 0).at(0) == 0.35


def test_plateau_by_hand() -> None:
    plateau = Plateau(factor=0.1, patience=1, threshold=0.1)
    multipliers = []
    # 10 best; 9.5 falls by less than 10 % (bad 1); 8 best; 7.9 (1), 7.8 (2: reduce), 7.7 (1), 7.6
    # (2: reduce); 7.0 is below 8 * 0.9: best again.
    for loss in (10, 9.5, 8, 7.9, 7.8, 7.7, 7.6, 7.0):
        plateau.step(loss)
        multipliers.append(plateau.multiplier)
    assert multipliers == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert plateau.best == 7.0
    assert plateau.bad_epochs == 0


def test_plateau_forgets_losses_of_another_input_size() -> None:
    plateau = Plateau(factor=0.5, patience=0, threshold=0.1)
    plateau.step(1.0)
    plateau.forget()
    plateau.step(5.0)
    assert plateau.multiplier == 1
    plateau.step(5.0)
    assert plateau.multiplier == 0.5


def test_warmup() -> None:
    assert [warmup(epoch, 2) for epoch in (0, 0.5, 2, 3)] == [0, 0.25, 1, 1]
    assert warmup(0, 0) == 1


def test_cooldown() -> None:
    # The last 4 of 10 epochs.
    assert [cooldown(epoch, 10, 4) for epoch in (0, 6, 7, 9, 10)] == [1, 1, 0.75, 0.25, 0]
    assert cooldown(9.9, 10, 0) == 1
