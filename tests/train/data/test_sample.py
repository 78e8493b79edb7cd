"""Samples of training faces, from packs and pictures, without held-out identities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.data.heldout import is_heldout
from train.data.pack import open_pack, pack
from train.data.sample import sample_training


@pytest.fixture
def aligned(tmp_path: Path) -> Path:
    """60 identities with one face each, whose grey is the identity's number; a few are held out."""
    root = tmp_path / "faces"
    for i in range(60):
        (root / f"{i:05d}").mkdir(parents=True)
        Image.new("RGB", (96, 112), (i, i, i)).save(root / f"{i:05d}" / "0.png")
    return root


def greys(crops: np.ndarray) -> list[int]:
    assert crops.dtype == np.uint8
    assert crops.shape[1:] == (112, 96, 3)
    return crops[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("form", ["pictures", "pack", "opened pack"])
def test_sample_holds_training_faces_only_and_is_repeatable(
    aligned: Path, tmp_path: Path, form: str
) -> None:
    faces: object = aligned
    if form != "pictures":
        pack(aligned, tmp_path / "pack")
        faces = tmp_path / "pack" if form == "pack" else open_pack(tmp_path / "pack")
    training = [i for i in range(60) if not is_heldout(f"{i:05d}")]
    assert 50 < len(training) < 60
    assert greys(sample_training(faces, 1000)) == training  # type: ignore[arg-type]
    some = greys(sample_training(faces, 20))  # type: ignore[arg-type]
    assert len(set(some)) == 20
    assert set(some) < set(training)
    assert some == sorted(some)
    assert some == greys(sample_training(faces, 20))  # type: ignore[arg-type]
    assert some != greys(sample_training(faces, 20, seed=1))  # type: ignore[arg-type]


def test_sample_without_a_training_face_is_refused(faces: Path) -> None:
    with pytest.raises(ValueError, match="all identities of these faces are held out"):
        sample_training(faces, 5)
