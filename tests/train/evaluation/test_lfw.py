"""LFW: reading its pairs, choosing the central face."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from facehub.errors import ImageFormatError
from train.evaluation.lfw import LfwFaces, Pair, embed_pictures, read_pairs


def test_read_pairs() -> None:
    text = "10\t300\nAbel_Pacheco\t1\t4\nAnn\t12\tBob_Lee\t3\n\n"
    assert read_pairs(text) == [
        Pair("Abel_Pacheco/Abel_Pacheco_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0004.jpg", True),
        Pair("Ann/Ann_0012.jpg", "Bob_Lee/Bob_Lee_0003.jpg", False),
    ]


@pytest.mark.parametrize("line", ["Ann", "Ann\t1", "Ann\t1\tBob\t2\t3", "Ann\tone\ttwo"])
def test_bad_pairs(line: str) -> None:
    with pytest.raises(ValueError, match=r"not a line of pairs|invalid literal"):
        read_pairs(f"1\t1\n{line}\n")


def test_pairs_of_lfw(shared_data: Path) -> None:
    """Ten folds, each with 300 genuine and then 300 impostor pairs."""
    with zipfile.ZipFile(shared_data / "lfw_pairs.zip") as archive:
        pairs = read_pairs(archive.read("pairs.txt").decode())
        members = set(archive.namelist())
    assert [pair.same for pair in pairs] == 10 * (300 * [True] + 300 * [False])
    assert {name for pair in pairs for name in (pair.first, pair.second)} < members


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def test_central_face(
    recognizer: FaceRecognizer, both: np.ndarray, hopper: np.ndarray, nobody: np.ndarray
) -> None:
    """The smaller face is taken where it lies in the middle."""
    left_in_the_middle = np.pad(both, ((0, 0), (400, 0), (0, 0)), mode="edge")
    pictures = [png(left_in_the_middle), png(nobody), png(hopper), png(both)]
    found = list(embed_pictures(pictures, recognizer, batch_size=3))
    eileen, grace = (face.embedding for face in recognizer.faces(both))
    assert found[1] is None
    assert found[0] @ eileen > 0.7 > 0.4 > found[0] @ grace
    assert found[2] @ grace > 0.9
    assert found[3] @ grace > 0.9  # 40 pixels wider, Hopper is nearer to the middle


def test_a_picture_that_cannot_be_read_is_no_missing_face(
    recognizer: FaceRecognizer, hopper: np.ndarray
) -> None:
    with pytest.raises(ImageFormatError):
        list(embed_pictures([png(hopper), b"no picture"], recognizer))


def test_no_pictures(recognizer: FaceRecognizer) -> None:
    assert list(embed_pictures([], recognizer)) == []


def test_similarities_of_pairs() -> None:
    embeddings = np.array([[1, 0], [0.6, 0.8], [np.nan, np.nan]], np.float32)
    names = ["A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg"]
    pairs = [Pair(names[0], names[1], True), Pair(names[0], names[2], False)]
    faces = LfwFaces(pairs, names, embeddings)
    similarity, same = faces.similarities()
    assert similarity.tolist() == [pytest.approx(0.6), -np.inf]
    assert same.tolist() == [True, False]
    assert faces.labels.tolist() == [0, 0, 1]
