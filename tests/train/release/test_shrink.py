"""Weak principal components are shrunk; the network's form and its batch statistics stay right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facehub.encoder import FaceEncoder
from facehub.model.spec import Head, ModelSpec
from tests.thin import make_thin
from train.release.shrink import shrink_components


@pytest.fixture(autouse=True)
def thin_network(monkeypatch: pytest.MonkeyPatch) -> None:
    make_thin(monkeypatch.setattr)


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 112, 96, 3), np.uint8)


def untrained(head: Head = "average") -> FaceEncoder:
    torch.manual_seed(0)
    encoder = FaceEncoder(ModelSpec(embedding_size=6, head=head)).eval()
    for values, low, high in (
        (encoder.norm.running_mean, -0.1, 0.1),
        (encoder.norm.running_var, 0.02, 0.5),
        (encoder.norm.weight.data, 0.5, 2),
        (encoder.norm.bias.data, -1, 1),
    ):
        torch.nn.init.uniform_(values, low, high)
    return encoder


@torch.no_grad()
def features(encoder: FaceEncoder, crops: np.ndarray) -> np.ndarray:
    """Rows for the crops and their mirror images."""
    both = np.concatenate([crops, crops[:, :, ::-1]])
    rows: np.ndarray = encoder.features(encoder.preprocess(torch.from_numpy(both))).numpy()
    return rows


@pytest.mark.parametrize("head", ["average", "flatten", "depthwise"])
@pytest.mark.parametrize("strength", [0.1, 2.0])
def test_components_are_multiplied_by_their_factors(
    head: Head, strength: float, crops: np.ndarray
) -> None:
    """The singular vectors of the features give components and moments another way."""
    encoder = untrained(head)
    before = features(encoder, crops)
    shrink_components(encoder, crops, strength)
    _, singular, directions = np.linalg.svd(before.astype(np.float64), full_matrices=False)
    moments = singular**2 / len(before)
    factors = moments / (moments + strength * moments.mean())
    expected = before @ directions.T * factors @ directions
    np.testing.assert_allclose(features(encoder, crops), expected, rtol=1e-4, atol=1e-4)
    assert factors.min() < 0.6 * factors.max()


def test_batch_statistics_are_those_of_the_faces(crops: np.ndarray) -> None:
    """So training can go on from the weights."""
    encoder = untrained()
    shrink_components(encoder, crops, 0.5)
    expected = features(encoder, crops)
    encoder.norm.train()
    np.testing.assert_allclose(features(encoder, crops), expected, rtol=1e-3, atol=1e-3)


def test_strength_0_changes_nothing(crops: np.ndarray) -> None:
    encoder = untrained()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    shrink_components(encoder, crops, 0.0)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_other_strengths_are_refused(strength: float, crops: np.ndarray) -> None:
    with pytest.raises(ValueError, match="strength"):
        shrink_components(untrained(), crops, strength)
