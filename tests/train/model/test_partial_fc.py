"""Partial FC against the dense softmax: in one process, and shared by two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from train.config import MarginType, TrainConfig
from train.distributed import Processes
from train.model.head import MarginSoftmax
from train.model.margin import make_margin
from train.model.partial_fc import PartialFC
from train.optimizer import make_optimizer

ALONE = Processes(0, 1, torch.device("cpu"))
KINDS: list[MarginType] = ["arcface", "cosface", "adaface"]


def pair(rate: float, n: int = 11, kind: MarginType = "arcface") -> tuple[MarginSoftmax, PartialFC]:
    """A dense head and a partial one, initialised with the same random numbers."""
    torch.manual_seed(0)
    dense = MarginSoftmax(32, n, make_margin(kind), 16.0)
    torch.manual_seed(0)
    partial = PartialFC(32, n, make_margin(kind), 16.0, rate, ALONE)
    dense.margin.m = partial.margin.m = 0.35
    return dense, partial


@pytest.mark.parametrize("kind", KINDS)
def test_rate_1_equals_the_dense_softmax(kind: MarginType) -> None:
    dense, partial = pair(1.0, kind=kind)
    assert torch.equal(dense.weight, partial.weight)
    x = torch.randn(6, 32)
    labels = torch.tensor([0, 3, 3, 10, 7, 1])
    found = []
    for head in (dense, partial):
        features = x.clone().requires_grad_()
        loss, accuracy = head(features, labels)
        loss.backward()
        found.append((loss, accuracy, features.grad, head.weight.grad))
    for ours, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, expected)


def test_sample_holds_the_centres_of_the_batch_and_random_others() -> None:
    _, partial = pair(0.5, n=40)
    labels = torch.tensor([3, 39, 3, 0])
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        centres, target = partial._sample(labels)
        assert len(centres) == 20
        assert torch.equal(centres[target], partial.weight[labels])
        seen |= {int((partial.weight == row).all(1).nonzero()) for row in centres}
    assert seen == set(range(40))
    torch.manual_seed(5)
    first = partial._sample(labels)[0]
    torch.manual_seed(5)
    assert torch.equal(first, partial._sample(labels)[0])  # a resumed run draws the same centres


def test_sample_holds_the_whole_batch_even_beyond_the_rate() -> None:
    _, partial = pair(0.01, n=40)
    labels = torch.arange(30)
    centres, target = partial._sample(labels)
    assert torch.equal(centres[target], partial.weight[labels])


def test_sampled_loss_equals_the_dense_loss_over_the_sampled_centres() -> None:
    dense, partial = pair(0.5, n=40)
    x, labels = torch.randn(4, 32), torch.tensor([3, 39, 3, 0])
    torch.manual_seed(1)
    centres, target = partial._sample(labels)
    dense.weight = torch.nn.Parameter(centres.detach())
    torch.manual_seed(1)
    loss = partial(x, labels)[0]
    torch.testing.assert_close(loss, dense(x, target)[0])
    loss.backward()
    touched = partial.weight.grad.abs().sum(1) > 0
    assert touched.sum() == 20


def test_fewer_identities_than_processes_are_refused() -> None:
    group = Processes(0, 3, torch.device("cpu"))
    with pytest.raises(ValueError, match="2 identities cannot be shared by 3"):
        PartialFC(8, 2, make_margin("arcface"), 16.0, 1.0, group)


SCRIPT = """
import sys, torch
from pathlib import Path
from torch import nn
from train.checkpoint import load_model_state, model_state
from train.config import TrainConfig
from train.distributed import processes
from train.model.head import MarginSoftmax
from train.model.margin import make_margin
from train.model.partial_fc import PartialFC
from train.optimizer import make_optimizer

def close(a, b): torch.testing.assert_close(a, b)

with processes() as group:
    for kind in ("arcface", "cosface", "adaface"):
        torch.manual_seed(0)
        dense = MarginSoftmax(32, 11, make_margin(kind), 16.0)
        torch.manual_seed(0)
        ours = PartialFC(32, 11, make_margin(kind), 16.0, 1.0, group)
        dense.margin.m = ours.margin.m = 0.35
        close(ours.weight, ours.own(dense.weight))
        assert len(ours.weight) == (5, 6)[group.rank]
        x, labels = torch.randn(8, 32), torch.tensor([0, 3, 4, 5, 6, 10, 3, 7])
        mine = slice(4 * group.rank, 4 * group.rank + 4)
        features, whole = x[mine].clone().requires_grad_(), x.clone().requires_grad_()
        loss, accuracy = ours(features, labels[mine])
        expected, expected_accuracy = dense(whole, labels)
        close(loss, expected)
        close(accuracy, expected_accuracy)
        loss.backward()
        expected.backward()
        close(features.grad / group.count, whole.grad[mine])  # as DDP divides
        close(ours.weight.grad, ours.own(dense.weight.grad))

        module = nn.Module()
        module.head = ours
        config = TrainConfig(data="x", optimizer="adamw")
        optimizer = make_optimizer(config, module)
        optimizer.step()
        before = ours.weight.detach().clone(), optimizer.state[ours.weight]["exp_avg"].clone()
        state = model_state(module, optimizer)
        if group.is_first:
            assert state["modules"]["head.weight"].shape == (11, 32)
            torch.save(state, sys.argv[1] + kind)
        torch.distributed.barrier()
        state = torch.load(sys.argv[1] + kind, weights_only=True)
        nn.init.zeros_(ours.weight)
        again = make_optimizer(config, module)
        load_model_state(module, again, state)
        close(ours.weight, before[0])
        close(again.state[ours.weight]["exp_avg"], before[1])

    ours = PartialFC(32, 11, make_margin("arcface"), 16.0, 0.5, group)
    torch.manual_seed(group.rank)
    loss, _ = ours(x[mine], labels[mine])
    assert torch.isfinite(loss) and group.max(loss) == loss

threads = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
assert not [name for name in threads if "gloo" in name]  # they could abort the process at its exit
"""


def test_two_processes_equal_the_dense_softmax_and_share_a_checkpoint(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    root = str(Path(__file__).parents[3])
    run = subprocess.run(
        [sys.executable, *command, str(tmp_path / "state-")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    from train.checkpoint import load_model_state

    module = torch.nn.Module()  # one process loads the state of the two
    module.head = PartialFC(32, 11, make_margin("arcface"), 16.0, 1.0, ALONE)
    optimizer = make_optimizer(TrainConfig(data="x", optimizer="adamw"), module)
    state = torch.load(tmp_path / "state-arcface", weights_only=True)
    load_model_state(module, optimizer, state)
    assert torch.equal(module.head.weight, state["modules"]["head.weight"])
