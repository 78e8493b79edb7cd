"""Batches: each face once per epoch, and the same from any step and on any number of processes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from train.data.batches import Batch, Batches
from train.data.pack import PackedFaces, open_pack


@pytest.fixture
def faces(tiny_pack: str) -> PackedFaces:
    return open_pack(Path(tiny_pack))


def make(faces: PackedFaces, device: str = "cpu", seed: int = 3, **parts: int) -> Batches:
    training = np.flatnonzero(~faces.heldout)
    labels = faces.labels[training]
    return Batches(faces, training, labels, 20, seed, torch.device(device), **parts)


def through(batches: Batches, epoch: int, first: int = 0) -> Iterator[Batch]:
    return itertools.chain(*(batches.step(epoch, step) for step in range(first, len(batches))))


def content(batch: Batch) -> tuple[list[int], list[int], bytes, float]:
    """Everything that a step receives, with its first random number."""
    number = float(torch.rand((), generator=batch.generator))
    pixels = batch.pixels.cpu().numpy().tobytes()
    return batch.indices.tolist(), batch.labels.tolist(), pixels, number


def test_an_epoch_has_every_face_at_most_once(faces: PackedFaces) -> None:
    batches = make(faces)
    assert len(batches) == 2  # of 48 faces
    seen = [i for batch in through(batches, 0) for i in batch.indices.tolist()]
    assert len(seen) == len(set(seen)) == 40
    assert seen != [i for batch in through(batches, 1) for i in batch.indices.tolist()]
    other = make(faces, seed=4)
    assert seen != [i for batch in through(other, 0) for i in batch.indices.tolist()]


def test_batches_hold_matching_faces_and_labels(faces: PackedFaces) -> None:
    training = np.flatnonzero(~faces.heldout)
    for batch in through(make(faces), 0):
        rows = training[batch.indices.numpy()]
        assert np.array_equal(batch.pixels.numpy(), faces.crops[rows])
        assert batch.labels.tolist() == faces.labels[rows].tolist()


def test_batches_from_the_middle_of_an_epoch_are_the_same(faces: PackedFaces) -> None:
    whole = [content(b) for epoch in (0, 1) for b in through(make(faces, n_parts=2), epoch)]
    rest = [content(b) for b in through(make(faces, n_parts=2), 1, first=1)]
    assert rest == whole[-2:]


def test_two_processes_share_the_parts_of_a_batch(faces: PackedFaces) -> None:
    """Two processes with two parts each alternate through the four parts of one process."""
    one = list(make(faces, n_parts=4).step(0, 1))
    two = [list(make(faces, n_parts=4, rank=r, processes=2).step(0, 1)) for r in (0, 1)]
    assert [batch.is_last for batch in one] == [False, False, False, True]
    assert [[batch.is_last for batch in parts] for parts in two] == [[False, True]] * 2
    by_turns = [batch for pair in zip(*two, strict=True) for batch in pair]
    assert [content(batch) for batch in by_turns] == [content(batch) for batch in one]


def test_next_part_is_prefetched_before_a_part_is_read(
    faces: PackedFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[int]]] = []
    read = PackedFaces.read

    def record_read(self: PackedFaces, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        calls.append(("read", rows.tolist()))
        return read(self, rows, out)

    monkeypatch.setattr(PackedFaces, "read", record_read)
    monkeypatch.setattr(
        PackedFaces, "prefetch", lambda self, rows: calls.append(("will", rows.tolist()))
    )
    assert len(list(through(make(faces, n_parts=2), 0))) == 4
    assert [what for what, _ in calls] == ["will", "read"] * 3 + ["read"]
    asked = [rows for what, rows in calls if what == "will"]
    assert asked == [rows for what, rows in calls if what == "read"][1:]
    assert all(rows == sorted(rows) for _, rows in calls)


def test_batches_on_cuda_equal_those_on_the_cpu(faces: PackedFaces) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU on this machine")
    for ours, theirs in zip(through(make(faces), 0), through(make(faces, "cuda"), 0), strict=True):
        assert theirs.pixels.is_cuda
        assert theirs.labels.is_cuda
        assert content(ours) == content(theirs)
