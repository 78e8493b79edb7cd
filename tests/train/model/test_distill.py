"""Distillation losses on vectors whose losses are known by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from train.model.distill import Distillation, load_teacher, load_teachers


def test_relation_loss_is_zero_for_the_geometry_of_the_teacher() -> None:
    # Centred teacher vectors of equal length: similarities 1, 0 and -1. The variance sums to the
    # mean square length, so 1 - d^2 / (2 * variance) is the cosine (up to n / (n - 1)).
    vectors = torch.cat([torch.eye(4), -torch.eye(4)]).repeat(50, 1)
    loss = Distillation(vectors, 4)
    features = 3 * vectors[:8]
    relation = loss(features, torch.arange(8))[1]
    assert relation.item() == pytest.approx(0, abs=1e-4)
    assert loss(torch.randn(8, 4), torch.arange(8))[1].item() > 0.05


def test_cosine_relation_ignores_lengths_and_distance_relation_does_not() -> None:
    vectors = torch.cat([torch.eye(4), -torch.eye(4)]).repeat(50, 1)
    longer = vectors * torch.linspace(1, 2, len(vectors) // 2).repeat(2)[:, None]  # still centred
    longer = longer - longer.mean(0)
    indices = torch.arange(8)
    features = longer[:8]
    assert Distillation(longer, 4, "cosine")(features, indices)[1].item() == pytest.approx(
        0, abs=1e-6
    )
    assert Distillation(longer, 4, "distance")(features, indices)[1].item() > 0.01


def test_several_teachers_have_equal_weight(tmp_path: Path) -> None:
    names = np.array([f"a/{i}" for i in range(96)])
    rng = np.random.default_rng(0)
    given = [100 + 10 * rng.normal(size=(96, 4)), 0.01 * rng.normal(size=(96, 3))]
    paths = [tmp_path / "4.npz", tmp_path / "3.npz"]
    for path, vectors in zip(paths, given, strict=True):
        np.savez(path, names=names, embeddings=vectors)
    found = load_teachers(paths, names).numpy()
    for block, before in zip((found[:, :4], found[:, 4:]), given, strict=True):
        assert np.abs(block.mean(0)).max() < 1e-4
        assert block.var(0).sum() == pytest.approx(1, abs=1e-4)
        assert np.corrcoef(block.ravel(), (before - before.mean(0)).ravel())[0, 1] > 0.9999
    alone = load_teachers(paths[:1], names).numpy()  # a single teacher keeps its scale
    np.testing.assert_allclose(alone, given[0], rtol=1e-5)


def test_projection_loss_of_an_exact_and_of_a_constant_prediction() -> None:
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


def test_state_does_not_hold_the_vectors() -> None:
    assert set(Distillation(torch.randn(5, 3), 4).state_dict()) == {
        "project.weight",
        "project.bias",
    }


def test_load_teacher_orders_vectors_by_name_and_names_missing_faces(tmp_path: Path) -> None:
    path = tmp_path / "teacher.npz"
    np.savez(path, names=np.array([b"a/1", b"b/2"]), embeddings=np.array([[1, 2], [3, 4]], "f2"))
    assert load_teacher(path, np.array(["b/2", "a/1"])).tolist() == [[3, 4], [1, 2]]
    with pytest.raises(ValueError, match="lacks 1 faces, c/3 for example"):
        load_teacher(path, np.array(["a/1", "c/3"]))


def test_init_projection_fits_the_projection_to_the_features() -> None:
    torch.manual_seed(0)
    features, mixed = 3 + torch.randn(500, 4), torch.randn(4, 6)
    vectors = 7 + features @ mixed
    loss = Distillation(vectors, 4)
    indices = torch.arange(500)
    untrained = loss(features, indices)[0].item()
    loss.init_projection(features[:400], indices[:400])
    assert loss(features[400:], indices[400:])[0].item() < 0.01 * untrained
