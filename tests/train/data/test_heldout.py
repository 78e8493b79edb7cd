"""Held-out identities: the choice never changes, and their faces are read from zips and folders."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from train.data.heldout import is_heldout, read_heldout
from train.evaluation.metrics import all_pairs


@pytest.mark.parametrize(
    ("identity", "heldout"),
    [
        ("", True),  # crc32 0
        ("00038", True),
        ("faces/00038", True),
        ("00001", False),
        ("123456789", False),  # crc32 0xcbf43926 = 3421780262, 2 modulo 20
        ("Aaron_Eckhart", False),
    ],
)
def test_is_heldout_never_changes(identity: str, heldout: bool) -> None:
    assert is_heldout(identity) == heldout


def test_one_identity_in_twenty_is_held_out() -> None:
    """500 of 10,000 are expected, with a standard deviation of 22."""
    assert 430 < sum(is_heldout(f"{i:05d}") for i in range(10_000)) < 570


def face(grey: int, suffix: str = "webp") -> bytes:
    buffer = io.BytesIO()
    mode = "L" if suffix == "png" else "RGB"
    Image.new("L", (96, 112), grey).convert(mode).save(buffer, format=suffix, lossless=True)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three held-out identities with two faces, one and one, and others between them."""
    names = [name for name in (f"{i:05d}" for i in range(200)) if is_heldout(name)]
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{names[1]}/b.webp", face(4))
        file.writestr(f"{names[0]}/", "")
        file.writestr(f"{names[0]}/z.webp", face(2))
        file.writestr("00001/a.webp", face(99))
        file.writestr(f"{names[0]}/a.webp", face(1))
        file.writestr(f"{names[2]}/a.png", face(7, "png"))
        file.writestr("README.txt", "faces")
    return path


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_read_heldout_reads_faces_in_order(archive: Path, form: str) -> None:
    faces = archive
    if form == "folder":  # as `align` writes it
        faces = archive.with_suffix("")
        with zipfile.ZipFile(archive) as file:
            file.extractall(faces)
    crops, labels = read_heldout(faces)
    assert crops.shape == (4, 112, 96, 3)
    assert crops.dtype == np.uint8
    assert crops[:, 50, 50, 0].tolist() == [1, 2, 4, 7]
    assert labels.tolist() == [0, 0, 1, 2]


def test_faces_without_a_heldout_identity_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("00001/a.webp", face(1))
    with pytest.raises(ValueError, match="has no held-out identity"):
        read_heldout(path)


def test_genuine_pairs_of_celeba_are_more_similar_than_impostor_pairs(
    recognizer: FaceRecognizer, shared_data: Path
) -> None:
    """200 aligned faces: the same person is far more similar than another."""
    crops, labels = read_heldout(shared_data / "celeba_aligned.zip")
    assert crops.shape[1:] == (112, 96, 3)
    similarity, same = all_pairs(recognizer.embedder.embed(crops[:200]), labels[:200])
    genuine, impostor = similarity[same].mean(), similarity[~same].mean()
    print(f"{same.sum()} genuine pairs: {genuine:.2f}; {(~same).sum()} impostor: {impostor:.2f}")
    assert genuine > impostor + 0.25
    assert abs(impostor) < 0.2


def test_everyone_option_reads_all_identities(tmp_path: Path) -> None:
    names = [str(number) for number in range(30)]
    for name in names:
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((112, 96, 3), np.uint8)).save(tmp_path / name / "1.png")
    few = sum(is_heldout(name) for name in names)
    assert 0 < few < 10
    assert len(set(read_heldout(tmp_path)[1])) == few
    crops, labels = read_heldout(tmp_path, everyone=True)
    assert crops.shape == (30, 112, 96, 3)
    assert sorted(labels) == list(range(30))
