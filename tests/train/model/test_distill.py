"""Distillation losses on vectors that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from train.model.distill import Distillation, load_teacher


def test_a_student_with_the_teachers_geometry_has_no_relation_loss() -> None:
    # Centred teacher vectors of equal length: similarities 1, 0 and -1. The variance sums to the
    # mean square length, so 1 - d^2 / (2 * variance) is the cosine (up to n / (n - 1)).
    vectors = torch.cat([torch.eye(4), -torch.eye(4)]).repeat(50, 1)
    loss = Distillation(vectors, 4)
    features = 3 * vectors[:8]
    relation = loss(features, torch.arange(8))[1]
    assert relation.item() == pytest.approx(0, abs=1e-4)
    assert loss(torch.randn(8, 4), torch.arange(8))[1].item() > 0.05


def test_projection_can_reach_the_standardised_vectors() -> None:
    vectors = torch.randn(100, 3) * 5 + 2
    loss = Distillation(vectors, 3)
    with torch.no_grad():
        loss.project.weight.copy_(torch.eye(3))
        loss.project.bias.zero_()
    indices = torch.arange(10)
    assert loss(loss.vectors[indices], indices)[0].item() == pytest.approx(0, abs=1e-6)
    # Predicting the mean costs the variance, which is 1 after standardising.
    with torch.no_grad():
        loss.project.weight.zero_()
    everything = torch.arange(100)
    assert loss(torch.zeros(100, 3), everything)[0].item() == pytest.approx(1, abs=0.1)


def test_the_vectors_are_not_saved_with_the_weights() -> None:
    assert set(Distillation(torch.randn(5, 3), 4).state_dict()) == {
        "project.weight",
        "project.bias",
    }


def test_load_teacher_by_name(tmp_path: Path) -> None:
    path = tmp_path / "teacher.npz"
    np.savez(path, names=np.array([b"a/1", b"b/2"]), embeddings=np.array([[1, 2], [3, 4]], "f2"))
    assert load_teacher(path, np.array(["b/2", "a/1"])).tolist() == [[3, 4], [1, 2]]
    with pytest.raises(ValueError, match="lacks 1 faces, c/3 for one"):
        load_teacher(path, np.array(["a/1", "c/3"]))
