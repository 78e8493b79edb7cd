"""The check that a face stands upright in its crop."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facehub import AssetError, upright
from facehub.align import align, similarity_matrix, warp
from facehub.detect.mediapipe import default_detector
from facehub.template import DEFAULT_TEMPLATE
from facehub.upright import SURE, network_input, upright_scores


@pytest.fixture(scope="module")
def crops(astronaut: np.ndarray, hopper: np.ndarray) -> list[np.ndarray]:
    """Two faces, and both mirrored."""
    faces = [align(p, default_detector().find(p)[0]).crop for p in (astronaut, hopper)]
    return [*faces, *(np.ascontiguousarray(face[:, ::-1]) for face in faces)]


def test_upright_faces_have_sure_scores(crops: list[np.ndarray]) -> None:
    scores = upright_scores(crops)
    assert scores.dtype == np.float32
    assert (scores > SURE).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_faces_have_negative_scores(crops: list[np.ndarray], quarters: int) -> None:
    for crop in crops:
        turned = cv2.resize(np.rot90(crop, quarters), (96, 112))
        assert upright_scores([turned])[0] < 0


@pytest.mark.parametrize("eye", [(30.4, 51.6), (65.6, 51.6)])
def test_crop_around_one_eye_scores_lower_than_a_face(
    crops: list[np.ndarray], eye: tuple[float, float]
) -> None:
    """The supposed pupils are 9 pixels to either side of an eye: four times too large."""
    points = np.add(eye, [(-9, 0), (9, 0)])
    wrong = [warp(crop, similarity_matrix(points), DEFAULT_TEMPLATE) for crop in crops]
    assert upright_scores(wrong).max() < upright_scores(crops).min()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_crop_has_no_sure_score(level: int) -> None:
    score = upright_scores([np.full((112, 96, 3), level, np.uint8)])
    assert np.isfinite(score).all()
    assert score < SURE


def test_scores_of_a_batch_equal_those_of_single_crops(crops: list[np.ndarray]) -> None:
    alone = [float(upright_scores([crop])[0]) for crop in crops]
    np.testing.assert_allclose(upright_scores(crops), alone, rtol=1e-4)
    assert upright_scores([]).shape == (0,)


def test_network_input_does_not_depend_on_contrast_and_brightness(crops: list[np.ndarray]) -> None:
    """Every crop gets mean 0 and variance 1; the 1 in the divisor matters in dark crops."""
    x = network_input([crops[0], (crops[0] // 2 + 60).astype(np.uint8)])
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x[0], x[1], atol=0.1)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors"])
def test_missing_or_damaged_weights_are_refused(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").mkdir()
    if content is not None:
        (tmp_path / "assets" / upright.WEIGHTS_FILE).write_bytes(content)
    monkeypatch.setattr(upright.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(upright, "_weights", upright._weights.__wrapped__)
    with pytest.raises(AssetError, match="missing or damaged"):
        upright_scores([np.zeros((112, 96, 3), np.uint8)])
