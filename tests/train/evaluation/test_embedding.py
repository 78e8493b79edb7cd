"""Embedding pictures: by the central face, as aligned crops, or by given landmarks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer
from facehub.errors import ImageFormatError
from facehub.model.onnx import OnnxEmbedder
from facehub.template import TEMPLATES
from tests.train.networks import mean_weights
from train.evaluation.embedding import aligned_crop, embed_cut, embed_detected, landmark_crop

OURS, ARCFACE = TEMPLATES["pupils96x112"], TEMPLATES["arcface112"]


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def test_embed_detected_uses_the_central_face(
    recognizer: FaceRecognizer, both: np.ndarray, hopper: np.ndarray, nobody: np.ndarray
) -> None:
    """The central face is used, even if another one is larger."""
    left_in_the_middle = np.pad(both, ((0, 0), (400, 0), (0, 0)), mode="edge")
    pictures = {"l": left_in_the_middle, "n": nobody, "h": hopper, "b": both}
    found = embed_detected(list(pictures), lambda name: png(pictures[name]), recognizer)
    eileen, grace = (face.embedding for face in recognizer.faces(both))
    assert found[0] @ eileen > 0.7 > 0.4 > found[0] @ grace
    assert np.isnan(found[1]).all()
    assert found[2] @ grace > 0.9
    assert found[3] @ grace > 0.9  # 40 pixels wider, Hopper is nearer to the middle


def test_unreadable_picture_raises_instead_of_counting_as_no_face(
    recognizer: FaceRecognizer, hopper: np.ndarray
) -> None:
    pictures = {"good": png(hopper), "A/bad.jpg": b"no picture"}
    with pytest.raises(ImageFormatError, match=r"^A/bad\.jpg: "):
        embed_detected(list(pictures), pictures.__getitem__, recognizer)
    with pytest.raises(ImageFormatError, match=r"^A/bad\.jpg: "):
        embed_cut(["A/bad.jpg"], pictures.__getitem__, recognizer, aligned_crop(OURS))


def test_aligned_crop_is_cut_or_reflected_to_the_template() -> None:
    """112 columns become the middle 96 for our template, 96 are reflected to 112 for ArcFace's."""
    wide = np.arange(112, dtype=np.uint8)[None, :, None].repeat(112, 0).repeat(3, 2)
    middle = aligned_crop(OURS)("x", wide)
    assert middle.shape == (112, 96, 3)
    assert (middle[5, :, 1] == np.arange(8, 104)).all()
    assert (aligned_crop(ARCFACE)("x", wide) == wide).all()
    assert (aligned_crop(OURS)("x", middle) == middle).all()
    reflected = aligned_crop(ARCFACE)("x", middle)
    assert reflected.shape == (112, 112, 3)
    assert (reflected[:, 8:104] == middle).all()
    assert reflected[0, 7, 0] == middle[0, 1, 0]


@pytest.mark.parametrize("shape", [(250, 250), (112, 160), (96, 96), (128, 112)])
def test_picture_of_wrong_size_is_refused_as_aligned_crop(
    recognizer: FaceRecognizer, shape: tuple[int, int]
) -> None:
    picture = png(np.zeros((*shape, 3), np.uint8))
    with pytest.raises(ValueError, match=rf"^a.png: {shape[1]} x {shape[0]} pixels are not an al"):
        embed_cut(["a.png"], lambda _: picture, recognizer, aligned_crop(OURS))


def test_onnx_network_embeds_aligned_crops_unchanged(tmp_path: Path) -> None:
    """The network's vector is (2, 3, 5) times the channels' means."""
    network = OnnxEmbedder.from_pretrained(mean_weights(tmp_path / "net"))
    recognizer = FaceRecognizer(network)
    picture = png(np.full((112, 112, 3), (10, 20, 30), np.uint8))
    (found,) = embed_cut(["a"], lambda _: picture, recognizer, aligned_crop(ARCFACE))
    expected = np.array([20, 60, 150]) / np.linalg.norm([20, 60, 150])
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("template", [OURS, ARCFACE], ids=["two points", "five points"])
def test_landmark_crop_moves_the_points_to_the_template(template: object) -> None:
    """Bright dots at the given points lie at the template's points in the crop."""
    assert template in (OURS, ARCFACE)
    target = OURS if template is OURS else ARCFACE
    points = ARCFACE.points @ np.array([[0, 3], [-3, 0]]) + (400, 20)  # a quarter turn, 3 times
    picture = np.zeros((450, 450, 3), np.uint8)
    for x, y in points.round().astype(int):
        picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    crop = landmark_crop({"a": points}, target)("a", picture)
    assert crop.shape == (target.height, target.width, 3)
    for x, y in target.points.round().astype(int):
        assert crop[y, x].min() > 200
    assert crop[5, 5].max() == 0
