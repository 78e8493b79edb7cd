"""The loss of a batch is the weighted sum of its parts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from train.config import TrainConfig
from train.step import LOSS_NAMES, TrainingStep


def test_loss_is_the_weighted_sum_of_its_parts(tmp_path: Path) -> None:
    names = np.array([f"a/{i}" for i in range(6)])
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    np.savez(tmp_path / "teacher.npz", names=names, embeddings=vectors)
    config = TrainConfig(
        data="x",
        teachers=(str(tmp_path / "teacher.npz"),),
        stem="imagenet",
        amp="off",
        arcface_weight=0.5,
        projection_weight=3.0,
        relation_weight=7.0,
    )
    module = TrainingStep(config, names, n_identities=3)
    x = torch.randn(6, 3, 32, 32)
    loss, parts = module(x, torch.tensor([0, 0, 1, 1, 2, 2]), torch.arange(6))
    found = dict(zip(LOSS_NAMES, parts.tolist(), strict=True))
    assert min(found["arcface"], found["projection"], found["relation"]) > 0.01
    assert loss.item() == pytest.approx(
        0.5 * found["arcface"] + 3 * found["projection"] + 7 * found["relation"], rel=1e-5
    )
    assert loss.item() == found["loss"]
    loss.backward()
    assert module.teacher is not None
    assert module.teacher.project.weight.grad is not None
