"""The split into training faces and scored held-out faces."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from train.data import split as module
from train.data.pack import PackedFaces
from train.data.split import split


def packed(n_identities: int = 30, per_identity: int = 10) -> PackedFaces:
    """Faces of which the first half of the identities is held out."""
    labels = np.repeat(np.arange(n_identities), per_identity)
    names = np.array([f"{label:04d}/{i}.webp" for i, label in enumerate(labels)])
    crops = np.zeros((len(labels), 1, 1, 3), np.uint8)
    return PackedFaces(crops, names, labels, labels < n_identities // 2)


def test_few_heldout_faces_are_all_scored() -> None:
    found = split(packed(), "x", heldout=True)
    assert found.training.tolist() == list(range(150, 300))
    assert found.labels.tolist() == np.repeat(np.arange(15), 10).tolist()
    assert found.n_identities == 15
    assert found.scored.tolist() == found.heldout.tolist() == list(range(150))


def test_scored_faces_of_many_are_chosen_by_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SCORED", 60)
    faces = packed()
    scored = split(faces, "x", heldout=True).scored
    assert len(scored) == 60
    assert (np.diff(scored) > 0).all()
    hashes = np.array([zlib.crc32(name.encode()) for name in faces.names[:150]])
    assert hashes[scored].max() < np.delete(hashes, scored).min()
    assert len(np.unique(faces.labels[scored])) > 10  # the first 60 by name have six identities
    deeper = PackedFaces(
        faces.crops, np.char.add("faces/", faces.names), faces.labels, faces.heldout
    )
    assert np.array_equal(split(deeper, "x", heldout=True).scored, scored)


def test_split_without_heldout_trains_on_all_faces() -> None:
    found = split(packed(), "x", heldout=False)
    assert (len(found.training), found.n_identities, len(found.scored)) == (300, 30, 0)


def test_too_few_heldout_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="some/pack has too few held-out faces"):
        split(packed(6, 5), "some/pack", heldout=True)
