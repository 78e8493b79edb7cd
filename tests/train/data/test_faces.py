"""Mapped and in-memory face sets give the same faces, labels and held-out identities."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from facehub.io.sources import identity_of
from train.data.batches import Batches
from train.data.faces import FaceSet
from train.data.heldout import is_heldout
from train.data.pack import open_pack


@pytest.fixture(params=["mapped", "in memory"])
def faces(request: pytest.FixtureRequest, tiny_pack: str) -> FaceSet:
    mapped = open_pack(Path(tiny_pack))
    if request.param == "mapped":
        return mapped
    return dataclasses.replace(mapped, crops=np.array(mapped.crops))


@pytest.fixture
def crops(tiny_pack: str) -> np.ndarray:
    return np.load(Path(tiny_pack) / "crops.npy")


def test_labels_and_heldout_follow_the_identities(faces: FaceSet) -> None:
    identities = np.array([identity_of(name) for name in faces.names])
    assert faces.labels.dtype == np.int64
    assert np.array_equal(np.unique(identities)[faces.labels], identities)
    assert faces.heldout.tolist() == [is_heldout(identity) for identity in identities]


@pytest.mark.parametrize("rows", [[], [0], [3, 4, 5, 95], [7, 2, 2]])
def test_faces_are_read_by_position(faces: FaceSet, crops: np.ndarray, rows: list[int]) -> None:
    positions = np.array(rows, int)
    faces.prefetch(np.sort(positions))
    found = faces.read(positions)
    assert found.dtype == np.uint8
    assert np.array_equal(found, crops[positions])
    out = np.zeros((len(rows), 112, 96, 3), np.uint8)
    assert faces.read(positions, out) is out
    assert np.array_equal(out, crops[positions])


def test_batches_of_a_seed_never_change(faces: FaceSet, crops: np.ndarray) -> None:
    training = np.flatnonzero(~faces.heldout)
    batches = Batches(faces, training, np.arange(48), 16, 5, torch.device("cpu"))
    order = torch.randperm(48, generator=torch.Generator().manual_seed(SEED_5_EPOCH_1)).numpy()
    for step in range(3):
        (batch,) = batches.step(1, step)
        chosen = np.sort(order[16 * step : 16 * (step + 1)])
        assert batch.indices.tolist() == batch.labels.tolist() == chosen.tolist()
        assert np.array_equal(batch.pixels.numpy(), crops[training[chosen]])


SEED_5_EPOCH_1 = int(np.random.SeedSequence((5, 1)).generate_state(1, np.uint64)[0] >> 1)
