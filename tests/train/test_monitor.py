"""Losses are read every few steps, yet no diverged step is missed."""

from __future__ import annotations

import pytest
import torch

from train.distributed import Processes
from train.monitor import DivergedError, Monitor
from train.stop import StopRequest

GOOD, NO = torch.tensor(1.0), torch.tensor(False)


@pytest.fixture
def monitor() -> Monitor:
    """A monitor that reads at every fourth step, as on a GPU."""
    monitor = Monitor(Processes(0, 1, torch.device("cpu")), StopRequest(), 2, minutes=60)
    monitor.every = 4
    return monitor


def note(monitor: Monitor, step: int, loss: float = 2.0, norm: float = 1.0) -> None:
    monitor.note(step, torch.tensor([loss, 3.0]), torch.tensor(norm), NO)


def test_sums_are_read_every_few_steps(monitor: Monitor) -> None:
    reports = []
    for step in range(1, 7):
        note(monitor, step, loss=step)
        reports.append(monitor.read(0, step, last=step == 6))
    assert [report is not None for report in reports] == [False, False, False, True, False, True]
    assert reports[3] is not None
    assert reports[3].loss == (1 + 2 + 3 + 4) / 4
    assert monitor.sums.tolist() == [21, 18]
    monitor.start_epoch(torch.tensor([5.0, 6.0]))
    note(monitor, 1)
    assert monitor.sums.tolist() == [7, 9]


@pytest.mark.parametrize("values", [{"loss": float("nan")}, {"norm": float("inf")}])
def test_error_of_a_diverged_run_names_the_first_bad_step(
    monitor: Monitor, values: dict[str, float]
) -> None:
    note(monitor, 1)
    note(monitor, 2, **values)
    assert monitor.read(6, 2, last=False) is None
    note(monitor, 3, loss=float("inf"))
    note(monitor, 4)
    with pytest.raises(DivergedError, match="in epoch 7, step 2"):
        monitor.read(6, 4, last=False)


def test_scaler_allows_infinite_gradients_but_not_a_nan_loss(monitor: Monitor) -> None:
    infinite = torch.tensor(float("inf"))
    monitor.note(4, torch.tensor([2.0, 3.0]), infinite, torch.tensor(True))
    assert monitor.read(0, 4, last=False) is not None
    monitor.note(8, torch.tensor([float("nan"), 3.0]), GOOD, torch.tensor(True))
    with pytest.raises(DivergedError):
        monitor.read(0, 8, last=False)


def test_report_says_when_a_checkpoint_is_due(monitor: Monitor) -> None:
    monitor.minutes = 0
    note(monitor, 3)
    note(monitor, 4)
    report = monitor.read(0, 4, last=False)
    assert report is not None
    assert report.checkpoint
    last = monitor.read(0, 4, last=True)  # the end of an epoch writes one anyway
    assert last is not None
    assert not last.checkpoint
    monitor.minutes = 60
    note(monitor, 8)
    assert monitor.read(0, 8, last=False).checkpoint is False  # type: ignore[union-attr]


def test_stop_request_is_read_at_the_next_step(monitor: Monitor) -> None:
    monitor.stop.made = True
    note(monitor, 1)
    report = monitor.read(0, 1, last=False)
    assert report is not None
    assert report.stop


def test_diverged_run_raises_even_on_a_stop_request(monitor: Monitor) -> None:
    """Otherwise a checkpoint of the diverged run would be written."""
    monitor.stop.made = True
    note(monitor, 1, loss=float("nan"))
    with pytest.raises(DivergedError):
        monitor.read(0, 1, last=False)
